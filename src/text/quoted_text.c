/*
 * quoted_text.c - see quoted_text.h.
 */
#include "text/quoted_text.h"

#include "base/fail.h"

frz_status frz_quoted_text_take(frz_str text, size_t *at, frz_arena *arena, frz_str *out,
                                frz_error *err)
{
  const char quote = text.data[*at];
  size_t first = *at + 1, end = first, n_doubled = 0;
  for (;; end++) {
    if (end == text.size)
      return frz_fail(err, FRZ_ERR_INVALID, "offset %zu: the quote %c has no end", *at, quote);
    if (text.data[end] != quote) continue;
    if (end + 1 == text.size || text.data[end + 1] != quote) break;
    n_doubled++;
    end++;
  }
  frz_str found = {text.data + first, end - first};
  if (n_doubled != 0) {
    char *single = frz_arena_push(arena, found.size - n_doubled);
    if (single == NULL) return frz_fail_nomem(err, "quoted text");
    size_t n = 0;
    for (size_t i = first; i < end; i++) {
      single[n++] = text.data[i];
      if (text.data[i] == quote) i++;
    }
    found = (frz_str){single, n};
  }
  *at = end + 1;
  *out = found;
  return FRZ_OK;
}
