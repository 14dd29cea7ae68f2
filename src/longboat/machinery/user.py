"""Who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

UNAUTHENTICATED = "system:unauthenticated"  # the group of everybody who has not said who they are


@dataclass(frozen=True, slots=True)
class User:
    """As authentication has found (authentication.k8s.io UserInfo)."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
