"""Where things of a pod lie on the node: kubelet's layout, which log collectors and storage drivers expect."""

from __future__ import annotations

from pathlib import Path

import msgspec

from longboat.node.views.pod import Pod


class Paths(msgspec.Struct, frozen=True):
    """`root` is the kubelet's directory, `logs` that of the pods' logs, `links` where logs are linked by container."""

    root: Path = Path("/var/lib/kubelet")
    logs: Path = Path("/var/log/pods")
    links: Path = Path("/var/log/containers")

    @property
    def seccomp(self) -> Path:
        return self.root / "seccomp"

    @property
    def pods(self) -> Path:
        return self.root / "pods"

    def pod(self, uid: str) -> Path:
        return self.pods / uid

    def volumes(self, uid: str) -> Path:
        return self.pod(uid) / "volumes"

    def sub_paths(self, uid: str) -> Path:
        return self.pod(uid) / "volume-subpaths"

    def images(self, uid: str) -> Path:
        """For the images that volumes show."""
        return self.pod(uid) / "images"

    def container(self, uid: str, name: str) -> Path:
        """For the termination messages of one container."""
        return self.pod(uid) / "containers" / name

    def hosts_file(self, pod: Pod) -> Path:
        return self.pod(pod.uid) / "etc-hosts"

    def pod_logs(self, pod: Pod) -> Path:
        meta = pod.metadata
        return self.logs / f"{meta.namespace}_{meta.name}_{meta.uid}"

    def link(self, pod: Pod, container: str, id: str) -> Path:
        meta = pod.metadata
        return self.links / f"{meta.name}_{meta.namespace}_{container}-{id}.log"
