"""Every container of a pod."""

from __future__ import annotations

from collections.abc import Iterator

from longboat.machinery.fieldpath import Path
from longboat.machinery.objects import Object


def of_all(spec: Object, path: Path) -> Iterator[tuple[Path, Object]]:
    """Every container of a pod's spec and where it is, in the order in which upstream visits them."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for i, container in enumerate(spec.get(field) or ()):
            yield path.at(field).index(i), container
