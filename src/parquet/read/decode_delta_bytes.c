/*
 * decode_delta_bytes.c - DELTA_BYTE_ARRAY: each value as a prefix of the one before and a suffix.
 *
 * Lengths of prefixes as deltas, then the suffixes as DELTA_LENGTH_BYTE_ARRAY. Between calls the
 * value before is kept in `last`, since the caller may take or drop what was given; within a call
 * for strings it is found in the output.
 *
 * Source: apache/parquet-format, Encodings.md, "Delta Strings".
 */
#include <string.h>

#include "base/fail.h"
#include "parquet/read/decoder.h"

enum { BLOCK = 16 };

frz_status frz_delta_bytes_open(frz_decoder *decoder, frz_error *err)
{
  size_t end = 0;
  FRZ_TRY(frz_delta_open(&decoder->prefixes, decoder->data, decoder->size, err));
  FRZ_TRY(frz_delta_find_end(&decoder->prefixes, &end, err));
  decoder->data += end;
  decoder->size -= end;
  decoder->last.size = 0;
  return frz_delta_length_open(decoder, err);
}

static frz_status fail_prefix(uint64_t prefix, size_t last_bytes, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "delta strings: prefix of %lld bytes of a value of %zu",
                  (long long)prefix, last_bytes);
}

/* The parts of the next value, after one of `last_bytes`. */
static frz_status next_parts(frz_decoder *decoder, size_t last_bytes, size_t *prefix_out,
                             frz_str *suffix_out, frz_error *err)
{
  FRZ_TRY(frz_delta_fill(&decoder->prefixes, err));
  uint64_t prefix = decoder->prefixes.held[decoder->prefixes.held_next];
  if (prefix > last_bytes) return fail_prefix(prefix, last_bytes, err);
  FRZ_TRY(frz_delta_length_next(decoder, suffix_out, err));
  decoder->prefixes.held_next++;
  *prefix_out = (size_t)prefix;
  return FRZ_OK;
}

/* Make `last` the next value. */
static frz_status step(frz_decoder *decoder, frz_error *err)
{
  frz_str suffix = {NULL, 0};
  size_t prefix = 0;
  FRZ_TRY(next_parts(decoder, decoder->last.size, &prefix, &suffix, err));
  decoder->last.size = prefix;
  return frz_buf_append_str(&decoder->last, suffix, err);
}

frz_status frz_delta_bytes_fixed(frz_decoder *decoder, uint8_t *dest, size_t n, frz_error *err)
{
  for (size_t i = 0; i < n; i++, dest += decoder->width) {
    FRZ_TRY(step(decoder, err));
    if (decoder->last.size != decoder->width)
      return frz_fail(err, FRZ_ERR_CORRUPT, "delta strings: %zu bytes for a value of %zu",
                      decoder->last.size, decoder->width);
    memcpy(dest, decoder->last.data, decoder->width);
  }
  return FRZ_OK;
}

/* Check the next values that both kinds of lengths are unpacked for, at most `n`; the first follows
 * a value of `last_bytes`. Their number, and the bytes that they come to. */
static frz_status check_piece(frz_decoder *decoder, size_t last_bytes, size_t n, size_t *n_out,
                              size_t *total_out, frz_error *err)
{
  frz_delta_decoder *prefixes = &decoder->prefixes;
  frz_delta_decoder *suffixes = &decoder->delta;
  FRZ_TRY(frz_delta_fill(prefixes, err));
  FRZ_TRY(frz_delta_fill(suffixes, err));
  size_t n_prefixes = prefixes->held_end - prefixes->held_next;
  size_t n_suffixes = suffixes->held_end - suffixes->held_next;
  if (n > n_prefixes) n = n_prefixes;
  if (n > n_suffixes) n = n_suffixes;
  size_t left = decoder->size - decoder->pos;
  size_t total = 0;
  for (size_t i = 0; i < n; i++) {
    uint64_t prefix = prefixes->held[prefixes->held_next + i];
    uint64_t suffix = suffixes->held[suffixes->held_next + i];
    if (prefix > last_bytes) return fail_prefix(prefix, last_bytes, err);
    if (suffix > left)
      return frz_fail(err, FRZ_ERR_CORRUPT, "delta strings: suffix of %lld bytes, %zu are left",
                      (long long)suffix, left);
    left -= (size_t)suffix;
    last_bytes = (size_t)(prefix + suffix);
    total += last_bytes;
  }
  *n_out = n;
  *total_out = total;
  return FRZ_OK;
}

static void copy_block(uint8_t *to, const uint8_t *from)
{
  uint8_t held[BLOCK];
  memcpy(held, from, BLOCK);
  memcpy(to, held, BLOCK);
}

/* Put the values together that were checked; `start` is the value before them, in `bytes`. There is
 * room for a block behind the last, so that short parts are copied as one. */
static void take_piece(frz_decoder *decoder, frz_buf *bytes, size_t start, int32_t *ends_out,
                       size_t n)
{
  const uint64_t *prefixes = decoder->prefixes.held + decoder->prefixes.held_next;
  const uint64_t *suffixes = decoder->delta.held + decoder->delta.held_next;
  const uint8_t *from = decoder->data + decoder->pos;
  const uint8_t *end = decoder->data + decoder->size;
  const uint8_t *last = bytes->data + start;
  uint8_t *to = bytes->data + bytes->size;
  for (size_t i = 0; i < n; i++) {
    uint8_t *value = to;
    if (prefixes[i] <= BLOCK)
      copy_block(to, last);
    else
      memcpy(to, last, prefixes[i]);
    to += prefixes[i];
    if (suffixes[i] <= BLOCK && end - from >= BLOCK)
      copy_block(to, from);
    else if (suffixes[i] > 0)
      memcpy(to, from, suffixes[i]);
    to += suffixes[i];
    from += suffixes[i];
    last = value;
    ends_out[i] = (int32_t)(to - bytes->data);
  }
  bytes->size = (size_t)(to - bytes->data);
  decoder->pos = (size_t)(from - decoder->data);
  decoder->prefixes.held_next += (uint32_t)n;
  decoder->delta.held_next += (uint32_t)n;
}

frz_status frz_delta_bytes_bytes(frz_decoder *decoder, int32_t *ends_out, frz_buf *bytes, size_t n,
                                 frz_error *err)
{
  FRZ_TRY(step(decoder, err)); /* callers ask for at least one */
  FRZ_TRY(frz_buf_append_str(bytes, frz_buf_str(&decoder->last), err));
  size_t start = bytes->size - decoder->last.size;
  ends_out[0] = (int32_t)bytes->size;
  for (size_t done = 1; done < n;) {
    size_t piece = 0, total = 0;
    FRZ_TRY(check_piece(decoder, bytes->size - start, n - done, &piece, &total, err));
    if (total > bytes->max_bytes - bytes->size || bytes->max_bytes - bytes->size - total < BLOCK)
      return frz_fail(err, FRZ_ERR_LIMIT, "strings of one batch pass %zu bytes", bytes->max_bytes);
    FRZ_TRY(frz_buf_reserve(bytes, total + BLOCK, err));
    take_piece(decoder, bytes, start, ends_out + done, piece);
    done += piece;
    start = (size_t)ends_out[done - 2];
  }
  decoder->last.size = 0;
  if (bytes->size == start) return FRZ_OK;
  return frz_buf_append(&decoder->last, bytes->data + start, bytes->size - start, err);
}

frz_status frz_delta_bytes_skip(frz_decoder *decoder, size_t n, frz_error *err)
{
  for (size_t i = 0; i < n; i++) FRZ_TRY(step(decoder, err));
  return FRZ_OK;
}
