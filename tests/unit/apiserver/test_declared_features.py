"""What a change of a bound pod needs of its node, and that it is refused where the node has not said so."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.api import kinds
from longboat.apiserver.admission.declared_features import (
    GUARANTEED_CPU,
    POD_LEVEL,
    NodeDeclaredFeatureValidator,
)
from longboat.machinery.errors import StatusError
from longboat.node.node_status import FEATURES
from unit.apiserver.writes import attributes


def pod(cpu: str, *, qos: str = "Guaranteed", generation: int = 1, whole: Any = None, node: str = "n") -> Any:
    amounts = {"cpu": cpu, "memory": "1Gi"}
    spec = {"nodeName": node, "containers": [{"name": "c", "resources": {"requests": amounts, "limits": amounts}}]}
    if whole:
        spec["resources"] = {"requests": {"cpu": whole}}
    return {"metadata": {"name": "p", "generation": generation}, "spec": spec, "status": {"qosClass": qos}}


def judged(old: Any, new: Any, *declared: str, nodes: tuple[str, ...] = ("n",)) -> str:
    def lookup(kind: Any, namespace: str, name: str) -> Any:
        return {"metadata": {"name": name}, "status": {"declaredFeatures": list(declared)}} if name in nodes else None

    plugin, wish = NodeDeclaredFeatureValidator(lookup), attributes("UPDATE", kinds.POD, "d", "p", new, old, "resize")
    assert plugin.handles(wish.target)
    try:
        plugin.validate(wish)
    except StatusError as error:
        assert error.code == 403
        return error.message.removeprefix('pods "p" is forbidden: ')
    return ""


@pytest.mark.parametrize(
    ("old", "new", "needs"),
    [
        (pod("1"), pod("2", generation=2), GUARANTEED_CPU),
        (pod("1"), pod("1000m", generation=2), ""),
        (pod("1"), pod("2"), ""),  # the spec has not changed, says the generation
        (pod("1", qos="Burstable"), pod("2", qos="Burstable", generation=2), ""),
        (pod("1", node=""), pod("2", node="", generation=2), ""),
        (pod("1", whole="2"), pod("1", whole="3", generation=2), POD_LEVEL),
        (pod("1", whole="2"), pod("1", whole="2000m", generation=2), ""),
        (pod("1", whole="2"), pod("2", whole="3", generation=2), f"{GUARANTEED_CPU}, {POD_LEVEL}"),
        (pod("1"), pod("1", whole="3", generation=2), POD_LEVEL),
    ],
)
def test_what_a_change_needs(old: Any, new: Any, needs: str) -> None:
    said = f'pod update requires features {needs} which are not available on node "n"' if needs else ""
    assert judged(old, new) == said
    assert judged(old, new, *FEATURES) == ""  # as Longboat's nodes declare
    assert judged(old, new, nodes=()) == ('node "n" not found' if needs else "")


def test_only_changes_of_pods_are_looked_at() -> None:
    plugin = NodeDeclaredFeatureValidator(lambda *_: None)
    for operation, part in (("CREATE", ""), ("UPDATE", "status"), ("UPDATE", "ephemeralcontainers")):
        assert not plugin.handles(attributes(operation, kinds.POD, "d", "p", {}, subresource=part).target)
