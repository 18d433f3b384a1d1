/*
 * decimal_text.h - decimal digits to doubles, whatever the process's locale is.
 */
#ifndef FRZ_TEXT_DECIMAL_TEXT_H
#define FRZ_TEXT_DECIMAL_TEXT_H

#include "base/str.h"

/**
 * The double nearest to a JSON number (whose grammar the caller has checked). Infinite when it is
 * too large.
 */
double frz_decimal_parse(frz_str number);

#endif
