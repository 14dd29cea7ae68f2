"""The identity of a kind: its group, version, names and scope."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind as the API names it (the fields of an APIResource). It is the same kind whatever else is said of it."""

    group: str
    version: str
    name: str
    plural: str = field(compare=False)
    singular: str = field(default="", compare=False)
    short: tuple[str, ...] = field(default=(), compare=False)
    categories: tuple[str, ...] = field(default=(), compare=False)
    namespaced: bool = field(default=True, compare=False)
    listed_as: str = field(
        default="", compare=False
    )  # the kind of its lists, where that is not what follows from `name`

    def __post_init__(self) -> None:
        if not self.singular:
            object.__setattr__(self, "singular", self.name.lower())

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
