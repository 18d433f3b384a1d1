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

/* The parts of the next value, after one of `last_bytes`. */
static frz_status next_parts(frz_decoder *decoder, size_t last_bytes, size_t *prefix_out,
                             frz_str *suffix_out, frz_error *err)
{
  FRZ_TRY(frz_delta_fill(&decoder->prefixes, err));
  uint64_t prefix = decoder->prefixes.held[decoder->prefixes.held_next];
  if (prefix > last_bytes)
    return frz_fail(err, FRZ_ERR_CORRUPT, "delta strings: prefix of %lld bytes of a value of %zu",
                    (long long)prefix, last_bytes);
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

frz_status frz_delta_bytes_bytes(frz_decoder *decoder, int32_t *ends_out, frz_buf *bytes, size_t n,
                                 frz_error *err)
{
  FRZ_TRY(step(decoder, err)); /* callers ask for at least one */
  FRZ_TRY(frz_buf_append_str(bytes, frz_buf_str(&decoder->last), err));
  size_t start = bytes->size - decoder->last.size;
  ends_out[0] = (int32_t)bytes->size;
  for (size_t i = 1; i < n; i++) {
    frz_str suffix = {NULL, 0};
    size_t prefix = 0;
    FRZ_TRY(next_parts(decoder, bytes->size - start, &prefix, &suffix, err));
    FRZ_TRY(frz_buf_reserve(bytes, prefix + suffix.size, err));
    uint8_t *to = bytes->data + bytes->size;
    if (prefix > 0) memcpy(to, bytes->data + start, prefix);
    if (suffix.size > 0) memcpy(to + prefix, suffix.data, suffix.size);
    start = bytes->size;
    bytes->size += prefix + suffix.size;
    ends_out[i] = (int32_t)bytes->size;
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
