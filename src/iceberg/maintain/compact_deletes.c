/*
 * compact_deletes.c - delete files that apply to nothing once some data files are gone.
 *
 * Scan planning says which delete files apply to each data file that stays; what none of them needs
 * has no purpose. That holds beside concurrent commits as well: rows they append have greater
 * sequence numbers than any delete that is there, and files that they write anew come from files
 * that are looked at here.
 */
#include "base/arena_list.h"
#include "base/limits.h"
#include "iceberg/maintain/compact_plan.h"
#include "iceberg/maintain/reachable_files.h"
#include "iceberg/write/snapshot_producer.h"

enum { MANIFESTS_AT_ONCE = 16 };

typedef struct deletes_search {
  frz_context *context;
  frz_map needed; /* keys of delete files that still apply */
  frz_map shared; /* ends of equality lists: the first entry that was looked at */
  frz_arena *arena;
  frz_data_file *found;
  size_t n_found, capacity;
  frz_buf key;
} deletes_search;

static frz_status note_needed(deletes_search *s, const frz_manifest_entry *entry, frz_error *err)
{
  s->key.size = 0;
  FRZ_TRY(frz_data_file_key(&entry->file, &s->key, err));
  return frz_map_insert(&s->needed, frz_buf_str(&s->key), 0, NULL, NULL, err);
}

/* Tasks share tails of one list, which ends at the same place: each part is gone through once. */
static frz_status note_equality(deletes_search *s, const frz_scan_task *task, frz_error *err)
{
  uint64_t *known;
  bool is_new;
  if (task->n_equality_deletes == 0) return FRZ_OK;
  const frz_manifest_entry *const *first = task->equality_deletes;
  const frz_manifest_entry *const *end = first + task->n_equality_deletes;
  uint64_t address = (uint64_t)(uintptr_t)end;
  FRZ_TRY(frz_map_insert(&s->shared, (frz_str){(const char *)&address, sizeof address},
                         (uint64_t)(uintptr_t)end, &known, &is_new, err));
  const frz_manifest_entry *const *stop = (const frz_manifest_entry *const *)(uintptr_t)*known;
  for (const frz_manifest_entry *const *at = first; at < stop; at++)
    FRZ_TRY(note_needed(s, *at, err));
  if (first < stop) *known = (uint64_t)(uintptr_t)first;
  return FRZ_OK;
}

static frz_status note_task(deletes_search *s, const frz_scan_task *task, frz_error *err)
{
  for (size_t i = 0; i < task->n_position_deletes; i++)
    FRZ_TRY(note_needed(s, task->position_deletes[i], err));
  return note_equality(s, task, err);
}

static frz_status note_tasks(deletes_search *s, frz_scan_planner *planner, const frz_map *rewritten,
                             frz_error *err)
{
  for (bool more = true; more;) {
    frz_scan_part part = {0};
    frz_status st = FRZ_OK;
    FRZ_TRY(frz_context_poll(s->context, err));
    FRZ_TRY(frz_scan_planner_next(planner, MANIFESTS_AT_ONCE, &part, &more, err));
    for (size_t i = 0; i < part.n_tasks && st == FRZ_OK; i++)
      if (frz_map_find(rewritten, part.tasks[i].entry->file.path) == NULL)
        st = note_task(s, &part.tasks[i], err);
    frz_scan_part_dispose(&part);
    FRZ_TRY(st);
  }
  return FRZ_OK;
}

static frz_status take_idle(void *arg, const frz_manifest_entry *entry, frz_error *err)
{
  deletes_search *s = arg;
  s->key.size = 0;
  FRZ_TRY(frz_data_file_key(&entry->file, &s->key, err));
  if (frz_map_find(&s->needed, frz_buf_str(&s->key)) != NULL) return FRZ_OK;
  s->found = frz_arena_list_room(s->arena, s->found, s->n_found, &s->capacity, sizeof *s->found);
  if (s->found == NULL) return frz_fail_nomem(err, "delete files");
  return frz_data_file_copy(&entry->file, s->arena, &s->found[s->n_found++], err);
}

static frz_status search_deletes(deletes_search *s, frz_storage *storage,
                                 const frz_table_metadata *metadata, const frz_snapshot *snapshot,
                                 const frz_map *rewritten, const frz_manifest_file *manifests,
                                 size_t n_manifests, frz_error *err)
{
  frz_scan_planner *planner = NULL;
  frz_status st = FRZ_OK;
  FRZ_TRY(frz_scan_planner_create(s->context, storage, metadata, snapshot,
                                  frz_metadata_current_schema(metadata), NULL, false, &planner,
                                  err));
  FRZ_TRY_OUT(note_tasks(s, planner, rewritten, err));
  for (size_t i = 0; i < n_manifests; i++)
    if (manifests[i].content == FRZ_MANIFEST_DELETES)
      FRZ_TRY_OUT(
          frz_manifest_visit(storage, metadata, &manifests[i], s->arena->alloc, take_idle, s, err));
out:
  frz_scan_planner_free(planner);
  return st;
}

frz_status frz_compact_find_deletes(frz_context *context, frz_storage *storage,
                                    const frz_table_metadata *metadata,
                                    const frz_snapshot *snapshot, const frz_map *rewritten,
                                    frz_arena *arena, const frz_data_file **files_out,
                                    size_t *n_files_out, frz_error *err)
{
  const frz_manifest_file *manifests;
  size_t n_manifests;
  bool any = false;
  frz_status st = FRZ_OK;
  FRZ_TRY(
      frz_manifest_list_read(storage, metadata, snapshot, arena, &manifests, &n_manifests, err));
  for (size_t i = 0; i < n_manifests; i++) any |= manifests[i].content == FRZ_MANIFEST_DELETES;
  *files_out = NULL;
  *n_files_out = 0;
  if (!any) return FRZ_OK;
  deletes_search s = {.context = context, .arena = arena};
  frz_map_init(&s.needed, arena->alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  frz_map_init(&s.shared, arena->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_buf_init(&s.key, arena->alloc, FRZ_LIMIT_COLUMN_BYTES);
  FRZ_TRY_OUT(
      search_deletes(&s, storage, metadata, snapshot, rewritten, manifests, n_manifests, err));
  *files_out = s.found;
  *n_files_out = s.n_found;
out:
  frz_map_dispose(&s.needed);
  frz_map_dispose(&s.shared);
  frz_buf_dispose(&s.key);
  return st;
}
