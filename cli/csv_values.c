/*
 * csv_values.c - see csv_values.h.
 */
#include "csv_values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  bool digits = text[0] == '-' || text[0] == '+' || (text[0] >= '0' && text[0] <= '9');
  if (errno != 0 || end == text || *end != '\0' || !digits) return false;
  *value_out = value;
  return true;
}

bool csv_parse_double(const char *text, double *value_out)
{
  char *end;
  if (text[0] == ' ' || strpbrk(text, "xX") != NULL) return false;
  double value = strtod(text, &end);
  if (end == text || *end != '\0') return false;
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

static bool parse_date_part(const char *text, int64_t *days_out)
{
  static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int year;
  int month;
  int day;
  int used = 0;
  if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 || used != 10) return false;
  if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1]) return false;
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (month == 2 && day == 29 && !leap) return false;
  *days_out = days_of(year, month, day);
  return true;
}

bool csv_parse_date(const char *text, int32_t *days_out)
{
  int64_t days;
  if (strlen(text) != 10 || !parse_date_part(text, &days)) return false;
  *days_out = (int32_t)days;
  return true;
}

/* "", "Z", "+02:00", "-0530"; minutes east of UTC. */
static bool parse_zone(const char *text, bool *has_zone_out, int *minutes_out)
{
  *minutes_out = 0;
  *has_zone_out = text[0] != '\0';
  if (text[0] == '\0' || strcmp(text, "Z") == 0) return true;
  int hours;
  int minutes;
  int used = 0;
  if (text[0] != '+' && text[0] != '-') return false;
  bool parsed =
      sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) == 2 && text[1 + used] == '\0';
  if (!parsed)
    parsed = sscanf(text + 1, "%2d%2d%n", &hours, &minutes, &used) == 2 && text[1 + used] == '\0';
  if (!parsed || hours > 18 || minutes > 59 || hours < 0 || minutes < 0) return false;
  *minutes_out = (text[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
  return true;
}

bool csv_parse_timestamp(const char *text, int64_t *micros_out, bool *has_zone_out)
{
  int64_t days;
  int hour;
  int minute;
  int second = 0;
  int used = 0;
  if (strlen(text) < 16 || !parse_date_part(text, &days) || (text[10] != 'T' && text[10] != ' '))
    return false;
  const char *at = text + 11;
  if (sscanf(at, "%2d:%2d%n", &hour, &minute, &used) != 2 || used != 5) return false;
  at += used;
  if (*at == ':') {
    if (sscanf(at, ":%2d%n", &second, &used) != 1 || used != 3) return false;
    at += used;
  }
  int64_t fraction = 0;
  if (*at == '.') {
    int digits = 0;
    for (at++; *at >= '0' && *at <= '9' && digits < 6; at++, digits++)
      fraction = fraction * 10 + (*at - '0');
    if (digits == 0) return false;
    for (; digits < 6; digits++) fraction *= 10;
  }
  int zone_minutes;
  if (!parse_zone(at, has_zone_out, &zone_minutes)) return false;
  if (hour > 23 || minute > 59 || second > 59 || hour < 0 || minute < 0 || second < 0) return false;
  int64_t seconds = days * 86400 + hour * 3600 + (minute - zone_minutes) * 60 + second;
  *micros_out = seconds * 1000000 + fraction;
  return true;
}
