/*
 * bloom_block.h - one block of a split-block bloom filter: 256 bits, as eight words of 32.
 *
 * A filter is a row of blocks. The upper half of a value's XXH64 (seed 0) chooses the block, the
 * lower half one bit in each of its words. In a file the words are little-endian; in memory they
 * are the machine's.
 *
 * Source: apache/parquet-format, BloomFilter.md, "Technical Approach".
 */
#ifndef FRZ_PARQUET_BLOOM_BLOCK_H
#define FRZ_PARQUET_BLOOM_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum { FRZ_BLOOM_BLOCK_WORDS = 8, FRZ_BLOOM_BLOCK_BYTES = 32 };

/** The block of a hash among `n_blocks` > 0. */
static inline uint32_t frz_bloom_block_of(uint64_t hash, uint32_t n_blocks)
{
  return (uint32_t)((hash >> 32) * n_blocks >> 32);
}

/** The bit of a hash in word `word` of its block. */
static inline uint32_t frz_bloom_block_bit(uint64_t hash, int word)
{
  static const uint32_t salts[FRZ_BLOOM_BLOCK_WORDS] = {
      UINT32_C(0x47b6137b), UINT32_C(0x44974d91), UINT32_C(0x8824ad5b), UINT32_C(0xa2b7289d),
      UINT32_C(0x705495c7), UINT32_C(0x2df1424b), UINT32_C(0x9efc4947), UINT32_C(0x5c6bfb31)};
  return UINT32_C(1) << ((uint32_t)hash * salts[word] >> 27);
}

static inline void frz_bloom_block_insert(uint32_t block[FRZ_BLOOM_BLOCK_WORDS], uint64_t hash)
{
  for (int i = 0; i < FRZ_BLOOM_BLOCK_WORDS; i++) block[i] |= frz_bloom_block_bit(hash, i);
}

/** False: the hash was never inserted. */
static inline bool frz_bloom_block_check(const uint32_t block[FRZ_BLOOM_BLOCK_WORDS], uint64_t hash)
{
  uint32_t missing = 0;
  for (int i = 0; i < FRZ_BLOOM_BLOCK_WORDS; i++)
    missing |= frz_bloom_block_bit(hash, i) & ~block[i];
  return missing == 0;
}

#endif
