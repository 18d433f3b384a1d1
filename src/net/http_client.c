/*
 * http_client.c - HTTP over libcurl's multi interface.
 *
 * A call takes a worker (a curl multi handle with its connections) from the client's pool, runs its
 * transfers on it, and puts it back. So connections are reused, threads never share a handle, and
 * one thread waits for many transfers at once. Waiting looks at the context every 50 ms.
 *
 * Retries go in rounds: all transfers are tried; those that came to nothing or to a transient
 * status, and may be repeated, are tried again after a wait. What a request sent and got no answer
 * to is noted (`may_be_done`), since the server may have acted on it.
 *
 * What must stay true: a worker belongs to one call and one process (after a fork the child leaves
 * the parent's alone: closing them would speak on shared sockets); a body is counted against what
 * it may fill before it is stored; headers, queries and bodies never reach a message.
 */
#include "net/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>

#include "base/limits.h"
#include "base/os.h"

enum {
  POLL_MS = 50,
  IDLE_WORKERS_MAX = 64,
  PARALLEL_MAX = 32,
  URL_BYTES_MAX = 1 << 16,
  ATTEMPT_BYTES_MAX = 4 << 20, /* headers and URL of one attempt */
  RETRY_AFTER_MS_MAX = 3600000,
  REPEATS_NOW_MAX = 4
};

typedef struct worker worker;
struct worker {
  CURLM *multi;
  CURL *easy[PARALLEL_MAX];
  worker *next;
};

struct frz_http_client {
  frz_context *context;
  const frz_alloc *alloc;
  frz_http_options options;
  frz_string texts[4]; /* what the options' texts point to */
  frz_retry_budget budget;
  pthread_mutex_t lock;
  worker *idle;
  size_t n_idle;
  int32_t process_id; /* whose workers and lock these are */
};

/* One attempt at one request. */
typedef struct transfer {
  frz_http_client *client;
  frz_http_request *request;
  frz_arena arena;
  struct curl_slist *header_list;
  CURL *easy;
  size_t piece, piece_at; /* where the next byte of a 2xx body goes */
  frz_status failure;     /* of ours, which curl only sees as a refused write */
  frz_error error;
  CURLcode code;
  bool ended;
  bool again; /* in the next round */
  frz_http_repeat repeat;
  char curl_error[CURL_ERROR_SIZE];
} transfer;

/* ---- options ---- */

void frz_http_options_init(frz_http_options *options)
{
  *options = (frz_http_options){
      .connect_timeout_ms = 10000, .stall_timeout_ms = 60000, .parallel_max = 16};
  frz_retry_policy_init(&options->retry);
}

void frz_http_options_read(frz_http_options *options, const frz_property *properties,
                           size_t n_properties)
{
  for (size_t i = 0; i < n_properties; i++) {
    frz_str key = frz_str_from(properties[i].key);
    frz_str value = frz_str_from(properties[i].value);
    if (frz_str_is(key, "ssl.cabundle")) options->ca_file = value;
    if (frz_str_is(key, "ssl.client.cert")) options->client_cert = value;
    if (frz_str_is(key, "ssl.client.key")) options->client_key = value;
  }
}

frz_http_request frz_http_get(frz_str origin, frz_str path)
{
  return (frz_http_request){
      .method = FRZ_STR("GET"), .origin = origin, .path = path, .may_repeat = true};
}

frz_status frz_http_headers_add(frz_http_headers *headers, frz_str name, frz_str value,
                                frz_error *err)
{
  if (headers->n_items == headers->capacity) {
    size_t wanted = headers->capacity < 8 ? 16 : headers->capacity * 2;
    frz_http_pair *grown = frz_arena_array(headers->arena, wanted, sizeof *grown);
    if (grown == NULL) return frz_fail_nomem(err, "request headers");
    if (headers->n_items != 0) memcpy(grown, headers->items, headers->n_items * sizeof *grown);
    headers->items = grown;
    headers->capacity = wanted;
  }
  headers->items[headers->n_items++] = (frz_http_pair){name, value};
  return FRZ_OK;
}

bool frz_http_status_is_transient(int32_t status)
{
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
         status == 504;
}

/* ---- the client ---- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
  (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static frz_status keep_text(frz_http_client *client, size_t at, frz_str *text, frz_error *err)
{
  if (text->size == 0) return FRZ_OK;
  FRZ_TRY(frz_string_copy(client->alloc, *text, &client->texts[at], err));
  *text = (frz_str){client->texts[at].data, client->texts[at].size_bytes};
  return FRZ_OK;
}

static void worker_free(worker *w, const frz_alloc *alloc)
{
  for (size_t i = 0; i < PARALLEL_MAX; i++)
    if (w->easy[i] != NULL) curl_easy_cleanup(w->easy[i]);
  if (w->multi != NULL) curl_multi_cleanup(w->multi);
  frz_alloc_free(alloc, w, sizeof *w);
}

void frz_http_client_free(frz_http_client *client)
{
  if (client == NULL) return;
  bool is_ours = client->process_id == frz_os_process_id();
  for (worker *w = client->idle, *next; w != NULL; w = next) {
    next = w->next;
    if (is_ours)
      worker_free(w, client->alloc);
    else
      frz_alloc_free(client->alloc, w, sizeof *w);
  }
  if (is_ours) pthread_mutex_destroy(&client->lock);
  for (size_t i = 0; i < 4; i++) frz_string_dispose(&client->texts[i]);
  frz_alloc_free(client->alloc, client, sizeof *client);
}

frz_status frz_http_client_create(frz_context *context, const frz_http_options *options,
                                  frz_http_client **client_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_http_client *client = frz_alloc_zeroed(alloc, sizeof *client);
  if (client == NULL) return frz_fail_nomem(err, "HTTP client");
  pthread_once(&curl_once, start_curl);
  client->context = context;
  client->alloc = alloc;
  client->options = *options;
  client->process_id = frz_os_process_id();
  frz_retry_budget_init(&client->budget);
  pthread_mutex_init(&client->lock, NULL);
  frz_str *const texts[] = {&client->options.ca_file, &client->options.client_cert,
                            &client->options.client_key, &client->options.proxy};
  frz_status st = FRZ_OK;
  for (size_t i = 0; i < 4 && st == FRZ_OK; i++) st = keep_text(client, i, texts[i], err);
  if (client->options.parallel_max > PARALLEL_MAX) client->options.parallel_max = PARALLEL_MAX;
  if (st == FRZ_OK)
    *client_out = client;
  else
    frz_http_client_free(client);
  return st;
}

/* ---- workers ---- */

static frz_status worker_take(frz_http_client *client, worker **worker_out, frz_error *err)
{
  if (client->process_id != frz_os_process_id()) {
    /* A child after a fork, with one thread: the parent's connections are left alone. */
    client->process_id = frz_os_process_id();
    client->idle = NULL;
    client->n_idle = 0;
    pthread_mutex_init(&client->lock, NULL);
  }
  pthread_mutex_lock(&client->lock);
  worker *w = client->idle;
  if (w != NULL) {
    client->idle = w->next;
    client->n_idle--;
  }
  pthread_mutex_unlock(&client->lock);
  if (w == NULL) {
    w = frz_alloc_zeroed(client->alloc, sizeof *w);
    if (w == NULL) return frz_fail_nomem(err, "HTTP connections");
    w->multi = curl_multi_init();
    if (w->multi == NULL) {
      worker_free(w, client->alloc);
      return frz_fail_nomem(err, "HTTP connections");
    }
    curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)client->options.parallel_max);
  }
  w->next = NULL;
  *worker_out = w;
  return FRZ_OK;
}

static void worker_return(frz_http_client *client, worker *w)
{
  pthread_mutex_lock(&client->lock);
  bool keeps = client->n_idle < IDLE_WORKERS_MAX;
  if (keeps) {
    w->next = client->idle;
    client->idle = w;
    client->n_idle++;
  }
  pthread_mutex_unlock(&client->lock);
  if (!keeps) worker_free(w, client->alloc);
}

/* ---- answers ---- */

static frz_str trimmed(frz_str text)
{
  while (text.size != 0 && (unsigned char)text.data[text.size - 1] <= ' ') text.size--;
  while (text.size != 0 && (unsigned char)text.data[0] <= ' ')
    text = (frz_str){text.data + 1, text.size - 1};
  return text;
}

static void keep_cut(char *out, size_t out_bytes, frz_str value)
{
  size_t n = value.size < out_bytes - 1 ? value.size : out_bytes - 1;
  memcpy(out, value.data, n);
  out[n] = '\0';
}

/* -1: not a number. */
static int64_t number_of(frz_str text)
{
  int64_t value = 0;
  if (text.size == 0 || text.size > 18) return -1;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return -1;
    value = value * 10 + (text.data[i] - '0');
  }
  return value;
}

int64_t frz_http_date(const char *text)
{
  time_t at = curl_getdate(text, NULL);
  return at > 0 ? (int64_t)at * 1000 : -1;
}

bool frz_http_learn_clock(const frz_http_answer *answer, atomic_llong *clock_ahead_ms)
{
  int64_t server_ms = frz_http_date(answer->date);
  if (server_ms >= 0) atomic_store(clock_ahead_ms, server_ms - frz_os_now_ms());
  return server_ms >= 0;
}

static int64_t retry_after_of(frz_str value)
{
  int64_t seconds = number_of(value);
  if (seconds < 0 && value.size < 64) {
    char date[64];
    keep_cut(date, sizeof date, value);
    int64_t at_ms = frz_http_date(date);
    if (at_ms >= 0) seconds = (at_ms - frz_os_now_ms()) / 1000;
    if (at_ms >= 0 && seconds < 0) seconds = 0;
  }
  if (seconds < 0) return -1;
  return seconds > RETRY_AFTER_MS_MAX / 1000 ? RETRY_AFTER_MS_MAX : seconds * 1000;
}

static void clear_answer(frz_http_answer *answer)
{
  frz_http_answer fresh = {.length_bytes = -1,
                           .first_byte = -1,
                           .total_bytes = -1,
                           .retry_after_ms = -1,
                           .kept_bytes = -1};
  fresh.may_be_done = answer->may_be_done;
  fresh.n_attempts = answer->n_attempts;
  *answer = fresh;
}

static void keep_location(transfer *t, frz_str value)
{
  frz_buf *location = t->request->location;
  if (location == NULL) return;
  location->size = 0;
  if (t->failure == FRZ_OK) t->failure = frz_buf_append_str(location, value, &t->error);
}

/* "bytes 0-99/1234". */
static void keep_range(frz_http_answer *answer, frz_str value)
{
  static const char unit[] = "bytes ";
  const char *slash = memchr(value.data, '/', value.size);
  const char *dash = memchr(value.data, '-', value.size);
  if (slash != NULL)
    answer->total_bytes =
        number_of((frz_str){slash + 1, value.size - (size_t)(slash - value.data) - 1});
  if (dash != NULL && frz_str_starts(value, unit))
    answer->first_byte = number_of(
        (frz_str){value.data + sizeof unit - 1, (size_t)(dash - value.data) - (sizeof unit - 1)});
}

static size_t on_header(char *data, size_t one, size_t size, void *arg)
{
  transfer *t = arg;
  (void)one;
  frz_http_answer *answer = &t->request->answer;
  frz_str line = {data, size};
  if (frz_str_starts(line, "HTTP/")) { /* of each answer: a 100 may come before the last one */
    clear_answer(answer);
    return size;
  }
  const char *colon = memchr(data, ':', size);
  if (colon == NULL) return size;
  frz_str name = {data, (size_t)(colon - data)};
  frz_str value = trimmed((frz_str){colon + 1, size - name.size - 1});
  if (frz_str_is_word(name, "content-length")) {
    answer->length_bytes = number_of(value);
  } else if (frz_str_is_word(name, "content-range")) {
    keep_range(answer, value);
  } else if (frz_str_is_word(name, "retry-after")) {
    answer->retry_after_ms = retry_after_of(value);
  } else if (frz_str_is_word(name, "etag")) {
    keep_cut(answer->etag, sizeof answer->etag, value);
  } else if (frz_str_is_word(name, "x-amz-bucket-region")) {
    keep_cut(answer->bucket_region, sizeof answer->bucket_region, value);
  } else if (frz_str_is_word(name, "range")) { /* of an answer: what an upload holds so far */
    int64_t last = frz_str_starts(value, "bytes=0-")
                       ? number_of((frz_str){value.data + 8, value.size - 8})
                       : -1;
    answer->kept_bytes = last >= 0 ? last + 1 : -1;
  } else if (frz_str_is_word(name, "location")) {
    keep_location(t, value);
    if (t->failure != FRZ_OK) return CURL_WRITEFUNC_ERROR;
  } else if (frz_str_is_word(name, "x-amz-meta-frazil-write") ||
             frz_str_is_word(name, "x-ms-meta-frazilwrite")) {
    keep_cut(answer->writer, sizeof answer->writer, value);
  } else if (frz_str_is_word(name, "date")) {
    keep_cut(answer->date, sizeof answer->date, value);
  }
  return size;
}

static bool is_success(int32_t status)
{
  return status >= 200 && status < 300;
}

static frz_status fill_pieces(transfer *t, const char *data, size_t size)
{
  frz_http_request *request = t->request;
  while (size != 0) {
    if (t->piece == request->n_pieces)
      return frz_fail(&t->error, FRZ_ERR_CORRUPT, "the answer is longer than what was asked for");
    const frz_http_piece *piece = &request->pieces[t->piece];
    size_t n = piece->size - t->piece_at;
    if (n > size) n = size;
    if (piece->dest != NULL && n != 0) memcpy(piece->dest + t->piece_at, data, n);
    t->piece_at += n;
    data += n;
    size -= n;
    if (t->piece_at == piece->size) {
      t->piece++;
      t->piece_at = 0;
    }
  }
  return FRZ_OK;
}

static frz_status fill_text(transfer *t, const char *data, size_t size, bool is_wanted)
{
  frz_buf *text = t->request->text;
  if (text == NULL) return FRZ_OK;
  size_t room = text->max_bytes - text->size;
  if (size > room && is_wanted)
    return frz_fail(&t->error, FRZ_ERR_LIMIT, "the answer passes the limit of %zu bytes",
                    text->max_bytes);
  return frz_buf_append(text, data, size < room ? size : room, &t->error);
}

static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
  transfer *t = arg;
  (void)one;
  long status = 0;
  curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
  bool is_wanted = is_success((int32_t)status);
  t->request->answer.body_bytes += (int64_t)size;
  t->failure = is_wanted && t->request->pieces != NULL ? fill_pieces(t, data, size)
                                                       : fill_text(t, data, size, is_wanted);
  return t->failure == FRZ_OK ? size : CURL_WRITEFUNC_ERROR;
}

/* ---- one attempt ---- */

static frz_status add_header_line(transfer *t, frz_str name, frz_str value, frz_error *err)
{
  for (size_t i = 0; i < value.size; i++)
    if ((unsigned char)value.data[i] < ' ' && value.data[i] != '\t')
      return frz_fail(err, FRZ_ERR_INVALID, "header %.*s holds a control character",
                      FRZ_STR_ARG(name));
  size_t n = name.size + value.size + 3;
  char *line = frz_arena_push(&t->arena, n);
  if (line == NULL) return frz_fail_nomem(err, "request headers");
  memcpy(line, name.data, name.size);
  /* curl takes "name;" for a header without a value, and "name:" as one to leave out. */
  memcpy(line + name.size, value.size != 0 ? ": " : ";", 2);
  if (value.size != 0) memcpy(line + name.size + 2, value.data, value.size);
  struct curl_slist *grown = curl_slist_append(t->header_list, line);
  if (grown == NULL) return frz_fail_nomem(err, "request headers");
  t->header_list = grown;
  return FRZ_OK;
}

static frz_status build_headers(transfer *t, frz_str *more_query_out, frz_error *err)
{
  frz_http_request *request = t->request;
  frz_http_headers headers = {.arena = &t->arena};
  for (size_t i = 0; i < request->n_headers; i++)
    FRZ_TRY(
        frz_http_headers_add(&headers, request->headers[i].name, request->headers[i].value, err));
  if (request->authorize != NULL) FRZ_TRY(request->authorize(request->ctx, request, &headers, err));
  bool has_type = false;
  for (size_t i = 0; i < headers.n_items; i++) {
    if (frz_str_is_word(headers.items[i].name, "host")) continue; /* curl's own, the same */
    has_type = has_type || frz_str_is_word(headers.items[i].name, "content-type");
    FRZ_TRY(add_header_line(t, headers.items[i].name, headers.items[i].value, err));
  }
  struct curl_slist *grown = curl_slist_append(t->header_list, "Expect:");
  if (grown != NULL && !has_type) grown = curl_slist_append(grown, "Content-Type:");
  if (grown == NULL) return frz_fail_nomem(err, "request headers");
  t->header_list = grown;
  *more_query_out = headers.more_query;
  return FRZ_OK;
}

static frz_status append_query(const frz_http_request *request, frz_str more, frz_buf *url,
                               frz_error *err)
{
  bool has_own = request->n_query != 0;
  if (has_own) FRZ_TRY(frz_buf_append_byte(url, '?', err));
  FRZ_TRY(frz_query_append(request->query, request->n_query, url, err));
  if (more.size == 0) return FRZ_OK;
  FRZ_TRY(frz_buf_append_byte(url, has_own ? '&' : '?', err));
  return frz_buf_append_str(url, more, err);
}

static frz_status build_url(transfer *t, frz_str more_query, char **url_out, frz_error *err)
{
  frz_http_request *request = t->request;
  frz_buf url;
  frz_buf_init(&url, t->client->alloc, URL_BYTES_MAX);
  frz_status st = frz_buf_append_str(&url, request->origin, err);
  if (st == FRZ_OK) st = frz_buf_append_str(&url, request->path, err);
  if (st == FRZ_OK) st = append_query(request, more_query, &url, err);
  if (st == FRZ_OK) {
    frz_str copy = frz_arena_copy(&t->arena, frz_buf_str(&url));
    *url_out = (char *)(uintptr_t)copy.data;
    if (copy.data == NULL) st = frz_fail_nomem(err, "URL");
  }
  frz_buf_dispose(&url);
  return st;
}

static void set_method(CURL *easy, const frz_http_request *request, const char *method)
{
  bool has_body = request->body.size != 0 || frz_str_is(request->method, "PUT") ||
                  frz_str_is(request->method, "POST");
  if (frz_str_is(request->method, "HEAD")) {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    return;
  }
  if (has_body) {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.size != 0 ? request->body.data : "");
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_options(transfer *t, const char *url, const char *method)
{
  CURL *easy = t->easy;
  const frz_http_options *options = &t->client->options;
  curl_easy_reset(easy);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "frazil/" FRZ_VERSION);
  curl_easy_setopt(easy, CURLOPT_PROXY, options->proxy.size != 0 ? options->proxy.data : "");
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)((options->stall_timeout_ms + 999) / 1000));
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L * 1024);
  if (options->ca_file.size != 0) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file.data);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
  }
  if (options->client_cert.size != 0)
    curl_easy_setopt(easy, CURLOPT_SSLCERT, options->client_cert.data);
  if (options->client_key.size != 0)
    curl_easy_setopt(easy, CURLOPT_SSLKEY, options->client_key.data);
  /* On a connection that was open already curl would send again, unasked, what got no answer. */
  if (!t->request->may_repeat || t->request->is_change)
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  if (t->request->unpacks) curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->header_list);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->curl_error);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
  set_method(easy, t->request, method);
}

static frz_status transfer_start(transfer *t, worker *w, size_t slot, frz_error *err)
{
  char *url = NULL;
  t->piece = t->piece_at = 0;
  t->failure = FRZ_OK;
  t->ended = false;
  t->curl_error[0] = '\0';
  if (t->request->text != NULL) t->request->text->size = 0;
  if (t->request->location != NULL) t->request->location->size = 0;
  clear_answer(&t->request->answer);
  t->request->answer.n_attempts++;
  frz_str more_query;
  FRZ_TRY(build_headers(t, &more_query, err));
  FRZ_TRY(build_url(t, more_query, &url, err));
  frz_str method = frz_arena_copy(&t->arena, t->request->method);
  if (method.data == NULL) return frz_fail_nomem(err, "request");
  if (w->easy[slot] == NULL) w->easy[slot] = curl_easy_init();
  if (w->easy[slot] == NULL) return frz_fail_nomem(err, "HTTP connections");
  t->easy = w->easy[slot];
  set_options(t, url, method.data);
  if (curl_multi_add_handle(w->multi, t->easy) != CURLM_OK) {
    t->easy = NULL;
    return frz_fail_nomem(err, "HTTP connections");
  }
  return FRZ_OK;
}

static void transfer_stop(transfer *t, worker *w)
{
  if (t->easy != NULL) curl_multi_remove_handle(w->multi, t->easy);
  t->easy = NULL;
  curl_slist_free_all(t->header_list);
  t->header_list = NULL;
  frz_arena_free(&t->arena);
  frz_arena_init(&t->arena, t->client->alloc, ATTEMPT_BYTES_MAX);
}

/* Did the request leave? A connection that was never made carried nothing. */
static bool was_sent(const transfer *t)
{
  long sent = 0;
  curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent);
  return sent > 0;
}

static void transfer_end(transfer *t, worker *w, CURLcode code)
{
  frz_http_answer *answer = &t->request->answer;
  long status = 0;
  curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
  t->code = code;
  t->ended = true;
  bool is_whole = code == CURLE_OK;
  if (is_whole && is_success((int32_t)status) && t->request->pieces != NULL &&
      t->piece != t->request->n_pieces) {
    is_whole = false;
    t->code = CURLE_PARTIAL_FILE;
  }
  answer->status = is_whole ? (int32_t)status : 0;
  if (!is_whole && was_sent(t)) answer->may_be_done = true;
  transfer_stop(t, w);
}

/* ---- a round of attempts ---- */

static void collect_ended(worker *w, size_t *n_running)
{
  int n_left;
  CURLMsg *message;
  while ((message = curl_multi_info_read(w->multi, &n_left)) != NULL) {
    transfer *t = NULL;
    if (message->msg != CURLMSG_DONE) continue;
    CURLcode code = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
    transfer_end(t, w, code);
    (*n_running)--;
  }
}

static size_t free_slot(const worker *w, transfer *const *in_slot)
{
  size_t slot = 0;
  while (slot < PARALLEL_MAX && in_slot[slot] != NULL && !in_slot[slot]->ended) slot++;
  (void)w;
  return slot;
}

/* Runs every transfer that wants to. All are stopped at the end, whatever happens. */
static frz_status run_round(frz_http_client *client, worker *w, transfer *transfers, size_t n,
                            frz_error *err)
{
  transfer *in_slot[PARALLEL_MAX] = {NULL};
  size_t next = 0, n_running = 0;
  frz_status st = FRZ_OK;
  while (st == FRZ_OK) {
    for (; next < n && n_running < (size_t)client->options.parallel_max; next++) {
      if (!transfers[next].again) continue;
      size_t slot = free_slot(w, in_slot);
      in_slot[slot] = &transfers[next];
      st = transfer_start(&transfers[next], w, slot, err);
      if (st != FRZ_OK) break;
      n_running++;
    }
    if (st != FRZ_OK || n_running == 0) break;
    int n_active;
    if (curl_multi_perform(w->multi, &n_active) != CURLM_OK ||
        ((size_t)n_active == n_running &&
         curl_multi_poll(w->multi, NULL, 0, POLL_MS, NULL) != CURLM_OK))
      st = frz_fail(err, FRZ_ERR_IO, "HTTP: waiting for an answer");
    collect_ended(w, &n_running);
    if (st == FRZ_OK) st = frz_context_check_waiting(client->context, err);
  }
  for (size_t i = 0; i < n && st != FRZ_OK; i++) {
    if (transfers[i].easy != NULL && was_sent(&transfers[i]))
      transfers[i].request->answer.may_be_done = true;
    transfer_stop(&transfers[i], w);
  }
  return st;
}

/* ---- retries ---- */

/* A request that surely was not acted on may be sent again whatever it does. */
static bool surely_not_done(const transfer *t)
{
  const frz_http_answer *answer = &t->request->answer;
  return answer->status == 429 || t->repeat == FRZ_HTTP_REPEAT_LATER ||
         (answer->status == 0 && !answer->may_be_done);
}

/* Failures that another attempt may turn: the network's. Not: names of wrong form, certificates. */
static bool is_transient(const transfer *t)
{
  int32_t status = t->request->answer.status;
  if (t->repeat == FRZ_HTTP_REPEAT_LATER) return true;
  if (status != 0) return frz_http_status_is_transient(status);
  if (t->failure != FRZ_OK) return false;
  switch (t->code) {
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY:
  case CURLE_COULDNT_CONNECT:
  case CURLE_OPERATION_TIMEDOUT:
  case CURLE_GOT_NOTHING:
  case CURLE_SEND_ERROR:
  case CURLE_RECV_ERROR:
  case CURLE_PARTIAL_FILE:
  case CURLE_HTTP2:
  case CURLE_HTTP2_STREAM:
  case CURLE_SSL_CONNECT_ERROR: return true;
  default: return false;
  }
}

static frz_http_repeat repeat_of(const transfer *t)
{
  frz_http_request *request = t->request;
  int32_t status = request->answer.status;
  if (status < 400 || frz_http_status_is_transient(status) || request->wants_repeat == NULL)
    return FRZ_HTTP_REPEAT_NOT;
  frz_http_repeat repeat = request->wants_repeat(request->ctx, request);
  bool is_often = request->answer.n_attempts >= REPEATS_NOW_MAX;
  return repeat == FRZ_HTTP_REPEAT_NOW && is_often ? FRZ_HTTP_REPEAT_NOT : repeat;
}

/* Marks what goes into the next round, and says how long to wait before it; false: nothing does. */
static bool plan_round(frz_http_client *client, transfer *transfers, size_t n, int64_t passed_ms,
                       int64_t *wait_ms_out)
{
  bool any = false;
  *wait_ms_out = 0;
  for (size_t i = 0; i < n; i++) {
    transfer *t = &transfers[i];
    const frz_http_answer *answer = &t->request->answer;
    if (!t->again) continue; /* was not in the last one */
    t->again = false;
    t->repeat = repeat_of(t);
    if (t->repeat == FRZ_HTTP_REPEAT_NOW) {
      t->again = any = true;
      continue;
    }
    if (!is_transient(t)) {
      if (answer->n_attempts == 1) frz_retry_budget_refill(&client->budget);
      continue;
    }
    if (!t->request->may_repeat && !surely_not_done(t)) continue;
    uint64_t random;
    if (frz_os_random(&random, sizeof random, NULL) != FRZ_OK) random = UINT64_MAX;
    int64_t wait_ms = frz_retry_wait_ms(&client->options.retry, answer->n_attempts, passed_ms,
                                        answer->retry_after_ms, random);
    if (wait_ms < 0 || !frz_retry_budget_take(&client->budget)) continue;
    t->again = any = true;
    if (answer->status != 0 && !surely_not_done(t)) t->request->answer.may_be_done = true;
    if (wait_ms > *wait_ms_out) *wait_ms_out = wait_ms;
  }
  return any;
}

/* What a transfer without an answer means. */
static frz_status fail_transfer(const transfer *t, frz_error *err)
{
  const frz_http_request *request = t->request;
  frz_status st = t->failure;
  if (st != FRZ_OK) {
    st = frz_fail(err, st, "%s", t->error.message);
  } else {
    st = t->code == CURLE_OPERATION_TIMEDOUT ? FRZ_ERR_TIMEOUT : FRZ_ERR_IO;
    if (t->code == CURLE_OUT_OF_MEMORY) st = FRZ_ERR_NOMEM;
    const char *why = t->curl_error[0] != '\0' ? t->curl_error : curl_easy_strerror(t->code);
    st = frz_fail(err, st, "%s", why);
  }
  frz_error_where(err, "%.*s %.*s%.*s (%d attempt%s): ", FRZ_STR_ARG(request->method),
                  FRZ_STR_ARG(request->origin), FRZ_STR_ARG(request->path),
                  (int)request->answer.n_attempts, request->answer.n_attempts == 1 ? "" : "s");
  return st;
}

static frz_status run_rounds(frz_http_client *client, worker *w, transfer *transfers, size_t n,
                             frz_error *err)
{
  int64_t started_us = frz_os_monotonic_us();
  for (;;) {
    int64_t wait_ms;
    FRZ_TRY(run_round(client, w, transfers, n, err));
    int64_t passed_ms = (frz_os_monotonic_us() - started_us) / 1000;
    if (!plan_round(client, transfers, n, passed_ms, &wait_ms)) return FRZ_OK;
    FRZ_TRY(frz_context_sleep(client->context, wait_ms, err));
  }
}

frz_status frz_http_send(frz_http_client *client, frz_http_request *requests, size_t n_requests,
                         frz_error *err)
{
  worker *w = NULL;
  if (n_requests == 0) return FRZ_OK;
  transfer *transfers = frz_alloc_array(client->alloc, n_requests, sizeof *transfers);
  if (transfers == NULL) return frz_fail_nomem(err, "HTTP requests");
  for (size_t i = 0; i < n_requests; i++) {
    transfers[i] = (transfer){.client = client, .request = &requests[i], .again = true};
    frz_arena_init(&transfers[i].arena, client->alloc, ATTEMPT_BYTES_MAX);
    requests[i].answer = (frz_http_answer){0};
  }
  frz_status st = worker_take(client, &w, err);
  if (st == FRZ_OK) {
    st = run_rounds(client, w, transfers, n_requests, err);
    worker_return(client, w);
  }
  for (size_t i = 0; i < n_requests && st == FRZ_OK; i++)
    if (requests[i].answer.status == 0) st = fail_transfer(&transfers[i], err);
  for (size_t i = 0; i < n_requests; i++) frz_arena_free(&transfers[i].arena);
  frz_alloc_free(client->alloc, transfers, n_requests * sizeof *transfers);
  return st;
}
