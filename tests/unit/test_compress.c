/*
 * test_compress.c - every codec: round trips, bad input, lengths, forms that other writers use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lz4frame.h>

#include "base/endian.h"
#include "codec/compress.h"
#include "codec/snappy.h"

/* A small generator, so that runs repeat. */
static uint64_t next_random(uint64_t *state)
{
  *state += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t z = *state;
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* Bytes in a block of exactly their length, so that the sanitizer sees any access past the end. */
static uint8_t *exact_copy(const void *data, size_t size)
{
  uint8_t *copy = malloc(size != 0 ? size : 1);
  assert_non_null(copy);
  if (size != 0) memcpy(copy, data, size);
  return copy;
}

static const frz_codec all_codecs[] = {
    FRZ_CODEC_NONE,   FRZ_CODEC_SNAPPY,  FRZ_CODEC_GZIP,       FRZ_CODEC_DEFLATE,   FRZ_CODEC_ZSTD,
    FRZ_CODEC_BROTLI, FRZ_CODEC_LZ4_RAW, FRZ_CODEC_LZ4_HADOOP, FRZ_CODEC_LZ4_FRAME,
};
enum { N_CODECS = sizeof all_codecs / sizeof *all_codecs };

/* Kinds of content: zeros, noise, short words, repeats at a distance, slowly growing integers. */
static void fill_content(uint8_t *data, size_t size, unsigned kind, uint64_t *seed)
{
  static const char words[] = "driver trips rating hourly conv_rate acc_rate ";
  for (size_t i = 0; i < size; i++) {
    uint64_t r = next_random(seed);
    switch (kind) {
    case 0: data[i] = 0; break;
    case 1: data[i] = (uint8_t)r; break;
    case 2: data[i] = (uint8_t)words[(r & 31) == 0 ? r % 46 : i % 46]; break;
    case 3: data[i] = i >= 5 && (r & 63) != 0 ? data[i - 5 + r % 2] : (uint8_t)r; break;
    default: data[i] = (uint8_t)(i / 4 >> (8 * (i % 4))); break;
    }
  }
}

static void round_trip(frz_codec codec, int32_t level, const uint8_t *data, size_t size)
{
  frz_buf packed, plain;
  frz_buf_init(&packed, frz_alloc_default(), 16 << 20);
  frz_buf_init(&plain, frz_alloc_default(), 16 << 20);
  frz_error err = {0};
  assert_int_equal(frz_buf_append(&packed, "ab", 2, NULL), FRZ_OK);
  assert_int_equal(frz_buf_append(&plain, "cd", 2, NULL), FRZ_OK);
  assert_int_equal(frz_compress_append(codec, level, data, size, &packed, &err), FRZ_OK);
  assert_memory_equal(packed.data, "ab", 2);
  uint8_t *exact = exact_copy(packed.data + 2, packed.size - 2);
  uint8_t *back = malloc(size != 0 ? size : 1);
  frz_status st = frz_decompress(codec, exact, packed.size - 2, back, size, &err);
  if (st != FRZ_OK) fail_msg("%s: %s", frz_codec_name(codec), err.message);
  assert_memory_equal(back, data, size);
  st = frz_decompress_append(codec, exact, packed.size - 2, &plain, &err);
  if (st != FRZ_OK) fail_msg("%s: %s", frz_codec_name(codec), err.message);
  assert_int_equal(plain.size, size + 2);
  assert_memory_equal(plain.data, "cd", 2);
  assert_memory_equal(plain.data + 2, data, size);
  free(back);
  free(exact);
  frz_buf_dispose(&packed);
  frz_buf_dispose(&plain);
}

static void test_compress_round_trips(void **state)
{
  (void)state;
  static const size_t sizes[] = {0,   1,   2,   15,   16,   19,    20,    59,    60,    61,    64,
                                 255, 256, 257, 1000, 4096, 65535, 65536, 65537, 70000, 200000};
  uint64_t seed = 5;
  uint8_t *data = malloc(200000);
  for (unsigned kind = 0; kind < 5; kind++) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      fill_content(data, sizes[i], kind, &seed);
      for (size_t c = 0; c < N_CODECS; c++) round_trip(all_codecs[c], 0, data, sizes[i]);
    }
  }
  free(data);
}

/* Both calls on bytes of exactly their length; they must agree. */
static frz_status unpack_both(frz_codec codec, const void *packed, size_t packed_size, size_t due,
                              frz_error *err)
{
  uint8_t *exact = exact_copy(packed, packed_size);
  uint8_t *dest = malloc(due != 0 ? due : 1);
  frz_status st = frz_decompress(codec, exact, packed_size, dest, due, err);
  frz_buf plain;
  frz_buf_init(&plain, frz_alloc_default(), due);
  frz_status appended = frz_decompress_append(codec, exact, packed_size, &plain, NULL);
  if (st == FRZ_OK && packed_size != 0) {
    assert_int_equal(appended, FRZ_OK);
    assert_int_equal(plain.size, due);
    if (due != 0) assert_memory_equal(plain.data, dest, due);
  }
  if (appended != FRZ_OK) assert_int_equal(plain.size, 0);
  frz_buf_dispose(&plain);
  free(dest);
  free(exact);
  return st;
}

static frz_buf compressed(frz_codec codec, const uint8_t *data, size_t size)
{
  frz_buf buf;
  frz_buf_init(&buf, frz_alloc_default(), 16 << 20);
  assert_int_equal(frz_compress_append(codec, 0, data, size, &buf, NULL), FRZ_OK);
  return buf;
}

static void test_every_truncation_is_refused(void **state)
{
  (void)state;
  uint64_t seed = 6;
  uint8_t data[1500];
  for (unsigned kind = 1; kind < 5; kind++) {
    fill_content(data, sizeof data, kind, &seed);
    for (size_t c = 1; c < N_CODECS; c++) {
      frz_buf packed = compressed(all_codecs[c], data, sizeof data);
      for (size_t cut = 0; cut < packed.size; cut++) {
        frz_error err = {0};
        frz_status st = unpack_both(all_codecs[c], packed.data, cut, sizeof data, &err);
        if (st != FRZ_ERR_CORRUPT)
          fail_msg("%s cut to %zu of %zu: %s", frz_codec_name(all_codecs[c]), cut, packed.size,
                   frz_status_name(st));
        assert_true(err.message[0] != '\0');
      }
      frz_buf_dispose(&packed);
    }
  }
}

static void test_damaged_input_never_passes_the_end(void **state)
{
  (void)state;
  uint64_t seed = 7;
  uint8_t data[3000];
  for (unsigned kind = 0; kind < 5; kind++) {
    fill_content(data, sizeof data, kind, &seed);
    for (size_t c = 1; c < N_CODECS; c++) {
      frz_buf packed = compressed(all_codecs[c], data, sizeof data);
      for (int round = 0; round < 300; round++) {
        uint8_t *bad = exact_copy(packed.data, packed.size);
        size_t n_changes = 1 + (size_t)(next_random(&seed) % 4);
        for (size_t i = 0; i < n_changes; i++)
          bad[next_random(&seed) % packed.size] = (uint8_t)next_random(&seed);
        frz_status st = unpack_both(all_codecs[c], bad, packed.size, sizeof data, NULL);
        assert_true(st == FRZ_OK || st == FRZ_ERR_CORRUPT || st == FRZ_ERR_LIMIT);
        free(bad);
      }
      frz_buf_dispose(&packed);
    }
  }
}

static void test_other_lengths_are_refused(void **state)
{
  (void)state;
  uint64_t seed = 8;
  uint8_t data[1000];
  fill_content(data, sizeof data, 2, &seed);
  for (size_t c = 0; c < N_CODECS; c++) {
    frz_buf packed = compressed(all_codecs[c], data, sizeof data);
    static const size_t dues[] = {0, 1, 999, 1001, 1064, 5000};
    for (size_t i = 0; i < sizeof dues / sizeof *dues; i++) {
      frz_error err = {0};
      assert_int_equal(unpack_both(all_codecs[c], packed.data, packed.size, dues[i], &err),
                       FRZ_ERR_CORRUPT);
    }
    assert_int_equal(unpack_both(all_codecs[c], packed.data, packed.size, 1000, NULL), FRZ_OK);
    assert_int_equal(unpack_both(all_codecs[c], NULL, 0, 0, NULL), FRZ_OK);
    frz_buf_dispose(&packed);
  }
}

/* One byte of room too little is a limit (or, where the codec cannot tell, corrupt); none is lost.
 */
static void test_append_keeps_its_maximum(void **state)
{
  (void)state;
  uint64_t seed = 9;
  size_t size = 300000;
  uint8_t *data = malloc(size);
  fill_content(data, size, 2, &seed);
  for (size_t c = 0; c < N_CODECS; c++) {
    frz_buf packed = compressed(all_codecs[c], data, size);
    frz_buf plain;
    frz_buf_init(&plain, frz_alloc_default(), size + 1);
    assert_int_equal(frz_buf_append(&plain, "ab", 2, NULL), FRZ_OK);
    frz_error err = {0};
    assert_int_equal(frz_decompress_append(all_codecs[c], packed.data, packed.size, &plain, &err),
                     FRZ_ERR_LIMIT);
    assert_int_equal(plain.size, 2);
    plain.max_bytes = size + 2;
    assert_int_equal(frz_decompress_append(all_codecs[c], packed.data, packed.size, &plain, NULL),
                     FRZ_OK);
    assert_int_equal(plain.size, size + 2);
    assert_memory_equal(plain.data + 2, data, size);
    frz_buf small;
    frz_buf_init(&small, frz_alloc_default(), 100);
    assert_int_equal(frz_compress_append(all_codecs[c], 0, data, size, &small, NULL),
                     FRZ_ERR_LIMIT);
    assert_int_equal(small.size, 0);
    frz_buf_dispose(&small);
    frz_buf_dispose(&plain);
    frz_buf_dispose(&packed);
  }
  free(data);
}

static void test_levels(void **state)
{
  (void)state;
  uint64_t seed = 10;
  uint8_t data[5000];
  fill_content(data, sizeof data, 2, &seed);
  static const struct {
    frz_codec codec;
    int32_t level;
    frz_status status;
  } cases[] = {
      {FRZ_CODEC_GZIP, 1, FRZ_OK},           {FRZ_CODEC_GZIP, 9, FRZ_OK},
      {FRZ_CODEC_GZIP, 10, FRZ_ERR_INVALID}, {FRZ_CODEC_GZIP, -1, FRZ_ERR_INVALID},
      {FRZ_CODEC_DEFLATE, 9, FRZ_OK},        {FRZ_CODEC_ZSTD, 1, FRZ_OK},
      {FRZ_CODEC_ZSTD, -5, FRZ_OK},          {FRZ_CODEC_ZSTD, 19, FRZ_OK},
      {FRZ_CODEC_ZSTD, 99, FRZ_ERR_INVALID}, {FRZ_CODEC_BROTLI, 1, FRZ_OK},
      {FRZ_CODEC_BROTLI, 11, FRZ_OK},        {FRZ_CODEC_BROTLI, 12, FRZ_ERR_INVALID},
      {FRZ_CODEC_SNAPPY, 5, FRZ_OK},         {(frz_codec)99, 0, FRZ_ERR_UNSUPPORTED},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (cases[i].status == FRZ_OK) {
      round_trip(cases[i].codec, cases[i].level, data, sizeof data);
      continue;
    }
    frz_buf buf;
    frz_buf_init(&buf, frz_alloc_default(), 1 << 20);
    assert_int_equal(
        frz_compress_append(cases[i].codec, cases[i].level, data, sizeof data, &buf, NULL),
        cases[i].status);
    frz_buf_dispose(&buf);
  }
  uint8_t byte[1];
  assert_int_equal(frz_decompress((frz_codec)99, data, 1, byte, 1, NULL), FRZ_ERR_UNSUPPORTED);
}

/* Blocks of all codecs in turn through one decompressor, broken ones between them. */
static void test_decompressor_is_used_again(void **state)
{
  (void)state;
  enum { SIZE = 3000 };
  uint64_t seed = 5;
  frz_decompressor decompressor = {0};
  for (unsigned round = 0; round < 4 * N_CODECS; round++) {
    frz_codec codec = all_codecs[round % N_CODECS];
    uint8_t data[SIZE], back[SIZE];
    frz_buf packed;
    frz_buf_init(&packed, frz_alloc_default(), 1 << 20);
    fill_content(data, SIZE, round % 5, &seed);
    assert_int_equal(frz_compress_append(codec, 0, data, SIZE, &packed, NULL), FRZ_OK);
    assert_int_not_equal(
        frz_decompress_again(&decompressor, codec, packed.data, packed.size / 2, back, SIZE, NULL),
        FRZ_OK);
    assert_int_equal(
        frz_decompress_again(&decompressor, codec, packed.data, packed.size, back, SIZE, NULL),
        FRZ_OK);
    assert_memory_equal(back, data, SIZE);
    frz_buf_dispose(&packed);
  }
  frz_decompressor_dispose(&decompressor);
}

/* ---- snappy, element by element ---- */

static void test_snappy_elements(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    size_t size;
    uint8_t packed[24];
    const char *plain; /* NULL: refused */
  } cases[] = {
      {"nothing", 1, {0}, ""},
      {"literal", 5, {3, 2 << 2, 'a', 'b', 'c'}, "abc"},
      {"literal, length in a byte", 6, {3, 60 << 2, 2, 'a', 'b', 'c'}, "abc"},
      {"literal, length in four", 9, {3, 63 << 2, 2, 0, 0, 0, 'a', 'b', 'c'}, "abc"},
      {"copy without its offset byte", 6, {7, 2 << 2, 'a', 'b', 'c', 1}, NULL},
      {"overlapping copy", 7, {8, 2 << 2, 'a', 'b', 'c', 1 | 1 << 2, 3}, "abcabcab"},
      {"copy of two offset bytes", 8, {6, 2 << 2, 'a', 'b', 'c', 2 | 2 << 2, 3, 0}, "abcabc"},
      {"copy of four", 10, {6, 2 << 2, 'a', 'b', 'c', 3 | 2 << 2, 3, 0, 0, 0}, "abcabc"},
      {"run of one byte", 5, {9, 0, 'x', 1 | 4 << 2, 1}, "xxxxxxxxx"},
      {"length of two bytes, overlong", 4, {0x81, 0x00, 0, 'x'}, "x"},
      {"offset 0", 7, {8, 2 << 2, 'a', 'b', 'c', 1 | 1 << 2, 0}, NULL},
      {"offset before the start", 7, {8, 2 << 2, 'a', 'b', 'c', 1 | 1 << 2, 4}, NULL},
      {"copy without data in front", 3, {4, 1, 1}, NULL},
      {"copy past the end", 7, {7, 2 << 2, 'a', 'b', 'c', 1 | 1 << 2, 3}, NULL},
      {"literal past the end", 5, {2, 2 << 2, 'a', 'b', 'c'}, NULL},
      {"literal of 4 GiB", 9, {3, 63 << 2, 255, 255, 255, 255, 'a', 'b', 'c'}, NULL},
      {"less than the length says", 5, {4, 2 << 2, 'a', 'b', 'c'}, NULL},
      {"something behind", 6, {3, 2 << 2, 'a', 'b', 'c', 0}, NULL},
      {"something behind nothing", 2, {0, 0}, NULL},
      {"length of six bytes", 7, {0x83, 0x80, 0x80, 0x80, 0x80, 0, 0}, NULL},
      {"length above 32 bits", 7, {0xff, 0xff, 0xff, 0xff, 0x1f, 0, 'x'}, NULL},
      {"a length that cannot be met", 7, {0xff, 0xff, 0xff, 0xff, 0x0f, 0, 'x'}, NULL},
      {"length without an end", 2, {0x83, 0x80}, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    print_message("  %s\n", cases[i].name);
    size_t due = cases[i].plain != NULL ? strlen(cases[i].plain) : cases[i].packed[0] & 15;
    uint8_t back[16];
    uint8_t *exact = exact_copy(cases[i].packed, cases[i].size);
    frz_error err = {0};
    frz_status st = frz_decompress(FRZ_CODEC_SNAPPY, exact, cases[i].size, back, due, &err);
    assert_int_equal(st, cases[i].plain != NULL ? FRZ_OK : FRZ_ERR_CORRUPT);
    if (cases[i].plain != NULL) assert_memory_equal(back, cases[i].plain, due);
    if (st != FRZ_OK) assert_non_null(strstr(err.message, "snappy"));
    free(exact);
  }
}

/* Every offset and length through the fast loop and, at the end, the careful one. */
static void test_snappy_copies_of_every_distance(void **state)
{
  (void)state;
  enum { FRONT = 100, BACK = 300 };
  for (size_t offset = 1; offset <= FRONT; offset++) {
    for (size_t length = 1; length <= 64; length++) {
      size_t size = FRONT + length + BACK;
      uint8_t packed[1024], expected[FRONT + 64 + BACK];
      size_t n = 0;
      packed[n++] = (uint8_t)(size | 0x80);
      packed[n++] = (uint8_t)(size >> 7);
      packed[n++] = 60 << 2;
      packed[n++] = FRONT - 1;
      for (size_t i = 0; i < FRONT; i++) packed[n++] = expected[i] = (uint8_t)(i * 31 + 7);
      packed[n++] = (uint8_t)(2 | (length - 1) << 2);
      packed[n++] = (uint8_t)offset;
      packed[n++] = 0;
      for (size_t i = 0; i < length; i++) expected[FRONT + i] = expected[FRONT + i - offset];
      packed[n++] = 61 << 2;
      packed[n++] = (uint8_t)(BACK - 1);
      packed[n++] = (BACK - 1) >> 8;
      for (size_t i = 0; i < BACK; i++) packed[n++] = expected[FRONT + length + i] = (uint8_t)i;
      uint8_t *exact = exact_copy(packed, n);
      uint8_t *back = malloc(size);
      assert_int_equal(frz_decompress(FRZ_CODEC_SNAPPY, exact, n, back, size, NULL), FRZ_OK);
      assert_memory_equal(back, expected, size);
      free(back);
      free(exact);
    }
  }
}

/* The compressor writes into room of exactly its bound, whatever the content. */
static void test_snappy_stays_within_its_bound(void **state)
{
  (void)state;
  uint64_t seed = 11;
  uint8_t *data = malloc(140000);
  for (unsigned kind = 0; kind < 5; kind++) {
    fill_content(data, 140000, kind, &seed);
    for (size_t size = 0; size <= 140000; size = size < 300 ? size + 1 : size * 2 + 1) {
      uint8_t *exact = exact_copy(data, size);
      uint8_t *packed = malloc(frz_snappy_bound(size));
      size_t n = frz_snappy_compress(exact, size, packed);
      assert_true(n <= frz_snappy_bound(size) - 16);
      uint8_t *back = malloc(size != 0 ? size : 1);
      assert_int_equal(frz_decompress(FRZ_CODEC_SNAPPY, packed, n, back, size, NULL), FRZ_OK);
      assert_memory_equal(back, exact, size);
      if (kind == 0 && size > 1000) assert_true(n < size / 15);
      free(back);
      free(packed);
      free(exact);
    }
  }
  free(data);
}

/* ---- forms that other writers use ---- */

static void test_gzip_members_follow_one_another(void **state)
{
  (void)state;
  frz_buf buf;
  frz_buf_init(&buf, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_compress_append(FRZ_CODEC_GZIP, 0, "first ", 6, &buf, NULL), FRZ_OK);
  assert_int_equal(frz_compress_append(FRZ_CODEC_GZIP, 0, "", 0, &buf, NULL), FRZ_OK);
  assert_int_equal(frz_compress_append(FRZ_CODEC_GZIP, 0, "second", 6, &buf, NULL), FRZ_OK);
  uint8_t back[12];
  assert_int_equal(frz_decompress(FRZ_CODEC_GZIP, buf.data, buf.size, back, 12, NULL), FRZ_OK);
  assert_memory_equal(back, "first second", 12);
  assert_int_equal(unpack_both(FRZ_CODEC_GZIP, buf.data, buf.size, 12, NULL), FRZ_OK);
  assert_int_equal(frz_buf_append(&buf, "junk", 4, NULL), FRZ_OK);
  assert_int_equal(unpack_both(FRZ_CODEC_GZIP, buf.data, buf.size, 12, NULL), FRZ_ERR_CORRUPT);
  frz_buf_dispose(&buf);
  /* raw deflate has one member only */
  assert_int_equal(frz_compress_append(FRZ_CODEC_DEFLATE, 0, "first ", 6, &buf, NULL), FRZ_OK);
  assert_int_equal(unpack_both(FRZ_CODEC_DEFLATE, buf.data, buf.size, 6, NULL), FRZ_OK);
  assert_int_equal(frz_compress_append(FRZ_CODEC_DEFLATE, 0, "second", 6, &buf, NULL), FRZ_OK);
  assert_int_equal(unpack_both(FRZ_CODEC_DEFLATE, buf.data, buf.size, 12, NULL), FRZ_ERR_CORRUPT);
  frz_buf_dispose(&buf);
}

static void test_gzip_takes_a_zlib_wrapper(void **state)
{
  (void)state;
  static const uint8_t packed[] = {
      0x78, 0x9c, 0x2b, 0x2f, 0x4a, 0x2c, 0x28, 0x48,
      0x4d, 0x01, 0x00, 0x0c, 0x17, 0x02, 0xf4}; /* Python: zlib.compress(b"wrapped") */
  assert_int_equal(unpack_both(FRZ_CODEC_GZIP, packed, sizeof packed, 7, NULL), FRZ_OK);
}

static void test_zstd_frames_follow_one_another(void **state)
{
  (void)state;
  frz_buf buf;
  frz_buf_init(&buf, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_compress_append(FRZ_CODEC_ZSTD, 0, "first ", 6, &buf, NULL), FRZ_OK);
  assert_int_equal(frz_compress_append(FRZ_CODEC_ZSTD, 0, "second", 6, &buf, NULL), FRZ_OK);
  assert_int_equal(unpack_both(FRZ_CODEC_ZSTD, buf.data, buf.size, 12, NULL), FRZ_OK);
  frz_buf_dispose(&buf);
}

/* Appends one of Hadoop's chunks: a length and a block. */
static void put_chunk(frz_buf *buf, const char *text)
{
  frz_buf block;
  frz_buf_init(&block, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_compress_append(FRZ_CODEC_LZ4_RAW, 0, text, strlen(text), &block, NULL),
                   FRZ_OK);
  uint8_t length[4];
  frz_store_u32be(length, (uint32_t)block.size);
  assert_int_equal(frz_buf_append(buf, length, 4, NULL), FRZ_OK);
  assert_int_equal(frz_buf_append(buf, block.data, block.size, NULL), FRZ_OK);
  frz_buf_dispose(&block);
}

static void put_u32be(frz_buf *buf, uint32_t value)
{
  uint8_t bytes[4];
  frz_store_u32be(bytes, value);
  assert_int_equal(frz_buf_append(buf, bytes, 4, NULL), FRZ_OK);
}

static void test_lz4_forms(void **state)
{
  (void)state;
  static const char text[] = "one two three";
  frz_buf buf;
  frz_buf_init(&buf, frz_alloc_default(), 1 << 20);
  uint8_t back[13];
  /* several frames, and several chunks in a frame */
  put_u32be(&buf, 8);
  put_chunk(&buf, "one ");
  put_chunk(&buf, "two ");
  put_u32be(&buf, 5);
  put_chunk(&buf, "three");
  assert_int_equal(frz_decompress(FRZ_CODEC_LZ4_HADOOP, buf.data, buf.size, back, 13, NULL),
                   FRZ_OK);
  assert_memory_equal(back, text, 13);
  assert_int_equal(unpack_both(FRZ_CODEC_LZ4_HADOOP, buf.data, buf.size, 13, NULL), FRZ_OK);
  frz_buf_dispose(&buf);
  /* a chunk that gives more than its frame */
  put_u32be(&buf, 3);
  put_chunk(&buf, "one ");
  assert_int_equal(unpack_both(FRZ_CODEC_LZ4_HADOOP, buf.data, buf.size, 3, NULL), FRZ_ERR_CORRUPT);
  frz_buf_dispose(&buf);
  /* a bare block */
  assert_int_equal(frz_compress_append(FRZ_CODEC_LZ4_RAW, 0, text, 13, &buf, NULL), FRZ_OK);
  assert_int_equal(unpack_both(FRZ_CODEC_LZ4_HADOOP, buf.data, buf.size, 13, NULL), FRZ_OK);
  frz_buf_dispose(&buf);
  /* LZ4's own frame, every truncation of it, and something behind it */
  uint8_t frame[200];
  size_t size = LZ4F_compressFrame(frame, sizeof frame, text, 13, NULL);
  assert_false(LZ4F_isError(size));
  assert_int_equal(unpack_both(FRZ_CODEC_LZ4_HADOOP, frame, size, 13, NULL), FRZ_OK);
  assert_int_equal(unpack_both(FRZ_CODEC_LZ4_HADOOP, frame, size, 12, NULL), FRZ_ERR_CORRUPT);
  assert_int_equal(unpack_both(FRZ_CODEC_LZ4_HADOOP, frame, size, 14, NULL), FRZ_ERR_CORRUPT);
  assert_int_equal(unpack_both(FRZ_CODEC_LZ4_HADOOP, frame, size + 1, 13, NULL), FRZ_ERR_CORRUPT);
  for (size_t cut = 0; cut < size; cut++)
    assert_int_equal(unpack_both(FRZ_CODEC_LZ4_HADOOP, frame, cut, 13, NULL), FRZ_ERR_CORRUPT);
}

/* What was compressed before, at whatever level, shows in no byte. */
static void test_compressors_leave_no_trace(void **state)
{
  (void)state;
  static const size_t sizes[] = {0, 1, 100, 5000, 70000, 300000};
  static const int32_t levels[] = {-5, 1, 3, 3, 9, 19, 0};
  frz_compressors compressors = {{NULL}};
  frz_error err = {0};
  uint64_t seed = 7;
  uint8_t *data = malloc(300000);
  frz_buf again, once;
  frz_buf_init(&again, frz_alloc_default(), 1 << 24);
  frz_buf_init(&once, frz_alloc_default(), 1 << 24);
  assert_int_equal(frz_compressors_memory(&compressors), 0);
  for (size_t i = 0; i < 3 * sizeof sizes / sizeof *sizes * sizeof levels / sizeof *levels; i++) {
    size_t size = sizes[i % 6];
    int32_t level = levels[i % 7];
    fill_content(data, size, (unsigned)(i % 5), &seed);
    again.size = once.size = 0;
    if (i == 50) frz_compressors_dispose(&compressors); /* and they may go on */
    assert_int_equal(
        frz_compress_again(&compressors, FRZ_CODEC_ZSTD, level, data, size, &again, &err), FRZ_OK);
    assert_int_equal(frz_compress_append(FRZ_CODEC_ZSTD, level, data, size, &once, &err), FRZ_OK);
    assert_int_equal(again.size, once.size);
    assert_memory_equal(again.data, once.data, once.size);
  }
  assert_true(frz_compressors_memory(&compressors) > 0);
  assert_int_equal(frz_compress_again(&compressors, FRZ_CODEC_ZSTD, 1000, data, 10, &again, &err),
                   FRZ_ERR_INVALID);
  frz_compressors_dispose(&compressors);
  assert_int_equal(frz_compressors_memory(&compressors), 0);
  frz_buf_dispose(&again);
  frz_buf_dispose(&once);
  free(data);
}

static void test_names(void **state)
{
  (void)state;
  for (size_t c = 0; c < N_CODECS; c++)
    for (size_t d = 0; d < c; d++)
      assert_string_not_equal(frz_codec_name(all_codecs[c]), frz_codec_name(all_codecs[d]));
  assert_string_equal(frz_codec_name((frz_codec)99), "unknown codec");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_compress_round_trips),
      cmocka_unit_test(test_every_truncation_is_refused),
      cmocka_unit_test(test_damaged_input_never_passes_the_end),
      cmocka_unit_test(test_other_lengths_are_refused),
      cmocka_unit_test(test_append_keeps_its_maximum),
      cmocka_unit_test(test_levels),
      cmocka_unit_test(test_snappy_elements),
      cmocka_unit_test(test_snappy_copies_of_every_distance),
      cmocka_unit_test(test_snappy_stays_within_its_bound),
      cmocka_unit_test(test_gzip_members_follow_one_another),
      cmocka_unit_test(test_gzip_takes_a_zlib_wrapper),
      cmocka_unit_test(test_decompressor_is_used_again),
      cmocka_unit_test(test_zstd_frames_follow_one_another),
      cmocka_unit_test(test_lz4_forms),
      cmocka_unit_test(test_compressors_leave_no_trace),
      cmocka_unit_test(test_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
