/*
 * glue_session.h - the conversation with AWS Glue: who asks, and what it answers.
 *
 * Source: AWS Glue Web API Reference (JSON 1.1 over POST, one target an action).
 */
#ifndef FRZ_CATALOG_GLUE_SESSION_H
#define FRZ_CATALOG_GLUE_SESSION_H

#include "catalog/catalog_ops.h"
#include "net/http_client.h"

typedef struct frz_glue_session frz_glue_session;

/** Reads "glue.*" and "client.*" properties, by PyIceberg's names: docs/catalogs.md. No request. */
frz_status frz_glue_session_open(const frz_catalog_setup *setup, frz_glue_session **session_out,
                                 frz_error *err) FRZ_MUST_CHECK;
/** NULL is accepted. */
void frz_glue_session_free(frz_glue_session *session);

/** One call. `json` is inside the request's object, where CatalogId stands already if there is one;
 * members are added, then frz_glue_call_send() closes it. */
typedef struct frz_glue_call {
  frz_glue_session *session;
  const char *action;
  frz_arena arena; /* for texts of the answer */
  frz_buf body;
  frz_json_writer json;
  frz_buf answer;
  bool may_be_done; /* an attempt got no final answer: Glue may have acted on it */
} frz_glue_call;

void frz_glue_call_open(frz_glue_call *call, frz_glue_session *session, const char *action);
void frz_glue_call_close(frz_glue_call *call);

/** Send, and fail unless the answer is 200. FRZ_ERR_NOT_FOUND, FRZ_ERR_EXISTS, FRZ_ERR_CONFLICT (a
 * version that is no longer current), FRZ_ERR_AUTH, FRZ_ERR_INVALID, FRZ_ERR_LIMIT, FRZ_ERR_IO. */
frz_status frz_glue_call_send(frz_glue_call *call, frz_error *err) FRZ_MUST_CHECK;

#endif
