/*
 * http_client.h - HTTP requests with retries, several at once.
 *
 * A client keeps connections open between calls. It may be used by any number of threads; each call
 * borrows a set of connections for its time. Nothing follows redirects, reads the environment or a
 * .netrc file. Errors name method and URL without its query, never a header.
 */
#ifndef FRZ_NET_HTTP_CLIENT_H
#define FRZ_NET_HTTP_CLIENT_H

#include "base/runtime.h"
#include "net/retry.h"
#include "net/url.h"

typedef struct frz_http_client frz_http_client;

/** Texts are copied; size 0: not set. */
typedef struct frz_http_options {
  frz_str ca_file;     /* certificates to trust in place of the system's, PEM */
  frz_str client_cert; /* PEM */
  frz_str client_key;  /* PEM */
  frz_str proxy;       /* a URL */
  int64_t connect_timeout_ms;
  int64_t stall_timeout_ms; /* a transfer that moves nothing for so long is given up */
  int32_t parallel_max;     /* transfers of one call at a time */
  frz_retry_policy retry;
} frz_http_options;

void frz_http_options_init(frz_http_options *options);

/** Read what catalogs and stores share: "ssl.cabundle", "ssl.client.cert", "ssl.client.key". Texts
 * are borrowed from the properties. */
void frz_http_options_read(frz_http_options *options, const frz_property *properties,
                           size_t n_properties);

frz_status frz_http_client_create(frz_context *context, const frz_http_options *options,
                                  frz_http_client **client_out, frz_error *err) FRZ_MUST_CHECK;
/** NULL is accepted. No call may be running. */
void frz_http_client_free(frz_http_client *client);

/** Where a part of the body goes; dest NULL: it is passed over. */
typedef struct frz_http_piece {
  uint8_t *dest;
  size_t size;
} frz_http_piece;

/** What came back. Texts that the server sent too long are cut off: they are for comparing. */
typedef struct frz_http_answer {
  int32_t status;   /* 0: none came */
  bool may_be_done; /* the server may have acted on an attempt that brought no final answer */
  int32_t n_attempts;
  int64_t body_bytes;     /* received */
  int64_t length_bytes;   /* Content-Length; -1: none */
  int64_t first_byte;     /* of Content-Range; -1: none */
  int64_t total_bytes;    /* of Content-Range; -1: none */
  int64_t retry_after_ms; /* -1: none */
  char etag[136];
  char bucket_region[32];
  int64_t kept_bytes; /* of a Range that begins at 0; -1: none */
  char writer[40];    /* x-amz-meta-frazil-write, x-ms-meta-frazilwrite: who wrote an object */
  char date[32];      /* of the server, as in RFC 9110 */
} frz_http_answer;

typedef struct frz_http_request frz_http_request;

/** Headers of one attempt, in its arena, and what else proves who sends it. */
typedef struct frz_http_headers {
  frz_arena *arena;
  frz_http_pair *items;
  size_t n_items;
  size_t capacity;
  frz_str more_query; /* "a=b&c=d", encoded: goes behind the request's own query; size 0: nothing */
} frz_http_headers;

frz_status frz_http_headers_add(frz_http_headers *headers, frz_str name, frz_str value,
                                frz_error *err) FRZ_MUST_CHECK;

/** What is to be done after an answer. */
typedef enum frz_http_repeat {
  FRZ_HTTP_REPEAT_NOT,
  FRZ_HTTP_REPEAT_NOW,  /* something was put right */
  FRZ_HTTP_REPEAT_LATER /* the server was too busy to act on it: as after a 429 */
} frz_http_repeat;

struct frz_http_request {
  frz_str method;
  frz_str origin; /* "https://host:port" */
  frz_str path;   /* percent-encoded */
  const frz_http_pair *query;
  size_t n_query;
  const frz_http_pair *headers;
  size_t n_headers;
  frz_str body;
  bool may_repeat; /* sending it twice does what sending it once does, or is refused */
  bool is_change;  /* `may_be_done` matters: with may_repeat, no attempt goes unseen */
  bool unpacks;    /* compressed answers are asked for, and unpacked */
  /** Adds the headers that prove who sends: called for each attempt, as they age. May be NULL. */
  frz_status (*authorize)(void *ctx, const frz_http_request *request, frz_http_headers *headers,
                          frz_error *err);
  /** May be NULL. Asked about answers that are not retried by their status alone (such as 400, 401,
   * 403). */
  frz_http_repeat (*wants_repeat)(void *ctx, const frz_http_request *request);
  void *ctx;
  /** Where a 2xx body goes: pieces filled in order and whole (a longer or shorter body is
   * FRZ_ERR_CORRUPT or retried), or `text`. Other answers go to `text`, cut at its limit. */
  const frz_http_piece *pieces;
  size_t n_pieces;
  frz_buf *text;     /* initialized with its limit; emptied first. May be NULL */
  frz_buf *location; /* takes the header Location, as `text` the body. May be NULL */
  frz_http_answer answer;
};

/** A request that only reads. */
frz_http_request frz_http_get(frz_str origin, frz_str path);

/**
 * Send requests side by side and wait for all, retrying those that may be repeated. FRZ_OK: each
 * got an answer, of any status. Else the first failure: FRZ_ERR_IO and FRZ_ERR_TIMEOUT (no answer),
 * FRZ_ERR_LIMIT (a 2xx body passes the limit of `text`), FRZ_ERR_CORRUPT (a body that does not fit
 * its pieces), FRZ_ERR_CANCELLED, what `authorize` returned.
 */
frz_status frz_http_send(frz_http_client *client, frz_http_request *requests, size_t n_requests,
                         frz_error *err) FRZ_MUST_CHECK;

/** A date as HTTP writes it, in milliseconds since 1970; -1: not one. */
int64_t frz_http_date(const char *text);

/** The answer tells the server's time: keep how far it is ahead. False: it does not. */
bool frz_http_learn_clock(const frz_http_answer *answer, atomic_llong *clock_ahead_ms);

/** Is it 429 or 5xx that another attempt may turn? */
bool frz_http_status_is_transient(int32_t status);

#endif
