/*
 * maintain_job.h - what all maintenance calls share: options of older callers, progress.
 */
#ifndef FRZ_ICEBERG_MAINTAIN_JOB_H
#define FRZ_ICEBERG_MAINTAIN_JOB_H

#include "base/runtime.h"
#include "frazil/maintenance.h"

/**
 * Copy the caller's options over `filled`, which holds the defaults and is `known_bytes` large.
 * Both begin with struct_bytes. `options` may be NULL. FRZ_ERR_INVALID: a size that no version of
 * the header had.
 */
frz_status frz_maintain_options(const char *name, const void *options, void *filled,
                                size_t known_bytes, frz_error *err) FRZ_MUST_CHECK;

/** Steps done of those there are. Used by the calling thread only. */
typedef struct frz_progress {
  frz_progress_callback callback; /* NULL: nobody asks */
  void *ctx;
  int64_t n_done;
  int64_t n_total;
  int64_t told_us; /* when it was last told; 0: never */
} frz_progress;

/** `n_steps` more are done. Tells at most about ten times a second, and at the end. */
void frz_progress_add(frz_progress *progress, int64_t n_steps);

#endif
