"""Servers to play on: `longboat server --only api`, as the recorded one was: alone, with a user `admin` by a token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from integration.apiserver.process import SOURCE, ControlPlane
from oracle.audit import AuditLog
from oracle.client import Client
from oracle.player import Server
from oracle.webhook import Webhooks

ROOT = Path(__file__).parents[2]
TOKEN = "oracle"
OFTEN = 0.1  # seconds between two writes of the neighbour

# DenyServiceExternalIPs was off; and what is not in force yet must not warn, as upstream does not.
FLAGS = ("--only", "api", "--disable-admission-plugins=DenyServiceExternalIPs", "--no-warn-unenforced")


class Alone(ControlPlane):
    """An API server of this checkout, or of another one. No `store` is SQLite in its data directory."""

    def __init__(self, folder: Path, store: str = "memory://", checkout: Path = ROOT) -> None:
        tokens = folder / "tokens.csv"
        tokens.write_text(f"{TOKEN},admin,1,system:masters\n")
        super().__init__(folder, *FLAGS, "--token-file", str(tokens), *(["--store", store] if store else []))
        self.environment = {"PYTHONPATH": str(checkout / "src")} if checkout != ROOT else {"PYTHONPATH": SOURCE}

    def kubeconfig_of_admin(self) -> Path:
        """The administrator's, but for the token that says who asks."""
        config = json.loads(self.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": TOKEN}
        file = self.data / "player.kubeconfig"
        file.write_text(json.dumps(config))
        return file


@contextmanager
def neighbour(kubeconfig: Path) -> Iterator[None]:
    """Somebody else who writes meanwhile, as there was when the answers were recorded: versions go on between two steps
    of a scenario, and a bookmark bears one that no object of it has."""
    client, stop, place = Client(kubeconfig), threading.Event(), "/api/v1/namespaces/default/configmaps"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "neighbour-of-scenarios"}}
    client.send("POST", place, body)

    def write() -> None:
        count = 0
        while not stop.wait(OFTEN):
            count += 1
            client.send("PUT", f"{place}/{body['metadata']['name']}", body | {"data": {"count": str(count)}})

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        client.send("DELETE", f"{place}/{body['metadata']['name']}")
        client.close()


@contextmanager
def running(store: str = "memory://", checkout: Path = ROOT) -> Iterator[Server]:
    with TemporaryDirectory(prefix="oracle-") as folder:
        plane = Alone(Path(folder), store, checkout)
        plane.start()
        try:
            audit = AuditLog(plane.data / "logs" / "audit.log")
            with reached(plane.kubeconfig_of_admin(), audit) as server:
                yield server
        finally:
            plane.stop()


@contextmanager
def reached(kubeconfig: Path, audit: AuditLog | None = None) -> Iterator[Server]:
    """A server that somebody else runs; it must reach the player's webhooks on loopback."""
    webhooks = Webhooks()
    try:
        with neighbour(kubeconfig):
            yield Server(kubeconfig, webhooks, audit)
    finally:
        webhooks.close()


@contextmanager
def opened(what: str) -> Iterator[Server]:
    """By what names a server on a command line: a kubeconfig (a file), a checkout (a folder), or a store.

    A store is what `--store` takes (`memory://`, `sqlite:///FILE`, …), or `sqlite` for a new file of its own.
    Raises FileNotFoundError for what is none of these.
    """
    path = Path(what)
    if what == "sqlite" or "://" in what:
        context = running("" if what == "sqlite" else what)
    elif path.is_dir():
        context = running(checkout=path.resolve())
    elif path.is_file():
        context = reached(path)
    else:
        raise FileNotFoundError(f"{what} is no store, no checkout and no kubeconfig")
    with context as server:
        yield server
