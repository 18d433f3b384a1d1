/*
 * server_fail.c - every failure of the server goes through here: one place for a breakpoint.
 */
#include "server_fail.h"

#include <stdarg.h>
#include <stdio.h>

frz_status server_fail(frz_error *err, frz_status code, const char *format, ...)
{
  if (err == NULL) return code;
  va_list args;
  va_start(args, format);
  vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  err->code = code;
  return code;
}
