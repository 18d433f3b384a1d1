/*
 * literal_text.c - single values as text: for partition paths, messages and filters.
 *
 * Printing follows what Java's Iceberg writes into partition paths. Parsing takes what a user
 * wrote beside a column; the column's type decides what it means, and nothing is rounded: a value
 * that the type cannot hold exactly is refused, or reported as out of range.
 */
#include <float.h>
#include <stdio.h>

#include "base/arena_list.h"
#include "frazil/text.h"
#include "iceberg/schema/date_text.h"
#include "iceberg/schema/literal.h"
#include "text/base64.h"
#include "text/decimal_text.h"

enum { DECIMAL_DIGITS_MAX = 38 };

/* ---- printing ---- */

/* Digits of an unscaled value with the point put in; at most 39 digits, a sign and "0.". */
static size_t print_decimal(frz_int128 value, int32_t scale, char text_out[64])
{
  char digits[48];
  size_t n = 0;
  frz_uint128 left = value < 0 ? -(frz_uint128)value : (frz_uint128)value;
  do {
    digits[n++] = (char)('0' + (int)(left % 10));
    left /= 10;
  } while (left != 0);
  while (n <= (size_t)scale) digits[n++] = '0'; /* at least one digit before the point */
  size_t size = 0;
  if (value < 0) text_out[size++] = '-';
  while (n > 0) {
    text_out[size++] = digits[--n];
    if (n == (size_t)scale && n != 0) text_out[size++] = '.';
  }
  return size;
}

static size_t print_double(double value, bool is_float, char text_out[48])
{
  if (value != value) return (size_t)snprintf(text_out, 48, "NaN");
  if (value - value != 0.0)
    return (size_t)snprintf(text_out, 48, value < 0 ? "-Infinity" : "Infinity");
  char text[32];
  size_t size = frz_double_print(value, text);
  for (int digits = 6; is_float && digits <= 9; digits++) { /* the fewest for a float */
    int wanted = snprintf(text_out, 48, "%.*e", digits - 1, value);
    for (int i = 0; i < wanted; i++)
      if (text_out[i] == ',') text_out[i] = '.'; /* some locales */
    double back = frz_decimal_parse((frz_str){text_out, (size_t)wanted});
    if ((float)back != (float)value) continue;
    size = frz_double_print(back, text);
    break;
  }
  memcpy(text_out, text, size);
  bool is_whole = true;
  for (size_t i = 0; i < size; i++)
    if (text[i] == '.' || text[i] == 'e' || text[i] == 'E') is_whole = false;
  if (is_whole) {
    memcpy(text_out + size, ".0", 2);
    size += 2;
  }
  return size;
}

static const char hex_digits[] = "0123456789abcdef";

static size_t print_uuid(frz_str bytes, char text_out[40])
{
  size_t size = 0;
  for (size_t i = 0; i < bytes.size && i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text_out[size++] = '-';
    text_out[size++] = hex_digits[(uint8_t)bytes.data[i] >> 4];
    text_out[size++] = hex_digits[(uint8_t)bytes.data[i] & 15];
  }
  return size;
}

static size_t print_short(const frz_literal *literal, char text[FRZ_DATE_TEXT_BYTES])
{
  switch (literal->kind) {
  case FRZ_TYPE_BOOLEAN:
    return (size_t)snprintf(text, FRZ_DATE_TEXT_BYTES, literal->as.boolean ? "true" : "false");
  case FRZ_TYPE_INT: return (size_t)snprintf(text, FRZ_DATE_TEXT_BYTES, "%d", (int)literal->as.i32);
  case FRZ_TYPE_LONG:
    return (size_t)snprintf(text, FRZ_DATE_TEXT_BYTES, "%lld", (long long)literal->as.i64);
  case FRZ_TYPE_FLOAT: return print_double((double)literal->as.f32, true, text);
  case FRZ_TYPE_DOUBLE: return print_double(literal->as.f64, false, text);
  case FRZ_TYPE_DECIMAL: return print_decimal(literal->as.decimal, literal->scale, text);
  case FRZ_TYPE_DATE: return frz_date_print(literal->as.i32, text);
  case FRZ_TYPE_TIME: return frz_time_print(literal->as.i64, text);
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
    return frz_timestamp_print(literal->as.i64, FRZ_US_PER_SECOND,
                               literal->kind == FRZ_TYPE_TIMESTAMPTZ, text);
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS:
    return frz_timestamp_print(literal->as.i64, FRZ_US_PER_SECOND * 1000,
                               literal->kind == FRZ_TYPE_TIMESTAMPTZ_NS, text);
  case FRZ_TYPE_UUID: return print_uuid(literal->as.bytes, text);
  default: return (size_t)snprintf(text, FRZ_DATE_TEXT_BYTES, "?");
  }
}

frz_str frz_literal_print(const frz_literal *literal, frz_arena *arena)
{
  if (literal->is_null) return FRZ_STR("null");
  if (literal->kind == FRZ_TYPE_STRING) return frz_arena_keep(arena, literal->as.bytes);
  if (literal->kind == FRZ_TYPE_BINARY || literal->kind == FRZ_TYPE_FIXED)
    return frz_base64_print(literal->as.bytes, arena);
  char text[FRZ_DATE_TEXT_BYTES];
  size_t size = print_short(literal, text);
  return frz_arena_copy(arena, (frz_str){text, size});
}

/* ---- parsing ---- */

typedef struct request {
  const frz_type *type;
  frz_str text;
  bool is_string;
  frz_arena *arena;
  int range;
  frz_error *err;
} request;

static frz_status refuse(const request *r, const char *why)
{
  char type[48];
  if (r->type->kind == FRZ_TYPE_DECIMAL)
    snprintf(type, sizeof type, "decimal(%d, %d)", (int)r->type->precision, (int)r->type->scale);
  else if (r->type->kind == FRZ_TYPE_FIXED)
    snprintf(type, sizeof type, "fixed[%d]", (int)r->type->length);
  else
    snprintf(type, sizeof type, "%s", frz_type_kind_name(r->type->kind));
  return frz_fail(r->err, FRZ_ERR_INVALID, "'%.*s' is not a value of type %s%s%s",
                  FRZ_STR_ARG(r->text), type, why != NULL ? ": " : "", why != NULL ? why : "");
}

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

/* A number's sign, digits and exponent, checked by the grammar that frz_decimal_parse() expects. */
typedef struct number {
  frz_str text; /* without a plus sign */
  bool is_negative;
  frz_str whole, fraction;
  int32_t exponent;
} number;

static bool scan_exponent(const char **at, const char *end, int32_t *exponent_out)
{
  bool is_negative = *at != end && **at == '-';
  if (*at != end && (**at == '-' || **at == '+')) ++*at;
  int32_t exponent = 0;
  const char *first = *at;
  for (; *at != end && is_digit(**at); ++*at)
    if (exponent < 100000) exponent = exponent * 10 + (**at - '0');
  *exponent_out = is_negative ? -exponent : exponent;
  return *at != first;
}

static bool scan_number(frz_str text, number *out)
{
  if (text.size == 0) return false;
  const char *at = text.data, *end = text.data + text.size;
  number n = {0};
  if (*at == '+') at++;
  n.text.data = at;
  if (at != end && *at == '-') {
    if (at != text.data) return false;
    n.is_negative = true;
    at++;
  }
  n.whole.data = at;
  while (at != end && is_digit(*at)) at++;
  n.whole.size = (size_t)(at - n.whole.data);
  if (n.whole.size == 0) return false;
  if (at != end && *at == '.') {
    n.fraction.data = ++at;
    while (at != end && is_digit(*at)) at++;
    n.fraction.size = (size_t)(at - n.fraction.data);
    if (n.fraction.size == 0) return false;
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    at++;
    if (!scan_exponent(&at, end, &n.exponent)) return false;
  }
  if (at != end) return false;
  n.text.size = (size_t)(end - n.text.data);
  *out = n;
  return true;
}

/* The number times 10^scale as an integer. Returns 0, or the side on which it is out of 128 bits;
 * `is_exact_out` false: digits would be lost. */
static int scale_number(const number *n, int32_t scale, frz_int128 *value_out, bool *is_exact_out)
{
  const frz_uint128 limit = ~(frz_uint128)0 >> 1;
  frz_uint128 value = 0;
  int64_t kept = (int64_t)n->whole.size + n->exponent + scale; /* digits before the new point */
  int64_t n_digits = (int64_t)(n->whole.size + n->fraction.size);
  bool is_over = false;
  *is_exact_out = true;
  for (int64_t i = 0; i < n_digits || i < kept; i++) {
    int digit = 0;
    if (i < (int64_t)n->whole.size)
      digit = n->whole.data[i] - '0';
    else if (i < n_digits)
      digit = n->fraction.data[i - (int64_t)n->whole.size] - '0';
    if (i >= kept) {
      if (digit != 0) *is_exact_out = false;
      continue;
    }
    if (value == 0 && i >= n_digits) break; /* zeros times ten stay zero */
    if (value > (limit - (unsigned)digit) / 10) {
      is_over = true;
      break;
    }
    value = value * 10 + (unsigned)digit;
  }
  if (is_over) return n->is_negative ? -1 : 1;
  *value_out = n->is_negative ? -(frz_int128)value : (frz_int128)value;
  return 0;
}

static frz_status parse_whole(request *r, int64_t min, int64_t max, int64_t *value_out)
{
  number n;
  frz_int128 value = 0;
  bool is_exact;
  if (!scan_number(r->text, &n)) return refuse(r, NULL);
  r->range = scale_number(&n, 0, &value, &is_exact);
  if (!is_exact) return refuse(r, "it has a fraction");
  if (r->range == 0 && value < min) r->range = -1;
  if (r->range == 0 && value > max) r->range = 1;
  *value_out = r->range < 0 ? min : r->range > 0 ? max : (int64_t)value;
  return FRZ_OK;
}

static frz_int128 power_of_ten(int32_t exponent)
{
  frz_int128 power = 1;
  for (int32_t i = 0; i < exponent; i++) power *= 10;
  return power;
}

static frz_status parse_decimal(request *r, frz_literal *out)
{
  number n;
  frz_int128 value = 0;
  bool is_exact;
  if (!scan_number(r->text, &n)) return refuse(r, NULL);
  r->range = scale_number(&n, r->type->scale, &value, &is_exact);
  if (!is_exact) return refuse(r, "it has more digits after the point");
  frz_int128 limit = power_of_ten(r->type->precision) - 1;
  if (r->range == 0 && value < -limit) r->range = -1;
  if (r->range == 0 && value > limit) r->range = 1;
  out->as.decimal = r->range < 0 ? -limit : r->range > 0 ? limit : value;
  out->scale = r->type->scale;
  return FRZ_OK;
}

/* Out of range, the literal is the infinity on that side. */
static frz_status parse_float(request *r, frz_literal *out)
{
  number n;
  double value;
  frz_str word = r->text;
  bool is_negative = word.size != 0 && word.data[0] == '-';
  if (word.size != 0 && (is_negative || word.data[0] == '+'))
    word = (frz_str){word.data + 1, word.size - 1};
  if (frz_str_is_word(r->text, "nan")) return refuse(r, "use IS NAN");
  if (frz_str_is_word(word, "inf") || frz_str_is_word(word, "infinity")) {
    value = is_negative ? -__builtin_inf() : __builtin_inf();
  } else {
    if (!scan_number(r->text, &n)) return refuse(r, NULL);
    value = frz_decimal_parse(n.text);
    double limit = r->type->kind == FRZ_TYPE_FLOAT ? (double)FLT_MAX : DBL_MAX;
    r->range = value > limit ? 1 : value < -limit ? -1 : 0;
    if (r->range != 0) value = r->range < 0 ? -__builtin_inf() : __builtin_inf();
  }
  if (r->type->kind == FRZ_TYPE_FLOAT)
    out->as.f32 = (float)value;
  else
    out->as.f64 = value;
  return FRZ_OK;
}

static frz_status parse_boolean(request *r, frz_literal *out)
{
  if (!frz_str_is_word(r->text, "true") && !frz_str_is_word(r->text, "false"))
    return refuse(r, NULL);
  out->as.boolean = frz_str_is_word(r->text, "true");
  return FRZ_OK;
}

static frz_status parse_date(request *r, frz_literal *out)
{
  frz_date_parts parts;
  if (!r->is_string || !frz_date_parse(r->text, &parts)) return refuse(r, NULL);
  if (parts.nanos_of_day != 0 || parts.offset_s != 0) return refuse(r, "it has a time of day");
  out->as.i32 = (int32_t)parts.days;
  return FRZ_OK;
}

static frz_status parse_time(request *r, frz_literal *out)
{
  int64_t nanos;
  if (!r->is_string || !frz_time_parse(r->text, &nanos)) return refuse(r, NULL);
  if (nanos % 1000 != 0) return refuse(r, "it is finer than a microsecond");
  out->as.i64 = nanos / 1000;
  return FRZ_OK;
}

/* A text without offset is UTC; one with an offset cannot be compared with a time without zone. */
static frz_status parse_timestamp(request *r, frz_literal *out)
{
  frz_type_kind kind = r->type->kind;
  bool has_zone = kind == FRZ_TYPE_TIMESTAMPTZ || kind == FRZ_TYPE_TIMESTAMPTZ_NS;
  bool is_nanos = kind == FRZ_TYPE_TIMESTAMP_NS || kind == FRZ_TYPE_TIMESTAMPTZ_NS;
  frz_date_parts parts;
  if (!r->is_string || !frz_date_parse(r->text, &parts)) return refuse(r, NULL);
  if (!has_zone && parts.offset_s != 0) return refuse(r, "the column has no zone");
  if (!is_nanos && parts.nanos_of_day % 1000 != 0)
    return refuse(r, "it is finer than a microsecond");
  frz_int128 nanos = (frz_int128)parts.days * FRZ_US_PER_DAY * 1000 + parts.nanos_of_day -
                     (frz_int128)parts.offset_s * FRZ_US_PER_SECOND * 1000;
  frz_int128 value = is_nanos ? nanos : nanos / 1000; /* exact */
  r->range = value > INT64_MAX ? 1 : value < INT64_MIN ? -1 : 0;
  out->as.i64 = r->range > 0 ? INT64_MAX : r->range < 0 ? INT64_MIN : (int64_t)value;
  return FRZ_OK;
}

bool frz_hex_parse(frz_str text, uint8_t *bytes_out)
{
  if (text.size % 2 != 0) return false;
  for (size_t i = 0; i < text.size; i += 2) {
    int high = frz_hex_digit(text.data[i]), low = frz_hex_digit(text.data[i + 1]);
    if (high < 0 || low < 0) return false;
    bytes_out[i / 2] = (uint8_t)(high * 16 + low);
  }
  return true;
}

static frz_status parse_uuid(request *r, frz_literal *out)
{
  char hex[32];
  size_t n = 0;
  for (size_t i = 0; i < r->text.size; i++) {
    char c = r->text.data[i];
    if (c == '-' && (i == 8 || i == 13 || i == 18 || i == 23)) continue;
    if (n == sizeof hex) return refuse(r, NULL);
    hex[n++] = c;
  }
  uint8_t *bytes = frz_arena_push(r->arena, 16);
  if (bytes == NULL) return frz_fail_nomem(r->err, "literal");
  if (!r->is_string || n != sizeof hex || !frz_hex_parse((frz_str){hex, n}, bytes))
    return refuse(r, NULL);
  out->as.bytes = (frz_str){(char *)bytes, 16};
  return FRZ_OK;
}

static frz_status parse_bytes(request *r, frz_literal *out)
{
  if (!r->is_string) return refuse(r, "it is not quoted");
  if (r->type->kind == FRZ_TYPE_FIXED && r->text.size != (size_t)r->type->length)
    return refuse(r, "its length differs");
  out->as.bytes = frz_arena_keep(r->arena, r->text);
  return out->as.bytes.data != NULL ? FRZ_OK : frz_fail_nomem(r->err, "literal");
}

static frz_status parse_as(request *r, frz_literal *out)
{
  int64_t whole = 0;
  switch (r->type->kind) {
  case FRZ_TYPE_BOOLEAN: return parse_boolean(r, out);
  case FRZ_TYPE_INT:
    FRZ_TRY(parse_whole(r, INT32_MIN, INT32_MAX, &whole));
    out->as.i32 = (int32_t)whole;
    return FRZ_OK;
  case FRZ_TYPE_LONG:
    FRZ_TRY(parse_whole(r, INT64_MIN, INT64_MAX, &whole));
    out->as.i64 = whole;
    return FRZ_OK;
  case FRZ_TYPE_FLOAT:
  case FRZ_TYPE_DOUBLE: return parse_float(r, out);
  case FRZ_TYPE_DECIMAL: return parse_decimal(r, out);
  case FRZ_TYPE_DATE: return parse_date(r, out);
  case FRZ_TYPE_TIME: return parse_time(r, out);
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS: return parse_timestamp(r, out);
  case FRZ_TYPE_UUID: return parse_uuid(r, out);
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_FIXED:
  case FRZ_TYPE_BINARY: return parse_bytes(r, out);
  default: return refuse(r, NULL);
  }
}

frz_status frz_literal_from_text(const frz_type *type, frz_str text, bool is_string,
                                 frz_arena *arena, frz_literal *literal_out, int *range_out,
                                 frz_error *err)
{
  request r = {type, text, is_string, arena, 0, err};
  frz_literal literal = {.kind = type->kind};
  FRZ_TRY(parse_as(&r, &literal));
  *literal_out = literal;
  if (range_out != NULL) *range_out = r.range;
  return FRZ_OK;
}
