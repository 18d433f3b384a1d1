/*
 * gcs_config.c - see gcs_config.h.
 */
#include "storage/gcs_config.h"

enum { BUCKET_BYTES_MAX = 222 };

static frz_status set_flag(frz_str key, frz_str value, const char *yes, const char *no, bool *flag,
                           frz_error *err)
{
  *flag = frz_str_is_word(value, yes);
  if (*flag || frz_str_is_word(value, no)) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "property %.*s: '%.*s' is neither %s nor %s",
                  FRZ_STR_ARG(key), FRZ_STR_ARG(value), yes, no);
}

frz_status frz_gcs_config_set(frz_gcs_config *config, frz_str key, frz_str value, frz_error *err)
{
  if (!frz_str_starts(key, "gcs.")) return FRZ_OK;
  frz_str name = {key.data + 4, key.size - 4};
  if (frz_str_is(name, "service.host")) config->host = value;
  if (frz_str_is(name, "oauth2.token")) config->token = value;
  if (frz_str_is(name, "user-project")) config->user_project = value;
  if (frz_str_is(name, "credentials-file")) config->credentials_file = value;
  if (frz_str_is(name, "credentials-source"))
    return set_flag(key, value, "default", "properties", &config->looks_around, err);
  if (frz_str_is(name, "no-auth"))
    return set_flag(key, value, "true", "false", &config->is_anonymous, err);
  return FRZ_OK;
}

frz_status frz_gcs_uri_parse(frz_str uri, frz_str *bucket_out, frz_str *name_out, frz_error *err)
{
  const char *mark = uri.data != NULL ? memmem(uri.data, uri.size, "://", 3) : NULL;
  size_t start = mark != NULL ? (size_t)(mark - uri.data) + 3 : uri.size;
  const char *slash = start < uri.size ? memchr(uri.data + start, '/', uri.size - start) : NULL;
  size_t end = slash != NULL ? (size_t)(slash - uri.data) : uri.size;
  frz_str bucket = {uri.data + start, end - start};
  bool is_plain = bucket.size != 0 && bucket.size <= BUCKET_BYTES_MAX;
  for (size_t i = 0; i < bucket.size; i++) {
    char c = bucket.data[i];
    is_plain = is_plain && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                            c == '.' || c == '_');
  }
  if (!is_plain)
    return frz_fail(err, FRZ_ERR_INVALID, "'%.*s' names no bucket: gs://bucket/name",
                    FRZ_STR_ARG(uri));
  *bucket_out = bucket;
  *name_out = slash != NULL ? (frz_str){slash + 1, uri.size - end - 1} : (frz_str){"", 0};
  return FRZ_OK;
}
