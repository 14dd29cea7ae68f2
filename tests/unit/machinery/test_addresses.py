"""What an address stands for, however it is written."""

from __future__ import annotations

import pytest

from longboat.machinery import addresses


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("10.0.0.1", ""), ("192.168.0.1", ""), ("2001:db8::1", ""), ("fd00::1", ""), ("64:ff9b::a00:1", ""),
        ("2002:a00:1::", ""), ("127.0.0.1", "loopback"), ("127.255.0.9", "loopback"), ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"), ("::FFFF:7F00:1", "loopback"), ("::127.0.0.1", "loopback"),
        ("64:ff9b::127.0.0.1", "loopback"), ("2002:7f00:1::", "loopback"), ("::ffff:0:127.0.0.1", "loopback"),
        ("0.0.0.0", "unspecified"), ("0.9.9.9", "unspecified"), ("::", "unspecified"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("169.254.169.254", "link-local"), ("::ffff:169.254.169.254", "link-local"), ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"), ("239.1.1.1", "multicast"), ("ff0e::1", "multicast"),
        ("255.255.255.255", "multicast"),
    ],
)  # fmt: skip
def test_what_is_no_other_machines(text: str, kind: str) -> None:
    assert addresses.special(addresses.parse(text)) == kind


def test_an_ipv4_address_is_one_in_any_dress() -> None:
    assert str(addresses.parse("::ffff:10.0.0.1")) == "10.0.0.1"
    assert str(addresses.network("::ffff:10.0.0.0/104")) == "10.0.0.0/8"
    assert str(addresses.network("10.1.2.3/8")) == "10.0.0.0/8"


@pytest.mark.parametrize(
    "text", ["", "None", "localhost", "10.0.0.1.", "010.0.0.1", "fe80::1%eth0", "1.2.3.4 }", "::1\n"]
)
def test_what_is_no_address(text: str) -> None:
    for parse in (addresses.parse, addresses.network):
        with pytest.raises(ValueError):
            parse(text)


@pytest.mark.parametrize(
    "text", ["10.0.0.0/255.0.0.0", "10.0.0.0/08", "10.0.0.0/", "fe80::%x/64", "10.0.0.0/33", "::/129"]
)
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(ValueError):
        addresses.network(text)
