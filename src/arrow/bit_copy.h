/*
 * bit_copy.h - move and count runs of bits: validity and boolean values.
 *
 * Bits count from the least significant of each byte. Destinations are zeroed before, and bits
 * past the last one written stay zero: columns rely on that.
 */
#ifndef FRZ_ARROW_BIT_COPY_H
#define FRZ_ARROW_BIT_COPY_H

#include <stdint.h>

/** Set bits [at, at + n). */
void frz_bits_fill(uint8_t *dest, int64_t at, int64_t n);

/** Copy bits [src_at, src_at + n) of `src` to [at, at + n) of `dest`, where they were zero. */
void frz_bits_copy(uint8_t *dest, int64_t at, const uint8_t *src, int64_t src_at, int64_t n);

/** Set bits of [at, at + n). */
int64_t frz_bits_count(const uint8_t *bits, int64_t at, int64_t n);

#endif
