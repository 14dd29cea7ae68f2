"""Real etcd processes for tests: one that tests share, or clusters of their own to kill, stop and part."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from time import monotonic, sleep

NEWER = Path(__file__).parents[2] / "build" / "etcd" / "usr" / "bin" / "etcd"  # tools/etcd.sh puts it there
BINARIES = {"etcd": Path(shutil.which("etcd") or "/usr/bin/etcd"), "etcd-3.5": NEWER}
SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
FAST = ("--heartbeat-interval", "20", "--election-timeout", "200")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Member:
    """One process. Its data outlast it, so that it can be started again."""

    def __init__(self, name: str, root: Path, client: int, peer: int, all_peers: str, flags: tuple[str, ...]) -> None:
        self.endpoint = f"127.0.0.1:{client}"
        scheme = "https" if "--cert-file" in flags else "http"
        self._url = f"{scheme}://{self.endpoint}"
        self._argv = (
            *("--name", name, "--data-dir", str(root / name), "--initial-cluster", all_peers),
            *("--listen-client-urls", self._url, "--advertise-client-urls", self._url),
            *("--listen-peer-urls", f"http://127.0.0.1:{peer}"),
            *("--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}", *FAST, *flags),
        )
        self._log = root / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, binary: Path) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen([binary, *self._argv], stdout=log, stderr=log)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()

    def wait(self) -> None:
        """Until it listens and, unless it speaks TLS, serves."""
        host, port = self.endpoint.split(":")
        until = monotonic() + 20
        while True:
            try:
                if self._url.startswith("https"):
                    socket.create_connection((host, int(port)), 1).close()
                else:
                    urllib.request.urlopen(f"{self._url}/health", timeout=1).read()
                return
            except OSError:
                assert self.process is not None
                assert self.process.poll() is None, self._log.read_text()[-2000:]
                assert monotonic() < until, self._log.read_text()[-2000:]
                sleep(0.02)


class Etcd:
    """`size` members on this machine's loopback; `flags` go to each."""

    def __init__(self, binary: Path, size: int = 1, *flags: str) -> None:
        self.binary = binary
        self.root = Path(tempfile.mkdtemp(prefix="longboat-etcd-", dir=SHM))
        ports = free_ports(2 * size)
        peers = ",".join(f"m{i}=http://127.0.0.1:{ports[size + i]}" for i in range(size))
        self.members = [
            Member(f"m{i}", self.root, ports[i], ports[size + i], peers, flags) for i in range(size)
        ]  # fmt: skip

    def start(self) -> Etcd:
        for member in self.members:
            member.start(self.binary)
        for member in self.members:
            member.wait()
        return self

    @property
    def url(self) -> str:
        return f"etcd://{','.join(member.endpoint for member in self.members)}"

    def stop(self) -> None:
        for member in self.members:
            if member.process is not None and member.process.poll() is None:
                member.process.send_signal(signal.SIGCONT)
                member.send(signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self) -> Etcd:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


@functools.cache
def shared(name: str) -> Etcd:
    """One etcd for all tests of this process. Each takes a prefix of its own."""
    etcd = Etcd(BINARIES[name]).start()
    atexit.register(etcd.stop)
    return etcd


def issue(place: Path) -> Path:
    """`ca`, what it vouches for (`server`, `client`), and an `other` authority: `.crt` and `.key` of each."""
    for name in ("ca", "other"):
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", f"/CN={name}", "-keyout", place / f"{name}.key", "-out", place / f"{name}.crt")  # fmt: skip
    for name in ("server", "client"):
        request, names = place / f"{name}.csr", place / f"{name}.ext"
        names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                 "-keyout", place / f"{name}.key", "-out", request)  # fmt: skip
        _openssl("x509", "-req", "-in", request, "-CA", place / "ca.crt", "-CAkey", place / "ca.key",
                 "-CAcreateserial", "-days", "2", "-extfile", names, "-out", place / f"{name}.crt")  # fmt: skip
    return place


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
