"""What pods learn of themselves through files: of a volume of their own kind and of a projected one (sig-storage)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from conformance.node.pods import Pods, pod
from conformance.storage.cases import Case, each
from conformance.storage.files import follows, looks, mode, seen, until_follows
from conformance.storage.sources import ASKED, NAME, RESOURCES, TOLD, about_pod
from longboat.machinery import quantity
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

OWN, PROJECTED = "own", "projected"
MOUNTS = [{"name": "info", "mountPath": "/info"}]


@dataclass(frozen=True)
class Told(Case):
    """A pod finds its name in a file, or a resource: what its container has asked for, or else what the node has."""

    kind: str
    pod: str
    file: str = NAME
    mode: int = 0o644


@dataclass(frozen=True)
class Changed(Case):
    """Of labels or annotations, a value is changed and one is added while the pod runs."""

    kind: str
    what: str


FILES = [
    Told("Conformance: DownwardAPI volume, pod name", OWN, "asks"),
    Told("Conformance: DownwardAPI volume, volume mode 0400", OWN, "mode", mode=0o400),
    Told("Conformance: DownwardAPI volume, file mode 0400", OWN, "item-mode", mode=0o400),
    Told("Conformance: DownwardAPI volume, CPU limits", OWN, "asks", "limits.cpu"),
    Told("Conformance: DownwardAPI volume, CPU request", OWN, "asks", "requests.cpu"),
    Told("Conformance: DownwardAPI volume, memory limits", OWN, "asks", "limits.memory"),
    Told("Conformance: DownwardAPI volume, memory request", OWN, "asks", "requests.memory"),
    Told("Conformance: DownwardAPI volume, CPU limit, default node allocatable", OWN, "plain", "limits.cpu"),
    Told("Conformance: DownwardAPI volume, memory limit, default node allocatable", OWN, "plain", "limits.memory"),
    Told("Conformance: Projected Volume, DownwardAPI, pod name", PROJECTED, "asks"),
    Told("Conformance: Projected Volume, DownwardAPI, volume mode 0400 (of all)", PROJECTED, "mode", mode=0o400),
    Told("Conformance: Projected Volume, DownwardAPI, volume mode 0400 (of the item)", PROJECTED, "item-mode",
         mode=0o400),
    Told("Conformance: Projected Volume, DownwardAPI, CPU limits", PROJECTED, "asks", "limits.cpu"),
    Told("Conformance: Projected Volume, DownwardAPI, CPU request", PROJECTED, "asks", "requests.cpu"),
    Told("Conformance: Projected Volume, DownwardAPI, memory limits", PROJECTED, "asks", "limits.memory"),
    Told("Conformance: Projected Volume, DownwardAPI, memory request", PROJECTED, "asks", "requests.memory"),
    Told("Conformance: Projected Volume, DownwardAPI, CPU limit, node allocatable", PROJECTED, "plain", "limits.cpu"),
    Told("Conformance: Projected Volume, DownwardAPI, memory limit, node allocatable", PROJECTED, "plain",
         "limits.memory"),
]  # fmt: skip
CHANGED = [
    Changed("Conformance: DownwardAPI volume, update label", OWN, "labels"),
    Changed("Conformance: DownwardAPI volume, update annotations", OWN, "annotations"),
    Changed("Conformance: Projected Volume, DownwardAPI, update labels", PROJECTED, "labels"),
    Changed("Conformance: Projected Volume, DownwardAPI, update annotation", PROJECTED, "annotations"),
]


def volume(kind: str, items: list[Object], **whole: int) -> Object:
    if kind == OWN:
        return {"name": "info", "downwardAPI": {"items": items, **whole}}
    return {"name": "info", "projected": {"sources": [{"downwardAPI": {"items": items}}], **whole}}


def looking(kind: str, name: str, volume: Object, **fields: Any) -> Object:
    main = looks(*(f"/info/{file}" for file in (NAME, *RESOURCES)), volumeMounts=MOUNTS, **fields)
    return pod(f"{kind}-{name}", main, volumes=[volume])


def changing(kind: str, what: str) -> Object:
    wanted = [*about_pod(), {"path": what, "fieldRef": {"fieldPath": f"metadata.{what}"}}]
    main = follows(f"/info/{what}", volumeMounts=MOUNTS)
    values = {"one": "value-1", "two": "value-2"}
    return pod(f"{kind}-{what}", main, volumes=[volume(kind, wanted)], labels=values, annotations=values)


START = [
    made
    for kind in (OWN, PROJECTED)
    for made in (
        looking(kind, "asks", volume(kind, about_pod()), resources=ASKED),
        looking(kind, "plain", volume(kind, about_pod())),
        looking(kind, "mode", volume(kind, about_pod(), defaultMode=0o400)),
        looking(kind, "item-mode", volume(kind, about_pod(mode=0o400))),
        changing(kind, "labels"),
        changing(kind, "annotations"),
    )
]


@each(FILES)
def test_files(pods: Pods, case: Told) -> None:
    name = f"{case.kind}-{case.pod}"
    told = {NAME: name} | (TOLD if case.pod == "asks" else allocatable(pods, name))
    found = dict(zip((NAME, *RESOURCES), seen(pods, name), strict=True))[case.file]
    assert found.content.decode() == told[case.file]
    assert found.mode == mode(case.mode)


def allocatable(pods: Pods, name: str) -> dict[str, str]:
    """What the node of a pod has, as the limits of a container that has none."""
    found = pods.api.get(f"/api/v1/nodes/{pods.get(name)['spec']['nodeName']}")["status"]["allocatable"]
    amounts = {resource: quantity.parse(found[resource]).value for resource in ("cpu", "memory")}
    assert all(amounts.values())
    return {f"limits.{resource}": str(amount) for resource, amount in amounts.items()}


@each(CHANGED)
def test_changes(pods: Pods, case: Changed) -> None:
    name = f"{case.kind}-{case.what}"
    until_follows(pods, name, 'one="value-1" two="value-2"')
    pods.api.patch(pods.path(name), {"metadata": {case.what: {"two": "changed", "three": "value-3"}}})
    until_follows(pods, name, 'one="value-1" three="value-3" two="changed"')
