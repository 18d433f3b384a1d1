/*
 * text_out.h - a growing text, and JSON scalars written into it.
 *
 * The first refusal (memory, limit) is kept in `failed`, after which writes do nothing: calls need
 * no check, and the end asks once.
 */
#ifndef FRAZIL_SERVER_TEXT_OUT_H
#define FRAZIL_SERVER_TEXT_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frazil/status.h"

typedef struct text_out {
  char *data; /* of malloc() */
  size_t size;
  size_t capacity;
  size_t size_max;
  bool failed;
  bool is_short_of_memory; /* that is why */
} text_out;

void text_out_init(text_out *out, size_t size_max);

/** Free the text. */
void text_out_dispose(text_out *out);

/** Forget the text and keep its memory. */
void text_out_clear(text_out *out);

/** Of a text that failed: FRZ_ERR_NOMEM, or FRZ_ERR_LIMIT with the message `too_large`. */
frz_status text_out_failure(const text_out *out, const char *too_large,
                            frz_error *err) FRZ_MUST_CHECK;

/** Room for `n` more bytes at the end, or NULL. text_out_commit() says how many were used. */
char *text_out_reserve(text_out *out, size_t n);
void text_out_commit(text_out *out, size_t n);

void text_put(text_out *out, const char *data, size_t size);
void text_put_z(text_out *out, const char *text);
void text_put_byte(text_out *out, char byte);
void text_put_format(text_out *out, const char *format, ...) FRZ_PRINTF(2, 3);
void text_put_i64(text_out *out, int64_t value);

/** A JSON number, or "NaN", "Infinity", "-Infinity" in quotes. A whole number has a point. */
void text_put_double(text_out *out, double value);

/** A JSON text. What is not UTF-8 becomes U+FFFD. */
void text_put_json(text_out *out, const void *data, size_t size);

/** Base64 (RFC 4648, with padding) in quotes. */
void text_put_base64(text_out *out, const void *data, size_t size);

/** RFC 3339 in UTC, in quotes, with no, three or six digits of a second's fraction. */
void text_put_time(text_out *out, int64_t us);

#endif
