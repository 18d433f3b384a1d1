/*
 * hive_catalog.c - the catalog kinds' operations over a Hive metastore: namespaces are databases,
 * tables point to their metadata file by a parameter.
 *
 * A commit takes the table's lock, sees that the pointer is still the one it knows, and alters the
 * table; metastores that know how (2.3.10, 4.0 and later) compare the pointer once more as they do.
 * A table with engine.hive.lock-enabled=false is committed to by that comparison alone.
 *
 * Namespaces have one level, as databases have. Hive writes names in small letters.
 *
 * What must stay true: a lock under which a change may still be on its way is not given back; the
 * metastore takes it some minutes later.
 *
 * Source: apache/hive, hive_metastore.thrift.
 */
#include "base/limits.h"
#include "catalog/hive_lock.h"
#include "catalog/hive_table.h"

typedef struct hive_catalog {
  frz_pointer_catalog base;
  frz_hive_session *session;
  frz_hive_lock_policy lock_policy;
  frz_hive_dialect dialect;
  bool locks; /* unless a table says otherwise */
} hive_catalog;

enum { TABLES_OF_A_CALL = 100 };

static frz_status check_level(frz_str name, frz_error *err)
{
  return frz_pointer_check_level(name, "Hive", err);
}

/* ---- databases ---- */

/* What a database says of its location, appended to `folder`, which may be NULL. */
static frz_status read_database(frz_hive_call *call, frz_buf *folder, frz_error *err)
{
  FRZ_TRY(frz_hive_call_ask(call, FRZ_TBINARY_STRUCT, err));
  for (;;) {
    int16_t id;
    frz_tbinary_type type;
    frz_str location;
    FRZ_TRY(frz_tbinary_field(&call->result, &id, &type, err));
    if (type == FRZ_TBINARY_STOP) return FRZ_OK;
    if (id != 3 || type != FRZ_TBINARY_STRING || folder == NULL) {
      FRZ_TRY(frz_tbinary_skip(&call->result, type, err));
      continue;
    }
    FRZ_TRY(frz_tbinary_read_string(&call->result, &location, err));
    FRZ_TRY(frz_buf_append_str(folder, location, err));
  }
}

static frz_status get_database(const hive_catalog *catalog, frz_str name, frz_buf *folder,
                               frz_error *err)
{
  frz_hive_call call;
  frz_hive_call_open(&call, catalog->session, "get_database");
  frz_tbinary_write_string_field(&call.args, 1, name);
  frz_status st = read_database(&call, folder, err);
  frz_hive_call_close(&call);
  if (st == FRZ_ERR_NOT_FOUND)
    return frz_fail(err, st, "namespace '%.*s' does not exist in Hive", FRZ_STR_ARG(name));
  return st;
}

static void write_database(frz_tbinary_writer *args, const hive_catalog *catalog, frz_str name,
                           const frz_property *properties, size_t n_properties, frz_str location)
{
  size_t n_parameters = 0;
  frz_tbinary_write_field(args, 1, FRZ_TBINARY_STRUCT);
  frz_tbinary_write_string_field(args, 1, name);
  for (size_t i = 0; i < n_properties; i++) {
    frz_str value = frz_str_from(properties[i].value);
    if (strcmp(properties[i].key, "comment") == 0)
      frz_tbinary_write_string_field(args, 2, value);
    else if (strcmp(properties[i].key, "location") == 0)
      location = value;
    else
      n_parameters++;
  }
  if (location.size != 0) frz_tbinary_write_string_field(args, 3, location);
  frz_tbinary_write_map_field(args, 4, n_parameters);
  for (size_t i = 0; i < n_properties; i++) {
    if (strcmp(properties[i].key, "comment") == 0 || strcmp(properties[i].key, "location") == 0)
      continue;
    frz_tbinary_write_string(args, frz_str_from(properties[i].key));
    frz_tbinary_write_string(args, frz_str_from(properties[i].value));
  }
  frz_tbinary_write_string_field(args, 6, frz_str_from(frz_hive_session_user(catalog->session)));
  frz_tbinary_write_i32_field(args, 7, 1); /* the owner is a user */
  frz_tbinary_write_stop(args);
}

static frz_status hive_create_namespace(void *self, frz_str name, const frz_property *properties,
                                        size_t n_properties, frz_error *err)
{
  const hive_catalog *catalog = self;
  frz_hive_call call;
  frz_str location = {"", 0};
  FRZ_TRY(check_level(name, err));
  frz_hive_call_open(&call, catalog->session, "create_database");
  if (catalog->base.warehouse.data != NULL)
    location = frz_arena_print(&call.arena, "%s/%.*s.db", catalog->base.warehouse.data,
                               (int)name.size, name.data);
  write_database(&call.args, catalog, name, properties, n_properties, location);
  frz_status st = location.data != NULL ? frz_hive_call_send(&call, err)
                                        : frz_fail_nomem(err, "Hive namespace");
  frz_hive_call_close(&call);
  if (st == FRZ_ERR_EXISTS)
    return frz_fail(err, st, "namespace '%.*s' exists already in Hive", FRZ_STR_ARG(name));
  return st;
}

static frz_status hive_drop_namespace(void *self, frz_str name, frz_error *err)
{
  const hive_catalog *catalog = self;
  frz_hive_call call;
  FRZ_TRY(check_level(name, err));
  frz_hive_call_open(&call, catalog->session, "drop_database");
  frz_tbinary_write_string_field(&call.args, 1, name);
  frz_tbinary_write_bool_field(&call.args, 2, false); /* files stay */
  frz_tbinary_write_bool_field(&call.args, 3, false); /* tables, too: they are an error */
  frz_status st = frz_hive_call_send(&call, err);
  frz_hive_call_close(&call);
  if (st == FRZ_ERR_INVALID)
    frz_error_where(err, "namespace '%.*s' is not empty: ", FRZ_STR_ARG(name));
  return st;
}

/* A list of texts that was returned. */
static frz_status read_texts(frz_hive_call *call, frz_string_list *list, frz_error *err)
{
  size_t n;
  FRZ_TRY(frz_hive_call_ask(call, FRZ_TBINARY_LIST, err));
  FRZ_TRY(frz_tbinary_list_begin(&call->result, FRZ_TBINARY_STRING, &n, err));
  for (size_t i = 0; i < n; i++) {
    frz_str text;
    FRZ_TRY(frz_tbinary_read_string(&call->result, &text, err));
    FRZ_TRY(frz_string_list_add(list, text, err));
  }
  return FRZ_OK;
}

static frz_status hive_list_namespaces(void *self, frz_str parent, frz_string_list *list,
                                       frz_error *err)
{
  const hive_catalog *catalog = self;
  frz_hive_call call;
  if (parent.size != 0) {
    FRZ_TRY(check_level(parent, err));
    return get_database(catalog, parent, NULL, err);
  }
  frz_hive_call_open(&call, catalog->session, "get_all_databases");
  frz_status st = read_texts(&call, list, err);
  frz_hive_call_close(&call);
  return st;
}

/* ---- listing tables ---- */

static frz_status add_icebergs(frz_hive_call *call, frz_str database, frz_string_list *list,
                               frz_error *err)
{
  size_t n;
  FRZ_TRY(frz_tbinary_list_begin(&call->result, FRZ_TBINARY_STRUCT, &n, err));
  for (size_t i = 0; i < n; i++) {
    frz_hive_table table;
    FRZ_TRY(frz_hive_table_read(&call->result, &call->arena, &table, err));
    if (!table.is_iceberg) continue;
    frz_str name = frz_arena_print(&call->arena, "%.*s.%.*s", (int)database.size, database.data,
                                   (int)table.name.size, table.name.data);
    if (name.data == NULL) return frz_fail_nomem(err, "list of names");
    FRZ_TRY(frz_string_list_add(list, name, err));
  }
  return FRZ_OK;
}

/* Those of a page of names that are Iceberg tables. */
static frz_status list_page(const hive_catalog *catalog, frz_str database, char *const *names,
                            size_t n_names, frz_string_list *list, frz_error *err)
{
  frz_hive_call call;
  frz_hive_call_open(&call, catalog->session, "get_table_objects_by_name_req");
  frz_tbinary_write_field(&call.args, 1, FRZ_TBINARY_STRUCT);
  frz_tbinary_write_string_field(&call.args, 1, database);
  frz_tbinary_write_list_field(&call.args, 2, FRZ_TBINARY_STRING, n_names);
  for (size_t i = 0; i < n_names; i++) frz_tbinary_write_string(&call.args, frz_str_from(names[i]));
  frz_tbinary_write_stop(&call.args);
  frz_status st = frz_hive_call_ask(&call, FRZ_TBINARY_STRUCT, err);
  while (st == FRZ_OK) {
    int16_t id;
    frz_tbinary_type type;
    st = frz_tbinary_field(&call.result, &id, &type, err);
    if (st != FRZ_OK || type == FRZ_TBINARY_STOP) break;
    st = id == 1 && type == FRZ_TBINARY_LIST ? add_icebergs(&call, database, list, err)
                                             : frz_tbinary_skip(&call.result, type, err);
  }
  frz_hive_call_close(&call);
  return st;
}

static frz_status hive_list_tables(void *self, frz_str name, frz_string_list *list, frz_error *err)
{
  const hive_catalog *catalog = self;
  frz_hive_call call;
  frz_string_list names = {.alloc = catalog->base.alloc};
  FRZ_TRY(check_level(name, err));
  FRZ_TRY(get_database(catalog, name, NULL, err)); /* one that is missing has an empty list */
  frz_hive_call_open(&call, catalog->session, "get_all_tables");
  frz_tbinary_write_string_field(&call.args, 1, name);
  frz_status st = read_texts(&call, &names, err);
  frz_hive_call_close(&call);
  for (size_t at = 0; st == FRZ_OK && at < names.n_items; at += TABLES_OF_A_CALL) {
    size_t n = names.n_items - at < TABLES_OF_A_CALL ? names.n_items - at : TABLES_OF_A_CALL;
    st = frz_context_check_waiting(catalog->base.context, err);
    if (st == FRZ_OK) st = list_page(catalog, name, names.items + at, n, list, err);
  }
  frz_string_list_dispose(&names);
  return st;
}

/* ---- pointers ---- */

/* One table's description, from the answer of get_table_req, a struct with the table as field 1. */
static frz_status read_result(frz_hive_call *call, frz_hive_table *table_out, frz_error *err)
{
  FRZ_TRY(frz_hive_call_ask(call, FRZ_TBINARY_STRUCT, err));
  for (;;) {
    int16_t id;
    frz_tbinary_type type;
    FRZ_TRY(frz_tbinary_field(&call->result, &id, &type, err));
    if (type == FRZ_TBINARY_STOP)
      return frz_fail(err, FRZ_ERR_CORRUPT, "Hive %s: the answer holds no table", call->method);
    if (id == 1 && type == FRZ_TBINARY_STRUCT)
      return frz_hive_table_read(&call->result, &call->arena, table_out, err);
    FRZ_TRY(frz_tbinary_skip(&call->result, type, err));
  }
}

/* The table's texts live as long as the call, which the caller closes. */
static frz_status get_table(const hive_catalog *catalog, const frz_identifier *id,
                            frz_hive_call *call, frz_hive_table *table_out, frz_error *err)
{
  frz_hive_call_open(call, catalog->session, "get_table_req");
  FRZ_TRY(check_level(id->namespace_name, err));
  frz_tbinary_write_field(&call->args, 1, FRZ_TBINARY_STRUCT);
  frz_tbinary_write_string_field(&call->args, 1, id->namespace_name);
  frz_tbinary_write_string_field(&call->args, 2, id->table_name);
  frz_tbinary_write_stop(&call->args);
  frz_status st = read_result(call, table_out, err);
  if (st == FRZ_ERR_NOT_FOUND)
    return frz_fail(err, st, "Hive has no table '%.*s' in database '%.*s'",
                    FRZ_STR_ARG(id->table_name), FRZ_STR_ARG(id->namespace_name));
  return st;
}

static frz_status get_iceberg_table(const hive_catalog *catalog, const frz_identifier *id,
                                    frz_hive_call *call, frz_hive_table *table_out, frz_error *err)
{
  FRZ_TRY(get_table(catalog, id, call, table_out, err));
  if (!table_out->is_iceberg)
    return frz_fail(err, FRZ_ERR_NOT_FOUND, "Hive's table of this name is no Iceberg table");
  if (table_out->location.size != 0) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "Hive's table has no parameter " FRZ_POINTER_KEY);
}

static frz_status find_pointer(void *self, const frz_identifier *id, frz_pointer *pointer_out,
                               frz_error *err)
{
  const hive_catalog *catalog = self;
  frz_hive_call call;
  frz_hive_table table;
  frz_status st = get_iceberg_table(catalog, id, &call, &table, err);
  if (st == FRZ_OK)
    st = frz_string_copy(catalog->base.alloc, table.location, &pointer_out->location, err);
  frz_hive_call_close(&call);
  return st;
}

static frz_status place_table(void *self, const frz_identifier *id, frz_buf *folder, frz_error *err)
{
  const hive_catalog *catalog = self;
  frz_hive_call call;
  frz_hive_table table;
  FRZ_TRY(check_level(id->namespace_name, err));
  FRZ_TRY(get_database(catalog, id->namespace_name, folder, err));
  frz_status st = get_table(catalog, id, &call, &table, err);
  frz_hive_call_close(&call);
  if (st == FRZ_ERR_NOT_FOUND) return FRZ_OK;
  FRZ_TRY(st);
  return frz_fail(err, FRZ_ERR_EXISTS, "the name exists already in Hive");
}

static frz_status insert_pointer(void *self, const frz_identifier *id,
                                 const frz_loaded_table *table, bool *may_be_done_out,
                                 frz_error *err)
{
  const hive_catalog *catalog = self;
  frz_hive_call call;
  FRZ_TRY(check_level(id->namespace_name, err));
  const frz_hive_table_form form = {.id = id,
                                    .next = table,
                                    .dialect = catalog->dialect,
                                    .owner = frz_hive_session_user(catalog->session)};
  frz_hive_call_open(&call, catalog->session, "create_table");
  frz_tbinary_write_field(&call.args, 1, FRZ_TBINARY_STRUCT);
  frz_status st = frz_hive_table_write(&call.args, &form, &call.arena, err);
  if (st == FRZ_OK) st = frz_hive_call_send(&call, err);
  *may_be_done_out = call.may_be_done;
  frz_hive_call_close(&call);
  return st;
}

/* ---- changes under the lock ---- */

/* Statistics of files are not Hive's business; the pointer must be the one that was seen. */
static void write_environment(frz_tbinary_writer *args, frz_str seen_location)
{
  const frz_str pairs[] = {FRZ_STR("DO_NOT_UPDATE_STATS"),      FRZ_STR("true"),
                           FRZ_STR("expected_parameter_key"),   FRZ_STR(FRZ_POINTER_KEY),
                           FRZ_STR("expected_parameter_value"), seen_location};
  frz_tbinary_write_field(args, 4, FRZ_TBINARY_STRUCT);
  frz_tbinary_write_map_field(args, 1, 3);
  for (size_t i = 0; i < 6; i++) frz_tbinary_write_string(args, pairs[i]);
  frz_tbinary_write_stop(args);
}

static void open_alter(frz_hive_call *call, const hive_catalog *catalog, const frz_identifier *id)
{
  frz_hive_call_open(call, catalog->session, "alter_table_with_environment_context");
  frz_tbinary_write_string_field(&call->args, 1, id->namespace_name);
  frz_tbinary_write_string_field(&call->args, 2, id->table_name);
  frz_tbinary_write_field(&call->args, 3, FRZ_TBINARY_STRUCT);
}

/* What a commit swaps. */
typedef struct swap {
  const hive_catalog *catalog;
  const frz_identifier *id;
  frz_str seen; /* the pointer's location */
  const frz_loaded_table *base;
  const frz_loaded_table *next;
  const frz_hive_lock *lock; /* NULL: none */
} swap;

static frz_status alter_pointer(const swap *s, const frz_hive_table *old, bool *may_be_done_out,
                                frz_error *err)
{
  const frz_hive_table_form form = {.id = s->id,
                                    .old = old,
                                    .before = s->base->metadata,
                                    .next = s->next,
                                    .dialect = s->catalog->dialect};
  frz_hive_call call;
  open_alter(&call, s->catalog, s->id);
  frz_status st = frz_hive_table_write(&call.args, &form, &call.arena, err);
  write_environment(&call.args, s->seen);
  if (st == FRZ_OK && s->lock != NULL) st = frz_hive_lock_check(s->lock, err);
  if (st == FRZ_OK) {
    st = frz_hive_call_send(&call, err);
    *may_be_done_out = call.may_be_done || st == FRZ_ERR_IO;
  }
  frz_hive_call_close(&call);
  return st;
}

/* The table is read again: what was seen without the lock may be old. */
static frz_status swap_locked(const swap *s, bool *may_be_done_out, frz_error *err)
{
  frz_hive_call call;
  frz_hive_table old;
  frz_status st = get_iceberg_table(s->catalog, s->id, &call, &old, err);
  if (st == FRZ_OK && !frz_str_equal(old.location, s->seen))
    st = frz_fail(err, FRZ_ERR_CONFLICT, "another commit replaced %.*s", FRZ_STR_ARG(s->seen));
  if (st == FRZ_OK) st = alter_pointer(s, &old, may_be_done_out, err);
  frz_hive_call_close(&call);
  return st;
}

/* After a change that may have happened, still under the lock. */
static frz_status settle(const swap *s, frz_status failure, bool *may_be_done_out)
{
  frz_pointer now = {0};
  frz_str next = {s->next->location.data, s->next->location.size_bytes};
  void *self = (void *)(uintptr_t)s->catalog;
  if (find_pointer(self, s->id, &now, NULL) == FRZ_OK &&
      frz_str_equal((frz_str){now.location.data, now.location.size_bytes}, next)) {
    *may_be_done_out = false;
    failure = FRZ_OK;
  }
  frz_pointer_dispose(&now);
  return failure;
}

static bool takes_lock(const hive_catalog *catalog, const frz_loaded_table *base)
{
  frz_str own = frz_metadata_property(base->metadata, "engine.hive.lock-enabled");
  return own.size != 0 ? !frz_str_is_word(own, "false") : catalog->locks;
}

/* The lock, and whether it stays: a change under it may be on its way. */
struct frz_commit_turn {
  frz_hive_lock lock;
  bool stays;
};

static frz_status hive_take_turn(void *self, const char *identifier, const frz_loaded_table *base,
                                 frz_commit_turn **turn_out, frz_error *err)
{
  const hive_catalog *catalog = self;
  frz_identifier id;
  *turn_out = NULL;
  if (!takes_lock(catalog, base)) return FRZ_OK;
  FRZ_TRY(frz_identifier_parse(identifier, &id, err));
  frz_commit_turn *turn = frz_alloc_zeroed(catalog->base.alloc, sizeof *turn);
  if (turn == NULL) return frz_fail_nomem(err, "a table's lock");
  frz_status st = frz_hive_lock_take(catalog->base.context, catalog->session, &catalog->lock_policy,
                                     &id, &turn->lock, err);
  if (st == FRZ_OK)
    *turn_out = turn;
  else
    frz_alloc_free(catalog->base.alloc, turn, sizeof *turn);
  return st;
}

static void hive_end_turn(void *self, frz_commit_turn *turn)
{
  const hive_catalog *catalog = self;
  if (!turn->stays) frz_hive_lock_release(catalog->base.context, catalog->session, &turn->lock);
  frz_alloc_free(catalog->base.alloc, turn, sizeof *turn);
}

static frz_status swap_in_turn(const swap *s, frz_commit_turn *turn, bool *may_be_done_out,
                               frz_error *err)
{
  frz_status st = swap_locked(s, may_be_done_out, err);
  if (st != FRZ_OK && *may_be_done_out) st = settle(s, st, may_be_done_out);
  turn->stays = *may_be_done_out;
  if (turn->stays)
    frz_context_log(s->catalog->base.context, FRZ_LOG_WARNING,
                    "table '%s' stays locked in Hive until the lock's time is over: a change of it "
                    "may be on its way",
                    s->id->text);
  return st;
}

static frz_status swap_pointer(void *self, const frz_identifier *id, const frz_pointer *pointer,
                               const frz_loaded_table *base, const frz_loaded_table *next,
                               bool *may_be_done_out, frz_error *err)
{
  frz_commit_turn *turn = base->turn;
  frz_str seen = {pointer->location.data, pointer->location.size_bytes};
  swap s = {self, id, seen, base, next, NULL};
  if (turn == NULL) FRZ_TRY(hive_take_turn(self, id->text, base, &turn, err));
  if (turn == NULL) return swap_locked(&s, may_be_done_out, err);
  s.lock = &turn->lock;
  frz_status st = swap_in_turn(&s, turn, may_be_done_out, err);
  if (turn != base->turn) hive_end_turn(self, turn);
  return st;
}

/* ---- dropping and renaming ---- */

static frz_status hive_drop_table(void *self, const frz_identifier *id, frz_error *err)
{
  const hive_catalog *catalog = self;
  frz_hive_call call;
  frz_hive_table table;
  frz_status st = get_iceberg_table(catalog, id, &call, &table, err);
  frz_hive_call_close(&call);
  FRZ_TRY(st);
  frz_hive_call_open(&call, catalog->session, "drop_table");
  frz_tbinary_write_string_field(&call.args, 1, id->namespace_name);
  frz_tbinary_write_string_field(&call.args, 2, id->table_name);
  frz_tbinary_write_bool_field(&call.args, 3, false); /* files are frazil's to remove */
  st = frz_hive_call_send(&call, err);
  frz_hive_call_close(&call);
  return st;
}

static frz_status alter_name(const hive_catalog *catalog, const frz_identifier *id,
                             const frz_identifier *new_id, const frz_hive_lock *lock,
                             bool *may_be_done_out, frz_error *err)
{
  frz_hive_call get, alter;
  frz_hive_table old;
  frz_status st = get_iceberg_table(catalog, id, &get, &old, err);
  open_alter(&alter, catalog, id);
  if (st == FRZ_OK) st = frz_hive_table_write_renamed(&alter.args, new_id, &old, err);
  if (st == FRZ_OK) {
    write_environment(&alter.args, old.location);
    st = frz_hive_lock_check(lock, err);
  }
  if (st == FRZ_OK) st = frz_hive_call_send(&alter, err);
  *may_be_done_out = alter.may_be_done;
  frz_hive_call_close(&alter);
  frz_hive_call_close(&get);
  return st;
}

/* Is the other name there, after a renaming without an answer? It was free before. */
static bool is_renamed(hive_catalog *catalog, const frz_identifier *new_id)
{
  frz_pointer pointer = {0};
  frz_status st = find_pointer(catalog, new_id, &pointer, NULL);
  frz_pointer_dispose(&pointer);
  return st == FRZ_OK;
}

/* Both names as they must be. */
static frz_status check_names(hive_catalog *catalog, const frz_identifier *id,
                              const frz_identifier *new_id, frz_error *err)
{
  frz_pointer pointer = {0};
  frz_buf folder;
  FRZ_TRY(find_pointer(catalog, id, &pointer, err));
  frz_pointer_dispose(&pointer);
  frz_buf_init(&folder, catalog->base.alloc, FRZ_LIMIT_FILTER_BYTES);
  frz_status st = place_table(catalog, new_id, &folder, err);
  frz_buf_dispose(&folder);
  return st;
}

/* Under the lock: a commit that came between would be undone by the old description. */
static frz_status hive_rename_table(void *self, const frz_identifier *id,
                                    const frz_identifier *new_id, frz_error *err)
{
  hive_catalog *catalog = self;
  frz_hive_lock lock;
  bool may_be_done = false;
  FRZ_TRY(check_names(catalog, id, new_id, err));
  FRZ_TRY(frz_hive_lock_take(catalog->base.context, catalog->session, &catalog->lock_policy, id,
                             &lock, err));
  frz_status st = alter_name(catalog, id, new_id, &lock, &may_be_done, err);
  bool is_done = st == FRZ_OK || (may_be_done && is_renamed(catalog, new_id));
  if (is_done || !may_be_done)
    frz_hive_lock_release(catalog->base.context, catalog->session, &lock);
  return is_done ? FRZ_OK : st;
}

/* ---- opening ---- */

static void hive_free(void *self)
{
  hive_catalog *catalog = self;
  frz_hive_session_free(catalog->session);
  frz_pointer_catalog_free(&catalog->base);
}

static frz_status read_settings(hive_catalog *catalog, const frz_catalog_setup *setup,
                                frz_error *err)
{
  bool is_hive2 = false;
  FRZ_TRY(frz_catalog_flag(setup, "hive.hive2-compatible", false, &is_hive2, err));
  FRZ_TRY(frz_catalog_flag(setup, "engine.hive.lock-enabled", true, &catalog->locks, err));
  catalog->dialect = is_hive2 ? FRZ_HIVE_2 : FRZ_HIVE_3;
  FRZ_TRY(frz_hive_lock_policy_read(setup, &catalog->lock_policy, err));
  return frz_hive_session_open(setup, &catalog->session, err);
}

frz_status frz_hive_catalog_open(const frz_catalog_setup *setup, const frz_catalog_ops **ops_out,
                                 void **self_out, frz_error *err)
{
  static const frz_pointer_calls calls = {.folder_ending = ".db",
                                          .find = find_pointer,
                                          .place = place_table,
                                          .insert = insert_pointer,
                                          .swap = swap_pointer};
  static const frz_catalog_ops ops = {.version = 1,
                                      .create_namespace = hive_create_namespace,
                                      .drop_namespace = hive_drop_namespace,
                                      .list_namespaces = hive_list_namespaces,
                                      .list_tables = hive_list_tables,
                                      .create_table = frz_pointer_create_table,
                                      .load_table = frz_pointer_load_table,
                                      .commit_table = frz_pointer_commit_table,
                                      .register_table = frz_pointer_register_table,
                                      .drop_table = hive_drop_table,
                                      .rename_table = hive_rename_table,
                                      .free = hive_free,
                                      .take_turn = hive_take_turn,
                                      .end_turn = hive_end_turn};
  void *self = NULL;
  FRZ_TRY(frz_pointer_catalog_create(setup, &calls, sizeof(hive_catalog), &self, err));
  hive_catalog *catalog = self;
  frz_status st = read_settings(catalog, setup, err);
  if (st != FRZ_OK) {
    hive_free(catalog);
    return st;
  }
  *ops_out = &ops;
  *self_out = catalog;
  return FRZ_OK;
}
