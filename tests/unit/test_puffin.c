/*
 * test_puffin.c - Puffin files: those of the reference implementation, round trips, bad footers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/endian.h"
#include "base/limits.h"
#include "codec/compress.h"
#include "puffin/puffin.h"
#include "test_files.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static const frz_puffin_codec codecs[] = {FRZ_PUFFIN_UNCOMPRESSED, FRZ_PUFFIN_LZ4, FRZ_PUFFIN_ZSTD};

static frz_arena new_arena(void)
{
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), 64 << 20);
  return arena;
}

static frz_buf new_buf(void)
{
  frz_buf buf;
  frz_buf_init(&buf, frz_alloc_default(), 512 << 20);
  return buf;
}

/* Bytes in a block of exactly their length, so that the sanitizer sees any access past the end. */
static frz_status read_footer(const void *data, size_t size, frz_arena *arena,
                              frz_puffin_footer *footer_out, frz_error *err)
{
  uint8_t *exact = malloc(size != 0 ? size : 1);
  frz_source *source = NULL;
  if (size != 0) memcpy(exact, data, size);
  assert_int_equal(frz_source_from_memory(frz_alloc_default(), exact, size, &source, NULL), FRZ_OK);
  frz_status st = frz_puffin_footer_read(source, arena, footer_out, err);
  frz_source_free(source);
  free(exact);
  return st;
}

static frz_status read_blob(const frz_buf *file, const frz_puffin_blob *blob, frz_buf *out,
                            frz_error *err)
{
  frz_source *source = NULL;
  assert_int_equal(
      frz_source_from_memory(frz_alloc_default(), file->data, file->size, &source, NULL), FRZ_OK);
  frz_status st = frz_puffin_blob_read(source, blob, out, err);
  frz_source_free(source);
  return st;
}

static void assert_blob(const frz_buf *file, const frz_puffin_blob *blob, const void *data,
                        size_t size)
{
  frz_buf out = new_buf();
  frz_error err = {0};
  assert_int_equal(frz_buf_append(&out, "ab", 2, NULL), FRZ_OK);
  if (read_blob(file, blob, &out, &err) != FRZ_OK) fail_msg("%s", err.message);
  assert_int_equal(out.size, size + 2);
  assert_memory_equal(out.data, "ab", 2);
  if (size != 0) assert_memory_equal(out.data + 2, data, size);
  frz_buf_dispose(&out);
}

static void assert_text(frz_str text, const char *expected)
{
  if (!frz_str_is(text, expected)) fail_msg("'%.*s' instead of '%s'", FRZ_STR_ARG(text), expected);
}

/* ---- files of the reference implementation ---- */

static bool read_fixture(const char *name, frz_buf *file_out)
{
  char folder[4096];
  char path[5000];
  size_t size;
  if (!frz_test_fixtures(folder)) return false;
  snprintf(path, sizeof path, "%s/iceberg/puffin/%s", folder, name);
  uint8_t *data = frz_test_read(path, &size);
  if (data == NULL) fail_msg("no %s", path);
  *file_out = new_buf();
  assert_int_equal(frz_buf_append(file_out, data, size, NULL), FRZ_OK);
  free(data);
  return true;
}

static void test_an_empty_file(void **state)
{
  (void)state;
  frz_buf file;
  frz_arena arena = new_arena();
  frz_puffin_footer footer;
  if (!read_fixture("empty-puffin-uncompressed.bin", &file)) return;
  assert_int_equal(read_footer(file.data, file.size, &arena, &footer, NULL), FRZ_OK);
  assert_int_equal(footer.n_blobs, 0);
  assert_int_equal(footer.n_properties, 0);
  assert_int_equal(footer.footer_bytes, file.size - 4);
  frz_arena_free(&arena);
  frz_buf_dispose(&file);
}

static void test_files_of_the_reference(void **state)
{
  (void)state;
  static const char second[] =
      "some blob \0 binary data \xf0\x9f\xa4\xaf that is not very very very "
      "very very very long, is it?";
  static const struct {
    const char *name;
    frz_puffin_codec codec;
    int64_t offset[2];
    int64_t length[2];
  } cases[] = {
      {"sample-metric-data-uncompressed.bin", FRZ_PUFFIN_UNCOMPRESSED, {4, 13}, {9, 83}},
      {"sample-metric-data-compressed-zstd.bin", FRZ_PUFFIN_ZSTD, {4, 26}, {22, 77}},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    frz_buf file;
    frz_arena arena = new_arena();
    frz_puffin_footer footer;
    frz_error err = {0};
    if (!read_fixture(cases[i].name, &file)) return;
    if (read_footer(file.data, file.size, &arena, &footer, &err) != FRZ_OK)
      fail_msg("%s: %s", cases[i].name, err.message);
    assert_int_equal(footer.n_blobs, 2);
    assert_int_equal(footer.n_properties, 1);
    assert_text(footer.properties[0].key, "created-by");
    assert_text(footer.properties[0].value, "Test 1234");
    for (size_t b = 0; b < 2; b++) {
      const frz_puffin_blob *blob = &footer.blobs[b];
      assert_text(blob->type, b == 0 ? "some-blob" : "some-other-blob");
      assert_int_equal(blob->n_field_ids, 1);
      assert_int_equal(blob->field_ids[0], b + 1);
      assert_int_equal(blob->snapshot_id, 2);
      assert_int_equal(blob->sequence_number, 1);
      assert_int_equal(blob->offset, cases[i].offset[b]);
      assert_int_equal(blob->length, cases[i].length[b]);
      assert_int_equal(blob->codec, cases[i].codec);
      assert_int_equal(blob->n_properties, 0);
    }
    assert_blob(&file, &footer.blobs[0], "abcdefghi", 9);
    assert_blob(&file, &footer.blobs[1], second, sizeof second - 1);
    frz_arena_free(&arena);
    frz_buf_dispose(&file);
  }
}

/* ---- round trips ---- */

static frz_buf sample_bytes(size_t size)
{
  frz_buf data = new_buf();
  assert_int_equal(frz_buf_resize(&data, size, NULL), FRZ_OK);
  for (size_t i = 0; i < size; i++) data.data[i] = (uint8_t)(i / 7 * 31 >> (i % 3));
  return data;
}

static const frz_puffin_property blob_properties[] = {
    {{"referenced-data-file", 20}, {"s3://b/\"x\"\n.parquet", 19}},
    {{"cardinality", 11}, {"", 0}},
};
static const int32_t blob_fields[] = {1, 2147483645, -1};

static frz_puffin_blob sample_blob(frz_puffin_codec codec)
{
  return (frz_puffin_blob){.type = FRZ_STR("deletion-vector-v1"),
                           .field_ids = blob_fields,
                           .n_field_ids = LENGTH(blob_fields),
                           .snapshot_id = -1,
                           .sequence_number = INT64_MAX,
                           .offset = 77,
                           .length = 77,
                           .codec = codec,
                           .properties = blob_properties,
                           .n_properties = LENGTH(blob_properties)};
}

static void assert_sample(const frz_puffin_blob *blob, frz_puffin_codec codec)
{
  assert_text(blob->type, "deletion-vector-v1");
  assert_int_equal(blob->n_field_ids, LENGTH(blob_fields));
  assert_memory_equal(blob->field_ids, blob_fields, sizeof blob_fields);
  assert_int_equal(blob->snapshot_id, -1);
  assert_true(blob->sequence_number == INT64_MAX);
  assert_int_equal(blob->codec, codec);
  assert_int_equal(blob->n_properties, LENGTH(blob_properties));
  for (size_t i = 0; i < LENGTH(blob_properties); i++) {
    assert_true(frz_str_equal(blob->properties[i].key, blob_properties[i].key));
    assert_true(frz_str_equal(blob->properties[i].value, blob_properties[i].value));
  }
}

/* A file of `n` sample blobs: blob i has `sizes[i % n_sizes]` bytes and codec i % 3. */
static frz_buf sample_file(size_t n, const size_t *sizes, size_t n_sizes)
{
  frz_buf file = new_buf();
  frz_sink *sink = NULL;
  frz_puffin_writer *writer = NULL;
  frz_error err = {0};
  int64_t end = 4;
  assert_int_equal(frz_sink_to_buf(frz_alloc_default(), &file, &sink, NULL), FRZ_OK);
  assert_int_equal(frz_puffin_writer_create(frz_alloc_default(), sink, &writer, &err), FRZ_OK);
  for (size_t i = 0; i < n; i++) {
    frz_buf data = sample_bytes(sizes[i % n_sizes]);
    frz_puffin_blob about = sample_blob(codecs[i % 3]);
    int64_t offset, length;
    if (frz_puffin_writer_add(writer, &about, data.data, data.size, &offset, &length, &err) !=
        FRZ_OK)
      fail_msg("%s", err.message);
    assert_int_equal(offset, end);
    end += length;
    frz_buf_dispose(&data);
  }
  frz_puffin_property property = {FRZ_STR("a"), FRZ_STR("b")};
  if (frz_puffin_writer_finish(writer, &property, 1, &err) != FRZ_OK) fail_msg("%s", err.message);
  frz_puffin_writer_free(writer);
  frz_sink_free(sink);
  return file;
}

static void test_round_trips(void **state)
{
  (void)state;
  static const size_t sizes[] = {0, 1, 9, 4096, 100000};
  static const size_t counts[] = {0, 1, 2, 3, 15, 200}; /* 200: a footer of several requests */
  for (size_t c = 0; c < LENGTH(counts); c++) {
    frz_buf file = sample_file(counts[c], sizes, LENGTH(sizes));
    frz_arena arena = new_arena();
    frz_puffin_footer footer;
    frz_error err = {0};
    if (read_footer(file.data, file.size, &arena, &footer, &err) != FRZ_OK)
      fail_msg("%s", err.message);
    assert_int_equal(footer.n_blobs, counts[c]);
    assert_int_equal(footer.n_properties, 2);
    assert_text(footer.properties[0].value, "b");
    assert_text(footer.properties[1].key, "created-by");
    assert_true(frz_str_starts(footer.properties[1].value, "frazil version "));
    for (size_t i = 0; i < counts[c]; i++) {
      frz_buf data = sample_bytes(sizes[i % LENGTH(sizes)]);
      assert_sample(&footer.blobs[i], codecs[i % 3]);
      assert_blob(&file, &footer.blobs[i], data.data, data.size);
      frz_buf_dispose(&data);
    }
    frz_arena_free(&arena);
    frz_buf_dispose(&file);
  }
}

static void test_a_given_creator_is_kept(void **state)
{
  (void)state;
  frz_buf file = new_buf();
  frz_sink *sink = NULL;
  frz_puffin_writer *writer = NULL;
  frz_arena arena = new_arena();
  frz_puffin_footer footer;
  frz_puffin_property creator = {FRZ_STR("created-by"), FRZ_STR("a test")};
  assert_int_equal(frz_sink_to_buf(frz_alloc_default(), &file, &sink, NULL), FRZ_OK);
  assert_int_equal(frz_puffin_writer_create(frz_alloc_default(), sink, &writer, NULL), FRZ_OK);
  assert_int_equal(frz_puffin_writer_finish(writer, &creator, 1, NULL), FRZ_OK);
  assert_int_equal(read_footer(file.data, file.size, &arena, &footer, NULL), FRZ_OK);
  assert_int_equal(footer.n_properties, 1);
  assert_text(footer.properties[0].value, "a test");
  frz_puffin_writer_free(writer);
  frz_sink_free(sink);
  frz_arena_free(&arena);
  frz_buf_dispose(&file);
}

static void test_truncations_are_refused(void **state)
{
  (void)state;
  static const size_t sizes[] = {9, 100};
  frz_buf file = sample_file(3, sizes, LENGTH(sizes));
  for (size_t cut = 0; cut < file.size; cut++) {
    frz_arena arena = new_arena();
    frz_puffin_footer footer = {.n_blobs = 7};
    frz_status st = read_footer(file.data, cut, &arena, &footer, NULL);
    /* Behind the footer's own magic a cut looks like an end, with bytes of a blob as flags. */
    assert_true(st == FRZ_ERR_CORRUPT || (st == FRZ_ERR_UNSUPPORTED && cut > 12 &&
                                          memcmp(file.data + cut - 4, "PFA1", 4) == 0));
    assert_int_equal(footer.n_blobs, 7);
    frz_arena_free(&arena);
  }
  frz_buf_dispose(&file);
}

/* ---- footers made by hand ---- */

/* "PFA1" and 20 bytes, then a footer with the text, the flags and what its size field says. */
static frz_buf file_around(const void *payload, size_t size, uint32_t flags, uint32_t claimed)
{
  frz_buf file = new_buf();
  uint8_t trailer[8];
  frz_store_u32le(trailer, claimed);
  frz_store_u32le(trailer + 4, flags);
  assert_int_equal(frz_buf_append(&file, "PFA1aaaaabbbbbcccccddddd", 24, NULL), FRZ_OK);
  assert_int_equal(frz_buf_append(&file, "PFA1", 4, NULL), FRZ_OK);
  if (size != 0) assert_int_equal(frz_buf_append(&file, payload, size, NULL), FRZ_OK);
  assert_int_equal(frz_buf_append(&file, trailer, 8, NULL), FRZ_OK);
  assert_int_equal(frz_buf_append(&file, "PFA1", 4, NULL), FRZ_OK);
  return file;
}

#define BLOB(offset, length)                                                                 \
  "{\"type\":\"t\",\"fields\":[],\"snapshot-id\":1,\"sequence-number\":1,\"offset\":" offset \
  ",\"length\":" length "}"
#define BLOBS(list) "{\"blobs\":[" list "]}"

static void test_footers(void **state)
{
  (void)state;
  static const struct {
    const char *json;
    frz_status status;
    const char *message;
  } cases[] = {
      {"{\"blobs\":[]}", FRZ_OK, NULL},
      {" {\"new\":{\"a\":[1,{}]},\"blobs\":[],\"properties\":{},\"z\":null} ", FRZ_OK, NULL},
      {"{\"blobs\":[],\"properties\":null}", FRZ_OK, NULL},
      {BLOBS(BLOB("4", "20")), FRZ_OK, NULL},
      {BLOBS(BLOB("4", "5") "," BLOB("9", "5") "," BLOB("14", "10")), FRZ_OK, NULL},
      {BLOBS(BLOB("14", "10") "," BLOB("4", "10")), FRZ_OK, NULL},
      {BLOBS(BLOB("24", "0") "," BLOB("4", "0") "," BLOB("4", "20")), FRZ_OK, NULL},
      {BLOBS("{\"later\":[{}],\"properties\":null,\"compression-codec\":null,\"length\":1,"
             "\"offset\":4,\"sequence-number\":1,\"snapshot-id\":1,\"fields\":[3],\"type\":\"\"}"),
       FRZ_OK, NULL},
      {"", FRZ_ERR_CORRUPT, "puffin footer: json offset 0: expected an object, found the end"},
      {"{}", FRZ_ERR_CORRUPT, "no 'blobs'"},
      {"[]", FRZ_ERR_CORRUPT, "json offset 0"},
      {"{\"blobs\":[]} x", FRZ_ERR_CORRUPT, "json offset 13"},
      {"{\"blobs\":{}}", FRZ_ERR_CORRUPT, "json offset 9"},
      {"{\"blobs\":[],\"properties\":{\"a\":1}}", FRZ_ERR_CORRUPT, "expected a string"},
      {BLOBS("{}"), FRZ_ERR_CORRUPT, "has no 'type'"},
      {BLOBS("{\"type\":\"t\"}"), FRZ_ERR_CORRUPT, "has no 'fields'"},
      {BLOBS("{\"type\":\"t\",\"fields\":[1,2147483648]}"), FRZ_ERR_CORRUPT, "2147483648"},
      {BLOBS("{\"type\":\"t\",\"fields\":[],\"snapshot-id\":1,\"sequence-number\":1,\"offset\":4}"),
       FRZ_ERR_CORRUPT, "has no 'length'"},
      {BLOBS("{\"compression-codec\":\"brotli\"}"), FRZ_ERR_UNSUPPORTED,
       "compression-codec 'brotli'"},
      {BLOBS(BLOB("3", "1")), FRZ_ERR_CORRUPT, "at offset 3 is not between 4 and 24"},
      {BLOBS(BLOB("0", "0")), FRZ_ERR_CORRUPT, "at offset 0 is not between 4 and 24"},
      {BLOBS(BLOB("-4", "1")), FRZ_ERR_CORRUPT, "at offset -4"},
      {BLOBS(BLOB("4", "-1")), FRZ_ERR_CORRUPT, "-1 bytes"},
      {BLOBS(BLOB("4", "21")), FRZ_ERR_CORRUPT, "21 bytes at offset 4"},
      {BLOBS(BLOB("25", "0")), FRZ_ERR_CORRUPT, "at offset 25"},
      {BLOBS(BLOB("9223372036854775807", "9223372036854775807")), FRZ_ERR_CORRUPT,
       "is not between"},
      {BLOBS(BLOB("5", "9223372036854775807")), FRZ_ERR_CORRUPT, "is not between"},
      {BLOBS(BLOB("4", "6") "," BLOB("9", "5")), FRZ_ERR_CORRUPT, "offsets 4 and 9 overlap"},
      {BLOBS(BLOB("9", "5") "," BLOB("4", "6")), FRZ_ERR_CORRUPT, "offsets 4 and 9 overlap"},
      {BLOBS(BLOB("4", "6") "," BLOB("4", "6")), FRZ_ERR_CORRUPT, "offsets 4 and 4 overlap"},
      {BLOBS(BLOB("4", "20") "," BLOB("9", "2")), FRZ_ERR_CORRUPT, "offsets 4 and 9 overlap"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    size_t size = strlen(cases[i].json);
    frz_buf file = file_around(cases[i].json, size, 0, (uint32_t)size);
    frz_arena arena = new_arena();
    frz_puffin_footer footer = {0};
    frz_error err = {0};
    frz_status st = read_footer(file.data, file.size, &arena, &footer, &err);
    if (st != cases[i].status) fail_msg("%s: %d %s", cases[i].json, st, err.message);
    if (st != FRZ_OK && strstr(err.message, cases[i].message) == NULL)
      fail_msg("%s: %s", cases[i].json, err.message);
    if (st == FRZ_OK) assert_int_equal(footer.footer_bytes, size + 16);
    frz_arena_free(&arena);
    frz_buf_dispose(&file);
  }
}

static void assert_file(const frz_buf *file, frz_status status, const char *message)
{
  frz_arena arena = new_arena();
  frz_puffin_footer footer;
  frz_error err = {0};
  frz_status st = read_footer(file->data, file->size, &arena, &footer, &err);
  if (st != status || strstr(err.message, message) == NULL)
    fail_msg("%d %s, expected %d %s", st, err.message, status, message);
  frz_arena_free(&arena);
}

static void test_trailers(void **state)
{
  (void)state;
  static const char json[] = "{\"blobs\":[]}";
  static const struct {
    uint32_t flags;
    uint32_t claimed;
    frz_status status;
    const char *message;
  } cases[] = {
      {0, 12, FRZ_OK, ""},
      {2, 12, FRZ_ERR_UNSUPPORTED, "unknown flags 00000002"},
      {3, 12, FRZ_ERR_UNSUPPORTED, "unknown flags 00000003"},
      {0x80000000u, 12, FRZ_ERR_UNSUPPORTED, "unknown flags 80000000"},
      {0, 11, FRZ_ERR_CORRUPT, "the magic before it is 4641317b"},
      {0, 13, FRZ_ERR_CORRUPT, "the magic before it"},
      {0, 32, FRZ_ERR_CORRUPT, "the magic before it"}, /* as large as the file lets it be */
      {0, 33, FRZ_ERR_CORRUPT, "33 bytes in a file of 52"},
      {0, 0xffffffffu, FRZ_ERR_CORRUPT, "4294967295 bytes in a file of 52"},
      {1, 12, FRZ_ERR_CORRUPT, "lz4 frame"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    frz_buf file = file_around(json, sizeof json - 1, cases[i].flags, cases[i].claimed);
    assert_file(&file, cases[i].status, cases[i].message);
    frz_buf_dispose(&file);
  }
}

static void test_magics(void **state)
{
  (void)state;
  static const size_t sizes[] = {5000}; /* too large for one request, and in one */
  for (size_t n = 0; n < 2; n++) {
    frz_buf file = sample_file(n, sizes, 1);
    file.data[0] = 'p';
    assert_file(&file, FRZ_ERR_CORRUPT, "the magic at the start is 70464131");
    file.data[0] = 'P';
    file.data[file.size - 1] = '2';
    assert_file(&file, FRZ_ERR_CORRUPT, "the magic at the end is 50464132");
    frz_buf_dispose(&file);
  }
}

static void test_compressed_footers(void **state)
{
  (void)state;
  static const char json[] = BLOBS(BLOB("4", "20"));
  frz_buf packed = new_buf();
  frz_puffin_footer footer;
  assert_int_equal(
      frz_compress_append(FRZ_CODEC_LZ4_FRAME, 0, json, sizeof json - 1, &packed, NULL), FRZ_OK);
  assert_true((packed.data[4] & 0x08) != 0); /* the frame says its content size */
  for (size_t cut = 0; cut <= packed.size; cut++) {
    frz_buf file = file_around(packed.data, cut, 1, (uint32_t)cut);
    frz_arena arena = new_arena();
    frz_status st = read_footer(file.data, file.size, &arena, &footer, NULL);
    assert_int_equal(st, cut == packed.size ? FRZ_OK : FRZ_ERR_CORRUPT);
    if (st == FRZ_OK) {
      assert_int_equal(footer.n_blobs, 1);
      assert_int_equal(footer.blobs[0].length, 20);
      assert_int_equal(footer.footer_bytes, packed.size + 16);
    }
    frz_arena_free(&arena);
    frz_buf_dispose(&file);
  }
  frz_buf_dispose(&packed);
}

/* A few hundred KB that stand for more than the limit. */
static void test_a_footer_that_swells_is_refused(void **state)
{
  (void)state;
  frz_buf spaces = new_buf();
  frz_buf packed = new_buf();
  assert_int_equal(frz_buf_resize(&spaces, FRZ_LIMIT_PUFFIN_FOOTER_BYTES + 1, NULL), FRZ_OK);
  memset(spaces.data, ' ', spaces.size);
  assert_int_equal(
      frz_compress_append(FRZ_CODEC_LZ4_FRAME, 0, spaces.data, spaces.size, &packed, NULL), FRZ_OK);
  frz_buf file = file_around(packed.data, packed.size, 1, (uint32_t)packed.size);
  assert_file(&file, FRZ_ERR_LIMIT, "puffin footer: ");
  frz_buf_dispose(&file);
  frz_buf_dispose(&packed);
  frz_buf_dispose(&spaces);
}

/* ---- blobs ---- */

static void test_blobs_outside_the_file(void **state)
{
  (void)state;
  static const int64_t places[][2] = {
      {4, 49},        {53, 0},        {-1, 1},  {4, -1},
      {INT64_MAX, 1}, {1, INT64_MAX}, {-1, -1}, {INT64_MIN, INT64_MIN}};
  frz_buf file = file_around("{\"blobs\":[]}", 12, 0, 12);
  for (size_t i = 0; i < LENGTH(places); i++) {
    for (size_t c = 0; c < LENGTH(codecs); c++) {
      frz_buf out = new_buf();
      frz_puffin_blob blob = {.offset = places[i][0], .length = places[i][1], .codec = codecs[c]};
      frz_error err = {0};
      assert_int_equal(read_blob(&file, &blob, &out, &err), FRZ_ERR_CORRUPT);
      assert_non_null(strstr(err.message, "puffin blob '' at offset"));
      assert_int_equal(out.size, 0);
      frz_buf_dispose(&out);
    }
  }
  frz_buf_dispose(&file);
}

static void test_the_buffer_bounds_a_blob(void **state)
{
  (void)state;
  static const size_t sizes[] = {1000};
  frz_buf file = sample_file(3, sizes, 1);
  frz_arena arena = new_arena();
  frz_puffin_footer footer;
  assert_int_equal(read_footer(file.data, file.size, &arena, &footer, NULL), FRZ_OK);
  for (size_t i = 0; i < footer.n_blobs; i++) {
    frz_buf out;
    frz_buf_init(&out, frz_alloc_default(), 1001);
    assert_int_equal(frz_buf_append(&out, "ab", 2, NULL), FRZ_OK);
    assert_int_equal(read_blob(&file, &footer.blobs[i], &out, NULL), FRZ_ERR_LIMIT);
    assert_int_equal(out.size, 2);
    frz_buf_dispose(&out);
  }
  frz_arena_free(&arena);
  frz_buf_dispose(&file);
}

static void test_damaged_blobs(void **state)
{
  (void)state;
  static const size_t sizes[] = {1000};
  frz_buf file = sample_file(3, sizes, 1);
  frz_arena arena = new_arena();
  frz_puffin_footer footer;
  assert_int_equal(read_footer(file.data, file.size, &arena, &footer, NULL), FRZ_OK);
  for (size_t i = 1; i < footer.n_blobs; i++) {
    for (int64_t length = 0; length < footer.blobs[i].length; length++) {
      frz_buf out = new_buf();
      frz_puffin_blob cut = footer.blobs[i];
      cut.length = length;
      assert_int_equal(read_blob(&file, &cut, &out, NULL), FRZ_ERR_CORRUPT);
      assert_int_equal(out.size, 0);
      frz_buf_dispose(&out);
    }
  }
  frz_arena_free(&arena);
  frz_buf_dispose(&file);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_an_empty_file),
      cmocka_unit_test(test_files_of_the_reference),
      cmocka_unit_test(test_round_trips),
      cmocka_unit_test(test_a_given_creator_is_kept),
      cmocka_unit_test(test_truncations_are_refused),
      cmocka_unit_test(test_footers),
      cmocka_unit_test(test_trailers),
      cmocka_unit_test(test_magics),
      cmocka_unit_test(test_compressed_footers),
      cmocka_unit_test(test_a_footer_that_swells_is_refused),
      cmocka_unit_test(test_blobs_outside_the_file),
      cmocka_unit_test(test_the_buffer_bounds_a_blob),
      cmocka_unit_test(test_damaged_blobs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
