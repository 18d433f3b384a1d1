/*
 * http_requests.c - one request: its body is gathered, then answered.
 *
 * MHD calls http_on_request() once when the headers are there, then with each part of the body,
 * then once more. Reads are answered on the connection's thread, in microseconds. Writes take a
 * commit: the connection is suspended, a thread of the write queue does the work and resumes it,
 * and MHD calls once more for the response.
 *
 * What must stay true: a body is never larger than its limit, all bodies together never than
 * theirs; a request that was taken up is counted once, in http_on_completed().
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "http_state.h"
#include "server_fail.h"
#include "write_answer.h"

enum {
  FIRST_BODY_BYTES = 4096,
  DISCARD_MAX_BYTES = 64 << 20,
  BODIES_MAX_MIB = 512,
  NODES_MAX = 1 << 21,
  ANSWER_MAX_MIB = 64,
  FIRST_ANSWER_BYTES = 8192
};

int64_t http_now_us(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- connections ---- */

void http_on_connection(void *ctx, struct MHD_Connection *handle, void **connection_ctx,
                        enum MHD_ConnectionNotificationCode code)
{
  http_instance *instance = ctx;
  http_connection *connection = *connection_ctx;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    connection = calloc(1, sizeof *connection);
    if (connection == NULL) return; /* served, but not watched */
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
    connection->handle = handle;
    connection->socket = info != NULL ? info->connect_fd : -1;
    connection->done_ms = http_now_us() / 1000;
    *connection_ctx = connection;
    server_metrics_add(&instance->server->metrics.connections, 1);
    pthread_mutex_lock(&instance->lock);
    connection->next = instance->connections;
    if (connection->next != NULL) connection->next->previous = connection;
    instance->connections = connection;
    pthread_mutex_unlock(&instance->lock);
  } else if (connection != NULL) {
    pthread_mutex_lock(&instance->lock);
    if (connection->previous != NULL)
      connection->previous->next = connection->next;
    else
      instance->connections = connection->next;
    if (connection->next != NULL) connection->next->previous = connection->previous;
    pthread_mutex_unlock(&instance->lock);
    server_metrics_subtract(&instance->server->metrics.connections, 1);
    *connection_ctx = NULL;
    free(connection);
  }
}

static void set_busy(http_request *request, bool is_busy)
{
  if (request->connection == NULL) return;
  __atomic_store_n(&request->connection->is_busy, is_busy, __ATOMIC_RELAXED);
  if (!is_busy)
    __atomic_store_n(&request->connection->done_ms, http_now_us() / 1000, __ATOMIC_RELAXED);
}

/* ---- responses ---- */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
  if (MHD_add_response_header(response, name, value) != MHD_YES) {
    /* no memory: the client does without */
  }
}

/* Takes the text over; NULL: no memory. */
static struct MHD_Response *make_response(http_request *request, unsigned status, text_out *text,
                                          const char *type)
{
  if (text->failed) {
    text_out_dispose(text);
    return NULL;
  }
  size_t size = text->size;
  struct MHD_Response *response =
      size > 0 ? MHD_create_response_from_buffer(size, text->data, MHD_RESPMEM_MUST_FREE)
               : MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  if (response == NULL || size == 0) text_out_dispose(text);
  if (response == NULL) return NULL;
  request->status = status;
  request->response_bytes = size;
  if (size > 0) add_header(response, "Content-Type", type);
  if (status == 503) add_header(response, "Retry-After", "1");
  if (status == 401) add_header(response, "WWW-Authenticate", "Bearer");
  if (__atomic_load_n(&request->instance->server->is_draining, __ATOMIC_RELAXED))
    add_header(response, "Connection", "close");
  return response;
}

/* {"detail": "..."} as FastAPI has it. */
static struct MHD_Response *make_error(http_request *request, unsigned status, const char *message)
{
  text_out text;
  text_out_init(&text, 16384);
  text_put_z(&text, "{\"detail\":");
  text_put_json(&text, message, strlen(message));
  text_put_byte(&text, '}');
  return make_response(request, status, &text, "application/json");
}

static unsigned http_status_of(frz_status status)
{
  switch (status) {
  case FRZ_OK: return 200;
  case FRZ_ERR_INVALID: return 422;
  case FRZ_ERR_NOT_FOUND: return 404;
  case FRZ_ERR_LIMIT: return 413;
  case FRZ_ERR_UNSUPPORTED: return 501;
  case FRZ_ERR_TIMEOUT: return 504;
  case FRZ_ERR_CONFLICT: return 409;
  case FRZ_ERR_STALE:
  case FRZ_ERR_IO:
  case FRZ_ERR_AUTH:
  case FRZ_ERR_NOMEM:
  case FRZ_ERR_CANCELLED: return 503;
  case FRZ_ERR_CORRUPT:
  case FRZ_ERR_COMMIT_UNKNOWN:
  case FRZ_ERR_EXISTS: break;
  }
  return 500;
}

/* Failures that are not the client's are told on standard error. */
static struct MHD_Response *make_failure(http_request *request, const frz_error *err)
{
  unsigned status = http_status_of(err->code);
  if (err->code == FRZ_ERR_INVALID && strncmp(err->message, "json", 4) == 0) status = 400;
  if (status == 500)
    fprintf(stderr, "frazil: %s: %s\n", server_route_path(request->route), err->message);
  return make_error(request, status, err->message);
}

static enum MHD_Result queue_response(http_request *request, struct MHD_Response *response)
{
  if (response == NULL) return MHD_NO;
  server_metrics_add(&request->instance->server->metrics.response_bytes, request->response_bytes);
  enum MHD_Result result = MHD_queue_response(request->handle, request->status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result queue_error(http_request *request, unsigned status, const char *message)
{
  return queue_response(request, make_error(request, status, message));
}

/* ---- features ---- */

static worker_scratch *take_scratch(http_server *server)
{
  worker_scratch *scratch = NULL;
  pthread_mutex_lock(&server->scratch_lock);
  if (server->n_scratch > 0) scratch = server->scratch[--server->n_scratch];
  pthread_mutex_unlock(&server->scratch_lock);
  if (scratch != NULL) return scratch;
  scratch = calloc(1, sizeof *scratch);
  if (scratch == NULL) return NULL;
  json_tree_init(&scratch->tree, NODES_MAX);
  scratch->answer = answer_scratch_create();
  if (scratch->answer != NULL) return scratch;
  free(scratch);
  return NULL;
}

static void give_scratch(http_server *server, worker_scratch *scratch)
{
  enum { NODES_KEPT = 1 << 16 };
  if (scratch->tree.capacity > NODES_KEPT) json_tree_dispose(&scratch->tree);
  pthread_mutex_lock(&server->scratch_lock);
  bool is_kept = server->n_scratch < SCRATCH_KEPT;
  if (is_kept) server->scratch[server->n_scratch++] = scratch;
  pthread_mutex_unlock(&server->scratch_lock);
  if (is_kept) return;
  json_tree_dispose(&scratch->tree);
  answer_scratch_free(scratch->answer);
  free(scratch);
}

static frz_status answer_features(http_request *request, worker_scratch *scratch, text_out *out,
                                  frz_error *err)
{
  http_server *server = request->instance->server;
  answer_totals totals = {0};
  SERVER_TRY(json_tree_parse(&scratch->tree, request->body, request->body_size, err));
  SERVER_TRY(
      feature_request_read(&scratch->tree, server->options->rows_max, &scratch->request, err));
  frz_status st = online_answer_put(server->store, &scratch->tree, &scratch->request,
                                    server->options->check_ttl, scratch->answer, out, &totals, err);
  request->n_keys = totals.n_keys;
  request->n_features = totals.n_features;
  if (st != FRZ_OK) return st;
  server_metrics_add(&server->metrics.keys, totals.n_keys);
  server_metrics_add(&server->metrics.keys_found, totals.n_found);
  server_metrics_add(&server->metrics.values, totals.n_keys * totals.n_features);
  return FRZ_OK;
}

static struct MHD_Response *respond_features(http_request *request)
{
  frz_error err = {0};
  text_out out;
  worker_scratch *scratch = take_scratch(request->instance->server);
  if (scratch == NULL) return make_error(request, 503, "no memory");
  text_out_init(&out, (size_t)ANSWER_MAX_MIB << 20);
  (void)text_out_reserve(&out, FIRST_ANSWER_BYTES);
  frz_status st = answer_features(request, scratch, &out, &err);
  if (st == FRZ_ERR_NOT_FOUND) {
    /* The table may have been made anew since it was opened: once more, from the catalog. */
    text_out_clear(&out);
    st = request->n_features > 0
             ? online_answer_put(request->instance->server->store, &scratch->tree,
                                 &scratch->request, request->instance->server->options->check_ttl,
                                 scratch->answer, &out, &(answer_totals){0}, &err)
             : st;
  }
  give_scratch(request->instance->server, scratch);
  if (st == FRZ_OK) return make_response(request, 200, &out, "application/json");
  text_out_dispose(&out);
  return make_failure(request, &err);
}

/* ---- the other routes ---- */

void http_run_write(void *ctx, write_job *job)
{
  http_server *server = ctx;
  http_request *request = (http_request *)job;
  frz_error err = {0};
  uint64_t n_rows = 0;
  frz_status st =
      request->route == ROUTE_PUSH
          ? write_answer_push(server->store, request->body, request->body_size, &n_rows, &err)
          : write_answer_view(server->store, request->body, request->body_size, &n_rows, &err);
  request->n_rows = n_rows;
  server_metrics_add(&server->metrics.rows_written, n_rows);
  if (st == FRZ_OK) {
    text_out text;
    text_out_init(&text, 64);
    if (request->route == ROUTE_WRITE) text_put_z(&text, "null");
    request->response = make_response(request, 200, &text, "application/json");
  } else {
    request->response = make_failure(request, &err);
  }
  request->is_done = true;
  MHD_resume_connection(request->handle);
}

static enum MHD_Result begin_write(http_request *request)
{
  set_busy(request, true);
  MHD_suspend_connection(request->handle);
  if (write_queue_add(request->instance->server->writes, &request->job)) return MHD_YES;
  request->response = make_error(request, 503, "too many writes wait; try again");
  request->is_done = true;
  MHD_resume_connection(request->handle);
  return MHD_YES;
}

static struct MHD_Response *respond_metrics(http_request *request)
{
  text_out out;
  text_out_init(&out, (size_t)ANSWER_MAX_MIB << 20);
  server_metrics_put(&request->instance->server->metrics, &out);
  view_store_put_metrics(request->instance->server->store, &out);
  return make_response(request, 200, &out, "text/plain; version=0.0.4; charset=utf-8");
}

static struct MHD_Response *respond_health(http_request *request)
{
  if (__atomic_load_n(&request->instance->server->is_draining, __ATOMIC_RELAXED))
    return make_error(request, 503, "the server is stopping");
  text_out out;
  text_out_init(&out, 64);
  text_put_z(&out, "{\"status\":\"ok\"}");
  return make_response(request, 200, &out, "application/json");
}

static enum MHD_Result respond(http_request *request)
{
  switch (request->route) {
  case ROUTE_FEATURES: return queue_response(request, respond_features(request));
  case ROUTE_HEALTH: return queue_response(request, respond_health(request));
  case ROUTE_METRICS: return queue_response(request, respond_metrics(request));
  case ROUTE_PUSH:
  case ROUTE_WRITE:
    if (!request->is_done) return begin_write(request);
    struct MHD_Response *response = request->response;
    request->response = NULL;
    return queue_response(request, response);
  case ROUTE_NONE:
  case N_ROUTES: break;
  }
  return MHD_NO;
}

/* ---- the request ---- */

static server_route find_route(const char *url)
{
  for (int route = 0; route < ROUTE_NONE; route++)
    if (strcmp(url, server_route_path((server_route)route)) == 0) return (server_route)route;
  return ROUTE_NONE;
}

static bool is_allowed(const http_request *request)
{
  const http_instance *instance = request->instance;
  if (instance->token == NULL || request->route == ROUTE_HEALTH) return true;
  const char *given =
      MHD_lookup_connection_value(request->handle, MHD_HEADER_KIND, "Authorization");
  if (given == NULL || strncasecmp(given, "Bearer ", 7) != 0) return false;
  given += 7;
  while (*given == ' ') given++;
  return secret_equal(instance->token, instance->token_size, given, strlen(given));
}

static bool is_post(server_route route)
{
  return route == ROUTE_FEATURES || route == ROUTE_PUSH || route == ROUTE_WRITE;
}

/* What the client says it will send; 0: it does not say. */
static unsigned long long announced_bytes(const http_request *request)
{
  const char *text =
      MHD_lookup_connection_value(request->handle, MHD_HEADER_KIND, "Content-Length");
  return text != NULL ? strtoull(text, NULL, 10) : 0;
}

/* What can be refused without the body. */
static enum MHD_Result check_head(http_request *request)
{
  bool is_get = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
  if (!is_allowed(request))
    return queue_error(request, 401, "a bearer token is wanted, or the one given is wrong");
  if (request->route == ROUTE_NONE)
    return queue_error(request, 404,
                       "no such path; there are /get-online-features, /push, "
                       "/write-to-online-store, /health and /metrics");
  if (is_post(request->route) ? strcmp(request->method, "POST") != 0 : !is_get)
    return queue_error(request, 405,
                       is_post(request->route) ? "this path takes POST" : "this path takes GET");
  /* A client that is cut off while it sends may not see the answer, so a body that is not huge is
   * read and dropped. */
  unsigned long long announced = announced_bytes(request);
  if (announced > request->instance->server->options->body_bytes_max) request->refusal = 413;
  if (announced > DISCARD_MAX_BYTES) return queue_error(request, 413, "the body is too large");
  return MHD_YES;
}

static enum MHD_Result begin_request(http_instance *instance, struct MHD_Connection *handle,
                                     const char *url, const char *method, void **request_ctx)
{
  http_request *request = calloc(1, sizeof *request);
  if (request == NULL) return MHD_NO;
  *request_ctx = request;
  request->instance = instance;
  request->handle = handle;
  request->started_us = http_now_us();
  request->route = find_route(url);
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  request->connection = info != NULL ? info->socket_context : NULL;
  bool is_plain = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(method);
  snprintf(request->method, sizeof request->method, "%.7s", is_plain ? method : "other");
  server_metrics_add(&instance->server->metrics.in_flight, 1);
  return check_head(request);
}

/* The bytes come again to the sum when the request is over. */
static bool hold_bytes(http_request *request, size_t capacity)
{
  http_server *server = request->instance->server;
  size_t more = capacity - request->body_capacity;
  uint64_t held = __atomic_add_fetch(&server->body_bytes, more, __ATOMIC_RELAXED);
  if (held <= (uint64_t)BODIES_MAX_MIB << 20) return true;
  __atomic_sub_fetch(&server->body_bytes, more, __ATOMIC_RELAXED);
  return false;
}

/* 0: taken; else the status of the refusal. */
static unsigned take_body(http_request *request, const char *data, size_t size)
{
  size_t most = request->instance->server->options->body_bytes_max;
  if (size > most - request->body_size) return 413;
  size_t wanted = request->body_size + size;
  if (wanted > request->body_capacity) {
    size_t capacity = request->body_capacity == 0 ? FIRST_BODY_BYTES : request->body_capacity;
    while (capacity < wanted) capacity *= 2;
    if (!hold_bytes(request, capacity)) return 503;
    char *grown = realloc(request->body, capacity);
    if (grown == NULL) {
      server_metrics_subtract(&request->instance->server->body_bytes,
                              capacity - request->body_capacity);
      return 503;
    }
    request->body = grown;
    request->body_capacity = capacity;
  }
  memcpy(request->body + request->body_size, data, size);
  request->body_size = wanted;
  return 0;
}

enum MHD_Result http_on_request(void *ctx, struct MHD_Connection *handle, const char *url,
                                const char *method, const char *version, const char *upload_data,
                                size_t *upload_size, void **request_ctx)
{
  (void)version;
  http_request *request = *request_ctx;
  if (request == NULL) return begin_request(ctx, handle, url, method, request_ctx);
  if (*upload_size == 0) {
    if (request->refusal == 0) return respond(request);
    return queue_error(request, request->refusal,
                       request->refusal == 413 ? "the body is too large" : "the server is busy");
  }
  if (request->refusal == 0 && is_post(request->route))
    request->refusal = take_body(request, upload_data, *upload_size);
  else
    request->discarded += *upload_size;
  *upload_size = 0;
  return request->discarded > DISCARD_MAX_BYTES ? MHD_NO : MHD_YES;
}

void http_on_completed(void *ctx, struct MHD_Connection *handle, void **request_ctx,
                       enum MHD_RequestTerminationCode code)
{
  (void)ctx;
  (void)handle;
  (void)code;
  http_request *request = *request_ctx;
  if (request == NULL) return;
  http_server *server = request->instance->server;
  *request_ctx = NULL;
  if (request->status == 0) request->status = 408; /* the body did not come */
  server_metrics_count(&server->metrics, request->route, request->status,
                       http_now_us() - request->started_us);
  server_metrics_add(&server->metrics.request_bytes, request->body_size);
  server_metrics_subtract(&server->metrics.in_flight, 1);
  server_metrics_subtract(&server->body_bytes, request->body_capacity);
  access_log_put(request);
  set_busy(request, false);
  if (request->response != NULL) MHD_destroy_response(request->response);
  free(request->body);
  free(request);
}
