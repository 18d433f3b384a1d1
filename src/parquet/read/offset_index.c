/*
 * offset_index.c - parse a chunk's offset index.
 *
 * It is an aid to speed: one that is malformed is passed over, since the pages' own headers say
 * the same.
 *
 * Source: apache/parquet-format, PageIndex.md; parquet.thrift, OffsetIndex.
 */
#include "parquet/read/offset_index.h"

#include "parquet/format/thrift.h"

static frz_status parse_place(frz_thrift_reader *reader, frz_page_place *place, frz_error *err)
{
  *place = (frz_page_place){-1, -1, -1};
  FRZ_TRY(frz_thrift_struct_begin(reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(frz_thrift_field(reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) return FRZ_OK;
    bool is_number = type == FRZ_THRIFT_I32 || type == FRZ_THRIFT_I64;
    if (id == 1 && is_number)
      FRZ_TRY(frz_thrift_read_i64(reader, &place->offset, err));
    else if (id == 2 && is_number)
      FRZ_TRY(frz_thrift_read_i64(reader, &place->bytes, err));
    else if (id == 3 && is_number)
      FRZ_TRY(frz_thrift_read_i64(reader, &place->first_row, err));
    else
      FRZ_TRY(frz_thrift_skip(reader, type, err));
  }
}

static bool places_fit(const frz_page_place *places, size_t n, const frz_parquet_chunk *chunk,
                       int64_t n_rows, int64_t file_bytes)
{
  int64_t start =
      chunk->dictionary_page_offset > 0 ? chunk->dictionary_page_offset : chunk->data_page_offset;
  int64_t offset = start;
  int64_t row = -1;
  for (size_t i = 0; i < n; i++) {
    const frz_page_place *place = &places[i];
    if (place->bytes <= 0 || place->offset < offset || place->offset > file_bytes ||
        place->bytes > file_bytes - place->offset || place->first_row < row ||
        place->first_row > n_rows)
      return false;
    offset = place->offset + place->bytes;
    row = place->first_row;
  }
  return n > 0 && places[0].first_row == 0;
}

static frz_status parse_places(const void *data, size_t size, frz_arena *arena,
                               frz_page_place **places_out, size_t *n_out, frz_error *err)
{
  frz_thrift_reader reader;
  frz_thrift_reader_init(&reader, data, size);
  FRZ_TRY(frz_thrift_struct_begin(&reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(frz_thrift_field(&reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) return FRZ_OK;
    if (id != 1 || type != FRZ_THRIFT_LIST) {
      FRZ_TRY(frz_thrift_skip(&reader, type, err));
      continue;
    }
    frz_thrift_type item = FRZ_THRIFT_STOP;
    size_t n = 0;
    FRZ_TRY(frz_thrift_list_begin(&reader, &item, &n, err));
    if (item != FRZ_THRIFT_STRUCT) return frz_fail(err, FRZ_ERR_CORRUPT, "offset index");
    frz_page_place *places = frz_arena_array(arena, n, sizeof *places);
    if (places == NULL) return frz_fail_nomem(err, "offset index");
    for (size_t i = 0; i < n; i++) FRZ_TRY(parse_place(&reader, &places[i], err));
    *places_out = places;
    *n_out = n;
  }
}

frz_status frz_offset_index_parse(const void *data, size_t size, const frz_parquet_chunk *chunk,
                                  int64_t n_rows, int64_t file_bytes, frz_arena *arena,
                                  frz_page_places *places_out, frz_error *err)
{
  frz_page_place *places = NULL;
  size_t n = 0;
  frz_status st = parse_places(data, size, arena, &places, &n, err);
  if (st == FRZ_ERR_NOMEM) return st; /* anything else is wrong with the bytes */
  bool fits = st == FRZ_OK && places_fit(places, n, chunk, n_rows, file_bytes);
  *places_out = fits ? (frz_page_places){places, n} : (frz_page_places){NULL, 0};
  return FRZ_OK;
}
