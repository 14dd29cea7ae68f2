"""The status of ValidatingAdmissionPolicies: what the check of their expressions' types has found.

Upstream's controller of this name asks the API server for the types of all kinds; here it is where they are.
"""

from __future__ import annotations

import asyncio

import msgspec

from longboat.api import kinds
from longboat.apiserver.admission.policies.both import Known
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, dig
from longboat.registry.store import Store
from longboat.registry.write import Write

MANAGER = "validatingadmissionpolicy-status"

_decode = msgspec.json.Decoder().decode


class PolicyStatus:
    """`settle` brings every policy's status up to date; what it has seen it does not look at again."""

    def __init__(self, policies: Store, known: Known) -> None:
        self._policies, self._known = policies, known
        self._seen: dict[str, int] = {}

    async def settle(self) -> None:
        """Raises StatusError, StorageError, Unreadable."""
        entries = self._policies.entries()
        self._seen = {entry.key: entry.revision for entry in entries if self._seen.get(entry.key) == entry.revision}
        for entry in entries:
            if entry.key not in self._seen:
                await self._one(_decode(entry.body))
                self._seen[entry.key] = entry.revision

    async def _one(self, policy: Object) -> None:
        generation = dig(policy, "metadata", "generation", default=0)
        if generation <= dig(policy, "status", "observedGeneration", default=0):
            return
        checked: Object = {}
        if found := await asyncio.to_thread(self._warnings, policy.get("spec") or {}):
            checked["expressionWarnings"] = found
        config = {
            "kind": kinds.VALIDATING_ADMISSION_POLICY.name,
            "apiVersion": kinds.VALIDATING_ADMISSION_POLICY.api_version,
            "metadata": {"name": policy["metadata"]["name"]},
            "status": {"observedGeneration": generation, "typeChecking": checked},
        }
        try:
            await self._policies.apply(config, Write(subresource="status", manager=MANAGER))
        except StatusError as error:
            if error.code != 404:  # deleted meanwhile
                raise

    def _warnings(self, spec: Object) -> list[Object]:
        from longboat.apiserver.admission.policies import checking

        return checking.warnings(spec, self._known)
