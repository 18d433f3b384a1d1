/*
 * fault_net.c - refused allocations in requests, retries, signatures and tokens: no leak, and an
 * error that says so.
 *
 * A server in a thread answers every connection. Its first answer to a request is a 503, so that a
 * repeat is part of the work; the token request gets a token.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"
#include "net/aws_auth.h"
#include "net/oauth.h"

/* ---- the server ---- */

typedef struct server {
  int listener;
  char origin[64];
  pthread_t thread;
  int n_requests;
} server;

static const char *answer_to(server *s, const char *request)
{
  if (strncmp(request, "POST /token", 11) == 0)
    return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 62\r\n\r\n"
           "{\"access_token\":\"shining\\/token\",\"token_type\":\"b\",\"e\":1234567}";
  if (++s->n_requests % 2 == 1)
    return "HTTP/1.1 503 Busy\r\nConnection: close\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";
  return "HTTP/1.1 200 OK\r\nConnection: close\r\nETag: \"e\"\r\nContent-Length: 5\r\n\r\nhello";
}

/* A request a connection, which the client sends in one piece. */
static void *serve(void *arg)
{
  server *s = arg;
  for (int fd; (fd = accept(s->listener, NULL, NULL)) >= 0; close(fd)) {
    char request[8192];
    ssize_t n = read(fd, request, sizeof request - 1);
    if (n <= 0) continue;
    request[n] = '\0';
    const char *answer = answer_to(s, request);
    if (write(fd, answer, strlen(answer)) < 0) continue;
  }
  return NULL;
}

static void start(server *s)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  s->listener = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(s->listener, (struct sockaddr *)&address, size), 0);
  assert_int_equal(listen(s->listener, 16), 0);
  assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
  snprintf(s->origin, sizeof s->origin, "http://127.0.0.1:%d", ntohs(address.sin_port));
  assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(server *s)
{
  shutdown(s->listener, SHUT_RDWR);
  close(s->listener);
  pthread_join(s->thread, NULL);
}

/* ---- the work ---- */

typedef struct proofs {
  frz_oauth *oauth; /* NULL: the request is signed for AWS */
} proofs;

static frz_status authorize(void *ctx, const frz_http_request *request, frz_http_headers *headers,
                            frz_error *err)
{
  const proofs *by = ctx;
  if (by->oauth == NULL) {
    const frz_aws_service service = {.name = FRZ_STR("s3"), .region = FRZ_STR("us-east-1")};
    const frz_aws_credentials keys = {FRZ_STR("key"), FRZ_STR("secret"), FRZ_STR("session")};
    return frz_aws_sign(&service, &keys, request, headers, err);
  }
  frz_str value;
  FRZ_TRY(frz_oauth_authorization(by->oauth, headers->arena, &value, err));
  return frz_http_headers_add(headers, FRZ_STR("authorization"), value, err);
}

static frz_status send_one(frz_http_client *http, const server *s, proofs *by,
                           const frz_alloc *alloc, frz_error *err)
{
  const frz_http_pair query[] = {{FRZ_STR("a b"), FRZ_STR("c=d")}};
  frz_buf text;
  uint8_t bytes[5];
  const frz_http_piece piece = {bytes, sizeof bytes};
  frz_buf_init(&text, alloc, 1 << 16);
  frz_http_request request = frz_http_get(frz_str_from(s->origin), FRZ_STR("/object"));
  request.query = query;
  request.n_query = 1;
  request.authorize = authorize;
  request.ctx = by;
  request.text = &text;
  request.pieces = &piece;
  request.n_pieces = 1;
  frz_status st = frz_http_send(http, &request, 1, err);
  if (st == FRZ_OK) {
    assert_int_equal(request.answer.status, 200);
    assert_memory_equal(bytes, "hello", 5);
  }
  frz_buf_dispose(&text);
  return st;
}

static frz_status use_client(frz_http_client *http, const server *s, const frz_alloc *alloc,
                             frz_error *err)
{
  char url[96];
  snprintf(url, sizeof url, "%s/token", s->origin);
  const frz_oauth_options options = {.credential = FRZ_STR("id:a-secret"),
                                     .token_url = frz_str_from(url),
                                     .scope = FRZ_STR("catalog")};
  proofs by = {NULL};
  FRZ_TRY(send_one(http, s, &by, alloc, err));
  FRZ_TRY(frz_oauth_create(alloc, http, &options, &by.oauth, err));
  frz_status st = send_one(http, s, &by, alloc, err);
  frz_oauth_free(by.oauth);
  return st;
}

static frz_status work(const frz_alloc *alloc, const server *s, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_context *context = NULL;
  frz_http_client *http = NULL;
  frz_context_options context_options;
  frz_http_options options;
  frz_context_options_init(&context_options);
  context_options.alloc = alloc;
  context_options.n_threads = 1;
  frz_http_options_init(&options);
  options.parallel_max = 1;
  options.retry.base_ms = 1;
  FRZ_TRY_OUT(frz_context_create(&context_options, &context, err));
  FRZ_TRY_OUT(frz_http_client_create(context, &options, &http, err));
  FRZ_TRY_OUT(use_client(http, s, alloc, err));
out:
  frz_http_client_free(http);
  frz_context_free(context);
  return st;
}

static void test_requests(void **state)
{
  (void)state;
  server s = {0};
  start(&s);
  frz_fault fault = {0};
  long n = 0;
  do {
    frz_error err = {0};
    s.n_requests = 0;
    frz_fault_arm(&fault, ++n);
    frz_status st = work(&fault.alloc, &s, &err);
    if (st != (fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM))
      fail_msg("allocation %ld of %ld: %d %s", n, (long)fault.requests, (int)st, err.message);
    assert_null(strstr(err.message, "secret"));
    assert_null(strstr(err.message, "shining"));
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
  assert_true(n > 20);
  stop(&s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_requests)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
