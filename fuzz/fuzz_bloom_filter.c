/*
 * fuzz_bloom_filter.c - any bytes as a bloom filter's header, then as values of a filter.
 *
 * A filter that is accepted lies within its file; what was inserted into blocks is found there.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "parquet/format/bloom_block.h"
#include "parquet/read/bloom_filter.h"

enum { HEAD_BYTES = 9, BLOCKS_MAX = 16, VALUE_BYTES = 5 };

#define MUST(condition)        \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

static void check_header(const uint8_t *data, size_t size, int64_t offset, int32_t filter_bytes,
                         int64_t file_bytes)
{
  frz_bloom_filter filter = frz_bloom_filter_parse(data, size, offset, filter_bytes, file_bytes);
  if (filter.n_blocks == 0) return;
  int64_t bytes = (int64_t)filter.n_blocks * FRZ_BLOOM_BLOCK_BYTES;
  MUST(filter.offset > offset && filter.offset <= offset + (int64_t)size);
  MUST(bytes <= file_bytes - filter.offset);
  MUST(filter_bytes < 0 || filter.offset + bytes <= offset + filter_bytes);
}

static void check_values(const uint8_t *data, size_t size, uint32_t n_blocks)
{
  uint32_t blocks[BLOCKS_MAX][FRZ_BLOOM_BLOCK_WORDS] = {{0}};
  for (size_t at = 0; at + VALUE_BYTES <= size; at += VALUE_BYTES) {
    uint64_t hash = frz_bloom_filter_hash((frz_str){(const char *)data + at, VALUE_BYTES});
    frz_bloom_block_insert(blocks[frz_bloom_block_of(hash, n_blocks)], hash);
  }
  for (size_t at = 0; at + VALUE_BYTES <= size; at += VALUE_BYTES) {
    uint64_t hash = frz_bloom_filter_hash((frz_str){(const char *)data + at, VALUE_BYTES});
    uint32_t block = frz_bloom_block_of(hash, n_blocks);
    MUST(block < n_blocks && frz_bloom_block_check(blocks[block], hash));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < HEAD_BYTES) return 0;
  int64_t offset = frz_load_u16le(data);
  int32_t filter_bytes = (int32_t)frz_load_u16le(data + 2) - 1;
  int64_t file_bytes = frz_load_u32le(data + 4);
  uint32_t n_blocks = 1 + data[8] % BLOCKS_MAX;
  data += HEAD_BYTES;
  size -= HEAD_BYTES;
  if (file_bytes < offset + (int64_t)size) file_bytes = offset + (int64_t)size;
  check_header(data, size, offset, filter_bytes, file_bytes);
  check_values(data, size, n_blocks);
  return 0;
}
