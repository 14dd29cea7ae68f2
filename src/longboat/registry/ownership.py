"""Who owns which fields of a kind's objects: keeps metadata.managedFields at every write, and applies configurations.

The rules are `machinery.apply`'s; here is what a kind and a request add: its type in all its versions, what a request
through a subresource cannot change, and when entries are not kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from longboat.api import kinds
from longboat.machinery.apply import fieldset, fit, managed, takeover, updater, values, wording
from longboat.machinery.apply import grain as grains
from longboat.machinery.apply.compare import Comparison
from longboat.machinery.apply.fieldset import LEAF, FieldSet, Path
from longboat.machinery.apply.grain import Grain
from longboat.machinery.apply.managed import APPLY, BEFORE, UPDATE, Managed, Owned
from longboat.machinery.apply.updater import Conflicts
from longboat.machinery.errors import StatusError, bad_request, invalid
from longboat.machinery.fieldpath import Errors
from longboat.machinery.objects import Object, meta, timestamp
from longboat.machinery.types import check
from longboat.machinery.types import converted as conversions
from longboat.machinery.types.schema import IGNORE, Schema
from longboat.machinery.types.settle import settle
from longboat.machinery.types.shapes import Struct
from longboat.machinery.types.structural import Structural
from longboat.machinery.types.wording import Mistake
from longboat.registry import scaled
from longboat.registry.conversion import Unconverted
from longboat.registry.requested import Requested
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

MANAGED = "managedFields"
_ABSENT = object()

_INVALID = (
    ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating "
    "admission controller; please fix your requests"
)

_STATUS: FieldSet = {"f:status": LEAF}
_SPEC: FieldSet = {"f:spec": LEAF}
# What a write through a subresource cannot change beside that (upstream's strategies, GetResetFields).
_RESET: dict[tuple[str, str], FieldSet] = {
    ("pods", "status"): {**_SPEC, "f:metadata": {"f:deletionTimestamp": LEAF, "f:ownerReferences": LEAF}},
    ("deployments.apps", "status"): {**_SPEC, "f:metadata": {"f:labels": LEAF}},
    ("certificatesigningrequests.certificates.k8s.io", "approval"): {**_SPEC, "f:status": {"f:certificate": LEAF}},
}
_RESIZED = ("f:resources", "f:resizePolicy")
# Subresources that change nothing else than this.
_ONLY: dict[tuple[str, str], tuple[Path, ...]] = {
    ("pods", "ephemeralcontainers"): (("f:spec", "f:ephemeralContainers"),),
    ("pods", "resize"): tuple(
        ("f:spec", part, "*", what) for part in ("f:containers", "f:initContainers") for what in _RESIZED
    ),
}


class Ownership:
    """Of one version of a kind. `versions`: those of its other versions too, by apiVersion; they share it."""

    def __init__(self, strategy: Strategy, schema: Schema, versions: dict[str, Ownership]) -> None:
        self.strategy, self._schema, self.versions = strategy, schema, versions
        self._empty: Object | None = None
        self._views: dict[str, Requested] = {}  # by subresource
        self._version = strategy.kind.api_version
        versions[self._version] = self

    @property
    def _type(self) -> Struct | None:
        return self._schema.type(self.strategy.kind)

    @property
    def grain(self) -> Grain | None:
        """None for a kind that has no type: nobody owns parts of it."""
        return None if self._type is None else grains.of(self._type)

    def to_hub(self, obj: Object) -> Object:
        hub = self.strategy.hub
        found = self.strategy.to_hub(obj) if hub else obj
        return found if found is not obj or hub is None else dict(obj)

    def from_hub(self, obj: Object) -> Object:
        kind, struct = self.strategy.kind, self._type
        found = self.strategy.from_hub(obj) if self.strategy.hub else obj
        found = {**found, "kind": kind.name, "apiVersion": kind.api_version}
        return settle(struct, found, defaults=False)[0] if isinstance(struct, Structural) else found

    def update(self, old: Object | None, new: Object, write: Write) -> None:
        """Settle a new object's entries; `old` is what it follows, None where it is created.

        What cannot be told is left as it was. Raises conversion.Unconverted.
        """
        if write.manager is None or self._type is None:
            return
        given = meta(new).get(MANAGED, _ABSENT)
        try:
            self._update(old, new, write)
        except Unconverted:
            if given is not _ABSENT:
                meta(new)[MANAGED] = given
            raise

    def _update(self, old: Object | None, new: Object, write: Write) -> None:
        found = meta(new)
        given, had = found.pop(MANAGED, None), meta(old).get(MANAGED) if old is not None else None
        view, version = self._view(write), self._version
        who = managed.manager(write.manager or "", UPDATE, version, write.subresource)
        now = timestamp(write.now) if write.subresource != "scale" else ""  # as upstream has it
        if old is None and given is None:
            if fields := updater.born(self._empty_of(new), new, view):
                found[MANAGED] = [managed.entry(who, Owned(version, fields, now))]
            return
        change: Comparison | None = None
        if old is not None and had and (given is None or given == had or write.subresource):
            found[MANAGED] = had  # which are not looked at where they are the same
            change = updater.changed(old, new, view)
            after = self._renewed(had, who, change, now, view)
            if after is not None:
                found[MANAGED] = after
                return
            del found[MANAGED]
        entries = self._entries(given, had, write)
        if not entries and (old is not None or managed.is_reset(given)):
            return  # nobody's objects stay nobody's until something is applied to them
        if write.subresource == "scale" and not self._scaled(entries):
            if had:
                found[MANAGED] = had
            return
        before = self._empty_of(new) if old is None else _bare(old)
        settled = updater.updated(entries, before, new, who, now, view, change)
        if settled:
            found[MANAGED] = managed.encode(settled)

    def _renewed(
        self, had: list[Object], who: managed.Manager, change: Comparison, now: str, view: Requested
    ) -> list[Object] | None:
        """The entries where they stay as they are but for a time; None where more is to be done."""
        if isinstance(self._type, Structural):
            return None  # what had parts may have become a whole
        added, removed = (updater.owned(each, view) for each in (change.added, change.removed))
        if added or removed:
            return None
        fields = updater.owned(change.modified, view)
        return managed.renewed(had, who, fields, now) if fields else had

    def _entries(self, given: Any, had: Any, write: Write) -> Managed:
        """Those that a client has sent with the object, if they are any, else those there were."""
        if given and given != had and not write.subresource:
            if managed.is_reset(given):
                return {}
            if (sent := _checked(given)) is not None and sent:
                return self._settled(sent)
        try:
            return self._settled(managed.decode(had or ()))
        except managed.BadEntries:
            return {}

    def _settled(self, entries: Managed) -> Managed:
        """As the types are now: those of custom kinds may have become others."""
        if not isinstance(self._type, Structural):
            return entries
        found = Managed()
        for who, owned in entries.items():
            there = self.versions.get(owned.version)
            if there is not None and there.grain is not None:
                found[who] = owned._replace(fields=values.collapsed(there.grain, owned.fields))
        return found

    def _scaled(self, entries: Managed) -> bool:
        return any(fieldset.has(owned.fields, self.replicas) for owned in entries.values())

    @property
    def replicas(self) -> Path:
        """Of what the scale subresource changes."""
        scale = self.strategy.scale
        return tuple(f"f:{step}" for step in (scale.spec_replicas if scale else "spec.replicas").split("."))

    def apply(self, live: Object | None, config: Object, write: Write, *, force: bool) -> Object:
        """A configuration laid over what there is. Raises StatusError: 400, 409 for what others own, 500 for what does
        not fit its type."""
        kind, grain = self.strategy.kind, self.grain
        check_kind(config, kind.api_version, kind.name)
        if grain is None:
            raise bad_request(f"{kind.resource} cannot be applied")
        if (config.get("metadata") or {}).get(MANAGED) is not None:
            raise bad_request("metadata.managedFields must be nil")
        self._fit(grain, config)
        view, now = self._view(write), timestamp(write.now)
        base = live if live is not None else self._empty_of(config)
        had = base.get("metadata", {}).get(MANAGED)
        base = _bare(base)
        try:
            entries = self._settled(managed.decode(had or ()))
        except managed.BadEntries as error:
            raise StatusError(500, "", f"failed to decode managed fields: {error}") from error
        if not entries and live is not None:
            first = managed.manager(BEFORE, UPDATE, self._version, write.subresource)
            entries = updater.updated({}, self._empty_of(config), base, first, now, view)
        if self.strategy.converter is not None:  # as upstream, which begins with the object as all owners know it
            for version in sorted({owned.version for owned in entries.values()}):
                view.convert(base, self._version, version)
        who = managed.manager(write.manager or "", APPLY, self._version, write.subresource)
        new, entries = self._applied(entries, base, config, who, now, view, force=force)
        if write.manager == takeover.KUBECTL:
            new = takeover.annotate(new, config)
        changed = new is not base
        new = {**new, "metadata": dict(new.get("metadata") or {})}
        if changed or live is None:
            new = self._typed(new, config)
        if entries:
            meta(new)[MANAGED] = managed.encode(entries)
        return new

    def apply_scale(self, live: Object, shown: Object, config: Object, write: Write, *, force: bool) -> Object:
        """As `apply`, of the Scale that is `shown` of an object: the Scale. The entries are put into the object's."""
        check_kind(config, scaled.VERSION, kinds.SCALE.name)
        struct = self._schema.type(kinds.SCALE)
        assert struct is not None
        grain = grains.of(struct)
        self._fit(grain, config)
        entries = self._entries(None, meta(live).get(MANAGED), write)
        try:
            new, after = scaled.applied(
                entries, self.replicas, self._version, shown, config, write, grain, force=force
            )  # fmt: skip
        except Conflicts as conflicts:
            raise wording.refused(conflicts.found) from None
        live["metadata"] = {**meta(live), MANAGED: managed.encode(after)}
        if not after:
            del live["metadata"][MANAGED]
        return self._schema.check_object(kinds.SCALE, new, IGNORE)[0]

    def _applied(
        self, entries: Managed, live: Object, config: Object, who: managed.Manager, now: str, view: Requested, *,
        force: bool,
    ) -> tuple[Object, Managed]:  # fmt: skip
        try:
            return updater.applied(entries, live, config, who, now, view, force=force)
        except Conflicts as conflicts:
            found = conflicts.found
            if who.name == takeover.KUBECTL and view.grain(view.version) is not None:
                free = takeover.allowed(live, grains.of(self._type), self._version) if self._type else {}
                if not (found := takeover.beyond(found, free)):
                    return updater.applied(entries, live, config, who, now, view, force=True)
            raise wording.refused(found) from None

    def _fit(self, grain: Grain, config: Object) -> None:
        try:
            fit.check(grain, config)
        except fit.Misfit as error:
            raise StatusError(
                500, "", f"failed to create typed patch object ({self._named(config)}): {error}"
            ) from error

    def _typed(self, new: Object, config: Object) -> Object:
        """As objects of the type are. Raises StatusError 500, as upstream has it for what passes only so far."""
        if isinstance(self._type, Structural):
            found = self._schema.check_object(self.strategy.kind, new, IGNORE)[0]
            self._check_nulls(new, found)
            return found
        assert self._type is not None
        try:
            return check.struct(self._type, new)
        except Mistake as error:
            why = conversions.mistake(self._type, new) or str(error)
            if why.startswith("illegal base64"):
                why = f"error decoding from json: {why}"
            kind = self._identity(config)
            raise StatusError(
                500, "",
                f"failed to convert new object ({self._named(config)}) to proper version: "
                f"unable to convert unstructured object to {kind}: {why}",
            ) from error  # fmt: skip

    def _check_nulls(self, given: Object, read: Object) -> None:
        """Reading an object drops nulls that its schema does not allow; in what is applied they are refused.

        Raises StatusError 422.
        """
        kind = self.strategy.type
        if kind is None or not _lacks_null(given, read):
            return
        err = Errors()
        kind.validate(_with_nulls(given, read), err)
        if err:
            raise invalid(self.strategy.kind, meta(read).get("name") or "", err)

    def _identity(self, config: Object) -> str:
        kind = self.strategy.kind
        return f"{kind.group}/{kind.version}, Kind={kind.name}"

    def _named(self, config: Object) -> str:
        found = config.get("metadata") or {}
        return f"{found.get('namespace') or ''}/{found.get('name') or ''}; {self._identity(config)}"

    def _view(self, write: Write) -> Requested:
        part = write.subresource
        if (found := self._views.get(part)) is None:
            resource, reset = self.strategy.kind.resource, _RESET.get((self.strategy.kind.resource, part))
            if reset is None and part == "":
                reset = _STATUS if self.strategy.has_status else {}
            elif reset is None:
                reset = _SPEC if part == "status" else {}
                if reset and isinstance(self._type, Structural):  # a custom kind's status is all that is written
                    reset = {**_SPEC, "f:metadata": LEAF}
            only = _ONLY.get((resource, part), ())
            found = self._views[part] = Requested(self.versions, self.strategy, self._version, reset, only)
        return found

    def _empty_of(self, like: Object) -> Object:
        """What an object of the kind is before anybody has said anything of it."""
        if self._empty is None:
            kind = self.strategy.kind
            head: Object = {"kind": kind.name, "apiVersion": kind.api_version}
            built_in = self._type is not None and not isinstance(self._type, Structural)
            self._empty = head | check.struct(self._type, {}) if self._type and built_in else head
        return self._empty


def _checked(given: Iterable[Any]) -> Managed | None:
    """The entries that a client has sent; None for what are none."""
    try:
        managed.check(given)
        return managed.decode(given)
    except managed.BadEntries:
        return None


def _bare(obj: Object) -> Object:
    if MANAGED not in obj.get("metadata", {}):
        return obj
    return {**obj, "metadata": {name: value for name, value in obj["metadata"].items() if name != MANAGED}}


def _lacks_null(given: Any, read: Any) -> bool:
    """Whether a null is not there any more. Reading keeps the order of lists, and drops nothing from them."""
    if isinstance(given, dict) and isinstance(read, dict):
        return any(_lacks_null(value, read[name]) if name in read else value is None for name, value in given.items())
    if isinstance(given, list) and isinstance(read, list):
        return any(map(_lacks_null, given, read))
    return False


def _with_nulls(given: Any, read: Any) -> Any:
    if isinstance(given, dict) and isinstance(read, dict):
        lost = {name: None for name, value in given.items() if value is None and name not in read}
        return {name: _with_nulls(given.get(name), value) for name, value in read.items()} | lost
    if isinstance(given, list) and isinstance(read, list):
        return list(map(_with_nulls, given, read))
    return read


def check_kind(config: Object, version: str, name: str) -> None:
    """Raises StatusError 400 for a configuration of another version or kind."""
    given, called = (config.get(part) if isinstance(config.get(part), str) else "" for part in ("apiVersion", "kind"))
    if given != version or called != name:
        shown = "/" if not given else given if "/" in given else f"/{given}"
        raise bad_request(f"invalid object type: {shown}, Kind={called}")


def keep_valid(obj: Object, before: list[Object] | None, write: Write) -> None:
    """Put back the entries that an object had before admission, where that has left something that is none."""
    now = meta(obj).get(MANAGED)
    if not now or now is before or now == before:
        return
    try:
        managed.check(now)
    except managed.BadEntries as error:
        write.warnings.append(f"{_INVALID}: {error}")
        meta(obj)[MANAGED] = before
        if not before:
            del meta(obj)[MANAGED]


def keep_owners(obj: Object, before: Object | None) -> None:
    """Leave the entries of an object as they were before it was changed."""
    had = meta(before).get(MANAGED) if before is not None else None
    meta(obj)[MANAGED] = had
    if not had:
        del meta(obj)[MANAGED]


def keep_times(new: Object, old: Object) -> None:
    """Where two versions differ in nothing but the times of entries, those of the old one stay."""
    mine, theirs = meta(new).get(MANAGED), meta(old).get(MANAGED)
    if not mine or not theirs or mine == theirs or not managed.same_but_times(mine, theirs):
        return
    parts = (part for part in new.keys() | old.keys() if part != "metadata")
    if all(new.get(part) == old.get(part) for part in parts) and _resting(new) == _resting(old):
        meta(new)[MANAGED] = theirs


def _resting(obj: Object) -> Object:
    return {name: value for name, value in meta(obj).items() if name not in (MANAGED, "resourceVersion")}
