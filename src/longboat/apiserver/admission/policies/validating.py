"""ValidatingAdmissionPolicy: rules over what is to be written, and what follows where one does not hold: the request is
refused, warned of, or noted in the audit trail, as the binding says (admissionregistration v1, KEP-3488)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from longboat.aio.clock import Clock
from longboat.apiserver.admission import matching
from longboat.apiserver.admission.evaluation import Expression, OutOfBudget, Purse, Run
from longboat.apiserver.admission.policies.both import Both
from longboat.apiserver.admission.policies.compiled import Compiled, Validation
from longboat.apiserver.admission.policies.dispatch import Invocation, Misconfiguration
from longboat.apiserver.admission.policies.figures import Figures
from longboat.apiserver.admission.policies.holding import holding
from longboat.apiserver.admission.policies.seen import Request, Seen
from longboat.apiserver.admission.policies.source import Binding, Policy
from longboat.apiserver.admission.turns import Turns
from longboat.machinery.cel import CALL_BUDGET, REQUEST_BUDGET
from longboat.machinery.errors import StatusError, forbidden
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes

LONGEST_MESSAGE, LONGEST_NOTE = 5 << 10, 10 << 10  # bytes of what an expression makes
FAILURE = "validation.policy.admission.k8s.io/validation_failure"
CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413, "Invalid": 422}


@dataclass(frozen=True, slots=True)
class Denial:
    """`index`: of the validation; -1 where something else went wrong. `error`: what, where a rule has no result."""

    message: str
    reason: str = ""
    index: int = 0
    error: str = ""
    admitted: bool = False  # the error is ignored


@dataclass(slots=True)
class Verdict:
    """What one policy with one parameter says."""

    denials: list[Denial] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)  # for the audit trail
    unnoted: list[str] = field(default_factory=list)  # why others could not be made, which refuses


async def judge(
    policies: Both, clock: Clock, concerned: Sequence[Invocation | Misconfiguration], attributes: Attributes
) -> None:
    """Raises StatusError."""
    told = _Told(attributes, policies.figures)
    turns, seen = Turns(attributes), Seen(attributes, policies.means)
    for each in concerned:
        if isinstance(each, Misconfiguration):
            told.misconfigured(each)
            continue
        params = await policies.validating.params(each, attributes)
        if isinstance(params, Misconfiguration):
            told.misconfigured(params)
            continue
        if each.version != attributes.kind:
            await seen.views.reach(each.version)
        compiled, request = each.policy.compiled or await each.policy.ready(attributes), seen.of(each.version)
        for one in params:
            start = clock.monotonic()
            held = await holding(turns, policies, clock, each.policy, compiled, request, one)
            if held is not None and held.errors and not each.policy.fails_open:
                verdict: Verdict | None = Verdict([Denial(held.error, error=held.error)])
            elif held is not None and not held.matches:
                continue
            else:
                verdict = await turns.have(_Judging(each, compiled, request, one))
            if verdict is not None:
                told.add(each, verdict, clock.monotonic() - start)
    told.conclude()


class _Judging:
    """One policy over one request, with one parameter."""

    def __init__(self, each: Invocation, compiled: Compiled, request: Request, params: Object | None) -> None:
        self._policy, self._compiled, self._request, self._params = each.policy, compiled, request, params

    def __call__(self, purse: Purse) -> Verdict | None:
        """None where there is nothing to say of it. Raises Later."""
        compiled, fails_open = self._compiled, self._policy.fails_open
        try:
            verdict = self._validated(purse)
            if compiled.annotations:
                verdict = verdict or Verdict()
                self._annotate(verdict, purse)
        except OutOfBudget as spent:
            return Verdict([Denial(str(spent), error=str(spent), admitted=fails_open)])
        return verdict

    def _run(self, purse: Purse, budget: int = REQUEST_BUDGET, *, authorizer: bool = True) -> Run:
        values = self._request.values(self._params, authorizer=authorizer)
        return Run(values, self._compiled.variables, purse, budget)

    def _validated(self, purse: Purse) -> Verdict | None:
        """Raises OutOfBudget, Later."""
        run, failed = self._run(purse), list[tuple[Validation, str]]()
        for validation in self._compiled.validations:
            found = run.evaluate(validation.rule)
            if found.error or found.value is not True:
                failed.append((validation, found.error))
        messages = _Messages(self, purse, run.left)
        if not failed and not messages.may_run_out:
            return None
        messages.prepare()
        if messages.spent:
            wrong = {validation.index: error for validation, error in failed}
            why = f"failed messageExpression: {messages.spent}"
            return Verdict([
                self._errored(each.index, wrong.get(each.index) or why) for each in self._compiled.validations
            ])  # fmt: skip
        return Verdict([
            self._errored(validation.index, error) if error
            else Denial(messages.of(validation), validation.reason, validation.index)
            for validation, error in failed
        ])  # fmt: skip

    def _errored(self, index: int, error: str) -> Denial:
        return Denial(error, index=index, error=error, admitted=self._policy.fails_open)

    def _annotate(self, verdict: Verdict, purse: Purse) -> None:
        """Raises OutOfBudget, Later."""
        run = self._run(purse, authorizer=False)
        for key, expression in self._compiled.annotations:
            found = run.evaluate(expression)
            if found.error:
                if not self._policy.fails_open:
                    verdict.unnoted.append(found.error)
            elif isinstance(found.value, str):
                if value := found.value.strip():
                    verdict.notes.append((key, value))
            elif found.value is not None:
                verdict.unnoted.append(_unsupported(expression))


class _Messages:
    """What expressions say of rules that do not hold. They share a budget, and upstream evaluates them all, whether
    their rules hold or not: here they are where that can make a difference."""

    def __init__(self, judging: _Judging, purse: Purse, budget: int) -> None:
        compiled = judging._compiled
        self._judging, self._purse, self._budget = judging, purse, budget
        self._saying = [each for each in compiled.validations if each.says is not None]
        self.may_run_out = (len(self._saying) + len(compiled.variables)) * CALL_BUDGET > budget and bool(self._saying)
        self.spent = ""
        self._run: Run | None = None
        self._said: dict[int, str] = {}

    def prepare(self) -> None:
        """Raises Later."""
        if not self.may_run_out:
            return
        try:
            for validation in self._saying:
                self._said[validation.index] = self._evaluated(validation)
        except OutOfBudget as spent:
            self.spent = str(spent)

    def of(self, validation: Validation) -> str:
        """Raises Later."""
        said = ""
        if validation.says is not None:
            known = self._said.get(validation.index)
            said = self._evaluated(validation) if known is None else known
        return said or validation.message or f"failed expression: {validation.rule.source.strip()}"

    def _evaluated(self, validation: Validation) -> str:
        """ "" for what is no message. Raises OutOfBudget, Later."""
        if self._run is None:
            self._run = self._judging._run(self._purse, self._budget, authorizer=False)
        assert validation.says is not None
        found = self._run.evaluate(validation.says)
        text = found.value.strip() if isinstance(found.value, str) else ""
        return "" if "\n" in text or len(text.encode()) > LONGEST_MESSAGE else text


class _Told:
    """What follows from all that policies say of a request."""

    def __init__(self, attributes: Attributes, figures: Figures) -> None:
        self._attributes, self._figures = attributes, figures
        self._refusal: tuple[Policy, Binding | None, Denial] | None = None
        self._noted: dict[str, str] = {}
        self._values: dict[str, list[str]] = {}  # of annotations that policies make, by whole key

    def misconfigured(self, found: Misconfiguration) -> None:
        if not found.policy.fails_open:
            self._refuse(found.policy, found.binding, Denial(found.why))

    def _refuse(self, policy: Policy, binding: Binding | None, denial: Denial) -> None:
        if self._refusal is None:  # the first is told
            self._refusal = policy, binding, denial

    def add(self, each: Invocation, verdict: Verdict, seconds: float) -> None:
        policy, binding = each.policy, each.binding
        for denial in verdict.denials:
            if denial.admitted:
                self._figures.validated(policy.name, binding.name, denial.error, "allow", seconds)
                continue
            for action in binding.actions:
                self._figures.validated(policy.name, binding.name, denial.error, action.lower(), seconds)
                match action:
                    case "Warn":
                        self._warn(policy, binding, denial)
                    case "Audit":
                        self._noted.setdefault(FAILURE, _failure(policy, binding, denial))
                    case _:
                        self._refuse(policy, binding, denial)
        for error in verdict.unnoted:
            self._figures.validated(policy.name, binding.name, error, "deny", seconds)
            self._refuse(policy, binding, Denial(error, error=error))
        for key, value in verdict.notes:
            known = self._values.setdefault(f"{policy.name}/{key}", [])
            value = value.encode()[:LONGEST_NOTE].decode(errors="ignore")
            if value not in known:
                known.append(value)

    def _warn(self, policy: Policy, binding: Binding, denial: Denial) -> None:
        by = f"ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}'"
        text = f"Validation failed for {by}: {denial.message}"
        if text not in self._attributes.warnings:
            self._attributes.warnings.append(text)

    def conclude(self) -> None:
        """Raises StatusError."""
        notes = {key: ", ".join(values) for key, values in self._values.items()} | self._noted
        self._attributes.annotations.update(notes)
        if self._refusal is not None:
            raise refused(self._attributes, *self._refusal)


def refused(attributes: Attributes, policy: Policy, binding: Binding | None, denial: Denial) -> StatusError:
    by = f"ValidatingAdmissionPolicy '{policy.name}'" + (f" with binding '{binding.name}'" if binding else "")
    message = f"{by} denied request: {denial.message}"
    error = forbidden(attributes.kind, _told_name(attributes), message)
    error.reason = denial.reason or "Invalid"
    error.code = CODES.get(error.reason, 422)
    error.details = {**(error.details or {}), "causes": [{"message": message}]}
    return error


def _told_name(attributes: Attributes) -> str:
    return matching.name_of(attributes) or (not attributes.write.collection and attributes.name) or "Unknown"


def _failure(policy: Policy, binding: Binding, denial: Denial) -> str:
    found = [{
        "message": denial.message, "policy": policy.name, "binding": binding.name, "expressionIndex": denial.index,
        "validationActions": binding.actions,
    }]  # fmt: skip
    return msgspec.json.encode(found).decode()


def _unsupported(expression: Expression) -> str:
    return (
        f"valueExpression '{expression.source}' resulted in unsupported return type. "
        "Return type must be either string or null."
    )
