"""The two plugins. What they do comes with the expression language, which is loaded when a policy first concerns a
request."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from importlib import import_module
from typing import Any

from longboat.aio.clock import Clock
from longboat.apiserver.admission.chain import Plugin
from longboat.apiserver.admission.policies.both import Both
from longboat.apiserver.admission.policies.dispatch import Invocation, Misconfiguration, Selection
from longboat.registry.admission import Attributes, Target

Concerned = Sequence[Invocation | Misconfiguration]


class _Policies(Plugin):
    name = ""

    def __init__(self, policies: Both, clock: Clock) -> None:
        self._policies, self._clock = policies, clock
        self._loaded: Any = None

    def handles(self, target: Target) -> bool:
        return Selection.handles(target)

    async def _module(self, attributes: Attributes) -> Any:
        if self._loaded is None:
            self._loaded = await attributes.seat.beside(import_module, f"{__package__}.{self.name}")
        return self._loaded


class MutatingAdmissionPolicy(_Policies):
    name = "mutating"

    def handles(self, target: Target) -> bool:
        return target.operation != "DELETE" and super().handles(target)

    def mutate(self, attributes: Attributes) -> Awaitable[None] | None:
        concerned = self._policies.mutating.concerned(attributes)
        return self._change(concerned, attributes) if concerned else None

    async def _change(self, concerned: Concerned, attributes: Attributes) -> None:
        await (await self._module(attributes)).change(self._policies, self._clock, concerned, attributes)


class ValidatingAdmissionPolicy(_Policies):
    name = "validating"

    def validate(self, attributes: Attributes) -> Awaitable[None] | None:
        concerned = self._policies.validating.concerned(attributes)
        return self._judge(concerned, attributes) if concerned else None

    async def _judge(self, concerned: Concerned, attributes: Attributes) -> None:
        await (await self._module(attributes)).judge(self._policies, self._clock, concerned, attributes)
