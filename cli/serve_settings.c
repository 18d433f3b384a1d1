/*
 * serve_settings.c - options of `frazil serve` and `frazil online`.
 */
#include "serve_settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

void serve_settings_init(serve_settings *settings)
{
  *settings = (serve_settings){.port = -1,
                               .max_staleness_ms = -1,
                               .read_timeout_ms = -1,
                               .key_ttl_seconds = -1,
                               .connections_max = -1,
                               .body_bytes_max = -1,
                               .rows_max = -1,
                               .idle_timeout_s = -1,
                               .drain_timeout_s = -1};
}

static bool parse_number(const char *option, const char *text, int64_t least, int64_t most,
                         int64_t *value_out)
{
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (errno == 0 && end != text && *end == '\0' && value >= least && value <= most) {
    *value_out = value;
    return true;
  }
  report_usage("%s '%s' is not a whole number from %lld to %lld", option, text, (long long)least,
               (long long)most);
  return false;
}

bool serve_settings_parse(const char *option, const char *value, serve_settings *settings,
                          bool *known_out)
{
  const struct {
    const char *name;
    const char **text;
  } texts[] = {{"--repo", &settings->repo},
               {"--project", &settings->project},
               {"--host", &settings->host},
               {"--namespace", &settings->namespace_name},
               {"--tls-cert", &settings->tls_cert},
               {"--tls-key", &settings->tls_key},
               {"--token-file", &settings->token_file},
               {"--access-log", &settings->access_log},
               {"--cache-dir", &settings->cache_dir},
               {"--lookup", &settings->lookup}};
  const struct {
    const char *name;
    int64_t *number;
    int64_t least, most;
  } numbers[] = {{"--port", &settings->port, 0, 65535},
                 {"--max-staleness-ms", &settings->max_staleness_ms, 0, 86400000},
                 {"--read-timeout-ms", &settings->read_timeout_ms, 0, 86400000},
                 {"--key-ttl-seconds", &settings->key_ttl_seconds, 1, INT64_C(1) << 40},
                 {"--max-connections", &settings->connections_max, 1, 1000000},
                 {"--max-body-bytes", &settings->body_bytes_max, 64, INT64_C(1) << 28},
                 {"--max-rows", &settings->rows_max, 1, 1000000},
                 {"--idle-timeout", &settings->idle_timeout_s, 1, 86400},
                 {"--drain-timeout", &settings->drain_timeout_s, 0, 86400}};
  *known_out = true;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    if (strcmp(option, texts[i].name) != 0) continue;
    *texts[i].text = value;
    return true;
  }
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    if (strcmp(option, numbers[i].name) == 0)
      return parse_number(option, value, numbers[i].least, numbers[i].most, numbers[i].number);
  *known_out = false;
  return true;
}
