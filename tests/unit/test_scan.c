/*
 * test_scan.c - scans of small tables: order, pruning, deletes, limits, threads and half-read
 * streams.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arrow/arrow_stream.h"
#include "delete_writer.h"
#include "fault.h"
#include "iceberg/scan/file_read.h"
#include "iceberg/table/table_state.h"
#include "iceberg/write/snapshot_producer.h"
#include "test_lake.h"
#include "troubled_store.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])
enum { ID = 1, NAME = 2, ROWS_MAX = 20000 };

/* ---- helpers ---- */

/** Rows as a scan gave them. */
typedef struct result {
  int64_t ids[ROWS_MAX];
  int64_t n;
  int64_t n_batches;
  int64_t largest;
} result;

static void read_stream(struct ArrowArrayStream *stream, result *into)
{
  frz_error err = {0};
  frz_stream_reader reader = {0};
  into->n = into->n_batches = into->largest = 0;
  frz_test_ok(frz_stream_reader_open(&reader, stream, frz_alloc_default(), &err), &err);
  assert_int_equal(reader.fields[0].type.kind, FRZ_ARROW_INT64);
  for (;;) {
    frz_batch batch = {0};
    frz_test_ok(frz_stream_reader_next(&reader, &batch, &err), &err);
    if (batch.n_rows == 0) {
      frz_batch_dispose(&batch);
      break;
    }
    const int64_t *ids = (const int64_t *)(const void *)batch.columns[0].values.data;
    assert_true(into->n + batch.n_rows <= ROWS_MAX);
    memcpy(into->ids + into->n, ids, (size_t)batch.n_rows * sizeof *ids);
    for (int64_t row = 0; batch.n_columns > 1 && row < batch.n_rows; row++) {
      char expected[32];
      snprintf(expected, sizeof expected, "n%lld", (long long)ids[row]);
      if (ids[row] % 7 == 0)
        assert_true(frz_column_is_null(&batch.columns[1], row));
      else
        assert_true(frz_str_is(frz_column_bytes(&batch.columns[1], row), expected));
    }
    into->n += batch.n_rows;
    into->n_batches++;
    if (batch.n_rows > into->largest) into->largest = batch.n_rows;
    frz_batch_dispose(&batch);
  }
  frz_stream_reader_dispose(&reader);
}

static void scan(frz_table *table, const frz_scan_options *options, result *into)
{
  frz_error err = {0};
  frz_scan *made;
  struct ArrowArrayStream stream;
  frz_test_ok(frz_table_scan(table, options, &made, &err), &err);
  frz_test_ok(frz_scan_stream(made, &stream, &err), &err);
  frz_scan_free(made); /* the stream stays usable */
  read_stream(&stream, into);
}

static frz_scan_options options_of(const char *filter)
{
  frz_scan_options options;
  frz_scan_options_init(&options);
  options.row_filter = filter;
  return options;
}

/** The ids are those of [0, end) for which `wanted` is true, in order. */
static void check_ids(const result *got, int64_t end, bool (*wanted)(int64_t id))
{
  int64_t n = 0;
  for (int64_t id = 0; id < end; id++) {
    if (!wanted(id)) continue;
    if (n >= got->n || got->ids[n] != id)
      fail_msg("row %lld of %lld: id %lld instead of %lld", (long long)n, (long long)got->n,
               n < got->n ? (long long)got->ids[n] : -1, (long long)id);
    n++;
  }
  assert_int_equal(got->n, n);
}

static bool any(int64_t id)
{
  (void)id;
  return true;
}

static frz_batch key_batch(const int64_t *ids, const char *const *names, size_t n)
{
  static const frz_arrow_field fields[] = {
      {.name = {"id", 2}, .nullable = true, .field_id = ID, .type = {.kind = FRZ_ARROW_INT64}},
      {.name = {"name", 4}, .nullable = true, .field_id = NAME, .type = {.kind = FRZ_ARROW_STRING}},
  };
  frz_batch batch;
  size_t n_fields = ids != NULL && names != NULL ? 2 : 1;
  assert_int_equal(frz_batch_init(&batch, ids != NULL ? fields : fields + 1, n_fields,
                                  frz_alloc_default(), NULL),
                   FRZ_OK);
  for (size_t i = 0; i < n; i++) {
    if (ids != NULL)
      assert_int_equal(frz_column_append_value(&batch.columns[0], &ids[i], sizeof *ids, NULL),
                       FRZ_OK);
    frz_column *column = &batch.columns[n_fields - 1];
    if (names != NULL && names[i] == NULL)
      assert_int_equal(frz_column_append_nulls(column, 1, NULL), FRZ_OK);
    else if (names != NULL)
      assert_int_equal(frz_column_append_value(column, names[i], strlen(names[i]), NULL), FRZ_OK);
  }
  batch.n_rows = (int64_t)n;
  return batch;
}

static void delete_keys(frz_table *table, const int64_t *ids, const char *const *names, size_t n,
                        int32_t spec_id)
{
  static const int32_t both[] = {ID, NAME};
  frz_error err = {0};
  frz_batch rows = key_batch(ids, names, n);
  const int32_t *key = ids != NULL ? both : both + 1;
  frz_test_ok(frz_test_delete_keys(table, key, rows.n_columns, spec_id, &rows, &err), &err);
  frz_batch_dispose(&rows);
}

/** The paths of the data files a scan would read, in order. */
static size_t list_files(frz_table *table, const char *filter, char paths[][512], size_t max)
{
  frz_error err = {0};
  frz_scan *made;
  struct ArrowArrayStream stream;
  frz_stream_reader reader = {0};
  frz_batch batch = {0};
  frz_scan_options options = options_of(filter);
  frz_test_ok(frz_table_scan(table, &options, &made, &err), &err);
  frz_test_ok(frz_scan_plan_files(made, &stream, &err), &err);
  frz_scan_free(made);
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
  frz_test_ok(frz_stream_reader_next(&reader, &batch, &err), &err);
  size_t n = (size_t)batch.n_rows;
  assert_true(n <= max);
  for (size_t i = 0; i < n; i++) {
    frz_str path = frz_column_bytes(&batch.columns[0], (int64_t)i);
    snprintf(paths[i], 512, "%.*s", (int)path.size, path.data);
  }
  frz_batch_dispose(&batch);
  frz_stream_reader_dispose(&reader);
  return n;
}

typedef struct position {
  const char *path;
  int64_t row;
} position;

static void delete_positions(frz_table *table, const position *positions, size_t n, bool bounded)
{
  frz_error err = {0};
  frz_batch rows;
  assert_int_equal(frz_batch_init(&rows, frz_test_position_fields(), 2, frz_alloc_default(), NULL),
                   FRZ_OK);
  for (size_t i = 0; i < n; i++) {
    assert_int_equal(frz_column_append_value(&rows.columns[0], positions[i].path,
                                             strlen(positions[i].path), NULL),
                     FRZ_OK);
    assert_int_equal(
        frz_column_append_value(&rows.columns[1], &positions[i].row, sizeof(int64_t), NULL),
        FRZ_OK);
  }
  rows.n_rows = (int64_t)n;
  frz_test_ok(frz_test_delete_positions(table, &rows, bounded, &err), &err);
  frz_batch_dispose(&rows);
}

static frz_table *filled_table(frz_test_lake *lake, const char *name, int64_t n_files,
                               int64_t n_rows)
{
  static const frz_property small_groups[] = {{"write.parquet.row-group-limit", "100"},
                                              {NULL, NULL}};
  frz_error err = {0};
  frz_table *table = frz_test_lake_table(lake, name, NULL, small_groups);
  for (int64_t i = n_files; i-- > 0;) /* manifests of new files come first in the list */
    frz_test_ok(frz_test_append(table, i * n_rows, n_rows, &err), &err);
  return table;
}

/** A context with so many threads, and the table through it. */
typedef struct view {
  frz_context *context;
  frz_catalog *catalog;
  frz_table *table;
} view;

static view open_view(const frz_test_lake *lake, const char *identifier, int32_t n_threads,
                      const frz_alloc *alloc)
{
  view opened = {0};
  frz_error err = {0};
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = n_threads;
  options.alloc = alloc;
  frz_test_ok(frz_context_create(&options, &opened.context, &err), &err);
  opened.catalog = frz_test_lake_connect(lake, opened.context);
  frz_test_ok(frz_catalog_load_table(opened.catalog, identifier, &opened.table, &err), &err);
  return opened;
}

static void close_view(view *opened)
{
  frz_table_free(opened->table);
  frz_catalog_free(opened->catalog);
  frz_context_free(opened->context);
}

/* ---- tests ---- */

static void test_rows_come_in_order(void **state)
{
  static const int32_t threads[] = {1, 2, 5};
  static const int64_t batch_rows[] = {1, 7, 100, 65536};
  frz_test_lake *lake = *state;
  result *got = malloc(sizeof *got);
  frz_table_free(filled_table(lake, "ordered", 7, 350));
  for (size_t i = 0; i < LENGTH(threads); i++) {
    view opened = open_view(lake, "ns.ordered", threads[i], NULL);
    for (size_t k = 0; k < LENGTH(batch_rows); k++) {
      frz_scan_options options = options_of(NULL);
      options.batch_rows_max = batch_rows[k];
      scan(opened.table, &options, got);
      check_ids(got, 7 * 350, any);
      assert_true(got->largest <= batch_rows[k]);
    }
    close_view(&opened);
  }
  free(got);
}

static bool in_range(int64_t id)
{
  return id >= 340 && id < 720;
}

static bool name_is_null(int64_t id)
{
  return id % 7 == 0;
}

static bool two_ids(int64_t id)
{
  return id == 3 || id == 900;
}

static void test_filters(void **state)
{
  static const struct {
    const char *filter;
    bool (*wanted)(int64_t id);
    size_t n_files;
  } cases[] = {
      {"id >= 340 and id < 720", in_range, 3},      {"name is null", name_is_null, 4},
      {"id = 900 or name = 'n3'", two_ids, 4},      {"id in (3, 900)", two_ids, 2},
      {"not (id < 340 or id >= 720)", in_range, 3}, {"true", any, 4},
  };
  frz_test_lake *lake = *state;
  static const char *const id_only[] = {"id"};
  static const char *const both[] = {"id", "name"};
  result *got = malloc(sizeof *got);
  frz_table *table = filled_table(lake, "filtered", 4, 350);
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char paths[8][512];
    frz_scan_options options = options_of(cases[i].filter);
    scan(table, &options, got);
    check_ids(got, 4 * 350, cases[i].wanted);
    options.selected_fields = id_only; /* the filter's other columns are read all the same */
    options.n_selected_fields = 1;
    scan(table, &options, got);
    check_ids(got, 4 * 350, cases[i].wanted);
    options.selected_fields = both;
    options.n_selected_fields = 2;
    scan(table, &options, got);
    check_ids(got, 4 * 350, cases[i].wanted);
    size_t n_files = list_files(table, cases[i].filter, paths, 8);
    if (strstr(cases[i].filter, " or name") == NULL) assert_int_equal(n_files, cases[i].n_files);
  }
  frz_table_free(table);
  free(got);
}

static void test_limits(void **state)
{
  static const int64_t limits[] = {0, 1, 99, 100, 101, 350, 351, 1399, 1400, 5000};
  frz_test_lake *lake = *state;
  result *got = malloc(sizeof *got);
  frz_table_free(filled_table(lake, "limited", 4, 350));
  for (int32_t n_threads = 1; n_threads <= 3; n_threads += 2) {
    view opened = open_view(lake, "ns.limited", n_threads, NULL);
    for (size_t i = 0; i < LENGTH(limits); i++) {
      frz_scan_options options = options_of(NULL);
      options.limit_rows = limits[i];
      scan(opened.table, &options, got);
      check_ids(got, limits[i] < 1400 ? limits[i] : 1400, any);
      options.row_filter = "id >= 340 and id < 720";
      scan(opened.table, &options, got);
      assert_int_equal(got->n, limits[i] < 380 ? limits[i] : 380);
      if (got->n > 0) assert_int_equal(got->ids[got->n - 1], 340 + got->n - 1);
    }
    close_view(&opened);
  }
  free(got);
}

/** What a scan asks of the store. */
static long count_requests(frz_test_lake *lake, frz_table *table, int64_t limit_rows)
{
  static result got;
  frz_storage *real = table->storage;
  frz_troubled_store store = {.real = real};
  table->storage = frz_troubled_store_wrap(&store, lake->context);
  frz_scan_options options = options_of(NULL);
  options.limit_rows = limit_rows;
  scan(table, &options, &got);
  frz_storage_release(table->storage);
  table->storage = real;
  return store.requests;
}

/** A few rows take a few manifests; a delete file is read once however many files it is for. */
static void test_requests_of_a_scan(void **state)
{
  enum { FILES = 40 };
  frz_test_lake *lake = *state;
  frz_error err = {0};
  frz_batch rows;
  struct ArrowArrayStream stream;
  frz_stream_reader reader = {0};
  frz_table *table = filled_table(lake, "requested", FILES, 10);
  assert_true(count_requests(lake, table, 5) < FILES);
  frz_test_ok(frz_table_inspect(table, "files", 0, &stream, &err), &err);
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
  frz_test_ok(frz_batch_init(&rows, frz_test_position_fields(), 2, frz_alloc_default(), &err),
              &err);
  for (bool ended = false; !ended;) {
    frz_batch files = {0};
    const int64_t third = 3;
    frz_test_ok(frz_stream_reader_next(&reader, &files, &err), &err);
    ended = files.n_rows == 0;
    for (int64_t i = 0; i < files.n_rows; i++) {
      frz_str path = frz_column_bytes(&files.columns[1], i);
      frz_test_ok(frz_column_append_value(&rows.columns[0], path.data, path.size, &err), &err);
      frz_test_ok(frz_column_append_value(&rows.columns[1], &third, 8, &err), &err);
      rows.n_rows++;
    }
    frz_batch_dispose(&files);
  }
  frz_stream_reader_dispose(&reader);
  assert_int_equal(rows.n_rows, FILES);
  frz_test_ok(frz_test_delete_positions(table, &rows, false, &err), &err);
  frz_batch_dispose(&rows);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, FILES * 9);
  /* The list, data files and their manifests, a manifest of deletes and the one file in it. */
  assert_in_range(count_requests(lake, table, -1), 2 * FILES, 2 * FILES + 3);
  frz_table_free(table);
}

static bool not_deleted_keys(int64_t id)
{
  return id != 5 && id != 14 && id != 500; /* 21 and 22: other name */
}

static void test_equality_deletes(void **state)
{
  frz_test_lake *lake = *state;
  static const int64_t ids[] = {5, 14, 21, 22, 500, 5000};
  static const char *const names[] = {"n5", NULL, "n21", NULL, "n500", "n5000"};
  static const char *const only_id[] = {"id"};
  result *got = malloc(sizeof *got);
  frz_table *table = filled_table(lake, "keys", 3, 350);
  delete_keys(table, ids, names, LENGTH(ids), 0);
  frz_scan_options options = options_of(NULL);
  scan(table, &options, got);
  check_ids(got, 3 * 350, not_deleted_keys);
  options.selected_fields = only_id; /* names are read for the keys */
  options.n_selected_fields = 1;
  scan(table, &options, got);
  check_ids(got, 3 * 350, not_deleted_keys);
  options.row_filter = "id in (5, 6, 500)";
  scan(table, &options, got);
  assert_int_equal(got->n, 1);
  assert_int_equal(got->ids[0], 6);

  /* Rows written later live, though their keys were deleted before. */
  frz_error err = {0};
  frz_test_ok(frz_test_append(table, 0, 600, &err), &err);
  options = options_of(NULL);
  scan(table, &options, got);
  assert_int_equal(got->n, 3 * 350 - 3 + 600);
  delete_keys(table, NULL, names + 1, 1, 0); /* every row without a name, in all files */
  scan(table, &options, got);
  assert_int_equal(got->n, 3 * 350 - 3 + 600 - (150 - 1) - 86);
  for (int64_t i = 0; i < got->n; i++) assert_int_not_equal(got->ids[i] % 7, 0);
  frz_table_free(table);
  free(got);
}

static bool not_deleted_rows(int64_t id)
{
  return id != 0 && id != 99 && id != 100 && id != 349 && id != 351 && id != 1049;
}

static bool not_in_first_file(int64_t id)
{
  return not_deleted_rows(id) && (id >= 350 || id % 2 != 0);
}

static void test_position_deletes(void **state)
{
  frz_test_lake *lake = *state;
  char paths[8][512];
  result *got = malloc(sizeof *got);
  for (int bounded = 0; bounded < 2; bounded++) {
    frz_table *table = filled_table(lake, bounded ? "rows_bounded" : "rows", 3, 350);
    assert_int_equal(list_files(table, NULL, paths, 8), 3);
    position rows[] = {{paths[0], 0},   {paths[0], 99}, {paths[0], 100},
                       {paths[0], 349}, {paths[1], 1},  {paths[2], 349}};
    delete_positions(table, rows, LENGTH(rows), bounded);
    frz_scan_options options = options_of(NULL);
    options.batch_rows_max = 64;
    scan(table, &options, got);
    check_ids(got, 3 * 350, not_deleted_rows);
    /* Positions count from the file's start whatever row groups are skipped. */
    options.row_filter = "id >= 340 and id < 720";
    scan(table, &options, got);
    assert_int_equal(got->n, 380 - 2);

    position every_second[175];
    for (int64_t i = 0; i < 175; i++) every_second[i] = (position){paths[0], i * 2};
    delete_positions(table, every_second, 175, bounded); /* a second file for the first */
    options = options_of(NULL);
    scan(table, &options, got);
    check_ids(got, 3 * 350, not_in_first_file);
    frz_table_free(table);
  }
  free(got);
}

/** Rows of pages that a filter leaves out do not move those that are deleted. */
static void test_deletes_in_pages_left_out(void **state)
{
  frz_test_lake *lake = *state;
  static const frz_property small_pages[] = {{"write.parquet.row-group-limit", "100"},
                                             {"write.parquet.page-row-limit", "10"},
                                             {NULL, NULL}};
  static const struct {
    const char *filter;
    int64_t ids[8]; /* that a scan gives; -1: the end */
  } cases[] = {
      {"id = 42", {42, -1}},
      {"id = 43", {-1}},                                         /* by position */
      {"id in (5, 43, 44, 299)", {44, 299, -1}},                 /* 5 by key */
      {"id > 295 and id < 299", {296, 298, -1}},                 /* 297 by position */
      {"id between 99 and 101 or id = 200", {99, 101, 200, -1}}, /* 100 by position */
      {"name = 'n250'", {250, -1}},
      {"name is null and id > 280", {287, 294, -1}},
  };
  char path[1][512];
  frz_error err = {0};
  result *got = malloc(sizeof *got);
  frz_table *table = frz_test_lake_table(lake, "pages", NULL, small_pages);
  frz_test_ok(frz_test_append(table, 0, 300, &err), &err);
  assert_int_equal(list_files(table, NULL, path, 1), 1);
  const position rows[] = {{path[0], 43}, {path[0], 100}, {path[0], 297}};
  static const int64_t key[] = {5};
  static const char *const name[] = {"n5"};
  delete_positions(table, rows, LENGTH(rows), true);
  delete_keys(table, key, name, 1, 0);
  for (size_t i = 0; i < LENGTH(cases); i++) {
    frz_scan_options options = options_of(cases[i].filter);
    int64_t n = 0;
    scan(table, &options, got);
    while (cases[i].ids[n] != -1) n++;
    if (got->n != n || memcmp(got->ids, cases[i].ids, (size_t)n * sizeof *got->ids) != 0)
      fail_msg("%s: %lld rows, the first %lld", cases[i].filter, (long long)got->n,
               got->n > 0 ? (long long)got->ids[0] : -1);
  }
  frz_table_free(table);
  free(got);
}

/** Equality deletes of one partition leave the same keys in others alone. */
static void test_deletes_keep_to_their_partition(void **state)
{
  frz_test_lake *lake = *state;
  frz_error err = {0};
  result *got = malloc(sizeof *got);
  frz_table *table = frz_test_lake_table(lake, "parted", "truncate(100, id)", NULL);
  frz_test_ok(frz_test_append(table, 0, 1000, &err), &err);
  frz_test_ok(frz_test_append(table, 0, 1000, &err), &err);
  static const int64_t ids[] = {5, 250, 251};
  static const char *const names[] = {"n5", "n250", "n251"};
  delete_keys(table, ids, names, 3, 0); /* spec 0 is the table's own: two files of deletes */
  frz_scan_options options = options_of(NULL);
  scan(table, &options, got);
  assert_int_equal(got->n, 2 * (1000 - 3));
  options.row_filter = "id >= 200 and id < 300";
  scan(table, &options, got);
  assert_int_equal(got->n, 2 * (100 - 2));
  char paths[32][512];
  assert_int_equal(list_files(table, options.row_filter, paths, 32), 2);
  frz_table_free(table);
  free(got);
}

static void test_snapshots_are_read_as_they_were(void **state)
{
  frz_test_lake *lake = *state;
  frz_error err = {0};
  result *got = malloc(sizeof *got);
  frz_table *table = filled_table(lake, "history", 1, 50);
  int64_t first = frz_table_current_snapshot_id(table);
  frz_test_ok(frz_table_set_ref(table, "then", NULL, &err), &err);
  frz_test_ok(frz_test_append(table, 50, 50, &err), &err);
  static const frz_schema_change changes[] = {
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "extra", .type_text = "double"}};
  frz_test_ok(frz_table_update_schema(table, changes, 1, &err), &err);
  frz_scan_options options = options_of(NULL);
  scan(table, &options, got);
  assert_int_equal(got->n, 100);
  options.snapshot_id = first;
  scan(table, &options, got);
  check_ids(got, 50, any);
  options = options_of(NULL);
  options.ref = "then";
  scan(table, &options, got);
  check_ids(got, 50, any);
  frz_scan *made;
  static const char *const extra[] = {"id", "extra"};
  options.selected_fields = extra; /* the tag is read with the schema of its time */
  options.n_selected_fields = 2;
  assert_int_equal(frz_table_scan(table, &options, &made, &err), FRZ_ERR_INVALID);
  options.ref = "main";
  frz_test_ok(frz_table_scan(table, &options, &made, &err), &err);
  struct ArrowArrayStream stream;
  frz_stream_reader reader = {0};
  frz_batch batch = {0};
  frz_test_ok(frz_scan_stream(made, &stream, &err), &err);
  frz_scan_free(made);
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
  frz_test_ok(frz_stream_reader_next(&reader, &batch, &err), &err);
  assert_int_equal(batch.columns[1].type.kind, FRZ_ARROW_FLOAT64);
  assert_int_equal(batch.columns[1].n_nulls, 50);
  frz_batch_dispose(&batch);
  frz_stream_reader_dispose(&reader);
  frz_table_free(table);
  free(got);
}

static void test_wrong_options(void **state)
{
  frz_test_lake *lake = *state;
  frz_table *table = filled_table(lake, "options", 1, 10);
  static const char *const unknown[] = {"id", "nothing"};
  frz_scan_options cases[9];
  for (size_t i = 0; i < LENGTH(cases); i++) cases[i] = options_of(NULL);
  static const frz_status expected[LENGTH(cases)] = {
      FRZ_ERR_INVALID, FRZ_ERR_INVALID,   FRZ_ERR_INVALID,   FRZ_ERR_INVALID,  FRZ_ERR_INVALID,
      FRZ_ERR_INVALID, FRZ_ERR_NOT_FOUND, FRZ_ERR_NOT_FOUND, FRZ_ERR_NOT_FOUND};
  cases[0].selected_fields = unknown;
  cases[0].n_selected_fields = 2;
  cases[1].row_filter = "nothing = 3";
  cases[2].row_filter = "id = ";
  cases[3].batch_rows_max = 0;
  cases[4].limit_rows = -2;
  cases[5].snapshot_id = 1;
  cases[5].ref = "main";
  cases[6].snapshot_id = 1;
  cases[7].ref = "nothing";
  cases[8].as_of_ms = 1000;
  for (size_t i = 0; i < LENGTH(cases); i++) {
    frz_scan *made = NULL;
    frz_error err = {0};
    frz_status st = frz_table_scan(table, &cases[i], &made, &err);
    if (st != expected[i]) fail_msg("case %zu: %s (%s)", i, frz_status_name(st), err.message);
    assert_null(made);
    assert_true(err.message[0] != '\0');
  }
  frz_table_free(table);
}

static void test_empty_tables(void **state)
{
  frz_test_lake *lake = *state;
  result *got = malloc(sizeof *got);
  char paths[1][512];
  frz_table *table = frz_test_lake_table(lake, "empty", NULL, NULL);
  frz_scan_options options = options_of("id = 3");
  scan(table, &options, got);
  assert_int_equal(got->n, 0);
  assert_int_equal(list_files(table, NULL, paths, 1), 0);
  frz_table_free(table);
  free(got);
}

/** Streams that are never read, read in part, and read in turns, with threads and without. */
static void test_many_streams_at_once(void **state)
{
  enum { STREAMS = 9 };
  frz_test_lake *lake = *state;
  frz_table_free(filled_table(lake, "streams", 6, 350));
  for (int32_t n_threads = 1; n_threads <= 4; n_threads++) {
    view opened = open_view(lake, "ns.streams", n_threads, NULL);
    struct ArrowArrayStream streams[STREAMS];
    int64_t rows[STREAMS] = {0};
    frz_scan_options options = options_of(NULL);
    options.batch_rows_max = 40;
    for (size_t i = 0; i < STREAMS; i++) {
      frz_scan *made;
      assert_int_equal(frz_table_scan(opened.table, &options, &made, NULL), FRZ_OK);
      assert_int_equal(frz_scan_stream(made, &streams[i], NULL), FRZ_OK);
      frz_scan_free(made);
    }
    for (int turn = 0; turn < 100; turn++) {
      for (size_t i = 1; i < STREAMS; i++) {
        if (i % 3 == 0 && turn == 10) continue;
        if (i % 3 == 0 && turn > 10) continue; /* given up half-way */
        struct ArrowArray array = {0};
        assert_int_equal(streams[i].get_next(&streams[i], &array), 0);
        if (array.release == NULL) continue;
        rows[i] += array.length;
        array.release(&array);
      }
    }
    for (size_t i = 0; i < STREAMS; i++) {
      if (i % 3 != 0) assert_int_equal(rows[i], 6 * 350);
      streams[i].release(&streams[i]);
    }
    close_view(&opened);
  }
}

static void test_cancelling_stops_a_stream(void **state)
{
  frz_test_lake *lake = *state;
  frz_table_free(filled_table(lake, "cancelled", 3, 350));
  view opened = open_view(lake, "ns.cancelled", 3, NULL);
  frz_scan *made;
  struct ArrowArrayStream stream;
  struct ArrowArray array = {0};
  assert_int_equal(frz_table_scan(opened.table, NULL, &made, NULL), FRZ_OK);
  assert_int_equal(frz_scan_stream(made, &stream, NULL), FRZ_OK);
  assert_int_equal(stream.get_next(&stream, &array), 0);
  array.release(&array);
  frz_context_cancel(opened.context);
  assert_int_not_equal(stream.get_next(&stream, &array), 0);
  assert_non_null(strstr(stream.get_last_error(&stream), "FRZ_ERR_CANCELLED"));
  stream.release(&stream);
  frz_context_resume(opened.context);
  assert_int_equal(frz_scan_stream(made, &stream, NULL), FRZ_OK);
  assert_int_equal(stream.get_next(&stream, &array), 0);
  array.release(&array);
  stream.release(&stream);
  frz_scan_free(made);
  close_view(&opened);
}

static void test_metadata_tables(void **state)
{
  static const struct {
    const char *kind;
    int64_t n_rows;
  } kinds[] = {{"snapshots", 4}, {"history", 4},   {"refs", 2},
               {"files", 4},     {"manifests", 4}, {"properties", 1}};
  frz_test_lake *lake = *state;
  frz_error err = {0};
  frz_table *table = filled_table(lake, "inspected", 3, 20);
  static const int64_t ids[] = {5};
  static const char *const names[] = {"n5"};
  delete_keys(table, ids, names, 1, 0);
  frz_test_ok(frz_table_set_ref(table, "then", NULL, &err), &err);
  for (size_t i = 0; i < LENGTH(kinds); i++) {
    struct ArrowArrayStream stream;
    frz_stream_reader reader = {0};
    int64_t n = 0;
    frz_test_ok(frz_table_inspect(table, kinds[i].kind, 0, &stream, &err), &err);
    frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
    for (;;) {
      frz_batch batch = {0};
      frz_test_ok(frz_stream_reader_next(&reader, &batch, &err), &err);
      int64_t more = batch.n_rows;
      n += more;
      frz_batch_dispose(&batch);
      if (more == 0) break;
    }
    frz_stream_reader_dispose(&reader);
    if (strcmp(kinds[i].kind, "properties") == 0)
      assert_true(n >= kinds[i].n_rows);
    else
      assert_int_equal(n, kinds[i].n_rows);
  }
  struct ArrowArrayStream stream;
  assert_int_equal(frz_table_inspect(table, "nothing", 0, &stream, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "snapshots"));
  frz_table_free(table);
}

/* Some writers cut the bounds of fixed columns as those of binary ones. */
static void test_a_cut_bound_is_inspected(void **state)
{
  frz_test_lake *lake = *state;
  frz_error err = {0};
  frz_table *table = NULL;
  struct ArrowSchema schema;
  struct ArrowArrayStream stream;
  frz_stream_reader reader = {0};
  frz_batch batch = {0};
  const frz_arrow_field column = {.name = {"f", 1},
                                  .nullable = true,
                                  .field_id = -1,
                                  .type = {.kind = FRZ_ARROW_FIXED, .byte_width = 20}};
  const frz_bound cut = {1, {"abcd", 4}};
  const frz_data_file file = {.path = {"/nowhere.parquet", 16},
                              .n_rows = 1,
                              .size_bytes = 100,
                              .sort_order_id = -1,
                              .first_row_id = -1,
                              .content_offset = -1,
                              .content_size_bytes = -1,
                              .lower_bounds = &cut,
                              .n_lower_bounds = 1};
  const frz_snapshot_change change = {
      .operation = "append", .added = &file, .n_added = 1, .added_sequence_number = -1};
  frz_test_ok(frz_arrow_schema_export(&column, 1, frz_alloc_default(), &schema, &err), &err);
  frz_test_ok(frz_catalog_create_table(lake->catalog, "ns.cut", &schema, NULL, &table, &err), &err);
  frz_test_ok(frz_snapshot_commit(table, &change, NULL, &err), &err);
  frz_test_ok(frz_table_inspect(table, "files", 0, &stream, &err), &err);
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
  frz_test_ok(frz_stream_reader_next(&reader, &batch, &err), &err);
  assert_int_equal(batch.n_rows, 1);
  frz_batch_dispose(&batch);
  frz_stream_reader_dispose(&reader);
  schema.release(&schema);
  frz_table_free(table);
}

static int open_lake(void **state)
{
  frz_test_lake *lake = malloc(sizeof *lake);
  frz_test_lake_open(lake, NULL);
  *state = lake;
  return 0;
}

static int close_lake(void **state)
{
  frz_test_lake_close(*state);
  free(*state);
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows_come_in_order),
      cmocka_unit_test(test_filters),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_requests_of_a_scan),
      cmocka_unit_test(test_equality_deletes),
      cmocka_unit_test(test_position_deletes),
      cmocka_unit_test(test_deletes_in_pages_left_out),
      cmocka_unit_test(test_deletes_keep_to_their_partition),
      cmocka_unit_test(test_snapshots_are_read_as_they_were),
      cmocka_unit_test(test_wrong_options),
      cmocka_unit_test(test_empty_tables),
      cmocka_unit_test(test_many_streams_at_once),
      cmocka_unit_test(test_cancelling_stops_a_stream),
      cmocka_unit_test(test_metadata_tables),
      cmocka_unit_test(test_a_cut_bound_is_inspected),
  };
  return cmocka_run_group_tests(tests, open_lake, close_lake);
}
