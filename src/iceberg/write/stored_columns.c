/*
 * stored_columns.c - see stored_columns.h.
 *
 * A struct is stored without its unknown fields. A list or map needs its element, key or value to
 * be stored, since nothing else in a file tells how many there are; so does a struct one field, to
 * tell where it is null.
 */
#include "iceberg/write/stored_columns.h"

static bool holds_unknown(const frz_arrow_field *field)
{
  if (field->type.kind == FRZ_ARROW_NULL) return true;
  for (size_t i = 0; i < field->n_children; i++)
    if (holds_unknown(&field->children[i])) return true;
  return false;
}

/* The field without what is not stored. An entries struct of a map has no id and keeps both. */
static frz_status prune(const frz_arrow_field *field, frz_arena *arena, frz_arrow_field *pruned_out,
                        frz_error *err)
{
  *pruned_out = *field;
  if (field->n_children == 0 || !holds_unknown(field)) return FRZ_OK;
  frz_arrow_field *children = frz_arena_array(arena, field->n_children, sizeof *children);
  if (children == NULL) return frz_fail_nomem(err, "columns of a file");
  size_t n = 0;
  for (size_t i = 0; i < field->n_children; i++) {
    FRZ_TRY(prune(&field->children[i], arena, &children[n], err));
    if (children[n].type.kind != FRZ_ARROW_NULL) n++;
  }
  bool is_struct = field->type.kind == FRZ_ARROW_STRUCT && field->field_id >= 0;
  if (n == 0 || (!is_struct && n != field->n_children))
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "a list, map or struct of type unknown alone cannot be written");
  pruned_out->children = children;
  pruned_out->n_children = n;
  return FRZ_OK;
}

frz_status frz_stored_columns_make(const frz_arrow_field *table_fields, size_t n_fields,
                                   size_t room, frz_arena *arena, frz_stored_columns *stored_out,
                                   frz_error *err)
{
  frz_stored_columns stored = {.table_fields = table_fields, .is_all = true};
  stored.fields = frz_arena_array(arena, n_fields + room, sizeof *stored.fields);
  stored.columns = frz_arena_array(arena, n_fields, sizeof *stored.columns);
  if (stored.fields == NULL || stored.columns == NULL)
    return frz_fail_nomem(err, "columns of a file");
  for (size_t i = 0; i < n_fields; i++) {
    if (holds_unknown(&table_fields[i])) stored.is_all = false;
    if (table_fields[i].type.kind == FRZ_ARROW_NULL) continue;
    frz_status st = prune(&table_fields[i], arena, &stored.fields[stored.n_columns], err);
    if (st != FRZ_OK) frz_error_where(err, "column '%.*s': ", FRZ_STR_ARG(table_fields[i].name));
    FRZ_TRY(st);
    stored.columns[stored.n_columns++] = i;
  }
  *stored_out = stored;
  return FRZ_OK;
}

static frz_status lend(const frz_arrow_field *field, const frz_column *column, frz_arena *arena,
                       frz_column *lent_out, frz_error *err)
{
  *lent_out = *column;
  if (field->n_children == 0 || !holds_unknown(field)) return FRZ_OK;
  frz_column *children = frz_arena_array(arena, field->n_children, sizeof *children);
  if (children == NULL) return frz_fail_nomem(err, "columns of a batch");
  size_t n = 0;
  for (size_t i = 0; i < field->n_children; i++)
    if (field->children[i].type.kind != FRZ_ARROW_NULL)
      FRZ_TRY(lend(&field->children[i], &column->children[i], arena, &children[n++], err));
  lent_out->children = children;
  lent_out->n_children = n;
  return FRZ_OK;
}

frz_status frz_stored_columns_lend(const frz_stored_columns *stored, const frz_column *columns,
                                   frz_arena *arena, frz_column *lent_out, frz_error *err)
{
  for (size_t i = 0; i < stored->n_columns; i++) {
    size_t at = stored->columns[i];
    FRZ_TRY(lend(&stored->table_fields[at], &columns[at], arena, &lent_out[i], err));
  }
  return FRZ_OK;
}
