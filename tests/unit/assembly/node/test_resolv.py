"""Which resolv.conf a node goes by."""

from __future__ import annotations

from pathlib import Path

import pytest

from longboat.assembly.node import resolv

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
    monkeypatch.setattr(resolv, "ETC", tmp_path / "etc")
    monkeypatch.setattr(resolv, "BEHIND_STUB", tmp_path / "behind")
    assert str(resolv.resolv_conf(Path(given) if given else None)) in (chosen, str(tmp_path / chosen))
