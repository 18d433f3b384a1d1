/*
 * avro_value.c - single Avro values.
 *
 * int and long are zig-zag coded base-128 numbers; bytes and strings carry their length in front;
 * arrays and maps come in counted blocks. Inputs are untrusted: nothing is taken that the reader
 * does not hold, a count must have bytes behind it, and recursion stops at FRZ_LIMIT_DEPTH.
 *
 * What must stay true: a read moves the reader on success only. (Skipping may accept a number that
 * reading would refuse as longer than 64 bits.)
 *
 * Source: Apache Avro 1.11 specification, "Binary Encoding".
 */
#include "avro/avro_value.h"

#include <assert.h>
#include <inttypes.h>

#include "base/limits.h"

static_assert(sizeof(float) == 4 && sizeof(double) == 8, "stored as IEEE 754 single and double");

static frz_status fail_short(const frz_reader *reader, const char *what, size_t wanted,
                             frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "%s of %zu bytes where %zu are left", what, wanted,
                  frz_reader_left(reader));
}

frz_status frz_avro_read_long(frz_reader *reader, int64_t *value_out, frz_error *err)
{
  uint64_t raw;
  if (!frz_read_uleb128(reader, &raw))
    return frz_fail(err, FRZ_ERR_CORRUPT, "a number that is cut or longer than 64 bits, %zu left",
                    frz_reader_left(reader));
  *value_out = frz_zigzag_decode(raw);
  return FRZ_OK;
}

frz_status frz_avro_read_int(frz_reader *reader, int32_t *value_out, frz_error *err)
{
  size_t start = reader->pos;
  int64_t value;
  FRZ_TRY(frz_avro_read_long(reader, &value, err));
  if (value < INT32_MIN || value > INT32_MAX) {
    reader->pos = start;
    return frz_fail(err, FRZ_ERR_CORRUPT, "int %" PRId64 " is longer than 32 bits", value);
  }
  *value_out = (int32_t)value;
  return FRZ_OK;
}

frz_status frz_avro_read_boolean(frz_reader *reader, bool *value_out, frz_error *err)
{
  if (frz_reader_left(reader) == 0) return fail_short(reader, "boolean", 1, err);
  uint8_t byte = reader->data[reader->pos];
  if (byte > 1) return frz_fail(err, FRZ_ERR_CORRUPT, "boolean 0x%02x", (unsigned)byte);
  reader->pos++;
  *value_out = byte == 1;
  return FRZ_OK;
}

frz_status frz_avro_read_float(frz_reader *reader, float *value_out, frz_error *err)
{
  uint32_t bits;
  if (!frz_read_u32le(reader, &bits)) return fail_short(reader, "float", 4, err);
  memcpy(value_out, &bits, sizeof *value_out);
  return FRZ_OK;
}

frz_status frz_avro_read_double(frz_reader *reader, double *value_out, frz_error *err)
{
  uint64_t bits;
  if (!frz_read_u64le(reader, &bits)) return fail_short(reader, "double", 8, err);
  memcpy(value_out, &bits, sizeof *value_out);
  return FRZ_OK;
}

frz_status frz_avro_read_bytes(frz_reader *reader, frz_str *value_out, frz_error *err)
{
  size_t start = reader->pos;
  int64_t size;
  FRZ_TRY(frz_avro_read_long(reader, &size, err));
  if (size < 0 || (uint64_t)size > frz_reader_left(reader)) {
    size_t left = frz_reader_left(reader);
    reader->pos = start;
    return frz_fail(err, FRZ_ERR_CORRUPT, "bytes of length %" PRId64 " where %zu are left", size,
                    left);
  }
  *value_out = (frz_str){(const char *)reader->data + reader->pos, (size_t)size};
  reader->pos += (size_t)size;
  return FRZ_OK;
}

/* A block's head; `bytes_out` is its size where the writer gave one, else -1. */
static frz_status read_block_head(frz_reader *reader, int64_t *n_out, int64_t *bytes_out,
                                  frz_error *err)
{
  frz_reader at = *reader;
  int64_t n;
  int64_t bytes = -1;
  FRZ_TRY(frz_avro_read_long(&at, &n, err));
  if (n < 0) {
    FRZ_TRY(frz_avro_read_long(&at, &bytes, err));
    if (n == INT64_MIN || bytes < 0 || (uint64_t)bytes > frz_reader_left(&at))
      return frz_fail(err, FRZ_ERR_CORRUPT, "block of %" PRId64 " bytes where %zu are left", bytes,
                      frz_reader_left(&at));
    n = -n;
  }
  uint64_t behind = bytes >= 0 ? (uint64_t)bytes : frz_reader_left(&at);
  if ((uint64_t)n > behind)
    return frz_fail(err, FRZ_ERR_CORRUPT, "block of %" PRId64 " items in %" PRIu64 " bytes", n,
                    behind);
  *reader = at;
  *n_out = n;
  *bytes_out = bytes;
  return FRZ_OK;
}

frz_status frz_avro_read_block(frz_reader *reader, int64_t *n_out, frz_error *err)
{
  int64_t bytes;
  return read_block_head(reader, n_out, &bytes, err);
}

frz_status frz_avro_read_branch(frz_reader *reader, const frz_avro_type *type,
                                const frz_avro_type **type_out, frz_error *err)
{
  assert(type->kind == FRZ_AVRO_UNION);
  size_t start = reader->pos;
  int64_t branch;
  FRZ_TRY(frz_avro_read_long(reader, &branch, err));
  if (branch < 0 || (uint64_t)branch >= type->n_branches) {
    reader->pos = start;
    return frz_fail(err, FRZ_ERR_CORRUPT, "branch %" PRId64 " of a union of %zu", branch,
                    type->n_branches);
  }
  *type_out = type->branches[branch];
  return FRZ_OK;
}

/* ---- skipping ---- */

static frz_status skip_n(frz_reader *reader, const char *what, size_t n, frz_error *err)
{
  const uint8_t *bytes;
  if (!frz_read_bytes(reader, n, &bytes)) return fail_short(reader, what, n, err);
  return FRZ_OK;
}

/* Pass over `n` numbers: count the bytes that end one, eight at a time. */
static bool skip_numbers(frz_reader *reader, uint64_t n)
{
  size_t pos = reader->pos;
  while (n != 0 && reader->size - pos >= 8) {
    uint64_t ends = ~frz_load_u64le(reader->data + pos) & UINT64_C(0x8080808080808080);
    unsigned n_ends = (unsigned)__builtin_popcountll(ends);
    if (n_ends < n) {
      n -= n_ends;
      pos += 8;
      continue;
    }
    for (; n > 1; n--) ends &= ends - 1;
    pos += (unsigned)__builtin_ctzll(ends) / 8 + 1;
    n = 0;
  }
  for (; n != 0 && pos < reader->size; pos++) n -= (reader->data[pos] & 0x80) == 0;
  if (n != 0) return false;
  reader->pos = pos;
  return true;
}

static frz_status skip_enum(frz_reader *reader, const frz_avro_type *type, frz_error *err)
{
  int64_t symbol;
  FRZ_TRY(frz_avro_read_long(reader, &symbol, err));
  if (symbol < 0 || (uint64_t)symbol >= type->n_symbols)
    return frz_fail(err, FRZ_ERR_CORRUPT, "symbol %" PRId64 " of enum '%.*s' of %zu", symbol,
                    FRZ_STR_ARG(type->name), type->n_symbols);
  return FRZ_OK;
}

static frz_status skip_value(frz_reader *reader, const frz_avro_type *type, int depth,
                             frz_error *err);

/* An array's or a map's blocks; a block that says its size is passed over whole. */
static frz_status skip_blocks(frz_reader *reader, const frz_avro_type *type, int depth,
                              frz_error *err)
{
  for (;;) {
    int64_t n;
    int64_t bytes;
    FRZ_TRY(read_block_head(reader, &n, &bytes, err));
    if (n == 0) return FRZ_OK;
    if (bytes >= 0) {
      reader->pos += (size_t)bytes;
      continue;
    }
    if (type->kind == FRZ_AVRO_ARRAY && type->branches[0]->is_empty) continue;
    uint64_t n_numbers = type->kind == FRZ_AVRO_ARRAY ? type->branches[0]->n_numbers : 0;
    if (n_numbers != 0) {
      bool fits = (uint64_t)n <= frz_reader_left(reader); /* and so the product fits 64 bits */
      if (!fits || !skip_numbers(reader, (uint64_t)n * n_numbers))
        return fail_short(reader, "numbers", (size_t)n, err);
      continue;
    }
    for (int64_t i = 0; i < n; i++) {
      frz_str key;
      if (type->kind == FRZ_AVRO_MAP) FRZ_TRY(frz_avro_read_bytes(reader, &key, err));
      FRZ_TRY(skip_value(reader, type->branches[0], depth + 1, err));
    }
  }
}

static frz_status skip_record(frz_reader *reader, const frz_avro_type *type, int depth,
                              frz_error *err)
{
  for (size_t i = 0; i < type->n_fields; i++)
    FRZ_TRY(skip_value(reader, type->fields[i].type, depth + 1, err));
  return FRZ_OK;
}

static frz_status skip_value(frz_reader *reader, const frz_avro_type *type, int depth,
                             frz_error *err)
{
  int64_t number;
  frz_str bytes;
  bool flag;
  if (depth > FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "values nested deeper than %d levels", FRZ_LIMIT_DEPTH);
  switch (type->kind) {
  case FRZ_AVRO_NULL: return FRZ_OK;
  case FRZ_AVRO_BOOLEAN: return frz_avro_read_boolean(reader, &flag, err);
  case FRZ_AVRO_INT:
  case FRZ_AVRO_LONG: return frz_avro_read_long(reader, &number, err);
  case FRZ_AVRO_FLOAT: return skip_n(reader, "float", 4, err);
  case FRZ_AVRO_DOUBLE: return skip_n(reader, "double", 8, err);
  case FRZ_AVRO_BYTES:
  case FRZ_AVRO_STRING: return frz_avro_read_bytes(reader, &bytes, err);
  case FRZ_AVRO_FIXED: return skip_n(reader, "fixed", (size_t)type->fixed_bytes, err);
  case FRZ_AVRO_ENUM: return skip_enum(reader, type, err);
  case FRZ_AVRO_RECORD: return skip_record(reader, type, depth, err);
  case FRZ_AVRO_ARRAY:
  case FRZ_AVRO_MAP: return skip_blocks(reader, type, depth, err);
  case FRZ_AVRO_UNION: {
    const frz_avro_type *branch;
    FRZ_TRY(frz_avro_read_branch(reader, type, &branch, err));
    return skip_value(reader, branch, depth + 1, err);
  }
  }
  assert(false);
  return FRZ_ERR_INVALID;
}

frz_status frz_avro_skip(frz_reader *reader, const frz_avro_type *type, frz_error *err)
{
  return skip_value(reader, type, 0, err);
}

/* ---- writing ---- */

frz_status frz_avro_write_long(frz_buf *out, int64_t value, frz_error *err)
{
  uint8_t bytes[10];
  size_t n = 0;
  uint64_t left = frz_zigzag_encode(value);
  for (; left >= 0x80; left >>= 7) bytes[n++] = (uint8_t)(left | 0x80);
  bytes[n++] = (uint8_t)left;
  return frz_buf_append(out, bytes, n, err);
}

frz_status frz_avro_write_boolean(frz_buf *out, bool value, frz_error *err)
{
  return frz_buf_append_byte(out, value, err);
}

frz_status frz_avro_write_float(frz_buf *out, float value, frz_error *err)
{
  return frz_buf_append(out, &value, sizeof value, err);
}

frz_status frz_avro_write_double(frz_buf *out, double value, frz_error *err)
{
  return frz_buf_append(out, &value, sizeof value, err);
}

frz_status frz_avro_write_bytes(frz_buf *out, frz_str value, frz_error *err)
{
  FRZ_TRY(frz_avro_write_long(out, (int64_t)value.size, err));
  return value.size != 0 ? frz_buf_append(out, value.data, value.size, err) : FRZ_OK;
}
