/*
 * feature_request.c - the bodies that clients send, checked for their shape.
 *
 * Members that are not known are passed over, as Feast's Python server does. What is known must
 * have its type; a message names the member and what was found.
 */
#include "feature_request.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server_fail.h"

static frz_status wrong_kind(const json_tree *tree, uint32_t at, const char *name,
                             const char *wanted, frz_error *err)
{
  return server_fail(err, FRZ_ERR_INVALID, "'%s' is %s, not %s", name,
                     json_kind_name(tree->nodes[at].kind), wanted);
}

static frz_status check_document(const json_tree *tree, frz_error *err)
{
  if (tree->nodes[0].kind == JSON_OBJECT) return FRZ_OK;
  return server_fail(err, FRZ_ERR_INVALID, "the body is %s, not an object",
                     json_kind_name(tree->nodes[0].kind));
}

/* A member that may be missing or null: then 0. */
static frz_status optional_member(const json_tree *tree, const char *name, json_kind kind,
                                  const char *wanted, uint32_t *at_out, frz_error *err)
{
  uint32_t at = json_member(tree, 0, name);
  if (at != 0 && tree->nodes[at].kind == JSON_NULL) at = 0;
  if (at != 0 && tree->nodes[at].kind != kind) return wrong_kind(tree, at, name, wanted, err);
  *at_out = at;
  return FRZ_OK;
}

static frz_status read_flag(const json_tree *tree, const char *name, bool *flag_out, frz_error *err)
{
  uint32_t at;
  SERVER_TRY(optional_member(tree, name, JSON_BOOL, "a boolean", &at, err));
  *flag_out = at != 0 && tree->nodes[at].as.boolean;
  return FRZ_OK;
}

static frz_status required_object(const json_tree *tree, const char *name, uint32_t *at_out,
                                  frz_error *err)
{
  SERVER_TRY(optional_member(tree, name, JSON_OBJECT, "an object of arrays", at_out, err));
  if (*at_out != 0) return FRZ_OK;
  return server_fail(err, FRZ_ERR_INVALID, "'%s' is missing", name);
}

/* The arrays of an object, all of one length. */
static frz_status read_columns(const json_tree *tree, uint32_t object, const char *what,
                               request_column *columns, uint32_t n_max, uint32_t *n_out,
                               uint32_t *n_rows_out, frz_error *err)
{
  uint32_t n = 0;
  uint32_t n_rows = 0;
  for (uint32_t at = object + 1; at < tree->nodes[object].as.end; at = json_next(tree, at + 1)) {
    const json_node *name = &tree->nodes[at];
    const json_node *values = &tree->nodes[at + 1];
    if (n == n_max)
      return server_fail(err, FRZ_ERR_LIMIT, "'%s' has more than %u members", what, n_max);
    if (values->kind != JSON_ARRAY)
      return server_fail(err, FRZ_ERR_INVALID, "%s '%.*s' is %s, not an array of values", what,
                         (int)(name->size < 100 ? name->size : 100), name->as.text,
                         json_kind_name(values->kind));
    if (n > 0 && values->size != n_rows)
      return server_fail(err, FRZ_ERR_INVALID, "%s '%.*s' has %u values where '%.*s' has %u", what,
                         (int)(name->size < 100 ? name->size : 100), name->as.text, values->size,
                         (int)(columns[0].name_size < 100 ? columns[0].name_size : 100),
                         columns[0].name, n_rows);
    n_rows = values->size;
    columns[n++] = (request_column){name->as.text, name->size, at + 1};
  }
  *n_out = n;
  *n_rows_out = n_rows;
  return FRZ_OK;
}

/* ---- reading features ---- */

static frz_status read_features(const json_tree *tree, feature_request *request, frz_error *err)
{
  SERVER_TRY(
      optional_member(tree, "feature_service", JSON_STRING, "a text", &request->service, err));
  SERVER_TRY(
      optional_member(tree, "features", JSON_ARRAY, "an array of texts", &request->features, err));
  if (request->service != 0 && tree->nodes[request->service].size == 0) request->service = 0;
  if (request->service != 0) {
    request->features = 0; /* as Feast's server: the service is what counts */
    return FRZ_OK;
  }
  if (request->features == 0 || tree->nodes[request->features].size == 0)
    return server_fail(err, FRZ_ERR_INVALID, "no features: give 'features' or 'feature_service'");
  if (tree->nodes[request->features].size > REQUEST_FEATURES_MAX)
    return server_fail(err, FRZ_ERR_LIMIT, "more than %d features", REQUEST_FEATURES_MAX);
  for (uint32_t i = 0; i < tree->nodes[request->features].size; i++)
    if (tree->nodes[request->features + 1 + i].kind != JSON_STRING)
      return wrong_kind(tree, request->features + 1 + i, "features", "\"view:feature\" texts", err);
  return FRZ_OK;
}

frz_status feature_request_read(const json_tree *tree, uint32_t rows_max,
                                feature_request *request_out, frz_error *err)
{
  feature_request *request = request_out;
  uint32_t entities;
  request->n_entities = 0;
  SERVER_TRY(check_document(tree, err));
  SERVER_TRY(read_features(tree, request, err));
  SERVER_TRY(required_object(tree, "entities", &entities, err));
  SERVER_TRY(read_columns(tree, entities, "entities", request->entities, REQUEST_ENTITIES_MAX,
                          &request->n_entities, &request->n_rows, err));
  if (request->n_entities == 0) return server_fail(err, FRZ_ERR_INVALID, "'entities' is empty");
  if (request->n_rows > rows_max)
    return server_fail(err, FRZ_ERR_LIMIT, "%u rows of entities; at most %u are served at once",
                       request->n_rows, rows_max);
  SERVER_TRY(read_flag(tree, "full_feature_names", &request->full_feature_names, err));
  return read_flag(tree, "include_feature_view_version_metadata", &request->view_versions, err);
}

/* ---- writing rows ---- */

static frz_status read_destination(const json_tree *tree, write_request *request, frz_error *err)
{
  uint32_t to;
  SERVER_TRY(optional_member(tree, "to", JSON_STRING, "a text", &to, err));
  request->to_online = to == 0 || json_is_text(&tree->nodes[to], "online") ||
                       json_is_text(&tree->nodes[to], "online_and_offline");
  request->to_offline = to != 0 && (json_is_text(&tree->nodes[to], "offline") ||
                                    json_is_text(&tree->nodes[to], "online_and_offline"));
  if (request->to_online || request->to_offline) return FRZ_OK;
  return server_fail(
      err, FRZ_ERR_INVALID, "'to' is '%.*s', not online, offline or online_and_offline",
      (int)(tree->nodes[to].size < 100 ? tree->nodes[to].size : 100), tree->nodes[to].as.text);
}

frz_status write_request_read(const json_tree *tree, const char *target_member,
                              write_request *request_out, frz_error *err)
{
  write_request request = {0};
  uint32_t target, df;
  SERVER_TRY(check_document(tree, err));
  SERVER_TRY(optional_member(tree, target_member, JSON_STRING, "a text", &target, err));
  if (target == 0) return server_fail(err, FRZ_ERR_INVALID, "'%s' is missing", target_member);
  request.target = tree->nodes[target].as.text;
  request.target_size = tree->nodes[target].size;
  SERVER_TRY(read_destination(tree, &request, err));
  SERVER_TRY(required_object(tree, "df", &df, err));
  uint32_t n = tree->nodes[df].size;
  if (n > REQUEST_COLUMNS_MAX)
    return server_fail(err, FRZ_ERR_LIMIT, "'df' has %u columns, over %d", n, REQUEST_COLUMNS_MAX);
  request.columns = malloc((n > 0 ? n : 1) * sizeof *request.columns);
  if (request.columns == NULL)
    return server_fail(err, FRZ_ERR_NOMEM, "no memory for %u columns", n);
  frz_status st =
      read_columns(tree, df, "df", request.columns, n, &request.n_columns, &request.n_rows, err);
  if (st != FRZ_OK) {
    write_request_dispose(&request);
    return st;
  }
  *request_out = request;
  return FRZ_OK;
}

void write_request_dispose(write_request *request)
{
  free(request->columns);
  *request = (write_request){0};
}

const request_column *write_request_column(const write_request *request, const char *name)
{
  size_t size = strlen(name);
  for (uint32_t i = 0; i < request->n_columns; i++) {
    const request_column *column = &request->columns[i];
    if (column->name_size == size && memcmp(column->name, name, size) == 0) return column;
  }
  return NULL;
}

/* ---- values ---- */

/* Whole numbers, also as 5.0; Feast takes digits in a text for one, too. */
static bool whole_value(const json_node *node, int64_t *value_out)
{
  if (node->kind == JSON_INTEGER) {
    *value_out = node->as.integer;
    return true;
  }
  if (node->kind == JSON_BOOL) {
    *value_out = node->as.boolean;
    return true;
  }
  if (node->kind == JSON_DOUBLE) {
    double number = node->as.number;
    if (!(number >= -0x1p63 && number < 0x1p63) || floor(number) != number) return false;
    *value_out = (int64_t)number;
    return true;
  }
  if (node->kind != JSON_STRING || node->size == 0 || node->size > 20) return false;
  char digits[24];
  char *end;
  memcpy(digits, node->as.text, node->size);
  digits[node->size] = '\0';
  bool starts = digits[0] == '-' || (digits[0] >= '0' && digits[0] <= '9');
  long long value = starts ? strtoll(digits, &end, 10) : 0;
  if (!starts || *end != '\0' || end == digits || value == INT64_MAX || value == INT64_MIN)
    return false;
  *value_out = value;
  return true;
}

static bool read_whole(const json_node *node, frz_value_kind kind, frz_value *value)
{
  int64_t whole;
  if (!whole_value(node, &whole)) return false;
  if (kind == FRZ_VALUE_INT32) {
    if (whole < INT32_MIN || whole > INT32_MAX) return false;
    value->as.i32 = (int32_t)whole;
    return true;
  }
  if (kind == FRZ_VALUE_TIMESTAMP) return !__builtin_mul_overflow(whole, 1000000, &value->as.i64);
  value->as.i64 = whole;
  return true;
}

static bool read_number(const json_node *node, frz_value_kind kind, frz_value *value)
{
  if (node->kind != JSON_INTEGER && node->kind != JSON_DOUBLE) return false;
  double number = node->kind == JSON_INTEGER ? (double)node->as.integer : node->as.number;
  if (kind == FRZ_VALUE_FLOAT)
    value->as.f32 = (float)number;
  else
    value->as.f64 = number;
  return true;
}

static bool read_key(const json_node *node, frz_value_kind kind, frz_value *value)
{
  switch (kind) {
  case FRZ_VALUE_INT32:
  case FRZ_VALUE_INT64:
  case FRZ_VALUE_TIMESTAMP: return read_whole(node, kind, value);
  case FRZ_VALUE_FLOAT:
  case FRZ_VALUE_DOUBLE: return read_number(node, kind, value);
  case FRZ_VALUE_BOOL:
    if (node->kind != JSON_BOOL) return false;
    value->as.boolean = node->as.boolean;
    return true;
  case FRZ_VALUE_STRING:
  case FRZ_VALUE_BYTES:
    if (node->kind != JSON_STRING) return false;
    value->as.bytes = (frz_bytes){node->as.text, node->size};
    return true;
  case FRZ_VALUE_NULL:
  case FRZ_VALUE_LIST:
  case FRZ_VALUE_SERIALIZED: break;
  }
  return false;
}

static const char *wanted_of(frz_value_kind kind)
{
  switch (kind) {
  case FRZ_VALUE_INT32: return "a 32-bit whole number";
  case FRZ_VALUE_INT64: return "a 64-bit whole number";
  case FRZ_VALUE_TIMESTAMP: return "whole seconds since 1970";
  case FRZ_VALUE_FLOAT:
  case FRZ_VALUE_DOUBLE: return "a number";
  case FRZ_VALUE_BOOL: return "a boolean";
  default: return "a text";
  }
}

frz_status json_value_read(const json_tree *tree, uint32_t at, frz_value_kind kind,
                           frz_value *value_out, frz_error *err)
{
  const json_node *node = &tree->nodes[at];
  frz_value value = {.kind = kind};
  if (node->kind == JSON_NULL) {
    *value_out = (frz_value){.kind = FRZ_VALUE_NULL};
    return FRZ_OK;
  }
  if (read_key(node, kind, &value)) {
    *value_out = value;
    return FRZ_OK;
  }
  if (node->kind == JSON_INTEGER)
    return server_fail(err, FRZ_ERR_INVALID, "%lld is not %s", (long long)node->as.integer,
                       wanted_of(kind));
  return server_fail(err, FRZ_ERR_INVALID, "%s is not %s", json_kind_name(node->kind),
                     wanted_of(kind));
}

frz_status key_value_read(const json_tree *tree, uint32_t at, const frz_online_column *key,
                          frz_value *value_out, frz_error *err)
{
  frz_error cause;
  frz_status st = json_value_read(tree, at, key->kind, value_out, &cause);
  if (st == FRZ_OK) return FRZ_OK;
  return server_fail(err, st, "join key '%.100s': %.800s", key->name, cause.message);
}
