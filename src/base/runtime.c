/*
 * runtime.c - contexts and their worker threads.
 *
 * One queue, one lock, one condition. Threads start on the first submission, and again in a
 * child after a fork (the child has none of its parent's threads: the queue of the parent is
 * forgotten there, since whoever waits for it did not come along either).
 *
 * Invariants: queue_head is NULL exactly when queue_tail is; n_running threads exist only in the
 * process whose id is pool_process_id; every queued task is run once, also while stopping.
 */
#include "base/runtime.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/block_pool.h"
#include "base/limits.h"
#include "base/os.h"

enum { POLL_INTERVAL_US = 20000, SLEEP_STEP_MS = 50, RESETTING = -1 };

struct frz_context {
  frz_context_options options;
  const frz_alloc *alloc;
  frz_block_pool *blocks; /* NULL: the allocator is the caller's */
  char *spill_dir;
  size_t spill_dir_bytes;
  atomic_bool cancelled;
  atomic_llong next_poll_us;

  pthread_mutex_t lock;
  pthread_cond_t wake;
  pthread_t threads[FRZ_LIMIT_THREADS];
  int32_t n_running;
  atomic_int pool_process_id; /* RESETTING while a child forgets its parent's threads */
  bool stopping;
  frz_task *queue_head;
  frz_task *queue_tail;
};

void frz_context_options_init(frz_context_options *options)
{
  *options = (frz_context_options){.struct_bytes = sizeof *options};
}

/* The C library's allocator is put behind a pool of large blocks, but not where each block must be
 * the sanitizer's. Without a pool the context works as well. */
static void use_block_pool(frz_context *context)
{
#if !defined(FRZ_DEBUG_ARENA)
  if (context->options.alloc != NULL) return;
  context->blocks = frz_block_pool_create(context->alloc);
  if (context->blocks != NULL) context->alloc = frz_block_pool_alloc(context->blocks);
#else
  (void)context;
#endif
}

static frz_status set_defaults(frz_context *context, frz_error *err)
{
  frz_context_options *options = &context->options;
  if (options->n_threads < 0 || options->n_threads > FRZ_LIMIT_THREADS)
    return frz_fail(err, FRZ_ERR_INVALID, "n_threads %d: 0 to %d are allowed", options->n_threads,
                    FRZ_LIMIT_THREADS);
  if (options->memory_limit_bytes < 0)
    return frz_fail(err, FRZ_ERR_INVALID, "memory_limit_bytes %lld is negative",
                    (long long)options->memory_limit_bytes);
  if (options->n_threads == 0) options->n_threads = frz_os_processors();
  if (options->n_threads > FRZ_LIMIT_THREADS) options->n_threads = FRZ_LIMIT_THREADS;
  if (options->memory_limit_bytes == 0) options->memory_limit_bytes = frz_os_memory_bytes() / 2;
  const char *spill_dir = options->spill_dir != NULL ? options->spill_dir : "/tmp";
  context->spill_dir_bytes = strlen(spill_dir) + 1;
  context->spill_dir = frz_alloc_new(context->alloc, context->spill_dir_bytes);
  if (context->spill_dir == NULL) return frz_fail_nomem(err, "context");
  memcpy(context->spill_dir, spill_dir, context->spill_dir_bytes);
  return FRZ_OK;
}

frz_status frz_context_create(const frz_context_options *options, frz_context **context_out,
                              frz_error *err)
{
  if (context_out == NULL) return frz_fail(err, FRZ_ERR_INVALID, "context_out is NULL");
  frz_context_options filled;
  frz_context_options_init(&filled);
  if (options != NULL) {
    if (options->struct_bytes == 0 || options->struct_bytes > sizeof filled)
      return frz_fail(err, FRZ_ERR_INVALID, "frz_context_options: struct_bytes %zu",
                      options->struct_bytes);
    memcpy(&filled, options, options->struct_bytes);
  }
  const frz_alloc *alloc = filled.alloc != NULL ? filled.alloc : frz_alloc_default();
  frz_context *context = frz_alloc_zeroed(alloc, sizeof *context);
  if (context == NULL) return frz_fail_nomem(err, "context");
  context->options = filled;
  context->alloc = alloc;
  use_block_pool(context);
  frz_status st = set_defaults(context, err);
  if (st != FRZ_OK) {
    frz_block_pool_free(context->blocks);
    frz_alloc_free(alloc, context, sizeof *context);
    return st;
  }
  pthread_mutex_init(&context->lock, NULL);
  pthread_cond_init(&context->wake, NULL);
  context->pool_process_id = frz_os_process_id();
  *context_out = context;
  return FRZ_OK;
}

void frz_context_free(frz_context *context)
{
  if (context == NULL) return;
  if (context->pool_process_id == frz_os_process_id()) {
    pthread_mutex_lock(&context->lock);
    context->stopping = true;
    int32_t n_running = context->n_running;
    pthread_cond_broadcast(&context->wake);
    pthread_mutex_unlock(&context->lock);
    for (int32_t i = 0; i < n_running; i++) pthread_join(context->threads[i], NULL);
    pthread_cond_destroy(&context->wake);
    pthread_mutex_destroy(&context->lock);
  }
  const frz_alloc *own = context->options.alloc;
  if (own == NULL) own = frz_alloc_default();
  frz_alloc_free(context->alloc, context->spill_dir, context->spill_dir_bytes);
  frz_block_pool_free(context->blocks);
  frz_alloc_free(own, context, sizeof *context);
}

void frz_context_cancel(frz_context *context)
{
  atomic_store(&context->cancelled, true);
}

void frz_context_resume(frz_context *context)
{
  atomic_store(&context->cancelled, false);
}

const frz_alloc *frz_context_alloc(const frz_context *context)
{
  return context->alloc;
}

int32_t frz_context_threads(const frz_context *context)
{
  return context->options.n_threads;
}

int64_t frz_context_memory_limit(const frz_context *context)
{
  return context->options.memory_limit_bytes;
}

const char *frz_context_spill_dir(const frz_context *context)
{
  return context->spill_dir;
}

void frz_context_trim(frz_context *context)
{
  if (context->blocks != NULL) frz_block_pool_trim(context->blocks);
}

void frz_context_log(frz_context *context, frz_log_level level, const char *format, ...)
{
  if (context->options.log == NULL) return;
  char line[FRZ_ERROR_MESSAGE_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  context->options.log(context->options.callback_ctx, level, line);
}

/* ---- cancelling ---- */

/* What frz_parallel_for() shares with its helpers. */
typedef struct loop {
  frz_context *context;
  frz_status (*body)(void *arg, size_t i, frz_error *err);
  void *arg;
  size_t n;
  atomic_size_t next;
  atomic_bool failed;
  pthread_mutex_t lock;
  pthread_cond_t done;
  size_t n_helpers; /* tasks queued and not yet ended; under lock */
  frz_status status;
  frz_error error;
} loop;

/* A loop that this thread works in. */
typedef struct loop_frame {
  loop *loop;
  bool may_poll;
  const struct loop_frame *outer;
} loop_frame;

static _Thread_local const loop_frame *innermost;

static frz_status check_cancelled(frz_context *context, frz_error *err)
{
  if (!atomic_load_explicit(&context->cancelled, memory_order_relaxed)) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CANCELLED, "cancelled");
}

frz_status frz_context_check(frz_context *context, frz_error *err)
{
  for (const loop_frame *frame = innermost; frame != NULL; frame = frame->outer)
    if (atomic_load_explicit(&frame->loop->failed, memory_order_relaxed))
      return frz_fail(err, FRZ_ERR_CANCELLED, "cancelled: another part of the work failed");
  if (innermost != NULL && innermost->may_poll) return frz_context_poll(context, err);
  return check_cancelled(context, err);
}

frz_status frz_context_poll(frz_context *context, frz_error *err)
{
  if (context->options.interrupted != NULL) {
    long long now_us = frz_os_monotonic_us();
    long long due_us = atomic_load(&context->next_poll_us);
    if (now_us >= due_us &&
        atomic_compare_exchange_strong(&context->next_poll_us, &due_us,
                                       now_us + POLL_INTERVAL_US) &&
        context->options.interrupted(context->options.callback_ctx))
      return frz_fail(err, FRZ_ERR_CANCELLED, "interrupted");
  }
  return check_cancelled(context, err);
}

static void *pool_thread(void *arg)
{
  frz_context *context = arg;
  pthread_mutex_lock(&context->lock);
  for (;;) {
    while (context->queue_head == NULL && !context->stopping)
      pthread_cond_wait(&context->wake, &context->lock);
    frz_task *task = context->queue_head;
    if (task == NULL) break;
    context->queue_head = task->next;
    if (context->queue_head == NULL) context->queue_tail = NULL;
    pthread_mutex_unlock(&context->lock);
    task->run(task->arg);
    pthread_mutex_lock(&context->lock);
  }
  pthread_mutex_unlock(&context->lock);
  return NULL;
}

/* In a child the first to come sets the pool up anew; others that come meanwhile wait for it. */
static void forget_parent(frz_context *context)
{
  int process_id = frz_os_process_id();
  int seen = atomic_load(&context->pool_process_id);
  while (seen != process_id) {
    if (seen != RESETTING &&
        atomic_compare_exchange_strong(&context->pool_process_id, &seen, RESETTING)) {
      pthread_mutex_init(&context->lock, NULL);
      pthread_cond_init(&context->wake, NULL);
      context->n_running = 0;
      context->queue_head = NULL;
      context->queue_tail = NULL;
      atomic_store(&context->pool_process_id, process_id);
    }
    seen = atomic_load(&context->pool_process_id);
  }
}

/* Is this one of the pool's threads, which must not ask the interrupt callback? */
static bool on_pool_thread(frz_context *context)
{
  forget_parent(context);
  pthread_t self = pthread_self();
  bool found = false;
  pthread_mutex_lock(&context->lock);
  for (int32_t i = 0; i < context->n_running && !found; i++)
    found = pthread_equal(context->threads[i], self) != 0;
  pthread_mutex_unlock(&context->lock);
  return found;
}

frz_status frz_context_check_waiting(frz_context *context, frz_error *err)
{
  if (context->options.interrupted == NULL || on_pool_thread(context))
    return frz_context_check(context, err);
  return frz_context_poll(context, err);
}

frz_status frz_context_sleep(frz_context *context, int64_t duration_ms, frz_error *err)
{
  FRZ_TRY(frz_context_check_waiting(context, err));
  while (duration_ms > 0) {
    int64_t step_ms = duration_ms < SLEEP_STEP_MS ? duration_ms : SLEEP_STEP_MS;
    frz_os_sleep_ms(step_ms);
    duration_ms -= step_ms;
    FRZ_TRY(frz_context_check_waiting(context, err));
  }
  return FRZ_OK;
}

bool frz_pool_submit(frz_context *context, frz_task *task)
{
  if (context->options.n_threads <= 1) return false;
  forget_parent(context);
  pthread_mutex_lock(&context->lock);
  /* The caller's own thread is one of n_threads. */
  while (context->n_running < context->options.n_threads - 1) {
    if (pthread_create(&context->threads[context->n_running], NULL, pool_thread, context) != 0)
      break;
    context->n_running++;
  }
  bool queued = context->n_running > 0;
  if (queued) {
    task->next = NULL;
    if (context->queue_tail != NULL)
      context->queue_tail->next = task;
    else
      context->queue_head = task;
    context->queue_tail = task;
    pthread_cond_signal(&context->wake);
  }
  pthread_mutex_unlock(&context->lock);
  return queued;
}

bool frz_pool_withdraw(frz_context *context, frz_task *task)
{
  pthread_mutex_lock(&context->lock);
  frz_task **link = &context->queue_head;
  frz_task *before = NULL;
  while (*link != NULL && *link != task) {
    before = *link;
    link = &before->next;
  }
  bool found = *link != NULL;
  if (found) {
    *link = task->next;
    if (context->queue_tail == task) context->queue_tail = before;
  }
  pthread_mutex_unlock(&context->lock);
  return found;
}

/* ---- parallel for ---- */

/* A condition whose waits end by the monotonic clock. */
static void init_condition(pthread_cond_t *condition)
{
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &monotonic);
  pthread_condattr_destroy(&monotonic);
}

/* The first failure is the loop's; it ends the other parts at their next check. */
static void loop_fail(loop *self, frz_status st, const frz_error *error)
{
  pthread_mutex_lock(&self->lock);
  if (self->status == FRZ_OK) {
    self->status = st;
    self->error = *error;
  }
  pthread_mutex_unlock(&self->lock);
  atomic_store(&self->failed, true);
}

static void loop_run(loop *self, bool may_poll)
{
  const loop_frame frame = {self, may_poll, innermost};
  innermost = &frame;
  while (!atomic_load_explicit(&self->failed, memory_order_relaxed)) {
    size_t i = atomic_fetch_add(&self->next, 1);
    if (i >= self->n) break;
    frz_error error = {0};
    frz_status st = frz_context_check(self->context, &error);
    if (st == FRZ_OK) st = self->body(self->arg, i, &error);
    if (st != FRZ_OK) loop_fail(self, st, &error);
  }
  innermost = frame.outer;
}

static void loop_help(void *arg)
{
  loop *self = arg;
  loop_run(self, false);
  pthread_mutex_lock(&self->lock);
  self->n_helpers--;
  if (self->n_helpers == 0) pthread_cond_signal(&self->done);
  pthread_mutex_unlock(&self->lock);
}

/* Wait until the helpers have ended. A caller that may be interrupted goes on asking meanwhile. */
static void loop_wait(loop *self, bool may_poll)
{
  pthread_mutex_lock(&self->lock);
  while (self->n_helpers != 0) {
    if (!may_poll || atomic_load(&self->failed)) {
      pthread_cond_wait(&self->done, &self->lock);
      continue;
    }
    int64_t until_us = frz_os_monotonic_us() + POLL_INTERVAL_US;
    struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
    if (pthread_cond_timedwait(&self->done, &self->lock, &until) == 0) continue;
    pthread_mutex_unlock(&self->lock);
    frz_error error = {0};
    frz_status st = frz_context_poll(self->context, &error);
    if (st != FRZ_OK) loop_fail(self, st, &error);
    pthread_mutex_lock(&self->lock);
  }
  pthread_mutex_unlock(&self->lock);
}

frz_status frz_parallel_for(frz_context *context, size_t n,
                            frz_status (*body)(void *arg, size_t i, frz_error *err), void *arg,
                            frz_error *err)
{
  loop self = {.context = context, .body = body, .arg = arg, .n = n};
  frz_task tasks[FRZ_LIMIT_THREADS];
  pthread_mutex_init(&self.lock, NULL);
  init_condition(&self.done);
  size_t helpers_wanted = (size_t)context->options.n_threads - 1;
  if (n == 0)
    helpers_wanted = 0;
  else if (helpers_wanted > n - 1)
    helpers_wanted = n - 1;
  size_t n_submitted = 0;
  for (size_t i = 0; i < helpers_wanted; i++) {
    tasks[i] = (frz_task){loop_help, &self, NULL};
    pthread_mutex_lock(&self.lock);
    self.n_helpers++;
    pthread_mutex_unlock(&self.lock);
    if (!frz_pool_submit(context, &tasks[i])) {
      pthread_mutex_lock(&self.lock);
      self.n_helpers--;
      pthread_mutex_unlock(&self.lock);
      break;
    }
    n_submitted++;
  }
  bool may_poll = !on_pool_thread(context);
  loop_run(&self, may_poll);
  /* Inside a pool thread nobody else may be free to start what is still queued: take it back. */
  for (size_t i = 0; i < n_submitted; i++) {
    if (!frz_pool_withdraw(context, &tasks[i])) continue;
    pthread_mutex_lock(&self.lock);
    self.n_helpers--;
    pthread_mutex_unlock(&self.lock);
  }
  loop_wait(&self, may_poll);
  pthread_cond_destroy(&self.done);
  pthread_mutex_destroy(&self.lock);
  if (self.status != FRZ_OK && err != NULL) *err = self.error;
  return self.status;
}
