/*
 * test_pit.c - slots and winners against a brute-force reference; times of mixed units.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/map.h"
#include "base/runtime.h"
#include "pit/latest_index.h"
#include "pit/slot_index.h"
#include "pit/slot_winner.h"

enum { ENTITY_ROWS_MAX = 60, FEATURE_ROWS_MAX = 120, ROUNDS = 4000 };

static const frz_time_scale scales[] = {
    {1000000000, false}, {1000000, false}, {1000, false}, {1, false}};

static void test_time_bounds_round_inward(void **state)
{
  (void)state;
  const frz_time_scale us = {1000, false};
  const frz_time_scale ns = {1, false};
  assert_int_equal(frz_time_floor(1999, ns, us), 1);
  assert_int_equal(frz_time_floor(-1, ns, us), -1);
  assert_int_equal(frz_time_floor(-1000, ns, us), -1);
  assert_int_equal(frz_time_floor(INT64_MAX, us, ns), INT64_MAX);
  assert_int_equal(frz_time_floor(INT64_MIN, us, ns), INT64_MIN);
  /* t = 1100 ns with d = 1 us must not admit an event at 0. */
  assert_int_equal(frz_time_ceil_minus(1100, ns, 1, us), 1);
  assert_int_equal(frz_time_ceil_minus(1000, ns, 1, us), 0);
  assert_int_equal(frz_time_ceil_minus(0, us, INT64_MAX, us), -INT64_MAX);
  assert_int_equal(frz_time_ceil_minus(INT64_MIN, us, 5, us), INT64_MIN);
}

/* One random case: everything small, so that ties and duplicates are the rule. */
typedef struct random_case {
  int64_t n_entities, n_features;
  uint64_t entity_hash[ENTITY_ROWS_MAX], feature_hash[FEATURE_ROWS_MAX];
  uint8_t entity_key_present[ENTITY_ROWS_MAX], entity_time_present[ENTITY_ROWS_MAX];
  uint8_t feature_key_present[FEATURE_ROWS_MAX], feature_present[FEATURE_ROWS_MAX];
  int64_t entity_time[ENTITY_ROWS_MAX];
  int64_t event[FEATURE_ROWS_MAX], created[FEATURE_ROWS_MAX], position[FEATURE_ROWS_MAX];
  uint32_t file[FEATURE_ROWS_MAX];
  frz_slot_options options;
} random_case;

static int64_t below(int64_t n)
{
  return rand() % n;
}

static void make_case(random_case *c)
{
  static const int64_t steps[] = {1, 1000, 1000000};
  c->n_entities = below(ENTITY_ROWS_MAX + 1);
  c->n_features = below(FEATURE_ROWS_MAX + 1);
  c->options = (frz_slot_options){.entity_scale = scales[1 + below(3)],
                                  .event_scale = scales[2 + below(2)],
                                  .created_scale = scales[2 + below(2)],
                                  .ttl_us = below(2) ? 0 : below(4000),
                                  .created_cutoff = below(2)};
  int64_t n_keys = 1 + below(6);
  for (int64_t i = 0; i < c->n_entities; i++) {
    c->entity_hash[i] = frz_hash_u64((uint64_t)below(n_keys));
    c->entity_key_present[i] = below(10) != 0;
    c->entity_time_present[i] = below(10) != 0;
    int64_t step = c->options.entity_scale.step_ns;
    c->entity_time[i] = (below(9) * steps[below(3)] * 1000 - 3000000) / step + below(3);
  }
  for (int64_t i = 0; i < c->n_features; i++) {
    c->feature_hash[i] = frz_hash_u64((uint64_t)below(n_keys + 1));
    c->feature_key_present[i] = below(10) != 0;
    c->feature_present[i] = below(10) != 0;
    c->event[i] = (below(9) * steps[below(3)] * 1000 - 3000000) / c->options.event_scale.step_ns;
    c->created[i] = below(5) == 0
                        ? INT64_MIN
                        : (below(9) * 1000000 - 3000000) / c->options.created_scale.step_ns;
    c->position[i] = i;
    c->file[i] = (uint32_t)below(3);
  }
}

/* The contract, word for word, in nanoseconds. Returns the winner's index, or -1. */
static int64_t expected_winner(const random_case *c, int64_t entity)
{
  if (!c->entity_key_present[entity] || !c->entity_time_present[entity]) return -1;
  int64_t t_ns = c->entity_time[entity] * c->options.entity_scale.step_ns;
  int64_t best = -1;
  for (int64_t i = 0; i < c->n_features; i++) {
    if (!c->feature_key_present[i] || !c->feature_present[i]) continue;
    if (c->feature_hash[i] != c->entity_hash[entity]) continue;
    int64_t event_ns = c->event[i] * c->options.event_scale.step_ns;
    if (event_ns > t_ns) continue;
    if (c->options.ttl_us > 0 && event_ns < t_ns - c->options.ttl_us * 1000) continue;
    if (c->options.created_cutoff &&
        (c->created[i] == INT64_MIN || c->created[i] * c->options.created_scale.step_ns > t_ns))
      continue;
    frz_candidate row = {c->event[i], c->created[i], c->position[i], c->file[i], 0};
    frz_candidate held = {.file_rank = FRZ_NO_FILE};
    if (best >= 0)
      held = (frz_candidate){c->event[best], c->created[best], c->position[best], c->file[best], 0};
    if (frz_candidate_beats(&row, &held)) best = i;
  }
  return best;
}

static void offer_all(const random_case *c, frz_slot_index *index, frz_offer_scratch *scratch)
{
  for (int64_t i = 0; i < c->n_features; i++) { /* one by one, as each has a file of its own */
    frz_key_batch keys = {.hashes = (uint64_t *)&c->feature_hash[i],
                          .present = (uint8_t *)&c->feature_key_present[i]};
    frz_offer offer = {.keys = &keys,
                       .event_times = &c->event[i],
                       .created_times = &c->created[i],
                       .present = &c->feature_present[i],
                       .positions = &c->position[i],
                       .file_rank = c->file[i],
                       .n_rows = 1};
    assert_int_equal(frz_slot_index_offer(index, &offer, scratch, NULL), FRZ_OK);
  }
}

static void test_winners_equal_brute_force(void **state)
{
  (void)state;
  frz_context *context;
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  frz_offer_scratch scratch;
  frz_offer_scratch_init(&scratch, frz_alloc_default());
  srand(1);
  int64_t n_won = 0;
  static random_case c;
  for (int round = 0; round < ROUNDS; round++) {
    make_case(&c);
    frz_key_batch keys = {.hashes = c.entity_hash, .present = c.entity_key_present};
    frz_slot_index *index;
    assert_int_equal(frz_slot_index_create(context, &keys, c.entity_time, c.entity_time_present,
                                           c.n_entities, &c.options, &index, NULL),
                     FRZ_OK);
    offer_all(&c, index, &scratch);
    assert_int_equal(frz_slot_index_carry(index, NULL), FRZ_OK);
    for (int64_t i = 0; i < c.n_entities; i++) {
      int64_t expected = expected_winner(&c, i);
      uint32_t slot = frz_slot_index_slot(index, i);
      int64_t got = -1;
      if (slot != FRZ_NO_SLOT) {
        const frz_candidate *winner = frz_slot_index_winner(index, slot);
        if (winner->file_rank != FRZ_NO_FILE) got = winner->position;
      }
      assert_int_equal(got, expected);
      n_won += got >= 0;
    }
    frz_slot_index_free(index);
  }
  assert_true(n_won > ROUNDS); /* the cases do find winners */
  frz_offer_scratch_dispose(&scratch);
  frz_context_free(context);
}

static void test_latest_learns_its_keys(void **state)
{
  (void)state;
  frz_context *context;
  frz_latest_index *index;
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  assert_int_equal(frz_latest_index_create(context, 10, 1000, &index, NULL), FRZ_OK);
  frz_offer_scratch scratch;
  frz_offer_scratch_init(&scratch, frz_alloc_default());
  enum { N = 5000 };
  static uint64_t hashes[N];
  static uint8_t present[N];
  static int64_t events[N], positions[N];
  for (int64_t i = 0; i < N; i++) {
    hashes[i] = frz_hash_u64((uint64_t)(i % 1000));
    present[i] = 1;
    events[i] = i / 1000; /* 0 to 4: below the window, but for a few */
    positions[i] = i;
  }
  for (int64_t key = 0; key < 7; key++) events[3000 + key] = 1000; /* on its upper end */
  events[3007] = 1001;
  frz_key_batch keys = {.hashes = hashes, .present = present};
  frz_offer offer = {.keys = &keys, .event_times = events, .positions = positions, .n_rows = N};
  assert_int_equal(frz_latest_index_offer(index, &offer, &scratch, NULL), FRZ_OK);
  frz_buf rows;
  frz_buf_init(&rows, frz_alloc_default(), SIZE_MAX / 2);
  assert_int_equal(frz_latest_index_rows(index, &rows, NULL), FRZ_OK);
  assert_int_equal(rows.size, 7 * sizeof(frz_row_reference));
  const frz_row_reference *found = (const frz_row_reference *)(void *)rows.data;
  for (int64_t i = 0; i < 7; i++) assert_int_equal(found[i].position, 3000 + i);
  frz_buf_dispose(&rows);
  frz_offer_scratch_dispose(&scratch);
  frz_latest_index_free(index);
  frz_context_free(context);
}

static void test_winners_sort_into_file_order(void **state)
{
  (void)state;
  static const int64_t position_ranges[] = {1, 7, 3000, (int64_t)1 << 40};
  for (int round = 0; round < 200; round++) {
    frz_buf winners;
    frz_buf_init(&winners, frz_alloc_default(), SIZE_MAX / 2);
    int64_t n = below(500);
    int64_t range = position_ranges[round % 4];
    uint64_t slot_sum = 0;
    for (int64_t i = 0; i < n; i++) {
      frz_slot_winner winner = {(int64_t)rand() * 1024 % range, (uint32_t)below(1 + round * 40),
                                (uint32_t)i};
      assert_int_equal(frz_buf_append(&winners, &winner, sizeof winner, NULL), FRZ_OK);
    }
    assert_int_equal(frz_slot_winners_sort(&winners, NULL), FRZ_OK);
    assert_int_equal(winners.size, (size_t)n * sizeof(frz_slot_winner));
    const frz_slot_winner *rows = (const frz_slot_winner *)(void *)winners.data;
    for (int64_t i = 0; i < n; i++) {
      slot_sum += rows[i].slot;
      if (i == 0) continue;
      bool later = rows[i].file_rank > rows[i - 1].file_rank;
      bool equal = rows[i].file_rank == rows[i - 1].file_rank;
      assert_true(later || (equal && rows[i].position >= rows[i - 1].position));
    }
    assert_int_equal(slot_sum, (uint64_t)(n * (n - 1) / 2)); /* every winner is still there */
    frz_buf_dispose(&winners);
  }
}

static frz_column int32_column(const int32_t *values, int64_t n)
{
  frz_arrow_field field = {.type = {.kind = FRZ_ARROW_INT32}};
  frz_column column;
  assert_int_equal(frz_column_init(&column, &field, frz_alloc_default(), NULL), FRZ_OK);
  for (int64_t i = 0; i < n; i++)
    assert_int_equal(frz_column_append_value(&column, &values[i], sizeof values[i], NULL), FRZ_OK);
  return column;
}

static void test_composite_keys_do_not_mix(void **state)
{
  (void)state;
  const int32_t left[] = {1, 11, 1};
  const int32_t right[] = {11, 1, 11};
  frz_column a = int32_column(left, 3);
  frz_column b = int32_column(right, 3);
  const frz_column *columns[] = {&a, &b};
  const frz_key_form forms[] = {FRZ_KEY_INTEGER, FRZ_KEY_INTEGER};
  frz_key_batch keys;
  frz_key_batch_init(&keys, frz_alloc_default());
  assert_int_equal(frz_key_batch_fill(&keys, columns, forms, 2, false, 3, NULL), FRZ_OK);
  assert_false(frz_str_equal(frz_key_batch_bytes(&keys, 0), frz_key_batch_bytes(&keys, 1)));
  assert_true(frz_str_equal(frz_key_batch_bytes(&keys, 0), frz_key_batch_bytes(&keys, 2)));
  assert_true(keys.hashes[0] == keys.hashes[2]);
  frz_key_batch_dispose(&keys);
  frz_column_dispose(&a);
  frz_column_dispose(&b);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_time_bounds_round_inward),
      cmocka_unit_test(test_winners_equal_brute_force),
      cmocka_unit_test(test_latest_learns_its_keys),
      cmocka_unit_test(test_winners_sort_into_file_order),
      cmocka_unit_test(test_composite_keys_do_not_mix),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
