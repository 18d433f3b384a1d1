/*
 * buf.c - growable buffers and the texts that calls return.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void frz_buf_init(frz_buf *buf, const frz_alloc *alloc, size_t max_bytes)
{
  *buf = (frz_buf){.alloc = alloc, .max_bytes = max_bytes};
}

void frz_buf_dispose(frz_buf *buf)
{
  if (buf->data != NULL) frz_alloc_free(buf->alloc, buf->data, buf->capacity);
  buf->data = NULL;
  buf->size = 0;
  buf->capacity = 0;
}

frz_status frz_buf_reserve(frz_buf *buf, size_t extra, frz_error *err)
{
  assert(frz_buf_check(buf) && buf->alloc != NULL);
  if (extra <= buf->capacity - buf->size) return FRZ_OK;
  if (buf->size > buf->max_bytes || extra > buf->max_bytes - buf->size)
    return frz_fail(err, FRZ_ERR_LIMIT, "buffer of %zu bytes: %zu more pass its limit of %zu",
                    buf->size, extra, buf->max_bytes);
  size_t wanted = buf->size + extra;
  size_t doubled = buf->capacity > buf->max_bytes / 2 ? buf->max_bytes : buf->capacity * 2;
  if (wanted < doubled) wanted = doubled;
  if (wanted < 64 && buf->max_bytes >= 64) wanted = 64;
  uint8_t *grown = buf->alloc->resize(buf->alloc->ctx, buf->data, buf->capacity, wanted);
  if (grown == NULL) return frz_fail_nomem(err, "buffer");
  buf->data = grown;
  buf->capacity = wanted;
  return FRZ_OK;
}

frz_status frz_buf_resize(frz_buf *buf, size_t size, frz_error *err)
{
  if (size > buf->size) FRZ_TRY(frz_buf_reserve(buf, size - buf->size, err));
  buf->size = size;
  return FRZ_OK;
}

frz_status frz_buf_resize_zeroed(frz_buf *buf, size_t size, frz_error *err)
{
  size_t old = buf->size;
  FRZ_TRY(frz_buf_resize(buf, size, err));
  if (size > old) memset(buf->data + old, 0, size - old);
  return FRZ_OK;
}

frz_status frz_buf_extend(frz_buf *buf, size_t extra, uint8_t **at_out, frz_error *err)
{
  FRZ_TRY(frz_buf_reserve(buf, extra, err));
  *at_out = buf->data != NULL ? buf->data + buf->size : NULL; /* nothing in an empty buffer */
  buf->size += extra;
  return FRZ_OK;
}

frz_status frz_buf_append(frz_buf *buf, const void *data, size_t size, frz_error *err)
{
  if (size == 0) return FRZ_OK;
  FRZ_TRY(frz_buf_reserve(buf, size, err));
  memcpy(buf->data + buf->size, data, size);
  buf->size += size;
  return FRZ_OK;
}

frz_status frz_buf_print(frz_buf *buf, frz_error *err, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  int wanted = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (wanted < 0)
    return frz_fail(err, FRZ_ERR_INVALID, "text format '%s' cannot be printed", format);
  FRZ_TRY(frz_buf_reserve(buf, (size_t)wanted + 1, err));
  va_start(args, format);
  vsnprintf((char *)buf->data + buf->size, (size_t)wanted + 1, format, args);
  va_end(args);
  buf->size += (size_t)wanted;
  return FRZ_OK;
}

/* A frz_string's block is size_bytes + 1 long: that is what its disposal gives back. */
frz_status frz_buf_take_string(frz_buf *buf, frz_string *string_out, frz_error *err)
{
  frz_status st = frz_string_copy(buf->alloc, frz_buf_str(buf), string_out, err);
  if (st == FRZ_OK) frz_buf_dispose(buf);
  return st;
}

frz_status frz_string_copy(const frz_alloc *alloc, frz_str text, frz_string *string_out,
                           frz_error *err)
{
  char *copy = frz_alloc_new(alloc, text.size + 1);
  if (copy == NULL) return frz_fail_nomem(err, "text");
  if (text.size != 0) memcpy(copy, text.data, text.size);
  copy[text.size] = '\0';
  *string_out = (frz_string){copy, text.size, alloc};
  return FRZ_OK;
}

void frz_string_dispose(frz_string *string)
{
  if (string == NULL) return;
  if (string->data != NULL) frz_alloc_free(string->alloc, string->data, string->size_bytes + 1);
  *string = (frz_string){0};
}
