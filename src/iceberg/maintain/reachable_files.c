/*
 * reachable_files.c - see reachable_files.h.
 *
 * One manifest is in memory at a time, so that a walk costs what its largest manifest does however
 * many there are.
 */
#include "iceberg/maintain/reachable_files.h"

#include "base/limits.h"
#include "iceberg/maintain/location.h"

frz_status frz_manifest_visit(frz_storage *storage, const frz_table_metadata *metadata,
                              const frz_manifest_file *manifest, const frz_alloc *alloc,
                              frz_entry_visit visit, void *arg, frz_error *err)
{
  static const int32_t no_ids[1] = {0};
  frz_status st = FRZ_OK;
  frz_arena arena;
  const frz_manifest_entry *entries;
  size_t n_entries;
  frz_arena_init(&arena, alloc, FRZ_LIMIT_PLAN_BYTES);
  FRZ_TRY_OUT(frz_manifest_read(storage, metadata, manifest, false, no_ids, 0, &arena, &entries,
                                &n_entries, err));
  for (size_t i = 0; i < n_entries; i++) FRZ_TRY_OUT(visit(arg, &entries[i], err));
out:
  frz_arena_free(&arena);
  return st;
}

frz_status frz_snapshot_visit(frz_storage *storage, const frz_table_metadata *metadata,
                              const frz_snapshot *snapshot, const frz_alloc *alloc,
                              frz_list_visit visit, void *arg, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_arena arena;
  const frz_manifest_file *manifests;
  size_t n_manifests;
  frz_arena_init(&arena, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  FRZ_TRY_OUT(
      frz_manifest_list_read(storage, metadata, snapshot, &arena, &manifests, &n_manifests, err));
  if (snapshot->manifest_list.data != NULL)
    FRZ_TRY_OUT(visit(arg, metadata, snapshot->manifest_list, NULL, err));
  for (size_t i = 0; i < n_manifests; i++)
    FRZ_TRY_OUT(visit(arg, metadata, manifests[i].path, &manifests[i], err));
out:
  frz_arena_free(&arena);
  return st;
}

/* ---- statistics ---- */

frz_status frz_metadata_visit_statistics(const frz_table_metadata *metadata,
                                         frz_statistics_visit visit, void *arg, frz_error *err)
{
  for (size_t i = 0; i < metadata->n_statistics; i++)
    FRZ_TRY(visit(arg, metadata->statistics[i].snapshot_id, metadata->statistics[i].path, err));
  for (size_t i = 0; i < metadata->n_partition_statistics; i++)
    FRZ_TRY(visit(arg, metadata->partition_statistics[i].snapshot_id,
                  metadata->partition_statistics[i].path, err));
  return FRZ_OK;
}

/* ---- sets of places ---- */

void frz_location_set_init(frz_location_set *set, const frz_alloc *alloc)
{
  frz_map_init(&set->map, alloc, FRZ_LIMIT_MANIFEST_BYTES * 16);
  frz_buf_init(&set->scratch, alloc, FRZ_LIMIT_LOCATION_BYTES * 2);
}

void frz_location_set_dispose(frz_location_set *set)
{
  frz_map_dispose(&set->map);
  frz_buf_dispose(&set->scratch);
}

frz_status frz_location_set_add(frz_location_set *set, frz_str location, uint64_t number,
                                bool *added_out, frz_error *err)
{
  set->scratch.size = 0;
  FRZ_TRY(frz_location_normalise(location, &set->scratch, err));
  return frz_map_insert(&set->map, frz_buf_str(&set->scratch), number, NULL, added_out, err);
}

frz_status frz_location_set_find(frz_location_set *set, frz_str location, uint64_t **number_out,
                                 frz_error *err)
{
  set->scratch.size = 0;
  FRZ_TRY(frz_location_normalise(location, &set->scratch, err));
  *number_out = frz_map_find(&set->map, frz_buf_str(&set->scratch));
  return FRZ_OK;
}
