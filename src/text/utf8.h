/*
 * utf8.h - one strict step over UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF.
 *
 * Source: RFC 3629, section 4 (the table of well-formed byte sequences).
 */
#ifndef FRZ_TEXT_UTF8_H
#define FRZ_TEXT_UTF8_H

#include <stdint.h>

#include "base/str.h"

static inline bool frz_utf8_is_tail(char byte)
{
  return ((uint8_t)byte & 0xc0) == 0x80;
}

/** Bytes of the well-formed sequence that starts at `text` (1 to 4), or 0. `left` > 0. */
static inline size_t frz_utf8_step(const char *text, size_t left)
{
  uint8_t lead = (uint8_t)text[0];
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4 || left < 2) return 0;
  uint8_t second = (uint8_t)text[1];
  if (lead < 0xe0) return frz_utf8_is_tail(text[1]) ? 2 : 0;
  /* The second byte carries every remaining rule: overlong, surrogate, too large. */
  uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  if (left < 3 || !frz_utf8_is_tail(text[2])) return 0;
  if (lead < 0xf0) return 3;
  return left >= 4 && frz_utf8_is_tail(text[3]) ? 4 : 0;
}

#endif
