/*
 * oauth.c - see oauth.h.
 *
 * The token and its end are guarded by a lock, which is held while a new one is fetched, so that
 * many threads fetch one token. What must stay true: token and secret never reach a message, and
 * are wiped when they go.
 */
#include "net/oauth.h"

#include <openssl/crypto.h>
#include <pthread.h>

#include "base/os.h"
#include "net/secret.h"
#include "text/json_reader.h"

enum {
  ANSWER_BYTES_MAX = 1 << 20,
  FORM_BYTES_MAX = 1 << 20,
  EARLY_MS = 60000, /* before its end a token is renewed */
  FRESH_MS = 1000   /* a token of this age is not renewed because a server refused it */
};

struct frz_oauth {
  const frz_alloc *alloc;
  frz_http_client *http;
  pthread_mutex_t lock;
  frz_string token; /* data NULL: none yet */
  int64_t ends_ms;  /* INT64_MAX: unknown */
  int64_t made_ms;
  frz_string id, secret, url, form; /* form: "scope=..&..", what goes with every request */
  frz_status (*make_form)(void *ctx, frz_buf *form, frz_error *err);
  void *form_ctx;
  frz_http_pair header;
  const char *advice;
};

/* Is there something to fetch tokens with? */
static bool can_fetch(const frz_oauth *oauth)
{
  return oauth->secret.data != NULL || oauth->make_form != NULL || oauth->header.name.size != 0;
}

static void wipe(frz_string *text)
{
  if (text->data != NULL) OPENSSL_cleanse(text->data, text->size_bytes);
  frz_string_dispose(text);
}

static void wipe_buf(frz_buf *buf)
{
  if (buf->data != NULL) OPENSSL_cleanse(buf->data, buf->size);
  frz_buf_dispose(buf);
}

static frz_str str_of(const frz_string *text)
{
  return (frz_str){text->data, text->size_bytes};
}

void frz_oauth_free(frz_oauth *oauth)
{
  if (oauth == NULL) return;
  pthread_mutex_destroy(&oauth->lock);
  wipe(&oauth->token);
  wipe(&oauth->secret);
  frz_string_dispose(&oauth->id);
  frz_string_dispose(&oauth->url);
  frz_string_dispose(&oauth->form);
  frz_alloc_free(oauth->alloc, oauth, sizeof *oauth);
}

static frz_status keep_credential(frz_oauth *oauth, frz_str credential, frz_error *err)
{
  const char *colon = memchr(credential.data, ':', credential.size);
  frz_str id = {"", 0};
  if (colon != NULL) {
    id = (frz_str){credential.data, (size_t)(colon - credential.data)};
    credential = (frz_str){colon + 1, credential.size - id.size - 1};
  }
  FRZ_TRY(frz_string_copy(oauth->alloc, id, &oauth->id, err));
  return frz_string_copy(oauth->alloc, credential, &oauth->secret, err);
}

static frz_status keep_form(frz_oauth *oauth, const frz_oauth_options *options, frz_error *err)
{
  const frz_http_pair scope = {FRZ_STR("scope"), options->scope};
  frz_buf form;
  frz_buf_init(&form, oauth->alloc, FORM_BYTES_MAX);
  frz_status st = FRZ_OK;
  if (options->scope.size != 0) st = frz_query_append(&scope, 1, &form, err);
  if (st == FRZ_OK && options->n_more != 0 && form.size != 0)
    st = frz_buf_append_byte(&form, '&', err);
  if (st == FRZ_OK) st = frz_query_append(options->more, options->n_more, &form, err);
  if (st == FRZ_OK) st = frz_buf_take_string(&form, &oauth->form, err);
  frz_buf_dispose(&form);
  return st;
}

frz_status frz_oauth_create(const frz_alloc *alloc, frz_http_client *http,
                            const frz_oauth_options *options, frz_oauth **oauth_out, frz_error *err)
{
  frz_oauth *oauth = frz_alloc_zeroed(alloc, sizeof *oauth);
  if (oauth == NULL) return frz_fail_nomem(err, "OAuth2 token");
  oauth->alloc = alloc;
  oauth->http = http;
  oauth->ends_ms = INT64_MAX;
  oauth->make_form = options->make_form;
  oauth->form_ctx = options->form_ctx;
  oauth->header = options->header;
  oauth->advice = options->advice != NULL
                      ? options->advice
                      : "check the properties credential, scope and oauth2-server-uri";
  pthread_mutex_init(&oauth->lock, NULL);
  frz_status st = FRZ_OK;
  if (options->token.size != 0) st = frz_string_copy(alloc, options->token, &oauth->token, err);
  if (st == FRZ_OK && options->credential.size != 0)
    st = keep_credential(oauth, options->credential, err);
  if (st == FRZ_OK) st = frz_string_copy(alloc, options->token_url, &oauth->url, err);
  if (st == FRZ_OK) st = keep_form(oauth, options, err);
  if (st == FRZ_OK)
    *oauth_out = oauth;
  else
    frz_oauth_free(oauth);
  return st;
}

/* What a token endpoint answers, good or bad. Texts point into it or the arena. */
typedef struct token_answer {
  frz_str token;
  frz_str error;
  int64_t expires_s; /* -1: not said */
} token_answer;

static frz_status read_answer(frz_str text, frz_arena *arena, token_answer *answer, frz_error *err)
{
  frz_json_reader json;
  frz_json_reader_init(&json, text.data, text.size, arena);
  answer->expires_s = -1;
  FRZ_TRY(frz_json_object_begin(&json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(&json, &key, &more, err));
    if (!more) return FRZ_OK;
    frz_json_kind kind;
    FRZ_TRY(frz_json_peek(&json, &kind, err));
    if (frz_str_is(key, "access_token") && kind == FRZ_JSON_STRING)
      FRZ_TRY(frz_json_read_string(&json, &answer->token, err));
    else if (frz_str_is(key, "error") && kind == FRZ_JSON_STRING)
      FRZ_TRY(frz_json_read_string(&json, &answer->error, err));
    else if (frz_str_is(key, "expires_in") && kind == FRZ_JSON_NUMBER)
      FRZ_TRY(frz_json_read_i64(&json, &answer->expires_s, err));
    else
      FRZ_TRY(frz_json_skip(&json, err));
  }
}

/* The lock is held. */
static frz_str unless_secret(const frz_oauth *oauth, frz_str text)
{
  const frz_str secrets[] = {str_of(&oauth->token), str_of(&oauth->secret)};
  return frz_unless_secret(text, secrets, 2);
}

static frz_status take_answer(frz_oauth *oauth, const frz_http_request *request, frz_arena *arena,
                              frz_error *err)
{
  token_answer answer = {.expires_s = -1};
  int status = request->answer.status;
  /* The parser's words could quote the answer, which holds the token. */
  frz_status read = read_answer(frz_buf_str(request->text), arena, &answer, NULL);
  if (read == FRZ_ERR_NOMEM) return frz_fail_nomem(err, "OAuth2 token");
  bool is_json = read == FRZ_OK;
  answer.error = unless_secret(oauth, answer.error);
  if (status != 200)
    return frz_fail(err, status < 500 && status != 404 ? FRZ_ERR_AUTH : FRZ_ERR_IO,
                    "token request to %s: HTTP %d%s%.*s; %s", oauth->url.data, status,
                    is_json && answer.error.size != 0 ? ", " : "", FRZ_STR_ARG(answer.error),
                    oauth->advice);
  if (!is_json || answer.token.size == 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "token request to %s: the answer holds no access_token",
                    oauth->url.data);
  frz_string token;
  FRZ_TRY(frz_string_copy(oauth->alloc, answer.token, &token, err));
  wipe(&oauth->token);
  oauth->token = token;
  oauth->made_ms = frz_os_now_ms();
  bool is_known = answer.expires_s >= 0 && answer.expires_s < INT32_MAX;
  oauth->ends_ms = is_known ? oauth->made_ms + answer.expires_s * 1000 : INT64_MAX;
  return FRZ_OK;
}

static frz_status build_form(const frz_oauth *oauth, frz_buf *form, frz_error *err)
{
  if (oauth->make_form != NULL) return oauth->make_form(oauth->form_ctx, form, err);

  const frz_http_pair pairs[] = {{FRZ_STR("grant_type"), FRZ_STR("client_credentials")},
                                 {FRZ_STR("client_secret"), str_of(&oauth->secret)},
                                 {FRZ_STR("client_id"), str_of(&oauth->id)}};
  FRZ_TRY(frz_query_append(pairs, oauth->id.size_bytes != 0 ? 3 : 2, form, err));
  if (oauth->form.size_bytes == 0) return FRZ_OK;
  FRZ_TRY(frz_buf_append_byte(form, '&', err));
  return frz_buf_append_str(form, str_of(&oauth->form), err);
}

static frz_status fetch(frz_oauth *oauth, frz_error *err)
{
  static const frz_http_pair type = {{"content-type", 12},
                                     {"application/x-www-form-urlencoded", 33}};
  frz_url url;
  frz_buf form, answer;
  frz_arena arena;
  frz_status st = FRZ_OK;
  frz_buf_init(&form, oauth->alloc, FORM_BYTES_MAX);
  frz_buf_init(&answer, oauth->alloc, ANSWER_BYTES_MAX);
  frz_arena_init(&arena, oauth->alloc, ANSWER_BYTES_MAX);
  bool is_get = oauth->header.name.size != 0;
  FRZ_TRY_OUT(frz_url_parse(str_of(&oauth->url), "the address of the token server", &url, err));
  if (!is_get) FRZ_TRY_OUT(build_form(oauth, &form, err));
  frz_http_request request = {.method = is_get ? FRZ_STR("GET") : FRZ_STR("POST"),
                              .origin = url.origin,
                              .path = url.path,
                              .headers = is_get ? &oauth->header : &type,
                              .n_headers = 1,
                              .body = frz_buf_str(&form),
                              .may_repeat = true, /* another token does no harm */
                              .text = &answer};
  FRZ_TRY_OUT(frz_http_send(oauth->http, &request, 1, err));
  FRZ_TRY_OUT(take_answer(oauth, &request, &arena, err));
out:
  wipe_buf(&form);
  wipe_buf(&answer);
  frz_arena_free(&arena);
  return st;
}

static bool must_fetch(const frz_oauth *oauth)
{
  if (!can_fetch(oauth)) return false;
  if (oauth->token.data == NULL) return true;
  int64_t now_ms = frz_os_now_ms();
  int64_t life_ms = oauth->ends_ms - oauth->made_ms;
  int64_t early_ms = life_ms / 4 < EARLY_MS ? life_ms / 4 : EARLY_MS;
  return oauth->ends_ms != INT64_MAX && now_ms >= oauth->ends_ms - early_ms;
}

frz_status frz_oauth_bearer(frz_str token, frz_arena *arena, frz_str *value_out, frz_error *err)
{
  char *text = frz_arena_push(arena, token.size + 8);
  if (text == NULL) return frz_fail_nomem(err, "token");
  memcpy(text, "Bearer ", 7);
  memcpy(text + 7, token.data, token.size);
  *value_out = (frz_str){text, token.size + 7};
  return FRZ_OK;
}

frz_status frz_oauth_authorization(frz_oauth *oauth, frz_arena *arena, frz_str *value_out,
                                   frz_error *err)
{
  frz_status st = FRZ_OK;
  pthread_mutex_lock(&oauth->lock);
  if (must_fetch(oauth)) st = fetch(oauth, err);
  if (st == FRZ_OK && oauth->token.data == NULL)
    st = frz_fail(err, FRZ_ERR_AUTH, "no token: set the property token or credential");
  if (st == FRZ_OK) st = frz_oauth_bearer(str_of(&oauth->token), arena, value_out, err);
  pthread_mutex_unlock(&oauth->lock);
  return st;
}

frz_str frz_oauth_unless_secret(frz_oauth *oauth, frz_str text)
{
  pthread_mutex_lock(&oauth->lock);
  text = unless_secret(oauth, text);
  pthread_mutex_unlock(&oauth->lock);
  return text;
}

bool frz_oauth_invalidate(frz_oauth *oauth)
{
  bool is_fetched = false;
  pthread_mutex_lock(&oauth->lock);
  if (can_fetch(oauth) && oauth->token.data != NULL &&
      frz_os_now_ms() - oauth->made_ms >= FRESH_MS) {
    wipe(&oauth->token);
    is_fetched = true;
  }
  pthread_mutex_unlock(&oauth->lock);
  return is_fetched;
}
