/*
 * live_files.c - see live_files.h.
 *
 * Older metadata files mostly lead to what newer ones do: each manifest list and manifest is read
 * once, whoever names it.
 */
#include "iceberg/maintain/live_files.h"

#include "base/limits.h"

typedef struct walker {
  frz_context *context;
  frz_storage *storage;
  const frz_alloc *alloc;
  frz_path_visit visit;
  void *arg;
  frz_location_set seen; /* lists and manifests that were read */
  bool is_strict;        /* nothing may be missing */
} walker;

static frz_status forgive(const walker *w, frz_status st, const frz_error *why, frz_error *err)
{
  bool is_loss = st == FRZ_ERR_NOT_FOUND || st == FRZ_ERR_CORRUPT || st == FRZ_ERR_UNSUPPORTED;
  if (is_loss && !w->is_strict) return FRZ_OK;
  if (st != FRZ_OK && err != NULL) *err = *why;
  return st;
}

static frz_status visit_entry(void *arg, const frz_manifest_entry *entry, frz_error *err)
{
  walker *w = arg;
  return w->visit(w->arg, entry->file.path, err);
}

static frz_status visit_listed(void *arg, const frz_table_metadata *metadata, frz_str path,
                               const frz_manifest_file *manifest, frz_error *err)
{
  walker *w = arg;
  bool is_new;
  FRZ_TRY(w->visit(w->arg, path, err));
  if (manifest == NULL) return FRZ_OK;
  FRZ_TRY(frz_location_set_add(&w->seen, path, 0, &is_new, err));
  if (!is_new) return FRZ_OK;
  FRZ_TRY(frz_context_poll(w->context, err));
  frz_error why;
  frz_status st =
      frz_manifest_visit(w->storage, metadata, manifest, w->alloc, visit_entry, w, &why);
  return forgive(w, st, &why, err);
}

static frz_status visit_snapshot(walker *w, const frz_table_metadata *metadata,
                                 const frz_snapshot *snapshot, frz_error *err)
{
  if (snapshot->manifest_list.data != NULL) {
    bool is_new;
    FRZ_TRY(frz_location_set_add(&w->seen, snapshot->manifest_list, 0, &is_new, err));
    if (!is_new) return FRZ_OK;
    FRZ_TRY(w->visit(w->arg, snapshot->manifest_list, err));
  }
  FRZ_TRY(frz_context_poll(w->context, err));
  frz_error why;
  frz_status st =
      frz_snapshot_visit(w->storage, metadata, snapshot, w->alloc, visit_listed, w, &why);
  return forgive(w, st, &why, err);
}

static frz_status visit_statistics(void *arg, int64_t snapshot_id, frz_str path, frz_error *err)
{
  walker *w = arg;
  (void)snapshot_id;
  return w->visit(w->arg, path, err);
}

static frz_status visit_metadata(walker *w, const frz_table_metadata *metadata, frz_error *err)
{
  for (size_t i = 0; i < metadata->n_metadata_log; i++)
    FRZ_TRY(w->visit(w->arg, metadata->metadata_log[i].metadata_file, err));
  FRZ_TRY(frz_metadata_visit_statistics(metadata, visit_statistics, w, err));
  for (size_t i = 0; i < metadata->n_snapshots; i++)
    FRZ_TRY(visit_snapshot(w, metadata, &metadata->snapshots[i], err));
  return FRZ_OK;
}

/* Tables without a catalog say in this file which version counts. */
static frz_status visit_hint(walker *w, const frz_table_metadata *metadata, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_arena_init(&arena, w->alloc, FRZ_LIMIT_FILTER_BYTES);
  frz_str folder = frz_metadata_folder(metadata, &arena);
  frz_str hint = {0};
  if (folder.data != NULL) hint = frz_arena_print(&arena, "%s/version-hint.text", folder.data);
  if (hint.data == NULL)
    st = frz_fail_nomem(err, "version hint");
  else
    st = w->visit(w->arg, hint, err);
  frz_arena_free(&arena);
  return st;
}

static frz_status visit_logged(walker *w, const frz_table_metadata *current, frz_error *err)
{
  for (size_t i = current->n_metadata_log; i-- > 0;) {
    frz_loaded_table old = {0};
    frz_error why;
    FRZ_TRY(frz_context_poll(w->context, err));
    frz_status st = frz_metadata_read(w->context, w->storage,
                                      current->metadata_log[i].metadata_file, &old, &why);
    if (st == FRZ_OK) {
      st = visit_metadata(w, old.metadata, &why);
      frz_loaded_table_dispose(&old);
    }
    FRZ_TRY(forgive(w, st, &why, err));
  }
  return FRZ_OK;
}

frz_status frz_live_files_visit(frz_context *context, frz_storage *storage,
                                const frz_loaded_table *current, frz_path_visit visit, void *arg,
                                frz_error *err)
{
  walker w = {.context = context,
              .storage = storage,
              .alloc = frz_context_alloc(context),
              .visit = visit,
              .arg = arg,
              .is_strict = true};
  frz_str location = {current->location.data, current->location.size_bytes};
  frz_status st = FRZ_OK;
  frz_location_set_init(&w.seen, w.alloc);
  FRZ_TRY_OUT(visit(arg, location, err));
  FRZ_TRY_OUT(visit_hint(&w, current->metadata, err));
  FRZ_TRY_OUT(visit_metadata(&w, current->metadata, err));
  w.is_strict = false;
  FRZ_TRY_OUT(visit_logged(&w, current->metadata, err));
out:
  frz_location_set_dispose(&w.seen);
  return st;
}
