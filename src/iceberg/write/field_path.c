/*
 * field_path.c - see field_path.h.
 */
#include "iceberg/write/field_path.h"

static const frz_field *find_below(const frz_type *type, int32_t id, size_t depth,
                                   frz_field_path *path)
{
  if (depth >= FRZ_LIMIT_DEPTH) return NULL;
  for (size_t i = 0; i < type->n_fields; i++) {
    const frz_field *field = &type->fields[i];
    path->at[depth] = i;
    path->n = depth + 1;
    if (field->id == id) return field;
    if (field->type.kind != FRZ_TYPE_STRUCT) continue;
    const frz_field *found = find_below(&field->type, id, depth + 1, path);
    if (found != NULL) return found;
  }
  return NULL;
}

const frz_field *frz_field_path_find(const frz_schema *schema, int32_t field_id,
                                     frz_field_path *path_out)
{
  return find_below(&schema->root, field_id, 0, path_out);
}

const frz_column *frz_field_path_column(const frz_field_path *path, const frz_column *columns,
                                        int64_t row)
{
  const frz_column *column = &columns[path->at[0]];
  for (size_t i = 1; i < path->n; i++) {
    if (frz_column_is_null(column, row)) return NULL;
    column = &column->children[path->at[i]];
  }
  return column;
}
