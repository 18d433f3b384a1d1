/*
 * gcs_config.c - see gcs_config.h.
 */
#include "storage/gcs_config.h"

#include "storage/store_text.h"

enum { BUCKET_BYTES_MAX = 222 };

static frz_status set_source(frz_gcs_config *config, frz_str key, frz_str value, frz_error *err)
{
  config->looks_around = frz_str_is_word(value, "default");
  if (config->looks_around || frz_str_is_word(value, "properties")) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "property %.*s: '%.*s' is neither default nor properties",
                  FRZ_STR_ARG(key), FRZ_STR_ARG(value));
}

frz_status frz_gcs_config_set(frz_gcs_config *config, frz_str key, frz_str value, frz_error *err)
{
  if (!frz_str_starts(key, "gcs.")) return FRZ_OK;
  frz_str name = {key.data + 4, key.size - 4};
  if (frz_str_is(name, "service.host")) config->host = value;
  if (frz_str_is(name, "oauth2.token")) config->token = value;
  if (frz_str_is(name, "user-project")) config->user_project = value;
  if (frz_str_is(name, "credentials-file")) config->credentials_file = value;
  if (frz_str_is(name, "credentials-source")) return set_source(config, key, value, err);
  if (frz_str_is(name, "no-auth")) return frz_property_flag(key, value, &config->is_anonymous, err);
  return FRZ_OK;
}

frz_status frz_gcs_uri_parse(frz_str uri, frz_str *bucket_out, frz_str *name_out, frz_error *err)
{
  frz_str bucket = {"", 0}, name;
  bool is_uri = frz_uri_split(uri, &bucket, &name);
  bool is_plain = bucket.size != 0 && bucket.size <= BUCKET_BYTES_MAX;
  for (size_t i = 0; i < bucket.size; i++) {
    char c = bucket.data[i];
    is_plain = is_plain && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                            c == '.' || c == '_');
  }
  if (!is_uri || !is_plain)
    return frz_fail(err, FRZ_ERR_INVALID, "'%.*s' names no bucket: gs://bucket/name",
                    FRZ_STR_ARG(uri));
  *bucket_out = bucket;
  *name_out = name;
  return FRZ_OK;
}
