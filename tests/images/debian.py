"""Builds images of real servers from Debian's packages: what they depend on, unpacked, with busybox for a shell.

    PYTHONPATH=tests python -m images.debian DIRECTORY [IMAGE...]      writes the archives there; needs apt, not root

No package's scripts are run. An archive is made once, and reused while the packages' versions are the same.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from images.build import BUSYBOX, DEFAULT, alone, applets, replace
from longboat.assembly import archive

PACKAGES = {
    "nginx": ("nginx-light",),
    "redis": ("redis-server",),
    "postgresql": ("postgresql",),
    "python": ("python3", "python3-psycopg2", "python3-redis"),
}
# What packages need to be installed and kept up to date, not to run; and what only the compiler of queries needs.
WITHOUT = (
    "adduser", "debconf", "dpkg", "init-system-helpers", "iproute2", "libllvm14", "libllvm15", "libz3-4", "locales",
    "lsb-base", "perl", "perl-base", "perl:any", "postgresql-client-common", "postgresql-common", "ssl-cert", "tar",
    "ucf", "usrmerge",
)  # fmt: skip
UNREAD = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/i18n", "usr/share/info")
USERS = {"www-data": 33, "redis": 101, "postgres": 102}
MERGED = ("bin", "lib", "lib64", "sbin")  # links into /usr, as on any Debian


def name(image: str) -> str:
    """As manifests say it."""
    return f"longboat.local/{image}:1"


def build(images: Sequence[str] = tuple(PACKAGES), directory: Path = DEFAULT) -> dict[str, Path]:
    """Make the archives that are missing or old. Returns the path of each. Raises CalledProcessError."""
    with alone(directory):
        return {image: _built(directory, image) for image in images}


def _built(directory: Path, image: str) -> Path:
    packages = download(directory / "packages", PACKAGES[image])
    what = [package.name for package in packages] + [Path(__file__).read_text(), Path(archive.__file__).read_text()]
    path = directory / f"{image}-{hashlib.sha256(chr(0).join(what).encode()).hexdigest()[:12]}.tar"
    if not path.exists():
        with tempfile.TemporaryDirectory() as root:
            made = layer(Path(root), packages)
        config = {"Cmd": ["/bin/sh"], "Env": ["PATH=/usr/bin:/usr/sbin"]}
        replace(path, archive.image(name(image), made, config))
    return path


def download(cache: Path, wanted: Sequence[str]) -> list[Path]:
    """The packages and all that they depend on, as files."""
    (cache / "partial").mkdir(parents=True, exist_ok=True)
    status, architecture = cache / "status", _output("dpkg", "--print-architecture").strip()
    status.write_text("".join(
        f"Package: {package}\nStatus: install ok installed\nArchitecture: {architecture}\nMulti-Arch: foreign\n"
        "Maintainer: none\nVersion: 999\nDescription: left out\n\n"
        for package in WITHOUT if ":" not in package
    ))  # fmt: skip
    options = (f"Dir::State::status={status}", f"Dir::Cache::archives={cache}", "Debug::NoLocking=1",
               "APT::Sandbox::User=root")  # fmt: skip
    command = ["apt-get", *(f"-o{option}" for option in options), "-qq", "-y", "--no-install-recommends"]
    try:
        _output(*command, "--download-only", "install", *wanted)
    except subprocess.CalledProcessError:  # the lists are missing, or older than the packages
        _output("apt-get", "update", "-q=2")
        _output(*command, "--download-only", "install", *wanted)
    simulated = _output(*command, "--simulate", "install", *wanted).splitlines()
    names = {words[1].partition(":")[0] for line in simulated if (words := line.split())[0] == "Inst"}
    newest: dict[str, Path] = {}
    for file in sorted(cache.glob("*.deb"), key=lambda file: file.stat().st_mtime):
        newest[file.name.partition("_")[0]] = file
    return [newest[name] for name in sorted(names)]


def layer(root: Path, packages: Sequence[Path]) -> archive.Layer:
    for place in MERGED:
        (root / "usr" / place).mkdir(parents=True)
        (root / place).symlink_to(f"usr/{place}")
    for package in packages:
        _output("dpkg-deb", "--extract", str(package), str(root))
    made = archive.Layer()
    for path in sorted(root.rglob("*")):
        _add(made, path, path.relative_to(root).as_posix())
    for applet in ("busybox", *sorted(applets())):
        if not os.path.lexists(root / "usr/bin" / applet):
            if applet == "busybox":
                made.file("usr/bin/busybox", BUSYBOX.read_bytes(), 0o755)
            else:
                made.symlink(f"usr/bin/{applet}", "/usr/bin/busybox")
    people = {"root": 0, **USERS, "nobody": 65534}
    made.file("etc/passwd", "".join(f"{who}:x:{n}:{n}::/:/bin/sh\n" for who, n in people.items()).encode())
    made.file("etc/group", "".join(f"{who}:x:{n}:\n" for who, n in people.items()).encode())
    for place in ("dev", "proc", "sys"):
        made.directory(place)
    return made.directory("tmp", 0o1777)


def _add(layer: archive.Layer, path: Path, place: str) -> None:
    if place.startswith(UNREAD) or place in ("etc/passwd", "etc/group", "tmp"):
        return
    mode = path.lstat().st_mode
    if path.is_symlink():
        layer.symlink(place, os.readlink(path))
    elif path.is_dir():
        layer.directory(place, stat.S_IMODE(mode))
    else:
        layer.file(place, path.read_bytes(), stat.S_IMODE(mode))


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    for image, path in build(sys.argv[2:] or tuple(PACKAGES), Path(sys.argv[1])).items():
        print(image, path)
