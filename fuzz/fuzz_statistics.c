/*
 * fuzz_statistics.c - any bytes as the statistics of a Parquet column, and as an entry of the
 * statistics files in table metadata.
 *
 * Bounds that are kept have their type's length; an entry is written as it was read.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/endian.h"
#include "iceberg/metadata/statistics_file.h"
#include "parquet/format/metadata_parts.h"
#include "text/json_reader.h"

#define MUST(condition)        \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

enum { HEAD_BYTES = 4, BYTES_MAX = 16 << 20 };

static void check_bound(const frz_parquet_node *leaf, frz_str bound)
{
  switch (leaf->physical) {
  case FRZ_PARQUET_BOOLEAN: MUST(bound.size == 1); break;
  case FRZ_PARQUET_INT32: MUST(bound.size == 4); break;
  case FRZ_PARQUET_INT64: MUST(bound.size == 8); break;
  case FRZ_PARQUET_FLOAT:
    MUST(bound.size == 4 && (frz_load_u32le(bound.data) & INT32_MAX) <= 0x7f800000u);
    break;
  case FRZ_PARQUET_DOUBLE: {
    double value;
    MUST(bound.size == 8);
    memcpy(&value, bound.data, sizeof value);
    MUST(!isnan(value));
    break;
  }
  case FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY: MUST(bound.size <= (size_t)leaf->type_length); break;
  default: break;
  }
}

static void read_column(const uint8_t *data, size_t size, frz_arena *arena)
{
  if (size < HEAD_BYTES) return;
  frz_parquet_node leaf = {.physical = (frz_parquet_physical)(data[0] % 8),
                           .is_leaf = true,
                           .has_order = data[1] % 2 == 0,
                           .type_length = data[2] % 17};
  int64_t n_values = data[3];
  frz_thrift_reader reader;
  frz_raw_statistics raw = {0};
  frz_parquet_statistics statistics;
  frz_thrift_reader_init(&reader, data + HEAD_BYTES, size - HEAD_BYTES);
  if (frz_raw_statistics_parse(&reader, &raw, NULL) != FRZ_OK) return;
  MUST(frz_statistics_sift(&raw, &leaf, n_values, arena, &statistics, NULL) == FRZ_OK);
  MUST(statistics.null_count <= n_values);
  if (statistics.has_min) check_bound(&leaf, statistics.min);
  if (statistics.has_max) check_bound(&leaf, statistics.max);
}

static void write(const frz_statistics_file *file, frz_buf *out)
{
  frz_json_writer json;
  frz_buf_init(out, frz_alloc_default(), BYTES_MAX);
  frz_json_writer_init(&json, out);
  frz_json_write_object_begin(&json);
  frz_statistics_files_write(&json, "s", file, 1);
  frz_json_write_object_end(&json);
  MUST(frz_json_writer_finish(&json, NULL) == FRZ_OK);
}

/* The copy has a JSON form of its own when the entry has none. */
static void read_entry(const uint8_t *data, size_t size, frz_arena *arena)
{
  frz_json_reader json;
  frz_statistics_file file, copy, made;
  frz_buf once, twice;
  frz_json_reader_init(&json, data, size, arena);
  if (frz_statistics_file_parse(&json, arena, &file, NULL) != FRZ_OK) return;
  MUST(frz_statistics_file_copy(arena, &file, &copy, NULL) == FRZ_OK);
  write(&file, &once);
  write(&copy, &twice);
  MUST(frz_str_equal(frz_buf_str(&once), frz_buf_str(&twice)));
  frz_buf_dispose(&once);
  frz_buf_dispose(&twice);
  file.json = (frz_str){0};
  MUST(frz_statistics_file_copy(arena, &file, &made, NULL) == FRZ_OK);
  frz_json_reader_init(&json, made.json.data, made.json.size, arena);
  MUST(frz_statistics_file_parse(&json, arena, &copy, NULL) == FRZ_OK);
  MUST(copy.snapshot_id == file.snapshot_id);
  if (file.footer_bytes >= 0) MUST(copy.n_blobs == file.n_blobs); /* of partitions there are none */
  MUST(frz_str_equal(copy.path, file.path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), BYTES_MAX);
  read_column(data, size, &arena);
  read_entry(data, size, &arena);
  frz_arena_free(&arena);
  return 0;
}
