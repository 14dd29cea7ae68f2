"""A set of nftables rules as a value, and the commands that turn one into another. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from longboat.network.families import Family

PLACE = "ip longboat-services"


@dataclass(frozen=True)
class Chain:
    """Rules in nft's language; `hook` makes it a base chain."""

    rules: tuple[str, ...]
    hook: str = ""


@dataclass(frozen=True)
class Table:
    """A set or map. `declaration` is what nft wants between its braces; the kernel itself fills a dynamic one."""

    kind: str  # "set" or "map"
    declaration: str


@dataclass(frozen=True)
class Ruleset:
    """Chains, and sets and maps with their elements: key to value, "" in a set."""

    chains: Mapping[str, Chain] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    elements: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def place(family: Family, table: str) -> str:
    """Where a ruleset lies, as nft names it."""
    return f"{family.word} {table}"


def merge(parts: Iterable[Ruleset]) -> Ruleset:
    """One ruleset of many that share maps; where two claim the same key, the later has it."""
    chains: dict[str, Chain] = {}
    tables: dict[str, Table] = {}
    elements: dict[str, dict[str, str]] = {}
    for part in parts:
        chains |= part.chains
        tables |= part.tables
        for name, items in part.elements.items():
            elements.setdefault(name, {}).update(items)
    return Ruleset(chains, tables, elements)


def create(rules: Ruleset, place: str = PLACE) -> str:
    """Commands that put the ruleset in place of whatever was in the table, in one transaction."""
    head = [f"add table {place}", f"delete table {place}", f"add table {place}"]
    return "\n".join([*head, *_commands(Ruleset(), rules, place)]) + "\n"


def diff(old: Ruleset, new: Ruleset, place: str = PLACE) -> str:
    """The fewest commands that turn `old` into `new`; "" where they are alike.

    Order matters within the transaction: what is referred to is made before what refers to it, and removed after.
    """
    return "".join(line + "\n" for line in _commands(old, new, place))


def _commands(old: Ruleset, new: Ruleset, place: str) -> Iterator[str]:
    changed_tables = {name for name, table in new.tables.items() if old.tables.get(name) not in (table, None)}
    for name in new.chains.keys() - old.chains.keys():
        hook = new.chains[name].hook
        yield f"add chain {place} {name}" + (f" {{ {hook} }}" if hook else "")
    for name in sorted(changed_tables):
        yield from _empty_users(old, name, place)
        yield _delete_table(old, name, place)
    for name in sorted(new.tables.keys() - old.tables.keys() | changed_tables):
        table = new.tables[name]
        yield f"add {table.kind} {place} {name} {{ {table.declaration} }}"
    before = {name: {} if name in changed_tables else items for name, items in old.elements.items()}
    for name in sorted(before.keys() | new.elements.keys()):
        yield from _gone(name, before.get(name, {}), new.elements.get(name, {}), place)
    for name in sorted(new.chains):
        if old.chains.get(name) != new.chains[name] or _uses(new.chains[name], changed_tables):
            if name in old.chains:
                yield f"flush chain {place} {name}"
            for rule in new.chains[name].rules:
                yield f"add rule {place} {name} {rule}"
    for name in sorted(before.keys() | new.elements.keys()):
        yield from _come(name, before.get(name, {}), new.elements.get(name, {}), place)
    gone = sorted(old.chains.keys() - new.chains.keys())
    for name in gone:  # emptied first: they may refer to each other
        yield f"flush chain {place} {name}"
    for name in gone:
        yield f"delete chain {place} {name}"
    for name in sorted(old.tables.keys() - new.tables.keys()):
        yield _delete_table(old, name, place)


def _gone(name: str, old: Mapping[str, str], new: Mapping[str, str], place: str) -> Iterator[str]:
    keys = sorted(key for key, value in old.items() if new.get(key) != value)
    if keys:
        yield f"delete element {place} {name} {{ {', '.join(keys)} }}"


def _come(name: str, old: Mapping[str, str], new: Mapping[str, str], place: str) -> Iterator[str]:
    items = sorted((key, value) for key, value in new.items() if old.get(key) != value)
    if items:
        text = ", ".join(f"{key} : {value}" if value else key for key, value in items)
        yield f"add element {place} {name} {{ {text} }}"


def _uses(chain: Chain, tables: set[str]) -> bool:
    return any(f"@{name} " in f"{rule} " for rule in chain.rules for name in tables)


def _empty_users(old: Ruleset, table: str, place: str) -> Iterator[str]:
    """A set that rules refer to cannot be deleted: flush those chains, which are then written anew."""
    for name, chain in sorted(old.chains.items()):
        if _uses(chain, {table}):
            yield f"flush chain {place} {name}"


def _delete_table(old: Ruleset, name: str, place: str) -> str:
    return f"delete {old.tables[name].kind} {place} {name}"
