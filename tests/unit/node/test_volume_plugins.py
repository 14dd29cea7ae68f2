"""A type of volume is a class and a line in the catalogue: nothing else asks what a volume is made of."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

import pytest

from longboat.aio.clock import VirtualClock
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.errors import Unmounted
from longboat.node.eviction.measure import local_volumes
from longboat.node.make.fields import Surroundings
from longboat.node.views.storage import PersistentVolumeSpec
from longboat.node.views.volumes import Volume
from longboat.node.volumes import catalog
from longboat.node.volumes.manager import Volumes, subjects
from longboat.node.volumes.mounts import binding, mounts
from longboat.node.volumes.plugin import SetUp, Spec, VolumePlugin
from unit.node.build import Node, container, pod

NONE = Surroundings()


def test_every_source_that_a_node_sees_has_just_one_plugin() -> None:
    """Claims have none: what stands behind them has."""
    fields = [plugin.FIELD for plugin in catalog.PLUGINS]
    assert len(set(fields)) == len(fields)
    behind = {"nodeAffinity", "claimRef", "accessModes", "capacity", "volumeMode", "mountOptions"}
    seen = {*Volume.__struct_fields__, *PersistentVolumeSpec.__struct_fields__} - behind
    assert seen - {"name", "persistentVolumeClaim", "ephemeral"} == set(fields)


def test_volumes_lie_where_the_kubelet_has_them() -> None:
    assert {plugin.folder() for plugin in catalog.PLUGINS} == {
        "kubernetes.io~configmap", "kubernetes.io~csi", "kubernetes.io~downward-api", "kubernetes.io~empty-dir",
        "kubernetes.io~git-repo", "kubernetes.io~host-path", "kubernetes.io~image", "kubernetes.io~local-volume",
        "kubernetes.io~nfs", "kubernetes.io~projected", "kubernetes.io~secret",
    }  # fmt: skip


class Tape(VolumePlugin):
    """A made-up type: it takes the field of one that the node refuses."""

    NAME, FIELD = "example.com/tape", "gitRepo"
    torn_down: ClassVar[list[str]] = []

    @classmethod
    def is_read_only(cls, volume: Volume) -> bool:
        return True

    @classmethod
    def is_local_ephemeral(cls, volume: Volume) -> bool:
        return True

    async def new_mounter(self, spec: Spec) -> SetUp:
        async def set_up() -> Path:
            self.place(spec).mkdir(parents=True)
            return self.place(spec)

        return set_up

    async def tear_down(self, uid: str) -> None:
        self.torn_down.append(uid)


def test_a_line_in_the_catalogue_adds_a_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = pod("p", container(volumeMounts=[{"name": "v", "mountPath": "/v"}]), volumes=[{"name": "v", "gitRepo": {}}])

    async def main() -> None:
        clock = VirtualClock()
        node = Node(MemoryRuntime(clock), clock, tmp_path, on_disk=True)
        with pytest.raises(Unmounted) as refused:
            await node.volumes.set_up(given, NONE)
        assert str(refused.value.problems["v"]).endswith("git-repo volume plugin has been disabled")
        others = tuple(plugin for plugin in catalog.PLUGINS if plugin.FIELD != Tape.FIELD)
        monkeypatch.setattr(catalog, "PLUGINS", (*others, Tape))
        node = Node(MemoryRuntime(clock), clock, tmp_path, on_disk=True)
        places = await node.volumes.set_up(given, NONE)
        assert places["v"].parent.name == "example.com~tape" and places["v"].is_dir()
        (mount,) = mounts(given, given.spec.containers[0], places, {}, binding(node.paths))
        assert mount.read_only and mount.host == str(places["v"])
        assert local_volumes(given, node.paths) == places
        assert not Volumes.changes(given) and not list(subjects(given))
        await node.volumes.tear_down(given.uid)
        assert Tape.torn_down == [given.uid] and not places["v"].exists()
        await node.close()

    asyncio.run(main())


def test_a_simulated_node_asks_and_writes_nothing(tmp_path: Path) -> None:
    volumes = [{"name": "a", "emptyDir": {}}, {"name": "b", "configMap": {"name": "missing"}}]

    async def main() -> None:
        clock = VirtualClock()
        node = Node(MemoryRuntime(clock), clock, tmp_path, on_disk=False)
        with pytest.raises(Unmounted) as caught:
            await node.volumes.set_up(pod("p", container(), volumes=volumes), NONE)
        assert set(caught.value.problems) == {"b"}
        assert await node.volumes.set_up(pod("q", container(), volumes=volumes[:1]), NONE) == {"a": Path("/")}
        assert not node.paths.volumes("q").exists()
        await node.close()

    asyncio.run(main())
