"""Images as volumes: pulled once for the containers that start together, waited for, shown, and let go of."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from longboat.aio.clock import VirtualClock
from longboat.client.interface import Key
from longboat.node import kernel
from longboat.node.cri import snapshots
from longboat.node.cri.interface import Credentials, FileSystem, Image, RuntimeFailure
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.errors import StartFailure
from longboat.node.image_garbage import candidates, noted
from longboat.node.images import Images
from longboat.node.paths import Paths
from longboat.node.views.objects import Secret
from longboat.node.views.pod import Pod
from longboat.node.volumes import image
from longboat.node.volumes.image import ImageVolumes
from longboat.node.volumes.mounts import binding, mounts
from unit.node.build import BUSYBOX, Node, Told, container, pod
from unit.node.test_pod_workers import Simulated, on_a_node, simulated

DATA = "registry.example.com/data:1"
MOUNT = [{"name": "data", "mountPath": "/data"}]


def showing(reference: str, *containers: Any, policy: str = "IfNotPresent", **more: Any) -> Pod:
    volumes = [{"name": "data", "image": {"reference": reference, "pullPolicy": policy}}]
    return pod("p", *(containers or [container("c", volumeMounts=MOUNT)]), volumes=volumes, **more)


def waiting(node: Node, index: int = 0) -> Any:
    return node.statuses.container(index=index)["state"].get("waiting")


@on_a_node
async def test_containers_that_start_together_pull_once(node: Simulated) -> None:
    both = [container(name, "sleep", "5", volumeMounts=MOUNT, imagePullPolicy="IfNotPresent") for name in "ab"]
    await node.run(showing(DATA, *both, policy="Always"))
    assert node.statuses.phase() == "Running"
    assert node.told.of("Pulling") == [f'Pulling image "{DATA}"']
    assert node.told.reasons[:4] == ["Pulling", "Pulled", "Pulled", "Created"]
    await node.clock.advance(30)
    assert node.told.reasons.count("Started") > 2 and len(node.told.of("Pulling")) > 1  # and so does each restart


@on_a_node
async def test_an_image_that_is_there_is_not_pulled(node: Simulated) -> None:
    await node.run(showing(DATA))
    said = f'Container image "{DATA}" already present on machine and can be accessed by the pod'
    assert node.told.of("Pulled")[0] == said
    assert not node.told.of("Pulling")
    await node.clock.advance(3600)
    assert node.told.of("Pulled").count(said) == 1  # while nothing is started nothing is looked for


def test_a_pull_that_fails_holds_those_who_mount_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with simulated(tmp_path, images={BUSYBOX}) as node:
            both = [container("a", volumeMounts=MOUNT), container("b"), container("c", volumeMounts=MOUNT)]
            await node.run(showing(DATA, *both), 1)
            why = f'rpc error: code = NotFound desc = failed to pull and unpack image "{DATA}": not found'
            assert waiting(node) == waiting(node, 2) == {"reason": "ErrImagePull", "message": why}
            assert "running" in node.statuses.container(index=1)["state"]
            assert node.told.of("Failed") == [f'Failed to pull image "{DATA}": {why}', *["Error: ErrImagePull"] * 2]
            await node.clock.advance(3)
            said = f'Back-off pulling image "{DATA}": ErrImagePull: {why}'
            assert waiting(node) == waiting(node, 2) == {"reason": "ImagePullBackOff", "message": said}
            assert node.told.of("BackOff")[0] == f'Back-off pulling image "{DATA}"'
            await node.clock.advance(296)
            assert 4 <= len(node.told.of("Pulling")) <= 6
            assert node.runtime._images is not None
            node.runtime._images.add(DATA)
            await node.clock.advance(301)
            assert node.statuses.phase() == "Running"
            assert node.statuses.condition("ContainersReady") == "True"

    asyncio.run(main())


@pytest.mark.parametrize(("reference", "policy", "reason", "message"), [
    (DATA, "Never", "ErrImageNeverPull", f'Container image "{DATA}" is not present with pull policy of Never'),
    ("Not//valid", "Always", "InvalidImageName", 'Failed to apply default image tag "Not//valid": '
     'couldn\'t parse image name "Not//valid": invalid reference format'),
])  # fmt: skip
def test_why_an_image_is_not_pulled_at_all(
    tmp_path: Path, reference: str, policy: str, reason: str, message: str
) -> None:
    async def main() -> None:
        async with simulated(tmp_path, images={BUSYBOX}) as node:
            await node.run(showing(reference, policy=policy), 1)
            assert waiting(node) == {"reason": reason, "message": message}
            assert f"Error: {reason}" in node.told.of("Failed") and not node.told.of("Pulling")

    asyncio.run(main())


def test_secrets_of_the_pod_open_the_registry(tmp_path: Path) -> None:
    class Private(MemoryRuntime):
        async def pull_image(self, image: str, credentials: Credentials | None) -> str:
            if credentials is None or credentials.password != "open":
                raise RuntimeFailure("401 Unauthorized")
            return await super().pull_image(image, credentials)

    async def main() -> None:
        clock = VirtualClock()
        node = Node(Private(clock), clock, tmp_path, on_disk=False)
        config = json.dumps({"auths": {"registry.example.com": {"username": "u", "password": "open"}}})
        secret = Secret(
            type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": b64encode(config.encode()).decode()}
        )
        node.objects.secrets[Key("default", "s")] = secret
        try:
            node.workers.update(showing(DATA, policy="Always", imagePullSecrets=[{"name": "s"}]))
            await clock.advance(1)
            assert node.told.of("Pulled")[0].startswith(f'Successfully pulled image "{DATA}"')
        finally:
            await node.close()

    asyncio.run(main())


def test_mounts_are_read_only_whatever_they_ask_for(tmp_path: Path) -> None:
    given = showing(DATA, container("c", volumeMounts=[{**MOUNT[0], "mountPropagation": "HostToContainer"}]))
    (mount,) = mounts(given, given.spec.containers[0], {"data": tmp_path}, {}, binding(Paths(tmp_path)))
    assert mount.read_only and mount.propagation == "HostToContainer"


def test_what_a_container_sees_and_what_it_waits_for() -> None:
    there, failed = Image(id="i"), StartFailure("ErrImagePull", "no", 2.0)
    given = showing(DATA, container("c", volumeMounts=[*MOUNT, {"name": "other", "mountPath": "/o"}]))
    (own,) = given.spec.containers
    assert image.of(own, {"data": there, "unused": failed}) == {"data": there}
    with pytest.raises(StartFailure, match="no"):
        image.of(own, {"data": failed, "other": there})
    with pytest.raises(StartFailure, match="later"):
        image.of(own, {"data": failed, "other": StartFailure("ErrImagePull", "later")})


def test_paths_of_layers_are_short() -> None:
    options = ["index=off", "lowerdir=/a/snapshots/2/fs:/a/snapshots/1/fs"]
    assert image.shortened(options) == (Path("/a/snapshots"), ["index=off", "lowerdir=2/fs:1/fs"])
    assert image.shortened(["ro", "rbind"]) == (None, ["ro", "rbind"])


def test_what_the_runtime_says_of_snapshots() -> None:
    assert snapshots.chain({"info": '{"chainID": "sha256:1"}'}) == "sha256:1"
    assert snapshots.chain({"info": '{"chainID": ""}'}) == ""
    for info in ({}, {"info": "none"}, {"info": "{}"}, {"info": "[]"}):
        with pytest.raises(RuntimeFailure, match="does not tell"):
            snapshots.chain(info)
    assert snapshots.snapshotter({"config": '{"containerd": {"snapshotter": "native"}}'}) == "native"
    for config in ("", "{}", '{"containerd": {}}', '{"containerd": null}'):
        assert snapshots.snapshotter({"config": config}) == "overlayfs"


def test_mounts_that_only_containerd_can_make_are_refused() -> None:
    def mount(kind: str) -> Any:
        return SimpleNamespace(type=kind, source="s", options=["ro"])

    assert snapshots.file_system([mount("bind")]) == FileSystem(kind="bind", source="s", options=("ro",))
    for odd in ([], [mount("erofs"), mount("overlay")], [mount("format/overlay")]):
        with pytest.raises(RuntimeFailure, match="not supported"):
            snapshots.file_system(odd)


def test_images_that_are_shown_are_in_use(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    (paths.images("u") / ("a" * 64)).mkdir(parents=True)
    pulled = [Image(id=f"sha256:{letter * 64}", digests=("d@sha256:0",)) for letter in "ab"]
    seen = noted(pulled, image.shown(paths), {}, 0)
    assert candidates(pulled, image.shown(paths), seen, 0, 0) == pulled[1:]


class Slow(MemoryRuntime):
    """Views take until they are let go on; there may be none at first."""

    def __init__(self) -> None:
        super().__init__(VirtualClock())
        self.goes_on, self.asked, self.refuses = asyncio.Event(), asyncio.Event(), False

    async def view_image(self, id: str, view: str) -> FileSystem:
        self.asked.set()
        await self.goes_on.wait()
        if self.refuses:
            raise RuntimeFailure("no", "Unavailable")
        return await super().view_image(id, view)


@pytest.mark.root
def test_nothing_is_left_of_a_pod_that_goes_while_its_image_is_mounted(tmp_path: Path) -> None:
    async def main() -> None:
        runtime, paths, given = Slow(), Paths(tmp_path), showing(DATA)
        shown = ImageVolumes(runtime, Images(runtime, VirtualClock(), Told()), paths)
        found = await runtime.image(DATA)
        assert found is not None
        asks = asyncio.create_task(shown.show(given, {"data": found}))
        await runtime.asked.wait()
        asks.cancel()
        await asyncio.wait([asks])
        goes = asyncio.create_task(shown.tear_down(given.uid))
        await asyncio.sleep(0)
        runtime.goes_on.set()
        await goes
        assert not runtime.views and list(paths.images(given.uid).iterdir()) == []
        assert not kernel.mount_points(tmp_path)

        places = await shown.show(given, {"data": found, "again": found})
        assert len(set(places.values())) == 1 and kernel.mount_points(tmp_path) == [places["data"]]
        await shown.tear_down(given.uid)
        await shown.tear_down(given.uid)
        assert not runtime.views and not kernel.mount_points(tmp_path)
        await shown.close()

    asyncio.run(main())


def test_a_view_that_is_not_had_is_told_of_in_cri_s_words(tmp_path: Path) -> None:
    async def main() -> None:
        runtime, given = Slow(), showing(DATA)
        runtime.refuses = True
        runtime.goes_on.set()
        shown = ImageVolumes(runtime, Images(runtime, VirtualClock(), Told()), Paths(tmp_path))
        for found, why in ((Image(id=f"sha256:{'a' * 64}"), "code = Unavailable"), (Image(id="../.."), "none of")):
            with pytest.raises(StartFailure, match=f"^ImageVolumeMountFailed: .*{why}") as caught:
                await shown.show(given, {"data": found})
            assert caught.value.reason == "CreateContainerError"
        await shown.close()

    asyncio.run(main())
