/*
 * test_level_kernels.c - loops over levels against one entry at a time: every machine's way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "parquet/read/level_kernels.h"

enum { N_MAX = 330, BITS_BYTES = N_MAX / 8 + 3, ROUNDS = 4000 };

static uint32_t next_random(uint32_t *seed)
{
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

/* A block of exactly this size, so that the sanitizer sees any access past the end. Runs of equal
 * levels of random length, as well as levels at random. */
static uint8_t *random_levels(size_t n, unsigned max, unsigned run_max, uint32_t *seed)
{
  uint8_t *levels = malloc(n > 0 ? n : 1);
  assert_non_null(levels);
  for (size_t i = 0; i < n;) {
    uint8_t level = (uint8_t)(next_random(seed) % (max + 1));
    for (size_t run = 1 + next_random(seed) % run_max; run > 0 && i < n; run--) levels[i++] = level;
  }
  return levels;
}

static size_t lengths[] = {0, 1, 2, 63, 64, 65, 127, 128, 129, 191, 192, 200, 256, 257, N_MAX};

static size_t random_length(uint32_t *seed)
{
  if (next_random(seed) % 2 == 0) return next_random(seed) % (N_MAX + 1);
  return lengths[next_random(seed) % (sizeof lengths / sizeof lengths[0])];
}

static bool is_slot(const frz_level_span *span, size_t i)
{
  return span->def[i] >= span->slot_def && (span->rep == NULL || span->rep[i] <= span->slot_rep);
}

static void check_slots(const frz_level_kernels *kernels, const frz_level_span *span, int64_t at)
{
  int64_t n_slots = 0, n_present = 0, got_slots = -1, got_present = -1;
  uint8_t wanted[BITS_BYTES] = {0}, got[BITS_BYTES] = {0};
  for (int64_t i = 0; i < at; i += 3) { /* what stands in front stays */
    wanted[i / 8] = (uint8_t)(wanted[i / 8] | 1u << (i & 7));
    got[i / 8] = wanted[i / 8];
  }
  for (size_t i = 0; i < span->n; i++) {
    if (!is_slot(span, i)) continue;
    bool present = span->def[i] >= span->present_def;
    int64_t bit = at + n_slots++;
    wanted[bit / 8] = (uint8_t)(wanted[bit / 8] | (unsigned)present << (bit & 7));
    n_present += present;
  }
  kernels->count(span, &got_slots, &got_present);
  assert_int_equal(got_slots, n_slots);
  assert_int_equal(got_present, n_present);
  size_t bytes = ((size_t)(at + n_slots) + 7) / 8;
  uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
  assert_non_null(exact);
  memcpy(exact, got, bytes);
  kernels->slots_to_bits(span, exact, at);
  assert_memory_equal(exact, wanted, bytes);
  free(exact);
}

static void check_rows(const frz_level_kernels *kernels, const uint8_t *rep, size_t n, int64_t rows)
{
  int64_t left = rows;
  size_t i = 0;
  for (; i < n; i++) {
    if (rep[i] != 0) continue;
    if (left == 0) break;
    left--;
  }
  int64_t got_left = rows;
  assert_int_equal(kernels->skip_rows(rep, n, &got_left), i);
  assert_int_equal(got_left, left);
}

/* One entry at a time: how many offsets, or -1 and the entry that is bad. */
static int64_t naive_offsets(const frz_level_span *span, frz_list_levels list, int32_t *offsets,
                             size_t *bad_out)
{
  int64_t n_lists = 0;
  int32_t n_items = 0;
  bool is_open = false;
  for (size_t i = 0; i < span->n; i++) {
    bool is_item = span->def[i] >= list.item_def;
    if (span->rep[i] <= span->slot_rep) {
      is_open = is_item;
      if (span->def[i] >= span->slot_def) offsets[n_lists++] = n_items;
    } else if (span->rep[i] > list.item_rep) {
      continue;
    } else if (!is_item || !is_open) {
      *bad_out = i;
      return -1;
    }
    n_items += is_item;
  }
  offsets[n_lists] = n_items;
  return n_lists;
}

/* `good` counts the spans that are lists, so that not all of them are refused. */
static void check_offsets(const frz_level_kernels *kernels, const frz_level_span *span,
                          frz_list_levels list, size_t *good)
{
  int32_t wanted[N_MAX + 1], got[N_MAX + 1];
  size_t bad = 0, got_bad = 0;
  int64_t n = naive_offsets(span, list, wanted, &bad);
  assert_int_equal(kernels->list_offsets(span, list, got, &got_bad), n >= 0);
  if (n < 0) {
    assert_int_equal(got_bad, bad);
    return;
  }
  assert_memory_equal(got, wanted, (size_t)(n + 1) * sizeof *wanted);
  (*good)++;
}

/* Make the levels those of lists: what goes on has an item, and follows one. */
static void mend(const frz_level_span *span, frz_list_levels list, uint8_t *def, uint8_t *rep)
{
  bool is_open = false;
  for (size_t i = 0; i < span->n; i++) {
    if (rep[i] > span->slot_rep && !is_open) rep[i] = (uint8_t)span->slot_rep;
    if (rep[i] > span->slot_rep && def[i] < list.item_def) def[i] = (uint8_t)list.item_def;
    if (rep[i] <= span->slot_rep) is_open = def[i] >= list.item_def;
  }
}

static void check_kernels(const frz_level_kernels *kernels)
{
  uint32_t seed = 3;
  size_t good = 0;
  for (int round = 0; round < ROUNDS; round++) {
    size_t n = random_length(&seed);
    unsigned run_max = next_random(&seed) % 3 == 0 ? 100 : 3;
    uint8_t *def = random_levels(n, 4, run_max, &seed);
    uint8_t *rep = random_levels(n, 2, run_max, &seed);
    int32_t slot_def = (int32_t)(next_random(&seed) % 3);
    int32_t slot_rep = (int32_t)(next_random(&seed) % 2);
    frz_level_span span = {def, rep, n, slot_def, slot_rep, slot_def + (int32_t)(seed >> 30)};
    frz_list_levels list = {slot_def + 1, slot_rep + 1};
    check_rows(kernels, rep, n, (int64_t)(next_random(&seed) % (N_MAX / 2)));
    check_rows(kernels, rep, n, 0);
    check_slots(kernels, &span, (int64_t)(next_random(&seed) % 10));
    check_offsets(kernels, &span, list, &good);
    mend(&span, list, def, rep);
    size_t before = good;
    check_offsets(kernels, &span, list, &good);
    assert_int_equal(good, before + 1);
    span.rep = NULL;
    check_slots(kernels, &span, (int64_t)(next_random(&seed) % 10));
    free(def);
    free(rep);
  }
}

static void test_portable(void **state)
{
  (void)state;
  check_kernels(frz_level_kernels_portable());
}

static void test_best_of_this_machine(void **state)
{
  (void)state;
  check_kernels(frz_level_kernels_best());
}

/* Levels go up to 255, where one more is no byte. */
static void test_greatest_levels(void **state)
{
  (void)state;
  const frz_level_kernels *all[] = {frz_level_kernels_portable(), frz_level_kernels_best()};
  uint8_t def[70], rep[70];
  memset(def, 255, sizeof def);
  memset(rep, 255, sizeof rep);
  rep[0] = 0;
  for (size_t i = 0; i < 2; i++) {
    frz_level_span span = {def, rep, sizeof def, 255, 255, 255};
    check_slots(all[i], &span, 5);
    size_t good = 0;
    span.slot_def = span.slot_rep = 254;
    check_offsets(all[i], &span, (frz_list_levels){255, 255}, &good);
    assert_int_equal(good, 1);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_portable),
      cmocka_unit_test(test_best_of_this_machine),
      cmocka_unit_test(test_greatest_levels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
