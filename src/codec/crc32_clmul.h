/*
 * crc32_clmul.h - CRC-32 by carry-less multiplication. checksum.h chooses it where it pays.
 */
#ifndef FRZ_CODEC_CRC32_CLMUL_H
#define FRZ_CODEC_CRC32_CLMUL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRZ_CRC32_CLMUL_BYTES_MIN = 64 };

/** The CRC of the first `size` bytes into *crc_inout; `size` is a multiple of 16 and at least
 * FRZ_CRC32_CLMUL_BYTES_MIN. False, with nothing done, where the processor cannot. */
bool frz_crc32_clmul(uint32_t *crc_inout, const void *data, size_t size);

#endif
