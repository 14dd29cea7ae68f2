"""What a write does to who owns what, and what applying a configuration makes of an object.

The rules are those of KEP-555 and of structured-merge-diff's Updater. An object may be owned in several versions of its
kind; what changed is then looked at in each of them.
"""

from __future__ import annotations

from typing import Any, Protocol

from longboat.machinery.apply import compare as comparing
from longboat.machinery.apply import fieldset, values
from longboat.machinery.apply.compare import Comparison, compare
from longboat.machinery.apply.fieldset import EMPTY, LEAF, FieldSet
from longboat.machinery.apply.grain import Grain
from longboat.machinery.apply.managed import Managed, Manager, Owned, capped

Object = dict[str, Any]

# What nobody owns: the server decides it, or it is what an object is called.
_UNOWNED: FieldSet = {
    "f:apiVersion": LEAF,
    "f:kind": LEAF,
    "f:metadata": {
        ".": LEAF, "f:name": LEAF, "f:namespace": LEAF, "f:creationTimestamp": LEAF, "f:selfLink": LEAF, "f:uid": LEAF,
        "f:clusterName": LEAF, "f:generation": LEAF, "f:managedFields": LEAF, "f:resourceVersion": LEAF,
    },
}  # fmt: skip


_PRUNING = "failed to prune fields: "
_MERGING = f"{_PRUNING}failed to convert merged object to last applied version: "
_ADDING = f"{_PRUNING}failed add back owned items: "


class View(Protocol):
    """An object's kind in its versions."""

    version: str  # of the request: what is compared is in this version

    def counted(self, change: Comparison) -> Comparison:
        """Without what such a request cannot change, whatever it says."""
        ...

    def owned(self, fields: FieldSet) -> FieldSet:
        """The same of what it speaks of."""
        ...

    def grain(self, version: str) -> Grain | None:
        """None for a version that there is not."""
        ...

    def convert(self, obj: Object, version: str, to: str, during: str = "") -> Object:
        """`during`: what it is for, in upstream's words, where it fails."""
        ...


class Conflicts(Exception):
    """What others own of what is to be changed."""

    def __init__(self, found: dict[Manager, Owned]) -> None:
        super().__init__(found)
        self.found = found


def changed(old: Object, new: Object, view: View) -> Comparison:
    return compare(_grain(view), old, new)


def owned(fields: FieldSet, view: View) -> FieldSet:
    """What of the fields that a request has changed, or speaks of, somebody comes to own."""
    return fieldset.difference(view.owned(fields), _UNOWNED)


def born(blank: Object, new: Object, view: View) -> FieldSet:
    """What the maker of a new object owns: whatever is not as in a blank one."""
    return view.owned(comparing.born(_grain(view), blank, new, _UNOWNED))


def updated(
    managed: Managed, old: Object, new: Object, who: Manager, now: str, view: View, change: Comparison | None = None
) -> Managed:
    """After a write of `who`, which makes `new` of `old`: it owns what it has changed."""
    mine = managed.get(who)
    if mine is not None and mine.version != view.version:
        mine = None
    change = changed(old, new, view) if change is None else change
    managed = _taken(managed, old, new, who if mine is not None else None, view, change, force=True)
    fields = owned(change.changed, view)
    if mine is not None:
        had = fieldset.difference(mine.fields, view.counted(change).removed)
        more = fieldset.union(had, fields)
        if not more:
            del managed[who]
        elif fields:
            managed[who] = Owned(mine.version, had if more == had else fieldset.in_order(more), now)
        elif had is not mine.fields:
            managed[who] = mine._replace(fields=had)
    elif fields:
        if who in managed:
            fields = fieldset.union(managed[who].fields, fields)
        managed[who] = Owned(view.version, fieldset.in_order(fields), now)
    return capped(managed)


def applied(
    managed: Managed, live: Object, config: Object, who: Manager, now: str, view: View, *, force: bool
) -> tuple[Object, Managed]:
    """The object with a configuration laid over it, and without what only `who` owned and no longer speaks of.

    Where nothing changes that is the very object. Raises Conflicts.
    """
    grain = _grain(view)
    merged = values.merge(grain, live, config)
    last = managed.get(who)
    fields = view.owned(values.fields_of(grain, config))
    managed = {**managed, who: Owned(view.version, fields, last.time if last else "")}
    new = _pruned(merged, managed, last, view)
    managed = _taken(managed, live, new, who, view, changed(live, new, view), force=force)
    fields = fieldset.difference(managed[who].fields, _UNOWNED) if who in managed else EMPTY
    unchanged = new == live
    if fields:
        time = managed[who].time if unchanged else now
        managed[who] = Owned(view.version, fieldset.in_order(fields), time)
    else:
        managed.pop(who, None)
    return live if unchanged else new, managed


def _grain(view: View) -> Grain:
    found = view.grain(view.version)
    assert found is not None  # of the version that is served
    return found


def _taken(
    managed: Managed, old: Object, new: Object, applier: Manager | None, view: View, change: Comparison, *, force: bool
) -> Managed:
    """What is left to each manager when `old` becomes `new`, by this change. `applier` keeps what it has.

    Raises Conflicts, unless it is forced.
    """
    seen = {view.version: view.counted(change)}
    left, conflicts = Managed(), dict[Manager, Owned]()
    for who, theirs in managed.items():
        if who == applier:
            left[who] = theirs
            continue
        here = seen.get(theirs.version)
        if here is None:
            grain = view.grain(theirs.version)
            if grain is None:
                continue  # nobody can say any more what it owned
            before = view.convert(old, view.version, theirs.version, "failed to convert old object: ")
            after = view.convert(new, view.version, theirs.version, "failed to convert new object: ")
            here = seen[theirs.version] = view.counted(compare(grain, before, after))
        fields = theirs.fields
        if taken := fieldset.intersection(fields, here.changed):
            conflicts[who] = Owned(theirs.version, taken)
            fields = fieldset.difference(fields, taken)
        fields = fieldset.difference(fields, here.removed)
        if fields is theirs.fields:
            left[who] = theirs
        elif fields:
            left[who] = theirs._replace(fields=fields)
    if conflicts and not force:
        raise Conflicts(conflicts)
    return left


def _pruned(merged: Object, managed: Managed, last: Owned | None, view: View) -> Object:
    """Without what `last` owned, nobody owns now, and no owner's field holds."""
    grain = view.grain(last.version) if last is not None else None
    if last is None or grain is None or not last.fields:
        return merged
    version = last.version
    merged = view.convert(merged, view.version, version, _MERGING)
    before = values.with_holders(grain, last.fields)
    left = values.remove(grain, merged, before)
    for each in sorted({one.version for one in managed.values()}, key=lambda each: each != version):
        if (there := view.grain(each)) is not None:
            both = [
                view.convert(obj, version, each, f"{_ADDING}failed to convert {called} object at version {each}: ")
                for obj, called in ((merged, "merged"), (left, "pruned"))
            ]
            left = _with_owned(there, managed, each, *both)
            left = view.convert(left, each, version, f"{_PRUNING}failed add back dangling items: ")
    had = values.with_holders(grain, values.fields_of(grain, merged))
    has = values.with_holders(grain, values.fields_of(grain, left))
    gone = fieldset.intersection(fieldset.difference(had, has), before)
    return view.convert(values.remove(grain, merged, gone), version, view.version, _PRUNING)


def _with_owned(grain: Grain, managed: Managed, version: str, merged: Object, left: Object) -> Object:
    """What is left of an object, and what somebody owns in this version of it."""
    had, kept = (values.with_holders(grain, values.fields_of(grain, obj)) for obj in (merged, left))
    for each in managed.values():
        if each.version == version:
            kept = fieldset.union(kept, values.with_holders(grain, each.fields))
    found: Object = values.remove(grain, merged, fieldset.difference(had, kept))
    return found
