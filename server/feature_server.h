/*
 * feature_server.h - the HTTP feature server: what `frazil serve` runs.
 */
#ifndef FRAZIL_SERVER_FEATURE_SERVER_H
#define FRAZIL_SERVER_FEATURE_SERVER_H

#include "frazil/online.h"

typedef struct feature_server_options {
  frz_context *context; /* borrowed, as the catalog and all texts */
  frz_catalog *catalog;
  const char *namespace_name;
  const char *project;
  frz_online_options online;
  const char *host;
  uint16_t port; /* 0: a free one */
  uint32_t n_threads;
  uint32_t connections_max;
  uint32_t rows_max;          /* of one request for features */
  uint64_t body_bytes_max;    /* of one request */
  uint32_t idle_timeout_s;    /* a connection that completes no request for so long is closed */
  uint32_t drain_timeout_s;   /* how long stopping waits for requests */
  const char *tls_cert_path;  /* PEM; NULL: plain HTTP */
  const char *tls_key_path;   /* PEM */
  const char *token_path;     /* holds the bearer token; NULL: token_variable */
  const char *token_variable; /* of the environment; unset or NULL: no token is asked for */
  const char *access_log;     /* a file, or "-" for standard output; NULL: silence */
  bool check_ttl;
} feature_server_options;

/** What came over the signal pipe. */
enum { SERVER_SIGNAL_STOP = 's', SERVER_SIGNAL_RELOAD = 'r' };

/**
 * Serve until a SERVER_SIGNAL_STOP can be read from `signal_fd`, then finish what is under way.
 * A SERVER_SIGNAL_RELOAD reads token, certificate and key again, opens the access log anew and
 * looks for what was published; if that fails, what was stays and standard error says so.
 *
 * Prints one line to standard error when connections are taken.
 * @retval FRZ_ERR_IO      the address cannot be listened on, a file cannot be read.
 * @retval FRZ_ERR_INVALID a certificate or key that is none, an empty token.
 */
frz_status feature_server_run(const feature_server_options *options, int signal_fd,
                              frz_error *err) FRZ_MUST_CHECK;

#endif
