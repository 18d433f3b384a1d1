/*
 * decode_delta_length.c - DELTA_LENGTH_BYTE_ARRAY: all lengths as deltas, then all bytes.
 *
 * The lengths are never held as a whole: a walk over their miniblocks finds where the bytes start,
 * then both are read side by side. `pos` is in the bytes.
 *
 * Source: apache/parquet-format, Encodings.md, "Delta-length byte array".
 */
#include "base/fail.h"
#include "parquet/read/decoder.h"

frz_status frz_delta_length_open(frz_decoder *decoder, frz_error *err)
{
  FRZ_TRY(frz_delta_open(&decoder->delta, decoder->data, decoder->size, err));
  return frz_delta_find_end(&decoder->delta, &decoder->pos, err);
}

static frz_status check_length(const frz_decoder *decoder, uint64_t length, frz_error *err)
{
  if (length <= decoder->size - decoder->pos) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "delta lengths: a value of %lld bytes at byte %zu of %zu",
                  (long long)length, decoder->pos, decoder->size);
}

frz_status frz_delta_length_next(frz_decoder *decoder, frz_str *value_out, frz_error *err)
{
  FRZ_TRY(frz_delta_fill(&decoder->delta, err));
  uint64_t length = decoder->delta.held[decoder->delta.held_next];
  FRZ_TRY(check_length(decoder, length, err));
  decoder->delta.held_next++;
  *value_out = (frz_str){(const char *)decoder->data + decoder->pos, (size_t)length};
  decoder->pos += (size_t)length;
  return FRZ_OK;
}

frz_status frz_delta_length_bytes(frz_decoder *decoder, int32_t *ends_out, frz_buf *bytes, size_t n,
                                  frz_error *err)
{
  frz_delta_decoder *delta = &decoder->delta;
  for (size_t done = 0; done < n;) {
    FRZ_TRY(frz_delta_fill(delta, err));
    size_t start = decoder->pos;
    size_t end = bytes->size;
    for (; done < n && delta->held_next < delta->held_end; done++) {
      uint64_t length = delta->held[delta->held_next];
      FRZ_TRY(check_length(decoder, length, err));
      if (length > bytes->max_bytes - end)
        return frz_fail(err, FRZ_ERR_LIMIT, "strings of one batch pass %zu bytes",
                        bytes->max_bytes);
      delta->held_next++;
      decoder->pos += (size_t)length;
      end += (size_t)length;
      ends_out[done] = (int32_t)end;
    }
    FRZ_TRY(frz_buf_append(bytes, decoder->data + start, decoder->pos - start, err));
  }
  return FRZ_OK;
}

frz_status frz_delta_length_skip(frz_decoder *decoder, size_t n, frz_error *err)
{
  frz_str value;
  for (size_t i = 0; i < n; i++) FRZ_TRY(frz_delta_length_next(decoder, &value, err));
  return FRZ_OK;
}
