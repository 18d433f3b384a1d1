/*
 * azure_auth.c - see azure_auth.h.
 *
 * What must stay true: the resource that is signed is the path exactly as it is sent, the query as
 * it means; the decoded key is wiped.
 *
 * Source: Azure Storage documentation, "Authorize with Shared Key", "Blob, Queue, and File Services
 * (Shared Key authorization)", version 2015-02-21 and later; "Create a service SAS".
 */
#include "storage/azure_auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <time.h>

#include "base/os.h"
#include "net/secret.h"
#include "text/base64.h"

enum { HASH_BYTES = 32, SIGNED_BYTES_MAX = 1 << 20, SORTED_MAX = 32 };

static const char service_version[] = "2021-12-02";

/* ---- what is signed ---- */

static frz_str header_of(const frz_http_headers *headers, const char *name)
{
  for (size_t i = 0; i < headers->n_items; i++)
    if (frz_str_is_word(headers->items[i].name, name)) return headers->items[i].value;
  return (frz_str){"", 0};
}

static int compare_pairs(const void *a, const void *b)
{
  const frz_http_pair *left = a;
  const frz_http_pair *right = b;
  int order = frz_str_compare(left->name, right->name);
  return order != 0 ? order : frz_str_compare(left->value, right->value);
}

/* "name:value" lines in the order of their names; `first` goes before each, `last` behind. */
static frz_status append_pairs(const frz_http_pair *pairs, size_t n, const char *first,
                               const char *last, frz_buf *out, frz_error *err)
{
  frz_http_pair sorted[SORTED_MAX];
  if (n > SORTED_MAX)
    return frz_fail(err, FRZ_ERR_LIMIT, "%zu parts of a request to sign: at most %d", n,
                    SORTED_MAX);
  if (n != 0) memcpy(sorted, pairs, n * sizeof *sorted);
  qsort(sorted, n, sizeof *sorted, compare_pairs);
  for (size_t i = 0; i < n; i++) {
    FRZ_TRY(frz_buf_append_str(out, frz_str_from(first), err));
    for (size_t c = 0; c < sorted[i].name.size; c++)
      FRZ_TRY(frz_buf_append_byte(out, (uint8_t)frz_char_lower(sorted[i].name.data[c]), err));
    FRZ_TRY(frz_buf_append_byte(out, ':', err));
    FRZ_TRY(frz_buf_append_str(out, sorted[i].value, err));
    FRZ_TRY(frz_buf_append_str(out, frz_str_from(last), err));
  }
  return FRZ_OK;
}

static frz_status append_own_headers(const frz_http_headers *headers, frz_buf *out, frz_error *err)
{
  frz_http_pair own[SORTED_MAX];
  size_t n = 0;
  for (size_t i = 0; i < headers->n_items && n < SORTED_MAX; i++)
    if (frz_str_starts(headers->items[i].name, "x-ms-")) own[n++] = headers->items[i];
  return append_pairs(own, n, "", "\n", out, err);
}

frz_status frz_azure_string_to_sign(frz_str account, const frz_http_request *request,
                                    const frz_http_headers *headers, frz_buf *out, frz_error *err)
{
  static const char *const names[] = {"content-md5",         "content-type", "date",
                                      "if-modified-since",   "if-match",     "if-none-match",
                                      "if-unmodified-since", "range"};
  FRZ_TRY(frz_buf_append_str(out, request->method, err));
  FRZ_TRY(frz_buf_append_str(out, FRZ_STR("\n\n\n"), err)); /* no encoding, no language */
  if (request->body.size != 0) FRZ_TRY(frz_buf_print(out, err, "%zu", request->body.size));
  FRZ_TRY(frz_buf_append_byte(out, '\n', err));
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    FRZ_TRY(frz_buf_append_str(out, header_of(headers, names[i]), err));
    FRZ_TRY(frz_buf_append_byte(out, '\n', err));
  }
  FRZ_TRY(append_own_headers(headers, out, err));
  FRZ_TRY(frz_buf_append_byte(out, '/', err));
  FRZ_TRY(frz_buf_append_str(out, account, err));
  FRZ_TRY(frz_buf_append_str(out, request->path, err));
  return append_pairs(request->query, request->n_query, "\n", "", out, err);
}

/* ---- proofs ---- */

/* The signature of a text with the account's key, in base64. */
static frz_status sign(frz_str account_key, frz_str text, frz_arena *arena, frz_str *signature_out,
                       frz_error *err)
{
  unsigned char hash[HASH_BYTES];
  unsigned int n = HASH_BYTES;
  frz_str key;
  if (!frz_base64_read(account_key, arena, &key) || (key.data != NULL && key.size == 0))
    return frz_fail(err, FRZ_ERR_INVALID, "property adls.account-key: not a key in base64");
  if (key.data == NULL) return frz_fail_nomem(err, "signature");
  bool is_done = HMAC(EVP_sha256(), key.data, (int)key.size, (const unsigned char *)text.data,
                      text.size, hash, &n) != NULL;
  OPENSSL_cleanse((void *)(uintptr_t)key.data, key.size);
  if (is_done) *signature_out = frz_base64_print((frz_str){(const char *)hash, HASH_BYTES}, arena);
  if (!is_done || signature_out->data == NULL) return frz_fail_nomem(err, "signature");
  return FRZ_OK;
}

static frz_status add_signature(const frz_azure_config *config, frz_str account,
                                const frz_http_request *request, frz_http_headers *headers,
                                frz_error *err)
{
  frz_buf text;
  if (config->account.size != 0 && !frz_str_equal(account, config->account))
    return frz_fail(err, FRZ_ERR_AUTH,
                    "the files are of account '%.*s', the property adls.account-key is of '%.*s'",
                    FRZ_STR_ARG(account), FRZ_STR_ARG(config->account));
  frz_buf_init(&text, headers->arena->alloc, SIGNED_BYTES_MAX);
  frz_str signature = {0}, value = {0};
  frz_status st = frz_azure_string_to_sign(account, request, headers, &text, err);
  if (st == FRZ_OK)
    st = sign(config->account_key, frz_buf_str(&text), headers->arena, &signature, err);
  frz_buf_dispose(&text);
  FRZ_TRY(st);
  value = frz_arena_print(headers->arena, "SharedKey %.*s:%.*s", FRZ_STR_ARG(account),
                          FRZ_STR_ARG(signature));
  if (value.data == NULL) return frz_fail_nomem(err, "signature");
  return frz_http_headers_add(headers, FRZ_STR("authorization"), value, err);
}

static frz_status add_date(int64_t clock_ahead_ms, frz_http_headers *headers, frz_error *err)
{
  char text[40];
  time_t seconds = (time_t)((frz_os_now_ms() + clock_ahead_ms) / 1000);
  struct tm tm;
  if (gmtime_r(&seconds, &tm) == NULL ||
      strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
    return frz_fail(err, FRZ_ERR_INVALID, "this machine's clock tells no date");
  frz_str date = frz_arena_copy(headers->arena, frz_str_from(text));
  if (date.data == NULL) return frz_fail_nomem(err, "request headers");
  FRZ_TRY(frz_http_headers_add(headers, FRZ_STR("x-ms-date"), date, err));
  return frz_http_headers_add(headers, FRZ_STR("x-ms-version"), frz_str_from(service_version), err);
}

frz_status frz_azure_authorize(const frz_azure_config *config, frz_oauth *oauth, frz_str account,
                               int64_t clock_ahead_ms, const frz_http_request *request,
                               frz_http_headers *headers, frz_error *err)
{
  FRZ_TRY(add_date(clock_ahead_ms, headers, err));
  if (config->sas_token.size != 0) {
    headers->more_query = config->sas_token;
    return FRZ_OK;
  }
  frz_str token = {0};
  if (config->token.size != 0)
    FRZ_TRY(frz_oauth_bearer(config->token, headers->arena, &token, err));
  else if (oauth != NULL)
    FRZ_TRY(frz_oauth_authorization(oauth, headers->arena, &token, err));
  if (token.size != 0) return frz_http_headers_add(headers, FRZ_STR("authorization"), token, err);
  if (config->account_key.size != 0) return add_signature(config, account, request, headers, err);
  if (config->is_anonymous) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_AUTH,
                  "no credentials for account '%.*s'; set adls.account-key, adls.sas-token, "
                  "adls.token, or adls.tenant-id, adls.client-id and adls.client-secret, or "
                  "adls.anon=true",
                  FRZ_STR_ARG(account));
}

/* Of a shared access signature it is the value of "sig" that is secret. */
static frz_str signature_of(frz_str token)
{
  for (size_t at = 0; at < token.size;) {
    const char *from = token.data + at;
    const char *end = memchr(from, '&', token.size - at);
    frz_str item = {from, end != NULL ? (size_t)(end - from) : token.size - at};
    if (frz_str_starts(item, "sig=")) return (frz_str){from + 4, item.size - 4};
    at += item.size + 1;
  }
  return (frz_str){"", 0};
}

frz_str frz_azure_unless_secret(const frz_azure_config *config, frz_str text)
{
  enum { SIGNATURE_BYTES = 64 }; /* it is 44 long; of a longer one its beginning */
  char meant[SIGNATURE_BYTES];   /* servers say it decoded, or as it was sent */
  frz_str signature = signature_of(config->sas_token);
  size_t meant_bytes = frz_percent_decode(signature, meant, sizeof meant);
  const frz_str secrets[] = {config->account_key,  config->sas_token, signature,
                             {meant, meant_bytes}, config->token,     config->client_secret};
  text = frz_unless_secret(text, secrets, sizeof secrets / sizeof secrets[0]);
  OPENSSL_cleanse(meant, sizeof meant);
  return text;
}
