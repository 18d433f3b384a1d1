/*
 * manifest_field.c - the columns of manifests, and the Avro schemas made from them.
 *
 * Record names (manifest_entry, r2, r102, manifest_file, r508, k<key>_v<value>), field ids, the map
 * logical type and nullable unions with null first are what other readers of Iceberg's Avro files
 * rely on. Names that Avro forbids are rewritten as the Java library does, and the name as it was
 * is kept beside.
 *
 * Source: Iceberg specification, "Manifests", "Manifest Lists", appendix A "Avro".
 */
#include "iceberg/manifest/manifest_field.h"

#include <assert.h>
#include <stdio.h>

#include "text/json_writer.h"
#include "text/utf8.h"

enum { EVER = 1000 }; /* no last version */

#define OPTIONAL(id, name, kind, first, doc)                    \
  {                                                             \
    id, name, FRZ_COLUMN_##kind, {0, 0}, first, EVER, 0, 0, doc \
  }
#define REQUIRED(id, name, kind, first, required, doc)                    \
  {                                                                       \
    id, name, FRZ_COLUMN_##kind, {0, 0}, first, EVER, required, EVER, doc \
  }
#define INNER(id, name, kind, key, value, first, doc)                 \
  {                                                                   \
    id, name, FRZ_COLUMN_##kind, {key, value}, first, EVER, 0, 0, doc \
  }

static const frz_manifest_column entry_columns[] = {
    REQUIRED(FRZ_ID_STATUS, "status", INT, 1, 1, NULL),
    {FRZ_ID_SNAPSHOT_ID, "snapshot_id", FRZ_COLUMN_LONG, {0, 0}, 1, EVER, 1, 1, NULL},
    OPTIONAL(FRZ_ID_SEQUENCE_NUMBER, "sequence_number", LONG, 2, NULL),
    OPTIONAL(FRZ_ID_FILE_SEQUENCE_NUMBER, "file_sequence_number", LONG, 2, NULL),
    REQUIRED(FRZ_ID_DATA_FILE, "data_file", FILE, 1, 1, NULL),
};

static const frz_manifest_column file_columns[] = {
    REQUIRED(FRZ_ID_CONTENT, "content", INT, 2, 2,
             "0: data, 1: position deletes, 2: equality deletes"),
    REQUIRED(FRZ_ID_FILE_PATH, "file_path", STRING, 1, 1, "Location of the file"),
    REQUIRED(FRZ_ID_FILE_FORMAT, "file_format", STRING, 1, 1, "avro, orc, parquet or puffin"),
    REQUIRED(FRZ_ID_PARTITION, "partition", PARTITION, 1, 1, "Partition values, by the spec"),
    REQUIRED(FRZ_ID_RECORD_COUNT, "record_count", LONG, 1, 1, "Rows in the file"),
    REQUIRED(FRZ_ID_FILE_SIZE, "file_size_in_bytes", LONG, 1, 1, "Bytes of the file"),
    {FRZ_ID_BLOCK_SIZE, "block_size_in_bytes", FRZ_COLUMN_LONG, {0, 0}, 1, 1, 1, 1, NULL},
    INNER(FRZ_ID_COLUMN_SIZES, "column_sizes", MAP_LONG, 117, 118, 1, "Bytes by column id"),
    INNER(FRZ_ID_VALUE_COUNTS, "value_counts", MAP_LONG, 119, 120, 1,
          "Values by column id, null and NaN counted"),
    INNER(FRZ_ID_NULL_COUNTS, "null_value_counts", MAP_LONG, 121, 122, 1, "Nulls by column id"),
    INNER(FRZ_ID_NAN_COUNTS, "nan_value_counts", MAP_LONG, 138, 139, 1, "NaNs by column id"),
    INNER(FRZ_ID_LOWER_BOUNDS, "lower_bounds", MAP_BINARY, 126, 127, 1, "Lower bound by column id"),
    INNER(FRZ_ID_UPPER_BOUNDS, "upper_bounds", MAP_BINARY, 129, 130, 1, "Upper bound by column id"),
    OPTIONAL(FRZ_ID_KEY_METADATA, "key_metadata", BINARY, 1, "Encryption key metadata"),
    INNER(FRZ_ID_SPLIT_OFFSETS, "split_offsets", LIST_LONG, 133, 0, 1, "Offsets to split at"),
    INNER(FRZ_ID_EQUALITY_IDS, "equality_ids", LIST_INT, 136, 0, 2,
          "Field ids that equality deletes compare"),
    OPTIONAL(FRZ_ID_SORT_ORDER_ID, "sort_order_id", INT, 1, "Sort order of the rows"),
    OPTIONAL(FRZ_ID_FIRST_ROW_ID, "first_row_id", LONG, 3, "Row id of the first row"),
    OPTIONAL(FRZ_ID_REFERENCED_DATA_FILE, "referenced_data_file", STRING, 2,
             "Location of the only data file that the deletes are for"),
    OPTIONAL(FRZ_ID_CONTENT_OFFSET, "content_offset", LONG, 3, "Where the content starts"),
    OPTIONAL(FRZ_ID_CONTENT_SIZE, "content_size_in_bytes", LONG, 3, "Bytes of the content"),
};

static const frz_manifest_column manifest_columns[] = {
    REQUIRED(FRZ_ID_MANIFEST_PATH, "manifest_path", STRING, 1, 1, "Location of the manifest"),
    REQUIRED(FRZ_ID_MANIFEST_LENGTH, "manifest_length", LONG, 1, 1, "Bytes of the manifest"),
    REQUIRED(FRZ_ID_PARTITION_SPEC_ID, "partition_spec_id", INT, 1, 1, "Spec of its files"),
    REQUIRED(FRZ_ID_MANIFEST_CONTENT, "content", INT, 2, 2, "0: data, 1: deletes"),
    REQUIRED(FRZ_ID_MANIFEST_SEQUENCE, "sequence_number", LONG, 2, 2,
             "Sequence number when the manifest was added"),
    REQUIRED(FRZ_ID_MANIFEST_MIN_SEQUENCE, "min_sequence_number", LONG, 2, 2,
             "Least data sequence number of its files"),
    REQUIRED(FRZ_ID_ADDED_SNAPSHOT_ID, "added_snapshot_id", LONG, 1, 1,
             "Snapshot that added the manifest"),
    REQUIRED(FRZ_ID_ADDED_FILES, "added_files_count", INT, 1, 2, "Entries added"),
    REQUIRED(FRZ_ID_EXISTING_FILES, "existing_files_count", INT, 1, 2, "Entries kept"),
    REQUIRED(FRZ_ID_DELETED_FILES, "deleted_files_count", INT, 1, 2, "Entries deleted"),
    REQUIRED(FRZ_ID_ADDED_ROWS, "added_rows_count", LONG, 1, 2, "Rows of entries added"),
    REQUIRED(FRZ_ID_EXISTING_ROWS, "existing_rows_count", LONG, 1, 2, "Rows of entries kept"),
    REQUIRED(FRZ_ID_DELETED_ROWS, "deleted_rows_count", LONG, 1, 2, "Rows of entries deleted"),
    INNER(FRZ_ID_PARTITIONS, "partitions", SUMMARIES, 508, 0, 1, "Summary by partition field"),
    OPTIONAL(FRZ_ID_MANIFEST_KEY_METADATA, "key_metadata", BINARY, 1, "Encryption key metadata"),
    OPTIONAL(FRZ_ID_MANIFEST_FIRST_ROW_ID, "first_row_id", LONG, 3,
             "Row id from which added files count on"),
};

static const frz_manifest_column summary_columns[] = {
    REQUIRED(FRZ_ID_CONTAINS_NULL, "contains_null", BOOLEAN, 1, 1, "Is any value null?"),
    OPTIONAL(FRZ_ID_CONTAINS_NAN, "contains_nan", BOOLEAN, 1, "Is any value NaN?"),
    OPTIONAL(FRZ_ID_LOWER_BOUND, "lower_bound", BINARY, 1, "Least value"),
    OPTIONAL(FRZ_ID_UPPER_BOUND, "upper_bound", BINARY, 1, "Greatest value"),
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

const frz_manifest_column *frz_manifest_columns(frz_manifest_record record, size_t *n_out)
{
  switch (record) {
  case FRZ_RECORD_ENTRY: *n_out = COUNT(entry_columns); return entry_columns;
  case FRZ_RECORD_FILE: *n_out = COUNT(file_columns); return file_columns;
  case FRZ_RECORD_MANIFEST: *n_out = COUNT(manifest_columns); return manifest_columns;
  case FRZ_RECORD_SUMMARY: break;
  }
  *n_out = COUNT(summary_columns);
  return summary_columns;
}

int32_t frz_manifest_field_id(frz_manifest_record record, frz_str name)
{
  size_t n;
  const frz_manifest_column *columns = frz_manifest_columns(record, &n);
  for (size_t i = 0; i < n; i++)
    if (frz_str_is(name, columns[i].name)) return columns[i].id;
  return -1;
}

const char *frz_manifest_field_name(int32_t field_id)
{
  for (int record = FRZ_RECORD_ENTRY; record <= FRZ_RECORD_SUMMARY; record++) {
    size_t n;
    const frz_manifest_column *columns = frz_manifest_columns((frz_manifest_record)record, &n);
    for (size_t i = 0; i < n; i++)
      if (columns[i].id == field_id) return columns[i].name;
  }
  return "?";
}

frz_type frz_manifest_partition_type(const frz_table_metadata *metadata,
                                     const frz_partition_field *field)
{
  frz_type unknown = {.kind = FRZ_TYPE_UNKNOWN};
  if (field->transform.kind == FRZ_TRANSFORM_UNKNOWN) return unknown;
  const frz_schema *current = frz_metadata_current_schema(metadata);
  frz_type type = current != NULL ? frz_partition_field_type(field, current) : unknown;
  for (size_t i = metadata->n_schemas; i > 0 && type.kind == FRZ_TYPE_UNKNOWN; i--)
    type = frz_partition_field_type(field, &metadata->schemas[i - 1]);
  return type;
}

int32_t frz_manifest_decimal_bytes(int32_t precision)
{
  static const int8_t bytes[] = {1,  1,  2,  2,  3,  3,  4,  4,  4,  5,  5,  6,  6,
                                 6,  7,  7,  8,  8,  9,  9,  9,  10, 10, 11, 11, 11,
                                 12, 12, 13, 13, 13, 14, 14, 15, 15, 16, 16, 16};
  assert(precision >= 1 && precision <= 38);
  return bytes[precision - 1];
}

/* ---- names ---- */

static bool is_letter(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static bool is_valid_name(frz_str name)
{
  for (size_t i = 0; i < name.size; i++)
    if (!is_letter(name.data[i]) && (i == 0 || !is_digit(name.data[i]))) return false;
  return name.size != 0;
}

/* The code point of one well-formed sequence of `n` bytes. */
static uint32_t code_point(const char *at, size_t n)
{
  uint32_t code = n == 1 ? (uint8_t)at[0] : (uint32_t)((uint8_t)at[0] & (0x7f >> n));
  for (size_t i = 1; i < n; i++) code = code << 6 | ((uint8_t)at[i] & 0x3f);
  return code;
}

/* "_x" and the number in hex: by UTF-16 unit, as the Java library counts characters. */
static frz_status put_escaped(frz_buf *out, uint32_t code, frz_error *err)
{
  if (code < 0x10000) return frz_buf_print(out, err, "_x%X", (unsigned)code);
  code -= 0x10000;
  return frz_buf_print(out, err, "_x%X_x%X", (unsigned)(0xd800 + (code >> 10)),
                       (unsigned)(0xdc00 + (code & 0x3ff)));
}

static frz_status sanitize(frz_str name, frz_buf *out, frz_error *err)
{
  for (size_t i = 0; i < name.size;) {
    char c = name.data[i];
    size_t step = frz_utf8_step(name.data + i, name.size - i);
    if (step == 0)
      return frz_fail(err, FRZ_ERR_INVALID, "partition field name '%.*s' is not UTF-8",
                      FRZ_STR_ARG(name));
    if (is_letter(c) || (i != 0 && is_digit(c))) {
      FRZ_TRY(frz_buf_append_byte(out, (uint8_t)c, err));
    } else if (is_digit(c)) {
      FRZ_TRY(frz_buf_print(out, err, "_%c", c));
    } else {
      FRZ_TRY(put_escaped(out, code_point(name.data + i, step), err));
    }
    i += step;
  }
  return FRZ_OK;
}

/* ---- schemas ---- */

typedef struct schema_writer {
  frz_json_writer json;
  int32_t version;
  const frz_partition_spec *spec;
  const frz_type *types;
  const frz_alloc *alloc;
} schema_writer;

static void put_text(schema_writer *w, const char *key, const char *text)
{
  frz_json_write_key(&w->json, key);
  frz_json_write_string(&w->json, frz_str_from(text));
}

static void put_number(schema_writer *w, const char *key, int64_t number)
{
  frz_json_write_key(&w->json, key);
  frz_json_write_i64(&w->json, number);
}

static void record_begin(schema_writer *w, const char *name)
{
  frz_json_write_object_begin(&w->json);
  put_text(w, "type", "record");
  put_text(w, "name", name);
  frz_json_write_key(&w->json, "fields");
  frz_json_write_array_begin(&w->json);
}

static void record_end(schema_writer *w)
{
  frz_json_write_array_end(&w->json);
  frz_json_write_object_end(&w->json);
}

static void put_map(schema_writer *w, const frz_manifest_column *column)
{
  char name[32];
  snprintf(name, sizeof name, "k%d_v%d", (int)column->inner_ids[0], (int)column->inner_ids[1]);
  frz_json_write_object_begin(&w->json);
  put_text(w, "type", "array");
  frz_json_write_key(&w->json, "items");
  frz_json_write_object_begin(&w->json);
  put_text(w, "type", "record");
  put_text(w, "name", name);
  frz_json_write_key(&w->json, "fields");
  frz_json_write_array_begin(&w->json);
  for (int i = 0; i < 2; i++) {
    bool is_binary = column->kind == FRZ_COLUMN_MAP_BINARY;
    frz_json_write_object_begin(&w->json);
    put_text(w, "name", i == 0 ? "key" : "value");
    put_text(w, "type", i == 0 ? "int" : is_binary ? "bytes" : "long");
    put_number(w, "field-id", column->inner_ids[i]);
    frz_json_write_object_end(&w->json);
  }
  record_end(w);
  put_text(w, "logicalType", "map");
  frz_json_write_object_end(&w->json);
}

static void put_long_logical(schema_writer *w, const char *logical, int adjust)
{
  put_text(w, "type", "long");
  put_text(w, "logicalType", logical);
  if (adjust < 0) return;
  frz_json_write_key(&w->json, "adjust-to-utc");
  frz_json_write_bool(&w->json, adjust != 0);
}

/* A fixed type needs a name of its own: a second one alike gets its field's id behind it. */
static void put_fixed(schema_writer *w, size_t at, const char *name, int32_t size)
{
  const frz_type *type = &w->types[at];
  char unique[96];
  bool is_twin = false;
  for (size_t i = 0; i < at; i++)
    is_twin |= w->types[i].kind == type->kind && w->types[i].length == type->length &&
               w->types[i].precision == type->precision && w->types[i].scale == type->scale;
  if (is_twin) {
    snprintf(unique, sizeof unique, "%s_%d", name, (int)w->spec->fields[at].field_id);
    name = unique;
  }
  put_text(w, "type", "fixed");
  put_text(w, "name", name);
  put_number(w, "size", size);
}

/* The members of the object that describes a partition value's type. */
static void put_logical(schema_writer *w, size_t at)
{
  const frz_type *type = &w->types[at];
  char name[64];
  switch (type->kind) {
  case FRZ_TYPE_DATE:
    put_text(w, "type", "int");
    put_text(w, "logicalType", "date");
    break;
  case FRZ_TYPE_TIME: put_long_logical(w, "time-micros", -1); break;
  case FRZ_TYPE_TIMESTAMP: put_long_logical(w, "timestamp-micros", 0); break;
  case FRZ_TYPE_TIMESTAMPTZ: put_long_logical(w, "timestamp-micros", 1); break;
  case FRZ_TYPE_TIMESTAMP_NS: put_long_logical(w, "timestamp-nanos", 0); break;
  case FRZ_TYPE_TIMESTAMPTZ_NS: put_long_logical(w, "timestamp-nanos", 1); break;
  case FRZ_TYPE_UUID:
    put_fixed(w, at, "uuid_fixed", 16);
    put_text(w, "logicalType", "uuid");
    break;
  case FRZ_TYPE_FIXED:
    snprintf(name, sizeof name, "fixed_%d", (int)type->length);
    put_fixed(w, at, name, type->length);
    break;
  default:
    assert(type->kind == FRZ_TYPE_DECIMAL);
    snprintf(name, sizeof name, "decimal_%d_%d", (int)type->precision, (int)type->scale);
    put_fixed(w, at, name, frz_manifest_decimal_bytes(type->precision));
    put_text(w, "logicalType", "decimal");
    put_number(w, "precision", type->precision);
    put_number(w, "scale", type->scale);
  }
}

static void put_partition_type(schema_writer *w, size_t at)
{
  const char *plain = NULL;
  switch (w->types[at].kind) {
  case FRZ_TYPE_BOOLEAN: plain = "boolean"; break;
  case FRZ_TYPE_INT: plain = "int"; break;
  case FRZ_TYPE_LONG: plain = "long"; break;
  case FRZ_TYPE_FLOAT: plain = "float"; break;
  case FRZ_TYPE_DOUBLE: plain = "double"; break;
  case FRZ_TYPE_STRING: plain = "string"; break;
  case FRZ_TYPE_BINARY: plain = "bytes"; break;
  default: break;
  }
  if (plain != NULL) {
    frz_json_write_string(&w->json, frz_str_from(plain));
    return;
  }
  frz_json_write_object_begin(&w->json);
  put_logical(w, at);
  frz_json_write_object_end(&w->json);
}

static frz_status put_partition_field(schema_writer *w, size_t at, frz_error *err)
{
  const frz_partition_field *field = &w->spec->fields[at];
  frz_buf name;
  frz_buf_init(&name, w->alloc, (size_t)1 << 20);
  frz_status st = sanitize(field->name, &name, err);
  if (st == FRZ_OK) {
    frz_json_write_object_begin(&w->json);
    frz_json_write_key(&w->json, "name");
    frz_json_write_string(&w->json, frz_buf_str(&name));
    frz_json_write_key(&w->json, "type");
    frz_json_write_array_begin(&w->json);
    frz_json_write_string(&w->json, FRZ_STR("null"));
    put_partition_type(w, at);
    frz_json_write_array_end(&w->json);
    frz_json_write_key(&w->json, "default");
    frz_json_write_null(&w->json);
    if (!is_valid_name(field->name)) {
      frz_json_write_key(&w->json, "iceberg-field-name");
      frz_json_write_string(&w->json, field->name);
    }
    put_number(w, "field-id", field->field_id);
    frz_json_write_object_end(&w->json);
  }
  frz_buf_dispose(&name);
  return st;
}

static frz_status put_columns(schema_writer *w, frz_manifest_record record, const char *name,
                              frz_error *err);

static frz_status put_column_type(schema_writer *w, const frz_manifest_column *column,
                                  frz_error *err)
{
  static const char *const plain[] = {"boolean", "int", "long", "string", "bytes"};
  frz_status st = FRZ_OK;
  switch (column->kind) {
  case FRZ_COLUMN_MAP_LONG:
  case FRZ_COLUMN_MAP_BINARY: put_map(w, column); break;
  case FRZ_COLUMN_FILE: st = put_columns(w, FRZ_RECORD_FILE, "r2", err); break;
  case FRZ_COLUMN_PARTITION:
    record_begin(w, "r102");
    for (size_t i = 0; i < w->spec->n_fields && st == FRZ_OK; i++)
      st = put_partition_field(w, i, err);
    record_end(w);
    break;
  case FRZ_COLUMN_LIST_INT:
  case FRZ_COLUMN_LIST_LONG:
  case FRZ_COLUMN_SUMMARIES:
    frz_json_write_object_begin(&w->json);
    put_text(w, "type", "array");
    frz_json_write_key(&w->json, "items");
    if (column->kind == FRZ_COLUMN_SUMMARIES)
      st = put_columns(w, FRZ_RECORD_SUMMARY, "r508", err);
    else
      frz_json_write_string(&w->json,
                            column->kind == FRZ_COLUMN_LIST_INT ? FRZ_STR("int") : FRZ_STR("long"));
    put_number(w, "element-id", column->inner_ids[0]);
    frz_json_write_object_end(&w->json);
    break;
  default: frz_json_write_string(&w->json, frz_str_from(plain[column->kind]));
  }
  return st;
}

static frz_status put_column(schema_writer *w, const frz_manifest_column *column, frz_error *err)
{
  bool required = frz_manifest_column_is_required(column, w->version);
  frz_json_write_object_begin(&w->json);
  put_text(w, "name", column->name);
  frz_json_write_key(&w->json, "type");
  if (!required) {
    frz_json_write_array_begin(&w->json);
    frz_json_write_string(&w->json, FRZ_STR("null"));
  }
  FRZ_TRY(put_column_type(w, column, err));
  if (!required) frz_json_write_array_end(&w->json);
  if (column->doc != NULL) put_text(w, "doc", column->doc);
  if (!required) {
    frz_json_write_key(&w->json, "default");
    frz_json_write_null(&w->json);
  }
  put_number(w, "field-id", column->id);
  frz_json_write_object_end(&w->json);
  return FRZ_OK;
}

static frz_status put_columns(schema_writer *w, frz_manifest_record record, const char *name,
                              frz_error *err)
{
  size_t n;
  const frz_manifest_column *columns = frz_manifest_columns(record, &n);
  record_begin(w, name);
  for (size_t i = 0; i < n; i++)
    if (frz_manifest_column_is_in(&columns[i], w->version))
      FRZ_TRY(put_column(w, &columns[i], err));
  record_end(w);
  return FRZ_OK;
}

frz_status frz_manifest_write_schema(frz_manifest_record record, int32_t version,
                                     const frz_partition_spec *spec, const frz_type *types,
                                     frz_buf *out, frz_error *err)
{
  schema_writer w = {.version = version, .spec = spec, .types = types, .alloc = out->alloc};
  frz_json_writer_init(&w.json, out);
  FRZ_TRY(put_columns(&w, record, record == FRZ_RECORD_ENTRY ? "manifest_entry" : "manifest_file",
                      err));
  return frz_json_writer_finish(&w.json, err);
}
