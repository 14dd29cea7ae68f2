"""Tokens of other issuers: whose they are, what keeps them out, and what an issuer that misbehaves can do."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from integration.apiserver.oidc_issuer import MAKE, IssuerServer, issuing
from longboat.apiserver.authn.issuers import keys, live
from longboat.apiserver.authn.issuers.configuration import Configuration, Flags, of_flags, parse
from unit.apiserver.harness import Api, api_server, user

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
PLAIN = {"username": {"claim": "sub", "prefix": "oidc:"}, "groups": {"claim": "groups", "prefix": "oidc:"}}
Scene = Callable[[Api, IssuerServer], Awaitable[None]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "SPACED", 0.05)


def configured(server: IssuerServer, *, also: Any = None, **said: Any) -> bytes:
    jwt = {"issuer": server.issuer(), "claimMappings": PLAIN, **said}
    whole = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [jwt]}
    return json.dumps(whole | (also or {})).encode()


def run(
    scene: Scene,
    *,
    flags: dict[str, Any] | None = None,
    before: Callable[[IssuerServer], None] = lambda _: None,
    **said: Any,
) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), issuing() as issuer:
            before(issuer)
            if flags is None:
                found = parse(configured(issuer, **said), ())
            else:
                found = of_flags(Flags(issuer_url=issuer.url, client_id="here", **flags), ())
                found = Configuration(tuple(_trusting(each, issuer) for each in found.issuers))
            async with api_server(authentication=live.Settings(found)) as api:
                await scene(api, issuer)

    asyncio.run(main())


def _trusting(found: Any, issuer: IssuerServer) -> Any:
    from dataclasses import replace

    return replace(found, authority=issuer.ca)


async def ready(issuer: IssuerServer) -> None:
    while not issuer.asked["/keys"]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def who(api: Api, token: str) -> Any:
    """The user; None for 401."""
    body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    code, said = await api.ask("POST", WHO, body, None, authorization=f"Bearer {token}")
    assert code in (201, 401), said
    return said["status"]["userInfo"] if code == 201 else None


async def why(api: Api, token: str) -> str:
    """What a TokenReview says is wrong."""
    review = {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": token}}
    made = await api.make("/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert not made["status"].get("authenticated"), made
    found: str = made["status"]["error"]
    return found


def test_a_token_names_its_user_by_its_claims() -> None:
    async def scene(api: Api, issuer: IssuerServer) -> None:
        await ready(issuer)
        found = await who(api, issuer.token(groups=["a", "b"]))
        assert found == {"username": "oidc:jane", "groups": ["oidc:a", "oidc:b", "system:authenticated"]}
        assert (await who(api, issuer.token(groups="a")))["groups"] == ["oidc:a", "system:authenticated"]

    run(scene)


def test_expressions_make_and_refuse_users() -> None:
    async def scene(api: Api, issuer: IssuerServer) -> None:
        await ready(issuer)
        good = issuer.token(email="jane@example.org", email_verified=True, roles="a,b", id="7", dept=["x", ""])
        assert await who(api, good) == {
            "username": "jane@example.org", "uid": "7", "groups": ["a", "b", "system:authenticated"],
            "extra": {"example.org/dept": ["x"]},
        }  # fmt: skip
        base = {"email": "jane@example.org", "email_verified": True, "roles": "", "id": "7", "dept": ""}
        rule = "oidc: error evaluating claim validation expression: validation expression"
        for claims, told in (
            (base | {"email_verified": False}, f"{rule} 'claims.email_verified == true' failed: unverified"),
            (base | {"email": "system:x"},
             "oidc: error evaluating user info validation rule: validation expression "
             "'!user.username.startsWith('system:')' failed: reserved"),
            (base | {"id": 7},
             "oidc: error evaluating uid claim expression: uid claim expression must return a string"),
            (base | {"dept": {"a": 1}}, "oidc: error evaluating extra claim expression: claims.dept: "
             "expression must return a string or a list of strings"),
            ({}, "oidc: error evaluating username claim expression: expression 'claims.email' resulted in error: "
             "no such key: email"),
        ):  # fmt: skip
            assert await who(api, issuer.token(**claims)) is None
            assert await why(api, issuer.token(**claims)) == f"[invalid bearer token, {told}]"

    run(
        scene,
        claimMappings={
            "username": {"expression": "claims.email"},
            "groups": {"expression": "claims.roles.split(',')"},
            "uid": {"expression": "claims.id"},
            "extra": [{"key": "example.org/dept", "valueExpression": "claims.dept"}],
        },
        claimValidationRules=[{"expression": "claims.email_verified == true", "message": "unverified"}],
        userValidationRules=[{"expression": "!user.username.startsWith('system:')", "message": "reserved"}],
    )


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_tokens_that_are_not_good() -> None:
    async def scene(api: Api, issuer: IssuerServer) -> None:
        await ready(issuer)
        now, stranger = int(time.time()), ECKey.generate_key("P-256", {"kid": issuer.keys[0].get("kid")})
        body, verify = issuer.token().split("."), "oidc: verify token: oidc:"
        altered = ".".join(
            (body[0], _encoded({"iss": issuer.url, "aud": "here", "sub": "root", "exp": now + 60}), body[2])
        )
        for token, told in (
            (issuer.token(aud="there"), f'{verify} expected audience "here" got ["there"]'),
            (issuer.token(exp=now - 1), f"{verify} token is expired (Token Expiry: "),
            (issuer.token(nbf=now + 400), f"{verify} current time "),
            (issuer.token(stranger), f"{verify} failed to verify signature: failed to verify id token signature"),
            (altered, f"{verify} failed to verify signature: failed to verify id token signature"),
            (issuer.token(sub=7), 'oidc: parse username claims "sub": json: cannot unmarshal number into Go value of '
             "type string"),
            (issuer.token(sub=""), "oidc: the username is empty"),
            (issuer.token(MAKE["Ed"](), "EdDSA"), f"{verify} id token signed with unsupported algorithm, expected ["),
            (f"{_encoded({'alg': 'none'})}.{body[1]}.", f"{verify} "),
        ):  # fmt: skip
            assert await who(api, token) is None
            assert (await why(api, token)).startswith(f"[invalid bearer token, {told}"), told
        assert await who(api, issuer.token(nbf=now + 200))  # clocks differ
        for nobodys in (issuer.token(iss="https://other"), "x.y.z", "a.b", f"{_encoded({})}.{_encoded([])}."):
            assert await who(api, nobodys) is None
            assert await why(api, nobodys) == "invalid bearer token"

    run(scene)


def test_keys_rotate() -> None:
    """A token of a new key is good at once; one of a key that is gone is not, though it had been taken before."""

    async def scene(api: Api, issuer: IssuerServer) -> None:
        await ready(issuer)
        old, first = issuer.keys[0], issuer.token()
        assert await who(api, first)
        issuer.keys.append(MAKE["ES"]())
        assert await who(api, issuer.token())
        assert await who(api, first)
        assert issuer.asked["/keys"] == 2
        issuer.keys = [MAKE["RS"]()]
        assert await who(api, issuer.token(algorithm="RS256"))
        assert await who(api, first) is None
        assert await who(api, issuer.token(old)) is None

    run(scene)


def test_a_token_that_names_no_key_is_tried_against_each() -> None:
    async def scene(api: Api, issuer: IssuerServer) -> None:
        await ready(issuer)
        for key, algorithm in zip(issuer.keys, ("RS256", "ES256", "ES256"), strict=True):
            assert await who(api, issuer.token(key, algorithm, kid=False))
        assert await who(api, issuer.token(issuer.keys[0], "PS256", kid=False))
        assert issuer.asked["/keys"] == 1

    def before(issuer: IssuerServer) -> None:
        issuer.keys = [MAKE["RS"](), MAKE["ES"](), MAKE["ES"]()]

    run(scene, before=before)


def test_what_strangers_send_does_not_make_us_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "SPACED", 0.5)

    async def scene(api: Api, issuer: IssuerServer) -> None:
        await ready(issuer)
        began = time.monotonic()
        assert not any(await asyncio.gather(*(who(api, issuer.token(MAKE["ES"]())) for _ in range(9))))
        assert issuer.asked["/keys"] == 2  # one for all
        assert time.monotonic() - began < 5

    run(scene)


def test_a_verified_token_is_known_until_it_ends() -> None:
    async def scene(api: Api, issuer: IssuerServer) -> None:
        await ready(issuer)
        token = issuer.token(exp=time.time() + 1.2)
        found = await who(api, token)
        await issuer.stop()
        assert await who(api, token) == found
        await asyncio.sleep(1.3)
        assert await who(api, token) is None

    run(scene)


def test_only_its_own_tokens_wait_for_an_issuer_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longboat.apiserver.authn.issuers.fetch.SECONDS", 0.6)

    async def scene(api: Api, issuer: IssuerServer) -> None:
        await ready(issuer)
        known = issuer.token()
        assert await who(api, known)

        async def hang(writer: Any, path: str) -> None:
            await asyncio.sleep(1)

        issuer.behave = hang
        unknown = asyncio.ensure_future(who(api, issuer.token(MAKE["ES"]())))
        await asyncio.sleep(0.2)
        began = time.monotonic()
        assert await who(api, known)
        assert await who(api, issuer.token(other=1))  # of a key that is known
        assert (await api.ask("GET", "/api/v1/namespaces", who=None))[0] == 403
        assert time.monotonic() - began < 0.5
        assert not unknown.done()
        assert await unknown is None
        assert 0.3 < time.monotonic() - began < 2
        _, figures = await api.ask("GET", "/metrics")
        assert re.search(r'jwks_fetch_last_timestamp_seconds\{[^}]*result="failure"', figures)

    run(scene)


def test_an_issuer_that_comes_late_or_lies_is_found_once_it_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "RETRY", 0.1)

    async def scene(api: Api, issuer: IssuerServer) -> None:
        await asyncio.sleep(0.3)
        told = "[invalid bearer token, oidc: authenticator not initialized]"
        assert await why(api, issuer.token()) == told
        for bad in (b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
                    b"SSH-2.0-OpenSSH\r\n\r\n", b""):  # fmt: skip

            async def lie(writer: asyncio.StreamWriter, path: str, bad: bytes = bad) -> None:
                writer.write(bad)

            issuer.behave = lie
            await asyncio.sleep(0.15)
            assert await why(api, issuer.token()) == told
        issuer.behave, issuer.says = None, ""
        issuer.asked.clear()
        await ready(issuer)
        assert await who(api, issuer.token())

    def before(issuer: IssuerServer) -> None:
        issuer.says = "https://elsewhere.example.org"

    run(scene, before=before)


def test_flags_tell_of_one_issuer() -> None:
    async def scene(api: Api, issuer: IssuerServer) -> None:
        await ready(issuer)
        found = await who(api, issuer.token(hd="example.org", groups=["a"]))
        assert found == {"username": f"{issuer.url}#jane", "groups": ["g:a", "system:authenticated"]}
        assert "required claim hd not present in ID token" in await why(api, issuer.token())
        assert "Got = x, want = example.org" in await why(api, issuer.token(hd="x"))

    said = {"groups_claim": "groups", "groups_prefix": "g:", "required_claims": ["hd=example.org"]}
    run(scene, flags=said | {"signing_algs": ["ES256"]})


def test_a_file_is_read_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is bad, or whose issuers cannot be found, changes nothing, and is counted."""
    monkeypatch.setattr("longboat.aio.followed.LOOK_EVERY", 0.05)
    monkeypatch.setattr(live, "PATIENCE", 0.3)

    async def main() -> None:
        async with asyncio.timeout(60), issuing() as issuer:
            file = tmp_path / "authn.json"
            data = configured(issuer)
            file.write_bytes(data)
            async with api_server(authentication=live.Settings(parse(data, ()), file=file, data=data)) as api:
                await ready(issuer)
                assert (await who(api, issuer.token()))["username"] == "oidc:jane"
                for number, bad in enumerate((
                    b"jwt: [", configured(issuer, claimMappings={}),
                    configured(issuer, issuer=issuer.issuer(discoveryURL=f"https://127.0.0.1:1{issuer.port % 1000}/x")),
                    configured(issuer, also={"anonymous": {"enabled": False}}),
                ), 1):  # fmt: skip
                    file.write_bytes(bad)
                    await counted(api, "failure", number)
                    assert (await who(api, issuer.token()))["username"] == "oidc:jane"
                file.write_bytes(configured(issuer, claimMappings={"username": {"expression": "'new:' + claims.sub"}}))
                await counted(api, "success", 1)
                assert (await who(api, issuer.token()))["username"] == "new:jane"

    asyncio.run(main())


async def counted(api: Api, status: str, number: int) -> None:
    name = "apiserver_authentication_config_controller_automatic_reloads_total"
    while True:
        _, figures = await api.ask("GET", "/metrics")
        lines = [line for line in figures.splitlines() if line.startswith(name) and f'status="{status}"' in line]
        if lines and float(lines[0].rpartition(" ")[2]) == number:
            return
        await asyncio.sleep(0.05)


def test_nobody_may_be_nobody_but_where_a_file_says() -> None:
    async def scene(api: Api, issuer: IssuerServer) -> None:
        assert (await api.ask("GET", "/healthz", who=None))[0] == 200
        assert (await api.ask("GET", "/livez", who=None))[0] == 401
        assert (await api.ask("GET", "/livez", who=user("u")))[0] == 200

    run(scene, also={"anonymous": {"enabled": True, "conditions": [{"path": "/healthz"}]}})


def _encoded(what: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(what).encode()).rstrip(b"=").decode()
