"""The page on security fields knows every field there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from longboat.api import kinds
from longboat.machinery.types import schema
from longboat.machinery.types.shapes import List, Shape, Struct

PAGE = Path(__file__).parents[3] / "docs" / "security-fields.md"
# Fields of a pod that let nothing in and keep nothing out. A new one is looked at before it is added here or there.
NOT_ABOUT_SECURITY = frozenset((
    "activeDeadlineSeconds", "affinity", "containers", "dnsConfig", "dnsPolicy", "enableServiceLinks",
    "ephemeralContainers", "hostAliases", "hostname", "hostnameOverride", "imagePullSecrets", "initContainers",
    "nodeName", "nodeSelector", "overhead", "preemptionPolicy", "priority", "priorityClassName", "readinessGates",
    "resourceClaims", "resources", "restartPolicy", "schedulerName", "schedulingGates", "schedulingGroup",
    "serviceAccount", "serviceAccountName", "setHostnameAsFQDN", "subdomain", "terminationGracePeriodSeconds",
    "tolerations", "topologySpreadConstraints", "volumes",
))  # fmt: skip


def rows(heading: str) -> dict[str, str]:
    """What the page says of each field under a heading."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE))


def fields(*path: str) -> set[str]:
    shape: Shape | None = schema.load().type(kinds.POD)
    for name in path:
        assert isinstance(shape, Struct)
        shape = shape.fields[name]
        shape = shape.item if isinstance(shape, List) else shape
    assert isinstance(shape, Struct)
    return set(shape.fields)


@pytest.mark.parametrize(
    ("heading", "path"),
    [
        ("Pod: `spec.securityContext`", ("spec", "securityContext")),
        ("Container: `securityContext`", ("spec", "containers", "securityContext")),
        ("Container: `securityContext`", ("spec", "initContainers", "securityContext")),
        ("Container: `securityContext`", ("spec", "ephemeralContainers", "securityContext")),
    ],
)
def test_every_field_of_a_context_is_spoken_of(heading: str, path: tuple[str, ...]) -> None:
    assert set(rows(heading)) == fields(*path)


def test_every_field_of_a_pod_is_spoken_of_or_known_to_be_none() -> None:
    spoken_of = set(rows("Pod: `spec`"))
    assert spoken_of & NOT_ABOUT_SECURITY == set()
    assert spoken_of <= fields("spec")
    assert fields("spec") - spoken_of <= NOT_ABOUT_SECURITY


def test_what_is_said_of_mounts_is_of_fields_that_there_are() -> None:
    assert set(rows("Container: `volumeMounts`")) <= fields("spec", "containers", "volumeMounts")


def test_each_row_says_what_becomes_of_the_field() -> None:
    said = [rows(h) for h in ("Pod: `spec`", "Pod: `spec.securityContext`", "Container: `securityContext`")]
    words = ("honoured", "refused", "told", "no effect", "as the pod's", "see below")
    assert [field for listed in said for field, text in listed.items() if not any(w in text for w in words)] == []
