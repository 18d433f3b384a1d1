/*
 * alloc.c - the default allocator: the only file that calls malloc's family.
 *
 * Blocks are aligned to a cache line, as Arrow recommends for column data. The C library
 * cannot resize an aligned block in place, so growth copies; growable buffers double, which
 * keeps that linear.
 */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#include "base/os.h"

enum { LARGE_TABLE_BYTES = 4 << 20 };

static void *default_resize(void *ctx, void *block, size_t old_bytes, size_t new_bytes)
{
  (void)ctx;
  if (new_bytes == 0) {
    free(block);
    return NULL;
  }
  if (new_bytes > SIZE_MAX - FRZ_ALLOC_ALIGNMENT) return NULL;
  size_t rounded =
      (new_bytes + FRZ_ALLOC_ALIGNMENT - 1) / FRZ_ALLOC_ALIGNMENT * FRZ_ALLOC_ALIGNMENT;
  void *grown = aligned_alloc(FRZ_ALLOC_ALIGNMENT, rounded);
  if (grown == NULL || block == NULL) return grown;
  memcpy(grown, block, old_bytes < new_bytes ? old_bytes : new_bytes);
  free(block);
  return grown;
}

const frz_alloc *frz_alloc_default(void)
{
  static const frz_alloc alloc = {NULL, default_resize};
  return &alloc;
}

void *frz_alloc_zeroed(const frz_alloc *alloc, size_t bytes)
{
  void *block = frz_alloc_new(alloc, bytes);
  if (block != NULL) memset(block, 0, bytes);
  return block;
}

void *frz_alloc_table(const frz_alloc *alloc, size_t n_items, size_t item_bytes)
{
  void *table = frz_alloc_array(alloc, n_items, item_bytes);
  size_t bytes = n_items * item_bytes;
  if (table != NULL && bytes >= LARGE_TABLE_BYTES) frz_os_prefer_large_pages(table, bytes);
  return table;
}

void *frz_alloc_array(const frz_alloc *alloc, size_t n_items, size_t item_bytes)
{
  size_t bytes;
  if (__builtin_mul_overflow(n_items, item_bytes, &bytes)) return NULL;
  return frz_alloc_new(alloc, bytes != 0 ? bytes : 1);
}
