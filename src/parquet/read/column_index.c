/*
 * column_index.c - parse a chunk's column index.
 *
 * It is an aid to speed, so one that is malformed is passed over: nothing is then known of the
 * pages, and all are read. The bounds are sifted as those of a chunk (parquet_statistics.c): always
 * bounds, never values, since they may have been cut; of no use where the type has no order. The
 * order of the pages' bounds is only checked to be one that the format knows: all pages are looked
 * at anyway.
 *
 * What must stay true: a page's statistics allow every value that it holds.
 *
 * Source: apache/parquet-format, PageIndex.md; parquet.thrift, ColumnIndex.
 */
#include "parquet/read/column_index.h"

#include "parquet/format/metadata_parts.h"

enum { BOUNDARY_ORDER_MAX = 2 };

/* The lists of an index, each as long as the chunk has pages. */
typedef struct raw_index {
  size_t n_pages;
  frz_raw_statistics *pages;
  bool *is_null;
  bool has_nulls, has_min, has_max;
  int64_t order; /* -1: not said */
} raw_index;

static frz_status begin_list(const raw_index *raw, frz_thrift_reader *reader,
                             frz_thrift_type *item_out, frz_error *err)
{
  size_t n = 0;
  FRZ_TRY(frz_thrift_list_begin(reader, item_out, &n, err));
  if (n != raw->n_pages)
    return frz_fail(err, FRZ_ERR_CORRUPT, "column index: %zu entries for %zu pages", n,
                    raw->n_pages);
  return FRZ_OK;
}

static frz_status parse_nulls(raw_index *raw, frz_thrift_reader *reader, frz_error *err)
{
  frz_thrift_type item = FRZ_THRIFT_STOP;
  FRZ_TRY(begin_list(raw, reader, &item, err));
  if (item != FRZ_THRIFT_TRUE && item != FRZ_THRIFT_FALSE)
    return frz_fail(err, FRZ_ERR_CORRUPT, "column index: null pages of type %d", (int)item);
  for (size_t i = 0; i < raw->n_pages; i++) {
    int8_t value = 0;
    FRZ_TRY(frz_thrift_read_i8(reader, &value, err));
    raw->is_null[i] = value == FRZ_THRIFT_TRUE;
  }
  raw->has_nulls = true;
  return FRZ_OK;
}

static frz_status parse_bounds(raw_index *raw, frz_thrift_reader *reader, bool is_max,
                               frz_error *err)
{
  frz_thrift_type item = FRZ_THRIFT_STOP;
  FRZ_TRY(begin_list(raw, reader, &item, err));
  if (item != FRZ_THRIFT_BINARY)
    return frz_fail(err, FRZ_ERR_CORRUPT, "column index: bounds of type %d", (int)item);
  for (size_t i = 0; i < raw->n_pages; i++) {
    frz_raw_statistics *page = &raw->pages[i];
    FRZ_TRY(frz_thrift_read_binary(reader, is_max ? &page->max : &page->min, err));
    *(is_max ? &page->has_max : &page->has_min) = true;
  }
  *(is_max ? &raw->has_max : &raw->has_min) = true;
  return FRZ_OK;
}

static frz_status parse_null_counts(raw_index *raw, frz_thrift_reader *reader, frz_error *err)
{
  frz_thrift_type item = FRZ_THRIFT_STOP;
  FRZ_TRY(begin_list(raw, reader, &item, err));
  if (item != FRZ_THRIFT_I64 && item != FRZ_THRIFT_I32)
    return frz_fail(err, FRZ_ERR_CORRUPT, "column index: null counts of type %d", (int)item);
  for (size_t i = 0; i < raw->n_pages; i++)
    FRZ_TRY(frz_thrift_read_i64(reader, &raw->pages[i].null_count, err));
  return FRZ_OK;
}

static frz_status parse_lists(raw_index *raw, frz_thrift_reader *reader, frz_error *err)
{
  FRZ_TRY(frz_thrift_struct_begin(reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(frz_thrift_field(reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) break;
    if (id == 1 && type == FRZ_THRIFT_LIST)
      FRZ_TRY(parse_nulls(raw, reader, err));
    else if ((id == 2 || id == 3) && type == FRZ_THRIFT_LIST)
      FRZ_TRY(parse_bounds(raw, reader, id == 3, err));
    else if (id == 4 && type == FRZ_THRIFT_I32)
      FRZ_TRY(frz_thrift_read_i64(reader, &raw->order, err));
    else if (id == 5 && type == FRZ_THRIFT_LIST)
      FRZ_TRY(parse_null_counts(raw, reader, err));
    else
      FRZ_TRY(frz_thrift_skip(reader, type, err));
  }
  if (!raw->has_nulls || !raw->has_min || !raw->has_max || raw->order < 0 ||
      raw->order > BOUNDARY_ORDER_MAX)
    return frz_fail(err, FRZ_ERR_CORRUPT, "column index: a list or the order is missing");
  return FRZ_OK;
}

/* The statistics of one page. A page of nulls has no bounds, whatever stands there. */
static frz_status sift_page(const raw_index *raw, size_t i, const frz_parquet_node *leaf,
                            int64_t n_rows, frz_arena *arena, frz_parquet_statistics *kept,
                            frz_error *err)
{
  const frz_raw_statistics *page = &raw->pages[i];
  bool counts_agree = page->null_count < 0 || (page->null_count == n_rows) == raw->is_null[i];
  if (n_rows == 0 || !counts_agree) {
    *kept = (frz_parquet_statistics){.null_count = -1, .distinct_count = -1};
    return FRZ_OK;
  }
  if (raw->is_null[i]) {
    *kept = (frz_parquet_statistics){.null_count = n_rows, .distinct_count = -1};
    return FRZ_OK;
  }
  FRZ_TRY(frz_statistics_sift(page, leaf, n_rows, arena, kept, err));
  /* Some write nothing where they know nothing; and of a page of empty texts little is lost. */
  if (leaf->physical == FRZ_PARQUET_BYTE_ARRAY && kept->max.size == 0) kept->has_max = false;
  return FRZ_OK;
}

static frz_status parse_pages(const void *data, size_t size, const frz_parquet_node *leaf,
                              const frz_page_places *places, int64_t n_rows, frz_arena *arena,
                              const frz_parquet_statistics **statistics_out, frz_error *err)
{
  raw_index raw = {.n_pages = places->n_places, .order = -1};
  frz_thrift_reader reader;
  frz_thrift_reader_init(&reader, data, size);
  if (raw.n_pages > size)
    return frz_fail(err, FRZ_ERR_CORRUPT, "column index: %zu bytes for %zu pages", size,
                    raw.n_pages);
  frz_parquet_statistics *kept = frz_arena_array(arena, raw.n_pages, sizeof *kept);
  raw.pages = frz_arena_array(arena, raw.n_pages, sizeof *raw.pages);
  raw.is_null = frz_arena_array(arena, raw.n_pages, sizeof *raw.is_null);
  if (kept == NULL || raw.pages == NULL || raw.is_null == NULL)
    return frz_fail_nomem(err, "column index");
  for (size_t i = 0; i < raw.n_pages; i++)
    raw.pages[i] = (frz_raw_statistics){
        .min_exact = 0, .max_exact = 0, .null_count = -1, .distinct_count = -1};
  FRZ_TRY(parse_lists(&raw, &reader, err));
  for (size_t i = 0; i < raw.n_pages; i++)
    FRZ_TRY(sift_page(&raw, i, leaf, frz_page_rows(places, i, n_rows), arena, &kept[i], err));
  *statistics_out = kept;
  return FRZ_OK;
}

frz_status frz_column_index_parse(const void *data, size_t size, const frz_parquet_node *leaf,
                                  const frz_page_places *places, int64_t n_rows, frz_arena *arena,
                                  const frz_parquet_statistics **statistics_out, frz_error *err)
{
  const frz_parquet_statistics *statistics = NULL;
  assert(leaf->max_repetition_level == 0);
  frz_status st = parse_pages(data, size, leaf, places, n_rows, arena, &statistics, err);
  if (st == FRZ_ERR_NOMEM) return st; /* anything else is wrong with the bytes */
  *statistics_out = statistics;
  return FRZ_OK;
}
