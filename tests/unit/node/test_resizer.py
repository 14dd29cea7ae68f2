"""The order in which limits change when pods are resized: on files as versions 1 and 2 of cgroups have them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longboat.aio.clock import VirtualClock
from longboat.api.resources import Resources
from longboat.machinery.objects import Object
from longboat.node import allocation
from longboat.node.cgroups import Cgroups
from longboat.node.cri import config
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.make import cgroups
from longboat.node.pod_cgroups import PodCgroups
from longboat.node.resize import Update
from longboat.node.resizer import ResizeFailure, Resizer
from longboat.node.views.pod import Pod
from unit.node.build import container, pod
from unit.node.test_resize import MEGA, resized, sized


def tree(system: Path, given: Pod, *, unified: bool) -> None:
    """Cgroup files of a pod as the kernel would make them."""
    place = cgroups.pod_parent("/", given).strip("/")
    one = {"cpu.max": "max 100000", "cpu.weight": "1", "memory.max": "max", "memory.current": "0"}
    two: dict[str, dict[str, str]] = {
        "cpu": {"cpu.shares": "2", "cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"},
        "memory": {"memory.limit_in_bytes": str(cgroups.NO_LIMIT * 2 - 4096), "memory.usage_in_bytes": "0"},
        "pids": {},
    }
    for folder in ("", "kubepods", "kubepods/burstable", place, *(f"{place}/{name}" for name in "ab")):
        for controller, files in (
            {"": one | {"cgroup.subtree_control": "", "cgroup.controllers": ""}} if unified else two
        ).items():
            (system / controller / folder).mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                (system / controller / folder / name).write_text(text)


class Watched(MemoryRuntime):
    """Sees to it that no container is ever allowed more than its pod."""

    groups: Cgroups
    given: Pod

    async def update_container(self, id: str, resources: config.Resources) -> None:
        pod_limits = self.groups.limits(self.given)
        assert not pod_limits.memory or 0 < resources.memory_limit <= pod_limits.memory
        assert not pod_limits.quota or 0 < resources.cpu_quota <= pod_limits.quota
        self.calls = [*getattr(self, "calls", []), (id, resources)]


steps = st.integers(2, 40)
limited = st.fixed_dictionaries({"cpu": st.just("1m"), "cpu_limit": steps, "memory_limit": steps})


@pytest.mark.parametrize("unified", [True, False])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.tuples(limited, limited), st.tuples(limited, limited))
def test_no_container_is_ever_allowed_more_than_its_pod(tmp_path: Path, unified: bool, before: Any, after: Any) -> None:
    def resources(found: Any) -> Object:
        return sized("1m", cpu=f"{found['cpu_limit'] * 10}m", memory=f"{found['memory_limit']}Mi")

    async def main() -> None:
        old = pod("p", *(container(n, resources=resources(f)) for n, f in zip("ab", before, strict=True)))
        tree(tmp_path, old, unified=unified)
        runtime = Watched(VirtualClock())
        runtime.groups, runtime.given = groups, old = Cgroups("/", system=tmp_path), old
        groups.ensure_pod(old)
        assert groups.limits(old) == cgroups.pod_limits(old)
        new = resized(old, **{n: resources(f) for n, f in zip("ab", after, strict=True)})
        found = [
            Update(c, c.name, had.resources)
            for c, had in zip(new.spec.containers, old.spec.containers, strict=True)
            if allocation.differ(c.resources, had.resources)
        ]
        done: dict[str, Resources | None] = {}
        await Resizer(runtime, PodCgroups(groups), {}).resize(new, found, done.__setitem__)
        assert groups.limits(new) == cgroups.pod_limits(new)
        assert done == dict.fromkeys((u.id for u in found), None)
        last = dict(getattr(runtime, "calls", []))
        for update in found:
            assert last[update.id] == cgroups.container_resources(new, update.container, {})

    asyncio.run(main())


@pytest.mark.parametrize("unified", [True, False])
def test_memory_in_use_is_not_taken_away(tmp_path: Path, unified: bool) -> None:
    async def main() -> None:
        old = pod("p", container("a", resources=sized("1m", memory="40Mi")), container("b", resources=sized("1m")))
        tree(tmp_path, old, unified=unified)
        runtime = Watched(VirtualClock())
        runtime.groups, runtime.given = groups, _ = Cgroups("/", system=tmp_path), old
        groups.ensure_pod(old)
        current = "memory.current" if unified else "memory.usage_in_bytes"
        place = tmp_path / ("" if unified else "memory") / cgroups.pod_parent("/", old).strip("/")
        (place / "a" / current).write_text(str(30 * MEGA))
        (place / current).write_text(str(35 * MEGA))
        less = resized(old, a=sized("1m", memory="20Mi"))
        update = Update(less.spec.containers[0], "a", old.spec.containers[0].resources)
        one = f'attempting to set container "a" memory limit ({20 * MEGA}) below current usage ({30 * MEGA})'
        with pytest.raises(ResizeFailure) as failed:
            await Resizer(runtime, PodCgroups(groups), {}).resize(less, [update], lambda name, now: None)
        assert str(failed.value) == f"cannot decrease memory limits: {one}"
        both = resized(less, b=sized("1m", memory="10Mi"))
        pods = f"attempting to set pod memory limit ({30 * MEGA}) below current usage ({35 * MEGA})"
        with pytest.raises(ResizeFailure) as failed:
            await Resizer(runtime, PodCgroups(groups), {}).resize(both, [update], lambda name, now: None)
        assert str(failed.value) == f"cannot decrease memory limits: [{pods}, {one}]"
        assert not hasattr(runtime, "calls")

    asyncio.run(main())
