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
#include "pit/slot_table.h"
#include "pit/slot_winner.h"

enum { ENTITY_ROWS_MAX = 60, FEATURE_ROWS_MAX = 120, ROUNDS = 4000, N_FILES = 3, N_LANES = 3 };

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
  int64_t entity_key[ENTITY_ROWS_MAX], feature_key[FEATURE_ROWS_MAX];
  uint64_t entity_hash[ENTITY_ROWS_MAX], feature_hash[FEATURE_ROWS_MAX];
  bool has_bytes;   /* keys of different bytes may have one hash then */
  int64_t key_step; /* between keys that are integers: large ones lie too far apart to be numbers */
  int64_t first_position;
  uint8_t entity_key_present[ENTITY_ROWS_MAX], entity_time_present[ENTITY_ROWS_MAX];
  uint8_t feature_key_present[FEATURE_ROWS_MAX], feature_present[FEATURE_ROWS_MAX];
  int64_t entity_time[ENTITY_ROWS_MAX];
  int64_t event[FEATURE_ROWS_MAX], created[FEATURE_ROWS_MAX], position[FEATURE_ROWS_MAX];
  int64_t sequence[FEATURE_ROWS_MAX];
  uint32_t file[FEATURE_ROWS_MAX];
  bool has_sequences;
  frz_slot_options options;
} random_case;

static int64_t below(int64_t n)
{
  return rand() % n;
}

static uint64_t hash_of(const random_case *c, int64_t key)
{
  return frz_hash_u64((uint64_t)(c->has_bytes ? key % 2 : key * c->key_step));
}

/* The bytes of a key: "", "0", "01", "012"... */
enum { KEY_BYTES_MAX = 8 };

static void spell_keys(const int64_t *keys, int64_t n, uint8_t *bytes, int32_t *offsets)
{
  offsets[0] = 0;
  for (int64_t i = 0; i < n; i++) {
    for (int64_t k = 0; k < keys[i]; k++) bytes[offsets[i] + k] = (uint8_t)('0' + k);
    offsets[i + 1] = offsets[i] + (int32_t)keys[i];
  }
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
  c->has_bytes = below(2);
  c->key_step = below(2) ? 1 : INT64_MAX / 7;
  c->options.integer_keys = !c->has_bytes && below(2);
  c->first_position = below(10) == 0 ? FRZ_SWEPT_POSITION_MAX - 60 : 0;
  for (int64_t i = 0; i < c->n_entities; i++) {
    c->entity_key[i] = below(n_keys);
    c->entity_hash[i] = hash_of(c, c->entity_key[i]);
    c->entity_key_present[i] = below(10) != 0;
    c->entity_time_present[i] = below(10) != 0;
    int64_t step = c->options.entity_scale.step_ns;
    c->entity_time[i] = (below(9) * steps[below(3)] * 1000 - 3000000) / step + below(3);
  }
  for (int64_t i = 0; i < c->n_features; i++) {
    c->feature_key[i] = below(n_keys + 1);
    c->feature_hash[i] = hash_of(c, c->feature_key[i]);
    c->feature_key_present[i] = below(10) != 0;
    c->feature_present[i] = below(10) != 0;
    c->event[i] = (below(9) * steps[below(3)] * 1000 - 3000000) / c->options.event_scale.step_ns;
    c->created[i] = below(5) == 0
                        ? INT64_MIN
                        : (below(9) * 1000000 - 3000000) / c->options.created_scale.step_ns;
    c->position[i] = c->first_position + i;
    c->sequence[i] = below(3);
    c->file[i] = (uint32_t)below(N_FILES);
  }
  c->has_sequences = below(2);
}

static frz_candidate candidate_of(const random_case *c, int64_t i)
{
  uint32_t sequence = c->has_sequences ? (uint32_t)c->sequence[i] : 0;
  return (frz_candidate){c->event[i], c->created[i], c->position[i], c->file[i], sequence};
}

/* The contract, word for word, in nanoseconds. Returns the winner's index, or -1. */
static int64_t expected_winner(const random_case *c, int64_t entity)
{
  if (!c->entity_key_present[entity] || !c->entity_time_present[entity]) return -1;
  int64_t t_ns = c->entity_time[entity] * c->options.entity_scale.step_ns;
  int64_t best = -1;
  for (int64_t i = 0; i < c->n_features; i++) {
    if (!c->feature_key_present[i] || !c->feature_present[i]) continue;
    if (c->feature_key[i] != c->entity_key[entity]) continue;
    int64_t event_ns = c->event[i] * c->options.event_scale.step_ns;
    if (event_ns > t_ns) continue;
    if (c->options.ttl_us > 0 && event_ns < t_ns - c->options.ttl_us * 1000) continue;
    if (c->options.created_cutoff &&
        (c->created[i] == INT64_MIN || c->created[i] * c->options.created_scale.step_ns > t_ns))
      continue;
    frz_candidate row = candidate_of(c, i);
    frz_candidate held = {.file_rank = FRZ_NO_FILE};
    if (best >= 0) held = candidate_of(c, best);
    if (frz_candidate_beats(&row, &held)) best = i;
  }
  return best;
}

/* How the rows of a file are offered. */
typedef enum way { WAY_FILL, WAY_SWEEP, WAY_CHOSEN, WAY_MIXED, N_WAYS } way;

typedef struct offered_rows {
  uint64_t hashes[FEATURE_ROWS_MAX];
  int64_t keys[FEATURE_ROWS_MAX];
  uint8_t bytes[FEATURE_ROWS_MAX * KEY_BYTES_MAX];
  int32_t offsets[FEATURE_ROWS_MAX + 1];
  uint8_t key_present[FEATURE_ROWS_MAX], present[FEATURE_ROWS_MAX];
  int64_t event[FEATURE_ROWS_MAX], created[FEATURE_ROWS_MAX], position[FEATURE_ROWS_MAX];
  int64_t sequence[FEATURE_ROWS_MAX];
  int64_t n_rows;
} offered_rows;

static void gather(const random_case *c, uint32_t file, bool by_time, offered_rows *rows)
{
  rows->n_rows = 0;
  for (int64_t i = 0; i < c->n_features; i++) {
    if (c->file[i] != file) continue;
    int64_t at = rows->n_rows++;
    for (; by_time && at > 0 && rows->event[at - 1] > c->event[i]; at--) {
      rows->hashes[at] = rows->hashes[at - 1];
      rows->keys[at] = rows->keys[at - 1];
      rows->key_present[at] = rows->key_present[at - 1];
      rows->present[at] = rows->present[at - 1];
      rows->event[at] = rows->event[at - 1];
      rows->created[at] = rows->created[at - 1];
      rows->position[at] = rows->position[at - 1];
      rows->sequence[at] = rows->sequence[at - 1];
    }
    rows->hashes[at] = c->feature_hash[i];
    rows->keys[at] = c->feature_key[i];
    rows->key_present[at] = c->feature_key_present[i];
    rows->present[at] = c->feature_present[i];
    rows->event[at] = c->event[i];
    rows->created[at] = c->created[i];
    rows->position[at] = c->position[i];
    rows->sequence[at] = c->sequence[i];
  }
}

static void offer_batch(const random_case *c, frz_slot_index *index, way how, uint32_t file,
                        offered_rows *rows, int64_t first, int64_t n, frz_offer_scratch *scratch)
{
  frz_key_batch keys = {.hashes = rows->hashes + first, .present = rows->key_present + first};
  int64_t integers[FEATURE_ROWS_MAX];
  for (int64_t i = 0; i < n; i++) integers[i] = rows->keys[first + i] * c->key_step;
  if (c->options.integer_keys) keys.integers = integers;
  if (c->has_bytes) {
    spell_keys(rows->keys + first, n, rows->bytes, rows->offsets);
    keys.bytes = rows->bytes;
    keys.offsets = rows->offsets;
  }
  frz_offer offer = {.keys = &keys,
                     .event_times = rows->event + first,
                     .created_times = rows->created + first,
                     .present = rows->present + first,
                     .positions = rows->position + first,
                     .sequences = c->has_sequences ? rows->sequence + first : NULL,
                     .file_rank = file,
                     .n_rows = n};
  if (how == WAY_MIXED) how = (way)below(WAY_MIXED);
  if (how == WAY_SWEEP && (!frz_slot_index_may_sweep(index) || c->first_position != 0))
    how = WAY_FILL;
  frz_status st = FRZ_OK;
  size_t lane = file % N_LANES;
  if (how == WAY_FILL) st = frz_slot_index_fill(index, lane, &offer, scratch, NULL);
  if (how == WAY_SWEEP) st = frz_slot_index_sweep(index, lane, &offer, NULL);
  if (how == WAY_CHOSEN) st = frz_slot_index_offer(index, lane, &offer, scratch, NULL);
  assert_int_equal(st, FRZ_OK);
}

/* A file's rows in batches, in the order of the file (which may look sorted and is not) or of
 * time. */
static void offer_file(const random_case *c, frz_slot_index *index, way how, uint32_t file,
                       frz_offer_scratch *scratch)
{
  static offered_rows rows;
  gather(c, file, below(2), &rows);
  for (int64_t first = 0; first < rows.n_rows;) {
    int64_t n = 1 + below(rows.n_rows - first);
    offer_batch(c, index, how, file, &rows, first, n, scratch);
    first += n;
  }
}

static frz_slot_index *index_of(const random_case *c, frz_context *context, frz_key_batch *keys)
{
  static uint8_t bytes[ENTITY_ROWS_MAX * KEY_BYTES_MAX];
  static int32_t offsets[ENTITY_ROWS_MAX + 1];
  frz_slot_index *index;
  *keys = (frz_key_batch){.hashes = (uint64_t *)c->entity_hash,
                          .present = (uint8_t *)c->entity_key_present};
  if (c->has_bytes) {
    spell_keys(c->entity_key, c->n_entities, bytes, offsets);
    keys->bytes = bytes;
    keys->offsets = offsets;
  }
  assert_int_equal(frz_slot_index_create(context, keys, c->entity_time, c->entity_time_present,
                                         c->n_entities, &c->options, &index, NULL),
                   FRZ_OK);
  assert_int_equal(index->pile_rows, 0); /* so few rows want no piles */
  if (!c->has_bytes) index->pile_rows = (size_t)below(4);
  return index;
}

/* Every entity row has the winner of the contract; how many have one. */
static int64_t check_winners(const random_case *c, frz_slot_index *index)
{
  int64_t n_won = 0;
  assert_int_equal(frz_slot_index_carry(index, NULL), FRZ_OK);
  for (int64_t i = 0; i < c->n_entities; i++) {
    uint32_t slot = frz_slot_index_slot(index, i);
    int64_t got = -1;
    if (slot != FRZ_NO_SLOT) {
      const frz_candidate *winner = frz_slot_index_winner(index, slot);
      if (winner->file_rank != FRZ_NO_FILE) got = winner->position - c->first_position;
    }
    assert_int_equal(got, expected_winner(c, i));
    n_won += got >= 0;
  }
  return n_won;
}

static frz_context *context_of_lanes(void)
{
  frz_context *context;
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = N_LANES;
  assert_int_equal(frz_context_create(&options, &context, NULL), FRZ_OK);
  return context;
}

/* Slots 1 to 3, sweep 1 to 3: both ways, chosen or mixed, in piles or not, give the contract's
 * winners. */
static void test_winners_equal_brute_force(void **state)
{
  (void)state;
  frz_context *context = context_of_lanes();
  frz_offer_scratch scratch;
  frz_offer_scratch_init(&scratch, frz_alloc_default());
  srand(1);
  int64_t n_won = 0;
  int64_t n_swept = 0;
  int64_t n_by_value = 0;
  static random_case c;
  for (int round = 0; round < ROUNDS; round++) {
    make_case(&c);
    for (int how = 0; how < N_WAYS; how++) {
      frz_key_batch keys;
      frz_slot_index *index = index_of(&c, context, &keys);
      for (uint32_t file = 0; file < N_FILES; file++)
        offer_file(&c, index, (way)how, file, &scratch);
      n_won += check_winners(&c, index);
      n_swept += how == WAY_SWEEP && frz_slot_index_may_sweep(index);
      n_by_value += how == WAY_SWEEP && index->directory.by_value;
      frz_slot_index_free(index);
    }
  }
  assert_true(n_won > ROUNDS);       /* the cases do find winners */
  assert_true(n_swept > ROUNDS / 3); /* those without a created cutoff */
  assert_in_range(n_by_value, n_swept / 20, n_swept / 3);
  frz_offer_scratch_dispose(&scratch);
  frz_context_free(context);
}

/* Newest first 1 and 2: what is settled changes nothing when it is left out. */
static void test_settled_files_change_nothing(void **state)
{
  (void)state;
  frz_context *context = context_of_lanes();
  frz_offer_scratch scratch;
  frz_offer_scratch_init(&scratch, frz_alloc_default());
  srand(2);
  int64_t n_settled = 0;
  int64_t n_won = 0;
  static random_case c;
  static offered_rows rows;
  for (int round = 0; round < ROUNDS; round++) {
    make_case(&c);
    int64_t step = 1000000 / c.options.event_scale.step_ns; /* files follow one another, or touch */
    for (int64_t i = 0; i < c.n_features; i++)
      c.event[i] = ((int64_t)c.file[i] * 2 - 4 + below(3)) * step;
    if (round % 2 == 0) /* entity rows of late: what training for "now" looks like */
      for (int64_t i = 0; i < c.n_entities; i++)
        c.entity_time[i] = (1 + below(3)) * 1000000 / c.options.entity_scale.step_ns;
    frz_key_batch keys;
    frz_slot_index *index = index_of(&c, context, &keys);
    way how = (way)below(N_WAYS);
    for (uint32_t file = N_FILES; file-- > 0;) {
      int64_t oldest = INT64_MAX;
      int64_t newest = INT64_MIN;
      gather(&c, file, true, &rows);
      if (rows.n_rows == 0) continue;
      for (int64_t i = 0; i < rows.n_rows; i++) {
        oldest = rows.event[i] < oldest ? rows.event[i] : oldest;
        newest = rows.event[i] > newest ? rows.event[i] : newest;
      }
      if (frz_slot_index_is_settled(index, file % N_LANES, oldest, newest))
        n_settled++;
      else
        offer_file(&c, index, how, file, &scratch);
    }
    n_won += check_winners(&c, index);
    frz_slot_index_free(index);
  }
  assert_true(n_settled > 100 && n_won > ROUNDS);
  frz_offer_scratch_dispose(&scratch);
  frz_context_free(context);
}

/* Piles are as large as their share of memory allows, and none where that is little. */
static void test_large_indexes_have_piles(void **state)
{
  (void)state;
  enum { N = 100000 };
  static uint64_t hashes[N];
  static uint8_t present[N];
  static int64_t times[N];
  for (int64_t i = 0; i < N; i++) {
    hashes[i] = frz_hash_u64((uint64_t)(i % 20000));
    present[i] = 1;
    times[i] = i;
  }
  frz_context *context = context_of_lanes();
  const frz_slot_options options = {.entity_scale = scales[2], .event_scale = scales[2]};
  frz_key_batch keys = {.hashes = hashes, .present = present};
  frz_slot_index *index;
  assert_int_equal(frz_slot_index_create(context, &keys, times, present, N, &options, &index, NULL),
                   FRZ_OK);
  assert_int_equal(index->pile_rows, 1024);
  frz_slot_piles_choose(index, (size_t)N * 64);
  assert_in_range(index->pile_rows, 256, 1023);
  frz_slot_piles_choose(index, (size_t)N * 8);
  assert_int_equal(index->pile_rows, 0);
  index->pile_rows = 1000;
  /* Every row is its own winner, whatever is still piled up. */
  static int64_t positions[N];
  for (int64_t i = 0; i < N; i++) positions[i] = N - i;
  frz_offer offer = {.keys = &keys, .event_times = times, .positions = positions, .n_rows = N};
  assert_int_equal(frz_slot_index_fill(index, 1, &offer, NULL, NULL), FRZ_OK);
  assert_int_equal(frz_slot_index_carry(index, NULL), FRZ_OK);
  for (int64_t i = 0; i < N; i++)
    assert_int_equal(frz_slot_index_winner(index, frz_slot_index_slot(index, i))->position, N - i);
  frz_slot_index_free(index);
  frz_context_free(context);
}

static void test_latest_learns_its_keys(void **state)
{
  (void)state;
  frz_context *context;
  frz_latest_index *index;
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  assert_int_equal(frz_latest_index_create(context, 10, 1000, 0, SIZE_MAX, &index, NULL), FRZ_OK);
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

/* Keys that memory does not hold are left to later passes; every key is found by one of them, those
 * with places in an array by the first. */
enum { PASS_KEYS = 20000, PASS_ROWS = 2 * PASS_KEYS };

static size_t find_in_passes(frz_context *context, const frz_offer *offer,
                             frz_offer_scratch *scratch, uint64_t n_dense)
{
  static int found[PASS_KEYS];
  size_t n_passes = 0;
  frz_buf rows;
  frz_buf_init(&rows, frz_alloc_default(), SIZE_MAX / 2);
  memset(found, 0, sizeof found);
  for (size_t part = 0; part < FRZ_LATEST_PARTITIONS; n_passes++) {
    frz_latest_index *index;
    assert_int_equal(frz_latest_index_create(context, 0, PASS_ROWS, part, 200000, &index, NULL),
                     FRZ_OK);
    if (n_dense != 0) assert_int_equal(frz_latest_index_dense(index, 0, n_dense, NULL), FRZ_OK);
    assert_int_equal(frz_latest_index_offer(index, offer, scratch, NULL), FRZ_OK);
    rows.size = 0;
    assert_int_equal(frz_latest_index_rows(index, &rows, NULL), FRZ_OK);
    const frz_row_reference *row = (const frz_row_reference *)(void *)rows.data;
    for (size_t i = 0; i < rows.size / sizeof *row; i++) {
      assert_true(row[i].position >= PASS_KEYS);
      found[row[i].position - PASS_KEYS]++;
    }
    for (size_t k = 0; k < n_dense; k++) assert_int_equal(found[k], 1);
    assert_true(frz_latest_index_end(index) > part);
    part = frz_latest_index_end(index);
    frz_latest_index_free(index);
  }
  for (size_t k = 0; k < PASS_KEYS; k++) assert_int_equal(found[k], 1);
  frz_buf_dispose(&rows);
  return n_passes;
}

static void test_latest_in_passes(void **state)
{
  (void)state;
  static uint64_t hashes[PASS_ROWS];
  static uint8_t present[PASS_ROWS];
  static int64_t integers[PASS_ROWS], events[PASS_ROWS], positions[PASS_ROWS];
  frz_context *context;
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  frz_offer_scratch scratch;
  frz_offer_scratch_init(&scratch, frz_alloc_default());
  for (int64_t i = 0; i < PASS_ROWS; i++) {
    integers[i] = i % PASS_KEYS;
    hashes[i] = frz_hash_u64((uint64_t)integers[i]);
    present[i] = 1;
    events[i] = i;
    positions[i] = i;
  }
  frz_key_batch keys = {.hashes = hashes, .present = present, .integers = integers};
  frz_offer offer = {
      .keys = &keys, .event_times = events, .positions = positions, .n_rows = PASS_ROWS};
  assert_in_range(find_in_passes(context, &offer, &scratch, 0), 8, 32);
  assert_in_range(find_in_passes(context, &offer, &scratch, PASS_KEYS / 2), 4, 16);
  frz_latest_index *index;
  frz_error err = {0};
  assert_int_equal(frz_latest_index_create(context, 0, PASS_ROWS, 7, 1000, &index, NULL), FRZ_OK);
  assert_int_equal(frz_latest_index_offer(index, &offer, &scratch, &err), FRZ_ERR_LIMIT);
  assert_non_null(strstr(err.message, "memory_limit_bytes"));
  frz_latest_index_free(index);
  frz_offer_scratch_dispose(&scratch);
  frz_context_free(context);
}

static void test_sieve_steps(void **state)
{
  (void)state;
  static const int64_t ranges[][2] = {{0, 0},
                                      {0, 65000},
                                      {-5, 70000},
                                      {1700000000000000, 1800000000000000},
                                      {INT64_MIN, INT64_MAX}};
  for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
    frz_key_sieve sieve;
    int64_t oldest = ranges[r][0], newest = ranges[r][1];
    assert_int_equal(
        frz_key_sieve_init(&sieve, frz_alloc_default(), -3, 3, oldest, newest, SIZE_MAX, NULL),
        FRZ_OK);
    assert_int_equal(sieve.n_keys, 7);
    /* Equal times pass, whatever they are; older ones may, newer ones do. */
    const int64_t times[] = {INT64_MIN, oldest, oldest / 2 + newest / 2, newest, INT64_MAX};
    for (size_t a = 0; a < 5; a++) {
      frz_key_sieve_note(&sieve, -3, times[a]);
      for (size_t b = a; b < 5; b++) assert_true(frz_key_sieve_passes(&sieve, -3, times[b]));
    }
    assert_true(frz_key_sieve_passes(&sieve, -2, INT64_MIN)); /* not noted */
    frz_key_sieve_note(&sieve, 4, newest);                    /* not in the range */
    assert_true(frz_key_sieve_passes(&sieve, 4, INT64_MIN));
    frz_key_sieve_note(&sieve, 3, newest);
    if ((uint64_t)newest - (uint64_t)oldest > 1) {
      assert_false(frz_key_sieve_passes(&sieve, 3, oldest));
      assert_true(frz_key_sieve_step(&sieve, newest) > UINT16_MAX / 3); /* fine steps */
    }
    frz_key_sieve_dispose(&sieve);
  }
  frz_key_sieve sieve;
  assert_int_equal(
      frz_key_sieve_init(&sieve, frz_alloc_default(), INT64_MIN, INT64_MAX, 0, 1, SIZE_MAX, NULL),
      FRZ_OK);
  assert_int_equal(sieve.n_keys, 0); /* all pass */
  assert_false(frz_key_sieve_settles(&sieve, 0, 0, 0));
  assert_int_equal(frz_key_sieve_init(&sieve, frz_alloc_default(), 0, 1000, 0, 1, 2000, NULL),
                   FRZ_OK);
  assert_int_equal(sieve.n_keys, 0);
}

static void test_sieve_settles_files(void **state)
{
  (void)state;
  frz_key_sieve sieve;
  assert_int_equal(
      frz_key_sieve_init(&sieve, frz_alloc_default(), 100, 109, 0, 1000, SIZE_MAX, NULL), FRZ_OK);
  for (int64_t key = 100; key < 110; key++)
    if (key != 105) frz_key_sieve_note(&sieve, key, 500);
  assert_true(frz_key_sieve_settles(&sieve, 100, 104, 499));
  assert_false(frz_key_sieve_settles(&sieve, 100, 104, 500)); /* an equal time may win */
  assert_false(frz_key_sieve_settles(&sieve, 100, 109, 499)); /* 105 is not known */
  frz_key_sieve_note(&sieve, 105, 501);
  assert_true(frz_key_sieve_settles(&sieve, 100, 109, 499));
  assert_false(frz_key_sieve_settles(&sieve, 99, 104, 499));
  assert_false(frz_key_sieve_settles(&sieve, 104, 110, 499));
  assert_false(frz_key_sieve_settles(&sieve, 104, 103, 499)); /* no range */
  assert_false(frz_key_sieve_settles(&sieve, 100, 109, INT64_MAX));
  frz_key_sieve_dispose(&sieve);
}

/* Rows in any order, keys and times beyond what the sieve was told, and a batch with nulls: without
 * a sieve, with one, and with places for its keys too. */
static void test_latest_through_a_sieve(void **state)
{
  (void)state;
  enum { N = 20000, N_BATCHES = 5, N_KEYS = 300, N_INDEXES = 3 };
  static int64_t integers[N], events[N], positions[N];
  static uint64_t hashes[N];
  static uint8_t present[N];
  frz_context *context;
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_offer_scratch scratch;
  frz_key_sieve sieves[N_INDEXES] = {0};
  frz_latest_index *indexes[N_INDEXES];
  frz_buf rows[N_INDEXES];
  frz_offer_scratch_init(&scratch, alloc);
  for (int i = 0; i < N_INDEXES; i++) {
    assert_int_equal(frz_latest_index_create(context, 50, 999990, 0, SIZE_MAX, &indexes[i], NULL),
                     FRZ_OK);
    if (i == 0) continue;
    assert_int_equal(
        frz_key_sieve_init(&sieves[i], alloc, 10, N_KEYS - 10, 1000, 900000, 1 << 20, NULL),
        FRZ_OK);
    frz_latest_index_sieve(indexes[i], &sieves[i]);
  }
  assert_int_equal(frz_latest_index_dense(indexes[2], 10, N_KEYS - 19, NULL), FRZ_OK);
  size_t n_turned_away = 0;
  for (uint32_t b = 0; b < N_BATCHES; b++) {
    for (int64_t i = 0; i < N; i++) {
      integers[i] = below(N_KEYS);
      hashes[i] = frz_hash_u64((uint64_t)integers[i]);
      events[i] = below(1000000 / (b + 1));
      present[i] = below(20) != 0;
      positions[i] = i;
      n_turned_away += !frz_key_sieve_passes(&sieves[1], integers[i], events[i]);
    }
    static const uint8_t zeros[N];
    static int32_t offsets[N + 1];
    bool has_nulls = b == 2; /* as frz_key_batch_fill() tells it */
    for (int64_t i = 0; i < N && has_nulls; i++) {
      bool is_null = i % 37 == 0;
      offsets[i + 1] = offsets[i] + is_null;
      if (!is_null) continue;
      present[i] = 1;
      integers[i] = 0;
      hashes[i] = frz_hash_bytes(zeros, 1, 0);
    }
    frz_key_batch keys = {.hashes = hashes,
                          .present = present,
                          .integers = integers,
                          .bytes = has_nulls ? zeros : NULL,
                          .offsets = has_nulls ? offsets : NULL};
    frz_offer offer = {
        .keys = &keys, .event_times = events, .positions = positions, .file_rank = b, .n_rows = N};
    for (int i = 0; i < N_INDEXES; i++)
      assert_int_equal(frz_latest_index_offer(indexes[i], &offer, &scratch, NULL), FRZ_OK);
  }
  assert_true(n_turned_away > N);
  for (int i = 0; i < N_INDEXES; i++) {
    frz_buf_init(&rows[i], alloc, SIZE_MAX / 2);
    assert_int_equal(frz_latest_index_rows(indexes[i], &rows[i], NULL), FRZ_OK);
  }
  assert_int_equal(rows[0].size, (N_KEYS + 1) * sizeof(frz_row_reference));
  const frz_row_reference *wanted = (const frz_row_reference *)(void *)rows[0].data;
  for (int i = 1; i < N_INDEXES; i++) {
    const frz_row_reference *found = (const frz_row_reference *)(void *)rows[i].data;
    assert_int_equal(rows[i].size, rows[0].size);
    for (size_t k = 0; k <= N_KEYS; k++) {
      assert_int_equal(found[k].file_rank, wanted[k].file_rank);
      assert_int_equal(found[k].position, wanted[k].position);
    }
  }
  for (int i = 0; i < N_INDEXES; i++) {
    frz_latest_index_free(indexes[i]);
    frz_buf_dispose(&rows[i]);
    frz_key_sieve_dispose(&sieves[i]);
  }
  frz_offer_scratch_dispose(&scratch);
  frz_context_free(context);
}

static void test_winners_sort_into_file_order(void **state)
{
  (void)state;
  static const int64_t position_ranges[] = {1, 7, 3000, (int64_t)1 << 40};
  frz_context *context = context_of_lanes();
  for (int round = 0; round < 200; round++) {
    frz_buf winners;
    frz_buf_init(&winners, frz_alloc_default(), SIZE_MAX / 2);
    int64_t n = round % 25 != 0 ? below(500) : 250000; /* in shares */
    int64_t range = position_ranges[round % 4];
    uint64_t slot_sum = 0;
    for (int64_t i = 0; i < n; i++) {
      frz_slot_winner winner = {(int64_t)rand() * 1024 % range, (uint32_t)below(1 + round * 40),
                                (uint32_t)i};
      assert_int_equal(frz_buf_append(&winners, &winner, sizeof winner, NULL), FRZ_OK);
    }
    assert_int_equal(frz_slot_winners_sort(context, &winners, NULL), FRZ_OK);
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
  frz_context_free(context);
}

static void test_sorting_winners_can_be_cancelled(void **state)
{
  (void)state;
  frz_context *context = context_of_lanes();
  frz_buf winners;
  frz_buf_init(&winners, frz_alloc_default(), SIZE_MAX / 2);
  for (int64_t i = 0; i < 100; i++) {
    frz_slot_winner winner = {100 - i, 0, (uint32_t)i};
    assert_int_equal(frz_buf_append(&winners, &winner, sizeof winner, NULL), FRZ_OK);
  }
  frz_context_cancel(context);
  assert_int_equal(frz_slot_winners_sort(context, &winners, NULL), FRZ_ERR_CANCELLED);
  assert_int_equal(winners.size, 100 * sizeof(frz_slot_winner));
  frz_buf_dispose(&winners);
  frz_context_free(context);
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

/* A null among numbers is a key of its own, in batches with nulls and beside those without. */
static void test_null_is_a_key_among_numbers(void **state)
{
  (void)state;
  enum { N = 4 };
  const int64_t values[2][N] = {{0, 0, 7, 0}, {0, 7, 8, 9}};
  const bool nulls[N] = {false, true, false, true}; /* of the first batch */
  const int64_t events[2][N] = {{10, 11, 12, 13}, {9, 20, 21, 22}}, positions[N] = {0, 1, 2, 3};
  frz_context *context;
  frz_latest_index *index;
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  const frz_alloc *alloc = frz_context_alloc(context);
  const frz_arrow_field field = {.type = {.kind = FRZ_ARROW_INT64}, .nullable = true};
  const frz_key_form form = FRZ_KEY_INTEGER;
  assert_int_equal(frz_latest_index_create(context, 0, 100, 0, SIZE_MAX, &index, NULL), FRZ_OK);
  frz_key_batch keys;
  frz_offer_scratch scratch;
  frz_key_batch_init(&keys, alloc);
  frz_offer_scratch_init(&scratch, alloc);
  for (uint32_t b = 0; b < 2; b++) {
    frz_column column;
    assert_int_equal(frz_column_init(&column, &field, alloc, NULL), FRZ_OK);
    for (int i = 0; i < N; i++)
      assert_int_equal(b == 0 && nulls[i]
                           ? frz_column_append_nulls(&column, 1, NULL)
                           : frz_column_append_value(&column, &values[b][i], 8, NULL),
                       FRZ_OK);
    const frz_column *columns[] = {&column};
    assert_int_equal(frz_key_batch_fill(&keys, columns, &form, 1, true, N, NULL), FRZ_OK);
    frz_offer offer = {.keys = &keys,
                       .event_times = events[b],
                       .positions = positions,
                       .file_rank = b,
                       .n_rows = N};
    assert_int_equal(frz_latest_index_offer(index, &offer, &scratch, NULL), FRZ_OK);
    frz_column_dispose(&column);
  }
  frz_buf rows;
  frz_buf_init(&rows, alloc, SIZE_MAX / 2);
  assert_int_equal(frz_latest_index_rows(index, &rows, NULL), FRZ_OK);
  /* 0 and null of the first batch; 7, 8 and 9 of the second */
  const frz_row_reference wanted[] = {{0, 0}, {0, 3}, {1, 1}, {1, 2}, {1, 3}};
  const frz_row_reference *found = (const frz_row_reference *)(void *)rows.data;
  assert_int_equal(rows.size, sizeof wanted);
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    assert_int_equal(found[i].file_rank, wanted[i].file_rank);
    assert_int_equal(found[i].position, wanted[i].position);
  }
  frz_buf_dispose(&rows);
  frz_offer_scratch_dispose(&scratch);
  frz_key_batch_dispose(&keys);
  frz_latest_index_free(index);
  frz_context_free(context);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_time_bounds_round_inward),
      cmocka_unit_test(test_winners_equal_brute_force),
      cmocka_unit_test(test_settled_files_change_nothing),
      cmocka_unit_test(test_large_indexes_have_piles),
      cmocka_unit_test(test_latest_learns_its_keys),
      cmocka_unit_test(test_latest_in_passes),
      cmocka_unit_test(test_sieve_steps),
      cmocka_unit_test(test_sieve_settles_files),
      cmocka_unit_test(test_latest_through_a_sieve),
      cmocka_unit_test(test_winners_sort_into_file_order),
      cmocka_unit_test(test_sorting_winners_can_be_cancelled),
      cmocka_unit_test(test_composite_keys_do_not_mix),
      cmocka_unit_test(test_null_is_a_key_among_numbers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
