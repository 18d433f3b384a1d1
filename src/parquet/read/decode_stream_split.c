/*
 * decode_stream_split.c - BYTE_STREAM_SPLIT: byte k of every value, for each k in turn.
 *
 * The page holds exactly its present values, so their number follows from its size. Values of 4 and
 * 8 bytes are put together 16 at a time: interleaving bytes, then pairs, then fours is a transpose.
 *
 * Source: apache/parquet-format, Encodings.md, "Byte Stream Split".
 */
#include <assert.h>

#include "base/fail.h"
#include "parquet/read/decoder.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { STEP = 16 };

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

/* Any width, one value at a time. */
static void join(uint8_t *dest, size_t width, const uint8_t *from, size_t stride, size_t n)
{
  for (size_t k = 0; k < width; k++)
    for (size_t i = 0; i < n; i++) dest[i * width + k] = from[k * stride + i];
}

#if defined(__SSE2__)

static __m128i load(const uint8_t *from)
{
  return _mm_loadu_si128((const __m128i *)(const void *)from);
}

static void store(uint8_t *to, __m128i value)
{
  _mm_storeu_si128((__m128i *)(void *)to, value);
}

/* Four streams' next 16 bytes as 16 values of 4 bytes. */
static void join4_step(__m128i out[4], const uint8_t *from, size_t stride)
{
  __m128i a = load(from), b = load(from + stride);
  __m128i c = load(from + 2 * stride), d = load(from + 3 * stride);
  __m128i ab_low = _mm_unpacklo_epi8(a, b), ab_high = _mm_unpackhi_epi8(a, b);
  __m128i cd_low = _mm_unpacklo_epi8(c, d), cd_high = _mm_unpackhi_epi8(c, d);
  out[0] = _mm_unpacklo_epi16(ab_low, cd_low);
  out[1] = _mm_unpackhi_epi16(ab_low, cd_low);
  out[2] = _mm_unpacklo_epi16(ab_high, cd_high);
  out[3] = _mm_unpackhi_epi16(ab_high, cd_high);
}

/* How many of the values were joined: whole steps. */
static size_t join_steps(uint8_t *dest, size_t width, const uint8_t *from, size_t stride, size_t n)
{
  size_t done = 0;
  if (width != 4 && width != 8) return 0;
  for (; n - done >= STEP; done += STEP, dest += STEP * width) {
    __m128i low[4], high[4];
    join4_step(low, from + done, stride);
    if (width == 4) {
      for (size_t i = 0; i < 4; i++) store(dest + 16 * i, low[i]);
      continue;
    }
    join4_step(high, from + done + 4 * stride, stride);
    for (size_t i = 0; i < 4; i++) {
      store(dest + 32 * i, _mm_unpacklo_epi32(low[i], high[i]));
      store(dest + 32 * i + 16, _mm_unpackhi_epi32(low[i], high[i]));
    }
  }
  return done;
}

#else

static size_t join_steps(uint8_t *dest, size_t width, const uint8_t *from, size_t stride, size_t n)
{
  (void)dest, (void)width, (void)from, (void)stride, (void)n;
  return 0;
}

#endif

frz_status frz_stream_split_fixed(frz_decoder *decoder, uint8_t *dest, size_t n, frz_error *err)
{
  FRZ_TRY(check_left(decoder, n, err));
  size_t stride = decoder->size / decoder->width;
  const uint8_t *from = decoder->data + decoder->pos;
  size_t done = join_steps(dest, decoder->width, from, stride, n);
  join(dest + done * decoder->width, decoder->width, from + done, stride, n - done);
  decoder->pos += n;
  return FRZ_OK;
}

frz_status frz_stream_split_skip(frz_decoder *decoder, size_t n, frz_error *err)
{
  FRZ_TRY(check_left(decoder, n, err));
  decoder->pos += n;
  return FRZ_OK;
}
