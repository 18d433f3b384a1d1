/*
 * table_files.c - every file that a table's metadata reaches, for a purge.
 *
 * All snapshots are looked at, not only the current one; a manifest that several share is read
 * once. A snapshot whose list is gone already (expired by another engine halfway) is passed over.
 */
#include "catalog/catalog_ops.h"
#include "iceberg/maintain/reachable_files.h"

typedef struct collector {
  frz_storage *storage;
  const frz_alloc *alloc;
  frz_map *files;
} collector;

static frz_status add(frz_map *files, frz_str path, frz_error *err)
{
  return frz_map_insert(files, path, 0, NULL, NULL, err);
}

static frz_status add_entry(void *arg, const frz_manifest_entry *entry, frz_error *err)
{
  const collector *self = arg;
  return add(self->files, entry->file.path, err);
}

static frz_status add_listed(void *arg, const frz_table_metadata *metadata, frz_str path,
                             const frz_manifest_file *manifest, frz_error *err)
{
  collector *self = arg;
  bool is_new;
  FRZ_TRY(frz_map_insert(self->files, path, 0, NULL, &is_new, err));
  if (!is_new || manifest == NULL) return FRZ_OK;
  frz_status st =
      frz_manifest_visit(self->storage, metadata, manifest, self->alloc, add_entry, self, err);
  return st == FRZ_ERR_NOT_FOUND ? FRZ_OK : st;
}

static frz_status add_statistics(void *arg, int64_t snapshot_id, frz_str path, frz_error *err)
{
  const collector *self = arg;
  (void)snapshot_id;
  return add(self->files, path, err);
}

frz_status frz_table_snapshot_files(frz_context *context, frz_storage *storage,
                                    const frz_table_metadata *metadata, frz_map *files,
                                    frz_error *err)
{
  collector self = {storage, frz_context_alloc(context), files};
  for (size_t i = 0; i < metadata->n_snapshots; i++) {
    FRZ_TRY(frz_context_poll(context, err));
    frz_status st = frz_snapshot_visit(storage, metadata, &metadata->snapshots[i], self.alloc,
                                       add_listed, &self, err);
    if (st != FRZ_ERR_NOT_FOUND) FRZ_TRY(st);
  }
  return FRZ_OK;
}

frz_status frz_table_files_collect(frz_context *context, frz_storage *storage,
                                   const frz_loaded_table *table, frz_map *files, frz_error *err)
{
  const frz_table_metadata *metadata = table->metadata;
  collector self = {storage, frz_context_alloc(context), files};
  FRZ_TRY(frz_table_snapshot_files(context, storage, metadata, files, err));
  FRZ_TRY(frz_metadata_visit_statistics(metadata, add_statistics, &self, err));
  for (size_t i = 0; i < metadata->n_metadata_log; i++)
    FRZ_TRY(add(files, metadata->metadata_log[i].metadata_file, err));
  frz_str location = {table->location.data, table->location.size_bytes};
  return add(files, location, err);
}
