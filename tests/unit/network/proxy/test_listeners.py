"""What the kernel's tables of sockets say a node listens at."""

from __future__ import annotations

from pathlib import Path

from longboat.network.families import IPV4, IPV6
from longboat.network.proxy.listeners import parse, read, taken, taken_inside

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = [
    HEAD,
    "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 0 1 1 0 100 0 0 10 0\n",
    "   1: 0100007F:E595 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 0 2 1 0 100 0 0 10 0\n",
    "   2: 0B001EAC:280A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 0 3 1 0 100 0 0 10 0\n",
    "   3: 0B001EAC:C000 0C001EAC:01BB 01 00000000:00000000 00:00000000 00000000     0 0 4 1 0 20 4 30 10 -1\n",
]
TCP6 = [
    HEAD,
    "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 1\n",
    "   1: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 2\n",
    "   2: 0000000000000000FFFF00000B001EAC:0052 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 3\n",
    "   3: 000044FD0000000000000000010000FF:0053 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 3\n",
]
UDP = [
    HEAD,
    "  10: 0B001EAC:D431 0C001EAC:0035 01 00000000:00000000 00:00000000 00000000     0 0 5 2 0 0\n",
    "  11: 00000000:007B 00000000:0000 07 00000000:00000000 00:00000000 00000000     0 0 6 2 0 0\n",
]


def test_listeners_by_protocol_port_and_address() -> None:
    """Not what is connected; an IPv4 address is one in a socket of IPv6, too."""
    assert list(parse(TCP, "tcp")) == [("TCP", 22, ""), ("TCP", 58773, "127.0.0.1"), ("TCP", 10250, "172.30.0.11")]
    assert list(parse(UDP, "udp")) == [("UDP", 123, "")]
    six = [("TCP", 80, ""), ("TCP", 81, "::1"), ("TCP", 82, "172.30.0.11"), ("TCP", 83, "fd44::ff00:1")]
    assert list(parse(TCP6, "tcp6")) == six


def test_taken_is_what_listens_at_the_nodes_addresses_or_at_any() -> None:
    found = [("TCP", 22, ""), ("TCP", 53, "10.96.0.10"), ("TCP", 10250, "172.30.0.11")]
    assert taken(found, ("172.30.0.11", "fd00::b")) == {("TCP", 22), ("TCP", 10250)}


def test_taken_inside_is_what_listens_at_loopback_or_at_any() -> None:
    found = [("TCP", 22, ""), ("UDP", 53, "127.0.0.53"), ("TCP", 8080, "::1"), ("TCP", 10250, "172.30.0.11")]
    assert taken_inside(found, IPV4) == {("TCP", 22), ("UDP", 53)}
    assert taken_inside(found, IPV6) == {("TCP", 22), ("TCP", 8080)}


def test_tables_that_are_not_there_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text("".join(TCP))
    assert read(tmp_path) == {("TCP", 22, ""), ("TCP", 58773, "127.0.0.1"), ("TCP", 10250, "172.30.0.11")}
