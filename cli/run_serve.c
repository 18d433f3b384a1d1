/*
 * run_serve.c - `frazil serve`: the feature server of a project.
 *
 * SIGTERM and SIGINT stop it and SIGHUP reloads it. Their handlers write a byte into a pipe that
 * the server waits at, since any thread may be the one that a signal interrupts.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "feature_server.h"
#include "online_settings.h"

enum { DEFAULT_PORT = 6566 };

/* Process-wide because signals are. */
static int signal_pipe[2] = {-1, -1};

static void on_signal(int number)
{
  int before = errno;
  char byte = number == SIGHUP ? SERVER_SIGNAL_RELOAD : SERVER_SIGNAL_STOP;
  ssize_t n = write(signal_pipe[1], &byte, 1); /* a full pipe holds enough of them */
  (void)n;
  errno = before;
}

int check_serve(const command_line *line)
{
  const serve_settings *given = &line->serve;
  if (line->n_arguments > 1)
    return report_usage("serve: '%s' is one word too many", line->arguments[1]);
  if ((given->tls_cert == NULL) != (given->tls_key == NULL))
    return report_usage("--tls-cert and --tls-key go together");
  if (given->repo == NULL && given->project == NULL)
    return report_usage("serve wants --project NAME, or --repo FOLDER of a Feast repo");
  return check_online_settings(line);
}

static int64_t or_default(int64_t given, int64_t fallback)
{
  return given >= 0 ? given : fallback;
}

static feature_server_options options_of(const invocation *run, int64_t n_processors)
{
  const serve_settings *given = &run->line->serve;
  int64_t n_threads = run->line->n_threads > 0 ? run->line->n_threads : n_processors;
  return (feature_server_options){
      .context = run->context,
      .catalog = run->catalog,
      .namespace_name = given->namespace_name != NULL ? given->namespace_name : "feast",
      .project = given->project,
      .online = online_settings_of(run->line),
      .host = given->host != NULL ? given->host : "127.0.0.1",
      .port = (uint16_t)or_default(given->port, DEFAULT_PORT),
      .n_threads = (uint32_t)(n_threads < 1     ? 1
                              : n_threads > 256 ? 256
                                                : n_threads),
      .connections_max = (uint32_t)or_default(given->connections_max, 16384),
      .rows_max = (uint32_t)or_default(given->rows_max, 10000),
      .body_bytes_max = (uint64_t)or_default(given->body_bytes_max, 8 << 20),
      .idle_timeout_s = (uint32_t)or_default(given->idle_timeout_s, 75),
      .drain_timeout_s = (uint32_t)or_default(given->drain_timeout_s, 30),
      .tls_cert_path = given->tls_cert,
      .tls_key_path = given->tls_key,
      .token_path = given->token_file,
      .token_variable = "FRAZIL_TOKEN",
      .access_log = given->access_log,
      .check_ttl = given->check_ttl};
}

int run_serve(const invocation *run)
{
  frz_error err = {0};
  if (run->line->serve.project == NULL)
    return report_usage("feature_store.yaml names no project; give --project NAME");
  if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
    err.code = FRZ_ERR_IO;
    snprintf(err.message, sizeof err.message, "pipe: %s", strerror(errno));
    return report(&err);
  }
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGHUP, &action, NULL);
  feature_server_options options = options_of(run, sysconf(_SC_NPROCESSORS_ONLN));
  frz_status st = feature_server_run(&options, signal_pipe[0], &err);
  return st == FRZ_OK ? EXIT_FINE : report(&err);
}
