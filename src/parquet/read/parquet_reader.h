/*
 * parquet_reader.h - read a Parquet file: open it once, then make any number of readers over it.
 *
 * An open file is immutable and may be shared by threads; a reader is used by one thread at a time.
 */
#ifndef FRZ_PARQUET_PARQUET_READER_H
#define FRZ_PARQUET_PARQUET_READER_H

#include "arrow/column.h"
#include "arrow/row_range.h"
#include "base/runtime.h"
#include "base/source.h"
#include "parquet/format/parquet_metadata.h"

typedef struct frz_parquet_file frz_parquet_file;

/** Read and check the footer. `source` is owned by the file from here (freed on failure too);
 * `name` is copied. */
frz_status frz_parquet_file_open(frz_context *context, frz_source *source, frz_str name,
                                 frz_parquet_file **file_out, frz_error *err) FRZ_MUST_CHECK;
void frz_parquet_file_free(frz_parquet_file *file);
const frz_parquet_metadata *frz_parquet_file_metadata(const frz_parquet_file *file);

typedef struct frz_parquet_read_options {
  const bool *selected_leaves; /* by leaf index; NULL: all. None selected: row counts only */
  const frz_row_range *ranges; /* ascending, disjoint; NULL: every row */
  size_t n_ranges;
  int64_t batch_rows_max; /* > 0 */
  bool merge_ranges; /* a batch may hold rows of several ranges: for late fetches of single rows */
} frz_parquet_read_options;

typedef struct frz_parquet_reader frz_parquet_reader;

/** The options' arrays are copied. Column chunks of row groups outside the ranges are not read;
 * with an offset index neither are pages outside them. */
frz_status frz_parquet_reader_create(frz_parquet_file *file,
                                     const frz_parquet_read_options *options,
                                     frz_parquet_reader **reader_out,
                                     frz_error *err) FRZ_MUST_CHECK;
void frz_parquet_reader_free(frz_parquet_reader *reader);

/** The fields of the batches: the top-level nodes with at least one selected leaf, in file order.
 */
const frz_arrow_field *frz_parquet_reader_fields(const frz_parquet_reader *reader,
                                                 size_t *n_fields_out);

/**
 * The next rows of the ranges, at most batch_rows_max and within one row group. `first_row_out` is
 * the file position of the batch's first row (a batch never spans two ranges unless
 * `merge_ranges`). n_rows 0: the end. Every level, length, offset and checksum was checked; the
 * bytes of STRING columns are those of the file, UTF-8 only if its writer saw to it.
 */
frz_status frz_parquet_reader_next(frz_parquet_reader *reader, frz_batch *batch_out,
                                   int64_t *first_row_out, frz_error *err) FRZ_MUST_CHECK;

#endif
