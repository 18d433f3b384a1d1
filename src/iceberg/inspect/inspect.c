/*
 * inspect.c - a table's metadata as rows: which metadata table is which.
 *
 * Columns and values are those of Iceberg's own metadata tables, where it has the table.
 */
#include "iceberg/inspect/inspect.h"

#include <stdio.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "base/map.h"

typedef struct inspect_kind {
  const char *name;
  frz_status (*run)(const frz_inspection *inspection, struct ArrowArrayStream *stream_out,
                    frz_error *err);
  bool of_snapshot; /* a snapshot may be chosen */
  bool of_all;
} inspect_kind;

/* ---- manifests ---- */

static frz_status add_new(const frz_manifest_file *manifests, size_t n, frz_map *seen,
                          frz_arena *arena, frz_manifest_file **list, size_t *n_list, size_t *room,
                          frz_error *err)
{
  for (size_t i = 0; i < n; i++) {
    bool is_new;
    FRZ_TRY(frz_map_insert(seen, manifests[i].path, 0, NULL, &is_new, err));
    if (!is_new) continue;
    *list = frz_arena_list_room(arena, *list, *n_list, room, sizeof **list);
    if (*list == NULL) return frz_fail_nomem(err, "metadata rows");
    frz_manifest_file *copy = &(*list)[*n_list];
    *copy = manifests[i];
    copy->path = frz_arena_copy(arena, manifests[i].path);
    copy->partitions = NULL;
    copy->n_partitions = 0;
    copy->key_metadata = (frz_str){0};
    if (copy->path.data == NULL) return frz_fail_nomem(err, "metadata rows");
    ++*n_list;
  }
  return FRZ_OK;
}

static frz_status collect_all(const frz_inspection *inspection, frz_arena *arena,
                              const frz_manifest_file **manifests_out, size_t *n_manifests_out,
                              frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(inspection->context);
  const frz_table_metadata *metadata = inspection->metadata;
  frz_manifest_file *list = NULL;
  size_t n_list = 0, room = 0;
  frz_status st = FRZ_OK;
  frz_map seen;
  frz_map_init(&seen, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  for (size_t i = 0; st == FRZ_OK && i < metadata->n_snapshots; i++) {
    const frz_manifest_file *manifests;
    size_t n;
    frz_arena scratch; /* most of a list was seen before */
    frz_arena_init(&scratch, alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
    st = frz_context_poll(inspection->context, err);
    if (st == FRZ_OK)
      st = frz_manifest_list_read(inspection->storage, metadata, &metadata->snapshots[i], &scratch,
                                  &manifests, &n, err);
    if (st == FRZ_OK) st = add_new(manifests, n, &seen, arena, &list, &n_list, &room, err);
    frz_arena_free(&scratch);
  }
  frz_map_dispose(&seen);
  *manifests_out = list;
  *n_manifests_out = n_list;
  return st;
}

frz_status frz_inspect_collect(const frz_inspection *inspection, frz_arena *arena,
                               const frz_manifest_file **manifests_out, size_t *n_manifests_out,
                               frz_error *err)
{
  if (inspection->of_all)
    return collect_all(inspection, arena, manifests_out, n_manifests_out, err);
  *manifests_out = NULL;
  *n_manifests_out = 0;
  if (inspection->snapshot == NULL) return FRZ_OK;
  return frz_manifest_list_read(inspection->storage, inspection->metadata, inspection->snapshot,
                                arena, manifests_out, n_manifests_out, err);
}

/* ---- the kinds ---- */

static const inspect_kind KINDS[] = {
    {"snapshots", frz_inspect_snapshots, false, false},
    {"history", frz_inspect_history, false, false},
    {"refs", frz_inspect_refs, false, false},
    {"properties", frz_inspect_properties, false, false},
    {"metadata_log_entries", frz_inspect_metadata_log, false, false},
    {"statistics", frz_inspect_statistics, false, false},
    {"manifests", frz_inspect_manifests, true, false},
    {"entries", frz_inspect_entries, true, false},
    {"files", frz_inspect_files, true, false},
    {"data_files", frz_inspect_data_files, true, false},
    {"delete_files", frz_inspect_delete_files, true, false},
    {"partitions", frz_inspect_partitions, true, false},
    {"all_manifests", frz_inspect_manifests, false, true},
    {"all_entries", frz_inspect_entries, false, true},
    {"all_files", frz_inspect_files, false, true},
    {"all_data_files", frz_inspect_data_files, false, true},
    {"all_delete_files", frz_inspect_delete_files, false, true},
};

static frz_status find_kind(const char *name, const inspect_kind **kind_out, frz_error *err)
{
  char list[400] = "";
  size_t at = 0;
  for (size_t i = 0; i < FRZ_N_COLUMNS(KINDS); i++) {
    if (strcmp(name, KINDS[i].name) == 0) {
      *kind_out = &KINDS[i];
      return FRZ_OK;
    }
    at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i == 0 ? "" : ", ", KINDS[i].name);
  }
  return frz_fail(err, FRZ_ERR_INVALID, "no metadata table '%s': there are %s", name, list);
}

static frz_status run_kind(frz_table *table, const inspect_kind *kind, int64_t snapshot_id,
                           const frz_loaded_table *loaded, struct ArrowArrayStream *stream_out,
                           frz_error *err)
{
  frz_table_metadata *metadata = loaded->metadata;
  frz_inspection inspection = {
      .context = frz_table_context(table),
      .storage = frz_table_storage(table),
      .metadata = metadata,
      .metadata_location = {loaded->location.data, loaded->location.size_bytes},
      .of_all = kind->of_all,
      .snapshot = frz_metadata_snapshot(
          metadata, snapshot_id != 0 ? snapshot_id : metadata->current_snapshot_id)};
  if (snapshot_id != 0 && !kind->of_snapshot)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "metadata table '%s' is not of one snapshot: none can be chosen", kind->name);
  if (snapshot_id != 0 && inspection.snapshot == NULL)
    return frz_fail(err, FRZ_ERR_NOT_FOUND, "the table has no snapshot %lld",
                    (long long)snapshot_id);
  return kind->run(&inspection, stream_out, err);
}

frz_status frz_table_inspect(frz_table *table, const char *kind, int64_t snapshot_id,
                             struct ArrowArrayStream *stream_out, frz_error *err)
{
  if (table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "table is NULL");
  if (kind == NULL) return frz_fail(err, FRZ_ERR_INVALID, "kind is NULL");
  if (stream_out == NULL) return frz_fail(err, FRZ_ERR_INVALID, "stream_out is NULL");
  const inspect_kind *found;
  frz_loaded_table loaded = {0};
  FRZ_TRY(find_kind(kind, &found, err));
  FRZ_TRY(frz_table_current_loaded(table, &loaded, err));
  frz_status st = run_kind(table, found, snapshot_id, &loaded, stream_out, err);
  frz_loaded_table_dispose(&loaded);
  return st;
}
