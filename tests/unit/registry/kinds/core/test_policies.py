"""What quotas, limit ranges, events and classes may not say, beyond what upstream's recordings hold."""

from __future__ import annotations

import pytest

from unit.registry.kinds.checks import BY_RESOURCE, STRATEGIES, Thing, changed, said, said_of_update

QUOTAS, RANGES, CLASSES, RUNTIMES = (
    BY_RESOURCE[name]
    for name in ("resourcequotas", "limitranges", "priorityclasses.scheduling.k8s.io", "runtimeclasses.node.k8s.io")
)
EVENTS = next(s for s in STRATEGIES if s.kind.resource == "events.events.k8s.io")
QUOTA: Thing = {"metadata": {"name": "q", "namespace": "n"}, "spec": {"hard": {"pods": "1"}}}
RANGE: Thing = {"metadata": {"name": "r", "namespace": "n"}}
EVENT: Thing = {
    "metadata": {"name": "e", "namespace": "n"}, "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal",
    "reportingController": "c", "reportingInstance": "i", "action": "a", "reason": "r", "regarding": {"namespace": "n"},
}  # fmt: skip
SCOPE = "spec.scopeSelector.matchExpressions"


def choosing(**expression: object) -> Thing:
    return {"spec__scopeSelector": {"matchExpressions": [expression]}}


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"spec__scopes": ["BestEffort"]}, []),
        ({"spec__scopes": ["BestEffort"], "spec__hard": {"cpu": "1", "count/jobs.batch": "1", "a.b/c": "1"}},
         ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource']),
        ({"spec__scopes": ["Terminating", "NotTerminating"]},
         ['spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes']),
        ({"spec__scopes": ["VolumeAttributesClass"], "spec__hard": {"requests.storage": "1"}}, []),
        (choosing(scopeName="PriorityClass", operator="Exists"), []),
        (choosing(scopeName="PriorityClass", operator="Exists", values=["a"]), [
            f'{SCOPE}.values: Invalid value: ["a"]: must be no value when `operator` is \'Exist\' or \'DoesNotExist\' '
            "for scope selector"
        ]),
        (choosing(scopeName="BestEffort", operator="In", values=["a"]), [
            f"{SCOPE}.operator: Invalid value: \"In\": must be 'Exist' when scope is any of "
            "ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
            "ResourceQuotaScopeNotBestEffort or "
            "ResourceQuotaScopeCrossNamespacePodAffinity"
        ]),
    ],
)  # fmt: skip
def test_quotas(changes, wrong):
    assert said(QUOTAS, changed(QUOTA, **changes)) == wrong


@pytest.mark.parametrize(
    ("item", "wrong"),
    [
        ({"type": "Container", "min": {"cpu": "1"}, "max": {"cpu": "4"}, "maxLimitRequestRatio": {"cpu": "4"}}, []),
        ({"type": "Container", "min": {"cpu": "1"}, "max": {"cpu": "4"}, "maxLimitRequestRatio": {"cpu": "4.5"}}, [
            'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "4500m": ratio 4500m is greater than '
            "max/min = 4.000000"
        ]),
        ({"type": "Container", "min": {"cpu": "0"}, "max": {"cpu": "4"}, "maxLimitRequestRatio": {"cpu": "9"}}, []),
        ({"type": "Container", "default": {"a.b/c": "2"}, "defaultRequest": {"a.b/c": "1"}}, [
            'spec.limits[0].defaultRequest[a.b/c]: Invalid value: "1": default value 2 must equal to '
            "defaultRequest value 1 in a.b/c"
        ]),
    ],
)  # fmt: skip
def test_limit_ranges(item, wrong):
    assert said(RANGES, changed(RANGE, spec={"limits": [item]})) == wrong


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        ({"regarding__namespace": "elsewhere"}, []),
        ({"regarding": None}, ['involvedObject.namespace: Invalid value: "": does not match event.namespace']),
        ({"deprecatedCount": 1}, ['count: Invalid value: "": needs to be unset']),
        ({"deprecatedSource": {"host": "h"}}, ['source: Invalid value: "": needs to be unset']),
        ({"series": {"count": 1}}, [
            'series.count: Invalid value: "": should be at least 2', "series.lastObservedTime: Required value",
        ]),
        ({"note": "é" * 513}, ['message: Invalid value: "": can have at most 1024 characters']),
    ],
)  # fmt: skip
def test_events(changes, wrong):
    assert said(EVENTS, changed(EVENT, **changes)) == wrong


def test_of_an_event_only_the_series_goes_on():
    assert said_of_update(EVENTS, EVENT, changed(EVENT, series={"count": 2, "lastObservedTime": "now"})) == []
    assert said_of_update(EVENTS, EVENT, changed(EVENT, reportingController="d", related={"kind": "Pod"})) == [
        'related: Invalid value: {"Kind":"Pod","Namespace":"","Name":"","UID":"","APIVersion":"","ResourceVersion":"",'
        '"FieldPath":""}: field is immutable',
        'reportingController: Invalid value: "d": field is immutable',
    ]


def test_classes():
    assert said(CLASSES, {"metadata": {"name": "c"}, "preemptionPolicy": ""}) == ["preemptionPolicy: Required value"]
    runtime = {"metadata": {"name": "r"}, "handler": "h", "overhead": {"podFixed": {"cpu": "-1"}}}
    assert said(RUNTIMES, runtime) == ['overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0']
