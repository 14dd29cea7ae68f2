"""What the API server can do on this machine: time to ready, memory, GET, LIST and durable CREATE over TLS under wrk.

python bench/apiserver.py [DIRECTORY] [SECONDS]   (a directory on the disk to be measured; the current one by default)

Prints figures, asserts nothing. wrk and the server share the processors, as clients and server do on one machine.
CREATE is run several times: of ConfigMaps by an administrator, and of Secrets by somebody whom RBAC lets, each audited
and sealed. Beside each run stands what else was to blame: how long the disk took, asked by somebody else at the same
time, and how long server and store were ready to run while the processors were others'.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

CONNECTIONS, LISTED, CREATIONS = 16, 500, 5
PROBE_EVERY = 0.02  # seconds between two looks at the disk
SOURCE = str(Path(__file__).resolve().parents[1] / "src")
TOKEN, WRITER = "bench-0123456789abcdef", "writer-0123456789abcdef"  # an administrator's, and somebody's known to RBAC
CREATE = """
local prefix = tostring(os.time()) .. "-" .. tostring(math.random(1000000))
local counter, value = 0, string.rep("x", 800)
local threads = 0
function setup(thread) threads = threads + 1; thread:set("number", threads) end
function request()
  counter = counter + 1
  local body = string.format('{"metadata":{"name":"c-%s-%d-%d"},"data":{"v":"%s"}}', prefix, number, counter, value)
  return wrk.format("POST", nil, nil, body)
end
"""


APPLY = """
local counter, threads = 0, 0
function setup(thread) threads = threads + 1; thread:set("number", threads) end
function request()
  counter = counter + 1
  local path = string.format("%s/c%d?fieldManager=bench&force=true", wrk.path, (counter * 2 + number) % 500)
  local body = string.format('{"kind":"ConfigMap","apiVersion":"v1","data":{"v":"%s","n":"%d-%d"}}',
                             string.rep("x", 800), number, counter)
  return wrk.format("PATCH", path, {["Content-Type"] = "application/apply-patch+yaml",
                                    ["Authorization"] = wrk.headers["Authorization"]}, body)
end
"""

PROTOBUF = 'wrk.headers["Accept"] = "application/vnd.kubernetes.protobuf,application/json"'
SECRET = CREATE.replace('"data":{"v":"%s"}', '"stringData":{"v":"%s"}')
RBAC = "/apis/rbac.authorization.k8s.io/v1"


def say(what: str, figure: str) -> None:
    print(f"{what:<58} {figure:>16}", flush=True)


def fsync_time(directory: str, size: int = 4096) -> float:
    """Median seconds to append `size` bytes to a file and have them on the disk."""
    times = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(200):
            file.write(bytes(size))
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return sorted(times)[100]


class Disk(threading.Thread):
    """How long a write of 4 KB takes, in place, until it is on the disk, while this is entered."""

    def __init__(self, directory: str) -> None:
        super().__init__(daemon=True)
        self._directory = directory
        self._over = threading.Event()
        self._took: list[float] = []

    def run(self) -> None:
        with tempfile.TemporaryFile(dir=self._directory, buffering=0) as file:
            while not self._over.wait(PROBE_EVERY):
                os.pwrite(file.fileno(), os.urandom(4096), 0)
                start = time.perf_counter()
                os.fdatasync(file.fileno())
                self._took.append(time.perf_counter() - start)

    def __enter__(self) -> Disk:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def __str__(self) -> str:
        took = [f"{seconds * 1000:.1f}" for seconds in sorted(self._took)]
        return f"disk p50 {took[len(took) // 2]} p99 {took[len(took) * 99 // 100]} max {took[-1]} ms"


class Api:
    """One keep-alive connection, as the administrator unless another's token is given."""

    def __init__(self, kubeconfig: Path, port: int, token: str = TOKEN) -> None:
        self._token = token
        config = json.loads(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=authority)
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        self._connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = self._connection.getresponse()
        return response.status, response.read()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def server(root: Path, users: str = "") -> Iterator[tuple[Api, int, int, float]]:
    """A control plane of its own: the API, its port, its pid, and how long it took to be ready. `users`: more lines for
    its file of tokens."""
    root.mkdir(exist_ok=True)
    tokens = root / "tokens.csv"
    tokens.write_text(f'{TOKEN},bench,0,"system:masters"\n{WRITER},writer,1,""\n{users}')
    port = free_port()
    command = [sys.executable, "-m", "longboat.cli.main", "server", "--data-dir", str(root / "data")]
    command += ["--listen", f"127.0.0.1:{port}", "--token-file", str(tokens)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPATH": SOURCE}
    with (root / "server.log").open("ab") as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        api, took = wait_until_ready(root, port, process, started)
        yield api, port, process.pid, took
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def wait_until_ready(root: Path, port: int, process: subprocess.Popen[bytes], started: float) -> tuple[Api, float]:
    kubeconfig, log = root / "data" / "admin.kubeconfig", root / "server.log"
    while process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            with socket.create_connection(("127.0.0.1", port), 0.2):
                pass
            api = Api(kubeconfig, port)
            if api.ask("GET", "/readyz")[0] == 200:
                return api, time.perf_counter() - started
        time.sleep(0.005)
    raise SystemExit(f"the server ended with {process.returncode}:\n{log.read_text()[-2000:]}")


def memory(pid: int) -> dict[int, float]:
    """Proportional set size in MB of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {p: _pss(p) for p in (pid, *map(int, children))}


def waited(pids: Iterable[int]) -> float:
    """Seconds for which threads of these processes were ready to run, and did not (scheduler statistics)."""
    return sum(int(file.read_text().split()[1]) for pid in pids for file in _threads(pid)) / 1e9


def _threads(pid: int) -> Iterator[Path]:
    return Path(f"/proc/{pid}/task").glob("*/schedstat")


def _pss(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:"))


def wrk(url: str, seconds: int, script: str = "", token: str = TOKEN) -> tuple[str, str]:
    """Requests per second, and what did not succeed."""
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}", "-H", f"Authorization: Bearer {token}"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        if script:
            file.write(script)
            file.flush()
            command += ["-s", file.name, "-H", "Content-Type: application/json"]
        said = subprocess.run([*command, "--latency", url], capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    slow = re.search(r"^ +99% +(\S+)", said, re.MULTILINE)  # not of the column +/- Stdev, which may end in 99% too
    bad = re.search(r"(Non-2xx.*|Socket errors.*)", said)
    assert rate and slow, said
    return f"{float(rate[1]):,.0f}/s", f"p99 {slow[1]}" + (f"; {bad[1]}" if bad else "")


def main() -> None:
    place = sys.argv[1] if len(sys.argv) > 1 else "."
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        root = Path(scratch)
        say("fdatasync of 4 KB on this disk", f"{fsync_time(scratch) * 1000:.2f} ms")
        with server(root) as (_, _, _, took):
            say("process start to ready, first start", f"{took:.2f} s")
        with server(root) as (api, port, pid, took):
            say("process start to ready, again", f"{took:.2f} s")
            report_memory("at rest", pid)
            configmaps = f"https://127.0.0.1:{port}/api/v1/namespaces/bench/configmaps"
            secrets = configmaps.replace("/bench/configmaps", "/writes/secrets")
            prepare(api)
            for what, url, script in (
                ("GET of a 1 KB ConfigMap", f"{configmaps}/c0", ""),
                (f"LIST of {LISTED} ConfigMaps", configmaps, ""),
                (f"LIST of {LISTED} ConfigMaps in protobuf", configmaps, PROTOBUF),
                *[("CREATE of a 1 KB ConfigMap, durable", configmaps.replace("/bench/", "/writes/"), CREATE)]
                * CREATIONS,
                *[("apply of a 1 KB ConfigMap that is there, durable", configmaps, APPLY)] * CREATIONS,
                *[("CREATE of a 1 KB Secret, with RBAC, audit and encryption", secrets, SECRET)] * CREATIONS,
                ("GET after that", f"{configmaps}/c0", ""),
            ):
                processes = memory(pid)
                before = waited(processes)
                with Disk(scratch) as disk:
                    rate, rest = wrk(url, seconds, script, WRITER if url == secrets else TOKEN)
                behind = f"waited {waited(processes) - before:.1f} s for processors"
                say(f"{what}, {CONNECTIONS} connections", f"{rate:>12}  {rest:<12}  {disk if script else ''}  {behind}")
            report_memory("after that", pid)


def prepare(api: Api) -> None:
    for namespace in ("bench", "writes"):
        api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    for i in range(LISTED):
        body = {"metadata": {"name": f"c{i}"}, "data": {"v": "x" * 800}}
        code, said = api.ask("POST", "/api/v1/namespaces/bench/configmaps", body)
        assert code == 201, said
    let_write(api)


def let_write(api: Api) -> None:
    """What the writer may do: what any user would be given for it."""
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}
    api.ask("POST", f"{RBAC}/namespaces/writes/roles", {"metadata": {"name": "writer"}, "rules": [rule]})
    group = "rbac.authorization.k8s.io"
    subject = {"kind": "User", "name": "writer", "apiGroup": group}
    ref = {"kind": "Role", "name": "writer", "apiGroup": group}
    body = {"metadata": {"name": "writer"}, "subjects": [subject], "roleRef": ref}
    code, said = api.ask("POST", f"{RBAC}/namespaces/writes/rolebindings", body)
    assert code == 201, said


def report_memory(when: str, pid: int) -> None:
    found = memory(pid)
    say(
        f"proportional set size {when}: {' + '.join(f'{v:.1f}' for v in found.values())}",
        f"{sum(found.values()):.1f} MB",
    )


if __name__ == "__main__":
    main()
