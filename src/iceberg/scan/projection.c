/*
 * projection.c - from column names to the fields a scan gives.
 *
 * Names select whole subtrees. A field is kept when it was selected itself, lies below one that
 * was, or holds one; a map keeps its key whole. The order is that of the first name that reaches
 * into each top-level column. A name that the table has not may be that of a metadata column.
 */
#include "base/limits.h"
#include "iceberg/scan/metadata_columns.h"

/** The fields that names stand for. */
typedef struct selection {
  const frz_field **fields;
  size_t n_fields;
  frz_arena *arena;
} selection;

static bool holds(const frz_field *field, const frz_field *wanted, int depth)
{
  if (field == wanted) return true;
  if (depth == FRZ_LIMIT_DEPTH) return false;
  for (size_t i = 0; i < field->type.n_fields; i++)
    if (holds(&field->type.fields[i], wanted, depth + 1)) return true;
  return false;
}

static bool is_selected(const selection *chosen, const frz_field *field)
{
  for (size_t i = 0; i < chosen->n_fields; i++)
    if (chosen->fields[i] == field) return true;
  return false;
}

static bool holds_selected(const selection *chosen, const frz_field *field)
{
  for (size_t i = 0; i < chosen->n_fields; i++)
    if (holds(field, chosen->fields[i], 0)) return true;
  return false;
}

static frz_status prune(const selection *chosen, const frz_field *field, int depth,
                        frz_field *pruned_out, frz_error *err)
{
  *pruned_out = *field;
  if (frz_type_is_primitive(&field->type) || is_selected(chosen, field)) return FRZ_OK;
  if (depth == FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "columns nested deeper than %d", FRZ_LIMIT_DEPTH);
  const frz_type *type = &field->type;
  frz_field *fields = frz_arena_array(chosen->arena, type->n_fields, sizeof *fields);
  if (fields == NULL) return frz_fail_nomem(err, "projection");
  size_t n = 0;
  for (size_t i = 0; i < type->n_fields; i++) {
    bool is_key = type->kind == FRZ_TYPE_MAP && i == 0;
    if (is_key)
      fields[n++] = type->fields[i];
    else if (holds_selected(chosen, &type->fields[i]))
      FRZ_TRY(prune(chosen, &type->fields[i], depth + 1, &fields[n++], err));
    else if (type->kind != FRZ_TYPE_STRUCT) /* a map whose key alone was named */
      fields[n++] = type->fields[i];
  }
  pruned_out->type.fields = fields;
  pruned_out->type.n_fields = n;
  return FRZ_OK;
}

static frz_status find_names(const frz_schema *schema, const char *const *names, size_t n_names,
                             bool case_sensitive, selection *chosen, frz_error *err)
{
  chosen->fields = frz_arena_array(chosen->arena, n_names, sizeof *chosen->fields);
  if (chosen->fields == NULL) return frz_fail_nomem(err, "projection");
  for (size_t i = 0; i < n_names; i++) {
    if (names[i] == NULL) return frz_fail(err, FRZ_ERR_INVALID, "selected field %zu is NULL", i);
    frz_str name = frz_str_from(names[i]);
    const frz_field *field = frz_schema_find_name(schema, name, case_sensitive);
    if (field == NULL) field = frz_metadata_column_find(name, case_sensitive);
    if (field == NULL) return frz_schema_fail_name(schema, "", name, err);
    chosen->fields[chosen->n_fields++] = field;
  }
  return FRZ_OK;
}

static bool is_among(const frz_field *fields, size_t n, const frz_field *wanted)
{
  for (size_t i = 0; i < n; i++)
    if (fields[i].id == wanted->id) return true;
  return false;
}

static frz_status prune_schema(const frz_schema *schema, const selection *chosen,
                               frz_projection *projection, frz_error *err)
{
  frz_field *fields = frz_arena_array(chosen->arena, chosen->n_fields, sizeof *fields);
  bool *taken = frz_arena_array(chosen->arena, schema->root.n_fields, sizeof *taken);
  if (fields == NULL || taken == NULL) return frz_fail_nomem(err, "projection");
  size_t n = 0;
  for (size_t i = 0; i < chosen->n_fields; i++) {
    if (frz_is_metadata_column(chosen->fields[i])) {
      if (!is_among(fields, n, chosen->fields[i])) fields[n++] = *chosen->fields[i];
      continue;
    }
    for (size_t k = 0; k < schema->root.n_fields; k++) {
      const frz_field *top = &schema->root.fields[k];
      if (!holds(top, chosen->fields[i], 0)) continue;
      if (!taken[k]) FRZ_TRY(prune(chosen, top, 0, &fields[n++], err));
      taken[k] = true;
      break;
    }
  }
  projection->fields = fields;
  projection->n_fields = n;
  return FRZ_OK;
}

frz_status frz_projection_make(const frz_table_metadata *metadata, const frz_schema *schema,
                               const char *const *names, size_t n_names, bool case_sensitive,
                               const frz_expr *filter, int64_t batch_rows_max, frz_arena *arena,
                               frz_projection *projection_out, frz_error *err)
{
  frz_projection projection = {.metadata = metadata,
                               .schema = schema,
                               .fields = schema->root.fields,
                               .n_fields = schema->root.n_fields,
                               .filter = filter,
                               .batch_rows_max = batch_rows_max};
  if (names != NULL) {
    selection chosen = {.arena = arena};
    FRZ_TRY(find_names(schema, names, n_names, case_sensitive, &chosen, err));
    FRZ_TRY(prune_schema(schema, &chosen, &projection, err));
  }
  frz_arrow_field *arrow = frz_arena_array(arena, projection.n_fields, sizeof *arrow);
  if (arrow == NULL) return frz_fail_nomem(err, "projection");
  for (size_t i = 0; i < projection.n_fields; i++)
    FRZ_TRY(frz_field_to_arrow(&projection.fields[i], arena, &arrow[i], err));
  projection.arrow_fields = arrow;
  *projection_out = projection;
  return FRZ_OK;
}
