/*
 * conflict_check.c - did others commit what a planned change would have had to see?
 *
 * Every snapshot between the one the change was planned on and the current head is looked at
 * through the manifests it added: rows that match the change's filter (unless the snapshot only
 * moved rows: "replace"), and delete files that may hide rows of a file that the change rewrites,
 * are conflicts. A removed file that is gone is found later, when the manifests are carried over.
 *
 * Source: Iceberg specification, "Optimistic Concurrency"; the isolation levels are those of its
 * reference implementation.
 */
#include "base/limits.h"
#include "iceberg/scan/delete_index.h"
#include "iceberg/write/snapshot_producer.h"

typedef struct conflict_check {
  frz_storage *storage;
  const frz_table_metadata *base;
  const frz_snapshot_change *change;
  const frz_map *removed_paths;
  const frz_alloc *alloc;
} conflict_check;

static frz_status check_new_rows(const conflict_check *check, const frz_snapshot *snapshot,
                                 const frz_data_file *file, frz_error *err)
{
  const frz_conflict_rules *rules = check->change->rules;
  if (rules->allow_new_rows || frz_str_is(snapshot->operation, "replace")) return FRZ_OK;
  const frz_partition_spec *spec = frz_metadata_spec(check->base, file->spec_id);
  if (rules->filter != NULL && spec != NULL &&
      !frz_expr_may_match_file(rules->filter, spec, rules->schema, file))
    return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CONFLICT,
                  "data file %.*s, which may hold matching rows, was added by snapshot %lld",
                  FRZ_STR_ARG(file->path), (long long)snapshot->snapshot_id);
}

/* May a delete file apply to one of the files that the change removes? */
static bool may_apply(const conflict_check *check, const frz_data_file *deletes)
{
  if (deletes->referenced_data_file.data != NULL)
    return frz_map_find(check->removed_paths, deletes->referenced_data_file) != NULL;
  const frz_partition_spec *spec = frz_metadata_spec(check->base, deletes->spec_id);
  bool is_global = deletes->content == FRZ_CONTENT_EQUALITY_DELETES &&
                   (spec == NULL || frz_spec_is_unpartitioned(spec));
  for (size_t i = 0; i < check->change->n_removed; i++) {
    const frz_data_file *removed = &check->change->removed[i];
    if (is_global || (removed->spec_id == deletes->spec_id &&
                      frz_partition_equal(&removed->partition, &deletes->partition)))
      return true;
  }
  return false;
}

static frz_status check_entry(const conflict_check *check, const frz_snapshot *snapshot,
                              const frz_manifest_entry *entry, frz_error *err)
{
  if (entry->status != FRZ_ENTRY_ADDED || entry->snapshot_id != snapshot->snapshot_id)
    return FRZ_OK;
  if (entry->file.content == FRZ_CONTENT_DATA)
    return check_new_rows(check, snapshot, &entry->file, err);
  if (!may_apply(check, &entry->file)) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CONFLICT,
                  "delete file %.*s, which may hide rows of a rewritten file, was added by "
                  "snapshot %lld",
                  FRZ_STR_ARG(entry->file.path), (long long)snapshot->snapshot_id);
}

static frz_status check_snapshot(const conflict_check *check, const frz_snapshot *snapshot,
                                 frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_arena_init(&arena, check->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  const frz_manifest_file *manifests;
  size_t n_manifests;
  FRZ_TRY_OUT(frz_manifest_list_read(check->storage, check->base, snapshot, &arena, &manifests,
                                     &n_manifests, err));
  for (size_t i = 0; i < n_manifests; i++) {
    if (manifests[i].added_snapshot_id != snapshot->snapshot_id) continue;
    const frz_manifest_entry *entries;
    size_t n_entries;
    FRZ_TRY_OUT(frz_manifest_read(check->storage, check->base, &manifests[i], false, NULL, 0,
                                  &arena, &entries, &n_entries, err));
    for (size_t j = 0; j < n_entries; j++)
      FRZ_TRY_OUT(check_entry(check, snapshot, &entries[j], err));
  }
out:
  frz_arena_free(&arena);
  return st;
}

frz_status frz_conflicts_check(frz_storage *storage, const frz_table_metadata *base,
                               const frz_snapshot *head, const frz_snapshot_change *change,
                               const frz_map *removed_paths, const frz_alloc *alloc, frz_error *err)
{
  const conflict_check check = {storage, base, change, removed_paths, alloc};
  int64_t start_id = change->rules->starting_snapshot_id;
  size_t n_steps = 0;
  while (head != NULL && head->snapshot_id != start_id) {
    if (n_steps++ > base->n_snapshots)
      return frz_fail(err, FRZ_ERR_CORRUPT, "snapshot %lld: its parents form a ring",
                      (long long)head->snapshot_id);
    FRZ_TRY(check_snapshot(&check, head, err));
    int64_t parent_id = head->parent_id;
    if (parent_id == -1) break;
    head = frz_metadata_snapshot(base, parent_id);
    if (head == NULL && parent_id != start_id)
      return frz_fail(err, FRZ_ERR_CONFLICT,
                      "snapshot %lld expired: what was committed meanwhile is not known",
                      (long long)parent_id);
    if (parent_id == start_id) return FRZ_OK;
  }
  bool reached_start = head != NULL ? head->snapshot_id == start_id : start_id == -1;
  if (reached_start || start_id == -1) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CONFLICT,
                  "snapshot %lld is no longer in the history of the table: it was rolled back",
                  (long long)start_id);
}
