"""Which thresholds are met, for how long, and what the node says of it: what is remembered between looks. No I/O."""

from __future__ import annotations

from collections.abc import Iterable

from longboat.node.eviction.signals import ALLOCATABLE_MEMORY, CONDITION, MEMORY, Observations
from longboat.node.eviction.thresholds import Threshold


class Watch:
    """Rules of the kubelet's eviction manager. `transition` is for how many seconds a condition that has gone is still
    shown, so that it does not come and go with every pod."""

    def __init__(self, thresholds: Iterable[Threshold], transition: float) -> None:
        self._thresholds, self._transition = tuple(thresholds), transition
        self._since: dict[Threshold, float] = {}  # those met, and when they first were
        self._due: tuple[Threshold, ...] = ()  # those that lasted, until as much more is there as is to be reclaimed
        self._condition_seen: dict[str, float] = {}
        self.conditions: tuple[str, ...] = ()

    def look(self, seen: Observations, now: float) -> tuple[Threshold, ...]:
        """What has to be done something about now, the most urgent first; `conditions` are as they are from now on."""
        met = dict.fromkeys((*self._met(seen), *_met(self._due, seen, and_reclaimed=True)))
        self._since = {each: self._since.get(each, now) for each in met}
        self._condition_seen |= dict.fromkeys((CONDITION[each.signal] for each in met), now)
        # What is seen at this very moment counts even where nothing is to be shown for longer.
        self.conditions = tuple(
            sorted(c for c, at in self._condition_seen.items() if at == now or now - at < self._transition)
        )
        self._condition_seen = {c: at for c, at in self._condition_seen.items() if c in self.conditions}
        self._due = tuple(sorted((e for e, at in self._since.items() if now - at >= e.grace), key=_urgency))
        return self._due

    def is_relieved(self, seen: Observations) -> bool:
        """Whether nothing more has to be done, and all that was to be reclaimed is there."""
        return not self._met(seen, and_reclaimed=True)

    def _met(self, seen: Observations, *, and_reclaimed: bool = False) -> list[Threshold]:
        return _met(self._thresholds, seen, and_reclaimed=and_reclaimed)


def _met(thresholds: Iterable[Threshold], seen: Observations, *, and_reclaimed: bool) -> list[Threshold]:
    """What was not observed is not met."""
    return [
        each
        for each in thresholds
        if each.signal in seen and each.is_met(seen[each.signal], and_reclaimed=and_reclaimed)
    ]


def _urgency(threshold: Threshold) -> bool:
    """Memory first: when it is gone, nothing else can be done any more."""
    return threshold.signal not in (MEMORY, ALLOCATABLE_MEMORY)
