/*
 * sqlite_link.h - which file a SQLite URI names.
 */
#ifndef FRZ_CATALOG_SQLITE_LINK_H
#define FRZ_CATALOG_SQLITE_LINK_H

#include "catalog/sql_link.h"

/** The path in a URI: "sqlite:///rel", "sqlite:////abs", "sqlite+driver:///", "jdbc:sqlite:path",
 * "file:path" or a plain path. FRZ_ERR_UNSUPPORTED: another database. */
frz_status frz_sqlite_path(const char *uri, frz_str *path_out, frz_error *err) FRZ_MUST_CHECK;

#endif
