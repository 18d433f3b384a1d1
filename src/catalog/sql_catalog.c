/*
 * sql_catalog.c - a catalog in SQLite or PostgreSQL, in the tables that Iceberg's Python and Java
 * libraries use.
 *
 * iceberg_tables holds one row a table: its name and the location of its current metadata file.
 * iceberg_namespace_properties holds namespaces; a namespace exists where it, or one below it, has
 * a property or a table. Databases made before views existed lack the column iceberg_type; they
 * are used as they are, unless schema_version v1 is asked for.
 *
 * A commit is a compare-and-swap on metadata_location inside one transaction. The new metadata
 * file is written before, and removed again only when the swap surely did not happen.
 *
 * Source: the public schemas of PyIceberg's SqlCatalog and Iceberg's JdbcCatalog (V0 and V1).
 */

#include "base/limits.h"
#include "catalog/pointer_table.h"
#include "catalog/sql_link.h"

typedef struct sql_catalog {
  frz_pointer_catalog base;
  frz_string name;
  frz_sql_link *link;
  bool has_type; /* the column iceberg_type */
} sql_catalog;

static const char create_tables_sql[] =
    "CREATE TABLE IF NOT EXISTS iceberg_tables (catalog_name VARCHAR(255) NOT NULL, "
    "table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, "
    "metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), "
    "iceberg_type VARCHAR(5), PRIMARY KEY (catalog_name, table_namespace, table_name))";

static const char create_namespaces_sql[] =
    "CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, "
    "namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL, "
    "property_value VARCHAR(1000) NOT NULL, PRIMARY KEY (catalog_name, namespace, property_key))";

/* Conditions on one table's row: catalog, namespace, name. Views share the table. */
#define ONE_TABLE " WHERE catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3"
#define NO_VIEWS " AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)"

static frz_str str_of(const frz_string *text)
{
  return (frz_str){text->data, text->size_bytes};
}

/* The form of a statement for this database. */
static const char *pick(const sql_catalog *catalog, const char *with_type, const char *without)
{
  return catalog->has_type ? with_type : without;
}

static frz_status run(sql_catalog *catalog, const char *sql, const frz_str *args, size_t n_args,
                      frz_error *err)
{
  return catalog->link->run(catalog->link, sql, args, n_args, NULL, NULL, err);
}

static frz_status query(sql_catalog *catalog, const char *sql, const frz_str *args, size_t n_args,
                        frz_sql_visit visit, void *arg, frz_error *err)
{
  return catalog->link->run(catalog->link, sql, args, n_args, visit, arg, err);
}

/* A change that is made of looking and acting. */
static frz_status begin(sql_catalog *catalog, frz_error *err)
{
  return catalog->link->begin(catalog->link, true, err);
}

static frz_status commit(sql_catalog *catalog, frz_error *err)
{
  bool may_be_done;
  return catalog->link->commit(catalog->link, &may_be_done, err);
}

static frz_status visit_any(void *arg, const frz_str *columns, frz_error *err)
{
  (void)columns;
  (void)err;
  *(bool *)arg = true;
  return FRZ_OK;
}

/* ---- setting up ---- */

static frz_status detect(sql_catalog *catalog, bool *has_tables_out, frz_error *err)
{
  bool has_tables = false;
  catalog->has_type = false;
  FRZ_TRY(query(catalog, catalog->link->has_tables, NULL, 0, visit_any, &has_tables, err));
  FRZ_TRY(
      query(catalog, catalog->link->has_type_column, NULL, 0, visit_any, &catalog->has_type, err));
  *has_tables_out = has_tables;
  return FRZ_OK;
}

static frz_status make_tables(sql_catalog *catalog, bool add_type, frz_error *err)
{
  FRZ_TRY(begin(catalog, err));
  FRZ_TRY(run(catalog, create_tables_sql, NULL, 0, err));
  FRZ_TRY(run(catalog, create_namespaces_sql, NULL, 0, err));
  bool has_tables;
  FRZ_TRY(detect(catalog, &has_tables, err)); /* another process may have been faster */
  if (add_type && !catalog->has_type)
    FRZ_TRY(run(catalog, "ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)", NULL, 0,
                err));
  return commit(catalog, err);
}

static frz_status set_up_tables(sql_catalog *catalog, const frz_catalog_setup *setup,
                                frz_error *err)
{
  const char *version = frz_catalog_property(setup, "schema_version");
  if (version == NULL) version = "v0";
  bool add_type = strcmp(version, "v1") == 0;
  if (!add_type && strcmp(version, "v0") != 0)
    return frz_fail(err, FRZ_ERR_INVALID, "property schema_version: '%s' is neither v0 nor v1",
                    version);
  bool has_tables, may_make;
  FRZ_TRY(frz_catalog_flag(setup, "init_catalog_tables", true, &may_make, err));
  FRZ_TRY(detect(catalog, &has_tables, err));
  if (has_tables && (catalog->has_type || !add_type)) return FRZ_OK;
  if (!has_tables && !may_make)
    return frz_fail(err, FRZ_ERR_NOT_FOUND,
                    "the database has no iceberg_tables, and init_catalog_tables is false");
  FRZ_TRY(make_tables(catalog, add_type, err));
  return detect(catalog, &has_tables, err);
}

static void sql_free(void *self)
{
  sql_catalog *catalog = self;
  if (catalog->link != NULL) catalog->link->free(catalog->link);
  frz_string_dispose(&catalog->name);
  frz_pointer_catalog_free(&catalog->base);
}

static frz_status make_link(sql_catalog *catalog, const frz_catalog_setup *setup, frz_error *err)
{
  const char *uri = frz_catalog_property(setup, "uri");
  if (uri == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "property uri is missing, such as sqlite:///catalog.db");
  if (frz_postgres_is_uri(uri))
    FRZ_TRY(frz_postgres_link_create(setup->context, uri, frz_catalog_property(setup, "jdbc.user"),
                                     frz_catalog_property(setup, "jdbc.password"), &catalog->link,
                                     err));
  else
    FRZ_TRY(frz_sqlite_link_create(catalog->base.alloc, uri, &catalog->link, err));
  catalog->base.undoes_what_is_lost = catalog->link->undoes_what_is_lost;
  return frz_string_copy(catalog->base.alloc, frz_str_from(setup->name), &catalog->name, err);
}

/* ---- namespaces ---- */

/* All namespaces that the catalog's rows name. */
#define NAMESPACES                                                                      \
  "(SELECT table_namespace AS n FROM iceberg_tables WHERE catalog_name = ?1 UNION ALL " \
  "SELECT namespace FROM iceberg_namespace_properties WHERE catalog_name = ?1) AS names"
/* Compared by bytes: LIKE would take "A" and "a" as equal. */
#define IS_BELOW "substr(n, 1, length(?2) + 1) = ?2 || '.'"

static frz_status namespace_exists(sql_catalog *catalog, frz_str name, bool *exists_out,
                                   frz_error *err)
{
  const frz_str args[] = {str_of(&catalog->name), name};
  *exists_out = false;
  return query(catalog, "SELECT 1 FROM " NAMESPACES " WHERE n = ?2 OR " IS_BELOW " LIMIT 1", args,
               2, visit_any, exists_out, err);
}

static frz_status require_namespace(sql_catalog *catalog, frz_str name, frz_error *err)
{
  bool exists;
  FRZ_TRY(namespace_exists(catalog, name, &exists, err));
  if (exists) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_NOT_FOUND, "namespace '%.*s' does not exist", FRZ_STR_ARG(name));
}

static frz_status insert_namespace(sql_catalog *catalog, frz_str name,
                                   const frz_property *properties, size_t n_properties,
                                   frz_error *err)
{
  static const frz_property minimal = {"exists", "true"};
  bool exists;
  FRZ_TRY(begin(catalog, err));
  FRZ_TRY(namespace_exists(catalog, name, &exists, err));
  if (exists)
    return frz_fail(err, FRZ_ERR_EXISTS, "namespace '%.*s' exists already", FRZ_STR_ARG(name));
  if (n_properties == 0) {
    properties = &minimal;
    n_properties = 1;
  }
  for (size_t i = 0; i < n_properties; i++) {
    const frz_str args[] = {str_of(&catalog->name), name, frz_str_from(properties[i].key),
                            frz_str_from(properties[i].value)};
    FRZ_TRY(run(catalog,
                "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, "
                "property_value) VALUES (?1, ?2, ?3, ?4)",
                args, 4, err));
  }
  return commit(catalog, err);
}

static frz_status sql_create_namespace(void *self, frz_str name, const frz_property *properties,
                                       size_t n_properties, frz_error *err)
{
  sql_catalog *catalog = self;
  FRZ_TRY(catalog->link->acquire(catalog->link, err));
  frz_status st = insert_namespace(catalog, name, properties, n_properties, err);
  catalog->link->release(catalog->link);
  return st;
}

static frz_status delete_namespace(sql_catalog *catalog, frz_str name, frz_error *err)
{
  const frz_str args[] = {str_of(&catalog->name), name};
  bool has_tables = false, has_children = false;
  FRZ_TRY(begin(catalog, err));
  FRZ_TRY(require_namespace(catalog, name, err));
  FRZ_TRY(query(catalog,
                "SELECT 1 FROM iceberg_tables WHERE catalog_name = ?1 AND "
                "table_namespace = ?2 LIMIT 1",
                args, 2, visit_any, &has_tables, err));
  FRZ_TRY(query(catalog, "SELECT 1 FROM " NAMESPACES " WHERE " IS_BELOW " LIMIT 1", args, 2,
                visit_any, &has_children, err));
  if (has_tables || has_children)
    return frz_fail(err, FRZ_ERR_INVALID, "namespace '%.*s' is not empty: it holds %s",
                    FRZ_STR_ARG(name), has_tables ? "tables" : "namespaces");
  FRZ_TRY(run(catalog,
              "DELETE FROM iceberg_namespace_properties WHERE catalog_name = ?1 AND namespace = ?2",
              args, 2, err));
  return commit(catalog, err);
}

static frz_status sql_drop_namespace(void *self, frz_str name, frz_error *err)
{
  sql_catalog *catalog = self;
  FRZ_TRY(catalog->link->acquire(catalog->link, err));
  frz_status st = delete_namespace(catalog, name, err);
  catalog->link->release(catalog->link);
  return st;
}

/* Names found while rows are visited. */
typedef struct name_list {
  frz_str parent;
  frz_map seen;
  frz_string_list *list;
} name_list;

static frz_status visit_namespace(void *arg, const frz_str *columns, frz_error *err)
{
  name_list *names = arg;
  frz_str name = columns[0];
  size_t skip = names->parent.size != 0 ? names->parent.size + 1 : 0;
  if (name.size <= skip) return FRZ_OK;
  if (skip != 0 && (memcmp(name.data, names->parent.data, names->parent.size) != 0 ||
                    name.data[names->parent.size] != '.'))
    return FRZ_OK;
  const char *dot = memchr(name.data + skip, '.', name.size - skip);
  if (dot != NULL) name.size = (size_t)(dot - name.data);
  bool is_new;
  FRZ_TRY(frz_map_insert(&names->seen, name, 0, NULL, &is_new, err));
  return is_new ? frz_string_list_add(names->list, name, err) : FRZ_OK;
}

static frz_status sql_list_namespaces(void *self, frz_str parent, frz_string_list *list,
                                      frz_error *err)
{
  sql_catalog *catalog = self;
  name_list names = {.parent = parent, .list = list};
  const frz_str args[] = {str_of(&catalog->name)};
  FRZ_TRY(catalog->link->acquire(catalog->link, err));
  frz_map_init(&names.seen, catalog->base.alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_status st = parent.size != 0 ? require_namespace(catalog, parent, err) : FRZ_OK;
  if (st == FRZ_OK)
    st = query(catalog,
               "SELECT table_namespace FROM iceberg_tables WHERE catalog_name = ?1 UNION "
               "SELECT namespace FROM iceberg_namespace_properties WHERE catalog_name = ?1",
               args, 1, visit_namespace, &names, err);
  frz_map_dispose(&names.seen);
  catalog->link->release(catalog->link);
  return st;
}

static frz_status visit_table(void *arg, const frz_str *columns, frz_error *err)
{
  name_list *names = arg;
  frz_buf text;
  frz_buf_init(&text, names->list->alloc, FRZ_LIMIT_FILTER_BYTES);
  frz_status st = frz_buf_append_str(&text, names->parent, err);
  if (st == FRZ_OK) st = frz_buf_append_byte(&text, '.', err);
  if (st == FRZ_OK) st = frz_buf_append_str(&text, columns[0], err);
  if (st == FRZ_OK) st = frz_string_list_add(names->list, frz_buf_str(&text), err);
  frz_buf_dispose(&text);
  return st;
}

#define NAMES_OF_A_NAMESPACE \
  "SELECT table_name FROM iceberg_tables WHERE catalog_name = ?1 AND table_namespace = ?2"

static frz_status list_rows(sql_catalog *catalog, frz_str name, const char *sql,
                            frz_string_list *list, frz_error *err)
{
  name_list names = {.parent = name, .list = list};
  const frz_str args[] = {str_of(&catalog->name), name};
  FRZ_TRY(catalog->link->acquire(catalog->link, err));
  frz_status st = require_namespace(catalog, name, err);
  if (st == FRZ_OK && sql != NULL) st = query(catalog, sql, args, 2, visit_table, &names, err);
  catalog->link->release(catalog->link);
  return st;
}

static frz_status sql_list_tables(void *self, frz_str name, frz_string_list *list, frz_error *err)
{
  sql_catalog *catalog = self;
  return list_rows(catalog, name,
                   pick(catalog, NAMES_OF_A_NAMESPACE NO_VIEWS, NAMES_OF_A_NAMESPACE), list, err);
}

/* Without the column that tells them from tables there are none. */
static frz_status sql_list_views(void *self, frz_str name, frz_string_list *list, frz_error *err)
{
  sql_catalog *catalog = self;
  return list_rows(catalog, name,
                   pick(catalog, NAMES_OF_A_NAMESPACE " AND iceberg_type = 'VIEW'", NULL), list,
                   err);
}

/* ---- tables ---- */

typedef struct found_location {
  const frz_alloc *alloc;
  frz_string location; /* data NULL: no row, or no location in it */
  bool has_row;
} found_location;

static frz_status visit_location(void *arg, const frz_str *columns, frz_error *err)
{
  found_location *found = arg;
  frz_str location = columns[0];
  if (found->has_row || location.data == NULL) return FRZ_OK;
  found->has_row = true;
  return frz_string_copy(found->alloc, location, &found->location, err);
}

/* The metadata location of a table; FRZ_ERR_NOT_FOUND. */
static frz_status find_location(sql_catalog *catalog, const frz_identifier *id,
                                frz_string *location_out, frz_error *err)
{
  found_location found = {.alloc = catalog->base.alloc};
  const frz_str args[] = {str_of(&catalog->name), id->namespace_name, id->table_name};
  FRZ_TRY(catalog->link->acquire(catalog->link, err));
  frz_status st =
      query(catalog,
            pick(catalog, "SELECT metadata_location FROM iceberg_tables" ONE_TABLE NO_VIEWS,
                 "SELECT metadata_location FROM iceberg_tables" ONE_TABLE),
            args, 3, visit_location, &found, err);
  catalog->link->release(catalog->link);
  if (st == FRZ_OK && found.location.data == NULL)
    return frz_fail(err, FRZ_ERR_NOT_FOUND, "not in catalog '%s'", catalog->name.data);
  if (st != FRZ_OK) frz_string_dispose(&found.location);
  if (st == FRZ_OK) *location_out = found.location;
  return st;
}

static frz_status find_pointer(void *self, const frz_identifier *id, frz_pointer *pointer_out,
                               frz_error *err)
{
  return find_location(self, id, &pointer_out->location, err);
}

static frz_status insert_row(sql_catalog *catalog, const frz_identifier *id, frz_str location,
                             bool *may_be_done_out, frz_error *err)
{
  const frz_str args[] = {str_of(&catalog->name), id->namespace_name, id->table_name, location};
  FRZ_TRY(begin(catalog, err));
  FRZ_TRY(require_namespace(catalog, id->namespace_name, err));
  frz_status st = run(catalog,
                      pick(catalog,
                           "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, "
                           "metadata_location, previous_metadata_location, iceberg_type) "
                           "VALUES (?1, ?2, ?3, ?4, NULL, 'TABLE')",
                           "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, "
                           "metadata_location, previous_metadata_location) "
                           "VALUES (?1, ?2, ?3, ?4, NULL)"),
                      args, 4, err);
  if (st == FRZ_ERR_EXISTS)
    return frz_fail(err, st, "the name exists already in catalog '%s'", catalog->name.data);
  FRZ_TRY(st);
  return catalog->link->commit(catalog->link, may_be_done_out, err);
}

static frz_status insert_pointer(void *self, const frz_identifier *id,
                                 const frz_loaded_table *table, bool *may_be_done_out,
                                 frz_error *err)
{
  sql_catalog *catalog = self;
  FRZ_TRY(catalog->link->acquire(catalog->link, err));
  frz_status st = insert_row(catalog, id, str_of(&table->location), may_be_done_out, err);
  catalog->link->release(catalog->link);
  return st;
}

static frz_status visit_text(void *arg, const frz_str *columns, frz_error *err)
{
  return frz_buf_append_str(arg, columns[0], err);
}

/* Namespace and name are looked at first, so that no file is written in vain. */
static frz_status find_place(sql_catalog *catalog, const frz_identifier *id, frz_buf *folder,
                             frz_error *err)
{
  const frz_str args[] = {str_of(&catalog->name), id->namespace_name, id->table_name};
  bool exists = false;
  FRZ_TRY(require_namespace(catalog, id->namespace_name, err));
  FRZ_TRY(
      query(catalog, "SELECT 1 FROM iceberg_tables" ONE_TABLE, args, 3, visit_any, &exists, err));
  if (exists)
    return frz_fail(err, FRZ_ERR_EXISTS, "the name exists already in catalog '%s'",
                    catalog->name.data);
  return query(catalog,
               "SELECT property_value FROM iceberg_namespace_properties WHERE "
               "catalog_name = ?1 AND namespace = ?2 AND property_key = 'location'",
               args, 2, visit_text, folder, err);
}

static frz_status place_table(void *self, const frz_identifier *id, frz_buf *folder, frz_error *err)
{
  sql_catalog *catalog = self;
  FRZ_TRY(catalog->link->acquire(catalog->link, err));
  frz_status st = find_place(catalog, id, folder, err);
  catalog->link->release(catalog->link);
  return st;
}

/* ---- commits ---- */

/* A failure leaves everything as it was, save when `may_be_done_out` says otherwise. */
static frz_status swap_pointer(void *self, const frz_identifier *id, const frz_pointer *pointer,
                               const frz_loaded_table *base_version, const frz_loaded_table *next,
                               bool *may_be_done_out, frz_error *err)
{
  (void)base_version;
  sql_catalog *catalog = self;
  frz_str base = str_of(&pointer->location);
  const frz_str args[] = {str_of(&catalog->name), id->namespace_name, id->table_name,
                          str_of(&next->location), base};
  FRZ_TRY(catalog->link->acquire(catalog->link, err));
  frz_status st = catalog->link->begin(catalog->link, false, err);
  if (st == FRZ_OK)
    st =
        run(catalog,
            pick(catalog,
                 "UPDATE iceberg_tables SET metadata_location = ?4, "
                 "previous_metadata_location = ?5" ONE_TABLE " AND metadata_location = ?5" NO_VIEWS,
                 "UPDATE iceberg_tables SET metadata_location = ?4, "
                 "previous_metadata_location = ?5" ONE_TABLE " AND metadata_location = ?5"),
            args, 5, err);
  if (st == FRZ_OK && catalog->link->n_changed < 1)
    st = frz_fail(err, FRZ_ERR_CONFLICT, "another commit replaced %.*s", FRZ_STR_ARG(base));
  if (st == FRZ_OK) st = catalog->link->commit(catalog->link, may_be_done_out, err);
  catalog->link->release(catalog->link);
  return st;
}

/* ---- dropping and renaming ---- */

static frz_status sql_drop_table(void *self, const frz_identifier *id, frz_error *err)
{
  sql_catalog *catalog = self;
  const frz_str args[] = {str_of(&catalog->name), id->namespace_name, id->table_name};
  FRZ_TRY(catalog->link->acquire(catalog->link, err));
  frz_status st = run(catalog,
                      pick(catalog, "DELETE FROM iceberg_tables" ONE_TABLE NO_VIEWS,
                           "DELETE FROM iceberg_tables" ONE_TABLE),
                      args, 3, err);
  if (st == FRZ_OK && catalog->link->n_changed < 1)
    st = frz_fail(err, FRZ_ERR_NOT_FOUND, "not in catalog '%s'", catalog->name.data);
  catalog->link->release(catalog->link);
  return st;
}

static frz_status update_name(sql_catalog *catalog, const frz_identifier *id,
                              const frz_identifier *new_id, frz_error *err)
{
  const frz_str args[] = {str_of(&catalog->name), id->namespace_name, id->table_name,
                          new_id->namespace_name, new_id->table_name};
  FRZ_TRY(begin(catalog, err));
  FRZ_TRY(require_namespace(catalog, new_id->namespace_name, err));
  frz_status st =
      run(catalog,
          pick(catalog,
               "UPDATE iceberg_tables SET table_namespace = ?4, table_name = ?5" ONE_TABLE NO_VIEWS,
               "UPDATE iceberg_tables SET table_namespace = ?4, table_name = ?5" ONE_TABLE),
          args, 5, err);
  if (st == FRZ_ERR_EXISTS)
    return frz_fail(err, st, "the name '%s' exists already in catalog '%s'", new_id->text,
                    catalog->name.data);
  FRZ_TRY(st);
  if (catalog->link->n_changed < 1)
    return frz_fail(err, FRZ_ERR_NOT_FOUND, "not in catalog '%s'", catalog->name.data);
  return commit(catalog, err);
}

static frz_status sql_rename_table(void *self, const frz_identifier *id,
                                   const frz_identifier *new_id, frz_error *err)
{
  sql_catalog *catalog = self;
  FRZ_TRY(catalog->link->acquire(catalog->link, err));
  frz_status st = update_name(catalog, id, new_id, err);
  catalog->link->release(catalog->link);
  return st;
}

/* ---- opening ---- */

frz_status frz_sql_catalog_open(const frz_catalog_setup *setup, const frz_catalog_ops **ops_out,
                                void **self_out, frz_error *err)
{
  static const frz_pointer_calls calls = {.folder_ending = "",
                                          .find = find_pointer,
                                          .place = place_table,
                                          .insert = insert_pointer,
                                          .swap = swap_pointer};
  static const frz_catalog_ops ops = {.version = 1,
                                      .create_namespace = sql_create_namespace,
                                      .drop_namespace = sql_drop_namespace,
                                      .list_namespaces = sql_list_namespaces,
                                      .list_tables = sql_list_tables,
                                      .list_views = sql_list_views,
                                      .create_table = frz_pointer_create_table,
                                      .load_table = frz_pointer_load_table,
                                      .commit_table = frz_pointer_commit_table,
                                      .register_table = frz_pointer_register_table,
                                      .drop_table = sql_drop_table,
                                      .rename_table = sql_rename_table,
                                      .free = sql_free};
  void *self = NULL;
  FRZ_TRY(frz_pointer_catalog_create(setup, &calls, sizeof(sql_catalog), &self, err));
  sql_catalog *catalog = self;
  frz_status st = make_link(catalog, setup, err);
  if (st == FRZ_OK) st = catalog->link->acquire(catalog->link, err);
  if (st == FRZ_OK) {
    st = set_up_tables(catalog, setup, err);
    catalog->link->release(catalog->link);
  }
  if (st != FRZ_OK) {
    sql_free(catalog);
    return st;
  }
  *ops_out = &ops;
  *self_out = catalog;
  return FRZ_OK;
}
