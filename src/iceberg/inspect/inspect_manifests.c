/*
 * inspect_manifests.c - the metadata tables "manifests" and "all_manifests".
 *
 * One manifest list is read a batch. Over all snapshots a manifest comes once for each that lists
 * it, as it does in other engines: "reference_snapshot_id" says which.
 */
#include "base/limits.h"
#include "iceberg/inspect/inspect.h"

static const frz_rows_column COLUMNS[] = {
    {"content", FRZ_ROWS_I32, false},
    {"path", FRZ_ROWS_TEXT, false},
    {"length", FRZ_ROWS_I64, false},
    {"partition_spec_id", FRZ_ROWS_I32, false},
    {"added_snapshot_id", FRZ_ROWS_I64, true},
    {"added_data_files_count", FRZ_ROWS_I32, true},
    {"existing_data_files_count", FRZ_ROWS_I32, true},
    {"deleted_data_files_count", FRZ_ROWS_I32, true},
    {"added_delete_files_count", FRZ_ROWS_I32, true},
    {"existing_delete_files_count", FRZ_ROWS_I32, true},
    {"deleted_delete_files_count", FRZ_ROWS_I32, true},
};
static const frz_rows_column SUMMARY_COLUMNS[] = {
    {"contains_null", FRZ_ROWS_BOOL, false},
    {"contains_nan", FRZ_ROWS_BOOL, true},
    {"lower_bound", FRZ_ROWS_TEXT, true},
    {"upper_bound", FRZ_ROWS_TEXT, true},
};
static const frz_rows_column LAST_COLUMNS[] = {
    {"sequence_number", FRZ_ROWS_I64, true},
    {"min_sequence_number", FRZ_ROWS_I64, true},
    {"key_metadata", FRZ_ROWS_BYTES, true},
    {"reference_snapshot_id", FRZ_ROWS_I64, false}, /* of all_manifests alone */
};

enum {
  N_PLAIN = FRZ_N_COLUMNS(COLUMNS),
  N_SUMMARY = FRZ_N_COLUMNS(SUMMARY_COLUMNS),
  N_LAST = FRZ_N_COLUMNS(LAST_COLUMNS)
};

typedef struct manifest_lister {
  const frz_alloc *alloc;
  frz_context *context;
  frz_storage *storage;
  frz_table_metadata *metadata;
  const frz_snapshot *snapshots; /* of the metadata */
  size_t n_snapshots, next;
  bool of_all;
  frz_arena arena; /* the fields */
  frz_rows rows;
} manifest_lister;

static void lister_free(void *arg)
{
  manifest_lister *self = arg;
  if (self == NULL) return;
  const frz_alloc *alloc = self->alloc;
  frz_rows_dispose(&self->rows);
  frz_arena_free(&self->arena);
  frz_storage_release(self->storage);
  frz_table_metadata_release(self->metadata);
  frz_alloc_free(alloc, self, sizeof *self);
}

/* ---- rows ---- */

/* Counts of the other content are zero, as in Iceberg's own table. */
static void add_counts(frz_rows *rows, const frz_manifest_file *manifest, bool counted)
{
  frz_rows_id(rows, counted ? manifest->n_added_files : 0);
  frz_rows_id(rows, counted ? manifest->n_existing_files : 0);
  frz_rows_id(rows, counted ? manifest->n_deleted_files : 0);
}

static frz_status add_bound(frz_rows *rows, const frz_partition_field *field, const frz_type *type,
                            frz_str bytes, frz_arena *arena, frz_error *err)
{
  frz_literal value;
  if (bytes.data == NULL || type->kind == FRZ_TYPE_UNKNOWN) {
    frz_rows_null(rows);
    return FRZ_OK;
  }
  FRZ_TRY(frz_literal_from_bytes(type, bytes, &value, err));
  frz_str text = frz_partition_value_print(&field->transform, &value, arena);
  if (text.data == NULL) return frz_fail_nomem(err, "manifest");
  frz_rows_text(rows, text);
  return FRZ_OK;
}

static frz_status add_summaries(manifest_lister *self, const frz_manifest_file *manifest,
                                frz_arena *arena, frz_error *err)
{
  const frz_partition_spec *spec = frz_metadata_spec(self->metadata, manifest->spec_id);
  const frz_schema *schema = frz_metadata_current_schema(self->metadata);
  frz_rows *rows = &self->rows;
  size_t n = spec != NULL && spec->n_fields < manifest->n_partitions ? spec->n_fields
                                                                     : manifest->n_partitions;
  frz_rows_list_begin(rows);
  for (size_t i = 0; spec != NULL && i < n; i++) {
    const frz_field_summary *summary = &manifest->partitions[i];
    const frz_type type = frz_partition_field_type(&spec->fields[i], schema);
    frz_rows_struct_begin(rows);
    frz_rows_bool(rows, summary->contains_null);
    if (summary->contains_nan < 0)
      frz_rows_null(rows);
    else
      frz_rows_bool(rows, summary->contains_nan != 0);
    FRZ_TRY(add_bound(rows, &spec->fields[i], &type, summary->lower, arena, err));
    FRZ_TRY(add_bound(rows, &spec->fields[i], &type, summary->upper, arena, err));
    frz_rows_struct_end(rows);
  }
  frz_rows_list_end(rows);
  return FRZ_OK;
}

static frz_status add_manifest(manifest_lister *self, const frz_snapshot *snapshot,
                               const frz_manifest_file *manifest, frz_arena *arena, frz_error *err)
{
  frz_rows *rows = &self->rows;
  frz_rows_i32(rows, (int32_t)manifest->content);
  frz_rows_text(rows, manifest->path);
  frz_rows_i64(rows, manifest->length_bytes);
  frz_rows_i32(rows, manifest->spec_id);
  frz_rows_id(rows, manifest->added_snapshot_id);
  add_counts(rows, manifest, manifest->content == FRZ_MANIFEST_DATA);
  add_counts(rows, manifest, manifest->content == FRZ_MANIFEST_DELETES);
  frz_status st = add_summaries(self, manifest, arena, err);
  if (st != FRZ_OK) {
    frz_error_where(err, "manifest '%.*s': ", FRZ_STR_ARG(manifest->path));
    return st;
  }
  frz_rows_id(rows, manifest->sequence_number);
  frz_rows_id(rows, manifest->min_sequence_number);
  frz_rows_bytes(rows, manifest->key_metadata);
  if (self->of_all) frz_rows_i64(rows, snapshot->snapshot_id);
  return frz_rows_end(rows, err);
}

static frz_status list_snapshot(manifest_lister *self, const frz_snapshot *snapshot, frz_error *err)
{
  const frz_manifest_file *manifests;
  size_t n_manifests;
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_arena_init(&arena, self->alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  FRZ_TRY_OUT(frz_manifest_list_read(self->storage, self->metadata, snapshot, &arena, &manifests,
                                     &n_manifests, err));
  for (size_t i = 0; i < n_manifests; i++)
    FRZ_TRY_OUT(add_manifest(self, snapshot, &manifests[i], &arena, err));
out:
  frz_arena_free(&arena);
  return st;
}

static frz_status lister_next(void *arg, frz_batch *batch_out, frz_error *err)
{
  manifest_lister *self = arg;
  while (self->rows.batch.n_rows == 0 && self->next < self->n_snapshots) {
    FRZ_TRY(frz_context_poll(self->context, err));
    FRZ_TRY(list_snapshot(self, &self->snapshots[self->next], err));
    self->next++;
  }
  return frz_rows_take(&self->rows, batch_out, err);
}

/* ---- the table ---- */

static frz_status make_fields(manifest_lister *self, const frz_arrow_field **fields_out,
                              size_t *n_out, frz_error *err)
{
  frz_arena *arena = &self->arena;
  size_t n_last = self->of_all ? N_LAST : N_LAST - 1;
  frz_arrow_field *fields = frz_arena_array(arena, N_PLAIN + 1 + N_LAST, sizeof *fields);
  frz_arrow_field *plain = frz_rows_fields(COLUMNS, N_PLAIN, arena);
  frz_arrow_field *summary = frz_rows_fields(SUMMARY_COLUMNS, N_SUMMARY, arena);
  frz_arrow_field *last = frz_rows_fields(LAST_COLUMNS, N_LAST, arena);
  frz_arrow_field *item = frz_arena_push(arena, sizeof *item);
  if (fields == NULL || plain == NULL || summary == NULL || last == NULL || item == NULL)
    return frz_fail_nomem(err, "metadata rows");
  *item = (frz_arrow_field){.name = FRZ_STR("element"),
                            .field_id = -1,
                            .type = {.kind = FRZ_ARROW_STRUCT},
                            .children = summary,
                            .n_children = N_SUMMARY};
  memcpy(fields, plain, N_PLAIN * sizeof *plain);
  fields[N_PLAIN] = (frz_arrow_field){.name = FRZ_STR("partition_summaries"),
                                      .field_id = -1,
                                      .type = {.kind = FRZ_ARROW_LIST},
                                      .children = item,
                                      .n_children = 1};
  memcpy(fields + N_PLAIN + 1, last, n_last * sizeof *last);
  *fields_out = fields;
  *n_out = N_PLAIN + 1 + n_last;
  return FRZ_OK;
}

frz_status frz_inspect_manifests(const frz_inspection *inspection,
                                 struct ArrowArrayStream *stream_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  const frz_alloc *alloc = frz_context_alloc(inspection->context);
  const frz_arrow_field *fields;
  size_t n_fields;
  manifest_lister *self = frz_alloc_zeroed(alloc, sizeof *self);
  if (self == NULL) return frz_fail_nomem(err, "metadata rows");
  self->alloc = alloc;
  self->context = inspection->context;
  self->storage = frz_storage_retain(inspection->storage);
  self->metadata = frz_table_metadata_retain(inspection->metadata);
  self->of_all = inspection->of_all;
  self->snapshots = self->of_all ? self->metadata->snapshots : inspection->snapshot;
  self->n_snapshots = self->of_all ? self->metadata->n_snapshots : inspection->snapshot != NULL;
  frz_arena_init(&self->arena, alloc, FRZ_LIMIT_METADATA_BYTES);
  FRZ_TRY_OUT(make_fields(self, &fields, &n_fields, err));
  FRZ_TRY_OUT(frz_rows_init_fields(&self->rows, fields, n_fields, alloc, err));
  frz_batch_source source = {self, lister_next, lister_free};
  return frz_stream_export(fields, n_fields, source, alloc, stream_out, err);
out:
  lister_free(self);
  return st;
}
