"""A proxy that puts a server further away: each request is held for a while before it goes on, answers pass as they come.

It counts requests and bytes answered, so that engines can be compared by what they ask for. HTTP is not taken apart: a client waits for
an answer before it sends its next request on a connection, so whatever it sends at once is one.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

METHODS = (b"GET ", b"HEAD ", b"PUT ", b"POST ", b"DELETE ")
PIPE_BYTES = 1 << 20


class LatencyProxy:
    def __init__(self, target: str, seconds: float) -> None:
        host, port = target.removeprefix("http://").split(":")
        self.target = (host, int(port))
        self.seconds = seconds
        self.requests = self.answered_bytes = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def take_counts(self) -> tuple[int, int]:
        """Requests and bytes answered since the last call."""
        with self.lock:
            counts = self.requests, self.answered_bytes
            self.requests = self.answered_bytes = 0
        return counts

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed: the end
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
                for end in client, server:
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass_requests, args=(client, server), daemon=True).start()
                threading.Thread(target=self._pass_answers, args=(server, client), daemon=True).start()

    def _pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 20):
                if data.startswith(METHODS):
                    with self.lock:
                        self.requests += 1
                    time.sleep(self.seconds)
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        """Through a pipe, which costs no copy: the bench measures engines, not this."""
        source, sink = os.pipe()
        with contextlib.suppress(OSError):
            while n := os.splice(server.fileno(), sink, PIPE_BYTES):
                with self.lock:
                    self.answered_bytes += n
                while n > 0:
                    n -= os.splice(source, client.fileno(), n)
        for fd in source, sink:
            os.close(fd)
        for end in client, server:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def latency_proxy(target: str, seconds: float) -> Iterator[LatencyProxy]:
    proxy = LatencyProxy(target, seconds)
    try:
        yield proxy
    finally:
        proxy.listener.close()
