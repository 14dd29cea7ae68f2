"""What an expression may name: functions, types and variables. `KUBERNETES` has all that upstream's v1.36 enables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from longboat.machinery.cel import types
from longboat.machinery.cel.functions import Functions, Overload
from longboat.machinery.cel.lib import (
    addresses,
    arithmetic,
    authorizer,
    conversions,
    formats,
    lists,
    optionals,
    quantities,
    regex,
    strings,
    times,
    urls,
)
from longboat.machinery.cel.types import Struct, Type

_LIBRARIES = (
    arithmetic, conversions, times, strings, lists, optionals, regex, urls, addresses, quantities, formats, authorizer,
)  # fmt: skip
_TYPES = {
    each.name: each
    for each in (
        types.BOOL, types.INT, types.UINT, types.DOUBLE, types.STRING, types.BYTES, types.NULL, types.TYPE,
        types.DURATION, types.TIMESTAMP, types.IP, types.CIDR, types.QUANTITY, types.URL, types.FORMAT, types.SEMVER,
        types.AUTHORIZER, types.PATH_CHECK, types.GROUP_CHECK, types.RESOURCE_CHECK, types.DECISION,
        types.list_of(types.DYN), types.map_of(types.DYN, types.DYN), types.optional_of(types.DYN),
    )
}  # fmt: skip


def _all_functions() -> Functions:
    functions = Functions()
    for library in _LIBRARIES:
        functions.declare(library.TABLE, library.CALLS)
    return functions


@dataclass(frozen=True, slots=True)
class Environment:
    """`structs` are the objects that can be made (`Object{}`), by name; their fields are looked up there too.
    `mixed`: lists and maps may be written with values of several types, as Kubernetes does not allow.
    `binds`: `cel.bind` names what is used more than once."""

    functions: Functions
    variables: Mapping[str, Type] = field(default_factory=dict)
    structs: Mapping[str, Struct] = field(default_factory=dict)
    container: str = ""
    mixed: bool = False
    binds: bool = False

    def having(self, variables: Mapping[str, Type], structs: Mapping[str, Struct] | None = None) -> Environment:
        """With these variables besides, and with these structs if any are given."""
        return Environment(
            self.functions,
            {**self.variables, **variables},
            self.structs if structs is None else structs,
            self.container,
            self.mixed,
            self.binds,
        )

    def candidates(self, name: str) -> Iterator[str]:
        """What a name may stand for, the most special first."""
        if name.startswith("."):
            yield name[1:]
            return
        prefix = self.container
        while prefix:
            yield f"{prefix}.{name}"
            prefix = prefix.rpartition(".")[0]
        yield name

    def variable(self, name: str) -> tuple[str, Type] | None:
        """The full name and the type of a variable, or of a type that is named."""
        for candidate in self.candidates(name):
            if (found := self.variables.get(candidate)) is not None:
                return candidate, found
            if (type_ := self.structs.get(candidate) or _TYPES.get(candidate)) is not None:
                return candidate, types.type_of(type_)
        return None

    def function(self, name: str) -> tuple[str, list[Overload]] | None:
        for candidate in self.candidates(name):
            if (found := self.functions.by_name.get(candidate)) is not None:
                return candidate, found
        return None


KUBERNETES = Environment(_all_functions())
