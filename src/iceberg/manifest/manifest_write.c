/*
 * manifest_write.c - write manifests and manifest lists.
 *
 * The columns that a format version has come from the table in manifest_field.c, for the schema and
 * for the values alike, so that both always agree. Files are written as a stream.
 *
 * What must stay true of what is written:
 *  1. Only ADDED entries leave the data sequence number null: it is inherited at commit. Files that
 *     were there before carry theirs.
 *  2. A manifest holds files of its content and of its spec only.
 *  3. Counts and sequence numbers that version 2 requires are known; counts that an old list lacks
 *     are taken from the manifest itself.
 *  4. Version 3: each data manifest has a first_row_id; one without takes the next after all rows
 *     that could be numbered before it.
 *
 * Source: Iceberg specification, "Manifests", "Manifest Lists", "First Row ID Assignment".
 */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "avro/avro_file.h"
#include "avro/avro_value.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/manifest/manifest_field.h"

enum { BLOCK_SIZE_DEFAULT = 64 << 20, META_MAX = 6, NUMBER_BYTES = 24 };

/* ---- values ---- */

/* The union branch of an optional value; a required one has none. */
static frz_status put_branch(frz_buf *out, bool required, bool is_null, frz_error *err)
{
  assert(!required || !is_null);
  return required ? FRZ_OK : frz_avro_write_long(out, is_null ? 0 : 1, err);
}

static frz_status put_long(frz_buf *out, bool required, int64_t value, bool is_null, frz_error *err)
{
  FRZ_TRY(put_branch(out, required, is_null, err));
  return is_null ? FRZ_OK : frz_avro_write_long(out, value, err);
}

/* -1 stands for absent. */
static frz_status put_known(frz_buf *out, bool required, int64_t value, frz_error *err)
{
  return put_long(out, required, value, !required && value < 0, err);
}

static frz_status put_text(frz_buf *out, bool required, frz_str text, frz_error *err)
{
  FRZ_TRY(put_branch(out, required, text.data == NULL, err));
  return text.data == NULL ? FRZ_OK : frz_avro_write_bytes(out, text, err);
}

static frz_status put_metrics(frz_buf *out, const frz_metric *metrics, size_t n, frz_error *err)
{
  FRZ_TRY(put_branch(out, false, n == 0, err));
  if (n == 0) return FRZ_OK;
  FRZ_TRY(frz_avro_write_long(out, (int64_t)n, err));
  for (size_t i = 0; i < n; i++) {
    FRZ_TRY(frz_avro_write_long(out, metrics[i].field_id, err));
    FRZ_TRY(frz_avro_write_long(out, metrics[i].value, err));
  }
  return frz_avro_write_long(out, 0, err);
}

static frz_status put_bounds(frz_buf *out, const frz_bound *bounds, size_t n, frz_error *err)
{
  FRZ_TRY(put_branch(out, false, n == 0, err));
  if (n == 0) return FRZ_OK;
  FRZ_TRY(frz_avro_write_long(out, (int64_t)n, err));
  for (size_t i = 0; i < n; i++) {
    FRZ_TRY(frz_avro_write_long(out, bounds[i].field_id, err));
    FRZ_TRY(frz_avro_write_bytes(out, bounds[i].bytes, err));
  }
  return frz_avro_write_long(out, 0, err);
}

static frz_status put_offsets(frz_buf *out, const frz_data_file *file, frz_error *err)
{
  size_t n = file->n_split_offsets;
  FRZ_TRY(put_branch(out, false, n == 0, err));
  if (n == 0) return FRZ_OK;
  FRZ_TRY(frz_avro_write_long(out, (int64_t)n, err));
  for (size_t i = 0; i < n; i++) FRZ_TRY(frz_avro_write_long(out, file->split_offsets[i], err));
  return frz_avro_write_long(out, 0, err);
}

static frz_status put_equality_ids(frz_buf *out, const frz_data_file *file, frz_error *err)
{
  size_t n = file->n_equality_ids;
  FRZ_TRY(put_branch(out, false, n == 0, err));
  if (n == 0) return FRZ_OK;
  FRZ_TRY(frz_avro_write_long(out, (int64_t)n, err));
  for (size_t i = 0; i < n; i++) FRZ_TRY(frz_avro_write_long(out, file->equality_ids[i], err));
  return frz_avro_write_long(out, 0, err);
}

static frz_status put_decimal(frz_buf *out, const frz_type *type, frz_int128 value, frz_error *err)
{
  uint8_t bytes[16];
  int32_t size = frz_manifest_decimal_bytes(type->precision);
  frz_int128 left = value;
  for (int32_t i = size; i-- > 0; left >>= 8) bytes[i] = (uint8_t)(left & 0xff);
  bool fits = size == 16 || left == ((bytes[0] & 0x80) != 0 ? -1 : 0);
  if (!fits)
    return frz_fail(err, FRZ_ERR_INVALID, "a decimal passes its precision of %" PRId32,
                    type->precision);
  return frz_buf_append(out, bytes, (size_t)size, err);
}

static frz_status put_fixed(frz_buf *out, frz_str bytes, size_t length, frz_error *err)
{
  if (bytes.size != length)
    return frz_fail(err, FRZ_ERR_INVALID, "%zu bytes, expected %zu", bytes.size, length);
  return length != 0 ? frz_buf_append(out, bytes.data, length, err) : FRZ_OK;
}

static frz_status put_literal(frz_buf *out, const frz_type *type, const frz_literal *value,
                              frz_error *err)
{
  frz_literal promoted;
  FRZ_TRY(put_branch(out, false, value->is_null, err));
  if (value->is_null) return FRZ_OK;
  if (value->kind != type->kind) {
    if (!frz_literal_promote(value, type, &promoted))
      return frz_fail(err, FRZ_ERR_INVALID, "a value of another type than its field's");
    value = &promoted;
  }
  switch (type->kind) {
  case FRZ_TYPE_BOOLEAN: return frz_avro_write_boolean(out, value->as.boolean, err);
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE: return frz_avro_write_long(out, value->as.i32, err);
  case FRZ_TYPE_LONG:
  case FRZ_TYPE_TIME:
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS: return frz_avro_write_long(out, value->as.i64, err);
  case FRZ_TYPE_FLOAT: return frz_avro_write_float(out, value->as.f32, err);
  case FRZ_TYPE_DOUBLE: return frz_avro_write_double(out, value->as.f64, err);
  case FRZ_TYPE_DECIMAL: return put_decimal(out, type, value->as.decimal, err);
  case FRZ_TYPE_UUID: return put_fixed(out, value->as.bytes, 16, err);
  case FRZ_TYPE_FIXED: return put_fixed(out, value->as.bytes, (size_t)type->length, err);
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_BINARY: return frz_avro_write_bytes(out, value->as.bytes, err);
  default: return frz_fail(err, FRZ_ERR_INVALID, "a partition value that is not a primitive");
  }
}

/* ---- manifests ---- */

typedef struct manifest_writer {
  const frz_table_metadata *metadata;
  const frz_partition_spec *spec;
  frz_type *types; /* by field of the spec */
  frz_manifest_content content;
  int32_t version;
  int64_t snapshot_id;
  frz_arena *arena;
  frz_manifest_file manifest; /* what is known of it so far */
  frz_field_summary *summaries;
  frz_literal *least, *greatest; /* by field; null: none yet */
} manifest_writer;

/* Is there nothing to be known of this type but from values (source column gone)? */
static frz_type type_of_values(const manifest_writer *w, const frz_manifest_entry *entries,
                               size_t n, size_t field)
{
  frz_type type = {.kind = FRZ_TYPE_INT}; /* all null: any type does */
  for (size_t i = 0; i < n; i++) {
    if (entries[i].file.partition.n_values != w->spec->n_fields) continue;
    const frz_literal *value = &entries[i].file.partition.values[field];
    if (value->is_null) continue;
    type.kind = value->kind;
    if (type.kind == FRZ_TYPE_DECIMAL) {
      type.precision = 38;
      type.scale = value->scale;
    }
    if (type.kind == FRZ_TYPE_FIXED) type.length = (int32_t)value->as.bytes.size;
    break;
  }
  return type;
}

static frz_status prepare(manifest_writer *w, const frz_manifest_entry *entries, size_t n_entries,
                          frz_error *err)
{
  size_t n = w->spec->n_fields;
  w->types = frz_arena_array(w->arena, n, sizeof *w->types);
  w->summaries = frz_arena_array(w->arena, n, sizeof *w->summaries);
  w->least = frz_arena_array(w->arena, n, sizeof *w->least);
  w->greatest = frz_arena_array(w->arena, n, sizeof *w->greatest);
  if (w->types == NULL || w->summaries == NULL || w->least == NULL || w->greatest == NULL)
    return frz_fail_nomem(err, "manifest");
  for (size_t i = 0; i < n; i++) {
    w->types[i] = frz_manifest_partition_type(w->metadata, &w->spec->fields[i]);
    if (w->types[i].kind == FRZ_TYPE_UNKNOWN)
      w->types[i] = type_of_values(w, entries, n_entries, i);
    w->least[i] = w->greatest[i] = frz_literal_null(w->types[i].kind);
  }
  return FRZ_OK;
}

static frz_status check_entry(const manifest_writer *w, const frz_manifest_entry *entry,
                              frz_error *err)
{
  const frz_data_file *file = &entry->file;
  bool is_delete = file->content != FRZ_CONTENT_DATA;
  const char *fault = NULL;
  if (file->path.data == NULL)
    fault = "has no path";
  else if (file->n_rows < 0 || file->size_bytes < 0)
    fault = "has no row count or size";
  else if (file->partition.n_values != w->spec->n_fields)
    fault = "has other partition fields";
  else if (is_delete != (w->content == FRZ_MANIFEST_DELETES))
    fault = "is of other content";
  else if (is_delete && w->version < 2)
    fault = "deletes rows, which version 1 does not have";
  else if (w->version >= 2 && entry->status != FRZ_ENTRY_ADDED && entry->data_sequence_number < 0)
    fault = "was there before and has no sequence number";
  if (fault == NULL) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "file '%.*s' %s", FRZ_STR_ARG(file->path), fault);
}

static frz_status put_partition(const manifest_writer *w, const frz_partition *partition,
                                frz_buf *out, frz_error *err)
{
  for (size_t i = 0; i < w->spec->n_fields; i++) {
    frz_status st = put_literal(out, &w->types[i], &partition->values[i], err);
    if (st != FRZ_OK) {
      frz_error_where(err, "partition field '%.*s': ", FRZ_STR_ARG(w->spec->fields[i].name));
      return st;
    }
  }
  return FRZ_OK;
}

static frz_str format_name(frz_file_format format)
{
  switch (format) {
  case FRZ_FORMAT_AVRO: return FRZ_STR("AVRO");
  case FRZ_FORMAT_ORC: return FRZ_STR("ORC");
  case FRZ_FORMAT_PUFFIN: return FRZ_STR("PUFFIN");
  case FRZ_FORMAT_PARQUET: break;
  }
  return FRZ_STR("PARQUET");
}

static frz_status put_file_column(const manifest_writer *w, const frz_data_file *f, int32_t id,
                                  bool required, frz_buf *out, frz_error *err)
{
  bool is_data = f->content == FRZ_CONTENT_DATA;
  switch (id) {
  case FRZ_ID_CONTENT: return put_long(out, required, (int64_t)f->content, false, err);
  case FRZ_ID_FILE_PATH: return put_text(out, required, f->path, err);
  case FRZ_ID_FILE_FORMAT: return put_text(out, required, format_name(f->format), err);
  case FRZ_ID_PARTITION: return put_partition(w, &f->partition, out, err);
  case FRZ_ID_RECORD_COUNT: return put_long(out, required, f->n_rows, false, err);
  case FRZ_ID_FILE_SIZE: return put_long(out, required, f->size_bytes, false, err);
  case FRZ_ID_BLOCK_SIZE: return put_long(out, required, BLOCK_SIZE_DEFAULT, false, err);
  case FRZ_ID_COLUMN_SIZES: return put_metrics(out, f->column_sizes, f->n_column_sizes, err);
  case FRZ_ID_VALUE_COUNTS: return put_metrics(out, f->value_counts, f->n_value_counts, err);
  case FRZ_ID_NULL_COUNTS: return put_metrics(out, f->null_counts, f->n_null_counts, err);
  case FRZ_ID_NAN_COUNTS: return put_metrics(out, f->nan_counts, f->n_nan_counts, err);
  case FRZ_ID_LOWER_BOUNDS: return put_bounds(out, f->lower_bounds, f->n_lower_bounds, err);
  case FRZ_ID_UPPER_BOUNDS: return put_bounds(out, f->upper_bounds, f->n_upper_bounds, err);
  case FRZ_ID_KEY_METADATA: return put_text(out, required, f->key_metadata, err);
  case FRZ_ID_SPLIT_OFFSETS: return put_offsets(out, f, err);
  case FRZ_ID_EQUALITY_IDS: return put_equality_ids(out, f, err);
  case FRZ_ID_SORT_ORDER_ID: return put_known(out, required, f->sort_order_id, err);
  case FRZ_ID_FIRST_ROW_ID: return put_known(out, required, is_data ? f->first_row_id : -1, err);
  case FRZ_ID_REFERENCED_DATA_FILE: return put_text(out, required, f->referenced_data_file, err);
  case FRZ_ID_CONTENT_OFFSET: return put_known(out, required, f->content_offset, err);
  default: assert(id == FRZ_ID_CONTENT_SIZE); break;
  }
  /* A length means nothing without its offset; callers leave it 0 then. */
  return put_known(out, required, f->content_offset >= 0 ? f->content_size_bytes : -1, err);
}

static frz_status put_file(const manifest_writer *w, const frz_data_file *file, frz_buf *out,
                           frz_error *err)
{
  size_t n;
  const frz_manifest_column *columns = frz_manifest_columns(FRZ_RECORD_FILE, &n);
  for (size_t i = 0; i < n; i++) {
    if (!frz_manifest_column_is_in(&columns[i], w->version)) continue;
    bool required = frz_manifest_column_is_required(&columns[i], w->version);
    FRZ_TRY(put_file_column(w, file, columns[i].id, required, out, err));
  }
  return FRZ_OK;
}

static frz_status put_entry(const manifest_writer *w, const frz_manifest_entry *entry, frz_buf *out,
                            frz_error *err)
{
  size_t n;
  const frz_manifest_column *columns = frz_manifest_columns(FRZ_RECORD_ENTRY, &n);
  for (size_t i = 0; i < n; i++) {
    if (!frz_manifest_column_is_in(&columns[i], w->version)) continue;
    bool required = frz_manifest_column_is_required(&columns[i], w->version);
    int64_t snapshot_id = entry->snapshot_id;
    /* Version 1 has no inheritance. */
    if (snapshot_id < 0 && required) snapshot_id = w->snapshot_id;
    switch (columns[i].id) {
    case FRZ_ID_STATUS: FRZ_TRY(put_long(out, required, (int64_t)entry->status, false, err)); break;
    case FRZ_ID_SNAPSHOT_ID: FRZ_TRY(put_known(out, required, snapshot_id, err)); break;
    case FRZ_ID_SEQUENCE_NUMBER:
      FRZ_TRY(put_known(out, required, entry->data_sequence_number, err));
      break;
    case FRZ_ID_FILE_SEQUENCE_NUMBER:
      FRZ_TRY(put_known(out, required, entry->file_sequence_number, err));
      break;
    default: FRZ_TRY(put_file(w, &entry->file, out, err));
    }
  }
  return FRZ_OK;
}

static void count_entry(frz_manifest_file *m, const frz_manifest_entry *entry)
{
  int64_t rows = entry->file.n_rows;
  switch (entry->status) {
  case FRZ_ENTRY_ADDED:
    m->n_added_files++;
    m->n_added_rows += rows;
    break;
  case FRZ_ENTRY_EXISTING:
    m->n_existing_files++;
    m->n_existing_rows += rows;
    break;
  case FRZ_ENTRY_DELETED:
    m->n_deleted_files++;
    m->n_deleted_rows += rows;
    return; /* not live: its sequence number bounds nothing */
  }
  int64_t sequence = entry->data_sequence_number;
  if (sequence >= 0 && (m->min_sequence_number < 0 || sequence < m->min_sequence_number))
    m->min_sequence_number = sequence;
}

static bool is_nan(const frz_literal *value)
{
  return (value->kind == FRZ_TYPE_FLOAT && isnan(value->as.f32)) ||
         (value->kind == FRZ_TYPE_DOUBLE && isnan(value->as.f64));
}

static void summarise(manifest_writer *w, const frz_partition *partition)
{
  for (size_t i = 0; i < w->spec->n_fields; i++) {
    const frz_literal *value = &partition->values[i];
    frz_literal promoted;
    if (value->is_null) {
      w->summaries[i].contains_null = true;
      continue;
    }
    if (value->kind != w->types[i].kind) {
      if (!frz_literal_promote(value, &w->types[i], &promoted)) continue; /* refused elsewhere */
      value = &promoted;
    }
    if (is_nan(value)) {
      w->summaries[i].contains_nan = 1;
      continue;
    }
    if (w->least[i].is_null || frz_literal_compare(value, &w->least[i]) < 0) w->least[i] = *value;
    if (w->greatest[i].is_null || frz_literal_compare(value, &w->greatest[i]) > 0)
      w->greatest[i] = *value;
  }
}

static frz_status keep_bound(manifest_writer *w, const frz_literal *value, frz_buf *scratch,
                             frz_str *bound_out, frz_error *err)
{
  if (value->is_null) return FRZ_OK;
  scratch->size = 0;
  FRZ_TRY(frz_literal_to_bytes(value, scratch, err));
  *bound_out = frz_arena_copy(w->arena, frz_buf_str(scratch));
  return bound_out->data != NULL ? FRZ_OK : frz_fail_nomem(err, "partition summary");
}

static frz_status finish_summaries(manifest_writer *w, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf scratch;
  frz_buf_init(&scratch, w->arena->alloc, FRZ_LIMIT_PAGE_BYTES);
  for (size_t i = 0; i < w->spec->n_fields; i++) {
    FRZ_TRY_OUT(keep_bound(w, &w->least[i], &scratch, &w->summaries[i].lower, err));
    FRZ_TRY_OUT(keep_bound(w, &w->greatest[i], &scratch, &w->summaries[i].upper, err));
  }
  w->manifest.partitions = w->summaries;
  w->manifest.n_partitions = w->spec->n_fields;
  w->manifest.has_partitions = true;
out:
  frz_buf_dispose(&scratch);
  return st;
}

static frz_status find_codec(const frz_table_metadata *metadata, frz_codec *codec_out,
                             frz_error *err)
{
  static const struct {
    const char *name;
    frz_codec codec;
  } codecs[] = {{"gzip", FRZ_CODEC_DEFLATE},  {"deflate", FRZ_CODEC_DEFLATE},
                {"zstd", FRZ_CODEC_ZSTD},     {"zstandard", FRZ_CODEC_ZSTD},
                {"snappy", FRZ_CODEC_SNAPPY}, {"uncompressed", FRZ_CODEC_NONE},
                {"none", FRZ_CODEC_NONE},     {"null", FRZ_CODEC_NONE}};
  frz_str name = frz_metadata_property(metadata, "write.avro.compression-codec");
  if (name.data == NULL) name = FRZ_STR("gzip");
  for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
    if (!frz_str_is_word(name, codecs[i].name)) continue;
    *codec_out = codecs[i].codec;
    return FRZ_OK;
  }
  return frz_fail(err, FRZ_ERR_INVALID, "write.avro.compression-codec is '%.*s'",
                  FRZ_STR_ARG(name));
}

/* One file on its way: sink, writer and header texts. */
typedef struct avro_output {
  frz_sink *sink;
  frz_avro_writer *writer;
  frz_buf schema; /* Avro's */
  frz_buf texts;  /* of the header's metadata */
  frz_avro_meta meta[META_MAX];
  size_t n_meta;
} avro_output;

static void output_init(avro_output *output, const frz_alloc *alloc)
{
  *output = (avro_output){0};
  frz_buf_init(&output->schema, alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_buf_init(&output->texts, alloc, FRZ_LIMIT_METADATA_BYTES);
}

static void output_dispose(avro_output *output)
{
  frz_avro_writer_free(output->writer);
  frz_sink_free(output->sink);
  frz_buf_dispose(&output->schema);
  frz_buf_dispose(&output->texts);
}

static void add_meta(avro_output *output, const char *key, frz_str value)
{
  assert(output->n_meta < META_MAX);
  output->meta[output->n_meta++] = (frz_avro_meta){frz_str_from(key), value};
}

static frz_str number_text(char text[NUMBER_BYTES], int64_t value)
{
  int size = snprintf(text, NUMBER_BYTES, "%" PRId64, value);
  return (frz_str){text, (size_t)size};
}

static frz_status output_open(avro_output *output, frz_storage *storage,
                              const frz_table_metadata *metadata, const frz_alloc *alloc,
                              frz_str path, frz_error *err)
{
  frz_codec codec = FRZ_CODEC_NONE;
  FRZ_TRY(find_codec(metadata, &codec, err));
  FRZ_TRY(frz_storage_create_file(storage, path, false, &output->sink, err));
  return frz_avro_writer_create(alloc, output->sink, frz_buf_str(&output->schema), output->meta,
                                output->n_meta, codec, &output->writer, err);
}

static frz_status output_close(avro_output *output, int64_t *size_out, frz_error *err)
{
  FRZ_TRY(frz_avro_writer_finish(output->writer, err));
  int64_t size = output->sink->written_bytes;
  FRZ_TRY(frz_sink_commit(output->sink, err));
  *size_out = size;
  return FRZ_OK;
}

/* The table schema and the spec's fields as JSON, one behind the other in `texts`. */
static frz_status write_table_texts(const manifest_writer *w, const frz_schema *schema,
                                    frz_buf *texts, size_t *schema_bytes_out, frz_error *err)
{
  frz_json_writer json;
  frz_json_writer_init(&json, texts);
  frz_schema_write(&json, schema);
  FRZ_TRY(frz_json_writer_finish(&json, err));
  *schema_bytes_out = texts->size;
  frz_json_writer_init(&json, texts);
  frz_partition_fields_write(&json, w->spec);
  return frz_json_writer_finish(&json, err);
}

static frz_status open_manifest(const manifest_writer *w, frz_storage *storage, frz_str path,
                                avro_output *output, frz_error *err)
{
  char numbers[3][NUMBER_BYTES];
  size_t schema_bytes;
  const frz_schema *schema = frz_metadata_current_schema(w->metadata);
  FRZ_TRY(frz_manifest_write_schema(FRZ_RECORD_ENTRY, w->version, w->spec, w->types,
                                    &output->schema, err));
  FRZ_TRY(write_table_texts(w, schema, &output->texts, &schema_bytes, err));
  const char *texts = (const char *)output->texts.data;
  add_meta(output, "schema", (frz_str){texts, schema_bytes});
  add_meta(output, "schema-id", number_text(numbers[0], schema->schema_id));
  add_meta(output, "partition-spec",
           (frz_str){texts + schema_bytes, output->texts.size - schema_bytes});
  add_meta(output, "partition-spec-id", number_text(numbers[1], w->spec->spec_id));
  add_meta(output, "format-version", number_text(numbers[2], w->version));
  if (w->version >= 2)
    add_meta(output, "content",
             w->content == FRZ_MANIFEST_DATA ? FRZ_STR("data") : FRZ_STR("deletes"));
  return output_open(output, storage, w->metadata, w->arena->alloc, path, err);
}

static frz_status write_entries(manifest_writer *w, avro_output *output,
                                const frz_manifest_entry *entries, size_t n_entries, frz_error *err)
{
  for (size_t i = 0; i < n_entries; i++) {
    FRZ_TRY(check_entry(w, &entries[i], err));
    frz_status st = put_entry(w, &entries[i], frz_avro_writer_record(output->writer), err);
    if (st != FRZ_OK) {
      frz_error_where(err, "file '%.*s': ", FRZ_STR_ARG(entries[i].file.path));
      return st;
    }
    FRZ_TRY(frz_avro_writer_end_record(output->writer, err));
    count_entry(&w->manifest, &entries[i]);
    summarise(w, &entries[i].file.partition);
  }
  return FRZ_OK;
}

frz_status frz_manifest_write(frz_storage *storage, const frz_table_metadata *metadata,
                              const frz_partition_spec *spec, frz_manifest_content content,
                              frz_str path, int64_t snapshot_id, const frz_manifest_entry *entries,
                              size_t n_entries, frz_arena *arena, frz_manifest_file *manifest_out,
                              frz_error *err)
{
  manifest_writer w = {.metadata = metadata,
                       .spec = spec,
                       .content = content,
                       .version = metadata->format_version,
                       .snapshot_id = snapshot_id,
                       .arena = arena,
                       .manifest = {.spec_id = spec->spec_id,
                                    .content = content,
                                    .sequence_number = -1,
                                    .min_sequence_number = -1,
                                    .added_snapshot_id = snapshot_id,
                                    .first_row_id = -1}};
  frz_status st = FRZ_OK;
  avro_output output;
  output_init(&output, arena->alloc);
  FRZ_TRY_OUT(prepare(&w, entries, n_entries, err));
  FRZ_TRY_OUT(open_manifest(&w, storage, path, &output, err));
  FRZ_TRY_OUT(write_entries(&w, &output, entries, n_entries, err));
  FRZ_TRY_OUT(finish_summaries(&w, err));
  w.manifest.path = frz_arena_copy(arena, path);
  if (w.manifest.path.data == NULL) {
    st = frz_fail_nomem(err, "manifest");
    goto out;
  }
  FRZ_TRY_OUT(output_close(&output, &w.manifest.length_bytes, err));
  *manifest_out = w.manifest;
out:
  if (st != FRZ_OK) frz_error_where(err, "manifest '%.*s': ", FRZ_STR_ARG(path));
  output_dispose(&output);
  return st;
}

/* ---- manifest lists ---- */

static frz_status put_summaries(const frz_manifest_file *m, frz_buf *out, frz_error *err)
{
  FRZ_TRY(put_branch(out, false, !m->has_partitions, err));
  if (!m->has_partitions) return FRZ_OK;
  if (m->n_partitions != 0) FRZ_TRY(frz_avro_write_long(out, (int64_t)m->n_partitions, err));
  for (size_t i = 0; i < m->n_partitions; i++) {
    const frz_field_summary *summary = &m->partitions[i];
    bool is_unknown = summary->contains_nan < 0;
    FRZ_TRY(frz_avro_write_boolean(out, summary->contains_null, err));
    FRZ_TRY(put_branch(out, false, is_unknown, err));
    if (!is_unknown) FRZ_TRY(frz_avro_write_boolean(out, summary->contains_nan != 0, err));
    FRZ_TRY(put_text(out, false, summary->lower, err));
    FRZ_TRY(put_text(out, false, summary->upper, err));
  }
  return frz_avro_write_long(out, 0, err);
}

static frz_status put_manifest_column(const frz_manifest_file *m, int32_t id, bool required,
                                      frz_buf *out, frz_error *err)
{
  switch (id) {
  case FRZ_ID_MANIFEST_PATH: return put_text(out, required, m->path, err);
  case FRZ_ID_MANIFEST_LENGTH: return put_long(out, required, m->length_bytes, false, err);
  case FRZ_ID_PARTITION_SPEC_ID: return put_long(out, required, m->spec_id, false, err);
  case FRZ_ID_MANIFEST_CONTENT: return put_long(out, required, (int64_t)m->content, false, err);
  case FRZ_ID_MANIFEST_SEQUENCE: return put_long(out, required, m->sequence_number, false, err);
  case FRZ_ID_MANIFEST_MIN_SEQUENCE:
    return put_long(out, required, m->min_sequence_number, false, err);
  case FRZ_ID_ADDED_SNAPSHOT_ID: return put_long(out, required, m->added_snapshot_id, false, err);
  case FRZ_ID_ADDED_FILES: return put_known(out, required, m->n_added_files, err);
  case FRZ_ID_EXISTING_FILES: return put_known(out, required, m->n_existing_files, err);
  case FRZ_ID_DELETED_FILES: return put_known(out, required, m->n_deleted_files, err);
  case FRZ_ID_ADDED_ROWS: return put_known(out, required, m->n_added_rows, err);
  case FRZ_ID_EXISTING_ROWS: return put_known(out, required, m->n_existing_rows, err);
  case FRZ_ID_DELETED_ROWS: return put_known(out, required, m->n_deleted_rows, err);
  case FRZ_ID_PARTITIONS: return put_summaries(m, out, err);
  case FRZ_ID_MANIFEST_KEY_METADATA: return put_text(out, required, m->key_metadata, err);
  default: break;
  }
  assert(id == FRZ_ID_MANIFEST_FIRST_ROW_ID);
  return put_known(out, required, m->content == FRZ_MANIFEST_DATA ? m->first_row_id : -1, err);
}

static frz_status put_manifest(const frz_manifest_file *m, int32_t version, frz_buf *out,
                               frz_error *err)
{
  size_t n;
  const frz_manifest_column *columns = frz_manifest_columns(FRZ_RECORD_MANIFEST, &n);
  for (size_t i = 0; i < n; i++) {
    if (!frz_manifest_column_is_in(&columns[i], version)) continue;
    bool required = frz_manifest_column_is_required(&columns[i], version);
    FRZ_TRY(put_manifest_column(m, columns[i].id, required, out, err));
  }
  return FRZ_OK;
}

static bool has_counts(const frz_manifest_file *m)
{
  return m->n_added_files >= 0 && m->n_existing_files >= 0 && m->n_deleted_files >= 0 &&
         m->n_added_rows >= 0 && m->n_existing_rows >= 0 && m->n_deleted_rows >= 0;
}

/* Rule 3: count what a list of version 1 left out. */
static frz_status fill_counts(frz_storage *storage, const frz_table_metadata *metadata,
                              frz_manifest_file *m, frz_error *err)
{
  frz_arena arena;
  const frz_manifest_entry *entries;
  size_t n;
  const int32_t no_metrics = 0;
  frz_arena_init(&arena, metadata->arena.alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  frz_status st =
      frz_manifest_read(storage, metadata, m, true, &no_metrics, 0, &arena, &entries, &n, err);
  if (st == FRZ_OK) {
    frz_manifest_file counted = {0};
    for (size_t i = 0; i < n; i++) count_entry(&counted, &entries[i]);
    m->n_added_files = counted.n_added_files;
    m->n_existing_files = counted.n_existing_files;
    m->n_deleted_files = counted.n_deleted_files;
    m->n_added_rows = counted.n_added_rows;
    m->n_existing_rows = counted.n_existing_rows;
    m->n_deleted_rows = counted.n_deleted_rows;
  }
  frz_arena_free(&arena);
  return st;
}

/* Fill in what the commit decides: sequence numbers, and row ids from `*next_row_id` on. */
static frz_status resolve_manifest(frz_storage *storage, const frz_table_metadata *metadata,
                                   const frz_snapshot *snapshot, frz_manifest_file *m,
                                   int64_t *next_row_id, frz_error *err)
{
  int32_t version = metadata->format_version;
  if (m->path.data == NULL || m->length_bytes <= 0 || m->added_snapshot_id < 0)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "manifest '%.*s' of %" PRId64 " bytes, added by snapshot %" PRId64,
                    FRZ_STR_ARG(m->path), m->length_bytes, m->added_snapshot_id);
  if (version < 2 && m->content != FRZ_MANIFEST_DATA)
    return frz_fail(err, FRZ_ERR_INVALID, "manifest '%.*s' has deletes, which version 1 has not",
                    FRZ_STR_ARG(m->path));
  if (m->sequence_number < 0) m->sequence_number = snapshot->sequence_number;
  if (m->min_sequence_number < 0) m->min_sequence_number = m->sequence_number;
  if (version >= 2 && !has_counts(m)) FRZ_TRY(fill_counts(storage, metadata, m, err));
  if (version < 3 || m->content != FRZ_MANIFEST_DATA || m->first_row_id >= 0) return FRZ_OK;
  if (*next_row_id < 0)
    return frz_fail(err, FRZ_ERR_INVALID, "snapshot %" PRId64 " has no first row id",
                    snapshot->snapshot_id);
  m->first_row_id = *next_row_id;
  int64_t rows;
  if (__builtin_add_overflow(m->n_added_rows, m->n_existing_rows, &rows) ||
      __builtin_add_overflow(*next_row_id, rows, next_row_id))
    return frz_fail(err, FRZ_ERR_LIMIT, "row ids pass 64 bits at manifest '%.*s'",
                    FRZ_STR_ARG(m->path));
  return FRZ_OK;
}

static frz_status open_list(frz_storage *storage, const frz_table_metadata *metadata,
                            const frz_snapshot *snapshot, frz_str path, avro_output *output,
                            frz_error *err)
{
  char numbers[5][NUMBER_BYTES];
  int32_t version = metadata->format_version;
  FRZ_TRY(
      frz_manifest_write_schema(FRZ_RECORD_MANIFEST, version, NULL, NULL, &output->schema, err));
  add_meta(output, "snapshot-id", number_text(numbers[0], snapshot->snapshot_id));
  add_meta(output, "parent-snapshot-id",
           snapshot->parent_id >= 0 ? number_text(numbers[1], snapshot->parent_id)
                                    : FRZ_STR("null"));
  if (version >= 2)
    add_meta(output, "sequence-number", number_text(numbers[2], snapshot->sequence_number));
  if (version >= 3)
    add_meta(output, "first-row-id", number_text(numbers[3], snapshot->first_row_id));
  add_meta(output, "format-version", number_text(numbers[4], version));
  return output_open(output, storage, metadata, metadata->arena.alloc, path, err);
}

frz_status frz_manifest_list_write(frz_storage *storage, const frz_table_metadata *metadata,
                                   const frz_snapshot *snapshot, frz_str path,
                                   const frz_manifest_file *manifests, size_t n_manifests,
                                   int64_t *next_row_id_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  int64_t size;
  int64_t next_row_id = snapshot->first_row_id;
  avro_output output;
  output_init(&output, metadata->arena.alloc);
  FRZ_TRY_OUT(open_list(storage, metadata, snapshot, path, &output, err));
  for (size_t i = 0; i < n_manifests; i++) {
    frz_manifest_file manifest = manifests[i];
    FRZ_TRY_OUT(resolve_manifest(storage, metadata, snapshot, &manifest, &next_row_id, err));
    FRZ_TRY_OUT(put_manifest(&manifest, metadata->format_version,
                             frz_avro_writer_record(output.writer), err));
    FRZ_TRY_OUT(frz_avro_writer_end_record(output.writer, err));
  }
  FRZ_TRY_OUT(output_close(&output, &size, err));
  if (next_row_id_out != NULL) *next_row_id_out = next_row_id;
out:
  if (st != FRZ_OK) frz_error_where(err, "manifest list '%.*s': ", FRZ_STR_ARG(path));
  output_dispose(&output);
  return st;
}
