/*
 * footer_write.c - see footer_write.h.
 *
 * Source: parquet.thrift, FileMetaData and what it holds.
 */
#include "parquet/write/footer_write.h"

#include "base/endian.h"
#include "parquet/write/page_index_write.h"

static frz_status take_bound(frz_footer *footer, const frz_column_writer *column, bool is_max,
                             frz_str *bytes_out, bool *exact_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf bytes;
  frz_buf_init(&bytes, footer->arena.alloc, FRZ_LIMIT_COLUMN_BYTES);
  FRZ_TRY_OUT(
      frz_value_bound_encode(column->plan, &column->chunk_bounds, is_max, &bytes, exact_out, err));
  frz_str copy = frz_arena_copy(&footer->arena, frz_buf_str(&bytes));
  if (copy.data == NULL) st = frz_fail_nomem(err, "Parquet footer");
  if (st == FRZ_OK) *bytes_out = copy;
out:
  frz_buf_dispose(&bytes);
  return st;
}

frz_status frz_footer_add_chunk(frz_footer *footer, const frz_column_writer *column, int64_t offset,
                                frz_written_chunk *chunk_out, frz_error *err)
{
  size_t dictionary_bytes = column->dictionary_page.size;
  frz_written_chunk chunk = {
      .n_values = column->chunk_levels,
      .n_nulls = column->chunk_nulls,
      .uncompressed_bytes = column->uncompressed_bytes,
      .compressed_bytes = (int64_t)(dictionary_bytes + column->pages.size),
      .dictionary_page_offset = dictionary_bytes != 0 ? offset : -1,
      .data_page_offset = offset + (int64_t)dictionary_bytes,
      .n_dictionary_pages = column->n_dictionary_pages,
      .n_plain_pages = column->n_plain_pages,
      .n_encoded_pages = column->n_encoded_pages,
      .encoding = column->encoding,
      .has_bounds = column->chunk_bounds.has,
  };
  if (chunk.has_bounds) {
    FRZ_TRY(take_bound(footer, column, false, &chunk.min, &chunk.min_exact, err));
    FRZ_TRY(take_bound(footer, column, true, &chunk.max, &chunk.max_exact, err));
  }
  size_t before = footer->column_indexes.size;
  FRZ_TRY(frz_column_index_write(column, &footer->column_indexes, err));
  chunk.column_index_bytes = (int32_t)(footer->column_indexes.size - before);
  before = footer->offset_indexes.size;
  FRZ_TRY(frz_offset_index_write(column, chunk.data_page_offset, &footer->offset_indexes, err));
  chunk.offset_index_bytes = (int32_t)(footer->offset_indexes.size - before);
  *chunk_out = chunk;
  return FRZ_OK;
}

/* ---- thrift ---- */

static void write_statistics(frz_thrift_writer *thrift, const frz_written_chunk *chunk)
{
  frz_thrift_write_field(thrift, 12, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(thrift);
  frz_thrift_write_i64_field(thrift, 3, chunk->n_nulls);
  if (chunk->has_bounds) {
    frz_thrift_write_binary_field(thrift, 5, chunk->max);
    frz_thrift_write_binary_field(thrift, 6, chunk->min);
    frz_thrift_write_bool_field(thrift, 7, chunk->max_exact);
    frz_thrift_write_bool_field(thrift, 8, chunk->min_exact);
  }
  frz_thrift_write_struct_end(thrift);
}

static void write_page_count(frz_thrift_writer *thrift, int32_t page_kind,
                             frz_parquet_encoding encoding, int32_t n)
{
  frz_thrift_write_struct_begin(thrift);
  frz_thrift_write_i32_field(thrift, 1, page_kind);
  frz_thrift_write_i32_field(thrift, 2, (int32_t)encoding);
  frz_thrift_write_i32_field(thrift, 3, n);
  frz_thrift_write_struct_end(thrift);
}

static void write_encoding_stats(frz_thrift_writer *thrift, const frz_written_chunk *chunk,
                                 bool is_v2)
{
  bool has_dictionary = chunk->n_dictionary_pages != 0;
  size_t n = (has_dictionary ? 2u : 0u) + (chunk->n_plain_pages != 0 ? 1u : 0u) +
             (chunk->n_encoded_pages != 0 ? 1u : 0u);
  int32_t data_page = is_v2 ? 3 : 0;
  frz_thrift_write_list_field(thrift, 13, FRZ_THRIFT_STRUCT, n);
  if (has_dictionary) {
    write_page_count(thrift, 2, FRZ_PARQUET_PLAIN, 1);
    write_page_count(thrift, data_page, FRZ_PARQUET_RLE_DICTIONARY, chunk->n_dictionary_pages);
  }
  if (chunk->n_plain_pages != 0)
    write_page_count(thrift, data_page, FRZ_PARQUET_PLAIN, chunk->n_plain_pages);
  if (chunk->n_encoded_pages != 0)
    write_page_count(thrift, data_page, chunk->encoding, chunk->n_encoded_pages);
}

/* Every encoding that some page has, levels included. */
static void write_encodings(frz_thrift_writer *thrift, const frz_written_chunk *chunk)
{
  bool has_dictionary = chunk->n_dictionary_pages != 0; /* whose own page is PLAIN */
  bool has_plain = has_dictionary || chunk->n_plain_pages != 0;
  bool has_encoded = chunk->n_encoded_pages != 0;
  size_t n = 1u + has_plain + has_dictionary + has_encoded;
  frz_thrift_write_list_field(thrift, 2, FRZ_THRIFT_I32, n);
  if (has_plain) frz_thrift_write_i32(thrift, FRZ_PARQUET_PLAIN);
  frz_thrift_write_i32(thrift, FRZ_PARQUET_RLE);
  if (has_dictionary) frz_thrift_write_i32(thrift, FRZ_PARQUET_RLE_DICTIONARY);
  if (has_encoded) frz_thrift_write_i32(thrift, (int32_t)chunk->encoding);
}

static void write_column_metadata(frz_thrift_writer *thrift, const frz_footer *footer,
                                  const frz_leaf_plan *plan, const frz_written_chunk *chunk)
{
  frz_thrift_write_field(thrift, 3, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(thrift);
  frz_thrift_write_i32_field(thrift, 1, (int32_t)plan->node->physical);
  write_encodings(thrift, chunk);
  frz_thrift_write_list_field(thrift, 3, FRZ_THRIFT_BINARY, plan->n_names);
  for (size_t i = 0; i < plan->n_names; i++) frz_thrift_write_binary(thrift, plan->names[i]);
  frz_thrift_write_i32_field(thrift, 4, (int32_t)footer->codec_number);
  frz_thrift_write_i64_field(thrift, 5, chunk->n_values);
  frz_thrift_write_i64_field(thrift, 6, chunk->uncompressed_bytes);
  frz_thrift_write_i64_field(thrift, 7, chunk->compressed_bytes);
  frz_thrift_write_i64_field(thrift, 9, chunk->data_page_offset);
  if (chunk->dictionary_page_offset >= 0)
    frz_thrift_write_i64_field(thrift, 11, chunk->dictionary_page_offset);
  write_statistics(thrift, chunk);
  write_encoding_stats(thrift, chunk, footer->data_page_v2);
  if (chunk->bloom_bytes != 0) {
    frz_thrift_write_i64_field(thrift, 14, chunk->bloom_offset);
    frz_thrift_write_i32_field(thrift, 15, chunk->bloom_bytes);
  }
  frz_thrift_write_struct_end(thrift);
}

/* Where the next chunk's indexes lie. */
typedef struct index_cursor {
  int64_t column_index;
  int64_t offset_index;
} index_cursor;

static void write_chunk(frz_thrift_writer *thrift, const frz_footer *footer,
                        const frz_leaf_plan *plan, const frz_written_chunk *chunk,
                        index_cursor *cursor)
{
  frz_thrift_write_struct_begin(thrift);
  /* Required, and of no use: no copy of the metadata lies beside the chunk. */
  frz_thrift_write_i64_field(thrift, 2, 0);
  write_column_metadata(thrift, footer, plan, chunk);
  frz_thrift_write_i64_field(thrift, 4, cursor->offset_index);
  frz_thrift_write_i32_field(thrift, 5, chunk->offset_index_bytes);
  if (chunk->column_index_bytes != 0) {
    frz_thrift_write_i64_field(thrift, 6, cursor->column_index);
    frz_thrift_write_i32_field(thrift, 7, chunk->column_index_bytes);
  }
  frz_thrift_write_struct_end(thrift);
  cursor->offset_index += chunk->offset_index_bytes;
  cursor->column_index += chunk->column_index_bytes;
}

static void write_sorting(frz_thrift_writer *thrift, const frz_footer *footer)
{
  if (footer->n_sorting == 0) return;
  frz_thrift_write_list_field(thrift, 4, FRZ_THRIFT_STRUCT, footer->n_sorting);
  for (size_t i = 0; i < footer->n_sorting; i++) {
    frz_thrift_write_struct_begin(thrift);
    frz_thrift_write_i32_field(thrift, 1, footer->sorting[i].leaf);
    frz_thrift_write_bool_field(thrift, 2, footer->sorting[i].descending);
    frz_thrift_write_bool_field(thrift, 3, footer->sorting[i].nulls_first);
    frz_thrift_write_struct_end(thrift);
  }
}

static void write_row_group(frz_thrift_writer *thrift, const frz_footer *footer,
                            const frz_written_row_group *group, size_t ordinal,
                            index_cursor *cursor)
{
  const frz_write_schema *schema = footer->schema;
  int64_t plain_bytes = 0;
  int64_t compressed_bytes = 0;
  frz_thrift_write_struct_begin(thrift);
  frz_thrift_write_list_field(thrift, 1, FRZ_THRIFT_STRUCT, schema->n_leaves);
  for (size_t i = 0; i < schema->n_leaves; i++) {
    write_chunk(thrift, footer, &schema->leaves[i], &group->chunks[i], cursor);
    plain_bytes += group->chunks[i].uncompressed_bytes;
    compressed_bytes += group->chunks[i].compressed_bytes;
  }
  frz_thrift_write_i64_field(thrift, 2, plain_bytes);
  frz_thrift_write_i64_field(thrift, 3, group->n_rows);
  write_sorting(thrift, footer);
  frz_thrift_write_i64_field(thrift, 5, group->offset);
  frz_thrift_write_i64_field(thrift, 6, compressed_bytes);
  if (ordinal <= INT16_MAX) {
    /* An i16 has the same form as an i32: a zig-zag varint. */
    frz_thrift_write_field(thrift, 7, FRZ_THRIFT_I16);
    frz_thrift_write_i32(thrift, (int32_t)ordinal);
  }
  frz_thrift_write_struct_end(thrift);
}

static void write_key_values(frz_thrift_writer *thrift, const frz_footer *footer)
{
  if (footer->n_key_values == 0) return;
  frz_thrift_write_list_field(thrift, 5, FRZ_THRIFT_STRUCT, footer->n_key_values);
  for (size_t i = 0; i < footer->n_key_values; i++) {
    frz_thrift_write_struct_begin(thrift);
    frz_thrift_write_binary_field(thrift, 1, footer->key_values[i].key);
    frz_thrift_write_binary_field(thrift, 2, footer->key_values[i].value);
    frz_thrift_write_struct_end(thrift);
  }
}

/* Every column is ordered as its type defines. */
static void write_column_orders(frz_thrift_writer *thrift, size_t n_leaves)
{
  frz_thrift_write_list_field(thrift, 7, FRZ_THRIFT_STRUCT, n_leaves);
  for (size_t i = 0; i < n_leaves; i++) {
    frz_thrift_write_struct_begin(thrift);
    frz_thrift_write_field(thrift, 1, FRZ_THRIFT_STRUCT);
    frz_thrift_write_struct_begin(thrift);
    frz_thrift_write_struct_end(thrift);
    frz_thrift_write_struct_end(thrift);
  }
}

static frz_status write_created_by(frz_thrift_writer *thrift, frz_error *err)
{
  /* "application version x.y.z" is the form that readers parse. */
  char text[64] = "frazil version ";
  size_t at = strlen(text);
  const char *version = frz_version();
  size_t n = strlen(version);
  if (n >= sizeof text - at)
    return frz_fail(err, FRZ_ERR_LIMIT, "version '%s' is too long", version);
  memcpy(text + at, version, n);
  frz_thrift_write_binary_field(thrift, 6, (frz_str){text, at + n});
  return FRZ_OK;
}

frz_status frz_footer_write(const frz_footer *footer, int64_t column_indexes_offset,
                            int64_t offset_indexes_offset, frz_buf *out, frz_error *err)
{
  size_t start = out->size;
  const frz_written_row_group *groups =
      (const frz_written_row_group *)(const void *)footer->row_groups.data;
  size_t n_groups = footer->row_groups.size / sizeof *groups;
  index_cursor cursor = {column_indexes_offset, offset_indexes_offset};
  frz_thrift_writer thrift;
  frz_thrift_writer_init(&thrift, out);
  frz_thrift_write_struct_begin(&thrift);
  frz_thrift_write_i32_field(&thrift, 1, 1);
  frz_write_schema_elements(&thrift, footer->schema);
  frz_thrift_write_i64_field(&thrift, 3, footer->n_rows);
  frz_thrift_write_list_field(&thrift, 4, FRZ_THRIFT_STRUCT, n_groups);
  for (size_t i = 0; i < n_groups; i++) write_row_group(&thrift, footer, &groups[i], i, &cursor);
  write_key_values(&thrift, footer);
  FRZ_TRY(write_created_by(&thrift, err));
  write_column_orders(&thrift, footer->schema->n_leaves);
  frz_thrift_write_struct_end(&thrift);
  FRZ_TRY(frz_thrift_writer_finish(&thrift, err));
  uint8_t tail[8] = {0, 0, 0, 0, 'P', 'A', 'R', '1'};
  frz_store_u32le(tail, (uint32_t)(out->size - start));
  return frz_buf_append(out, tail, sizeof tail, err);
}
