/*
 * test_segment.c - segments of the lookup index, and views of several.
 *
 * Numbers in brackets are invariants of docs/design/lookup-index.md.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "online/index_files.h"
#include "online/segment_build.h"
#include "test_files.h"

static const char UUID[] = "0a1b2c3d-0000-0000-0000-000000000001";

static frz_context *context;

static void ok(frz_status status, const frz_error *err)
{
  if (status != FRZ_OK) fail_msg("%s: %s", frz_status_name(status), err->message);
}

/** A row to be: its key is "key-<number>" of some length, its values follow from `value`. */
typedef struct test_row {
  int number;
  int64_t event_us, created_us;
  int value;
} test_row;

/* LINES: as FIXED, with columns that stay empty, so that rows nearly fill a line of the cache. */
typedef enum test_shape { FIXED, LINES, TEXTS } test_shape;

static const frz_stored_column fixed_columns[] = {{7, FRZ_VALUE_INT32, 0},
                                                  {8, FRZ_VALUE_DOUBLE, 0}};
enum { N_LINE_COLUMNS = 6 };
static const frz_stored_column line_columns[N_LINE_COLUMNS] = {
    {7, FRZ_VALUE_INT32, 0},   {8, FRZ_VALUE_DOUBLE, 0},  {20, FRZ_VALUE_DOUBLE, 0},
    {21, FRZ_VALUE_DOUBLE, 0}, {22, FRZ_VALUE_DOUBLE, 0}, {23, FRZ_VALUE_FLOAT, 0}};
static const frz_stored_column text_columns[] = {{7, FRZ_VALUE_INT32, 0}, {9, FRZ_VALUE_STRING, 0}};

static size_t key_of(const test_row *row, test_shape shape, char out[32])
{
  if (shape != TEXTS) return (size_t)snprintf(out, 32, "key-%08d", row->number);
  return (size_t)snprintf(out, 32, "key-%d%s", row->number, row->number % 3 == 0 ? "-long" : "");
}

static void add(frz_column *column, const void *data, size_t size)
{
  frz_error err = {0};
  ok(frz_column_append_value(column, data, size, &err), &err);
}

static frz_segment_builder *builder_of(test_shape shape, const test_row *rows, size_t n)
{
  frz_error err = {0};
  frz_segment_builder *builder;
  const frz_stored_column *const stored[] = {fixed_columns, line_columns, text_columns};
  const frz_segment_plan plan = {.table_uuid = FRZ_STR("0a1b2c3d-0000-0000-0000-000000000001"),
                                 .columns = stored[shape],
                                 .n_columns = shape == LINES ? N_LINE_COLUMNS : 2,
                                 .n_lanes = 1,
                                 .rows_expected = (int64_t)n};
  const frz_arrow_type types[] = {{.kind = FRZ_ARROW_BINARY},
                                  {.kind = FRZ_ARROW_TIMESTAMP, .unit = FRZ_UNIT_US},
                                  {.kind = FRZ_ARROW_TIMESTAMP, .unit = FRZ_UNIT_US},
                                  {.kind = FRZ_ARROW_INT32},
                                  {.kind = shape != TEXTS ? FRZ_ARROW_FLOAT64 : FRZ_ARROW_STRING}};
  frz_column columns[5];
  ok(frz_segment_builder_create(context, &plan, &builder, &err), &err);
  for (int c = 0; c < 5; c++) {
    const frz_arrow_field field = {.type = types[c], .nullable = true};
    ok(frz_column_init(&columns[c], &field, frz_context_alloc(context), &err), &err);
  }
  for (size_t i = 0; i < n; i++) {
    char key[32], text[64];
    add(&columns[0], key, key_of(&rows[i], shape, key));
    add(&columns[1], &rows[i].event_us, 8);
    if (rows[i].created_us == INT64_MIN)
      ok(frz_column_append_nulls(&columns[2], 1, &err), &err);
    else
      add(&columns[2], &rows[i].created_us, 8);
    add(&columns[3], &rows[i].value, 4);
    double wide = rows[i].value / 2.0;
    int size = snprintf(text, sizeof text, "%.*s%d", rows[i].value % 40,
                        "the quick brown fox jumps over the lazy dog", rows[i].value);
    add(&columns[4], shape != TEXTS ? (const void *)&wide : text,
        shape != TEXTS ? 8 : (size_t)size);
  }
  const frz_column *values[N_LINE_COLUMNS] = {&columns[3], &columns[4]};
  const frz_segment_rows batch = {.keys = &columns[0],
                                  .event_times = &columns[1],
                                  .created_times = &columns[2],
                                  .columns = values,
                                  .n_rows = (int64_t)n};
  ok(frz_segment_builder_add(builder, 0, &batch, &err), &err);
  for (int c = 0; c < 5; c++) frz_column_dispose(&columns[c]);
  return builder;
}

static frz_segment *segment_of(test_shape shape, const test_row *rows, size_t n, const char *folder,
                               const char *name)
{
  frz_error err = {0};
  frz_segment *segment;
  frz_segment_builder *builder = builder_of(shape, rows, n);
  const frz_segment_target target = {.folder = folder, .name = name};
  ok(frz_segment_builder_finish(builder, &target, &segment, &err), &err);
  frz_segment_builder_free(builder);
  return segment;
}

static bool find(frz_segment *segment, test_shape shape, int number, frz_segment_row *row)
{
  char text[32];
  const test_row wanted = {.number = number};
  frz_str key = {text, key_of(&wanted, shape, text)};
  return frz_segment_find(segment, key, frz_entity_key_hash(key), row);
}

static bool is_row(frz_segment *segment, test_shape shape, const test_row *wanted)
{
  frz_segment_row row;
  if (!find(segment, shape, wanted->number, &row)) return false;
  frz_value value = frz_segment_value(segment, &row, 0);
  frz_value other = frz_segment_value(segment, &row, 1);
  return frz_segment_row_event(&row) == wanted->event_us &&
         frz_segment_row_created(segment, &row) == wanted->created_us &&
         value.kind == FRZ_VALUE_INT32 && value.as.i32 == wanted->value &&
         other.kind == (shape != TEXTS ? FRZ_VALUE_DOUBLE : FRZ_VALUE_STRING);
}

enum { MANY = 30000 };

static void fill(test_row *rows, int first)
{
  for (int i = 0; i < MANY; i++)
    rows[i] = (test_row){first + i / 2, 100 + (i * 7) % 5, i % 11 == 0 ? INT64_MIN : i % 3, i};
}

static const test_row *winner(const test_row *a, const test_row *b)
{
  if (a->event_us != b->event_us) return a->event_us > b->event_us ? a : b;
  return a->created_us > b->created_us ? a : b;
}

/* [1] one row a key, the winner; absent keys are not found. */
static void test_winners(void **state)
{
  (void)state;
  static test_row rows[MANY];
  fill(rows, 0);
  for (int shape = FIXED; shape <= TEXTS; shape++) {
    frz_segment *segment = segment_of((test_shape)shape, rows, MANY, NULL, NULL);
    assert_int_equal(segment->n_rows, MANY / 2);
    for (int i = 0; i < MANY; i += 2)
      assert_true(is_row(segment, (test_shape)shape, winner(&rows[i], &rows[i + 1])));
    frz_segment_row row;
    for (int i = 0; i < MANY; i++) assert_false(find(segment, (test_shape)shape, MANY + i, &row));
    assert_false(atomic_load(&segment->is_torn));
    frz_segment_release(segment);
  }
}

/* Rows that nearly fill lines of the cache fill them; others are as short as they can be. */
static void test_rows_fill_lines(void **state)
{
  (void)state;
  const test_row rows[] = {{1, 100, 1, 1}, {2, 100, 1, 2}};
  frz_segment *lines = segment_of(LINES, rows, 2, NULL, NULL);
  assert_int_equal(lines->row_bytes, 64); /* 58 are used */
  for (int i = 0; i < 2; i++) assert_true(is_row(lines, LINES, &rows[i]));
  frz_segment_release(lines);
  frz_segment *fixed = segment_of(FIXED, rows, 2, NULL, NULL);
  assert_int_equal(fixed->row_bytes, 32); /* 30 */
  frz_segment_release(fixed);
}

/* [2] rows that earlier segments beat are left out; rows of a segment move to another whole. */
static void test_later_segments(void **state)
{
  (void)state;
  frz_error err = {0};
  const test_row old[] = {{1, 100, 1, 1}, {2, 100, 1, 2}, {3, 100, INT64_MIN, 3}};
  const test_row new[] = {{1, 99, 9, 11}, {2, 100, 1, 12}, {3, 100, 0, 13}, {4, 1, 1, 14}};
  for (int shape = FIXED; shape <= TEXTS; shape++) {
    frz_view_part first = {segment_of((test_shape)shape, old, 3, NULL, NULL), 0};
    frz_view_rival rival = {&first, 1};
    frz_segment_builder *builder = builder_of((test_shape)shape, new, 4);
    const frz_segment_target target = {.loses = frz_view_rival_wins, .loses_arg = &rival};
    frz_segment *second, *joined;
    ok(frz_segment_builder_finish(builder, &target, &second, &err), &err);
    frz_segment_builder_free(builder);
    assert_int_equal(second->n_rows, 3);
    builder = builder_of((test_shape)shape, NULL, 0);
    ok(frz_segment_builder_add_segment(builder, 0, first.segment, 0, &err), &err);
    ok(frz_segment_builder_add_segment(builder, 0, second, 1, &err), &err);
    const frz_segment_target memory = {0};
    ok(frz_segment_builder_finish(builder, &memory, &joined, &err), &err);
    frz_segment_builder_free(builder);
    assert_int_equal(joined->n_rows, 4);
    assert_true(is_row(joined, (test_shape)shape, &old[0]));
    for (int i = 1; i < 4; i++) assert_true(is_row(joined, (test_shape)shape, &new[i]));
    frz_segment_release(joined);
    frz_segment_release(second);
    frz_segment_release(first.segment);
  }
}

/* Keys that are all the same but in length, one key alone, none at all. */
static void test_small(void **state)
{
  (void)state;
  const test_row one = {5, 1, INT64_MIN, 3};
  frz_segment_row row;
  for (int shape = FIXED; shape <= TEXTS; shape++) {
    frz_segment *none = segment_of((test_shape)shape, NULL, 0, NULL, NULL);
    assert_int_equal(none->n_rows, 0);
    assert_false(find(none, (test_shape)shape, 5, &row));
    frz_segment_release(none);
    frz_segment *single = segment_of((test_shape)shape, &one, 1, NULL, NULL);
    assert_true(is_row(single, (test_shape)shape, &one));
    assert_false(single->has_created);
    assert_false(find(single, (test_shape)shape, 6, &row));
    frz_segment_release(single);
  }
}

/* [6] every byte of a file counts: a changed one is refused when the file is opened, or when its
 * block is touched, and no answer is wrong. */
static void test_torn_files(void **state)
{
  (void)state;
  enum { ROWS = 60 };
  test_row rows[ROWS];
  char folder[256], path[600];
  frz_error err = {0};
  frz_test_folder(folder);
  snprintf(path, sizeof path, "%s/segment-a", folder);
  for (int i = 0; i < ROWS; i++) rows[i] = (test_row){i, 100 + i, i, i};
  for (int shape = FIXED; shape <= TEXTS; shape++) {
    frz_segment *segment = segment_of((test_shape)shape, rows, ROWS, folder, "segment-a");
    assert_string_equal(segment->name, "segment-a");
    frz_segment_release(segment);
    size_t size;
    uint8_t *bytes = frz_test_read(path, &size);
    for (size_t at = 0; at < size; at += 61) {
      bytes[at] ^= 0x20;
      frz_test_write(path, bytes, size);
      bytes[at] ^= 0x20;
      if (frz_segment_open_file(frz_context_alloc(context), path, frz_str_from(UUID), &segment,
                                &err) != FRZ_OK)
        continue;
      int n_found = 0;
      for (int i = 0; i < ROWS; i++) {
        bool found = is_row(segment, (test_shape)shape, &rows[i]);
        assert_true(found || atomic_load(&segment->is_torn));
        n_found += found;
      }
      assert_true(n_found == ROWS || atomic_load(&segment->is_torn));
      assert_false(frz_segment_verify(segment));
      frz_segment_release(segment);
    }
    for (size_t kept = 0; kept < size; kept += 509) {
      frz_test_write(path, bytes, kept);
      assert_int_not_equal(frz_segment_open_file(frz_context_alloc(context), path,
                                                 frz_str_from(UUID), &segment, &err),
                           FRZ_OK);
    }
    free(bytes);
  }
  frz_test_folder_remove(folder);
}

/* [7] of another table: refused. */
static void test_other_table(void **state)
{
  (void)state;
  const test_row one = {5, 1, 2, 3};
  char folder[256], path[600];
  frz_error err = {0};
  frz_segment *segment;
  frz_test_folder(folder);
  snprintf(path, sizeof path, "%s/segment-a", folder);
  frz_segment_release(segment_of(FIXED, &one, 1, folder, "segment-a"));
  assert_int_equal(frz_segment_open_file(frz_context_alloc(context), path,
                                         FRZ_STR("0a1b2c3d-0000-0000-0000-000000000002"), &segment,
                                         &err),
                   FRZ_ERR_STALE);
  frz_test_folder_remove(folder);
}

/* [5, 8] what is saved is loaded; every truncation and every changed byte of "index" is refused. */
static void test_index_file(void **state)
{
  (void)state;
  const test_row one = {5, 1, 2, 3};
  char cache[300], folder_path[256], path[FRZ_INDEX_PATH_BYTES + 64];
  frz_error err = {0};
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_index_folder folder;
  frz_watermark mark, loaded;
  frz_segment *segments[FRZ_INDEX_SEGMENTS_MAX];
  size_t n, size;
  bool locked, again;
  frz_test_folder(folder_path);
  snprintf(cache, sizeof cache, "%s/a/b", folder_path);
  ok(frz_index_folder_open(&folder, cache, frz_str_from(UUID), &err), &err);
  assert_int_equal(frz_index_folder_load(&folder, alloc, segments, &n, &loaded, &err),
                   FRZ_ERR_NOT_FOUND);
  ok(frz_index_folder_lock(&folder, true, &locked, &err), &err);
  assert_true(locked);
  frz_index_folder other = folder;
  ok(frz_index_folder_lock(&other, false, &again, &err), &err);
  assert_false(again);
  segments[0] = segment_of(FIXED, &one, 1, folder.path, "segment-x");
  frz_segment_release(segment_of(FIXED, &one, 1, folder.path, "segment-left-behind"));
  frz_watermark_init(&mark, alloc);
  mark.snapshot_id = 77;
  mark.sequence = 5;
  for (int i = 0; i < 9; i++) {
    char name[20];
    frz_file_mark file =
        frz_file_mark_of((frz_str){name, (size_t)snprintf(name, sizeof name, "file-%d", i)});
    ok(frz_buf_append(&mark.data_files, &file, sizeof file, &err), &err);
  }
  frz_marks_sort(&mark.data_files);
  ok(frz_index_folder_save(&folder, alloc, segments, 1, &mark, &err), &err);
  frz_segment_release(segments[0]);
  snprintf(path, sizeof path, "%s/segment-left-behind", folder.path);
  assert_null(frz_test_read(path, &size));
  ok(frz_index_folder_load(&folder, alloc, segments, &n, &loaded, &err), &err);
  assert_int_equal(n, 1);
  assert_int_equal(loaded.snapshot_id, 77);
  assert_int_equal(loaded.sequence, 5);
  assert_true(frz_marks_contain(&loaded.data_files, &mark.data_files));
  frz_segment_release(segments[0]);
  frz_watermark_dispose(&loaded);
  snprintf(path, sizeof path, "%s/index", folder.path);
  uint8_t *bytes = frz_test_read(path, &size);
  for (size_t at = 0; at < 2 * size; at++) {
    bool cut = at < size;
    if (!cut) bytes[at - size] ^= 1;
    frz_test_write(path, bytes, cut ? at : size);
    if (!cut) bytes[at - size] ^= 1;
    assert_int_not_equal(frz_index_folder_load(&folder, alloc, segments, &n, &loaded, &err),
                         FRZ_OK);
  }
  free(bytes);
  frz_watermark_dispose(&mark);
  frz_index_folder_unlock(&folder);
  frz_test_folder_remove(folder_path);
}

int main(void)
{
  frz_error err = {0};
  ok(frz_context_create(NULL, &context, &err), &err);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_winners),        cmocka_unit_test(test_later_segments),
      cmocka_unit_test(test_small),          cmocka_unit_test(test_torn_files),
      cmocka_unit_test(test_other_table),    cmocka_unit_test(test_index_file),
      cmocka_unit_test(test_rows_fill_lines)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  frz_context_free(context);
  return failed;
}
