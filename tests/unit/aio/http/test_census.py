"""Who makes room for a newcomer: one at rest, of the address that has most."""

from __future__ import annotations

from longboat.aio.http.census import Census


class Client:
    def __init__(self, remote: str, *, busy: bool = False) -> None:
        self.remote, self.busy, self.aborted = remote, busy, False

    def abort(self) -> None:
        self.aborted = True


def entered(census: Census, *clients: Client) -> list[bool]:
    return [census.enter(client) for client in clients]


def test_a_crowd_pushes_out_its_own_oldest() -> None:
    census = Census(10, 4)
    crowd, other = [Client("crowd") for _ in range(6)], Client("other")
    assert all(entered(census, other, *crowd))
    assert [client.aborted for client in crowd] == [True, True, True, False, False, False]
    assert not other.aborted
    assert len(census) == 4
    assert entered(census, Client("third")) == [True]  # the crowd still has most
    assert crowd[3].aborted and not other.aborted


def test_who_has_shown_who_it_is_makes_room_last() -> None:
    census = Census(3, 2)
    friends, strangers = [Client("a") for _ in range(2)], [Client("b") for _ in range(3)]
    for friend in friends:
        census.enter(friend)
        census.acquaint(friend)
    assert all(entered(census, *strangers))
    assert [each.aborted for each in (*friends, *strangers)] == [False, False, True, True, False]
    census.acquaint(strangers[2])
    assert entered(census, Client("c")) == [True]
    assert friends[0].aborted
    assert len(census) == 3


def test_nobody_at_work_is_ended() -> None:
    census = Census(10, 2)
    workers = [Client("a", busy=True) for _ in range(2)]
    assert all(entered(census, *workers))
    assert entered(census, Client("b")) == [False]
    workers[1].busy = False
    assert entered(census, Client("b")) == [True]
    assert [worker.aborted for worker in workers] == [False, True]


def test_who_goes_leaves_room() -> None:
    census = Census(10, 1)
    first, second = Client("a", busy=True), Client("b")
    assert entered(census, first, second) == [True, False]
    census.leave(first)
    census.leave(first)
    assert entered(census, second) == [True]
    census.acquaint(second)
    census.leave(second)
    assert len(census) == 0
