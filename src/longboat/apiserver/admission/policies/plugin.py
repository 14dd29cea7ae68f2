"""The two plugins. What they do comes with the expression language, which is loaded when a policy first concerns a
request."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from importlib import import_module
from typing import Any

from longboat.aio.clock import Clock
from longboat.apiserver.admission.chain import Plugin
from longboat.apiserver.admission.policies.both import Both
from longboat.apiserver.admission.policies.dispatch import Selection
from longboat.apiserver.admission.policies.source import Concern
from longboat.registry.admission import Attributes, Target


class ValidatingAdmissionPolicy(Plugin):
    def __init__(self, policies: Both, clock: Clock) -> None:
        self._policies, self._clock = policies, clock
        self._module: Any = None

    def handles(self, target: Target) -> bool:
        return Selection.handles(target)

    def validate(self, attributes: Attributes) -> Awaitable[None] | None:
        concerns = self._policies.validating.concerns(attributes)
        return self._judge(concerns, attributes) if concerns else None

    async def _judge(self, concerns: Sequence[Concern], attributes: Attributes) -> None:
        if self._module is None:
            self._module = await attributes.seat.beside(import_module, f"{__package__}.validating")
        await self._module.judge(self._policies, self._clock, concerns, attributes)
