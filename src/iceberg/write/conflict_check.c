/*
 * conflict_check.c - did others commit what a planned change would have had to see?
 *
 * Every snapshot between the one the change was planned on and the current head is looked at
 * through the manifests it added: rows that match the change's filter (unless the snapshot only
 * moved rows: "replace"), and delete files that may hide rows of a file that the change rewrites,
 * are conflicts. A removed file that is gone is found later, when the manifests are carried over.
 *
 * A change that deletes rows of a data file by position needs that file to stay: it must be live in
 * the head. Position delete files that others added for it meanwhile do no harm, since all of them
 * apply; a deletion vector does, because it is the only one of its data file. An update or
 * overwrite under snapshot isolation, which takes no notice of new rows, refuses every delete file
 * that may apply: two of them would both delete a row and both write it anew.
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
  const frz_map *removed_keys; /* of data files: their paths */
  const frz_alloc *alloc;
  frz_map kept; /* paths of the change's kept files; 1: seen live in the head */
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

/* Does it apply to files of every partition? */
static bool is_global(const conflict_check *check, const frz_data_file *deletes)
{
  const frz_partition_spec *spec = frz_metadata_spec(check->base, deletes->spec_id);
  return deletes->content == FRZ_CONTENT_EQUALITY_DELETES &&
         (spec == NULL || frz_spec_is_unpartitioned(spec));
}

/* Will a delete file apply to the added files wherever it applied to the removed ones? Rows that
 * went to another partition spec are out of its reach. */
static bool goes_on_applying(const conflict_check *check, const frz_data_file *deletes)
{
  const frz_snapshot_change *change = check->change;
  if (deletes->content != FRZ_CONTENT_EQUALITY_DELETES || !change->rules->allow_equality_deletes)
    return false;
  for (size_t i = 0; i < change->n_added && !is_global(check, deletes); i++)
    if (change->added[i].spec_id != deletes->spec_id) return false;
  return true;
}

/* May a delete file apply to one of the files that the change removes? */
static bool may_apply(const conflict_check *check, const frz_data_file *deletes)
{
  frz_str target = frz_delete_target(deletes);
  if (target.data != NULL) return frz_map_find(check->removed_keys, target) != NULL;
  bool applies_to_all = is_global(check, deletes);
  for (size_t i = 0; i < check->change->n_removed; i++) {
    const frz_data_file *removed = &check->change->removed[i];
    if (applies_to_all || (removed->spec_id == deletes->spec_id &&
                           frz_partition_equal(&removed->partition, &deletes->partition)))
      return true;
  }
  return false;
}

/* Does a deletion vector stand where the change puts its own? */
static bool is_rival_vector(const conflict_check *check, const frz_data_file *deletes)
{
  return deletes->format == FRZ_FORMAT_PUFFIN && deletes->referenced_data_file.data != NULL &&
         frz_map_find(&check->kept, deletes->referenced_data_file) != NULL;
}

/* May a delete file hide rows that the change deletes and writes anew? */
static bool may_hide_updated(const conflict_check *check, const frz_data_file *deletes)
{
  if (!check->change->rules->refuse_deletes || check->change->n_kept_paths == 0) return false;
  frz_str target = frz_delete_target(deletes);
  return target.data == NULL || frz_map_find(&check->kept, target) != NULL;
}

static frz_status check_entry(const conflict_check *check, const frz_snapshot *snapshot,
                              const frz_manifest_entry *entry, frz_error *err)
{
  const frz_data_file *file = &entry->file;
  if (entry->status != FRZ_ENTRY_ADDED || entry->snapshot_id != snapshot->snapshot_id)
    return FRZ_OK;
  if (file->content == FRZ_CONTENT_DATA) return check_new_rows(check, snapshot, file, err);
  if (is_rival_vector(check, file))
    return frz_fail(err, FRZ_ERR_CONFLICT,
                    "data file %.*s, of which rows are to be deleted, got a deletion vector from "
                    "snapshot %lld",
                    FRZ_STR_ARG(file->referenced_data_file), (long long)snapshot->snapshot_id);
  bool hides_updated = may_hide_updated(check, file);
  if (!hides_updated && (goes_on_applying(check, file) || !may_apply(check, file))) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CONFLICT,
                  "delete file %.*s, which may hide rows %s, was added by snapshot %lld",
                  FRZ_STR_ARG(file->path), hides_updated ? "to update" : "of a rewritten file",
                  (long long)snapshot->snapshot_id);
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

/* Every snapshot from the start to the head. `removes_out`: one of them may have removed files. */
static frz_status check_history(const conflict_check *check, const frz_snapshot *head,
                                bool *removes_out, frz_error *err)
{
  int64_t start_id = check->change->rules->starting_snapshot_id;
  size_t n_steps = 0;
  while (head != NULL && head->snapshot_id != start_id) {
    if (n_steps++ > check->base->n_snapshots)
      return frz_fail(err, FRZ_ERR_CORRUPT, "snapshot %lld: its parents form a ring",
                      (long long)head->snapshot_id);
    FRZ_TRY(check_snapshot(check, head, err));
    if (!frz_str_is(head->operation, "append")) *removes_out = true;
    int64_t parent_id = head->parent_id;
    if (parent_id == -1) break;
    head = frz_metadata_snapshot(check->base, parent_id);
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

/* ---- files that must stay ---- */

static frz_status index_kept(conflict_check *check, frz_error *err)
{
  const frz_snapshot_change *change = check->change;
  for (size_t i = 0; i < change->n_kept_paths; i++)
    FRZ_TRY(frz_map_insert(&check->kept, change->kept_paths[i], 0, NULL, NULL, err));
  return FRZ_OK;
}

static frz_status note_live(conflict_check *check, const frz_manifest_file *manifest,
                            frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_arena arena;
  const frz_manifest_entry *entries;
  size_t n_entries;
  static const int32_t no_metrics[1] = {0};
  frz_arena_init(&arena, check->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  FRZ_TRY_OUT(frz_manifest_read(check->storage, check->base, manifest, false, no_metrics, 0, &arena,
                                &entries, &n_entries, err));
  for (size_t i = 0; i < n_entries; i++) {
    uint64_t *seen = frz_map_find(&check->kept, entries[i].file.path);
    if (seen != NULL) *seen = 1;
  }
out:
  frz_arena_free(&arena);
  return st;
}

static frz_status check_kept(conflict_check *check, const frz_snapshot *head, frz_error *err)
{
  const frz_snapshot_change *change = check->change;
  const frz_conflict_rules *rules = change->rules;
  frz_status st = FRZ_OK;
  frz_arena arena;
  const frz_manifest_file *manifests = NULL;
  size_t n_manifests = 0;
  frz_arena_init(&arena, check->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  if (head != NULL)
    FRZ_TRY_OUT(frz_manifest_list_read(check->storage, check->base, head, &arena, &manifests,
                                       &n_manifests, err));
  for (size_t i = 0; i < n_manifests; i++) {
    const frz_partition_spec *spec = frz_metadata_spec(check->base, manifests[i].spec_id);
    if (manifests[i].content != FRZ_MANIFEST_DATA) continue;
    if (rules->filter != NULL && spec != NULL &&
        !frz_expr_may_match_manifest(rules->filter, spec, rules->schema, &manifests[i]))
      continue;
    FRZ_TRY_OUT(note_live(check, &manifests[i], err));
  }
  for (size_t i = 0; i < change->n_kept_paths; i++)
    if (*frz_map_find(&check->kept, change->kept_paths[i]) == 0) {
      st = frz_fail(err, FRZ_ERR_CONFLICT, "data file %.*s was removed by a concurrent commit",
                    FRZ_STR_ARG(change->kept_paths[i]));
      goto out;
    }
out:
  frz_arena_free(&arena);
  return st;
}

frz_status frz_conflicts_check(frz_storage *storage, const frz_table_metadata *base,
                               const frz_snapshot *head, const frz_snapshot_change *change,
                               const frz_map *removed_keys, const frz_alloc *alloc, frz_error *err)
{
  conflict_check check = {.storage = storage,
                          .base = base,
                          .change = change,
                          .removed_keys = removed_keys,
                          .alloc = alloc};
  frz_status st = FRZ_OK;
  bool removes = false;
  frz_map_init(&check.kept, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  FRZ_TRY_OUT(index_kept(&check, err));
  FRZ_TRY_OUT(check_history(&check, head, &removes, err));
  if (removes && change->n_kept_paths != 0) FRZ_TRY_OUT(check_kept(&check, head, err));
out:
  frz_map_dispose(&check.kept);
  return st;
}
