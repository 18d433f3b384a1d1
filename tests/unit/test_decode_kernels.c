/*
 * test_decode_kernels.c - fast paths of value decoding against one value at a time, on random input
 * of every length and alignment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arrow/bit_copy.h"
#include "parquet/read/decoder.h"
#include "parquet/read/dictionary_reader.h"
#include "parquet/read/spread_values.h"

enum { N_MAX = 150, WIDTH_MAX = 20 };

static uint32_t next_random(uint32_t *seed)
{
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

static void fill_random(uint8_t *bytes, size_t n, uint32_t *seed)
{
  for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)next_random(seed);
}

/* Blocks of exactly their size, so that the sanitizer sees any access past the end. */
static uint8_t *exact(size_t bytes)
{
  uint8_t *block = malloc(bytes > 0 ? bytes : 1);
  assert_non_null(block);
  return block;
}

static bool bit_of(const uint8_t *bits, int64_t i)
{
  return (bits[i / 8] >> (i & 7) & 1) != 0;
}

/* ---- spreading ---- */

typedef void spread(uint8_t *values, size_t width, const uint8_t *bits, int64_t first,
                    int64_t n_slots, int64_t n_present);

static void check_spread(spread *run, size_t width, int64_t first, int64_t n, unsigned null_share,
                         uint32_t *seed)
{
  size_t bits_bytes = ((size_t)(first + n) + 7) / 8;
  uint8_t *bits = exact(bits_bytes);
  fill_random(bits, bits_bytes, seed);
  uint8_t *values = exact((size_t)n * width);
  uint8_t wanted[N_MAX * WIDTH_MAX] = {0};
  fill_random(values, (size_t)n * width, seed);
  int64_t n_present = 0;
  for (int64_t i = 0; i < n; i++) {
    bool present = next_random(seed) % 100 >= null_share;
    uint8_t *byte = &bits[(first + i) / 8];
    unsigned bit = 1u << ((first + i) & 7);
    *byte = (uint8_t)(present ? *byte | bit : *byte & ~bit);
    if (!present) continue;
    memcpy(wanted + (size_t)i * width, values + (size_t)n_present * width, width);
    n_present++;
  }
  run(values, width, bits, first, n, n_present);
  assert_memory_equal(values, wanted, (size_t)n * width);
  free(values);
  free(bits);
}

static void test_spread(void **state)
{
  (void)state;
  static const size_t widths[] = {1, 2, 3, 4, 8, 12, 16, WIDTH_MAX};
  static const unsigned shares[] = {0, 3, 50, 95, 100};
  uint32_t seed = 1;
  for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++)
    for (int64_t n = 0; n < N_MAX; n += n < 40 ? 1 : 13)
      for (int64_t first = 0; first < 10; first++)
        for (size_t s = 0; s < sizeof shares / sizeof shares[0]; s++) {
          check_spread(frz_spread_fixed, widths[w], first, n, shares[s], &seed);
          check_spread(frz_spread_fixed_portable, widths[w], first, n, shares[s], &seed);
        }
}

/* ---- BYTE_STREAM_SPLIT ---- */

static void check_split(frz_parquet_physical physical, int32_t type_length, size_t n,
                        uint32_t *seed)
{
  frz_decoder decoder;
  frz_decoder_init(&decoder, physical, type_length, frz_alloc_default());
  size_t width = decoder.width;
  uint8_t *page = exact(n * width);
  fill_random(page, n * width, seed);
  assert_int_equal(frz_decoder_open(&decoder, FRZ_PARQUET_BYTE_STREAM_SPLIT, page, n * width, NULL),
                   FRZ_OK);
  for (size_t done = 0; done < n;) {
    size_t piece = 1 + next_random(seed) % (n - done);
    uint8_t *got = exact(piece * width);
    assert_int_equal(frz_decoder_fixed(&decoder, got, piece, NULL), FRZ_OK);
    for (size_t i = 0; i < piece; i++)
      for (size_t k = 0; k < width; k++)
        assert_int_equal(got[i * width + k], page[k * n + done + i]);
    free(got);
    done += piece;
  }
  free(page);
  frz_decoder_dispose(&decoder);
}

static void test_stream_split(void **state)
{
  (void)state;
  uint32_t seed = 2;
  for (size_t n = 1; n < N_MAX; n++) {
    check_split(FRZ_PARQUET_FLOAT, 0, n, &seed);
    check_split(FRZ_PARQUET_DOUBLE, 0, n, &seed);
    check_split(FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY, 2, n, &seed);
    check_split(FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY, 7, n, &seed);
  }
}

/* ---- strings ---- */

/* `n` texts whose lengths are random up to `longest`, one behind the other. */
static int32_t *random_texts(size_t n, size_t longest, frz_buf *bytes, uint32_t *seed)
{
  int32_t *offsets = (int32_t *)(void *)exact((n + 1) * sizeof(int32_t));
  offsets[0] = 0;
  for (size_t i = 0; i < n; i++) {
    uint8_t *at = NULL;
    size_t length = next_random(seed) % (longest + 1);
    assert_int_equal(frz_buf_extend(bytes, length, &at, NULL), FRZ_OK);
    for (size_t k = 0; k < length; k++) at[k] = (uint8_t)('a' + next_random(seed) % 3);
    offsets[i + 1] = (int32_t)bytes->size;
  }
  return offsets;
}

static void assert_texts(const frz_buf *got, const int32_t *ends, size_t first_byte,
                         const frz_buf *wanted, const int32_t *offsets, const uint32_t *numbers,
                         size_t n)
{
  size_t start = first_byte;
  for (size_t i = 0; i < n; i++) {
    size_t number = numbers != NULL ? numbers[i] : i;
    size_t length = (size_t)(offsets[number + 1] - offsets[number]);
    assert_int_equal((size_t)ends[i] - start, length);
    if (length > 0) assert_memory_equal(got->data + start, wanted->data + offsets[number], length);
    start = (size_t)ends[i];
  }
  assert_int_equal(got->size, start);
}

static void check_dictionary(size_t longest, size_t max_bytes, frz_status status, uint32_t *seed)
{
  enum { VALUES = 37, N = 2500 };
  static const uint8_t spare[FRZ_DICTIONARY_SPARE_BYTES] = {0};
  frz_dictionary_reader dictionary;
  frz_dictionary_reader_init(&dictionary, 0, frz_alloc_default());
  int32_t *offsets = random_texts(VALUES, longest, &dictionary.bytes, seed);
  assert_int_equal(frz_buf_append(&dictionary.bytes, spare, sizeof spare, NULL), FRZ_OK);
  assert_int_equal(
      frz_buf_append(&dictionary.offsets, offsets, (VALUES + 1) * sizeof *offsets, NULL), FRZ_OK);
  dictionary.n_values = VALUES;
  dictionary.longest = longest;
  uint32_t numbers[N];
  for (size_t i = 0; i < N; i++) numbers[i] = next_random(seed) % VALUES;
  frz_buf page, bytes;
  frz_buf_init(&page, frz_alloc_default(), 1 << 20);
  frz_buf_init(&bytes, frz_alloc_default(), max_bytes);
  assert_int_equal(frz_buf_append_byte(&page, 6, NULL), FRZ_OK);
  assert_int_equal(frz_rle_encode(&page, numbers, N, 6, NULL), FRZ_OK);
  assert_int_equal(frz_dictionary_reader_open_page(&dictionary, page.data, page.size, NULL),
                   FRZ_OK);
  assert_int_equal(frz_buf_append(&bytes, "in front", 8, NULL), FRZ_OK);
  int32_t ends[N];
  assert_int_equal(frz_dictionary_gather_bytes(&dictionary, ends, &bytes, N, NULL), status);
  if (status == FRZ_OK) assert_texts(&bytes, ends, 8, &dictionary.bytes, offsets, numbers, N);
  frz_buf_dispose(&page);
  frz_buf_dispose(&bytes);
  frz_dictionary_reader_dispose(&dictionary);
  free(offsets);
}

static void test_dictionary_strings(void **state)
{
  (void)state;
  uint32_t seed = 3;
  for (size_t longest = 0; longest < 70; longest++)
    check_dictionary(longest, 1 << 20, FRZ_OK, &seed);
  check_dictionary(16, 5000, FRZ_ERR_LIMIT, &seed);
  check_dictionary(60, 5000, FRZ_ERR_LIMIT, &seed);
}

/* Just the bytes that are needed are allowed: blocks no longer fit behind the last values. */
static void test_dictionary_strings_fill_their_limit(void **state)
{
  (void)state;
  enum { N = 700 };
  static const uint8_t text[5 + FRZ_DICTIONARY_SPARE_BYTES] = "12345";
  static const int32_t offsets[] = {0, 5};
  for (size_t short_by = 0; short_by < 2; short_by++) {
    frz_dictionary_reader dictionary;
    frz_buf bytes;
    int32_t ends[N];
    uint8_t page[] = {0, (N * 2 & 0x7f) | 0x80, N * 2 >> 7};
    frz_dictionary_reader_init(&dictionary, 0, frz_alloc_default());
    frz_buf_init(&bytes, frz_alloc_default(), N * 5 - short_by);
    assert_int_equal(frz_buf_append(&dictionary.bytes, text, sizeof text, NULL), FRZ_OK);
    assert_int_equal(frz_buf_append(&dictionary.offsets, offsets, sizeof offsets, NULL), FRZ_OK);
    dictionary.n_values = 1;
    dictionary.longest = 5;
    assert_int_equal(frz_dictionary_reader_open_page(&dictionary, page, sizeof page, NULL), FRZ_OK);
    assert_int_equal(frz_dictionary_gather_bytes(&dictionary, ends, &bytes, N, NULL),
                     short_by == 0 ? FRZ_OK : FRZ_ERR_LIMIT);
    if (short_by == 0) {
      assert_int_equal(bytes.size, N * 5);
      assert_memory_equal(bytes.data + (N - 1) * 5, text, 5);
    }
    frz_buf_dispose(&bytes);
    frz_dictionary_reader_dispose(&dictionary);
  }
}

/* DELTA_BINARY_PACKED in the simplest way: every difference takes 64 bits. */
static void put_deltas(frz_buf *page, const uint64_t *numbers, size_t n)
{
  enum { BLOCK = 128, MINIS = 4 };
  static const uint8_t widths[] = {0, 64, 64, 64, 64}; /* the least difference is 0 */
  uint64_t header[] = {BLOCK, MINIS, n, n > 0 ? numbers[0] << 1 : 0};
  for (size_t i = 0; i < 4; i++) {
    for (; header[i] >= 0x80; header[i] >>= 7)
      assert_int_equal(frz_buf_append_byte(page, (uint8_t)(header[i] | 0x80), NULL), FRZ_OK);
    assert_int_equal(frz_buf_append_byte(page, (uint8_t)header[i], NULL), FRZ_OK);
  }
  for (size_t at = 1; at < n; at += BLOCK) {
    assert_int_equal(frz_buf_append(page, widths, sizeof widths, NULL), FRZ_OK);
    for (size_t i = at; i < at + BLOCK; i++) {
      if (i >= n && (i - at) % (BLOCK / MINIS) == 0) break;
      uint64_t delta = i < n ? numbers[i] - numbers[i - 1] : 0;
      assert_int_equal(frz_buf_append(page, &delta, sizeof delta, NULL), FRZ_OK);
    }
  }
}

static void check_delta_strings(size_t n, size_t longest, uint32_t *seed)
{
  frz_buf texts, page, suffixes, got;
  frz_buf *all[] = {&texts, &page, &suffixes, &got};
  for (size_t i = 0; i < 4; i++) frz_buf_init(all[i], frz_alloc_default(), 1 << 20);
  int32_t *offsets = random_texts(n, longest, &texts, seed);
  uint64_t prefix_lengths[N_MAX], suffix_lengths[N_MAX];
  for (size_t i = 0; i < n; i++) {
    size_t length = (size_t)(offsets[i + 1] - offsets[i]);
    size_t before = i > 0 ? (size_t)(offsets[i] - offsets[i - 1]) : 0;
    size_t prefix = 0;
    while (prefix < length && prefix < before &&
           texts.data[offsets[i] + (int32_t)prefix] == texts.data[offsets[i - 1] + (int32_t)prefix])
      prefix++;
    prefix_lengths[i] = prefix;
    suffix_lengths[i] = length - prefix;
    if (prefix == length) continue; /* and perhaps no text at all */
    assert_int_equal(
        frz_buf_append(&suffixes, texts.data + offsets[i] + prefix, length - prefix, NULL), FRZ_OK);
  }
  put_deltas(&page, prefix_lengths, n);
  put_deltas(&page, suffix_lengths, n);
  assert_int_equal(frz_buf_append(&page, suffixes.data, suffixes.size, NULL), FRZ_OK);
  uint8_t *data = exact(page.size);
  memcpy(data, page.data, page.size);
  frz_decoder decoder;
  frz_decoder_init(&decoder, FRZ_PARQUET_BYTE_ARRAY, 0, frz_alloc_default());
  assert_int_equal(frz_decoder_open(&decoder, FRZ_PARQUET_DELTA_BYTE_ARRAY, data, page.size, NULL),
                   FRZ_OK);
  int32_t ends[N_MAX];
  for (size_t done = 0; done < n;) {
    size_t piece = 1 + next_random(seed) % (n - done);
    assert_int_equal(frz_decoder_bytes(&decoder, ends + done, &got, piece, NULL), FRZ_OK);
    done += piece;
  }
  assert_texts(&got, ends, 0, &texts, offsets, NULL, n);
  assert_int_equal(frz_decoder_bytes(&decoder, ends, &got, 1, NULL), FRZ_ERR_CORRUPT);
  frz_decoder_dispose(&decoder);
  for (size_t i = 0; i < 4; i++) frz_buf_dispose(all[i]);
  free(offsets);
  free(data);
}

static void test_delta_strings(void **state)
{
  (void)state;
  uint32_t seed = 4;
  for (size_t n = 1; n < N_MAX; n += 7)
    for (size_t longest = 0; longest < 50; longest += 3) check_delta_strings(n, longest, &seed);
}

/* ---- bits ---- */

static void test_bits_are_counted(void **state)
{
  (void)state;
  uint32_t seed = 5;
  for (int64_t n = 0; n < 300; n++)
    for (int64_t at = 0; at < 10; at++) {
      size_t bytes = ((size_t)(at + n) + 7) / 8;
      uint8_t *bits = exact(bytes);
      fill_random(bits, bytes, &seed);
      int64_t wanted = 0;
      for (int64_t i = at; i < at + n; i++) wanted += bit_of(bits, i);
      assert_int_equal(frz_bits_count(bits, at, n), wanted);
      free(bits);
    }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_spread),
      cmocka_unit_test(test_stream_split),
      cmocka_unit_test(test_dictionary_strings),
      cmocka_unit_test(test_dictionary_strings_fill_their_limit),
      cmocka_unit_test(test_delta_strings),
      cmocka_unit_test(test_bits_are_counted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
