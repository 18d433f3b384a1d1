/*
 * row_reader.h - the rows of one file, whatever its format: what scans and deletes ask of it.
 *
 * A row file knows its columns, with the field ids that were stored in it; a row reader decodes
 * chosen ones. A choice is made by leaf: the leaves of all columns, counted from left to right.
 * An open file is immutable and may be shared by threads; a reader is used by one at a time.
 */
#ifndef FRZ_ICEBERG_ROW_READER_H
#define FRZ_ICEBERG_ROW_READER_H

#include "arrow/column.h"
#include "arrow/row_range.h"
#include "iceberg/filter/expression.h"
#include "iceberg/scan/column_map.h"
#include "iceberg/scan/read_counts.h"
#include "storage/storage.h"

typedef struct frz_row_file frz_row_file;
typedef struct frz_row_reader frz_row_reader;

/** A column at the top of a file. */
typedef struct frz_row_column {
  frz_arrow_field field; /* ids as stored */
  size_t first_leaf, n_leaves;
  bool is_unknown; /* its type has no Arrow form: no error unless it is wanted */
} frz_row_column;

/** Which rows may a filter want? */
typedef struct frz_row_choice {
  const frz_row_column *columns;   /* the file's, with the ids that count */
  const frz_column_source *source; /* for the columns that the file lacks */
  const frz_schema *schema;
  const frz_expr *filter;
  const frz_row_range *ranges; /* the only rows that matter; NULL: all */
  size_t n_ranges;
  frz_read_counts *counts; /* of what is left out; NULL: nobody's */
} frz_row_choice;

typedef struct frz_row_read_options {
  const bool *selected_leaves;
  const frz_row_range *ranges; /* ascending, disjoint; NULL: every row */
  size_t n_ranges;
  int64_t batch_rows_max; /* > 0 */
  bool merge_ranges;      /* a batch may hold rows of several ranges */
} frz_row_read_options;

struct frz_row_file {
  const frz_row_column *columns;
  size_t n_columns;
  size_t n_leaves;
  bool has_ids;                /* on any column, however deep */
  const frz_row_range *groups; /* what is decoded together: a file is cut between them */
  size_t n_groups;

  /** Say why a column is unknown. */
  frz_status (*explain)(const frz_row_file *file, size_t column, frz_arena *arena, frz_error *err);
  /** What the batches have of a column of which some leaves are selected. */
  frz_status (*prune)(const frz_row_file *file, size_t column, const bool *selected_leaves,
                      frz_arena *arena, frz_arrow_field *field_out, frz_error *err);
  /** The rows that may match, into `arena`: ascending, apart, each range within one group; perhaps
   * rows that do not matter too. NULL: every row may match. */
  frz_status (*choose)(const frz_row_file *file, const frz_row_choice *choice, frz_arena *arena,
                       const frz_row_range **ranges_out, size_t *n_ranges_out, frz_error *err);
  /** Bytes that the selected columns of the ranges' groups take in the file. NULL: not known. */
  int64_t (*stored_bytes)(const frz_row_file *file, const bool *selected_leaves,
                          const frz_row_range *ranges, size_t n_ranges);
  /** The options' arrays are copied. */
  frz_status (*read)(const frz_row_file *file, const frz_row_read_options *options,
                     frz_row_reader **reader_out, frz_error *err);
  void (*free)(frz_row_file *file);
};

struct frz_row_reader {
  /** The next rows of the ranges: the pruned columns with selected leaves, in file order.
   * `first_out`: position of the first row. A batch spans several ranges only when they are merged.
   * n_rows 0: the end. */
  frz_status (*next)(frz_row_reader *reader, frz_batch *batch_out, int64_t *first_out,
                     frz_error *err);
  void (*free)(frz_row_reader *reader);
};

/** Can such a file be read at all? FRZ_ERR_UNSUPPORTED: ORC, or encrypted. */
frz_status frz_row_file_check(const frz_data_file *described, frz_error *err) FRZ_MUST_CHECK;

/** Open a data or delete file by its format, if it can be read. */
frz_status frz_row_file_open(frz_context *context, frz_storage *storage,
                             const frz_data_file *described, frz_row_file **file_out,
                             frz_error *err) FRZ_MUST_CHECK;

static inline void frz_row_file_free(frz_row_file *file)
{
  if (file != NULL) file->free(file);
}

static inline void frz_row_reader_free(frz_row_reader *reader)
{
  if (reader != NULL) reader->free(reader);
}

/** Is any leaf of the column selected? */
static inline bool frz_row_column_is_selected(const frz_row_column *column, const bool *selected)
{
  for (size_t i = 0; i < column->n_leaves; i++)
    if (selected[column->first_leaf + i]) return true;
  return false;
}

/** Leaves of a field: nodes without children. */
size_t frz_row_count_leaves(const frz_arrow_field *field);

/* ---- the formats ---- */

/** `n_rows`: as the manifest says; -1: it does not. */
frz_status frz_avro_rows_open(frz_context *context, frz_storage *storage, frz_str path,
                              int64_t n_rows, frz_row_file **file_out,
                              frz_error *err) FRZ_MUST_CHECK;
frz_status frz_parquet_rows_open(frz_context *context, frz_storage *storage, frz_str path,
                                 frz_row_file **file_out, frz_error *err) FRZ_MUST_CHECK;

#endif
