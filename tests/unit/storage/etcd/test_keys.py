"""Keys lie where upstream has them, and ours before them all."""

from __future__ import annotations

import pytest

from longboat.storage.etcd.keys import Keys


@pytest.mark.parametrize("prefix", ["/registry", "/clusters/one"])
def test_keys_are_those_of_upstream_beneath_the_prefix(prefix: str) -> None:
    keys = Keys(prefix)
    key = "/registry/pods/default/é"
    assert keys.inner(key) == f"{prefix}/pods/default/é".encode()
    assert keys.outer(keys.inner(key)) == key


@pytest.mark.parametrize("prefix", ["/registry", "/clusters/one"])
def test_a_range_begins_after_a_key_and_ends_with_the_prefix(prefix: str) -> None:
    keys = Keys(prefix)
    inner = prefix.encode()
    assert keys.range("/registry/pods/", "") == (inner + b"/pods/", inner + b"/pods0")
    assert keys.range("/registry/pods/", "/registry/pods/a/x") == (inner + b"/pods/a/x\0", inner + b"/pods0")
    assert keys.range("/registry/pods/", "/registry/a") == (inner + b"/pods/", inner + b"/pods0")


def test_listings_of_everything_leave_out_what_is_ours_and_nothing_else() -> None:
    keys = Keys("/registry")
    start, end = keys.range("/registry/", "")
    for name in ("0", "apiextensions.k8s.io/x/y", "zzz"):
        assert start <= keys.inner(f"/registry/{name}") < end
    for own in (keys.identity, keys.mark):
        assert keys.all[0] <= own < start
