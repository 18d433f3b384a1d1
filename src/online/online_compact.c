/*
 * online_compact.c - join files of an online table, keeping the newest row of a key.
 *
 * Files of one partition are put in the order of their commits, and runs of neighbours of like size
 * are joined (size-tiered, as in a log-structured merge tree): each row is written again about once
 * for every fourfold growth. A run is without gaps, and its new file carries the greatest data
 * sequence number of the run. So against every file outside of it, rows of equal times compare as
 * before: those of older files lose, those of newer ones win, committed meanwhile or not.
 *
 * A row past its time to live goes only when no file outside of the run may hold an older one of
 * its key.
 *
 * Two passes over a run: keys and times find the winners, then all columns are read without the
 * losers. The operation is "overwrite", since rows go, with frazil.compaction=latest-per-key in
 * its summary: an index that covers the run's files need not read the new ones.
 */
#include <stdlib.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "base/os.h"
#include "frazil/evolution.h"
#include "iceberg/scan/metadata_columns.h"
#include "iceberg/write/table_write.h"
#include "online/online_scan.h"
#include "online/online_state.h"

enum { BATCH_ROWS = 65536, RATIO = 4, RATIO_MAX = 16, COMMITS = 5 };

typedef struct table_file {
  const frz_scan_task *task;
  frz_str group;      /* partition: files of one are compared */
  frz_str keys_group; /* partition, but for what follows from the event time: where a key may be */
  int64_t sequence;
  int64_t oldest_us; /* event time of its rows: none is before */
} table_file;

/** Where a key's best row so far is. */
typedef struct best_row {
  int64_t event_us, created_us;
  uint32_t file; /* of the run */
  int64_t position;
} best_row;

typedef struct online_compaction {
  frz_online *online;
  frz_online_compact_options options;
  frz_online_layout *layout;
  frz_online_scan scan;
  frz_arena arena;
  frz_projection keys, rows;
  table_file *files;
  size_t n_files;
  int64_t expired_us; /* rows before it are past their time to live; INT64_MIN: none */
  frz_data_file_writer **writers;
  size_t n_writers, writers_capacity;
  frz_data_file *added, *removed;
  int64_t *added_sequences;
  size_t n_added, added_capacity, sequences_capacity;
  size_t n_removed, removed_capacity;
  int64_t n_done;
  frz_online_compact_result result;
} online_compaction;

void frz_online_compact_options_init(frz_online_compact_options *options)
{
  *options = (frz_online_compact_options){.struct_bytes = sizeof *options, .size_ratio = RATIO};
}

/* ---- runs ---- */

/* Spec and partition values; without those that follow from the event time where `of_keys`. Where
 * several specs have files, a key's rows may lie in any partition. */
static frz_status group_of(online_compaction *job, const frz_scan_task *task, bool several_specs,
                           bool of_keys, frz_str *group_out, frz_error *err)
{
  frz_buf text;
  frz_status st = FRZ_OK;
  frz_buf_init(&text, job->online->alloc, FRZ_LIMIT_PATH_BYTES);
  const frz_partition *partition = &task->entry->file.partition;
  for (size_t i = 0; i < task->spec->n_fields && !several_specs && st == FRZ_OK; i++) {
    const frz_partition_field *field = &task->spec->fields[i];
    if (of_keys && field->source_id == job->layout->event_ts_id) continue;
    if (i >= partition->n_values || partition->values[i].is_null)
      st = frz_buf_append(&text, "n", 1, err);
    else
      st = frz_buf_append(&text, "v", 1, err);
    if (st == FRZ_OK && i < partition->n_values && !partition->values[i].is_null)
      st = frz_literal_to_bytes(&partition->values[i], &text, err);
  }
  if (st == FRZ_OK) {
    *group_out = frz_arena_keep(&job->arena, frz_buf_str(&text));
    if (group_out->data == NULL) st = frz_fail_nomem(err, "files to join");
  }
  frz_buf_dispose(&text);
  return st;
}

/* By partition, then from the newest commit to the oldest. */
static int compare_files(const void *a, const void *b)
{
  const table_file *x = a, *y = b;
  int order = frz_str_compare(x->group, y->group);
  if (order != 0) return order;
  if (x->sequence != y->sequence) return x->sequence > y->sequence ? -1 : 1;
  return frz_str_compare(y->task->entry->file.path, x->task->entry->file.path);
}

/* By the file's statistics; INT64_MIN: they do not tell. */
static int64_t oldest_of(const online_compaction *job, const frz_data_file *file)
{
  frz_literal literal;
  const frz_type type = {.kind = FRZ_TYPE_TIMESTAMPTZ};
  for (size_t i = 0; i < file->n_lower_bounds; i++) {
    const frz_bound *bound = &file->lower_bounds[i];
    if (bound->field_id == job->layout->event_ts_id &&
        frz_literal_from_bytes(&type, bound->bytes, &literal, NULL) == FRZ_OK)
      return literal.as.i64;
  }
  return INT64_MIN;
}

static frz_status list_files(online_compaction *job, frz_error *err)
{
  const frz_scan_plan *plan = &job->scan.plan;
  bool several_specs = false;
  job->n_files = plan->n_tasks;
  job->files = frz_arena_array(&job->arena, job->n_files, sizeof *job->files);
  if (job->files == NULL) return frz_fail_nomem(err, "files to join");
  for (size_t i = 1; i < job->n_files; i++)
    several_specs |= plan->tasks[i].spec->spec_id != plan->tasks[0].spec->spec_id;
  for (size_t i = 0; i < job->n_files; i++) {
    table_file *file = &job->files[i];
    file->task = &plan->tasks[i];
    file->sequence = file->task->entry->data_sequence_number;
    file->oldest_us = oldest_of(job, &file->task->entry->file);
    FRZ_TRY(group_of(job, file->task, several_specs, true, &file->keys_group, err));
    file->group = file->keys_group;
    if (!job->options.all)
      FRZ_TRY(group_of(job, file->task, several_specs, false, &file->group, err));
  }
  if (job->n_files != 0) qsort(job->files, job->n_files, sizeof *job->files, compare_files);
  return FRZ_OK;
}

/** Neighbours that are, or are to become, one file. */
typedef struct file_run {
  size_t first, end;
  int64_t n_rows;
} file_run;

static int64_t rows_of(const table_file *file)
{
  int64_t n = file->task->entry->file.n_rows;
  return n > 0 ? n : 1;
}

/* Files of one commit stay together: of equal rows in two of them neither is the later. */
static size_t start_runs(const table_file *files, size_t n, file_run *runs)
{
  size_t n_runs = 0;
  for (size_t i = 0; i < n; i++) {
    if (i != 0 && files[i].sequence == files[i - 1].sequence) {
      runs[n_runs - 1].end++;
      runs[n_runs - 1].n_rows += rows_of(&files[i]);
    } else {
      runs[n_runs++] = (file_run){i, i + 1, rows_of(&files[i])};
    }
  }
  return n_runs;
}

/* The first `ratio` neighbours, or more, of like size. */
static bool find_like(const file_run *runs, size_t n, int64_t ratio, size_t *first_out,
                      size_t *end_out)
{
  for (size_t first = 0; first + (size_t)ratio <= n; first++) {
    int64_t least = runs[first].n_rows, most = least;
    size_t end = first;
    for (; end < n; end++) {
      int64_t low = runs[end].n_rows < least ? runs[end].n_rows : least;
      int64_t high = runs[end].n_rows > most ? runs[end].n_rows : most;
      if (high / ratio >= low) break;
      least = low;
      most = high;
    }
    if (end - first < (size_t)ratio) continue;
    *first_out = first;
    *end_out = end;
    return true;
  }
  return false;
}

/* Join until nothing is due: what was joined may be due again, and is then written once for both.
 */
static size_t join_runs(const online_compaction *job, file_run *runs, size_t n)
{
  size_t first, end;
  if (job->options.all && n > 1) {
    for (size_t i = 1; i < n; i++) runs[0].n_rows += runs[i].n_rows;
    runs[0].end = runs[n - 1].end;
    return 1;
  }
  while (find_like(runs, n, job->options.size_ratio, &first, &end)) {
    for (size_t i = first + 1; i < end; i++) runs[first].n_rows += runs[i].n_rows;
    runs[first].end = runs[end - 1].end;
    memmove(&runs[first + 1], &runs[end], (n - end) * sizeof *runs);
    n -= end - first - 1;
  }
  return n;
}

/* ---- first pass: winners ---- */

typedef struct run_state {
  const table_file *files; /* newest first */
  size_t n;
  int64_t dropped_us;   /* rows before it go */
  frz_map keys;         /* key to its place in `best` */
  frz_buf best;         /* best_row */
  frz_roaring **losers; /* of each file */
} run_state;

static frz_status lose(run_state *run, uint32_t file, int64_t position, frz_error *err)
{
  return frz_roaring_add(run->losers[file], position, err);
}

/* Files come from the newest to the oldest, rows from first to last: of equal rows in one file the
 * later wins, of equal rows in two the newer file's. */
static bool beats(const best_row *row, const best_row *held)
{
  if (row->event_us != held->event_us) return row->event_us > held->event_us;
  if (row->created_us != held->created_us) return row->created_us > held->created_us;
  return row->file == held->file;
}

static frz_status compete(run_state *run, frz_str key, const best_row *row, frz_error *err)
{
  uint64_t *place;
  bool is_new;
  if (row->event_us < run->dropped_us) return lose(run, row->file, row->position, err);
  FRZ_TRY(frz_map_insert(&run->keys, key, run->best.size / sizeof *row, &place, &is_new, err));
  if (is_new) return frz_buf_append(&run->best, row, sizeof *row, err);
  best_row *held = (best_row *)(void *)run->best.data + *place;
  if (!beats(row, held)) return lose(run, row->file, row->position, err);
  FRZ_TRY(lose(run, held->file, held->position, err));
  *held = *row;
  return FRZ_OK;
}

static frz_status offer_batch(run_state *run, uint32_t file, const frz_batch *batch,
                              const int64_t *positions, frz_error *err)
{
  const frz_column *keys = &batch->columns[FRZ_ONLINE_KEY_AT];
  const frz_column *events = &batch->columns[FRZ_ONLINE_EVENT_AT];
  const frz_column *created = &batch->columns[FRZ_ONLINE_CREATED_AT];
  for (int64_t i = 0; i < batch->n_rows; i++) {
    frz_str key = frz_column_bytes(keys, i);
    if (key.data == NULL) key.data = "";
    best_row row = {.event_us = ((const int64_t *)(const void *)events->values.data)[i],
                    .created_us = frz_column_is_null(created, i)
                                      ? INT64_MIN
                                      : ((const int64_t *)(const void *)created->values.data)[i],
                    .file = file,
                    .position = positions[i]};
    FRZ_TRY(compete(run, key, &row, err));
  }
  return FRZ_OK;
}

static frz_status find_winners(online_compaction *job, run_state *run, uint32_t file,
                               frz_error *err)
{
  frz_online *online = job->online;
  frz_file_reader *reader = NULL;
  frz_status st = FRZ_OK;
  FRZ_TRY(frz_file_reader_open(online->context, online->storage, &job->keys, run->files[file].task,
                               job->scan.deletes, NULL, &reader, err));
  for (bool ended = false; !ended && st == FRZ_OK;) {
    frz_batch batch = {0};
    const int64_t *positions;
    st = frz_context_poll(online->context, err);
    if (st == FRZ_OK) st = frz_file_reader_next(reader, &batch, &positions, err);
    if (st != FRZ_OK) break;
    ended = batch.n_rows == 0;
    job->result.n_rows_before += batch.n_rows;
    if (!ended) st = offer_batch(run, file, &batch, positions, err);
    frz_batch_dispose(&batch);
  }
  frz_file_reader_free(reader);
  return st;
}

/* ---- second pass: rows ---- */

static frz_status copy_rows(online_compaction *job, const run_state *run, uint32_t file,
                            frz_data_file_writer *writer, frz_error *err)
{
  frz_online *online = job->online;
  const frz_file_read_options options = {.left_out = run->losers[file]};
  frz_file_reader *reader = NULL;
  frz_status st = FRZ_OK;
  FRZ_TRY(frz_file_reader_open(online->context, online->storage, &job->rows, run->files[file].task,
                               job->scan.deletes, &options, &reader, err));
  for (bool ended = false; !ended && st == FRZ_OK;) {
    frz_batch batch = {0};
    st = frz_context_poll(online->context, err);
    if (st == FRZ_OK) st = frz_file_reader_next(reader, &batch, NULL, err);
    if (st != FRZ_OK) break;
    ended = batch.n_rows == 0;
    job->result.n_rows_after += batch.n_rows;
    if (!ended) st = frz_data_file_writer_write(writer, &batch, err);
    frz_batch_dispose(&batch);
  }
  frz_file_reader_free(reader);
  return st;
}

static frz_status open_writer(online_compaction *job, frz_data_file_writer **writer_out,
                              frz_error *err)
{
  frz_data_file_writer **grown = frz_arena_list_room(&job->arena, job->writers, job->n_writers,
                                                     &job->writers_capacity, sizeof *grown);
  if (grown == NULL) return frz_fail_nomem(err, "writers");
  job->writers = grown;
  FRZ_TRY(frz_table_open_writer(job->online->table, job->layout->metadata, writer_out, err));
  job->writers[job->n_writers++] = *writer_out;
  return frz_data_file_writer_add_lineage(*writer_out, err);
}

static frz_status note_added(online_compaction *job, const frz_data_file *files, size_t n,
                             int64_t sequence, frz_error *err)
{
  for (size_t i = 0; i < n; i++) {
    frz_data_file *list = frz_arena_list_room(&job->arena, job->added, job->n_added,
                                              &job->added_capacity, sizeof *list);
    if (list == NULL) return frz_fail_nomem(err, "written files");
    job->added = list;
    int64_t *sequences = frz_arena_list_room(&job->arena, job->added_sequences, job->n_added,
                                             &job->sequences_capacity, sizeof *sequences);
    if (sequences == NULL) return frz_fail_nomem(err, "written files");
    job->added_sequences = sequences;
    sequences[job->n_added] = sequence;
    list[job->n_added++] = files[i];
    job->result.n_files_after++;
    job->result.n_bytes_after += files[i].size_bytes;
  }
  return FRZ_OK;
}

static frz_status note_removed(online_compaction *job, const frz_data_file *file, frz_error *err)
{
  frz_data_file *list = frz_arena_list_room(&job->arena, job->removed, job->n_removed,
                                            &job->removed_capacity, sizeof *list);
  if (list == NULL) return frz_fail_nomem(err, "joined files");
  job->removed = list;
  list[job->n_removed++] = *file; /* the plan outlives the commit */
  job->result.n_files_before++;
  job->result.n_bytes_before += file->size_bytes;
  return FRZ_OK;
}

static frz_status write_run(online_compaction *job, run_state *run, frz_error *err)
{
  frz_data_file_writer *writer;
  const frz_data_file *files;
  size_t n_files;
  for (uint32_t i = 0; i < run->n; i++) FRZ_TRY(find_winners(job, run, i, err));
  FRZ_TRY(open_writer(job, &writer, err));
  for (uint32_t i = 0; i < run->n; i++) {
    FRZ_TRY(copy_rows(job, run, i, writer, err));
    FRZ_TRY(note_removed(job, &run->files[i].task->entry->file, err));
    job->n_done++;
    if (job->options.progress != NULL)
      job->options.progress(job->options.progress_ctx, job->n_done, (int64_t)job->n_files);
  }
  FRZ_TRY(frz_data_file_writer_finish(writer, &job->arena, &files, &n_files, err));
  return note_added(job, files, n_files, run->files[0].sequence, err);
}

/* Rows past their time to live go, but for those that a file outside of the run may hold an older
 * one for: it would be read as soon as the time to live is raised. */
static int64_t dropped_before(const online_compaction *job, const table_file *files, size_t n)
{
  int64_t before_us = job->expired_us;
  for (size_t i = 0; i < job->n_files; i++) {
    const table_file *other = &job->files[i];
    bool is_outside = other < files || other >= files + n;
    if (is_outside && frz_str_equal(other->keys_group, files->keys_group) &&
        other->oldest_us < before_us)
      before_us = other->oldest_us;
  }
  return before_us;
}

static frz_status join_run(online_compaction *job, const table_file *files, size_t n,
                           frz_error *err)
{
  const frz_alloc *alloc = job->online->alloc;
  run_state run = {.files = files, .n = n, .dropped_us = dropped_before(job, files, n)};
  frz_status st = FRZ_OK;
  frz_map_init(&run.keys, alloc, SIZE_MAX / 4);
  frz_buf_init(&run.best, alloc, SIZE_MAX / 4);
  run.losers = frz_alloc_zeroed(alloc, n * sizeof *run.losers);
  if (run.losers == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "files to join"));
  for (size_t i = 0; i < n; i++) FRZ_TRY_OUT(frz_roaring_create(alloc, &run.losers[i], err));
  FRZ_TRY_OUT(write_run(job, &run, err));
out:
  for (size_t i = 0; run.losers != NULL && i < n; i++) frz_roaring_free(run.losers[i]);
  frz_alloc_free(alloc, run.losers, n * sizeof *run.losers);
  frz_buf_dispose(&run.best);
  frz_map_dispose(&run.keys);
  return st;
}

/* ---- the commit ---- */

static frz_status commit(online_compaction *job, frz_error *err)
{
  static const frz_property properties[] = {{"frazil.compaction", "latest-per-key"}};
  const frz_conflict_rules rules = {.starting_snapshot_id = job->scan.snapshot->snapshot_id,
                                    .schema = job->layout->schema,
                                    .allow_new_rows = true,
                                    .allow_equality_deletes = true};
  const frz_snapshot_change change = {.operation = "overwrite",
                                      .added = job->added,
                                      .n_added = job->n_added,
                                      .removed = job->removed,
                                      .n_removed = job->n_removed,
                                      .added_sequence_number = -1,
                                      .added_sequence_numbers = job->added_sequences,
                                      .rules = &rules,
                                      .properties = properties,
                                      .n_properties = 1};
  for (size_t i = 0; i < job->n_writers; i++) frz_data_file_writer_keep(job->writers[i]);
  return frz_snapshot_commit(job->online->table, &change, &job->result.snapshot_id, err);
}

static frz_status join_group(online_compaction *job, const table_file *files, size_t n,
                             frz_error *err)
{
  file_run *runs = frz_arena_array(&job->arena, n, sizeof *runs);
  if (runs == NULL) return frz_fail_nomem(err, "files to join");
  size_t n_before = start_runs(files, n, runs);
  size_t n_runs = join_runs(job, runs, n_before);
  if (n_runs == n_before) return FRZ_OK;
  for (size_t i = 0; i < n_runs; i++) {
    bool is_one_commit = files[runs[i].first].sequence == files[runs[i].end - 1].sequence;
    if (!is_one_commit)
      FRZ_TRY(join_run(job, files + runs[i].first, runs[i].end - runs[i].first, err));
  }
  return FRZ_OK;
}

static frz_status join_files(online_compaction *job, frz_error *err)
{
  for (size_t start = 0, end; start < job->n_files; start = end) {
    end = start + 1;
    while (end < job->n_files && frz_str_equal(job->files[end].group, job->files[start].group))
      end++;
    FRZ_TRY(join_group(job, job->files + start, end - start, err));
  }
  return job->n_removed != 0 ? commit(job, err) : FRZ_OK;
}

static frz_status prepare(online_compaction *job, frz_error *err)
{
  frz_online *online = job->online;
  frz_table_metadata *m;
  FRZ_TRY(frz_table_refresh(online->table, NULL, err));
  FRZ_TRY(frz_online_layout_now(online, &job->layout, err));
  m = job->layout->metadata;
  if (m->format_version < 2)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "online table '%s': format version 1 has no sequence numbers: upgrade it to 2",
                    online->identifier);
  const char *const names[] = {job->layout->info.entity_key_column,
                               job->layout->info.event_ts_column,
                               job->layout->info.created_ts_column};
  FRZ_TRY(frz_projection_make(m, job->layout->schema, names, 3, true, NULL, BATCH_ROWS, &job->arena,
                              &job->keys, err));
  FRZ_TRY(frz_projection_make(m, job->layout->schema, NULL, 0, true, NULL, BATCH_ROWS, &job->arena,
                              &job->rows, err));
  FRZ_TRY(frz_projection_add_lineage(&job->rows, &job->arena, err));
  job->expired_us = INT64_MIN;
  if (online->options.key_ttl_us != 0)
    job->expired_us = frz_os_now_ms() * 1000 - online->options.key_ttl_us;
  return frz_online_scan_open(&job->scan, online->context, online->storage, job->layout, NULL, err);
}

/* A reader may be at work on the snapshot that was current min_snapshot_age_ms ago: it stays, and
 * those after it. So a snapshot's age counts from when another took its place. */
static int64_t kept_since_ms(const frz_table_metadata *m, int64_t before_ms)
{
  int64_t since_ms = INT64_MIN;
  for (size_t i = 0; i < m->n_snapshots; i++) {
    int64_t made_ms = m->snapshots[i].timestamp_ms;
    if (made_ms < before_ms && made_ms > since_ms) since_ms = made_ms;
  }
  return since_ms;
}

/* Old snapshots and metadata files, after a compaction: what it replaced can go later. */
static frz_status expire(frz_online *online, int64_t *n_out, frz_error *err)
{
  frz_table_metadata *m = frz_table_current(online->table);
  int64_t older_than_ms = kept_since_ms(m, frz_os_now_ms() - online->options.min_snapshot_age_ms);
  bool is_due = m->n_snapshots > 1 && m->snapshots[0].timestamp_ms < older_than_ms;
  bool has_property =
      frz_metadata_property(m, "write.metadata.delete-after-commit.enabled").data != NULL;
  frz_table_metadata_release(m);
  if (!has_property) {
    static const frz_property properties[] = {
        {"write.metadata.delete-after-commit.enabled", "true"},
        {"write.metadata.previous-versions-max", "20"}};
    FRZ_TRY(frz_table_set_properties(online->table, properties, 2, NULL, 0, err));
  }
  if (!is_due) return FRZ_OK;
  frz_expire_options options;
  frz_expire_result result = {0};
  frz_expire_options_init(&options);
  options.older_than_ms = older_than_ms;
  FRZ_TRY(frz_table_expire_snapshots(online->table, &options, &result, err));
  *n_out = result.n_snapshots;
  return FRZ_OK;
}

/* Files that were to be joined are gone: where others have changed the table meanwhile, that is the
 * conflict which the commit would have met. */
static frz_status conflict_or(const online_compaction *job, frz_status cause, frz_error *err)
{
  frz_error unused;
  frz_table *table = job->online->table;
  if (cause != FRZ_ERR_NOT_FOUND || job->scan.snapshot == NULL ||
      frz_table_refresh(table, NULL, &unused) != FRZ_OK)
    return cause;
  frz_table_metadata *m = frz_table_current(table);
  bool is_moved = m->current_snapshot_id != job->scan.snapshot->snapshot_id;
  frz_table_metadata_release(m);
  if (!is_moved) return cause;
  return frz_fail(err, FRZ_ERR_CONFLICT,
                  "online table '%s': files were joined or removed by others meanwhile",
                  job->online->identifier);
}

static frz_status compact(frz_online *online, const frz_online_compact_options *options,
                          frz_online_compact_result *result_out, frz_error *err)
{
  online_compaction job = {.online = online, .options = *options, .result = {.snapshot_id = -1}};
  frz_arena_init(&job.arena, online->alloc, FRZ_LIMIT_PLAN_BYTES);
  frz_status st = prepare(&job, err);
  if (st == FRZ_OK && job.scan.snapshot != NULL) st = list_files(&job, err);
  if (st == FRZ_OK && job.scan.snapshot != NULL) st = join_files(&job, err);
  st = conflict_or(&job, st, err);
  for (size_t i = 0; i < job.n_writers; i++) frz_data_file_writer_free(job.writers[i]);
  frz_online_scan_close(&job.scan);
  frz_online_layout_release(job.layout);
  frz_arena_free(&job.arena);
  if (st == FRZ_OK && !options->keep_snapshots)
    st = expire(online, &job.result.n_snapshots_expired, err);
  *result_out = job.result;
  return st;
}

frz_status frz_online_compact(frz_online *online, const frz_online_compact_options *options,
                              frz_online_compact_result *result_out, frz_error *err)
{
  if (online == NULL) return frz_fail(err, FRZ_ERR_INVALID, "frz_online_compact: online is NULL");
  frz_online_compact_options filled;
  frz_online_compact_result result;
  frz_online_compact_options_init(&filled);
  if (options != NULL) {
    if (options->struct_bytes == 0 || options->struct_bytes > sizeof filled)
      return frz_fail(err, FRZ_ERR_INVALID, "frz_online_compact_options: struct_bytes %zu",
                      options->struct_bytes);
    memcpy(&filled, options, options->struct_bytes);
  }
  if (filled.size_ratio < 2 || filled.size_ratio > RATIO_MAX)
    return frz_fail(err, FRZ_ERR_INVALID, "size_ratio %d: 2 to %d are allowed", filled.size_ratio,
                    RATIO_MAX);
  frz_online_enter(online);
  FRZ_TRY(compact(online, &filled, &result, err));
  if (result_out != NULL) *result_out = result;
  return FRZ_OK;
}

/* ---- behind ---- */

static void compact_behind(frz_online *online)
{
  frz_online_compact_options options;
  frz_online_compact_result result;
  frz_error error = {0};
  frz_online_compact_options_init(&options);
  frz_status st = compact(online, &options, &result, &error);
  /* Another process compacts the same files: it does what is to be done. */
  if (st != FRZ_OK && st != FRZ_ERR_CONFLICT)
    frz_context_log(online->context, FRZ_LOG_WARNING, "online table '%s': compaction: %s",
                    online->identifier, error.message);
}

static void *run_behind(void *arg)
{
  frz_online *online = arg;
  bool again = true;
  while (again) {
    compact_behind(online);
    pthread_mutex_lock(&online->lock);
    again = online->n_uncompacted >= COMMITS && !online->is_stopping;
    if (again) {
      online->n_uncompacted = 0;
    } else {
      online->is_compacting = false;
      online->n_jobs--;
    }
    pthread_cond_broadcast(&online->changed);
    pthread_mutex_unlock(&online->lock);
  }
  return NULL;
}

void frz_online_count_commit(frz_online *online)
{
  pthread_t thread;
  pthread_attr_t detached;
  if (!online->options.compact_automatically) return;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_mutex_lock(&online->lock);
  online->n_uncompacted++;
  /* Writers that are faster than compaction wait for it: files would grow in number otherwise. */
  while (online->is_compacting && online->n_uncompacted >= COMMITS)
    pthread_cond_wait(&online->changed, &online->lock);
  if (online->n_uncompacted >= COMMITS && !online->is_compacting && !online->is_stopping &&
      pthread_create(&thread, &detached, run_behind, online) == 0) {
    online->is_compacting = true;
    online->n_uncompacted = 0;
    online->n_jobs++;
  }
  pthread_mutex_unlock(&online->lock);
  pthread_attr_destroy(&detached);
}
