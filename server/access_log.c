/*
 * access_log.c - a JSON object a line for each request, written at once so that lines of several
 * threads and processes do not mix.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "http_state.h"

static void put_address(text_out *out, struct MHD_Connection *handle)
{
  char text[INET6_ADDRSTRLEN] = "";
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (info != NULL && info->client_addr != NULL) {
    const struct sockaddr *address = info->client_addr;
    if (address->sa_family == AF_INET)
      inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text,
                sizeof text);
    else if (address->sa_family == AF_INET6)
      inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text,
                sizeof text);
  }
  text_put_format(out, "\"%s\"", text);
}

void access_log_put(const http_request *request)
{
  if (request->instance->log_file < 0) return;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  text_out line;
  text_out_init(&line, 4096);
  text_put_z(&line, "{\"time\":");
  text_put_time(&line, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
  text_put_z(&line, ",\"remote\":");
  put_address(&line, request->handle);
  text_put_format(&line,
                  ",\"method\":\"%s\",\"path\":\"%s\",\"status\":%u,\"duration_us\":%lld,"
                  "\"request_bytes\":%zu,\"response_bytes\":%zu",
                  request->method, server_route_path(request->route), request->status,
                  (long long)(http_now_us() - request->started_us), request->body_size,
                  request->response_bytes);
  if (request->route == ROUTE_FEATURES)
    text_put_format(&line, ",\"keys\":%llu,\"features\":%llu", (unsigned long long)request->n_keys,
                    (unsigned long long)request->n_features);
  if (request->route == ROUTE_PUSH || request->route == ROUTE_WRITE)
    text_put_format(&line, ",\"rows\":%llu", (unsigned long long)request->n_rows);
  text_put_z(&line, "}\n");
  if (!line.failed) {
    ssize_t n = write(request->instance->log_file, line.data, line.size);
    (void)n; /* a full disk must not stop answers */
  }
  text_out_dispose(&line);
}
