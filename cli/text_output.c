/*
 * text_output.c - Arrow values as text.
 *
 * Reads the layouts that frazil emits (see frazil/table.h): 32-bit offsets, no dictionaries, no
 * views.
 */
#include "text_output.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void text_append(text *out, const char *bytes, size_t size)
{
  if (size > out->capacity - out->size) {
    size_t capacity =
        out->capacity * 2 > out->size + size ? out->capacity * 2 : out->size + size + 64;
    char *grown = realloc(out->data, capacity);
    if (grown == NULL) {
      fputs("frazil: out of memory\n", stderr);
      exit(EXIT_FAILED);
    }
    out->data = grown;
    out->capacity = capacity;
  }
  if (size != 0) memcpy(out->data + out->size, bytes, size);
  out->size += size;
}

void text_print(text *out, const char *format, ...)
{
  char line[512];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (n > 0) text_append(out, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

void text_free(text *out)
{
  free(out->data);
  *out = (text){0};
}

void text_append_json_string(text *out, const char *bytes, size_t size)
{
  text_append(out, "\"", 1);
  for (size_t i = 0; i < size; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    if (byte == '"' || byte == '\\')
      text_print(out, "\\%c", byte);
    else if (byte == '\n')
      text_append(out, "\\n", 2);
    else if (byte == '\t')
      text_append(out, "\\t", 2);
    else if (byte == '\r')
      text_append(out, "\\r", 2);
    else if (byte < 0x20)
      text_print(out, "\\u%04x", byte);
    else
      text_append(out, bytes + i, 1);
  }
  text_append(out, "\"", 1);
}

/* ---- times ---- */

/* Civil date of a day count since 1970-01-01 (proleptic Gregorian). */
static void civil_date(int64_t days, int64_t *year_out, int *month_out, int *day_out)
{
  int64_t shifted = days + 719468; /* days since 0000-03-01 */
  int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  int64_t day_of_era = shifted - era * 146097;
  int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t month_from_march = (5 * day_of_year + 2) / 153;
  *day_out = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  *month_out = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  *year_out = year_of_era + era * 400 + (*month_out <= 2);
}

static void append_date(text *out, int64_t days)
{
  int64_t year;
  int month;
  int day;
  civil_date(days, &year, &month, &day);
  text_print(out, "%04" PRId64 "-%02d-%02d", year, month, day);
}

static int64_t floor_divide(int64_t value, int64_t by)
{
  int64_t quotient = value / by;
  return value % by < 0 ? quotient - 1 : quotient;
}

static int64_t units_per_second(char unit)
{
  return unit == 's' ? 1 : unit == 'm' ? 1000 : unit == 'u' ? 1000000 : 1000000000;
}

static void append_time(text *out, int64_t value, char unit)
{
  int64_t scale = units_per_second(unit);
  int64_t seconds = value / scale;
  int64_t rest = value % scale;
  text_print(out, "%02" PRId64 ":%02" PRId64 ":%02" PRId64, seconds / 3600, seconds / 60 % 60,
             seconds % 60);
  int digits = unit == 's' ? 0 : unit == 'm' ? 3 : unit == 'u' ? 6 : 9;
  if (rest != 0) text_print(out, ".%0*" PRId64, digits, rest);
}

static void append_timestamp(text *out, int64_t value, char unit, bool has_zone)
{
  int64_t per_day = units_per_second(unit) * 86400;
  int64_t days = floor_divide(value, per_day);
  append_date(out, days);
  text_append(out, "T", 1);
  append_time(out, value - days * per_day, unit);
  if (has_zone) text_append(out, "+00:00", 6);
}

/* ---- numbers and bytes ---- */

static void append_double(text *out, double value, int digits, bool as_json)
{
  if (isnan(value) || isinf(value)) {
    const char *name = isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    text_print(out, as_json ? "\"%s\"" : "%s", name);
    return;
  }
  char shortest[40] = "";
  for (int precision = digits - 2; precision <= digits; precision++) {
    snprintf(shortest, sizeof shortest, "%.*g", precision, value);
    double back = strtod(shortest, NULL);
    if (digits < 12 ? (float)back == (float)value : back == value) break;
  }
  text_append(out, shortest, strlen(shortest));
  if (strpbrk(shortest, ".e") == NULL) text_append(out, ".0", 2);
}

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 wide_unsigned;

static void append_decimal(text *out, const uint8_t *bytes, const char *format)
{
  int precision = 0;
  int scale = 0;
  if (sscanf(format, "d:%d,%d", &precision, &scale) != 2) return;
  wide value;
  memcpy(&value, bytes, sizeof value);
  char digits[64];
  int n = 0;
  bool negative = value < 0;
  wide_unsigned magnitude = negative ? -(wide_unsigned)value : (wide_unsigned)value;
  do {
    digits[n++] = (char)('0' + (int)(magnitude % 10));
    magnitude /= 10;
  } while (magnitude != 0 || n <= scale);
  if (negative) text_append(out, "-", 1);
  while (n > 0) {
    if (n == scale) text_append(out, ".", 1);
    text_append(out, &digits[--n], 1);
  }
}

static void append_hex(text *out, const uint8_t *bytes, size_t size)
{
  for (size_t i = 0; i < size; i++) text_print(out, "%02x", bytes[i]);
}

bool arrow_metadata_find(const struct ArrowSchema *field, const char *key, const char **value_out,
                         int32_t *size_out)
{
  if (field->metadata == NULL) return false;
  int32_t n;
  const char *at = field->metadata;
  memcpy(&n, at, sizeof n);
  at += sizeof n;
  for (int32_t i = 0; i < n; i++) {
    int32_t key_size;
    int32_t value_size;
    memcpy(&key_size, at, sizeof key_size);
    const char *found = at + sizeof key_size;
    memcpy(&value_size, found + key_size, sizeof value_size);
    const char *value = found + key_size + sizeof value_size;
    if ((size_t)key_size == strlen(key) && memcmp(found, key, strlen(key)) == 0) {
      *value_out = value;
      *size_out = value_size;
      return true;
    }
    at = value + value_size;
  }
  return false;
}

static bool is_uuid(const struct ArrowSchema *schema)
{
  const char *name;
  int32_t size;
  return strcmp(schema->format, "w:16") == 0 &&
         arrow_metadata_find(schema, "ARROW:extension:name", &name, &size) && size == 10 &&
         memcmp(name, "arrow.uuid", 10) == 0;
}

static void append_fixed(text *out, const struct ArrowSchema *schema, const uint8_t *bytes)
{
  size_t width = (size_t)strtol(schema->format + 2, NULL, 10);
  if (!is_uuid(schema)) {
    append_hex(out, bytes, width);
    return;
  }
  for (size_t i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text_append(out, "-", 1);
    append_hex(out, bytes + i, 1);
  }
}

/* ---- values ---- */

static bool is_null(const struct ArrowArray *array, int64_t at)
{
  if (array->n_buffers == 0) return true;
  const uint8_t *validity = array->buffers[0];
  return validity != NULL && array->null_count != 0 && (validity[at >> 3] >> (at & 7) & 1) == 0;
}

static void append_struct(text *out, const struct ArrowSchema *schema,
                          const struct ArrowArray *array, int64_t at)
{
  text_append(out, "{", 1);
  for (int64_t i = 0; i < schema->n_children; i++) {
    if (i != 0) text_append(out, ", ", 2);
    text_append_json_string(out, schema->children[i]->name, strlen(schema->children[i]->name));
    text_append(out, ": ", 2);
    text_append_value(out, schema->children[i], array->children[i], at, true);
  }
  text_append(out, "}", 1);
}

static void append_list(text *out, const struct ArrowSchema *schema, const struct ArrowArray *array,
                        int64_t at)
{
  const int32_t *offsets = array->buffers[1];
  text_append(out, "[", 1);
  for (int32_t i = offsets[at]; i < offsets[at + 1]; i++) {
    if (i != offsets[at]) text_append(out, ", ", 2);
    text_append_value(out, schema->children[0], array->children[0], i, true);
  }
  text_append(out, "]", 1);
}

/* Map keys need not be texts, so a map is shown as a list of {key, value}, unless they are. */
static void append_map(text *out, const struct ArrowSchema *schema, const struct ArrowArray *array,
                       int64_t at)
{
  const struct ArrowSchema *entries = schema->children[0];
  if (strcmp(entries->children[0]->format, "u") != 0) {
    append_list(out, schema, array, at);
    return;
  }
  const int32_t *offsets = array->buffers[1];
  const struct ArrowArray *values = array->children[0];
  text_append(out, "{", 1);
  for (int32_t i = offsets[at]; i < offsets[at + 1]; i++) {
    if (i != offsets[at]) text_append(out, ", ", 2);
    text_append_value(out, entries->children[0], values->children[0], i, true);
    text_append(out, ": ", 2);
    text_append_value(out, entries->children[1], values->children[1], i, true);
  }
  text_append(out, "}", 1);
}

/* True where the format is a number: printed bare in JSON too. */
static bool append_number(text *out, char format, const void *values, int64_t at, bool as_json)
{
  const uint8_t *bits = values;
  switch (format) {
  case 'b': text_print(out, bits[at >> 3] >> (at & 7) & 1 ? "true" : "false"); return true;
  case 'c': text_print(out, "%d", ((const int8_t *)values)[at]); return true;
  case 'C': text_print(out, "%u", ((const uint8_t *)values)[at]); return true;
  case 's': text_print(out, "%d", ((const int16_t *)values)[at]); return true;
  case 'S': text_print(out, "%u", ((const uint16_t *)values)[at]); return true;
  case 'i': text_print(out, "%" PRId32, ((const int32_t *)values)[at]); return true;
  case 'I': text_print(out, "%" PRIu32, ((const uint32_t *)values)[at]); return true;
  case 'l': text_print(out, "%" PRId64, ((const int64_t *)values)[at]); return true;
  case 'L': text_print(out, "%" PRIu64, ((const uint64_t *)values)[at]); return true;
  case 'f': append_double(out, (double)((const float *)values)[at], 9, as_json); return true;
  case 'g': append_double(out, ((const double *)values)[at], 17, as_json); return true;
  default: return false;
  }
}

static void append_worded(text *out, const struct ArrowSchema *schema,
                          const struct ArrowArray *array, int64_t at)
{
  const char *format = schema->format;
  const void *values = array->buffers[1];
  if (strcmp(format, "u") == 0 || strcmp(format, "z") == 0) {
    const int32_t *offsets = array->buffers[1];
    const char *bytes = (const char *)array->buffers[2] + offsets[at];
    size_t size = (size_t)(offsets[at + 1] - offsets[at]);
    if (format[0] == 'u')
      text_append(out, bytes, size);
    else
      append_hex(out, (const uint8_t *)bytes, size);
  } else if (strcmp(format, "tdD") == 0)
    append_date(out, ((const int32_t *)values)[at]);
  else if (strncmp(format, "tt", 2) == 0)
    append_time(out,
                format[2] == 's' || format[2] == 'm' ? ((const int32_t *)values)[at]
                                                     : ((const int64_t *)values)[at],
                format[2]);
  else if (strncmp(format, "ts", 2) == 0)
    append_timestamp(out, ((const int64_t *)values)[at], format[2], format[4] != '\0');
  else if (strncmp(format, "d:", 2) == 0)
    append_decimal(out, (const uint8_t *)values + at * 16, format);
  else if (strncmp(format, "w:", 2) == 0)
    append_fixed(out, schema, (const uint8_t *)values + at * strtol(format + 2, NULL, 10));
  else
    text_print(out, "<%s>", format);
}

void text_append_value(text *out, const struct ArrowSchema *schema, const struct ArrowArray *array,
                       int64_t row, bool as_json)
{
  int64_t at = row + array->offset;
  const char *format = schema->format;
  if (format[0] == 'n' || is_null(array, at)) {
    if (as_json) text_append(out, "null", 4);
  } else if (strcmp(format, "+s") == 0)
    append_struct(out, schema, array, at);
  else if (strcmp(format, "+l") == 0)
    append_list(out, schema, array, at);
  else if (strcmp(format, "+m") == 0)
    append_map(out, schema, array, at);
  else if (strlen(format) == 1 && append_number(out, format[0], array->buffers[1], at, as_json)) {
    /* printed */
  } else if (as_json) {
    text bare = {0};
    append_worded(&bare, schema, array, at);
    text_append_json_string(out, bare.data, bare.size);
    text_free(&bare);
  } else
    append_worded(out, schema, array, at);
}

static const char *simple_type_name(const char *format)
{
  static const struct {
    const char *format;
    const char *name;
  } names[] = {{"n", "null"},     {"b", "boolean"}, {"c", "int8"},   {"C", "uint8"},
               {"s", "int16"},    {"S", "uint16"},  {"i", "int"},    {"I", "uint32"},
               {"l", "long"},     {"L", "uint64"},  {"f", "float"},  {"g", "double"},
               {"u", "string"},   {"z", "binary"},  {"tdD", "date"}, {"ttu", "time"},
               {"ttn", "time_ns"}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp(names[i].format, format) == 0) return names[i].name;
  return NULL;
}

void text_append_type(text *out, const struct ArrowSchema *schema)
{
  const char *format = schema->format;
  const char *simple = simple_type_name(format);
  if (simple != NULL)
    text_print(out, "%s", simple);
  else if (strncmp(format, "ts", 2) == 0)
    text_print(out, "timestamp%s%s", format[4] != '\0' ? "tz" : "", format[2] == 'n' ? "_ns" : "");
  else if (strncmp(format, "d:", 2) == 0)
    text_print(out, "decimal(%s)", format + 2);
  else if (is_uuid(schema))
    text_print(out, "uuid");
  else if (strncmp(format, "w:", 2) == 0)
    text_print(out, "fixed[%s]", format + 2);
  else if (format[0] == '+') {
    const struct ArrowSchema *inside = schema;
    if (format[1] == 'm') inside = schema->children[0];
    text_print(out, "%s<", format[1] == 's' ? "struct" : format[1] == 'm' ? "map" : "list");
    for (int64_t i = 0; i < inside->n_children; i++) {
      if (i != 0) text_append(out, ", ", 2);
      if (format[1] == 's') text_print(out, "%s: ", inside->children[i]->name);
      text_append_type(out, inside->children[i]);
    }
    text_append(out, ">", 1);
  } else
    text_print(out, "%s", format);
}

void print_name_list(const invocation *run, const char *label, const frz_string_list *list)
{
  for (size_t i = 0; i < list->n_items; i++) {
    if (!run->line->json) {
      puts(list->items[i]);
      continue;
    }
    text line = {0};
    text_print(&line, "{\"%s\": ", label);
    text_append_json_string(&line, list->items[i], strlen(list->items[i]));
    printf("%.*s}\n", (int)line.size, line.data);
    text_free(&line);
  }
}
