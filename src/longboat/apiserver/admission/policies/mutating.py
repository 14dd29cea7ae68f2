"""MutatingAdmissionPolicy: changes to what is to be written, one policy after the other; those that wish so see once
more what others have changed after them (admissionregistration v1, KEP-3962)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longboat.aio.clock import Clock
from longboat.apiserver.admission.asked import kind_of
from longboat.apiserver.admission.evaluation import OutOfBudget, Purse, Run
from longboat.apiserver.admission.policies import patching
from longboat.apiserver.admission.policies.both import Both
from longboat.apiserver.admission.policies.compiled import APPLY, Compiled, Mutation
from longboat.apiserver.admission.policies.dispatch import Invocation, Misconfiguration
from longboat.apiserver.admission.policies.holding import holding
from longboat.apiserver.admission.policies.patching import Unusable
from longboat.apiserver.admission.policies.seen import Request, Seen
from longboat.apiserver.admission.policies.source import Binding, Policy
from longboat.apiserver.admission.turns import Turns
from longboat.apiserver.admission.webhooks.patching import keep_place
from longboat.machinery.apply.grain import Grain
from longboat.machinery.errors import StatusError, forbidden, internal
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types.wording import Mistake
from longboat.registry.admission import Attributes

Concerned = Sequence[Invocation | Misconfiguration]


async def change(policies: Both, clock: Clock, concerned: Concerned, attributes: Attributes) -> None:
    """Raises StatusError."""
    await _Changing(policies, clock, attributes).run(concerned)


class _Changing:
    """What policies make of one request's object, in one round of admission."""

    def __init__(self, policies: Both, clock: Clock, attributes: Attributes) -> None:
        self._policies, self._means, self._clock = policies, policies.means, clock
        self._attributes = attributes
        self._turns = Turns(attributes)
        self._seen = Seen(attributes, policies.means)
        self._errors: list[tuple[Policy, Binding | None, str, str]] = []  # with the reason
        self._left: list[Any] = []  # what tells invocations apart that may be repeated
        self._dirty = False

    async def run(self, concerned: Concerned) -> None:
        """All have been chosen before any of them changes what they are chosen by. Raises StatusError."""
        attributes = self._attributes
        again = self._repeated() if attributes.round else None
        chosen: list[tuple[Invocation, Sequence[Object | None]]] = []
        for each in concerned:
            found = (
                each if isinstance(each, Misconfiguration) else await self._policies.mutating.params(each, attributes)
            )
            if isinstance(found, Misconfiguration):
                self._errors.append((found.policy, found.binding, found.why, ""))
            elif isinstance(each, Invocation):
                chosen.append((each, found))
        for each, params in chosen:
            compiled = await each.policy.ready(attributes)
            for one in params:
                await self._invoke(each, compiled, one, again)
        if not attributes.round:
            mark = b"" if self._dirty or not self._left else patching.encoded(attributes.obj)
            attributes.left_by |= dict.fromkeys(self._left, mark)
        attributes.again |= self._dirty
        self._refuse()

    def _misconfigured(self, found: Misconfiguration) -> None:
        self._errors.append((found.policy, found.binding, found.why, ""))

    def _repeated(self) -> set[Any]:
        """Those that are invoked once more: they ask for it, and the object is not any more as all of them left it."""
        left = {key: mark for key, mark in self._attributes.left_by.items() if key[0] is _KEY}
        if not left:
            return set()
        now = patching.encoded(self._attributes.obj)
        return {key for key, mark in left.items() if mark != now}

    async def _invoke(
        self, each: Invocation, compiled: Compiled, params: Object | None, again: set[Any] | None
    ) -> None:
        policy = each.policy
        await self._seen.views.reach(each.version)
        request = self._seen.of(each.version)
        held = await holding(self._turns, self._policies, self._clock, policy, compiled, request, params)
        if held is not None and held.errors and not policy.fails_open:
            self._errors.append((policy, each.binding, held.error, "Invalid"))
            return
        if held is not None and not held.matches:
            return
        key = (_KEY, policy.name, each.binding.name, _name(params))
        if again is not None and key not in again:
            return
        for mutation in compiled.mutations:
            if self._attributes.obj is None:
                continue
            start, error = self._clock.monotonic(), ""
            try:
                await self._mutate(each, compiled, mutation, params)
            except Unusable as unusable:
                error = str(unusable)
                self._errors.append((policy, each.binding, error, "Invalid"))
            seconds = self._clock.monotonic() - start
            self._policies.figures.mutated(policy.name, each.binding.name, error, seconds)
        if policy.spec.get("reinvocationPolicy") == "IfNeeded":
            self._left.append(key)

    async def _mutate(self, each: Invocation, compiled: Compiled, mutation: Mutation, params: Object | None) -> None:
        """Raises Unusable, StatusError."""
        await self._seen.views.reach(each.version)
        request = self._seen.of(each.version)
        body = kind_of(self._attributes, each.version)

        def make(purse: Purse) -> Object:
            found = _evaluated(request, compiled, mutation, params, purse)
            obj = self._seen.views.decoded(each.version)[0]
            if mutation.kind == APPLY:
                return patching.applied(self._grain(body), obj, found)
            return patching.patched(obj, found)

        made = await self._turns.have(make)
        attributes = self._attributes
        attributes.obj = await self._seen.views.converting(each.version, self._settled, each, made, mutation)
        self._seen.forget()
        self._dirty = True

    def _grain(self, kind: Kind) -> Grain:
        """Raises StatusError 503 for a kind whose type is not known."""
        found = self._means.grain(kind)
        if found is None:
            named = f"{kind.group}/{kind.version}, Kind={kind.name}"
            why = "There can be a delay between when CustomResourceDefinitions are created and when they are available."
            raise StatusError(503, "ServiceUnavailable", f"Resource kind {named} not found. {why}")
        return found

    def _settled(self, each: Invocation, made: Object, mutation: Mutation) -> Object:
        """What a mutation has made, as the request's own version has it, with defaults; in the place of the object
        before. Raises Unusable, StatusError."""
        attributes, means = self._attributes, self._means
        body, own = kind_of(attributes, each.version), kind_of(attributes)
        if mutation.kind != APPLY and (unknown := means.unknown(body, made)):
            raise internal(f"strict decoding error: {', '.join(unknown)}")
        if (made.get("kind"), made.get("apiVersion")) != (body.name, body.api_version):
            raise internal(f'no kind "{made.get("kind")}" is registered for version "{made.get("apiVersion")}"')
        try:
            found = means.typed(own, means.versions.convert(means.typed(body, made), body, own))
        except Mistake as error:
            if mutation.kind != APPLY:
                raise internal(str(error)) from None
            raise Unusable(patching.unconverted(body, str(error))) from None
        means.default(own, found)
        keep_place(attributes, found)
        before = attributes.obj
        assert before is not None
        before.clear()
        before.update(found)
        return before

    def _refuse(self) -> None:
        """Raises StatusError for what failurePolicy does not let pass."""
        told = [each for each in self._errors if not each[0].fails_open]
        if not told:
            return
        refusal = forbidden(self._attributes.kind, self._attributes.name or "Unknown", "")
        messages = [_message(policy, binding, why) for policy, binding, why, _ in told]
        refusal.message, refusal.reason = messages[0], told[0][3] or refusal.reason
        refusal.details = {**refusal.details, "causes": [{"message": message} for message in messages]}
        raise refusal


_KEY = object()  # tells what policies left from what others did


def _name(params: Object | None) -> tuple[str, str]:
    metadata = (params or {}).get("metadata") or {}
    return metadata.get("namespace") or "", metadata.get("name") or ""


def _message(policy: Policy, binding: Binding | None, why: str) -> str:
    by = f"policy '{policy.name}'" + (f" with binding '{binding.name}'" if binding else "")
    return f"{by} denied request: {why}"


def _evaluated(request: Request, compiled: Compiled, mutation: Mutation, params: Object | None, purse: Purse) -> Any:
    """Raises Unusable, Later."""
    try:
        found = Run(request.values(params), compiled.variables, purse).evaluate(mutation.patch)
    except OutOfBudget as spent:
        raise Unusable(str(spent)) from spent
    if found.error:
        raise Unusable(found.error)
    return found.value
