/*
 * verify_findings.c - what a verification has found so far. See verify.h.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "iceberg/maintain/verify.h"

enum { MESSAGE_BYTES = 1024 };

void frz_findings_init(frz_findings *findings, const frz_alloc *alloc)
{
  *findings = (frz_findings){0};
  frz_arena_init(&findings->arena, alloc, FRZ_LIMIT_MANIFEST_BYTES);
}

void frz_findings_dispose(frz_findings *findings)
{
  if (findings->arena.alloc != NULL) frz_arena_free(&findings->arena);
  *findings = (frz_findings){0};
}

static frz_status add_text(frz_findings *findings, const frz_check *check, frz_str object,
                           frz_str message, frz_error *err)
{
  frz_finding *list = frz_arena_list_room(&findings->arena, findings->items, findings->n_items,
                                          &findings->capacity, sizeof *list);
  if (list == NULL) return frz_fail_nomem(err, "findings");
  findings->items = list;
  frz_finding finding = {.is_error = check->is_error,
                         .check = check->name,
                         .object = frz_arena_keep(&findings->arena, object),
                         .message = frz_arena_keep(&findings->arena, message),
                         .advice = check->advice};
  if (finding.object.data == NULL || finding.message.data == NULL)
    return frz_fail_nomem(err, "findings");
  list[findings->n_items++] = finding;
  return FRZ_OK;
}

frz_status frz_findings_add(frz_findings *findings, const frz_check *check, frz_str object,
                            frz_error *err, const char *format, ...)
{
  char message[MESSAGE_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  return add_text(findings, check, object, frz_str_from(message), err);
}

frz_status frz_findings_add_failure(frz_findings *findings, const frz_check *check, frz_str object,
                                    frz_status st, const frz_error *why, frz_error *err)
{
  if (st == FRZ_OK) return FRZ_OK;
  if (st == FRZ_ERR_NOMEM || st == FRZ_ERR_CANCELLED || st == FRZ_ERR_TIMEOUT) {
    if (err != NULL) *err = *why;
    return st;
  }
  return add_text(findings, check, object, frz_str_from(why->message), err);
}
