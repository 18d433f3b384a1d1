/*
 * fuzz_parquet.c - any bytes as a Parquet file.
 *
 * Rows that are read keep the promises of column.h; reading them again in small batches, and some
 * of them by ranges, gives the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "parquet/read/parquet_reader.h"

/* More rows than this are not read: a few bytes can stand for millions of nulls. */
enum { ROWS_MAX = 20000, VALUES_MAX = 200000, LEAVES_MAX = 64 };

#define MUST(condition)        \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

static void check_column(const frz_column *column, int64_t n_rows, int depth)
{
  MUST(column->n_rows == n_rows && column->n_nulls >= 0 && column->n_nulls <= n_rows);
  if (column->type.kind == FRZ_ARROW_NULL) return;
  int64_t n_present = 0;
  for (int64_t i = 0; i < n_rows; i++) n_present += !frz_column_is_null(column, i);
  MUST(n_present == n_rows - column->n_nulls);
  int64_t child_rows = n_rows;
  if (frz_arrow_type_has_offsets(column->type)) {
    const int32_t *offsets = (const int32_t *)(const void *)column->offsets.data;
    for (int64_t i = 0; i < n_rows; i++) {
      MUST(offsets[i] <= offsets[i + 1] && offsets[0] == 0);
      if (frz_column_is_null(column, i)) MUST(offsets[i] == offsets[i + 1]);
    }
    child_rows = n_rows > 0 ? offsets[n_rows] : 0;
    if (column->n_children == 0) MUST((int64_t)column->values.size == child_rows);
  } else if (column->n_children == 0 && column->type.kind != FRZ_ARROW_BOOL) {
    MUST(column->values.size == (size_t)n_rows * frz_arrow_value_bytes(column->type));
  }
  for (size_t i = 0; i < column->n_children; i++)
    check_column(&column->children[i], child_rows, depth + 1);
}

static bool is_small(const frz_parquet_metadata *metadata)
{
  int64_t n_values = 0;
  if (metadata->n_rows > ROWS_MAX || metadata->n_leaves > LEAVES_MAX) return false;
  for (size_t i = 0; i < metadata->n_row_groups; i++) {
    for (size_t j = 0; j < metadata->n_leaves; j++) {
      int64_t n = metadata->row_groups[i].chunks[j].n_values;
      if (n > VALUES_MAX - n_values) return false;
      n_values += n;
    }
  }
  return true;
}

/* All rows; compared with `expected` from its row at `ranges` on, where that is given. */
static frz_status read_rows(frz_parquet_file *file, const frz_parquet_read_options *options,
                            const frz_batch *expected, frz_batch *all_out)
{
  frz_parquet_reader *reader;
  frz_batch all;
  size_t n_fields;
  frz_status st = frz_parquet_reader_create(file, options, &reader, NULL);
  if (st != FRZ_OK) return st;
  const frz_arrow_field *fields = frz_parquet_reader_fields(reader, &n_fields);
  MUST(frz_batch_init(&all, fields, n_fields, frz_alloc_default(), NULL) == FRZ_OK);
  for (;;) {
    frz_batch batch;
    int64_t first;
    st = frz_parquet_reader_next(reader, &batch, &first, NULL);
    if (st != FRZ_OK || batch.n_rows == 0) break;
    MUST(batch.n_rows <= options->batch_rows_max && batch.n_columns == n_fields);
    for (size_t i = 0; i < n_fields; i++) {
      check_column(&batch.columns[i], batch.n_rows, 0);
      for (int64_t row = 0; expected != NULL && row < batch.n_rows; row++)
        MUST(frz_column_values_equal(&batch.columns[i], row, &expected->columns[i], first + row));
      MUST(frz_column_append_rows(&all.columns[i], &batch.columns[i], 0, batch.n_rows, NULL) ==
           FRZ_OK);
    }
    all.n_rows += batch.n_rows;
    frz_batch_dispose(&batch);
  }
  frz_parquet_reader_free(reader);
  if (st != FRZ_OK || all_out == NULL)
    frz_batch_dispose(&all);
  else
    *all_out = all;
  return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_context *context;
  frz_context_options context_options;
  frz_source *source;
  frz_parquet_file *file;
  frz_batch all;
  frz_context_options_init(&context_options);
  context_options.n_threads = 1;
  MUST(frz_context_create(&context_options, &context, NULL) == FRZ_OK);
  MUST(frz_source_from_memory(frz_alloc_default(), data, size, &source, NULL) == FRZ_OK);
  frz_error error = {0};
  if (frz_parquet_file_open(context, source, FRZ_STR("input"), &file, &error) != FRZ_OK) {
    MUST(error.message[0] != '\0');
    frz_context_free(context);
    return 0;
  }
  const frz_parquet_metadata *metadata = frz_parquet_file_metadata(file);
  frz_parquet_read_options options = {.batch_rows_max = ROWS_MAX};
  if (is_small(metadata) && read_rows(file, &options, NULL, &all) == FRZ_OK) {
    MUST(all.n_rows == metadata->n_rows);
    options.batch_rows_max = 3;
    MUST(read_rows(file, &options, &all, NULL) == FRZ_OK);
    /* Offset indexes may lie about where pages are: then rows are refused, or other ones. */
    frz_row_range ranges[] = {{metadata->n_rows / 3, metadata->n_rows / 2}};
    options.ranges = ranges;
    options.n_ranges = 1;
    (void)!read_rows(file, &options, NULL, NULL);
    frz_batch_dispose(&all);
  }
  frz_parquet_file_free(file);
  frz_context_free(context);
  return 0;
}
