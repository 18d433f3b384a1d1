/*
 * fuzz_avro_columns.c - any bytes as an Avro file whose records become columns.
 *
 * Every row of every known column, however they are read: all at once, one column alone, only
 * counted, or in ranges. Readings that succeed agree on the number of rows and on the rows.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "avro/avro_columns.h"

#define REQUIRE(condition)     \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

enum { ROWS_MAX = 200000, LEAVES_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All rows that lie within the ranges, appended to `rows` (as many as are kept). */
static frz_status read_rows(const frz_avro_table *table, const frz_avro_read_options *options,
                            frz_batch *rows, int64_t *n_out)
{
  frz_avro_columns_reader *reader;
  frz_status st = FRZ_OK;
  *n_out = 0;
  FRZ_TRY(frz_avro_columns_create(table, options, &reader, NULL));
  for (bool is_first = true; *n_out < ROWS_MAX; is_first = false) {
    frz_batch batch;
    int64_t first;
    st = frz_avro_columns_next(reader, &batch, &first, NULL);
    if (st != FRZ_OK) break;
    int64_t n = batch.n_rows;
    REQUIRE(n <= options->batch_rows_max);
    REQUIRE(n == 0 || options->ranges != NULL || first == *n_out);
    for (size_t i = 0; i < batch.n_columns; i++) REQUIRE(batch.columns[i].n_rows == n);
    *n_out += n;
    if (is_first && rows != NULL)
      *rows = batch;
    else
      frz_batch_dispose(&batch);
    if (n == 0) break;
  }
  frz_avro_columns_free(reader);
  return st;
}

static void same_rows(const frz_batch *a, const frz_batch *b, int64_t shift)
{
  REQUIRE(a->n_columns == b->n_columns);
  for (int64_t row = 0; row < b->n_rows && row + shift < a->n_rows; row++)
    for (size_t i = 0; i < a->n_columns; i++)
      REQUIRE(frz_column_values_equal(&a->columns[i], row + shift, &b->columns[i], row));
}

static void read_again(const frz_avro_table *table, const frz_batch *all, int64_t n_rows,
                       bool is_whole)
{
  static const bool nothing[LEAVES_MAX];
  frz_row_range ranges[] = {{1, 2}, {3, 1000}};
  frz_avro_read_options counted = {.selected_leaves = nothing, .batch_rows_max = 1000};
  frz_avro_read_options few = {
      .ranges = ranges, .n_ranges = 2, .batch_rows_max = 1000, .merge_ranges = true};
  int64_t n;
  frz_batch rows = {0};
  frz_status st = read_rows(table, &counted, NULL, &n);
  if (is_whole && n_rows < ROWS_MAX) REQUIRE(st == FRZ_OK && n == n_rows);
  st = read_rows(table, &few, &rows, &n);
  if (is_whole) REQUIRE(st == FRZ_OK);
  if (rows.n_rows != 0 && all->n_rows > 1) { /* none were kept of a batch that failed */
    frz_batch second = rows;
    second.n_rows = 1;
    same_rows(all, &second, 1);
  }
  frz_batch_dispose(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_source *source;
  frz_avro_table *table;
  size_t n_columns;
  int64_t n_rows;
  REQUIRE(frz_source_from_memory(frz_alloc_default(), data, size, &source, NULL) == FRZ_OK);
  if (frz_avro_table_open(frz_alloc_default(), source, FRZ_STR("f"), &table, NULL) != FRZ_OK)
    return 0;
  const frz_avro_column *columns = frz_avro_table_columns(table, &n_columns);
  size_t n_leaves = 0;
  for (size_t i = 0; i < n_columns; i++) {
    REQUIRE(columns[i].first_leaf == n_leaves && columns[i].n_leaves > 0);
    n_leaves += columns[i].n_leaves;
  }
  if (n_leaves <= LEAVES_MAX) {
    frz_batch all = {0};
    frz_avro_read_options options = {.batch_rows_max = 1000};
    frz_status st = read_rows(table, &options, &all, &n_rows);
    read_again(table, &all, n_rows, st == FRZ_OK);
    frz_batch_dispose(&all);
  }
  frz_avro_table_free(table);
  return 0;
}
