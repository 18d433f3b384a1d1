/*
 * block_pool.h - an allocator for column data: large blocks come out of memory that stays mapped.
 *
 * Fresh pages cost more than most decoders: the kernel takes a fault for each 4 KiB and clears it.
 * A pool maps large regions, cuts blocks out of them and keeps some memory when they are given
 * back. (Huge pages were tried: where the host of a virtual machine takes free ones back, a cold
 * decode of a gigabyte took 1.2 to 3.0 s with them and 1.6 without; a warm one was no faster.)
 */
#ifndef FRZ_BASE_BLOCK_POOL_H
#define FRZ_BASE_BLOCK_POOL_H

#include "base/alloc.h"

typedef struct frz_block_pool frz_block_pool;

enum {
  FRZ_POOL_BLOCK_BYTES_MIN = 64 << 10, /* smaller blocks are the other allocator's */
  FRZ_POOL_BLOCK_BYTES_MAX = 64 << 20, /* so are greater ones */
  FRZ_POOL_KEPT_BYTES = 64 << 20       /* free memory that is not given back to the system */
};

/** NULL when refused. Blocks that the pool does not make come from `other`. */
frz_block_pool *frz_block_pool_create(const frz_alloc *other);

/** The pool ends here, or with the last of its blocks: Arrow arrays may outlive their context. What
 * is free goes back to the system at once. */
void frz_block_pool_free(frz_block_pool *pool);

/** Give the free memory that is kept back to the system. Any thread. */
void frz_block_pool_trim(frz_block_pool *pool);

/** Valid while the pool is, or any block of it. Threads may share it, and so may a child after a
 * fork. */
const frz_alloc *frz_block_pool_alloc(const frz_block_pool *pool);

/** Does the block lie in the pool's own memory? For tests. */
bool frz_block_pool_owns(const frz_block_pool *pool, const void *block);

#endif
