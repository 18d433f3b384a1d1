/*
 * decimal_text.c - doubles to shortest decimal text and back.
 *
 * strtod() and printf() follow the locale's decimal point, which the host process owns. So a number
 * is parsed as whole digits with an exponent (no point in the text), and printed from digits of our
 * own.
 *
 * What must stay true: at most 780 digits are looked at, with a 1 behind them when any digit that
 * was cut is not zero; a double's exact value or midpoint never needs more than 767.
 */
#include "text/decimal_text.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/endian.h"
#include "frazil/text.h"
#include "text/double_digits.h"

enum { DIGITS_MAX = 780, EXPONENT_MAX = 100000 };

/* Digits are copied SPAN bytes at a time, whatever their number: sizes known to the compiler cost
 * no call. What lies behind them is written over or never looked at. */
enum { SPAN = 20, DIGITS_BYTES = 24 + SPAN };

typedef struct decimal {
  bool is_negative;
  bool was_cut; /* a digit other than zero is missing from the end */
  char digits[DIGITS_MAX + 24];
  size_t n_digits;
  long exponent; /* of the last digit kept */
} decimal;

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static void add_digit(decimal *number, char digit, bool is_fraction)
{
  if (number->n_digits == 0 && digit == '0') { /* leading zeros carry nothing */
    number->exponent -= is_fraction;
    return;
  }
  if (number->n_digits < DIGITS_MAX) {
    number->digits[number->n_digits++] = digit;
    number->exponent -= is_fraction;
    return;
  }
  number->was_cut |= digit != '0';
  number->exponent += !is_fraction;
}

static long exponent_of(frz_str text, size_t pos)
{
  bool is_negative = text.data[pos] == '-';
  if (is_negative || text.data[pos] == '+') pos++;
  long value = 0;
  for (; pos < text.size; pos++)
    if (value < EXPONENT_MAX) value = value * 10 + (text.data[pos] - '0');
  return is_negative ? -value : value;
}

static void split(frz_str text, decimal *number)
{
  size_t pos = 0;
  bool is_fraction = false;
  number->is_negative = text.size != 0 && text.data[0] == '-';
  if (number->is_negative) pos++;
  for (; pos < text.size; pos++) {
    char c = text.data[pos];
    if (c == '.') {
      is_fraction = true;
    } else if (is_digit(c)) {
      add_digit(number, c, is_fraction);
    } else {
      number->exponent += exponent_of(text, pos + 1);
      break;
    }
  }
}

/* Up to 15 digits and a power of ten that is exact: one rounding, hence correct. */
static bool exact_value(const decimal *number, double *value_out)
{
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (number->n_digits > 15 || number->exponent < -22 || number->exponent > 22) return false;
  int64_t whole = 0;
  for (size_t i = 0; i < number->n_digits; i++) whole = whole * 10 + (number->digits[i] - '0');
  *value_out = number->exponent < 0 ? (double)whole / powers[-number->exponent]
                                    : (double)whole * powers[number->exponent];
  return true;
}

double frz_decimal_parse(frz_str text)
{
  decimal number;
  number.is_negative = number.was_cut = false;
  number.n_digits = 0;
  number.exponent = 0;
  split(text, &number);
  double value;
  if (number.n_digits == 0) {
    value = 0;
  } else if (!exact_value(&number, &value)) {
    if (number.was_cut) {
      number.digits[number.n_digits++] = '1';
      number.exponent--;
    }
    snprintf(number.digits + number.n_digits, sizeof number.digits - number.n_digits, "e%ld",
             number.exponent);
    value = strtod(number.digits, NULL);
  }
  return number.is_negative ? -value : value;
}

/* The eight digits of a number below 10^8, the first in the lowest byte: halved thrice, each half
 * of a step beside the other. The factors divide by 100 and 10 what is below 10^4 and 100. */
static uint64_t eight_digits(uint32_t value)
{
  uint64_t fours = value / 10000 | (uint64_t)(value % 10000) << 32;
  uint64_t high = fours * 10486 >> 20 & 0x0000007f0000007f;
  uint64_t pairs = high | (fours - high * 100) << 16;
  high = pairs * 103 >> 10 & 0x000f000f000f000f;
  return high | (pairs - high * 10) << 8;
}

/* Digits of a positive value without zeros at the end, behind *first_out of `text`; gives the
 * exponent of the first. */
static int shortest_digits(double value, char text[DIGITS_BYTES], int *first_out, int *exponent_out)
{
  enum { EIGHT = 100000000 };
  static const uint64_t zeros = 0x3030303030303030;
  frz_decimal_digits found = frz_double_digits(value);
  uint64_t high = found.digits / EIGHT;
  const uint64_t a = eight_digits((uint32_t)(high / EIGHT));
  const uint64_t b = eight_digits((uint32_t)(high % EIGHT));
  const uint64_t c = eight_digits((uint32_t)(found.digits % EIGHT));
  frz_store_u64le((uint8_t *)text, a | zeros);
  frz_store_u64le((uint8_t *)text + 8, b | zeros);
  frz_store_u64le((uint8_t *)text + 16, c | zeros);
  assert((a | b | c) != 0);
  int first = a != 0   ? __builtin_ctzll(a) / 8
              : b != 0 ? 8 + __builtin_ctzll(b) / 8
                       : 16 + __builtin_ctzll(c) / 8;
  int end = c != 0   ? 24 - __builtin_clzll(c) / 8
            : b != 0 ? 16 - __builtin_clzll(b) / 8
                     : 8 - __builtin_clzll(a) / 8;
  *exponent_out = found.exponent + 23 - first;
  *first_out = first;
  return end - first;
}

static size_t put(char *out, size_t at, const char *bytes, size_t n)
{
  memcpy(out + at, bytes, n);
  return at + n;
}

/* Up to SPAN digits, behind which as many bytes may be read and written. */
static size_t put_digits(char *out, size_t at, const char *digits, int n)
{
  memcpy(out + at, digits, SPAN);
  return at + (size_t)n;
}

static size_t put_zeros(char *out, size_t at, int n)
{
  for (int i = 0; i < n; i++) out[at++] = '0';
  return at;
}

static size_t layout(const char *digits, int n, int exponent, size_t at,
                     char out[FRZ_DOUBLE_TEXT_BYTES])
{
  if (exponent < -4 || exponent > 15) {
    out[at++] = digits[0];
    if (n > 1) {
      out[at++] = '.';
      at = put_digits(out, at, digits + 1, n - 1);
    }
    return at + (size_t)snprintf(out + at, FRZ_DOUBLE_TEXT_BYTES - at, "e%d", exponent);
  }
  if (exponent < 0) {
    at = put(out, at, "0.", 2);
    at = put_zeros(out, at, -exponent - 1);
    return put_digits(out, at, digits, n);
  }
  int whole = exponent + 1;
  if (n <= whole) {
    at = put_digits(out, at, digits, n);
    at = put_zeros(out, at, whole - n);
    return put(out, at, ".0", 2);
  }
  at = put_digits(out, at, digits, whole);
  out[at++] = '.';
  if (at + SPAN <= FRZ_DOUBLE_TEXT_BYTES) return put_digits(out, at, digits + whole, n - whole);
  return put(out, at, digits + whole, (size_t)(n - whole));
}

size_t frz_double_print(double value, char text_out[FRZ_DOUBLE_TEXT_BYTES])
{
  size_t at = 0;
  if (isnan(value)) {
    at = put(text_out, 0, "nan", 3);
  } else {
    if (signbit(value)) text_out[at++] = '-';
    if (isinf(value)) {
      at = put(text_out, at, "inf", 3);
    } else if (value == 0) {
      at = put(text_out, at, "0.0", 3);
    } else {
      char digits[DIGITS_BYTES] = {0};
      int first, exponent;
      int n = shortest_digits(fabs(value), digits, &first, &exponent);
      at = layout(digits + first, n, exponent, at, text_out);
    }
  }
  assert(at < FRZ_DOUBLE_TEXT_BYTES);
  text_out[at] = '\0';
  return at;
}
