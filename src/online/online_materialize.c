/*
 * online_materialize.c - from an offline table's latest rows to one commit of the online table.
 *
 * Rows stream: batches of winners get their entity key and the online table's column names, are
 * conformed to its schema and written, while the next are fetched. Nothing but two batches and the
 * writer's buffers is held.
 */
#include <assert.h>

#include "base/limits.h"
#include "base/os.h"
#include "frazil/materialize.h"
#include "iceberg/write/input_conform.h"
#include "iceberg/write/table_write.h"
#include "online/entity_key.h"
#include "online/online_state.h"
#include "pit/latest_rows.h"

enum { PROGRESS_INTERVAL_US = 100000 };

typedef struct materialization {
  frz_online *online;
  const frz_online_materialize_options *options;
  frz_online_layout *layout;
  frz_arena arena;
  const char **source_columns; /* join keys, event time, perhaps created time, features */
  size_t n_columns, event_at, features_at;
  frz_latest_rows *latest;
  frz_arrow_field *fields; /* the entity key, then the source's under the online table's names */
  frz_conform *conform;
  frz_data_file_writer *writer;
  int64_t n_rows;
  frz_materialize_progress told;
  int64_t next_us; /* when to tell again */
} materialization;

void frz_online_materialize_options_init(frz_online_materialize_options *options)
{
  *options = (frz_online_materialize_options){
      .struct_bytes = sizeof *options, .start_us = INT64_MIN, .end_us = INT64_MAX};
}

/* ---- progress ---- */

static frz_status tell(materialization *job, bool now, frz_error *err)
{
  const frz_online_materialize_options *options = job->options;
  int64_t now_us = frz_os_monotonic_us();
  if (options->progress == NULL || (!now && now_us < job->next_us)) return FRZ_OK;
  job->next_us = now_us + PROGRESS_INTERVAL_US;
  job->told.keys_written = job->n_rows;
  if (options->progress(options->progress_ctx, &job->told)) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CANCELLED, "cancelled");
}

static bool rows_read(void *ctx, int64_t rows_done, int64_t rows_total)
{
  materialization *job = ctx;
  job->told.rows_read = rows_done;
  job->told.rows_total = rows_total;
  return tell(job, true, NULL) == FRZ_OK;
}

/* ---- columns ---- */

/* The source's name of a join key or feature. */
static const char *source_of(const frz_join_key *pairs, size_t n, const char *name)
{
  for (size_t i = 0; i < n; i++)
    if (pairs[i].entity_column != NULL && pairs[i].table_column != NULL &&
        strcmp(pairs[i].entity_column, name) == 0)
      return pairs[i].table_column;
  return name;
}

static frz_status choose_columns(materialization *job, frz_error *err)
{
  const frz_online_info *info = &job->layout->info;
  const frz_online_materialize_options *options = job->options;
  size_t n = info->n_join_keys + 2 + info->n_features, at = 0;
  job->source_columns = frz_arena_array(&job->arena, n, sizeof *job->source_columns);
  if (job->source_columns == NULL) return frz_fail_nomem(err, "materialization");
  for (size_t i = 0; i < info->n_join_keys; i++)
    job->source_columns[at++] =
        source_of(options->join_keys, options->n_join_keys, info->join_keys[i].name);
  job->event_at = at;
  job->source_columns[at++] = options->timestamp_field;
  if (options->created_timestamp_field != NULL)
    job->source_columns[at++] = options->created_timestamp_field;
  job->features_at = at;
  for (size_t i = 0; i < info->n_features; i++)
    job->source_columns[at++] =
        source_of(options->features, options->n_features, info->features[i].name);
  job->n_columns = at;
  return FRZ_OK;
}

static frz_status open_source(materialization *job, frz_table *source, frz_error *err)
{
  const frz_online_materialize_options *options = job->options;
  frz_latest_options latest;
  frz_latest_options_init(&latest);
  latest.scan = options->scan;
  latest.key_columns = job->source_columns;
  latest.n_key_columns = job->layout->info.n_join_keys;
  latest.timestamp_field = options->timestamp_field;
  latest.created_timestamp_field = options->created_timestamp_field;
  latest.start_us = options->start_us;
  latest.end_us = options->end_us;
  latest.columns = job->source_columns;
  latest.n_columns = job->n_columns;
  latest.progress = rows_read;
  latest.progress_ctx = job;
  return frz_latest_rows_open(source, &latest, &job->latest, err);
}

static const char *online_name(const materialization *job, size_t column)
{
  const frz_online_info *info = &job->layout->info;
  if (column < info->n_join_keys) return info->join_keys[column].column;
  if (column == job->event_at) return info->event_ts_column;
  if (column < job->features_at) return info->created_ts_column;
  return info->features[column - job->features_at].column;
}

/* Times without a zone are UTC. */
static frz_status zone_field(frz_arena *arena, frz_arrow_field *field, frz_error *err)
{
  if (field->type.kind == FRZ_ARROW_TIMESTAMP) field->type.has_zone = true;
  if (field->n_children == 0) return FRZ_OK;
  frz_arrow_field *children = frz_arena_array(arena, field->n_children, sizeof *children);
  if (children == NULL) return frz_fail_nomem(err, "materialization");
  memcpy(children, field->children, field->n_children * sizeof *children);
  field->children = children;
  for (size_t i = 0; i < field->n_children; i++) FRZ_TRY(zone_field(arena, &children[i], err));
  return FRZ_OK;
}

static void zone_column(frz_column *column, const frz_arrow_field *field)
{
  column->type = field->type;
  for (size_t i = 0; i < field->n_children; i++)
    zone_column(&column->children[i], &field->children[i]);
}

static frz_status rename_fields(materialization *job, frz_error *err)
{
  const frz_online_info *info = &job->layout->info;
  size_t n_source_fields;
  const frz_arrow_field *source_fields = frz_latest_rows_fields(job->latest, &n_source_fields);
  assert(n_source_fields == job->n_columns);
  job->fields = frz_arena_array(&job->arena, job->n_columns + 1, sizeof *job->fields);
  if (job->fields == NULL) return frz_fail_nomem(err, "materialization");
  job->fields[0] = (frz_arrow_field){.name = frz_str_from(info->entity_key_column),
                                     .field_id = -1,
                                     .type = {.kind = FRZ_ARROW_BINARY}};
  for (size_t c = 0; c < job->n_columns; c++) {
    frz_arrow_field *field = &job->fields[c + 1];
    *field = source_fields[c];
    field->name = frz_str_from(online_name(job, c));
    field->field_id = -1;
    FRZ_TRY(zone_field(&job->arena, field, err));
    if (c >= job->features_at && info->features[c - job->features_at].kind == FRZ_VALUE_SERIALIZED)
      return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                      "feature '%s' is stored as a serialized value, which is not made here",
                      info->features[c - job->features_at].name);
  }
  const frz_conform_options options = {.truncate_nanoseconds = true};
  return frz_conform_create(job->layout->schema, job->fields, job->n_columns + 1, &options,
                            job->online->alloc, &job->conform, err);
}

/* ---- rows ---- */

/* Rows whose join keys and event time are there. */
static frz_status drop_nulls(materialization *job, frz_batch *batch, frz_error *err)
{
  bool has_nulls = false;
  for (size_t c = 0; c <= job->event_at; c++) has_nulls |= batch->columns[c].n_nulls != 0;
  if (!has_nulls) return FRZ_OK;
  frz_buf rows;
  frz_buf_init(&rows, job->online->alloc, SIZE_MAX / 4);
  frz_status st = FRZ_OK;
  for (int64_t row = 0; row < batch->n_rows && st == FRZ_OK; row++) {
    bool whole = true;
    for (size_t c = 0; c <= job->event_at; c++)
      whole = whole && !frz_column_is_null(&batch->columns[c], row);
    if (whole) st = frz_buf_append(&rows, &row, sizeof row, err);
  }
  if (st == FRZ_OK)
    st = frz_batch_filter(batch, (const int64_t *)(const void *)rows.data,
                          (int64_t)(rows.size / sizeof(int64_t)), err);
  frz_buf_dispose(&rows);
  return st;
}

/* The entity key in front of the batch's columns, which move. */
static frz_status add_keys(materialization *job, frz_batch *batch, frz_batch *keyed, frz_error *err)
{
  FRZ_TRY(frz_batch_init(keyed, job->fields, job->n_columns + 1, job->online->alloc, err));
  FRZ_TRY(frz_entity_key_rows(&job->layout->info, batch->columns, batch->n_rows, &keyed->columns[0],
                              err));
  for (size_t c = 0; c < job->n_columns; c++) {
    frz_column_dispose(&keyed->columns[c + 1]);
    keyed->columns[c + 1] = batch->columns[c];
    batch->columns[c] = (frz_column){0};
    zone_column(&keyed->columns[c + 1], &job->fields[c + 1]);
  }
  keyed->n_rows = batch->n_rows;
  return FRZ_OK;
}

static frz_status write_batch(materialization *job, frz_batch *batch, frz_error *err)
{
  frz_batch keyed = {0}, shaped = {0};
  FRZ_TRY(drop_nulls(job, batch, err));
  if (batch->n_rows == 0) return FRZ_OK;
  frz_status st = add_keys(job, batch, &keyed, err);
  if (st == FRZ_OK) st = frz_conform_batch(job->conform, &keyed, &shaped, err);
  if (st == FRZ_OK) st = frz_data_file_writer_write(job->writer, &shaped, err);
  job->n_rows += shaped.n_rows;
  frz_batch_dispose(&keyed);
  frz_batch_dispose(&shaped);
  return st;
}

/* A batch that is written while the next is fetched. */
typedef struct overlap {
  materialization *job;
  frz_batch *batch, *next;
} overlap;

/* The fetch first: the calling thread mostly begins with it, and a thread of the pool, which has
 * the other half, then helps with the fetch. The calling thread could only wait. */
static frz_status run_half(void *arg, size_t half, frz_error *err)
{
  const overlap *self = arg;
  if (half == 0) return frz_latest_rows_next(self->job->latest, self->next, err);
  return write_batch(self->job, self->batch, err);
}

static frz_status write_and_fetch(materialization *job, frz_batch *batch, frz_batch *next,
                                  frz_error *err)
{
  overlap halves = {job, batch, next};
  FRZ_TRY(frz_context_poll(job->online->context, err));
  if (frz_latest_rows_are_found(job->latest))
    return frz_parallel_for(job->online->context, 2, run_half, &halves, err);
  FRZ_TRY(write_batch(job, batch, err));
  frz_batch_dispose(batch);
  return frz_latest_rows_next(job->latest, next, err);
}

static frz_status write_rows(materialization *job, frz_error *err)
{
  frz_batch batch = {0};
  FRZ_TRY(frz_context_poll(job->online->context, err));
  frz_status st = frz_latest_rows_next(job->latest, &batch, err);
  while (st == FRZ_OK && batch.n_rows != 0) {
    frz_batch next = {0};
    st = write_and_fetch(job, &batch, &next, err);
    frz_batch_dispose(&batch);
    batch = next;
    if (st == FRZ_OK) st = tell(job, batch.n_rows == 0, err);
  }
  frz_batch_dispose(&batch);
  return st;
}

static frz_status run(materialization *job, frz_table *source, int64_t *snapshot_id_out,
                      frz_error *err)
{
  frz_online *online = job->online;
  const frz_data_file *files;
  size_t n_files;
  FRZ_TRY(frz_table_refresh(online->table, NULL, err));
  FRZ_TRY(frz_online_layout_now(online, &job->layout, err));
  FRZ_TRY(choose_columns(job, err));
  FRZ_TRY(open_source(job, source, err));
  FRZ_TRY(rename_fields(job, err));
  FRZ_TRY(frz_table_open_writer(online->table, job->layout->metadata, &job->writer, err));
  FRZ_TRY(write_rows(job, err));
  FRZ_TRY(frz_data_file_writer_finish(job->writer, &job->arena, &files, &n_files, err));
  if (n_files == 0) return FRZ_OK;
  FRZ_TRY(frz_context_poll(online->context, err));
  frz_data_file_writer_keep(job->writer);
  return frz_online_commit_files(online, job->layout, files, n_files, job->n_rows, snapshot_id_out,
                                 err);
}

static frz_status read_options(const frz_online_materialize_options *options,
                               frz_online_materialize_options *filled, frz_error *err)
{
  frz_online_materialize_options_init(filled);
  if (options == NULL || options->struct_bytes == 0 || options->struct_bytes > sizeof *filled)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_online_materialize_options: struct_bytes");
  memcpy(filled, options, options->struct_bytes);
  if (filled->timestamp_field == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "materialize: no timestamp field is given");
  return FRZ_OK;
}

frz_status frz_online_materialize(frz_online *online, frz_table *source,
                                  const frz_online_materialize_options *options,
                                  frz_online_write_result *result_out, frz_error *err)
{
  if (online == NULL || source == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_online_materialize: an argument is NULL");
  frz_online_materialize_options filled;
  int64_t snapshot_id = -1;
  FRZ_TRY(read_options(options, &filled, err));
  frz_online_enter(online);
  materialization job = {
      .online = online, .options = &filled, .told = {.struct_bytes = sizeof job.told}};
  frz_arena_init(&job.arena, online->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_status st = run(&job, source, &snapshot_id, err);
  frz_data_file_writer_free(job.writer);
  frz_conform_free(job.conform);
  frz_latest_rows_free(job.latest);
  frz_online_layout_release(job.layout);
  frz_arena_free(&job.arena);
  if (st == FRZ_OK && result_out != NULL)
    *result_out = (frz_online_write_result){snapshot_id, job.n_rows};
  return st;
}
