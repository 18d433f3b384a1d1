/*
 * test_pit_files.c - which files of a feature table a join reads: by the entity rows' keys, and
 * newest first until nothing older can win.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "arrow/arrow_stream.h"
#include "pit/key_filter.h"
#include "pit/slot_index.h"
#include "test_lake.h"

enum { N_FILES = 4, FILE_ROWS = 10, MANY_KEYS = 1500 };

static const frz_arrow_field fields[] = {
    {.name = {"number", 6}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}},
    {.name = {"text", 4}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_STRING}},
    {.name = {"event_timestamp", 15},
     .nullable = true,
     .field_id = -1,
     .type = {.kind = FRZ_ARROW_TIMESTAMP, .unit = FRZ_UNIT_US, .has_zone = true}}};

enum { N_FIELDS = 3 };

/* Row i has the number `key_of(i)`, that as a text, and the time i. */
static void append_rows(frz_table *table, int64_t first, int64_t n, int64_t (*key_of)(int64_t row))
{
  frz_batch batch;
  frz_error err = {0};
  struct ArrowArrayStream rows;
  frz_test_ok(frz_batch_init(&batch, fields, N_FIELDS, frz_alloc_default(), &err), &err);
  for (int64_t i = first; i < first + n; i++) {
    char text[24];
    int64_t key = key_of(i);
    size_t size = (size_t)snprintf(text, sizeof text, "t%04d", (int)key);
    frz_test_ok(frz_column_append_value(&batch.columns[0], &key, sizeof key, &err), &err);
    frz_test_ok(frz_column_append_value(&batch.columns[1], text, size, &err), &err);
    frz_test_ok(frz_column_append_value(&batch.columns[2], &i, sizeof i, &err), &err);
    batch.n_rows++;
  }
  frz_test_ok(
      frz_stream_export_batches(fields, N_FIELDS, &batch, 1, frz_alloc_default(), &rows, &err),
      &err);
  frz_test_ok(frz_table_append(table, &rows, NULL, NULL, &err), &err);
}

static frz_table *make_table(frz_test_lake *lake, const char *partition_spec,
                             int64_t (*key_of)(int64_t row))
{
  frz_error err = {0};
  struct ArrowSchema schema;
  frz_table *table;
  frz_create_table_options options;
  frz_create_table_options_init(&options);
  options.partition_spec = partition_spec;
  frz_test_lake_open(lake, NULL);
  frz_test_ok(frz_arrow_schema_export(fields, N_FIELDS, frz_alloc_default(), &schema, &err), &err);
  frz_test_ok(frz_catalog_create_table(lake->catalog, "ns.t", &schema, &options, &table, &err),
              &err);
  schema.release(&schema);
  for (int64_t file = 0; file < N_FILES; file++)
    append_rows(table, file * FILE_ROWS, FILE_ROWS, key_of);
  return table;
}

/* Entity rows, joined to a table by one or two columns; all at one time. */
typedef struct entity_rows {
  frz_column columns[2];
  const frz_column *keys[2];
  const char *names[2];
  size_t n_keys;
  int64_t n_rows, time;
} entity_rows;

typedef struct joined {
  frz_feature_table table;
  frz_view_columns columns;
  frz_key_batch keys;
  frz_slot_index *index;
  frz_key_filter filter;
  int64_t times[MANY_KEYS];
  uint8_t present[MANY_KEYS];
} joined;

static void plan_join(joined *join, frz_table *table, const entity_rows *rows)
{
  frz_error err = {0};
  const frz_expr *keys;
  int64_t least, greatest;
  frz_test_ok(frz_feature_table_open(&join->table, table, NULL, &err), &err);
  frz_test_ok(frz_view_columns_find(&join->columns, &join->table, rows->names, rows->n_keys,
                                    "event_timestamp", NULL, &err),
              &err);
  for (size_t k = 0; k < rows->n_keys; k++) {
    frz_arrow_field field = {.type = rows->columns[k].type};
    frz_test_ok(
        frz_key_form_of(&field, &join->columns.key_fields[k], &join->columns.key_forms[k], &err),
        &err);
  }
  for (int64_t i = 0; i < rows->n_rows; i++) {
    join->times[i] = rows->time;
    join->present[i] = 1;
  }
  frz_slot_options options = {.entity_scale = {1000, false}, .event_scale = {1000, false}};
  frz_key_batch_init(&join->keys, frz_alloc_default());
  frz_test_ok(frz_key_batch_fill(&join->keys, rows->keys, join->columns.key_forms, rows->n_keys,
                                 false, rows->n_rows, &err),
              &err);
  frz_test_ok(frz_slot_index_create(join->table.context, &join->keys, join->times, join->present,
                                    rows->n_rows, &options, &join->index, &err),
              &err);
  frz_test_ok(frz_key_filter_init(&join->filter, &join->columns, frz_alloc_default(), &err), &err);
  frz_test_ok(frz_key_filter_add(&join->filter, rows->keys, &err), &err);
  frz_test_ok(frz_key_filter_make(&join->filter, &join->table.arena, &keys, &err), &err);
  assert_true(frz_slot_index_window(join->index, &least, &greatest));
  frz_test_ok(
      frz_feature_table_plan(&join->table, join->columns.time_field, least, greatest, keys, &err),
      &err);
}

static void end_join(joined *join)
{
  frz_slot_index_free(join->index);
  frz_key_filter_dispose(&join->filter);
  frz_key_batch_dispose(&join->keys);
  frz_feature_table_dispose(&join->table);
}

static frz_column make_column(frz_arrow_kind kind, const int64_t *keys, int64_t n)
{
  frz_arrow_field field = {.type = {.kind = kind}};
  frz_column column;
  frz_error err = {0};
  frz_test_ok(frz_column_init(&column, &field, frz_alloc_default(), &err), &err);
  for (int64_t i = 0; i < n; i++) {
    char text[24];
    int32_t narrow = (int32_t)keys[i];
    size_t size = (size_t)snprintf(text, sizeof text, "t%04d", (int)keys[i]);
    double real = (double)keys[i];
    const void *value = &keys[i];
    if (kind == FRZ_ARROW_FLOAT64) value = &real;
    if (kind == FRZ_ARROW_INT32) value = &narrow;
    if (kind == FRZ_ARROW_STRING) value = text;
    if (kind != FRZ_ARROW_STRING) size = kind == FRZ_ARROW_INT32 ? 4 : 8;
    frz_test_ok(frz_column_append_value(&column, value, size, &err), &err);
  }
  return column;
}

/* How many files are left for these keys, of which `kinds` says the columns' types. */
static size_t files_for(frz_table *table, const char *const *names, const frz_arrow_kind *kinds,
                        size_t n_keys, const int64_t *keys, int64_t n)
{
  static joined join;
  entity_rows rows = {.n_keys = n_keys, .n_rows = n, .time = 1000000};
  for (size_t k = 0; k < n_keys; k++) {
    rows.columns[k] = make_column(kinds[k], keys, n);
    rows.keys[k] = &rows.columns[k];
    rows.names[k] = names[k];
  }
  plan_join(&join, table, &rows);
  size_t n_files = join.table.plan.n_tasks;
  end_join(&join);
  for (size_t k = 0; k < n_keys; k++) frz_column_dispose(&rows.columns[k]);
  return n_files;
}

static int64_t same(int64_t row)
{
  return row;
}

static void test_keys_leave_files_out(void **state)
{
  (void)state;
  static const char *const names[] = {"number", "text"};
  static const frz_arrow_kind wide[] = {FRZ_ARROW_INT64, FRZ_ARROW_STRING};
  static const frz_arrow_kind narrow[] = {FRZ_ARROW_INT32};
  static const frz_arrow_kind real[] = {FRZ_ARROW_FLOAT64};
  static const int64_t first[] = {5};
  static const int64_t apart[] = {5, 25};
  static const int64_t beyond[] = {-1, 7777};
  static int64_t many[MANY_KEYS];
  frz_test_lake lake;
  frz_table *table = make_table(&lake, NULL, same);
  assert_int_equal(files_for(table, names, wide, 1, first, 1), 1);
  assert_int_equal(files_for(table, names, narrow, 1, first, 1), 1);
  assert_int_equal(files_for(table, names, wide, 1, apart, 2), 2); /* not the one in between */
  assert_int_equal(files_for(table, names, wide, 1, beyond, 2), 0);
  assert_int_equal(files_for(table, names + 1, wide + 1, 1, apart, 2), 2);
  assert_int_equal(files_for(table, names, wide, 2, first, 1), 1);
  assert_int_equal(files_for(table, names, real, 1, first, 1), 1); /* as pandas makes them */
  for (int64_t i = 0; i < MANY_KEYS; i++) many[i] = 15 + i * 2;
  assert_int_equal(files_for(table, names, wide, 1, many, MANY_KEYS), 3); /* from 15 on */
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_keys_leave_partitions_out(void **state)
{
  (void)state;
  static const char *const names[] = {"number"};
  static const frz_arrow_kind wide[] = {FRZ_ARROW_INT64};
  static const int64_t key[] = {5};
  frz_test_lake lake;
  frz_table *table = make_table(&lake, "bucket(16, number)", same);
  assert_int_equal(files_for(table, names, wide, 1, key, 1), 1);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- newest first ---- */

typedef struct row_counter {
  joined *join;
  frz_offer_lane lane;
  int64_t n_rows;
} row_counter;

static frz_status count_rows(void *arg, size_t lane, const frz_batch *batch,
                             const int64_t *positions, uint32_t file_rank, frz_error *err)
{
  row_counter *counter = arg;
  frz_offer offer;
  counter->n_rows += batch->n_rows;
  FRZ_TRY(frz_offer_lane_fill(&counter->lane, &counter->join->columns, false, batch, positions,
                              file_rank, &offer, err));
  return frz_slot_index_offer(counter->join->index, lane, &offer, &counter->lane.scratch, err);
}

static bool is_settled(void *arg, size_t lane, uint32_t file_rank, int64_t oldest, int64_t newest)
{
  (void)file_rank;
  row_counter *counter = arg;
  return frz_slot_index_is_settled(counter->join->index, lane, oldest, newest);
}

static int64_t last_digit(int64_t row)
{
  return row % FILE_ROWS;
}

/* Rows of the table that a join of all ten keys at `time` looks at, one file after the other. */
static int64_t rows_looked_at(frz_table *table, int64_t time, int64_t n_keys)
{
  static joined join;
  static const int64_t keys[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  frz_error err = {0};
  frz_column column = make_column(FRZ_ARROW_INT64, keys, n_keys);
  entity_rows rows = {
      .keys = {&column}, .names = {"number"}, .n_keys = 1, .n_rows = n_keys, .time = time};
  rows.columns[0] = column;
  plan_join(&join, table, &rows);
  row_counter counter = {.join = &join};
  frz_feature_visitor visitor = {count_rows, is_settled, NULL, &counter};
  frz_test_ok(frz_offer_lane_init(&counter.lane, &join.columns, &join.table, &err), &err);
  frz_test_ok(frz_feature_table_scan(&join.table, join.columns.names.names,
                                     join.columns.names.n_names, &visitor, &err),
              &err);
  frz_test_ok(frz_slot_index_carry(join.index, &err), &err);
  for (int64_t i = 0; i < n_keys; i++) { /* key i at the last row before the time that has it */
    const frz_candidate *winner =
        frz_slot_index_winner(join.index, frz_slot_index_slot(join.index, i));
    int64_t event = (time - i) / FILE_ROWS * FILE_ROWS + i;
    if (event >= N_FILES * FILE_ROWS) event = (N_FILES - 1) * FILE_ROWS + i;
    if (i < FILE_ROWS && time >= i)
      assert_int_equal(winner->event_time, event);
    else
      assert_int_equal(winner->file_rank, FRZ_NO_FILE);
  }
  frz_offer_lane_dispose(&counter.lane);
  end_join(&join);
  frz_column_dispose(&column);
  return counter.n_rows;
}

/* Newest first 1: one thread, so that the files come one after the other. */
static void test_newest_files_settle_older_ones(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_context *context;
  frz_context_options options;
  frz_table *table;
  frz_table_free(make_table(&lake, NULL, last_digit));
  frz_context_options_init(&options);
  options.n_threads = 1;
  frz_test_ok(frz_context_create(&options, &context, &err), &err);
  frz_catalog *catalog = frz_test_lake_connect(&lake, context);
  frz_test_ok(frz_catalog_load_table(catalog, "ns.t", &table, &err), &err);
  assert_int_equal(rows_looked_at(table, 1000, 10), FILE_ROWS);
  assert_int_equal(rows_looked_at(table, 29, 10), FILE_ROWS);     /* the newest is after them */
  assert_int_equal(rows_looked_at(table, 25, 10), 2 * FILE_ROWS); /* keys 6 to 9 */
  assert_int_equal(rows_looked_at(table, 1000, 11), N_FILES * FILE_ROWS); /* no row has key 10 */
  frz_table_free(table);
  frz_catalog_free(catalog);
  frz_context_free(context);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_keys_leave_files_out),
      cmocka_unit_test(test_keys_leave_partitions_out),
      cmocka_unit_test(test_newest_files_settle_older_ones),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
