"""Writes as admission sees them."""

from __future__ import annotations

from typing import Any

from longboat.machinery.kinds import Kind
from longboat.machinery.subresource import Subresource
from longboat.registry.admission import Attributes
from longboat.registry.write import Write


def attributes(
    operation: str, kind: Kind, namespace: str, name: str, obj: Any, old: Any = None, subresource: str = "", **more: Any
) -> Attributes:
    part = Subresource(subresource, ()) if subresource else None
    return Attributes(
        Write(operation=operation, subresource=subresource, **more), kind, part, namespace, name, obj, old
    )
