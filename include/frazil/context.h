/*
 * context.h - what every call works with: allocator, threads, memory limit, cancellation.
 *
 * A context may be used by any number of threads at once. It must outlive every
 * handle made with it. After a fork the child may go on using it: worker threads
 * are started again on first use.
 */
#ifndef FRAZIL_CONTEXT_H
#define FRAZIL_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frazil/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct frz_context frz_context;

/**
 * An allocator. One callback does all three jobs, so that sizes are always known:
 * `block` NULL allocates, `new_bytes` 0 frees (and returns NULL), else the block is resized with
 * its first min(old, new) bytes kept. NULL for a non-zero size means refused, and leaves `block`
 * as it was. Blocks are aligned to 64 bytes. Called from several threads at once.
 */
typedef struct frz_alloc {
  void *ctx;
  void *(*resize)(void *ctx, void *block, size_t old_bytes, size_t new_bytes);
} frz_alloc;

/** Levels of the log callback. */
typedef enum frz_log_level {
  FRZ_LOG_DEBUG = 0,
  FRZ_LOG_INFO = 1,
  FRZ_LOG_WARNING = 2
} frz_log_level;

typedef struct frz_context_options {
  size_t struct_bytes;    /**< Set by frz_context_options_init(). */
  const frz_alloc *alloc; /**< NULL: the C library's. Borrowed for the context's life. */
  int32_t
      n_threads; /**< Threads that work on one call, the caller's among them; 0: one a processor. */
  int64_t memory_limit_bytes; /**< Bound for caches and joins; 0: half of what the machine or cgroup
                                 has. */
  const char *spill_dir; /**< Folder for temporary files; NULL: $TMPDIR is not read, "/tmp" is used.
                            Copied. */
  void *callback_ctx;    /**< Passed to the two callbacks below. */
  bool (*interrupted)(void *callback_ctx); /**< Asked about every 20 ms, on the calling thread only;
                                              true cancels the call. */
  void (*log)(void *callback_ctx, frz_log_level level,
              const char *line); /**< Any thread; NULL: silence. */
} frz_context_options;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_context_options_init(frz_context_options *options);

/**
 * @brief Make a context.
 * @param[in] options      May be NULL: all defaults.
 * @param[out] context_out Owned by the caller; end it with frz_context_free().
 * @retval FRZ_ERR_INVALID an option is out of range.
 * @retval FRZ_ERR_NOMEM   an allocation was refused.
 */
FRZ_API frz_status frz_context_create(const frz_context_options *options, frz_context **context_out,
                                      frz_error *err) FRZ_MUST_CHECK;

/** @brief End a context; NULL is accepted. Every handle made with it must have been freed. */
FRZ_API void frz_context_free(frz_context *context);

/** @brief Make running and later calls return FRZ_ERR_CANCELLED. Safe from any thread and from a
 * signal handler. */
FRZ_API void frz_context_cancel(frz_context *context);

/** @brief Let calls run again after frz_context_cancel(). */
FRZ_API void frz_context_resume(frz_context *context);

/** A name and its value, both NUL-terminated and borrowed for the call. */
typedef struct frz_property {
  const char *key;
  const char *value;
} frz_property;

/** A text that a call returns. `data` is NUL-terminated; end it with frz_string_dispose(). */
typedef struct frz_string {
  char *data;
  size_t size_bytes; /**< Without the final NUL. */
  const frz_alloc *alloc;
} frz_string;

/** @brief Free a returned text and set it to empty; NULL and an empty text are accepted. */
FRZ_API void frz_string_dispose(frz_string *string);

#ifdef __cplusplus
}
#endif
#endif
