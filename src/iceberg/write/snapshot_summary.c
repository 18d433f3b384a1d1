/*
 * snapshot_summary.c - the summary of a snapshot: what it added and removed, and the new totals.
 *
 * Every value is a string. Counts of zero are left out, totals are always written, except where
 * the parent's total is unknown. Source: Iceberg specification, appendix F "Optional Snapshot
 * Summary Fields".
 */
#include <inttypes.h>

#include "base/limits.h"
#include "iceberg/metadata/summary_json.h"
#include "iceberg/write/snapshot_producer.h"

enum { COUNTED_FIELDS = 18, TOTAL_FIELDS = 6, OWN_FIELDS = COUNTED_FIELDS + TOTAL_FIELDS + 2 };

typedef struct file_counts {
  int64_t size_bytes;
  int64_t data_files;
  int64_t records;
  int64_t delete_files;
  int64_t position_delete_files; /* without vectors */
  int64_t vectors;
  int64_t position_deletes;
  int64_t equality_delete_files;
  int64_t equality_deletes;
} file_counts;

typedef struct summary_list {
  frz_arena *arena;
  frz_text_pair *pairs;
  size_t n_pairs;
} summary_list;

static file_counts count_files(const frz_data_file *files, size_t n_files)
{
  file_counts counts = {0};
  for (size_t i = 0; i < n_files; i++) {
    const frz_data_file *file = &files[i];
    bool is_vector = file->format == FRZ_FORMAT_PUFFIN;
    counts.size_bytes += is_vector ? file->content_size_bytes : file->size_bytes;
    if (file->content == FRZ_CONTENT_DATA) {
      counts.data_files++;
      counts.records += file->n_rows;
      continue;
    }
    counts.delete_files++;
    if (file->content == FRZ_CONTENT_POSITION_DELETES) {
      if (is_vector)
        counts.vectors++;
      else
        counts.position_delete_files++;
      counts.position_deletes += file->n_rows;
    } else {
      counts.equality_delete_files++;
      counts.equality_deletes += file->n_rows;
    }
  }
  return counts;
}

static frz_status add_text(summary_list *list, frz_str key, frz_str value, frz_error *err)
{
  frz_text_pair pair = {frz_arena_copy(list->arena, key), frz_arena_copy(list->arena, value)};
  if (pair.key.data == NULL || pair.value.data == NULL)
    return frz_fail_nomem(err, "snapshot summary");
  list->pairs[list->n_pairs++] = pair;
  return FRZ_OK;
}

static frz_status add_number(summary_list *list, const char *key, int64_t value, frz_error *err)
{
  frz_str text = frz_arena_print(list->arena, "%" PRId64, value);
  if (text.data == NULL) return frz_fail_nomem(err, "snapshot summary");
  return add_text(list, frz_str_from(key), text, err);
}

static frz_status add_counts(summary_list *list, const file_counts *added,
                             const file_counts *removed, frz_error *err)
{
  const struct {
    const char *key;
    int64_t value;
  } fields[COUNTED_FIELDS] = {
      {"added-files-size", added->size_bytes},
      {"removed-files-size", removed->size_bytes},
      {"added-data-files", added->data_files},
      {"deleted-data-files", removed->data_files},
      {"added-records", added->records},
      {"deleted-records", removed->records},
      {"added-delete-files", added->delete_files},
      {"removed-delete-files", removed->delete_files},
      {"added-position-delete-files", added->position_delete_files},
      {"removed-position-delete-files", removed->position_delete_files},
      {"added-dvs", added->vectors},
      {"removed-dvs", removed->vectors},
      {"added-position-deletes", added->position_deletes},
      {"removed-position-deletes", removed->position_deletes},
      {"added-equality-delete-files", added->equality_delete_files},
      {"removed-equality-delete-files", removed->equality_delete_files},
      {"added-equality-deletes", added->equality_deletes},
      {"removed-equality-deletes", removed->equality_deletes},
  };
  for (size_t i = 0; i < COUNTED_FIELDS; i++)
    if (fields[i].value > 0) FRZ_TRY(add_number(list, fields[i].key, fields[i].value, err));
  return FRZ_OK;
}

/* The parent's summary; `is_first`: there is no parent, and every total was 0. */
typedef struct parent_summary {
  bool is_first;
  const frz_text_pair *pairs;
  size_t n_pairs;
} parent_summary;

/* A number from the parent's summary; false where it is absent or not a count. */
static bool parent_total(const parent_summary *parent, const char *key, int64_t *value_out)
{
  *value_out = 0;
  if (parent->is_first) return true;
  frz_str text = frz_summary_find(parent->pairs, parent->n_pairs, key);
  if (text.size == 0 || text.size > 18) return false;
  for (size_t at = 0; at < text.size; at++) {
    if (text.data[at] < '0' || text.data[at] > '9') return false;
    *value_out = *value_out * 10 + (text.data[at] - '0');
  }
  return true;
}

static frz_status add_totals(summary_list *list, const parent_summary *parent,
                             const file_counts *added, const file_counts *removed, frz_error *err)
{
  const struct {
    const char *key;
    int64_t change;
  } fields[TOTAL_FIELDS] = {
      {"total-data-files", added->data_files - removed->data_files},
      {"total-delete-files", added->delete_files - removed->delete_files},
      {"total-records", added->records - removed->records},
      {"total-files-size", added->size_bytes - removed->size_bytes},
      {"total-position-deletes", added->position_deletes - removed->position_deletes},
      {"total-equality-deletes", added->equality_deletes - removed->equality_deletes},
  };
  for (size_t i = 0; i < TOTAL_FIELDS; i++) {
    int64_t total;
    if (!parent_total(parent, fields[i].key, &total)) continue;
    total += fields[i].change;
    if (total >= 0) FRZ_TRY(add_number(list, fields[i].key, total, err));
  }
  return FRZ_OK;
}

static frz_status note_partitions(frz_map *seen, const frz_table_metadata *base,
                                  const frz_data_file *files, size_t n_files, frz_arena *arena,
                                  frz_error *err)
{
  const frz_schema *schema = frz_metadata_current_schema(base);
  for (size_t i = 0; i < n_files; i++) {
    const frz_partition_spec *spec = frz_metadata_spec(base, files[i].spec_id);
    frz_str path = {"", 0};
    if (spec != NULL) path = frz_partition_path(spec, schema, &files[i].partition, arena);
    if (path.data == NULL) return frz_fail_nomem(err, "partition paths");
    frz_buf key; /* specs may give the same path to different partitions */
    frz_buf_init(&key, arena->alloc, FRZ_LIMIT_MANIFEST_BYTES);
    frz_status st = frz_buf_print(&key, err, "%d/", files[i].spec_id);
    if (st == FRZ_OK) st = frz_buf_append_str(&key, path, err);
    if (st == FRZ_OK) st = frz_map_insert(seen, frz_buf_str(&key), 0, NULL, NULL, err);
    frz_buf_dispose(&key);
    FRZ_TRY(st);
  }
  return FRZ_OK;
}

static frz_status add_partition_count(summary_list *list, const frz_snapshot_change *change,
                                      const frz_table_metadata *base, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_map seen;
  frz_arena scratch;
  frz_map_init(&seen, list->arena->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_arena_init(&scratch, list->arena->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  FRZ_TRY_OUT(note_partitions(&seen, base, change->added, change->n_added, &scratch, err));
  FRZ_TRY_OUT(note_partitions(&seen, base, change->removed, change->n_removed, &scratch, err));
  if (seen.size > 0)
    FRZ_TRY_OUT(add_number(list, "changed-partition-count", (int64_t)seen.size, err));
out:
  frz_map_dispose(&seen);
  frz_arena_free(&scratch);
  return st;
}

static bool has_key(const summary_list *list, frz_str key)
{
  for (size_t i = 0; i < list->n_pairs; i++)
    if (frz_str_equal(list->pairs[i].key, key)) return true;
  return false;
}

frz_status frz_snapshot_summarize(const frz_snapshot_change *change, const frz_table_metadata *base,
                                  const frz_snapshot *parent, frz_arena *arena,
                                  frz_str *summary_out, frz_error *err)
{
  parent_summary before = {.is_first = parent == NULL};
  summary_list list = {.arena = arena};
  list.pairs = frz_arena_array(arena, OWN_FIELDS + change->n_properties, sizeof *list.pairs);
  if (list.pairs == NULL) return frz_fail_nomem(err, "snapshot summary");
  file_counts added = count_files(change->added, change->n_added);
  file_counts removed = count_files(change->removed, change->n_removed);
  FRZ_TRY(add_counts(&list, &added, &removed, err));
  FRZ_TRY(add_partition_count(&list, change, base, err));
  if (parent != NULL)
    FRZ_TRY(frz_summary_parse(parent->summary, arena, &before.pairs, &before.n_pairs, err));
  FRZ_TRY(add_totals(&list, &before, &added, &removed, err));
  FRZ_TRY(add_text(&list, FRZ_STR("engine-name"), FRZ_STR("frazil"), err));
  for (size_t i = 0; i < change->n_properties; i++) {
    frz_str key = frz_str_from(change->properties[i].key);
    if (has_key(&list, key) || frz_str_is(key, "operation")) continue; /* counts are ours to say */
    FRZ_TRY(add_text(&list, key, frz_str_from(change->properties[i].value), err));
  }
  return frz_summary_print(frz_str_from(change->operation), list.pairs, list.n_pairs, arena,
                           summary_out, err);
}
