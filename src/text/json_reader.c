/*
 * json_reader.c - a pull reader for JSON over bytes in memory.
 *
 * Strings are scanned eight bytes at a time up to a quote, an escape, a control character or a byte
 * outside ASCII; everything is checked while it is passed over, so that skipped parts of a document
 * are as valid as those that were read. Skipping keeps the open brackets as bits of one word and
 * needs no stack.
 *
 * What must stay true: `pos` <= `size`; `depth` <= FRZ_LIMIT_DEPTH; outputs are set on success
 * only.
 *
 * Source: RFC 8259; RFC 3629 for UTF-8.
 */
#include "text/json_reader.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "base/arena_list.h"
#include "base/endian.h"
#include "text/decimal_text.h"
#include "text/utf8.h"

static_assert(FRZ_LIMIT_DEPTH <= 64, "skip() keeps one bit a level");

static inline bool reader_check(const frz_json_reader *reader)
{
  return reader->pos <= reader->size && reader->depth >= 0 && reader->depth <= FRZ_LIMIT_DEPTH;
}

void frz_json_reader_init(frz_json_reader *reader, const void *data, size_t size, frz_arena *arena)
{
  *reader = (frz_json_reader){.data = data, .size = size, .arena = arena};
  if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) reader->pos = 3;
}

static frz_status fail_expected(const frz_json_reader *reader, const char *wanted, frz_error *err)
{
  if (reader->pos >= reader->size)
    return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: expected %s, found the end",
                    reader->pos, wanted);
  uint8_t c = (uint8_t)reader->data[reader->pos];
  if (c >= 0x20 && c < 0x7f)
    return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: expected %s, found '%c'", reader->pos,
                    wanted, c);
  return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: expected %s, found byte 0x%02x",
                  reader->pos, wanted, (unsigned)c);
}

static void skip_space(frz_json_reader *reader)
{
  size_t pos = reader->pos;
  while (pos < reader->size) {
    char c = reader->data[pos];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') break;
    pos++;
  }
  reader->pos = pos;
}

/* The next byte that is not white space, or 0 at the end (a NUL byte is never valid here). */
static char next_byte(frz_json_reader *reader)
{
  skip_space(reader);
  return reader->pos < reader->size ? reader->data[reader->pos] : '\0';
}

/* ---- strings ---- */

/* Pass over plain characters: printable ASCII without quote and backslash. */
static size_t pass_plain(const char *data, size_t pos, size_t size)
{
  const uint64_t ones = 0x0101010101010101u;
  const uint64_t tops = 0x8080808080808080u;
  while (size - pos >= 8) {
    uint64_t word = frz_load_u64le(data + pos);
    uint64_t quote = word ^ (ones * '"');
    uint64_t slash = word ^ (ones * '\\');
    /* A borrow may mark bytes above a true hit, never below: the lowest mark is exact. */
    uint64_t marks = ((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
                     ((word - ones * 0x20) & ~word) | word;
    marks &= tops;
    if (marks != 0) return pos + (size_t)__builtin_ctzll(marks) / 8;
    pos += 8;
  }
  while (pos < size) {
    uint8_t c = (uint8_t)data[pos];
    if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) break;
    pos++;
  }
  return pos;
}

/* The code unit of "\uXXXX" at `pos`, or -1. */
static int32_t unit_at(const char *data, size_t pos, size_t size)
{
  if (size - pos < 6 || data[pos] != '\\' || data[pos + 1] != 'u') return -1;
  int32_t unit = 0;
  for (size_t i = 2; i < 6; i++) {
    int digit = frz_hex_digit(data[pos + i]);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

/* The code point of one or, for surrogates, two "\u" escapes; `n_out` bytes of text. Or -1. */
static int32_t code_point_at(const char *data, size_t pos, size_t size, size_t *n_out)
{
  int32_t unit = unit_at(data, pos, size);
  *n_out = 6;
  if (unit < 0xd800 || unit > 0xdfff) return unit;
  if (unit > 0xdbff) return -1;
  int32_t low = unit_at(data, pos + 6, size);
  if (low < 0xdc00 || low > 0xdfff) return -1;
  *n_out = 12;
  return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

/* Bytes of the escape at `pos`, or 0. */
static size_t escape_bytes(const char *data, size_t pos, size_t size)
{
  if (size - pos < 2) return 0;
  switch (data[pos + 1]) {
  case '"':
  case '\\':
  case '/':
  case 'b':
  case 'f':
  case 'n':
  case 'r':
  case 't': return 2;
  case 'u': {
    size_t n;
    return code_point_at(data, pos, size, &n) < 0 ? 0 : n;
  }
  default: return 0;
  }
}

/* From the opening quote over the closing one; `text_out` is what lies between, unchanged. */
static frz_status scan_string(frz_json_reader *reader, frz_str *text_out, bool *has_escapes_out,
                              frz_error *err)
{
  assert(reader->data[reader->pos] == '"');
  const char *data = reader->data;
  size_t size = reader->size;
  size_t start = reader->pos + 1;
  size_t pos = start;
  *has_escapes_out = false;
  for (;;) {
    pos = pass_plain(data, pos, size);
    if (pos == size) break;
    if (data[pos] == '"') {
      *text_out = (frz_str){data + start, pos - start};
      reader->pos = pos + 1;
      return FRZ_OK;
    }
    size_t step;
    if (data[pos] == '\\') {
      *has_escapes_out = true;
      step = escape_bytes(data, pos, size);
    } else {
      step = (uint8_t)data[pos] < 0x20 ? 0 : frz_utf8_step(data + pos, size - pos);
    }
    if (step == 0) break;
    pos += step;
  }
  reader->pos = pos;
  if (pos < size && data[pos] == '\\')
    return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: an escape that JSON does not have",
                    pos);
  return fail_expected(reader, "the rest of a string in UTF-8", err);
}

static size_t put_code_point(int32_t code, char *out)
{
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    out[0] = (char)(0xc0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3f));
    return 2;
  }
  if (code < 0x10000) {
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3f));
    out[2] = (char)(0x80 | (code & 0x3f));
    return 3;
  }
  out[0] = (char)(0xf0 | code >> 18);
  out[1] = (char)(0x80 | (code >> 12 & 0x3f));
  out[2] = (char)(0x80 | (code >> 6 & 0x3f));
  out[3] = (char)(0x80 | (code & 0x3f));
  return 4;
}

static char short_escape(char c)
{
  switch (c) {
  case 'b': return '\b';
  case 'f': return '\f';
  case 'n': return '\n';
  case 'r': return '\r';
  case 't': return '\t';
  default: return c;
  }
}

/* Decode a scanned string; an escape is never shorter than the bytes it stands for. */
static frz_status decode_string(frz_json_reader *reader, frz_str text, frz_str *value_out,
                                frz_error *err)
{
  assert(reader->arena != NULL);
  char *out = frz_arena_push(reader->arena, text.size);
  if (out == NULL) return frz_fail_nomem(err, "json string");
  size_t n = 0;
  size_t pos = 0;
  while (pos < text.size) {
    if (text.data[pos] != '\\') {
      out[n++] = text.data[pos++];
    } else if (text.data[pos + 1] != 'u') {
      out[n++] = short_escape(text.data[pos + 1]);
      pos += 2;
    } else {
      size_t step;
      int32_t code = code_point_at(text.data, pos, text.size, &step);
      assert(code >= 0);
      n += put_code_point(code, out + n);
      pos += step;
    }
  }
  assert(n <= text.size);
  *value_out = (frz_str){out, n};
  return FRZ_OK;
}

frz_status frz_json_read_string(frz_json_reader *reader, frz_str *value_out, frz_error *err)
{
  if (next_byte(reader) != '"') return fail_expected(reader, "a string", err);
  frz_str text;
  bool has_escapes;
  FRZ_TRY(scan_string(reader, &text, &has_escapes, err));
  if (has_escapes) return decode_string(reader, text, value_out, err);
  *value_out = text;
  return FRZ_OK;
}

/* ---- numbers and words ---- */

static size_t pass_digits(const frz_json_reader *reader, size_t pos)
{
  while (pos < reader->size && reader->data[pos] >= '0' && reader->data[pos] <= '9') pos++;
  return pos;
}

/* One number by the grammar; `is_integer_out`: neither fraction nor exponent. */
static frz_status scan_number(frz_json_reader *reader, frz_str *text_out, bool *is_integer_out,
                              frz_error *err)
{
  const char *data = reader->data;
  size_t size = reader->size;
  size_t start = reader->pos;
  size_t pos = start;
  if (pos < size && data[pos] == '-') pos++;
  size_t digits = pos;
  pos = pass_digits(reader, pos);
  bool is_valid = pos > digits && (data[digits] != '0' || pos == digits + 1);
  *is_integer_out = true;
  if (is_valid && pos < size && data[pos] == '.') {
    *is_integer_out = false;
    digits = ++pos;
    pos = pass_digits(reader, pos);
    is_valid = pos > digits;
  }
  if (is_valid && pos < size && (data[pos] == 'e' || data[pos] == 'E')) {
    *is_integer_out = false;
    pos++;
    if (pos < size && (data[pos] == '+' || data[pos] == '-')) pos++;
    digits = pos;
    pos = pass_digits(reader, pos);
    is_valid = pos > digits;
  }
  if (!is_valid) {
    frz_str text = {data + start, pos - start};
    return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: '%.*s' is not a number", start,
                    FRZ_STR_ARG(text));
  }
  *text_out = (frz_str){data + start, pos - start};
  reader->pos = pos;
  return FRZ_OK;
}

static bool starts_number(char c)
{
  return c == '-' || (c >= '0' && c <= '9');
}

static bool text_to_i64(frz_str text, int64_t *value_out)
{
  bool is_negative = text.data[0] == '-';
  int64_t value = 0;
  for (size_t i = is_negative; i < text.size; i++) {
    int digit = text.data[i] - '0';
    if (__builtin_mul_overflow(value, 10, &value)) return false;
    /* Negative numbers are built downwards: the range is one longer there. */
    if (is_negative ? __builtin_sub_overflow(value, digit, &value)
                    : __builtin_add_overflow(value, digit, &value))
      return false;
  }
  *value_out = value;
  return true;
}

frz_status frz_json_read_i64(frz_json_reader *reader, int64_t *value_out, frz_error *err)
{
  if (!starts_number(next_byte(reader))) return fail_expected(reader, "an integer", err);
  size_t start = reader->pos;
  frz_str text;
  bool is_integer;
  FRZ_TRY(scan_number(reader, &text, &is_integer, err));
  int64_t value;
  if (!is_integer || !text_to_i64(text, &value)) {
    reader->pos = start;
    return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: '%.*s' is not an integer of 64 bits",
                    start, FRZ_STR_ARG(text));
  }
  *value_out = value;
  return FRZ_OK;
}

frz_status frz_json_read_i32(frz_json_reader *reader, int32_t *value_out, frz_error *err)
{
  skip_space(reader);
  size_t start = reader->pos;
  int64_t value;
  FRZ_TRY(frz_json_read_i64(reader, &value, err));
  if (value < INT32_MIN || value > INT32_MAX) {
    reader->pos = start;
    return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: %" PRId64 " does not fit 32 bits",
                    start, value);
  }
  *value_out = (int32_t)value;
  return FRZ_OK;
}

frz_status frz_json_read_i32_array(frz_json_reader *reader, const int32_t **values_out,
                                   size_t *n_out, frz_error *err)
{
  int32_t *values = NULL;
  size_t n = 0, capacity = 0;
  FRZ_TRY(frz_json_array_begin(reader, err));
  for (;;) {
    bool more = false;
    FRZ_TRY(frz_json_array_next(reader, &more, err));
    if (!more) break;
    values = frz_arena_list_room(reader->arena, values, n, &capacity, sizeof *values);
    if (values == NULL) return frz_fail_nomem(err, "array of numbers");
    FRZ_TRY(frz_json_read_i32(reader, &values[n++], err));
  }
  *values_out = values;
  *n_out = n;
  return FRZ_OK;
}

frz_status frz_json_read_double(frz_json_reader *reader, double *value_out, frz_error *err)
{
  if (!starts_number(next_byte(reader))) return fail_expected(reader, "a number", err);
  size_t start = reader->pos;
  frz_str text;
  bool is_integer;
  FRZ_TRY(scan_number(reader, &text, &is_integer, err));
  double value = frz_decimal_parse(text);
  if (isinf(value)) {
    reader->pos = start;
    return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: '%.*s' is too large for a double",
                    start, FRZ_STR_ARG(text));
  }
  *value_out = value;
  return FRZ_OK;
}

/* Pass over `word` where it is next. */
static bool take_word(frz_json_reader *reader, frz_str word)
{
  if (reader->size - reader->pos < word.size ||
      memcmp(reader->data + reader->pos, word.data, word.size) != 0)
    return false;
  reader->pos += word.size;
  return true;
}

frz_status frz_json_read_bool(frz_json_reader *reader, bool *value_out, frz_error *err)
{
  skip_space(reader);
  if (take_word(reader, FRZ_STR("true"))) {
    *value_out = true;
    return FRZ_OK;
  }
  if (!take_word(reader, FRZ_STR("false"))) return fail_expected(reader, "true or false", err);
  *value_out = false;
  return FRZ_OK;
}

frz_status frz_json_read_null(frz_json_reader *reader, bool *was_null_out, frz_error *err)
{
  bool is_null = next_byte(reader) == 'n';
  if (is_null && !take_word(reader, FRZ_STR("null"))) return fail_expected(reader, "null", err);
  *was_null_out = is_null;
  return FRZ_OK;
}

/* ---- structure ---- */

frz_status frz_json_peek(frz_json_reader *reader, frz_json_kind *kind_out, frz_error *err)
{
  assert(reader_check(reader));
  skip_space(reader);
  if (reader->pos == reader->size) {
    *kind_out = FRZ_JSON_END;
    return FRZ_OK;
  }
  char c = reader->data[reader->pos];
  switch (c) {
  case '{': *kind_out = FRZ_JSON_OBJECT; return FRZ_OK;
  case '[': *kind_out = FRZ_JSON_ARRAY; return FRZ_OK;
  case '"': *kind_out = FRZ_JSON_STRING; return FRZ_OK;
  case 't':
  case 'f': *kind_out = FRZ_JSON_BOOL; return FRZ_OK;
  case 'n': *kind_out = FRZ_JSON_NULL; return FRZ_OK;
  default:
    if (!starts_number(c)) return fail_expected(reader, "a value", err);
    *kind_out = FRZ_JSON_NUMBER;
    return FRZ_OK;
  }
}

static frz_status fail_depth(const frz_json_reader *reader, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_LIMIT, "json offset %zu: nested deeper than %d levels", reader->pos,
                  FRZ_LIMIT_DEPTH);
}

static frz_status open_container(frz_json_reader *reader, char bracket, const char *wanted,
                                 frz_error *err)
{
  assert(reader_check(reader));
  if (next_byte(reader) != bracket) return fail_expected(reader, wanted, err);
  if (reader->depth == FRZ_LIMIT_DEPTH) return fail_depth(reader, err);
  reader->pos++;
  reader->is_first[++reader->depth] = true;
  return FRZ_OK;
}

/* Step to the next member: over the comma, or over the closing bracket. */
static frz_status next_member(frz_json_reader *reader, char bracket, const char *wanted,
                              bool *more_out, frz_error *err)
{
  assert(reader_check(reader) && reader->depth > 0);
  char c = next_byte(reader);
  if (c == bracket) {
    reader->pos++;
    reader->depth--;
    *more_out = false;
    return FRZ_OK;
  }
  if (!reader->is_first[reader->depth]) {
    if (c != ',') return fail_expected(reader, wanted, err);
    reader->pos++;
  }
  reader->is_first[reader->depth] = false;
  *more_out = true;
  return FRZ_OK;
}

frz_status frz_json_object_begin(frz_json_reader *reader, frz_error *err)
{
  return open_container(reader, '{', "an object", err);
}

frz_status frz_json_object_next(frz_json_reader *reader, frz_str *key_out, bool *more_out,
                                frz_error *err)
{
  bool more;
  FRZ_TRY(next_member(reader, '}', "',' or '}'", &more, err));
  if (more) {
    frz_str key;
    FRZ_TRY(frz_json_read_string(reader, &key, err));
    if (next_byte(reader) != ':') return fail_expected(reader, "':'", err);
    reader->pos++;
    *key_out = key;
  }
  *more_out = more;
  return FRZ_OK;
}

frz_status frz_json_array_begin(frz_json_reader *reader, frz_error *err)
{
  return open_container(reader, '[', "an array", err);
}

frz_status frz_json_array_next(frz_json_reader *reader, bool *more_out, frz_error *err)
{
  bool more = false;
  FRZ_TRY(next_member(reader, ']', "',' or ']'", &more, err));
  if (more) {
    frz_json_kind kind;
    FRZ_TRY(frz_json_peek(reader, &kind, err));
    if (kind == FRZ_JSON_END) return fail_expected(reader, "a value", err);
  }
  *more_out = more;
  return FRZ_OK;
}

/* ---- skipping ---- */

static frz_status skip_scalar(frz_json_reader *reader, char c, frz_error *err)
{
  frz_str text;
  bool flag;
  if (c == '"') return scan_string(reader, &text, &flag, err);
  if (starts_number(c)) return scan_number(reader, &text, &flag, err);
  if (take_word(reader, FRZ_STR("true")) || take_word(reader, FRZ_STR("false")) ||
      take_word(reader, FRZ_STR("null")))
    return FRZ_OK;
  return fail_expected(reader, "a value", err);
}

static frz_status skip_key(frz_json_reader *reader, frz_error *err)
{
  if (next_byte(reader) != '"') return fail_expected(reader, "a key", err);
  frz_str text;
  bool has_escapes;
  FRZ_TRY(scan_string(reader, &text, &has_escapes, err));
  if (next_byte(reader) != ':') return fail_expected(reader, "':'", err);
  reader->pos++;
  return FRZ_OK;
}

/* Behind a value: close what ends here, and step over the comma when more follows. */
static frz_status skip_closers(frz_json_reader *reader, uint64_t *is_object, int *open,
                               frz_error *err)
{
  while (*open > 0) {
    bool in_object = *is_object & 1;
    char c = next_byte(reader);
    if (c == ',') {
      reader->pos++;
      return in_object ? skip_key(reader, err) : FRZ_OK;
    }
    if (c != (in_object ? '}' : ']'))
      return fail_expected(reader, in_object ? "',' or '}'" : "',' or ']'", err);
    reader->pos++;
    *is_object >>= 1;
    --*open;
  }
  return FRZ_OK;
}

frz_status frz_json_skip(frz_json_reader *reader, frz_error *err)
{
  assert(reader_check(reader));
  uint64_t is_object = 0; /* lowest bit: the innermost open bracket is '{' */
  int open = 0;
  do {
    char c = next_byte(reader);
    if (c == '{' || c == '[') {
      if (reader->depth + open == FRZ_LIMIT_DEPTH) return fail_depth(reader, err);
      reader->pos++;
      is_object = is_object << 1 | (c == '{');
      open++;
      if (next_byte(reader) != (c == '{' ? '}' : ']')) {
        if (c == '{') FRZ_TRY(skip_key(reader, err));
        continue;
      }
    } else {
      FRZ_TRY(skip_scalar(reader, c, err));
    }
    FRZ_TRY(skip_closers(reader, &is_object, &open, err));
  } while (open > 0);
  return FRZ_OK;
}

frz_status frz_json_read_raw(frz_json_reader *reader, frz_str *text_out, frz_error *err)
{
  skip_space(reader);
  size_t start = reader->pos;
  FRZ_TRY(frz_json_skip(reader, err));
  *text_out = (frz_str){reader->data + start, reader->pos - start};
  return FRZ_OK;
}

frz_status frz_json_finish(frz_json_reader *reader, frz_error *err)
{
  assert(reader->depth == 0);
  skip_space(reader);
  if (reader->pos != reader->size) return fail_expected(reader, "the end", err);
  return FRZ_OK;
}
