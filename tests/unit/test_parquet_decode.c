/*
 * test_parquet_decode.c - decoders, schema shapes and statistics of Parquet, piece by piece.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/endian.h"
#include "parquet/format/metadata_parts.h"
#include "parquet/read/decoder.h"
#include "parquet/read/leaf_convert.h"
#include "parquet/read/offset_index.h"
#include "parquet/read/page_header.h"

enum { ARENA_MAX = 1 << 22 };

#define ASSERT_OK(call)                                             \
  do {                                                              \
    if ((call) != FRZ_OK) fail_msg("%s: %s", #call, error.message); \
  } while (0)

/* ---- encodings ---- */

typedef struct page {
  frz_parquet_physical physical;
  int32_t type_length;
  int32_t encoding;
  const uint8_t *data;
  size_t size;
} page;

/* All values at once, then by pieces with skips in between: the same values. */
static frz_status decode_fixed(const page *self, uint8_t *dest, size_t n, size_t n_skipped,
                               frz_error *err)
{
  frz_decoder decoder;
  frz_decoder_init(&decoder, self->physical, self->type_length, frz_alloc_default());
  frz_status st = frz_decoder_open(&decoder, self->encoding, self->data, self->size, err);
  if (st == FRZ_OK) st = frz_decoder_skip(&decoder, n_skipped, err);
  for (size_t i = 0; i < n && st == FRZ_OK; i++)
    st = frz_decoder_fixed(&decoder, dest + i * decoder.width, 1, err);
  frz_decoder_dispose(&decoder);
  return st;
}

static void check_fixed(const page *self, const void *wanted, size_t width, size_t n)
{
  uint8_t got[4096];
  frz_error error = {0};
  assert_true(n * width <= sizeof got);
  for (size_t skipped = 0; skipped <= n; skipped++) {
    memset(got, 0xee, sizeof got);
    ASSERT_OK(decode_fixed(self, got, n - skipped, skipped, &error));
    assert_memory_equal(got, (const uint8_t *)wanted + skipped * width, (n - skipped) * width);
  }
  assert_int_equal(decode_fixed(self, got, n + 1, 0, &error), FRZ_ERR_CORRUPT);
  for (size_t size = 1; size < self->size; size++) {
    page cut = *self;
    uint8_t *copy = malloc(size); /* so that a read past the end is seen */
    memcpy(copy, self->data, size);
    cut.data = copy;
    cut.size = size;
    assert_int_not_equal(decode_fixed(&cut, got, n, 0, &error), FRZ_OK);
    free(copy);
  }
}

static void test_plain_numbers(void **state)
{
  (void)state;
  int32_t ints[] = {1, -1, INT32_MAX, INT32_MIN};
  double doubles[] = {1.5, -0.0, 1e300};
  page int_page = {FRZ_PARQUET_INT32, 0, FRZ_PARQUET_PLAIN, (uint8_t *)ints, sizeof ints};
  check_fixed(&int_page, ints, 4, 4);
  page double_page = {FRZ_PARQUET_DOUBLE, 0, FRZ_PARQUET_PLAIN, (uint8_t *)doubles, sizeof doubles};
  check_fixed(&double_page, doubles, 8, 3);
  page fixed_page = {FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY, 3, FRZ_PARQUET_PLAIN,
                     (const uint8_t *)"abcdef", 6};
  check_fixed(&fixed_page, "abcdef", 3, 2);
}

/* The two examples of Encodings.md. */
static void test_delta_numbers_of_the_specification(void **state)
{
  (void)state;
  static const uint8_t first[] = {0x80, 0x01, 4, 5, 2,  /* block 128, 4 minis, 5 values, first 1 */
                                  2,    0,    0, 0, 0}; /* least 1, no bits */
  int64_t wanted[] = {1, 2, 3, 4, 5};
  page self = {FRZ_PARQUET_INT64, 0, FRZ_PARQUET_DELTA_BINARY_PACKED, first, sizeof first};
  check_fixed(&self, wanted, 8, 5);
  /* 7, 5, 3, 1, 2, 3, 4, 5: differences from -2 are 0 0 0 3 3 3 3, two bits each. */
  static const uint8_t second[] = {0x80, 0x01, 4,    8, 14, 3, 2, 0, 0,
                                   0,    0xc0, 0x3f, 0, 0,  0, 0, 0, 0};
  int32_t wanted32[] = {7, 5, 3, 1, 2, 3, 4, 5};
  uint8_t got[64];
  frz_error error = {0};
  page narrow = {FRZ_PARQUET_INT32, 0, FRZ_PARQUET_DELTA_BINARY_PACKED, second, sizeof second};
  for (size_t skipped = 0; skipped <= 8; skipped++) {
    ASSERT_OK(decode_fixed(&narrow, got, 8 - skipped, skipped, &error));
    assert_memory_equal(got, wanted32 + skipped, (8 - skipped) * 4);
  }
}

static void test_delta_headers_are_checked(void **state)
{
  (void)state;
  static const uint8_t cases[][8] = {
      {0, 4, 5, 2, 2, 0, 0, 0},        /* no values a block */
      {0x80, 0x01, 0, 5, 2, 2, 0, 0},  /* no miniblocks */
      {0x80, 0x01, 3, 5, 2, 2, 0, 0},  /* does not divide */
      {0x80, 0x01, 32, 5, 2, 2, 0, 0}, /* four values a miniblock */
      {0x80, 0x01, 4, 5, 2, 2, 65, 0}, /* 65 bits */
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint8_t got[64];
    frz_error error = {0};
    page self = {FRZ_PARQUET_INT64, 0, FRZ_PARQUET_DELTA_BINARY_PACKED, cases[i], 8};
    assert_int_equal(decode_fixed(&self, got, 5, 0, &error), FRZ_ERR_CORRUPT);
  }
}

static void test_byte_stream_split(void **state)
{
  (void)state;
  /* The example of Encodings.md: AA BB CC DD, 00 11 22 33, A3 B4 C5 D6. */
  static const uint8_t split[] = {0xaa, 0x00, 0xa3, 0xbb, 0x11, 0xb4,
                                  0xcc, 0x22, 0xc5, 0xdd, 0x33, 0xd6};
  static const uint8_t joined[] = {0xaa, 0xbb, 0xcc, 0xdd, 0x00, 0x11,
                                   0x22, 0x33, 0xa3, 0xb4, 0xc5, 0xd6};
  page self = {FRZ_PARQUET_FLOAT, 0, FRZ_PARQUET_BYTE_STREAM_SPLIT, split, sizeof split};
  frz_error error = {0};
  uint8_t got[64];
  for (size_t skipped = 0; skipped <= 3; skipped++) {
    ASSERT_OK(decode_fixed(&self, got, 3 - skipped, skipped, &error));
    assert_memory_equal(got, joined + skipped * 4, (3 - skipped) * 4);
  }
  assert_int_equal(decode_fixed(&self, got, 4, 0, &error), FRZ_ERR_CORRUPT);
  self.size = 11;
  assert_int_equal(decode_fixed(&self, got, 2, 0, &error), FRZ_ERR_CORRUPT);
  page wide = {FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY, 6, FRZ_PARQUET_BYTE_STREAM_SPLIT, split, 12};
  ASSERT_OK(decode_fixed(&wide, got, 2, 0, &error));
  static const uint8_t six[] = {0xaa, 0xa3, 0x11, 0xcc, 0xc5, 0x33,
                                0x00, 0xbb, 0xb4, 0x22, 0xdd, 0xd6};
  assert_memory_equal(got, six, sizeof six);
}

/* Strings as one text with bars. */
static frz_status decode_texts(const page *self, size_t n, size_t n_skipped, char *text,
                               frz_error *err)
{
  frz_decoder decoder;
  frz_buf bytes;
  int32_t ends[64];
  frz_buf_init(&bytes, frz_alloc_default(), 1 << 16);
  frz_decoder_init(&decoder, self->physical, self->type_length, frz_alloc_default());
  frz_status st = frz_decoder_open(&decoder, self->encoding, self->data, self->size, err);
  if (st == FRZ_OK) st = frz_decoder_skip(&decoder, n_skipped, err);
  if (st == FRZ_OK) st = frz_decoder_bytes(&decoder, ends, &bytes, n, err);
  size_t at = 0;
  for (size_t i = 0; st == FRZ_OK && i < n; i++) {
    int32_t start = i == 0 ? 0 : ends[i - 1];
    memcpy(text + at, bytes.data + start, (size_t)(ends[i] - start));
    at += (size_t)(ends[i] - start);
    text[at++] = '|';
  }
  text[at] = '\0';
  frz_decoder_dispose(&decoder);
  frz_buf_dispose(&bytes);
  return st;
}

static void check_texts(const page *self, const char *wanted, size_t n)
{
  char text[256];
  frz_error error = {0};
  const char *rest = wanted;
  for (size_t skipped = 0; skipped <= n; skipped++) {
    ASSERT_OK(decode_texts(self, n - skipped, skipped, text, &error));
    assert_string_equal(text, rest);
    if (skipped < n) rest = strchr(rest, '|') + 1;
  }
  assert_int_equal(decode_texts(self, n + 1, 0, text, &error), FRZ_ERR_CORRUPT);
  for (size_t size = 1; size < self->size; size++) {
    page cut = *self;
    uint8_t *copy = malloc(size);
    memcpy(copy, self->data, size);
    cut.data = copy;
    cut.size = size;
    assert_int_equal(decode_texts(&cut, n, 0, text, &error), FRZ_ERR_CORRUPT);
    free(copy);
  }
}

static void test_plain_strings(void **state)
{
  (void)state;
  static const uint8_t data[] = {5,   0,   0,   0,   'H', 'e', 'l', 'l', 'o', 0,   0,
                                 0,   0,   20,  0,   0,   0,   'a', 'b', 'c', 'd', 'e',
                                 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p',
                                 'q', 'r', 's', 't', 1,   0,   0,   0,   'z'};
  page self = {FRZ_PARQUET_BYTE_ARRAY, 0, FRZ_PARQUET_PLAIN, data, sizeof data};
  check_texts(&self, "Hello||abcdefghijklmnopqrst|z|", 4);
}

static void test_delta_length_strings(void **state)
{
  (void)state;
  /* "Hello", "World", "Foobar": lengths 5 5 6; differences 0 1, least 0, one bit each. */
  static const uint8_t data[] = {0x80, 0x01, 4,   3,   10,  0,   1,   0,   0,   0,
                                 0x02, 0,    0,   0,   'H', 'e', 'l', 'l', 'o', 'W',
                                 'o',  'r',  'l', 'd', 'F', 'o', 'o', 'b', 'a', 'r'};
  page self = {FRZ_PARQUET_BYTE_ARRAY, 0, FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY, data, sizeof data};
  check_texts(&self, "Hello|World|Foobar|", 3);
}

static void test_delta_strings(void **state)
{
  (void)state;
  /* "axis", "axle", "babble": prefixes 0 2 0, suffixes "axis" "le" "babble" of 4 2 6. */
  static const uint8_t data[] = {
      0x80, 0x01, 4,   3,   0,   3,   3,   0,   0,   0,   0x04, 0,
      0,    0,    0,   0,   0,   0,   0,   0,   0,   0, /* differences +2 -2 from -2: 4 0, three
                                                           bits */
      0x80, 0x01, 4,   3,   8,   3,   3,   0,   0,   0,   0x30, 0,
      0,    0,    0,   0,   0,   0,   0,   0,   0,   0, /* -2 +4 from -2: 0 6 */
      'a',  'x',  'i', 's', 'l', 'e', 'b', 'a', 'b', 'b', 'l',  'e'};
  page self = {FRZ_PARQUET_BYTE_ARRAY, 0, FRZ_PARQUET_DELTA_BYTE_ARRAY, data, sizeof data};
  check_texts(&self, "axis|axle|babble|", 3);
  uint8_t bad[sizeof data];
  char text[64];
  memcpy(bad, data, sizeof data);
  bad[10] = 0x07; /* a prefix of 5 of a value of 4 */
  self.data = bad;
  assert_int_equal(decode_texts(&self, 3, 0, text, NULL), FRZ_ERR_CORRUPT);
}

static void test_booleans(void **state)
{
  (void)state;
  static const uint8_t plain[] = {0xa5, 0x03};
  static const uint8_t rle[] = {5, 0, 0, 0, 8, 1, 3, 0xa5, 0}; /* 4 x true, 8 packed; rest unused */
  for (int with_rle = 0; with_rle < 2; with_rle++) {
    for (size_t skipped = 0; skipped < 10; skipped++) {
      frz_error error = {0};
      frz_decoder decoder;
      uint8_t bits[4] = {0};
      frz_decoder_init(&decoder, FRZ_PARQUET_BOOLEAN, 0, frz_alloc_default());
      ASSERT_OK(frz_decoder_open(&decoder, with_rle ? FRZ_PARQUET_RLE : FRZ_PARQUET_PLAIN,
                                 with_rle ? rle : plain, with_rle ? sizeof rle : sizeof plain,
                                 &error));
      ASSERT_OK(frz_decoder_skip(&decoder, skipped, &error));
      ASSERT_OK(frz_decoder_bools(&decoder, bits, 3, 10 - skipped, &error));
      uint32_t source = with_rle ? 0xa5f : 0x3a5;
      uint32_t wanted = source >> skipped & ((1u << (10 - skipped)) - 1);
      assert_int_equal(frz_load_u32le(bits), wanted << 3);
      assert_int_not_equal(frz_decoder_bools(&decoder, bits, 0, 9, &error), FRZ_OK);
      frz_decoder_dispose(&decoder);
    }
  }
}

static void test_bit_packed_levels_of_the_specification(void **state)
{
  (void)state;
  static const uint8_t packed[] = {0x05, 0x39,
                                   0x77}; /* 0 to 7, three bits, most significant first */
  frz_error error = {0};
  frz_buf hybrid;
  size_t used = 0;
  uint32_t values[8];
  frz_rle_decoder decoder;
  frz_buf_init(&hybrid, frz_alloc_default(), 1 << 10);
  ASSERT_OK(frz_bit_packed_levels(packed, 3, 3, 8, &hybrid, &used, &error));
  assert_int_equal(used, 3);
  frz_rle_decoder_init(&decoder, hybrid.data, hybrid.size, 3);
  ASSERT_OK(frz_rle_decode(&decoder, values, 8, &error));
  for (uint32_t i = 0; i < 8; i++) assert_int_equal(values[i], i);
  assert_int_equal(frz_bit_packed_levels(packed, 3, 3, 9, &hybrid, &used, &error), FRZ_ERR_CORRUPT);
  frz_buf_dispose(&hybrid);
}

static void test_encodings_fit_their_types(void **state)
{
  (void)state;
  static const uint8_t data[32] = {0};
  static const struct {
    frz_parquet_physical physical;
    int32_t encoding;
  } cases[] = {{FRZ_PARQUET_INT32, FRZ_PARQUET_RLE},
               {FRZ_PARQUET_INT32, FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY},
               {FRZ_PARQUET_DOUBLE, FRZ_PARQUET_DELTA_BINARY_PACKED},
               {FRZ_PARQUET_BYTE_ARRAY, FRZ_PARQUET_BYTE_STREAM_SPLIT},
               {FRZ_PARQUET_BOOLEAN, FRZ_PARQUET_BYTE_STREAM_SPLIT},
               {FRZ_PARQUET_INT96, FRZ_PARQUET_DELTA_BINARY_PACKED},
               {FRZ_PARQUET_INT64, FRZ_PARQUET_BIT_PACKED},
               {FRZ_PARQUET_INT64, 99},
               {FRZ_PARQUET_INT64, -1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_decoder decoder;
    frz_decoder_init(&decoder, cases[i].physical, 4, frz_alloc_default());
    assert_int_equal(frz_decoder_open(&decoder, cases[i].encoding, data, sizeof data, NULL),
                     FRZ_ERR_UNSUPPORTED);
    frz_decoder_dispose(&decoder);
  }
}

/* ---- conversions ---- */

static void test_decimals_from_bytes(void **state)
{
  (void)state;
  static const struct {
    uint8_t bytes[20];
    size_t size;
    int64_t low, high;
    bool fits;
  } cases[] = {{{0x01, 0x00}, 2, 256, 0, true},
               {{0xff}, 1, -1, -1, true},
               {{0x80, 0x00}, 2, -32768, -1, true},
               {{0}, 0, 0, 0, true},
               {{0x00, 0xff}, 2, 255, 0, true},
               {{0, 0, 0, 0x7f, [18] = 0x01}, 19, 1, 0x7f00000000000000, true},
               {{0xff, 0xff, 0xff, 0xff, [18] = 0x01}, 19, 1, INT64_MIN | 0x7f00000000000000, true},
               {{0, 0, 0, 0x80, [18] = 0x01}, 19, 0, 0, false},
               {{0, 1, [18] = 0x01}, 19, 0, 0, false}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint8_t got[16];
    frz_status st = frz_decimal_from_bytes(cases[i].bytes, cases[i].size, got, NULL);
    assert_int_equal(st, cases[i].fits ? FRZ_OK : FRZ_ERR_CORRUPT);
    if (!cases[i].fits) continue;
    assert_true((int64_t)frz_load_u64le(got) == cases[i].low);
    assert_true((int64_t)frz_load_u64le(got + 8) == cases[i].high);
  }
}

static void test_int96_is_a_julian_day(void **state)
{
  (void)state;
  frz_parquet_node leaf = {.physical = FRZ_PARQUET_INT96, .is_leaf = true};
  frz_arrow_type type = {.kind = FRZ_ARROW_TIMESTAMP, .unit = FRZ_UNIT_US};
  frz_leaf_convert convert = frz_leaf_convert_for(&leaf, type);
  static const struct {
    int64_t ns;
    int32_t day;
    int64_t us;
  } cases[] = {{0, 2440588, 0},
               {1999, 2440588, 1},
               {-1, 2440588, -1},
               {0, 2440587, -86400000000},
               {3600000000000, 2440589, 90000000000}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint8_t raw[12], got[8];
    frz_store_u64le(raw, (uint64_t)cases[i].ns);
    frz_store_u32le(raw + 8, (uint32_t)cases[i].day);
    assert_int_equal(convert(raw, 12, got, 1, NULL), FRZ_OK);
    assert_true((int64_t)frz_load_u64le(got) == cases[i].us);
  }
}

static void test_narrow_integers_are_not_cut(void **state)
{
  (void)state;
  static const struct {
    frz_arrow_kind kind;
    int32_t value;
    bool fits;
  } cases[] = {{FRZ_ARROW_INT8, 127, true},     {FRZ_ARROW_INT8, 128, false},
               {FRZ_ARROW_INT8, -128, true},    {FRZ_ARROW_INT8, -129, false},
               {FRZ_ARROW_UINT8, 255, true},    {FRZ_ARROW_UINT8, 256, false},
               {FRZ_ARROW_UINT8, -1, true},     {FRZ_ARROW_INT16, 32768, false},
               {FRZ_ARROW_UINT16, 65535, true}, {FRZ_ARROW_UINT16, 65536, false}};
  frz_parquet_node leaf = {.physical = FRZ_PARQUET_INT32, .is_leaf = true};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint8_t got[4];
    frz_leaf_convert convert = frz_leaf_convert_for(&leaf, (frz_arrow_type){.kind = cases[i].kind});
    assert_int_equal(convert((const uint8_t *)&cases[i].value, 4, got, 1, NULL),
                     cases[i].fits ? FRZ_OK : FRZ_ERR_CORRUPT);
  }
}

/* ---- schemas ---- */

typedef struct element {
  const char *name;
  int type;       /* -1: a group */
  int repetition; /* -1: not given */
  int n_children;
  int converted; /* -1: none; 100 + n: the LogicalType with field n */
} element;

enum { LOGICAL = 100, VARIANT = 116 };

static frz_status parse_elements(const element *elements, size_t n, frz_arena *arena,
                                 frz_parquet_metadata *metadata, frz_error *err)
{
  frz_buf out;
  frz_thrift_writer writer;
  frz_thrift_reader reader;
  frz_buf_init(&out, frz_alloc_default(), 1 << 20);
  frz_thrift_writer_init(&writer, &out);
  frz_thrift_write_struct_begin(&writer);
  frz_thrift_write_list_field(&writer, 2, FRZ_THRIFT_STRUCT, n);
  for (size_t i = 0; i < n; i++) {
    frz_thrift_write_struct_begin(&writer);
    if (elements[i].type >= 0) frz_thrift_write_i32_field(&writer, 1, elements[i].type);
    frz_thrift_write_i32_field(&writer, 2, 16);
    if (elements[i].repetition >= 0) frz_thrift_write_i32_field(&writer, 3, elements[i].repetition);
    frz_thrift_write_binary_field(&writer, 4, frz_str_from(elements[i].name));
    if (elements[i].n_children > 0) frz_thrift_write_i32_field(&writer, 5, elements[i].n_children);
    int converted = elements[i].converted;
    if (converted >= LOGICAL) {
      frz_thrift_write_field(&writer, 10, FRZ_THRIFT_STRUCT);
      frz_thrift_write_struct_begin(&writer);
      frz_thrift_write_field(&writer, (int16_t)(converted - LOGICAL), FRZ_THRIFT_STRUCT);
      frz_thrift_write_struct_begin(&writer);
      frz_thrift_write_struct_end(&writer);
      frz_thrift_write_struct_end(&writer);
    } else if (converted >= 0) {
      frz_thrift_write_i32_field(&writer, 6, converted);
    }
    frz_thrift_write_struct_end(&writer);
  }
  frz_thrift_write_struct_end(&writer);
  assert_int_equal(frz_thrift_writer_finish(&writer, err), FRZ_OK);
  frz_thrift_reader_init(&reader, out.data, out.size);
  int16_t id;
  frz_thrift_type type;
  assert_int_equal(frz_thrift_struct_begin(&reader, err), FRZ_OK);
  assert_int_equal(frz_thrift_field(&reader, &id, &type, err), FRZ_OK);
  frz_status st = frz_parquet_schema_parse(&reader, arena, metadata, err);
  frz_buf_dispose(&out);
  return st;
}

enum { REQ = 0, OPT = 1, REP = 2, I32 = 1, BYTES = 6, UTF8 = 0, MAP = 1, KV = 2, LIST = 3 };

static void test_lists_and_maps_of_all_times(void **state)
{
  (void)state;
  static const struct {
    element elements[8];
    size_t n;
    const char *words;
  } cases[] = {
      {{{"r", -1, -1, 1, -1}, {"a", I32, OPT, 0, -1}}, 2, "int32"},
      {{{"r", -1, -1, 1, -1}, {"a", I32, REP, 0, -1}}, 2, "list<int32>"},
      {{{"r", -1, -1, 1, -1},
        {"a", -1, REP, 2, -1},
        {"x", I32, REQ, 0, -1},
        {"y", I32, OPT, 0, -1}},
       4,
       "list<struct<x: int32, y: int32>>"},
      /* today's list */
      {{{"r", -1, -1, 1, -1},
        {"a", -1, OPT, 1, LIST},
        {"list", -1, REP, 1, -1},
        {"element", BYTES, OPT, 0, UTF8}},
       4,
       "list<string>"},
      /* a repeated leaf is the element */
      {{{"r", -1, -1, 1, -1}, {"a", -1, OPT, 1, LIST}, {"element", I32, REP, 0, -1}},
       3,
       "list<int32>"},
      /* several fields: the group is the element */
      {{{"r", -1, -1, 1, -1},
        {"a", -1, OPT, 1, LIST},
        {"element", -1, REP, 2, -1},
        {"x", I32, REQ, 0, -1},
        {"y", I32, REQ, 0, -1}},
       5,
       "list<struct<x: int32, y: int32>>"},
      /* named "array", or after the list */
      {{{"r", -1, -1, 1, -1},
        {"a", -1, OPT, 1, LIST},
        {"array", -1, REP, 1, -1},
        {"x", I32, REQ, 0, -1}},
       4,
       "list<struct<x: int32>>"},
      {{{"r", -1, -1, 1, -1},
        {"a", -1, OPT, 1, LIST},
        {"a_tuple", -1, REP, 1, -1},
        {"x", I32, REQ, 0, -1}},
       4,
       "list<struct<x: int32>>"},
      {{{"r", -1, -1, 1, -1},
        {"a", -1, OPT, 1, LIST},
        {"b_tuple", -1, REP, 1, -1},
        {"x", I32, REQ, 0, -1}},
       4,
       "list<int32>"},
      /* a list as the element of a list, in one group */
      {{{"r", -1, -1, 1, -1},
        {"a", -1, OPT, 1, LIST},
        {"array", -1, REP, 1, LIST},
        {"array", I32, REP, 0, -1}},
       4,
       "list<list<int32>>"},
      /* maps */
      {{{"r", -1, -1, 1, -1},
        {"m", -1, OPT, 1, MAP},
        {"key_value", -1, REP, 2, -1},
        {"key", BYTES, REQ, 0, UTF8},
        {"value", I32, OPT, 0, -1}},
       5,
       "map<string, int32>"},
      {{{"r", -1, -1, 1, -1},
        {"m", -1, OPT, 1, KV},
        {"map", -1, REP, 2, KV},
        {"key", I32, REQ, 0, -1},
        {"value", I32, OPT, 0, -1}},
       5,
       "map<int32, int32>"},
      {{{"r", -1, -1, 1, -1},
        {"m", -1, OPT, 1, MAP},
        {"map", -1, REP, 1, -1},
        {"key", I32, REQ, 0, -1}},
       4,
       "list<int32>"},
      /* annotations that do not fit are passed over */
      {{{"r", -1, -1, 1, -1}, {"a", -1, OPT, 1, LIST}, {"x", I32, OPT, 0, -1}},
       3,
       "struct<x: int32>"},
      {{{"r", -1, -1, 1, -1}, {"a", I32, OPT, 0, UTF8}}, 2, "int32"},
      {{{"r", -1, -1, 1, -1}, {"a", BYTES, OPT, 0, 18}}, 2, "binary"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_arena arena;
    frz_error error = {0};
    frz_parquet_metadata metadata = {0};
    frz_arrow_field field;
    frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
    ASSERT_OK(parse_elements(cases[i].elements, cases[i].n, &arena, &metadata, &error));
    ASSERT_OK(frz_parquet_node_to_arrow(metadata.root->children[0], NULL, &arena, &field, &error));
    frz_str words = frz_arrow_field_describe(&field, &arena);
    if (!frz_str_is(words, cases[i].words))
      fail_msg("case %zu: %s is not %s", i, words.data, cases[i].words);
    frz_arena_free(&arena);
  }
}

static void test_variants_and_places(void **state)
{
  (void)state;
  static const struct {
    element elements[6];
    size_t n;
    const char *words; /* of the type, or of the error */
    bool is_read;
  } cases[] = {
      {{{"r", -1, -1, 1, -1},
        {"v", -1, OPT, 2, VARIANT},
        {"metadata", BYTES, REQ, 0, -1},
        {"value", BYTES, REQ, 0, -1}},
       4,
       "variant",
       true},
      {{{"r", -1, -1, 1, -1},
        {"v", -1, REQ, 2, VARIANT},
        {"value", BYTES, REQ, 0, -1},
        {"metadata", BYTES, REQ, 0, -1}},
       4,
       "variant",
       true},
      {{{"r", -1, -1, 1, -1},
        {"v", -1, OPT, 2, -1},
        {"value", BYTES, REQ, 0, -1},
        {"metadata", BYTES, REQ, 0, -1}},
       4,
       "struct<value: binary, metadata: binary>",
       true},
      {{{"r", -1, -1, 1, -1},
        {"v", -1, OPT, 3, VARIANT},
        {"metadata", BYTES, REQ, 0, -1},
        {"value", BYTES, OPT, 0, -1},
        {"typed_value", I32, OPT, 0, -1}},
       5,
       "column 'v': a shredded variant is not supported",
       false},
      {{{"r", -1, -1, 1, -1},
        {"s", -1, OPT, 1, -1},
        {"v", -1, OPT, 2, VARIANT},
        {"metadata", BYTES, REQ, 0, -1},
        {"typed_value", I32, OPT, 0, -1}},
       5,
       "column 's.v': a shredded variant is not supported",
       false},
      {{{"r", -1, -1, 1, -1},
        {"v", -1, OPT, 2, VARIANT},
        {"metadata", BYTES, REQ, 0, -1},
        {"value", BYTES, OPT, 0, -1}},
       4,
       "column 'v': a variant that is not required binary metadata and value is not supported",
       false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_arena arena;
    frz_error error = {0};
    frz_parquet_metadata metadata = {0};
    frz_arrow_field field = {0};
    frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
    ASSERT_OK(parse_elements(cases[i].elements, cases[i].n, &arena, &metadata, &error));
    frz_status st =
        frz_parquet_node_to_arrow(metadata.root->children[0], NULL, &arena, &field, &error);
    assert_int_equal(st, cases[i].is_read ? FRZ_OK : FRZ_ERR_UNSUPPORTED);
    frz_str words =
        cases[i].is_read ? frz_arrow_field_describe(&field, &arena) : frz_str_from(error.message);
    if (!frz_str_is(words, cases[i].words)) fail_msg("case %zu: %s", i, words.data);
    frz_arena_free(&arena);
  }
}

static void test_levels_count_optional_and_repeated(void **state)
{
  (void)state;
  static const element elements[] = {{"r", -1, -1, 1, -1},     {"a", -1, OPT, 1, LIST},
                                     {"list", -1, REP, 1, -1}, {"element", -1, REQ, 2, -1},
                                     {"x", I32, OPT, 0, -1},   {"y", I32, REP, 0, -1}};
  frz_arena arena;
  frz_error error = {0};
  frz_parquet_metadata metadata = {0};
  frz_arrow_field field;
  bool selected[] = {false, true};
  char path[FRZ_PARQUET_PATH_BYTES];
  frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
  ASSERT_OK(parse_elements(elements, 6, &arena, &metadata, &error));
  assert_int_equal(metadata.n_leaves, 2);
  assert_int_equal(metadata.leaves[0]->max_definition_level, 3);
  assert_int_equal(metadata.leaves[0]->max_repetition_level, 1);
  assert_int_equal(metadata.leaves[1]->max_definition_level, 3);
  assert_int_equal(metadata.leaves[1]->max_repetition_level, 2);
  frz_parquet_node_path(metadata.leaves[1], path);
  assert_string_equal(path, "a.list.element.y");
  ASSERT_OK(
      frz_parquet_node_to_arrow(metadata.root->children[0], selected, &arena, &field, &error));
  assert_true(frz_str_is(frz_arrow_field_describe(&field, &arena), "list<struct<y: list<int32>>>"));
  frz_arena_free(&arena);
}

static void test_broken_schemas_are_refused(void **state)
{
  (void)state;
  static const struct {
    element elements[4];
    size_t n;
  } cases[] = {{{{"r", -1, -1, 2, -1}, {"a", I32, REQ, 0, -1}}, 2}, /* one is missing */
               {{{"r", -1, -1, 1, -1}, {"a", I32, REQ, 0, -1}, {"b", I32, REQ, 0, -1}},
                3},                           /* one too many */
               {{{"r", I32, REQ, 0, -1}}, 1}, /* a leaf as root */
               {{{"r", -1, -1, 1, -1}, {"a", I32, REQ, 1, -1}, {"b", I32, REQ, 0, -1}},
                3},                                               /* leaf with child */
               {{{"r", -1, -1, 1, -1}, {"a", 8, REQ, 0, -1}}, 2}, /* type 8 */
               {{{"r", -1, -1, 1, -1}, {"a", I32, 3, 0, -1}}, 2}, /* repetition 3 */
               {{{"r", -1, -1, 100000000, -1}, {"a", I32, REQ, 0, -1}}, 2}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_arena arena;
    frz_error error = {0};
    frz_parquet_metadata metadata = {0};
    frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
    assert_int_equal(parse_elements(cases[i].elements, cases[i].n, &arena, &metadata, &error),
                     FRZ_ERR_CORRUPT);
    frz_arena_free(&arena);
  }
}

static void test_deep_schemas_are_refused(void **state)
{
  (void)state;
  element elements[100];
  frz_arena arena;
  frz_parquet_metadata metadata = {0};
  for (size_t i = 0; i < 100; i++)
    elements[i] = (element){"g", i < 99 ? -1 : I32, OPT, i < 99 ? 1 : 0, -1};
  frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
  assert_int_equal(parse_elements(elements, 100, &arena, &metadata, NULL), FRZ_ERR_LIMIT);
  frz_arena_free(&arena);
}

/* ---- statistics ---- */

static frz_parquet_statistics sift(const frz_raw_statistics *raw, const frz_parquet_node *leaf,
                                   bool has_order, frz_arena *arena)
{
  frz_parquet_statistics kept;
  frz_parquet_node ordered = *leaf;
  ordered.has_order = has_order;
  assert_int_equal(frz_statistics_sift(raw, &ordered, 100, arena, &kept, NULL), FRZ_OK);
  return kept;
}

static frz_raw_statistics bounds(const void *min, const void *max, size_t size, bool is_old)
{
  frz_raw_statistics raw = {
      .null_count = -1, .distinct_count = -1, .min_exact = -1, .max_exact = -1};
  frz_str low = {min, size}, high = {max, size};
  if (is_old) {
    raw.old_min = low;
    raw.old_max = high;
    raw.has_old_min = raw.has_old_max = true;
  } else {
    raw.min = low;
    raw.max = high;
    raw.has_min = raw.has_max = true;
  }
  return raw;
}

static void test_bounds_are_kept_where_their_order_is_known(void **state)
{
  (void)state;
  static const struct {
    frz_parquet_physical physical;
    frz_parquet_logical logical;
    bool is_signed, is_old, has_order, is_kept;
  } cases[] = {
      {FRZ_PARQUET_INT32, FRZ_PARQUET_LOGICAL_NONE, true, false, true, true},
      {FRZ_PARQUET_INT32, FRZ_PARQUET_LOGICAL_NONE, true, false, false, false},
      {FRZ_PARQUET_INT32, FRZ_PARQUET_LOGICAL_NONE, true, true, false, true},
      {FRZ_PARQUET_INT32, FRZ_PARQUET_LOGICAL_INT, true, true, false, true},
      {FRZ_PARQUET_INT32, FRZ_PARQUET_LOGICAL_INT, false, true, true, false},
      {FRZ_PARQUET_INT32, FRZ_PARQUET_LOGICAL_INT, false, false, true, true},
      {FRZ_PARQUET_BYTE_ARRAY, FRZ_PARQUET_LOGICAL_STRING, true, true, true, false},
      {FRZ_PARQUET_BYTE_ARRAY, FRZ_PARQUET_LOGICAL_STRING, true, false, true, true},
      {FRZ_PARQUET_FLOAT, FRZ_PARQUET_LOGICAL_NONE, true, true, false, true},
      {FRZ_PARQUET_INT96, FRZ_PARQUET_LOGICAL_NONE, true, false, true, false},
      {FRZ_PARQUET_INT64, FRZ_PARQUET_LOGICAL_NONE, true, false, true, false}, /* four bytes */
      {FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY, FRZ_PARQUET_LOGICAL_NONE, true, false, true, true},
      {FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY, FRZ_PARQUET_LOGICAL_DECIMAL, true, false, true, true},
      {FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY, FRZ_PARQUET_LOGICAL_DECIMAL, true, true, true, false},
      {FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY, FRZ_PARQUET_LOGICAL_INTERVAL, true, false, true, false}};
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    static const uint8_t min[4] = {1, 0, 0, 0}, max[4] = {9, 0, 0, 0};
    frz_parquet_node leaf = {.physical = cases[i].physical,
                             .logical = cases[i].logical,
                             .is_signed = cases[i].is_signed,
                             .type_length = 4,
                             .is_leaf = true};
    frz_raw_statistics raw = bounds(min, max, 4, cases[i].is_old);
    frz_parquet_statistics kept = sift(&raw, &leaf, cases[i].has_order, &arena);
    if (kept.has_min != cases[i].is_kept || kept.has_max != cases[i].is_kept)
      fail_msg("case %zu", i);
    bool is_cut = cases[i].physical == FRZ_PARQUET_BYTE_ARRAY ||
                  cases[i].physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY;
    assert_int_equal(kept.min_exact, cases[i].is_kept && !is_cut);
  }
  frz_arena_free(&arena);
}

static void test_nans_and_zeros_in_bounds(void **state)
{
  (void)state;
  frz_arena arena;
  frz_parquet_node leaf = {.physical = FRZ_PARQUET_DOUBLE, .is_leaf = true};
  double nan = strtod("nan", NULL);
  double one = 1, zero = 0.0, minus_zero = -0.0;
  frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
  frz_raw_statistics raw = bounds(&nan, &one, 8, false);
  frz_parquet_statistics kept = sift(&raw, &leaf, true, &arena);
  assert_false(kept.has_min || kept.has_max);
  raw = bounds(&zero, &minus_zero, 8, false);
  kept = sift(&raw, &leaf, true, &arena);
  assert_true(kept.has_min && kept.has_max);
  assert_memory_equal(kept.min.data, &minus_zero, 8);
  assert_memory_equal(kept.max.data, &zero, 8);
  leaf = (frz_parquet_node){.physical = FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY,
                            .logical = FRZ_PARQUET_LOGICAL_FLOAT16,
                            .type_length = 2,
                            .is_leaf = true};
  uint16_t half_zero = 0, half_minus = 0x8000, half_nan = 0x7e00;
  raw = bounds(&half_zero, &half_minus, 2, false);
  kept = sift(&raw, &leaf, true, &arena);
  assert_memory_equal(kept.min.data, &half_minus, 2);
  assert_memory_equal(kept.max.data, &half_zero, 2);
  raw = bounds(&half_zero, &half_nan, 2, false);
  kept = sift(&raw, &leaf, true, &arena);
  assert_false(kept.has_min || kept.has_max);
  raw.null_count = 101; /* more than there are values */
  kept = sift(&raw, &leaf, true, &arena);
  assert_int_equal(kept.null_count, -1);
  frz_arena_free(&arena);
}

/* ---- page headers and offset indexes ---- */

static void write_header(frz_buf *out, int32_t type, int32_t uncompressed, int32_t compressed)
{
  frz_thrift_writer writer;
  frz_thrift_writer_init(&writer, out);
  frz_thrift_write_struct_begin(&writer);
  frz_thrift_write_i32_field(&writer, 1, type);
  frz_thrift_write_i32_field(&writer, 2, uncompressed);
  frz_thrift_write_i32_field(&writer, 3, compressed);
  frz_thrift_write_i32_field(&writer, 4, -2);
  frz_thrift_write_field(&writer, 8, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(&writer);
  int32_t numbers[] = {10, 2, 8, 0, 4, 3};
  for (int16_t i = 0; i < 6; i++) frz_thrift_write_i32_field(&writer, (int16_t)(i + 1), numbers[i]);
  frz_thrift_write_bool_field(&writer, 7, false);
  frz_thrift_write_struct_end(&writer);
  frz_thrift_write_struct_end(&writer);
  assert_int_equal(frz_thrift_writer_finish(&writer, NULL), FRZ_OK);
}

static void test_page_headers(void **state)
{
  (void)state;
  static const struct {
    int32_t type, uncompressed, compressed;
    frz_status status;
  } cases[] = {{FRZ_PAGE_DATA_V2, 100, 50, FRZ_OK},
               {FRZ_PAGE_DATA_V2, 6, 50, FRZ_ERR_CORRUPT}, /* levels take seven */
               {FRZ_PAGE_DATA_V2, 100, 6, FRZ_ERR_CORRUPT},
               {FRZ_PAGE_DATA_V2, -1, 50, FRZ_ERR_CORRUPT},
               {FRZ_PAGE_DATA_V2, 100, INT32_MAX, FRZ_ERR_LIMIT},
               {FRZ_PAGE_DATA, 100, 50, FRZ_ERR_CORRUPT}, /* the header of another kind */
               {FRZ_PAGE_INDEX, 100, 50, FRZ_OK}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_buf out;
    frz_page_header header;
    frz_buf_init(&out, frz_alloc_default(), 1 << 16);
    write_header(&out, cases[i].type, cases[i].uncompressed, cases[i].compressed);
    assert_int_equal(frz_page_header_parse(out.data, out.size, &header, NULL), cases[i].status);
    if (cases[i].status == FRZ_OK) {
      assert_int_equal(header.header_bytes, out.size);
      assert_true(header.has_crc && header.crc == 0xfffffffeu && !header.is_compressed);
      assert_int_equal(header.n_values, 10);
      assert_int_equal(header.n_rows, 8);
      for (size_t n = 0; n < out.size; n++)
        assert_int_equal(frz_page_header_parse(out.data, n, &header, NULL), FRZ_ERR_CORRUPT);
    }
    frz_buf_dispose(&out);
  }
}

static void test_offset_indexes_are_used_only_where_they_fit(void **state)
{
  (void)state;
  static const struct {
    int64_t offsets[3], bytes[3], rows[3];
    bool fits;
  } cases[] = {{{100, 150, 200}, {50, 50, 50}, {0, 10, 20}, true},
               {{100, 140, 200}, {50, 50, 50}, {0, 10, 20}, false},  /* overlap */
               {{100, 150, 200}, {50, 50, 50}, {0, 20, 10}, false},  /* rows descend */
               {{100, 150, 200}, {50, 50, 50}, {1, 10, 20}, false},  /* does not start at 0 */
               {{100, 150, 200}, {50, 50, 900}, {0, 10, 20}, false}, /* past the file */
               {{100, 150, 200}, {50, 0, 50}, {0, 10, 20}, false},
               {{90, 150, 200}, {50, 50, 50}, {0, 10, 20}, false}, /* before the chunk */
               {{100, 150, 200}, {50, 50, 50}, {0, 10, 31}, false}};
  frz_parquet_chunk chunk = {
      .data_page_offset = 100, .dictionary_page_offset = -1, .compressed_bytes = 150};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_arena arena;
    frz_buf out;
    frz_thrift_writer writer;
    frz_page_places places;
    frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
    frz_buf_init(&out, frz_alloc_default(), 1 << 16);
    frz_thrift_writer_init(&writer, &out);
    frz_thrift_write_struct_begin(&writer);
    frz_thrift_write_list_field(&writer, 1, FRZ_THRIFT_STRUCT, 3);
    for (int j = 0; j < 3; j++) {
      frz_thrift_write_struct_begin(&writer);
      frz_thrift_write_i64_field(&writer, 1, cases[i].offsets[j]);
      frz_thrift_write_i32_field(&writer, 2, (int32_t)cases[i].bytes[j]);
      frz_thrift_write_i64_field(&writer, 3, cases[i].rows[j]);
      frz_thrift_write_struct_end(&writer);
    }
    frz_thrift_write_struct_end(&writer);
    assert_int_equal(frz_thrift_writer_finish(&writer, NULL), FRZ_OK);
    for (size_t n = 0; n <= out.size; n++) {
      assert_int_equal(frz_offset_index_parse(out.data, n, &chunk, 30, 1000, &arena, &places, NULL),
                       FRZ_OK);
      assert_int_equal(places.n_places, n == out.size && cases[i].fits ? 3 : 0);
    }
    frz_buf_dispose(&out);
    frz_arena_free(&arena);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_plain_numbers),
      cmocka_unit_test(test_delta_numbers_of_the_specification),
      cmocka_unit_test(test_delta_headers_are_checked),
      cmocka_unit_test(test_byte_stream_split),
      cmocka_unit_test(test_plain_strings),
      cmocka_unit_test(test_delta_length_strings),
      cmocka_unit_test(test_delta_strings),
      cmocka_unit_test(test_booleans),
      cmocka_unit_test(test_bit_packed_levels_of_the_specification),
      cmocka_unit_test(test_encodings_fit_their_types),
      cmocka_unit_test(test_decimals_from_bytes),
      cmocka_unit_test(test_int96_is_a_julian_day),
      cmocka_unit_test(test_narrow_integers_are_not_cut),
      cmocka_unit_test(test_lists_and_maps_of_all_times),
      cmocka_unit_test(test_variants_and_places),
      cmocka_unit_test(test_levels_count_optional_and_repeated),
      cmocka_unit_test(test_broken_schemas_are_refused),
      cmocka_unit_test(test_deep_schemas_are_refused),
      cmocka_unit_test(test_bounds_are_kept_where_their_order_is_known),
      cmocka_unit_test(test_nans_and_zeros_in_bounds),
      cmocka_unit_test(test_page_headers),
      cmocka_unit_test(test_offset_indexes_are_used_only_where_they_fit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
