/*
 * gcs_token.h - where tokens for Google Cloud Storage come from: a service account's key, what
 * gcloud leaves on a machine, or the metadata server of Google's machines.
 *
 * The library reads the environment here alone, and only where the property gcs.credentials-source
 * asks for it.
 */
#ifndef FRZ_STORAGE_GCS_TOKEN_H
#define FRZ_STORAGE_GCS_TOKEN_H

#include "net/oauth.h"
#include "storage/gcs_config.h"

typedef struct frz_gcs_tokens frz_gcs_tokens;

/** Reads the key file, where there is one. The client must outlive the tokens. NULL is set where
 * the config names no source. FRZ_ERR_AUTH: nothing was found. */
frz_status frz_gcs_tokens_create(frz_context *context, frz_http_client *http,
                                 const frz_gcs_config *config, frz_gcs_tokens **tokens_out,
                                 frz_error *err) FRZ_MUST_CHECK;
/** NULL is accepted. */
void frz_gcs_tokens_free(frz_gcs_tokens *tokens);

/** They are fetched, kept and renewed by it. */
frz_oauth *frz_gcs_tokens_oauth(frz_gcs_tokens *tokens);

/** The signed JSON Web Token that asks for a token at `now_s`, appended; for tests too. `pem` is
 * the private key. FRZ_ERR_INVALID: it is none. */
frz_status frz_gcs_jwt_append(frz_str email, frz_str key_id, frz_str pem, frz_str audience,
                              int64_t now_s, frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

#endif
