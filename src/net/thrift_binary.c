/*
 * thrift_binary.c - see thrift_binary.h.
 *
 * What must stay true: no length of the input is believed before so many bytes are there; skipping
 * makes progress with every item, and nests no deeper than FRZ_LIMIT_DEPTH.
 */
#include "net/thrift_binary.h"

#include "base/limits.h"

#define VERSION_1 0x80010000u

/* ---- reading ---- */

/* The next `n` bytes, once they are there. */
static frz_status take(frz_tbinary_reader *reader, size_t n, const uint8_t **bytes_out,
                       frz_error *err)
{
  while (n > frz_reader_left(&reader->bytes)) {
    if (reader->more == NULL)
      return frz_fail(err, FRZ_ERR_CORRUPT, "Thrift: %zu bytes at offset %zu of %zu", n,
                      reader->bytes.pos, reader->bytes.size);
    FRZ_TRY(reader->more(reader->ctx, &reader->bytes, err));
  }
  *bytes_out = reader->bytes.data + reader->bytes.pos;
  reader->bytes.pos += n;
  return FRZ_OK;
}

frz_status frz_tbinary_field(frz_tbinary_reader *reader, int16_t *id_out,
                             frz_tbinary_type *type_out, frz_error *err)
{
  const uint8_t *at;
  FRZ_TRY(take(reader, 1, &at, err));
  *type_out = (frz_tbinary_type)at[0];
  *id_out = 0;
  if (*type_out == FRZ_TBINARY_STOP) return FRZ_OK;
  FRZ_TRY(take(reader, 2, &at, err));
  *id_out = (int16_t)((at[0] << 8) | at[1]);
  return FRZ_OK;
}

frz_status frz_tbinary_read_i32(frz_tbinary_reader *reader, int32_t *value_out, frz_error *err)
{
  const uint8_t *at;
  FRZ_TRY(take(reader, 4, &at, err));
  *value_out = (int32_t)frz_load_u32be(at);
  return FRZ_OK;
}

frz_status frz_tbinary_read_i64(frz_tbinary_reader *reader, int64_t *value_out, frz_error *err)
{
  const uint8_t *at;
  FRZ_TRY(take(reader, 8, &at, err));
  *value_out = (int64_t)((uint64_t)frz_load_u32be(at) << 32 | frz_load_u32be(at + 4));
  return FRZ_OK;
}

static frz_status read_count(frz_tbinary_reader *reader, size_t *n_out, frz_error *err)
{
  int32_t n;
  FRZ_TRY(frz_tbinary_read_i32(reader, &n, err));
  if (n < 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "Thrift: a count of %d at offset %zu", (int)n,
                    reader->bytes.pos - 4);
  *n_out = (size_t)n;
  return FRZ_OK;
}

frz_status frz_tbinary_read_string(frz_tbinary_reader *reader, frz_str *value_out, frz_error *err)
{
  size_t n;
  const uint8_t *at;
  FRZ_TRY(read_count(reader, &n, err));
  FRZ_TRY(take(reader, n, &at, err));
  *value_out = (frz_str){(const char *)at, n};
  return FRZ_OK;
}

static frz_status fail_type(const frz_tbinary_reader *reader, int type, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "Thrift: type %d before offset %zu", type,
                  reader->bytes.pos);
}

/* Every item takes a byte at least. */
static frz_status check_items(const frz_tbinary_reader *reader, size_t n, frz_error *err)
{
  if (reader->more != NULL || n <= frz_reader_left(&reader->bytes)) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "Thrift: %zu items in %zu bytes", n,
                  frz_reader_left(&reader->bytes));
}

frz_status frz_tbinary_list_begin(frz_tbinary_reader *reader, frz_tbinary_type item, size_t *n_out,
                                  frz_error *err)
{
  const uint8_t *at;
  FRZ_TRY(take(reader, 1, &at, err));
  int type = at[0];
  FRZ_TRY(read_count(reader, n_out, err));
  if (*n_out != 0 && type != (int)item) return fail_type(reader, type, err);
  return check_items(reader, *n_out, err);
}

frz_status frz_tbinary_map_begin(frz_tbinary_reader *reader, frz_tbinary_type key,
                                 frz_tbinary_type value, size_t *n_out, frz_error *err)
{
  const uint8_t *at;
  FRZ_TRY(take(reader, 2, &at, err));
  int types[2] = {at[0], at[1]};
  FRZ_TRY(read_count(reader, n_out, err));
  if (*n_out != 0 && types[0] != (int)key) return fail_type(reader, types[0], err);
  if (*n_out != 0 && types[1] != (int)value) return fail_type(reader, types[1], err);
  return check_items(reader, *n_out, err);
}

/* The bytes of a type that has always as many; 0: they differ. */
static size_t fixed_bytes(int type)
{
  switch (type) {
  case FRZ_TBINARY_BOOL:
  case FRZ_TBINARY_BYTE: return 1;
  case FRZ_TBINARY_I16: return 2;
  case FRZ_TBINARY_I32: return 4;
  case FRZ_TBINARY_DOUBLE:
  case FRZ_TBINARY_I64: return 8;
  default: return 0;
  }
}

static frz_status skip(frz_tbinary_reader *reader, int type, int depth, frz_error *err);

static frz_status skip_struct(frz_tbinary_reader *reader, int depth, frz_error *err)
{
  for (;;) {
    int16_t id;
    frz_tbinary_type type;
    FRZ_TRY(frz_tbinary_field(reader, &id, &type, err));
    if (type == FRZ_TBINARY_STOP) return FRZ_OK;
    FRZ_TRY(skip(reader, (int)type, depth + 1, err));
  }
}

/* A list, a set or a map: `n_types` of each item. */
static frz_status skip_items(frz_tbinary_reader *reader, int n_types, int depth, frz_error *err)
{
  const uint8_t *at;
  int types[2] = {0};
  size_t n;
  FRZ_TRY(take(reader, (size_t)n_types, &at, err));
  for (int k = 0; k < n_types; k++) types[k] = at[k];
  FRZ_TRY(read_count(reader, &n, err));
  FRZ_TRY(check_items(reader, n, err));
  for (size_t i = 0; i < n; i++)
    for (int k = 0; k < n_types; k++) FRZ_TRY(skip(reader, types[k], depth + 1, err));
  return FRZ_OK;
}

static frz_status skip(frz_tbinary_reader *reader, int type, int depth, frz_error *err)
{
  const uint8_t *at;
  frz_str text;
  if (depth > FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "Thrift: nested deeper than %d", FRZ_LIMIT_DEPTH);
  size_t n = fixed_bytes(type);
  if (n != 0) return take(reader, n, &at, err);
  switch (type) {
  case FRZ_TBINARY_STRING: return frz_tbinary_read_string(reader, &text, err);
  case FRZ_TBINARY_STRUCT: return skip_struct(reader, depth, err);
  case FRZ_TBINARY_MAP: return skip_items(reader, 2, depth, err);
  case FRZ_TBINARY_SET:
  case FRZ_TBINARY_LIST: return skip_items(reader, 1, depth, err);
  default: return fail_type(reader, type, err);
  }
}

frz_status frz_tbinary_skip(frz_tbinary_reader *reader, frz_tbinary_type type, frz_error *err)
{
  return skip(reader, (int)type, 0, err);
}

frz_status frz_tbinary_read_message(frz_tbinary_reader *reader, frz_tbinary_message *message_out,
                                    frz_error *err)
{
  int32_t head;
  FRZ_TRY(frz_tbinary_read_i32(reader, &head, err));
  if (((uint32_t)head & 0xffff0000u) != VERSION_1)
    return frz_fail(err, FRZ_ERR_CORRUPT, "not Thrift's binary protocol: it begins with %08x",
                    (unsigned)head);
  message_out->kind = head & 0xff;
  FRZ_TRY(frz_tbinary_read_string(reader, &message_out->name, err));
  return frz_tbinary_read_i32(reader, &message_out->sequence, err);
}

/* ---- writing ---- */

void frz_tbinary_writer_init(frz_tbinary_writer *writer, frz_buf *out)
{
  writer->out = out;
  writer->status = FRZ_OK;
}

frz_status frz_tbinary_finish(const frz_tbinary_writer *writer, frz_error *err)
{
  if (writer->status != FRZ_OK && err != NULL) *err = writer->error;
  return writer->status;
}

static void put(frz_tbinary_writer *writer, const void *bytes, size_t n)
{
  if (writer->status == FRZ_OK)
    writer->status = frz_buf_append(writer->out, bytes, n, &writer->error);
}

void frz_tbinary_write_i32(frz_tbinary_writer *writer, int32_t value)
{
  uint8_t bytes[4];
  frz_store_u32be(bytes, (uint32_t)value);
  put(writer, bytes, sizeof bytes);
}

void frz_tbinary_write_string(frz_tbinary_writer *writer, frz_str text)
{
  if (text.size > INT32_MAX && writer->status == FRZ_OK)
    writer->status =
        frz_fail(&writer->error, FRZ_ERR_LIMIT, "Thrift: a text of %zu bytes", text.size);
  frz_tbinary_write_i32(writer, (int32_t)text.size);
  put(writer, text.data, text.size);
}

void frz_tbinary_write_raw(frz_tbinary_writer *writer, frz_str bytes)
{
  put(writer, bytes.data, bytes.size);
}

void frz_tbinary_write_call(frz_tbinary_writer *writer, const char *name, int32_t sequence)
{
  frz_tbinary_write_i32(writer, (int32_t)(VERSION_1 | FRZ_TBINARY_CALL));
  frz_tbinary_write_string(writer, frz_str_from(name));
  frz_tbinary_write_i32(writer, sequence);
}

void frz_tbinary_write_field(frz_tbinary_writer *writer, int16_t id, frz_tbinary_type type)
{
  const uint8_t bytes[3] = {(uint8_t)type, (uint8_t)((uint16_t)id >> 8), (uint8_t)id};
  put(writer, bytes, sizeof bytes);
}

void frz_tbinary_write_stop(frz_tbinary_writer *writer)
{
  const uint8_t stop = FRZ_TBINARY_STOP;
  put(writer, &stop, 1);
}

void frz_tbinary_write_bool_field(frz_tbinary_writer *writer, int16_t id, bool value)
{
  const uint8_t byte = value ? 1 : 0;
  frz_tbinary_write_field(writer, id, FRZ_TBINARY_BOOL);
  put(writer, &byte, 1);
}

void frz_tbinary_write_i32_field(frz_tbinary_writer *writer, int16_t id, int32_t value)
{
  frz_tbinary_write_field(writer, id, FRZ_TBINARY_I32);
  frz_tbinary_write_i32(writer, value);
}

void frz_tbinary_write_i64_field(frz_tbinary_writer *writer, int16_t id, int64_t value)
{
  uint8_t bytes[8];
  frz_store_u64be(bytes, (uint64_t)value);
  frz_tbinary_write_field(writer, id, FRZ_TBINARY_I64);
  put(writer, bytes, sizeof bytes);
}

void frz_tbinary_write_string_field(frz_tbinary_writer *writer, int16_t id, frz_str text)
{
  frz_tbinary_write_field(writer, id, FRZ_TBINARY_STRING);
  frz_tbinary_write_string(writer, text);
}

static void write_count(frz_tbinary_writer *writer, size_t n)
{
  if (n > INT32_MAX && writer->status == FRZ_OK)
    writer->status = frz_fail(&writer->error, FRZ_ERR_LIMIT, "Thrift: %zu items", n);
  frz_tbinary_write_i32(writer, (int32_t)n);
}

void frz_tbinary_write_list_field(frz_tbinary_writer *writer, int16_t id, frz_tbinary_type item,
                                  size_t n)
{
  const uint8_t type = (uint8_t)item;
  frz_tbinary_write_field(writer, id, FRZ_TBINARY_LIST);
  put(writer, &type, 1);
  write_count(writer, n);
}

void frz_tbinary_write_map_field(frz_tbinary_writer *writer, int16_t id, size_t n)
{
  const uint8_t types[2] = {FRZ_TBINARY_STRING, FRZ_TBINARY_STRING};
  frz_tbinary_write_field(writer, id, FRZ_TBINARY_MAP);
  put(writer, types, sizeof types);
  write_count(writer, n);
}
