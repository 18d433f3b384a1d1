/*
 * sqlite_link.c - a catalog's connection to a SQLite file.
 *
 * Writers announce themselves (BEGIN IMMEDIATE), so that a reader never has to become a writer
 * while another waits; whoever finds the database locked waits up to a minute. SQLite forbids
 * using, and even closing, a parent's connection in a child after a fork.
 *
 * Invariant: `db` is used only under `lock`, and only in process `process_id`.
 */
#include "catalog/sqlite_link.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>

#include "base/os.h"

enum { BUSY_TIMEOUT_MS = 60000 };

typedef struct sqlite_link {
  frz_sql_link base;
  const frz_alloc *alloc;
  frz_string path;
  pthread_mutex_t lock;
  sqlite3 *db;
  int32_t process_id; /* that opened `db` and made `lock` */
} sqlite_link;

static frz_str until(frz_str text, char end)
{
  const char *at = text.size != 0 ? memchr(text.data, end, text.size) : NULL;
  if (at != NULL) text.size = (size_t)(at - text.data);
  return text;
}

static frz_str skip(frz_str text, size_t n)
{
  return (frz_str){text.data + n, text.size - n};
}

static const char *database_of(frz_str scheme)
{
  if (frz_str_starts(scheme, "mysql")) return "MySQL";
  return "a database of this kind";
}

frz_status frz_sqlite_path(const char *uri, frz_str *path_out, frz_error *err)
{
  frz_str text = frz_str_from(uri);
  if (frz_str_starts(text, "jdbc:")) text = skip(text, 5);
  const char *mark = strstr(text.data, "://");
  frz_str scheme = until(text, ':');
  bool is_sqlite = frz_str_is(scheme, "sqlite") || frz_str_starts(scheme, "sqlite+");
  if (is_sqlite && mark != NULL) {
    text = until(skip(text, scheme.size + 3), '?');
    if (text.size != 0 && text.data[0] != '/')
      return frz_fail(err, FRZ_ERR_INVALID,
                      "uri '%s': SQLite has no host; sqlite:///relative or sqlite:////absolute",
                      uri);
    if (text.size != 0) text = skip(text, 1); /* the slash that ends the empty host */
    if (text.size == 0) text = FRZ_STR(":memory:");
  } else if (is_sqlite && scheme.size < text.size) {
    text = skip(text, scheme.size + 1);
  } else if (frz_str_is(scheme, "file") && scheme.size < text.size) {
    text = until(skip(text, 5), '?');
    if (frz_str_starts(text, "///")) text = skip(text, 2);
  } else if (mark != NULL) {
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "uri of scheme '%.*s': catalogs in %s are not in this build; sqlite and "
                    "postgresql are",
                    FRZ_STR_ARG(scheme), database_of(scheme));
  }
  if (text.size == 0) return frz_fail(err, FRZ_ERR_INVALID, "uri '%s' names no file", uri);
  *path_out = text;
  return FRZ_OK;
}

static void sqlite_free(frz_sql_link *base)
{
  sqlite_link *link = (sqlite_link *)base;
  if (link->process_id == frz_os_process_id()) {
    sqlite3_close(link->db);
    pthread_mutex_destroy(&link->lock);
  }
  frz_string_dispose(&link->path);
  frz_alloc_free(link->alloc, link, sizeof *link);
}

static frz_status fail_sqlite(const sqlite_link *link, int code, frz_error *err)
{
  frz_status st = FRZ_ERR_IO;
  const char *hint = "";
  switch (code & 0xff) {
  case SQLITE_NOMEM: st = FRZ_ERR_NOMEM; break;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    st = FRZ_ERR_TIMEOUT;
    hint = ": another program holds it; try again when it is done";
    break;
  case SQLITE_CANTOPEN: hint = ": its folder must be there, and writable to make a new file"; break;
  case SQLITE_READONLY: hint = ": the file and its folder must be writable"; break;
  case SQLITE_CONSTRAINT: st = FRZ_ERR_EXISTS; break;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB: st = FRZ_ERR_CORRUPT; break;
  default: break;
  }
  return frz_fail(err, st, "database %s: %s%s", link->path.data,
                  link->db != NULL ? sqlite3_errmsg(link->db) : sqlite3_errstr(code), hint);
}

static frz_status open_link(sqlite_link *link, frz_error *err)
{
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  int code = sqlite3_open_v2(link->path.data, &link->db, flags, NULL);
  if (code == SQLITE_OK) code = sqlite3_busy_timeout(link->db, BUSY_TIMEOUT_MS);
  if (code == SQLITE_OK) return FRZ_OK;
  frz_status st = fail_sqlite(link, code, err);
  sqlite3_close(link->db);
  link->db = NULL;
  return st;
}

static frz_status sqlite_acquire(frz_sql_link *base, frz_error *err)
{
  sqlite_link *link = (sqlite_link *)base;
  if (link->process_id != frz_os_process_id()) {
    /* A child after a fork, with one thread: the parent's connection and lock are left alone. */
    link->process_id = frz_os_process_id();
    link->db = NULL;
    pthread_mutex_init(&link->lock, NULL);
  }
  pthread_mutex_lock(&link->lock);
  frz_status st = link->db != NULL ? FRZ_OK : open_link(link, err);
  if (st != FRZ_OK) pthread_mutex_unlock(&link->lock);
  return st;
}

static void sqlite_release(frz_sql_link *base)
{
  sqlite_link *link = (sqlite_link *)base;
  assert(link->db != NULL);
  if (!sqlite3_get_autocommit(link->db)) sqlite3_exec(link->db, "ROLLBACK", NULL, NULL, NULL);
  pthread_mutex_unlock(&link->lock);
}

static int bind_all(sqlite3_stmt *statement, const frz_str *args, size_t n_args)
{
  for (size_t i = 0; i < n_args; i++) {
    int code =
        sqlite3_bind_text(statement, (int)i + 1, args[i].data, (int)args[i].size, SQLITE_STATIC);
    if (code != SQLITE_OK) return code;
  }
  return SQLITE_OK;
}

static frz_status visit_row(sqlite3_stmt *row, frz_sql_visit visit, void *arg, frz_error *err)
{
  frz_str columns[FRZ_SQL_COLUMNS_MAX];
  int n = sqlite3_column_count(row);
  assert(n <= FRZ_SQL_COLUMNS_MAX);
  for (int i = 0; i < n; i++) columns[i] = frz_str_from((const char *)sqlite3_column_text(row, i));
  return visit(arg, columns, err);
}

static frz_status sqlite_run(frz_sql_link *base, const char *sql, const frz_str *args,
                             size_t n_args, frz_sql_visit visit, void *arg, frz_error *err)
{
  sqlite_link *link = (sqlite_link *)base;
  sqlite3_stmt *statement = NULL;
  frz_status st = FRZ_OK;
  for (size_t i = 0; i < n_args; i++)
    if (args[i].size > INT32_MAX)
      return frz_fail(err, FRZ_ERR_LIMIT, "database %s: a text of %zu bytes", link->path.data,
                      args[i].size);
  int code = sqlite3_prepare_v2(link->db, sql, -1, &statement, NULL);
  if (code == SQLITE_OK) code = bind_all(statement, args, n_args);
  if (code == SQLITE_OK) {
    while (st == FRZ_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
      if (visit != NULL) st = visit_row(statement, visit, arg, err);
  }
  if (st == FRZ_OK && code != SQLITE_DONE) st = fail_sqlite(link, code, err);
  sqlite3_finalize(statement);
  base->n_changed = sqlite3_changes(link->db);
  return st;
}

/* Every change is alone: SQLite has one writer at a time. */
static frz_status sqlite_begin(frz_sql_link *base, bool is_alone, frz_error *err)
{
  (void)is_alone;
  return sqlite_run(base, "BEGIN IMMEDIATE", NULL, 0, NULL, NULL, err);
}

static frz_status sqlite_commit(frz_sql_link *base, bool *may_be_done_out, frz_error *err)
{
  frz_status st = sqlite_run(base, "COMMIT", NULL, 0, NULL, NULL, err);
  /* A transaction that is still open can be rolled back: then it surely did not happen. */
  *may_be_done_out = st != FRZ_OK && sqlite3_get_autocommit(((sqlite_link *)base)->db) != 0;
  return st;
}

frz_status frz_sqlite_link_create(const frz_alloc *alloc, const char *uri, frz_sql_link **link_out,
                                  frz_error *err)
{
  frz_str path;
  FRZ_TRY(frz_sqlite_path(uri, &path, err));
  sqlite_link *link = frz_alloc_zeroed(alloc, sizeof *link);
  if (link == NULL) return frz_fail_nomem(err, "SQLite connection");
  link->alloc = alloc;
  link->process_id = frz_os_process_id();
  pthread_mutex_init(&link->lock, NULL);
  link->base = (frz_sql_link){
      .has_tables = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND "
                    "name = 'iceberg_namespace_properties' AND EXISTS (SELECT 1 FROM "
                    "sqlite_master WHERE type = 'table' AND name = 'iceberg_tables')",
      .has_type_column =
          "SELECT 1 FROM pragma_table_info('iceberg_tables') WHERE name = 'iceberg_type'",
      .acquire = sqlite_acquire,
      .release = sqlite_release,
      .begin = sqlite_begin,
      .undoes_what_is_lost = true,
      .commit = sqlite_commit,
      .run = sqlite_run,
      .free = sqlite_free};
  frz_status st = frz_string_copy(alloc, path, &link->path, err);
  if (st == FRZ_OK)
    *link_out = &link->base;
  else
    sqlite_free(&link->base);
  return st;
}
