/*
 * parquet_shape.c - Parquet nodes as Arrow fields, with the levels to assemble them.
 *
 * Lists and maps come in several historical forms:
 *   - a LIST group around a repeated group around the element (today's form);
 *   - a LIST group around a repeated leaf, or around a repeated group that is itself the element:
 *     because it has several fields, is called "array" or "<list>_tuple", or its only field is
 *     repeated, or is annotated as a list or map itself;
 *   - a repeated field with no annotation at all: a list that cannot be null;
 *   - a MAP group (or MAP_KEY_VALUE) around a repeated group of key and value; without a value it
 *     is a list of the keys.
 * An annotated group of any other form is read as a plain struct. Variants: see parquet_metadata.h.
 *
 * Source: apache/parquet-format, LogicalTypes.md, "Nested Types" and its compatibility rules;
 * VariantEncoding.md, "Variant in Parquet"; VariantShredding.md.
 */
#include "parquet/format/parquet_shape.h"

#include <assert.h>
#include <string.h>

#include "parquet/format/metadata_parts.h"

typedef struct shape_maker {
  const bool *selected;
  frz_arena *arena;
} shape_maker;

bool frz_parquet_node_selected(const frz_parquet_node *node, const bool *selected)
{
  if (node->is_leaf) return selected == NULL || selected[node->leaf_index];
  for (size_t i = 0; i < node->n_children; i++)
    if (frz_parquet_node_selected(node->children[i], selected)) return true;
  return false;
}

/* ---- leaves ---- */

static frz_arrow_kind int_kind(const frz_parquet_node *leaf)
{
  switch (leaf->bit_width) {
  case 8: return leaf->is_signed ? FRZ_ARROW_INT8 : FRZ_ARROW_UINT8;
  case 16: return leaf->is_signed ? FRZ_ARROW_INT16 : FRZ_ARROW_UINT16;
  case 32: return leaf->is_signed ? FRZ_ARROW_INT32 : FRZ_ARROW_UINT32;
  default: return leaf->is_signed ? FRZ_ARROW_INT64 : FRZ_ARROW_UINT64;
  }
}

static frz_arrow_type physical_type(const frz_parquet_node *leaf)
{
  frz_arrow_type type = {.kind = FRZ_ARROW_BINARY};
  switch (leaf->physical) {
  case FRZ_PARQUET_BOOLEAN: type.kind = FRZ_ARROW_BOOL; break;
  case FRZ_PARQUET_INT32: type.kind = FRZ_ARROW_INT32; break;
  case FRZ_PARQUET_INT64: type.kind = FRZ_ARROW_INT64; break;
  case FRZ_PARQUET_INT96:
    /* Written by Hive and Spark, whose own unit is microseconds: nanoseconds would lose years. */
    type.kind = FRZ_ARROW_TIMESTAMP;
    type.unit = FRZ_UNIT_US;
    break;
  case FRZ_PARQUET_FLOAT: type.kind = FRZ_ARROW_FLOAT32; break;
  case FRZ_PARQUET_DOUBLE: type.kind = FRZ_ARROW_FLOAT64; break;
  case FRZ_PARQUET_BYTE_ARRAY: break;
  case FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY:
    type.kind = FRZ_ARROW_FIXED;
    type.byte_width = leaf->type_length;
    break;
  }
  return type;
}

static frz_status decimal_type(const frz_parquet_node *leaf, frz_arrow_type *type, frz_error *err)
{
  enum { PRECISION_MAX = 38, FIXED_BYTES_MAX = 64 };
  bool is_fixed = leaf->physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY;
  if (leaf->precision > PRECISION_MAX || (is_fixed && leaf->type_length > FIXED_BYTES_MAX))
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "column '%.*s': decimal(%d, %d), more than %d digits are not supported",
                    FRZ_STR_ARG(leaf->name), leaf->precision, leaf->scale, PRECISION_MAX);
  *type = (frz_arrow_type){.kind = FRZ_ARROW_DECIMAL128,
                           .byte_width = 16,
                           .precision = leaf->precision,
                           .scale = leaf->scale};
  return FRZ_OK;
}

static frz_status fail_node(const frz_parquet_node *node, const char *what, frz_error *err)
{
  char path[FRZ_PARQUET_PATH_BYTES];
  frz_parquet_node_path(node, path);
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "column '%s': %s is not supported", path, what);
}

static frz_status leaf_type(const frz_parquet_node *leaf, frz_arrow_type *type_out, frz_error *err)
{
  frz_arrow_type type = physical_type(leaf);
  switch (leaf->logical) {
  case FRZ_PARQUET_LOGICAL_STRING: type.kind = FRZ_ARROW_STRING; break;
  case FRZ_PARQUET_LOGICAL_DECIMAL: FRZ_TRY(decimal_type(leaf, &type, err)); break;
  case FRZ_PARQUET_LOGICAL_DATE: type.kind = FRZ_ARROW_DATE32; break;
  case FRZ_PARQUET_LOGICAL_TIME:
    type.kind = leaf->unit == FRZ_UNIT_MS ? FRZ_ARROW_TIME32 : FRZ_ARROW_TIME64;
    type.unit = leaf->unit;
    break;
  case FRZ_PARQUET_LOGICAL_TIMESTAMP:
    type.kind = FRZ_ARROW_TIMESTAMP;
    type.unit = leaf->unit;
    type.has_zone = leaf->is_utc;
    break;
  case FRZ_PARQUET_LOGICAL_INT: type.kind = int_kind(leaf); break;
  case FRZ_PARQUET_LOGICAL_UUID: type.is_uuid = true; break;
  case FRZ_PARQUET_LOGICAL_FLOAT16: type = (frz_arrow_type){.kind = FRZ_ARROW_FLOAT16}; break;
  case FRZ_PARQUET_LOGICAL_NULL: type = (frz_arrow_type){.kind = FRZ_ARROW_NULL}; break;
  default: break;
  }
  *type_out = type;
  return FRZ_OK;
}

/* ---- forms of lists and maps ---- */

static const frz_parquet_node *only_repeated_child(const frz_parquet_node *group)
{
  if (group->is_leaf || group->n_children != 1) return NULL;
  const frz_parquet_node *child = group->children[0];
  return child->repetition == FRZ_PARQUET_REPEATED ? child : NULL;
}

static bool is_map(const frz_parquet_node *node)
{
  const frz_parquet_node *entry = only_repeated_child(node);
  return node->logical == FRZ_PARQUET_LOGICAL_MAP && entry != NULL && !entry->is_leaf &&
         entry->n_children == 2 && entry->children[0]->repetition != FRZ_PARQUET_REPEATED &&
         entry->children[1]->repetition != FRZ_PARQUET_REPEATED;
}

static bool is_list(const frz_parquet_node *node)
{
  const frz_parquet_node *repeated = only_repeated_child(node);
  if (repeated == NULL || node->repetition == FRZ_PARQUET_REPEATED) {
    /* A repeated annotated group is the element of a list above: its own list is still a list. */
    return repeated != NULL && node->logical == FRZ_PARQUET_LOGICAL_LIST;
  }
  if (node->logical == FRZ_PARQUET_LOGICAL_LIST) return true;
  return node->logical == FRZ_PARQUET_LOGICAL_MAP && !repeated->is_leaf &&
         repeated->n_children == 1;
}

static bool is_tuple_name(frz_str name, frz_str list)
{
  static const char suffix[] = "_tuple";
  size_t suffix_bytes = sizeof suffix - 1;
  return name.size == list.size + suffix_bytes &&
         (list.size == 0 || memcmp(name.data, list.data, list.size) == 0) &&
         memcmp(name.data + list.size, suffix, suffix_bytes) == 0;
}

/* Is the repeated child of a LIST group its element, rather than a wrapper around it? */
static bool repeated_is_element(const frz_parquet_node *list, const frz_parquet_node *repeated)
{
  if (repeated->is_leaf || repeated->n_children != 1) return true;
  if (list->logical == FRZ_PARQUET_LOGICAL_MAP) return false;
  if (repeated->children[0]->repetition == FRZ_PARQUET_REPEATED) return true;
  if (repeated->logical == FRZ_PARQUET_LOGICAL_LIST || repeated->logical == FRZ_PARQUET_LOGICAL_MAP)
    return true;
  return frz_str_is(repeated->name, "array") || is_tuple_name(repeated->name, list->name);
}

/* ---- shapes ---- */

/* Levels of the slots that a node's parent gives it. */
typedef struct slots {
  int32_t def, rep;
} slots;

static frz_status make_shape(const shape_maker *self, const frz_parquet_node *node, slots in,
                             bool as_element, frz_parquet_shape *shape, frz_arrow_field *field,
                             frz_error *err);

static frz_status add_children(const shape_maker *self, size_t n, frz_parquet_shape *shape,
                               frz_arrow_field *field, frz_error *err)
{
  shape->children = frz_arena_array(self->arena, n, sizeof *shape->children);
  field->children = frz_arena_array(self->arena, n, sizeof *field->children);
  if (shape->children == NULL || field->children == NULL) return frz_fail_nomem(err, "columns");
  shape->n_children = n;
  field->n_children = n;
  return FRZ_OK;
}

static frz_status make_struct(const shape_maker *self, const frz_parquet_node *node, slots in,
                              frz_parquet_shape *shape, frz_arrow_field *field, frz_error *err)
{
  size_t n = 0;
  for (size_t i = 0; i < node->n_children; i++)
    n += frz_parquet_node_selected(node->children[i], self->selected);
  shape->kind = FRZ_SHAPE_STRUCT;
  field->type.kind = FRZ_ARROW_STRUCT;
  FRZ_TRY(add_children(self, n, shape, field, err));
  n = 0;
  for (size_t i = 0; i < node->n_children; i++) {
    if (!frz_parquet_node_selected(node->children[i], self->selected)) continue;
    FRZ_TRY(make_shape(self, node->children[i], in, false, &shape->children[n], &field->children[n],
                       err));
    n++;
  }
  return FRZ_OK;
}

/* A variant whose bytes are in its two leaves, not shredded into columns of their own types. */
static frz_status check_variant(const frz_parquet_node *node, frz_error *err)
{
  bool has_metadata = false, has_value = false;
  for (size_t i = 0; i < node->n_children; i++) {
    const frz_parquet_node *child = node->children[i];
    bool is_bytes = child->is_leaf && child->physical == FRZ_PARQUET_BYTE_ARRAY &&
                    child->logical == FRZ_PARQUET_LOGICAL_NONE &&
                    child->repetition == FRZ_PARQUET_REQUIRED;
    if (frz_str_is(child->name, "typed_value")) return fail_node(node, "a shredded variant", err);
    has_metadata = has_metadata || (is_bytes && frz_str_is(child->name, "metadata"));
    has_value = has_value || (is_bytes && frz_str_is(child->name, "value"));
  }
  if (node->n_children != 2 || !has_metadata || !has_value)
    return fail_node(node, "a variant that is not required binary metadata and value", err);
  return FRZ_OK;
}

/* A list whose items are the slots of `item`; `item` is the repeated node itself or its child. */
static frz_status make_list(const shape_maker *self, const frz_parquet_node *repeated,
                            const frz_parquet_node *item, frz_parquet_shape *shape,
                            frz_arrow_field *field, frz_error *err)
{
  shape->kind = FRZ_SHAPE_LIST;
  shape->item_def = repeated->max_definition_level;
  shape->item_rep = repeated->max_repetition_level;
  field->type.kind = FRZ_ARROW_LIST;
  FRZ_TRY(add_children(self, 1, shape, field, err));
  slots items = {shape->item_def, shape->item_rep};
  return make_shape(self, item, items, item == repeated, &shape->children[0], &field->children[0],
                    err);
}

static frz_status make_map(const shape_maker *self, const frz_parquet_node *node,
                           frz_parquet_shape *shape, frz_arrow_field *field, frz_error *err)
{
  const frz_parquet_node *entry = node->children[0];
  for (size_t i = 0; i < 2; i++)
    if (!frz_parquet_node_selected(entry->children[i], self->selected))
      return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s': half of a map is selected",
                      FRZ_STR_ARG(node->name));
  FRZ_TRY(make_list(self, entry, entry, shape, field, err));
  field->type.kind = FRZ_ARROW_MAP;
  /* Keys cannot be null in Arrow; some files say they can be. */
  field->children[0].children[0].nullable = false;
  return FRZ_OK;
}

/* `as_element`: the node is repeated, and a list around it has been made already. */
static frz_status make_shape(const shape_maker *self, const frz_parquet_node *node, slots in,
                             bool as_element, frz_parquet_shape *shape, frz_arrow_field *field,
                             frz_error *err)
{
  bool is_repeated = node->repetition == FRZ_PARQUET_REPEATED;
  field->name = node->name;
  field->field_id = node->field_id;
  field->nullable = node->repetition == FRZ_PARQUET_OPTIONAL;
  shape->node = node;
  shape->field = field;
  shape->slot_def = in.def;
  shape->slot_rep = in.rep;
  shape->present_def = node->max_definition_level;
  if (is_repeated && !as_element) {
    shape->present_def = in.def; /* never null by itself */
    return make_list(self, node, node, shape, field, err);
  }
  if (node->is_leaf) {
    shape->kind = FRZ_SHAPE_LEAF;
    return leaf_type(node, &field->type, err);
  }
  if (is_map(node)) return make_map(self, node, shape, field, err);
  if (is_list(node)) {
    const frz_parquet_node *repeated = node->children[0];
    bool direct = repeated_is_element(node, repeated);
    return make_list(self, repeated, direct ? repeated : repeated->children[0], shape, field, err);
  }
  FRZ_TRY(make_struct(self, node, in, shape, field, err));
  if (node->logical == FRZ_PARQUET_LOGICAL_VARIANT) {
    FRZ_TRY(check_variant(node, err));
    field->type.is_variant = field->n_children == 2; /* both were selected */
  }
  return FRZ_OK;
}

frz_status frz_parquet_shape_make(const frz_parquet_node *node, const bool *selected,
                                  frz_arena *arena, frz_parquet_shape *shape_out,
                                  frz_arrow_field *field_out, frz_error *err)
{
  assert(frz_parquet_node_selected(node, selected));
  shape_maker self = {selected, arena};
  slots in = {0, 0};
  /* A node below the top is given as it stands there: its slots are those of its ancestors. */
  for (const frz_parquet_node *up = node->parent; up != NULL; up = up->parent) {
    if (up->repetition != FRZ_PARQUET_REPEATED || up->parent == NULL) continue;
    in = (slots){up->max_definition_level, up->max_repetition_level};
    break;
  }
  return make_shape(&self, node, in, false, shape_out, field_out, err);
}

frz_status frz_parquet_node_to_arrow(const frz_parquet_node *node, const bool *selected,
                                     frz_arena *arena, frz_arrow_field *field_out, frz_error *err)
{
  frz_parquet_shape shape = {.kind = FRZ_SHAPE_LEAF};
  frz_arrow_field *field = frz_arena_push(arena, sizeof *field);
  if (field == NULL) return frz_fail_nomem(err, "columns");
  if (!frz_parquet_node_selected(node, selected))
    return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s': nothing of it is selected",
                    FRZ_STR_ARG(node->name));
  FRZ_TRY(frz_parquet_shape_make(node, selected, arena, &shape, field, err));
  *field_out = *field;
  return FRZ_OK;
}
