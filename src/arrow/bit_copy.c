/*
 * bit_copy.c - move and count runs of bits.
 *
 * Single bits up to a byte border of the destination, whole bytes from there, single bits at the
 * end: no byte outside the two runs is read or written.
 */
#include "arrow/bit_copy.h"

#include <stdbool.h>
#include <string.h>

static bool bit_at(const uint8_t *bits, int64_t i)
{
  return (bits[i >> 3] >> (i & 7) & 1) != 0;
}

static void set_bit(uint8_t *bits, int64_t i)
{
  bits[i >> 3] = (uint8_t)(bits[i >> 3] | 1u << (i & 7));
}

void frz_bits_fill(uint8_t *dest, int64_t at, int64_t n)
{
  int64_t end = at + n;
  for (; at < end && (at & 7) != 0; at++) set_bit(dest, at);
  int64_t whole = (end - at) / 8;
  if (whole > 0) memset(dest + at / 8, 0xff, (size_t)whole);
  for (at += whole > 0 ? whole * 8 : 0; at < end; at++) set_bit(dest, at);
}

void frz_bits_copy(uint8_t *dest, int64_t at, const uint8_t *src, int64_t src_at, int64_t n)
{
  int64_t end = at + n;
  for (; at < end && (at & 7) != 0; at++, src_at++)
    if (bit_at(src, src_at)) set_bit(dest, at);
  int64_t whole = (end - at) / 8;
  unsigned shift = (unsigned)(src_at & 7);
  uint8_t *to = dest + at / 8;
  const uint8_t *from = src + src_at / 8;
  if (whole > 0 && shift == 0) {
    memcpy(to, from, (size_t)whole);
  } else {
    for (int64_t i = 0; i < whole; i++)
      to[i] = (uint8_t)((unsigned)from[i] >> shift | (unsigned)from[i + 1] << (8 - shift));
  }
  at += whole * 8;
  src_at += whole * 8;
  for (; at < end; at++, src_at++)
    if (bit_at(src, src_at)) set_bit(dest, at);
}

int64_t frz_bits_count(const uint8_t *bits, int64_t at, int64_t n)
{
  int64_t end = at + n;
  int64_t count = 0;
  for (; at < end && (at & 7) != 0; at++) count += bit_at(bits, at);
  for (; end - at >= 64; at += 64) {
    uint64_t word;
    memcpy(&word, bits + at / 8, sizeof word);
    count += __builtin_popcountll(word);
  }
  for (; at < end; at++) count += bit_at(bits, at);
  return count;
}
