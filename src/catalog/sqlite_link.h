/*
 * sqlite_link.h - one SQLite connection, shared by the threads of a process and never by two
 * processes.
 */
#ifndef FRZ_CATALOG_SQLITE_LINK_H
#define FRZ_CATALOG_SQLITE_LINK_H

#include <pthread.h>
#include <sqlite3.h>

#include "base/buf.h"

/**
 * A connection that is opened on first use and opened anew in a child after a fork: SQLite forbids
 * using, and even closing, the parent's there.
 */
typedef struct frz_sqlite_link {
  const frz_alloc *alloc;
  frz_string path;
  pthread_mutex_t lock;
  sqlite3 *db;
  int32_t process_id; /* that opened `db` and made `lock` */
} frz_sqlite_link;

/** The path in a URI: "sqlite:///rel", "sqlite:////abs", "sqlite+driver:///", "jdbc:sqlite:path",
 * "file:path" or a plain path. FRZ_ERR_UNSUPPORTED: another database. */
frz_status frz_sqlite_path(const char *uri, frz_str *path_out, frz_error *err) FRZ_MUST_CHECK;

frz_status frz_sqlite_link_init(frz_sqlite_link *link, frz_str path, const frz_alloc *alloc,
                                frz_error *err) FRZ_MUST_CHECK;
void frz_sqlite_link_dispose(frz_sqlite_link *link);

/** Take the connection for this thread; ended by frz_sqlite_release(), which also rolls back what
 * was begun and not committed. */
frz_status frz_sqlite_acquire(frz_sqlite_link *link, frz_error *err) FRZ_MUST_CHECK;
void frz_sqlite_release(frz_sqlite_link *link);

/** Called for each row; texts are read with frz_sqlite_text(). */
typedef frz_status (*frz_sqlite_visit)(void *arg, sqlite3_stmt *row, frz_error *err);

/**
 * Run one statement with text arguments. `visit` may be NULL. Between acquire and release.
 * FRZ_ERR_EXISTS: a key is there already; FRZ_ERR_TIMEOUT: locked by others for too long.
 */
frz_status frz_sqlite_run(frz_sqlite_link *link, const char *sql, const frz_str *args,
                          size_t n_args, frz_sqlite_visit visit, void *arg,
                          frz_error *err) FRZ_MUST_CHECK;

/** Rows that the last statement changed. */
int64_t frz_sqlite_changes(const frz_sqlite_link *link);

/** A column as text; data NULL for null. Borrowed until the next row. */
frz_str frz_sqlite_text(sqlite3_stmt *row, int column);

#endif
