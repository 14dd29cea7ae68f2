"""A registry of images on 127.0.0.1:5000, where containerd speaks plain HTTP (Debian's docker-registry)."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from e2e.host import Cluster
from longboat.assembly.node.containerd import SOCKET

ADDRESS = "127.0.0.1:5000"
needs_registry = pytest.mark.skipif(not shutil.which("docker-registry"), reason="needs docker-registry")


class Registry:
    """`enter` begins commands that run where the registry is to be reached, beside a containerd."""

    def __init__(self, enter: Sequence[str], folder: Path) -> None:
        self._enter, self._folder = enter, folder
        config = folder / "registry.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
            f"http: {{addr: {ADDRESS}}}\n"
        )
        with (folder / "registry.log").open("wb") as log:
            command = [*enter, "docker-registry", "serve", str(config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._await()

    def _await(self) -> None:
        look = [*self._enter, "bash", "-c", f"exec 3<>/dev/tcp/{ADDRESS.replace(':', '/')}"]
        for _ in range(200):
            if self._process.poll() is None and not subprocess.run(look, check=False, capture_output=True).returncode:
                return
            time.sleep(0.05)
        raise AssertionError((self._folder / "registry.log").read_text())

    def push(self, archive: bytes, name: str) -> None:
        """Fill the registry by way of the containerd, in a corner of it where pods do not see the image."""
        file = self._folder / "pushed.tar"
        file.write_bytes(archive)
        self._ctr("import", "--no-unpack", str(file))
        self._ctr("push", "--plain-http", name)
        self._ctr("rm", "--sync", name)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _ctr(self, *arguments: str) -> None:
        command = [*self._enter, "ctr", "--address", SOCKET, "-n", "registry", "images", *arguments]
        subprocess.run(command, check=True, capture_output=True)


def on_node(cluster: Cluster, node: str) -> list[str]:
    """How commands begin that run on a node of a local cluster."""
    pins = cluster.host.data / "run" / "ns" / node
    return [*cluster.host.entering, "nsenter", f"--net={pins}/net", f"--mount={pins}/mnt", "--"]
