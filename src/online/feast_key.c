/*
 * feast_key.c - entity keys out of Feast's protobuf messages.
 *
 * An EntityKey is names (field 1) and as many values (field 2); a Value has one field set, whose
 * number is that of its type. Of a field that comes twice the last counts, and fields that are not
 * known are passed over, as protobuf asks. The messages are untrusted: each step is bounded by the
 * reader.
 *
 * Source: feast/protos/feast/types/EntityKey.proto and Value.proto; Protocol Buffers, "Encoding";
 * feast/infra/key_encoding_utils.py, serialize_entity_key(), version 3.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/limits.h"
#include "base/reader.h"
#include "frazil/online.h"

enum {
  WIRE_VARINT = 0,
  WIRE_64 = 1,
  WIRE_BYTES = 2,
  WIRE_32 = 5,
  TYPE_BYTES = 1,
  TYPE_STRING = 2,
  TYPE_INT32 = 3,
  TYPE_INT64 = 4,
  TYPE_UNIX_TIMESTAMP = 8
};

typedef struct message_field {
  uint64_t number;
  uint32_t wire;
  uint64_t varint; /* WIRE_VARINT */
  frz_bytes bytes; /* WIRE_BYTES */
} message_field;

typedef struct key_part {
  frz_bytes name, value; /* the value as a message */
} key_part;

/* False: the bytes end early, or are no message. */
static bool read_field(frz_reader *reader, message_field *field)
{
  uint64_t tag, size;
  const uint8_t *at;
  if (!frz_read_uleb128(reader, &tag)) return false;
  *field = (message_field){.number = tag >> 3, .wire = (uint32_t)(tag & 7)};
  switch (field->wire) {
  case WIRE_VARINT: return frz_read_uleb128(reader, &field->varint);
  case WIRE_64: return frz_read_bytes(reader, 8, &at);
  case WIRE_32: return frz_read_bytes(reader, 4, &at);
  case WIRE_BYTES:
    if (!frz_read_uleb128(reader, &size) || size > frz_reader_left(reader)) return false;
    if (!frz_read_bytes(reader, (size_t)size, &at)) return false;
    field->bytes = (frz_bytes){at, (size_t)size};
    return true;
  default: return false;
  }
}

static frz_status fail_message(const char *what, const frz_reader *reader, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_INVALID, "%s: no message, at byte %zu of %zu", what, reader->pos,
                  reader->size);
}

/* ---- writing ---- */

/** Bytes that are counted even where they do not fit. */
typedef struct key_writer {
  uint8_t *buffer;
  size_t capacity, size;
} key_writer;

static void put(key_writer *writer, const void *data, size_t size)
{
  if (writer->size <= writer->capacity && size <= writer->capacity - writer->size && size != 0)
    memcpy(writer->buffer + writer->size, data, size);
  writer->size += size;
}

static void put_u32(key_writer *writer, uint32_t value)
{
  uint8_t bytes[4];
  frz_store_u32le(bytes, value);
  put(writer, bytes, sizeof bytes);
}

static void put_part(key_writer *writer, uint32_t type, const void *data, size_t size)
{
  put_u32(writer, type);
  put_u32(writer, (uint32_t)size);
  put(writer, data, size);
}

static bool is_key_field(const message_field *field)
{
  if (field->number == TYPE_BYTES || field->number == TYPE_STRING) return field->wire == WIRE_BYTES;
  return field->wire == WIRE_VARINT &&
         (field->number == TYPE_INT32 || field->number == TYPE_INT64 ||
          field->number == TYPE_UNIX_TIMESTAMP);
}

static frz_status put_value(key_writer *writer, const key_part *part, frz_error *err)
{
  frz_reader reader = frz_reader_of(part->value.data, part->value.size_bytes);
  message_field field, last = {0};
  while (frz_reader_left(&reader) != 0) {
    if (!read_field(&reader, &field)) return fail_message("entity value", &reader, err);
    last = field;
  }
  if (!is_key_field(&last))
    return frz_fail(err, FRZ_ERR_INVALID,
                    "join key '%.*s': %s, which Feast has no serialized key for",
                    (int)(part->name.size_bytes < 200 ? part->name.size_bytes : 200),
                    (const char *)part->name.data,
                    last.number == 0 ? "no value" : "a value that is no text, bytes or integer");
  uint8_t bytes[8];
  if (last.wire == WIRE_BYTES) {
    put_part(writer, (uint32_t)last.number, last.bytes.data, last.bytes.size_bytes);
  } else {
    frz_store_u64le(bytes, last.varint); /* of an int32 the low half is the value */
    put_part(writer, (uint32_t)last.number, bytes, last.number == TYPE_INT32 ? 4 : 8);
  }
  return FRZ_OK;
}

static int by_name(const void *a, const void *b)
{
  const frz_bytes *x = &((const key_part *)a)->name, *y = &((const key_part *)b)->name;
  size_t n = x->size_bytes < y->size_bytes ? x->size_bytes : y->size_bytes;
  int order = n != 0 ? memcmp(x->data, y->data, n) : 0;
  return order != 0 ? order : (x->size_bytes > y->size_bytes) - (x->size_bytes < y->size_bytes);
}

static frz_status write_key(key_part *parts, size_t n, key_writer *writer, frz_error *err)
{
  if (n > 1) qsort(parts, n, sizeof *parts, by_name);
  put_u32(writer, (uint32_t)n);
  for (size_t i = 0; i < n; i++)
    put_part(writer, TYPE_STRING, parts[i].name.data, parts[i].name.size_bytes);
  for (size_t i = 0; i < n; i++) FRZ_TRY(put_value(writer, &parts[i], err));
  return FRZ_OK;
}

/* ---- public ---- */

static frz_status check_size(size_t size, frz_error *err)
{
  if (size <= FRZ_LIMIT_ENTITY_KEY_BYTES) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_LIMIT, "entity key: %zu bytes; the limit is %zu", size,
                  FRZ_LIMIT_ENTITY_KEY_BYTES);
}

frz_status frz_online_key_from_message(frz_bytes message, uint8_t *buffer, size_t capacity,
                                       size_t *size_out, frz_error *err)
{
  if ((message.data == NULL && message.size_bytes != 0) || size_out == NULL ||
      (buffer == NULL && capacity != 0))
    return frz_fail(err, FRZ_ERR_INVALID, "frz_online_key_from_message: an argument is NULL");
  FRZ_TRY(check_size(message.size_bytes, err));
  key_part parts[FRZ_LIMIT_JOIN_KEYS];
  size_t n_names = 0, n_values = 0;
  frz_reader reader = frz_reader_of(message.data, message.size_bytes);
  while (frz_reader_left(&reader) != 0) {
    message_field field;
    if (!read_field(&reader, &field)) return fail_message("entity key", &reader, err);
    if (field.wire != WIRE_BYTES || field.number < 1 || field.number > 2) continue;
    size_t *n = field.number == 1 ? &n_names : &n_values;
    if (*n == FRZ_LIMIT_JOIN_KEYS)
      return frz_fail(err, FRZ_ERR_LIMIT, "entity key: more than %d join keys",
                      FRZ_LIMIT_JOIN_KEYS);
    *(field.number == 1 ? &parts[*n].name : &parts[*n].value) = field.bytes;
    ++*n;
  }
  if (n_names != n_values)
    return frz_fail(err, FRZ_ERR_INVALID, "entity key: %zu join keys and %zu values", n_names,
                    n_values);
  key_writer writer = {.buffer = buffer, .capacity = capacity};
  FRZ_TRY(write_key(parts, n_names, &writer, err));
  *size_out = writer.size;
  return FRZ_OK;
}

frz_status frz_online_key_from_values(const frz_bytes *names, const frz_bytes *values, size_t n,
                                      uint8_t *buffer, size_t capacity, size_t *size_out,
                                      frz_error *err)
{
  if ((n != 0 && (names == NULL || values == NULL)) || size_out == NULL ||
      (buffer == NULL && capacity != 0))
    return frz_fail(err, FRZ_ERR_INVALID, "frz_online_key_from_values: an argument is NULL");
  if (n > FRZ_LIMIT_JOIN_KEYS)
    return frz_fail(err, FRZ_ERR_LIMIT, "entity key: %zu join keys; the limit is %d", n,
                    FRZ_LIMIT_JOIN_KEYS);
  key_part parts[FRZ_LIMIT_JOIN_KEYS];
  for (size_t i = 0; i < n; i++) {
    FRZ_TRY(check_size(names[i].size_bytes, err));
    FRZ_TRY(check_size(values[i].size_bytes, err));
    parts[i] = (key_part){names[i], values[i]};
  }
  key_writer writer = {.buffer = buffer, .capacity = capacity};
  FRZ_TRY(write_key(parts, n, &writer, err));
  *size_out = writer.size;
  return FRZ_OK;
}
