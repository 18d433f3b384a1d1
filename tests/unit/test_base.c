/*
 * test_base.c - memory, text, maps and threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/map.h"
#include "base/runtime.h"

static void test_map_keeps_every_key(void **state)
{
  (void)state;
  frz_map map;
  frz_map_init(&map, frz_alloc_default(), 1 << 20);
  for (uint64_t i = 0; i < 1000; i++) {
    bool inserted;
    assert_int_equal(
        frz_map_insert(&map, (frz_str){(char *)&i, sizeof i}, i * 3, NULL, &inserted, NULL),
        FRZ_OK);
    assert_true(inserted);
  }
  for (uint64_t i = 0; i < 1000; i++) {
    uint64_t *value = frz_map_find(&map, (frz_str){(char *)&i, sizeof i});
    assert_non_null(value);
    assert_int_equal(*value, i * 3);
  }
  assert_null(frz_map_find(&map, FRZ_STR("absent")));
  frz_map_dispose(&map);
}

typedef struct tally {
  frz_context *context;
  _Atomic size_t sum;
} tally;

static frz_status add_one(void *arg, size_t i, frz_error *err)
{
  (void)err;
  ((tally *)arg)->sum += i;
  return FRZ_OK;
}

static frz_status add_nested(void *arg, size_t i, frz_error *err)
{
  (void)i;
  return frz_parallel_for(((tally *)arg)->context, 10, add_one, arg, err);
}

static void test_parallel_for_nests_without_deadlock(void **state)
{
  (void)state;
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = 2;
  tally count = {0};
  assert_int_equal(frz_context_create(&options, &count.context, NULL), FRZ_OK);
  for (int round = 0; round < 200; round++) {
    count.sum = 0;
    assert_int_equal(frz_parallel_for(count.context, 20, add_nested, &count, NULL), FRZ_OK);
    assert_int_equal(count.sum, 20 * 45);
  }
  frz_context_free(count.context);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_map_keeps_every_key),
      cmocka_unit_test(test_parallel_for_nests_without_deadlock),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
