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
from longboat.apiserver.admission.expressions import decides, makers
from longboat.apiserver.admission.versions import Versions
from longboat.apiserver.admission.views import Views
from longboat.apiserver.admission.webhooks import review
from longboat.apiserver.admission.webhooks.caller import Caller
from longboat.apiserver.admission.webhooks.complaints import Complaints
from longboat.apiserver.admission.webhooks.figures import CALLING, INTERNAL, NO_ERROR
from longboat.apiserver.admission.webhooks.hooks import EXEMPT, Hook, Hooks
from longboat.apiserver.admission.webhooks.patching import Typed, Unchanged, patched
from longboat.apiserver.admission.webhooks.review import Answer, Unanswered
from longboat.apiserver.authz.authorizer import Authorizer
from longboat.machinery.errors import StatusError, bad_request, forbidden, internal
from longboat.machinery.kinds import Kind
from longboat.registry.admission import Attributes, Target


class _Webhooks(Plugin):
    mutating = False
    configured = kinds.VALIDATING_WEBHOOK_CONFIGURATION

    def __init__(
        self, hooks: Hooks, caller: Caller, complaints: Complaints, lookup: Lookup, authorizer: Authorizer,
        printed: Printed, versions: Versions,
    ) -> None:  # fmt: skip
        self._hooks = hooks
        self._caller = caller
        self._complaints = complaints
        self._lookup = lookup
        self._authorizer = authorizer
        self._printed, self._versions = printed, versions

    def handles(self, target: Target) -> bool:
        return target.kind not in EXEMPT

    def _labels(self, views: Views) -> Mapping[str, str] | None:
        """Those of the request's namespace: looked up once, however many ask."""

        def of(namespace: str) -> Mapping[str, str] | None:
            if namespace not in views.namespaces:
                found = self._lookup(kinds.NAMESPACE, "", namespace)
                views.namespaces[namespace] = None if found is None else found["metadata"].get("labels") or {}
            return views.namespaces[namespace]

        return matching.labels_of(views.attributes, of)

    async def _concerned(self, hook: Hook, views: Views) -> Kind | None:
        """As what the webhook is asked about the request; None: not at all. Raises StatusError where its conditions
        cannot tell, and it guards."""
        attributes = views.attributes
        inside = matching.is_about_namespaced(attributes)
        labels = (lambda: self._labels(views)) if inside else lambda: None  # no selector of namespaces lets it off
        resource = hook.asked_about(attributes, labels, self._versions.others)
        if resource is not None:
            await views.reach(resource)
        if resource is None or not hook.conditions:
            return resource
        figures, start = self._caller.figures, self._caller.now()
        decide = decides(self._authorizer, attributes.user)
        found = await hook.conditions.hold(attributes, makers(views, resource, decide, lambda: None))
        figures.evaluated(hook.name, self.mutating, attributes.operation, self._caller.now() - start, found)
        if found.matches:
            return resource
        if found.errors and not hook.fails_open:
            raise forbidden(attributes.kind, attributes.name, found.error)
        return None

    async def _answer(self, hook: Hook, views: Views, resource: Kind) -> Answer:
        """Raises Unanswered; StatusError for a refusal. Whatever comes of it is counted."""
        figures, start, operation = self._caller.figures, self._caller.now(), views.attributes.operation
        rejected, code, error, waited = True, 0, INTERNAL, True
        try:
            answer = await self._asked(hook, views, resource)
            rejected, code = False, 200
            if not answer.allowed:
                refusal = review.denied(hook, answer.status)
                rejected, code, error = True, refusal.code, NO_ERROR
                raise refusal
            return answer
        except Unanswered as unanswered:
            rejected, code, error = not hook.fails_open, unanswered.code, CALLING
            self._complaints.failed(self.configured, hook, str(unanswered))
            raise
        except asyncio.CancelledError:
            waited = False  # it says nothing of the webhook
            raise
        finally:
            if waited:
                figures.asked(hook.name, self.mutating, operation, self._caller.now() - start, code, rejected)
            if waited and rejected:
                figures.rejected(hook.name, self.mutating, operation, error, code)

    async def _asked(self, hook: Hook, views: Views, resource: Kind) -> Answer:
        attributes = views.attributes
        if attributes.dry_run and not hook.harmless_when_dry:
            raise bad_request(f'admission webhook "{hook.name}" does not support dry run')
        uid = str(uuid.uuid4())
        body = await attributes.seat.run(review.request, views, hook, resource, uid)
        answer = review.read(await self._caller.ask(hook, body, attributes.write.until), hook, uid, self.mutating)
        for key, value in answer.annotations.items():
            attributes.annotate(f"{hook.name}/{key}", value)
        for warning in answer.warnings:
            if warning not in attributes.warnings:
                attributes.warnings.append(warning)
        return answer


class ValidatingAdmissionWebhook(_Webhooks):
    def validate(self, attributes: Attributes) -> Awaitable[None] | None:
        return self._validate(attributes) if self._hooks.now() else None

    async def _validate(self, attributes: Attributes) -> None:
        views = Views(attributes, self._printed, self._versions)
        asked: list[tuple[Hook, Kind]] = []
        for hook in self._hooks.now():
            if (resource := await self._concerned(hook, views)) is not None:
                asked.append((hook, resource))
        refusals: list[StatusError] = []  # in the order in which they came

        async def one(i: int, hook: Hook, resource: Kind) -> None:
            try:
                await self._answer(hook, views, resource)
            except StatusError as error:
                refusals.append(error)
            except Unanswered as error:
                if hook.fails_open:
                    self._caller.figures.failed_open(hook.name, self.mutating)
                    attributes.annotate(f"failed-open.validating.webhook.admission.k8s.io/round_0_index_{i}", hook.name)
                else:
                    refusals.append(_failed(hook, error))

        if len(asked) == 1:
            await one(0, *asked[0])
        elif asked:
            async with asyncio.TaskGroup() as group:
                for i, each in enumerate(asked):
                    group.create_task(one(i, *each))
        if refusals:
            raise refusals[0]


class MutatingAdmissionWebhook(_Webhooks):
    """What is changed is seen by all that may change it once more (`Attributes.again`), and by those webhooks that ask
    for it (`reinvocationPolicy`) where it is not any more as they left it."""

    mutating = True
    configured = kinds.MUTATING_WEBHOOK_CONFIGURATION

    def __init__(
        self, hooks: Hooks, caller: Caller, complaints: Complaints, lookup: Lookup, authorizer: Authorizer,
        printed: Printed, versions: Versions, typed: Typed,
    ) -> None:  # fmt: skip
        super().__init__(hooks, caller, complaints, lookup, authorizer, printed, versions)
        self._typed = typed

    def mutate(self, attributes: Attributes) -> Awaitable[None] | None:
        return self._mutate(attributes) if self._hooks.now() else None

    async def _mutate(self, attributes: Attributes) -> None:
        round_, left = attributes.round, attributes.left_by
        views = Views(attributes, self._printed, self._versions)
        for i, hook in enumerate(self._hooks.now()):
            if round_ and (hook.ref not in left or left[hook.ref] == _encoded(attributes)):
                continue
            if (resource := await self._concerned(hook, views)) is None:
                continue
            where, changed = f"webhook.admission.k8s.io/round_{round_}_index_{i}", False
            try:
                answer = await self._answer(hook, views, resource)
                if answer.patch and answer.patch_type == "JSONPatch":
                    changed = await self._change(hook, views, resource, answer.patch)
                    told = {"configuration": hook.configuration, "webhook": hook.name, "patch": answer.patch}
                    note = msgspec.json.encode({**told, "patchType": answer.patch_type}).decode()
                    attributes.annotate(f"patch.{where}", note)
            except Unanswered as error:
                if not hook.fails_open:
                    raise _failed(hook, error) from None
                self._caller.figures.failed_open(hook.name, self.mutating)
                attributes.annotate(f"failed-open.mutation.{where}", hook.name)
                continue
            except _Misfit as error:
                changed = error.changed
                self._caller.figures.rejected(hook.name, self.mutating, attributes.operation, INTERNAL, 0)
                raise error.told from None
            finally:
                said = {"configuration": hook.configuration, "webhook": hook.name, "mutated": changed}
                attributes.annotate(f"mutation.{where}", msgspec.json.encode(said).decode())
            attributes.again |= changed
            if hook.reinvoked:
                left[hook.ref] = _encoded(attributes)

    async def _change(self, hook: Hook, views: Views, resource: Kind, patch: list[Any]) -> bool:
        """Whether anything is different now. Raises _Misfit."""
        attributes = views.attributes
        if attributes.obj is None:
            why = "attempted to modify the object, which is not supported for this operation"
            raise _Misfit(internal(f'admission webhook "{hook.name}" {why}'))
        try:
            found = await views.converting(resource, patched, views, resource, patch, self._versions, self._typed)
        except Unchanged as error:
            raise _Misfit(internal(str(error))) from None
        except StatusError as error:
            raise _Misfit(error, changed=True) from None
        before = _encoded(attributes)
        attributes.obj.clear()
        attributes.obj.update(found)
        views.forget()
        return _encoded(attributes) != before


class _Misfit(Exception):
    """A patch that cannot be taken. `changed`: it did apply."""

    def __init__(self, told: StatusError, *, changed: bool = False) -> None:
        super().__init__(told.message)
        self.told, self.changed = told, changed


def _encoded(attributes: Attributes) -> bytes:
    encoded: bytes = msgspec.json.encode(attributes.obj, order="deterministic")
    return encoded


def _failed(hook: Hook, error: Any) -> StatusError:
    return internal(f'failed calling webhook "{hook.name}": {error}')
