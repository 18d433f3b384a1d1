/*
 * column_index.h - what the page index says of each page's values.
 */
#ifndef FRZ_PARQUET_COLUMN_INDEX_H
#define FRZ_PARQUET_COLUMN_INDEX_H

#include "parquet/read/offset_index.h"

/** The pages of a column chunk below no list: their places and their values. */
typedef struct frz_chunk_pages {
  frz_page_places places;                   /* none: unknown */
  const frz_parquet_statistics *statistics; /* one a page, sifted as those of chunks */
} frz_chunk_pages;

/** Rows of page `page`: also its values, as there is no list above. */
static inline int64_t frz_page_rows(const frz_page_places *places, size_t page, int64_t n_rows)
{
  bool is_last = page + 1 == places->n_places;
  return (is_last ? n_rows : places->places[page + 1].first_row) - places->places[page].first_row;
}

/** Parse a column index into `arena`: one entry for each of `places`, which belong to the same
 * chunk of a row group of `n_rows`. One that does not fit them, or contradicts itself, gives NULL;
 * of a page that does, nothing is known. */
frz_status frz_column_index_parse(const void *data, size_t size, const frz_parquet_node *leaf,
                                  const frz_page_places *places, int64_t n_rows, frz_arena *arena,
                                  const frz_parquet_statistics **statistics_out,
                                  frz_error *err) FRZ_MUST_CHECK;

#endif
