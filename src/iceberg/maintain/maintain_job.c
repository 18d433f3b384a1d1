/*
 * maintain_job.c - see maintain_job.h.
 */
#include "iceberg/maintain/maintain_job.h"

#include "base/os.h"

enum { TELL_EVERY_US = 100000 };

frz_status frz_maintain_options(const char *name, const void *options, void *filled,
                                size_t known_bytes, frz_error *err)
{
  if (options == NULL) return FRZ_OK;
  size_t given_bytes;
  memcpy(&given_bytes, options, sizeof given_bytes);
  if (given_bytes < sizeof given_bytes || given_bytes > known_bytes)
    return frz_fail(err, FRZ_ERR_INVALID, "%s: struct_bytes %zu", name, given_bytes);
  memcpy(filled, options, given_bytes);
  memcpy(filled, &known_bytes, sizeof known_bytes);
  return FRZ_OK;
}

void frz_progress_add(frz_progress *progress, int64_t n_steps)
{
  progress->n_done += n_steps;
  if (progress->callback == NULL) return;
  int64_t now_us = frz_os_monotonic_us();
  bool is_due = progress->told_us == 0 || now_us - progress->told_us >= TELL_EVERY_US;
  if (!is_due && progress->n_done != progress->n_total) return;
  progress->told_us = now_us;
  progress->callback(progress->ctx, progress->n_done, progress->n_total);
}
