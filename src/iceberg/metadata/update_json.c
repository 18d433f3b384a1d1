/*
 * update_json.c - see update_json.h.
 *
 * What must stay true: every update that assigns an id or moves a ref goes with the requirement
 * that it is still what `base` says, so that a server which checks them refuses what was built on
 * another version.
 */
#include "iceberg/metadata/update_json.h"

#include "base/arena_list.h"
#include "iceberg/metadata/statistics_file.h"
#include "iceberg/metadata/table_metadata_json.h"

/* ---- requirements ---- */

typedef struct requirement_list {
  frz_arena *arena;
  frz_requirement *items;
  size_t n;
  size_t capacity;
} requirement_list;

static bool same(const frz_requirement *a, const frz_requirement *b)
{
  return a->kind == b->kind &&
         (a->kind != FRZ_REQUIRE_REF_SNAPSHOT_ID || frz_str_equal(a->text, b->text));
}

/* What is there already stays: the caller may know better than the base. */
static frz_status require(requirement_list *list, frz_requirement requirement, frz_error *err)
{
  for (size_t i = 0; i < list->n; i++)
    if (same(&list->items[i], &requirement)) return FRZ_OK;
  list->items =
      frz_arena_list_room(list->arena, list->items, list->n, &list->capacity, sizeof *list->items);
  if (list->items == NULL) return frz_fail_nomem(err, "requirements");
  list->items[list->n++] = requirement;
  return FRZ_OK;
}

static frz_status require_ref(requirement_list *list, const frz_table_metadata *base, frz_str name,
                              frz_error *err)
{
  const frz_snapshot_ref *ref = frz_metadata_ref(base, name);
  return require(
      list,
      (frz_requirement){FRZ_REQUIRE_REF_SNAPSHOT_ID, name, ref != NULL ? ref->snapshot_id : -1},
      err);
}

static frz_status require_for(requirement_list *list, const frz_table_metadata *base,
                              const frz_metadata_update *update, frz_error *err)
{
  const frz_str none = {0};
  switch (update->kind) {
  case FRZ_UPDATE_ADD_SCHEMA:
    return require(
        list, (frz_requirement){FRZ_REQUIRE_LAST_ASSIGNED_FIELD_ID, none, base->last_column_id},
        err);
  case FRZ_UPDATE_SET_CURRENT_SCHEMA:
    return require(
        list, (frz_requirement){FRZ_REQUIRE_CURRENT_SCHEMA_ID, none, base->current_schema_id}, err);
  case FRZ_UPDATE_ADD_SPEC:
    return require(
        list,
        (frz_requirement){FRZ_REQUIRE_LAST_ASSIGNED_PARTITION_ID, none, base->last_partition_id},
        err);
  case FRZ_UPDATE_SET_DEFAULT_SPEC:
    return require(
        list, (frz_requirement){FRZ_REQUIRE_DEFAULT_SPEC_ID, none, base->default_spec_id}, err);
  case FRZ_UPDATE_SET_DEFAULT_SORT_ORDER:
    return require(
        list,
        (frz_requirement){FRZ_REQUIRE_DEFAULT_SORT_ORDER_ID, none, base->default_sort_order_id},
        err);
  case FRZ_UPDATE_SET_REF: return require_ref(list, base, update->ref->name, err);
  case FRZ_UPDATE_REMOVE_REF: return require_ref(list, base, update->name, err);
  case FRZ_UPDATE_REMOVE_SNAPSHOTS: /* no ref may have moved to one of them meanwhile */
    for (size_t i = 0; i < base->n_refs; i++)
      FRZ_TRY(require_ref(list, base, base->refs[i].name, err));
    return FRZ_OK;
  default: return FRZ_OK;
  }
}

static const struct {
  frz_requirement_kind kind;
  const char *type;
  const char *member;
} requirement_names[] = {
    {FRZ_REQUIRE_CREATE, "assert-create", NULL},
    {FRZ_REQUIRE_UUID, "assert-table-uuid", "uuid"},
    {FRZ_REQUIRE_REF_SNAPSHOT_ID, "assert-ref-snapshot-id", "snapshot-id"},
    {FRZ_REQUIRE_LAST_ASSIGNED_FIELD_ID, "assert-last-assigned-field-id", "last-assigned-field-id"},
    {FRZ_REQUIRE_CURRENT_SCHEMA_ID, "assert-current-schema-id", "current-schema-id"},
    {FRZ_REQUIRE_LAST_ASSIGNED_PARTITION_ID, "assert-last-assigned-partition-id",
     "last-assigned-partition-id"},
    {FRZ_REQUIRE_DEFAULT_SPEC_ID, "assert-default-spec-id", "default-spec-id"},
    {FRZ_REQUIRE_DEFAULT_SORT_ORDER_ID, "assert-default-sort-order-id", "default-sort-order-id"},
};

static void write_requirement(frz_json_writer *json, const frz_requirement *requirement)
{
  size_t at = 0;
  while (requirement_names[at].kind != requirement->kind) at++;
  frz_json_write_object_begin(json);
  frz_json_write_string_member(json, "type", frz_str_from(requirement_names[at].type));
  if (requirement->kind == FRZ_REQUIRE_UUID) {
    frz_json_write_string_member(json, "uuid", requirement->text);
  } else if (requirement->kind == FRZ_REQUIRE_REF_SNAPSHOT_ID) {
    frz_json_write_string_member(json, "ref", requirement->text);
    frz_json_write_key(json, "snapshot-id");
    if (requirement->value < 0)
      frz_json_write_null(json);
    else
      frz_json_write_i64(json, requirement->value);
  } else if (requirement_names[at].member != NULL) {
    frz_json_write_i64_member(json, requirement_names[at].member, requirement->value);
  }
  frz_json_write_object_end(json);
}

/* ---- ids ---- */

/*
 * "The last added" (-1) means nothing to a server that found the added thing among those that it
 * has, and so added none. What an update comes to is seen by applying all of them here: an id that
 * `base` has is sent as it is.
 */
typedef struct known_ids {
  int32_t schema_id; /* -1: a new one */
  int32_t spec_id;
  int32_t sort_order_id;
} known_ids;

static frz_status find_known_ids(const frz_table_metadata *base, const frz_metadata_update *updates,
                                 size_t n_updates, const frz_alloc *alloc, known_ids *ids,
                                 frz_error *err)
{
  frz_table_metadata *next;
  const frz_str nowhere = {0};
  bool asks = false;
  *ids = (known_ids){-1, -1, -1};
  for (size_t i = 0; i < n_updates; i++)
    asks = asks || (updates[i].id == -1 && (updates[i].kind == FRZ_UPDATE_SET_CURRENT_SCHEMA ||
                                            updates[i].kind == FRZ_UPDATE_SET_DEFAULT_SPEC ||
                                            updates[i].kind == FRZ_UPDATE_SET_DEFAULT_SORT_ORDER));
  if (!asks) return FRZ_OK;
  FRZ_TRY(frz_metadata_apply(base, nowhere, updates, n_updates, alloc, &next, err));
  if (frz_metadata_schema(base, next->current_schema_id) != NULL)
    ids->schema_id = next->current_schema_id;
  if (frz_metadata_spec(base, next->default_spec_id) != NULL) ids->spec_id = next->default_spec_id;
  if (frz_metadata_sort_order(base, next->default_sort_order_id) != NULL)
    ids->sort_order_id = next->default_sort_order_id;
  frz_table_metadata_release(next);
  return FRZ_OK;
}

static frz_metadata_update with_known_id(const frz_metadata_update *update, const known_ids *ids)
{
  frz_metadata_update named = *update;
  if (named.id != -1) return named;
  if (named.kind == FRZ_UPDATE_SET_CURRENT_SCHEMA) named.id = ids->schema_id;
  if (named.kind == FRZ_UPDATE_SET_DEFAULT_SPEC) named.id = ids->spec_id;
  if (named.kind == FRZ_UPDATE_SET_DEFAULT_SORT_ORDER) named.id = ids->sort_order_id;
  return named;
}

/* A schema with the id that the server is to give it: some (Nessie) take the one that is sent. */
static frz_schema with_sent_id(const frz_table_metadata *base, const frz_schema *schema,
                               const known_ids *ids)
{
  frz_schema named = *schema;
  named.schema_id = ids->schema_id;
  for (size_t i = 0; i < base->n_schemas && ids->schema_id < 0; i++)
    if (named.schema_id <= base->schemas[i].schema_id)
      named.schema_id = base->schemas[i].schema_id + 1;
  return named;
}

/* ---- updates ---- */

static const char *action_of(frz_update_kind kind)
{
  switch (kind) {
  case FRZ_UPDATE_ASSIGN_UUID: return "assign-uuid";
  case FRZ_UPDATE_UPGRADE_FORMAT: return "upgrade-format-version";
  case FRZ_UPDATE_ADD_SCHEMA: return "add-schema";
  case FRZ_UPDATE_SET_CURRENT_SCHEMA: return "set-current-schema";
  case FRZ_UPDATE_ADD_SPEC: return "add-spec";
  case FRZ_UPDATE_SET_DEFAULT_SPEC: return "set-default-spec";
  case FRZ_UPDATE_ADD_SORT_ORDER: return "add-sort-order";
  case FRZ_UPDATE_SET_DEFAULT_SORT_ORDER: return "set-default-sort-order";
  case FRZ_UPDATE_ADD_SNAPSHOT: return "add-snapshot";
  case FRZ_UPDATE_SET_REF: return "set-snapshot-ref";
  case FRZ_UPDATE_REMOVE_REF: return "remove-snapshot-ref";
  case FRZ_UPDATE_REMOVE_SNAPSHOTS: return "remove-snapshots";
  case FRZ_UPDATE_SET_LOCATION: return "set-location";
  case FRZ_UPDATE_SET_PROPERTIES: return "set-properties";
  case FRZ_UPDATE_REMOVE_PROPERTIES: return "remove-properties";
  case FRZ_UPDATE_SET_STATISTICS: return "set-statistics";
  case FRZ_UPDATE_REMOVE_STATISTICS: return "remove-statistics";
  case FRZ_UPDATE_SET_PARTITION_STATISTICS: return "set-partition-statistics";
  case FRZ_UPDATE_REMOVE_PARTITION_STATISTICS: return "remove-partition-statistics";
  }
  return "";
}

static void begin_update(frz_json_writer *json, frz_update_kind kind)
{
  frz_json_write_object_begin(json);
  frz_json_write_string_member(json, "action", frz_str_from(action_of(kind)));
}

static void write_ids(frz_json_writer *json, const frz_metadata_update *update)
{
  frz_json_write_key(json, "snapshot-ids");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < update->n_snapshot_ids; i++)
    frz_json_write_i64(json, update->snapshot_ids[i]);
  frz_json_write_array_end(json);
}

static void write_pairs(frz_json_writer *json, const frz_metadata_update *update)
{
  bool sets = update->kind == FRZ_UPDATE_SET_PROPERTIES;
  frz_json_write_key(json, sets ? "updates" : "removals");
  if (sets)
    frz_json_write_object_begin(json);
  else
    frz_json_write_array_begin(json);
  for (size_t i = 0; i < update->n_pairs; i++) {
    if (sets) frz_json_write_key_str(json, update->pairs[i].key);
    frz_json_write_string(json, sets ? update->pairs[i].value : update->pairs[i].key);
  }
  if (sets)
    frz_json_write_object_end(json);
  else
    frz_json_write_array_end(json);
}

static frz_status write_statistics(frz_json_writer *json, const frz_metadata_update *update,
                                   frz_arena *arena, frz_error *err)
{
  bool is_partition = update->kind == FRZ_UPDATE_SET_PARTITION_STATISTICS;
  frz_statistics_file copy = {0};
  FRZ_TRY(frz_statistics_file_copy(arena, update->statistics, &copy, err));
  if (!is_partition) frz_json_write_i64_member(json, "snapshot-id", copy.snapshot_id);
  frz_json_write_key(json, is_partition ? "partition-statistics" : "statistics");
  frz_json_write_raw(json, copy.json);
  return FRZ_OK;
}

/* The protocol takes one snapshot at a time. */
static void write_removed_statistics(frz_json_writer *json, const frz_metadata_update *update)
{
  for (size_t i = 0; i < update->n_snapshot_ids; i++) {
    begin_update(json, update->kind);
    frz_json_write_i64_member(json, "snapshot-id", update->snapshot_ids[i]);
    frz_json_write_object_end(json);
  }
}

static frz_status write_members(frz_json_writer *json, const frz_table_metadata *base,
                                const frz_metadata_update *update, frz_arena *arena, frz_error *err)
{
  switch (update->kind) {
  case FRZ_UPDATE_ASSIGN_UUID: frz_json_write_string_member(json, "uuid", update->name); break;
  case FRZ_UPDATE_UPGRADE_FORMAT:
    frz_json_write_i64_member(json, "format-version", update->id);
    break;
  case FRZ_UPDATE_ADD_SCHEMA:
    frz_json_write_key(json, "schema");
    frz_schema_write(json, update->schema);
    frz_json_write_i64_member(json, "last-column-id", update->last_column_id);
    break;
  case FRZ_UPDATE_SET_CURRENT_SCHEMA:
    frz_json_write_i64_member(json, "schema-id", update->id);
    break;
  case FRZ_UPDATE_ADD_SPEC:
    frz_json_write_key(json, "spec");
    frz_partition_spec_write(json, update->spec);
    break;
  case FRZ_UPDATE_SET_DEFAULT_SPEC: frz_json_write_i64_member(json, "spec-id", update->id); break;
  case FRZ_UPDATE_ADD_SORT_ORDER:
    frz_json_write_key(json, "sort-order");
    frz_sort_order_write(json, update->sort_order);
    break;
  case FRZ_UPDATE_SET_DEFAULT_SORT_ORDER:
    frz_json_write_i64_member(json, "sort-order-id", update->id);
    break;
  case FRZ_UPDATE_ADD_SNAPSHOT:
    frz_json_write_key(json, "snapshot");
    frz_snapshot_write(json, update->snapshot, base->format_version);
    break;
  case FRZ_UPDATE_SET_REF:
    frz_json_write_string_member(json, "ref-name", update->ref->name);
    frz_snapshot_ref_members_write(json, update->ref);
    break;
  case FRZ_UPDATE_REMOVE_REF: frz_json_write_string_member(json, "ref-name", update->name); break;
  case FRZ_UPDATE_REMOVE_SNAPSHOTS: write_ids(json, update); break;
  case FRZ_UPDATE_SET_LOCATION: frz_json_write_string_member(json, "location", update->name); break;
  case FRZ_UPDATE_SET_PROPERTIES:
  case FRZ_UPDATE_REMOVE_PROPERTIES: write_pairs(json, update); break;
  case FRZ_UPDATE_SET_STATISTICS:
  case FRZ_UPDATE_SET_PARTITION_STATISTICS: return write_statistics(json, update, arena, err);
  case FRZ_UPDATE_REMOVE_STATISTICS:
  case FRZ_UPDATE_REMOVE_PARTITION_STATISTICS: break; /* write_removed_statistics() */
  }
  return FRZ_OK;
}

static frz_status write_update(frz_json_writer *json, const frz_table_metadata *base,
                               const frz_metadata_update *update, frz_arena *arena, frz_error *err)
{
  if (update->kind == FRZ_UPDATE_REMOVE_STATISTICS ||
      update->kind == FRZ_UPDATE_REMOVE_PARTITION_STATISTICS) {
    write_removed_statistics(json, update);
    return FRZ_OK;
  }
  begin_update(json, update->kind);
  FRZ_TRY(write_members(json, base, update, arena, err));
  frz_json_write_object_end(json);
  return FRZ_OK;
}

frz_status frz_commit_members_write(frz_json_writer *json, const frz_table_metadata *base,
                                    const frz_requirement *requirements, size_t n_requirements,
                                    const frz_metadata_update *updates, size_t n_updates,
                                    frz_arena *arena, frz_error *err)
{
  requirement_list list = {.arena = arena};
  for (size_t i = 0; i < n_requirements; i++) FRZ_TRY(require(&list, requirements[i], err));
  bool creates = n_requirements != 0 && requirements[0].kind == FRZ_REQUIRE_CREATE;
  if (!creates && base->table_uuid.size != 0)
    FRZ_TRY(require(&list, (frz_requirement){FRZ_REQUIRE_UUID, base->table_uuid, 0}, err));
  for (size_t i = 0; i < n_updates && !creates; i++)
    FRZ_TRY(require_for(&list, base, &updates[i], err));
  known_ids ids = {-1, -1, -1};
  if (!creates) FRZ_TRY(find_known_ids(base, updates, n_updates, arena->alloc, &ids, err));
  frz_json_write_key(json, "requirements");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < list.n; i++) write_requirement(json, &list.items[i]);
  frz_json_write_array_end(json);
  frz_json_write_key(json, "updates");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < n_updates; i++) {
    frz_metadata_update named = with_known_id(&updates[i], &ids);
    frz_schema schema;
    if (!creates && named.kind == FRZ_UPDATE_ADD_SCHEMA) {
      schema = with_sent_id(base, named.schema, &ids);
      named.schema = &schema;
    }
    FRZ_TRY(write_update(json, base, &named, arena, err));
  }
  frz_json_write_array_end(json);
  return FRZ_OK;
}
