/*
 * pit_join.c - the point-in-time join: entity rows in, the same rows with features out.
 *
 * For each view in turn: build slots from the entity rows, let the view's rows compete, keep for
 * each entity row the number of its winner, and fetch the winners' features. The entity columns and
 * the fetched features are all that is held; the result is put together batch by batch.
 *
 * Contract: docs/design/point-in-time.md.
 */
#include "frazil/pit.h"

#include "arrow/arrow_stream.h"
#include "base/limits.h"
#include "pit/key_filter.h"
#include "pit/slot_index.h"
#include "pit/slot_winner.h"
#include "pit/view_columns.h"

enum { RESULT_BATCH_ROWS = 65536 };

/* Bytes the index takes for an entity row: see slot_index.h. */
#define INDEX_BYTES_PER_ROW FRZ_SLOT_BYTES_PER_ROW

/* One view's answer. */
typedef struct joined_view {
  int32_t *winner_of_row; /* per entity row: a row of `features`, or -1 */
  frz_batch features;     /* distinct columns, one row a distinct winner */
  size_t *column_of_feature;
  size_t n_features;
} joined_view;

/* Owns everything that the result stream needs. */
typedef struct pit_result {
  frz_context *context;
  const frz_alloc *alloc;
  frz_arena arena;
  const char *timestamp_field;
  frz_arrow_field *entity_fields;
  size_t n_entity_fields;
  frz_batch entities;
  frz_arrow_field *fields; /* of the result */
  size_t n_fields;
  joined_view *views;
  size_t n_views;
  int64_t next_row;
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
  size_t rows_bytes = (size_t)result->entities.n_rows * sizeof(int32_t);
  for (size_t v = 0; v < result->n_views; v++) {
    frz_alloc_free(result->alloc, result->views[v].winner_of_row, rows_bytes != 0 ? rows_bytes : 1);
    frz_batch_dispose(&result->views[v].features);
  }
  frz_batch_dispose(&result->entities);
  frz_arena_free(&result->arena);
  frz_alloc_free(result->alloc, result, sizeof *result);
}

/* ---- entity rows ---- */

static frz_status copy_fields(frz_arena *arena, const frz_arrow_field *from, size_t n,
                              frz_arrow_field **to_out, frz_error *err)
{
  frz_arrow_field *to = frz_arena_array(arena, n, sizeof *to);
  if (to == NULL) return frz_fail_nomem(err, "join result");
  for (size_t i = 0; i < n; i++) {
    to[i] = from[i];
    to[i].name = frz_arena_copy(arena, from[i].name);
    if (to[i].name.data == NULL) return frz_fail_nomem(err, "join result");
    FRZ_TRY(copy_fields(arena, from[i].children, from[i].n_children, &to[i].children, err));
  }
  *to_out = to;
  return FRZ_OK;
}

static frz_status read_entities(pit_result *result, struct ArrowArrayStream *stream, frz_error *err)
{
  frz_stream_reader reader;
  FRZ_TRY(frz_stream_reader_open(&reader, stream, result->alloc, err));
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(
      copy_fields(&result->arena, reader.fields, reader.n_fields, &result->entity_fields, err));
  result->n_entity_fields = reader.n_fields;
  FRZ_TRY_OUT(frz_batch_init(&result->entities, result->entity_fields, reader.n_fields,
                             result->alloc, err));
  int64_t rows_max = frz_context_memory_limit(result->context) / INDEX_BYTES_PER_ROW;
  for (;;) {
    frz_batch batch;
    FRZ_TRY_OUT(frz_context_poll(result->context, err));
    FRZ_TRY_OUT(frz_stream_reader_next(&reader, &batch, err));
    int64_t n_rows = batch.n_rows;
    if (result->entities.n_rows > rows_max - n_rows)
      st = frz_fail(err, FRZ_ERR_LIMIT,
                    "join: more than %lld entity rows do not fit the memory limit of %lld bytes; "
                    "raise it or split the entity rows",
                    (long long)rows_max, (long long)frz_context_memory_limit(result->context));
    for (size_t c = 0; st == FRZ_OK && c < batch.n_columns; c++)
      st = frz_column_append_rows(&result->entities.columns[c], &batch.columns[c], 0, n_rows, err);
    result->entities.n_rows += st == FRZ_OK ? n_rows : 0;
    frz_batch_dispose(&batch);
    if (st != FRZ_OK || n_rows == 0) break;
  }
out:
  frz_stream_reader_dispose(&reader);
  if (st != FRZ_OK) frz_error_where(err, "entity rows: ");
  return st;
}

static frz_status find_entity_column(const pit_result *result, const char *what, const char *name,
                                     size_t *at_out, frz_error *err)
{
  for (size_t i = 0; i < result->n_entity_fields; i++) {
    if (!frz_str_is(result->entity_fields[i].name, name)) continue;
    *at_out = i;
    return FRZ_OK;
  }
  return frz_fail(err, FRZ_ERR_INVALID, "%s '%s' is not a column of the entity rows", what, name);
}

/* The entity times as int64 in the column's unit, and which are present. */
static frz_status entity_times(const pit_result *result, frz_time_scale *scale_out, frz_buf *times,
                               frz_buf *present, frz_error *err)
{
  size_t at;
  FRZ_TRY(find_entity_column(result, "timestamp field", result->timestamp_field, &at, err));
  const frz_arrow_field *field = &result->entity_fields[at];
  const frz_column *column = &result->entities.columns[at];
  int64_t n_rows = result->entities.n_rows;
  FRZ_TRY(frz_buf_resize_zeroed(times, (size_t)n_rows * sizeof(int64_t), err));
  FRZ_TRY(frz_buf_resize_zeroed(present, (size_t)n_rows, err));
  *scale_out = (frz_time_scale){1000, false};
  if (field->type.kind == FRZ_ARROW_NULL) return FRZ_OK; /* all null: nothing takes part */
  FRZ_TRY(frz_time_scale_of(field, "entity timestamp field", field->name, scale_out, err));
  int64_t *values = (int64_t *)(void *)times->data;
  for (int64_t i = 0; i < n_rows; i++) {
    present->data[i] = !frz_column_is_null(column, i);
    if (present->data[i]) values[i] = frz_time_value(column, *scale_out, i);
  }
  return FRZ_OK;
}

/* ---- one view ---- */

typedef struct view_pass {
  const frz_view_columns *columns;
  frz_slot_index *index;
  frz_offer_lane *lanes;
} view_pass;

static frz_status offer_batch(void *arg, size_t lane_number, const frz_batch *batch,
                              const int64_t *positions, uint32_t file_rank, frz_error *err)
{
  view_pass *pass = arg;
  frz_offer_lane *lane = &pass->lanes[lane_number];
  frz_offer offer;
  FRZ_TRY(
      frz_offer_lane_fill(lane, pass->columns, false, batch, positions, file_rank, &offer, err));
  return frz_slot_index_offer(pass->index, lane_number, &offer, &lane->scratch, err);
}

static bool is_settled(void *arg, size_t lane_number, int64_t oldest, int64_t newest)
{
  view_pass *pass = arg;
  return frz_slot_index_is_settled(pass->index, lane_number, oldest, newest);
}

static frz_status run_pass(frz_feature_table *table, const frz_view_columns *columns,
                           frz_slot_index *index, frz_error *err)
{
  size_t n_lanes = frz_feature_table_lanes(table);
  frz_offer_lane *lanes = frz_arena_array(&table->arena, n_lanes, sizeof *lanes);
  if (lanes == NULL) return frz_fail_nomem(err, "join lanes");
  size_t n_ready = 0;
  frz_status st = FRZ_OK;
  for (; n_ready < n_lanes; n_ready++)
    FRZ_TRY_OUT(frz_offer_lane_init(&lanes[n_ready], columns, table, err));
  view_pass pass = {columns, index, lanes};
  const frz_feature_visitor visitor = {offer_batch, is_settled, &pass};
  FRZ_TRY_OUT(
      frz_feature_table_scan(table, columns->names.names, columns->names.n_names, &visitor, err));
  FRZ_TRY_OUT(frz_slot_index_carry(index, err));
out:
  for (size_t i = 0; i < n_ready; i++) frz_offer_lane_dispose(&lanes[i]);
  return st;
}

/* Number the distinct winners in file order; `winner_of_row` gets each entity row's, or -1. */
static frz_status number_winners(const pit_result *result, const frz_slot_index *index,
                                 joined_view *view, frz_buf *references, frz_error *err)
{
  size_t n_slots = frz_slot_index_slots(index);
  frz_buf found;
  frz_buf number_store;
  frz_buf_init(&found, result->alloc, SIZE_MAX / 2);
  frz_buf_init(&number_store, result->alloc, SIZE_MAX / 2);
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(frz_buf_resize(&number_store, n_slots * sizeof(int32_t), err));
  int32_t *number_of_slot = (int32_t *)(void *)number_store.data;
  for (uint32_t slot = 0; slot < n_slots; slot++) {
    const frz_candidate *winner = frz_slot_index_winner(index, slot);
    number_of_slot[slot] = -1;
    if (winner->file_rank == FRZ_NO_FILE) continue;
    frz_slot_winner entry = {winner->position, winner->file_rank, slot};
    FRZ_TRY_OUT(frz_buf_append(&found, &entry, sizeof entry, err));
  }
  size_t n_found = found.size / sizeof(frz_slot_winner);
  FRZ_TRY_OUT(frz_slot_winners_sort(&found, err));
  const frz_slot_winner *winners = (const frz_slot_winner *)(const void *)found.data;
  int32_t n_distinct = 0;
  for (size_t i = 0; i < n_found; i++) {
    bool is_same = i != 0 && winners[i].file_rank == winners[i - 1].file_rank &&
                   winners[i].position == winners[i - 1].position;
    if (!is_same) {
      frz_row_reference row = {winners[i].file_rank, winners[i].position};
      FRZ_TRY_OUT(frz_buf_append(references, &row, sizeof row, err));
      n_distinct++;
    }
    number_of_slot[winners[i].slot] = n_distinct - 1;
  }
  for (int64_t i = 0; i < result->entities.n_rows; i++) {
    uint32_t slot = frz_slot_index_slot(index, i);
    view->winner_of_row[i] = slot != FRZ_NO_SLOT ? number_of_slot[slot] : -1;
  }
out:
  frz_buf_dispose(&found);
  frz_buf_dispose(&number_store);
  return st;
}

static frz_status find_keys(const pit_result *result, const frz_pit_view *spec,
                            frz_view_columns *columns, frz_arena *arena,
                            const frz_column ***entity_keys_out, frz_error *err)
{
  const frz_column **entity_keys = frz_arena_array(arena, spec->n_join_keys, sizeof(frz_column *));
  if (entity_keys == NULL) return frz_fail_nomem(err, "join keys");
  for (size_t k = 0; k < spec->n_join_keys; k++) {
    size_t at;
    FRZ_TRY(find_entity_column(result, "join key", spec->join_keys[k].entity_column, &at, err));
    FRZ_TRY(frz_key_form_of(&result->entity_fields[at], &columns->key_fields[k],
                            &columns->key_forms[k], err));
    entity_keys[k] = &result->entities.columns[at];
  }
  *entity_keys_out = entity_keys;
  return FRZ_OK;
}

/* The winners of a view: one reference a distinct winner, and winner_of_row. */
static frz_status find_winners(const pit_result *result, const frz_pit_view *spec,
                               frz_feature_table *table, joined_view *view, frz_buf *references,
                               frz_error *err)
{
  const char **key_names = frz_arena_array(&table->arena, spec->n_join_keys, sizeof(char *));
  if (key_names == NULL) return frz_fail_nomem(err, "join keys");
  for (size_t k = 0; k < spec->n_join_keys; k++) key_names[k] = spec->join_keys[k].table_column;
  frz_view_columns columns;
  const frz_column **entity_keys;
  FRZ_TRY(frz_view_columns_find(&columns, table, key_names, spec->n_join_keys,
                                spec->timestamp_field, spec->created_timestamp_field, err));
  FRZ_TRY(find_keys(result, spec, &columns, &table->arena, &entity_keys, err));

  frz_slot_options options = {.event_scale = columns.time_scale,
                              .created_scale = columns.created_scale,
                              .ttl_us = spec->ttl_us,
                              .created_cutoff = spec->created_cutoff && columns.has_created};
  frz_buf times;
  frz_buf present;
  frz_key_batch keys;
  frz_key_filter filter = {0};
  frz_slot_index *index = NULL;
  frz_buf_init(&times, result->alloc, SIZE_MAX / 2);
  frz_buf_init(&present, result->alloc, SIZE_MAX / 2);
  frz_key_batch_init(&keys, result->alloc);
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(entity_times(result, &options.entity_scale, &times, &present, err));
  FRZ_TRY_OUT(frz_key_batch_fill(&keys, entity_keys, columns.key_forms, columns.n_keys, false,
                                 result->entities.n_rows, err));
  FRZ_TRY_OUT(frz_slot_index_create(result->context, &keys, (const int64_t *)(void *)times.data,
                                    present.data, result->entities.n_rows, &options, &index, err));
  int64_t least;
  int64_t greatest;
  if (frz_slot_index_window(index, &least, &greatest)) {
    const frz_expr *wanted_keys;
    FRZ_TRY_OUT(frz_key_filter_init(&filter, &columns, result->alloc, err));
    FRZ_TRY_OUT(frz_key_filter_add(&filter, entity_keys, err));
    FRZ_TRY_OUT(frz_key_filter_make(&filter, &table->arena, &wanted_keys, err));
    FRZ_TRY_OUT(
        frz_feature_table_plan(table, columns.time_field, least, greatest, wanted_keys, err));
    FRZ_TRY_OUT(run_pass(table, &columns, index, err));
  }
  FRZ_TRY_OUT(number_winners(result, index, view, references, err));
out:
  frz_slot_index_free(index);
  frz_key_filter_dispose(&filter);
  frz_key_batch_dispose(&keys);
  frz_buf_dispose(&times);
  frz_buf_dispose(&present);
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

/* Add the view's features to the result's fields, and the distinct columns to fetch to `names`. */
static frz_status add_fields(pit_result *result, const frz_pit_view *spec, bool full,
                             frz_feature_table *table, joined_view *view, frz_name_list *names,
                             frz_error *err)
{
  names->names = frz_arena_array(&table->arena, spec->n_features, sizeof(char *));
  view->column_of_feature = frz_arena_array(&result->arena, spec->n_features, sizeof(size_t));
  if (names->names == NULL || view->column_of_feature == NULL)
    return frz_fail_nomem(err, "join features");
  view->n_features = spec->n_features;
  for (size_t f = 0; f < spec->n_features; f++) {
    const frz_field *field;
    frz_arrow_field *arrow = &result->fields[result->n_fields];
    FRZ_TRY(frz_feature_table_column(table, "feature", spec->features[f].column, &field, err));
    FRZ_TRY(frz_field_to_arrow(field, &result->arena, arrow, err));
    view->column_of_feature[f] = frz_name_list_add(names, spec->features[f].column);
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

static frz_status join_view(pit_result *result, const frz_pit_view *spec, bool full,
                            joined_view *view, frz_error *err)
{
  FRZ_TRY(check_view(spec, err));
  frz_feature_table table;
  FRZ_TRY(frz_feature_table_open(&table, spec->table, spec->scan, err));
  frz_buf references;
  frz_buf_init(&references, result->alloc, SIZE_MAX / 2);
  frz_name_list names = {0};
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(add_fields(result, spec, full, &table, view, &names, err));
  view->winner_of_row =
      frz_alloc_array(result->alloc, (size_t)result->entities.n_rows, sizeof(int32_t));
  if (view->winner_of_row == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "join result"));
  FRZ_TRY_OUT(find_winners(result, spec, &table, view, &references, err));
  FRZ_TRY_OUT(frz_feature_table_fetch(
      &table, names.names, names.n_names, (const frz_row_reference *)(void *)references.data,
      names.n_names != 0 ? references.size / sizeof(frz_row_reference) : 0, &view->features, err));
out:
  frz_buf_dispose(&references);
  frz_feature_table_dispose(&table);
  return st;
}

/* ---- the result ---- */

static frz_status append_features(const joined_view *view, int64_t first, int64_t n,
                                  frz_column *columns, frz_error *err)
{
  int64_t rows[1024];
  for (int64_t done = 0; done < n;) {
    int64_t count = n - done < 1024 ? n - done : 1024;
    for (int64_t i = 0; i < count; i++) rows[i] = view->winner_of_row[first + done + i];
    for (size_t f = 0; f < view->n_features; f++)
      FRZ_TRY(frz_column_append_take(
          &columns[f], &view->features.columns[view->column_of_feature[f]], rows, count, err));
    done += count;
  }
  return FRZ_OK;
}

static frz_status result_next(void *self, frz_batch *batch_out, frz_error *err)
{
  pit_result *result = self;
  FRZ_TRY(frz_context_poll(result->context, err));
  int64_t first = result->next_row;
  int64_t n = result->entities.n_rows - first;
  if (n > RESULT_BATCH_ROWS) n = RESULT_BATCH_ROWS;
  frz_batch batch = {0};
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(frz_batch_init(&batch, result->fields, result->n_fields, result->alloc, err));
  size_t at = result->n_entity_fields;
  for (size_t c = 0; c < at; c++)
    FRZ_TRY_OUT(
        frz_column_append_rows(&batch.columns[c], &result->entities.columns[c], first, n, err));
  for (size_t v = 0; v < result->n_views; v++) {
    FRZ_TRY_OUT(append_features(&result->views[v], first, n, batch.columns + at, err));
    at += result->views[v].n_features;
  }
  batch.n_rows = n;
  result->next_row += n;
  *batch_out = batch;
  return FRZ_OK;
out:
  frz_batch_dispose(&batch);
  return st;
}

static frz_status prepare_result(pit_result *result, const frz_pit_view *views, size_t n_views,
                                 frz_error *err)
{
  size_t n_fields = result->n_entity_fields;
  for (size_t v = 0; v < n_views; v++) n_fields += views[v].n_features;
  result->fields = frz_arena_array(&result->arena, n_fields, sizeof *result->fields);
  result->views = frz_arena_array(&result->arena, n_views, sizeof *result->views);
  if (result->fields == NULL || result->views == NULL) return frz_fail_nomem(err, "join result");
  memcpy(result->fields, result->entity_fields,
         result->n_entity_fields * sizeof *result->entity_fields);
  result->n_fields = result->n_entity_fields;
  result->n_views = n_views;
  return FRZ_OK;
}

static frz_status make_result(frz_context *context, struct ArrowArrayStream *entities,
                              const frz_pit_view *views, size_t n_views,
                              const frz_pit_options *options, pit_result **result_out,
                              frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  pit_result *result = frz_alloc_zeroed(alloc, sizeof *result);
  if (result == NULL) {
    entities->release(entities);
    return frz_fail_nomem(err, "join result");
  }
  result->context = context;
  result->alloc = alloc;
  result->timestamp_field = options->timestamp_field;
  frz_arena_init(&result->arena, alloc, FRZ_LIMIT_JOIN_BYTES);
  frz_status st = FRZ_OK;
  size_t ignored;
  FRZ_TRY_OUT(read_entities(result, entities, err));
  FRZ_TRY_OUT(
      find_entity_column(result, "timestamp field", result->timestamp_field, &ignored, err));
  FRZ_TRY_OUT(prepare_result(result, views, n_views, err));
  for (size_t v = 0; v < n_views; v++) {
    st = join_view(result, &views[v], options->full_feature_names, &result->views[v], err);
    if (st != FRZ_OK) {
      if (views[v].name != NULL) frz_error_where(err, "view '%s': ", views[v].name);
      goto out;
    }
  }
  *result_out = result;
  result = NULL;
out:
  result_free(result);
  return st;
}

frz_status frz_pit_join(frz_context *context, struct ArrowArrayStream *entities,
                        const frz_pit_view *views, size_t n_views, const frz_pit_options *options,
                        struct ArrowArrayStream *stream_out, frz_error *err)
{
  frz_pit_options defaults;
  frz_pit_options_init(&defaults);
  if (options == NULL) options = &defaults;
  bool valid = context != NULL && entities != NULL && (views != NULL || n_views == 0) &&
               stream_out != NULL && options->timestamp_field != NULL;
  if (!valid) {
    if (entities != NULL && entities->release != NULL) entities->release(entities);
    return frz_fail(err, FRZ_ERR_INVALID, "frz_pit_join: an argument is NULL");
  }
  pit_result *result = NULL;
  FRZ_TRY(make_result(context, entities, views, n_views, options, &result, err));
  frz_batch_source source = {result, result_next, result_free};
  return frz_stream_export(result->fields, result->n_fields, source, result->alloc, stream_out,
                           err);
}
