/*
 * fuzz_roaring.c - stored position sets.
 *
 * What is accepted must write, read and write again to the same bytes, with as many members; what
 * contains() says and what complement() leaves out must be the same rows.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/roaring.h"

#define REQUIRE(condition)     \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

enum { WINDOW = 300, WRITTEN_MAX = 1 << 26 };

static void same_rows(const frz_roaring *set, int64_t first)
{
  int64_t rows[WINDOW];
  int64_t n = frz_roaring_complement(set, first, WINDOW, rows);
  int64_t k = 0;
  for (int64_t i = 0; i < WINDOW; i++) {
    if (frz_roaring_contains(set, first + i)) continue;
    REQUIRE(k < n && rows[k] == i);
    k++;
  }
  REQUIRE(k == n);
}

static void write_and_read(const frz_roaring *set, frz_roaring **back_out)
{
  frz_buf first, second;
  frz_buf_init(&first, frz_alloc_default(), WRITTEN_MAX);
  frz_buf_init(&second, frz_alloc_default(), WRITTEN_MAX);
  REQUIRE(frz_roaring_write(set, &first, NULL) == FRZ_OK);
  REQUIRE(frz_roaring_parse(frz_alloc_default(), first.data, first.size, back_out, NULL) == FRZ_OK);
  REQUIRE(frz_roaring_cardinality(*back_out) == frz_roaring_cardinality(set));
  REQUIRE(frz_roaring_write(*back_out, &second, NULL) == FRZ_OK);
  REQUIRE(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
  frz_buf_dispose(&first);
  frz_buf_dispose(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_roaring *set = NULL;
  frz_error err = {0};
  frz_status st = frz_roaring_parse(frz_alloc_default(), data, size, &set, &err);
  REQUIRE(st == FRZ_OK || st == FRZ_ERR_CORRUPT);
  REQUIRE((st == FRZ_OK) == (set != NULL) && (st == FRZ_OK) == (err.message[0] == '\0'));
  if (set == NULL) return 0;
  for (int64_t key = 0; key < 5; key++) {
    same_rows(set, key << 16);
    same_rows(set, (key << 16) + 65400);
    same_rows(set, key << 32);
    same_rows(set, (key << 16) + 31 * key * key);
  }
  frz_roaring *back = NULL;
  write_and_read(set, &back);
  int64_t n = frz_roaring_cardinality(set);
  REQUIRE(frz_roaring_merge(back, set, NULL) == FRZ_OK && frz_roaring_cardinality(back) == n);
  for (int64_t i = 0; i < 200; i++) { /* what was read can grow */
    int64_t position = i * 977;
    n += !frz_roaring_contains(set, position);
    REQUIRE(frz_roaring_add(back, position, NULL) == FRZ_OK);
  }
  REQUIRE(frz_roaring_cardinality(back) == n);
  frz_roaring_free(set);
  set = back;
  write_and_read(set, &back);
  frz_roaring_free(set);
  frz_roaring_free(back);
  return 0;
}
