/*
 * keyed_rows.c - see keyed_rows.h.
 *
 * Keys are compared as bytes: both sides are conformed to the same schema first, and floating
 * point, where equal values have several forms, cannot be a key.
 */
#include "iceberg/write/keyed_rows.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "iceberg/scan/metadata_columns.h"
#include "iceberg/write/input_conform.h"

/* With more keys than these, files are left out by the keys' range alone. */
enum { KEYS_LISTED_MAX = 1000 };

/* ---- key columns ---- */

static frz_status check_key(const frz_keyed_rows *self, const frz_field *field, frz_str name,
                            frz_error *err)
{
  frz_type_kind kind = field->type.kind;
  if (!frz_type_is_primitive(&field->type) || kind == FRZ_TYPE_FLOAT || kind == FRZ_TYPE_DOUBLE ||
      kind == FRZ_TYPE_UNKNOWN || kind == FRZ_TYPE_VARIANT)
    return frz_fail(err, FRZ_ERR_INVALID, "join column '%.*s': a %s cannot be a key",
                    FRZ_STR_ARG(name), frz_type_kind_name(kind));
  if (!frz_schema_is_reachable_by_structs(self->schema, field->id))
    return frz_fail(err, FRZ_ERR_INVALID, "join column '%.*s' has many values a row",
                    FRZ_STR_ARG(name));
  for (size_t i = 0; i < self->n_keys; i++)
    if (self->key_fields[i]->id == field->id)
      return frz_fail(err, FRZ_ERR_INVALID, "join column '%.*s' is named twice", FRZ_STR_ARG(name));
  return FRZ_OK;
}

static frz_status add_key(frz_keyed_rows *self, const frz_field *field, frz_error *err)
{
  frz_str name = frz_schema_name_of(self->schema, field->id, &self->arena);
  if (name.data == NULL) return frz_fail_nomem(err, "join columns");
  FRZ_TRY(check_key(self, field, name, err));
  self->key_names[self->n_keys] = name.data;
  self->key_fields[self->n_keys++] = field;
  return FRZ_OK;
}

static frz_status choose_keys(frz_keyed_rows *self, const char *const *names, size_t n_names,
                              bool case_sensitive, frz_error *err)
{
  const frz_schema *schema = self->schema;
  size_t n = n_names != 0 ? n_names : schema->n_identifier_field_ids;
  if (n == 0)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "no join columns are given, and the table has no identifier fields");
  self->key_fields = frz_arena_array(&self->arena, n, sizeof(const frz_field *));
  self->key_names = frz_arena_array(&self->arena, n, sizeof(const char *));
  if (self->key_fields == NULL || self->key_names == NULL)
    return frz_fail_nomem(err, "join columns");
  for (size_t i = 0; i < n; i++) {
    if (n_names != 0 && names[i] == NULL)
      return frz_fail(err, FRZ_ERR_INVALID, "join column %zu is NULL", i);
    const frz_field *field =
        n_names != 0 ? frz_schema_find_name(schema, frz_str_from(names[i]), case_sensitive)
                     : frz_schema_find_id(schema, schema->identifier_field_ids[i]);
    if (field == NULL)
      return frz_schema_fail_name(schema, "join columns: ", frz_str_from(names[i]), err);
    FRZ_TRY(add_key(self, field, err));
  }
  return FRZ_OK;
}

/* ---- life ---- */

frz_status frz_keyed_rows_init(frz_keyed_rows *self, frz_context *context, const frz_schema *schema,
                               const char *const *names, size_t n_names, bool case_sensitive,
                               frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  size_t memory_bytes = (size_t)frz_context_memory_limit(context);
  *self = (frz_keyed_rows){.alloc = alloc, .schema = schema};
  frz_arena_init(&self->arena, alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_map_init(&self->rows, alloc, memory_bytes);
  frz_buf_init(&self->states, alloc, memory_bytes);
  frz_buf_init(&self->row_ids, alloc, memory_bytes);
  FRZ_TRY(choose_keys(self, names, n_names, case_sensitive, err));
  size_t n = schema->root.n_fields;
  self->fields = frz_arena_array(&self->arena, n, sizeof *self->fields);
  if (self->fields == NULL) return frz_fail_nomem(err, "columns");
  for (size_t i = 0; i < n; i++)
    FRZ_TRY(frz_field_to_arrow(&schema->root.fields[i], &self->arena, &self->fields[i], err));
  return frz_keyed_rows_leaves(self, self->fields, n, &self->arena, &self->leaves, err);
}

void frz_keyed_rows_dispose(frz_keyed_rows *self)
{
  if (self->alloc == NULL) return;
  for (size_t i = 0; i < self->n_batches; i++) frz_batch_dispose(&self->batches[i].batch);
  frz_map_dispose(&self->rows);
  frz_buf_dispose(&self->states);
  frz_buf_dispose(&self->row_ids);
  frz_arena_free(&self->arena);
}

frz_status frz_keyed_rows_leaves(const frz_keyed_rows *self, const frz_arrow_field *fields,
                                 size_t n_fields, frz_arena *arena, frz_leaf **leaves_out,
                                 frz_error *err)
{
  const frz_column_source source = {.fields = fields, .n_fields = n_fields};
  frz_leaf *leaves = frz_arena_array(arena, self->n_keys, sizeof *leaves);
  if (leaves == NULL) return frz_fail_nomem(err, "join columns");
  for (size_t i = 0; i < self->n_keys; i++)
    FRZ_TRY(
        frz_leaf_make(&self->schema->root, self->key_fields[i], &source, arena, &leaves[i], err));
  *leaves_out = leaves;
  return FRZ_OK;
}

/* ---- keys ---- */

/* The key of a row; false: it has a null. */
static frz_status make_key(const frz_leaf_column *columns, size_t n_keys, int64_t row, frz_buf *key,
                           bool *is_key_out, frz_error *err)
{
  key->size = 0;
  for (size_t i = 0; i < n_keys; i++) {
    *is_key_out = !frz_column_is_null(&columns[i].column, row);
    if (!*is_key_out) return FRZ_OK;
    FRZ_TRY(frz_leaf_key(&columns[i], row, key, err));
  }
  return FRZ_OK;
}

frz_status frz_keyed_rows_find(const frz_keyed_rows *self, const frz_leaf_column *columns,
                               int64_t row, frz_buf *scratch, int64_t *found_out, frz_error *err)
{
  bool is_key = false;
  FRZ_TRY(make_key(columns, self->n_keys, row, scratch, &is_key, err));
  const uint64_t *found = is_key ? frz_map_find(&self->rows, frz_buf_str(scratch)) : NULL;
  *found_out = found != NULL ? (int64_t)*found : -1;
  return FRZ_OK;
}

static frz_status read_leaves(const frz_keyed_rows *self, const frz_batch *batch,
                              frz_leaf_column *columns, frz_error *err)
{
  for (size_t i = 0; i < self->n_keys; i++)
    FRZ_TRY(frz_leaf_read(&self->leaves[i], batch->columns, batch->n_rows, self->alloc, &columns[i],
                          err));
  return FRZ_OK;
}

static void dispose_leaves(const frz_keyed_rows *self, frz_leaf_column *columns)
{
  if (columns == NULL) return;
  for (size_t i = 0; i < self->n_keys; i++) frz_leaf_column_dispose(&columns[i]);
  frz_alloc_free(self->alloc, columns, self->n_keys * sizeof *columns);
}

static frz_status fail_duplicate(frz_keyed_rows *self, const frz_leaf_column *columns, int64_t row,
                                 int64_t first_row, int64_t second_row, frz_error *err)
{
  frz_buf text;
  frz_buf_init(&text, self->alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_status st = FRZ_OK;
  for (size_t i = 0; st == FRZ_OK && i < self->n_keys; i++) {
    frz_literal value =
        frz_literal_from_column(&self->key_fields[i]->type, &columns[i].column, row);
    frz_str printed = frz_literal_print(&value, &self->arena);
    if (printed.data == NULL) st = frz_fail_nomem(err, "key");
    if (st == FRZ_OK)
      st = frz_buf_print(&text, err, "%s%s=%.*s", i == 0 ? "" : ", ", self->key_names[i],
                         FRZ_STR_ARG(printed));
  }
  if (st == FRZ_OK)
    st = frz_fail(err, FRZ_ERR_INVALID, "rows %lld and %lld of the data have one key: %.*s",
                  (long long)first_row, (long long)second_row, FRZ_STR_ARG(frz_buf_str(&text)));
  frz_buf_dispose(&text);
  return st;
}

static frz_status index_batch(frz_keyed_rows *self, const frz_batch *batch, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf key;
  frz_buf_init(&key, self->alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_leaf_column *columns = frz_alloc_zeroed(self->alloc, self->n_keys * sizeof *columns);
  if (columns == NULL) return frz_fail_nomem(err, "join columns");
  FRZ_TRY_OUT(read_leaves(self, batch, columns, err));
  for (int64_t row = 0; row < batch->n_rows; row++) {
    bool is_key = false, is_first = true;
    uint64_t *known = NULL;
    FRZ_TRY_OUT(make_key(columns, self->n_keys, row, &key, &is_key, err));
    if (!is_key) continue;
    FRZ_TRY_OUT(frz_map_insert(&self->rows, frz_buf_str(&key), (uint64_t)(self->n_rows + row),
                               &known, &is_first, err));
    if (!is_first)
      FRZ_TRY_OUT(fail_duplicate(self, columns, row, (int64_t)*known, self->n_rows + row, err));
  }
out:
  dispose_leaves(self, columns);
  frz_buf_dispose(&key);
  return st;
}

/* ---- reading ---- */

static frz_status add_batch(frz_keyed_rows *self, frz_batch *batch, frz_error *err)
{
  frz_keyed_batch *batches = frz_arena_list_room(&self->arena, self->batches, self->n_batches,
                                                 &self->batches_capacity, sizeof *batches);
  if (batches == NULL) return frz_fail_nomem(err, "rows");
  self->batches = batches;
  FRZ_TRY(index_batch(self, batch, err));
  size_t n_rows = (size_t)(self->n_rows + batch->n_rows);
  FRZ_TRY(frz_buf_resize_zeroed(&self->states, n_rows, err));
  FRZ_TRY(frz_buf_resize_zeroed(&self->row_ids, n_rows * sizeof(int64_t), err));
  batches[self->n_batches++] = (frz_keyed_batch){*batch, self->n_rows};
  self->n_rows += batch->n_rows;
  *batch = (frz_batch){0};
  return FRZ_OK;
}

/* A column of the schema, at the top or inside structs, that the data does not bring. */
static frz_str find_missing(const frz_type *type, const frz_arrow_field *fields, size_t n_fields,
                            int depth)
{
  for (size_t i = 0; i < type->n_fields && depth < FRZ_LIMIT_DEPTH; i++) {
    const frz_field *wanted = &type->fields[i];
    const frz_arrow_field *found = NULL;
    for (size_t k = 0; k < n_fields && found == NULL; k++)
      if (frz_str_equal(fields[k].name, wanted->name)) found = &fields[k];
    if (found == NULL) return wanted->name;
    if (wanted->type.kind != FRZ_TYPE_STRUCT) continue;
    frz_str below = find_missing(&wanted->type, found->children, found->n_children, depth + 1);
    if (below.data != NULL) return below;
  }
  return (frz_str){0};
}

static frz_status read_batches(frz_keyed_rows *self, frz_context *context,
                               frz_stream_reader *reader, frz_conform *conform, frz_error *err)
{
  for (;;) {
    frz_batch batch = {0}, shaped = {0};
    FRZ_TRY(frz_context_poll(context, err));
    FRZ_TRY(frz_stream_reader_next(reader, &batch, err));
    bool ended = batch.n_rows == 0;
    frz_status st = ended ? FRZ_OK : frz_conform_batch(conform, &batch, &shaped, err);
    if (st == FRZ_OK && !ended) st = add_batch(self, &shaped, err);
    frz_batch_dispose(&batch);
    frz_batch_dispose(&shaped);
    FRZ_TRY(st);
    if (ended) return FRZ_OK;
  }
}

frz_status frz_keyed_rows_read(frz_keyed_rows *self, frz_context *context,
                               struct ArrowArrayStream *data, const frz_write_options *options,
                               frz_error *err)
{
  const frz_conform_options conform_options = {options->truncate_nanoseconds};
  frz_status st = FRZ_OK;
  frz_conform *conform = NULL;
  frz_stream_reader reader = {0};
  FRZ_TRY(frz_stream_reader_open(&reader, data, self->alloc, err));
  frz_str missing = find_missing(&self->schema->root, reader.fields, reader.n_fields, 0);
  if (missing.data != NULL) {
    self->missing_column = frz_arena_keep(&self->arena, missing);
    if (self->missing_column.data == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "columns"));
  }
  FRZ_TRY_OUT(frz_conform_create(self->schema, reader.fields, reader.n_fields, &conform_options,
                                 self->alloc, &conform, err));
  FRZ_TRY_OUT(read_batches(self, context, &reader, conform, err));
out:
  frz_conform_free(conform);
  frz_stream_reader_dispose(&reader);
  return st;
}

const frz_batch *frz_keyed_rows_at(const frz_keyed_rows *self, int64_t row, int64_t *place_out)
{
  size_t low = 0;
  size_t high = self->n_batches;
  assert(row >= 0 && row < self->n_rows);
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (self->batches[middle].first_row <= row)
      low = middle;
    else
      high = middle;
  }
  *place_out = row - self->batches[low].first_row;
  return &self->batches[low].batch;
}

/* ---- the filter ---- */

/* The values of one key column. */
typedef struct key_values {
  const frz_field *field;
  frz_arena *arena;
  frz_map seen;
  frz_literal *listed; /* distinct */
  size_t n_listed;
  bool too_many;
  bool is_empty;
  frz_literal least, greatest;
  frz_buf least_bytes, greatest_bytes; /* of texts: what the literals point to */
} key_values;

static bool has_bytes(const frz_literal *value)
{
  return value->kind == FRZ_TYPE_STRING || value->kind == FRZ_TYPE_BINARY ||
         value->kind == FRZ_TYPE_FIXED || value->kind == FRZ_TYPE_UUID;
}

static frz_status keep_bound(const frz_literal *value, frz_literal *bound, frz_buf *bytes,
                             frz_error *err)
{
  *bound = *value;
  if (!has_bytes(value)) return FRZ_OK;
  bytes->size = 0;
  FRZ_TRY(frz_buf_append_str(bytes, value->as.bytes, err));
  bound->as.bytes = frz_buf_str(bytes);
  return FRZ_OK;
}

static frz_status list_value(key_values *values, const frz_leaf_column *column, int64_t row,
                             const frz_literal *value, frz_buf *key, frz_error *err)
{
  bool is_first = false;
  key->size = 0;
  FRZ_TRY(frz_leaf_key(column, row, key, err));
  FRZ_TRY(frz_map_insert(&values->seen, frz_buf_str(key), 0, NULL, &is_first, err));
  if (!is_first) return FRZ_OK;
  values->too_many = values->n_listed == KEYS_LISTED_MAX;
  if (values->too_many) return FRZ_OK;
  frz_literal kept = *value;
  if (has_bytes(value)) {
    kept.as.bytes = frz_arena_keep(values->arena, value->as.bytes);
    if (kept.as.bytes.data == NULL) return frz_fail_nomem(err, "keys");
  }
  values->listed[values->n_listed++] = kept;
  return FRZ_OK;
}

static frz_status note_value(key_values *values, const frz_leaf_column *column, int64_t row,
                             frz_buf *key, frz_error *err)
{
  frz_literal value = frz_literal_from_column(&values->field->type, &column->column, row);
  if (values->is_empty || frz_literal_compare(&value, &values->least) < 0)
    FRZ_TRY(keep_bound(&value, &values->least, &values->least_bytes, err));
  if (values->is_empty || frz_literal_compare(&value, &values->greatest) > 0)
    FRZ_TRY(keep_bound(&value, &values->greatest, &values->greatest_bytes, err));
  values->is_empty = false;
  return values->too_many ? FRZ_OK : list_value(values, column, row, &value, key, err);
}

/* Rows with a null in any key column have no key. */
static bool has_key(const frz_leaf_column *columns, size_t n_keys, int64_t row)
{
  for (size_t i = 0; i < n_keys; i++)
    if (frz_column_is_null(&columns[i].column, row)) return false;
  return true;
}

static frz_status note_batch(const frz_keyed_rows *self, const frz_batch *batch, key_values *values,
                             frz_buf *key, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_leaf_column *columns = frz_alloc_zeroed(self->alloc, self->n_keys * sizeof *columns);
  if (columns == NULL) return frz_fail_nomem(err, "join columns");
  FRZ_TRY_OUT(read_leaves(self, batch, columns, err));
  for (int64_t row = 0; row < batch->n_rows; row++) {
    if (!has_key(columns, self->n_keys, row)) continue;
    for (size_t i = 0; i < self->n_keys; i++)
      FRZ_TRY_OUT(note_value(&values[i], &columns[i], row, key, err));
  }
out:
  dispose_leaves(self, columns);
  return st;
}

static frz_status bound_predicate(const key_values *values, const frz_literal *bound,
                                  frz_predicate predicate, frz_expr *expr, frz_error *err)
{
  frz_literal *literal = frz_arena_push(values->arena, sizeof *literal);
  if (literal == NULL) return frz_fail_nomem(err, "keys");
  *literal = *bound;
  if (has_bytes(bound)) {
    literal->as.bytes = frz_arena_keep(values->arena, bound->as.bytes);
    if (literal->as.bytes.data == NULL) return frz_fail_nomem(err, "keys");
  }
  *expr = (frz_expr){.kind = FRZ_EXPR_PREDICATE,
                     .predicate = predicate,
                     .field = values->field,
                     .literals = literal,
                     .n_literals = 1};
  return FRZ_OK;
}

static int compare_literals(const void *a, const void *b)
{
  return frz_literal_compare(a, b);
}

/* What is true of every row with one of the values. */
static frz_status make_predicate(key_values *values, const frz_expr **expr_out, frz_error *err)
{
  frz_expr *exprs = frz_arena_array(values->arena, 3, sizeof *exprs);
  if (exprs == NULL) return frz_fail_nomem(err, "keys");
  if (values->too_many) {
    FRZ_TRY(bound_predicate(values, &values->least, FRZ_PREDICATE_GE, &exprs[0], err));
    FRZ_TRY(bound_predicate(values, &values->greatest, FRZ_PREDICATE_LE, &exprs[1], err));
    exprs[2] = (frz_expr){.kind = FRZ_EXPR_AND, .left = &exprs[0], .right = &exprs[1]};
    *expr_out = &exprs[2];
    return FRZ_OK;
  }
  qsort(values->listed, values->n_listed, sizeof *values->listed, compare_literals);
  exprs[0] = (frz_expr){.kind = FRZ_EXPR_PREDICATE,
                        .predicate = values->n_listed == 1 ? FRZ_PREDICATE_EQ : FRZ_PREDICATE_IN,
                        .field = values->field,
                        .literals = values->listed,
                        .n_literals = values->n_listed};
  *expr_out = &exprs[0];
  return FRZ_OK;
}

static frz_status join_predicates(const frz_keyed_rows *self, key_values *values, frz_arena *arena,
                                  const frz_expr **filter_out, frz_error *err)
{
  static const frz_expr no_key = {.kind = FRZ_EXPR_FALSE};
  const frz_expr *filter = NULL;
  for (size_t i = 0; i < self->n_keys && !values[i].is_empty; i++) {
    const frz_expr *next = NULL;
    FRZ_TRY(make_predicate(&values[i], &next, err));
    filter = frz_expr_and(filter, next, arena);
    if (filter == NULL) return frz_fail_nomem(err, "keys");
  }
  *filter_out = filter != NULL ? filter : &no_key;
  return FRZ_OK;
}

frz_status frz_keyed_rows_filter(const frz_keyed_rows *self, frz_arena *arena,
                                 const frz_expr **filter_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf key;
  frz_buf_init(&key, self->alloc, FRZ_LIMIT_COLUMN_BYTES);
  key_values *values = frz_arena_array(arena, self->n_keys, sizeof *values);
  if (values == NULL) return frz_fail_nomem(err, "keys");
  for (size_t i = 0; i < self->n_keys; i++) {
    values[i] = (key_values){.field = self->key_fields[i], .arena = arena, .is_empty = true};
    frz_map_init(&values[i].seen, self->alloc, FRZ_LIMIT_COLUMN_BYTES);
    frz_buf_init(&values[i].least_bytes, self->alloc, FRZ_LIMIT_COLUMN_BYTES);
    frz_buf_init(&values[i].greatest_bytes, self->alloc, FRZ_LIMIT_COLUMN_BYTES);
  }
  for (size_t i = 0; i < self->n_keys; i++) {
    values[i].listed = frz_arena_array(arena, KEYS_LISTED_MAX, sizeof *values[i].listed);
    if (values[i].listed == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "keys"));
  }
  for (size_t i = 0; i < self->n_batches; i++)
    FRZ_TRY_OUT(note_batch(self, &self->batches[i].batch, values, &key, err));
  FRZ_TRY_OUT(join_predicates(self, values, arena, filter_out, err));
out:
  for (size_t i = 0; i < self->n_keys; i++) {
    frz_map_dispose(&values[i].seen);
    frz_buf_dispose(&values[i].least_bytes);
    frz_buf_dispose(&values[i].greatest_bytes);
  }
  frz_buf_dispose(&key);
  return st;
}

/* ---- writing ---- */

/* The rows of a batch that are written, and the lineage of each. */
static int64_t choose_rows(const frz_keyed_rows *self, const frz_keyed_batch *from, int64_t *rows,
                           int64_t *row_ids, int64_t *n_new, int64_t *n_changed)
{
  const int64_t *known_ids = (const int64_t *)(const void *)self->row_ids.data;
  int64_t n = 0;
  for (int64_t i = 0; i < from->batch.n_rows; i++) {
    frz_keyed_state state = frz_keyed_rows_state(self, from->first_row + i);
    if (state == FRZ_KEYED_EQUAL) continue;
    if (state == FRZ_KEYED_NEW)
      (*n_new)++;
    else
      (*n_changed)++;
    rows[n] = i;
    row_ids[n++] = state == FRZ_KEYED_CHANGED ? known_ids[from->first_row + i] : -1;
  }
  return n;
}

static frz_status write_batch(const frz_keyed_rows *self, frz_keyed_batch *from,
                              frz_data_file_writer *writer, bool with_lineage, int64_t *n_new,
                              int64_t *n_changed, frz_error *err)
{
  frz_status st = FRZ_OK;
  size_t n_rows = (size_t)from->batch.n_rows;
  int64_t *rows = frz_alloc_array(self->alloc, n_rows, 2 * sizeof *rows);
  if (rows == NULL) return frz_fail_nomem(err, "rows");
  int64_t n = choose_rows(self, from, rows, rows + n_rows, n_new, n_changed);
  if (n == 0) goto out;
  FRZ_TRY_OUT(frz_batch_filter(&from->batch, rows, n, err));
  if (with_lineage) FRZ_TRY_OUT(frz_batch_append_lineage(&from->batch, rows + n_rows, NULL, err));
  FRZ_TRY_OUT(frz_data_file_writer_write(writer, &from->batch, err));
out:
  frz_alloc_free(self->alloc, rows, n_rows * 2 * sizeof *rows);
  return st;
}

frz_status frz_keyed_rows_write(frz_keyed_rows *self, frz_data_file_writer *writer,
                                bool with_lineage, int64_t *n_new_out, int64_t *n_changed_out,
                                frz_error *err)
{
  int64_t n_new = 0, n_changed = 0;
  for (size_t i = 0; i < self->n_batches; i++) {
    FRZ_TRY(write_batch(self, &self->batches[i], writer, with_lineage, &n_new, &n_changed, err));
    frz_batch_dispose(&self->batches[i].batch);
  }
  *n_new_out = n_new;
  *n_changed_out = n_changed;
  return FRZ_OK;
}
