"""A control plane whose state is in etcd: over TLS, what is stored where, and stores that are not this cluster's."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from integration.apiserver.process import control_plane
from longboat.aio.clock import SystemClock
from longboat.assembly import store_record
from longboat.assembly.control_plane.settings import Settings
from longboat.assembly.control_plane.storage import opened
from longboat.assembly.errors import Failure
from longboat.storage.etcd.address import Address, parse
from longboat.storage.interface import StorageError
from suites.etcds import BINARIES, Etcd, issue

CONFIGMAPS, SECRETS = "/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/secrets"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issue(tmp_path_factory.mktemp("etcd-pki"))


@pytest.fixture(scope="module")
def etcd(certificates: Path) -> Iterator[Etcd]:
    named = ("ca", "server", "server")
    given = [str(certificates / f"{name}.{end}") for name, end in zip(named, ("crt", "crt", "key"), strict=True)]
    flags = ("--trusted-ca-file", given[0], "--cert-file", given[1], "--key-file", given[2], "--client-cert-auth")
    with Etcd(BINARIES["etcd"], 1, *flags) as found:
        yield found


def files(certificates: Path, **other: str) -> dict[str, Path]:
    given = {"ca": "ca.crt", "certificate": "client.crt", "key": "client.key"} | other
    return {name: certificates / file for name, file in given.items() if file}


def refusal(data: Path, etcd: Address | None) -> str:
    """Why a control plane on this data directory does not start with that store."""

    async def main() -> None:
        async with AsyncExitStack() as held:
            await opened(Settings(data_dir=data, listen=(("127.0.0.1", 0),), etcd=etcd), SystemClock(), held)

    with pytest.raises((StorageError, Failure)) as error:
        asyncio.run(main())
    return str(error.value)


def stored(etcd: Etcd, certificates: Path, key: str) -> bytes:
    """As etcdctl has it."""
    shown = ("--cacert", certificates / "ca.crt", "--cert", certificates / "client.crt")
    command = ("etcdctl", "--endpoints", f"https://{etcd.members[0].endpoint}", *shown, "--key")
    asked = (*command, certificates / "client.key", "get", "--print-value-only", key)
    found = subprocess.run(asked, capture_output=True, check=True, env={"ETCDCTL_API": "3"})
    return found.stdout.removesuffix(b"\n")


def test_a_cluster_in_etcd(etcd: Etcd, certificates: Path, tmp_path: Path) -> None:
    names = {"ca": "ca", "cert": "certificate", "key": "key"}
    given = [(f"--store-{flag}", str(files(certificates)[name])) for flag, name in names.items()]
    flags = ("--store", etcd.url, *(word for pair in given for word in pair), "--only", "api")
    with control_plane(tmp_path, *flags) as plane:
        made: dict[str, Any] = {"metadata": {"name": "x"}, "data": {"b": "2", "a": "1"}}
        code, answer, _ = plane.ask("POST", CONFIGMAPS, made)
        assert code == 201
        assert plane.ask("POST", SECRETS, {"metadata": {"name": "s"}, "stringData": {"a": "topsecret"}})[0] == 201

        # as upstream has it: its key, and the object without its revision
        value = json.loads(stored(etcd, certificates, "/registry/configmaps/default/x"))
        assert list(value["data"]) == ["a", "b"]
        del answer["metadata"]["resourceVersion"]
        assert value == answer
        sealed = stored(etcd, certificates, "/registry/secrets/default/s")
        assert sealed.startswith(b"k8s:enc:aesgcm:v1:")
        assert b"topsecret" not in sealed

        # another cluster on the same prefix
        said = json.loads(stored(etcd, certificates, "/registry/.longboat/cluster"))
        address = parse(etcd.url, **files(certificates))
        assert store_record.read(plane.data) == (said["id"], address)
        assert f"holds another cluster ({said['id']})" in refusal(tmp_path / "other", address)
        assert store_record.read(tmp_path / "other") is None
    # a start without the flag would begin an empty cluster
    assert f"is in {address}" in refusal(plane.data, None)
    assert not (plane.data / "state.db").exists()


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"ca": "other.crt"}, "its certificate is not one that --store-ca vouches for"),
        ({"certificate": "", "key": ""}, "it wants a client's certificate"),
        ({"ca": "", "certificate": "", "key": ""}, "if it speaks TLS, give --store-ca"),
        ({"ca": "none.crt"}, "none.crt cannot be read"),
    ],
)
def test_an_etcd_that_does_not_know_us_or_that_we_do_not_know_is_refused(
    etcd: Etcd, certificates: Path, tmp_path: Path, named: dict[str, str], said: str
) -> None:
    assert said in refusal(tmp_path, parse(f"{etcd.url}/refused", **files(certificates, **named)))
    assert store_record.read(tmp_path) is None


def test_a_database_that_is_there_is_not_passed_over(etcd: Etcd, certificates: Path, tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()
    said = refusal(tmp_path, parse(f"{etcd.url}/passed", **files(certificates)))
    assert "is in its file state.db" in said
    assert "longboat store migrate" in said
