/*
 * avro_decode.c - see avro_shape.h: from the bytes of Avro values to columns.
 *
 * Columns may grow faster than the bytes they come from: a null is one byte or none, and a symbol
 * stands for its name. What grows so is counted, and one batch may hold only so much of it.
 *
 * Source: Apache Avro 1.11 specification, "Binary Encoding" and "Logical Types".
 */
#include <inttypes.h>

#include "avro/avro_shape.h"
#include "avro/avro_value.h"
#include "base/endian.h"

enum { UUID_BYTES = 16, UUID_TEXT_BYTES = 36, DECIMAL_BYTES = 16 };

static frz_status add_padding(frz_avro_decoder *decoder, size_t bytes, frz_error *err)
{
  if (bytes > FRZ_LIMIT_PADDING_BYTES - decoder->padding_bytes)
    return frz_fail(err, FRZ_ERR_LIMIT, "nulls and symbols that stand for more than %zu bytes",
                    FRZ_LIMIT_PADDING_BYTES);
  decoder->padding_bytes += bytes;
  return FRZ_OK;
}

/* ---- primitives ---- */

static frz_status take_fixed(frz_reader *in, size_t size, frz_str *bytes_out, frz_error *err)
{
  const uint8_t *bytes;
  if (!frz_read_bytes(in, size, &bytes))
    return frz_fail(err, FRZ_ERR_CORRUPT, "%zu bytes where %zu are left", size,
                    frz_reader_left(in));
  *bytes_out = (frz_str){(const char *)bytes, size};
  return FRZ_OK;
}

static frz_status decode_enum(frz_avro_decoder *decoder, const frz_avro_type *type,
                              frz_column *column, frz_error *err)
{
  int64_t number;
  FRZ_TRY(frz_avro_read_long(decoder->in, &number, err));
  if (number < 0 || (uint64_t)number >= type->n_symbols)
    return frz_fail(err, FRZ_ERR_CORRUPT, "symbol %" PRId64 " of enum '%.*s' of %zu", number,
                    FRZ_STR_ARG(type->name), type->n_symbols);
  frz_str symbol = type->symbols[number];
  FRZ_TRY(add_padding(decoder, symbol.size, err));
  return frz_column_append_value(column, symbol.data, symbol.size, err);
}

static bool parse_uuid(frz_str text, uint8_t bytes_out[UUID_BYTES])
{
  if (text.size != UUID_TEXT_BYTES) return false;
  size_t n_digits = 0;
  for (size_t i = 0; i < text.size; i++) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text.data[i] != '-') return false;
      continue;
    }
    int digit = frz_hex_digit(text.data[i]);
    if (digit < 0) return false;
    uint8_t *byte = &bytes_out[n_digits / 2];
    *byte = (uint8_t)(n_digits % 2 == 0 ? digit << 4 : *byte | digit);
    n_digits++;
  }
  return true;
}

static frz_status decode_uuid(frz_reader *in, frz_column *column, frz_error *err)
{
  uint8_t bytes[UUID_BYTES];
  frz_str text;
  FRZ_TRY(frz_avro_read_bytes(in, &text, err));
  if (!parse_uuid(text, bytes))
    return frz_fail(err, FRZ_ERR_CORRUPT, "'%.*s' is no UUID", FRZ_STR_ARG(text));
  return frz_column_append_value(column, bytes, sizeof bytes, err);
}

/* Big-endian two's complement of any length, as long as the number fits 16 bytes. */
static frz_status decode_decimal(frz_reader *in, const frz_avro_type *type, frz_column *column,
                                 frz_error *err)
{
  uint8_t value[DECIMAL_BYTES];
  frz_str stored;
  if (type->kind == FRZ_AVRO_FIXED)
    FRZ_TRY(take_fixed(in, (size_t)type->fixed_bytes, &stored, err));
  else
    FRZ_TRY(frz_avro_read_bytes(in, &stored, err));
  if (stored.size == 0) return frz_fail(err, FRZ_ERR_CORRUPT, "a decimal without bytes");
  uint8_t sign = ((uint8_t)stored.data[0] & 0x80) != 0 ? 0xff : 0;
  memset(value, sign, sizeof value);
  for (size_t i = 0; i < stored.size; i++) {
    uint8_t byte = (uint8_t)stored.data[stored.size - 1 - i];
    if (i < DECIMAL_BYTES)
      value[i] = byte;
    else if (byte != sign)
      return frz_fail(err, FRZ_ERR_CORRUPT, "a decimal of %zu bytes", stored.size);
  }
  if ((value[DECIMAL_BYTES - 1] & 0x80) != (sign & 0x80))
    return frz_fail(err, FRZ_ERR_CORRUPT, "a decimal of %zu bytes", stored.size);
  return frz_column_append_value(column, value, sizeof value, err);
}

static frz_status decode_primitive(frz_avro_decoder *decoder, const frz_avro_shape *shape,
                                   frz_column *column, frz_error *err)
{
  frz_reader *in = decoder->in;
  bool flag;
  int32_t narrow;
  int64_t wide;
  frz_str bytes;
  switch (shape->decoding) {
  case FRZ_DECODE_BOOLEAN:
    FRZ_TRY(frz_avro_read_boolean(in, &flag, err));
    return frz_column_append_value(column, &(uint8_t){flag}, 1, err);
  case FRZ_DECODE_INT:
    FRZ_TRY(frz_avro_read_int(in, &narrow, err));
    return frz_column_append_value(column, &narrow, sizeof narrow, err);
  case FRZ_DECODE_LONG:
    FRZ_TRY(frz_avro_read_long(in, &wide, err));
    return frz_column_append_value(column, &wide, sizeof wide, err);
  case FRZ_DECODE_FIXED:
    FRZ_TRY(take_fixed(in, shape->width, &bytes, err));
    return frz_column_append_value(column, bytes.data, bytes.size, err);
  case FRZ_DECODE_BYTES:
    FRZ_TRY(frz_avro_read_bytes(in, &bytes, err));
    return frz_column_append_value(column, bytes.data, bytes.size, err);
  case FRZ_DECODE_ENUM: return decode_enum(decoder, shape->type, column, err);
  case FRZ_DECODE_UUID_TEXT: return decode_uuid(in, column, err);
  case FRZ_DECODE_DECIMAL: return decode_decimal(in, shape->type, column, err);
  default:
    FRZ_TRY(add_padding(decoder, shape->padding_bytes, err));
    return frz_column_append_nulls(column, 1, err);
  }
}

/* ---- nested types; as deep as their shape, which is bounded ---- */

static frz_status decode_record(frz_avro_decoder *decoder, const frz_avro_shape *shape,
                                frz_column *column, frz_error *err)
{
  for (size_t i = 0; i < shape->n_children; i++) {
    const frz_avro_shape *child = &shape->children[i];
    if (child->is_wanted)
      FRZ_TRY(frz_avro_decode(decoder, child, &column->children[child->column], err));
    else
      FRZ_TRY(frz_avro_skip(decoder->in, child->stored, err));
  }
  if (shape->stored->is_empty) FRZ_TRY(add_padding(decoder, 1, err));
  return frz_column_append_present(column, err);
}

static frz_status decode_array(frz_avro_decoder *decoder, const frz_avro_shape *shape,
                               frz_column *column, frz_error *err)
{
  for (;;) {
    int64_t n;
    FRZ_TRY(frz_avro_read_block(decoder->in, &n, err));
    if (n == 0) return frz_column_append_present(column, err);
    for (int64_t i = 0; i < n; i++)
      FRZ_TRY(frz_avro_decode(decoder, &shape->children[0], &column->children[0], err));
  }
}

static frz_status decode_map(frz_avro_decoder *decoder, const frz_avro_shape *shape,
                             frz_column *column, frz_error *err)
{
  frz_column *entries = &column->children[0];
  for (;;) {
    int64_t n;
    FRZ_TRY(frz_avro_read_block(decoder->in, &n, err));
    if (n == 0) return frz_column_append_present(column, err);
    for (int64_t i = 0; i < n; i++) {
      frz_str key;
      FRZ_TRY(frz_avro_read_bytes(decoder->in, &key, err));
      FRZ_TRY(frz_column_append_value(&entries->children[0], key.data, key.size, err));
      FRZ_TRY(frz_avro_decode(decoder, &shape->children[0], &entries->children[1], err));
      FRZ_TRY(frz_column_append_present(entries, err));
    }
  }
}

static frz_status read_branch(frz_avro_decoder *decoder, const frz_avro_shape *shape,
                              bool *is_null_out, frz_error *err)
{
  int64_t branch;
  FRZ_TRY(frz_avro_read_long(decoder->in, &branch, err));
  if (branch < 0 || (uint64_t)branch >= shape->stored->n_branches)
    return frz_fail(err, FRZ_ERR_CORRUPT, "branch %" PRId64 " of a union of %zu", branch,
                    shape->stored->n_branches);
  *is_null_out = branch == shape->null_branch;
  if (*is_null_out && shape->refuses_null)
    return frz_fail(err, FRZ_ERR_CORRUPT, "null as the key of a map");
  return FRZ_OK;
}

frz_status frz_avro_decode(frz_avro_decoder *decoder, const frz_avro_shape *shape,
                           frz_column *column, frz_error *err)
{
  if (shape->is_union) {
    bool is_null;
    FRZ_TRY(read_branch(decoder, shape, &is_null, err));
    if (is_null) {
      FRZ_TRY(add_padding(decoder, shape->padding_bytes, err));
      return frz_column_append_nulls(column, 1, err);
    }
  }
  switch (shape->decoding) {
  case FRZ_DECODE_RECORD: return decode_record(decoder, shape, column, err);
  case FRZ_DECODE_ARRAY: return decode_array(decoder, shape, column, err);
  case FRZ_DECODE_MAP: return decode_map(decoder, shape, column, err);
  default: return decode_primitive(decoder, shape, column, err);
  }
}
