/*
 * rest_signing.c - requests on S3 that the catalog's server signs, so that no key leaves it.
 *
 * The server is told method, address and headers of each attempt, and answers with the headers that
 * prove it. Where it is asked: "s3.signer.endpoint" seen from "s3.signer.uri" or from the catalog's
 * own address; at the table's own ".../sign" where neither is said.
 *
 * What must stay true: what is sent is what was to be signed, since of an answer only headers of
 * signatures are taken, and its address must be ours; nothing that was signed is kept.
 *
 * Source: Apache Iceberg REST Catalog API, RemoteSignRequest, RemoteSignResult and
 * RemoteSigningConfig; before it s3-signer-open-api.yaml, of the same form.
 */
#include "base/limits.h"
#include "catalog/rest_session.h"
#include "net/sigv4.h"
#include "text/json_reader.h"

enum { ARENA_BYTES_MAX = 8 << 20, BODY_BYTES_MAX = 16 << 20 };

/* ---- where, and what is sent along ---- */

/* In the arena; data NULL: no memory. */
static frz_str join(frz_arena *arena, frz_str a, const char *mark, frz_str b)
{
  return frz_arena_print(arena, "%.*s%s%.*s", (int)a.size, a.data, mark, (int)b.size, b.data);
}

typedef struct terms {
  frz_arena *arena;
  frz_str uri;
  frz_str endpoint;
  frz_str config; /* a RemoteSigningConfig in JSON; size 0: none */
} terms;

static frz_status take_term(void *arg, frz_str key, frz_str value, frz_error *err)
{
  terms *self = arg;
  frz_str *to = frz_str_is(key, FRZ_REST_SIGNING_CONFIG) ? &self->config : NULL;
  if (frz_str_is(key, "s3.signer.uri") || frz_str_is(key, "signer.uri")) to = &self->uri;
  if (frz_str_is(key, "s3.signer.endpoint") || frz_str_is(key, "signer.endpoint"))
    to = &self->endpoint;
  if (to == NULL) return FRZ_OK;
  *to = frz_arena_copy(self->arena, value);
  return to->data != NULL ? FRZ_OK : frz_fail_nomem(err, "signature");
}

/* ".../namespaces/n/tables/t/sign" */
static frz_status address_of_table(frz_rest_session *session, frz_str uri, frz_arena *arena,
                                   frz_rest_call *call, frz_error *err)
{
  frz_str name;
  frz_identifier id;
  frz_buf path;
  FRZ_TRY(frz_rest_lent_table(session->lent, uri, arena, &name, err));
  if (name.size == 0)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "the server signs for files of its tables, and this is none; another server is "
                    "named by s3.signer.uri");
  FRZ_TRY(frz_identifier_parse(name.data, &id, err));
  frz_buf_init(&path, session->alloc, FRZ_LIMIT_PATH_BYTES);
  frz_status st = frz_rest_table_path(session, &id, "/sign", &path, err);
  call->path = frz_arena_copy(arena, frz_buf_str(&path));
  if (st == FRZ_OK && call->path.data == NULL) st = frz_fail_nomem(err, "signature");
  frz_buf_dispose(&path);
  return st;
}

static frz_status address_of_terms(const frz_rest_session *session, const terms *t,
                                   frz_rest_call *call, frz_error *err)
{
  frz_str base = t->uri, endpoint = t->endpoint;
  frz_url url;
  if (endpoint.size == 0) endpoint = FRZ_STR("v1/aws/s3/sign");
  if (base.size == 0) base = join(t->arena, session->origin, "", session->root);
  if (base.data == NULL) return frz_fail_nomem(err, "signature");
  while (base.size != 0 && base.data[base.size - 1] == '/') base.size--;
  while (endpoint.size != 0 && endpoint.data[0] == '/')
    endpoint = (frz_str){endpoint.data + 1, endpoint.size - 1};
  bool is_whole = frz_str_starts(endpoint, "https://") || frz_str_starts(endpoint, "http://");
  frz_str text = is_whole ? endpoint : join(t->arena, base, "/", endpoint);
  if (text.data == NULL) return frz_fail_nomem(err, "signature");
  FRZ_TRY(frz_url_parse(text, "property s3.signer.uri", &url, err));
  if (!url.is_https && frz_str_starts(session->origin, "https://"))
    return frz_fail(err, FRZ_ERR_INVALID,
                    "property s3.signer.uri: '%.*s' is not https, as the catalog is",
                    FRZ_STR_ARG(url.origin));
  call->origin = url.origin;
  call->path = url.path;
  return FRZ_OK;
}

/* ---- the request ---- */

/* The member of a RemoteSigningConfig, as JSON; size 0: it has none. */
static frz_status find_member(frz_str config, const char *name, frz_arena *arena, frz_str *json_out,
                              frz_error *err)
{
  frz_json_reader json;
  frz_json_reader_init(&json, config.data, config.size, arena);
  *json_out = (frz_str){"", 0};
  if (config.size == 0) return FRZ_OK;
  FRZ_TRY(frz_json_object_begin(&json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(&json, &key, &more, err));
    if (!more) return FRZ_OK;
    if (frz_str_is(key, name))
      FRZ_TRY(frz_json_read_raw(&json, json_out, err));
    else
      FRZ_TRY(frz_json_skip(&json, err));
  }
}

/* What is to be looked at before it is signed: the names of what a request removes. */
static bool shows_body(const frz_http_request *request)
{
  for (size_t i = 0; i < request->n_query; i++)
    if (frz_str_is(request->query[i].name, "delete")) return request->body.size != 0;
  return false;
}

static frz_status address_of_request(const frz_http_request *request, frz_buf *out, frz_error *err)
{
  FRZ_TRY(frz_buf_append_str(out, request->origin, err));
  FRZ_TRY(frz_buf_append_str(out, request->path, err));
  if (request->n_query == 0) return FRZ_OK;
  FRZ_TRY(frz_buf_append_byte(out, '?', err));
  return frz_query_append(request->query, request->n_query, out, err);
}

static frz_status write_request(const frz_http_request *request, const frz_http_headers *headers,
                                frz_str region, frz_str address, frz_str properties, frz_buf *body,
                                frz_error *err)
{
  frz_json_writer json;
  frz_json_writer_init(&json, body);
  frz_json_write_object_begin(&json);
  frz_json_write_string_member(&json, "region", region);
  frz_json_write_string_member(&json, "uri", address);
  frz_json_write_string_member(&json, "method", request->method);
  frz_json_write_key(&json, "headers");
  frz_json_write_object_begin(&json);
  for (size_t i = 0; i < headers->n_items; i++) {
    frz_json_write_key_str(&json, headers->items[i].name);
    frz_json_write_array_begin(&json);
    frz_json_write_string(&json, headers->items[i].value);
    frz_json_write_array_end(&json);
  }
  frz_json_write_object_end(&json);
  frz_json_write_key(&json, "properties");
  frz_json_write_raw(&json, properties.size != 0 ? properties : FRZ_STR("{}"));
  if (shows_body(request)) frz_json_write_string_member(&json, "body", request->body);
  frz_json_write_object_end(&json);
  return frz_json_writer_finish(&json, err);
}

/* ---- headers ---- */

/* An array of texts as "a, b", in the arena. */
static frz_status read_values(frz_json_reader *json, frz_arena *arena, frz_str *joined_out,
                              frz_error *err)
{
  frz_str joined = {"", 0};
  FRZ_TRY(frz_json_array_begin(json, err));
  for (size_t i = 0;; i++) {
    frz_str value;
    bool more;
    FRZ_TRY(frz_json_array_next(json, &more, err));
    if (!more) break;
    FRZ_TRY(frz_json_read_string(json, &value, err));
    joined = join(arena, joined, i != 0 ? ", " : "", value);
    if (joined.data == NULL) return frz_fail_nomem(err, "signature");
  }
  *joined_out = joined;
  return FRZ_OK;
}

/* The headers that a RemoteSigningConfig wants with every request for a signature. */
static frz_status read_own_headers(frz_str config, frz_arena *arena, frz_http_headers *headers,
                                   frz_error *err)
{
  frz_str text;
  frz_json_reader json;
  FRZ_TRY(find_member(config, "headers", arena, &text, err));
  if (text.size == 0) return FRZ_OK;
  frz_json_reader_init(&json, text.data, text.size, arena);
  FRZ_TRY(frz_json_object_begin(&json, err));
  for (;;) {
    frz_str name, value;
    bool more;
    FRZ_TRY(frz_json_object_next(&json, &name, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(read_values(&json, arena, &value, err));
    FRZ_TRY(frz_http_headers_add(headers, name, value, err));
  }
}

static bool has_header(const frz_http_headers *headers, frz_str name)
{
  for (size_t i = 0; i < headers->n_items; i++)
    if (frz_str_same_word(headers->items[i].name, name)) return true;
  return false;
}

/* Some servers sign the hash of what they see of a body, which is nothing. */
static frz_status check_payload(const frz_http_request *request, frz_str signed_hash,
                                frz_error *err)
{
  char hash[FRZ_SHA256_HEX_BYTES];
  if (signed_hash.size != FRZ_SHA256_HEX_BYTES - 1) return FRZ_OK; /* a word: it is not signed */
  FRZ_TRY(frz_sha256_hex(request->body.data, request->body.size, hash, err));
  if (frz_str_is(signed_hash, hash)) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                  "the server signed another body than that of this %.*s; some do so unless "
                  "s3.endpoint is https",
                  FRZ_STR_ARG(request->method));
}

static frz_status take_header(const frz_http_request *request, frz_str name, frz_str value,
                              frz_http_headers *headers, frz_error *err)
{
  static const char amz[] = "x-amz-";
  bool is_amz =
      name.size >= sizeof amz && frz_str_is_word((frz_str){name.data, sizeof amz - 1}, amz);
  if (!is_amz && !frz_str_is_word(name, "authorization")) return FRZ_OK;
  if (has_header(headers, name)) return FRZ_OK;
  if (frz_str_is_word(name, "x-amz-content-sha256")) FRZ_TRY(check_payload(request, value, err));
  frz_http_pair pair = {frz_arena_copy(headers->arena, name),
                        frz_arena_copy(headers->arena, value)};
  if (pair.name.data == NULL || pair.value.data == NULL) return frz_fail_nomem(err, "signature");
  return frz_http_headers_add(headers, pair.name, pair.value, err);
}

/* ---- the answer ---- */

/* The query may be written otherwise, as what is signed is its parts in order. */
static bool is_same_address(frz_str signed_address, frz_str address)
{
  const char *mark = memchr(address.data, '?', address.size);
  if (mark != NULL) address.size = (size_t)(mark - address.data);
  return signed_address.size >= address.size &&
         memcmp(signed_address.data, address.data, address.size) == 0 &&
         (signed_address.size == address.size || signed_address.data[address.size] == '?');
}

static frz_status read_headers(frz_json_reader *json, frz_arena *arena,
                               const frz_http_request *request, frz_http_headers *headers,
                               frz_error *err)
{
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str name, value;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &name, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(read_values(json, arena, &value, err));
    FRZ_TRY(take_header(request, name, value, headers, err));
  }
}

static frz_status read_answer(frz_str answer, frz_str address, frz_arena *arena,
                              const frz_http_request *request, frz_http_headers *headers,
                              frz_error *err)
{
  frz_json_reader json;
  frz_str signed_address = address;
  frz_json_reader_init(&json, answer.data, answer.size, arena);
  FRZ_TRY(frz_json_object_begin(&json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(&json, &key, &more, err));
    if (!more) break;
    if (frz_str_is(key, "uri"))
      FRZ_TRY(frz_json_read_string(&json, &signed_address, err));
    else if (frz_str_is(key, "headers"))
      FRZ_TRY(read_headers(&json, arena, request, headers, err));
    else
      FRZ_TRY(frz_json_skip(&json, err));
  }
  if (!is_same_address(signed_address, address))
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "the server signed a request on another address");
  if (!has_header(headers, FRZ_STR("authorization")))
    return frz_fail(err, FRZ_ERR_CORRUPT, "the answer holds no header authorization");
  return FRZ_OK;
}

static frz_status sign(frz_rest_session *session, frz_str uri, frz_str region, frz_arena *arena,
                       const frz_http_request *request, frz_http_headers *headers, frz_error *err)
{
  frz_str properties;
  terms t = {.arena = arena};
  frz_rest_call call;
  frz_buf address, body;
  frz_http_headers own = {.arena = arena};
  frz_status st = FRZ_OK;
  frz_rest_call_init(session, &call, "POST");
  frz_buf_init(&address, session->alloc, FRZ_LIMIT_PATH_BYTES);
  frz_buf_init(&body, session->alloc, BODY_BYTES_MAX);
  FRZ_TRY_OUT(frz_rest_lender.properties(session, uri, take_term, &t, err));
  if (t.uri.size == 0 && t.endpoint.size == 0)
    FRZ_TRY_OUT(address_of_table(session, uri, arena, &call, err));
  else
    FRZ_TRY_OUT(address_of_terms(session, &t, &call, err));
  FRZ_TRY_OUT(find_member(t.config, "properties", arena, &properties, err));
  FRZ_TRY_OUT(read_own_headers(t.config, arena, &own, err));
  FRZ_TRY_OUT(address_of_request(request, &address, err));
  FRZ_TRY_OUT(
      write_request(request, headers, region, frz_buf_str(&address), properties, &body, err));
  call.body = frz_buf_str(&body);
  call.more_headers = own.items;
  call.n_more_headers = own.n_items;
  call.may_repeat = true;
  FRZ_TRY_OUT(frz_rest_send_ok(session, &call, err));
  FRZ_TRY_OUT(
      read_answer(frz_buf_str(&call.answer), frz_buf_str(&address), arena, request, headers, err));
out:
  frz_buf_dispose(&call.answer);
  frz_buf_dispose(&address);
  frz_buf_dispose(&body);
  return st;
}

frz_status frz_rest_sign(void *ctx, frz_str uri, frz_str region, const frz_http_request *request,
                         frz_http_headers *headers, frz_error *err)
{
  frz_rest_session *session = ctx;
  frz_arena arena;
  frz_arena_init(&arena, session->alloc, ARENA_BYTES_MAX);
  frz_status st = sign(session, uri, region, &arena, request, headers, err);
  if (st != FRZ_OK) frz_error_where(err, "%.*s: signature: ", FRZ_STR_ARG(uri));
  frz_arena_free(&arena);
  return st;
}
