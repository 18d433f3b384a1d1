/*
 * pit_join.c - the point-in-time join: entity rows in, the same rows with features out.
 *
 * Entity rows are read once, into blocks. For each view in turn: build slots from the entity rows,
 * let the view's rows compete, and keep each entity row's winner. Features are fetched for the
 * winners of a window of entity rows at a time, and the result is put together block by block.
 *
 * Everything that grows with the entity rows has a share of the memory limit: blocks and winners
 * past theirs wait in spill files, slots are made for as many rows at a time as fit (any set of
 * entity rows may be joined on its own), windows are as long as their features allow.
 *
 * Contract: docs/design/point-in-time.md.
 */
#include "frazil/pit.h"

#include <pthread.h>

#include "arrow/arrow_stream.h"
#include "base/limits.h"
#include "base/os.h"
#include "pit/entity_slice.h"
#include "pit/joined_view.h"
#include "pit/key_filter.h"
#include "pit/pit_memory.h"
#include "pit/slot_index.h"

/* Bytes the index takes for an entity row, with its hash and time, 18, and its winner behind it,
 * 16. */
#define INDEX_BYTES_PER_ROW ((size_t)FRZ_SLOT_BYTES_PER_ROW + 34)

/* Bytes of the keys of one index: its offsets are 32 bits wide. */
#define KEY_BYTES_MAX ((size_t)1 << 30)

enum { PROGRESS_INTERVAL_US = 100000, WINNER_BYTES_MIN = 4096 };

/* Who is told how far the join is, and whether it goes on. Of the calling thread but for the
 * counts. */
typedef struct join_watch {
  frz_context *context;
  const frz_pit_options *options;
  pthread_t caller;
  int64_t next_us;
  frz_pit_progress told;
  atomic_llong rows_done;
  atomic_llong files_done;
} join_watch;

/* Owns everything that the result stream needs. */
typedef struct pit_result {
  frz_context *context;
  const frz_alloc *alloc;
  frz_arena arena;
  const char *timestamp_field;
  size_t memory_bytes_max; /* of all that grows with entity rows */
  frz_entity_rows entities;
  frz_arrow_field *fields; /* of the result */
  size_t n_fields;
  frz_joined_view *views;
  size_t n_views;
  size_t next_block;
  frz_pit_report *reports; /* NULL: none */
  bool plan_only;          /* explain: no feature row is read */
} pit_result;

void frz_pit_view_init(frz_pit_view *view)
{
  *view = (frz_pit_view){.struct_bytes = sizeof *view};
}

void frz_pit_options_init(frz_pit_options *options)
{
  *options =
      (frz_pit_options){.struct_bytes = sizeof *options, .timestamp_field = "event_timestamp"};
}

static void result_free(void *self)
{
  pit_result *result = self;
  if (result == NULL) return;
  for (size_t v = 0; v < result->n_views; v++) frz_joined_view_dispose(&result->views[v]);
  frz_entity_rows_dispose(&result->entities);
  frz_arena_free(&result->arena);
  frz_alloc_free(result->alloc, result, sizeof *result);
}

/* ---- progress ---- */

/* Called by the calling thread alone. */
static frz_status tell(join_watch *watch, bool now, frz_error *err)
{
  if (watch->options->progress == NULL) return FRZ_OK;
  int64_t now_us = frz_os_monotonic_us();
  if (!now && now_us < watch->next_us) return FRZ_OK;
  watch->next_us = now_us + PROGRESS_INTERVAL_US;
  watch->told.rows_done = atomic_load(&watch->rows_done);
  watch->told.files_done = atomic_load(&watch->files_done);
  bool goes_on = watch->options->progress(watch->options->progress_ctx, &watch->told);
  return goes_on ? FRZ_OK : frz_fail(err, FRZ_ERR_CANCELLED, "cancelled");
}

static frz_status entities_arrived(void *arg, int64_t n_rows, frz_error *err)
{
  join_watch *watch = arg;
  watch->told.n_entity_rows = n_rows;
  return tell(watch, false, err);
}

/* A batch of feature rows has competed. Only the calling thread may ask whether to go on. */
static frz_status rows_competed(join_watch *watch, int64_t n_rows, bool file_is_new, frz_error *err)
{
  atomic_fetch_add(&watch->rows_done, n_rows);
  if (file_is_new) atomic_fetch_add(&watch->files_done, 1);
  return pthread_equal(watch->caller, pthread_self()) ? tell(watch, false, err) : FRZ_OK;
}

/* ---- entity rows ---- */

static frz_status find_entity_column(const pit_result *result, const char *what, const char *name,
                                     size_t *at_out, frz_error *err)
{
  for (size_t i = 0; i < result->entities.n_fields; i++) {
    if (!frz_str_is(result->entities.fields[i].name, name)) continue;
    *at_out = i;
    return FRZ_OK;
  }
  return frz_fail(err, FRZ_ERR_INVALID, "%s '%s' is not a column of the entity rows", what, name);
}

/* ---- one view ---- */

typedef struct view_pass {
  const frz_view_columns *columns;
  frz_slot_index *index;
  frz_offer_lane *lanes;
  join_watch *watch;
  atomic_bool *file_seen; /* one a file, by rank */
} view_pass;

static frz_status offer_batch(void *arg, size_t lane_number, const frz_batch *batch,
                              const int64_t *positions, uint32_t file_rank, frz_error *err)
{
  view_pass *pass = arg;
  frz_offer_lane *lane = &pass->lanes[lane_number];
  frz_offer offer;
  FRZ_TRY(
      frz_offer_lane_fill(lane, pass->columns, false, batch, positions, file_rank, &offer, err));
  FRZ_TRY(frz_slot_index_offer(pass->index, lane_number, &offer, &lane->scratch, err));
  bool file_is_new = !atomic_exchange(&pass->file_seen[file_rank], true);
  return rows_competed(pass->watch, batch->n_rows, file_is_new, err);
}

static bool is_settled(void *arg, size_t lane_number, uint32_t file_rank, int64_t oldest,
                       int64_t newest)
{
  (void)file_rank;
  view_pass *pass = arg;
  return frz_slot_index_is_settled(pass->index, lane_number, oldest, newest);
}

static bool may_settle(void *arg, int64_t oldest, int64_t newest)
{
  view_pass *pass = arg;
  return frz_slot_index_may_settle(pass->index, oldest, newest);
}

static frz_status run_pass(frz_feature_table *table, const frz_view_columns *columns,
                           frz_slot_index *index, join_watch *watch, frz_error *err)
{
  size_t n_lanes = frz_feature_table_lanes(table);
  frz_offer_lane *lanes = frz_arena_array(&table->arena, n_lanes, sizeof *lanes);
  atomic_bool *file_seen = frz_arena_array(&table->arena, table->plan.n_tasks, sizeof *file_seen);
  if (lanes == NULL || file_seen == NULL) return frz_fail_nomem(err, "join lanes");
  size_t n_ready = 0;
  frz_status st = FRZ_OK;
  for (; n_ready < n_lanes; n_ready++)
    FRZ_TRY_OUT(frz_offer_lane_init(&lanes[n_ready], columns, table, err));
  view_pass pass = {columns, index, lanes, watch, file_seen};
  const frz_feature_visitor visitor = {offer_batch, is_settled, may_settle, &pass};
  FRZ_TRY_OUT(
      frz_feature_table_scan(table, columns->names.names, columns->names.n_names, &visitor, err));
  FRZ_TRY_OUT(frz_slot_index_carry(index, err));
out:
  for (size_t i = 0; i < n_ready; i++) frz_offer_lane_dispose(&lanes[i]);
  return st;
}

static frz_status find_entity_columns(const pit_result *result, const frz_pit_view *spec,
                                      frz_view_columns *columns, frz_arena *arena,
                                      frz_entity_columns *found, frz_error *err)
{
  size_t n = spec->n_join_keys;
  const frz_arrow_field *fields = result->entities.fields;
  *found = (frz_entity_columns){.n_keys = n,
                                .key_at = frz_arena_array(arena, n, sizeof(size_t)),
                                .key_forms = columns->key_forms,
                                .keys = frz_arena_array(arena, n, sizeof(frz_column *)),
                                .scratch = frz_arena_array(arena, n + 1, sizeof(frz_column)),
                                .time_scale = {1000, false}};
  if (found->key_at == NULL || found->keys == NULL || found->scratch == NULL)
    return frz_fail_nomem(err, "join keys");
  for (size_t k = 0; k < n; k++) {
    FRZ_TRY(find_entity_column(result, "join key", spec->join_keys[k].entity_column,
                               &found->key_at[k], err));
    FRZ_TRY(frz_key_form_of(&fields[found->key_at[k]], &columns->key_fields[k],
                            &columns->key_forms[k], err));
  }
  FRZ_TRY(
      find_entity_column(result, "timestamp field", result->timestamp_field, &found->time_at, err));
  const frz_arrow_field *time = &fields[found->time_at];
  found->has_times = time->type.kind != FRZ_ARROW_NULL;
  if (!found->has_times) return FRZ_OK;
  return frz_time_scale_of(time, "entity timestamp field", time->name, &found->time_scale, err);
}

/* The entity rows that an index may have at a time. */
static int64_t slice_rows_max(const pit_result *result, size_t n_keys)
{
  size_t held = result->entities.memory_bytes;
  for (size_t v = 0; v < result->n_views; v++) held += frz_joined_view_memory(&result->views[v]);
  size_t share = result->memory_bytes_max / 4;
  if (result->memory_bytes_max > held && result->memory_bytes_max - held > share)
    share = result->memory_bytes_max - held;
  int64_t n_rows = result->entities.n_rows;
  size_t entity_bytes = n_rows != 0 ? result->entities.total_bytes / (size_t)n_rows : 0;
  size_t key_bytes = n_keys == 0 ? 0 : entity_bytes + 17 * n_keys;
  size_t rows_max = share / (INDEX_BYTES_PER_ROW + key_bytes);
  if (key_bytes != 0 && rows_max > KEY_BYTES_MAX / key_bytes) rows_max = KEY_BYTES_MAX / key_bytes;
  return rows_max < FRZ_NO_SLOT ? (int64_t)rows_max : (int64_t)FRZ_NO_SLOT - 1;
}

/* The range of event times that may win, by all entity times, and what the keys say; false: no row
 * takes part. */
static frz_status find_window(const pit_result *result, const frz_entity_columns *columns,
                              const frz_slot_options *options, frz_key_filter *filter,
                              int64_t *least_out, int64_t *greatest_out, bool *any_out,
                              frz_error *err)
{
  int64_t least = INT64_MAX;
  int64_t greatest = INT64_MIN;
  bool any = false;
  for (size_t b = 0; columns->has_times && b < frz_entity_rows_blocks(&result->entities); b++) {
    const frz_column *times;
    FRZ_TRY(frz_context_poll(result->context, err));
    FRZ_TRY(frz_entity_columns_look(columns, &result->entities, b, &times, err));
    FRZ_TRY(frz_key_filter_add(filter, columns->keys, err));
    for (int64_t i = 0; i < times->n_rows; i++) {
      if (frz_column_is_null(times, i)) continue;
      int64_t time = frz_time_value(times, columns->time_scale, i);
      if (time < least) least = time;
      if (time > greatest) greatest = time;
      any = true;
    }
  }
  *any_out = any;
  if (!any) return FRZ_OK;
  *greatest_out = frz_time_floor(greatest, columns->time_scale, options->event_scale);
  *least_out = INT64_MIN;
  if (options->ttl_us > 0)
    *least_out =
        frz_time_ceil_minus(least, columns->time_scale, options->ttl_us, options->event_scale);
  return FRZ_OK;
}

static frz_status begin_view(join_watch *watch, const frz_feature_table *table, int64_t n_slices,
                             frz_error *err)
{
  int64_t n_rows = 0;
  for (size_t t = 0; t < table->plan.n_tasks; t++)
    n_rows += table->plan.tasks[t].entry->file.n_rows;
  watch->told.files_total = (int64_t)table->plan.n_tasks * n_slices;
  watch->told.rows_total = n_rows * n_slices;
  atomic_store(&watch->rows_done, 0);
  atomic_store(&watch->files_done, 0);
  return tell(watch, true, err);
}

static frz_status end_view(join_watch *watch, frz_error *err)
{
  /* Pruned row groups and deleted rows were not seen. */
  atomic_store(&watch->rows_done, watch->told.rows_total);
  atomic_store(&watch->files_done, watch->told.files_total);
  return tell(watch, true, err);
}

/* Join one slice of the entity rows. */
static frz_status join_slice(const frz_view_columns *columns, const frz_slot_options *options,
                             frz_joined_view *view, frz_entity_slice *slice, join_watch *watch,
                             frz_error *err)
{
  frz_slot_index *index = NULL;
  frz_status st = FRZ_OK;
  /* The table's threads are the lanes of its scan. */
  FRZ_TRY_OUT(frz_slot_index_create(view->table.context, &slice->keys,
                                    (const int64_t *)(void *)slice->times.data, slice->present.data,
                                    slice->n_rows, options, &index, err));
  int64_t least;
  int64_t greatest;
  if (frz_slot_index_window(index, &least, &greatest)) {
    FRZ_TRY_OUT(run_pass(&view->table, columns, index, watch, err));
    FRZ_TRY_OUT(
        frz_window_winners_add(&view->winners, index, slice->first_row, slice->n_rows, err));
    int64_t rows_swept;
    int64_t rows_filled;
    frz_slot_index_ways(index, &rows_swept, &rows_filled);
    view->rows_swept += rows_swept;
    view->rows_filled += rows_filled;
  }
out:
  frz_slot_index_free(index);
  return st;
}

/* Find the files that may matter to any entity row; false: none. */
static frz_status plan_view(const pit_result *result, const frz_entity_columns *found,
                            const frz_view_columns *columns, const frz_slot_options *options,
                            frz_feature_table *table, bool *any_out, frz_error *err)
{
  frz_key_filter filter = {0};
  const frz_expr *wanted_keys = NULL;
  int64_t least = 0;
  int64_t greatest = 0;
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(frz_key_filter_init(&filter, columns, result->alloc, err));
  FRZ_TRY_OUT(find_window(result, found, options, &filter, &least, &greatest, any_out, err));
  if (!*any_out) goto out;
  FRZ_TRY_OUT(frz_key_filter_make(&filter, &table->arena, &wanted_keys, err));
  st = frz_feature_table_plan(table, columns->time_field, least, greatest, wanted_keys, err);
out:
  frz_key_filter_dispose(&filter);
  return st;
}

/* Find the winners of all entity rows. */
static frz_status find_winners(pit_result *result, const frz_pit_view *spec,
                               const frz_arrow_field *feature_fields, frz_joined_view *view,
                               join_watch *watch, frz_error *err)
{
  frz_feature_table *table = &view->table;
  const char **key_names = frz_arena_array(&table->arena, spec->n_join_keys, sizeof(char *));
  if (key_names == NULL) return frz_fail_nomem(err, "join keys");
  for (size_t k = 0; k < spec->n_join_keys; k++) key_names[k] = spec->join_keys[k].table_column;
  frz_view_columns columns;
  frz_entity_columns found = {0};
  FRZ_TRY(frz_view_columns_find(&columns, table, key_names, spec->n_join_keys,
                                spec->timestamp_field, spec->created_timestamp_field, err));
  FRZ_TRY(find_entity_columns(result, spec, &columns, &table->arena, &found, err));
  frz_slot_options options = {.entity_scale = found.time_scale,
                              .event_scale = columns.time_scale,
                              .created_scale = columns.created_scale,
                              .ttl_us = spec->ttl_us,
                              .created_cutoff = spec->created_cutoff && columns.has_created,
                              .integer_keys = spec->n_join_keys == 1 &&
                                              columns.key_forms[0] == FRZ_KEY_INTEGER};
  frz_entity_slice slice;
  frz_entity_slice_init(&slice, result->alloc);
  bool any = false;
  int64_t rows_max = slice_rows_max(result, found.n_keys);
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(plan_view(result, &found, &columns, &options, table, &any, err));
  size_t share = result->memory_bytes_max / 2 / result->n_views;
  FRZ_TRY_OUT(frz_joined_view_make_windows(view, &result->entities, feature_fields, share, err));
  view->n_slices = frz_entity_slices(&result->entities, rows_max);
  FRZ_TRY_OUT(begin_view(watch, table, view->n_slices, err));
  size_t n_blocks = frz_entity_rows_blocks(&result->entities);
  if (result->plan_only) {
    FRZ_TRY_OUT(frz_feature_table_explain(table, columns.names.names, columns.names.n_names, err));
    n_blocks = 0;
  }
  for (size_t block = 0; any && block < n_blocks; block = slice.end_block) {
    frz_entity_slice_dispose(&slice);
    frz_entity_slice_init(&slice, result->alloc);
    FRZ_TRY_OUT(frz_entity_slice_fill(&slice, &result->entities, &found, block, rows_max, err));
    FRZ_TRY_OUT(join_slice(&columns, &options, view, &slice, watch, err));
  }
  FRZ_TRY_OUT(end_view(watch, err));
out:
  for (size_t k = 0; k <= found.n_keys; k++) frz_column_dispose(&found.scratch[k]);
  frz_entity_slice_dispose(&slice);
  return st;
}

static frz_str result_name(const frz_pit_view *spec, const frz_feature *feature, bool full,
                           frz_arena *arena)
{
  if (feature->output_name != NULL)
    return frz_arena_copy(arena, frz_str_from(feature->output_name));
  if (!full) return frz_arena_copy(arena, frz_str_from(feature->column));
  return frz_arena_print(arena, "%s__%s", spec->name != NULL ? spec->name : "", feature->column);
}

/* Add the view's features to the result's fields, and the distinct columns to what is fetched. */
static frz_status add_fields(pit_result *result, const frz_pit_view *spec, bool full,
                             frz_joined_view *view, frz_error *err)
{
  frz_feature_table *table = &view->table;
  view->fetched.names = frz_arena_array(&result->arena, spec->n_features, sizeof(char *));
  view->column_of_feature = frz_arena_array(&result->arena, spec->n_features, sizeof(size_t));
  if (view->fetched.names == NULL || view->column_of_feature == NULL)
    return frz_fail_nomem(err, "join features");
  view->n_features = spec->n_features;
  for (size_t f = 0; f < spec->n_features; f++) {
    const frz_field *field;
    frz_arrow_field *arrow = &result->fields[result->n_fields];
    FRZ_TRY(frz_feature_table_column(table, "feature", spec->features[f].column, &field, err));
    FRZ_TRY(frz_field_to_arrow(field, &result->arena, arrow, err));
    const char *column =
        frz_arena_copy(&result->arena, frz_str_from(spec->features[f].column)).data;
    if (column == NULL) return frz_fail_nomem(err, "join features");
    view->column_of_feature[f] = frz_name_list_add(&view->fetched, column);
    arrow->name = result_name(spec, &spec->features[f], full, &result->arena);
    if (arrow->name.data == NULL) return frz_fail_nomem(err, "join features");
    arrow->nullable = true;
    arrow->field_id = -1;
    for (size_t i = 0; i < result->n_fields; i++)
      if (frz_str_equal(result->fields[i].name, arrow->name))
        return frz_fail(err, FRZ_ERR_INVALID,
                        "two columns of the result would be named '%.*s'; ask for full feature "
                        "names or give an output name",
                        FRZ_STR_ARG(arrow->name));
    result->n_fields++;
  }
  return FRZ_OK;
}

static frz_status check_view(const frz_pit_view *spec, frz_error *err)
{
  if (spec->struct_bytes == 0 || spec->struct_bytes > sizeof *spec)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_pit_view: struct_bytes %zu", spec->struct_bytes);
  if (spec->table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "the view has no table");
  if (spec->timestamp_field == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "the view has no timestamp field");
  if (spec->ttl_us < 0)
    return frz_fail(err, FRZ_ERR_INVALID, "ttl of %lld us is negative", (long long)spec->ttl_us);
  if (spec->created_cutoff && spec->created_timestamp_field == NULL)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "a created cutoff is asked for, but the view has no created timestamp field");
  return FRZ_OK;
}

static void begin_report(const pit_result *result, frz_joined_view *view, bool is_first)
{
  frz_pit_report *report = view->report;
  if (report == NULL) return;
  report->entity_rows = result->entities.n_rows;
  report->entity_rows_won = view->winners.n_added;
  report->slices = view->n_slices;
  report->rows_swept = view->rows_swept;
  report->rows_filled = view->rows_filled;
  report->windows = (int64_t)frz_window_winners_windows(&view->winners);
  if (view->winners.file != NULL) report->spilled_bytes = frz_spill_file_end(view->winners.file);
  if (is_first && result->entities.file != NULL)
    report->spilled_bytes += frz_spill_file_end(result->entities.file);
  frz_joined_view_report(view);
}

static frz_status join_view(pit_result *result, const frz_pit_view *spec, bool full,
                            frz_joined_view *view, join_watch *watch, frz_error *err)
{
  FRZ_TRY(check_view(spec, err));
  FRZ_TRY(frz_joined_view_open(view, spec->table, spec->scan, err));
  size_t first_field = result->n_fields;
  FRZ_TRY(add_fields(result, spec, full, view, err));
  FRZ_TRY(find_winners(result, spec, result->fields + first_field, view, watch, err));
  begin_report(result, view, watch->told.view == 0);
  if (result->plan_only) return FRZ_OK;
  /* Where one window holds all, its features take the place of table and winners. */
  if (frz_window_winners_windows(&view->winners) != 1) return FRZ_OK;
  FRZ_TRY(frz_joined_view_next_window(view, err));
  frz_feature_table_dispose(&view->table);
  frz_window_winners_dispose(&view->winners);
  return FRZ_OK;
}

/* ---- the result ---- */

static frz_status result_next(void *self, frz_batch *batch_out, frz_error *err)
{
  pit_result *result = self;
  FRZ_TRY(frz_context_poll(result->context, err));
  frz_batch batch = {0};
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(frz_batch_init(&batch, result->fields, result->n_fields, result->alloc, err));
  if (result->next_block < frz_entity_rows_blocks(&result->entities)) {
    const frz_entity_block *block = frz_entity_rows_block(&result->entities, result->next_block);
    size_t at = result->entities.n_fields;
    for (size_t v = 0; v < result->n_views; v++) {
      FRZ_TRY_OUT(frz_joined_view_append(&result->views[v], block->first_row, block->n_rows,
                                         batch.columns + at, err));
      at += result->views[v].n_features;
    }
    FRZ_TRY_OUT(frz_entity_rows_take(&result->entities, result->next_block, batch.columns, err));
    batch.n_rows = block->n_rows;
    result->next_block++;
  }
  *batch_out = batch;
  return FRZ_OK;
out:
  frz_batch_dispose(&batch);
  return st;
}

static frz_status prepare_result(pit_result *result, const frz_pit_view *views, size_t n_views,
                                 frz_error *err)
{
  size_t n_fields = result->entities.n_fields;
  for (size_t v = 0; v < n_views; v++) n_fields += views[v].n_features;
  result->fields = frz_arena_array(&result->arena, n_fields, sizeof *result->fields);
  result->views = frz_arena_array(&result->arena, n_views, sizeof *result->views);
  if (result->fields == NULL || result->views == NULL) return frz_fail_nomem(err, "join result");
  memcpy(result->fields, result->entities.fields,
         result->entities.n_fields * sizeof *result->entities.fields);
  result->n_fields = result->entities.n_fields;
  size_t winner_bytes = result->memory_bytes_max / 8;
  for (size_t v = 0; v < n_views; v++) {
    frz_joined_view *view = &result->views[v];
    view->name = views[v].name != NULL
                     ? frz_arena_copy(&result->arena, frz_str_from(views[v].name)).data
                     : NULL;
    frz_window_winners_init(&view->winners, result->context,
                            winner_bytes > WINNER_BYTES_MIN ? winner_bytes : WINNER_BYTES_MIN);
    frz_buf_init(&view->numbers, result->alloc, SIZE_MAX / 2);
    view->report = result->reports != NULL ? &result->reports[v] : NULL;
    if (view->report != NULL)
      *view->report = (frz_pit_report){.struct_bytes = sizeof *view->report};
    result->n_views++;
  }
  return FRZ_OK;
}

static frz_status make_result(frz_context *context, struct ArrowArrayStream *entities,
                              const frz_pit_view *views, size_t n_views,
                              const frz_pit_options *options, bool plan_only,
                              pit_result **result_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  pit_result *result = frz_alloc_zeroed(alloc, sizeof *result);
  if (result == NULL) {
    entities->release(entities);
    return frz_fail_nomem(err, "join result");
  }
  join_watch watch = {.context = context, .options = options, .caller = pthread_self()};
  watch.told = (frz_pit_progress){.struct_bytes = sizeof watch.told, .n_views = n_views};
  result->context = context;
  result->alloc = alloc;
  result->timestamp_field = options->timestamp_field;
  result->reports = options->reports;
  result->plan_only = plan_only;
  result->memory_bytes_max = frz_pit_memory_for_rows(context);
  frz_arena_init(&result->arena, alloc, FRZ_LIMIT_JOIN_BYTES);
  frz_entity_rows_init(&result->entities, context, result->memory_bytes_max / 4);
  frz_status st = frz_entity_rows_read(&result->entities, entities, entities_arrived, &watch, err);
  if (st != FRZ_OK) frz_error_where(err, "entity rows: ");
  if (st == FRZ_OK) st = tell(&watch, true, err);
  size_t ignored;
  if (st == FRZ_OK)
    st = find_entity_column(result, "timestamp field", result->timestamp_field, &ignored, err);
  if (st == FRZ_OK) st = prepare_result(result, views, n_views, err);
  for (size_t v = 0; st == FRZ_OK && v < n_views; v++) {
    watch.told.view = v;
    st = join_view(result, &views[v], options->full_feature_names, &result->views[v], &watch, err);
    if (st != FRZ_OK && views[v].name != NULL) frz_error_where(err, "view '%s': ", views[v].name);
  }
  if (st == FRZ_OK)
    *result_out = result;
  else
    result_free(result);
  return st;
}

/* Options as the caller's version of the header knew them, with defaults for the rest. */
static frz_status fill_options(const frz_pit_options *options, frz_pit_options *filled_out,
                               frz_error *err)
{
  frz_pit_options_init(filled_out);
  if (options == NULL) return FRZ_OK;
  if (options->struct_bytes == 0 || options->struct_bytes > sizeof *options)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_pit_options: struct_bytes %zu",
                    options->struct_bytes);
  memcpy(filled_out, options, options->struct_bytes);
  return FRZ_OK;
}

static frz_status start(frz_context *context, struct ArrowArrayStream *entities,
                        const frz_pit_view *views, size_t n_views, const frz_pit_options *options,
                        frz_pit_report *reports, pit_result **result_out, frz_error *err)
{
  frz_pit_options filled;
  frz_status st = fill_options(options, &filled, err);
  bool valid = context != NULL && entities != NULL && (views != NULL || n_views == 0) &&
               (st != FRZ_OK || filled.timestamp_field != NULL);
  if (!valid) st = frz_fail(err, FRZ_ERR_INVALID, "frz_pit_join: an argument is NULL");
  if (st != FRZ_OK) {
    if (entities != NULL && entities->release != NULL) entities->release(entities);
    return st;
  }
  bool plan_only = reports != NULL;
  if (plan_only) filled.reports = reports;
  return make_result(context, entities, views, n_views, &filled, plan_only, result_out, err);
}

frz_status frz_pit_join(frz_context *context, struct ArrowArrayStream *entities,
                        const frz_pit_view *views, size_t n_views, const frz_pit_options *options,
                        struct ArrowArrayStream *stream_out, frz_error *err)
{
  pit_result *result = NULL;
  if (stream_out == NULL) context = NULL; /* refused with the rest */
  FRZ_TRY(start(context, entities, views, n_views, options, NULL, &result, err));
  frz_batch_source source = {result, result_next, result_free};
  return frz_stream_export(result->fields, result->n_fields, source, result->alloc, stream_out,
                           err);
}

frz_status frz_pit_explain(frz_context *context, struct ArrowArrayStream *entities,
                           const frz_pit_view *views, size_t n_views,
                           const frz_pit_options *options, frz_pit_report *reports_out,
                           frz_error *err)
{
  pit_result *result = NULL;
  if (reports_out == NULL) context = NULL; /* refused with the rest */
  FRZ_TRY(start(context, entities, views, n_views, options, reports_out, &result, err));
  result_free(result);
  return FRZ_OK;
}
