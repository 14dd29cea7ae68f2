"""What autoscalers may not say, beyond what upstream's recordings hold."""

from __future__ import annotations

import json

import pytest

from longboat.api import kinds
from longboat.machinery.types.schema import load
from unit.registry.kinds.checks import BY_RESOURCE, STRATEGIES, Thing, changed, said, said_of_update

SCALERS = BY_RESOURCE["horizontalpodautoscalers.autoscaling"]
V1 = next(s for s in STRATEGIES if s.kind.name == "HorizontalPodAutoscaler" and s.kind.version == "v1")
CPU: Thing = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
}
QUEUE: Thing = {
    "type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "1"}},
}  # fmt: skip
OF_OBJECT: Thing = {
    "type": "Object",
    "object": {
        "describedObject": {"kind": "Service", "name": "s", "apiVersion": "v1"},
        "metric": {"name": "hits"}, "target": {"type": "Value", "value": "1"},
    },
}  # fmt: skip
SCALER: Thing = {
    "metadata": {"name": "h"},
    "spec": {
        "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
        "minReplicas": 1, "maxReplicas": 3, "metrics": [CPU],
    },
}  # fmt: skip
METRIC = "spec.metrics[0]"


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        ({"spec__metrics": [QUEUE]}, []),
        ({"spec__metrics": [OF_OBJECT]}, []),
        ({"spec__scaleTargetRef": {"kind": "ReplicationController", "name": "r", "apiVersion": "v1"}}, []),
        ({"spec__scaleTargetRef__apiVersion": "v1"},
         ['spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group']),
        ({"spec__scaleTargetRef__apiVersion": "a/b/c"},
         ['spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c']),
        ({"spec__scaleTargetRef__name": "a/b"},
         ["spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'"]),
        ({"spec__minReplicas": 0}, [
            "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
            "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero "
            "replicas",
        ]),
        ({"spec__metrics": [{**CPU, **QUEUE}]},
         [f"{METRIC}.resource: Forbidden: must populate the given metric source only"]),
        ({"spec__metrics": [{**QUEUE, "external": None, "pods": {}}]}, [
            f"{METRIC}.pods.metric.name: Required value: must specify a metric name",
            f"{METRIC}.pods.target.type: Required value: must specify a metric target type",
            f'{METRIC}.pods.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
            f"{METRIC}.pods.target.averageValue: Required value: must specify a positive target averageValue",
            f"{METRIC}.external: Required value: must populate information for the given metric source",
        ]),
        ({"spec__metrics__0__resource__target__averageValue": "0"}, [
            f'{METRIC}.resource.target.averageValue: Invalid value: "0": must be positive',
            f"{METRIC}.resource.target.averageValue: Forbidden: may not set both a target raw value and a target "
            "utilization",
        ]),
        ({"spec__metrics": [changed(QUEUE, external__target__averageValue="1")]}, [
            f"{METRIC}.external.target.value: Forbidden: may not set both a target value for metric and a per-pod "
            "target",
        ]),
        ({"spec__metrics": [changed(OF_OBJECT, object__describedObject__apiVersion="a/b/c")]}, [
            f'{METRIC}.object.describedObject.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'
        ]),
        ({"spec__behavior": {"scaleUp": {"tolerance": "-1"}}},
         ['spec.behavior.scaleUp.tolerance: Invalid value: "-1": must be greater than or equal to 0']),
    ],
)  # fmt: skip
def test_what_is_refused(changes, wrong):
    assert said(SCALERS, changed(SCALER, **changes)) == wrong


def test_what_an_older_server_took_may_stay():
    zero = changed(SCALER, spec__minReplicas=0, spec__metrics=[QUEUE], spec__scaleTargetRef__apiVersion="v1")
    assert said_of_update(SCALERS, zero, changed(zero, spec__maxReplicas=4)) == []
    assert said_of_update(SCALERS, zero, changed(zero, spec__scaleTargetRef__kind="ReplicaSet")) == [
        'spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group'
    ]
    odd = changed(OF_OBJECT, object__describedObject__apiVersion="a/b/c")
    assert (
        said_of_update(SCALERS, changed(SCALER, spec__metrics=[odd]), changed(SCALER, spec__metrics=[odd, odd])) == []
    )


def test_v1_is_held_to_what_it_stands_for():
    scaler = changed(SCALER, spec__metrics=None, spec__targetCPUUtilizationPercentage=0)
    wrong = "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0"
    assert said(V1, scaler) == [wrong]
    assert said_of_update(V1, scaler, scaler) == [wrong]


def test_behavior_that_says_little_gets_the_default_policies():
    assert said(SCALERS, changed(SCALER, spec__behavior={"scaleDown": {}, "scaleUp": {"selectPolicy": "Min"}})) == []


def test_a_list_of_no_policies_is_no_wish_for_the_default_ones():
    """Upstream defaults what is absent only, which an empty list is not."""
    sent = changed(SCALER, spec__behavior={"scaleUp": {"policies": []}})
    found, _ = load().decode(kinds.HPA, json.dumps(sent).encode())
    required = ["spec.behavior.scaleUp.policies: Required value: must specify at least one Policy"]
    assert said(SCALERS, found) == required
