/*
 * inspect_table.c - metadata tables that come from the table metadata alone: snapshots, history,
 * refs, properties, the metadata log, statistics.
 *
 * Columns are named as in Iceberg's own metadata tables. Statistics have none there: one row a
 * blob.
 */
#include "base/limits.h"
#include "iceberg/inspect/inspect.h"
#include "iceberg/metadata/summary_json.h"

static const frz_rows_column SNAPSHOT_COLUMNS[] = {
    {"committed_at", FRZ_ROWS_TIME, false}, {"snapshot_id", FRZ_ROWS_I64, false},
    {"parent_id", FRZ_ROWS_I64, true},      {"operation", FRZ_ROWS_TEXT, true},
    {"manifest_list", FRZ_ROWS_TEXT, true}, {"summary", FRZ_ROWS_TEXT_MAP, true},
};

static frz_status add_snapshots(frz_rows *rows, const frz_inspection *inspection, frz_error *err)
{
  const frz_table_metadata *metadata = inspection->metadata;
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

/** Which snapshots lead to the current one, by their place; a loop in the parents ends the walk. */
static void mark_ancestors(const frz_table_metadata *metadata, bool *is_ancestor)
{
  const frz_snapshot *at = frz_metadata_snapshot(metadata, metadata->current_snapshot_id);
  while (at != NULL && !is_ancestor[at - metadata->snapshots]) {
    is_ancestor[at - metadata->snapshots] = true;
    at = frz_metadata_snapshot(metadata, at->parent_id);
  }
}

static frz_status add_history(frz_rows *rows, const frz_inspection *inspection, frz_error *err)
{
  const frz_table_metadata *metadata = inspection->metadata;
  bool *is_ancestor = frz_arena_array(&rows->arena, metadata->n_snapshots, sizeof *is_ancestor);
  if (is_ancestor == NULL) return frz_fail_nomem(err, "history");
  mark_ancestors(metadata, is_ancestor);
  for (size_t i = 0; i < metadata->n_snapshot_log; i++) {
    const frz_snapshot_log_entry *entry = &metadata->snapshot_log[i];
    const frz_snapshot *snapshot = frz_metadata_snapshot(metadata, entry->snapshot_id);
    frz_rows_time(rows, entry->timestamp_ms);
    frz_rows_i64(rows, entry->snapshot_id);
    frz_rows_id(rows, snapshot != NULL ? snapshot->parent_id : -1);
    frz_rows_bool(rows, snapshot != NULL && is_ancestor[snapshot - metadata->snapshots]);
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

static frz_status add_refs(frz_rows *rows, const frz_inspection *inspection, frz_error *err)
{
  const frz_table_metadata *metadata = inspection->metadata;
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

static frz_status add_properties(frz_rows *rows, const frz_inspection *inspection, frz_error *err)
{
  const frz_table_metadata *metadata = inspection->metadata;
  for (size_t i = 0; i < metadata->n_properties; i++) {
    frz_rows_text(rows, metadata->properties[i].key);
    frz_rows_text(rows, metadata->properties[i].value);
    FRZ_TRY(frz_rows_end(rows, err));
  }
  return FRZ_OK;
}

/* ---- logs ---- */

static const frz_rows_column METADATA_LOG_COLUMNS[] = {
    {"timestamp", FRZ_ROWS_TIME, false},
    {"file", FRZ_ROWS_TEXT, false},
    {"latest_snapshot_id", FRZ_ROWS_I64, true},
    {"latest_schema_id", FRZ_ROWS_I32, true},
    {"latest_sequence_number", FRZ_ROWS_I64, true},
};

static frz_status add_log_entry(frz_rows *rows, const frz_table_metadata *metadata,
                                int64_t timestamp_ms, frz_str file, frz_error *err)
{
  const frz_snapshot *latest = frz_metadata_snapshot_as_of(metadata, timestamp_ms);
  frz_rows_time(rows, timestamp_ms);
  frz_rows_text(rows, file);
  frz_rows_id(rows, latest != NULL ? latest->snapshot_id : -1);
  frz_rows_id(rows, latest != NULL ? latest->schema_id : -1);
  frz_rows_id(rows, latest != NULL ? latest->sequence_number : -1);
  return frz_rows_end(rows, err);
}

/* The files that were current before, and the one that is. */
static frz_status add_metadata_log(frz_rows *rows, const frz_inspection *inspection, frz_error *err)
{
  const frz_table_metadata *metadata = inspection->metadata;
  for (size_t i = 0; i < metadata->n_metadata_log; i++)
    FRZ_TRY(add_log_entry(rows, metadata, metadata->metadata_log[i].timestamp_ms,
                          metadata->metadata_log[i].metadata_file, err));
  return add_log_entry(rows, metadata, metadata->last_updated_ms, inspection->metadata_location,
                       err);
}

/* ---- statistics ---- */

static const frz_rows_column STATISTICS_COLUMNS[] = {
    {"snapshot_id", FRZ_ROWS_I64, false},
    {"content", FRZ_ROWS_TEXT, false}, /* "table" or "partition" */
    {"statistics_path", FRZ_ROWS_TEXT, false},
    {"file_size_in_bytes", FRZ_ROWS_I64, true},
    {"file_footer_size_in_bytes", FRZ_ROWS_I64, true},
    {"blob_type", FRZ_ROWS_TEXT, true},
    {"blob_snapshot_id", FRZ_ROWS_I64, true},
    {"blob_sequence_number", FRZ_ROWS_I64, true},
    {"blob_field_ids", FRZ_ROWS_I32_LIST, true},
    {"blob_properties", FRZ_ROWS_TEXT_MAP, true},
};

static frz_status add_statistics_blob(frz_rows *rows, const frz_statistics_file *file,
                                      frz_str content, const frz_statistics_blob *blob,
                                      frz_error *err)
{
  frz_rows_i64(rows, file->snapshot_id);
  frz_rows_text(rows, content);
  frz_rows_text(rows, file->path);
  frz_rows_id(rows, file->size_bytes);
  frz_rows_id(rows, file->footer_bytes);
  if (blob != NULL) {
    frz_rows_text(rows, blob->type);
    frz_rows_id(rows, blob->snapshot_id);
    frz_rows_id(rows, blob->sequence_number);
    frz_rows_i32s(rows, blob->field_ids, blob->n_field_ids);
    frz_rows_texts(rows, blob->properties, blob->n_properties);
  } else {
    for (int i = 0; i < 5; i++) frz_rows_null(rows);
  }
  return frz_rows_end(rows, err);
}

static frz_status add_statistics_files(frz_rows *rows, const frz_statistics_file *files,
                                       size_t n_files, frz_str content, frz_error *err)
{
  for (size_t i = 0; i < n_files; i++) {
    if (files[i].n_blobs == 0) FRZ_TRY(add_statistics_blob(rows, &files[i], content, NULL, err));
    for (size_t k = 0; k < files[i].n_blobs; k++)
      FRZ_TRY(add_statistics_blob(rows, &files[i], content, &files[i].blobs[k], err));
  }
  return FRZ_OK;
}

static frz_status add_statistics(frz_rows *rows, const frz_inspection *inspection, frz_error *err)
{
  const frz_table_metadata *metadata = inspection->metadata;
  FRZ_TRY(add_statistics_files(rows, metadata->statistics, metadata->n_statistics, FRZ_STR("table"),
                               err));
  return add_statistics_files(rows, metadata->partition_statistics,
                              metadata->n_partition_statistics, FRZ_STR("partition"), err);
}

/* ---- the tables ---- */

typedef frz_status add_rows(frz_rows *rows, const frz_inspection *inspection, frz_error *err);

static frz_status run(const frz_inspection *inspection, const frz_rows_column *columns,
                      size_t n_columns, add_rows *add, struct ArrowArrayStream *stream_out,
                      frz_error *err)
{
  frz_rows rows;
  frz_status st =
      frz_rows_init(&rows, columns, n_columns, frz_context_alloc(inspection->context), err);
  if (st == FRZ_OK) st = add(&rows, inspection, err);
  if (st == FRZ_OK) st = frz_rows_stream(&rows, stream_out, err);
  frz_rows_dispose(&rows);
  return st;
}

frz_status frz_inspect_snapshots(const frz_inspection *inspection,
                                 struct ArrowArrayStream *stream_out, frz_error *err)
{
  return run(inspection, SNAPSHOT_COLUMNS, FRZ_N_COLUMNS(SNAPSHOT_COLUMNS), add_snapshots,
             stream_out, err);
}

frz_status frz_inspect_history(const frz_inspection *inspection,
                               struct ArrowArrayStream *stream_out, frz_error *err)
{
  return run(inspection, HISTORY_COLUMNS, FRZ_N_COLUMNS(HISTORY_COLUMNS), add_history, stream_out,
             err);
}

frz_status frz_inspect_refs(const frz_inspection *inspection, struct ArrowArrayStream *stream_out,
                            frz_error *err)
{
  return run(inspection, REF_COLUMNS, FRZ_N_COLUMNS(REF_COLUMNS), add_refs, stream_out, err);
}

frz_status frz_inspect_properties(const frz_inspection *inspection,
                                  struct ArrowArrayStream *stream_out, frz_error *err)
{
  return run(inspection, PROPERTY_COLUMNS, FRZ_N_COLUMNS(PROPERTY_COLUMNS), add_properties,
             stream_out, err);
}

frz_status frz_inspect_metadata_log(const frz_inspection *inspection,
                                    struct ArrowArrayStream *stream_out, frz_error *err)
{
  return run(inspection, METADATA_LOG_COLUMNS, FRZ_N_COLUMNS(METADATA_LOG_COLUMNS),
             add_metadata_log, stream_out, err);
}

frz_status frz_inspect_statistics(const frz_inspection *inspection,
                                  struct ArrowArrayStream *stream_out, frz_error *err)
{
  return run(inspection, STATISTICS_COLUMNS, FRZ_N_COLUMNS(STATISTICS_COLUMNS), add_statistics,
             stream_out, err);
}
