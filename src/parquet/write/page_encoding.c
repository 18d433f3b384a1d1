/*
 * page_encoding.c - see page_encoding.h.
 *
 * How a chunk's encoding is chosen. Its first page tells whether a dictionary pays (column_writer.c
 * says when). If it does not, or when it has grown too large, the values of the next page decide
 * for the rest of the chunk: a sample of them is laid out in every encoding that the type and the
 * options allow, each is compressed with the chunk's codec, and the smallest wins. PLAIN stays
 * unless another is smaller by 3 %, so that no column is larger than in PLAIN form but for noise:
 *
 *   integers, times, small decimals   DELTA_BINARY_PACKED
 *   texts, binary                     DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY
 *   float, double                     BYTE_STREAM_SPLIT
 *   others                            PLAIN alone
 *
 * A dictionary may look small and yet lose: to differences, where integers rise or change slowly,
 * and even to PLAIN, where the values compress better than their numbers. The first page is
 * measured both ways; entries count only where they keep growing, as otherwise later pages share
 * them.
 *
 * What other engines read decides what is tried by default: every one reads the delta encodings in
 * pages of both versions, but Spark's own Parquet reader knows no BYTE_STREAM_SPLIT, DuckDB none of
 * types other than float and double, and Iceberg's vectorised reader no DELTA_BYTE_ARRAY of fixed
 * lengths. What is not tried can still be forced.
 */
#include "parquet/write/page_encoding.h"

#include <assert.h>

#include "base/endian.h"
#include "parquet/write/encode_delta.h"
#include "parquet/write/encode_values.h"

enum {
  SAMPLE_VALUES = 8192,
  SAMPLE_BYTES = 1 << 18,
  GAIN_SHIFT = 5, /* one part in 32 */
  WIDTH_MAX = 64  /* wider runs of bytes are not split */
};

static bool is_integer(frz_stored_kind kind)
{
  return kind == FRZ_STORED_I32 || kind == FRZ_STORED_U32 || kind == FRZ_STORED_I64 ||
         kind == FRZ_STORED_U64;
}

/* Bytes of a value in PLAIN form; 0: BYTES, BOOL and NONE. */
static size_t plain_width(const frz_leaf_plan *plan)
{
  if (plan->stored == FRZ_STORED_BOOL) return 0;
  return plan->stored == FRZ_STORED_I128 ? (size_t)plan->node->type_length : plan->width;
}

bool frz_page_encoding_fits(const frz_leaf_plan *plan, frz_parquet_encoding encoding)
{
  size_t width = plain_width(plan);
  bool is_fixed = plan->node->physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY;
  switch (encoding) {
  case FRZ_PARQUET_PLAIN: return true;
  case FRZ_PARQUET_DELTA_BINARY_PACKED: return is_integer(plan->stored);
  case FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY: return plan->stored == FRZ_STORED_BYTES;
  case FRZ_PARQUET_DELTA_BYTE_ARRAY: return plan->stored == FRZ_STORED_BYTES || is_fixed;
  case FRZ_PARQUET_BYTE_STREAM_SPLIT: return width != 0 && width <= WIDTH_MAX;
  default: return false;
  }
}

/* ---- BYTE_STREAM_SPLIT ---- */

static void split_4(const uint8_t *from, size_t n, uint8_t *to)
{
  for (size_t i = 0; i < n; i++) {
    uint32_t value = frz_load_u32le(from + 4 * i);
    for (unsigned k = 0; k < 4; k++) to[k * n + i] = (uint8_t)(value >> (8 * k));
  }
}

static void split_8(const uint8_t *from, size_t n, uint8_t *to)
{
  for (size_t i = 0; i < n; i++) {
    uint64_t value = frz_load_u64le(from + 8 * i);
    for (unsigned k = 0; k < 8; k++) to[k * n + i] = (uint8_t)(value >> (8 * k));
  }
}

static frz_status split_streams(const frz_plain_values *values, size_t width, frz_buf *out,
                                frz_error *err)
{
  uint8_t *to;
  FRZ_TRY(frz_buf_extend(out, values->size, &to, err));
  if (width == 4) {
    split_4(values->data, values->n, to);
  } else if (width == 8) {
    split_8(values->data, values->n, to);
  } else {
    for (size_t k = 0; k < width; k++)
      for (size_t i = 0; i < values->n; i++) to[k * values->n + i] = values->data[i * width + k];
  }
  return FRZ_OK;
}

frz_status frz_page_encode(const frz_plain_values *values, frz_parquet_encoding encoding,
                           frz_buf *scratch, frz_buf *out, frz_error *err)
{
  const frz_leaf_plan *plan = values->plan;
  size_t width = plain_width(plan);
  assert(frz_page_encoding_fits(plan, encoding));
  /* Readers expect no header of an encoding where there is no value. */
  if (values->n == 0) return FRZ_OK;
  switch (encoding) {
  case FRZ_PARQUET_DELTA_BINARY_PACKED:
    return frz_delta_encode(values->data, values->n, width, out, err);
  case FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY:
    return frz_delta_length_encode(values->data, values->n, scratch, out, err);
  case FRZ_PARQUET_DELTA_BYTE_ARRAY:
    return frz_delta_bytes_encode(values->data, values->n, width, scratch, out, err);
  case FRZ_PARQUET_BYTE_STREAM_SPLIT: return split_streams(values, width, out, err);
  default:
    if (plan->stored == FRZ_STORED_BOOL) return frz_bools_pack(values->data, values->n, out, err);
    return frz_buf_append(out, values->data, values->size, err);
  }
}

/* ---- choosing ---- */

/* Values from the page's start. Not more than a part of it: most pages tell by less. */
static frz_plain_values take_sample(const frz_plain_values *values)
{
  frz_plain_values sample = {.plan = values->plan, .data = values->data};
  size_t width = plain_width(values->plan);
  if (width != 0) {
    size_t n_max = SAMPLE_BYTES / width < SAMPLE_VALUES ? SAMPLE_BYTES / width : SAMPLE_VALUES;
    sample.n = values->n < n_max ? values->n : n_max;
    sample.size = sample.n * width;
    return sample;
  }
  while (sample.n < values->n && sample.n < SAMPLE_VALUES && sample.size < SAMPLE_BYTES) {
    sample.size += 4 + (size_t)frz_load_u32le(values->data + sample.size);
    sample.n++;
  }
  return sample;
}

static frz_status compressed_size(const uint8_t *data, size_t size, const frz_encoding_trial *trial,
                                  size_t *size_out, frz_error *err)
{
  *size_out = size;
  if (trial->codec == FRZ_CODEC_NONE || size == 0) return FRZ_OK;
  trial->compressed->size = 0;
  FRZ_TRY(frz_compress_again(trial->compressors, trial->codec, trial->level, data, size,
                             trial->compressed, err));
  *size_out = trial->compressed->size;
  return FRZ_OK;
}

static frz_status encoded_size(const frz_plain_values *values, frz_parquet_encoding encoding,
                               const frz_encoding_trial *trial, size_t *size_out, frz_error *err)
{
  trial->encoded->size = 0;
  FRZ_TRY(frz_page_encode(values, encoding, trial->scratch, trial->encoded, err));
  return compressed_size(trial->encoded->data, trial->encoded->size, trial, size_out, err);
}

static bool is_tried(const frz_leaf_plan *plan, frz_parquet_encoding encoding,
                     frz_encoding_set allowed)
{
  if (!frz_page_encoding_fits(plan, encoding) || allowed == FRZ_ENCODINGS_BASIC) return false;
  if (encoding == FRZ_PARQUET_BYTE_STREAM_SPLIT)
    return allowed == FRZ_ENCODINGS_ALL &&
           (plan->stored == FRZ_STORED_F32 || plan->stored == FRZ_STORED_F64);
  return is_integer(plan->stored) || plan->stored == FRZ_STORED_BYTES;
}

/* The smallest encoding of all the values, and its size. */
static frz_status find_smallest(const frz_plain_values *values, const frz_encoding_trial *trial,
                                frz_parquet_encoding *encoding_out, size_t *size_out,
                                frz_error *err)
{
  static const frz_parquet_encoding candidates[] = {
      FRZ_PARQUET_DELTA_BINARY_PACKED, FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY,
      FRZ_PARQUET_DELTA_BYTE_ARRAY, FRZ_PARQUET_BYTE_STREAM_SPLIT};
  frz_parquet_encoding best = FRZ_PARQUET_PLAIN;
  size_t best_size;
  FRZ_TRY(compressed_size(values->data, values->size, trial, &best_size, err));
  size_t gained = best_size >> GAIN_SHIFT; /* what another must be smaller by */
  for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
    if (!is_tried(values->plan, candidates[i], trial->allowed)) continue;
    size_t size;
    FRZ_TRY(encoded_size(values, candidates[i], trial, &size, err));
    if (size + (best == FRZ_PARQUET_PLAIN ? gained : 0) >= best_size) continue;
    best = candidates[i];
    best_size = size;
  }
  *encoding_out = best;
  *size_out = best_size;
  return FRZ_OK;
}

/* Is there anything to choose from? */
static bool has_choice(const frz_leaf_plan *plan, frz_encoding_set allowed)
{
  return is_tried(plan, FRZ_PARQUET_DELTA_BINARY_PACKED, allowed) ||
         is_tried(plan, FRZ_PARQUET_DELTA_BYTE_ARRAY, allowed) ||
         is_tried(plan, FRZ_PARQUET_BYTE_STREAM_SPLIT, allowed);
}

frz_status frz_page_encoding_choose(const frz_plain_values *values, const frz_encoding_trial *trial,
                                    frz_parquet_encoding *encoding_out, frz_error *err)
{
  *encoding_out = FRZ_PARQUET_PLAIN;
  if (!has_choice(values->plan, trial->allowed)) return FRZ_OK;
  frz_plain_values sample = take_sample(values);
  size_t size;
  return find_smallest(&sample, trial, encoding_out, &size, err);
}

frz_status frz_page_dictionary_beats(const frz_plain_values *values, frz_str numbers,
                                     frz_str entries, const frz_encoding_trial *trial,
                                     bool *beats_out, frz_error *err)
{
  size_t of_numbers;
  size_t of_entries;
  size_t of_values;
  frz_parquet_encoding encoding;
  FRZ_TRY(compressed_size((const uint8_t *)numbers.data, numbers.size, trial, &of_numbers, err));
  FRZ_TRY(compressed_size((const uint8_t *)entries.data, entries.size, trial, &of_entries, err));
  FRZ_TRY(find_smallest(values, trial, &encoding, &of_values, err));
  *beats_out = of_numbers + of_entries <= of_values;
  return FRZ_OK;
}
