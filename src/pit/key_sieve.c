/*
 * key_sieve.c - see key_sieve.h.
 */
#include "pit/key_sieve.h"

#include "base/fail.h"

frz_status frz_key_sieve_init(frz_key_sieve *sieve, const frz_alloc *alloc, int64_t least_key,
                              int64_t greatest_key, int64_t oldest, int64_t newest,
                              size_t bytes_max, frz_error *err)
{
  *sieve = (frz_key_sieve){.alloc = alloc, .least_key = least_key, .oldest = oldest};
  if (least_key > greatest_key || oldest > newest) return FRZ_OK;
  uint64_t last = (uint64_t)greatest_key - (uint64_t)least_key;
  if (last >= bytes_max / sizeof *sieve->newest) return FRZ_OK;
  uint64_t range = (uint64_t)newest - (uint64_t)oldest;
  while (range >> sieve->shift >= FRZ_KEY_SIEVE_STEP_MAX - 1) sieve->shift++;
  sieve->newest = frz_alloc_zeroed(alloc, ((size_t)last + 1) * sizeof *sieve->newest);
  if (sieve->newest == NULL) return frz_fail_nomem(err, "latest rows");
  sieve->n_keys = last + 1;
  return FRZ_OK;
}

void frz_key_sieve_dispose(frz_key_sieve *sieve)
{
  frz_alloc_free(sieve->alloc, sieve->newest, frz_key_sieve_bytes(sieve));
  *sieve = (frz_key_sieve){0};
}

bool frz_key_sieve_settles(const frz_key_sieve *sieve, int64_t least_key, int64_t greatest_key,
                           int64_t event_time)
{
  uint64_t first = (uint64_t)least_key - (uint64_t)sieve->least_key;
  uint64_t last = (uint64_t)greatest_key - (uint64_t)sieve->least_key;
  if (first > last || last >= sieve->n_keys) return false;
  uint16_t step = frz_key_sieve_step(sieve, event_time);
  for (uint64_t i = first; i <= last; i++)
    if (atomic_load_explicit(&sieve->newest[i], memory_order_relaxed) <= step) return false;
  return true;
}
