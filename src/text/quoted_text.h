/*
 * quoted_text.h - names and strings in quotes, as filters and partition specs have them.
 */
#ifndef FRZ_TEXT_QUOTED_TEXT_H
#define FRZ_TEXT_QUOTED_TEXT_H

#include "base/arena.h"

/**
 * What stands between quotes, the same character at both ends; inside, that character is doubled.
 *
 * `*at` is where the opening quote stands in `text`, and moves behind the closing one on success.
 * `out` borrows from `text`, or from `arena` where a quote was doubled; it may be empty.
 * FRZ_ERR_INVALID: there is no closing quote.
 */
frz_status frz_quoted_text_take(frz_str text, size_t *at, frz_arena *arena, frz_str *out,
                                frz_error *err) FRZ_MUST_CHECK;

#endif
