"""Builds the images that tests run, as OCI archives, from busybox-static and web.c: no registry, no daemon.

    python tests/images/build.py [DIRECTORY]      writes the archives there (default: build/images)

Tests call `build`. An archive is made once and reused while what it is made from is unchanged.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from longboat.assembly import archive
from longboat.assembly.node import pause

HERE = Path(__file__).parent
DEFAULT = HERE.parent.parent / "build" / "images"
BUSYBOX = Path("/bin/busybox")
BUSYBOX_IMAGE, WEB_IMAGE = "longboat.local/busybox:1", "longboat.local/web:1"


def busybox() -> bytes:
    """A shell and the usual tools, as root, ending at once unless told otherwise."""
    layer = archive.busybox_layer(BUSYBOX, applets())
    return archive.image(BUSYBOX_IMAGE, layer, {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]})


def web() -> bytes:
    """The web server on port 8080 (or $PORT); beside it busybox for exec and cp, the clients `fetch` and `resolve`."""
    layer = archive.busybox_layer(BUSYBOX, applets())
    for name in ("web", "fetch", "resolve"):
        layer = layer.file(name, compiled(HERE / f"{name}.c"), 0o755)
    config = {"Entrypoint": ["/web"], "Env": ["PATH=/bin"], "ExposedPorts": {"8080/tcp": {}}}
    return archive.image(WEB_IMAGE, layer, config)


def applets() -> list[str]:
    return subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()


def compiled(source: Path) -> bytes:
    """A static executable of one C file (package gcc)."""
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / source.stem
        command = ["gcc", "-O2", "-Wall", "-Werror", "-static", "-pthread", "-o", target, source, "-lresolv"]
        subprocess.run(command, check=True)
        return target.read_bytes()


IMAGES: dict[str, Callable[[], bytes]] = {"busybox": busybox, "web": web, "pause": pause.image}


def build(directory: Path = DEFAULT, names: tuple[str, ...] = tuple(IMAGES)) -> dict[str, Path]:
    """Make the archives that are missing or old. Returns the path of each."""
    sources = (Path(__file__), *sorted(HERE.glob("*.c")), Path(archive.__file__), Path(pause.__file__), BUSYBOX)
    version = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    paths = {name: directory / f"{name}-{version}.tar" for name in names}
    with alone(directory):
        for name, path in paths.items():
            if not path.exists():
                replace(path, IMAGES[name]())
    return paths


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Let no other process build there meanwhile."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def replace(path: Path, content: bytes) -> None:
    """Write a file that is never seen half-written."""
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)


if __name__ == "__main__":
    for name, path in build(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT).items():
        print(name, path)


def hello(target: Path) -> Path:
    """The image of examples/hello, written to `target`."""
    script = Path(__file__).parents[2] / "examples" / "hello" / "image.py"
    subprocess.run([sys.executable, script, target], check=True)
    return target
