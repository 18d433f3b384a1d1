/*
 * incremental_plan.c - see incremental_plan.h.
 *
 * A snapshot's own files are in the manifests that it added; such a manifest may hold older files
 * as well, where small manifests were merged, so that entries are looked at too.
 */
#include "iceberg/scan/incremental_plan.h"

#include "base/arena_list.h"

frz_status frz_appends_check(const frz_table_metadata *metadata, int64_t from_id,
                             const frz_snapshot *to, frz_error *err)
{
  const frz_snapshot *at = to;
  if (frz_metadata_snapshot(metadata, from_id) == NULL)
    return frz_fail(err, FRZ_ERR_NOT_FOUND,
                    "the table has no snapshot %lld to read from: it may have expired",
                    (long long)from_id);
  for (size_t i = 0; at != NULL && i <= metadata->n_snapshots; i++) { /* a loop ends the walk */
    if (at->snapshot_id == from_id) return FRZ_OK;
    at = frz_metadata_snapshot(metadata, at->parent_id);
  }
  return frz_fail(err, FRZ_ERR_INVALID, "snapshot %lld is no ancestor of snapshot %lld",
                  (long long)from_id, to != NULL ? (long long)to->snapshot_id : -1LL);
}

static frz_status collect_own(frz_storage *storage, const frz_table_metadata *metadata,
                              const frz_snapshot *snapshot, frz_arena *arena,
                              frz_manifest_file **list, size_t *n, size_t *capacity, frz_error *err)
{
  const frz_manifest_file *all;
  size_t n_all;
  FRZ_TRY(frz_manifest_list_read(storage, metadata, snapshot, arena, &all, &n_all, err));
  for (size_t i = 0; i < n_all; i++) {
    if (all[i].content != FRZ_MANIFEST_DATA || all[i].added_snapshot_id != snapshot->snapshot_id)
      continue;
    *list = frz_arena_list_room(arena, *list, *n, capacity, sizeof **list);
    if (*list == NULL) return frz_fail_nomem(err, "scan plan");
    (*list)[(*n)++] = all[i];
  }
  return FRZ_OK;
}

frz_status frz_appends_collect(frz_storage *storage, const frz_table_metadata *metadata,
                               int64_t from_id, const frz_snapshot *to, frz_arena *arena,
                               const frz_manifest_file **manifests_out, size_t *n_manifests_out,
                               frz_error *err)
{
  const frz_snapshot **chain = NULL;
  frz_manifest_file *list = NULL;
  size_t n_chain = 0, chain_room = 0, n = 0, room = 0;
  const frz_snapshot *at = to;
  while (at != NULL && at->snapshot_id != from_id && n_chain <= metadata->n_snapshots) {
    chain = frz_arena_list_room(arena, chain, n_chain, &chain_room, sizeof(const frz_snapshot *));
    if (chain == NULL) return frz_fail_nomem(err, "scan plan");
    chain[n_chain++] = at;
    at = frz_metadata_snapshot(metadata, at->parent_id);
  }
  for (size_t i = n_chain; i-- > 0;)
    if (frz_str_is(chain[i]->operation, "append"))
      FRZ_TRY(collect_own(storage, metadata, chain[i], arena, &list, &n, &room, err));
  *manifests_out = list;
  *n_manifests_out = n;
  return FRZ_OK;
}
