/*
 * test_block_pool.c - large blocks: placed apart, resized, given back, shared by threads, forked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/block_pool.h"
#include "base/os.h"
#include "base/runtime.h"
#include "fault.h"

enum { MIN = FRZ_POOL_BLOCK_BYTES_MIN, MAX = FRZ_POOL_BLOCK_BYTES_MAX, MIB = 1 << 20 };

static uint32_t next_random(uint32_t *seed)
{
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

static void test_sizes_of_the_pool(void **state)
{
  (void)state;
  static const struct {
    size_t bytes;
    bool owned;
  } cases[] = {{1, false},  {MIN - 1, false},        {MIN, true}, {MIN + 1, true}, {MIB, true},
               {MAX, true}, {(size_t)MAX + 1, false}};
  frz_block_pool *pool = frz_block_pool_create(frz_alloc_default());
  assert_non_null(pool);
  const frz_alloc *alloc = frz_block_pool_alloc(pool);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint8_t *block = frz_alloc_new(alloc, cases[i].bytes);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % FRZ_ALLOC_ALIGNMENT, 0);
    assert_int_equal(frz_block_pool_owns(pool, block), cases[i].owned);
    block[0] = block[cases[i].bytes - 1] = 1;
    frz_alloc_free(alloc, block, cases[i].bytes);
  }
  frz_block_pool_free(pool);
  frz_block_pool_free(NULL);
}

/* Blocks of random sizes that come, change and go. Each is full of a byte of its own, which is
 * looked at before each change: no two ever share memory, and resizing keeps what was there. */
enum { SLOTS = 40 };

typedef struct slot {
  uint8_t *block;
  size_t bytes;
  uint8_t fill;
} slot;

static bool holds(const slot *s, size_t bytes)
{
  for (size_t i = 0; i < bytes; i += 509)
    if (s->block[i] != s->fill) return false;
  return bytes == 0 || s->block[bytes - 1] == s->fill;
}

static size_t random_bytes(uint32_t *seed)
{
  uint32_t kind = next_random(seed) % 8;
  if (kind == 0) return 1 + next_random(seed) % MIN;
  if (kind == 1) return MIN - 2 + next_random(seed) % 5;
  if (kind == 7) return 1 + next_random(seed) % (9 * MIB);
  return MIN + next_random(seed) % MIB;
}

static bool change_blocks(const frz_alloc *alloc, uint32_t seed, size_t rounds)
{
  slot slots[SLOTS] = {{0}};
  bool good = true;
  for (size_t i = 0; i < rounds && good; i++) {
    slot *s = &slots[next_random(&seed) % SLOTS];
    good = holds(s, s->bytes);
    size_t bytes = s->block != NULL && next_random(&seed) % 3 == 0 ? 0 : random_bytes(&seed);
    uint8_t *changed = alloc->resize(alloc->ctx, s->block, s->bytes, bytes);
    good = good && (changed != NULL) == (bytes > 0);
    if (changed != NULL) {
      s->block = changed;
      good = good && holds(s, s->bytes < bytes ? s->bytes : bytes);
      s->fill = (uint8_t)next_random(&seed);
      memset(changed, s->fill, bytes);
    }
    *s = (slot){changed, bytes, s->fill};
  }
  for (size_t i = 0; i < SLOTS; i++) {
    good = good && holds(&slots[i], slots[i].bytes);
    frz_alloc_free(alloc, slots[i].block, slots[i].bytes);
  }
  return good;
}

static void test_blocks_never_overlap(void **state)
{
  (void)state;
  for (uint32_t seed = 1; seed <= 3; seed++) {
    frz_block_pool *pool = frz_block_pool_create(frz_alloc_default());
    assert_true(change_blocks(frz_block_pool_alloc(pool), seed, 1500));
    frz_block_pool_free(pool);
  }
}

static void test_growth_in_place(void **state)
{
  (void)state;
  frz_block_pool *pool = frz_block_pool_create(frz_alloc_default());
  const frz_alloc *alloc = frz_block_pool_alloc(pool);
  uint8_t *a = frz_alloc_new(alloc, MIN);
  a[MIN - 1] = 7;
  uint8_t *grown = alloc->resize(alloc->ctx, a, MIN, 3 * MIB);
  assert_ptr_equal(grown, a); /* nobody stands behind it */
  assert_int_equal(grown[MIN - 1], 7);
  uint8_t *b = frz_alloc_new(alloc, MIN);
  assert_ptr_equal(b, a + 3 * MIB);
  grown = alloc->resize(alloc->ctx, a, 3 * MIB, 4 * MIB);
  assert_ptr_not_equal(grown, a); /* now b does */
  assert_int_equal(grown[MIN - 1], 7);
  assert_ptr_equal(frz_alloc_new(alloc, MIB), a);
  uint8_t *shrunk = alloc->resize(alloc->ctx, grown, 4 * MIB, 1);
  assert_ptr_equal(shrunk, grown);
  frz_alloc_free(alloc, shrunk, 1);
  frz_alloc_free(alloc, a, MIB);
  frz_alloc_free(alloc, b, MIN);
  frz_block_pool_free(pool);
}

/* What was given back to the system reads as zero, what the pool keeps reads as it was left. */
static void test_memory_past_the_kept_goes_back(void **state)
{
  (void)state;
  enum { BLOCK = 2 * MIB, N = FRZ_POOL_KEPT_BYTES / BLOCK + 8 };
  frz_block_pool *pool = frz_block_pool_create(frz_alloc_default());
  const frz_alloc *alloc = frz_block_pool_alloc(pool);
  uint8_t *blocks[N];
  for (size_t i = 0; i < N; i++) {
    blocks[i] = frz_alloc_new(alloc, BLOCK);
    assert_ptr_equal(blocks[i], blocks[0] + i * BLOCK);
    memset(blocks[i], 0x5a, BLOCK);
  }
  for (size_t i = 0; i < N; i++) frz_alloc_free(alloc, blocks[i], BLOCK);
  for (size_t i = 0; i < N; i++) {
    assert_ptr_equal(frz_alloc_new(alloc, BLOCK), blocks[i]);
    assert_int_equal(blocks[i][BLOCK - 1], i < N - 8 ? 0x5a : 0);
  }
  for (size_t i = 0; i < N; i++) frz_alloc_free(alloc, blocks[i], BLOCK);
  frz_block_pool_free(pool);
}

/* What is kept goes back on demand; what lives on stays. */
static void test_trimming_gives_memory_back(void **state)
{
  (void)state;
  enum { BLOCK = 2 * MIB };
  frz_block_pool *pool = frz_block_pool_create(frz_alloc_default());
  const frz_alloc *alloc = frz_block_pool_alloc(pool);
  frz_block_pool_trim(pool); /* of nothing */
  uint8_t *passing = frz_alloc_new(alloc, BLOCK), *living = frz_alloc_new(alloc, BLOCK);
  for (int round = 0; round < 2; round++) {
    memset(passing, 0x5a, BLOCK);
    memset(living, 0x5b, BLOCK);
    frz_alloc_free(alloc, passing, BLOCK);
    frz_block_pool_trim(pool);
    assert_ptr_equal(frz_alloc_new(alloc, BLOCK), passing);
    assert_int_equal(passing[BLOCK - 1], 0);
    assert_int_equal(living[BLOCK - 1], 0x5b);
  }
  frz_alloc_free(alloc, passing, BLOCK);
  frz_alloc_free(alloc, living, BLOCK);
  frz_block_pool_free(pool);
}

/* However much lives on below it. */
static void test_memory_is_kept_wherever_it_lies(void **state)
{
  (void)state;
  enum { BLOCK = 2 * MIB, N_LIVING = FRZ_POOL_KEPT_BYTES / BLOCK + 8 };
  frz_block_pool *pool = frz_block_pool_create(frz_alloc_default());
  const frz_alloc *alloc = frz_block_pool_alloc(pool);
  uint8_t *living[N_LIVING];
  for (size_t i = 0; i < N_LIVING; i++) living[i] = frz_alloc_new(alloc, BLOCK);
  uint8_t *passing = frz_alloc_new(alloc, BLOCK);
  memset(passing, 0x5a, BLOCK);
  frz_alloc_free(alloc, passing, BLOCK);
  assert_ptr_equal(frz_alloc_new(alloc, BLOCK), passing);
  assert_int_equal(passing[BLOCK - 1], 0x5a);
  frz_alloc_free(alloc, passing, BLOCK);
  for (size_t i = 0; i < N_LIVING; i++) frz_alloc_free(alloc, living[i], BLOCK);
  frz_block_pool_free(pool);
}

/* More than one region, and back. */
static void test_many_large_blocks(void **state)
{
  (void)state;
  enum { N = 9 };
  frz_block_pool *pool = frz_block_pool_create(frz_alloc_default());
  const frz_alloc *alloc = frz_block_pool_alloc(pool);
  for (int round = 0; round < 2; round++) {
    uint8_t *blocks[N];
    for (size_t i = 0; i < N; i++) {
      blocks[i] = frz_alloc_new(alloc, MAX);
      assert_true(frz_block_pool_owns(pool, blocks[i]));
      blocks[i][0] = blocks[i][MAX - 1] = (uint8_t)i;
    }
    for (size_t i = 0; i < N; i++) {
      assert_int_equal(blocks[i][0], i);
      assert_int_equal(blocks[i][MAX - 1], i);
      frz_alloc_free(alloc, blocks[i], MAX);
    }
  }
  frz_block_pool_free(pool);
}

static void test_blocks_outlive_the_pool(void **state)
{
  (void)state;
  frz_context *context = NULL;
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  const frz_alloc *alloc = frz_context_alloc(context);
  uint8_t *large = frz_alloc_new(alloc, MIB);
  uint8_t *small = frz_alloc_new(alloc, 100);
  frz_context_free(context);
  memset(large, 1, MIB);
  large = alloc->resize(alloc->ctx, large, MIB, 2 * MIB);
  assert_int_equal(large[MIB - 1], 1);
  frz_alloc_free(alloc, large, 2 * MIB);
  frz_alloc_free(alloc, small, 100);
}

/* One that is left does not hold what the pool kept for the next call. */
static void test_what_was_kept_goes_with_the_owner(void **state)
{
  (void)state;
  enum { BLOCK = 2 * MIB, N = 4 };
  frz_block_pool *pool = frz_block_pool_create(frz_alloc_default());
  const frz_alloc *alloc = frz_block_pool_alloc(pool);
  uint8_t *blocks[N];
  for (size_t i = 0; i < N; i++) {
    blocks[i] = frz_alloc_new(alloc, BLOCK);
    memset(blocks[i], 0x5a, BLOCK);
  }
  for (size_t i = 1; i < N - 1; i++) frz_alloc_free(alloc, blocks[i], BLOCK);
  assert_int_equal(blocks[1][0], 0x5a);
  frz_block_pool_free(pool);
  assert_int_equal(blocks[0][BLOCK - 1], 0x5a);
  assert_int_equal(blocks[1][0], 0);
  assert_int_equal(blocks[2][BLOCK - 1], 0);
  frz_alloc_free(alloc, blocks[0], BLOCK);
  assert_int_equal(blocks[0][0], 0);
  assert_int_equal(blocks[N - 1][0], 0x5a);
  frz_alloc_free(alloc, blocks[N - 1], BLOCK);
}

static void test_refused_memory(void **state)
{
  (void)state;
  frz_fault fault = {0};
  long n = 0;
  do {
    frz_fault_arm(&fault, ++n);
    frz_block_pool *pool = frz_block_pool_create(&fault.alloc);
    bool refused = pool == NULL;
    if (pool != NULL) {
      const frz_alloc *alloc = frz_block_pool_alloc(pool);
      uint8_t *block = frz_alloc_new(alloc, MIN); /* no region: the other allocator's */
      uint8_t *small = frz_alloc_new(alloc, 10);
      refused = block == NULL || small == NULL;
      frz_alloc_free(alloc, block, MIN);
      frz_alloc_free(alloc, small, 10);
      frz_block_pool_free(pool);
    }
    assert_int_equal(refused, fault.requests >= n);
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
}

typedef struct worker {
  const frz_alloc *alloc;
  uint32_t seed;
  bool good;
} worker;

static void *work(void *arg)
{
  worker *self = arg;
  self->good = change_blocks(self->alloc, self->seed, 400);
  return NULL;
}

/* Blocks straight from the system: the allocator of a sanitizer may hang in a child that was forked
 * while another thread was in it. */
static void *map_resize(void *ctx, void *block, size_t old_bytes, size_t new_bytes)
{
  (void)ctx;
  void *made = NULL;
  if (new_bytes != 0) {
    made = mmap(NULL, new_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) return NULL;
    if (block != NULL) memcpy(made, block, old_bytes < new_bytes ? old_bytes : new_bytes);
  }
  if (block != NULL) munmap(block, old_bytes);
  return made;
}

static void test_threads_and_forks(void **state)
{
  (void)state;
  enum { THREADS = 3, FORKS = 12 };
  static const frz_alloc mapped = {.resize = map_resize};
  frz_block_pool *pool = frz_block_pool_create(&mapped);
  worker workers[THREADS];
  pthread_t threads[THREADS];
  for (uint32_t i = 0; i < THREADS; i++) {
    workers[i] = (worker){frz_block_pool_alloc(pool), 100 + i, false};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  /* A child may be born while another thread holds the lock. */
  for (uint32_t i = 0; i < FORKS; i++) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(change_blocks(frz_block_pool_alloc(pool), i, 5) ? 0 : 1);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
  }
  for (size_t i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_true(workers[i].good);
  }
  frz_block_pool_free(pool);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sizes_of_the_pool),
      cmocka_unit_test(test_blocks_never_overlap),
      cmocka_unit_test(test_growth_in_place),
      cmocka_unit_test(test_memory_past_the_kept_goes_back),
      cmocka_unit_test(test_trimming_gives_memory_back),
      cmocka_unit_test(test_memory_is_kept_wherever_it_lies),
      cmocka_unit_test(test_many_large_blocks),
      cmocka_unit_test(test_blocks_outlive_the_pool),
      cmocka_unit_test(test_what_was_kept_goes_with_the_owner),
      cmocka_unit_test(test_refused_memory),
      cmocka_unit_test(test_threads_and_forks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
