"""Scales what a HorizontalPodAutoscaler points at, every fifteen seconds, by what its pods use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from longboat.api import kinds
from longboat.client.interface import Key
from longboat.controllers.autoscaling.behavior import History, limit
from longboat.controllers.autoscaling.replicas import NoMetrics, Proposal, Usage, by_average, by_utilization
from longboat.controllers.autoscaling.selecting import Selecting
from longboat.controllers.autoscaling.status import Conditions, new_status
from longboat.controllers.autoscaling.views import Metric, ResourceSource, ScaledPod, Scaler
from longboat.controllers.mapping import Mapper, NoMatch
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery import quantity, selectors
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind

PERIOD = 15.0  # seconds between looks (--horizontal-pod-autoscaler-sync-period)


class Unscalable(Exception):
    """A condition that ends this round: its type, reason and message. Events say the same, or are given."""

    def __init__(self, condition: str, reason: str, message: str, events: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.condition, self.reason, self.message = condition, reason, message
        self.events = tuple(events) or ((reason, message),)


class Autoscaler(Controller):
    name = "horizontal-pod-autoscaler"
    queue_name = "horizontalpodautoscaler"
    component = account = "horizontal-pod-autoscaler"
    rights = """
        get list watch: autoscaling/horizontalpodautoscalers
        update: autoscaling/horizontalpodautoscalers/status
        get update: */*/scale
        list: pods
        list: metrics/pods
    """
    watches = (Watch(Scaler, own_key),)

    def setup(self) -> None:
        self._histories: dict[str, History] = {}
        self._looked: dict[Key, float] = {}
        self._selecting = Selecting()
        self._mapper = Mapper(self.client, self.clock)
        self.cache(Scaler).on_change(self._forget)
        self.cache(Scaler).index("target", lambda scaler: [_target(scaler)])

    def _forget(self, old: Scaler | None, new: Scaler | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._histories.pop(old.metadata.uid, None)
            key = Key(old.metadata.namespace, old.metadata.name)
            self._looked.pop(key, None)
            self._selecting.drop(key)

    async def reconcile(self, key: Key) -> Requeue | None:
        scaler = self.cache(Scaler).get(key)
        if scaler is None or scaler.metadata.deletionTimestamp is not None:
            return None
        # A change of the status, which is mostly our own, is no reason to look before it is time.
        now = self.clock.monotonic()
        due = self._looked.get(key, -PERIOD) + PERIOD
        if scaler.status.observedGeneration == scaler.metadata.generation and due > now and scaler.status.conditions:
            return Requeue(due - now)
        self._looked[key] = now
        await self._look(key, scaler)
        return Requeue(PERIOD)

    async def _look(self, key: Key, scaler: Scaler) -> None:
        conditions = Conditions(scaler.status.conditions, self.clock.now())
        current, desired, scaled = scaler.status.currentReplicas, scaler.status.desiredReplicas, False
        metrics: list[dict[str, Any]] = []
        try:
            kind, scale = await self._scale(key, scaler)
            conditions.set("AbleToScale", True, "SucceededGetScale",
                           "the HPA controller was able to get the target's current scale")  # fmt: skip
            current = scale["spec"].get("replicas", 0)
            # What is there at first sight counts as proposed: a new autoscaler or controller shrinks nothing at once.
            history = self._histories.setdefault(scaler.metadata.uid, History([(self.clock.monotonic(), current)]))
            desired, metrics, why = await self._decide(key, scaler, scale, current, history, conditions)
            if desired != current:
                await self._rescale(scaler, kind, scale, desired, why, conditions)
                history.scaled(self.clock.monotonic(), desired - current)
                scaled = True
        except Unscalable as problem:
            conditions.set(problem.condition, False, problem.reason, problem.message)
            for reason, message in problem.events:
                self.events.event(scaler, "Warning", reason, message)
        status = new_status(scaler, current, desired, metrics, conditions, self.clock.now() if scaled else None)
        await self.client.patch(kinds.HPA, key, {"status": status}, subresource="status")

    async def _scale(self, key: Key, scaler: Scaler) -> tuple[Kind, dict[str, Any]]:
        """The Scale of what it points at, in whatever version of its group has one. Raises Unscalable."""
        ref = scaler.spec.scaleTargetRef
        try:
            mapped = await self._mapper.in_group(ref.apiVersion.rpartition("/")[0], ref.kind)
            kind = next((each.kind for each in mapped if each.scales), mapped[0].kind)
            found = await self.client.get_raw(kind, Key(key.namespace, ref.name), subresource="scale")
        except (NoMatch, StatusError) as error:
            why = error.message if isinstance(error, StatusError) else str(error)
            why = f"the HPA controller was unable to get the target's current scale: {why}"
            raise Unscalable("AbleToScale", "FailedGetScale", why) from error
        scale: dict[str, Any] = msgspec.json.decode(found)
        return kind, scale

    async def _decide(
        self, key: Key, scaler: Scaler, scale: dict[str, Any], current: int, history: History, conditions: Conditions
    ) -> tuple[int, list[dict[str, Any]], str]:
        """Replicas to have, the current metrics for the status, and why it is so many. Raises Unscalable."""
        spec = scaler.spec
        least, most = spec.minReplicas, spec.maxReplicas
        if current == 0 and least != 0:
            conditions.set(
                "ScalingActive",
                False,
                "ScalingDisabled",
                "scaling is disabled since the replica count of the target is zero",
            )
            return 0, [], ""
        if current > most:
            return most, [], "Current number of replicas above Spec.MaxReplicas"
        if current < least:
            return least, [], "Current number of replicas below Spec.MinReplicas"
        proposed, metrics, why = await self._propose(key, scaler, scale, current, conditions)
        limited = limit(spec.behavior, least, most, current, proposed, history, self.clock.monotonic())
        conditions.limited(limited, least, most)
        if limited.replicas < current:
            why = "All metrics below target"
        elif limited.replicas > current:
            why = f"{why} above target"
        return limited.replicas, metrics, why

    async def _propose(
        self, key: Key, scaler: Scaler, scale: dict[str, Any], current: int, conditions: Conditions
    ) -> tuple[int, list[dict[str, Any]], str]:
        """The most that any metric asks for. One that says nothing keeps the others from asking for less."""
        selector = (scale.get("status") or {}).get("selector", "")
        pods = await self._pods(scaler, selector)
        best: tuple[int, str] | None = None
        statuses, problems = [], []
        for metric in scaler.spec.metrics:
            try:
                source = _source(metric)
                usage = await self._usage(key.namespace, selector, source.name)
                proposal = self._one(source, current, pods, usage)
            except (NoMetrics, ValueError, StatusError) as error:
                problems.append(_problem(metric, error))
                continue
            statuses.append(_status(metric, source, proposal))
            if best is None or proposal.replicas > best[0]:
                best = proposal.replicas, _named(metric, source)
        if problems and (best is None or best[0] < current):
            reason, text = problems[0]
            self.events.event(scaler, "Warning", "FailedComputeMetricsReplicas",
                              f"invalid metrics ({len(problems)} invalid out of {len(scaler.spec.metrics)}), "
                              f"first error is: {text}")  # fmt: skip
            raise Unscalable("ScalingActive", reason, f"the HPA was unable to compute the replica count: {text}")
        assert best is not None
        conditions.set("ScalingActive", True, "ValidMetricFound",
                       f"the HPA was able to successfully calculate a replica count from {best[1]}")  # fmt: skip
        return best[0], statuses, best[1]

    async def _pods(self, scaler: Scaler, selector: str) -> list[ScaledPod]:
        """The pods, which nobody else may scale. Raises Unscalable."""
        failed = "FailedComputeMetricsReplicas"
        if not selector:
            text = "selector is required"
            raise Unscalable("ScalingActive", "InvalidSelector", "the HPA target's scale is missing a selector",
                             (("SelectorRequired", text), (failed, text)))  # fmt: skip
        try:
            parsed = selectors.parse(selector)
        except ValueError as error:
            text = f"couldn't convert selector into a corresponding internal selector object: {error}"
            events = (("InvalidSelector", text), (failed, text))
            raise Unscalable("ScalingActive", "InvalidSelector", text, events) from error
        # Those with the same target have the same selector, also before they are looked at for the first time.
        for other in self.cache(Scaler).by_index("target", _target(scaler)):
            self._selecting.put(Key(other.metadata.namespace, other.metadata.name), parsed)
        namespace = scaler.metadata.namespace
        pods = await self.client.list(ScaledPod, namespace=namespace, labels=selector)
        found = set[Key]().union(*(self._selecting.those_of(namespace, pod.metadata.labels) for pod in pods))
        if len(found) > 1:
            listed = " ".join(f"{key.namespace}/{key.name}" for key in sorted(found))
            text = f"pods by selector {selector} are controlled by multiple HPAs: [{listed}]"
            events = (("AmbiguousSelector", text), (failed, text))
            raise Unscalable("ScalingActive", "AmbiguousSelector", text, events)
        return pods

    def _one(self, source: ResourceSource, current: int, pods: list[ScaledPod], usage: Usage) -> Proposal:
        """Raises NoMetrics, ValueError."""
        now, target = self.clock.now(), source.target
        if target.averageUtilization is not None:
            return by_utilization(
                current, target.averageUtilization, pods, usage, source.name, source.container, now
            )  # fmt: skip
        if target.averageValue is None:
            what = "neither an average utilization target nor an average value (raw) target was set"
            raise ValueError(f"invalid resource metric source: {what}")
        wanted = quantity.parse(target.averageValue)
        amount = wanted.milli if source.name == "cpu" else wanted.value
        return by_average(current, amount, pods, usage, source.name, source.container, now)

    async def _usage(self, namespace: str, selector: str, resource: str) -> Usage:
        """Raises NoMetrics, StatusError."""
        page = await self.client.list_page(kinds.POD_METRICS, namespace=namespace, labels=selector)
        if not page.items:
            raise NoMetrics("no metrics returned from resource metrics API")
        found: dict[str, dict[str, int]] = {}
        for raw in page.items:
            item = msgspec.json.decode(raw)
            amounts = {c["name"]: quantity.parse(c["usage"].get(resource, "0")) for c in item["containers"]}
            found[item["metadata"]["name"]] = {
                name: amount.milli if resource == "cpu" else amount.value for name, amount in amounts.items()
            }
        return found

    async def _rescale(
        self, scaler: Scaler, kind: Kind, scale: dict[str, Any], desired: int, why: str, conditions: Conditions
    ) -> None:
        """Raises Unscalable."""
        target = Key(scaler.metadata.namespace, scaler.spec.scaleTargetRef.name)
        try:
            wanted = {**scale, "spec": {**scale["spec"], "replicas": desired}}
            await self.client.update(kind, target, wanted, subresource="scale")
        except StatusError as error:
            self.events.event(
                scaler, "Warning", "FailedRescale", f"New size: {desired}; reason: {why}; error: {error.message}"
            )
            message = f"the HPA controller was unable to update the target scale: {error.message}"
            raise Unscalable("AbleToScale", "FailedUpdateScale", message) from error
        conditions.set("AbleToScale", True, "SucceededRescale",
                       f"the HPA controller was able to update the target scale to {desired}")  # fmt: skip
        self.events.event(scaler, "Normal", "SuccessfulRescale", f"New size: {desired}; reason: {why}")


def _target(scaler: Scaler) -> str:
    ref = scaler.spec.scaleTargetRef
    return f"{scaler.metadata.namespace}/{ref.apiVersion.rpartition('/')[0]}/{ref.kind}/{ref.name}"


def _source(metric: Metric) -> ResourceSource:
    """Raises NoMetrics for sources that nothing here feeds."""
    if metric.resource is not None:
        return ResourceSource(name=metric.resource.name, target=metric.resource.target)
    if metric.containerResource is not None:
        return metric.containerResource
    api = "external" if metric.type == "External" else "custom"
    raise NoMetrics(f"unable to get {metric.type.lower()} metric: no {api} metrics API is served")


def _named(metric: Metric, source: ResourceSource) -> str:
    """What upstream calls a metric in messages."""
    kind = "utilization (percentage of request)" if source.target.averageUtilization is not None else ""
    if metric.type == "ContainerResource":
        return f"{source.name} container resource {kind}".strip()
    return f"{source.name} resource {kind}".strip()


def _problem(metric: Metric, error: Exception) -> tuple[str, str]:
    """Reason of the condition, and text."""
    text = error.message if isinstance(error, StatusError) else str(error)
    if metric.resource is not None:
        name = metric.resource.name
        what = f"failed to get {name} utilization: unable to get metrics for resource {name}"
        return "FailedGetResourceMetric", f"{what}: {text}"
    if metric.containerResource is not None:
        return "FailedGetContainerResourceMetric", f"failed to get {metric.containerResource.name} utilization: {text}"
    return f"FailedGet{metric.type}Metric", text


def _status(metric: Metric, source: ResourceSource, proposal: Proposal) -> dict[str, Any]:
    """One entry of status.currentMetrics."""
    average = f"{proposal.average}m" if source.name == "cpu" else str(proposal.average)
    current: dict[str, Any] = {"averageValue": average}
    if proposal.utilization is not None:
        current["averageUtilization"] = proposal.utilization
    shown: dict[str, Any] = {"name": source.name, "current": current}
    if metric.containerResource is not None:
        shown["container"] = source.container
        return {"type": "ContainerResource", "containerResource": shown}
    return {"type": "Resource", "resource": shown}
