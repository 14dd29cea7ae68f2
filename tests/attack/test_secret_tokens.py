"""Tokens that stand in Secrets have no end: only the very one that stands there is good, and for its account alone."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt

from longboat.aio.clock import VirtualClock
from longboat.apiserver.authn.identity import Rejected
from longboat.apiserver.authn.secret_tokens import Claims, claims
from longboat.apiserver.authn.serviceaccounts import ServiceAccountTokens, TokenIssuer
from longboat.apiserver.pki import Pki
from longboat.apiserver.request import Request
from unit.apiserver.harness import Api, play

NS = "kubernetes.io/serviceaccount/"
Thing = dict[str, Any]


async def nothing(limit: int) -> bytes:
    return b""


async def pass_over(secret: Thing) -> None:
    pass


class House:
    """Two accounts, each with a Secret that holds its token."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        self.issuer = TokenIssuer(Pki(folder, clock).service_account_key, clock)
        self.objects: dict[tuple[str, str, str], Thing] = {}
        for name in ("poor", "rich"):
            self.put("serviceaccounts", name, uid=f"{name}-1")
            self.put("secrets", name, token=self.issuer.issue_for_secret("ns", name, f"{name}-1", name))
        self.tokens = ServiceAccountTokens(self.issuer, lambda *key: self.objects.get(key), pass_over)

    def put(self, plural: str, name: str, uid: str = "1", token: str = "") -> None:
        data = {"data": {"token": base64.b64encode(token.encode()).decode()}} if token else {}
        self.objects[plural, "ns", name] = {"metadata": {"name": name, "namespace": "ns", "uid": uid}, **data}

    def held(self, name: str) -> str:
        return base64.b64decode(self.objects["secrets", "ns", name]["data"]["token"]).decode()

    def signed(self, **changes: str) -> str:
        """A token such as only the cluster's key could sign, with other claims."""
        said = {**claims("ns", "poor", "poor-1", "poor"), **{key.replace("_", "."): v for key, v in changes.items()}}
        return jwt.encode(self.issuer._header, said, self.issuer._key, algorithms=["ES256"])

    def who(self, token: str) -> str:
        request = Request("GET", "/", {}, {}, nothing)
        return asyncio.run(self.tokens.user(token, request))[0].name


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, VirtualClock())


def test_only_what_stands_there_is_good(house: House, tmp_path: Path) -> None:
    """The signature alone is not enough: who puts a token of one account into another's Secret has nothing."""
    own, other = house.held("poor"), House(tmp_path / "other", VirtualClock())
    assert house.who(own) == "system:serviceaccount:ns:poor"
    for stranger in (other.held("poor"), f"{own}x", own.rpartition(".")[0] + ".", "a.b.c"):
        with pytest.raises(Rejected):
            house.who(stranger)
    house.put("secrets", "poor", token=house.held("rich"))
    with pytest.raises(Rejected):
        house.who(own)
    assert house.who(house.held("rich")) == "system:serviceaccount:ns:rich", "which stands in its own, too"
    del house.objects["secrets", "ns", "rich"]
    with pytest.raises(Rejected):
        house.who(house.held("poor"))


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "system:serviceaccount:ns:rich"}, {f"{NS}service-account_name": "rich"}, {f"{NS}namespace": "other"},
        {f"{NS}service-account_uid": "rich-1"}, {f"{NS}service-account_uid": ""}, {f"{NS}secret_name": ""},
        {f"{NS}secret_name": "rich"}, {"sub": ""},
    ],
)  # fmt: skip
def test_a_token_that_names_two_is_nobodys(house: House, changes: dict[str, str]) -> None:
    token = house.signed(**changes)
    house.put("secrets", "poor", token=token)
    with pytest.raises(Rejected):
        house.who(token)


def test_a_token_is_not_one_of_the_other_sort(house: House) -> None:
    """One with an end is not good without: the issuer that it names says which rules it is held to."""
    account = house.objects["serviceaccounts", "ns", "poor"]
    bound = jwt.decode(house.issuer.issue("ns", account, 600), house.issuer._key, algorithms=["ES256"]).claims
    for said in (
        {**bound, "iss": "kubernetes/serviceaccount"},
        {**claims("ns", "poor", "poor-1", "poor"), "iss": house.issuer.issuer},
    ):
        token = jwt.encode(house.issuer._header, said, house.issuer._key, algorithms=["ES256"])
        house.put("secrets", "poor", token=token)
        with pytest.raises(Rejected):
            house.who(token)
    assert Claims.__struct_fields__ == ("iss", "sub", "namespace", "secret", "account", "uid")


def test_a_token_is_gone_with_its_secret_and_its_account_at_once(house: House) -> None:
    """No minute is granted, as there is to tokens that end by themselves; and nothing about it is remembered."""
    token, account = house.held("poor"), house.objects["serviceaccounts", "ns", "poor"]
    for plural in ("secrets", "serviceaccounts"):
        metadata = house.objects[plural, "ns", "poor"]["metadata"]
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        with pytest.raises(Rejected):
            house.who(token)
        del metadata["deletionTimestamp"]
        assert house.who(token)
    account["metadata"]["uid"] = "poor-2"
    with pytest.raises(Rejected):
        house.who(token)


def test_the_trail_names_the_secret_and_never_shows_it(tmp_path: Path) -> None:
    clock = VirtualClock()
    log = tmp_path / "audit.log"

    async def scene(api: Api) -> None:
        account = await api.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "robot"}})
        assert api.server.issuer is not None and api.server.audit.trail is not None
        token = api.server.issuer.issue_for_secret("default", "robot", account["metadata"]["uid"], "held")
        annotations = {"kubernetes.io/service-account.name": "robot"}
        body = {
            "metadata": {"name": "held", "annotations": annotations}, "type": "kubernetes.io/service-account-token",
            "stringData": {"token": token},
        }  # fmt: skip
        await api.make("/api/v1/namespaces/default/secrets", body)
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        assert (await api.ask("POST", path, {}, who=None, authorization=f"Bearer {token}"))[0] == 201
        await api.server.audit.trail.flush()
        text = log.read_text()
        assert '"authentication.k8s.io/legacy-token-manual-secret":"held"' in text
        assert token not in text and base64.b64encode(token.encode()).decode() not in text

    play(scene, clock, service_account_key=Pki(tmp_path / "pki", clock).service_account_key, audit_log=log)
