/*
 * proto_json.c - a serialized feast.types.Value as JSON: maps, structs, nested lists and whatever
 * else has no column form.
 *
 * A Value is a choice of one field; of several the last counts, as in protobuf. Its number says how
 * the bytes are read. Messages in messages are bounded in depth.
 *
 * What must stay true: every length is compared with what is left before it is used.
 *
 * Source: feast/types/Value.proto of Feast 0.67; Protocol Buffers, "Encoding".
 */
#include <stdlib.h>
#include <string.h>

#include "server_fail.h"
#include "value_json.h"

enum { DEPTH_MAX = 32, WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

typedef struct proto_reader {
  const uint8_t *data;
  size_t pos;
  size_t size;
} proto_reader;

typedef struct proto_field {
  uint32_t number; /* 0: none */
  uint32_t wire;
  uint64_t bits;      /* varint and fixed */
  proto_reader bytes; /* WIRE_BYTES */
} proto_field;

/* What the items of a list or a scalar are. */
typedef enum proto_kind {
  PROTO_BYTES,
  PROTO_STRING,
  PROTO_INT32,
  PROTO_INT64,
  PROTO_DOUBLE,
  PROTO_FLOAT,
  PROTO_BOOL
} proto_kind;

static frz_status corrupt(frz_error *err, const char *what)
{
  return server_fail(err, FRZ_ERR_CORRUPT, "serialized value: %s", what);
}

static bool read_varint(proto_reader *in, uint64_t *value_out)
{
  uint64_t value = 0;
  for (int shift = 0; shift < 70 && in->pos < in->size; shift += 7) {
    uint8_t byte = in->data[in->pos++];
    if (shift < 64) value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value_out = value;
      return true;
    }
  }
  return false;
}

static bool read_fixed(proto_reader *in, size_t n_bytes, uint64_t *bits_out)
{
  if (in->size - in->pos < n_bytes) return false;
  uint64_t bits = 0;
  for (size_t i = 0; i < n_bytes; i++) bits |= (uint64_t)in->data[in->pos + i] << (8 * i);
  in->pos += n_bytes;
  *bits_out = bits;
  return true;
}

static frz_status read_field(proto_reader *in, proto_field *field_out, frz_error *err)
{
  uint64_t tag;
  if (!read_varint(in, &tag) || tag >> 3 == 0 || tag >> 3 > 536870911)
    return corrupt(err, "a field's tag");
  proto_field field = {.number = (uint32_t)(tag >> 3), .wire = (uint32_t)(tag & 7)};
  bool fine = false;
  if (field.wire == WIRE_VARINT) fine = read_varint(in, &field.bits);
  if (field.wire == WIRE_FIXED64) fine = read_fixed(in, 8, &field.bits);
  if (field.wire == WIRE_FIXED32) fine = read_fixed(in, 4, &field.bits);
  if (field.wire == WIRE_BYTES) {
    uint64_t size;
    fine = read_varint(in, &size) && size <= in->size - in->pos;
    if (fine) {
      field.bytes = (proto_reader){.data = in->data + in->pos, .size = (size_t)size};
      in->pos += (size_t)size;
    }
  }
  if (!fine) return corrupt(err, "a field that is cut off or of an unknown wire type");
  *field_out = field;
  return FRZ_OK;
}

/* ---- scalars ---- */

static uint32_t wire_of(proto_kind kind)
{
  return kind == PROTO_BYTES || kind == PROTO_STRING ? WIRE_BYTES
         : kind == PROTO_DOUBLE                      ? WIRE_FIXED64
         : kind == PROTO_FLOAT                       ? WIRE_FIXED32
                                                     : WIRE_VARINT;
}

static void put_scalar(text_out *out, proto_kind kind, const proto_field *field)
{
  double number;
  float single;
  uint32_t half = (uint32_t)field->bits;
  switch (kind) {
  case PROTO_BYTES: text_put_base64(out, field->bytes.data, field->bytes.size); break;
  case PROTO_STRING: text_put_json(out, field->bytes.data, field->bytes.size); break;
  case PROTO_INT32: text_put_i64(out, (int32_t)half); break;
  case PROTO_INT64: text_put_i64(out, (int64_t)field->bits); break;
  case PROTO_BOOL: text_put_z(out, field->bits != 0 ? "true" : "false"); break;
  case PROTO_DOUBLE:
    memcpy(&number, &field->bits, sizeof number);
    text_put_double(out, number);
    break;
  case PROTO_FLOAT:
    memcpy(&single, &half, sizeof single);
    text_put_double(out, (double)single);
    break;
  }
}

/* Items that stand one behind the other in one field. */
static frz_status put_packed(text_out *out, proto_kind kind, proto_reader *in, bool *is_first,
                             frz_error *err)
{
  while (in->pos < in->size) {
    proto_field item = {.wire = wire_of(kind)};
    bool fine = item.wire == WIRE_VARINT    ? read_varint(in, &item.bits)
                : item.wire == WIRE_FIXED64 ? read_fixed(in, 8, &item.bits)
                                            : read_fixed(in, 4, &item.bits);
    if (!fine) return corrupt(err, "a list that is cut off");
    if (!*is_first) text_put_byte(out, ',');
    *is_first = false;
    put_scalar(out, kind, &item);
  }
  return FRZ_OK;
}

static frz_status put_list(text_out *out, proto_kind kind, proto_reader in, frz_error *err)
{
  bool is_first = true;
  text_put_byte(out, '[');
  while (in.pos < in.size) {
    proto_field field;
    SERVER_TRY(read_field(&in, &field, err));
    if (field.number != 1) continue;
    if (field.wire == wire_of(kind)) {
      if (!is_first) text_put_byte(out, ',');
      is_first = false;
      put_scalar(out, kind, &field);
    } else if (field.wire == WIRE_BYTES) {
      SERVER_TRY(put_packed(out, kind, &field.bytes, &is_first, err));
    } else {
      return corrupt(err, "a list's items are of another type");
    }
  }
  text_put_byte(out, ']');
  return FRZ_OK;
}

/* ---- messages ---- */

static frz_status put_value(text_out *out, proto_reader in, int depth, frz_error *err);

/* Map: repeated entries of {1: key, 2: Value}. */
static frz_status put_map(text_out *out, proto_reader in, int depth, frz_error *err)
{
  bool is_first = true;
  text_put_byte(out, '{');
  while (in.pos < in.size) {
    proto_field entry;
    SERVER_TRY(read_field(&in, &entry, err));
    if (entry.number != 1 || entry.wire != WIRE_BYTES) continue;
    proto_reader key = {0};
    proto_reader value = {0};
    while (entry.bytes.pos < entry.bytes.size) {
      proto_field part;
      SERVER_TRY(read_field(&entry.bytes, &part, err));
      if (part.wire != WIRE_BYTES) continue;
      if (part.number == 1) key = part.bytes;
      if (part.number == 2) value = part.bytes;
    }
    if (!is_first) text_put_byte(out, ',');
    is_first = false;
    text_put_json(out, key.data, key.size);
    text_put_byte(out, ':');
    SERVER_TRY(put_value(out, value, depth + 1, err));
  }
  text_put_byte(out, '}');
  return FRZ_OK;
}

typedef frz_status (*put_message)(text_out *out, proto_reader in, int depth, frz_error *err);

/* MapList and RepeatedValue: messages in field 1. */
static frz_status put_messages(text_out *out, proto_reader in, put_message put, int depth,
                               frz_error *err)
{
  bool is_first = true;
  text_put_byte(out, '[');
  while (in.pos < in.size) {
    proto_field field;
    SERVER_TRY(read_field(&in, &field, err));
    if (field.number != 1 || field.wire != WIRE_BYTES) continue;
    if (!is_first) text_put_byte(out, ',');
    is_first = false;
    SERVER_TRY(put(out, field.bytes, depth + 1, err));
  }
  text_put_byte(out, ']');
  return FRZ_OK;
}

/* "UTC+05:30", "-0700" and the like, in seconds; names of regions are not resolved: 0. */
static int32_t zone_offset_s(const char *zone, size_t size)
{
  if (size >= 3 && (memcmp(zone, "UTC", 3) == 0 || memcmp(zone, "GMT", 3) == 0)) {
    zone += 3;
    size -= 3;
  }
  if (size < 5 || (zone[0] != '+' && zone[0] != '-')) return 0;
  int digits[4];
  int n = 0;
  for (size_t i = 1; i < size && n < 4; i++) {
    if (zone[i] == ':') continue;
    if (zone[i] < '0' || zone[i] > '9') return 0;
    digits[n++] = zone[i] - '0';
  }
  if (n < 4) return 0;
  int32_t seconds = (digits[0] * 10 + digits[1]) * 3600 + (digits[2] * 10 + digits[3]) * 60;
  return zone[0] == '-' ? -seconds : seconds;
}

/* ZonedTimestamp {1: seconds, 2: zone} as ISO 8601 in its zone. */
static frz_status put_zoned(text_out *out, proto_reader in, frz_error *err)
{
  int64_t seconds = 0;
  proto_reader zone = {0};
  while (in.pos < in.size) {
    proto_field field;
    SERVER_TRY(read_field(&in, &field, err));
    if (field.number == 1 && field.wire == WIRE_VARINT) seconds = (int64_t)field.bits;
    if (field.number == 2 && field.wire == WIRE_BYTES) zone = field.bytes;
  }
  if (seconds == INT64_MIN) {
    text_put_z(out, "null");
    return FRZ_OK;
  }
  const int64_t farthest_s = INT64_C(253402300799); /* 9999-12-31T23:59:59Z */
  if (seconds > farthest_s || seconds < -farthest_s) return corrupt(err, "a time out of range");
  int32_t offset = zone.size == 0 ? 0 : zone_offset_s((const char *)zone.data, zone.size);
  text_put_time(out, (seconds + offset) * 1000000);
  if (out->failed) return FRZ_OK;
  out->size -= 2; /* Z and the quote */
  text_put_format(out, "%c%02d:%02d\"", offset < 0 ? '-' : '+', abs(offset) / 3600,
                  abs(offset) / 60 % 60);
  return FRZ_OK;
}

/* How scalars, lists and sets of them are held; false: a field of another kind. */
static bool scalar_kind(uint32_t number, proto_kind *kind_out, bool *is_list_out)
{
  static const proto_kind base[] = {PROTO_BYTES,  PROTO_STRING, PROTO_INT32, PROTO_INT64,
                                    PROTO_DOUBLE, PROTO_FLOAT,  PROTO_BOOL,  PROTO_INT64};
  static const uint8_t texts[] = {32, 36, 37, 44};
  static const uint8_t text_lists[] = {33, 38, 39, 40, 41, 45, 46};
  uint32_t first = number <= 8 ? 1 : number <= 18 ? 11 : 22;
  *is_list_out = first != 1;
  if (number >= first && number < first + 8) {
    *kind_out = base[number - first];
    return true;
  }
  *kind_out = PROTO_STRING;
  *is_list_out = false;
  for (size_t i = 0; i < sizeof texts; i++)
    if (texts[i] == number) return true;
  *is_list_out = true;
  for (size_t i = 0; i < sizeof text_lists; i++)
    if (text_lists[i] == number) return true;
  return false;
}

static frz_status put_chosen(text_out *out, const proto_field *field, int depth, frz_error *err)
{
  enum { MAP = 20, MAPS = 21, STRUCT = 34, STRUCTS = 35, VALUES = 42, SET = 43, ZONED = 48 };
  proto_kind kind;
  bool is_list;
  if (scalar_kind(field->number, &kind, &is_list)) {
    if (field->wire != (is_list ? WIRE_BYTES : wire_of(kind)))
      return corrupt(err, "a field of another wire type");
    if (is_list) return put_list(out, kind, field->bytes, err);
    put_scalar(out, kind, field);
    return FRZ_OK;
  }
  if (field->wire == WIRE_BYTES) switch (field->number) {
    case MAP:
    case STRUCT: return put_map(out, field->bytes, depth, err);
    case MAPS:
    case STRUCTS: return put_messages(out, field->bytes, put_map, depth, err);
    case VALUES:
    case SET: return put_messages(out, field->bytes, put_value, depth, err);
    case ZONED: return put_zoned(out, field->bytes, err);
    default: break;
    }
  text_put_z(out, "null"); /* null_val, scalar_map_val, and what a later Feast adds */
  return FRZ_OK;
}

static frz_status put_value(text_out *out, proto_reader in, int depth, frz_error *err)
{
  if (depth > DEPTH_MAX) return corrupt(err, "nested too deeply");
  proto_field chosen = {0};
  while (in.pos < in.size) SERVER_TRY(read_field(&in, &chosen, err));
  if (chosen.number == 0) {
    text_put_z(out, "null");
    return FRZ_OK;
  }
  return put_chosen(out, &chosen, depth, err);
}

frz_status value_json_put_serialized(text_out *out, const void *data, size_t size, frz_error *err)
{
  return put_value(out, (proto_reader){.data = data, .size = size}, 0, err);
}
