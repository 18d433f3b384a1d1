/*
 * column_writer.c - see column_writer.h.
 *
 * Rows are appended in pieces that fit the current page; a page that is full is encoded,
 * compressed and put behind the others of its chunk, so that only compressed pages wait for the
 * end of the row group.
 *
 * A chunk starts with a dictionary. After its first page the dictionary must have paid: else the
 * page is written again in PLAIN form and the dictionary dropped. Later it ends when it grows past
 * its limit; pages that use it stay.
 *
 * Invariants: indices hold page_values numbers while is_dictionary_on, else values hold the page;
 * `def` is either empty (all page_levels are the greatest) or holds page_levels levels.
 */
#include "parquet/write/column_writer.h"

#include <assert.h>

#include "base/endian.h"
#include "codec/bitpack.h"
#include "codec/checksum.h"
#include "parquet/write/page_encoding.h"

enum {
  PAGE_DATA = 0,
  PAGE_DICTIONARY = 2,
  PAGE_DATA_V2 = 3,
  COLUMN_BUFS = 11,
  DISTINCT_SAMPLE = 2048, /* values after which a dictionary may be given up */
  SAMPLE_VALUES = 8192,   /* by which a dictionary is compared with other encodings */
  PIECE_ROWS_MAX = 4096   /* keeps levels and gathered values in the processor's cache */
};

static bool is_forced(const frz_column_writer *column)
{
  return column->options->force_encoding &&
         frz_page_encoding_fits(column->plan, column->options->forced_encoding);
}

static bool starts_with_dictionary(const frz_column_writer *column)
{
  frz_stored_kind kind = column->plan->stored;
  return column->options->dictionary_bytes > 0 && kind != FRZ_STORED_BOOL &&
         kind != FRZ_STORED_NONE && !is_forced(column);
}

void frz_column_writer_init(frz_column_writer *column, const frz_leaf_plan *plan,
                            const frz_parquet_write_options *options, frz_codec codec,
                            frz_compressors *compressors, const frz_alloc *alloc)
{
  *column = (frz_column_writer){
      .plan = plan, .options = options, .codec = codec, .compressors = compressors};
  frz_level_builder_init(&column->levels, plan, alloc);
  frz_buf *page_bufs[] = {&column->scratch[0], &column->scratch[1], &column->body, &column->values,
                          &column->indices,    &column->def,        &column->rep};
  for (size_t i = 0; i < sizeof page_bufs / sizeof *page_bufs; i++)
    frz_buf_init(page_bufs[i], alloc, FRZ_LIMIT_PAGE_BYTES);
  frz_buf *chunk_bufs[] = {&column->compressed, &column->dictionary_page, &column->records,
                           &column->bound_bytes};
  for (size_t i = 0; i < sizeof chunk_bufs / sizeof *chunk_bufs; i++)
    frz_buf_init(chunk_bufs[i], alloc, SIZE_MAX / 4);
  frz_chunk_pages_init(&column->pages, alloc);
  frz_value_bounds_init(&column->page_bounds, alloc);
  frz_value_bounds_init(&column->chunk_bounds, alloc);
  frz_value_bounds_init(&column->file_bounds, alloc);
  frz_dictionary_init(&column->dictionary, plan, alloc);
  frz_bloom_init(&column->bloom, plan, options, alloc);
  column->is_dictionary_on = starts_with_dictionary(column);
}

static void list_bufs(frz_column_writer *column, frz_buf *bufs_out[COLUMN_BUFS])
{
  frz_buf *bufs[COLUMN_BUFS] = {
      &column->scratch[0], &column->scratch[1],      &column->body,       &column->compressed,
      &column->values,     &column->indices,         &column->def,        &column->rep,
      &column->records,    &column->dictionary_page, &column->bound_bytes};
  memcpy(bufs_out, bufs, sizeof bufs);
}

static size_t bounds_memory(const frz_value_bounds *bounds)
{
  return bounds->min_bytes.capacity + bounds->max_bytes.capacity;
}

size_t frz_column_writer_memory(const frz_column_writer *column)
{
  const frz_column_writer *c = column;
  size_t levels = c->levels.def.capacity + c->levels.def_spare.capacity + c->levels.rep.capacity +
                  c->levels.rep_spare.capacity + c->levels.rows.capacity +
                  c->levels.rows_spare.capacity;
  size_t page = c->scratch[0].capacity + c->scratch[1].capacity + c->body.capacity +
                c->compressed.capacity + c->values.capacity + c->indices.capacity +
                c->def.capacity + c->rep.capacity;
  size_t chunk = frz_chunk_pages_memory(&c->pages) + c->records.capacity +
                 c->dictionary_page.capacity + c->bound_bytes.capacity +
                 c->dictionary.entries.capacity + c->dictionary.starts.capacity +
                 c->dictionary.stamps.capacity +
                 c->dictionary.n_slots * sizeof *c->dictionary.slots + c->bloom.bytes.capacity;
  size_t bounds = bounds_memory(&c->page_bounds) + bounds_memory(&c->chunk_bounds) +
                  bounds_memory(&c->file_bounds);
  return levels + page + chunk + bounds;
}

void frz_column_writer_relax(frz_column_writer *column)
{
  frz_buf_dispose(&column->scratch[0]);
  frz_buf_dispose(&column->scratch[1]);
  frz_buf_dispose(&column->body);
  frz_buf_dispose(&column->compressed);
  frz_level_builder_dispose(&column->levels);
}

/* All memory but the file's bounds. */
static void release_chunk(frz_column_writer *column)
{
  frz_buf *bufs[COLUMN_BUFS];
  list_bufs(column, bufs);
  for (size_t i = 0; i < COLUMN_BUFS; i++) frz_buf_dispose(bufs[i]);
  frz_chunk_pages_dispose(&column->pages);
  frz_level_builder_dispose(&column->levels);
  frz_dictionary_dispose(&column->dictionary);
  frz_bloom_dispose(&column->bloom);
  frz_value_bounds_dispose(&column->page_bounds);
  frz_value_bounds_dispose(&column->chunk_bounds);
}

void frz_column_writer_trim(frz_column_writer *column)
{
  assert(column->page_levels == 0 && column->pages.size == 0);
  release_chunk(column);
}

void frz_column_writer_dispose(frz_column_writer *column)
{
  release_chunk(column);
  frz_value_bounds_dispose(&column->file_bounds);
}

static bool is_bytes_like(const frz_column_writer *column)
{
  return column->plan->stored == FRZ_STORED_BYTES || column->plan->stored == FRZ_STORED_FIXED;
}

/* ---- writing pages ---- */

static frz_status append_levels(frz_column_writer *column, const frz_buf *levels, int32_t level_max,
                                bool with_length, frz_error *err)
{
  if (level_max == 0) return FRZ_OK;
  frz_buf *body = &column->body;
  unsigned width = frz_bit_width((uint64_t)level_max);
  size_t start = body->size;
  if (with_length) FRZ_TRY(frz_buf_resize(body, start + 4, err));
  if (levels->size != 0) {
    FRZ_TRY(frz_rle_encode(body, (const uint32_t *)(const void *)levels->data, column->page_levels,
                           width, err));
  } else {
    /* One run of the greatest level; levels need no more than one byte. */
    for (uint64_t head = (uint64_t)column->page_levels << 1; true; head >>= 7) {
      FRZ_TRY(frz_buf_append_byte(body, (uint8_t)(head >= 0x80 ? head | 0x80 : head), err));
      if (head < 0x80) break;
    }
    FRZ_TRY(frz_buf_append_byte(body, (uint8_t)level_max, err));
  }
  if (with_length) frz_store_u32le(body->data + start, (uint32_t)(body->size - start - 4));
  return FRZ_OK;
}

/* The first `n` numbers of the page. */
static frz_status append_numbers(const frz_column_writer *column, size_t n, frz_buf *out,
                                 frz_error *err)
{
  /* Some readers refuse a width of zero bits. */
  unsigned width = column->dictionary.n > 1 ? frz_bit_width(column->dictionary.n - 1) : 1;
  FRZ_TRY(frz_buf_append_byte(out, (uint8_t)width, err));
  return frz_rle_encode(out, (const uint32_t *)(const void *)column->indices.data, n, width, err);
}

static frz_plain_values plain_values(const frz_column_writer *column)
{
  return (frz_plain_values){column->plan, column->values.data, column->values.size,
                            column->page_values};
}

static frz_status append_page_values(frz_column_writer *column, frz_parquet_encoding encoding,
                                     frz_error *err)
{
  if (encoding == FRZ_PARQUET_RLE_DICTIONARY)
    return append_numbers(column, column->page_values, &column->body, err);
  frz_plain_values values = plain_values(column);
  return frz_page_encode(&values, encoding, &column->scratch[0], &column->body, err);
}

typedef struct page_sizes {
  size_t rep_bytes, def_bytes; /* V2: not compressed, in front of the values */
  size_t plain_bytes;          /* of the whole page before compression */
  size_t stored_bytes;
  bool is_compressed;
} page_sizes;

static void write_v1_header(frz_thrift_writer *thrift, const frz_column_writer *column,
                            frz_parquet_encoding encoding)
{
  frz_thrift_write_field(thrift, 5, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(thrift);
  frz_thrift_write_i32_field(thrift, 1, (int32_t)column->page_levels);
  frz_thrift_write_i32_field(thrift, 2, (int32_t)encoding);
  frz_thrift_write_i32_field(thrift, 3, FRZ_PARQUET_RLE);
  frz_thrift_write_i32_field(thrift, 4, FRZ_PARQUET_RLE);
  frz_thrift_write_struct_end(thrift);
}

static void write_v2_header(frz_thrift_writer *thrift, const frz_column_writer *column,
                            frz_parquet_encoding encoding, const page_sizes *sizes)
{
  frz_thrift_write_field(thrift, 8, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(thrift);
  frz_thrift_write_i32_field(thrift, 1, (int32_t)column->page_levels);
  frz_thrift_write_i32_field(thrift, 2, (int32_t)(column->page_levels - column->page_values));
  frz_thrift_write_i32_field(thrift, 3, (int32_t)column->page_rows);
  frz_thrift_write_i32_field(thrift, 4, (int32_t)encoding);
  frz_thrift_write_i32_field(thrift, 5, (int32_t)sizes->def_bytes);
  frz_thrift_write_i32_field(thrift, 6, (int32_t)sizes->rep_bytes);
  frz_thrift_write_bool_field(thrift, 7, sizes->is_compressed);
  frz_thrift_write_struct_end(thrift);
}

/* PageHeader up to its union; `bytes` are what is stored behind it. */
static void begin_header(frz_thrift_writer *thrift, frz_buf *out, int32_t kind,
                         const page_sizes *sizes, const uint8_t *bytes)
{
  frz_thrift_writer_init(thrift, out);
  frz_thrift_write_struct_begin(thrift);
  frz_thrift_write_i32_field(thrift, 1, kind);
  frz_thrift_write_i32_field(thrift, 2, (int32_t)sizes->plain_bytes);
  frz_thrift_write_i32_field(thrift, 3, (int32_t)sizes->stored_bytes);
  frz_thrift_write_i32_field(thrift, 4, (int32_t)frz_crc32(0, bytes, sizes->stored_bytes));
}

/* Compress what follows the first `kept` bytes of the body; says where the stored bytes are. */
static frz_status compress_body(frz_column_writer *column, size_t kept, page_sizes *sizes,
                                const uint8_t **stored_out, frz_error *err)
{
  const frz_buf *body = &column->body;
  sizes->plain_bytes = body->size;
  sizes->stored_bytes = body->size;
  sizes->is_compressed = false;
  *stored_out = body->data != NULL ? body->data : (const uint8_t *)"";
  if (column->codec == FRZ_CODEC_NONE || (column->options->data_page_v2 && body->size == kept))
    return FRZ_OK;
  frz_buf *out = &column->compressed;
  out->size = 0;
  FRZ_TRY(frz_buf_append(out, body->data, kept, err));
  FRZ_TRY(frz_compress_again(column->compressors, column->codec, column->options->level,
                             *stored_out + kept, body->size - kept, out, err));
  /* Only V2 can say of a page that it is not compressed. */
  if (column->options->data_page_v2 && out->size >= body->size) return FRZ_OK;
  if (out->size > FRZ_LIMIT_PAGE_BYTES * 2)
    return frz_fail(err, FRZ_ERR_LIMIT, "column '%.*s': a page of %zu bytes",
                    FRZ_STR_ARG(column->plan->dotted_name), out->size);
  sizes->stored_bytes = out->size;
  sizes->is_compressed = true;
  *stored_out = out->data;
  return FRZ_OK;
}

static frz_status encode_page(frz_column_writer *column, frz_parquet_encoding encoding,
                              frz_error *err)
{
  const frz_parquet_node *node = column->plan->node;
  bool is_v2 = column->options->data_page_v2;
  page_sizes sizes = {0};
  column->body.size = 0;
  FRZ_TRY(append_levels(column, &column->rep, node->max_repetition_level, !is_v2, err));
  sizes.rep_bytes = column->body.size;
  FRZ_TRY(append_levels(column, &column->def, node->max_definition_level, !is_v2, err));
  sizes.def_bytes = column->body.size - sizes.rep_bytes;
  size_t kept = is_v2 ? column->body.size : 0;
  FRZ_TRY(append_page_values(column, encoding, err));
  const uint8_t *stored;
  FRZ_TRY(compress_body(column, kept, &sizes, &stored, err));
  frz_buf *header = &column->scratch[0];
  header->size = 0;
  frz_thrift_writer thrift;
  begin_header(&thrift, header, is_v2 ? PAGE_DATA_V2 : PAGE_DATA, &sizes, stored);
  if (is_v2)
    write_v2_header(&thrift, column, encoding, &sizes);
  else
    write_v1_header(&thrift, column, encoding);
  frz_thrift_write_struct_end(&thrift);
  FRZ_TRY(frz_thrift_writer_finish(&thrift, err));
  FRZ_TRY(frz_chunk_pages_append(&column->pages, header->data, header->size, err));
  FRZ_TRY(frz_chunk_pages_append(&column->pages, stored, sizes.stored_bytes, err));
  column->uncompressed_bytes += (int64_t)(header->size + sizes.plain_bytes);
  return FRZ_OK;
}

static frz_status encode_dictionary_page(frz_column_writer *column, frz_error *err)
{
  column->body.size = 0;
  FRZ_TRY(frz_dictionary_page(&column->dictionary, &column->body, err));
  page_sizes sizes = {.plain_bytes = column->body.size, .stored_bytes = column->body.size};
  const uint8_t *stored = column->body.data;
  if (column->codec != FRZ_CODEC_NONE) {
    column->compressed.size = 0;
    FRZ_TRY(frz_compress_again(column->compressors, column->codec, column->options->level,
                               column->body.data, column->body.size, &column->compressed, err));
    stored = column->compressed.data;
    sizes.stored_bytes = column->compressed.size;
  }
  frz_thrift_writer thrift;
  begin_header(&thrift, &column->dictionary_page, PAGE_DICTIONARY, &sizes, stored);
  frz_thrift_write_field(&thrift, 7, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(&thrift);
  frz_thrift_write_i32_field(&thrift, 1, (int32_t)column->dictionary.n);
  frz_thrift_write_i32_field(&thrift, 2, FRZ_PARQUET_PLAIN);
  frz_thrift_write_struct_end(&thrift);
  frz_thrift_write_struct_end(&thrift);
  FRZ_TRY(frz_thrift_writer_finish(&thrift, err));
  column->uncompressed_bytes += (int64_t)(column->dictionary_page.size + sizes.plain_bytes);
  return frz_buf_append(&column->dictionary_page, stored, sizes.stored_bytes, err);
}

/* ---- ending a page ---- */

static frz_status record_page(frz_column_writer *column, size_t at, frz_error *err)
{
  const frz_value_bounds *bounds = &column->page_bounds;
  frz_buf *bytes = &column->bound_bytes;
  frz_page_record record = {.at = at,
                            .bytes = column->pages.size - at,
                            .first_row = column->chunk_rows,
                            .n_nulls = (int64_t)(column->page_levels - column->page_values),
                            .is_null = column->page_values == 0,
                            .has_bounds = bounds->has};
  if (bounds->has) {
    bool exact;
    record.min_at = bytes->size;
    FRZ_TRY(frz_value_bound_encode(column->plan, bounds, false, bytes, &exact, err));
    record.min_bytes = bytes->size - record.min_at;
    record.max_at = bytes->size;
    FRZ_TRY(frz_value_bound_encode(column->plan, bounds, true, bytes, &exact, err));
    record.max_bytes = bytes->size - record.max_at;
  }
  FRZ_TRY(frz_buf_append(&column->records, &record, sizeof record, err));
  column->chunk_rows += column->page_rows;
  column->chunk_raw_bytes += column->page_raw_bytes;
  column->chunk_levels += (int64_t)column->page_levels;
  column->chunk_nulls += record.n_nulls;
  return frz_value_bounds_merge(&column->chunk_bounds, column->plan->stored, bounds, err);
}

static void reset_page(frz_column_writer *column)
{
  column->values.size = 0;
  column->indices.size = 0;
  column->def.size = 0;
  column->rep.size = 0;
  column->page_rows = 0;
  column->page_levels = 0;
  column->page_values = 0;
  column->page_raw_bytes = 0;
  frz_value_bounds_clear(&column->page_bounds);
}

/* Is the page with its dictionary much smaller than in PLAIN form? */
static bool dictionary_pays(const frz_column_writer *column)
{
  size_t width = column->dictionary.n > 1 ? frz_bit_width(column->dictionary.n - 1) : 1;
  size_t coded = column->dictionary.entries.size + column->page_values * width / 8;
  size_t plain = column->page_values * column->plan->width;
  if (column->plan->stored == FRZ_STORED_BYTES) {
    size_t of_nulls = 4 * (column->page_levels - column->page_values);
    plain = column->page_raw_bytes > of_nulls ? column->page_raw_bytes - of_nulls : 0;
  }
  return coded < plain / 4 * 3;
}

/* The bounds of byte strings are taken from the entries that a page uses. */
static frz_status add_entry_bounds(frz_column_writer *column, size_t n_values, frz_error *err)
{
  if (!is_bytes_like(column) || n_values == 0) return FRZ_OK;
  frz_str least;
  frz_str greatest;
  uint32_t page = (uint32_t)(column->records.size / sizeof(frz_page_record)) + 1;
  frz_dictionary_bytes_range(&column->dictionary,
                             (const uint32_t *)(const void *)column->indices.data, n_values, page,
                             &least, &greatest);
  return frz_value_bounds_add_bytes(&column->page_bounds, least, greatest, err);
}

/* The page's values from numbers to PLAIN form; pages from here on are PLAIN. Only in a chunk's
 * first page of numbers: no other page needs the dictionary. */
static frz_status leave_dictionary(frz_column_writer *column, size_t n_values, frz_error *err)
{
  assert(column->n_dictionary_pages == 0);
  FRZ_TRY(frz_dictionary_plain(&column->dictionary,
                               (const uint32_t *)(const void *)column->indices.data, n_values,
                               &column->values, err));
  column->indices.size = 0;
  column->is_dictionary_on = false;
  frz_dictionary_clear(&column->dictionary);
  return FRZ_OK;
}

static frz_encoding_trial make_trial(frz_column_writer *column)
{
  return (frz_encoding_trial){.allowed = column->options->encodings,
                              .codec = column->codec,
                              .compressors = column->compressors,
                              .level = column->options->level,
                              .encoded = &column->scratch[0],
                              .compressed = &column->compressed,
                              .scratch = &column->scratch[1]};
}

/* Do new entries come as fast in the sample's second half as in its first? Entries are numbered as
 * they appear, so the greatest number tells how many there were. */
static bool is_growing(const uint32_t *numbers, size_t n, size_t *n_entries_out)
{
  uint32_t greatest = 0;
  uint32_t greatest_before = 0;
  for (size_t i = 0; i < n; i++) {
    if (i == n / 2) greatest_before = greatest;
    if (numbers[i] > greatest) greatest = numbers[i];
  }
  *n_entries_out = (size_t)greatest + 1;
  return greatest - greatest_before > greatest_before / 4 * 3;
}

/* Are the first page's values smaller with the dictionary than without? Told by a sample. */
static frz_status measure_dictionary(frz_column_writer *column, bool *pays_out, frz_error *err)
{
  const frz_dictionary *dictionary = &column->dictionary;
  const uint32_t *numbers = (const uint32_t *)(const void *)column->indices.data;
  size_t n = column->page_values < SAMPLE_VALUES ? column->page_values : SAMPLE_VALUES;
  size_t n_entries;
  frz_str entries = {NULL, 0};
  if (is_growing(numbers, n, &n_entries)) entries = frz_dictionary_head(dictionary, n_entries);
  frz_encoding_trial trial = make_trial(column);
  column->body.size = 0;
  column->values.size = 0;
  FRZ_TRY(append_numbers(column, n, &column->body, err));
  FRZ_TRY(frz_dictionary_plain(dictionary, numbers, n, &column->values, err));
  frz_plain_values values = {column->plan, column->values.data, column->values.size, n};
  FRZ_TRY(frz_page_dictionary_beats(&values, frz_buf_str(&column->body), entries, &trial, pays_out,
                                    err));
  column->values.size = 0;
  return FRZ_OK;
}

/* The first page of numbers is the last chance to do without the dictionary. */
static frz_status review_dictionary(frz_column_writer *column, frz_error *err)
{
  bool pays = dictionary_pays(column);
  if (pays) FRZ_TRY(measure_dictionary(column, &pays, err));
  return pays ? FRZ_OK : leave_dictionary(column, column->page_values, err);
}

static frz_status choose_encoding(frz_column_writer *column, frz_parquet_encoding *encoding_out,
                                  frz_error *err)
{
  *encoding_out = FRZ_PARQUET_PLAIN;
  if (column->page_values == 0) return FRZ_OK; /* not even the header that others begin with */
  if (column->is_dictionary_on) {
    *encoding_out = FRZ_PARQUET_RLE_DICTIONARY;
    return FRZ_OK;
  }
  if (!column->is_encoding_chosen) {
    frz_plain_values values = plain_values(column);
    frz_encoding_trial trial = make_trial(column);
    column->encoding = column->options->forced_encoding;
    if (!is_forced(column))
      FRZ_TRY(frz_page_encoding_choose(&values, &trial, &column->encoding, err));
    column->is_encoding_chosen = true;
  }
  *encoding_out = column->encoding;
  return FRZ_OK;
}

static void count_page(frz_column_writer *column, frz_parquet_encoding encoding)
{
  if (encoding == FRZ_PARQUET_RLE_DICTIONARY)
    column->n_dictionary_pages++;
  else if (encoding == FRZ_PARQUET_PLAIN)
    column->n_plain_pages++;
  else
    column->n_encoded_pages++;
}

static frz_status end_page(frz_column_writer *column, frz_error *err)
{
  if (column->page_levels == 0) return FRZ_OK;
  if (column->is_dictionary_on && column->page_values != 0) {
    FRZ_TRY(add_entry_bounds(column, column->page_values, err));
    if (column->n_dictionary_pages == 0) FRZ_TRY(review_dictionary(column, err));
  }
  frz_parquet_encoding encoding;
  FRZ_TRY(choose_encoding(column, &encoding, err));
  size_t at = column->pages.size;
  FRZ_TRY(encode_page(column, encoding, err));
  if (encoding != FRZ_PARQUET_RLE_DICTIONARY)
    FRZ_TRY(frz_bloom_add_plain(&column->bloom, column->plan, column->values.data,
                                column->page_values, err));
  count_page(column, encoding);
  FRZ_TRY(record_page(column, at, err));
  reset_page(column);
  if (column->dictionary.entries.size > (size_t)column->options->dictionary_bytes)
    column->is_dictionary_on = false;
  return FRZ_OK;
}

/* ---- filling a page ---- */

static frz_status push_levels(frz_column_writer *column, frz_error *err)
{
  const frz_level_builder *levels = &column->levels;
  const frz_parquet_node *node = column->plan->node;
  size_t bytes = levels->n_levels * sizeof(uint32_t);
  if (levels->rep_levels != NULL)
    FRZ_TRY(frz_buf_append(&column->rep, levels->rep_levels, bytes, err));
  if (node->max_definition_level == 0) return FRZ_OK;
  bool is_dense = column->rep.size == 0 && column->def.size == 0;
  if (is_dense && levels->all_present) return FRZ_OK;
  size_t n_missing = column->page_levels - column->def.size / sizeof(uint32_t);
  if (levels->def_levels == NULL || levels->all_present) n_missing += levels->n_levels;
  uint8_t *at;
  FRZ_TRY(frz_buf_extend(&column->def, n_missing * sizeof(uint32_t), &at, err));
  for (size_t i = 0; i < n_missing; i++)
    frz_store_u32le(at + i * sizeof(uint32_t), (uint32_t)node->max_definition_level);
  if (levels->def_levels == NULL || levels->all_present) return FRZ_OK;
  return frz_buf_append(&column->def, levels->def_levels, bytes, err);
}

static frz_status push_values(frz_column_writer *column, const frz_value_view *view, frz_error *err)
{
  if (view->n == 0) return FRZ_OK;
  const frz_leaf_plan *plan = column->plan;
  if (!is_bytes_like(column))
    frz_value_bounds_add_numbers(&column->page_bounds, plan->stored, view->fixed, view->n,
                                 &column->file_nans);
  if (column->is_dictionary_on) {
    uint8_t *indices;
    FRZ_TRY(frz_buf_extend(&column->indices, view->n * sizeof(uint32_t), &indices, err));
    FRZ_TRY(frz_dictionary_index(&column->dictionary, view, (uint32_t *)(void *)indices, err));
    /* Nearly all distinct: do not number the rest of the page to learn the same. */
    size_t n_values = column->page_values + view->n;
    if (column->n_dictionary_pages != 0 || n_values < DISTINCT_SAMPLE ||
        column->dictionary.n < n_values - n_values / 20)
      return FRZ_OK;
    FRZ_TRY(add_entry_bounds(column, n_values, err));
    return leave_dictionary(column, n_values, err);
  }
  if (is_bytes_like(column)) {
    frz_str least;
    frz_str greatest;
    frz_values_bytes_range(plan, view, &least, &greatest);
    FRZ_TRY(frz_value_bounds_add_bytes(&column->page_bounds, least, greatest, err));
  }
  return frz_values_plain(plan, view, &column->values, err);
}

static frz_status push_rows(frz_column_writer *column, const frz_column *top, int64_t first,
                            int64_t n, size_t raw_bytes, frz_error *err)
{
  frz_level_builder *levels = &column->levels;
  FRZ_TRY(frz_level_builder_run(levels, top, first, n, err));
  frz_value_view view;
  FRZ_TRY(frz_values_gather(column->plan, levels->leaf, levels->leaf_rows, levels->first_row,
                            levels->n_present, column->scratch, &view, err));
  FRZ_TRY(push_levels(column, err));
  FRZ_TRY(push_values(column, &view, err));
  column->page_rows += n;
  column->page_levels += levels->n_levels;
  column->page_values += levels->n_present;
  column->page_raw_bytes += raw_bytes;
  return FRZ_OK;
}

/* How many of `n` rows the page takes by size; 0: not one. */
static int64_t rows_that_fit(const frz_column_writer *column, const frz_column *top, int64_t first,
                             int64_t n)
{
  size_t limit = (size_t)column->options->page_bytes;
  if (column->page_raw_bytes >= limit) return 0;
  size_t room = limit - column->page_raw_bytes;
  if (frz_leaf_span_bytes(column->plan, top, first, n) <= room) return n;
  int64_t fits = 0;
  int64_t fails = n;
  while (fails - fits > 1) {
    int64_t middle = fits + (fails - fits) / 2;
    if (frz_leaf_span_bytes(column->plan, top, first, middle) <= room)
      fits = middle;
    else
      fails = middle;
  }
  return fits;
}

frz_status frz_column_writer_append(frz_column_writer *column, const frz_column *top, int64_t first,
                                    int64_t n, frz_error *err)
{
  int64_t end = first + n;
  while (first < end) {
    int64_t piece = column->options->page_rows_max - column->page_rows;
    if (piece > PIECE_ROWS_MAX) piece = PIECE_ROWS_MAX;
    if (piece > end - first) piece = end - first;
    piece = rows_that_fit(column, top, first, piece);
    if (piece == 0 && column->page_rows != 0) {
      FRZ_TRY(end_page(column, err));
      continue;
    }
    if (piece == 0) piece = 1; /* one row larger than a page */
    size_t raw_bytes = frz_leaf_span_bytes(column->plan, top, first, piece);
    FRZ_TRY(push_rows(column, top, first, piece, raw_bytes, err));
    first += piece;
    if (column->page_rows >= column->options->page_rows_max) FRZ_TRY(end_page(column, err));
  }
  return FRZ_OK;
}

size_t frz_column_writer_held(const frz_column_writer *column)
{
  size_t page = column->is_dictionary_on ? column->page_values : column->page_raw_bytes;
  size_t rest = page + column->dictionary.entries.size;
  /* What is not encoded yet will shrink as the pages before it did. */
  size_t before =
      column->is_dictionary_on ? (size_t)column->uncompressed_bytes : column->chunk_raw_bytes;
  if (before > 0) rest = (size_t)((double)rest * (double)column->pages.size / (double)before);
  return column->pages.size + rest;
}

/* ---- chunks ---- */

/* The distinct values of the pages of numbers, to the bloom filter. */
static frz_status add_entries(frz_column_writer *column, frz_error *err)
{
  column->body.size = 0;
  FRZ_TRY(frz_dictionary_page(&column->dictionary, &column->body, err));
  return frz_bloom_add_plain(&column->bloom, column->plan, column->body.data, column->dictionary.n,
                             err);
}

frz_status frz_column_writer_close_chunk(frz_column_writer *column, frz_error *err)
{
  FRZ_TRY(end_page(column, err));
  if (column->n_dictionary_pages != 0) {
    FRZ_TRY(encode_dictionary_page(column, err));
    if (frz_bloom_is_on(&column->bloom)) FRZ_TRY(add_entries(column, err));
  }
  frz_bloom_shrink(&column->bloom);
  return FRZ_OK;
}

frz_status frz_column_writer_next_chunk(frz_column_writer *column, frz_error *err)
{
  assert(column->page_levels == 0);
  FRZ_TRY(frz_value_bounds_merge(&column->file_bounds, column->plan->stored, &column->chunk_bounds,
                                 err));
  column->file_compressed_bytes += (int64_t)(column->dictionary_page.size + column->pages.size);
  column->file_levels += column->chunk_levels;
  column->file_nulls += column->chunk_nulls;
  frz_dictionary_clear(&column->dictionary);
  column->is_dictionary_on = starts_with_dictionary(column);
  column->is_encoding_chosen = false;
  column->dictionary_page.size = 0;
  frz_chunk_pages_dispose(&column->pages);
  column->records.size = 0;
  column->bound_bytes.size = 0;
  column->chunk_rows = 0;
  column->chunk_raw_bytes = 0;
  column->chunk_levels = 0;
  column->chunk_nulls = 0;
  column->uncompressed_bytes = 0;
  column->n_dictionary_pages = 0;
  column->n_plain_pages = 0;
  column->n_encoded_pages = 0;
  frz_bloom_clear(&column->bloom);
  frz_value_bounds_clear(&column->chunk_bounds);
  return FRZ_OK;
}
