/*
 * checksum.c - CRC-32 (by zlib where crc32_clmul.h does not do it) and murmur3 x86 32.
 *
 * Values are stored in files, so they are the same on every machine. Inputs may start at any
 * address.
 *
 * Sources: RFC 1952, section 8 (CRC-32); MurmurHash3 (public domain), MurmurHash3_x86_32; Iceberg
 * specification, appendix B.
 */
#include "codec/checksum.h"

#include <zlib.h>

#include "base/endian.h"
#include "codec/crc32_clmul.h"

uint32_t frz_crc32(uint32_t crc, const void *data, size_t size)
{
  const uint8_t *at = data;
  size_t blocks = size & ~(size_t)15;
  if (blocks >= FRZ_CRC32_CLMUL_BYTES_MIN && frz_crc32_clmul(&crc, at, blocks)) {
    at += blocks;
    size -= blocks;
  }
  if (size == 0) return crc; /* zlib takes an address of NULL for a reset */
  return (uint32_t)crc32_z(crc, at, size);
}

static inline uint32_t rotate32(uint32_t value, unsigned bits)
{
  return value << bits | value >> (32 - bits);
}

static inline uint32_t murmur_scramble(uint32_t block)
{
  return rotate32(block * UINT32_C(0xcc9e2d51), 15) * UINT32_C(0x1b873593);
}

uint32_t frz_murmur3_32(const void *data, size_t size, uint32_t seed)
{
  const uint8_t *at = data;
  size_t left = size;
  uint32_t hash = seed;
  for (; left >= 4; left -= 4, at += 4)
    hash = rotate32(hash ^ murmur_scramble(frz_load_u32le(at)), 13) * 5 + UINT32_C(0xe6546b64);
  uint32_t tail = 0;
  for (size_t i = 0; i < left; i++) tail |= (uint32_t)at[i] << (8 * i);
  hash ^= murmur_scramble(tail); /* of no bytes: 0 */
  hash ^= (uint32_t)size;
  hash = (hash ^ hash >> 16) * UINT32_C(0x85ebca6b);
  hash = (hash ^ hash >> 13) * UINT32_C(0xc2b2ae35);
  return hash ^ hash >> 16;
}
