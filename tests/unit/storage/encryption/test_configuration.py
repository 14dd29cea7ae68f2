"""EncryptionConfiguration: what is read, and what is refused in which words."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from longboat.machinery import yaml_writer
from longboat.machinery.configfile import BadConfiguration
from longboat.storage.encryption.configuration import (
    Configuration,
    Key,
    Kms,
    Provider,
    digest_of,
    parse,
)

SECRET_32 = base64.b64encode(bytes(32)).decode()
SECRET_7 = base64.b64encode(bytes(7)).decode()
HEAD = "kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\n"
GCM = {"aesgcm": {"keys": [{"name": "key1", "secret": SECRET_32}]}}


def configuration(*rules: dict[str, Any]) -> bytes:
    return HEAD.encode() + yaml_writer.encode({"resources": list(rules)})


def secrets(*providers: dict[str, Any]) -> bytes:
    return configuration({"resources": ["secrets"], "providers": list(providers)})


def refusal(data: bytes) -> str:
    with pytest.raises(BadConfiguration) as refused:
        parse(data)
    return str(refused.value)


def test_every_provider_is_read() -> None:
    keys = {"keys": [{"name": "key1", "secret": SECRET_32}, {"name": "key2", "secret": SECRET_32}]}
    kms = {"apiVersion": "v2", "name": "vault", "endpoint": "unix:///run/kms.sock"}
    data = secrets({"aesgcm": keys}, {"aescbc": keys}, {"secretbox": keys}, {"kms": kms}, {"identity": {}})
    read = parse(data)
    both = (Key("key1", bytes(32)), Key("key2", bytes(32)))
    assert read == Configuration(read.rules, digest_of(data))
    assert read.rules[0].resources == ("secrets",)
    assert read.rules[0].providers == (
        Provider("aesgcm", both),
        Provider("aescbc", both),
        Provider("secretbox", both),
        Provider("kms", kms=Kms("v2", "vault", "unix:///run/kms.sock", 3.0)),
        Provider("identity"),
    )


def test_json_is_read_too_and_no_key_is_ever_printed() -> None:
    data = (
        b'{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{"resources":'
        b'["secrets"],"providers":[{"secretbox":{"keys":[{"name":"k","secret":"%s"}]}}]}]}' % SECRET_32.encode()
    )
    read = parse(data)
    assert read.rules[0].providers[0].keys == (Key("k", bytes(32)),)
    assert "\\x00" not in repr(read) and SECRET_32 not in repr(read)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "Object 'Kind' is missing"),
        (b"kind: EncryptionConfiguration", "Object 'apiVersion' is missing"),
        (HEAD.encode(), "resources: Required value: at least one resources is required"),
        (HEAD.encode() + b"resourcess: []", 'strict decoding error: unknown field "resourcess"'),
        (
            HEAD.encode() + b"resources: {}",
            "json: cannot unmarshal object into Go struct field EncryptionConfiguration.resources "
            "of type []v1.ResourceConfiguration",
        ),
        (configuration({"resources": [], "providers": [GCM]}),
         "resources[0].resources: Required value: at least one resources[0].resources is required"),
        (configuration({"resources": ["secrets"], "providers": []}),
         "resources[0].providers: Required value: at least one resources[0].providers is required"),
        (secrets({}), "resources[0].providers[0]: Invalid value: []: provider does not contain any of the expected "
                      "providers: KMS, AESGCM, AESCBC, Secretbox, Identity"),
        (secrets(GCM | {"identity": {}}), 'resources[0].providers[0]: Invalid value: ["aesgcm","identity"]: more than '
                                          "one provider specified in a single element, should split into different "
                                          "list elements"),
        (secrets({"aesgcm": {}}),
         "resources[0].providers[0].aesgcm.keys: Required value: at least one keys is required"),
        (secrets({"aescbc": {"keys": [{"secret": SECRET_32}]}}),
         "resources[0].providers[0].aescbc.keys[0].name: Required value: name is a mandatory field for a key"),
        (secrets({"aescbc": {"keys": [{"name": "a"}]}}),
         "resources[0].providers[0].aescbc.keys[0].secret: Required value: secret is a mandatory field for a key"),
        (secrets({"aescbc": {"keys": [{"name": "a", "secret": "YQ=b"}]}}),
         'resources[0].providers[0].aescbc.keys[0].secret: Invalid value: "REDACTED": secrets must be base64 encoded'),
        (secrets({"aesgcm": {"keys": [{"name": "a", "secret": SECRET_7}]}}),
         'resources[0].providers[0].aesgcm.keys[0].secret: Invalid value: "REDACTED": secret is not of the expected '
         "length, got 7, expected one of [16 24 32]"),
        (secrets({"secretbox": {"keys": [{"name": "a", "secret": SECRET_7}]}}),
         'resources[0].providers[0].secretbox.keys[0].secret: Invalid value: "REDACTED": secret is not of the expected '
         "length, got 7, expected one of [32]"),
        (secrets(GCM, {"aesgcm": {"keys": []}}, {}),
         "[resources[0].providers[1].aesgcm.keys: Required value: at least one keys is required, "
         "resources[0].providers[2]: Invalid value: []: provider does not contain any of the expected providers: KMS, "
         "AESGCM, AESCBC, Secretbox, Identity]"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_in_upstreams_words(data: bytes, why: str) -> None:
    assert refusal(data) == why


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        ("Secrets", "resource name should not contain capital letters"),
        ("*", "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"),
        ("serviceipallocations", "resources which do not have REST API/s cannot be encrypted"),
        ("events.events.k8s.io", "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. "
                                 "Use 'events' instead in the config file"),
        ("ingresses.extensions", "'extensions' group has been removed and cannot be used for encryption"),
        ("secrets.*", "encrypting the same resource across groups is not supported"),
    ],
)  # fmt: skip
def test_a_resource_that_cannot_be_meant_is_refused(resource: str, why: str) -> None:
    data = configuration({"resources": [resource], "providers": [GCM]})
    assert refusal(data) == f'resources[0].resources[0]: Invalid value: "{resource}": {why}'


OVERLAP = (
    "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed "
    "as they will be masked"
)  # fmt: skip


@pytest.mark.parametrize(
    ("resources", "why"),
    [
        (["secrets", "secrets"], "the same resource cannot be specified multiple times"),
        (["secrets", "*."], OVERLAP),
        (["jobs.batch", "*.batch"], OVERLAP),
        (["jobs.batch", "*.*"], OVERLAP),
    ],
)
def test_resources_of_one_list_do_not_overlap(resources: list[str], why: str) -> None:
    shown = "[" + ",".join(f'"{name}"' for name in resources) + "]"
    data = configuration({"resources": resources, "providers": [GCM]})
    assert refusal(data) == f"resources[0].resources: Invalid value: {shown}: {why}"


def kms(**changes: Any) -> dict[str, Any]:
    settings = {"apiVersion": "v2", "name": "vault", "endpoint": "unix:///run/kms.sock", "timeout": "1s"} | changes
    return {"kms": {key: value for key, value in settings.items() if value is not None}}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": None}, "name: Required value: name is a mandatory field for a provider"),
        ({"name": "a:b"}, 'name: Invalid value: "a:b": invalid KMS provider name a:b, must not contain \':\''),
        ({"endpoint": None}, 'endpoint: Invalid value: "": endpoint is a mandatory field for a kms'),
        ({"endpoint": "tcp://1.2.3.4"}, 'endpoint: Invalid value: "tcp://1.2.3.4": unsupported scheme "tcp" for KMS '
                                        "provider, only unix is supported"),
        ({"timeout": "0s"}, 'timeout: Invalid value: "0s": timeout should be a positive value'),
        ({"timeout": "soon"}, 'timeout: Invalid value: "soon": time: invalid duration "soon"'),
        ({"cachesize": 5}, "cachesize: Invalid value: 5: cachesize is not supported in v2"),
        ({"apiVersion": "v1", "cachesize": 0}, "cachesize: Invalid value: 0: cachesize should be a positive value, or "
                                               "negative to disable"),
        ({"apiVersion": "v3"}, 'apiVersion: Invalid value: "v3": unsupported apiVersion apiVersion for KMS provider, '
                               "only v1 and v2 are supported"),
    ],
)  # fmt: skip
def test_a_bad_kms_is_refused(changes: dict[str, Any], why: str) -> None:
    assert refusal(secrets(kms(**changes))) == f"resources[0].providers[0].kms.{why}"


def test_kms_names_are_unique() -> None:
    assert "duplicate KMS provider name vault, names must be unique" in refusal(secrets(kms(), kms()))


def test_another_kind_is_refused() -> None:
    wanted = 'no kind "Secret" is registered for version "v1" (expected EncryptionConfiguration, '
    assert refusal(b"kind: Secret\napiVersion: v1") == f"{wanted}apiserver.config.k8s.io/v1)"
