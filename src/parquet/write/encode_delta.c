/*
 * encode_delta.c - see encode_delta.h.
 *
 * Integers are written in blocks of 128 differences: the least of them, then four miniblocks, each
 * with the bits that its greatest difference above the least one needs. Miniblocks behind the last
 * value take a width of zero and no bytes; the last one that is used is filled up with zeros.
 *
 * What must stay true: differences of 32-bit integers wrap at 32 bits, as readers count so and
 * refuse wider miniblocks.
 */
#include "parquet/write/encode_delta.h"

#include <assert.h>

#include "base/endian.h"
#include "base/reader.h"
#include "codec/bitpack.h"

enum {
  BLOCK_VALUES = 128,
  MINIS = 4,
  MINI_VALUES = BLOCK_VALUES / MINIS,
  VARINT_BYTES_MAX = 10,
  WIDE = 16, /* bytes of a move that most strings fit */
  BLOCK_BYTES_MAX = VARINT_BYTES_MAX + MINIS + BLOCK_VALUES * 8
};

static size_t put_varint(uint8_t *at, uint64_t value)
{
  size_t n = 0;
  for (; value >= 0x80; value >>= 7) at[n++] = (uint8_t)(value | 0x80);
  at[n++] = (uint8_t)value;
  return n;
}

/* The differences of a block, and the least. A value stands in front of the first. */
static int64_t take_deltas_32(const uint8_t *values, size_t n, int64_t deltas[BLOCK_VALUES])
{
  const uint32_t *at = (const uint32_t *)(const void *)values;
  const uint32_t *before = at - 1;
  int32_t least = INT32_MAX;
  for (size_t i = 0; i < n; i++) {
    int32_t delta = (int32_t)(at[i] - before[i]);
    deltas[i] = delta;
    least = delta < least ? delta : least;
  }
  return least;
}

static int64_t take_deltas_64(const uint8_t *values, size_t n, int64_t deltas[BLOCK_VALUES])
{
  const uint64_t *at = (const uint64_t *)(const void *)values;
  const uint64_t *before = at - 1;
  int64_t least = INT64_MAX;
  for (size_t i = 0; i < n; i++) {
    int64_t delta = (int64_t)(at[i] - before[i]);
    deltas[i] = delta;
    least = delta < least ? delta : least;
  }
  return least;
}

static frz_status put_mini(const uint64_t above[MINI_VALUES], unsigned width, frz_buf *out,
                           frz_error *err)
{
  if (width == 0) return FRZ_OK;
  if (width > 32) return frz_bitpack64(out, above, MINI_VALUES, width, err);
  uint32_t narrow[MINI_VALUES];
  for (size_t i = 0; i < MINI_VALUES; i++) narrow[i] = (uint32_t)above[i];
  frz_bitpack32_groups(out->data + out->size, narrow, MINI_VALUES / 8, width);
  out->size += (size_t)MINI_VALUES / 8 * width;
  return FRZ_OK;
}

/* `values` are preceded by the value that the first difference is from. */
static frz_status put_block(const uint8_t *values, size_t n, size_t width, frz_buf *out,
                            frz_error *err)
{
  int64_t deltas[BLOCK_VALUES];
  int64_t least =
      width == 4 ? take_deltas_32(values, n, deltas) : take_deltas_64(values, n, deltas);
  FRZ_TRY(frz_buf_reserve(out, BLOCK_BYTES_MAX, err));
  out->size += put_varint(out->data + out->size, frz_zigzag_encode(least));
  size_t widths_at = out->size;
  memset(out->data + widths_at, 0, MINIS);
  out->size += MINIS;
  for (size_t mini = 0; mini * MINI_VALUES < n; mini++) {
    uint64_t above[MINI_VALUES] = {0};
    size_t first = mini * MINI_VALUES;
    size_t n_here = n - first < MINI_VALUES ? n - first : MINI_VALUES;
    uint64_t any = 0;
    for (size_t i = 0; i < n_here; i++) {
      above[i] = (uint64_t)deltas[first + i] - (uint64_t)least;
      any |= above[i];
    }
    unsigned bits = frz_bit_width(any);
    assert(bits <= width * 8);
    out->data[widths_at + mini] = (uint8_t)bits;
    FRZ_TRY(put_mini(above, bits, out, err));
  }
  return FRZ_OK;
}

frz_status frz_delta_encode(const uint8_t *values, size_t n, size_t width, frz_buf *out,
                            frz_error *err)
{
  assert(width == 4 || width == 8);
  int64_t first = 0;
  if (n != 0)
    first = width == 4 ? (int32_t)frz_load_u32le(values) : (int64_t)frz_load_u64le(values);
  FRZ_TRY(frz_buf_reserve(out, (size_t)4 * VARINT_BYTES_MAX, err));
  out->size += put_varint(out->data + out->size, BLOCK_VALUES);
  out->size += put_varint(out->data + out->size, MINIS);
  out->size += put_varint(out->data + out->size, n);
  out->size += put_varint(out->data + out->size, frz_zigzag_encode(first));
  for (size_t i = 1; i < n; i += BLOCK_VALUES)
    FRZ_TRY(put_block(values + i * width, n - i < BLOCK_VALUES ? n - i : BLOCK_VALUES, width, out,
                      err));
  return FRZ_OK;
}

/* ---- byte strings ---- */

frz_status frz_delta_length_encode(const uint8_t *plain, size_t n, frz_buf *lengths, frz_buf *out,
                                   frz_error *err)
{
  lengths->size = 0;
  FRZ_TRY(frz_buf_resize(lengths, n * sizeof(uint32_t), err));
  size_t at = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t length = frz_load_u32le(plain + at);
    frz_store_u32le(lengths->data + i * sizeof(uint32_t), length);
    at += 4 + (size_t)length;
  }
  FRZ_TRY(frz_delta_encode(lengths->data, n, sizeof(uint32_t), out, err));
  size_t plain_size = at;
  FRZ_TRY(frz_buf_reserve(out, plain_size - 4 * n + WIDE, err));
  uint8_t *to = out->data + out->size;
  out->size += plain_size - 4 * n;
  at = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t length = frz_load_u32le(plain + at);
    /* One move for a short string: the one behind takes back what it did not need. */
    if (length <= WIDE && plain_size - at >= 4 + WIDE)
      memcpy(to, plain + at + 4, WIDE);
    else
      memcpy(to, plain + at + 4, length);
    to += length;
    at += 4 + (size_t)length;
  }
  return FRZ_OK;
}

static frz_str next_string(const uint8_t **at, size_t width)
{
  frz_str string = {(const char *)*at, width};
  if (width == 0) string = (frz_str){(const char *)*at + 4, frz_load_u32le(*at)};
  *at = (const uint8_t *)string.data + string.size;
  return string;
}

static size_t shared_prefix(frz_str a, frz_str b)
{
  size_t most = a.size < b.size ? a.size : b.size;
  size_t n = 0;
  for (; most - n >= 8; n += 8) {
    uint64_t differ =
        frz_load_u64le((const uint8_t *)a.data + n) ^ frz_load_u64le((const uint8_t *)b.data + n);
    if (differ != 0) return n + (size_t)__builtin_ctzll(differ) / 8;
  }
  while (n < most && a.data[n] == b.data[n]) n++;
  return n;
}

frz_status frz_delta_bytes_encode(const uint8_t *plain, size_t n, size_t width, frz_buf *lengths,
                                  frz_buf *out, frz_error *err)
{
  lengths->size = 0;
  FRZ_TRY(frz_buf_resize(lengths, 2 * n * sizeof(uint32_t), err));
  uint8_t *prefixes = lengths->data;
  uint8_t *suffixes = lengths->data + n * sizeof(uint32_t);
  frz_str before = {NULL, 0};
  const uint8_t *at = plain;
  size_t total = 0;
  for (size_t i = 0; i < n; i++) {
    frz_str string = next_string(&at, width);
    size_t prefix = shared_prefix(before, string);
    frz_store_u32le(prefixes + 4 * i, (uint32_t)prefix);
    frz_store_u32le(suffixes + 4 * i, (uint32_t)(string.size - prefix));
    total += string.size - prefix;
    before = string;
  }
  FRZ_TRY(frz_delta_encode(prefixes, n, sizeof(uint32_t), out, err));
  FRZ_TRY(frz_delta_encode(suffixes, n, sizeof(uint32_t), out, err));
  uint8_t *to;
  FRZ_TRY(frz_buf_extend(out, total, &to, err));
  at = plain;
  for (size_t i = 0; i < n; i++) {
    frz_str string = next_string(&at, width);
    size_t suffix = frz_load_u32le(suffixes + 4 * i);
    if (suffix != 0) memcpy(to, string.data + string.size - suffix, suffix);
    to += suffix;
  }
  return FRZ_OK;
}
