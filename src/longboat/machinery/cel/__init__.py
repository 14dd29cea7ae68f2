"""The Common Expression Language, as Kubernetes v1.36 has it: rules of custom kinds, conditions and policies.

`compile` gives a `Program`; that says its result type, what it may cost, and evaluates. `schemas` makes the types of
variables from schemas. Nothing here does I/O, and nothing is loaded before there is an expression.
"""

from __future__ import annotations

from longboat.machinery.cel.environment import KUBERNETES, Environment
from longboat.machinery.cel.errors import CompileError, CostExceeded, EvalError, Issue
from longboat.machinery.cel.program import CALL_BUDGET, REQUEST_BUDGET, Declared, Program, compile

__all__ = [
    "CALL_BUDGET",
    "KUBERNETES",
    "REQUEST_BUDGET",
    "CompileError",
    "CostExceeded",
    "Declared",
    "Environment",
    "EvalError",
    "Issue",
    "Program",
    "compile",
]
