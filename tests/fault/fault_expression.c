/*
 * fault_expression.c - filters, specs and schemas made and used with every allocation refused in
 * turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault.h"
#include "iceberg/filter/expression.h"

enum { N_ROWS = 3000 };

typedef struct batch {
  frz_column number, text;
} batch;

static const frz_column *column_of(void *arg, int32_t field_id)
{
  batch *b = arg;
  return field_id == 1 ? &b->number : &b->text;
}

static frz_status fill(batch *b, const frz_arrow_field *fields, const frz_alloc *alloc)
{
  FRZ_TRY(frz_column_init(&b->number, &fields[0], alloc, NULL));
  FRZ_TRY(frz_column_init(&b->text, &fields[1], alloc, NULL));
  for (int64_t i = 0; i < N_ROWS; i++) {
    frz_literal number = {.kind = FRZ_TYPE_LONG, .as = {.i64 = i}};
    frz_literal text = {.kind = FRZ_TYPE_STRING, .as = {.bytes = FRZ_STR("some text")}};
    if (i % 10 == 0) text.is_null = true;
    FRZ_TRY(frz_literal_append(&number, &b->number, NULL));
    FRZ_TRY(frz_literal_append(&text, &b->text, NULL));
  }
  return FRZ_OK;
}

static frz_status use_filter(const frz_schema *schema, frz_arena *arena, batch *b,
                             const frz_alloc *alloc)
{
  static int64_t selected[N_ROWS];
  const frz_expr *expr;
  const int32_t *ids;
  size_t n_ids;
  int64_t n_selected;
  FRZ_TRY(frz_expr_parse(
      FRZ_STR("not (id in (5, 4, 3, 2, 1) or name like 'it''s%') and (id between 2 and 90000 or "
              "\"name\" is null) and id <> 7 and (name > 'a' or id < 3)"),
      schema, true, arena, &expr, NULL));
  expr = frz_expr_not(expr, arena);
  if (expr == NULL) return FRZ_ERR_NOMEM;
  expr = frz_expr_and(expr, expr, arena);
  if (expr == NULL) return FRZ_ERR_NOMEM;
  FRZ_TRY(frz_expr_field_ids(expr, arena, &ids, &n_ids, NULL));
  return frz_expr_select(expr, schema, column_of, b, N_ROWS, selected, &n_selected, alloc, NULL);
}

static frz_status use_partitioning(const frz_schema *schema, frz_arena *arena)
{
  frz_partition_spec spec;
  frz_sort_order order;
  frz_literal values[2] = {{.kind = FRZ_TYPE_INT, .as = {.i32 = 3}},
                           {.kind = FRZ_TYPE_STRING, .as = {.bytes = FRZ_STR("a/b")}}};
  frz_partition partition = {values, 2};
  FRZ_TRY(frz_partition_spec_from_text(FRZ_STR("bucket(4, id), truncate(3, name)"), schema, arena,
                                       &spec, NULL));
  FRZ_TRY(frz_sort_order_from_text(FRZ_STR("id desc, name"), schema, arena, &order, NULL));
  if (frz_partition_path(&spec, schema, &partition, arena).data == NULL) return FRZ_ERR_NOMEM;
  if (frz_type_print(&schema->root, arena).data == NULL) return FRZ_ERR_NOMEM;
  if (frz_schema_name_of(schema, 2, arena).data == NULL) return FRZ_ERR_NOMEM;
  return FRZ_OK;
}

static frz_status work(const frz_alloc *alloc)
{
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_schema schema;
  frz_arrow_field fields[2] = {
      {.name = FRZ_STR("id"), .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}},
      {.name = FRZ_STR("name"),
       .nullable = true,
       .field_id = -1,
       .type = {.kind = FRZ_ARROW_STRING}}};
  batch b = {0};
  int32_t next_id = 1;
  frz_arena_init(&arena, alloc, 1 << 20);
  FRZ_TRY_OUT(frz_schema_from_arrow(fields, 2, 2, &next_id, &arena, &schema, NULL));
  FRZ_TRY_OUT(fill(&b, fields, alloc));
  FRZ_TRY_OUT(use_filter(&schema, &arena, &b, alloc));
  FRZ_TRY_OUT(use_partitioning(&schema, &arena));
out:
  frz_column_dispose(&b.number);
  frz_column_dispose(&b.text);
  frz_arena_free(&arena);
  return st;
}

static void test_every_refusal(void **state)
{
  (void)state;
  frz_fault fault = {0};
  long n = 0;
  do {
    frz_fault_arm(&fault, ++n);
    frz_status st = work(&fault.alloc);
    assert_int_equal(st, fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM);
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
  assert_true(n > 10);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_refusal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
