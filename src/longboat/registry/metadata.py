"""metadata: what the server sets, what clients may not change, and what it must look like."""

from __future__ import annotations

import random
from datetime import UTC

from longboat.machinery import names, uids
from longboat.machinery.errors import StatusError, bad_request
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, parse_timestamp, timestamp
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: no words (apimachinery, util/rand)
SUFFIX_LENGTH = 5
LONGEST_GENERATED_BASE = 63 - SUFFIX_LENGTH
STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")
MAX_ANNOTATIONS = 256 * 1024  # bytes, keys and values together

_META = Path("metadata")
# Made once: every write is held to them.
_BASE, _NAME, _NAMESPACE, _LABELS, _FINALIZERS, _ANNOTATIONS, _OWNERS = (
    _META.at(each)
    for each in ("generateName", "name", "namespace", "labels", "finalizers", "annotations", "ownerReferences")
)
_dice = random.SystemRandom()


def generated(base: str) -> str:
    """A name that begins with `base`."""
    suffix = "".join(_dice.choices(SUFFIX_ALPHABET, k=SUFFIX_LENGTH))
    return base[:LONGEST_GENERATED_BASE] + suffix


def match_namespace(strategy: Strategy, meta: Object, namespace: str) -> None:
    """Bring the object's namespace in line with the request's. Raises StatusError 400 where they differ."""
    if not strategy.kind.namespaced:
        meta.pop("namespace", None)
        return
    given = meta.get("namespace") or ""
    if given and given != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    meta["namespace"] = namespace


def begin(meta: Object, write: Write) -> None:
    """What the server decides about a new object."""
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "selfLink"):
        meta.pop(field, None)
    meta["uid"] = uids.fresh()
    meta["creationTimestamp"] = timestamp(write.now)
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = generated(meta["generateName"])


def carry_over(meta: Object, old: Object) -> None:
    """What an update may leave out, and what it may not decide."""
    for field in ("uid", "deletionGracePeriodSeconds"):  # another one is for validation to refuse
        if field in old:
            meta.setdefault(field, old[field])
    for field in ("creationTimestamp", "deletionTimestamp"):
        if field in old:
            meta[field] = old[field]
    meta.pop("selfLink", None)
    if "generation" in old:
        meta["generation"] = old["generation"]
    else:
        meta.pop("generation", None)


def validate(strategy: Strategy, meta: Object, err: Errors) -> None:
    """What upstream asks of any object's metadata (apimachinery, ValidateObjectMeta)."""
    kind = strategy.kind
    if base := meta.get("generateName"):
        err.extend(_BASE, strategy.name_errors(base.rstrip("-") if base.endswith("-") else base), base)
    name = meta.get("name") or ""
    if not name:
        err.required(_NAME, "name or generateName is required")
    else:
        err.extend(_NAME, strategy.name_errors(name), name)
    namespace = meta.get("namespace") or ""
    if kind.namespaced:
        if not namespace:
            err.required(_NAMESPACE)
        else:
            err.extend(_NAMESPACE, names.dns1123_label(namespace), namespace)
    elif namespace:
        err.forbidden(_NAMESPACE, "not allowed on this type")
    _validate_words(meta, err)
    _validate_finalizers(meta.get("finalizers") or [], err)


def _validate_words(meta: Object, err: Errors) -> None:
    validate_labels(meta.get("labels") or {}, _LABELS, err)
    validate_annotations(meta.get("annotations") or {}, _ANNOTATIONS, err)
    _validate_owners(meta.get("ownerReferences") or [], err)


def validate_standard_finalizers(meta: Object, err: Errors) -> None:
    """What the build's kinds ask beyond that: what is no qualified name is one of the known few."""
    for i, finalizer in enumerate(meta.get("finalizers") or []):
        if "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            err.invalid(_FINALIZERS.index(i), finalizer, why)


def validate_labels(labels: Object, path: Path, err: Errors) -> None:
    for key, value in labels.items():
        err.extend(path, names.qualified_name(key), key)
        err.extend(path, names.label_value(value), value)


def validate_annotations(annotations: Object, path: Path, err: Errors) -> None:
    total = 0
    for key, value in annotations.items():
        err.extend(path, names.qualified_name(key.lower()), key)
        total += len(key.encode()) + len(value.encode())
    if total > MAX_ANNOTATIONS:
        err.too_long(path, MAX_ANNOTATIONS)


def _validate_owners(owners: list[Object], err: Errors) -> None:
    path = _OWNERS
    controller = ""
    for i, owner in enumerate(owners):
        at = path.index(i)
        version = owner.get("apiVersion") or ""
        if not version:
            err.invalid(at.at("apiVersion"), version, "version must not be empty")
        for field in ("kind", "name", "uid"):
            if not owner.get(field):
                err.invalid(at.at(field), "", "must not be empty")
        if version == "v1" and owner.get("kind") == "Event":
            err.invalid(path, f"{version}, Kind={owner.get('kind')}", "is disallowed from being an owner")
        if owner.get("controller"):
            if controller:
                err.invalid(
                    path, owners,
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {controller} and {owner.get("name")}',
                )  # fmt: skip
            controller = owner.get("name") or ""


def _validate_finalizers(finalizers: list[str], err: Errors) -> None:
    path = _FINALIZERS
    for finalizer in finalizers:
        err.extend(path, names.qualified_name(finalizer), finalizer)
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        err.invalid(path, finalizers, "finalizer foregroundDeletion and orphan cannot be both set")


IMMUTABLE = "field is immutable"


def validate_update(new: Object, old: Object, err: Errors) -> None:
    """Between two versions' metadata (apimachinery, ValidateObjectMetaUpdate)."""
    if old.get("deletionTimestamp"):
        had = frozenset(old.get("finalizers") or [])
        added = [f for f in new.get("finalizers") or [] if f not in had]
        if added:
            shown = ", ".join(f'"{f}"' for f in added)
            why = "no new finalizers can be added if the object is being deleted, found new finalizers"
            err.forbidden(_FINALIZERS, f"{why} []string{{{shown}}}")
    for field in ("name", "namespace", "uid"):
        if new.get(field) != old.get(field):
            err.invalid(_META.at(field), new.get(field) or "", IMMUTABLE)
    if (going := new.get("deletionTimestamp")) != old.get("deletionTimestamp"):
        shown = "null" if going is None else f"{parse_timestamp(going).astimezone(UTC):%Y-%m-%d %H:%M:%S} +0000 UTC"
        err.invalid_whole(_META.at("deletionTimestamp"), f"{shown}: {IMMUTABLE}")
    if (seconds := new.get("deletionGracePeriodSeconds")) != old.get("deletionGracePeriodSeconds"):
        err.invalid(_META.at("deletionGracePeriodSeconds"), seconds, IMMUTABLE)
    _validate_words(new, err)


def name_mismatch(given: str, expected: str) -> StatusError:
    return bad_request(f"the name of the object ({given}) does not match the name on the URL ({expected})")
