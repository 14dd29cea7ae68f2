"""Selectors of devices: the variable `device`, and what an expression about it may cost (KEP-4381; resource.k8s.io/v1,
CELDeviceSelector)."""

from __future__ import annotations

from longboat.machinery.cel import types
from longboat.machinery.cel.environment import KUBERNETES, Environment
from longboat.machinery.cel.program import Declared, Program
from longboat.machinery.cel.program import compile as _compile
from longboat.machinery.cel.schemas import Decl
from longboat.machinery.cel.types import Field, Struct, Type, map_of

LIMIT = 1_000_000  # estimated
_DOMAIN, _ID, _DRIVER, _VALUE = 63, 32, 63, 64  # characters
_MOST = 32  # attributes and capacities of a device

_FIELDS: dict[str, Type] = {
    "driver": types.STRING,
    "allowMultipleAllocations": types.BOOL,
    "attributes": map_of(types.STRING, map_of(types.STRING, types.ANY)),
    "capacity": map_of(types.STRING, map_of(types.STRING, types.QUANTITY)),
}
DEVICE = Struct("kubernetes.DRADevice", {name: Field(type_, name) for name, type_ in _FIELDS.items()})


def _by_domain(value: Decl) -> Decl:
    """Values by domain and name."""
    name, domain = Decl(types.STRING, 0, _ID), Decl(types.STRING, 0, _DOMAIN)
    named = Decl(map_of(types.STRING, value.type), 0, _MOST, value, name)
    return Decl(map_of(types.STRING, named.type), 0, _MOST, named, domain)


_DECL = Decl(
    DEVICE,
    0,
    fields={
        "driver": Decl(types.STRING, 0, _DRIVER),
        "allowMultipleAllocations": Decl(types.BOOL, 0, 1),
        "attributes": _by_domain(Decl(types.ANY, 0, _VALUE)),
        "capacity": _by_domain(Decl(types.QUANTITY, 0)),
    },
)
_ATTRIBUTES = ("device", "attributes", "@values")


def sizes(path: tuple[str, ...]) -> int | None:
    """The most that is at a path. An attribute is as large as any, whatever its name."""
    if path[0] != "device":
        return None
    if path[:3] == _ATTRIBUTES and len(path) > 3 and not path[3].startswith("@"):
        path = (*_ATTRIBUTES, "@values", *path[4:])
    return _DECL.size(path)


_VARIABLES = {"device": Declared(DEVICE, sizes=sizes)}
_WITHIN = Environment(KUBERNETES.functions, binds=True)
RESULTS = (types.BOOL, types.ANY)  # of a selector


def compile(text: str) -> Program:
    """Raises CompileError."""
    return _compile(text, _VARIABLES, _WITHIN)


__all__ = ["LIMIT", "RESULTS", "compile"]
