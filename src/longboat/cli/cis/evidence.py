"""What the checks look at: files, processes with the options they run with, their sockets, and the API."""

from __future__ import annotations

import json
import os
import ssl
import stat
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from longboat.api.families import split
from longboat.cli import agent, kubeconfigs, server
from longboat.cli.api import Api
from longboat.cli.cis import processes
from longboat.cli.cis.finding import Finding, all_of, failed, not_applicable, passed
from longboat.cli.cluster import Cluster
from longboat.cli.errors import Failure
from longboat.cli.startup import ticks

NO_NODE = "no real node of this cluster runs on this machine"


@dataclass(frozen=True)
class Node:
    """A real node on this machine. `root`: its file system as the node itself sees it."""

    name: str
    pid: int
    place: Path
    options: agent.Options

    @property
    def root(self) -> Path:
        return Path(f"/proc/{self.pid}/root")

    @property
    def address(self) -> str:
        return split(self.options.node_ip)[0]


class Evidence:
    """Of one running cluster of this machine. Raises Failure where it does not run, or is not to be read."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.root = cluster.root
        self.control_plane = processes.control_plane(cluster)
        self.api = Api(cluster)
        self._lists: dict[str, list[dict[str, Any]]] = {}

    @cached_property
    def options(self) -> server.Options:
        """The control plane's, from its command line, its environment and its defaults."""
        return processes.options(self.control_plane, server.Options)

    @cached_property
    def nodes(self) -> list[Node]:
        return [
            Node(options.node_name or process.name, process.pid, Path(options.data_dir), options)
            for process, options in processes.agents(self.cluster)
        ]

    def of_nodes(self, check: Any) -> Finding:
        """The worst of what `check` finds on each real node."""
        if not self.nodes:
            return not_applicable(NO_NODE)
        return all_of(*map(check, self.nodes))

    # the API

    def items(self, path: str) -> list[dict[str, Any]]:
        """A list of the API; asked once."""
        if path not in self._lists:
            code, found = self.api.get(path)
            if code != 200:
                raise Failure(f"the API answers {path} with {code}")
            self._lists[path] = found.get("items") or []
        return self._lists[path]

    def dry_run(self, path: str, body: dict[str, Any], **headers: str) -> tuple[int, str]:
        """Status and message (or the object, as JSON) of a create that stores nothing."""
        code, found = self.api.ask("POST", f"{path}?dryRun=All", body, headers)
        return code, found.get("message", "") if code >= 300 and isinstance(found, dict) else json.dumps(found)

    def recorded(self, method: str, path: str, body: dict[str, Any] | None = None) -> bool:
        """Whether the audit log tells of a request that is made now."""
        audit_id = str(uuid.uuid4())
        self.api.ask(method, path, body, {"Audit-Id": audit_id})
        return any(audit_id.encode() in tail(self.audit_log) for _ in ticks(3.0))

    @property
    def audit_log(self) -> Path:
        return Path(self.options.audit_log_path or self.root / "logs" / "audit.log")

    def anonymous(self, path: str) -> int:
        """The status that somebody without any credential gets."""
        return self.api.anonymous(path)

    # files

    def private(self, paths: Iterable[Path], most: int = 0o600) -> Finding:
        """That nobody but the owner has more rights than `most` says."""
        looked = list(paths)
        loose = [f"{path} is {mode:04o}" for path in looked if (mode := mode_of(path)) & ~most]
        if loose:
            return failed("; ".join(loose[:5]))
        return passed(f"{_count(looked)} at most {most:03o}") if looked else not_applicable("there is no such file")

    def owned(self, paths: Iterable[Path]) -> Finding:
        """That they belong to whom the cluster runs as (root, where it has real nodes)."""
        owner = Path(f"/proc/{self.control_plane.pid}").stat().st_uid
        looked = list(paths)
        strange = [str(path) for path in looked if path.lstat().st_uid != owner]
        if strange:
            return failed(f"of somebody else than user {owner}: {', '.join(strange[:5])}")
        return passed(f"{_count(looked)} of user {owner}") if looked else not_applicable("there is no such file")

    def people_s_kubeconfig(self) -> dict[str, Any]:
        """The user whose context `longboat up` gave to people; that of the cluster itself where there is none."""
        path = Path(self.cluster.kubeconfig) if self.cluster.kubeconfig else self.cluster.admin_kubeconfig
        config = kubeconfigs.read(path)
        context = next((c["context"] for c in config["contexts"] if c["name"] == self.cluster.context), None)
        name = context["user"] if context else config["users"][0]["name"]
        user: dict[str, Any] = next(user["user"] for user in config["users"] if user["name"] == name)
        return user


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def files(*places: Path, pattern: str = "*") -> list[Path]:
    """Every file there and beneath."""
    found = []
    for place in places:
        found += [path for path in place.rglob(pattern) if path.is_file()] if place.is_dir() else []
        found += [place] if place.is_file() else []
    return sorted(found)


def listening(pid: int) -> set[tuple[str, int]]:
    """Address and port of the TCP sockets that a process listens on."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    return {place for inode, place in _listeners(pid) if inode in inodes}


def listening_in(pid: int) -> set[tuple[str, int]]:
    """The same of everybody in the process's network namespace."""
    return {place for _, place in _listeners(pid)}


def _listeners(pid: int) -> Iterator[tuple[str, tuple[str, int]]]:
    import socket

    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        try:
            rows = Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
        except FileNotFoundError:
            continue  # a kernel without IPv6
        for row in rows:
            fields = row.split()
            if fields[3] == "0A":  # TCP_LISTEN
                address, _, port = fields[1].partition(":")
                packed = b"".join(bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8))
                yield fields[9], (socket.inet_ntop(family, packed), int(port, 16))


WEAK = "ECDHE+AES:kRSA:!AESGCM:@SECLEVEL=0"  # without forward secrecy, or without authenticated encryption


def weak_tls(host: str, port: int) -> str:
    """What a server agrees to that it should not; "" for nothing. Raises OSError where nobody answers."""
    import socket

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(WEAK)
    with socket.create_connection((host, port), 5) as plain:
        try:
            with context.wrap_socket(plain) as secured:
                cipher = secured.cipher()
                return f"{cipher[1]} with {cipher[0]}" if cipher else "something"
        except (ssl.SSLError, ConnectionError):
            return ""


def tail(path: Path, most: int = 1 << 20) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - most))
            return file.read()
    except FileNotFoundError:
        return b""


def _count(paths: list[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{len(paths)} files"
