"""What is wrong with an EncryptionConfiguration: upstream's rules in upstream's words. Keys are never shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

from longboat.machinery import duration
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.types.scalars import bad_base64
from longboat.storage.encryption.resources import ANY, Resource, parse

KMS_TIMEOUT = 3.0  # seconds, unless the file says
KEY_SIZES = {"aesgcm": (16, 24, 32), "aescbc": (16, 24, 32), "secretbox": (32,)}  # bytes
PROVIDERS = ("kms", *KEY_SIZES, "identity")

NO_PROVIDER = "provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity"
SEVERAL_PROVIDERS = (
    "more than one provider specified in a single element, should split into different list elements"
)  # fmt: skip
OVERLAP = (
    "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed "
    "as they will be masked"
)
EVENTS_GROUP = (
    "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file"
)
STAR = "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"
NO_API = frozenset(("apiserveripinfo", "serviceipallocations", "servicenodeportallocations"))


def problems(configuration: Mapping[str, Any]) -> Errors:
    """`configuration` has the right types already."""
    err, root = Errors(), Path("resources")
    rules = configuration.get("resources") or []
    if not rules:
        err.required(root, "at least one resources is required")
    names: set[str] = set()
    for i, rule in enumerate(rules):
        resources, providers = rule.get("resources") or [], rule.get("providers") or []
        path = root.index(i)
        if not resources:
            err.required(path.at("resources"), f"at least one {path.at('resources')} is required")
        _overlap(resources, path.at("resources"), err)
        for j, name in enumerate(resources):
            if why := _bad_resource(name):
                err.invalid(path.at("resources").index(j), name, why)
        if not providers:
            err.required(path.at("providers"), f"at least one {path.at('providers')} is required")
        for j, provider in enumerate(providers):
            _provider(provider, path.at("providers").index(j), err, names)
    return err


def _overlap(names: Sequence[str], path: Path, err: Errors) -> None:
    pairs = list(combinations([parse(name) for name in names], 2))
    if any(one == other for one, other in pairs):
        err.invalid(path, list(names), "the same resource cannot be specified multiple times")
    if any(_covers_both(one, other) for one, other in pairs):
        err.invalid(path, list(names), OVERLAP)


def _covers_both(one: Resource, other: Resource) -> bool:
    return ANY in (one, other) or (one.group == other.group and "*" in (one.name, other.name))


def _bad_resource(name: str) -> str:
    resource = parse(name)
    if name != name.lower():
        return "resource name should not contain capital letters"
    if name == "*":
        return STAR
    if name in NO_API:
        return "resources which do not have REST API/s cannot be encrypted"
    if resource.group == "events.k8s.io":
        return EVENTS_GROUP
    if resource.group == "extensions":
        return "'extensions' group has been removed and cannot be used for encryption"
    if resource.group == "*" and resource.name != "*":
        return "encrypting the same resource across groups is not supported"
    return ""


def _provider(provider: Mapping[str, Any], path: Path, err: Errors, names: set[str]) -> None:
    found = [kind for kind in PROVIDERS if kind in provider]
    if len(found) != 1:
        err.invalid(path, found, SEVERAL_PROVIDERS if found else NO_PROVIDER)
    if "kms" in found:
        _kms(provider["kms"], path.at("kms"), err, names)
        names.add(provider["kms"].get("name") or "")
    elif found and found[0] in KEY_SIZES:
        _keys(provider[found[0]].get("keys") or [], path.at(found[0], "keys"), err, KEY_SIZES[found[0]])


def _keys(keys: Sequence[Mapping[str, str]], path: Path, err: Errors, sizes: tuple[int, ...]) -> None:
    if not keys:
        err.required(path, "at least one keys is required")
    for i, key in enumerate(keys):
        name, secret = path.index(i).at("name"), path.index(i).at("secret")
        if not key.get("name"):
            err.required(name, "name is a mandatory field for a key")
        if not (encoded := key.get("secret")):
            err.required(secret, "secret is a mandatory field for a key")
        elif bad_base64(encoded) is not None:
            err.invalid(secret, "REDACTED", "secrets must be base64 encoded")
        elif (size := len(encoded) // 4 * 3 - encoded.count("=")) not in sizes:
            expected = f"expected one of [{' '.join(map(str, sizes))}]"
            err.invalid(secret, "REDACTED", f"secret is not of the expected length, got {size}, {expected}")


def _kms(kms: Mapping[str, Any], path: Path, err: Errors, names: set[str]) -> None:
    version, name, endpoint = kms.get("apiVersion") or "v1", kms.get("name") or "", kms.get("endpoint") or ""
    if not name:
        err.required(path.at("name"), "name is a mandatory field for a provider")
    if version != "v1" and ":" in name:
        err.invalid(path.at("name"), name, f"invalid KMS provider name {name}, must not contain ':'")
    if name in names:
        err.invalid(path.at("name"), name, f"duplicate KMS provider name {name}, names must be unique")
    _timeout(kms.get("timeout"), path.at("timeout"), err)
    if not endpoint:
        err.invalid(path.at("endpoint"), "", "endpoint is a mandatory field for a kms")
    elif (scheme := urlsplit(endpoint).scheme) != "unix":
        why = f'unsupported scheme "{scheme}" for KMS provider, only unix is supported'
        err.invalid(path.at("endpoint"), endpoint, why)
    size = kms.get("cachesize")
    if size is not None and version != "v1":
        err.invalid(path.at("cachesize"), size, "cachesize is not supported in v2")
    if size == 0 and version == "v1":
        err.invalid(path.at("cachesize"), size, "cachesize should be a positive value, or negative to disable")
    if version not in ("v1", "v2"):
        why = "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported"
        err.invalid(path.at("apiVersion"), version, why)


def _timeout(text: str | None, path: Path, err: Errors) -> None:
    if text is None:
        return
    try:
        seconds = duration.parse(text)
    except ValueError as error:
        err.invalid(path, text, str(error))
        return
    if seconds <= 0:
        err.invalid(path, text, "timeout should be a positive value")
