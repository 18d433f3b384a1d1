/*
 * aws_config.c - see aws_config.h.
 */
#include "storage/aws_config.h"

static frz_status set_sources(frz_aws_config *config, frz_str key, frz_str value, frz_error *err)
{
  static const struct {
    const char *name;
    int source;
  } known[] = {{"environment", FRZ_AWS_FROM_ENVIRONMENT},
               {"profile", FRZ_AWS_FROM_PROFILE},
               {"web-identity", FRZ_AWS_FROM_WEB_IDENTITY},
               {"container", FRZ_AWS_FROM_CONTAINER},
               {"instance", FRZ_AWS_FROM_INSTANCE},
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
                      "property %.*s: '%.*s' is none of environment, profile, web-identity, "
                      "container, instance, default, properties",
                      FRZ_STR_ARG(key), FRZ_STR_ARG(name));
    at = end + 1;
  }
  return FRZ_OK;
}

frz_status frz_aws_config_set(frz_aws_config *config, frz_str key, frz_str value, bool *taken_out,
                              frz_error *err)
{
  const struct {
    const char *name;
    frz_str *text;
  } texts[] = {
      {"region", &config->region},
      {"access-key-id", &config->credentials.access_key_id},
      {"secret-access-key", &config->credentials.secret_access_key},
      {"session-token", &config->credentials.session_token},
      {"profile-name", &config->profile},
      {"role-arn", &config->role_arn},
      {"role-session-name", &config->role_session_name},
      {"sts-endpoint", &config->sts_endpoint},
  };
  size_t n = strlen(config->service);
  bool is_own = frz_str_starts(key, config->service) && key.size > n && key.data[n] == '.';
  *taken_out = false;
  if (!is_own && !frz_str_starts(key, "client.")) return FRZ_OK;
  if (!is_own) n = strlen("client");
  frz_str name = {key.data + n + 1, key.size - n - 1};
  *taken_out = true;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    if (!frz_str_is(name, texts[i].name)) continue;
    if (is_own || texts[i].text->size == 0) *texts[i].text = value;
    return FRZ_OK;
  }
  *taken_out = frz_str_is(name, "credentials-source");
  bool wins = is_own || config->sources == 0;
  return *taken_out && wins ? set_sources(config, key, value, err) : FRZ_OK;
}

frz_status frz_aws_config_finish(frz_aws_config *config, frz_error *err)
{
  bool has_id = config->credentials.access_key_id.size != 0;
  if (has_id != (config->credentials.secret_access_key.size != 0))
    return frz_fail(err, FRZ_ERR_INVALID,
                    "properties %s.access-key-id and %s.secret-access-key go together",
                    config->service, config->service);
  if (config->profile.size != 0) config->sources |= FRZ_AWS_FROM_PROFILE;
  return FRZ_OK;
}

frz_status frz_aws_config_check_region(const frz_aws_config *config, frz_error *err)
{
  for (size_t i = 0; i < config->region.size; i++) {
    char c = config->region.data[i];
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
        c == '_')
      continue;
    return frz_fail(err, FRZ_ERR_INVALID, "property %s.region: '%.*s' is not a region's name",
                    config->service, FRZ_STR_ARG(config->region));
  }
  return FRZ_OK;
}
