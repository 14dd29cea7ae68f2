"""What expressions about a request are given, and conditions: whether a webhook or a policy is for it at all.

The language is loaded with the first expression: most clusters have none.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from longboat.apiserver.admission.asked import options_of
from longboat.apiserver.admission.matching import name_of, namespace_of
from longboat.apiserver.admission.views import Views, described
from longboat.apiserver.authz.authorizer import Action, Authorizer
from longboat.machinery import fields
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.user import User
from longboat.registry.admission import Attributes

if TYPE_CHECKING:
    from longboat.machinery.cel.lib import authorizer as authz
    from longboat.machinery.cel.program import Program
    from longboat.machinery.cel.types import Type

CONDITIONS_BUDGET = 2_500_000  # of all conditions of one (apiserver, RuntimeCELCostBudgetMatchConditions)
OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
QUICK = 2_000  # characters: what is compiled on the loop


Decide: TypeAlias = "Callable[[authz.Question], authz.Decision]"


def values(views: Views, resource: Kind, authorizer: Authorizer, namespace: Object | None = None) -> dict[str, Any]:
    """Those of `admission.VARIABLES`, as a request is seen by who is asked about it as this resource.

    Raises StatusError where an object cannot be converted.
    """
    decide = decides(authorizer, views.attributes.user)
    return {name: make() for name, make in makers(views, resource, decide, lambda: namespace).items()}


def makers(
    views: Views, resource: Kind, decide: Decide, namespace: Callable[[], Object | None]
) -> dict[str, Callable[[], Any]]:
    """As `values`: what makes each of them, for who does not need all."""
    attributes = views.attributes

    def asking() -> authz.Authorizer:
        from longboat.machinery.cel.lib import authorizer as authz

        return authz.Authorizer(decide)

    def request() -> Object:
        found = described(attributes, resource) | {"dryRun": attributes.dry_run}
        if (given := options_of(attributes)) is not None:
            found["options"] = given
        return found

    return {
        "object": lambda: views.decoded(resource)[0],
        "oldObject": lambda: views.decoded(resource)[1],
        "request": request,
        "namespaceObject": namespace,
        "authorizer": asking,
        "authorizer.requestResource": lambda: _own(attributes, asking()),
    }


def _own(attributes: Attributes, asking: authz.Authorizer) -> authz.ResourceCheck:
    """What the request itself is about."""
    from longboat.machinery.cel.lib import authorizer as authz

    kind = attributes.kind
    question = authz.Question(
        "", group=kind.group, resource=kind.plural, subresource=attributes.subresource,
        namespace=namespace_of(attributes), name=name_of(attributes),
    )  # fmt: skip
    return authz.ResourceCheck(asking, question)


def decides(authorizer: Authorizer, user: User | None) -> Decide:
    """Answers the questions of one request's expressions, each once. An authorizer's index is the loop's own: an
    expression that runs in a thread has the loop ask."""
    loop, home = asyncio.get_running_loop(), threading.get_ident()
    known: dict[authz.Question, authz.Decision] = {}

    def decide(question: authz.Question) -> authz.Decision:
        found = known.get(question)
        if found is None:
            found = known[question] = answered(question)
        return found

    def answered(question: authz.Question) -> authz.Decision:
        who = (user or User("")) if question.service_account is None else _account(*question.service_account)
        if threading.get_ident() == home:
            return _decision(authorizer, who, question)

        async def there() -> authz.Decision:
            return _decision(authorizer, who, question)

        return asyncio.run_coroutine_threadsafe(there(), loop).result()

    return decide


def _account(namespace: str, name: str) -> User:
    """As upstream makes up a service account (serviceaccount.ServiceAccountInfo)."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(f"system:serviceaccount:{namespace}:{name}", groups)


def _decision(authorizer: Authorizer, user: User, question: authz.Question) -> authz.Decision:
    from longboat.machinery.cel.lib import authorizer as authz

    if question.path:
        action = Action(question.verb, path=question.path)
    else:
        required = fields.required(question.field_selector) if question.field_selector else ()
        action = Action(
            question.verb, question.group, question.resource, question.subresource, question.namespace, question.name,
            fields=required,
        )  # fmt: skip
    found = authorizer.decide(user, action)
    return authz.Decision(found.allowed, found.reason)


@dataclass(frozen=True, slots=True)
class Condition:
    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """`errors`: of the conditions that have no value; where there are any, none has been false."""

    matches: bool
    errors: Sequence[str] = ()
    failed: str = ""  # the name of the condition that is false

    @property
    def error(self) -> str:
        """As upstream tells of several."""
        distinct = list(dict.fromkeys(self.errors))
        return distinct[0] if len(distinct) == 1 else f"[{', '.join(distinct)}]"


@dataclass(slots=True)
class Conditions:
    """The match conditions of one webhook or policy, compiled when they are first asked."""

    found: Sequence[Condition]
    variables: Mapping[str, Type] = field(default_factory=dict)  # beside those that all have
    _programs: list[Program | str] | None = None

    def __bool__(self) -> bool:
        return bool(self.found)

    async def hold(self, given: Mapping[str, Any]) -> Outcome:
        """One that is false decides, whatever others could not be computed."""
        from longboat.machinery.cel.errors import CostExceeded, EvalError
        from longboat.machinery.cel.program import CALL_BUDGET

        if self._programs is None:
            large = sum(len(each.expression) for each in self.found) > QUICK
            self._programs = await asyncio.to_thread(self._compiled) if large else self._compiled()
        errors, left, failed = [], CONDITIONS_BUDGET, ""
        for condition, program in zip(self.found, self._programs, strict=True):
            if isinstance(program, str):
                errors.append(f"compilation error: {program}")  # an older server has let it in
                continue
            try:
                value, cost = await program.run(given)
            except EvalError as error:
                errors.append(f"expression '{condition.expression}' resulted in error: {error.message}")
                continue
            except CostExceeded as error:
                errors.append(f"expression '{condition.expression}' resulted in error: {error.message}")
                cost, value = CALL_BUDGET, None
            left -= cost
            if left < 0:
                return Outcome(False, (OUT_OF_BUDGET,))
            if value is False:
                failed = failed or condition.name
        if failed:
            return Outcome(False, failed=failed)
        return Outcome(not errors, errors)

    def _compiled(self) -> list[Program | str]:
        from longboat.machinery.cel import admission
        from longboat.machinery.cel.errors import CompileError
        from longboat.machinery.cel.program import compile as compile_program

        variables = {**admission.VARIABLES, **self.variables}
        programs: list[Program | str] = []
        for each in self.found:
            try:
                programs.append(compile_program(each.expression, variables))
            except CompileError as error:
                programs.append(f"compilation failed: {error.message}")
        return programs
