/*
 * metadata_update.c - requirements, and the next version of table metadata.
 *
 * The base is copied whole into a new arena, the updates change the copy, and the whole is closed:
 * default spec and sort order must fit the current schema, the logs are brought up to date. The
 * base is never touched, so a failure leaves nothing behind but the copy, which is freed.
 *
 * Source: Iceberg REST catalog specification, TableUpdate and TableRequirement; Iceberg
 * specification, "Table Metadata Fields".
 */
#include "iceberg/metadata/metadata_update.h"

#include <assert.h>

#include "base/arena_list.h"
#include "base/os.h"
#include "iceberg/metadata/metadata_builder.h"
#include "iceberg/metadata/metadata_copy.h"
#include "iceberg/metadata/statistics_file.h"

enum { FORMAT_VERSION_MAX = 3, PREVIOUS_VERSIONS_MAX = 100 };

/* ---- requirements ---- */

static frz_status check_ref(const frz_table_metadata *base, const frz_requirement *requirement,
                            frz_error *err)
{
  const frz_snapshot_ref *ref = frz_metadata_ref(base, requirement->text);
  int64_t found = ref != NULL ? ref->snapshot_id : -1;
  if (found == requirement->value) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CONFLICT,
                  "requirement assert-ref-snapshot-id: '%.*s' is at snapshot %lld, not %lld",
                  FRZ_STR_ARG(requirement->text), (long long)found, (long long)requirement->value);
}

static frz_status check_number(const char *name, int64_t found, int64_t wanted, frz_error *err)
{
  if (found == wanted) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CONFLICT, "requirement %s: the table has %lld, not %lld", name,
                  (long long)found, (long long)wanted);
}

static frz_status check_requirement(const frz_table_metadata *base,
                                    const frz_requirement *requirement, frz_error *err)
{
  switch (requirement->kind) {
  case FRZ_REQUIRE_CREATE:
    return frz_fail(err, FRZ_ERR_CONFLICT, "requirement assert-create: the table exists already");
  case FRZ_REQUIRE_UUID:
    if (frz_str_same_word(base->table_uuid, requirement->text)) return FRZ_OK;
    return frz_fail(err, FRZ_ERR_CONFLICT,
                    "requirement assert-table-uuid: the table is %.*s, not %.*s",
                    FRZ_STR_ARG(base->table_uuid), FRZ_STR_ARG(requirement->text));
  case FRZ_REQUIRE_REF_SNAPSHOT_ID: return check_ref(base, requirement, err);
  case FRZ_REQUIRE_LAST_ASSIGNED_FIELD_ID:
    return check_number("assert-last-assigned-field-id", base->last_column_id, requirement->value,
                        err);
  case FRZ_REQUIRE_CURRENT_SCHEMA_ID:
    return check_number("assert-current-schema-id", base->current_schema_id, requirement->value,
                        err);
  case FRZ_REQUIRE_LAST_ASSIGNED_PARTITION_ID:
    return check_number("assert-last-assigned-partition-id", base->last_partition_id,
                        requirement->value, err);
  case FRZ_REQUIRE_DEFAULT_SPEC_ID:
    return check_number("assert-default-spec-id", base->default_spec_id, requirement->value, err);
  case FRZ_REQUIRE_DEFAULT_SORT_ORDER_ID:
    return check_number("assert-default-sort-order-id", base->default_sort_order_id,
                        requirement->value, err);
  }
  return frz_fail(err, FRZ_ERR_INVALID, "requirement of kind %d", (int)requirement->kind);
}

frz_status frz_requirements_check(const frz_table_metadata *base,
                                  const frz_requirement *requirements, size_t n_requirements,
                                  frz_error *err)
{
  for (size_t i = 0; i < n_requirements; i++) {
    if (base != NULL)
      FRZ_TRY(check_requirement(base, &requirements[i], err));
    else if (requirements[i].kind != FRZ_REQUIRE_CREATE)
      return frz_fail(err, FRZ_ERR_CONFLICT, "a requirement on a table that does not exist");
  }
  return FRZ_OK;
}

/* ---- the copy ---- */

#define COPY_LIST(copy_one, from, n_from, to, n_to, cap_to)               \
  do {                                                                    \
    (cap_to) = (n_from) + 2; /* room for what a commit adds */            \
    (to) = frz_arena_array(&m->arena, (cap_to), sizeof *(to));            \
    if ((to) == NULL) return false;                                       \
    for (; (n_to) < (n_from); (n_to)++)                                   \
      if (!copy_one(&m->arena, &(from)[n_to], &(to)[n_to])) return false; \
  } while (0)

static bool copy_pair(frz_arena *arena, const frz_text_pair *from, frz_text_pair *to)
{
  return frz_copy_pairs(arena, from, 1, to);
}

static bool copy_statistics(frz_arena *arena, const frz_statistics_file *from,
                            frz_statistics_file *to)
{
  return frz_statistics_file_copy(arena, from, to, NULL) == FRZ_OK;
}

static bool copy_snapshots(frz_metadata_builder *b, const frz_table_metadata *base)
{
  frz_table_metadata *m = b->out;
  b->cap_snapshots = base->n_snapshots + 1;
  b->snapshots = frz_arena_array(&m->arena, b->cap_snapshots, sizeof *b->snapshots);
  if (b->snapshots == NULL) return false;
  for (; b->n_snapshots < base->n_snapshots; b->n_snapshots++) {
    if (!frz_copy_snapshot(&m->arena, &base->snapshots[b->n_snapshots], m->document,
                           &b->snapshots[b->n_snapshots]))
      return false;
  }
  b->n_base_snapshots = b->n_snapshots;
  b->cap_snapshot_log = base->n_snapshot_log + 1;
  b->snapshot_log = frz_arena_array(&m->arena, b->cap_snapshot_log, sizeof *b->snapshot_log);
  if (b->snapshot_log == NULL) return false;
  if (base->n_snapshot_log != 0)
    memcpy(b->snapshot_log, base->snapshot_log, base->n_snapshot_log * sizeof *b->snapshot_log);
  b->n_snapshot_log = base->n_snapshot_log;
  return true;
}

static bool copy_base(frz_metadata_builder *b, const frz_table_metadata *base)
{
  frz_table_metadata *m = b->out;
  m->format_version = base->format_version;
  m->last_sequence_number = base->last_sequence_number;
  m->last_updated_ms = base->last_updated_ms;
  m->last_column_id = base->last_column_id;
  m->current_schema_id = base->current_schema_id;
  m->default_spec_id = base->default_spec_id;
  m->last_partition_id = base->last_partition_id;
  m->default_sort_order_id = base->default_sort_order_id;
  m->current_snapshot_id = base->current_snapshot_id;
  m->next_row_id = base->next_row_id;
  if (!frz_copy_text(&m->arena, base->table_uuid, &m->table_uuid) ||
      !frz_copy_text(&m->arena, base->location, &m->location) ||
      !frz_copy_text(&m->arena, base->encryption_keys, &m->encryption_keys))
    return false;
  COPY_LIST(frz_copy_schema, base->schemas, base->n_schemas, b->schemas, b->n_schemas,
            b->cap_schemas);
  COPY_LIST(frz_copy_spec, base->specs, base->n_specs, b->specs, b->n_specs, b->cap_specs);
  COPY_LIST(frz_copy_sort_order, base->sort_orders, base->n_sort_orders, b->orders, b->n_orders,
            b->cap_orders);
  COPY_LIST(copy_pair, base->properties, base->n_properties, b->properties, b->n_properties,
            b->cap_properties);
  COPY_LIST(copy_statistics, base->statistics, base->n_statistics, b->statistics[0],
            b->n_statistics[0], b->cap_statistics[0]);
  COPY_LIST(copy_statistics, base->partition_statistics, base->n_partition_statistics,
            b->statistics[1], b->n_statistics[1], b->cap_statistics[1]);
  COPY_LIST(frz_copy_ref, base->refs, base->n_refs, b->refs, b->n_refs, b->cap_refs);
  return copy_snapshots(b, base);
}

static frz_status open_builder(frz_metadata_builder *b, const frz_alloc *alloc, frz_error *err)
{
  frz_table_metadata *m = frz_table_metadata_new(alloc);
  if (m == NULL) return frz_fail_nomem(err, "table metadata");
  *b = (frz_metadata_builder){.out = m,
                              .added_schema_id = FRZ_NONE_ADDED,
                              .added_spec_id = FRZ_NONE_ADDED,
                              .added_order_id = FRZ_NONE_ADDED};
  return FRZ_OK;
}

/* ---- updates ---- */

static frz_status set_text(frz_arena *arena, frz_str from, frz_str *to, frz_error *err)
{
  *to = frz_arena_keep(arena, from);
  return to->data != NULL ? FRZ_OK : frz_fail_nomem(err, "table metadata");
}

static frz_status assign_uuid(frz_table_metadata *m, frz_error *err)
{
  char uuid[37];
  FRZ_TRY(frz_os_uuid(uuid, err));
  return set_text(&m->arena, frz_str_from(uuid), &m->table_uuid, err);
}

static frz_status upgrade_format(frz_table_metadata *m, int32_t version, frz_error *err)
{
  if (version > FORMAT_VERSION_MAX)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "format version %d; at most %d is supported",
                    (int)version, FORMAT_VERSION_MAX);
  if (version < m->format_version)
    return frz_fail(err, FRZ_ERR_INVALID, "a table of format version %d cannot go back to %d",
                    (int)m->format_version, (int)version);
  m->format_version = version;
  if (version >= 3 && m->next_row_id < 0) m->next_row_id = 0;
  if (version >= 2 && m->table_uuid.data == NULL) return assign_uuid(m, err);
  return FRZ_OK;
}

static frz_status set_location(frz_table_metadata *m, frz_str location, frz_error *err)
{
  location = frz_location_trim(location);
  if (location.size == 0) return frz_fail(err, FRZ_ERR_INVALID, "the table's location is empty");
  return set_text(&m->arena, location, &m->location, err);
}

static frz_status set_property(frz_metadata_builder *b, const frz_text_pair *pair, frz_error *err)
{
  frz_arena *arena = &b->out->arena;
  for (size_t i = 0; i < b->n_properties; i++)
    if (frz_str_equal(b->properties[i].key, pair->key))
      return set_text(arena, pair->value, &b->properties[i].value, err);
  b->properties = frz_arena_list_room(arena, b->properties, b->n_properties, &b->cap_properties,
                                      sizeof *b->properties);
  if (b->properties == NULL) return frz_fail_nomem(err, "table metadata");
  FRZ_TRY(set_text(arena, pair->key, &b->properties[b->n_properties].key, err));
  FRZ_TRY(set_text(arena, pair->value, &b->properties[b->n_properties].value, err));
  b->n_properties++;
  return FRZ_OK;
}

static void remove_property(frz_metadata_builder *b, frz_str key)
{
  for (size_t i = 0; i < b->n_properties; i++) {
    if (!frz_str_equal(b->properties[i].key, key)) continue;
    memmove(&b->properties[i], &b->properties[i + 1],
            (b->n_properties - i - 1) * sizeof *b->properties);
    b->n_properties--;
    return;
  }
}

static frz_status apply_one(frz_metadata_builder *b, const frz_metadata_update *update,
                            frz_error *err)
{
  switch (update->kind) {
  case FRZ_UPDATE_ASSIGN_UUID:
    return set_text(&b->out->arena, update->name, &b->out->table_uuid, err);
  case FRZ_UPDATE_UPGRADE_FORMAT: return upgrade_format(b->out, update->id, err);
  case FRZ_UPDATE_ADD_SCHEMA:
    return frz_builder_add_schema(b, update->schema, update->last_column_id, err);
  case FRZ_UPDATE_SET_CURRENT_SCHEMA: return frz_builder_set_current_schema(b, update->id, err);
  case FRZ_UPDATE_ADD_SPEC: return frz_builder_add_spec(b, update->spec, err);
  case FRZ_UPDATE_SET_DEFAULT_SPEC: return frz_builder_set_default_spec(b, update->id, err);
  case FRZ_UPDATE_ADD_SORT_ORDER: return frz_builder_add_sort_order(b, update->sort_order, err);
  case FRZ_UPDATE_SET_DEFAULT_SORT_ORDER: return frz_builder_set_default_order(b, update->id, err);
  case FRZ_UPDATE_ADD_SNAPSHOT: return frz_builder_add_snapshot(b, update->snapshot, err);
  case FRZ_UPDATE_SET_REF: return frz_builder_set_ref(b, update->ref, err);
  case FRZ_UPDATE_REMOVE_REF: frz_builder_remove_ref(b, update->name); return FRZ_OK;
  case FRZ_UPDATE_REMOVE_SNAPSHOTS:
    return frz_builder_remove_snapshots(b, update->snapshot_ids, update->n_snapshot_ids, err);
  case FRZ_UPDATE_SET_LOCATION: return set_location(b->out, update->name, err);
  case FRZ_UPDATE_SET_PROPERTIES:
    for (size_t i = 0; i < update->n_pairs; i++) FRZ_TRY(set_property(b, &update->pairs[i], err));
    return FRZ_OK;
  case FRZ_UPDATE_REMOVE_PROPERTIES:
    for (size_t i = 0; i < update->n_pairs; i++) remove_property(b, update->pairs[i].key);
    return FRZ_OK;
  case FRZ_UPDATE_SET_STATISTICS:
  case FRZ_UPDATE_SET_PARTITION_STATISTICS:
    return frz_builder_set_statistics(b, update->kind == FRZ_UPDATE_SET_PARTITION_STATISTICS,
                                      update->statistics, err);
  case FRZ_UPDATE_REMOVE_STATISTICS:
  case FRZ_UPDATE_REMOVE_PARTITION_STATISTICS:
    frz_builder_remove_statistics(b, update->kind == FRZ_UPDATE_REMOVE_PARTITION_STATISTICS,
                                  update->snapshot_ids, update->n_snapshot_ids);
    return FRZ_OK;
  }
  return frz_fail(err, FRZ_ERR_INVALID, "table update of kind %d", (int)update->kind);
}

/* ---- the end ---- */

static void close_lists(frz_metadata_builder *b)
{
  frz_table_metadata *m = b->out;
  m->schemas = b->schemas;
  m->n_schemas = b->n_schemas;
  m->specs = b->specs;
  m->n_specs = b->n_specs;
  m->sort_orders = b->orders;
  m->n_sort_orders = b->n_orders;
  m->properties = b->properties;
  m->n_properties = b->n_properties;
  m->snapshots = b->snapshots;
  m->n_snapshots = b->n_snapshots;
  m->refs = b->refs;
  m->n_refs = b->n_refs;
  m->snapshot_log = b->snapshot_log;
  m->n_snapshot_log = b->n_snapshot_log;
  m->statistics = b->statistics[0];
  m->n_statistics = b->n_statistics[0];
  m->partition_statistics = b->statistics[1];
  m->n_partition_statistics = b->n_statistics[1];
}

static frz_status check_defaults(const frz_table_metadata *m, frz_error *err)
{
  const frz_schema *schema = frz_metadata_current_schema(m);
  const frz_partition_spec *spec = frz_metadata_spec(m, m->default_spec_id);
  const frz_sort_order *order = frz_metadata_sort_order(m, m->default_sort_order_id);
  assert(schema != NULL && spec != NULL && order != NULL);
  FRZ_TRY(frz_partition_spec_check(spec, schema, FRZ_ERR_INVALID, err));
  return frz_sort_order_check(order, schema, FRZ_ERR_INVALID, err);
}

/* The base's own file joins the log, of which the newest are kept. */
static frz_status extend_metadata_log(frz_table_metadata *m, const frz_table_metadata *base,
                                      frz_str base_location, frz_error *err)
{
  int64_t max;
  FRZ_TRY(frz_metadata_property_i64(m, "write.metadata.previous-versions-max",
                                    PREVIOUS_VERSIONS_MAX, &max, err));
  if (max < 1) max = 1;
  size_t n_added = base_location.data != NULL;
  size_t n_kept = base->n_metadata_log;
  if (n_added != 0 && n_kept > (uint64_t)max - 1) n_kept = (size_t)max - 1;
  frz_metadata_log_entry *log = frz_arena_array(&m->arena, n_kept + n_added, sizeof *log);
  if (log == NULL) return frz_fail_nomem(err, "table metadata");
  for (size_t i = 0; i < n_kept; i++) {
    const frz_metadata_log_entry *from = &base->metadata_log[base->n_metadata_log - n_kept + i];
    log[i].timestamp_ms = from->timestamp_ms;
    FRZ_TRY(set_text(&m->arena, from->metadata_file, &log[i].metadata_file, err));
  }
  if (n_added != 0) {
    log[n_kept].timestamp_ms = base->last_updated_ms;
    FRZ_TRY(set_text(&m->arena, base_location, &log[n_kept].metadata_file, err));
  }
  m->metadata_log = log;
  m->n_metadata_log = n_kept + n_added;
  return FRZ_OK;
}

frz_status frz_metadata_apply(const frz_table_metadata *base, frz_str base_location,
                              const frz_metadata_update *updates, size_t n_updates,
                              const frz_alloc *alloc, frz_table_metadata **metadata_out,
                              frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_metadata_builder b;
  FRZ_TRY(open_builder(&b, alloc, err));
  /* The document stays for the snapshots that lie in it, but not for a few of many. */
  bool removes = false;
  for (size_t i = 0; i < n_updates; i++)
    removes = removes || updates[i].kind == FRZ_UPDATE_REMOVE_SNAPSHOTS;
  if (!removes) b.out->document = frz_metadata_document_retain(base->document);
  if (!copy_base(&b, base)) {
    st = frz_fail_nomem(err, "table metadata");
    goto out;
  }
  int64_t now_ms = frz_os_now_ms();
  if (now_ms > b.out->last_updated_ms) b.out->last_updated_ms = now_ms;
  for (size_t i = 0; i < n_updates; i++) FRZ_TRY_OUT(apply_one(&b, &updates[i], err));
  FRZ_TRY_OUT(frz_builder_close_log(&b, err));
  close_lists(&b);
  if (!frz_metadata_index_snapshots(b.out)) {
    st = frz_fail_nomem(err, "table metadata");
    goto out;
  }
  FRZ_TRY_OUT(check_defaults(b.out, err));
  FRZ_TRY_OUT(extend_metadata_log(b.out, base, base_location, err));
  *metadata_out = b.out;
  b.out = NULL;
out:
  frz_table_metadata_release(b.out);
  return st;
}

frz_status frz_metadata_create(const frz_alloc *alloc, int32_t format_version, frz_str location,
                               const frz_schema *schema, const frz_partition_spec *spec,
                               const frz_sort_order *sort_order, const frz_text_pair *properties,
                               size_t n_properties, frz_table_metadata **metadata_out,
                               frz_error *err)
{
  static const frz_partition_spec unpartitioned = {0};
  static const frz_sort_order unsorted = {0};
  frz_status st = FRZ_OK;
  frz_metadata_builder b;
  if (format_version < 1 || format_version > FORMAT_VERSION_MAX)
    return frz_fail(err, FRZ_ERR_INVALID, "format version %d; 1 to %d are supported",
                    (int)format_version, FORMAT_VERSION_MAX);
  FRZ_TRY(open_builder(&b, alloc, err));
  frz_table_metadata *m = b.out;
  m->format_version = format_version;
  m->last_updated_ms = frz_os_now_ms();
  m->last_partition_id = 999;
  m->next_row_id = format_version >= 3 ? 0 : -1;
  FRZ_TRY_OUT(assign_uuid(m, err));
  FRZ_TRY_OUT(set_location(m, location, err));
  FRZ_TRY_OUT(frz_builder_add_schema(&b, schema, 0, err));
  FRZ_TRY_OUT(frz_builder_add_spec(&b, spec != NULL ? spec : &unpartitioned, err));
  FRZ_TRY_OUT(frz_builder_add_sort_order(&b, sort_order != NULL ? sort_order : &unsorted, err));
  FRZ_TRY_OUT(frz_builder_set_default_order(&b, -1, err));
  for (size_t i = 0; i < n_properties; i++) FRZ_TRY_OUT(set_property(&b, &properties[i], err));
  close_lists(&b);
  *metadata_out = m;
  b.out = NULL;
out:
  frz_table_metadata_release(b.out);
  return st;
}
