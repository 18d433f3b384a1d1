/*
 * azure_blob.c - see azure_blob.h.
 *
 * Every attempt is authorized anew: with the time (corrected where the server's clock was found to
 * differ), and with properties that are asked for then, since lent tokens end.
 *
 * What must stay true: secrets stay in configs and arenas that die with the call; what a server
 * says is quoted only where none of them is in it.
 */
#include "storage/azure_blob.h"

#include "base/arena_list.h"
#include "base/limits.h"
#include "base/os.h"
#include "storage/azure_auth.h"
#include "storage/object_listing.h"
#include "text/xml_reader.h"

enum {
  XML_BYTES_MAX = 1 << 20,
  SKEW_MS = 300000 /* of clocks, that is put right */
};

typedef struct azure_store {
  frz_object_store base;
  frz_azure_config config;
  frz_oauth *oauth; /* NULL: no client id and secret */
} azure_store;

typedef struct azure_blob {
  frz_object base;
  frz_azure_uri parts;
  frz_azure_address address;
  frz_str path; /* encoded */
} azure_blob;

/* ---- the store ---- */

static void store_free(frz_object_store *base)
{
  azure_store *store = (azure_store *)base;
  const frz_alloc *alloc = base->alloc;
  frz_oauth_free(store->oauth);
  frz_object_store_dispose(base);
  frz_alloc_free(alloc, store, sizeof *store);
}

static frz_status set_property(void *config, frz_str key, frz_str value, frz_error *err)
{
  return frz_azure_config_set(config, key, value, err);
}

/* Tokens for a client id and secret, where all of what they need is there. */
static frz_status set_oauth(azure_store *store, frz_error *err)
{
  const frz_azure_config *config = &store->config;
  frz_str host = config->authority_host;
  if (config->client_id.size == 0 && config->client_secret.size == 0) return FRZ_OK;
  if (config->client_id.size == 0 || config->client_secret.size == 0 || config->tenant_id.size == 0)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "properties adls.tenant-id, adls.client-id and adls.client-secret go together");
  if (host.size == 0) host = FRZ_STR("https://login.microsoftonline.com");
  while (host.size != 0 && host.data[host.size - 1] == '/') host.size--;
  frz_arena *arena = &store->base.arena;
  frz_oauth_options options = {
      .scope = FRZ_STR("https://storage.azure.com/.default"),
      .advice = "check the properties adls.tenant-id, adls.client-id and adls.client-secret"};
  options.token_url = frz_arena_print(arena, "%.*s/%.*s/oauth2/v2.0/token", FRZ_STR_ARG(host),
                                      FRZ_STR_ARG(config->tenant_id));
  options.credential = frz_arena_print(arena, "%.*s:%.*s", FRZ_STR_ARG(config->client_id),
                                       FRZ_STR_ARG(config->client_secret));
  if (options.token_url.data == NULL || options.credential.data == NULL)
    return frz_fail_nomem(err, "Azure store");
  return frz_oauth_create(store->base.alloc, store->base.http, &options, &store->oauth, err);
}

frz_status frz_azure_create(frz_context *context, const frz_property *properties,
                            size_t n_properties, const frz_storage_lender *lender, void *lender_ctx,
                            void **azure_out, frz_error *err)
{
  static const char *const prefixes[] = {"adls.", NULL};
  azure_store *store = frz_alloc_zeroed(frz_context_alloc(context), sizeof *store);
  if (store == NULL) return frz_fail_nomem(err, "Azure store");
  frz_object_store_init(&store->base, context, lender, lender_ctx, store_free);
  frz_http_options options;
  frz_http_options_init(&options);
  frz_http_options_read(&options, properties, n_properties);
  frz_status st = frz_object_store_read(&store->base, properties, n_properties, prefixes,
                                        set_property, &store->config, err);
  if (st == FRZ_OK) st = frz_object_store_connect(&store->base, &options, err);
  if (st == FRZ_OK) st = set_oauth(store, err);
  if (st == FRZ_OK)
    *azure_out = store;
  else
    frz_object_store_release(&store->base);
  return st;
}

/* ---- what a URI is reached with ---- */

typedef struct overlay {
  frz_azure_config *config;
  frz_arena *arena;
} overlay;

static frz_status take_lent(void *arg, frz_str key, frz_str value, frz_error *err)
{
  overlay *self = arg;
  frz_str copy = frz_arena_keep(self->arena, value);
  frz_str name = frz_arena_keep(self->arena, key); /* an account's name may be in it */
  if (copy.data == NULL || name.data == NULL) return frz_fail_nomem(err, "Azure credentials");
  return frz_azure_config_set(self->config, name, copy, err);
}

/* The store's own properties, and over them what is lent for this URI. */
static frz_status resolve(const frz_object_store *base, frz_str uri, frz_str account,
                          frz_arena *arena, frz_azure_config *config_out, frz_error *err)
{
  *config_out = ((const azure_store *)base)->config;
  if (base->lender == NULL) return FRZ_OK;
  config_out->for_account = account;
  overlay self = {config_out, arena};
  return base->lender->properties(base->lender_ctx, uri, take_lent, &self, err);
}

static frz_status set_up(frz_object *object, frz_error *err)
{
  azure_blob *blob = (azure_blob *)object;
  frz_azure_config config;
  FRZ_TRY(frz_azure_uri_parse(object->uri, &blob->parts, err));
  frz_status st =
      resolve(object->store, object->uri, blob->parts.account, &object->arena, &config, err);
  if (st == FRZ_OK)
    st = frz_azure_address_of(&config, &blob->parts, &object->arena, &blob->address, err);
  if (st != FRZ_OK) {
    frz_error_where(err, "%.*s: ", FRZ_STR_ARG(object->uri));
    return st;
  }
  frz_str folder = frz_arena_print(&object->arena, "%.*s/", (int)blob->address.path.size,
                                   blob->address.path.data);
  if (folder.data == NULL) return frz_fail_nomem(err, "Azure blob");
  return frz_object_path(object, folder, blob->parts.key, true, &blob->path, err);
}

/* ---- requests ---- */

static frz_status authorize(void *ctx, const frz_http_request *request, frz_http_headers *headers,
                            frz_error *err)
{
  azure_blob *blob = ctx;
  frz_object_store *base = blob->base.store;
  frz_azure_config config;
  FRZ_TRY(resolve(base, blob->base.uri, blob->address.account, headers->arena, &config, err));
  return frz_azure_authorize(&config, ((azure_store *)base)->oauth, blob->address.account,
                             atomic_load(&base->clock_ahead_ms), request, headers, err);
}

/* A clock that is wrong is put right, a token that ended is replaced. */
static frz_http_repeat wants_repeat(void *ctx, const frz_http_request *request)
{
  azure_blob *blob = ctx;
  azure_store *store = (azure_store *)blob->base.store;
  int32_t status = request->answer.status;
  if (status != 401 && status != 403) return FRZ_HTTP_REPEAT_NOT;
  if (status == 401 && store->oauth != NULL && frz_oauth_invalidate(store->oauth))
    return FRZ_HTTP_REPEAT_NOW;
  int64_t ahead_ms = frz_http_date(request->answer.date) - frz_os_now_ms();
  int64_t error_ms = ahead_ms - atomic_load(&store->base.clock_ahead_ms);
  bool is_skewed = request->answer.date[0] != '\0' && (error_ms > SKEW_MS || error_ms < -SKEW_MS);
  bool is_learnt = is_skewed && frz_http_learn_clock(&request->answer, &store->base.clock_ahead_ms);
  return is_learnt ? FRZ_HTTP_REPEAT_NOW : FRZ_HTTP_REPEAT_NOT;
}

static frz_http_request make_request(frz_object *object, const char *method, frz_buf *text)
{
  azure_blob *blob = (azure_blob *)object;
  return (frz_http_request){.method = frz_str_from(method),
                            .origin = blob->address.origin,
                            .path = blob->path,
                            .may_repeat = true,
                            .authorize = authorize,
                            .wants_repeat = wants_repeat,
                            .ctx = blob,
                            .text = text};
}

/* ---- errors ---- */

/* Where something is written, what is not there is the container: not what was asked for. */
static frz_status status_of(const frz_http_request *request, frz_str code)
{
  bool is_missing = code.size == 0 || frz_str_is(code, "BlobNotFound");
  switch (request->answer.status) {
  case 401:
  case 403: return FRZ_ERR_AUTH;
  case 404:
    return is_missing && !frz_str_is(request->method, "PUT") ? FRZ_ERR_NOT_FOUND : FRZ_ERR_IO;
  case 409: return frz_str_is(code, "BlobAlreadyExists") ? FRZ_ERR_EXISTS : FRZ_ERR_IO;
  case 412: return FRZ_ERR_EXISTS;
  default: return FRZ_ERR_IO;
  }
}

static const char *hint_of(frz_str code)
{
  static const struct {
    const char *code;
    const char *hint;
  } hints[] = {
      {"AuthenticationFailed", "; is adls.account-key or adls.sas-token right, and not ended?"},
      {"AuthorizationFailure", "; do the credentials allow this, and the account's network rules?"},
      {"AuthorizationPermissionMismatch", "; do the credentials allow this?"},
      {"InvalidAuthenticationInfo", "; is the token right, and not ended?"},
      {"ContainerNotFound", "; create the container, or correct the URI"},
      {"AccountIsDisabled", "; enable the account"},
  };
  for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
    if (frz_str_is(code, hints[i].code)) return hints[i].hint;
  return "";
}

/* Azure puts a request's id and time on lines of their own. */
static frz_str first_line(frz_str text)
{
  for (size_t i = 0; i < text.size; i++)
    if (text.data[i] == '\n' || text.data[i] == '\r') return (frz_str){text.data, i};
  return text;
}

static frz_status fail(const frz_object *object, const frz_http_request *request, frz_error *err)
{
  const azure_blob *blob = (const azure_blob *)object;
  frz_arena arena;
  frz_azure_config config;
  frz_arena_init(&arena, object->store->alloc, XML_BYTES_MAX);
  frz_str document = request->text != NULL ? frz_buf_str(request->text) : (frz_str){"", 0};
  frz_str code = frz_xml_find(document, "Code", &arena);
  frz_str message = first_line(frz_xml_find(document, "Message", &arena));
  frz_status st = status_of(request, code);
  const char *hint = hint_of(code);
  if (resolve(object->store, object->uri, blob->address.account, &arena, &config, NULL) == FRZ_OK) {
    code = frz_azure_unless_secret(&config, code);
    message = frz_azure_unless_secret(&config, message);
    frz_oauth *oauth = ((const azure_store *)object->store)->oauth;
    if (oauth != NULL) message = frz_oauth_unless_secret(oauth, message);
    if (oauth != NULL) code = frz_oauth_unless_secret(oauth, code);
  } else {
    code = message = (frz_str){"", 0};
  }
  st = frz_fail(err, st, "%.*s %.*s: HTTP %d%s%.*s%s%.*s%s", FRZ_STR_ARG(request->method),
                FRZ_STR_ARG(object->uri), (int)request->answer.status, code.size != 0 ? " " : "",
                FRZ_STR_ARG(code), message.size != 0 ? ": " : "", FRZ_STR_ARG(message), hint);
  frz_arena_free(&arena);
  return st;
}

static const frz_object_ops blob_ops = {.struct_bytes = sizeof(azure_blob),
                                        .set_up = set_up,
                                        .request = make_request,
                                        .fail = fail,
                                        .has_no_suffix_ranges = true};

frz_status frz_azure_object_open(void *azure, frz_str uri, frz_object **object_out, frz_error *err)
{
  return frz_object_open(azure, &blob_ops, uri, object_out, err);
}

/* ---- the storage ---- */

static frz_status azure_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  frz_object *blob;
  FRZ_TRY(frz_azure_object_open(ctx, uri, &blob, err));
  return frz_object_source_open(blob, source_out, err);
}

static frz_status azure_remove(void *ctx, frz_str uri, frz_error *err)
{
  frz_object *blob;
  FRZ_TRY(frz_azure_object_open(ctx, uri, &blob, err));
  frz_status st = frz_object_remove(blob, err);
  frz_object_free(blob);
  return st;
}

/* A blob of a page; with a hierarchical namespace folders are listed, too. */
typedef struct listed_blob {
  frz_str name;
  int64_t size_bytes;
  int64_t modified_ms;
  bool is_folder;
} listed_blob;

static frz_status note_property(listed_blob *blob, const frz_xml_event *event, frz_arena *arena,
                                frz_error *err)
{
  if (frz_str_is(event->name, "Content-Length")) blob->size_bytes = frz_object_size(event->text);
  if (frz_str_is(event->name, "ResourceType"))
    blob->is_folder = frz_str_is(event->text, "directory");
  if (!frz_str_is(event->name, "Last-Modified")) return FRZ_OK;
  frz_str date = frz_arena_copy(arena, event->text); /* ends with a NUL */
  if (date.data == NULL) return frz_fail_nomem(err, "listing");
  int64_t ms = frz_http_date(date.data);
  blob->modified_ms = ms > 0 ? ms : 0;
  return FRZ_OK;
}

static frz_status read_page(frz_object_listing *listing, frz_str page, frz_arena *arena,
                            frz_error *err)
{
  frz_xml_reader xml;
  frz_xml_event event;
  listed_blob blob = {0};
  frz_xml_reader_init(&xml, page.data, page.size, arena);
  for (;;) {
    FRZ_TRY(frz_xml_next(&xml, &event, err));
    if (event.kind == FRZ_XML_DONE) return FRZ_OK;
    if (event.kind == FRZ_XML_BEGIN) continue;
    if (event.depth == 2 && frz_str_is(event.name, "NextMarker")) listing->next = event.text;
    if (event.depth == 4 && frz_str_is(event.name, "Name")) blob.name = event.text;
    if (event.depth == 5) FRZ_TRY(note_property(&blob, &event, arena, err));
    if (event.depth != 3 || !frz_str_is(event.name, "Blob")) continue;
    if (!blob.is_folder)
      FRZ_TRY(frz_object_listing_visit(listing, blob.name, blob.size_bytes, blob.modified_ms, err));
    blob = (listed_blob){0};
  }
}

static frz_status azure_list(void *ctx, frz_str uri, frz_storage_visit visit, void *arg,
                             frz_error *err)
{
  static const frz_http_pair query[] = {{{"restype", 7}, {"container", 9}},
                                        {{"comp", 4}, {"list", 4}}};
  frz_object *object;
  FRZ_TRY(frz_azure_object_open(ctx, uri, &object, err));
  azure_blob *blob = (azure_blob *)object;
  blob->path = blob->address.path;
  frz_object_listing listing = {.container = object,
                                .query = query,
                                .n_query = 2,
                                .prefix_name = FRZ_STR("prefix"),
                                .token_name = FRZ_STR("marker"),
                                .read_page = read_page};
  frz_str last = blob->parts.host.size != 0 ? blob->parts.host : blob->parts.container;
  size_t n_root = (size_t)(last.data - object->uri.data) + last.size;
  frz_status st = frz_object_listing_run(&listing, n_root, blob->parts.key, visit, arg, err);
  frz_object_free(object);
  return st;
}

static void azure_free(void *ctx)
{
  frz_object_store_release(ctx);
}

const frz_storage_ops *frz_azure_storage_ops(void)
{
  static const frz_storage_ops ops = {.version = 1,
                                      .open = azure_open,
                                      .create = frz_azure_create_blob,
                                      .remove = azure_remove,
                                      .list = azure_list,
                                      .free = azure_free};
  return &ops;
}
