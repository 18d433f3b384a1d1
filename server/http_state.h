/*
 * http_state.h - what the parts of the HTTP server share: the server, an instance of it with its
 * secrets, connections, requests.
 *
 * The server lives as long as the process serves; a reload makes a new instance (token,
 * certificate, log) beside the old one, which ends when its connections have.
 */
#ifndef FRAZIL_SERVER_HTTP_STATE_H
#define FRAZIL_SERVER_HTTP_STATE_H

#include <microhttpd.h>
#include <pthread.h>

#include "feature_server.h"
#include "json_tree.h"
#include "online_answer.h"
#include "server_metrics.h"
#include "view_store.h"
#include "write_queue.h"

enum { SCRATCH_KEPT = 64 };

/** What a thread needs to answer a request for features; kept and used again. */
typedef struct worker_scratch {
  json_tree tree;
  answer_scratch *answer;
  feature_request request;
} worker_scratch;

typedef struct http_server {
  const feature_server_options *options;
  view_store *store;
  write_queue *writes;
  server_metrics metrics;
  uint64_t body_bytes; /* held by requests that are being read; atomic */
  bool is_draining;    /* atomic */
  pthread_mutex_t scratch_lock;
  worker_scratch *scratch[SCRATCH_KEPT];
  int n_scratch;
} http_server;

/** Of one connection; in the list of its instance. */
typedef struct http_connection {
  struct http_connection *next;
  struct http_connection *previous;
  struct MHD_Connection *handle;
  int socket;
  int64_t done_ms; /* when it was made, or completed a request last; atomic */
  bool is_busy;    /* with a request that was read; atomic */
} http_connection;

typedef struct http_instance {
  http_server *server;
  struct MHD_Daemon *daemon;
  char *token; /* NULL: none is asked for */
  size_t token_size;
  int log_file; /* -1: none */
  pthread_mutex_t lock;
  http_connection *connections;
  struct http_instance *next; /* older ones that still have connections */
} http_instance;

typedef struct http_request {
  write_job job; /* first: a job is its request */
  http_instance *instance;
  struct MHD_Connection *handle;
  http_connection *connection;
  server_route route;
  int64_t started_us;
  char *body;
  size_t body_size;
  size_t body_capacity;
  size_t discarded;              /* bytes of a body that is refused */
  unsigned refusal;              /* the status; 0: none */
  bool is_done;                  /* a write */
  struct MHD_Response *response; /* then; NULL: no memory */
  unsigned status;
  size_t response_bytes;
  uint64_t n_keys;
  uint64_t n_features;
  uint64_t n_rows;
  char method[8];
} http_request;

/* ---- of http_requests.c ---- */

/** Callbacks of MHD; `ctx` is the instance. */
enum MHD_Result http_on_request(void *ctx, struct MHD_Connection *handle, const char *url,
                                const char *method, const char *version, const char *upload_data,
                                size_t *upload_size, void **request_ctx);
void http_on_completed(void *ctx, struct MHD_Connection *handle, void **request_ctx,
                       enum MHD_RequestTerminationCode code);
void http_on_connection(void *ctx, struct MHD_Connection *handle, void **connection_ctx,
                        enum MHD_ConnectionNotificationCode code);

/** Runs a write on a thread of the queue; `ctx` is the server. */
void http_run_write(void *ctx, write_job *job);

int64_t http_now_us(void); /* monotonic */

/* ---- of access_log.c ---- */

/** Write the line of a request that is over. */
void access_log_put(const http_request *request);

/* ---- of secret_files.c ---- */

/** A file's text, NUL-terminated, of malloc(). @param[in] what Names it in messages. */
frz_status secret_file_read(const char *path, const char *what, char **secret_out, size_t *size_out,
                            frz_error *err) FRZ_MUST_CHECK;

/** Overwrite and free. */
void secret_free(char *text, size_t size);

/** Do the two agree? Takes as long whatever is in them. */
bool secret_equal(const char *known, size_t known_size, const char *given, size_t given_size);

#endif
