/*
 * decode_stream_split.c - BYTE_STREAM_SPLIT: byte k of every value, for each k in turn.
 *
 * The page holds exactly its present values, so their number follows from its size.
 *
 * Source: apache/parquet-format, Encodings.md, "Byte Stream Split".
 */
#include <assert.h>

#include "base/endian.h"
#include "base/fail.h"
#include "parquet/read/decoder.h"

frz_status frz_stream_split_open(frz_decoder *decoder, frz_error *err)
{
  assert(decoder->width > 0);
  if (decoder->size % decoder->width != 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "byte stream split: %zu bytes for values of %zu",
                    decoder->size, decoder->width);
  return FRZ_OK;
}

static frz_status check_left(const frz_decoder *decoder, size_t n, frz_error *err)
{
  size_t n_values = decoder->size / decoder->width;
  if (n <= n_values - decoder->pos) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "byte stream split: %zu more values behind %zu of %zu", n,
                  decoder->pos, n_values);
}

static void join4(uint8_t *dest, const uint8_t *from, size_t stride, size_t n)
{
  const uint8_t *a = from, *b = a + stride, *c = b + stride, *d = c + stride;
  for (size_t i = 0; i < n; i++) {
    uint32_t value =
        (uint32_t)a[i] | (uint32_t)b[i] << 8 | (uint32_t)c[i] << 16 | (uint32_t)d[i] << 24;
    frz_store_u32le(dest + i * 4, value);
  }
}

static void join8(uint8_t *dest, const uint8_t *from, size_t stride, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    uint64_t value = 0;
    for (unsigned k = 0; k < 8; k++) value |= (uint64_t)from[k * stride + i] << (8 * k);
    frz_store_u64le(dest + i * 8, value);
  }
}

frz_status frz_stream_split_fixed(frz_decoder *decoder, uint8_t *dest, size_t n, frz_error *err)
{
  FRZ_TRY(check_left(decoder, n, err));
  size_t stride = decoder->size / decoder->width;
  const uint8_t *from = decoder->data + decoder->pos;
  if (decoder->width == 4) {
    join4(dest, from, stride, n);
  } else if (decoder->width == 8) {
    join8(dest, from, stride, n);
  } else {
    for (size_t k = 0; k < decoder->width; k++)
      for (size_t i = 0; i < n; i++) dest[i * decoder->width + k] = from[k * stride + i];
  }
  decoder->pos += n;
  return FRZ_OK;
}

frz_status frz_stream_split_skip(frz_decoder *decoder, size_t n, frz_error *err)
{
  FRZ_TRY(check_left(decoder, n, err));
  decoder->pos += n;
  return FRZ_OK;
}
