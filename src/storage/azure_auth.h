/*
 * azure_auth.h - what proves to Azure Storage who sends a request: a signature with the account's
 * key, a shared access signature, or a bearer token.
 */
#ifndef FRZ_STORAGE_AZURE_AUTH_H
#define FRZ_STORAGE_AZURE_AUTH_H

#include "net/http_client.h"
#include "net/oauth.h"
#include "storage/azure_config.h"

/** Add date, version and proof to the headers of an attempt, or to its query. `oauth` gives tokens
 * for a client id and secret; NULL: there are none. FRZ_ERR_AUTH says what to set. */
frz_status frz_azure_authorize(const frz_azure_config *config, frz_oauth *oauth, frz_str account,
                               int64_t clock_ahead_ms, const frz_http_request *request,
                               frz_http_headers *headers, frz_error *err) FRZ_MUST_CHECK;

/** The text that is signed with the account's key, appended: what a server's answer can be compared
 * with. */
frz_status frz_azure_string_to_sign(frz_str account, const frz_http_request *request,
                                    const frz_http_headers *headers, frz_buf *out,
                                    frz_error *err) FRZ_MUST_CHECK;

/** The text; size 0 where something secret of the config is in it. */
frz_str frz_azure_unless_secret(const frz_azure_config *config, frz_str text);

#endif
