/*
 * tcp_stream.h - bytes to and from a server over TCP, with a bound on how long nothing moves.
 */
#ifndef FRZ_NET_TCP_STREAM_H
#define FRZ_NET_TCP_STREAM_H

#include "base/buf.h"
#include "base/runtime.h"

/** One connection. Not shared by threads. */
typedef struct frz_tcp_stream {
  frz_context *context;
  int fd;                   /* -1: none */
  int64_t stall_timeout_ms; /* a send or receive that moves nothing for so long fails */
} frz_tcp_stream;

/** Connect to the first of the host's addresses that answers. FRZ_ERR_IO, FRZ_ERR_TIMEOUT,
 * FRZ_ERR_CANCELLED; the message names host and port. */
frz_status frz_tcp_connect(frz_context *context, const char *host, const char *port,
                           int64_t connect_timeout_ms, int64_t stall_timeout_ms,
                           frz_tcp_stream *stream_out, frz_error *err) FRZ_MUST_CHECK;
/** One that is not connected is accepted. */
void frz_tcp_close(frz_tcp_stream *stream);

/** Is it still open, with nothing to read? Others have been closed by the server meanwhile. */
bool frz_tcp_is_idle(const frz_tcp_stream *stream);

frz_status frz_tcp_send(frz_tcp_stream *stream, frz_str bytes, frz_error *err) FRZ_MUST_CHECK;

/** Append what is there to `out`: at least one byte. FRZ_ERR_IO: also the server's end. */
frz_status frz_tcp_receive(frz_tcp_stream *stream, frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

#endif
