/*
 * expired_files.c - see expired_files.h.
 *
 * First the lists of the kept snapshots: what they name is safe. Then the expired ones: their other
 * manifests are candidates, and so are the live files in those. At last the manifests of the
 * kept snapshots are read, and what is live in one of them is struck out. Only candidates are
 * remembered, by what their locations mean; manifests pass one at a time.
 *
 * Invariant: a candidate's number is its kind, with STRUCK added once something kept leads to it.
 */
#include "iceberg/maintain/expired_files.h"

#include "base/limits.h"

#define STRUCK ((uint64_t)1 << 32)

typedef struct finder {
  frz_context *context;
  frz_storage *storage;
  const frz_alloc *alloc;
  const frz_table_metadata *before;
  const frz_table_metadata *kept;
  frz_location_set safe; /* lists and manifests of kept snapshots; 1: read for striking */
  frz_location_set candidates;
  frz_arena paths; /* the candidates, as they were written */
  frz_buf list;    /* frz_str a candidate, in the order in which they were found */
} finder;

static frz_status add_candidate(finder *f, frz_str path, frz_expired_kind kind, frz_error *err)
{
  bool added;
  FRZ_TRY(frz_location_set_add(&f->candidates, path, kind, &added, err));
  if (!added) return FRZ_OK;
  frz_str copy = frz_arena_copy(&f->paths, path);
  if (copy.data == NULL) return frz_fail_nomem(err, "files to remove");
  return frz_buf_append(&f->list, &copy, sizeof copy, err);
}

static frz_status strike(finder *f, frz_str path, frz_error *err)
{
  uint64_t *number;
  FRZ_TRY(frz_location_set_find(&f->candidates, path, &number, err));
  if (number != NULL) *number |= STRUCK;
  return FRZ_OK;
}

/* ---- what is kept ---- */

static frz_status note_safe(void *arg, const frz_table_metadata *metadata, frz_str path,
                            const frz_manifest_file *manifest, frz_error *err)
{
  finder *f = arg;
  (void)metadata;
  (void)manifest;
  return frz_location_set_add(&f->safe, path, 0, NULL, err);
}

static frz_status strike_entry(void *arg, const frz_manifest_entry *entry, frz_error *err)
{
  return strike(arg, entry->file.path, err);
}

static frz_status strike_manifest(void *arg, const frz_table_metadata *metadata, frz_str path,
                                  const frz_manifest_file *manifest, frz_error *err)
{
  finder *f = arg;
  uint64_t *is_read;
  if (manifest == NULL) return FRZ_OK;
  FRZ_TRY(frz_location_set_find(&f->safe, path, &is_read, err));
  if (is_read != NULL && *is_read != 0) return FRZ_OK;
  if (is_read != NULL) *is_read = 1;
  FRZ_TRY(frz_context_poll(f->context, err));
  return frz_manifest_visit(f->storage, metadata, manifest, f->alloc, strike_entry, f, err);
}

static frz_status visit_kept(finder *f, frz_list_visit visit, frz_error *err)
{
  for (size_t i = 0; i < f->kept->n_snapshots; i++) {
    FRZ_TRY(frz_context_poll(f->context, err));
    FRZ_TRY(
        frz_snapshot_visit(f->storage, f->kept, &f->kept->snapshots[i], f->alloc, visit, f, err));
  }
  return FRZ_OK;
}

/* ---- what is gone ---- */

/* An expired snapshot's file may be lost or broken: then what it led to stays where it is. */
static frz_status pass_over_loss(finder *f, frz_status st, const frz_error *why, frz_error *err)
{
  if (st == FRZ_ERR_NOT_FOUND || st == FRZ_ERR_CORRUPT) {
    frz_context_log(f->context, FRZ_LOG_WARNING, "files of an expired snapshot stay: %s",
                    why->message);
    return FRZ_OK;
  }
  if (st != FRZ_OK && err != NULL) *err = *why;
  return st;
}

static frz_status add_entry(void *arg, const frz_manifest_entry *entry, frz_error *err)
{
  frz_expired_kind kind =
      entry->file.content == FRZ_CONTENT_DATA ? FRZ_EXPIRED_DATA : FRZ_EXPIRED_DELETES;
  return add_candidate(arg, entry->file.path, kind, err);
}

static frz_status add_listed(void *arg, const frz_table_metadata *metadata, frz_str path,
                             const frz_manifest_file *manifest, frz_error *err)
{
  finder *f = arg;
  uint64_t *number;
  FRZ_TRY(frz_location_set_find(&f->safe, path, &number, err));
  if (number != NULL) return FRZ_OK;
  FRZ_TRY(frz_location_set_find(&f->candidates, path, &number, err));
  if (number != NULL) return FRZ_OK;
  FRZ_TRY(frz_context_poll(f->context, err));
  if (manifest == NULL) return add_candidate(f, path, FRZ_EXPIRED_MANIFEST_LIST, err);
  FRZ_TRY(add_candidate(f, path, FRZ_EXPIRED_MANIFEST, err));
  frz_error why;
  frz_status st = frz_manifest_visit(f->storage, metadata, manifest, f->alloc, add_entry, f, &why);
  return pass_over_loss(f, st, &why, err);
}

static frz_status visit_expired(finder *f, frz_error *err)
{
  for (size_t i = 0; i < f->before->n_snapshots; i++) {
    const frz_snapshot *snapshot = &f->before->snapshots[i];
    if (frz_metadata_snapshot(f->kept, snapshot->snapshot_id) != NULL) continue;
    frz_error why;
    frz_status st =
        frz_snapshot_visit(f->storage, f->before, snapshot, f->alloc, add_listed, f, &why);
    FRZ_TRY(pass_over_loss(f, st, &why, err));
  }
  return FRZ_OK;
}

static frz_status add_statistics(void *arg, int64_t snapshot_id, frz_str path, frz_error *err)
{
  finder *f = arg;
  if (frz_metadata_snapshot(f->kept, snapshot_id) != NULL) return FRZ_OK;
  return add_candidate(f, path, FRZ_EXPIRED_STATISTICS, err);
}

static frz_status strike_statistics(void *arg, int64_t snapshot_id, frz_str path, frz_error *err)
{
  (void)snapshot_id;
  return strike(arg, path, err);
}

/* ---- the result ---- */

static frz_status hand_out(finder *f, frz_expired_files *files, frz_error *err)
{
  const frz_str *items = (const frz_str *)(const void *)f->list.data;
  size_t n_items = f->list.size / sizeof *items;
  for (int kind = 0; kind < FRZ_EXPIRED_KINDS; kind++) {
    files->paths[kind] = frz_arena_array(&f->paths, n_items, sizeof(frz_str));
    if (files->paths[kind] == NULL) return frz_fail_nomem(err, "files to remove");
  }
  for (size_t i = 0; i < n_items; i++) {
    uint64_t *number;
    FRZ_TRY(frz_location_set_find(&f->candidates, items[i], &number, err));
    if (number == NULL || (*number & STRUCK) != 0) continue;
    files->paths[*number][files->n_paths[*number]++] = items[i];
  }
  return FRZ_OK;
}

static frz_status find_all(finder *f, frz_error *err)
{
  FRZ_TRY(visit_kept(f, note_safe, err));
  FRZ_TRY(visit_expired(f, err));
  FRZ_TRY(frz_metadata_visit_statistics(f->before, add_statistics, f, err));
  if (f->list.size == 0) return FRZ_OK;
  FRZ_TRY(frz_metadata_visit_statistics(f->kept, strike_statistics, f, err));
  return visit_kept(f, strike_manifest, err);
}

frz_status frz_expired_files_find(frz_context *context, frz_storage *storage,
                                  const frz_table_metadata *before, const frz_table_metadata *kept,
                                  frz_expired_files *files_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_status st = FRZ_OK;
  frz_expired_files files = {0};
  finder f = {
      .context = context, .storage = storage, .alloc = alloc, .before = before, .kept = kept};
  frz_location_set_init(&f.safe, alloc);
  frz_location_set_init(&f.candidates, alloc);
  frz_arena_init(&f.paths, alloc, FRZ_LIMIT_MANIFEST_BYTES * 16);
  frz_buf_init(&f.list, alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  FRZ_TRY_OUT(find_all(&f, err));
  FRZ_TRY_OUT(hand_out(&f, &files, err));
  files.arena = f.paths;
  f.paths = (frz_arena){0};
  *files_out = files;
out:
  frz_location_set_dispose(&f.safe);
  frz_location_set_dispose(&f.candidates);
  if (f.paths.alloc != NULL) frz_arena_free(&f.paths);
  frz_buf_dispose(&f.list);
  return st;
}

void frz_expired_files_dispose(frz_expired_files *files)
{
  if (files->arena.alloc != NULL) frz_arena_free(&files->arena);
  *files = (frz_expired_files){0};
}
