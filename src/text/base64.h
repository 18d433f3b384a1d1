/*
 * base64.h - bytes as text of 64 letters. Source: RFC 4648, sections 4 and 5.
 */
#ifndef FRZ_TEXT_BASE64_H
#define FRZ_TEXT_BASE64_H

#include "base/arena.h"

/** With '+', '/' and '=' at the end, in the arena; data is NULL when refused. */
frz_str frz_base64_print(frz_str bytes, frz_arena *arena);

/** With '-' and '_', without '=' at the end: what URLs and JSON Web Tokens take. */
frz_str frz_base64_print_url(frz_str bytes, frz_arena *arena);

/** The bytes of a text of either alphabet, with '=' at its end or without, in the arena; their data
 * is NULL when memory is refused. False: it is not such a text. */
bool frz_base64_read(frz_str text, frz_arena *arena, frz_str *bytes_out);

#endif
