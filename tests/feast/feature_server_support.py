"""A `frazil serve` of a repo's project, and Feast's own server of the same store, for tests."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]


def command():
    built = Path(os.environ.get("FRAZIL_BUILD", ROOT / "build" / "asan")).resolve() / "cli" / "frazil"
    if not built.exists():
        pytest.skip(f"no command at {built}; make test builds it")
    return str(built)


class Server:
    """A running server. `lines` are what it said on standard error."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(60):
            process.kill()
            raise RuntimeError("the server did not start")
        if self.url is None:
            process.wait()
            raise RuntimeError("the server ended: " + "".join(self.lines))

    url = None

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.search(r"serving project .* at (https?://\S+)", line)
            if found:
                self.url = found[1]
                self._ready.set()
        self._ready.set()

    def wait_for(self, text, timeout=20):
        """Wait until a line has the text."""
        import time

        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if any(text in line for line in self.lines):
                return
            time.sleep(0.02)
        raise AssertionError(f"no {text!r} in {self.lines}")

    def reload(self):
        before = sum("reload" in line for line in self.lines)
        self.process.send_signal(signal.SIGHUP)
        import time

        end = time.monotonic() + 20
        while sum("reload" in line for line in self.lines) == before:
            assert time.monotonic() < end, "no reload"
            time.sleep(0.02)

    def stop(self):
        """SIGTERM, and what the process returns."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self._reader.join(10)
        return code


@contextlib.contextmanager
def serving(*options, env=None, stdout=subprocess.DEVNULL):
    process = subprocess.Popen(
        [command(), "serve", "--port", "0", *options],
        stderr=subprocess.PIPE,
        stdout=stdout,
        text=True,
        env={**os.environ, **(env or {})},
    )
    server = None
    try:
        server = Server(process)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if server is not None:
            assert process.returncode == 0, "".join(server.lines)


def repo_options(repo):
    """Options for the catalog of a test's repo."""
    data = repo.folder / "data"
    return [
        "--uri", f"sqlite:///{data}/frazil.db", "--warehouse", f"{data}/warehouse",
        "--project", repo.config.project, "--read-timeout-ms", "20000",
    ]  # fmt: skip


class FeastClient:
    def __init__(self, url):
        self.url = url
        self._session = requests.Session()

    def post(self, path, json):
        return self._session.post(self.url + path, json=json)


@contextlib.contextmanager
def feast_client(store):
    """Feast's own feature server, on a thread of this process."""
    import uvicorn
    from feast.feature_server import get_app

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(get_app(store), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield FeastClient(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
