/*
 * expire_snapshots.c - forget old snapshots, then remove the files that only they needed.
 *
 * The choice is made anew on each attempt to commit. Files are looked for after the commit, with
 * the snapshots that the table has by then: nothing is removed before, and nothing at all where the
 * outcome is unknown. Manifest lists go last, so that a removal that was cut short can be seen to
 * have been.
 *
 * Source: Iceberg specification, "Snapshot Retention Policy".
 */
#include "base/limits.h"
#include "base/os.h"
#include "iceberg/maintain/expire_choose.h"
#include "iceberg/maintain/expired_files.h"
#include "iceberg/maintain/file_removal.h"
#include "iceberg/table/table_handle.h"

typedef struct expiry {
  frz_table *table;
  frz_expire_options options;
  int64_t now_ms;
  frz_arena arena;          /* of one attempt */
  frz_table_metadata *base; /* of one attempt, retained */
  frz_expire_choice choice;
} expiry;

void frz_expire_options_init(frz_expire_options *options)
{
  *options = (frz_expire_options){.struct_bytes = sizeof *options};
}

static frz_status check_options(const frz_expire_options *options, frz_error *err)
{
  if (options->older_than_ms < 0)
    return frz_fail(err, FRZ_ERR_INVALID, "expire: older_than_ms %lld is negative",
                    (long long)options->older_than_ms);
  if (options->retain_last < 0)
    return frz_fail(err, FRZ_ERR_INVALID, "expire: retain_last %d is negative",
                    (int)options->retain_last);
  if (options->snapshot_ids == NULL && options->n_snapshot_ids != 0)
    return frz_fail(err, FRZ_ERR_INVALID, "expire: snapshot_ids is NULL, n_snapshot_ids is %zu",
                    options->n_snapshot_ids);
  return FRZ_OK;
}

/* The owner may have said that the files are not this table's to remove. */
static frz_status check_files_are_ours(const expiry *job, const frz_table_metadata *metadata,
                                       frz_error *err)
{
  if (job->options.keep_files || job->options.dry_run) return FRZ_OK;
  if (!frz_str_is_word(frz_metadata_property(metadata, "gc.enabled"), "false")) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID,
                  "expire: property gc.enabled is false: other tables may need the files");
}

/* ---- the commit ---- */

static frz_status choose(expiry *job, const frz_table_metadata *base, frz_error *err)
{
  frz_arena_free(&job->arena);
  frz_arena_init(&job->arena, frz_context_alloc(frz_table_context(job->table)),
                 FRZ_LIMIT_METADATA_BYTES);
  frz_table_metadata_release(job->base);
  job->base = frz_table_metadata_retain((frz_table_metadata *)base); /* counts, nothing else */
  return frz_expire_choose(base, &job->options, job->now_ms, &job->arena, &job->choice, err);
}

/* Every ref must still be where it was: it might lead to what is forgotten. */
static frz_status require_refs(expiry *job, const frz_table_metadata *base,
                               frz_commit_attempt *attempt, frz_error *err)
{
  frz_requirement *list = frz_arena_array(&job->arena, base->n_refs + 1, sizeof *list);
  if (list == NULL) return frz_fail_nomem(err, "expiry");
  list[0] = (frz_requirement){.kind = FRZ_REQUIRE_UUID, .text = base->table_uuid};
  for (size_t i = 0; i < base->n_refs; i++)
    list[i + 1] = (frz_requirement){.kind = FRZ_REQUIRE_REF_SNAPSHOT_ID,
                                    .text = base->refs[i].name,
                                    .value = base->refs[i].snapshot_id};
  attempt->requirements = list;
  attempt->n_requirements = base->n_refs + 1;
  return FRZ_OK;
}

static frz_status prepare(void *arg, const frz_table_metadata *base,
                          frz_commit_attempt *attempt_out, frz_error *err)
{
  expiry *job = arg;
  FRZ_TRY(check_files_are_ours(job, base, err));
  FRZ_TRY(choose(job, base, err));
  const frz_expire_choice *choice = &job->choice;
  frz_commit_attempt attempt = {0};
  if (choice->n_refs == 0 && choice->n_snapshot_ids == 0) {
    *attempt_out = attempt;
    return FRZ_OK;
  }
  FRZ_TRY(require_refs(job, base, &attempt, err));
  frz_metadata_update *updates = frz_arena_array(&job->arena, choice->n_refs + 1, sizeof *updates);
  if (updates == NULL) return frz_fail_nomem(err, "expiry");
  for (size_t i = 0; i < choice->n_refs; i++)
    updates[attempt.n_updates++] =
        (frz_metadata_update){.kind = FRZ_UPDATE_REMOVE_REF, .name = choice->refs[i]};
  if (choice->n_snapshot_ids != 0)
    updates[attempt.n_updates++] = (frz_metadata_update){.kind = FRZ_UPDATE_REMOVE_SNAPSHOTS,
                                                         .snapshot_ids = choice->snapshot_ids,
                                                         .n_snapshot_ids = choice->n_snapshot_ids};
  attempt.updates = updates;
  *attempt_out = attempt;
  return FRZ_OK;
}

/* The metadata as it would be, without telling anyone. */
static frz_status pretend(expiry *job, frz_table_metadata **after_out, frz_error *err)
{
  frz_commit_attempt attempt;
  frz_table_metadata *base = frz_table_current(job->table);
  frz_status st = prepare(job, base, &attempt, err);
  if (st == FRZ_OK)
    st = frz_metadata_apply(base, (frz_str){0}, attempt.updates, attempt.n_updates,
                            frz_context_alloc(frz_table_context(job->table)), after_out, err);
  frz_table_metadata_release(base);
  return st;
}

/* ---- the files ---- */

static int64_t *counter_of(frz_expire_result *result, int kind)
{
  switch ((frz_expired_kind)kind) {
  case FRZ_EXPIRED_DATA: return &result->n_data_files;
  case FRZ_EXPIRED_DELETES: return &result->n_delete_files;
  case FRZ_EXPIRED_MANIFEST: return &result->n_manifests;
  case FRZ_EXPIRED_MANIFEST_LIST: return &result->n_manifest_lists;
  case FRZ_EXPIRED_STATISTICS: break;
  }
  return &result->n_statistics_files;
}

static frz_status remove_kind(expiry *job, const frz_expired_files *files, int kind,
                              frz_progress *progress, int64_t *n_removed, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(frz_table_context(job->table));
  size_t n = files->n_paths[kind];
  if (n == 0) return FRZ_OK;
  bool *removed = frz_alloc_zeroed(alloc, n);
  if (removed == NULL) return frz_fail_nomem(err, "files to remove");
  frz_status st = frz_files_remove(frz_table_context(job->table), frz_table_storage(job->table),
                                   files->paths[kind], n, removed, progress, err);
  for (size_t i = 0; i < n; i++) *n_removed += removed[i];
  frz_alloc_free(alloc, removed, n);
  return st;
}

static frz_status remove_files(expiry *job, const frz_table_metadata *after,
                               frz_expire_result *result, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_expired_files files = {0};
  frz_progress progress = {.callback = job->options.progress, .ctx = job->options.progress_ctx};
  FRZ_TRY(frz_expired_files_find(frz_table_context(job->table), frz_table_storage(job->table),
                                 job->base, after, &files, err));
  for (int kind = 0; kind < FRZ_EXPIRED_KINDS; kind++)
    progress.n_total += (int64_t)files.n_paths[kind];
  for (int kind = 0; kind < FRZ_EXPIRED_KINDS; kind++) {
    int64_t *count = counter_of(result, kind);
    if (job->options.dry_run)
      *count = (int64_t)files.n_paths[kind];
    else
      FRZ_TRY_OUT(remove_kind(job, &files, kind, &progress, count, err));
  }
out:
  frz_expired_files_dispose(&files);
  return st;
}

/* ---- all of it ---- */

static frz_status run(expiry *job, frz_expire_result *result, frz_error *err)
{
  frz_table_metadata *after = NULL;
  frz_status st = FRZ_OK;
  if (job->options.dry_run)
    FRZ_TRY(pretend(job, &after, err));
  else
    FRZ_TRY(frz_table_commit(job->table, prepare, job, err));
  result->n_snapshots = (int64_t)job->choice.n_snapshot_ids;
  result->n_refs = (int64_t)job->choice.n_refs;
  if (result->n_snapshots == 0 || job->options.keep_files) goto out;
  if (after == NULL) after = frz_table_current(job->table);
  st = remove_files(job, after, result, err);
  if (st != FRZ_OK && !job->options.dry_run)
    frz_error_where(err, "snapshots are expired, not all of their files removed: ");
out:
  frz_table_metadata_release(after);
  return st;
}

frz_status frz_table_expire_snapshots(frz_table *table, const frz_expire_options *options,
                                      frz_expire_result *result_out, frz_error *err)
{
  if (table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "table is NULL");
  expiry job = {.table = table, .now_ms = frz_os_now_ms()};
  frz_expire_result result = {0};
  frz_expire_options_init(&job.options);
  FRZ_TRY(
      frz_maintain_options("frz_expire_options", options, &job.options, sizeof job.options, err));
  FRZ_TRY(check_options(&job.options, err));
  frz_status st = run(&job, &result, err);
  frz_arena_free(&job.arena);
  frz_table_metadata_release(job.base);
  if (st == FRZ_OK && result_out != NULL) *result_out = result;
  return st;
}
