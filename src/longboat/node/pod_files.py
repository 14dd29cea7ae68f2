"""What pods have on their node's disk beside their volumes: directories, hosts files, logs, last words."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from longboat.aio.threads import aside
from longboat.node import logs, termination
from longboat.node.cri.config import Mount
from longboat.node.cri.interface import ContainerStatus, SandboxNetwork
from longboat.node.make import dns
from longboat.node.make.config import NodeFacts
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod
from longboat.node.volumes.mounts import binding, make_points, mounts

log = logging.getLogger(__name__)


class PodFiles:
    """One per agent. Methods raise OSError unless they say otherwise; simulated nodes have others
    (`simulated/stand_ins.py`)."""

    def __init__(self, node: NodeFacts) -> None:
        self._node = node

    async def prepare(self, pod: Pod) -> None:
        """The pod's directory, and that of its logs."""
        await asyncio.to_thread(self._prepare, pod)

    async def mounts(
        self, pod: Pod, container: Container, message_file: Path, places: Mapping[str, Path], env: Mapping[str, str],
        *, recursive: bool,
    ) -> list[Mount]:  # fmt: skip
        """The container's, once all that they need lies ready: the file for its termination message, subPaths, places
        for what is mounted. Others' disks may hang: nothing waits with it. Raises StartFailure too."""
        return await aside(self._mounts, pod, container, message_file, places, env, recursive)

    async def write_hosts(self, pod: Pod, network: SandboxNetwork) -> None:
        """The pod's /etc/hosts, once its addresses are known."""
        await asyncio.to_thread(self._write_hosts, pod, network)

    def link_log(self, pod: Pod, container: Container, id: str, attempt: int) -> None:
        """A link by container, where log collectors look. Raises nothing: the log is there without."""
        link = self._node.paths.link(pod, container.name, id)
        target = self._node.paths.pod_logs(pod) / container.name / f"{attempt}.log"
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(target, link)
        except OSError as error:
            log.warning("cannot link the log of %s: %s", container.name, error)

    async def remove_log(self, pod: Pod, status: ContainerStatus) -> None:
        """A container's log, and the link to it."""
        if status.log_path:
            link = self._node.paths.link(pod, status.name, status.id)
            await asyncio.to_thread(logs.remove, Path(status.log_path), link)

    async def remove_logs(self, pod: Pod) -> None:
        """The pod has been deleted: nobody can ask for its logs any more."""
        await asyncio.to_thread(self._remove_logs, pod)

    async def last_words(self, status: ContainerStatus) -> str:
        """What a container that has ended had to say."""
        return await asyncio.to_thread(termination.message, status, Path(status.log_path))

    async def pods(self) -> list[str]:
        """The uids of all pods that have a directory."""
        try:
            return await asyncio.to_thread(os.listdir, self._node.paths.pods)
        except FileNotFoundError:
            return []

    def _prepare(self, pod: Pod) -> None:
        paths = self._node.paths
        paths.pod(pod.uid).mkdir(mode=0o750, parents=True, exist_ok=True)
        paths.pod_logs(pod).mkdir(mode=0o755, parents=True, exist_ok=True)

    def _mounts(
        self, pod: Pod, container: Container, message_file: Path, places: Mapping[str, Path], env: Mapping[str, str],
        recursive: bool,
    ) -> list[Mount]:  # fmt: skip
        message_file.parent.mkdir(parents=True, exist_ok=True)
        message_file.touch()
        message_file.chmod(0o666)  # whoever the container runs as may write it
        found = mounts(pod, container, places, env, binding(self._node.paths), recursive=recursive)
        make_points(pod, container, found)
        return found

    def _write_hosts(self, pod: Pod, network: SandboxNetwork) -> None:
        resolver, aliases = self._node.resolver, pod.spec.hostAliases
        if pod.spec.hostNetwork:
            text = dns.node_hosts_file(Path("/etc/hosts").read_text(), aliases)
        else:
            name = dns.hostname(pod, resolver, self._node.name).partition(".")[0]
            text = dns.hosts_file(network.ips, name, dns.full_name(pod, resolver), aliases)
        path = self._node.paths.hosts_file(pod)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)  # in place: containers have this very file mounted
            path.chmod(0o644)

    def _remove_logs(self, pod: Pod) -> None:
        folder = self._node.paths.pod_logs(pod)
        shutil.rmtree(folder, ignore_errors=True)
        for link in self._node.paths.links.glob(f"{pod.metadata.name}_{pod.metadata.namespace}_*.log"):
            if link.is_symlink() and Path(os.readlink(link)).is_relative_to(folder):
                link.unlink(missing_ok=True)
