/*
 * bloom_write.c - see bloom_write.h.
 *
 * How many distinct values a chunk has is known when it ends, so the filter starts at its greatest
 * size (or at what the expected number of values asks for) and is then halved as often as its rate
 * of false positives stays below the wanted one. Halving is exact: blocks are chosen by the upper
 * bits of a hash, so the blocks 2i and 2i + 1 become block i of a filter of half the size.
 *
 * Readers hash the value they look for by its bits. So each zero of floating point stands for both
 * and each NaN for every quiet NaN that is commonly made.
 *
 * Source: apache/parquet-format, BloomFilter.md; "Sizing an SBBF".
 */
#include "parquet/write/bloom_write.h"

#include <assert.h>
#include <math.h>

#include "base/endian.h"
#include "base/limits.h"
#include "codec/checksum.h"
#include "parquet/format/bloom_block.h"

static size_t power_of_two_up_to(int64_t most)
{
  size_t size = FRZ_BLOOM_BLOCK_BYTES;
  while ((int64_t)size <= most / 2) size *= 2;
  return size;
}

/* The size that keeps the rate for so many distinct values, as the format's description gives it.
 */
static size_t size_for(int64_t ndv, double fpp, int64_t most)
{
  double bits = -8.0 * (double)ndv / log(1.0 - pow(fpp, 1.0 / 8.0));
  size_t size = FRZ_BLOOM_BLOCK_BYTES;
  while ((int64_t)size <= most / 2 && (double)size * 8.0 < bits) size *= 2;
  return size;
}

void frz_bloom_init(frz_bloom *bloom, const frz_leaf_plan *plan,
                    const frz_parquet_write_options *options, const frz_alloc *alloc)
{
  *bloom = (frz_bloom){0};
  frz_buf_init(&bloom->bytes, alloc, FRZ_LIMIT_BLOOM_BYTES);
  if (plan->stored == FRZ_STORED_BOOL || plan->stored == FRZ_STORED_NONE) return;
  int64_t most = options->bloom_bytes_max;
  if (most > (int64_t)FRZ_LIMIT_BLOOM_BYTES) most = (int64_t)FRZ_LIMIT_BLOOM_BYTES;
  for (size_t i = 0; i < options->n_blooms; i++) {
    const frz_parquet_bloom_option *option = &options->blooms[i];
    if (option->field_id < 0 || option->field_id != plan->node->field_id) continue;
    bloom->fpp = option->fpp;
    bloom->start_bytes =
        option->ndv > 0 ? size_for(option->ndv, option->fpp, most) : power_of_two_up_to(most);
  }
}

void frz_bloom_dispose(frz_bloom *bloom)
{
  frz_buf_dispose(&bloom->bytes);
}

void frz_bloom_clear(frz_bloom *bloom)
{
  bloom->bytes.size = 0;
}

/* ---- values ---- */

static uint32_t *block_at(uint8_t *bytes, size_t i)
{
  return (uint32_t *)(void *)(bytes + i * FRZ_BLOOM_BLOCK_BYTES);
}

static void insert(frz_bloom *bloom, const void *value, size_t size)
{
  uint64_t hash = frz_xxh64(value, size, 0);
  uint32_t n_blocks = (uint32_t)(bloom->bytes.size / FRZ_BLOOM_BLOCK_BYTES);
  frz_bloom_block_insert(block_at(bloom->bytes.data, frz_bloom_block_of(hash, n_blocks)), hash);
}

static void insert_f32(frz_bloom *bloom, const uint8_t *value)
{
  static const uint32_t zeros[2] = {0, UINT32_C(0x80000000)};
  static const uint32_t nans[2] = {UINT32_C(0x7fc00000), UINT32_C(0xffc00000)};
  uint32_t magnitude = frz_load_u32le(value) & UINT32_C(0x7fffffff);
  insert(bloom, value, 4);
  if (magnitude != 0 && magnitude <= UINT32_C(0x7f800000)) return;
  for (size_t i = 0; i < 2; i++) insert(bloom, magnitude == 0 ? &zeros[i] : &nans[i], 4);
}

static void insert_f64(frz_bloom *bloom, const uint8_t *value)
{
  static const uint64_t zeros[2] = {0, UINT64_C(0x8000000000000000)};
  static const uint64_t nans[2] = {UINT64_C(0x7ff8000000000000), UINT64_C(0xfff8000000000000)};
  uint64_t magnitude = frz_load_u64le(value) & UINT64_C(0x7fffffffffffffff);
  insert(bloom, value, 8);
  if (magnitude != 0 && magnitude <= UINT64_C(0x7ff0000000000000)) return;
  for (size_t i = 0; i < 2; i++) insert(bloom, magnitude == 0 ? &zeros[i] : &nans[i], 8);
}

static void insert_strings(frz_bloom *bloom, const uint8_t *plain, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    size_t size = frz_load_u32le(plain);
    insert(bloom, plain + 4, size);
    plain += 4 + size;
  }
}

frz_status frz_bloom_add_plain(frz_bloom *bloom, const frz_leaf_plan *plan, const uint8_t *plain,
                               size_t n, frz_error *err)
{
  if (!frz_bloom_is_on(bloom) || n == 0) return FRZ_OK;
  if (bloom->bytes.size == 0)
    FRZ_TRY(frz_buf_resize_zeroed(&bloom->bytes, bloom->start_bytes, err));
  assert(bloom->bytes.size == bloom->start_bytes);
  size_t width = plan->stored == FRZ_STORED_I128 ? (size_t)plan->node->type_length : plan->width;
  switch (plan->stored) {
  case FRZ_STORED_BYTES: insert_strings(bloom, plain, n); break;
  case FRZ_STORED_F32:
    for (size_t i = 0; i < n; i++) insert_f32(bloom, plain + i * width);
    break;
  case FRZ_STORED_F64:
    for (size_t i = 0; i < n; i++) insert_f64(bloom, plain + i * width);
    break;
  default:
    for (size_t i = 0; i < n; i++) insert(bloom, plain + i * width, width);
  }
  return FRZ_OK;
}

/* ---- the end of a chunk ---- */

/* The share of unknown hashes that the filter would take for known, were it of half the size. */
static double halved_fpp(const frz_bloom *bloom)
{
  size_t n_pairs = bloom->bytes.size / FRZ_BLOOM_BLOCK_BYTES / 2;
  double sum = 0;
  for (size_t i = 0; i < n_pairs; i++) {
    const uint32_t *a = block_at(bloom->bytes.data, 2 * i);
    const uint32_t *b = block_at(bloom->bytes.data, 2 * i + 1);
    double rate = 1;
    for (size_t word = 0; word < FRZ_BLOOM_BLOCK_WORDS; word++)
      rate *= (double)__builtin_popcount(a[word] | b[word]) / 32.0;
    sum += rate;
  }
  return sum / (double)n_pairs;
}

void frz_bloom_shrink(frz_bloom *bloom)
{
  while (bloom->bytes.size >= (size_t)2 * FRZ_BLOOM_BLOCK_BYTES &&
         halved_fpp(bloom) <= bloom->fpp) {
    size_t n_pairs = bloom->bytes.size / FRZ_BLOOM_BLOCK_BYTES / 2;
    for (size_t i = 0; i < n_pairs; i++) {
      uint32_t *to = block_at(bloom->bytes.data, i);
      const uint32_t *a = block_at(bloom->bytes.data, 2 * i);
      const uint32_t *b = block_at(bloom->bytes.data, 2 * i + 1);
      for (size_t word = 0; word < FRZ_BLOOM_BLOCK_WORDS; word++) to[word] = a[word] | b[word];
    }
    bloom->bytes.size /= 2;
  }
}

static void write_empty_choice(frz_thrift_writer *thrift, int16_t field)
{
  frz_thrift_write_field(thrift, field, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(thrift);
  frz_thrift_write_field(thrift, 1, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(thrift);
  frz_thrift_write_struct_end(thrift);
  frz_thrift_write_struct_end(thrift);
}

frz_status frz_bloom_append(const frz_bloom *bloom, frz_buf *out, frz_error *err)
{
  if (bloom->bytes.size == 0) return FRZ_OK;
  frz_thrift_writer thrift;
  frz_thrift_writer_init(&thrift, out);
  frz_thrift_write_struct_begin(&thrift);
  frz_thrift_write_i32_field(&thrift, 1, (int32_t)bloom->bytes.size);
  write_empty_choice(&thrift, 2); /* split blocks */
  write_empty_choice(&thrift, 3); /* XXH64 */
  write_empty_choice(&thrift, 4); /* not compressed */
  frz_thrift_write_struct_end(&thrift);
  FRZ_TRY(frz_thrift_writer_finish(&thrift, err));
  return frz_buf_append(out, bloom->bytes.data, bloom->bytes.size, err);
}
