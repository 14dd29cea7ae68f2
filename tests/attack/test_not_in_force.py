"""Something that is meant to guard is stored, and guards nothing: whoever relies on it must have been told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.apiserver.process import ControlPlane, control_plane

CLASSES = "/apis/resource.k8s.io/v1/deviceclasses"
CLASS = {"metadata": {"name": "guarded"}, "spec": {"selectors": [{"cel": {"expression": "false"}}]}}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane"), "--store", "memory://") as found:
        yield found


def test_what_does_not_guard_says_so(plane: ControlPlane) -> None:
    code, made, headers = plane.ask("POST", CLASSES, CLASS)
    assert code == 201, made
    assert headers.get("warning", "").startswith('299 - "DeviceClass: stored, but not in force: ')


def test_the_flag_turns_these_warnings_off_and_no_others(tmp_path: Path) -> None:
    with control_plane(tmp_path, "--store", "memory://", "--no-warn-unenforced") as plane:
        code, _, headers = plane.ask("POST", CLASSES, CLASS)
        assert (code, headers.get("warning")) == (201, None)
        code, _, headers = plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "m"}, "colour": "red"})
        assert (code, headers["warning"]) == (201, '299 - "unknown field \\"colour\\""')
