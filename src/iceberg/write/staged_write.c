/*
 * staged_write.c - changes between the writing of their files and their commit.
 *
 * Files are written once; only the commit is repeated on conflict. Files of a change that ended
 * before its first commit attempt are removed by their writers; from the attempt on they are kept
 * whatever happens, since a lost answer may have been a success.
 */
#include "base/limits.h"
#include "iceberg/write/table_write.h"

enum { TABLES_MAX = 1000 };

frz_status frz_staged_write_open(frz_staged_write *staged, frz_table *table,
                                 const frz_write_options *options, frz_error *err)
{
  *staged = (frz_staged_write){.table = table, .result.snapshot_id = -1};
  FRZ_TRY(frz_write_options_read(options, &staged->options, err));
  staged->change.properties = staged->options.snapshot_properties;
  staged->change.n_properties = staged->options.n_snapshot_properties;
  staged->metadata = frz_table_current(table);
  frz_arena_init(&staged->arena, frz_context_alloc(frz_table_context(table)),
                 FRZ_LIMIT_MANIFEST_BYTES);
  return FRZ_OK;
}

void frz_staged_write_dispose(frz_staged_write *staged)
{
  frz_data_file_writer_free(staged->writer);
  frz_row_removal_dispose(&staged->removal);
  frz_arena_free(&staged->arena);
  if (staged->metadata != NULL) frz_table_metadata_release(staged->metadata);
}

static bool is_empty(const frz_staged_write *staged)
{
  return staged->change.n_added == 0 && staged->change.n_removed == 0;
}

static void keep(frz_staged_write *staged)
{
  frz_data_file_writer_keep(staged->writer);
  frz_row_removal_keep(&staged->removal);
}

frz_status frz_staged_write_commit(frz_staged_write *staged, frz_write_result *result_out,
                                   frz_error *err)
{
  if (!is_empty(staged)) {
    keep(staged);
    FRZ_TRY(frz_snapshot_commit(staged->table, &staged->change, &staged->result.snapshot_id, err));
  }
  if (result_out != NULL) *result_out = staged->result;
  return FRZ_OK;
}

/* ---- several tables ---- */

/* Also through another handle: one of the two would be built on what the other replaces. */
static bool are_same(const frz_staged_write *a, const frz_staged_write *b)
{
  frz_str name_a = frz_str_from(frz_table_identifier(a->table));
  frz_str name_b = frz_str_from(frz_table_identifier(b->table));
  frz_str uuid = a->metadata->table_uuid;
  return frz_str_equal(name_a, name_b) ||
         (uuid.size != 0 && frz_str_equal(uuid, b->metadata->table_uuid));
}

static frz_status check_distinct(const frz_staged_write *staged, size_t n, frz_error *err)
{
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < i; j++)
      if (are_same(&staged[i], &staged[j]))
        return frz_fail(err, FRZ_ERR_INVALID, "table '%s' stands twice in one commit",
                        frz_table_identifier(staged[i].table));
  return FRZ_OK;
}

static frz_status stage(frz_staged_write *staged, const frz_table_change *change, frz_error *err)
{
  frz_status st = change->filter != NULL
                      ? frz_overwrite_stage(staged, change->data, change->filter, err)
                      : frz_append_stage(staged, change->data, err);
  if (st != FRZ_OK) frz_error_where(err, "table '%s': ", frz_table_identifier(change->table));
  return st;
}

static frz_status commit_staged(frz_staged_write *staged, size_t n_staged,
                                frz_table_snapshot_change *changes, frz_error *err)
{
  size_t n = 0;
  for (size_t i = 0; i < n_staged; i++) {
    if (is_empty(&staged[i])) continue;
    keep(&staged[i]);
    changes[n++] =
        (frz_table_snapshot_change){.table = staged[i].table, .change = &staged[i].change};
  }
  FRZ_TRY(frz_snapshots_commit(changes, n, err));
  n = 0;
  for (size_t i = 0; i < n_staged; i++)
    if (!is_empty(&staged[i])) staged[i].result.snapshot_id = changes[n++].snapshot_id;
  return FRZ_OK;
}

frz_status frz_table_changes_commit(const frz_table_change *changes, size_t n_changes,
                                    frz_write_result *results_out, frz_error *err)
{
  if (n_changes == 0) return FRZ_OK;
  if (n_changes > TABLES_MAX)
    return frz_fail(err, FRZ_ERR_LIMIT, "%zu tables in one commit: %d at most", n_changes,
                    TABLES_MAX);
  const frz_alloc *alloc = frz_context_alloc(frz_table_context(changes[0].table));
  frz_status st = FRZ_OK;
  size_t n_staged = 0;
  frz_staged_write *staged = frz_alloc_array(alloc, n_changes, sizeof *staged);
  frz_table_snapshot_change *parts = frz_alloc_array(alloc, n_changes, sizeof *parts);
  if (staged == NULL || parts == NULL)
    FRZ_TRY_OUT(frz_fail_nomem(err, "changes of several tables"));
  while (n_staged < n_changes) {
    const frz_table_change *change = &changes[n_staged];
    FRZ_TRY_OUT(frz_staged_write_open(&staged[n_staged++], change->table, change->options, err));
  }
  FRZ_TRY_OUT(check_distinct(staged, n_staged, err));
  for (size_t i = 0; i < n_staged; i++) FRZ_TRY_OUT(stage(&staged[i], &changes[i], err));
  FRZ_TRY_OUT(commit_staged(staged, n_staged, parts, err));
  for (size_t i = 0; results_out != NULL && i < n_changes; i++) results_out[i] = staged[i].result;
out:
  for (size_t i = 0; i < n_staged; i++) frz_staged_write_dispose(&staged[i]);
  frz_alloc_free(alloc, parts, n_changes * sizeof *parts);
  frz_alloc_free(alloc, staged, n_changes * sizeof *staged);
  return st;
}
