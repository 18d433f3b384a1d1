/*
 * text.h - numbers as text.
 */
#ifndef FRAZIL_TEXT_H
#define FRAZIL_TEXT_H

#include <stddef.h>

#include "frazil/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FRZ_DOUBLE_TEXT_BYTES = 32 };

/**
 * @brief Print a double with the fewest digits that read back as it.
 *
 * A whole number has a point ("1.0"), except in the form with an exponent, which begins at 1e16 and
 * below 1e-4 ("1e22", "2.5e-7"). Else "nan", "inf", "-inf". The process's locale does not matter.
 *
 * @param[out] text_out  NUL-terminated.
 * @return The text's length. Any thread.
 */
FRZ_API size_t frz_double_print(double value, char text_out[FRZ_DOUBLE_TEXT_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
