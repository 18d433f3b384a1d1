/*
 * rle.c - Parquet's hybrid of run-length and bit-packed runs.
 *
 * A run starts with a varint h. Even: the value that follows (whole bytes) repeats h / 2 times.
 * Odd: h / 2 groups of eight bit-packed values follow. Some writers cut the last packed run at the
 * last value instead of padding its group, so a packed run counts for as many values as its bytes
 * hold, and only asking for more is an error.
 *
 * What must stay true of a decoder: pos <= size; at most one of run_left and packed_left is not 0;
 * value packed_skip of the packed run starts packed_skip * width bits behind packed_pos.
 *
 * Source: Apache Parquet format, Encodings.md, "Run Length Encoding / Bit-Packing Hybrid".
 */
#include <string.h>

#include "base/reader.h"
#include "codec/bitpack.h"

enum {
  WIDTH_MAX = 32,
  REPEATS_MIN = 8,         /* shorter repeats are cheaper bit-packed */
  GROUPS_A_RUN_MAX = 8192, /* of the encoder: readers may hold one packed run in memory */
  VARINT_BYTES_MAX = 10
};

void frz_rle_decoder_init(frz_rle_decoder *decoder, const uint8_t *data, size_t size,
                          unsigned width)
{
  *decoder = (frz_rle_decoder){.data = data, .size = size, .width = width};
}

static inline bool decoder_check(const frz_rle_decoder *decoder)
{
  return decoder->pos <= decoder->size && (decoder->run_left == 0 || decoder->packed_left == 0);
}

static frz_status start_repeat(frz_rle_decoder *decoder, uint64_t n, size_t at, frz_error *err)
{
  size_t value_bytes = (decoder->width + 7) / 8;
  if (value_bytes > decoder->size - at)
    return frz_fail(err, FRZ_ERR_CORRUPT, "rle run at byte %zu: its value ends behind byte %zu",
                    decoder->pos, decoder->size);
  uint32_t value = 0;
  for (size_t i = 0; i < value_bytes; i++) value |= (uint32_t)decoder->data[at + i] << (8 * i);
  if (decoder->width < WIDTH_MAX && value >> decoder->width != 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "rle run at byte %zu: value %u of %u bits", decoder->pos,
                    (unsigned)value, decoder->width);
  decoder->run_left = (uint32_t)n;
  decoder->run_value = value;
  decoder->pos = at + value_bytes;
  return FRZ_OK;
}

static frz_status start_packed(frz_rle_decoder *decoder, uint64_t n_groups, size_t at,
                               frz_error *err)
{
  size_t left = decoder->size - at;
  uint64_t n_values = n_groups * 8;
  uint64_t n_bytes = n_groups * decoder->width;
  if (n_bytes > left) {
    n_bytes = left;
    n_values = (uint64_t)left * 8 / decoder->width;
  }
  if (n_values > UINT32_MAX)
    return frz_fail(err, FRZ_ERR_CORRUPT, "rle run at byte %zu: %llu packed values", decoder->pos,
                    (unsigned long long)n_values);
  decoder->packed_left = (uint32_t)n_values;
  decoder->packed_skip = 0;
  decoder->packed_pos = at;
  decoder->pos = at + (size_t)n_bytes;
  return FRZ_OK;
}

/* Moves to the next run that has values. */
static frz_status next_run(frz_rle_decoder *decoder, frz_error *err)
{
  assert(decoder_check(decoder) && decoder->run_left == 0 && decoder->packed_left == 0);
  if (decoder->width > WIDTH_MAX)
    return frz_fail(err, FRZ_ERR_CORRUPT, "rle values of %u bits", decoder->width);
  do {
    frz_reader reader = {decoder->data, decoder->size, decoder->pos};
    uint64_t header;
    if (!frz_read_uleb128(&reader, &header) || header > UINT32_MAX)
      return frz_fail(err, FRZ_ERR_CORRUPT, "rle run at byte %zu of %zu: no valid header",
                      decoder->pos, decoder->size);
    FRZ_TRY((header & 1) != 0 ? start_packed(decoder, header >> 1, reader.pos, err)
                              : start_repeat(decoder, header >> 1, reader.pos, err));
  } while (decoder->run_left == 0 && decoder->packed_left == 0);
  return FRZ_OK;
}

/* Gives `n` values of the packed run, n <= packed_left. */
static void take_packed(frz_rle_decoder *decoder, uint32_t *values_out, size_t n)
{
  assert(n <= decoder->packed_left);
  size_t done = 0;
  while (done < n) {
    unsigned skip = decoder->packed_skip % 8;
    size_t at = decoder->packed_pos + (size_t)(decoder->packed_skip / 8) * decoder->width;
    const uint8_t *src = decoder->data + at;
    size_t n_bytes = decoder->size - at; /* beyond the run: room for the unpacker's wide loads */
    size_t n_taken;
    if (skip == 0) {
      n_taken = n - done;
      bool whole = frz_bitunpack32(src, n_bytes, decoder->width, values_out + done, n_taken);
      assert(whole);
      (void)whole;
    } else { /* up to the next group */
      uint32_t group[8];
      n_taken = 8 - skip < n - done ? 8 - skip : n - done;
      bool whole = frz_bitunpack32(src, n_bytes, decoder->width, group, skip + n_taken);
      assert(whole);
      (void)whole;
      memcpy(values_out + done, group + skip, n_taken * sizeof *group);
    }
    decoder->packed_skip += (uint32_t)n_taken;
    decoder->packed_left -= (uint32_t)n_taken;
    done += n_taken;
  }
}

frz_status frz_rle_decode(frz_rle_decoder *decoder, uint32_t *values_out, size_t n, frz_error *err)
{
  assert(decoder_check(decoder));
  while (n != 0) {
    if (decoder->run_left == 0 && decoder->packed_left == 0) FRZ_TRY(next_run(decoder, err));
    size_t n_taken;
    if (decoder->run_left != 0) {
      n_taken = decoder->run_left < n ? decoder->run_left : n;
      uint32_t value = decoder->run_value;
      for (size_t i = 0; i < n_taken; i++) values_out[i] = value;
      decoder->run_left -= (uint32_t)n_taken;
    } else {
      n_taken = decoder->packed_left < n ? decoder->packed_left : n;
      take_packed(decoder, values_out, n_taken);
    }
    values_out += n_taken;
    n -= n_taken;
  }
  return FRZ_OK;
}

frz_status frz_rle_peek_run(frz_rle_decoder *decoder, size_t n_max, uint32_t *value_out,
                            size_t *n_out, frz_error *err)
{
  assert(decoder_check(decoder));
  if (decoder->run_left == 0 && decoder->packed_left == 0) FRZ_TRY(next_run(decoder, err));
  *value_out = decoder->run_value;
  *n_out = decoder->run_left < n_max ? decoder->run_left : n_max;
  return FRZ_OK;
}

void frz_rle_skip_run(frz_rle_decoder *decoder, size_t n)
{
  assert(n <= decoder->run_left);
  decoder->run_left -= (uint32_t)n;
}

static size_t put_varint(uint8_t *at, uint64_t value)
{
  size_t n = 0;
  for (; value >= 0x80; value >>= 7) at[n++] = (uint8_t)(value | 0x80);
  at[n++] = (uint8_t)value;
  return n;
}

static frz_status put_repeat(frz_buf *out, uint32_t value, size_t n, unsigned width, frz_error *err)
{
  while (n != 0) {
    size_t n_run = n < INT32_MAX ? n : INT32_MAX;
    uint8_t bytes[VARINT_BYTES_MAX + 4];
    size_t n_bytes = put_varint(bytes, (uint64_t)n_run << 1);
    for (unsigned i = 0; i < (width + 7) / 8; i++) bytes[n_bytes++] = (uint8_t)(value >> (8 * i));
    FRZ_TRY(frz_buf_append(out, bytes, n_bytes, err));
    n -= n_run;
  }
  return FRZ_OK;
}

/* Only the very last group of all may be short; it is filled with zeros. */
static frz_status put_packed(frz_buf *out, const uint32_t *values, size_t n, unsigned width,
                             frz_error *err)
{
  while (n != 0) {
    size_t n_groups = n / 8 + (n % 8 != 0);
    if (n_groups > GROUPS_A_RUN_MAX) n_groups = GROUPS_A_RUN_MAX;
    size_t n_run = n_groups * 8 < n ? n_groups * 8 : n;
    uint8_t header[VARINT_BYTES_MAX];
    FRZ_TRY(frz_buf_append(out, header, put_varint(header, (uint64_t)n_groups << 1 | 1), err));
    uint8_t *at;
    FRZ_TRY(frz_buf_extend(out, n_groups * width, &at, err));
    frz_bitpack32_groups(at, values, n_run / 8, width);
    if (n_run % 8 != 0) {
      uint32_t last[8] = {0};
      memcpy(last, values + n_run / 8 * 8, n_run % 8 * sizeof *last);
      frz_bitpack32_groups(at + n_run / 8 * width, last, 1, width);
    }
    values += n_run;
    n -= n_run;
  }
  return FRZ_OK;
}

static size_t count_repeats(const uint32_t *values, size_t n)
{
  size_t i = 1;
  while (i < n && values[i] == values[0]) i++;
  return i;
}

static frz_status encode_runs(frz_buf *out, const uint32_t *values, size_t n, unsigned width,
                              frz_error *err)
{
  size_t packed_from = 0; /* values from here to `at` wait for a packed run, in whole groups */
  size_t at = 0;
  while (at < n) {
    size_t n_repeats = count_repeats(values + at, n - at);
    if (n_repeats < REPEATS_MIN) {
      at = n - at < 8 ? n : at + 8;
      continue;
    }
    FRZ_TRY(put_packed(out, values + packed_from, at - packed_from, width, err));
    FRZ_TRY(put_repeat(out, values[at], n_repeats, width, err));
    at += n_repeats;
    packed_from = at;
  }
  return put_packed(out, values + packed_from, n - packed_from, width, err);
}

frz_status frz_rle_encode(frz_buf *out, const uint32_t *values, size_t n, unsigned width,
                          frz_error *err)
{
  assert(width <= WIDTH_MAX);
  size_t size_before = out->size;
  frz_status st = encode_runs(out, values, n, width, err);
  if (st != FRZ_OK) out->size = size_before;
  return st;
}
