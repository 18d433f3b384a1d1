/*
 * hive_session.h - the conversation with a Hive metastore: Thrift calls over connections that are
 * kept.
 *
 * Source: apache/hive, standalone-metastore/src/main/thrift/hive_metastore.thrift.
 */
#ifndef FRZ_CATALOG_HIVE_SESSION_H
#define FRZ_CATALOG_HIVE_SESSION_H

#include "base/arena.h"
#include "catalog/catalog_ops.h"
#include "net/thrift_binary.h"

typedef struct frz_hive_session frz_hive_session;

/** Reads "uri", "ugi" and "hive.*" properties: docs/catalogs.md. No request. Any thread. */
frz_status frz_hive_session_open(const frz_catalog_setup *setup, frz_hive_session **session_out,
                                 frz_error *err) FRZ_MUST_CHECK;
/** NULL is accepted. */
void frz_hive_session_free(frz_hive_session *session);

/** Who speaks: the user of "ugi", or "frazil". */
const char *frz_hive_session_user(const frz_hive_session *session);

/** One call. Its arguments are written to `args`, then frz_hive_call_send() closes them. */
typedef struct frz_hive_call {
  frz_hive_session *session;
  const char *method;
  frz_arena arena; /* for what is read of the answer */
  frz_buf request;
  frz_tbinary_writer args;
  frz_buf answer;
  frz_tbinary_reader result;    /* at the value that was returned, of type result_type */
  frz_tbinary_type result_type; /* FRZ_TBINARY_STOP: none was */
  bool may_be_done;             /* the request was sent and has no answer: it may be acted on */
} frz_hive_call;

void frz_hive_call_open(frz_hive_call *call, frz_hive_session *session, const char *method);
void frz_hive_call_close(frz_hive_call *call);

/** Send, and fail where the server throws: FRZ_ERR_NOT_FOUND, FRZ_ERR_EXISTS, FRZ_ERR_INVALID,
 * FRZ_ERR_CONFLICT (a lock is gone, a table was changed), FRZ_ERR_UNSUPPORTED (no such method),
 * FRZ_ERR_IO. Methods that only look are sent again where their answer is lost. */
frz_status frz_hive_call_send(frz_hive_call *call, frz_error *err) FRZ_MUST_CHECK;

/** Send, and fail unless a value of this type was returned. */
frz_status frz_hive_call_ask(frz_hive_call *call, frz_tbinary_type type,
                             frz_error *err) FRZ_MUST_CHECK;

#endif
