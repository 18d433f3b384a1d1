/*
 * s3_config.c - see s3_config.h.
 */
#include "storage/s3_config.h"

#include "base/limits.h"
#include "storage/store_text.h"

enum { BUCKET_BYTES_MAX = 255 };

void frz_s3_config_init(frz_s3_config *config)
{
  *config = (frz_s3_config){
      .aws = {.service = "s3"}, .connect_timeout_ms = 10000, .request_timeout_ms = 60000};
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

static frz_status set_addressing(frz_s3_config *config, frz_str key, frz_str value, bool is_path,
                                 frz_error *err)
{
  bool flag;
  FRZ_TRY(frz_property_flag(key, value, &flag, err));
  config->addressing = flag == is_path ? FRZ_S3_PATH : FRZ_S3_VIRTUAL;
  /* PyIceberg's "false" is its default: it does not force path style where AWS is reached. */
  if (!flag && !is_path) config->addressing = FRZ_S3_BY_KIND;
  return FRZ_OK;
}

frz_status frz_s3_config_set(frz_s3_config *config, frz_str key, frz_str value, frz_error *err)
{
  bool is_taken;
  FRZ_TRY(frz_aws_config_set(&config->aws, key, value, &is_taken, err));
  if (is_taken || !frz_str_starts(key, "s3.")) return FRZ_OK;
  frz_str name = {key.data + 3, key.size - 3};
  if (frz_str_is(name, "endpoint")) config->endpoint = value;
  if (frz_str_is(name, "proxy-uri")) config->proxy = value;
  if (frz_str_is(name, "anonymous"))
    return frz_property_flag(key, value, &config->is_anonymous, err);
  if (frz_str_is(name, "remote-signing-enabled"))
    return frz_property_flag(key, value, &config->is_signed_remotely, err);
  if (frz_str_is(name, "force-virtual-addressing"))
    return set_addressing(config, key, value, false, err);
  if (frz_str_is(name, "path-style-access")) return set_addressing(config, key, value, true, err);
  if (frz_str_is(name, "connect-timeout"))
    return set_seconds(key, value, &config->connect_timeout_ms, err);
  if (frz_str_is(name, "request-timeout"))
    return set_seconds(key, value, &config->request_timeout_ms, err);
  return FRZ_OK;
}

frz_status frz_s3_uri_parse(frz_str uri, frz_str *bucket_out, frz_str *key_out, frz_error *err)
{
  frz_str bucket, key;
  if (!frz_uri_split(uri, &bucket, &key))
    return frz_fail(err, FRZ_ERR_INVALID, "'%.*s' is not s3://bucket/key", FRZ_STR_ARG(uri));
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
  *key_out = key;
  return FRZ_OK;
}

/* Virtual hosts of names with dots do not fit AWS's certificate. */
static bool is_virtual(const frz_s3_config *config, frz_str bucket)
{
  if (config->addressing != FRZ_S3_BY_KIND) return config->addressing == FRZ_S3_VIRTUAL;
  return config->endpoint.size == 0 && memchr(bucket.data, '.', bucket.size) == NULL;
}

frz_status frz_s3_address_of(const frz_s3_config *config, frz_str bucket, frz_arena *arena,
                             frz_s3_address *address_out, frz_error *err)
{
  frz_s3_address address = {.region = config->aws.region};
  frz_str endpoint = config->endpoint;
  if (address.region.size == 0) address.region = FRZ_STR("us-east-1");
  FRZ_TRY(frz_aws_config_check_region(&config->aws, err));
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
