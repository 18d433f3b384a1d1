/*
 * scan_plan.h - from a snapshot and a filter to the files to read, each with its deletes.
 *
 * Source: Iceberg specification, "Scan Planning", "Delete Formats".
 */
#ifndef FRZ_ICEBERG_SCAN_PLAN_H
#define FRZ_ICEBERG_SCAN_PLAN_H

#include "frazil/table.h"
#include "iceberg/filter/expression.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/scan/read_counts.h"

/**
 * Turn public scan options into a snapshot (NULL: the table is empty), the schema to read it with
 * (the current one, or the snapshot's own where it was chosen by id, tag or time) and the bound
 * filter (NULL: none). `options` may be NULL.
 */
frz_status frz_scan_resolve(const frz_table_metadata *metadata, const frz_scan_options *options,
                            frz_arena *arena, const frz_snapshot **snapshot_out,
                            const frz_schema **schema_out, const frz_expr **filter_out,
                            frz_error *err) FRZ_MUST_CHECK;

/** Options as the caller's version of the header knew them, with defaults for the rest. */
frz_status frz_scan_options_fill(const frz_scan_options *options, frz_scan_options *filled_out,
                                 frz_error *err) FRZ_MUST_CHECK;

/**
 * One data file to read. Everything lives as long as the plan (or planner and part) it came from.
 * The two kinds of deletes are apart so that many data files can share one array: the equality
 * deletes of a file are mostly a tail of its partition's.
 */
typedef struct frz_scan_task {
  const frz_manifest_entry *entry;
  const frz_partition_spec *spec;
  const frz_manifest_entry *const *position_deletes; /* files, or one deletion vector */
  size_t n_position_deletes;
  const frz_manifest_entry *const *equality_deletes;
  size_t n_equality_deletes;
  size_t n_deletes; /* of both kinds: 0 means that every row is alive */
} frz_scan_task;

/* ---- step by step ---- */

/** The manifest list and all delete files of a scan, and how far its data manifests were read. One
 * thread at a time. */
typedef struct frz_scan_planner frz_scan_planner;

/** Tasks of some data manifests, in order. Needs its planner alive. */
typedef struct frz_scan_part {
  const frz_alloc *alloc;
  frz_arena *arenas; /* one a manifest */
  size_t n_arenas;
  frz_scan_task *tasks;
  size_t n_tasks;
} frz_scan_part;

/**
 * Read the manifest list and the delete manifests. Everything is borrowed until the planner is
 * freed. `snapshot` NULL: an empty table. With `all_metrics` the tasks keep every column's bounds
 * and counts; otherwise those that planning itself needs.
 */
frz_status frz_scan_planner_create(frz_context *context, frz_storage *storage,
                                   const frz_table_metadata *metadata, const frz_snapshot *snapshot,
                                   const frz_schema *schema, const frz_expr *filter,
                                   bool all_metrics, frz_scan_planner **planner_out,
                                   frz_error *err) FRZ_MUST_CHECK;
/** As above, of the files alone that were appended after the snapshot `from_id` (0: of all files);
 * the range was checked by frz_appends_check(). */
frz_status frz_scan_planner_create_from(frz_context *context, frz_storage *storage,
                                        const frz_table_metadata *metadata,
                                        const frz_snapshot *snapshot, int64_t from_id,
                                        const frz_schema *schema, const frz_expr *filter,
                                        bool all_metrics, frz_scan_planner **planner_out,
                                        frz_error *err) FRZ_MUST_CHECK;
void frz_scan_planner_free(frz_scan_planner *planner);

/** Read up to `n_manifests_max` further data manifests in parallel. `more_out` false: that was the
 * last. A part may have no task. */
frz_status frz_scan_planner_next(frz_scan_planner *planner, size_t n_manifests_max,
                                 frz_scan_part *part_out, bool *more_out,
                                 frz_error *err) FRZ_MUST_CHECK;
void frz_scan_part_dispose(frz_scan_part *part);

/** Can every delete file of the plan be read, and every data file of these tasks? So that a scan
 * fails before its first row, not behind it. FRZ_ERR_UNSUPPORTED names a file. */
frz_status frz_scan_planner_check_deletes(const frz_scan_planner *planner,
                                          frz_error *err) FRZ_MUST_CHECK;
frz_status frz_scan_tasks_check(const frz_scan_task *tasks, size_t n_tasks,
                                frz_error *err) FRZ_MUST_CHECK;

/** Count in `counts` (may be NULL) what was found so far and what is found from here. */
void frz_scan_planner_count(frz_scan_planner *planner, frz_read_counts *counts);

/* ---- at once ---- */

typedef struct frz_scan_plan {
  frz_scan_planner *planner;
  frz_scan_part part;
  frz_scan_task *tasks; /* manifest and entry order; of the part */
  size_t n_tasks;
} frz_scan_plan;

/** `filter` may be NULL; bound to `schema`. Manifests are read in parallel. Tasks keep all metrics.
 * The metadata must outlive the plan. */
frz_status frz_scan_plan_make(frz_context *context, frz_storage *storage,
                              const frz_table_metadata *metadata, const frz_snapshot *snapshot,
                              const frz_schema *schema, const frz_expr *filter,
                              frz_scan_plan *plan_out, frz_error *err) FRZ_MUST_CHECK;
/** As above, of the files alone that were appended after the snapshot `from_id` (0: of all files);
 * the range was checked by frz_appends_check(). `counts` may be
 * NULL. */
frz_status frz_scan_plan_make_from(frz_context *context, frz_storage *storage,
                                   const frz_table_metadata *metadata, const frz_snapshot *snapshot,
                                   int64_t from_id, const frz_schema *schema,
                                   const frz_expr *filter, frz_read_counts *counts,
                                   frz_scan_plan *plan_out, frz_error *err) FRZ_MUST_CHECK;
void frz_scan_plan_dispose(frz_scan_plan *plan);

#endif
