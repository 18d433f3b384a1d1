"""A proxy that does to a stream of bytes what networks do, for servers that do not speak HTTP.

It stands between a client and a real server, and knows requests by bytes that they hold.
"""

import contextlib
import socket
import struct
import threading
import time


class StreamProxy:
    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.rules = []  # [needle, kind, how often it is left, seconds]
        self.n_befallen = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def befall(self, kind, needle, times=1, seconds=0.0):
        """To requests that hold `needle`: "drop", the connection ends before the server sees it; "lose", when the
        server has answered; "late", at once, and the server sees the request some seconds after."""
        with self.lock:
            self.rules.append([needle, kind, times, seconds])

    def _rule_for(self, chunk):
        with self.lock:
            for rule in self.rules:
                if rule[2] > 0 and rule[0] in chunk:
                    rule[2] -= 1
                    self.n_befallen += 1
                    return rule
        return None

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    @staticmethod
    def _reset(client):
        """The connection ends with RST, as when a machine dies."""
        with contextlib.suppress(OSError):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.shutdown(socket.SHUT_RDWR)
        client.close()

    @staticmethod
    def _answers(server, client, is_cut):
        with contextlib.suppress(OSError):
            while chunk := server.recv(1 << 16):
                if not is_cut.is_set():
                    client.sendall(chunk)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _serve(self, client):
        server = socket.create_connection(self.target)
        is_cut = threading.Event()
        threading.Thread(target=self._answers, args=(server, client, is_cut), daemon=True).start()
        with contextlib.suppress(OSError):
            while chunk := client.recv(1 << 16):
                rule = self._rule_for(chunk)
                if rule is None:
                    server.sendall(chunk)
                    continue
                self._do(rule, chunk, client, server, is_cut)
                break
        with contextlib.suppress(OSError):  # which wakes the other thread, too
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        client.close()

    def _do(self, rule, chunk, client, server, is_cut):
        _, kind, _, seconds = rule
        is_cut.set()
        if kind == "late":
            self._reset(client)
            time.sleep(seconds)
        if kind != "drop":
            server.sendall(chunk)
            time.sleep(0.5)  # for the server to act on it
        self._reset(client)

    def close(self):
        self.listener.close()


@contextlib.contextmanager
def stream_proxy(port):
    proxy = StreamProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
