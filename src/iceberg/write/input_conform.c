/*
 * input_conform.c - match input columns with a schema, then convert batch by batch.
 *
 * Matching builds a tree of nodes, one a field of the schema; each knows which input column feeds
 * it and how. A column whose layout fits already is moved, not copied. Conversions of values live
 * in input_convert.c.
 *
 * Invariants: a node's children are in the order of its field's; `source` indexes the children of
 * the matched input field and is -1 where there is none; depth is bounded by the schema's.
 */
#include "iceberg/write/input_conform.h"

#include <assert.h>
#include <inttypes.h>

#include "base/limits.h"
#include "iceberg/schema/literal.h"
#include "iceberg/write/input_convert.h"

typedef struct node node;
struct node {
  const frz_field *field;
  frz_str path;
  frz_arrow_field target;
  int64_t source;
  frz_convert convert; /* FRZ_CONVERT_NESTED: by children */
  bool is_moved;       /* the whole column fits as it is */
  bool has_default;
  frz_column default_value; /* one row */
  node *children;
  size_t n_children;
};

struct frz_conform {
  const frz_alloc *alloc;
  frz_arena arena;
  frz_conform_options options;
  node *nodes;
  size_t n_nodes;
  size_t n_inputs;
  frz_arrow_field *fields;
  int64_t n_rows_before; /* of earlier batches */
};

/* ---- matching ---- */

static frz_status match_node(frz_conform *conform, node *into, const frz_arrow_field *from,
                             int depth, frz_error *err);

static frz_str join_path(frz_arena *arena, frz_str parent, frz_str name)
{
  frz_buf path;
  frz_buf_init(&path, arena->alloc, FRZ_LIMIT_FILTER_BYTES);
  frz_str result = {0};
  frz_status st = FRZ_OK;
  if (parent.size != 0) {
    st = frz_buf_append_str(&path, parent, NULL);
    if (st == FRZ_OK) st = frz_buf_append_byte(&path, '.', NULL);
  }
  if (st == FRZ_OK) st = frz_buf_append_str(&path, name, NULL);
  if (st == FRZ_OK) result = frz_arena_copy(arena, frz_buf_str(&path));
  frz_buf_dispose(&path);
  return result;
}

static frz_status match_fields(frz_conform *conform, const frz_field *fields, size_t n_fields,
                               const frz_arrow_field *inputs, size_t n_inputs, frz_str parent,
                               int depth, node **nodes_out, frz_error *err);

/* A struct of its fields' defaults. */
static frz_status make_default_struct(frz_conform *conform, node *into, int depth, frz_error *err)
{
  const frz_type *type = &into->field->type;
  frz_column *value = &into->default_value;
  into->n_children = type->n_fields;
  FRZ_TRY(match_fields(conform, type->fields, type->n_fields, NULL, 0, into->path, depth + 1,
                       &into->children, err));
  FRZ_TRY(frz_column_init(value, &into->target, conform->alloc, err));
  for (size_t i = 0; i < into->n_children; i++) {
    const node *child = &into->children[i];
    if (child->has_default)
      FRZ_TRY(frz_column_append_rows(&value->children[i], &child->default_value, 0, 1, err));
    else
      FRZ_TRY(frz_column_append_nulls(&value->children[i], 1, err));
  }
  into->has_default = true;
  return frz_column_append_present(value, err);
}

static frz_status read_default(frz_conform *conform, node *into, int depth, frz_error *err)
{
  const frz_field *field = into->field;
  into->source = -1;
  if (field->write_default.data == NULL || frz_str_is(field->write_default, "null")) {
    if (!field->required) return FRZ_OK;
    return frz_fail(err, FRZ_ERR_INVALID, "required column '%.*s' is missing from the data",
                    FRZ_STR_ARG(into->path));
  }
  if (!frz_type_is_primitive(&field->type)) {
    bool is_made;
    frz_status st =
        frz_nested_default(&field->type, field->write_default, conform->alloc, &is_made, err);
    if (st != FRZ_OK) frz_error_where(err, "column '%.*s': ", FRZ_STR_ARG(into->path));
    FRZ_TRY(st);
    return is_made ? make_default_struct(conform, into, depth, err) : FRZ_OK;
  }
  frz_literal literal;
  FRZ_TRY(
      frz_literal_from_json(&field->type, field->write_default, &conform->arena, &literal, err));
  if (literal.is_null) return FRZ_OK;
  FRZ_TRY(frz_column_init(&into->default_value, &into->target, conform->alloc, err));
  into->has_default = true;
  return frz_literal_append(&literal, &into->default_value, err);
}

static frz_status find_input(const frz_arrow_field *fields, size_t n_fields, frz_str name,
                             frz_str path, int64_t *index_out, frz_error *err)
{
  *index_out = -1;
  for (size_t i = 0; i < n_fields; i++) {
    if (!frz_str_equal(fields[i].name, name)) continue;
    if (*index_out >= 0)
      return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s' is in the data twice",
                      FRZ_STR_ARG(path));
    *index_out = (int64_t)i;
  }
  return FRZ_OK;
}

static frz_status refuse_unknown(const node *nodes, size_t n_nodes, const frz_arrow_field *fields,
                                 size_t n_fields, frz_str parent, frz_error *err)
{
  for (size_t i = 0; i < n_fields; i++) {
    bool known = false;
    for (size_t j = 0; j < n_nodes && !known; j++)
      known = frz_str_equal(nodes[j].field->name, fields[i].name);
    if (!known)
      return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s%s%.*s' of the data is not in the table",
                      FRZ_STR_ARG(parent), parent.size != 0 ? "." : "",
                      FRZ_STR_ARG(fields[i].name));
  }
  return FRZ_OK;
}

/* Match the fields of a struct (or of the whole table) by name. */
static frz_status match_fields(frz_conform *conform, const frz_field *fields, size_t n_fields,
                               const frz_arrow_field *inputs, size_t n_inputs, frz_str parent,
                               int depth, node **nodes_out, frz_error *err)
{
  node *nodes = frz_arena_array(&conform->arena, n_fields, sizeof *nodes);
  if (nodes == NULL) return frz_fail_nomem(err, "input columns");
  *nodes_out = nodes;
  for (size_t i = 0; i < n_fields; i++) {
    nodes[i].field = &fields[i];
    nodes[i].path = join_path(&conform->arena, parent, fields[i].name);
    if (nodes[i].path.data == NULL) return frz_fail_nomem(err, "input columns");
    FRZ_TRY(frz_field_to_arrow(&fields[i], &conform->arena, &nodes[i].target, err));
    FRZ_TRY(find_input(inputs, n_inputs, fields[i].name, nodes[i].path, &nodes[i].source, err));
    if (nodes[i].source < 0)
      FRZ_TRY(read_default(conform, &nodes[i], depth, err));
    else
      FRZ_TRY(match_node(conform, &nodes[i], &inputs[nodes[i].source], depth, err));
  }
  return refuse_unknown(nodes, n_fields, inputs, n_inputs, parent, err);
}

/* LIST and MAP: children are matched by position, whatever they are called. */
static frz_status match_positions(frz_conform *conform, node *into, const frz_arrow_field *inputs,
                                  size_t n_inputs, int depth, frz_error *err)
{
  const frz_type *type = &into->field->type;
  assert(n_inputs == type->n_fields);
  into->children = frz_arena_array(&conform->arena, type->n_fields, sizeof *into->children);
  if (into->children == NULL) return frz_fail_nomem(err, "input columns");
  into->n_children = type->n_fields;
  for (size_t i = 0; i < n_inputs; i++) {
    node *child = &into->children[i];
    child->field = &type->fields[i];
    child->source = (int64_t)i;
    child->path = join_path(&conform->arena, into->path, type->fields[i].name);
    if (child->path.data == NULL) return frz_fail_nomem(err, "input columns");
    FRZ_TRY(frz_field_to_arrow(child->field, &conform->arena, &child->target, err));
    FRZ_TRY(match_node(conform, child, &inputs[i], depth, err));
  }
  return FRZ_OK;
}

static bool all_moved_in_order(const node *into, size_t n_inputs)
{
  if (n_inputs != into->n_children) return false;
  for (size_t i = 0; i < into->n_children; i++)
    if (!into->children[i].is_moved || into->children[i].source != (int64_t)i) return false;
  return true;
}

static frz_status refuse_types(frz_conform *conform, const node *into, const frz_arrow_field *from,
                               frz_error *err)
{
  frz_str type = frz_type_print(&into->field->type, &conform->arena);
  frz_str given = frz_arrow_field_describe(from, &conform->arena);
  bool times =
      into->target.type.kind == FRZ_ARROW_TIMESTAMP && from->type.kind == FRZ_ARROW_TIMESTAMP;
  const char *hint = "";
  if (times && into->target.type.has_zone)
    hint = ": the data has no time zone; give it one (UTC) first";
  else if (times)
    hint = ": the data has a time zone; take it off first";
  return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s' is %.*s, which %.*s data does not fit%s",
                  FRZ_STR_ARG(into->path), FRZ_STR_ARG(type), FRZ_STR_ARG(given), hint);
}

static frz_status match_nested(frz_conform *conform, node *into, const frz_arrow_field *from,
                               int depth, frz_error *err)
{
  const frz_type *type = &into->field->type;
  const frz_arrow_field *inputs = from->children;
  size_t n_inputs = from->n_children;
  if (type->kind == FRZ_TYPE_VARIANT) {
    into->n_children = FRZ_VARIANT_PARTS;
    FRZ_TRY(match_fields(conform, frz_variant_fields, FRZ_VARIANT_PARTS, inputs, n_inputs,
                         into->path, depth + 1, &into->children, err));
  } else if (from->type.kind == FRZ_ARROW_STRUCT) {
    into->n_children = type->n_fields; /* first, so that what was made is freed on failure */
    FRZ_TRY(match_fields(conform, type->fields, type->n_fields, inputs, n_inputs, into->path,
                         depth + 1, &into->children, err));
  } else {
    if (from->type.kind == FRZ_ARROW_MAP) {
      n_inputs = inputs[0].n_children;
      inputs = inputs[0].children;
    }
    if (n_inputs != type->n_fields) return refuse_types(conform, into, from, err);
    FRZ_TRY(match_positions(conform, into, inputs, n_inputs, depth + 1, err));
  }
  into->is_moved = all_moved_in_order(into, n_inputs);
  return FRZ_OK;
}

static frz_status match_node(frz_conform *conform, node *into, const frz_arrow_field *from,
                             int depth, frz_error *err)
{
  if (depth > FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "column '%.*s' is nested deeper than %d levels",
                    FRZ_STR_ARG(into->path), FRZ_LIMIT_DEPTH);
  if (!frz_convert_find(from->type, into->target.type, &into->convert))
    return refuse_types(conform, into, from, err);
  if (into->convert == FRZ_CONVERT_NESTED) return match_nested(conform, into, from, depth, err);
  into->is_moved = into->convert == FRZ_CONVERT_NONE;
  return FRZ_OK;
}

frz_status frz_conform_create(const frz_schema *schema, const frz_arrow_field *fields,
                              size_t n_fields, const frz_conform_options *options,
                              const frz_alloc *alloc, frz_conform **conform_out, frz_error *err)
{
  frz_conform *conform = frz_alloc_zeroed(alloc, sizeof *conform);
  if (conform == NULL) return frz_fail_nomem(err, "input columns");
  frz_status st = FRZ_OK;
  conform->alloc = alloc;
  conform->n_inputs = n_fields;
  if (options != NULL) conform->options = *options;
  frz_arena_init(&conform->arena, alloc, FRZ_LIMIT_METADATA_BYTES);
  conform->n_nodes = schema->root.n_fields;
  FRZ_TRY_OUT(match_fields(conform, schema->root.fields, schema->root.n_fields, fields, n_fields,
                           (frz_str){"", 0}, 0, &conform->nodes, err));
  conform->fields = frz_arena_array(&conform->arena, conform->n_nodes, sizeof *conform->fields);
  if (conform->fields == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "input columns"));
  for (size_t i = 0; i < conform->n_nodes; i++) conform->fields[i] = conform->nodes[i].target;
  *conform_out = conform;
  return FRZ_OK;
out:
  frz_conform_free(conform);
  return st;
}

static void dispose_defaults(node *nodes, size_t n_nodes)
{
  for (size_t i = 0; i < n_nodes; i++) {
    frz_column_dispose(&nodes[i].default_value);
    if (nodes[i].children != NULL) dispose_defaults(nodes[i].children, nodes[i].n_children);
  }
}

void frz_conform_free(frz_conform *conform)
{
  if (conform == NULL) return;
  if (conform->nodes != NULL) dispose_defaults(conform->nodes, conform->n_nodes);
  frz_arena_free(&conform->arena);
  frz_alloc_free(conform->alloc, conform, sizeof *conform);
}

/* ---- converting ---- */

/* The columns above a nested one, to find the row of a value for a message. */
typedef struct trail trail;
struct trail {
  const trail *above;
  const frz_column *column; /* LIST or MAP: `row` is an element of it; else the row itself */
};

static int64_t row_of(const trail *at, int64_t row)
{
  for (; at != NULL; at = at->above) {
    if (at->column->type.kind != FRZ_ARROW_LIST && at->column->type.kind != FRZ_ARROW_MAP) continue;
    const int32_t *offsets = (const int32_t *)(const void *)at->column->offsets.data;
    int64_t list = 0;
    while (list + 1 < at->column->n_rows && offsets[list + 1] <= row) list++;
    row = list;
  }
  return row;
}

/* Nulls of a required field whose parent is there. */
static frz_status check_required(const frz_conform *conform, const node *of,
                                 const frz_column *column, const trail *at, frz_error *err)
{
  if (!of->field->required || column->n_nulls == 0) return FRZ_OK;
  for (int64_t row = 0; row < column->n_rows; row++) {
    if (!frz_column_is_null(column, row)) continue;
    bool in_struct = at != NULL && at->column->type.kind == FRZ_ARROW_STRUCT &&
                     at->column->n_rows == column->n_rows;
    if (in_struct && frz_column_is_null(at->column, row)) continue;
    return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s' is required and is null in row %" PRId64,
                    FRZ_STR_ARG(of->path), conform->n_rows_before + row_of(at, row));
  }
  return FRZ_OK;
}

static frz_status check_tree(const frz_conform *conform, const node *of, const frz_column *column,
                             const trail *above, frz_error *err)
{
  FRZ_TRY(check_required(conform, of, column, above, err));
  const trail here = {above, column};
  const frz_column *children = column->children;
  if (column->type.kind == FRZ_ARROW_MAP) children = children[0].children;
  for (size_t i = 0; i < of->n_children; i++)
    FRZ_TRY(check_tree(conform, &of->children[i], &children[i], &here, err));
  return FRZ_OK;
}

static frz_status fill_missing(const frz_conform *conform, const node *of, const frz_column *parent,
                               int64_t n_rows, frz_column *column_out, frz_error *err)
{
  FRZ_TRY(frz_column_init(column_out, &of->target, conform->alloc, err));
  if (!of->has_default) return frz_column_append_nulls(column_out, n_rows, err);
  if (parent == NULL || parent->n_nulls == 0)
    return frz_column_append_repeat(column_out, &of->default_value, 0, n_rows, err);
  for (int64_t row = 0; row < n_rows; row++) {
    if (frz_column_is_null(parent, row))
      FRZ_TRY(frz_column_append_nulls(column_out, 1, err));
    else
      FRZ_TRY(frz_column_append_repeat(column_out, &of->default_value, 0, 1, err));
  }
  return FRZ_OK;
}

static void set_types(frz_column *column, const frz_arrow_field *target)
{
  column->type = target->type;
  for (size_t i = 0; i < column->n_children; i++)
    set_types(&column->children[i], &target->children[i]);
}

static frz_status convert_column(const frz_conform *conform, const node *of, frz_column *column,
                                 frz_column *column_out, frz_error *err);

static frz_status convert_children(const frz_conform *conform, const node *of, frz_column *inputs,
                                   const frz_column *parent, int64_t n_rows, frz_column *children,
                                   frz_error *err)
{
  for (size_t i = 0; i < of->n_children; i++) {
    const node *child = &of->children[i];
    frz_column_dispose(&children[i]);
    if (child->source < 0)
      FRZ_TRY(fill_missing(conform, child, parent, n_rows, &children[i], err));
    else
      FRZ_TRY(convert_column(conform, child, &inputs[child->source], &children[i], err));
  }
  return FRZ_OK;
}

static void move_buf(frz_buf *to, frz_buf *from)
{
  frz_buf_dispose(to);
  *to = *from;
  *from = (frz_buf){.alloc = from->alloc, .max_bytes = from->max_bytes};
}

static frz_status convert_nested(const frz_conform *conform, const node *of, frz_column *column,
                                 frz_column *column_out, frz_error *err)
{
  frz_column made = {0};
  frz_status st = FRZ_OK;
  FRZ_TRY(frz_column_init(&made, &of->target, conform->alloc, err));
  made.n_rows = column->n_rows;
  made.n_nulls = column->n_nulls;
  move_buf(&made.validity, &column->validity);
  if (made.type.kind == FRZ_ARROW_STRUCT) {
    FRZ_TRY_OUT(
        convert_children(conform, of, column->children, &made, made.n_rows, made.children, err));
  } else {
    move_buf(&made.offsets, &column->offsets);
    bool is_map = made.type.kind == FRZ_ARROW_MAP;
    frz_column *from = is_map ? column->children[0].children : column->children;
    frz_column *to = is_map ? made.children[0].children : made.children;
    if (is_map) made.children[0].n_rows = column->children[0].n_rows;
    FRZ_TRY_OUT(convert_children(conform, of, from, NULL, column->children[0].n_rows, to, err));
  }
  *column_out = made;
  made = (frz_column){0};
out:
  frz_column_dispose(&made);
  return st;
}

static frz_status convert_column(const frz_conform *conform, const node *of, frz_column *column,
                                 frz_column *column_out, frz_error *err)
{
  if (of->is_moved) {
    set_types(column, &of->target);
    *column_out = *column;
    *column = (frz_column){0};
    return FRZ_OK;
  }
  if (of->convert == FRZ_CONVERT_NESTED)
    return convert_nested(conform, of, column, column_out, err);
  frz_convert_task task = {.convert = of->convert,
                           .column = column,
                           .target = &of->target,
                           .truncate = conform->options.truncate_nanoseconds,
                           .path = of->path,
                           .first_row = conform->n_rows_before};
  return frz_convert_values(&task, conform->alloc, column_out, err);
}

frz_status frz_conform_batch(frz_conform *conform, frz_batch *batch, frz_batch *batch_out,
                             frz_error *err)
{
  frz_batch made = {0};
  frz_status st = FRZ_OK;
  assert(batch->n_columns == conform->n_inputs);
  FRZ_TRY(frz_batch_init(&made, conform->fields, conform->n_nodes, conform->alloc, err));
  made.n_rows = batch->n_rows;
  for (size_t i = 0; i < conform->n_nodes; i++) {
    const node *of = &conform->nodes[i];
    frz_column_dispose(&made.columns[i]);
    if (of->source < 0)
      FRZ_TRY_OUT(fill_missing(conform, of, NULL, batch->n_rows, &made.columns[i], err));
    else
      FRZ_TRY_OUT(convert_column(conform, of, &batch->columns[of->source], &made.columns[i], err));
    FRZ_TRY_OUT(check_tree(conform, of, &made.columns[i], NULL, err));
  }
  conform->n_rows_before += batch->n_rows;
  *batch_out = made;
  made = (frz_batch){0};
out:
  frz_batch_dispose(&made);
  return st;
}
