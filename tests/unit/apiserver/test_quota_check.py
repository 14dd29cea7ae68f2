"""Whether quotas leave room, in whose words that is refused, and who gets the last of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from longboat.api import kinds
from longboat.api.amounts import written
from longboat.apiserver.admission.quota_check import Account, Claim, decide, is_counted
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from suites.objects import container, pod
from unit.apiserver.writes import attributes

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def account(name: str = "q", *, used: Any = None, scopes: Any = (), **hard: str) -> Account:
    limits = {key.replace("_", "."): value for key, value in hard.items()}
    spent = dict.fromkeys(limits, "0") if used is None else used
    return Account.of(
        {"metadata": {"name": name}, "spec": {"scopes": list(scopes)}, "status": {"hard": limits, "used": spent}}
    )


def asking(cpu: str) -> Object:
    return pod("p", container(requests={"cpu": cpu}))


def claim(obj: Object, kind: Kind = kinds.POD, operation: str = "CREATE", **more: Any) -> Claim:
    return Claim(attributes(operation, kind, "default", "p", obj, **more), NOW)


def verdicts(accounts: list[Account], *claims: Claim) -> list[str]:
    decide(accounts, claims)
    return [each.refusal.message if each.refusal else "" for each in claims]


def test_first_come_first_served() -> None:
    one = account(pods="2")
    said = verdicts([one], claim(pod()), claim(pod()), claim(pod()))
    assert said[:2] == ["", ""]
    assert said[2] == 'pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'
    assert written(one.used) == {"pods": "2"} and one.changed


def test_every_resource_that_is_exceeded_is_named_and_no_other() -> None:
    one = account(pods="9", cpu="1", requests_cpu="2", used={"pods": "0", "cpu": "500m", "requests.cpu": "1800m"})
    (said,) = verdicts([one], claim(asking("600m")))
    what = "requested: cpu=600m,requests.cpu=600m, used: cpu=500m,requests.cpu=1800m, limited: cpu=1,requests.cpu=2"
    assert said.endswith(f"exceeded quota: q, {what}")
    assert not one.changed


def test_what_one_quota_refuses_is_taken_from_none() -> None:
    wide, narrow = account("wide", pods="9"), account("narrow", pods="0")
    assert "exceeded quota: narrow" in verdicts([wide, narrow], claim(pod()))[0]
    assert written(wide.used) == {"pods": "0"}


def test_a_quota_out_of_whose_scope_a_pod_is_does_not_mind() -> None:
    assert verdicts([account(pods="0", scopes=["NotBestEffort"])], claim(pod())) == [""]


def test_a_rehearsal_is_refused_as_the_play_would_be_and_takes_nothing() -> None:
    one = account(pods="1")
    assert verdicts([one], claim(pod(), dry_run=True), claim(pod())) == ["", ""]
    assert "exceeded" in verdicts([one], claim(pod(), dry_run=True))[0]
    assert written(one.used) == {"pods": "1"}


def test_who_does_not_ask_for_what_is_limited_is_refused() -> None:
    (said,) = verdicts([account(limits_cpu="1")], claim(asking("1")))
    assert said == 'pods "p" is forbidden: failed quota: q: must specify limits.cpu for: c'


def test_nothing_is_made_while_nobody_knows_what_is_used() -> None:
    (said,) = verdicts([account(pods="1", services="1", used={"services": "0"})], claim(pod()))
    assert said == 'pods "p" is forbidden: status unknown for quota: q, resources: pods'


def test_a_limit_that_was_lowered_since_is_nothing_to_who_takes_no_more() -> None:
    service: Object = {"spec": {"type": "NodePort", "ports": [{}]}}
    one = account(services="0", services_nodeports="2", used={"services": "1", "services.nodeports": "1"})
    change = claim({"spec": {"type": "NodePort", "ports": [{}, {}]}}, kinds.SERVICE, "UPDATE", old=service)
    assert verdicts([one], change) == [""]
    assert written(one.used) == {"services": "1", "services.nodeports": "2"}
    less = claim(service, kinds.SERVICE, "UPDATE", old={"spec": {"type": "NodePort", "ports": [{}, {}]}})
    assert verdicts([one], less) == [""]
    assert written(one.used)["services.nodeports"] == "2", "what is given back is the controller's to count"


@pytest.mark.parametrize(
    ("kind", "operation", "subresource", "counted"),
    [
        (kinds.POD, "CREATE", "", True),
        (kinds.POD, "UPDATE", "", False),
        (kinds.POD, "UPDATE", "resize", True),
        (kinds.POD, "UPDATE", "status", False),
        (kinds.POD, "CREATE", "eviction", False),
        (kinds.POD, "DELETE", "", False),
        (kinds.SERVICE, "UPDATE", "", True),
        (kinds.PERSISTENT_VOLUME_CLAIM, "UPDATE", "", True),
        (kinds.CONFIG_MAP, "CREATE", "", True),
        (kinds.CONFIG_MAP, "UPDATE", "", False),
        (kinds.CORE_EVENT, "CREATE", "", False),
        (kinds.NODE, "CREATE", "", False),
        (kinds.NAMESPACE, "CREATE", "", False),
    ],
)
def test_what_is_counted(kind: Kind, operation: str, subresource: str, counted: bool) -> None:
    assert is_counted(attributes(operation, kind, "default", "x", {}, subresource=subresource).target) is counted
