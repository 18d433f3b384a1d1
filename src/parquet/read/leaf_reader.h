/*
 * leaf_reader.h - one leaf column of one row group at a time: pages into rows of a column.
 *
 * A reader is made once for a leaf and opened on one chunk after another; its buffers stay. Rows
 * ascend: each read starts at or behind the end of the one before.
 */
#ifndef FRZ_PARQUET_LEAF_READER_H
#define FRZ_PARQUET_LEAF_READER_H

#include "arrow/column.h"
#include "parquet/read/decoder.h"
#include "parquet/read/dictionary_reader.h"
#include "parquet/read/leaf_convert.h"
#include "parquet/read/offset_index.h"
#include "parquet/read/page_stream.h"
#include "parquet/read/parquet_reader.h"

/** Levels of a leaf below a list are unpacked in windows of this many entries. */
enum { FRZ_LEVEL_WINDOW = 4096 };

typedef struct frz_leaf_reader {
  const frz_parquet_node *leaf;
  const frz_alloc *alloc;
  frz_arrow_type type;
  int32_t max_def, max_rep;
  int32_t slot_def;  /* entries below have no slot: an empty or null list above */
  bool keep_levels;  /* something above needs them to be assembled */
  bool is_byte_list; /* values are byte arrays: offsets and bytes, or decimals made of them */
  frz_leaf_convert convert;
  size_t width; /* of a value in the column; 0: BOOL, STRING, BINARY, NULL */

  frz_page_stream pages;
  frz_decoder decoder;
  frz_dictionary_reader dictionary;
  frz_buf scratch; /* physical values before conversion; bits before spreading */

  /* The chunk. */
  const frz_parquet_chunk *chunk;
  int64_t n_rows;
  int64_t row;         /* the next row; below lists: the next to start */
  int64_t values_seen; /* entries of the pages passed */
  bool has_dictionary;
  bool is_started;
  frz_page_places places; /* empty: read in order */
  size_t place;           /* the next */

  /* The page. */
  int64_t page_offset; /* for messages */
  int64_t page_left;   /* entries whose levels were not taken yet */
  bool is_dictionary_page;
  bool ends_row;        /* the page after it starts with a new row */
  bool at_start;        /* the next entry must start a row */
  int64_t page_end_row; /* the row behind the page, as its header says; -1: not said */
  frz_rle_decoder def, rep;
  frz_buf old_def, old_rep; /* BIT_PACKED levels as hybrids */

  /* Levels below lists. */
  uint32_t window_next, window_end;
  frz_buf window; /* FRZ_LEVEL_WINDOW definition levels, then as many repetition levels */

  /* The batch before: what the next will need about. */
  int64_t last_rows, last_slots;
  size_t last_bytes;

  /* Levels of the batch's rows, when kept; repetition levels only below lists. */
  frz_buf def_levels, rep_levels;
} frz_leaf_reader;

frz_status frz_leaf_reader_init(frz_leaf_reader *reader, const frz_parquet_node *leaf,
                                frz_arrow_type type, int32_t slot_def, bool keep_levels,
                                frz_source *source, frz_decompressor *decompressor,
                                const frz_alloc *alloc, frz_error *err) FRZ_MUST_CHECK;
void frz_leaf_reader_dispose(frz_leaf_reader *reader);

/** Start a chunk of a row group of `n_rows`, whose first row in the file is `base_row`. `ranges`
 * are the rows that will be asked for, as positions in the file; only `places` (may be empty) use
 * them. */
frz_status frz_leaf_reader_open(frz_leaf_reader *reader, const frz_parquet_chunk *chunk,
                                int64_t n_rows, int64_t file_bytes, const frz_page_places *places,
                                const frz_row_range *ranges, size_t n_ranges, int64_t base_row,
                                size_t window_bytes_max, frz_error *err) FRZ_MUST_CHECK;

/** Rows of a row group. */
typedef struct frz_row_run {
  int64_t first, n;
} frz_row_run;

/** Append the rows of some runs, which ascend, to the column, and their levels. */
frz_status frz_leaf_reader_read(frz_leaf_reader *reader, const frz_row_run *runs, size_t n_runs,
                                frz_column *column, frz_error *err) FRZ_MUST_CHECK;

/** Forget the levels of the batch before. */
void frz_leaf_reader_start_batch(frz_leaf_reader *reader);

/* ---- parts, each in a file of its own ---- */

/** leaf_levels.c: take the levels of `n` entries of a leaf that is below no list; set validity bits
 * of the column's next rows. */
frz_status frz_leaf_levels_flat(frz_leaf_reader *reader, frz_column *column, int64_t n,
                                int64_t *n_present_out, frz_error *err) FRZ_MUST_CHECK;
/** Pass over `n` entries; how many of them are present. */
frz_status frz_leaf_levels_skip(frz_leaf_reader *reader, int64_t n, int64_t *n_present_out,
                                frz_error *err) FRZ_MUST_CHECK;
/** Unpack the next levels of a leaf below lists into the window. */
frz_status frz_leaf_levels_refill(frz_leaf_reader *reader, frz_error *err) FRZ_MUST_CHECK;
/** Take entries [window_next, end) of the window: levels kept, validity bits of their slots set. */
frz_status frz_leaf_levels_take(frz_leaf_reader *reader, uint32_t end, frz_column *column,
                                int64_t *n_slots_out, int64_t *n_present_out,
                                frz_error *err) FRZ_MUST_CHECK;

/** leaf_values.c: append `n_slots` rows with `n_present` values; where that is fewer, the
 * column's validity bits say which. */
frz_status frz_leaf_values_add(frz_leaf_reader *reader, frz_column *column, int64_t n_slots,
                               int64_t n_present, frz_error *err) FRZ_MUST_CHECK;
/**
 * Append as many of the runs as lie in the page, where its values lie there as the column wants
 * them and none is null: a late fetch of single rows is a copy each. `n_taken_out` 0: it is not
 * such a page, or the next run is not in it.
 */
frz_status frz_leaf_values_gather(frz_leaf_reader *reader, const frz_row_run *runs, size_t n_runs,
                                  frz_column *column, size_t *n_taken_out,
                                  frz_error *err) FRZ_MUST_CHECK;
frz_status frz_leaf_values_skip(frz_leaf_reader *reader, int64_t n_present,
                                frz_error *err) FRZ_MUST_CHECK;
/** Take a dictionary page's values. */
frz_status frz_leaf_values_dictionary(frz_leaf_reader *reader, const uint8_t *data, size_t size,
                                      int64_t n_values, frz_error *err) FRZ_MUST_CHECK;

#endif
