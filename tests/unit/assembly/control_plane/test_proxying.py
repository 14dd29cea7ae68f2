"""Who may speak for others, as flags say it: in the authenticator, to extension servers, and what stops the start."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from longboat.aio.clock import SystemClock
from longboat.apiserver.authn.front_proxy import FrontProxy, front_proxy
from longboat.apiserver.pki import Pki, Unusable
from longboat.apiserver.request import Request
from longboat.assembly.control_plane import proxying
from longboat.assembly.control_plane.settings import RequestHeader
from longboat.machinery.user import User
from unit.apiserver.harness import Api, play


async def nothing(limit: int) -> bytes:
    return b""


def asked(given: FrontProxy, der: bytes, **headers: str) -> User | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request("GET", "/", {}, named, nothing, peer_certificate=der)
    return asyncio.run(front_proxy(given, SystemClock())(request))  # type: ignore[arg-type]


def test_other_headers_and_names_may_be_believed(tmp_path: Path) -> None:
    pki = Pki(tmp_path, SystemClock())
    pair = pki.front_proxy_client("p", "gate")
    der = x509.load_pem_x509_certificate(pair.certificate.read_bytes()).public_bytes(Encoding.DER)
    authority = pki.front_proxy.pair.certificate
    assert asked(FrontProxy(authority), der, x_remote_user="jane") is None  # it may not: its name is another
    given = FrontProxy(authority, (), ("X-Who", "X-Remote-User"), ("X-Id",), ("X-Team", "X-Crew"), ("X-More-",))
    found = asked(
        given, der, x_remote_user="jane", x_team="a", x_crew="b", x_id="7", x_more_ship="s", x_remote_group="g"
    )
    assert found == User("jane", ("a", "b", "system:authenticated"), "7", {"ship": ("s",)})
    assert asked(given, der, x_who="joe", x_remote_user="jane") == User("joe", ("system:authenticated",))
    assert asked(given, der, x_team="a") is None


def test_extension_servers_are_told_the_same(tmp_path: Path) -> None:
    ca = Pki(tmp_path, SystemClock()).front_proxy.pair.certificate

    async def scene(api: Api) -> None:
        path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
        _, found = await api.ask("GET", path)
        assert found["data"] == {
            "client-ca-file": ca.read_text(),
            "requestheader-client-ca-file": ca.read_text(),
            "requestheader-allowed-names": "[]",
            "requestheader-username-headers": '["X-Who","X-Remote-User"]',
            "requestheader-uid-headers": '["X-Remote-Uid"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        }

    play(scene, client_ca=ca, front_proxy=FrontProxy(ca, (), ("X-Who", "X-Remote-User")))


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    pki = Pki(tmp_path, SystemClock())
    ours, one, other = pki.front_proxy.pair.certificate, pki.client("a", "a"), pki.client("b", "b")
    assert proxying.front_proxy(RequestHeader(), ours).authority == ours
    (bad := tmp_path / "bad").write_text("nothing")
    with pytest.raises(Unusable, match=r"--requestheader-client-ca-file: .*bad"):
        proxying.front_proxy(RequestHeader(authority=bad), ours)
    assert proxying.client(None) is None and proxying.client((one.certificate, one.key)) == one
    with pytest.raises(Unusable, match=r"b\.key is not .*a\.crt's"):
        proxying.client((one.certificate, other.key))
    with pytest.raises(Unusable, match=r"--proxy-client-key-file: .*none is not there"):
        proxying.client((one.certificate, tmp_path / "none"))
    with pytest.raises(Unusable, match="--proxy-client-cert-file"):
        proxying.client((bad, one.key))
