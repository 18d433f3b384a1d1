/*
 * test_codec.c - bit packing, the hybrid of runs, checksums and hashes.
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
#include "codec/bitpack_kernels.h"
#include "codec/checksum.h"

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
      if (width >= 1 && width <= 63) {
        memset(wide, 0, n * sizeof *wide);
        frz_bitunpack64_portable(exact, size, width, wide, n);
        for (size_t i = 0; i < n; i++) assert_int_equal(wide[i], bit_by_bit(src, width, i));
      }
      if (width >= 1 && width <= 31) {
        frz_bitunpack32_portable(exact, size, width, narrow, n);
        for (size_t i = 0; i < n; i++) assert_int_equal(narrow[i], bit_by_bit(src, width, i));
      }
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

/* RFC 1952, section 8, a bit at a time. */
static uint32_t plain_crc32(uint32_t crc, const uint8_t *bytes, size_t size)
{
  crc = ~crc;
  for (size_t i = 0; i < size; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ ((crc & 1) != 0 ? UINT32_C(0xedb88320) : 0);
  }
  return ~crc;
}

/* Every length around the block sizes, at every alignment, chained or not. */
static void test_crc32_equals_its_definition(void **state)
{
  (void)state;
  uint8_t bytes[700];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 167 + i / 7);
  for (size_t start = 0; start < 17; start++)
    for (size_t size = 1; start + size <= sizeof bytes; size++) {
      uint32_t crc = size % 3 == 0 ? 0 : (uint32_t)(size * 2654435761u);
      assert_int_equal(frz_crc32(crc, bytes + start, size), plain_crc32(crc, bytes + start, size));
    }
}

/* Values of the xxHash reference implementation, seed 0. */
static void test_xxh64_vectors(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    uint64_t hash;
  } cases[] = {
      {"", UINT64_C(0xef46db3751d8e999)},
      {"a", UINT64_C(0xd24ec4f1a98c6e5b)},
      {"as", UINT64_C(0x1c330fb2d66be179)},
      {"asd", UINT64_C(0x631c37ce72a97393)},
      {"asdf", UINT64_C(0x415872f599cea71e)},
      {"Call me Ishmael. Some years ago--never mind how long precisely-",
       UINT64_C(0x02a2e85470d6fd96)},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t size = strlen(cases[i].text);
    uint8_t *exact = exact_copy(cases[i].text, size);
    assert_true(frz_xxh64(exact, size, 0) == cases[i].hash);
    free(exact);
  }
}

static uint32_t murmur_of_long(int64_t value)
{
  return frz_murmur3_32(&value, sizeof value, 0);
}

/* The Iceberg specification, appendix B: 32-bit hash values. */
static void test_murmur3_specification_values(void **state)
{
  (void)state;
  double one = 1.0, zero = 0.0;
  assert_int_equal(murmur_of_long(1), 1392991556);
  assert_int_equal(murmur_of_long(34), 2017239379);
  assert_int_equal((int32_t)murmur_of_long(17486), -653330422);
  assert_int_equal((int32_t)murmur_of_long(INT64_C(81068000000)), -662762989);
  assert_int_equal((int32_t)murmur_of_long(INT64_C(1510871468000000)), -2047944441);
  assert_int_equal((int32_t)murmur_of_long(INT64_C(1510871468000001)), -1207196810);
  assert_int_equal((int32_t)frz_murmur3_32(&one, 8, 0), -142385009);
  assert_int_equal(frz_murmur3_32(&zero, 8, 0), 1669671676);
  assert_int_equal((int32_t)frz_murmur3_32("\x05\x8c", 2, 0), -500754589);
  assert_int_equal(frz_murmur3_32("iceberg", 7, 0), 1210000089);
  assert_int_equal((int32_t)frz_murmur3_32("\0\1\2\3", 4, 0), -188683207);
  assert_int_equal(frz_murmur3_32("\xf7\x9c\x3e\x09\x67\x7c\x4b\xbd\xa4\x79\x3f\x34\x9c\xb7\x85"
                                  "\xe7",
                                  16, 0),
                   1488055340);
  assert_int_equal(frz_murmur3_32("", 0, 0), 0);
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
      cmocka_unit_test(test_crc32_vectors),
      cmocka_unit_test(test_crc32_equals_its_definition),
      cmocka_unit_test(test_xxh64_vectors),
      cmocka_unit_test(test_murmur3_specification_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
