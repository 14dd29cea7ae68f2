"""Pods that get more or less processor time and memory while they run (sig-node)."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from conformance.node.pods import Pods, container, pod, state, until
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(180)]

Sizes = Mapping[str, str]
"""Requests and limits as "cpu", "memory", "cpu limit" and "memory limit"."""

MEGA = 1 << 20
LITTLE, MORE, LESS = 20, 25, 15  # thousandths of a core
SMALL, LARGER, SMALLER = 35, 40, 30  # megabytes
# What holds, as the container's own cgroup says. No forks: some of them get a hundredth of a core.
READ = """cd /sys/fs/cgroup
if [ -e cpu.max ]; then
  read cpu < cpu.weight; read quota rest < cpu.max; read memory < memory.max
else
  read cpu < cpu/cpu.shares; read quota < cpu/cpu.cfs_quota_us; read memory < memory/memory.limit_in_bytes
  [ "$quota" = -1 ] && quota=max; [ ${#memory} -gt 18 ] && memory=max; cpu="$cpu shares"
fi
echo "$cpu/$quota/$memory"
"""


def guaranteed(milli: int, mega: int) -> Sizes:
    return {"cpu": f"{milli}m", "memory": f"{mega}Mi", "cpu limit": f"{milli}m", "memory limit": f"{mega}Mi"}


def resources(sizes: Sizes) -> Object:
    """As a container states them."""
    requests = {name: text for name, text in sizes.items() if not name.endswith("limit")}
    limits = {name.split()[0]: text for name, text in sizes.items() if name.endswith("limit")}
    return {side: listed for side, listed in (("requests", requests), ("limits", limits)) if listed}


def of(sizes: Mapping[str, Sizes]) -> list[Object]:
    return [container(name=name, resources=resources(each)) for name, each in sizes.items()]


def asking(sizes: Mapping[str, Sizes]) -> Object:
    """A patch."""
    return {"spec": {"containers": [{"name": name, "resources": resources(each)} for name, each in sizes.items()]}}


def cgroup(sizes: Sizes) -> set[str]:
    """What the container's cgroup may say: by version of cgroups."""
    milli, limit = (int(sizes.get(name, "0m").removesuffix("m")) for name in ("cpu", "cpu limit"))
    shares = max(milli * 1024 // 1000, 2)
    quota = str(max(limit * 100, 1000)) if limit else "max"
    memory = str(int(sizes["memory limit"].removesuffix("Mi")) * MEGA) if "memory limit" in sizes else "max"
    return {f"{shares} shares/{quota}/{memory}", f"{1 + (shares - 2) * 9999 // 262142}/{quota}/{memory}"}


def holds(found: Object, sizes: Mapping[str, Sizes]) -> bool:
    """Whether the pod says that it has been resized, and no more of it."""
    conditions = [c["type"] for c in found["status"]["conditions"]]
    generation, seen = found["metadata"]["generation"], found["status"].get("observedGeneration")
    statuses = {name: state(found, name) for name in sizes}
    return (
        generation == seen
        and not any(name.startswith("PodResize") for name in conditions)
        and all(status.get("resources") == resources(sizes[name]) for name, status in statuses.items())
        and all(
            status.get("allocatedResources") == resources(sizes[name]).get("requests")
            for name, status in statuses.items()
        )
    )


def verify(pods: Pods, name: str, sizes: Mapping[str, Sizes]) -> Object:
    """Wait until the pod has these sizes: by its spec, by its status and by the cgroup of each container."""
    found = pods.until(name, lambda pod: holds(pod, sizes))
    for each in found["spec"]["containers"]:
        assert each["resources"] == resources(sizes[each["name"]])
        assert state(found, each["name"])["restartCount"] == 0

    def read(name_of: str) -> str:
        return pods.sh(name, READ, name_of).strip()

    with ThreadPoolExecutor(4) as executor:
        says = dict(zip(sizes, executor.map(read, sizes), strict=True))
    assert all(says[each] in cgroup(sizes[each]) for each in sizes), f"{says}, told: {pods.events(name)}"
    return found


def there_and_back(pods: Pods, name: str, before: Mapping[str, Sizes], after: Mapping[str, Sizes]) -> None:
    """Resize by patches, and take it back."""
    pods.ready(name)
    ids = {each: state(verify(pods, name, before), each)["containerID"] for each in before}
    for sizes in (after, before):
        pods.api.patch(pods.path(name, "resize"), asking(sizes), "strategic")
        found = verify(pods, name, sizes)
        assert {each: state(found, each)["containerID"] for each in before} == ids
    reasons = [reason for reason, _ in pods.events(name)]
    assert "ResizeStarted" in reasons and "ResizeError" not in reasons
    until(lambda: "ResizeCompleted" in dict(pods.events(name)), "nothing was told of the end of it")


ALIKE = dict.fromkeys(("c1", "c2", "c3"), guaranteed(LITTLE, SMALL))
VARIOUS: dict[str, Sizes] = {
    "c1": {"cpu": "20m"},
    "c2": {"memory": "35Mi"},
    "c3": {"cpu": "20m", "memory": "35Mi"},
    "c4": {"cpu": "20m"},
    "c5": {"memory": "35Mi"},
    "c6": {"cpu": "20m", "memory": "35Mi", "cpu limit": "30m", "memory limit": "45Mi"},
}
MINUTE: Sizes = {"cpu": "2m", "cpu limit": "10m"}
REPLACED = guaranteed(LITTLE, SMALL)
START = [
    *(pod(name, *of(ALIKE)) for name in ("increase", "decrease", "mixed")),
    pod("various", *of(VARIOUS)),
    pod("minute", *of({"c1": MINUTE})),
    pod("replaced", *of({"c1": REPLACED})),
]


def test_more_altogether(pods: Pods) -> None:
    """Conformance: In-place Pod Resize, guaranteed pods with multiple containers, net increase"""
    after = {"c1": guaranteed(MORE, LARGER), "c2": guaranteed(MORE + 2, LARGER + 2), "c3": guaranteed(LESS, SMALLER)}
    there_and_back(pods, "increase", ALIKE, after)


def test_less_altogether(pods: Pods) -> None:
    """Conformance: In-place Pod Resize, guaranteed pods with multiple containers, net decrease"""
    after = {"c1": guaranteed(MORE, LARGER), "c2": guaranteed(LESS, SMALLER), "c3": guaranteed(LESS - 2, SMALLER - 2)}
    there_and_back(pods, "decrease", ALIKE, after)


def test_more_of_this_and_less_of_that(pods: Pods) -> None:
    """Conformance: In-place Pod Resize, guaranteed pods with multiple containers, various operations"""
    after = {"c1": guaranteed(MORE, SMALL), "c2": guaranteed(LESS, LARGER), "c3": guaranteed(MORE, LARGER)}
    there_and_back(pods, "mixed", ALIKE, after)


def test_six_containers(pods: Pods) -> None:
    """Conformance: In-place Pod Resize, burtable pod with multiple containers and various operations"""
    after: dict[str, Sizes] = {
        "c1": {"cpu": "25m", "cpu limit": "35m"},
        "c2": {"memory": "30Mi", "memory limit": "50Mi"},
        "c3": {"cpu": "20m", "memory": "30Mi"},
        "c4": {"cpu": "15m", "memory": "35Mi"},
        "c5": {"cpu": "20m", "memory": "40Mi"},
        "c6": {"cpu": "15m", "memory": "40Mi", "cpu limit": "35m", "memory limit": "40Mi"},
    }
    pods.ready("various")
    verify(pods, "various", VARIOUS)
    pods.api.patch(pods.path("various", "resize"), asking(after), "strategic")
    verify(pods, "various", after)


def test_what_the_kernel_does_not_tell_apart(pods: Pods) -> None:
    """Conformance: In-place Pod Resize, burstable pod resized with equivalents"""
    there_and_back(pods, "minute", {"c1": MINUTE}, {"c1": {"cpu": "1m", "cpu limit": "5m"}})


def test_read_and_replace(pods: Pods) -> None:
    """Conformance: In-place Pod Resize, read and replace endpoints"""
    pods.ready("replaced")
    found, wanted = verify(pods, "replaced", {"c1": REPLACED}), guaranteed(MORE, LARGER)
    found["spec"]["containers"][0]["resources"] = resources(wanted)
    found["metadata"].pop("resourceVersion")
    pods.api.put(pods.path("replaced", "resize"), found)
    verify(pods, "replaced", {"c1": wanted})
    assert pods.api.get(pods.path("replaced", "resize")) == pods.get("replaced")
