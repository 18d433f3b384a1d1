/*
 * date_text.c - dates and times as text.
 *
 * Day numbers are turned into dates by counting years from the first of March, so that the leap
 * day comes last, in cycles of 400 years of 146,097 days. Printing of times follows the forms
 * that java.time gives, since those are what partition paths of other writers hold.
 */
#include "iceberg/schema/date_text.h"

#include <stdio.h>
#include <stdlib.h>

enum { DAYS_PER_CYCLE = 146097, DAYS_TO_EPOCH = 719468 }; /* 0000-03-01 to 1970-01-01 */

int64_t frz_days_of_date(int64_t year, int month, int day)
{
  int64_t march_year = month <= 2 ? year - 1 : year;
  int64_t cycle = frz_floor_div(march_year, 400);
  int64_t year_of_cycle = march_year - cycle * 400;
  int64_t march_month = month > 2 ? month - 3 : month + 9;
  int64_t day_of_year = (153 * march_month + 2) / 5 + day - 1;
  int64_t day_of_cycle =
      year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
  return cycle * DAYS_PER_CYCLE + day_of_cycle - DAYS_TO_EPOCH;
}

void frz_date_of_days(int64_t days, int64_t *year_out, int *month_out, int *day_out)
{
  int64_t shifted = days + DAYS_TO_EPOCH;
  int64_t cycle = frz_floor_div(shifted, DAYS_PER_CYCLE);
  int64_t day_of_cycle = shifted - cycle * DAYS_PER_CYCLE;
  int64_t year_of_cycle =
      (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 - day_of_cycle / 146096) / 365;
  int64_t day_of_year =
      day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
  int64_t march_month = (5 * day_of_year + 2) / 153;
  *day_out = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
  *month_out = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
  *year_out = cycle * 400 + year_of_cycle + (march_month >= 10);
}

/* ---- printing ---- */

size_t frz_date_print(int64_t days, char text_out[FRZ_DATE_TEXT_BYTES])
{
  int64_t year;
  int month, day;
  frz_date_of_days(days, &year, &month, &day);
  const char *sign = year < 0 ? "-" : year > 9999 ? "+" : "";
  int size = snprintf(text_out, FRZ_DATE_TEXT_BYTES, "%s%04lld-%02d-%02d", sign,
                      (long long)llabs(year), month, day);
  return (size_t)size;
}

/* "12:30:05", and a fraction of `digits` digits without its zeros at the end. */
static size_t print_clock(int64_t ticks, int64_t per_second, int digits, char *out, size_t room)
{
  int64_t seconds = ticks / per_second;
  int64_t fraction = ticks % per_second;
  int size = snprintf(out, room, "%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60),
                      (int)(seconds % 60));
  if (fraction != 0) {
    size += snprintf(out + size, room - (size_t)size, ".%0*lld", digits, (long long)fraction);
    while (out[size - 1] == '0') size--;
    out[size] = '\0';
  }
  return (size_t)size;
}

size_t frz_time_print(int64_t time_us, char text_out[FRZ_DATE_TEXT_BYTES])
{
  int64_t in_day = time_us - frz_floor_div(time_us, FRZ_US_PER_DAY) * FRZ_US_PER_DAY;
  int seconds = (int)(in_day / FRZ_US_PER_SECOND);
  int micros = (int)(in_day % FRZ_US_PER_SECOND);
  int size =
      snprintf(text_out, FRZ_DATE_TEXT_BYTES, "%02d:%02d", seconds / 3600, seconds / 60 % 60);
  char *end = text_out + size;
  size_t room = FRZ_DATE_TEXT_BYTES - (size_t)size;
  if (micros % 1000 != 0)
    size += snprintf(end, room, ":%02d.%06d", seconds % 60, micros);
  else if (micros != 0)
    size += snprintf(end, room, ":%02d.%03d", seconds % 60, micros / 1000);
  else if (seconds % 60 != 0)
    size += snprintf(end, room, ":%02d", seconds % 60);
  return (size_t)size;
}

size_t frz_timestamp_print(int64_t ticks, int64_t per_second, bool has_zone,
                           char text_out[FRZ_DATE_TEXT_BYTES])
{
  int64_t per_day = 86400 * per_second;
  int64_t days = frz_floor_div(ticks, per_day);
  size_t size = frz_date_print(days, text_out);
  text_out[size++] = 'T';
  size += print_clock(ticks - days * per_day, per_second, per_second == FRZ_US_PER_SECOND ? 6 : 9,
                      text_out + size, FRZ_DATE_TEXT_BYTES - size);
  if (has_zone) size += (size_t)snprintf(text_out + size, FRZ_DATE_TEXT_BYTES - size, "+00:00");
  return size;
}

/* ---- parsing ---- */

typedef struct cursor {
  const char *at, *end;
} cursor;

static bool take(cursor *c, char wanted)
{
  if (c->at == c->end || *c->at != wanted) return false;
  c->at++;
  return true;
}

/* Exactly `n` digits. */
static bool take_digits(cursor *c, int n, int *value_out)
{
  int value = 0;
  if (c->end - c->at < n) return false;
  for (int i = 0; i < n; i++) {
    if (c->at[i] < '0' || c->at[i] > '9') return false;
    value = value * 10 + (c->at[i] - '0');
  }
  c->at += n;
  *value_out = value;
  return true;
}

/* Digits behind a point as nanoseconds. More than nine are taken when the rest are zeros. */
static bool take_fraction(cursor *c, int64_t *nanos_out)
{
  int64_t nanos = 0, scale = 100000000;
  const char *first = c->at;
  for (; c->at != c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
    if (scale == 0 && *c->at != '0') return false;
    nanos += scale * (*c->at - '0');
    scale /= 10;
  }
  *nanos_out = nanos;
  return c->at != first;
}

static bool take_time(cursor *c, int64_t *nanos_out)
{
  int hour, minute, second = 0;
  int64_t fraction = 0;
  if (!take_digits(c, 2, &hour) || !take(c, ':') || !take_digits(c, 2, &minute)) return false;
  if (take(c, ':')) {
    if (!take_digits(c, 2, &second)) return false;
    if (take(c, '.') && !take_fraction(c, &fraction)) return false;
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  *nanos_out = ((int64_t)hour * 3600 + minute * 60 + second) * 1000000000 + fraction;
  return true;
}

static bool take_offset(cursor *c, int32_t *offset_out)
{
  if (take(c, 'Z') || take(c, 'z')) {
    *offset_out = 0;
    return true;
  }
  bool is_negative = take(c, '-');
  int hour, minute = 0;
  if (!is_negative && !take(c, '+')) return false;
  if (!take_digits(c, 2, &hour)) return false;
  if (c->at != c->end) {
    take(c, ':');
    if (!take_digits(c, 2, &minute)) return false;
  }
  if (hour > 18 || minute > 59) return false;
  int seconds = hour * 3600 + minute * 60;
  *offset_out = is_negative ? -seconds : seconds;
  return true;
}

/* Four digits, or with a sign four to six. */
static bool take_year(cursor *c, int64_t *year_out)
{
  bool is_negative = take(c, '-');
  bool has_sign = is_negative || take(c, '+');
  int n = 0, year;
  while (n < c->end - c->at && n < 7 && c->at[n] >= '0' && c->at[n] <= '9') n++;
  if (n < 4 || n > (has_sign ? 6 : 4) || !take_digits(c, n, &year)) return false;
  *year_out = is_negative ? -(int64_t)year : year;
  return true;
}

static bool take_date(cursor *c, int64_t *days_out)
{
  int64_t year, back_year;
  int month, day, back_month, back_day;
  if (!take_year(c, &year) || !take(c, '-') || !take_digits(c, 2, &month) || !take(c, '-') ||
      !take_digits(c, 2, &day) || month < 1 || month > 12)
    return false;
  int64_t days = frz_days_of_date(year, month, day);
  frz_date_of_days(days, &back_year, &back_month, &back_day);
  if (back_day != day || back_month != month) return false; /* such as February 30 */
  *days_out = days;
  return true;
}

bool frz_date_parse(frz_str text, frz_date_parts *parts_out)
{
  if (text.size == 0) return false;
  cursor c = {text.data, text.data + text.size};
  frz_date_parts parts = {0};
  if (!take_date(&c, &parts.days)) return false;
  if (c.at != c.end) {
    if (!take(&c, 'T') && !take(&c, 't') && !take(&c, ' ')) return false;
    if (!take_time(&c, &parts.nanos_of_day)) return false;
  }
  if (c.at != c.end) {
    if (!take_offset(&c, &parts.offset_s)) return false;
  }
  if (c.at != c.end) return false;
  *parts_out = parts;
  return true;
}

bool frz_time_parse(frz_str text, int64_t *nanos_out)
{
  if (text.size == 0) return false;
  cursor c = {text.data, text.data + text.size};
  int64_t nanos;
  if (!take_time(&c, &nanos) || c.at != c.end) return false;
  *nanos_out = nanos;
  return true;
}
