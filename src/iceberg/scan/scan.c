/*
 * scan.c - the public scan: choose, bind, hand out streams.
 */
#include "base/limits.h"
#include "iceberg/scan/incremental_plan.h"
#include "iceberg/scan/scan_state.h"
#include "iceberg/table/table_handle.h"

frz_scan *frz_scan_retain(frz_scan *scan)
{
  atomic_fetch_add(&scan->references, 1);
  return scan;
}

void frz_scan_free(frz_scan *scan)
{
  if (scan == NULL || atomic_fetch_sub(&scan->references, 1) != 1) return;
  const frz_alloc *alloc = frz_context_alloc(scan->context);
  frz_storage_release(scan->storage);
  frz_table_metadata_release(scan->metadata);
  frz_arena_free(&scan->arena);
  frz_alloc_free(alloc, scan, sizeof *scan);
}

static frz_status bind_scan(frz_scan *scan, const frz_scan_options *options, frz_error *err)
{
  frz_scan_options filled;
  const frz_schema *schema;
  const frz_expr *filter;
  FRZ_TRY(frz_scan_options_fill(options, &filled, err));
  FRZ_TRY(frz_scan_resolve(scan->metadata, &filled, &scan->arena, &scan->snapshot, &schema, &filter,
                           err));
  if (filled.from_snapshot_id != 0)
    FRZ_TRY(frz_appends_check(scan->metadata, filled.from_snapshot_id, scan->snapshot, err));
  scan->from_snapshot_id = filled.from_snapshot_id;
  scan->limit_rows = filled.limit_rows;
  int64_t batch_rows = filled.batch_rows_max;
  if (filled.limit_rows > 0 && filled.limit_rows < batch_rows) batch_rows = filled.limit_rows;
  FRZ_TRY(frz_projection_make(scan->metadata, schema, filled.selected_fields,
                              filled.n_selected_fields, filled.case_sensitive, filter, batch_rows,
                              &scan->arena, &scan->projection, err));
  scan->projection.counts = &scan->counts;
  return FRZ_OK;
}

frz_status frz_table_scan(frz_table *table, const frz_scan_options *options, frz_scan **scan_out,
                          frz_error *err)
{
  if (table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "table is NULL");
  if (scan_out == NULL) return frz_fail(err, FRZ_ERR_INVALID, "scan_out is NULL");
  frz_context *context = frz_table_context(table);
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_scan *scan = frz_alloc_zeroed(alloc, sizeof *scan);
  if (scan == NULL) return frz_fail_nomem(err, "scan");
  atomic_init(&scan->references, 1);
  scan->context = context;
  scan->metadata = frz_table_current(table);
  frz_arena_init(&scan->arena, alloc, FRZ_LIMIT_OPEN_FILE_BYTES);
  frz_status st =
      frz_storage_count(frz_table_storage(table), &scan->counts.storage, &scan->storage, err);
  if (st == FRZ_OK) st = bind_scan(scan, options, err);
  if (st == FRZ_OK)
    *scan_out = scan;
  else
    frz_scan_free(scan);
  return st;
}

frz_status frz_scan_stream(frz_scan *scan, struct ArrowArrayStream *stream_out, frz_error *err)
{
  if (scan == NULL) return frz_fail(err, FRZ_ERR_INVALID, "scan is NULL");
  if (stream_out == NULL) return frz_fail(err, FRZ_ERR_INVALID, "stream_out is NULL");
  frz_batch_source source;
  FRZ_TRY(frz_scan_source_create(scan, &source, err));
  return frz_stream_export(scan->projection.arrow_fields, scan->projection.n_fields, source,
                           frz_context_alloc(scan->context), stream_out, err);
}
