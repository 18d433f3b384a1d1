/*
 * sigv4.h - AWS Signature Version 4: the header that proves who sends a request.
 *
 * Source: AWS General Reference, "Signature Version 4 signing process"; for S3, "Authenticating
 * Requests: Using the Authorization Header".
 */
#ifndef FRZ_NET_SIGV4_H
#define FRZ_NET_SIGV4_H

#include "net/url.h"

enum { FRZ_SHA256_HEX_BYTES = 65 };

/** Texts are borrowed; a token of size 0: none. */
typedef struct frz_aws_credentials {
  frz_str access_key_id;
  frz_str secret_access_key;
  frz_str session_token;
} frz_aws_credentials;

typedef struct frz_sigv4_request {
  frz_str method;
  frz_str path;               /* as it is sent: percent-encoded, "" is "/" */
  const frz_http_pair *query; /* not encoded */
  size_t n_query;
  const frz_http_pair *headers; /* all of them are signed; "host" and "x-amz-date" are among them.
                                   Names in any case */
  size_t n_headers;
  frz_str payload_hash; /* of the body, in hexadecimal */
  frz_str region;
  frz_str service;
  bool is_s3; /* the path is signed as it is; other services sign it normalized and encoded again */
} frz_sigv4_request;

/** SHA-256 of bytes in lower-case hexadecimal, NUL-terminated. */
frz_status frz_sha256_hex(const void *data, size_t size, char hex_out[FRZ_SHA256_HEX_BYTES],
                          frz_error *err) FRZ_MUST_CHECK;

/** "20150830T123600Z" and a NUL. */
void frz_sigv4_date(int64_t time_ms, char date_out[17]);

/** The value of the header "authorization", in the arena. */
frz_status frz_sigv4_authorization(const frz_sigv4_request *request,
                                   const frz_aws_credentials *credentials, frz_arena *arena,
                                   frz_str *value_out, frz_error *err) FRZ_MUST_CHECK;

/** The canonical request that is signed, appended: what a server's answer can be compared with. */
frz_status frz_sigv4_canonical_request(const frz_sigv4_request *request, frz_buf *out,
                                       frz_error *err) FRZ_MUST_CHECK;

#endif
