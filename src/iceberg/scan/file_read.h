/*
 * file_read.h - the live rows of one data file, projected onto the table's schema.
 *
 * Opens the file, maps its columns to field ids (by id, or by name mapping), leaves out row groups
 * and pages, applies position deletes, deletion vectors and equality deletes, adds columns that
 * the file lacks (identity partition value, initial default, null), widens promoted types, and
 * applies the row filter. Used by scans, by copy-on-write deletes and by the point-in-time join.
 */
#ifndef FRZ_ICEBERG_FILE_READ_H
#define FRZ_ICEBERG_FILE_READ_H

#include "arrow/column.h"
#include "arrow/row_range.h"
#include "codec/roaring.h"
#include "iceberg/scan/read_counts.h"
#include "iceberg/scan/scan_plan.h"

/** What all files of one scan share. Immutable once made; used by several threads. */
typedef struct frz_projection {
  const frz_table_metadata *metadata; /* retained by the owner */
  const frz_schema *schema;           /* of the snapshot read */
  const frz_field *fields;            /* top level; nested fields pruned to what was selected */
  size_t n_fields;
  const frz_arrow_field *arrow_fields; /* the result's fields, one each */
  const frz_expr *filter;              /* NULL: every row */
  const frz_expr *prune;               /* rows that do not match may be left out; NULL: filter */
  int64_t batch_rows_max;
  frz_read_counts *counts; /* of what is read through it; NULL: nobody's */
} frz_projection;

/** Build a projection in an arena. `names` NULL: all columns. FRZ_ERR_INVALID names an unknown
 * column. */
frz_status frz_projection_make(const frz_table_metadata *metadata, const frz_schema *schema,
                               const char *const *names, size_t n_names, bool case_sensitive,
                               const frz_expr *filter, int64_t batch_rows_max, frz_arena *arena,
                               frz_projection *projection_out, frz_error *err) FRZ_MUST_CHECK;

/** Equality delete maps and opened delete files, shared by the files of a scan; locked inside. */
typedef struct frz_delete_cache frz_delete_cache;
frz_status frz_delete_cache_create(frz_context *context, frz_storage *storage,
                                   const frz_table_metadata *metadata, const frz_schema *schema,
                                   frz_delete_cache **cache_out, frz_error *err) FRZ_MUST_CHECK;
void frz_delete_cache_free(frz_delete_cache *cache);

typedef struct frz_file_reader frz_file_reader;

typedef struct frz_file_read_options {
  const frz_row_range *ranges; /* positions to read; NULL: the whole file */
  size_t n_ranges;
  bool merge_ranges;           /* see row_reader.h */
  bool without_deletes;        /* rows known to be alive: a late fetch */
  const frz_roaring *left_out; /* positions to leave out besides the deleted ones; NULL: none */
} frz_file_read_options;

/** All arguments are borrowed until the reader is freed. `options` may be NULL. */
frz_status frz_file_reader_open(frz_context *context, frz_storage *storage,
                                const frz_projection *projection, const frz_scan_task *task,
                                frz_delete_cache *deletes, const frz_file_read_options *options,
                                frz_file_reader **reader_out, frz_error *err) FRZ_MUST_CHECK;
void frz_file_reader_free(frz_file_reader *reader);

/**
 * The next live, matching rows; n_rows 0: the end (batches that deletes or the filter empty are
 * passed over). `positions_out` (may be NULL) borrows each row's position in the file until the
 * next call.
 */
frz_status frz_file_reader_next(frz_file_reader *reader, frz_batch *batch_out,
                                const int64_t **positions_out, frz_error *err) FRZ_MUST_CHECK;

/** Rows that were read so far and that deletes left, whether or not the filter matches them; -1
 * when some of the file's rows are left out unread, so that it is never all of them. */
int64_t frz_file_reader_live_rows(const frz_file_reader *reader);

/** The row groups of the file as ranges, so that a scan can split one file among threads. */
frz_status frz_file_row_groups(frz_context *context, frz_storage *storage,
                               const frz_scan_task *task, frz_arena *arena,
                               const frz_row_range **ranges_out, size_t *n_ranges_out,
                               frz_error *err) FRZ_MUST_CHECK;

#endif
