"""MutatingAdmissionWebhook and ValidatingAdmissionWebhook (admissionregistration.k8s.io/v1).

Those that may change a request are asked one after the other, those that judge it side by side. One that cannot be
asked, or whose answer says nothing, refuses what it would have guarded, unless its failurePolicy is Ignore. It delays
nothing but the requests that it is to be asked about.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Mapping
from typing import Any

import msgspec

from longboat.api import kinds
from longboat.apiserver.admission import matching
from longboat.apiserver.admission.asked import Printed
from longboat.apiserver.admission.chain import Lookup, Plugin
from longboat.apiserver.admission.versions import Versions
from longboat.apiserver.admission.webhooks import review
from longboat.apiserver.admission.webhooks.caller import Caller
from longboat.apiserver.admission.webhooks.hooks import EXEMPT, Hook, Hooks
from longboat.apiserver.admission.webhooks.patching import Typed, patched
from longboat.apiserver.admission.webhooks.review import Answer, Unanswered
from longboat.machinery.errors import StatusError, bad_request, internal
from longboat.registry.admission import Attributes, Target


class _Webhooks(Plugin):
    def __init__(self, hooks: Hooks, caller: Caller, lookup: Lookup, printed: Printed, versions: Versions) -> None:
        self._printed = printed
        self._versions = versions
        self._hooks = hooks
        self._caller = caller
        self._lookup = lookup

    def handles(self, target: Target) -> bool:
        return target.kind not in EXEMPT

    def _labels(self, attributes: Attributes) -> Mapping[str, str] | None:
        """Those of the request's namespace."""

        def of(namespace: str) -> Mapping[str, str] | None:
            found = self._lookup(kinds.NAMESPACE, "", namespace)
            return None if found is None else found["metadata"].get("labels") or {}

        return matching.labels_of(attributes, of)

    def _concerns(self, hook: Hook, attributes: Attributes) -> bool:
        if not matching.is_about_namespaced(attributes):
            return (
                hook.asked_about(attributes, lambda: None, self._versions.others) is not None
            )  # no selector lets it off
        return hook.asked_about(attributes, lambda: self._labels(attributes), self._versions.others) is not None

    async def _answer(self, hook: Hook, attributes: Attributes, mutating: bool) -> Answer:
        """Raises Unanswered; StatusError for a refusal."""
        if attributes.dry_run and not hook.harmless_when_dry:
            raise bad_request(f'admission webhook "{hook.name}" does not support dry run')
        uid = str(uuid.uuid4())
        body = await attributes.seat.run(review.request, attributes, hook, uid, self._printed)
        answer = review.read(await self._caller.ask(hook, body), hook, uid, mutating)
        for key, value in answer.annotations.items():
            attributes.annotations[f"{hook.name}/{key}"] = value
        for warning in answer.warnings:
            if warning not in attributes.warnings:
                attributes.warnings.append(warning)
        if not answer.allowed:
            refusal = review.denied(hook, answer.status)
            self._caller.figures.rejected(hook.name, mutating, attributes.operation, refusal.code)
            raise refusal
        return answer

    def _count(self, hook: Hook, attributes: Attributes, mutating: bool) -> None:
        """That it could not be asked."""
        if hook.fails_open:
            self._caller.figures.failed_open(hook.name, mutating)
        else:
            self._caller.figures.rejected(hook.name, mutating, attributes.operation, 0)


class ValidatingAdmissionWebhook(_Webhooks):
    def validate(self, attributes: Attributes) -> Awaitable[None] | None:
        return self._validate(attributes) if self._hooks.now() else None

    async def _validate(self, attributes: Attributes) -> None:
        hooks = [hook for hook in self._hooks.now() if self._concerns(hook, attributes)]
        refusals: list[StatusError] = []  # in the order in which they came

        async def one(i: int, hook: Hook) -> None:
            try:
                await self._answer(hook, attributes, mutating=False)
            except StatusError as error:
                refusals.append(error)
            except Unanswered as error:
                self._count(hook, attributes, mutating=False)
                if hook.fails_open:
                    where = f"failed-open.validating.webhook.admission.k8s.io/round_0_index_{i}"
                    attributes.annotations[where] = hook.name
                else:
                    refusals.append(_failed(hook, error))

        if len(hooks) == 1:
            await one(0, hooks[0])
        elif hooks:
            async with asyncio.TaskGroup() as group:
                for i, hook in enumerate(hooks):
                    group.create_task(one(i, hook))
        if refusals:
            raise refusals[0]


class MutatingAdmissionWebhook(_Webhooks):
    """What is changed is seen by all that may change it once more (`Attributes.again`), and by those webhooks that ask
    for it (`reinvocationPolicy`) where it is not any more as they left it."""

    def __init__(
        self, hooks: Hooks, caller: Caller, lookup: Lookup, printed: Printed, versions: Versions, typed: Typed
    ) -> None:
        super().__init__(hooks, caller, lookup, printed, versions)
        self._typed = typed

    def mutate(self, attributes: Attributes) -> Awaitable[None] | None:
        return self._mutate(attributes) if self._hooks.now() else None

    async def _mutate(self, attributes: Attributes) -> None:
        round_, left = attributes.round, attributes.left_by
        for i, hook in enumerate(self._hooks.now()):
            if round_ and (hook.ref not in left or left[hook.ref] == _encoded(attributes)):
                continue
            if not self._concerns(hook, attributes):
                continue
            where = f"webhook.admission.k8s.io/round_{round_}_index_{i}"
            changed = False
            try:
                answer = await self._answer(hook, attributes, mutating=True)
                changed = self._change(attributes, answer)
            except Unanswered as error:
                self._count(hook, attributes, mutating=True)
                if not hook.fails_open:
                    raise _failed(hook, error) from None
                attributes.annotations[f"failed-open.mutation.{where}"] = hook.name
                continue
            finally:
                said = {"configuration": hook.configuration, "webhook": hook.name, "mutated": changed}
                attributes.annotations[f"mutation.{where}"] = msgspec.json.encode(said).decode()
            attributes.again |= changed
            if hook.reinvoked:
                left[hook.ref] = _encoded(attributes)

    def _change(self, attributes: Attributes, answer: Answer) -> bool:
        """Whether anything is different now. Raises StatusError 500."""
        if answer.patch is None or answer.patch_type != "JSONPatch" or attributes.obj is None:
            return False
        before = _encoded(attributes)
        found = patched(attributes, answer.patch, self._printed, self._typed)
        attributes.obj.clear()
        attributes.obj.update(found)
        return _encoded(attributes) != before


def _encoded(attributes: Attributes) -> bytes:
    encoded: bytes = msgspec.json.encode(attributes.obj, order="deterministic")
    return encoded


def _failed(hook: Hook, error: Any) -> StatusError:
    return internal(f'failed calling webhook "{hook.name}": {error}')
