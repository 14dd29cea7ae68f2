"""What upstream warns about in more than one kind: labels and annotations that have had their day, half bytes, and
addresses that are not in their one form. As many as a Warning header holds, whatever the object has of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import rules

MOST = 50  # notes of any sort: a Warning header holds fewer
NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
STORAGE_CLASS = "volume.beta.kubernetes.io/storage-class"
MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
ANNOTATIONS = {
    STORAGE_CLASS: 'deprecated since v1.8; use "storageClassName" attribute instead',
    MOUNT_OPTIONS: 'deprecated since v1.31; use "mountOptions" attribute instead',
}
VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_CALLED = {"storageos": "storageOS"}

Texts = Iterable[tuple[Path, str]]  # addresses or ranges, and where they are


def first(found: Iterable[str]) -> list[str]:
    """The first of many notes."""
    return list(islice(found, MOST))


def annotated(obj: Object, *known: str) -> list[str]:
    """Those of `known` that an object still has."""
    given, at = dig(obj, "metadata", "annotations", default={}), Path("metadata", "annotations")
    return [f"{at.key(name)}: {ANNOTATIONS[name]}" for name in known if name in given]


def volume(source: Object, path: Path) -> Iterator[str]:
    """Sources whose plugins are gone. `path` is what they are fields of."""
    for kind, why in VOLUMES.items():
        if source.get(kind) is not None:
            yield f"{path.at(_CALLED.get(kind, kind))}: {why}"


def node_term(term: Object, path: Path, *, any_value: bool = False) -> Iterator[str]:
    """A term of a node selector. `any_value`: values that no label can have are let through there, and only warned
    about."""
    for i, expression in enumerate(term.get("matchExpressions") or ()):
        at, key = path.at("matchExpressions").index(i), expression.get("key") or ""
        if key in NODE_LABELS:
            yield f"{at.at('key')}: {key} is {NODE_LABELS[key]}"
        for j, value in enumerate(expression.get("values") or () if any_value else ()):
            for why in names.label_value(value):
                yield f"{at.at('values').index(j)}: {value} is invalid, {why}"


def node_selector(selector: Object, path: Path) -> Iterator[str]:
    """A label selector of nodes."""
    yield from node_term(selector, path)
    for label in sorted(selector.get("matchLabels") or ()):
        if label in NODE_LABELS:
            yield f"{path.at('matchLabels', label)}: {NODE_LABELS[label]}"


def fractions(amounts: Object | None, path: Path, *resources: str) -> Iterator[str]:
    """There is no half of a byte."""
    for resource in resources:
        if resource in (amounts or {}):
            found = rules.amount((amounts or {})[resource], path, Errors())
            if found.milli % 1000:
                yield f'{path.key(resource)}: fractional byte value "{found}" is invalid, must be an integer'


def claim(spec: Object, path: Path) -> Iterator[str]:
    """A PersistentVolumeClaimSpec."""
    for part in ("requests", "limits"):
        yield from fractions(dig(spec, "resources", part), path.at("resources", part), "storage")


def addresses(found: Texts) -> list[str]:
    return _each(found, names.about_address)


def ranges(found: Texts) -> list[str]:
    return _each(found, names.about_range)


def _each(found: Texts, about: Callable[[str, str], list[str]]) -> list[str]:
    return first(note for path, text in found for note in about(str(path), text))
