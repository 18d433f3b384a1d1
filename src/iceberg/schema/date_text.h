/*
 * date_text.h - dates and times between numbers and ISO 8601 text, in the proleptic Gregorian
 * calendar and UTC.
 */
#ifndef FRZ_ICEBERG_DATE_TEXT_H
#define FRZ_ICEBERG_DATE_TEXT_H

#include <stdint.h>

#include "base/str.h"

#define FRZ_US_PER_SECOND INT64_C(1000000)
#define FRZ_US_PER_HOUR (INT64_C(3600) * FRZ_US_PER_SECOND)
#define FRZ_US_PER_DAY (INT64_C(86400) * FRZ_US_PER_SECOND)

/** The quotient rounded towards minus infinity; `b` > 0. */
static inline int64_t frz_floor_div(int64_t a, int64_t b)
{
  int64_t q = a / b;
  return a % b < 0 ? q - 1 : q;
}

/** Days since 1970-01-01 of a date; years within +-1,000,000, month 1 to 12, any day number. */
int64_t frz_days_of_date(int64_t year, int month, int day);

/** The date of a day number. */
void frz_date_of_days(int64_t days, int64_t *year_out, int *month_out, int *day_out);

/** Enough for any of the texts below and a NUL. */
enum { FRZ_DATE_TEXT_BYTES = 64 };

/** "2017-11-16"; returns the length. */
size_t frz_date_print(int64_t days, char text_out[FRZ_DATE_TEXT_BYTES]);

/** "22:31", "22:31:08", "22:31:08.123", "22:31:08.123456": the shortest that loses nothing. */
size_t frz_time_print(int64_t time_us, char text_out[FRZ_DATE_TEXT_BYTES]);

/** "2017-11-16T22:31:08.123456"; `per_second` ticks a second (10^6 or 10^9); zeros at the end of
 * the fraction are left out; "+00:00" follows where `has_zone`. */
size_t frz_timestamp_print(int64_t ticks, int64_t per_second, bool has_zone,
                           char text_out[FRZ_DATE_TEXT_BYTES]);

/** A parsed text: seconds since 1970 UTC plus nanoseconds. */
typedef struct frz_date_parts {
  int64_t days;
  int64_t nanos_of_day; /* local, before the offset is taken off */
  int32_t offset_s;
} frz_date_parts;

/** "[-+]YYYY-MM-DD", then optionally 'T' or a space and a time, then optionally 'Z' or an offset
 * "+HH:MM", "+HHMM", "+HH". False where it is none of these. */
bool frz_date_parse(frz_str text, frz_date_parts *parts_out);

/** "HH:MM", "HH:MM:SS", "HH:MM:SS.fffffffff"; nanoseconds since midnight. */
bool frz_time_parse(frz_str text, int64_t *nanos_out);

#endif
