"""A machine of its own for end-to-end tests: a network and mount namespace without uplink, and a cluster in it.

Nothing that these tests route can leave: the namespace has no way out.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGBOAT = [sys.executable, "-m", "longboat.cli.main"]
CANARY = "a-secret-of-the-shell"  # nothing that a cluster starts may have it
SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    args: Sequence[str]
    code: int
    out: str
    err: str

    def ok(self) -> Done:
        assert self.code == 0, f"{' '.join(self.args)} exited with {self.code}\n{self.out}\n{self.err}"
        return self

    def quiet(self) -> str:
        """What it printed, given that it succeeded and said nothing on standard error."""
        self.ok()
        assert self.err == "", f"{' '.join(self.args)} wrote to standard error: {self.err}"
        return self.out

    @property
    def json(self) -> Any:
        return json.loads(self.quiet())


class Host:
    """Namespaces held open by a sleeping process; `run` enters them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.data = folder / "data"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "sleep", "infinity"], start_new_session=True
        )
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "KUBECONFIG": str(self.kubeconfig),
            "XDG_STATE_HOME": str(folder / "state"),
            "HOME": str(folder),
            "SHELL_SECRET": CANARY,
        }
        self._await_namespaces()
        self.run("ip", "link", "set", "lo", "up").ok()

    def _await_namespaces(self) -> None:
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self._holder.pid}/ns/net") == own:
            assert self._holder.poll() is None, "unshare failed"
            os.sched_yield()

    def seen(self, path: Path) -> Path:
        """A path of the host as this process can open it."""
        return Path(f"/proc/{self._holder.pid}/root{path}")

    @property
    def entering(self) -> list[str]:
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", f"--mount=/proc/{self._holder.pid}/ns/mnt"]

    def run(self, *args: str, stdin: str | None = None, timeout: float = 120) -> Done:
        ended = subprocess.run(
            [*self.entering, *args], input=stdin, capture_output=True, text=True, timeout=timeout,
            env=self.environment,
        )  # fmt: skip
        return Done(args, ended.returncode, ended.stdout, ended.stderr)

    def start(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        """A command that goes on; its owner ends it."""
        return subprocess.Popen([*self.entering, *args], text=True, env=self.environment, **options)

    def close(self) -> None:
        self._holder.send_signal(signal.SIGKILL)
        self._holder.wait()


class Cluster:
    """A cluster on a host of its own, spoken to with the stock tools."""

    def __init__(
        self, folder: Path, nodes: int = 1, *options: str, kubectl: str = "kubectl", python: str = sys.executable
    ) -> None:
        self.host = Host(folder)
        self.kubectl_binary = kubectl
        self._longboat = [python, *LONGBOAT[1:]]
        self._options = ["--nodes", str(nodes), "--no-egress", *options]

    def longboat(self, *args: str, timeout: float = 120) -> Done:
        return self.host.run(*self._longboat, *args, timeout=timeout)

    def up(self, timeout: float = 120) -> Done:
        where = ["--data-dir", str(self.host.data), "--kubeconfig", str(self.host.kubeconfig)]
        return self.longboat("up", *where, *self._options, timeout=timeout).ok()

    def down(self) -> None:
        self.longboat("down", "--data-dir", str(self.host.data), "--purge").ok()

    def kubectl(self, *args: str, stdin: str | None = None, timeout: float = 120) -> Done:
        return self.host.run(self.kubectl_binary, *args, stdin=stdin, timeout=timeout)

    def apply(self, *objects: Any) -> None:
        """Apply objects given as dicts."""
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(document)).quiet()

    def get(self, *args: str) -> Any:
        return self.kubectl("get", *args, "-o", "json").json

    def import_image(self, archive: Path) -> None:
        self.longboat("image", "import", str(archive), "--data-dir", str(self.host.data)).ok()

    def status(self) -> Any:
        return json.loads(self.longboat("status", "--data-dir", str(self.host.data), "--output", "json").ok().out)

    def close(self) -> None:
        try:
            self.down()
        finally:
            self.host.close()


def kubectl_versions() -> list[str]:
    """The stock kubectl of this machine, and v1.36's where it is there too."""
    return [name for name in ("kubectl", "kubectl-1.36") if shutil.which(name)]
