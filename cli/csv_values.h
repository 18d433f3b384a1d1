/*
 * csv_values.h - the text of a CSV field as a value.
 */
#ifndef FRAZIL_CLI_CSV_VALUES_H
#define FRAZIL_CLI_CSV_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Valid UTF-8 without NUL. */
bool csv_is_text(const char *bytes, size_t size);
/** Nothing but digits behind an optional sign. */
bool csv_is_integer(const char *text);

/** Each is true only when the whole text is such a value; `text` is NUL-terminated. */
bool csv_parse_boolean(const char *text, bool *value_out);
bool csv_parse_long(const char *text, int64_t *value_out);
/** Also "nan", "inf" and the like; a number too large for a double is none. */
bool csv_parse_double(const char *text, double *value_out);
/** "2026-01-31". Days since 1970. */
bool csv_parse_date(const char *text, int32_t *days_out);
/** "2026-01-31 12:34:56.789+02:00", with T or a space, with up to six digits of fraction (further
 * ones are zero); a zone may be absent. */
bool csv_parse_timestamp(const char *text, int64_t *micros_out, bool *has_zone_out);

#endif
