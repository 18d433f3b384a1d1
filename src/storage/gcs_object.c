/*
 * gcs_object.c - see gcs_object.h.
 *
 * Every attempt carries the token that holds then: lent ones are asked for anew, those of a key or
 * of the metadata server are renewed before they end.
 *
 * What must stay true: tokens stay in configs and arenas that die with the call; what a server says
 * is quoted only where none of them is in it.
 */
#include "storage/gcs_object.h"

#include "base/arena_list.h"
#include "base/limits.h"
#include "net/secret.h"
#include "storage/gcs_token.h"
#include "storage/object_listing.h"
#include "text/json_reader.h"

enum { ERROR_ARENA_BYTES_MAX = 1 << 20, ABOUT_BYTES_MAX = 1 << 20 };

typedef struct gcs_store {
  frz_object_store base;
  frz_gcs_config config;
  frz_gcs_tokens *tokens; /* NULL: given ones, or none */
  frz_str more_query;     /* of every request */
} gcs_store;

/* ---- the store ---- */

static void store_free(frz_object_store *base)
{
  gcs_store *store = (gcs_store *)base;
  const frz_alloc *alloc = base->alloc;
  frz_gcs_tokens_free(store->tokens);
  frz_object_store_dispose(base);
  frz_alloc_free(alloc, store, sizeof *store);
}

static frz_status set_property(void *config, frz_str key, frz_str value, frz_error *err)
{
  return frz_gcs_config_set(config, key, value, err);
}

static frz_status set_more_query(gcs_store *store, frz_error *err)
{
  const frz_http_pair pair = {FRZ_STR("userProject"), store->config.user_project};
  frz_buf text;
  if (pair.value.size == 0) return FRZ_OK;
  frz_buf_init(&text, store->base.alloc, FRZ_LIMIT_PATH_BYTES);
  frz_status st = frz_query_append(&pair, 1, &text, err);
  if (st == FRZ_OK) {
    store->more_query = frz_arena_copy(&store->base.arena, frz_buf_str(&text));
    if (store->more_query.data == NULL) st = frz_fail_nomem(err, "GCS store");
  }
  frz_buf_dispose(&text);
  return st;
}

frz_status frz_gcs_create(frz_context *context, const frz_property *properties, size_t n_properties,
                          const frz_storage_lender *lender, void *lender_ctx, void **gcs_out,
                          frz_error *err)
{
  static const char *const prefixes[] = {"gcs.", NULL};
  gcs_store *store = frz_alloc_zeroed(frz_context_alloc(context), sizeof *store);
  if (store == NULL) return frz_fail_nomem(err, "GCS store");
  frz_object_store_init(&store->base, context, lender, lender_ctx, store_free);
  frz_http_options options;
  frz_http_options_init(&options);
  frz_http_options_read(&options, properties, n_properties);
  frz_status st = frz_object_store_read(&store->base, properties, n_properties, prefixes,
                                        set_property, &store->config, err);
  if (st == FRZ_OK) st = frz_object_store_connect(&store->base, &options, err);
  if (st == FRZ_OK)
    st = frz_gcs_tokens_create(context, store->base.http, &store->config, &store->tokens, err);
  if (st == FRZ_OK) st = set_more_query(store, err);
  if (st == FRZ_OK)
    *gcs_out = store;
  else
    frz_object_store_release(&store->base);
  return st;
}

/* ---- what a URI is reached with ---- */

typedef struct overlay {
  frz_gcs_config *config;
  frz_arena *arena;
} overlay;

static frz_status take_lent(void *arg, frz_str key, frz_str value, frz_error *err)
{
  overlay *self = arg;
  frz_str copy = frz_arena_keep(self->arena, value);
  if (copy.data == NULL) return frz_fail_nomem(err, "GCS credentials");
  return frz_gcs_config_set(self->config, key, copy, err);
}

/* The store's own properties, and over them what is lent for this URI. */
static frz_status resolve(const frz_object_store *base, frz_str uri, frz_arena *arena,
                          frz_gcs_config *config_out, frz_error *err)
{
  *config_out = ((const gcs_store *)base)->config;
  if (base->lender == NULL) return FRZ_OK;
  overlay self = {config_out, arena};
  return base->lender->properties(base->lender_ctx, uri, take_lent, &self, err);
}

static frz_status set_address(frz_gcs_object *object, const frz_gcs_config *config, frz_error *err)
{
  frz_arena *arena = &object->base.arena;
  frz_str host = config->host.size != 0 ? config->host : FRZ_STR("https://storage.googleapis.com");
  if (host.data == NULL || memmem(host.data, host.size, "://", 3) == NULL) {
    host = frz_arena_print(arena, "https://%.*s", FRZ_STR_ARG(host));
    if (host.data == NULL) return frz_fail_nomem(err, "GCS request");
  }
  while (host.size != 0 && host.data[host.size - 1] == '/') host.size--;
  frz_url url;
  FRZ_TRY(frz_url_parse(host, "property gcs.service.host", &url, err));
  object->origin = frz_arena_copy(arena, url.origin);
  object->list_path = frz_arena_print(arena, "%.*s/storage/v1/b/%.*s/o", FRZ_STR_ARG(url.path),
                                      FRZ_STR_ARG(object->bucket));
  object->upload_path = frz_arena_print(arena, "%.*s/upload/storage/v1/b/%.*s/o",
                                        FRZ_STR_ARG(url.path), FRZ_STR_ARG(object->bucket));
  if (object->origin.data == NULL || object->list_path.data == NULL ||
      object->upload_path.data == NULL)
    return frz_fail_nomem(err, "GCS request");
  return FRZ_OK;
}

static frz_status set_up(frz_object *base, frz_error *err)
{
  frz_gcs_object *object = (frz_gcs_object *)base;
  frz_gcs_config config;
  FRZ_TRY(frz_gcs_uri_parse(base->uri, &object->bucket, &object->name, err));
  FRZ_TRY(resolve(base->store, base->uri, &base->arena, &config, err));
  FRZ_TRY(set_address(object, &config, err));
  frz_str folder =
      frz_arena_print(&base->arena, "%.*s/", (int)object->list_path.size, object->list_path.data);
  if (folder.data == NULL) return frz_fail_nomem(err, "GCS object");
  /* Slashes of a name are encoded, too. */
  return frz_object_path(base, folder, object->name, false, &object->path, err);
}

/* ---- requests ---- */

static frz_status authorization_of(const frz_object *object, frz_arena *arena, frz_str *value_out,
                                   frz_error *err)
{
  const gcs_store *store = (const gcs_store *)object->store;
  frz_gcs_config config;
  *value_out = (frz_str){"", 0};
  FRZ_TRY(resolve(object->store, object->uri, arena, &config, err));
  if (config.token.size != 0) return frz_oauth_bearer(config.token, arena, value_out, err);
  if (store->tokens != NULL)
    return frz_oauth_authorization(frz_gcs_tokens_oauth(store->tokens), arena, value_out, err);
  if (config.is_anonymous) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_AUTH,
                  "%.*s: no credentials; set gcs.oauth2.token or gcs.credentials-file, or "
                  "gcs.credentials-source=default to look where Google's own tools do, or "
                  "gcs.no-auth=true",
                  FRZ_STR_ARG(object->uri));
}

static frz_status authorize(void *ctx, const frz_http_request *request, frz_http_headers *headers,
                            frz_error *err)
{
  const frz_gcs_object *object = ctx;
  frz_str value;
  FRZ_TRY(authorization_of(&object->base, headers->arena, &value, err));
  bool is_of_session =
      object->session_path.size != 0 && request->path.data == object->session_path.data;
  headers->more_query =
      is_of_session ? object->session_query : ((const gcs_store *)object->base.store)->more_query;
  if (value.size == 0) return FRZ_OK;
  return frz_http_headers_add(headers, FRZ_STR("authorization"), value, err);
}

/* A token that ended early, or was withdrawn, is replaced. */
static frz_http_repeat wants_repeat(void *ctx, const frz_http_request *request)
{
  const frz_gcs_object *object = ctx;
  const gcs_store *store = (const gcs_store *)object->base.store;
  bool is_renewed = request->answer.status == 401 && store->tokens != NULL &&
                    frz_oauth_invalidate(frz_gcs_tokens_oauth(store->tokens));
  return is_renewed ? FRZ_HTTP_REPEAT_NOW : FRZ_HTTP_REPEAT_NOT;
}

static frz_http_request make_request(frz_object *base, const char *method, frz_buf *text)
{
  frz_gcs_object *object = (frz_gcs_object *)base;
  return (frz_http_request){.method = frz_str_from(method),
                            .origin = object->origin,
                            .path = object->path,
                            .may_repeat = true,
                            .authorize = authorize,
                            .wants_repeat = wants_repeat,
                            .ctx = object,
                            .text = text};
}

/* ---- answers in JSON ---- */

/* The string member of an object that the reader is at the value of; others are skipped. */
static frz_status read_member(frz_json_reader *json, const char *name, frz_str *value_out,
                              frz_error *err)
{
  frz_json_kind kind;
  frz_str key;
  bool more;
  FRZ_TRY(frz_json_peek(json, &kind, err));
  if (kind != FRZ_JSON_OBJECT) return frz_json_skip(json, err);
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(frz_json_peek(json, &kind, err));
    bool is_it = frz_str_is(key, name) && kind == FRZ_JSON_STRING;
    FRZ_TRY(is_it ? frz_json_read_string(json, value_out, err) : frz_json_skip(json, err));
  }
}

/* {"error": {"message": "..."}}; size 0: not such a document. */
static frz_str message_of(frz_str document, frz_arena *arena)
{
  frz_json_reader json;
  frz_str key, message = {"", 0};
  bool more;
  frz_json_reader_init(&json, document.data, document.size, arena);
  if (frz_json_object_begin(&json, NULL) != FRZ_OK) return message;
  while (frz_json_object_next(&json, &key, &more, NULL) == FRZ_OK && more) {
    frz_status st = frz_str_is(key, "error") ? read_member(&json, "message", &message, NULL)
                                             : frz_json_skip(&json, NULL);
    if (st != FRZ_OK) break;
  }
  return message;
}

/* Where something is written, what is not there is the bucket: not what was asked for. */
static frz_status status_of(const frz_http_request *request, frz_str message)
{
  bool no_bucket = message.size != 0 && memmem(message.data, message.size, "bucket", 6) != NULL;
  bool writes = frz_str_is(request->method, "POST") || frz_str_is(request->method, "PUT");
  switch (request->answer.status) {
  case 401:
  case 403: return FRZ_ERR_AUTH;
  case 404: return writes || no_bucket ? FRZ_ERR_IO : FRZ_ERR_NOT_FOUND;
  case 412: return FRZ_ERR_EXISTS;
  default: return FRZ_ERR_IO;
  }
}

static const char *hint_of(const frz_http_request *request, frz_status st)
{
  if (request->answer.status == 401) return "; is the token right, and not ended?";
  if (request->answer.status == 403) return "; do the credentials allow this?";
  if (request->answer.status == 404 && st == FRZ_ERR_IO)
    return "; create the bucket, or correct the URI";
  return "";
}

static frz_status fail(const frz_object *object, const frz_http_request *request, frz_error *err)
{
  const gcs_store *store = (const gcs_store *)object->store;
  frz_gcs_config config;
  frz_arena arena;
  frz_arena_init(&arena, object->store->alloc, ERROR_ARENA_BYTES_MAX);
  frz_str document = request->text != NULL ? frz_buf_str(request->text) : (frz_str){"", 0};
  frz_str message = message_of(document, &arena);
  frz_status st = status_of(request, message);
  if (resolve(object->store, object->uri, &arena, &config, NULL) != FRZ_OK)
    message = (frz_str){"", 0};
  else
    message = frz_unless_secret(message, &config.token, 1);
  if (store->tokens != NULL)
    message = frz_oauth_unless_secret(frz_gcs_tokens_oauth(store->tokens), message);
  message = frz_unless_secret(message, &((const frz_gcs_object *)object)->session_query, 1);
  st = frz_fail(err, st, "%.*s %.*s: HTTP %d%s%.*s%s", FRZ_STR_ARG(request->method),
                FRZ_STR_ARG(object->uri), (int)request->answer.status,
                message.size != 0 ? ": " : "", FRZ_STR_ARG(message), hint_of(request, st));
  frz_arena_free(&arena);
  return st;
}

/* ---- asking ---- */

static frz_status read_about(frz_str text, frz_arena *arena, frz_http_answer *answer,
                             frz_error *err)
{
  frz_json_reader json;
  frz_str key, size = {0}, writer = {"", 0};
  bool more;
  frz_json_reader_init(&json, text.data, text.size, arena);
  FRZ_TRY(frz_json_object_begin(&json, err));
  for (;;) {
    FRZ_TRY(frz_json_object_next(&json, &key, &more, err));
    if (!more) break;
    if (frz_str_is(key, "size"))
      FRZ_TRY(frz_json_read_string(&json, &size, err));
    else if (frz_str_is(key, "metadata"))
      FRZ_TRY(read_member(&json, "frazil-write", &writer, err));
    else
      FRZ_TRY(frz_json_skip(&json, err));
  }
  answer->length_bytes = frz_object_size(size);
  answer->etag[0] = '\0'; /* of the metadata; that of the bytes is another */
  answer->writer[0] = '\0';
  if (writer.size < sizeof answer->writer) {
    memcpy(answer->writer, writer.data, writer.size);
    answer->writer[writer.size] = '\0';
  }
  return FRZ_OK;
}

static frz_status ask(frz_object *object, frz_http_answer *answer_out, frz_error *err)
{
  static const frz_http_pair query = {{"fields", 6}, {"size,metadata", 13}};
  frz_buf text;
  frz_arena arena;
  frz_buf_init(&text, object->store->alloc, ABOUT_BYTES_MAX);
  frz_arena_init(&arena, object->store->alloc, ABOUT_BYTES_MAX);
  frz_http_request request = make_request(object, "GET", &text);
  request.query = &query;
  request.n_query = 1;
  frz_status st = frz_object_send(object, &request, 200, err);
  if (st == FRZ_OK) {
    st = read_about(frz_buf_str(&text), &arena, &request.answer, err);
    if (st != FRZ_OK) frz_error_where(err, "%.*s: ", FRZ_STR_ARG(object->uri));
  }
  if (st == FRZ_OK) *answer_out = request.answer;
  frz_arena_free(&arena);
  frz_buf_dispose(&text);
  return st;
}

static const frz_object_ops object_ops = {.struct_bytes = sizeof(frz_gcs_object),
                                          .set_up = set_up,
                                          .request = make_request,
                                          .fail = fail,
                                          .ask = ask,
                                          .media = {{"alt", 3}, {"media", 5}}};

frz_status frz_gcs_object_open(void *gcs, frz_str uri, frz_object **object_out, frz_error *err)
{
  return frz_object_open(gcs, &object_ops, uri, object_out, err);
}

/* ---- the storage ---- */

static frz_status gcs_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  frz_object *object;
  FRZ_TRY(frz_gcs_object_open(ctx, uri, &object, err));
  return frz_object_source_open(object, source_out, err);
}

static frz_status gcs_remove(void *ctx, frz_str uri, frz_error *err)
{
  frz_object *object;
  FRZ_TRY(frz_gcs_object_open(ctx, uri, &object, err));
  frz_status st = frz_object_remove(object, err);
  frz_object_free(object);
  return st;
}

static frz_status visit_item(frz_object_listing *listing, frz_json_reader *json, frz_error *err)
{
  frz_str key, name = {0}, size = {0}, updated = {0};
  bool more;
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) break;
    frz_str *to = frz_str_is(key, "name")      ? &name
                  : frz_str_is(key, "size")    ? &size
                  : frz_str_is(key, "updated") ? &updated
                                               : NULL;
    FRZ_TRY(to != NULL ? frz_json_read_string(json, to, err) : frz_json_skip(json, err));
  }
  return frz_object_listing_visit(listing, name, frz_object_size(size), frz_object_time(updated),
                                  err);
}

static frz_status read_page(frz_object_listing *listing, frz_str page, frz_arena *arena,
                            frz_error *err)
{
  frz_json_reader json;
  frz_str key;
  bool more;
  frz_json_reader_init(&json, page.data, page.size, arena);
  FRZ_TRY(frz_json_object_begin(&json, err));
  for (;;) {
    FRZ_TRY(frz_json_object_next(&json, &key, &more, err));
    if (!more) return FRZ_OK;
    if (frz_str_is(key, "nextPageToken")) {
      FRZ_TRY(frz_json_read_string(&json, &listing->next, err));
    } else if (frz_str_is(key, "items")) {
      FRZ_TRY(frz_json_array_begin(&json, err));
      for (;;) {
        FRZ_TRY(frz_json_array_next(&json, &more, err));
        if (!more) break;
        FRZ_TRY(visit_item(listing, &json, err));
      }
    } else {
      FRZ_TRY(frz_json_skip(&json, err));
    }
  }
}

static frz_status gcs_list(void *ctx, frz_str uri, frz_storage_visit visit, void *arg,
                           frz_error *err)
{
  static const frz_http_pair query = {{"fields", 6},
                                      {"items(name,size,updated),nextPageToken", 38}};
  frz_object *base;
  FRZ_TRY(frz_gcs_object_open(ctx, uri, &base, err));
  frz_gcs_object *object = (frz_gcs_object *)base;
  object->path = object->list_path;
  frz_object_listing listing = {.container = base,
                                .query = &query,
                                .n_query = 1,
                                .prefix_name = FRZ_STR("prefix"),
                                .token_name = FRZ_STR("pageToken"),
                                .read_page = read_page};
  size_t n_root = (size_t)(object->bucket.data - base->uri.data) + object->bucket.size;
  frz_status st = frz_object_listing_run(&listing, n_root, object->name, visit, arg, err);
  frz_object_free(base);
  return st;
}

static void gcs_free(void *ctx)
{
  frz_object_store_release(ctx);
}

const frz_storage_ops *frz_gcs_storage_ops(void)
{
  static const frz_storage_ops ops = {.version = 1,
                                      .open = gcs_open,
                                      .create = frz_gcs_create_object,
                                      .remove = gcs_remove,
                                      .list = gcs_list,
                                      .free = gcs_free};
  return &ops;
}
