"""Makes Jobs when their time has come, and clears up those that have ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from longboat.api import kinds
from longboat.client.interface import Key
from longboat.controllers import ownership
from longboat.controllers.cronjob.schedule import MANY, NeverDue, UnknownZone, due
from longboat.controllers.cronjob.views import CronJob
from longboat.controllers.job.views import Job
from longboat.controllers.runtime import Controller, Requeue, Watch, controller_key, namespace_is_going, own_key
from longboat.machinery.cron import BadSchedule
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import parse_timestamp, timestamp

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
TOO_MANY = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
STILL_RUNNING = "Not starting job because prior execution is running and concurrency policy is Forbid"


class CronJobController(Controller):
    name = "cronjob"
    component = account = "cronjob-controller"
    rights = """
        get list update watch: batch/cronjobs
        create delete get list patch update watch: batch/jobs
        update: batch/cronjobs/status batch/cronjobs/finalizers
        delete list: pods
    """
    watches = (Watch(CronJob, own_key), Watch(Job, controller_key("CronJob")))

    def setup(self) -> None:
        self.cache(Job).index("owner", ownership.owner_uid)

    async def reconcile(self, key: Key) -> Requeue | None:
        cron = self.cache(CronJob).get(key)
        if cron is None or cron.metadata.deletionTimestamp is not None:
            return None
        jobs = self.cache(Job).by_index("owner", cron.metadata.uid)
        jobs = await self._clear_up(cron, jobs)
        wait, started, scheduled = await self._start(cron, jobs)
        await self._report(key, cron, [*jobs, *started], scheduled)
        return Requeue(max(wait, 0.1)) if wait is not None else None

    async def _start(
        self, cron: CronJob, jobs: Sequence[Job]
    ) -> tuple[float | None, list[Job], datetime | None]:  # fmt: skip
        """Make the Job that is due. Returns seconds until the next, what was made, and for when."""
        spec, now = cron.spec, self.clock.now()
        if spec.suspend:
            return None, [], None
        assert cron.metadata.creationTimestamp is not None
        since = parse_timestamp(cron.status.lastScheduleTime or cron.metadata.creationTimestamp)
        ahead = since > now  # the clock was, and is right again: what was due until now counts as done (0168)
        since = min(since, now)
        if spec.startingDeadlineSeconds is not None:
            since = max(since, now - timedelta(seconds=spec.startingDeadlineSeconds))
        try:
            found = due(spec.schedule, spec.timeZone, since, now)
        except UnknownZone as error:
            self.events.event(cron, "Warning", "UnknownTimeZone", f'invalid timeZone: "{spec.timeZone}" : {error}')
            return None, [], None
        except BadSchedule as error:
            shown = f"TZ={spec.timeZone} {spec.schedule}" if spec.timeZone else spec.schedule
            self.events.event(cron, "Warning", "UnparseableSchedule", f'unparseable schedule: "{shown}" : {error}')
            return None, [], None
        except NeverDue as error:
            self.events.event(cron, "Warning", "InvalidSchedule", f"invalid schedule: {spec.schedule} : {error}")
            return None, [], None
        wait = (found.next - now).total_seconds()
        if found.last is None:
            return wait, [], now if ahead else None
        if found.missed > MANY:
            self.events.event(cron, "Warning", "TooManyMissedTimes", TOO_MANY)
        active = [job for job in jobs if job.finished is None]
        if spec.concurrencyPolicy == "Forbid" and active:
            self.events.event(cron, "Normal", "JobAlreadyActive", STILL_RUNNING)
            return wait, [], None
        if spec.concurrencyPolicy == "Replace":
            for job in active:
                await self._delete(cron, job)
        made = await self._create(cron, found.last)
        return wait, [made] if made else [], found.last

    async def _create(self, cron: CronJob, moment: datetime) -> Job | None:
        """None where it has been made before, or its namespace is going. Raises StatusError, ConnectionError."""
        template = cron.spec.jobTemplate
        meta = {
            "name": f"{cron.metadata.name}-{int(moment.timestamp()) // 60}",
            "labels": template.metadata.get("labels") or {},
            "annotations": {**(template.metadata.get("annotations") or {}), SCHEDULED: moment.isoformat()},
            "ownerReferences": [ownership.owner_reference(cron)],
        }
        body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": template.spec}
        try:
            made = await self.client.create(kinds.JOB, body, namespace=cron.metadata.namespace)
        except StatusError as error:
            if error.reason == "AlreadyExists" or namespace_is_going(error):
                return None
            self.events.event(cron, "Warning", "FailedCreate", f"Error creating job: {error}")
            raise
        self.events.event(cron, "Normal", "SuccessfulCreate", f"Created job {meta['name']}")
        return msgspec.json.decode(made, type=Job)

    async def _delete(self, cron: CronJob, job: Job) -> None:
        key = Key(job.metadata.namespace, job.metadata.name)
        try:
            await self.client.delete(Job, key, uid=job.metadata.uid, propagation="Background")
        except StatusError as error:
            if error.code not in (404, 409):
                raise
        self.events.event(cron, "Normal", "SuccessfulDelete", f"Deleted job {job.metadata.name}")

    async def _clear_up(self, cron: CronJob, jobs: Sequence[Job]) -> list[Job]:
        """Delete the oldest of the ended ones beyond what is to be kept; the others."""
        doomed: set[str] = set()
        for kind, limit in (
            ("Complete", cron.spec.successfulJobsHistoryLimit), ("Failed", cron.spec.failedJobsHistoryLimit),
        ):  # fmt: skip
            ended = [job for job in jobs if job.finished is not None and job.finished.type == kind]
            ended.sort(key=lambda job: (job.status.startTime or "", job.metadata.name))
            for job in ended[: max(0, len(ended) - limit)]:
                doomed.add(job.metadata.uid)
                await self._delete(cron, job)
        return [job for job in jobs if job.metadata.uid not in doomed]

    async def _report(self, key: Key, cron: CronJob, jobs: Sequence[Job], scheduled: datetime | None) -> None:
        before = {entry.uid for entry in cron.status.active}
        active = [job for job in jobs if job.finished is None]
        for job in jobs:
            if job.finished is not None and job.metadata.uid in before:
                what = f"Saw completed job: {job.metadata.name}, condition: {job.finished.type}"
                self.events.event(cron, "Normal", "SawCompletedJob", what)
        finished = [job.status.completionTime for job in jobs if job.status.completionTime]
        status: dict[str, Any] = {}
        if scheduled is not None:
            status["lastScheduleTime"] = timestamp(scheduled)
        if finished and max(finished) > (cron.status.lastSuccessfulTime or ""):
            status["lastSuccessfulTime"] = max(finished)
        if {job.metadata.uid for job in active} != before:
            status["active"] = [_reference(job) for job in sorted(active, key=lambda job: job.metadata.name)]
        if status:
            body = {"metadata": {"uid": cron.metadata.uid}, "status": status}
            await self.client.patch(kinds.CRON_JOB, key, body, subresource="status")


def _reference(job: Job) -> dict[str, str]:
    meta = job.metadata
    found = {"kind": "Job", "apiVersion": "batch/v1", "namespace": meta.namespace, "name": meta.name, "uid": meta.uid}
    return {**found, "resourceVersion": meta.resourceVersion}
