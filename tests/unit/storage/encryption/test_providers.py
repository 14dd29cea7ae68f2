"""Which provider seals, which of them open, and which resources they are for."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import pytest

from longboat.machinery import yaml_writer
from longboat.machinery.configfile import BadConfiguration
from longboat.storage.encryption.aes import Gcm
from longboat.storage.encryption.configuration import parse
from longboat.storage.encryption.keyring import Keyring
from longboat.storage.encryption.providers import sealers
from longboat.storage.encryption.resources import Resource, by_prefix
from longboat.storage.encryption.resources import parse as resource
from longboat.storage.encryption.sealer import CannotOpen, Opened, Sealer

KEY = "/registry/secrets/default/a"
STORED = {
    resource("secrets"): ("/registry/secrets/",),
    resource("events"): ("/registry/events/",),
    resource("events.events.k8s.io"): ("/registry/events/",),
    resource("services"): ("/registry/services/specs/",),
    resource("jobs.batch"): ("/registry/jobs/",),
}


def keys(*names: str) -> dict[str, Any]:
    return {"keys": [{"name": name, "secret": base64.b64encode(name.encode() * 32).decode()} for name in names]}


def no_kms(_: object) -> Sealer:
    raise AssertionError


def table(*rules: tuple[str, list[Mapping[str, Any]]]) -> dict[Resource, Sealer]:
    listed = [{"resources": names.split(), "providers": providers} for names, providers in rules]
    head = {"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1"}
    return sealers(parse(yaml_writer.encode(head | {"resources": listed})), no_kms)


def secrets(*providers: Mapping[str, Any]) -> Sealer:
    return table(("secrets", list(providers)))[resource("secrets")]


def seal(sealer: Sealer, plain: bytes = b"plain") -> bytes:
    return asyncio.run(sealer.seal(KEY, plain))


def opened(sealer: Sealer, stored: bytes) -> Opened:
    return asyncio.run(sealer.open(KEY, stored))


@pytest.mark.parametrize("kind", ["aesgcm", "aescbc", "secretbox"])
def test_a_value_says_which_provider_and_key_sealed_it(kind: str) -> None:
    sealed = seal(secrets({kind: keys("a", "b")}))
    assert sealed.startswith(f"k8s:enc:{kind}:v1:a:".encode())
    assert opened(secrets({kind: keys("a", "b")}), sealed) == (b"plain", False)


def test_what_is_not_sealed_with_the_first_key_of_the_first_provider_is_stale() -> None:
    by_b, by_box = seal(secrets({"aesgcm": keys("b")})), seal(secrets({"secretbox": keys("c")}))
    several = secrets({"aesgcm": keys("a", "b")}, {"secretbox": keys("c")}, {"identity": {}})
    assert opened(several, seal(several)) == (b"plain", False)
    assert opened(several, by_b) == (b"plain", True)
    assert opened(several, by_box) == (b"plain", True)
    assert opened(several, b"plain") == (b"plain", True)


def test_two_providers_may_share_a_prefix() -> None:
    """Upstream's own example: the key is in the second one."""
    sealed = seal(secrets({"aescbc": keys("b")}))
    assert opened(secrets({"aescbc": keys("a")}, {"aescbc": keys("b")}), sealed) == (b"plain", True)


def test_identity_first_leaves_sealed_values_to_the_others() -> None:
    sealed = seal(secrets({"aesgcm": keys("a")}))
    turned_off = secrets({"identity": {}}, {"aesgcm": keys("a")})
    assert seal(turned_off) == b"plain"
    assert opened(turned_off, sealed) == (b"plain", True)


def refusal(sealer: Sealer, stored: bytes) -> str:
    with pytest.raises(CannotOpen) as refused:
        opened(sealer, stored)
    return str(refused.value)


def test_what_no_provider_opens_is_refused_in_upstreams_words() -> None:
    sealed = seal(secrets({"aesgcm": keys("a")}))
    assert refusal(secrets({"aesgcm": keys("a")}), b"plain") == "no matching prefix found"
    assert refusal(secrets({"aescbc": keys("a")}), sealed) == "no matching prefix found"
    assert refusal(secrets({"aesgcm": keys("b")}), sealed) == (
        "no matching key was found for the provided AES transformer"
    )
    boxed = seal(secrets({"secretbox": keys("a")}))
    assert refusal(secrets({"secretbox": keys("b")}), boxed) == (
        "no matching key was found for the provided Secretbox transformer"
    )
    assert refusal(Keyring().sealer(KEY), sealed) == "identity transformer tried to read encrypted data"
    wrong = secrets({"aesgcm": {"keys": [{"name": "a", "secret": base64.b64encode(bytes(32)).decode()}]}})
    assert refusal(wrong, sealed) == "cipher: message authentication failed"


def prefixes(*rules: tuple[str, list[Mapping[str, Any]]]) -> dict[str, str]:
    """Where each rule's values lie, by the name of its first key ("" for identity)."""
    found = {}
    for prefix, sealer in by_prefix(table(*rules), STORED).items():
        sealed = seal(sealer)
        found[prefix] = sealed.split(b":")[4].decode() if sealed != b"plain" else ""
    return found


def test_rules_are_found_by_the_storage_key() -> None:
    gcm = {name: [{"aesgcm": keys(name)}] for name in "abcd"}
    assert prefixes(("secrets services", gcm["a"]), ("widgets.example.com", gcm["b"])) == {
        "/registry/secrets/": "a",
        "/registry/services/specs/": "a",
        "/registry/example.com/widgets/": "b",
    }
    assert prefixes(("jobs.batch", gcm["a"]), ("*.batch", gcm["b"]), ("*.", gcm["c"])) == {
        "/registry/jobs/": "a",
        "/registry/secrets/": "c",
        "/registry/services/specs/": "c",
        "/registry/events/": "c",
        "/registry/batch/": "b",
    }
    assert prefixes(("events", [{"identity": {}}]), ("*.*", gcm["d"])) == {
        "/registry/events/": "",
        "/registry/secrets/": "d",
        "/registry/services/specs/": "d",
        "/registry/jobs/": "d",
        "/registry/": "d",
    }


def test_a_later_rule_that_an_earlier_one_hides_is_refused() -> None:
    gcm = [{"aesgcm": keys("a")}]
    for names, masked, mask in (
        (("*.", "secrets"), "secrets", "*."),
        (("*.batch", "jobs.batch"), "jobs.batch", "*.batch"),
        (("*.*", "*."), "*.", "*.*"),
    ):
        with pytest.raises(BadConfiguration) as refused:
            table(*((name, gcm) for name in names))
        assert str(refused.value) == f'resource "{masked}" is masked by earlier rule "{mask}"'


def test_the_longest_prefix_counts() -> None:
    one, other = Gcm(bytes(16)), Gcm(bytes(16))
    ring = Keyring({"/registry/": one, "/registry/services/specs/": other})
    assert ring.sealer("/registry/services/specs/default/web") is other
    assert ring.sealer("/registry/services/endpoints/default/web") is one
    assert ring.sealer("/other/key") is ring.clear
