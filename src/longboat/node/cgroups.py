"""Cgroups of pods: made with their limits before the sandbox, removed after it. Versions 1 and 2."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from longboat.node.make import cgroups
from longboat.node.make.cgroups import BEST_EFFORT, BURSTABLE, MIN_SHARES, NO_LIMIT, PERIOD, Limits
from longboat.node.views.pod import Pod

log = logging.getLogger(__name__)
SYSTEM = Path("/sys/fs/cgroup")
V2_CONTROLLERS = "+cpu +memory +pids"


class Cgroups:
    """`root` is the node's own cgroup, all pods beneath it (`/` on a machine of its own). Methods block.

    `pids` is how many processes and threads a pod may have, 0 for no limit (kubelet, podPidsLimit).
    """

    def __init__(self, root: str, pids: int = 0, system: Path = SYSTEM) -> None:
        self._root, self._pids, self._system = root, pids, system
        self._unified = (system / "cgroup.controllers").exists()
        self._shares: dict[str, int] = {}  # of burstable pods, by uid

    def ensure_pod(self, pod: Pod) -> None:
        """Raises OSError."""
        limits, quality = cgroups.pod_limits(pod), cgroups.qos(pod)
        path = cgroups.pod_parent(self._root, pod)
        if quality == BURSTABLE:
            self._shares[pod.uid] = limits.shares
            self._set(cgroups.qos_parent(self._root, BURSTABLE), Limits(max(sum(self._shares.values()), MIN_SHARES)))
        elif quality == BEST_EFFORT:
            self._set(cgroups.qos_parent(self._root, BEST_EFFORT), Limits())
        self._set(path, limits)
        if self._pids:
            tree = self._system if self._unified else self._system / "pids"
            _write(tree / path.strip("/") / "pids.max", str(self._pids))

    def limits(self, pod: Pod) -> Limits:
        """What is set for a pod now. Raises OSError."""
        relative = cgroups.pod_parent(self._root, pod).strip("/")
        if self._unified:
            place = self._system / relative
            quota, _, period = _read(place / "cpu.max").partition(" ")
            return Limits(
                shares=cgroups.shares_of_weight(int(_read(place / "cpu.weight"))),
                quota=0 if quota == "max" else int(quota) * PERIOD // int(period),
                memory=_bytes(_read(place / "memory.max")),
            )
        cpu = self._system / "cpu" / relative
        return Limits(
            shares=int(_read(cpu / "cpu.shares")),
            quota=max(int(_read(cpu / "cpu.cfs_quota_us")), 0),
            memory=_bytes(_read(self._system / "memory" / relative / "memory.limit_in_bytes")),
        )

    def adjust(self, pod: Pod, limits: Limits) -> None:
        """Set limits of a running pod anew. Raises OSError."""
        if cgroups.qos(pod) == BURSTABLE:
            self._shares[pod.uid] = limits.shares
            self._set(cgroups.qos_parent(self._root, BURSTABLE), Limits(max(sum(self._shares.values()), MIN_SHARES)))
        self._set(cgroups.pod_parent(self._root, pod), limits)

    def memory_used(self, pod: Pod, container: str = "") -> int:
        """Bytes, by a pod as a whole or a container (by its id). Raises OSError."""
        place = Path(cgroups.pod_parent(self._root, pod).strip("/"), container)
        if self._unified:
            return int(_read(self._system / place / "memory.current"))
        return int(_read(self._system / "memory" / place / "memory.usage_in_bytes"))

    def remove_pod(self, pod: Pod) -> None:
        """Once its processes have ended; what is still in use stays for later."""
        self._shares.pop(pod.uid, None)
        self._remove(cgroups.pod_parent(self._root, pod))

    def remove_others(self, uids: Iterable[str]) -> None:
        """Cgroups of pods that are not among these."""
        keep = {f"pod{uid}" for uid in uids}
        for quality in (BURSTABLE, BEST_EFFORT, cgroups.GUARANTEED):
            parent = cgroups.qos_parent(self._root, quality)
            found = {path.name for tree in self._trees() for path in (tree / parent.strip("/")).glob("pod*")}
            for name in found - keep:
                self._remove(f"{parent}/{name}")

    def _trees(self) -> list[Path]:
        if self._unified:
            return [self._system]
        return [path for path in self._system.iterdir() if path.is_dir()]

    def _set(self, path: str, limits: Limits) -> None:
        relative = path.strip("/")
        if self._unified:
            self._set_unified(relative, limits)
            return
        cpu, memory = self._system / "cpu" / relative, self._system / "memory" / relative
        for place in (cpu, memory, self._system / "pids" / relative):
            place.mkdir(parents=True, exist_ok=True)
        _write(cpu / "cpu.shares", str(limits.shares))
        if limits.quota:
            _write(cpu / "cpu.cfs_period_us", str(PERIOD))
            _write(cpu / "cpu.cfs_quota_us", str(limits.quota))
        if limits.memory:
            _write(memory / "memory.limit_in_bytes", str(limits.memory))

    def _set_unified(self, relative: str, limits: Limits) -> None:
        place = self._system
        for part in relative.split("/"):
            with contextlib.suppress(OSError):  # the root may be managed by somebody who has enabled them already
                _write(place / "cgroup.subtree_control", V2_CONTROLLERS)
            place /= part
            place.mkdir(exist_ok=True)
        _write(place / "cpu.weight", str(cgroups.weight(limits.shares)))
        if limits.quota:
            _write(place / "cpu.max", f"{limits.quota} {PERIOD}")
        if limits.memory:
            _write(place / "memory.max", str(limits.memory))

    def _remove(self, path: str) -> None:
        for tree in self._trees():
            top = tree / path.strip("/")
            for directory, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(directory)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    log.debug("cgroup %s stays for now: %s", directory, error)


def _read(file: Path) -> str:
    return file.read_text().strip()


def _bytes(text: str) -> int:
    """A limit of memory; 0 where there is none, which version 1 writes as a number no machine could reach."""
    return 0 if text == "max" or int(text) >= NO_LIMIT else int(text)


def _write(file: Path, text: str) -> None:
    if file.read_text().strip() != text:
        file.write_text(text)
