/*
 * key_filter.c - see key_filter.h.
 *
 * A key value becomes a literal of the table column's type. A value that no value of that type can
 * be equal to matches nothing, so it is left out; a null too. Types whose equality is not that of
 * filters (floating point) or that are compared through another form say nothing.
 *
 * Invariants: the list of distinct values is sorted, and holds all values seen unless there were
 * more than LIST_MAX; bytes of literals lie in the filter's own memory.
 */
#include "pit/key_filter.h"

/** A longer list is hardly ever missed as a whole, and takes long to test. */
enum { LIST_MAX = 1000 };

struct frz_key_values {
  const frz_field *field; /* NULL: it says nothing */
  frz_literal least, greatest;
  bool any;
  frz_buf least_bytes, greatest_bytes;
  frz_literal *list; /* LIST_MAX places */
  size_t n_list;
  bool is_long; /* there are more values than the list has */
  frz_arena bytes;
};

static bool is_bytes(const frz_literal *literal)
{
  return literal->kind == FRZ_TYPE_STRING || literal->kind == FRZ_TYPE_BINARY ||
         literal->kind == FRZ_TYPE_FIXED || literal->kind == FRZ_TYPE_UUID;
}

static bool says_something(const frz_field *field, frz_key_form form)
{
  switch (field->type.kind) {
  case FRZ_TYPE_INT:
  case FRZ_TYPE_LONG:
  case FRZ_TYPE_DATE:
  case FRZ_TYPE_TIME:
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS: return form == FRZ_KEY_INTEGER;
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_BINARY:
  case FRZ_TYPE_FIXED:
  case FRZ_TYPE_UUID: return form == FRZ_KEY_BYTES;
  default: return false;
  }
}

/* False: no value of the column is equal to it. */
static bool literal_of(const frz_field *field, const frz_column *column, int64_t row,
                       frz_literal *literal_out)
{
  frz_literal literal = {.kind = field->type.kind};
  int64_t integer = 0;
  if (frz_column_is_null(column, row)) return false;
  switch (field->type.kind) {
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE:
    if (!frz_key_integer(column, row, &integer) || integer < INT32_MIN || integer > INT32_MAX)
      return false;
    literal.as.i32 = (int32_t)integer;
    break;
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_BINARY: literal.as.bytes = frz_column_bytes(column, row); break;
  case FRZ_TYPE_FIXED:
  case FRZ_TYPE_UUID:
    literal.as.bytes = frz_column_bytes(column, row);
    if (literal.as.bytes.size !=
        (size_t)(field->type.kind == FRZ_TYPE_UUID ? 16 : field->type.length))
      return false;
    break;
  default:
    if (!frz_key_integer(column, row, &integer)) return false;
    literal.as.i64 = integer;
    break;
  }
  *literal_out = literal;
  return true;
}

/* ---- values ---- */

static frz_status keep_bound(frz_literal *bound, frz_buf *bytes, const frz_literal *value,
                             frz_error *err)
{
  *bound = *value;
  if (!is_bytes(value)) return FRZ_OK;
  bytes->size = 0;
  FRZ_TRY(frz_buf_append(bytes, value->as.bytes.data, value->as.bytes.size, err));
  bound->as.bytes.data = bytes->data != NULL ? (const char *)bytes->data : "";
  return FRZ_OK;
}

/* The place of the first value of the list that is not less. */
static size_t find_place(const frz_key_values *values, const frz_literal *value)
{
  size_t first = 0;
  size_t end = values->n_list;
  while (first < end) {
    size_t middle = first + (end - first) / 2;
    if (frz_literal_compare(&values->list[middle], value) < 0)
      first = middle + 1;
    else
      end = middle;
  }
  return first;
}

static frz_status add_to_list(frz_key_values *values, const frz_literal *value, frz_error *err)
{
  size_t at = find_place(values, value);
  if (at < values->n_list && frz_literal_compare(&values->list[at], value) == 0) return FRZ_OK;
  if (values->n_list == LIST_MAX) {
    values->is_long = true;
    return FRZ_OK;
  }
  frz_literal kept = *value;
  if (is_bytes(value)) {
    kept.as.bytes = frz_arena_copy(&values->bytes, value->as.bytes);
    if (kept.as.bytes.data == NULL) return frz_fail_nomem(err, "join keys");
  }
  memmove(&values->list[at + 1], &values->list[at], (values->n_list - at) * sizeof kept);
  values->list[at] = kept;
  values->n_list++;
  return FRZ_OK;
}

static frz_status add_column(frz_key_values *values, const frz_column *column, frz_error *err)
{
  for (int64_t row = 0; row < column->n_rows; row++) {
    frz_literal value;
    if (!literal_of(values->field, column, row, &value)) continue;
    if (!values->any || frz_literal_compare(&value, &values->least) < 0)
      FRZ_TRY(keep_bound(&values->least, &values->least_bytes, &value, err));
    if (!values->any || frz_literal_compare(&value, &values->greatest) > 0)
      FRZ_TRY(keep_bound(&values->greatest, &values->greatest_bytes, &value, err));
    values->any = true;
    if (!values->is_long) FRZ_TRY(add_to_list(values, &value, err));
  }
  return FRZ_OK;
}

/* Most keys are such: a million of them should take no longer than reading them. */
static frz_status add_longs(frz_key_values *values, const frz_column *column, frz_error *err)
{
  const int64_t *numbers = (const int64_t *)(const void *)column->values.data;
  frz_literal value = {.kind = values->field->type.kind};
  int64_t least = numbers[0];
  int64_t greatest = numbers[0];
  for (int64_t i = 1; i < column->n_rows; i++) {
    least = numbers[i] < least ? numbers[i] : least;
    greatest = numbers[i] > greatest ? numbers[i] : greatest;
  }
  if (values->any && values->least.as.i64 < least) least = values->least.as.i64;
  if (values->any && values->greatest.as.i64 > greatest) greatest = values->greatest.as.i64;
  values->least = values->greatest = value;
  values->least.as.i64 = least;
  values->greatest.as.i64 = greatest;
  values->any = true;
  for (int64_t i = 0; i < column->n_rows && !values->is_long; i++) {
    value.as.i64 = numbers[i];
    FRZ_TRY(add_to_list(values, &value, err));
  }
  return FRZ_OK;
}

static bool is_longs(const frz_key_values *values, const frz_column *column)
{
  bool is_narrow =
      values->field->type.kind == FRZ_TYPE_INT || values->field->type.kind == FRZ_TYPE_DATE;
  return column->type.kind == FRZ_ARROW_INT64 && column->n_nulls == 0 && column->n_rows != 0 &&
         !is_narrow && !is_bytes(&(frz_literal){.kind = values->field->type.kind});
}

/* ---- the filter ---- */

frz_status frz_key_filter_init(frz_key_filter *filter, const frz_view_columns *columns,
                               const frz_alloc *alloc, frz_error *err)
{
  size_t n = columns->n_keys;
  *filter = (frz_key_filter){.columns = columns, .alloc = alloc};
  if (n == 0) return FRZ_OK;
  filter->values = frz_alloc_zeroed(alloc, n * sizeof *filter->values);
  if (filter->values == NULL) return frz_fail_nomem(err, "join keys");
  for (size_t k = 0; k < n; k++) {
    frz_key_values *values = &filter->values[k];
    frz_arena_init(&values->bytes, alloc, SIZE_MAX / 4);
    frz_buf_init(&values->least_bytes, alloc, SIZE_MAX / 2);
    frz_buf_init(&values->greatest_bytes, alloc, SIZE_MAX / 2);
    if (says_something(columns->key_columns[k], columns->key_forms[k]))
      values->field = columns->key_columns[k];
  }
  for (size_t k = 0; k < n; k++) {
    frz_key_values *values = &filter->values[k];
    if (values->field == NULL) continue;
    values->list = frz_alloc_array(alloc, LIST_MAX, sizeof *values->list);
    if (values->list != NULL) continue;
    frz_key_filter_dispose(filter);
    return frz_fail_nomem(err, "join keys");
  }
  return FRZ_OK;
}

void frz_key_filter_dispose(frz_key_filter *filter)
{
  if (filter->values == NULL) return;
  for (size_t k = 0; k < filter->columns->n_keys; k++) {
    frz_key_values *values = &filter->values[k];
    frz_alloc_free(filter->alloc, values->list, LIST_MAX * sizeof *values->list);
    frz_buf_dispose(&values->least_bytes);
    frz_buf_dispose(&values->greatest_bytes);
    frz_arena_free(&values->bytes);
  }
  frz_alloc_free(filter->alloc, filter->values, filter->columns->n_keys * sizeof *filter->values);
  filter->values = NULL;
}

frz_status frz_key_filter_add(frz_key_filter *filter, const frz_column *const *entity_keys,
                              frz_error *err)
{
  for (size_t k = 0; k < filter->columns->n_keys; k++) {
    frz_key_values *values = &filter->values[k];
    if (values->field == NULL) continue;
    if (is_longs(values, entity_keys[k]))
      FRZ_TRY(add_longs(values, entity_keys[k], err));
    else
      FRZ_TRY(add_column(values, entity_keys[k], err));
  }
  return FRZ_OK;
}

static const frz_expr *predicate_of(const frz_field *field, frz_predicate predicate,
                                    const frz_literal *literals, size_t n, frz_arena *arena)
{
  frz_expr *expr = frz_arena_push(arena, sizeof *expr);
  frz_literal *copies = frz_arena_array(arena, n, sizeof *copies);
  if (expr == NULL || copies == NULL) return NULL;
  for (size_t i = 0; i < n; i++) {
    copies[i] = literals[i];
    if (!is_bytes(&copies[i])) continue;
    copies[i].as.bytes = frz_arena_copy(arena, literals[i].as.bytes);
    if (copies[i].as.bytes.data == NULL) return NULL;
  }
  *expr = (frz_expr){.kind = FRZ_EXPR_PREDICATE,
                     .predicate = predicate,
                     .field = field,
                     .literals = copies,
                     .n_literals = n};
  return expr;
}

static const frz_expr *column_filter(const frz_key_values *values, frz_arena *arena)
{
  if (!values->is_long)
    return predicate_of(values->field, FRZ_PREDICATE_IN, values->list, values->n_list, arena);
  const frz_expr *least = predicate_of(values->field, FRZ_PREDICATE_GE, &values->least, 1, arena);
  const frz_expr *greatest =
      predicate_of(values->field, FRZ_PREDICATE_LE, &values->greatest, 1, arena);
  return least != NULL && greatest != NULL ? frz_expr_and(least, greatest, arena) : NULL;
}

frz_status frz_key_filter_make(const frz_key_filter *filter, frz_arena *arena,
                               const frz_expr **expr_out, frz_error *err)
{
  const frz_expr *all = NULL;
  for (size_t k = 0; k < filter->columns->n_keys; k++) {
    const frz_key_values *values = &filter->values[k];
    if (values->field == NULL || !values->any) continue;
    const frz_expr *one = column_filter(values, arena);
    if (one != NULL) all = frz_expr_and(all, one, arena);
    if (one == NULL || all == NULL) return frz_fail_nomem(err, "join keys");
  }
  *expr_out = all;
  return FRZ_OK;
}
