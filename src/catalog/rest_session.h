/*
 * rest_session.h - the conversation with a REST catalog: where it is, who speaks, what it answers.
 *
 * Source: Apache Iceberg REST Catalog API (open-api/rest-catalog-open-api.yaml).
 */
#ifndef FRZ_CATALOG_REST_SESSION_H
#define FRZ_CATALOG_REST_SESSION_H

#include "catalog/catalog_ops.h"
#include "net/http_client.h"
#include "net/oauth.h"
#include "storage/aws_credentials.h"

/** Among the "endpoints" of a server's configuration. */
#define FRZ_REST_COMMIT_TABLES "POST /v1/{prefix}/transactions/commit"

typedef struct frz_rest_lent frz_rest_lent;

/** Counted: the catalog has it, and the storage that it lends credentials to. Any thread. */
typedef struct frz_rest_session {
  atomic_size_t n_references;
  frz_context *context;
  const frz_alloc *alloc;
  frz_http_client *http;
  frz_oauth *oauth; /* NULL: requests carry no token */
  frz_aws_config aws;
  frz_aws_provider *signer; /* NULL: requests are not signed for AWS */
  frz_str signing_name;
  frz_arena arena; /* owns all below */
  frz_str origin;
  frz_str root;    /* the path in front of "/v1/..." */
  frz_str catalog; /* the path in front of "/namespaces": root, "/v1", the prefix */
  frz_str warehouse;
  frz_http_pair *headers;
  size_t n_headers;
  frz_str given_token; /* never quoted; others are the OAuth's */
  frz_str separator;   /* between a namespace's parts, encoded */
  frz_str page_size;   /* size 0: the server's */
  bool commits_tables; /* the server offers commits to several tables */
  frz_rest_lent *lent;
} frz_rest_session;

/** Read the properties, ask the server for its configuration. */
frz_status frz_rest_session_open(const frz_catalog_setup *setup, frz_rest_session **session_out,
                                 frz_error *err) FRZ_MUST_CHECK;
frz_rest_session *frz_rest_session_retain(frz_rest_session *session);
void frz_rest_session_release(frz_rest_session *session);

/** One call: what is asked, and what came back. */
typedef struct frz_rest_call {
  const char *method;
  frz_str origin; /* size 0: the session's, with session->catalog in front of the path */
  frz_str path;   /* encoded */
  const frz_http_pair *query;
  size_t n_query;
  const frz_http_pair *more_headers;
  size_t n_more_headers;
  frz_str body; /* JSON; size 0: none */
  bool may_repeat;
  frz_buf answer; /* disposed of by the caller, whatever happens */
  int32_t status;
  bool may_be_done; /* an attempt got no final answer: the server may have acted on it */
} frz_rest_call;

void frz_rest_call_init(const frz_rest_session *session, frz_rest_call *call, const char *method);

/** FRZ_OK: any status came back. */
frz_status frz_rest_send(frz_rest_session *session, frz_rest_call *call,
                         frz_error *err) FRZ_MUST_CHECK;

/** The error that a status other than 2xx means. 404: FRZ_ERR_NOT_FOUND; 409: FRZ_ERR_EXISTS; 401
 * and 403: FRZ_ERR_AUTH; 400 and 422: FRZ_ERR_INVALID; 406 and 501: FRZ_ERR_UNSUPPORTED; others:
 * FRZ_ERR_IO. */
frz_status frz_rest_fail(const frz_rest_session *session, const frz_rest_call *call,
                         frz_error *err);

/** Send, and fail unless the answer is 2xx. */
frz_status frz_rest_send_ok(frz_rest_session *session, frz_rest_call *call,
                            frz_error *err) FRZ_MUST_CHECK;

/* ---- paths ---- */

/** "/namespaces/<a%1Fb>" + `more`. */
frz_status frz_rest_namespace_path(const frz_rest_session *session, frz_str name, const char *more,
                                   frz_buf *out, frz_error *err) FRZ_MUST_CHECK;
/** "/namespaces/<ns>/tables/<name>" + `more`. */
frz_status frz_rest_table_path(const frz_rest_session *session, const frz_identifier *id,
                               const char *more, frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

/* ---- tables ---- */

/** A LoadTableResult: the table, and what the server lends for its files, which is kept. The
 * location of one that is staged is "". */
frz_status frz_rest_read_table(frz_rest_session *session, const char *identifier, frz_str answer,
                               frz_loaded_table *loaded_out, frz_error *err) FRZ_MUST_CHECK;

/* ---- what is lent (rest_lent.c) ---- */

frz_status frz_rest_lent_create(const frz_alloc *alloc, frz_rest_lent **lent_out,
                                frz_error *err) FRZ_MUST_CHECK;
/** NULL is accepted. */
void frz_rest_lent_free(frz_rest_lent *lent);

/** Properties that hold for every URI: the server's own configuration. */
frz_status frz_rest_lent_add_common(frz_rest_lent *lent, frz_str key, frz_str value,
                                    frz_error *err) FRZ_MUST_CHECK;

/** Credentials for what lies under a prefix; those of the same table and prefix are replaced. */
frz_status frz_rest_lent_add(frz_rest_lent *lent, frz_str identifier, frz_str prefix,
                             const frz_text_pair *pairs, size_t n_pairs,
                             frz_error *err) FRZ_MUST_CHECK;

/** The table whose entry holds for a URI, copied into the arena; size 0: none. FRZ_ERR_NOMEM. */
frz_status frz_rest_lent_table(frz_rest_lent *lent, frz_str uri, frz_arena *arena,
                               frz_str *identifier_out, frz_error *err) FRZ_MUST_CHECK;

/** As frz_storage_lender; ctx is the session. */
extern const frz_storage_lender frz_rest_lender;

/* ---- what is signed (rest_signing.c) ---- */

/** The member of a LoadTableResult, and the property of lent ones that holds its JSON. */
#define FRZ_REST_SIGNING_CONFIG "remote-signing-config"

/** As frz_storage_lender.sign; ctx is the session. */
frz_status frz_rest_sign(void *ctx, frz_str uri, frz_str region, const frz_http_request *request,
                         frz_http_headers *headers, frz_error *err) FRZ_MUST_CHECK;

#endif
