"""Names outside: who is asked, how often, what is remembered and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest

from longboat.aio.clock import VirtualClock
from longboat.network.dns import forward
from longboat.network.dns.forward import Forwarder, Unanswered
from unit.network.dns.book import Desk, lines, namespace, service
from unit.network.dns.outside import Answer, Outside, answer

SOA = "example.com. 900 IN SOA ns.example.com. root.example.com. 1 2 3 4 60"
Play = Callable[[Desk, Outside], Coroutine[Any, Any, None]]


def play(reply: Answer, story: Play, *objects: Any) -> None:
    """Act out a story with a desk whose questions for names outside go to a server that replies so."""

    async def main() -> None:
        async with Outside(reply) as outside:
            desk = Desk(namespace("shop"), *objects, upstream=["127.0.0.1"])
            desk.forwarder._port = outside.port
            try:
                await asyncio.wait_for(story(desk, outside), 20)
            finally:
                await desk.forwarder.close()

    asyncio.run(main())


async def ask(desk: Desk, name: str, kind: str = "A", *, tcp: bool = False, **options: Any) -> dns.message.Message:
    query = dns.message.make_query(name, kind, **options)
    found = (desk.resolver.answer_tcp if tcp else desk.resolver.answer)(query.to_wire())
    assert found is not None
    message = dns.message.from_wire(found if isinstance(found, bytes) else await found)
    assert query.is_response(message)
    return message


def one(query: dns.message.Message, tcp: bool) -> list[bytes]:
    return [answer(query, f"{query.question[0].name} 60 IN A 192.0.2.1")]


def none(query: dns.message.Message, tcp: bool) -> list[bytes]:
    return []


def test_an_answer_is_remembered_as_long_as_it_says() -> None:
    async def story(desk: Desk, outside: Outside) -> None:
        assert lines((await ask(desk, "www.Example.com")).answer) == ["www.Example.com. A 192.0.2.1"]
        await desk.clock.advance(59.5)
        found = await ask(desk, "WWW.example.com")
        assert found.answer[0].ttl == 1 and len(outside.asked) == 1
        assert len(desk.forwarder.codes()) == 1
        assert found.question[0].name.to_text() == "WWW.example.com."
        await desk.clock.advance(0.5)
        await ask(desk, "www.example.com")
        assert len(outside.asked) == 2

    play(one, story)


@pytest.mark.parametrize(("rcode", "soa", "seconds"), [(3, SOA, 60), (0, SOA, 60), (3, "", 0), (2, "", 0)])
def test_a_no_is_remembered_as_the_soa_says(rcode: int, soa: str, seconds: int) -> None:
    async def story(desk: Desk, outside: Outside) -> None:
        assert (await ask(desk, "no.example.com")).rcode() == rcode
        before = len(outside.asked)
        if seconds:
            await desk.clock.advance(seconds - 0.5)
            assert (await ask(desk, "no.example.com")).rcode() == rcode
            assert len(outside.asked) == before
            await desk.clock.advance(0.5)
        assert (await ask(desk, "no.example.com")).rcode() == rcode
        assert len(outside.asked) > before

    play(lambda query, tcp: [answer(query, rcode=rcode, soa=soa)], story)


def test_an_alias_that_leads_nowhere_is_a_no() -> None:
    """Without the SOA it is not kept, however long the alias itself would be."""

    async def story(desk: Desk, outside: Outside) -> None:
        for _ in range(2):
            await ask(desk, "alias.example.com", "AAAA")
        assert len(outside.asked) == 2

    play(lambda query, tcp: [answer(query, "alias.example.com. 60 IN CNAME www.example.com.")], story)


def test_one_question_is_asked_once_for_all_who_wait() -> None:
    async def story(desk: Desk, outside: Outside) -> None:
        found = await asyncio.gather(*(ask(desk, "www.example.com") for _ in range(50)))
        assert all(lines(message.answer) for message in found)
        assert len(outside.asked) == 1 and len({message.id for message in found}) > 40

    play(one, story)


def test_ids_and_ports_differ_each_time() -> None:
    async def story(desk: Desk, outside: Outside) -> None:
        await asyncio.gather(*(ask(desk, f"n{n}.example.com") for n in range(40)))
        assert len({query.id for query, _, _ in outside.asked}) > 35
        assert len({port for _, port, _ in outside.asked}) > 35

    play(one, story)


def test_forged_and_broken_answers_are_passed_over() -> None:
    def forge(query: dns.message.Message, tcp: bool) -> list[bytes]:
        true = one(query, tcp)[0]
        other = dns.message.make_query("www.evil.com", "A", id=query.id)
        false = answer(query, f"{query.question[0].name} 60 IN A 192.0.2.66")
        wrong_id = bytes([false[0] ^ 1]) + false[1:]
        cut = true[:-3]
        return [b"", b"x", wrong_id, query.to_wire(), answer(other, "www.evil.com. 60 IN A 192.0.2.66"), cut, true]

    async def story(desk: Desk, outside: Outside) -> None:
        assert lines((await ask(desk, "www.example.com")).answer) == ["www.example.com. A 192.0.2.1"]

    play(forge, story)


def test_silence_is_a_failure_after_a_while_and_does_not_hang() -> None:
    async def story(desk: Desk, outside: Outside) -> None:
        waiting = asyncio.create_task(ask(desk, "www.example.com"))
        while not outside.asked:  # noqa: ASYNC110 - a server in the background
            await asyncio.sleep(0.001)
        await desk.clock.advance(forward.PATIENCE * forward.ROUNDS)
        assert (await waiting).rcode() == dns.rcode.SERVFAIL
        assert len(outside.asked) == forward.ROUNDS and desk.forwarder.unanswered == 1

    play(none, story)


def test_without_servers_the_failure_comes_at_once() -> None:
    desk = Desk()
    query = dns.message.make_query("www.example.com", "A", use_edns=0)
    found = desk.send(query)
    assert found.rcode() == dns.rcode.SERVFAIL and found.edns == 0


def test_the_next_server_is_asked_where_one_is_dead_or_refuses() -> None:
    async def main() -> None:
        async with Outside(one) as good:
            forwarder = Forwarder(VirtualClock(), ["127.0.0.2", "127.0.0.1"], port=good.port)
            question = dns.message.make_query("www.example.com", "A").to_wire()[2:]
            assert await forwarder.ask(question)  # nobody listens at 127.0.0.2: an ICMP error says so at once
            assert forwarder.asked == 2
            other = dns.message.make_query("other.example.com", "A").to_wire()[2:]
            assert await forwarder.ask(other)
            assert forwarder.asked == 3, "the dead one is asked last for a while"
            await forwarder.close()

    asyncio.run(main())


def test_too_much_for_udp_is_asked_for_over_tcp() -> None:
    def large(query: dns.message.Message, tcp: bool) -> list[bytes]:
        if not tcp:
            return [answer(query, flags=dns.flags.TC)]
        return [answer(query, *(f"{query.question[0].name} 60 IN A 192.0.2.{n}" for n in range(1, 200)))]

    async def story(desk: Desk, outside: Outside) -> None:
        assert (await ask(desk, "www.example.com")).flags & dns.flags.TC
        assert len(lines((await ask(desk, "www.example.com", tcp=True)).answer)) == 199
        assert [tcp for _, _, tcp in outside.asked] == [False, True]

    play(large, story)


def test_options_of_a_client_do_not_go_outside() -> None:
    async def story(desk: Desk, outside: Outside) -> None:
        cookie = dns.edns.GenericOption(10, b"12345678")
        found = await ask(desk, "www.example.com", use_edns=0, options=[cookie], payload=4096, want_dnssec=True)
        (asked, _, _) = outside.asked[0]
        assert asked.options == () and asked.payload == 1232 and asked.ednsflags & dns.flags.DO
        assert found.edns == 0
        plain = await ask(desk, "www.example.com")
        assert plain.edns == -1 and len(outside.asked) == 2, "an answer with EDNS is not for one who did not ask for it"

    play(one, story)


OUT = service("out", type="ExternalName", externalName="www.example.com")


def test_an_external_name_brings_what_it_leads_to() -> None:
    def chain(query: dns.message.Message, tcp: bool) -> list[bytes]:
        return [answer(query, "www.example.com. 60 IN CNAME cdn.example.com.", "cdn.example.com. 60 IN A 192.0.2.1")]

    async def story(desk: Desk, outside: Outside) -> None:
        for _ in range(2):
            found = await ask(desk, "Out.shop.svc.cluster.local")
            assert lines(found.answer) == [
                "Out.shop.svc.cluster.local. CNAME www.example.com.",
                "www.example.com. CNAME cdn.example.com.",
                "cdn.example.com. A 192.0.2.1",
            ]
        assert len(outside.asked) == 1
        desk.book.put(service("out", type="ExternalName", externalName="other.example.com"))
        found = await ask(desk, "out.shop.svc.cluster.local", "CNAME")
        assert lines(found.answer) == ["out.shop.svc.cluster.local. CNAME other.example.com."]

    play(chain, story, OUT)


@pytest.mark.parametrize(("rcode", "soa"), [(3, SOA), (2, "")])
def test_an_external_name_that_leads_nowhere(rcode: int, soa: str) -> None:
    async def story(desk: Desk, outside: Outside) -> None:
        found = await ask(desk, "out.shop.svc.cluster.local")
        assert found.rcode() == rcode
        assert lines(found.answer) == ["out.shop.svc.cluster.local. CNAME www.example.com."]

    play(lambda query, tcp: [answer(query, rcode=rcode, soa=soa)], story, OUT)


def test_an_external_name_without_servers_fails_and_still_says_where_it_leads() -> None:
    async def main() -> None:
        desk = Desk(namespace("shop"), OUT)
        found = await ask(desk, "out.shop.svc.cluster.local")
        assert found.rcode() == dns.rcode.SERVFAIL
        assert lines(found.answer) == ["out.shop.svc.cluster.local. CNAME www.example.com."]

    asyncio.run(main())


def test_what_is_under_way_and_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "MOST_QUESTIONS", 3)
    monkeypatch.setattr(forward, "ENTRIES", 5)

    async def story(desk: Desk, outside: Outside) -> None:
        outside.reply = none
        waiting = [asyncio.create_task(ask(desk, f"n{n}.example.com")) for n in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (await ask(desk, "one-too-many.example.com")).rcode() == dns.rcode.SERVFAIL
        for task in waiting:
            task.cancel()
        await desk.forwarder.close()
        outside.reply = one
        for n in range(9):
            await ask(desk, f"m{n}.example.com")
        assert len(desk.forwarder._kept) == 5

    play(one, story)


def test_nobody_to_ask_is_unanswered() -> None:
    async def main() -> None:
        with pytest.raises(Unanswered):
            await Forwarder(VirtualClock()).ask(b"x")

    asyncio.run(main())
