/*
 * statistics_update.c - name a Puffin file as the statistics of a snapshot, or stop naming it.
 *
 * The metadata repeats what the file's footer says, so that a planner can choose statistics without
 * opening files; the file itself is neither written nor removed here.
 *
 * Source: Iceberg specification, "Table Statistics"; Iceberg, "Puffin file format".
 */
#include "base/limits.h"
#include "frazil/evolution.h"
#include "iceberg/table/table_handle.h"
#include "puffin/puffin.h"

typedef struct statistics_update {
  int64_t snapshot_id;
  bool is_removal;
  frz_statistics_file file;
  frz_metadata_update update;
  frz_requirement requirement;
} statistics_update;

static frz_status describe_blobs(const frz_puffin_footer *footer, frz_arena *arena,
                                 frz_statistics_file *file, frz_error *err)
{
  frz_statistics_blob *blobs = frz_arena_array(arena, footer->n_blobs, sizeof *blobs);
  if (blobs == NULL) return frz_fail_nomem(err, "statistics");
  for (size_t i = 0; i < footer->n_blobs; i++) {
    const frz_puffin_blob *blob = &footer->blobs[i];
    frz_text_pair *pairs = frz_arena_array(arena, blob->n_properties, sizeof *pairs);
    if (pairs == NULL) return frz_fail_nomem(err, "statistics");
    for (size_t k = 0; k < blob->n_properties; k++)
      pairs[k] = (frz_text_pair){blob->properties[k].key, blob->properties[k].value};
    blobs[i] = (frz_statistics_blob){.type = blob->type,
                                     .snapshot_id = blob->snapshot_id,
                                     .sequence_number = blob->sequence_number,
                                     .field_ids = blob->field_ids,
                                     .n_field_ids = blob->n_field_ids,
                                     .properties = pairs,
                                     .n_properties = blob->n_properties};
  }
  file->blobs = blobs;
  file->n_blobs = footer->n_blobs;
  return FRZ_OK;
}

static frz_status read_file(frz_storage *storage, const char *uri, frz_arena *arena,
                            frz_statistics_file *file, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_source *source = NULL;
  frz_puffin_footer footer;
  frz_buf path;
  frz_buf_init(&path, arena->alloc, FRZ_LIMIT_FILTER_BYTES);
  FRZ_TRY_OUT(frz_storage_absolute(frz_str_from(uri), &path, err));
  file->path = frz_arena_copy(arena, frz_buf_str(&path));
  if (file->path.data == NULL) {
    st = frz_fail_nomem(err, "statistics");
    goto out;
  }
  FRZ_TRY_OUT(frz_storage_open(storage, file->path, &source, err));
  file->size_bytes = source->size_bytes;
  FRZ_TRY_OUT(frz_puffin_footer_read(source, arena, &footer, err));
  file->footer_bytes = footer.footer_bytes;
  FRZ_TRY_OUT(describe_blobs(&footer, arena, file, err));
out:
  frz_source_free(source);
  frz_buf_dispose(&path);
  return st;
}

static frz_status prepare_statistics(void *arg, const frz_table_metadata *base,
                                     frz_commit_attempt *attempt_out, frz_error *err)
{
  statistics_update *change = arg;
  bool is_there = false;
  for (size_t i = 0; i < base->n_statistics; i++)
    is_there |= base->statistics[i].snapshot_id == change->snapshot_id;
  if (change->is_removal && !is_there)
    return frz_fail(err, FRZ_ERR_NOT_FOUND, "snapshot %lld has no statistics",
                    (long long)change->snapshot_id);
  if (!change->is_removal && frz_metadata_snapshot(base, change->snapshot_id) == NULL)
    return frz_fail(err, FRZ_ERR_NOT_FOUND, "the table has no snapshot %lld",
                    (long long)change->snapshot_id);
  change->update = change->is_removal ? (frz_metadata_update){.kind = FRZ_UPDATE_REMOVE_STATISTICS,
                                                              .snapshot_ids = &change->snapshot_id,
                                                              .n_snapshot_ids = 1}
                                      : (frz_metadata_update){.kind = FRZ_UPDATE_SET_STATISTICS,
                                                              .statistics = &change->file};
  change->requirement = (frz_requirement){.kind = FRZ_REQUIRE_UUID, .text = base->table_uuid};
  *attempt_out = (frz_commit_attempt){&change->requirement, 1, &change->update, 1, 0};
  return FRZ_OK;
}

frz_status frz_table_set_statistics(frz_table *table, int64_t snapshot_id, const char *uri,
                                    frz_error *err)
{
  if (table == NULL || uri == NULL || uri[0] == '\0')
    return frz_fail(err, FRZ_ERR_INVALID, "statistics: table or uri is missing");
  frz_status st = FRZ_OK;
  statistics_update change = {.snapshot_id = snapshot_id, .file = {.snapshot_id = snapshot_id}};
  frz_arena arena;
  frz_arena_init(&arena, frz_context_alloc(frz_table_context(table)), FRZ_LIMIT_METADATA_BYTES);
  FRZ_TRY_OUT(read_file(frz_table_storage(table), uri, &arena, &change.file, err));
  FRZ_TRY_OUT(frz_table_commit(table, prepare_statistics, &change, err));
out:
  frz_arena_free(&arena);
  return st;
}

frz_status frz_table_remove_statistics(frz_table *table, int64_t snapshot_id, frz_error *err)
{
  if (table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "statistics: table is NULL");
  statistics_update change = {.snapshot_id = snapshot_id, .is_removal = true};
  return frz_table_commit(table, prepare_statistics, &change, err);
}
