/*
 * fuzz_page.c - any bytes as the pages of one column: headers, levels and values of every encoding.
 *
 * What is read in one go is read the same in two, and the same rows come where those before them
 * are passed over.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/endian.h"
#include "parquet/read/leaf_reader.h"

enum { HEAD_BYTES = 8, WINDOW_BYTES = 1 << 16 };

#define MUST(condition)        \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

/** What the first bytes say of the column. */
typedef struct column_plan {
  frz_parquet_node leaf;
  frz_parquet_chunk chunk;
  int64_t n_rows;
} column_plan;

/** Rows as read: the column's slots and their levels. */
typedef struct rows_read {
  frz_column column;
  frz_buf def, rep;
} rows_read;

static column_plan plan_of(const uint8_t head[HEAD_BYTES], size_t size)
{
  static const frz_parquet_codec codecs[] = {
      FRZ_PARQUET_UNCOMPRESSED, FRZ_PARQUET_SNAPPY, FRZ_PARQUET_GZIP, FRZ_PARQUET_ZSTD,
      FRZ_PARQUET_LZ4_RAW,      FRZ_PARQUET_BROTLI, FRZ_PARQUET_LZ4,  FRZ_PARQUET_UNCOMPRESSED};
  column_plan plan = {.leaf = {.physical = (frz_parquet_physical)(head[0] % 8),
                               .is_leaf = true,
                               .max_definition_level = head[1] % 8,
                               .max_repetition_level = head[1] / 8 % 3,
                               .type_length = 1 + head[3] % 20}};
  plan.leaf.repetition =
      plan.leaf.max_definition_level > 0 ? FRZ_PARQUET_OPTIONAL : FRZ_PARQUET_REQUIRED;
  plan.chunk = (frz_parquet_chunk){.codec = codecs[head[2] % 8],
                                   .n_values = frz_load_u16le(head + 6),
                                   .dictionary_page_offset = -1,
                                   .data_page_offset = HEAD_BYTES,
                                   .compressed_bytes = (int64_t)size};
  plan.n_rows = frz_load_u16le(head + 4) % 5000;
  return plan;
}

static void rows_dispose(rows_read *rows)
{
  frz_column_dispose(&rows->column);
  frz_buf_dispose(&rows->def);
  frz_buf_dispose(&rows->rep);
}

/** The rows [row, end) as one run, or row by row. */
static frz_status read_runs(frz_leaf_reader *reader, int64_t row, int64_t end, bool singly,
                            frz_column *column)
{
  frz_row_run runs[64];
  while (row < end) {
    size_t n = 0;
    int64_t length = singly ? 1 : end - row;
    for (; n < 64 && row < end; row += length) runs[n++] = (frz_row_run){row, length};
    FRZ_TRY(frz_leaf_reader_read(reader, runs, n, column, NULL));
  }
  return FRZ_OK;
}

/** Rows [first, n_rows), in two reads that meet at `middle`; or singly, and without levels. */
static frz_status read_rows(const column_plan *plan, frz_source *source, int64_t first,
                            int64_t middle, bool singly, rows_read *rows)
{
  const frz_alloc *alloc = frz_alloc_default();
  frz_arena arena;
  frz_arrow_field field;
  frz_leaf_reader reader = {0};
  const frz_page_places none = {NULL, 0};
  const frz_row_range whole = {0, plan->n_rows};
  frz_decompressor decompressor = {0};
  frz_status st = FRZ_OK;
  *rows = (rows_read){0};
  frz_buf_init(&rows->def, alloc, (size_t)1 << 24);
  frz_buf_init(&rows->rep, alloc, (size_t)1 << 24);
  frz_arena_init(&arena, alloc, (size_t)1 << 20);
  FRZ_TRY_OUT(frz_parquet_node_to_arrow(&plan->leaf, NULL, &arena, &field, NULL));
  MUST(frz_column_init(&rows->column, &field, alloc, NULL) == FRZ_OK);
  FRZ_TRY_OUT(frz_leaf_reader_init(&reader, &plan->leaf, field.type, 0, !singly, source,
                                   &decompressor, alloc, NULL));
  FRZ_TRY_OUT(frz_leaf_reader_open(&reader, &plan->chunk, plan->n_rows, source->size_bytes, &none,
                                   &whole, 1, 0, WINDOW_BYTES, NULL));
  for (int64_t row = first; row < plan->n_rows;) {
    int64_t end = row < middle ? middle : plan->n_rows;
    frz_leaf_reader_start_batch(&reader);
    FRZ_TRY_OUT(read_runs(&reader, row, end, singly, &rows->column));
    FRZ_TRY_OUT(frz_buf_append(&rows->def, reader.def_levels.data, reader.def_levels.size, NULL));
    FRZ_TRY_OUT(frz_buf_append(&rows->rep, reader.rep_levels.data, reader.rep_levels.size, NULL));
    row = end;
  }
out:
  frz_leaf_reader_dispose(&reader);
  frz_decompressor_dispose(&decompressor);
  frz_arena_free(&arena);
  return st;
}

/** Are the last rows of `all` those of `tail`? */
static void check_tail(const rows_read *all, const rows_read *tail)
{
  int64_t skipped = all->column.n_rows - tail->column.n_rows;
  MUST(skipped >= 0 && all->def.size >= tail->def.size && all->rep.size >= tail->rep.size);
  for (int64_t i = 0; i < tail->column.n_rows; i++)
    MUST(frz_column_values_equal(&all->column, skipped + i, &tail->column, i));
  if (tail->def.size > 0)
    MUST(memcmp(all->def.data + all->def.size - tail->def.size, tail->def.data, tail->def.size) ==
         0);
  if (tail->rep.size > 0)
    MUST(memcmp(all->rep.data + all->rep.size - tail->rep.size, tail->rep.data, tail->rep.size) ==
         0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_source *source;
  rows_read all, again;
  if (size < HEAD_BYTES) return 0;
  column_plan plan = plan_of(data, size - HEAD_BYTES);
  MUST(frz_source_from_memory(frz_alloc_default(), data, size, &source, NULL) == FRZ_OK);
  if (read_rows(&plan, source, 0, 0, false, &all) == FRZ_OK) {
    MUST(plan.leaf.max_repetition_level > 0 || all.column.n_rows == plan.n_rows);
    MUST(read_rows(&plan, source, 0, plan.n_rows / 3, false, &again) == FRZ_OK);
    MUST(again.column.n_rows == all.column.n_rows && again.def.size == all.def.size);
    check_tail(&all, &again);
    rows_dispose(&again);
    if (plan.leaf.max_repetition_level == 0) {
      MUST(read_rows(&plan, source, 0, 0, true, &again) == FRZ_OK);
      MUST(again.column.n_rows == all.column.n_rows);
      check_tail(&all, &again);
      rows_dispose(&again);
    }
    /* Rows that are passed over may be broken without notice, never the other way round. */
    MUST(read_rows(&plan, source, plan.n_rows / 2, plan.n_rows / 2, false, &again) == FRZ_OK);
    check_tail(&all, &again);
    rows_dispose(&again);
  }
  rows_dispose(&all);
  frz_source_free(source);
  return 0;
}
