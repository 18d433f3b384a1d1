/*
 * write_rows.c - the rows of a write request as Arrow columns of an online table.
 *
 * Each value of the JSON must be one of its column's type; nothing is rounded or cut. Texts that
 * stand for numbers are taken where the type is known: "NaN" for a float, base64 for bytes, ISO
 * 8601 for a time. The entity key is made from the join keys' columns.
 */
#include "write_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arrow_batch.h"
#include "proto_encode.h"
#include "server_fail.h"

enum { KEYS_MAX = 32, TYPE_JSON = 32, TYPE_JSON_LIST = 33 };

typedef struct row_writer {
  const json_tree *tree;
  const write_request *request;
  const frz_online_info *info;
  arrow_batch batch;
  text_out scratch; /* bytes of one value */
  frz_error *err;
} row_writer;

/* ---- single values ---- */

static void put_json_node(const json_tree *tree, uint32_t at, text_out *out)
{
  const json_node *node = &tree->nodes[at];
  bool is_object = node->kind == JSON_OBJECT;
  switch ((json_kind)node->kind) {
  case JSON_NULL: text_put_z(out, "null"); break;
  case JSON_BOOL: text_put_z(out, node->as.boolean ? "true" : "false"); break;
  case JSON_INTEGER: text_put_i64(out, node->as.integer); break;
  case JSON_DOUBLE: text_put_double(out, node->as.number); break;
  case JSON_STRING: text_put_json(out, node->as.text, node->size); break;
  case JSON_ARRAY:
  case JSON_OBJECT:
    text_put_byte(out, is_object ? '{' : '[');
    for (uint32_t i = at + 1; i < node->as.end; i = json_next(tree, i)) {
      if (i > at + 1) text_put_byte(out, ',');
      if (is_object) {
        put_json_node(tree, i++, out);
        text_put_byte(out, ':');
      }
      put_json_node(tree, i, out);
    }
    text_put_byte(out, is_object ? '}' : ']');
    break;
  }
}

static int base64_digit(char c)
{
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool read_base64(const json_node *node, text_out *out)
{
  size_t size = node->size;
  const char *text = node->as.text;
  if (size % 4 != 0) return false;
  while (size > 0 && node->size - size < 2 && text[size - 1] == '=') size--;
  uint32_t bits = 0;
  int n_bits = 0;
  for (size_t i = 0; i < size; i++) {
    int digit = base64_digit(text[i]);
    if (digit < 0) return false;
    bits = bits << 6 | (uint32_t)digit;
    n_bits += 6;
    if (n_bits >= 8) {
      n_bits -= 8;
      text_put_byte(out, (char)(bits >> n_bits & 0xff));
    }
  }
  return true;
}

static bool read_float_text(const json_node *node, double *number_out)
{
  if (json_is_text(node, "NaN"))
    *number_out = (double)NAN;
  else if (json_is_text(node, "Infinity"))
    *number_out = (double)INFINITY;
  else if (json_is_text(node, "-Infinity"))
    *number_out = -(double)INFINITY;
  else
    return false;
  return true;
}

/* Values that a join key cannot be, or not in this form. */
static frz_status read_special(row_writer *w, uint32_t at, const frz_online_column *type,
                               frz_value *value, bool *is_done)
{
  const json_node *node = &w->tree->nodes[at];
  double number;
  *is_done = true;
  text_out_clear(&w->scratch);
  if (type->kind == FRZ_VALUE_SERIALIZED) {
    SERVER_TRY(proto_encode(w->tree, at, type->value_type, &w->scratch, w->err));
  } else if (type->kind == FRZ_VALUE_BYTES) {
    if (node->kind != JSON_STRING || !read_base64(node, &w->scratch))
      return server_fail(w->err, FRZ_ERR_INVALID, "%s is not base64", json_kind_name(node->kind));
  } else if ((type->value_type == TYPE_JSON || type->value_type == TYPE_JSON_LIST) &&
             node->kind != JSON_STRING) {
    put_json_node(w->tree, at, &w->scratch);
  } else if (type->kind == FRZ_VALUE_TIMESTAMP && node->kind == JSON_STRING) {
    if (!time_text_read(node->as.text, node->size, &value->as.i64, NULL))
      return server_fail(w->err, FRZ_ERR_INVALID, "'%.*s' is no time such as 2026-01-31T12:00:00Z",
                         (int)(node->size < 60 ? node->size : 60), node->as.text);
    return FRZ_OK;
  } else if ((type->kind == FRZ_VALUE_DOUBLE || type->kind == FRZ_VALUE_FLOAT) &&
             read_float_text(node, &number)) {
    value->as.f64 = number;
    if (type->kind == FRZ_VALUE_FLOAT) value->as.f32 = (float)number;
    return FRZ_OK;
  } else {
    *is_done = false;
    return FRZ_OK;
  }
  if (w->scratch.failed) return text_out_failure(&w->scratch, "a value is too large", w->err);
  value->as.bytes = (frz_bytes){w->scratch.data != NULL ? w->scratch.data : "", w->scratch.size};
  return FRZ_OK;
}

static frz_status put_scalar(row_writer *w, uint32_t at, const frz_online_column *type,
                             batch_column *column)
{
  frz_value value = {.kind = type->kind};
  bool is_done;
  if (w->tree->nodes[at].kind == JSON_NULL) {
    batch_column_put_null(column);
    return FRZ_OK;
  }
  SERVER_TRY(read_special(w, at, type, &value, &is_done));
  if (!is_done) SERVER_TRY(json_value_read(w->tree, at, type->kind, &value, w->err));
  batch_column_put(column, &value);
  return FRZ_OK;
}

static frz_status put_list(row_writer *w, uint32_t at, const frz_online_column *type,
                           batch_column *column)
{
  const json_node *node = &w->tree->nodes[at];
  if (node->kind == JSON_NULL) {
    batch_column_put_null(column);
    return FRZ_OK;
  }
  if (node->kind != JSON_ARRAY)
    return server_fail(w->err, FRZ_ERR_INVALID, "%s is not an array", json_kind_name(node->kind));
  frz_online_column item = *type;
  item.kind = type->item_kind;
  for (uint32_t i = at + 1; i < node->as.end; i = json_next(w->tree, i))
    SERVER_TRY(put_scalar(w, i, &item, column->item));
  batch_column_end_list(column);
  return FRZ_OK;
}

/* ---- columns ---- */

static frz_status missing(row_writer *w, const char *what, const char *name)
{
  return server_fail(w->err, FRZ_ERR_INVALID, "'df' lacks %s '%s' of feature view '%s'", what, name,
                     w->info->view);
}

/* Says which value a message is about. */
static frz_status in_row(row_writer *w, frz_status st, const char *name, uint32_t row)
{
  if (st == FRZ_OK || w->err == NULL) return st;
  frz_error cause = *w->err;
  return server_fail(w->err, st, "column '%.100s', row %u: %.800s", name, row, cause.message);
}

static frz_status add_values(row_writer *w, const frz_online_column *type, const char *what,
                             bool is_key)
{
  const request_column *values = write_request_column(w->request, type->name);
  batch_column *column;
  if (values == NULL) return missing(w, what, type->name);
  SERVER_TRY(
      arrow_batch_add(&w->batch, type->column, type->kind, type->item_kind, &column, w->err));
  uint32_t at = values->values + 1;
  for (uint32_t row = 0; row < w->request->n_rows; row++, at = json_next(w->tree, at)) {
    frz_status st = FRZ_OK;
    if (is_key && w->tree->nodes[at].kind == JSON_NULL)
      st = server_fail(w->err, FRZ_ERR_INVALID, "a join key is null");
    else if (type->kind == FRZ_VALUE_LIST)
      st = put_list(w, at, type, column);
    else
      st = put_scalar(w, at, type, column);
    if (st != FRZ_OK) return in_row(w, st, type->name, row);
  }
  return FRZ_OK;
}

static frz_status add_times(row_writer *w, const char *source, const char *target, bool is_required)
{
  const request_column *values = write_request_column(w->request, source);
  const frz_online_column type = {.name = source, .column = target, .kind = FRZ_VALUE_TIMESTAMP};
  batch_column *column;
  if (values == NULL) return is_required ? missing(w, "the event time", source) : FRZ_OK;
  SERVER_TRY(arrow_batch_add(&w->batch, target, type.kind, FRZ_VALUE_NULL, &column, w->err));
  column->is_required = is_required;
  uint32_t at = values->values + 1;
  for (uint32_t row = 0; row < w->request->n_rows; row++, at = json_next(w->tree, at)) {
    const json_node *node = &w->tree->nodes[at];
    frz_status st = FRZ_OK;
    if (node->kind == JSON_STRING || (node->kind == JSON_NULL && !is_required))
      st = put_scalar(w, at, &type, column);
    else
      st = server_fail(w->err, FRZ_ERR_INVALID, "%s is not a time in ISO 8601",
                       json_kind_name(node->kind));
    if (st != FRZ_OK) return in_row(w, st, source, row);
  }
  return FRZ_OK;
}

/* One serialized key, in scratch. */
static frz_status make_key(row_writer *w, const frz_value *values)
{
  size_t capacity = 256;
  for (;;) {
    size_t size;
    text_out_clear(&w->scratch);
    char *room = text_out_reserve(&w->scratch, capacity);
    if (room == NULL) return server_fail(w->err, FRZ_ERR_NOMEM, "no memory for a key");
    SERVER_TRY(frz_online_entity_key(w->info, values, (uint8_t *)room, capacity, &size, w->err));
    if (size <= capacity) {
      text_out_commit(&w->scratch, size);
      return FRZ_OK;
    }
    capacity = size;
  }
}

static frz_status add_keys(row_writer *w)
{
  uint32_t at[KEYS_MAX];
  frz_value values[KEYS_MAX];
  batch_column *column;
  size_t n = w->info->n_join_keys;
  if (n > KEYS_MAX) return server_fail(w->err, FRZ_ERR_LIMIT, "more than %d join keys", KEYS_MAX);
  SERVER_TRY(arrow_batch_add(&w->batch, w->info->entity_key_column, FRZ_VALUE_BYTES, FRZ_VALUE_NULL,
                             &column, w->err));
  column->is_required = true;
  for (size_t k = 0; k < n; k++) {
    const request_column *source = write_request_column(w->request, w->info->join_keys[k].name);
    if (source == NULL) return missing(w, "the join key", w->info->join_keys[k].name);
    at[k] = source->values + 1;
  }
  for (uint32_t row = 0; row < w->request->n_rows; row++) {
    for (size_t k = 0; k < n; k++) {
      const frz_online_column *key = &w->info->join_keys[k];
      frz_status st = json_value_read(w->tree, at[k], key->kind, &values[k], w->err);
      if (st == FRZ_OK && values[k].kind == FRZ_VALUE_NULL)
        st = server_fail(w->err, FRZ_ERR_INVALID, "a join key is null");
      if (st != FRZ_OK) return in_row(w, st, key->name, row);
      at[k] = json_next(w->tree, at[k]);
    }
    SERVER_TRY(make_key(w, values));
    const frz_value key = {.kind = FRZ_VALUE_BYTES, .as.bytes = {w->scratch.data, w->scratch.size}};
    batch_column_put(column, &key);
  }
  return FRZ_OK;
}

/* The name that was published, or, where the request has no such column, Feast's usual one. */
static const char *time_column(const row_writer *w, const char *published, const char *usual)
{
  bool has = published != NULL && write_request_column(w->request, published) != NULL;
  if (has || (published != NULL && write_request_column(w->request, usual) == NULL))
    return published;
  return usual;
}

static frz_status add_columns(row_writer *w, time_columns times)
{
  const frz_online_info *info = w->info;
  SERVER_TRY(add_keys(w));
  for (size_t i = 0; i < info->n_join_keys; i++)
    SERVER_TRY(add_values(w, &info->join_keys[i], "the join key", true));
  SERVER_TRY(
      add_times(w, time_column(w, times.event, "event_timestamp"), info->event_ts_column, true));
  SERVER_TRY(
      add_times(w, time_column(w, times.created, "created"), info->created_ts_column, false));
  for (size_t i = 0; i < info->n_features; i++)
    SERVER_TRY(add_values(w, &info->features[i], "the feature", false));
  return FRZ_OK;
}

frz_status write_rows_stream(const json_tree *tree, const write_request *request,
                             const frz_online_info *info, time_columns times,
                             struct ArrowArrayStream *stream_out, frz_error *err)
{
  row_writer w = {.tree = tree, .request = request, .info = info, .err = err};
  text_out_init(&w.scratch, (size_t)1 << 30);
  SERVER_TRY(arrow_batch_create(info->n_join_keys + info->n_features + 3, &w.batch, err));
  frz_status st = add_columns(&w, times);
  text_out_dispose(&w.scratch);
  if (st == FRZ_OK) return arrow_batch_stream(&w.batch, request->n_rows, stream_out, err);
  arrow_batch_dispose(&w.batch);
  return st;
}
