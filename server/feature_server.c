/*
 * feature_server.c - the life of the server: listening, reloading, stopping.
 *
 * One socket is listened on for as long as the process serves. An instance is an MHD daemon with
 * its token, certificate and log. A reload starts another instance on the same socket and stops the
 * old one from taking connections; those it has go on until they close. Stopping first lets every
 * open connection finish its request, with "Connection: close" on each answer; connections that are
 * idle for a second are closed; what is left after the drain's time is cut.
 *
 * Two threads: the caller's waits for signals and closes connections that complete no request in
 * time; another asks the catalog now and then what was published.
 */
#include "feature_server.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_state.h"
#include "server_fail.h"

enum {
  TICK_MS = 250,
  DRAIN_TICK_MS = 20,
  DRAIN_IDLE_MS = 1000,
  BACKLOG = 4096,
  CONNECTION_POOL_BYTES = 8192,
  WRITE_THREADS = 8,
  WRITES_MAX = 1024,
  REFRESH_TICK_S = 1
};

typedef struct server_run {
  http_server server;
  const feature_server_options *options;
  int listener;
  http_instance *instance; /* that takes connections */
  http_instance *old;
  pthread_t upkeep;
  bool has_upkeep;
  pthread_mutex_t upkeep_lock;
  pthread_cond_t upkeep_wake;
  bool upkeep_ends;
  bool upkeep_at_once;
} server_run;

/* ---- listening ---- */

static frz_status listen_on(const feature_server_options *options, int *listener_out,
                            frz_error *err)
{
  char port[8];
  struct addrinfo *found = NULL;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
  snprintf(port, sizeof port, "%u", options->port);
  int code = getaddrinfo(options->host, port, &hints, &found);
  if (code != 0)
    return server_fail(err, FRZ_ERR_INVALID, "host '%.200s': %s", options->host,
                       gai_strerror(code));
  int listener = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int on = 1;
  bool fine =
      listener >= 0 && setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(listener, found->ai_addr, found->ai_addrlen) == 0 && listen(listener, BACKLOG) == 0;
  int cause = errno;
  freeaddrinfo(found);
  if (fine) {
    *listener_out = listener;
    return FRZ_OK;
  }
  if (listener >= 0) close(listener);
  return server_fail(err, FRZ_ERR_IO, "cannot listen on %.200s port %s: %s", options->host, port,
                     strerror(cause));
}

static unsigned bound_port(int listener)
{
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  char port[8] = "0";
  if (getsockname(listener, (struct sockaddr *)&address, &size) == 0)
    getnameinfo((struct sockaddr *)&address, size, NULL, 0, port, sizeof port, NI_NUMERICSERV);
  return (unsigned)strtoul(port, NULL, 10);
}

/* As many files as the system allows: a connection is one. */
static void raise_file_limit(uint32_t connections_max)
{
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  rlim_t wanted = (rlim_t)connections_max + 512;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
    fprintf(stderr, "frazil: %u connections want %llu open files, the system allows %llu\n",
            connections_max, (unsigned long long)wanted, (unsigned long long)limit.rlim_cur);
}

/* ---- instances ---- */

static frz_status read_token(const feature_server_options *options, http_instance *instance,
                             frz_error *err)
{
  if (options->token_path != NULL) {
    SERVER_TRY(secret_file_read(options->token_path, "token file", &instance->token,
                                &instance->token_size, err));
    while (instance->token_size > 0 &&
           strchr(" \t\r\n", instance->token[instance->token_size - 1]) != NULL)
      instance->token[--instance->token_size] = '\0';
  } else {
    const char *value = options->token_variable != NULL ? getenv(options->token_variable) : NULL;
    if (value == NULL) return FRZ_OK;
    instance->token = strdup(value);
    if (instance->token == NULL) return server_fail(err, FRZ_ERR_NOMEM, "no memory for a token");
    instance->token_size = strlen(value);
  }
  if (instance->token_size > 0) return FRZ_OK;
  return server_fail(err, FRZ_ERR_INVALID, "the bearer token is empty");
}

static frz_status open_log(const feature_server_options *options, http_instance *instance,
                           frz_error *err)
{
  if (options->access_log == NULL) return FRZ_OK;
  bool is_stdout = strcmp(options->access_log, "-") == 0;
  instance->log_file =
      is_stdout ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                : open(options->access_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (instance->log_file >= 0) return FRZ_OK;
  return server_fail(err, FRZ_ERR_IO, "access log '%.300s': %s", options->access_log,
                     strerror(errno));
}

static void free_instance(http_instance *instance)
{
  if (instance == NULL) return;
  if (instance->daemon != NULL) MHD_stop_daemon(instance->daemon);
  if (instance->log_file >= 0) close(instance->log_file);
  secret_free(instance->token, instance->token_size);
  pthread_mutex_destroy(&instance->lock);
  free(instance);
}

/* MHD's own messages name a certificate's or socket's fault. */
static void on_daemon_message(void *ctx, const char *format, va_list args)
{
  (void)ctx;
  char line[512];
  vsnprintf(line, sizeof line, format, args);
  /* A client that breaks off or does not speak TLS is its own business. */
  if (strstr(line, "TLS") == NULL && strstr(line, "socket") == NULL &&
      strstr(line, "onnection") == NULL)
    fprintf(stderr, "frazil: http: %s", line);
}

static frz_status start_daemon(server_run *run, http_instance *instance, char *cert, char *key,
                               frz_error *err)
{
  const feature_server_options *options = run->options;
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME |
                   MHD_USE_ITC | (cert != NULL ? MHD_USE_TLS : 0);
  int listener = fcntl(run->listener, F_DUPFD_CLOEXEC, 3);
  if (listener < 0) return server_fail(err, FRZ_ERR_IO, "listening socket: %s", strerror(errno));
  const struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, cert},
                                       {MHD_OPTION_HTTPS_MEM_KEY, 0, key},
                                       {MHD_OPTION_END, 0, NULL}};
  const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
  instance->daemon = MHD_start_daemon(
      flags, 0, NULL, NULL, http_on_request, instance, /* the logger first: it hears the rest */
      MHD_OPTION_EXTERNAL_LOGGER, on_daemon_message, NULL, MHD_OPTION_LISTEN_SOCKET, listener,
      MHD_OPTION_THREAD_POOL_SIZE, options->n_threads, MHD_OPTION_CONNECTION_LIMIT,
      options->connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_POOL_BYTES,
      MHD_OPTION_CONNECTION_TIMEOUT, options->idle_timeout_s, MHD_OPTION_NOTIFY_COMPLETED,
      http_on_completed, instance, MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, instance,
      MHD_OPTION_ARRAY, cert != NULL ? tls : none, MHD_OPTION_END);
  if (instance->daemon != NULL) return FRZ_OK;
  close(listener);
  return server_fail(err, FRZ_ERR_INVALID,
                     cert != NULL ? "the HTTP server does not start; certificate '%.200s' and key "
                                    "'%.200s' must be PEM and belong together"
                                  : "the HTTP server does not start%s%s",
                     cert != NULL ? options->tls_cert_path : "",
                     cert != NULL ? options->tls_key_path : "");
}

static frz_status start_instance(server_run *run, http_instance **instance_out, frz_error *err)
{
  const feature_server_options *options = run->options;
  http_instance *instance = calloc(1, sizeof *instance);
  if (instance == NULL) return server_fail(err, FRZ_ERR_NOMEM, "no memory for a server");
  instance->server = &run->server;
  instance->log_file = -1;
  pthread_mutex_init(&instance->lock, NULL);
  char *cert = NULL;
  char *key = NULL;
  size_t cert_size = 0;
  size_t key_size = 0;
  frz_status st = read_token(options, instance, err);
  if (st == FRZ_OK) st = open_log(options, instance, err);
  if (st == FRZ_OK && options->tls_cert_path != NULL) {
    st = secret_file_read(options->tls_cert_path, "certificate", &cert, &cert_size, err);
    if (st == FRZ_OK) st = secret_file_read(options->tls_key_path, "key", &key, &key_size, err);
  }
  if (st == FRZ_OK) st = start_daemon(run, instance, cert, key, err);
  secret_free(cert, cert_size);
  secret_free(key, key_size);
  if (st == FRZ_OK)
    *instance_out = instance;
  else
    free_instance(instance);
  return st;
}

/* Take no more connections; those that the kernel has accepted for us are still served. */
static void quiesce(http_instance *instance, bool takes_waiting)
{
  int listener = MHD_quiesce_daemon(instance->daemon);
  if (listener < 0) return;
  while (takes_waiting) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int waiting =
        accept4(listener, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (waiting < 0) break;
    if (MHD_add_connection(instance->daemon, waiting, (struct sockaddr *)&address, size) != MHD_YES)
      break; /* MHD has closed it */
  }
  close(listener);
}

static bool has_connections(http_instance *instance)
{
  pthread_mutex_lock(&instance->lock);
  bool has = instance->connections != NULL;
  pthread_mutex_unlock(&instance->lock);
  return has;
}

/* Connections that completed no request for that long and have none under way. MHD sees the end of
 * the stream and cleans up. */
static void close_idle(http_instance *instance, int64_t idle_ms)
{
  int64_t now_ms = http_now_us() / 1000;
  pthread_mutex_lock(&instance->lock);
  for (http_connection *each = instance->connections; each != NULL; each = each->next) {
    bool is_busy = __atomic_load_n(&each->is_busy, __ATOMIC_RELAXED);
    int64_t done_ms = __atomic_load_n(&each->done_ms, __ATOMIC_RELAXED);
    if (!is_busy && now_ms - done_ms >= idle_ms && each->socket >= 0)
      shutdown(each->socket, SHUT_RDWR);
  }
  pthread_mutex_unlock(&instance->lock);
}

static void end_old_instances(server_run *run)
{
  for (http_instance **at = &run->old; *at != NULL;) {
    http_instance *instance = *at;
    if (has_connections(instance)) {
      at = &instance->next;
      continue;
    }
    *at = instance->next;
    free_instance(instance);
  }
}

/* ---- upkeep ---- */

static void *keep_up(void *arg)
{
  server_run *run = arg;
  pthread_mutex_lock(&run->upkeep_lock);
  while (!run->upkeep_ends) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += REFRESH_TICK_S;
    pthread_cond_timedwait(&run->upkeep_wake, &run->upkeep_lock, &until);
    bool at_once = run->upkeep_at_once;
    run->upkeep_at_once = false;
    if (run->upkeep_ends) break;
    pthread_mutex_unlock(&run->upkeep_lock);
    view_store_refresh(run->server.store, at_once);
    pthread_mutex_lock(&run->upkeep_lock);
  }
  pthread_mutex_unlock(&run->upkeep_lock);
  return NULL;
}

static void wake_upkeep(server_run *run, bool ends)
{
  pthread_mutex_lock(&run->upkeep_lock);
  run->upkeep_at_once = true;
  run->upkeep_ends = ends;
  pthread_cond_signal(&run->upkeep_wake);
  pthread_mutex_unlock(&run->upkeep_lock);
}

/* ---- running ---- */

static void reload(server_run *run)
{
  frz_error err = {0};
  http_instance *instance = NULL;
  if (start_instance(run, &instance, &err) != FRZ_OK) {
    fprintf(stderr, "frazil: reload: %s; what was goes on\n", err.message);
    return;
  }
  quiesce(run->instance, false);
  run->instance->next = run->old;
  run->old = run->instance;
  run->instance = instance;
  wake_upkeep(run, false);
  server_metrics_add(&run->server.metrics.reloads, 1);
  fprintf(stderr, "frazil: reloaded\n");
}

static bool any_connections(server_run *run)
{
  bool any = has_connections(run->instance);
  for (http_instance *each = run->old; each != NULL && !any; each = each->next)
    any = has_connections(each);
  return any;
}

static void drain(server_run *run)
{
  int64_t end_ms = http_now_us() / 1000 + (int64_t)run->options->drain_timeout_s * 1000;
  __atomic_store_n(&run->server.is_draining, true, __ATOMIC_RELAXED);
  fprintf(stderr, "frazil: stopping\n");
  quiesce(run->instance, true);
  close(run->listener);
  run->listener = -1;
  while (any_connections(run) && http_now_us() / 1000 < end_ms) {
    close_idle(run->instance, DRAIN_IDLE_MS);
    for (http_instance *each = run->old; each != NULL; each = each->next)
      close_idle(each, DRAIN_IDLE_MS);
    poll(NULL, 0, DRAIN_TICK_MS);
  }
}

static void serve(server_run *run, int signal_fd)
{
  int64_t idle_ms = (int64_t)run->options->idle_timeout_s * 1000;
  for (;;) {
    struct pollfd wait = {.fd = signal_fd, .events = POLLIN};
    int n = poll(&wait, 1, TICK_MS);
    char signal = 0;
    if (n > 0 && read(signal_fd, &signal, 1) == 1) {
      if (signal == SERVER_SIGNAL_STOP) return;
      if (signal == SERVER_SIGNAL_RELOAD) reload(run);
    }
    close_idle(run->instance, idle_ms);
    for (http_instance *each = run->old; each != NULL; each = each->next) close_idle(each, idle_ms);
    end_old_instances(run);
  }
}

static frz_status start(server_run *run, frz_error *err)
{
  const feature_server_options *options = run->options;
  const view_store_options store = {.context = options->context,
                                    .catalog = options->catalog,
                                    .namespace_name = options->namespace_name,
                                    .project = options->project,
                                    .online = options->online};
  SERVER_TRY(view_store_create(&store, &run->server.store, err));
  SERVER_TRY(write_queue_create(WRITE_THREADS, WRITES_MAX, http_run_write, &run->server,
                                &run->server.writes, err));
  raise_file_limit(options->connections_max);
  SERVER_TRY(listen_on(options, &run->listener, err));
  SERVER_TRY(start_instance(run, &run->instance, err));
  if (pthread_create(&run->upkeep, NULL, keep_up, run) != 0)
    return server_fail(err, FRZ_ERR_IO, "no more threads can be started");
  run->has_upkeep = true;
  return FRZ_OK;
}

static void end(server_run *run)
{
  if (run->has_upkeep) {
    wake_upkeep(run, true);
    pthread_join(run->upkeep, NULL);
  }
  /* Connections that wait for a write are resumed before their daemons stop. */
  write_queue_free(run->server.writes);
  free_instance(run->instance);
  while (run->old != NULL) {
    http_instance *instance = run->old;
    run->old = instance->next;
    free_instance(instance);
  }
  for (int i = 0; i < run->server.n_scratch; i++) {
    json_tree_dispose(&run->server.scratch[i]->tree);
    answer_scratch_free(run->server.scratch[i]->answer);
    free(run->server.scratch[i]);
  }
  view_store_free(run->server.store);
  if (run->listener >= 0) close(run->listener);
  pthread_mutex_destroy(&run->server.scratch_lock);
  pthread_mutex_destroy(&run->upkeep_lock);
  pthread_cond_destroy(&run->upkeep_wake);
  free(run);
}

frz_status feature_server_run(const feature_server_options *options, int signal_fd, frz_error *err)
{
  server_run *run = calloc(1, sizeof *run);
  if (run == NULL) return server_fail(err, FRZ_ERR_NOMEM, "no memory for a server");
  run->options = options;
  run->server.options = options;
  run->listener = -1;
  pthread_mutex_init(&run->server.scratch_lock, NULL);
  pthread_mutex_init(&run->upkeep_lock, NULL);
  pthread_cond_init(&run->upkeep_wake, NULL);
  frz_status st = start(run, err);
  if (st == FRZ_OK) {
    bool is_v6 = strchr(options->host, ':') != NULL;
    fprintf(stderr, "frazil: serving project '%s' at http%s://%s%s%s:%u\n", options->project,
            options->tls_cert_path != NULL ? "s" : "", is_v6 ? "[" : "", options->host,
            is_v6 ? "]" : "", bound_port(run->listener));
    serve(run, signal_fd);
    drain(run);
  }
  end(run);
  return st;
}
