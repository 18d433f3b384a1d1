/*
 * thrift.c - Thrift's compact protocol: reading and writing.
 *
 * A struct is a row of fields, each with a header byte (id delta and type) and ended by a zero
 * byte; integers are zig-zag varints; a boolean field's value is its type. Inputs are untrusted:
 * every length is compared with the bytes left, an item takes at least one byte, and nesting is
 * bounded by FRZ_LIMIT_DEPTH.
 *
 * Invariant: 0 <= depth <= FRZ_LIMIT_DEPTH; last_field[depth] is the id of the newest field of
 * the innermost open struct.
 *
 * Source: apache/thrift, doc/specs/thrift-compact-protocol.md.
 */
#include "parquet/format/thrift.h"

#include "base/fail.h"

void frz_thrift_reader_init(frz_thrift_reader *reader, const void *data, size_t size)
{
  reader->bytes = frz_reader_of(data, size);
  reader->depth = 0;
  reader->last_field[0] = 0;
}

static frz_status fail_at(const frz_thrift_reader *reader, const char *what, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "thrift: %s at offset %zu of %zu", what, reader->bytes.pos,
                  reader->bytes.size);
}

static frz_status read_varint(frz_thrift_reader *reader, uint64_t *value_out, frz_error *err)
{
  if (frz_read_uleb128(&reader->bytes, value_out)) return FRZ_OK;
  return fail_at(reader, "number that does not end", err);
}

static frz_status read_length(frz_thrift_reader *reader, size_t item_bytes, size_t *n_out,
                              frz_error *err)
{
  uint64_t n = 0;
  FRZ_TRY(read_varint(reader, &n, err));
  size_t left = frz_reader_left(&reader->bytes);
  if (n > left / item_bytes)
    return frz_fail(err, FRZ_ERR_CORRUPT,
                    "thrift: length %llu at offset %zu, where %zu bytes are left",
                    (unsigned long long)n, reader->bytes.pos, left);
  *n_out = (size_t)n;
  return FRZ_OK;
}

frz_status frz_thrift_struct_begin(frz_thrift_reader *reader, frz_error *err)
{
  if (reader->depth >= FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "thrift: more than %d structs nested at offset %zu",
                    FRZ_LIMIT_DEPTH, reader->bytes.pos);
  reader->last_field[++reader->depth] = 0;
  return FRZ_OK;
}

frz_status frz_thrift_field(frz_thrift_reader *reader, int16_t *id_out, frz_thrift_type *type_out,
                            frz_error *err)
{
  assert(reader->depth > 0 && reader->depth <= FRZ_LIMIT_DEPTH);
  uint8_t head;
  if (!frz_read_u8(&reader->bytes, &head)) return fail_at(reader, "struct that does not end", err);
  unsigned type = head & 0x0f;
  if (type == FRZ_THRIFT_STOP) {
    reader->depth--;
    *id_out = 0;
    *type_out = FRZ_THRIFT_STOP;
    return FRZ_OK;
  }
  if (type > FRZ_THRIFT_STRUCT) return fail_at(reader, "unknown field type", err);
  int64_t id = (int64_t)reader->last_field[reader->depth] + (head >> 4);
  if (head >> 4 == 0) {
    uint64_t coded = 0;
    FRZ_TRY(read_varint(reader, &coded, err));
    id = frz_zigzag_decode(coded);
  }
  if (id < INT16_MIN || id > INT16_MAX) return fail_at(reader, "field id past 16 bits", err);
  reader->last_field[reader->depth] = (int16_t)id;
  *id_out = (int16_t)id;
  *type_out = (frz_thrift_type)type;
  return FRZ_OK;
}

frz_status frz_thrift_read_i64(frz_thrift_reader *reader, int64_t *value_out, frz_error *err)
{
  uint64_t coded = 0;
  FRZ_TRY(read_varint(reader, &coded, err));
  *value_out = frz_zigzag_decode(coded);
  return FRZ_OK;
}

frz_status frz_thrift_read_i32(frz_thrift_reader *reader, int32_t *value_out, frz_error *err)
{
  int64_t value = 0;
  FRZ_TRY(frz_thrift_read_i64(reader, &value, err));
  if (value < INT32_MIN || value > INT32_MAX)
    return frz_fail(err, FRZ_ERR_CORRUPT, "thrift: %lld before offset %zu passes 32 bits",
                    (long long)value, reader->bytes.pos);
  *value_out = (int32_t)value;
  return FRZ_OK;
}

frz_status frz_thrift_read_i8(frz_thrift_reader *reader, int8_t *value_out, frz_error *err)
{
  uint8_t byte;
  if (!frz_read_u8(&reader->bytes, &byte)) return fail_at(reader, "byte that is not there", err);
  *value_out = (int8_t)byte;
  return FRZ_OK;
}

frz_status frz_thrift_read_binary(frz_thrift_reader *reader, frz_str *value_out, frz_error *err)
{
  size_t size;
  const uint8_t *bytes = NULL;
  FRZ_TRY(read_length(reader, 1, &size, err));
  if (!frz_read_bytes(&reader->bytes, size, &bytes)) return fail_at(reader, "short bytes", err);
  *value_out = (frz_str){(const char *)bytes, size};
  return FRZ_OK;
}

frz_status frz_thrift_list_begin(frz_thrift_reader *reader, frz_thrift_type *type_out,
                                 size_t *n_out, frz_error *err)
{
  uint8_t head;
  if (!frz_read_u8(&reader->bytes, &head)) return fail_at(reader, "list without a header", err);
  unsigned type = head & 0x0f;
  size_t n = head >> 4;
  if (type == FRZ_THRIFT_STOP || type > FRZ_THRIFT_STRUCT)
    return fail_at(reader, "unknown item type", err);
  if (n == 15) {
    FRZ_TRY(read_length(reader, type == FRZ_THRIFT_DOUBLE ? 8 : 1, &n, err));
  } else if (n > frz_reader_left(&reader->bytes)) {
    return fail_at(reader, "list longer than its bytes", err);
  }
  *type_out = (frz_thrift_type)type;
  *n_out = n;
  return FRZ_OK;
}

static frz_status skip_value(frz_thrift_reader *reader, frz_thrift_type type, bool is_item,
                             int depth, frz_error *err);

static frz_status skip_bytes(frz_thrift_reader *reader, size_t n, frz_error *err)
{
  const uint8_t *bytes;
  if (!frz_read_bytes(&reader->bytes, n, &bytes)) return fail_at(reader, "short value", err);
  return FRZ_OK;
}

static frz_status skip_list(frz_thrift_reader *reader, int depth, frz_error *err)
{
  frz_thrift_type item = FRZ_THRIFT_STOP;
  size_t n = 0;
  FRZ_TRY(frz_thrift_list_begin(reader, &item, &n, err));
  for (size_t i = 0; i < n; i++) FRZ_TRY(skip_value(reader, item, true, depth, err));
  return FRZ_OK;
}

static frz_status skip_map(frz_thrift_reader *reader, int depth, frz_error *err)
{
  size_t n = 0;
  uint8_t types;
  FRZ_TRY(read_length(reader, 1, &n, err));
  if (n == 0) return FRZ_OK;
  if (!frz_read_u8(&reader->bytes, &types)) return fail_at(reader, "map without types", err);
  for (size_t i = 0; i < n; i++) {
    FRZ_TRY(skip_value(reader, (frz_thrift_type)(types >> 4), true, depth, err));
    FRZ_TRY(skip_value(reader, (frz_thrift_type)(types & 0x0f), true, depth, err));
  }
  return FRZ_OK;
}

static frz_status skip_struct(frz_thrift_reader *reader, int depth, frz_error *err)
{
  FRZ_TRY(frz_thrift_struct_begin(reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(frz_thrift_field(reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) return FRZ_OK;
    FRZ_TRY(skip_value(reader, type, false, depth, err));
  }
}

static frz_status skip_value(frz_thrift_reader *reader, frz_thrift_type type, bool is_item,
                             int depth, frz_error *err)
{
  frz_str bytes;
  uint64_t number;
  if (depth >= FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "thrift: nested deeper than %d levels at offset %zu",
                    FRZ_LIMIT_DEPTH, reader->bytes.pos);
  switch (type) {
  case FRZ_THRIFT_TRUE:
  case FRZ_THRIFT_FALSE: return is_item ? skip_bytes(reader, 1, err) : FRZ_OK;
  case FRZ_THRIFT_BYTE: return skip_bytes(reader, 1, err);
  case FRZ_THRIFT_I16:
  case FRZ_THRIFT_I32:
  case FRZ_THRIFT_I64: return read_varint(reader, &number, err);
  case FRZ_THRIFT_DOUBLE: return skip_bytes(reader, 8, err);
  case FRZ_THRIFT_BINARY: return frz_thrift_read_binary(reader, &bytes, err);
  case FRZ_THRIFT_LIST:
  case FRZ_THRIFT_SET: return skip_list(reader, depth + 1, err);
  case FRZ_THRIFT_MAP: return skip_map(reader, depth + 1, err);
  case FRZ_THRIFT_STRUCT: return skip_struct(reader, depth + 1, err);
  case FRZ_THRIFT_STOP: break;
  }
  return fail_at(reader, "unknown type", err);
}

frz_status frz_thrift_skip(frz_thrift_reader *reader, frz_thrift_type type, frz_error *err)
{
  return skip_value(reader, type, false, 0, err);
}

/* ---- writing ---- */

void frz_thrift_writer_init(frz_thrift_writer *writer, frz_buf *out)
{
  *writer = (frz_thrift_writer){.out = out, .status = FRZ_OK};
}

static void put_byte(frz_thrift_writer *writer, uint8_t byte)
{
  if (writer->status == FRZ_OK)
    writer->status = frz_buf_append_byte(writer->out, byte, &writer->error);
}

static void put_varint(frz_thrift_writer *writer, uint64_t value)
{
  while (value >= 0x80) {
    put_byte(writer, (uint8_t)(value | 0x80));
    value >>= 7;
  }
  put_byte(writer, (uint8_t)value);
}

void frz_thrift_write_struct_begin(frz_thrift_writer *writer)
{
  assert(writer->depth < FRZ_LIMIT_DEPTH);
  writer->last_field[++writer->depth] = 0;
}

void frz_thrift_write_struct_end(frz_thrift_writer *writer)
{
  assert(writer->depth > 0);
  writer->depth--;
  put_byte(writer, FRZ_THRIFT_STOP);
}

void frz_thrift_write_field(frz_thrift_writer *writer, int16_t id, frz_thrift_type type)
{
  assert(writer->depth > 0);
  int delta = id - writer->last_field[writer->depth];
  if (delta > 0 && delta <= 15) {
    put_byte(writer, (uint8_t)((unsigned)delta << 4 | (unsigned)type));
  } else {
    put_byte(writer, (uint8_t)type);
    put_varint(writer, frz_zigzag_encode(id));
  }
  writer->last_field[writer->depth] = id;
}

void frz_thrift_write_bool_field(frz_thrift_writer *writer, int16_t id, bool value)
{
  frz_thrift_write_field(writer, id, value ? FRZ_THRIFT_TRUE : FRZ_THRIFT_FALSE);
}

void frz_thrift_write_byte_field(frz_thrift_writer *writer, int16_t id, int8_t value)
{
  frz_thrift_write_field(writer, id, FRZ_THRIFT_BYTE);
  put_byte(writer, (uint8_t)value);
}

void frz_thrift_write_i32_field(frz_thrift_writer *writer, int16_t id, int32_t value)
{
  frz_thrift_write_field(writer, id, FRZ_THRIFT_I32);
  frz_thrift_write_i32(writer, value);
}

void frz_thrift_write_i64_field(frz_thrift_writer *writer, int16_t id, int64_t value)
{
  frz_thrift_write_field(writer, id, FRZ_THRIFT_I64);
  frz_thrift_write_i64(writer, value);
}

void frz_thrift_write_binary_field(frz_thrift_writer *writer, int16_t id, frz_str value)
{
  frz_thrift_write_field(writer, id, FRZ_THRIFT_BINARY);
  frz_thrift_write_binary(writer, value);
}

void frz_thrift_write_list_field(frz_thrift_writer *writer, int16_t id, frz_thrift_type item,
                                 size_t n)
{
  frz_thrift_write_field(writer, id, FRZ_THRIFT_LIST);
  put_byte(writer, (uint8_t)((n < 15 ? n : 15) << 4 | (size_t)item));
  if (n >= 15) put_varint(writer, n);
}

void frz_thrift_write_i32(frz_thrift_writer *writer, int32_t value)
{
  put_varint(writer, frz_zigzag_encode(value));
}

void frz_thrift_write_i64(frz_thrift_writer *writer, int64_t value)
{
  put_varint(writer, frz_zigzag_encode(value));
}

void frz_thrift_write_binary(frz_thrift_writer *writer, frz_str value)
{
  put_varint(writer, value.size);
  if (writer->status == FRZ_OK)
    writer->status = frz_buf_append_str(writer->out, value, &writer->error);
}

frz_status frz_thrift_writer_finish(frz_thrift_writer *writer, frz_error *err)
{
  assert(writer->status != FRZ_OK || writer->depth == 0);
  if (writer->status != FRZ_OK && err != NULL) *err = writer->error;
  return writer->status;
}
