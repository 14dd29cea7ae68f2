"""What is published installs and works without the checkout."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from integration.cli.machine import Machine, machine

__all__ = ["machine"]

pytestmark = [pytest.mark.root, pytest.mark.slow]
ROOT = Path(__file__).parents[3]


def run(*args: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(args, cwd=cwd, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(folder: Path, wheel: Path) -> Path:
    """A virtual environment that has the wheel, and what it depends on from where these tests have it."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    [packages] = (folder / "lib").glob("python3*/site-packages")
    # A path alone: files of paths in there, such as that of this checkout, are not read.
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin" / "longboat"


def test_a_cluster_runs_from_the_wheel_alone(machine: Machine, tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-d", tmp_path / "dist")
    [wheel], [source] = (tmp_path / "dist").glob("*.whl"), (tmp_path / "dist").glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, source)
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    metadata = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    assert {name.split("/")[0] for name in names} == {"longboat", metadata}
    with tarfile.open(source) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "CHANGELOG.md", "README.md", "hatch_build.py", "tests/conftest.py"} <= held

    longboat = environment(tmp_path / "venv", wheel)
    del machine.host.environment["PYTHONPATH"]
    machine.host.run("sh", "-c", f"cd / && exec {longboat} version").ok()
    flags = ("--nodes", "0", "--simulated-nodes", "1", "--no-egress", "--data-dir", str(machine.data))
    machine.host.run(str(longboat), "up", *flags).ok()
    for pid in machine.pids().values():
        command = Path(f"/proc/{pid}/cmdline").read_text()
        assert str(tmp_path / "venv") in command, command
    assert "simulated-1" in machine.kubectl("get", "nodes", "-o", "name").quiet()
    where = machine.host.run(str(longboat.with_name("python")), "-c", "import longboat; print(longboat.__file__)")
    assert where.quiet().startswith(str(tmp_path / "venv"))
