"""Images of extension API servers, in Python with aiohttp: Debian's packages, and the programs of `tests/extension`.

    PYTHONPATH=tests python -m images.extension DIRECTORY [IMAGE...]      needs apt, not root

An archive is made once, and reused while the packages' versions and the program are the same.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from images import debian
from images.build import DEFAULT, alone, replace
from longboat.assembly import archive

PACKAGES = ("python3", "python3-aiohttp", "python3-cryptography")
PROGRAMS = {"sample-apiserver": "wardle.py", "metrics-server": "metrics_server.py"}
SHARED = "wardle.py"
HERE = Path(__file__).parents[1] / "extension"


def build(images: Sequence[str] = tuple(PROGRAMS), directory: Path = DEFAULT) -> dict[str, Path]:
    """Make the archives that are missing or old. Returns the path of each. Raises CalledProcessError."""
    with alone(directory):
        return {image: _built(directory, image) for image in images}


def _built(directory: Path, image: str) -> Path:
    packages = debian.download(directory / "packages", PACKAGES)
    programs = {name: (HERE / name).read_bytes() for name in {SHARED, PROGRAMS[image]}}
    made_from = [package.name for package in packages] + [Path(__file__).read_text()]
    made_from += [program.decode() for _, program in sorted(programs.items())]
    path = directory / f"{image}-{hashlib.sha256(chr(0).join(made_from).encode()).hexdigest()[:12]}.tar"
    if not path.exists():
        with tempfile.TemporaryDirectory() as root:
            layer = debian.layer(Path(root), packages)
        for name, program in programs.items():
            layer.file(f"extension/{name}", program)
        entry = ["/usr/bin/python3", "-m", f"extension.{PROGRAMS[image].removesuffix('.py')}"]
        config = {"Entrypoint": entry, "Env": ["PATH=/usr/bin:/usr/sbin", "PYTHONPATH=/"]}
        replace(path, archive.image(debian.name(image), layer, config))
    return path


if __name__ == "__main__":
    for name, path in build(sys.argv[2:] or tuple(PROGRAMS), Path(sys.argv[1])).items():
        print(name, path)
