"""What `--store etcd://…` may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from longboat.storage.etcd.address import Address, parse


@pytest.mark.parametrize(
    ("text", "endpoints", "prefix"),
    [
        ("etcd://a:1", ("a:1",), "/registry"),
        ("etcd://a", ("a:2379",), "/registry"),
        ("etcd://a:1/", ("a:1",), "/registry"),
        ("etcd://a:1,b:2,a:1", ("a:1", "b:2"), "/registry"),
        ("etcd://10.0.0.1:2379/clusters/one/", ("10.0.0.1:2379",), "/clusters/one"),
        ("etcd://[::1]:1,[fd00::2]", ("[::1]:1", "[fd00::2]:2379"), "/registry"),
    ],
)
def test_an_address_says_where_and_beneath_what(text: str, endpoints: tuple[str, ...], prefix: str) -> None:
    found = parse(text)
    assert (found.endpoints, found.prefix, found.tls) == (endpoints, prefix, False)
    assert parse(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:///a", "etcd://", "etcd://,a:1", "etcd://a:0", "etcd://a:65536", "etcd://a:b", "etcd://user@a:1",
        "etcd://::1:1", "etcd://a:1/x/../y", "etcd://a:1//x//y", "etcd://a b:1", "http://a:1",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_a_certificate_needs_its_key_and_any_file_means_tls() -> None:
    with pytest.raises(ValueError, match="belong together"):
        parse("etcd://a:1", certificate=Path("c"))
    assert parse("etcd://a:1", ca=Path("ca")) == Address(("a:1",), ca=Path("ca"))
    assert parse("etcd://a:1", ca=Path("ca")).tls
