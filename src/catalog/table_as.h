/*
 * table_as.h - a table that becomes visible with its rows: created with them, or replaced.
 */
#ifndef FRZ_CATALOG_TABLE_AS_H
#define FRZ_CATALOG_TABLE_AS_H

#include "catalog/catalog_ops.h"

/** Rows that a table is created with. Everything is borrowed, but for `filled`. */
typedef struct frz_first_rows {
  frz_context *context;
  frz_storage *storage;
  const char *identifier;
  struct ArrowArrayStream *data;
  const frz_write_options *options;
  frz_write_result result;
  frz_table_metadata *filled; /* retained: what the table was given; NULL: nothing yet */
} frz_first_rows;

/** The `fill` of a frz_table_creation; `arg` is a frz_first_rows. */
frz_status frz_first_rows_fill(void *arg, frz_table_metadata *empty,
                               frz_table_metadata **filled_out, frz_error *err) FRZ_MUST_CHECK;

/** Remove the files that were written: the table surely was not created. */
void frz_first_rows_remove(const frz_first_rows *rows);

/** Another table in the place of one. Everything is borrowed. */
typedef struct frz_table_replacement {
  frz_context *context;
  frz_storage *storage;
  const frz_catalog_ops *ops;
  void *self;
  const char *identifier;
  const frz_table_creation *creation; /* its schema has ids above the table's */
  struct ArrowArrayStream *data;
  const frz_write_options *options;
} frz_table_replacement;

/** Replace `base`, which is borrowed. FRZ_ERR_CONFLICT: others changed its schema, partition spec
 * or rows meanwhile. */
frz_status frz_table_replacement_run(const frz_table_replacement *replacement,
                                     const frz_loaded_table *base, frz_write_result *result_out,
                                     frz_loaded_table *loaded_out, frz_error *err) FRZ_MUST_CHECK;

#endif
