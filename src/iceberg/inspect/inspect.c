/*
 * inspect.c - a table's metadata as rows: snapshots, history, refs, files, manifests, properties.
 *
 * Columns are named as in Iceberg's own metadata tables; partitions are text. Everything comes from
 * the metadata that the handle shows, but for files and manifests, which read the manifest list of
 * the current snapshot; files come one manifest a batch, so that memory does not grow with them.
 */
#include "base/limits.h"
#include "iceberg/metadata/summary_json.h"
#include "iceberg/scan/metadata_rows.h"
#include "iceberg/table/table_handle.h"

#define N_COLUMNS(columns) (sizeof(columns) / sizeof(columns)[0])

/* ---- from the metadata alone ---- */

static const frz_rows_column SNAPSHOT_COLUMNS[] = {
    {"committed_at", FRZ_ROWS_TIME, false}, {"snapshot_id", FRZ_ROWS_I64, false},
    {"parent_id", FRZ_ROWS_I64, true},      {"operation", FRZ_ROWS_TEXT, true},
    {"manifest_list", FRZ_ROWS_TEXT, true}, {"summary", FRZ_ROWS_TEXT_MAP, true},
};

static frz_status add_snapshots(frz_rows *rows, const frz_table_metadata *metadata, frz_error *err)
{
  frz_status st = FRZ_OK;
  for (size_t i = 0; i < metadata->n_snapshots && st == FRZ_OK; i++) {
    const frz_snapshot *snapshot = &metadata->snapshots[i];
    const frz_text_pair *pairs;
    size_t n_pairs;
    frz_arena arena;
    frz_arena_init(&arena, rows->alloc, FRZ_LIMIT_METADATA_BYTES);
    st = frz_summary_parse(snapshot->summary, &arena, &pairs, &n_pairs, err);
    frz_rows_time(rows, snapshot->timestamp_ms);
    frz_rows_i64(rows, snapshot->snapshot_id);
    frz_rows_id(rows, snapshot->parent_id);
    frz_rows_text(rows, snapshot->operation.size != 0 ? snapshot->operation : (frz_str){0});
    frz_rows_text(rows, snapshot->manifest_list);
    frz_rows_texts(rows, pairs, n_pairs);
    if (st == FRZ_OK) st = frz_rows_end(rows, err);
    frz_arena_free(&arena);
  }
  return st;
}

static const frz_rows_column HISTORY_COLUMNS[] = {
    {"made_current_at", FRZ_ROWS_TIME, false},
    {"snapshot_id", FRZ_ROWS_I64, false},
    {"parent_id", FRZ_ROWS_I64, true},
    {"is_current_ancestor", FRZ_ROWS_BOOL, false},
};

/** Follows parents from the current snapshot; a loop in them ends the walk. */
static bool is_current_ancestor(const frz_table_metadata *metadata, int64_t snapshot_id)
{
  int64_t at = metadata->current_snapshot_id;
  for (size_t i = 0; at != -1 && i <= metadata->n_snapshots; i++) {
    if (at == snapshot_id) return true;
    const frz_snapshot *snapshot = frz_metadata_snapshot(metadata, at);
    at = snapshot != NULL ? snapshot->parent_id : -1;
  }
  return false;
}

static frz_status add_history(frz_rows *rows, const frz_table_metadata *metadata, frz_error *err)
{
  for (size_t i = 0; i < metadata->n_snapshot_log; i++) {
    const frz_snapshot_log_entry *entry = &metadata->snapshot_log[i];
    const frz_snapshot *snapshot = frz_metadata_snapshot(metadata, entry->snapshot_id);
    frz_rows_time(rows, entry->timestamp_ms);
    frz_rows_i64(rows, entry->snapshot_id);
    frz_rows_id(rows, snapshot != NULL ? snapshot->parent_id : -1);
    frz_rows_bool(rows, is_current_ancestor(metadata, entry->snapshot_id));
    FRZ_TRY(frz_rows_end(rows, err));
  }
  return FRZ_OK;
}

static const frz_rows_column REF_COLUMNS[] = {
    {"name", FRZ_ROWS_TEXT, false},
    {"type", FRZ_ROWS_TEXT, false},
    {"snapshot_id", FRZ_ROWS_I64, false},
    {"max_reference_age_in_ms", FRZ_ROWS_I64, true},
    {"min_snapshots_to_keep", FRZ_ROWS_I32, true},
    {"max_snapshot_age_in_ms", FRZ_ROWS_I64, true},
};

static frz_status add_refs(frz_rows *rows, const frz_table_metadata *metadata, frz_error *err)
{
  for (size_t i = 0; i < metadata->n_refs; i++) {
    const frz_snapshot_ref *ref = &metadata->refs[i];
    frz_rows_text(rows, ref->name);
    frz_rows_text(rows, ref->is_branch ? FRZ_STR("BRANCH") : FRZ_STR("TAG"));
    frz_rows_i64(rows, ref->snapshot_id);
    frz_rows_id(rows, ref->max_ref_age_ms);
    frz_rows_id(rows, ref->min_snapshots_to_keep);
    frz_rows_id(rows, ref->max_snapshot_age_ms);
    FRZ_TRY(frz_rows_end(rows, err));
  }
  return FRZ_OK;
}

static const frz_rows_column PROPERTY_COLUMNS[] = {
    {"key", FRZ_ROWS_TEXT, false},
    {"value", FRZ_ROWS_TEXT, false},
};

static frz_status add_properties(frz_rows *rows, const frz_table_metadata *metadata, frz_error *err)
{
  for (size_t i = 0; i < metadata->n_properties; i++) {
    frz_rows_text(rows, metadata->properties[i].key);
    frz_rows_text(rows, metadata->properties[i].value);
    FRZ_TRY(frz_rows_end(rows, err));
  }
  return FRZ_OK;
}

/* ---- manifests ---- */

static const frz_rows_column MANIFEST_COLUMNS[] = {
    {"content", FRZ_ROWS_I32, false},
    {"path", FRZ_ROWS_TEXT, false},
    {"length", FRZ_ROWS_I64, false},
    {"partition_spec_id", FRZ_ROWS_I32, false},
    {"sequence_number", FRZ_ROWS_I64, true},
    {"added_snapshot_id", FRZ_ROWS_I64, true},
    {"added_data_files_count", FRZ_ROWS_I32, true},
    {"existing_data_files_count", FRZ_ROWS_I32, true},
    {"deleted_data_files_count", FRZ_ROWS_I32, true},
    {"added_delete_files_count", FRZ_ROWS_I32, true},
    {"existing_delete_files_count", FRZ_ROWS_I32, true},
    {"deleted_delete_files_count", FRZ_ROWS_I32, true},
};

/** Counts of the other content are zero, as in Iceberg's own table. */
static void add_counts(frz_rows *rows, const frz_manifest_file *manifest, bool counted)
{
  frz_rows_id(rows, counted ? manifest->n_added_files : 0);
  frz_rows_id(rows, counted ? manifest->n_existing_files : 0);
  frz_rows_id(rows, counted ? manifest->n_deleted_files : 0);
}

static frz_status add_manifests(frz_rows *rows, const frz_manifest_file *manifests, size_t n,
                                frz_error *err)
{
  for (size_t i = 0; i < n; i++) {
    const frz_manifest_file *manifest = &manifests[i];
    frz_rows_i32(rows, (int32_t)manifest->content);
    frz_rows_text(rows, manifest->path);
    frz_rows_i64(rows, manifest->length_bytes);
    frz_rows_i32(rows, manifest->spec_id);
    frz_rows_id(rows, manifest->sequence_number);
    frz_rows_id(rows, manifest->added_snapshot_id);
    add_counts(rows, manifest, manifest->content == FRZ_MANIFEST_DATA);
    add_counts(rows, manifest, manifest->content == FRZ_MANIFEST_DELETES);
    FRZ_TRY(frz_rows_end(rows, err));
  }
  return FRZ_OK;
}

/* ---- files ---- */

static const frz_rows_column FILE_COLUMNS[] = {
    {"content", FRZ_ROWS_I32, false},
    {"file_path", FRZ_ROWS_TEXT, false},
    {"file_format", FRZ_ROWS_TEXT, false},
    {"spec_id", FRZ_ROWS_I32, false},
    {"partition", FRZ_ROWS_TEXT, false},
    {"record_count", FRZ_ROWS_I64, false},
    {"file_size_in_bytes", FRZ_ROWS_I64, false},
    {"data_sequence_number", FRZ_ROWS_I64, true},
    {"snapshot_id", FRZ_ROWS_I64, true},
    {"column_sizes", FRZ_ROWS_METRIC_MAP, true},
    {"value_counts", FRZ_ROWS_METRIC_MAP, true},
    {"null_value_counts", FRZ_ROWS_METRIC_MAP, true},
    {"nan_value_counts", FRZ_ROWS_METRIC_MAP, true},
    {"lower_bounds", FRZ_ROWS_BOUND_MAP, true},
    {"upper_bounds", FRZ_ROWS_BOUND_MAP, true},
    {"split_offsets", FRZ_ROWS_I64_LIST, true},
    {"equality_ids", FRZ_ROWS_I32_LIST, true},
    {"sort_order_id", FRZ_ROWS_I32, true},
    {"referenced_data_file", FRZ_ROWS_TEXT, true},
    {"content_offset", FRZ_ROWS_I64, true},
    {"content_size_in_bytes", FRZ_ROWS_I64, true},
};

static void add_metrics(frz_rows *rows, const frz_data_file *file)
{
  frz_rows_metrics(rows, file->column_sizes, file->n_column_sizes);
  frz_rows_metrics(rows, file->value_counts, file->n_value_counts);
  frz_rows_metrics(rows, file->null_counts, file->n_null_counts);
  frz_rows_metrics(rows, file->nan_counts, file->n_nan_counts);
  frz_rows_bounds(rows, file->lower_bounds, file->n_lower_bounds);
  frz_rows_bounds(rows, file->upper_bounds, file->n_upper_bounds);
  frz_rows_i64s(rows, file->split_offsets, file->n_split_offsets);
  frz_rows_i32s(rows, file->equality_ids, file->n_equality_ids);
}

static frz_status add_file(frz_rows *rows, const frz_table_metadata *metadata,
                           const frz_manifest_entry *entry, frz_arena *arena, frz_error *err)
{
  const frz_data_file *file = &entry->file;
  const frz_partition_spec *spec = frz_metadata_spec(metadata, file->spec_id);
  frz_str partition = {"", 0};
  if (spec != NULL && spec->n_fields != 0) {
    partition =
        frz_partition_path(spec, frz_metadata_current_schema(metadata), &file->partition, arena);
    if (partition.data == NULL) return frz_fail_nomem(err, "partition");
  }
  frz_rows_i32(rows, (int32_t)file->content);
  frz_rows_text(rows, file->path);
  frz_rows_text(rows, frz_file_format_name(file->format));
  frz_rows_i32(rows, file->spec_id);
  frz_rows_text(rows, partition);
  frz_rows_i64(rows, file->n_rows);
  frz_rows_i64(rows, file->size_bytes);
  frz_rows_id(rows, entry->data_sequence_number);
  frz_rows_id(rows, entry->snapshot_id);
  add_metrics(rows, file);
  frz_rows_id(rows, file->sort_order_id);
  frz_rows_text(rows, file->referenced_data_file);
  frz_rows_id(rows, file->content_offset);
  frz_rows_id(rows, file->content_offset >= 0 ? file->content_size_bytes : -1);
  return frz_rows_end(rows, err);
}

/** Reads one manifest a batch. */
typedef struct file_lister {
  const frz_alloc *alloc;
  frz_context *context;
  frz_storage *storage;
  frz_table_metadata *metadata;
  frz_arena arena; /* the manifest list */
  const frz_manifest_file *manifests;
  size_t n_manifests, next;
  frz_rows rows;
} file_lister;

static void lister_free(void *arg)
{
  file_lister *self = arg;
  if (self == NULL) return;
  const frz_alloc *alloc = self->alloc;
  frz_rows_dispose(&self->rows);
  if (self->arena.alloc != NULL) frz_arena_free(&self->arena);
  frz_storage_release(self->storage);
  frz_table_metadata_release(self->metadata);
  frz_alloc_free(alloc, self, sizeof *self);
}

static frz_status list_manifest(file_lister *self, const frz_manifest_file *manifest,
                                frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_arena arena;
  const frz_manifest_entry *entries;
  size_t n_entries;
  frz_arena_init(&arena, self->alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  FRZ_TRY_OUT(frz_manifest_read(self->storage, self->metadata, manifest, false, NULL, 0, &arena,
                                &entries, &n_entries, err));
  for (size_t i = 0; i < n_entries; i++)
    FRZ_TRY_OUT(add_file(&self->rows, self->metadata, &entries[i], &arena, err));
out:
  frz_arena_free(&arena);
  return st;
}

static frz_status lister_next(void *arg, frz_batch *batch_out, frz_error *err)
{
  file_lister *self = arg;
  while (self->rows.batch.n_rows == 0 && self->next < self->n_manifests) {
    FRZ_TRY(frz_context_poll(self->context, err));
    FRZ_TRY(list_manifest(self, &self->manifests[self->next], err));
    self->next++;
  }
  return frz_rows_take(&self->rows, batch_out, err);
}

static frz_status lister_create(frz_table *table, frz_table_metadata *metadata,
                                const frz_snapshot *snapshot, const frz_rows_column *columns,
                                size_t n_columns, file_lister **lister_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_context *context = frz_table_context(table);
  const frz_alloc *alloc = frz_context_alloc(context);
  file_lister *self = frz_alloc_zeroed(alloc, sizeof *self);
  if (self == NULL) return frz_fail_nomem(err, "metadata rows");
  self->alloc = alloc;
  self->context = context;
  self->storage = frz_storage_retain(frz_table_storage(table));
  self->metadata = frz_table_metadata_retain(metadata);
  frz_arena_init(&self->arena, alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  FRZ_TRY_OUT(frz_rows_init(&self->rows, columns, n_columns, alloc, err));
  if (snapshot != NULL)
    FRZ_TRY_OUT(frz_manifest_list_read(self->storage, metadata, snapshot, &self->arena,
                                       &self->manifests, &self->n_manifests, err));
  *lister_out = self;
  self = NULL;
out:
  lister_free(self);
  return st;
}

/* ---- the kinds ---- */

static frz_status inspect_files(frz_table *table, frz_table_metadata *metadata,
                                const frz_snapshot *snapshot, struct ArrowArrayStream *stream_out,
                                frz_error *err)
{
  file_lister *lister;
  FRZ_TRY(lister_create(table, metadata, snapshot, FILE_COLUMNS, N_COLUMNS(FILE_COLUMNS), &lister,
                        err));
  frz_batch_source source = {lister, lister_next, lister_free};
  return frz_stream_export(lister->rows.fields, lister->rows.n_columns, source, lister->alloc,
                           stream_out, err);
}

static frz_status inspect_manifests(frz_table *table, frz_table_metadata *metadata,
                                    const frz_snapshot *snapshot,
                                    struct ArrowArrayStream *stream_out, frz_error *err)
{
  file_lister *lister;
  FRZ_TRY(lister_create(table, metadata, snapshot, MANIFEST_COLUMNS, N_COLUMNS(MANIFEST_COLUMNS),
                        &lister, err));
  frz_status st = add_manifests(&lister->rows, lister->manifests, lister->n_manifests, err);
  if (st == FRZ_OK) st = frz_rows_stream(&lister->rows, stream_out, err);
  lister_free(lister);
  return st;
}

typedef struct simple_kind {
  const char *name;
  const frz_rows_column *columns;
  size_t n_columns;
  frz_status (*add)(frz_rows *rows, const frz_table_metadata *metadata, frz_error *err);
} simple_kind;

static const simple_kind SIMPLE_KINDS[] = {
    {"snapshots", SNAPSHOT_COLUMNS, N_COLUMNS(SNAPSHOT_COLUMNS), add_snapshots},
    {"history", HISTORY_COLUMNS, N_COLUMNS(HISTORY_COLUMNS), add_history},
    {"refs", REF_COLUMNS, N_COLUMNS(REF_COLUMNS), add_refs},
    {"properties", PROPERTY_COLUMNS, N_COLUMNS(PROPERTY_COLUMNS), add_properties},
};

static frz_status inspect_simple(frz_table *table, const frz_table_metadata *metadata,
                                 const simple_kind *kind, struct ArrowArrayStream *stream_out,
                                 frz_error *err)
{
  frz_rows rows;
  const frz_alloc *alloc = frz_context_alloc(frz_table_context(table));
  frz_status st = frz_rows_init(&rows, kind->columns, kind->n_columns, alloc, err);
  if (st == FRZ_OK) st = kind->add(&rows, metadata, err);
  if (st == FRZ_OK) st = frz_rows_stream(&rows, stream_out, err);
  frz_rows_dispose(&rows);
  return st;
}

static frz_status inspect_kind(frz_table *table, frz_table_metadata *metadata, const char *kind,
                               const frz_snapshot *snapshot, struct ArrowArrayStream *stream_out,
                               frz_error *err)
{
  frz_str name = frz_str_from(kind);
  if (frz_str_is(name, "files")) return inspect_files(table, metadata, snapshot, stream_out, err);
  if (frz_str_is(name, "manifests"))
    return inspect_manifests(table, metadata, snapshot, stream_out, err);
  for (size_t i = 0; i < N_COLUMNS(SIMPLE_KINDS); i++)
    if (frz_str_is(name, SIMPLE_KINDS[i].name))
      return inspect_simple(table, metadata, &SIMPLE_KINDS[i], stream_out, err);
  return frz_fail(
      err, FRZ_ERR_INVALID,
      "no metadata table '%s': there are snapshots, history, refs, files, manifests and "
      "properties",
      kind);
}

frz_status frz_table_inspect(frz_table *table, const char *kind, int64_t snapshot_id,
                             struct ArrowArrayStream *stream_out, frz_error *err)
{
  if (table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "table is NULL");
  if (kind == NULL) return frz_fail(err, FRZ_ERR_INVALID, "kind is NULL");
  if (stream_out == NULL) return frz_fail(err, FRZ_ERR_INVALID, "stream_out is NULL");
  frz_table_metadata *metadata = frz_table_current(table);
  frz_status st = FRZ_OK;
  const frz_snapshot *snapshot = frz_metadata_snapshot(
      metadata, snapshot_id != 0 ? snapshot_id : metadata->current_snapshot_id);
  if (snapshot == NULL && snapshot_id != 0)
    st = frz_fail(err, FRZ_ERR_NOT_FOUND, "the table has no snapshot %lld", (long long)snapshot_id);
  if (st == FRZ_OK) st = inspect_kind(table, metadata, kind, snapshot, stream_out, err);
  frz_table_metadata_release(metadata);
  return st;
}
