"""Secrets that hold a ServiceAccount's token: filled, good while they stand, gone with the account."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import yaml

from longboat.aio.clock import VirtualClock
from longboat.api import kinds
from longboat.apiserver.pki import Pki
from longboat.client.interface import Key
from longboat.controllers.unused_tokens import UnusedTokens
from longboat.testing.cluster import Cluster
from unit.apiserver.harness import Api
from unit.apiserver.test_tokens import whoami

LAST_USED, INVALID_SINCE = "kubernetes.io/legacy-token-last-used", "kubernetes.io/legacy-token-invalid-since"
ACCOUNT, ACCOUNT_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
USER = "system:serviceaccount:default:deployer"
TRACKING = "configmap/kube-apiserver-legacy-service-account-token-tracking"
CASE = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer}
---
apiVersion: v1
kind: Secret
metadata:
  name: deployer-token
  annotations: {kubernetes.io/service-account.name: deployer}
type: kubernetes.io/service-account-token
---
apiVersion: v1
kind: Secret
metadata:
  name: nobodys-token
  annotations: {kubernetes.io/service-account.name: no-such-account}
type: kubernetes.io/service-account-token
"""


def play(folder: Path, scene: Callable[[Cluster, Api], Awaitable[None]]) -> None:
    async def main() -> None:
        key = Pki(folder, VirtualClock()).service_account_key
        async with Cluster(service_account_key=key) as cluster:
            await cluster.apply(*yaml.safe_load_all(CASE))
            await cluster.settle()
            await scene(cluster, Api(cluster.api))

    asyncio.run(main())


def secret(called: str, **annotations: str) -> dict[str, Any]:
    named = {f"kubernetes.io/service-account.{key}": value for key, value in annotations.items()}
    return {
        "kind": "Secret",
        "metadata": {"name": called, "annotations": named},
        "type": "kubernetes.io/service-account-token",
    }


async def token(cluster: Cluster, name: str = "deployer-token") -> str:
    return base64.b64decode((await cluster.get(f"secret/{name}"))["data"]["token"]).decode()


def test_a_secret_is_filled_and_one_of_nobody_is_removed(tmp_path: Path) -> None:
    """Before, both stayed as they were given, for ever."""

    async def scene(cluster: Cluster, api: Api) -> None:
        found, account = await cluster.get("secret/deployer-token"), await cluster.get("sa/deployer")
        data = {key: base64.b64decode(value).decode() for key, value in found["data"].items()}
        assert set(data) == {"token", "ca.crt", "namespace"} and data["namespace"] == "default"
        assert data["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
        assert found["metadata"]["annotations"] == {ACCOUNT: "deployer", ACCOUNT_UID: account["metadata"]["uid"]}
        payload = data["token"].split(".")[1]
        assert msgspec.json.decode(base64.urlsafe_b64decode(payload + "==")) == {
            "iss": "kubernetes/serviceaccount", "sub": USER,
            "kubernetes.io/serviceaccount/namespace": "default",
            "kubernetes.io/serviceaccount/secret.name": "deployer-token",
            "kubernetes.io/serviceaccount/service-account.name": "deployer",
            "kubernetes.io/serviceaccount/service-account.uid": account["metadata"]["uid"],
        }  # fmt: skip
        assert not await cluster.exists("secret/nobodys-token")

        await cluster.patch("secret/deployer-token", {"data": {"ca.crt": "eA==", "namespace": None}})
        await cluster.settle()
        assert (await cluster.get("secret/deployer-token"))["data"] == found["data"], "the token is the same"
        await cluster.patch("secret/deployer-token", {"data": {"token": None}})
        await cluster.settle()
        assert await token(cluster), "asked for anew"

    play(tmp_path, scene)


def test_a_secret_goes_with_its_account_and_is_no_other_accounts(tmp_path: Path) -> None:
    async def scene(cluster: Cluster, api: Api) -> None:
        uid, held = (await cluster.get("sa/deployer"))["metadata"]["uid"], await token(cluster)
        await cluster.apply(secret("foreign", name="deployer", uid="another"), secret("own", name="deployer", uid=uid))
        await cluster.settle()
        assert not await cluster.exists("secret/foreign") and await token(cluster, "own")
        await cluster.delete("sa/deployer")
        await cluster.apply({"kind": "ServiceAccount", "metadata": {"name": "deployer"}})
        await cluster.settle()
        assert not await cluster.exists("secret/deployer-token") and not await cluster.exists("secret/own")
        assert await whoami(api, held) == 401

    play(tmp_path, scene)


def test_an_account_forgets_a_secret_that_has_gone(tmp_path: Path) -> None:
    async def scene(cluster: Cluster, api: Api) -> None:
        await cluster.patch("sa/deployer", {"secrets": [{"name": "deployer-token"}, {"name": "x", "uid": "1"}]})
        await cluster.delete("secret/deployer-token")
        await cluster.settle()
        assert (await cluster.get("sa/deployer"))["secrets"] == [{"name": "x", "uid": "1"}]

    play(tmp_path, scene)


def test_a_token_is_good_while_the_secret_holds_it(tmp_path: Path) -> None:
    """It has no end; what it stands for is looked at on each request, and nothing of it is remembered."""

    async def scene(cluster: Cluster, api: Api) -> None:
        held = await token(cluster)
        found = await whoami(api, held)
        assert found["username"] == USER and "extra" not in found
        assert found["uid"] == (await cluster.get("sa/deployer"))["metadata"]["uid"]
        groups = ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]
        assert found["groups"] == groups
        cluster.clock.step(timedelta(days=3000))
        assert (await whoami(api, held))["username"] == USER
        await cluster.patch("secret/deployer-token", {"metadata": {"finalizers": ["example.com/held"]}})
        await cluster.delete("secret/deployer-token")
        assert await whoami(api, held) == 401, "as soon as it is to go"
        await cluster.patch("secret/deployer-token", {"metadata": {"finalizers": None}})
        await cluster.apply(secret("deployer-token", name="deployer"))
        await cluster.settle()
        assert await whoami(api, held) == 401 and await whoami(api, await token(cluster)) != 401

        held = await token(cluster)
        await cluster.patch("secret/deployer-token", {"data": {"token": base64.b64encode(b"x").decode()}})
        assert await whoami(api, held) == 401, "another stands there now"
        assert await whoami(api, "x") == 401

    play(tmp_path, scene)


def test_a_token_goes_with_its_account_at_once(tmp_path: Path) -> None:
    async def scene(cluster: Cluster, api: Api) -> None:
        held = await token(cluster)
        await cluster.patch("sa/deployer", {"metadata": {"finalizers": ["example.com/held"]}})
        await cluster.delete("sa/deployer")
        assert await whoami(api, held) == 401
        assert await cluster.exists("secret/deployer-token")

    play(tmp_path, scene)


async def review(api: Api, held: str, *audiences: str) -> Any:
    spec = {"token": held, **({"audiences": list(audiences)} if audiences else {})}
    return (await api.make("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": spec}))["status"]


def test_a_review_knows_such_tokens(tmp_path: Path) -> None:
    async def scene(cluster: Cluster, api: Api) -> None:
        held = await token(cluster)
        own = "https://kubernetes.default.svc"
        for audiences in ((), (own, "vault")):
            found = await review(api, held, *audiences)
            assert found["authenticated"] and found["user"]["username"] == USER and found["audiences"] == [own]
        assert not (await review(api, held, "vault")).get("authenticated"), "it is good at the API server alone"
        await cluster.delete("secret/deployer-token")
        assert not (await review(api, held)).get("authenticated")

    play(tmp_path, scene)


async def label(cluster: Cluster, name: str) -> str | None:
    found: str | None = (await cluster.get("secret/deployer-token"))["metadata"].get("labels", {}).get(name)
    return found


def test_the_day_of_its_last_use_is_noted_once(tmp_path: Path) -> None:
    async def scene(cluster: Cluster, api: Api) -> None:
        assert await label(cluster, LAST_USED) is None
        held = await token(cluster)
        await asyncio.gather(*(whoami(api, held) for _ in range(20)))
        found = await cluster.get("secret/deployer-token")
        assert found["metadata"]["labels"] == {LAST_USED: "2026-01-01"}
        cluster.clock.step(timedelta(hours=23))
        await cluster.clock.advance(61)
        await whoami(api, held)
        same = await cluster.get("secret/deployer-token")
        assert same["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
        cluster.clock.step(timedelta(hours=2))
        assert (await review(api, held))["authenticated"]
        assert await label(cluster, LAST_USED) == "2026-01-02"

    play(tmp_path, scene)


def uses(text: str) -> dict[str, float]:
    return {
        line.split()[0].removeprefix("serviceaccount_"): float(line.split()[1])
        for line in text.splitlines() if line.startswith("serviceaccount_")
    }  # fmt: skip


def test_who_uses_a_token_made_of_itself_is_warned(tmp_path: Path) -> None:
    """And uses are counted by their sort."""

    async def scene(cluster: Cluster, api: Api) -> None:
        before = uses((await api.ask("GET", "/metrics"))[1])
        path, held = "/apis/authentication.k8s.io/v1/selfsubjectreviews", await token(cluster)
        answer = await api.response("POST", path, {}, who=None, authorization=f"Bearer {held}")
        assert not answer.warnings
        await cluster.patch("sa/deployer", {"secrets": [{"name": "deployer-token"}]})
        answer = await api.response("POST", path, {}, who=None, authorization=f"Bearer {held}")
        assert answer.status == 201 and "instead of auto-generated secret-based tokens" in answer.warnings[0]
        await cluster.patch("secret/deployer-token", {"metadata": {"labels": {INVALID_SINCE: "2026-01-01"}}})
        assert await whoami(api, held) == 401
        after = uses((await api.ask("GET", "/metrics"))[1])
        assert {name: after[name] - before[name] for name in after} == {
            "legacy_tokens_total": 3, "legacy_manual_token_uses_total": 1, "legacy_auto_token_uses_total": 1,
            "invalid_legacy_auto_token_uses_total": 1, "stale_tokens_total": 0, "valid_tokens_total": 0,
        }  # fmt: skip

    play(tmp_path, scene)


def test_a_token_that_nobody_uses_is_marked_and_goes_a_year_later(tmp_path: Path) -> None:
    """Only one that was made of itself; what its label says of it counts at once, and may be taken back."""

    async def scene(cluster: Cluster, api: Api) -> None:
        held = await token(cluster)
        (cleaner,) = (each for each in cluster.manager.controllers if isinstance(each, UnusedTokens))

        async def after(days: int) -> None:
            cluster.clock.step(timedelta(days=days))
            await cleaner.look()
            await cluster.settle()

        assert (await cluster.get(TRACKING, "kube-system"))["data"] == {"since": "2026-01-01"}
        await cluster.apply(secret("by-hand", name="deployer"))
        await after(368)
        assert await label(cluster, INVALID_SINCE) is None, "made by hand"
        await cluster.patch("sa/deployer", {"secrets": [{"name": "deployer-token"}]})
        user = {"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": "deployer-token"}}]}
        await cluster.apply({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [user]}})
        await after(1)
        assert await label(cluster, INVALID_SINCE) is None, "a pod uses it"
        await cluster.client.delete(kinds.POD, Key("default", "p"), grace=0)
        await after(1)
        assert await label(cluster, INVALID_SINCE) == "2027-01-06"
        assert await whoami(api, held) == 401
        assert await label(cluster, LAST_USED) == "2027-01-06", "somebody does use it"
        await cluster.patch("secret/deployer-token", {"metadata": {"labels": {INVALID_SINCE: None}}})
        assert (await whoami(api, held))["username"] == USER

        await after(365)
        assert await label(cluster, INVALID_SINCE) is None
        await after(1)
        assert await label(cluster, INVALID_SINCE) == "2028-01-07"
        await after(365)
        assert await cluster.exists("secret/deployer-token")
        await after(1)
        assert not await cluster.exists("secret/deployer-token") and await cluster.exists("secret/by-hand")
        assert "secrets" not in await cluster.get("sa/deployer")

    play(tmp_path, scene)


def test_nothing_is_unused_before_it_was_watched_for_a_year(tmp_path: Path) -> None:
    async def scene(cluster: Cluster, api: Api) -> None:
        (cleaner,) = (each for each in cluster.manager.controllers if isinstance(each, UnusedTokens))
        await cluster.patch("sa/deployer", {"secrets": [{"name": "deployer-token"}]})
        await cluster.patch(TRACKING, {"data": {"since": "2026-06-01"}}, namespace="kube-system")
        await cluster.settle()
        for days, marked in ((367, None), (149, None), (1, "2027-06-02")):
            cluster.clock.step(timedelta(days=days))
            await cleaner.look()
            assert await label(cluster, INVALID_SINCE) == marked

    play(tmp_path, scene)


def test_the_day_since_when_uses_are_noted_is_kept(tmp_path: Path) -> None:
    async def scene(cluster: Cluster, api: Api) -> None:
        cluster.clock.step(timedelta(days=1))
        await cluster.patch(TRACKING, {"data": {"since": "yesterday"}}, namespace="kube-system")
        await cluster.settle()
        assert (await cluster.get(TRACKING, "kube-system"))["data"] == {"since": "2026-01-02"}
        await cluster.delete(TRACKING, namespace="kube-system")
        await cluster.settle()
        assert not await cluster.exists(TRACKING, "kube-system"), "servers might fight over it"
        await cluster.clock.advance(timedelta(minutes=30))
        assert await cluster.exists(TRACKING, "kube-system")

    play(tmp_path, scene)
