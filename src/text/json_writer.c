/*
 * json_writer.c - JSON into a growable buffer.
 *
 * The writer keeps its first failure and does nothing after it. Strings must be UTF-8: a document
 * that no reader accepts is refused here, not found later.
 *
 * Source: RFC 8259.
 */
#include "text/json_writer.h"

#include <assert.h>
#include <math.h>

#include "frazil/text.h"
#include "text/utf8.h"

void frz_json_writer_init(frz_json_writer *writer, frz_buf *out)
{
  *writer = (frz_json_writer){.out = out};
}

static void put_bytes(frz_json_writer *writer, const char *data, size_t size)
{
  if (writer->status == FRZ_OK)
    writer->status = frz_buf_append(writer->out, data, size, &writer->error);
}

static void put_byte(frz_json_writer *writer, char byte)
{
  if (writer->status == FRZ_OK)
    writer->status = frz_buf_append_byte(writer->out, (uint8_t)byte, &writer->error);
}

/* What stands before a value or key: a comma, except behind a key and at the start. */
static void before_item(frz_json_writer *writer)
{
  if (!writer->after_key && writer->needs_comma) put_byte(writer, ',');
  writer->after_key = false;
  writer->needs_comma = true;
}

static void open_container(frz_json_writer *writer, char bracket)
{
  before_item(writer);
  put_byte(writer, bracket);
  writer->needs_comma = false;
  writer->depth++;
}

static void close_container(frz_json_writer *writer, char bracket)
{
  assert(writer->depth > 0 && !writer->after_key);
  put_byte(writer, bracket);
  writer->needs_comma = true;
  writer->depth--;
}

void frz_json_write_object_begin(frz_json_writer *writer)
{
  open_container(writer, '{');
}

void frz_json_write_object_end(frz_json_writer *writer)
{
  close_container(writer, '}');
}

void frz_json_write_array_begin(frz_json_writer *writer)
{
  open_container(writer, '[');
}

void frz_json_write_array_end(frz_json_writer *writer)
{
  close_container(writer, ']');
}

static void put_escape(frz_json_writer *writer, char c)
{
  static const char hex[] = "0123456789abcdef";
  char text[6] = {'\\', c, 0, 0, 0, 0};
  size_t size = 2;
  switch (c) {
  case '"':
  case '\\': break;
  case '\b': text[1] = 'b'; break;
  case '\f': text[1] = 'f'; break;
  case '\n': text[1] = 'n'; break;
  case '\r': text[1] = 'r'; break;
  case '\t': text[1] = 't'; break;
  default:
    memcpy(text + 1, "u00", 3);
    text[4] = hex[((uint8_t)c >> 4) & 15];
    text[5] = hex[(uint8_t)c & 15];
    size = 6;
  }
  put_bytes(writer, text, size);
}

static void put_string(frz_json_writer *writer, frz_str value)
{
  put_byte(writer, '"');
  size_t start = 0; /* of the bytes that are copied as they are */
  size_t pos = 0;
  while (pos < value.size && writer->status == FRZ_OK) {
    char c = value.data[pos];
    if (c == '"' || c == '\\' || (uint8_t)c < 0x20) {
      put_bytes(writer, value.data + start, pos - start);
      put_escape(writer, c);
      start = ++pos;
      continue;
    }
    size_t step = frz_utf8_step(value.data + pos, value.size - pos);
    if (step == 0)
      writer->status = frz_fail(&writer->error, FRZ_ERR_INVALID,
                                "json: byte %zu of a text to be written is not UTF-8 (0x%02x)", pos,
                                (unsigned)(uint8_t)c);
    pos += step;
  }
  if (pos > start) put_bytes(writer, value.data + start, pos - start);
  put_byte(writer, '"');
}

void frz_json_write_key_str(frz_json_writer *writer, frz_str key)
{
  assert(writer->depth > 0 && !writer->after_key);
  before_item(writer);
  put_string(writer, key);
  put_byte(writer, ':');
  writer->after_key = true;
}

void frz_json_write_key(frz_json_writer *writer, const char *key)
{
  frz_json_write_key_str(writer, frz_str_from(key));
}

void frz_json_write_string(frz_json_writer *writer, frz_str value)
{
  before_item(writer);
  put_string(writer, value);
}

void frz_json_write_i64(frz_json_writer *writer, int64_t value)
{
  char text[24];
  size_t at = sizeof text;
  uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  do {
    text[--at] = (char)('0' + left % 10);
    left /= 10;
  } while (left != 0);
  if (value < 0) text[--at] = '-';
  before_item(writer);
  put_bytes(writer, text + at, sizeof text - at);
}

void frz_json_write_double(frz_json_writer *writer, double value)
{
  if (!isfinite(value)) {
    frz_json_write_null(writer);
    return;
  }
  char text[32];
  size_t size = frz_double_print(value, text);
  before_item(writer);
  put_bytes(writer, text, size);
}

void frz_json_write_bool(frz_json_writer *writer, bool value)
{
  frz_json_write_raw(writer, value ? FRZ_STR("true") : FRZ_STR("false"));
}

void frz_json_write_null(frz_json_writer *writer)
{
  frz_json_write_raw(writer, FRZ_STR("null"));
}

void frz_json_write_i64_member(frz_json_writer *writer, const char *key, int64_t value)
{
  frz_json_write_key(writer, key);
  frz_json_write_i64(writer, value);
}

void frz_json_write_string_member(frz_json_writer *writer, const char *key, frz_str value)
{
  frz_json_write_key(writer, key);
  frz_json_write_string(writer, value);
}

void frz_json_write_raw(frz_json_writer *writer, frz_str json)
{
  before_item(writer);
  put_bytes(writer, json.data, json.size);
}

frz_status frz_json_writer_finish(frz_json_writer *writer, frz_error *err)
{
  if (writer->status != FRZ_OK) {
    if (err != NULL) *err = writer->error;
    return writer->status;
  }
  assert(writer->depth == 0 && !writer->after_key);
  return FRZ_OK;
}
