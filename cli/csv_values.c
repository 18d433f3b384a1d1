/*
 * csv_values.c - see csv_values.h.
 */
#include "csv_values.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool csv_is_text(const char *bytes, size_t size)
{
  const unsigned char *at = (const unsigned char *)bytes;
  const unsigned char *end = at + size;
  while (at < end) {
    unsigned first = *at++;
    if (first == 0) return false;
    if (first < 0x80) continue;
    int n_more = first >= 0xC2 && first < 0xE0 ? 1 : first >> 4 == 0xE ? 2 : 3;
    if (first < 0xC2 || first > 0xF4 || end - at < n_more) return false;
    /* Overlong forms, surrogates and what lies past U+10FFFF show in the second byte. */
    unsigned least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (*at < least || *at > most) return false;
    for (int i = 1; i < n_more; i++)
      if (at[i] >> 6 != 2) return false;
    at += n_more;
  }
  return true;
}

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

bool csv_is_integer(const char *text)
{
  if (*text == '-' || *text == '+') text++;
  if (*text == '\0') return false;
  while (is_digit(*text)) text++;
  return *text == '\0';
}

bool csv_parse_boolean(const char *text, bool *value_out)
{
  static const char *const words[] = {"false", "true", "False", "True", "FALSE", "TRUE"};
  for (int i = 0; i < 6; i++) {
    if (strcmp(text, words[i]) != 0) continue;
    *value_out = i % 2 == 1;
    return true;
  }
  return false;
}

bool csv_parse_long(const char *text, int64_t *value_out)
{
  if (!csv_is_integer(text)) return false;
  errno = 0;
  long long value = strtoll(text, NULL, 10);
  if (errno != 0) return false;
  *value_out = value;
  return true;
}

bool csv_parse_double(const char *text, double *value_out)
{
  char *end;
  bool begins = text[0] > ' ' && strpbrk(text, "xX(") == NULL;
  if (!begins) return false;
  errno = 0;
  double value = strtod(text, &end);
  if (end == text || *end != '\0') return false;
  if (errno == ERANGE && isinf(value)) return false;
  *value_out = value;
  return true;
}

/* Days since 1970 of a civil date (proleptic Gregorian). */
static int64_t days_of(int64_t year, int month, int day)
{
  int64_t shifted_year = month <= 2 ? year - 1 : year;
  int64_t era = (shifted_year >= 0 ? shifted_year : shifted_year - 399) / 400;
  int64_t year_of_era = shifted_year - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

/* Exactly `n` digits; moves past them. */
static bool read_digits(const char **at, int n, int *value_out)
{
  int value = 0;
  for (int i = 0; i < n; i++) {
    if (!is_digit((*at)[i])) return false;
    value = value * 10 + ((*at)[i] - '0');
  }
  *at += n;
  *value_out = value;
  return true;
}

static bool read_mark(const char **at, char mark)
{
  if (**at != mark) return false;
  ++*at;
  return true;
}

static bool read_date(const char **at, int64_t *days_out)
{
  static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int year;
  int month;
  int day;
  if (!read_digits(at, 4, &year) || !read_mark(at, '-') || !read_digits(at, 2, &month) ||
      !read_mark(at, '-') || !read_digits(at, 2, &day))
    return false;
  if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1]) return false;
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (month == 2 && day == 29 && !leap) return false;
  *days_out = days_of(year, month, day);
  return true;
}

bool csv_parse_date(const char *text, int32_t *days_out)
{
  int64_t days;
  if (!read_date(&text, &days) || *text != '\0') return false;
  *days_out = (int32_t)days;
  return true;
}

/* "", "Z", "+02:00", "-0530"; minutes east of UTC. */
static bool read_zone(const char *at, bool *has_zone_out, int *minutes_out)
{
  *minutes_out = 0;
  *has_zone_out = *at != '\0';
  if (*at == '\0' || strcmp(at, "Z") == 0) return true;
  bool west = *at == '-';
  int hours;
  int minutes;
  if (!read_mark(&at, west ? '-' : '+') || !read_digits(&at, 2, &hours)) return false;
  (void)read_mark(&at, ':');
  if (!read_digits(&at, 2, &minutes) || *at != '\0' || hours > 18 || minutes > 59) return false;
  *minutes_out = (west ? -1 : 1) * (hours * 60 + minutes);
  return true;
}

/* Micros behind a point; nothing there is none. */
static bool read_fraction(const char **at, int64_t *micros_out)
{
  *micros_out = 0;
  if (!read_mark(at, '.')) return true;
  int n_digits = 0;
  for (; is_digit(**at); ++*at, n_digits++) {
    if (n_digits < 6)
      *micros_out = *micros_out * 10 + (**at - '0');
    else if (**at != '0')
      return false;
  }
  for (int i = n_digits; i < 6; i++) *micros_out *= 10;
  return n_digits > 0;
}

bool csv_parse_timestamp(const char *text, int64_t *micros_out, bool *has_zone_out)
{
  const char *at = text;
  int64_t days;
  int64_t fraction;
  int hour;
  int minute;
  int second = 0;
  int zone_minutes;
  if (!read_date(&at, &days) || (*at != 'T' && *at != ' ')) return false;
  at++;
  if (!read_digits(&at, 2, &hour) || !read_mark(&at, ':') || !read_digits(&at, 2, &minute))
    return false;
  if (read_mark(&at, ':') && !read_digits(&at, 2, &second)) return false;
  if (!read_fraction(&at, &fraction) || !read_zone(at, has_zone_out, &zone_minutes)) return false;
  if (hour > 23 || minute > 59 || second > 59) return false;
  int64_t seconds = days * 86400 + hour * 3600 + (minute - zone_minutes) * 60 + second;
  *micros_out = seconds * 1000000 + fraction;
  return true;
}
