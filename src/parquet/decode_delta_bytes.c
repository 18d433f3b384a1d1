/*
 * decode_delta_bytes.c - DELTA_BYTE_ARRAY: each value as a prefix of the one before and a suffix.
 *
 * Lengths of prefixes as deltas, then the suffixes as DELTA_LENGTH_BYTE_ARRAY. The value before is
 * kept in `last`, since the caller may take or drop what was given in between.
 *
 * Source: apache/parquet-format, Encodings.md, "Delta Strings".
 */
#include <string.h>

#include "base/fail.h"
#include "parquet/decoder.h"

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

/* Make `last` the next value. */
static frz_status step(frz_decoder *decoder, frz_error *err)
{
  frz_str suffix = {NULL, 0};
  FRZ_TRY(frz_delta_fill(&decoder->prefixes, err));
  uint64_t prefix = decoder->prefixes.held[decoder->prefixes.held_next];
  if (prefix > decoder->last.size)
    return frz_fail(err, FRZ_ERR_CORRUPT, "delta strings: prefix of %lld bytes of a value of %zu",
                    (long long)prefix, decoder->last.size);
  FRZ_TRY(frz_delta_length_next(decoder, &suffix, err));
  decoder->prefixes.held_next++;
  decoder->last.size = (size_t)prefix;
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
  for (size_t i = 0; i < n; i++) {
    FRZ_TRY(step(decoder, err));
    FRZ_TRY(frz_buf_append(bytes, decoder->last.data, decoder->last.size, err));
    ends_out[i] = (int32_t)bytes->size;
  }
  return FRZ_OK;
}

frz_status frz_delta_bytes_skip(frz_decoder *decoder, size_t n, frz_error *err)
{
  for (size_t i = 0; i < n; i++) FRZ_TRY(step(decoder, err));
  return FRZ_OK;
}
