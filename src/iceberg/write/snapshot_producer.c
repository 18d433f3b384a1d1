/*
 * snapshot_producer.c - build a snapshot on the version the table has, as often as it takes.
 *
 * What depends on the change alone is made once and kept over all attempts: the snapshot id, the
 * manifests of added files, and for each manifest that listed a removed file its rewritten form.
 * What depends on the parent is made again: the list of manifests, the summary, sequence numbers
 * (added entries carry none: they inherit the snapshot's), and in format version 3 the row ids,
 * which the list gives to manifests from the table's next-row-id on.
 *
 * Invariants: a manifest or list is written under a name that was never used before; nothing is
 * removed except manifest lists of attempts that surely lost, after a later one surely won; every
 * removed file was found live in the parent, or the commit is refused; what stands for a manifest
 * was made from that manifest with that first row id, which another writer may have given it since;
 * all manifests of a change are of the format version that the table has when it is committed.
 *
 * Source: Iceberg specification, "Snapshots", "Optimistic Concurrency", "Sequence Numbers",
 * "Row Lineage".
 */
#include "iceberg/write/snapshot_producer.h"

#include "base/limits.h"
#include "base/os.h"

enum { FORMAT_VERSION_WRITTEN_MAX = 3, MERGE_COUNT_MIN = 100, MERGE_TARGET_BYTES = 8 << 20 };

#define MAIN_BRANCH "main"

/* A manifest that was read in search of removed files, and what stands in its place. */
typedef struct replacement replacement;
struct replacement {
  frz_str path;
  int64_t first_row_id; /* of what was read: the rewritten entries inherited from it */
  bool is_changed;
  frz_manifest_file manifest; /* when changed */
  const size_t *removed;      /* indexes of change->removed */
  size_t n_removed;
  replacement *next;
};

/* Small manifests that one manifest stands for. */
typedef struct merge merge;
struct merge {
  const frz_manifest_file *sources; /* their paths and first row ids */
  size_t n_sources;
  frz_manifest_file manifest;
  merge *next;
};

/* A manifest list of an attempt that did not win. */
typedef struct stale_list stale_list;
struct stale_list {
  frz_str path;
  stale_list *next;
};

struct frz_snapshot_producer {
  frz_context *context;
  frz_storage *storage;
  const frz_snapshot_change *change;
  frz_arena arena;   /* lives over all attempts */
  frz_arena attempt; /* emptied by each */
  int64_t snapshot_id;
  char uuid[37];
  int32_t n_manifests_named;
  int32_t n_attempts;
  int32_t format_version; /* of the manifests that are kept over attempts; 0: there are none */
  frz_map removed_keys;
  bool removes_deletes;
  bool added_written;
  frz_manifest_file *added;
  size_t n_added;
  replacement *replacements;
  merge *merges;
  frz_str list_path;
  stale_list *stale;
  frz_snapshot snapshot;
  frz_snapshot_ref ref;
  frz_metadata_update updates[2];
  frz_requirement requirements[2];
};

/* Manifests in the order of the list that is being built. */
typedef struct manifest_list {
  frz_manifest_file *items;
  size_t n_items;
} manifest_list;

frz_status frz_table_check_writable(const frz_table_metadata *metadata, frz_error *err)
{
  frz_str key = frz_metadata_property(metadata, "encryption.key-id");
  if (key.size != 0)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "the table is encrypted (encryption.key-id is '%.*s'): files would not be",
                    FRZ_STR_ARG(key));
  if (metadata->format_version <= FORMAT_VERSION_WRITTEN_MAX) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "format version %d is read, not written: %d at most",
                  metadata->format_version, FORMAT_VERSION_WRITTEN_MAX);
}

frz_status frz_branch_head(const frz_table_metadata *metadata, const char *branch,
                           const frz_snapshot **head_out, frz_error *err)
{
  frz_str name = frz_str_from(branch != NULL ? branch : MAIN_BRANCH);
  const frz_snapshot_ref *ref = frz_metadata_ref(metadata, name);
  if (ref == NULL && !frz_str_is(name, MAIN_BRANCH))
    return frz_fail(err, FRZ_ERR_NOT_FOUND, "branch '%.*s' does not exist", FRZ_STR_ARG(name));
  if (ref != NULL && !ref->is_branch)
    return frz_fail(err, FRZ_ERR_INVALID, "'%.*s' is a tag: commits go to branches",
                    FRZ_STR_ARG(name));
  int64_t snapshot_id = ref != NULL ? ref->snapshot_id : metadata->current_snapshot_id;
  *head_out = frz_metadata_snapshot(metadata, snapshot_id);
  return FRZ_OK;
}

frz_status frz_data_file_key(const frz_data_file *file, frz_buf *out, frz_error *err)
{
  FRZ_TRY(frz_buf_append_str(out, file->path, err));
  if (file->format != FRZ_FORMAT_PUFFIN) return FRZ_OK;
  return frz_buf_print(out, err, "\n%lld", (long long)file->content_offset);
}

/* A random positive snapshot id. */
static frz_status choose_snapshot_id(int64_t *snapshot_id_out, frz_error *err)
{
  uint64_t random = 0;
  while (random == 0) {
    FRZ_TRY(frz_os_random(&random, sizeof random, err));
    random &= (uint64_t)INT64_MAX;
  }
  *snapshot_id_out = (int64_t)random;
  return FRZ_OK;
}

static frz_status manifest_path(frz_snapshot_producer *producer, const frz_table_metadata *base,
                                frz_str *path_out, frz_error *err)
{
  frz_str folder = frz_metadata_folder(base, &producer->arena);
  if (folder.data == NULL) return frz_fail_nomem(err, "manifest name");
  *path_out = frz_arena_print(&producer->arena, "%s/%s-m%d.avro", folder.data, producer->uuid,
                              producer->n_manifests_named++);
  return path_out->data != NULL ? FRZ_OK : frz_fail_nomem(err, "manifest name");
}

static frz_status spec_of(const frz_table_metadata *base, int32_t spec_id,
                          const frz_partition_spec **spec_out, frz_error *err)
{
  *spec_out = frz_metadata_spec(base, spec_id);
  if (*spec_out != NULL) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "partition spec %d is not in the table metadata", spec_id);
}

static frz_status write_manifest(frz_snapshot_producer *producer, const frz_table_metadata *base,
                                 int32_t spec_id, frz_manifest_content content,
                                 const frz_manifest_entry *entries, size_t n_entries,
                                 frz_manifest_file *manifest_out, frz_error *err)
{
  const frz_partition_spec *spec;
  frz_str path;
  FRZ_TRY(spec_of(base, spec_id, &spec, err));
  FRZ_TRY(manifest_path(producer, base, &path, err));
  return frz_manifest_write(producer->storage, base, spec, content, path, producer->snapshot_id,
                            entries, n_entries, &producer->arena, manifest_out, err);
}

/* ---- added files ---- */

static frz_manifest_content manifest_content_of(const frz_data_file *file)
{
  return file->content == FRZ_CONTENT_DATA ? FRZ_MANIFEST_DATA : FRZ_MANIFEST_DELETES;
}

static bool same_manifest(const frz_data_file *a, const frz_data_file *b)
{
  return a->spec_id == b->spec_id && manifest_content_of(a) == manifest_content_of(b);
}

/* The manifest of all added files that belong with change->added[first]. */
static frz_status write_added_group(frz_snapshot_producer *producer, const frz_table_metadata *base,
                                    size_t first, frz_error *err)
{
  const frz_snapshot_change *change = producer->change;
  const frz_data_file *leader = &change->added[first];
  frz_manifest_entry *entries =
      frz_arena_array(&producer->attempt, change->n_added - first, sizeof *entries);
  if (entries == NULL) return frz_fail_nomem(err, "manifest entries");
  size_t n_entries = 0;
  for (size_t i = first; i < change->n_added; i++) {
    if (!same_manifest(leader, &change->added[i])) continue;
    int64_t sequence = change->added_sequence_numbers != NULL ? change->added_sequence_numbers[i]
                                                              : change->added_sequence_number;
    entries[n_entries++] = (frz_manifest_entry){.status = FRZ_ENTRY_ADDED,
                                                .snapshot_id = producer->snapshot_id,
                                                .data_sequence_number = sequence,
                                                .file_sequence_number = -1,
                                                .file = change->added[i]};
  }
  FRZ_TRY(write_manifest(producer, base, leader->spec_id, manifest_content_of(leader), entries,
                         n_entries, &producer->added[producer->n_added], err));
  producer->n_added++;
  return FRZ_OK;
}

static frz_status write_added(frz_snapshot_producer *producer, const frz_table_metadata *base,
                              frz_error *err)
{
  const frz_snapshot_change *change = producer->change;
  if (producer->added_written || change->n_added == 0) return FRZ_OK;
  producer->added = frz_arena_array(&producer->arena, change->n_added, sizeof *producer->added);
  if (producer->added == NULL) return frz_fail_nomem(err, "manifests");
  for (size_t i = 0; i < change->n_added; i++) {
    bool is_leader = true;
    for (size_t j = 0; j < i && is_leader; j++)
      is_leader = !same_manifest(&change->added[j], &change->added[i]);
    if (is_leader) FRZ_TRY(write_added_group(producer, base, i, err));
  }
  producer->added_written = true;
  return FRZ_OK;
}

/* ---- removed files ---- */

/* Rows of a removed file may stand in an added one. Where they got their ids since the change was
 * planned, by the first commit after an upgrade to version 3, they would lose them. */
static frz_status check_row_ids(const frz_snapshot_change *change, const frz_data_file *planned,
                                const frz_data_file *found, frz_error *err)
{
  if (change->n_added == 0 || planned->first_row_id == found->first_row_id) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CONFLICT, "data file %.*s got row ids from a concurrent commit",
                  FRZ_STR_ARG(found->path));
}

/* Turn a manifest's entries into those of its rewritten form, and note what was removed. */
static frz_status mark_removed(frz_snapshot_producer *producer, frz_manifest_entry *entries,
                               size_t n_entries, size_t *removed, size_t *n_removed_out,
                               frz_error *err)
{
  frz_status st = FRZ_OK;
  size_t n_removed = 0;
  frz_buf key;
  frz_buf_init(&key, frz_context_alloc(producer->context), FRZ_LIMIT_COLUMN_BYTES);
  for (size_t i = 0; i < n_entries; i++) {
    key.size = 0;
    FRZ_TRY_OUT(frz_data_file_key(&entries[i].file, &key, err));
    const uint64_t *index = frz_map_find(&producer->removed_keys, frz_buf_str(&key));
    entries[i].status = FRZ_ENTRY_EXISTING;
    if (index == NULL) continue;
    FRZ_TRY_OUT(
        check_row_ids(producer->change, &producer->change->removed[*index], &entries[i].file, err));
    entries[i].status = FRZ_ENTRY_DELETED;
    entries[i].snapshot_id = producer->snapshot_id;
    removed[n_removed++] = (size_t)*index;
  }
  *n_removed_out = n_removed;
out:
  frz_buf_dispose(&key);
  return st;
}

/* Read a manifest and write it again without the removed files, if it lists any. */
static frz_status make_replacement(frz_snapshot_producer *producer, const frz_table_metadata *base,
                                   const frz_manifest_file *manifest, replacement *made,
                                   frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_arena scratch;
  frz_arena_init(&scratch, frz_context_alloc(producer->context), FRZ_LIMIT_MANIFEST_BYTES);
  const frz_manifest_entry *entries;
  size_t n_entries;
  FRZ_TRY_OUT(frz_manifest_read(producer->storage, base, manifest, false, NULL, 0, &scratch,
                                &entries, &n_entries, err));
  frz_manifest_entry *marked = frz_arena_array(&scratch, n_entries, sizeof *marked);
  size_t *removed = frz_arena_array(&scratch, n_entries, sizeof *removed);
  if (marked == NULL || removed == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "manifest entries"));
  if (n_entries != 0) memcpy(marked, entries, n_entries * sizeof *marked);
  FRZ_TRY_OUT(mark_removed(producer, marked, n_entries, removed, &made->n_removed, err));
  if (made->n_removed == 0) goto out;
  size_t *kept = frz_arena_array(&producer->arena, made->n_removed, sizeof *kept);
  if (kept == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "removed files"));
  memcpy(kept, removed, made->n_removed * sizeof *kept);
  made->removed = kept;
  made->is_changed = true;
  FRZ_TRY_OUT(write_manifest(producer, base, manifest->spec_id, manifest->content, marked,
                             n_entries, &made->manifest, err));
out:
  frz_arena_free(&scratch);
  return st;
}

static frz_status replacement_of(frz_snapshot_producer *producer, const frz_table_metadata *base,
                                 const frz_manifest_file *manifest,
                                 const replacement **replacement_out, frz_error *err)
{
  for (const replacement *known = producer->replacements; known != NULL; known = known->next) {
    if (known->first_row_id != manifest->first_row_id ||
        !frz_str_equal(known->path, manifest->path))
      continue;
    *replacement_out = known;
    return FRZ_OK;
  }
  replacement *made = frz_arena_push(&producer->arena, sizeof *made);
  if (made == NULL) return frz_fail_nomem(err, "manifest");
  made->path = frz_arena_copy(&producer->arena, manifest->path);
  if (made->path.data == NULL) return frz_fail_nomem(err, "manifest");
  made->first_row_id = manifest->first_row_id;
  FRZ_TRY(make_replacement(producer, base, manifest, made, err));
  made->next = producer->replacements;
  producer->replacements = made;
  *replacement_out = made;
  return FRZ_OK;
}

static bool may_list_removed(const frz_snapshot_producer *producer, const frz_table_metadata *base,
                             const frz_manifest_file *manifest)
{
  const frz_snapshot_change *change = producer->change;
  if (change->n_removed == 0) return false;
  if (manifest->content == FRZ_MANIFEST_DELETES) return producer->removes_deletes;
  const frz_partition_spec *spec = frz_metadata_spec(base, manifest->spec_id);
  if (change->rules == NULL || change->rules->filter == NULL || spec == NULL) return true;
  return frz_expr_may_match_manifest(change->rules->filter, spec, change->rules->schema, manifest);
}

/* Manifests whose files are all gone carry no information for later snapshots. */
static bool lists_live_files(const frz_manifest_file *manifest)
{
  return manifest->n_added_files != 0 || manifest->n_existing_files != 0;
}

static frz_status check_all_found(const frz_snapshot_producer *producer, const bool *found,
                                  frz_error *err)
{
  const frz_snapshot_change *change = producer->change;
  for (size_t i = 0; i < change->n_removed; i++)
    if (!found[i])
      return frz_fail(err, FRZ_ERR_CONFLICT, "%s file %.*s was removed by a concurrent commit",
                      change->removed[i].content == FRZ_CONTENT_DATA ? "data" : "delete",
                      FRZ_STR_ARG(change->removed[i].path));
  return FRZ_OK;
}

/* The parent's manifests, without what the change removes. */
static frz_status carry_over(frz_snapshot_producer *producer, const frz_table_metadata *base,
                             const frz_snapshot *parent, manifest_list *list, frz_error *err)
{
  const frz_manifest_file *manifests = NULL;
  size_t n_manifests = 0;
  if (parent != NULL)
    FRZ_TRY(frz_manifest_list_read(producer->storage, base, parent, &producer->attempt, &manifests,
                                   &n_manifests, err));
  list->items =
      frz_arena_array(&producer->attempt, producer->n_added + n_manifests, sizeof *list->items);
  bool *found = frz_arena_array(&producer->attempt, producer->change->n_removed, sizeof *found);
  if (list->items == NULL || found == NULL) return frz_fail_nomem(err, "manifests");
  for (size_t i = 0; i < producer->n_added; i++) list->items[list->n_items++] = producer->added[i];
  for (size_t i = 0; i < n_manifests; i++) {
    if (!lists_live_files(&manifests[i])) continue;
    list->items[list->n_items] = manifests[i];
    if (may_list_removed(producer, base, &manifests[i])) {
      const replacement *stands = NULL;
      FRZ_TRY(replacement_of(producer, base, &manifests[i], &stands, err));
      if (stands->is_changed) list->items[list->n_items] = stands->manifest;
      for (size_t j = 0; j < stands->n_removed; j++) found[stands->removed[j]] = true;
    }
    list->n_items++;
  }
  return check_all_found(producer, found, err);
}

/* ---- merging small manifests ---- */

static bool same_source(const frz_manifest_file *a, const frz_manifest_file *b)
{
  return a->first_row_id == b->first_row_id && frz_str_equal(a->path, b->path);
}

static bool is_listed(const manifest_list *list, const frz_manifest_file *source)
{
  for (size_t i = 0; i < list->n_items; i++)
    if (same_source(&list->items[i], source)) return true;
  return false;
}

/* Put the merged manifest at the end, in place of its sources, if all of them are listed. */
static bool apply_merge(manifest_list *list, const merge *merged)
{
  for (size_t i = 0; i < merged->n_sources; i++)
    if (!is_listed(list, &merged->sources[i])) return false;
  size_t n_kept = 0;
  for (size_t i = 0; i < list->n_items; i++) {
    bool is_source = false;
    for (size_t j = 0; j < merged->n_sources && !is_source; j++)
      is_source = same_source(&list->items[i], &merged->sources[j]);
    if (!is_source) list->items[n_kept++] = list->items[i];
  }
  list->items[n_kept++] = merged->manifest;
  list->n_items = n_kept;
  return true;
}

static frz_status write_merged(frz_snapshot_producer *producer, const frz_table_metadata *base,
                               const frz_manifest_file *const *sources, size_t n_sources,
                               merge *made, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_arena scratch;
  frz_arena_init(&scratch, frz_context_alloc(producer->context), FRZ_LIMIT_MANIFEST_BYTES);
  frz_buf all;
  frz_buf_init(&all, frz_context_alloc(producer->context), FRZ_LIMIT_MANIFEST_BYTES);
  for (size_t i = 0; i < n_sources; i++) {
    const frz_manifest_entry *entries;
    size_t n_entries;
    FRZ_TRY_OUT(frz_manifest_read(producer->storage, base, sources[i], false, NULL, 0, &scratch,
                                  &entries, &n_entries, err));
    FRZ_TRY_OUT(frz_buf_append(&all, entries, n_entries * sizeof *entries, err));
  }
  frz_manifest_entry *entries = (frz_manifest_entry *)(void *)all.data;
  size_t n_entries = all.size / sizeof *entries;
  for (size_t i = 0; i < n_entries; i++) entries[i].status = FRZ_ENTRY_EXISTING;
  FRZ_TRY_OUT(write_manifest(producer, base, sources[0]->spec_id, FRZ_MANIFEST_DATA, entries,
                             n_entries, &made->manifest, err));
out:
  frz_buf_dispose(&all);
  frz_arena_free(&scratch);
  return st;
}

static frz_status make_merge(frz_snapshot_producer *producer, const frz_table_metadata *base,
                             const frz_manifest_file *const *sources, size_t n_sources,
                             manifest_list *list, frz_error *err)
{
  merge *made = frz_arena_push(&producer->arena, sizeof *made);
  frz_manifest_file *kept = frz_arena_array(&producer->arena, n_sources, sizeof *kept);
  if (made == NULL || kept == NULL) return frz_fail_nomem(err, "merged manifest");
  for (size_t i = 0; i < n_sources; i++) {
    kept[i].first_row_id = sources[i]->first_row_id;
    kept[i].path = frz_arena_copy(&producer->arena, sources[i]->path);
    if (kept[i].path.data == NULL) return frz_fail_nomem(err, "merged manifest");
  }
  made->sources = kept;
  made->n_sources = n_sources;
  FRZ_TRY(write_merged(producer, base, sources, n_sources, made, err));
  made->next = producer->merges;
  producer->merges = made;
  apply_merge(list, made);
  return FRZ_OK;
}

/* Manifests of other snapshots that are worth merging: small, of one spec, holding data files. */
static size_t pick_small(const frz_snapshot_producer *producer, const manifest_list *list,
                         int32_t spec_id, int64_t target_bytes, const frz_manifest_file **picked)
{
  size_t n_picked = 0;
  for (size_t i = list->n_items; i-- > 0;) { /* oldest first: those stay the same in a retry */
    const frz_manifest_file *manifest = &list->items[i];
    if (manifest->content == FRZ_MANIFEST_DATA && manifest->spec_id == spec_id &&
        manifest->added_snapshot_id != producer->snapshot_id &&
        manifest->length_bytes < target_bytes)
      picked[n_picked++] = manifest;
  }
  return n_picked;
}

/* Merge one target size's worth of a spec's small manifests, if there are too many of them. */
static frz_status merge_spec(frz_snapshot_producer *producer, const frz_table_metadata *base,
                             int32_t spec_id, int64_t count_min, int64_t target_bytes,
                             manifest_list *list, frz_error *err)
{
  const frz_manifest_file **picked =
      frz_arena_array(&producer->attempt, list->n_items, sizeof *picked);
  if (picked == NULL) return frz_fail_nomem(err, "manifests");
  size_t n_picked = pick_small(producer, list, spec_id, target_bytes, picked);
  if ((int64_t)n_picked < count_min || n_picked < 2) return FRZ_OK;
  int64_t bytes = 0;
  size_t n_sources = 0;
  while (n_sources < n_picked &&
         (n_sources < 2 || bytes + picked[n_sources]->length_bytes <= target_bytes))
    bytes += picked[n_sources++]->length_bytes;
  /* The sources point into the list, which the merge reorders: they are copied first. */
  frz_manifest_file *copies = frz_arena_array(&producer->attempt, n_sources, sizeof *copies);
  if (copies == NULL) return frz_fail_nomem(err, "manifests");
  for (size_t i = 0; i < n_sources; i++) {
    copies[i] = *picked[i];
    picked[i] = &copies[i];
  }
  return make_merge(producer, base, picked, n_sources, list, err);
}

static frz_status merge_small(frz_snapshot_producer *producer, const frz_table_metadata *base,
                              manifest_list *list, frz_error *err)
{
  frz_str enabled = frz_metadata_property(base, "commit.manifest-merge.enabled");
  if (frz_str_is(enabled, "false")) return FRZ_OK;
  int64_t count_min, target_bytes;
  FRZ_TRY(frz_metadata_property_i64(base, "commit.manifest.min-count-to-merge", MERGE_COUNT_MIN,
                                    &count_min, err));
  FRZ_TRY(frz_metadata_property_i64(base, "commit.manifest.target-size-bytes", MERGE_TARGET_BYTES,
                                    &target_bytes, err));
  for (const merge *known = producer->merges; known != NULL; known = known->next)
    apply_merge(list, known);
  for (size_t i = 0; i < base->n_specs; i++)
    FRZ_TRY(merge_spec(producer, base, base->specs[i].spec_id, count_min, target_bytes, list, err));
  return FRZ_OK;
}

/* ---- the snapshot ---- */

static frz_status list_path(frz_snapshot_producer *producer, const frz_table_metadata *base,
                            frz_error *err)
{
  if (producer->list_path.data != NULL) {
    stale_list *stale = frz_arena_push(&producer->arena, sizeof *stale);
    if (stale == NULL) return frz_fail_nomem(err, "manifest list name");
    *stale = (stale_list){producer->list_path, producer->stale};
    producer->stale = stale;
  }
  frz_str folder = frz_metadata_folder(base, &producer->arena);
  if (folder.data == NULL) return frz_fail_nomem(err, "manifest list name");
  producer->list_path =
      frz_arena_print(&producer->arena, "%s/snap-%lld-%d-%s.avro", folder.data,
                      (long long)producer->snapshot_id, ++producer->n_attempts, producer->uuid);
  return producer->list_path.data != NULL ? FRZ_OK : frz_fail_nomem(err, "manifest list name");
}

static frz_status fill_snapshot(frz_snapshot_producer *producer, const frz_table_metadata *base,
                                const frz_snapshot *parent, frz_error *err)
{
  int64_t now_ms = frz_os_now_ms();
  producer->snapshot = (frz_snapshot){
      .snapshot_id = producer->snapshot_id,
      .parent_id = parent != NULL ? parent->snapshot_id : -1,
      .sequence_number = base->format_version >= 2 ? base->last_sequence_number + 1 : 0,
      .timestamp_ms = now_ms > base->last_updated_ms ? now_ms : base->last_updated_ms,
      .manifest_list = producer->list_path,
      .operation = frz_str_from(producer->change->operation),
      .schema_id = base->current_schema_id,
      .first_row_id = base->format_version >= 3 ? base->next_row_id : -1,
      .added_rows = -1,
  };
  return frz_snapshot_summarize(producer->change, base, parent, &producer->attempt,
                                &producer->snapshot.summary, err);
}

static void fill_attempt(frz_snapshot_producer *producer, const frz_table_metadata *base,
                         frz_commit_attempt *attempt)
{
  const char *branch = producer->change->branch != NULL ? producer->change->branch : MAIN_BRANCH;
  const frz_snapshot_ref *ref = frz_metadata_ref(base, frz_str_from(branch));
  producer->ref = ref != NULL ? *ref
                              : (frz_snapshot_ref){.name = frz_str_from(branch),
                                                   .max_ref_age_ms = -1,
                                                   .max_snapshot_age_ms = -1,
                                                   .min_snapshots_to_keep = -1};
  producer->ref.is_branch = true;
  producer->ref.snapshot_id = producer->snapshot_id;
  producer->updates[0] =
      (frz_metadata_update){.kind = FRZ_UPDATE_ADD_SNAPSHOT, .snapshot = &producer->snapshot};
  producer->updates[1] = (frz_metadata_update){
      .kind = FRZ_UPDATE_SET_REF, .name = producer->ref.name, .ref = &producer->ref};
  producer->requirements[0] = (frz_requirement){.kind = FRZ_REQUIRE_UUID, .text = base->table_uuid};
  producer->requirements[1] = (frz_requirement){.kind = FRZ_REQUIRE_REF_SNAPSHOT_ID,
                                                .text = producer->ref.name,
                                                .value = producer->snapshot.parent_id};
  *attempt = (frz_commit_attempt){.requirements = producer->requirements,
                                  .n_requirements = 2,
                                  .updates = producer->updates,
                                  .n_updates = 2,
                                  .snapshot_id = producer->snapshot_id};
}

/* Delete files are of the kind that the version takes. It was when the change was planned, so
 * another writer upgraded the table since. */
static frz_status check_delete_files(const frz_snapshot_change *change,
                                     const frz_table_metadata *base, frz_error *err)
{
  for (size_t i = 0; i < change->n_added; i++) {
    const frz_data_file *file = &change->added[i];
    bool is_vector = file->format == FRZ_FORMAT_PUFFIN;
    if (file->content != FRZ_CONTENT_POSITION_DELETES || is_vector == (base->format_version >= 3))
      continue;
    return frz_fail(err, FRZ_ERR_CONFLICT, "'%.*s': tables of format version %d take %s",
                    FRZ_STR_ARG(file->path), base->format_version,
                    is_vector ? "no deletion vectors" : "deletion vectors, not position deletes");
  }
  return FRZ_OK;
}

/* The order in which the manifests are listed, and which of them are joined. */
static frz_status arrange_manifests(frz_snapshot_producer *producer, const frz_table_metadata *base,
                                    manifest_list *list, bool *changed_out, frz_error *err)
{
  const frz_manifest_rewrite *rewrite = producer->change->rewrite;
  *changed_out = true;
  if (rewrite == NULL) return merge_small(producer, base, list, err);
  const frz_manifest_file *items;
  FRZ_TRY(rewrite->rewrite(rewrite->arg, base, producer->snapshot_id, list->items, list->n_items,
                           &producer->attempt, &items, &list->n_items, changed_out, err));
  list->items = frz_arena_array(&producer->attempt, list->n_items, sizeof *list->items);
  if (list->items == NULL) return frz_fail_nomem(err, "manifests");
  if (list->n_items != 0) memcpy(list->items, items, list->n_items * sizeof *items);
  return FRZ_OK;
}

/* Manifests of an older version lack what readers of a newer list look for in them: after an
 * upgrade they are made again. */
static void forget_older_manifests(frz_snapshot_producer *producer, const frz_table_metadata *base)
{
  if (producer->format_version == base->format_version) return;
  producer->format_version = base->format_version;
  producer->added_written = false;
  producer->n_added = 0;
  producer->replacements = NULL;
  producer->merges = NULL;
}

static frz_status prepare_snapshot(void *arg, const frz_table_metadata *base,
                                   frz_commit_attempt *attempt_out, frz_error *err)
{
  frz_snapshot_producer *producer = arg;
  frz_arena_free(&producer->attempt);
  frz_arena_init(&producer->attempt, frz_context_alloc(producer->context),
                 FRZ_LIMIT_MANIFEST_BYTES);
  FRZ_TRY(frz_table_check_writable(base, err));
  FRZ_TRY(check_delete_files(producer->change, base, err));
  const frz_snapshot *parent = NULL;
  FRZ_TRY(frz_branch_head(base, producer->change->branch, &parent, err));
  if (producer->change->rules != NULL)
    FRZ_TRY(frz_conflicts_check(producer->storage, base, parent, producer->change,
                                &producer->removed_keys, frz_context_alloc(producer->context),
                                err));
  manifest_list list = {0};
  forget_older_manifests(producer, base);
  FRZ_TRY(write_added(producer, base, err));
  FRZ_TRY(carry_over(producer, base, parent, &list, err));
  bool changed;
  FRZ_TRY(arrange_manifests(producer, base, &list, &changed, err));
  if (!changed) return FRZ_OK;
  FRZ_TRY(list_path(producer, base, err));
  FRZ_TRY(fill_snapshot(producer, base, parent, err));
  int64_t next_row_id;
  FRZ_TRY(frz_manifest_list_write(producer->storage, base, &producer->snapshot, producer->list_path,
                                  list.items, list.n_items, &next_row_id, err));
  if (base->format_version >= 3)
    producer->snapshot.added_rows = next_row_id - producer->snapshot.first_row_id;
  fill_attempt(producer, base, attempt_out);
  return FRZ_OK;
}

static frz_status index_removed(frz_snapshot_producer *producer, frz_error *err)
{
  const frz_snapshot_change *change = producer->change;
  frz_status st = FRZ_OK;
  frz_buf key;
  frz_buf_init(&key, frz_context_alloc(producer->context), FRZ_LIMIT_COLUMN_BYTES);
  for (size_t i = 0; i < change->n_removed; i++) {
    key.size = 0;
    FRZ_TRY_OUT(frz_data_file_key(&change->removed[i], &key, err));
    FRZ_TRY_OUT(frz_map_insert(&producer->removed_keys, frz_buf_str(&key), i, NULL, NULL, err));
    if (change->removed[i].content != FRZ_CONTENT_DATA) producer->removes_deletes = true;
  }
out:
  frz_buf_dispose(&key);
  return st;
}

/* Attempts before the one that won were refused for sure, so nobody refers to their lists. */
static void remove_stale_lists(frz_snapshot_producer *producer)
{
  for (const stale_list *stale = producer->stale; stale != NULL; stale = stale->next) {
    frz_error err;
    if (frz_storage_remove(producer->storage, stale->path, &err) != FRZ_OK)
      frz_context_log(producer->context, FRZ_LOG_WARNING, "manifest list stays: %s", err.message);
  }
}

static void producer_init(frz_snapshot_producer *producer, const frz_table *table,
                          const frz_snapshot_change *change)
{
  const frz_alloc *alloc = frz_context_alloc(frz_table_context(table));
  *producer = (frz_snapshot_producer){
      .context = frz_table_context(table), .storage = frz_table_storage(table), .change = change};
  frz_arena_init(&producer->arena, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_arena_init(&producer->attempt, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_map_init(&producer->removed_keys, alloc, FRZ_LIMIT_MANIFEST_BYTES);
}

static frz_status producer_name(frz_snapshot_producer *producer, frz_error *err)
{
  FRZ_TRY(choose_snapshot_id(&producer->snapshot_id, err));
  FRZ_TRY(frz_os_uuid(producer->uuid, err));
  return index_removed(producer, err);
}

static void producer_dispose(frz_snapshot_producer *producer)
{
  frz_map_dispose(&producer->removed_keys);
  frz_arena_free(&producer->attempt);
  frz_arena_free(&producer->arena);
}

frz_status frz_snapshot_commit(frz_table *table, const frz_snapshot_change *change,
                               int64_t *snapshot_id_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_snapshot_producer producer;
  producer_init(&producer, table, change);
  FRZ_TRY_OUT(producer_name(&producer, err));
  FRZ_TRY_OUT(frz_table_commit(table, prepare_snapshot, &producer, err));
  remove_stale_lists(&producer);
  if (snapshot_id_out != NULL) *snapshot_id_out = producer.snapshot_id;
out:
  producer_dispose(&producer);
  return st;
}

frz_status frz_snapshots_commit(frz_table_snapshot_change *changes, size_t n, frz_error *err)
{
  if (n == 0) return FRZ_OK;
  const frz_alloc *alloc = frz_context_alloc(frz_table_context(changes[0].table));
  frz_status st = FRZ_OK;
  frz_snapshot_producer *producers = frz_alloc_array(alloc, n, sizeof *producers);
  frz_table_commit_job *jobs = frz_alloc_array(alloc, n, sizeof *jobs);
  size_t n_made = 0;
  if (producers == NULL || jobs == NULL)
    FRZ_TRY_OUT(frz_fail_nomem(err, "commit of several tables"));
  for (; n_made < n; n_made++) {
    producer_init(&producers[n_made], changes[n_made].table, changes[n_made].change);
    jobs[n_made] =
        (frz_table_commit_job){changes[n_made].table, prepare_snapshot, &producers[n_made]};
  }
  for (size_t i = 0; i < n; i++) FRZ_TRY_OUT(producer_name(&producers[i], err));
  FRZ_TRY_OUT(frz_tables_commit(jobs, n, err));
  for (size_t i = 0; i < n; i++) {
    remove_stale_lists(&producers[i]);
    changes[i].snapshot_id = producers[i].snapshot_id;
  }
out:
  for (size_t i = 0; i < n_made; i++) producer_dispose(&producers[i]);
  frz_alloc_free(alloc, jobs, n * sizeof *jobs);
  frz_alloc_free(alloc, producers, n * sizeof *producers);
  return st;
}
