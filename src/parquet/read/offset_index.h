/*
 * offset_index.h - where the pages of a column chunk lie, and with which row each starts.
 */
#ifndef FRZ_PARQUET_OFFSET_INDEX_H
#define FRZ_PARQUET_OFFSET_INDEX_H

#include "parquet/format/parquet_metadata.h"

typedef struct frz_page_place {
  int64_t offset;
  int64_t bytes; /* with the header */
  int64_t first_row;
} frz_page_place;

typedef struct frz_page_places {
  const frz_page_place *places; /* ascending; NULL: unknown */
  size_t n_places;
} frz_page_places;

/** Parse an offset index into `arena`. One that does not fit its chunk gives no places: pages are
 * then found by their headers. */
frz_status frz_offset_index_parse(const void *data, size_t size, const frz_parquet_chunk *chunk,
                                  int64_t n_rows, int64_t file_bytes, frz_arena *arena,
                                  frz_page_places *places_out, frz_error *err) FRZ_MUST_CHECK;

#endif
