/*
 * postgres_link.c - a catalog's connection to PostgreSQL, over libpq.
 *
 * libpq is loaded when the first such catalog is opened, so that the library does not need it
 * otherwise; of its interface, which has been stable for decades, the handful of functions below is
 * used. A change that must be alone takes an advisory lock, which all frazil processes share; the
 * swap of a table's pointer needs none: the row's own lock makes two of them follow each other, and
 * the second finds the old pointer gone. Where the answer to a COMMIT is lost, PostgreSQL is asked
 * what became of the transaction.
 *
 * What must stay true: the connection is used only under `lock` and only in process `process_id`;
 * a statement is repeated on a new connection only outside of a transaction; no password reaches a
 * message (libpq's words on a malformed URI quote it, and are not passed on).
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/os.h"
#include "catalog/sql_link.h"

/* libpq-fe.h is not needed to build: these are its types and values. */
typedef struct pg_conn pg_conn;
typedef struct pg_result pg_result;
enum {
  PG_CONNECTION_OK = 0,
  PG_COMMAND_OK = 1,
  PG_TUPLES_OK = 2,
  PG_DIAG_SQLSTATE = 'C',
  PG_TEXT_OID = 25
};

typedef struct pg_functions {
  void *library;
  pg_conn *(*connect)(const char *const *keywords, const char *const *values, int expand_dbname);
  void (*finish)(pg_conn *conn);
  int (*status)(const pg_conn *conn);
  char *(*error)(const pg_conn *conn);
  pg_result *(*exec)(pg_conn *conn, const char *sql, int n, const unsigned *types,
                     const char *const *values, const int *lengths, const int *formats,
                     int result_format);
  int (*result_status)(const pg_result *result);
  char *(*result_field)(const pg_result *result, int field);
  char *(*result_error)(const pg_result *result);
  void (*clear)(pg_result *result);
  int (*n_rows)(const pg_result *result);
  int (*n_columns)(const pg_result *result);
  char *(*value)(const pg_result *result, int row, int column);
  int (*length)(const pg_result *result, int row, int column);
  int (*is_null)(const pg_result *result, int row, int column);
  char *(*n_changed)(pg_result *result);
  void *(*parse)(const char *conninfo, char **message);
  void (*parse_free)(void *options);
  void (*free_memory)(void *memory);
} pg_functions;

enum { SETTLE_MS_MAX = 10000, SETTLE_PAUSE_MS = 50 };

typedef struct postgres_link {
  frz_sql_link base;
  frz_context *context;
  const frz_alloc *alloc;
  pg_functions pg;
  frz_string uri;
  frz_string user;     /* data NULL: the URI's */
  frz_string password; /* data NULL: the URI's */
  pthread_mutex_t lock;
  pg_conn *conn;
  int32_t process_id; /* that opened `conn` and made `lock` */
  bool is_open;       /* a transaction is */
} postgres_link;

/* ---- loading ---- */

static frz_status load(pg_functions *pg, frz_error *err)
{
  static const char *const names[] = {"libpq.so.5", "libpq.5.dylib", "libpq.so"};
  for (size_t i = 0; i < 3 && pg->library == NULL; i++)
    pg->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (pg->library == NULL)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "libpq is not installed: a catalog in PostgreSQL needs it (Debian: apt-get "
                    "install libpq5)");
  const struct {
    const char *name;
    void *function; /* where its address goes */
  } wanted[] = {{"PQconnectdbParams", &pg->connect},
                {"PQfinish", &pg->finish},
                {"PQstatus", &pg->status},
                {"PQerrorMessage", &pg->error},
                {"PQexecParams", &pg->exec},
                {"PQresultStatus", &pg->result_status},
                {"PQresultErrorField", &pg->result_field},
                {"PQresultErrorMessage", &pg->result_error},
                {"PQclear", &pg->clear},
                {"PQntuples", &pg->n_rows},
                {"PQnfields", &pg->n_columns},
                {"PQgetvalue", &pg->value},
                {"PQgetlength", &pg->length},
                {"PQgetisnull", &pg->is_null},
                {"PQcmdTuples", &pg->n_changed},
                {"PQconninfoParse", &pg->parse},
                {"PQconninfoFree", &pg->parse_free},
                {"PQfreemem", &pg->free_memory}};
  for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
    void *address = dlsym(pg->library, wanted[i].name);
    if (address == NULL)
      return frz_fail(err, FRZ_ERR_UNSUPPORTED, "libpq has no %s", wanted[i].name);
    memcpy(wanted[i].function, &address, sizeof address); /* ISO C has no cast for this */
  }
  return FRZ_OK;
}

/* ---- URIs ---- */

/* What follows "postgresql+driver:"; NULL: another database. */
static const char *after_scheme(const char *uri)
{
  if (strncmp(uri, "jdbc:", 5) == 0) uri += 5;
  const char *colon = strstr(uri, "://");
  if (colon == NULL) return NULL;
  frz_str scheme = {uri, (size_t)(colon - uri)};
  bool is_ours = frz_str_is(scheme, "postgresql") || frz_str_is(scheme, "postgres") ||
                 frz_str_starts(scheme, "postgresql+") || frz_str_starts(scheme, "postgres+");
  return is_ours ? colon : NULL;
}

bool frz_postgres_is_uri(const char *uri)
{
  return after_scheme(uri) != NULL;
}

static frz_status keep_uri(postgres_link *link, const char *uri, frz_error *err)
{
  frz_buf text;
  frz_buf_init(&text, link->alloc, FRZ_LIMIT_PATH_BYTES);
  frz_status st = frz_buf_append_str(&text, FRZ_STR("postgresql"), err);
  if (st == FRZ_OK) st = frz_buf_append_str(&text, frz_str_from(after_scheme(uri)), err);
  if (st == FRZ_OK) st = frz_buf_take_string(&text, &link->uri, err);
  frz_buf_dispose(&text);
  if (st != FRZ_OK) return st;
  char *message = NULL;
  void *options = link->pg.parse(link->uri.data, &message);
  if (message != NULL) link->pg.free_memory(message);
  if (options == NULL)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "property uri is not understood by libpq: postgresql://user:password@host:port/"
                    "database, with reserved characters in names and passwords percent-encoded");
  link->pg.parse_free(options);
  return FRZ_OK;
}

/* ---- the connection ---- */

static frz_str first_line(const char *text)
{
  const char *end = strchr(text, '\n');
  return (frz_str){text, end != NULL ? (size_t)(end - text) : strlen(text)};
}

static void close_link(postgres_link *link)
{
  if (link->conn != NULL) link->pg.finish(link->conn);
  link->conn = NULL;
  link->is_open = false;
}

static frz_status open_link(postgres_link *link, frz_error *err)
{
  const char *keywords[7] = {"connect_timeout", "client_encoding", "fallback_application_name",
                             "dbname"};
  const char *values[7] = {"10", "UTF8", "frazil", link->uri.data};
  size_t n = 4;
  if (link->user.data != NULL) {
    keywords[n] = "user";
    values[n++] = link->user.data;
  }
  if (link->password.data != NULL) {
    keywords[n] = "password";
    values[n++] = link->password.data;
  }
  link->conn = link->pg.connect(keywords, values, 1);
  if (link->conn == NULL) return frz_fail_nomem(err, "PostgreSQL connection");
  if (link->pg.status(link->conn) == PG_CONNECTION_OK) return FRZ_OK;
  frz_str why = first_line(link->pg.error(link->conn));
  bool is_refused = memmem(why.data, why.size, "authentication failed", 21) != NULL ||
                    memmem(why.data, why.size, "no password supplied", 20) != NULL;
  frz_status st = frz_fail(err, is_refused ? FRZ_ERR_AUTH : FRZ_ERR_IO, "database PostgreSQL: %.*s",
                           FRZ_STR_ARG(why));
  close_link(link);
  return st;
}

static frz_status postgres_acquire(frz_sql_link *base, frz_error *err)
{
  postgres_link *link = (postgres_link *)base;
  if (link->process_id != frz_os_process_id()) {
    /* A child after a fork, with one thread: the parent's connection and lock are left alone. */
    link->process_id = frz_os_process_id();
    link->conn = NULL;
    link->is_open = false;
    pthread_mutex_init(&link->lock, NULL);
  }
  pthread_mutex_lock(&link->lock);
  if (link->conn != NULL && link->pg.status(link->conn) != PG_CONNECTION_OK) close_link(link);
  frz_status st = link->conn != NULL ? FRZ_OK : open_link(link, err);
  if (st != FRZ_OK) pthread_mutex_unlock(&link->lock);
  return st;
}

/* ---- statements ---- */

static frz_status fail_result(const postgres_link *link, const pg_result *result, frz_error *err)
{
  const char *state = result != NULL ? link->pg.result_field(result, PG_DIAG_SQLSTATE) : NULL;
  const char *text = result != NULL ? link->pg.result_error(result) : link->pg.error(link->conn);
  frz_str why = first_line(text);
  frz_status st = FRZ_ERR_IO;
  frz_str code = frz_str_from(state);
  if (frz_str_is(code, "23505"))
    st = FRZ_ERR_EXISTS;
  else if (frz_str_starts(code, "22"))
    st = FRZ_ERR_INVALID;
  else if (frz_str_is(code, "42501"))
    st = FRZ_ERR_AUTH;
  else if (frz_str_is(code, "55P03") || frz_str_is(code, "57014"))
    st = FRZ_ERR_TIMEOUT;
  return frz_fail(err, st, "database PostgreSQL: %.*s%s%.*s", FRZ_STR_ARG(why),
                  code.size != 0 ? ", SQLSTATE " : "", FRZ_STR_ARG(code));
}

static frz_status visit_rows(const postgres_link *link, const pg_result *result,
                             frz_sql_visit visit, void *arg, frz_error *err)
{
  frz_str columns[FRZ_SQL_COLUMNS_MAX] = {{0}};
  int n_columns = link->pg.n_columns(result);
  int n_rows = link->pg.n_rows(result);
  assert(n_columns <= FRZ_SQL_COLUMNS_MAX);
  for (int row = 0; row < n_rows; row++) {
    for (int i = 0; i < n_columns; i++) {
      bool is_null = link->pg.is_null(result, row, i) != 0;
      columns[i] = (frz_str){is_null ? NULL : link->pg.value(result, row, i),
                             is_null ? 0 : (size_t)link->pg.length(result, row, i)};
    }
    FRZ_TRY(visit(arg, columns, err));
  }
  return FRZ_OK;
}

/* The same text with "$1" for "?1". */
static void write_placeholders(const char *sql, char *out)
{
  for (; *sql != '\0'; sql++) *out++ = *sql == '?' ? '$' : *sql;
  *out = '\0';
}

static frz_status copy_args(frz_arena *arena, const frz_str *args, size_t n_args,
                            const char **values, frz_error *err)
{
  for (size_t i = 0; i < n_args; i++) {
    if (args[i].size != 0 && memchr(args[i].data, '\0', args[i].size) != NULL)
      return frz_fail(err, FRZ_ERR_INVALID, "database PostgreSQL: a text holds a NUL");
    values[i] = args[i].size != 0 ? frz_arena_copy(arena, args[i]).data : "";
    if (values[i] == NULL) return frz_fail_nomem(err, "PostgreSQL statement");
  }
  return FRZ_OK;
}

static frz_status execute(postgres_link *link, const char *sql, const char *const *values, size_t n,
                          frz_sql_visit visit, void *arg, frz_error *err)
{
  static const unsigned types[FRZ_SQL_ARGS_MAX] = {PG_TEXT_OID, PG_TEXT_OID, PG_TEXT_OID,
                                                   PG_TEXT_OID, PG_TEXT_OID, PG_TEXT_OID,
                                                   PG_TEXT_OID, PG_TEXT_OID};
  pg_result *result = link->pg.exec(link->conn, sql, (int)n, types, values, NULL, NULL, 0);
  /* The server may have closed a connection that stood idle. */
  if (link->pg.status(link->conn) != PG_CONNECTION_OK && !link->is_open) {
    link->pg.clear(result);
    close_link(link);
    FRZ_TRY(open_link(link, err));
    result = link->pg.exec(link->conn, sql, (int)n, types, values, NULL, NULL, 0);
  }
  int status = result != NULL ? link->pg.result_status(result) : -1;
  frz_status st = FRZ_OK;
  if (status != PG_COMMAND_OK && status != PG_TUPLES_OK) {
    st = fail_result(link, result, err);
  } else {
    frz_str n_changed = frz_str_from(link->pg.n_changed(result));
    link->base.n_changed = 0;
    for (size_t i = 0; i < n_changed.size && i < 18; i++)
      link->base.n_changed = link->base.n_changed * 10 + (n_changed.data[i] - '0');
    if (visit != NULL) st = visit_rows(link, result, visit, arg, err);
  }
  link->pg.clear(result);
  return st;
}

static frz_status postgres_run(frz_sql_link *base, const char *sql, const frz_str *args,
                               size_t n_args, frz_sql_visit visit, void *arg, frz_error *err)
{
  postgres_link *link = (postgres_link *)base;
  const char *values[FRZ_SQL_ARGS_MAX] = {NULL};
  frz_arena arena;
  assert(n_args <= FRZ_SQL_ARGS_MAX);
  frz_arena_init(&arena, link->alloc, 16 * FRZ_LIMIT_PATH_BYTES);
  char *text = frz_arena_push(&arena, strlen(sql) + 1);
  frz_status st = text != NULL ? copy_args(&arena, args, n_args, values, err)
                               : frz_fail_nomem(err, "PostgreSQL statement");
  if (st == FRZ_OK) {
    write_placeholders(sql, text);
    st = execute(link, text, values, n_args, visit, arg, err);
  }
  frz_arena_free(&arena);
  return st;
}

/* ---- transactions ---- */

static frz_status postgres_begin(frz_sql_link *base, bool is_alone, frz_error *err)
{
  postgres_link *link = (postgres_link *)base;
  FRZ_TRY(execute(link, "BEGIN", NULL, 0, NULL, NULL, err));
  link->is_open = true;
  if (!is_alone) return FRZ_OK;
  return execute(link, "SELECT pg_advisory_xact_lock(6880724301523812)", NULL, 0, NULL, NULL, err);
}

static frz_status visit_first(void *arg, const frz_str *columns, frz_error *err)
{
  frz_buf *text = arg;
  text->size = 0;
  return frz_buf_append_str(text, columns[0], err);
}

/* What became of a transaction, in PostgreSQL's words; empty: it cannot be told. */
static frz_status ask_status(postgres_link *link, const frz_buf *id, frz_buf *word, frz_error *err)
{
  const frz_str args[] = {frz_buf_str(id)};
  word->size = 0;
  if (link->conn == NULL) FRZ_TRY(open_link(link, err));
  return postgres_run(&link->base, "SELECT txid_status(CAST(?1 AS bigint))", args, 1, visit_first,
                      word, err);
}

/* After a COMMIT without an answer: the backend may still be at it, so that what other transactions
 * see proves nothing until it has ended. */
static frz_status settle(postgres_link *link, const frz_buf *id, frz_status failure,
                         bool *may_be_done_out, frz_error *err)
{
  int64_t end_us = frz_os_monotonic_us() + SETTLE_MS_MAX * 1000LL;
  frz_buf word;
  frz_buf_init(&word, link->alloc, 64);
  *may_be_done_out = true;
  close_link(link);
  while (frz_os_monotonic_us() < end_us &&
         frz_context_check_waiting(link->context, NULL) == FRZ_OK) {
    frz_status asked = ask_status(link, id, &word, NULL);
    bool is_over = frz_str_is(frz_buf_str(&word), "committed");
    *may_be_done_out = !frz_str_is(frz_buf_str(&word), "aborted");
    if (is_over) failure = FRZ_OK;
    if (is_over || !*may_be_done_out || (asked == FRZ_OK && word.size == 0)) break;
    frz_os_sleep_ms(SETTLE_PAUSE_MS);
  }
  frz_buf_dispose(&word);
  if (failure != FRZ_OK && *may_be_done_out)
    frz_error_where(err, "the connection broke while it was committed: ");
  return failure;
}

static frz_status postgres_commit(frz_sql_link *base, bool *may_be_done_out, frz_error *err)
{
  postgres_link *link = (postgres_link *)base;
  frz_buf id;
  frz_buf_init(&id, link->alloc, 64);
  *may_be_done_out = false;
  frz_status st = postgres_run(base, "SELECT txid_current()", NULL, 0, visit_first, &id, err);
  if (st == FRZ_OK) {
    st = execute(link, "COMMIT", NULL, 0, NULL, NULL, err);
    link->is_open = false;
    /* An answer says no for sure; a connection that broke says nothing. */
    if (st != FRZ_OK && link->pg.status(link->conn) != PG_CONNECTION_OK)
      st = settle(link, &id, st, may_be_done_out, err);
  }
  frz_buf_dispose(&id);
  return st;
}

static void postgres_release(frz_sql_link *base)
{
  postgres_link *link = (postgres_link *)base;
  if (link->is_open) {
    frz_status st = execute(link, "ROLLBACK", NULL, 0, NULL, NULL, NULL);
    if (st != FRZ_OK) close_link(link);
    link->is_open = false;
  }
  pthread_mutex_unlock(&link->lock);
}

static void postgres_free(frz_sql_link *base)
{
  postgres_link *link = (postgres_link *)base;
  if (link->process_id == frz_os_process_id()) {
    close_link(link);
    pthread_mutex_destroy(&link->lock);
  }
  frz_string_dispose(&link->uri);
  frz_string_dispose(&link->user);
  frz_string_dispose(&link->password);
  /* libpq stays loaded: libraries that it uses (TLS) do not all bear being unloaded. */
  frz_alloc_free(link->alloc, link, sizeof *link);
}

frz_status frz_postgres_link_create(frz_context *context, const char *uri, const char *user,
                                    const char *password, frz_sql_link **link_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  postgres_link *link = frz_alloc_zeroed(alloc, sizeof *link);
  if (link == NULL) return frz_fail_nomem(err, "PostgreSQL connection");
  link->context = context;
  link->alloc = alloc;
  link->process_id = frz_os_process_id();
  pthread_mutex_init(&link->lock, NULL);
  link->base = (frz_sql_link){
      .has_tables = "SELECT 1 WHERE to_regclass('iceberg_tables') IS NOT NULL AND "
                    "to_regclass('iceberg_namespace_properties') IS NOT NULL",
      .has_type_column = "SELECT 1 FROM pg_attribute WHERE attrelid = "
                         "to_regclass('iceberg_tables') AND attname = 'iceberg_type' AND NOT "
                         "attisdropped",
      .acquire = postgres_acquire,
      .release = postgres_release,
      .begin = postgres_begin,
      .commit = postgres_commit,
      .run = postgres_run,
      .free = postgres_free};
  frz_status st = load(&link->pg, err);
  if (st == FRZ_OK) st = keep_uri(link, uri, err);
  if (st == FRZ_OK && user != NULL)
    st = frz_string_copy(alloc, frz_str_from(user), &link->user, err);
  if (st == FRZ_OK && password != NULL)
    st = frz_string_copy(alloc, frz_str_from(password), &link->password, err);
  if (st == FRZ_OK)
    *link_out = &link->base;
  else
    postgres_free(&link->base);
  return st;
}
