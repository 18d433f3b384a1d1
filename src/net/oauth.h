/*
 * oauth.h - bearer tokens: given ones, and those of OAuth 2 client credentials, which are fetched
 * anew before they end.
 *
 * Source: RFC 6749, section 4.4 "Client Credentials Grant"; Iceberg REST catalog specification,
 * "OAuthTokenResponse".
 */
#ifndef FRZ_NET_OAUTH_H
#define FRZ_NET_OAUTH_H

#include "net/http_client.h"

typedef struct frz_oauth frz_oauth;

/** Texts are copied; size 0: not set. */
typedef struct frz_oauth_options {
  frz_str token;      /* a bearer token, used until it ends */
  frz_str credential; /* "id:secret" or "secret": where new tokens come from */
  frz_str token_url;
  frz_str scope;
  const frz_http_pair *more; /* further parameters of the request, such as "audience" */
  size_t n_more;
  /** Appends the form of a request in place of client credentials. NULL: those. */
  frz_status (*make_form)(void *ctx, frz_buf *form, frz_error *err);
  void *form_ctx;       /* outlives the tokens' source */
  frz_http_pair header; /* of a request that is a GET without a form; name of size 0: a form is
                           sent. Static storage */
  const char *advice; /* what to check where the server refuses. Static; NULL: client credentials */
} frz_oauth_options;

/** The client must outlive it. Any number of threads. */
frz_status frz_oauth_create(const frz_alloc *alloc, frz_http_client *http,
                            const frz_oauth_options *options, frz_oauth **oauth_out,
                            frz_error *err) FRZ_MUST_CHECK;
/** NULL is accepted. */
void frz_oauth_free(frz_oauth *oauth);

/** "Bearer <token>", fetched where there is none or it ends within a minute. Copied into the
 * arena. FRZ_ERR_AUTH: the server refuses the credential. */
frz_status frz_oauth_authorization(frz_oauth *oauth, frz_arena *arena, frz_str *value_out,
                                   frz_error *err) FRZ_MUST_CHECK;

/** "Bearer <token>" of a given token, in the arena. */
frz_status frz_oauth_bearer(frz_str token, frz_arena *arena, frz_str *value_out,
                            frz_error *err) FRZ_MUST_CHECK;

/** The text; size 0 where the token or the secret is in it. */
frz_str frz_oauth_unless_secret(frz_oauth *oauth, frz_str text);

/** A server refused the token: the next call fetches another. False: there is no credential to
 * fetch one with, or it was fetched within the last second. */
bool frz_oauth_invalidate(frz_oauth *oauth);

#endif
