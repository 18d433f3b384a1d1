/*
 * rewrite_manifests.c - manifests joined to a good size, their entries in the order of partitions.
 *
 * Manifests of one spec and content are rewritten together, when there are more of them than their
 * bytes need, or when they reach into each other's partitions. Their entries are read twice: once
 * for their order, then a few new manifests' worth at a time, so that memory follows the size of a
 * manifest and not of the table. Entries stay what they are (snapshot, sequence numbers, row ids)
 * under status EXISTING.
 *
 * On a conflict the new manifests are used again if all that they stand for is still listed and the
 * table was not upgraded; else they are removed and the work begins anew on what won.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "base/os.h"
#include "frazil/maintenance.h"
#include "iceberg/maintain/manifest_order.h"
#include "iceberg/write/snapshot_producer.h"

enum { TARGET_BYTES_DEFAULT = 8 << 20, MEMORY_SHARE = 64 };

typedef struct source_key {
  frz_str path;
  int64_t first_row_id; /* entries may inherit from it */
} source_key;

typedef struct manifest_job {
  frz_context *context;
  frz_storage *storage;
  const frz_alloc *alloc;
  const frz_table_metadata *base; /* of the attempt */
  int64_t snapshot_id;
  int64_t target_bytes;
  char uuid[37];
  int n_named;
  frz_arena arena; /* what was written, and what it stands for */
  source_key *sources;
  size_t n_sources;
  frz_manifest_file *made;
  size_t n_made;
  bool has_work;          /* `made` stands for `sources` */
  int32_t format_version; /* of `made` */
  bool changed;           /* a snapshot was asked for */
  frz_manifests_result result;
} manifest_job;

/* ---- one group of manifests ---- */

typedef struct output_batch {
  manifest_job *job;
  const frz_manifest_file *const *manifests;
  const frz_manifest_order *order;
  uint32_t first, end; /* places */
  frz_manifest_entry *entries;
  frz_arena *arenas; /* one a manifest */
} output_batch;

static frz_status copy_entries(output_batch *batch, size_t i, frz_arena *scratch, frz_error *err)
{
  const manifest_job *job = batch->job;
  const frz_manifest_entry *entries;
  size_t n_entries, n_places;
  const uint32_t *places = frz_manifest_order_places(batch->order, i, &n_places);
  FRZ_TRY(frz_manifest_read(job->storage, job->base, batch->manifests[i], false, NULL, 0, scratch,
                            &entries, &n_entries, err));
  if (n_entries != n_places)
    return frz_fail(err, FRZ_ERR_CORRUPT, "manifest '%.*s' changed while it was read",
                    FRZ_STR_ARG(batch->manifests[i]->path));
  for (size_t k = 0; k < n_entries; k++) {
    if (places[k] < batch->first || places[k] >= batch->end) continue;
    frz_manifest_entry *entry = &batch->entries[places[k] - batch->first];
    *entry = entries[k];
    entry->status = FRZ_ENTRY_EXISTING;
    FRZ_TRY(frz_data_file_copy(&entries[k].file, &batch->arenas[i], &entry->file, err));
  }
  return FRZ_OK;
}

static frz_status load_manifest(void *arg, size_t i, frz_error *err)
{
  output_batch *batch = arg;
  size_t n_places;
  bool wanted = false;
  const uint32_t *places = frz_manifest_order_places(batch->order, i, &n_places);
  for (size_t k = 0; k < n_places && !wanted; k++)
    wanted = places[k] >= batch->first && places[k] < batch->end;
  if (!wanted) return FRZ_OK;
  frz_arena scratch;
  frz_arena_init(&scratch, batch->job->alloc, FRZ_LIMIT_MANIFEST_BYTES * 8);
  frz_arena_init(&batch->arenas[i], batch->job->alloc, FRZ_LIMIT_MANIFEST_BYTES * 8);
  frz_status st = copy_entries(batch, i, &scratch, err);
  frz_arena_free(&scratch);
  return st;
}

static frz_status write_output(manifest_job *job, const frz_manifest_file *like,
                               const frz_manifest_entry *entries, size_t n_entries, frz_error *err)
{
  const frz_partition_spec *spec = frz_metadata_spec(job->base, like->spec_id);
  frz_str folder = frz_metadata_folder(job->base, &job->arena);
  frz_str path = {0};
  if (folder.data != NULL)
    path = frz_arena_print(&job->arena, "%s/%s-m%d.avro", folder.data, job->uuid, job->n_named++);
  if (path.data == NULL) return frz_fail_nomem(err, "manifest name");
  FRZ_TRY(frz_context_poll(job->context, err));
  FRZ_TRY(frz_manifest_write(job->storage, job->base, spec, like->content, path, job->snapshot_id,
                             entries, n_entries, &job->arena, &job->made[job->n_made], err));
  job->n_made++;
  return FRZ_OK;
}

/* Write outputs [first, end) of `n_outputs` that share the entries evenly. */
static frz_status write_batch(manifest_job *job, const frz_manifest_file *const *manifests,
                              size_t n_manifests, const frz_manifest_order *order, size_t first,
                              size_t end, size_t n_outputs, frz_error *err)
{
  frz_status st = FRZ_OK;
  size_t n = order->n_entries;
  output_batch batch = {.job = job,
                        .manifests = manifests,
                        .order = order,
                        .first = (uint32_t)(first * n / n_outputs),
                        .end = (uint32_t)(end * n / n_outputs)};
  frz_arena scratch;
  frz_arena_init(&scratch, job->alloc, FRZ_LIMIT_MANIFEST_BYTES * 8);
  batch.entries =
      frz_arena_array(&scratch, (size_t)(batch.end - batch.first), sizeof *batch.entries);
  batch.arenas = frz_arena_array(&scratch, n_manifests, sizeof *batch.arenas);
  if (batch.entries == NULL || batch.arenas == NULL)
    FRZ_TRY_OUT(frz_fail_nomem(err, "manifest entries"));
  FRZ_TRY_OUT(frz_parallel_for(job->context, n_manifests, load_manifest, &batch, err));
  for (size_t i = first; i < end; i++) {
    size_t from = i * n / n_outputs - batch.first;
    size_t to = (i + 1) * n / n_outputs - batch.first;
    FRZ_TRY_OUT(write_output(job, manifests[0], batch.entries + from, to - from, err));
  }
out:
  for (size_t i = 0; batch.arenas != NULL && i < n_manifests; i++)
    if (batch.arenas[i].alloc != NULL) frz_arena_free(&batch.arenas[i]);
  frz_arena_free(&scratch);
  return st;
}

static frz_status rewrite_group(manifest_job *job, const frz_manifest_file *const *manifests,
                                size_t n_manifests, size_t n_outputs, frz_error *err)
{
  frz_manifest_order order;
  int64_t memory = frz_context_memory_limit(job->context) / MEMORY_SHARE;
  size_t n_at_once = memory > job->target_bytes ? (size_t)(memory / job->target_bytes) : 1;
  FRZ_TRY(frz_manifest_order_make(job->context, job->storage, job->base, manifests, n_manifests,
                                  &order, err));
  if (n_outputs > order.n_entries) n_outputs = order.n_entries;
  frz_status st = FRZ_OK;
  for (size_t first = 0; first < n_outputs && st == FRZ_OK; first += n_at_once) {
    size_t end = n_outputs - first < n_at_once ? n_outputs : first + n_at_once;
    st = write_batch(job, manifests, n_manifests, &order, first, end, n_outputs, err);
  }
  frz_manifest_order_dispose(&order);
  return st;
}

/* ---- which manifests ---- */

static bool goes_with(const frz_manifest_file *a, const frz_manifest_file *b)
{
  return a->spec_id == b->spec_id && a->content == b->content;
}

static frz_status note_sources(manifest_job *job, const frz_manifest_file *const *manifests,
                               size_t n_manifests, frz_error *err)
{
  for (size_t i = 0; i < n_manifests; i++) {
    source_key *key = &job->sources[job->n_sources++];
    *key =
        (source_key){frz_arena_copy(&job->arena, manifests[i]->path), manifests[i]->first_row_id};
    if (key->path.data == NULL) return frz_fail_nomem(err, "manifests");
  }
  return FRZ_OK;
}

static frz_status consider_group(manifest_job *job, const frz_manifest_file *const *manifests,
                                 size_t n_manifests, frz_error *err)
{
  const frz_partition_spec *spec = frz_metadata_spec(job->base, manifests[0]->spec_id);
  if (spec == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "manifest '%.*s': unknown partition spec %d",
                    FRZ_STR_ARG(manifests[0]->path), manifests[0]->spec_id);
  int64_t bytes = 0;
  for (size_t i = 0; i < n_manifests; i++) bytes += manifests[i]->length_bytes;
  size_t n_outputs = (size_t)((bytes + job->target_bytes - 1) / job->target_bytes);
  if (n_outputs == 0) n_outputs = 1;
  if (n_manifests <= n_outputs &&
      frz_manifests_are_ordered(spec, job->base, manifests, n_manifests, job->alloc))
    return FRZ_OK;
  FRZ_TRY(note_sources(job, manifests, n_manifests, err));
  return rewrite_group(job, manifests, n_manifests, n_outputs, err);
}

static frz_status make_anew(manifest_job *job, const frz_manifest_file *manifests,
                            size_t n_manifests, frz_arena *scratch, frz_error *err)
{
  size_t n_outputs_max = n_manifests;
  for (size_t i = 0; i < n_manifests; i++)
    n_outputs_max += (size_t)(manifests[i].length_bytes / job->target_bytes) + 1;
  frz_arena_free(&job->arena);
  frz_arena_init(&job->arena, job->alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  job->n_sources = job->n_made = 0;
  job->has_work = true;
  job->format_version = job->base->format_version;
  job->sources = frz_arena_array(&job->arena, n_manifests, sizeof *job->sources);
  job->made = frz_arena_array(&job->arena, n_outputs_max, sizeof *job->made);
  const frz_manifest_file **group = frz_arena_array(scratch, n_manifests, sizeof *group);
  bool *is_taken = frz_arena_array(scratch, n_manifests, sizeof *is_taken);
  if (job->sources == NULL || job->made == NULL || group == NULL || is_taken == NULL)
    return frz_fail_nomem(err, "manifests");
  for (size_t i = 0; i < n_manifests; i++) {
    size_t n = 0;
    for (size_t k = i; k < n_manifests && !is_taken[i]; k++)
      if (goes_with(&manifests[i], &manifests[k])) group[n++] = &manifests[k];
    for (size_t k = 0; k < n; k++) is_taken[group[k] - manifests] = true;
    if (n != 0) FRZ_TRY(consider_group(job, group, n, err));
  }
  return FRZ_OK;
}

/* ---- attempts ---- */

static frz_status index_sources(const manifest_job *job, frz_map *map, frz_error *err)
{
  for (size_t i = 0; i < job->n_sources; i++)
    FRZ_TRY(frz_map_insert(map, job->sources[i].path, i, NULL, NULL, err));
  return FRZ_OK;
}

/* The list with the new manifests for those they stand for; `all_there_out`: none is missing. */
static frz_status put_in_place(const manifest_job *job, const frz_manifest_file *manifests,
                               size_t n_manifests, frz_arena *arena, frz_manifest_file **list_out,
                               size_t *n_out, bool *all_there_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_map sources;
  size_t n = 0, n_replaced = 0;
  frz_map_init(&sources, job->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  FRZ_TRY_OUT(index_sources(job, &sources, err));
  frz_manifest_file *list = frz_arena_array(arena, n_manifests + job->n_made, sizeof *list);
  if (list == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "manifests"));
  for (size_t i = 0; i < n_manifests; i++) {
    const uint64_t *index = frz_map_find(&sources, manifests[i].path);
    if (index != NULL && job->sources[*index].first_row_id == manifests[i].first_row_id)
      n_replaced++;
    else
      list[n++] = manifests[i];
  }
  for (size_t i = 0; i < job->n_made; i++) list[n++] = job->made[i];
  *list_out = list;
  *n_out = n;
  *all_there_out = n_replaced == job->n_sources;
out:
  frz_map_dispose(&sources);
  return st;
}

/* The attempt that used them was refused: nobody refers to them. */
static void remove_made(manifest_job *job)
{
  for (size_t i = 0; i < job->n_made; i++) {
    frz_error why;
    if (frz_storage_remove(job->storage, job->made[i].path, &why) != FRZ_OK)
      frz_context_log(job->context, FRZ_LOG_WARNING, "manifest stays: %s", why.message);
  }
}

static frz_status rewrite(void *arg, const frz_table_metadata *base, int64_t snapshot_id,
                          const frz_manifest_file *manifests, size_t n_manifests, frz_arena *arena,
                          const frz_manifest_file **manifests_out, size_t *n_manifests_out,
                          bool *changed_out, frz_error *err)
{
  manifest_job *job = arg;
  frz_manifest_file *list = NULL;
  size_t n = 0;
  bool all_there = false;
  job->base = base;
  job->snapshot_id = snapshot_id;
  FRZ_TRY(frz_metadata_property_i64(base, "commit.manifest.target-size-bytes", TARGET_BYTES_DEFAULT,
                                    &job->target_bytes, err));
  if (job->target_bytes < 1)
    return frz_fail(err, FRZ_ERR_INVALID, "property commit.manifest.target-size-bytes: %lld",
                    (long long)job->target_bytes);
  if (job->has_work && job->format_version == base->format_version)
    FRZ_TRY(put_in_place(job, manifests, n_manifests, arena, &list, &n, &all_there, err));
  if (!all_there) {
    if (job->has_work) remove_made(job);
    FRZ_TRY(make_anew(job, manifests, n_manifests, arena, err));
    FRZ_TRY(put_in_place(job, manifests, n_manifests, arena, &list, &n, &all_there, err));
  }
  job->changed = job->n_sources != 0;
  job->result.n_manifests_before = (int64_t)n_manifests;
  job->result.n_manifests_after = (int64_t)n;
  *manifests_out = list;
  *n_manifests_out = n;
  *changed_out = job->changed;
  return FRZ_OK;
}

frz_status frz_table_rewrite_manifests(frz_table *table, frz_manifests_result *result_out,
                                       frz_error *err)
{
  if (table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "table is NULL");
  frz_context *context = frz_table_context(table);
  manifest_job job = {
      .context = context, .storage = frz_table_storage(table), .alloc = frz_context_alloc(context)};
  const frz_manifest_rewrite with = {rewrite, &job};
  const frz_snapshot_change change = {
      .operation = "replace", .added_sequence_number = -1, .rewrite = &with};
  int64_t snapshot_id;
  FRZ_TRY(frz_os_uuid(job.uuid, err));
  frz_status st = frz_snapshot_commit(table, &change, &snapshot_id, err);
  frz_arena_free(&job.arena);
  if (st != FRZ_OK) return st;
  job.result.snapshot_id = job.changed ? snapshot_id : -1;
  if (result_out != NULL) *result_out = job.result;
  return FRZ_OK;
}
