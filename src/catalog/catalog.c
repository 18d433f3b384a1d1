/*
 * catalog.c - the catalog handle: opens a kind by its "type", checks arguments, parses schemas,
 * and is the commit port of the tables that come from it.
 *
 * The handle is counted: the caller's reference and one a table, so that tables stay usable after
 * frz_catalog_free(). The kinds (sql_catalog.c, static_catalog.c) implement catalog_ops.h.
 */
#include <stdatomic.h>

#include "base/limits.h"
#include "catalog/table_as.h"
#include "iceberg/maintain/file_removal.h"
#include "iceberg/write/table_write.h"
#include "storage/store_text.h"

struct frz_catalog {
  atomic_int references;
  frz_commit_port port; /* of the tables */
  frz_context *context;
  const frz_alloc *alloc;
  frz_string name;
  frz_storage *storage;
  const frz_catalog_ops *ops;
  void *self;
};

/* ---- names ---- */

const char *frz_catalog_property(const frz_catalog_setup *setup, const char *key)
{
  for (size_t i = 0; i < setup->n_properties; i++)
    if (strcmp(setup->properties[i].key, key) == 0) return setup->properties[i].value;
  return NULL;
}

frz_status frz_catalog_flag(const frz_catalog_setup *setup, const char *key, bool fallback,
                            bool *flag_out, frz_error *err)
{
  const char *value = frz_catalog_property(setup, key);
  *flag_out = fallback;
  if (value == NULL) return FRZ_OK;
  return frz_property_flag(frz_str_from(key), frz_str_from(value), flag_out, err);
}

/* No empty part between dots. */
static frz_status check_namespace(frz_str name, frz_error *err)
{
  bool part_is_empty = true;
  for (size_t i = 0; i < name.size; i++) {
    if (name.data[i] != '.')
      part_is_empty = false;
    else if (part_is_empty)
      break;
    else
      part_is_empty = true;
  }
  if (!part_is_empty) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "namespace '%.*s': a part of the name is empty",
                  FRZ_STR_ARG(name));
}

frz_status frz_identifier_parse(const char *text, frz_identifier *id_out, frz_error *err)
{
  const char *dot = strrchr(text, '.');
  const char *table = dot != NULL ? dot + 1 : text;
  frz_identifier id = {text, {text, dot != NULL ? (size_t)(dot - text) : 0}, frz_str_from(table)};
  if (dot == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "table '%s': the name has no namespace", text);
  if (id.table_name.size == 0)
    return frz_fail(err, FRZ_ERR_INVALID, "table '%s': the name ends with a dot", text);
  FRZ_TRY(check_namespace(id.namespace_name, err));
  *id_out = id;
  return FRZ_OK;
}

/* ---- the handle ---- */

static frz_status check_properties(const frz_property *properties, size_t n_properties,
                                   const char *what, frz_error *err)
{
  if (n_properties != 0 && properties == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "%s: properties are NULL", what);
  for (size_t i = 0; i < n_properties; i++)
    if (properties[i].key == NULL || properties[i].value == NULL)
      return frz_fail(err, FRZ_ERR_INVALID, "%s: property %zu has a NULL key or value", what, i);
  return FRZ_OK;
}

static void retain(void *ctx)
{
  frz_catalog *catalog = ctx;
  atomic_fetch_add(&catalog->references, 1);
}

static void release(void *ctx)
{
  frz_catalog *catalog = ctx;
  if (catalog == NULL || atomic_fetch_sub(&catalog->references, 1) != 1) return;
  if (catalog->ops != NULL) catalog->ops->free(catalog->self);
  frz_storage_release(catalog->storage);
  frz_string_dispose(&catalog->name);
  frz_alloc_free(catalog->alloc, catalog, sizeof *catalog);
}

/* ---- namespaces ---- */

static frz_status check_named(const frz_catalog *catalog, const char *name, const char *what,
                              frz_error *err)
{
  if (catalog == NULL) return frz_fail(err, FRZ_ERR_INVALID, "catalog is NULL");
  if (name == NULL) return frz_fail(err, FRZ_ERR_INVALID, "%s is NULL", what);
  return FRZ_OK;
}

static frz_status check_change(const frz_catalog *catalog, const char *name, const char *what,
                               frz_error *err)
{
  FRZ_TRY(check_named(catalog, name, what, err));
  if (catalog->ops->read_only == NULL) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "'%s': %s", name, catalog->ops->read_only);
}

frz_status frz_catalog_create_namespace(frz_catalog *catalog, const char *namespace_name,
                                        const frz_property *properties, size_t n_properties,
                                        frz_error *err)
{
  FRZ_TRY(check_change(catalog, namespace_name, "namespace", err));
  FRZ_TRY(check_properties(properties, n_properties, "namespace", err));
  frz_str name = frz_str_from(namespace_name);
  FRZ_TRY(check_namespace(name, err));
  return catalog->ops->create_namespace(catalog->self, name, properties, n_properties, err);
}

frz_status frz_catalog_drop_namespace(frz_catalog *catalog, const char *namespace_name,
                                      frz_error *err)
{
  FRZ_TRY(check_change(catalog, namespace_name, "namespace", err));
  frz_str name = frz_str_from(namespace_name);
  FRZ_TRY(check_namespace(name, err));
  return catalog->ops->drop_namespace(catalog->self, name, err);
}

frz_status frz_catalog_list_namespaces(frz_catalog *catalog, const char *parent,
                                       frz_string_list *list_out, frz_error *err)
{
  FRZ_TRY(check_named(catalog, "", "namespace", err));
  if (list_out == NULL) return frz_fail(err, FRZ_ERR_INVALID, "list_out is NULL");
  frz_str name = frz_str_from(parent);
  if (name.size != 0) FRZ_TRY(check_namespace(name, err));
  frz_string_list list = {.alloc = catalog->alloc};
  frz_status st = catalog->ops->list_namespaces(catalog->self, name, &list, err);
  if (st != FRZ_OK) {
    frz_string_list_dispose(&list);
    return st;
  }
  frz_string_list_sort(&list);
  *list_out = list;
  return FRZ_OK;
}

typedef frz_status (*list_call)(void *self, frz_str name, frz_string_list *list, frz_error *err);

/* What lies in a namespace, sorted. */
static frz_status list_names(frz_catalog *catalog, frz_str name, list_call call,
                             frz_string_list *list_out, frz_error *err)
{
  if (list_out == NULL) return frz_fail(err, FRZ_ERR_INVALID, "list_out is NULL");
  FRZ_TRY(check_namespace(name, err));
  frz_string_list list = {.alloc = catalog->alloc};
  frz_status st = call(catalog->self, name, &list, err);
  if (st != FRZ_OK) {
    frz_string_list_dispose(&list);
    return st;
  }
  frz_string_list_sort(&list);
  *list_out = list;
  return FRZ_OK;
}

frz_status frz_catalog_list_tables(frz_catalog *catalog, const char *namespace_name,
                                   frz_string_list *list_out, frz_error *err)
{
  FRZ_TRY(check_named(catalog, namespace_name, "namespace", err));
  return list_names(catalog, frz_str_from(namespace_name), catalog->ops->list_tables, list_out,
                    err);
}

frz_status frz_catalog_list_views(frz_catalog *catalog, const char *namespace_name,
                                  frz_string_list *list_out, frz_error *err)
{
  FRZ_TRY(check_named(catalog, namespace_name, "namespace", err));
  if (catalog->ops->list_views == NULL)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "views are listed in catalogs of type rest and sql alone");
  return list_names(catalog, frz_str_from(namespace_name), catalog->ops->list_views, list_out, err);
}

/* ---- the commit port of tables ---- */

static frz_status port_load(void *ctx, const char *identifier, frz_loaded_table *loaded_out,
                            frz_error *err)
{
  frz_catalog *catalog = ctx;
  bool changed;
  return catalog->ops->load_table(catalog->self, identifier, (frz_str){0}, loaded_out, &changed,
                                  err);
}

static frz_status port_load_newer(void *ctx, const char *identifier, frz_str known_location,
                                  frz_loaded_table *loaded_out, bool *changed_out, frz_error *err)
{
  frz_catalog *catalog = ctx;
  return catalog->ops->load_table(catalog->self, identifier, known_location, loaded_out,
                                  changed_out, err);
}

static frz_status port_commit(void *ctx, const char *identifier, const frz_loaded_table *base,
                              const frz_requirement *requirements, size_t n_requirements,
                              const frz_metadata_update *updates, size_t n_updates,
                              frz_loaded_table *loaded_out, frz_error *err)
{
  frz_catalog *catalog = ctx;
  return catalog->ops->commit_table(catalog->self, identifier, base, requirements, n_requirements,
                                    updates, n_updates, loaded_out, err);
}

static frz_status port_take_turn(void *ctx, const char *identifier, const frz_loaded_table *base,
                                 frz_commit_turn **turn_out, frz_error *err)
{
  frz_catalog *catalog = ctx;
  return catalog->ops->take_turn(catalog->self, identifier, base, turn_out, err);
}

static void port_end_turn(void *ctx, frz_commit_turn *turn)
{
  frz_catalog *catalog = ctx;
  catalog->ops->end_turn(catalog->self, turn);
}

static frz_status port_commit_tables(void *ctx, const frz_commit_part *parts, size_t n_parts,
                                     frz_error *err)
{
  frz_catalog *catalog = ctx;
  return catalog->ops->commit_tables(catalog->self, parts, n_parts, err);
}

static const frz_commit_port port_form = {.version = 1,
                                          .load = port_load,
                                          .commit = port_commit,
                                          .retain = retain,
                                          .release = release,
                                          .load_newer = port_load_newer,
                                          .commit_tables = port_commit_tables};

/* ---- opening ---- */

static frz_status open_kind(const frz_catalog_setup *setup, const frz_catalog_ops **ops_out,
                            void **self_out, frz_error *err)
{
  static const char *const later[] = {"dynamodb", "bigquery"};
  const char *type = frz_catalog_property(setup, "type");
  if (type == NULL || strcmp(type, "sql") == 0)
    return frz_sql_catalog_open(setup, ops_out, self_out, err);
  if (strcmp(type, "rest") == 0) return frz_rest_catalog_open(setup, ops_out, self_out, err);
  if (strcmp(type, "glue") == 0) return frz_glue_catalog_open(setup, ops_out, self_out, err);
  if (strcmp(type, "hive") == 0) return frz_hive_catalog_open(setup, ops_out, self_out, err);
  if (strcmp(type, "static") == 0 || strcmp(type, "none") == 0)
    return frz_static_catalog_open(setup, ops_out, self_out, err);
  for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
    if (strcmp(type, later[i]) == 0)
      return frz_fail(
          err, FRZ_ERR_UNSUPPORTED,
          "catalog type '%s' is not in this build; sql, rest, glue, hive and static are", type);
  return frz_fail(err, FRZ_ERR_INVALID,
                  "catalog type '%s' is not one of sql, rest, static, none, glue, hive", type);
}

frz_status frz_catalog_open(frz_context *context, const char *name, const frz_property *properties,
                            size_t n_properties, frz_catalog **catalog_out, frz_error *err)
{
  if (context == NULL || name == NULL || catalog_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "catalog: context, name or catalog_out is NULL");
  FRZ_TRY(check_properties(properties, n_properties, "catalog", err));
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_catalog *catalog = frz_alloc_zeroed(alloc, sizeof *catalog);
  if (catalog == NULL) return frz_fail_nomem(err, "catalog");
  frz_status st = FRZ_OK;
  catalog->references = 1;
  catalog->context = context;
  catalog->alloc = alloc;
  FRZ_TRY_OUT(frz_string_copy(alloc, frz_str_from(name), &catalog->name, err));
  FRZ_TRY_OUT(frz_storage_create(context, properties, n_properties, &catalog->storage, err));
  const frz_catalog_setup setup = {context, catalog->storage, name, properties, n_properties};
  FRZ_TRY_OUT(open_kind(&setup, &catalog->ops, &catalog->self, err));
  catalog->port = port_form;
  catalog->port.read_only = catalog->ops->read_only;
  if (catalog->ops->take_turn != NULL) {
    catalog->port.take_turn = port_take_turn;
    catalog->port.end_turn = port_end_turn;
  }
  *catalog_out = catalog;
  return FRZ_OK;
out:
  frz_error_where(err, "catalog '%s': ", name);
  release(catalog);
  return st;
}

void frz_catalog_free(frz_catalog *catalog)
{
  release(catalog);
}

const char *frz_catalog_name(const frz_catalog *catalog)
{
  return catalog->name.data;
}

/* ---- tables ---- */

static frz_status make_handle(frz_catalog *catalog, const char *identifier,
                              frz_loaded_table *loaded, frz_table **table_out, frz_error *err)
{
  return frz_table_create_handle(catalog->context, identifier, &catalog->port, catalog,
                                 catalog->storage, loaded, table_out, err);
}

void frz_create_table_options_init(frz_create_table_options *options)
{
  *options = (frz_create_table_options){.struct_bytes = sizeof *options, .format_version = 2};
}

static frz_status read_options(const frz_create_table_options *options,
                               frz_create_table_options *filled, frz_error *err)
{
  frz_create_table_options_init(filled);
  if (options == NULL) return FRZ_OK;
  if (options->struct_bytes == 0 || options->struct_bytes > sizeof *filled)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_create_table_options: struct_bytes %zu",
                    options->struct_bytes);
  memcpy(filled, options, options->struct_bytes);
  return check_properties(filled->properties, filled->n_properties, "table", err);
}

/* "format-version" among the properties says what it says elsewhere, and is not stored. */
static frz_status read_format_version(const frz_create_table_options *options,
                                      frz_table_creation *creation, frz_error *err)
{
  creation->format_version = options->format_version;
  for (size_t i = 0; i < options->n_properties; i++) {
    const char *value = options->properties[i].value;
    if (strcmp(options->properties[i].key, "format-version") != 0) continue;
    if (value[0] < '1' || value[0] > '9' || value[1] != '\0')
      return frz_fail(err, FRZ_ERR_INVALID, "property format-version: '%s'", value);
    creation->format_version = value[0] - '0';
  }
  int32_t version = creation->format_version;
  if (version >= 1 && version <= 3) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "format version %d: 1, 2 and 3 are allowed", version);
}

static frz_status read_properties(const frz_create_table_options *options, frz_arena *arena,
                                  frz_table_creation *creation, frz_error *err)
{
  frz_text_pair *pairs = frz_arena_array(arena, options->n_properties, sizeof *pairs);
  if (pairs == NULL) return frz_fail_nomem(err, "table properties");
  for (size_t i = 0; i < options->n_properties; i++) {
    const frz_property *property = &options->properties[i];
    if (strcmp(property->key, "format-version") == 0) continue;
    pairs[creation->n_properties++] =
        (frz_text_pair){frz_str_from(property->key), frz_str_from(property->value)};
  }
  creation->properties = pairs;
  return FRZ_OK;
}

static frz_status read_schema(const struct ArrowSchema *arrow, int32_t next_id, frz_arena *arena,
                              frz_table_creation *creation, frz_error *err)
{
  frz_arrow_field root;
  frz_schema *schema = frz_arena_push(arena, sizeof *schema);
  if (schema == NULL) return frz_fail_nomem(err, "schema");
  FRZ_TRY(frz_arrow_field_import(arrow, arena, &root, err));
  if (root.type.kind != FRZ_ARROW_STRUCT) {
    frz_str type = frz_arrow_field_describe(&root, arena);
    return frz_fail(err, FRZ_ERR_INVALID, "the Arrow schema is a %.*s, not a struct of columns",
                    FRZ_STR_ARG(type));
  }
  FRZ_TRY(frz_schema_from_arrow(root.children, root.n_children, creation->format_version, &next_id,
                                arena, schema, err));
  creation->schema = schema;
  return FRZ_OK;
}

static frz_status read_layout(const frz_create_table_options *options, frz_arena *arena,
                              frz_table_creation *creation, frz_error *err)
{
  frz_partition_spec *spec = frz_arena_push(arena, sizeof *spec);
  frz_sort_order *order = frz_arena_push(arena, sizeof *order);
  if (spec == NULL || order == NULL) return frz_fail_nomem(err, "partition spec");
  if (options->partition_spec != NULL && options->partition_spec[0] != '\0')
    FRZ_TRY(frz_partition_spec_from_text(frz_str_from(options->partition_spec), creation->schema,
                                         arena, spec, err));
  if (options->sort_order != NULL && options->sort_order[0] != '\0')
    FRZ_TRY(frz_sort_order_from_text(frz_str_from(options->sort_order), creation->schema, arena,
                                     order, err));
  creation->spec = spec;
  creation->sort_order = order;
  creation->location = frz_str_from(options->location);
  while (creation->location.size > 1 && creation->location.data[creation->location.size - 1] == '/')
    creation->location.size--;
  return FRZ_OK;
}

frz_status frz_creation_write(frz_context *context, frz_storage *storage,
                              const frz_table_creation *creation, frz_str location,
                              frz_loaded_table *loaded_out, frz_error *err)
{
  frz_table_metadata *metadata;
  FRZ_TRY(frz_metadata_create(frz_context_alloc(context), creation->format_version, location,
                              creation->schema, creation->spec, creation->sort_order,
                              creation->properties, creation->n_properties, &metadata, err));
  frz_status st = FRZ_OK;
  if (creation->fill != NULL) {
    frz_table_metadata *filled = NULL;
    st = creation->fill(creation->fill_arg, metadata, &filled, err);
    frz_table_metadata_release(metadata);
    if (st != FRZ_OK) return st;
    metadata = filled;
  }
  st = frz_metadata_write_first(context, storage, metadata, loaded_out, err);
  frz_table_metadata_release(metadata);
  return st;
}

/* `rows` NULL: an empty table. */
static frz_status create_table(frz_catalog *catalog, const char *identifier,
                               const struct ArrowSchema *schema,
                               const frz_create_table_options *options, frz_first_rows *rows,
                               frz_table **table_out, frz_error *err)
{
  frz_create_table_options filled;
  frz_table_creation creation = {0};
  frz_loaded_table loaded = {0};
  frz_status st = FRZ_OK;
  frz_identifier id = {.text = identifier};
  frz_arena arena;
  frz_arena_init(&arena, catalog->alloc, FRZ_LIMIT_METADATA_BYTES);
  FRZ_TRY_OUT(frz_identifier_parse(identifier, &id, err));
  FRZ_TRY_OUT(read_options(options, &filled, err));
  FRZ_TRY_OUT(read_format_version(&filled, &creation, err));
  FRZ_TRY_OUT(read_properties(&filled, &arena, &creation, err));
  FRZ_TRY_OUT(read_schema(schema, 1, &arena, &creation, err));
  FRZ_TRY_OUT(read_layout(&filled, &arena, &creation, err));
  if (rows != NULL) {
    creation.fill = frz_first_rows_fill;
    creation.fill_arg = rows;
  }
  FRZ_TRY_OUT(catalog->ops->create_table(catalog->self, &id, &creation, &loaded, err));
  if (table_out != NULL) FRZ_TRY_OUT(make_handle(catalog, identifier, &loaded, table_out, err));
out:
  if (st != FRZ_OK) frz_error_where(err, "table '%s': ", identifier);
  if (rows != NULL && (st == FRZ_ERR_EXISTS || st == FRZ_ERR_NOT_FOUND))
    frz_first_rows_remove(rows);
  frz_loaded_table_dispose(&loaded);
  frz_arena_free(&arena);
  return st;
}

static frz_status check_schema(const frz_catalog *catalog, const char *identifier,
                               const struct ArrowSchema *schema, frz_error *err)
{
  FRZ_TRY(check_change(catalog, identifier, "table identifier", err));
  if (schema != NULL) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "table '%s': schema is NULL", identifier);
}

frz_status frz_catalog_create_table(frz_catalog *catalog, const char *identifier,
                                    const struct ArrowSchema *schema,
                                    const frz_create_table_options *options, frz_table **table_out,
                                    frz_error *err)
{
  FRZ_TRY(check_schema(catalog, identifier, schema, err));
  return create_table(catalog, identifier, schema, options, NULL, table_out, err);
}

frz_status frz_catalog_create_table_as(frz_catalog *catalog, const char *identifier,
                                       const struct ArrowSchema *schema,
                                       const frz_create_table_options *options,
                                       struct ArrowArrayStream *data,
                                       const frz_write_options *write_options,
                                       frz_table **table_out, frz_write_result *result_out,
                                       frz_error *err)
{
  if (data == NULL) return frz_fail(err, FRZ_ERR_INVALID, "create table: data is NULL");
  frz_status st = check_schema(catalog, identifier, schema, err);
  if (st == FRZ_OK) {
    frz_first_rows rows = {.context = catalog->context,
                           .storage = catalog->storage,
                           .identifier = identifier,
                           .data = data,
                           .options = write_options};
    st = create_table(catalog, identifier, schema, options, &rows, table_out, err);
    if (st == FRZ_OK && result_out != NULL) *result_out = rows.result;
    frz_table_metadata_release(rows.filled);
  }
  if (data->release != NULL) data->release(data); /* not taken yet where it failed early */
  return st;
}

/* ---- several tables ---- */

void frz_table_change_init(frz_table_change *change)
{
  *change = (frz_table_change){.struct_bytes = sizeof *change};
}

static frz_status check_changes(frz_catalog *catalog, const frz_table_change *changes,
                                size_t n_changes, frz_error *err)
{
  if (catalog == NULL || (changes == NULL && n_changes != 0))
    return frz_fail(err, FRZ_ERR_INVALID, "commit of several tables: catalog or changes are NULL");
  for (size_t i = 0; i < n_changes; i++) {
    const frz_table_change *change = &changes[i];
    if (change->struct_bytes != sizeof *change)
      return frz_fail(err, FRZ_ERR_INVALID, "frz_table_change: struct_bytes %zu",
                      change->struct_bytes);
    if (change->table == NULL || (change->data == NULL && change->filter == NULL))
      return frz_fail(err, FRZ_ERR_INVALID, "change %zu: %s", i,
                      change->table == NULL ? "table is NULL" : "neither data nor filter");
    if (!frz_table_is_of(change->table, catalog))
      return frz_fail(err, FRZ_ERR_INVALID, "table '%s' is not of catalog '%s'",
                      frz_table_identifier(change->table), catalog->name.data);
  }
  frz_status st = catalog->ops->commit_tables != NULL
                      ? catalog->ops->commit_tables(catalog->self, NULL, 0, err)
                      : frz_fail(err, FRZ_ERR_UNSUPPORTED,
                                 "only catalogs of type rest change several tables in one commit; "
                                 "change one table after the other");
  if (st != FRZ_OK) frz_error_where(err, "catalog '%s': ", catalog->name.data);
  return st;
}

frz_status frz_catalog_commit_tables(frz_catalog *catalog, const frz_table_change *changes,
                                     size_t n_changes, frz_write_result *results_out,
                                     frz_error *err)
{
  frz_status st = check_changes(catalog, changes, n_changes, err);
  if (st == FRZ_OK) st = frz_table_changes_commit(changes, n_changes, results_out, err);
  for (size_t i = 0; changes != NULL && i < n_changes; i++) {
    struct ArrowArrayStream *data = changes[i].data;
    if (data != NULL && data->release != NULL) data->release(data); /* not taken yet */
  }
  return st;
}

/* Field ids of a spec from text begin at 1000; where there were specs before, the table gives
 * them. In version 1 they are places. */
static frz_status forget_field_ids(frz_arena *arena, frz_table_creation *creation, frz_error *err)
{
  if (creation->format_version == 1) return FRZ_OK;
  frz_partition_spec *spec = frz_arena_push(arena, sizeof *spec);
  frz_partition_field *fields = frz_arena_array(arena, creation->spec->n_fields, sizeof *fields);
  if (spec == NULL || fields == NULL) return frz_fail_nomem(err, "partition spec");
  for (size_t i = 0; i < creation->spec->n_fields; i++) {
    fields[i] = creation->spec->fields[i];
    fields[i].field_id = 0;
  }
  *spec = *creation->spec;
  spec->fields = fields;
  creation->spec = spec;
  return FRZ_OK;
}

static frz_status replace_table(frz_catalog *catalog, const char *identifier,
                                const struct ArrowSchema *schema,
                                const frz_create_table_options *options,
                                frz_table_replacement *replacement, frz_table **table_out,
                                frz_write_result *result_out, frz_error *err)
{
  frz_create_table_options filled;
  frz_table_creation creation = {0};
  frz_loaded_table base = {0}, loaded = {0};
  frz_write_result result;
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_arena_init(&arena, catalog->alloc, FRZ_LIMIT_METADATA_BYTES);
  FRZ_TRY_OUT(read_options(options, &filled, err));
  if (filled.location != NULL)
    FRZ_TRY_OUT(frz_fail(err, FRZ_ERR_INVALID, "a replaced table stays where it is: no location"));
  FRZ_TRY_OUT(port_load(catalog, identifier, &base, err));
  creation.format_version = base.metadata->format_version;
  FRZ_TRY_OUT(read_properties(&filled, &arena, &creation, err));
  FRZ_TRY_OUT(read_schema(schema, base.metadata->last_column_id + 1, &arena, &creation, err));
  FRZ_TRY_OUT(read_layout(&filled, &arena, &creation, err));
  FRZ_TRY_OUT(forget_field_ids(&arena, &creation, err));
  replacement->creation = &creation;
  FRZ_TRY_OUT(frz_table_replacement_run(replacement, &base, &result, &loaded, err));
  if (table_out != NULL) FRZ_TRY_OUT(make_handle(catalog, identifier, &loaded, table_out, err));
  if (result_out != NULL) *result_out = result;
out:
  if (st != FRZ_OK) frz_error_where(err, "table '%s': ", identifier);
  frz_loaded_table_dispose(&loaded);
  frz_loaded_table_dispose(&base);
  frz_arena_free(&arena);
  return st;
}

frz_status frz_catalog_replace_table(frz_catalog *catalog, const char *identifier,
                                     const struct ArrowSchema *schema,
                                     const frz_create_table_options *options,
                                     struct ArrowArrayStream *data,
                                     const frz_write_options *write_options, frz_table **table_out,
                                     frz_write_result *result_out, frz_error *err)
{
  if (data == NULL) return frz_fail(err, FRZ_ERR_INVALID, "replace table: data is NULL");
  frz_status st = check_schema(catalog, identifier, schema, err);
  if (st == FRZ_OK) {
    frz_table_replacement replacement = {.context = catalog->context,
                                         .storage = catalog->storage,
                                         .ops = catalog->ops,
                                         .self = catalog->self,
                                         .identifier = identifier,
                                         .data = data,
                                         .options = write_options};
    st = replace_table(catalog, identifier, schema, options, &replacement, table_out, result_out,
                       err);
  }
  if (data->release != NULL) data->release(data); /* not taken yet where it failed early */
  return st;
}

frz_status frz_catalog_load_table(frz_catalog *catalog, const char *identifier,
                                  frz_table **table_out, frz_error *err)
{
  FRZ_TRY(check_named(catalog, identifier, "table identifier", err));
  if (table_out == NULL) return frz_fail(err, FRZ_ERR_INVALID, "table_out is NULL");
  frz_loaded_table loaded = {0};
  frz_status st = port_load(catalog, identifier, &loaded, err);
  if (st == FRZ_OK) st = make_handle(catalog, identifier, &loaded, table_out, err);
  if (st != FRZ_OK) frz_error_where(err, "table '%s': ", identifier);
  return st;
}

frz_status frz_catalog_register_table(frz_catalog *catalog, const char *identifier,
                                      const char *metadata_location, frz_error *err)
{
  FRZ_TRY(check_change(catalog, identifier, "table identifier", err));
  FRZ_TRY(check_named(catalog, metadata_location, "metadata location", err));
  frz_identifier id;
  FRZ_TRY(frz_identifier_parse(identifier, &id, err));
  frz_loaded_table loaded = {0};
  frz_str location = frz_str_from(metadata_location);
  frz_status st = frz_metadata_read(catalog->context, catalog->storage, location, &loaded, err);
  if (st == FRZ_OK) st = catalog->ops->register_table(catalog->self, &id, &loaded, err);
  frz_loaded_table_dispose(&loaded);
  if (st != FRZ_OK) frz_error_where(err, "table '%s': ", identifier);
  return st;
}

/* A file that cannot be removed does not keep the others. */
static frz_status remove_files(const frz_catalog *catalog, const frz_map *files, frz_error *err)
{
  size_t n = 0;
  frz_str *paths = frz_alloc_array(catalog->alloc, files->size, sizeof *paths);
  if (paths == NULL) return frz_fail_nomem(err, "files to remove");
  for (size_t i = 0; i < files->capacity; i++)
    if (files->entries[i].key.data != NULL) paths[n++] = files->entries[i].key;
  frz_status st = frz_files_remove(catalog->context, catalog->storage, paths, n, NULL, NULL, err);
  frz_alloc_free(catalog->alloc, paths, files->size * sizeof *paths);
  if (st != FRZ_OK) frz_error_where(err, "the table is dropped, not all of its files removed: ");
  return st;
}

static frz_status check_gc(const frz_loaded_table *loaded, frz_error *err)
{
  frz_str gc = frz_metadata_property(loaded->metadata, "gc.enabled");
  if (!frz_str_is_word(gc, "false")) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID,
                  "property gc.enabled is false: its files may be shared, "
                  "so they are not purged");
}

/* Checks that the files may go; where they are ours to remove, finds them. */
static frz_status prepare_purge(frz_catalog *catalog, const char *identifier, frz_map *files,
                                frz_error *err)
{
  frz_loaded_table loaded = {0};
  FRZ_TRY(port_load(catalog, identifier, &loaded, err));
  frz_status st = check_gc(&loaded, err);
  if (st == FRZ_OK && catalog->ops->purge_table == NULL)
    st = frz_table_files_collect(catalog->context, catalog->storage, &loaded, files, err);
  frz_loaded_table_dispose(&loaded);
  return st;
}

frz_status frz_catalog_drop_table(frz_catalog *catalog, const char *identifier, bool purge,
                                  frz_error *err)
{
  FRZ_TRY(check_change(catalog, identifier, "table identifier", err));
  frz_identifier id;
  FRZ_TRY(frz_identifier_parse(identifier, &id, err));
  frz_status st = FRZ_OK;
  frz_map files;
  frz_map_init(&files, catalog->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  if (purge) FRZ_TRY_OUT(prepare_purge(catalog, identifier, &files, err));
  bool by_server = purge && catalog->ops->purge_table != NULL;
  FRZ_TRY_OUT(by_server ? catalog->ops->purge_table(catalog->self, &id, err)
                        : catalog->ops->drop_table(catalog->self, &id, err));
  if (purge && files.size != 0) FRZ_TRY_OUT(remove_files(catalog, &files, err));
out:
  if (st != FRZ_OK) frz_error_where(err, "table '%s': ", identifier);
  frz_map_dispose(&files);
  return st;
}

frz_status frz_catalog_rename_table(frz_catalog *catalog, const char *identifier,
                                    const char *new_identifier, frz_error *err)
{
  FRZ_TRY(check_change(catalog, identifier, "table identifier", err));
  FRZ_TRY(check_named(catalog, new_identifier, "new table identifier", err));
  frz_identifier id, new_id;
  FRZ_TRY(frz_identifier_parse(identifier, &id, err));
  FRZ_TRY(frz_identifier_parse(new_identifier, &new_id, err));
  frz_status st = catalog->ops->rename_table(catalog->self, &id, &new_id, err);
  if (st != FRZ_OK) frz_error_where(err, "table '%s': ", identifier);
  return st;
}
