"""What is known of a pod on this node: what the runtime says, what probes say, what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from longboat.node.cri.interface import ContainerStatus, Sandbox, SandboxNetwork


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """The runtime's view. Sandboxes and containers newest first."""

    sandboxes: tuple[Sandbox, ...] = ()
    containers: tuple[ContainerStatus, ...] = ()
    network: SandboxNetwork = SandboxNetwork()  # of the newest sandbox

    @property
    def sandbox(self) -> Sandbox | None:
        """The newest, if it is alive and no older one is."""
        if not self.sandboxes or not self.sandboxes[0].ready:
            return None
        return self.sandboxes[0]

    def latest(self, name: str) -> ContainerStatus | None:
        return next((c for c in self.containers if c.name == name), None)

    def previous(self, name: str) -> ContainerStatus | None:
        """The one before the latest."""
        found = [c for c in self.containers if c.name == name]
        return found[1] if len(found) > 1 else None

    @property
    def running(self) -> list[ContainerStatus]:
        return [c for c in self.containers if c.state in ("running", "created", "unknown")]


class Waiting(msgspec.Struct, frozen=True):
    """Why a container does not run."""

    reason: str
    message: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What probes have found out of one container (by its id)."""

    started: bool = False
    ready: bool = False
    failed: str = ""  # "liveness" or "startup": it must be replaced


Verdicts = Mapping[str, Verdict]
