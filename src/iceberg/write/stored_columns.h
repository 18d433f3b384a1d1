/*
 * stored_columns.h - which of a table's columns data files hold: all but those of type unknown, at
 * every level of nesting.
 *
 * Source: Iceberg specification, "Primitive Types", unknown; appendix A "Parquet".
 */
#ifndef FRZ_ICEBERG_STORED_COLUMNS_H
#define FRZ_ICEBERG_STORED_COLUMNS_H

#include "arrow/column.h"

typedef struct frz_stored_columns {
  const frz_arrow_field *table_fields; /* borrowed */
  frz_arrow_field *fields;             /* of the stored columns */
  size_t *columns;                     /* where each is among the table's */
  size_t n_columns;
  bool is_all; /* the table's columns as they are */
} frz_stored_columns;

/** `room` more places are left in `fields`. FRZ_ERR_UNSUPPORTED names a list, map or struct of
 * which nothing would be stored. */
frz_status frz_stored_columns_make(const frz_arrow_field *table_fields, size_t n_fields,
                                   size_t room, frz_arena *arena, frz_stored_columns *stored_out,
                                   frz_error *err) FRZ_MUST_CHECK;

/** The stored columns of a table's, lent: they point into `columns` and the arena, and are not
 * disposed of. `lent_out` has n_columns places. */
frz_status frz_stored_columns_lend(const frz_stored_columns *stored, const frz_column *columns,
                                   frz_arena *arena, frz_column *lent_out,
                                   frz_error *err) FRZ_MUST_CHECK;

#endif
