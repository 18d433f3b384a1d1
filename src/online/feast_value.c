/*
 * feast_value.c - results as Feast's protobuf messages.
 *
 * A Value has one field set, whose number is that of its type; so even a zero is written. Lists are
 * messages of a repeated field 1, packed where it is of numbers.
 *
 * Source: feast/protos/feast/types/Value.proto; Protocol Buffers, "Encoding".
 */
#include "base/endian.h"
#include "online/online_result.h"

enum {
  WIRE_VARINT = 0,
  WIRE_64 = 1,
  WIRE_BYTES = 2,
  WIRE_32 = 5,
  VARINT_BYTES_MAX = 10,
  /* Of one value without its bytes: three tags and three lengths. */
  OVERHEAD_BYTES = 6 * VARINT_BYTES_MAX
};

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
  while (value >= 0x80) {
    *at++ = (uint8_t)(value | 0x80);
    value >>= 7;
  }
  *at++ = (uint8_t)value;
  return at;
}

static size_t varint_bytes(uint64_t value)
{
  size_t n = 1;
  while (value >= 0x80) {
    value >>= 7;
    n++;
  }
  return n;
}

static int64_t seconds_of(int64_t us)
{
  return us / 1000000 - (us % 1000000 < 0);
}

/* Feast's PDF_BYTES and IMAGE_BYTES are values of bytes. */
static uint32_t field_number(int32_t value_type)
{
  return value_type == 30 || value_type == 31 ? 1 : (uint32_t)value_type;
}

static uint64_t varint_of(const frz_value *value)
{
  switch (value->kind) {
  case FRZ_VALUE_BOOL: return value->as.boolean;
  case FRZ_VALUE_INT32: return (uint64_t)(int64_t)value->as.i32;
  case FRZ_VALUE_TIMESTAMP: return (uint64_t)seconds_of(value->as.i64);
  default: return (uint64_t)value->as.i64;
  }
}

/* ---- lists ---- */

static bool is_text(frz_value_kind kind)
{
  return kind == FRZ_VALUE_STRING || kind == FRZ_VALUE_BYTES;
}

/* A null in a list: of times the least number, which is Feast's NaT; else nothing, zero. */
static frz_value item_at(const frz_value *list, uint32_t i)
{
  frz_value item = frz_value_item(list, i);
  if (item.kind != FRZ_VALUE_NULL) return item;
  item.kind = list->item_kind;
  return item;
}

static uint64_t item_varint(const frz_value *list, uint32_t i)
{
  frz_value item = frz_value_item(list, i);
  if (item.kind == FRZ_VALUE_NULL)
    return list->item_kind == FRZ_VALUE_TIMESTAMP ? (uint64_t)INT64_MIN : 0;
  return varint_of(&item);
}

static size_t list_bytes(const frz_value *list)
{
  uint32_t n = list->as.list.n_items;
  size_t size = 0;
  if (list->item_kind == FRZ_VALUE_FLOAT) return (size_t)n * 4;
  if (list->item_kind == FRZ_VALUE_DOUBLE) return (size_t)n * 8;
  for (uint32_t i = 0; i < n; i++) {
    if (!is_text(list->item_kind)) {
      size += varint_bytes(item_varint(list, i));
      continue;
    }
    size_t bytes = item_at(list, i).as.bytes.size_bytes;
    size += 1 + varint_bytes(bytes) + bytes;
  }
  return size;
}

static uint8_t *put_items(uint8_t *at, const frz_value *list)
{
  size_t width = list->item_kind == FRZ_VALUE_FLOAT ? 4 : 8;
  for (uint32_t i = 0; i < list->as.list.n_items; i++) {
    if (list->item_kind == FRZ_VALUE_FLOAT || list->item_kind == FRZ_VALUE_DOUBLE) {
      frz_value item = item_at(list, i);
      memcpy(at, &item.as, width);
      at += width;
    } else if (!is_text(list->item_kind)) {
      at = put_varint(at, item_varint(list, i));
    } else {
      frz_bytes bytes = item_at(list, i).as.bytes;
      *at++ = 1 << 3 | WIRE_BYTES;
      at = put_varint(at, bytes.size_bytes);
      if (bytes.size_bytes != 0) memcpy(at, bytes.data, bytes.size_bytes);
      at += bytes.size_bytes;
    }
  }
  return at;
}

/* ---- values ---- */

/* A Value as an item of RepeatedValue, where its inside has `size` bytes. */
static uint8_t *begin_value(uint8_t *at, size_t size)
{
  *at++ = 1 << 3 | WIRE_BYTES;
  return put_varint(at, size);
}

static frz_status put_list(frz_buf *out, uint32_t number, const frz_value *list, frz_error *err)
{
  size_t items = list_bytes(list);
  bool packed = !is_text(list->item_kind) && list->as.list.n_items != 0;
  size_t inner = items + (packed ? 1 + varint_bytes(items) : 0);
  size_t size = varint_bytes(number << 3) + varint_bytes(inner) + inner;
  FRZ_TRY(frz_buf_reserve(out, size + OVERHEAD_BYTES, err));
  uint8_t *at = begin_value(out->data + out->size, size);
  at = put_varint(at, number << 3 | WIRE_BYTES);
  at = put_varint(at, inner);
  if (packed) {
    *at++ = 1 << 3 | WIRE_BYTES;
    at = put_varint(at, items);
  }
  at = put_items(at, list);
  out->size = (size_t)(at - out->data);
  return FRZ_OK;
}

static frz_status put_bytes(frz_buf *out, const frz_value *value, uint32_t number, frz_error *err)
{
  frz_bytes bytes = value->as.bytes;
  size_t head = varint_bytes(number << 3) + varint_bytes(bytes.size_bytes);
  bool is_whole = value->kind == FRZ_VALUE_SERIALIZED;
  FRZ_TRY(frz_buf_reserve(out, bytes.size_bytes + OVERHEAD_BYTES, err));
  uint8_t *at =
      begin_value(out->data + out->size, is_whole ? bytes.size_bytes : head + bytes.size_bytes);
  if (!is_whole) {
    at = put_varint(at, number << 3 | WIRE_BYTES);
    at = put_varint(at, bytes.size_bytes);
  }
  if (bytes.size_bytes != 0) memcpy(at, bytes.data, bytes.size_bytes);
  out->size = (size_t)(at - out->data) + bytes.size_bytes;
  return FRZ_OK;
}

static frz_status put_value(frz_buf *out, const frz_value *value, int32_t value_type,
                            frz_error *err)
{
  uint32_t number = field_number(value_type);
  if (value->kind == FRZ_VALUE_LIST) return put_list(out, number, value, err);
  if (is_text(value->kind) || value->kind == FRZ_VALUE_SERIALIZED)
    return put_bytes(out, value, number, err);
  FRZ_TRY(frz_buf_reserve(out, OVERHEAD_BYTES, err));
  uint8_t *at = out->data + out->size;
  size_t tag = varint_bytes(number << 3);
  if (value->kind == FRZ_VALUE_NULL) {
    at = begin_value(at, 0);
  } else if (value->kind == FRZ_VALUE_FLOAT || value->kind == FRZ_VALUE_DOUBLE) {
    size_t width = value->kind == FRZ_VALUE_FLOAT ? 4 : 8;
    at = begin_value(at, tag + width);
    at = put_varint(at, number << 3 | (width == 4 ? WIRE_32 : WIRE_64));
    memcpy(at, &value->as, width);
    at += width;
  } else {
    uint64_t varint = varint_of(value);
    at = begin_value(at, tag + varint_bytes(varint));
    at = put_varint(at, number << 3 | WIRE_VARINT);
    at = put_varint(at, varint);
  }
  out->size = (size_t)(at - out->data);
  return FRZ_OK;
}

static frz_status encode(const frz_online_result *result, frz_buf *out, uint8_t *found,
                         int64_t *event_us, frz_error *err)
{
  const frz_found_row *rows = (const frz_found_row *)(const void *)result->rows.data;
  const uint32_t *features = (const uint32_t *)(const void *)result->features.data;
  for (size_t k = 0; k < result->n_keys; k++) {
    found[k] = rows[k].segment >= 0;
    event_us[k] = found[k] ? frz_segment_row_event(&rows[k].row) : 0;
    for (size_t f = 0; found[k] && f < result->n_features; f++) {
      frz_value value = frz_online_result_get(result, &rows[k], features[f]);
      int32_t type = result->view->layout->info.features[features[f]].value_type;
      FRZ_TRY(put_value(out, &value, type, err));
    }
  }
  return FRZ_OK;
}

/* ---- responses ---- */

enum {
  FIELD_RESULTS = 2,  /* of GetOnlineFeaturesResponse */
  FIELD_STATUSES = 2, /* of FeatureVector, whose values have the number that begin_value() puts */
  FIELD_EVENT_TIMES = 3,
  STATUS_PRESENT = 1,
  STATUS_NOT_FOUND = 3,
  LENGTH_BYTES = 5, /* a length that is filled in later: a varint may be longer than it must */
  EVENT_TIME_BYTES_MAX = 2 + 2 * (1 + VARINT_BYTES_MAX)
};

static void fill_length(uint8_t *at, size_t size)
{
  for (int i = 0; i < LENGTH_BYTES - 1; i++, size >>= 7) at[i] = (uint8_t)(size | 0x80);
  at[LENGTH_BYTES - 1] = (uint8_t)size;
}

/* A google.protobuf.Timestamp: seconds rounded down, and nanoseconds; zeros are left out. */
static uint8_t *put_event_time(uint8_t *at, int64_t us)
{
  uint8_t inside[2 * (1 + VARINT_BYTES_MAX)];
  uint8_t *end = inside;
  int64_t seconds = seconds_of(us);
  uint64_t nanos = (uint64_t)(us - seconds * 1000000) * 1000;
  if (seconds != 0) {
    *end++ = 1 << 3 | WIRE_VARINT;
    end = put_varint(end, (uint64_t)seconds);
  }
  if (nanos != 0) {
    *end++ = 2 << 3 | WIRE_VARINT;
    end = put_varint(end, nanos);
  }
  *at++ = FIELD_EVENT_TIMES << 3 | WIRE_BYTES;
  *at++ = (uint8_t)(end - inside);
  memcpy(at, inside, (size_t)(end - inside));
  return at + (end - inside);
}

/* What all features share: the statuses, packed, and the event times. */
static frz_status put_rows(const frz_online_result *result, frz_buf *out, frz_error *err)
{
  const frz_found_row *rows = (const frz_found_row *)(const void *)result->rows.data;
  size_t n = result->n_keys;
  if (n > (size_t)INT32_MAX / EVENT_TIME_BYTES_MAX)
    return frz_fail(err, FRZ_ERR_LIMIT, "%zu keys do not fit a message", n);
  FRZ_TRY(frz_buf_reserve(out, OVERHEAD_BYTES + n * (1 + EVENT_TIME_BYTES_MAX), err));
  uint8_t *at = out->data + out->size;
  *at++ = FIELD_STATUSES << 3 | WIRE_BYTES;
  at = put_varint(at, n);
  for (size_t k = 0; k < n; k++) *at++ = rows[k].segment >= 0 ? STATUS_PRESENT : STATUS_NOT_FOUND;
  for (size_t k = 0; k < n; k++)
    at = put_event_time(at, rows[k].segment >= 0 ? frz_segment_row_event(&rows[k].row) : 0);
  out->size = (size_t)(at - out->data);
  return FRZ_OK;
}

static frz_status put_vector(const frz_online_result *result, uint32_t feature,
                             const frz_buf *shared, frz_buf *out, frz_error *err)
{
  static const frz_value null = {.kind = FRZ_VALUE_NULL};
  const frz_found_row *rows = (const frz_found_row *)(const void *)result->rows.data;
  int32_t type = result->view->layout->info.features[feature].value_type;
  FRZ_TRY(frz_buf_reserve(out, 1 + LENGTH_BYTES, err));
  out->data[out->size] = FIELD_RESULTS << 3 | WIRE_BYTES;
  out->size += 1 + LENGTH_BYTES;
  size_t begin = out->size;
  for (size_t k = 0; k < result->n_keys; k++) {
    frz_value value =
        rows[k].segment >= 0 ? frz_online_result_get(result, &rows[k], feature) : null;
    FRZ_TRY(put_value(out, &value, type, err));
  }
  FRZ_TRY(frz_buf_append(out, shared->data, shared->size, err));
  fill_length(out->data + begin - LENGTH_BYTES, out->size - begin);
  return FRZ_OK;
}

frz_status frz_online_result_encode_vectors(const frz_online_result *result,
                                            frz_string *results_out, frz_error *err)
{
  if (result == NULL || results_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_online_result_encode_vectors: an argument is NULL");
  const uint32_t *features = (const uint32_t *)(const void *)result->features.data;
  frz_buf out, shared;
  frz_buf_init(&out, result->alloc, INT32_MAX);
  frz_buf_init(&shared, result->alloc, INT32_MAX);
  frz_status st = FRZ_OK;
  if (result->n_keys != 0) st = put_rows(result, &shared, err);
  for (size_t f = 0; st == FRZ_OK && f < result->n_features; f++)
    st = put_vector(result, features[f], &shared, &out, err);
  if (st == FRZ_OK) st = frz_buf_take_string(&out, results_out, err);
  frz_buf_dispose(&shared);
  frz_buf_dispose(&out);
  return st;
}

/* ---- rows ---- */

frz_status frz_online_result_encode(const frz_online_result *result, frz_string *values_out,
                                    uint8_t *found, int64_t *event_us, frz_error *err)
{
  if (result == NULL || values_out == NULL ||
      (result->n_keys != 0 && (found == NULL || event_us == NULL)))
    return frz_fail(err, FRZ_ERR_INVALID, "frz_online_result_encode: an argument is NULL");
  frz_buf out;
  frz_buf_init(&out, result->alloc, INT32_MAX);
  frz_status st = encode(result, &out, found, event_us, err);
  if (st == FRZ_OK) st = frz_buf_take_string(&out, values_out, err);
  frz_buf_dispose(&out);
  return st;
}
