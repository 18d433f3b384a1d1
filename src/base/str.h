/*
 * str.h - borrowed byte strings, and the printf form for them.
 */
#ifndef FRZ_BASE_STR_H
#define FRZ_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/** A borrowed run of bytes, not NUL-terminated. `data` may be NULL only when size is 0. */
typedef struct frz_str {
  const char *data;
  size_t size;
} frz_str;

/** A string literal as frz_str. */
#define FRZ_STR(literal) ((frz_str){"" literal, sizeof(literal) - 1})

/** For printf's "%.*s": precision and pointer; very long strings are cut at 200 bytes. */
#define FRZ_STR_ARG(s) ((int)((s).size < 200 ? (s).size : 200)), ((s).data != NULL ? (s).data : "")

static inline frz_str frz_str_from(const char *text)
{
  return (frz_str){text, text != NULL ? strlen(text) : 0};
}

static inline bool frz_str_equal(frz_str a, frz_str b)
{
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool frz_str_is(frz_str a, const char *text)
{
  return frz_str_equal(a, frz_str_from(text));
}

/** Unsigned byte order; a prefix comes first. */
static inline int frz_str_compare(frz_str a, frz_str b)
{
  size_t shorter = a.size < b.size ? a.size : b.size;
  int order = shorter != 0 ? memcmp(a.data, b.data, shorter) : 0;
  if (order != 0) return order;
  return (a.size > b.size) - (a.size < b.size);
}

static inline bool frz_str_starts(frz_str a, const char *prefix)
{
  size_t n = strlen(prefix);
  return a.size >= n && memcmp(a.data, prefix, n) == 0;
}

static inline bool frz_str_ends(frz_str a, const char *suffix)
{
  size_t n = strlen(suffix);
  return a.size >= n && memcmp(a.data + a.size - n, suffix, n) == 0;
}

static inline char frz_char_lower(char c)
{
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/** The value of a hexadecimal digit; -1: it is none. */
static inline int frz_hex_digit(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  char lower = frz_char_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/** Are they the same, letters A to Z taken as a to z? */
static inline bool frz_str_same_word(frz_str a, frz_str b)
{
  if (a.size != b.size) return false;
  for (size_t i = 0; i < a.size; i++)
    if (frz_char_lower(a.data[i]) != frz_char_lower(b.data[i])) return false;
  return true;
}

static inline bool frz_str_is_word(frz_str a, const char *word)
{
  return frz_str_same_word(a, frz_str_from(word));
}

#endif
