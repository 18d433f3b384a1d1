/*
 * fail.c - error messages: one line each, built in place, cut rather than overrun.
 */
#include "base/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Control characters of a quoted file or value must not break the one-line rule. */
static void flatten(char *text)
{
  for (; *text != '\0'; text++)
    if ((unsigned char)*text < 0x20 || *text == 0x7f) *text = '?';
}

frz_status(frz_fail)(frz_error *err, frz_status code, const char *format, ...)
{
  if (err != NULL) {
    va_list args;
    va_start(args, format);
    err->code = code;
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    flatten(err->message);
  }
  return code;
}

void frz_error_where(frz_error *err, const char *format, ...)
{
  if (err == NULL) return;
  char where[FRZ_ERROR_MESSAGE_BYTES];
  va_list args;
  va_start(args, format);
  int wanted = vsnprintf(where, sizeof where, format, args);
  va_end(args);
  if (wanted <= 0) return;
  size_t where_bytes = strlen(where);
  if (where_bytes > sizeof where / 2) where_bytes = sizeof where / 2; /* leave room for the cause */
  size_t cause_bytes = strlen(err->message);
  if (cause_bytes > sizeof err->message - 1 - where_bytes)
    cause_bytes = sizeof err->message - 1 - where_bytes;
  memmove(err->message + where_bytes, err->message, cause_bytes);
  memcpy(err->message, where, where_bytes);
  err->message[where_bytes + cause_bytes] = '\0';
  flatten(err->message);
}

frz_status(frz_fail_nomem)(frz_error *err, const char *what)
{
  return frz_fail(err, FRZ_ERR_NOMEM, "out of memory: %s", what);
}

const char *frz_status_name(frz_status status)
{
  switch (status) {
  case FRZ_OK: return "FRZ_OK";
  case FRZ_ERR_INVALID: return "FRZ_ERR_INVALID";
  case FRZ_ERR_NOMEM: return "FRZ_ERR_NOMEM";
  case FRZ_ERR_CORRUPT: return "FRZ_ERR_CORRUPT";
  case FRZ_ERR_UNSUPPORTED: return "FRZ_ERR_UNSUPPORTED";
  case FRZ_ERR_IO: return "FRZ_ERR_IO";
  case FRZ_ERR_NOT_FOUND: return "FRZ_ERR_NOT_FOUND";
  case FRZ_ERR_CONFLICT: return "FRZ_ERR_CONFLICT";
  case FRZ_ERR_COMMIT_UNKNOWN: return "FRZ_ERR_COMMIT_UNKNOWN";
  case FRZ_ERR_STALE: return "FRZ_ERR_STALE";
  case FRZ_ERR_LIMIT: return "FRZ_ERR_LIMIT";
  case FRZ_ERR_TIMEOUT: return "FRZ_ERR_TIMEOUT";
  case FRZ_ERR_CANCELLED: return "FRZ_ERR_CANCELLED";
  case FRZ_ERR_AUTH: return "FRZ_ERR_AUTH";
  case FRZ_ERR_EXISTS: return "FRZ_ERR_EXISTS";
  }
  return "unknown status";
}

const char *frz_version(void)
{
  return FRZ_VERSION;
}
