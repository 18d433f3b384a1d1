/*
 * buf.h - a growable byte buffer with a maximum, aligned to 64 bytes.
 */
#ifndef FRZ_BASE_BUF_H
#define FRZ_BASE_BUF_H

#include <assert.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/str.h"

typedef struct frz_buf {
  uint8_t *data;
  size_t size;
  size_t capacity;
  size_t max_bytes;
  const frz_alloc *alloc;
} frz_buf;

static inline bool frz_buf_check(const frz_buf *buf)
{
  return buf->size <= buf->capacity && (buf->data != NULL || buf->capacity == 0);
}

/** An empty buffer that refuses (FRZ_ERR_LIMIT) to pass `max_bytes`. Allocates nothing yet. */
void frz_buf_init(frz_buf *buf, const frz_alloc *alloc, size_t max_bytes);

/** Free; a zeroed buffer is accepted. The allocator and maximum stay, so it may be filled again. */
void frz_buf_dispose(frz_buf *buf);

/** Make room for `extra` more bytes; at least doubles. Contents and size stay. */
frz_status frz_buf_reserve(frz_buf *buf, size_t extra, frz_error *err) FRZ_MUST_CHECK;

/** Set the size; new bytes are not cleared. */
frz_status frz_buf_resize(frz_buf *buf, size_t size, frz_error *err) FRZ_MUST_CHECK;

/** Set the size; new bytes are zero. */
frz_status frz_buf_resize_zeroed(frz_buf *buf, size_t size, frz_error *err) FRZ_MUST_CHECK;

/** Grow by `extra` bytes and return where they start, in `at_out`. */
frz_status frz_buf_extend(frz_buf *buf, size_t extra, uint8_t **at_out,
                          frz_error *err) FRZ_MUST_CHECK;

/** Append bytes; `data` must not lie inside the buffer. */
frz_status frz_buf_append(frz_buf *buf, const void *data, size_t size,
                          frz_error *err) FRZ_MUST_CHECK;

static inline frz_status frz_buf_append_str(frz_buf *buf, frz_str text, frz_error *err)
{
  return frz_buf_append(buf, text.data, text.size, err);
}

static inline frz_status frz_buf_append_byte(frz_buf *buf, uint8_t byte, frz_error *err)
{
  if (buf->size == buf->capacity) FRZ_TRY(frz_buf_reserve(buf, 1, err));
  buf->data[buf->size++] = byte;
  return FRZ_OK;
}

/** printf at the end; no NUL is kept. */
frz_status frz_buf_print(frz_buf *buf, frz_error *err, const char *format, ...)
    FRZ_PRINTF(3, 4) FRZ_MUST_CHECK;

static inline frz_str frz_buf_str(const frz_buf *buf)
{
  return (frz_str){(const char *)buf->data, buf->size};
}

/** Move the bytes out as a public, NUL-terminated text; the buffer is left empty. */
frz_status frz_buf_take_string(frz_buf *buf, frz_string *string_out, frz_error *err) FRZ_MUST_CHECK;

/** A public text that is a copy of `text`. */
frz_status frz_string_copy(const frz_alloc *alloc, frz_str text, frz_string *string_out,
                           frz_error *err) FRZ_MUST_CHECK;

#endif
