/*
 * limits.h - every bound on what a file, a server or a caller may make frazil do.
 *
 * A size that comes from outside is compared with one of these, or with the bytes that are
 * left of its input, before it is used.
 */
#ifndef FRZ_BASE_LIMITS_H
#define FRZ_BASE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/** Table metadata JSON, after decompression. */
#define FRZ_LIMIT_METADATA_BYTES ((size_t)512 << 20)
/** A manifest or manifest list file. */
#define FRZ_LIMIT_MANIFEST_BYTES ((size_t)1 << 30)
/** Nesting of JSON, Avro, Thrift and schemas. */
#define FRZ_LIMIT_DEPTH 64
/** Fields of one schema, nested ones counted. */
#define FRZ_LIMIT_SCHEMA_FIELDS 100000
/** A Parquet footer. */
#define FRZ_LIMIT_PARQUET_FOOTER_BYTES ((size_t)256 << 20)
/** One Parquet page or Avro block, compressed and decompressed. */
#define FRZ_LIMIT_PAGE_BYTES ((size_t)512 << 20)
/** A Puffin footer, compressed and decompressed. */
#define FRZ_LIMIT_PUFFIN_FOOTER_BYTES ((size_t)64 << 20)
/** A Puffin blob as it is stored. */
#define FRZ_LIMIT_PUFFIN_BLOB_BYTES ((size_t)1 << 30)
/** The page indexes that a filter reads of one file; row groups beyond are read whole. */
#define FRZ_LIMIT_PAGE_INDEX_BYTES ((size_t)32 << 20)
/** A bloom filter's bitset. */
#define FRZ_LIMIT_BLOOM_BYTES ((size_t)128 << 20)
/** The header of an Avro file: its schema and metadata. */
#define FRZ_LIMIT_AVRO_HEADER_BYTES ((size_t)64 << 20)
/** What nulls and symbols of one batch may take beyond the bytes that they come from. */
#define FRZ_LIMIT_PADDING_BYTES ((size_t)64 << 20)
/** Elements of a fixed or decimal byte array type. */
#define FRZ_LIMIT_FIXED_BYTES ((int32_t)1 << 24)
/** Rows of one batch that leaves frazil. */
#define FRZ_LIMIT_BATCH_ROWS ((int64_t)1 << 24)
/** Bytes of one string or binary column in one batch: offsets are 32 bits wide. */
#define FRZ_LIMIT_COLUMN_BYTES ((size_t)INT32_MAX)
/** A filter expression's text. */
#define FRZ_LIMIT_FILTER_BYTES ((size_t)1 << 20)
/** Rows of delete files that apply to one data file or key map. */
#define FRZ_LIMIT_DELETE_ROWS ((int64_t)1 << 31)

#endif
