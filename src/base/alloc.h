/*
 * alloc.h - the one door to memory: every allocation goes through a frz_alloc.
 */
#ifndef FRZ_BASE_ALLOC_H
#define FRZ_BASE_ALLOC_H

#include "frazil/context.h"

enum { FRZ_ALLOC_ALIGNMENT = 64 };

/** The C library's allocator, aligned to 64 bytes. Static storage. */
const frz_alloc *frz_alloc_default(void);

/** NULL when refused; `bytes` > 0. The block is not cleared. */
static inline void *frz_alloc_new(const frz_alloc *alloc, size_t bytes)
{
  return alloc->resize(alloc->ctx, NULL, 0, bytes);
}

/** As frz_alloc_new(), cleared. */
void *frz_alloc_zeroed(const frz_alloc *alloc, size_t bytes);

/** As frz_alloc_array(), for a table that is looked at all over: with large pages where it fills
 * some, for a page's address is looked up as often as the memory itself. */
void *frz_alloc_table(const frz_alloc *alloc, size_t n_items, size_t item_bytes);

/** `n_items` * `item_bytes`, overflow refused; NULL when refused. */
void *frz_alloc_array(const frz_alloc *alloc, size_t n_items, size_t item_bytes);

static inline void frz_alloc_free(const frz_alloc *alloc, void *block, size_t bytes)
{
  if (block != NULL) alloc->resize(alloc->ctx, block, bytes, 0);
}

#endif
