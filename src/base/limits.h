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

/* ---- all formats ---- */

/** Nesting of JSON, Avro, Thrift, filters and schemas. */
#define FRZ_LIMIT_DEPTH 64
/** Fields of one schema, nested ones counted. */
#define FRZ_LIMIT_SCHEMA_FIELDS 100000
/** Elements of a fixed or decimal byte array type. */
#define FRZ_LIMIT_FIXED_BYTES ((int32_t)1 << 24)
/** Brotli has no bound on what a byte can stand for: more plain bytes than this... */
#define FRZ_LIMIT_EXPANSION_BYTES ((size_t)64 << 20)
/** ... may be so many times the compressed ones. It is zstd's own bound. */
#define FRZ_LIMIT_EXPANSION ((size_t)1 << 15)

/* ---- table metadata and manifests ---- */

/** Table metadata JSON, after decompression. */
#define FRZ_LIMIT_METADATA_BYTES ((size_t)512 << 20)
/** A manifest or manifest list file. */
#define FRZ_LIMIT_MANIFEST_BYTES ((size_t)1 << 30)
/** What a compressed manifest holds: this, and so many times its bytes. Paths differ from entry to
 * entry, so that real ones stay below a ratio of 50; a record of 20 bytes takes 500 in memory. */
#define FRZ_LIMIT_MANIFEST_PLAIN_BYTES ((size_t)16 << 20)
#define FRZ_LIMIT_MANIFEST_RATIO 256
/** What an entry takes in memory, times its plain bytes, on average of a manifest. */
#define FRZ_LIMIT_MANIFEST_ENTRY_RATIO 32
/** Fields of a partition spec, and of a sort order written as text. */
#define FRZ_LIMIT_PARTITION_FIELDS 1000
/** What the live files of one manifest, or of one task of planning, take in memory. */
#define FRZ_LIMIT_PLAN_BYTES ((size_t)8 << 30)
/** A column's default value as text. */
#define FRZ_LIMIT_DEFAULT_BYTES ((size_t)1 << 20)
/** A location that a table's files are compared with. */
#define FRZ_LIMIT_LOCATION_BYTES ((size_t)64 << 10)
/** A filter expression's text, and that of partitionings and sort orders. */
#define FRZ_LIMIT_FILTER_BYTES ((size_t)1 << 20)

/* ---- online tables ---- */

/** Join keys of an entity key. */
#define FRZ_LIMIT_JOIN_KEYS 64
/** An entity key as a message, and each of its names and values. */
#define FRZ_LIMIT_ENTITY_KEY_BYTES ((size_t)16 << 20)

/* ---- Parquet ---- */

/** A Parquet footer. */
#define FRZ_LIMIT_PARQUET_FOOTER_BYTES ((size_t)256 << 20)
/** Row groups of a file whose work is shared out. */
#define FRZ_LIMIT_ROW_GROUPS ((size_t)1 << 24)
/** One Parquet page or Avro block, compressed and decompressed. */
#define FRZ_LIMIT_PAGE_BYTES ((size_t)512 << 20)
/** A page's header, with its statistics. */
#define FRZ_LIMIT_PAGE_HEADER_BYTES ((size_t)16 << 20)
/** A dictionary's values as they are held. */
#define FRZ_LIMIT_DICTIONARY_BYTES ((size_t)4 << 30)
/** Values of a block of DELTA_BINARY_PACKED, and its miniblocks. */
#define FRZ_LIMIT_DELTA_BLOCK_VALUES (1u << 20)
#define FRZ_LIMIT_DELTA_MINIBLOCKS (1u << 12)
/** The page indexes that a filter reads of one file; row groups beyond are read whole. */
#define FRZ_LIMIT_PAGE_INDEX_BYTES ((size_t)32 << 20)
/** A column's offset index; greater ones are not used. */
#define FRZ_LIMIT_OFFSET_INDEX_BYTES (16 << 20)
/** The offset indexes of a row group's columns together, stored and parsed. */
#define FRZ_LIMIT_OFFSET_INDEXES_BYTES ((size_t)256 << 20)
/** A bloom filter's bitset. */
#define FRZ_LIMIT_BLOOM_BYTES ((size_t)128 << 20)
/** Entries of one batch below lists, of one column. */
#define FRZ_LIMIT_BATCH_LEVELS ((size_t)1 << 28)
/**
 * What a reader's columns hold at a time: this, and so many times the file's bytes. Runs and
 * dictionaries let a few bytes stand for any number of values, so the file's size alone is no
 * bound; 65536 rows of honest files need a tenth of it. With FRZ_LIMIT_PAGE_BYTES for the page
 * that is being read it is the most that a small file can cost.
 */
#define FRZ_LIMIT_READER_BYTES ((size_t)1 << 30)
#define FRZ_LIMIT_READER_FACTOR 64

/* ---- Avro and Puffin ---- */

/** The header of an Avro file: its schema and metadata. */
#define FRZ_LIMIT_AVRO_HEADER_BYTES ((size_t)64 << 20)
/** Properties in an Avro file's header. */
#define FRZ_LIMIT_AVRO_PROPERTIES 10000
/** Parts of an Avro type that are stored in no bytes: no input bounds how often they repeat. */
#define FRZ_LIMIT_AVRO_EMPTY_PARTS 4096
/** What nulls and symbols of one batch may take beyond the bytes that they come from. */
#define FRZ_LIMIT_PADDING_BYTES ((size_t)64 << 20)
/** A Puffin footer, compressed and decompressed. */
#define FRZ_LIMIT_PUFFIN_FOOTER_BYTES ((size_t)64 << 20)
/** A Puffin blob as it is stored; a deletion vector. */
#define FRZ_LIMIT_PUFFIN_BLOB_BYTES ((size_t)1 << 30)

/* ---- reading and writing tables ---- */

/** What is kept of one open file or scan, beside its rows. */
#define FRZ_LIMIT_OPEN_FILE_BYTES ((size_t)2 << 30)
/** Rows of one batch that leaves frazil. */
#define FRZ_LIMIT_BATCH_ROWS ((int64_t)1 << 24)
/** Bytes of one string or binary column in one batch: offsets are 32 bits wide. */
#define FRZ_LIMIT_COLUMN_BYTES ((size_t)INT32_MAX)
/** Rows of delete files that apply to one data file or key map. */
#define FRZ_LIMIT_DELETE_ROWS ((int64_t)1 << 31)
/** What a writer keeps beside its rows: partitions, file names, orders of rows. */
#define FRZ_LIMIT_WRITER_BYTES ((size_t)2 << 30)
/** What a join keeps beside its rows. */
#define FRZ_LIMIT_JOIN_BYTES ((size_t)1 << 30)
/** A schema given as an Arrow structure. */
#define FRZ_LIMIT_ARROW_SCHEMA_BYTES ((size_t)64 << 20)

/* ---- the system ---- */

/** A path; the system's own limit is lower and gives its own error. */
#define FRZ_LIMIT_PATH_BYTES ((size_t)1 << 16)
/** Names of folders that wait to be listed. */
#define FRZ_LIMIT_LIST_BYTES ((size_t)1 << 30)
/** Threads of a context. */
#define FRZ_LIMIT_THREADS 256

#endif
