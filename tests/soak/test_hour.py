"""An hour of what happens to a cluster in a year: nothing gets stuck, nothing is lost, nothing grows.

LONGBOAT_SOAK_MINUTES says how long, LONGBOAT_SEED repeats a run, LONGBOAT_SOAK_ONLY names the disturbances to choose
from (disturbances.py), with commas between. Everything happens in a namespace without uplink.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.checks import EVENTS_PER_MINUTE, Checks
from soak.disturbances import ALL, Disturbance
from soak.measures import Measured, grown, measure, table, tracebacks
from soak.site import SETTLED_AT_FIRST, Site, applications, until
from soak.visitors import Visitors

MINUTES = float(os.environ.get("LONGBOAT_SOAK_MINUTES") or 60)
ONLY = [name for name in os.environ.get("LONGBOAT_SOAK_ONLY", "").split(",") if name]
FIRST_MEASURE = MINUTES / 6 * 60  # seconds
QUIET = 90.0 if MINUTES > 10 else 20.0  # seconds before a measure, in which memory is given back
BETWEEN = 5.0  # seconds of peace between two disturbances

pytestmark = [pytest.mark.root, pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(MINUTES * 60 + 1800)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    try:
        site.up()
        site.import_images()
        yield site
    finally:
        site.close()


def deal(dice: random.Random) -> Iterator[type[Disturbance]]:
    """All kinds in a random order, again and again."""
    kinds = [kind for kind in ALL if not ONLY or kind.__name__ in ONLY]
    while True:
        yield from dice.sample(kinds, len(kinds))


class Soak:
    """One run, and what it has seen."""

    def __init__(self, site: Site, visitors: Visitors) -> None:
        self.site, self.visitors = site, visitors
        self.checks = Checks(site, visitors)
        self.recoveries: dict[str, list[float]] = defaultdict(list)  # seconds, by kind
        self.outages: dict[str, list[float]] = defaultdict(list)  # of `hello`, likewise
        self.began = time.monotonic()
        self._read: dict[Path, int] = {}

    def minutes(self) -> float:
        return (time.monotonic() - self.began) / 60

    def disturb(self, disturbance: Disturbance) -> None:
        kind, began = type(disturbance).__name__, time.monotonic()
        say(f"{self.minutes():5.1f} {disturbance.what}")
        try:
            disturbance.do()
            time.sleep(disturbance.lasts)
        finally:
            disturbance.undo()
        recovery = until(self.checks.problems, disturbance.recovery)
        outage = self.visitors.longest(began, "hello")
        self.recoveries[kind].append(recovery)
        self.outages[kind].append(outage)
        say(f"{self.minutes():5.1f}   as it should be after {recovery:.0f} s; hello was away for {outage:.1f} s")
        assert outage <= disturbance.outage, f"{disturbance.what}: hello did not answer for {outage:.1f} s"
        assert tracebacks(self.site, self._read) == []

    def quiet(self) -> Measured:
        """What it takes once nothing has happened for a while."""
        time.sleep(QUIET)
        until(self.checks.problems, 60)
        return measure(self.site)

    def report(self, events: int) -> None:
        for kind, found in sorted(self.recoveries.items()):
            outage = max(self.outages[kind])
            say(
                f"{kind:<24}{len(found):4} times; recovery {statistics.median(found):5.1f} s, at most {max(found):5.1f}"
                f" s; hello away at most {outage:.1f} s"
            )
        written = {name: len(found) for name, found in self.visitors.acknowledged.items()}
        say(f"{self.visitors.asked} requests, {self.visitors.failed} failed; acknowledged: {written}; {events} events")
        say(f"pods cleared away: {dict(self.checks.failed_pods)}")


def say(text: str) -> None:
    print(text, flush=True)


def test_nothing_gets_stuck_lost_or_larger(site: Site, seed: int) -> None:
    dice = random.Random(seed)
    visitors = Visitors(site, applications(site))
    soak = Soak(site, visitors)
    visitors.start()
    say(f"everything runs after {until(soak.checks.problems, SETTLED_AT_FIRST):.0f} s")
    first: Measured | None = None
    for kind in deal(dice):
        soak.disturb(kind(site, dice))
        if first is None and soak.minutes() * 60 > FIRST_MEASURE:
            first = soak.quiet()
        if soak.minutes() > MINUTES:
            break
        time.sleep(BETWEEN)
    last = soak.quiet()
    visitors.stop()
    events = soak.checks.events()
    soak.report(events.total())
    assert first is not None
    say(table(first, last))
    assert visitors.lost() == []
    assert events.total() <= EVENTS_PER_MINUTE * soak.minutes(), events.most_common(5)
    assert grown(first, last) == []
