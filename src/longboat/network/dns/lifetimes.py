"""How long an answer may be remembered (RFC 1035, 2308). Pure."""

from __future__ import annotations

from longboat.network.dns import wire

LONGEST, LONGEST_NEGATIVE = 3600, 300  # seconds, whatever the records say
LARGEST_TTL = 0x7FFFFFFF  # more than that means none (RFC 2181, section 8)


def lifetime(message: bytes) -> int:
    """Seconds; 0 for what must not be kept. Raises Malformed."""
    header = wire.read_header(message)
    rcode = header.flags & 0xF
    if header.flags & wire.TRUNCATED or rcode not in (wire.NOERROR, wire.NXDOMAIN):
        return 0
    found = [(section, span) for section, span in wire.spans(message) if span.type != wire.OPT]
    ttls = [span.ttl if span.ttl <= LARGEST_TTL else 0 for _, span in found]
    answers = {span.type for section, span in found if section == 1}
    asked_at = wire.skip_name(message, wire.HEADER)
    asked = int.from_bytes(message[asked_at : asked_at + 2])
    if rcode == wire.NOERROR and (asked in answers or (asked == wire.ANY and answers)):
        return min(*ttls, LONGEST)
    # Negative, maybe at the end of a chain of aliases: the SOA says how long; without one it must not be kept.
    for section, span in found:
        if section == 2 and span.type == wire.SOA and span.end - span.data >= 22:
            minimum = int.from_bytes(message[span.end - 4 : span.end])
            return min(*ttls, minimum, LONGEST_NEGATIVE)
    return 0


def ttl_offsets(message: bytes) -> list[int]:
    """Where the TTLs are. Raises Malformed."""
    return [span.ttl_at for _, span in wire.spans(message) if span.type != wire.OPT]


def older(message: bytes, offsets: tuple[int, ...], seconds: int) -> bytes:
    """The message after it has been kept for so long."""
    if seconds <= 0 or not offsets:
        return message
    aged = bytearray(message)
    for at in offsets:
        aged[at : at + 4] = max(int.from_bytes(message[at : at + 4]) - seconds, 0).to_bytes(4)
    return bytes(aged)
