"""Which pods have to go so that a critical one can run (kubelet, pkg/kubelet/preemption). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from longboat.node.admission import asked
from longboat.node.make import cgroups
from longboat.node.views.pod import Pod

REASON = "Preempting"
MESSAGE = "Preempted in order to admit critical pod"
TARGETED = "Pod was preempted by Kubelet to accommodate a critical pod."

Needs = Mapping[str, int]
"""What is lacking, by resource (cpu in thousandths)."""


def victims(critical: Pod, running: Iterable[Pod], needs: Needs) -> list[Pod] | None:
    """Pods that free what is lacking; None where all together do not.

    As few guaranteed pods as possible, then as few burstable ones, then best-effort ones; of each class those that come
    nearest to what is lacking, and of two that come as near the smaller one.
    """
    lesser = [pod for pod in running if pod.spec.priority < critical.spec.priority]
    classes = {quality: [pod for pod in lesser if cgroups.qos(pod) == quality] for quality in _CLASSES}
    best_effort, burstable = classes[cgroups.BEST_EFFORT], classes[cgroups.BURSTABLE]
    if remaining(needs, lesser):
        return None
    guaranteed = _nearest(classes[cgroups.GUARANTEED], remaining(needs, [*best_effort, *burstable]))
    burstable = _nearest(burstable, remaining(needs, [*best_effort, *guaranteed]))
    best_effort = _nearest(best_effort, remaining(needs, [*burstable, *guaranteed]))
    return [*best_effort, *burstable, *guaranteed]


def remaining(needs: Needs, freed: Iterable[Pod]) -> dict[str, int]:
    """What is still lacking once these pods have gone."""
    left = dict(needs)
    for pod in freed:
        given = asked(pod)
        for name in left:
            left[name] -= given.get(name, 0)
    return {name: amount for name, amount in left.items() if amount > 0}


def refused(needs: Needs) -> str:
    """What a critical pod is told for which no room can be made."""
    listed = "".join(f"(res: {name}, q: {amount}), " for name, amount in needs.items())
    return (
        "Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods "
        f"to preempt: no set of running pods found to reclaim resources: [{listed}]"
    )


_CLASSES = (cgroups.BEST_EFFORT, cgroups.BURSTABLE, cgroups.GUARANTEED)


def _nearest(pods: list[Pod], needs: Needs) -> list[Pod]:
    """One pod after another, until nothing is lacking: they are known to suffice."""
    left, candidates, chosen = dict(needs), list(pods), list[Pod]()
    while left:
        best = min(candidates, key=lambda pod: (_distance(pod, left), *_size(pod)))
        candidates.remove(best)
        chosen.append(best)
        left = remaining(left, [best])
    return chosen


def _distance(pod: Pod, needs: Needs) -> float:
    """How much of what is lacking would be lacking still: each resource counts alike."""
    given = asked(pod)
    return sum((max(amount - given.get(name, 0), 0) / amount) ** 2 for name, amount in needs.items())


def _size(pod: Pod) -> tuple[int, int]:
    given = asked(pod)
    return given.get("memory", 0), given.get("cpu", 0)
