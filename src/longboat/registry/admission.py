"""The seam between the store and whoever may change or refuse what is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from longboat.aio.bench import HERE, Seat
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object


@dataclass(slots=True)
class Attributes:
    """One request, as admission sees it (admission.k8s.io AdmissionRequest). `obj` is None for a DELETE.

    `kind` and `subresource` are what the request names; `obj` is of the subresource's own kind where it has one (an
    Eviction, a Binding, a Scale, the options of a connection).
    """

    operation: str  # CREATE UPDATE DELETE CONNECT
    kind: Kind
    namespace: str
    name: str
    obj: Object | None
    old: Object | None = None
    subresource: str = ""
    user: Any = None
    dry_run: bool = False
    options: Object = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    seat: Seat = HERE  # where work is done that would hold the loop


class Admission(Protocol):
    """Both raise StatusError to refuse."""

    async def mutate(self, attributes: Attributes) -> None:
        """May change `attributes.obj` in place."""
        ...

    async def validate(self, attributes: Attributes) -> None:
        """Sees the final object and only judges."""
        ...


class Admitted:
    """No admission: everything passes."""

    async def mutate(self, attributes: Attributes) -> None:
        return None

    async def validate(self, attributes: Attributes) -> None:
        return None


async def admit(admission: Admission, attributes: Attributes) -> None:
    """All that admission has to say of what is not stored: a connection, an eviction, a review. Raises StatusError."""
    await admission.mutate(attributes)
    await admission.validate(attributes)
