/*
 * verify_metadata.c - table metadata against itself: snapshots, refs, sequence numbers, row ids;
 * and the statistics files that it names. See verify.h.
 *
 * What parsing refuses anyway (current ids that are not there, for instance) is not looked at
 * again.
 */
#include <inttypes.h>

#include "iceberg/maintain/verify.h"

static const frz_check check_ring = {
    "snapshot-ring", true, "Restore an older metadata file: the history cannot be followed."};
static const frz_check check_sequence = {
    "snapshot-sequence", true, "Restore an older metadata file: deletes may apply to wrong rows."};
static const frz_check check_ref = {"ref-dangling", true,
                                    "Remove the branch or tag, or point it at a snapshot."};
static const frz_check check_schema = {"snapshot-schema", false,
                                       "Reads of this snapshot by id use the current schema."};
static const frz_check check_row_ids = {
    "row-id-range", true, "Restore an older metadata file: new rows would get ids that are taken."};
static const frz_check check_statistics = {"statistics-file", false,
                                           "Compute the statistics again, or remove them."};

static frz_status add_about(frz_verify_job *job, const frz_check *check,
                            const frz_snapshot *snapshot, const char *what, int64_t number,
                            frz_error *err)
{
  frz_str object =
      frz_arena_print(&job->findings.arena, "snapshot %" PRId64, snapshot->snapshot_id);
  if (object.data == NULL) return frz_fail_nomem(err, "findings");
  return frz_findings_add(&job->findings, check, object, err, "%s %" PRId64, what, number);
}

static frz_status verify_parents(frz_verify_job *job, const frz_snapshot *snapshot, frz_error *err)
{
  const frz_table_metadata *m = job->metadata;
  const frz_snapshot *at = snapshot;
  for (size_t i = 0; at != NULL && at->parent_id != -1; i++) {
    if (i > m->n_snapshots)
      return add_about(job, &check_ring, snapshot, "its parents lead back to it, over",
                       at->parent_id, err);
    at = frz_metadata_snapshot(m, at->parent_id); /* NULL: expired, as may be */
  }
  const frz_snapshot *parent = frz_metadata_snapshot(m, snapshot->parent_id);
  if (m->format_version < 2 || parent == NULL) return FRZ_OK;
  if (parent->sequence_number < snapshot->sequence_number || snapshot->sequence_number == 0)
    return FRZ_OK;
  return add_about(
      job, &check_sequence, snapshot,
      "its sequence number is not greater than that of its parent:", parent->sequence_number, err);
}

static frz_status verify_one(frz_verify_job *job, const frz_snapshot *snapshot, frz_error *err)
{
  const frz_table_metadata *m = job->metadata;
  FRZ_TRY(verify_parents(job, snapshot, err));
  if (snapshot->sequence_number > m->last_sequence_number)
    FRZ_TRY(add_about(
        job, &check_sequence, snapshot,
        "its sequence number is greater than the table's last:", m->last_sequence_number, err));
  if (snapshot->schema_id != -1 && frz_metadata_schema(m, snapshot->schema_id) == NULL)
    FRZ_TRY(add_about(job, &check_schema, snapshot, "the table has no schema", snapshot->schema_id,
                      err));
  if (snapshot->first_row_id < 0 || snapshot->added_rows < 0) return FRZ_OK;
  if (snapshot->first_row_id <= m->next_row_id - snapshot->added_rows) return FRZ_OK;
  return add_about(job, &check_row_ids, snapshot,
                   "its row ids pass the table's next:", m->next_row_id, err);
}

static frz_status verify_refs(frz_verify_job *job, frz_error *err)
{
  const frz_table_metadata *m = job->metadata;
  for (size_t i = 0; i < m->n_refs; i++)
    if (frz_metadata_snapshot(m, m->refs[i].snapshot_id) == NULL)
      FRZ_TRY(frz_findings_add(&job->findings, &check_ref, m->refs[i].name, err,
                               "there is no snapshot %" PRId64, m->refs[i].snapshot_id));
  return FRZ_OK;
}

static frz_status verify_statistics(void *arg, int64_t snapshot_id, frz_str path, frz_error *err)
{
  frz_verify_job *job = arg;
  frz_source *source = NULL;
  frz_error why = {0};
  if (frz_metadata_snapshot(job->metadata, snapshot_id) == NULL)
    FRZ_TRY(frz_findings_add(&job->findings, &check_statistics, path, err,
                             "there is no snapshot %" PRId64, snapshot_id));
  frz_status st = frz_storage_open(job->storage, path, &source, &why);
  if (st == FRZ_OK) frz_source_free(source);
  return frz_findings_add_failure(&job->findings, &check_statistics, path, st, &why, err);
}

frz_status frz_verify_metadata(frz_verify_job *job, frz_error *err)
{
  FRZ_TRY(verify_refs(job, err));
  for (size_t i = 0; i < job->metadata->n_snapshots; i++)
    FRZ_TRY(verify_one(job, &job->metadata->snapshots[i], err));
  return frz_metadata_visit_statistics(job->metadata, verify_statistics, job, err);
}
