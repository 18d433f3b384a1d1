/*
 * pit_memory.h - the share of the memory limit that grows with the rows of a call.
 */
#ifndef FRZ_PIT_PIT_MEMORY_H
#define FRZ_PIT_PIT_MEMORY_H

#include "base/runtime.h"

/** The memory limit without what readers and decoders take; at least a quarter of it. */
static inline size_t frz_pit_memory_for_rows(const frz_context *context)
{
  const int64_t context_bytes = (int64_t)32 << 20, thread_bytes = (int64_t)16 << 20;
  int64_t limit = frz_context_memory_limit(context);
  int64_t left = limit - context_bytes - frz_context_threads(context) * thread_bytes;
  return (size_t)(left > limit / 4 ? left : limit / 4);
}

#endif
