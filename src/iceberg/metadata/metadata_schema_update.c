/*
 * metadata_schema_update.c - updates of schemas, partition specs and sort orders.
 *
 * Each is kept for ever under an id of its own. One that is there already is not added again: its
 * id is used. Field ids of specs are never given to another field, because manifests name
 * partition values by them.
 *
 * Source: Iceberg specification, "Schema Evolution", "Partition Evolution", "Sorting".
 */
#include "base/arena_list.h"
#include "iceberg/metadata/metadata_builder.h"
#include "iceberg/metadata/metadata_copy.h"

enum { FIRST_FIELD_ID = 1000 };

/* The schema of that id as the lists say now; NULL: none. */
static const frz_schema *find_schema(const frz_metadata_builder *b, int32_t id)
{
  for (size_t i = 0; i < b->n_schemas; i++)
    if (b->schemas[i].schema_id == id) return &b->schemas[i];
  return NULL;
}

/* ---- schemas ---- */

static bool is_null_text(frz_str json)
{
  return json.data == NULL || frz_str_is(json, "null");
}

/* Does the format know every type and default below? */
static frz_status check_version(const frz_type *type, int32_t format_version, frz_error *err)
{
  for (size_t i = 0; i < type->n_fields && format_version < 3; i++) {
    const frz_field *field = &type->fields[i];
    frz_type_kind kind = field->type.kind;
    if (frz_type_needs_version_3(&field->type))
      return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s': type %s needs format version 3, not %d",
                      FRZ_STR_ARG(field->name), frz_type_kind_name(kind), (int)format_version);
    if (!is_null_text(field->initial_default))
      return frz_fail(err, FRZ_ERR_INVALID,
                      "column '%.*s': an initial default needs format version 3, not %d",
                      FRZ_STR_ARG(field->name), (int)format_version);
    FRZ_TRY(check_version(&field->type, format_version, err));
  }
  return FRZ_OK;
}

frz_status frz_builder_add_schema(frz_metadata_builder *b, const frz_schema *schema,
                                  int32_t last_column_id, frz_error *err)
{
  frz_schema copy = *schema;
  FRZ_TRY(frz_schema_validate(&copy, b->out->arena.alloc, FRZ_ERR_INVALID, err));
  FRZ_TRY(check_version(&schema->root, b->out->format_version, err));
  if (last_column_id < copy.highest_field_id) last_column_id = copy.highest_field_id;
  if (b->out->last_column_id < last_column_id) b->out->last_column_id = last_column_id;
  int32_t next_id = 0;
  for (size_t i = 0; i < b->n_schemas; i++) {
    if (frz_schema_same(&b->schemas[i], schema)) {
      b->added_schema_id = b->schemas[i].schema_id;
      return FRZ_OK;
    }
    if (b->schemas[i].schema_id >= next_id) next_id = b->schemas[i].schema_id + 1;
  }
  int32_t highest = copy.highest_field_id;
  b->schemas = frz_arena_list_room(&b->out->arena, b->schemas, b->n_schemas, &b->cap_schemas,
                                   sizeof *b->schemas);
  if (b->schemas == NULL || !frz_copy_schema(&b->out->arena, schema, &copy))
    return frz_fail_nomem(err, "table metadata");
  copy.schema_id = next_id;
  copy.highest_field_id = highest;
  b->schemas[b->n_schemas++] = copy;
  b->added_schema_id = next_id;
  return FRZ_OK;
}

static frz_status resolve_id(int32_t id, int32_t added_id, const char *what, int32_t *id_out,
                             frz_error *err)
{
  if (id == -1 && added_id == FRZ_NONE_ADDED)
    return frz_fail(err, FRZ_ERR_INVALID, "the last added %s was asked for, but none was added",
                    what);
  *id_out = id == -1 ? added_id : id;
  return FRZ_OK;
}

frz_status frz_builder_set_current_schema(frz_metadata_builder *b, int32_t id, frz_error *err)
{
  FRZ_TRY(resolve_id(id, b->added_schema_id, "schema", &id, err));
  if (find_schema(b, id) == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "there is no schema %d", (int)id);
  b->out->current_schema_id = id;
  return FRZ_OK;
}

/* ---- partition specs ---- */

static bool same_field(const frz_partition_field *a, const frz_partition_field *b)
{
  return a->source_id == b->source_id && a->n_source_ids == b->n_source_ids &&
         (a->n_source_ids == 0 ||
          memcmp(a->source_ids, b->source_ids, a->n_source_ids * sizeof(int32_t)) == 0) &&
         frz_str_equal(a->transform.text, b->transform.text);
}

/* A field id that is used by other specs must stand for the same field there, at least once (v1
 * tables gave ids anew in each spec). A void field keeps the id of what it replaced. */
static frz_status check_field_id(const frz_metadata_builder *b, const frz_partition_field *field,
                                 frz_error *err)
{
  bool is_used = false;
  for (size_t i = 0; i < b->n_specs; i++)
    for (size_t j = 0; j < b->specs[i].n_fields; j++) {
      const frz_partition_field *old = &b->specs[i].fields[j];
      if (old->field_id != field->field_id) continue;
      if (same_field(old, field) ||
          (old->source_id == field->source_id && (field->transform.kind == FRZ_TRANSFORM_VOID ||
                                                  old->transform.kind == FRZ_TRANSFORM_VOID)))
        return FRZ_OK;
      is_used = true;
    }
  if (!is_used || b->out->format_version == 1) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "partition field '%.*s': id %d belongs to another field",
                  FRZ_STR_ARG(field->name), (int)field->field_id);
}

/* Fields without an id get that of the same field in an older spec, or the next. */
static int32_t assign_field_id(const frz_metadata_builder *b, const frz_partition_field *field,
                               int32_t *last)
{
  for (size_t i = b->n_specs; i-- > 0;)
    for (size_t j = 0; j < b->specs[i].n_fields; j++)
      if (same_field(&b->specs[i].fields[j], field)) return b->specs[i].fields[j].field_id;
  return ++*last;
}

static frz_status settle_field_ids(frz_metadata_builder *b, frz_partition_spec *spec,
                                   frz_error *err)
{
  int32_t last = b->out->last_partition_id;
  if (last < FIRST_FIELD_ID - 1) last = FIRST_FIELD_ID - 1;
  frz_partition_field *fields = frz_arena_array(&b->out->arena, spec->n_fields, sizeof *fields);
  if (fields == NULL) return frz_fail_nomem(err, "table metadata");
  for (size_t i = 0; i < spec->n_fields; i++) {
    fields[i] = spec->fields[i];
    if (fields[i].field_id <= 0)
      fields[i].field_id = b->out->format_version == 1 ? FIRST_FIELD_ID + (int32_t)i
                                                       : assign_field_id(b, &fields[i], &last);
    if (b->out->format_version == 1 && fields[i].field_id != FIRST_FIELD_ID + (int32_t)i)
      return frz_fail(
          err, FRZ_ERR_INVALID, "partition field '%.*s': format v1 wants field id %d here, not %d",
          FRZ_STR_ARG(fields[i].name), FIRST_FIELD_ID + (int)i, (int)fields[i].field_id);
    FRZ_TRY(check_field_id(b, &fields[i], err));
    if (fields[i].transform.kind == FRZ_TRANSFORM_UNKNOWN)
      return frz_fail(err, FRZ_ERR_INVALID, "partition field '%.*s': transform '%.*s' is not known",
                      FRZ_STR_ARG(fields[i].name), FRZ_STR_ARG(fields[i].transform.text));
  }
  spec->fields = fields;
  return FRZ_OK;
}

frz_status frz_builder_add_spec(frz_metadata_builder *b, const frz_partition_spec *spec,
                                frz_error *err)
{
  int32_t next_id = 0;
  for (size_t i = 0; i < b->n_specs; i++) {
    if (frz_partition_spec_compatible(&b->specs[i], spec)) {
      b->added_spec_id = b->specs[i].spec_id;
      return FRZ_OK;
    }
    if (b->specs[i].spec_id >= next_id) next_id = b->specs[i].spec_id + 1;
  }
  const frz_schema *schema = find_schema(b, b->out->current_schema_id);
  if (schema == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "a partition spec before there is a schema");
  FRZ_TRY(frz_partition_spec_check(spec, schema, FRZ_ERR_INVALID, err));
  frz_partition_spec copy = *spec;
  FRZ_TRY(settle_field_ids(b, &copy, err));
  b->specs =
      frz_arena_list_room(&b->out->arena, b->specs, b->n_specs, &b->cap_specs, sizeof *b->specs);
  frz_partition_spec kept;
  if (b->specs == NULL || !frz_copy_spec(&b->out->arena, &copy, &kept))
    return frz_fail_nomem(err, "table metadata");
  kept.spec_id = next_id;
  b->specs[b->n_specs++] = kept;
  b->added_spec_id = next_id;
  int32_t last = frz_partition_last_field_id(&kept);
  if (b->out->last_partition_id < last) b->out->last_partition_id = last;
  return FRZ_OK;
}

frz_status frz_builder_set_default_spec(frz_metadata_builder *b, int32_t id, frz_error *err)
{
  FRZ_TRY(resolve_id(id, b->added_spec_id, "partition spec", &id, err));
  for (size_t i = 0; i < b->n_specs; i++)
    if (b->specs[i].spec_id == id) {
      b->out->default_spec_id = id;
      return FRZ_OK;
    }
  return frz_fail(err, FRZ_ERR_INVALID, "there is no partition spec %d", (int)id);
}

/* ---- sort orders ---- */

frz_status frz_builder_add_sort_order(frz_metadata_builder *b, const frz_sort_order *order,
                                      frz_error *err)
{
  int32_t next_id = order->n_fields == 0 ? 0 : 1;
  for (size_t i = 0; i < b->n_orders; i++) {
    if (frz_sort_order_same(&b->orders[i], order)) {
      b->added_order_id = b->orders[i].order_id;
      return FRZ_OK;
    }
    if (order->n_fields != 0 && b->orders[i].order_id >= next_id)
      next_id = b->orders[i].order_id + 1;
  }
  const frz_schema *schema = find_schema(b, b->out->current_schema_id);
  if (schema == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "a sort order before there is a schema");
  FRZ_TRY(frz_sort_order_check(order, schema, FRZ_ERR_INVALID, err));
  b->orders = frz_arena_list_room(&b->out->arena, b->orders, b->n_orders, &b->cap_orders,
                                  sizeof *b->orders);
  frz_sort_order copy;
  if (b->orders == NULL || !frz_copy_sort_order(&b->out->arena, order, &copy))
    return frz_fail_nomem(err, "table metadata");
  copy.order_id = next_id;
  b->orders[b->n_orders++] = copy;
  b->added_order_id = next_id;
  return FRZ_OK;
}

frz_status frz_builder_set_default_order(frz_metadata_builder *b, int32_t id, frz_error *err)
{
  FRZ_TRY(resolve_id(id, b->added_order_id, "sort order", &id, err));
  for (size_t i = 0; i < b->n_orders; i++)
    if (b->orders[i].order_id == id) {
      b->out->default_sort_order_id = id;
      return FRZ_OK;
    }
  return frz_fail(err, FRZ_ERR_INVALID, "there is no sort order %d", (int)id);
}
