/*
 * metadata_snapshot_update.c - updates of snapshots, refs and the snapshot log.
 *
 * "main" and the current snapshot are one thing seen twice, and change together. The log tells
 * what was current when; a removed snapshot takes all entries before it along, or the ones that
 * remain would claim its time.
 *
 * Source: Iceberg specification, "Snapshots", "Snapshot References", "Table Metadata Fields"
 * (snapshot-log, statistics), "Row Lineage".
 */
#include <stdlib.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "iceberg/metadata/metadata_builder.h"
#include "iceberg/metadata/metadata_copy.h"
#include "iceberg/metadata/statistics_file.h"

static const frz_snapshot *find_snapshot(const frz_metadata_builder *b, int64_t id)
{
  for (size_t i = b->n_snapshots; i-- > 0;)
    if (b->snapshots[i].snapshot_id == id) return &b->snapshots[i];
  return NULL;
}

static frz_status check_order(const frz_metadata_builder *b, const frz_snapshot *snapshot,
                              frz_error *err)
{
  const frz_table_metadata *m = b->out;
  if (snapshot->snapshot_id < 0)
    return frz_fail(err, FRZ_ERR_INVALID, "snapshot id %lld is negative",
                    (long long)snapshot->snapshot_id);
  if (find_snapshot(b, snapshot->snapshot_id) != NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "snapshot %lld is there already",
                    (long long)snapshot->snapshot_id);
  if (m->format_version == 1) return FRZ_OK;
  if (snapshot->sequence_number <= m->last_sequence_number && snapshot->parent_id != -1)
    return frz_fail(err, FRZ_ERR_CONFLICT,
                    "snapshot %lld has sequence number %lld, but the table is at %lld",
                    (long long)snapshot->snapshot_id, (long long)snapshot->sequence_number,
                    (long long)m->last_sequence_number);
  if (m->format_version < 3) return FRZ_OK;
  if (snapshot->first_row_id < 0 || snapshot->added_rows < 0)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "snapshot %lld lacks the first row id and row count that format v3 needs",
                    (long long)snapshot->snapshot_id);
  if (snapshot->first_row_id < m->next_row_id)
    return frz_fail(err, FRZ_ERR_CONFLICT,
                    "snapshot %lld starts at row id %lld, but the table is at %lld",
                    (long long)snapshot->snapshot_id, (long long)snapshot->first_row_id,
                    (long long)m->next_row_id);
  if (snapshot->added_rows > INT64_MAX - snapshot->first_row_id)
    return frz_fail(err, FRZ_ERR_INVALID, "snapshot %lld adds %lld rows: row ids run out",
                    (long long)snapshot->snapshot_id, (long long)snapshot->added_rows);
  return FRZ_OK;
}

frz_status frz_builder_add_snapshot(frz_metadata_builder *b, const frz_snapshot *snapshot,
                                    frz_error *err)
{
  frz_table_metadata *m = b->out;
  FRZ_TRY(check_order(b, snapshot, err));
  b->snapshots = frz_arena_list_room(&m->arena, b->snapshots, b->n_snapshots, &b->cap_snapshots,
                                     sizeof *b->snapshots);
  frz_snapshot copy;
  if (b->snapshots == NULL || !frz_copy_snapshot(&m->arena, snapshot, NULL, &copy))
    return frz_fail_nomem(err, "table metadata");
  if (m->format_version == 1) copy.sequence_number = 0;
  b->snapshots[b->n_snapshots++] = copy;
  if (copy.sequence_number > m->last_sequence_number)
    m->last_sequence_number = copy.sequence_number;
  if (m->format_version >= 3) m->next_row_id = copy.first_row_id + copy.added_rows;
  if (copy.timestamp_ms > m->last_updated_ms) m->last_updated_ms = copy.timestamp_ms;
  return FRZ_OK;
}

static frz_snapshot_ref *find_ref(const frz_metadata_builder *b, frz_str name)
{
  for (size_t i = 0; i < b->n_refs; i++)
    if (frz_str_equal(b->refs[i].name, name)) return &b->refs[i];
  return NULL;
}

static bool same_ref(const frz_snapshot_ref *a, const frz_snapshot_ref *b)
{
  return a->snapshot_id == b->snapshot_id && a->is_branch == b->is_branch &&
         a->max_ref_age_ms == b->max_ref_age_ms &&
         a->max_snapshot_age_ms == b->max_snapshot_age_ms &&
         a->min_snapshots_to_keep == b->min_snapshots_to_keep;
}

/* A snapshot of this change became current when it was made, an older one becomes it now. */
static frz_status log_current(frz_metadata_builder *b, const frz_snapshot *snapshot, frz_error *err)
{
  bool is_new = snapshot >= b->snapshots + b->n_base_snapshots;
  b->snapshot_log = frz_arena_list_room(&b->out->arena, b->snapshot_log, b->n_snapshot_log,
                                        &b->cap_snapshot_log, sizeof *b->snapshot_log);
  if (b->snapshot_log == NULL) return frz_fail_nomem(err, "table metadata");
  b->snapshot_log[b->n_snapshot_log++] = (frz_snapshot_log_entry){
      .timestamp_ms = is_new ? snapshot->timestamp_ms : b->out->last_updated_ms,
      .snapshot_id = snapshot->snapshot_id};
  return FRZ_OK;
}

frz_status frz_builder_set_ref(frz_metadata_builder *b, const frz_snapshot_ref *ref, frz_error *err)
{
  frz_table_metadata *m = b->out;
  bool is_main = frz_str_is(ref->name, "main");
  frz_snapshot_ref *old = find_ref(b, ref->name);
  if (old != NULL && same_ref(old, ref)) return FRZ_OK;
  const frz_snapshot *snapshot = find_snapshot(b, ref->snapshot_id);
  if (snapshot == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "ref '%.*s': there is no snapshot %lld",
                    FRZ_STR_ARG(ref->name), (long long)ref->snapshot_id);
  if (is_main && !ref->is_branch)
    return frz_fail(err, FRZ_ERR_INVALID, "ref 'main' must be a branch");
  if (is_main && m->current_snapshot_id != ref->snapshot_id) {
    FRZ_TRY(log_current(b, snapshot, err));
    m->current_snapshot_id = ref->snapshot_id;
  }
  if (old == NULL) {
    b->refs = frz_arena_list_room(&m->arena, b->refs, b->n_refs, &b->cap_refs, sizeof *b->refs);
    if (b->refs == NULL || !frz_copy_ref(&m->arena, ref, &b->refs[b->n_refs]))
      return frz_fail_nomem(err, "table metadata");
    b->n_refs++;
  } else {
    frz_str name = old->name;
    *old = *ref;
    old->name = name;
  }
  return FRZ_OK;
}

void frz_builder_remove_ref(frz_metadata_builder *b, frz_str name)
{
  if (frz_str_is(name, "main")) b->out->current_snapshot_id = -1;
  for (size_t i = 0; i < b->n_refs; i++) {
    if (!frz_str_equal(b->refs[i].name, name)) continue;
    memmove(&b->refs[i], &b->refs[i + 1], (b->n_refs - i - 1) * sizeof *b->refs);
    b->n_refs--;
    return;
  }
}

/* ---- removal ---- */

static int by_number(const void *a, const void *b)
{
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static bool has_id(const int64_t *sorted, size_t n, int64_t id)
{
  return n != 0 && bsearch(&id, sorted, n, sizeof id, by_number) != NULL;
}

frz_status frz_builder_set_statistics(frz_metadata_builder *b, bool of_partitions,
                                      const frz_statistics_file *file, frz_error *err)
{
  frz_statistics_file copy;
  FRZ_TRY(frz_statistics_file_copy(&b->out->arena, file, &copy, err));
  frz_builder_remove_statistics(b, of_partitions, &file->snapshot_id, 1);
  size_t *n = &b->n_statistics[of_partitions];
  frz_statistics_file *files =
      frz_arena_list_room(&b->out->arena, b->statistics[of_partitions], *n,
                          &b->cap_statistics[of_partitions], sizeof *files);
  if (files == NULL) return frz_fail_nomem(err, "table metadata");
  files[(*n)++] = copy;
  b->statistics[of_partitions] = files;
  return FRZ_OK;
}

void frz_builder_remove_statistics(frz_metadata_builder *b, bool of_partitions, const int64_t *ids,
                                   size_t n_ids)
{
  frz_statistics_file *files = b->statistics[of_partitions];
  size_t n_kept = 0;
  for (size_t i = 0; i < b->n_statistics[of_partitions]; i++)
    if (!has_id(ids, n_ids, files[i].snapshot_id)) files[n_kept++] = files[i];
  b->n_statistics[of_partitions] = n_kept;
}

static void drop_dangling_refs(frz_metadata_builder *b)
{
  for (size_t i = b->n_refs; i-- > 0;)
    if (find_snapshot(b, b->refs[i].snapshot_id) == NULL)
      frz_builder_remove_ref(b, b->refs[i].name);
}

frz_status frz_builder_remove_snapshots(frz_metadata_builder *b, const int64_t *ids, size_t n_ids,
                                        frz_error *err)
{
  if (n_ids == 0) return FRZ_OK;
  int64_t *sorted = frz_arena_array(&b->out->arena, n_ids, sizeof *sorted);
  if (sorted == NULL) return frz_fail_nomem(err, "table metadata");
  memcpy(sorted, ids, n_ids * sizeof *ids);
  qsort(sorted, n_ids, sizeof *sorted, by_number);
  size_t n_kept = 0, n_base_kept = 0;
  for (size_t i = 0; i < b->n_snapshots; i++) {
    if (has_id(sorted, n_ids, b->snapshots[i].snapshot_id)) continue;
    if (i < b->n_base_snapshots) n_base_kept++;
    b->snapshots[n_kept++] = b->snapshots[i];
  }
  if (n_kept == b->n_snapshots) return FRZ_OK;
  b->n_snapshots = n_kept;
  b->n_base_snapshots = n_base_kept;
  b->removed_snapshots = true;
  drop_dangling_refs(b);
  frz_builder_remove_statistics(b, false, sorted, n_ids);
  frz_builder_remove_statistics(b, true, sorted, n_ids);
  return FRZ_OK;
}

frz_status frz_builder_close_log(frz_metadata_builder *b, frz_error *err)
{
  if (b->n_snapshots == b->n_base_snapshots && !b->removed_snapshots) return FRZ_OK;
  size_t n = b->n_snapshots;
  int64_t *all = frz_arena_array(&b->out->arena, n, sizeof *all);
  if (all == NULL) return frz_fail_nomem(err, "table metadata");
  for (size_t i = 0; i < n; i++) all[i] = b->snapshots[i].snapshot_id;
  size_t n_added = n - b->n_base_snapshots;
  int64_t *added = all + b->n_base_snapshots;
  int64_t *added_copy = frz_arena_array(&b->out->arena, n_added, sizeof *added);
  if (added_copy == NULL) return frz_fail_nomem(err, "table metadata");
  if (n_added != 0) {
    memcpy(added_copy, added, n_added * sizeof *added);
    qsort(added_copy, n_added, sizeof *added, by_number);
  }
  if (n != 0) qsort(all, n, sizeof *all, by_number);
  size_t n_kept = 0;
  for (size_t i = 0; i < b->n_snapshot_log; i++) {
    int64_t id = b->snapshot_log[i].snapshot_id;
    if (!has_id(all, n, id)) {
      if (b->removed_snapshots) n_kept = 0; /* a gap: what came before says nothing any more */
      continue;
    }
    if (id != b->out->current_snapshot_id && has_id(added_copy, n_added, id)) continue;
    b->snapshot_log[n_kept++] = b->snapshot_log[i];
  }
  b->n_snapshot_log = n_kept;
  return FRZ_OK;
}
