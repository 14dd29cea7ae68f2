"""Which resources a configuration means, and beneath which storage keys they lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

S = TypeVar("S")
ROOT = "/registry/"


class Resource(NamedTuple):
    """`jobs.batch` is Resource("batch", "jobs"); either part may be `*`; the core group is empty."""

    group: str
    name: str

    def __str__(self) -> str:
        return f"{self.name}.{self.group}" if self.group or self.name == "*" else self.name


ANY = Resource("*", "*")


def parse(text: str) -> Resource:
    name, _, group = text.partition(".")
    return Resource(group, name)


def by_prefix(rules: Mapping[Resource, S], stored: Mapping[Resource, tuple[str, ...]]) -> dict[str, S]:
    """The rules by the prefix of the storage keys they are for; of two prefixes that fit a key, the longer counts.

    `stored` tells where known resources are kept, and where they once were. Others (of custom kinds) are beneath
    `/registry/<group>/<name>/`.
    """
    table: dict[str, S] = {}
    for resource, prefixes in sorted(stored.items()):  # the core group first: `events` are stored as its own
        if (found := _rule_for(resource, rules)) is not None:
            for prefix in prefixes:
                table.setdefault(prefix, found)
    for resource, rule in rules.items():
        if resource == ANY:
            table.setdefault(ROOT, rule)
        elif resource.name == "*" and resource.group:
            table.setdefault(f"{ROOT}{resource.group}/", rule)
        elif resource.name != "*" and resource not in stored:
            table.setdefault(f"{ROOT}{resource.group}/{resource.name}/", rule)
    return table


def _rule_for(resource: Resource, rules: Mapping[Resource, S]) -> S | None:
    """The rule that names the resource, else its group, else all."""
    for key in (resource, Resource(resource.group, "*"), ANY):
        if (found := rules.get(key)) is not None:
            return found
    return None
