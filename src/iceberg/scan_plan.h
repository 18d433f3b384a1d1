/*
 * scan_plan.h - from a snapshot and a filter to the files to read, each with its deletes.
 *
 * Source: Iceberg specification, "Scan Planning", "Delete Formats".
 */
#ifndef FRZ_ICEBERG_SCAN_PLAN_H
#define FRZ_ICEBERG_SCAN_PLAN_H

#include "frazil/table.h"
#include "iceberg/expression.h"
#include "iceberg/manifest.h"

/**
 * Turn public scan options into a snapshot (NULL: the table is empty), the schema to read it with
 * (the current one, or the snapshot's own where it was chosen by id, tag or time) and the bound
 * filter (NULL: none).
 */
frz_status frz_scan_resolve(const frz_table_metadata *metadata, const frz_scan_options *options,
                            frz_arena *arena, const frz_snapshot **snapshot_out,
                            const frz_schema **schema_out, const frz_expr **filter_out,
                            frz_error *err) FRZ_MUST_CHECK;

/** One data file to read. Everything is in the plan's arena. */
typedef struct frz_scan_task {
  const frz_manifest_entry *entry;
  const frz_partition_spec *spec;
  const frz_manifest_entry *const
      *deletes; /* position, equality, vectors that apply by scope and bounds */
  size_t n_deletes;
} frz_scan_task;

typedef struct frz_scan_plan {
  frz_arena arena;
  frz_scan_task *tasks; /* manifest and entry order */
  size_t n_tasks;
  size_t n_manifests_total, n_manifests_read, n_files_skipped; /* for explain */
} frz_scan_plan;

/** `filter` may be NULL; bound to `schema`. Manifests are read in parallel. */
frz_status frz_scan_plan_make(frz_context *context, frz_storage *storage,
                              const frz_table_metadata *metadata, const frz_snapshot *snapshot,
                              const frz_schema *schema, const frz_expr *filter,
                              frz_scan_plan *plan_out, frz_error *err) FRZ_MUST_CHECK;
void frz_scan_plan_dispose(frz_scan_plan *plan);

#endif
