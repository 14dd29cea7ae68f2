"""Which resolv.conf a node goes by."""

from __future__ import annotations

from pathlib import Path

import pytest

from longboat.cli import node_parts
from longboat.cli.agent import Options

STUB, REAL = "nameserver 127.0.0.53\noptions edns0\n", "nameserver 192.0.2.53\n"


@pytest.mark.parametrize(
    ("etc", "behind", "given", "chosen"),
    [
        (STUB, REAL, "", "behind"),
        (REAL, REAL, "", "etc"),
        (STUB, None, "", "etc"),
        (None, REAL, "", "behind"),
        (None, None, "", "etc"),
        (STUB, REAL, "/my/own", "/my/own"),
    ],
)
def test_a_stub_that_pods_cannot_reach_is_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, etc: str | None, behind: str | None, given: str, chosen: str
) -> None:
    for name, text in (("etc", etc), ("behind", behind)):
        if text is not None:
            (tmp_path / name).write_text(text)
    monkeypatch.setattr(node_parts, "ETC", tmp_path / "etc")
    monkeypatch.setattr(node_parts, "BEHIND_STUB", tmp_path / "behind")
    assert str(node_parts._resolv_conf(Options(resolv_conf=given))) in (chosen, str(tmp_path / chosen))
