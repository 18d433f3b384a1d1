/*
 * arena.c - bump allocation in chunks that double up to 1 MiB.
 *
 * Structures are taken from the low end of the newest chunk, texts from its high end.
 *
 * Invariants: `next` points into the newest chunk, aligned, or is NULL; `left_bytes` is what
 * remains between the two ends; `used_bytes` is the sum of all chunks and passes `max_bytes` by
 * less than one chunk. With FRZ_DEBUG_ARENA each push is an allocation of its own, so that
 * AddressSanitizer sees an overrun between neighbours.
 */
#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct frz_arena_chunk {
  frz_arena_chunk *older;
  size_t bytes; /* with this header */
};

enum {
  ALIGNMENT = 16,
  CHUNK_BYTES_MIN = 1024,
  CHUNK_BYTES_MAX = 1 << 20,
  HEADER_BYTES = (sizeof(frz_arena_chunk) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT
};

void frz_arena_init(frz_arena *arena, const frz_alloc *alloc, size_t max_bytes)
{
  *arena = (frz_arena){.alloc = alloc, .max_bytes = max_bytes};
}

void frz_arena_free(frz_arena *arena)
{
  frz_arena_chunk *chunk = arena->chunks;
  while (chunk != NULL) {
    frz_arena_chunk *older = chunk->older;
    frz_alloc_free(arena->alloc, chunk, chunk->bytes);
    chunk = older;
  }
  *arena = (frz_arena){0};
}

static size_t chunk_bytes_for(const frz_arena *arena, size_t push_bytes)
{
#ifdef FRZ_DEBUG_ARENA
  (void)arena;
  return HEADER_BYTES + push_bytes;
#else
  size_t wanted = arena->used_bytes < CHUNK_BYTES_MIN ? CHUNK_BYTES_MIN : arena->used_bytes;
  if (wanted > CHUNK_BYTES_MAX) wanted = CHUNK_BYTES_MAX;
  if (wanted < HEADER_BYTES + push_bytes) wanted = HEADER_BYTES + push_bytes;
  return wanted;
#endif
}

static bool add_chunk(frz_arena *arena, size_t push_bytes)
{
  if (push_bytes > arena->max_bytes || arena->used_bytes > arena->max_bytes - push_bytes)
    return false;
  size_t bytes = chunk_bytes_for(arena, push_bytes);
  frz_arena_chunk *chunk = frz_alloc_new(arena->alloc, bytes);
  if (chunk == NULL) return false;
  chunk->older = arena->chunks;
  chunk->bytes = bytes;
  arena->chunks = chunk;
  arena->used_bytes += bytes;
  arena->next = (uint8_t *)chunk + HEADER_BYTES;
  arena->left_bytes = bytes - HEADER_BYTES;
  return true;
}

void *frz_arena_push(frz_arena *arena, size_t bytes)
{
  assert(arena->alloc != NULL);
  if (bytes > SIZE_MAX / 2) return NULL;
  size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (rounded == 0) rounded = ALIGNMENT;
  if (rounded > arena->left_bytes && !add_chunk(arena, rounded)) return NULL;
  void *block = arena->next;
  arena->next += rounded;
  arena->left_bytes -= rounded;
  memset(block, 0, rounded);
  return block;
}

/* Bytes without alignment, from the far end of the chunk: texts would waste half of what they take
 * if each started at a multiple of 16. Not zeroed. */
static char *push_text(frz_arena *arena, size_t bytes)
{
  assert(arena->alloc != NULL);
  if (bytes > SIZE_MAX / 2) return NULL;
  if (bytes > arena->left_bytes && !add_chunk(arena, bytes)) return NULL;
  arena->left_bytes -= bytes;
  return (char *)arena->next + arena->left_bytes;
}

void *frz_arena_array(frz_arena *arena, size_t n_items, size_t item_bytes)
{
  size_t bytes;
  if (__builtin_mul_overflow(n_items, item_bytes, &bytes)) return NULL;
  return frz_arena_push(arena, bytes);
}

frz_str frz_arena_copy(frz_arena *arena, frz_str text)
{
  if (text.size == SIZE_MAX) return (frz_str){0};
  char *copy = push_text(arena, text.size + 1);
  if (copy == NULL) return (frz_str){0};
  if (text.size != 0) memcpy(copy, text.data, text.size);
  copy[text.size] = '\0';
  return (frz_str){copy, text.size};
}

frz_str frz_arena_print(frz_arena *arena, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  int wanted = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (wanted < 0) return (frz_str){0};
  char *text = push_text(arena, (size_t)wanted + 1);
  if (text == NULL) return (frz_str){0};
  va_start(args, format);
  vsnprintf(text, (size_t)wanted + 1, format, args);
  va_end(args);
  return (frz_str){text, (size_t)wanted};
}
