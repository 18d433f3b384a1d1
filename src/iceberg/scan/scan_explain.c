/*
 * scan_explain.c - what a scan would read, and what it has read: see frazil/explain.h.
 *
 * Explaining plans as a stream does and opens every file that is left, a few manifests' files at a
 * time, on all threads; the counts are made on the way, as those of a stream are.
 */
#include "iceberg/scan/open_file.h"
#include "iceberg/scan/scan_state.h"

enum { MANIFESTS_AT_ONCE = 16 };

typedef struct explanation {
  frz_scan *scan;
  frz_storage *storage;
  frz_projection projection;
  const frz_scan_task *tasks;
} explanation;

static frz_status open_one(void *arg, size_t i, frz_error *err)
{
  explanation *self = arg;
  const frz_open_options options = {.without_deletes = true};
  frz_open_file *file;
  FRZ_TRY(frz_open_file_create(self->scan->context, self->storage, &self->projection,
                               &self->tasks[i], NULL, &options, &file, err));
  frz_open_file_free(file);
  return FRZ_OK;
}

static frz_status explain_files(explanation *self, frz_scan_planner *planner, frz_error *err)
{
  for (bool more = true; more;) {
    frz_scan_part part;
    FRZ_TRY(frz_scan_planner_next(planner, MANIFESTS_AT_ONCE, &part, &more, err));
    self->tasks = part.tasks;
    frz_status st = frz_parallel_for(self->scan->context, part.n_tasks, open_one, self, err);
    frz_scan_part_dispose(&part);
    FRZ_TRY(st);
  }
  return FRZ_OK;
}

frz_status frz_scan_explain(frz_scan *scan, frz_read_report *report_out, frz_error *err)
{
  if (scan == NULL || report_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_scan_explain: an argument is NULL");
  frz_read_counts counts = {0};
  explanation self = {.scan = scan, .projection = scan->projection};
  self.projection.counts = &counts;
  frz_scan_planner *planner = NULL;
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(frz_storage_count(scan->storage, &counts.storage, &self.storage, err));
  FRZ_TRY_OUT(frz_scan_planner_create_from(
      scan->context, self.storage, scan->metadata, scan->snapshot, scan->from_snapshot_id,
      scan->projection.schema, scan->projection.filter, false, &planner, err));
  frz_scan_planner_count(planner, &counts);
  FRZ_TRY_OUT(explain_files(&self, planner, err));
  frz_read_counts_report(&counts, report_out);
out:
  frz_scan_planner_free(planner);
  frz_storage_release(self.storage);
  return st;
}

frz_status frz_scan_report(const frz_scan *scan, frz_read_report *report_out, frz_error *err)
{
  if (scan == NULL || report_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_scan_report: an argument is NULL");
  frz_read_counts_report(&scan->counts, report_out);
  return FRZ_OK;
}
