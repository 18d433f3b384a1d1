/*
 * runtime.h - the inside of frz_context: allocator, worker threads, memory budget, cancellation.
 *
 * Work is given to the pool as tasks. The caller of frz_parallel_for() works too, so a call
 * always makes progress, even with one thread or inside another task.
 */
#ifndef FRZ_BASE_RUNTIME_H
#define FRZ_BASE_RUNTIME_H

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/fail.h"

const frz_alloc *frz_context_alloc(const frz_context *context);
int32_t frz_context_threads(const frz_context *context);
int64_t frz_context_memory_limit(const frz_context *context);
const char *frz_context_spill_dir(const frz_context *context);

/** Give free memory back to the system: after a large piece of work that does not soon come again.
 * Any thread. */
void frz_context_trim(frz_context *context);

/** Report through the log callback, if there is one. No secrets. */
void frz_context_log(frz_context *context, frz_log_level level, const char *format, ...)
    FRZ_PRINTF(3, 4);

/** FRZ_ERR_CANCELLED once cancelled, and inside frz_parallel_for() once another part of it failed.
 * Any thread. Cheap enough for every batch of rows. */
frz_status frz_context_check(frz_context *context, frz_error *err) FRZ_MUST_CHECK;

/** As frz_context_check(), and asks the interrupt callback about every 20 ms. Calling threads only,
 * never a task. */
frz_status frz_context_poll(frz_context *context, frz_error *err) FRZ_MUST_CHECK;

/** For code that waits and does not know on which thread: frz_context_poll() on calling threads,
 * frz_context_check() in tasks. */
frz_status frz_context_check_waiting(frz_context *context, frz_error *err) FRZ_MUST_CHECK;

/** Sleep, and look at the context every 50 ms as frz_context_check_waiting() does. */
frz_status frz_context_sleep(frz_context *context, int64_t duration_ms,
                             frz_error *err) FRZ_MUST_CHECK;

/** A piece of work; runs once on a pool thread. It must not block on another task. */
typedef struct frz_task frz_task;
struct frz_task {
  void (*run)(void *arg);
  void *arg;
  frz_task *next; /* the pool's */
};

/**
 * Queue a task that the caller keeps alive until it ran. False where the pool has no thread of its
 * own (one-thread contexts, threads refused): the caller runs it itself.
 */
bool frz_pool_submit(frz_context *context, frz_task *task);

/** Take back a queued task that no thread has started; false where it started or ended. */
bool frz_pool_withdraw(frz_context *context, frz_task *task);

/**
 * Run `body(arg, i)` for every i in [0, n) on the pool and on the calling thread. Stops at the
 * first failure and returns it with its message; parts that are running then end at their next
 * frz_context_check(), which on the calling thread also asks the interrupt callback.
 */
frz_status frz_parallel_for(frz_context *context, size_t n,
                            frz_status (*body)(void *arg, size_t i, frz_error *err), void *arg,
                            frz_error *err) FRZ_MUST_CHECK;

#endif
