/*
 * sigv4.c - see sigv4.h.
 *
 * Three steps: a canonical form of the request; a text with its hash, the time and the scope; an
 * HMAC of that text under a key derived from the secret, the day, the region and the service.
 *
 * What must stay true: the path and query that are signed are encoded exactly as they are sent, by
 * the same function (url.c); pairs are ordered by their encoded bytes; the derived key is wiped.
 */
#include "net/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { HASH_BYTES = 32, CANONICAL_BYTES_MAX = 1 << 20, DATE_BYTES = 16, DAY_BYTES = 8 };

/* ---- hashes ---- */

static void hex_of(const unsigned char hash[HASH_BYTES], char hex_out[FRZ_SHA256_HEX_BYTES])
{
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < HASH_BYTES; i++) {
    hex_out[2 * i] = digits[hash[i] >> 4];
    hex_out[2 * i + 1] = digits[hash[i] & 15];
  }
  hex_out[FRZ_SHA256_HEX_BYTES - 1] = '\0';
}

frz_status frz_sha256_hex(const void *data, size_t size, char hex_out[FRZ_SHA256_HEX_BYTES],
                          frz_error *err)
{
  unsigned char hash[HASH_BYTES];
  if (EVP_Digest(size != 0 ? data : "", size, hash, NULL, EVP_sha256(), NULL) != 1)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "SHA-256 is not offered by this OpenSSL");
  hex_of(hash, hex_out);
  return FRZ_OK;
}

/* `out` may be the key. */
static bool hmac(const unsigned char *key, size_t key_bytes, frz_str text,
                 unsigned char out[HASH_BYTES])
{
  unsigned int n = HASH_BYTES;
  return HMAC(EVP_sha256(), key, (int)key_bytes, (const unsigned char *)text.data, text.size, out,
              &n) != NULL;
}

void frz_sigv4_date(int64_t time_ms, char date_out[17])
{
  time_t seconds = (time_t)(time_ms / 1000);
  struct tm tm;
  if (gmtime_r(&seconds, &tm) == NULL || strftime(date_out, 17, "%Y%m%dT%H%M%SZ", &tm) == 0)
    memcpy(date_out, "19700101T000000Z", 17);
}

/* ---- the canonical request ---- */

static int compare_pairs(const void *a, const void *b)
{
  const frz_http_pair *left = a;
  const frz_http_pair *right = b;
  int order = frz_str_compare(left->name, right->name);
  return order != 0 ? order : frz_str_compare(left->value, right->value);
}

static frz_str encoded(frz_str text, frz_arena *arena, frz_buf *scratch, frz_error *err)
{
  scratch->size = 0;
  if (frz_percent_encode(text, false, scratch, err) != FRZ_OK) return (frz_str){0};
  frz_str copy = frz_arena_copy(arena, frz_buf_str(scratch));
  if (copy.data == NULL) (void)frz_fail_nomem(err, "signature");
  return copy;
}

static frz_status append_query(const frz_sigv4_request *request, frz_arena *arena, frz_buf *out,
                               frz_error *err)
{
  frz_http_pair *pairs = frz_arena_array(arena, request->n_query, sizeof *pairs);
  if (pairs == NULL) return frz_fail_nomem(err, "signature");
  frz_status st = FRZ_OK;
  frz_buf scratch;
  frz_buf_init(&scratch, out->alloc, CANONICAL_BYTES_MAX);
  for (size_t i = 0; i < request->n_query && st == FRZ_OK; i++) {
    pairs[i].name = encoded(request->query[i].name, arena, &scratch, err);
    if (pairs[i].name.data != NULL)
      pairs[i].value = encoded(request->query[i].value, arena, &scratch, err);
    if (pairs[i].value.data == NULL) st = err != NULL ? err->code : FRZ_ERR_NOMEM;
  }
  frz_buf_dispose(&scratch);
  FRZ_TRY(st);
  qsort(pairs, request->n_query, sizeof *pairs, compare_pairs);
  for (size_t i = 0; i < request->n_query; i++) {
    if (i != 0) FRZ_TRY(frz_buf_append_byte(out, '&', err));
    FRZ_TRY(frz_buf_append_str(out, pairs[i].name, err));
    FRZ_TRY(frz_buf_append_byte(out, '=', err));
    FRZ_TRY(frz_buf_append_str(out, pairs[i].value, err));
  }
  return FRZ_OK;
}

static size_t segment_end(frz_str path, size_t at)
{
  while (at < path.size && path.data[at] != '/') at++;
  return at;
}

/* RFC 3986, "Remove Dot Segments", and empty ones; each segment is encoded once more. */
static frz_status append_normalized(frz_str path, frz_buf *out, frz_error *err)
{
  size_t start = out->size;
  bool ends_open = path.size == 0 || path.data[path.size - 1] == '/';
  for (size_t at = 0; at < path.size;) {
    size_t end = segment_end(path, at);
    frz_str segment = {path.data + at, end - at};
    at = end + 1;
    if (frz_str_is(segment, "..")) {
      while (out->size > start && out->data[--out->size] != '/') continue;
      ends_open = ends_open || at > path.size;
    } else if (frz_str_is(segment, ".")) {
      ends_open = ends_open || at > path.size;
    } else if (segment.size != 0) {
      FRZ_TRY(frz_buf_append_byte(out, '/', err));
      FRZ_TRY(frz_percent_encode(segment, false, out, err));
    }
  }
  return ends_open || out->size == start ? frz_buf_append_byte(out, '/', err) : FRZ_OK;
}

/* Spaces around are dropped, those within become one. */
static frz_status append_header_value(frz_str value, frz_buf *out, frz_error *err)
{
  bool has_text = false, pending = false;
  for (size_t i = 0; i < value.size; i++) {
    char c = value.data[i];
    if (c == ' ' || c == '\t') {
      pending = has_text;
      continue;
    }
    if (pending) FRZ_TRY(frz_buf_append_byte(out, ' ', err));
    FRZ_TRY(frz_buf_append_byte(out, (uint8_t)c, err));
    pending = false;
    has_text = true;
  }
  return FRZ_OK;
}

static frz_str lower(frz_str text, frz_arena *arena)
{
  frz_str copy = frz_arena_copy(arena, text);
  char *at = copy.data != NULL ? (char *)(uintptr_t)copy.data : NULL;
  for (size_t i = 0; at != NULL && i < copy.size; i++) at[i] = frz_char_lower(at[i]);
  return copy;
}

/* By name; the sort is stable, since values of one name stay in their order. */
static frz_status sort_headers(const frz_sigv4_request *request, frz_arena *arena,
                               frz_http_pair **sorted_out, frz_error *err)
{
  frz_http_pair *sorted = frz_arena_array(arena, request->n_headers, sizeof *sorted);
  if (sorted == NULL) return frz_fail_nomem(err, "signature");
  for (size_t i = 0; i < request->n_headers; i++) {
    frz_http_pair header = {lower(request->headers[i].name, arena), request->headers[i].value};
    if (header.name.data == NULL) return frz_fail_nomem(err, "signature");
    size_t at = i;
    for (; at > 0 && frz_str_compare(sorted[at - 1].name, header.name) > 0; at--)
      sorted[at] = sorted[at - 1];
    sorted[at] = header;
  }
  *sorted_out = sorted;
  return FRZ_OK;
}

static bool repeats(const frz_http_pair *sorted, size_t i)
{
  return i != 0 && frz_str_equal(sorted[i - 1].name, sorted[i].name);
}

static frz_status append_signed_names(const frz_http_pair *sorted, size_t n, frz_buf *out,
                                      frz_error *err)
{
  for (size_t i = 0; i < n; i++) {
    if (repeats(sorted, i)) continue;
    if (i != 0) FRZ_TRY(frz_buf_append_byte(out, ';', err));
    FRZ_TRY(frz_buf_append_str(out, sorted[i].name, err));
  }
  return FRZ_OK;
}

static frz_status append_headers(const frz_http_pair *sorted, size_t n, frz_buf *out,
                                 frz_error *err)
{
  for (size_t i = 0; i < n; i++) {
    if (repeats(sorted, i)) {
      out->data[out->size - 1] = ','; /* in place of the line's end */
    } else {
      FRZ_TRY(frz_buf_append_str(out, sorted[i].name, err));
      FRZ_TRY(frz_buf_append_byte(out, ':', err));
    }
    FRZ_TRY(append_header_value(sorted[i].value, out, err));
    FRZ_TRY(frz_buf_append_byte(out, '\n', err));
  }
  FRZ_TRY(frz_buf_append_byte(out, '\n', err));
  FRZ_TRY(append_signed_names(sorted, n, out, err));
  return frz_buf_append_byte(out, '\n', err);
}

static frz_status append_canonical(const frz_sigv4_request *request, const frz_http_pair *sorted,
                                   frz_arena *arena, frz_buf *out, frz_error *err)
{
  FRZ_TRY(frz_buf_append_str(out, request->method, err));
  FRZ_TRY(frz_buf_append_byte(out, '\n', err));
  if (!request->is_s3)
    FRZ_TRY(append_normalized(request->path, out, err));
  else
    FRZ_TRY(frz_buf_append_str(out, request->path.size != 0 ? request->path : FRZ_STR("/"), err));
  FRZ_TRY(frz_buf_append_byte(out, '\n', err));
  FRZ_TRY(append_query(request, arena, out, err));
  FRZ_TRY(frz_buf_append_byte(out, '\n', err));
  FRZ_TRY(append_headers(sorted, request->n_headers, out, err));
  return frz_buf_append_str(out, request->payload_hash, err);
}

frz_status frz_sigv4_canonical_request(const frz_sigv4_request *request, frz_buf *out,
                                       frz_error *err)
{
  frz_arena arena;
  frz_arena_init(&arena, out->alloc, CANONICAL_BYTES_MAX);
  frz_http_pair *sorted;
  frz_status st = sort_headers(request, &arena, &sorted, err);
  if (st == FRZ_OK) st = append_canonical(request, sorted, &arena, out, err);
  frz_arena_free(&arena);
  return st;
}

/* ---- the signature ---- */

static frz_str date_of(const frz_sigv4_request *request)
{
  for (size_t i = 0; i < request->n_headers; i++)
    if (frz_str_is_word(request->headers[i].name, "x-amz-date")) return request->headers[i].value;
  return (frz_str){0};
}

static bool sign(const frz_sigv4_request *request, frz_str secret, frz_str day, frz_str text,
                 char hex_out[FRZ_SHA256_HEX_BYTES])
{
  unsigned char key[HASH_BYTES];
  unsigned char first[4 + 256] = "AWS4";
  if (secret.size > sizeof first - 4) return false;
  memcpy(first + 4, secret.data, secret.size);
  bool done =
      hmac(first, 4 + secret.size, day, key) && hmac(key, HASH_BYTES, request->region, key) &&
      hmac(key, HASH_BYTES, request->service, key) &&
      hmac(key, HASH_BYTES, FRZ_STR("aws4_request"), key) && hmac(key, HASH_BYTES, text, key);
  if (done) hex_of(key, hex_out);
  OPENSSL_cleanse(key, sizeof key);
  OPENSSL_cleanse(first, sizeof first);
  return done;
}

static frz_status print_authorization(const frz_sigv4_request *request,
                                      const frz_aws_credentials *credentials,
                                      const frz_http_pair *sorted, frz_str date, frz_arena *arena,
                                      frz_buf *text, frz_str *value_out, frz_error *err)
{
  char hash[FRZ_SHA256_HEX_BYTES];
  frz_str day = {date.data, DAY_BYTES};
  FRZ_TRY(append_canonical(request, sorted, arena, text, err));
  FRZ_TRY(frz_sha256_hex(text->data, text->size, hash, err));
  frz_str scope = frz_arena_print(arena, "%.*s/%.*s/%.*s/aws4_request", FRZ_STR_ARG(day),
                                  FRZ_STR_ARG(request->region), FRZ_STR_ARG(request->service));
  if (scope.data == NULL) return frz_fail_nomem(err, "signature");
  text->size = 0;
  FRZ_TRY(frz_buf_print(text, err, "AWS4-HMAC-SHA256\n%.*s\n%s\n%s", DATE_BYTES, date.data,
                        scope.data, hash));
  if (!sign(request, credentials->secret_access_key, day, frz_buf_str(text), hash))
    return frz_fail(err, FRZ_ERR_INVALID, "a request cannot be signed with this secret key");
  text->size = 0;
  FRZ_TRY(frz_buf_print(text, err, "AWS4-HMAC-SHA256 Credential=%.*s/%s, SignedHeaders=",
                        FRZ_STR_ARG(credentials->access_key_id), scope.data));
  FRZ_TRY(append_signed_names(sorted, request->n_headers, text, err));
  FRZ_TRY(frz_buf_print(text, err, ", Signature=%s", hash));
  *value_out = frz_arena_copy(arena, frz_buf_str(text));
  return value_out->data != NULL ? FRZ_OK : frz_fail_nomem(err, "signature");
}

frz_status frz_sigv4_authorization(const frz_sigv4_request *request,
                                   const frz_aws_credentials *credentials, frz_arena *arena,
                                   frz_str *value_out, frz_error *err)
{
  frz_str date = date_of(request);
  frz_http_pair *sorted;
  frz_buf text;
  if (date.size != DATE_BYTES)
    return frz_fail(err, FRZ_ERR_INVALID, "a request without x-amz-date cannot be signed");
  FRZ_TRY(sort_headers(request, arena, &sorted, err));
  frz_buf_init(&text, arena->alloc, CANONICAL_BYTES_MAX);
  frz_status st =
      print_authorization(request, credentials, sorted, date, arena, &text, value_out, err);
  frz_buf_dispose(&text);
  return st;
}
