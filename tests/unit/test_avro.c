/*
 * test_avro.c - Avro values, schemas and container files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "avro/avro_file.h"
#include "avro/avro_value.h"
#include "base/limits.h"
#include "test_files.h"

enum { GOLDEN_ROWS = 20 };

static const char *const codecs[] = {"null", "deflate", "snappy", "zstandard"};

/* ---- values ---- */

static void test_longs_are_zigzag_and_bounded(void **state)
{
  (void)state;
  static const struct {
    int64_t value;
    const char *bytes;
    size_t n;
  } cases[] = {{0, "\x00", 1},
               {-1, "\x01", 1},
               {1, "\x02", 1},
               {63, "\x7e", 1},
               {-64, "\x7f", 1},
               {64, "\x80\x01", 2},
               {-65, "\x81\x01", 2},
               {INT32_MAX, "\xfe\xff\xff\xff\x0f", 5},
               {INT32_MIN, "\xff\xff\xff\xff\x0f", 5},
               {INT64_MAX, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10},
               {INT64_MIN, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_buf out;
    frz_buf_init(&out, frz_alloc_default(), 64);
    assert_int_equal(frz_avro_write_long(&out, cases[i].value, NULL), FRZ_OK);
    assert_int_equal(out.size, cases[i].n);
    assert_memory_equal(out.data, cases[i].bytes, cases[i].n);
    for (size_t n = 0; n <= cases[i].n; n++) {
      frz_reader in = frz_reader_of(out.data, n);
      int64_t value = 77;
      bool whole = n == cases[i].n;
      assert_int_equal(frz_avro_read_long(&in, &value, NULL), whole ? FRZ_OK : FRZ_ERR_CORRUPT);
      assert_int_equal(value, whole ? cases[i].value : 77);
      assert_int_equal(in.pos, whole ? n : 0);
    }
    frz_buf_dispose(&out);
  }
  frz_reader in = frz_reader_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
  int64_t value;
  assert_int_equal(frz_avro_read_long(&in, &value, NULL), FRZ_ERR_CORRUPT);
}

static void test_ints_booleans_and_bytes_are_checked(void **state)
{
  (void)state;
  int32_t number = 5;
  bool flag = true;
  frz_str text;
  frz_reader in = frz_reader_of("\x80\x80\x80\x80\x10", 5); /* 2^31 */
  assert_int_equal(frz_avro_read_int(&in, &number, NULL), FRZ_ERR_CORRUPT);
  assert_int_equal(in.pos, 0);
  assert_int_equal(number, 5);
  in = frz_reader_of("\x02", 1);
  assert_int_equal(frz_avro_read_boolean(&in, &flag, NULL), FRZ_ERR_CORRUPT);
  in = frz_reader_of("\x00", 1);
  assert_int_equal(frz_avro_read_boolean(&in, &flag, NULL), FRZ_OK);
  assert_false(flag);
  in = frz_reader_of("\x06"
                     "ab",
                     3);
  assert_int_equal(frz_avro_read_bytes(&in, &text, NULL), FRZ_ERR_CORRUPT);
  in = frz_reader_of("\x01", 1); /* length -1 */
  assert_int_equal(frz_avro_read_bytes(&in, &text, NULL), FRZ_ERR_CORRUPT);
  in = frz_reader_of("\x04"
                     "abc",
                     4);
  assert_int_equal(frz_avro_read_bytes(&in, &text, NULL), FRZ_OK);
  assert_true(frz_str_is(text, "ab"));
  assert_int_equal(in.pos, 3);
}

static void test_block_counts_need_bytes_behind_them(void **state)
{
  (void)state;
  static const struct {
    const char *bytes;
    size_t size;
    frz_status st;
    int64_t n;
    size_t pos;
  } cases[] = {{"\x00", 1, FRZ_OK, 0, 1},
               {"\x04zz", 3, FRZ_OK, 2, 1},
               {"\x06zz", 3, FRZ_ERR_CORRUPT, 0, 0},
               {"\x03\x04zz", 4, FRZ_OK, 2, 2},
               {"\x03\x02zz", 4, FRZ_ERR_CORRUPT, 0, 0},
               {"\x03\x06zz", 4, FRZ_ERR_CORRUPT, 0, 0},
               {"\x03\x01zz", 4, FRZ_ERR_CORRUPT, 0, 0},
               {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 11, FRZ_ERR_CORRUPT, 0, 0},
               {"\x03", 1, FRZ_ERR_CORRUPT, 0, 0},
               {"", 0, FRZ_ERR_CORRUPT, 0, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_reader in = frz_reader_of(cases[i].bytes, cases[i].size);
    int64_t n = 0;
    assert_int_equal(frz_avro_read_block(&in, &n, NULL), cases[i].st);
    assert_int_equal(n, cases[i].n);
    assert_int_equal(in.pos, cases[i].pos);
  }
}

/* ---- schemas ---- */

static frz_status parse(frz_arena *arena, const char *json, const frz_avro_type **type_out,
                        frz_error *err)
{
  frz_arena_init(arena, frz_alloc_default(), (size_t)64 << 20);
  return frz_avro_schema_parse(frz_str_from(json), arena, type_out, err);
}

static void test_schema_keeps_what_iceberg_adds(void **state)
{
  (void)state;
  frz_arena arena;
  const frz_avro_type *type;
  frz_error err;
  frz_status st = parse(
      &arena,
      "{\"fields\":["
      "{\"name\":\"a\",\"type\":[\"null\",{\"type\":\"long\",\"logicalType\":\"timestamp-micros\","
      "\"adjust-to-utc\":true}],\"default\":null,\"field-id\":7},"
      "{\"name\":\"b\",\"type\":{\"type\":\"array\",\"items\":\"int\",\"element-id\":9}},"
      "{\"name\":\"c\",\"type\":{\"type\":\"map\",\"values\":\"bytes\",\"key-id\":1,\"value-id\":2}"
      "},"
      "{\"name\":\"d\",\"type\":{\"type\":\"fixed\",\"name\":\"f\",\"size\":5,\"logicalType\":"
      "\"decimal\",\"precision\":11,\"scale\":3}},"
      "{\"name\":\"e\",\"type\":\"f\"},{\"name\":\"g\",\"type\":[\"null\",\"r\"]}],"
      "\"name\":\"r\",\"type\":\"record\",\"namespace\":\"x.y\"}",
      &type, &err);
  if (st != FRZ_OK) fail_msg("%s", err.message);
  assert_int_equal(type->kind, FRZ_AVRO_RECORD);
  assert_true(frz_str_is(type->name, "x.y.r"));
  assert_int_equal(type->n_fields, 6);
  assert_int_equal(type->fields[0].field_id, 7);
  assert_int_equal(type->fields[0].type->n_branches, 2);
  const frz_avro_type *stamp = type->fields[0].type->branches[1];
  assert_int_equal(stamp->kind, FRZ_AVRO_LONG);
  assert_true(stamp->adjust_to_utc && frz_str_is(stamp->logical_type, "timestamp-micros"));
  assert_int_equal(type->fields[1].field_id, -1);
  assert_int_equal(type->fields[1].type->element_id, 9);
  assert_int_equal(type->fields[2].type->key_id, 1);
  assert_int_equal(type->fields[2].type->value_id, 2);
  assert_int_equal(type->fields[3].type->fixed_bytes, 5);
  assert_int_equal(type->fields[3].type->precision, 11);
  assert_int_equal(type->fields[3].type->scale, 3);
  assert_ptr_equal(type->fields[4].type, type->fields[3].type);
  assert_ptr_equal(type->fields[5].type->branches[1], type);
  frz_arena_free(&arena);
}

static void test_schemas_are_accepted_or_refused(void **state)
{
  (void)state;
  static const struct {
    const char *json;
    frz_status st;
  } cases[] = {
      {"\"int\"", FRZ_OK},
      {"{\"type\":\"string\"}", FRZ_OK},
      {"{\"type\":{\"type\":\"string\"}}", FRZ_OK},
      {"[\"null\",\"int\"]", FRZ_OK},
      {"[]", FRZ_OK},
      {"{\"type\":\"record\",\"name\":\"r\",\"fields\":[]}", FRZ_OK},
      {"{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[\"a\"]}", FRZ_OK},
      {"{\"type\":\"int\",\"logicalType\":5,\"field-id\":\"x\"}", FRZ_OK},
      {"", FRZ_ERR_CORRUPT},
      {"\"unknown\"", FRZ_ERR_CORRUPT},
      {"\"record\"", FRZ_ERR_CORRUPT},
      {"5", FRZ_ERR_CORRUPT},
      {"null", FRZ_ERR_CORRUPT},
      {"{}", FRZ_ERR_CORRUPT},
      {"\"int\" \"int\"", FRZ_ERR_CORRUPT},
      {"{\"type\":\"record\",\"name\":\"r\"}", FRZ_ERR_CORRUPT},
      {"{\"type\":\"record\",\"fields\":[]}", FRZ_ERR_CORRUPT},
      {"{\"type\":\"record\",\"name\":\"r\",\"fields\":{}}", FRZ_ERR_CORRUPT},
      {"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"a\"}]}", FRZ_ERR_CORRUPT},
      {"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"type\":\"int\"}]}", FRZ_ERR_CORRUPT},
      {"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"a\",\"type\":\"r\"}]}",
       FRZ_ERR_CORRUPT},
      {"{\"type\":\"array\"}", FRZ_ERR_CORRUPT},
      {"{\"type\":\"map\"}", FRZ_ERR_CORRUPT},
      {"{\"type\":\"union\"}", FRZ_ERR_CORRUPT},
      {"{\"type\":\"fixed\",\"name\":\"f\"}", FRZ_ERR_CORRUPT},
      {"{\"type\":\"fixed\",\"name\":\"f\",\"size\":-1}", FRZ_ERR_CORRUPT},
      {"{\"type\":\"fixed\",\"name\":\"f\",\"size\":16777217}", FRZ_ERR_LIMIT},
      {"{\"type\":\"fixed\",\"name\":\"f\",\"size\":99999999999}", FRZ_ERR_CORRUPT},
      {"{\"type\":\"enum\",\"name\":\"e\"}", FRZ_ERR_CORRUPT},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_arena arena;
    frz_error err = {0};
    const frz_avro_type *type;
    frz_status st = parse(&arena, cases[i].json, &type, &err);
    if (st != cases[i].st) fail_msg("%s: %d %s", cases[i].json, st, err.message);
    frz_arena_free(&arena);
  }
}

/* Records of records that hold nothing: a small schema, a value of no bytes, endless work. */
static void test_work_without_bytes_is_bounded(void **state)
{
  (void)state;
  char text[4096];
  int n = snprintf(text, sizeof text, "[{\"type\":\"record\",\"name\":\"r0\",\"fields\":[]}");
  for (int i = 1; i < 20; i++)
    n += snprintf(
        text + n, sizeof text - (size_t)n,
        ",{\"type\":\"record\",\"name\":\"r%d\",\"fields\":[{\"name\":\"a\",\"type\":\"r%d\"},"
        "{\"name\":\"b\",\"type\":\"r%d\"}]}",
        i, i - 1, i - 1);
  snprintf(text + n, sizeof text - (size_t)n, "]");
  frz_arena arena;
  const frz_avro_type *type;
  assert_int_equal(parse(&arena, text, &type, NULL), FRZ_ERR_LIMIT);
  frz_arena_free(&arena);
  /* Many blocks of many items without bytes. */
  assert_int_equal(parse(&arena, "{\"type\":\"array\",\"items\":\"null\"}", &type, NULL), FRZ_OK);
  size_t size = 100000;
  uint8_t *bytes = malloc(size);
  memset(bytes, 0x7e, size); /* 63 items, again and again */
  bytes[size - 1] = 0;
  for (size_t i = size - 64; i < size - 1; i++) bytes[i] = 0x02;
  frz_reader in = frz_reader_of(bytes, size);
  assert_int_equal(frz_avro_skip(&in, type, NULL), FRZ_OK);
  assert_int_equal(in.pos, size);
  free(bytes);
  frz_arena_free(&arena);
}

/* Maps of counts are skipped by counting the bytes that end a number. */
static void test_skipping_numbers_ends_where_reading_does(void **state)
{
  (void)state;
  static const char schema[] =
      "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"r\",\"fields\":["
      "{\"name\":\"k\",\"type\":\"int\"},{\"name\":\"v\",\"type\":\"long\"}]}}";
  frz_arena arena;
  const frz_avro_type *type;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 16);
  assert_int_equal(frz_avro_schema_parse(frz_str_from(schema), &arena, &type, NULL), FRZ_OK);
  assert_int_equal(type->branches[0]->n_numbers, 2);
  for (unsigned n = 1; n < 40; n++) {
    frz_buf out;
    frz_buf_init(&out, frz_alloc_default(), 1 << 16);
    assert_int_equal(frz_avro_write_long(&out, n, NULL), FRZ_OK);
    for (unsigned i = 0; i < n; i++) {
      assert_int_equal(frz_avro_write_long(&out, (int)i * 70, NULL), FRZ_OK);
      assert_int_equal(frz_avro_write_long(&out, INT64_MAX >> ((i * n) % 63), NULL), FRZ_OK);
    }
    assert_int_equal(frz_avro_write_long(&out, 0, NULL), FRZ_OK);
    size_t end = out.size;
    assert_int_equal(frz_buf_append(&out, "behind", 6, NULL), FRZ_OK);
    frz_reader in = frz_reader_of(out.data, out.size);
    assert_int_equal(frz_avro_skip(&in, type, NULL), FRZ_OK);
    assert_int_equal(in.pos, end);
    for (size_t cut = 0; cut < end; cut++) {
      in = frz_reader_of(out.data, cut);
      assert_int_equal(frz_avro_skip(&in, type, NULL), FRZ_ERR_CORRUPT);
    }
    frz_buf_dispose(&out);
  }
  frz_arena_free(&arena);
}

static void test_recursive_values_stop_at_the_limit(void **state)
{
  (void)state;
  frz_arena arena;
  const frz_avro_type *type;
  assert_int_equal(parse(&arena,
                         "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"n\",\"type\":"
                         "[\"null\",\"r\"]}]}",
                         &type, NULL),
                   FRZ_OK);
  uint8_t bytes[200];
  memset(bytes, 2, sizeof bytes);
  bytes[10] = 0;
  frz_reader in = frz_reader_of(bytes, sizeof bytes);
  assert_int_equal(frz_avro_skip(&in, type, NULL), FRZ_OK);
  assert_int_equal(in.pos, 11);
  bytes[10] = 2;
  in = frz_reader_of(bytes, sizeof bytes);
  assert_int_equal(frz_avro_skip(&in, type, NULL), FRZ_ERR_LIMIT);
  frz_arena_free(&arena);
}

/* ---- files ---- */

static uint8_t *read_golden(const char *name, size_t *size_out)
{
  char path[4096];
  frz_test_golden(name, path);
  uint8_t *data = frz_test_read(path, size_out);
  if (data == NULL) fail_msg("%s is missing", path);
  return data;
}

static uint8_t *read_types(const char *codec, size_t *size_out)
{
  char name[64];
  snprintf(name, sizeof name, "avro/types_%s.avro", codec);
  return read_golden(name, size_out);
}

/* Skip through all records; how many there were. */
static frz_status count_records(const void *data, size_t size, int64_t *n_out, frz_error *err)
{
  frz_avro_reader *avro;
  int64_t n = 0;
  FRZ_TRY(frz_avro_reader_open(frz_alloc_default(), FRZ_STR("f"), data, size, &avro, err));
  frz_status st;
  for (;;) {
    frz_reader *in;
    bool more;
    st = frz_avro_reader_next(avro, &in, &more, err);
    if (st != FRZ_OK || !more) break;
    st = frz_avro_skip(in, frz_avro_reader_schema(avro), err);
    if (st != FRZ_OK) break;
    n++;
  }
  frz_avro_reader_free(avro);
  *n_out = n;
  return st;
}

static void check_array_and_map(frz_reader *in, const frz_avro_type *row, int i)
{
  int64_t n;
  int64_t value;
  const frz_avro_type *branch;
  assert_int_equal(frz_avro_read_block(in, &n, NULL), FRZ_OK);
  assert_int_equal(n, i % 4);
  for (int j = 0; j < i % 4; j++) {
    assert_int_equal(frz_avro_read_branch(in, row->fields[11].type->branches[0], &branch, NULL),
                     FRZ_OK);
    assert_int_equal(branch->kind, j % 2 ? FRZ_AVRO_NULL : FRZ_AVRO_LONG);
    if (j % 2) continue;
    assert_int_equal(frz_avro_read_long(in, &value, NULL), FRZ_OK);
    assert_int_equal(value, j * i);
  }
  if (n != 0) assert_int_equal(frz_avro_read_block(in, &n, NULL), FRZ_OK);
  assert_int_equal(n, 0);
  assert_int_equal(frz_avro_skip(in, row->fields[12].type, NULL), FRZ_OK);
}

static void check_scalars(frz_reader *in, int i)
{
  bool flag;
  int32_t date;
  int64_t stamp;
  float single;
  double number;
  frz_str text;
  assert_int_equal(frz_avro_read_boolean(in, &flag, NULL), FRZ_OK);
  assert_int_equal(flag, i % 2 == 0);
  assert_int_equal(frz_avro_read_int(in, &date, NULL), FRZ_OK);
  assert_int_equal(date, i * 1000 - 7000);
  assert_int_equal(frz_avro_read_long(in, &stamp, NULL), FRZ_OK);
  assert_int_equal(stamp, (i - 10) * INT64_C(100000000000000));
  assert_int_equal(frz_avro_read_float(in, &single, NULL), FRZ_OK);
  assert_true(single == (float)i / 4);
  assert_int_equal(frz_avro_read_double(in, &number, NULL), FRZ_OK);
  assert_true(number == -i / 8.0);
  assert_int_equal(frz_avro_read_bytes(in, &text, NULL), FRZ_OK);
  assert_int_equal(text.size, i % 7);
  for (int j = 0; j < i % 7; j++) assert_int_equal(text.data[j], j);
  char wanted[32];
  snprintf(wanted, sizeof wanted, "%s%d",
           i % 3 == 0   ? ""
           : i % 3 == 1 ? "\xc3\xa9"
                        : "\xc3\xa9\xc3\xa9",
           i);
  assert_int_equal(frz_avro_read_bytes(in, &text, NULL), FRZ_OK);
  assert_true(frz_str_is(text, wanted));
}

static void check_types(const void *data, size_t size)
{
  frz_avro_reader *avro;
  frz_error err;
  frz_str note;
  frz_status st = frz_avro_reader_open(frz_alloc_default(), FRZ_STR("f"), data, size, &avro, &err);
  if (st != FRZ_OK) fail_msg("%s", err.message);
  assert_true(frz_avro_reader_meta(avro, "note", &note) && frz_str_is(note, "golden"));
  assert_false(frz_avro_reader_meta(avro, "absent", &note));
  const frz_avro_type *row = frz_avro_reader_schema(avro);
  assert_int_equal(row->n_fields, 15);
  for (int i = 0; i < GOLDEN_ROWS; i++) {
    frz_reader *in;
    bool more;
    st = frz_avro_reader_next(avro, &in, &more, &err);
    if (st != FRZ_OK) fail_msg("%s", err.message);
    assert_true(more);
    check_scalars(in, i);
    for (int f = 8; f <= 10; f++)
      assert_int_equal(frz_avro_skip(in, row->fields[f].type, NULL), FRZ_OK);
    check_array_and_map(in, row, i);
    for (int f = 13; f <= 14; f++)
      assert_int_equal(frz_avro_skip(in, row->fields[f].type, NULL), FRZ_OK);
  }
  frz_reader *in;
  bool more;
  assert_int_equal(frz_avro_reader_next(avro, &in, &more, NULL), FRZ_OK);
  assert_false(more);
  frz_avro_reader_free(avro);
}

static void test_files_of_fastavro_are_read_in_every_codec(void **state)
{
  (void)state;
  for (size_t c = 0; c < sizeof codecs / sizeof codecs[0]; c++) {
    size_t size;
    uint8_t *data = read_types(codecs[c], &size);
    check_types(data, size);
    free(data);
  }
}

static void test_a_flattened_file_holds_the_same(void **state)
{
  (void)state;
  for (size_t c = 0; c < sizeof codecs / sizeof codecs[0]; c++) {
    size_t size;
    frz_buf flat;
    uint8_t *data = read_types(codecs[c], &size);
    frz_buf_init(&flat, frz_alloc_default(), 1 << 20);
    assert_int_equal(frz_avro_flatten(frz_alloc_default(), FRZ_STR("f"), data, size, &flat, NULL),
                     FRZ_OK);
    check_types(flat.data, flat.size);
    size_t flat_size = flat.size;
    assert_int_equal(
        frz_avro_flatten(frz_alloc_default(), FRZ_STR("f"), data, size - 1, &flat, NULL),
        FRZ_ERR_CORRUPT);
    assert_int_equal(flat.size, flat_size);
    frz_buf_dispose(&flat);
    free(data);
  }
}

static void test_every_truncation_is_noticed(void **state)
{
  (void)state;
  for (size_t c = 0; c < sizeof codecs / sizeof codecs[0]; c++) {
    size_t size;
    uint8_t *data = read_types(codecs[c], &size);
    int n_clean = 0;
    for (size_t n = 0; n < size; n++) {
      uint8_t *part = malloc(n != 0 ? n : 1);
      memcpy(part, data, n);
      int64_t records = 0;
      if (count_records(part, n, &records, NULL) == FRZ_OK) {
        /* Only where a block ends: the sync marker stands before the cut. */
        assert_true(n >= 16 && memcmp(part + n - 16, "0123456789abcdef", 16) == 0);
        assert_true(records < GOLDEN_ROWS);
        n_clean++;
      }
      free(part);
    }
    assert_true(n_clean > 1 && n_clean < 20);
    free(data);
  }
}

static void test_changed_bytes_never_crash(void **state)
{
  (void)state;
  for (size_t c = 0; c < sizeof codecs / sizeof codecs[0]; c++) {
    size_t size;
    uint8_t *data = read_types(codecs[c], &size);
    for (size_t at = 0; at < size; at++) {
      static const uint8_t changes[] = {0x00, 0xff, 0x7f, 0x80, 0x01};
      uint8_t kept = data[at];
      for (size_t k = 0; k < sizeof changes; k++) {
        int64_t records;
        data[at] = changes[k];
        (void)count_records(data, size, &records, NULL);
      }
      data[at] = kept;
    }
    free(data);
  }
}

static void test_a_changed_block_fails_its_crc_or_marker(void **state)
{
  (void)state;
  size_t size;
  uint8_t *data = read_types("snappy", &size);
  int64_t records;
  frz_error err;
  data[size - 17] ^= 1; /* the last byte of the last CRC */
  assert_int_equal(count_records(data, size, &records, &err), FRZ_ERR_CORRUPT);
  assert_non_null(strstr(err.message, "CRC-32"));
  assert_non_null(strstr(err.message, "avro file 'f' block "));
  data[size - 17] ^= 1;
  data[size - 1] ^= 1;
  assert_int_equal(count_records(data, size, &records, &err), FRZ_ERR_CORRUPT);
  assert_non_null(strstr(err.message, "sync marker"));
  free(data);
}

#define ROW_SCHEMA                                                                      \
  "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"n\",\"type\":\"long\"}," \
  "{\"name\":\"t\",\"type\":\"string\"}]}"

static frz_status write_rows(frz_codec codec, int64_t n, frz_buf *out)
{
  frz_status st = FRZ_OK;
  frz_sink *sink = NULL;
  frz_avro_writer *writer = NULL;
  const frz_avro_meta meta[] = {{FRZ_STR("a"), FRZ_STR("1")}, {FRZ_STR("empty"), {"", 0}}};
  FRZ_TRY_OUT(frz_sink_to_buf(frz_alloc_default(), out, &sink, NULL));
  FRZ_TRY_OUT(frz_avro_writer_create(frz_alloc_default(), sink, FRZ_STR(ROW_SCHEMA), meta, 2, codec,
                                     &writer, NULL));
  for (int64_t i = 0; i < n; i++) {
    char text[24];
    int size = snprintf(text, sizeof text, "row %lld", (long long)i);
    FRZ_TRY_OUT(frz_avro_write_long(frz_avro_writer_record(writer), i * i, NULL));
    FRZ_TRY_OUT(
        frz_avro_write_bytes(frz_avro_writer_record(writer), (frz_str){text, (size_t)size}, NULL));
    FRZ_TRY_OUT(frz_avro_writer_end_record(writer, NULL));
  }
  FRZ_TRY_OUT(frz_avro_writer_finish(writer, NULL));
out:
  frz_avro_writer_free(writer);
  frz_sink_free(sink);
  return st;
}

static void check_rows(const frz_buf *file, int64_t n)
{
  frz_avro_reader *avro;
  frz_str value;
  assert_int_equal(
      frz_avro_reader_open(frz_alloc_default(), FRZ_STR("f"), file->data, file->size, &avro, NULL),
      FRZ_OK);
  assert_true(frz_avro_reader_meta(avro, "a", &value) && frz_str_is(value, "1"));
  assert_true(frz_avro_reader_meta(avro, "empty", &value) && value.size == 0);
  assert_true(frz_avro_reader_meta(avro, "avro.schema", &value) && frz_str_is(value, ROW_SCHEMA));
  for (int64_t i = 0; i <= n; i++) {
    frz_reader *in;
    bool more;
    int64_t number;
    frz_str text;
    assert_int_equal(frz_avro_reader_next(avro, &in, &more, NULL), FRZ_OK);
    assert_int_equal(more, i < n);
    if (!more) break;
    assert_int_equal(frz_avro_read_long(in, &number, NULL), FRZ_OK);
    assert_int_equal(number, i * i);
    assert_int_equal(frz_avro_read_bytes(in, &text, NULL), FRZ_OK);
  }
  frz_avro_reader_free(avro);
}

static void test_what_is_written_is_read(void **state)
{
  (void)state;
  static const frz_codec kinds[] = {FRZ_CODEC_NONE, FRZ_CODEC_DEFLATE, FRZ_CODEC_SNAPPY,
                                    FRZ_CODEC_ZSTD};
  static const int64_t counts[] = {0, 1, 100, 20000};
  for (size_t c = 0; c < 4; c++) {
    for (size_t k = 0; k < 4; k++) {
      frz_buf file;
      frz_buf_init(&file, frz_alloc_default(), (size_t)64 << 20);
      assert_int_equal(write_rows(kinds[c], counts[k], &file), FRZ_OK);
      check_rows(&file, counts[k]);
      frz_buf_dispose(&file);
    }
  }
  frz_buf file;
  frz_buf_init(&file, frz_alloc_default(), 1 << 20);
  assert_int_equal(write_rows(FRZ_CODEC_BROTLI, 1, &file), FRZ_ERR_INVALID);
  frz_buf_dispose(&file);
}

static void test_errors_name_file_block_and_offset(void **state)
{
  (void)state;
  frz_buf file;
  frz_error err;
  frz_avro_reader *avro;
  frz_reader *in;
  bool more;
  int64_t number;
  frz_buf_init(&file, frz_alloc_default(), 1 << 20);
  assert_int_equal(write_rows(FRZ_CODEC_NONE, 3, &file), FRZ_OK);
  assert_int_equal(frz_avro_reader_open(frz_alloc_default(), FRZ_STR("s3://b/m.avro"), file.data,
                                        file.size, &avro, NULL),
                   FRZ_OK);
  assert_int_equal(frz_avro_reader_next(avro, &in, &more, NULL), FRZ_OK);
  assert_int_equal(frz_avro_read_long(in, &number, NULL), FRZ_OK);
  (void)frz_fail(&err, FRZ_ERR_CORRUPT, "cause");
  frz_avro_reader_where(avro, &err);
  assert_string_equal(err.message, "avro file 's3://b/m.avro' block 1, offset 1: cause");
  in->pos = 3; /* not where the third record ends */
  assert_int_equal(frz_avro_reader_next(avro, &in, &more, NULL), FRZ_OK);
  assert_int_equal(frz_avro_reader_next(avro, &in, &more, NULL), FRZ_OK);
  assert_int_equal(frz_avro_reader_next(avro, &in, &more, &err), FRZ_ERR_CORRUPT);
  assert_non_null(strstr(err.message, "behind the last record"));
  frz_avro_reader_free(avro);
  assert_int_equal(frz_avro_reader_open(frz_alloc_default(), FRZ_STR("x"), "PAR1", 4, &avro, &err),
                   FRZ_ERR_CORRUPT);
  assert_non_null(strstr(err.message, "avro file 'x' header"));
  frz_buf_dispose(&file);
}

static void test_a_codec_that_is_not_known_is_named(void **state)
{
  (void)state;
  size_t size;
  uint8_t *data = read_types("snappy", &size);
  int64_t records;
  frz_error err;
  uint8_t *name = data;
  while (memcmp(name, "snappy", 6) != 0) name++;
  memcpy(name, "sloppy", 6);
  assert_int_equal(count_records(data, size, &records, &err), FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "sloppy"));
  free(data);
}

static void test_manifests_of_pyiceberg_are_avro(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    int64_t n;
  } files[] = {{"avro/v1/list.avro", 1},
               {"avro/v1/data.avro", 3},
               {"avro/v2/list.avro", 2},
               {"avro/v2/data.avro", 3},
               {"avro/v2/deletes.avro", 2}};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    size_t size;
    int64_t n;
    uint8_t *data = read_golden(files[i].name, &size);
    assert_int_equal(count_records(data, size, &n, NULL), FRZ_OK);
    assert_int_equal(n, files[i].n);
    free(data);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_longs_are_zigzag_and_bounded),
      cmocka_unit_test(test_ints_booleans_and_bytes_are_checked),
      cmocka_unit_test(test_block_counts_need_bytes_behind_them),
      cmocka_unit_test(test_schema_keeps_what_iceberg_adds),
      cmocka_unit_test(test_schemas_are_accepted_or_refused),
      cmocka_unit_test(test_work_without_bytes_is_bounded),
      cmocka_unit_test(test_skipping_numbers_ends_where_reading_does),
      cmocka_unit_test(test_recursive_values_stop_at_the_limit),
      cmocka_unit_test(test_files_of_fastavro_are_read_in_every_codec),
      cmocka_unit_test(test_a_flattened_file_holds_the_same),
      cmocka_unit_test(test_every_truncation_is_noticed),
      cmocka_unit_test(test_changed_bytes_never_crash),
      cmocka_unit_test(test_a_changed_block_fails_its_crc_or_marker),
      cmocka_unit_test(test_what_is_written_is_read),
      cmocka_unit_test(test_errors_name_file_block_and_offset),
      cmocka_unit_test(test_a_codec_that_is_not_known_is_named),
      cmocka_unit_test(test_manifests_of_pyiceberg_are_avro),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
