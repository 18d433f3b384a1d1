"""A proxy that does to HTTP what networks do: delays, resets, cut bodies, errors, lost answers.

It stands between a client and a real server. A test says what happens to which requests; all others pass.
"""

import contextlib
import http.client
import http.server
import socket
import struct
import threading
import time


class Rule:
    """What befalls the next `times` requests that `matches(method, path)` picks."""

    def __init__(self, kind, times=1, matches=lambda method, path: True, **more):
        self.kind = kind
        self.left = times
        self.matches = matches
        self.more = more


class FaultProxy:
    def __init__(self, target):
        self.host, self.port = target.removeprefix("http://").split(":")
        self.rules = []
        self.log = []  # (method, path, what befell it)
        self.lock = threading.Lock()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def handle_any(self):
                proxy.handle(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def befall(self, kind, times=1, matches=lambda method, path: True, **more):
        """kind: status (more: status, headers, body), reset, delay (seconds), hold (until: an event), cut (keep), lose, lose_status
        (status, headers)."""
        with self.lock:
            self.rules.append(Rule(kind, times, matches, **more))

    def name_of(self, handler):
        """What rules know a request by."""
        return handler.path

    def _rule_for(self, method, path):
        with self.lock:
            for rule in self.rules:
                if rule.left > 0 and rule.matches(method, path):
                    rule.left -= 1
                    self.log.append((method, path, rule.kind))
                    return rule
            self.log.append((method, path, None))
        return None

    def count(self, kind):
        with self.lock:
            return sum(entry[2] == kind for entry in self.log)

    @staticmethod
    def _reset(handler):
        """The connection ends with RST, as when a machine dies."""
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        handler.connection.close()

    def _forward(self, handler, body):
        link = http.client.HTTPConnection(self.host, int(self.port), timeout=60)
        link.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
        for name, value in handler.headers.items():
            if name.lower() not in ("connection",):
                link.putheader(name, value)
        link.endheaders(body)
        answer = link.getresponse()
        content = answer.read()
        headers = [(n, v) for n, v in answer.getheaders() if n.lower() not in ("transfer-encoding", "connection")]
        link.close()
        return answer.status, headers, content

    def _answer(self, handler, status, headers, content, keep=None):
        handler.send_response_only(status)
        has_length = False
        for name, value in headers:
            has_length = has_length or name.lower() == "content-length"
            handler.send_header(name, value)
        if not has_length:
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content if keep is None else content[:keep])

    def handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        rule = self._rule_for(handler.command, self.name_of(handler))
        kind = rule.kind if rule else None
        try:
            if kind == "reset":
                return self._reset(handler)
            if kind == "status":
                content = rule.more.get("body", b"")
                return self._answer(handler, rule.more["status"], rule.more.get("headers", []), content)
            if kind == "tamper":
                body = body[:-1] + bytes([body[-1] ^ 1]) if body else body
            if kind == "delay":
                time.sleep(rule.more["seconds"])
            if kind == "hold":
                rule.more["until"].wait()
            status, headers, content = self._forward(handler, body)
            if kind == "lose":  # done, and nobody hears of it
                return self._reset(handler)
            if kind == "lose_status":
                return self._answer(handler, rule.more["status"], rule.more.get("headers", []), b"")
            if kind == "cut":
                self._answer(handler, status, headers, content, rule.more["keep"])
                return self._reset(handler)
            self._answer(handler, status, headers, content)
        except OSError:
            handler.close_connection = True


@contextlib.contextmanager
def fault_proxy(target):
    proxy = FaultProxy(target)
    thread = threading.Thread(target=proxy.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.server.shutdown()
        proxy.server.server_close()
        thread.join()
