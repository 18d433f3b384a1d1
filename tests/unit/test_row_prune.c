/*
 * test_row_prune.c - rows that a filter leaves out unread: never one that matches, and few bytes
 * are touched to find one row.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "iceberg/scan/literal_hash.h"
#include "iceberg/scan/row_prune.h"
#include "parquet/read/bloom_filter.h"
#include "parquet/read/parquet_file.h"
#include "parquet_sample.h"
#include "test_files.h"

enum { ID, PRICE, NAME, DAY, AMOUNT, TS, FLAG, RATIO, COLUMNS };

#define COLUMN(text, id, kind_) \
  .name = {text, sizeof text - 1}, .nullable = true, .field_id = id, .type.kind = kind_
static const frz_arrow_field fields[COLUMNS] = {
    {COLUMN("id", 1, FRZ_ARROW_INT64)},
    {COLUMN("price", 2, FRZ_ARROW_FLOAT64)},
    {COLUMN("name", 3, FRZ_ARROW_STRING)},
    {COLUMN("day", 4, FRZ_ARROW_DATE32)},
    {COLUMN("amount", 5, FRZ_ARROW_DECIMAL128), .type.byte_width = 16, .type.precision = 10,
     .type.scale = 2},
    {COLUMN("ts", 6, FRZ_ARROW_TIMESTAMP), .type.unit = FRZ_UNIT_US},
    {COLUMN("flag", 7, FRZ_ARROW_BOOL)},
    {COLUMN("ratio", 8, FRZ_ARROW_FLOAT32)},
};
static int32_t leaf_ids[COLUMNS] = {1, 2, 3, 4, 5, 6, 7, 8};

static frz_context *context;

static int set_up(void **state)
{
  (void)state;
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = 1;
  return frz_context_create(&options, &context, NULL) == FRZ_OK ? 0 : 1;
}

static int tear_down(void **state)
{
  (void)state;
  frz_context_free(context);
  return 0;
}

static void ok(frz_status st, const frz_error *err)
{
  if (st != FRZ_OK) fail_msg("%s", err->message);
}

/* ---- files ---- */

typedef struct made_file {
  frz_batch batch;
  frz_buf bytes;
  frz_watched_source source;
  frz_parquet_file *file;
  frz_arena arena;
  frz_schema schema;
  frz_column_source columns;
} made_file;

static void write_file(made_file *made, const frz_parquet_write_options *options)
{
  frz_error err = {0};
  frz_sink *sink;
  frz_parquet_writer *writer;
  frz_parquet_write_summary summary;
  frz_buf_init(&made->bytes, frz_alloc_default(), (size_t)1 << 30);
  ok(frz_sink_to_buf(frz_alloc_default(), &made->bytes, &sink, &err), &err);
  ok(frz_parquet_writer_create(context, fields, COLUMNS, sink, options, &writer, &err), &err);
  ok(frz_parquet_writer_write(writer, &made->batch, &err), &err);
  ok(frz_parquet_writer_finish(writer, &summary, &err), &err);
  frz_parquet_writer_free(writer);
  frz_sink_free(sink);
}

/** Write the batch and open the file. */
static void open_made(made_file *made, const frz_parquet_write_options *options)
{
  frz_error err = {0};
  write_file(made, options);
  frz_watched_source_init(&made->source, made->bytes.data, made->bytes.size);
  ok(frz_parquet_file_open(context, &made->source.base, FRZ_STR("made"), &made->file, &err), &err);
  frz_arena_init(&made->arena, frz_alloc_default(), (size_t)1 << 26);
  int32_t next_id = 1;
  ok(frz_schema_from_arrow(fields, COLUMNS, 2, &next_id, &made->arena, &made->schema, &err), &err);
  made->columns = (frz_column_source){.fields = fields, .n_fields = COLUMNS};
}

static void free_made(made_file *made)
{
  frz_parquet_file_free(made->file);
  frz_batch_dispose(&made->batch);
  frz_buf_dispose(&made->bytes);
  frz_arena_free(&made->arena);
}

static const frz_expr *parse(made_file *made, const char *text)
{
  frz_error err = {0};
  const frz_expr *filter = NULL;
  frz_status st =
      frz_expr_parse(frz_str_from(text), &made->schema, true, &made->arena, &filter, &err);
  if (st != FRZ_OK) fail_msg("%s: %s", text, err.message);
  return filter;
}

static size_t prune(made_file *made, const frz_expr *expr, const frz_row_range **ranges_out)
{
  frz_error err = {0};
  size_t n = 0;
  const frz_row_group_filter filter = {.file = frz_parquet_file_metadata(made->file),
                                       .leaf_ids = leaf_ids,
                                       .source = &made->columns,
                                       .schema = &made->schema,
                                       .filter = expr};
  ok(frz_row_prune(&filter, made->file, NULL, 0, &made->arena, ranges_out, &n, &err), &err);
  return n;
}

/* ---- no row that matches is left out ---- */

static void append(frz_column *column, bool is_null, const void *value, size_t size)
{
  frz_status st = is_null ? frz_column_append_nulls(column, 1, NULL)
                          : frz_column_append_value(column, value, size, NULL);
  assert_int_equal(st, FRZ_OK);
}

/** A column's row as a number: in order, in blocks, or at random; nulls at random or in runs. */
typedef struct shape {
  int order;
  int nulls;
  int64_t scale;
} shape;

static int64_t number_at(const shape *self, frz_feed *feed, int64_t row)
{
  switch (self->order) {
  case 0: return row / self->scale;
  case 1: return 1000 - row / self->scale;
  case 2: return row / 97 * 13 % 50 + (int64_t)frz_feed_choose(feed, 3);
  default: return (int64_t)frz_feed_choose(feed, 1000);
  }
}

static bool null_at(const shape *self, frz_feed *feed, int64_t row)
{
  if (self->nulls == 0) return false;
  if (self->nulls == 1) return frz_feed_choose(feed, 10) == 0;
  return row / 60 % 3 == 1;
}

static void add_number(frz_column *column, int c, bool is_null, int64_t number, frz_feed *feed)
{
  static const double odd[] = {(double)NAN, 0.0, -0.0, (double)INFINITY, -(double)INFINITY};
  double real = (double)number / 4;
  if (frz_feed_choose(feed, 30) == 0) real = odd[frz_feed_choose(feed, 5)];
  float ratio = (float)real;
  int32_t day = (int32_t)number;
  char text[32];
  int n = snprintf(text, sizeof text, "n%04lld", (long long)number);
  frz_int128 amount = number * 25;
  uint8_t flag = number % 2 != 0;
  switch (c) {
  case PRICE: append(column, is_null, &real, sizeof real); break;
  case NAME: append(column, is_null, text, (size_t)n); break;
  case DAY: append(column, is_null, &day, sizeof day); break;
  case AMOUNT: append(column, is_null, &amount, sizeof amount); break;
  case FLAG: append(column, is_null, &flag, 1); break;
  case RATIO: append(column, is_null, &ratio, sizeof ratio); break;
  default: append(column, is_null, &number, sizeof number); break;
  }
}

static void fill(made_file *made, frz_feed *feed, int64_t n_rows)
{
  assert_int_equal(frz_batch_init(&made->batch, fields, COLUMNS, frz_alloc_default(), NULL),
                   FRZ_OK);
  for (int c = 0; c < COLUMNS; c++) {
    shape self = {(int)frz_feed_choose(feed, 4), (int)frz_feed_choose(feed, 3),
                  1 + (int64_t)frz_feed_choose(feed, 5)};
    for (int64_t row = 0; row < n_rows; row++) {
      int64_t number = number_at(&self, feed, row);
      add_number(&made->batch.columns[c], c, null_at(&self, feed, row), number, feed);
    }
  }
  made->batch.n_rows = n_rows;
}

static int literal_text(frz_feed *feed, int c, char *at, size_t room)
{
  long long number = (long long)frz_feed_choose(feed, 1010) - 5;
  switch (c) {
  case PRICE:
  case RATIO: return snprintf(at, room, "%.2f", (double)number / 4);
  case NAME: return snprintf(at, room, "'n%04lld'", number < 0 ? 0 : number);
  case DAY: {
    long long month = number < 0 ? 0 : number / 31;
    return snprintf(at, room, "'%04lld-%02lld-%02lld'", 1970 + month / 12, 1 + month % 12,
                    1 + (number < 0 ? 0 : number) % 28);
  }
  case AMOUNT: return snprintf(at, room, "%.2f", (double)number / 4);
  case TS: return snprintf(at, room, "'1970-01-01T00:00:00.%06lld'", number < 0 ? 0 : number);
  case FLAG: return snprintf(at, room, "%s", number % 2 != 0 ? "true" : "false");
  default: return snprintf(at, room, "%lld", number);
  }
}

static int condition_text(frz_feed *feed, char *at, size_t room)
{
  static const char *const operators[] = {"=", "<>", "<", "<=", ">", ">="};
  int c = (int)frz_feed_choose(feed, COLUMNS);
  const char *name = fields[c].name.data;
  size_t kind = frz_feed_choose(feed, 8);
  if (kind == 0) return snprintf(at, room, "%s is null", name);
  if (kind == 1) return snprintf(at, room, "%s is not null", name);
  int n = 0;
  if (kind == 2) {
    n = snprintf(at, room, "%s %sin (", name, frz_feed_choose(feed, 3) == 0 ? "not " : "");
    size_t n_literals = 1 + frz_feed_choose(feed, 5);
    for (size_t i = 0; i < n_literals; i++) {
      if (i != 0) n += snprintf(at + n, room - (size_t)n, ", ");
      n += literal_text(feed, c, at + n, room - (size_t)n);
    }
    return n + snprintf(at + n, room - (size_t)n, ")");
  }
  size_t op = c == FLAG ? frz_feed_choose(feed, 2) : frz_feed_choose(feed, 6);
  if (kind == 3 || kind == 4) op = 0;
  n = snprintf(at, room, "%s %s ", name, operators[op]);
  return n + literal_text(feed, c, at + n, room - (size_t)n);
}

static void filter_text(frz_feed *feed, char *at, size_t room)
{
  size_t n_conditions = 1 + frz_feed_choose(feed, 3);
  int n = 0;
  for (size_t i = 0; i < n_conditions; i++) {
    if (i != 0)
      n += snprintf(at + n, room - (size_t)n, frz_feed_choose(feed, 3) == 0 ? " or " : " and ");
    if (frz_feed_choose(feed, 6) == 0) n += snprintf(at + n, room - (size_t)n, "not ");
    n += condition_text(feed, at + n, room - (size_t)n);
  }
}

static const frz_column *column_of(void *arg, int32_t field_id)
{
  return &((const made_file *)arg)->batch.columns[field_id - 1];
}

/** Are all rows that match in the ranges? Counts the rows left out. */
static void check_filter(made_file *made, const char *text, int64_t *rows, int64_t *n_out)
{
  frz_error err = {0};
  int64_t n_matches = 0;
  const frz_row_range *ranges = NULL;
  const frz_expr *filter = parse(made, text);
  size_t n = prune(made, filter, &ranges);
  ok(frz_expr_select(filter, &made->schema, column_of, made, made->batch.n_rows, rows, &n_matches,
                     frz_alloc_default(), &err),
     &err);
  int64_t wanted = 0;
  size_t r = 0;
  for (size_t i = 0; i < n; i++) {
    assert_true(ranges[i].first < ranges[i].last && ranges[i].last <= made->batch.n_rows);
    if (i > 0) assert_true(ranges[i].first >= ranges[i - 1].last);
    wanted += ranges[i].last - ranges[i].first;
  }
  for (int64_t i = 0; i < n_matches; i++) {
    while (r < n && ranges[r].last <= rows[i]) r++;
    if (r == n || rows[i] < ranges[r].first) fail_msg("%s: row %lld", text, (long long)rows[i]);
  }
  *n_out += made->batch.n_rows - wanted;
}

static void test_no_matching_row_is_left_out(void **state)
{
  (void)state;
  enum { ROWS = 2000, ROUNDS = 60, FILTERS = 40 };
  int64_t *rows = malloc(ROWS * sizeof *rows);
  int64_t left_out = 0;
  for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
    frz_feed feed = {.state = seed * 77};
    made_file made = {0};
    frz_parquet_write_options options;
    frz_parquet_write_options_init(&options);
    options.row_group_rows_max = 300 + (int64_t)frz_feed_choose(&feed, 1000);
    options.page_rows_max = 20 + (int64_t)frz_feed_choose(&feed, 100);
    options.page_bytes = 200 + (int64_t)frz_feed_choose(&feed, 2000);
    frz_parquet_bloom_option blooms[COLUMNS - 1];
    options.blooms = blooms;
    for (int c = 0; c < COLUMNS; c++)
      if (c != FLAG && frz_feed_choose(&feed, 2) == 0)
        blooms[options.n_blooms++] = (frz_parquet_bloom_option){fields[c].field_id, 0.01, 0};
    fill(&made, &feed, ROWS);
    open_made(&made, &options);
    for (int i = 0; i < FILTERS; i++) {
      char text[1024];
      filter_text(&feed, text, sizeof text);
      check_filter(&made, text, rows, &left_out);
    }
    free_made(&made);
  }
  printf("%lld of %lld rows left out\n", (long long)left_out, (long long)ROWS * ROUNDS * FILTERS);
  assert_true(left_out > (int64_t)ROWS * ROUNDS * FILTERS / 3);
  free(rows);
}

/* ---- values as bloom filters know them ---- */

#define NODE(physical_, logical_, ...)                                                          \
  {                                                                                             \
    .physical = FRZ_PARQUET_##physical_, .logical = FRZ_PARQUET_LOGICAL_##logical_, __VA_ARGS__ \
  }
#define VALUE(kind_, member, ...)                      \
  {                                                    \
    .kind = FRZ_TYPE_##kind_, .as.member = __VA_ARGS__ \
  }

static void test_literals_hash_as_they_are_stored(void **state)
{
  (void)state;
  static const struct {
    frz_parquet_node node;
    frz_literal literal;
    const char *plain; /* NULL: it cannot be told */
    size_t size;
  } cases[] = {
      {NODE(INT32, NONE, .scale = 0), VALUE(INT, i32, -2), "\xfe\xff\xff\xff", 4},
      {NODE(INT32, NONE, .scale = 0), VALUE(LONG, i64, 258), "\2\1\0\0", 4},
      {NODE(INT32, NONE, .scale = 0), VALUE(LONG, i64, INT64_C(1) << 32), NULL, 0},
      {NODE(INT64, NONE, .scale = 0), VALUE(LONG, i64, -1), "\xff\xff\xff\xff\xff\xff\xff\xff", 8},
      {NODE(INT32, INT, .bit_width = 32, .is_signed = true), VALUE(INT, i32, 1), "\1\0\0\0", 4},
      {NODE(INT32, INT, .bit_width = 32), VALUE(LONG, i64, 1), NULL, 0},
      {NODE(INT32, INT, .bit_width = 8, .is_signed = true), VALUE(INT, i32, 1), NULL, 0},
      {NODE(INT32, DATE, .scale = 0), VALUE(DATE, i32, 1), "\1\0\0\0", 4},
      {NODE(INT32, DATE, .scale = 0), VALUE(TIMESTAMP, i64, 0), NULL, 0},
      {NODE(INT32, DATE, .scale = 0), VALUE(INT, i32, 1), NULL, 0},
      {NODE(FLOAT, NONE, .scale = 0), VALUE(FLOAT, f32, 1.5f), "\0\0\xc0\x3f", 4},
      {NODE(FLOAT, NONE, .scale = 0), VALUE(DOUBLE, f64, 1.5), "\0\0\xc0\x3f", 4},
      {NODE(FLOAT, NONE, .scale = 0), VALUE(DOUBLE, f64, 0.1), NULL, 0},
      {NODE(DOUBLE, NONE, .scale = 0), VALUE(DOUBLE, f64, 1.5), "\0\0\0\0\0\0\xf8\x3f", 8},
      {NODE(DOUBLE, NONE, .scale = 0), VALUE(DOUBLE, f64, (double)NAN), NULL, 0},
      {NODE(INT32, DECIMAL, .scale = 2),
       {.kind = FRZ_TYPE_DECIMAL, .scale = 2, .as.decimal = -1},
       "\xff\xff\xff\xff",
       4},
      {NODE(INT64, DECIMAL, .scale = 2),
       {.kind = FRZ_TYPE_DECIMAL, .scale = 2, .as.decimal = 3},
       "\3\0\0\0\0\0\0\0",
       8},
      {NODE(INT64, DECIMAL, .scale = 3),
       {.kind = FRZ_TYPE_DECIMAL, .scale = 2, .as.decimal = 3},
       NULL,
       0},
      {NODE(FIXED_LEN_BYTE_ARRAY, DECIMAL, .scale = 2, .type_length = 5),
       {.kind = FRZ_TYPE_DECIMAL, .scale = 2, .as.decimal = -258},
       "\xff\xff\xff\xfe\xfe",
       5},
      {NODE(FIXED_LEN_BYTE_ARRAY, DECIMAL, .scale = 2, .type_length = 1),
       {.kind = FRZ_TYPE_DECIMAL, .scale = 2, .as.decimal = 128},
       NULL,
       0},
      {NODE(FIXED_LEN_BYTE_ARRAY, DECIMAL, .scale = 2, .type_length = 1),
       {.kind = FRZ_TYPE_DECIMAL, .scale = 2, .as.decimal = -128},
       "\x80",
       1},
      {NODE(BYTE_ARRAY, DECIMAL, .scale = 2),
       {.kind = FRZ_TYPE_DECIMAL, .scale = 2, .as.decimal = 1},
       NULL,
       0},
      {NODE(INT64, TIME, .unit = FRZ_UNIT_US), VALUE(TIME, i64, 7), "\7\0\0\0\0\0\0\0", 8},
      {NODE(INT32, TIME, .unit = FRZ_UNIT_MS), VALUE(TIME, i64, 7000), "\7\0\0\0", 4},
      {NODE(INT32, TIME, .unit = FRZ_UNIT_MS), VALUE(TIME, i64, 7001), NULL, 0},
      {NODE(INT64, TIMESTAMP, .unit = FRZ_UNIT_US), VALUE(TIMESTAMPTZ, i64, 7), "\7\0\0\0\0\0\0\0",
       8},
      {NODE(INT64, TIMESTAMP, .unit = FRZ_UNIT_MS), VALUE(TIMESTAMP, i64, -1000),
       "\xff\xff\xff\xff\xff\xff\xff\xff", 8},
      {NODE(INT64, TIMESTAMP, .unit = FRZ_UNIT_NS), VALUE(TIMESTAMP, i64, 7), NULL, 0},
      {NODE(INT64, TIMESTAMP, .unit = FRZ_UNIT_NS), VALUE(TIMESTAMP_NS, i64, 7), "\7\0\0\0\0\0\0\0",
       8},
      {NODE(INT96, TIMESTAMP, .unit = FRZ_UNIT_US), VALUE(TIMESTAMP, i64, 7), NULL, 0},
      {NODE(BYTE_ARRAY, STRING, .scale = 0), VALUE(STRING, bytes, {"ab", 2}), "ab", 2},
      {NODE(BYTE_ARRAY, STRING, .scale = 0), VALUE(STRING, bytes, {"", 0}), "", 0},
      {NODE(BYTE_ARRAY, NONE, .scale = 0), VALUE(BINARY, bytes, {"\0b", 2}), "\0b", 2},
      {NODE(FIXED_LEN_BYTE_ARRAY, NONE, .type_length = 3), VALUE(FIXED, bytes, {"abc", 3}), "abc",
       3},
      {NODE(FIXED_LEN_BYTE_ARRAY, NONE, .type_length = 4), VALUE(FIXED, bytes, {"abc", 3}), NULL,
       0},
      {NODE(FIXED_LEN_BYTE_ARRAY, UUID, .type_length = 16),
       VALUE(UUID, bytes, {"0123456789abcdef", 16}), "0123456789abcdef", 16},
      {NODE(BOOLEAN, NONE, .scale = 0), VALUE(BOOLEAN, boolean, true), NULL, 0},
      {NODE(INT32, NONE, .scale = 0), {.kind = FRZ_TYPE_INT, .is_null = true}, NULL, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint64_t hashes[FRZ_LITERAL_HASHES_MAX];
    size_t n = frz_literal_hash(&cases[i].node, &cases[i].literal, hashes);
    if (n != (cases[i].plain != NULL ? 1 : 0)) fail_msg("case %zu: %zu forms", i, n);
    if (n != 0 && hashes[0] != frz_bloom_filter_hash((frz_str){cases[i].plain, cases[i].size}))
      fail_msg("case %zu: another hash", i);
  }
}

static void test_zeros_have_two_forms(void **state)
{
  (void)state;
  static const frz_parquet_node real = NODE(DOUBLE, NONE, .scale = 0);
  static const frz_parquet_node narrow = NODE(FLOAT, NONE, .scale = 0);
  for (int sign = 0; sign < 2; sign++) {
    frz_literal zero = {.kind = FRZ_TYPE_DOUBLE, .as.f64 = sign == 0 ? 0.0 : -0.0};
    uint64_t hashes[FRZ_LITERAL_HASHES_MAX];
    assert_int_equal(frz_literal_hash(&real, &zero, hashes), 2);
    assert_true(hashes[sign] == frz_bloom_filter_hash((frz_str){"\0\0\0\0\0\0\0\0", 8}));
    assert_true(hashes[1 - sign] == frz_bloom_filter_hash((frz_str){"\0\0\0\0\0\0\0\x80", 8}));
    assert_int_equal(frz_literal_hash(&narrow, &zero, hashes), 2);
    assert_true(hashes[1 - sign] == frz_bloom_filter_hash((frz_str){"\0\0\0\x80", 4}));
  }
}

/* ---- one row, few bytes ---- */

static void fill_keys(made_file *made, int64_t n_rows, bool sorted)
{
  assert_int_equal(frz_batch_init(&made->batch, fields, COLUMNS, frz_alloc_default(), NULL),
                   FRZ_OK);
  frz_feed feed = {.state = 5};
  for (int c = 0; c < COLUMNS; c++)
    for (int64_t row = 0; row < n_rows; row++) {
      int64_t key = sorted ? row * 3 : (int64_t)((uint64_t)row * 2654435761u % 1000003u) * 3;
      if (c == ID)
        append(&made->batch.columns[c], false, &key, sizeof key);
      else
        add_number(&made->batch.columns[c], c, false,
                   (int64_t)frz_feed_choose(&feed, INT64_C(1) << 40), &feed);
    }
  made->batch.n_rows = n_rows;
}

/** Open the file anew, find the rows, and read one column of them; bytes read in all. */
static int64_t look_up(made_file *made, const char *text, int column, int64_t *n_rows_out)
{
  frz_error err = {0};
  frz_parquet_reader *reader;
  const frz_row_range *ranges = NULL;
  bool selected[COLUMNS] = {false};
  selected[column] = selected[ID] = true;
  frz_parquet_file_free(made->file);
  made->source.n_bytes = made->source.n_calls = 0;
  ok(frz_parquet_file_open(context, &made->source.base, FRZ_STR("made"), &made->file, &err), &err);
  made->file->is_far = false; /* as the clock may have it on a busy machine */
  size_t n = prune(made, parse(made, text), &ranges);
  const frz_parquet_read_options options = {.selected_leaves = selected,
                                            .ranges =
                                                n != 0 ? ranges : (const frz_row_range[1]){{0}},
                                            .n_ranges = n,
                                            .batch_rows_max = 1 << 20};
  ok(frz_parquet_reader_create(made->file, &options, &reader, &err), &err);
  *n_rows_out = 0;
  for (int64_t first = 0, got = 1; got != 0; *n_rows_out += got) {
    frz_batch batch;
    ok(frz_parquet_reader_next(reader, &batch, &first, &err), &err);
    got = batch.n_rows;
    frz_batch_dispose(&batch);
  }
  frz_parquet_reader_free(reader);
  return made->source.n_bytes;
}

enum { KEY_ROWS = 600000, KEY_GROUP_ROWS = 100000, KEY_PAGE_ROWS = 1000 };

static frz_parquet_write_options key_options(void)
{
  frz_parquet_write_options options;
  frz_parquet_write_options_init(&options);
  options.row_group_rows_max = KEY_GROUP_ROWS;
  options.page_rows_max = KEY_PAGE_ROWS;
  return options;
}

static void test_a_sorted_key_touches_one_page(void **state)
{
  (void)state;
  static const char *const filters[] = {"id = 300000", "id = 0", "id in (900000, 900003)",
                                        "id >= 600000 and id < 600010 and price is not null"};
  made_file made = {0};
  frz_parquet_write_options options = key_options();
  fill_keys(&made, KEY_ROWS, true);
  open_made(&made, &options);
  int64_t file_bytes = (int64_t)made.bytes.size;
  for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
    int64_t n_rows = 0;
    int64_t bytes = look_up(&made, filters[i], NAME, &n_rows);
    if (i == 0)
      printf("%lld of %lld bytes (%.2f %%), %lld calls\n", (long long)bytes, (long long)file_bytes,
             100.0 * (double)bytes / (double)file_bytes, (long long)made.source.n_calls);
    assert_int_equal(n_rows, KEY_PAGE_ROWS);
    assert_true(bytes * 100 < file_bytes);
  }
  free_made(&made);
}

/* Keys in no order: statistics and pages say nothing, bloom filters deny absent keys. */
static void test_an_absent_key_touches_no_page(void **state)
{
  (void)state;
  enum { KEYS = 50 };
  const frz_parquet_bloom_option bloom = {1, 0.001, KEY_GROUP_ROWS};
  made_file made = {0};
  frz_parquet_write_options options = key_options();
  options.blooms = &bloom;
  options.n_blooms = 1;
  fill_keys(&made, KEY_ROWS, false);
  open_made(&made, &options);
  int64_t file_bytes = (int64_t)made.bytes.size;
  int64_t most = 0;
  int n_empty = 0;
  for (int i = 0; i < KEYS; i++) {
    char text[80];
    int64_t n_rows = 0;
    snprintf(text, sizeof text, "id in (%d, %d) and name is not null", 3 * i + 3000001,
             3 * i + 1501);
    int64_t bytes = look_up(&made, text, NAME, &n_rows);
    n_empty += n_rows == 0;
    if (n_rows == 0 && bytes > most) most = bytes;
  }
  printf("%d of %d absent keys: at most %lld of %lld bytes (%.2f %%)\n", n_empty, KEYS,
         (long long)most, (long long)file_bytes, 100.0 * (double)most / (double)file_bytes);
  assert_true(n_empty >= KEYS - 8); /* two keys, six filters, one in a thousand each */
  assert_true(most * 100 < file_bytes);
  int64_t n_rows = 0;
  char text[80];
  const int64_t *keys = (const int64_t *)(const void *)made.batch.columns[ID].values.data;
  for (int64_t row = 0; row < KEY_ROWS; row += KEY_ROWS / 20 + 7) {
    snprintf(text, sizeof text, "id = %lld", (long long)keys[row]);
    look_up(&made, text, NAME, &n_rows);
    assert_true(n_rows >= KEY_PAGE_ROWS); /* a key that is there is never denied */
  }
  free_made(&made);
}

/* What a bloom filter denies and what bounds deny makes a row group fall together. */
static void test_denials_add_up(void **state)
{
  (void)state;
  const frz_parquet_bloom_option bloom = {1, 0.0001, KEY_GROUP_ROWS};
  made_file made = {0};
  frz_parquet_write_options options = key_options();
  const frz_row_range *ranges = NULL;
  options.blooms = &bloom;
  options.n_blooms = 1;
  fill_keys(&made, 2000, false);
  open_made(&made, &options);
  int64_t key = ((const int64_t *)(const void *)made.batch.columns[ID].values.data)[5];
  char text[200];
  snprintf(text, sizeof text, "id = %lld", (long long)key);
  assert_int_equal(prune(&made, parse(&made, text), &ranges), 1);
  static const char *const denied[] = {"id = 4", "id in (4, 7, 10)",
                                       "id = 4 or ts < '1970-01-01T00:00:00'",
                                       "id = 4 and id is not null"};
  for (size_t i = 0; i < sizeof denied / sizeof *denied; i++)
    if (prune(&made, parse(&made, denied[i]), &ranges) != 0) fail_msg("%s", denied[i]);
  static const char *const possible[] = {"id <> 4", "id not in (4, 7)", "id = 4 or day is not null",
                                         "not (id = 4)"};
  for (size_t i = 0; i < sizeof possible / sizeof *possible; i++)
    if (prune(&made, parse(&made, possible[i]), &ranges) == 0) fail_msg("%s", possible[i]);
  free_made(&made);
}

/* Where bounds say that all rows match, or the filter has no use for them, no index is read. */
static void test_indexes_are_read_only_for_a_use(void **state)
{
  (void)state;
  static const struct {
    const char *filter;
    int64_t n_calls;
  } cases[] = {
      {"id >= 0", 0}, /* all rows */
      {"id < 0", 0},  /* none */
      {"id >= 0 and day is null or id < 0", 0},
      {"id > 3000", 1}, /* the page index */
      {"id = 3000", 3}, /* bloom filters, then the page index */
      {"id = 3001", 2}, /* the bloom filters */
  };
  const frz_parquet_bloom_option bloom = {1, 0.0001, KEY_GROUP_ROWS};
  made_file made = {0};
  frz_parquet_write_options options = key_options();
  options.blooms = &bloom;
  options.n_blooms = 1;
  fill_keys(&made, 5000, true);
  open_made(&made, &options);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const frz_row_range *ranges = NULL;
    made.source.n_calls = 0;
    prune(&made, parse(&made, cases[i].filter), &ranges);
    if (made.source.n_calls != cases[i].n_calls)
      fail_msg("%s: %lld calls", cases[i].filter, (long long)made.source.n_calls);
  }
  free_made(&made);
}

/* Page indexes and bloom filters of pyarrow: see tests/golden/parquet. */
static void test_indexes_of_another_implementation(void **state)
{
  (void)state;
  enum { ROWS = 240, PAGE = 10 };
  static const frz_arrow_field two[] = {{COLUMN("id", 1, FRZ_ARROW_INT64)},
                                        {COLUMN("name", 2, FRZ_ARROW_STRING)}};
  char path[4096];
  size_t size;
  frz_error err = {0};
  made_file made = {0};
  frz_test_golden("parquet/bloom_and_index.parquet", path);
  uint8_t *data = frz_test_read(path, &size);
  assert_non_null(data);
  frz_watched_source_init(&made.source, data, size);
  ok(frz_parquet_file_open(context, &made.source.base, FRZ_STR("golden"), &made.file, &err), &err);
  frz_arena_init(&made.arena, frz_alloc_default(), (size_t)1 << 26);
  int32_t next_id = 1;
  ok(frz_schema_from_arrow(two, 2, 2, &next_id, &made.arena, &made.schema, &err), &err);
  made.columns = (frz_column_source){.fields = two, .n_fields = 2};
  int64_t n_wanted = 0;
  for (int64_t row = 0; row < ROWS; row++) {
    char text[80];
    const frz_row_range *ranges = NULL;
    snprintf(text, sizeof text, "id = %lld", (long long)(row * 7919 % ROWS * 3));
    size_t n = prune(&made, parse(&made, text), &ranges);
    bool is_there = false;
    for (size_t i = 0; i < n; i++) {
      is_there = is_there || (ranges[i].first <= row && row < ranges[i].last);
      n_wanted += ranges[i].last - ranges[i].first;
    }
    if (!is_there) fail_msg("%s is not in the ranges", text);
    snprintf(text, sizeof text, "id = %lld", (long long)(row * 3 + 1));
    n = prune(&made, parse(&made, text), &ranges);
    for (size_t i = 0; i < n; i++) n_wanted += ranges[i].last - ranges[i].first;
    snprintf(text, sizeof text, "name = 'n%03lld'", (long long)row);
    n = prune(&made, parse(&made, text), &ranges);
    assert_int_equal(n, row % 40 < 30 ? 1 : 0);
    if (n == 1) assert_int_equal(ranges[0].first, row / PAGE * PAGE);
    if (n == 1) assert_int_equal(ranges[0].last, row / PAGE * PAGE + PAGE);
  }
  assert_true(n_wanted < ROWS * ROWS / 2 * 6 / 5); /* half of the pages may have the right bounds */
  const frz_row_range *nulls = NULL;
  assert_int_equal(prune(&made, parse(&made, "name is null"), &nulls), 6);
  for (size_t i = 0; i < 6; i++) assert_int_equal(nulls[i].first, 30 + 40 * (int64_t)i);
  frz_parquet_file_free(made.file);
  frz_arena_free(&made.arena);
  free(data);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_no_matching_row_is_left_out),
      cmocka_unit_test(test_literals_hash_as_they_are_stored),
      cmocka_unit_test(test_zeros_have_two_forms),
      cmocka_unit_test(test_a_sorted_key_touches_one_page),
      cmocka_unit_test(test_an_absent_key_touches_no_page),
      cmocka_unit_test(test_denials_add_up),
      cmocka_unit_test(test_indexes_are_read_only_for_a_use),
      cmocka_unit_test(test_indexes_of_another_implementation),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
