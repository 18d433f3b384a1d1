/*
 * s3_client.c - see s3_client.h.
 *
 * Every attempt is signed anew: with the time (corrected where the server's clock was found to
 * differ), and with credentials that are asked for then, since lent and temporary ones end.
 *
 * What must stay true: credentials stay in configs and arenas that die with the call; what a server
 * says is quoted only where none of them is in it, and not where the keys are another's.
 */
#include "storage/s3_client.h"

#include "base/arena_list.h"
#include "base/limits.h"
#include "net/aws_auth.h"
#include "net/secret.h"
#include "storage/aws_credentials.h"
#include "text/xml_reader.h"

enum { XML_BYTES_MAX = 64 << 20 };

struct frz_s3 {
  frz_object_store base;
  frz_s3_config config;
  frz_aws_provider *provider;
};

static frz_status set_property(void *config, frz_str key, frz_str value, frz_error *err)
{
  return frz_s3_config_set(config, key, value, err);
}

static void s3_free(frz_object_store *store)
{
  frz_s3 *s3 = (frz_s3 *)store;
  const frz_alloc *alloc = store->alloc;
  frz_aws_provider_free(s3->provider);
  frz_object_store_dispose(store);
  frz_alloc_free(alloc, s3, sizeof *s3);
}

frz_status frz_s3_create(frz_context *context, const frz_property *properties, size_t n_properties,
                         const frz_storage_lender *lender, void *lender_ctx, void **s3_out,
                         frz_error *err)
{
  static const char *const prefixes[] = {"s3.", "client.", NULL};
  frz_s3 *s3 = frz_alloc_zeroed(frz_context_alloc(context), sizeof *s3);
  if (s3 == NULL) return frz_fail_nomem(err, "S3 store");
  frz_object_store_init(&s3->base, context, lender, lender_ctx, s3_free);
  frz_s3_config_init(&s3->config);
  frz_http_options options;
  frz_http_options_init(&options);
  frz_http_options_read(&options, properties, n_properties);
  frz_status st = frz_object_store_read(&s3->base, properties, n_properties, prefixes, set_property,
                                        &s3->config, err);
  if (st == FRZ_OK) st = frz_aws_config_finish(&s3->config.aws, err);
  options.connect_timeout_ms = s3->config.connect_timeout_ms;
  options.stall_timeout_ms = s3->config.request_timeout_ms;
  options.proxy = s3->config.proxy;
  if (st == FRZ_OK) st = frz_object_store_connect(&s3->base, &options, err);
  if (st == FRZ_OK)
    st = frz_aws_provider_create(context, s3->base.http, &s3->config.aws, &s3->provider, err);
  if (st == FRZ_OK)
    *s3_out = s3;
  else
    frz_object_store_release(&s3->base);
  return st;
}

/* ---- what a URI is reached with ---- */

typedef struct overlay {
  frz_s3_config *config;
  frz_arena *arena;
  bool has_credentials;
} overlay;

static frz_status take_lent(void *arg, frz_str key, frz_str value, frz_error *err)
{
  overlay *self = arg;
  frz_str copy = frz_arena_keep(self->arena, value);
  if (copy.data == NULL) return frz_fail_nomem(err, "S3 credentials");
  if (frz_str_is(key, "s3.access-key-id")) {
    /* All three come from one place. */
    frz_aws_credentials *credentials = &self->config->aws.credentials;
    *credentials = (frz_aws_credentials){{0}, credentials->secret_access_key, {0}};
    self->has_credentials = true;
  }
  return frz_s3_config_set(self->config, key, copy, err);
}

/* The store's own properties, and over them what is lent for this URI. */
static frz_status resolve(frz_s3 *s3, frz_str uri, frz_arena *arena, frz_s3_config *config_out,
                          bool *is_lent_out, frz_error *err)
{
  *config_out = s3->config;
  *is_lent_out = false;
  if (s3->base.lender == NULL) return FRZ_OK;
  overlay self = {config_out, arena, false};
  FRZ_TRY(s3->base.lender->properties(s3->base.lender_ctx, uri, take_lent, &self, err));
  /* A catalog passes on the store's own, too. */
  *is_lent_out = self.has_credentials && !frz_str_equal(config_out->aws.credentials.access_key_id,
                                                        s3->config.aws.credentials.access_key_id);
  return FRZ_OK;
}

static frz_status set_up(frz_object *object, frz_error *err)
{
  frz_s3_target *target = (frz_s3_target *)object;
  frz_s3_config config;
  bool is_lent;
  FRZ_TRY(frz_s3_uri_parse(object->uri, &target->bucket, &target->key, err));
  FRZ_TRY(resolve((frz_s3 *)object->store, object->uri, &object->arena, &config, &is_lent, err));
  FRZ_TRY(frz_s3_address_of(&config, target->bucket, &object->arena, &target->address, err));
  return frz_object_path(object, target->address.path, target->key, true, &target->path, err);
}

frz_str frz_s3_bucket_path(const frz_s3_target *target)
{
  frz_str path = target->address.path;
  return path.size > 1 ? (frz_str){path.data, path.size - 1} : path;
}

/* ---- signing ---- */

/* What proves who asks. */
typedef enum proof { BY_NOTHING, BY_KEYS, BY_LENDER } proof;

static frz_status find_proof(frz_s3_target *target, frz_arena *arena, proof *proof_out,
                             frz_aws_credentials *credentials_out, frz_error *err)
{
  frz_s3 *s3 = (frz_s3 *)target->base.store;
  frz_s3_config config;
  bool is_lent;
  FRZ_TRY(resolve(s3, target->base.uri, arena, &config, &is_lent, err));
  *credentials_out = config.aws.credentials;
  *proof_out = config.is_anonymous && !is_lent ? BY_NOTHING : BY_KEYS;
  if (config.is_signed_remotely) *proof_out = BY_LENDER;
  if (*proof_out != BY_KEYS || is_lent) return FRZ_OK;
  frz_status st = frz_aws_provider_get(s3->provider, arena, credentials_out, err);
  if (st != FRZ_OK) frz_error_where(err, "%.*s: ", FRZ_STR_ARG(target->base.uri));
  return st;
}

static frz_status sign_by_lender(const frz_s3_target *target, const frz_http_request *request,
                                 frz_http_headers *headers, frz_error *err)
{
  const frz_storage_lender *lender = target->base.store->lender;
  if (lender == NULL || lender->sign == NULL)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "%.*s: property s3.remote-signing-enabled needs a catalog of type rest, whose "
                    "server signs",
                    FRZ_STR_ARG(target->base.uri));
  return lender->sign(target->base.store->lender_ctx, target->base.uri, target->address.region,
                      request, headers, err);
}

static frz_status authorize(void *ctx, const frz_http_request *request, frz_http_headers *headers,
                            frz_error *err)
{
  frz_s3_target *target = ctx;
  frz_aws_credentials credentials;
  proof by;
  FRZ_TRY(find_proof(target, headers->arena, &by, &credentials, err));
  if (by == BY_NOTHING) return FRZ_OK;
  if (by == BY_LENDER) return sign_by_lender(target, request, headers, err);
  const frz_aws_service service = {.name = FRZ_STR("s3"),
                                   .region = target->address.region,
                                   .clock_ahead_ms =
                                       atomic_load(&target->base.store->clock_ahead_ms)};
  return frz_aws_sign(&service, &credentials, request, headers, err);
}

/* ---- answers ---- */

static bool is_code(const frz_http_request *request, const char *const *codes, frz_arena *arena)
{
  frz_str found = frz_xml_find(frz_buf_str(request->text), "Code", arena);
  for (; *codes != NULL; codes++)
    if (frz_str_is(found, *codes)) return true;
  return false;
}

/* Answers that another attempt may turn although their status does not say so. */
static frz_http_repeat wants_repeat(void *ctx, const frz_http_request *request)
{
  static const char *const transient[] = {"RequestTimeout", "SlowDown", "OperationAborted",
                                          "ConditionalRequestConflict", NULL};
  static const char *const skewed[] = {"RequestTimeTooSkewed", NULL};
  static const char *const ended[] = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", NULL};
  frz_s3_target *target = ctx;
  frz_s3 *s3 = (frz_s3 *)target->base.store;
  bool repeats = false;
  if (request->text == NULL) return FRZ_HTTP_REPEAT_NOT;
  frz_arena arena;
  frz_arena_init(&arena, target->base.store->alloc, XML_BYTES_MAX);
  if (is_code(request, transient, &arena)) {
    repeats = true;
  } else if (is_code(request, ended, &arena)) {
    repeats = frz_aws_provider_renew(s3->provider);
  } else if (is_code(request, skewed, &arena) && request->answer.n_attempts == 1) {
    repeats = frz_http_learn_clock(&request->answer, &target->base.store->clock_ahead_ms);
  }
  frz_arena_free(&arena);
  return repeats ? FRZ_HTTP_REPEAT_NOW : FRZ_HTTP_REPEAT_NOT;
}

static frz_http_request make_request(frz_object *object, const char *method, frz_buf *text)
{
  frz_s3_target *target = (frz_s3_target *)object;
  return (frz_http_request){.method = frz_str_from(method),
                            .origin = target->address.origin,
                            .path = target->path,
                            .may_repeat = true,
                            .authorize = authorize,
                            .wants_repeat = wants_repeat,
                            .ctx = target,
                            .text = text};
}

/* What the server says, unless it says back what is secret. */
static proof hide_secrets(const frz_s3_target *target, frz_str *code, frz_str *message,
                          frz_arena *arena)
{
  frz_aws_credentials used;
  proof by;
  frz_s3_target copy = *target;
  if (find_proof(&copy, arena, &by, &used, NULL) != FRZ_OK) {
    *code = *message = (frz_str){"", 0}; /* what is secret is not known */
    return BY_NOTHING;
  }
  *code = frz_unless_aws_secret(*code, &used);
  *message = by == BY_LENDER ? (frz_str){"", 0} : frz_unless_aws_secret(*message, &used);
  return by;
}

/* Where something is written, what is not there is the bucket: not the thing that was asked for. */
static frz_status status_of(const frz_http_request *request, frz_str code)
{
  bool writes = frz_str_is(request->method, "PUT") || frz_str_is(request->method, "POST");
  switch (request->answer.status) {
  case 401:
  case 403: return FRZ_ERR_AUTH;
  case 404:
    return !writes && (code.size == 0 || frz_str_starts(code, "NoSuch")) ? FRZ_ERR_NOT_FOUND
                                                                         : FRZ_ERR_IO;
  case 412: return FRZ_ERR_EXISTS;
  default: return frz_str_is(code, "PreconditionFailed") ? FRZ_ERR_EXISTS : FRZ_ERR_IO;
  }
}

static const char *hint_of(frz_str code, proof by)
{
  static const struct {
    const char *code;
    const char *hint;
  } hints[] = {
      {"SignatureDoesNotMatch", "; is s3.secret-access-key right?"},
      {"InvalidAccessKeyId", "; is s3.access-key-id right?"},
      {"AccessDenied", "; do the credentials allow this?"},
      {"RequestTimeTooSkewed", "; this machine's clock is wrong"},
      {"ExpiredToken", "; the session token has ended: get new credentials"},
      {"NoSuchBucket", "; create the bucket, or correct the URI or s3.endpoint"},
      {"AuthorizationHeaderMalformed", "; set s3.region to the bucket's region"},
  };
  if (by == BY_LENDER) return "; the catalog's server signed it";
  for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
    if (frz_str_is(code, hints[i].code)) return hints[i].hint;
  return "";
}

static frz_status fail(const frz_object *object, const frz_http_request *request, frz_error *err)
{
  const frz_s3_target *target = (const frz_s3_target *)object;
  const frz_http_answer *answer = &request->answer;
  bool is_moved = answer->status == 301 || answer->status == 307 || answer->status == 400;
  if (is_moved && answer->bucket_region[0] != '\0' &&
      !frz_str_is(target->address.region, answer->bucket_region))
    return frz_fail(err, FRZ_ERR_INVALID, "%.*s: the bucket is in region %s: set s3.region",
                    FRZ_STR_ARG(target->base.uri), answer->bucket_region);
  frz_arena arena;
  frz_arena_init(&arena, target->base.store->alloc, XML_BYTES_MAX);
  frz_str document = request->text != NULL ? frz_buf_str(request->text) : (frz_str){"", 0};
  frz_str code = frz_xml_find(document, "Code", &arena);
  frz_str message = frz_xml_find(document, "Message", &arena);
  frz_status st = status_of(request, code);
  proof by = hide_secrets(target, &code, &message, &arena);
  st = frz_fail(err, st, "%.*s %.*s: HTTP %d%s%.*s%s%.*s%s", FRZ_STR_ARG(request->method),
                FRZ_STR_ARG(target->base.uri), (int)answer->status, code.size != 0 ? " " : "",
                FRZ_STR_ARG(code), message.size != 0 ? ": " : "", FRZ_STR_ARG(message),
                hint_of(code, by));
  frz_arena_free(&arena);
  return st;
}

static const frz_object_ops target_ops = {
    .struct_bytes = sizeof(frz_s3_target), .set_up = set_up, .request = make_request, .fail = fail};

frz_status frz_s3_object_open(void *s3, frz_str uri, frz_object **object_out, frz_error *err)
{
  return frz_object_open(s3, &target_ops, uri, object_out, err);
}
