/*
 * glue_catalog.c - the catalog kinds' operations over AWS Glue: namespaces are databases, tables
 * point to their metadata file by a parameter.
 *
 * A commit is UpdateTable with the VersionId that was seen, which Glue refuses when it is no longer
 * the table's. Old versions of the description are not archived unless glue.skip-archive is false:
 * the metadata files hold the history.
 *
 * Namespaces have one level, as databases have.
 *
 * Source: AWS Glue Web API Reference.
 */
#include "base/limits.h"
#include "catalog/glue_session.h"
#include "catalog/glue_table.h"
#include "catalog/pointer_table.h"

typedef struct glue_catalog {
  frz_pointer_catalog base;
  frz_glue_session *session;
  bool skips_archive;
} glue_catalog;

static frz_status check_level(frz_str name, frz_error *err)
{
  return frz_pointer_check_level(name, "Glue", err);
}

/* A call about one thing by its name: {"Name": ...} or {"DatabaseName": ..., "Name": ...}. */
static void open_named(frz_glue_call *call, const glue_catalog *catalog, const char *action,
                       frz_str database, frz_str name)
{
  frz_glue_call_open(call, catalog->session, action);
  if (database.size != 0) frz_json_write_string_member(&call->json, "DatabaseName", database);
  frz_json_write_string_member(&call->json, "Name", name);
}

static frz_status call_named(const glue_catalog *catalog, const char *action, frz_str database,
                             frz_str name, frz_error *err)
{
  frz_glue_call call;
  open_named(&call, catalog, action, database, name);
  frz_status st = frz_glue_call_send(&call, err);
  frz_glue_call_close(&call);
  return st;
}

/* What an attempt removed of which nobody heard is gone, whatever the last one says; where that is
 * not seen, *may_be_done_out tells that it may still happen. */
static frz_status delete_named(const glue_catalog *catalog, const char *action,
                               const char *get_action, frz_str database, frz_str name,
                               bool *may_be_done_out, frz_error *err)
{
  frz_glue_call call;
  open_named(&call, catalog, action, database, name);
  frz_status st = frz_glue_call_send(&call, err);
  frz_glue_call_close(&call);
  if (st != FRZ_OK && call.may_be_done &&
      call_named(catalog, get_action, database, name, NULL) == FRZ_ERR_NOT_FOUND)
    st = FRZ_OK;
  *may_be_done_out = st != FRZ_OK && call.may_be_done;
  return st;
}

/* The reader stands at the value of an answer's member. FRZ_ERR_CORRUPT: there is none. */
static frz_status find_member(frz_glue_call *call, const char *name, frz_json_reader *json_out,
                              frz_error *err)
{
  frz_json_reader_init(json_out, call->answer.data, call->answer.size, &call->arena);
  FRZ_TRY(frz_json_object_begin(json_out, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(json_out, &key, &more, err));
    if (!more)
      return frz_fail(err, FRZ_ERR_CORRUPT, "Glue %s: the answer holds no %s", call->action, name);
    if (frz_str_is(key, name)) return FRZ_OK;
    FRZ_TRY(frz_json_skip(json_out, err));
  }
}

/* ---- listings ---- */

/* What is read of each item of a page. */
typedef frz_status (*visit_item)(void *arg, frz_json_reader *json, frz_arena *arena,
                                 frz_error *err);

static frz_status visit_items(frz_json_reader *json, frz_arena *arena, visit_item visit, void *arg,
                              frz_error *err)
{
  FRZ_TRY(frz_json_array_begin(json, err));
  for (;;) {
    bool more;
    FRZ_TRY(frz_json_array_next(json, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(visit(arg, json, arena, err));
  }
}

/* A page's items under `key`; its NextToken goes into `token`. */
static frz_status read_page(frz_glue_call *call, const char *key, visit_item visit, void *arg,
                            frz_buf *token, frz_error *err)
{
  frz_json_reader json;
  frz_json_reader_init(&json, call->answer.data, call->answer.size, &call->arena);
  token->size = 0;
  FRZ_TRY(frz_json_object_begin(&json, err));
  for (;;) {
    frz_str name, text;
    bool more, was_null;
    FRZ_TRY(frz_json_object_next(&json, &name, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(frz_json_read_null(&json, &was_null, err));
    if (was_null) continue;
    if (frz_str_is(name, key)) {
      FRZ_TRY(visit_items(&json, &call->arena, visit, arg, err));
    } else if (frz_str_is(name, "NextToken")) {
      FRZ_TRY(frz_json_read_string(&json, &text, err));
      FRZ_TRY(frz_buf_append_str(token, text, err));
    } else {
      FRZ_TRY(frz_json_skip(&json, err));
    }
  }
}

static frz_status list_pages(const glue_catalog *catalog, const char *action, frz_str database,
                             const char *key, visit_item visit, void *arg, frz_error *err)
{
  frz_buf token;
  frz_buf_init(&token, catalog->base.alloc, FRZ_LIMIT_FILTER_BYTES);
  frz_status st = FRZ_OK;
  do {
    frz_glue_call call;
    frz_glue_call_open(&call, catalog->session, action);
    if (database.size != 0) frz_json_write_string_member(&call.json, "DatabaseName", database);
    if (token.size != 0) frz_json_write_string_member(&call.json, "NextToken", frz_buf_str(&token));
    st = frz_glue_call_send(&call, err);
    if (st == FRZ_OK) st = read_page(&call, key, visit, arg, &token, err);
    frz_glue_call_close(&call);
    if (st == FRZ_OK) st = frz_context_check_waiting(catalog->base.context, err);
  } while (st == FRZ_OK && token.size != 0);
  frz_buf_dispose(&token);
  return st;
}

/* ---- namespaces ---- */

static frz_status glue_create_namespace(void *self, frz_str name, const frz_property *properties,
                                        size_t n_properties, frz_error *err)
{
  const glue_catalog *catalog = self;
  frz_glue_call call;
  FRZ_TRY(check_level(name, err));
  frz_glue_call_open(&call, catalog->session, "CreateDatabase");
  frz_json_writer *json = &call.json;
  frz_json_write_key(json, "DatabaseInput");
  frz_json_write_object_begin(json);
  frz_json_write_string_member(json, "Name", name);
  for (size_t i = 0; i < n_properties; i++) {
    frz_str value = frz_str_from(properties[i].value);
    if (strcmp(properties[i].key, "Description") == 0)
      frz_json_write_string_member(json, "Description", value);
    if (strcmp(properties[i].key, "location") == 0)
      frz_json_write_string_member(json, "LocationUri", value);
  }
  frz_json_write_key(json, "Parameters");
  frz_json_write_object_begin(json);
  for (size_t i = 0; i < n_properties; i++)
    if (strcmp(properties[i].key, "Description") != 0 && strcmp(properties[i].key, "location") != 0)
      frz_json_write_string_member(json, properties[i].key, frz_str_from(properties[i].value));
  frz_json_write_object_end(json);
  frz_json_write_object_end(json);
  frz_status st = frz_glue_call_send(&call, err);
  frz_glue_call_close(&call);
  if (st == FRZ_ERR_EXISTS) frz_error_where(err, "namespace '%.*s': ", FRZ_STR_ARG(name));
  return st;
}

static frz_status count_item(void *arg, frz_json_reader *json, frz_arena *arena, frz_error *err)
{
  (void)arena;
  (*(size_t *)arg)++;
  return frz_json_skip(json, err);
}

/* Glue would drop the tables with their database. */
static frz_status glue_drop_namespace(void *self, frz_str name, frz_error *err)
{
  const glue_catalog *catalog = self;
  size_t n_tables = 0;
  bool may_be_done;
  FRZ_TRY(check_level(name, err));
  FRZ_TRY(list_pages(catalog, "GetTables", name, "TableList", count_item, &n_tables, err));
  if (n_tables != 0)
    return frz_fail(err, FRZ_ERR_INVALID, "namespace '%.*s' is not empty: it holds %zu tables",
                    FRZ_STR_ARG(name), n_tables);
  return delete_named(catalog, "DeleteDatabase", "GetDatabase", (frz_str){0}, name, &may_be_done,
                      err);
}

static frz_status list_database(void *arg, frz_json_reader *json, frz_arena *arena, frz_error *err)
{
  frz_glue_table found; /* a database has a name, too */
  FRZ_TRY(frz_glue_table_read(json, arena, &found, err));
  return frz_string_list_add(arg, found.name, err);
}

static frz_status glue_list_namespaces(void *self, frz_str parent, frz_string_list *list,
                                       frz_error *err)
{
  const glue_catalog *catalog = self;
  if (parent.size != 0) {
    FRZ_TRY(check_level(parent, err));
    return call_named(catalog, "GetDatabase", (frz_str){0}, parent, err);
  }
  return list_pages(catalog, "GetDatabases", (frz_str){0}, "DatabaseList", list_database, list,
                    err);
}

typedef struct table_list {
  frz_str database;
  frz_string_list *list;
} table_list;

static frz_status list_table(void *arg, frz_json_reader *json, frz_arena *arena, frz_error *err)
{
  const table_list *tables = arg;
  frz_glue_table found;
  FRZ_TRY(frz_glue_table_read(json, arena, &found, err));
  if (!found.is_iceberg) return FRZ_OK;
  frz_str name = frz_arena_print(arena, "%.*s.%.*s", (int)tables->database.size,
                                 tables->database.data, FRZ_STR_ARG(found.name));
  if (name.data == NULL) return frz_fail_nomem(err, "list of names");
  return frz_string_list_add(tables->list, name, err);
}

static frz_status glue_list_tables(void *self, frz_str name, frz_string_list *list, frz_error *err)
{
  table_list tables = {name, list};
  FRZ_TRY(check_level(name, err));
  return list_pages(self, "GetTables", name, "TableList", list_table, &tables, err);
}

/* ---- pointers ---- */

/* The description of a table, in the call's arena and answer. */
static frz_status get_table(frz_glue_call *call, frz_glue_table *table_out, frz_error *err)
{
  frz_json_reader json;
  FRZ_TRY(frz_glue_call_send(call, err));
  FRZ_TRY(find_member(call, "Table", &json, err));
  return frz_glue_table_read(&json, &call->arena, table_out, err);
}

static frz_status check_iceberg(const frz_glue_table *table, frz_error *err)
{
  if (!table->is_iceberg)
    return frz_fail(err, FRZ_ERR_NOT_FOUND, "Glue's table of this name is no Iceberg table");
  if (table->location.size != 0) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "Glue's table has no parameter metadata_location");
}

/* Their state is the answer, so that a swap keeps what it does not know. */
static frz_status find_pointer(void *self, const frz_identifier *id, frz_pointer *pointer_out,
                               frz_error *err)
{
  const glue_catalog *catalog = self;
  frz_glue_call call;
  frz_glue_table table;
  FRZ_TRY(check_level(id->namespace_name, err));
  open_named(&call, catalog, "GetTable", id->namespace_name, id->table_name);
  frz_status st = get_table(&call, &table, err);
  if (st == FRZ_OK) st = check_iceberg(&table, err);
  if (st == FRZ_OK)
    st = frz_string_copy(catalog->base.alloc, table.location, &pointer_out->location, err);
  if (st == FRZ_OK) {
    pointer_out->state = call.answer;
    call.answer = (frz_buf){0};
  }
  frz_glue_call_close(&call);
  return st;
}

static frz_status insert_pointer(void *self, const frz_identifier *id,
                                 const frz_loaded_table *table, bool *may_be_done_out,
                                 frz_error *err)
{
  const glue_catalog *catalog = self;
  frz_glue_call call;
  FRZ_TRY(check_level(id->namespace_name, err));
  frz_glue_call_open(&call, catalog->session, "CreateTable");
  frz_json_write_string_member(&call.json, "DatabaseName", id->namespace_name);
  frz_status st = frz_glue_table_write(&call.json, id->table_name, NULL, table, &call.arena, err);
  if (st == FRZ_OK) st = frz_glue_call_send(&call, err);
  *may_be_done_out = call.may_be_done;
  frz_glue_call_close(&call);
  return st;
}

static frz_status read_state(const frz_pointer *pointer, frz_glue_call *call, frz_glue_table *table,
                             frz_error *err)
{
  frz_json_reader json;
  frz_glue_call seen = *call;
  seen.answer = pointer->state;
  frz_status st = find_member(&seen, "Table", &json, err);
  if (st == FRZ_OK) st = frz_glue_table_read(&json, &call->arena, table, err);
  call->arena = seen.arena;
  return st;
}

static frz_status swap_pointer(void *self, const frz_identifier *id, const frz_pointer *pointer,
                               const frz_loaded_table *base, const frz_loaded_table *next,
                               bool *may_be_done_out, frz_error *err)
{
  (void)base;
  const glue_catalog *catalog = self;
  frz_glue_call call;
  frz_glue_table old;
  frz_glue_call_open(&call, catalog->session, "UpdateTable");
  frz_status st = read_state(pointer, &call, &old, err);
  if (st == FRZ_OK && old.version_id.size == 0)
    st = frz_fail(err, FRZ_ERR_UNSUPPORTED,
                  "Glue gives the table no VersionId: it cannot be committed to safely");
  if (st == FRZ_OK) {
    frz_json_write_string_member(&call.json, "DatabaseName", id->namespace_name);
    frz_json_write_key(&call.json, "SkipArchive");
    frz_json_write_bool(&call.json, catalog->skips_archive);
    frz_json_write_string_member(&call.json, "VersionId", old.version_id);
    st = frz_glue_table_write(&call.json, id->table_name, &old, next, &call.arena, err);
  }
  if (st == FRZ_OK) st = frz_glue_call_send(&call, err);
  *may_be_done_out = call.may_be_done;
  frz_glue_call_close(&call);
  return st;
}

/* ---- tables ---- */

static frz_status read_location(const glue_catalog *catalog, frz_str database, frz_buf *out,
                                frz_error *err)
{
  frz_glue_call call;
  frz_json_reader json;
  open_named(&call, catalog, "GetDatabase", (frz_str){0}, database);
  frz_status st = frz_glue_call_send(&call, err);
  if (st == FRZ_OK) st = find_member(&call, "Database", &json, err);
  if (st == FRZ_OK) st = frz_json_object_begin(&json, err);
  for (bool more = true; st == FRZ_OK && more;) {
    frz_str key, location = {"", 0};
    bool was_null;
    st = frz_json_object_next(&json, &key, &more, err);
    if (st == FRZ_OK && more) st = frz_json_read_null(&json, &was_null, err);
    if (st != FRZ_OK || !more || was_null) continue;
    st = frz_str_is(key, "LocationUri") ? frz_json_read_string(&json, &location, err)
                                        : frz_json_skip(&json, err);
    if (st == FRZ_OK) st = frz_buf_append_str(out, location, err);
  }
  frz_glue_call_close(&call);
  return st;
}

/* The name is looked at first, so that no file is written in vain. */
static frz_status place_table(void *self, const frz_identifier *id, frz_buf *folder, frz_error *err)
{
  const glue_catalog *catalog = self;
  FRZ_TRY(check_level(id->namespace_name, err));
  FRZ_TRY(read_location(catalog, id->namespace_name, folder, err));
  frz_status st = call_named(catalog, "GetTable", id->namespace_name, id->table_name, err);
  if (st == FRZ_ERR_NOT_FOUND) return FRZ_OK;
  FRZ_TRY(st);
  return frz_fail(err, FRZ_ERR_EXISTS, "the name exists already in Glue");
}

static frz_status delete_table(const glue_catalog *catalog, const frz_identifier *id,
                               bool *may_be_done_out, frz_error *err)
{
  return delete_named(catalog, "DeleteTable", "GetTable", id->namespace_name, id->table_name,
                      may_be_done_out, err);
}

static frz_status glue_drop_table(void *self, const frz_identifier *id, frz_error *err)
{
  bool may_be_done;
  FRZ_TRY(check_level(id->namespace_name, err));
  return delete_table(self, id, &may_be_done, err);
}

/* ---- renaming ---- */

/* FRZ_ERR_CONFLICT: the table points elsewhere. */
static frz_status check_location(glue_catalog *catalog, const frz_identifier *id, frz_str location,
                                 frz_error *err)
{
  frz_pointer now = {0};
  frz_status st = find_pointer(catalog, id, &now, err);
  if (st == FRZ_OK && !frz_str_is(location, now.location.data))
    st = frz_fail(err, FRZ_ERR_CONFLICT, "a commit came between: rename it again");
  frz_pointer_dispose(&now);
  return st;
}

static frz_status create_renamed(glue_catalog *catalog, const frz_identifier *new_id,
                                 const frz_glue_table *old, frz_error *err)
{
  frz_glue_call call;
  frz_glue_call_open(&call, catalog->session, "CreateTable");
  frz_json_write_string_member(&call.json, "DatabaseName", new_id->namespace_name);
  frz_glue_table_write_renamed(&call.json, new_id->table_name, old);
  frz_status st = frz_glue_call_send(&call, err);
  frz_glue_call_close(&call);
  if (st != FRZ_OK && call.may_be_done &&
      check_location(catalog, new_id, old->location, NULL) == FRZ_OK)
    return FRZ_OK;
  return st;
}

/* Glue has no renaming: the table is made anew under the other name, then dropped under the old
 * one, unless a commit came between. While it may yet be dropped there, it keeps both. */
static frz_status move_table(glue_catalog *catalog, const frz_identifier *id,
                             const frz_identifier *new_id, const frz_glue_table *old,
                             frz_error *err)
{
  bool may_be_done = false, may_be_undone;
  frz_error why = {.message = "whether it is dropped is not known"};
  FRZ_TRY(create_renamed(catalog, new_id, old, err));
  frz_status st = check_location(catalog, id, old->location, err);
  if (st == FRZ_OK) st = delete_table(catalog, id, &may_be_done, err);
  if (st == FRZ_OK) return FRZ_OK;
  if (may_be_done || delete_table(catalog, new_id, &may_be_undone, &why) != FRZ_OK)
    frz_context_log(catalog->base.context, FRZ_LOG_WARNING, "'%s' stays beside '%s': %s",
                    new_id->text, id->text, why.message);
  return st;
}

static frz_status glue_rename_table(void *self, const frz_identifier *id,
                                    const frz_identifier *new_id, frz_error *err)
{
  glue_catalog *catalog = self;
  frz_glue_call call;
  frz_glue_table old;
  FRZ_TRY(check_level(id->namespace_name, err));
  FRZ_TRY(check_level(new_id->namespace_name, err));
  open_named(&call, catalog, "GetTable", id->namespace_name, id->table_name);
  frz_status st = get_table(&call, &old, err);
  if (st == FRZ_OK) st = check_iceberg(&old, err);
  if (st == FRZ_OK) st = move_table(catalog, id, new_id, &old, err);
  frz_glue_call_close(&call);
  return st;
}

/* ---- opening ---- */

static void glue_free(void *self)
{
  glue_catalog *catalog = self;
  frz_glue_session_free(catalog->session);
  frz_pointer_catalog_free(&catalog->base);
}

frz_status frz_glue_catalog_open(const frz_catalog_setup *setup, const frz_catalog_ops **ops_out,
                                 void **self_out, frz_error *err)
{
  static const frz_pointer_calls calls = {.folder_ending = ".db",
                                          .find = find_pointer,
                                          .place = place_table,
                                          .insert = insert_pointer,
                                          .swap = swap_pointer};
  static const frz_catalog_ops ops = {.version = 1,
                                      .create_namespace = glue_create_namespace,
                                      .drop_namespace = glue_drop_namespace,
                                      .list_namespaces = glue_list_namespaces,
                                      .list_tables = glue_list_tables,
                                      .create_table = frz_pointer_create_table,
                                      .load_table = frz_pointer_load_table,
                                      .commit_table = frz_pointer_commit_table,
                                      .register_table = frz_pointer_register_table,
                                      .drop_table = glue_drop_table,
                                      .rename_table = glue_rename_table,
                                      .free = glue_free};
  void *self = NULL;
  FRZ_TRY(frz_pointer_catalog_create(setup, &calls, sizeof(glue_catalog), &self, err));
  glue_catalog *catalog = self;
  frz_status st = frz_catalog_flag(setup, "glue.skip-archive", true, &catalog->skips_archive, err);
  if (st == FRZ_OK) st = frz_glue_session_open(setup, &catalog->session, err);
  if (st != FRZ_OK) {
    glue_free(catalog);
    return st;
  }
  *ops_out = &ops;
  *self_out = catalog;
  return FRZ_OK;
}
