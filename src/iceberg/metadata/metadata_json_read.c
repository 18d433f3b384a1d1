/*
 * metadata_json_read.c - table metadata from JSON.
 *
 * One pass over the document reads every member that it knows, in any order, and passes over the
 * others; then the whole is completed (what older versions leave out) and checked: what each
 * version requires, and that everything that is named by id exists. Texts are copied into the
 * metadata's arena; those of snapshots stay in the document, which is kept for them, and a summary
 * is not looked into before somebody asks: 200 MB of snapshots are read in half a second and take
 * less than twice as much memory.
 *
 * Source: Iceberg specification, "Table Metadata Fields", appendix C "Table Metadata and
 * Snapshots", appendix E "Format version changes".
 */
#include <stdlib.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "codec/compress.h"
#include "iceberg/metadata/statistics_file.h"

enum { FORMAT_VERSION_MAX = 3 };

typedef struct parser {
  frz_json_reader *json;
  frz_arena *arena;
  frz_table_metadata *out;
  /* what was there */
  bool has_format, has_location, has_sequence, has_updated, has_column_id, has_schema_id;
  bool has_spec_id, has_partition_id, has_order_id, has_next_row_id;
  bool has_schemas, has_schema, has_specs, has_spec, has_orders;
  frz_schema schema;       /* v1: "schema" */
  frz_partition_spec spec; /* v1: "partition-spec" */
} parser;

/* Reads the elements of an array into a list in the arena. `read` is given each element's place. */
typedef frz_status read_item(parser *p, void *item, frz_error *err);

static frz_status read_list(parser *p, read_item *read, size_t item_bytes, void *list_out,
                            size_t *n_out, frz_error *err)
{
  uint8_t *items = NULL;
  size_t n = 0, capacity = 0;
  bool was_null;
  FRZ_TRY(frz_json_read_null(p->json, &was_null, err));
  if (!was_null) FRZ_TRY(frz_json_array_begin(p->json, err));
  while (!was_null) {
    bool more;
    FRZ_TRY(frz_json_array_next(p->json, &more, err));
    if (!more) break;
    items = frz_arena_list_room(p->arena, items, n, &capacity, item_bytes);
    if (items == NULL) return frz_fail_nomem(err, "table metadata");
    FRZ_TRY(read(p, items + n * item_bytes, err));
    n++;
  }
  memcpy(list_out, &items, sizeof items);
  *n_out = n;
  return FRZ_OK;
}

static frz_status keep_text(parser *p, frz_str text, frz_str *out, frz_error *err)
{
  *out = frz_arena_keep(p->arena, text);
  return out->data != NULL ? FRZ_OK : frz_fail_nomem(err, "table metadata");
}

static frz_status read_text(parser *p, frz_str *out, frz_error *err)
{
  frz_str text;
  FRZ_TRY(frz_json_read_string(p->json, &text, err));
  return keep_text(p, text, out, err);
}

/* The next member that is not null; more_out false at the end. */
static frz_status next_member(parser *p, frz_str *key, bool *more_out, frz_error *err)
{
  for (;;) {
    bool was_null;
    FRZ_TRY(frz_json_object_next(p->json, key, more_out, err));
    if (!*more_out) return FRZ_OK;
    FRZ_TRY(frz_json_read_null(p->json, &was_null, err));
    if (!was_null) return FRZ_OK;
  }
}

/* Texts in maps of text; some writers store numbers. */
static frz_status read_value(parser *p, frz_str *out, frz_error *err)
{
  frz_json_kind kind;
  frz_str text;
  FRZ_TRY(frz_json_peek(p->json, &kind, err));
  if (kind == FRZ_JSON_STRING) return read_text(p, out, err);
  FRZ_TRY(frz_json_read_raw(p->json, &text, err));
  return keep_text(p, text, out, err);
}

static frz_status read_raw(parser *p, frz_str *out, frz_error *err)
{
  frz_json_kind kind;
  frz_str text;
  FRZ_TRY(frz_json_peek(p->json, &kind, err));
  FRZ_TRY(frz_json_read_raw(p->json, &text, err));
  if (kind != FRZ_JSON_ARRAY)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%.*s is not an array", FRZ_STR_ARG(text));
  return keep_text(p, text, out, err);
}

/* ---- parts ---- */

static frz_status read_schema_item(parser *p, void *item, frz_error *err)
{
  return frz_schema_parse(p->json, p->arena, item, err);
}

static frz_status read_spec_item(parser *p, void *item, frz_error *err)
{
  return frz_partition_spec_parse(p->json, p->arena, item, err);
}

static frz_status read_order_item(parser *p, void *item, frz_error *err)
{
  return frz_sort_order_parse(p->json, p->arena, item, err);
}

static frz_status read_statistics_item(parser *p, void *item, frz_error *err)
{
  return frz_statistics_file_parse(p->json, p->arena, item, err);
}

static frz_status read_text_item(parser *p, void *item, frz_error *err)
{
  return read_text(p, item, err);
}

static frz_status read_properties(parser *p, frz_error *err)
{
  frz_text_pair *pairs = NULL;
  size_t n = 0, capacity = 0;
  FRZ_TRY(frz_json_object_begin(p->json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(next_member(p, &key, &more, err));
    if (!more) break;
    pairs = frz_arena_list_room(p->arena, pairs, n, &capacity, sizeof *pairs);
    if (pairs == NULL) return frz_fail_nomem(err, "table metadata");
    FRZ_TRY(keep_text(p, key, &pairs[n].key, err));
    FRZ_TRY(read_value(p, &pairs[n].value, err));
    n++;
  }
  p->out->properties = pairs;
  p->out->n_properties = n;
  return FRZ_OK;
}

/* A long text of a snapshot: it stays in the document, unless escapes made a copy of it. */
static frz_status borrow_text(parser *p, frz_str *out, frz_error *err)
{
  frz_str text;
  FRZ_TRY(frz_json_read_string(p->json, &text, err));
  if (!frz_metadata_document_holds(p->out->document, text)) return keep_text(p, text, out, err);
  *out = text;
  return FRZ_OK;
}

static frz_status keep_operation(parser *p, frz_str *out, frz_error *err)
{
  static const char *const known[] = {"append", "overwrite", "delete", "replace"};
  frz_str text;
  FRZ_TRY(frz_json_read_string(p->json, &text, err));
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (!frz_str_is(text, known[i])) continue;
    *out = frz_str_from(known[i]);
    return FRZ_OK;
  }
  return keep_text(p, text, out, err);
}

/* The object's text as it stands, and its operation. */
static frz_status read_summary(parser *p, frz_snapshot *snapshot, frz_error *err)
{
  frz_json_kind kind;
  FRZ_TRY(frz_json_peek(p->json, &kind, err)); /* passes over white space */
  size_t start = p->json->pos;
  FRZ_TRY(frz_json_object_begin(p->json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(next_member(p, &key, &more, err));
    if (!more) break;
    if (frz_str_is(key, "operation"))
      FRZ_TRY(keep_operation(p, &snapshot->operation, err));
    else
      FRZ_TRY(frz_json_skip(p->json, err));
  }
  snapshot->summary = (frz_str){p->json->data + start, p->json->pos - start};
  return FRZ_OK;
}

static frz_status read_snapshot_member(parser *p, frz_str key, frz_snapshot *s, bool *has_id,
                                       bool *has_time, frz_error *err)
{
  if (frz_str_is(key, "snapshot-id")) {
    *has_id = true;
    return frz_json_read_i64(p->json, &s->snapshot_id, err);
  }
  if (frz_str_is(key, "timestamp-ms")) {
    *has_time = true;
    return frz_json_read_i64(p->json, &s->timestamp_ms, err);
  }
  if (frz_str_is(key, "parent-snapshot-id")) return frz_json_read_i64(p->json, &s->parent_id, err);
  if (frz_str_is(key, "sequence-number"))
    return frz_json_read_i64(p->json, &s->sequence_number, err);
  if (frz_str_is(key, "manifest-list")) return borrow_text(p, &s->manifest_list, err);
  if (frz_str_is(key, "manifests"))
    return read_list(p, read_text_item, sizeof(frz_str), &s->manifests, &s->n_manifests, err);
  if (frz_str_is(key, "summary")) return read_summary(p, s, err);
  if (frz_str_is(key, "schema-id")) return frz_json_read_i32(p->json, &s->schema_id, err);
  if (frz_str_is(key, "first-row-id")) return frz_json_read_i64(p->json, &s->first_row_id, err);
  if (frz_str_is(key, "added-rows")) return frz_json_read_i64(p->json, &s->added_rows, err);
  if (frz_str_is(key, "key-id")) return read_text(p, &s->key_id, err);
  return frz_json_skip(p->json, err);
}

static frz_status read_snapshot(parser *p, frz_snapshot *snapshot_out, frz_error *err)
{
  frz_snapshot s = {.parent_id = -1,
                    .operation = FRZ_STR(""),
                    .schema_id = -1,
                    .first_row_id = -1,
                    .added_rows = -1};
  bool has_id = false, has_time = false;
  FRZ_TRY(frz_json_object_begin(p->json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(next_member(p, &key, &more, err));
    if (!more) break;
    FRZ_TRY(read_snapshot_member(p, key, &s, &has_id, &has_time, err));
  }
  if (!has_id)
    return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: a snapshot lacks 'snapshot-id'",
                    p->json->pos);
  if (!has_time)
    return frz_fail(err, FRZ_ERR_CORRUPT, "snapshot %lld: 'timestamp-ms' is missing",
                    (long long)s.snapshot_id);
  if (s.snapshot_id < 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "'snapshot-id' %lld is negative",
                    (long long)s.snapshot_id);
  *snapshot_out = s;
  return FRZ_OK;
}

/* Most of a large document. Room for as many as the rest of it holds, where they are as long as the
 * first, is taken at once: a list that grows leaves as much again behind. */
static frz_status read_snapshots(parser *p, frz_error *err)
{
  frz_snapshot *items = NULL;
  size_t n = 0, capacity = 0;
  bool was_null;
  FRZ_TRY(frz_json_read_null(p->json, &was_null, err));
  if (!was_null) FRZ_TRY(frz_json_array_begin(p->json, err));
  while (!was_null) {
    bool more;
    frz_snapshot snapshot;
    size_t start = p->json->pos;
    FRZ_TRY(frz_json_array_next(p->json, &more, err));
    if (!more) break;
    FRZ_TRY(read_snapshot(p, &snapshot, err));
    if (n == 0) {
      size_t left = p->json->size - p->json->pos;
      capacity = left / (p->json->pos - start) + 1;
      items = frz_arena_array(p->arena, capacity, sizeof *items);
    } else {
      items = frz_arena_list_room(p->arena, items, n, &capacity, sizeof *items);
    }
    if (items == NULL) return frz_fail_nomem(err, "table metadata");
    items[n++] = snapshot;
  }
  p->out->snapshots = items;
  p->out->n_snapshots = n;
  return FRZ_OK;
}

static frz_status read_log_members(parser *p, int64_t *time_out, int64_t *id_out, frz_str *file_out,
                                   frz_error *err)
{
  bool has_time = false, has_other = false;
  const char *other = id_out != NULL ? "snapshot-id" : "metadata-file";
  FRZ_TRY(frz_json_object_begin(p->json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(next_member(p, &key, &more, err));
    if (!more) break;
    if (frz_str_is(key, "timestamp-ms")) {
      FRZ_TRY(frz_json_read_i64(p->json, time_out, err));
      has_time = true;
    } else if (frz_str_is(key, other)) {
      if (id_out != NULL)
        FRZ_TRY(frz_json_read_i64(p->json, id_out, err));
      else
        FRZ_TRY(read_text(p, file_out, err));
      has_other = true;
    } else {
      FRZ_TRY(frz_json_skip(p->json, err));
    }
  }
  if (has_time && has_other) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "an entry lacks '%s'", has_time ? other : "timestamp-ms");
}

static frz_status read_snapshot_log(parser *p, void *item, frz_error *err)
{
  frz_snapshot_log_entry *entry = item;
  return read_log_members(p, &entry->timestamp_ms, &entry->snapshot_id, NULL, err);
}

static frz_status read_metadata_log(parser *p, void *item, frz_error *err)
{
  frz_metadata_log_entry *entry = item;
  return read_log_members(p, &entry->timestamp_ms, NULL, &entry->metadata_file, err);
}

static frz_status read_ref_type(parser *p, frz_snapshot_ref *ref, frz_error *err)
{
  frz_str type;
  FRZ_TRY(frz_json_read_string(p->json, &type, err));
  ref->is_branch = frz_str_is(type, "branch") || frz_str_is(type, "BRANCH");
  if (!ref->is_branch && !frz_str_is(type, "tag") && !frz_str_is(type, "TAG"))
    return frz_fail(err, FRZ_ERR_CORRUPT, "'type' is '%.*s', not branch or tag", FRZ_STR_ARG(type));
  return FRZ_OK;
}

static frz_status read_ref(parser *p, frz_snapshot_ref *ref, frz_error *err)
{
  bool has_id = false, has_type = false;
  FRZ_TRY(frz_json_object_begin(p->json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(next_member(p, &key, &more, err));
    if (!more) break;
    if (frz_str_is(key, "snapshot-id")) {
      FRZ_TRY(frz_json_read_i64(p->json, &ref->snapshot_id, err));
      has_id = true;
    } else if (frz_str_is(key, "type")) {
      FRZ_TRY(read_ref_type(p, ref, err));
      has_type = true;
    } else if (frz_str_is(key, "max-ref-age-ms")) {
      FRZ_TRY(frz_json_read_i64(p->json, &ref->max_ref_age_ms, err));
    } else if (frz_str_is(key, "max-snapshot-age-ms")) {
      FRZ_TRY(frz_json_read_i64(p->json, &ref->max_snapshot_age_ms, err));
    } else if (frz_str_is(key, "min-snapshots-to-keep")) {
      FRZ_TRY(frz_json_read_i32(p->json, &ref->min_snapshots_to_keep, err));
    } else {
      FRZ_TRY(frz_json_skip(p->json, err));
    }
  }
  if (has_id && has_type) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "'%s' is missing", has_id ? "type" : "snapshot-id");
}

static frz_status read_refs(parser *p, frz_error *err)
{
  frz_snapshot_ref *refs = NULL;
  size_t n = 0, capacity = 0;
  FRZ_TRY(frz_json_object_begin(p->json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(next_member(p, &key, &more, err));
    if (!more) break;
    refs = frz_arena_list_room(p->arena, refs, n, &capacity, sizeof *refs);
    if (refs == NULL) return frz_fail_nomem(err, "table metadata");
    refs[n] = (frz_snapshot_ref){
        .max_ref_age_ms = -1, .max_snapshot_age_ms = -1, .min_snapshots_to_keep = -1};
    FRZ_TRY(keep_text(p, key, &refs[n].name, err));
    frz_status st = read_ref(p, &refs[n], err);
    if (st != FRZ_OK) {
      frz_error_where(err, "ref '%.*s': ", FRZ_STR_ARG(refs[n].name));
      return st;
    }
    n++;
  }
  p->out->refs = refs;
  p->out->n_refs = n;
  return FRZ_OK;
}

/* ---- members of the table ---- */

static frz_status read_format(parser *p, frz_error *err)
{
  FRZ_TRY(frz_json_read_i32(p->json, &p->out->format_version, err));
  p->has_format = true;
  if (p->out->format_version >= 1 && p->out->format_version <= FORMAT_VERSION_MAX) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "version %d; 1 to %d are supported",
                  (int)p->out->format_version, FORMAT_VERSION_MAX);
}

static frz_status read_number(parser *p, frz_str key, bool *is_number_out, frz_error *err)
{
  frz_table_metadata *m = p->out;
  const struct {
    const char *key;
    bool *seen;
    int32_t *i32;
    int64_t *i64;
  } numbers[] = {
      {"last-sequence-number", &p->has_sequence, NULL, &m->last_sequence_number},
      {"last-updated-ms", &p->has_updated, NULL, &m->last_updated_ms},
      {"last-column-id", &p->has_column_id, &m->last_column_id, NULL},
      {"current-schema-id", &p->has_schema_id, &m->current_schema_id, NULL},
      {"default-spec-id", &p->has_spec_id, &m->default_spec_id, NULL},
      {"last-partition-id", &p->has_partition_id, &m->last_partition_id, NULL},
      {"default-sort-order-id", &p->has_order_id, &m->default_sort_order_id, NULL},
      {"current-snapshot-id", NULL, NULL, &m->current_snapshot_id},
      {"next-row-id", &p->has_next_row_id, NULL, &m->next_row_id},
  };
  *is_number_out = true;
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    if (!frz_str_is(key, numbers[i].key)) continue;
    if (numbers[i].seen != NULL) *numbers[i].seen = true;
    return numbers[i].i32 != NULL ? frz_json_read_i32(p->json, numbers[i].i32, err)
                                  : frz_json_read_i64(p->json, numbers[i].i64, err);
  }
  *is_number_out = false;
  return FRZ_OK;
}

static frz_status read_parts(parser *p, frz_str key, bool *is_known_out, frz_error *err)
{
  frz_table_metadata *m = p->out;
  *is_known_out = true;
  if (frz_str_is(key, "schemas")) {
    p->has_schemas = true;
    return read_list(p, read_schema_item, sizeof(frz_schema), &m->schemas, &m->n_schemas, err);
  }
  if (frz_str_is(key, "schema")) {
    p->has_schema = true;
    return frz_schema_parse(p->json, p->arena, &p->schema, err);
  }
  if (frz_str_is(key, "partition-specs")) {
    p->has_specs = true;
    return read_list(p, read_spec_item, sizeof(frz_partition_spec), &m->specs, &m->n_specs, err);
  }
  if (frz_str_is(key, "partition-spec")) {
    p->has_spec = true;
    return frz_partition_spec_parse(p->json, p->arena, &p->spec, err);
  }
  if (frz_str_is(key, "sort-orders")) {
    p->has_orders = true;
    return read_list(p, read_order_item, sizeof(frz_sort_order), &m->sort_orders, &m->n_sort_orders,
                     err);
  }
  if (frz_str_is(key, "snapshots")) return read_snapshots(p, err);
  if (frz_str_is(key, "snapshot-log"))
    return read_list(p, read_snapshot_log, sizeof(frz_snapshot_log_entry), &m->snapshot_log,
                     &m->n_snapshot_log, err);
  if (frz_str_is(key, "metadata-log"))
    return read_list(p, read_metadata_log, sizeof(frz_metadata_log_entry), &m->metadata_log,
                     &m->n_metadata_log, err);
  if (frz_str_is(key, "statistics"))
    return read_list(p, read_statistics_item, sizeof(frz_statistics_file), &m->statistics,
                     &m->n_statistics, err);
  if (frz_str_is(key, "partition-statistics"))
    return read_list(p, read_statistics_item, sizeof(frz_statistics_file), &m->partition_statistics,
                     &m->n_partition_statistics, err);
  *is_known_out = false;
  return FRZ_OK;
}

static frz_status read_location(parser *p, frz_error *err)
{
  frz_str text;
  FRZ_TRY(frz_json_read_string(p->json, &text, err));
  text = frz_location_trim(text);
  p->has_location = true;
  return keep_text(p, text, &p->out->location, err);
}

static frz_status read_member(parser *p, frz_str key, frz_error *err)
{
  bool is_known;
  if (frz_str_is(key, "format-version")) return read_format(p, err);
  FRZ_TRY(read_number(p, key, &is_known, err));
  if (is_known) return FRZ_OK;
  FRZ_TRY(read_parts(p, key, &is_known, err));
  if (is_known) return FRZ_OK;
  if (frz_str_is(key, "table-uuid")) return read_text(p, &p->out->table_uuid, err);
  if (frz_str_is(key, "location")) return read_location(p, err);
  if (frz_str_is(key, "properties")) return read_properties(p, err);
  if (frz_str_is(key, "refs")) return read_refs(p, err);
  if (frz_str_is(key, "encryption-keys")) return read_raw(p, &p->out->encryption_keys, err);
  return frz_json_skip(p->json, err);
}

static frz_status read_document(parser *p, frz_error *err)
{
  FRZ_TRY(frz_json_object_begin(p->json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(next_member(p, &key, &more, err));
    if (!more) return frz_json_finish(p->json, err);
    frz_status st = read_member(p, key, err);
    if (st != FRZ_OK) {
      if (st != FRZ_ERR_NOMEM) frz_error_where(err, "'%.*s': ", FRZ_STR_ARG(key));
      return st;
    }
  }
}

/* ---- completion: what version 1 leaves out ---- */

static frz_status missing(const char *key, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "'%s' is missing", key);
}

static frz_status one_of(parser *p, const void *item, size_t item_bytes, void *list_out,
                         size_t *n_out, frz_error *err)
{
  void *items = frz_arena_array(p->arena, 1, item_bytes);
  if (items == NULL) return frz_fail_nomem(err, "table metadata");
  memcpy(items, item, item_bytes);
  memcpy(list_out, &items, sizeof items);
  *n_out = 1;
  return FRZ_OK;
}

static frz_status complete_schemas(parser *p, frz_error *err)
{
  frz_table_metadata *m = p->out;
  if (p->has_schemas && !p->has_schema_id) return missing("current-schema-id", err);
  if (p->has_schemas && frz_metadata_current_schema(m) == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "'current-schema-id' %d is not among 'schemas'",
                    (int)m->current_schema_id);
  if (p->has_schemas) return FRZ_OK;
  if (m->format_version > 1) return missing("schemas", err);
  if (!p->has_schema) return missing("schema", err);
  m->current_schema_id = p->schema.schema_id;
  return one_of(p, &p->schema, sizeof p->schema, &m->schemas, &m->n_schemas, err);
}

static frz_status complete_specs(parser *p, frz_error *err)
{
  frz_table_metadata *m = p->out;
  if (p->has_specs) {
    if (!p->has_spec_id) return missing("default-spec-id", err);
    if (frz_metadata_spec(m, m->default_spec_id) == NULL)
      return frz_fail(err, FRZ_ERR_CORRUPT, "'default-spec-id' %d is not among 'partition-specs'",
                      (int)m->default_spec_id);
  } else {
    if (m->format_version > 1) return missing("partition-specs", err);
    if (!p->has_spec) return missing("partition-spec", err);
    m->default_spec_id = p->spec.spec_id;
    FRZ_TRY(one_of(p, &p->spec, sizeof p->spec, &m->specs, &m->n_specs, err));
  }
  if (p->has_partition_id) return FRZ_OK;
  if (m->format_version > 1) return missing("last-partition-id", err);
  m->last_partition_id = 0;
  for (size_t i = 0; i < m->n_specs; i++) {
    int32_t last = frz_partition_last_field_id(&m->specs[i]);
    if (last > m->last_partition_id) m->last_partition_id = last;
  }
  return FRZ_OK;
}

static frz_status complete_orders(parser *p, frz_error *err)
{
  frz_table_metadata *m = p->out;
  const frz_sort_order unsorted = {0};
  if (p->has_orders && !p->has_order_id) return missing("default-sort-order-id", err);
  if (!p->has_orders) {
    if (m->format_version > 1) return missing("sort-orders", err);
    m->default_sort_order_id = 0;
    return one_of(p, &unsorted, sizeof unsorted, &m->sort_orders, &m->n_sort_orders, err);
  }
  if (m->default_sort_order_id != 0 || frz_metadata_sort_order(m, 0) != NULL) return FRZ_OK;
  frz_sort_order *orders = frz_arena_array(p->arena, m->n_sort_orders + 1, sizeof *orders);
  if (orders == NULL) return frz_fail_nomem(err, "table metadata");
  if (m->n_sort_orders != 0) memcpy(orders, m->sort_orders, m->n_sort_orders * sizeof *orders);
  m->sort_orders = orders;
  m->n_sort_orders++; /* order 0 needs no mention */
  return FRZ_OK;
}

static frz_status complete_refs(parser *p, frz_error *err)
{
  frz_table_metadata *m = p->out;
  const frz_snapshot_ref *main = frz_metadata_ref(m, FRZ_STR("main"));
  if (m->current_snapshot_id < 0) m->current_snapshot_id = -1;
  if (m->current_snapshot_id == -1 && main != NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "there is a 'main' ref but no 'current-snapshot-id'");
  if (m->current_snapshot_id == -1) return FRZ_OK;
  if (main != NULL && (!main->is_branch || main->snapshot_id != m->current_snapshot_id))
    return frz_fail(err, FRZ_ERR_CORRUPT,
                    "'current-snapshot-id' is %lld, but ref 'main' is the %s of %lld",
                    (long long)m->current_snapshot_id, main->is_branch ? "branch" : "tag",
                    (long long)main->snapshot_id);
  if (main != NULL) return FRZ_OK;
  frz_snapshot_ref *refs = frz_arena_array(p->arena, m->n_refs + 1, sizeof *refs);
  if (refs == NULL) return frz_fail_nomem(err, "table metadata");
  if (m->n_refs != 0) memcpy(refs + 1, m->refs, m->n_refs * sizeof *refs);
  refs[0] = (frz_snapshot_ref){.name = FRZ_STR("main"),
                               .snapshot_id = m->current_snapshot_id,
                               .is_branch = true,
                               .max_ref_age_ms = -1,
                               .max_snapshot_age_ms = -1,
                               .min_snapshots_to_keep = -1};
  m->refs = refs;
  m->n_refs++;
  return FRZ_OK;
}

static frz_status complete_v1_snapshots(parser *p, frz_error *err)
{
  frz_table_metadata *m = p->out;
  m->last_sequence_number = 0;
  if (m->n_snapshots == 0) return FRZ_OK;
  frz_snapshot *snapshots = frz_arena_array(p->arena, m->n_snapshots, sizeof *snapshots);
  if (snapshots == NULL) return frz_fail_nomem(err, "table metadata");
  memcpy(snapshots, m->snapshots, m->n_snapshots * sizeof *snapshots);
  for (size_t i = 0; i < m->n_snapshots; i++) snapshots[i].sequence_number = 0;
  m->snapshots = snapshots;
  return FRZ_OK;
}

static frz_status complete(parser *p, frz_error *err)
{
  frz_table_metadata *m = p->out;
  if (!p->has_format) return missing("format-version", err);
  if (!p->has_location) return missing("location", err);
  if (m->table_uuid.data == NULL && m->format_version > 1) return missing("table-uuid", err);
  if (!p->has_sequence && m->format_version > 1) return missing("last-sequence-number", err);
  if (!p->has_updated) return missing("last-updated-ms", err);
  if (!p->has_column_id) return missing("last-column-id", err);
  FRZ_TRY(complete_schemas(p, err));
  FRZ_TRY(complete_specs(p, err));
  FRZ_TRY(complete_orders(p, err));
  if (m->format_version >= 3 && !p->has_next_row_id) return missing("next-row-id", err);
  if (m->format_version < 3) m->next_row_id = -1;
  if (m->format_version == 1) FRZ_TRY(complete_v1_snapshots(p, err));
  return complete_refs(p, err);
}

/* ---- checks: what is named exists, and once ---- */

static int by_number(const void *a, const void *b)
{
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static frz_status check_unique(int64_t *ids, size_t n, const char *what, frz_error *err)
{
  if (n > 1) qsort(ids, n, sizeof *ids, by_number);
  for (size_t i = 1; i < n; i++)
    if (ids[i] == ids[i - 1])
      return frz_fail(err, FRZ_ERR_CORRUPT, "%s %lld is there twice", what, (long long)ids[i]);
  return FRZ_OK;
}

static frz_status check_small_ids(const frz_table_metadata *m, int64_t *ids, frz_error *err)
{
  for (size_t i = 0; i < m->n_schemas; i++) ids[i] = m->schemas[i].schema_id;
  FRZ_TRY(check_unique(ids, m->n_schemas, "'schemas': schema-id", err));
  for (size_t i = 0; i < m->n_specs; i++) ids[i] = m->specs[i].spec_id;
  FRZ_TRY(check_unique(ids, m->n_specs, "'partition-specs': spec-id", err));
  for (size_t i = 0; i < m->n_sort_orders; i++) ids[i] = m->sort_orders[i].order_id;
  FRZ_TRY(check_unique(ids, m->n_sort_orders, "'sort-orders': order-id", err));
  if (frz_metadata_sort_order(m, m->default_sort_order_id) == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "'default-sort-order-id' %d is not among 'sort-orders'",
                    (int)m->default_sort_order_id);
  return FRZ_OK;
}

static frz_status check_snapshots(const frz_table_metadata *m, frz_error *err)
{
  for (size_t i = 0; i < m->n_snapshots; i++) {
    const frz_snapshot *s = &m->snapshots[i];
    if (m->format_version > 1 && s->manifest_list.data == NULL && s->n_manifests == 0)
      return frz_fail(err, FRZ_ERR_CORRUPT, "snapshot %lld: 'manifest-list' is missing",
                      (long long)s->snapshot_id);
    if (m->format_version > 1 && s->sequence_number > m->last_sequence_number)
      return frz_fail(err, FRZ_ERR_CORRUPT,
                      "snapshot %lld: 'sequence-number' %lld is after 'last-sequence-number' %lld",
                      (long long)s->snapshot_id, (long long)s->sequence_number,
                      (long long)m->last_sequence_number);
  }
  for (size_t i = 1; i < m->n_snapshots; i++)
    if (m->snapshot_places[i].snapshot_id == m->snapshot_places[i - 1].snapshot_id)
      return frz_fail(err, FRZ_ERR_CORRUPT, "'snapshots': snapshot-id %lld is there twice",
                      (long long)m->snapshot_places[i].snapshot_id);
  if (m->current_snapshot_id != -1 && frz_metadata_snapshot(m, m->current_snapshot_id) == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "'current-snapshot-id' %lld is not among 'snapshots'",
                    (long long)m->current_snapshot_id);
  for (size_t i = 0; i < m->n_refs; i++)
    if (frz_metadata_snapshot(m, m->refs[i].snapshot_id) == NULL)
      return frz_fail(err, FRZ_ERR_CORRUPT,
                      "'refs': '%.*s' names snapshot %lld, which is not there",
                      FRZ_STR_ARG(m->refs[i].name), (long long)m->refs[i].snapshot_id);
  return FRZ_OK;
}

static frz_status check(const frz_table_metadata *m, const frz_alloc *alloc, frz_error *err)
{
  size_t n = m->n_schemas;
  if (m->n_specs > n) n = m->n_specs;
  if (m->n_sort_orders > n) n = m->n_sort_orders;
  int64_t *ids = frz_alloc_array(alloc, n, sizeof *ids);
  if (ids == NULL) return frz_fail_nomem(err, "table metadata");
  frz_status st = check_small_ids(m, ids, err);
  if (st == FRZ_OK) st = check_snapshots(m, err);
  frz_alloc_free(alloc, ids, n != 0 ? n * sizeof *ids : 1);
  return st;
}

static frz_status parse_json(frz_table_metadata *m, frz_error *err)
{
  const frz_buf *text = &m->document->text;
  frz_json_reader json;
  frz_json_reader_init(&json, text->data, text->size, &m->arena);
  parser p = {.json = &json, .arena = &m->arena, .out = m};
  FRZ_TRY(read_document(&p, err));
  FRZ_TRY(complete(&p, err));
  if (!frz_metadata_index_snapshots(m)) return frz_fail_nomem(err, "table metadata");
  return check(m, m->arena.alloc, err);
}

/* Metadata with a document whose text is the bytes, decompressed; takes them. */
static frz_status open_document(frz_buf *bytes, frz_table_metadata **metadata_out, frz_error *err)
{
  static const uint8_t gzip_magic[2] = {0x1f, 0x8b};
  const frz_alloc *alloc = bytes->alloc;
  frz_table_metadata *m = frz_table_metadata_new(alloc);
  if (m == NULL) return frz_fail_nomem(err, "table metadata");
  m->document = frz_alloc_zeroed(alloc, sizeof *m->document);
  *metadata_out = m;
  if (m->document == NULL) return frz_fail_nomem(err, "table metadata");
  atomic_init(&m->document->references, 1);
  frz_buf *text = &m->document->text;
  if (bytes->size >= 2 && memcmp(bytes->data, gzip_magic, 2) == 0) {
    frz_buf_init(text, alloc, FRZ_LIMIT_METADATA_BYTES);
    return frz_decompress_append(FRZ_CODEC_GZIP, bytes->data, bytes->size, text, err);
  }
  *text = *bytes;
  frz_buf_init(bytes, alloc, 0);
  if (text->size <= FRZ_LIMIT_METADATA_BYTES) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_LIMIT, "%zu bytes of JSON; at most %zu are read", text->size,
                  FRZ_LIMIT_METADATA_BYTES);
}

frz_status frz_table_metadata_take(frz_str name, frz_buf *bytes, frz_table_metadata **metadata_out,
                                   frz_error *err)
{
  frz_table_metadata *m = NULL;
  frz_status st = open_document(bytes, &m, err);
  frz_buf_dispose(bytes);
  if (st == FRZ_OK) st = parse_json(m, err);
  if (st == FRZ_OK)
    *metadata_out = m;
  else
    frz_table_metadata_release(m);
  if (st != FRZ_OK && st != FRZ_ERR_NOMEM)
    frz_error_where(err, "table metadata '%.*s': ", FRZ_STR_ARG(name));
  return st;
}

frz_status frz_table_metadata_parse(const frz_alloc *alloc, frz_str name, const void *data,
                                    size_t size, frz_table_metadata **metadata_out, frz_error *err)
{
  frz_buf bytes;
  frz_buf_init(&bytes, alloc, size);
  FRZ_TRY(frz_buf_append(&bytes, data, size, err));
  return frz_table_metadata_take(name, &bytes, metadata_out, err);
}
