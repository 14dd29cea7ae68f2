"""What somebody else on the machine can read: files, sockets, arguments, logs (security lessons 16 and 18)."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.apiserver.process import ControlPlane, control_plane

NAMESPACE = "/api/v1/namespaces/default"
CANARY = "canary-9f8e7d6c5b4a"
"""Stands for a password. Nothing but an answer to who may read the Secret may hold it, in whatever coding."""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane")) as found:
        yield found


def codings(text: str) -> set[bytes]:
    """It may be cut anywhere by what is around it, so base64 is looked for in each of its three phases."""
    phases = {base64.b64encode(b"\0" * lead + text.encode())[4 if lead else 0 : -4] for lead in (0, 1, 2)}
    return {text.encode(), text.encode().hex().encode(), *phases}


def test_codings_find_it_wherever_it_stands() -> None:
    for lead in range(6):
        assert any(coding in base64.b64encode(b"x" * lead + CANARY.encode() + b"yyy") for coding in codings(CANARY))


def test_a_secret_is_in_no_log(plane: ControlPlane) -> None:
    packed = base64.b64encode(CANARY.encode()).decode()
    secrets, hidden = f"{NAMESPACE}/secrets", {"stringData": {"k": CANARY}}
    yaml, merge = "application/yaml", "application/merge-patch+json"

    def named(name: str, **more: object) -> dict[str, object]:
        return {"metadata": {"name": name}, **hidden, **more}

    asked = [
        plane.ask("POST", secrets, {"metadata": {"name": "s"}, "data": {"k": packed}}),
        plane.ask("POST", secrets, {"metadata": {"name": "s"}, "data": {"k": packed}}),  # exists
        plane.ask("POST", secrets, named("t")),
        plane.ask("POST", secrets, named("BAD")),
        plane.ask("POST", secrets, {"metadata": {"name": "u"}, "data": {"k": CANARY + "!"}}),  # no base64
        plane.ask("POST", secrets, named("u", type="kubernetes.io/tls")),
        plane.ask("POST", secrets, named("u", stringData={"k/": CANARY})),
        plane.ask("POST", secrets, json.dumps(named("u")).encode()[:-2]),  # breaks off
        plane.ask("POST", secrets, f"metadata: {{name: u}}\nstringData: {{k: {CANARY}".encode(), Content_Type=yaml),
        plane.ask("PATCH", f"{secrets}/s", hidden, Content_Type=merge),
        plane.ask("PUT", f"{secrets}/s", {"metadata": {"name": "s", "resourceVersion": "1"}, **hidden}),
        plane.ask("GET", secrets, Authorization=f"Bearer {CANARY}", context=plane.context(client=False)),
        plane.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": CANARY}}),
        plane.ask("POST", f"{NAMESPACE}/configmaps", named("s", kind="Secret")),
    ]
    assert [code for code, _, _ in asked] == [201, 409, 201, 422, 400, 422, 422, 400, 400, 200, 409, 401, 201, 400]
    assert plane.stop() == 0  # what is recorded is flushed
    plane.start()
    events = json.dumps(plane.ask("GET", "/api/v1/events")[1]).encode()
    logs = [file for file in (plane.log, *(plane.data / "logs").iterdir())]
    assert any(b'"secrets"' in file.read_bytes() for file in logs), "the audit log knows of none"
    for coding in codings(CANARY):
        assert coding not in events
        assert [file for file in logs if coding in file.read_bytes()] == []


def test_no_key_is_an_argument(plane: ControlPlane) -> None:
    """Arguments are everybody's to read in /proc: files hold keys and tokens, and they name the files."""
    files = [file for file in plane.data.rglob("*") if file.suffix in (".key", ".pem", ".token")]
    keys = [file.read_text() for file in files]
    assert keys
    arguments = Path(f"/proc/{plane.pid}/cmdline").read_bytes().decode()
    assert not any(line in arguments for key in keys for line in key.splitlines() if len(line) > 16)


def test_what_is_kept_is_its_owner_s_alone(plane: ControlPlane) -> None:
    places = [plane.data, *plane.data.rglob("*")]
    assert len(places) > 10
    for place in places:
        mode = place.lstat().st_mode
        if stat.S_ISDIR(mode):
            assert stat.S_IMODE(mode) == 0o700, place
        elif not stat.S_ISSOCK(mode):  # whose directory keeps others out
            assert mode & 0o077 == 0, place
