/*
 * value_json.c - feature values as JSON.
 *
 * Source: what convert_response_to_dict() of Feast 0.67 makes of each type.
 */
#include "value_json.h"

static int64_t whole_seconds(int64_t us)
{
  if (us == INT64_MIN) return us; /* NaT */
  return us / 1000000 - (us % 1000000 < 0);
}

static void put_scalar(text_out *out, const frz_value *value)
{
  switch (value->kind) {
  case FRZ_VALUE_BOOL: text_put_z(out, value->as.boolean ? "true" : "false"); break;
  case FRZ_VALUE_INT32: text_put_i64(out, value->as.i32); break;
  case FRZ_VALUE_INT64: text_put_i64(out, value->as.i64); break;
  case FRZ_VALUE_FLOAT: text_put_double(out, (double)value->as.f32); break;
  case FRZ_VALUE_DOUBLE: text_put_double(out, value->as.f64); break;
  case FRZ_VALUE_TIMESTAMP: text_put_i64(out, whole_seconds(value->as.i64)); break;
  case FRZ_VALUE_STRING:
    text_put_json(out, value->as.bytes.data, value->as.bytes.size_bytes);
    break;
  case FRZ_VALUE_BYTES:
    text_put_base64(out, value->as.bytes.data, value->as.bytes.size_bytes);
    break;
  case FRZ_VALUE_NULL:
  case FRZ_VALUE_LIST:
  case FRZ_VALUE_SERIALIZED: text_put_z(out, "null"); break;
  }
}

static void put_list(text_out *out, const frz_value *list)
{
  text_put_byte(out, '[');
  for (uint32_t i = 0; i < list->as.list.n_items; i++) {
    frz_value item = frz_value_item(list, i);
    if (i > 0) text_put_byte(out, ',');
    if (item.kind == FRZ_VALUE_NULL && list->item_kind == FRZ_VALUE_TIMESTAMP)
      text_put_i64(out, INT64_MIN); /* NaT, as Feast holds it */
    else
      put_scalar(out, &item);
  }
  text_put_byte(out, ']');
}

frz_status value_json_put(text_out *out, const frz_value *value, frz_error *err)
{
  if (value->kind == FRZ_VALUE_SERIALIZED)
    return value_json_put_serialized(out, value->as.bytes.data, value->as.bytes.size_bytes, err);
  if (value->kind == FRZ_VALUE_LIST)
    put_list(out, value);
  else
    put_scalar(out, value);
  return FRZ_OK;
}
