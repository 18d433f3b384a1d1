/*
 * verify_snapshot.c - a snapshot's manifest list and manifests against what they list. See
 * verify.h.
 *
 * Data manifests come first, then delete manifests: deletes are compared with the data files that
 * are live. The contents of files are looked at by several threads, one manifest's worth at a time;
 * their findings are put in order afterwards. A manifest or file that several snapshots share is
 * looked into once.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/limits.h"
#include "iceberg/maintain/verify.h"
#include "iceberg/manifest/manifest_field.h"
#include "iceberg/metadata/summary_json.h"
#include "iceberg/scan/delete_index.h"
#include "iceberg/write/snapshot_producer.h"

enum { FILES_AT_ONCE = 256 };

static const frz_check check_list = {"manifest-list-unreadable", true,
                                     "The snapshot is lost: roll back to another, or expire it."};
static const frz_check check_manifest = {
    "manifest-unreadable", true,
    "Its files are lost to this snapshot: roll back to one without this manifest."};
static const frz_check check_length = {"manifest-length", true,
                                       "Rewrite the manifests: others trust the length."};
static const frz_check check_spec = {"partition-spec", true,
                                     "Restore a metadata file that has the partition spec."};
static const frz_check check_hidden = {
    "manifest-hidden", true,
    "Rewrite the manifests: readers pass this one over and lose its rows."};
static const frz_check check_counts = {"manifest-counts", false, "Rewrite the manifests."};
static const frz_check check_sequence = {"manifest-sequence", true,
                                         "Rewrite the manifests: deletes may apply to wrong rows."};
static const frz_check check_entry_sequence = {
    "entry-sequence", true, "Write the file again: deletes may apply to wrong rows."};
static const frz_check check_partitions = {
    "manifest-partitions", true, "Rewrite the manifests: filters leave out rows that match."};
static const frz_check check_content = {"entry-content", true,
                                        "Remove the file from the table and add it again."};
static const frz_check check_duplicate = {"duplicate-file", true,
                                          "Its rows are read twice: remove one of the entries."};
static const frz_check check_row_ids = {"row-ids-overlap", true,
                                        "Two rows have one row id: write one file again."};
static const frz_check check_totals = {
    "summary-totals", false, "Harmless: totals are for people. A next commit carries on."};
static const frz_check check_dangling = {"delete-dangling", false,
                                         "Harmless: compaction removes delete files of this kind."};
static const frz_check check_vectors = {
    "vector-duplicate", true, "A data file may have one deletion vector: delete the rows again."};
static const frz_check check_equality = {"equality-ids", true,
                                         "Readers cannot apply the deletes: restore the columns."};

typedef struct row_range {
  int64_t first, end;
  size_t file; /* index in the list of files */
} row_range;

/* What is added up over one snapshot. */
typedef struct snapshot_check {
  frz_verify_job *job;
  const frz_snapshot *snapshot;
  frz_buf row_ids; /* row_range */
  int64_t n_data_files, n_delete_files, n_records;
  int64_t n_bytes, n_blob_bytes; /* deletion vectors: of their file, of themselves */
  bool is_whole;                 /* everything could be read */
} snapshot_check;

const frz_verify_file *frz_verify_find_file(const frz_verify_job *job, frz_str path)
{
  const uint64_t *index = frz_map_find(&job->files, path);
  const frz_verify_file *list = (const frz_verify_file *)(const void *)job->file_list.data;
  return index != NULL ? &list[*index] : NULL;
}

/* ---- entries ---- */

static frz_status add_data_file(snapshot_check *c, const frz_manifest_entry *entry, frz_error *err)
{
  frz_verify_job *job = c->job;
  const frz_data_file *file = &entry->file;
  bool is_new;
  size_t index = job->files.size;
  FRZ_TRY(frz_map_insert(&job->files, file->path, index, NULL, &is_new, err));
  if (!is_new)
    return frz_findings_add(&job->findings, &check_duplicate, file->path, err,
                            "it is listed twice in snapshot %" PRId64, c->snapshot->snapshot_id);
  frz_verify_file kept = {.n_rows = file->n_rows};
  FRZ_TRY(frz_buf_append(&job->file_list, &kept, sizeof kept, err));
  if (file->first_row_id < 0) return FRZ_OK;
  row_range range = {file->first_row_id, file->first_row_id + file->n_rows, index};
  if (range.end > job->metadata->next_row_id)
    return frz_findings_add(&job->findings, &check_row_ids, file->path, err,
                            "its row ids end at %" PRId64 ", the table's next is %" PRId64,
                            range.end, job->metadata->next_row_id);
  return frz_buf_append(&c->row_ids, &range, sizeof range, err);
}

static frz_status add_delete_file(snapshot_check *c, const frz_manifest_entry *entry,
                                  frz_error *err)
{
  frz_verify_job *job = c->job;
  const frz_data_file *file = &entry->file;
  for (size_t i = 0; i < file->n_equality_ids; i++)
    if (frz_metadata_find_field(job->metadata, NULL, file->equality_ids[i], NULL) == NULL)
      FRZ_TRY(frz_findings_add(&job->findings, &check_equality, file->path, err,
                               "no schema has a column with id %d", file->equality_ids[i]));
  frz_str target = frz_delete_target(file);
  if (target.data == NULL) return FRZ_OK;
  frz_verify_file *data = (frz_verify_file *)(uintptr_t)frz_verify_find_file(job, target);
  if (data == NULL)
    return frz_findings_add(&job->findings, &check_dangling, file->path, err,
                            "it deletes rows of '%.*s', which is not live", FRZ_STR_ARG(target));
  if (file->format != FRZ_FORMAT_PUFFIN) return FRZ_OK;
  if (data->has_vector)
    FRZ_TRY(frz_findings_add(&job->findings, &check_vectors, file->path, err,
                             "'%.*s' has another deletion vector", FRZ_STR_ARG(target)));
  data->has_vector = true;
  return FRZ_OK;
}

static frz_status verify_entry(snapshot_check *c, const frz_manifest_file *manifest,
                               const frz_manifest_entry *entry, frz_error *err)
{
  frz_verify_job *job = c->job;
  const frz_data_file *file = &entry->file;
  int64_t last = c->snapshot->sequence_number;
  bool is_data = file->content == FRZ_CONTENT_DATA;
  if (is_data != (manifest->content == FRZ_MANIFEST_DATA))
    return frz_findings_add(&job->findings, &check_content, file->path, err,
                            "a %s file is listed in a manifest of %s", is_data ? "data" : "delete",
                            is_data ? "deletes" : "data");
  if (entry->data_sequence_number > last || entry->file_sequence_number > last)
    FRZ_TRY(frz_findings_add(&job->findings, &check_entry_sequence, file->path, err,
                             "its sequence number %" PRId64
                             " is greater than its snapshot's, %" PRId64,
                             entry->data_sequence_number > last ? entry->data_sequence_number
                                                                : entry->file_sequence_number,
                             last));
  c->n_data_files += is_data;
  c->n_delete_files += !is_data;
  c->n_records += is_data ? file->n_rows : 0;
  bool is_vector = file->format == FRZ_FORMAT_PUFFIN;
  c->n_bytes += file->size_bytes;
  c->n_blob_bytes += is_vector ? file->content_size_bytes : file->size_bytes;
  return is_data ? add_data_file(c, entry, err) : add_delete_file(c, entry, err);
}

/* ---- the contents of files ---- */

typedef struct file_batch {
  const frz_verify_job *job;
  const frz_manifest_entry **entries;
  frz_findings *findings; /* one an entry */
} file_batch;

static frz_status verify_in_task(void *arg, size_t i, frz_error *err)
{
  file_batch *batch = arg;
  FRZ_TRY(frz_context_check(batch->job->context, err));
  return frz_verify_file_of(batch->job, batch->entries[i], &batch->findings[i], err);
}

static frz_status take_findings(frz_verify_job *job, const frz_findings *from, frz_error *err)
{
  for (size_t i = 0; i < from->n_items; i++) {
    const frz_finding *item = &from->items[i];
    const frz_check check = {item->check, item->is_error, item->advice};
    FRZ_TRY(frz_findings_add(&job->findings, &check, item->object, err, "%.*s",
                             (int)item->message.size, item->message.data));
  }
  return FRZ_OK;
}

static frz_status verify_files(frz_verify_job *job, const frz_manifest_entry **entries, size_t n,
                               frz_error *err)
{
  frz_status st = FRZ_OK;
  if (n == 0) return FRZ_OK;
  frz_findings *findings = frz_alloc_array(job->alloc, n, sizeof *findings);
  if (findings == NULL) return frz_fail_nomem(err, "findings");
  for (size_t i = 0; i < n; i++) frz_findings_init(&findings[i], job->alloc);
  file_batch batch = {job, entries, findings};
  FRZ_TRY_OUT(frz_context_poll(job->context, err));
  FRZ_TRY_OUT(frz_parallel_for(job->context, n, verify_in_task, &batch, err));
  for (size_t i = 0; i < n; i++) FRZ_TRY_OUT(take_findings(job, &findings[i], err));
  job->result.n_files += (int64_t)n;
  frz_progress_add(&job->progress, (int64_t)n);
out:
  for (size_t i = 0; i < n; i++) frz_findings_dispose(&findings[i]);
  frz_alloc_free(job->alloc, findings, n * sizeof *findings);
  return st;
}

/* Those that were not looked into yet. */
static frz_status verify_new_files(frz_verify_job *job, const frz_manifest_entry *entries, size_t n,
                                   frz_error *err)
{
  const frz_manifest_entry *chosen[FILES_AT_ONCE];
  size_t n_chosen = 0;
  frz_buf key;
  frz_status st = FRZ_OK;
  frz_buf_init(&key, job->alloc, FRZ_LIMIT_COLUMN_BYTES);
  for (size_t i = 0; i < n; i++) {
    bool is_new;
    if (entries[i].status == FRZ_ENTRY_DELETED) continue;
    key.size = 0;
    FRZ_TRY_OUT(frz_data_file_key(&entries[i].file, &key, err));
    FRZ_TRY_OUT(frz_map_insert(&job->checked_files, frz_buf_str(&key), 0, NULL, &is_new, err));
    if (!is_new) continue;
    chosen[n_chosen++] = &entries[i];
    if (n_chosen < FILES_AT_ONCE) continue;
    FRZ_TRY_OUT(verify_files(job, chosen, n_chosen, err));
    n_chosen = 0;
  }
  FRZ_TRY_OUT(verify_files(job, chosen, n_chosen, err));
out:
  frz_buf_dispose(&key);
  return st;
}

/* ---- manifests ---- */

typedef struct entry_counts {
  int64_t files[3], rows[3]; /* by status */
  int64_t sequence_min;      /* of live entries */
} entry_counts;

static entry_counts count_entries(const frz_manifest_entry *entries, size_t n)
{
  entry_counts counts = {.sequence_min = INT64_MAX};
  for (size_t i = 0; i < n; i++) {
    counts.files[entries[i].status]++;
    counts.rows[entries[i].status] += entries[i].file.n_rows;
    if (entries[i].status != FRZ_ENTRY_DELETED &&
        entries[i].data_sequence_number < counts.sequence_min)
      counts.sequence_min = entries[i].data_sequence_number;
  }
  return counts;
}

static frz_status verify_counts(frz_verify_job *job, const frz_manifest_file *m,
                                const entry_counts *counts, frz_error *err)
{
  const struct {
    const char *name;
    int64_t said, counted;
  } numbers[] = {
      {"added files", m->n_added_files, counts->files[FRZ_ENTRY_ADDED]},
      {"existing files", m->n_existing_files, counts->files[FRZ_ENTRY_EXISTING]},
      {"deleted files", m->n_deleted_files, counts->files[FRZ_ENTRY_DELETED]},
      {"added rows", m->n_added_rows, counts->rows[FRZ_ENTRY_ADDED]},
      {"existing rows", m->n_existing_rows, counts->rows[FRZ_ENTRY_EXISTING]},
  };
  int64_t n_live = counts->files[FRZ_ENTRY_ADDED] + counts->files[FRZ_ENTRY_EXISTING];
  if (m->n_added_files == 0 && m->n_existing_files == 0 && n_live != 0)
    return frz_findings_add(&job->findings, &check_hidden, m->path, err,
                            "its list says that it has no live file; it has %" PRId64, n_live);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (numbers[i].said >= 0 && numbers[i].said != numbers[i].counted)
      return frz_findings_add(&job->findings, &check_counts, m->path, err,
                              "%s: its list says %" PRId64 ", it has %" PRId64, numbers[i].name,
                              numbers[i].said, numbers[i].counted);
  return FRZ_OK;
}

/* Is a partition value outside of what the list says of the manifest? */
static bool is_outside(const frz_literal *value, const frz_type *type,
                       const frz_field_summary *summary)
{
  frz_literal lower = frz_literal_null(type->kind), upper = lower;
  if (value->is_null) return !summary->contains_null;
  bool is_known = (summary->lower.data == NULL ||
                   frz_literal_from_bytes(type, summary->lower, &lower, NULL) == FRZ_OK) &&
                  (summary->upper.data == NULL ||
                   frz_literal_from_bytes(type, summary->upper, &upper, NULL) == FRZ_OK);
  return is_known && !frz_verify_in_bounds(value, &lower, &upper);
}

static frz_status verify_partitions(frz_verify_job *job, const frz_manifest_file *manifest,
                                    const frz_partition_spec *spec,
                                    const frz_manifest_entry *entries, size_t n, frz_error *err)
{
  if (!manifest->has_partitions) return FRZ_OK;
  for (size_t k = 0; k < spec->n_fields && k < manifest->n_partitions; k++) {
    frz_type type = frz_manifest_partition_type(job->metadata, &spec->fields[k]);
    if (type.kind == FRZ_TYPE_UNKNOWN) continue;
    for (size_t i = 0; i < n; i++) {
      const frz_partition *partition = &entries[i].file.partition;
      if (entries[i].status == FRZ_ENTRY_DELETED || k >= partition->n_values) continue;
      if (!is_outside(&partition->values[k], &type, &manifest->partitions[k])) continue;
      return frz_findings_add(&job->findings, &check_partitions, manifest->path, err,
                              "partition field '%.*s': the value of '%.*s' is outside the "
                              "manifest's bounds",
                              FRZ_STR_ARG(spec->fields[k].name), FRZ_STR_ARG(entries[i].file.path));
    }
  }
  return FRZ_OK;
}

static frz_status verify_length(frz_verify_job *job, const frz_manifest_file *manifest,
                                frz_error *err)
{
  frz_source *source;
  frz_error why = {0};
  frz_status st = frz_storage_open(job->storage, manifest->path, &source, &why);
  if (st != FRZ_OK)
    return frz_findings_add_failure(&job->findings, &check_manifest, manifest->path, st, &why, err);
  int64_t bytes = source->size_bytes;
  frz_source_free(source);
  if (bytes == manifest->length_bytes) return FRZ_OK;
  return frz_findings_add(&job->findings, &check_length, manifest->path, err,
                          "its list says %" PRId64 " bytes, it has %" PRId64,
                          manifest->length_bytes, bytes);
}

/* What the list says of a manifest; once, whatever snapshots share it. */
static frz_status verify_listed(snapshot_check *c, const frz_manifest_file *manifest,
                                const frz_partition_spec *spec, const frz_manifest_entry *entries,
                                size_t n, frz_error *err)
{
  frz_verify_job *job = c->job;
  entry_counts counts = count_entries(entries, n);
  FRZ_TRY(verify_length(job, manifest, err));
  FRZ_TRY(verify_counts(job, manifest, &counts, err));
  if (manifest->sequence_number > c->snapshot->sequence_number)
    FRZ_TRY(frz_findings_add(&job->findings, &check_sequence, manifest->path, err,
                             "its sequence number %" PRId64
                             " is greater than its snapshot's, %" PRId64,
                             manifest->sequence_number, c->snapshot->sequence_number));
  if (counts.sequence_min < manifest->min_sequence_number)
    FRZ_TRY(frz_findings_add(&job->findings, &check_sequence, manifest->path, err,
                             "it has a file of sequence number %" PRId64 ", its list says %" PRId64
                             " is the least",
                             counts.sequence_min, manifest->min_sequence_number));
  return verify_partitions(job, manifest, spec, entries, n, err);
}

static frz_status verify_manifest(snapshot_check *c, const frz_manifest_file *manifest,
                                  frz_error *err)
{
  frz_verify_job *job = c->job;
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_error why = {0};
  const frz_manifest_entry *entries;
  size_t n = 0;
  bool is_new;
  FRZ_TRY(frz_location_set_add(&job->checked_manifests, manifest->path, 0, &is_new, err));
  job->result.n_manifests += is_new;
  if (is_new && manifest->n_added_files >= 0 && manifest->n_existing_files >= 0)
    job->progress.n_total += manifest->n_added_files + manifest->n_existing_files;
  const frz_partition_spec *spec = frz_metadata_spec(job->metadata, manifest->spec_id);
  if (spec == NULL) {
    c->is_whole = false;
    return is_new ? frz_findings_add(&job->findings, &check_spec, manifest->path, err,
                                     "the table has no partition spec %d", manifest->spec_id)
                  : FRZ_OK;
  }
  frz_arena_init(&arena, job->alloc, FRZ_LIMIT_PLAN_BYTES);
  st = frz_manifest_read(job->storage, job->metadata, manifest, true, NULL, 0, &arena, &entries, &n,
                         &why);
  if (st != FRZ_OK) {
    c->is_whole = false;
    st = frz_findings_add_failure(&job->findings, &check_manifest, manifest->path, st, &why, err);
    goto out;
  }
  if (is_new) FRZ_TRY_OUT(verify_listed(c, manifest, spec, entries, n, err));
  for (size_t i = 0; i < n; i++)
    if (entries[i].status != FRZ_ENTRY_DELETED)
      FRZ_TRY_OUT(verify_entry(c, manifest, &entries[i], err));
  FRZ_TRY_OUT(verify_new_files(job, entries, n, err));
out:
  frz_arena_free(&arena);
  return st;
}

/* ---- the snapshot ---- */

static int by_first(const void *a, const void *b)
{
  const row_range *x = a, *y = b;
  return (x->first > y->first) - (x->first < y->first);
}

static frz_status verify_row_ids(snapshot_check *c, frz_error *err)
{
  row_range *ranges = (row_range *)(void *)c->row_ids.data;
  size_t n = c->row_ids.size / sizeof *ranges;
  if (n != 0) qsort(ranges, n, sizeof *ranges, by_first);
  for (size_t i = 1; i < n; i++) {
    if (ranges[i].first >= ranges[i - 1].end) continue;
    frz_str object =
        frz_arena_print(&c->job->findings.arena, "snapshot %" PRId64, c->snapshot->snapshot_id);
    if (object.data == NULL) return frz_fail_nomem(err, "findings");
    FRZ_TRY(frz_findings_add(&c->job->findings, &check_row_ids, object, err,
                             "row id %" PRId64 " is that of rows in two data files",
                             ranges[i].first));
  }
  return FRZ_OK;
}

/* A whole number in a summary; false: there is none. */
static bool read_total(const frz_text_pair *pairs, size_t n_pairs, const char *key,
                       int64_t *value_out)
{
  frz_str text = frz_summary_find(pairs, n_pairs, key);
  int64_t value = 0;
  if (text.size == 0 || text.size > 18) return false;
  for (size_t at = 0; at < text.size; at++) {
    if (text.data[at] < '0' || text.data[at] > '9') return false;
    value = value * 10 + (text.data[at] - '0');
  }
  *value_out = value;
  return true;
}

static frz_status verify_totals(snapshot_check *c, frz_error *err)
{
  const struct {
    const char *key;
    int64_t counted;
  } totals[] = {
      {"total-data-files", c->n_data_files},
      {"total-delete-files", c->n_delete_files},
      {"total-records", c->n_records},
      {"total-files-size", c->n_bytes},
  };
  const frz_text_pair *pairs;
  size_t n_pairs;
  if (!c->is_whole) return FRZ_OK;
  FRZ_TRY(frz_summary_parse(c->snapshot->summary, &c->job->findings.arena, &pairs, &n_pairs, err));
  frz_str object =
      frz_arena_print(&c->job->findings.arena, "snapshot %" PRId64, c->snapshot->snapshot_id);
  if (object.data == NULL) return frz_fail_nomem(err, "findings");
  for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
    int64_t said;
    if (!read_total(pairs, n_pairs, totals[i].key, &said) || said == totals[i].counted) continue;
    if (totals[i].counted == c->n_bytes && said == c->n_blob_bytes) continue; /* as some count */
    FRZ_TRY(frz_findings_add(&c->job->findings, &check_totals, object, err,
                             "%s is %" PRId64 ", its manifests have %" PRId64, totals[i].key, said,
                             totals[i].counted));
  }
  return FRZ_OK;
}

static frz_status verify_manifests(snapshot_check *c, const frz_manifest_file *manifests, size_t n,
                                   frz_error *err)
{
  for (int content = FRZ_MANIFEST_DATA; content <= FRZ_MANIFEST_DELETES; content++)
    for (size_t i = 0; i < n; i++)
      if ((int)manifests[i].content == content) FRZ_TRY(verify_manifest(c, &manifests[i], err));
  FRZ_TRY(verify_row_ids(c, err));
  return verify_totals(c, err);
}

frz_status frz_verify_snapshot(frz_verify_job *job, const frz_snapshot *snapshot, frz_error *err)
{
  snapshot_check c = {.job = job, .snapshot = snapshot, .is_whole = true};
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_error why = {0};
  const frz_manifest_file *manifests;
  size_t n;
  frz_arena_init(&arena, job->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_buf_init(&c.row_ids, job->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_map_init(&job->files, job->alloc, FRZ_LIMIT_MANIFEST_BYTES * 16);
  frz_buf_init(&job->file_list, job->alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  job->result.n_snapshots++;
  st = frz_manifest_list_read(job->storage, job->metadata, snapshot, &arena, &manifests, &n, &why);
  if (st != FRZ_OK) {
    frz_str object =
        frz_arena_print(&job->findings.arena, "snapshot %" PRId64, snapshot->snapshot_id);
    if (object.data == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "findings"));
    FRZ_TRY_OUT(frz_findings_add_failure(&job->findings, &check_list, object, st, &why, err));
    st = FRZ_OK;
    goto out;
  }
  FRZ_TRY_OUT(verify_manifests(&c, manifests, n, err));
out:
  frz_buf_dispose(&c.row_ids);
  frz_map_dispose(&job->files);
  frz_buf_dispose(&job->file_list);
  frz_arena_free(&arena);
  return st;
}
