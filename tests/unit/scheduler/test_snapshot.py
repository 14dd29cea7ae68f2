"""Counting pods on nodes: whatever comes and goes, the sums are those of the pods that are there."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from longboat.api import resources
from longboat.scheduler.info import PodInfo
from unit.scheduler.build import cluster, node, pod

NODES = ("a", "b")


class Counting(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.snapshot = cluster(*(node(n) for n in NODES))
        self.placed: dict[str, tuple[PodInfo, str]] = {}

    @rule(milli=st.integers(0, 2000), where=st.sampled_from(NODES), port=st.integers(0, 3))
    def place(self, milli: int, where: str, port: int) -> None:
        info = pod(cpu=f"{milli}m", ports=[{"hostPort": port}] if port else [])
        self.snapshot.place(info, where)
        self.placed[info.uid] = (info, where)

    @rule(data=st.data(), where=st.sampled_from(NODES))
    def move(self, data: st.DataObject, where: str) -> None:
        if self.placed:
            uid = data.draw(st.sampled_from(sorted(self.placed)))
            info, _ = self.placed[uid]
            self.snapshot.place(info, where)
            self.placed[uid] = (info, where)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if self.placed:
            uid = data.draw(st.sampled_from(sorted(self.placed)))
            del self.placed[uid]
            assert self.snapshot.remove(uid)
            assert not self.snapshot.remove(uid)

    @rule(where=st.sampled_from(NODES))
    def node_comes_back(self, where: str) -> None:
        self.snapshot.set_node(where, None)
        self.snapshot.set_node(where, node(where))

    @invariant()
    def sums_hold(self) -> None:
        for name in NODES:
            here = [info for info, where in self.placed.values() if where == name]
            total: resources.Amounts = {"cpu": 0}
            for info in here:
                resources.add(total, info.requests)
            found = self.snapshot.node(name)
            assert found is not None
            assert found.requested.get("cpu", 0) == total["cpu"]
            assert set(found.pods) == {info.uid for info in here}
            assert sum(found.host_ports.values()) == sum(len(info.host_ports) for info in here)


TestCounting = Counting.TestCase
