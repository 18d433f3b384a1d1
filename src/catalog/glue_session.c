/*
 * glue_session.c - see glue_session.h.
 *
 * All calls may be sent again: those that change something name what they expect (a new name, a
 * version), so that a second one is refused, and `may_be_done` tells the caller to look.
 *
 * What must stay true: what Glue says is quoted only where no key of ours is in it.
 */
#include "catalog/glue_session.h"

#include <string.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "base/os.h"
#include "net/aws_auth.h"
#include "net/secret.h"
#include "storage/aws_credentials.h"
#include "text/json_reader.h"

enum {
  SESSION_BYTES_MAX = 16 << 20,
  BODY_BYTES_MAX = 16 << 20,
  ANSWER_BYTES_MAX = 64 << 20,
  ERROR_BYTES_MAX = 1 << 20,
  SKEW_MS_MIN = 240000 /* clocks that differ less are not why a signature is refused */
};

struct frz_glue_session {
  frz_context *context;
  const frz_alloc *alloc;
  frz_arena arena; /* owns the texts below */
  frz_aws_config config;
  frz_str endpoint;
  frz_str catalog_id; /* size 0: the caller's account */
  frz_url url;
  frz_http_client *http;
  frz_aws_provider *provider;
  atomic_llong clock_ahead_ms;
};

/* ---- setting up ---- */

static frz_status read_properties(frz_glue_session *session, const frz_catalog_setup *setup,
                                  frz_error *err)
{
  for (size_t i = 0; i < setup->n_properties; i++) {
    frz_str key = frz_str_from(setup->properties[i].key);
    if (!frz_str_starts(key, "glue.") && !frz_str_starts(key, "client.")) continue;
    frz_str value = frz_arena_keep(&session->arena, frz_str_from(setup->properties[i].value));
    if (value.data == NULL) return frz_fail_nomem(err, "Glue catalog");
    bool is_taken;
    FRZ_TRY(frz_aws_config_set(&session->config, key, value, &is_taken, err));
    if (frz_str_is(key, "glue.endpoint")) session->endpoint = value;
    if (frz_str_is(key, "glue.id")) session->catalog_id = value;
  }
  return frz_aws_config_finish(&session->config, err);
}

static frz_status set_address(frz_glue_session *session, frz_error *err)
{
  frz_aws_config *config = &session->config;
  FRZ_TRY(frz_aws_config_check_region(config, err));
  if (config->region.size == 0 && session->endpoint.size == 0)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "property glue.region is missing, such as eu-west-1 (or client.region)");
  if (config->region.size == 0) config->region = FRZ_STR("us-east-1");
  frz_str endpoint = session->endpoint;
  if (endpoint.size == 0)
    endpoint = frz_arena_print(&session->arena, "https://glue.%.*s.amazonaws.com%s",
                               FRZ_STR_ARG(config->region),
                               frz_str_starts(config->region, "cn-") ? ".cn" : "");
  if (endpoint.data == NULL) return frz_fail_nomem(err, "Glue catalog");
  while (endpoint.size != 0 && endpoint.data[endpoint.size - 1] == '/') endpoint.size--;
  FRZ_TRY(frz_url_parse(endpoint, "property glue.endpoint", &session->url, err));
  if (session->url.path.size == 0) session->url.path = FRZ_STR("/");
  return FRZ_OK;
}

frz_status frz_glue_session_open(const frz_catalog_setup *setup, frz_glue_session **session_out,
                                 frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(setup->context);
  frz_glue_session *session = frz_alloc_zeroed(alloc, sizeof *session);
  if (session == NULL) return frz_fail_nomem(err, "Glue catalog");
  session->context = setup->context;
  session->alloc = alloc;
  session->config.service = "glue";
  atomic_init(&session->clock_ahead_ms, 0);
  frz_arena_init(&session->arena, alloc, SESSION_BYTES_MAX);
  frz_http_options options;
  frz_http_options_init(&options);
  frz_http_options_read(&options, setup->properties, setup->n_properties);
  frz_status st = read_properties(session, setup, err);
  if (st == FRZ_OK) st = set_address(session, err);
  if (st == FRZ_OK) st = frz_http_client_create(setup->context, &options, &session->http, err);
  if (st == FRZ_OK)
    st = frz_aws_provider_create(setup->context, session->http, &session->config,
                                 &session->provider, err);
  if (st == FRZ_OK)
    *session_out = session;
  else
    frz_glue_session_free(session);
  return st;
}

void frz_glue_session_free(frz_glue_session *session)
{
  if (session == NULL) return;
  frz_aws_provider_free(session->provider);
  frz_http_client_free(session->http);
  frz_arena_free(&session->arena);
  frz_alloc_free(session->alloc, session, sizeof *session);
}

/* ---- errors ---- */

/* What a refusal says; texts point into the answer or the arena. */
typedef struct refusal {
  frz_str kind; /* "EntityNotFoundException" */
  frz_str message;
} refusal;

/* "com.amazonaws.glue#EntityNotFoundException:http://..." */
static frz_str bare_kind(frz_str kind)
{
  const char *hash = memchr(kind.data, '#', kind.size);
  if (hash != NULL) kind = (frz_str){hash + 1, kind.size - (size_t)(hash + 1 - kind.data)};
  const char *colon = memchr(kind.data, ':', kind.size);
  if (colon != NULL) kind.size = (size_t)(colon - kind.data);
  return kind;
}

static refusal read_refusal(frz_str text, frz_arena *arena)
{
  refusal found = {{"", 0}, {"", 0}};
  frz_json_reader json;
  frz_json_reader_init(&json, text.data, text.size, arena);
  frz_status st = frz_json_object_begin(&json, NULL);
  for (bool more = true; st == FRZ_OK && more;) {
    frz_str key;
    frz_json_kind kind;
    st = frz_json_object_next(&json, &key, &more, NULL);
    if (st == FRZ_OK && more) st = frz_json_peek(&json, &kind, NULL);
    if (st != FRZ_OK || !more) break;
    frz_str *to = kind != FRZ_JSON_STRING           ? NULL
                  : frz_str_is(key, "__type")       ? &found.kind
                  : frz_str_is_word(key, "message") ? &found.message
                                                    : NULL;
    st = to != NULL ? frz_json_read_string(&json, to, NULL) : frz_json_skip(&json, NULL);
  }
  found.kind = bare_kind(found.kind);
  for (size_t i = 0; i < found.message.size; i++)
    if ((unsigned char)found.message.data[i] < ' ') found.message.size = i;
  return found;
}

static frz_status status_of(frz_str kind, int32_t http_status)
{
  static const struct {
    const char *kind;
    frz_status status;
  } known[] = {
      {"EntityNotFoundException", FRZ_ERR_NOT_FOUND},
      {"AlreadyExistsException", FRZ_ERR_EXISTS},
      {"ConcurrentModificationException", FRZ_ERR_CONFLICT},
      {"AccessDeniedException", FRZ_ERR_AUTH},
      {"UnrecognizedClientException", FRZ_ERR_AUTH},
      {"InvalidSignatureException", FRZ_ERR_AUTH},
      {"IncompleteSignatureException", FRZ_ERR_AUTH},
      {"MissingAuthenticationTokenException", FRZ_ERR_AUTH},
      {"ExpiredTokenException", FRZ_ERR_AUTH},
      {"GlueEncryptionException", FRZ_ERR_AUTH},
      {"InvalidInputException", FRZ_ERR_INVALID},
      {"ValidationException", FRZ_ERR_INVALID},
      {"ResourceNumberLimitExceededException", FRZ_ERR_LIMIT},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (frz_str_is(kind, known[i].kind)) return known[i].status;
  if (http_status == 401 || http_status == 403) return FRZ_ERR_AUTH;
  return FRZ_ERR_IO;
}

static frz_status fail(frz_glue_call *call, const frz_http_request *request, frz_error *err)
{
  refusal said = read_refusal(frz_buf_str(&call->answer), &call->arena);
  frz_aws_credentials used;
  frz_status st = status_of(said.kind, request->answer.status);
  if (frz_aws_provider_get(call->session->provider, &call->arena, &used, NULL) != FRZ_OK) {
    said = (refusal){{"", 0}, {"", 0}}; /* what is secret is not known */
  } else {
    said.kind = frz_unless_aws_secret(said.kind, &used);
    said.message = frz_unless_aws_secret(said.message, &used);
  }
  return frz_fail(
      err, st, "Glue %s: HTTP %d%s%.*s%s%.*s%s", call->action, (int)request->answer.status,
      said.kind.size != 0 ? " " : "", FRZ_STR_ARG(said.kind), said.message.size != 0 ? ": " : "",
      FRZ_STR_ARG(said.message), st == FRZ_ERR_AUTH ? "; do the credentials allow this?" : "");
}

/* ---- calls ---- */

void frz_glue_call_open(frz_glue_call *call, frz_glue_session *session, const char *action)
{
  *call = (frz_glue_call){.session = session, .action = action};
  frz_arena_init(&call->arena, session->alloc, ANSWER_BYTES_MAX);
  frz_buf_init(&call->body, session->alloc, BODY_BYTES_MAX);
  frz_buf_init(&call->answer, session->alloc, ANSWER_BYTES_MAX);
  frz_json_writer_init(&call->json, &call->body);
  frz_json_write_object_begin(&call->json);
  if (session->catalog_id.size != 0)
    frz_json_write_string_member(&call->json, "CatalogId", session->catalog_id);
}

void frz_glue_call_close(frz_glue_call *call)
{
  frz_buf_dispose(&call->body);
  frz_buf_dispose(&call->answer);
  frz_arena_free(&call->arena);
}

static frz_status authorize(void *ctx, const frz_http_request *request, frz_http_headers *headers,
                            frz_error *err)
{
  frz_glue_session *session = ((frz_glue_call *)ctx)->session;
  frz_aws_credentials credentials;
  const frz_aws_service service = {FRZ_STR("glue"), session->config.region,
                                   atomic_load(&session->clock_ahead_ms)};
  FRZ_TRY(frz_aws_provider_get(session->provider, headers->arena, &credentials, err));
  return frz_aws_sign(&service, &credentials, request, headers, err);
}

/* Is a refused signature one by a wrong clock? */
static bool is_skewed(const frz_http_answer *answer)
{
  int64_t server_ms = frz_http_date(answer->date);
  int64_t ahead_ms = server_ms - frz_os_now_ms();
  return server_ms >= 0 && (ahead_ms > SKEW_MS_MIN || ahead_ms < -SKEW_MS_MIN);
}

static frz_http_repeat wants_repeat(void *ctx, const frz_http_request *request)
{
  frz_glue_call *call = ctx;
  frz_glue_session *session = call->session;
  frz_http_repeat repeat = FRZ_HTTP_REPEAT_NOT;
  frz_arena arena;
  frz_arena_init(&arena, session->alloc, ERROR_BYTES_MAX);
  frz_str kind = read_refusal(frz_buf_str(&call->answer), &arena).kind;
  if (frz_str_is(kind, "ThrottlingException") || frz_str_is(kind, "OperationTimeoutException") ||
      frz_str_is(kind, "RequestLimitExceeded"))
    repeat = FRZ_HTTP_REPEAT_LATER;
  else if (frz_str_is(kind, "ExpiredTokenException"))
    repeat = frz_aws_provider_renew(session->provider) ? FRZ_HTTP_REPEAT_NOW : repeat;
  else if (frz_str_is(kind, "InvalidSignatureException") && request->answer.n_attempts == 1 &&
           is_skewed(&request->answer) &&
           frz_http_learn_clock(&request->answer, &session->clock_ahead_ms))
    repeat = FRZ_HTTP_REPEAT_NOW;
  frz_arena_free(&arena);
  return repeat;
}

frz_status frz_glue_call_send(frz_glue_call *call, frz_error *err)
{
  frz_glue_session *session = call->session;
  frz_json_write_object_end(&call->json);
  FRZ_TRY(frz_json_writer_finish(&call->json, err));
  frz_str target = frz_arena_print(&call->arena, "AWSGlue.%s", call->action);
  if (target.data == NULL) return frz_fail_nomem(err, "Glue request");
  const frz_http_pair headers[] = {{FRZ_STR("content-type"), FRZ_STR("application/x-amz-json-1.1")},
                                   {FRZ_STR("x-amz-target"), target}};
  frz_http_request request = {.method = FRZ_STR("POST"),
                              .origin = session->url.origin,
                              .path = session->url.path,
                              .headers = headers,
                              .n_headers = 2,
                              .body = frz_buf_str(&call->body),
                              .may_repeat = true,
                              .is_change = !frz_str_starts(frz_str_from(call->action), "Get"),
                              .authorize = authorize,
                              .wants_repeat = wants_repeat,
                              .ctx = call,
                              .text = &call->answer};
  frz_status st = frz_http_send(session->http, &request, 1, err);
  call->may_be_done = request.answer.may_be_done || request.answer.status >= 500;
  if (st != FRZ_OK) frz_error_where(err, "Glue %s: ", call->action);
  if (st != FRZ_OK || request.answer.status == 200) return st;
  return fail(call, &request, err);
}
