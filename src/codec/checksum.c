/*
 * checksum.c - CRC-32 (by libdeflate), XXH64 and murmur3 x86 32 by us.
 *
 * Values are stored in files, so they are the same on every machine. Inputs may start at any
 * address.
 *
 * Sources: RFC 1952, section 8 (CRC-32); xxHash specification, "XXH64 algorithm description";
 * MurmurHash3 (public domain), MurmurHash3_x86_32; Iceberg specification, appendix B.
 */
#include "codec/checksum.h"

#include <libdeflate.h>

#include "base/endian.h"

uint32_t frz_crc32(uint32_t crc, const void *data, size_t size)
{
  if (size == 0) return crc; /* an address of NULL means a reset there */
  return libdeflate_crc32(crc, data, size);
}

#define PRIME1 UINT64_C(0x9e3779b185ebca87)
#define PRIME2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define PRIME3 UINT64_C(0x165667b19e3779f9)
#define PRIME4 UINT64_C(0x85ebca77c2b2ae63)
#define PRIME5 UINT64_C(0x27d4eb2f165667c5)

static inline uint64_t rotate64(uint64_t value, unsigned bits)
{
  return value << bits | value >> (64 - bits);
}

static inline uint64_t xxh_round(uint64_t lane, uint64_t input)
{
  return rotate64(lane + input * PRIME2, 31) * PRIME1;
}

static inline uint64_t xxh_merge(uint64_t hash, uint64_t lane)
{
  return (hash ^ xxh_round(0, lane)) * PRIME1 + PRIME4;
}

/* The last 0 to 31 bytes and the final mix. */
static uint64_t xxh_finish(uint64_t hash, const uint8_t *at, size_t left)
{
  for (; left >= 8; left -= 8, at += 8)
    hash = rotate64(hash ^ xxh_round(0, frz_load_u64le(at)), 27) * PRIME1 + PRIME4;
  if (left >= 4) {
    hash = rotate64(hash ^ frz_load_u32le(at) * PRIME1, 23) * PRIME2 + PRIME3;
    at += 4;
    left -= 4;
  }
  for (; left != 0; left--, at++) hash = rotate64(hash ^ *at * PRIME5, 11) * PRIME1;
  hash = (hash ^ hash >> 33) * PRIME2;
  hash = (hash ^ hash >> 29) * PRIME3;
  return hash ^ hash >> 32;
}

uint64_t frz_xxh64(const void *data, size_t size, uint64_t seed)
{
  const uint8_t *at = data;
  size_t left = size;
  uint64_t hash = seed + PRIME5;
  if (left >= 32) {
    uint64_t lane1 = seed + PRIME1 + PRIME2;
    uint64_t lane2 = seed + PRIME2;
    uint64_t lane3 = seed;
    uint64_t lane4 = seed - PRIME1;
    for (; left >= 32; left -= 32, at += 32) {
      lane1 = xxh_round(lane1, frz_load_u64le(at));
      lane2 = xxh_round(lane2, frz_load_u64le(at + 8));
      lane3 = xxh_round(lane3, frz_load_u64le(at + 16));
      lane4 = xxh_round(lane4, frz_load_u64le(at + 24));
    }
    hash = rotate64(lane1, 1) + rotate64(lane2, 7) + rotate64(lane3, 12) + rotate64(lane4, 18);
    hash = xxh_merge(hash, lane1);
    hash = xxh_merge(hash, lane2);
    hash = xxh_merge(hash, lane3);
    hash = xxh_merge(hash, lane4);
  }
  return xxh_finish(hash + size, at, left);
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
