"""What a write rests on: the resourceVersion and uid that it names, and what is said where they are others. Pure.

Sources: apiserver, registry/generic/registry and registry/rest; storage, Preconditions and APIObjectVersioner.
"""

from __future__ import annotations

from dataclasses import replace

from longboat.machinery import errors, strconv
from longboat.machinery.errors import STALE, StatusError
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, meta


def version_of(text: str | None) -> int:
    """The resourceVersion of an object that was sent; 0 stands for none. Raises StatusError 500, without a reason."""
    try:
        return strconv.unsigned(text) if text else 0
    except ValueError as error:
        raise StatusError(500, "", str(error)) from None


def check_unset(text: str | None) -> None:
    """For an object that is to be created. What is no number is taken for none. Raises StatusError 500."""
    try:
        given = strconv.unsigned(text) if text else 0
    except ValueError:
        return
    if given:
        raise StatusError(500, "", "resourceVersion should not be set on objects to be created")


def check_version(kind: Kind, name: str, given: int, current: int, *, unconditional: bool) -> None:
    """`unconditional`: an update that names no version replaces whatever is there. Raises StatusError 409, 422."""
    if given == current or (unconditional and not given):
        return
    if given:
        raise errors.conflict(kind, name, STALE)
    err = Errors()
    err.invalid(Path("metadata", "resourceVersion"), 0, "must be specified for an update")
    raise errors.invalid(replace(kind, name=kind.plural), name, err)


def check_stored(kind: Kind, name: str, key: str, found: Object, *, uid: str = "", version: str = "") -> None:
    """Of the metadata of what is stored at this key, {} where there is nothing. Raises StatusError 409."""
    for given, field, label in ((uid, "uid", "UID"), (version, "resourceVersion", "ResourceVersion")):
        if given and given != (current := found.get(field) or ""):
            why = f"Precondition failed: {label} in precondition: {given}, {label} in object meta: {current}"
            sealed = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {why}"
            raise errors.conflict(kind, name, sealed)


def check_deletion(kind: Kind, obj: Object, wanted: Object) -> None:
    """The preconditions of DeleteOptions. Raises StatusError 409 where the object is not the one that was meant."""
    found = meta(obj)
    for field, label, fate in (
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ):
        want = wanted.get(field)
        if want is not None and want != found.get(field):
            why = f"the {label} in the precondition ({want}) does not match the {label} in record ({found.get(field)})"
            by_kind = replace(kind, plural=kind.name)
            raise errors.conflict(by_kind, found.get("name") or "", f"{why}. The object might have been {fate}")
