/*
 * sort_order_update.c - change the order in which new files are sorted.
 *
 * Orders are kept for ever, as files name the one they were written in; one that is there already
 * is used again. The unsorted order has the id 0.
 *
 * Source: Iceberg specification, "Sorting".
 */
#include "base/limits.h"
#include "frazil/evolution.h"
#include "iceberg/table/table_handle.h"

typedef struct order_update {
  frz_str text;
  const frz_alloc *alloc;
  frz_arena arena; /* of one attempt */
  frz_sort_order order;
  frz_metadata_update updates[2];
  frz_requirement requirements[3];
} order_update;

/* The same term twice says nothing more the second time, and is refused by others. */
static frz_status check_terms(const frz_sort_order *order, const frz_schema *schema, frz_error *err)
{
  for (size_t i = 0; i < order->n_fields; i++)
    for (size_t j = 0; j < i; j++) {
      const frz_sort_field *a = &order->fields[i], *b = &order->fields[j];
      if (a->source_id != b->source_id || !frz_str_equal(a->transform.text, b->transform.text))
        continue;
      const frz_field *column = frz_schema_find_id(schema, a->source_id);
      return frz_fail(err, FRZ_ERR_INVALID, "sort order: %.*s of column '%.*s' is there twice",
                      FRZ_STR_ARG(a->transform.text), FRZ_STR_ARG(column->name));
    }
  return FRZ_OK;
}

static frz_status prepare_order(void *arg, const frz_table_metadata *base,
                                frz_commit_attempt *attempt_out, frz_error *err)
{
  order_update *update = arg;
  const frz_schema *schema = frz_metadata_current_schema(base);
  const frz_sort_order *current = frz_metadata_sort_order(base, base->default_sort_order_id);
  frz_arena_free(&update->arena);
  frz_arena_init(&update->arena, update->alloc, FRZ_LIMIT_METADATA_BYTES);
  FRZ_TRY(frz_sort_order_from_text(update->text, schema, &update->arena, &update->order, err));
  FRZ_TRY(check_terms(&update->order, schema, err));
  if (current != NULL && frz_sort_order_same(current, &update->order)) return FRZ_OK;
  update->updates[0] =
      (frz_metadata_update){.kind = FRZ_UPDATE_ADD_SORT_ORDER, .sort_order = &update->order};
  update->updates[1] = (frz_metadata_update){.kind = FRZ_UPDATE_SET_DEFAULT_SORT_ORDER, .id = -1};
  update->requirements[0] = (frz_requirement){.kind = FRZ_REQUIRE_UUID, .text = base->table_uuid};
  update->requirements[1] = (frz_requirement){.kind = FRZ_REQUIRE_DEFAULT_SORT_ORDER_ID,
                                              .value = base->default_sort_order_id};
  update->requirements[2] =
      (frz_requirement){.kind = FRZ_REQUIRE_CURRENT_SCHEMA_ID, .value = base->current_schema_id};
  *attempt_out = (frz_commit_attempt){update->requirements, 3, update->updates, 2, 0};
  return FRZ_OK;
}

frz_status frz_table_set_sort_order(frz_table *table, const char *order, frz_error *err)
{
  if (table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "sort order: table is NULL");
  order_update update = {.text = frz_str_from(order != NULL ? order : ""),
                         .alloc = frz_context_alloc(frz_table_context(table))};
  frz_status st = frz_table_commit(table, prepare_order, &update, err);
  frz_arena_free(&update.arena);
  return st;
}
