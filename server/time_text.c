/*
 * time_text.c - ISO 8601 dates and times, as Python's isoformat() and RFC 3339 write them.
 */
#include <stdint.h>
#include <string.h>

#include "proto_encode.h"

typedef struct cursor {
  const char *text;
  size_t pos;
  size_t size;
} cursor;

static bool take(cursor *in, char c)
{
  if (in->pos >= in->size || in->text[in->pos] != c) return false;
  in->pos++;
  return true;
}

static bool take_digits(cursor *in, int n, int64_t most, int64_t *value_out)
{
  int64_t value = 0;
  for (int i = 0; i < n; i++, in->pos++) {
    if (in->pos >= in->size || in->text[in->pos] < '0' || in->text[in->pos] > '9') return false;
    value = value * 10 + (in->text[in->pos] - '0');
  }
  *value_out = value;
  return value <= most;
}

static bool is_leap(int64_t year)
{
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days since 1970 of a date, by 400-year eras that begin in March. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
  int64_t y = year - (month <= 2);
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t of_era = y - era * 400;
  int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool read_date(cursor *in, int64_t *days_out)
{
  static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int64_t year, month, day;
  if (!take_digits(in, 4, 9999, &year) || !take(in, '-') || !take_digits(in, 2, 12, &month) ||
      !take(in, '-') || !take_digits(in, 2, 31, &day) || month < 1 || day < 1 || year < 1)
    return false;
  if (day > lengths[month - 1] + (month == 2 && is_leap(year))) return false;
  *days_out = days_of(year, month, day);
  return true;
}

/* Up to nine digits; those behind the sixth are cut. */
static bool read_fraction(cursor *in, int64_t *us_out)
{
  int64_t us = 0;
  int n = 0;
  for (; in->pos < in->size && in->text[in->pos] >= '0' && in->text[in->pos] <= '9'; in->pos++, n++)
    if (n < 6) us = us * 10 + (in->text[in->pos] - '0');
  for (int i = n; i < 6; i++) us *= 10;
  *us_out = us;
  return n >= 1 && n <= 9;
}

static bool read_zone(cursor *in, int64_t *offset_s_out)
{
  *offset_s_out = 0;
  if (in->pos == in->size || take(in, 'Z') || take(in, 'z')) return true;
  bool is_west = in->text[in->pos] == '-';
  if (!take(in, '+') && !take(in, '-')) return false;
  int64_t hours;
  int64_t minutes = 0;
  if (!take_digits(in, 2, 23, &hours)) return false;
  bool has_minutes = take(in, ':') || in->pos < in->size;
  if (has_minutes && !take_digits(in, 2, 59, &minutes)) return false;
  *offset_s_out = (hours * 60 + minutes) * 60 * (is_west ? -1 : 1);
  return true;
}

bool time_text_read(const char *text, size_t size, int64_t *us_out, int32_t *offset_s_out)
{
  cursor in = {text, 0, size};
  int64_t days;
  int64_t hour = 0;
  int64_t minute = 0;
  int64_t second = 0;
  int64_t fraction_us = 0;
  int64_t offset_s = 0;
  if (!read_date(&in, &days)) return false;
  if (in.pos < in.size) {
    if (!take(&in, 'T') && !take(&in, 't') && !take(&in, ' ')) return false;
    if (!take_digits(&in, 2, 23, &hour) || !take(&in, ':') || !take_digits(&in, 2, 59, &minute))
      return false;
    if (take(&in, ':') && !take_digits(&in, 2, 59, &second)) return false;
    if (take(&in, '.') && !read_fraction(&in, &fraction_us)) return false;
    if (!read_zone(&in, &offset_s) || in.pos != in.size) return false;
  }
  *us_out =
      ((days * 86400) + hour * 3600 + minute * 60 + second - offset_s) * 1000000 + fraction_us;
  if (offset_s_out != NULL) *offset_s_out = (int32_t)offset_s;
  return true;
}
