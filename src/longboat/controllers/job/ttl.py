"""Deletes finished Jobs whose time to live has run out (KEP-592)."""

from __future__ import annotations

from datetime import datetime, timedelta

from longboat.client.interface import Key
from longboat.controllers.job.views import Job
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.objects import parse_timestamp


class TTLAfterFinished(Controller):
    name = "ttl-after-finished"
    queue_name = "ttl_jobs_to_delete"
    rights = "delete get list watch: batch/jobs"
    watches = (Watch(Job, own_key, when=lambda job: job.spec.ttlSecondsAfterFinished is not None),)
    workers = 1

    async def reconcile(self, key: Key) -> Requeue | None:
        job = self.cache(Job).get(key)
        if job is None or job.metadata.deletionTimestamp or (due := deletion_time(job)) is None:
            return None
        if (wait := (due - self.clock.now()).total_seconds()) > 0:
            return Requeue(wait)
        fresh = await self.client.get(Job, key)  # the copy may lag: never delete on its word alone
        if deletion_time(fresh) == due:
            await self.client.delete(Job, key, uid=fresh.metadata.uid, propagation="Foreground")
        return None


def deletion_time(job: Job) -> datetime | None:
    """When a finished Job is to go; None for one that is not finished, or stays."""
    ended, lives = job.finished, job.spec.ttlSecondsAfterFinished
    if ended is None or lives is None or ended.lastTransitionTime is None:
        return None
    return parse_timestamp(ended.lastTransitionTime) + timedelta(seconds=lives)
