"""Whose request is next: no flow gains by asking for more at once, and none waits for another's backlog."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from longboat.apiserver.fairness.figures import Record
from longboat.apiserver.fairness.queues import GUESS, Queues, Waiting

RECORD = Record("level", "schema")
NOBODY = cast(asyncio.Future[None], None)


def waiting(flow: str, seats: int = 1) -> Waiting:
    return Waiting(RECORD, flow, seats, 0.0, NOBODY)


@given(st.integers(1, 600), st.integers(1, 12), st.text(), st.text())
def test_a_hand_is_of_different_queues(count: int, hand: int, schema: str, flow: str) -> None:
    found = Queues(count, hand, 50).dealt(schema, flow)
    assert len(set(found)) == len(found) == min(hand, count)
    assert all(0 <= index < count for index in found)


def test_hands_are_dealt_evenly() -> None:
    queues = Queues(64, 6, 50)
    dealt = Counter(index for n in range(2000) for index in queues.dealt("s", f"flow-{n}"))
    assert max(dealt.values()) < 1.4 * 2000 * 6 / 64 and min(dealt.values()) > 0.6 * 2000 * 6 / 64


def test_a_flood_fills_its_own_hand_and_leaves_others_a_way_past() -> None:
    queues = Queues(128, 6, 50)
    assert sum(queues.add(waiting("flood")) for _ in range(1000)) == 6 * 50
    quiet = waiting("quiet")
    assert queues.add(quiet)
    first = queues.first()
    assert first is not None
    queues.go(first)
    for _ in range(6):  # one of each queue that the flood has, at most
        if (found := queues.first()) is quiet:
            break
        assert found is not None
        queues.go(found)
    assert queues.first() is quiet


@given(st.lists(st.tuples(st.integers(1, 10), st.floats(0.001, 0.05)), min_size=2, max_size=2), st.integers(20, 60))
def test_flows_that_always_wait_get_the_same(flows: list[tuple[int, float]], rounds: int) -> None:
    """Whatever seats and time each of their requests takes. (Two flows with a queue each, one request at work.)"""
    queues = Queues(1 << 20, 1, 10_000)
    spent = [0.0, 0.0]
    for which, (seats, _) in enumerate(flows):
        for _ in range(rounds * 60):
            queues.add(waiting(f"flow-{which}", seats))
    for _ in range(rounds):
        request = queues.first()
        assert request is not None
        which = int(request.flow[-1])
        seats, seconds = flows[which]
        queues.go(request)
        queues.done(request, seconds)
        spent[which] += seats * seconds
    widest = max(seats * max(seconds, GUESS) for seats, seconds in flows)
    assert abs(spent[0] - spent[1]) <= 2 * widest + 1e-9


@given(st.lists(st.sampled_from(["add", "go", "done", "leave"]), max_size=300), st.randoms(use_true_random=False))
def test_nothing_is_lost_and_nothing_stays(steps: list[str], dice: object) -> None:
    queues, here, gone = Queues(8, 2, 5), list[Waiting](), list[Waiting]()
    for n, step in enumerate(steps):
        if step == "add":
            request = waiting(f"flow-{n % 7}", n % 3 + 1)
            if queues.add(request):
                here.append(request)
        elif step == "go" and (found := queues.first()) is not None:
            queues.go(found)
            here.remove(found)
            gone.append(found)
        elif step == "done" and gone:
            queues.done(gone.pop(0), 0.01)
        elif step == "leave" and here:
            queues.leave(here.pop())
        assert sum(len(queue.waiting) for queue in queues.active.values()) == len(here)
        assert sum(queue.seats_in_use for queue in queues.active.values()) == sum(request.seats for request in gone)
    for request in here:
        queues.leave(request)
    for request in gone:
        queues.done(request, 0.01)
    assert not queues.active
