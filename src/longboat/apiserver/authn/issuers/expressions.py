"""What expressions make of a token's claims, and whether they let a user in (apiserver, authentication/cel)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from longboat.machinery.user import User

if TYPE_CHECKING:
    from longboat.machinery.cel.nodes import Node
    from longboat.machinery.cel.program import Program


class Unusable(Exception):
    """An expression that is none, or gives what it may not."""


class Failed(Exception):
    """An expression that has no value for these claims. The message is upstream's."""


@dataclass(frozen=True, slots=True)
class Expression:
    source: str
    program: Program
    root: Node
    message: str = ""  # of a rule: what is said where it does not hold
    key: str = ""  # of an extra value

    async def value(self, variables: Mapping[str, Any]) -> Any:
        """Raises Failed."""
        from longboat.machinery.cel.errors import CostExceeded, EvalError

        try:
            return (await self.program.run(variables))[0]
        except (EvalError, CostExceeded) as error:
            raise Failed(f"expression '{self.source}' resulted in error: {error.message}") from None


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attribute of a user: what a claim says, behind a prefix, or what an expression gives; or nothing."""

    claim: str = ""
    prefix: str = ""
    expression: Expression | None = None


@dataclass(slots=True)
class Mapper:
    """What makes a user of claims. `required`: claims, and the values that they must have."""

    username: Claimed = field(default_factory=Claimed)
    groups: Claimed = field(default_factory=Claimed)
    uid: Claimed = field(default_factory=Claimed)
    extra: list[Expression] = field(default_factory=list)
    required: dict[str, str] = field(default_factory=dict)
    claim_rules: list[Expression] = field(default_factory=list)
    user_rules: list[Expression] = field(default_factory=list)


def of_claims(source: str, *, condition: bool = False, message: str = "", key: str = "") -> Expression:
    """Raises Unusable."""
    from longboat.machinery.cel.types import ANY, STRING, map_of

    return _compiled(source, {"claims": map_of(STRING, ANY)}, condition, message, key)


def of_user(source: str, message: str = "") -> Expression:
    """A rule. Raises Unusable."""
    from longboat.machinery.cel.admission import USER

    return _compiled(source, {"user": USER}, True, message, "")


def _compiled(source: str, variables: Mapping[str, Any], condition: bool, message: str, key: str) -> Expression:
    from longboat.machinery.cel.errors import CompileError
    from longboat.machinery.cel.parser import parse
    from longboat.machinery.cel.program import compile as compile_program
    from longboat.machinery.cel.types import BOOL

    try:
        program = compile_program(source, variables)
    except CompileError as error:
        raise Unusable(f"compilation failed: {error.message}") from None
    if condition and program.result != BOOL:
        raise Unusable("must evaluate to bool")
    return Expression(source, program, parse(source), message, key)


def reads(expression: Expression, claim: str) -> bool:
    """Whether it has `claims.<claim>` in it, as a field that is there or may be."""
    from longboat.machinery.cel.nodes import Call, Const, Ident, Select, children

    waiting: list[Node] = [expression.root]
    while waiting:
        node = waiting.pop()
        match node:
            case Select(operand=Ident(name="claims"), field=name) if name == claim:
                return True
            case Call(function="_?._", args=[Ident(name="claims"), Const(value=name)]) if name == claim:
                return True
        waiting.extend(children(node))
    return False


def shown(user: User) -> dict[str, Any]:
    """As rules see it. What is empty is not there (authentication.k8s.io UserInfo)."""
    found: dict[str, Any] = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    found["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {name: value for name, value in found.items() if value}
