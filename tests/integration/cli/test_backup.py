"""`longboat backup`, and what raw files tell of Secrets: nothing, and after a rotation not even to the old key."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from integration.cli.machine import Machine, failed, machine

__all__ = ["machine"]
pytestmark = [pytest.mark.root, pytest.mark.slow]
PIECE = 16  # bytes of a sealed value that make it recognisable


def backup(machine: Machine, action: str, path: Path, *flags: str) -> str:
    return machine.longboat("backup", action, str(path), "--data-dir", str(machine.data), *flags).ok().out


def seal(machine: Machine, name: str) -> str:
    """A Secret with a value of its own, which is returned."""
    value = secrets.token_hex(12)
    machine.kubectl("create", "secret", "generic", name, f"--from-literal=key={value}").quiet()
    return value


def raw(folder: Path, *more: Path) -> dict[Path, bytes]:
    """Everything the cluster keeps in files, but for its keys, and these files."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "encryption.json"]
    return {path: path.read_bytes() for path in (*files, *more)}


def sealed_values(data: Path, folder: Path) -> list[bytes]:
    """The values of Secrets, history included, as they are stored. A copy is read: the store locks its own."""
    folder.mkdir()
    for name in ("state.db", "state.db-wal"):
        shutil.copyfile(data / name, folder / name)
    with closing(sqlite3.connect(folder / "state.db")) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        cells = [cell for table in tables for row in connection.execute(f"SELECT * FROM {table}") for cell in row]
    return [bytes(cell) for cell in cells if isinstance(cell, bytes) and cell.startswith(b"k8s:enc:")]


def test_there_and_back(machine: Machine, tmp_path: Path) -> None:
    machine.up().ok()
    value = seal(machine, "kept")
    saved = tmp_path / "saved"
    assert "saved to" in backup(machine, "save", saved)
    machine.create("later")
    failed(machine.longboat("backup", "save", str(saved), "--data-dir", str(machine.data)), "exists")
    failed(machine.longboat("backup", "restore", str(saved), "--data-dir", str(machine.data)), "is running")
    before = int(machine.kubectl("get", "configmap", "later", "-o", "jsonpath={.metadata.resourceVersion}").quiet())
    machine.longboat("down").ok()
    assert "restored" in backup(machine, "restore", saved)
    machine.up().ok()
    assert machine.kubectl("get", "configmap", "later").code == 1, "it was made after the backup"
    key = machine.kubectl("get", "secret", "kept", "-o", "jsonpath={.data.key}").quiet()
    assert base64.b64decode(key).decode() == value
    now = int(machine.kubectl("get", "configmaps", "-A", "--chunk-size=0", "-o", "jsonpath={.metadata.resourceVersion}")
              .quiet() or 0)  # fmt: skip
    machine.create("anew")
    anew = int(machine.kubectl("get", "configmap", "anew", "-o", "jsonpath={.metadata.resourceVersion}").quiet())
    assert anew > max(before, now), "no revision is ever used twice"
    watch = f"/api/v1/configmaps?watch=true&timeoutSeconds=2&resourceVersion={before}"
    assert '"code":410' in machine.kubectl("get", "--raw", watch).out.replace(" ", "")


def test_what_is_no_backup_is_refused_and_nothing_is_touched(machine: Machine, tmp_path: Path) -> None:
    machine.up().ok()
    machine.create("kept")
    saved, damaged, foreign = tmp_path / "saved", tmp_path / "damaged", tmp_path / "foreign"
    backup(machine, "save", saved)
    content = bytearray(saved.read_bytes())
    content[4096:12288] = bytes(8192)
    damaged.write_bytes(content)
    sqlite3.connect(foreign).execute("CREATE TABLE a (b)").connection.commit()
    machine.longboat("down").ok()
    none = tmp_path / "none"
    refusals = {damaged: "damaged", foreign: "no backup of Longboat's", none: "No such file", tmp_path: "irectory"}
    for path, why in refusals.items():
        failed(machine.longboat("backup", "restore", str(path), "--data-dir", str(machine.data)), why)
    failed(machine.longboat("backup", "save", "/nowhere/at/all", "--data-dir", str(machine.data)), "/nowhere/at/all")
    keys = machine.data / "encryption.json"
    own = keys.read_text()
    machine.up().ok()
    seal(machine, "sealed")
    machine.longboat("down").ok()
    other = tmp_path / "other"
    backup(machine, "save", other)
    strange = json.loads(own)
    for resource in strange["resources"]:
        for provider in resource["providers"]:
            for key in provider.get("aesgcm", {}).get("keys", ()):
                key["secret"] = base64.b64encode(secrets.token_bytes(32)).decode()
    keys.write_text(json.dumps(strange))
    failed(machine.longboat("backup", "restore", str(other), "--data-dir", str(machine.data)), "cannot be opened")
    keys.write_text(own)
    machine.up().ok()
    machine.kubectl("get", "configmap", "kept").quiet()
    machine.kubectl("get", "secret", "sealed").quiet()


def test_raw_files_show_no_secret_and_after_a_rotation_the_old_key_has_nothing_to_open(
    machine: Machine, tmp_path: Path
) -> None:
    machine.up().ok()
    values = [seal(machine, f"s{number}") for number in range(5)]
    machine.kubectl("delete", "secret", "s4").quiet()
    patch = json.dumps({"stringData": {"key": (changed := secrets.token_hex(12))}})
    machine.kubectl("patch", "secret", "s3", "-p", patch).quiet()
    saved = tmp_path / "saved"
    backup(machine, "save", saved)
    files = raw(machine.data, saved)
    assert {"state.db", "state.db-wal", "saved"} <= {path.name for path in files}
    for value in [*values, changed]:
        shown = (value.encode(), base64.b64encode(value.encode()), value.encode().hex().encode())
        assert [path for path, content in files.items() if any(form in content for form in shown)] == []

    old = sealed_values(machine.data, tmp_path / "copy")
    assert len(old) >= 6
    status = machine.longboat("secrets-encrypt", "status", "--data-dir", str(machine.data)).ok().out
    machine.longboat("secrets-encrypt", "rotate", "--data-dir", str(machine.data)).ok()
    assert machine.longboat("secrets-encrypt", "status", "--data-dir", str(machine.data)).ok().out != status
    files = raw(machine.data)
    body = [value[value.index(b":v1:") + 24 :] for value in old]
    pieces = {value[at : at + PIECE] for value in body for at in range(0, len(value) - PIECE, PIECE)}
    assert [path for path, content in files.items() if any(piece in content for piece in pieces)] == []
    key = machine.kubectl("get", "secret", "s3", "-o", "jsonpath={.data.key}").quiet()
    assert base64.b64decode(key).decode() == changed
