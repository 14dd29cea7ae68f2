"""The identity of a kind: its group, version, names and scope."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind as the API names it (the fields of an APIResource). It is the same kind whatever else is said of it.

    A request looks kinds up some fifty times, so that what tells them apart is made once."""

    group: str
    version: str
    name: str
    plural: str
    singular: str = ""
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    listed_as: str = ""  # the kind of its lists, where that is not what follows from `name`
    _identity: tuple[str, str, str] = field(init=False, repr=False)
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.singular:
            object.__setattr__(self, "singular", self.name.lower())
        object.__setattr__(self, "_identity", (self.group, self.version, self.name))
        object.__setattr__(self, "_hash", hash(self._identity))

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Kind) and self._hash == other._hash and self._identity == other._identity
        )

    def __hash__(self) -> int:
        return self._hash

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """The group-qualified resource as errors and RBAC name it: `deployments.apps`, or `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def list_kind(self) -> str:
        return self.listed_as or f"{self.name}List"

    @property
    def path(self) -> str:
        """The URL of the version this kind lives under: `/api/v1` or `/apis/apps/v1`."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
