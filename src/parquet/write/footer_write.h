/*
 * footer_write.h - a file's footer: schema, row groups, chunks and their statistics.
 */
#ifndef FRZ_PARQUET_FOOTER_WRITE_H
#define FRZ_PARQUET_FOOTER_WRITE_H

#include "parquet/write/column_writer.h"

/** A chunk that lies in the file. Strings in the footer's arena. */
typedef struct frz_written_chunk {
  int64_t n_values;
  int64_t n_nulls;
  int64_t uncompressed_bytes;
  int64_t compressed_bytes;
  int64_t dictionary_page_offset; /* -1: none */
  int64_t data_page_offset;
  int32_t n_dictionary_pages; /* data pages in dictionary form */
  int32_t n_plain_pages;
  int32_t n_encoded_pages;
  frz_parquet_encoding encoding; /* of those */
  int64_t bloom_offset;          /* 0: none */
  int32_t bloom_bytes;
  bool has_bounds;
  bool min_exact, max_exact;
  frz_str min, max;           /* PLAIN form */
  int32_t column_index_bytes; /* 0: none. In the order of the chunks, one behind the other */
  int32_t offset_index_bytes;
} frz_written_chunk;

typedef struct frz_written_row_group {
  int64_t n_rows;
  int64_t offset; /* of the first page */
  frz_written_chunk *chunks;
} frz_written_row_group;

/** SortingColumn: by leaf. */
typedef struct frz_written_sorting {
  int32_t leaf;
  bool descending;
  bool nulls_first;
} frz_written_sorting;

typedef struct frz_footer {
  const frz_write_schema *schema;
  frz_codec codec;
  frz_parquet_codec codec_number;
  bool data_page_v2;
  int64_t n_rows;
  frz_arena arena;
  frz_buf row_groups;     /* frz_written_row_group */
  frz_buf column_indexes; /* to be written before the footer */
  frz_buf offset_indexes;
  const frz_parquet_key_value *key_values;
  size_t n_key_values;
  const frz_written_sorting *sorting;
  size_t n_sorting;
} frz_footer;

/** Note a chunk that was closed and starts at `offset` of the file. */
frz_status frz_footer_add_chunk(frz_footer *footer, const frz_column_writer *column, int64_t offset,
                                frz_written_chunk *chunk_out, frz_error *err) FRZ_MUST_CHECK;

/** Append FileMetaData, its length and the magic. The indexes lie at the two offsets. */
frz_status frz_footer_write(const frz_footer *footer, int64_t column_indexes_offset,
                            int64_t offset_indexes_offset, frz_buf *out,
                            frz_error *err) FRZ_MUST_CHECK;

#endif
