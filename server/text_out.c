/*
 * text_out.c - a growing text, and JSON scalars written into it.
 *
 * Scalars reserve the most that they can take, then write without checks: formatting is most of
 * what a request for many keys costs.
 */
#include "text_out.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frazil/text.h"
#include "server_fail.h"

enum { FIRST_CAPACITY = 1024, INTEGER_BYTES = 20, TIME_BYTES = 40 };

void text_out_init(text_out *out, size_t size_max)
{
  *out = (text_out){.size_max = size_max};
}

void text_out_dispose(text_out *out)
{
  free(out->data);
  text_out_init(out, out->size_max);
}

void text_out_clear(text_out *out)
{
  out->size = 0;
  out->failed = out->is_short_of_memory = false;
}

static bool grow(text_out *out, size_t n)
{
  if (out->failed || n > out->size_max - out->size) {
    out->failed = true;
    return false;
  }
  size_t capacity = out->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : out->capacity;
  while (capacity - out->size < n) capacity *= 2;
  if (capacity > out->size_max) capacity = out->size_max;
  char *grown = realloc(out->data, capacity);
  if (grown == NULL) {
    out->failed = out->is_short_of_memory = true;
    return false;
  }
  out->data = grown;
  out->capacity = capacity;
  return true;
}

frz_status text_out_failure(const text_out *out, const char *too_large, frz_error *err)
{
  assert(out->failed);
  if (out->is_short_of_memory)
    return server_fail(err, FRZ_ERR_NOMEM, "no memory for a text behind its first %zu bytes",
                       out->size);
  return server_fail(err, FRZ_ERR_LIMIT, "%s", too_large);
}

char *text_out_reserve(text_out *out, size_t n)
{
  assert(out->size <= out->capacity);
  if (out->capacity - out->size < n || out->failed) {
    if (!grow(out, n)) return NULL;
  }
  return out->data + out->size;
}

void text_out_commit(text_out *out, size_t n)
{
  assert(n <= out->capacity - out->size);
  out->size += n;
}

void text_put(text_out *out, const char *data, size_t size)
{
  char *at = text_out_reserve(out, size);
  if (at == NULL || size == 0) return;
  memcpy(at, data, size);
  out->size += size;
}

void text_put_z(text_out *out, const char *text)
{
  text_put(out, text, strlen(text));
}

void text_put_byte(text_out *out, char byte)
{
  text_put(out, &byte, 1);
}

void text_put_format(text_out *out, const char *format, ...)
{
  char text[1024];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (n < 0 || (size_t)n >= sizeof text)
    out->failed = true;
  else
    text_put(out, text, (size_t)n);
}

/* ---- numbers ---- */

static size_t print_u64(char *out, uint64_t value)
{
  char text[INTEGER_BYTES];
  size_t at = sizeof text;
  do {
    text[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value != 0);
  memcpy(out, text + at, sizeof text - at);
  return sizeof text - at;
}

void text_put_i64(text_out *out, int64_t value)
{
  char *at = text_out_reserve(out, INTEGER_BYTES + 1);
  if (at == NULL) return;
  size_t n = 0;
  if (value < 0) at[n++] = '-';
  n += print_u64(at + n, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
  out->size += n;
}

void text_put_double(text_out *out, double value)
{
  char *at = text_out_reserve(out, FRZ_DOUBLE_TEXT_BYTES);
  if (at == NULL) return;
  if (isfinite(value))
    out->size += frz_double_print(value, at);
  else
    text_put_z(out, isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

/* ---- texts ---- */

/* Bytes of the well-formed UTF-8 sequence at the start; 0: it is none. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
  size_t n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
  if (n == 1) return 1;
  if (s[0] < 0xc2 || s[0] > 0xf4 || left < n) return 0;
  unsigned char least = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
  unsigned char most = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
  if (s[1] < least || s[1] > most) return 0;
  for (size_t i = 2; i < n; i++)
    if (s[i] < 0x80 || s[i] > 0xbf) return 0;
  return n;
}

/* Bytes at the start that stand for themselves. */
static size_t plain_length(const unsigned char *s, size_t size)
{
  size_t n = 0;
  while (n < size && s[n] >= 0x20 && s[n] < 0x80 && s[n] != '"' && s[n] != '\\') n++;
  return n;
}

static void put_special(text_out *out, unsigned char c)
{
  static const char shorts[] = "b\bf\fn\nr\rt\t\"\"\\\\";
  for (size_t i = 0; i + 1 < sizeof shorts; i += 2)
    if ((unsigned char)shorts[i + 1] == c) {
      text_put_byte(out, '\\');
      text_put_byte(out, shorts[i]);
      return;
    }
  text_put_format(out, "\\u%04x", c);
}

void text_put_json(text_out *out, const void *data, size_t size)
{
  const unsigned char *s = data;
  text_put_byte(out, '"');
  for (size_t at = 0; at < size;) {
    size_t plain = plain_length(s + at, size - at);
    text_put(out, (const char *)s + at, plain);
    at += plain;
    if (at == size) break;
    if (s[at] < 0x80) {
      put_special(out, s[at++]);
      continue;
    }
    size_t n = utf8_length(s + at, size - at);
    if (n == 0)
      text_put(out, "\xef\xbf\xbd", 3);
    else
      text_put(out, (const char *)s + at, n);
    at += n == 0 ? 1 : n;
  }
  text_put_byte(out, '"');
}

void text_put_base64(text_out *out, const void *data, size_t size)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const unsigned char *s = data;
  if (size > out->size_max) {
    out->failed = true;
    return;
  }
  char *at = text_out_reserve(out, (size + 2) / 3 * 4 + 2);
  if (at == NULL) return;
  char *start = at;
  *at++ = '"';
  for (size_t i = 0; i < size; i += 3) {
    size_t left = size - i;
    uint32_t group =
        (uint32_t)s[i] << 16 | (left > 1 ? (uint32_t)s[i + 1] << 8 : 0) | (left > 2 ? s[i + 2] : 0);
    *at++ = digits[group >> 18];
    *at++ = digits[group >> 12 & 63];
    *at++ = left > 1 ? digits[group >> 6 & 63] : '=';
    *at++ = left > 2 ? digits[group & 63] : '=';
  }
  *at++ = '"';
  out->size += (size_t)(at - start);
}

/* ---- times ---- */

static void put_padded(char *out, uint32_t value, int digits)
{
  for (int i = digits - 1; i >= 0; i--) {
    out[i] = (char)('0' + value % 10);
    value /= 10;
  }
}

/* Year, month and day of a day since 1970, by 400-year eras that begin in March. */
static void civil(int64_t day, int64_t *year_out, uint32_t *month_out, uint32_t *day_out)
{
  int64_t z = day + 719468;
  int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  uint32_t of_era = (uint32_t)(z - era * 146097);
  uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
  uint32_t month = (5 * of_year + 2) / 153;
  *day_out = of_year - (153 * month + 2) / 5 + 1;
  *month_out = month < 10 ? month + 3 : month - 9;
  *year_out = (int64_t)year + era * 400 + (*month_out <= 2);
}

void text_put_time(text_out *out, int64_t us)
{
  enum { US_PER_DAY_THOUSANDS = 86400000 };
  const int64_t us_per_day = (int64_t)US_PER_DAY_THOUSANDS * 1000;
  int64_t days = us / us_per_day - (us % us_per_day < 0);
  int64_t rest = us - days * us_per_day;
  int64_t year;
  uint32_t month, day;
  civil(days, &year, &month, &day);
  char *at = text_out_reserve(out, TIME_BYTES);
  if (at == NULL) return;
  size_t n = 0;
  at[n++] = '"';
  if (year < 0 || year > 9999) {
    n += (size_t)snprintf(at + n, 12, "%+lld", (long long)year);
  } else {
    put_padded(at + n, (uint32_t)year, 4);
    n += 4;
  }
  memcpy(at + n, "-00-00T00:00:00", 15);
  uint32_t second = (uint32_t)(rest / 1000000);
  put_padded(at + n + 1, month, 2);
  put_padded(at + n + 4, day, 2);
  put_padded(at + n + 7, second / 3600, 2);
  put_padded(at + n + 10, second / 60 % 60, 2);
  put_padded(at + n + 13, second % 60, 2);
  n += 15;
  uint32_t fraction = (uint32_t)(rest % 1000000);
  if (fraction != 0) {
    bool is_ms = fraction % 1000 == 0;
    at[n++] = '.';
    put_padded(at + n, is_ms ? fraction / 1000 : fraction, is_ms ? 3 : 6);
    n += is_ms ? 3 : 6;
  }
  at[n++] = 'Z';
  at[n++] = '"';
  out->size += n;
}
