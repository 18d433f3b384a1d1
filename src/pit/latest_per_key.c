/*
 * latest_per_key.c - the latest row of each key in a window of event time.
 *
 * One pass over keys and times finds the winners; their rows are then fetched in file order, a
 * stretch at a time, so that the result streams.
 */
#include "arrow/arrow_stream.h"
#include "frazil/pit.h"
#include "pit/latest_index.h"
#include "pit/view_columns.h"

enum { FETCH_ROWS = 1 << 18 };

typedef struct latest_result {
  const frz_alloc *alloc;
  frz_feature_table table;
  frz_name_list names;     /* distinct columns to fetch */
  frz_arrow_field *fields; /* of the result */
  size_t n_fields;
  frz_buf references;
  size_t next;
} latest_result;

void frz_latest_options_init(frz_latest_options *options)
{
  *options = (frz_latest_options){
      .struct_bytes = sizeof *options, .start_us = INT64_MIN, .end_us = INT64_MAX};
}

static void result_free(void *self)
{
  latest_result *result = self;
  if (result == NULL) return;
  frz_buf_dispose(&result->references);
  frz_feature_table_dispose(&result->table);
  frz_alloc_free(result->alloc, result, sizeof *result);
}

static frz_status choose_columns(latest_result *result, const frz_latest_options *options,
                                 frz_error *err)
{
  frz_feature_table *table = &result->table;
  const frz_type *root = &table->schema->root;
  bool all = options->columns == NULL;
  size_t n = all ? root->n_fields : options->n_columns;
  result->names.names = frz_arena_array(&table->arena, n, sizeof(char *));
  result->fields = frz_arena_array(&table->arena, n, sizeof *result->fields);
  if (result->names.names == NULL || result->fields == NULL)
    return frz_fail_nomem(err, "latest columns");
  for (size_t i = 0; i < n; i++) {
    const char *name = NULL;
    const frz_field *field;
    if (all)
      name = frz_arena_copy(&table->arena, root->fields[i].name).data;
    else
      name = frz_arena_copy(&table->arena, frz_str_from(options->columns[i])).data;
    if (name == NULL) return frz_fail_nomem(err, "latest columns");
    FRZ_TRY(frz_feature_table_column(table, "column", name, &field, err));
    if (frz_name_list_add(&result->names, name) != i)
      return frz_fail(err, FRZ_ERR_INVALID, "column '%s' is asked for twice", name);
    FRZ_TRY(frz_feature_table_arrow(table, field, &result->fields[i], err));
  }
  result->n_fields = n;
  return FRZ_OK;
}

typedef struct latest_pass {
  const frz_view_columns *columns;
  frz_latest_index *index;
  frz_offer_lane *lanes;
} latest_pass;

static frz_status offer_batch(void *arg, size_t lane_number, const frz_batch *batch,
                              const int64_t *positions, uint32_t file_rank, frz_error *err)
{
  latest_pass *pass = arg;
  frz_offer_lane *lane = &pass->lanes[lane_number];
  frz_offer offer;
  FRZ_TRY(frz_offer_lane_fill(lane, pass->columns, true, batch, positions, file_rank, &offer, err));
  return frz_latest_index_offer(pass->index, &offer, &lane->scratch, err);
}

static frz_status find_latest(latest_result *result, const frz_latest_options *options,
                              frz_error *err)
{
  frz_feature_table *table = &result->table;
  frz_view_columns columns;
  FRZ_TRY(frz_view_columns_find(&columns, table, options->key_columns, options->n_key_columns,
                                options->timestamp_field, options->created_timestamp_field, err));
  for (size_t k = 0; k < columns.n_keys; k++)
    FRZ_TRY(frz_key_form_of(&columns.key_fields[k], &columns.key_fields[k], &columns.key_forms[k],
                            err));
  const frz_time_scale microseconds = {1000, false};
  int64_t least = options->start_us == INT64_MIN
                      ? INT64_MIN
                      : frz_time_ceil_minus(options->start_us, microseconds, 0, columns.time_scale);
  int64_t greatest = options->end_us == INT64_MAX
                         ? INT64_MAX
                         : frz_time_floor(options->end_us, microseconds, columns.time_scale);
  FRZ_TRY(frz_feature_table_plan(table, columns.time_field, least, greatest, NULL, err));

  size_t n_lanes = frz_feature_table_lanes(table);
  size_t n_ready = 0;
  latest_pass pass = {.columns = &columns};
  frz_status st = FRZ_OK;
  pass.lanes = frz_arena_array(&table->arena, n_lanes, sizeof *pass.lanes);
  if (pass.lanes == NULL) return frz_fail_nomem(err, "latest rows");
  FRZ_TRY_OUT(frz_latest_index_create(table->context, least, greatest, &pass.index, err));
  for (; n_ready < n_lanes; n_ready++)
    FRZ_TRY_OUT(frz_offer_lane_init(&pass.lanes[n_ready], &columns, table, err));
  const frz_feature_visitor visitor = {.visit = offer_batch, .arg = &pass};
  FRZ_TRY_OUT(
      frz_feature_table_scan(table, columns.names.names, columns.names.n_names, &visitor, err));
  FRZ_TRY_OUT(frz_latest_index_rows(pass.index, &result->references, err));
out:
  for (size_t i = 0; i < n_ready; i++) frz_offer_lane_dispose(&pass.lanes[i]);
  frz_latest_index_free(pass.index);
  return st;
}

static frz_status result_next(void *self, frz_batch *batch_out, frz_error *err)
{
  latest_result *result = self;
  size_t n = result->references.size / sizeof(frz_row_reference) - result->next;
  if (n > FETCH_ROWS) n = FETCH_ROWS;
  FRZ_TRY(frz_context_poll(result->table.context, err));
  if (n == 0)
    return frz_batch_init(batch_out, result->fields, result->n_fields, result->alloc, err);
  const frz_row_reference *rows = (const frz_row_reference *)(void *)result->references.data;
  FRZ_TRY(frz_feature_table_fetch(&result->table, result->names.names, result->names.n_names,
                                  rows + result->next, n, batch_out, err));
  result->next += n;
  return FRZ_OK;
}

static frz_status check_options(frz_table *table, const frz_latest_options *options,
                                const struct ArrowArrayStream *stream_out, frz_error *err)
{
  if (table == NULL || options == NULL || stream_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_latest_per_key: an argument is NULL");
  if (options->struct_bytes == 0 || options->struct_bytes > sizeof *options)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_latest_options: struct_bytes %zu",
                    options->struct_bytes);
  if (options->timestamp_field == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "latest per key: no timestamp field is given");
  return FRZ_OK;
}

frz_status frz_latest_per_key(frz_table *table, const frz_latest_options *options,
                              struct ArrowArrayStream *stream_out, frz_error *err)
{
  FRZ_TRY(check_options(table, options, stream_out, err));
  frz_feature_table opened;
  FRZ_TRY(frz_feature_table_open(&opened, table, options->scan, err));
  const frz_alloc *alloc = frz_context_alloc(opened.context);
  latest_result *result = frz_alloc_zeroed(alloc, sizeof *result);
  if (result == NULL) {
    frz_feature_table_dispose(&opened);
    return frz_fail_nomem(err, "latest rows");
  }
  result->alloc = alloc;
  result->table = opened;
  frz_buf_init(&result->references, alloc, SIZE_MAX / 2);
  frz_status st = choose_columns(result, options, err);
  if (st == FRZ_OK) st = find_latest(result, options, err);
  if (st != FRZ_OK) {
    result_free(result);
    return st;
  }
  frz_batch_source source = {result, result_next, result_free};
  return frz_stream_export(result->fields, result->n_fields, source, alloc, stream_out, err);
}
