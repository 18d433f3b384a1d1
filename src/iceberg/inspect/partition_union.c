/*
 * partition_union.c - see partition_union.h.
 *
 * A field's id means one source and transform over all specs. Tables of format version 1 may break
 * that rule: a field that differs from an earlier one of its id is then a field of its own.
 */
#include "iceberg/inspect/partition_union.h"

#include <stdlib.h>

#include "base/arena_list.h"

static bool same_term(const frz_partition_field *a, const frz_partition_field *b)
{
  return a->field_id == b->field_id && a->source_id == b->source_id &&
         frz_str_equal(a->transform.text, b->transform.text);
}

/* Under the current schema, or the newest that still has the source column. */
static frz_type type_of(const frz_table_metadata *metadata, const frz_partition_field *field)
{
  frz_type type = frz_partition_field_type(field, frz_metadata_current_schema(metadata));
  for (size_t i = metadata->n_schemas; i-- > 0 && type.kind == FRZ_TYPE_UNKNOWN;)
    type = frz_partition_field_type(field, &metadata->schemas[i]);
  return type;
}

static int by_id(const void *a, const void *b)
{
  int32_t x = ((const frz_union_field *)a)->field_id, y = ((const frz_union_field *)b)->field_id;
  return (x > y) - (x < y);
}

static frz_status collect(const frz_table_metadata *metadata, frz_arena *arena,
                          frz_partition_union *self, frz_error *err)
{
  size_t room = 0;
  for (size_t i = metadata->n_specs; i-- > 0;)
    for (size_t k = 0; k < metadata->specs[i].n_fields; k++) {
      const frz_partition_field *field = &metadata->specs[i].fields[k];
      size_t at = 0;
      if (field->transform.kind == FRZ_TRANSFORM_VOID) continue;
      while (at < self->n_fields && !same_term(self->fields[at].field, field)) at++;
      if (at < self->n_fields) continue;
      frz_type type = type_of(metadata, field);
      if (type.kind == FRZ_TYPE_UNKNOWN) continue;
      self->fields =
          frz_arena_list_room(arena, self->fields, self->n_fields, &room, sizeof *self->fields);
      if (self->fields == NULL) return frz_fail_nomem(err, "partition type");
      self->fields[self->n_fields++] = (frz_union_field){field->field_id, field, type};
    }
  if (self->n_fields != 0) qsort(self->fields, self->n_fields, sizeof *self->fields, by_id);
  return FRZ_OK;
}

/* The name in its spec, with the id where another field has it. */
static frz_str name_of(const frz_partition_union *self, size_t at, frz_arena *arena)
{
  frz_str name = self->fields[at].field->name;
  for (size_t i = 0; i < self->n_fields; i++)
    if (i != at && frz_str_equal(self->fields[i].field->name, name) &&
        (self->fields[i].field_id > self->fields[at].field_id ||
         (self->fields[i].field_id == self->fields[at].field_id && i < at)))
      return frz_arena_print(arena, "%.*s_%d_%d", (int)name.size, name.data,
                             (int)self->fields[at].field_id, (int)at);
  return name;
}

frz_status frz_partition_union_make(const frz_table_metadata *metadata, frz_arena *arena,
                                    frz_partition_union *union_out, frz_error *err)
{
  frz_partition_union self = {0};
  FRZ_TRY(collect(metadata, arena, &self, err));
  self.arrow = frz_arena_array(arena, self.n_fields, sizeof *self.arrow);
  if (self.arrow == NULL) return frz_fail_nomem(err, "partition type");
  for (size_t i = 0; i < self.n_fields; i++) {
    const frz_field field = {.id = self.fields[i].field_id,
                             .name = name_of(&self, i, arena),
                             .type = self.fields[i].type};
    if (field.name.data == NULL) return frz_fail_nomem(err, "partition type");
    FRZ_TRY(frz_field_to_arrow(&field, arena, &self.arrow[i], err));
  }
  *union_out = self;
  return FRZ_OK;
}

void frz_partition_union_values(const frz_partition_union *self, const frz_partition_spec *spec,
                                const frz_partition *partition, frz_literal *values_out)
{
  for (size_t i = 0; i < self->n_fields; i++) {
    values_out[i] = frz_literal_null(self->fields[i].type.kind);
    for (size_t k = 0; k < spec->n_fields && k < partition->n_values; k++)
      if (same_term(&spec->fields[k], self->fields[i].field) &&
          !frz_literal_promote(&partition->values[k], &self->fields[i].type, &values_out[i]))
        values_out[i] = frz_literal_null(self->fields[i].type.kind);
  }
}
