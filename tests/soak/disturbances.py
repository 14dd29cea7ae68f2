"""What is done to the cluster, one at a time: each does something, keeps it up for a while, and undoes it.

`outage` is how long a page of `hello`, which has several servers, may fail to answer meanwhile (those of `pages`);
`recovery` how long after the end of it everything may take until it is as it should be (checks.py).
"""

from __future__ import annotations

import os
import random
import signal
import time
from typing import ClassVar

from e2e.pages import FILE, blocks
from soak.site import Site

NODES = ("node-1", "node-2")
APPLICATIONS = ("deploy/hello", "deploy/frontend", "deploy/application", "deploy/web", "ds/shipper")
BLIP = 3.0  # seconds: of a request or two that meet a machine with other things to do
AWAY = 75.0  # seconds for requests to find their way past a node that no longer answers: its grace, and a bit


class Disturbance:
    """`lasts`: seconds between do and undo."""

    outage: ClassVar[float] = BLIP
    recovery: ClassVar[float] = 120.0
    lasts: ClassVar[float] = 0.0

    def __init__(self, site: Site, dice: random.Random) -> None:
        self.site, self.dice = site, dice
        self.node = dice.choice(NODES)

    @property
    def what(self) -> str:
        return f"{type(self).__name__} {self.node}"

    @property
    def pages(self) -> str:
        """What the names of the pages begin with that should answer."""
        return "hello"

    def do(self) -> None:
        raise NotImplementedError

    def undo(self) -> None:
        """Nothing, where it is the cluster itself that makes it good."""


class Killing(Disturbance):
    """SIGKILL to processes; the supervisor starts them again."""

    def names(self) -> list[str]:
        raise NotImplementedError

    @property
    def what(self) -> str:
        return f"{type(self).__name__} {' '.join(self.names())}"

    def do(self) -> None:
        for name in self.names():
            os.kill(self.site.process(name), signal.SIGKILL)


class AgentKilled(Killing):
    def names(self) -> list[str]:
        return [self.node]


class ContainerdKilled(Killing):
    def names(self) -> list[str]:
        return [f"containerd-{self.node}"]


class APIServerKilled(Killing):
    def names(self) -> list[str]:
        return ["control-plane"]


class StoreKilled(Killing):
    def names(self) -> list[str]:
        return ["store"]


class IngressKilled(Killing):
    def names(self) -> list[str]:
        return [f"haproxy-{self.node}"]


class EverythingKilled(Disturbance):
    """All at once, the supervisor too; `longboat up` makes it good. Containers run on."""

    outage = 20.0

    def do(self) -> None:
        found = self.site.status()["processes"]
        for process in sorted(found, key=lambda process: process["name"] != "supervisor"):
            os.kill(process["pid"], signal.SIGKILL)

    def undo(self) -> None:
        self.site.up()


class Frozen(Disturbance):
    """A process that is there and does nothing."""

    lasts = 20.0
    names: ClassVar = ("control-plane", "store", *NODES)

    def __init__(self, site: Site, dice: random.Random) -> None:
        super().__init__(site, dice)
        self.name = dice.choice(self.names)
        self.pid = 0

    @property
    def what(self) -> str:
        return f"{type(self).__name__} {self.name}"

    def do(self) -> None:
        self.pid = self.site.process(self.name)
        os.kill(self.pid, signal.SIGSTOP)

    def undo(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


class CutOff(Disturbance):
    """A whole node without its cable, for long enough that its pods are given up."""

    outage = AWAY
    lasts = 90.0

    @property
    def pages(self) -> str:
        """At the other node: this one's address answers nobody."""
        return next(f"hello-{node.removeprefix('node-')}" for node in NODES if node != self.node)

    def do(self) -> None:
        self.site.cable(self.node, "down")

    def undo(self) -> None:
        self.site.cable(self.node, "up")


class CutOffBriefly(CutOff):
    outage = 20.0
    lasts = 8.0


class StateDiskFull(Disturbance):
    """No byte left where the store, the logs and the records of processes are. What answers needs none."""

    lasts = 20.0

    @property
    def what(self) -> str:
        return type(self).__name__

    def do(self) -> None:
        full(self.site, f"{self.site.host.data}/ballast")

    def undo(self) -> None:
        self.site.host.run("rm", f"{self.site.host.data}/ballast").ok()


class NodeDiskFull(Disturbance):
    """No byte left on the second node's disk: it gives up images and pods, and takes none until there is room again."""

    outage = 30.0
    recovery = 300.0
    lasts = 60.0
    PLACE = "nodes/node-2/ballast"

    @property
    def what(self) -> str:
        return f"{type(self).__name__} node-2"

    def do(self) -> None:
        full(self.site, f"{self.site.host.data}/{self.PLACE}")

    def undo(self) -> None:
        self.site.host.run("rm", f"{self.site.host.data}/{self.PLACE}").ok()
        self.site.import_images("node-2")


def full(site: Site, path: str) -> None:
    done = site.host.run("dd", "if=/dev/zero", f"of={path}", "bs=64k")
    assert "No space left" in done.err, done


class ClockStepped(Disturbance):
    """The clock of one process is set by an hour, and back again."""

    lasts = 45.0

    def __init__(self, site: Site, dice: random.Random) -> None:
        super().__init__(site, dice)
        self.process = dice.choice(("control-plane", "node-2"))
        self.hours = dice.choice((1, -1))

    @property
    def what(self) -> str:
        return f"{type(self).__name__} {self.process} {self.hours:+d}h"

    def do(self) -> None:
        self.site.clocks.set(self.process, self.hours * 3600)

    def undo(self) -> None:
        self.site.clocks.set(self.process, 0)


class Rollout(Disturbance):
    def __init__(self, site: Site, dice: random.Random) -> None:
        super().__init__(site, dice)
        self.workload = dice.choice(APPLICATIONS)

    @property
    def what(self) -> str:
        return f"{type(self).__name__} {self.workload}"

    def do(self) -> None:
        self.site.kubectl("rollout", "restart", self.workload).ok()


class RolloutUndone(Rollout):
    """To an image that nobody has, and back."""

    lasts = 20.0

    def __init__(self, site: Site, dice: random.Random) -> None:
        super().__init__(site, dice)
        self.workload = "deploy/hello"

    def do(self) -> None:
        self.site.kubectl("set", "image", self.workload, "hello=longboat.local/nowhere:1").ok()

    def undo(self) -> None:
        self.site.kubectl("rollout", "undo", self.workload).ok()


class Scaled(Disturbance):
    lasts = 25.0

    @property
    def what(self) -> str:
        return type(self).__name__

    def do(self) -> None:
        self.site.kubectl("scale", "deploy/hello", "--replicas=8").ok()

    def undo(self) -> None:
        self.site.kubectl("scale", "deploy/hello", "--replicas=3").ok()


class PodsDeleted(Disturbance):
    """One of each application, without a moment to stop; a database is asked."""

    outage = 10.0
    recovery = 150.0

    @property
    def what(self) -> str:
        return type(self).__name__

    def do(self) -> None:
        self.site.kubectl("delete", "pod", "database-0", "collector-0", "--wait=false").ok()
        for label in ("app=hello", "app=frontend", "app=application", "app=web", "role=leader"):
            names = self.site.kubectl("get", "pods", "-l", label, "-o", "name").quiet().split()
            self.site.kubectl("delete", self.dice.choice(names), "--grace-period=0", "--force").ok()


class Drained(Disturbance):
    outage = 10.0
    recovery = 150.0
    lasts = 10.0

    def do(self) -> None:
        flags = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=90s")
        self.site.kubectl("drain", self.node, *flags).ok()

    def undo(self) -> None:
        self.site.kubectl("uncordon", self.node).ok()


class NamespaceComesAndGoes(Disturbance):
    """What pages of the guide show, in a namespace of its own, which then goes with all of it."""

    lasts = 15.0
    PAGES = ("deployment", "service", "statefulset", "configmap", "networkpolicy")

    def __init__(self, site: Site, dice: random.Random) -> None:
        super().__init__(site, dice)
        self.name = f"guide-{dice.randrange(1 << 32):08x}"

    @property
    def what(self) -> str:
        return f"{type(self).__name__} {self.name}"

    def do(self) -> None:
        self.site.kubectl("create", "namespace", self.name).ok()
        for page in self.PAGES:
            for language, content in blocks(page):
                if language == "yaml" and FILE.match(content):
                    self.site.kubectl("apply", "-n", self.name, "-f", "-", stdin=content).ok()
        for workload in ("deploy", "sts"):
            self.site.kubectl("rollout", "status", workload, "-n", self.name, "--timeout=90s").ok()

    def undo(self) -> None:
        self.site.kubectl("delete", "namespace", self.name, "--timeout=90s").ok()


ALL: tuple[type[Disturbance], ...] = (
    AgentKilled, ContainerdKilled, APIServerKilled, StoreKilled, IngressKilled, EverythingKilled, Frozen, CutOff,
    CutOffBriefly, StateDiskFull, NodeDiskFull, ClockStepped, Rollout, RolloutUndone, Scaled, PodsDeleted, Drained,
    NamespaceComesAndGoes,
)  # fmt: skip


def sleep(disturbance: Disturbance) -> None:
    time.sleep(disturbance.lasts)
