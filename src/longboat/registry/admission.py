"""The seam between the store and whoever may change or refuse what is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from longboat.aio.bench import Seat
from longboat.machinery import names
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.subresource import Subresource
from longboat.machinery.user import User
from longboat.registry.write import Write

MOST_ANNOTATIONS = 64  # of an audit event


class Target(NamedTuple):
    """The sort of a request: all that says which plugins are asked about it. `kind` is the resource's."""

    kind: Kind
    operation: str  # CREATE UPDATE DELETE CONNECT
    subresource: str


@dataclass(slots=True)
class Attributes:
    """One request, as admission sees it (admission.k8s.io AdmissionRequest). `obj` is None for a DELETE.

    `kind` is the resource's, `part` the subresource that the request names, None for the resource itself. `obj` and
    `old` are of `part.body` where that is a kind of its own (an Eviction, a Binding, a Scale, options of a connection).

    `again`: somebody outside has changed the object, so all who may change it are asked once more, in round 1.
    `left_by`: how those left it who want to know of later changes, by what tells them apart.
    """

    write: Write
    kind: Kind
    part: Subresource | None
    namespace: str
    name: str
    obj: Object | None
    old: Object | None = None
    again: bool = False
    round: int = 0
    left_by: dict[Any, bytes] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        return Target(self.kind, self.write.operation, "" if self.part is None else self.part.name)

    @property
    def operation(self) -> str:
        return self.write.operation

    @property
    def subresource(self) -> str:
        return "" if self.part is None else self.part.name

    @property
    def user(self) -> User | None:
        return self.write.user

    @property
    def dry_run(self) -> bool:
        return self.write.dry_run

    @property
    def warnings(self) -> list[str]:
        return self.write.warnings

    @property
    def annotations(self) -> dict[str, str]:
        return self.write.annotations

    def annotate(self, key: str, value: str) -> None:
        """Of the request's audit event. What is there already stays, and what is no qualified name with a prefix is
        left out, as upstream. So is what is more than anybody reads."""
        found = self.write.annotations
        if len(found) < MOST_ANNOTATIONS and key.count("/") == 1 and not names.qualified_name(key):
            found.setdefault(key, value)

    @property
    def seat(self) -> Seat:
        return self.write.seat


class Admission(Protocol):
    """Both raise StatusError to refuse."""

    async def mutate(self, attributes: Attributes) -> None:
        """May change `attributes.obj` in place."""
        ...

    async def validate(self, attributes: Attributes) -> None:
        """Sees the final object and only judges."""
        ...


class Admitted:
    """No admission: everything passes. For what the server itself writes."""

    async def mutate(self, attributes: Attributes) -> None:
        return None

    async def validate(self, attributes: Attributes) -> None:
        return None


ADMITTED = Admitted()


async def admit(admission: Admission, attributes: Attributes) -> None:
    """All that admission has to say of what is not stored: a connection, an eviction, a review. Raises StatusError."""
    await admission.mutate(attributes)
    await admission.validate(attributes)
