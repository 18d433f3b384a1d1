/*
 * bloom_write.h - a chunk's split-block bloom filter while the chunk is written.
 *
 * Source: apache/parquet-format, BloomFilter.md.
 */
#ifndef FRZ_PARQUET_BLOOM_WRITE_H
#define FRZ_PARQUET_BLOOM_WRITE_H

#include "parquet/write/parquet_writer.h"
#include "parquet/write/schema_write.h"

typedef struct frz_bloom {
  double fpp;
  size_t start_bytes; /* a power of two; 0: the column has no filter */
  frz_buf bytes;      /* the blocks; empty until the first value */
} frz_bloom;

/** A filter for a leaf that the options name and whose type is hashed: all but booleans. */
void frz_bloom_init(frz_bloom *bloom, const frz_leaf_plan *plan,
                    const frz_parquet_write_options *options, const frz_alloc *alloc);
void frz_bloom_dispose(frz_bloom *bloom);

static inline bool frz_bloom_is_on(const frz_bloom *bloom)
{
  return bloom->start_bytes != 0;
}

/** Take in `n` values in PLAIN form. */
frz_status frz_bloom_add_plain(frz_bloom *bloom, const frz_leaf_plan *plan, const uint8_t *plain,
                               size_t n, frz_error *err) FRZ_MUST_CHECK;

/** The chunk is complete: make the filter as small as its rate of false positives allows. */
void frz_bloom_shrink(frz_bloom *bloom);

/** Append header and blocks as they lie in the file; nothing where the chunk has no value. */
frz_status frz_bloom_append(const frz_bloom *bloom, frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

/** Forget the values. */
void frz_bloom_clear(frz_bloom *bloom);

#endif
