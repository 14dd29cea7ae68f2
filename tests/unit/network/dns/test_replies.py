"""Finished answers: what does not fit, who comes first, what is forgotten."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rdatatype
from prometheus_client.parser import text_string_to_metric_families

from longboat.machinery.exposition import text
from longboat.network.dns import wire
from longboat.network.dns.query import Query
from longboat.network.dns.replies import KEPT, Replies, encode, key
from longboat.network.dns.wire import Record
from longboat.network.dns.zone import Found
from unit.network.dns.book import Desk, endpoint, lines, namespace, piece, service

MANY = [f"10.244.{n // 250}.{n % 250 + 1}" for n in range(300)]


def crowd() -> Desk:
    slices = [
        piece("db", *map(endpoint, MANY[at : at + 100]), ports="pg/tcp/5432", number=at) for at in range(0, 300, 100)
    ]
    return Desk(namespace("shop"), service("db", ports="pg/tcp/5432"), *slices)


def addresses(message: dns.message.Message) -> list[str]:
    return [line.split()[-1] for line in lines(message.answer)]


def test_what_does_not_fit_is_cut_off_and_said_to_be() -> None:
    desk = crowd()
    for payload, most in ((None, 512), (600, 600), (1232, 1232), (4096, 1232)):
        query = dns.message.make_query("db.shop.svc.cluster.local", "A", use_edns=payload is not None or None)
        if payload:
            query.use_edns(0, payload=payload)
        packet = query.to_wire()
        answer = desk.resolver.answer(packet)
        assert isinstance(answer, bytes)
        assert most - 16 < len(answer) <= most, "as many as there is room for"
        assert dns.message.from_wire(answer).flags & dns.flags.TC


def test_tcp_has_room_for_all() -> None:
    found = crowd().ask("db.shop.svc.cluster.local", "A", tcp=True)
    assert sorted(addresses(found)) == sorted(MANY) and not found.flags & dns.flags.TC
    found = crowd().ask("_pg._tcp.db.shop.svc.cluster.local", "SRV", tcp=True)
    assert len(lines(found.answer)) == len(lines(found.additional)) == 300


def test_additional_records_go_first() -> None:
    endpoints = [endpoint(f"10.244.0.{n}", hostname=f"h-{n}") for n in range(1, 9)]
    desk = Desk(namespace("shop"), service("db"), piece("db", *endpoints, ports="pg/tcp/1"))
    found = desk.ask("_pg._tcp.db.shop.svc.cluster.local", "SRV")
    assert not found.flags & dns.flags.TC
    assert len(lines(found.answer)) == 8 and len(lines(found.additional)) < 8


def test_each_address_comes_first_in_turn_even_where_not_all_fit() -> None:
    for chosen in (MANY[:3], MANY):
        desk = Desk(namespace("shop"), service("db"), piece("db", *map(endpoint, chosen)))
        query = dns.message.make_query("db.shop.svc.cluster.local", "A")
        firsts = [addresses(desk.send(query))[0] for _ in range(2 * len(chosen))]
        assert sorted(firsts) == sorted(chosen * 2)


def test_an_alias_stays_before_the_addresses_that_take_turns() -> None:
    desk = Desk(
        namespace("shop"), service("db"), piece("db", *map(endpoint, MANY[:3])),
        service("alias", type="ExternalName", externalName="db.shop.svc.cluster.local"),
    )  # fmt: skip
    query = dns.message.make_query("alias.shop.svc.cluster.local", "A")
    firsts = set()
    for _ in range(6):
        found = lines(desk.send(query).answer)
        assert len(found) == 4 and " CNAME " in found[0]
        firsts.add(found[1])
    assert len(firsts) == 3


def test_questions_that_differ_in_id_and_case_share_an_answer() -> None:
    desk = Desk(namespace("shop"), service("web", "10.96.3.4"))
    for name in ("web.shop.svc.cluster.local", "WEB.shop.svc.cluster.LOCAL", "web.shop.svc.cluster.local"):
        desk.send(dns.message.make_query(name, "A"))
    assert len(desk.replies) == 1
    desk.send(dns.message.make_query("web.shop.svc.cluster.local", "A", use_edns=0, options=[]))
    assert len(desk.replies) == 2
    desk.send(dns.message.make_query("web.shop.svc.cluster.local", "HTTPS"))
    desk.send(dns.message.make_query("web.shop.svc.cluster.local", "TYPE97"))
    assert desk.resolver.counts.get("HTTPS", "NOERROR") == 1, "types 65 and 97 differ as `A` and `a` do"


def test_options_do_not_fill_the_memory() -> None:
    desk = Desk(namespace("shop"), service("web", "10.96.3.4"))
    for number in range(50):
        cookie = dns.edns.GenericOption(10, number.to_bytes(8))
        desk.send(dns.message.make_query("web.shop.svc.cluster.local", "A", use_edns=0, options=[cookie]))
    assert len(desk.replies) == 1


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    replies, query = Replies(entries=3), Query(0, (b"x",), wire.A, 19)
    for number in range(5):
        reply = encode(query, Found(answers=(Record((b"x",), wire.A, 5, b"abcd"),)), 512)
        reply.tags = (f"tag-{number}", "all")
        replies.put([b"key-%d" % number], reply)
    assert len(replies) == 3 and replies.get(b"key-1") is None and replies.get(b"key-2") is not None
    replies.drop(["tag-3", "tag-0"])
    assert len(replies) == 2 and replies.get(b"key-3") is None
    replies.drop(["all"])
    assert len(replies) == 0 and not replies._by_tag


def test_memory_is_bounded_in_bytes_too() -> None:
    """Of a Service with thousands of endpoints every answer holds them all."""
    replies, query = Replies(), Query(0, (b"x",), wire.A, 19)
    records = tuple(Record((b"x",), wire.A, 5, number.to_bytes(4)) for number in range(5000))
    for number in range(120):
        replies.put([b"key-%d" % number], encode(query, Found(answers=records), 512))
        assert replies.bytes <= KEPT
    assert 10 < len(replies) < 120
    assert replies.get(b"key-119") is not None
    replies.put([b"key-119"], encode(query, Found(), 512))
    for number in range(120):
        if (kept := replies.get(b"key-%d" % number)) is not None:
            replies._forget(kept)
    assert (len(replies), replies.bytes) == (0, 0)


def test_the_key_leaves_out_the_id_and_the_case_of_the_name_only() -> None:
    web = dns.message.make_query("web.x", "A").to_wire()
    assert key(b"ab" + web[2:]) == key(b"cd" + web[2:].replace(b"web", b"wEB"))
    assert key(web) != key(dns.message.make_query("web.x", "AAAA").to_wire())
    for short in (b"", b"a" * 12, b"a" * 40):
        key(short)


def test_answers_are_counted_by_type_and_code() -> None:
    desk = Desk(namespace("shop"), service("web", "10.96.3.4"))
    desk.ask("web.shop.svc.cluster.local", "A")
    desk.ask("no.shop.svc.cluster.local", "AAAA")
    desk.ask("www.example.com", "TYPE4711")
    counts = desk.resolver.counts
    assert (counts.get("A", "NOERROR"), counts.get("AAAA", "NXDOMAIN"), counts.get("other", "SERVFAIL")) == (2, 2, 2)
    desk.send(dns.message.make_query("web.shop.svc.cluster.local", "A"), tcp=True)
    said, alike = text(counts.families(desk.replies.codes())), {"server", "view", "zone", "zones"}
    samples = [sample for family in text_string_to_metric_families(said) for sample in family.samples]
    found = {(s.name, *(s.labels[name] for name in sorted(s.labels.keys() - alike))): s.value for s in samples}
    assert found["coredns_dns_requests_total", "1", "udp", "A"] == 2
    assert found["coredns_dns_requests_total", "1", "tcp", "A"] == 1
    answers = {key[1:]: value for key, value in found.items() if key[0] == "coredns_dns_responses_total"}
    assert answers == {
        ("kubernetes", "NOERROR"): 2, ("cache", "NOERROR"): 1, ("kubernetes", "NXDOMAIN"): 1, ("cache", "NXDOMAIN"): 1,
        ("forward", "SERVFAIL"): 2,
    }  # fmt: skip
    assert found["coredns_cache_hits_total", "success"] == found["coredns_cache_hits_total", "denial"] == 1
    assert found["coredns_cache_requests_total",] == sum(answers.values())
    assert (
        found["coredns_cache_entries", "success"] == found["coredns_cache_entries", "denial"] == len(desk.replies) / 2
    )
