"""ServiceAccount tokens on request: how long, for whom, bound to what; and what the server says of tokens."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from longboat.aio.clock import VirtualClock
from longboat.apiserver.authn.serviceaccounts import FORMER, TokenIssuer
from longboat.apiserver.authn.tokens import static_tokens
from longboat.apiserver.pki import Pki
from unit.apiserver.harness import Api, api_server

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
PODS = "/api/v1/namespaces/default/pods"
ISSUER = "https://kubernetes.default.svc"


def play(scene: Callable[[Api, VirtualClock], Awaitable[None]], folder: Path, **config: Any) -> None:
    clock = VirtualClock()

    async def main() -> None:
        key = Pki(folder, clock).service_account_key
        async with asyncio.timeout(60), api_server(clock, service_account_key=key, **config) as api:
            await api.make(ACCOUNTS, {"metadata": {"name": "robot"}})
            await scene(api, clock)

    asyncio.run(main())


async def issue(api: Api, account: str = "robot", **spec: Any) -> Any:
    return await api.make(f"{ACCOUNTS}/{account}/token", {"spec": spec})


async def pod(api: Api, name: str = "p") -> Any:
    spec = {"serviceAccountName": "robot", "containers": [{"name": "c", "image": "i"}]}
    return await api.make(PODS, {"metadata": {"name": name}, "spec": spec})


async def whoami(api: Api, token: str) -> Any:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    code, review = await api.ask("POST", path, {}, who=None, authorization=f"Bearer {token}")
    return review["status"]["userInfo"] if code == 201 else code


def test_a_token_is_good_for_an_hour_at_this_server(tmp_path: Path) -> None:
    async def scene(api: Api, clock: VirtualClock) -> None:
        request = await issue(api)
        assert request["spec"] == {"audiences": [ISSUER], "expirationSeconds": 3600, "boundObjectRef": None}
        assert request["status"]["expirationTimestamp"] == "2026-01-01T01:00:00Z"
        assert request["metadata"]["name"] == "robot"
        found = await whoami(api, request["status"]["token"])
        assert found["username"] == "system:serviceaccount:default:robot"
        assert "system:serviceaccounts:default" in found["groups"]
        await clock.advance(timedelta(hours=1, seconds=1))
        assert await whoami(api, request["status"]["token"]) == 401

    play(scene, tmp_path)


def test_a_pod_s_token_ends_with_the_pod(tmp_path: Path) -> None:
    async def scene(api: Api, clock: VirtualClock) -> None:
        made = await pod(api)
        ref = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": made["metadata"]["uid"]}
        token = (await issue(api, boundObjectRef=ref))["status"]["token"]
        found = await whoami(api, token)
        assert found["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]
        assert found["extra"]["authentication.kubernetes.io/pod-uid"] == [made["metadata"]["uid"]]
        await api.ask("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
        assert await whoami(api, token) == 401
        await pod(api)
        assert await whoami(api, token) == 401

    play(scene, tmp_path)


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ({"expirationSeconds": 599}, 422, "may not specify a duration less than 10 minutes"),
        ({"expirationSeconds": (1 << 32) + 1}, 422, "may not specify a duration larger than 2^32 seconds"),
        ({"boundObjectRef": {"kind": "Pod", "name": "nope"}}, 404, 'pods "nope" not found'),
        ({"boundObjectRef": {"kind": "Pod", "name": "p", "uid": "other"}}, 409, "UID"),
        ({"boundObjectRef": {"kind": "ConfigMap", "name": "x"}}, 400, "cannot bind token to object of type"),
        ({"boundObjectRef": {"kind": "Node", "name": "x"}}, 404, 'nodes "x" not found'),
    ],
)
def test_tokens_that_are_not_given(tmp_path: Path, spec: Any, code: int, words: str) -> None:
    async def scene(api: Api, clock: VirtualClock) -> None:
        await pod(api)
        found, status = await api.ask("POST", f"{ACCOUNTS}/robot/token", {"spec": spec})
        assert found == code and words in status["message"], status

    play(scene, tmp_path)


def test_a_pod_s_token_is_for_its_own_account_alone(tmp_path: Path) -> None:
    async def scene(api: Api, clock: VirtualClock) -> None:
        await pod(api)
        await api.make(ACCOUNTS, {"metadata": {"name": "other"}})
        body = {"spec": {"boundObjectRef": {"kind": "Pod", "name": "p"}}}
        code, status = await api.ask("POST", f"{ACCOUNTS}/other/token", body)
        assert code == 400 and "different serviceaccount" in status["message"]

    play(scene, tmp_path)


def test_others_ask_whether_a_token_is_good(tmp_path: Path) -> None:
    async def scene(api: Api, clock: VirtualClock) -> None:
        async def review(**spec: Any) -> Any:
            return (await api.make("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": spec}))["status"]

        ours = (await issue(api))["status"]["token"]
        vault = (await issue(api, audiences=["vault"]))["status"]["token"]
        status = await review(token=ours)
        assert status["authenticated"] and status["audiences"] == [ISSUER]
        assert status["user"]["username"] == "system:serviceaccount:default:robot"
        status = await review(token=vault, audiences=["vault", "other"])
        assert status["authenticated"] and status["audiences"] == ["vault"]
        for bad in ({"token": vault}, {"token": ours, "audiences": ["vault"]}, {"token": "a.b.c"}, {"token": "x"}):
            status = await review(**bad)
            assert not status.get("authenticated") and status["error"]
        await api.ask("DELETE", f"{ACCOUNTS}/robot")
        assert not (await review(token=ours)).get("authenticated")

    play(scene, tmp_path)


def test_who_reviews_is_told_why_in_upstream_s_words(tmp_path: Path) -> None:
    async def scene(api: Api, clock: VirtualClock) -> None:
        async def why(token: str, *audiences: str) -> str:
            spec = {"token": token, **({"audiences": list(audiences)} if audiences else {})}
            status = (await api.make("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": spec}))["status"]
            assert not status.get("authenticated") and status["user"] == {}
            return str(status["error"])

        async def invalid(token: str, text: str, *audiences: str) -> None:
            assert await why(token, *audiences) == f"[invalid bearer token, {text}]"

        account = await api.make(ACCOUNTS, {"metadata": {"name": "other"}})
        made = await pod(api)
        ours = (await issue(api))["status"]["token"]
        theirs = (await issue(api, "other"))["status"]["token"]
        bound = (await issue(api, boundObjectRef={"apiVersion": "v1", "kind": "Pod", "name": "p"}))["status"]["token"]
        foreign = TokenIssuer(Pki(tmp_path, clock).service_account_key, clock, "https://elsewhere").issue(
            "default", account, 600
        )
        for nobodys in ("nonsense", "a.b.c", f"{ours}x", foreign):
            assert await why(nobodys) == "invalid bearer token"
        target = f'token audiences ["{ISSUER}"] is invalid for the target audiences ["vault" "x"]'
        await invalid(ours, target, "vault", "x")
        await api.ask("DELETE", f"{ACCOUNTS}/other")
        await invalid(theirs, 'serviceaccounts "other" not found')
        uid = (await api.make(ACCOUNTS, {"metadata": {"name": "other"}}))["metadata"]["uid"]
        await invalid(theirs, f"service account UID ({uid}) does not match claim ({account['metadata']['uid']})")
        await api.ask("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
        await invalid(bound, "service account token has been invalidated")
        uid, old = (await pod(api))["metadata"]["uid"], made["metadata"]["uid"]
        await invalid(bound, f"pod UID ({uid}) does not match service account pod ref claim ({old})")
        await clock.advance(timedelta(hours=1, seconds=1))
        await invalid(ours, "service account token has expired")

    play(scene, tmp_path)


def test_tokens_of_the_issuer_s_former_name_are_good_while_they_last(tmp_path: Path) -> None:
    async def scene(api: Api, clock: VirtualClock) -> None:
        account = (await api.ask("GET", f"{ACCOUNTS}/robot"))[1]
        former = TokenIssuer(Pki(tmp_path, clock).service_account_key, clock, FORMER[0])
        token = former.issue("default", account, 600)
        assert (await whoami(api, token))["username"] == "system:serviceaccount:default:robot"
        assert await whoami(api, former.issue("default", account, 600, ["vault"])) == 401

    play(scene, tmp_path)


def test_anybody_can_check_a_token_with_the_public_keys(tmp_path: Path) -> None:
    async def scene(api: Api, clock: VirtualClock) -> None:
        _, configuration = await api.ask("GET", "/.well-known/openid-configuration")
        assert configuration["issuer"] == ISSUER
        assert configuration["jwks_uri"] == f"{ISSUER}/openid/v1/jwks"
        keys = await api.response("GET", "/openid/v1/jwks")
        assert keys.content_type == "application/jwk-set+json"
        assert all("d" not in key for key in json.loads(keys.body)["keys"])
        token = (await issue(api))["status"]["token"]
        found = jwt.decode(token, KeySet.import_key_set(json.loads(keys.body)), algorithms=["ES256"])
        assert found.claims["sub"] == "system:serviceaccount:default:robot"

    play(scene, tmp_path)


def claims(token: str) -> Any:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


@pytest.mark.parametrize("extends", [False, True])
def test_a_pod_s_token_lasts_no_longer_than_it_says_unless_it_is_told_to(tmp_path: Path, extends: bool) -> None:
    """CIS 1.2.30. 3607 seconds are what admission asks for; a year is what upstream gives where it extends."""

    async def scene(api: Api, clock: VirtualClock) -> None:
        made = await pod(api)
        ref = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": made["metadata"]["uid"]}
        found = claims((await issue(api, boundObjectRef=ref, expirationSeconds=3607))["status"]["token"])
        lasts, told = found["exp"] - found["iat"], found["kubernetes.io"].get("warnafter")
        assert (lasts, told) == ((365 * 86400, found["iat"] + 3607) if extends else (3607, None))
        for other in ({"expirationSeconds": 3600, "boundObjectRef": ref}, {"expirationSeconds": 3607}):
            found = claims((await issue(api, **other))["status"]["token"])
            assert found["exp"] - found["iat"] == other["expirationSeconds"]

    play(scene, tmp_path, extend_token_expiration=extends)


def test_a_late_use_of_a_token_is_told(tmp_path: Path) -> None:
    """Of one that lasts longer than it says: who goes on with it has not read it again (KEP-1205, safe adoption)."""
    log = tmp_path / "audit.log"

    async def scene(api: Api, clock: VirtualClock) -> None:
        made = await pod(api)
        ref = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": made["metadata"]["uid"]}
        token = (await issue(api, boundObjectRef=ref, expirationSeconds=3607))["status"]["token"]
        for late in (0, 4000):
            clock.step(timedelta(seconds=late))
            assert await whoami(api, token) != 401
        assert api.server.audit.trail is not None
        await api.server.audit.trail.flush()
        events = [json.loads(line) for line in log.read_text().splitlines()]
        told = [event.get("annotations", {}).get("authentication.k8s.io/stale-token") for event in events]
        said = "subject: system:serviceaccount:default:robot, seconds after warning threshold: 393"
        assert [text for text in told if text] == [said]

    play(scene, tmp_path, extend_token_expiration=True, audit_log=log)


def test_a_review_knows_every_token_that_the_server_takes(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text('letmein,jane,u1,"dev,ops"\n')

    async def scene(api: Api, clock: VirtualClock) -> None:
        async def review(**spec: Any) -> Any:
            return (await api.make("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": spec}))["status"]

        groups = ["dev", "ops", "system:authenticated"]
        jane = {"username": "jane", "uid": "u1", "groups": groups}
        assert await review(token="letmein") == {"authenticated": True, "user": jane, "audiences": [ISSUER]}
        status = await review(token="letmein", audiences=["vault", ISSUER])
        assert (status["authenticated"], status["audiences"]) == (True, [ISSUER])
        for bad in ({"token": "letmeout"}, {"token": "letmein", "audiences": ["vault"]}):
            assert await review(**bad) == {"user": {}, "error": "invalid bearer token"}

        data = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}
        secret = {"metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token"}
        await api.make("/api/v1/namespaces/kube-system/secrets", secret | {"stringData": data})
        status = await review(token="abcdef.0123456789abcdef")
        assert status["user"]["username"] == "system:bootstrap:abcdef"
        assert status["audiences"] == [ISSUER]
        assert (await review(token="abcdef.0123456789abcdeg")) == {"user": {}, "error": "invalid bearer token"}
        assert (await review(token=(await issue(api))["status"]["token"]))["authenticated"]

    play(scene, tmp_path, authenticators=(static_tokens(file),))
