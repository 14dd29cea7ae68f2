"""ConfigMaps and Secrets that come, change and go while pods have them as files (sig-storage)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from conformance.node.pods import Pods, pod
from conformance.storage.cases import Case, each
from conformance.storage.files import UNREADABLE, follows, until_follows
from conformance.storage.sources import CONFIG_MAP, PROJECTED_CONFIG_MAP, PROJECTED_SECRET, SECRET, Source
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

BEFORE, AFTER = {"data-1": "value-1", "data-2": "value-2"}, {"data-1": "value-3"}  # an entry is changed, and one goes


@dataclass(frozen=True)
class Followed(Case):
    source: Source

    def named(self, fate: str) -> str:
        return f"{self.name}-{fate}"

    def holding(self, fate: str, data: dict[str, str]) -> Object:
        return self.source.holding(self.named(fate), data)

    def follower(self, *fates: str, **reference: bool) -> Object:
        """A pod in which a container follows each of the objects, called after what is to happen to it."""
        containers = [
            follows("/files/data-1", "/files/data-2", name=fate, volumeMounts=[{"name": fate, "mountPath": "/files"}])
            for fate in fates
        ]
        volumes = [self.source.volume(fate, self.named(fate), **reference) for fate in fates]
        return pod(self.name, *containers, volumes=volumes)


UPDATED = [
    Followed("Conformance: ConfigMap Volume, update", CONFIG_MAP),
    Followed("Conformance: Projected Volume, ConfigMap, update", PROJECTED_CONFIG_MAP),
]
OPTIONAL = [
    Followed("Conformance: ConfigMap Volume, create, update and delete", CONFIG_MAP),
    Followed("Conformance: Projected Volume, ConfigMap, create, update and delete", PROJECTED_CONFIG_MAP),
    Followed("Conformance: Secrets Volume, create, update and delete", SECRET),
    Followed("Conformance: Projected Volume, Secrets, create, update delete", PROJECTED_SECRET),
]
START = [
    *(case.holding("update", BEFORE) for case in UPDATED + OPTIONAL),
    *(case.holding("delete", BEFORE) for case in OPTIONAL),
    *(case.follower("update") for case in UPDATED),
    *(case.follower("create", "update", "delete", optional=True) for case in OPTIONAL),
]


def change(pods: Pods, method: str, case: Followed, fate: str) -> None:
    path = f"{pods.base}/{case.source.plural}/{case.named(fate)}"
    pods.api.ask(method, path, case.holding(fate, AFTER) if method == "PUT" else None)


@each(UPDATED)
def test_updates(pods: Pods, case: Followed) -> None:
    until_follows(pods, case.name, "value-1 value-2", "update")
    change(pods, "PUT", case, "update")
    until_follows(pods, case.name, f"value-3 {UNREADABLE}", "update")


@each(OPTIONAL)
def test_what_need_not_be_there(pods: Pods, case: Followed) -> None:
    until_follows(pods, case.name, f"{UNREADABLE} {UNREADABLE}", "create")
    until_follows(pods, case.name, "value-1 value-2", "update")
    until_follows(pods, case.name, "value-1 value-2", "delete")
    pods.create(case.holding("create", BEFORE))
    change(pods, "PUT", case, "update")
    change(pods, "DELETE", case, "delete")
    until_follows(pods, case.name, "value-1 value-2", "create")
    until_follows(pods, case.name, f"value-3 {UNREADABLE}", "update")
    until_follows(pods, case.name, f"{UNREADABLE} {UNREADABLE}", "delete")
