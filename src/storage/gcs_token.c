/*
 * gcs_token.c - see gcs_token.h.
 *
 * A service account's key signs a JSON Web Token, which Google's token server takes in exchange for
 * a bearer token of an hour. The user's own credentials, as gcloud leaves them, are a refresh token
 * for the same exchange. The metadata server gives a token without one.
 *
 * What must stay true: key and tokens never reach a message; copies of them are wiped.
 *
 * Source: RFC 7515, RFC 7519, RFC 7523; Google Cloud documentation, "Using OAuth 2.0 for Server to
 * Server Applications", "How Application Default Credentials works".
 */
#include "storage/gcs_token.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "base/os.h"
#include "storage/local_storage.h"
#include "text/base64.h"
#include "text/json_reader.h"
#include "text/json_writer.h"

enum {
  FILE_BYTES_MAX = 1 << 20,
  JWT_BYTES_MAX = 1 << 16,
  LIFE_S = 3600,
  SIGNATURE_BYTES_MAX = 2048
};

static const char token_url[] = "https://oauth2.googleapis.com/token";
static const char token_scope[] = "https://www.googleapis.com/auth/devstorage.read_write";

struct frz_gcs_tokens {
  const frz_alloc *alloc;
  frz_arena arena;            /* owns the texts */
  frz_http_client *near_http; /* of the metadata server: short timeouts. May be NULL */
  frz_oauth *oauth;
  frz_str email, key_id, pem;                      /* of a service account */
  frz_str client_id, client_secret, refresh_token; /* of a user */
  frz_str url;
  frz_str file; /* all of the text that the others come from */
};

/* ---- JSON Web Tokens ---- */

static frz_status json_part(frz_buf *scratch, frz_buf *out, frz_arena *arena, frz_error *err)
{
  frz_str encoded = frz_base64_print_url(frz_buf_str(scratch), arena);
  if (encoded.data == NULL) return frz_fail_nomem(err, "token request");
  return frz_buf_append_str(out, encoded, err);
}

static frz_status write_header(frz_str key_id, frz_buf *scratch, frz_error *err)
{
  frz_json_writer json;
  frz_json_writer_init(&json, scratch);
  frz_json_write_object_begin(&json);
  frz_json_write_string_member(&json, "alg", FRZ_STR("RS256"));
  frz_json_write_string_member(&json, "typ", FRZ_STR("JWT"));
  if (key_id.size != 0) frz_json_write_string_member(&json, "kid", key_id);
  frz_json_write_object_end(&json);
  return frz_json_writer_finish(&json, err);
}

static frz_status write_claims(frz_str email, frz_str audience, int64_t now_s, frz_buf *scratch,
                               frz_error *err)
{
  frz_json_writer json;
  frz_json_writer_init(&json, scratch);
  frz_json_write_object_begin(&json);
  frz_json_write_string_member(&json, "iss", email);
  frz_json_write_string_member(&json, "scope", frz_str_from(token_scope));
  frz_json_write_string_member(&json, "aud", audience);
  frz_json_write_i64_member(&json, "iat", now_s);
  frz_json_write_i64_member(&json, "exp", now_s + LIFE_S);
  frz_json_write_object_end(&json);
  return frz_json_writer_finish(&json, err);
}

/* The signature of what was written so far; false: the key is none. */
static bool sign(frz_str pem, frz_str text, unsigned char *out, size_t *size)
{
  BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
  EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
  EVP_MD_CTX *digest = EVP_MD_CTX_new();
  bool is_signed =
      key != NULL && digest != NULL && EVP_PKEY_is_a(key, "RSA") == 1 &&
      EVP_PKEY_get_size(key) <= (int)*size &&
      EVP_DigestSignInit(digest, NULL, EVP_sha256(), NULL, key) == 1 &&
      EVP_DigestSign(digest, out, size, (const unsigned char *)text.data, text.size) == 1;
  EVP_MD_CTX_free(digest);
  EVP_PKEY_free(key);
  BIO_free(bio);
  return is_signed;
}

static frz_status append_signed(frz_str pem, frz_buf *jwt, size_t start, frz_arena *arena,
                                frz_error *err)
{
  unsigned char signature[SIGNATURE_BYTES_MAX];
  size_t size = sizeof signature;
  frz_str text = {(const char *)jwt->data + start, jwt->size - start};
  if (!sign(pem, text, signature, &size))
    return frz_fail(err, FRZ_ERR_INVALID,
                    "the private key of the service account is not an RSA key in PEM");
  frz_str encoded = frz_base64_print_url((frz_str){(const char *)signature, size}, arena);
  if (encoded.data == NULL) return frz_fail_nomem(err, "token request");
  FRZ_TRY(frz_buf_append_byte(jwt, '.', err));
  return frz_buf_append_str(jwt, encoded, err);
}

frz_status frz_gcs_jwt_append(frz_str email, frz_str key_id, frz_str pem, frz_str audience,
                              int64_t now_s, frz_buf *out, frz_error *err)
{
  frz_arena arena;
  frz_buf scratch;
  frz_status st = FRZ_OK;
  size_t start = out->size;
  frz_arena_init(&arena, out->alloc, 4 * JWT_BYTES_MAX);
  frz_buf_init(&scratch, out->alloc, JWT_BYTES_MAX);
  FRZ_TRY_OUT(write_header(key_id, &scratch, err));
  FRZ_TRY_OUT(json_part(&scratch, out, &arena, err));
  FRZ_TRY_OUT(frz_buf_append_byte(out, '.', err));
  scratch.size = 0;
  FRZ_TRY_OUT(write_claims(email, audience, now_s, &scratch, err));
  FRZ_TRY_OUT(json_part(&scratch, out, &arena, err));
  FRZ_TRY_OUT(append_signed(pem, out, start, &arena, err));
out:
  frz_buf_dispose(&scratch);
  frz_arena_free(&arena);
  return st;
}

/* ---- forms ---- */

static frz_status account_form(void *ctx, frz_buf *form, frz_error *err)
{
  const frz_gcs_tokens *tokens = ctx;
  frz_buf jwt;
  frz_buf_init(&jwt, tokens->alloc, JWT_BYTES_MAX);
  frz_status st = frz_gcs_jwt_append(tokens->email, tokens->key_id, tokens->pem, tokens->url,
                                     frz_os_now_ms() / 1000, &jwt, err);
  const frz_http_pair pairs[] = {
      {FRZ_STR("grant_type"), FRZ_STR("urn:ietf:params:oauth:grant-type:jwt-bearer")},
      {FRZ_STR("assertion"), frz_buf_str(&jwt)}};
  if (st == FRZ_OK) st = frz_query_append(pairs, 2, form, err);
  if (jwt.data != NULL) OPENSSL_cleanse(jwt.data, jwt.size);
  frz_buf_dispose(&jwt);
  return st;
}

static frz_status user_form(void *ctx, frz_buf *form, frz_error *err)
{
  const frz_gcs_tokens *tokens = ctx;
  const frz_http_pair pairs[] = {{FRZ_STR("grant_type"), FRZ_STR("refresh_token")},
                                 {FRZ_STR("client_id"), tokens->client_id},
                                 {FRZ_STR("client_secret"), tokens->client_secret},
                                 {FRZ_STR("refresh_token"), tokens->refresh_token}};
  return frz_query_append(pairs, 4, form, err);
}

/* ---- sources ---- */

static frz_status read_members(frz_gcs_tokens *tokens, frz_json_reader *json, frz_str *type_out)
{
  const struct {
    const char *name;
    frz_str *to;
  } members[] = {{"type", type_out},
                 {"client_email", &tokens->email},
                 {"private_key", &tokens->pem},
                 {"private_key_id", &tokens->key_id},
                 {"token_uri", &tokens->url},
                 {"client_id", &tokens->client_id},
                 {"client_secret", &tokens->client_secret},
                 {"refresh_token", &tokens->refresh_token}};
  FRZ_TRY(frz_json_object_begin(json, NULL));
  for (;;) {
    frz_str key, *to = NULL;
    frz_json_kind kind;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &key, &more, NULL));
    if (!more) return FRZ_OK;
    FRZ_TRY(frz_json_peek(json, &kind, NULL));
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
      if (frz_str_is(key, members[i].name) && kind == FRZ_JSON_STRING) to = members[i].to;
    FRZ_TRY(to != NULL ? frz_json_read_string(json, to, NULL) : frz_json_skip(json, NULL));
  }
}

static frz_status make_oauth(frz_gcs_tokens *tokens, frz_http_client *http,
                             frz_oauth_options *options, frz_error *err)
{
  options->token_url = tokens->url;
  options->form_ctx = tokens;
  return frz_oauth_create(tokens->alloc, http, options, &tokens->oauth, err);
}

/* FRZ_ERR_NOT_FOUND: there is no such file. Of its text nothing is quoted. */
static frz_status from_file(frz_gcs_tokens *tokens, frz_http_client *http, frz_str path,
                            frz_error *err)
{
  frz_str text, type = {"", 0};
  frz_json_reader json;
  frz_oauth_options options = {.advice = "are the Google credentials right, and not withdrawn?"};
  FRZ_TRY(frz_local_file_read(path, FILE_BYTES_MAX, &tokens->arena, &text, err));
  tokens->file = text;
  tokens->url = frz_str_from(token_url);
  frz_json_reader_init(&json, text.data, text.size, &tokens->arena);
  frz_status st = read_members(tokens, &json, &type);
  if (st == FRZ_ERR_NOMEM) return frz_fail_nomem(err, "Google credentials");
  if (st != FRZ_OK)
    return frz_fail(err, FRZ_ERR_INVALID, "'%.*s' is not a file of Google credentials in JSON",
                    FRZ_STR_ARG(path));
  bool is_account = frz_str_is(type, "service_account");
  if (!is_account && !frz_str_is(type, "authorized_user"))
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "'%.*s': credentials of type '%.*s' are not in this build; service_account and "
                    "authorized_user are",
                    FRZ_STR_ARG(path), FRZ_STR_ARG(type));
  if (is_account ? tokens->email.size == 0 || tokens->pem.size == 0
                 : tokens->client_id.size == 0 || tokens->refresh_token.size == 0)
    return frz_fail(err, FRZ_ERR_INVALID, "'%.*s' is not whole: it lacks what a '%.*s' has",
                    FRZ_STR_ARG(path), FRZ_STR_ARG(type));
  options.make_form = is_account ? account_form : user_form;
  return make_oauth(tokens, http, &options, err);
}

static frz_status from_metadata_server(frz_gcs_tokens *tokens, frz_context *context, frz_error *err)
{
  frz_str host = frz_str_from(getenv("GCE_METADATA_HOST"));
  frz_http_options near_by;
  frz_oauth_options options = {
      .header = {FRZ_STR("metadata-flavor"), FRZ_STR("Google")},
      .advice =
          "no credentials: set gcs.oauth2.token or gcs.credentials-file, or give this machine "
          "a service account"};
  if (host.size == 0) host = FRZ_STR("metadata.google.internal");
  frz_http_options_init(&near_by);
  near_by.connect_timeout_ms = 1000;
  near_by.stall_timeout_ms = 5000;
  near_by.retry.attempts_max = 3;
  FRZ_TRY(frz_http_client_create(context, &near_by, &tokens->near_http, err));
  tokens->url = frz_arena_print(&tokens->arena,
                                "http://%.*s/computeMetadata/v1/instance/service-accounts/default/"
                                "token",
                                FRZ_STR_ARG(host));
  if (tokens->url.data == NULL) return frz_fail_nomem(err, "Google credentials");
  return make_oauth(tokens, tokens->near_http, &options, err);
}

/* Where Google's own tools look, in their order. */
static frz_status look_around(frz_gcs_tokens *tokens, frz_context *context, frz_http_client *http,
                              frz_error *err)
{
  frz_str path = frz_str_from(getenv("GOOGLE_APPLICATION_CREDENTIALS"));
  if (path.size != 0) return from_file(tokens, http, path, err);
  frz_str home = frz_str_from(getenv("HOME"));
  path = frz_arena_print(&tokens->arena, "%.*s/.config/gcloud/application_default_credentials.json",
                         FRZ_STR_ARG(home));
  if (path.data == NULL) return frz_fail_nomem(err, "Google credentials");
  frz_status st = from_file(tokens, http, path, err);
  return st == FRZ_ERR_NOT_FOUND ? from_metadata_server(tokens, context, err) : st;
}

frz_status frz_gcs_tokens_create(frz_context *context, frz_http_client *http,
                                 const frz_gcs_config *config, frz_gcs_tokens **tokens_out,
                                 frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  *tokens_out = NULL;
  if (config->credentials_file.size == 0 && !config->looks_around) return FRZ_OK;
  frz_gcs_tokens *tokens = frz_alloc_zeroed(alloc, sizeof *tokens);
  if (tokens == NULL) return frz_fail_nomem(err, "Google credentials");
  tokens->alloc = alloc;
  frz_arena_init(&tokens->arena, alloc, 8 * FILE_BYTES_MAX);
  frz_status st = config->credentials_file.size != 0
                      ? from_file(tokens, http, config->credentials_file, err)
                      : look_around(tokens, context, http, err);
  if (st == FRZ_OK) {
    *tokens_out = tokens;
    return FRZ_OK;
  }
  frz_gcs_tokens_free(tokens);
  return st == FRZ_ERR_NOT_FOUND ? frz_fail(err, FRZ_ERR_AUTH,
                                            "no file of Google credentials at "
                                            "the path that is set")
                                 : st;
}

static void wipe(frz_str text)
{
  if (text.size != 0) OPENSSL_cleanse((void *)(uintptr_t)text.data, text.size);
}

void frz_gcs_tokens_free(frz_gcs_tokens *tokens)
{
  if (tokens == NULL) return;
  frz_oauth_free(tokens->oauth);
  frz_http_client_free(tokens->near_http);
  wipe(tokens->pem); /* with its escapes resolved it is a copy */
  wipe(tokens->client_secret);
  wipe(tokens->refresh_token);
  wipe(tokens->file);
  frz_arena_free(&tokens->arena);
  frz_alloc_free(tokens->alloc, tokens, sizeof *tokens);
}

frz_oauth *frz_gcs_tokens_oauth(frz_gcs_tokens *tokens)
{
  return tokens->oauth;
}
