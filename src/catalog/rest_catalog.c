/*
 * rest_catalog.c - the catalog kinds' operations over the REST protocol.
 *
 * The server keeps the pointers, writes metadata files and checks requirements. A commit is sent
 * once: where its answer is lost, or is a 5xx, its outcome is unknown, and the caller looks for the
 * snapshot. All that only reads is repeated by the HTTP layer.
 *
 * Source: Apache Iceberg REST Catalog API.
 */
#include "base/limits.h"
#include "catalog/rest_session.h"
#include "iceberg/metadata/update_json.h"
#include "text/json_reader.h"

enum { BODY_BYTES_MAX = 64 << 20 };

/* One call with what it is made of. */
typedef struct exchange {
  frz_rest_session *session;
  frz_rest_call call;
  frz_buf path;
  frz_buf body;
  frz_arena arena;
  frz_json_writer json; /* into body */
} exchange;

static void exchange_open(exchange *x, frz_rest_session *session, const char *method)
{
  *x = (exchange){.session = session};
  frz_rest_call_init(session, &x->call, method);
  frz_buf_init(&x->path, session->alloc, FRZ_LIMIT_PATH_BYTES);
  frz_buf_init(&x->body, session->alloc, BODY_BYTES_MAX);
  frz_arena_init(&x->arena, session->alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_json_writer_init(&x->json, &x->body);
}

static void exchange_close(exchange *x)
{
  frz_buf_dispose(&x->call.answer);
  frz_buf_dispose(&x->path);
  frz_buf_dispose(&x->body);
  frz_arena_free(&x->arena);
}

/* Path and body are complete. */
static frz_status exchange_send(exchange *x, frz_error *err)
{
  if (x->json.depth != 0 || x->body.size != 0) FRZ_TRY(frz_json_writer_finish(&x->json, err));
  x->call.path = frz_buf_str(&x->path);
  x->call.body = frz_buf_str(&x->body);
  return frz_rest_send(x->session, &x->call, err);
}

static frz_status exchange_send_ok(exchange *x, frz_error *err)
{
  FRZ_TRY(exchange_send(x, err));
  if (x->call.status >= 200 && x->call.status < 300) return FRZ_OK;
  return frz_rest_fail(x->session, &x->call, err);
}

static void write_namespace(exchange *x, frz_str name)
{
  frz_json_write_array_begin(&x->json);
  for (size_t at = 0; at < name.size;) {
    const char *dot = memchr(name.data + at, '.', name.size - at);
    size_t end = dot != NULL ? (size_t)(dot - name.data) : name.size;
    frz_json_write_string(&x->json, (frz_str){name.data + at, end - at});
    at = end + 1;
  }
  frz_json_write_array_end(&x->json);
}

static void write_identifier(exchange *x, const char *key, const frz_identifier *id)
{
  frz_json_write_key(&x->json, key);
  frz_json_write_object_begin(&x->json);
  frz_json_write_key(&x->json, "namespace");
  write_namespace(x, id->namespace_name);
  frz_json_write_string_member(&x->json, "name", id->table_name);
  frz_json_write_object_end(&x->json);
}

/* ---- namespaces ---- */

static frz_status rest_create_namespace(void *self, frz_str name, const frz_property *properties,
                                        size_t n_properties, frz_error *err)
{
  exchange x;
  exchange_open(&x, self, "POST");
  frz_json_write_object_begin(&x.json);
  frz_json_write_key(&x.json, "namespace");
  write_namespace(&x, name);
  frz_json_write_key(&x.json, "properties");
  frz_json_write_object_begin(&x.json);
  for (size_t i = 0; i < n_properties; i++)
    frz_json_write_string_member(&x.json, properties[i].key, frz_str_from(properties[i].value));
  frz_json_write_object_end(&x.json);
  frz_json_write_object_end(&x.json);
  frz_status st = frz_buf_append_str(&x.path, FRZ_STR("/namespaces"), err);
  if (st == FRZ_OK) st = exchange_send_ok(&x, err);
  exchange_close(&x);
  return st;
}

static frz_status rest_drop_namespace(void *self, frz_str name, frz_error *err)
{
  exchange x;
  exchange_open(&x, self, "DELETE");
  frz_status st = frz_rest_namespace_path(self, name, "", &x.path, err);
  if (st == FRZ_OK) st = exchange_send_ok(&x, err);
  if (st == FRZ_ERR_EXISTS) { /* a 409 here is never about a name that is taken */
    st = FRZ_ERR_INVALID;
    if (err != NULL) err->code = st;
  }
  if (st == FRZ_ERR_INVALID && x.call.status == 409)
    frz_error_where(err, "namespace '%.*s' is not empty: ", FRZ_STR_ARG(name));
  exchange_close(&x);
  return st;
}

/* ---- listings ---- */

/* A listing over its pages. */
typedef struct listing {
  frz_rest_session *session;
  frz_string_list *list;
  frz_str path;
  frz_str parent;       /* encoded by the query; size 0: none */
  frz_buf token;        /* of the next page; size 0: this was the last */
  bool has_identifiers; /* of tables or views; else names of namespaces */
} listing;

/* An array of texts as "a.b", appended. */
static frz_status read_name(frz_json_reader *json, frz_buf *name, frz_error *err)
{
  FRZ_TRY(frz_json_array_begin(json, err));
  for (;;) {
    frz_str part;
    bool more;
    FRZ_TRY(frz_json_array_next(json, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(frz_json_read_string(json, &part, err));
    if (name->size != 0) FRZ_TRY(frz_buf_append_byte(name, '.', err));
    FRZ_TRY(frz_buf_append_str(name, part, err));
  }
}

static frz_status read_identifier(frz_json_reader *json, frz_buf *name, frz_error *err)
{
  frz_str table = {"", 0};
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) break;
    if (frz_str_is(key, "namespace"))
      FRZ_TRY(read_name(json, name, err));
    else if (frz_str_is(key, "name"))
      FRZ_TRY(frz_json_read_string(json, &table, err));
    else
      FRZ_TRY(frz_json_skip(json, err));
  }
  FRZ_TRY(frz_buf_append_byte(name, '.', err));
  return frz_buf_append_str(name, table, err);
}

static frz_status read_names(listing *l, frz_json_reader *json, frz_error *err)
{
  frz_buf name;
  frz_status st = frz_json_array_begin(json, err);
  frz_buf_init(&name, l->session->alloc, FRZ_LIMIT_PATH_BYTES);
  while (st == FRZ_OK) {
    bool more;
    st = frz_json_array_next(json, &more, err);
    if (st != FRZ_OK || !more) break;
    name.size = 0;
    st = l->has_identifiers ? read_identifier(json, &name, err) : read_name(json, &name, err);
    if (st == FRZ_OK) st = frz_string_list_add(l->list, frz_buf_str(&name), err);
  }
  frz_buf_dispose(&name);
  return st;
}

static frz_status read_page(listing *l, frz_str text, frz_arena *arena, frz_error *err)
{
  frz_json_reader json;
  frz_json_reader_init(&json, text.data, text.size, arena);
  l->token.size = 0;
  FRZ_TRY(frz_json_object_begin(&json, err));
  for (;;) {
    frz_str key, token;
    bool more, was_null;
    FRZ_TRY(frz_json_object_next(&json, &key, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(frz_json_read_null(&json, &was_null, err));
    if (was_null) continue;
    if (frz_str_is(key, l->has_identifiers ? "identifiers" : "namespaces")) {
      FRZ_TRY(read_names(l, &json, err));
    } else if (frz_str_is(key, "next-page-token")) {
      FRZ_TRY(frz_json_read_string(&json, &token, err));
      FRZ_TRY(frz_buf_append_str(&l->token, token, err));
    } else {
      FRZ_TRY(frz_json_skip(&json, err));
    }
  }
}

static frz_status list_page(listing *l, bool is_first, frz_error *err)
{
  exchange x;
  frz_http_pair query[3];
  size_t n = 0;
  exchange_open(&x, l->session, "GET");
  if (l->parent.size != 0) query[n++] = (frz_http_pair){FRZ_STR("parent"), l->parent};
  if (!is_first || l->session->page_size.size != 0)
    query[n++] = (frz_http_pair){FRZ_STR("pageToken"), frz_buf_str(&l->token)};
  if (l->session->page_size.size != 0)
    query[n++] = (frz_http_pair){FRZ_STR("pageSize"), l->session->page_size};
  x.call.query = query;
  x.call.n_query = n;
  x.call.may_repeat = true;
  frz_status st = frz_buf_append_str(&x.path, l->path, err);
  if (st == FRZ_OK) st = exchange_send_ok(&x, err);
  if (st == FRZ_OK) st = read_page(l, frz_buf_str(&x.call.answer), &x.arena, err);
  exchange_close(&x);
  return st;
}

static frz_status list_pages(listing *l, frz_error *err)
{
  frz_buf_init(&l->token, l->session->alloc, FRZ_LIMIT_PATH_BYTES);
  frz_status st = list_page(l, true, err);
  while (st == FRZ_OK && l->token.size != 0) {
    st = frz_context_check_waiting(l->session->context, err);
    if (st == FRZ_OK) st = list_page(l, false, err);
  }
  frz_buf_dispose(&l->token);
  return st;
}

static frz_status rest_list_namespaces(void *self, frz_str parent, frz_string_list *list,
                                       frz_error *err)
{
  frz_rest_session *session = self;
  char *joined = NULL;
  /* In a query the separator is one character, which the query's own encoding makes %1F. */
  if (parent.size != 0) {
    joined = frz_alloc_new(session->alloc, parent.size);
    if (joined == NULL) return frz_fail_nomem(err, "namespace");
    for (size_t i = 0; i < parent.size; i++)
      joined[i] = parent.data[i] == '.' ? '\x1f' : parent.data[i];
  }
  listing l = {.session = session,
               .list = list,
               .path = FRZ_STR("/namespaces"),
               .parent = {joined, parent.size}};
  frz_status st = list_pages(&l, err);
  frz_alloc_free(session->alloc, joined, parent.size);
  return st;
}

static frz_status list_identifiers(frz_rest_session *session, frz_str name, const char *what,
                                   frz_string_list *list, frz_error *err)
{
  frz_buf path;
  frz_buf_init(&path, session->alloc, FRZ_LIMIT_PATH_BYTES);
  frz_status st = frz_rest_namespace_path(session, name, what, &path, err);
  listing l = {
      .session = session, .list = list, .path = frz_buf_str(&path), .has_identifiers = true};
  if (st == FRZ_OK) st = list_pages(&l, err);
  frz_buf_dispose(&path);
  return st;
}

static frz_status rest_list_tables(void *self, frz_str name, frz_string_list *list, frz_error *err)
{
  return list_identifiers(self, name, "/tables", list, err);
}

static frz_status rest_list_views(void *self, frz_str name, frz_string_list *list, frz_error *err)
{
  return list_identifiers(self, name, "/views", list, err);
}

/* ---- tables ---- */

static void write_creation(exchange *x, const frz_identifier *id,
                           const frz_table_creation *creation)
{
  frz_json_writer *json = &x->json;
  frz_json_write_object_begin(json);
  frz_json_write_string_member(json, "name", id->table_name);
  if (creation->location.size != 0)
    frz_json_write_string_member(json, "location", creation->location);
  frz_json_write_key(json, "schema");
  frz_schema_write(json, creation->schema);
  if (creation->spec->n_fields != 0) {
    frz_json_write_key(json, "partition-spec");
    frz_partition_spec_write(json, creation->spec);
  }
  if (creation->sort_order->n_fields != 0) {
    frz_json_write_key(json, "write-order");
    frz_sort_order_write(json, creation->sort_order);
  }
  frz_json_write_key(json, "stage-create");
  frz_json_write_bool(json, creation->fill != NULL);
  frz_json_write_key(json, "properties");
  frz_json_write_object_begin(json);
  const char version[] = {(char)('0' + creation->format_version), '\0'};
  frz_json_write_string_member(json, "format-version", frz_str_from(version));
  for (size_t i = 0; i < creation->n_properties; i++) {
    frz_json_write_key_str(json, creation->properties[i].key);
    frz_json_write_string(json, creation->properties[i].value);
  }
  frz_json_write_object_end(json);
  frz_json_write_object_end(json);
}

static frz_status rest_load_table(void *self, const char *identifier, frz_str known_location,
                                  frz_loaded_table *loaded_out, bool *changed_out, frz_error *err)
{
  exchange x;
  frz_identifier id;
  frz_loaded_table loaded = {0};
  FRZ_TRY(frz_identifier_parse(identifier, &id, err));
  exchange_open(&x, self, "GET");
  x.call.may_repeat = true;
  frz_status st = frz_rest_table_path(self, &id, "", &x.path, err);
  if (st == FRZ_OK) st = exchange_send_ok(&x, err);
  if (st == FRZ_OK)
    st = frz_rest_read_table(self, identifier, frz_buf_str(&x.call.answer), &loaded, err);
  exchange_close(&x);
  if (st != FRZ_OK) return st;
  frz_str location = {loaded.location.data, loaded.location.size_bytes};
  *changed_out = !frz_str_equal(location, known_location);
  if (*changed_out)
    *loaded_out = loaded;
  else
    frz_loaded_table_dispose(&loaded);
  return FRZ_OK;
}

static frz_status rest_register_table(void *self, const frz_identifier *id,
                                      const frz_loaded_table *table, frz_error *err)
{
  frz_str location = {table->location.data, table->location.size_bytes};
  exchange x;
  exchange_open(&x, self, "POST");
  frz_json_write_object_begin(&x.json);
  frz_json_write_string_member(&x.json, "name", id->table_name);
  frz_json_write_string_member(&x.json, "metadata-location", location);
  frz_json_write_object_end(&x.json);
  frz_status st = frz_rest_namespace_path(self, id->namespace_name, "/register", &x.path, err);
  if (st == FRZ_OK) st = exchange_send_ok(&x, err);
  exchange_close(&x);
  return st;
}

static frz_status drop(void *self, const frz_identifier *id, bool purge, frz_error *err)
{
  exchange x;
  const frz_http_pair query = {FRZ_STR("purgeRequested"),
                               purge ? FRZ_STR("true") : FRZ_STR("false")};
  exchange_open(&x, self, "DELETE");
  x.call.query = &query;
  x.call.n_query = 1;
  frz_status st = frz_rest_table_path(self, id, "", &x.path, err);
  if (st == FRZ_OK) st = exchange_send_ok(&x, err);
  exchange_close(&x);
  return st;
}

static frz_status rest_drop_table(void *self, const frz_identifier *id, frz_error *err)
{
  return drop(self, id, false, err);
}

static frz_status rest_purge_table(void *self, const frz_identifier *id, frz_error *err)
{
  return drop(self, id, true, err);
}

static frz_status rest_rename_table(void *self, const frz_identifier *id,
                                    const frz_identifier *new_id, frz_error *err)
{
  exchange x;
  exchange_open(&x, self, "POST");
  frz_json_write_object_begin(&x.json);
  write_identifier(&x, "source", id);
  write_identifier(&x, "destination", new_id);
  frz_json_write_object_end(&x.json);
  frz_status st = frz_buf_append_str(&x.path, FRZ_STR("/tables/rename"), err);
  if (st == FRZ_OK) st = exchange_send_ok(&x, err);
  exchange_close(&x);
  return st;
}

/* ---- commits ---- */

static frz_status write_commit(exchange *x, const frz_identifier *id,
                               const frz_table_metadata *base, const frz_requirement *requirements,
                               size_t n_requirements, const frz_metadata_update *updates,
                               size_t n_updates, frz_error *err)
{
  frz_json_write_object_begin(&x->json);
  write_identifier(x, "identifier", id);
  FRZ_TRY(frz_commit_members_write(&x->json, base, requirements, n_requirements, updates, n_updates,
                                   &x->arena, err));
  frz_json_write_object_end(&x->json);
  return FRZ_OK;
}

static frz_status unknown(frz_error *err)
{
  frz_error_where(err, "commit, outcome unknown: ");
  if (err != NULL) err->code = FRZ_ERR_COMMIT_UNKNOWN;
  return FRZ_ERR_COMMIT_UNKNOWN;
}

/* What an answer says of a commit that is neither lost nor 2xx. */
static frz_status refused(exchange *x, frz_error *err)
{
  const frz_rest_call *call = &x->call;
  frz_status st = frz_rest_fail(x->session, call, err);
  if (call->status >= 500 || call->may_be_done) return unknown(err);
  if (call->status != 409) return st;
  if (err != NULL) err->code = FRZ_ERR_CONFLICT;
  return FRZ_ERR_CONFLICT;
}

/* What the answer to a commit says of it. */
static frz_status judge(exchange *x, frz_status sent, const char *identifier,
                        frz_loaded_table *loaded_out, frz_error *err)
{
  const frz_rest_call *call = &x->call;
  if (sent != FRZ_OK) return call->may_be_done ? unknown(err) : sent;
  if (call->status >= 200 && call->status < 300) {
    frz_status st =
        frz_rest_read_table(x->session, identifier, frz_buf_str(&call->answer), loaded_out, err);
    return st == FRZ_OK ? st : unknown(err); /* it happened; what came of it is read anew */
  }
  return refused(x, err);
}

static frz_status rest_commit_table(void *self, const char *identifier,
                                    const frz_loaded_table *base,
                                    const frz_requirement *requirements, size_t n_requirements,
                                    const frz_metadata_update *updates, size_t n_updates,
                                    frz_loaded_table *loaded_out, frz_error *err)
{
  exchange x;
  frz_identifier id;
  FRZ_TRY(frz_identifier_parse(identifier, &id, err));
  exchange_open(&x, self, "POST");
  frz_status st = frz_rest_table_path(self, &id, "", &x.path, err);
  if (st == FRZ_OK)
    st = write_commit(&x, &id, base->metadata, requirements, n_requirements, updates, n_updates,
                      err);
  if (st == FRZ_OK) st = judge(&x, exchange_send(&x, err), identifier, loaded_out, err);
  exchange_close(&x);
  return st;
}

static frz_status write_parts(exchange *x, const frz_commit_part *parts, size_t n_parts,
                              frz_error *err)
{
  frz_json_write_object_begin(&x->json);
  frz_json_write_key(&x->json, "table-changes");
  frz_json_write_array_begin(&x->json);
  for (size_t i = 0; i < n_parts; i++) {
    const frz_commit_attempt *attempt = parts[i].attempt;
    frz_identifier id;
    FRZ_TRY(frz_identifier_parse(parts[i].identifier, &id, err));
    FRZ_TRY(write_commit(x, &id, parts[i].base->metadata, attempt->requirements,
                         attempt->n_requirements, attempt->updates, attempt->n_updates, err));
  }
  frz_json_write_array_end(&x->json);
  frz_json_write_object_end(&x->json);
  return FRZ_OK;
}

/* The answer holds no table. */
static frz_status rest_commit_tables(void *self, const frz_commit_part *parts, size_t n_parts,
                                     frz_error *err)
{
  frz_rest_session *session = self;
  exchange x;
  if (!session->commits_tables)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "its server does not offer " FRZ_REST_COMMIT_TABLES
                    "; change one table after the other");
  if (n_parts == 0) return FRZ_OK;
  exchange_open(&x, session, "POST");
  frz_status st = frz_buf_append_str(&x.path, FRZ_STR("/transactions/commit"), err);
  if (st == FRZ_OK) st = write_parts(&x, parts, n_parts, err);
  if (st == FRZ_OK) {
    st = exchange_send(&x, err);
    if (st != FRZ_OK)
      st = x.call.may_be_done ? unknown(err) : st;
    else if (x.call.status < 200 || x.call.status >= 300)
      st = refused(&x, err);
  }
  exchange_close(&x);
  return st;
}

/* ---- creation ---- */

/* Asks for the table: created, or only staged where rows go in before it is seen. */
static frz_status ask_for_table(void *self, const frz_identifier *id,
                                const frz_table_creation *creation, frz_loaded_table *loaded_out,
                                frz_error *err)
{
  exchange x;
  exchange_open(&x, self, "POST");
  write_creation(&x, id, creation);
  frz_status st = frz_rest_namespace_path(self, id->namespace_name, "/tables", &x.path, err);
  if (st == FRZ_OK) st = exchange_send_ok(&x, err);
  if (st == FRZ_OK)
    st = frz_rest_read_table(self, id->text, frz_buf_str(&x.call.answer), loaded_out, err);
  exchange_close(&x);
  return st;
}

/* All that makes a version out of nothing. */
static frz_metadata_update *updates_of(const frz_table_metadata *m, frz_arena *arena, size_t *n_out)
{
  const frz_metadata_update first[] = {
      {.kind = FRZ_UPDATE_ASSIGN_UUID, .name = m->table_uuid},
      {.kind = FRZ_UPDATE_UPGRADE_FORMAT, .id = m->format_version},
      {.kind = FRZ_UPDATE_ADD_SCHEMA,
       .schema = frz_metadata_current_schema(m),
       .last_column_id = m->last_column_id},
      {.kind = FRZ_UPDATE_SET_CURRENT_SCHEMA, .id = -1},
      {.kind = FRZ_UPDATE_ADD_SPEC, .spec = frz_metadata_spec(m, m->default_spec_id)},
      {.kind = FRZ_UPDATE_SET_DEFAULT_SPEC, .id = -1},
      {.kind = FRZ_UPDATE_ADD_SORT_ORDER,
       .sort_order = frz_metadata_sort_order(m, m->default_sort_order_id)},
      {.kind = FRZ_UPDATE_SET_DEFAULT_SORT_ORDER, .id = -1},
      {.kind = FRZ_UPDATE_SET_LOCATION, .name = m->location},
      {.kind = FRZ_UPDATE_SET_PROPERTIES, .pairs = m->properties, .n_pairs = m->n_properties}};
  size_t n = sizeof first / sizeof first[0];
  frz_metadata_update *updates =
      frz_arena_array(arena, n + m->n_snapshots + m->n_refs, sizeof *updates);
  if (updates == NULL) return NULL;
  memcpy(updates, first, sizeof first);
  for (size_t i = 0; i < m->n_snapshots; i++)
    updates[n++] =
        (frz_metadata_update){.kind = FRZ_UPDATE_ADD_SNAPSHOT, .snapshot = &m->snapshots[i]};
  for (size_t i = 0; i < m->n_refs; i++)
    updates[n++] = (frz_metadata_update){.kind = FRZ_UPDATE_SET_REF, .ref = &m->refs[i]};
  *n_out = n;
  return updates;
}

/* The one commit that makes a staged table, rows and all. */
static frz_status commit_first(void *self, const frz_identifier *id,
                               const frz_table_metadata *filled, frz_loaded_table *loaded_out,
                               frz_error *err)
{
  exchange x;
  size_t n_updates = 0;
  const frz_requirement absent = {.kind = FRZ_REQUIRE_CREATE};
  exchange_open(&x, self, "POST");
  const frz_metadata_update *updates = updates_of(filled, &x.arena, &n_updates);
  frz_status st = updates != NULL ? FRZ_OK : frz_fail_nomem(err, "table updates");
  if (st == FRZ_OK) st = frz_rest_table_path(self, id, "", &x.path, err);
  if (st == FRZ_OK) st = write_commit(&x, id, filled, &absent, 1, updates, n_updates, err);
  if (st == FRZ_OK) st = judge(&x, exchange_send(&x, err), id->text, loaded_out, err);
  exchange_close(&x);
  if (st != FRZ_ERR_CONFLICT) return st;
  if (err != NULL) err->code = FRZ_ERR_EXISTS;
  return FRZ_ERR_EXISTS;
}

static frz_status rest_create_table(void *self, const frz_identifier *id,
                                    const frz_table_creation *creation,
                                    frz_loaded_table *loaded_out, frz_error *err)
{
  frz_loaded_table staged = {0};
  frz_table_metadata *filled = NULL;
  if (creation->fill == NULL) return ask_for_table(self, id, creation, loaded_out, err);
  FRZ_TRY(ask_for_table(self, id, creation, &staged, err));
  frz_status st = creation->fill(creation->fill_arg, staged.metadata, &filled, err);
  if (st == FRZ_OK) st = commit_first(self, id, filled, loaded_out, err);
  if (filled != NULL) frz_table_metadata_release(filled);
  frz_loaded_table_dispose(&staged);
  return st;
}

static void rest_free(void *self)
{
  frz_rest_session_release(self);
}

frz_status frz_rest_catalog_open(const frz_catalog_setup *setup, const frz_catalog_ops **ops_out,
                                 void **self_out, frz_error *err)
{
  static const frz_catalog_ops ops = {.version = 1,
                                      .create_namespace = rest_create_namespace,
                                      .drop_namespace = rest_drop_namespace,
                                      .list_namespaces = rest_list_namespaces,
                                      .list_tables = rest_list_tables,
                                      .create_table = rest_create_table,
                                      .load_table = rest_load_table,
                                      .commit_table = rest_commit_table,
                                      .register_table = rest_register_table,
                                      .drop_table = rest_drop_table,
                                      .rename_table = rest_rename_table,
                                      .free = rest_free,
                                      .purge_table = rest_purge_table,
                                      .list_views = rest_list_views,
                                      .commit_tables = rest_commit_tables};
  frz_rest_session *session = NULL;
  FRZ_TRY(frz_rest_session_open(setup, &session, err));
  frz_storage_set_lender(setup->storage, &frz_rest_lender, session);
  *ops_out = &ops;
  *self_out = session;
  return FRZ_OK;
}
