/*
 * scan_resolve.c - from the options of a scan to a snapshot, a schema and a bound filter.
 *
 * A snapshot chosen by id, tag or time is read with the schema it was written under, so that a
 * pinned read stays the same after the table evolved; the current snapshot and branches are read
 * with the table's current schema.
 */
#include "base/limits.h"
#include "iceberg/scan/scan_plan.h"

enum { BATCH_ROWS_DEFAULT = 65536 };

void frz_scan_options_init(frz_scan_options *options)
{
  *options = (frz_scan_options){.struct_bytes = sizeof *options,
                                .limit_rows = -1,
                                .batch_rows_max = BATCH_ROWS_DEFAULT,
                                .case_sensitive = true};
}

frz_status frz_scan_options_fill(const frz_scan_options *options, frz_scan_options *filled_out,
                                 frz_error *err)
{
  frz_scan_options filled;
  frz_scan_options_init(&filled);
  if (options != NULL) {
    if (options->struct_bytes < sizeof options->struct_bytes ||
        options->struct_bytes > sizeof filled)
      return frz_fail(err, FRZ_ERR_INVALID, "frz_scan_options: struct_bytes %zu",
                      options->struct_bytes);
    memcpy(&filled, options, options->struct_bytes);
    filled.struct_bytes = sizeof filled;
  }
  if (filled.batch_rows_max <= 0 || filled.batch_rows_max > FRZ_LIMIT_BATCH_ROWS)
    return frz_fail(err, FRZ_ERR_INVALID, "batch_rows_max %lld: 1 to %lld are allowed",
                    (long long)filled.batch_rows_max, (long long)FRZ_LIMIT_BATCH_ROWS);
  if (filled.limit_rows < -1)
    return frz_fail(err, FRZ_ERR_INVALID, "limit_rows %lld: -1 or more is allowed",
                    (long long)filled.limit_rows);
  if (filled.selected_fields == NULL && filled.n_selected_fields != 0)
    return frz_fail(err, FRZ_ERR_INVALID, "selected_fields is NULL, n_selected_fields is %zu",
                    filled.n_selected_fields);
  int n_chosen = (filled.snapshot_id != 0) + (filled.ref != NULL) + (filled.as_of_ms != 0);
  if (n_chosen > 1)
    return frz_fail(err, FRZ_ERR_INVALID, "only one of snapshot_id, ref and as_of_ms may be given");
  *filled_out = filled;
  return FRZ_OK;
}

/** The chosen snapshot; `is_pinned_out`: it is read with its own schema. */
static frz_status choose_snapshot(const frz_table_metadata *metadata,
                                  const frz_scan_options *options,
                                  const frz_snapshot **snapshot_out, bool *is_pinned_out,
                                  frz_error *err)
{
  const frz_snapshot *snapshot = NULL;
  *is_pinned_out = true;
  if (options->snapshot_id != 0) {
    snapshot = frz_metadata_snapshot(metadata, options->snapshot_id);
    if (snapshot == NULL)
      return frz_fail(err, FRZ_ERR_NOT_FOUND, "the table has no snapshot %lld",
                      (long long)options->snapshot_id);
  } else if (options->ref != NULL) {
    const frz_snapshot_ref *ref = frz_metadata_ref(metadata, frz_str_from(options->ref));
    if (ref == NULL)
      return frz_fail(err, FRZ_ERR_NOT_FOUND, "the table has no branch or tag '%s'", options->ref);
    *is_pinned_out = !ref->is_branch;
    snapshot = frz_metadata_snapshot(metadata, ref->snapshot_id);
    if (snapshot == NULL)
      return frz_fail(err, FRZ_ERR_CORRUPT, "ref '%s' names snapshot %lld, which is not there",
                      options->ref, (long long)ref->snapshot_id);
  } else if (options->as_of_ms != 0) {
    snapshot = frz_metadata_snapshot_as_of(metadata, options->as_of_ms);
    if (snapshot == NULL)
      return frz_fail(err, FRZ_ERR_NOT_FOUND, "the table has no snapshot as early as %lld ms",
                      (long long)options->as_of_ms);
  } else {
    *is_pinned_out = false;
    if (metadata->current_snapshot_id != -1)
      snapshot = frz_metadata_snapshot(metadata, metadata->current_snapshot_id);
  }
  *snapshot_out = snapshot;
  return FRZ_OK;
}

frz_status frz_scan_resolve(const frz_table_metadata *metadata, const frz_scan_options *options,
                            frz_arena *arena, const frz_snapshot **snapshot_out,
                            const frz_schema **schema_out, const frz_expr **filter_out,
                            frz_error *err)
{
  frz_scan_options filled;
  FRZ_TRY(frz_scan_options_fill(options, &filled, err));
  const frz_snapshot *snapshot = NULL;
  bool is_pinned = false;
  FRZ_TRY(choose_snapshot(metadata, &filled, &snapshot, &is_pinned, err));
  const frz_schema *schema = frz_metadata_current_schema(metadata);
  if (is_pinned && snapshot != NULL && snapshot->schema_id != -1) {
    schema = frz_metadata_schema(metadata, snapshot->schema_id);
    if (schema == NULL)
      return frz_fail(err, FRZ_ERR_CORRUPT, "snapshot %lld has schema %d, which is not there",
                      (long long)snapshot->snapshot_id, snapshot->schema_id);
  }
  const frz_expr *filter = NULL;
  if (filled.row_filter != NULL) {
    frz_str text = frz_str_from(filled.row_filter);
    if (text.size > FRZ_LIMIT_FILTER_BYTES)
      return frz_fail(err, FRZ_ERR_LIMIT, "row_filter of %zu bytes: at most %zu are allowed",
                      text.size, FRZ_LIMIT_FILTER_BYTES);
    text = frz_arena_copy(arena, text); /* literals of the filter may point into it */
    if (text.data == NULL) return frz_fail_nomem(err, "row_filter");
    FRZ_TRY(frz_expr_parse(text, schema, filled.case_sensitive, arena, &filter, err));
    if (filter != NULL && filter->kind == FRZ_EXPR_TRUE) filter = NULL;
  }
  *snapshot_out = snapshot;
  *schema_out = schema;
  *filter_out = filter;
  return FRZ_OK;
}
