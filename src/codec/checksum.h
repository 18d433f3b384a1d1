/*
 * checksum.h - CRC-32 and the two hashes that files depend on.
 */
#ifndef FRZ_CODEC_CHECKSUM_H
#define FRZ_CODEC_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/** CRC-32 of gzip, Parquet pages and deletion vectors; start with 0, chain by passing the result.
 */
uint32_t frz_crc32(uint32_t crc, const void *data, size_t size);

/** XXH64: Parquet bloom filters (seed 0). */
uint64_t frz_xxh64(const void *data, size_t size, uint64_t seed);

/** murmur3 x86 32-bit: Iceberg's bucket transform (seed 0). */
uint32_t frz_murmur3_32(const void *data, size_t size, uint32_t seed);

#endif
