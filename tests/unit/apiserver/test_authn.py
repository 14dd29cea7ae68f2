"""Who is asking: certificates of two roots kept apart, tokens from a file, tokens that this cluster signed."""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from joserfc import jwt

from longboat.aio.clock import VirtualClock
from longboat.aio.http.message import Headers
from longboat.api.certificates import SERVER
from longboat.apiserver.authn.certificates import client_certificates
from longboat.apiserver.authn.front_proxy import FrontProxy, front_proxy
from longboat.apiserver.authn.identity import ANONYMOUS, Authenticator, authenticate
from longboat.apiserver.authn.penalty import FIRST, FORGIVEN, FREE, LONGEST, Penalty
from longboat.apiserver.authn.serviceaccounts import Bound, ServiceAccountTokens, TokenIssuer
from longboat.apiserver.authn.tokens import static_tokens
from longboat.apiserver.pki import Pair, Pki
from longboat.apiserver.request import Request, Response
from longboat.machinery.errors import StatusError
from longboat.machinery.user import User


async def no_body(limit: int) -> bytes:
    return b""


def request(peer: bytes | None = None, *fields: tuple[str, str]) -> Request:
    headers = Headers()
    for name, value in fields:
        headers.add(name, value)
    return Request("GET", "/", {}, headers, no_body, "192.0.2.1", peer)


def who(asked: Request, *authenticators: Authenticator) -> User | None:
    """None for 401."""

    async def end(request: Request) -> Response:
        return Response()

    async def main() -> User | None:
        try:
            await authenticate(authenticators, VirtualClock())(asked, end)
        except StatusError as error:
            assert (error.code, error.reason, error.message) == (401, "Unauthorized", "Unauthorized")
            return None
        return asked.user

    return asyncio.run(main())


def der(pair: Pair) -> bytes:
    return load_pem_x509_certificate(pair.certificate.read_bytes()).public_bytes(Encoding.DER)


class Roots:
    """A cluster's two roots and the authenticators that trust them."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        self.pki = Pki(folder, clock)
        self.clients = client_certificates(self.pki.ca.pair.certificate, clock)
        self.proxy = front_proxy(FrontProxy(self.pki.front_proxy.pair.certificate), clock)
        self._clock = clock

    def client(self, name: str, groups: Sequence[str] = (), **kind: Any) -> bytes:
        return der(self.pki.ca.issue(self.pki.pair(f"c-{name or 'nobody'}"), self._clock, name, groups, **kind))

    def proxy_client(self, name: str = "front-proxy-client") -> bytes:
        return der(self.pki.front_proxy.issue(self.pki.pair("p"), self._clock, name))

    def who(self, peer: bytes | None, *fields: tuple[str, str]) -> User | None:
        return who(request(peer, *fields), self.clients, self.proxy)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def roots(tmp_path: Path, clock: VirtualClock) -> Roots:
    return Roots(tmp_path, clock)


def test_a_certificate_names_user_and_groups(roots: Roots) -> None:
    found = roots.who(roots.client("jane", ["a", "b"]))
    assert found is not None
    assert (found.name, found.groups) == ("jane", ("a", "b", "system:authenticated"))


def test_no_credential_is_anonymous(roots: Roots) -> None:
    assert roots.who(None) == ANONYMOUS


def test_a_serving_certificate_is_no_client(roots: Roots) -> None:
    assert roots.who(roots.client("jane", usages=SERVER)) is None


def test_a_certificate_stops_counting_when_its_time_is_up(roots: Roots, clock: VirtualClock) -> None:
    peer = roots.client("jane")
    assert roots.who(peer)
    asyncio.run(clock.advance(timedelta(days=366)))
    assert roots.who(peer) is None


def test_another_root_s_certificate_is_refused(roots: Roots, tmp_path: Path, clock: VirtualClock) -> None:
    other = Roots(tmp_path / "other", clock)
    assert roots.who(other.client("jane", ["system:masters"])) is None
    assert roots.who(b"not a certificate") is None


AS_JANE = (("x-remote-user", "jane"), ("x-remote-group", "a"), ("x-remote-group", "b,c"), ("x-remote-uid", "7"),
           ("x-remote-extra-Example.com%2Fscopes", "x"))  # fmt: skip


def test_the_front_proxy_speaks_for_others(roots: Roots) -> None:
    found = roots.who(roots.proxy_client(), *AS_JANE)
    expected = User("jane", ("a", "b,c", "system:authenticated"), "7", {"example.com/scopes": ("x",)})
    assert found == expected


def test_nobody_else_speaks_for_others(roots: Roots) -> None:
    """Security lesson 3: the headers of whoever is not the proxy count for nothing."""
    assert roots.who(None, *AS_JANE) == ANONYMOUS
    found = roots.who(roots.client("front-proxy-client"), *AS_JANE)
    assert found is not None and found.name == "front-proxy-client"
    assert roots.who(roots.proxy_client("somebody"), *AS_JANE) is None


def test_the_front_proxy_s_certificate_is_nobody_by_itself(roots: Roots) -> None:
    assert roots.who(roots.proxy_client()) is None


HS256 = b'{"alg":"HS256"}'


def segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def bearer(token: str) -> Request:
    return request(None, ("authorization", f"Bearer {token}"))


def test_tokens_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text('secret,jane,uid1,"a,b"\nother,joe,uid2\n')
    tokens = static_tokens(file)
    assert who(bearer("secret"), tokens) == User("jane", ("a", "b", "system:authenticated"), "uid1")
    assert who(bearer("other"), tokens) == User("joe", ("system:authenticated",), "uid2")
    assert who(bearer("secre"), tokens) is None
    assert who(bearer("sécret"), tokens) is None
    assert who(request(None, ("authorization", "Basic c2VjcmV0")), tokens) == ANONYMOUS


def test_a_websocket_carries_its_token_among_its_protocols(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text("secret,jane,uid1\n")
    encoded = segment(b"secret")
    offered = ("sec-websocket-protocol", f"v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.{encoded}")
    found = who(request(None, offered), static_tokens(file))
    assert found is not None and found.name == "jane"
    broken = ("sec-websocket-protocol", "base64url.bearer.authorization.k8s.io.%%%")
    assert who(request(None, broken), static_tokens(file)) is None


class Accounts:
    """A ServiceAccount, a pod, a node, and tokens bound to them."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        self.issuer = TokenIssuer(Pki(folder, clock).service_account_key, clock)
        self.objects = {
            ("serviceaccounts", "ns", "sa"): {"metadata": {"name": "sa", "namespace": "ns", "uid": "sa-1"}},
            ("pods", "ns", "pod"): {"metadata": {"name": "pod", "namespace": "ns", "uid": "pod-1"}},
            ("nodes", "", "node"): {"metadata": {"name": "node", "uid": "node-1"}},
        }
        self.noted: list[str] = []
        self.authenticator = ServiceAccountTokens(self.issuer, self._find, self._note).identify

    async def _note(self, secret: dict[str, Any]) -> None:
        self.noted.append(secret["metadata"]["name"])

    def _find(self, plural: str, namespace: str, name: str) -> dict[str, Any] | None:
        return self.objects.get((plural, namespace, name))

    def token(self, seconds: int = 600, audiences: Sequence[str] = (), **more: Any) -> str:
        return self.issuer.issue("ns", self.objects["serviceaccounts", "ns", "sa"], seconds, audiences, **more)

    def who(self, token: str) -> User | None:
        return who(bearer(token), self.authenticator)


@pytest.fixture
def accounts(tmp_path: Path, clock: VirtualClock) -> Accounts:
    return Accounts(tmp_path, clock)


def test_a_service_account_s_token(accounts: Accounts) -> None:
    found = accounts.who(accounts.token())
    assert found is not None
    assert (found.name, found.uid) == ("system:serviceaccount:ns:sa", "sa-1")
    assert found.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")


def test_a_token_ends(accounts: Accounts, clock: VirtualClock) -> None:
    token = accounts.token(600)
    asyncio.run(clock.advance(599))
    assert accounts.who(token)
    asyncio.run(clock.advance(2))
    assert accounts.who(token) is None


def test_a_token_for_others_is_not_for_us(accounts: Accounts) -> None:
    assert accounts.who(accounts.token(audiences=["vault"])) is None
    assert accounts.who(accounts.token(audiences=["vault", accounts.issuer.issuer]))


@pytest.mark.parametrize("gone", [("serviceaccounts", "ns", "sa"), ("pods", "ns", "pod")])
def test_a_token_goes_with_what_it_is_bound_to(accounts: Accounts, gone: tuple[str, str, str]) -> None:
    """Also where something of the same name has taken its place (security lesson 19)."""
    token = accounts.token(bound=Bound("Pod", "pod", "pod-1"), node=accounts.objects["nodes", "", "node"])
    found = accounts.who(token)
    assert found is not None
    assert found.extra["authentication.kubernetes.io/pod-name"] == ("pod",)
    assert found.extra["authentication.kubernetes.io/node-name"] == ("node",)
    accounts.objects[gone]["metadata"]["uid"] = "another"
    assert accounts.who(token) is None
    del accounts.objects[gone]
    assert accounts.who(token) is None


def test_a_token_bound_to_a_node_goes_with_it(accounts: Accounts) -> None:
    token = accounts.token(bound=Bound("Node", "node", "node-1"))
    assert accounts.who(token)
    del accounts.objects["nodes", "", "node"]
    assert accounts.who(token) is None


def test_tokens_of_other_keys_and_algorithms_are_refused(
    accounts: Accounts, tmp_path: Path, clock: VirtualClock
) -> None:
    other = Accounts(tmp_path / "other", clock)
    assert accounts.who(other.token()) is None
    head, payload, signature = accounts.token().split(".")
    assert accounts.who(f"{head}.{payload}.") is None
    none = segment(b'{"alg":"none"}')
    assert accounts.who(f"{none}.{payload}.") is None
    assert accounts.who(f"{none}.{payload}.{signature}") is None
    signed = f"{segment(HS256)}.{payload}"
    mac = hmac.digest((tmp_path / "sa.pub").read_bytes(), signed.encode(), "sha256")
    assert accounts.who(f"{signed}.{segment(mac)}") is None
    assert accounts.who("a.b.c") is None


def test_an_unusual_payload_is_refused_and_no_accident(accounts: Accounts) -> None:
    key, header = accounts.issuer._key, accounts.issuer._header
    good = {"iss": accounts.issuer.issuer, "aud": [accounts.issuer.issuer], "nbf": 0, "exp": 1 << 40}
    for odd in ({}, {"kubernetes.io": "x"}, {"kubernetes.io": {"serviceaccount": []}}, {"exp": "soon"}, {"aud": 7},
                {"kubernetes.io": {"namespace": 3, "serviceaccount": {"name": [], "uid": None}}}):  # fmt: skip
        assert accounts.who(jwt.encode(header, good | odd, key, algorithms=["ES256"])) is None


def test_failures_are_answered_ever_more_slowly_and_forgiven(clock: VirtualClock) -> None:
    penalty = Penalty(clock)
    waits = [penalty.failed("a") for _ in range(30)]
    assert waits[:FREE] == [0.0] * FREE
    assert waits[FREE] == FIRST and waits[-1] == LONGEST
    assert sorted(waits) == waits
    assert penalty.failed("b") == 0.0
    asyncio.run(clock.advance(FORGIVEN * 40))
    assert penalty.failed("a") == 0.0


def test_who_guesses_waits_and_who_knows_does_not(tmp_path: Path, clock: VirtualClock) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text("secret,jane,uid1\n")

    async def end(request: Request) -> Response:
        return Response()

    async def main() -> None:
        chain = authenticate([static_tokens(file)], clock)
        for _ in range(FREE):
            with pytest.raises(StatusError):
                await chain(bearer("guess"), end)
        guess = asyncio.create_task(chain(bearer("guess"), end))
        await asyncio.sleep(0)
        assert (await chain(bearer("secret"), end)).status == 200
        assert not guess.done()
        await clock.advance(LONGEST)
        with pytest.raises(StatusError):
            await guess

    asyncio.run(main())
