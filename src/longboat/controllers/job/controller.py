"""Runs Jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from longboat.api import kinds
from longboat.api.view import controller_of
from longboat.client.interface import Key
from longboat.controllers import ownership
from longboat.controllers.expectations import Expectations
from longboat.controllers.job.accounting import Ledger, Tally, account, is_active, tally
from longboat.controllers.job.backoff import Record
from longboat.controllers.job.plan import Verdict, completion, deadline, decided, plan, verdict
from longboat.controllers.job.status import Moves, report
from longboat.controllers.job.template import pod_of
from longboat.controllers.job.views import FINALIZER, Job, JobPod
from longboat.controllers.replicaset.controller import slow_start
from longboat.controllers.runtime import Controller, Requeue, Watch, controller_key, namespace_is_going, own_key
from longboat.controllers.selection import Selectors
from longboat.machinery import selectors
from longboat.machinery.errors import StatusError

OWN = ("", "kubernetes.io/job-controller")  # spec.managedBy of Jobs that are ours to run (KEP-4368)
SHORTEST_WAIT = 0.05  # seconds
_job_of = controller_key("Job")


class JobController(Controller):
    name = "job"
    rights = """
        get list patch update watch: batch/jobs
        patch update: batch/jobs/status
        update: batch/jobs/finalizers
        create delete get list patch watch: pods
    """
    watches = (Watch(Job, own_key), Watch(JobPod, _job_of))

    def setup(self) -> None:
        self.expected = Expectations(self.clock)
        self._records: dict[Key, tuple[str, Record]] = {}  # with the uid of the Job
        jobs, pods = self.cache(Job), self.cache(JobPod)
        pods.index("owner", ownership.owner_uid)
        pods.index("orphan", ownership.orphanage)
        pods.index("job", _job_of)
        pods.on_change(self._pod_changed)
        jobs.on_change(self._job_changed)
        self.selecting = Selectors(jobs, lambda job: job.spec.selector)

    def _job_changed(self, old: Job | None, new: Job | None) -> None:
        """What was expected of one that is gone is not to be expected of another of its name."""
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            key = Key(old.metadata.namespace, old.metadata.name)
            self.expected.forget(key)
            self._records.pop(key, None)

    def _pod_changed(self, old: JobPod | None, new: JobPod | None) -> None:
        """See what was expected; wake whoever might adopt a pod without an owner."""
        pod = new or old
        assert pod is not None
        for key in _job_of(pod):
            if old is None:
                self.expected.created(key)
            if new is None or new.metadata.deletionTimestamp:
                self.expected.deleted(key, pod.metadata.uid)
        if new is None or controller_of(new.metadata) is not None:
            return
        if old is None or controller_of(old.metadata) or old.metadata.labels != new.metadata.labels:
            for job in self.selecting.matching(new.metadata.namespace, new.metadata.labels):
                self.queue.add(Key(job.metadata.namespace, job.metadata.name))

    async def reconcile(self, key: Key) -> Requeue | None:
        job = self.cache(Job).get(key)
        await self._let_go(key, job)
        if job is None or job.spec.managedBy not in OWN:
            return None
        known = self.expected.met(key)
        pods = await self._claimed(job)
        if job.finished is not None:
            self._records.pop(key, None)
            await self._release([pod for pod in pods if pod.tracked])
            return None
        now, sums = self.clock.now(), tally(job, pods)
        record = self._record(key, job).after(sums.new_succeeded, sums.new_failed)
        going = job.metadata.deletionTimestamp is not None
        ends: Verdict | None = None
        moves, wait, failure = Moves(known), None, None
        if known and not going:
            ends = decided(job) or verdict(job, sums, pods, now)
            if ends is not None:
                moves = Moves(True, stopped=[pod for pod in pods if is_active(pod)])
                await self._stop(key, job, moves.stopped)
            else:
                moves, wait, failure = await self._go_on(key, job, sums, pods, record)
                active = sum(map(is_active, pods)) - len(moves.stopped) + moves.started
                ends = completion(job, sums, active)
        ledger = account(job, pods, sums, end=ends.type if ends else "")
        await self._write(key, job, sums, ledger, pods, moves, ends)
        self._records[key] = job.metadata.uid, record
        await self._release(ledger.release)
        if failure is not None:
            raise failure
        waits = [each for each in (wait, deadline(job, now)) if each is not None and ends is None and not going]
        return Requeue(max(min(waits), SHORTEST_WAIT)) if waits else None

    def _record(self, key: Key, job: Job) -> Record:
        uid, record = self._records.get(key, ("", Record()))
        return record if uid == job.metadata.uid else Record()

    async def _let_go(self, key: Key, job: Job | None) -> None:
        """Take the finalizer off pods whose Job is no more."""
        uid = job.metadata.uid if job is not None else ""
        pods = [pod for pod in self.cache(JobPod).by_index("job", key) if pod.tracked and _owner(pod) != uid]
        if not pods:
            return
        try:
            uid = (await self.client.get(Job, key)).metadata.uid  # the copy may lag
        except StatusError as error:
            if error.code != 404:
                raise
            uid = ""
        await self._release([pod for pod in pods if _owner(pod) != uid])

    async def _claimed(self, job: Job) -> list[JobPod]:
        selector, pods = selectors.from_api(job.spec.selector), self.cache(JobPod)
        candidates = [*pods.by_index("owner", job.metadata.uid), *pods.by_index("orphan", job.metadata.namespace)]
        return await ownership.claim(self.client, job, ownership.sort_out(job, selector, candidates), FINALIZER)

    async def _go_on(
        self, key: Key, job: Job, sums: Tally, pods: list[JobPod], record: Record
    ) -> tuple[Moves, float | None, BaseException | None]:  # fmt: skip
        """Start or stop pods. Also returns when there is more to do, and what went wrong."""
        todo = plan(job, sums, pods, record, self.clock.now())
        if todo.delete:
            # One that is not needed has not failed.
            await self._release([pod for pod in todo.delete if pod.tracked])
            await self._stop(key, job, todo.delete)
        if not todo.create:
            return Moves(True, stopped=todo.delete), todo.wait, None
        bodies = iter([pod_of(job, index, sums.kept.get(-1 if index is None else index)) for index in todo.create])
        self.expected.expect_creations(key, len(todo.create))
        started: list[str] = []
        made = await slow_start(len(todo.create), lambda: self._create(key, job, next(bodies), started))
        for _ in range(len(todo.create) - made.attempted):
            self.expected.created(key)
        return Moves(True, started=len(started)), todo.wait, made.error

    async def _create(self, key: Key, job: Job, body: dict[str, Any], started: list[str]) -> None:
        try:
            made = await self.client.create(kinds.POD, body, namespace=job.metadata.namespace)
        except (StatusError, ConnectionError) as error:
            self.expected.created(key)
            if isinstance(error, StatusError) and namespace_is_going(error):
                return
            self.events.event(job, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        name = msgspec.json.decode(made)["metadata"]["name"]
        started.append(name)
        self.events.event(job, "Normal", "SuccessfulCreate", f"Created pod: {name}")

    async def _stop(self, key: Key, job: Job, pods: Sequence[JobPod]) -> None:
        """Raises StatusError, ConnectionError."""
        for pod in pods:
            self.expected.expect_deletion(key, pod.metadata.uid)
        outcomes = await asyncio.gather(*(self._delete(key, job, pod) for pod in pods), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _delete(self, key: Key, job: Job, pod: JobPod) -> None:
        meta = pod.metadata
        try:
            await self.client.delete(kinds.POD, Key(meta.namespace, meta.name), uid=meta.uid)
        except (StatusError, ConnectionError) as error:
            self.expected.deleted(key, meta.uid)
            if isinstance(error, StatusError) and error.code in (404, 409):
                return
            self.events.event(job, "Warning", "FailedDelete", f"Error deleting: {error}")
            raise
        self.events.event(job, "Normal", "SuccessfulDelete", f"Deleted pod: {meta.name}")

    async def _release(self, pods: Sequence[JobPod]) -> None:
        """Take the finalizer off pods that have been counted, or never will be. Raises StatusError, ConnectionError."""
        outcomes = await asyncio.gather(*(self._release_one(pod) for pod in pods), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _release_one(self, pod: JobPod) -> None:
        meta = {"uid": pod.metadata.uid, "$deleteFromPrimitiveList/finalizers": [FINALIZER]}
        key = Key(pod.metadata.namespace, pod.metadata.name)
        try:
            await self.client.patch(kinds.POD, key, {"metadata": meta}, style="strategic")
        except StatusError as error:
            if error.code not in (404, 409):
                raise

    async def _write(
        self, key: Key, job: Job, sums: Tally, ledger: Ledger, pods: list[JobPod], moves: Moves, ends: Verdict | None
    ) -> None:
        """Write the status, resting on the one that was read: a count must never be made twice."""
        news = report(job, sums, ledger, pods, moves, ends, self.clock.now())
        if news.status is None:
            return
        body = {"metadata": {"resourceVersion": job.metadata.resourceVersion}, "status": news.status}
        await self.client.patch(kinds.JOB, key, body, subresource="status")
        for kind, reason, message in news.events:
            self.events.event(job, kind, reason, message)


def _owner(pod: JobPod) -> str:
    found = controller_of(pod.metadata)
    return found.uid if found is not None else ""
