from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.errors import StatusError
from unit.registry.kinds.checks import BY_RESOURCE, cells, changed, made, said, said_of_update

DEPLOYMENT, REPLICA_SET = BY_RESOURCE["deployments.apps"], BY_RESOURCE["replicasets.apps"]
DAEMON_SET, STATEFUL_SET = BY_RESOURCE["daemonsets.apps"], BY_RESOURCE["statefulsets.apps"]
WEB: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]},
        },
    },
}
ALL = (DEPLOYMENT, REPLICA_SET, DAEMON_SET, STATEFUL_SET)


def test_deployment_defaults() -> None:
    spec = made(DEPLOYMENT, WEB)["spec"]
    assert {k: v for k, v in spec.items() if k not in ("template", "selector")} == {
        "replicas": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
    }  # fmt: skip
    pod = spec["template"]["spec"]
    assert pod["containers"][0]["resources"] == {} and pod["securityContext"] == {}
    assert "enableServiceLinks" not in pod  # only pods get this one


def test_others_defaults() -> None:
    assert made(REPLICA_SET, WEB)["spec"]["replicas"] == 1
    assert made(DAEMON_SET, WEB)["spec"]["updateStrategy"] == {
        "type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }  # fmt: skip
    spec = made(STATEFUL_SET, WEB)["spec"]
    assert spec["podManagementPolicy"] == "OrderedReady"
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


@pytest.mark.parametrize("strategy", ALL, ids=lambda s: s.kind.name)
def test_an_ordinary_one_is_fine(strategy: Any) -> None:
    assert said(strategy, WEB) == []
    assert strategy.warnings(made(strategy, WEB), None) == []


@pytest.mark.parametrize("strategy", ALL, ids=lambda s: s.kind.name)
@pytest.mark.parametrize(("change", "expected"), [
    ({"spec__selector": None}, [
        "spec.selector: Required value",
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`']),
    ({"spec__template__metadata__labels": {"app": "x"}}, [
        'spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`']),
    ({"spec__template__spec__restartPolicy": "Never"}, [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"']),
    ({"spec__minReadySeconds": -1}, [
        "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"]),
], ids=lambda value: str(value)[:50])  # fmt: skip
def test_what_all_refuse(strategy: Any, change: dict[str, Any], expected: list[str]) -> None:
    if strategy is DAEMON_SET and "spec__selector" in change:
        expected = expected[1:]  # it matches nothing, and upstream does not say more
    assert said(strategy, changed(WEB, **change)) == expected


@pytest.mark.parametrize(("change", "expected"), [
    ({"spec__replicas": -1}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
    ({"spec__strategy": {"type": "Recreate", "rollingUpdate": {}}}, [
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"]),
    ({"spec__strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}}, [
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"]),
    ({"spec__strategy": {"rollingUpdate": {"maxUnavailable": "x"}}}, [
        'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "x": a valid percent string must be a numeric '
        "string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"]),
    ({"spec__progressDeadlineSeconds": 5, "spec__minReadySeconds": 5}, [
        "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"]),
], ids=lambda value: str(value)[:50])  # fmt: skip
def test_what_a_deployment_refuses(change: dict[str, Any], expected: list[str]) -> None:
    assert said(DEPLOYMENT, changed(WEB, **change)) == expected


def test_each_in_its_own_words() -> None:
    for strategy, owner, maker in (
        (DEPLOYMENT, "deployment", "ReplicaSet"), (REPLICA_SET, "deployment", "ReplicaSet"),
        (DAEMON_SET, "daemonset", "DaemonSet"), (STATEFUL_SET, "statefulset", "StatefulSet"),
    ):  # fmt: skip
        assert said(strategy, changed(WEB, spec__selector={})) == [
            f"spec.selector: Invalid value: {{}}: empty selector is invalid for {owner}"
        ]
        assert said(strategy, changed(WEB, spec__template__spec__activeDeadlineSeconds=5)) == [
            f"spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in {maker} is not Supported"
        ]


@pytest.mark.parametrize("strategy", ALL, ids=lambda s: s.kind.name)
def test_pods_are_looked_into(strategy: Any) -> None:
    wrong = changed(WEB, spec__template__spec__containers__0__image="")
    assert said(strategy, wrong) == ["spec.template.spec.containers[0].image: Required value"]


def test_what_is_wrong_in_a_stateful_sets_pods_may_stay() -> None:
    """It was not looked for before."""
    wrong = changed(WEB, spec__template__spec__containers__0__image="")
    assert said_of_update(STATEFUL_SET, wrong, changed(wrong, spec__replicas=2)) == []
    assert said_of_update(STATEFUL_SET, WEB, wrong) == ["spec.template.spec.containers[0].image: Required value"]


def claim(name: str, **spec: Any) -> dict[str, Any]:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name}, "spec": {**wanted, **spec}}


def test_claims_of_a_stateful_set_are_volumes_of_its_pods() -> None:
    mounted = changed(WEB, spec__template__spec__containers__0__volumeMounts=[{"name": "data", "mountPath": "/data"}])
    assert said(STATEFUL_SET, mounted) == ['spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"']
    assert said(STATEFUL_SET, changed(mounted, spec__volumeClaimTemplates=[claim("data")])) == []
    two_sources = {"name": "data", "emptyDir": {}, "hostPath": {"path": "/"}}
    hidden = changed(mounted, spec__volumeClaimTemplates=[claim("data")], spec__template__spec__volumes=[two_sources])
    assert said(STATEFUL_SET, hidden) == []
    wrong = changed(WEB, spec__volumeClaimTemplates=[claim("data", accessModes=[])])
    expected = "spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required"
    assert said(STATEFUL_SET, wrong) == [expected]
    assert said_of_update(STATEFUL_SET, wrong, changed(wrong, spec__replicas=2)) == []


@pytest.mark.parametrize(("strategy", "expected"), [
    (DEPLOYMENT, ['spec.selector: Invalid value: {"matchLabels":{"app":"!"}}: invalid label selector']),
    (REPLICA_SET, ['spec.selector: Invalid value: {"matchLabels":{"app":"!"}}: invalid label selector']),
    (STATEFUL_SET, ['spec.selector: Invalid value: {"matchLabels":{"app":"!"}}']),
    (DAEMON_SET, ["spec.template.spec.containers[0].image: Required value"]),
], ids=lambda s: s.kind.name if hasattr(s, "kind") else "")  # fmt: skip
def test_a_selector_that_is_none(strategy: Any, expected: list[str]) -> None:
    """But for a DaemonSet's, no more is looked at."""
    wrong = changed(WEB, spec__selector={"matchLabels": {"app": "!"}}, spec__template__spec__containers__0__image="")
    first, *rest = said(strategy, wrong)
    assert first.startswith('spec.selector.matchLabels: Invalid value: "!": a valid label must be')
    assert rest == expected


@pytest.mark.parametrize(("number", "why"), [
    ("", "invalid syntax"), ("1_0", "invalid syntax"), ("9223372036854775808", "value out of range"),
])  # fmt: skip
def test_the_number_of_a_daemon_sets_template_is_one(number: str, why: str) -> None:
    with pytest.raises(StatusError) as caught:
        made(
            DAEMON_SET, changed(WEB, **{"metadata__annotations": {"deprecated.daemonset.template.generation": number}})
        )
    assert caught.value.message == (
        f'DaemonSet in version "v1" cannot be handled as a DaemonSet: strconv.ParseInt: parsing "{number}": {why}'
    )


def test_the_selector_is_for_good() -> None:
    other = changed(WEB, spec__selector={"matchLabels": {"x": "y"}}, spec__template__metadata__labels={"x": "y"})
    for strategy in (DEPLOYMENT, REPLICA_SET, DAEMON_SET):
        assert said_of_update(strategy, WEB, other) == [
            'spec.selector: Invalid value: {"matchLabels":{"x":"y"}}: field is immutable'
        ]
    (cause,) = said_of_update(STATEFUL_SET, WEB, other)
    assert cause.startswith("spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals'")


def test_columns() -> None:
    obj = made(DEPLOYMENT, changed(WEB, spec__replicas=3))
    obj["status"] = {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}
    row = cells(DEPLOYMENT, obj)
    assert [row[c] for c in ("Ready", "Up-to-date", "Available", "Containers", "Images", "Selector")] == [
        "2/3", 3, 1, "web", "nginx:1.27", "app=web",
    ]  # fmt: skip
    obj["status"] = {"replicas": 3, "readyReplicas": 1}
    row = cells(REPLICA_SET, obj)
    assert [row[c] for c in ("Desired", "Current", "Ready")] == [3, 3, 1]
