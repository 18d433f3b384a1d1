/*
 * rest_session.c - see rest_session.h.
 *
 * A session begins with GET /v1/config: the server's defaults stand below the caller's properties,
 * its overrides above them; "prefix" among them becomes part of every path. Requests carry a
 * bearer token where there is one, and ask for credentials to be lent.
 *
 * What must stay true: what a server says is quoted only where no secret of ours is in it; a call
 * that changes something is repeated only where it surely was not acted on.
 */
#include "catalog/rest_session.h"

#include <stdatomic.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "net/aws_auth.h"
#include "net/secret.h"
#include "storage/store_text.h"
#include "text/json_reader.h"

enum {
  SESSION_BYTES_MAX = 16 << 20,
  PATH_BYTES_MAX = 1 << 16,
  ERROR_BYTES_MAX = 1 << 20,
  HEADER_SECRET_BYTES_MIN = 8 /* shorter ones are words that messages hold by chance */
};

/* ---- setting up ---- */

/* The merged properties, while a session is opened. */
typedef struct merge {
  frz_rest_session *session;
  frz_text_pair *items;
  size_t n;
  size_t capacity;
} merge;

static frz_status set_pair(merge *m, frz_str key, frz_str value, bool wins, frz_error *err)
{
  frz_arena *arena = &m->session->arena;
  for (size_t i = 0; i < m->n; i++) {
    if (!frz_str_equal(m->items[i].key, key)) continue;
    if (wins) m->items[i].value = frz_arena_keep(arena, value);
    return m->items[i].value.data != NULL ? FRZ_OK : frz_fail_nomem(err, "REST catalog");
  }
  m->items = frz_arena_list_room(arena, m->items, m->n, &m->capacity, sizeof *m->items);
  if (m->items == NULL) return frz_fail_nomem(err, "REST catalog");
  frz_text_pair *pair = &m->items[m->n];
  pair->key = frz_arena_keep(arena, key);
  pair->value = frz_arena_keep(arena, value);
  if (pair->key.data == NULL || pair->value.data == NULL)
    return frz_fail_nomem(err, "REST catalog");
  m->n++;
  return FRZ_OK;
}

static frz_str get(const merge *m, const char *key)
{
  for (size_t i = 0; i < m->n; i++)
    if (frz_str_is(m->items[i].key, key)) return m->items[i].value;
  return (frz_str){"", 0};
}

/* "true" or "false", which not given is; FRZ_ERR_INVALID: another word. */
static frz_status get_flag(const merge *m, const char *key, bool *flag_out, frz_error *err)
{
  frz_str value = get(m, key);
  *flag_out = false;
  return value.size != 0 ? frz_property_flag(frz_str_from(key), value, flag_out, err) : FRZ_OK;
}

static frz_status add_header(frz_rest_session *session, frz_str name, frz_str value, frz_error *err)
{
  size_t capacity = session->n_headers;
  session->headers = frz_arena_list_room(&session->arena, session->headers, session->n_headers,
                                         &capacity, sizeof *session->headers);
  if (session->headers == NULL) return frz_fail_nomem(err, "REST catalog");
  session->headers[session->n_headers++] = (frz_http_pair){name, value};
  return FRZ_OK;
}

static frz_status set_headers(frz_rest_session *session, const merge *m, frz_error *err)
{
  bool says_access = false;
  for (size_t i = 0; i < m->n; i++) {
    if (!frz_str_starts(m->items[i].key, "header.")) continue;
    frz_str name = {m->items[i].key.data + 7, m->items[i].key.size - 7};
    says_access = says_access || frz_str_is_word(name, "x-iceberg-access-delegation");
    if (name.size != 0) FRZ_TRY(add_header(session, name, m->items[i].value, err));
  }
  FRZ_TRY(add_header(session, FRZ_STR("accept"), FRZ_STR("application/json"), err));
  if (says_access) return FRZ_OK;
  bool is_signing;
  FRZ_TRY(get_flag(m, "s3.remote-signing-enabled", &is_signing, err));
  return add_header(session, FRZ_STR("x-iceberg-access-delegation"),
                    is_signing ? FRZ_STR("remote-signing") : FRZ_STR("vended-credentials"), err);
}

static frz_status set_oauth(frz_rest_session *session, const merge *m, frz_error *err)
{
  frz_oauth_options options = {.token = get(m, "token"),
                               .credential = get(m, "credential"),
                               .token_url = get(m, "oauth2-server-uri"),
                               .scope = get(m, "scope")};
  static const char *const more[] = {"audience", "resource"};
  frz_http_pair pairs[2];
  if (options.token.size == 0 && options.credential.size == 0) return FRZ_OK;
  session->given_token = options.token;
  if (options.token_url.size == 0)
    options.token_url =
        frz_arena_print(&session->arena, "%.*s%.*s/v1/oauth/tokens", (int)session->origin.size,
                        session->origin.data, (int)session->root.size, session->root.data);
  if (options.token_url.data == NULL) return frz_fail_nomem(err, "REST catalog");
  if (options.scope.size == 0) options.scope = FRZ_STR("catalog");
  for (size_t i = 0; i < 2; i++) {
    frz_str value = get(m, more[i]);
    if (value.size != 0) pairs[options.n_more++] = (frz_http_pair){frz_str_from(more[i]), value};
  }
  options.more = pairs;
  return frz_oauth_create(session->alloc, session->http, &options, &session->oauth, err);
}

/* Requests to AWS's own servers (Glue's and S3 Tables') are signed in place of carrying a token. */
static frz_status set_signing(frz_rest_session *session, const merge *m, frz_error *err)
{
  bool is_wanted, is_taken;
  FRZ_TRY(get_flag(m, "rest.sigv4-enabled", &is_wanted, err));
  if (session->signer != NULL || !is_wanted) return FRZ_OK;
  if (get(m, "token").size != 0 || get(m, "credential").size != 0)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "property rest.sigv4-enabled goes with neither token nor credential");
  session->aws.service = "rest";
  for (size_t i = 0; i < m->n; i++)
    FRZ_TRY(frz_aws_config_set(&session->aws, m->items[i].key, m->items[i].value, &is_taken, err));
  frz_str region = get(m, "rest.signing-region");
  if (region.size != 0) session->aws.region = region;
  if (session->aws.region.size == 0)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "property rest.signing-region is missing, such as eu-west-1 (or "
                    "client.region)");
  session->signing_name = get(m, "rest.signing-name");
  if (session->signing_name.size == 0) session->signing_name = FRZ_STR("execute-api");
  FRZ_TRY(frz_aws_config_check_region(&session->aws, err));
  FRZ_TRY(frz_aws_config_finish(&session->aws, err));
  return frz_aws_provider_create(session->context, session->http, &session->aws, &session->signer,
                                 err);
}

static frz_status set_address(frz_rest_session *session, const merge *m, frz_error *err)
{
  frz_str uri = get(m, "uri");
  frz_url url;
  if (uri.size == 0)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "property uri is missing, such as https://host/api/catalog");
  while (uri.size != 0 && uri.data[uri.size - 1] == '/') uri.size--;
  FRZ_TRY(frz_url_parse(uri, "property uri", &url, err));
  session->origin = url.origin;
  session->root = url.path;
  session->warehouse = get(m, "warehouse");
  return FRZ_OK;
}

static frz_status set_paths(frz_rest_session *session, const merge *m, frz_error *err)
{
  frz_str prefix = get(m, "prefix");
  frz_str separator = get(m, "namespace-separator");
  session->catalog =
      frz_arena_print(&session->arena, "%.*s/v1%s%.*s", (int)session->root.size, session->root.data,
                      prefix.size != 0 ? "/" : "", (int)prefix.size, prefix.data);
  session->separator = separator.size != 0 ? separator : FRZ_STR("%1F");
  session->page_size = get(m, "rest-page-size");
  return session->catalog.data != NULL ? FRZ_OK : frz_fail_nomem(err, "REST catalog");
}

/* ---- the server's configuration ---- */

static frz_status read_pairs(frz_json_reader *json, merge *m, bool wins, frz_error *err)
{
  bool was_null;
  FRZ_TRY(frz_json_read_null(json, &was_null, err));
  if (was_null) return FRZ_OK;
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str key, value;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(frz_json_read_null(json, &was_null, err));
    if (was_null) continue;
    FRZ_TRY(frz_json_read_string(json, &value, err));
    FRZ_TRY(set_pair(m, key, value, wins, err));
  }
}

/* What the server offers; one that does not tell offers what is always there. */
static frz_status read_endpoints(frz_json_reader *json, frz_rest_session *session, frz_error *err)
{
  bool was_null;
  FRZ_TRY(frz_json_read_null(json, &was_null, err));
  if (was_null) return FRZ_OK;
  session->commits_tables = false;
  FRZ_TRY(frz_json_array_begin(json, err));
  for (;;) {
    frz_str endpoint;
    bool more;
    FRZ_TRY(frz_json_array_next(json, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(frz_json_read_string(json, &endpoint, err));
    if (frz_str_is(endpoint, FRZ_REST_COMMIT_TABLES)) session->commits_tables = true;
  }
}

static frz_status read_config(merge *m, frz_str text, frz_error *err)
{
  frz_json_reader json;
  frz_json_reader_init(&json, text.data, text.size, &m->session->arena);
  FRZ_TRY(frz_json_object_begin(&json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(&json, &key, &more, err));
    if (!more) return FRZ_OK;
    if (frz_str_is(key, "defaults"))
      FRZ_TRY(read_pairs(&json, m, false, err));
    else if (frz_str_is(key, "overrides"))
      FRZ_TRY(read_pairs(&json, m, true, err));
    else if (frz_str_is(key, "endpoints"))
      FRZ_TRY(read_endpoints(&json, m->session, err));
    else
      FRZ_TRY(frz_json_skip(&json, err));
  }
}

static frz_status ask_config(merge *m, frz_error *err)
{
  frz_rest_session *session = m->session;
  frz_rest_call call;
  const frz_http_pair query = {FRZ_STR("warehouse"), session->warehouse};
  frz_rest_call_init(session, &call, "GET");
  session->catalog =
      frz_arena_print(&session->arena, "%.*s/v1", (int)session->root.size, session->root.data);
  if (session->catalog.data == NULL) return frz_fail_nomem(err, "REST catalog");
  call.path = FRZ_STR("/config");
  call.may_repeat = true;
  if (session->warehouse.size != 0) {
    call.query = &query;
    call.n_query = 1;
  }
  frz_status st = frz_rest_send_ok(session, &call, err);
  if (st == FRZ_OK) {
    st = read_config(m, frz_buf_str(&call.answer), err);
    if (st != FRZ_OK) frz_error_where(err, "configuration of the REST catalog: ");
  }
  frz_buf_dispose(&call.answer);
  return st;
}

static frz_status keep_lent(const merge *m, frz_error *err)
{
  for (size_t i = 0; i < m->n; i++)
    if (frz_storage_takes_property(m->items[i].key) || frz_str_starts(m->items[i].key, "signer."))
      FRZ_TRY(frz_rest_lent_add_common(m->session->lent, m->items[i].key, m->items[i].value, err));
  return FRZ_OK;
}

static frz_status set_up(frz_rest_session *session, const frz_catalog_setup *setup, frz_error *err)
{
  merge m = {.session = session};
  frz_http_options options;
  for (size_t i = 0; i < setup->n_properties; i++)
    FRZ_TRY(set_pair(&m, frz_str_from(setup->properties[i].key),
                     frz_str_from(setup->properties[i].value), true, err));
  frz_http_options_init(&options);
  frz_http_options_read(&options, setup->properties, setup->n_properties);
  FRZ_TRY(frz_http_client_create(setup->context, &options, &session->http, err));
  FRZ_TRY(frz_rest_lent_create(session->alloc, &session->lent, err));
  FRZ_TRY(set_address(session, &m, err));
  FRZ_TRY(set_headers(session, &m, err));
  FRZ_TRY(set_oauth(session, &m, err));
  FRZ_TRY(set_signing(session, &m, err));
  FRZ_TRY(ask_config(&m, err));
  FRZ_TRY(set_signing(session, &m, err));
  FRZ_TRY(set_paths(session, &m, err));
  return keep_lent(&m, err);
}

frz_status frz_rest_session_open(const frz_catalog_setup *setup, frz_rest_session **session_out,
                                 frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(setup->context);
  frz_rest_session *session = frz_alloc_zeroed(alloc, sizeof *session);
  if (session == NULL) return frz_fail_nomem(err, "REST catalog");
  atomic_init(&session->n_references, 1);
  session->context = setup->context;
  session->alloc = alloc;
  session->commits_tables = true;
  frz_arena_init(&session->arena, alloc, SESSION_BYTES_MAX);
  frz_status st = set_up(session, setup, err);
  if (st == FRZ_OK)
    *session_out = session;
  else
    frz_rest_session_release(session);
  return st;
}

frz_rest_session *frz_rest_session_retain(frz_rest_session *session)
{
  atomic_fetch_add(&session->n_references, 1);
  return session;
}

void frz_rest_session_release(frz_rest_session *session)
{
  if (session == NULL || atomic_fetch_sub(&session->n_references, 1) != 1) return;
  frz_oauth_free(session->oauth);
  frz_aws_provider_free(session->signer);
  frz_http_client_free(session->http);
  frz_rest_lent_free(session->lent);
  frz_arena_free(&session->arena);
  frz_alloc_free(session->alloc, session, sizeof *session);
}

/* ---- calls ---- */

void frz_rest_call_init(const frz_rest_session *session, frz_rest_call *call, const char *method)
{
  *call = (frz_rest_call){.method = method};
  frz_buf_init(&call->answer, session->alloc, FRZ_LIMIT_METADATA_BYTES);
}

static frz_status authorize(void *ctx, const frz_http_request *request, frz_http_headers *headers,
                            frz_error *err)
{
  frz_rest_session *session = ctx;
  frz_str value;
  if (session->signer != NULL) {
    const frz_aws_service service = {session->signing_name, session->aws.region, 0};
    frz_aws_credentials credentials;
    FRZ_TRY(frz_aws_provider_get(session->signer, headers->arena, &credentials, err));
    return frz_aws_sign(&service, &credentials, request, headers, err);
  }
  if (session->oauth == NULL) return FRZ_OK;
  FRZ_TRY(frz_oauth_authorization(session->oauth, headers->arena, &value, err));
  return frz_http_headers_add(headers, FRZ_STR("authorization"), value, err);
}

/* A token, or keys, that ended before their time are fetched anew. */
static frz_http_repeat wants_repeat(void *ctx, const frz_http_request *request)
{
  frz_rest_session *session = ctx;
  int32_t status = request->answer.status;
  bool has_ended = status == 401 || status == 419;
  if (session->signer != NULL && (has_ended || status == 403))
    return frz_aws_provider_renew(session->signer) ? FRZ_HTTP_REPEAT_NOW : FRZ_HTTP_REPEAT_NOT;
  bool repeats = has_ended && session->oauth != NULL && frz_oauth_invalidate(session->oauth);
  return repeats ? FRZ_HTTP_REPEAT_NOW : FRZ_HTTP_REPEAT_NOT;
}

frz_status frz_rest_send(frz_rest_session *session, frz_rest_call *call, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf path;
  frz_arena arena;
  frz_buf_init(&path, session->alloc, PATH_BYTES_MAX);
  frz_arena_init(&arena, session->alloc, PATH_BYTES_MAX);
  bool is_own = call->origin.size == 0;
  if (is_own) FRZ_TRY_OUT(frz_buf_append_str(&path, session->catalog, err));
  FRZ_TRY_OUT(frz_buf_append_str(&path, call->path, err));
  size_t n = session->n_headers;
  frz_http_pair *headers = frz_arena_array(&arena, n + call->n_more_headers + 1, sizeof *headers);
  if (headers == NULL) {
    st = frz_fail_nomem(err, "REST request");
    goto out;
  }
  memcpy(headers, session->headers, n * sizeof *headers);
  for (size_t i = 0; i < call->n_more_headers; i++) headers[n++] = call->more_headers[i];
  headers[n] = (frz_http_pair){FRZ_STR("content-type"), FRZ_STR("application/json")};
  frz_http_request request = {.method = frz_str_from(call->method),
                              .origin = is_own ? session->origin : call->origin,
                              .path = frz_buf_str(&path),
                              .query = call->query,
                              .n_query = call->n_query,
                              .headers = headers,
                              .n_headers = call->body.size != 0 ? n + 1 : n,
                              .body = call->body,
                              .may_repeat = call->may_repeat,
                              .unpacks = true,
                              .authorize = authorize,
                              .wants_repeat = wants_repeat,
                              .ctx = session,
                              .text = &call->answer};
  st = frz_http_send(session->http, &request, 1, err);
  call->status = request.answer.status;
  call->may_be_done = request.answer.may_be_done;
out:
  frz_arena_free(&arena);
  frz_buf_dispose(&path);
  return st;
}

/* ---- errors ---- */

/* The texts of an ErrorModel; size 0: none. */
typedef struct error_model {
  frz_str message;
  frz_str type;
} error_model;

static frz_status read_error(frz_json_reader *json, error_model *model)
{
  FRZ_TRY(frz_json_object_begin(json, NULL));
  for (;;) {
    frz_str key;
    bool more;
    frz_json_kind kind;
    FRZ_TRY(frz_json_object_next(json, &key, &more, NULL));
    if (!more) return FRZ_OK;
    FRZ_TRY(frz_json_peek(json, &kind, NULL));
    if (frz_str_is(key, "error") && kind == FRZ_JSON_OBJECT)
      FRZ_TRY(read_error(json, model));
    else if (frz_str_is(key, "message") && kind == FRZ_JSON_STRING)
      FRZ_TRY(frz_json_read_string(json, &model->message, NULL));
    else if (frz_str_is(key, "type") && kind == FRZ_JSON_STRING)
      FRZ_TRY(frz_json_read_string(json, &model->type, NULL));
    else
      FRZ_TRY(frz_json_skip(json, NULL));
  }
}

static frz_status status_of(int status)
{
  switch (status) {
  case 400:
  case 422: return FRZ_ERR_INVALID;
  case 401:
  case 403:
  case 419: return FRZ_ERR_AUTH;
  case 404: return FRZ_ERR_NOT_FOUND;
  case 406:
  case 501: return FRZ_ERR_UNSUPPORTED;
  case 409: return FRZ_ERR_EXISTS;
  default: return FRZ_ERR_IO;
  }
}

/* A token, a credential, or a header's value of the caller's. */
static frz_str unless_secret(const frz_rest_session *session, frz_str text)
{
  if (session->oauth != NULL) text = frz_oauth_unless_secret(session->oauth, text);
  text = frz_unless_secret(text, &session->given_token, 1);
  frz_aws_credentials used;
  frz_arena arena;
  frz_arena_init(&arena, session->alloc, ERROR_BYTES_MAX);
  if (session->signer != NULL &&
      frz_aws_provider_get(session->signer, &arena, &used, NULL) == FRZ_OK)
    text = frz_unless_aws_secret(text, &used);
  frz_arena_free(&arena);
  for (size_t i = 0; i < session->n_headers; i++)
    if (session->headers[i].value.size >= HEADER_SECRET_BYTES_MIN)
      text = frz_unless_secret(text, &session->headers[i].value, 1);
  return text;
}

static frz_str first_line(frz_str text)
{
  for (size_t i = 0; i < text.size; i++)
    if ((unsigned char)text.data[i] < ' ') return (frz_str){text.data, i};
  return text;
}

frz_status frz_rest_fail(const frz_rest_session *session, const frz_rest_call *call, frz_error *err)
{
  error_model model = {{"", 0}, {"", 0}};
  frz_json_reader json;
  frz_arena arena;
  frz_arena_init(&arena, session->alloc, ERROR_BYTES_MAX);
  frz_json_reader_init(&json, call->answer.data, call->answer.size, &arena);
  if (read_error(&json, &model) != FRZ_OK) model = (error_model){{"", 0}, {"", 0}};
  model.message = first_line(model.message);
  frz_status st = status_of(call->status);
  if (frz_str_starts(model.type, "NamespaceNotEmpty")) st = FRZ_ERR_INVALID;
  model.message = unless_secret(session, model.message);
  model.type = unless_secret(session, model.type);
  const char *hint = st != FRZ_ERR_AUTH || session->signer != NULL ? ""
                     : session->oauth == NULL ? "; set the property token or credential"
                                              : "; does the token or credential allow this?";
  frz_str before = call->origin.size != 0 ? call->origin : session->catalog;
  st = frz_fail(err, st, "%s %.*s%.*s: HTTP %d%s%.*s%s%.*s%s", call->method, FRZ_STR_ARG(before),
                FRZ_STR_ARG(call->path), (int)call->status, model.type.size != 0 ? " " : "",
                FRZ_STR_ARG(model.type), model.message.size != 0 ? ": " : "",
                (int)model.message.size, model.message.data, hint);
  frz_arena_free(&arena);
  return st;
}

frz_status frz_rest_send_ok(frz_rest_session *session, frz_rest_call *call, frz_error *err)
{
  FRZ_TRY(frz_rest_send(session, call, err));
  return call->status >= 200 && call->status < 300 ? FRZ_OK : frz_rest_fail(session, call, err);
}

/* ---- paths ---- */

static frz_status append_namespace(const frz_rest_session *session, frz_str name, frz_buf *out,
                                   frz_error *err)
{
  for (size_t at = 0; at <= name.size;) {
    const char *dot = at < name.size ? memchr(name.data + at, '.', name.size - at) : NULL;
    size_t end = dot != NULL ? (size_t)(dot - name.data) : name.size;
    if (at != 0) FRZ_TRY(frz_buf_append_str(out, session->separator, err));
    FRZ_TRY(frz_percent_encode((frz_str){name.data + at, end - at}, false, out, err));
    at = end + 1;
  }
  return FRZ_OK;
}

frz_status frz_rest_namespace_path(const frz_rest_session *session, frz_str name, const char *more,
                                   frz_buf *out, frz_error *err)
{
  FRZ_TRY(frz_buf_append_str(out, FRZ_STR("/namespaces/"), err));
  FRZ_TRY(append_namespace(session, name, out, err));
  return frz_buf_append_str(out, frz_str_from(more), err);
}

frz_status frz_rest_table_path(const frz_rest_session *session, const frz_identifier *id,
                               const char *more, frz_buf *out, frz_error *err)
{
  FRZ_TRY(frz_rest_namespace_path(session, id->namespace_name, "/tables/", out, err));
  FRZ_TRY(frz_percent_encode(id->table_name, false, out, err));
  return frz_buf_append_str(out, frz_str_from(more), err);
}

/* ---- tables ---- */

/* A LoadTableResult while it is read. */
typedef struct table_result {
  frz_arena arena;
  frz_str location;
  frz_str metadata; /* its JSON */
  frz_text_pair *config;
  size_t n_config;
  frz_str credentials; /* the JSON of "storage-credentials"; size 0: none */
} table_result;

static frz_status add_pair(frz_arena *arena, frz_text_pair **pairs, size_t *n, frz_text_pair pair,
                           frz_error *err)
{
  size_t capacity = *n;
  *pairs = frz_arena_list_room(arena, *pairs, *n, &capacity, sizeof **pairs);
  if (*pairs == NULL) return frz_fail_nomem(err, "table configuration");
  (*pairs)[(*n)++] = pair;
  return FRZ_OK;
}

static frz_status read_text_pairs(frz_json_reader *json, frz_arena *arena, frz_text_pair **pairs,
                                  size_t *n, frz_error *err)
{
  bool was_null;
  FRZ_TRY(frz_json_read_null(json, &was_null, err));
  if (was_null) return FRZ_OK;
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_text_pair pair;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &pair.key, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(frz_json_read_null(json, &was_null, err));
    if (was_null) continue;
    FRZ_TRY(frz_json_read_string(json, &pair.value, err));
    FRZ_TRY(add_pair(arena, pairs, n, pair, err));
  }
}

/* What requests for signatures are to carry: kept as JSON, among the table's properties. */
static frz_status read_signing_config(frz_json_reader *json, table_result *result, frz_error *err)
{
  frz_text_pair pair = {.key = FRZ_STR(FRZ_REST_SIGNING_CONFIG)};
  FRZ_TRY(frz_json_read_raw(json, &pair.value, err));
  return add_pair(&result->arena, &result->config, &result->n_config, pair, err);
}

static frz_status read_result(frz_json_reader *json, table_result *result, frz_error *err)
{
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str key;
    bool more, was_null;
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(frz_json_read_null(json, &was_null, err));
    if (was_null) continue;
    if (frz_str_is(key, "metadata-location"))
      FRZ_TRY(frz_json_read_string(json, &result->location, err));
    else if (frz_str_is(key, "metadata"))
      FRZ_TRY(frz_json_read_raw(json, &result->metadata, err));
    else if (frz_str_is(key, "config"))
      FRZ_TRY(read_text_pairs(json, &result->arena, &result->config, &result->n_config, err));
    else if (frz_str_is(key, "storage-credentials"))
      FRZ_TRY(frz_json_read_raw(json, &result->credentials, err));
    else if (frz_str_is(key, FRZ_REST_SIGNING_CONFIG))
      FRZ_TRY(read_signing_config(json, result, err));
    else
      FRZ_TRY(frz_json_skip(json, err));
  }
}

static frz_status keep_credential(frz_rest_session *session, frz_str identifier,
                                  frz_json_reader *json, frz_arena *arena, frz_error *err)
{
  frz_str prefix = {"", 0};
  frz_text_pair *pairs = NULL;
  size_t n_pairs = 0;
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) break;
    if (frz_str_is(key, "prefix"))
      FRZ_TRY(frz_json_read_string(json, &prefix, err));
    else if (frz_str_is(key, "config"))
      FRZ_TRY(read_text_pairs(json, arena, &pairs, &n_pairs, err));
    else
      FRZ_TRY(frz_json_skip(json, err));
  }
  return frz_rest_lent_add(session->lent, identifier, prefix, pairs, n_pairs, err);
}

static frz_status keep_credentials(frz_rest_session *session, frz_str identifier,
                                   table_result *result, frz_error *err)
{
  frz_json_reader json;
  bool more;
  if (result->credentials.size == 0) return FRZ_OK;
  frz_json_reader_init(&json, result->credentials.data, result->credentials.size, &result->arena);
  FRZ_TRY(frz_json_array_begin(&json, err));
  for (;;) {
    FRZ_TRY(frz_json_array_next(&json, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(keep_credential(session, identifier, &json, &result->arena, err));
  }
}

/* The table's own configuration holds for the folders that its files lie in. */
static frz_status keep_config(frz_rest_session *session, frz_str identifier,
                              const table_result *result, const frz_table_metadata *metadata,
                              frz_error *err)
{
  static const char *const folders[] = {"write.data.path", "write.metadata.path",
                                        "write.object-storage.path", "write.folder-storage.path"};
  if (result->n_config == 0) return FRZ_OK;
  FRZ_TRY(frz_rest_lent_add(session->lent, identifier, metadata->location, result->config,
                            result->n_config, err));
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
    frz_str folder = frz_metadata_property(metadata, folders[i]);
    if (folder.size != 0)
      FRZ_TRY(frz_rest_lent_add(session->lent, identifier, folder, result->config, result->n_config,
                                err));
  }
  return FRZ_OK;
}

static frz_status check_planning(const table_result *result, frz_error *err)
{
  for (size_t i = 0; i < result->n_config; i++)
    if (frz_str_is(result->config[i].key, "scan-planning-mode") &&
        frz_str_is_word(result->config[i].value, "server"))
      return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                      "the server demands that it plans the scans of this table "
                      "(scan-planning-mode), which is not in this build");
  return FRZ_OK;
}

frz_status frz_rest_read_table(frz_rest_session *session, const char *identifier, frz_str answer,
                               frz_loaded_table *loaded_out, frz_error *err)
{
  table_result result = {.location = {"", 0}};
  frz_loaded_table loaded = {0};
  frz_json_reader json;
  frz_status st = FRZ_OK;
  frz_buf bytes;
  frz_arena_init(&result.arena, session->alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_buf_init(&bytes, session->alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_json_reader_init(&json, answer.data, answer.size, &result.arena);
  FRZ_TRY_OUT(read_result(&json, &result, err));
  if (result.metadata.size == 0) {
    st = frz_fail(err, FRZ_ERR_CORRUPT, "the answer holds no metadata");
    goto out;
  }
  FRZ_TRY_OUT(check_planning(&result, err));
  FRZ_TRY_OUT(frz_string_copy(session->alloc, result.location, &loaded.location, err));
  FRZ_TRY_OUT(frz_buf_append_str(&bytes, result.metadata, err));
  FRZ_TRY_OUT(frz_table_metadata_take(result.location, &bytes, &loaded.metadata, err));
  FRZ_TRY_OUT(keep_config(session, frz_str_from(identifier), &result, loaded.metadata, err));
  FRZ_TRY_OUT(keep_credentials(session, frz_str_from(identifier), &result, err));
  *loaded_out = loaded;
  loaded = (frz_loaded_table){0};
out:
  frz_loaded_table_dispose(&loaded);
  frz_buf_dispose(&bytes);
  frz_arena_free(&result.arena);
  return st;
}
