/*
 * fuzz_hive_table.c - any bytes as a Hive metastore's table in Thrift's binary protocol: skipping
 * and reading agree on its end, and what was read is written as a table under another name.
 */
#include <stdint.h>
#include <stdlib.h>

#include "catalog/hive_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rename_and_read(const frz_hive_table *table, frz_arena *arena)
{
  static const frz_identifier id = {"d.t", {"d", 1}, {"t", 1}};
  frz_buf bytes;
  frz_tbinary_writer writer;
  frz_hive_table again;
  frz_buf_init(&bytes, frz_alloc_default(), 64 << 20);
  frz_tbinary_writer_init(&writer, &bytes);
  if (frz_hive_table_write_renamed(&writer, &id, table, NULL) != FRZ_OK) abort();
  if (frz_tbinary_finish(&writer, NULL) != FRZ_OK) abort();
  frz_tbinary_reader reader = {.bytes = frz_reader_of(bytes.data, bytes.size)};
  if (frz_hive_table_read(&reader, arena, &again, NULL) != FRZ_OK) abort();
  if (!frz_str_is(again.name, "t") || again.n_parameters != table->n_parameters) abort();
  if (again.is_iceberg != table->is_iceberg) abort();
  frz_buf_dispose(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_arena arena;
  frz_hive_table table;
  frz_arena_init(&arena, frz_alloc_default(), 64 << 20);
  frz_tbinary_reader skipped = {.bytes = frz_reader_of(data, size)};
  frz_tbinary_reader read = skipped;
  frz_status skips = frz_tbinary_skip(&skipped, FRZ_TBINARY_STRUCT, NULL);
  frz_status reads = frz_hive_table_read(&read, &arena, &table, NULL);
  if (skipped.bytes.pos > size || read.bytes.pos > size) abort();
  if (reads == FRZ_OK && skips == FRZ_OK) {
    if (skipped.bytes.pos != read.bytes.pos) abort();
    rename_and_read(&table, &arena);
  }
  frz_arena_free(&arena);
  return 0;
}
