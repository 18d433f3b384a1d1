/*
 * aws_auth.h - the headers that prove to a service of AWS who sends a request.
 */
#ifndef FRZ_NET_AWS_AUTH_H
#define FRZ_NET_AWS_AUTH_H

#include "net/http_client.h"
#include "net/sigv4.h"

/** Whom requests are signed for. Texts are borrowed. */
typedef struct frz_aws_service {
  frz_str name; /* "s3", "glue", "sts" */
  frz_str region;
  int64_t clock_ahead_ms; /* the server's clock, against ours */
} frz_aws_service;

/** Add host, date, hash of the body, session token and signature to the headers of an attempt; all
 * headers so far are signed. FRZ_ERR_INVALID: a secret key that no service gives out. */
frz_status frz_aws_sign(const frz_aws_service *service, const frz_aws_credentials *credentials,
                        const frz_http_request *request, frz_http_headers *headers,
                        frz_error *err) FRZ_MUST_CHECK;

#endif
