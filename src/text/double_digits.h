/*
 * double_digits.h - the shortest decimal digits of a double.
 */
#ifndef FRZ_TEXT_DOUBLE_DIGITS_H
#define FRZ_TEXT_DOUBLE_DIGITS_H

#include <stdint.h>

/** digits x 10^exponent. */
typedef struct frz_decimal_digits {
  uint64_t digits; /**< At most 17 digits; 0 at the end are possible. */
  int32_t exponent;
} frz_decimal_digits;

/**
 * The decimal with the fewest digits that reads back as `value`; of several the nearest to it.
 * `value` is finite and positive.
 */
frz_decimal_digits frz_double_digits(double value);

#endif
