"""Objects of custom kinds beneath the API: sealed in files, carried off and brought back, recorded and counted."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.apiserver.process import SOURCE, ControlPlane
from integration.custom.fleet import BOAT, FLEET, GROUP, definition
from longboat.machinery.kinds import Kind

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Harbour:
    """A control plane with two kinds, of which one is sealed as Secrets are."""

    def __init__(self, root: Path) -> None:
        self.plane = ControlPlane(root)
        self.keys = self.plane.data / "encryption.json"
        secret = base64.b64encode(secrets.token_bytes(32)).decode()
        providers = [{"aesgcm": {"keys": [{"name": "first", "secret": secret}]}}, {"identity": {}}]
        rule = {"resources": ["secrets", f"boats.{GROUP}"], "providers": providers}
        head = {"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1"}
        self.plane.data.mkdir(mode=0o700)
        self.keys.write_text(json.dumps(head | {"resources": [rule]}))
        self.keys.chmod(0o600)

    def define(self, *wanted: Kind) -> None:
        for kind in wanted:
            assert self.plane.ask("POST", CRDS, definition(kind))[0] == 201
        deadline = time.monotonic() + 10
        while any(self.plane.ask("GET", self.path(kind))[0] != 200 for kind in wanted):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def path(self, kind: Kind, name: str = "") -> str:
        return f"{kind.path}{'/namespaces/default' if kind.namespaced else ''}/{kind.plural}" + (
            f"/{name}" if name else ""
        )

    def make(self, kind: Kind, name: str) -> str:
        """What is written in it, and nowhere else."""
        home = secrets.token_hex(12)
        body = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name}, "spec": {"home": home}}
        assert self.plane.ask("POST", self.path(kind), body)[0] == 201
        return home

    def home(self, kind: Kind, name: str) -> Any:
        code, found, _ = self.plane.ask("GET", self.path(kind, name))
        return found["spec"]["home"] if code == 200 else code

    def files(self) -> bytes:
        """What the database's files hold."""
        return b"".join(path.read_bytes() for path in sorted(self.plane.data.glob("state.db*")))

    def longboat(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "longboat.cli.main", *arguments, "--data-dir", str(self.plane.data)],
            env={"PYTHONPATH": SOURCE, "HOME": str(self.plane.data)}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def figures(self, name: str, **labels: str) -> list[float]:
        """The samples of a metric that have these labels."""
        text = self.plane.ask("GET", "/metrics")[1].decode()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = (line for line in text.splitlines() if line.startswith(f"{name}{{"))
        return [float(line.rpartition(" ")[2]) for line in lines if all(each in line for each in wanted)]


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    found = Harbour(tmp_path_factory.mktemp("plane"))
    plane = found.plane
    plane.start()
    try:
        found.define(BOAT, FLEET)
        yield found
    finally:
        if plane._process is not None and plane._process.poll() is None:
            plane.stop()


def test_what_is_named_is_sealed(harbour: Harbour) -> None:
    sealed, clear = harbour.make(BOAT, "anna"), harbour.make(FLEET, "north")
    held = harbour.files()
    assert clear.encode() in held, "else this would prove nothing"
    assert sealed.encode() not in held
    assert b"k8s:enc:aesgcm:v1:first:" in held
    assert (harbour.home(BOAT, "anna"), harbour.home(FLEET, "north")) == (sealed, clear)


def test_it_is_counted(harbour: Harbour) -> None:
    harbour.make(BOAT, "berta")
    there = len(harbour.plane.ask("GET", harbour.path(BOAT))[1]["items"])
    assert harbour.figures("apiserver_resource_objects", group=GROUP, resource="boats") == [there]
    assert harbour.figures("apiserver_storage_objects", resource=f"boats.{GROUP}") == [there]
    about = {"group": GROUP, "version": "v1", "resource": "boats", "verb": "POST", "code": "201", "scope": "resource"}
    assert harbour.figures("apiserver_request_total", **about) == [there]
    about = {"group": GROUP, "version": "v1", "resource": "boats", "verb": "POST"}
    assert sum(harbour.figures("apiserver_request_duration_seconds_count", **about)) == there


def test_it_is_recorded(harbour: Harbour) -> None:
    harbour.make(BOAT, "clara")
    assert harbour.plane.ask("DELETE", harbour.path(BOAT, "clara"))[0] == 200
    of = {"resource": "boats", "namespace": "default", "name": "clara", "apiGroup": GROUP, "apiVersion": "v1"}
    wanted, found = {"create", "delete"}, set[str]()
    deadline = time.monotonic() + 10
    while found != wanted and time.monotonic() < deadline:
        lines = (harbour.plane.data / "logs" / "audit.log").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        about = [event for event in events if of.items() <= event.get("objectRef", {}).items()]
        found = {event["verb"] for event in about if event["stage"] == "ResponseComplete"}
        time.sleep(0.05)
    assert found == wanted


def test_it_comes_back_from_a_backup(harbour: Harbour, tmp_path: Path) -> None:
    sealed, clear = harbour.make(BOAT, "emma"), harbour.make(FLEET, "south")
    saved = tmp_path / "saved"
    harbour.longboat("backup", "save", str(saved))
    assert sealed.encode() not in saved.read_bytes()
    assert harbour.plane.ask("DELETE", f"{CRDS}/fleets.{GROUP}")[0] == 200
    harbour.make(BOAT, "later")
    harbour.plane.stop()
    harbour.longboat("backup", "restore", str(saved))
    harbour.plane.start()
    assert (harbour.home(BOAT, "emma"), harbour.home(FLEET, "south")) == (sealed, clear)
    assert harbour.home(BOAT, "later") == 404


def test_a_kind_that_goes_is_counted_no_more(harbour: Harbour) -> None:
    assert harbour.plane.ask("DELETE", f"{CRDS}/boats.{GROUP}")[0] == 200
    deadline = time.monotonic() + 10
    while harbour.figures("apiserver_resource_objects", group=GROUP, resource="boats"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert harbour.figures("apiserver_storage_objects", resource=f"boats.{GROUP}") == []
