"""The Kubernetes DNS specification, sentence by sentence, and what CoreDNS does where it is silent."""

from __future__ import annotations

import ipaddress

import dns.flags
import dns.rcode
import pytest

from unit.network.dns.book import Desk, endpoint, lines, namespace, piece, service

WEB = service("web", "10.96.3.4", "fd96::3:4", ports="http/tcp/80 dns/udp/53 /tcp/81")
BARE = service("bare", "10.96.3.5", ports="/tcp/80")
DB = service("db", ports="pg/tcp/5432")
DB_SLICES = (
    piece(
        "db", endpoint("10.244.1.2", hostname="db-0"), endpoint("10.244.1.3"), endpoint("10.244.1.4", ready=False),
        ports="pg/tcp/5432",
    ),
    piece("db", endpoint("10.244.2.2", hostname="db-0"), endpoint("10.244.1.3"), ports="pg/tcp/5432", number=2),
    piece("db", endpoint("fd10::1:2", hostname="db-0"), endpoint("fd10::3"), ports="pg/tcp/5432", family="IPv6"),
)  # fmt: skip
EMPTY = service("empty")
PORTLESS = (service("portless"), piece("portless", endpoint("10.244.9.9")))
WEB_SLICE = piece("web", endpoint("10.244.5.5"), ports="http/tcp/8080")
OUTSIDE = service("outside", type="ExternalName", externalName="www.example.com")
INSIDE = service("inside", type="ExternalName", externalName="Web.shop.svc.cluster.local.")
NUMBER = service("number", type="ExternalName", externalName="192.0.2.1")
CIRCLE = (
    service("a", type="ExternalName", externalName="b.shop.svc.cluster.local"),
    service("b", type="ExternalName", externalName="a.shop.svc.cluster.local"),
)
RANGES = (ipaddress.ip_network("10.96.0.0/16"), ipaddress.ip_network("10.244.0.0/20"))


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk(
        namespace("shop"), namespace("void"), WEB, BARE, DB, *DB_SLICES, EMPTY, *PORTLESS, WEB_SLICE, OUTSIDE, INSIDE,
        NUMBER, *CIRCLE, ranges=RANGES,
    )  # fmt: skip


ANSWERS = [
    # 2.2: the schema's version
    ("dns-version.cluster.local TXT", ['"1.1.0"']),
    # 2.3: a Service with ClusterIPs
    ("web.shop.svc.cluster.local A", ["10.96.3.4"]),
    ("web.shop.svc.cluster.local AAAA", ["fd96::3:4"]),
    ("_http._tcp.web.shop.svc.cluster.local SRV", ["0 100 80 web.shop.svc.cluster.local."]),
    ("_dns._udp.web.shop.svc.cluster.local SRV", ["0 100 53 web.shop.svc.cluster.local."]),
    ("bare.shop.svc.cluster.local SRV", ["0 100 80 bare.shop.svc.cluster.local."]),
    ("4.3.96.10.in-addr.arpa PTR", ["web.shop.svc.cluster.local."]),
    (ipaddress.ip_address("fd96::3:4").reverse_pointer + " PTR", ["web.shop.svc.cluster.local."]),
    ("10-244-5-5.web.shop.svc.cluster.local A", ["10.244.5.5"]),
    # 2.4: a headless Service
    ("db.shop.svc.cluster.local A", ["10.244.1.2", "10.244.1.3", "10.244.2.2"]),
    ("db.shop.svc.cluster.local AAAA", ["fd10::1:2", "fd10::3"]),
    ("db-0.db.shop.svc.cluster.local A", ["10.244.1.2", "10.244.2.2"]),
    ("db-0.db.shop.svc.cluster.local AAAA", ["fd10::1:2"]),
    ("10-244-1-3.db.shop.svc.cluster.local A", ["10.244.1.3"]),
    ("fd10--3.db.shop.svc.cluster.local AAAA", ["fd10::3"]),
    (
        "_pg._tcp.db.shop.svc.cluster.local SRV",
        [
            "0 100 5432 10-244-1-3.db.shop.svc.cluster.local.",
            "0 100 5432 db-0.db.shop.svc.cluster.local.",
            "0 100 5432 fd10--3.db.shop.svc.cluster.local.",
        ],
    ),
    ("portless.shop.svc.cluster.local A", ["10.244.9.9"]),
    ("2.1.244.10.in-addr.arpa PTR", ["db-0.db.shop.svc.cluster.local."]),
    ("3.1.244.10.in-addr.arpa PTR", ["10-244-1-3.db.shop.svc.cluster.local."]),
    ("5.5.244.10.in-addr.arpa PTR", ["10-244-5-5.web.shop.svc.cluster.local."]),
    # 2.5: ExternalName
    ("outside.shop.svc.cluster.local CNAME", ["www.example.com."]),
    ("inside.shop.svc.cluster.local CNAME", ["web.shop.svc.cluster.local."]),
    ("inside.shop.svc.cluster.local A", ["10.96.3.4", "web.shop.svc.cluster.local."]),
    # 2.6: pods
    ("10-244-1-2.shop.pod.cluster.local A", ["10.244.1.2"]),
    ("fd10--1-2.shop.pod.cluster.local AAAA", ["fd10::1:2"]),
    # The zone itself
    ("cluster.local NS", ["ns.dns.cluster.local."]),
    ("cluster.local SOA", ["ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5"]),
    ("ns.dns.cluster.local A", ["10.96.0.10"]),
    ("ns.dns.cluster.local AAAA", ["fd96::a"]),
    ("bare.shop.svc.cluster.local ANY", ["10.96.3.5"]),
]
NO_DATA = [
    "cluster.local A", "svc.cluster.local A", "pod.cluster.local A", "shop.svc.cluster.local A",
    "void.svc.cluster.local ANY", "void.pod.cluster.local A", "web.shop.svc.cluster.local TXT",
    "bare.shop.svc.cluster.local AAAA", "_tcp.web.shop.svc.cluster.local SRV",
    "_http._tcp.web.shop.svc.cluster.local A",
    "10-244-1-2.shop.pod.cluster.local AAAA", "db-0.db.shop.svc.cluster.local SOA", "web.shop.svc.cluster.local HTTPS",
    "4.3.96.10.in-addr.arpa A", "3.96.10.in-addr.arpa PTR", "web.shop.svc.cluster.local CNAME",
    "inside.shop.svc.cluster.local TXT",
]  # fmt: skip
NO_SUCH_NAME = [
    "foo.cluster.local NS", "foo.svc.cluster.local NS", "web.void.svc.cluster.local A", "no.shop.svc.cluster.local A",
    "empty.shop.svc.cluster.local A", "x.web.shop.svc.cluster.local A", "_https._tcp.web.shop.svc.cluster.local SRV",
    "_http._udp.web.shop.svc.cluster.local SRV", "10-244-1-4.db.shop.svc.cluster.local A",
    "x.outside.shop.svc.cluster.local CNAME", "number.shop.svc.cluster.local A", "1-2-3-4.nowhere.pod.cluster.local A",
    "no-address.shop.pod.cluster.local A", "256-1-1-1.shop.pod.cluster.local A", "1.0.96.10.in-addr.arpa PTR",
    "4.1.244.10.in-addr.arpa PTR", "a.b.c.d.web.shop.svc.cluster.local A", "*.shop.svc.cluster.local A",
    "www.example.com.shop.svc.cluster.local A", "http.tcp.web.shop.svc.cluster.local SRV",
    "_http._tcp.10-244-5-5.web.shop.svc.cluster.local SRV",
]  # fmt: skip
NOT_OURS = [
    "www.example.com A", "local A", "xcluster.local A", "1.1.1.1.in-addr.arpa PTR", "10.in-addr.arpa PTR",
    "1.16.244.10.in-addr.arpa PTR", "in-addr.arpa NS", "256.1.96.10.in-addr.arpa PTR", "01.1.96.10.in-addr.arpa PTR",
]  # fmt: skip


@pytest.mark.parametrize(("question", "data"), ANSWERS, ids=[question for question, _ in ANSWERS])
def test_records(desk: Desk, question: str, data: list[str]) -> None:
    name, kind = question.split()
    found = desk.ask(name, kind, use_edns=0)
    assert found.rcode() == dns.rcode.NOERROR
    assert found.flags & dns.flags.AA
    assert sorted(line.split(" ", 2)[2] for line in lines(found.answer)) == data
    assert not found.authority


@pytest.mark.parametrize("question", NO_DATA)
def test_a_name_without_such_records_has_no_data(desk: Desk, question: str) -> None:
    name, kind = question.split()
    found = desk.ask(name, kind)
    assert found.rcode() == dns.rcode.NOERROR and not [r for r in found.answer if r.rdtype != dns.rdatatype.CNAME]
    assert [r.rdtype for r in found.authority] == [dns.rdatatype.SOA]


@pytest.mark.parametrize("question", NO_SUCH_NAME)
def test_a_name_that_is_not_there(desk: Desk, question: str) -> None:
    name, kind = question.split()
    found = desk.ask(name, kind)
    assert found.rcode() == dns.rcode.NXDOMAIN and not found.answer
    (soa,) = found.authority
    assert found.question[0].name.is_subdomain(soa.name) and soa.ttl == soa[0].minimum == 5


@pytest.mark.parametrize("question", NOT_OURS)
def test_what_is_outside_is_asked_outside(desk: Desk, question: str) -> None:
    """…and fails at once where there is nobody to ask."""
    name, kind = question.split()
    assert desk.ask(name, kind).rcode() == dns.rcode.SERVFAIL
    asked = dns.name.from_text(name)
    assert desk.zone.find(tuple(label.lower() for label in asked.labels[:-1]), dns.rdatatype.from_text(kind)) is None


def test_a_service_record_brings_the_addresses_along(desk: Desk) -> None:
    found = desk.ask("_pg._tcp.db.shop.svc.cluster.local", "SRV", use_edns=0)
    assert sorted(lines(r for r in found.additional if r.rdtype != dns.rdatatype.OPT)) == [
        "10-244-1-3.db.shop.svc.cluster.local. A 10.244.1.3",
        "db-0.db.shop.svc.cluster.local. A 10.244.1.2",
        "db-0.db.shop.svc.cluster.local. A 10.244.2.2",
        "db-0.db.shop.svc.cluster.local. AAAA fd10::1:2",
        "fd10--3.db.shop.svc.cluster.local. AAAA fd10::3",
    ]


def test_names_compare_without_case_and_come_back_as_they_were_sent(desk: Desk) -> None:
    found = desk.ask("wEb.ShOp.sVc.CLUSTER.local", "A")
    assert lines(found.answer) == ["wEb.ShOp.sVc.CLUSTER.local. A 10.96.3.4"]
    assert found.question[0].name.to_text() == "wEb.ShOp.sVc.CLUSTER.local."


def test_aliases_in_a_circle_fail(desk: Desk) -> None:
    assert desk.ask("a.shop.svc.cluster.local").rcode() == dns.rcode.SERVFAIL


def test_an_address_of_many_names_tells_host_names_first() -> None:
    desk = Desk(
        namespace("shop"), service("a", "10.96.0.1"), service("z"),
        piece("a", endpoint("10.244.0.1")), piece("z", endpoint("10.244.0.1", hostname="z-0")),
    )  # fmt: skip
    assert [line.split()[-1] for line in lines(desk.ask("1.0.244.10.in-addr.arpa", "PTR").answer)] == [
        "z-0.z.shop.svc.cluster.local.", "10-244-0-1.a.shop.svc.cluster.local.",
    ]  # fmt: skip


def test_records_live_five_seconds_and_the_version_longer(desk: Desk) -> None:
    assert desk.ask("web.shop.svc.cluster.local").answer[0].ttl == 5
    assert desk.ask("dns-version.cluster.local", "TXT").answer[0].ttl == 28800


def test_before_everything_has_been_read_there_is_no_no() -> None:
    desk = Desk(namespace("shop"))
    desk.book.of(type(WEB))._synced.clear()
    assert desk.ask("web.shop.svc.cluster.local").rcode() == dns.rcode.SERVFAIL
    desk.book.put(WEB)
    desk.book.all_told()
    assert desk.lines("web.shop.svc.cluster.local") == ["web.shop.svc.cluster.local. A 10.96.3.4"]
