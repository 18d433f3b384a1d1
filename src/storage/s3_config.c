/*
 * s3_config.c - see s3_config.h.
 */
#include "storage/s3_config.h"

#include "base/limits.h"

enum { BUCKET_BYTES_MAX = 255 };

void frz_s3_config_init(frz_s3_config *config)
{
  *config = (frz_s3_config){.connect_timeout_ms = 10000, .request_timeout_ms = 60000};
}

static frz_status set_flag(frz_str key, frz_str value, bool *flag, frz_error *err)
{
  *flag = frz_str_is_word(value, "true");
  if (*flag || frz_str_is_word(value, "false")) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "property %.*s: '%.*s' is neither true nor false",
                  FRZ_STR_ARG(key), FRZ_STR_ARG(value));
}

/* Seconds, perhaps with a fraction, as PyIceberg writes them. */
static frz_status set_seconds(frz_str key, frz_str value, int64_t *ms, frz_error *err)
{
  int64_t result = 0;
  size_t at = 0;
  for (; at < value.size && at < 9 && value.data[at] >= '0' && value.data[at] <= '9'; at++)
    result = result * 10 + (value.data[at] - '0');
  bool is_number = at != 0;
  result *= 1000;
  if (at < value.size && value.data[at] == '.')
    for (int64_t unit = 100; ++at < value.size && value.data[at] >= '0' && value.data[at] <= '9';
         unit /= 10)
      result += unit * (value.data[at] - '0');
  if (!is_number || at != value.size || result == 0)
    return frz_fail(err, FRZ_ERR_INVALID, "property %.*s: '%.*s' is not a number of seconds",
                    FRZ_STR_ARG(key), FRZ_STR_ARG(value));
  *ms = result;
  return FRZ_OK;
}

static frz_status set_sources(frz_s3_config *config, frz_str value, frz_error *err)
{
  static const struct {
    const char *name;
    int source;
  } known[] = {{"environment", FRZ_S3_FROM_ENVIRONMENT},
               {"profile", FRZ_S3_FROM_PROFILE},
               {"web-identity", FRZ_S3_FROM_WEB_IDENTITY},
               {"container", FRZ_S3_FROM_CONTAINER},
               {"instance", FRZ_S3_FROM_INSTANCE},
               {"default", 31},
               {"properties", 0}};
  config->sources = 0;
  for (size_t at = 0; at < value.size;) {
    const char *comma = memchr(value.data + at, ',', value.size - at);
    size_t end = comma != NULL ? (size_t)(comma - value.data) : value.size;
    frz_str name = {value.data + at, end - at};
    bool found = false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
      if (!frz_str_is(name, known[i].name)) continue;
      config->sources |= known[i].source;
      found = true;
    }
    if (!found)
      return frz_fail(err, FRZ_ERR_INVALID,
                      "property s3.credentials-source: '%.*s' is none of environment, profile, "
                      "web-identity, container, instance, default, properties",
                      FRZ_STR_ARG(name));
    at = end + 1;
  }
  return FRZ_OK;
}

static frz_status set_addressing(frz_s3_config *config, frz_str key, frz_str value, bool is_path,
                                 frz_error *err)
{
  bool flag;
  FRZ_TRY(set_flag(key, value, &flag, err));
  config->addressing = flag == is_path ? FRZ_S3_PATH : FRZ_S3_VIRTUAL;
  /* PyIceberg's "false" is its default: it does not force path style where AWS is reached. */
  if (!flag && !is_path) config->addressing = FRZ_S3_BY_KIND;
  return FRZ_OK;
}

frz_status frz_s3_config_set(frz_s3_config *config, frz_str key, frz_str value, frz_error *err)
{
  const struct {
    const char *name;
    frz_str *text;
    bool is_s3; /* takes the place of a "client." one */
  } texts[] = {
      {"endpoint", &config->endpoint, true},
      {"region", &config->region, false},
      {"access-key-id", &config->credentials.access_key_id, false},
      {"secret-access-key", &config->credentials.secret_access_key, false},
      {"session-token", &config->credentials.session_token, false},
      {"profile-name", &config->profile, false},
      {"role-arn", &config->role_arn, false},
      {"role-session-name", &config->role_session_name, false},
      {"proxy-uri", &config->proxy, true},
  };
  bool is_client = frz_str_starts(key, "client.");
  if (!is_client && !frz_str_starts(key, "s3.")) return FRZ_OK;
  frz_str name =
      is_client ? (frz_str){key.data + 7, key.size - 7} : (frz_str){key.data + 3, key.size - 3};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    if (!frz_str_is(name, texts[i].name) || (is_client && texts[i].is_s3)) continue;
    if (!is_client || texts[i].text->size == 0) *texts[i].text = value;
    return FRZ_OK;
  }
  if (is_client) return FRZ_OK;
  if (frz_str_is(name, "anonymous")) return set_flag(key, value, &config->is_anonymous, err);
  if (frz_str_is(name, "force-virtual-addressing"))
    return set_addressing(config, key, value, false, err);
  if (frz_str_is(name, "path-style-access")) return set_addressing(config, key, value, true, err);
  if (frz_str_is(name, "credentials-source")) return set_sources(config, value, err);
  if (frz_str_is(name, "connect-timeout"))
    return set_seconds(key, value, &config->connect_timeout_ms, err);
  if (frz_str_is(name, "request-timeout"))
    return set_seconds(key, value, &config->request_timeout_ms, err);
  return FRZ_OK;
}

frz_status frz_s3_uri_parse(frz_str uri, frz_str *bucket_out, frz_str *key_out, frz_error *err)
{
  const char *mark = uri.data != NULL ? memmem(uri.data, uri.size, "://", 3) : NULL;
  if (mark == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "'%.*s' is not s3://bucket/key", FRZ_STR_ARG(uri));
  size_t start = (size_t)(mark - uri.data) + 3;
  const char *slash = memchr(uri.data + start, '/', uri.size - start);
  size_t end = slash != NULL ? (size_t)(slash - uri.data) : uri.size;
  frz_str bucket = {uri.data + start, end - start};
  bool is_plain = bucket.size != 0 && bucket.size <= BUCKET_BYTES_MAX;
  for (size_t i = 0; i < bucket.size; i++) {
    char c = bucket.data[i];
    is_plain = is_plain && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_');
  }
  if (!is_plain)
    return frz_fail(err, FRZ_ERR_INVALID, "'%.*s' names no bucket: s3://bucket/key",
                    FRZ_STR_ARG(uri));
  *bucket_out = bucket;
  *key_out = slash != NULL ? (frz_str){slash + 1, uri.size - end - 1} : (frz_str){"", 0};
  return FRZ_OK;
}

/* Virtual hosts of names with dots do not fit AWS's certificate. */
static bool is_virtual(const frz_s3_config *config, frz_str bucket)
{
  if (config->addressing != FRZ_S3_BY_KIND) return config->addressing == FRZ_S3_VIRTUAL;
  return config->endpoint.size == 0 && memchr(bucket.data, '.', bucket.size) == NULL;
}

static frz_status check_region(frz_str region, frz_error *err)
{
  for (size_t i = 0; i < region.size; i++) {
    char c = region.data[i];
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
        c == '_')
      continue;
    return frz_fail(err, FRZ_ERR_INVALID, "property s3.region: '%.*s' is not a region's name",
                    FRZ_STR_ARG(region));
  }
  return FRZ_OK;
}

frz_status frz_s3_address_of(const frz_s3_config *config, frz_str bucket, frz_arena *arena,
                             frz_s3_address *address_out, frz_error *err)
{
  frz_s3_address address = {.region = config->region};
  frz_str endpoint = config->endpoint;
  if (address.region.size == 0) address.region = FRZ_STR("us-east-1");
  FRZ_TRY(check_region(address.region, err));
  if (endpoint.data == NULL || endpoint.size == 0)
    endpoint = frz_arena_print(arena, "https://s3.%.*s.amazonaws.com", FRZ_STR_ARG(address.region));
  else if (memmem(endpoint.data, endpoint.size, "://", 3) == NULL)
    endpoint = frz_arena_print(arena, "https://%.*s", FRZ_STR_ARG(endpoint));
  if (endpoint.data == NULL) return frz_fail_nomem(err, "S3 address");
  while (endpoint.size != 0 && endpoint.data[endpoint.size - 1] == '/') endpoint.size--;
  frz_url url;
  FRZ_TRY(frz_url_parse(endpoint, "property s3.endpoint", &url, err));
  const char *scheme = url.is_https ? "https://" : "http://";
  if (is_virtual(config, bucket)) {
    address.host = frz_arena_print(arena, "%.*s.%.*s", (int)bucket.size, bucket.data,
                                   (int)url.host.size, url.host.data);
    address.path = frz_arena_print(arena, "%.*s/", (int)url.path.size, url.path.data);
  } else {
    address.host = frz_arena_copy(arena, url.host);
    address.path = frz_arena_print(arena, "%.*s/%.*s/", (int)url.path.size, url.path.data,
                                   (int)bucket.size, bucket.data);
  }
  address.origin = frz_arena_print(arena, "%s%.*s", scheme, (int)address.host.size,
                                   address.host.data != NULL ? address.host.data : "");
  address.region = frz_arena_copy(arena, address.region);
  if (address.origin.data == NULL || address.path.data == NULL || address.region.data == NULL)
    return frz_fail_nomem(err, "S3 address");
  *address_out = address;
  return FRZ_OK;
}
