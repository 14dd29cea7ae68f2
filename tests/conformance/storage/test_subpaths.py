"""Parts of volumes whose files the node writes (sig-storage)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from conformance.node.pods import Pods, pod
from conformance.storage.cases import Case, each
from conformance.storage.files import looks, seen
from conformance.storage.sources import CONFIG_MAP, PROJECTED_CONFIG_MAP, SECRET
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

POD_NAME = {"path": "downward/name", "fieldRef": {"fieldPath": "metadata.name"}}
ITEM = {"key": "key", "path": "projected/key"}
RESOLV_CONF = "/etc/resolv.conf"  # there before in every container


@dataclass(frozen=True)
class Part(Case):
    """A file is found in its volume, and mounted alone. It says the pod's name, unless told otherwise."""

    volume: Object
    path: str
    content: str = ""
    place: str = "/part"

    def pod(self) -> Object:
        part = {"name": "volume", "mountPath": self.place, "subPath": self.path}
        return pod(
            self.name,
            looks(self.place, name="part", volumeMounts=[part]),
            looks(f"/volume/{self.path}", name="whole", volumeMounts=[{"name": "volume", "mountPath": "/volume"}]),
            volumes=[self.volume],
        )


PARTS = [
    Part("Conformance: SubPath: Reading content from a secret volume.", SECRET.volume("volume", "data"),
         "key", "of the secret"),
    Part("Conformance: SubPath: Reading content from a configmap volume.", CONFIG_MAP.volume("volume", "data"),
         "key", "of the map"),
    Part("Conformance: SubPath: Reading content from a configmap volume. (in place of a file)",
         CONFIG_MAP.volume("volume", "data"), "key", "of the map", RESOLV_CONF),
    Part("Conformance: SubPath: Reading content from a downwardAPI volume.",
         {"name": "volume", "downwardAPI": {"items": [POD_NAME]}}, "downward/name"),
    Part("Conformance: SubPath: Reading content from a projected volume.",
         PROJECTED_CONFIG_MAP.volume("volume", "data", items=[ITEM]), "projected/key", "of the map"),
]  # fmt: skip
START = [
    SECRET.holding("data", {"key": "of the secret"}),
    CONFIG_MAP.holding("data", {"key": "of the map"}),
    *(case.pod() for case in PARTS),
]


@each(PARTS)
def test_a_part(pods: Pods, case: Part) -> None:
    for container in ("part", "whole"):
        (file,) = seen(pods, case.name, container)
        assert file.content.decode() == (case.content or case.name)
        assert file.mode.startswith("-")
