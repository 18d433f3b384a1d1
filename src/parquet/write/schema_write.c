/*
 * schema_write.c - see schema_write.h.
 *
 * First the Arrow fields are copied, then a tree of Parquet nodes is made from them (a list gets
 * its two inner levels, a map its key_value group), then one plan a leaf is read off the tree.
 * Iceberg's rules choose the physical types: decimals by precision, times without zone as not
 * adjusted to UTC, uuid as 16 fixed bytes.
 *
 * Source: parquet.thrift; LogicalTypes.md; Iceberg specification, appendix A "Parquet".
 */
#include "parquet/write/schema_write.h"

#include <assert.h>

typedef struct builder {
  frz_arena *arena;
  size_t n_nodes;
  size_t n_leaves;
  frz_leaf_plan *leaves;
  frz_leaf_step steps[FRZ_LIMIT_DEPTH]; /* down to the current field */
  size_t n_steps;
  bool in_list;
  size_t top_column;
} builder;

/* ---- copying the fields ---- */

static frz_status copy_field(const frz_arrow_field *field, int depth, builder *self,
                             frz_arrow_field *copy_out, frz_error *err)
{
  if (depth >= FRZ_LIMIT_DEPTH / 2)
    return frz_fail(err, FRZ_ERR_LIMIT, "column '%.*s' is nested deeper than %d levels",
                    FRZ_STR_ARG(field->name), FRZ_LIMIT_DEPTH / 2);
  if (++self->n_nodes > FRZ_LIMIT_SCHEMA_FIELDS)
    return frz_fail(err, FRZ_ERR_LIMIT, "schema: more than %d fields", FRZ_LIMIT_SCHEMA_FIELDS);
  *copy_out = *field;
  copy_out->name = frz_arena_copy(self->arena, field->name);
  copy_out->children = frz_arena_array(self->arena, field->n_children, sizeof *field->children);
  if (copy_out->name.data == NULL || copy_out->children == NULL)
    return frz_fail_nomem(err, "Parquet schema");
  for (size_t i = 0; i < field->n_children; i++)
    FRZ_TRY(copy_field(&field->children[i], depth + 1, self, &copy_out->children[i], err));
  return FRZ_OK;
}

/* ---- physical types ---- */

static int32_t decimal_bytes(int32_t precision)
{
  /* The least n for which 10^precision - 1 fits a two's complement number of n bytes. */
  double bits = (double)precision * 3.3219280948873626 + 1.0;
  int32_t n = (int32_t)(bits / 8.0);
  while (8.0 * n < bits) n++;
  return n > 16 ? 16 : n;
}

static void set_int(frz_parquet_node *node, frz_leaf_plan *plan, int32_t bits, bool is_signed)
{
  node->physical = bits == 64 ? FRZ_PARQUET_INT64 : FRZ_PARQUET_INT32;
  if (!is_signed || bits < 32) node->logical = FRZ_PARQUET_LOGICAL_INT;
  node->bit_width = bits;
  node->is_signed = is_signed;
  if (bits == 64)
    plan->stored = is_signed ? FRZ_STORED_I64 : FRZ_STORED_U64;
  else
    plan->stored = is_signed ? FRZ_STORED_I32 : FRZ_STORED_U32;
}

static void set_fixed(frz_parquet_node *node, frz_leaf_plan *plan, frz_parquet_logical logical,
                      frz_stored_kind stored, int32_t length)
{
  node->physical = FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY;
  node->type_length = length;
  node->logical = logical;
  plan->stored = stored;
}

static void set_decimal(frz_parquet_node *node, frz_leaf_plan *plan)
{
  int32_t precision = plan->type.precision;
  node->precision = precision;
  node->scale = plan->type.scale;
  if (precision <= 9) {
    node->physical = FRZ_PARQUET_INT32;
    plan->stored = FRZ_STORED_I32;
  } else if (precision <= 18) {
    node->physical = FRZ_PARQUET_INT64;
    plan->stored = FRZ_STORED_I64;
  } else {
    set_fixed(node, plan, FRZ_PARQUET_LOGICAL_DECIMAL, FRZ_STORED_I128, decimal_bytes(precision));
  }
  node->logical = FRZ_PARQUET_LOGICAL_DECIMAL;
}

static void set_time(frz_parquet_node *node, frz_leaf_plan *plan)
{
  bool is_stamp = plan->type.kind == FRZ_ARROW_TIMESTAMP;
  bool is_narrow = plan->type.kind == FRZ_ARROW_TIME32;
  node->physical = is_narrow ? FRZ_PARQUET_INT32 : FRZ_PARQUET_INT64;
  plan->stored = is_narrow ? FRZ_STORED_I32 : FRZ_STORED_I64;
  node->logical = is_stamp ? FRZ_PARQUET_LOGICAL_TIMESTAMP : FRZ_PARQUET_LOGICAL_TIME;
  node->is_utc = is_stamp && plan->type.has_zone;
  /* Parquet has no seconds, and Iceberg no milliseconds: timestamps are written in us or ns. */
  if (is_narrow)
    plan->stored_type.unit = FRZ_UNIT_MS;
  else if (plan->type.unit != FRZ_UNIT_NS)
    plan->stored_type.unit = FRZ_UNIT_US;
  node->unit = plan->stored_type.unit;
}

static frz_status check_leaf_type(const frz_arrow_field *field, frz_error *err)
{
  const frz_arrow_type *type = &field->type;
  if (type->kind == FRZ_ARROW_DECIMAL128 && (type->precision < 1 || type->precision > 38 ||
                                             type->scale < 0 || type->scale > type->precision))
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "column '%.*s': decimal(%d, %d)",
                    FRZ_STR_ARG(field->name), type->precision, type->scale);
  if (type->kind == FRZ_ARROW_FIXED &&
      (type->byte_width < 1 || type->byte_width > FRZ_LIMIT_FIXED_BYTES))
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "column '%.*s': fixed of %d bytes",
                    FRZ_STR_ARG(field->name), type->byte_width);
  return FRZ_OK;
}

static void set_leaf_type(frz_parquet_node *node, frz_leaf_plan *plan)
{
  switch (plan->type.kind) {
  case FRZ_ARROW_BOOL:
    node->physical = FRZ_PARQUET_BOOLEAN;
    plan->stored = FRZ_STORED_BOOL;
    break;
  case FRZ_ARROW_INT8: set_int(node, plan, 8, true); break;
  case FRZ_ARROW_INT16: set_int(node, plan, 16, true); break;
  case FRZ_ARROW_INT32: set_int(node, plan, 32, true); break;
  case FRZ_ARROW_DURATION:
  case FRZ_ARROW_INT64: set_int(node, plan, 64, true); break;
  case FRZ_ARROW_UINT8: set_int(node, plan, 8, false); break;
  case FRZ_ARROW_UINT16: set_int(node, plan, 16, false); break;
  case FRZ_ARROW_UINT32: set_int(node, plan, 32, false); break;
  case FRZ_ARROW_UINT64: set_int(node, plan, 64, false); break;
  case FRZ_ARROW_FLOAT16:
    set_fixed(node, plan, FRZ_PARQUET_LOGICAL_FLOAT16, FRZ_STORED_F16, 2);
    break;
  case FRZ_ARROW_FLOAT32:
    node->physical = FRZ_PARQUET_FLOAT;
    plan->stored = FRZ_STORED_F32;
    break;
  case FRZ_ARROW_FLOAT64:
    node->physical = FRZ_PARQUET_DOUBLE;
    plan->stored = FRZ_STORED_F64;
    break;
  case FRZ_ARROW_DECIMAL128: set_decimal(node, plan); break;
  case FRZ_ARROW_DATE32:
    set_int(node, plan, 32, true);
    node->logical = FRZ_PARQUET_LOGICAL_DATE;
    break;
  case FRZ_ARROW_TIME32:
  case FRZ_ARROW_TIME64:
  case FRZ_ARROW_TIMESTAMP: set_time(node, plan); break;
  case FRZ_ARROW_FIXED:
    set_fixed(node, plan, plan->type.is_uuid ? FRZ_PARQUET_LOGICAL_UUID : FRZ_PARQUET_LOGICAL_NONE,
              FRZ_STORED_FIXED, plan->type.byte_width);
    break;
  case FRZ_ARROW_STRING:
  case FRZ_ARROW_BINARY:
    node->physical = FRZ_PARQUET_BYTE_ARRAY;
    plan->stored = FRZ_STORED_BYTES;
    if (plan->type.kind == FRZ_ARROW_STRING) node->logical = FRZ_PARQUET_LOGICAL_STRING;
    break;
  case FRZ_ARROW_NULL:
    node->physical = FRZ_PARQUET_INT32;
    node->logical = FRZ_PARQUET_LOGICAL_NULL;
    plan->stored = FRZ_STORED_NONE;
    break;
  case FRZ_ARROW_LIST:
  case FRZ_ARROW_STRUCT:
  case FRZ_ARROW_MAP: assert(false); break;
  }
}

static size_t stored_width(const frz_leaf_plan *plan)
{
  switch (plan->stored) {
  case FRZ_STORED_BOOL: return 1;
  case FRZ_STORED_F16: return 2;
  case FRZ_STORED_I32:
  case FRZ_STORED_U32:
  case FRZ_STORED_F32: return 4;
  case FRZ_STORED_I64:
  case FRZ_STORED_U64:
  case FRZ_STORED_F64: return 8;
  case FRZ_STORED_I128: return 16;
  case FRZ_STORED_FIXED: return (size_t)plan->type.byte_width;
  case FRZ_STORED_NONE:
  case FRZ_STORED_BYTES: return 0;
  }
  return 0;
}

/* ---- the tree ---- */

static frz_status new_node(builder *self, frz_parquet_node *parent, frz_str name,
                           frz_parquet_repetition repetition, size_t n_children,
                           frz_parquet_node **node_out, frz_error *err)
{
  frz_parquet_node *node = frz_arena_push(self->arena, sizeof *node);
  if (node == NULL) return frz_fail_nomem(err, "Parquet schema");
  node->children = frz_arena_array(self->arena, n_children, sizeof *node->children);
  if (node->children == NULL) return frz_fail_nomem(err, "Parquet schema");
  node->name = name;
  node->field_id = -1;
  node->repetition = repetition;
  node->leaf_index = -1;
  node->parent = parent;
  if (parent != NULL) {
    node->max_definition_level =
        parent->max_definition_level + (repetition != FRZ_PARQUET_REQUIRED);
    node->max_repetition_level =
        parent->max_repetition_level + (repetition == FRZ_PARQUET_REPEATED);
    parent->children[parent->n_children++] = node;
  }
  *node_out = node;
  return FRZ_OK;
}

static frz_status set_names(builder *self, frz_leaf_plan *plan, frz_error *err)
{
  for (const frz_parquet_node *node = plan->node; node->parent != NULL; node = node->parent)
    plan->n_names++;
  frz_str *names = frz_arena_array(self->arena, plan->n_names, sizeof *names);
  if (names == NULL) return frz_fail_nomem(err, "Parquet schema");
  size_t i = plan->n_names;
  for (const frz_parquet_node *node = plan->node; node->parent != NULL; node = node->parent)
    names[--i] = node->name;
  plan->names = names;
  frz_str dotted = self->steps[0].name;
  for (size_t s = 1; s < self->n_steps; s++) {
    frz_str name = self->steps[s].name;
    dotted = frz_arena_print(self->arena, "%.*s.%.*s", FRZ_STR_ARG(dotted), FRZ_STR_ARG(name));
    if (dotted.data == NULL) return frz_fail_nomem(err, "Parquet schema");
  }
  plan->dotted_name = dotted;
  return FRZ_OK;
}

static frz_status add_leaf(builder *self, const frz_arrow_field *field, frz_parquet_node *node,
                           frz_error *err)
{
  FRZ_TRY(check_leaf_type(field, err));
  frz_leaf_plan *plan = &self->leaves[self->n_leaves];
  node->is_leaf = true;
  node->leaf_index = (int32_t)self->n_leaves;
  plan->node = node;
  plan->top_column = self->top_column;
  plan->in_list = self->in_list;
  plan->type = field->type;
  plan->stored_type = field->type;
  set_leaf_type(node, plan);
  plan->width = stored_width(plan);
  frz_leaf_step *steps = frz_arena_array(self->arena, self->n_steps, sizeof *steps);
  if (steps == NULL) return frz_fail_nomem(err, "Parquet schema");
  memcpy(steps, self->steps, self->n_steps * sizeof *steps);
  plan->steps = steps;
  plan->n_steps = self->n_steps;
  FRZ_TRY(set_names(self, plan, err));
  self->n_leaves++;
  return FRZ_OK;
}

static frz_status add_field(builder *self, const frz_arrow_field *field, frz_str name,
                            frz_parquet_node *parent, bool is_key, frz_error *err);

static frz_status add_struct(builder *self, const frz_arrow_field *field, frz_parquet_node *node,
                             frz_leaf_step *step, frz_error *err)
{
  if (field->n_children == 0)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "column '%.*s': Parquet has no struct without fields",
                    FRZ_STR_ARG(field->name));
  for (size_t i = 0; i < field->n_children; i++) {
    step->child = i;
    FRZ_TRY(add_field(self, &field->children[i], field->children[i].name, node, false, err));
  }
  return FRZ_OK;
}

/* A LIST's element, or a MAP's key and value: below one repeated group. */
static frz_status add_repeated(builder *self, const frz_arrow_field *field, frz_parquet_node *node,
                               frz_leaf_step *step, frz_error *err)
{
  bool is_map = field->type.kind == FRZ_ARROW_MAP;
  if (field->n_children != 1 || (is_map && field->children[0].n_children != 2))
    return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s': a %s without its parts",
                    FRZ_STR_ARG(field->name), is_map ? "map" : "list");
  node->logical = is_map ? FRZ_PARQUET_LOGICAL_MAP : FRZ_PARQUET_LOGICAL_LIST;
  frz_parquet_node *group = NULL;
  FRZ_TRY(new_node(self, node, is_map ? FRZ_STR("key_value") : FRZ_STR("list"),
                   FRZ_PARQUET_REPEATED, is_map ? 2 : 1, &group, err));
  step->repeat_level = (uint8_t)group->max_repetition_level;
  bool was_in_list = self->in_list;
  self->in_list = true;
  const frz_arrow_field *child = &field->children[0];
  if (is_map) {
    /* The entries struct is the repeated group itself: a step that is never null. */
    frz_leaf_step *entries = &self->steps[self->n_steps++];
    *entries = (frz_leaf_step){.kind = FRZ_STEP_STRUCT,
                               .present_level = (uint8_t)group->max_definition_level,
                               .name = FRZ_STR("key_value")};
    FRZ_TRY(add_field(self, &child->children[0], FRZ_STR("key"), group, true, err));
    entries->child = 1;
    FRZ_TRY(add_field(self, &child->children[1], FRZ_STR("value"), group, false, err));
    self->n_steps--;
  } else {
    FRZ_TRY(add_field(self, child, FRZ_STR("element"), group, false, err));
  }
  self->in_list = was_in_list;
  return FRZ_OK;
}

/* Depth was bounded when the fields were copied. */
static frz_status add_field(builder *self, const frz_arrow_field *field, frz_str name,
                            frz_parquet_node *parent, bool is_key, frz_error *err)
{
  /* A map's key is never null in Parquet; an all-null column must be able to be null. */
  bool nullable = (field->nullable && !is_key) || field->type.kind == FRZ_ARROW_NULL;
  frz_parquet_node *node = NULL;
  FRZ_TRY(new_node(self, parent, name, nullable ? FRZ_PARQUET_OPTIONAL : FRZ_PARQUET_REQUIRED,
                   field->type.kind == FRZ_ARROW_STRUCT ? field->n_children : 1, &node, err));
  node->field_id = field->field_id;
  assert(self->n_steps < FRZ_LIMIT_DEPTH);
  frz_leaf_step *step = &self->steps[self->n_steps++];
  *step = (frz_leaf_step){.kind = FRZ_STEP_LEAF,
                          .nullable = nullable,
                          .present_level = (uint8_t)node->max_definition_level,
                          .name = name};
  frz_status st;
  if (field->type.kind == FRZ_ARROW_STRUCT) {
    step->kind = FRZ_STEP_STRUCT;
    if (field->type.is_variant) node->logical = FRZ_PARQUET_LOGICAL_VARIANT;
    st = add_struct(self, field, node, step, err);
  } else if (field->type.kind == FRZ_ARROW_LIST || field->type.kind == FRZ_ARROW_MAP) {
    step->kind = FRZ_STEP_LIST;
    st = add_repeated(self, field, node, step, err);
  } else {
    st = add_leaf(self, field, node, err);
  }
  self->n_steps--;
  return st;
}

frz_status frz_write_schema_build(const frz_arrow_field *fields, size_t n_fields, frz_arena *arena,
                                  frz_write_schema *schema_out, frz_error *err)
{
  builder self = {.arena = arena};
  if (n_fields == 0) return frz_fail(err, FRZ_ERR_UNSUPPORTED, "Parquet schema: no columns");
  frz_arrow_field *copies = frz_arena_array(arena, n_fields, sizeof *copies);
  if (copies == NULL) return frz_fail_nomem(err, "Parquet schema");
  for (size_t i = 0; i < n_fields; i++) FRZ_TRY(copy_field(&fields[i], 0, &self, &copies[i], err));
  self.leaves = frz_arena_array(arena, self.n_nodes, sizeof *self.leaves);
  if (self.leaves == NULL) return frz_fail_nomem(err, "Parquet schema");
  frz_parquet_node *root = NULL;
  FRZ_TRY(new_node(&self, NULL, FRZ_STR("table"), FRZ_PARQUET_REQUIRED, n_fields, &root, err));
  for (size_t i = 0; i < n_fields; i++) {
    self.top_column = i;
    FRZ_TRY(add_field(&self, &copies[i], copies[i].name, root, false, err));
  }
  *schema_out = (frz_write_schema){copies, n_fields, root, self.leaves, self.n_leaves};
  return FRZ_OK;
}

/* ---- thrift ---- */

/* ConvertedType, for readers that know no LogicalType; -1: none says the same. */
static int32_t converted_type(const frz_parquet_node *node)
{
  switch (node->logical) {
  case FRZ_PARQUET_LOGICAL_STRING: return 0;
  case FRZ_PARQUET_LOGICAL_MAP: return 1;
  case FRZ_PARQUET_LOGICAL_LIST: return 3;
  case FRZ_PARQUET_LOGICAL_DECIMAL: return 5;
  case FRZ_PARQUET_LOGICAL_DATE: return 6;
  case FRZ_PARQUET_LOGICAL_TIMESTAMP: return node->is_utc && node->unit == FRZ_UNIT_US ? 10 : -1;
  case FRZ_PARQUET_LOGICAL_INT: {
    int32_t log = node->bit_width == 8    ? 0
                  : node->bit_width == 16 ? 1
                  : node->bit_width == 32 ? 2
                                          : 3;
    return (node->is_signed ? 15 : 11) + log;
  }
  default: return -1;
  }
}

static void write_empty_struct(frz_thrift_writer *thrift, int16_t id)
{
  frz_thrift_write_field(thrift, id, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(thrift);
  frz_thrift_write_struct_end(thrift);
}

static void write_time(frz_thrift_writer *thrift, int16_t id, const frz_parquet_node *node)
{
  frz_thrift_write_field(thrift, id, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(thrift);
  frz_thrift_write_bool_field(thrift, 1, node->is_utc);
  frz_thrift_write_field(thrift, 2, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(thrift);
  write_empty_struct(thrift, node->unit == FRZ_UNIT_MS ? 1 : node->unit == FRZ_UNIT_US ? 2 : 3);
  frz_thrift_write_struct_end(thrift);
  frz_thrift_write_struct_end(thrift);
}

static void write_logical(frz_thrift_writer *thrift, const frz_parquet_node *node)
{
  if (node->logical == FRZ_PARQUET_LOGICAL_NONE) return;
  frz_thrift_write_field(thrift, 10, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(thrift);
  switch (node->logical) {
  case FRZ_PARQUET_LOGICAL_STRING: write_empty_struct(thrift, 1); break;
  case FRZ_PARQUET_LOGICAL_MAP: write_empty_struct(thrift, 2); break;
  case FRZ_PARQUET_LOGICAL_LIST: write_empty_struct(thrift, 3); break;
  case FRZ_PARQUET_LOGICAL_DECIMAL:
    frz_thrift_write_field(thrift, 5, FRZ_THRIFT_STRUCT);
    frz_thrift_write_struct_begin(thrift);
    frz_thrift_write_i32_field(thrift, 1, node->scale);
    frz_thrift_write_i32_field(thrift, 2, node->precision);
    frz_thrift_write_struct_end(thrift);
    break;
  case FRZ_PARQUET_LOGICAL_DATE: write_empty_struct(thrift, 6); break;
  case FRZ_PARQUET_LOGICAL_TIME: write_time(thrift, 7, node); break;
  case FRZ_PARQUET_LOGICAL_TIMESTAMP: write_time(thrift, 8, node); break;
  case FRZ_PARQUET_LOGICAL_INT:
    frz_thrift_write_field(thrift, 10, FRZ_THRIFT_STRUCT);
    frz_thrift_write_struct_begin(thrift);
    frz_thrift_write_byte_field(thrift, 1, (int8_t)node->bit_width);
    frz_thrift_write_bool_field(thrift, 2, node->is_signed);
    frz_thrift_write_struct_end(thrift);
    break;
  case FRZ_PARQUET_LOGICAL_NULL: write_empty_struct(thrift, 11); break;
  case FRZ_PARQUET_LOGICAL_UUID: write_empty_struct(thrift, 14); break;
  case FRZ_PARQUET_LOGICAL_FLOAT16: write_empty_struct(thrift, 15); break;
  case FRZ_PARQUET_LOGICAL_VARIANT:
    frz_thrift_write_field(thrift, 16, FRZ_THRIFT_STRUCT);
    frz_thrift_write_struct_begin(thrift);
    frz_thrift_write_byte_field(thrift, 1, 1); /* version of the variant specification */
    frz_thrift_write_struct_end(thrift);
    break;
  default: assert(false); break;
  }
  frz_thrift_write_struct_end(thrift);
}

static size_t write_element(frz_thrift_writer *thrift, const frz_parquet_node *node)
{
  frz_thrift_write_struct_begin(thrift);
  if (node->is_leaf) {
    frz_thrift_write_i32_field(thrift, 1, (int32_t)node->physical);
    if (node->physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY)
      frz_thrift_write_i32_field(thrift, 2, node->type_length);
  }
  if (node->parent != NULL) frz_thrift_write_i32_field(thrift, 3, (int32_t)node->repetition);
  frz_thrift_write_binary_field(thrift, 4, node->name);
  if (!node->is_leaf) frz_thrift_write_i32_field(thrift, 5, (int32_t)node->n_children);
  int32_t converted = converted_type(node);
  if (converted >= 0) frz_thrift_write_i32_field(thrift, 6, converted);
  if (node->logical == FRZ_PARQUET_LOGICAL_DECIMAL) {
    frz_thrift_write_i32_field(thrift, 7, node->scale);
    frz_thrift_write_i32_field(thrift, 8, node->precision);
  }
  if (node->field_id >= 0) frz_thrift_write_i32_field(thrift, 9, node->field_id);
  write_logical(thrift, node);
  frz_thrift_write_struct_end(thrift);
  size_t n = 1;
  for (size_t i = 0; i < node->n_children; i++) n += write_element(thrift, node->children[i]);
  return n;
}

static size_t count_nodes(const frz_parquet_node *node)
{
  size_t n = 1;
  for (size_t i = 0; i < node->n_children; i++) n += count_nodes(node->children[i]);
  return n;
}

void frz_write_schema_elements(frz_thrift_writer *thrift, const frz_write_schema *schema)
{
  size_t n_nodes = count_nodes(schema->root);
  frz_thrift_write_list_field(thrift, 2, FRZ_THRIFT_STRUCT, n_nodes);
  size_t n_written = write_element(thrift, schema->root);
  assert(n_written == n_nodes);
  (void)n_written;
}
