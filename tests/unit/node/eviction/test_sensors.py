"""What a node has left is read off its file systems, the kernel's files and its cgroups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from longboat.node.eviction.cgroup import Reader, memory_limit
from longboat.node.eviction.sensors import Sensors
from longboat.node.eviction.signals import (
    ALLOCATABLE_MEMORY,
    IMAGEFS,
    MEMORY,
    NODEFS,
    NODEFS_INODES,
    PIDS,
    Observation,
)
from longboat.node.make.cgroups import NO_LIMIT

V1, V2 = "v1", "v2"
UNLIMITED = {V1: "9223372036854771712", V2: "max"}


class Files:
    """The kernel's, as a machine would have them: a gibibyte of memory, a thousand processes."""

    def __init__(self, folder: Path, version: str) -> None:
        self.system, self.proc, self.version = folder / "cgroup", folder / "proc", version
        self.write(self.proc / "meminfo", "MemTotal:  1048576 kB\nMemFree: 1 kB\nMemAvailable:  524288 kB\n")
        self.write(self.proc / "loadavg", "0.00 0.01 0.05 1/300 12345\n")
        self.write(self.proc / "sys/kernel/pid_max", "1000\n")
        self.write(self.proc / "sys/kernel/threads-max", "2000\n")
        if version == V2:
            self.write(self.system / "cgroup.controllers", "memory pids\n")

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def cgroup(self, path: str, limit: int | None, used: int, cold: int, processes: int, most: int | None) -> None:
        v1 = self.version == V1
        memory, pids = (self.system / part / path if v1 else self.system / path for part in ("memory", "pids"))
        none = UNLIMITED[self.version]
        self.write(memory / ("memory.limit_in_bytes" if v1 else "memory.max"), f"{none if limit is None else limit}\n")
        self.write(memory / ("memory.usage_in_bytes" if v1 else "memory.current"), f"{used}\n")
        name = "total_inactive_file" if v1 else "inactive_file"
        self.write(memory / "memory.stat", f"cache 7\n{name} {cold}\nother 9\n")
        self.write(pids / "pids.current", f"{processes}\n")
        self.write(pids / "pids.max", f"{'max' if most is None else most}\n")


@pytest.fixture(params=[V1, V2])
def files(tmp_path: Path, request: pytest.FixtureRequest) -> Files:
    return Files(tmp_path, request.param)


def test_a_machine_of_its_own(files: Files) -> None:
    files.cgroup("kubepods", None, 100, 0, 5, None)
    found = Sensors(files.proc, "/", files.system, files.proc).read()
    assert found[MEMORY] == Observation(512 << 20, 1 << 30, "memory")
    assert found[PIDS] == Observation(700, 1000, "processes") and ALLOCATABLE_MEMORY not in found
    disk = os.statvfs(files.proc)
    assert found[NODEFS].capacity == disk.f_blocks * disk.f_frsize == found[IMAGEFS].capacity
    assert found[NODEFS].source == found[IMAGEFS].source and found[NODEFS].source.startswith("disk ")
    assert found[NODEFS_INODES].capacity == disk.f_files


def test_a_node_that_may_not_have_all_of_its_machine(files: Files) -> None:
    files.cgroup("cluster/node", 1000, 800, 300, 40, 50)
    files.cgroup("cluster", 5000, 800, 0, 60, None)
    files.cgroup("cluster/node/kubepods", None, 800, 300, 40, None)
    found = Sensors(files.proc, "/cluster/node", files.system, files.proc).read()
    assert found[ALLOCATABLE_MEMORY] == Observation(500, 1000), "nobody else has it"
    assert found[PIDS] == Observation(10, 50)
    assert memory_limit("/cluster/node", files.system) == 1000
    files.cgroup("cluster", 900, 600, 0, 60, None)
    found = Sensors(files.proc, "/cluster/node", files.system, files.proc).read()
    assert found[ALLOCATABLE_MEMORY] == Observation(300, 900, "memory of /cluster")
    assert memory_limit("/other", files.system) == NO_LIMIT


def test_what_a_pod_uses(files: Files) -> None:
    files.cgroup("kubepods/poda", None, 800, 300, 7, None)
    files.cgroup("kubepods/podb", None, 100, 300, 7, None)
    reader = Reader(files.system)
    assert reader.working_set("/kubepods/poda") == 500 and reader.working_set("/kubepods/podb") == 0
    assert reader.processes("/kubepods/poda") == 7
    with pytest.raises(FileNotFoundError):
        reader.working_set("/kubepods/podc")


def test_images_on_a_disk_of_their_own(files: Files) -> None:
    sensors = Sensors(files.system.parent, "/", files.system, files.proc)
    files.cgroup("kubepods", None, 0, 0, 0, None)
    assert not sensors.dedicated
    sensors.use_images(Path("/dev/shm"))
    assert sensors.dedicated and sensors.read()[IMAGEFS].source != sensors.read()[NODEFS].source
