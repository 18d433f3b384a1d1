/*
 * parquet_schema.c - the schema part of a footer: a flat list of elements into a tree with levels.
 *
 * The file gives the tree in depth-first order with counts of children. Its depth is bounded by
 * FRZ_LIMIT_DEPTH and its size by FRZ_LIMIT_SCHEMA_FIELDS. A logical type that does not fit its
 * physical type is dropped: the values are then given as what they physically are.
 *
 * Source: apache/parquet-format, parquet.thrift, SchemaElement; LogicalTypes.md.
 */
#include <stdio.h>

#include "parquet/format/metadata_parts.h"

enum { CONVERTED_NONE = -1, NODE_LIST_MAX = FRZ_LIMIT_SCHEMA_FIELDS };

/* One element as read; `node` holds all that a tree node keeps. */
typedef struct element {
  frz_parquet_node node;
  int32_t n_children;
  int32_t converted;
  bool has_type;
  bool has_logical;
} element;

/* ---- logical types ---- */

static frz_status parse_unit(frz_thrift_reader *reader, frz_time_unit *unit_out, frz_error *err)
{
  FRZ_TRY(frz_thrift_struct_begin(reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(frz_thrift_field(reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) return FRZ_OK;
    if (id == 1) *unit_out = FRZ_UNIT_MS;
    if (id == 2) *unit_out = FRZ_UNIT_US;
    if (id == 3) *unit_out = FRZ_UNIT_NS;
    FRZ_TRY(frz_thrift_skip(reader, type, err));
  }
}

/* DecimalType, TimeType, TimestampType and IntType: their fields do not collide in meaning. */
static frz_status parse_parameters(frz_thrift_reader *reader, frz_parquet_node *node,
                                   frz_error *err)
{
  frz_parquet_logical logical = node->logical;
  bool is_time = logical == FRZ_PARQUET_LOGICAL_TIME || logical == FRZ_PARQUET_LOGICAL_TIMESTAMP;
  FRZ_TRY(frz_thrift_struct_begin(reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(frz_thrift_field(reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) return FRZ_OK;
    bool is_flag = type == FRZ_THRIFT_TRUE || type == FRZ_THRIFT_FALSE;
    if (logical == FRZ_PARQUET_LOGICAL_DECIMAL && id == 1 && type == FRZ_THRIFT_I32) {
      FRZ_TRY(frz_thrift_read_i32(reader, &node->scale, err));
    } else if (logical == FRZ_PARQUET_LOGICAL_DECIMAL && id == 2 && type == FRZ_THRIFT_I32) {
      FRZ_TRY(frz_thrift_read_i32(reader, &node->precision, err));
    } else if (is_time && id == 1 && is_flag) {
      node->is_utc = type == FRZ_THRIFT_TRUE;
    } else if (is_time && id == 2 && type == FRZ_THRIFT_STRUCT) {
      FRZ_TRY(parse_unit(reader, &node->unit, err));
    } else if (logical == FRZ_PARQUET_LOGICAL_INT && id == 1 && type == FRZ_THRIFT_BYTE) {
      int8_t width = 0;
      FRZ_TRY(frz_thrift_read_i8(reader, &width, err));
      node->bit_width = width;
    } else if (logical == FRZ_PARQUET_LOGICAL_INT && id == 2 && is_flag) {
      node->is_signed = type == FRZ_THRIFT_TRUE;
    } else {
      FRZ_TRY(frz_thrift_skip(reader, type, err));
    }
  }
}

static frz_parquet_logical logical_of_union(int16_t id)
{
  switch (id) {
  case 1:
  case 4:
  case 12: return FRZ_PARQUET_LOGICAL_STRING; /* STRING, ENUM, JSON */
  case 2: return FRZ_PARQUET_LOGICAL_MAP;
  case 3: return FRZ_PARQUET_LOGICAL_LIST;
  case 5: return FRZ_PARQUET_LOGICAL_DECIMAL;
  case 6: return FRZ_PARQUET_LOGICAL_DATE;
  case 7: return FRZ_PARQUET_LOGICAL_TIME;
  case 8: return FRZ_PARQUET_LOGICAL_TIMESTAMP;
  case 10: return FRZ_PARQUET_LOGICAL_INT;
  case 11: return FRZ_PARQUET_LOGICAL_NULL;
  case 13: return FRZ_PARQUET_LOGICAL_BSON;
  case 14: return FRZ_PARQUET_LOGICAL_UUID;
  case 15: return FRZ_PARQUET_LOGICAL_FLOAT16;
  case 16: return FRZ_PARQUET_LOGICAL_VARIANT;
  case 17:
  case 18: return FRZ_PARQUET_LOGICAL_GEO;
  default: return FRZ_PARQUET_LOGICAL_NONE; /* newer than this reader */
  }
}

static frz_status parse_logical(frz_thrift_reader *reader, element *parsed, frz_error *err)
{
  FRZ_TRY(frz_thrift_struct_begin(reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(frz_thrift_field(reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) return FRZ_OK;
    if (type != FRZ_THRIFT_STRUCT) {
      FRZ_TRY(frz_thrift_skip(reader, type, err));
      continue;
    }
    parsed->node.logical = logical_of_union(id);
    parsed->has_logical = true;
    if (parsed->node.logical == FRZ_PARQUET_LOGICAL_INT) parsed->node.is_signed = true;
    FRZ_TRY(parse_parameters(reader, &parsed->node, err));
  }
}

static void set_time(frz_parquet_node *node, frz_parquet_logical logical, frz_time_unit unit)
{
  node->logical = logical;
  node->unit = unit;
  node->is_utc = true;
}

static void set_int(frz_parquet_node *node, int32_t bit_width, bool is_signed)
{
  node->logical = FRZ_PARQUET_LOGICAL_INT;
  node->bit_width = bit_width;
  node->is_signed = is_signed;
}

/* ConvertedType, which LogicalType replaced. */
static void apply_converted(frz_parquet_node *node, int32_t converted)
{
  switch (converted) {
  case 0:
  case 4:
  case 19: node->logical = FRZ_PARQUET_LOGICAL_STRING; break;
  case 1:
  case 2: node->logical = FRZ_PARQUET_LOGICAL_MAP; break;
  case 3: node->logical = FRZ_PARQUET_LOGICAL_LIST; break;
  case 5: node->logical = FRZ_PARQUET_LOGICAL_DECIMAL; break;
  case 6: node->logical = FRZ_PARQUET_LOGICAL_DATE; break;
  case 7: set_time(node, FRZ_PARQUET_LOGICAL_TIME, FRZ_UNIT_MS); break;
  case 8: set_time(node, FRZ_PARQUET_LOGICAL_TIME, FRZ_UNIT_US); break;
  case 9: set_time(node, FRZ_PARQUET_LOGICAL_TIMESTAMP, FRZ_UNIT_MS); break;
  case 10: set_time(node, FRZ_PARQUET_LOGICAL_TIMESTAMP, FRZ_UNIT_US); break;
  case 11:
  case 12:
  case 13:
  case 14: set_int(node, 8 << (converted - 11), false); break;
  case 15:
  case 16:
  case 17:
  case 18: set_int(node, 8 << (converted - 15), true); break;
  case 20: node->logical = FRZ_PARQUET_LOGICAL_BSON; break;
  case 21: node->logical = FRZ_PARQUET_LOGICAL_INTERVAL; break;
  default: break;
  }
}

static bool decimal_fits(const frz_parquet_node *node)
{
  return node->precision > 0 && node->scale >= 0 && node->scale <= node->precision &&
         (node->physical == FRZ_PARQUET_INT32 || node->physical == FRZ_PARQUET_INT64 ||
          node->physical == FRZ_PARQUET_BYTE_ARRAY ||
          node->physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY);
}

/* Does the meaning fit the leaf's physical type? */
static bool logical_fits(const frz_parquet_node *node)
{
  bool is_fixed = node->physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY;
  switch (node->logical) {
  case FRZ_PARQUET_LOGICAL_STRING:
  case FRZ_PARQUET_LOGICAL_BSON:
  case FRZ_PARQUET_LOGICAL_GEO: return node->physical == FRZ_PARQUET_BYTE_ARRAY;
  case FRZ_PARQUET_LOGICAL_DECIMAL: return decimal_fits(node);
  case FRZ_PARQUET_LOGICAL_DATE: return node->physical == FRZ_PARQUET_INT32;
  case FRZ_PARQUET_LOGICAL_TIME:
    return node->physical == (node->unit == FRZ_UNIT_MS ? FRZ_PARQUET_INT32 : FRZ_PARQUET_INT64);
  case FRZ_PARQUET_LOGICAL_TIMESTAMP: return node->physical == FRZ_PARQUET_INT64;
  case FRZ_PARQUET_LOGICAL_INT:
    if (node->bit_width == 64) return node->physical == FRZ_PARQUET_INT64;
    return node->physical == FRZ_PARQUET_INT32 &&
           (node->bit_width == 8 || node->bit_width == 16 || node->bit_width == 32);
  case FRZ_PARQUET_LOGICAL_UUID: return is_fixed && node->type_length == 16;
  case FRZ_PARQUET_LOGICAL_FLOAT16: return is_fixed && node->type_length == 2;
  case FRZ_PARQUET_LOGICAL_INTERVAL: return is_fixed && node->type_length == 12;
  case FRZ_PARQUET_LOGICAL_LIST:
  case FRZ_PARQUET_LOGICAL_MAP:
  case FRZ_PARQUET_LOGICAL_VARIANT: return false;
  case FRZ_PARQUET_LOGICAL_NULL:
  case FRZ_PARQUET_LOGICAL_NONE: return true;
  }
  return false;
}

/* ---- one element ---- */

static frz_status parse_field(frz_thrift_reader *reader, int16_t id, frz_thrift_type type,
                              element *parsed, frz_error *err)
{
  frz_parquet_node *node = &parsed->node;
  int32_t number = 0;
  if (id == 4 && type == FRZ_THRIFT_BINARY) return frz_thrift_read_binary(reader, &node->name, err);
  if (id == 10 && type == FRZ_THRIFT_STRUCT) return parse_logical(reader, parsed, err);
  if (type != FRZ_THRIFT_I32) return frz_thrift_skip(reader, type, err);
  FRZ_TRY(frz_thrift_read_i32(reader, &number, err));
  switch (id) {
  case 1:
    if (number < 0 || number > FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY)
      return frz_fail(err, FRZ_ERR_CORRUPT, "schema: physical type %d", number);
    node->physical = (frz_parquet_physical)number;
    parsed->has_type = true;
    break;
  case 2: node->type_length = number; break;
  case 3:
    if (number < 0 || number > FRZ_PARQUET_REPEATED)
      return frz_fail(err, FRZ_ERR_CORRUPT, "schema: repetition type %d", number);
    node->repetition = (frz_parquet_repetition)number;
    break;
  case 5: parsed->n_children = number; break;
  case 6: parsed->converted = number; break;
  /* The logical type's own scale and precision, read later, win. */
  case 7:
    if (!parsed->has_logical) node->scale = number;
    break;
  case 8:
    if (!parsed->has_logical) node->precision = number;
    break;
  case 9: node->field_id = number; break;
  default: break;
  }
  return FRZ_OK;
}

static frz_status check_leaf(element *parsed, frz_error *err)
{
  frz_parquet_node *node = &parsed->node;
  if (parsed->n_children != 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "schema: column '%.*s' has a type and %d children",
                    FRZ_STR_ARG(node->name), parsed->n_children);
  if (node->physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY &&
      (node->type_length <= 0 || node->type_length > FRZ_LIMIT_FIXED_BYTES))
    return frz_fail(err, FRZ_ERR_CORRUPT, "schema: column '%.*s' of %d bytes a value",
                    FRZ_STR_ARG(node->name), node->type_length);
  node->is_leaf = true;
  if (!logical_fits(node)) node->logical = FRZ_PARQUET_LOGICAL_NONE;
  return FRZ_OK;
}

static frz_status parse_element(frz_thrift_reader *reader, frz_arena *arena, element *parsed_out,
                                frz_error *err)
{
  element parsed = {.converted = CONVERTED_NONE};
  parsed.node.field_id = -1;
  parsed.node.leaf_index = -1;
  FRZ_TRY(frz_thrift_struct_begin(reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(frz_thrift_field(reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) break;
    FRZ_TRY(parse_field(reader, id, type, &parsed, err));
  }
  if (parsed.node.logical == FRZ_PARQUET_LOGICAL_NONE && !parsed.has_logical)
    apply_converted(&parsed.node, parsed.converted);
  if (parsed.n_children < 0 || parsed.n_children > NODE_LIST_MAX)
    return frz_fail(err, FRZ_ERR_CORRUPT, "schema: '%.*s' with %d children",
                    FRZ_STR_ARG(parsed.node.name), parsed.n_children);
  if (parsed.has_type) FRZ_TRY(check_leaf(&parsed, err));
  if (!parsed.has_type && parsed.node.logical != FRZ_PARQUET_LOGICAL_LIST &&
      parsed.node.logical != FRZ_PARQUET_LOGICAL_MAP &&
      parsed.node.logical != FRZ_PARQUET_LOGICAL_VARIANT)
    parsed.node.logical = FRZ_PARQUET_LOGICAL_NONE;
  parsed.node.name = frz_arena_copy(arena, parsed.node.name);
  if (parsed.node.name.data == NULL) return frz_fail_nomem(err, "schema");
  *parsed_out = parsed;
  return FRZ_OK;
}

/* ---- the tree ---- */

typedef struct tree_builder {
  frz_thrift_reader *reader;
  frz_arena *arena;
  frz_parquet_metadata *metadata;
  size_t n_left; /* elements of the list that are not read yet */
} tree_builder;

static frz_status build_node(tree_builder *self, frz_parquet_node *parent, int depth,
                             frz_parquet_node **node_out, frz_error *err)
{
  element parsed = {.n_children = 0};
  if (depth > FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "schema: more than %d levels at '%.*s'", FRZ_LIMIT_DEPTH,
                    FRZ_STR_ARG(parent->name));
  if (self->n_left == 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "schema: ends inside of '%.*s'",
                    FRZ_STR_ARG(parent->name));
  self->n_left--;
  FRZ_TRY(parse_element(self->reader, self->arena, &parsed, err));
  frz_parquet_node *node = frz_arena_push(self->arena, sizeof *node);
  if (node == NULL) return frz_fail_nomem(err, "schema");
  *node = parsed.node;
  node->parent = parent;
  if (parent != NULL) {
    node->max_definition_level =
        parent->max_definition_level + (node->repetition != FRZ_PARQUET_REQUIRED);
    node->max_repetition_level =
        parent->max_repetition_level + (node->repetition == FRZ_PARQUET_REPEATED);
  }
  if (node->is_leaf) {
    node->leaf_index = (int32_t)self->metadata->n_leaves;
    self->metadata->leaves[self->metadata->n_leaves++] = node;
  }
  node->n_children = (size_t)parsed.n_children;
  if (node->n_children > self->n_left)
    return frz_fail(err, FRZ_ERR_CORRUPT, "schema: '%.*s' with %zu children, where %zu are left",
                    FRZ_STR_ARG(node->name), node->n_children, self->n_left);
  node->children = frz_arena_array(self->arena, node->n_children, sizeof(frz_parquet_node *));
  if (node->children == NULL) return frz_fail_nomem(err, "schema");
  for (size_t i = 0; i < node->n_children; i++)
    FRZ_TRY(build_node(self, node, depth + 1, &node->children[i], err));
  *node_out = node;
  return FRZ_OK;
}

frz_status frz_parquet_schema_parse(frz_thrift_reader *reader, frz_arena *arena,
                                    frz_parquet_metadata *metadata, frz_error *err)
{
  frz_thrift_type item = FRZ_THRIFT_STOP;
  size_t n = 0;
  FRZ_TRY(frz_thrift_list_begin(reader, &item, &n, err));
  if (n > FRZ_LIMIT_SCHEMA_FIELDS)
    return frz_fail(err, FRZ_ERR_LIMIT, "schema: %zu elements; at most %d are read", n,
                    FRZ_LIMIT_SCHEMA_FIELDS);
  if (item != FRZ_THRIFT_STRUCT || n == 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "schema: a list of %zu items of type %d", n, (int)item);
  if (metadata->root != NULL) return frz_fail(err, FRZ_ERR_CORRUPT, "schema: given twice");
  metadata->leaves = frz_arena_array(arena, n, sizeof(frz_parquet_node *));
  if (metadata->leaves == NULL) return frz_fail_nomem(err, "schema");
  tree_builder builder = {reader, arena, metadata, n};
  FRZ_TRY(build_node(&builder, NULL, 0, &metadata->root, err));
  if (builder.n_left != 0 || metadata->root->is_leaf)
    return frz_fail(err, FRZ_ERR_CORRUPT, "schema: %zu elements outside of the root",
                    builder.n_left);
  return FRZ_OK;
}

static size_t put_path(const frz_parquet_node *node, char *out, size_t size)
{
  size_t at = 0;
  if (node->parent == NULL) return 0;
  if (node->parent->parent != NULL) at = put_path(node->parent, out, size);
  int n = snprintf(out + at, size - at, "%s%.*s", at > 0 ? "." : "", FRZ_STR_ARG(node->name));
  if (n < 0) return at;
  return at + (size_t)n < size ? at + (size_t)n : size - 1;
}

void frz_parquet_node_path(const frz_parquet_node *node, char path_out[FRZ_PARQUET_PATH_BYTES])
{
  path_out[0] = '\0';
  put_path(node, path_out, FRZ_PARQUET_PATH_BYTES);
}
