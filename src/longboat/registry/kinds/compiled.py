"""Expressions in objects: that they compile to what they must give, in upstream's words (apiserver, pkg/cel, Error).

The language is loaded by the first expression.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from longboat.machinery.fieldpath import Errors, Path

if TYPE_CHECKING:
    from longboat.machinery.cel import Program
    from longboat.machinery.cel.types import Type


def compiled(
    text: str,
    make: Callable[[], Program],
    wanted: Collection[Type],
    says: Callable[[Type], str],
    path: Path,
    err: Errors,
) -> Program | None:
    """What `make` compiles of a text that is shown so; None where it is refused. `wanted`: the types that it may have,
    any where there are none. `says`: why another one is refused."""
    from longboat.machinery.cel import CompileError

    program: Program | None = None
    fault = ""
    try:
        program = make()
        gives = program.result
    except CompileError as error:
        if error.result is None:
            err.invalid(path, text, f"compilation failed: {error.message}")
            return None
        gives, fault = error.result, error.message
    if wanted and gives not in wanted:
        err.invalid(path, text, says(gives))
        return None
    if program is None:
        err.internal(path, f"program instantiation failed: {fault}")
    return program
