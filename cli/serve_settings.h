/*
 * serve_settings.h - options of `frazil serve` and `frazil online`, and what a Feast repo says of
 * them.
 */
#ifndef FRAZIL_CLI_SERVE_SETTINGS_H
#define FRAZIL_CLI_SERVE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/** Texts are borrowed from argv, or from the repo. -1 and NULL: not given. */
typedef struct serve_settings {
  const char *repo;
  const char *project;
  const char *namespace_name;
  const char *host;
  int64_t port;
  const char *tls_cert;
  const char *tls_key;
  const char *token_file;
  const char *access_log;
  const char *cache_dir;
  const char *lookup;
  int64_t max_staleness_ms;
  int64_t read_timeout_ms;
  int64_t key_ttl_seconds;
  int64_t connections_max;
  int64_t body_bytes_max;
  int64_t rows_max;
  int64_t idle_timeout_s;
  int64_t drain_timeout_s;
  bool check_ttl;
  bool all;
} serve_settings;

/** Nothing given. */
void serve_settings_init(serve_settings *settings);

/** Take one option with its value; `known_out` says whether it is one of these. Prints a mistake
 * and returns false. */
bool serve_settings_parse(const char *option, const char *value, serve_settings *settings,
                          bool *known_out);

#endif
