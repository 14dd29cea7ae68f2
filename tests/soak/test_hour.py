"""An hour of what happens to a cluster in a year: nothing gets stuck, nothing is lost, nothing grows.

LONGBOAT_SOAK_MINUTES says how long, LONGBOAT_SEED repeats a run, LONGBOAT_SOAK_ONLY names the disturbances to choose
from (disturbances.py), with commas between. Everything happens in a namespace without uplink.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
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
NEVER = 420.0  # seconds more, after which something is stuck
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
        self.faults: list[str] = []
        self.began = time.monotonic()
        self._read: dict[Path, int] = {}

    def minutes(self) -> float:
        return (time.monotonic() - self.began) / 60

    def disturb(self, disturbance: Disturbance) -> None:
        kind, began = type(disturbance).__name__, time.monotonic()
        say(f"{self.minutes():5.1f} {disturbance.what}")
        found = self._carried_out(disturbance.do)
        time.sleep(disturbance.lasts)
        found += self._carried_out(disturbance.undo)
        recovery, left = self._settle(disturbance.recovery)
        outage = self.visitors.longest(began, disturbance.pages)
        self.recoveries[kind].append(recovery)
        self.outages[kind].append(outage)
        say(f"{self.minutes():5.1f}   as it should be after {recovery:.0f} s; hello was away for {outage:.1f} s")
        if left:
            found.append(f"not as it should be after {disturbance.recovery:.0f} s: {'; '.join(left)}")
        if outage > disturbance.outage:
            found.append(f"hello did not answer for {outage:.1f} s")
        for fault in [*found, *tracebacks(self.site, self._read)]:
            say(f"      {fault}")
            self.faults.append(f"{disturbance.what}: {fault}")
        assert self.visitors.is_alive()

    @staticmethod
    def _carried_out(step: Callable[[], None]) -> list[str]:
        """Why a step did not succeed."""
        try:
            step()
        except (AssertionError, LookupError, subprocess.TimeoutExpired) as error:
            return [f"{step.__name__}: {error}"]
        return []

    def _settle(self, patience: float) -> tuple[float, list[str]]:
        """Seconds until all was well, and what was not when it should have been. The run goes on, to find all that
        there is to find. Raises AssertionError where all is never well."""
        began = time.monotonic()
        try:
            return until(self.checks.problems, patience), []
        except AssertionError as error:
            say(f"      after {patience:.0f} s:\n{error}")
            until(self.checks.problems, NEVER)
            return time.monotonic() - began, str(error).splitlines()

    def quiet(self) -> Measured:
        """What it takes once nothing has happened for a while."""
        time.sleep(QUIET)
        until(self.checks.problems, NEVER)
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
    assert soak.faults == []
    assert visitors.lost() == []
    assert events.total() <= EVENTS_PER_MINUTE * soak.minutes(), events.most_common(5)
    assert grown(first, last) == []
