"""The steps by which one key takes another's place in an EncryptionConfiguration: pure, each safe to repeat.

1. `admit`: the new key opens, so that every API server can read what it will seal.
2. `prefer`: the new key seals. From here on, what the old key has sealed is sealed anew.
3. `retire`: the new key alone is left.

An API server must have taken up each step before the next is made.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from longboat.storage.encryption.configuration import KIND, LOCAL, VERSION

Document = dict[str, Any]
"""An EncryptionConfiguration as JSON values, known to be valid."""

KEY_BYTES = 32


def first(name: str, secret: bytes, *, clear: bool) -> Document:
    """What a cluster starts with: Secrets are sealed. `clear`: there are some that are not, which must be read."""
    providers: list[Document] = [{"aesgcm": {"keys": [_key(name, secret)]}}]
    if clear:
        providers.append({"identity": {}})
    return {"kind": KIND, "apiVersion": VERSION, "resources": [{"resources": ["secrets"], "providers": providers}]}


def admit(document: Document, name: str, secret: bytes) -> Document:
    return _with_keys(document, lambda keys: keys if name in _names(keys) else [*keys, _key(name, secret)])


def prefer(document: Document, name: str) -> Document:
    return _with_keys(document, lambda keys: sorted(keys, key=lambda key: key["name"] != name))


def retire(document: Document, name: str) -> Document:
    """Rules that this key does not seal for stay as they are."""
    changed = []
    for rule in document["resources"]:
        kind, keys = _local(rule)
        kept = [key for key in keys if key["name"] == name]
        changed.append(rule | {"providers": [{kind: {"keys": kept}}]} if kept else rule)
    return document | {"resources": changed}


def name_of(moment: datetime) -> str:
    """The name of a key made now: it tells how old the key is, and no two of a cluster's keys ever share one."""
    return f"{moment:%Y-%m-%dT%H-%M-%SZ}"


def rotates(document: Document) -> bool:
    """Whether any rule seals with a key that is in the document."""
    return any(_local(rule)[1] for rule in document["resources"])


def _key(name: str, secret: bytes) -> dict[str, str]:
    return {"name": name, "secret": base64.b64encode(secret).decode()}


def _names(keys: list[dict[str, str]]) -> set[str]:
    return {key["name"] for key in keys}


def _local(rule: Mapping[str, Any]) -> tuple[str, list[dict[str, str]]]:
    """The kind and the keys of the provider that seals, if its keys are in the document; else no keys."""
    ((kind, settings),) = rule["providers"][0].items()
    return kind, settings["keys"] if kind in LOCAL else []


def _with_keys(document: Document, change: Any) -> Document:
    """The document with the keys of each rule's first provider changed."""
    changed = []
    for rule in document["resources"]:
        kind, keys = _local(rule)
        if keys:
            rule = rule | {"providers": [{kind: {"keys": change(keys)}}, *rule["providers"][1:]]}
        changed.append(rule)
    return document | {"resources": changed}
