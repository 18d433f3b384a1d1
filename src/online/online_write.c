/*
 * online_write.c - rows of concurrent writers in one commit.
 *
 * A writer reads its rows into memory, in the shape of the table, and joins the queue. Whoever gets
 * the commit lock commits all that wait; the others find theirs done. On success the rows go into
 * the index before any of the writers returns: a process reads its own writes.
 *
 * Whatever happens to a commit that was tried, no file is deleted: a lost answer may have been a
 * success.
 */
#include "arrow/arrow_stream.h"
#include "base/limits.h"
#include "base/os.h"
#include "iceberg/write/input_conform.h"
#include "iceberg/write/table_write.h"
#include "online/online_scan.h"
#include "online/online_state.h"

/** Rows of one writer that wait for a commit. On the writer's stack. */
struct frz_pending_write {
  frz_batch *batches;
  size_t n_batches, capacity;
  int64_t n_rows;
  int32_t schema_id;
  bool is_done;
  frz_status status;
  frz_error error;
  int64_t snapshot_id;
  frz_pending_write *next;
};

static void dispose_rows(frz_pending_write *write, const frz_alloc *alloc)
{
  for (size_t i = 0; i < write->n_batches; i++) frz_batch_dispose(&write->batches[i]);
  frz_alloc_free(alloc, write->batches, write->capacity * sizeof *write->batches);
  write->batches = NULL;
  write->n_batches = write->capacity = 0;
}

static frz_status keep_batch(frz_pending_write *write, frz_batch *batch, const frz_alloc *alloc,
                             frz_error *err)
{
  if (write->n_batches == write->capacity) {
    size_t wanted = write->capacity == 0 ? 4 : write->capacity * 2;
    frz_batch *grown = alloc->resize(alloc->ctx, write->batches, write->capacity * sizeof *grown,
                                     wanted * sizeof *grown);
    if (grown == NULL) return frz_fail_nomem(err, "rows to write");
    write->batches = grown;
    write->capacity = wanted;
  }
  write->batches[write->n_batches++] = *batch;
  write->n_rows += batch->n_rows;
  *batch = (frz_batch){0};
  return FRZ_OK;
}

/* The whole stream, conformed to the schema. */
static frz_status read_stream(frz_online *online, const frz_schema *schema,
                              struct ArrowArrayStream *data, frz_pending_write *write,
                              frz_error *err)
{
  const frz_conform_options options = {.truncate_nanoseconds = true};
  frz_conform *conform = NULL;
  frz_stream_reader reader = {0};
  frz_status st = FRZ_OK;
  FRZ_TRY(frz_stream_reader_open(&reader, data, online->alloc, err));
  FRZ_TRY_OUT(frz_conform_create(schema, reader.fields, reader.n_fields, &options, online->alloc,
                                 &conform, err));
  for (bool ended = false; !ended && st == FRZ_OK;) {
    frz_batch batch = {0}, shaped = {0};
    FRZ_TRY_OUT(frz_context_poll(online->context, err));
    FRZ_TRY_OUT(frz_stream_reader_next(&reader, &batch, err));
    ended = batch.n_rows == 0;
    if (!ended) st = frz_conform_batch(conform, &batch, &shaped, err);
    if (st == FRZ_OK && !ended) st = keep_batch(write, &shaped, online->alloc, err);
    frz_batch_dispose(&batch);
    frz_batch_dispose(&shaped);
  }
out:
  frz_conform_free(conform);
  frz_stream_reader_dispose(&reader);
  return st;
}

/* ---- the commit ---- */

typedef struct group_commit {
  frz_online *online;
  frz_online_layout *layout; /* of the schema that the rows were conformed to */
  frz_pending_write *first;
  frz_segment_builder *builder;
  frz_data_file_writer *writer;
  frz_arena arena;
  int64_t n_rows;
  int64_t snapshot_id;
} group_commit;

/* Where each of the layout's columns lies among the schema's: batches have all of them. */
static const frz_column *column_of(const group_commit *group, const frz_batch *batch,
                                   int32_t field_id)
{
  const frz_type *root = &group->layout->schema->root;
  for (size_t i = 0; i < root->n_fields; i++)
    if (root->fields[i].id == field_id) return &batch->columns[i];
  return NULL;
}

static frz_status index_batch(group_commit *group, const frz_batch *batch, int64_t first_row,
                              const frz_column **columns, frz_error *err)
{
  const frz_online_layout *layout = group->layout;
  for (size_t i = 0; i < layout->info.n_features; i++)
    columns[i] = column_of(group, batch, layout->stored[i].field_id);
  const frz_segment_rows rows = {.keys = column_of(group, batch, layout->entity_key_id),
                                 .event_times = column_of(group, batch, layout->event_ts_id),
                                 .created_times = column_of(group, batch, layout->created_ts_id),
                                 .columns = columns,
                                 .n_rows = batch->n_rows,
                                 .first_row = first_row};
  return frz_segment_builder_add(group->builder, 0, &rows, err);
}

static frz_status write_rows(group_commit *group, frz_error *err)
{
  const frz_column **columns =
      frz_arena_array(&group->arena, group->layout->info.n_features, sizeof *columns);
  if (columns == NULL) return frz_fail_nomem(err, "rows to write");
  for (frz_pending_write *write = group->first; write != NULL; write = write->next) {
    for (size_t i = 0; i < write->n_batches; i++) {
      FRZ_TRY(frz_data_file_writer_write(group->writer, &write->batches[i], err));
      FRZ_TRY(index_batch(group, &write->batches[i], group->n_rows, columns, err));
      group->n_rows += write->batches[i].n_rows;
    }
  }
  return FRZ_OK;
}

static frz_status publish(group_commit *group, const frz_snapshot_change *change, frz_error *err)
{
  frz_table_metadata *m = frz_table_current(group->online->table);
  const frz_snapshot *snapshot = frz_metadata_snapshot(m, group->snapshot_id);
  frz_status st = FRZ_OK;
  if (snapshot != NULL) {
    const frz_own_commit commit = {.snapshot_id = snapshot->snapshot_id,
                                   .parent_id = snapshot->parent_id,
                                   .sequence = snapshot->sequence_number,
                                   .files = change->added,
                                   .n_files = change->n_added,
                                   .rows = group->builder};
    st = frz_online_publish_commit(group->online, &commit, err);
  }
  frz_table_metadata_release(m);
  return st;
}

/* Does the table's newest version, which the handle shows from here on, still have the uuid? */
static frz_status see_newest(frz_online *online, const frz_online_layout *layout, bool *same_out,
                             frz_error *err)
{
  FRZ_TRY(frz_table_refresh(online->table, NULL, err));
  frz_table_metadata *m = frz_table_current(online->table);
  *same_out = frz_str_equal(m->table_uuid, layout->metadata->table_uuid);
  frz_table_metadata_release(m);
  return FRZ_OK;
}

/* A commit builds on the newest version: the snapshot of one that was seen long ago may have
 * expired, and its manifests with it. The commit itself waits and tries again as the table's
 * properties say; where those end before commit_timeout_ms, it is tried anew. */
static frz_status commit_files(frz_online *online, const frz_online_layout *layout,
                               const frz_snapshot_change *change, int64_t *snapshot_id_out,
                               frz_error *err)
{
  int64_t deadline_us = frz_os_monotonic_us() + online->options.commit_timeout_ms * 1000;
  for (;;) {
    bool same;
    FRZ_TRY(see_newest(online, layout, &same, err));
    if (!same)
      return frz_fail(err, FRZ_ERR_NOT_FOUND, "online table '%s' was replaced by another",
                      online->identifier);
    frz_status st = frz_snapshot_commit(online->table, change, snapshot_id_out, err);
    bool may_retry = st == FRZ_ERR_CONFLICT || st == FRZ_ERR_NOT_FOUND;
    if (!may_retry || frz_os_monotonic_us() >= deadline_us) return st;
  }
}

/* Reads wait for the next look from here on. */
static void forget_freshness(frz_online *online)
{
  pthread_mutex_lock(&online->lock);
  online->checked_us = 0;
  pthread_mutex_unlock(&online->lock);
}

frz_status frz_online_commit_files(frz_online *online, const frz_online_layout *layout,
                                   const frz_data_file *files, size_t n_files, int64_t n_rows,
                                   int64_t *snapshot_id_out, frz_error *err)
{
  const frz_snapshot_change change = {
      .operation = "append", .added = files, .n_added = n_files, .added_sequence_number = -1};
  pthread_mutex_lock(&online->commit_lock);
  frz_status st = commit_files(online, layout, &change, snapshot_id_out, err);
  pthread_mutex_unlock(&online->commit_lock);
  if (st != FRZ_OK) return st;
  atomic_fetch_add(&online->n_commits, 1);
  atomic_fetch_add(&online->n_rows_written, n_rows);
  frz_error error = {0};
  if (frz_online_look(online, false, NULL, &error) != FRZ_OK) {
    /* The rows are in the table: reads wait for a look that sees them. */
    forget_freshness(online);
    frz_context_log(online->context, FRZ_LOG_WARNING, "online table '%s': %s", online->identifier,
                    error.message);
  }
  frz_online_count_commit(online);
  return FRZ_OK;
}

static frz_status commit_once(group_commit *group, frz_error *err)
{
  frz_online *online = group->online;
  frz_table_metadata *m = group->layout->metadata;
  frz_snapshot_change change = {.operation = "append", .added_sequence_number = -1};
  FRZ_TRY(frz_online_builder_create(online->context, group->layout, 0, &group->builder, err));
  FRZ_TRY(frz_table_open_writer(online->table, m, &group->writer, err));
  FRZ_TRY(write_rows(group, err));
  FRZ_TRY(frz_data_file_writer_finish(group->writer, &group->arena, &change.added, &change.n_added,
                                      err));
  if (change.n_added == 0) return FRZ_OK;
  frz_data_file_writer_keep(group->writer);
  FRZ_TRY(commit_files(online, group->layout, &change, &group->snapshot_id, err));
  atomic_fetch_add(&online->n_commits, 1);
  atomic_fetch_add(&online->n_rows_written, group->n_rows);
  frz_error error = {0};
  if (publish(group, &change, &error) != FRZ_OK) {
    /* The rows are in the table: the next look takes them in. */
    frz_context_log(online->context, FRZ_LOG_WARNING, "online table '%s': %s", online->identifier,
                    error.message);
    forget_freshness(online);
  }
  frz_online_count_commit(online);
  return FRZ_OK;
}

/* Commit the writes of the list, all of one schema. */
static void commit_group(frz_online *online, frz_online_layout *layout, frz_pending_write *first)
{
  frz_error error = {0};
  group_commit group = {.online = online, .layout = layout, .first = first, .snapshot_id = -1};
  frz_arena_init(&group.arena, online->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_status st = commit_once(&group, &error);
  frz_data_file_writer_free(group.writer);
  frz_segment_builder_free(group.builder);
  frz_arena_free(&group.arena);
  pthread_mutex_lock(&online->lock);
  for (frz_pending_write *write = first; write != NULL; write = write->next) {
    write->status = st;
    write->error = error;
    write->snapshot_id = group.snapshot_id;
    write->is_done = true;
  }
  pthread_mutex_unlock(&online->lock);
}

/* Take the pending writes of one schema off the queue. */
static frz_pending_write *take_group(frz_online *online, int32_t schema_id)
{
  frz_pending_write *group = NULL, **end = &group;
  pthread_mutex_lock(&online->lock);
  for (frz_pending_write **link = &online->pending; *link != NULL;) {
    frz_pending_write *write = *link;
    if (write->schema_id != schema_id) {
      link = &write->next;
      continue;
    }
    *link = write->next;
    write->next = NULL;
    *end = write;
    end = &write->next;
  }
  pthread_mutex_unlock(&online->lock);
  return group;
}

static void enqueue(frz_online *online, frz_pending_write *write)
{
  pthread_mutex_lock(&online->lock);
  frz_pending_write **end = &online->pending;
  while (*end != NULL) end = &(*end)->next;
  *end = write;
  pthread_mutex_unlock(&online->lock);
}

static frz_status write_through(frz_online *online, struct ArrowArrayStream *data,
                                frz_pending_write *write, frz_error *err)
{
  frz_online_layout *layout;
  FRZ_TRY(frz_online_layout_now(online, &layout, err));
  write->schema_id = layout->schema_id;
  frz_status st = read_stream(online, layout->schema, data, write, err);
  if (st != FRZ_OK || write->n_rows == 0) {
    frz_online_layout_release(layout);
    return st;
  }
  enqueue(online, write);
  pthread_mutex_lock(&online->commit_lock);
  if (!write->is_done) commit_group(online, layout, take_group(online, write->schema_id));
  pthread_mutex_unlock(&online->commit_lock);
  frz_online_layout_release(layout);
  if (write->status != FRZ_OK && err != NULL) *err = write->error;
  return write->status;
}

frz_status frz_online_write(frz_online *online, struct ArrowArrayStream *data,
                            frz_online_write_result *result_out, frz_error *err)
{
  if (data == NULL) return frz_fail(err, FRZ_ERR_INVALID, "frz_online_write: data is NULL");
  frz_pending_write write = {.snapshot_id = -1};
  frz_status st = FRZ_OK;
  if (online == NULL) {
    st = frz_fail(err, FRZ_ERR_INVALID, "frz_online_write: online is NULL");
  } else {
    frz_online_enter(online);
    st = write_through(online, data, &write, err);
    dispose_rows(&write, online->alloc);
  }
  if (data->release != NULL) data->release(data); /* not taken yet where it failed early */
  if (st == FRZ_OK && result_out != NULL)
    *result_out = (frz_online_write_result){write.snapshot_id, write.n_rows};
  return st;
}
