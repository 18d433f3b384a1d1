/*
 * fault_codec.c - refused allocations in compression, packing and position sets.
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
#include "codec/compress.h"
#include "codec/roaring.h"
#include "fault.h"

typedef frz_status (*body)(const frz_alloc *alloc, frz_error *err);

/* Refuses request 1, 2, 3... until a run asks for no more. */
static void run_with_faults(body work)
{
  frz_fault fault = {0};
  for (long n = 1;; n++) {
    frz_error err = {0};
    frz_fault_arm(&fault, n);
    frz_status st = work(&fault.alloc, &err);
    assert_int_equal(fault.live, 0);
    assert_int_equal(fault.live_bytes, 0);
    if (fault.requests < n) {
      assert_int_equal(st, FRZ_OK);
      assert_true(n > 1);
      return;
    }
    assert_int_equal(st, FRZ_ERR_NOMEM);
    assert_int_equal(err.code, FRZ_ERR_NOMEM);
    assert_non_null(strstr(err.message, "out of memory"));
  }
}

enum { CONTENT_BYTES = 200000 };

static void fill(uint8_t *data)
{
  for (size_t i = 0; i < CONTENT_BYTES; i++)
    data[i] = i % 1000 < 500 ? (uint8_t)(i * i >> 7) : (uint8_t)(i / 3000);
}

static frz_status there_and_back(frz_codec codec, const frz_alloc *alloc, frz_error *err)
{
  static uint8_t data[CONTENT_BYTES], back[CONTENT_BYTES];
  fill(data);
  frz_status st = FRZ_OK;
  frz_buf packed, plain;
  frz_buf_init(&packed, alloc, 1 << 24);
  frz_buf_init(&plain, alloc, 1 << 24);
  FRZ_TRY_OUT(frz_compress_append(codec, 0, data, sizeof data, &packed, err));
  FRZ_TRY_OUT(frz_decompress_append(codec, packed.data, packed.size, &plain, err));
  assert_int_equal(plain.size, sizeof data);
  assert_memory_equal(plain.data, data, sizeof data);
  FRZ_TRY_OUT(frz_decompress(codec, packed.data, packed.size, back, sizeof back, err));
  assert_memory_equal(back, data, sizeof data);
out:
  if (packed.data == NULL) assert_int_equal(packed.size, 0);
  frz_buf_dispose(&packed);
  frz_buf_dispose(&plain);
  return st;
}

#define CODEC_BODY(name, codec)                                  \
  static frz_status name(const frz_alloc *alloc, frz_error *err) \
  {                                                              \
    return there_and_back(codec, alloc, err);                    \
  }
CODEC_BODY(work_none, FRZ_CODEC_NONE)
CODEC_BODY(work_snappy, FRZ_CODEC_SNAPPY)
CODEC_BODY(work_gzip, FRZ_CODEC_GZIP)
CODEC_BODY(work_deflate, FRZ_CODEC_DEFLATE)
CODEC_BODY(work_zstd, FRZ_CODEC_ZSTD)
CODEC_BODY(work_brotli, FRZ_CODEC_BROTLI)
CODEC_BODY(work_lz4_raw, FRZ_CODEC_LZ4_RAW)
CODEC_BODY(work_lz4_hadoop, FRZ_CODEC_LZ4_HADOOP)
CODEC_BODY(work_lz4_frame, FRZ_CODEC_LZ4_FRAME)

static void test_compression(void **state)
{
  (void)state;
  static const body bodies[] = {work_none,    work_snappy,     work_gzip,
                                work_deflate, work_zstd,       work_brotli,
                                work_lz4_raw, work_lz4_hadoop, work_lz4_frame};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) run_with_faults(bodies[i]);
}

static frz_status work_packing(const frz_alloc *alloc, frz_error *err)
{
  uint64_t wide[1000];
  uint32_t narrow[1000], back[1000];
  for (size_t i = 0; i < 1000; i++) {
    wide[i] = i;
    narrow[i] = i % 100 < 50 ? 7 : (uint32_t)(i & 1023);
  }
  frz_status st = FRZ_OK;
  frz_buf buf;
  frz_buf_init(&buf, alloc, 1 << 20);
  FRZ_TRY_OUT(frz_bitpack64(&buf, wide, 1000, 10, err));
  size_t size = buf.size;
  st = frz_rle_encode(&buf, narrow, 1000, 10, err);
  if (st != FRZ_OK) assert_int_equal(buf.size, size); /* nothing half written */
  if (st != FRZ_OK) goto out;
  frz_rle_decoder decoder;
  frz_rle_decoder_init(&decoder, buf.data + size, buf.size - size, 10);
  FRZ_TRY_OUT(frz_rle_decode(&decoder, back, 1000, err));
  assert_memory_equal(back, narrow, sizeof back);
out:
  frz_buf_dispose(&buf);
  return st;
}

static void test_packing(void **state)
{
  (void)state;
  run_with_faults(work_packing);
}

/* Adds one position; a refused one leaves the set as it was. */
static frz_status add_checked(frz_roaring *set, int64_t position, frz_error *err)
{
  int64_t before = frz_roaring_cardinality(set);
  frz_status st = frz_roaring_add(set, position, err);
  assert_int_equal(frz_roaring_cardinality(set), before + (st == FRZ_OK));
  assert_int_equal(frz_roaring_contains(set, position), st == FRZ_OK);
  return st;
}

static frz_status fill_set(frz_roaring *set, int64_t base, frz_error *err)
{
  for (int64_t i = 0; i < 6000; i++) FRZ_TRY(add_checked(set, base + i * 3, err));
  for (int64_t i = 0; i < 12; i++) FRZ_TRY(add_checked(set, base + ((20 - i) << 16), err));
  return FRZ_OK;
}

static frz_status work_sets(const frz_alloc *alloc, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_roaring *set = NULL, *other = NULL, *back = NULL;
  frz_buf buf;
  frz_buf_init(&buf, alloc, 1 << 24);
  FRZ_TRY_OUT(frz_roaring_create(alloc, &set, err));
  FRZ_TRY_OUT(fill_set(set, 0, err));
  FRZ_TRY_OUT(frz_roaring_create(alloc, &other, err));
  FRZ_TRY_OUT(fill_set(other, 1, err));
  for (int64_t i = 0; i < 70000; i++) FRZ_TRY_OUT(add_checked(other, (40 << 16) + i, err));
  int64_t before = frz_roaring_cardinality(set);
  st = frz_roaring_merge(set, other, err);
  if (st != FRZ_OK) assert_int_equal(frz_roaring_cardinality(set), before);
  if (st != FRZ_OK) goto out;
  FRZ_TRY_OUT(frz_roaring_write(set, &buf, err));
  FRZ_TRY_OUT(frz_roaring_parse(alloc, buf.data, buf.size, &back, err));
  assert_int_equal(frz_roaring_cardinality(back), frz_roaring_cardinality(set));
  FRZ_TRY_OUT(frz_roaring_merge(back, other, err));
  FRZ_TRY_OUT(add_checked(back, (41 << 16) + 5000, err)); /* out of a list of runs */
out:
  if (buf.data == NULL) assert_int_equal(buf.size, 0);
  frz_buf_dispose(&buf);
  frz_roaring_free(set);
  frz_roaring_free(other);
  frz_roaring_free(back);
  return st;
}

static void test_position_sets(void **state)
{
  (void)state;
  run_with_faults(work_sets);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_compression),
      cmocka_unit_test(test_packing),
      cmocka_unit_test(test_position_sets),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
