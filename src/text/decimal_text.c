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

#include "frazil/text.h"
#include "text/double_digits.h"

enum { DIGITS_MAX = 780, EXPONENT_MAX = 100000 };

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

/* Digits of a positive value without zeros at the end; gives the exponent of the first. */
static int shortest_digits(double value, char digits_out[20], int *exponent_out)
{
  frz_decimal_digits found = frz_double_digits(value);
  char text[20];
  int at = sizeof text;
  for (uint64_t rest = found.digits; rest != 0; rest /= 10) text[--at] = (char)('0' + rest % 10);
  int n = (int)sizeof text - at;
  *exponent_out = found.exponent + n - 1;
  while (n > 1 && text[at + n - 1] == '0') n--;
  memcpy(digits_out, text + at, (size_t)n);
  return n;
}

static size_t put(char *out, size_t at, const char *bytes, size_t n)
{
  memcpy(out + at, bytes, n);
  return at + n;
}

static size_t put_zeros(char *out, size_t at, int n)
{
  for (int i = 0; i < n; i++) out[at++] = '0';
  return at;
}

static size_t layout(const char *digits, int n, int exponent, size_t at, char *out)
{
  if (exponent < -4 || exponent > 15) {
    out[at++] = digits[0];
    if (n > 1) {
      out[at++] = '.';
      at = put(out, at, digits + 1, (size_t)(n - 1));
    }
    return at + (size_t)snprintf(out + at, 32 - at, "e%d", exponent);
  }
  if (exponent < 0) {
    at = put(out, at, "0.", 2);
    at = put_zeros(out, at, -exponent - 1);
    return put(out, at, digits, (size_t)n);
  }
  int whole = exponent + 1;
  if (n <= whole) {
    at = put(out, at, digits, (size_t)n);
    at = put_zeros(out, at, whole - n);
    return put(out, at, ".0", 2);
  }
  at = put(out, at, digits, (size_t)whole);
  out[at++] = '.';
  return put(out, at, digits + whole, (size_t)(n - whole));
}

size_t frz_double_print(double value, char text_out[32])
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
      char digits[20];
      int exponent;
      int n = shortest_digits(fabs(value), digits, &exponent);
      at = layout(digits, n, exponent, at, text_out);
    }
  }
  assert(at < 32);
  text_out[at] = '\0';
  return at;
}
