/*
 * table_settings.c - a table's properties, format version and named snapshots (branches and tags).
 *
 * Source: Iceberg specification, "Table Metadata" (properties), "Snapshot References".
 */
#include "base/limits.h"
#include "frazil/evolution.h"
#include "iceberg/table/table_handle.h"

/* ---- properties ---- */

typedef struct property_change {
  frz_arena arena;
  frz_metadata_update updates[3];
  size_t n_updates;
  int32_t format_version; /* 0: not asked for */
  frz_requirement requirement;
} property_change;

/* "format-version" is a field of the metadata that everybody sets as a property. */
static frz_status read_version(const char *value, int32_t *version_out, frz_error *err)
{
  if (value[0] < '1' || value[0] > '3' || value[1] != '\0')
    return frz_fail(err, FRZ_ERR_INVALID, "property format-version: '%s'", value);
  *version_out = value[0] - '0';
  return FRZ_OK;
}

static frz_status collect_properties(property_change *change, const frz_property *properties,
                                     size_t n_properties, frz_error *err)
{
  frz_text_pair *pairs = frz_arena_array(&change->arena, n_properties, sizeof *pairs);
  if (pairs == NULL) return frz_fail_nomem(err, "properties");
  size_t n_pairs = 0;
  for (size_t i = 0; i < n_properties; i++) {
    if (properties[i].key == NULL || properties[i].value == NULL)
      return frz_fail(err, FRZ_ERR_INVALID, "property %zu: key or value is NULL", i);
    if (strcmp(properties[i].key, "format-version") == 0)
      FRZ_TRY(read_version(properties[i].value, &change->format_version, err));
    else
      pairs[n_pairs++] =
          (frz_text_pair){frz_str_from(properties[i].key), frz_str_from(properties[i].value)};
  }
  if (n_pairs != 0)
    change->updates[change->n_updates++] = (frz_metadata_update){
        .kind = FRZ_UPDATE_SET_PROPERTIES, .pairs = pairs, .n_pairs = n_pairs};
  return FRZ_OK;
}

static frz_status collect_removals(property_change *change, const frz_property *properties,
                                   size_t n_properties, const char *const *removals,
                                   size_t n_removals, frz_error *err)
{
  frz_text_pair *pairs = frz_arena_array(&change->arena, n_removals, sizeof *pairs);
  if (pairs == NULL) return frz_fail_nomem(err, "properties");
  for (size_t i = 0; i < n_removals; i++) {
    if (removals[i] == NULL)
      return frz_fail(err, FRZ_ERR_INVALID, "property removal %zu is NULL", i);
    for (size_t j = 0; j < n_properties; j++)
      if (strcmp(properties[j].key, removals[i]) == 0)
        return frz_fail(err, FRZ_ERR_INVALID, "property '%s' is both set and removed", removals[i]);
    pairs[i].key = frz_str_from(removals[i]);
  }
  if (n_removals != 0)
    change->updates[change->n_updates++] = (frz_metadata_update){
        .kind = FRZ_UPDATE_REMOVE_PROPERTIES, .pairs = pairs, .n_pairs = n_removals};
  return FRZ_OK;
}

static frz_status prepare_properties(void *arg, const frz_table_metadata *base,
                                     frz_commit_attempt *attempt_out, frz_error *err)
{
  property_change *change = arg;
  size_t n_updates = change->n_updates;
  if (change->format_version != 0 && change->format_version < base->format_version)
    return frz_fail(err, FRZ_ERR_INVALID, "format version %d cannot go back to %d",
                    base->format_version, change->format_version);
  if (change->format_version > base->format_version)
    change->updates[n_updates++] =
        (frz_metadata_update){.kind = FRZ_UPDATE_UPGRADE_FORMAT, .id = change->format_version};
  change->requirement = (frz_requirement){.kind = FRZ_REQUIRE_UUID, .text = base->table_uuid};
  *attempt_out = (frz_commit_attempt){&change->requirement, 1, change->updates, n_updates, 0};
  return FRZ_OK;
}

frz_status frz_table_set_properties(frz_table *table, const frz_property *properties,
                                    size_t n_properties, const char *const *removals,
                                    size_t n_removals, frz_error *err)
{
  if (table == NULL || (properties == NULL && n_properties != 0) ||
      (removals == NULL && n_removals != 0))
    return frz_fail(err, FRZ_ERR_INVALID, "properties: table, properties or removals are NULL");
  frz_status st = FRZ_OK;
  property_change change = {0};
  frz_arena_init(&change.arena, frz_context_alloc(frz_table_context(table)),
                 FRZ_LIMIT_METADATA_BYTES);
  FRZ_TRY_OUT(collect_properties(&change, properties, n_properties, err));
  FRZ_TRY_OUT(collect_removals(&change, properties, n_properties, removals, n_removals, err));
  FRZ_TRY_OUT(frz_table_commit_properties(table, prepare_properties, &change, err));
out:
  frz_arena_free(&change.arena);
  return st;
}

frz_status frz_table_upgrade(frz_table *table, int32_t format_version, frz_error *err)
{
  if (table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "upgrade: table is NULL");
  if (format_version < 1 || format_version > 3)
    return frz_fail(err, FRZ_ERR_INVALID, "format version %d: 2 and 3 are allowed", format_version);
  property_change change = {.format_version = format_version};
  return frz_table_commit(table, prepare_properties, &change, err);
}

/* ---- refs ---- */

/* What is not set is -1. Only branches keep snapshots: a tag is one. */
static frz_status check_retention(frz_str ref, const frz_ref_options *options, frz_error *err)
{
  const struct {
    const char *name;
    int64_t value;
    bool of_tags;
  } values[] = {{"max_ref_age_ms", options->max_ref_age_ms, true},
                {"max_snapshot_age_ms", options->max_snapshot_age_ms, false},
                {"min_snapshots_to_keep", options->min_snapshots_to_keep, false}};
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    if (values[i].value == -1) continue;
    if (values[i].value <= 0)
      return frz_fail(err, FRZ_ERR_INVALID, "ref '%.*s': %s %lld is not positive", FRZ_STR_ARG(ref),
                      values[i].name, (long long)values[i].value);
    if (!options->is_branch && !values[i].of_tags)
      return frz_fail(err, FRZ_ERR_INVALID, "ref '%.*s': a tag has no %s", FRZ_STR_ARG(ref),
                      values[i].name);
    if (frz_str_is(ref, "main") && values[i].of_tags)
      return frz_fail(err, FRZ_ERR_INVALID, "ref 'main' never goes: it has no %s", values[i].name);
  }
  return FRZ_OK;
}

typedef struct ref_change {
  frz_str name;
  bool is_removal;
  frz_ref_options options;
  frz_snapshot_ref ref;
  frz_metadata_update update;
  frz_requirement requirements[2];
} ref_change;

static frz_status check_target(const ref_change *change, const frz_table_metadata *base,
                               const frz_snapshot_ref *known, int64_t *snapshot_id_out,
                               frz_error *err)
{
  int64_t id =
      change->options.snapshot_id != 0 ? change->options.snapshot_id : base->current_snapshot_id;
  if (known != NULL && known->is_branch != change->options.is_branch)
    return frz_fail(err, FRZ_ERR_INVALID, "ref '%.*s' is a %s", FRZ_STR_ARG(change->name),
                    known->is_branch ? "branch" : "tag");
  if (frz_metadata_snapshot(base, id) == NULL)
    return id == -1 ? frz_fail(err, FRZ_ERR_NOT_FOUND, "ref '%.*s': the table has no snapshot",
                               FRZ_STR_ARG(change->name))
                    : frz_fail(err, FRZ_ERR_NOT_FOUND, "ref '%.*s': no snapshot %lld",
                               FRZ_STR_ARG(change->name), (long long)id);
  *snapshot_id_out = id;
  return FRZ_OK;
}

static frz_status prepare_ref(void *arg, const frz_table_metadata *base,
                              frz_commit_attempt *attempt_out, frz_error *err)
{
  ref_change *change = arg;
  const frz_snapshot_ref *known = frz_metadata_ref(base, change->name);
  change->requirements[0] = (frz_requirement){.kind = FRZ_REQUIRE_UUID, .text = base->table_uuid};
  change->requirements[1] = (frz_requirement){.kind = FRZ_REQUIRE_REF_SNAPSHOT_ID,
                                              .text = change->name,
                                              .value = known != NULL ? known->snapshot_id : -1};
  if (change->is_removal) {
    if (known == NULL)
      return frz_fail(err, FRZ_ERR_NOT_FOUND, "ref '%.*s' does not exist",
                      FRZ_STR_ARG(change->name));
    change->update = (frz_metadata_update){.kind = FRZ_UPDATE_REMOVE_REF, .name = change->name};
  } else {
    change->ref = known != NULL ? *known
                                : (frz_snapshot_ref){.max_ref_age_ms = -1,
                                                     .max_snapshot_age_ms = -1,
                                                     .min_snapshots_to_keep = -1};
    change->ref.name = change->name;
    change->ref.is_branch = change->options.is_branch;
    if (change->options.max_ref_age_ms != -1)
      change->ref.max_ref_age_ms = change->options.max_ref_age_ms;
    if (change->options.max_snapshot_age_ms != -1)
      change->ref.max_snapshot_age_ms = change->options.max_snapshot_age_ms;
    if (change->options.min_snapshots_to_keep != -1)
      change->ref.min_snapshots_to_keep = change->options.min_snapshots_to_keep;
    FRZ_TRY(check_target(change, base, known, &change->ref.snapshot_id, err));
    change->update = (frz_metadata_update){
        .kind = FRZ_UPDATE_SET_REF, .name = change->name, .ref = &change->ref};
  }
  *attempt_out = (frz_commit_attempt){change->requirements, 2, &change->update, 1, 0};
  return FRZ_OK;
}

void frz_ref_options_init(frz_ref_options *options)
{
  *options = (frz_ref_options){.struct_bytes = sizeof *options,
                               .max_ref_age_ms = -1,
                               .max_snapshot_age_ms = -1,
                               .min_snapshots_to_keep = -1};
}

static frz_status check_name(const frz_table *table, const char *ref, frz_error *err)
{
  if (table == NULL || ref == NULL || ref[0] == '\0')
    return frz_fail(err, FRZ_ERR_INVALID, "ref: table or name is missing");
  return FRZ_OK;
}

frz_status frz_table_set_ref(frz_table *table, const char *ref, const frz_ref_options *options,
                             frz_error *err)
{
  FRZ_TRY(check_name(table, ref, err));
  ref_change change = {.name = frz_str_from(ref)};
  frz_ref_options_init(&change.options);
  if (options != NULL) {
    if (options->struct_bytes < sizeof options->struct_bytes ||
        options->struct_bytes > sizeof change.options)
      return frz_fail(err, FRZ_ERR_INVALID, "frz_ref_options: struct_bytes %zu",
                      options->struct_bytes);
    memcpy(&change.options, options, options->struct_bytes);
  }
  if (strcmp(ref, "main") == 0 && !change.options.is_branch)
    return frz_fail(err, FRZ_ERR_INVALID, "ref 'main' is the table's branch: it cannot be a tag");
  FRZ_TRY(check_retention(change.name, &change.options, err));
  return frz_table_commit(table, prepare_ref, &change, err);
}

frz_status frz_table_remove_ref(frz_table *table, const char *ref, frz_error *err)
{
  FRZ_TRY(check_name(table, ref, err));
  if (strcmp(ref, "main") == 0)
    return frz_fail(err, FRZ_ERR_INVALID, "ref 'main' is the table's branch: it cannot be removed");
  ref_change change = {.name = frz_str_from(ref), .is_removal = true};
  return frz_table_commit(table, prepare_ref, &change, err);
}
