/*
 * bitpack_kernels.h - the two ways to unpack bits: portable, and with AVX2. bitpack.h chooses.
 */
#ifndef FRZ_CODEC_BITPACK_KERNELS_H
#define FRZ_CODEC_BITPACK_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Unpack `n` values; false, with nothing done, where the processor cannot. `width` is 1 to 31 and
 * the input is known to hold the values. Reads nothing outside [src, src + src_size). */
bool frz_bitunpack32_avx2(const uint8_t *src, size_t src_size, unsigned width, uint32_t *values_out,
                          size_t n);

/** The same for `width` 1 to 63, of which those above 57 are refused. */
bool frz_bitunpack64_avx2(const uint8_t *src, size_t src_size, unsigned width, uint64_t *values_out,
                          size_t n);

/** Any machine. `width` is 1 to 31, or 63, and the input is known to hold the values. */
void frz_bitunpack32_portable(const uint8_t *src, size_t src_size, unsigned width,
                              uint32_t *values_out, size_t n);
void frz_bitunpack64_portable(const uint8_t *src, size_t src_size, unsigned width,
                              uint64_t *values_out, size_t n);

#endif
