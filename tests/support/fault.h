/*
 * fault.h - an allocator that counts, and refuses the request it is told to refuse.
 *
 *   frz_fault fault = {0};
 *   do {
 *     frz_fault_arm(&fault, ++n);
 *     status = work(&fault.alloc);
 *     assert(status == (fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM) && fault.live == 0);
 *   } while (fault.requests >= n);
 */
#ifndef FRZ_TESTS_FAULT_H
#define FRZ_TESTS_FAULT_H

#include <stdatomic.h>

#include "base/alloc.h"

typedef struct frz_fault {
  frz_alloc alloc;
  long refuse_at;       /* this request is refused, and all after it; 0: none */
  atomic_long requests; /* allocations and growths asked for since armed */
  atomic_long live;     /* blocks that are not freed */
  atomic_llong live_bytes;
  atomic_llong peak_bytes;
} frz_fault;

/** Reset the counters and refuse request `refuse_at` and those after it (0: refuse nothing). */
void frz_fault_arm(frz_fault *fault, long refuse_at);

#endif
