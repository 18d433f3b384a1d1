/*
 * server_fail.h - failures inside the server: as in the library, a status and a message.
 */
#ifndef FRAZIL_SERVER_FAIL_H
#define FRAZIL_SERVER_FAIL_H

#include "frazil/status.h"

/** Describe a failure in `err`, which may be NULL, and return its code. */
frz_status server_fail(frz_error *err, frz_status code, const char *format, ...) FRZ_PRINTF(3, 4);

/** Return from a function that holds nothing where a call does not succeed. */
#define SERVER_TRY(call)                         \
  do {                                           \
    frz_status try_status = (call);              \
    if (try_status != FRZ_OK) return try_status; \
  } while (0)

#endif
