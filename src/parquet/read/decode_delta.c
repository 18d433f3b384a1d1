/*
 * decode_delta.c - DELTA_BINARY_PACKED integers.
 *
 * A header (values a block, miniblocks a block, count, first value), then blocks: the least delta,
 * a bit width for each miniblock, and the miniblocks' packed differences from the least delta.
 * Values come out in pieces of up to FRZ_DELTA_HELD: unpacked, then summed up. Sums wrap around,
 * as writers' differences do.
 *
 * Invariants: skip is a multiple of 8 inside of a miniblock; left counts what was not unpacked
 * into `held` yet; pos never passes size.
 *
 * Source: apache/parquet-format, Encodings.md, "Delta Encoding".
 */
#include <assert.h>
#include <string.h>

#include "base/fail.h"
#include "base/limits.h"
#include "base/reader.h"
#include "parquet/read/decoder.h"

enum { WIDTH_MAX = 64 };

static frz_status fail_delta(const frz_delta_decoder *delta, const char *what, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "delta encoding: %s at byte %zu of %zu", what, delta->pos,
                  delta->size);
}

static frz_status read_number(frz_delta_decoder *delta, uint64_t *number_out, frz_error *err)
{
  frz_reader reader = {delta->data, delta->size, delta->pos};
  if (!frz_read_uleb128(&reader, number_out)) return fail_delta(delta, "no number", err);
  delta->pos = reader.pos;
  return FRZ_OK;
}

frz_status frz_delta_open(frz_delta_decoder *delta, const uint8_t *data, size_t size,
                          frz_error *err)
{
  uint64_t block = 0, n_minis = 0, n = 0, first = 0;
  delta->data = data;
  delta->size = size;
  delta->pos = 0;
  FRZ_TRY(read_number(delta, &block, err));
  FRZ_TRY(read_number(delta, &n_minis, err));
  FRZ_TRY(read_number(delta, &n, err));
  FRZ_TRY(read_number(delta, &first, err));
  if (block > FRZ_LIMIT_DELTA_BLOCK_VALUES || n_minis > FRZ_LIMIT_DELTA_MINIBLOCKS)
    return frz_fail(err, FRZ_ERR_LIMIT,
                    "delta encoding: blocks of %llu values in %llu miniblocks; at most %u in %u "
                    "are read",
                    (unsigned long long)block, (unsigned long long)n_minis,
                    FRZ_LIMIT_DELTA_BLOCK_VALUES, FRZ_LIMIT_DELTA_MINIBLOCKS);
  if (block == 0 || n_minis == 0 || block % n_minis != 0 || block / n_minis % 8 != 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "delta encoding: %llu values in %llu miniblocks",
                    (unsigned long long)block, (unsigned long long)n_minis);
  if (n > INT32_MAX) return fail_delta(delta, "more than 2147483647 values", err);
  delta->n_values = n;
  delta->left = n;
  delta->mini_values = block / n_minis;
  delta->n_minis = (uint32_t)n_minis;
  delta->mini = (uint32_t)n_minis; /* the next value opens a block */
  delta->skip = 0;
  delta->last = (uint64_t)frz_zigzag_decode(first);
  delta->held_next = delta->held_end = 0;
  if (n > 0) { /* the first value has no difference */
    delta->held[0] = delta->last;
    delta->held_end = 1;
    delta->left--;
  }
  return FRZ_OK;
}

static frz_status open_block(frz_delta_decoder *delta, frz_error *err)
{
  uint64_t least = 0;
  FRZ_TRY(read_number(delta, &least, err));
  delta->min_delta = (uint64_t)frz_zigzag_decode(least);
  if (delta->n_minis > delta->size - delta->pos) return fail_delta(delta, "no bit widths", err);
  delta->widths_pos = delta->pos;
  delta->pos += delta->n_minis;
  delta->mini = 0;
  delta->skip = 0;
  return FRZ_OK;
}

/* The current miniblock's width and place; its bytes may end early where no value needs them. */
static frz_status open_mini(frz_delta_decoder *delta, unsigned *width_out, frz_error *err)
{
  if (delta->mini == delta->n_minis) FRZ_TRY(open_block(delta, err));
  unsigned width = delta->data[delta->widths_pos + delta->mini];
  if (width > WIDTH_MAX) return fail_delta(delta, "bit width past 64", err);
  if (delta->skip == 0) {
    size_t bytes = (size_t)delta->mini_values / 8 * width;
    delta->mini_pos = delta->pos;
    delta->pos += bytes < delta->size - delta->pos ? bytes : delta->size - delta->pos;
  }
  *width_out = width;
  return FRZ_OK;
}

static void step_mini(frz_delta_decoder *delta, uint64_t n)
{
  delta->skip += (uint32_t)n;
  if (delta->skip < delta->mini_values) return;
  delta->skip = 0;
  delta->mini++;
}

frz_status frz_delta_fill(frz_delta_decoder *delta, frz_error *err)
{
  if (delta->held_next < delta->held_end) return FRZ_OK;
  if (delta->left == 0) return fail_delta(delta, "fewer values than the page needs", err);
  unsigned width = 0;
  FRZ_TRY(open_mini(delta, &width, err));
  uint64_t n = delta->mini_values - delta->skip;
  if (n > FRZ_DELTA_HELD) n = FRZ_DELTA_HELD;
  uint64_t n_wanted = n < delta->left ? n : delta->left;
  size_t at = delta->mini_pos + (size_t)delta->skip / 8 * width;
  if (at > delta->size ||
      !frz_bitunpack64(delta->data + at, delta->size - at, width, delta->held, (size_t)n_wanted))
    return fail_delta(delta, "cut miniblock", err);
  uint64_t value = delta->last;
  uint64_t least = delta->min_delta;
  for (uint64_t i = 0; i < n_wanted; i++) {
    value += delta->held[i] + least;
    delta->held[i] = value;
  }
  delta->last = value;
  delta->left -= n_wanted;
  delta->held_next = 0;
  delta->held_end = (uint32_t)n_wanted;
  step_mini(delta, n);
  return FRZ_OK;
}

frz_status frz_delta_skip(frz_delta_decoder *delta, size_t n, frz_error *err)
{
  while (n > 0) {
    FRZ_TRY(frz_delta_fill(delta, err));
    size_t taken = delta->held_end - delta->held_next;
    if (taken > n) taken = n;
    delta->held_next += (uint32_t)taken;
    n -= taken;
  }
  return FRZ_OK;
}

frz_status frz_delta_find_end(const frz_delta_decoder *delta, size_t *end_out, frz_error *err)
{
  frz_delta_decoder walk = *delta;
  while (walk.left > 0) {
    unsigned width = 0;
    FRZ_TRY(open_mini(&walk, &width, err));
    uint64_t n = walk.mini_values - walk.skip;
    walk.left -= n < walk.left ? n : walk.left;
    step_mini(&walk, n);
  }
  *end_out = walk.pos;
  return FRZ_OK;
}

frz_status frz_delta_fixed(frz_decoder *decoder, uint8_t *dest, size_t n, frz_error *err)
{
  frz_delta_decoder *delta = &decoder->delta;
  assert(decoder->width == 4 || decoder->width == 8);
  while (n > 0) {
    FRZ_TRY(frz_delta_fill(delta, err));
    size_t taken = delta->held_end - delta->held_next;
    if (taken > n) taken = n;
    const uint64_t *from = delta->held + delta->held_next;
    if (decoder->width == 8) {
      memcpy(dest, from, taken * 8);
    } else {
      uint32_t *to = (uint32_t *)(void *)dest;
      for (size_t i = 0; i < taken; i++) to[i] = (uint32_t)from[i];
    }
    dest += taken * decoder->width;
    delta->held_next += (uint32_t)taken;
    n -= taken;
  }
  return FRZ_OK;
}
