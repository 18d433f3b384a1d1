/*
 * sqlite_link.c - see sqlite_link.h.
 *
 * Writers announce themselves (BEGIN IMMEDIATE, by the caller), so that a reader never has to
 * become a writer while another waits; whoever finds the database locked waits up to a minute.
 *
 * Invariant: `db` is used only under `lock`, and only in process `process_id`.
 */
#include "catalog/sqlite_link.h"

#include <assert.h>

#include "base/os.h"

enum { BUSY_TIMEOUT_MS = 60000 };

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
  if (frz_str_starts(scheme, "postgres")) return "PostgreSQL";
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
                    "uri of scheme '%.*s': catalogs in %s are not in this build; sqlite is",
                    FRZ_STR_ARG(scheme), database_of(scheme));
  }
  if (text.size == 0) return frz_fail(err, FRZ_ERR_INVALID, "uri '%s' names no file", uri);
  *path_out = text;
  return FRZ_OK;
}

frz_status frz_sqlite_link_init(frz_sqlite_link *link, frz_str path, const frz_alloc *alloc,
                                frz_error *err)
{
  *link = (frz_sqlite_link){.alloc = alloc, .process_id = frz_os_process_id()};
  FRZ_TRY(frz_string_copy(alloc, path, &link->path, err));
  pthread_mutex_init(&link->lock, NULL);
  return FRZ_OK;
}

void frz_sqlite_link_dispose(frz_sqlite_link *link)
{
  if (link->path.data == NULL) return;
  if (link->process_id == frz_os_process_id()) {
    sqlite3_close(link->db);
    pthread_mutex_destroy(&link->lock);
  }
  frz_string_dispose(&link->path);
}

static frz_status fail_sqlite(const frz_sqlite_link *link, int code, frz_error *err)
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

static frz_status open_link(frz_sqlite_link *link, frz_error *err)
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

frz_status frz_sqlite_acquire(frz_sqlite_link *link, frz_error *err)
{
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

void frz_sqlite_release(frz_sqlite_link *link)
{
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

frz_status frz_sqlite_run(frz_sqlite_link *link, const char *sql, const frz_str *args,
                          size_t n_args, frz_sqlite_visit visit, void *arg, frz_error *err)
{
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
      if (visit != NULL) st = visit(arg, statement, err);
  }
  if (st == FRZ_OK && code != SQLITE_DONE) st = fail_sqlite(link, code, err);
  sqlite3_finalize(statement);
  return st;
}

int64_t frz_sqlite_changes(const frz_sqlite_link *link)
{
  return sqlite3_changes(link->db);
}

frz_str frz_sqlite_text(sqlite3_stmt *row, int column)
{
  return frz_str_from((const char *)sqlite3_column_text(row, column));
}
