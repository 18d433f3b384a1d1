/*
 * field_path.h - the way from a batch's columns down to a field inside of structs.
 */
#ifndef FRZ_ICEBERG_FIELD_PATH_H
#define FRZ_ICEBERG_FIELD_PATH_H

#include "arrow/column.h"
#include "base/limits.h"
#include "iceberg/schema/schema.h"

typedef struct frz_field_path {
  size_t at[FRZ_LIMIT_DEPTH]; /* the top-level column, then children of structs */
  size_t n;
} frz_field_path;

/** The field of that id, if no list or map lies above it; else NULL. */
const frz_field *frz_field_path_find(const frz_schema *schema, int32_t field_id,
                                     frz_field_path *path_out);

/** The field's column; NULL where a struct above it is null in that row. */
const frz_column *frz_field_path_column(const frz_field_path *path, const frz_column *columns,
                                        int64_t row);

#endif
