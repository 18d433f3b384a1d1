/*
 * test_catalog.c - catalogs: namespaces, tables, the SQL layouts, and tables without a catalog.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "arrow/arrow_type.h"
#include "catalog/sqlite_link.h"
#include "test_files.h"
#include "test_lake.h"

static void expect_list(frz_string_list *list, const char *joined)
{
  char text[1000] = "";
  for (size_t i = 0; i < list->n_items; i++) {
    size_t at = strlen(text);
    snprintf(text + at, sizeof text - at, "%s%s", i != 0 ? " " : "", list->items[i]);
  }
  assert_string_equal(text, joined);
  frz_string_list_dispose(list);
}

static void expect_namespaces(frz_catalog *catalog, const char *parent, const char *joined)
{
  frz_string_list list;
  frz_error err = {0};
  frz_test_ok(frz_catalog_list_namespaces(catalog, parent, &list, &err), &err);
  expect_list(&list, joined);
}

static void expect_tables(frz_catalog *catalog, const char *name, const char *joined)
{
  frz_string_list list;
  frz_error err = {0};
  frz_test_ok(frz_catalog_list_tables(catalog, name, &list, &err), &err);
  expect_list(&list, joined);
}

static void test_uris_name_a_file(void **state)
{
  (void)state;
  static const struct {
    const char *uri;
    frz_status status;
    const char *path;
  } cases[] = {
      {"sqlite:///catalog.db", FRZ_OK, "catalog.db"},
      {"sqlite:////var/catalog.db", FRZ_OK, "/var/catalog.db"},
      {"sqlite+pysqlite:////var/catalog.db", FRZ_OK, "/var/catalog.db"},
      {"sqlite:///catalog.db?timeout=30", FRZ_OK, "catalog.db"},
      {"sqlite://", FRZ_OK, ":memory:"},
      {"sqlite:///:memory:", FRZ_OK, ":memory:"},
      {"jdbc:sqlite:/var/catalog.db", FRZ_OK, "/var/catalog.db"},
      {"file:/var/catalog.db", FRZ_OK, "/var/catalog.db"},
      {"file:///var/catalog.db", FRZ_OK, "/var/catalog.db"},
      {"file:catalog.db", FRZ_OK, "catalog.db"},
      {"/var/catalog.db", FRZ_OK, "/var/catalog.db"},
      {"catalog.db", FRZ_OK, "catalog.db"},
      {"odd:name.db", FRZ_OK, "odd:name.db"},
      {"", FRZ_ERR_INVALID, NULL},
      {"sqlite://host/catalog.db", FRZ_ERR_INVALID, NULL},
      {"postgresql+psycopg2://user:secret@host/db", FRZ_ERR_UNSUPPORTED, NULL},
      {"mysql://host/db", FRZ_ERR_UNSUPPORTED, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_str path;
    frz_error err = {0};
    assert_int_equal(frz_sqlite_path(cases[i].uri, &path, &err), cases[i].status);
    if (cases[i].path != NULL) {
      assert_int_equal(path.size, strlen(cases[i].path));
      assert_memory_equal(path.data, cases[i].path, path.size);
    }
    assert_null(strstr(err.message, "secret"));
  }
}

static void test_types_are_checked_by_name(void **state)
{
  (void)state;
  static const struct {
    const char *type;
    frz_status status;
    const char *message;
  } cases[] = {
      {"dynamodb", FRZ_ERR_UNSUPPORTED,
       "catalog 'c': catalog type 'dynamodb' is not in this build"},
      {"hive", FRZ_ERR_INVALID, "property uri is missing, such as thrift://host:9083"},
      {"rest", FRZ_ERR_INVALID, "property uri is missing"},
      {"glue", FRZ_ERR_INVALID, "property glue.region is missing"},
      {"postgres", FRZ_ERR_INVALID, "is not one of sql, rest, static, none, glue, hive"},
      {"sql", FRZ_ERR_INVALID, "property uri is missing"},
      {"", FRZ_ERR_INVALID, "catalog type ''"},
  };
  frz_context *context;
  frz_test_ok(frz_context_create(NULL, &context, NULL), NULL);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_error err = {0};
    frz_catalog *catalog = NULL;
    const frz_property type = {"type", cases[i].type};
    assert_int_equal(frz_catalog_open(context, "c", &type, 1, &catalog, &err), cases[i].status);
    assert_null(catalog);
    if (strstr(err.message, cases[i].message) == NULL) fail_msg("%s", err.message);
  }
  frz_error err = {0};
  frz_catalog *catalog = NULL;
  const frz_property uri = {"uri", "/does/not/exist/catalog.db"};
  assert_int_equal(frz_catalog_open(context, "c", &uri, 1, &catalog, &err), FRZ_ERR_IO);
  assert_non_null(strstr(err.message, "/does/not/exist/catalog.db"));
  frz_context_free(context);
}

/* A flag that is neither is told, not taken for one of them. */
static void test_flags_are_true_or_false(void **state)
{
  (void)state;
  static const frz_property flags[][3] = {
      {{"type", "hive"}, {"uri", "thrift://localhost:1"}, {"hive.hive2-compatible", "yes"}},
      {{"type", "hive"}, {"uri", "thrift://localhost:1"}, {"engine.hive.lock-enabled", "no"}},
      {{"type", "hive"}, {"uri", "thrift://localhost:1"}, {"hive.kerberos-authentication", "1"}},
      {{"type", "glue"}, {"glue.region", "us-east-1"}, {"glue.skip-archive", "yes"}},
      {{"type", "rest"}, {"uri", "http://127.0.0.1:1"}, {"rest.sigv4-enabled", "yes"}},
      {{"type", "rest"}, {"uri", "http://127.0.0.1:1"}, {"s3.remote-signing-enabled", "1"}},
      {{"type", "sql"}, {"uri", ":memory:"}, {"init_catalog_tables", "no"}}};
  frz_context *context;
  frz_test_ok(frz_context_create(NULL, &context, NULL), NULL);
  for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
    frz_error err = {0};
    frz_catalog *catalog = NULL;
    assert_int_equal(frz_catalog_open(context, "c", flags[i], 3, &catalog, &err), FRZ_ERR_INVALID);
    if (strstr(err.message, flags[i][2].key) == NULL) fail_msg("%s", err.message);
    assert_non_null(strstr(err.message, "is neither true nor false"));
  }
  frz_context_free(context);
}

static void test_namespaces_nest_and_must_be_empty_to_go(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_catalog *catalog = lake.catalog;
  const frz_property owner = {"owner", "me"};
  frz_test_ok(frz_catalog_create_namespace(catalog, "a.b.c", &owner, 1, &err), &err);
  frz_test_ok(frz_catalog_create_namespace(catalog, "a_b", NULL, 0, &err), &err);
  assert_int_equal(frz_catalog_create_namespace(catalog, "ns", NULL, 0, &err), FRZ_ERR_EXISTS);
  assert_string_equal(err.message, "namespace 'ns' exists already");
  assert_int_equal(frz_catalog_create_namespace(catalog, "a.b", NULL, 0, NULL), FRZ_ERR_EXISTS);
  assert_int_equal(frz_catalog_create_namespace(catalog, "a..b", NULL, 0, NULL), FRZ_ERR_INVALID);
  assert_int_equal(frz_catalog_create_namespace(catalog, "", NULL, 0, NULL), FRZ_ERR_INVALID);
  frz_test_ok(frz_catalog_create_namespace(catalog, "A", NULL, 0, &err), &err);
  expect_namespaces(catalog, NULL, "A a a_b ns");
  expect_namespaces(catalog, "a", "a.b");
  expect_namespaces(catalog, "a.b", "a.b.c");
  expect_namespaces(catalog, "a.b.c", "");
  frz_string_list list;
  assert_int_equal(frz_catalog_list_namespaces(catalog, "none", &list, NULL), FRZ_ERR_NOT_FOUND);
  assert_int_equal(frz_catalog_list_tables(catalog, "none", &list, NULL), FRZ_ERR_NOT_FOUND);

  frz_table_free(frz_test_lake_table(&lake, "t", NULL, NULL));
  assert_int_equal(frz_catalog_drop_namespace(catalog, "ns", &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "namespace 'ns' is not empty: it holds tables");
  assert_int_equal(frz_catalog_drop_namespace(catalog, "a", NULL), FRZ_ERR_INVALID);
  assert_int_equal(frz_catalog_drop_namespace(catalog, "none", NULL), FRZ_ERR_NOT_FOUND);
  frz_test_ok(frz_catalog_drop_table(catalog, "ns.t", false, &err), &err);
  frz_test_ok(frz_catalog_drop_namespace(catalog, "ns", &err), &err);
  frz_test_ok(frz_catalog_drop_namespace(catalog, "a.b.c", &err), &err);
  expect_namespaces(catalog, NULL, "A a_b");
  frz_test_lake_close(&lake);
}

static void test_tables_are_created_renamed_and_dropped(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_catalog *catalog = lake.catalog;
  frz_table *table = frz_test_lake_table(&lake, "t", "bucket(4, id)", NULL);
  assert_string_equal(frz_table_identifier(table), "ns.t");
  assert_int_equal(frz_table_current_snapshot_id(table), -1);
  frz_table_free(table);
  expect_tables(catalog, "ns", "ns.t");
  assert_int_equal(frz_catalog_load_table(catalog, "ns.none", &table, &err), FRZ_ERR_NOT_FOUND);
  assert_string_equal(err.message, "table 'ns.none': not in catalog 'test'");
  assert_int_equal(frz_catalog_load_table(catalog, "plain", &table, &err), FRZ_ERR_INVALID);
  assert_int_equal(frz_catalog_load_table(catalog, "ns.", &table, NULL), FRZ_ERR_INVALID);
  assert_int_equal(frz_catalog_rename_table(catalog, "ns.none", "ns.u", NULL), FRZ_ERR_NOT_FOUND);
  assert_int_equal(frz_catalog_rename_table(catalog, "ns.t", "none.u", NULL), FRZ_ERR_NOT_FOUND);
  frz_table_free(frz_test_lake_table(&lake, "other", NULL, NULL));
  assert_int_equal(frz_catalog_rename_table(catalog, "ns.t", "ns.other", NULL), FRZ_ERR_EXISTS);
  frz_test_ok(frz_catalog_rename_table(catalog, "ns.t", "ns.u", &err), &err);
  expect_tables(catalog, "ns", "ns.other ns.u");
  frz_test_ok(frz_catalog_drop_table(catalog, "ns.u", false, &err), &err);
  assert_int_equal(frz_catalog_drop_table(catalog, "ns.u", false, NULL), FRZ_ERR_NOT_FOUND);
  frz_test_lake_close(&lake);
}

static frz_status create(frz_catalog *catalog, const char *identifier,
                         const frz_create_table_options *options, frz_error *err)
{
  const frz_arrow_field field = {
      .name = {"id", 2}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}};
  struct ArrowSchema schema;
  frz_test_ok(frz_arrow_schema_export(&field, 1, frz_alloc_default(), &schema, NULL), NULL);
  frz_status st = frz_catalog_create_table(catalog, identifier, &schema, options, NULL, err);
  schema.release(&schema);
  return st;
}

static void test_create_refuses_what_it_cannot_do(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_create_table_options options;
  frz_create_table_options_init(&options);
  assert_int_equal(create(lake.catalog, "none.t", NULL, &err), FRZ_ERR_NOT_FOUND);
  assert_string_equal(err.message, "table 'none.t': namespace 'none' does not exist");
  options.format_version = 0;
  assert_int_equal(create(lake.catalog, "ns.t", &options, NULL), FRZ_ERR_INVALID);
  options.format_version = 4;
  assert_int_equal(create(lake.catalog, "ns.t", &options, NULL), FRZ_ERR_INVALID);
  options.format_version = 2;
  options.partition_spec = "bucket(4, nothing)";
  assert_int_equal(create(lake.catalog, "ns.t", &options, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "nothing"));
  options.partition_spec = NULL;
  options.sort_order = "nothing";
  assert_int_equal(create(lake.catalog, "ns.t", &options, NULL), FRZ_ERR_INVALID);
  options.sort_order = NULL;
  const frz_property version = {"format-version", "1"};
  options.properties = &version;
  options.n_properties = 1;
  frz_test_ok(create(lake.catalog, "ns.t", &options, &err), &err);
  assert_int_equal(create(lake.catalog, "ns.t", &options, NULL), FRZ_ERR_EXISTS);
  frz_table *table;
  frz_string json;
  frz_test_ok(frz_catalog_load_table(lake.catalog, "ns.t", &table, &err), &err);
  frz_test_ok(frz_table_metadata_json(table, &json, &err), &err);
  assert_non_null(strstr(json.data, "\"format-version\":1"));
  assert_non_null(strstr(json.data, "\"properties\":{}"));
  frz_string_dispose(&json);
  frz_table_free(table);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".metadata.json"), 1);
  frz_test_lake_close(&lake);
}

static void test_tables_outlive_their_catalog_handle(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_catalog_free(lake.catalog);
  lake.catalog = NULL;
  bool changed = true;
  frz_test_ok(frz_table_refresh(table, &changed, &err), &err);
  assert_false(changed);
  const frz_property property = {"a", "b"};
  frz_test_ok(frz_table_set_properties(table, &property, 1, NULL, 0, &err), &err);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_purge_leaves_no_file(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", "bucket(4, id)", NULL);
  for (int64_t i = 0; i < 3; i++) frz_test_ok(frz_test_append(table, i * 10, 10, &err), &err);
  frz_table_free(table);
  assert_true(frz_test_count_files(&lake, "warehouse/ns/t", "") > 12);
  frz_test_ok(frz_catalog_drop_table(lake.catalog, "ns.t", true, &err), &err);
  assert_int_equal(frz_test_count_files(&lake, "warehouse/ns/t", ""), 0);
  const frz_property keep[] = {{"gc.enabled", "false"}, {NULL, NULL}};
  frz_table_free(frz_test_lake_table(&lake, "kept", NULL, keep));
  assert_int_equal(frz_catalog_drop_table(lake.catalog, "ns.kept", true, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "gc.enabled"));
  expect_tables(lake.catalog, "ns", "ns.kept");
  frz_test_lake_close(&lake);
}

static void test_register_takes_an_existing_metadata_file(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_string location;
  frz_test_ok(frz_table_metadata_location(table, &location, &err), &err);
  frz_table_free(table);
  frz_test_ok(frz_catalog_drop_table(lake.catalog, "ns.t", false, &err), &err);
  frz_test_ok(frz_catalog_register_table(lake.catalog, "ns.back", location.data, &err), &err);
  assert_int_equal(frz_catalog_register_table(lake.catalog, "ns.back", location.data, NULL),
                   FRZ_ERR_EXISTS);
  assert_int_equal(frz_catalog_register_table(lake.catalog, "no.x", location.data, NULL),
                   FRZ_ERR_NOT_FOUND);
  assert_int_equal(frz_catalog_register_table(lake.catalog, "ns.x", "/no/file.metadata.json", NULL),
                   FRZ_ERR_NOT_FOUND);
  frz_test_ok(frz_catalog_load_table(lake.catalog, "ns.back", &table, &err), &err);
  frz_table_free(table);
  frz_string_dispose(&location);
  frz_test_lake_close(&lake);
}

/* ---- layouts of others ---- */

static void run_sql(const frz_test_lake *lake, const char *sql)
{
  char path[300];
  sqlite3 *db;
  char *message = NULL;
  snprintf(path, sizeof path, "%s/catalog.db", lake->folder);
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s", message);
  sqlite3_close(db);
}

static void test_databases_without_a_type_column_stay_as_they_are(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_folder(lake.folder);
  run_sql(&lake, "CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, "
                 "table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, "
                 "metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), "
                 "PRIMARY KEY (catalog_name, table_namespace, table_name));"
                 "CREATE TABLE iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, "
                 "namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255), "
                 "property_value VARCHAR(1000), "
                 "PRIMARY KEY (catalog_name, namespace, property_key));");
  frz_test_ok(frz_context_create(NULL, &lake.context, NULL), NULL);
  lake.catalog = frz_test_lake_connect(&lake, lake.context);
  frz_test_ok(frz_catalog_create_namespace(lake.catalog, "ns", NULL, 0, &err), &err);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  const frz_property property = {"a", "b"};
  frz_test_ok(frz_table_set_properties(table, &property, 1, NULL, 0, &err), &err);
  frz_table_free(table);
  expect_tables(lake.catalog, "ns", "ns.t");
  frz_test_ok(frz_catalog_rename_table(lake.catalog, "ns.t", "ns.u", &err), &err);
  run_sql(&lake, "SELECT CASE WHEN (SELECT count(*) FROM pragma_table_info('iceberg_tables')) = 5 "
                 "THEN 1 ELSE abs(-9223372036854775808) END");
  frz_catalog_free(lake.catalog);

  char uri[300];
  snprintf(uri, sizeof uri, "sqlite:///%s/catalog.db", lake.folder);
  const frz_property upgrade[] = {{"uri", uri}, {"schema_version", "v1"}};
  frz_test_ok(frz_catalog_open(lake.context, "test", upgrade, 2, &lake.catalog, &err), &err);
  expect_tables(lake.catalog, "ns", "ns.u");
  frz_test_ok(frz_catalog_drop_table(lake.catalog, "ns.u", true, &err), &err);
  run_sql(&lake, "SELECT iceberg_type FROM iceberg_tables");
  frz_test_lake_close(&lake);
}

static void test_views_are_not_tables(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  run_sql(&lake, "INSERT INTO iceberg_tables VALUES ('test', 'ns', 'v', '/x', NULL, 'VIEW')");
  expect_tables(lake.catalog, "ns", "");
  frz_string_list views;
  frz_error err = {0};
  frz_test_ok(frz_catalog_list_views(lake.catalog, "ns", &views, &err), &err);
  assert_int_equal(views.n_items, 1);
  assert_string_equal(views.items[0], "ns.v");
  frz_string_list_dispose(&views);
  assert_int_equal(frz_catalog_list_views(lake.catalog, "no", &views, NULL), FRZ_ERR_NOT_FOUND);
  assert_int_equal(frz_catalog_list_views(lake.catalog, "a..b", &views, NULL), FRZ_ERR_INVALID);
  assert_int_equal(frz_catalog_list_views(lake.catalog, "ns", NULL, NULL), FRZ_ERR_INVALID);
  frz_table *table;
  assert_int_equal(frz_catalog_load_table(lake.catalog, "ns.v", &table, NULL), FRZ_ERR_NOT_FOUND);
  assert_int_equal(frz_catalog_drop_table(lake.catalog, "ns.v", false, NULL), FRZ_ERR_NOT_FOUND);
  assert_int_equal(create(lake.catalog, "ns.v", NULL, NULL), FRZ_ERR_EXISTS);
  frz_test_lake_close(&lake);
}

static void test_a_namespace_may_choose_the_location(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  char place[300];
  snprintf(place, sizeof place, "%s/elsewhere/", lake.folder);
  const frz_property location = {"location", place};
  frz_test_ok(frz_catalog_create_namespace(lake.catalog, "other", &location, 1, &err), &err);
  frz_test_ok(create(lake.catalog, "other.t", NULL, &err), &err);
  assert_int_equal(frz_test_count_files(&lake, "elsewhere/t/metadata", ".metadata.json"), 1);
  frz_test_lake_close(&lake);
}

/* ---- processes ---- */

static void test_a_child_opens_its_own_connection(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  pid_t child = fork();
  if (child == 0) {
    const frz_property property = {"from", "child"};
    frz_status st = frz_table_set_properties(table, &property, 1, NULL, 0, &err);
    _exit(st == FRZ_OK ? 0 : 1);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  bool changed = false;
  frz_test_ok(frz_table_refresh(table, &changed, &err), &err);
  assert_true(changed);
  const frz_property property = {"from", "parent"};
  frz_test_ok(frz_table_set_properties(table, &property, 1, NULL, 0, &err), &err);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- tables without a catalog ---- */

static frz_catalog *open_static(const frz_test_lake *lake)
{
  frz_error err = {0};
  frz_catalog *catalog;
  char warehouse[300];
  snprintf(warehouse, sizeof warehouse, "%s/warehouse/", lake->folder);
  const frz_property properties[] = {{"type", "none"}, {"warehouse", warehouse}};
  frz_test_ok(frz_catalog_open(lake->context, "files", properties, 2, &catalog, &err), &err);
  return catalog;
}

static void expect_static(frz_catalog *catalog, const char *name, int64_t snapshot_id)
{
  frz_table *table;
  frz_error err = {0};
  frz_test_ok(frz_catalog_load_table(catalog, name, &table, &err), &err);
  assert_int_equal(frz_table_current_snapshot_id(table), snapshot_id);
  frz_table_free(table);
}

static void test_a_folder_shows_its_newest_version(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_string first;
  frz_test_ok(frz_table_metadata_location(table, &first, &err), &err);
  frz_test_ok(frz_test_append(table, 0, 3, &err), &err);
  int64_t id = frz_table_current_snapshot_id(table);
  frz_table_free(table);

  frz_catalog *files = open_static(&lake);
  char path[600];
  snprintf(path, sizeof path, "%s/warehouse/ns/t", lake.folder);
  expect_static(files, path, id);
  expect_static(files, "ns/t", id);
  expect_static(files, "ns/t/", id);
  expect_static(files, "ns.t", id);
  expect_static(files, first.data, -1);
  snprintf(path, sizeof path, "file://%s/warehouse/ns/t", lake.folder);
  expect_static(files, path, id);

  char hint[600]; /* a hint counts more than what the files are called */
  snprintf(hint, sizeof hint, "%s/warehouse/ns/t/metadata/version-hint.text", lake.folder);
  const char *name = strrchr(first.data, '/') + 1;
  frz_test_write(hint, name, strlen(name));
  expect_static(files, "ns/t", -1);
  size_t size;
  uint8_t *bytes = frz_test_read(first.data, &size);
  snprintf(path, sizeof path, "%s/warehouse/ns/t/metadata/v7.metadata.json", lake.folder);
  frz_test_write(path, bytes, size);
  free(bytes);
  frz_test_write(hint, "7\n", 2);
  expect_static(files, "ns/t", -1);

  frz_table *none;
  assert_int_equal(frz_catalog_load_table(files, "ns/none", &none, &err), FRZ_ERR_NOT_FOUND);
  assert_non_null(strstr(err.message, "ns/none"));
  assert_int_equal(frz_catalog_load_table(files, "", &none, NULL), FRZ_ERR_INVALID);
  frz_string_dispose(&first);
  frz_catalog_free(files);
  frz_test_lake_close(&lake);
}

static void test_a_static_catalog_refuses_changes(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table_free(frz_test_lake_table(&lake, "t", NULL, NULL));
  frz_catalog *files = open_static(&lake);
  frz_table *table;
  frz_test_ok(frz_catalog_load_table(files, "ns/t", &table, &err), &err);
  const frz_property property = {"a", "b"};
  assert_int_equal(frz_table_set_properties(table, &property, 1, NULL, 0, &err),
                   FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "a static catalog is read-only"));
  assert_int_equal(frz_test_append(table, 0, 1, NULL), FRZ_ERR_UNSUPPORTED);
  assert_int_equal(frz_catalog_create_namespace(files, "x", NULL, 0, NULL), FRZ_ERR_UNSUPPORTED);
  assert_int_equal(create(files, "ns/u", NULL, NULL), FRZ_ERR_UNSUPPORTED);
  assert_int_equal(frz_catalog_drop_table(files, "ns/t", true, NULL), FRZ_ERR_UNSUPPORTED);
  frz_string_list list;
  assert_int_equal(frz_catalog_list_tables(files, "ns", &list, NULL), FRZ_ERR_UNSUPPORTED);
  frz_table_free(table);
  frz_catalog_free(files);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_uris_name_a_file),
      cmocka_unit_test(test_types_are_checked_by_name),
      cmocka_unit_test(test_flags_are_true_or_false),
      cmocka_unit_test(test_namespaces_nest_and_must_be_empty_to_go),
      cmocka_unit_test(test_tables_are_created_renamed_and_dropped),
      cmocka_unit_test(test_create_refuses_what_it_cannot_do),
      cmocka_unit_test(test_tables_outlive_their_catalog_handle),
      cmocka_unit_test(test_purge_leaves_no_file),
      cmocka_unit_test(test_register_takes_an_existing_metadata_file),
      cmocka_unit_test(test_databases_without_a_type_column_stay_as_they_are),
      cmocka_unit_test(test_views_are_not_tables),
      cmocka_unit_test(test_a_namespace_may_choose_the_location),
      cmocka_unit_test(test_a_child_opens_its_own_connection),
      cmocka_unit_test(test_a_folder_shows_its_newest_version),
      cmocka_unit_test(test_a_static_catalog_refuses_changes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
