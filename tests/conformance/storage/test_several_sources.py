"""Many volumes in a pod, and many sources in a volume (sig-storage)."""

from __future__ import annotations

import pytest

from conformance.node.pods import Pods, container, pod, until
from conformance.storage.files import looks, seen
from conformance.storage.sources import ASKED, CONFIG_MAP, NAME, RESOURCES, SECRET, TOLD, about_pod
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

MAPS, RACERS = [f"map-{n}" for n in range(50)], {"name": "racer"}
SOURCES = [{"secret": {"name": "data"}}, {"configMap": {"name": "other"}}, {"downwardAPI": {"items": about_pod()}}]


def mounts(*names: str) -> list[Object]:
    return [{"name": name, "mountPath": f"/{name}"} for name in names]


START = [
    SECRET.holding("data", {"secret-key": "of the secret"}),
    CONFIG_MAP.holding("data", {"map-key": "of the map"}),
    CONFIG_MAP.holding("other", {"map-key": "of the other map"}),
    *(CONFIG_MAP.holding(name, {"key": name}) for name in MAPS),
    pod("both", looks("/secret/secret-key", "/map/map-key", volumeMounts=mounts("secret", "map")),
        volumes=[SECRET.volume("secret", "data"), CONFIG_MAP.volume("map", "data")]),
    pod("all", looks(*(f"/all/{file}" for file in ("secret-key", "map-key", NAME, *RESOURCES)),
                     volumeMounts=mounts("all"), resources=ASKED),
        volumes=[{"name": "all", "projected": {"sources": SOURCES}}]),
]  # fmt: skip


def test_volumes_do_not_conflict(pods: Pods) -> None:
    """Conformance: EmptyDir Wrapper Volume, Secret and ConfigMap volumes, no conflict"""
    assert [file.content for file in seen(pods, "both")] == [b"of the secret", b"of the map"]


def test_everything_in_one(pods: Pods) -> None:
    """Conformance: Projected Volume, multiple projections"""
    found = [file.content.decode() for file in seen(pods, "all")]
    assert found == ["of the secret", "of the other map", "all", *TOLD.values()]


def test_many_volumes_do_not_race(pods: Pods) -> None:
    """Conformance: EmptyDir Wrapper Volume, ConfigMap volumes, no race"""
    node = pods.api.get("/api/v1/nodes")["items"][0]["metadata"]["name"]
    main = container("cat /map-*/key; echo; sleep 1000000", volumeMounts=mounts(*MAPS))
    volumes = [CONFIG_MAP.volume(name, name) for name in MAPS]
    racer = pod("racer", main, labels=RACERS, restartPolicy="Always", volumes=volumes, nodeName=node)
    spec = {"replicas": 5, "selector": RACERS, "template": racer}
    pods.api.post(f"{pods.base}/replicationcontrollers", {"metadata": {"name": "racers"}, "spec": spec})
    until(lambda: len(pods.every("name=racer")) == 5, "there are no five pods")
    for name in pods.every("name=racer"):
        pods.ready(name)
        until(lambda name=name: pods.log(name) == "".join(sorted(MAPS)) + "\n", f"{name} does not read all")
        assert "FailedMount" not in [reason for reason, _ in pods.events(name)]
