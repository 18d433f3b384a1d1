/*
 * proto_encode.c - JSON values as serialized feast.types.Value.
 *
 * What is in a map has no declared type: a whole number becomes an int64, another a double, an
 * object a map, an array a list of what all its items are, or of Values where they differ. A
 * message is written behind room for nothing; its length is put in front when it is known.
 *
 * Recursion follows the nesting of the parsed JSON, which is bounded by JSON_DEPTH_MAX.
 *
 * Source: feast/types/Value.proto and type_map.py of Feast 0.67; Protocol Buffers, "Encoding".
 */
#include "proto_encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server_fail.h"

enum {
  WIRE_VARINT = 0,
  WIRE_FIXED64 = 1,
  WIRE_BYTES = 2,
  VAL_STRING = 2,
  VAL_INT64 = 4,
  VAL_DOUBLE = 5,
  VAL_BOOL = 7,
  VAL_STRING_LIST = 12,
  VAL_INT64_LIST = 14,
  VAL_DOUBLE_LIST = 15,
  VAL_BOOL_LIST = 17,
  VAL_MAP = 20,
  VAL_MAP_LIST = 21,
  VAL_STRUCT = 34,
  VAL_STRUCT_LIST = 35,
  VAL_LIST = 42,
  VAL_SET = 43,
  VAL_ZONED = 48,
  NESTED_NODES_MAX = 1 << 20
};

static size_t print_varint(uint64_t value, char out[10])
{
  size_t n = 0;
  while (value >= 0x80) {
    out[n++] = (char)(value | 0x80);
    value >>= 7;
  }
  out[n++] = (char)value;
  return n;
}

static void put_varint(text_out *out, uint64_t value)
{
  char bytes[10];
  text_put(out, bytes, print_varint(value, bytes));
}

static void put_tag(text_out *out, uint32_t field, uint32_t wire)
{
  put_varint(out, (uint64_t)field << 3 | wire);
}

/* Put the length of what was written since `start` in front of it. */
static void end_message(text_out *out, size_t start)
{
  char bytes[10];
  size_t n = print_varint(out->size - start, bytes);
  if (text_out_reserve(out, n) == NULL) return;
  memmove(out->data + start + n, out->data + start, out->size - start);
  memcpy(out->data + start, bytes, n);
  text_out_commit(out, n);
}

static void put_bytes(text_out *out, uint32_t field, const char *data, size_t size)
{
  put_tag(out, field, WIRE_BYTES);
  put_varint(out, size);
  text_put(out, data, size);
}

static double number_of(const json_node *node)
{
  return node->kind == JSON_INTEGER ? (double)node->as.integer : node->as.number;
}

static void put_value(const json_tree *tree, uint32_t at, text_out *out);

/* Map: entries {1: key, 2: Value} in field 1. */
static void put_map(const json_tree *tree, uint32_t at, text_out *out)
{
  for (uint32_t key = at + 1; key < tree->nodes[at].as.end; key = json_next(tree, key + 1)) {
    put_tag(out, 1, WIRE_BYTES);
    size_t start = out->size;
    put_bytes(out, 1, tree->nodes[key].as.text, tree->nodes[key].size);
    put_tag(out, 2, WIRE_BYTES);
    size_t value = out->size;
    put_value(tree, key + 1, out);
    end_message(out, value);
    end_message(out, start);
  }
}

static void put_items(const json_tree *tree, uint32_t at, uint32_t field, text_out *out)
{
  for (uint32_t item = at + 1; item < tree->nodes[at].as.end; item = json_next(tree, item)) {
    const json_node *node = &tree->nodes[item];
    if (field == VAL_STRING_LIST) {
      put_bytes(out, 1, node->as.text, node->size);
    } else if (field == VAL_INT64_LIST) {
      put_tag(out, 1, WIRE_VARINT);
      put_varint(out, (uint64_t)node->as.integer);
    } else if (field == VAL_BOOL_LIST) {
      put_tag(out, 1, WIRE_VARINT);
      put_varint(out, node->as.boolean);
    } else if (field == VAL_DOUBLE_LIST) {
      double number = number_of(node);
      put_tag(out, 1, WIRE_FIXED64);
      text_put(out, (const char *)&number, sizeof number);
    } else {
      put_tag(out, 1, WIRE_BYTES);
      size_t start = out->size;
      if (field == VAL_MAP_LIST)
        put_map(tree, item, out);
      else
        put_value(tree, item, out);
      end_message(out, start);
    }
  }
}

/* The field of a list whose items are all of one kind. */
static uint32_t list_field(const json_tree *tree, uint32_t at)
{
  bool has[JSON_OBJECT + 1] = {false};
  int n_kinds = 0;
  for (uint32_t item = at + 1; item < tree->nodes[at].as.end; item = json_next(tree, item)) {
    uint8_t kind = tree->nodes[item].kind;
    n_kinds += !has[kind];
    has[kind] = true;
  }
  if (n_kinds == 2 && has[JSON_INTEGER] && has[JSON_DOUBLE]) return VAL_DOUBLE_LIST;
  if (n_kinds != 1) return VAL_LIST;
  return has[JSON_INTEGER]  ? VAL_INT64_LIST
         : has[JSON_DOUBLE] ? VAL_DOUBLE_LIST
         : has[JSON_STRING] ? VAL_STRING_LIST
         : has[JSON_BOOL]   ? VAL_BOOL_LIST
         : has[JSON_OBJECT] ? VAL_MAP_LIST
                            : VAL_LIST;
}

/* A Value without its length. */
static void put_value(const json_tree *tree, uint32_t at, text_out *out)
{
  const json_node *node = &tree->nodes[at];
  size_t start;
  switch ((json_kind)node->kind) {
  case JSON_NULL: break;
  case JSON_BOOL:
    put_tag(out, VAL_BOOL, WIRE_VARINT);
    put_varint(out, node->as.boolean);
    break;
  case JSON_INTEGER:
    put_tag(out, VAL_INT64, WIRE_VARINT);
    put_varint(out, (uint64_t)node->as.integer);
    break;
  case JSON_DOUBLE:
    put_tag(out, VAL_DOUBLE, WIRE_FIXED64);
    text_put(out, (const char *)&node->as.number, sizeof node->as.number);
    break;
  case JSON_STRING: put_bytes(out, VAL_STRING, node->as.text, node->size); break;
  case JSON_ARRAY:
    put_tag(out, list_field(tree, at), WIRE_BYTES);
    start = out->size;
    put_items(tree, at, list_field(tree, at), out);
    end_message(out, start);
    break;
  case JSON_OBJECT:
    put_tag(out, VAL_MAP, WIRE_BYTES);
    start = out->size;
    put_map(tree, at, out);
    end_message(out, start);
    break;
  }
}

static frz_status put_zoned(const json_node *node, text_out *out, frz_error *err)
{
  int64_t us;
  int32_t offset_s;
  if (node->kind != JSON_STRING || !time_text_read(node->as.text, node->size, &us, &offset_s))
    return server_fail(err, FRZ_ERR_INVALID, "%s is not a time such as 2026-01-31T12:00:00+01:00",
                       json_kind_name(node->kind));
  char zone[16];
  int minutes = abs(offset_s) / 60;
  int n = offset_s == 0 ? snprintf(zone, sizeof zone, "UTC")
                        : snprintf(zone, sizeof zone, "UTC%c%02d:%02d", offset_s < 0 ? '-' : '+',
                                   minutes / 60, minutes % 60);
  put_tag(out, VAL_ZONED, WIRE_BYTES);
  size_t start = out->size;
  put_tag(out, 1, WIRE_VARINT);
  put_varint(out, (uint64_t)(us / 1000000 - (us % 1000000 < 0)));
  put_bytes(out, 2, zone, (size_t)n);
  end_message(out, start);
  return FRZ_OK;
}

static frz_status put_parsed(const json_tree *tree, uint32_t at, int32_t value_type, text_out *out,
                             frz_error *err)
{
  const json_node *node = &tree->nodes[at];
  bool is_map = value_type == VAL_MAP || value_type == VAL_STRUCT;
  if (node->kind != (is_map ? JSON_OBJECT : JSON_ARRAY))
    return server_fail(err, FRZ_ERR_INVALID, "%s is not %s", json_kind_name(node->kind),
                       is_map ? "an object" : "an array");
  put_tag(out, (uint32_t)value_type, WIRE_BYTES);
  size_t start = out->size;
  bool is_maps = value_type == VAL_MAP_LIST || value_type == VAL_STRUCT_LIST;
  if (is_maps && node->size > 0 && list_field(tree, at) != VAL_MAP_LIST)
    return server_fail(err, FRZ_ERR_INVALID, "the array's items are not all objects");
  if (is_map)
    put_map(tree, at, out);
  else
    put_items(tree, at, is_maps ? VAL_MAP_LIST : VAL_LIST, out);
  end_message(out, start);
  return FRZ_OK;
}

/* A text that holds JSON. */
static frz_status put_text(const json_node *node, int32_t value_type, text_out *out, frz_error *err)
{
  json_tree nested;
  char *copy = malloc((size_t)node->size + 1);
  if (copy == NULL) return server_fail(err, FRZ_ERR_NOMEM, "no memory for %u bytes", node->size);
  memcpy(copy, node->as.text, node->size);
  json_tree_init(&nested, NESTED_NODES_MAX);
  frz_status st = json_tree_parse(&nested, copy, node->size, err);
  if (st == FRZ_OK) st = put_parsed(&nested, 0, value_type, out, err);
  json_tree_dispose(&nested);
  free(copy);
  return st;
}

/* Items of a list of maps may be texts, too. */
static frz_status put_map_texts(const json_tree *tree, uint32_t at, int32_t value_type,
                                text_out *out, frz_error *err)
{
  put_tag(out, (uint32_t)value_type, WIRE_BYTES);
  size_t start = out->size;
  for (uint32_t item = at + 1; item < tree->nodes[at].as.end; item++) {
    size_t value = out->size;
    SERVER_TRY(put_text(&tree->nodes[item], VAL_MAP, out, err));
    /* A map's own tag becomes that of field 1, which is as long as half of it. */
    if (out->failed) break;
    memmove(out->data + value, out->data + value + 1, out->size - value - 1);
    out->size--;
    out->data[value] = 1 << 3 | WIRE_BYTES;
  }
  end_message(out, start);
  return FRZ_OK;
}

frz_status proto_encode(const json_tree *tree, uint32_t at, int32_t value_type, text_out *out,
                        frz_error *err)
{
  const json_node *node = &tree->nodes[at];
  bool is_maps = value_type == VAL_MAP_LIST || value_type == VAL_STRUCT_LIST;
  if (value_type == VAL_ZONED) return put_zoned(node, out, err);
  if (value_type == VAL_LIST || value_type == VAL_SET)
    return put_parsed(tree, at, value_type, out, err);
  if (value_type != VAL_MAP && value_type != VAL_STRUCT && !is_maps)
    return server_fail(err, FRZ_ERR_UNSUPPORTED, "values of this type cannot be written as JSON");
  if (node->kind == JSON_STRING) return put_text(node, value_type, out, err);
  if (is_maps && node->kind == JSON_ARRAY && node->size > 0 &&
      list_field(tree, at) == VAL_STRING_LIST)
    return put_map_texts(tree, at, value_type, out, err);
  return put_parsed(tree, at, value_type, out, err);
}
