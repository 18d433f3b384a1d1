/*
 * column_writer.h - one leaf column while it is written: the page that is being filled, the pages
 * of the row group that are done, and what is known of the column so far.
 */
#ifndef FRZ_PARQUET_COLUMN_WRITER_H
#define FRZ_PARQUET_COLUMN_WRITER_H

#include "codec/compress.h"
#include "parquet/write/bloom_write.h"
#include "parquet/write/chunk_pages.h"
#include "parquet/write/encode_dictionary.h"
#include "parquet/write/level_builder.h"
#include "parquet/write/parquet_writer.h"
#include "parquet/write/statistics_write.h"

/** A data page of the current row group. Bounds lie in the writer's bound_bytes. */
typedef struct frz_page_record {
  size_t at;    /* in the writer's pages */
  size_t bytes; /* with the header */
  int64_t first_row;
  int64_t n_nulls;
  bool is_null;    /* no value */
  bool has_bounds; /* false with values: only NaNs */
  size_t min_at, min_bytes;
  size_t max_at, max_bytes;
} frz_page_record;

typedef struct frz_column_writer {
  const frz_leaf_plan *plan;
  const frz_parquet_write_options *options;
  frz_codec codec;
  frz_compressors *compressors; /* the file's */
  frz_level_builder levels;
  frz_buf scratch[2];
  frz_buf body, compressed;

  /* The page that is being filled: numbers in `indices` while the dictionary is in use. */
  frz_buf values;  /* PLAIN form; booleans one byte each */
  frz_buf indices; /* uint32_t */
  frz_buf def;     /* uint32_t; empty while every level is the greatest */
  frz_buf rep;     /* uint32_t */
  int64_t page_rows;
  size_t page_levels;
  size_t page_values; /* present ones */
  size_t page_raw_bytes;
  frz_value_bounds page_bounds;

  /* The chunk of the current row group. */
  frz_dictionary dictionary;
  bool is_dictionary_on;
  bool is_encoding_chosen;
  frz_parquet_encoding encoding; /* of pages without dictionary, once chosen */
  frz_buf dictionary_page;       /* header and body, once the chunk is closed */
  frz_chunk_pages pages;
  frz_buf records; /* frz_page_record */
  frz_buf bound_bytes;
  int64_t chunk_rows;
  int64_t chunk_levels;
  int64_t chunk_nulls;
  size_t chunk_raw_bytes;     /* of the ended pages' values, before encoding */
  int64_t uncompressed_bytes; /* with headers */
  int32_t n_dictionary_pages; /* data pages of numbers */
  int32_t n_plain_pages;
  int32_t n_encoded_pages; /* in `encoding`, which is not PLAIN */
  frz_value_bounds chunk_bounds;
  frz_bloom bloom;

  /* The file. */
  int64_t file_compressed_bytes;
  int64_t file_levels;
  int64_t file_nulls;
  int64_t file_nans; /* up to date with what was appended */
  frz_value_bounds file_bounds;
} frz_column_writer;

/** `plan`, `options` and `compressors` are borrowed. */
void frz_column_writer_init(frz_column_writer *column, const frz_leaf_plan *plan,
                            const frz_parquet_write_options *options, frz_codec codec,
                            frz_compressors *compressors, const frz_alloc *alloc);
void frz_column_writer_dispose(frz_column_writer *column);

/** Append rows [first, first + n) of the top-level column that holds the leaf. */
frz_status frz_column_writer_append(frz_column_writer *column, const frz_column *top, int64_t first,
                                    int64_t n, frz_error *err) FRZ_MUST_CHECK;

/** About how many bytes the row group's chunk will take. */
size_t frz_column_writer_held(const frz_column_writer *column);

/** Memory that is occupied. */
size_t frz_column_writer_memory(const frz_column_writer *column);

/** Give back the scratch memory; the page and the chunk stay. */
void frz_column_writer_relax(frz_column_writer *column);

/** Give back all memory but the file's bounds; only between two chunks. */
void frz_column_writer_trim(frz_column_writer *column);

/** End the last page and the dictionary: pages, records and counts of the chunk are complete. */
frz_status frz_column_writer_close_chunk(frz_column_writer *column, frz_error *err) FRZ_MUST_CHECK;

/** Forget the chunk, which was written; its counts go to the file's. */
frz_status frz_column_writer_next_chunk(frz_column_writer *column, frz_error *err) FRZ_MUST_CHECK;

#endif
