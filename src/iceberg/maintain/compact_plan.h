/*
 * compact_plan.h - which files a compaction writes anew, and which of them together.
 */
#ifndef FRZ_ICEBERG_COMPACT_PLAN_H
#define FRZ_ICEBERG_COMPACT_PLAN_H

#include "base/map.h"
#include "frazil/maintenance.h"
#include "iceberg/scan/scan_plan.h"

/** Files that are written together, oldest rows first. */
typedef struct frz_compact_group {
  const frz_scan_task *const *tasks;
  size_t n_tasks;
  int64_t input_bytes;
  int64_t output_file_bytes; /* what each new file aims at */
} frz_compact_group;

/** Everything lives in the arena or in the scan's parts. */
typedef struct frz_compact_plan {
  frz_scan_planner *planner;
  frz_scan_part part;
  const frz_compact_group *groups;
  size_t n_groups;
  size_t n_files; /* of all groups */
} frz_compact_plan;

/** Fill in the defaults that the table decides. FRZ_ERR_INVALID names an option out of range. */
frz_status frz_compact_options_resolve(frz_compact_options *options,
                                       const frz_table_metadata *metadata,
                                       frz_error *err) FRZ_MUST_CHECK;

/** Choose files of a snapshot. `filter` (may be NULL) is bound to `schema`; options are resolved.
 */
frz_status frz_compact_plan_make(frz_context *context, frz_storage *storage,
                                 const frz_table_metadata *metadata, const frz_snapshot *snapshot,
                                 const frz_schema *schema, const frz_expr *filter,
                                 const frz_compact_options *options, frz_arena *arena,
                                 frz_compact_plan *plan_out, frz_error *err) FRZ_MUST_CHECK;
void frz_compact_plan_dispose(frz_compact_plan *plan);

/**
 * The delete files of a snapshot that apply to no data file but those whose paths are in
 * `rewritten`; copies in the arena.
 */
frz_status frz_compact_find_deletes(frz_context *context, frz_storage *storage,
                                    const frz_table_metadata *metadata,
                                    const frz_snapshot *snapshot, const frz_map *rewritten,
                                    frz_arena *arena, const frz_data_file **files_out,
                                    size_t *n_files_out, frz_error *err) FRZ_MUST_CHECK;

#endif
