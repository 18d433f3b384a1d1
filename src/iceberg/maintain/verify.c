/*
 * verify.c - frz_table_verify(): which snapshots are looked at, and findings as rows. See verify.h.
 */
#include "iceberg/maintain/verify.h"

#include "base/limits.h"
#include "iceberg/scan/metadata_rows.h"
#include "iceberg/table/table_handle.h"

enum { BATCH_ROWS = 65536 };

void frz_verify_options_init(frz_verify_options *options)
{
  *options = (frz_verify_options){.struct_bytes = sizeof *options};
}

static bool is_wanted(const frz_verify_job *job, const frz_snapshot *snapshot)
{
  const frz_table_metadata *m = job->metadata;
  if (job->options.all_snapshots || snapshot->snapshot_id == m->current_snapshot_id) return true;
  for (size_t i = 0; i < m->n_refs; i++)
    if (m->refs[i].snapshot_id == snapshot->snapshot_id) return true;
  return false;
}

static frz_status verify_all(frz_verify_job *job, frz_error *err)
{
  const frz_table_metadata *m = job->metadata;
  const frz_schema *schema = frz_metadata_current_schema(m);
  if (job->options.read_data)
    FRZ_TRY(frz_projection_make(m, schema, NULL, 0, true, NULL, BATCH_ROWS, &job->findings.arena,
                                &job->projection, err));
  FRZ_TRY(frz_delete_cache_create(job->context, job->storage, m, schema, &job->deletes, err));
  FRZ_TRY(frz_verify_metadata(job, err));
  for (size_t i = 0; i < m->n_snapshots; i++) {
    FRZ_TRY(frz_context_poll(job->context, err));
    if (is_wanted(job, &m->snapshots[i])) FRZ_TRY(frz_verify_snapshot(job, &m->snapshots[i], err));
  }
  return FRZ_OK;
}

static frz_status hand_out(frz_verify_job *job, struct ArrowArrayStream *stream_out, frz_error *err)
{
  static const frz_rows_column columns[] = {{"severity", FRZ_ROWS_TEXT, false},
                                            {"check", FRZ_ROWS_TEXT, false},
                                            {"object", FRZ_ROWS_TEXT, false},
                                            {"message", FRZ_ROWS_TEXT, false},
                                            {"advice", FRZ_ROWS_TEXT, false}};
  frz_rows rows = {0};
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(frz_rows_init(&rows, columns, 5, job->alloc, err));
  for (size_t i = 0; i < job->findings.n_items; i++) {
    const frz_finding *finding = &job->findings.items[i];
    job->result.n_errors += finding->is_error;
    job->result.n_warnings += !finding->is_error;
    frz_rows_text(&rows, finding->is_error ? FRZ_STR("error") : FRZ_STR("warning"));
    frz_rows_text(&rows, frz_str_from(finding->check));
    frz_rows_text(&rows, finding->object);
    frz_rows_text(&rows, finding->message);
    frz_rows_text(&rows, frz_str_from(finding->advice));
    FRZ_TRY_OUT(frz_rows_end(&rows, err));
  }
  FRZ_TRY_OUT(frz_rows_stream(&rows, stream_out, err));
out:
  frz_rows_dispose(&rows);
  return st;
}

frz_status frz_table_verify(frz_table *table, const frz_verify_options *options,
                            struct ArrowArrayStream *stream_out, frz_verify_result *result_out,
                            frz_error *err)
{
  if (table == NULL || stream_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "verify: table or stream_out is NULL");
  frz_context *context = frz_table_context(table);
  frz_verify_job job = {
      .context = context, .storage = frz_table_storage(table), .alloc = frz_context_alloc(context)};
  frz_verify_options_init(&job.options);
  FRZ_TRY(
      frz_maintain_options("frz_verify_options", options, &job.options, sizeof job.options, err));
  job.progress = (frz_progress){.callback = job.options.progress, .ctx = job.options.progress_ctx};
  frz_table_metadata *metadata = frz_table_current(table);
  job.metadata = metadata;
  frz_findings_init(&job.findings, job.alloc);
  frz_location_set_init(&job.checked_manifests, job.alloc);
  frz_map_init(&job.checked_files, job.alloc, FRZ_LIMIT_MANIFEST_BYTES * 16);
  frz_status st = verify_all(&job, err);
  if (st == FRZ_OK) st = hand_out(&job, stream_out, err);
  frz_delete_cache_free(job.deletes);
  frz_map_dispose(&job.checked_files);
  frz_location_set_dispose(&job.checked_manifests);
  frz_findings_dispose(&job.findings);
  frz_table_metadata_release(metadata);
  if (st == FRZ_OK && result_out != NULL) *result_out = job.result;
  return st;
}
