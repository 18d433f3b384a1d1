/*
 * object_server.c - see object_server.h.
 *
 * One connection at a time, one request a connection.
 */
#include "object_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES_MAX = 64 << 10, BODY_BYTES_MAX = 64 << 20 };

typedef struct request {
  char *text; /* all of it, with a NUL behind */
  size_t size;
  char method[8];
  char target[4096];
  const char *headers;
  const char *body;
  size_t n_body;
} request;

typedef struct answer {
  int status;
  char headers[1024];
  char text[4096];
  const char *body; /* NULL: text */
  size_t n_body;
  bool makes_object;
} answer;

static void require(bool is_so)
{
  if (!is_so) abort();
}

/* ---- requests ---- */

static const char *header_of(const request *r, const char *name, char value[256])
{
  size_t n = strlen(name);
  value[0] = '\0';
  for (const char *line = r->headers; line < r->body && *line != '\r';) {
    const char *end = strstr(line, "\r\n");
    if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
      const char *from = line + n + 1;
      while (*from == ' ') from++;
      size_t length = (size_t)(end - from) < 255 ? (size_t)(end - from) : 255;
      memcpy(value, from, length);
      value[length] = '\0';
    }
    line = end + 2;
  }
  return value;
}

/* Fills the room from what has come on; false: the link ended. */
static bool receive(int link, request *r, size_t room)
{
  ssize_t n = recv(link, r->text + r->size, room - 1 - r->size, 0);
  if (n <= 0) return false;
  r->size += (size_t)n;
  r->text[r->size] = '\0';
  return true;
}

static bool read_request(int link, request *r)
{
  char value[256], *end = NULL;
  *r = (request){.text = malloc(HEAD_BYTES_MAX)};
  require(r->text != NULL);
  while (end == NULL) {
    if (!receive(link, r, HEAD_BYTES_MAX)) return false;
    end = strstr(r->text, "\r\n\r\n");
  }
  r->headers = strstr(r->text, "\r\n") + 2;
  r->body = end + 4;
  r->n_body = strtoul(header_of(r, "content-length", value), NULL, 10);
  size_t headers_at = (size_t)(r->headers - r->text), body_at = (size_t)(r->body - r->text);
  size_t wanted = body_at + r->n_body;
  require(r->n_body <= BODY_BYTES_MAX && r->size <= wanted);
  r->text = realloc(r->text, wanted + 1);
  require(r->text != NULL);
  r->headers = r->text + headers_at;
  r->body = r->text + body_at;
  while (r->size < wanted)
    if (!receive(link, r, wanted + 1)) return false;
  return sscanf(r->text, "%7s %4095s", r->method, r->target) == 2;
}

static bool asks(const request *r, const char *part)
{
  return strstr(r->target, part) != NULL;
}

static bool is(const request *r, const char *method)
{
  return strcmp(r->method, method) == 0;
}

/* ---- the object ---- */

static void print(answer *a, int status, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  a->status = status;
  vsnprintf(a->text, sizeof a->text, format, args);
  va_end(args);
}

static void keep(char **bytes, size_t *size, const char *more, size_t n_more)
{
  *bytes = realloc(*bytes, *size + n_more + 1);
  require(*bytes != NULL);
  if (n_more != 0) memcpy(*bytes + *size, more, n_more);
  *size += n_more;
}

static void keep_part(frz_object_server *s, const request *r)
{
  keep(&s->parts, &s->n_parts, r->body, r->n_body);
}

static void note_writer(char writer[40], const request *r)
{
  static const char name[] = "\"frazil-write\":\"";
  char value[256];
  header_of(r, "x-amz-meta-frazil-write", value);
  if (value[0] == '\0') header_of(r, "x-ms-meta-frazilwrite", value);
  const char *json = r->n_body != 0 ? strstr(r->body, name) : NULL;
  if (json != NULL) snprintf(value, sizeof value, "%.36s", json + sizeof name - 1);
  if (value[0] != '\0') snprintf(writer, 40, "%.36s", value);
}

static bool may_make(frz_object_server *s, const request *r, bool is_azure, answer *a)
{
  char value[256];
  bool must_be_new =
      header_of(r, "if-none-match", value)[0] == '*' || asks(r, "ifGenerationMatch=0");
  if (!must_be_new || !s->has_object) return true;
  print(a, is_azure ? 409 : 412, "<Error><Code>%s</Code></Error>",
        is_azure ? "BlobAlreadyExists" : "PreconditionFailed");
  return false;
}

/* Makes the object of bytes. */
static void make(frz_object_server *s, const request *r, const char *bytes, size_t size, answer *a,
                 int status)
{
  note_writer(s->writer, r);
  s->size = 0;
  keep(&s->bytes, &s->size, bytes, size);
  s->has_object = a->makes_object = true;
  a->status = status;
}

/* Makes it of the parts that were sent. */
static void join(frz_object_server *s, const request *r, answer *a, int status)
{
  make(s, r, s->parts, s->n_parts, a, status);
  memcpy(s->writer, s->parts_writer, sizeof s->writer);
  note_writer(s->writer, r);
  s->n_parts = 0;
}

static void begin_parts(frz_object_server *s, const request *r)
{
  note_writer(s->parts_writer, r);
  s->n_parts = 0;
}

static void get(frz_object_server *s, const request *r, answer *a)
{
  char range[256];
  size_t first = 0, end = s->size;
  if (!s->has_object) {
    print(a, 404, "<Error><Message>not for a/secret-of-it</Message></Error>");
    return;
  }
  a->status = 200;
  if (strncmp(header_of(r, "range", range), "bytes=", 6) == 0) {
    if (s->size == 0) {
      print(a, 416, "%s", "");
      return;
    }
    if (range[6] == '-') {
      size_t n = strtoul(range + 7, NULL, 10);
      first = n < s->size ? s->size - n : 0;
    } else {
      char *dash;
      first = strtoul(range + 6, &dash, 10);
      size_t last = strtoul(dash + 1, NULL, 10);
      if (last + 1 < end) end = last + 1;
    }
    if (s->shifts_ranges) {
      size_t way = first != 0 ? (size_t)-1 : 1;
      first += way;
      end += way;
    }
    a->status = 206;
    snprintf(a->headers, sizeof a->headers, "Content-Range: bytes %zu-%zu/%zu\r\n", first, end - 1,
             s->size);
  }
  size_t n = strlen(a->headers);
  snprintf(a->headers + n, sizeof a->headers - n,
           "ETag: \"one\"\r\nx-amz-meta-frazil-write: %s\r\nx-ms-meta-frazilwrite: %s\r\n",
           s->writer, s->writer);
  a->body = s->bytes != NULL ? s->bytes + first : "";
  a->n_body = end - first;
}

/* ---- what each store says ---- */

static void answer_s3(frz_object_server *s, const request *r, answer *a)
{
  if (asks(r, "list-type=2")) {
    print(a, 200, "<L>%s<IsTruncated>false</IsTruncated></L>",
          s->has_object ? "<Contents><Key>t/k</Key><Size>1</Size>"
                          "<LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>"
                        : "");
  } else if (is(r, "POST") && asks(r, "?delete")) {
    s->has_object = false;
    print(a, 200, "<DeleteResult/>");
  } else if (is(r, "POST") && asks(r, "?uploads")) {
    begin_parts(s, r);
    print(a, 200, "<R><UploadId>up</UploadId></R>");
  } else if (is(r, "PUT") && asks(r, "partNumber=")) {
    keep_part(s, r);
    snprintf(a->headers, sizeof a->headers, "ETag: \"part\"\r\n");
    a->status = 200;
  } else if (is(r, "POST")) {
    if (may_make(s, r, false, a)) {
      join(s, r, a, 200);
      print(a, 200, "<R/>");
    }
  } else if (is(r, "PUT") && may_make(s, r, false, a)) {
    make(s, r, r->body, r->n_body, a, 200);
  } else if (is(r, "DELETE")) {
    if (!asks(r, "uploadId=")) s->has_object = false;
    a->status = 204;
  }
}

static void answer_azure(frz_object_server *s, const request *r, answer *a)
{
  if (asks(r, "comp=list&") || (is(r, "GET") && asks(r, "comp=list"))) {
    print(a, 200, "<E><Blobs>%s</Blobs><NextMarker/></E>",
          s->has_object ? "<Blob><Name>t/k</Name><Properties><Content-Length>1</Content-Length>"
                          "<Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT</Last-Modified>"
                          "</Properties></Blob>"
                        : "");
  } else if (is(r, "PUT") && asks(r, "comp=block&")) {
    keep_part(s, r);
    a->status = 201;
  } else if (is(r, "PUT") && may_make(s, r, true, a)) {
    if (asks(r, "comp=blocklist"))
      join(s, r, a, 201);
    else
      make(s, r, r->body, r->n_body, a, 201);
  } else if (is(r, "DELETE")) {
    a->status = s->has_object ? 202 : 404;
    s->has_object = false;
  }
}

/* A part of a session, or the question how much of it there is. */
static void answer_session(frz_object_server *s, const request *r, answer *a)
{
  char range[256];
  const char *slash = strchr(header_of(r, "content-range", range), '/');
  keep_part(s, r);
  if (slash != NULL && slash[1] != '*') {
    join(s, r, a, 200);
    s->is_joined = true;
  } else if (r->n_body == 0 && s->is_joined) {
    a->status = 200;
  } else {
    s->is_joined = false;
    a->status = 308;
    a->makes_object = r->n_body != 0; /* the answer to each part may be lost */
  }
  if (s->n_parts != 0)
    snprintf(a->headers, sizeof a->headers, "Range: bytes=0-%zu\r\n", s->n_parts - 1);
}

static void answer_gcs(frz_object_server *s, const request *r, answer *a)
{
  if (asks(r, "uploadType=multipart")) {
    if (!may_make(s, r, false, a)) return;
    const char *from = strstr(strstr(r->body, "\r\n\r\n") + 4, "\r\n\r\n") + 4;
    size_t size = (size_t)(r->body + r->n_body - from) - 44; /* "\r\n--" + 36 + "--\r\n" */
    make(s, r, from, size, a, 200);
  } else if (asks(r, "uploadType=resumable")) {
    if (!may_make(s, r, false, a)) return;
    begin_parts(s, r);
    snprintf(a->headers, sizeof a->headers, "Location: http://127.0.0.1:%d/session?id=1\r\n",
             s->port);
    a->status = 200;
  } else if (is(r, "PUT")) {
    answer_session(s, r, a);
  } else if (is(r, "GET") && asks(r, "fields=items")) {
    print(a, 200, "{%s}",
          s->has_object ? "\"items\":[{\"name\":\"t/k\",\"size\":\"1\","
                          "\"updated\":\"2026-01-02T03:04:05.000Z\"}]"
                        : "");
  } else if (is(r, "GET")) {
    print(a, s->has_object ? 200 : 404, "{\"size\":\"%zu\",\"metadata\":{\"frazil-write\":\"%s\"}}",
          s->size, s->writer);
  } else if (is(r, "DELETE")) {
    a->status = !asks(r, "/session") && s->has_object ? 204 : 404;
    if (!asks(r, "/session")) s->has_object = false;
  }
}

static void respond(frz_object_server *s, const request *r, answer *a)
{
  a->body = s->says != NULL ? s->says(s->says_arg, r->method, r->target, r->body) : NULL;
  a->status = a->body != NULL ? 200 : 400;
  a->n_body = a->body != NULL ? strlen(a->body) : 0;
  if (a->body != NULL) return;
  bool is_gcs = asks(r, "/storage/v1/") || asks(r, "/session");
  bool is_azure = strncmp(r->target, "/account/", 9) == 0;
  bool is_read = is(r, "HEAD") || (is(r, "GET") && (asks(r, "alt=media") || !asks(r, "?")));
  if (strcmp(r->target, "/credentials") == 0)
    print(a, 200, "{\"AccessKeyId\": \"key\", \"SecretAccessKey\": \"a\\/secret-of-it\"}");
  else if (s->refuses_reads && (is_read || asks(r, "fields=size")))
    a->status = 403;
  else if (is_read)
    get(s, r, a);
  else if (is_gcs)
    answer_gcs(s, r, a);
  else if (is_azure)
    answer_azure(s, r, a);
  else
    answer_s3(s, r, a);
}

static void send_all(int link, const char *bytes, size_t size)
{
  while (size != 0) {
    ssize_t n = send(link, bytes, size, MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes += n;
    size -= (size_t)n;
  }
}

static void serve(frz_object_server *s, int link)
{
  request r;
  answer a = {0};
  if (read_request(link, &r)) {
    pthread_mutex_lock(&s->lock);
    s->n_log += (size_t)snprintf(s->log + s->n_log, sizeof s->log - s->n_log, "%s %s\n", r.method,
                                 r.target);
    require(s->n_log < sizeof s->log);
    respond(s, &r, &a);
    bool is_lost = a.makes_object && s->lose_answers > 0;
    if (is_lost) s->lose_answers--;
    if (!is_lost) {
      char head[2048];
      const char *body = a.body != NULL ? a.body : a.text;
      size_t n_body = a.body != NULL ? a.n_body : strlen(a.text);
      int n = snprintf(head, sizeof head,
                       "HTTP/1.1 %d x\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n",
                       a.status, n_body, a.headers);
      send_all(link, head, (size_t)n);
      if (!is(&r, "HEAD")) send_all(link, body, n_body);
    }
    pthread_mutex_unlock(&s->lock);
  }
  free(r.text);
}

static void *run(void *arg)
{
  frz_object_server *s = arg;
  for (;;) {
    int link = accept(s->socket, NULL, NULL);
    if (link < 0) return NULL;
    serve(s, link);
    shutdown(link, SHUT_RDWR);
    close(link);
  }
}

void frz_object_server_start(frz_object_server *server)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof address;
  memset(server, 0, sizeof *server);
  pthread_mutex_init(&server->lock, NULL);
  server->socket = socket(AF_INET, SOCK_STREAM, 0);
  require(server->socket >= 0 &&
          bind(server->socket, (struct sockaddr *)&address, sizeof address) == 0 &&
          listen(server->socket, 64) == 0 &&
          getsockname(server->socket, (struct sockaddr *)&address, &n) == 0);
  server->port = ntohs(address.sin_port);
  require(pthread_create(&server->thread, NULL, run, server) == 0);
}

void frz_object_server_stop(frz_object_server *server)
{
  shutdown(server->socket, SHUT_RDWR);
  close(server->socket);
  pthread_join(server->thread, NULL);
  pthread_mutex_destroy(&server->lock);
  free(server->bytes);
  free(server->parts);
}

void frz_object_server_clear(frz_object_server *server)
{
  pthread_mutex_lock(&server->lock);
  server->has_object = false;
  server->size = server->n_parts = server->n_log = 0;
  server->is_joined = false;
  server->lose_answers = 0;
  server->writer[0] = server->parts_writer[0] = server->log[0] = '\0';
  pthread_mutex_unlock(&server->lock);
}
