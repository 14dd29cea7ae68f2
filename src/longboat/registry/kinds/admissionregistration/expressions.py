"""What holds the expressions of policies, and what is around them."""

from __future__ import annotations

import re

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types import internal
from longboat.registry.kinds import rules
from longboat.registry.kinds.admissionregistration import matching
from longboat.registry.kinds.admissionregistration.compiler import Compiler

REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
PATCH_TYPES = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
MOST_ANNOTATIONS, LONGEST_VALUE = 20, 5 << 10  # annotations; bytes of an expression
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_RESERVED = frozenset((  # words of CEL
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
    "loop", "package", "namespace", "return", "var", "void", "while",
))  # fmt: skip
_LINE_BREAK = re.compile(r"[\n\r]")


def variable(found: Object, compiler: Compiler, path: Path, err: Errors) -> None:
    name = found.get("name") or ""
    if not name.strip():
        err.required(path.at("name"), "name is not specified")
    elif not _IDENTIFIER.fullmatch(name) or name in _RESERVED:
        err.invalid(path.at("name"), name, "must be a valid CEL identifier")
    if _required(found, "expression", path, err):
        compiler.variable(name, found["expression"], path.at("expression"), err)


def validation(found: Object, compiler: Compiler, path: Path, err: Errors) -> None:
    message, says = found.get("message") or "", found.get("messageExpression") or ""
    if _required(found, "expression", path, err):
        compiler.condition(found["expression"], path.at("expression"), err)
    if says and not says.strip():
        err.invalid(path.at("messageExpression"), says, "must be non-empty if specified")
    elif says:
        compiler.message(says, path.at("messageExpression"), err)
    if message and not message.strip():
        err.invalid(path.at("message"), message, "must be non-empty if specified")
    elif _LINE_BREAK.search(message.strip()):
        err.invalid(path.at("message"), message, "must not contain line breaks")
    matching.one_of_set(found.get("reason"), REASONS, path.at("reason"), err)


def audit_annotations(found: list[Object], policy: str, compiler: Compiler, path: Path, err: Errors) -> None:
    """`policy`: the name of the policy, which their keys begin with where they are written."""
    if len(found) > MOST_ANNOTATIONS:
        shown = [internal.whole("io.k8s.api.admissionregistration.v1.AuditAnnotation", each) for each in found]
        err.invalid(path, shown, f"must not have more than {MOST_ANNOTATIONS} auditAnnotations")
    repeated = frozenset(rules.repeated(each.get("key") or "" for each in found))
    for i, each in enumerate(found):
        at, key = path.index(i), each.get("key") or ""
        if policy:
            rules.label_name(f"{policy}/{key}", at.at("key"), err)
        else:
            err.invalid(at.at("key"), key, "requires metadata.name be non-empty")
        given = _required(each, "valueExpression", at, err)
        if given and len(each["valueExpression"].strip().encode()) > LONGEST_VALUE:
            err.required(at.at("valueExpression"), f"must not exceed {LONGEST_VALUE} bytes in length")
        elif given:
            compiler.annotation(each["valueExpression"], at.at("valueExpression"), err)
        if i in repeated:
            err.duplicate(at.at("key"), key)


def mutation(found: Object, compiler: Compiler, path: Path, err: Errors) -> None:
    """One change: the expression that its patchType asks for, and not the other."""
    kind = found.get("patchType") or ""
    if not kind:
        err.required(path.at("patchType"))
    elif kind not in PATCH_TYPES:
        err.not_supported(path.at("patchType"), kind, PATCH_TYPES)
    else:
        for other, field in PATCH_TYPES.items():
            if other != kind and found.get(field) is not None:
                why = f"must not be specified when patchType is {kind}"
                err.invalid(path.at(field), f"{{{field}}}", why)
        field = PATCH_TYPES[kind]
        if found.get(field) is None:
            err.required(path.at(field), f"must be specified when patchType is {kind}")
        elif not (found[field].get("expression") or "").strip():
            err.required(path.at(field, "expression"))
        else:
            compiler.mutation(kind, found[field]["expression"], path.at(field, "expression"), err)


def _required(found: Object, field: str, path: Path, err: Errors) -> bool:
    """Whether it is there."""
    if (found.get(field) or "").strip():
        return True
    err.required(path.at(field), f"{field} is not specified")
    return False
