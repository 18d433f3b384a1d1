/*
 * double_digits.c - the shortest decimal digits of a double, without big numbers.
 *
 * A double c x 2^q stands for every number between the midpoints to its neighbours. Scaled by a
 * power of ten such that this interval is between 2 and 20 units wide, it holds at most one
 * multiple of ten, which has a digit fewer, or else one or more units, of which the nearest is
 * taken. The scaled ends are kept in quarters of a unit and rounded to odd: a bit that was cut off
 * stays visible in the last place, which makes every comparison below exact.
 *
 * Source: R. Giulietti, "The Schubfach way to render doubles", 2020.
 */
#include "text/double_digits.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum { POWER_LEAST = -292, POWER_GREATEST = 324, FRACTION_BITS = 52, EXPONENT_BIAS = 1075 };

/* 10^k as a 128-bit number whose top bit is set, rounded up. */
static const struct power {
  uint64_t high;
  uint64_t low;
} powers[] = {
#include "powers_of_ten.inc"
};
static_assert(sizeof powers / sizeof powers[0] == POWER_GREATEST - POWER_LEAST + 1,
              "one for each exponent");

/* Each is exact for the exponents of doubles. */
static int32_t floor_log2_of_power(int32_t k)
{
  return (k * 1741647) >> 19;
}

static int32_t floor_log10_of_exponent(int32_t q)
{
  return (q * 1262611) >> 22;
}

static int32_t floor_log10_of_three_quarters(int32_t q)
{
  return (q * 1262611 - 524031) >> 22;
}

__extension__ typedef unsigned __int128 wide;

/* The upper 64 bits of the 192-bit product, the last of which tells of all below it. */
static uint64_t round_to_odd(struct power power, uint64_t factor)
{
  wide low = (wide)power.low * factor;
  wide high = (wide)power.high * factor + (uint64_t)(low >> 64);
  return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static frz_decimal_digits shortest(uint64_t c, int32_t q, bool is_power_of_two)
{
  bool is_even = (c & 1) == 0; /* then the ends of the interval read back as the value, too */
  int32_t k = is_power_of_two ? floor_log10_of_three_quarters(q) : floor_log10_of_exponent(q);
  int32_t shift = q + floor_log2_of_power(-k) + 1;
  assert(shift >= 1 && shift <= 4 && -k >= POWER_LEAST && -k <= POWER_GREATEST);
  struct power power = powers[-k - POWER_LEAST];
  uint64_t lower = round_to_odd(power, (4 * c - 2 + is_power_of_two) << shift) + !is_even;
  uint64_t middle = round_to_odd(power, (4 * c) << shift);
  uint64_t upper = round_to_odd(power, (4 * c + 2) << shift) - !is_even;
  uint64_t s = middle / 4;
  if (s >= 10) {
    uint64_t tens = s / 10;
    bool below = lower <= 40 * tens;
    bool above = 40 * tens + 40 <= upper;
    if (below != above) return (frz_decimal_digits){tens + above, k + 1};
  }
  bool below = lower <= 4 * s;
  bool above = 4 * s + 4 <= upper;
  if (below != above) return (frz_decimal_digits){s + above, k};
  bool round_up = middle > 4 * s + 2 || (middle == 4 * s + 2 && (s & 1) != 0);
  return (frz_decimal_digits){s + round_up, k};
}

frz_decimal_digits frz_double_digits(double value)
{
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint64_t fraction = bits & ((UINT64_C(1) << FRACTION_BITS) - 1);
  int32_t exponent = (int32_t)(bits >> FRACTION_BITS);
  assert(bits != 0 && exponent < 0x7ff);
  if (exponent == 0) return shortest(fraction, 1 - EXPONENT_BIAS, false);
  uint64_t c = fraction | UINT64_C(1) << FRACTION_BITS;
  int32_t q = exponent - EXPONENT_BIAS;
  bool is_whole = q <= 0 && q >= -FRACTION_BITS && (c & ((UINT64_C(1) << -q) - 1)) == 0;
  if (is_whole) return (frz_decimal_digits){c >> -q, 0};
  return shortest(c, q, fraction == 0 && exponent > 1);
}
