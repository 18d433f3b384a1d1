/*
 * fault.c - see fault.h.
 */
#include "fault.h"

static void *fault_resize(void *ctx, void *block, size_t old_bytes, size_t new_bytes)
{
  frz_fault *fault = ctx;
  const frz_alloc *real = frz_alloc_default();
  if (new_bytes > old_bytes) {
    long request = atomic_fetch_add(&fault->requests, 1) + 1;
    if (fault->refuse_at != 0 && request >= fault->refuse_at) return NULL;
  }
  void *result = real->resize(real->ctx, block, old_bytes, new_bytes);
  if (block == NULL && result != NULL) atomic_fetch_add(&fault->live, 1);
  if (block != NULL && new_bytes == 0) atomic_fetch_sub(&fault->live, 1);
  long long change = (long long)new_bytes - (long long)old_bytes;
  if (result != NULL || new_bytes == 0) {
    long long live = atomic_fetch_add(&fault->live_bytes, change) + change;
    if (live > fault->peak_bytes) fault->peak_bytes = live;
  }
  return result;
}

void frz_fault_arm(frz_fault *fault, long refuse_at)
{
  fault->alloc = (frz_alloc){fault, fault_resize};
  fault->refuse_at = refuse_at;
  fault->requests = 0;
  fault->live = 0;
  fault->live_bytes = 0;
  fault->peak_bytes = 0;
}
