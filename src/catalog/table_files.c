/*
 * table_files.c - every file that a table's metadata reaches, for a purge.
 *
 * All snapshots are looked at, not only the current one; a manifest that several share is read
 * once. A snapshot whose list is gone already (expired by another engine halfway) is passed over.
 */
#include "base/limits.h"
#include "catalog/catalog_ops.h"
#include "iceberg/manifest/manifest.h"

static frz_status add(frz_map *files, frz_str path, bool *is_new_out, frz_error *err)
{
  return frz_map_insert(files, path, 0, NULL, is_new_out, err);
}

static frz_status add_manifest(frz_storage *storage, const frz_table_metadata *metadata,
                               const frz_manifest_file *manifest, const frz_alloc *alloc,
                               frz_map *files, frz_error *err)
{
  static const int32_t no_metrics[1] = {0};
  const frz_manifest_entry *entries;
  size_t n_entries;
  bool is_new;
  FRZ_TRY(add(files, manifest->path, &is_new, err));
  if (!is_new) return FRZ_OK;
  frz_arena arena;
  frz_arena_init(&arena, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_status st = frz_manifest_read(storage, metadata, manifest, false, no_metrics, 0, &arena,
                                    &entries, &n_entries, err);
  for (size_t i = 0; st == FRZ_OK && i < n_entries; i++)
    st = add(files, entries[i].file.path, NULL, err);
  frz_arena_free(&arena);
  return st == FRZ_ERR_NOT_FOUND ? FRZ_OK : st;
}

static frz_status add_snapshot(frz_storage *storage, const frz_table_metadata *metadata,
                               const frz_snapshot *snapshot, const frz_alloc *alloc, frz_map *files,
                               frz_error *err)
{
  const frz_manifest_file *manifests;
  size_t n_manifests;
  if (snapshot->manifest_list.data != NULL) FRZ_TRY(add(files, snapshot->manifest_list, NULL, err));
  frz_arena arena;
  frz_arena_init(&arena, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_status st =
      frz_manifest_list_read(storage, metadata, snapshot, &arena, &manifests, &n_manifests, err);
  for (size_t i = 0; st == FRZ_OK && i < n_manifests; i++)
    st = add_manifest(storage, metadata, &manifests[i], alloc, files, err);
  frz_arena_free(&arena);
  return st == FRZ_ERR_NOT_FOUND ? FRZ_OK : st;
}

frz_status frz_table_files_collect(frz_context *context, frz_storage *storage,
                                   const frz_loaded_table *table, frz_map *files, frz_error *err)
{
  const frz_table_metadata *metadata = table->metadata;
  const frz_alloc *alloc = frz_context_alloc(context);
  for (size_t i = 0; i < metadata->n_snapshots; i++) {
    FRZ_TRY(frz_context_poll(context, err));
    FRZ_TRY(add_snapshot(storage, metadata, &metadata->snapshots[i], alloc, files, err));
  }
  for (size_t i = 0; i < metadata->n_statistics; i++)
    FRZ_TRY(add(files, metadata->statistics[i].path, NULL, err));
  for (size_t i = 0; i < metadata->n_partition_statistics; i++)
    FRZ_TRY(add(files, metadata->partition_statistics[i].path, NULL, err));
  for (size_t i = 0; i < metadata->n_metadata_log; i++)
    FRZ_TRY(add(files, metadata->metadata_log[i].metadata_file, NULL, err));
  frz_str location = {table->location.data, table->location.size_bytes};
  return add(files, location, NULL, err);
}
