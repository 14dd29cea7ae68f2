"""Which requests a webhook is asked about: conditions in CEL over `request`, a SubjectAccessReviewSpec
(apiserver, authorization/cel)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from longboat.machinery.objects import Object

if TYPE_CHECKING:
    from longboat.machinery.cel.program import Program
    from longboat.machinery.cel.types import Struct


class Unusable(Exception):
    """An expression that is none, or is no condition."""


@dataclass(frozen=True, slots=True)
class Condition:
    source: str
    program: Program

    async def holds(self, request: Mapping[str, Any]) -> tuple[bool, str]:
        """And why nobody knows."""
        from longboat.machinery.cel.errors import CostExceeded, EvalError

        try:
            value, _ = await self.program.run({"request": request})
        except (EvalError, CostExceeded) as error:
            return False, f"cel evaluation error: expression '{self.source}' resulted in error: {error.message}"
        if not isinstance(value, bool):
            return False, f"cel evaluation error: expression '{self.source}' eval result type should be bool"
        return value, ""


def compiled(source: str) -> Condition:
    """Raises Unusable."""
    from longboat.machinery.cel.errors import CompileError
    from longboat.machinery.cel.program import compile as compile_program
    from longboat.machinery.cel.types import BOOL

    try:
        program = compile_program(source, {"request": _request()})
    except CompileError as error:
        raise Unusable(f"compilation failed: {error.message}") from None
    if program.result != BOOL:
        raise Unusable("must evaluate to bool")
    return Condition(source, program)


def _request() -> Struct:
    from longboat.machinery.cel.types import STRING, Field, Struct, Type, list_of, map_of

    strings = list_of(STRING)

    def struct(called: str, **fields: Type) -> Struct:
        return Struct(f"kubernetes.{called}", {name: Field(type_, name) for name, type_ in fields.items()})

    by_field, by_label = (
        struct(
            f"{of}SelectorAttributes", rawSelector=STRING,
            requirements=list_of(struct(f"{of}SelectorRequirement", key=STRING, operator=STRING, values=strings)),
        )
        for of in ("Field", "Label")
    )  # fmt: skip
    resource = struct(
        "ResourceAttributes", namespace=STRING, verb=STRING, group=STRING, version=STRING, resource=STRING,
        subresource=STRING, name=STRING, fieldSelector=by_field, labelSelector=by_label,
    )  # fmt: skip
    path = struct("NonResourceAttributes", path=STRING, verb=STRING)
    return struct(
        "SubjectAccessReviewSpec", resourceAttributes=resource, nonResourceAttributes=path, user=STRING,
        groups=strings, extra=map_of(STRING, strings), uid=STRING,
    )  # fmt: skip


_RESOURCE = ("namespace", "verb", "group", "version", "resource", "subresource", "name")


def described(spec: Object) -> Object:
    """As conditions see it: every text is there, though it may be empty."""
    found: Object = {"user": "", "groups": [], "uid": "", "extra": {}, **spec}
    if "resourceAttributes" in found:
        found["resourceAttributes"] = dict.fromkeys(_RESOURCE, "") | found["resourceAttributes"]
    if "nonResourceAttributes" in found:
        found["nonResourceAttributes"] = {"path": "", "verb": ""} | found["nonResourceAttributes"]
    return found
