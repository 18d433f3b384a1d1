/*
 * aws_auth.c - see aws_auth.h.
 */
#include "net/aws_auth.h"

#include "base/os.h"

static frz_str host_of(frz_str origin)
{
  const char *mark = memmem(origin.data, origin.size, "://", 3);
  assert(mark != NULL);
  size_t start = (size_t)(mark - origin.data) + 3;
  return (frz_str){origin.data + start, origin.size - start};
}

frz_status frz_aws_sign(const frz_aws_service *service, const frz_aws_credentials *credentials,
                        const frz_http_request *request, frz_http_headers *headers, frz_error *err)
{
  char hash[FRZ_SHA256_HEX_BYTES], date[17];
  FRZ_TRY(frz_sha256_hex(request->body.data, request->body.size, hash, err));
  frz_sigv4_date(frz_os_now_ms() + service->clock_ahead_ms, date);
  frz_str date_copy = frz_arena_copy(headers->arena, frz_str_from(date));
  frz_str hash_copy = frz_arena_copy(headers->arena, frz_str_from(hash));
  if (date_copy.data == NULL || hash_copy.data == NULL) return frz_fail_nomem(err, "signature");
  FRZ_TRY(frz_http_headers_add(headers, FRZ_STR("host"), host_of(request->origin), err));
  FRZ_TRY(frz_http_headers_add(headers, FRZ_STR("x-amz-date"), date_copy, err));
  FRZ_TRY(frz_http_headers_add(headers, FRZ_STR("x-amz-content-sha256"), hash_copy, err));
  if (credentials->session_token.size != 0)
    FRZ_TRY(frz_http_headers_add(headers, FRZ_STR("x-amz-security-token"),
                                 credentials->session_token, err));
  frz_sigv4_request form = {.method = request->method,
                            .path = request->path,
                            .query = request->query,
                            .n_query = request->n_query,
                            .headers = headers->items,
                            .n_headers = headers->n_items,
                            .payload_hash = hash_copy,
                            .region = service->region,
                            .service = service->name,
                            .is_s3 = frz_str_is(service->name, "s3")};
  frz_str value;
  FRZ_TRY(frz_sigv4_authorization(&form, credentials, headers->arena, &value, err));
  return frz_http_headers_add(headers, FRZ_STR("authorization"), value, err);
}
