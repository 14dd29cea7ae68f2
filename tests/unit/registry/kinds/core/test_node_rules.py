"""Rules of nodes and namespaces that no recorded answer shows."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from longboat.machinery.fieldpath import Errors
from unit.registry.kinds.checks import BY_RESOURCE, CTX, changed, made, said, said_of_update

NODE = BY_RESOURCE["nodes"]
PLAIN: dict[str, Any] = {"metadata": {"name": "n"}, "spec": {}}
TAINT = {"key": "a", "value": "b", "effect": "NoSchedule"}
SHOWN = '{"Key":"a","Value":"c","Effect":"NoSchedule","TimeAdded":null}'
UNIQUE = f"metadata.taints[1]: Duplicate value: {SHOWN}: taints must be unique by key and effect pair"
FAMILIES = "may specify no more than one CIDR for each IP family"
CHANGED = 'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
HOST = {"type": "InternalIP", "address": "10.0.0.1"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"spec__taints": [TAINT, TAINT | {"value": "c"}]}, [UNIQUE]),
        ({"spec__taints": [TAINT, TAINT | {"effect": "NoExecute"}]}, []),
        ({"spec__taints": [{"key": "a"}]}, ["metadata.taints[0].effect: Required value"]),
        ({"spec__podCIDRs": ["10.0.0.0/24", "10.0.1.0/24"]}, [
            f'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: {FAMILIES}']),
        ({"spec__podCIDRs": ["10.0.0.0/24", "fd00::/64"]}, []),
        ({"status__nodeInfo": {"swap": {"capacity": 0}}}, [
            "metadata.nodeSwapStatus.capacity: Invalid value: 0: must be greater than zero"]),
    ],
)  # fmt: skip
def test_new_nodes(change: dict[str, Any], expected: list[str]) -> None:
    assert said(NODE, changed(PLAIN, **change)) == expected


BOUND = changed(PLAIN, spec__podCIDRs=["10.0.0.0/24", "fd00::/64"], spec__providerID="p")


@pytest.mark.parametrize(
    ("old", "change", "expected"),
    [
        (PLAIN, {"spec__podCIDRs": ["10.0.0.0/24"], "spec__providerID": "p"}, []),
        (BOUND, {"spec__podCIDRs": ["10.0.1.0/24", "fd01::/64"]}, [CHANGED, CHANGED]),  # upstream: one for each
        (BOUND, {"spec__podCIDRs": None}, [CHANGED]),
        (BOUND, {"spec__providerID": None}, [
            'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid']),
        (PLAIN, {"spec__externalID": "x"}, ["spec.externalID: Forbidden: may not be updated"]),
        (PLAIN, {"spec__taints": [TAINT, TAINT | {"value": "c"}]}, [UNIQUE, UNIQUE]),  # upstream looks twice
    ],
)  # fmt: skip
def test_changed_nodes(old: dict[str, Any], change: dict[str, Any], expected: list[str]) -> None:
    assert said_of_update(NODE, old, changed(old, **change)) == expected


TAINTS, AVOIDED = "scheduler.alpha.kubernetes.io/taints", "scheduler.alpha.kubernetes.io/preferAvoidPods"
NOTES = "metadata.annotations"
INTO = "json: cannot unmarshal"
SHOWN_BARE = '{"Key":"a","Value":"","Effect":"","TimeAdded":null}'
CONTROLLER = '{"preferAvoidPods": [{"podSignature": {"podController": {"controller": true, "kind": "Job"}}}]}'


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        (TAINTS, "", []),
        (TAINTS, "null", []),
        (TAINTS, '[{"key": "a", "effect": "NoSchedule"}]', []),
        (TAINTS, '[{"key": "a"}, {"key": "a"}]', [
            f"{NOTES}.{TAINTS}[0].effect: Required value", f"{NOTES}.{TAINTS}[1].effect: Required value",
            f"{NOTES}.{TAINTS}[1]: Duplicate value: {SHOWN_BARE}: taints must be unique by key and effect pair"]),
        (TAINTS, "x", [f'{NOTES}: Invalid value: "{TAINTS}": invalid character \'x\' looking for beginning of value']),
        (TAINTS, "{}", [f'{NOTES}: Invalid value: "{TAINTS}": {INTO} object into Go value of type []core.Taint']),
        (AVOIDED, "{}", []),
        (AVOIDED, CONTROLLER, []),
        (AVOIDED, '{"preferAvoidPods": [{}, {"podSignature": {"podController": {"kind": "Job"}}}]}', [
            f"{NOTES}.{AVOIDED}[0].PodSignature: Required value",
            f"{NOTES}.{AVOIDED}[1].PodSignature.PodController.Controller: Invalid value: false: must point to a "
            "controller"]),
        (AVOIDED, "[]", [
            f'{NOTES}.AvoidPods: Invalid value: "{AVOIDED}": {INTO} array into Go value of type v1.AvoidPods']),
        (AVOIDED, '{"preferAvoidPods": {}}', [
            f'{NOTES}.AvoidPods: Invalid value: "{AVOIDED}": {INTO} object into Go struct field '
            "AvoidPods.preferAvoidPods of type []v1.PreferAvoidPodsEntry"]),
        (AVOIDED, "[" * 100_000, [f'{NOTES}.AvoidPods: Invalid value: "{AVOIDED}": exceeded max depth']),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)  # fmt: skip
def test_annotations_of_nodes(key: str, text: str, expected: list[Any]) -> None:
    node = changed(PLAIN, metadata__annotations={key: text})
    assert said(NODE, node) == said_of_status(node) == expected
    assert said_of_update(NODE, PLAIN, node) == expected * 2  # upstream looks twice


def said_of_status(node: dict[str, Any]) -> list[str]:
    err = Errors()
    NODE.validate_status(node, PLAIN, err)
    return [str(cause) for cause in err]


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (["A", "AThing/ofIts/Own2", "B"], []),
        (["B", "A", "A"], ["[1]: Invalid value: \"A\": list must be sorted alphabetically",
                           '[2]: Duplicate value: "A"']),
        (["a"], ['[0]: Invalid value: "a": invalid feature name "a": must start with an UpperCamelCase segment, with '
                 "subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only "
                 "alphanumeric characters and slashes"]),
        (["A" * 254], [f'[0]: Invalid value: "{"A" * 254}": invalid feature name "{"A" * 254}": must be no more than '
                       "253 characters"]),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_features_that_nodes_declare(features: list[str], expected: list[str]) -> None:
    node = changed(PLAIN, status__declaredFeatures=features)
    assert said(NODE, node) == [f"status.declaredFeatures{line}" for line in expected]
    assert said_of_status(node) == said(NODE, node)


def test_addresses_are_there_once() -> None:
    twice = changed(PLAIN, status__addresses=[HOST, HOST])
    assert said_of_update(NODE, PLAIN, twice, "status") == [
        'status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"10.0.0.1"}'
    ]


def test_finalizers_of_namespaces() -> None:
    """Given in a finalize call they are told with where they are, in a new namespace without."""
    namespaces = BY_RESOURCE["namespaces"]
    plain: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {"finalizers": ["kubernetes"]}}
    wrong = changed(plain, spec__finalizers=["kubernetes", "mine"])
    why = 'Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'
    assert said(namespaces, wrong) == [f"spec.finalizers: {why}"]
    assert said_of_update(namespaces, plain, wrong, "finalize") == [f"spec.finalizers[1]: {why}"]


def test_a_node_is_not_configured_through_the_api_any_more() -> None:
    nodes = BY_RESOURCE["nodes"]
    source = {"configMap": {"name": "a", "namespace": "b", "kubeletConfigKey": "k"}}
    wish = {"metadata": {"name": "n"}, "spec": {"configSource": source}, "status": {"config": {"error": "x"}}}
    new = made(nodes, wish)
    assert (new["spec"], new["status"]) == ({}, {})
    had, again = copy.deepcopy(wish), copy.deepcopy(wish)  # of an older version
    nodes.prepare_update(again, had, CTX)
    assert again == wish
    bare = made(nodes, {"metadata": {"name": "n"}})
    nodes.prepare_status(again, bare, CTX)
    assert (again["spec"], again["status"]) == ({}, {})
