/*
 * decode_plain.c - PLAIN: values as they are; byte arrays with a 4-byte length in front, booleans
 * as bits.
 *
 * Source: apache/parquet-format, Encodings.md, "Plain".
 */
#include <assert.h>
#include <string.h>

#include "arrow/bit_copy.h"
#include "base/endian.h"
#include "base/fail.h"
#include "parquet/read/decoder.h"

/* Short strings are copied as one block of this size, so that no call is needed. */
enum { BLOCK = 16 };

static frz_status fail_short(const frz_decoder *decoder, size_t n, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "plain values: %zu more at byte %zu of %zu", n,
                  decoder->pos, decoder->size);
}

frz_status frz_plain_fixed(frz_decoder *decoder, uint8_t *dest, size_t n, frz_error *err)
{
  assert(decoder->width > 0);
  if (n > (decoder->size - decoder->pos) / decoder->width) return fail_short(decoder, n, err);
  memcpy(dest, decoder->data + decoder->pos, n * decoder->width);
  decoder->pos += n * decoder->width;
  return FRZ_OK;
}

/* How many bytes `n` values may take: at most the page's rest, where that is there; else exactly.
 */
static size_t room_for(const frz_decoder *decoder, const frz_buf *bytes, size_t n)
{
  size_t most = decoder->size - decoder->pos - 4 * n + BLOCK;
  if (most <= bytes->capacity - bytes->size) return most;
  size_t room = BLOCK;
  for (size_t at = decoder->pos; n > 0 && decoder->size - at >= 4; n--) {
    size_t length = frz_load_u32le(decoder->data + at);
    if (length > decoder->size - at - 4) break; /* found again, and reported, by the copy */
    room += length;
    at += 4 + length;
  }
  return room;
}

frz_status frz_plain_bytes(frz_decoder *decoder, int32_t *ends_out, frz_buf *bytes, size_t n,
                           frz_error *err)
{
  size_t left = decoder->size - decoder->pos;
  if (n > left / 4) return fail_short(decoder, n, err);
  size_t room = room_for(decoder, bytes, n);
  if (room > bytes->max_bytes - bytes->size) room = bytes->max_bytes - bytes->size;
  FRZ_TRY(frz_buf_reserve(bytes, room, err));
  const uint8_t *from = decoder->data + decoder->pos;
  const uint8_t *end = decoder->data + decoder->size;
  uint8_t *start = bytes->data;
  uint8_t *to = start + bytes->size;
  const uint8_t *to_end = start + bytes->capacity;
  for (size_t i = 0; i < n; i++) {
    if (end - from < 4) goto too_short;
    size_t length = frz_load_u32le(from);
    from += 4;
    if (length > (size_t)(end - from)) goto too_short;
    if (length <= BLOCK && end - from >= BLOCK && to_end - to >= BLOCK)
      memcpy(to, from, BLOCK);
    else if (length <= (size_t)(to_end - to))
      memcpy(to, from, length);
    else
      return frz_fail(err, FRZ_ERR_LIMIT, "strings of one batch pass %zu bytes", bytes->max_bytes);
    to += length;
    from += length;
    ends_out[i] = (int32_t)(to - start);
  }
  bytes->size = (size_t)(to - start);
  decoder->pos = (size_t)(from - decoder->data);
  return FRZ_OK;
too_short:
  decoder->pos = (size_t)(from - decoder->data);
  return fail_short(decoder, 1, err);
}

frz_status frz_plain_bools(frz_decoder *decoder, uint8_t *bits, int64_t at, size_t n,
                           frz_error *err)
{
  if (n > decoder->size * 8 - decoder->pos) return fail_short(decoder, n, err);
  frz_bits_copy(bits, at, decoder->data, (int64_t)decoder->pos, (int64_t)n);
  decoder->pos += n;
  return FRZ_OK;
}

static frz_status skip_bytes(frz_decoder *decoder, size_t n, frz_error *err)
{
  for (size_t i = 0; i < n; i++) {
    size_t left = decoder->size - decoder->pos;
    if (left < 4) return fail_short(decoder, n - i, err);
    size_t length = frz_load_u32le(decoder->data + decoder->pos);
    if (length > left - 4) return fail_short(decoder, n - i, err);
    decoder->pos += 4 + length;
  }
  return FRZ_OK;
}

frz_status frz_plain_skip(frz_decoder *decoder, size_t n, frz_error *err)
{
  if (decoder->physical == FRZ_PARQUET_BYTE_ARRAY) return skip_bytes(decoder, n, err);
  bool is_bits = decoder->physical == FRZ_PARQUET_BOOLEAN;
  size_t units = is_bits ? decoder->size * 8 : decoder->size;
  size_t width = is_bits ? 1 : decoder->width;
  if (n > (units - decoder->pos) / width) return fail_short(decoder, n, err);
  decoder->pos += n * width;
  return FRZ_OK;
}
