/*
 * decoder.c - choose the decoder of a page's encoding.
 *
 * Which encoding goes with which physical type is decided once, in frz_decoder_open(); the calls
 * behind trust it.
 *
 * Source: apache/parquet-format, Encodings.md, "Supported Encodings".
 */
#include "parquet/read/decoder.h"

#include <assert.h>

#include "base/fail.h"
#include "base/limits.h"

void frz_decoder_init(frz_decoder *decoder, frz_parquet_physical physical, int32_t type_length,
                      const frz_alloc *alloc)
{
  static const uint8_t widths[] = {0, 4, 8, 12, 4, 8, 0, 0};
  *decoder = (frz_decoder){.physical = physical, .width = widths[physical]};
  if (physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY) decoder->width = (size_t)type_length;
  frz_buf_init(&decoder->last, alloc, FRZ_LIMIT_COLUMN_BYTES);
}

void frz_decoder_dispose(frz_decoder *decoder)
{
  frz_buf_dispose(&decoder->last);
}

static bool encoding_fits(int32_t encoding, frz_parquet_physical physical)
{
  bool is_fixed = physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY;
  bool is_int = physical == FRZ_PARQUET_INT32 || physical == FRZ_PARQUET_INT64;
  switch (encoding) {
  case FRZ_PARQUET_PLAIN: return true;
  case FRZ_PARQUET_RLE: return physical == FRZ_PARQUET_BOOLEAN;
  case FRZ_PARQUET_DELTA_BINARY_PACKED: return is_int;
  case FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY: return physical == FRZ_PARQUET_BYTE_ARRAY;
  case FRZ_PARQUET_DELTA_BYTE_ARRAY: return physical == FRZ_PARQUET_BYTE_ARRAY || is_fixed;
  case FRZ_PARQUET_BYTE_STREAM_SPLIT:
    return is_int || is_fixed || physical == FRZ_PARQUET_FLOAT || physical == FRZ_PARQUET_DOUBLE;
  default: return false;
  }
}

frz_status frz_decoder_open(frz_decoder *decoder, int32_t encoding, const uint8_t *data,
                            size_t size, frz_error *err)
{
  if (!encoding_fits(encoding, decoder->physical))
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "encoding %d of physical type %d", encoding,
                    (int)decoder->physical);
  decoder->encoding = (frz_parquet_encoding)encoding;
  decoder->data = data;
  decoder->size = size;
  decoder->pos = 0;
  /* A page whose values are all null may have no bytes at all, not even an encoding's header. */
  if (size == 0) {
    decoder->encoding = FRZ_PARQUET_PLAIN;
    return FRZ_OK;
  }
  switch (decoder->encoding) {
  case FRZ_PARQUET_RLE: return frz_rle_bools_open(decoder, err);
  case FRZ_PARQUET_DELTA_BINARY_PACKED: return frz_delta_open(&decoder->delta, data, size, err);
  case FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY: return frz_delta_length_open(decoder, err);
  case FRZ_PARQUET_DELTA_BYTE_ARRAY: return frz_delta_bytes_open(decoder, err);
  case FRZ_PARQUET_BYTE_STREAM_SPLIT: return frz_stream_split_open(decoder, err);
  default: return FRZ_OK;
  }
}

frz_status frz_decoder_fixed(frz_decoder *decoder, uint8_t *dest, size_t n, frz_error *err)
{
  assert(decoder->width > 0);
  if (n == 0) return FRZ_OK;
  switch (decoder->encoding) {
  case FRZ_PARQUET_DELTA_BINARY_PACKED: return frz_delta_fixed(decoder, dest, n, err);
  case FRZ_PARQUET_DELTA_BYTE_ARRAY: return frz_delta_bytes_fixed(decoder, dest, n, err);
  case FRZ_PARQUET_BYTE_STREAM_SPLIT: return frz_stream_split_fixed(decoder, dest, n, err);
  default: return frz_plain_fixed(decoder, dest, n, err);
  }
}

frz_status frz_decoder_bytes(frz_decoder *decoder, int32_t *ends_out, frz_buf *bytes, size_t n,
                             frz_error *err)
{
  assert(decoder->physical == FRZ_PARQUET_BYTE_ARRAY);
  if (n == 0) return FRZ_OK;
  switch (decoder->encoding) {
  case FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY:
    return frz_delta_length_bytes(decoder, ends_out, bytes, n, err);
  case FRZ_PARQUET_DELTA_BYTE_ARRAY: return frz_delta_bytes_bytes(decoder, ends_out, bytes, n, err);
  default: return frz_plain_bytes(decoder, ends_out, bytes, n, err);
  }
}

frz_status frz_decoder_bools(frz_decoder *decoder, uint8_t *bits, int64_t at, size_t n,
                             frz_error *err)
{
  assert(decoder->physical == FRZ_PARQUET_BOOLEAN);
  if (n == 0) return FRZ_OK;
  if (decoder->encoding == FRZ_PARQUET_RLE) return frz_rle_bools(decoder, bits, at, n, err);
  return frz_plain_bools(decoder, bits, at, n, err);
}

frz_status frz_decoder_skip(frz_decoder *decoder, size_t n, frz_error *err)
{
  if (n == 0) return FRZ_OK;
  switch (decoder->encoding) {
  case FRZ_PARQUET_RLE: return frz_rle_skip(&decoder->rle, n, err);
  case FRZ_PARQUET_DELTA_BINARY_PACKED: return frz_delta_skip(&decoder->delta, n, err);
  case FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY: return frz_delta_length_skip(decoder, n, err);
  case FRZ_PARQUET_DELTA_BYTE_ARRAY: return frz_delta_bytes_skip(decoder, n, err);
  case FRZ_PARQUET_BYTE_STREAM_SPLIT: return frz_stream_split_skip(decoder, n, err);
  default: return frz_plain_skip(decoder, n, err);
  }
}
