/*
 * literal_hash.h - a filter's value as the bloom filter of a Parquet column knows it.
 */
#ifndef FRZ_ICEBERG_LITERAL_HASH_H
#define FRZ_ICEBERG_LITERAL_HASH_H

#include "iceberg/schema/literal.h"
#include "parquet/format/parquet_metadata.h"

/** Forms of one value: a zero may be stored with either sign. */
enum { FRZ_LITERAL_HASHES_MAX = 2 };

/** Hashes of everything that a leaf's column holds where the table's column has this value. 0: it
 * cannot be told, so no bloom filter proves anything. */
size_t frz_literal_hash(const frz_parquet_node *node, const frz_literal *literal,
                        uint64_t hashes_out[FRZ_LITERAL_HASHES_MAX]);

#endif
