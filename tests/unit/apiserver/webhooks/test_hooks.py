"""Which requests a webhook is asked about."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.api import kinds
from longboat.apiserver.admission.webhooks.hooks import Hook
from longboat.machinery.kinds import Kind
from longboat.machinery.subresource import Subresource
from longboat.registry.admission import Attributes
from longboat.registry.write import Write

RULE = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}


def hook(rule: Any = (), **spec: Any) -> Hook:
    return Hook("c", ("c", 1, 0), {"name": "h.example.com", "rules": [{**RULE, **dict(rule)}], **spec})


def asked(kind: Any = kinds.POD, part: str = "", operation: str = "CREATE", **more: Any) -> Attributes:
    subresource = Subresource(part, ()) if part else None
    namespace = "n" if kind.namespaced else ""
    write = Write(operation=operation, subresource=part)
    return Attributes(write, kind, subresource, namespace, "x", more.get("obj"), more.get("old"))


def others(kind: Kind, part: str) -> list[Kind]:
    return [kinds.HPA_V1] if kind == kinds.HPA and not part else []


@pytest.mark.parametrize(
    ("rule", "attributes", "covered"),
    [
        ({}, asked(), True),
        ({"resources": ["*"]}, asked(), True),
        ({"resources": ["*"]}, asked(part="status"), False),
        ({"resources": ["pods"]}, asked(part="status"), False),
        ({"resources": ["pods/status"]}, asked(part="status"), True),
        ({"resources": ["pods/status"]}, asked(), False),
        ({"resources": ["pods/*"]}, asked(), True),
        ({"resources": ["pods/*"]}, asked(part="status"), True),
        ({"resources": ["*/status"]}, asked(part="status"), True),
        ({"resources": ["*/status"]}, asked(), False),
        ({"resources": ["services"]}, asked(), False),
        ({"operations": ["UPDATE", "DELETE"]}, asked(), False),
        ({"operations": ["UPDATE", "CREATE"]}, asked(), True),
        ({"operations": ["CONNECT"]}, asked(part="exec", operation="CONNECT"), True),
        ({"apiGroups": ["apps"]}, asked(), False),
        ({"apiGroups": ["", "apps"]}, asked(kinds.DEPLOYMENT), True),
        ({"apiVersions": ["v2"]}, asked(), False),  # there is none
        ({"apiVersions": ["v1"]}, asked(kinds.HPA), True),  # another version of the same: it could be written by that
        ({"scope": "Namespaced"}, asked(), True),
        ({"scope": "Cluster"}, asked(), False),
        ({"scope": "Cluster"}, asked(kinds.NODE), True),
        ({"scope": "Namespaced"}, asked(kinds.NODE), False),
        ({"scope": "Cluster"}, asked(kinds.NAMESPACE), True),
    ],
)
def test_rules(rule: Any, attributes: Attributes, covered: bool) -> None:
    assert (hook(rule).asked_about(attributes, dict, others) is not None) is covered


def test_the_version_that_it_is_shown() -> None:
    rule = {"apiGroups": ["autoscaling"], "apiVersions": ["v1"], "resources": ["horizontalpodautoscalers"]}
    assert hook(rule).asked_about(asked(kinds.HPA), dict, others) == kinds.HPA_V1
    assert hook(rule | {"apiVersions": ["v1", "v2"]}).asked_about(asked(kinds.HPA), dict, others) == kinds.HPA
    assert hook(rule, matchPolicy="Exact").asked_about(asked(kinds.HPA), dict, others) is None


def test_exactly_a_version() -> None:
    assert not hook({"apiVersions": ["v2"]}, matchPolicy="Exact").asked_about(asked(), dict, others)
    assert hook({"apiVersions": ["v1"]}, matchPolicy="Exact").asked_about(asked(), dict, others)


def test_selectors() -> None:
    mine = {"matchLabels": {"a": "b"}}
    labelled, bare = {"metadata": {"labels": {"a": "b"}}}, {"metadata": {}}
    by_object = hook(objectSelector=mine)
    assert by_object.asked_about(asked(obj=labelled), dict, others)
    assert by_object.asked_about(asked(obj=bare, old=labelled), dict, others)
    assert not by_object.asked_about(asked(obj=bare, old=bare), dict, others)
    assert not by_object.asked_about(
        asked(obj={"command": ["sh"]}), dict, others
    )  # options of a connection have no labels
    by_namespace = hook(namespaceSelector=mine)
    assert by_namespace.asked_about(asked(), lambda: {"a": "b"}, others)
    assert not by_namespace.asked_about(asked(), dict, others)
    assert by_namespace.asked_about(asked(), lambda: None, others)  # of a namespace that nobody knows: it may guard
