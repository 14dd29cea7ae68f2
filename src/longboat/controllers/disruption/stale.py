"""Takes back what was said of pods that were to be disrupted and then were not."""

from __future__ import annotations

from datetime import timedelta

from longboat.api import kinds, pod_conditions
from longboat.api.pod_conditions import DISRUPTED
from longboat.api.workloads import Condition, Pod
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.objects import parse_timestamp

PATIENCE = timedelta(minutes=2)


def announced(pod: Pod) -> Condition | None:
    """The condition of a pod that was to be disrupted and is not going yet."""
    if pod.metadata.deletionTimestamp is not None or pod.status.phase in ("Succeeded", "Failed"):
        return None
    return next((c for c in pod.status.conditions if c.type == DISRUPTED and c.status == "True"), None)


class StaleDisruption(Controller):
    name = "stale-disruption"
    queue_name = "stale_pod_disruption"
    account = "disruption-controller"
    rights = """
        get list watch: pods
        patch update: pods/status
    """
    watches = (Watch(Pod, own_key, lambda pod: announced(pod) is not None),)
    workers = 1

    async def reconcile(self, key: Key) -> Requeue | None:
        pod = self.cache(Pod).get(key)
        condition = announced(pod) if pod is not None else None
        if pod is None or condition is None or condition.lastTransitionTime is None:
            return None
        now = self.clock.now()
        due = parse_timestamp(condition.lastTransitionTime) + PATIENCE
        if due > now:
            return Requeue((due - now).total_seconds())
        before, generation = pod.status.conditions, pod.metadata.generation
        taken_back = pod_conditions.condition(DISRUPTED, False, before=before, generation=generation, now=now)
        patch = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [taken_back]}}
        await self.client.patch(kinds.POD, key, patch, style="strategic", subresource="status")
        return None
