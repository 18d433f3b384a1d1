/*
 * sql_link.h - one connection to a database that holds a catalog; SQLite and PostgreSQL implement
 * it.
 *
 * Shared by the threads of a process and never by two processes: in a child after a fork a new one
 * is opened. Statements are written once for all databases, with arguments as ?1, ?2...
 */
#ifndef FRZ_CATALOG_SQL_LINK_H
#define FRZ_CATALOG_SQL_LINK_H

#include "base/buf.h"
#include "base/runtime.h"

/** Called for each row. A column's data is NULL for null; borrowed for the call. */
typedef frz_status (*frz_sql_visit)(void *arg, const frz_str *columns, frz_error *err);

typedef struct frz_sql_link frz_sql_link;
struct frz_sql_link {
  const char *has_tables;      /* a query with a row where both of the catalog's tables are there */
  const char *has_type_column; /* one with a row where iceberg_tables has a column iceberg_type */
  int64_t n_changed;           /* rows that the last statement changed */
  bool undoes_what_is_lost;    /* a commit that is not seen after its failure is not done later */
  /** Take the connection for this thread, opened where it is not; ended by release(), which rolls
   * back what was begun and not committed. */
  frz_status (*acquire)(frz_sql_link *link, frz_error *err);
  void (*release)(frz_sql_link *link);
  /** Begin a change. With `is_alone` no other frazil changes the catalog meanwhile: what is looked
   * at stays so until commit. */
  frz_status (*begin)(frz_sql_link *link, bool is_alone, frz_error *err);
  /** A failure leaves all as it was, save where *may_be_done_out is true. */
  frz_status (*commit)(frz_sql_link *link, bool *may_be_done_out, frz_error *err);
  /** One statement with text arguments, up to 8. `visit` may be NULL. FRZ_ERR_EXISTS: a key is
   * there already; FRZ_ERR_TIMEOUT: locked by others for too long. */
  frz_status (*run)(frz_sql_link *link, const char *sql, const frz_str *args, size_t n_args,
                    frz_sql_visit visit, void *arg, frz_error *err);
  void (*free)(frz_sql_link *link);
};

/** Columns that a query may give. */
enum { FRZ_SQL_COLUMNS_MAX = 4, FRZ_SQL_ARGS_MAX = 8 };

/** FRZ_ERR_INVALID, FRZ_ERR_UNSUPPORTED (another database), FRZ_ERR_NOMEM. Nothing is opened yet.
 */
frz_status frz_sqlite_link_create(const frz_alloc *alloc, const char *uri, frz_sql_link **link_out,
                                  frz_error *err) FRZ_MUST_CHECK;

/** Is the URI one of PostgreSQL, in any of the forms that SQLAlchemy, JDBC and libpq take? */
bool frz_postgres_is_uri(const char *uri);

/** `user` and `password` (NULL: those of the URI) are for JDBC's URIs, which hold none.
 * FRZ_ERR_UNSUPPORTED: libpq is not installed. */
frz_status frz_postgres_link_create(frz_context *context, const char *uri, const char *user,
                                    const char *password, frz_sql_link **link_out,
                                    frz_error *err) FRZ_MUST_CHECK;

#endif
