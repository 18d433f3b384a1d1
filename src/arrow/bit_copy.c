/*
 * bit_copy.c - move and count runs of bits.
 *
 * Part of a byte up to a byte border of the destination, whole bytes from there, part of a byte at
 * the end: no byte outside the two runs is read or written. Runs are often shorter than a byte
 * (levels of columns with scattered nulls), so parts are masks, not loops over bits.
 */
#include "arrow/bit_copy.h"

#include <string.h>

/* The lowest `n` bits, n <= 8. */
static unsigned low_bits(int64_t n)
{
  return (1u << n) - 1;
}

void frz_bits_fill(uint8_t *dest, int64_t at, int64_t n)
{
  if (n <= 0) return;
  uint8_t *to = dest + at / 8;
  unsigned skip = (unsigned)(at & 7);
  if (n <= 8 - (int64_t)skip) {
    *to = (uint8_t)(*to | low_bits(n) << skip);
    return;
  }
  *to = (uint8_t)(*to | 0xffu << skip);
  n -= 8 - (int64_t)skip;
  to++;
  memset(to, 0xff, (size_t)(n / 8));
  if ((n & 7) != 0) to[n / 8] = (uint8_t)(to[n / 8] | low_bits(n & 7));
}

/* `n` bits (at most 8) from bit `at`. */
static unsigned take_bits(const uint8_t *bits, int64_t at, int64_t n)
{
  const uint8_t *from = bits + at / 8;
  unsigned shift = (unsigned)(at & 7);
  unsigned value = (unsigned)*from >> shift;
  if (shift + n > 8) value |= (unsigned)from[1] << (8 - shift);
  return value & low_bits(n);
}

void frz_bits_copy(uint8_t *dest, int64_t at, const uint8_t *src, int64_t src_at, int64_t n)
{
  if (n <= 0) return;
  uint8_t *to = dest + at / 8;
  unsigned skip = (unsigned)(at & 7);
  if (skip != 0) {
    int64_t first = n < 8 - (int64_t)skip ? n : 8 - (int64_t)skip;
    *to = (uint8_t)(*to | take_bits(src, src_at, first) << skip);
    to++;
    src_at += first;
    n -= first;
  }
  int64_t whole = n / 8;
  const uint8_t *from = src + src_at / 8;
  unsigned shift = (unsigned)(src_at & 7);
  if (shift == 0) {
    if (whole > 0) memcpy(to, from, (size_t)whole);
  } else {
    for (int64_t i = 0; i < whole; i++)
      to[i] = (uint8_t)((unsigned)from[i] >> shift | (unsigned)from[i + 1] << (8 - shift));
  }
  n -= whole * 8;
  if (n > 0) to[whole] = (uint8_t)(to[whole] | take_bits(src, src_at + whole * 8, n));
}

/* Bits of `n` whole words. */
static inline __attribute__((always_inline)) int64_t count_words(const uint8_t *from, size_t n)
{
  int64_t count = 0;
  for (size_t i = 0; i < n; i++) {
    uint64_t word;
    memcpy(&word, from + i * sizeof word, sizeof word);
    count += __builtin_popcountll(word);
  }
  return count;
}

#if defined(__x86_64__)

__attribute__((target("popcnt"))) static int64_t count_fast(const uint8_t *from, size_t n)
{
  return count_words(from, n);
}

static int64_t count_any(const uint8_t *from, size_t n)
{
  return __builtin_cpu_supports("popcnt") ? count_fast(from, n) : count_words(from, n);
}

#else

static int64_t count_any(const uint8_t *from, size_t n)
{
  return count_words(from, n);
}

#endif

int64_t frz_bits_count(const uint8_t *bits, int64_t at, int64_t n)
{
  int64_t count = 0;
  if ((at & 7) != 0 && n > 0) {
    int64_t first = n < 8 - (at & 7) ? n : 8 - (at & 7);
    count += __builtin_popcount(take_bits(bits, at, first));
    at += first;
    n -= first;
  }
  if (n >= 64) {
    int64_t whole = n & ~(int64_t)63;
    count += count_any(bits + at / 8, (size_t)whole / 64);
    at += whole;
    n -= whole;
  }
  for (; n > 0; at += 8, n -= 8) count += __builtin_popcount(take_bits(bits, at, n < 8 ? n : 8));
  return count;
}
