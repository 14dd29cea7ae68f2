"""Compiles the expressions of policies and of match conditions (apiserver, admission/plugin/cel)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from longboat.machinery.fieldpath import Errors, Path
from longboat.registry.kinds.compiled import compiled

if TYPE_CHECKING:
    from longboat.machinery.cel import Program
    from longboat.machinery.cel.types import Type


class Compiler:
    """Of one policy, in the order of its expressions: what its variables are is known to all that follow.

    `params`: it has parameters; `composes`: expressions may speak of `variables`.
    """

    def __init__(self, *, params: bool = False, composes: bool = False) -> None:
        self._params = params
        self._held: dict[str, Type] | None = {} if composes else None

    def condition(self, text: str, path: Path, err: Errors) -> None:
        from longboat.machinery.cel import types

        self._check(text, text, (types.BOOL,), path, err)

    def message(self, text: str, path: Path, err: Errors) -> None:
        from longboat.machinery.cel import types

        self._check(text, text, (types.STRING,), path, err, authorizer=False)

    def annotation(self, text: str, path: Path, err: Errors) -> None:
        from longboat.machinery.cel import types

        self._check(text.strip(), text, (types.STRING, types.NULL), path, err)

    def mutation(self, kind: str, text: str, path: Path, err: Errors) -> None:
        """`kind`: the patchType."""
        from longboat.machinery.cel import mutation, types

        made: Type = mutation.STRUCTS[mutation.OBJECT]
        if kind == "JSONPatch":
            made = types.list_of(mutation.STRUCTS[mutation.JSON_PATCH])
        self._check(text, text, (made,), path, err, patches=True)

    def variable(self, name: str, text: str, path: Path, err: Errors) -> None:
        from longboat.machinery.cel import types

        assert self._held is not None
        program = self._check(text, text, (), path, err)
        self._held[name] = types.DYN if program is None else program.result

    def _check(
        self,
        text: str,
        shown: str,
        wanted: Collection[Type],
        path: Path,
        err: Errors,
        *,
        authorizer: bool = True,
        patches: bool = False,
    ) -> Program | None:
        from longboat.machinery import cel
        from longboat.machinery.cel import admission, mutation

        variables = admission.variables(params=self._params, authorizer=authorizer)
        if self._held is not None:
            variables["variables"] = admission.composed(self._held)

        def says(gives: Type) -> str:
            names = [each.declared for each in wanted]
            allowed = names[0] if len(names) == 1 else f"one of [{' '.join(names)}]"
            return f"must evaluate to {allowed} but got {gives.declared}"

        structs = mutation.STRUCTS if patches else None
        return compiled(shown, lambda: cel.compile(text, variables, structs=structs), wanted, says, path, err)
