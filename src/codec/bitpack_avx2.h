/*
 * bitpack_avx2.h - bit unpacking with AVX2 where the processor has it; bitpack.c does the rest.
 */
#ifndef FRZ_CODEC_BITPACK_AVX2_H
#define FRZ_CODEC_BITPACK_AVX2_H

#include <stddef.h>
#include <stdint.h>

/** Unpack some leading values: a multiple of 8, at most `n`, 0 without AVX2. `width` is 1 to 31 and
 * the input is known to hold `n` values. Reads nothing outside [src, src + src_size). */
size_t frz_bitunpack32_avx2(const uint8_t *src, size_t src_size, unsigned width,
                            uint32_t *values_out, size_t n);

/** The same for `width` 1 to 63. */
size_t frz_bitunpack64_avx2(const uint8_t *src, size_t src_size, unsigned width,
                            uint64_t *values_out, size_t n);

#endif
