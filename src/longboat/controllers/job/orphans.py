"""Lets go of pods that no Job counts any more: those that nothing owns."""

from __future__ import annotations

from longboat.api import kinds
from longboat.api.view import controller_of
from longboat.client.interface import Key
from longboat.controllers.job.views import FINALIZER, JobPod
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.errors import StatusError


def is_orphan(pod: JobPod) -> bool:
    return pod.tracked and controller_of(pod.metadata) is None


class OrphanedPods(Controller):
    name = "job-pod-orphan"
    queue_name = "job_orphan_pod"
    account = "job-controller"
    rights = "get list patch watch: pods"
    watches = (Watch(JobPod, own_key, when=is_orphan),)
    workers = 1

    async def reconcile(self, key: Key) -> Requeue | None:
        """A Job that adopts the pod gives it the finalizer back, and must not lose it to us: hence the version."""
        pod = self.cache(JobPod).get(key)
        if pod is None or not is_orphan(pod):
            return None
        meta = {"resourceVersion": pod.metadata.resourceVersion, "$deleteFromPrimitiveList/finalizers": [FINALIZER]}
        try:
            await self.client.patch(kinds.POD, key, {"metadata": meta}, style="strategic")
        except StatusError as error:
            if error.code not in (404, 409):
                raise
        return None
