/*
 * scan_plan.c - see scan_plan.h.
 *
 * Delete manifests are read first and whole: a data file cannot be handed out before everything
 * that may hide its rows is known. Data manifests follow on demand, several at a time, each into an
 * arena of its own, so that memory follows the part of the plan that is in use and LIMIT queries
 * stop early. Order is that of the manifest list, whatever thread reads a manifest.
 *
 * Invariant: manifests [0, next_data) of `data` were handed out.
 */
#include "iceberg/scan/scan_plan.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "iceberg/scan/delete_index.h"
#include "iceberg/scan/incremental_plan.h"
#include "iceberg/scan/row_reader.h"

struct frz_scan_planner {
  frz_context *context;
  frz_storage *storage;
  const frz_table_metadata *metadata;
  const frz_schema *schema;
  const frz_expr *filter;
  bool all_metrics;
  int64_t from_id; /* not 0: only what append snapshots after it added */
  frz_arena arena; /* the manifest list */
  const frz_manifest_file **data;
  size_t n_data, next_data;
  const frz_manifest_file **deletes;
  size_t n_deletes;
  frz_arena *delete_arenas; /* n_deletes */
  frz_delete_index *index;
  const frz_data_file *unreadable; /* a delete file; NULL: none */
  const int32_t *metric_ids;       /* with !all_metrics */
  size_t n_metric_ids;
  frz_read_counts *counts; /* NULL: nobody's */
  size_t n_manifests, n_manifests_read;
};

/* ---- manifests ---- */

static bool may_hold_files(const frz_scan_planner *planner, const frz_manifest_file *manifest,
                           frz_error *err, frz_status *st)
{
  if (manifest->n_added_files == 0 && manifest->n_existing_files == 0) return false;
  const frz_partition_spec *spec = frz_metadata_spec(planner->metadata, manifest->spec_id);
  if (spec == NULL) {
    *st = frz_fail(err, FRZ_ERR_CORRUPT, "manifest '%.*s': unknown partition spec %d",
                   FRZ_STR_ARG(manifest->path), manifest->spec_id);
    return false;
  }
  return planner->filter == NULL ||
         frz_expr_may_match_manifest(planner->filter, spec, planner->schema, manifest);
}

static frz_status choose_manifests(frz_scan_planner *planner, const frz_snapshot *snapshot,
                                   frz_error *err)
{
  const frz_manifest_file *all;
  size_t n_all;
  if (planner->from_id != 0)
    FRZ_TRY(frz_appends_collect(planner->storage, planner->metadata, planner->from_id, snapshot,
                                &planner->arena, &all, &n_all, err));
  else
    FRZ_TRY(frz_manifest_list_read(planner->storage, planner->metadata, snapshot, &planner->arena,
                                   &all, &n_all, err));
  planner->n_manifests = n_all;
  planner->data = frz_arena_array(&planner->arena, n_all, sizeof *planner->data);
  planner->deletes = frz_arena_array(&planner->arena, n_all, sizeof *planner->deletes);
  if (planner->data == NULL || planner->deletes == NULL) return frz_fail_nomem(err, "scan plan");
  for (size_t i = 0; i < n_all; i++) {
    frz_status st = FRZ_OK;
    bool wanted = may_hold_files(planner, &all[i], err, &st);
    FRZ_TRY(st);
    if (!wanted) continue;
    if (all[i].content == FRZ_MANIFEST_DELETES)
      planner->deletes[planner->n_deletes++] = &all[i];
    else
      planner->data[planner->n_data++] = &all[i];
  }
  return FRZ_OK;
}

/* ---- delete files ---- */

typedef struct delete_load {
  frz_scan_planner *planner;
  const frz_manifest_entry **entries; /* one array a manifest */
  size_t *n_entries;
} delete_load;

static frz_status load_deletes(void *arg, size_t i, frz_error *err)
{
  delete_load *load = arg;
  frz_scan_planner *planner = load->planner;
  frz_arena_init(&planner->delete_arenas[i], frz_context_alloc(planner->context),
                 FRZ_LIMIT_PLAN_BYTES);
  return frz_manifest_read(planner->storage, planner->metadata, planner->deletes[i], false, NULL, 0,
                           &planner->delete_arenas[i], &load->entries[i], &load->n_entries[i], err);
}

/** By partition alone: the metrics of a delete file say nothing about other columns of the rows it
 * deletes. */
static bool delete_may_matter(const frz_scan_planner *planner, const frz_manifest_entry *entry)
{
  if (planner->filter == NULL) return true;
  const frz_partition_spec *spec = frz_metadata_spec(planner->metadata, entry->file.spec_id);
  if (spec == NULL) return true; /* refused by the index */
  frz_data_file bare = {.content = entry->file.content,
                        .path = entry->file.path,
                        .format = entry->file.format,
                        .partition = entry->file.partition,
                        .spec_id = entry->file.spec_id,
                        .n_rows = entry->file.n_rows,
                        .sort_order_id = -1,
                        .first_row_id = -1,
                        .content_offset = -1};
  return frz_expr_may_match_file(planner->filter, spec, planner->schema, &bare);
}

static frz_status index_deletes(frz_scan_planner *planner, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(planner->context);
  delete_load load = {.planner = planner};
  const frz_manifest_entry **list = NULL;
  frz_status st = FRZ_OK;
  size_t n = planner->n_deletes;
  size_t n_all = 0;
  size_t n_kept = 0;
  planner->delete_arenas = frz_arena_array(&planner->arena, n, sizeof *planner->delete_arenas);
  load.entries = frz_arena_array(&planner->arena, n, sizeof *load.entries);
  load.n_entries = frz_arena_array(&planner->arena, n, sizeof *load.n_entries);
  if (planner->delete_arenas == NULL || load.entries == NULL || load.n_entries == NULL)
    return frz_fail_nomem(err, "scan plan");
  FRZ_TRY(frz_parallel_for(planner->context, n, load_deletes, &load, err));
  planner->n_manifests_read += n;
  for (size_t i = 0; i < n; i++) n_all += load.n_entries[i];
  if (n_all != 0) {
    list = frz_alloc_array(alloc, n_all, sizeof *list);
    if (list == NULL) return frz_fail_nomem(err, "scan plan");
  }
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < load.n_entries[i]; k++)
      if (delete_may_matter(planner, &load.entries[i][k])) list[n_kept++] = &load.entries[i][k];
  FRZ_TRY_OUT(
      frz_delete_index_create(alloc, planner->metadata, list, n_kept, &planner->index, err));

  size_t n_ids = 0;
  for (size_t i = 0; i < n_kept; i++) {
    n_ids += list[i]->file.n_equality_ids;
    if (frz_row_file_check(&list[i]->file, NULL) != FRZ_OK) planner->unreadable = &list[i]->file;
  }
  int32_t *ids = frz_arena_array(&planner->arena, n_ids, sizeof *ids);
  if (ids == NULL) {
    st = frz_fail_nomem(err, "scan plan");
    goto out;
  }
  n_ids = 0;
  for (size_t i = 0; i < n_kept; i++)
    for (size_t k = 0; k < list[i]->file.n_equality_ids; k++)
      ids[n_ids++] = list[i]->file.equality_ids[k];
  planner->metric_ids = ids;
  planner->n_metric_ids = n_ids;
out:
  if (list != NULL) frz_alloc_free(alloc, list, n_all * sizeof *list);
  return st;
}

/* ---- can it be read ---- */

static frz_status check_file(const frz_data_file *file, frz_error *err)
{
  frz_status st = frz_row_file_check(file, err);
  if (st != FRZ_OK)
    frz_error_where(err, "%s '%.*s': ", file->content == FRZ_CONTENT_DATA ? "file" : "deletes",
                    FRZ_STR_ARG(file->path));
  return st;
}

frz_status frz_scan_planner_check_deletes(const frz_scan_planner *planner, frz_error *err)
{
  return planner->unreadable != NULL ? check_file(planner->unreadable, err) : FRZ_OK;
}

frz_status frz_scan_tasks_check(const frz_scan_task *tasks, size_t n_tasks, frz_error *err)
{
  for (size_t i = 0; i < n_tasks; i++) FRZ_TRY(check_file(&tasks[i].entry->file, err));
  return FRZ_OK;
}

/* ---- metrics that planning needs ---- */

static int compare_ids(const void *a, const void *b)
{
  int32_t x = *(const int32_t *)a;
  int32_t y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

/** The columns of the filter and of equality deletes, ascending and distinct. */
static frz_status choose_metrics(frz_scan_planner *planner, frz_error *err)
{
  const int32_t *filter_ids = NULL;
  size_t n_filter_ids = 0;
  if (planner->filter != NULL)
    FRZ_TRY(frz_expr_field_ids(planner->filter, &planner->arena, &filter_ids, &n_filter_ids, err));
  int32_t *ids =
      frz_arena_array(&planner->arena, n_filter_ids + planner->n_metric_ids, sizeof *ids);
  if (ids == NULL) return frz_fail_nomem(err, "scan plan");
  size_t n = 0;
  for (size_t i = 0; i < n_filter_ids; i++) ids[n++] = filter_ids[i];
  for (size_t i = 0; i < planner->n_metric_ids; i++) ids[n++] = planner->metric_ids[i];
  qsort(ids, n, sizeof *ids, compare_ids);
  size_t n_distinct = 0;
  for (size_t i = 0; i < n; i++)
    if (n_distinct == 0 || ids[n_distinct - 1] != ids[i]) ids[n_distinct++] = ids[i];
  planner->metric_ids = ids;
  planner->n_metric_ids = n_distinct;
  return FRZ_OK;
}

/* ---- the planner ---- */

frz_status frz_scan_planner_create(frz_context *context, frz_storage *storage,
                                   const frz_table_metadata *metadata, const frz_snapshot *snapshot,
                                   const frz_schema *schema, const frz_expr *filter,
                                   bool all_metrics, frz_scan_planner **planner_out, frz_error *err)
{
  return frz_scan_planner_create_from(context, storage, metadata, snapshot, 0, schema, filter,
                                      all_metrics, planner_out, err);
}

frz_status frz_scan_planner_create_from(frz_context *context, frz_storage *storage,
                                        const frz_table_metadata *metadata,
                                        const frz_snapshot *snapshot, int64_t from_id,
                                        const frz_schema *schema, const frz_expr *filter,
                                        bool all_metrics, frz_scan_planner **planner_out,
                                        frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_status st = FRZ_OK;
  frz_scan_planner *planner = frz_alloc_zeroed(alloc, sizeof *planner);
  if (planner == NULL) return frz_fail_nomem(err, "scan plan");
  planner->context = context;
  planner->storage = storage;
  planner->metadata = metadata;
  planner->schema = schema;
  planner->filter = filter;
  planner->all_metrics = all_metrics;
  planner->from_id = from_id;
  frz_arena_init(&planner->arena, alloc, FRZ_LIMIT_PLAN_BYTES);
  bool is_empty = snapshot == NULL || (filter != NULL && filter->kind == FRZ_EXPR_FALSE);
  if (!is_empty) FRZ_TRY_OUT(choose_manifests(planner, snapshot, err));
  FRZ_TRY_OUT(index_deletes(planner, err));
  if (!all_metrics) FRZ_TRY_OUT(choose_metrics(planner, err));
  *planner_out = planner;
  planner = NULL;
out:
  frz_scan_planner_free(planner);
  return st;
}

void frz_scan_planner_free(frz_scan_planner *planner)
{
  if (planner == NULL) return;
  frz_delete_index_free(planner->index);
  if (planner->delete_arenas != NULL)
    for (size_t i = 0; i < planner->n_deletes; i++)
      if (planner->delete_arenas[i].alloc != NULL) frz_arena_free(&planner->delete_arenas[i]);
  const frz_alloc *alloc = frz_context_alloc(planner->context);
  frz_arena_free(&planner->arena);
  frz_alloc_free(alloc, planner, sizeof *planner);
}

void frz_scan_planner_count(frz_scan_planner *planner, frz_read_counts *counts)
{
  planner->counts = counts;
  FRZ_COUNT(counts, n_manifests, planner->n_manifests);
  FRZ_COUNT(counts, n_manifests_read, planner->n_manifests_read);
}

/* ---- data files ---- */

typedef struct data_load {
  frz_scan_planner *planner;
  frz_scan_part *part;
  frz_scan_task **tasks; /* one array a manifest, in its arena */
  size_t *n_tasks;
} data_load;

/* By its partition, or by its bounds? By partition where it would be so without bounds. */
static void count_left_out(const frz_scan_planner *planner, const frz_partition_spec *spec,
                           const frz_data_file *file)
{
  if (planner->counts == NULL) return;
  frz_data_file bare = *file;
  bare.n_lower_bounds = bare.n_upper_bounds = bare.n_value_counts = 0;
  bare.n_null_counts = bare.n_nan_counts = 0;
  if (frz_expr_may_match_file(planner->filter, spec, planner->schema, &bare))
    FRZ_COUNT(planner->counts, n_files_by_bounds, 1);
  else
    FRZ_COUNT(planner->counts, n_files_by_partition, 1);
}

static frz_status make_task(const frz_scan_planner *planner, const frz_manifest_entry *entry,
                            frz_arena *arena, frz_scan_task *task_out, bool *wanted_out,
                            frz_error *err)
{
  if (entry->file.content != FRZ_CONTENT_DATA)
    return frz_fail(err, FRZ_ERR_CORRUPT, "delete file '%.*s' in a manifest of data",
                    FRZ_STR_ARG(entry->file.path));
  const frz_partition_spec *spec = frz_metadata_spec(planner->metadata, entry->file.spec_id);
  if (spec == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "data file '%.*s': unknown partition spec %d",
                    FRZ_STR_ARG(entry->file.path), entry->file.spec_id);
  *wanted_out = planner->filter == NULL ||
                frz_expr_may_match_file(planner->filter, spec, planner->schema, &entry->file);
  if (!*wanted_out) {
    count_left_out(planner, spec, &entry->file);
    return FRZ_OK;
  }
  *task_out = (frz_scan_task){.entry = entry, .spec = spec};
  return frz_delete_index_find(planner->index, task_out, arena, err);
}

static frz_status load_data(void *arg, size_t i, frz_error *err)
{
  data_load *load = arg;
  frz_scan_planner *planner = load->planner;
  const frz_manifest_file *manifest = planner->data[planner->next_data + i];
  frz_arena *arena = &load->part->arenas[i];
  const frz_manifest_entry *entries;
  size_t n_entries;
  frz_arena_init(arena, frz_context_alloc(planner->context), FRZ_LIMIT_PLAN_BYTES);
  static const int32_t no_ids[1] = {0};
  const int32_t *ids = planner->n_metric_ids != 0 ? planner->metric_ids : no_ids;
  if (planner->all_metrics) ids = NULL;
  FRZ_TRY(frz_manifest_read(planner->storage, planner->metadata, manifest, false, ids,
                            ids != NULL ? planner->n_metric_ids : 0, arena, &entries, &n_entries,
                            err));
  frz_scan_task *tasks = frz_arena_array(arena, n_entries, sizeof *tasks);
  if (tasks == NULL) return frz_fail_nomem(err, "scan plan");
  size_t n_tasks = 0;
  for (size_t k = 0; k < n_entries; k++) {
    bool wanted = false;
    if (planner->from_id != 0 && (entries[k].status != FRZ_ENTRY_ADDED ||
                                  entries[k].snapshot_id != manifest->added_snapshot_id))
      continue;
    frz_status st = make_task(planner, &entries[k], arena, &tasks[n_tasks], &wanted, err);
    if (st != FRZ_OK) {
      frz_error_where(err, "manifest '%.*s': ", FRZ_STR_ARG(manifest->path));
      return st;
    }
    n_tasks += wanted;
  }
  load->tasks[i] = tasks;
  load->n_tasks[i] = n_tasks;
  if (n_tasks == 0) frz_arena_free(arena);
  return FRZ_OK;
}

/** The arrays of one load live together in arena 0 of the part, the last one. */
static frz_status gather(data_load *load, size_t n, frz_error *err)
{
  frz_scan_part *part = load->part;
  size_t n_tasks = 0;
  for (size_t i = 0; i < n; i++) n_tasks += load->n_tasks[i];
  part->tasks = frz_arena_array(&part->arenas[n], n_tasks, sizeof *part->tasks);
  if (part->tasks == NULL) return frz_fail_nomem(err, "scan plan");
  for (size_t i = 0; i < n; i++) {
    if (load->n_tasks[i] == 0) continue;
    memcpy(part->tasks + part->n_tasks, load->tasks[i], load->n_tasks[i] * sizeof *part->tasks);
    part->n_tasks += load->n_tasks[i];
  }
  assert(part->n_tasks == n_tasks);
  return FRZ_OK;
}

static void count_tasks(frz_read_counts *counts, const frz_scan_part *part)
{
  if (counts == NULL) return;
  int64_t n_rows = 0;
  int64_t n_bytes = 0;
  int64_t n_with_deletes = 0;
  for (size_t i = 0; i < part->n_tasks; i++) {
    n_rows += part->tasks[i].entry->file.n_rows;
    n_bytes += part->tasks[i].entry->file.size_bytes;
    n_with_deletes += part->tasks[i].n_deletes != 0;
  }
  FRZ_COUNT(counts, n_files, part->n_tasks);
  FRZ_COUNT(counts, n_files_with_deletes, n_with_deletes);
  FRZ_COUNT(counts, n_rows_planned, n_rows);
  FRZ_COUNT(counts, n_bytes_planned, n_bytes);
}

frz_status frz_scan_planner_next(frz_scan_planner *planner, size_t n_manifests_max,
                                 frz_scan_part *part_out, bool *more_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(planner->context);
  size_t n = planner->n_data - planner->next_data;
  if (n > n_manifests_max) n = n_manifests_max;
  frz_status st = FRZ_OK;
  frz_scan_part part = {.alloc = alloc, .n_arenas = n + 1};
  part.arenas = frz_alloc_zeroed(alloc, part.n_arenas * sizeof *part.arenas);
  if (part.arenas == NULL) return frz_fail_nomem(err, "scan plan");
  frz_arena_init(&part.arenas[n], alloc, FRZ_LIMIT_PLAN_BYTES);
  data_load load = {.planner = planner, .part = &part};
  load.tasks = frz_arena_array(&part.arenas[n], n, sizeof *load.tasks);
  load.n_tasks = frz_arena_array(&part.arenas[n], n, sizeof *load.n_tasks);
  if (load.tasks == NULL || load.n_tasks == NULL) {
    st = frz_fail_nomem(err, "scan plan");
    goto out;
  }
  FRZ_TRY_OUT(frz_parallel_for(planner->context, n, load_data, &load, err));
  FRZ_TRY_OUT(gather(&load, n, err));
  planner->next_data += n;
  FRZ_COUNT(planner->counts, n_manifests_read, n);
  count_tasks(planner->counts, &part);
  *part_out = part;
  *more_out = planner->next_data < planner->n_data;
  part = (frz_scan_part){0};
out:
  frz_scan_part_dispose(&part);
  return st;
}

void frz_scan_part_dispose(frz_scan_part *part)
{
  if (part->arenas != NULL) {
    for (size_t i = 0; i < part->n_arenas; i++)
      if (part->arenas[i].alloc != NULL) frz_arena_free(&part->arenas[i]);
    frz_alloc_free(part->alloc, part->arenas, part->n_arenas * sizeof *part->arenas);
  }
  *part = (frz_scan_part){0};
}

/* ---- at once ---- */

frz_status frz_scan_plan_make(frz_context *context, frz_storage *storage,
                              const frz_table_metadata *metadata, const frz_snapshot *snapshot,
                              const frz_schema *schema, const frz_expr *filter,
                              frz_scan_plan *plan_out, frz_error *err)
{
  return frz_scan_plan_make_from(context, storage, metadata, snapshot, 0, schema, filter, NULL,
                                 plan_out, err);
}

frz_status frz_scan_plan_make_from(frz_context *context, frz_storage *storage,
                                   const frz_table_metadata *metadata, const frz_snapshot *snapshot,
                                   int64_t from_id, const frz_schema *schema,
                                   const frz_expr *filter, frz_read_counts *counts,
                                   frz_scan_plan *plan_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_scan_plan plan = {0};
  bool more = false;
  FRZ_TRY(frz_scan_planner_create_from(context, storage, metadata, snapshot, from_id, schema,
                                       filter, true, &plan.planner, err));
  frz_scan_planner_count(plan.planner, counts);
  FRZ_TRY_OUT(frz_scan_planner_next(plan.planner, SIZE_MAX, &plan.part, &more, err));
  assert(!more);
  plan.tasks = plan.part.tasks;
  plan.n_tasks = plan.part.n_tasks;
  *plan_out = plan;
  plan = (frz_scan_plan){0};
out:
  frz_scan_plan_dispose(&plan);
  return st;
}

void frz_scan_plan_dispose(frz_scan_plan *plan)
{
  frz_scan_part_dispose(&plan->part);
  frz_scan_planner_free(plan->planner);
  *plan = (frz_scan_plan){0};
}
