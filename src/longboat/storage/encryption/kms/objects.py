"""EncryptedObject: the stored form of a value under KMS v2, and the rules it keeps to."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from google.protobuf.message import DecodeError

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.protos import messages
from longboat.storage.encryption.aes import Derived, Gcm
from longboat.storage.encryption.sealer import Sealer, together

AES_GCM_KEY, SEED = 0, 1
MOST_ANNOTATIONS = 32 * 1024  # bytes, of names and values
LONGEST_KEY_ID = LONGEST_SOURCE = 1024  # bytes


class BadObject(Exception):
    """Not an EncryptedObject, or one that breaks the rules; the message is upstream's."""


class Source(NamedTuple):
    """Where a value's key comes from: what the service sealed, which of its keys it used, and what it noted."""

    key_id: str
    sealed: bytes
    annotations: tuple[tuple[str, bytes], ...] = ()
    kind: int = SEED

    def sealer(self, secret: bytes) -> Sealer:
        """What seals with the key or seed that the service gave back. Raises BadObject."""
        try:
            return Derived(secret) if self.kind == SEED else Gcm(secret)
        except ValueError as error:
            raise BadObject(str(error)) from None


def encode(source: Source, data: bytes) -> bytes:
    made: bytes = (
        messages("v2")
        .EncryptedObject(
            encryptedData=data,
            keyID=source.key_id,
            encryptedDEKSource=source.sealed,
            annotations=dict(source.annotations),
            encryptedDEKSourceType=source.kind,
        )
        .SerializeToString(deterministic=True)
    )
    return made


def decode(stored: bytes) -> tuple[Source, bytes]:
    """Raises BadObject."""
    try:
        found = messages("v2").EncryptedObject.FromString(stored)
    except DecodeError:
        raise BadObject("proto: cannot parse invalid wire-format data") from None
    annotations = tuple(sorted(found.annotations.items()))
    source = Source(found.keyID, found.encryptedDEKSource, annotations, found.encryptedDEKSourceType)
    if found.encryptedDEKSourceType not in (AES_GCM_KEY, SEED):
        raise BadObject(f"unknown encryptedDEKSourceType: {found.encryptedDEKSourceType}")
    if not found.encryptedData:
        raise BadObject("encrypted data is empty")
    check(source)
    return source, found.encryptedData


def check(source: Source) -> None:
    """Raises BadObject."""
    if why := _bad_size(source.sealed, "encrypted DEK source", LONGEST_SOURCE):
        raise BadObject(f"failed to validate encrypted DEK source: {why}")
    if why := bad_key_id(source.key_id):
        raise BadObject(f"failed to validate key id: {why}")
    if why := _bad_annotations(dict(source.annotations)):
        raise BadObject(f"failed to validate annotations: {why}")


def bad_key_id(key_id: str) -> str:
    return _bad_size(key_id.encode(), "keyID", LONGEST_KEY_ID)


def hashed(key_id: str) -> str:
    """A key's id as logs and errors show it."""
    return f"sha256:{sha256(key_id.encode()).hexdigest()}" if key_id else ""


def _bad_size(value: bytes, what: str, limit: int) -> str:
    if not value:
        return f"{what} is empty"
    return f"{what} is {len(value)} bytes, which exceeds the max size of {limit}" if len(value) > limit else ""


def _bad_annotations(annotations: Mapping[str, bytes]) -> str:
    err, path = Errors(), Path("annotations")
    for name in annotations:
        _check_domain(name, path, err)
    problems = [str(cause) for cause in err]
    size = sum(len(name.encode()) + len(value) for name, value in annotations.items())
    if size > MOST_ANNOTATIONS:
        problems.append(f"total size of annotations is {size}, which exceeds the max size of {MOST_ANNOTATIONS}")
    return together(problems)


def _check_domain(name: str, path: Path, err: Errors) -> None:
    """A fully qualified domain name: at least two labels."""
    if not name:
        err.required(path)
        return
    bare = name.removesuffix(".")
    if wrong := names.dns1123_subdomain(bare):
        err.extend(path, wrong, name)
    elif "." not in bare:
        err.invalid(path, name, "should be a domain with at least two segments separated by dots")
    else:
        for label in bare.split("."):
            err.extend(path, names.dns1123_label(label), label)
