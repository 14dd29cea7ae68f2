"""Whoever has an account on the machine gets nothing by waiting where root will put a cluster or a kubeconfig."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.cli.machine import Machine, failed, machine
from longboat.cli import trust
from longboat.cli.errors import Failure

__all__ = ["machine"]
pytestmark = pytest.mark.root
THEY = pwd.getpwnam("nobody")
Trap = Callable[[Path], Path]


def theirs(path: Path) -> Path:
    os.chown(path, THEY.pw_uid, THEY.pw_gid, follow_symlinks=False)
    return path


def made(path: Path, mode: int = 0o755) -> Path:
    path.mkdir()
    path.chmod(mode)
    return path


def link(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


TRAPS: dict[str, Trap] = {
    "their directory": lambda at: theirs(made(at / "data")),
    "a directory in theirs": lambda at: made(theirs(made(at / "home")) / "data"),
    "nothing yet, in their directory": lambda at: theirs(made(at / "home")) / "data",
    "open to everybody": lambda at: made(at / "data", 0o777),
    "sticky itself": lambda at: made(at / "data", 0o1777),
    "open further up": lambda at: made(made(at / "open", 0o777) / "data"),
    "their directory beneath a sticky one": lambda at: theirs(made(made(at / "tmp", 0o1777) / "data")),
    "their link beneath a sticky one": lambda at: theirs(link(made(at / "tmp", 0o1777) / "data", made(at / "own"))),
    "our link to theirs": lambda at: link(at / "data", theirs(made(at / "home"))),
}
FINE: dict[str, Trap] = {
    "ours": lambda at: made(at / "data"),
    "nothing yet": lambda at: at / "data" / "deeper",
    "ours beneath a sticky one": lambda at: made(made(at / "tmp", 0o1777) / "data"),
    "open to root's group": lambda at: made(at / "data", 0o775),
    "our link": lambda at: link(at / "data", made(at / "own")),
    "our link, up and down again": lambda at: link(made(at / "links") / "data", Path("..") / made(at / "own").name),
}


def test_up_stays_out_of_what_is_somebody_elses(machine: Machine, tmp_path: Path) -> None:
    for number, (name, trap) in enumerate(TRAPS.items()):
        at = made(tmp_path / str(number))
        data = trap(at)
        before = sorted(at.rglob("*"))
        failed(machine.longboat("up", "--nodes", "0", "--data-dir", str(data)), str(at))
        assert sorted(at.rglob("*")) == before, f"something was left in {name}"


def test_what_is_ours_is_fine(tmp_path: Path) -> None:
    for number, place in enumerate(FINE.values()):
        trust.check(place(made(tmp_path / str(number))))


def test_under_sudo_what_is_the_callers_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = theirs(made(tmp_path / "home", 0o775))
    with pytest.raises(Failure, match="is a directory of nobody"):
        trust.check(home / ".kube" / "config")
    monkeypatch.setenv("SUDO_UID", str(THEY.pw_uid))
    trust.check(home / ".kube" / "config")


def test_a_kubeconfig_does_not_go_where_a_link_of_theirs_leads(machine: Machine, tmp_path: Path) -> None:
    """Followed, it replaced any file that reads as an empty document, and gave the administrator's key away."""
    own = tmp_path / "own"
    own.write_text("")
    trap = theirs(link(made(tmp_path / "tmp", 0o1777) / "kubeconfig", own))
    failed(machine.up("--kubeconfig", str(trap)), str(trap), "a link of nobody")
    assert own.read_text() == ""
    file = theirs(link(tmp_path / "tmp" / "file", own))
    file.unlink()
    file.write_text("")
    failed(machine.up("--kubeconfig", str(theirs(file))), str(file), "a file of nobody")
    assert file.read_text() == ""


def test_down_does_nothing_that_their_files_say(machine: Machine, tmp_path: Path) -> None:
    """Their record named any process as one of the cluster's, and it was stopped."""
    data, victim = theirs(made(tmp_path / "at")), machine.host.start("sleep", "1000")
    try:
        settings = {"name": "default", "data_dir": str(data), "api_port": 1, "format": 1}
        (data / "cluster.json").write_text(json.dumps(settings))
        fields = Path(f"/proc/{victim.pid}/stat").read_text().rpartition(")")[2].split()
        record = {
            "name": "store", "pid": victim.pid, "started": int(fields[19]), "argv": ["sleep", "1000"],
            "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        }  # fmt: skip
        made(data / "run")
        (data / "run" / "store.json").write_text(json.dumps(record))
        failed(machine.longboat("down", "--data-dir", str(data)), str(data))
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()
