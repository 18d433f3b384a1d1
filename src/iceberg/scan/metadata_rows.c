/*
 * metadata_rows.c - see metadata_rows.h.
 */
#include "iceberg/scan/metadata_rows.h"

#include <assert.h>

#define ROWS_ARENA_BYTES ((size_t)1 << 20)

/* ---- fields ---- */

static frz_arrow_field plain(const char *name, frz_arrow_kind kind, bool is_nullable)
{
  frz_arrow_field field = {
      .name = frz_str_from(name), .nullable = is_nullable, .field_id = -1, .type = {.kind = kind}};
  return field;
}

static bool nest_map(frz_arena *arena, frz_arrow_kind key, frz_arrow_kind value,
                     frz_arrow_field *field)
{
  frz_arrow_field *entries = frz_arena_push(arena, sizeof *entries);
  frz_arrow_field *pair = frz_arena_array(arena, 2, sizeof *pair);
  if (entries == NULL || pair == NULL) return false;
  field->type.kind = FRZ_ARROW_MAP;
  *entries = plain("entries", FRZ_ARROW_STRUCT, false);
  pair[0] = plain("key", key, false);
  pair[1] = plain("value", value, false);
  entries->children = pair;
  entries->n_children = 2;
  field->children = entries;
  field->n_children = 1;
  return true;
}

static bool nest_list(frz_arena *arena, frz_arrow_kind element, frz_arrow_field *field)
{
  frz_arrow_field *child = frz_arena_push(arena, sizeof *child);
  if (child == NULL) return false;
  field->type.kind = FRZ_ARROW_LIST;
  *child = plain("element", element, false);
  field->children = child;
  field->n_children = 1;
  return true;
}

static bool make_field(frz_arena *arena, const frz_rows_column *column, frz_arrow_field *field)
{
  *field = plain(column->name, FRZ_ARROW_STRING, column->is_nullable);
  switch (column->kind) {
  case FRZ_ROWS_TEXT: return true;
  case FRZ_ROWS_I32: field->type.kind = FRZ_ARROW_INT32; return true;
  case FRZ_ROWS_I64: field->type.kind = FRZ_ARROW_INT64; return true;
  case FRZ_ROWS_BOOL: field->type.kind = FRZ_ARROW_BOOL; return true;
  case FRZ_ROWS_TIME:
    field->type =
        (frz_arrow_type){.kind = FRZ_ARROW_TIMESTAMP, .unit = FRZ_UNIT_US, .has_zone = true};
    return true;
  case FRZ_ROWS_TEXT_MAP: return nest_map(arena, FRZ_ARROW_STRING, FRZ_ARROW_STRING, field);
  case FRZ_ROWS_METRIC_MAP: return nest_map(arena, FRZ_ARROW_INT32, FRZ_ARROW_INT64, field);
  case FRZ_ROWS_BOUND_MAP: return nest_map(arena, FRZ_ARROW_INT32, FRZ_ARROW_BINARY, field);
  case FRZ_ROWS_I32_LIST: return nest_list(arena, FRZ_ARROW_INT32, field);
  case FRZ_ROWS_I64_LIST: return nest_list(arena, FRZ_ARROW_INT64, field);
  case FRZ_ROWS_BYTES: field->type.kind = FRZ_ARROW_BINARY; return true;
  }
  return false;
}

frz_arrow_field *frz_rows_fields(const frz_rows_column *columns, size_t n_columns, frz_arena *arena)
{
  frz_arrow_field *fields = frz_arena_array(arena, n_columns, sizeof *fields);
  for (size_t i = 0; fields != NULL && i < n_columns; i++)
    if (!make_field(arena, &columns[i], &fields[i])) return NULL;
  return fields;
}

frz_status frz_rows_init_fields(frz_rows *rows, const frz_arrow_field *fields, size_t n_fields,
                                const frz_alloc *alloc, frz_error *err)
{
  *rows = (frz_rows){.alloc = alloc, .fields = fields, .n_columns = n_fields};
  frz_arena_init(&rows->arena, alloc, ROWS_ARENA_BYTES);
  rows->levels[0] = (frz_rows_level){.fields = fields, .n_columns = n_fields};
  return frz_batch_init(&rows->batch, fields, n_fields, alloc, err);
}

frz_status frz_rows_init(frz_rows *rows, const frz_rows_column *columns, size_t n_columns,
                         const frz_alloc *alloc, frz_error *err)
{
  frz_arena arena;
  frz_arena_init(&arena, alloc, ROWS_ARENA_BYTES);
  frz_arrow_field *fields = frz_rows_fields(columns, n_columns, &arena);
  frz_status st = fields != NULL ? frz_rows_init_fields(rows, fields, n_columns, alloc, err)
                                 : frz_fail_nomem(err, "metadata rows");
  if (fields == NULL) *rows = (frz_rows){.alloc = alloc};
  rows->arena = arena;
  return st;
}

void frz_rows_dispose(frz_rows *rows)
{
  if (rows->alloc == NULL) return;
  frz_batch_dispose(&rows->batch);
  frz_arena_free(&rows->arena);
  *rows = (frz_rows){0};
}

/* ---- values ---- */

/** What the next value is of. */
static const frz_arrow_field *next_field(const frz_rows *rows)
{
  const frz_rows_level *level = &rows->levels[rows->depth];
  assert(level->next < level->n_columns);
  return &level->fields[level->next];
}

/** The column of the next value, which is given then. */
static frz_column *pass_column(frz_rows *rows)
{
  frz_rows_level *level = &rows->levels[rows->depth];
  assert(level->next < level->n_columns);
  frz_column *columns = rows->depth == 0 ? rows->batch.columns : level->columns;
  frz_column *column = &columns[level->next];
  if (!level->is_list) level->next++;
  return column;
}

/** The column of the next value, or NULL once something failed. */
static frz_column *next_column(frz_rows *rows)
{
  frz_column *column = pass_column(rows);
  return rows->status == FRZ_OK ? column : NULL;
}

static void keep(frz_rows *rows, frz_status st)
{
  if (rows->status == FRZ_OK) rows->status = st;
}

static void append(frz_rows *rows, const void *value, size_t size)
{
  frz_column *column = next_column(rows);
  if (column != NULL) keep(rows, frz_column_append_value(column, value, size, &rows->error));
}

void frz_rows_null(frz_rows *rows)
{
  assert(next_field(rows)->nullable);
  frz_column *column = next_column(rows);
  if (column != NULL) keep(rows, frz_column_append_nulls(column, 1, &rows->error));
}

void frz_rows_text(frz_rows *rows, frz_str value)
{
  if (value.data == NULL && next_field(rows)->nullable)
    frz_rows_null(rows);
  else
    append(rows, value.data != NULL ? value.data : "", value.size);
}

void frz_rows_bytes(frz_rows *rows, frz_str value)
{
  frz_rows_text(rows, value);
}

void frz_rows_i32(frz_rows *rows, int32_t value)
{
  append(rows, &value, sizeof value);
}

void frz_rows_i64(frz_rows *rows, int64_t value)
{
  append(rows, &value, sizeof value);
}

void frz_rows_id(frz_rows *rows, int64_t value)
{
  if (value < 0)
    frz_rows_null(rows);
  else if (next_field(rows)->type.kind == FRZ_ARROW_INT32)
    frz_rows_i32(rows, (int32_t)value);
  else
    frz_rows_i64(rows, value);
}

void frz_rows_bool(frz_rows *rows, bool value)
{
  uint8_t byte = value ? 1 : 0;
  append(rows, &byte, 1);
}

void frz_rows_time(frz_rows *rows, int64_t time_ms)
{
  int64_t time_us;
  if (__builtin_mul_overflow(time_ms, 1000, &time_us))
    time_us = time_ms < 0 ? INT64_MIN : INT64_MAX;
  frz_rows_i64(rows, time_us);
}

void frz_rows_literal(frz_rows *rows, const frz_literal *value)
{
  frz_column *column = next_column(rows);
  if (column != NULL) keep(rows, frz_literal_append(value, column, &rows->error));
}

/* ---- nested values ---- */

static void push_level(frz_rows *rows, bool is_list)
{
  const frz_arrow_field *field = next_field(rows);
  frz_column *columns = rows->depth == 0 ? rows->batch.columns : rows->levels[rows->depth].columns;
  frz_column *column = &columns[rows->levels[rows->depth].next];
  assert(rows->depth + 1 < FRZ_ROWS_DEPTH);
  rows->levels[++rows->depth] = (frz_rows_level){.columns = column->children,
                                                 .fields = field->children,
                                                 .n_columns = field->n_children,
                                                 .is_list = is_list};
}

/** The values below are given: now the struct or list itself is. */
static void pop_level(frz_rows *rows)
{
  assert(rows->depth > 0);
  rows->depth--;
  frz_column *column = next_column(rows);
  if (column != NULL) keep(rows, frz_column_append_present(column, &rows->error));
}

void frz_rows_struct_begin(frz_rows *rows)
{
  push_level(rows, false);
}

void frz_rows_struct_end(frz_rows *rows)
{
  assert(rows->levels[rows->depth].next == rows->levels[rows->depth].n_columns);
  pop_level(rows);
}

void frz_rows_list_begin(frz_rows *rows)
{
  push_level(rows, true);
}

void frz_rows_list_end(frz_rows *rows)
{
  pop_level(rows);
}

/** Appends one pair to the entries of a map. */
static void append_pair(frz_rows *rows, frz_column *map, const void *key, size_t key_size,
                        const void *value, size_t value_size)
{
  frz_column *entries = &map->children[0];
  if (rows->status == FRZ_OK)
    keep(rows, frz_column_append_value(&entries->children[0], key, key_size, &rows->error));
  if (rows->status == FRZ_OK)
    keep(rows, frz_column_append_value(&entries->children[1], value, value_size, &rows->error));
  if (rows->status == FRZ_OK) keep(rows, frz_column_append_present(entries, &rows->error));
}

static void close_nested(frz_rows *rows, frz_column *column)
{
  if (rows->status == FRZ_OK) keep(rows, frz_column_append_present(column, &rows->error));
}

void frz_rows_texts(frz_rows *rows, const frz_text_pair *pairs, size_t n_pairs)
{
  frz_column *column = next_column(rows);
  if (column == NULL) return;
  for (size_t i = 0; i < n_pairs; i++)
    append_pair(rows, column, pairs[i].key.data, pairs[i].key.size, pairs[i].value.data,
                pairs[i].value.size);
  close_nested(rows, column);
}

void frz_rows_metrics(frz_rows *rows, const frz_metric *metrics, size_t n_metrics)
{
  frz_column *column = next_column(rows);
  if (column == NULL) return;
  for (size_t i = 0; i < n_metrics; i++)
    append_pair(rows, column, &metrics[i].field_id, sizeof metrics[i].field_id, &metrics[i].value,
                sizeof metrics[i].value);
  close_nested(rows, column);
}

void frz_rows_bounds(frz_rows *rows, const frz_bound *bounds, size_t n_bounds)
{
  frz_column *column = next_column(rows);
  if (column == NULL) return;
  for (size_t i = 0; i < n_bounds; i++)
    append_pair(rows, column, &bounds[i].field_id, sizeof bounds[i].field_id, bounds[i].bytes.data,
                bounds[i].bytes.size);
  close_nested(rows, column);
}

void frz_rows_i32s(frz_rows *rows, const int32_t *values, size_t n_values)
{
  frz_column *column = next_column(rows);
  for (size_t i = 0; column != NULL && rows->status == FRZ_OK && i < n_values; i++)
    keep(rows,
         frz_column_append_value(&column->children[0], &values[i], sizeof values[i], &rows->error));
  if (column != NULL) close_nested(rows, column);
}

void frz_rows_i64s(frz_rows *rows, const int64_t *values, size_t n_values)
{
  frz_column *column = next_column(rows);
  for (size_t i = 0; column != NULL && rows->status == FRZ_OK && i < n_values; i++)
    keep(rows,
         frz_column_append_value(&column->children[0], &values[i], sizeof values[i], &rows->error));
  if (column != NULL) close_nested(rows, column);
}

frz_status frz_rows_end(frz_rows *rows, frz_error *err)
{
  assert(rows->depth == 0 && rows->levels[0].next == rows->n_columns);
  rows->levels[0].next = 0;
  if (rows->status != FRZ_OK) {
    if (err != NULL) *err = rows->error;
    return rows->status;
  }
  rows->batch.n_rows++;
  return FRZ_OK;
}

/* ---- the end ---- */

frz_status frz_rows_take(frz_rows *rows, frz_batch *batch_out, frz_error *err)
{
  frz_batch fresh;
  assert(rows->depth == 0 && rows->levels[0].next == 0);
  FRZ_TRY(frz_batch_init(&fresh, rows->fields, rows->n_columns, rows->alloc, err));
  *batch_out = rows->batch;
  rows->batch = fresh;
  return FRZ_OK;
}

frz_status frz_rows_stream(frz_rows *rows, struct ArrowArrayStream *stream_out, frz_error *err)
{
  frz_batch batch;
  FRZ_TRY(frz_rows_take(rows, &batch, err));
  return frz_stream_export_batches(rows->fields, rows->n_columns, &batch, 1, rows->alloc,
                                   stream_out, err);
}
