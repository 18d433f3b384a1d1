/*
 * compact_sort.c - see compact_sort.h.
 *
 * Rows are kept as one batch. A sort key is a column of the batch itself where the order names it
 * as it is, else a column that is made of the transformed values. Sorting orders row numbers; rows
 * are copied once, as they are handed on.
 */
#include "iceberg/maintain/compact_sort.h"

#include "arrow/column_sort.h"
#include "base/limits.h"
#include "iceberg/scan/column_map.h"

enum { BATCH_ROWS = 65536 };

static size_t column_bytes(const frz_column *column)
{
  size_t bytes = column->validity.capacity + column->offsets.capacity + column->values.capacity;
  for (size_t i = 0; i < column->n_children; i++) bytes += column_bytes(&column->children[i]);
  return bytes;
}

static frz_status check_field(const frz_schema *schema, const frz_sort_field *field, frz_error *err)
{
  const frz_field *source = frz_schema_find_id(schema, field->source_id);
  frz_type result;
  if (source == NULL || !frz_schema_is_reachable_by_structs(schema, field->source_id))
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "sort order: field %d is not a column that rows can be sorted by",
                    field->source_id);
  if (field->transform.kind != FRZ_TRANSFORM_UNKNOWN && field->n_source_ids <= 1 &&
      frz_transform_result_type(&field->transform, &source->type, &result))
    return FRZ_OK;
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "sort order: transform '%.*s' of column '%.*s'",
                  FRZ_STR_ARG(field->transform.text), FRZ_STR_ARG(source->name));
}

frz_status frz_row_sorter_init(frz_row_sorter *sorter, const frz_alloc *alloc,
                               const frz_schema *schema, const frz_sort_order *order,
                               const frz_arrow_field *fields, size_t n_fields, frz_error *err)
{
  *sorter = (frz_row_sorter){
      .alloc = alloc, .schema = schema, .order = order, .fields = fields, .n_fields = n_fields};
  for (size_t i = 0; i < order->n_fields; i++) FRZ_TRY(check_field(schema, &order->fields[i], err));
  return frz_batch_init(&sorter->rows, fields, n_fields, alloc, err);
}

void frz_row_sorter_dispose(frz_row_sorter *sorter)
{
  if (sorter->alloc != NULL) frz_batch_dispose(&sorter->rows);
  *sorter = (frz_row_sorter){0};
}

frz_status frz_row_sorter_add(frz_row_sorter *sorter, const frz_batch *batch, frz_error *err)
{
  size_t bytes = 0;
  for (size_t i = 0; i < batch->n_columns; i++) {
    FRZ_TRY(frz_column_append_rows(&sorter->rows.columns[i], &batch->columns[i], 0, batch->n_rows,
                                   err));
    bytes += column_bytes(&sorter->rows.columns[i]);
  }
  sorter->rows.n_rows += batch->n_rows;
  sorter->held_bytes = bytes;
  return FRZ_OK;
}

/* ---- keys ---- */

/* A row's value below structs; null where one of them is. */
static frz_literal value_at(const frz_type *type, const frz_column *const *path, size_t depth,
                            int64_t row)
{
  for (size_t i = 0; i + 1 < depth; i++)
    if (frz_column_is_null(path[i], row)) return frz_literal_null(type->kind);
  return frz_literal_from_column(type, path[depth - 1], row);
}

/* The columns from the top down to a field's own. */
static size_t find_columns(const frz_row_sorter *sorter, int32_t field_id,
                           const frz_column *path_out[FRZ_LIMIT_DEPTH + 1])
{
  const frz_field *fields[FRZ_LIMIT_DEPTH];
  size_t depth = 0;
  const frz_type *type = &sorter->schema->root;
  const frz_column *columns = sorter->rows.columns;
  size_t n = 0;
  if (!frz_type_find_path(type, field_id, 0, fields, &depth)) return 0;
  for (size_t level = 0; level <= depth; level++) {
    int32_t wanted = level < depth ? fields[level]->id : field_id;
    size_t i = 0;
    while (type->fields[i].id != wanted) i++;
    path_out[n++] = &columns[i];
    columns = columns[i].children;
    type = &type->fields[i].type;
  }
  return n;
}

static frz_status transform_rows(const frz_row_sorter *sorter, const frz_sort_field *field,
                                 const frz_field *source, const frz_column *const *path,
                                 size_t depth, frz_column *key, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_arena_init(&arena, sorter->alloc, FRZ_LIMIT_COLUMN_BYTES);
  for (int64_t row = 0; row < sorter->rows.n_rows; row++) {
    frz_literal value = value_at(&source->type, path, depth, row), changed;
    FRZ_TRY_OUT(frz_transform_apply(&field->transform, &value, &arena, &changed, err));
    if (changed.is_null)
      FRZ_TRY_OUT(frz_column_append_nulls(key, 1, err));
    else
      FRZ_TRY_OUT(frz_literal_append(&changed, key, err));
    if (arena.used_bytes > (1 << 20)) {
      frz_arena_free(&arena);
      frz_arena_init(&arena, sorter->alloc, FRZ_LIMIT_COLUMN_BYTES);
    }
  }
out:
  frz_arena_free(&arena);
  return st;
}

/* The column to sort by: borrowed from the rows, or made in `own`. */
static frz_status make_key(const frz_row_sorter *sorter, const frz_sort_field *field,
                           frz_arena *arena, frz_column *own, frz_sort_key *key_out, frz_error *err)
{
  const frz_field *source = frz_schema_find_id(sorter->schema, field->source_id);
  const frz_column *path[FRZ_LIMIT_DEPTH + 1];
  size_t depth = find_columns(sorter, field->source_id, path);
  if (depth == 0)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "sort order: column '%.*s'",
                    FRZ_STR_ARG(source->name));
  *key_out = (frz_sort_key){path[depth - 1], field->descending, field->nulls_last};
  if (depth != 1 || field->transform.kind != FRZ_TRANSFORM_IDENTITY) {
    frz_field described = {.id = source->id, .name = source->name};
    frz_arrow_field arrow;
    frz_transform_result_type(&field->transform, &source->type, &described.type);
    FRZ_TRY(frz_field_to_arrow(&described, arena, &arrow, err));
    FRZ_TRY(frz_column_init(own, &arrow, sorter->alloc, err));
    FRZ_TRY(transform_rows(sorter, field, source, path, depth, own, err));
    key_out->column = own;
  }
  if (frz_column_is_sortable(key_out->column->type)) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "sort order: column '%.*s' has no order",
                  FRZ_STR_ARG(source->name));
}

static frz_status order_rows(const frz_row_sorter *sorter, frz_buf *rows, frz_error *err)
{
  frz_status st = FRZ_OK;
  size_t n_keys = sorter->order->n_fields;
  frz_arena arena;
  frz_arena_init(&arena, sorter->alloc, (size_t)1 << 24);
  frz_sort_key *keys = frz_arena_array(&arena, n_keys, sizeof *keys);
  frz_column *own = frz_arena_array(&arena, n_keys, sizeof *own);
  if (keys == NULL || own == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "sort keys"));
  for (size_t i = 0; i < n_keys; i++)
    FRZ_TRY_OUT(make_key(sorter, &sorter->order->fields[i], &arena, &own[i], &keys[i], err));
  FRZ_TRY_OUT(frz_sort_rows(keys, n_keys, sorter->rows.n_rows, rows, err));
out:
  for (size_t i = 0; own != NULL && i < n_keys; i++) frz_column_dispose(&own[i]);
  frz_arena_free(&arena);
  return st;
}

/* ---- handing on ---- */

static frz_status take_rows(const frz_row_sorter *sorter, const int64_t *rows, int64_t n,
                            frz_batch *batch, frz_error *err)
{
  for (size_t i = 0; i < sorter->n_fields; i++)
    FRZ_TRY(frz_column_append_take(&batch->columns[i], &sorter->rows.columns[i], rows, n, err));
  batch->n_rows = n;
  return FRZ_OK;
}

frz_status frz_row_sorter_drain(frz_row_sorter *sorter,
                                frz_status (*take)(void *arg, const frz_batch *batch,
                                                   frz_error *err),
                                void *arg, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf order;
  frz_buf_init(&order, sorter->alloc, SIZE_MAX / 2);
  FRZ_TRY_OUT(order_rows(sorter, &order, err));
  const int64_t *rows = (const int64_t *)(const void *)order.data;
  for (int64_t first = 0; first < sorter->rows.n_rows; first += BATCH_ROWS) {
    int64_t n = sorter->rows.n_rows - first;
    frz_batch batch;
    if (n > BATCH_ROWS) n = BATCH_ROWS;
    FRZ_TRY_OUT(frz_batch_init(&batch, sorter->fields, sorter->n_fields, sorter->alloc, err));
    st = take_rows(sorter, rows + first, n, &batch, err);
    if (st == FRZ_OK) st = take(arg, &batch, err);
    frz_batch_dispose(&batch);
    if (st != FRZ_OK) goto out;
  }
  frz_batch_dispose(&sorter->rows);
  sorter->held_bytes = 0;
  FRZ_TRY_OUT(frz_batch_init(&sorter->rows, sorter->fields, sorter->n_fields, sorter->alloc, err));
out:
  frz_buf_dispose(&order);
  return st;
}
