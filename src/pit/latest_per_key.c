/*
 * latest_per_key.c - the latest row of each key in a window of event time.
 *
 * A pass over keys and times finds the winners; their rows are then fetched in file order, a
 * stretch at a time, so that the result streams. One pass finds all, unless memory does not hold
 * all keys: then the next pass, over the keys that were left out, begins when the rows of the last
 * are fetched.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "arrow/arrow_stream.h"
#include "base/os.h"
#include "frazil/pit.h"
#include "pit/dense_winners.h"
#include "pit/latest_index.h"
#include "pit/latest_rows.h"
#include "pit/pit_memory.h"
#include "pit/view_columns.h"

enum {
  FETCHES = 4,
  FETCH_ROWS_MIN = 1 << 16,
  FETCH_ROWS_MAX = 1 << 18,
  PROGRESS_INTERVAL_US = 100000
};

/* What keys may take where the memory limit leaves less. */
#define INDEX_BYTES_MIN ((size_t)1 << 20)
/* How much of that a sieve may take, and in any case: beyond it no cache holds enough of it. */
#define SIEVE_SHARE 8
#define SIEVE_BYTES_MAX ((size_t)64 << 20)

struct frz_latest_rows {
  const frz_alloc *alloc;
  frz_feature_table table;
  frz_view_columns columns; /* that decide */
  int64_t least, greatest;  /* event times, in the column's unit */
  frz_name_list names;      /* distinct columns to fetch */
  frz_arrow_field *fields;  /* of the result */
  size_t n_fields;
  size_t bytes_max; /* of the index */
  size_t next_part; /* of the keys, where the next pass begins */
  frz_buf references;
  size_t next;
  void *progress_ctx;
  bool (*progress)(void *progress_ctx, int64_t rows_done, int64_t rows_total);
  int64_t rows_a_pass, n_passes;
};

void frz_latest_options_init(frz_latest_options *options)
{
  *options = (frz_latest_options){
      .struct_bytes = sizeof *options, .start_us = INT64_MIN, .end_us = INT64_MAX};
}

void frz_latest_rows_free(frz_latest_rows *result)
{
  if (result == NULL) return;
  frz_buf_dispose(&result->references);
  frz_feature_table_dispose(&result->table);
  frz_alloc_free(result->alloc, result, sizeof *result);
}

static frz_status choose_columns(frz_latest_rows *result, const frz_latest_options *options,
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

/* ---- a pass ---- */

typedef struct latest_pass {
  frz_latest_rows *result;
  frz_latest_index *index;
  frz_key_sieve sieve;
  frz_offer_lane *lanes;
  pthread_t caller;
  int64_t next_us; /* of the calling thread, as all below but the counts */
  atomic_llong rows_done;
  atomic_bool stopped; /* the others need not go on either */
} latest_pass;

/* Called by the calling thread alone. */
static frz_status tell(latest_pass *pass, bool now, frz_error *err)
{
  const frz_latest_rows *result = pass->result;
  int64_t now_us = frz_os_monotonic_us();
  if (result->progress == NULL || (!now && now_us < pass->next_us)) return FRZ_OK;
  pass->next_us = now_us + PROGRESS_INTERVAL_US;
  int64_t before = (result->n_passes - 1) * result->rows_a_pass;
  int64_t done = now ? result->rows_a_pass : atomic_load(&pass->rows_done);
  bool goes_on =
      result->progress(result->progress_ctx, before + done, result->n_passes * result->rows_a_pass);
  if (goes_on) return FRZ_OK;
  atomic_store(&pass->stopped, true);
  return frz_fail(err, FRZ_ERR_CANCELLED, "cancelled");
}

static frz_status offer_batch(void *arg, size_t lane_number, const frz_batch *batch,
                              const int64_t *positions, uint32_t file_rank, frz_error *err)
{
  latest_pass *pass = arg;
  frz_offer_lane *lane = &pass->lanes[lane_number];
  frz_offer offer;
  if (atomic_load_explicit(&pass->stopped, memory_order_relaxed))
    return frz_fail(err, FRZ_ERR_CANCELLED, "cancelled");
  FRZ_TRY(frz_offer_lane_fill(lane, &pass->result->columns, true, batch, positions, file_rank,
                              &offer, err));
  FRZ_TRY(frz_latest_index_offer(pass->index, &offer, &lane->scratch, err));
  atomic_fetch_add(&pass->rows_done, batch->n_rows);
  return pthread_equal(pass->caller, pthread_self()) ? tell(pass, false, err) : FRZ_OK;
}

/* Keys that are numbers without gaps are soon known all, from the newest files. */
static bool is_settled(void *arg, size_t lane, uint32_t file_rank, int64_t oldest, int64_t newest)
{
  (void)lane;
  (void)oldest;
  const latest_pass *pass = arg;
  const frz_feature_table *table = &pass->result->table;
  if (pass->sieve.n_keys == 0) return false;
  const frz_field *key = pass->result->columns.key_columns[0];
  int64_t least_key, greatest_key;
  return frz_feature_table_file_has_no_nulls(table, file_rank, key) &&
         frz_feature_table_file_range(table, file_rank, key, &least_key, &greatest_key) &&
         frz_key_sieve_settles(&pass->sieve, least_key, greatest_key, newest);
}

/* Of keys that are one integer column of which the manifests tell the range; else all rows pass. */
static frz_status make_sieve(const frz_latest_rows *result, frz_key_sieve *sieve, frz_error *err)
{
  const frz_feature_table *table = &result->table;
  const frz_view_columns *columns = &result->columns;
  int64_t least_key, greatest_key, oldest, newest;
  bool known = columns->n_keys == 1 && columns->key_forms[0] == FRZ_KEY_INTEGER &&
               frz_feature_table_range(table, columns->key_columns[0], &least_key, &greatest_key) &&
               frz_feature_table_range(table, columns->time_field, &oldest, &newest);
  if (!known) return FRZ_OK;
  size_t bytes_max = result->bytes_max / SIEVE_SHARE;
  if (bytes_max > SIEVE_BYTES_MAX) bytes_max = SIEVE_BYTES_MAX;
  return frz_key_sieve_init(sieve, result->alloc, least_key, greatest_key, oldest, newest,
                            bytes_max, err);
}

/* How many keys have a place in an array: those of a sieve, if there are as many rows at least. The
 * same in each pass. */
static uint64_t dense_keys(const frz_latest_rows *result, const frz_key_sieve *sieve)
{
  bool pays = sieve->n_keys <= (uint64_t)result->rows_a_pass &&
              frz_dense_winners_bytes(sieve->n_keys) <= result->bytes_max / 2;
  return pays ? sieve->n_keys : 0;
}

static frz_status run_pass(frz_latest_rows *result, latest_pass *pass, frz_error *err)
{
  frz_feature_table *table = &result->table;
  const frz_name_list *names = &result->columns.names;
  const frz_feature_visitor visitor = {.visit = offer_batch, .is_settled = is_settled, .arg = pass};
  const frz_key_sieve *sieve = &pass->sieve;
  FRZ_TRY(make_sieve(result, &pass->sieve, err));
  uint64_t n_dense = dense_keys(result, sieve);
  size_t bytes = frz_key_sieve_bytes(sieve) + frz_dense_winners_bytes(n_dense);
  FRZ_TRY(frz_latest_index_create(table->context, result->least, result->greatest,
                                  result->next_part, result->bytes_max - bytes, &pass->index, err));
  if (sieve->n_keys != 0) frz_latest_index_sieve(pass->index, &pass->sieve);
  if (n_dense != 0) FRZ_TRY(frz_latest_index_dense(pass->index, sieve->least_key, n_dense, err));
  FRZ_TRY(frz_feature_table_scan(table, names->names, names->n_names, &visitor, err));
  FRZ_TRY(tell(pass, true, err));
  result->references.size = 0;
  result->next = 0;
  FRZ_TRY(frz_latest_index_rows(pass->index, &result->references, err));
  result->next_part = frz_latest_index_end(pass->index);
  return FRZ_OK;
}

/* Find the winners of the next keys. */
static frz_status find_latest(frz_latest_rows *result, frz_error *err)
{
  frz_feature_table *table = &result->table;
  const frz_alloc *alloc = result->alloc;
  size_t n_lanes = frz_feature_table_lanes(table), n_ready = 0;
  latest_pass pass = {.result = result, .caller = pthread_self()};
  atomic_init(&pass.rows_done, 0);
  atomic_init(&pass.stopped, false);
  result->n_passes++;
  pass.lanes = frz_alloc_array(alloc, n_lanes, sizeof *pass.lanes);
  if (pass.lanes == NULL) return frz_fail_nomem(err, "latest rows");
  frz_status st = FRZ_OK;
  for (; n_ready < n_lanes; n_ready++)
    FRZ_TRY_OUT(frz_offer_lane_init(&pass.lanes[n_ready], &result->columns, table, err));
  FRZ_TRY_OUT(run_pass(result, &pass, err));
out:
  for (size_t i = 0; i < n_ready; i++) frz_offer_lane_dispose(&pass.lanes[i]);
  frz_alloc_free(alloc, pass.lanes, n_lanes * sizeof *pass.lanes);
  frz_latest_index_free(pass.index);
  frz_key_sieve_dispose(&pass.sieve);
  return st;
}

static frz_status plan(frz_latest_rows *result, const frz_latest_options *options, frz_error *err)
{
  frz_feature_table *table = &result->table;
  frz_view_columns *columns = &result->columns;
  FRZ_TRY(frz_view_columns_find(columns, table, options->key_columns, options->n_key_columns,
                                options->timestamp_field, options->created_timestamp_field, err));
  for (size_t k = 0; k < columns->n_keys; k++)
    FRZ_TRY(frz_key_form_of(&columns->key_fields[k], &columns->key_fields[k],
                            &columns->key_forms[k], err));
  /* The caller's names end with the call; a pass may come later. */
  for (size_t i = 0; i < columns->names.n_names; i++) {
    frz_str name = frz_arena_copy(&table->arena, frz_str_from(columns->names.names[i]));
    if (name.data == NULL) return frz_fail_nomem(err, "latest columns");
    columns->names.names[i] = name.data;
  }
  const frz_time_scale microseconds = {1000, false};
  result->least =
      options->start_us == INT64_MIN
          ? INT64_MIN
          : frz_time_ceil_minus(options->start_us, microseconds, 0, columns->time_scale);
  result->greatest = options->end_us == INT64_MAX
                         ? INT64_MAX
                         : frz_time_floor(options->end_us, microseconds, columns->time_scale);
  FRZ_TRY(frz_feature_table_plan(table, columns->time_field, result->least, result->greatest, NULL,
                                 err));
  for (size_t i = 0; table->is_planned && i < table->plan.n_tasks; i++)
    result->rows_a_pass += table->plan.tasks[i].entry->file.n_rows;
  return FRZ_OK;
}

/* ---- batches ---- */

const frz_arrow_field *frz_latest_rows_fields(const frz_latest_rows *result, size_t *n_fields_out)
{
  *n_fields_out = result->n_fields;
  return result->fields;
}

static size_t n_left(const frz_latest_rows *result)
{
  return result->references.size / sizeof(frz_row_reference) - result->next;
}

/* So many that a page at the end of a fetch, which the next one reads again, is a small part, and
 * so few that the caller has something to do while the next are fetched. */
static size_t fetch_rows(const frz_latest_rows *result)
{
  size_t n = result->references.size / sizeof(frz_row_reference) / FETCHES;
  if (n < FETCH_ROWS_MIN) return FETCH_ROWS_MIN;
  return n < FETCH_ROWS_MAX ? n : FETCH_ROWS_MAX;
}

bool frz_latest_rows_are_found(const frz_latest_rows *result)
{
  return n_left(result) != 0 || result->next_part == FRZ_LATEST_PARTITIONS;
}

frz_status frz_latest_rows_next(frz_latest_rows *result, frz_batch *batch_out, frz_error *err)
{
  while (!frz_latest_rows_are_found(result)) FRZ_TRY(find_latest(result, err));
  size_t n = n_left(result);
  size_t n_max = fetch_rows(result);
  if (n > n_max) n = n_max;
  if (n == 0)
    return frz_batch_init(batch_out, result->fields, result->n_fields, result->alloc, err);
  const frz_row_reference *rows = (const frz_row_reference *)(void *)result->references.data;
  FRZ_TRY(frz_feature_table_fetch(&result->table, result->names.names, result->names.n_names,
                                  rows + result->next, n, batch_out, err));
  result->next += n;
  return FRZ_OK;
}

/* ---- opening ---- */

static frz_status read_options(frz_table *table, const frz_latest_options *options,
                               frz_latest_options *filled, frz_error *err)
{
  if (table == NULL || options == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_latest_per_key: an argument is NULL");
  if (options->struct_bytes == 0 || options->struct_bytes > sizeof *options)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_latest_options: struct_bytes %zu",
                    options->struct_bytes);
  frz_latest_options_init(filled);
  memcpy(filled, options, options->struct_bytes);
  if (filled->timestamp_field == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "latest per key: no timestamp field is given");
  return FRZ_OK;
}

frz_status frz_latest_rows_open(frz_table *table, const frz_latest_options *options,
                                frz_latest_rows **rows_out, frz_error *err)
{
  frz_latest_options filled;
  frz_feature_table opened;
  FRZ_TRY(read_options(table, options, &filled, err));
  FRZ_TRY(frz_feature_table_open(&opened, table, filled.scan, err));
  const frz_alloc *alloc = frz_context_alloc(opened.context);
  frz_latest_rows *result = frz_alloc_zeroed(alloc, sizeof *result);
  if (result == NULL) {
    frz_feature_table_dispose(&opened);
    return frz_fail_nomem(err, "latest rows");
  }
  result->alloc = alloc;
  result->table = opened;
  result->progress = filled.progress;
  result->progress_ctx = filled.progress_ctx;
  result->bytes_max = frz_pit_memory_for_rows(opened.context) / 2;
  if (result->bytes_max < INDEX_BYTES_MIN) result->bytes_max = INDEX_BYTES_MIN;
  frz_buf_init(&result->references, alloc, SIZE_MAX / 2);
  frz_status st = choose_columns(result, &filled, err);
  if (st == FRZ_OK) st = plan(result, &filled, err);
  if (st == FRZ_OK) st = find_latest(result, err);
  if (st != FRZ_OK) {
    frz_latest_rows_free(result);
    return st;
  }
  *rows_out = result;
  return FRZ_OK;
}

/* ---- the stream ---- */

static frz_status stream_next(void *self, frz_batch *batch_out, frz_error *err)
{
  frz_latest_rows *result = self;
  FRZ_TRY(frz_context_poll(result->table.context, err));
  return frz_latest_rows_next(result, batch_out, err);
}

static void stream_free(void *self)
{
  frz_latest_rows_free(self);
}

frz_status frz_latest_per_key(frz_table *table, const frz_latest_options *options,
                              struct ArrowArrayStream *stream_out, frz_error *err)
{
  frz_latest_rows *result;
  if (stream_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_latest_per_key: an argument is NULL");
  FRZ_TRY(frz_latest_rows_open(table, options, &result, err));
  frz_batch_source source = {result, stream_next, stream_free};
  return frz_stream_export(result->fields, result->n_fields, source, result->alloc, stream_out,
                           err);
}
