/*
 * test_roaring.c - position sets: against a plain reference, files of others, bad input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/endian.h"
#include "codec/roaring.h"
#include "test_files.h"

static uint64_t next_random(uint64_t *state)
{
  *state += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t z = *state;
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static frz_roaring *new_set(void)
{
  frz_roaring *set = NULL;
  assert_int_equal(frz_roaring_create(frz_alloc_default(), &set, NULL), FRZ_OK);
  return set;
}

static void add(frz_roaring *set, int64_t position)
{
  assert_int_equal(frz_roaring_add(set, position, NULL), FRZ_OK);
}

static frz_roaring *parse(const uint8_t *data, size_t size)
{
  frz_roaring *set = NULL;
  frz_error err = {0};
  uint8_t *exact = malloc(size != 0 ? size : 1);
  memcpy(exact, data, size);
  frz_status st = frz_roaring_parse(frz_alloc_default(), exact, size, &set, &err);
  free(exact);
  if (st != FRZ_OK) fail_msg("%s", err.message);
  return set;
}

static frz_buf written(const frz_roaring *set)
{
  frz_buf buf;
  frz_buf_init(&buf, frz_alloc_default(), 1 << 26);
  assert_int_equal(frz_roaring_write(set, &buf, NULL), FRZ_OK);
  return buf;
}

/* A window of positions as bytes: the reference. */
enum { WINDOW = 400000 };
typedef struct reference {
  int64_t base;
  int64_t n_members;
  uint8_t member[WINDOW];
} reference;

static void assert_complement(const frz_roaring *set, const reference *ref, int64_t from, int64_t n)
{
  int64_t *rows = malloc(((size_t)n + 1) * sizeof *rows);
  rows[n] = -7;
  int64_t n_rows = frz_roaring_complement(set, ref->base + from, n, rows);
  int64_t k = 0;
  for (int64_t i = 0; i < n; i++) {
    if (ref->member[from + i]) continue;
    assert_true(k < n_rows);
    assert_int_equal(rows[k], i);
    k++;
  }
  assert_int_equal(k, n_rows);
  assert_int_equal(rows[n], -7);
  free(rows);
}

/* Members one chunk after the other, as a writer asks for them. */
static void assert_members(const frz_roaring *set, const reference *ref, int64_t chunk)
{
  int64_t *found = malloc(((size_t)chunk + 1) * sizeof *found);
  int64_t from = 0, i = 0;
  for (int64_t n = chunk; n == chunk;) {
    found[chunk] = -7;
    n = frz_roaring_members(set, from, chunk, found);
    for (int64_t k = 0; k < n; k++, i++) {
      while (!ref->member[i]) i++;
      assert_int_equal(found[k], ref->base + i);
    }
    assert_int_equal(found[chunk], -7);
    if (n != 0) from = found[n - 1] + 1;
  }
  while (i < WINDOW) assert_false(ref->member[i++]);
  assert_int_equal(frz_roaring_members(set, 0, 0, found), 0);
  free(found);
}

static void assert_same(const frz_roaring *set, const reference *ref, uint64_t *seed)
{
  assert_int_equal(frz_roaring_cardinality(set), ref->n_members);
  for (int64_t i = 0; i < WINDOW; i++)
    assert_int_equal(frz_roaring_contains(set, ref->base + i), ref->member[i]);
  assert_complement(set, ref, 0, WINDOW);
  assert_complement(set, ref, 0, 0);
  assert_members(set, ref, 1009);
  assert_members(set, ref, WINDOW + 1);
  for (int i = 0; i < 200; i++) {
    int64_t from = (int64_t)(next_random(seed) % WINDOW);
    int64_t n = (int64_t)(next_random(seed) % 3000);
    assert_complement(set, ref, from, n < WINDOW - from ? n : WINDOW - from);
  }
}

/* Members by pattern: sparse, dense, runs, alternating, all of a container, mixed. */
static bool is_member(unsigned pattern, int64_t i, uint64_t r)
{
  switch (pattern) {
  case 0: return r % 1000 == 0;
  case 1: return r % 3 != 0;
  case 2: return i / 5000 % 2 == 0;
  case 3: return i % 2 == 0;
  case 4: return i >= 65536 && i < 3 * 65536;
  default:
    return i / 65536 % 3 == 0 ? r % 50 == 0 : i / 65536 % 3 == 1 ? r % 2 == 0 : i % 9999 < 9000;
  }
}
enum { N_PATTERNS = 6 };

static void fill(reference *ref, unsigned pattern, int64_t base, uint64_t *seed)
{
  ref->base = base;
  ref->n_members = 0;
  for (int64_t i = 0; i < WINDOW; i++) {
    ref->member[i] = is_member(pattern, i, next_random(seed));
    ref->n_members += ref->member[i];
  }
}

static const int64_t bases[] = {0, 1000, (INT64_C(1) << 32) - 100000, INT64_C(1) << 47,
                                INT64_MAX - WINDOW};

static void test_sets_equal_the_reference(void **state)
{
  (void)state;
  uint64_t seed = 1;
  reference *ref = malloc(sizeof *ref);
  for (unsigned pattern = 0; pattern < N_PATTERNS; pattern++) {
    int64_t base = bases[pattern % (sizeof bases / sizeof *bases)];
    fill(ref, pattern, base, &seed);
    frz_roaring *set = new_set();
    for (int64_t i = 0; i < WINDOW; i++)
      if (ref->member[i]) add(set, base + i);
    assert_same(set, ref, &seed);
    frz_buf buf = written(set);
    frz_roaring *back = parse(buf.data, buf.size);
    assert_same(back, ref, &seed);
    frz_buf again = written(back); /* the same set has one form */
    assert_int_equal(again.size, buf.size);
    assert_memory_equal(again.data, buf.data, buf.size);
    for (int64_t i = 0; i < WINDOW; i += 3) { /* what was read can grow */
      add(back, base + i);
      ref->n_members += !ref->member[i];
      ref->member[i] = 1;
    }
    assert_same(back, ref, &seed);
    frz_buf_dispose(&again);
    frz_buf_dispose(&buf);
    frz_roaring_free(back);
    frz_roaring_free(set);
  }
  free(ref);
}

static void test_any_order_and_repeats(void **state)
{
  (void)state;
  uint64_t seed = 2;
  reference *ref = calloc(1, sizeof *ref);
  frz_roaring *set = new_set();
  for (int i = 0; i < 60000; i++) {
    int64_t at = (int64_t)(next_random(&seed) % WINDOW);
    if (at < 65536) at %= 7000; /* one container fills past the bound of an array */
    add(set, at);
    ref->n_members += !ref->member[at];
    ref->member[at] = 1;
  }
  for (int64_t at = 399999; at > 390000; at--) { /* descending */
    add(set, at);
    ref->n_members += !ref->member[at];
    ref->member[at] = 1;
  }
  assert_same(set, ref, &seed);
  frz_roaring_free(set);
  free(ref);
}

static void test_merge_equals_the_union(void **state)
{
  (void)state;
  uint64_t seed = 3;
  reference *a = malloc(sizeof *a), *b = malloc(sizeof *b);
  for (unsigned p = 0; p < N_PATTERNS; p++) {
    for (unsigned q = 0; q < N_PATTERNS; q++) {
      fill(a, p, 1000, &seed);
      fill(b, q, 1000, &seed);
      frz_roaring *left = new_set(), *right = new_set();
      for (int64_t i = 0; i < WINDOW; i++) {
        if (a->member[i] && i < 300000) add(left, 1000 + i);
        if (b->member[i] && i > 100000) add(right, 1000 + i);
      }
      if (q % 2 == 0) { /* as read from a file, with runs */
        frz_buf buf = written(right);
        frz_roaring_free(right);
        right = parse(buf.data, buf.size);
        frz_buf_dispose(&buf);
      }
      int64_t n_right = frz_roaring_cardinality(right);
      assert_int_equal(frz_roaring_merge(left, right, NULL), FRZ_OK);
      assert_int_equal(frz_roaring_cardinality(right), n_right);
      a->n_members = 0;
      for (int64_t i = 0; i < WINDOW; i++) {
        a->member[i] = (a->member[i] && i < 300000) || (b->member[i] && i > 100000);
        a->n_members += a->member[i];
      }
      assert_same(left, a, &seed);
      assert_int_equal(frz_roaring_merge(left, left, NULL), FRZ_OK); /* with itself: no change */
      assert_int_equal(frz_roaring_cardinality(left), a->n_members);
      frz_roaring_free(left);
      frz_roaring_free(right);
    }
  }
  free(a);
  free(b);
}

static void test_edges(void **state)
{
  (void)state;
  frz_roaring *set = new_set();
  assert_false(frz_roaring_contains(set, 0));
  frz_error err = {0};
  assert_int_equal(frz_roaring_add(set, -1, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "-1"));
  add(set, 0);
  add(set, INT64_MAX);
  assert_true(frz_roaring_contains(set, INT64_MAX));
  assert_false(frz_roaring_contains(set, -1));
  assert_false(frz_roaring_contains(set, INT64_MIN));
  int64_t rows[4];
  assert_int_equal(frz_roaring_complement(set, INT64_MAX - 2, 2, rows), 2);
  frz_buf buf = written(set);
  frz_roaring *back = parse(buf.data, buf.size);
  assert_int_equal(frz_roaring_cardinality(back), 2);
  assert_true(frz_roaring_contains(back, INT64_MAX));
  frz_roaring_free(back);
  frz_buf_dispose(&buf);
  frz_roaring_free(set);
  frz_roaring_free(NULL);
}

/* ---- files of others ---- */

static uint8_t *fixture(const char *name, size_t *size_out)
{
  char folder[4096], path[5000];
  if (!frz_test_fixtures(folder)) return NULL;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  uint8_t *data = frz_test_read(path, size_out);
  if (data == NULL) printf("skipped: no %s\n", path);
  return data;
}

/* Every truncation is refused; so is every file with a byte more. */
static void assert_truncations_refused(const uint8_t *data, size_t size)
{
  size_t step = size > 20000 ? size / 5000 : 1;
  for (size_t cut = 0; cut < size; cut += cut < 2000 ? 1 : step) {
    uint8_t *exact = malloc(cut != 0 ? cut : 1);
    memcpy(exact, data, cut);
    frz_roaring *set = NULL;
    frz_error err = {0};
    assert_int_equal(frz_roaring_parse(frz_alloc_default(), exact, cut, &set, &err),
                     FRZ_ERR_CORRUPT);
    assert_null(set);
    assert_non_null(strstr(err.message, "position set"));
    free(exact);
  }
  uint8_t *longer = malloc(size + 1);
  memcpy(longer, data, size);
  longer[size] = 0;
  frz_roaring *set = NULL;
  assert_int_equal(frz_roaring_parse(frz_alloc_default(), longer, size + 1, &set, NULL),
                   FRZ_ERR_CORRUPT);
  free(longer);
}

static void assert_rewrites_to_itself(const frz_roaring *set, const uint8_t *data, size_t size)
{
  frz_buf buf = written(set);
  assert_int_equal(buf.size, size);
  assert_memory_equal(buf.data, data, size);
  frz_buf_dispose(&buf);
}

/* Under the keys 0 and 1 the same four containers: runs, two arrays, a bitmap. */
static bool in_portable_file(int64_t i)
{
  if (i <= 65535) return i <= 36864 || i >= 40960;
  if (i == 65536 || i == 131072 || i == 131077) return true;
  return i >= 8 * 65536 && i < 9 * 65536 && i % 2 == 0;
}

static void test_portable_64_bit_file(void **state)
{
  (void)state;
  size_t size;
  uint8_t *data = fixture("roaring/testdata64/portable_bitmap64.bin", &size);
  if (data == NULL) return;
  frz_roaring *set = parse(data, size);
  assert_int_equal(frz_roaring_cardinality(set), 188424);
  for (int64_t high = 0; high < 3; high++)
    for (int64_t i = 0; i < 10 * 65536; i++)
      assert_int_equal(frz_roaring_contains(set, (high << 32) + i),
                       high < 2 && in_portable_file(i));
  assert_rewrites_to_itself(set, data, size);
  assert_truncations_refused(data, size);
  frz_roaring_free(set);
  free(data);
}

static void test_32_bit_files(void **state)
{
  (void)state;
  static const char *const names[] = {"roaring/testdata/bitmapwithruns.bin",
                                      "roaring/testdata/bitmapwithoutruns.bin"};
  for (size_t f = 0; f < 2; f++) {
    size_t size;
    uint8_t *map = fixture(names[f], &size);
    if (map == NULL) return;
    uint8_t *data = malloc(size + 12); /* one map under the key 0 */
    frz_store_u64le(data, 1);
    frz_store_u32le(data + 8, 0);
    memcpy(data + 12, map, size);
    frz_roaring *set = parse(data, size + 12);
    assert_int_equal(frz_roaring_cardinality(set), 100 + 100000 + 100000);
    for (int64_t i = 0; i < 1000000; i++) {
      bool expected = i < 100000   ? i % 1000 == 0
                      : i < 300000 ? false
                      : i < 600000 ? i % 3 == 0
                                   : i >= 700000 && i < 800000;
      assert_int_equal(frz_roaring_contains(set, i), expected);
    }
    if (f == 0) assert_rewrites_to_itself(set, data, size + 12);
    assert_truncations_refused(data, size + 12);
    frz_roaring_free(set);
    free(data);
    free(map);
  }
}

static void test_raw_iceberg_maps(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    int64_t n_keys; /* the values 0 to 9 under each of these; -1: to be refused */
  } cases[] = {
      {"iceberg/deletes/64mapempty.bin", 0},
      {"iceberg/deletes/64map32bitvals.bin", 1},
      {"iceberg/deletes/64mapspreadvals.bin", 10},
      {"iceberg/deletes/64maphighvals.bin", -1}, /* its bytes went through a text conversion */
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    size_t size;
    uint8_t *data = fixture(cases[c].name, &size);
    if (data == NULL) return;
    if (cases[c].n_keys < 0) {
      frz_roaring *none = NULL;
      assert_int_equal(frz_roaring_parse(frz_alloc_default(), data, size, &none, NULL),
                       FRZ_ERR_CORRUPT);
      assert_null(none);
      free(data);
      continue;
    }
    frz_roaring *set = parse(data, size);
    assert_int_equal(frz_roaring_cardinality(set), cases[c].n_keys * 10);
    for (int64_t high = 0; high <= cases[c].n_keys; high++)
      for (int64_t i = 0; i < 12; i++)
        assert_int_equal(frz_roaring_contains(set, (high << 32) + i),
                         high < cases[c].n_keys && i < 10);
    assert_truncations_refused(data, size);
    frz_roaring_free(set);
    free(data);
  }
}

/* Inside the blob's frame: length and magic in front, a CRC behind. */
static void test_iceberg_deletion_vectors(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    int64_t n;
    int64_t members[6]; /* some of them */
    int64_t absent[3];
  } cases[] = {
      {"iceberg/deletes/empty-position-index.bin", 0, {-1}, {0, 1, 2}},
      {"iceberg/deletes/small-alternating-values-position-index.bin",
       5,
       {1, 3, 5, 7, 9, -1},
       {0, 2, 4}},
      {"iceberg/deletes/small-and-large-values-position-index.bin",
       4,
       {100, 101, INT64_C(2147483747), INT64_C(2147483748), -1},
       {0, 102, INT64_C(2147483749)}},
      {"iceberg/deletes/all-container-types-position-index.bin", 132561, {5, 7, -1}, {4, 6, 8}},
  };
  for (size_t f = 0; f < sizeof cases / sizeof *cases; f++) {
    size_t size;
    uint8_t *data = fixture(cases[f].name, &size);
    if (data == NULL) return;
    assert_true(size > 12);
    print_message("  %s\n", cases[f].name);
    frz_roaring *set = parse(data + 8, size - 12);
    assert_int_equal(frz_roaring_cardinality(set), cases[f].n);
    for (size_t i = 0; cases[f].members[i] >= 0; i++)
      assert_true(frz_roaring_contains(set, cases[f].members[i]));
    for (size_t i = 0; i < 3; i++) assert_false(frz_roaring_contains(set, cases[f].absent[i]));
    assert_rewrites_to_itself(set, data + 8, size - 12);
    assert_truncations_refused(data + 8, size - 12);
    frz_roaring_free(set);
    free(data);
  }
}

/* ---- made by hand: each breaks one rule ---- */

typedef struct bytes {
  size_t size;
  uint8_t data[64];
} bytes;

#define PLAIN 0x3a, 0x30, 0, 0
#define RUNS(n) 0x3b, 0x30, (n)-1, 0
#define ONE_MAP 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0

static void test_each_rule_is_checked(void **state)
{
  (void)state;
  static const struct {
    const char *why; /* a part of the message; NULL: accepted */
    bytes input;
  } cases[] = {
      {NULL, {30, {ONE_MAP, PLAIN, 1, 0, 0, 0, 5, 0, 0, 0, 16, 0, 0, 0, 9, 0}}},
      {NULL, {20, {ONE_MAP, PLAIN, 0, 0, 0, 0}}},
      {NULL, {27, {ONE_MAP, RUNS(1), 1, 5, 0, 2, 0, 1, 0, 7, 0, 2, 0}}},
      {NULL, {31, {ONE_MAP, RUNS(1), 1, 5, 0, 2, 0, 2, 0, 7, 0, 1, 0, 9, 0, 0, 0}}},
      {"maps in", {8, {255, 255, 255, 255, 255, 255, 255, 255}}},
      {"maps in", {20, {2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, PLAIN, 0, 0, 0, 0}}},
      {"cookie", {20, {ONE_MAP, 0x39, 0x30, 0, 0, 0, 0, 0, 0}}},
      {"cookie", {20, {ONE_MAP, 0x3a, 0x30, 1, 0, 0, 0, 0, 0}}},
      {"more than 65536", {20, {ONE_MAP, PLAIN, 1, 0, 1, 0}}},
      {"list of containers", {20, {ONE_MAP, PLAIN, 1, 0, 0, 0}}},
      {"list of offsets", {24, {ONE_MAP, PLAIN, 1, 0, 0, 0, 5, 0, 0, 0}}},
      {"run flags", {20, {ONE_MAP, RUNS(40)}}},
      {"bytes behind", {21, {ONE_MAP, PLAIN, 0, 0, 0, 0, 0}}},
      {"negative", {20, {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, PLAIN, 0, 0, 0, 0}}},
      {"map keys",
       {32, {2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, PLAIN, 0, 0, 0, 0, 7, 0, 0, 0, PLAIN, 0}}},
      {"offset", {30, {ONE_MAP, PLAIN, 1, 0, 0, 0, 5, 0, 0, 0, 17, 0, 0, 0, 9, 0}}},
      {"value 9 follows 9",
       {32, {ONE_MAP, PLAIN, 1, 0, 0, 0, 5, 0, 1, 0, 16, 0, 0, 0, 9, 0, 9, 0}}},
      {"value 8 follows 9",
       {32, {ONE_MAP, PLAIN, 1, 0, 0, 0, 5, 0, 1, 0, 16, 0, 0, 0, 9, 0, 8, 0}}},
      {"keys do not ascend",
       {40, {ONE_MAP, PLAIN, 2, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0, 24, 0, 0, 0, 26, 0, 0, 0, 9}}},
      {"ends in a container", {40, {ONE_MAP, PLAIN, 1, 0, 0, 0, 5, 0, 255, 255, 16}}},
      {"no runs", {23, {ONE_MAP, RUNS(1), 1, 5, 0, 2, 0, 0, 0}}},
      {"3 values, 4 announced", {27, {ONE_MAP, RUNS(1), 1, 5, 0, 3, 0, 1, 0, 7, 0, 2, 0}}},
      {"runs before", {27, {ONE_MAP, RUNS(1), 1, 5, 0, 2, 0, 1, 0, 255, 255, 2, 0}}},
      {"runs before", {31, {ONE_MAP, RUNS(1), 1, 5, 0, 2, 0, 2, 0, 7, 0, 1, 0, 8, 0, 0, 0}}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    frz_error err = {0};
    frz_roaring *set = NULL;
    frz_status st = frz_roaring_parse(frz_alloc_default(), cases[i].input.data, cases[i].input.size,
                                      &set, &err);
    print_message("  %zu: %s\n", i, err.message);
    assert_int_equal(st, cases[i].why == NULL ? FRZ_OK : FRZ_ERR_CORRUPT);
    if (cases[i].why != NULL) assert_non_null(strstr(err.message, cases[i].why));
    frz_roaring_free(set);
  }
}

/* A bitmap whose count is a lie: what made others write past their buffer. */
static void test_bitmap_count_is_recounted(void **state)
{
  (void)state;
  static uint8_t data[28 + 8192] = {ONE_MAP, PLAIN, 1, 0, 0, 0, 5, 0, 255, 255, 16, 0, 0, 0};
  memset(data + 28, 0xff, 8192);
  frz_roaring *set = parse(data, sizeof data);
  assert_int_equal(frz_roaring_cardinality(set), 65536);
  frz_roaring_free(set);
  set = NULL;
  data[5000] = 0xfe;
  frz_error err = {0};
  assert_int_equal(frz_roaring_parse(frz_alloc_default(), data, sizeof data, &set, &err),
                   FRZ_ERR_CORRUPT);
  assert_non_null(strstr(err.message, "65535 values, 65536 announced"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sets_equal_the_reference),
      cmocka_unit_test(test_any_order_and_repeats),
      cmocka_unit_test(test_merge_equals_the_union),
      cmocka_unit_test(test_edges),
      cmocka_unit_test(test_portable_64_bit_file),
      cmocka_unit_test(test_32_bit_files),
      cmocka_unit_test(test_raw_iceberg_maps),
      cmocka_unit_test(test_iceberg_deletion_vectors),
      cmocka_unit_test(test_each_rule_is_checked),
      cmocka_unit_test(test_bitmap_count_is_recounted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
