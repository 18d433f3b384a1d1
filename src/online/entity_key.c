/*
 * entity_key.c - see entity_key.h.
 */
#include "online/entity_key.h"

#include <string.h>

#include "base/endian.h"

enum {
  TYPE_BYTES = 1,
  TYPE_STRING = 2,
  TYPE_INT32 = 3,
  TYPE_INT64 = 4,
  TYPE_DOUBLE = 5,
  TYPE_FLOAT = 6,
  TYPE_BOOL = 7,
  TYPE_UNIX_TIMESTAMP = 8
};

/** Counts what is put into it, and keeps what `capacity` has room for. */
typedef struct key_sink {
  uint8_t *data;
  size_t capacity, size;
} key_sink;

static void put_bytes(key_sink *out, const void *data, size_t size)
{
  if (size != 0 && out->size <= out->capacity && size <= out->capacity - out->size)
    memcpy(out->data + out->size, data, size);
  out->size += size;
}

static void put_u32(key_sink *out, uint32_t value)
{
  uint8_t bytes[4];
  frz_store_u32le(bytes, value);
  put_bytes(out, bytes, sizeof bytes);
}

static frz_status put_part(key_sink *out, uint32_t type, const void *data, size_t size,
                           frz_error *err)
{
  if (size > UINT32_MAX)
    return frz_fail(err, FRZ_ERR_LIMIT, "entity key: a value of %zu bytes", size);
  put_u32(out, type);
  put_u32(out, (uint32_t)size);
  put_bytes(out, data, size);
  return FRZ_OK;
}

static bool integer_of(const frz_value *value, int64_t *out)
{
  if (value->kind == FRZ_VALUE_INT32)
    *out = value->as.i32;
  else if (value->kind == FRZ_VALUE_INT64)
    *out = value->as.i64;
  else
    return false;
  return true;
}

static int64_t floor_seconds(int64_t us)
{
  return us / 1000000 - (us % 1000000 < 0);
}

static frz_status put_value(const frz_online_column *key, const frz_value *value, key_sink *out,
                            frz_error *err)
{
  uint32_t type = (uint32_t)key->value_type;
  int64_t integer = 0;
  uint8_t bytes[8];
  switch (key->value_type) {
  case TYPE_STRING:
  case TYPE_BYTES:
    if (value->kind != FRZ_VALUE_STRING && value->kind != FRZ_VALUE_BYTES) break;
    return put_part(out, type, value->as.bytes.data, value->as.bytes.size_bytes, err);
  case TYPE_INT32:
    if (!integer_of(value, &integer) || integer < INT32_MIN || integer > INT32_MAX) break;
    frz_store_u32le(bytes, (uint32_t)(int32_t)integer);
    return put_part(out, type, bytes, 4, err);
  case TYPE_UNIX_TIMESTAMP:
    if (value->kind == FRZ_VALUE_TIMESTAMP)
      integer = floor_seconds(value->as.i64);
    else if (!integer_of(value, &integer))
      break;
    frz_store_u64le(bytes, (uint64_t)integer);
    return put_part(out, type, bytes, 8, err);
  case TYPE_INT64:
    if (!integer_of(value, &integer)) break;
    frz_store_u64le(bytes, (uint64_t)integer);
    return put_part(out, type, bytes, 8, err);
  default:
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "join key '%s': Feast has no serialized form for its type %d", key->name,
                    key->value_type);
  }
  return frz_fail(err, FRZ_ERR_INVALID, "join key '%s': %s, which its type %d does not take",
                  key->name,
                  value->kind == FRZ_VALUE_NULL ? "null"
                                                : "a value of another type or "
                                                  "beyond its range",
                  key->value_type);
}

/* What Feast takes for the key of a view without entities. */
static frz_status put_no_entity(key_sink *out, frz_error *err)
{
  static const char name[] = "__dummy_id";
  put_u32(out, 1);
  FRZ_TRY(put_part(out, TYPE_STRING, name, sizeof name - 1, err));
  return put_part(out, TYPE_STRING, "", 0, err);
}

static frz_status put_head(const frz_online_info *info, key_sink *out, frz_error *err)
{
  if (info->n_join_keys == 0) return put_no_entity(out, err);
  put_u32(out, (uint32_t)info->n_join_keys);
  for (size_t i = 0; i < info->n_join_keys; i++) {
    const char *name = info->join_keys[i].name;
    FRZ_TRY(put_part(out, TYPE_STRING, name, strlen(name), err));
  }
  return FRZ_OK;
}

static frz_status put_values(const frz_online_info *info, const frz_value *values, key_sink *out,
                             frz_error *err)
{
  for (size_t i = 0; i < info->n_join_keys; i++)
    FRZ_TRY(put_value(&info->join_keys[i], &values[i], out, err));
  return FRZ_OK;
}

/* Head or, with `values`, the rest: counted, then written. */
static frz_status append(const frz_online_info *info, const frz_value *values, frz_buf *out,
                         frz_error *err)
{
  key_sink sink = {0};
  FRZ_TRY(values != NULL ? put_values(info, values, &sink, err) : put_head(info, &sink, err));
  size_t start = out->size;
  FRZ_TRY(frz_buf_resize(out, start + sink.size, err));
  sink = (key_sink){out->data + start, sink.size, 0};
  return values != NULL ? put_values(info, values, &sink, err) : put_head(info, &sink, err);
}

frz_status frz_entity_key_head(const frz_online_info *info, frz_buf *out, frz_error *err)
{
  return append(info, NULL, out, err);
}

frz_status frz_entity_key_values(const frz_online_info *info, const frz_value *values, frz_buf *out,
                                 frz_error *err)
{
  return info->n_join_keys != 0 ? append(info, values, out, err) : FRZ_OK;
}

frz_status frz_online_entity_key(const frz_online_info *info, const frz_value *values,
                                 uint8_t *buffer, size_t capacity, size_t *size_out, frz_error *err)
{
  if (info == NULL || (values == NULL && info->n_join_keys != 0) || size_out == NULL ||
      (buffer == NULL && capacity != 0))
    return frz_fail(err, FRZ_ERR_INVALID, "frz_online_entity_key: an argument is NULL");
  key_sink sink = {buffer, capacity, 0};
  FRZ_TRY(put_head(info, &sink, err));
  FRZ_TRY(put_values(info, values, &sink, err));
  *size_out = sink.size;
  return FRZ_OK;
}

/* A type, a length and so many bytes. */
static bool read_part(frz_bytes *left, uint32_t *type_out, frz_bytes *part_out)
{
  const uint8_t *at = left->data;
  if (left->size_bytes < 8) return false;
  uint32_t size = frz_load_u32le(at + 4);
  if (size > left->size_bytes - 8) return false;
  *type_out = frz_load_u32le(at);
  *part_out = (frz_bytes){at + 8, size};
  *left = (frz_bytes){at + 8 + size, left->size_bytes - 8 - size};
  return true;
}

bool frz_entity_key_single(frz_bytes key, uint32_t *type_out, frz_bytes *value_out)
{
  uint32_t type;
  frz_bytes name;
  if (key.size_bytes < 4 || frz_load_u32le(key.data) != 1) return false;
  frz_bytes left = {(const uint8_t *)key.data + 4, key.size_bytes - 4};
  return read_part(&left, &type, &name) && type == TYPE_STRING &&
         read_part(&left, type_out, value_out) && left.size_bytes == 0;
}
