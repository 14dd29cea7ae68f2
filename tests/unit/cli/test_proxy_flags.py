"""Who may speak for others, as `longboat up` is told: it reaches the API server, stays, goes, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from longboat.aio.clock import SystemClock
from longboat.apiserver.pki import Pki
from longboat.assembly.control_plane.settings import RequestHeader, Settings
from longboat.cli import server_files
from longboat.cli.cluster import Cluster
from longboat.cli.errors import Usage
from longboat.cli.flags import parse
from longboat.cli.plan import plan
from longboat.cli.server import settings
from longboat.cli.server_options import Options


def up(folder: Path, *flags: str, before: Cluster | None = None) -> Cluster:
    """The cluster, once its files have been looked at."""
    said: dict[str, Any] = server_files.said(parse(server_files.Flags, flags, prog="up", environ={}), before)
    cluster = Cluster("t", str(folder), 1, **({"audit": before.audit} | said if before else said))
    server_files.check(cluster)
    return cluster


def served(cluster: Cluster) -> Settings:
    """What the cluster's API server makes of its command line."""
    (process,) = [each for each in plan(cluster) if each.name == "control-plane"]
    return settings(parse(Options, process.argv[4:], prog="server", environ={}))


def test_they_reach_the_server_stay_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pki = Pki(tmp_path / "pki", SystemClock())
    pair, authority = pki.front_proxy_client("p", "gate"), pki.front_proxy.pair.certificate
    monkeypatch.chdir(tmp_path)  # a file may be named from where one stands; the cluster stands elsewhere
    flags = {
        "proxy-client-cert-file": "pki/p.crt", "proxy-client-key-file": "pki/p.key",
        "requestheader-client-ca-file": f"pki/{authority.name}", "requestheader-allowed-names": "gate,door",
        "requestheader-username-headers": "X-Who,X-Remote-User", "requestheader-uid-headers": "X-Id",
        "requestheader-group-headers": "X-Team", "requestheader-extra-headers-prefix": "X-More-",
    }  # fmt: skip
    cluster = up(tmp_path, *(f"--{name}={value}" for name, value in flags.items()))
    wanted = RequestHeader(
        authority=authority, names=("gate", "door"), users=("X-Who", "X-Remote-User"), uids=("X-Id",),
        groups=("X-Team",), extra=("X-More-",),
    )  # fmt: skip
    for each in (cluster, up(tmp_path, before=cluster)):
        found = served(each)
        assert (found.requestheader, found.proxy_client) == (wanted, (pair.certificate, pair.key))
    left = up(tmp_path, *(f"--{name}=" for name in flags if "names" not in name), before=cluster)
    assert served(left).requestheader == RequestHeader(names=("gate", "door"))
    assert served(left).proxy_client is None
    assert served(up(tmp_path, "--requestheader-allowed-names=", before=left)).requestheader == RequestHeader()


@pytest.mark.parametrize(
    "flags, why",
    [
        (("--proxy-client-cert-file=pki/p.crt",), "belong together"),
        (
            ("--proxy-client-cert-file=pki/p.crt", "--proxy-client-key-file=pki/o.key"),
            r"o\.key is not .*p\.crt's",
        ),
        (("--proxy-client-cert-file=none", "--proxy-client-key-file=pki/p.key"), "--proxy-client-cert-file: .*none"),
        (("--requestheader-client-ca-file=bad",), "--requestheader-client-ca-file: .*bad"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], why: str
) -> None:
    pki = Pki(tmp_path / "pki", SystemClock())
    pki.front_proxy_client("p", "gate")
    pki.front_proxy_client("o", "gate")
    (tmp_path / "bad").write_text("no certificate")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Usage, match=why):
        up(tmp_path, *flags)
