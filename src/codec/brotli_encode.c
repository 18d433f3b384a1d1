/*
 * brotli_encode.c - brotli compression that survives a refused allocation.
 *
 * The usual build of libbrotlienc ends the process when its allocator gives NULL. A library must
 * not, so a refusal here jumps out of brotli's frames instead: they hold nothing but memory, and
 * all of that comes from the heap below, which keeps its blocks in a list and frees what is left.
 *
 * What must stay true: no call into brotli is made after a jump; `escape` is set whenever
 * brotli may ask for memory.
 */
#include "codec/brotli_encode.h"

#include <brotli/encode.h>
#include <setjmp.h>

enum { ROOM_BYTES = 1 << 16, SIZE_HINT_MAX = 1 << 30 };

/* In front of each block; as long as the blocks' alignment. */
typedef struct __attribute__((aligned(FRZ_ALLOC_ALIGNMENT))) heap_block {
  struct heap_block *next;
  struct heap_block *before;
  size_t bytes; /* with this header */
} heap_block;

typedef struct heap {
  const frz_alloc *alloc;
  heap_block blocks; /* the ring's anchor */
  jmp_buf escape;
} heap;

static void *heap_alloc(void *opaque, size_t bytes)
{
  heap *h = opaque;
  heap_block *block =
      bytes <= SIZE_MAX - sizeof *block ? frz_alloc_new(h->alloc, bytes + sizeof *block) : NULL;
  if (block == NULL) longjmp(h->escape, 1);
  *block = (heap_block){h->blocks.next, &h->blocks, bytes + sizeof *block};
  block->next->before = block;
  h->blocks.next = block;
  return block + 1;
}

static void heap_free(void *opaque, void *data)
{
  if (data == NULL) return;
  heap *h = opaque;
  heap_block *block = (heap_block *)data - 1;
  block->next->before = block->before;
  block->before->next = block->next;
  frz_alloc_free(h->alloc, block, block->bytes);
}

static void heap_free_all(heap *h)
{
  while (h->blocks.next != &h->blocks) heap_free(h, h->blocks.next + 1);
}

static frz_status encode_all(BrotliEncoderState *state, const uint8_t *src, size_t src_size,
                             frz_buf *out, frz_error *err)
{
  while (!BrotliEncoderIsFinished(state)) {
    size_t room_max = out->max_bytes > out->size ? out->max_bytes - out->size : 0;
    if (out->size == out->capacity)
      FRZ_TRY(frz_buf_reserve(out, room_max != 0 && room_max < ROOM_BYTES ? room_max : ROOM_BYTES,
                              err));
    size_t room = out->capacity - out->size;
    size_t left = room;
    uint8_t *at = out->data + out->size;
    if (!BrotliEncoderCompressStream(state, BROTLI_OPERATION_FINISH, &src_size, &src, &left, &at,
                                     NULL))
      return frz_fail_nomem(err, "brotli");
    out->size += room - left;
  }
  return FRZ_OK;
}

frz_status frz_brotli_encode(int32_t quality, const uint8_t *src, size_t src_size, frz_buf *out,
                             frz_error *err)
{
  heap h;
  h.alloc = out->alloc;
  h.blocks = (heap_block){&h.blocks, &h.blocks, 0};
  if (setjmp(h.escape) != 0) {
    heap_free_all(&h);
    return frz_fail_nomem(err, "brotli");
  }
  BrotliEncoderState *state = BrotliEncoderCreateInstance(heap_alloc, heap_free, &h);
  if (state == NULL) return frz_fail_nomem(err, "brotli");
  BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, (uint32_t)quality);
  BrotliEncoderSetParameter(state, BROTLI_PARAM_SIZE_HINT,
                            src_size < SIZE_HINT_MAX ? (uint32_t)src_size : SIZE_HINT_MAX);
  frz_status st = encode_all(state, src, src_size, out, err);
  BrotliEncoderDestroyInstance(state);
  assert(h.blocks.next == &h.blocks);
  return st;
}
