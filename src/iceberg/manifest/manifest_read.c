/*
 * manifest_read.c - read manifest lists and manifests.
 *
 * Columns are taken by field id. A column without an id (some writers leave them out) is taken by
 * its name; a column that is not there, or null, leaves the "unknown" value that manifest.h
 * documents. What is read is copied into the caller's arena; the file is not kept.
 *
 * What must stay true of an entry that is handed out:
 *  1. A null snapshot id is the manifest's.
 *  2. A null sequence number is the manifest's for ADDED only; and 0 where the manifest's is 0,
 * which is how version 1 reads. EXISTING without a data sequence number is refused: deletes could
 * not be applied to it. A file sequence number that is missing there is -1, unknown.
 *  3. A data manifest holds data files only, a delete manifest delete files only.
 *  4. A null first_row_id counts on from the manifest's; where the manifest has none, none counts.
 *
 * Source: Iceberg specification, "Manifests", "Manifest Lists", "Sequence Number Inheritance",
 * "First Row ID Inheritance".
 */
#include <inttypes.h>

#include "avro/avro_file.h"
#include "base/arena_list.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/manifest/manifest_field.h"
#include "iceberg/manifest/manifest_value.h"

/* What reading one file needs. */
typedef struct scope {
  const frz_table_metadata *metadata;
  frz_arena *arena;
  frz_buf scratch;
  frz_buf rows; /* entries; they move to the arena when their number is known */
  /* manifests */
  const frz_manifest_file *manifest;
  const frz_partition_spec *spec;
  frz_type *partition_types;  /* by field of the spec */
  const frz_avro_type *bound; /* the partition record that `spec_at` belongs to */
  int32_t *spec_at;           /* by field of `bound`: index into the spec, or -1 */
  size_t spec_at_capacity;
  frz_metric_filter filter;
  bool with_deleted;
  int64_t next_row_id; /* -1: none */
} scope;

static frz_status fail_missing(int32_t field_id, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "required column %" PRId32 " '%s' is missing or null",
                  field_id, frz_manifest_field_name(field_id));
}

/* The id of a column: its own, or that of its name among the record's columns. */
static int32_t id_of(const frz_avro_field *field, frz_manifest_record record)
{
  return field->field_id >= 0 ? field->field_id : frz_manifest_field_id(record, field->name);
}

/* Read each field of a record with `read`, which says in which column it failed. */
typedef frz_status (*read_field)(scope *s, frz_reader *in, const frz_avro_field *field, void *out,
                                 frz_error *err);

static frz_status read_record(scope *s, frz_reader *in, const frz_avro_type *type, read_field read,
                              void *out, frz_error *err)
{
  if (type->kind != FRZ_AVRO_RECORD)
    return frz_fail(err, FRZ_ERR_CORRUPT, "avro type %d where a record is due", (int)type->kind);
  for (size_t i = 0; i < type->n_fields; i++) {
    frz_status st = read(s, in, &type->fields[i], out, err);
    if (st != FRZ_OK) {
      frz_error_where(err, "column '%.*s': ", FRZ_STR_ARG(type->fields[i].name));
      return st;
    }
  }
  return FRZ_OK;
}

/* ---- manifest lists ---- */

static frz_status read_summary_field(scope *s, frz_reader *in, const frz_avro_field *field,
                                     void *out, frz_error *err)
{
  frz_field_summary *summary = out;
  bool found;
  bool flag;
  switch (id_of(field, FRZ_RECORD_SUMMARY)) {
  case FRZ_ID_CONTAINS_NULL:
    /* Unknown must not prune: a null may be there. */
    summary->contains_null = true;
    return frz_manifest_read_bool(in, field->type, &summary->contains_null, &found, err);
  case FRZ_ID_CONTAINS_NAN:
    FRZ_TRY(frz_manifest_read_bool(in, field->type, &flag, &found, err));
    if (found) summary->contains_nan = flag;
    return FRZ_OK;
  case FRZ_ID_LOWER_BOUND:
    return frz_manifest_read_text(in, field->type, s->arena, &summary->lower, &found, err);
  case FRZ_ID_UPPER_BOUND:
    return frz_manifest_read_text(in, field->type, s->arena, &summary->upper, &found, err);
  default: return frz_avro_skip(in, field->type, err);
  }
}

static frz_status read_summary(scope *s, frz_reader *in, const frz_avro_type *type, frz_error *err)
{
  frz_field_summary summary = {.contains_null = true, .contains_nan = -1};
  bool found;
  FRZ_TRY(frz_manifest_enter(in, &type, &found, err));
  if (!found) return frz_fail(err, FRZ_ERR_CORRUPT, "a summary is null");
  FRZ_TRY(read_record(s, in, type, read_summary_field, &summary, err));
  return frz_buf_append(&s->scratch, &summary, sizeof summary, err);
}

static frz_status read_summaries(scope *s, frz_reader *in, const frz_avro_type *type,
                                 frz_manifest_file *manifest, frz_error *err)
{
  bool found;
  FRZ_TRY(frz_manifest_enter(in, &type, &found, err));
  if (!found) return FRZ_OK;
  if (type->kind != FRZ_AVRO_ARRAY || type->branches[0]->is_empty)
    return frz_fail(err, FRZ_ERR_CORRUPT, "avro type %d where a list of records is due",
                    (int)type->kind);
  s->scratch.size = 0;
  for (;;) {
    int64_t n;
    FRZ_TRY(frz_avro_read_block(in, &n, err));
    if (n == 0) break;
    for (int64_t i = 0; i < n; i++) FRZ_TRY(read_summary(s, in, type->branches[0], err));
  }
  frz_field_summary *copies = frz_arena_push(s->arena, s->scratch.size);
  if (copies == NULL) return frz_fail_nomem(err, "partition summaries");
  if (s->scratch.size != 0) memcpy(copies, s->scratch.data, s->scratch.size);
  manifest->partitions = copies;
  manifest->n_partitions = s->scratch.size / sizeof *copies;
  manifest->has_partitions = true;
  return FRZ_OK;
}

static frz_status read_content(frz_reader *in, const frz_avro_type *type, int32_t max,
                               int32_t *content_out, frz_error *err)
{
  bool found;
  int32_t content = 0;
  FRZ_TRY(frz_manifest_read_i32(in, type, &content, &found, err));
  if (content < 0 || content > max)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%" PRId32 " is not a value from 0 to %" PRId32, content,
                    max);
  *content_out = content;
  return FRZ_OK;
}

static frz_status read_manifest_field(scope *s, frz_reader *in, const frz_avro_field *field,
                                      void *out, frz_error *err)
{
  frz_manifest_file *m = out;
  const frz_avro_type *type = field->type;
  bool found;
  int32_t content;
  switch (id_of(field, FRZ_RECORD_MANIFEST)) {
  case FRZ_ID_MANIFEST_PATH:
    return frz_manifest_read_text(in, type, s->arena, &m->path, &found, err);
  case FRZ_ID_MANIFEST_LENGTH:
    return frz_manifest_read_i64(in, type, &m->length_bytes, &found, err);
  case FRZ_ID_PARTITION_SPEC_ID: return frz_manifest_read_i32(in, type, &m->spec_id, &found, err);
  case FRZ_ID_MANIFEST_CONTENT:
    FRZ_TRY(read_content(in, type, FRZ_MANIFEST_DELETES, &content, err));
    m->content = (frz_manifest_content)content;
    return FRZ_OK;
  case FRZ_ID_MANIFEST_SEQUENCE:
    return frz_manifest_read_i64(in, type, &m->sequence_number, &found, err);
  case FRZ_ID_MANIFEST_MIN_SEQUENCE:
    return frz_manifest_read_i64(in, type, &m->min_sequence_number, &found, err);
  case FRZ_ID_ADDED_SNAPSHOT_ID:
    return frz_manifest_read_i64(in, type, &m->added_snapshot_id, &found, err);
  case FRZ_ID_ADDED_FILES: return frz_manifest_read_i32(in, type, &m->n_added_files, &found, err);
  case FRZ_ID_EXISTING_FILES:
    return frz_manifest_read_i32(in, type, &m->n_existing_files, &found, err);
  case FRZ_ID_DELETED_FILES:
    return frz_manifest_read_i32(in, type, &m->n_deleted_files, &found, err);
  case FRZ_ID_ADDED_ROWS: return frz_manifest_read_i64(in, type, &m->n_added_rows, &found, err);
  case FRZ_ID_EXISTING_ROWS:
    return frz_manifest_read_i64(in, type, &m->n_existing_rows, &found, err);
  case FRZ_ID_DELETED_ROWS: return frz_manifest_read_i64(in, type, &m->n_deleted_rows, &found, err);
  case FRZ_ID_PARTITIONS: return read_summaries(s, in, type, m, err);
  case FRZ_ID_MANIFEST_KEY_METADATA:
    return frz_manifest_read_text(in, type, s->arena, &m->key_metadata, &found, err);
  case FRZ_ID_MANIFEST_FIRST_ROW_ID:
    return frz_manifest_read_i64(in, type, &m->first_row_id, &found, err);
  default: return frz_avro_skip(in, type, err);
  }
}

static frz_manifest_file unknown_manifest(void)
{
  return (frz_manifest_file){.spec_id = -1,
                             .added_snapshot_id = -1,
                             .n_added_files = -1,
                             .n_existing_files = -1,
                             .n_deleted_files = -1,
                             .n_added_rows = -1,
                             .n_existing_rows = -1,
                             .n_deleted_rows = -1,
                             .first_row_id = -1};
}

static frz_status check_manifest(const scope *s, const frz_manifest_file *m, frz_error *err)
{
  if (m->path.data == NULL) return fail_missing(FRZ_ID_MANIFEST_PATH, err);
  if (m->spec_id < 0) return fail_missing(FRZ_ID_PARTITION_SPEC_ID, err);
  if (m->length_bytes < 0 || m->sequence_number < 0)
    return frz_fail(err, FRZ_ERR_CORRUPT,
                    "manifest '%.*s' has length %" PRId64 " and sequence number %" PRId64,
                    FRZ_STR_ARG(m->path), m->length_bytes, m->sequence_number);
  if (frz_metadata_spec(s->metadata, m->spec_id) == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT,
                    "manifest '%.*s' has partition spec %" PRId32 ", which the table does not have",
                    FRZ_STR_ARG(m->path), m->spec_id);
  return FRZ_OK;
}

static frz_status read_manifests(scope *s, frz_avro_reader *avro, frz_manifest_file **items_out,
                                 size_t *n_out, frz_error *err)
{
  frz_manifest_file *items = NULL;
  size_t n = 0;
  size_t capacity = 0;
  for (;;) {
    frz_reader *in;
    bool more;
    FRZ_TRY(frz_avro_reader_next(avro, &in, &more, err));
    if (!more) break;
    items = frz_arena_list_room(s->arena, items, n, &capacity, sizeof *items);
    if (items == NULL) return frz_fail_nomem(err, "manifest list");
    items[n] = unknown_manifest();
    frz_status st =
        read_record(s, in, frz_avro_reader_schema(avro), read_manifest_field, &items[n], err);
    if (st == FRZ_OK) st = check_manifest(s, &items[n], err);
    if (st != FRZ_OK) {
      frz_avro_reader_where(avro, err);
      return st;
    }
    n++;
  }
  *items_out = items;
  *n_out = n;
  return FRZ_OK;
}

/* Read a whole file and open it; on success the caller disposes of both. */
static frz_status open_avro(frz_storage *storage, const frz_alloc *alloc, frz_str path,
                            frz_buf *file, frz_avro_reader **avro_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf_init(file, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  FRZ_TRY_OUT(frz_storage_read_all_cached(storage, path, file, err));
  FRZ_TRY_OUT(frz_avro_reader_open(alloc, path, file->data, file->size, avro_out, err));
out:
  if (st != FRZ_OK) frz_buf_dispose(file);
  return st;
}

/* A manifest of a version 1 snapshot without list: its header names the spec. */
static frz_status describe_manifest(frz_storage *storage, const frz_snapshot *snapshot,
                                    frz_str path, frz_arena *arena, frz_manifest_file *manifest_out,
                                    frz_error *err)
{
  frz_buf file;
  frz_avro_reader *avro;
  FRZ_TRY(open_avro(storage, arena->alloc, path, &file, &avro, err));
  frz_manifest_file manifest = unknown_manifest();
  manifest.path = path;
  manifest.length_bytes = (int64_t)file.size;
  manifest.added_snapshot_id = snapshot->snapshot_id;
  manifest.spec_id = 0; /* the only spec of writers that did not store it */
  frz_status st = FRZ_OK;
  frz_str text;
  if (frz_avro_reader_meta(avro, "partition-spec-id", &text)) {
    frz_json_reader json;
    frz_json_reader_init(&json, text.data, text.size, arena);
    st = frz_json_read_i32(&json, &manifest.spec_id, err);
    if (st != FRZ_OK)
      frz_error_where(err, "manifest '%.*s', partition-spec-id: ", FRZ_STR_ARG(path));
  }
  if (st == FRZ_OK) *manifest_out = manifest;
  frz_avro_reader_free(avro);
  frz_buf_dispose(&file);
  return st;
}

static frz_status list_without_file(scope *s, frz_storage *storage, const frz_snapshot *snapshot,
                                    const frz_manifest_file **manifests_out,
                                    size_t *n_manifests_out, frz_error *err)
{
  frz_manifest_file *items = frz_arena_array(s->arena, snapshot->n_manifests, sizeof *items);
  if (items == NULL) return frz_fail_nomem(err, "manifest list");
  for (size_t i = 0; i < snapshot->n_manifests; i++) {
    FRZ_TRY(describe_manifest(storage, snapshot, snapshot->manifests[i], s->arena, &items[i], err));
    FRZ_TRY(check_manifest(s, &items[i], err));
  }
  *manifests_out = items;
  *n_manifests_out = snapshot->n_manifests;
  return FRZ_OK;
}

frz_status frz_manifest_list_read(frz_storage *storage, const frz_table_metadata *metadata,
                                  const frz_snapshot *snapshot, frz_arena *arena,
                                  const frz_manifest_file **manifests_out, size_t *n_manifests_out,
                                  frz_error *err)
{
  scope s = {.metadata = metadata, .arena = arena};
  if (snapshot->key_id.data != NULL)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "manifest list '%.*s' is encrypted with key '%.*s'",
                    FRZ_STR_ARG(snapshot->manifest_list), FRZ_STR_ARG(snapshot->key_id));
  if (snapshot->manifest_list.data == NULL)
    return list_without_file(&s, storage, snapshot, manifests_out, n_manifests_out, err);
  frz_buf file;
  frz_avro_reader *avro;
  FRZ_TRY(open_avro(storage, arena->alloc, snapshot->manifest_list, &file, &avro, err));
  frz_buf_init(&s.scratch, arena->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_manifest_file *items = NULL;
  frz_status st = read_manifests(&s, avro, &items, n_manifests_out, err);
  if (st == FRZ_OK) *manifests_out = items;
  frz_buf_dispose(&s.scratch);
  frz_avro_reader_free(avro);
  frz_buf_dispose(&file);
  return st;
}

/* ---- partition values ---- */

static frz_status prepare_partition_types(scope *s, frz_error *err)
{
  s->partition_types = frz_arena_array(s->arena, s->spec->n_fields, sizeof *s->partition_types);
  if (s->partition_types == NULL) return frz_fail_nomem(err, "partition types");
  for (size_t i = 0; i < s->spec->n_fields; i++)
    s->partition_types[i] = frz_manifest_partition_type(s->metadata, &s->spec->fields[i]);
  return FRZ_OK;
}

static int32_t spec_index(const frz_partition_spec *spec, const frz_avro_field *field, size_t at)
{
  if (field->field_id < 0) /* no ids: the specification has the spec's order */
    return at < spec->n_fields ? (int32_t)at : -1;
  for (size_t i = 0; i < spec->n_fields; i++)
    if (spec->fields[i].field_id == field->field_id) return (int32_t)i;
  return -1;
}

static frz_status bind_partition(scope *s, const frz_avro_type *type, frz_error *err)
{
  if (s->bound == type) return FRZ_OK;
  if (type->kind != FRZ_AVRO_RECORD)
    return frz_fail(err, FRZ_ERR_CORRUPT, "avro type %d where a record is due", (int)type->kind);
  if (s->spec_at_capacity < type->n_fields) {
    s->spec_at = frz_arena_array(s->arena, type->n_fields, sizeof *s->spec_at);
    if (s->spec_at == NULL) return frz_fail_nomem(err, "partition");
    s->spec_at_capacity = type->n_fields;
  }
  for (size_t i = 0; i < type->n_fields; i++)
    s->spec_at[i] = spec_index(s->spec, &type->fields[i], i);
  s->bound = type;
  return FRZ_OK;
}

static frz_status read_partition(scope *s, frz_reader *in, const frz_avro_type *type,
                                 frz_partition *partition_out, frz_error *err)
{
  bool found;
  size_t n = s->spec->n_fields;
  frz_literal *values = frz_arena_array(s->arena, n, sizeof *values);
  if (values == NULL) return frz_fail_nomem(err, "partition");
  for (size_t i = 0; i < n; i++) {
    values[i] = frz_literal_null(s->partition_types[i].kind);
    values[i].scale = s->partition_types[i].scale;
  }
  FRZ_TRY(frz_manifest_enter(in, &type, &found, err));
  if (!found) return fail_missing(FRZ_ID_PARTITION, err);
  FRZ_TRY(bind_partition(s, type, err));
  for (size_t i = 0; i < type->n_fields; i++) {
    int32_t at = s->spec_at[i];
    frz_status st =
        at < 0 ? frz_avro_skip(in, type->fields[i].type, err)
               : frz_manifest_read_literal(in, type->fields[i].type, &s->partition_types[at],
                                           s->arena, &values[at], err);
    if (st != FRZ_OK) {
      frz_error_where(err, "partition field '%.*s': ", FRZ_STR_ARG(type->fields[i].name));
      return st;
    }
  }
  *partition_out = (frz_partition){values, n};
  return FRZ_OK;
}

/* ---- manifests ---- */

static frz_status read_format(frz_reader *in, const frz_avro_type *type,
                              frz_file_format *format_out, frz_error *err)
{
  static const char *const names[] = {"parquet", "avro", "orc", "puffin"};
  bool found;
  frz_str name = {0};
  FRZ_TRY(frz_manifest_read_bytes(in, type, &name, &found, err));
  if (!found) return fail_missing(FRZ_ID_FILE_FORMAT, err);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (!frz_str_is_word(name, names[i])) continue;
    *format_out = (frz_file_format)i;
    return FRZ_OK;
  }
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "file format '%.*s'", FRZ_STR_ARG(name));
}

static frz_status read_equality_ids(scope *s, frz_reader *in, const frz_avro_type *type,
                                    frz_data_file *file, frz_error *err)
{
  const int64_t *longs = NULL;
  size_t n = 0;
  FRZ_TRY(frz_manifest_read_longs(in, type, &s->scratch, s->arena, &longs, &n, err));
  int32_t *ids = frz_arena_array(s->arena, n, sizeof *ids);
  if (ids == NULL) return frz_fail_nomem(err, "equality ids");
  for (size_t i = 0; i < n; i++) {
    if (longs[i] < 0 || longs[i] > INT32_MAX)
      return frz_fail(err, FRZ_ERR_CORRUPT, "%" PRId64 " is not a field id", longs[i]);
    ids[i] = (int32_t)longs[i];
  }
  file->equality_ids = n != 0 ? ids : NULL;
  file->n_equality_ids = n;
  return FRZ_OK;
}

/* Columns that hold maps and lists. */
static frz_status read_metrics_field(scope *s, frz_reader *in, const frz_avro_field *field,
                                     frz_data_file *f, frz_error *err)
{
  const frz_avro_type *type = field->type;
  switch (id_of(field, FRZ_RECORD_FILE)) {
  case FRZ_ID_COLUMN_SIZES:
    return frz_manifest_read_metrics(in, type, s->filter, &s->scratch, s->arena, &f->column_sizes,
                                     &f->n_column_sizes, err);
  case FRZ_ID_VALUE_COUNTS:
    return frz_manifest_read_metrics(in, type, s->filter, &s->scratch, s->arena, &f->value_counts,
                                     &f->n_value_counts, err);
  case FRZ_ID_NULL_COUNTS:
    return frz_manifest_read_metrics(in, type, s->filter, &s->scratch, s->arena, &f->null_counts,
                                     &f->n_null_counts, err);
  case FRZ_ID_NAN_COUNTS:
    return frz_manifest_read_metrics(in, type, s->filter, &s->scratch, s->arena, &f->nan_counts,
                                     &f->n_nan_counts, err);
  case FRZ_ID_LOWER_BOUNDS:
    return frz_manifest_read_bounds(in, type, s->filter, &s->scratch, s->arena, &f->lower_bounds,
                                    &f->n_lower_bounds, err);
  case FRZ_ID_UPPER_BOUNDS:
    return frz_manifest_read_bounds(in, type, s->filter, &s->scratch, s->arena, &f->upper_bounds,
                                    &f->n_upper_bounds, err);
  case FRZ_ID_SPLIT_OFFSETS:
    return frz_manifest_read_longs(in, type, &s->scratch, s->arena, &f->split_offsets,
                                   &f->n_split_offsets, err);
  case FRZ_ID_EQUALITY_IDS: return read_equality_ids(s, in, type, f, err);
  default: return frz_avro_skip(in, type, err);
  }
}

static frz_status read_file_field(scope *s, frz_reader *in, const frz_avro_field *field, void *out,
                                  frz_error *err)
{
  frz_data_file *f = out;
  const frz_avro_type *type = field->type;
  bool found;
  int32_t content;
  switch (id_of(field, FRZ_RECORD_FILE)) {
  case FRZ_ID_CONTENT:
    FRZ_TRY(read_content(in, type, FRZ_CONTENT_EQUALITY_DELETES, &content, err));
    f->content = (frz_file_content)content;
    return FRZ_OK;
  case FRZ_ID_FILE_PATH: return frz_manifest_read_text(in, type, s->arena, &f->path, &found, err);
  case FRZ_ID_FILE_FORMAT: return read_format(in, type, &f->format, err);
  case FRZ_ID_PARTITION: return read_partition(s, in, type, &f->partition, err);
  case FRZ_ID_RECORD_COUNT: return frz_manifest_read_i64(in, type, &f->n_rows, &found, err);
  case FRZ_ID_FILE_SIZE: return frz_manifest_read_i64(in, type, &f->size_bytes, &found, err);
  case FRZ_ID_KEY_METADATA:
    return frz_manifest_read_text(in, type, s->arena, &f->key_metadata, &found, err);
  case FRZ_ID_SORT_ORDER_ID: return frz_manifest_read_i32(in, type, &f->sort_order_id, &found, err);
  case FRZ_ID_FIRST_ROW_ID: return frz_manifest_read_i64(in, type, &f->first_row_id, &found, err);
  case FRZ_ID_REFERENCED_DATA_FILE:
    return frz_manifest_read_text(in, type, s->arena, &f->referenced_data_file, &found, err);
  case FRZ_ID_CONTENT_OFFSET:
    return frz_manifest_read_i64(in, type, &f->content_offset, &found, err);
  case FRZ_ID_CONTENT_SIZE:
    return frz_manifest_read_i64(in, type, &f->content_size_bytes, &found, err);
  default: return read_metrics_field(s, in, field, f, err);
  }
}

static frz_status read_status(frz_reader *in, const frz_avro_type *type, frz_manifest_entry *entry,
                              frz_error *err)
{
  bool found;
  int32_t status = -1;
  FRZ_TRY(frz_manifest_read_i32(in, type, &status, &found, err));
  if (status < FRZ_ENTRY_EXISTING || status > FRZ_ENTRY_DELETED)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%" PRId32 " is not 0, 1 or 2", status);
  entry->status = (frz_entry_status)status;
  return FRZ_OK;
}

/* An entry as it is read; the flags are what its record held. */
typedef struct raw_entry {
  frz_manifest_entry entry;
  bool has_status, has_snapshot_id, has_sequence, has_file_sequence, has_file;
} raw_entry;

static frz_status read_file(scope *s, frz_reader *in, const frz_avro_type *type, raw_entry *raw,
                            frz_error *err)
{
  FRZ_TRY(frz_manifest_enter(in, &type, &raw->has_file, err));
  if (!raw->has_file) return FRZ_OK;
  if (raw->has_status && raw->entry.status == FRZ_ENTRY_DELETED && !s->with_deleted)
    return frz_avro_skip(in, type, err);
  return read_record(s, in, type, read_file_field, &raw->entry.file, err);
}

static frz_status read_entry_field(scope *s, frz_reader *in, const frz_avro_field *field, void *out,
                                   frz_error *err)
{
  raw_entry *raw = out;
  frz_manifest_entry *entry = &raw->entry;
  const frz_avro_type *type = field->type;
  switch (id_of(field, FRZ_RECORD_ENTRY)) {
  case FRZ_ID_STATUS: raw->has_status = true; return read_status(in, type, entry, err);
  case FRZ_ID_SNAPSHOT_ID:
    return frz_manifest_read_i64(in, type, &entry->snapshot_id, &raw->has_snapshot_id, err);
  case FRZ_ID_SEQUENCE_NUMBER:
    return frz_manifest_read_i64(in, type, &entry->data_sequence_number, &raw->has_sequence, err);
  case FRZ_ID_FILE_SEQUENCE_NUMBER:
    return frz_manifest_read_i64(in, type, &entry->file_sequence_number, &raw->has_file_sequence,
                                 err);
  case FRZ_ID_DATA_FILE: return read_file(s, in, type, raw, err);
  default: return frz_avro_skip(in, type, err);
  }
}

static void unknown_entry(const scope *s, raw_entry *raw)
{
  *raw = (raw_entry){.entry = {.data_sequence_number = -1,
                               .file_sequence_number = -1,
                               .file = {.spec_id = s->manifest->spec_id,
                                        .n_rows = -1,
                                        .size_bytes = -1,
                                        .sort_order_id = -1,
                                        .first_row_id = -1,
                                        .content_offset = -1,
                                        .content_size_bytes = -1}}};
}

/* Rules 1 and 2. */
static frz_status inherit(const scope *s, raw_entry *raw, frz_error *err)
{
  const frz_manifest_file *manifest = s->manifest;
  frz_manifest_entry *entry = &raw->entry;
  bool inherits = entry->status == FRZ_ENTRY_ADDED || manifest->sequence_number == 0;
  if (!raw->has_snapshot_id) entry->snapshot_id = manifest->added_snapshot_id;
  if (!raw->has_sequence) {
    if (!inherits && entry->status == FRZ_ENTRY_EXISTING)
      return frz_fail(err, FRZ_ERR_CORRUPT, "existing file '%.*s' has no sequence number",
                      FRZ_STR_ARG(entry->file.path));
    entry->data_sequence_number = inherits ? manifest->sequence_number : -1;
  }
  if (!raw->has_file_sequence)
    entry->file_sequence_number = inherits ? manifest->sequence_number : -1;
  return FRZ_OK;
}

static frz_status check_file(const scope *s, const frz_data_file *file, frz_error *err)
{
  if (file->path.data == NULL) return fail_missing(FRZ_ID_FILE_PATH, err);
  if (file->size_bytes < 0) return fail_missing(FRZ_ID_FILE_SIZE, err);
  if (file->partition.n_values != s->spec->n_fields) return fail_missing(FRZ_ID_PARTITION, err);
  bool is_delete = file->content != FRZ_CONTENT_DATA;
  if (is_delete != (s->manifest->content == FRZ_MANIFEST_DELETES))
    return frz_fail(err, FRZ_ERR_CORRUPT, "%s file '%.*s' in a %s manifest",
                    is_delete ? "delete" : "data", FRZ_STR_ARG(file->path),
                    is_delete ? "data" : "delete");
  return FRZ_OK;
}

/* Rule 4. */
static frz_status assign_row_id(scope *s, frz_manifest_entry *entry, frz_error *err)
{
  if (s->next_row_id < 0 || entry->file.content != FRZ_CONTENT_DATA) {
    entry->file.first_row_id = -1;
    return FRZ_OK;
  }
  if (entry->file.first_row_id >= 0 || entry->status == FRZ_ENTRY_DELETED) return FRZ_OK;
  entry->file.first_row_id = s->next_row_id;
  if (__builtin_add_overflow(s->next_row_id, entry->file.n_rows, &s->next_row_id))
    return frz_fail(err, FRZ_ERR_CORRUPT, "row ids pass 64 bits at file '%.*s'",
                    FRZ_STR_ARG(entry->file.path));
  return FRZ_OK;
}

static frz_status finish_entry(scope *s, raw_entry *raw, frz_error *err)
{
  frz_data_file *file = &raw->entry.file;
  if (!raw->has_status) return fail_missing(FRZ_ID_STATUS, err);
  if (!raw->has_file) return fail_missing(FRZ_ID_DATA_FILE, err);
  if (raw->entry.status == FRZ_ENTRY_DELETED && !s->with_deleted) return FRZ_OK;
  if (file->n_rows < 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "file '%.*s' has record_count %" PRId64,
                    FRZ_STR_ARG(file->path), file->n_rows);
  FRZ_TRY(check_file(s, file, err));
  FRZ_TRY(inherit(s, raw, err));
  return assign_row_id(s, &raw->entry, err);
}

static frz_status keep_entries(scope *s, const frz_manifest_entry **entries_out, size_t *n_out,
                               frz_error *err)
{
  frz_manifest_entry *entries = frz_arena_push(s->arena, s->rows.size);
  if (entries == NULL) return frz_fail_nomem(err, "manifest entries");
  if (s->rows.size != 0) memcpy(entries, s->rows.data, s->rows.size);
  *entries_out = entries;
  *n_out = s->rows.size / sizeof *entries;
  return FRZ_OK;
}

static frz_status read_entries(scope *s, frz_avro_reader *avro, frz_error *err)
{
  for (;;) {
    frz_reader *in;
    bool more;
    raw_entry raw;
    FRZ_TRY(frz_avro_reader_next(avro, &in, &more, err));
    if (!more) return FRZ_OK;
    unknown_entry(s, &raw);
    frz_status st = read_record(s, in, frz_avro_reader_schema(avro), read_entry_field, &raw, err);
    if (st == FRZ_OK) st = finish_entry(s, &raw, err);
    if (st != FRZ_OK) {
      frz_avro_reader_where(avro, err);
      return st;
    }
    if (raw.entry.status == FRZ_ENTRY_DELETED && !s->with_deleted) continue;
    if (s->rows.size > s->rows.max_bytes - sizeof raw.entry)
      return frz_fail(err, FRZ_ERR_LIMIT, "manifest '%.*s': entry %zu passes %zu bytes of memory",
                      FRZ_STR_ARG(s->manifest->path), s->rows.size / sizeof raw.entry,
                      s->rows.max_bytes);
    FRZ_TRY(frz_buf_append(&s->rows, &raw.entry, sizeof raw.entry, err));
  }
}

/* A manifest that is open; what it reads from. */
typedef struct open_manifest {
  frz_avro_reader *avro;
  frz_buf file;         /* without a cache */
  frz_content *content; /* from the cache */
} open_manifest;

static void close_manifest(open_manifest *m)
{
  frz_avro_reader_free(m->avro);
  frz_content_release(m->content);
  frz_buf_dispose(&m->file);
}

/* Plain bytes that a manifest may hold: limits.h says why. */
static size_t plain_bytes_max(size_t file_bytes)
{
  size_t most = FRZ_LIMIT_MANIFEST_BYTES;
  if (file_bytes < (most - FRZ_LIMIT_MANIFEST_PLAIN_BYTES) / FRZ_LIMIT_MANIFEST_RATIO)
    most = FRZ_LIMIT_MANIFEST_PLAIN_BYTES + file_bytes * FRZ_LIMIT_MANIFEST_RATIO;
  return most;
}

/* The manifest's content with its blocks decompressed, from the cache or into it. */
static frz_status find_content(frz_storage *storage, frz_content_cache *cache, frz_str path,
                               const frz_alloc *alloc, frz_content **content_out, frz_error *err)
{
  *content_out = frz_content_cache_find(cache, path);
  if (*content_out != NULL) return FRZ_OK;
  frz_status st = FRZ_OK;
  frz_buf file, flat;
  frz_buf_init(&file, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_buf_init(&flat, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  FRZ_TRY_OUT(frz_storage_read_all_cached(storage, path, &file, err));
  flat.max_bytes = plain_bytes_max(file.size);
  FRZ_TRY_OUT(frz_avro_flatten(alloc, path, file.data, file.size, &flat, err));
  FRZ_TRY_OUT(frz_content_cache_add(cache, path, &flat, content_out, err));
out:
  frz_buf_dispose(&flat);
  frz_buf_dispose(&file);
  return st;
}

static frz_status open_manifest_at(frz_storage *storage, frz_str path, const frz_alloc *alloc,
                                   open_manifest *m, frz_error *err)
{
  frz_content_cache *cache = frz_storage_manifest_cache(storage);
  *m = (open_manifest){0};
  if (cache == NULL) return open_avro(storage, alloc, path, &m->file, &m->avro, err);
  FRZ_TRY(find_content(storage, cache, path, alloc, &m->content, err));
  frz_str bytes = frz_content_bytes(m->content);
  frz_status st = frz_avro_reader_open(alloc, path, bytes.data, bytes.size, &m->avro, err);
  if (st != FRZ_OK) frz_content_release(m->content);
  return st;
}

frz_status frz_manifest_read(frz_storage *storage, const frz_table_metadata *metadata,
                             const frz_manifest_file *manifest, bool with_deleted,
                             const int32_t *metric_ids, size_t n_metric_ids, frz_arena *arena,
                             const frz_manifest_entry **entries_out, size_t *n_entries_out,
                             frz_error *err)
{
  scope s = {.metadata = metadata,
             .arena = arena,
             .manifest = manifest,
             .spec = frz_metadata_spec(metadata, manifest->spec_id),
             .filter = {metric_ids, n_metric_ids},
             .with_deleted = with_deleted,
             .next_row_id = manifest->content == FRZ_MANIFEST_DATA ? manifest->first_row_id : -1};
  if (s.spec == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT,
                    "manifest '%.*s' has partition spec %" PRId32 ", which the table does not have",
                    FRZ_STR_ARG(manifest->path), manifest->spec_id);
  if (manifest->key_metadata.size != 0)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "manifest '%.*s' is encrypted",
                    FRZ_STR_ARG(manifest->path));
  FRZ_TRY(prepare_partition_types(&s, err));
  open_manifest file;
  FRZ_TRY(open_manifest_at(storage, manifest->path, arena->alloc, &file, err));
  frz_buf_init(&s.scratch, arena->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  size_t plain_max =
      file.content != NULL ? frz_content_bytes(file.content).size : plain_bytes_max(file.file.size);
  frz_buf_init(&s.rows, arena->alloc,
               FRZ_LIMIT_MANIFEST_PLAIN_BYTES + plain_max * FRZ_LIMIT_MANIFEST_ENTRY_RATIO);
  frz_status st = read_entries(&s, file.avro, err);
  if (st == FRZ_OK) st = keep_entries(&s, entries_out, n_entries_out, err);
  frz_buf_dispose(&s.rows);
  frz_buf_dispose(&s.scratch);
  close_manifest(&file);
  return st;
}
