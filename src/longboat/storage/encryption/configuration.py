"""EncryptionConfiguration (apiserver.config.k8s.io/v1): what a file says about which keys seal which resources."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from longboat.machinery import configfile, duration
from longboat.machinery.configfile import BadConfiguration
from longboat.machinery.types.shapes import SCALARS, List, Shape, Struct
from longboat.storage.encryption import validation
from longboat.storage.encryption.sealer import together

VERSION, KIND = "apiserver.config.k8s.io/v1", "EncryptionConfiguration"
LOCAL = ("aesgcm", "aescbc", "secretbox")  # providers whose keys are in the file


@dataclass(frozen=True)
class Key:
    name: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True)
class Kms:
    """A key management service behind a Unix socket. `timeout` in seconds."""

    version: str
    name: str
    endpoint: str
    timeout: float


@dataclass(frozen=True)
class Provider:
    """`kind` is aesgcm, aescbc, secretbox (these have keys), kms or identity."""

    kind: str
    keys: tuple[Key, ...] = ()
    kms: Kms | None = None


@dataclass(frozen=True)
class Rule:
    """The first provider seals these resources (`secrets`, `jobs.batch`, `*.`, `*.apps`, `*.*`); all of them open."""

    resources: tuple[str, ...]
    providers: tuple[Provider, ...]


@dataclass(frozen=True)
class Configuration:
    """`digest` tells one content of the file from another."""

    rules: tuple[Rule, ...]
    digest: str


def digest_of(data: bytes) -> str:
    """As upstream's metric apiserver_encryption_config_controller_last_config_info has it."""
    return f"sha256:{sha256(data).hexdigest()}"


def parse(data: bytes) -> Configuration:
    """Raises BadConfiguration."""
    checked = read(data)
    problems = validation.problems(checked)
    if problems:
        raise BadConfiguration(together([str(cause) for cause in problems]))
    return Configuration(tuple(map(_rule, checked["resources"])), digest_of(data))


def read(data: bytes) -> dict[str, Any]:
    """The document, its types and field names checked; not yet whether it makes sense. Raises BadConfiguration, which
    never holds a key."""
    return configfile.read(data, KIND, (VERSION,), _CONFIGURATION)


def _rule(rule: Mapping[str, Any]) -> Rule:
    return Rule(tuple(rule["resources"]), tuple(map(_provider, rule["providers"])))


def _provider(provider: Mapping[str, Any]) -> Provider:
    ((kind, settings),) = provider.items()
    if kind == "identity":
        return Provider(kind)
    if kind == "kms":
        version, timeout = settings.get("apiVersion") or "v1", settings.get("timeout")
        seconds = validation.KMS_TIMEOUT if timeout is None else duration.parse(timeout)
        return Provider(kind, kms=Kms(version, settings["name"], settings["endpoint"], seconds))
    keys = tuple(Key(key["name"], base64.b64decode(key["secret"])) for key in settings["keys"])
    return Provider(kind, keys)


def _struct(name: str, /, **fields: Shape) -> Struct:
    return configfile.struct(f"io.k8s.apiserver.v1.{name}", **fields)


_STRING = SCALARS["string"]
_KEY = _struct("Key", name=_STRING, secret=_STRING)
_AES = _struct("AESConfiguration", keys=List(_KEY))
_PROVIDER = _struct(
    "ProviderConfiguration",
    aesgcm=_AES,
    aescbc=_AES,
    secretbox=_struct("SecretboxConfiguration", keys=List(_KEY)),
    identity=_struct("IdentityConfiguration"),
    kms=_struct(
        "KMSConfiguration",
        apiVersion=_STRING,
        name=_STRING,
        cachesize=SCALARS["int32"],
        endpoint=_STRING,
        timeout=_STRING,
    ),
)
_CONFIGURATION = _struct(
    "EncryptionConfiguration",
    kind=_STRING,
    apiVersion=_STRING,
    resources=List(_struct("ResourceConfiguration", resources=List(_STRING), providers=List(_PROVIDER))),
)
