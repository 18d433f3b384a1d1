/*
 * page_index.h - the page indexes of chosen column chunks of an open file.
 */
#ifndef FRZ_PARQUET_PAGE_INDEX_H
#define FRZ_PARQUET_PAGE_INDEX_H

#include "parquet/read/column_index.h"
#include "parquet/read/parquet_reader.h"

/** A column chunk by its place in the file's metadata. */
typedef struct frz_chunk_id {
  size_t row_group;
  size_t leaf;
} frz_chunk_id;

/** Bytes that the page index of a chunk takes in the file; 0: it has none that helps a filter. */
size_t frz_page_index_bytes(const frz_parquet_metadata *metadata, frz_chunk_id chunk);

/** Read the page indexes of chunks, all in one request, into `arena`. Where there is none, or one
 * that does not fit, the chunk has no pages and no statistics. */
frz_status frz_page_index_read(frz_parquet_file *file, const frz_chunk_id *chunks, size_t n_chunks,
                               frz_arena *arena, frz_chunk_pages *pages_out,
                               frz_error *err) FRZ_MUST_CHECK;

#endif
