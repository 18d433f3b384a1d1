/*
 * aws_credentials.c - see aws_credentials.h.
 *
 * Keys of the properties come first; then sources are asked in a fixed order; the first that is
 * there answers, and one that is there but broken is an error, not passed over. What was found is
 * kept under a lock until five minutes before its end (a quarter of its life, where that is less).
 * A role is assumed with what was found, save by web identity, which gives the role's credentials
 * itself.
 *
 * What must stay true: no secret reaches a message; what is replaced is wiped.
 *
 * Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers".
 */
#include "storage/aws_credentials.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "base/os.h"
#include "net/aws_auth.h"
#include "net/secret.h"
#include "storage/local_storage.h"
#include "text/json_reader.h"
#include "text/xml_reader.h"

enum { FILE_BYTES_MAX = 1 << 20, ANSWER_BYTES_MAX = 1 << 20, EARLY_MS = 300000 };

struct frz_aws_provider {
  frz_context *context;
  const frz_alloc *alloc;
  frz_http_client *http;
  frz_http_client *near_http; /* of this machine's own services: short timeouts */
  const frz_aws_config *config;
  pthread_mutex_t lock;
  frz_arena arena; /* owns `found` */
  frz_aws_credentials found;
  bool is_found;
  int64_t made_ms;
  int64_t ends_ms; /* INT64_MAX: never */
};

/* One look at the sources. Texts go into the arena. */
typedef struct look {
  frz_aws_provider *self;
  frz_arena *arena;
  frz_aws_credentials found;
  int64_t ends_ms;
  bool is_of_role; /* found are those of the role already */
} look;

static frz_str environment(const char *name)
{
  return frz_str_from(getenv(name));
}

static frz_status keep(look *l, frz_str text, frz_str *to, frz_error *err)
{
  *to = text.size != 0 ? frz_arena_copy(l->arena, text) : (frz_str){"", 0};
  return to->data != NULL ? FRZ_OK : frz_fail_nomem(err, "credentials");
}

static frz_str trimmed(frz_str text)
{
  while (text.size != 0 && (unsigned char)text.data[text.size - 1] <= ' ') text.size--;
  while (text.size != 0 && (unsigned char)text.data[0] <= ' ')
    text = (frz_str){text.data + 1, text.size - 1};
  return text;
}

/* A file's text in the arena. FRZ_ERR_NOT_FOUND. */
static frz_status read_file(look *l, frz_str path, frz_str *text_out, frz_error *err)
{
  return frz_local_file_read(path, FILE_BYTES_MAX, l->arena, text_out, err);
}

/* ---- environment and files ---- */

static frz_status from_properties(look *l, bool *found_out, frz_error *err)
{
  const frz_aws_credentials *given = &l->self->config->credentials;
  *found_out = given->access_key_id.size != 0;
  FRZ_TRY(keep(l, given->access_key_id, &l->found.access_key_id, err));
  FRZ_TRY(keep(l, given->secret_access_key, &l->found.secret_access_key, err));
  return keep(l, given->session_token, &l->found.session_token, err);
}

static frz_status from_environment(look *l, bool *found_out, frz_error *err)
{
  frz_str id = environment("AWS_ACCESS_KEY_ID");
  frz_str secret = environment("AWS_SECRET_ACCESS_KEY");
  *found_out = id.size != 0 && secret.size != 0;
  if (!*found_out) return FRZ_OK;
  FRZ_TRY(keep(l, id, &l->found.access_key_id, err));
  FRZ_TRY(keep(l, secret, &l->found.secret_access_key, err));
  return keep(l, environment("AWS_SESSION_TOKEN"), &l->found.session_token, err);
}

/* The section "[name]" or "[profile name]" of a profile file. */
static void read_section(look *l, frz_str text, frz_str profile)
{
  bool is_wanted = false;
  for (size_t at = 0; at < text.size;) {
    const char *end = memchr(text.data + at, '\n', text.size - at);
    size_t n = end != NULL ? (size_t)(end - text.data) - at : text.size - at;
    frz_str line = trimmed((frz_str){text.data + at, n});
    at += n + 1;
    if (line.size == 0 || line.data[0] == '#' || line.data[0] == ';') continue;
    if (line.data[0] == '[') {
      frz_str name = trimmed((frz_str){line.data + 1, line.size - 1});
      if (name.size != 0 && name.data[name.size - 1] == ']') name.size--;
      if (frz_str_starts(name, "profile ")) name = (frz_str){name.data + 8, name.size - 8};
      is_wanted = frz_str_equal(trimmed(name), profile);
      continue;
    }
    const char *equals = memchr(line.data, '=', line.size);
    if (!is_wanted || equals == NULL) continue;
    frz_str key = trimmed((frz_str){line.data, (size_t)(equals - line.data)});
    frz_str value = trimmed((frz_str){equals + 1, line.size - (size_t)(equals - line.data) - 1});
    if (frz_str_is(key, "aws_access_key_id")) l->found.access_key_id = value;
    if (frz_str_is(key, "aws_secret_access_key")) l->found.secret_access_key = value;
    if (frz_str_is(key, "aws_session_token")) l->found.session_token = value;
  }
}

static frz_status from_profile(look *l, bool *found_out, frz_error *err)
{
  static const char *const files[][2] = {{"AWS_CONFIG_FILE", "config"},
                                         {"AWS_SHARED_CREDENTIALS_FILE", "credentials"}};
  const frz_aws_config *config = l->self->config;
  frz_str profile = config->profile.size != 0 ? config->profile : environment("AWS_PROFILE");
  if (profile.size == 0) profile = FRZ_STR("default");
  for (size_t i = 0; i < 2; i++) {
    frz_str path = environment(files[i][0]), text;
    if (path.size == 0) {
      frz_str home = environment("HOME");
      path = frz_arena_print(l->arena, "%.*s/.aws/%s", FRZ_STR_ARG(home), files[i][1]);
      if (path.data == NULL) return frz_fail_nomem(err, "credentials");
    }
    frz_status st = read_file(l, path, &text, err);
    if (st == FRZ_ERR_NOT_FOUND) continue;
    FRZ_TRY(st);
    read_section(l, text, profile);
  }
  *found_out = l->found.access_key_id.size != 0 && l->found.secret_access_key.size != 0;
  if (*found_out || config->profile.size == 0) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_AUTH,
                  "property %s.profile-name: no keys under profile '%.*s' in AWS's credentials and "
                  "config files",
                  config->service, FRZ_STR_ARG(config->profile));
}

/* ---- services ---- */

/* "2030-01-02T03:04:05Z" in milliseconds; INT64_MAX: not a time. */
static int64_t time_of(frz_str text)
{
  char copy[32];
  struct tm tm = {0};
  if (text.size >= sizeof copy) return INT64_MAX;
  memcpy(copy, text.data, text.size);
  copy[text.size] = '\0';
  if (strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm) == NULL) return INT64_MAX;
  return (int64_t)timegm(&tm) * 1000;
}

/* The answer to one request, in the arena. `name` goes into errors. */
static frz_status ask(look *l, frz_http_client *http, frz_http_request *request, const char *name,
                      frz_str *text_out, frz_error *err)
{
  frz_buf text;
  frz_buf_init(&text, l->self->alloc, ANSWER_BYTES_MAX);
  request->text = &text;
  frz_status st = frz_http_send(http, request, 1, err);
  if (st == FRZ_OK && request->answer.status != 200) {
    frz_str code = frz_xml_find(frz_buf_str(&text), "Code", l->arena);
    code = frz_unless_aws_secret(code, &l->found);
    st = frz_fail(err, FRZ_ERR_AUTH, "%s: HTTP %d%s%.*s", name, (int)request->answer.status,
                  code.size != 0 ? " " : "", FRZ_STR_ARG(code));
  }
  if (st == FRZ_OK) st = keep(l, frz_buf_str(&text), text_out, err);
  if (text.data != NULL) OPENSSL_cleanse(text.data, text.size);
  frz_buf_dispose(&text);
  return st;
}

/* What the services of containers and instances answer. */
static frz_status read_json(look *l, frz_str text, const char *name, frz_error *err)
{
  frz_json_reader json;
  frz_json_reader_init(&json, text.data, text.size, l->arena);
  frz_status st = frz_json_object_begin(&json, NULL);
  for (bool more = true; st == FRZ_OK && more;) {
    frz_str key, ends = {0};
    st = frz_json_object_next(&json, &key, &more, NULL);
    if (st != FRZ_OK || !more) break;
    frz_str *to = frz_str_is(key, "AccessKeyId")       ? &l->found.access_key_id
                  : frz_str_is(key, "SecretAccessKey") ? &l->found.secret_access_key
                  : frz_str_is(key, "Token")           ? &l->found.session_token
                  : frz_str_is(key, "Expiration")      ? &ends
                                                       : NULL;
    st = to != NULL ? frz_json_read_string(&json, to, NULL) : frz_json_skip(&json, NULL);
    if (ends.size != 0) l->ends_ms = time_of(ends);
  }
  if (st == FRZ_OK && l->found.access_key_id.size != 0 && l->found.secret_access_key.size != 0)
    return FRZ_OK;
  if (st == FRZ_ERR_NOMEM) return frz_fail_nomem(err, "credentials");
  return frz_fail(err, FRZ_ERR_AUTH, "%s: the answer holds no credentials", name);
}

/* ---- the security token service ---- */

/* What a request to it is signed with; NULL: not signed. */
typedef struct sts_signer {
  frz_aws_service service;
  const frz_aws_credentials *credentials;
} sts_signer;

static frz_status sts_authorize(void *ctx, const frz_http_request *request,
                                frz_http_headers *headers, frz_error *err)
{
  const sts_signer *signer = ctx;
  if (signer->credentials == NULL) return FRZ_OK;
  return frz_aws_sign(&signer->service, signer->credentials, request, headers, err);
}

static frz_status sts_address(look *l, frz_str region, frz_url *url_out, frz_error *err)
{
  const frz_aws_config *config = l->self->config;
  frz_str endpoint = config->sts_endpoint;
  if (endpoint.size == 0 && config->sources != 0) endpoint = environment("AWS_ENDPOINT_URL_STS");
  if (endpoint.size == 0)
    endpoint = frz_arena_print(l->arena, "https://sts.%.*s.amazonaws.com", FRZ_STR_ARG(region));
  if (endpoint.data == NULL) return frz_fail_nomem(err, "credentials");
  FRZ_TRY(frz_url_parse(endpoint, "sts-endpoint", url_out, err));
  if (url_out->path.size == 0) url_out->path = FRZ_STR("/");
  return FRZ_OK;
}

/* The credentials that an action of the service gives out, asked for with `form`. */
static frz_status ask_sts(look *l, const char *action, const frz_http_pair *form, size_t n_form,
                          const frz_aws_credentials *credentials, frz_error *err)
{
  static const frz_http_pair type = {{"content-type", 12},
                                     {"application/x-www-form-urlencoded", 33}};
  const frz_aws_config *config = l->self->config;
  frz_str region = config->region, text;
  frz_url url;
  if (region.size == 0 && config->sources != 0) region = environment("AWS_REGION");
  if (region.size == 0) region = FRZ_STR("us-east-1");
  FRZ_TRY(frz_aws_config_check_region(config, err));
  FRZ_TRY(sts_address(l, region, &url, err));
  sts_signer signer = {{FRZ_STR("sts"), region, 0}, credentials};
  frz_buf body;
  frz_buf_init(&body, l->self->alloc, 4 * FILE_BYTES_MAX);
  frz_status st = frz_query_append(form, n_form, &body, err);
  frz_http_request request = frz_http_get(url.origin, url.path);
  request.method = FRZ_STR("POST");
  request.headers = &type;
  request.n_headers = 1;
  request.body = frz_buf_str(&body);
  request.authorize = sts_authorize;
  request.ctx = &signer;
  if (st == FRZ_OK) st = ask(l, l->self->http, &request, action, &text, err);
  if (body.data != NULL) OPENSSL_cleanse(body.data, body.size);
  frz_buf_dispose(&body);
  FRZ_TRY(st);
  l->found.access_key_id = frz_xml_find(text, "AccessKeyId", l->arena);
  l->found.secret_access_key = frz_xml_find(text, "SecretAccessKey", l->arena);
  l->found.session_token = frz_xml_find(text, "SessionToken", l->arena);
  l->ends_ms = time_of(frz_xml_find(text, "Expiration", l->arena));
  if (l->found.access_key_id.size != 0 && l->found.secret_access_key.size != 0) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_AUTH, "%s: the answer holds no credentials", action);
}

static frz_str session_name(const look *l)
{
  frz_str name = l->self->config->role_session_name;
  if (name.size == 0 && l->self->config->sources != 0) name = environment("AWS_ROLE_SESSION_NAME");
  return name.size != 0 ? name : FRZ_STR("frazil");
}

static frz_status from_web_identity(look *l, bool *found_out, frz_error *err)
{
  const frz_aws_config *config = l->self->config;
  frz_str path = environment("AWS_WEB_IDENTITY_TOKEN_FILE"), token;
  frz_str role = config->role_arn.size != 0 ? config->role_arn : environment("AWS_ROLE_ARN");
  if (path.size == 0 || role.size == 0) return FRZ_OK;
  FRZ_TRY(read_file(l, path, &token, err));
  const frz_http_pair form[] = {{FRZ_STR("Action"), FRZ_STR("AssumeRoleWithWebIdentity")},
                                {FRZ_STR("Version"), FRZ_STR("2011-06-15")},
                                {FRZ_STR("RoleArn"), role},
                                {FRZ_STR("RoleSessionName"), session_name(l)},
                                {FRZ_STR("WebIdentityToken"), trimmed(token)}};
  *found_out = l->is_of_role = true;
  return ask_sts(l, "AssumeRoleWithWebIdentity", form, 5, NULL, err);
}

/* What was found signs for the role's credentials, which take its place. */
static frz_status assume_role(look *l, frz_error *err)
{
  const frz_aws_credentials own = l->found;
  const frz_http_pair form[] = {{FRZ_STR("Action"), FRZ_STR("AssumeRole")},
                                {FRZ_STR("Version"), FRZ_STR("2011-06-15")},
                                {FRZ_STR("RoleArn"), l->self->config->role_arn},
                                {FRZ_STR("RoleSessionName"), session_name(l)}};
  return ask_sts(l, "AssumeRole", form, 4, &own, err);
}

/* ---- containers and instances ---- */

static frz_status from_container(look *l, bool *found_out, frz_error *err)
{
  frz_str relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  frz_str full = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  frz_str path = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  frz_http_pair header = {FRZ_STR("authorization"),
                          environment("AWS_CONTAINER_AUTHORIZATION_TOKEN")};
  if (relative.size == 0 && full.size == 0) return FRZ_OK;
  frz_url url = {.origin = FRZ_STR("http://169.254.170.2"), .path = relative};
  if (relative.size == 0)
    FRZ_TRY(frz_url_parse(full, "AWS_CONTAINER_CREDENTIALS_FULL_URI", &url, err));
  if (path.size != 0) {
    FRZ_TRY(read_file(l, path, &header.value, err));
    header.value = trimmed(header.value);
  }
  frz_http_request request = frz_http_get(url.origin, url.path);
  request.headers = &header;
  request.n_headers = header.value.size != 0;
  frz_str text;
  FRZ_TRY(ask(l, l->self->near_http, &request, "container credentials", &text, err));
  *found_out = true;
  return read_json(l, text, "container credentials", err);
}

/* The instance metadata service, version 2. That nothing answers there means: not an instance. */
static frz_status from_instance(look *l, bool *found_out, frz_error *err)
{
  static const char role_path[] = "/latest/meta-data/iam/security-credentials/";
  frz_str endpoint = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  frz_url url;
  if (endpoint.size == 0) endpoint = FRZ_STR("http://169.254.169.254");
  while (endpoint.size != 0 && endpoint.data[endpoint.size - 1] == '/') endpoint.size--;
  FRZ_TRY(frz_url_parse(endpoint, "AWS_EC2_METADATA_SERVICE_ENDPOINT", &url, err));
  const frz_http_pair life = {FRZ_STR("x-aws-ec2-metadata-token-ttl-seconds"), FRZ_STR("21600")};
  frz_http_pair token = {FRZ_STR("x-aws-ec2-metadata-token"), {0}};
  frz_http_request request = frz_http_get(url.origin, FRZ_STR("/latest/api/token"));
  request.method = FRZ_STR("PUT");
  request.headers = &life;
  request.n_headers = 1;
  frz_status st = ask(l, l->self->near_http, &request, "instance metadata", &token.value, err);
  if (st == FRZ_ERR_IO || st == FRZ_ERR_TIMEOUT) return FRZ_OK;
  FRZ_TRY(st);
  request = frz_http_get(url.origin, frz_str_from(role_path));
  request.headers = &token;
  request.n_headers = 1;
  frz_str role, text;
  FRZ_TRY(ask(l, l->self->near_http, &request, "instance metadata, role", &role, err));
  role = trimmed(role);
  const char *line_end = memchr(role.data, '\n', role.size);
  if (line_end != NULL) role.size = (size_t)(line_end - role.data);
  request.path = frz_arena_print(l->arena, "%s%.*s", role_path, FRZ_STR_ARG(role));
  if (request.path.data == NULL) return frz_fail_nomem(err, "credentials");
  FRZ_TRY(ask(l, l->self->near_http, &request, "instance metadata, credentials", &text, err));
  *found_out = true;
  return read_json(l, text, "instance metadata, credentials", err);
}

/* ---- the object ---- */

static frz_status look_everywhere(look *l, frz_error *err)
{
  static const struct {
    int source; /* 0: always */
    frz_status (*from)(look *l, bool *found_out, frz_error *err);
  } sources[] = {{0, from_properties},
                 {FRZ_AWS_FROM_ENVIRONMENT, from_environment},
                 {FRZ_AWS_FROM_PROFILE, from_profile},
                 {FRZ_AWS_FROM_WEB_IDENTITY, from_web_identity},
                 {FRZ_AWS_FROM_CONTAINER, from_container},
                 {FRZ_AWS_FROM_INSTANCE, from_instance}};
  const frz_aws_config *config = l->self->config;
  const char *service = config->service;
  for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
    bool found = false;
    if (sources[i].source != 0 && (config->sources & sources[i].source) == 0) continue;
    l->found = (frz_aws_credentials){0};
    l->ends_ms = INT64_MAX;
    FRZ_TRY(sources[i].from(l, &found, err));
    if (found) return FRZ_OK;
  }
  if (config->sources != 0)
    return frz_fail(err, FRZ_ERR_AUTH,
                    "no credentials in the places that the property %s.credentials-source names",
                    service);
  return frz_fail(err, FRZ_ERR_AUTH,
                  "no credentials; set %s.access-key-id and %s.secret-access-key, or "
                  "%s.profile-name, or %s.credentials-source=default to look where AWS's own tools "
                  "do%s",
                  service, service, service, service,
                  strcmp(service, "s3") == 0 ? ", or s3.anonymous=true" : "");
}

static bool is_fresh(const frz_aws_provider *self)
{
  if (!self->is_found || self->ends_ms == INT64_MAX) return self->is_found;
  int64_t life_ms = self->ends_ms - self->made_ms;
  int64_t early_ms = life_ms / 4 < EARLY_MS ? life_ms / 4 : EARLY_MS;
  return frz_os_now_ms() < self->ends_ms - early_ms;
}

static frz_status refresh(frz_aws_provider *self, frz_error *err)
{
  frz_arena arena;
  frz_arena_init(&arena, self->alloc, 16 * FILE_BYTES_MAX);
  look l = {.self = self, .arena = &arena};
  frz_status st = look_everywhere(&l, err);
  if (st == FRZ_OK && self->config->role_arn.size != 0 && !l.is_of_role) st = assume_role(&l, err);
  if (st != FRZ_OK) {
    frz_arena_free(&arena);
    return st;
  }
  frz_arena_free(&self->arena);
  self->arena = arena;
  self->found = l.found;
  self->is_found = true;
  self->made_ms = frz_os_now_ms();
  self->ends_ms = l.ends_ms;
  return FRZ_OK;
}

frz_status frz_aws_provider_get(frz_aws_provider *self, frz_arena *arena,
                                frz_aws_credentials *found_out, frz_error *err)
{
  frz_aws_credentials copy = {0};
  pthread_mutex_lock(&self->lock);
  frz_status st = is_fresh(self) ? FRZ_OK : refresh(self, err);
  if (st == FRZ_OK) {
    look into = {.self = self, .arena = arena};
    st = keep(&into, self->found.access_key_id, &copy.access_key_id, err);
    if (st == FRZ_OK) st = keep(&into, self->found.secret_access_key, &copy.secret_access_key, err);
    if (st == FRZ_OK) st = keep(&into, self->found.session_token, &copy.session_token, err);
  }
  pthread_mutex_unlock(&self->lock);
  if (st == FRZ_OK) *found_out = copy;
  return st;
}

bool frz_aws_provider_renew(frz_aws_provider *self)
{
  pthread_mutex_lock(&self->lock);
  bool is_given = self->config->credentials.access_key_id.size != 0;
  bool can_change = self->is_found && frz_os_now_ms() - self->made_ms > 1000 &&
                    (!is_given || self->config->role_arn.size != 0);
  if (can_change) self->is_found = false;
  pthread_mutex_unlock(&self->lock);
  return can_change;
}

frz_status frz_aws_provider_create(frz_context *context, frz_http_client *http,
                                   const frz_aws_config *config, frz_aws_provider **credentials_out,
                                   frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_aws_provider *self = frz_alloc_zeroed(alloc, sizeof *self);
  if (self == NULL) return frz_fail_nomem(err, "credentials");
  frz_http_options near_by;
  frz_http_options_init(&near_by);
  near_by.connect_timeout_ms = 1000;
  near_by.stall_timeout_ms = 5000;
  near_by.retry.attempts_max = 3;
  self->context = context;
  self->alloc = alloc;
  self->http = http;
  self->config = config;
  pthread_mutex_init(&self->lock, NULL);
  frz_arena_init(&self->arena, alloc, FILE_BYTES_MAX);
  frz_status st = frz_http_client_create(context, &near_by, &self->near_http, err);
  if (st == FRZ_OK)
    *credentials_out = self;
  else
    frz_aws_provider_free(self);
  return st;
}

void frz_aws_provider_free(frz_aws_provider *self)
{
  if (self == NULL) return;
  frz_http_client_free(self->near_http);
  pthread_mutex_destroy(&self->lock);
  frz_arena_free(&self->arena);
  frz_alloc_free(self->alloc, self, sizeof *self);
}
