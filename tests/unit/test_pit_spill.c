/*
 * test_pit_spill.c - joins whose entity rows do not fit the memory limit: the same result as in
 * memory, nothing left in the spill folder, and what is said when that folder takes no more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arrow/arrow_stream.h"
#include "base/limits.h"
#include "random_columns.h"
#include "test_lake.h"

enum {
  N_KEYS = 40,
  N_FEATURE_FILES = 3,
  FEATURE_ROWS = 2000,
  N_ENTITIES = 3000,
  BATCHES_MAX = 200
};
enum { N_FIXED = 3, N_RANDOM = 6, N_FIELDS = N_FIXED + N_RANDOM };

static int64_t below(int64_t n)
{
  return rand() % n;
}

/* ---- the table ---- */

static const frz_arrow_field feature_fields[] = {
    {.name = {"k", 1}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_STRING}},
    {.name = {"k2", 2}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}},
    {.name = {"event_timestamp", 15},
     .nullable = true,
     .field_id = -1,
     .type = {.kind = FRZ_ARROW_TIMESTAMP, .unit = FRZ_UNIT_US, .has_zone = true}},
    {.name = {"number", 6}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_FLOAT64}},
    {.name = {"words", 5}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_STRING}}};

static void append_text(frz_column *column, const char *format, int64_t value)
{
  char text[32];
  int size = snprintf(text, sizeof text, format, (int)value);
  assert_int_equal(frz_column_append_value(column, text, (size_t)size, NULL), FRZ_OK);
}

static void append_key(frz_batch *batch)
{
  if (below(50) == 0)
    assert_int_equal(frz_column_append_nulls(&batch->columns[0], 1, NULL), FRZ_OK);
  else
    append_text(&batch->columns[0], "key %d", below(N_KEYS));
  int64_t second = below(3);
  int64_t time = below(1000000);
  assert_int_equal(frz_column_append_value(&batch->columns[1], &second, sizeof second, NULL),
                   FRZ_OK);
  if (below(50) == 0)
    assert_int_equal(frz_column_append_nulls(&batch->columns[2], 1, NULL), FRZ_OK);
  else
    assert_int_equal(frz_column_append_value(&batch->columns[2], &time, sizeof time, NULL), FRZ_OK);
}

static frz_table *make_table(frz_test_lake *lake)
{
  frz_error err = {0};
  struct ArrowSchema schema;
  frz_table *table;
  frz_test_ok(frz_arrow_schema_export(feature_fields, 5, frz_alloc_default(), &schema, &err), &err);
  frz_test_ok(frz_catalog_create_table(lake->catalog, "ns.t", &schema, NULL, &table, &err), &err);
  schema.release(&schema);
  for (int file = 0; file < N_FEATURE_FILES; file++) {
    frz_batch batch;
    struct ArrowArrayStream rows;
    frz_test_ok(frz_batch_init(&batch, feature_fields, 5, frz_alloc_default(), &err), &err);
    for (int64_t i = 0; i < FEATURE_ROWS; i++) {
      append_key(&batch);
      double number = (double)(file * FEATURE_ROWS + i);
      frz_test_ok(frz_column_append_value(&batch.columns[3], &number, sizeof number, &err), &err);
      append_text(&batch.columns[4], "row %d", file * FEATURE_ROWS + i);
    }
    batch.n_rows = FEATURE_ROWS;
    frz_test_ok(
        frz_stream_export_batches(feature_fields, 5, &batch, 1, frz_alloc_default(), &rows, &err),
        &err);
    frz_test_ok(frz_table_append(table, &rows, NULL, NULL, &err), &err);
  }
  return table;
}

/* ---- entity rows: the two keys, the time, and columns of random types ---- */

typedef struct entity_frame {
  frz_arena arena;
  frz_arrow_field fields[N_FIELDS];
} entity_frame;

static void frame_init(entity_frame *frame)
{
  frz_feed feed = {.state = 7};
  int32_t next_id = 100;
  frz_arena_init(&frame->arena, frz_alloc_default(), SIZE_MAX / 2);
  memcpy(frame->fields, feature_fields, N_FIXED * sizeof *feature_fields);
  for (int f = N_FIXED; f < N_FIELDS; f++) {
    frz_arrow_kind kind = f == N_FIXED ? FRZ_ARROW_LIST : frz_random_kind(&feed, true);
    assert_true(frz_random_field(&feed, &frame->arena, kind, 2, &next_id, &frame->fields[f]));
    frame->fields[f].name = frz_arena_print(&frame->arena, "extra%d", f);
  }
}

/* The same rows for the same seed, in batches of random lengths. */
static void make_entities(const entity_frame *frame, unsigned seed, struct ArrowArrayStream *out)
{
  frz_error err = {0};
  frz_batch batches[BATCHES_MAX];
  size_t n_batches = 0;
  frz_feed feed = {.state = seed + 1};
  srand(seed);
  for (int64_t done = 0; done < N_ENTITIES;) {
    int64_t n = n_batches + 1 < BATCHES_MAX ? 1 + below(100) : N_ENTITIES - done;
    if (n > N_ENTITIES - done) n = N_ENTITIES - done;
    frz_batch *batch = &batches[n_batches++];
    frz_test_ok(frz_batch_init(batch, frame->fields, N_FIELDS, frz_alloc_default(), &err), &err);
    for (int64_t i = 0; i < n; i++) append_key(batch);
    for (int f = N_FIXED; f < N_FIELDS; f++)
      frz_test_ok(frz_random_rows(&feed, &frame->fields[f], &batch->columns[f], n, &err), &err);
    batch->n_rows = n;
    done += n;
  }
  frz_test_ok(frz_stream_export_batches(frame->fields, N_FIELDS, batches, n_batches,
                                        frz_alloc_default(), out, &err),
              &err);
}

/* ---- joins ---- */

static frz_context *make_context(int64_t memory_limit_bytes, const char *spill_dir)
{
  frz_context_options options;
  frz_context *context;
  frz_error err = {0};
  frz_context_options_init(&options);
  options.memory_limit_bytes = memory_limit_bytes;
  options.n_threads = 2;
  options.spill_dir = spill_dir;
  frz_test_ok(frz_context_create(&options, &context, &err), &err);
  return context;
}

static frz_table *load(const frz_test_lake *lake, frz_context *context, frz_catalog **catalog_out)
{
  frz_error err = {0};
  frz_table *table;
  *catalog_out = frz_test_lake_connect(lake, context);
  frz_test_ok(frz_catalog_load_table(*catalog_out, "ns.t", &table, &err), &err);
  return table;
}

/* Two views: by one key with a time to live, and by both keys without one. */
static frz_status start_join(frz_context *context, frz_table *table, const entity_frame *frame,
                             unsigned seed, const frz_pit_options *options,
                             struct ArrowArrayStream *joined, frz_error *err)
{
  static const frz_join_key keys[] = {{"k", "k"}, {"k2", "k2"}};
  static const frz_feature features[] = {{"words", NULL}, {"number", NULL}, {"words", "again"}};
  static const frz_feature others[] = {{"number", "other"}};
  frz_pit_view views[2];
  struct ArrowArrayStream entities;
  for (int v = 0; v < 2; v++) {
    frz_pit_view_init(&views[v]);
    views[v].name = v == 0 ? "first" : "second";
    views[v].table = table;
    views[v].join_keys = keys;
    views[v].n_join_keys = v == 0 ? 1 : 2;
    views[v].timestamp_field = "event_timestamp";
    views[v].ttl_us = v == 0 ? 30000 : 0;
    views[v].features = v == 0 ? features : others;
    views[v].n_features = v == 0 ? 3 : 1;
  }
  make_entities(frame, seed, &entities);
  return frz_pit_join(context, &entities, views, 2, options, joined, err);
}

/* All rows of a stream, which is ended. */
static frz_status read_all(struct ArrowArrayStream *stream, frz_batch *all_out,
                           size_t *n_batches_out, frz_error *err)
{
  frz_stream_reader reader;
  frz_test_ok(frz_stream_reader_open(&reader, stream, frz_alloc_default(), err), err);
  frz_test_ok(frz_batch_init(all_out, reader.fields, reader.n_fields, frz_alloc_default(), err),
              err);
  frz_status st = FRZ_OK;
  *n_batches_out = 0;
  for (;;) {
    frz_batch batch;
    st = frz_stream_reader_next(&reader, &batch, err);
    if (st != FRZ_OK || batch.n_rows == 0) break;
    for (size_t c = 0; c < batch.n_columns; c++)
      frz_test_ok(
          frz_column_append_rows(&all_out->columns[c], &batch.columns[c], 0, batch.n_rows, err),
          err);
    all_out->n_rows += batch.n_rows;
    ++*n_batches_out;
    frz_batch_dispose(&batch);
  }
  frz_stream_reader_dispose(&reader);
  return st;
}

static int count_entries(const char *folder)
{
  int n = 0;
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
    n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  closedir(dir);
  return n;
}

static void join_and_read(const frz_test_lake *lake, const entity_frame *frame, unsigned seed,
                          int64_t memory_limit_bytes, const char *spill_dir, frz_batch *all_out,
                          size_t *n_batches_out)
{
  frz_error err = {0};
  struct ArrowArrayStream joined;
  frz_catalog *catalog;
  frz_context *context = make_context(memory_limit_bytes, spill_dir);
  frz_table *table = load(lake, context, &catalog);
  frz_test_ok(start_join(context, table, frame, seed, NULL, &joined, &err), &err);
  frz_table_free(table); /* a stream lives on without it */
  if (memory_limit_bytes != 0) assert_int_equal(count_entries(spill_dir), 0);
  frz_test_ok(read_all(&joined, all_out, n_batches_out, &err), &err);
  frz_catalog_free(catalog);
  frz_context_free(context);
}

static void test_spilled_rows_join_as_those_in_memory(void **state)
{
  (void)state;
  frz_test_lake lake;
  entity_frame frame;
  char folder[300];
  srand(1);
  frz_test_lake_open(&lake, NULL);
  frz_table_free(make_table(&lake));
  frame_init(&frame);
  snprintf(folder, sizeof folder, "%s/spilled", lake.folder);
  for (unsigned seed = 0; seed < 6; seed++) {
    frz_batch whole;
    frz_batch spilled;
    size_t n_whole;
    size_t n_spilled;
    int64_t n_won = 0;
    join_and_read(&lake, &frame, seed, 0, "/tmp", &whole, &n_whole);
    join_and_read(&lake, &frame, seed, seed < 4 ? 1 : 2 << 20, folder, &spilled, &n_spilled);
    assert_int_equal(whole.n_rows, N_ENTITIES);
    assert_int_equal(spilled.n_rows, N_ENTITIES);
    assert_int_equal(spilled.n_columns, N_FIELDS + 4);
    if (seed < 4) assert_true(n_spilled > n_whole); /* blocks are short: it did spill */
    for (size_t c = 0; c < whole.n_columns; c++)
      for (int64_t i = 0; i < N_ENTITIES; i++) {
        assert_true(frz_column_values_equal(&whole.columns[c], i, &spilled.columns[c], i));
        n_won += c == N_FIELDS && !frz_column_is_null(&whole.columns[c], i);
      }
    assert_true(n_won > N_ENTITIES / 4 && n_won < N_ENTITIES);
    frz_batch_dispose(&whole);
    frz_batch_dispose(&spilled);
  }
  struct stat made;
  assert_int_equal(stat(folder, &made), 0);
  assert_int_equal(made.st_mode & 0777, 0700);
  frz_arena_free(&frame.arena);
  frz_test_lake_close(&lake);
}

/* Let every file end at a number of bytes, as a full disk would: the join ends cleanly at each. */
static void test_a_full_disk_is_told(void **state)
{
  (void)state;
  frz_test_lake lake;
  entity_frame frame;
  frz_error err = {0};
  frz_catalog *catalog;
  struct rlimit before;
  srand(2);
  frz_test_lake_open(&lake, NULL);
  frz_table_free(make_table(&lake));
  frame_init(&frame);
  frz_context *context = make_context(1, lake.folder);
  frz_table *table = load(&lake, context, &catalog);
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  bool done = false;
  int n_refused = 0;
  for (rlim_t bytes = 0; !done; bytes = bytes == 0 ? 1 : bytes * 3) {
    struct ArrowArrayStream joined;
    frz_batch all;
    size_t n_batches;
    struct rlimit limit = {bytes, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    frz_status st = start_join(context, table, &frame, 1, NULL, &joined, &err);
    if (st == FRZ_OK) {
      st = read_all(&joined, &all, &n_batches, &err);
      frz_batch_dispose(&all);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    done = st == FRZ_OK;
    if (done) break;
    n_refused++;
    assert_int_equal(st, FRZ_ERR_IO);
    assert_non_null(strstr(err.message, lake.folder));
    assert_non_null(strstr(err.message, "spill_dir"));
  }
  assert_true(n_refused > 5);
  frz_table_free(table);
  frz_catalog_free(catalog);
  frz_context_free(context);
  frz_arena_free(&frame.arena);
  frz_test_lake_close(&lake);
}

static void test_a_folder_that_cannot_be_is_told(void **state)
{
  (void)state;
  frz_test_lake lake;
  entity_frame frame;
  frz_error err = {0};
  frz_catalog *catalog;
  struct ArrowArrayStream joined;
  srand(3);
  frz_test_lake_open(&lake, NULL);
  frz_table_free(make_table(&lake));
  frame_init(&frame);
  frz_context *context = make_context(1, "/dev/null/spilled");
  frz_table *table = load(&lake, context, &catalog);
  assert_int_equal(start_join(context, table, &frame, 1, NULL, &joined, &err), FRZ_ERR_IO);
  assert_non_null(strstr(err.message, "spill folder '/dev/null/spilled': Not a directory"));
  frz_table_free(table);
  frz_catalog_free(catalog);
  frz_context_free(context);
  frz_arena_free(&frame.arena);
  frz_test_lake_close(&lake);
}

/* ---- progress and cancelling ---- */

typedef struct listener {
  frz_context *context;
  int n_calls;
  int n_wrong;
  int cancel_at;
  bool by_context; /* cancelled by its context, else by the callback's answer */
  int64_t entity_rows, rows_done, rows_total, files_total;
  size_t view;
} listener;

static bool listen(void *ctx, const frz_pit_progress *progress)
{
  listener *self = ctx; /* no assertion in here: it would leave the join's threads running */
  bool same_view = progress->view == self->view;
  bool right = progress->struct_bytes == sizeof *progress && progress->n_views == 2 &&
               progress->view >= self->view && progress->view < 2 &&
               progress->n_entity_rows >= self->entity_rows &&
               (!same_view || progress->rows_done >= self->rows_done) &&
               progress->rows_done <= progress->rows_total &&
               progress->files_done <= progress->files_total;
  self->n_wrong += !right;
  self->view = progress->view;
  self->entity_rows = progress->n_entity_rows;
  self->rows_done = progress->rows_done;
  self->rows_total = progress->rows_total;
  self->files_total = progress->files_total;
  self->n_calls++;
  if (self->n_calls == self->cancel_at && self->by_context) frz_context_cancel(self->context);
  return self->n_calls != self->cancel_at || self->by_context;
}

static void test_progress_is_told_and_may_cancel(void **state)
{
  (void)state;
  frz_test_lake lake;
  entity_frame frame;
  frz_error err = {0};
  frz_catalog *catalog;
  srand(4);
  frz_test_lake_open(&lake, NULL);
  frz_table_free(make_table(&lake));
  frame_init(&frame);
  for (int spilled = 0; spilled < 2; spilled++) {
    frz_context *context = make_context(spilled, lake.folder);
    frz_table *table = load(&lake, context, &catalog);
    frz_pit_options options;
    frz_status st = FRZ_ERR_CANCELLED;
    int n_cancelled = 0;
    for (int at = 1; st != FRZ_OK; at++) {
      struct ArrowArrayStream joined;
      listener self = {.context = context, .cancel_at = at, .by_context = at % 2 == 0};
      frz_pit_options_init(&options);
      options.progress = listen;
      options.progress_ctx = &self;
      st = start_join(context, table, &frame, 1, &options, &joined, &err);
      frz_context_resume(context);
      assert_int_equal(self.n_wrong, 0);
      if (st == FRZ_OK) { /* told of everything, or cancelled by the very last word */
        assert_int_equal(self.entity_rows, N_ENTITIES);
        assert_int_equal(self.rows_done, self.rows_total);
        assert_true(self.files_total >= N_FEATURE_FILES);
        joined.release(&joined);
      } else {
        assert_int_equal(st, FRZ_ERR_CANCELLED);
        n_cancelled++;
      }
    }
    assert_true(n_cancelled >= 3);
    frz_table_free(table);
    frz_catalog_free(catalog);
    frz_context_free(context);
  }
  frz_arena_free(&frame.arena);
  frz_test_lake_close(&lake);
}

static bool say_stop(void *ctx)
{
  ++*(int *)ctx;
  return true;
}

static void test_the_interrupt_callback_ends_a_join(void **state)
{
  (void)state;
  frz_test_lake lake;
  entity_frame frame;
  frz_error err = {0};
  struct ArrowArrayStream joined;
  frz_context_options options;
  frz_context *context;
  int n_asked = 0;
  srand(5);
  frz_test_lake_open(&lake, NULL);
  frz_table *table = make_table(&lake);
  frame_init(&frame);
  frz_context_options_init(&options);
  options.interrupted = say_stop;
  options.callback_ctx = &n_asked;
  frz_test_ok(frz_context_create(&options, &context, &err), &err);
  assert_int_equal(start_join(context, table, &frame, 1, NULL, &joined, &err), FRZ_ERR_CANCELLED);
  assert_int_equal(n_asked, 1);
  frz_context_free(context);
  frz_table_free(table);
  frz_arena_free(&frame.arena);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_spilled_rows_join_as_those_in_memory),
      cmocka_unit_test(test_a_full_disk_is_told),
      cmocka_unit_test(test_a_folder_that_cannot_be_is_told),
      cmocka_unit_test(test_progress_is_told_and_may_cancel),
      cmocka_unit_test(test_the_interrupt_callback_ends_a_join),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
