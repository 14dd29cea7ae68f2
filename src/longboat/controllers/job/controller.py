"""Runs Jobs."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from longboat.api import kinds
from longboat.api.workloads import Condition, is_ready
from longboat.client.interface import Key
from longboat.controllers import ownership
from longboat.controllers.expectations import Expectations
from longboat.controllers.job.accounting import Ledger, account, show_indexes
from longboat.controllers.job.plan import Verdict, deadline, is_active, is_terminating, plan, verdict
from longboat.controllers.job.views import FINALIZER, INDEX, Job, JobPod
from longboat.controllers.replicaset.controller import slow_start
from longboat.controllers.runtime import Controller, Requeue, Watch, controller_key, namespace_is_going, own_key
from longboat.machinery import selectors
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import timestamp

OWN = ("", "kubernetes.io/job-controller")  # spec.managedBy of Jobs that are ours to run (KEP-4368)


class JobController(Controller):
    name = "job"
    watches = (Watch(Job, own_key), Watch(JobPod, controller_key("Job")))

    def setup(self) -> None:
        self.expected = Expectations(self.clock)
        self._failures: dict[str, tuple[int, float]] = {}  # by uid of the Job: failures in a row, when the last was
        pods = self.cache(JobPod)
        pods.index("owner", ownership.owner_uid)
        pods.index("orphan", ownership.orphanage)
        pods.index("job", controller_key("Job"))
        pods.on_change(self._pod_changed)

    def _pod_changed(self, old: JobPod | None, new: JobPod | None) -> None:
        either = new or old
        assert either is not None
        for key in controller_key("Job")(either):
            if old is None:
                self.expected.created(key)
            if new is None or new.metadata.deletionTimestamp:
                self.expected.deleted(key, either.metadata.uid)

    async def reconcile(self, key: Key) -> Requeue | None:
        job = self.cache(Job).get(key)
        if job is None:
            self.expected.forget(key)
            await self._release([pod for pod in self.cache(JobPod).by_index("job", key) if pod.tracked])
            return None
        if job.spec.managedBy not in OWN or job.metadata.deletionTimestamp is not None:
            return None
        settled = self.expected.met(key)
        pods = await self._claimed(job)
        if job.finished is not None:
            await self._release([pod for pod in pods if pod.tracked])
            return None
        ledger = account(job, pods)
        now = self.clock.now()
        ends = _decided(job) or verdict(job, ledger, pods, now)
        wait: float | None = None
        failure: BaseException | None = None
        if ends is not None:
            await self._stop(key, job, [pod for pod in pods if is_active(pod)])
        elif settled:
            wait, failure = await self._go_on(key, job, ledger, pods)
        await self._report(key, job, ledger, pods, ends)
        await self._release(list(ledger.release))
        if failure is not None:
            raise failure
        left = deadline(job, now)
        waits = [each for each in (wait, left) if each is not None and ends is None]
        return Requeue(max(min(waits), 0.05)) if waits else None

    async def _claimed(self, job: Job) -> list[JobPod]:
        selector, pods = selectors.from_api(job.spec.selector), self.cache(JobPod)
        candidates = [*pods.by_index("owner", job.metadata.uid), *pods.by_index("orphan", job.metadata.namespace)]
        return await ownership.claim(self.client, job, ownership.sort_out(job, selector, candidates))

    async def _go_on(
        self, key: Key, job: Job, ledger: Ledger, pods: list[JobPod]
    ) -> tuple[float | None, BaseException | None]:  # fmt: skip
        """Start and stop pods. Returns when there is more to do, and what went wrong."""
        now = self.clock.monotonic()
        failures, last = self._failures.get(job.metadata.uid, (0, 0.0))
        if ledger.new_failures:
            failures, last = failures + ledger.new_failures, now
            self._failures[job.metadata.uid] = failures, last
        elif ledger.all_succeeded > job.status.succeeded:
            self._failures.pop(job.metadata.uid, None)
        todo = plan(job, ledger, pods, failures, now - last)
        await self._stop(key, job, todo.delete)
        if not todo.create:
            return todo.wait, None
        indexes = iter(todo.create)
        self.expected.expect_creations(key, len(todo.create))
        made = await slow_start(len(todo.create), lambda: self._create(key, job, pod_of(job, next(indexes))))
        for _ in range(len(todo.create) - made.attempted):
            self.expected.created(key)
        return todo.wait, made.error

    async def _create(self, key: Key, job: Job, body: dict[str, Any]) -> None:
        try:
            made = await self.client.create(kinds.POD, body, namespace=job.metadata.namespace)
        except (StatusError, ConnectionError) as error:
            self.expected.created(key)
            if isinstance(error, StatusError) and namespace_is_going(error):
                return
            self.events.event(job, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        name = msgspec.json.decode(made)["metadata"]["name"]
        self.events.event(job, "Normal", "SuccessfulCreate", f"Created pod: {name}")

    async def _stop(self, key: Key, job: Job, pods: list[JobPod]) -> None:
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

    async def _release(self, pods: list[JobPod]) -> None:
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

    async def _report(self, key: Key, job: Job, ledger: Ledger, pods: list[JobPod], ends: Verdict | None) -> None:
        """Write the status, resting on the one that was read: a count must never be made twice."""
        conditions = {condition.type: condition for condition in job.status.conditions}
        active = [] if ends else [pod for pod in pods if is_active(pod)]
        going = [pod for pod in pods if is_terminating(pod)]
        status: dict[str, Any] = {
            "active": len(active),
            "ready": sum(map(is_ready, active)),
            "terminating": len(going),
            "succeeded": ledger.succeeded,
            "failed": ledger.failed,
            "completedIndexes": show_indexes(ledger.completed) if job.indexed else "",
            "uncountedTerminatedPods": {
                "succeeded": list(ledger.uncounted_succeeded), "failed": list(ledger.uncounted_failed),
            },
            "startTime": job.status.startTime,
        }  # fmt: skip
        now = timestamp(self.clock.now())
        self._suspension(job, conditions, status, now)
        if ends is not None:
            first = "SuccessCriteriaMet" if ends.type == "Complete" else "FailureTarget"
            self._set(conditions, first, ends, now)
            counted = not ledger.uncounted_succeeded and not ledger.uncounted_failed
            if counted and not going and not any(map(is_active, pods)):
                self._set(conditions, ends.type, ends, now)
                if ends.type == "Complete":
                    status["completionTime"] = now
        before = {name: getattr(job.status, name) for name in status if name != "uncountedTerminatedPods"}
        uncounted = job.status.uncountedTerminatedPods
        before["uncountedTerminatedPods"] = {"succeeded": uncounted.succeeded, "failed": uncounted.failed}
        if status == before and list(conditions.values()) == job.status.conditions:
            return
        shown = [_shown(condition) for condition in conditions.values()]
        version = {"resourceVersion": job.metadata.resourceVersion}
        status["uncountedTerminatedPods"] = {k: v or None for k, v in status["uncountedTerminatedPods"].items()}
        body = {"metadata": version, "status": {**{k: v or None for k, v in status.items()}, "conditions": shown}}
        await self.client.patch(kinds.JOB, key, body, subresource="status")
        if ends is not None and ends.type in conditions:
            kind, reason = ("Normal", "Completed") if ends.type == "Complete" else ("Warning", ends.reason)
            self.events.event(job, kind, reason, "Job completed" if reason == "Completed" else ends.message)

    def _suspension(
        self, job: Job, conditions: dict[str, Condition], status: dict[str, Any], now: str
    ) -> None:  # fmt: skip
        suspended = job.holds("Suspended")
        if job.spec.suspend and not suspended:
            self._set(conditions, "Suspended", Verdict("Suspended", "JobSuspended", "Job suspended"), now)
            self.events.event(job, "Normal", "Suspended", "Job suspended")
        elif not job.spec.suspend and suspended:
            resumed = Verdict("Suspended", "JobResumed", "Job resumed")
            self._set(conditions, "Suspended", resumed, now, status="False")
            self.events.event(job, "Normal", "Resumed", "Job resumed")
        if job.spec.suspend:
            status["startTime"] = None
        elif status["startTime"] is None:
            status["startTime"] = now

    @staticmethod
    def _set(conditions: dict[str, Condition], kind: str, why: Verdict, now: str, status: str = "True") -> None:
        had = conditions.get(kind)
        if had is None or had.status != status:
            conditions[kind] = Condition(
                type=kind, status=status, reason=why.reason, message=why.message,
                lastTransitionTime=now, lastUpdateTime=now,
            )  # fmt: skip


def _decided(job: Job) -> Verdict | None:
    """The end that has been announced already, and stays."""
    for condition in job.status.conditions:
        if condition.status == "True" and condition.type in ("FailureTarget", "SuccessCriteriaMet"):
            kind = "Failed" if condition.type == "FailureTarget" else "Complete"
            return Verdict(kind, condition.reason, condition.message)
    return None


def _shown(condition: Condition) -> dict[str, str]:
    found = {
        "type": condition.type, "status": condition.status, "reason": condition.reason, "message": condition.message,
        "lastTransitionTime": condition.lastTransitionTime,
        "lastProbeTime": condition.lastUpdateTime or condition.lastTransitionTime,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value}


def pod_of(job: Job, index: int | None) -> dict[str, Any]:
    """The pod to create; of an indexed Job, the one for this index."""
    meta, spec = job.spec.template.metadata, msgspec.json.decode(job.spec.template.spec)
    labels, annotations = dict(meta.get("labels") or {}), dict(meta.get("annotations") or {})
    base = job.metadata.name
    if index is not None:
        labels[INDEX] = annotations[INDEX] = str(index)
        spec["hostname"] = f"{base}-{index}"
        field = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            env = container.setdefault("env", [])
            if not any(variable["name"] == "JOB_COMPLETION_INDEX" for variable in env):
                env.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": field})
        base = f"{base}-{index}"
    made = {
        "generateName": f"{base}-", "labels": labels, "annotations": annotations,
        "finalizers": [*(meta.get("finalizers") or ()), FINALIZER],
        "ownerReferences": [ownership.owner_reference(job)],
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": spec}
