/*
 * open_file.h - a data file opened for one projection: its rows, column maps, deletes.
 *
 * Immutable once made, so that several readers on several threads share one; everything passed in
 * is borrowed until it is freed.
 */
#ifndef FRZ_ICEBERG_OPEN_FILE_H
#define FRZ_ICEBERG_OPEN_FILE_H

#include "iceberg/scan/delete_cache.h"
#include "iceberg/scan/row_reader.h"

typedef struct frz_open_options {
  bool without_deletes;
  const frz_row_range *ranges; /* the only rows that will be asked for; NULL: any */
  size_t n_ranges;
  const int32_t *key_ids; /* columns for frz_file_reader_next_keys() */
  size_t n_key_ids;
} frz_open_options;

/** Columns whose values are looked up in a set. */
typedef struct frz_key_columns {
  frz_equality_set *set;
  frz_leaf *leaves;
  size_t n_leaves;
} frz_key_columns;

typedef struct frz_open_file {
  const frz_alloc *alloc;
  frz_context *context;
  frz_storage *storage;
  const frz_projection *projection;
  const frz_scan_task *task;
  frz_arena arena;
  frz_row_file *rows;
  const bool *selected;        /* by leaf */
  const frz_row_range *ranges; /* that the filter may want: each within one group of rows */
  size_t n_ranges;
  frz_column_source columns; /* of the batches */
  bool *is_projected;        /* by column: some map takes it */
  frz_column_map *maps;      /* one a projected field */
  frz_leaf *filter_leaves;
  size_t n_filter_leaves;
  bool wants_positions;    /* a metadata column follows from them */
  frz_key_columns *checks; /* equality deletes */
  size_t n_checks;
  frz_key_columns keys;       /* of frz_open_options */
  const frz_roaring *deleted; /* NULL: none; owned, or of the cache */
  frz_roaring *owned_deleted;
  frz_position_deletes *owned_positions;
} frz_open_file;

frz_status frz_open_file_create(frz_context *context, frz_storage *storage,
                                const frz_projection *projection, const frz_scan_task *task,
                                frz_delete_cache *deletes, const frz_open_options *options,
                                frz_open_file **file_out, frz_error *err) FRZ_MUST_CHECK;
void frz_open_file_free(frz_open_file *file);

/** A reader of share `share` of `n_shares` of the row groups. `options` may be NULL; the file is
 * borrowed. */
frz_status frz_file_reader_over(const frz_open_file *file, const frz_file_read_options *options,
                                size_t share, size_t n_shares, frz_file_reader **reader_out,
                                frz_error *err) FRZ_MUST_CHECK;

/** The key columns of the next rows, whatever their deletes and filter; n_rows 0: the end (and no
 * columns). End them with frz_open_file_keys_free(). */
frz_status frz_file_reader_next_keys(frz_file_reader *reader, frz_leaf_column **columns_out,
                                     int64_t *n_rows_out, frz_error *err) FRZ_MUST_CHECK;
void frz_open_file_keys_free(const frz_open_file *file, frz_leaf_column *columns,
                             const frz_alloc *alloc);

#endif
