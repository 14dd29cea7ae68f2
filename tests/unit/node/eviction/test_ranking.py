"""Who has to go when something runs short, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.node.critical import is_critical
from longboat.node.eviction.ranking import message, ranked
from longboat.node.eviction.signals import MEMORY, NODEFS, PIDS, Observation
from longboat.node.eviction.thresholds import thresholds
from longboat.node.eviction.usage import EVERYTHING, LOGS, ROOT, VOLUMES, ContainerUse, Disk, PodUse
from unit.node.build import Pod, container, pod

MI = 1 << 20


def asking(name: str, priority: int = 0, **requests: str) -> Pod:
    wanted = {key.replace("_", "-"): value for key, value in requests.items()}
    return pod(name, container("c", "x", resources={"requests": wanted}), priority=priority)


def uses(listed: list[tuple[Pod, PodUse | None]]) -> dict[str, PodUse]:
    return {pod.uid: use for pod, use in listed if use is not None}


def order(resource: str, listed: list[tuple[Pod, PodUse | None]], parts: frozenset[str] = EVERYTHING) -> list[str]:
    return [p.metadata.name for _, p in ranked(resource, [p for p, _ in listed], uses(listed), parts)]


def test_of_memory_who_is_over_its_request_goes_first_then_the_less_important_then_the_largest() -> None:
    listed = [
        (asking("within", memory="1Gi"), PodUse(memory=900 * MI)),
        (asking("over", memory="100Mi"), PodUse(memory=200 * MI)),
        (asking("important", priority=10, memory="10Mi"), PodUse(memory=2000 * MI)),
        (asking("largest"), PodUse(memory=150 * MI)),
        (asking("unknown"), None),
    ]
    assert order("memory", listed) == ["unknown", "largest", "over", "important", "within"]


def test_of_disk_only_what_lies_where_it_is_scarce_counts() -> None:
    logs = {"c": ContainerUse(logs=Disk(5 * MI, 2))}
    layer = {"c": ContainerUse(root=Disk(9 * MI, 1))}
    volume = {"scratch": Disk(7 * MI, 900)}
    listed = [(asking("logs"), PodUse(containers=logs)), (asking("layer"), PodUse(containers=layer)),
              (asking("volume"), PodUse(volumes=volume))]  # fmt: skip
    assert order("ephemeral-storage", listed)[0] == "layer"
    assert order("ephemeral-storage", listed, frozenset((LOGS, VOLUMES)))[0] == "volume"
    assert order("ephemeral-storage", listed, frozenset((ROOT,)))[0] == "layer"
    assert order("inodes", listed)[0] == "volume"


def test_of_processes_the_more_important_stay_whatever_they_have() -> None:
    listed = [(asking("many", priority=5), PodUse(processes=900)), (asking("few"), PodUse(processes=3)),
              (asking("some"), PodUse(processes=30))]  # fmt: skip
    assert order("pids", listed) == ["some", "few", "many"]


@pytest.mark.parametrize(
    ("given", "critical"),
    [
        (pod(priority=1_999_999_999), False),
        (pod(priority=2_000_000_000), True),
        (pod(metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}), False),  # anybody may write that
        (pod(metadata={"annotations": {"kubernetes.io/config.source": "file"}}), False),
    ],
)
def test_whom_nothing_is_gained_by_evicting(given: Pod, critical: bool) -> None:
    assert is_critical(given) is critical


def test_the_message_and_its_notes_are_the_kubelets() -> None:
    met = thresholds({NODEFS: "10%", MEMORY: "100Mi", PIDS: "50"}, {}, {}, {})
    seen = {NODEFS: Observation(50 * MI, 1000 * MI), MEMORY: Observation(90 * MI, 1 << 30), PIDS: Observation(7, 99)}
    given = asking("p", memory="1Mi", ephemeral_storage="2Mi")
    use = PodUse(
        memory=30 * MI, containers={"c": ContainerUse(memory=20 * MI, root=Disk(3 * MI), logs=Disk(MI)),
                                    "debugger": ContainerUse(memory=10 * MI)},
    )  # fmt: skip
    said, notes = message("memory", given, use, met, seen)
    assert said == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. "
        "Container c was using 20Mi, request is 1Mi, has larger consumption of memory. "
    )
    assert notes == {"offending_containers": "c", "offending_containers_usage": "20Mi", "starved_resource": "memory"}
    assert message("ephemeral-storage", given, use, met, seen)[0] == (
        "The node was low on resource: ephemeral-storage. Threshold quantity: 100Mi, available: 50Mi. "
        "Container c was using 4Mi, request is 2Mi, has larger consumption of ephemeral-storage. "
    )
    assert message("pids", given, use, met, seen)[0] == (
        "The node was low on resource: pids. Threshold quantity: 50, available: 7. "
    )
    assert message("memory", given, None, (), seen) == ("The node was low on resource: memory. ", {})
    whole = pod("w", resources={"requests": {"memory": "5Mi"}})
    assert "Pod w was using 30Mi, request is 5Mi, has larger" in message("memory", whole, use, met, seen)[0]


USE = st.builds(
    lambda memory, processes, size, inodes: PodUse(
        memory=memory, processes=processes, volumes={"v": Disk(size, inodes)}
    ),
    *[st.integers(0, 100)] * 4,
)
LISTED = st.lists(
    st.tuples(st.sampled_from(["10", "50", ""]), st.integers(-2, 2), USE | st.none()), min_size=1, max_size=8
)


@given(LISTED, st.sampled_from(["memory", "ephemeral-storage", "inodes", "pids"]), st.randoms())
def test_laws_of_ranking(drawn: list[tuple[str, int, PodUse | None]], resource: str, chance: Any) -> None:
    """The order does not depend on who is named first; and nobody who keeps to what it asked for goes before one who
    does not, nor the more important before the less among such."""
    listed = [
        (asking(f"p{i}", priority, **({resource.replace("-", "_"): asked} if asked else {})), use)
        for i, (asked, priority, use) in enumerate(drawn)
    ]
    found = ranked(resource, [p for p, _ in listed], uses(listed))
    assert sorted(p.uid for _, p in found) == sorted(p.uid for p, _ in listed)
    shuffled = list(listed)
    chance.shuffle(shuffled)
    assert ranked(resource, [p for p, _ in shuffled], uses(listed)) == found
    over = [rank[1] for rank, _ in found if rank[0]]
    assert over == sorted(over)
    for group in (0, 1):
        priorities = [p.spec.priority for rank, p in found if rank[0] and rank[1] == group]
        assert priorities == sorted(priorities)
