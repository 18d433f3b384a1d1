/*
 * leaf_reader.c - walk over the pages of a column chunk and give its rows.
 *
 * Pages outside of the rows asked for are jumped over by the offset index; without one, by their
 * headers where those tell the rows (no list above, or v2 pages); else their levels are counted.
 * A v1 page below lists may end inside of a row, so a row's end is known only at the next start.
 *
 * Invariants: row never passes n_rows; page_left plus the window's rest are the page's entries
 * that are still to come; a page's decoder has given exactly the values of the entries taken.
 */
#include "parquet/read/leaf_reader.h"

#include <assert.h>

#include "base/limits.h"
#include "base/reader.h"
#include "parquet/read/level_kernels.h"

enum { CHUNK_SPARE_BYTES = 128 };

frz_status frz_leaf_reader_init(frz_leaf_reader *reader, const frz_parquet_node *leaf,
                                frz_arrow_type type, int32_t slot_def, bool keep_levels,
                                frz_source *source, frz_decompressor *decompressor,
                                const frz_alloc *alloc, frz_error *err)
{
  *reader = (frz_leaf_reader){.leaf = leaf,
                              .alloc = alloc,
                              .type = type,
                              .max_def = leaf->max_definition_level,
                              .max_rep = leaf->max_repetition_level,
                              .slot_def = slot_def,
                              .keep_levels = keep_levels,
                              .is_byte_list = leaf->physical == FRZ_PARQUET_BYTE_ARRAY,
                              .convert = frz_leaf_convert_for(leaf, type),
                              .width = frz_arrow_value_bytes(type)};
  assert(reader->max_def < 256 && reader->max_rep < 256);
  frz_page_stream_init(&reader->pages, source, decompressor, alloc);
  frz_decoder_init(&reader->decoder, leaf->physical, leaf->type_length, alloc);
  frz_dictionary_reader_init(&reader->dictionary, reader->width, alloc);
  frz_buf_init(&reader->scratch, alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_buf_init(&reader->old_def, alloc, FRZ_LIMIT_PAGE_BYTES * 2);
  frz_buf_init(&reader->old_rep, alloc, FRZ_LIMIT_PAGE_BYTES * 2);
  frz_buf_init(&reader->window, alloc, 2 * FRZ_LEVEL_WINDOW);
  frz_buf_init(&reader->def_levels, alloc, FRZ_LIMIT_BATCH_LEVELS);
  frz_buf_init(&reader->rep_levels, alloc, FRZ_LIMIT_BATCH_LEVELS);
  if (reader->max_rep == 0) return FRZ_OK;
  return frz_buf_resize(&reader->window, 2 * FRZ_LEVEL_WINDOW, err);
}

void frz_leaf_reader_dispose(frz_leaf_reader *reader)
{
  if (reader->alloc == NULL) return;
  frz_page_stream_dispose(&reader->pages);
  frz_decoder_dispose(&reader->decoder);
  frz_dictionary_reader_dispose(&reader->dictionary);
  frz_buf_dispose(&reader->scratch);
  frz_buf_dispose(&reader->old_def);
  frz_buf_dispose(&reader->old_rep);
  frz_buf_dispose(&reader->window);
  frz_buf_dispose(&reader->def_levels);
  frz_buf_dispose(&reader->rep_levels);
}

void frz_leaf_reader_start_batch(frz_leaf_reader *reader)
{
  reader->def_levels.size = 0;
  reader->rep_levels.size = 0;
}

/* ---- opening a chunk ---- */

static frz_status codec_of(frz_parquet_codec codec, frz_codec *codec_out, frz_error *err)
{
  switch (codec) {
  case FRZ_PARQUET_UNCOMPRESSED: *codec_out = FRZ_CODEC_NONE; return FRZ_OK;
  case FRZ_PARQUET_SNAPPY: *codec_out = FRZ_CODEC_SNAPPY; return FRZ_OK;
  case FRZ_PARQUET_GZIP: *codec_out = FRZ_CODEC_GZIP; return FRZ_OK;
  case FRZ_PARQUET_BROTLI: *codec_out = FRZ_CODEC_BROTLI; return FRZ_OK;
  case FRZ_PARQUET_LZ4: *codec_out = FRZ_CODEC_LZ4_HADOOP; return FRZ_OK;
  case FRZ_PARQUET_ZSTD: *codec_out = FRZ_CODEC_ZSTD; return FRZ_OK;
  case FRZ_PARQUET_LZ4_RAW: *codec_out = FRZ_CODEC_LZ4_RAW; return FRZ_OK;
  case FRZ_PARQUET_LZO: break;
  }
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "compression codec LZO (%d)", (int)codec);
}

/* The bytes of the pages that hold any of the rows. */
static frz_status need_places(frz_leaf_reader *reader, int64_t start, const frz_row_range *ranges,
                              size_t n_ranges, int64_t base_row, frz_error *err)
{
  const frz_page_places *places = &reader->places;
  FRZ_TRY(frz_page_stream_need(&reader->pages, start, places->places[0].offset, err));
  size_t range = 0;
  for (size_t i = 0; i < places->n_places; i++) {
    const frz_page_place *place = &places->places[i];
    int64_t end_row = i + 1 < places->n_places ? place[1].first_row : reader->n_rows;
    while (range < n_ranges && ranges[range].last - base_row <= place->first_row) range++;
    if (range == n_ranges) break;
    if (ranges[range].first - base_row >= end_row) continue;
    FRZ_TRY(frz_page_stream_need(&reader->pages, place->offset, place->offset + place->bytes, err));
  }
  return FRZ_OK;
}

frz_status frz_leaf_reader_open(frz_leaf_reader *reader, const frz_parquet_chunk *chunk,
                                int64_t n_rows, int64_t file_bytes, const frz_page_places *places,
                                const frz_row_range *ranges, size_t n_ranges, int64_t base_row,
                                size_t window_bytes_max, frz_error *err)
{
  frz_codec codec = FRZ_CODEC_NONE;
  if (chunk->is_encrypted)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "the column is encrypted, which is not supported");
  FRZ_TRY(codec_of(chunk->codec, &codec, err));
  int64_t start = chunk->data_page_offset;
  if (chunk->dictionary_page_offset > 0) start = chunk->dictionary_page_offset;
  /* Old writers left the dictionary's header out of the chunk's size; the count of values tells
   * where it ends. */
  int64_t end = start + chunk->compressed_bytes + CHUNK_SPARE_BYTES;
  if (end > file_bytes) end = file_bytes;
  reader->chunk = chunk;
  reader->n_rows = n_rows;
  reader->row = reader->values_seen = reader->page_left = 0;
  reader->has_dictionary = reader->is_started = false;
  reader->places = *places;
  reader->place = 0;
  reader->page_offset = start;
  reader->at_start = true;
  reader->ends_row = false;
  reader->page_end_row = -1;
  reader->window_next = reader->window_end = 0;
  if (places->n_places > 0) {
    const frz_page_place *last = &places->places[places->n_places - 1];
    if (last->offset + last->bytes > end) end = last->offset + last->bytes;
  }
  frz_page_stream_open(&reader->pages, start, end, codec, window_bytes_max);
  if (places->n_places > 0) return need_places(reader, start, ranges, n_ranges, base_row, err);
  return frz_page_stream_need(&reader->pages, start, end, err);
}

/* ---- pages ---- */

/* The levels at the front of a page, and how many bytes they take with their length. */
static frz_status open_levels(frz_reader *body, int32_t encoding, int32_t max, int64_t n_values,
                              frz_buf *old, frz_rle_decoder *levels, frz_error *err)
{
  unsigned width = frz_bit_width((uint64_t)max);
  const uint8_t *data = NULL;
  if (encoding == FRZ_PARQUET_BIT_PACKED) {
    size_t used = 0;
    FRZ_TRY(frz_bit_packed_levels(body->data + body->pos, frz_reader_left(body), width,
                                  (size_t)n_values, old, &used, err));
    body->pos += used;
    frz_rle_decoder_init(levels, old->data, old->size, width);
    return FRZ_OK;
  }
  if (encoding != FRZ_PARQUET_RLE)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "levels in encoding %d", encoding);
  uint32_t size = 0;
  if (!frz_read_u32le(body, &size) || !frz_read_bytes(body, size, &data))
    return frz_fail(err, FRZ_ERR_CORRUPT, "levels of %u bytes in a page of %zu", (unsigned)size,
                    body->size);
  frz_rle_decoder_init(levels, data, size, width);
  return FRZ_OK;
}

static frz_status open_page_levels(frz_leaf_reader *reader, const frz_page_header *header,
                                   frz_reader *body, frz_error *err)
{
  if (header->type == FRZ_PAGE_DATA) {
    if (reader->max_rep > 0)
      FRZ_TRY(open_levels(body, header->rep_encoding, reader->max_rep, header->n_values,
                          &reader->old_rep, &reader->rep, err));
    if (reader->max_def > 0)
      FRZ_TRY(open_levels(body, header->def_encoding, reader->max_def, header->n_values,
                          &reader->old_def, &reader->def, err));
    return FRZ_OK;
  }
  /* The header's parser compared both lengths with the page's. */
  const uint8_t *levels = body->data;
  body->pos = header->rep_bytes + header->def_bytes;
  frz_rle_decoder_init(&reader->rep, levels, header->rep_bytes,
                       frz_bit_width((uint64_t)reader->max_rep));
  frz_rle_decoder_init(&reader->def, levels + header->rep_bytes, header->def_bytes,
                       frz_bit_width((uint64_t)reader->max_def));
  return FRZ_OK;
}

/* Rows of the page, or -1 where only its levels tell. Arrow C++ before version 12 wrote the number
 * of entries below lists as that of rows, and ended its pages within rows; so where the two are
 * equal they say nothing. */
static int64_t rows_of(const frz_leaf_reader *reader, const frz_page_header *header)
{
  if (reader->max_rep == 0) return header->n_values;
  bool says_rows = header->type == FRZ_PAGE_DATA_V2 && header->n_rows != header->n_values;
  return says_rows ? header->n_rows : -1;
}

static frz_status open_data_page(frz_leaf_reader *reader, const frz_page_header *header,
                                 frz_error *err)
{
  const uint8_t *data = NULL;
  size_t size = 0;
  FRZ_TRY(frz_page_stream_body(&reader->pages, header, &data, &size, err));
  frz_reader body = frz_reader_of(data, size);
  FRZ_TRY(open_page_levels(reader, header, &body, err));
  const uint8_t *values = body.data + body.pos;
  size_t values_bytes = frz_reader_left(&body);
  reader->is_dictionary_page = header->encoding == FRZ_PARQUET_PLAIN_DICTIONARY ||
                               header->encoding == FRZ_PARQUET_RLE_DICTIONARY;
  reader->page_left = header->n_values;
  if (reader->ends_row) reader->at_start = true;
  int64_t n_rows = reader->max_rep > 0 ? rows_of(reader, header) : -1;
  reader->page_end_row = n_rows >= 0 ? reader->row + n_rows : -1;
  reader->ends_row = n_rows >= 0 || reader->places.n_places > 0;
  if (!reader->is_dictionary_page)
    return frz_decoder_open(&reader->decoder, header->encoding, values, values_bytes, err);
  if (!reader->has_dictionary && values_bytes > 0 && header->n_values > 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "page of dictionary numbers without a dictionary");
  return frz_dictionary_reader_open_page(&reader->dictionary, values, values_bytes, err);
}

static frz_status open_dictionary(frz_leaf_reader *reader, const frz_page_header *header,
                                  frz_error *err)
{
  const uint8_t *data = NULL;
  size_t size = 0;
  if (reader->has_dictionary)
    return frz_fail(err, FRZ_ERR_CORRUPT, "a second dictionary in one column chunk");
  if (header->encoding != FRZ_PARQUET_PLAIN && header->encoding != FRZ_PARQUET_PLAIN_DICTIONARY)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "dictionary in encoding %d", header->encoding);
  FRZ_TRY(frz_page_stream_body(&reader->pages, header, &data, &size, err));
  FRZ_TRY(frz_leaf_values_dictionary(reader, data, size, header->n_values, err));
  reader->has_dictionary = true;
  return FRZ_OK;
}

static frz_status seek_place(frz_leaf_reader *reader, int64_t want_row, frz_error *err)
{
  const frz_page_place *places = reader->places.places;
  size_t i = reader->place;
  while (i + 1 < reader->places.n_places && places[i + 1].first_row <= want_row) i++;
  if (i > reader->place || reader->place == 0) {
    reader->row = places[i].first_row;
    reader->at_start = true;
  } else if (reader->row != places[i].first_row) {
    return frz_fail(err, FRZ_ERR_CORRUPT, "page starts at row %lld, the offset index says %lld",
                    (long long)reader->row, (long long)places[i].first_row);
  }
  frz_page_stream_seek(&reader->pages, places[i].offset);
  reader->place = i + 1;
  return FRZ_OK;
}

/* The dictionary stands in front of all data pages, where there is an index to jump by. */
static frz_status start_places(frz_leaf_reader *reader, frz_error *err)
{
  reader->is_started = true;
  while (reader->pages.pos < reader->places.places[0].offset) {
    frz_page_header header;
    reader->page_offset = reader->pages.pos;
    FRZ_TRY(frz_page_stream_header(&reader->pages, &header, err));
    if (header.type == FRZ_PAGE_DICTIONARY)
      FRZ_TRY(open_dictionary(reader, &header, err));
    else
      frz_page_stream_skip(&reader->pages, &header);
  }
  return FRZ_OK;
}

static frz_status next_header(frz_leaf_reader *reader, int64_t want_row, frz_page_header *header,
                              bool *found_out, frz_error *err)
{
  if (reader->places.n_places > 0) {
    if (!reader->is_started) FRZ_TRY(start_places(reader, err));
    *found_out = reader->place < reader->places.n_places;
    if (!*found_out) return FRZ_OK;
    FRZ_TRY(seek_place(reader, want_row, err));
  } else {
    *found_out =
        reader->values_seen < reader->chunk->n_values && frz_page_stream_more(&reader->pages);
    if (!*found_out) return FRZ_OK;
  }
  reader->page_offset = reader->pages.pos;
  return frz_page_stream_header(&reader->pages, header, err);
}

/* Open the next data page that may hold `want_row`, or find that there is none. */
static frz_status next_page(frz_leaf_reader *reader, int64_t want_row, bool *found_out,
                            frz_error *err)
{
  assert(reader->page_left == 0);
  for (;;) {
    frz_page_header header;
    FRZ_TRY(next_header(reader, want_row, &header, found_out, err));
    if (!*found_out) return FRZ_OK;
    if (header.type == FRZ_PAGE_DICTIONARY) {
      FRZ_TRY(open_dictionary(reader, &header, err));
      continue;
    }
    if (header.type != FRZ_PAGE_DATA && header.type != FRZ_PAGE_DATA_V2) {
      frz_page_stream_skip(&reader->pages, &header);
      continue;
    }
    int64_t left = reader->chunk->n_values - reader->values_seen;
    if (reader->places.n_places == 0 && header.n_values > left)
      return frz_fail(err, FRZ_ERR_CORRUPT, "page of %lld values where the column has %lld left",
                      (long long)header.n_values, (long long)left);
    reader->values_seen += header.n_values;
    int64_t rows = rows_of(reader, &header);
    if (header.n_values == 0) rows = 0;
    if (rows >= 0 && rows <= want_row - reader->row) {
      frz_page_stream_skip(&reader->pages, &header);
      reader->row += rows;
      if (rows > 0) reader->at_start = true;
      continue;
    }
    return open_data_page(reader, &header, err);
  }
}

static frz_status fail_end(const frz_leaf_reader *reader, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "the column ends at row %lld of %lld",
                  (long long)reader->row, (long long)reader->n_rows);
}

/* ---- no list above: an entry is a row ---- */

static frz_status flat_step(frz_leaf_reader *reader, int64_t want_row, int64_t end_row,
                            frz_column *column, frz_error *err)
{
  int64_t n = (reader->row < want_row ? want_row : end_row) - reader->row;
  if (n > reader->page_left) n = reader->page_left;
  int64_t n_present = n;
  if (reader->row < want_row) {
    if (reader->max_def > 0) FRZ_TRY(frz_leaf_levels_skip(reader, n, &n_present, err));
    FRZ_TRY(frz_leaf_values_skip(reader, n_present, err));
  } else {
    assert(reader->max_def > 0 || column->n_nulls == 0 || column->type.kind == FRZ_ARROW_NULL);
    if (reader->max_def > 0) FRZ_TRY(frz_leaf_levels_flat(reader, column, n, &n_present, err));
    FRZ_TRY(frz_leaf_values_add(reader, column, n, n_present, err));
  }
  reader->page_left -= n;
  reader->row += n;
  return FRZ_OK;
}

static frz_status read_flat(frz_leaf_reader *reader, int64_t first, int64_t n, frz_column *column,
                            frz_error *err)
{
  while (reader->row < first + n) {
    if (reader->page_left == 0) {
      bool found = false;
      int64_t want_row = reader->row < first ? first : reader->row;
      FRZ_TRY(next_page(reader, want_row, &found, err));
      if (!found) return fail_end(reader, err);
      continue; /* a page may be empty */
    }
    FRZ_TRY(flat_step(reader, first, first + n, column, err));
  }
  return FRZ_OK;
}

/* ---- below lists: a row ends where the next starts ---- */

/* Pages are passed over by the rows that their headers say, so those must be true. */
static frz_status check_page_rows(const frz_leaf_reader *reader, bool is_whole, frz_error *err)
{
  int64_t end = reader->page_end_row;
  if (end < 0 || reader->row == end || (!is_whole && reader->row < end)) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "page reaches row %lld, its header says %lld",
                  (long long)reader->row, (long long)end);
}

/* The first window entry from window_next on that starts row `target`. */
static frz_status find_row(frz_leaf_reader *reader, int64_t target, uint32_t *end_out,
                           frz_error *err)
{
  const uint8_t *rep = reader->window.data + FRZ_LEVEL_WINDOW;
  uint32_t i = reader->window_next;
  if (reader->at_start && rep[i] != 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "row %lld starts with repetition level %d",
                    (long long)reader->row, rep[i]);
  reader->at_start = false;
  int64_t rows_left = target - reader->row;
  i += (uint32_t)frz_level_kernels_best()->skip_rows(rep + i, reader->window_end - i, &rows_left);
  reader->row = target - rows_left;
  *end_out = i;
  return check_page_rows(reader, false, err);
}

/* Take entries up to the start of row `target`; into the column, or past them where it is NULL. */
static frz_status walk_rows(frz_leaf_reader *reader, int64_t target, frz_column *column,
                            frz_error *err)
{
  for (;;) {
    if (reader->window_next == reader->window_end) {
      if (reader->page_left == 0) {
        FRZ_TRY(check_page_rows(reader, true, err));
        if (reader->row == target && (reader->ends_row || target == 0)) return FRZ_OK;
        bool found = false;
        FRZ_TRY(next_page(reader, column == NULL ? target : reader->row, &found, err));
        if (!found) return reader->row == target ? FRZ_OK : fail_end(reader, err);
        continue;
      }
      FRZ_TRY(frz_leaf_levels_refill(reader, err));
    }
    uint32_t end = 0;
    int64_t n_slots = 0, n_present = 0;
    FRZ_TRY(find_row(reader, target, &end, err));
    bool is_done = end < reader->window_end;
    FRZ_TRY(frz_leaf_levels_take(reader, end, column, &n_slots, &n_present, err));
    if (column != NULL)
      FRZ_TRY(frz_leaf_values_add(reader, column, n_slots, n_present, err));
    else
      FRZ_TRY(frz_leaf_values_skip(reader, n_present, err));
    if (is_done) return FRZ_OK;
  }
}

static frz_status read_run(frz_leaf_reader *reader, int64_t first, int64_t n, frz_column *column,
                           frz_error *err)
{
  assert(first >= 0 && n >= 0 && first <= reader->n_rows && n <= reader->n_rows - first);
  if (n == 0) return FRZ_OK;
  if (reader->max_rep == 0) {
    assert(reader->row <= first);
    return read_flat(reader, first, n, column, err);
  }
  FRZ_TRY(walk_rows(reader, first, NULL, err));
  if (reader->row != first)
    return frz_fail(err, FRZ_ERR_CORRUPT, "row %lld where row %lld was looked for",
                    (long long)reader->row, (long long)first);
  return walk_rows(reader, first + n, column, err);
}

frz_status frz_leaf_reader_read(frz_leaf_reader *reader, const frz_row_run *runs, size_t n_runs,
                                frz_column *column, frz_error *err)
{
  for (size_t i = 0; i < n_runs;) {
    size_t n_taken = 0;
    FRZ_TRY(frz_leaf_values_gather(reader, runs + i, n_runs - i, column, &n_taken, err));
    if (n_taken == 0) { /* the first of a page, at least */
      FRZ_TRY(read_run(reader, runs[i].first, runs[i].n, column, err));
      n_taken = 1;
    }
    i += n_taken;
  }
  return FRZ_OK;
}
