"""Bytes: what any packet may do (nothing bad), and our reading and writing held against dnspython's."""

from __future__ import annotations

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from longboat.network.dns import query, wire
from longboat.network.dns.query import Ignored, Refusal
from unit.network.dns.book import Desk, endpoint, namespace, piece, service

DESK = Desk(
    namespace("shop"),
    service("web", "10.96.3.4", ports="http/tcp/80"),
    service("db"),
    piece("db", *(endpoint(f"10.244.{n // 250}.{n % 250}") for n in range(300)), ports="pg/tcp/5432"),
)
label = st.sampled_from([b"web", b"WEB", b"shop", b"svc", b"_http", b"_tcp", b"pod", b"10-1-2-3", b"db"]) | st.binary(
    min_size=1, max_size=63
)
suffix = st.sampled_from([(b"cluster", b"local"), (b"shop", b"svc", b"Cluster", b"LOCAL"), (b"in-addr", b"arpa"), ()])
names = st.builds(lambda head, tail: (*head, *tail), st.lists(label, max_size=4), suffix).filter(
    lambda labels: sum(map(len, labels)) + len(labels) < 255
)
kinds = st.sampled_from([1, 2, 5, 6, 12, 16, 28, 33, 41, 65, 97, 251, 252, 255]) | st.integers(0, 65535)


@st.composite
def queries(draw: st.DrawFn) -> dns.message.Message:
    made = dns.message.Message(id=draw(st.integers(0, 65535)))
    made.flags = draw(st.sampled_from([0, 0x0100, 0x0120, 0x0110, 0x0130]))
    name = dns.name.Name([*draw(names), b""])
    made.question.append(
        dns.rrset.RRset(name, draw(st.sampled_from([1, 1, 1, 1, 3, 255])), dns.rdatatype.RdataType(draw(kinds)))
    )
    if draw(st.booleans()):
        options = [dns.edns.GenericOption(10, draw(st.binary(min_size=8, max_size=8)))] if draw(st.booleans()) else []
        made.use_edns(0, draw(st.sampled_from([0, 0x8000])), draw(st.integers(0, 5000)), options=options)
    return made


def answered(packet: bytes) -> dns.message.Message | None:
    """Our answer, as dnspython reads it; None where there is none."""
    answer = DESK.resolver.answer(packet)
    if answer is None:
        return None
    assert isinstance(answer, bytes)
    assert len(answer) <= query.LARGEST
    return dns.message.from_wire(answer)


@given(st.binary(max_size=80))
def test_no_packet_does_harm(packet: bytes) -> None:
    found = answered(packet)
    assert (found is None) == (len(packet) < 12 or packet[2] >= 0x80)
    if found is not None:
        assert found.id == int.from_bytes(packet[:2]) and found.flags & dns.flags.QR


@given(queries(), st.integers(0, 200), st.integers(0, 255), st.binary(max_size=12))
def test_no_spoiled_question_does_harm(asked: dns.message.Message, at: int, byte: int, more: bytes) -> None:
    packet = bytearray(asked.to_wire())
    packet[at % len(packet)] = byte
    for spoiled in (bytes(packet), bytes(packet[: at % len(packet)]), asked.to_wire() + more):
        answered(spoiled)
        DESK.resolver.answer_tcp(spoiled)


@given(queries(), queries())
def test_questions_are_read_as_dnspython_reads_them(asked: dns.message.Message, other: dns.message.Message) -> None:
    packet = asked.to_wire()
    rrset = asked.question[0]
    try:
        found = query.parse(packet)
    except Refusal as refusal:
        assert refusal.rcode == wire.REFUSED
        assert rrset.rdclass != 1 or rrset.rdtype in (41, 251, 252)
        return
    assert found.name == tuple(part.lower() for part in rrset.name.labels[:-1])
    assert found.type == rrset.rdtype
    assert found.edns == (asked.edns >= 0)
    if found.edns:
        assert found.size == min(max(asked.payload, 512), 1232) and found.dnssec == bool(asked.ednsflags & 0x8000)


@given(queries())
def test_an_answer_fits_the_question(asked: dns.message.Message) -> None:
    """Twice, for the second answer is a kept one; and through TCP, where nothing is cut off."""
    for _ in range(2):
        found = answered(asked.to_wire())
        assert found is not None and found.question == asked.question and found.id == asked.id
        assert found.question[0].name.labels == asked.question[0].name.labels, "the case of letters"
        assert (found.edns >= 0) == (asked.edns >= 0)
        limit = min(max(asked.payload, 512), 1232) if asked.edns >= 0 else 512
        assert len(DESK.resolver.answer(asked.to_wire()) or b"") <= limit  # type: ignore[arg-type]
    whole = DESK.resolver.answer_tcp(asked.to_wire())
    assert isinstance(whole, bytes) and not dns.message.from_wire(whole).flags & dns.flags.TC


@given(names)
def test_names_are_written_as_they_are_read(labels: wire.Labels) -> None:
    lower = tuple(part.lower() for part in labels)
    encoded = wire.name(labels)
    assert encoded == dns.name.Name([*labels, b""]).to_wire()
    assert wire.read_name(encoded, 0) == (lower, len(encoded))
    assert wire.skip_name(encoded, 0) == len(encoded)


@given(names, names)
def test_names_are_shortened_by_pointers_into_the_question(name: wire.Labels, question: wire.Labels) -> None:
    name, question = (tuple(part.lower() for part in labels) for labels in (name, question))
    message = bytes(12) + wire.name(question) + wire.compressed(name, question)
    assert wire.read_name(message, 12 + len(wire.name(question)))[0] == name
    assert len(wire.compressed(name, question)) <= len(wire.name(name))


@given(st.binary(max_size=60), st.integers(0, 60))
@example(b"\xc0\x00", 0)
@example(b"\x01a\xc0\x00", 2)
def test_reading_names_ends(message: bytes, at: int) -> None:
    for read in (wire.read_name, wire.skip_name):
        try:
            read(message, at)
        except wire.Malformed:
            continue


@pytest.mark.parametrize(
    ("packet", "rcode"),
    [
        ("0001" "0100" "0000" "0000" "0000" "0000", "FORMERR"),
        ("0001" "0100" "0002" "0000" "0000" "0000" "00" "00010001" "00" "00010001", "FORMERR"),
        ("0001" "0100" "0001" "0000" "0000" "0000" "c00c" "00010001", "FORMERR"),
        ("0001" "0100" "0001" "0000" "0000" "0000" "00" "00010001" "ff", "FORMERR"),
        ("0001" "0100" "0001" "0000" "0000" "0002" "00" "00010001" + 2 * "000029100000000000" "0000", "FORMERR"),
        ("0001" "2800" "0001" "0000" "0000" "0000" "00" "00060001", "NOTIMP"),
        ("0001" "0100" "0001" "0000" "0000" "0000" "00" "00010003", "REFUSED"),
        ("0001" "0100" "0001" "0000" "0000" "0000" "00" "00fc0001", "REFUSED"),
        ("0001" "0100" "0001" "0000" "0000" "0001" "00" "00010001" "000029100000010000" "0000", "BADVERS"),
    ],
)  # fmt: skip
def test_refusals(packet: str, rcode: str) -> None:
    found = answered(bytes.fromhex(packet))
    assert found is not None and dns.rcode.to_text(found.rcode()) in (rcode, "BADSIG" if rcode == "BADVERS" else rcode)


def test_no_answer_to_answers() -> None:
    for packet in (b"", b"x" * 11, bytes.fromhex("0001818000010000000000000000010001")):
        with pytest.raises(Ignored):
            query.parse(packet)
        assert DESK.resolver.answer(packet) is None
