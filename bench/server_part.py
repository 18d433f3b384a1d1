"""The server part: `frazil serve` beside Feast's Python server over its SQLite store, loaded by wrk.

Both serve the same rows to the same requests on loopback, one after the other: 8 connections that each send a request when
they have the answer of the last one. Where wrk itself takes a processor, what frazil answers is bounded by what is left, so
the processor time of an answer is printed as well. Half load is half of the requests a second that were reached.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import harness
from harness import Targets

CONNECTIONS = 8
PACED_CONNECTIONS = 64  # with pauses between requests, to make half the load
HELD_CONNECTIONS = 10_000
FEATURES = 10
N_EACH = [1, 100]
WANTED_RATIO = 100


@dataclass
class Scale:
    keys: int
    seconds: int


WHOLE, QUICK = Scale(200_000, 10), Scale(5_000, 2)


def process_tree(pid: int) -> list[int]:
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in process_tree(int(child)))]


def cpu_seconds(pid: int) -> float:
    """Of a process and those that it started."""
    ticks = 0
    for each in process_tree(pid):
        fields = pathlib.Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    return 1024 * int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


@dataclass
class Server:
    process: subprocess.Popen
    url: str

    def ask(self, keys: list[int]) -> dict:
        body = {"features": [f"stats:f{i}" for i in range(FEATURES)], "entities": {"driver_id": keys}}
        request = urllib.request.Request(f"{self.url}/get-online-features", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = json.load(answer)
        return {name: column["values"] for name, column in zip(told["metadata"]["feature_names"], told["results"])}


@contextlib.contextmanager
def started(command: list[str], url: str | None, folder: pathlib.Path) -> Iterator[Server]:
    """A server that answers; `url` None: its first line on standard error names it."""
    with open(folder / "server.log", "w+") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)
        try:
            end = time.monotonic() + 120
            while True:
                found = url or next(iter(re.findall(r"at (http://\S+)", (folder / "server.log").read_text())), None)
                with contextlib.suppress(OSError):
                    if found and urllib.request.urlopen(f"{found}/health", timeout=5).status == 200:
                        break
                if process.poll() is not None or time.monotonic() > end:
                    sys.exit(f"{command[0]} does not serve:\n{(folder / 'server.log').read_text()[-3000:]}")
                time.sleep(0.05)
            yield Server(process, found)
        finally:
            process.terminate()
            process.wait(60)


@contextlib.contextmanager
def frazil_server(folder: pathlib.Path) -> Iterator[Server]:
    command = [str(harness.BUILD / "cli" / "frazil"), "serve", "--uri", f"sqlite:///{folder}/catalog.db", "--warehouse", f"{folder}/warehouse",
               "--project", "bench", "--port", "0", "--read-timeout-ms", "0"]
    with started(command, None, folder) as server:
        end = time.monotonic() + 120
        while True:  # until the index is there
            server.ask([0])
            with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as answer:
                keys = re.search(r"^frazil_view_keys\{[^}]*\} (\d+)", answer.read().decode(), re.M)
            if keys and int(keys[1]) > 0:
                break
            if time.monotonic() > end:
                sys.exit("frazil serve builds no index")
            time.sleep(0.05)
        yield server


@contextlib.contextmanager
def feast_server(folder: pathlib.Path) -> Iterator[Server]:
    (folder / "feature_store.yaml").write_text(
        f"project: bench\nprovider: local\nregistry: {folder}/registry.db\nentity_key_serialization_version: 3\n"
        f"online_store: {{type: sqlite, path: {folder}/online.db}}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    feast = pathlib.Path(sys.executable).with_name("feast")
    # Without an end to a worker's life: starting the next one would count against it.
    command = [str(feast), "-c", str(folder), "serve", "--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--max-requests", "0"]
    with started(command, f"http://127.0.0.1:{port}", folder) as server:
        yield server


SERVERS = {"frazil": frazil_server, "sqlite": feast_server}


class ServerPart:
    def __init__(self, folder: pathlib.Path, scale: Scale, targets: Targets) -> None:
        self.folder, self.scale, self.targets = folder, scale, targets

    def run(self) -> None:
        if shutil.which("wrk") is None:
            sys.exit("the server part wants wrk: apt-get install wrk")
        print(f"\nserver, {self.scale.keys:,} keys of {FEATURES} features, {CONNECTIONS} connections: loading", flush=True)
        for store in SERVERS:
            self.load(store)
        print(f"  {'server':16} {'keys':>5} {'requests/s':>11} {'p50 ms':>8} {'p99 ms':>8} {'cpu us':>8}")
        rates: dict[tuple[str, int], float] = {}
        answers = []
        for store, serve in SERVERS.items():
            with serve(self.folder / store) as server:
                answers.append(server.ask([0, 17, self.scale.keys - 1, self.scale.keys]))
                for n_each in N_EACH:
                    rates[store, n_each] = self.measure(store, server, n_each, CONNECTIONS, 0)["rate"]
                if store == "frazil":
                    self.half_load(server, rates)
                    self.hold(server)
        if answers[0] != answers[1]:
            sys.exit(f"the servers answer differently: {answers}")
        for n_each in N_EACH:
            self.targets.at_least(f"server, {n_each} keys: requests/s, frazil / Feast over SQLite", rates["frazil", n_each] / rates["sqlite", n_each], WANTED_RATIO)

    def load(self, store: str) -> None:
        folder = self.folder / store
        done = folder / f"loaded-{self.scale.keys}"
        if done.exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        harness.run_task(harness.script("online_engines.py", store, "load", self.scale.keys, FEATURES, folder), f"server: load {store}")
        done.touch()

    def measure(self, title: str, server: Server, n_each: int, connections: int, pace_ms: float) -> dict:
        command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{self.scale.seconds}s", "-s", str(harness.HERE / "server_load.lua"),
                   f"{server.url}/get-online-features", "--", str(n_each), str(self.scale.keys), str(FEATURES), str(pace_ms)]
        before = cpu_seconds(server.process.pid)
        answer = harness.run_task(command, f"server: {title}")
        cpu = cpu_seconds(server.process.pid) - before
        if answer["failed"] or not answer["requests"]:
            sys.exit(f"{title}: {answer['failed']} of {answer['requests']} requests failed")
        answer["rate"] = answer["requests"] / answer["seconds"]
        print(f"  {title:16} {n_each:5} {answer['rate']:11.0f} {answer['p50_us'] / 1e3:8.3f} {answer['p99_us'] / 1e3:8.3f} "
              f"{cpu / answer['requests'] * 1e6:8.1f}", flush=True)
        return answer

    def half_load(self, server: Server, rates: dict[tuple[str, int], float]) -> None:
        for n_each in N_EACH:
            pace_ms = PACED_CONNECTIONS / (rates["frazil", n_each] / 2) * 1e3
            answer = self.measure("frazil, half", server, n_each, PACED_CONNECTIONS, pace_ms)
            self.targets.at_most(f"server, {n_each} keys: p99 ms at half load", answer["p99_us"] / 1e3, 2)

    def hold(self, server: Server) -> None:
        """Connections that stay open after an answer each."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        n = min(HELD_CONNECTIONS, most - 200)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        host, port = server.url.rsplit("/", 1)[1].split(":")
        body = json.dumps({"features": ["stats:f0"], "entities": {"driver_id": [1]}})
        request = f"POST /get-online-features HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        with contextlib.ExitStack() as held:
            connections = [held.enter_context(socket.create_connection((host, int(port)), 60)) for _ in range(n)]
            for connection in connections:
                connection.sendall(request)
            for connection in connections:
                if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                    sys.exit("a connection of many got no answer")
            megabytes = resident_bytes(server.process.pid) / 1e6
        print(f"  {n:,} connections held: {megabytes:.0f} MB resident", flush=True)
        self.targets.at_most(f"server, {n:,} connections held: MB", megabytes, 150)
