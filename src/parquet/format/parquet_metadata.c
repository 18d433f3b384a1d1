/*
 * parquet_metadata.c - parse a footer: row groups, column chunks, key-values.
 *
 * The schema part is parquet_schema.c, statistics are sifted by parquet_statistics.c. What must
 * stay true of a parsed footer: every row group has one chunk a leaf, of the leaf's physical type;
 * chunks lie within the file; row counts are not negative and the file's is their sum. Column
 * orders stand behind the row groups in the file, so statistics are held raw until the end.
 *
 * Source: apache/parquet-format, parquet.thrift, FileMetaData.
 */
#include "parquet/format/parquet_metadata.h"

#include "parquet/format/metadata_parts.h"

typedef struct footer_parser {
  frz_thrift_reader reader;
  frz_arena *arena;
  int64_t file_bytes;
  frz_parquet_metadata metadata;
  frz_raw_statistics *raw; /* n_row_groups * n_leaves */
  bool *has_order;         /* by leaf; NULL: the footer states none */
  size_t n_orders;
} footer_parser;

static frz_status next_field(footer_parser *self, int16_t *id_out, frz_thrift_type *type_out,
                             frz_error *err)
{
  *id_out = 0;
  *type_out = FRZ_THRIFT_STOP;
  return frz_thrift_field(&self->reader, id_out, type_out, err);
}

static frz_status list_of_structs(footer_parser *self, const char *what, size_t *n_out,
                                  frz_error *err)
{
  frz_thrift_type item = FRZ_THRIFT_STOP;
  FRZ_TRY(frz_thrift_list_begin(&self->reader, &item, n_out, err));
  if (*n_out > 0 && item != FRZ_THRIFT_STRUCT)
    return frz_fail(err, FRZ_ERR_CORRUPT, "footer: %s are a list of type %d", what, (int)item);
  return FRZ_OK;
}

/* ---- column chunks ---- */

static frz_status parse_encodings(footer_parser *self, uint32_t *set_out, frz_error *err)
{
  frz_thrift_type item = FRZ_THRIFT_STOP;
  size_t n = 0;
  FRZ_TRY(frz_thrift_list_begin(&self->reader, &item, &n, err));
  if (n > 0 && item != FRZ_THRIFT_I32)
    return frz_fail(err, FRZ_ERR_CORRUPT, "footer: encodings are a list of type %d", (int)item);
  for (size_t i = 0; i < n; i++) {
    int32_t encoding = 0;
    FRZ_TRY(frz_thrift_read_i32(&self->reader, &encoding, err));
    if (encoding >= 0 && encoding < 32) *set_out |= 1u << encoding;
  }
  return FRZ_OK;
}

/* The numbers of ColumnMetaData; other fields are left to the caller. */
static frz_status parse_chunk_number(footer_parser *self, int16_t id, frz_parquet_chunk *chunk,
                                     int64_t *physical_out, frz_error *err)
{
  int64_t number = 0;
  FRZ_TRY(frz_thrift_read_i64(&self->reader, &number, err));
  switch (id) {
  case 1: *physical_out = number; break;
  case 4:
    if (number < 0 || number > FRZ_PARQUET_LZ4_RAW)
      return frz_fail(err, FRZ_ERR_UNSUPPORTED, "compression codec %lld is not known",
                      (long long)number);
    chunk->codec = (frz_parquet_codec)number;
    break;
  case 5: chunk->n_values = number; break;
  case 6: chunk->uncompressed_bytes = number; break;
  case 7: chunk->compressed_bytes = number; break;
  case 9: chunk->data_page_offset = number; break;
  case 11: chunk->dictionary_page_offset = number; break;
  case 14: chunk->bloom_filter_offset = number; break;
  case 15:
    chunk->bloom_filter_bytes = number > 0 && number <= INT32_MAX ? (int32_t)number : 0;
    break;
  default: break;
  }
  return FRZ_OK;
}

static frz_status parse_column_metadata(footer_parser *self, frz_parquet_chunk *chunk,
                                        frz_raw_statistics *raw, int64_t *physical_out,
                                        frz_error *err)
{
  FRZ_TRY(frz_thrift_struct_begin(&self->reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(next_field(self, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) return FRZ_OK;
    if (id == 2 && type == FRZ_THRIFT_LIST)
      FRZ_TRY(parse_encodings(self, &chunk->encodings, err));
    else if (id == 12 && type == FRZ_THRIFT_STRUCT)
      FRZ_TRY(frz_raw_statistics_parse(&self->reader, raw, err));
    else if (type == FRZ_THRIFT_I32 || type == FRZ_THRIFT_I64)
      FRZ_TRY(parse_chunk_number(self, id, chunk, physical_out, err));
    else
      FRZ_TRY(frz_thrift_skip(&self->reader, type, err));
  }
}

static frz_status parse_index_place(footer_parser *self, int16_t id, frz_parquet_chunk *chunk,
                                    frz_error *err)
{
  int64_t number = 0;
  FRZ_TRY(frz_thrift_read_i64(&self->reader, &number, err));
  int32_t bytes = number > 0 && number <= INT32_MAX ? (int32_t)number : 0;
  if (id == 4) chunk->offset_index_offset = number;
  if (id == 5) chunk->offset_index_bytes = bytes;
  if (id == 6) chunk->column_index_offset = number;
  if (id == 7) chunk->column_index_bytes = bytes;
  return FRZ_OK;
}

/* A place that lies outside of the file, or is empty, is not there. */
static void drop_bad_place(const footer_parser *self, int64_t *offset, int32_t bytes)
{
  if (*offset <= 0 || *offset > self->file_bytes || bytes > self->file_bytes - *offset ||
      bytes == 0)
    *offset = -1;
}

static frz_status check_chunk(const footer_parser *self, frz_parquet_chunk *chunk, frz_error *err)
{
  if (chunk->dictionary_page_offset <= 0 ||
      chunk->dictionary_page_offset >= chunk->data_page_offset)
    chunk->dictionary_page_offset = -1;
  int64_t start =
      chunk->dictionary_page_offset > 0 ? chunk->dictionary_page_offset : chunk->data_page_offset;
  if (chunk->n_values < 0 || chunk->uncompressed_bytes < 0 || chunk->compressed_bytes < 0 ||
      start < 0 || start > self->file_bytes || chunk->compressed_bytes > self->file_bytes - start)
    return frz_fail(err, FRZ_ERR_CORRUPT,
                    "%lld values in %lld bytes at offset %lld of a file of %lld bytes",
                    (long long)chunk->n_values, (long long)chunk->compressed_bytes,
                    (long long)start, (long long)self->file_bytes);
  drop_bad_place(self, &chunk->offset_index_offset, chunk->offset_index_bytes);
  drop_bad_place(self, &chunk->column_index_offset, chunk->column_index_bytes);
  bool has_bloom_bytes = chunk->bloom_filter_bytes >= 0;
  drop_bad_place(self, &chunk->bloom_filter_offset,
                 has_bloom_bytes ? chunk->bloom_filter_bytes : 1);
  return FRZ_OK;
}

static frz_status parse_chunk(footer_parser *self, const frz_parquet_node *leaf,
                              frz_parquet_chunk *chunk_out, frz_raw_statistics *raw, frz_error *err)
{
  frz_parquet_chunk chunk = {.dictionary_page_offset = -1,
                             .offset_index_offset = -1,
                             .column_index_offset = -1,
                             .bloom_filter_offset = -1,
                             .bloom_filter_bytes = -1};
  int64_t physical = -1;
  bool has_metadata = false;
  *raw = (frz_raw_statistics){.null_count = -1, .distinct_count = -1};
  FRZ_TRY(frz_thrift_struct_begin(&self->reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(next_field(self, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) break;
    if (id == 1 && type == FRZ_THRIFT_BINARY) {
      frz_str path = {NULL, 0};
      FRZ_TRY(frz_thrift_read_binary(&self->reader, &path, err));
      if (path.size > 0)
        return frz_fail(err, FRZ_ERR_UNSUPPORTED, "its values are in another file, '%.*s'",
                        FRZ_STR_ARG(path));
    } else if (id == 3 && type == FRZ_THRIFT_STRUCT) {
      FRZ_TRY(parse_column_metadata(self, &chunk, raw, &physical, err));
      has_metadata = true;
    } else if (id >= 4 && id <= 7 && (type == FRZ_THRIFT_I32 || type == FRZ_THRIFT_I64)) {
      FRZ_TRY(parse_index_place(self, id, &chunk, err));
    } else {
      if (id == 8 || id == 9) chunk.is_encrypted = true;
      FRZ_TRY(frz_thrift_skip(&self->reader, type, err));
    }
  }
  if (!has_metadata && !chunk.is_encrypted)
    return frz_fail(err, FRZ_ERR_CORRUPT, "its chunk has no metadata");
  if (has_metadata && physical != (int64_t)leaf->physical)
    return frz_fail(err, FRZ_ERR_CORRUPT, "a chunk of physical type %lld, the schema says %d",
                    (long long)physical, (int)leaf->physical);
  FRZ_TRY(check_chunk(self, &chunk, err));
  *chunk_out = chunk;
  return FRZ_OK;
}

/* ---- row groups ---- */

static frz_status parse_chunks(footer_parser *self, frz_parquet_row_group *group,
                               frz_raw_statistics *raw, frz_error *err)
{
  frz_parquet_metadata *metadata = &self->metadata;
  size_t n = 0;
  FRZ_TRY(list_of_structs(self, "columns", &n, err));
  if (n != metadata->n_leaves)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%zu columns, the schema has %zu", n, metadata->n_leaves);
  group->chunks = frz_arena_array(self->arena, n, sizeof *group->chunks);
  if (group->chunks == NULL) return frz_fail_nomem(err, "footer");
  for (size_t i = 0; i < n; i++) {
    frz_status st = parse_chunk(self, metadata->leaves[i], &group->chunks[i], &raw[i], err);
    if (st != FRZ_OK) {
      char path[FRZ_PARQUET_PATH_BYTES];
      frz_parquet_node_path(metadata->leaves[i], path);
      frz_error_where(err, "column '%s': ", path);
      return st;
    }
  }
  return FRZ_OK;
}

static frz_status parse_row_group(footer_parser *self, frz_parquet_row_group *group,
                                  frz_raw_statistics *raw, frz_error *err)
{
  FRZ_TRY(frz_thrift_struct_begin(&self->reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(next_field(self, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) break;
    if (id == 1 && type == FRZ_THRIFT_LIST)
      FRZ_TRY(parse_chunks(self, group, raw, err));
    else if (id == 2 && type == FRZ_THRIFT_I64)
      FRZ_TRY(frz_thrift_read_i64(&self->reader, &group->total_bytes, err));
    else if (id == 3 && type == FRZ_THRIFT_I64)
      FRZ_TRY(frz_thrift_read_i64(&self->reader, &group->n_rows, err));
    else
      FRZ_TRY(frz_thrift_skip(&self->reader, type, err));
  }
  if (group->n_rows < 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%lld rows", (long long)group->n_rows);
  if (group->chunks == NULL && self->metadata.n_leaves > 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "no columns, the schema has %zu",
                    self->metadata.n_leaves);
  return FRZ_OK;
}

static frz_status parse_row_groups(footer_parser *self, frz_error *err)
{
  frz_parquet_metadata *metadata = &self->metadata;
  size_t n = 0;
  int64_t first_row = 0;
  FRZ_TRY(list_of_structs(self, "row groups", &n, err));
  if (metadata->root == NULL || metadata->row_groups != NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "footer: %zu row groups, %s", n,
                    metadata->root == NULL ? "before the schema" : "given twice");
  metadata->row_groups = frz_arena_array(self->arena, n, sizeof *metadata->row_groups);
  size_t n_chunks;
  if (__builtin_mul_overflow(n, metadata->n_leaves, &n_chunks) ||
      n_chunks > self->reader.bytes.size)
    return frz_fail(err, FRZ_ERR_CORRUPT, "footer: %zu row groups of %zu columns in %zu bytes", n,
                    metadata->n_leaves, self->reader.bytes.size);
  self->raw = frz_arena_array(self->arena, n_chunks, sizeof *self->raw);
  if (metadata->row_groups == NULL || self->raw == NULL) return frz_fail_nomem(err, "footer");
  for (size_t i = 0; i < n; i++) {
    frz_parquet_row_group *group = &metadata->row_groups[i];
    frz_status st = parse_row_group(self, group, self->raw + i * metadata->n_leaves, err);
    if (st == FRZ_OK && group->n_rows > INT64_MAX - first_row)
      st = frz_fail(err, FRZ_ERR_CORRUPT, "%lld rows", (long long)group->n_rows);
    if (st != FRZ_OK) {
      frz_error_where(err, "row group %zu: ", i);
      return st;
    }
    group->first_row = first_row;
    first_row += group->n_rows;
  }
  metadata->n_row_groups = n;
  return FRZ_OK;
}

/* ---- the rest ---- */

static frz_status parse_key_value(footer_parser *self, frz_parquet_key_value *pair, frz_error *err)
{
  frz_str key = {NULL, 0};
  frz_str value = {NULL, 0};
  FRZ_TRY(frz_thrift_struct_begin(&self->reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(next_field(self, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) break;
    if (id == 1 && type == FRZ_THRIFT_BINARY)
      FRZ_TRY(frz_thrift_read_binary(&self->reader, &key, err));
    else if (id == 2 && type == FRZ_THRIFT_BINARY)
      FRZ_TRY(frz_thrift_read_binary(&self->reader, &value, err));
    else
      FRZ_TRY(frz_thrift_skip(&self->reader, type, err));
  }
  pair->key = frz_arena_copy(self->arena, key);
  pair->value = frz_arena_copy(self->arena, value);
  if (pair->key.data == NULL || pair->value.data == NULL) return frz_fail_nomem(err, "footer");
  return FRZ_OK;
}

static frz_status parse_key_values(footer_parser *self, frz_error *err)
{
  size_t n = 0;
  FRZ_TRY(list_of_structs(self, "key-values", &n, err));
  frz_parquet_key_value *pairs = frz_arena_array(self->arena, n, sizeof *pairs);
  if (pairs == NULL) return frz_fail_nomem(err, "footer");
  for (size_t i = 0; i < n; i++) FRZ_TRY(parse_key_value(self, &pairs[i], err));
  self->metadata.key_values = pairs;
  self->metadata.n_key_values = n;
  return FRZ_OK;
}

/* ColumnOrder: a union. 1 is the order that the type defines; 2 the total order of IEEE 754, under
 * which bounds of numbers are the same. */
static frz_status parse_orders(footer_parser *self, frz_error *err)
{
  size_t n = 0;
  FRZ_TRY(list_of_structs(self, "column orders", &n, err));
  bool *has_order = frz_arena_array(self->arena, n, sizeof *has_order);
  if (has_order == NULL) return frz_fail_nomem(err, "footer");
  for (size_t i = 0; i < n; i++) {
    FRZ_TRY(frz_thrift_struct_begin(&self->reader, err));
    for (;;) {
      int16_t id;
      frz_thrift_type type;
      FRZ_TRY(next_field(self, &id, &type, err));
      if (type == FRZ_THRIFT_STOP) break;
      has_order[i] = id == 1 || id == 2;
      FRZ_TRY(frz_thrift_skip(&self->reader, type, err));
    }
  }
  self->has_order = has_order;
  self->n_orders = n;
  return FRZ_OK;
}

static frz_status parse_file_field(footer_parser *self, int16_t id, frz_thrift_type type,
                                   frz_error *err)
{
  frz_parquet_metadata *metadata = &self->metadata;
  if (id == 1 && type == FRZ_THRIFT_I32)
    return frz_thrift_read_i32(&self->reader, &metadata->version, err);
  if (id == 2 && type == FRZ_THRIFT_LIST)
    return frz_parquet_schema_parse(&self->reader, self->arena, metadata, err);
  if (id == 3 && type == FRZ_THRIFT_I64)
    return frz_thrift_read_i64(&self->reader, &metadata->n_rows, err);
  if (id == 4 && type == FRZ_THRIFT_LIST) return parse_row_groups(self, err);
  if (id == 5 && type == FRZ_THRIFT_LIST) return parse_key_values(self, err);
  if (id == 6 && type == FRZ_THRIFT_BINARY) {
    frz_str created_by = {NULL, 0};
    FRZ_TRY(frz_thrift_read_binary(&self->reader, &created_by, err));
    metadata->created_by = frz_arena_copy(self->arena, created_by);
    if (metadata->created_by.data == NULL) return frz_fail_nomem(err, "footer");
    return FRZ_OK;
  }
  if (id == 7 && type == FRZ_THRIFT_LIST) return parse_orders(self, err);
  return frz_thrift_skip(&self->reader, type, err);
}

static frz_status sift_statistics(footer_parser *self, frz_error *err)
{
  frz_parquet_metadata *metadata = &self->metadata;
  for (size_t j = 0; j < metadata->n_leaves; j++)
    metadata->leaves[j]->has_order = j < self->n_orders && self->has_order[j];
  for (size_t i = 0; i < metadata->n_row_groups; i++) {
    for (size_t j = 0; j < metadata->n_leaves; j++) {
      frz_parquet_chunk *chunk = &metadata->row_groups[i].chunks[j];
      FRZ_TRY(frz_statistics_sift(&self->raw[i * metadata->n_leaves + j], metadata->leaves[j],
                                  chunk->n_values, self->arena, &chunk->statistics, err));
    }
  }
  return FRZ_OK;
}

static frz_status parse_file(footer_parser *self, frz_error *err)
{
  frz_parquet_metadata *metadata = &self->metadata;
  FRZ_TRY(frz_thrift_struct_begin(&self->reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(next_field(self, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) break;
    FRZ_TRY(parse_file_field(self, id, type, err));
  }
  if (metadata->root == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "footer of %zu bytes without a schema",
                    self->reader.bytes.size);
  /* Some files state a wrong total: the row groups are what is read. */
  metadata->n_rows = 0;
  for (size_t i = 0; i < metadata->n_row_groups; i++)
    metadata->n_rows += metadata->row_groups[i].n_rows;
  return sift_statistics(self, err);
}

frz_status frz_parquet_metadata_parse(const void *data, size_t size, int64_t file_bytes,
                                      frz_arena *arena, frz_parquet_metadata *metadata_out,
                                      frz_error *err)
{
  footer_parser self = {.arena = arena, .file_bytes = file_bytes};
  frz_thrift_reader_init(&self.reader, data, size);
  FRZ_TRY(parse_file(&self, err));
  *metadata_out = self.metadata;
  return FRZ_OK;
}
