/*
 * tcp_stream.c - see tcp_stream.h.
 *
 * Sockets do not block; waits are cut into slices, so that a cancelled call ends soon.
 */
#include "net/tcp_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/os.h"

enum { SLICE_MS = 50, RECEIVE_BYTES = 1 << 16 };

void frz_tcp_close(frz_tcp_stream *stream)
{
  if (stream->fd >= 0) close(stream->fd);
  stream->fd = -1;
}

/* Until the socket may be read or written; `what` for messages. */
static frz_status wait_for(const frz_tcp_stream *stream, short events, int64_t timeout_ms,
                           const char *what, frz_error *err)
{
  int64_t end_us = frz_os_monotonic_us() + timeout_ms * 1000;
  for (;;) {
    struct pollfd poll_fd = {.fd = stream->fd, .events = events};
    int n = poll(&poll_fd, 1, SLICE_MS);
    if (n > 0) return FRZ_OK;
    if (n < 0 && errno != EINTR) return frz_fail(err, FRZ_ERR_IO, "%s: %s", what, strerror(errno));
    FRZ_TRY(frz_context_check_waiting(stream->context, err));
    if (frz_os_monotonic_us() >= end_us)
      return frz_fail(err, FRZ_ERR_TIMEOUT, "%s: nothing moved for %lld ms", what,
                      (long long)timeout_ms);
  }
}

static frz_status connect_to(frz_tcp_stream *stream, const struct addrinfo *address,
                             int64_t timeout_ms, frz_error *err)
{
  int failure = 0;
  socklen_t size = sizeof failure;
  int one = 1;
  stream->fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                      address->ai_protocol);
  if (stream->fd < 0) return frz_fail(err, FRZ_ERR_IO, "socket: %s", strerror(errno));
  setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(stream->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  if (connect(stream->fd, address->ai_addr, address->ai_addrlen) == 0) return FRZ_OK;
  if (errno != EINPROGRESS) return frz_fail(err, FRZ_ERR_IO, "connect: %s", strerror(errno));
  FRZ_TRY(wait_for(stream, POLLOUT, timeout_ms, "connect", err));
  if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &failure, &size) != 0) failure = errno;
  if (failure == 0) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_IO, "connect: %s", strerror(failure));
}

frz_status frz_tcp_connect(frz_context *context, const char *host, const char *port,
                           int64_t connect_timeout_ms, int64_t stall_timeout_ms,
                           frz_tcp_stream *stream_out, frz_error *err)
{
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct addrinfo *addresses = NULL;
  frz_tcp_stream stream = {context, -1, stall_timeout_ms};
  int failure = getaddrinfo(host, port, &hints, &addresses);
  if (failure != 0)
    return frz_fail(err, failure == EAI_MEMORY ? FRZ_ERR_NOMEM : FRZ_ERR_IO, "server %s:%s: %s",
                    host, port, gai_strerror(failure));
  frz_status st = frz_fail(err, FRZ_ERR_IO, "no address");
  for (const struct addrinfo *at = addresses; at != NULL && st != FRZ_OK; at = at->ai_next) {
    frz_tcp_close(&stream);
    st = connect_to(&stream, at, connect_timeout_ms, err);
    if (st == FRZ_ERR_CANCELLED) break;
  }
  freeaddrinfo(addresses);
  if (st == FRZ_OK) {
    *stream_out = stream;
  } else {
    frz_tcp_close(&stream);
    frz_error_where(err, "server %s:%s: ", host, port);
  }
  return st;
}

bool frz_tcp_is_idle(const frz_tcp_stream *stream)
{
  struct pollfd poll_fd = {.fd = stream->fd, .events = POLLIN};
  return stream->fd >= 0 && poll(&poll_fd, 1, 0) == 0;
}

frz_status frz_tcp_send(frz_tcp_stream *stream, frz_str bytes, frz_error *err)
{
  while (bytes.size != 0) {
    ssize_t n = send(stream->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
    if (n > 0) {
      bytes = (frz_str){bytes.data + n, bytes.size - (size_t)n};
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      FRZ_TRY(wait_for(stream, POLLOUT, stream->stall_timeout_ms, "send", err));
    } else if (errno != EINTR) {
      return frz_fail(err, FRZ_ERR_IO, "send: %s", strerror(errno));
    }
  }
  return FRZ_OK;
}

frz_status frz_tcp_receive(frz_tcp_stream *stream, frz_buf *out, frz_error *err)
{
  size_t room = out->max_bytes - out->size;
  if (room > RECEIVE_BYTES) room = RECEIVE_BYTES;
  if (room == 0)
    return frz_fail(err, FRZ_ERR_LIMIT, "the answer passes the limit of %zu bytes", out->max_bytes);
  FRZ_TRY(frz_buf_reserve(out, room, err));
  for (;;) {
    ssize_t n = recv(stream->fd, out->data + out->size, room, 0);
    if (n > 0) {
      out->size += (size_t)n;
      return FRZ_OK;
    }
    if (n == 0) return frz_fail(err, FRZ_ERR_IO, "receive: the server ended the connection");
    if (errno == EAGAIN || errno == EWOULDBLOCK)
      FRZ_TRY(wait_for(stream, POLLIN, stream->stall_timeout_ms, "receive", err));
    else if (errno != EINTR)
      return frz_fail(err, FRZ_ERR_IO, "receive: %s", strerror(errno));
  }
}
