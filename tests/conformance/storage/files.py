"""Containers that look at files, and say in their logs what they see."""

from __future__ import annotations

import stat
from base64 import b64decode
from typing import Any, NamedTuple

from conformance.node.pods import Pods, container, until
from longboat.machinery.objects import Object

UNREADABLE = "unreadable"
LOOK = """
look() {
    test -r $1 || { echo "cannot read $1"; exit 1; }
    echo "$(id -u) $(stat -Lc '%A %u %g' $1) $(stat -fc %T $1) $(test -d $1 || base64 -w0 $1)"
}
"""


class Seen(NamedTuple):
    """A file or directory, links followed. The file system is named as busybox names it."""

    reader: int
    mode: str
    user: int
    group: int
    file_system: str
    content: bytes


def looks(*paths: str, before: str = "true", **fields: Any) -> Object:
    """A container that looks at each path once, if a line of shell before that succeeds."""
    return container(" && ".join((f"{LOOK}{before}", *(f"look {path}" for path in paths))), **fields)


def seen(pods: Pods, name: str, container: str = "") -> list[Seen]:
    """What a container that looks has seen, once its pod has ended well."""
    pods.finished(name)
    found = []
    for line in pods.log(name, container).splitlines():
        reader, mode, user, group, file_system, content = line.split(" ")
        found.append(Seen(int(reader), mode, int(user), int(group), file_system, b64decode(content)))
    return found


def mode(bits: int) -> str:
    """As a file's mode is seen."""
    return stat.filemode(stat.S_IFREG | bits)


def follows(*paths: str, **fields: Any) -> Object:
    """A container that says all the time what is in the files."""
    words = " ".join(f"$(cat {path} 2>/dev/null || echo {UNREADABLE})" for path in paths)
    return container(f"while true; do echo {words}; sleep 0.1; done", **fields)


def until_follows(pods: Pods, name: str, wanted: str, container: str = "") -> None:
    """Wait until a container that follows sees this, all its paths in one line."""
    pods.until(name, lambda pod: pod["status"].get("phase") == "Running")
    last: list[str] = []

    def look() -> bool:
        last[:] = pods.log(name, container).splitlines()[-1:]
        return last == [wanted]

    until(look, lambda: f"{name} sees {last}, not {wanted!r}")
