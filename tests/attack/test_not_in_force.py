"""Something that is meant to guard is stored, and guards nothing: whoever relies on it must have been told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.apiserver.process import ControlPlane, control_plane

ADMISSION = "/apis/admissionregistration.k8s.io/v1"


def admission(kind: str, name: str, **content: Any) -> Any:
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, **content}


RULES = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]
POLICY = {"matchConstraints": {"resourceRules": RULES}, "validations": [{"expression": "false"}]}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane"), "--store", "memory://") as found:
        yield found


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        (f"{ADMISSION}/validatingadmissionpolicies", admission("ValidatingAdmissionPolicy", "deny", spec=POLICY),
         "ValidatingAdmissionPolicy: stored, but not in force: "),
    ],
    ids=("policy",),
)  # fmt: skip
def test_what_does_not_guard_says_so(plane: ControlPlane, path: str, body: Any, told: str) -> None:
    code, made, headers = plane.ask("POST", path, body)
    assert code == 201, made
    assert headers.get("warning", "").startswith(f'299 - "{told}')


def test_the_flag_turns_these_warnings_off_and_no_others(tmp_path: Path) -> None:
    with control_plane(tmp_path, "--store", "memory://", "--no-warn-unenforced") as plane:
        body = admission("ValidatingAdmissionPolicy", "deny", spec=POLICY)
        code, _, headers = plane.ask("POST", f"{ADMISSION}/validatingadmissionpolicies", body)
        assert (code, headers.get("warning")) == (201, None)
        code, _, headers = plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "m"}, "colour": "red"})
        assert (code, headers["warning"]) == (201, '299 - "unknown field \\"colour\\""')
