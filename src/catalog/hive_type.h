/*
 * hive_type.h - columns as Hive names their types: what Glue and Hive show of a table.
 */
#ifndef FRZ_CATALOG_HIVE_TYPE_H
#define FRZ_CATALOG_HIVE_TYPE_H

#include "iceberg/schema/schema.h"

/** Who is told; they differ in types that Hive has not always had. */
typedef enum frz_hive_dialect {
  FRZ_HIVE_GLUE, /* types that Hive lacks stay as Iceberg writes them */
  FRZ_HIVE_2,    /* before "timestamp with local time zone" */
  FRZ_HIVE_3
} frz_hive_dialect;

/** Append a type's name, such as "array<struct<x:double>>". */
frz_status frz_hive_type_append(const frz_type *type, frz_hive_dialect dialect, frz_arena *arena,
                                frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

/** A column's comment, cut to the 255 bytes that there is room for, between characters. */
frz_str frz_hive_comment(frz_str text);

#endif
