/*
 * avro_columns.h - the records of an Avro object container file as Arrow columns.
 *
 * The file is read by range, a window at a time, each block bounded and checked against the sync
 * marker. An open file is immutable and may be shared by threads; a reader is used by one thread at
 * a time.
 */
#ifndef FRZ_AVRO_AVRO_COLUMNS_H
#define FRZ_AVRO_AVRO_COLUMNS_H

#include "arrow/column.h"
#include "arrow/row_range.h"
#include "avro/avro_schema.h"
#include "base/source.h"

/** A field of the file's records. */
typedef struct frz_avro_column {
  frz_arrow_field field; /* ids as stored */
  size_t first_leaf, n_leaves;
  bool is_unknown; /* its type has no Arrow form */
} frz_avro_column;

typedef struct frz_avro_table frz_avro_table;

/** Read and check the header. `source` is owned by the table from here (freed on failure too);
 * `name` goes into errors and is copied. FRZ_ERR_UNSUPPORTED: the codec, or no records. */
frz_status frz_avro_table_open(const frz_alloc *alloc, frz_source *source, frz_str name,
                               frz_avro_table **table_out, frz_error *err) FRZ_MUST_CHECK;
void frz_avro_table_free(frz_avro_table *table);

const frz_avro_column *frz_avro_table_columns(const frz_avro_table *table, size_t *n_columns_out);

/** The field of a column with its selected leaves (by number; NULL: all) alone. Maps stay whole.
 * FRZ_ERR_UNSUPPORTED says why a column is unknown. */
frz_status frz_avro_table_field(const frz_avro_table *table, size_t column, const bool *selected,
                                frz_arena *arena, frz_arrow_field *field_out,
                                frz_error *err) FRZ_MUST_CHECK;

typedef struct frz_avro_read_options {
  const bool *selected_leaves; /* NULL: all that are known. None selected: row counts only */
  const frz_row_range *ranges; /* ascending, disjoint; NULL: every row */
  size_t n_ranges;
  int64_t batch_rows_max; /* > 0 */
  bool merge_ranges;      /* a batch may hold rows of several ranges */
} frz_avro_read_options;

typedef struct frz_avro_columns_reader frz_avro_columns_reader;

/** The options' arrays are copied; the table is borrowed. */
frz_status frz_avro_columns_create(const frz_avro_table *table,
                                   const frz_avro_read_options *options,
                                   frz_avro_columns_reader **reader_out,
                                   frz_error *err) FRZ_MUST_CHECK;
void frz_avro_columns_free(frz_avro_columns_reader *reader);

/** The next rows of the ranges, at most batch_rows_max, of the columns with at least one selected
 * leaf, in file order; `first_row_out` is the file position of the first. A batch spans several
 * ranges only when they are merged. n_rows 0: the end. */
frz_status frz_avro_columns_next(frz_avro_columns_reader *reader, frz_batch *batch_out,
                                 int64_t *first_row_out, frz_error *err) FRZ_MUST_CHECK;

#endif
