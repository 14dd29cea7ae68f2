"""emptyDir volumes: who writes what into them, on disk and in memory (sig-storage).

The descriptions say of volumes of the default medium too that they are of type tmpfs. They are not, and the suite does
not ask for it: their file system is the one that the node keeps its data on.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from conformance.node.pods import Pods, container, pod
from conformance.storage.cases import Case, each
from conformance.storage.files import looks, mode, seen
from e2e.host import Cluster
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

ROOT, SOMEBODY = 0, 1001
DISK, MEMORY = "", "Memory"
MOUNTS = [{"name": "volume", "mountPath": "/volume"}]


@dataclass(frozen=True)
class Written(Case):
    """A user makes a file of this mode in the volume."""

    mode: int
    medium: str
    user: int

    def pod(self) -> Object:
        before = f"echo content > /volume/file && chmod {self.mode:o} /volume/file"
        main = looks("/volume/file", before=before, volumeMounts=MOUNTS, securityContext={"runAsUser": self.user})
        return pod(self.name, main, volumes=[empty_dir(self.medium)])


@dataclass(frozen=True)
class Fresh(Case):
    """A volume as it is found."""

    medium: str

    def pod(self) -> Object:
        return pod(self.name, looks("/volume", volumeMounts=MOUNTS), volumes=[empty_dir(self.medium)])


def empty_dir(medium: str) -> Object:
    return {"name": "volume", "emptyDir": {"medium": medium}}


WRITTEN = [
    Written("Conformance: EmptyDir, medium default, volume mode 0644 (as root)", 0o644, DISK, ROOT),
    Written("Conformance: EmptyDir, medium default, volume mode 0666 (as root)", 0o666, DISK, ROOT),
    Written("Conformance: EmptyDir, medium default, volume mode 0777 (as root)", 0o777, DISK, ROOT),
    Written("Conformance: EmptyDir, medium default, volume mode 0644 (as somebody)", 0o644, DISK, SOMEBODY),
    Written("Conformance: EmptyDir, medium default, volume mode 0666 (as somebody)", 0o666, DISK, SOMEBODY),
    Written("Conformance: EmptyDir, medium default, volume mode 0777 (as somebody)", 0o777, DISK, SOMEBODY),
    Written("Conformance: EmptyDir, medium memory, volume mode 0644", 0o644, MEMORY, ROOT),
    Written("Conformance: EmptyDir, medium memory, volume mode 0666", 0o666, MEMORY, ROOT),
    Written("Conformance: EmptyDir, medium memory, volume mode 0777", 0o777, MEMORY, ROOT),
    Written("Conformance: EmptyDir, medium memory, volume mode 0644, non-root user", 0o644, MEMORY, SOMEBODY),
    Written("Conformance: EmptyDir, medium memory, volume mode 0666,, non-root user", 0o666, MEMORY, SOMEBODY),
    Written("Conformance: EmptyDir, medium memory, volume mode 0777, non-root user", 0o777, MEMORY, SOMEBODY),
]
FRESH = [
    Fresh("Conformance: EmptyDir, medium default, volume mode default", DISK),
    Fresh("Conformance: EmptyDir, medium memory, volume mode default", MEMORY),
]
SHARED = pod(
    "shared",
    container(
        "until cat /here/file; do sleep 0.1; done", name="main", volumeMounts=[{**MOUNTS[0], "mountPath": "/here"}]
    ),
    container("echo dropped > /there/file", name="sub", volumeMounts=[{**MOUNTS[0], "mountPath": "/there"}]),
    volumes=[empty_dir(DISK)],
)
START = [SHARED, *(case.pod() for case in WRITTEN), *(case.pod() for case in FRESH)]


@pytest.fixture(scope="module")
def disk(cluster: Cluster) -> str:
    """The type of the file system that nodes keep their data on."""
    return cluster.host.run("busybox", "stat", "-f", "-c", "%T", str(cluster.host.data)).quiet().strip()


@each(WRITTEN)
def test_a_file(pods: Pods, disk: str, case: Written) -> None:
    (file,) = seen(pods, case.name)
    assert (file.mode, file.content) == (mode(case.mode), b"content\n")
    assert file.reader == file.user == case.user
    assert file.file_system == (disk if case.medium == DISK else "tmpfs")


@each(FRESH)
def test_the_volume_itself(pods: Pods, disk: str, case: Fresh) -> None:
    (volume,) = seen(pods, case.name)
    sticky = case.medium == MEMORY  # as the kernel makes a tmpfs
    assert volume.mode == ("drwxrwxrwt" if sticky else "drwxrwxrwx")
    assert volume.file_system == (disk if case.medium == DISK else "tmpfs")


def test_containers_share_a_volume(pods: Pods) -> None:
    """Conformance: EmptyDir, Shared volumes between containers"""
    pods.finished("shared")
    assert pods.log("shared", "main").splitlines()[-1] == "dropped"
