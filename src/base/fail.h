/*
 * fail.h - how a failure is reported inside the library.
 *
 * Every failure passes through frz_fail(), which returns the code it was given, so that one
 * breakpoint sees them all. Layers add where it happened in front with frz_error_where() and
 * never replace the cause.
 */
#ifndef FRZ_BASE_FAIL_H
#define FRZ_BASE_FAIL_H

#include "frazil/status.h"

/** Tells the compiler that `code` is a failure: it then sees that outputs need no value. */
static inline frz_status frz_failed(frz_status code)
{
  if (code == FRZ_OK) __builtin_unreachable();
  return code;
}

/** Record a failure (err may be NULL) and return `code`, which is not FRZ_OK. One line, no "failed
 * to". */
frz_status frz_fail(frz_error *err, frz_status code, const char *format, ...) FRZ_PRINTF(3, 4);
#define frz_fail(...) frz_failed(frz_fail(__VA_ARGS__))

/** Put a place in front of the message that err already holds. */
void frz_error_where(frz_error *err, const char *format, ...) FRZ_PRINTF(2, 3);

/** frz_fail() for a refused allocation: `what` names the thing that did not fit. */
frz_status frz_fail_nomem(frz_error *err, const char *what);
#define frz_fail_nomem(err, what) frz_failed(frz_fail_nomem(err, what))

/** Return on failure; for functions that hold nothing. */
#define FRZ_TRY(call)                                    \
  do {                                                   \
    frz_status frz_try_status = (call);                  \
    if (frz_try_status != FRZ_OK) return frz_try_status; \
  } while (0)

/** Set `st` and jump to `out` on failure; for functions with something to release. */
#define FRZ_TRY_OUT(call)       \
  do {                          \
    st = (call);                \
    if (st != FRZ_OK) goto out; \
  } while (0)

#endif
