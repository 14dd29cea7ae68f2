"""Who owns replicas: entries of an object as its Scale shows them, and back (managedfields, ScaleHandler).

A Scale has one field that is the object's too. Whoever owns that of the object owns `.spec.replicas` of the Scale, and
who comes to own it through the Scale has an entry in the object that names the subresource, and no time.
"""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.apply import fieldset, managed, updater
from longboat.machinery.apply.compare import Comparison
from longboat.machinery.apply.fieldset import LEAF, FieldSet, Path
from longboat.machinery.apply.grain import Grain
from longboat.machinery.apply.managed import APPLY, BEFORE, UPDATE, Managed, Owned
from longboat.machinery.objects import Object
from longboat.registry.write import Write

VERSION = kinds.SCALE.api_version
_REPLICAS: FieldSet = {"f:spec": {"f:replicas": LEAF}}
_NOTHING: Object = {
    "kind": kinds.SCALE.name,
    "apiVersion": VERSION,
    "metadata": {},
    "spec": {},
    "status": {"replicas": 0},
}


class ScaleView:
    """updater.View of Scales, of which there is one version."""

    version = VERSION

    def __init__(self, grain: Grain) -> None:
        self._grain = grain

    def grain(self, version: str) -> Grain | None:
        return self._grain if version == VERSION else None

    def convert(self, obj: Object, version: str, to: str, during: str = "") -> Object:
        return obj

    def counted(self, change: Comparison) -> Comparison:
        return change

    def owned(self, fields: FieldSet) -> FieldSet:
        return fields


def applied(
    entries: Managed, path: Path, version: str, live: Object, config: Object, write: Write, grain: Grain, *, force: bool
) -> tuple[Object, Managed]:
    """A Scale with a configuration laid over it, and the entries of the object whose it is.

    `path`: where the object, of this version, has its replicas. Raises updater.Conflicts.
    """
    view = ScaleView(grain)
    shown = Managed()
    for who, owned in entries.items():
        if fieldset.has(owned.fields, path):
            who = who._replace(version=VERSION) if who.version else who
            shown[who] = Owned(VERSION, _REPLICAS, owned.time)
    if not shown:
        first = managed.manager(BEFORE, UPDATE, VERSION, write.subresource)
        shown = updater.updated({}, _NOTHING, live, first, "", view)
    who = managed.manager(write.manager or "", APPLY, VERSION, write.subresource)
    new, left = updater.applied(shown, live, config, who, "", view, force=force)
    return new, _back(entries, left, path, version)


def _back(entries: Managed, left: Managed, path: Path, version: str) -> Managed:
    found, new = Managed(), dict(left)
    for who, owned in entries.items():
        shown = who._replace(version=VERSION) if who.version else who
        if not fieldset.has(owned.fields, path) or new.pop(shown, None) is not None:
            found[who] = owned
        elif fields := fieldset.difference(owned.fields, fieldset.single(path)):
            found[who] = Owned(owned.version, fields, owned.time)
    for who, owned in new.items():
        if owned.fields == _REPLICAS:
            who = who._replace(version=version) if who.version else who
            found[who] = Owned(version, fieldset.single(path))
    return found
