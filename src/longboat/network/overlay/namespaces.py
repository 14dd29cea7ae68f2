"""A node's namespaces: made once, pinned in files, entered by every process of the node.

A directory per node holds `net`, `mnt` and `uts`, each a namespace bound onto a file; the node lives as long as these
are mounted. A mount namespace can only be pinned on a private mount, so the directory's parent is made one.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from pathlib import Path

from longboat.network.overlay import kernel

KINDS = {"net": kernel.CLONE_NEWNET, "mnt": kernel.CLONE_NEWNS, "uts": kernel.CLONE_NEWUTS}


def exists(place: Path) -> bool:
    """Whether all of a node's namespaces are pinned there (plain files are left over from before a reboot)."""
    mounted = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    return all(str(place.resolve() / kind) in mounted for kind in KINDS)


def create(place: Path, between: Callable[[int], None], inside: Callable[[], None]) -> None:
    """Make and pin namespaces; `between(pid)` runs here while `pid` waits in them, `inside()` then runs in them.

    Raises OSError or RuntimeError with nothing left behind.
    """
    _private(place.parent)
    place.mkdir(exist_ok=True)
    for kind in KINDS:
        (place / kind).touch()
    pid, ready, go, result = _fork(inside, unshare=place.parent)
    try:
        if os.read(ready, 1) == b"1":
            for kind in KINDS:
                kernel.bind(Path(f"/proc/{pid}/ns/{kind}"), place / kind)
            between(pid)
            os.write(go, b"1")
    except BaseException:
        os.close(go)
        os.waitpid(pid, 0)
        delete(place)
        raise
    try:
        _finish(pid, go, result)
    except RuntimeError:
        delete(place)
        raise


def run_inside(place: Path, inside: Callable[[], None]) -> None:
    """Run a function in a node's namespaces. Raises RuntimeError with what it raised."""
    pid, _, go, result = _fork(inside, enter=place)
    os.write(go, b"1")
    _finish(pid, go, result)


def delete(place: Path) -> None:
    """Let go of a node's namespaces; they end with their last process. Fine where there are none."""
    for kind in KINDS:
        kernel.unmount(place / kind)
        (place / kind).unlink(missing_ok=True)
    if place.is_dir():
        place.rmdir()


def delete_parent(parent: Path) -> None:
    """Undo what `create` did to the directory above the nodes'."""
    kernel.unmount(parent)
    if parent.is_dir():
        parent.rmdir()


def _private(parent: Path) -> None:
    parent.mkdir(mode=0o700, exist_ok=True)
    mounted = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    if str(parent.resolve()) not in mounted:
        kernel.bind(parent, parent)
        kernel.mount("none", parent, flags=kernel.MS_PRIVATE)


def _fork(
    inside: Callable[[], None], *, unshare: Path | None = None, enter: Path | None = None
) -> tuple[int, int, int, int]:
    """A child that goes into namespaces, says so, waits for a byte, runs `inside` and reports.

    Returns its pid and our ends: readiness, go-ahead, result.
    """
    ready, ready_child = os.pipe()
    go_child, go = os.pipe()
    result, result_child = os.pipe()
    pid = os.fork()
    if pid:
        for descriptor in (ready_child, go_child, result_child):
            os.close(descriptor)
        return pid, ready, go, result
    report: dict[str, str] = {}
    try:
        for descriptor in (ready, go, result):
            os.close(descriptor)
        if unshare is not None:
            kernel.unshare(kernel.CLONE_NEWNET | kernel.CLONE_NEWUTS)
            _unshare_mounts()
            kernel.mount("none", Path("/"), flags=kernel.MS_REC | kernel.MS_PRIVATE)
            kernel.unmount(unshare)  # our copy of the other nodes' pins would keep them alive
        if enter is not None:
            kernel.setns({enter / kind: flag for kind, flag in KINDS.items()})
        os.write(ready_child, b"1")
        if os.read(go_child, 1):
            inside()
    except BaseException as error:  # noqa: BLE001 - crosses a process boundary: told to the parent, which raises it
        report = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
    os.write(result_child, json.dumps(report).encode())
    os._exit(0)


def _unshare_mounts() -> None:
    """A mount namespace that can be pinned in the present one.

    The kernel refuses to pin one with a lower id than that of the namespace it is pinned in (it could be a loop). Since
    Linux 6.18 ids come from a counter per CPU, so a new namespace has a higher id only if it is made on the right CPU.
    """
    outer, cpus = kernel.mount_namespace_id(), os.sched_getaffinity(0)
    for cpu in sorted(cpus):
        os.sched_setaffinity(0, {cpu})
        kernel.unshare(kernel.CLONE_NEWNS)
        if kernel.mount_namespace_id() > outer:
            break
    os.sched_setaffinity(0, cpus)


def _finish(pid: int, go: int, result: int) -> None:
    os.close(go)
    with os.fdopen(result, "rb") as pipe:
        report = json.loads(pipe.read() or b'{"error": "it ended without a word"}')
    os.waitpid(pid, 0)
    if report:
        raise RuntimeError(report["error"])
