"""Whether the expressions of a ValidatingAdmissionPolicy fit the types of what it is about.

What is found is told in its status, and alters nothing of what it does (admissionregistration v1, TypeChecking).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from longboat.apiserver.admission.evaluation import VARIABLES
from longboat.apiserver.admission.policies.both import Known
from longboat.apiserver.admission.policies.compiled import PARAMS
from longboat.machinery import cel
from longboat.machinery.cel import admission, schemas, types
from longboat.machinery.cel.types import Type
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types.shapes import Struct

MOST = 10  # kinds of one policy that are checked


def warnings(spec: Object, known: Known) -> list[Object]:
    """ExpressionWarnings."""
    about = list(_about(spec, known))
    if not about:
        return []
    shaped, found = schemas.Shaped(), []
    params = _params(spec, known, shaped)
    given = {kind: _Variables(spec, shaped.struct(type_), params) for kind, type_ in about}
    for i, validation in enumerate(spec.get("validations") or ()):
        for field in ("expression", "messageExpression"):
            if not validation.get(field):
                continue
            told = [
                f"{kind.group}/{kind.version}, Kind={kind.name}: {wrong}\n"
                for kind, variables in given.items()
                if (wrong := variables.issues(validation[field]))
            ]
            if told:
                found.append({"fieldRef": f"spec.validations[{i}].{field}", "warning": "\n".join(told)})
    return found


def _about(spec: Object, known: Known) -> Iterator[tuple[Kind, Struct]]:
    """The kinds that rules name, without wildcards, that have types; in order."""
    kinds: dict[tuple[str, str, str], Kind] = {}
    for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
        groups, versions = rule.get("apiGroups") or [], rule.get("apiVersions") or []
        if any("*" in each for each in (*groups, *versions)):
            continue
        for group in sorted(groups):
            for version in sorted(versions):
                for plural in sorted(rule.get("resources") or ()):
                    kind = None if "*" in plural or "/" in plural else known.resource(group, version, plural)
                    if kind is not None and len(kinds) < MOST:
                        kinds[kind.group, kind.version, kind.name] = kind
    for _, kind in sorted(kinds.items()):
        if (type_ := known.type(kind)) is not None:
            yield kind, type_


def _params(spec: Object, known: Known, shaped: schemas.Shaped) -> Mapping[str, Type]:
    """Where the type of parameters is not known, expressions cannot name them, as upstream has it."""
    named = spec.get("paramKind")
    if named is None:
        return {}
    kind = known.kind(*_group_version(named.get("apiVersion") or ""), named.get("kind") or "")
    type_ = None if kind is None else known.type(kind)
    return {} if type_ is None else {PARAMS: shaped.struct(type_)}


def _group_version(text: str) -> tuple[str, str]:
    group, _, version = text.rpartition("/")
    return group, version


class _Variables:
    """What expressions may name where the object is of one kind."""

    def __init__(self, spec: Object, obj: Type, params: Mapping[str, Type]) -> None:
        self._base = {**admission.VARIABLES, "object": obj, "oldObject": obj, **params}
        self._known: dict[str, Type] = {}
        for variable in spec.get("variables") or ():
            try:
                program = cel.compile(variable["expression"], self._all)
            except cel.CompileError:
                self._known[variable["name"]] = types.DYN
            else:
                self._known[variable["name"]] = program.result

    @property
    def _all(self) -> dict[str, Type]:
        return {**self._base, VARIABLES: admission.composed(self._known)}

    def issues(self, source: str) -> str:
        """What is wrong with an expression; "" where nothing is."""
        try:
            cel.compile(source, self._all)
        except cel.CompileError as error:
            return error.message if error.issues else ""
        return ""
