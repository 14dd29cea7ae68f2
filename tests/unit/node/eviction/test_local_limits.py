"""Pods that write more to the disk than they may."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.node.eviction.local_limits import is_limited, outgrown, pod_limit
from longboat.node.eviction.usage import ContainerUse, Disk, PodUse
from unit.node.build import Pod, container, pod

MI = 1 << 20


def limited(name: str, limit: str = "", **more: Any) -> dict[str, Any]:
    return container(name, "x", resources={"limits": {"ephemeral-storage": limit}} if limit else {}, **more)


def scratch(limit: str = "1Mi", **source: Any) -> Pod:
    return pod(volumes=[{"name": "scratch", "emptyDir": {"sizeLimit": limit, **source}}])


def test_an_empty_dir_has_its_size() -> None:
    use = PodUse(volumes={"scratch": Disk(MI + 1)})
    assert outgrown(scratch(), PodUse(volumes={"scratch": Disk(MI)})).message == ""
    assert outgrown(scratch(), use).message == 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". '
    assert outgrown(scratch("1024Ki"), use).message == 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". '
    assert outgrown(scratch(medium="Memory"), use).message == "", "a file system of that size limits itself"
    for given, used in ((scratch("0"), use), (scratch(""), use), (scratch(), PodUse())):
        assert outgrown(given, used) == ("", "")


def test_a_pod_has_the_sum_of_its_containers_limits() -> None:
    given = pod("p", limited("a", "10Mi"), limited("b"))
    use = PodUse(containers={"b": ContainerUse(root=Disk(6 * MI), logs=Disk(MI))}, volumes={"v": Disk(3 * MI)})
    assert outgrown(given, use).message == ""
    more = PodUse(containers=use.containers, volumes=use.volumes, rest=Disk(4096))
    said = "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "
    assert outgrown(given, more) == ("ephemeralpodfs.limit", said)


def test_a_container_has_its_own() -> None:
    given = pod("p", limited("a", "2Mi"), limited("b", "9Mi"))
    use = PodUse(containers={"a": ContainerUse(root=Disk(MI), logs=Disk(MI + 1))})
    assert outgrown(given, use).message == 'Container a exceeded its local ephemeral storage limit "2Mi". '
    assert outgrown(given, use, dedicated=True).message == "", "what is written beside logs lies on the images' disk"
    volume = PodUse(volumes={"v": Disk(3 * MI)})
    assert outgrown(given, volume).message == "", "whose volume it is cannot be said"


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        (pod("p", limited("a"), limited("b")), None),
        (pod("p", limited("a", "1Mi"), limited("b", "512Ki")), "1536Ki"),
        (pod("p", limited("a", "1Mi"), initContainers=[limited("i", "3Mi")]), "3Mi"),
        (pod("p", limited("a", "1Mi"), initContainers=[limited("s", "2Mi", restartPolicy="Always")]), "3Mi"),
        (pod("p", limited("a", "1Mi"), initContainers=[limited("s", "2Mi", restartPolicy="Always"),
                                                       limited("i", "4Mi")]), "6Mi"),
        (pod("p", limited("a", "1Mi"), overhead={"ephemeral-storage": "1Mi"}), "2Mi"),
        (pod("p", limited("a"), overhead={"ephemeral-storage": "1Mi"}), None),
    ],
)  # fmt: skip
def test_what_limits_come_to(given: Pod, limit: str | None) -> None:
    found = pod_limit(given)
    assert (None if found is None else str(found)) == limit
    assert is_limited(given) is (limit is not None)
