/*
 * sort_plan.c - see sort_plan.h.
 *
 * A key is the column itself where it lies at the top and is not transformed. Otherwise a column of
 * the transform's results is made, row by row. Fields with the void transform order nothing and are
 * left out.
 */
#include "iceberg/write/sort_plan.h"

#include <assert.h>

#include "base/limits.h"
#include "iceberg/write/field_path.h"

struct frz_sort_part {
  const frz_sort_field *field;
  frz_field_path path;
  frz_type source_type;
  frz_type result_type;
  frz_arrow_field result; /* as a column */
};

static bool is_own_column(const frz_sort_part *part)
{
  return part->path.n == 1 && part->field->transform.kind == FRZ_TRANSFORM_IDENTITY;
}

/* ---- planning ---- */

/* False: the field cannot be followed. */
static bool find_source(const frz_schema *schema, const frz_sort_field *field, frz_sort_part *part)
{
  part->field = field;
  if (field->transform.kind == FRZ_TRANSFORM_UNKNOWN || field->n_source_ids > 1) return false;
  const frz_field *source = frz_field_path_find(schema, field->source_id, &part->path);
  if (source == NULL || !frz_type_is_primitive(&source->type)) return false;
  part->source_type = source->type;
  return frz_transform_result_type(&field->transform, &source->type, &part->result_type);
}

/* Positions among the columns of a file, which holds nothing of type unknown. */
static void pass_unknown(const frz_schema *schema, frz_field_path *path)
{
  const frz_type *type = &schema->root;
  for (size_t level = 0; level < path->n; level++) {
    size_t at = path->at[level];
    size_t n_before = 0;
    for (size_t i = 0; i < at; i++) n_before += type->fields[i].type.kind == FRZ_TYPE_UNKNOWN;
    path->at[level] = at - n_before;
    type = &type->fields[at].type;
  }
}

frz_status frz_sort_plan_init(frz_sort_plan *plan, const frz_alloc *alloc, frz_arena *arena,
                              const frz_schema *schema, const frz_sort_order *order,
                              bool without_unknown, frz_error *err)
{
  frz_sort_plan made = {.alloc = alloc};
  made.parts = frz_arena_array(arena, order->n_fields, sizeof *made.parts);
  if (made.parts == NULL) return frz_fail_nomem(err, "sort order");
  for (size_t i = 0; i < order->n_fields; i++) {
    frz_sort_part *part = &made.parts[made.n_parts];
    if (order->fields[i].transform.kind == FRZ_TRANSFORM_VOID) continue;
    if (!find_source(schema, &order->fields[i], part)) {
      made.n_parts = 0;
      break;
    }
    if (part->source_type.kind == FRZ_TYPE_UNKNOWN) continue; /* nulls alone */
    frz_field field = {.name = FRZ_STR("key"), .type = part->result_type};
    FRZ_TRY(frz_field_to_arrow(&field, arena, &part->result, err));
    if (without_unknown) pass_unknown(schema, &part->path);
    made.n_parts++;
  }
  *plan = made;
  return FRZ_OK;
}

frz_status frz_sort_plan_describe(const frz_sort_plan *plan, frz_arena *arena,
                                  const frz_parquet_sorting_column **sorting_out, size_t *n_out,
                                  frz_error *err)
{
  frz_parquet_sorting_column *sorting = frz_arena_array(arena, plan->n_parts, sizeof *sorting);
  if (sorting == NULL) return frz_fail_nomem(err, "sort order");
  size_t n = 0;
  for (; n < plan->n_parts; n++) {
    const frz_sort_field *field = plan->parts[n].field;
    if (field->transform.kind != FRZ_TRANSFORM_IDENTITY) break;
    sorting[n] =
        (frz_parquet_sorting_column){field->source_id, field->descending, !field->nulls_last};
  }
  *sorting_out = sorting;
  *n_out = n;
  return FRZ_OK;
}

/* ---- keys ---- */

static frz_status append_result(const frz_sort_part *part, const frz_column *columns, int64_t row,
                                frz_arena *scratch, frz_column *made, frz_error *err)
{
  const frz_column *column = frz_field_path_column(&part->path, columns, row);
  if (column == NULL || frz_column_is_null(column, row))
    return frz_column_append_nulls(made, 1, err);
  frz_literal value = frz_literal_from_column(&part->source_type, column, row);
  frz_literal result;
  FRZ_TRY(frz_transform_apply(&part->field->transform, &value, scratch, &result, err));
  return frz_literal_append(&result, made, err);
}

static frz_status make_column(const frz_sort_part *part, const frz_column *columns, int64_t n_rows,
                              const frz_alloc *alloc, frz_column *made, frz_error *err)
{
  FRZ_TRY(frz_column_init(made, &part->result, alloc, err));
  frz_arena scratch;
  frz_arena_init(&scratch, alloc, FRZ_LIMIT_WRITER_BYTES);
  frz_status st = frz_column_reserve(made, n_rows, err);
  for (int64_t row = 0; st == FRZ_OK && row < n_rows; row++)
    st = append_result(part, columns, row, &scratch, made, err);
  frz_arena_free(&scratch);
  return st;
}

frz_status frz_sort_keys_make(const frz_sort_plan *plan, const frz_column *columns, int64_t n_rows,
                              frz_sort_keys *keys_out, frz_error *err)
{
  size_t n = plan->n_parts;
  assert(n > 0);
  frz_sort_keys made = {.alloc = plan->alloc, .n_keys = n};
  made.keys = frz_alloc_zeroed(plan->alloc, n * sizeof *made.keys);
  made.made = frz_alloc_zeroed(plan->alloc, n * sizeof *made.made);
  frz_status st = FRZ_OK;
  if (made.keys == NULL || made.made == NULL) st = frz_fail_nomem(err, "sort keys");
  for (size_t i = 0; st == FRZ_OK && i < n; i++) {
    const frz_sort_part *part = &plan->parts[i];
    bool is_own = is_own_column(part);
    if (!is_own) st = make_column(part, columns, n_rows, plan->alloc, &made.made[i], err);
    made.keys[i] = (frz_sort_key){is_own ? &columns[part->path.at[0]] : &made.made[i],
                                  part->field->descending, part->field->nulls_last};
  }
  if (st != FRZ_OK) {
    frz_sort_keys_dispose(&made);
    return st;
  }
  *keys_out = made;
  return FRZ_OK;
}

void frz_sort_keys_dispose(frz_sort_keys *keys)
{
  for (size_t i = 0; keys->made != NULL && i < keys->n_keys; i++)
    frz_column_dispose(&keys->made[i]);
  frz_alloc_free(keys->alloc, keys->made, keys->n_keys * sizeof *keys->made);
  frz_alloc_free(keys->alloc, keys->keys, keys->n_keys * sizeof *keys->keys);
  *keys = (frz_sort_keys){0};
}
