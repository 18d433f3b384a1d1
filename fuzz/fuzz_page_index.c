/*
 * fuzz_page_index.c - any bytes as an offset index and a column index.
 *
 * Places ascend within the file and the rows; a page's statistics are of its type's length, and
 * count no more nulls than the page has rows.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/endian.h"
#include "parquet/read/column_index.h"

enum { HEAD_BYTES = 8, FILE_BYTES = 1 << 20 };

#define MUST(condition)        \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

static void check_places(const frz_page_places *places, int64_t n_rows)
{
  for (size_t i = 0; i < places->n_places; i++) {
    const frz_page_place *place = &places->places[i];
    MUST(place->offset >= 0 && place->bytes > 0 && place->bytes <= FILE_BYTES - place->offset);
    MUST(frz_page_rows(places, i, n_rows) >= 0 && place->first_row <= n_rows);
    if (i > 0) MUST(place->offset >= place[-1].offset + place[-1].bytes);
  }
}

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
  case FRZ_PARQUET_INT96: MUST(false); break;
  default: break;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < HEAD_BYTES) return 0;
  frz_parquet_node leaf = {.physical = (frz_parquet_physical)(data[0] % 8),
                           .is_leaf = true,
                           .has_order = data[1] % 2 == 0,
                           .type_length = data[2] % 17};
  int64_t n_rows = frz_load_u16le(data + 4);
  size_t first = frz_load_u16le(data + 6);
  data += HEAD_BYTES;
  size -= HEAD_BYTES;
  if (first > size) first = size;
  frz_parquet_chunk chunk = {.data_page_offset = 4, .dictionary_page_offset = -1};
  frz_arena arena;
  frz_page_places places = {NULL, 0};
  const frz_parquet_statistics *statistics = NULL;
  frz_arena_init(&arena, frz_alloc_default(), (size_t)1 << 26);
  MUST(frz_offset_index_parse(data, first, &chunk, n_rows, FILE_BYTES, &arena, &places, NULL) ==
       FRZ_OK);
  check_places(&places, n_rows);
  if (places.n_places > 0)
    MUST(frz_column_index_parse(data + first, size - first, &leaf, &places, n_rows, &arena,
                                &statistics, NULL) == FRZ_OK);
  for (size_t i = 0; statistics != NULL && i < places.n_places; i++) {
    MUST(statistics[i].null_count <= frz_page_rows(&places, i, n_rows));
    if (statistics[i].has_min) check_bound(&leaf, statistics[i].min);
    if (statistics[i].has_max) check_bound(&leaf, statistics[i].max);
    if (!leaf.has_order && leaf.physical >= FRZ_PARQUET_BYTE_ARRAY)
      MUST(!statistics[i].has_min && !statistics[i].has_max);
  }
  frz_arena_free(&arena);
  return 0;
}
