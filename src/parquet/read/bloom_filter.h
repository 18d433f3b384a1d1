/*
 * bloom_filter.h - is a value surely not in a column chunk?
 *
 * Only the headers of filters and the blocks that a hash falls into are read, so that looking for
 * a few keys does not fetch filters of megabytes. Blocks and hashes: bloom_block.h.
 */
#ifndef FRZ_PARQUET_BLOOM_FILTER_H
#define FRZ_PARQUET_BLOOM_FILTER_H

#include "parquet/read/page_index.h"

/** Where a filter's blocks lie in the file. */
typedef struct frz_bloom_filter {
  int64_t offset;
  uint32_t n_blocks; /* 0: no filter of a kind that is understood */
} frz_bloom_filter;

/** A question for one chunk's filter. */
typedef struct frz_bloom_probe {
  frz_chunk_id chunk;
  uint64_t hash;
  bool may_contain; /* the answer: true when in doubt */
} frz_bloom_probe;

/** Does a chunk have a filter, and its type a form that is hashed? */
bool frz_bloom_filter_exists(const frz_parquet_metadata *metadata, frz_chunk_id chunk);

/** The hash of a value in PLAIN form, without the length of a byte array. */
uint64_t frz_bloom_filter_hash(frz_str plain);

/** Parse the header that starts with `size` bytes of `data`, at `offset` in a file. A filter that
 * is malformed, or of another algorithm, hash or compression, has no blocks. */
frz_bloom_filter frz_bloom_filter_parse(const void *data, size_t size, int64_t offset,
                                        int32_t filter_bytes, int64_t file_bytes);

/** Answer probes, which stand ordered by chunk: one request for headers, one for blocks. */
frz_status frz_bloom_filter_probe(frz_parquet_file *file, frz_bloom_probe *probes, size_t n_probes,
                                  frz_error *err) FRZ_MUST_CHECK;

#endif
