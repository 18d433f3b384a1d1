/*
 * test_avro_columns.c - records of Avro files as columns: types, choices, ranges, damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "avro/avro_columns.h"
#include "avro/avro_file.h"
#include "avro/avro_value.h"
#include "base/limits.h"
#include "test_files.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static const frz_codec codecs[] = {FRZ_CODEC_NONE, FRZ_CODEC_DEFLATE, FRZ_CODEC_SNAPPY,
                                   FRZ_CODEC_ZSTD};

/* ---- values as text ---- */

typedef struct text {
  char data[4096];
  size_t size;
} text;

static void add(text *t, const char *format, ...) FRZ_PRINTF(2, 3);
static void add(text *t, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  int n = vsnprintf(t->data + t->size, sizeof t->data - t->size, format, args);
  va_end(args);
  assert_true(n >= 0 && (size_t)n < sizeof t->data - t->size);
  t->size += (size_t)n;
}

static void add_value(text *t, const frz_column *column, int64_t row);

static void add_items(text *t, const frz_column *column, int64_t row)
{
  const int32_t *offsets = (const int32_t *)(const void *)column->offsets.data;
  add(t, "[");
  for (int32_t i = offsets[row]; i < offsets[row + 1]; i++) {
    if (i != offsets[row]) add(t, " ");
    add_value(t, &column->children[0], i);
  }
  add(t, "]");
}

static void add_bytes(text *t, frz_str bytes)
{
  for (size_t i = 0; i < bytes.size; i++) add(t, "%02x", (unsigned)(uint8_t)bytes.data[i]);
}

static void add_value(text *t, const frz_column *column, int64_t row)
{
  assert_true(row < column->n_rows);
  if (frz_column_is_null(column, row)) {
    add(t, "null");
    return;
  }
  size_t before = (size_t)row * frz_arrow_value_bytes(column->type);
  const uint8_t *at = before != 0 ? column->values.data + before : column->values.data;
  switch (column->type.kind) {
  case FRZ_ARROW_BOOL: add(t, "%d", frz_bit_get(column->values.data, row)); break;
  case FRZ_ARROW_INT32:
  case FRZ_ARROW_DATE32:
  case FRZ_ARROW_TIME32: add(t, "%d", (int32_t)frz_load_u32le(at)); break;
  case FRZ_ARROW_INT64:
  case FRZ_ARROW_TIME64:
  case FRZ_ARROW_TIMESTAMP: add(t, "%lld", (long long)(int64_t)frz_load_u64le(at)); break;
  case FRZ_ARROW_FLOAT32: add(t, "%g", (double)*(const float *)(const void *)at); break;
  case FRZ_ARROW_FLOAT64: add(t, "%g", *(const double *)(const void *)at); break;
  case FRZ_ARROW_STRING: {
    frz_str s = frz_column_bytes(column, row);
    add(t, "'%.*s'", FRZ_STR_ARG(s));
    break;
  }
  case FRZ_ARROW_STRUCT:
    add(t, "{");
    for (size_t i = 0; i < column->n_children; i++) {
      if (i != 0) add(t, " ");
      add_value(t, &column->children[i], row);
    }
    add(t, "}");
    break;
  case FRZ_ARROW_LIST:
  case FRZ_ARROW_MAP: add_items(t, column, row); break;
  default: add_bytes(t, frz_column_bytes(column, row)); break;
  }
}

/* ---- files ---- */

typedef struct file {
  frz_buf bytes;
  frz_sink *sink;
  frz_avro_writer *writer;
} file;

static void begin(file *f, const char *schema, frz_codec codec)
{
  *f = (file){0};
  frz_buf_init(&f->bytes, frz_alloc_default(), 64 << 20);
  assert_int_equal(frz_sink_to_buf(frz_alloc_default(), &f->bytes, &f->sink, NULL), FRZ_OK);
  assert_int_equal(frz_avro_writer_create(frz_alloc_default(), f->sink, frz_str_from(schema), NULL,
                                          0, codec, &f->writer, NULL),
                   FRZ_OK);
}

static void put(file *f, const void *data, size_t size)
{
  assert_int_equal(frz_buf_append(frz_avro_writer_record(f->writer), data, size, NULL), FRZ_OK);
}

static void put_long(file *f, int64_t value)
{
  assert_int_equal(frz_avro_write_long(frz_avro_writer_record(f->writer), value, NULL), FRZ_OK);
}

static void put_text(file *f, const char *value)
{
  assert_int_equal(
      frz_avro_write_bytes(frz_avro_writer_record(f->writer), frz_str_from(value), NULL), FRZ_OK);
}

static void end_record(file *f)
{
  assert_int_equal(frz_avro_writer_end_record(f->writer, NULL), FRZ_OK);
}

static void end_file(file *f)
{
  if (f->writer != NULL) assert_int_equal(frz_avro_writer_finish(f->writer, NULL), FRZ_OK);
  frz_avro_writer_free(f->writer);
  f->writer = NULL;
}

static void drop(file *f)
{
  frz_avro_writer_free(f->writer);
  frz_sink_free(f->sink);
  frz_buf_dispose(&f->bytes);
}

static frz_status open_table(const void *data, size_t size, frz_avro_table **table_out,
                             frz_error *err)
{
  frz_source *source;
  assert_int_equal(frz_source_from_memory(frz_alloc_default(), data, size, &source, NULL), FRZ_OK);
  return frz_avro_table_open(frz_alloc_default(), source, FRZ_STR("t.avro"), table_out, err);
}

/* Every batch of a reader as text, one row a line; the status it ended with. */
static frz_status read_all(const frz_avro_table *table, const frz_avro_read_options *options,
                           text *t, int64_t *n_rows_out, frz_error *err)
{
  frz_avro_columns_reader *reader = NULL;
  frz_status st = frz_avro_columns_create(table, options, &reader, err);
  *n_rows_out = 0;
  while (st == FRZ_OK) {
    frz_batch batch;
    int64_t first;
    st = frz_avro_columns_next(reader, &batch, &first, err);
    if (st != FRZ_OK) break;
    int64_t n_rows = batch.n_rows;
    assert_true(n_rows <= options->batch_rows_max);
    for (int64_t row = 0; t != NULL && row < n_rows; row++) {
      for (size_t i = 0; i < batch.n_columns; i++) {
        if (i != 0) add(t, " ");
        add_value(t, &batch.columns[i], row);
      }
      add(t, "\n");
    }
    for (size_t i = 0; i < batch.n_columns; i++) assert_int_equal(batch.columns[i].n_rows, n_rows);
    *n_rows_out += n_rows;
    frz_batch_dispose(&batch);
    if (n_rows == 0) break;
  }
  frz_avro_columns_free(reader);
  return st;
}

/* ---- types ---- */

#define RECORD(fields) "{\"type\":\"record\",\"name\":\"r\",\"fields\":[" fields "]}"
#define COLUMN(type) RECORD("{\"name\":\"c\",\"field-id\":7,\"type\":" type "}")

static void test_types(void **state)
{
  (void)state;
  static const struct {
    const char *type;
    const char *arrow;
    const char *bytes;
    size_t n_bytes;
    const char *value;
  } cases[] = {
#define BYTES(literal) literal, sizeof(literal) - 1
      {"\"boolean\"", "bool", BYTES("\1"), "1"},
      {"\"int\"", "int32", BYTES("\x03"), "-2"},
      {"{\"type\":\"int\",\"logicalType\":\"date\"}", "date32", BYTES("\x01"), "-1"},
      {"{\"type\":\"int\",\"logicalType\":\"time-millis\"}", "time32[ms]", BYTES("\x04"), "2"},
      {"\"long\"", "int64", BYTES("\x80\x80\x80\x80\x20"), "4294967296"},
      {"{\"type\":\"long\",\"logicalType\":\"time-micros\"}", "time64[us]", BYTES("\x04"), "2"},
      {"{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}", "timestamp[ms]", BYTES("\x04"),
       "2"},
      {"{\"type\":\"long\",\"logicalType\":\"timestamp-micros\",\"adjust-to-utc\":true}",
       "timestamp[us, UTC]", BYTES("\x05"), "-3"},
      {"{\"type\":\"long\",\"logicalType\":\"timestamp-micros\",\"adjust-to-utc\":\"True\"}",
       "timestamp[us, UTC]", BYTES("\x05"), "-3"},
      {"{\"type\":\"long\",\"logicalType\":\"timestamp-micros\",\"adjust-to-utc\":false}",
       "timestamp[us]", BYTES("\x05"), "-3"},
      {"{\"type\":\"long\",\"logicalType\":\"timestamp-nanos\"}", "timestamp[ns]", BYTES("\x05"),
       "-3"},
      {"{\"type\":\"long\",\"logicalType\":\"local-timestamp-micros\",\"adjust-to-utc\":true}",
       "timestamp[us]", BYTES("\x05"), "-3"},
      {"{\"type\":\"int\",\"logicalType\":\"timestamp-micros\"}", "int32", BYTES("\x05"), "-3"},
      {"\"float\"", "float32", BYTES("\0\0\xc0\x3f"), "1.5"},
      {"\"double\"", "float64", BYTES("\0\0\0\0\0\0\xf8\x3f"), "1.5"},
      {"\"bytes\"", "binary", BYTES("\x04\x01\xff"), "01ff"},
      {"\"string\"", "string", BYTES("\x04hi"), "'hi'"},
      {"{\"type\":\"string\",\"logicalType\":\"uuid\"}", "uuid",
       BYTES("\x48"
             "00112233-4455-6677-8899-aAbBcCdDeEfF"),
       "00112233445566778899aabbccddeeff"},
      {"{\"type\":\"fixed\",\"name\":\"f\",\"size\":16,\"logicalType\":\"uuid\"}", "uuid",
       BYTES("0123456789abcdef"), "30313233343536373839616263646566"},
      {"{\"type\":\"fixed\",\"name\":\"f\",\"size\":3}", "fixed[3]", BYTES("abc"), "616263"},
      {"{\"type\":\"fixed\",\"name\":\"f\",\"size\":3,\"logicalType\":\"decimal\",\"precision\":6,"
       "\"scale\":2}",
       "decimal(6, 2)", BYTES("\xff\xff\xfe"), "feffffffffffffffffffffffffffffff"},
      {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":6,\"scale\":2}",
       "decimal(6, 2)", BYTES("\x04\x01\x02"), "02010000000000000000000000000000"},
      {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":38,\"scale\":0}",
       "decimal(38, 0)", BYTES("\x24\xff\xff\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"),
       "01000000000000000000000000000080"},
      {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":2,\"scale\":3}", "binary",
       BYTES("\x02\x01"), "01"},
      {"{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[\"A\",\"BB\"]}", "string", BYTES("\x02"),
       "'BB'"},
      {"\"null\"", "null", BYTES(""), "null"},
      {"[\"null\",\"int\"]", "int32", BYTES("\0"), "null"},
      {"[\"null\",\"int\"]", "int32", BYTES("\x02\x02"), "1"},
      {"[\"int\",\"null\"]", "int32", BYTES("\0\x02"), "1"},
      {"[\"int\",\"null\"]", "int32", BYTES("\x02"), "null"},
      {"[\"int\"]", "int32", BYTES("\0\x02"), "1"},
      {RECORD(""), "struct<>", BYTES(""), "{}"},
      {RECORD("{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":[\"null\",\"string\"]}"),
       "struct<a: int32, b: string>", BYTES("\x02\x02\x02x"), "{1 'x'}"},
      {"[\"null\"," RECORD("{\"name\":\"a\",\"type\":\"int\"}") "]", "struct<a: int32>",
       BYTES("\0"), "null"},
      {"{\"type\":\"array\",\"items\":\"int\"}", "list<int32>", BYTES("\x04\x02\x04\x02\x06\0"),
       "[1 2 3]"},
      {"{\"type\":\"array\",\"items\":\"int\"}", "list<int32>", BYTES("\x03\x04\x02\x04\0"),
       "[1 2]"},
      {"{\"type\":\"array\",\"items\":[\"null\",{\"type\":\"array\",\"items\":\"int\"}]}",
       "list<list<int32>>", BYTES("\x06\0\x02\0\x02\x02\x02\0\0"), "[null [] [1]]"},
      {"{\"type\":\"map\",\"values\":\"int\"}", "map<string, int32>", BYTES("\x02\x02k\x02\0"),
       "[{'k' 1}]"},
      {"{\"type\":\"map\",\"values\":[\"null\",\"int\"]}", "map<string, int32>", BYTES("\0"), "[]"},
      {"{\"type\":\"array\",\"logicalType\":\"map\",\"items\":" RECORD(
           "{\"name\":\"k\",\"type\":\"int\"},{\"name\":\"v\",\"type\":[\"null\",\"int\"]}") "}",
       "map<int32, int32>", BYTES("\x04\x02\0\x04\x02\x06\0"), "[{1 null} {2 3}]"},
#undef BYTES
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char schema[2048];
    file f;
    text t = {0};
    frz_avro_table *table = NULL;
    frz_error err = {0};
    frz_arena arena;
    size_t n_columns;
    int64_t n_rows;
    /* A byte behind, so that no record is empty, and the column has something to go wrong over. */
    snprintf(schema, sizeof schema,
             RECORD("{\"name\":\"c\",\"field-id\":7,\"type\":%s},"
                    "{\"name\":\"z\",\"type\":\"int\"}"),
             cases[i].type);
    begin(&f, schema, FRZ_CODEC_NONE);
    for (int row = 0; row < 2; row++) {
      if (cases[i].n_bytes != 0) put(&f, cases[i].bytes, cases[i].n_bytes);
      put_long(&f, 9);
      end_record(&f);
    }
    end_file(&f);
    if (open_table(f.bytes.data, f.bytes.size, &table, &err) != FRZ_OK)
      fail_msg("%s: %s", cases[i].type, err.message);
    const frz_avro_column *columns = frz_avro_table_columns(table, &n_columns);
    assert_int_equal(n_columns, 2);
    assert_int_equal(columns[0].field.field_id, 7);
    frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
    frz_str described = frz_arrow_field_describe(&columns[0].field, &arena);
    if (!frz_str_is(described, cases[i].arrow))
      fail_msg("%s: %.*s", cases[i].type, FRZ_STR_ARG(described));
    frz_avro_read_options all = {.batch_rows_max = 100};
    if (read_all(table, &all, &t, &n_rows, &err) != FRZ_OK)
      fail_msg("%s: %s", cases[i].type, err.message);
    char expected[256];
    snprintf(expected, sizeof expected, "%s 9\n%s 9\n", cases[i].value, cases[i].value);
    assert_string_equal(t.data, expected);
    /* Passed over, the column leaves the next one where it is. */
    bool selected[16] = {false};
    text other = {0};
    selected[columns[1].first_leaf] = true;
    frz_avro_read_options second = {.selected_leaves = selected, .batch_rows_max = 1};
    assert_int_equal(read_all(table, &second, &other, &n_rows, &err), FRZ_OK);
    assert_string_equal(other.data, "9\n9\n");
    frz_arena_free(&arena);
    frz_avro_table_free(table);
    drop(&f);
  }
}

static void test_bad_values(void **state)
{
  (void)state;
  static const struct {
    const char *type;
    const char *bytes;
    size_t n_bytes;
    frz_status status;
    const char *message;
  } cases[] = {
#define BYTES(literal) literal, sizeof(literal) - 1
      {"\"boolean\"", BYTES("\2"), FRZ_ERR_CORRUPT, "row 0, column 'c': boolean 0x02"},
      {"\"int\"", BYTES("\x80\x80\x80\x80\x20"), FRZ_ERR_CORRUPT, "longer than 32 bits"},
      {"[\"null\",\"int\"]", BYTES("\x04"), FRZ_ERR_CORRUPT, "branch 2 of a union of 2"},
      {"[\"null\",\"int\"]", BYTES("\x01"), FRZ_ERR_CORRUPT, "branch -1"},
      {"{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[\"A\"]}", BYTES("\x02"), FRZ_ERR_CORRUPT,
       "symbol 1 of enum 'e' of 1"},
      {"{\"type\":\"fixed\",\"name\":\"f\",\"size\":3}", BYTES("ab"), FRZ_ERR_CORRUPT,
       "3 bytes where 2 are left"},
      {"{\"type\":\"string\",\"logicalType\":\"uuid\"}", BYTES("\x04hi"), FRZ_ERR_CORRUPT,
       "'hi' is no UUID"},
      {"{\"type\":\"string\",\"logicalType\":\"uuid\"}",
       BYTES("\x48"
             "00112233-4455-6677-8899-aAbBcCdDeEfg"),
       FRZ_ERR_CORRUPT, "is no UUID"},
      {"{\"type\":\"string\",\"logicalType\":\"uuid\"}",
       BYTES("\x48"
             "00112233445-5-6677-8899-aAbBcCdDeEff"),
       FRZ_ERR_CORRUPT, "is no UUID"},
      {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":6,\"scale\":2}", BYTES("\0"),
       FRZ_ERR_CORRUPT, "a decimal without bytes"},
      {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":38,\"scale\":0}",
       BYTES("\x22\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), FRZ_ERR_CORRUPT, "a decimal of 17 bytes"},
      {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":38,\"scale\":0}",
       BYTES("\x22\0\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), FRZ_ERR_CORRUPT, "a decimal of 17 bytes"},
      {"{\"type\":\"array\",\"items\":\"int\"}", BYTES("\x06\x02"), FRZ_ERR_CORRUPT, "block of 3"},
      {"{\"type\":\"array\",\"logicalType\":\"map\",\"items\":" RECORD(
           "{\"name\":\"k\",\"type\":[\"null\",\"int\"]},{\"name\":\"v\",\"type\":\"int\"}") "}",
       BYTES("\x02\0\x02\0"), FRZ_ERR_CORRUPT, "null as the key of a map"},
      {"\"string\"", BYTES("\x02zz"), FRZ_ERR_CORRUPT, "1 bytes behind the last record"},
#undef BYTES
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char schema[2048];
    file f;
    frz_avro_table *table = NULL;
    frz_error err = {0};
    int64_t n_rows;
    snprintf(schema, sizeof schema, COLUMN("%s"), cases[i].type);
    begin(&f, schema, FRZ_CODEC_NONE);
    put(&f, cases[i].bytes, cases[i].n_bytes);
    end_record(&f);
    end_file(&f);
    if (open_table(f.bytes.data, f.bytes.size, &table, &err) != FRZ_OK)
      fail_msg("%s: %s", cases[i].type, err.message);
    frz_avro_read_options all = {.batch_rows_max = 100};
    frz_status st = read_all(table, &all, NULL, &n_rows, &err);
    if (st != cases[i].status || strstr(err.message, cases[i].message) == NULL)
      fail_msg("%s: %d %s", cases[i].type, st, err.message);
    assert_non_null(strstr(err.message, "'t.avro': "));
    frz_avro_table_free(table);
    drop(&f);
  }
}

/* A column without an Arrow form is named when it is asked for, and no hindrance else. */
static void test_unknown_types(void **state)
{
  (void)state;
  static const struct {
    const char *type;
    const char *bytes;
    size_t n_bytes;
    const char *message;
  } cases[] = {
      {"[\"null\",\"int\",\"string\"]", "\0", 1, "a union of 3 types"},
      {"[\"int\",\"string\"]", "\0\2", 2, "a union of 2 types"},
      {RECORD("{\"name\":\"a\",\"type\":[\"null\",\"r\"]}"), "\0", 1, "record 'r' contains itself"},
      {"{\"type\":\"array\",\"items\":" RECORD(
           "{\"name\":\"a\",\"type\":{\"type\":\"map\",\"values\":\"r\"}}") "}",
       "\0", 1, "record 'r' contains itself"},
      {"{\"type\":\"fixed\",\"name\":\"f\",\"size\":0}", "", 0, "fixed 'f' of no bytes"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char schema[2048];
    file f;
    frz_avro_table *table = NULL;
    frz_error err = {0};
    frz_arena arena;
    frz_arrow_field field;
    text t = {0};
    size_t n_columns;
    int64_t n_rows;
    snprintf(schema, sizeof schema,
             "{\"type\":\"record\",\"name\":\"top\",\"fields\":[{\"name\":\"c\",\"field-id\":7,"
             "\"type\":%s},{\"name\":\"z\",\"type\":\"int\"}]}",
             cases[i].type);
    begin(&f, schema, FRZ_CODEC_NONE);
    if (cases[i].n_bytes != 0) put(&f, cases[i].bytes, cases[i].n_bytes);
    put_long(&f, 9);
    end_record(&f);
    end_file(&f);
    if (open_table(f.bytes.data, f.bytes.size, &table, &err) != FRZ_OK)
      fail_msg("%s: %s", cases[i].type, err.message);
    const frz_avro_column *columns = frz_avro_table_columns(table, &n_columns);
    assert_true(columns[0].is_unknown && !columns[1].is_unknown);
    assert_int_equal(columns[0].field.field_id, 7);
    frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
    assert_int_equal(frz_avro_table_field(table, 0, NULL, &arena, &field, &err),
                     FRZ_ERR_UNSUPPORTED);
    if (strstr(err.message, cases[i].message) == NULL ||
        strstr(err.message, "column 'c': ") == NULL)
      fail_msg("%s: %s", cases[i].type, err.message);
    frz_avro_read_options all = {.batch_rows_max = 100};
    assert_int_equal(read_all(table, &all, &t, &n_rows, &err), FRZ_OK);
    assert_string_equal(t.data, "9\n");
    frz_arena_free(&arena);
    frz_avro_table_free(table);
    drop(&f);
  }
}

/* ---- files of others ---- */

static void expect_golden_row(text *t, int i)
{
  static const char *const symbols[] = {"red", "green"};
  add(t, "null %d %d %lld %g %g ", i % 2 == 0, i * 1000 - 7000, (i - 10) * 100000000000000LL,
      (double)i / 4, (double)-i / 8);
  for (int k = 0; k < i % 7; k++) add(t, "%02x", (unsigned)k);
  add(t, " '%s%d' '%s' %02x00ff01 010203%02x [",
      i % 3 == 0   ? ""
      : i % 3 == 1 ? "\xc3\xa9"
                   : "\xc3\xa9\xc3\xa9",
      i, symbols[i % 2], (unsigned)i, (unsigned)i);
  for (int k = 0; k < i % 4; k++) {
    if (k != 0) add(t, " ");
    if (k % 2 != 0)
      add(t, "null");
    else
      add(t, "%d", k * i);
  }
  add(t, "] [");
  for (int k = 0; k < i % 3; k++) add(t, "%s{'%d' %g}", k != 0 ? " " : "", k, (double)k / 2);
  add(t, "] [");
  for (int k = 0; k < i % 3; k++) add(t, "%s{%d %02x}", k != 0 ? " " : "", k, (unsigned)k);
  add(t, "]\n");
}

static void test_files_of_fastavro(void **state)
{
  (void)state;
  static const char *const names[] = {"avro/types_null.avro", "avro/types_deflate.avro",
                                      "avro/types_snappy.avro", "avro/types_zstandard.avro"};
  text expected = {0};
  for (int i = 0; i < 20; i++) expect_golden_row(&expected, i);
  for (size_t k = 0; k < LENGTH(names); k++) {
    char path[4096];
    size_t size;
    text t = {0};
    frz_avro_table *table = NULL;
    frz_error err = {0};
    int64_t n_rows;
    size_t n_columns;
    frz_test_golden(names[k], path);
    uint8_t *data = frz_test_read(path, &size);
    assert_non_null(data);
    if (open_table(data, size, &table, &err) != FRZ_OK) fail_msg("%s", err.message);
    const frz_avro_column *columns = frz_avro_table_columns(table, &n_columns);
    assert_int_equal(n_columns, 15);
    assert_true(columns[13].is_unknown); /* a union of three */
    assert_int_equal(columns[11].field.children[0].field_id, 13);
    assert_int_equal(columns[12].field.children[0].children[0].field_id, 15);
    assert_int_equal(columns[12].field.children[0].children[1].field_id, 16);
    assert_int_equal(columns[14].field.children[0].children[0].field_id, 20);
    assert_int_equal(columns[14].field.children[0].children[1].field_id, 21);
    frz_avro_read_options all = {.batch_rows_max = 7};
    if (read_all(table, &all, &t, &n_rows, &err) != FRZ_OK) fail_msg("%s", err.message);
    assert_string_equal(t.data, expected.data);
    frz_avro_table_free(table);
    free(data);
  }
}

/* ---- choices ---- */

static const char nested_schema[] = RECORD(
    "{\"name\":\"a\",\"field-id\":1,\"type\":\"long\"},"
    "{\"name\":\"s\",\"field-id\":2,\"type\":[\"null\",{\"type\":\"record\",\"name\":\"s\","
    "\"fields\":[{\"name\":\"x\",\"field-id\":3,\"type\":\"long\"},"
    "{\"name\":\"y\",\"field-id\":4,\"type\":[\"null\",\"string\"]}]}]},"
    "{\"name\":\"l\",\"field-id\":5,\"type\":{\"type\":\"array\",\"element-id\":6,\"items\":"
    "{\"type\":\"record\",\"name\":\"e\",\"fields\":["
    "{\"name\":\"p\",\"field-id\":7,\"type\":\"long\"},"
    "{\"name\":\"q\",\"field-id\":8,\"type\":\"string\"}]}}},"
    "{\"name\":\"m\",\"field-id\":9,\"type\":{\"type\":\"map\",\"key-id\":10,\"value-id\":11,"
    "\"values\":{\"type\":\"record\",\"name\":\"v\",\"fields\":["
    "{\"name\":\"t\",\"field-id\":12,\"type\":\"long\"},"
    "{\"name\":\"u\",\"field-id\":13,\"type\":\"long\"}]}}}");

static void put_nested(file *f, int64_t i)
{
  put_long(f, i);
  put_long(f, i % 3 != 0);
  if (i % 3 != 0) {
    put_long(f, i * 10);
    put_long(f, i % 2);
    if (i % 2 != 0) put_text(f, "y");
  }
  put_long(f, 1);
  put_long(f, i * 100);
  put_text(f, "q");
  put_long(f, 0);
  put_long(f, 1);
  put_text(f, "k");
  put_long(f, i);
  put_long(f, -i);
  put_long(f, 0);
  end_record(f);
}

static void test_selected_leaves(void **state)
{
  (void)state;
  static const struct {
    const char *leaves; /* a x y p q key t u */
    const char *expected;
  } cases[] = {
      {"11111111", "0 null [{0 'q'}] [{'k' {0 0}}]\n1 {10 'y'} [{100 'q'}] [{'k' {1 -1}}]\n"
                   "2 {20 null} [{200 'q'}] [{'k' {2 -2}}]\n"},
      {"00000000", "\n\n\n"},
      {"10000000", "0\n1\n2\n"},
      {"00100000", "null\n{'y'}\n{null}\n"},
      {"01001000", "null [{'q'}]\n{10} [{'q'}]\n{20} [{'q'}]\n"},
      {"00000101", "[{'k' {0}}]\n[{'k' {-1}}]\n[{'k' {-2}}]\n"},
      {"00000010", "[{'k' {0}}]\n[{'k' {1}}]\n[{'k' {2}}]\n"},
      {"00000100", "[{'k' {0 0}}]\n[{'k' {1 -1}}]\n[{'k' {2 -2}}]\n"},
  };
  for (size_t c = 0; c < LENGTH(codecs); c++) {
    file f;
    frz_avro_table *table = NULL;
    frz_error err = {0};
    begin(&f, nested_schema, codecs[c]);
    for (int i = 0; i < 3; i++) put_nested(&f, i);
    end_file(&f);
    if (open_table(f.bytes.data, f.bytes.size, &table, &err) != FRZ_OK) fail_msg("%s", err.message);
    for (size_t i = 0; i < LENGTH(cases); i++) {
      bool selected[8];
      text t = {0};
      int64_t n_rows;
      for (size_t k = 0; k < 8; k++) selected[k] = cases[i].leaves[k] == '1';
      frz_avro_read_options options = {.selected_leaves = selected, .batch_rows_max = 2};
      if (read_all(table, &options, &t, &n_rows, &err) != FRZ_OK) fail_msg("%s", err.message);
      assert_string_equal(t.data, cases[i].expected);
    }
    frz_avro_table_free(table);
    drop(&f);
  }
}

/* ---- ranges ---- */

enum { MANY = 30000 };

static file many_rows(frz_codec codec)
{
  file f;
  begin(&f, RECORD("{\"name\":\"id\",\"type\":\"long\"},{\"name\":\"s\",\"type\":\"string\"}"),
        codec);
  for (int64_t i = 0; i < MANY; i++) {
    put_long(&f, i);
    put_text(&f, "some text that makes blocks");
    end_record(&f);
  }
  end_file(&f);
  return f;
}

static bool in_ranges(const frz_row_range *ranges, size_t n, int64_t row)
{
  for (size_t i = 0; i < n; i++)
    if (row >= ranges[i].first && row < ranges[i].last) return true;
  return false;
}

static void check_ranges(const frz_avro_table *table, const frz_row_range *ranges, size_t n,
                         bool merged, bool counted)
{
  bool selected[2] = {!counted, false};
  frz_avro_columns_reader *reader = NULL;
  int64_t row = 0;
  frz_avro_read_options options = {.selected_leaves = selected,
                                   .ranges = ranges,
                                   .n_ranges = n,
                                   .batch_rows_max = 1000,
                                   .merge_ranges = merged};
  assert_int_equal(frz_avro_columns_create(table, &options, &reader, NULL), FRZ_OK);
  for (;;) {
    frz_batch batch;
    int64_t first;
    frz_error err = {0};
    if (frz_avro_columns_next(reader, &batch, &first, &err) != FRZ_OK) fail_msg("%s", err.message);
    if (batch.n_rows == 0) {
      frz_batch_dispose(&batch);
      break;
    }
    while (!in_ranges(ranges, n, row)) row++;
    assert_int_equal(first, row);
    for (int64_t i = 0; i < batch.n_rows; i++, row++) {
      if (!merged) assert_true(in_ranges(ranges, n, row));
      while (!in_ranges(ranges, n, row)) row++;
      if (counted) continue;
      assert_int_equal(frz_load_u64le(batch.columns[0].values.data + 8 * i), row);
    }
    frz_batch_dispose(&batch);
  }
  while (row < MANY) assert_false(in_ranges(ranges, n, row++));
  frz_avro_columns_free(reader);
}

static void test_ranges(void **state)
{
  (void)state;
  static const frz_row_range sets[][4] = {
      {{0, MANY}},
      {{0, INT64_MAX}},
      {{0, 1}, {MANY - 1, MANY}},
      {{5, 6}, {6, 9}, {2500, 7000}, {20000, 20001}},
      {{29999, 40000}},
      {{MANY, MANY + 5}},
      {{7, 7}, {9, 12}},
      {{1, 2}, {3, 4}, {5, 6}, {7, 8}},
  };
  for (size_t c = 0; c < LENGTH(codecs); c++) {
    file f = many_rows(codecs[c]);
    frz_avro_table *table = NULL;
    assert_int_equal(open_table(f.bytes.data, f.bytes.size, &table, NULL), FRZ_OK);
    for (size_t i = 0; i < LENGTH(sets); i++) {
      size_t n = 0;
      while (n < 4 && sets[i][n].last != 0) n++;
      for (int way = 0; way < 4; way++)
        check_ranges(table, sets[i], n, (way & 1) != 0, (way & 2) != 0);
    }
    frz_avro_table_free(table);
    drop(&f);
  }
}

/* ---- what is read of a file ---- */

typedef struct counted_source {
  frz_source base;
  const frz_buf *bytes;
  int64_t n_bytes;
  int64_t largest;
} counted_source;

static frz_status counted_read(frz_source *source, const frz_range *ranges, size_t n_ranges,
                               frz_error *err)
{
  counted_source *self = (counted_source *)source;
  (void)err;
  for (size_t i = 0; i < n_ranges; i++) {
    assert_true(ranges[i].offset >= 0 &&
                ranges[i].offset + (int64_t)ranges[i].size <= source->size_bytes);
    memcpy(ranges[i].dest, self->bytes->data + ranges[i].offset, ranges[i].size);
    self->n_bytes += (int64_t)ranges[i].size;
    if ((int64_t)ranges[i].size > self->largest) self->largest = (int64_t)ranges[i].size;
  }
  return FRZ_OK;
}

static void counted_free(frz_source *source)
{
  (void)source;
}

static void test_files_are_read_in_windows(void **state)
{
  (void)state;
  file f;
  begin(&f, RECORD("{\"name\":\"id\",\"type\":\"long\"},{\"name\":\"b\",\"type\":\"bytes\"}"),
        FRZ_CODEC_NONE);
  char *filler = malloc(1 << 20);
  memset(filler, 'x', 1 << 20);
  for (int64_t i = 0; i < 20; i++) {
    put_long(&f, i);
    put_long(&f, 1 << 20);
    put(&f, filler, 1 << 20);
    end_record(&f);
  }
  free(filler);
  end_file(&f);
  counted_source source = {
      {.size_bytes = (int64_t)f.bytes.size, .read_ranges = counted_read, .free = counted_free},
      &f.bytes,
      0,
      0};
  frz_avro_table *table = NULL;
  frz_batch batch;
  int64_t first;
  frz_avro_columns_reader *reader = NULL;
  assert_int_equal(
      frz_avro_table_open(frz_alloc_default(), &source.base, FRZ_STR("w"), &table, NULL), FRZ_OK);
  frz_avro_read_options all = {.batch_rows_max = 1000};
  assert_int_equal(frz_avro_columns_create(table, &all, &reader, NULL), FRZ_OK);
  assert_int_equal(frz_avro_columns_next(reader, &batch, &first, NULL), FRZ_OK);
  assert_int_equal(batch.n_rows, 16); /* bytes end a batch before its rows do */
  frz_batch_dispose(&batch);
  assert_int_equal(frz_avro_columns_next(reader, &batch, &first, NULL), FRZ_OK);
  assert_int_equal(batch.n_rows, 4);
  assert_int_equal(first, 16);
  frz_batch_dispose(&batch);
  frz_avro_columns_free(reader);
  assert_true(source.n_bytes <= (int64_t)f.bytes.size + (1 << 20));
  assert_true(source.largest < 3 << 20);
  source.n_bytes = 0; /* one row from the end: blocks before it are passed over */
  frz_row_range last = {19, 20};
  frz_avro_read_options one = {.ranges = &last, .n_ranges = 1, .batch_rows_max = 1000};
  assert_int_equal(frz_avro_columns_create(table, &one, &reader, NULL), FRZ_OK);
  assert_int_equal(frz_avro_columns_next(reader, &batch, &first, NULL), FRZ_OK);
  assert_int_equal(batch.n_rows, 1);
  assert_int_equal(first, 19);
  frz_batch_dispose(&batch);
  frz_avro_columns_free(reader);
  frz_avro_table_free(table);
  drop(&f);
}

static void test_long_headers(void **state)
{
  (void)state;
  size_t doc_bytes = 300000;
  char *schema = malloc(doc_bytes + 200);
  int n = snprintf(schema, 200, "{\"type\":\"record\",\"name\":\"r\",\"doc\":\"");
  memset(schema + n, 'd', doc_bytes);
  snprintf(schema + (size_t)n + doc_bytes, 100,
           "\",\"fields\":[{\"name\":\"a\",\"type\":\"long\"}]}");
  file f;
  text t = {0};
  frz_avro_table *table = NULL;
  int64_t n_rows;
  begin(&f, schema, FRZ_CODEC_NONE);
  put_long(&f, 5);
  end_record(&f);
  end_file(&f);
  assert_int_equal(open_table(f.bytes.data, f.bytes.size, &table, NULL), FRZ_OK);
  frz_avro_read_options all = {.batch_rows_max = 10};
  assert_int_equal(read_all(table, &all, &t, &n_rows, NULL), FRZ_OK);
  assert_string_equal(t.data, "5\n");
  frz_avro_table_free(table);
  drop(&f);
  free(schema);
}

/* ---- damage ---- */

static void test_every_truncation(void **state)
{
  (void)state;
  for (size_t c = 0; c < LENGTH(codecs); c++) {
    file f;
    size_t block_ends[2] = {0, 0};
    begin(&f, nested_schema, codecs[c]);
    block_ends[0] = f.bytes.size;
    for (int i = 0; i < 3; i++) put_nested(&f, i);
    assert_int_equal(frz_avro_writer_finish(f.writer, NULL), FRZ_OK);
    block_ends[1] = f.bytes.size;
    for (int i = 0; i < 3; i++) put_nested(&f, i);
    end_file(&f);
    for (size_t cut = 0; cut < f.bytes.size; cut++) {
      uint8_t *copy = malloc(cut + 1);
      frz_avro_table *table = NULL;
      int64_t n_rows = 0;
      memcpy(copy, f.bytes.data, cut);
      frz_status st = open_table(copy, cut, &table, NULL);
      frz_avro_read_options all = {.batch_rows_max = 1};
      if (st == FRZ_OK) st = read_all(table, &all, NULL, &n_rows, NULL);
      if (cut == block_ends[0] || cut == block_ends[1]) { /* nothing in the file shows these */
        assert_int_equal(st, FRZ_OK);
        assert_int_equal(n_rows, cut == block_ends[0] ? 0 : 3);
      } else {
        assert_int_equal(st, FRZ_ERR_CORRUPT);
      }
      frz_avro_table_free(table);
      free(copy);
    }
    drop(&f);
  }
}

static frz_status read_bytes(const frz_buf *bytes, bool count_only, frz_error *err)
{
  frz_avro_table *table = NULL;
  static const bool none[16] = {false};
  int64_t n_rows;
  frz_avro_read_options options = {.selected_leaves = count_only ? none : NULL,
                                   .batch_rows_max = 1000};
  FRZ_TRY(open_table(bytes->data, bytes->size, &table, err));
  frz_status st = read_all(table, &options, NULL, &n_rows, err);
  frz_avro_table_free(table);
  return st;
}

static void test_damaged_blocks(void **state)
{
  (void)state;
  for (int count_only = 0; count_only < 2; count_only++) {
    file f;
    frz_error err = {0};
    begin(&f, COLUMN("\"long\""), FRZ_CODEC_NONE);
    size_t block = f.bytes.size;
    put_long(&f, 1);
    end_record(&f);
    end_file(&f);
    assert_int_equal(read_bytes(&f.bytes, count_only != 0, &err), FRZ_OK);
    f.bytes.data[f.bytes.size - 1] ^= 1;
    assert_int_equal(read_bytes(&f.bytes, count_only != 0, &err), FRZ_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "no sync marker behind it"));
    f.bytes.data[f.bytes.size - 1] ^= 1;
    f.bytes.data[block] = 0x04; /* two records in one byte */
    assert_int_equal(read_bytes(&f.bytes, count_only != 0, &err), FRZ_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "2 records in 1 bytes"));
    f.bytes.data[block] = 0x01;
    assert_int_equal(read_bytes(&f.bytes, count_only != 0, &err), FRZ_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "-1 records"));
    f.bytes.data[block] = 0x02;
    f.bytes.data[block + 1] = 0x7e;
    assert_int_equal(read_bytes(&f.bytes, count_only != 0, &err), FRZ_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "63 bytes where 17 are left"));
    drop(&f);
  }
}

static void test_files_that_are_refused(void **state)
{
  (void)state;
  static const struct {
    const char *from;
    const char *to;
    frz_status status;
    const char *message;
  } cases[] = {
      {"deflate", "bzip2\0\0", FRZ_ERR_UNSUPPORTED, "avro.codec 'bzip2"},
      {"deflate", "xz\0\0\0\0\0", FRZ_ERR_UNSUPPORTED, "avro.codec 'xz"},
      {"Obj\1", "Obj\2", FRZ_ERR_CORRUPT, "not an Avro file"},
      {"\"record\"", "\"recard\"", FRZ_ERR_CORRUPT, "unknown type 'recard'"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    file f;
    frz_error err = {0};
    size_t n = strlen(cases[i].from);
    begin(&f, COLUMN("\"long\""), FRZ_CODEC_DEFLATE);
    put_long(&f, 1);
    end_record(&f);
    end_file(&f);
    size_t at = 0;
    while (memcmp(f.bytes.data + at, cases[i].from, n) != 0) at++;
    memcpy(f.bytes.data + at, cases[i].to, n);
    assert_int_equal(read_bytes(&f.bytes, false, &err), cases[i].status);
    if (strstr(err.message, cases[i].message) == NULL) fail_msg("%s", err.message);
    drop(&f);
  }
  file f;
  frz_error err = {0};
  begin(&f, "\"long\"", FRZ_CODEC_NONE);
  end_file(&f);
  assert_int_equal(read_bytes(&f.bytes, false, &err), FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "values that are no records"));
  drop(&f);
}

/* Few bytes must not become many: nulls of wide types, symbols, and lists of nothing. */
static void test_padding_is_bounded(void **state)
{
  (void)state;
  static const char *const types[] = {
      "{\"type\":\"array\",\"items\":[\"null\",{\"type\":\"fixed\",\"name\":\"f\",\"size\":1000000}"
      "]}",
      "{\"type\":\"array\",\"items\":[\"null\"," RECORD(
          "{\"name\":\"a\",\"type\":{\"type\":\"fixed\",\"name\":\"f\",\"size\":1000000}}") "]}",
  };
  for (size_t i = 0; i < LENGTH(types); i++) {
    char schema[1000];
    file f;
    frz_error err = {0};
    static const uint8_t nulls[1000];
    snprintf(schema, sizeof schema,
             "{\"type\":\"record\",\"name\":\"top\",\"fields\":[{\"name\":"
             "\"c\",\"type\":%s}]}",
             types[i]);
    begin(&f, schema, FRZ_CODEC_NONE);
    put_long(&f, sizeof nulls);
    put(&f, nulls, sizeof nulls);
    put_long(&f, 0);
    end_record(&f);
    end_file(&f);
    assert_int_equal(read_bytes(&f.bytes, false, &err), FRZ_ERR_LIMIT);
    assert_non_null(strstr(err.message, "nulls and symbols that stand for more than"));
    drop(&f);
  }
  file f; /* at the top the batch ends instead */
  begin(&f, COLUMN("[\"null\",{\"type\":\"fixed\",\"name\":\"f\",\"size\":1000000}]"),
        FRZ_CODEC_NONE);
  for (int i = 0; i < 200; i++) {
    put_long(&f, 0);
    end_record(&f);
  }
  end_file(&f);
  assert_int_equal(read_bytes(&f.bytes, false, NULL), FRZ_OK);
  drop(&f);
}

/* Definitions used again and again: 2^40 columns in a kilobyte. */
static void test_schemas_that_swell_are_refused(void **state)
{
  (void)state;
  char schema[8000];
  size_t n =
      (size_t)snprintf(schema, sizeof schema, "{\"type\":\"record\",\"name\":\"t\",\"fields\":[");
  for (int i = 0; i < 40; i++) {
    char below[20];
    snprintf(below, sizeof below, "\"r%d\"", i - 1);
    n += (size_t)snprintf(
        schema + n, sizeof schema - n,
        "{\"name\":\"f%d\",\"type\":{\"type\":\"record\",\"name\":\"r%d\","
        "\"fields\":[{\"name\":\"a\",\"type\":%s},{\"name\":\"b\",\"type\":%s}]}},",
        i, i, i == 0 ? "\"int\"" : below, i == 0 ? "\"int\"" : below);
  }
  snprintf(schema + n - 1, sizeof schema - n, "]}");
  file f;
  frz_error err = {0};
  begin(&f, schema, FRZ_CODEC_NONE);
  end_file(&f);
  assert_int_equal(read_bytes(&f.bytes, false, &err), FRZ_ERR_LIMIT);
  assert_non_null(strstr(err.message, "columns, nested ones counted"));
  drop(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_types),
      cmocka_unit_test(test_bad_values),
      cmocka_unit_test(test_unknown_types),
      cmocka_unit_test(test_files_of_fastavro),
      cmocka_unit_test(test_selected_leaves),
      cmocka_unit_test(test_ranges),
      cmocka_unit_test(test_files_are_read_in_windows),
      cmocka_unit_test(test_long_headers),
      cmocka_unit_test(test_every_truncation),
      cmocka_unit_test(test_damaged_blocks),
      cmocka_unit_test(test_files_that_are_refused),
      cmocka_unit_test(test_padding_is_bounded),
      cmocka_unit_test(test_schemas_that_swell_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
