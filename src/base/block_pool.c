/*
 * block_pool.c - large blocks cut out of memory that stays mapped.
 *
 * The pool maps regions of address space. A region is a row of granules with a bit each, set while
 * in use; a block is a run of granules, the first that is long enough. Nothing is written into
 * the blocks, and a block's size is known to who gives it back, so the bits are all there is.
 *
 *   region   | 2 MiB slab | 2 MiB slab | ...            used: one bit a granule,
 *   granules |gggggggg...g|gggggggg...g| ...                  two words a slab
 *
 * A slab's memory appears when it is first touched. When the last block in it is given back the
 * slab is kept as it is, for the next blocks, while few are; else its memory goes back too.
 *
 * Invariants: a region stays mapped until the pool ends, so that a block's region is found without
 * the lock; bits change only under the lock; a kept slab is free, and n_kept counts them; n_users
 * counts the owner and every live block.
 *
 * The lock is a process id. A child after a fork may find it held by a thread that did not come
 * along, and takes it over: a half-done change to the bits only leaves granules set that nobody
 * uses.
 */
#include "base/block_pool.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/os.h"

enum {
  GRANULE = 16 << 10,
  SLAB_BYTES = 2 << 20, /* memory goes back to the system in whole slabs */
  GRANULES_A_SLAB = SLAB_BYTES / GRANULE,
  WORDS_A_SLAB = GRANULES_A_SLAB / 64,
  REGION_BYTES = 256 << 20,
  GRANULES = REGION_BYTES / GRANULE,
  WORDS = GRANULES / 64,
  REGIONS_MAX = 256,
  SLABS = REGION_BYTES / SLAB_BYTES,
  KEPT_SLABS = FRZ_POOL_KEPT_BYTES / SLAB_BYTES,
  SPINS = 64
};

static_assert(GRANULES_A_SLAB % 64 == 0, "a slab's bits are whole words");

typedef struct region {
  uint8_t *start;
  uint64_t used[WORDS];
  bool kept[SLABS];
} region;

struct frz_block_pool {
  frz_alloc alloc; /* what callers see; its ctx is the pool */
  const frz_alloc *other;
  atomic_size_t n_users;
  atomic_int locked_by; /* a process, or 0 */
  size_t n_kept;
  size_t n_kept_max;       /* 0 once the owner is gone */
  atomic_size_t n_regions; /* grows only, after the region it counts is ready */
  region *regions[REGIONS_MAX];
};

static void lock(frz_block_pool *pool)
{
  int self = frz_os_process_id();
  for (unsigned spins = 0;; spins++) {
    int owner = 0;
    if (atomic_compare_exchange_weak_explicit(&pool->locked_by, &owner, self, memory_order_acquire,
                                              memory_order_relaxed))
      return;
    if (owner != 0 && owner != self &&
        atomic_compare_exchange_weak_explicit(&pool->locked_by, &owner, self, memory_order_acquire,
                                              memory_order_relaxed))
      return;
    if (spins >= SPINS) sched_yield();
  }
}

static void unlock(frz_block_pool *pool)
{
  atomic_store_explicit(&pool->locked_by, 0, memory_order_release);
}

/* ---- bits ---- */

/* The first bit from `at` on that is `wanted`, or `end`. */
static size_t next_bit(const uint64_t *bits, size_t at, size_t end, bool wanted)
{
  while (at < end) {
    uint64_t word = (wanted ? bits[at / 64] : ~bits[at / 64]) >> (at % 64);
    if (word != 0) {
      at += (unsigned)__builtin_ctzll(word);
      return at < end ? at : end;
    }
    at = (at / 64 + 1) * 64;
  }
  return end;
}

static void set_bits(uint64_t *bits, size_t at, size_t n, bool value)
{
  while (n > 0) {
    size_t in_word = 64 - at % 64 < n ? 64 - at % 64 : n;
    uint64_t mask = (UINT64_MAX >> (64 - in_word)) << (at % 64);
    bits[at / 64] = value ? bits[at / 64] | mask : bits[at / 64] & ~mask;
    at += in_word;
    n -= in_word;
  }
}

/* The first run of `n` free granules, or GRANULES. */
static size_t find_run(const region *r, size_t n)
{
  size_t at = next_bit(r->used, 0, GRANULES, false);
  while (GRANULES - at >= n) {
    size_t end = next_bit(r->used, at, at + n, true);
    if (end == at + n) return at;
    at = next_bit(r->used, end, GRANULES, false);
  }
  return GRANULES;
}

/* ---- regions ---- */

static size_t granules_of(size_t bytes)
{
  return (bytes + GRANULE - 1) / GRANULE;
}

static region *region_of(const frz_block_pool *pool, const void *block)
{
  size_t n = atomic_load_explicit(&pool->n_regions, memory_order_acquire);
  for (size_t i = 0; i < n; i++)
    if ((uintptr_t)block - (uintptr_t)pool->regions[i]->start < REGION_BYTES)
      return pool->regions[i];
  return NULL;
}

/* Under the lock. */
static region *add_region(frz_block_pool *pool)
{
  size_t n = atomic_load_explicit(&pool->n_regions, memory_order_relaxed);
  if (n == REGIONS_MAX) return NULL;
  region *added = frz_alloc_zeroed(pool->other, sizeof *added);
  if (added == NULL) return NULL;
  added->start = frz_os_map(REGION_BYTES);
  if (added->start == NULL) {
    frz_alloc_free(pool->other, added, sizeof *added);
    return NULL;
  }
  frz_os_prefer_large_pages(added->start, REGION_BYTES);
  pool->regions[n] = added;
  atomic_store_explicit(&pool->n_regions, n + 1, memory_order_release);
  return added;
}

/* Slabs that blocks are placed in are not kept any more. Under the lock. */
static void end_keeping(frz_block_pool *pool, region *r, size_t first, size_t end)
{
  for (size_t slab = first; slab < end; slab++) {
    pool->n_kept -= r->kept[slab];
    r->kept[slab] = false;
  }
}

static size_t slab_of(size_t granule)
{
  return granule / GRANULES_A_SLAB;
}

static void *take_run(frz_block_pool *pool, size_t n)
{
  uint8_t *block = NULL;
  lock(pool);
  for (size_t i = 0; block == NULL; i++) {
    region *r = i < pool->n_regions ? pool->regions[i] : add_region(pool);
    if (r == NULL) break;
    size_t at = find_run(r, n);
    if (at == GRANULES) continue;
    set_bits(r->used, at, n, true);
    end_keeping(pool, r, slab_of(at), slab_of(at + n - 1) + 1);
    block = r->start + at * GRANULE;
  }
  unlock(pool);
  return block;
}

/* ---- giving memory back ---- */

static bool slab_is_free(const region *r, size_t slab)
{
  uint64_t any = 0;
  for (size_t i = 0; i < WORDS_A_SLAB; i++) any |= r->used[slab * WORDS_A_SLAB + i];
  return any == 0;
}

/* Under the lock, which it lets go. A slab is taken for as long as the system needs to have its
 * memory back, so that the call itself is outside of the lock. */
static void forget_and_unlock(frz_block_pool *pool, region *r, size_t first, size_t end)
{
  size_t n_bits = (end - first) * GRANULES_A_SLAB;
  set_bits(r->used, first * GRANULES_A_SLAB, n_bits, true);
  unlock(pool);
  if (n_bits == 0) return;
  frz_os_forget(r->start + first * SLAB_BYTES, n_bits * GRANULE);
  lock(pool);
  set_bits(r->used, first * GRANULES_A_SLAB, n_bits, false);
  unlock(pool);
}

static void give_back(frz_block_pool *pool, region *r, size_t at, size_t n)
{
  size_t first = slab_of(at);
  size_t end = slab_of(at + n - 1) + 1;
  lock(pool);
  set_bits(r->used, at, n, false);
  while (first < end && !slab_is_free(r, first)) first++;
  while (end > first && !slab_is_free(r, end - 1)) end--;
  for (; first < end && pool->n_kept < pool->n_kept_max; first++) {
    r->kept[first] = true;
    pool->n_kept++;
  }
  forget_and_unlock(pool, r, first, end);
}

void frz_block_pool_trim(frz_block_pool *pool)
{
  size_t n_regions = atomic_load_explicit(&pool->n_regions, memory_order_acquire);
  for (size_t i = 0; i < n_regions * SLABS; i++) {
    region *r = pool->regions[i / SLABS];
    size_t slab = i % SLABS;
    lock(pool);
    bool was_kept = r->kept[slab];
    end_keeping(pool, r, slab, slab + 1);
    forget_and_unlock(pool, r, slab, was_kept ? slab + 1 : slab);
  }
}

/* What is kept is for the next call, and there is none: blocks that live on hold their own slabs.
 */
static void stop_keeping(frz_block_pool *pool)
{
  lock(pool);
  pool->n_kept_max = 0;
  unlock(pool);
  frz_block_pool_trim(pool);
}

/* ---- the allocator ---- */

static void *new_block(frz_block_pool *pool, size_t bytes)
{
  void *block = NULL;
  if (bytes >= FRZ_POOL_BLOCK_BYTES_MIN && bytes <= FRZ_POOL_BLOCK_BYTES_MAX)
    block = take_run(pool, granules_of(bytes));
  if (block == NULL) block = frz_alloc_new(pool->other, bytes);
  return block;
}

static void drop_block(frz_block_pool *pool, void *block, size_t bytes)
{
  region *r = region_of(pool, block);
  if (r == NULL)
    frz_alloc_free(pool->other, block, bytes);
  else
    give_back(pool, r, (size_t)((uint8_t *)block - r->start) / GRANULE, granules_of(bytes));
}

/* Longer or shorter where it stands; false where others are in the way. */
static bool resize_in_place(frz_block_pool *pool, region *r, const uint8_t *block, size_t old_bytes,
                            size_t new_bytes)
{
  size_t at = (size_t)(block - r->start) / GRANULE;
  size_t n_old = granules_of(old_bytes);
  size_t n_new = granules_of(new_bytes);
  if (n_new < n_old) give_back(pool, r, at + n_new, n_old - n_new);
  if (n_new <= n_old) return true;
  if (n_new > GRANULES - at) return false;
  lock(pool);
  bool fits = next_bit(r->used, at + n_old, at + n_new, true) == at + n_new;
  if (fits) {
    set_bits(r->used, at + n_old, n_new - n_old, true);
    end_keeping(pool, r, slab_of(at + n_old), slab_of(at + n_new - 1) + 1);
  }
  unlock(pool);
  return fits;
}

static void add_user(frz_block_pool *pool)
{
  atomic_fetch_add_explicit(&pool->n_users, 1, memory_order_relaxed);
}

static void drop_user(frz_block_pool *pool)
{
  if (atomic_fetch_sub_explicit(&pool->n_users, 1, memory_order_acq_rel) != 1) return;
  const frz_alloc *other = pool->other;
  for (size_t i = 0; i < pool->n_regions; i++) {
    frz_os_unmap(pool->regions[i]->start, REGION_BYTES);
    frz_alloc_free(other, pool->regions[i], sizeof *pool->regions[i]);
  }
  frz_alloc_free(other, pool, sizeof *pool);
}

static void *pool_resize(void *ctx, void *block, size_t old_bytes, size_t new_bytes)
{
  frz_block_pool *pool = ctx;
  if (block == NULL) {
    if (new_bytes == 0) return NULL;
    void *made = new_block(pool, new_bytes);
    if (made != NULL) add_user(pool);
    return made;
  }
  if (new_bytes == 0) {
    drop_block(pool, block, old_bytes);
    drop_user(pool);
    return NULL;
  }
  region *r = region_of(pool, block);
  if (r != NULL && resize_in_place(pool, r, block, old_bytes, new_bytes)) return block;
  if (r == NULL && new_bytes < FRZ_POOL_BLOCK_BYTES_MIN)
    return pool->other->resize(pool->other->ctx, block, old_bytes, new_bytes);
  void *moved = new_block(pool, new_bytes);
  if (moved == NULL) return NULL;
  memcpy(moved, block, old_bytes < new_bytes ? old_bytes : new_bytes);
  drop_block(pool, block, old_bytes);
  return moved;
}

frz_block_pool *frz_block_pool_create(const frz_alloc *other)
{
  frz_block_pool *pool = frz_alloc_zeroed(other, sizeof *pool);
  if (pool == NULL) return NULL;
  pool->alloc = (frz_alloc){pool, pool_resize};
  pool->other = other;
  pool->n_kept_max = KEPT_SLABS;
  atomic_init(&pool->n_users, 1);
  return pool;
}

void frz_block_pool_free(frz_block_pool *pool)
{
  if (pool == NULL) return;
  stop_keeping(pool);
  drop_user(pool);
}

const frz_alloc *frz_block_pool_alloc(const frz_block_pool *pool)
{
  return &pool->alloc;
}

bool frz_block_pool_owns(const frz_block_pool *pool, const void *block)
{
  return region_of(pool, block) != NULL;
}
