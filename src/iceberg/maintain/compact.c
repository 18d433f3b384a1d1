/*
 * compact.c - write files anew, of a better size, without the rows that deletes hide.
 *
 * Groups are read and written one after the other, and committed together: operation "replace". The
 * new files carry the data sequence number of the snapshot that was read, so that equality deletes
 * committed meanwhile go on applying to their rows. Deletes committed meanwhile that would not are
 * a conflict: those by position for a rewritten file, those by key in the partition of a spec that
 * rows left, and every one after version 1; so is a file's removal. In format version 3 rows keep
 * their ids.
 *
 * As with every write, each new file is sorted by the table's order. With a sort order of its own,
 * the rows of a group are sorted together, in memory. Where they do not fit, they become
 * several runs, each with files of its own: every file is sorted in itself, which is what its sort
 * order id says, and only their ranges overlap.
 *
 * Invariants: whatever was written before the first attempt to commit is removed on failure, and
 * nothing after it; the table's rows are the same before and after.
 */
#include <stdio.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "iceberg/maintain/compact_plan.h"
#include "iceberg/maintain/compact_sort.h"
#include "iceberg/maintain/maintain_job.h"
#include "iceberg/scan/metadata_columns.h"
#include "iceberg/write/table_write.h"

enum { BATCH_ROWS = 65536, SORT_SHARE = 4 };

typedef struct compaction {
  frz_table *table;
  frz_context *context;
  frz_storage *storage;
  frz_table_metadata *metadata; /* retained */
  const frz_snapshot *snapshot;
  frz_compact_options options;
  frz_arena arena;
  const frz_expr *filter;
  frz_sort_order sort_order;
  bool sorts;
  int32_t sort_order_id; /* of the table; -1: it has no such order */
  frz_compact_plan plan;
  frz_projection projection;
  frz_delete_cache *deletes;
  frz_data_file_writer **writers; /* all that were made: they own their files until the commit */
  size_t n_writers, writers_capacity;
  frz_data_file *added;
  size_t n_added, added_capacity;
  frz_data_file *removed;
  size_t n_removed, removed_capacity;
  frz_map rewritten; /* paths */
  frz_progress progress;
  frz_compact_result result;
} compaction;

/* ---- what to do ---- */

static frz_status choose_order(compaction *job, frz_error *err)
{
  const frz_table_metadata *m = job->metadata;
  frz_str text = frz_str_from(job->options.sort_order);
  job->sort_order_id = -1;
  if (text.data == NULL) return FRZ_OK;
  job->sorts = true;
  if (text.size == 0) {
    const frz_sort_order *own = frz_metadata_sort_order(m, m->default_sort_order_id);
    if (own == NULL || own->n_fields == 0)
      return frz_fail(err, FRZ_ERR_INVALID, "compact: the table has no sort order");
    job->sort_order = *own;
  } else {
    FRZ_TRY(frz_sort_order_from_text(text, frz_metadata_current_schema(m), &job->arena,
                                     &job->sort_order, err));
  }
  for (size_t i = 0; i < m->n_sort_orders && job->sort_order_id == -1; i++)
    if (frz_sort_order_same(&m->sort_orders[i], &job->sort_order))
      job->sort_order_id = m->sort_orders[i].order_id;
  return FRZ_OK;
}

static frz_status bind_filter(compaction *job, frz_error *err)
{
  frz_str text = frz_str_from(job->options.row_filter);
  if (text.data == NULL) return FRZ_OK;
  if (text.size > FRZ_LIMIT_FILTER_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "row_filter of %zu bytes: at most %zu are allowed",
                    text.size, FRZ_LIMIT_FILTER_BYTES);
  return frz_expr_parse(text, frz_metadata_current_schema(job->metadata), true, &job->arena,
                        &job->filter, err);
}

/* ---- writing ---- */

/* The table's metadata with another target size, for a writer. */
static frz_status with_target(const compaction *job, int64_t bytes, frz_table_metadata **out,
                              frz_error *err)
{
  char value[24];
  frz_text_pair pair = {FRZ_STR("write.target-file-size-bytes"), {value, 0}};
  pair.value.size = (size_t)snprintf(value, sizeof value, "%lld", (long long)bytes);
  const frz_metadata_update update = {
      .kind = FRZ_UPDATE_SET_PROPERTIES, .pairs = &pair, .n_pairs = 1};
  return frz_metadata_apply(job->metadata, (frz_str){0}, &update, 1,
                            frz_context_alloc(job->context), out, err);
}

static frz_status open_writer(compaction *job, int64_t file_bytes, frz_data_file_writer **out,
                              frz_error *err)
{
  frz_table_metadata *metadata;
  frz_data_file_writer **grown = frz_arena_list_room(&job->arena, job->writers, job->n_writers,
                                                     &job->writers_capacity, sizeof *grown);
  if (grown == NULL) return frz_fail_nomem(err, "writers");
  job->writers = grown;
  FRZ_TRY(with_target(job, file_bytes, &metadata, err));
  const frz_partition_spec *spec = frz_metadata_spec(metadata, metadata->default_spec_id);
  frz_data_file_writer *writer;
  frz_status st =
      frz_data_file_writer_create(job->context, job->storage, metadata,
                                  frz_metadata_current_schema(metadata), spec, &writer, err);
  frz_table_metadata_release(metadata); /* the writer holds it */
  FRZ_TRY(st);
  job->writers[job->n_writers++] = writer;
  *out = writer;
  if (job->sorts) FRZ_TRY(frz_data_file_writer_sort_by(writer, &job->sort_order, err));
  /* Rows of a sorting job come sorted, over more rows than the writer would hold. */
  if (job->sorts) FRZ_TRY(frz_data_file_writer_sort_by(writer, NULL, err));
  return frz_data_file_writer_add_lineage(writer, err);
}

static frz_status close_writer(compaction *job, frz_data_file_writer *writer, frz_error *err)
{
  const frz_data_file *files;
  size_t n_files;
  FRZ_TRY(frz_data_file_writer_finish(writer, &job->arena, &files, &n_files, err));
  for (size_t i = 0; i < n_files; i++) {
    frz_data_file *list = frz_arena_list_room(&job->arena, job->added, job->n_added,
                                              &job->added_capacity, sizeof *list);
    if (list == NULL) return frz_fail_nomem(err, "written files");
    job->added = list;
    list[job->n_added] = files[i];
    if (job->sorts) list[job->n_added].sort_order_id = job->sort_order_id;
    job->n_added++;
  }
  return FRZ_OK;
}

/* ---- one group ---- */

/* Where the rows of a group go: straight on, or through a sorter. */
typedef struct group_sink {
  compaction *job;
  const frz_compact_group *group;
  frz_data_file_writer *writer; /* NULL: none is open */
  frz_row_sorter sorter;
} group_sink;

static frz_status write_batch(void *arg, const frz_batch *batch, frz_error *err)
{
  group_sink *sink = arg;
  FRZ_TRY(frz_context_poll(sink->job->context, err));
  if (sink->writer == NULL)
    FRZ_TRY(open_writer(sink->job, sink->group->output_file_bytes, &sink->writer, err));
  return frz_data_file_writer_write(sink->writer, batch, err);
}

static frz_status end_files(group_sink *sink, frz_error *err)
{
  frz_data_file_writer *writer = sink->writer;
  sink->writer = NULL;
  return writer != NULL ? close_writer(sink->job, writer, err) : FRZ_OK;
}

static frz_status end_run(group_sink *sink, frz_error *err)
{
  if (!sink->job->sorts) return end_files(sink, err);
  FRZ_TRY(frz_row_sorter_drain(&sink->sorter, write_batch, sink, err));
  return end_files(sink, err);
}

static frz_status take_batch(group_sink *sink, const frz_batch *batch, frz_error *err)
{
  if (!sink->job->sorts) return write_batch(sink, batch, err);
  int64_t limit = frz_context_memory_limit(sink->job->context) / SORT_SHARE;
  FRZ_TRY(frz_row_sorter_add(&sink->sorter, batch, err));
  return (int64_t)sink->sorter.held_bytes < limit ? FRZ_OK : end_run(sink, err);
}

static frz_status read_file(group_sink *sink, const frz_scan_task *task, frz_error *err)
{
  compaction *job = sink->job;
  frz_file_reader *reader = NULL;
  frz_status st = FRZ_OK;
  FRZ_TRY(frz_file_reader_open(job->context, job->storage, &job->projection, task, job->deletes,
                               NULL, &reader, err));
  for (bool ended = false; !ended;) {
    frz_batch batch = {0};
    FRZ_TRY_OUT(frz_context_poll(job->context, err));
    FRZ_TRY_OUT(frz_file_reader_next(reader, &batch, NULL, err));
    ended = batch.n_rows == 0;
    job->result.n_rows += batch.n_rows;
    if (!ended) st = take_batch(sink, &batch, err);
    frz_batch_dispose(&batch);
    if (st != FRZ_OK) goto out;
  }
out:
  frz_file_reader_free(reader);
  return st;
}

static frz_status note_removed(compaction *job, const frz_data_file *file, frz_error *err)
{
  frz_data_file *list = frz_arena_list_room(&job->arena, job->removed, job->n_removed,
                                            &job->removed_capacity, sizeof *list);
  if (list == NULL) return frz_fail_nomem(err, "rewritten files");
  job->removed = list;
  list[job->n_removed++] = *file; /* the plan outlives the commit */
  return FRZ_OK;
}

static frz_status write_group(compaction *job, const frz_compact_group *group, frz_error *err)
{
  group_sink sink = {.job = job, .group = group};
  frz_status st = FRZ_OK;
  if (job->sorts)
    FRZ_TRY_OUT(frz_row_sorter_init(&sink.sorter, frz_context_alloc(job->context),
                                    job->projection.schema, &job->sort_order,
                                    job->projection.arrow_fields, job->projection.n_fields, err));
  for (size_t i = 0; i < group->n_tasks; i++) {
    const frz_data_file *file = &group->tasks[i]->entry->file;
    FRZ_TRY_OUT(read_file(&sink, group->tasks[i], err));
    FRZ_TRY_OUT(note_removed(job, file, err));
    FRZ_TRY_OUT(frz_map_insert(&job->rewritten, file->path, 0, NULL, NULL, err));
    job->result.n_files_before++;
    job->result.n_bytes_before += file->size_bytes;
    frz_progress_add(&job->progress, 1);
  }
  FRZ_TRY_OUT(end_run(&sink, err));
out:
  frz_row_sorter_dispose(&sink.sorter);
  return st;
}

/* ---- the commit ---- */

static frz_status drop_idle_deletes(compaction *job, frz_error *err)
{
  const frz_data_file *files;
  size_t n_files;
  FRZ_TRY(frz_compact_find_deletes(job->context, job->storage, job->metadata, job->snapshot,
                                   &job->rewritten, &job->arena, &files, &n_files, err));
  for (size_t i = 0; i < n_files; i++) FRZ_TRY(note_removed(job, &files[i], err));
  job->result.n_delete_files_removed = (int64_t)n_files;
  return FRZ_OK;
}

static frz_status commit(compaction *job, frz_error *err)
{
  bool has_sequences = job->metadata->format_version >= 2;
  const frz_conflict_rules rules = {.starting_snapshot_id = job->snapshot->snapshot_id,
                                    .schema = frz_metadata_current_schema(job->metadata),
                                    .filter = job->filter,
                                    .allow_new_rows = true,
                                    .allow_equality_deletes = has_sequences};
  const frz_snapshot_change change = {.operation = "replace",
                                      .added = job->added,
                                      .n_added = job->n_added,
                                      .removed = job->removed,
                                      .n_removed = job->n_removed,
                                      .added_sequence_number =
                                          has_sequences ? job->snapshot->sequence_number : -1,
                                      .rules = &rules,
                                      .properties = job->options.snapshot_properties,
                                      .n_properties = job->options.n_snapshot_properties};
  for (size_t i = 0; i < job->n_writers; i++) frz_data_file_writer_keep(job->writers[i]);
  FRZ_TRY(frz_snapshot_commit(job->table, &change, &job->result.snapshot_id, err));
  job->result.n_files_after = (int64_t)job->n_added;
  for (size_t i = 0; i < job->n_added; i++) job->result.n_bytes_after += job->added[i].size_bytes;
  return FRZ_OK;
}

static frz_status run(compaction *job, frz_error *err)
{
  const frz_schema *schema = frz_metadata_current_schema(job->metadata);
  FRZ_TRY(frz_table_check_commits(job->table, err));
  FRZ_TRY(frz_table_check_writable(job->metadata, err));
  FRZ_TRY(frz_compact_options_resolve(&job->options, job->metadata, err));
  FRZ_TRY(bind_filter(job, err));
  FRZ_TRY(choose_order(job, err));
  job->snapshot = frz_metadata_snapshot(job->metadata, job->metadata->current_snapshot_id);
  if (job->snapshot == NULL) return FRZ_OK;
  FRZ_TRY(frz_compact_plan_make(job->context, job->storage, job->metadata, job->snapshot, schema,
                                job->filter, &job->options, &job->arena, &job->plan, err));
  if (job->plan.n_groups == 0) return FRZ_OK;
  job->progress.n_total = (int64_t)job->plan.n_files;
  FRZ_TRY(frz_projection_make(job->metadata, schema, NULL, 0, true, NULL, BATCH_ROWS, &job->arena,
                              &job->projection, err));
  FRZ_TRY(frz_projection_add_lineage(&job->projection, &job->arena, err));
  FRZ_TRY(frz_delete_cache_create(job->context, job->storage, job->metadata, schema, &job->deletes,
                                  err));
  for (size_t i = 0; i < job->plan.n_groups; i++)
    FRZ_TRY(write_group(job, &job->plan.groups[i], err));
  FRZ_TRY(drop_idle_deletes(job, err));
  return commit(job, err);
}

frz_status frz_table_compact(frz_table *table, const frz_compact_options *options,
                             frz_compact_result *result_out, frz_error *err)
{
  if (table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "table is NULL");
  compaction job = {.table = table,
                    .context = frz_table_context(table),
                    .storage = frz_table_storage(table),
                    .result = {.snapshot_id = -1}};
  const frz_alloc *alloc = frz_context_alloc(job.context);
  frz_compact_options_init(&job.options);
  FRZ_TRY(
      frz_maintain_options("frz_compact_options", options, &job.options, sizeof job.options, err));
  job.progress = (frz_progress){.callback = job.options.progress, .ctx = job.options.progress_ctx};
  job.metadata = frz_table_current(table);
  frz_arena_init(&job.arena, alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  frz_map_init(&job.rewritten, alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  frz_status st = run(&job, err);
  for (size_t i = 0; i < job.n_writers; i++) frz_data_file_writer_free(job.writers[i]);
  frz_delete_cache_free(job.deletes);
  frz_compact_plan_dispose(&job.plan);
  frz_map_dispose(&job.rewritten);
  frz_arena_free(&job.arena);
  frz_table_metadata_release(job.metadata);
  if (st == FRZ_OK && result_out != NULL) *result_out = job.result;
  return st;
}
