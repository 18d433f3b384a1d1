/*
 * test_codec.c - bit packing, the hybrid, compression and checksums.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/bitpack.h"
#include "codec/checksum.h"
#include "codec/compress.h"

/* A small generator, so that runs repeat. */
static uint64_t next_random(uint64_t *state)
{
  *state += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t z = *state;
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* Bytes in a block of exactly their length, so that the sanitizer sees any read past the end. */
static uint8_t *exact_copy(const void *data, size_t size)
{
  uint8_t *copy = malloc(size != 0 ? size : 1);
  assert_non_null(copy);
  if (size != 0) memcpy(copy, data, size);
  return copy;
}

static uint64_t bit_by_bit(const uint8_t *src, unsigned width, size_t i)
{
  uint64_t value = 0;
  for (unsigned b = 0; b < width; b++) {
    size_t bit = i * width + b;
    value |= (uint64_t)(src[bit / 8] >> (bit % 8) & 1) << b;
  }
  return value;
}

static const size_t unpack_lengths[] = {0, 1, 7, 8, 9, 31, 32, 33, 40, 63, 64, 65, 100, 257, 1000};

static void test_unpack_equals_bit_by_bit(void **state)
{
  (void)state;
  uint64_t seed = 1;
  for (unsigned width = 0; width <= 64; width++) {
    for (size_t c = 0; c < sizeof unpack_lengths / sizeof *unpack_lengths; c++) {
      size_t n = unpack_lengths[c];
      size_t size = (n * width + 7) / 8;
      uint8_t *src = malloc(size + 1);
      uint64_t *wide = malloc((n + 1) * sizeof *wide);
      uint32_t *narrow = malloc((n + 1) * sizeof *narrow);
      for (size_t i = 0; i < size; i++) src[i] = (uint8_t)next_random(&seed);
      uint8_t *exact = exact_copy(src, size);
      wide[n] = 0x5555;
      narrow[n] = 0x5555;
      assert_true(frz_bitunpack64(exact, size, width, wide, n));
      assert_int_equal(wide[n], 0x5555);
      for (size_t i = 0; i < n; i++) assert_int_equal(wide[i], bit_by_bit(src, width, i));
      if (width <= 32) {
        assert_true(frz_bitunpack32(exact, size, width, narrow, n));
        assert_int_equal(narrow[n], 0x5555);
        for (size_t i = 0; i < n; i++) assert_int_equal(narrow[i], bit_by_bit(src, width, i));
        if (size != 0) assert_false(frz_bitunpack32(exact, size - 1, width, narrow, n));
      }
      if (size != 0) assert_false(frz_bitunpack64(exact, size - 1, width, wide, n));
      free(exact);
      free(src);
      free(wide);
      free(narrow);
    }
  }
}

static void test_unpack_refuses_lengths_that_overflow(void **state)
{
  (void)state;
  uint8_t src[8] = {0};
  uint32_t narrow[1];
  uint64_t wide[1];
  assert_false(frz_bitunpack32(src, sizeof src, 32, narrow, SIZE_MAX));
  assert_false(frz_bitunpack64(src, sizeof src, 64, wide, SIZE_MAX / 8));
  assert_false(frz_bitunpack64(src, sizeof src, 1, wide, SIZE_MAX));
}

static void test_pack_round_trips(void **state)
{
  (void)state;
  uint64_t seed = 2;
  uint64_t values[257], back[257];
  for (unsigned width = 0; width <= 64; width++) {
    for (size_t n = 0; n <= 257; n = n < 20 ? n + 1 : n + 79) {
      uint64_t mask = width == 0 ? 0 : UINT64_MAX >> (64 - width);
      for (size_t i = 0; i < n; i++) values[i] = next_random(&seed) & mask;
      frz_buf buf;
      frz_buf_init(&buf, frz_alloc_default(), 1 << 20);
      assert_int_equal(frz_bitpack64(&buf, values, n, width, NULL), FRZ_OK);
      assert_int_equal(buf.size, (n * width + 7) / 8);
      assert_true(frz_bitunpack64(buf.data, buf.size, width, back, n));
      assert_memory_equal(values, back, n * sizeof *values);
      frz_buf_dispose(&buf);
    }
  }
}

/* The example of the Parquet format's Encodings.md: 0 to 7 in 3 bits. */
static void test_pack_specification_example(void **state)
{
  (void)state;
  const uint64_t values[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  const uint8_t expected[3] = {0x88, 0xc6, 0xfa};
  frz_buf buf;
  frz_buf_init(&buf, frz_alloc_default(), 100);
  assert_int_equal(frz_bitpack64(&buf, values, 8, 3, NULL), FRZ_OK);
  assert_int_equal(buf.size, 3);
  assert_memory_equal(buf.data, expected, 3);
  frz_buf_dispose(&buf);
}

/* Values with repeats of all lengths, seldom and often. */
static void fill_mixed(uint32_t *values, size_t n, unsigned width, uint64_t *seed)
{
  uint32_t mask = width == 0 ? 0 : UINT32_MAX >> (32 - width);
  for (size_t i = 0; i < n;) {
    uint64_t r = next_random(seed);
    size_t repeats = (r & 3) == 0 ? (size_t)(r >> 8 & 63) + 1 : 1;
    for (; repeats != 0 && i < n; repeats--, i++) values[i] = (uint32_t)(r >> 32) & mask;
  }
}

static void decode_in_steps(const uint8_t *data, size_t size, unsigned width, uint32_t *back,
                            size_t n, uint64_t *seed)
{
  frz_rle_decoder decoder;
  frz_rle_decoder_init(&decoder, data, size, width);
  for (size_t i = 0; i < n;) {
    size_t step = (size_t)(next_random(seed) % 37) + 1;
    if (step > n - i) step = n - i;
    uint32_t value;
    size_t n_run;
    assert_int_equal(frz_rle_peek_run(&decoder, step, &value, &n_run, NULL), FRZ_OK);
    assert_true(n_run <= step);
    if (n_run != 0) {
      for (size_t k = 0; k < n_run; k++) back[i + k] = value;
      frz_rle_skip_run(&decoder, n_run);
      i += n_run;
    } else {
      assert_int_equal(frz_rle_decode(&decoder, back + i, step, NULL), FRZ_OK);
      i += step;
    }
  }
}

static void test_rle_round_trips(void **state)
{
  (void)state;
  uint64_t seed = 3;
  enum { N = 3000 };
  uint32_t *values = calloc(N, sizeof *values);
  uint32_t *back = calloc(N, sizeof *back);
  for (unsigned width = 0; width <= 32; width++) {
    for (size_t n = 0; n <= N; n = n < 40 ? n + 1 : n + 493) {
      fill_mixed(values, n, width, &seed);
      frz_buf buf;
      frz_buf_init(&buf, frz_alloc_default(), 1 << 20);
      assert_int_equal(frz_rle_encode(&buf, values, n, width, NULL), FRZ_OK);
      uint8_t *exact = exact_copy(buf.data, buf.size);
      frz_rle_decoder decoder;
      frz_rle_decoder_init(&decoder, exact, buf.size, width);
      memset(back, 0xff, N * sizeof *back);
      assert_int_equal(frz_rle_decode(&decoder, back, n, NULL), FRZ_OK);
      assert_memory_equal(values, back, n * sizeof *values);
      decode_in_steps(exact, buf.size, width, back, n, &seed);
      assert_memory_equal(values, back, n * sizeof *values);
      free(exact);
      frz_buf_dispose(&buf);
    }
  }
  free(values);
  free(back);
}

static void test_rle_refuses_every_truncation(void **state)
{
  (void)state;
  uint64_t seed = 4;
  uint32_t values[200], back[200];
  const unsigned widths[] = {1, 3, 8, 9, 20, 32};
  for (size_t c = 0; c < sizeof widths / sizeof *widths; c++) {
    fill_mixed(values, 200, widths[c], &seed);
    for (size_t i = 180; i < 200; i++) values[i] = 1; /* ends with a run: no padding to cut off */
    frz_buf buf;
    frz_buf_init(&buf, frz_alloc_default(), 1 << 20);
    assert_int_equal(frz_rle_encode(&buf, values, 200, widths[c], NULL), FRZ_OK);
    for (size_t cut = 0; cut < buf.size; cut++) {
      uint8_t *exact = exact_copy(buf.data, cut);
      frz_rle_decoder decoder;
      frz_rle_decoder_init(&decoder, exact, cut, widths[c]);
      frz_error err = {0};
      assert_int_equal(frz_rle_decode(&decoder, back, 200, &err), FRZ_ERR_CORRUPT);
      assert_non_null(strstr(err.message, "rle run at byte"));
      free(exact);
    }
    frz_buf_dispose(&buf);
  }
}

/* Hand-made streams: what is accepted beside our own encoder's output, and what is refused. */
static void test_rle_cases(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    unsigned width;
    size_t size;
    uint8_t data[12];
    size_t n;
    frz_status status;
    uint32_t last;
  } cases[] = {
      {"one run", 3, 2, {10 << 1, 5}, 10, FRZ_OK, 5},
      {"a run of nothing in front", 3, 4, {0, 1, 10 << 1, 5}, 10, FRZ_OK, 5},
      {"no packed groups in front", 3, 3, {1, 10 << 1, 5}, 10, FRZ_OK, 5},
      {"packed run cut at the last value", 8, 4, {3, 1, 2, 3}, 3, FRZ_OK, 3},
      {"one more than the cut run holds", 8, 4, {3, 1, 2, 3}, 4, FRZ_ERR_CORRUPT, 0},
      {"width 0", 0, 1, {20 << 1}, 20, FRZ_OK, 0},
      {"width 0 packed", 0, 1, {3}, 8, FRZ_OK, 0},
      {"long header", 1, 3, {0x80 | 2, 0x02, 1}, 129, FRZ_OK, 1},
      {"value wider than its width", 3, 2, {10 << 1, 8}, 10, FRZ_ERR_CORRUPT, 0},
      {"header of more than 32 bits",
       1,
       6,
       {0xfe, 0xff, 0xff, 0xff, 0x7f, 1},
       1,
       FRZ_ERR_CORRUPT,
       0},
      {"endless header",
       1,
       11,
       {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
       1,
       FRZ_ERR_CORRUPT,
       0},
      {"too many packed values", 0, 5, {0xff, 0xff, 0xff, 0xff, 0x0f}, 1, FRZ_ERR_CORRUPT, 0},
      {"width 33", 33, 6, {2, 0, 0, 0, 0, 0}, 1, FRZ_ERR_CORRUPT, 0},
      {"nothing", 1, 0, {0}, 1, FRZ_ERR_CORRUPT, 0},
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    print_message("  %s\n", cases[c].name);
    uint32_t back[200];
    frz_rle_decoder decoder;
    frz_rle_decoder_init(&decoder, cases[c].data, cases[c].size, cases[c].width);
    assert_int_equal(frz_rle_decode(&decoder, back, cases[c].n, NULL), cases[c].status);
    if (cases[c].status == FRZ_OK) assert_int_equal(back[cases[c].n - 1], cases[c].last);
  }
}

static const frz_codec all_codecs[] = {
    FRZ_CODEC_NONE, FRZ_CODEC_SNAPPY, FRZ_CODEC_GZIP,    FRZ_CODEC_DEFLATE,
    FRZ_CODEC_ZSTD, FRZ_CODEC_BROTLI, FRZ_CODEC_LZ4_RAW, FRZ_CODEC_LZ4_HADOOP,
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

static const struct {
  const char *name;
  uint64_t crc;
} crc_vectors[] = {{"", 0}, {"123456789", 0xcbf43926}, {"a", 0xe8b7be43}};

static void test_crc32_vectors(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof crc_vectors / sizeof *crc_vectors; i++)
    assert_int_equal(frz_crc32(0, crc_vectors[i].name, strlen(crc_vectors[i].name)),
                     crc_vectors[i].crc);
  uint32_t first = frz_crc32(0, "12345", 5);
  assert_int_equal(frz_crc32(first, "6789", 4), 0xcbf43926);
  assert_int_equal(frz_crc32(first, NULL, 0), first);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_unpack_equals_bit_by_bit),
      cmocka_unit_test(test_unpack_refuses_lengths_that_overflow),
      cmocka_unit_test(test_pack_round_trips),
      cmocka_unit_test(test_pack_specification_example),
      cmocka_unit_test(test_rle_round_trips),
      cmocka_unit_test(test_rle_refuses_every_truncation),
      cmocka_unit_test(test_rle_cases),
      cmocka_unit_test(test_compress_round_trips),
      cmocka_unit_test(test_crc32_vectors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
