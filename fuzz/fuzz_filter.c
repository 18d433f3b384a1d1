/*
 * fuzz_filter.c - any text as a filter: what is taken selects rows, its negation none of the same,
 * and without knowledge of a file both may match. The same text is tried as partitioning and as a
 * sort order.
 */
#include <stdint.h>
#include <stdlib.h>

#include "iceberg/filter/expression.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_ROWS = 12, N_COLUMNS = 8 };

static const frz_field fields[N_COLUMNS] = {
    {.id = 1, .name = {"i", 1}, .type = {.kind = FRZ_TYPE_INT}},
    {.id = 2, .name = {"l", 1}, .type = {.kind = FRZ_TYPE_LONG}},
    {.id = 3, .name = {"d", 1}, .type = {.kind = FRZ_TYPE_DOUBLE}},
    {.id = 4, .name = {"s", 1}, .type = {.kind = FRZ_TYPE_STRING}},
    {.id = 5, .name = {"t", 1}, .type = {.kind = FRZ_TYPE_TIMESTAMPTZ}},
    {.id = 6, .name = {"c", 1}, .type = {.kind = FRZ_TYPE_DECIMAL, .precision = 9, .scale = 2}},
    {.id = 7, .name = {"b", 1}, .type = {.kind = FRZ_TYPE_BOOLEAN}},
    {.id = 8, .name = {"a", 1}, .type = {.kind = FRZ_TYPE_DATE}},
};

static const frz_schema schema = {
    .root = {.kind = FRZ_TYPE_STRUCT, .fields = fields, .n_fields = N_COLUMNS},
    .highest_field_id = 8};

static const frz_column *column_of(void *arg, int32_t field_id)
{
  return &((const frz_column *)arg)[field_id - 1];
}

static frz_literal value_at(const frz_type *type, int row)
{
  frz_literal v = {.kind = type->kind, .is_null = row % 5 == 4, .scale = type->scale};
  switch (type->kind) {
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE: v.as.i32 = row - 3; break;
  case FRZ_TYPE_DOUBLE: v.as.f64 = row == 3 ? __builtin_nan("") : row - 2.5; break;
  case FRZ_TYPE_STRING: v.as.bytes = (frz_str){&"abcdefghijklmnop"[row], (size_t)(row % 3)}; break;
  case FRZ_TYPE_DECIMAL: v.as.decimal = row * 50; break;
  case FRZ_TYPE_BOOLEAN: v.as.boolean = row % 2 != 0; break;
  default: v.as.i64 = row * INT64_C(1000000000) - 2; break;
  }
  return v;
}

static void fill(frz_column columns[N_COLUMNS], frz_arena *arena)
{
  for (int c = 0; c < N_COLUMNS; c++) {
    frz_arrow_field arrow;
    if (frz_field_to_arrow(&fields[c], arena, &arrow, NULL) != FRZ_OK ||
        frz_column_init(&columns[c], &arrow, frz_alloc_default(), NULL) != FRZ_OK)
      abort();
    for (int row = 0; row < N_ROWS; row++) {
      frz_literal v = value_at(&fields[c].type, row);
      if (frz_literal_append(&v, &columns[c], NULL) != FRZ_OK) abort();
    }
  }
}

static int64_t select_rows(const frz_expr *expr, frz_column *columns, int64_t rows[N_ROWS])
{
  int64_t n = -1;
  if (frz_expr_select(expr, &schema, column_of, columns, N_ROWS, rows, &n, frz_alloc_default(),
                      NULL) != FRZ_OK)
    abort();
  if (n < 0 || n > N_ROWS) abort();
  for (int64_t i = 0; i < n; i++)
    if (rows[i] < 0 || rows[i] >= N_ROWS || (i > 0 && rows[i] <= rows[i - 1])) abort();
  return n;
}

static void check(const frz_expr *expr, frz_arena *arena)
{
  frz_column columns[N_COLUMNS];
  int64_t yes[N_ROWS], no[N_ROWS];
  const frz_expr *opposite = frz_expr_not(expr, arena);
  if (opposite == NULL) return;
  fill(columns, arena);
  int64_t n_yes = select_rows(expr, columns, yes), n_no = select_rows(opposite, columns, no);
  for (int64_t i = 0; i < n_yes; i++)
    for (int64_t j = 0; j < n_no; j++)
      if (yes[i] == no[j]) abort();
  const frz_partition_spec spec = {0};
  const frz_data_file file = {.n_rows = N_ROWS};
  if (n_yes != 0 && !frz_expr_may_match_file(expr, &spec, &schema, &file)) abort();
  if (frz_expr_all_match_file(expr, &spec, &schema, &file) && n_yes != N_ROWS) abort();
  for (int c = 0; c < N_COLUMNS; c++) frz_column_dispose(&columns[c]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), (size_t)64 << 20);
  frz_str text = {(const char *)data, size};
  const frz_expr *expr;
  frz_partition_spec spec;
  frz_sort_order order;
  if (frz_expr_parse(text, &schema, false, &arena, &expr, NULL) == FRZ_OK) check(expr, &arena);
  if (frz_partition_spec_from_text(text, &schema, &arena, &spec, NULL) == FRZ_OK &&
      frz_partition_spec_check(&spec, &schema, FRZ_ERR_INVALID, NULL) != FRZ_OK)
    abort();
  if (frz_sort_order_from_text(text, &schema, &arena, &order, NULL) == FRZ_OK &&
      (order.order_id == 0) != (order.n_fields == 0))
    abort();
  frz_arena_free(&arena);
  return 0;
}
