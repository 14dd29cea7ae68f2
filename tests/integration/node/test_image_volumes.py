"""image volumes in real containers: what an image holds, read-only, from the first container to the last trace."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.registry import ADDRESS, Registry, needs_registry
from integration.node import test_pods
from integration.node.machine import Machine
from integration.node.test_pods import clear, gone, inside, make_node, on_the_machine, running, until
from longboat.assembly import archive
from longboat.assembly.archive import Layer
from longboat.assembly.node.containerd import SOCKET
from longboat.node import kernel
from longboat.node.image_garbage import ImageGarbage
from longboat.node.images import FRESH
from longboat.node.rules import ImagePolicy
from longboat.node.views.pod import Pod
from longboat.node.volumes import image
from unit.node.build import Node, container, pod

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(120)]
machine = test_pods.machine
NAME = "longboat.local/data"
SCRIPT = b"#!/bin/sh\necho it runs\n"
FILES = Layer().directory("d").file("d/a", b"one\n").file("d/run", SCRIPT, 0o755).symlink("out", "/etc/passwd")
SHOWN = [{"name": "v", "mountPath": "/v"}]


@pytest.fixture
def registry(machine: Machine, tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(machine.host.entering, tmp_path)
    yield registry
    registry.close()


def ctr(*arguments: str, stdin: bytes = b"") -> str:
    command = ["ctr", "--address", SOCKET, "-n", "k8s.io", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def load(name: str, *layers: Layer) -> None:
    """Put an image into the store, of this name from now on."""
    ctr("images", "import", "-", stdin=archive.layered(name, layers, {}))


def views() -> list[str]:
    return [line.split()[0] for line in ctr("snapshots", "ls").splitlines() if line.endswith("View      ")]


def showing(name: str, reference: str, *containers: Any, policy: str = "IfNotPresent", **more: Any) -> Pod:
    volumes = [{"name": "v", "image": {"reference": reference, "pullPolicy": policy}}]
    listed = containers or [container("c", "sleep", "1000", volumeMounts=SHOWN)]
    return pod(name, *listed, volumes=volumes, **{"terminationGracePeriodSeconds": 1, **more})


def places(node: Node, given: Pod) -> list[Path]:
    folder = node.paths.images(given.uid)
    return sorted(folder.iterdir()) if folder.exists() else []


def mounted(place: Path) -> int:
    """How many mounts lie there, one upon the other."""
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()].count(str(place))


async def trace_of(node: Node, given: Pod) -> list[Any]:
    """What is left of a pod's images: nothing, some time after it has gone."""
    await gone(node, given)
    await until(lambda: not node.paths.pod(given.uid).exists())
    return [view for view in views() if given.uid in view] + kernel.mount_points(node.paths.pod(given.uid))


async def restart(node: Node, name: str = "c") -> None:
    """Let a container end; wait for the next one."""
    before = node.told.reasons.count("Started")
    (found,) = [c for c in await node.runtime.containers() if c.name == name and c.state == "running"]
    await node.runtime.stop_container(found.id, 0)
    await until(lambda: node.told.reasons.count("Started") > before)


async def refused(node: Node, script: str, name: str = "c") -> str:
    """What a line of shell says that must fail in the container."""
    (found,) = [c for c in await node.runtime.containers() if c.name == name and c.state == "running"]
    done = await node.runtime.exec_sync(found.id, ["sh", "-c", script], 10)
    assert done.code != 0, done
    return done.stderr.decode()


@on_the_machine
async def test_containers_read_what_an_image_holds(node: Node) -> None:
    load(f"{NAME}:1", FILES, Layer().file("d/b", b"two\n"))
    parts = [{"name": "v", "mountPath": "/d", "subPath": "d"}, {"name": "v", "mountPath": "/a", "subPath": "d/a"}]
    given = showing(
        "p", f"{NAME}:1", container("c", "sleep", "1000", volumeMounts=SHOWN),
        container("d", "sleep", "1000", volumeMounts=parts), securityContext={"fsGroup": 2000},
    )  # fmt: skip
    await running(node, given)
    assert await inside(node, "cat", "/v/d/a", "/v/d/b") == "one\ntwo\n"
    assert await inside(node, "/v/d/run") == "it runs\n"
    assert await inside(node, "stat", "-c", "%u:%g", "/v/d/a", "/v") == "0:0\n0:0\n"
    assert await inside(node, "cat", "/d/b", "/a", name="d") == "two\none\n"
    for script, name in (("touch /v/new", "c"), ("echo x >> /v/d/a", "c"), ("touch /d/new", "d"), ("rm /d/b", "d")):
        assert "Read-only file system" in await refused(node, script, name)
    (place,) = places(node, given)
    assert [view for view in views() if given.uid in view] == [str(place)]
    assert not await trace_of(node, given)


@on_the_machine
async def test_pods_share_an_image_but_no_view(node: Node) -> None:
    load(f"{NAME}:1", FILES)
    first, second = showing("first", f"{NAME}:1"), showing("second", f"{NAME}:1")
    await asyncio.gather(running(node, first), running(node, second))
    assert len(views()) == 2
    assert not await trace_of(node, first)
    assert await inside(node, "cat", "/v/d/a") == "one\n"
    assert not await trace_of(node, second)


@on_the_machine
async def test_an_image_of_no_layers_is_an_empty_directory(node: Node) -> None:
    load(f"{NAME}:none")
    given = showing("p", f"{NAME}:none")
    await running(node, given)
    assert await inside(node, "ls", "-a", "/v") == ".\n..\n"
    assert "Read-only file system" in await refused(node, "touch /v/new")
    assert not await trace_of(node, given)


@on_the_machine
async def test_an_image_may_have_many_layers(node: Node) -> None:
    load(f"{NAME}:many", *(Layer().file(f"f{n}", f"{n}\n".encode()).file("last", b"%d\n" % n) for n in range(90)))
    given = showing("p", f"{NAME}:many")
    await running(node, given)
    assert await inside(node, "cat", "/v/f0", "/v/f89", "/v/last") == "0\n89\n89\n"
    assert not await trace_of(node, given)


@on_the_machine
async def test_parts_that_are_not_there_or_lead_out(node: Node) -> None:
    load(f"{NAME}:1", FILES)
    for part, why in (("none", "No such file or directory"), ("out", "Invalid cross-device link")):
        mounts = [{"name": "v", "mountPath": "/v", "subPath": part}]
        given = showing(part, f"{NAME}:1", container("c", "sleep", "9", volumeMounts=mounts))
        node.workers.update(given)
        message = f'ImageVolumeMountFailed: subPath "{part}" of volume "v": {why}'
        await until(lambda message=message: f"Error: {message}" in node.told.of("Failed"))  # type: ignore[misc]
        waiting = {"reason": "CreateContainerError", "message": message}
        await until(
            lambda part=part, waiting=waiting: node.statuses.container(part)["state"] == {"waiting": waiting}  # type: ignore[misc]
        )
        assert not await trace_of(node, given)


@on_the_machine
async def test_a_tag_that_moves_is_followed_by_the_next_container(node: Node) -> None:
    load(f"{NAME}:moves", Layer().file("f", b"old\n"))
    idle = container("d", "sleep", "1000", volumeMounts=SHOWN)
    given = showing("p", f"{NAME}:moves", container("c", "sleep", "1000", volumeMounts=SHOWN), idle)
    await running(node, given)
    load(f"{NAME}:moves", Layer().file("f", b"new\n"))
    ctr("content", "prune", "references")  # what nothing refers to any more is collected
    assert await inside(node, "cat", "/v/f") == await inside(node, "cat", "/v/f", name="d") == "old\n"
    await asyncio.sleep(FRESH)
    await restart(node)
    assert await inside(node, "cat", "/v/f") == "new\n"
    assert await inside(node, "cat", "/v/f", name="d") == "old\n"
    assert len(places(node, given)) == 2
    assert not await trace_of(node, given)


@on_the_machine
async def test_what_is_shown_outlives_its_image(node: Node) -> None:
    load(f"{NAME}:gone", Layer().file("f", b"still there\n"))
    given = showing("p", f"{NAME}:gone", policy="Never")
    await running(node, given)
    await node.runtime.remove_image(image.shown(node.paths).pop())
    assert await node.runtime.image(f"{NAME}:gone") is None
    assert await inside(node, "cat", "/v/f") == "still there\n"
    await asyncio.sleep(FRESH)
    (found,) = [c for c in await node.runtime.containers() if c.state == "running"]
    await node.runtime.stop_container(found.id, 0)
    await until(lambda: "Error: ErrImageNeverPull" in node.told.of("Failed"))  # for the next it is not there
    assert not await trace_of(node, given)


@pytest.mark.parametrize("step", ["directory", "view", "mount"])
def test_whatever_an_agent_died_between(machine: Machine, step: str) -> None:
    """The next one goes on from there; or takes down what there is."""

    async def test(node: Node) -> None:
        load(f"{NAME}:1", FILES)
        found = await node.runtime.image(f"{NAME}:1")
        assert found is not None
        for takes_down in (False, True):
            given = showing("p", f"{NAME}:1")
            place = node.paths.images(given.uid) / found.id.removeprefix("sha256:")
            place.mkdir(parents=True)
            if step != "directory":
                wanted = await node.runtime.view_image(found.id, str(place))
                if step == "mount":
                    image.mount(wanted, place)
            if takes_down:
                await node.volumes.tear_down(given.uid)
                assert not place.exists() and str(place) not in views()
            else:
                await running(node, given)
                assert await inside(node, "cat", "/v/d/a") == "one\n"
                assert mounted(place) == 1
                assert not await trace_of(node, given)

    on_the_machine(test)(machine)


def test_agent_and_containerd_may_start_anew(machine: Machine) -> None:
    given = showing("p", f"{NAME}:1")

    async def first(node: Node) -> None:
        load(f"{NAME}:1", FILES)
        await running(node, given)

    async def second(node: Node) -> None:
        node.workers.update(given)
        await until(lambda: node.statuses.phase() == "Running")
        assert "Started" not in node.told.reasons
        assert await inside(node, "cat", "/v/d/a") == "one\n"
        await restart(node)
        assert await inside(node, "cat", "/v/d/a") == "one\n"
        (place,) = places(node, given)
        assert [view for view in views() if given.uid in view] == [str(place)]
        assert mounted(place) == 1
        assert not await trace_of(node, given)
        await clear(node)

    machine.inside(lambda: asyncio.run(by_an_agent(machine, first)))
    machine.containerd.kill()
    machine.containerd.wait(10)
    machine.start_containerd()
    machine.inside(lambda: asyncio.run(by_an_agent(machine, second)))


async def by_an_agent(machine: Machine, test: Callable[[Node], Awaitable[None]]) -> None:
    """An agent that leaves everything as it is when it ends."""
    node = make_node(machine)
    node.start()
    try:
        await test(node)
    finally:
        await node.close()


async def collect(node: Node) -> None:
    """Remove images as if the disk were full."""
    policy = ImagePolicy(age=0)
    await ImageGarbage(node.runtime, node.clock, node.told, node.paths, Path, policy).remove_unused()


@needs_registry
def test_an_image_is_pulled_as_its_policy_says(machine: Machine, registry: Registry) -> None:
    name = f"{ADDRESS}/data:latest"
    registry.push(archive.layered(name, [Layer().file("f", b"old\n")], {}), name)

    async def first(node: Node) -> None:
        given = showing("p", name, policy="Always")
        await running(node, given)
        assert await inside(node, "cat", "/v/f") == "old\n"
        assert node.told.of("Pulling") == [f'Pulling image "{name}"']
        assert not await trace_of(node, given)

    async def second(node: Node) -> None:
        for policy, text in (("IfNotPresent", "old\n"), ("Always", "new\n")):
            given = showing("p", name, policy=policy)
            node.statuses.deleted.clear()
            await running(node, given)
            assert await inside(node, "cat", "/v/f") == text
            await collect(node)
            assert await node.runtime.image(name)
            assert not await trace_of(node, given)
        assert len(node.told.of("Pulling")) == 1
        await collect(node)
        assert await node.runtime.image(name) is None

    on_the_machine(first)(machine)
    registry.push(archive.layered(name, [Layer().file("f", b"new\n")], {}), name)
    on_the_machine(second)(machine)
