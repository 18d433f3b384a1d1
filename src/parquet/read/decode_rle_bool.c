/*
 * decode_rle_bool.c - booleans as a hybrid of runs, and the pieces that levels share with them.
 *
 * A page of RLE booleans starts with the byte length of the hybrid. With one bit a value, a packed
 * run is a bitmap already and is copied as such.
 *
 * Source: apache/parquet-format, Encodings.md, "Run Length Encoding / Bit-Packing Hybrid".
 */

#include "arrow/bit_copy.h"
#include "base/endian.h"
#include "base/fail.h"
#include "parquet/read/decoder.h"

frz_status frz_rle_bools_open(frz_decoder *decoder, frz_error *err)
{
  if (decoder->size < 4)
    return frz_fail(err, FRZ_ERR_CORRUPT, "rle booleans: %zu bytes", decoder->size);
  size_t size = frz_load_u32le(decoder->data);
  if (size > decoder->size - 4)
    return frz_fail(err, FRZ_ERR_CORRUPT, "rle booleans: %zu bytes of %zu", size,
                    decoder->size - 4);
  frz_rle_decoder_init(&decoder->rle, decoder->data + 4, size, 1);
  return FRZ_OK;
}

frz_status frz_rle_bools(frz_decoder *decoder, uint8_t *bits, int64_t at, size_t n, frz_error *err)
{
  frz_rle_decoder *rle = &decoder->rle;
  while (n > 0) {
    uint32_t value = 0;
    size_t run = 0;
    FRZ_TRY(frz_rle_peek_run(rle, n, &value, &run, err));
    if (run > 0) {
      if (value != 0) frz_bits_fill(bits, at, (int64_t)run);
      frz_rle_skip_run(rle, run);
    } else {
      run = rle->packed_left < n ? rle->packed_left : n;
      frz_bits_copy(bits, at, rle->data + rle->packed_pos, rle->packed_skip, (int64_t)run);
      rle->packed_skip += (uint32_t)run;
      rle->packed_left -= (uint32_t)run;
    }
    at += (int64_t)run;
    n -= run;
  }
  return FRZ_OK;
}

frz_status frz_rle_skip(frz_rle_decoder *decoder, size_t n, frz_error *err)
{
  while (n > 0) {
    uint32_t value = 0;
    size_t run = 0;
    FRZ_TRY(frz_rle_peek_run(decoder, n, &value, &run, err));
    if (run > 0) {
      frz_rle_skip_run(decoder, run);
    } else {
      run = decoder->packed_left < n ? decoder->packed_left : n;
      decoder->packed_skip += (uint32_t)run;
      decoder->packed_left -= (uint32_t)run;
    }
    n -= run;
  }
  return FRZ_OK;
}
