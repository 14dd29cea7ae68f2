"""Namespace: a scope for names, and for what belongs together."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig, meta
from longboat.machinery.subresource import view
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, rules
from longboat.registry.metadata import STANDARD_FINALIZERS
from longboat.registry.strategy import OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy
from longboat.registry.write import Write

FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"


class Namespace(Strategy):
    kind = kinds.NAMESPACE
    columns = (Column("Status", str, cells.at("status.phase"), description="The status of the namespace."), AGE)
    has_status = True
    generation = False
    subresources = (view("finalize", ("update",)),)
    verbs = ("create", "delete", "get", "list", "patch", "update", "watch")
    returns_deleted = True
    selectable = frozenset(("status.phase",))
    update_order = (*WHOLE_METADATA, OBJECT, *WHOLE_METADATA_CHANGE)

    def name_errors(self, name: str) -> list[str]:
        return names.dns1123_label(name)

    def default(self, obj: Object) -> None:
        if name := meta(obj).get("name"):
            meta(obj).setdefault("labels", {})[NAME_LABEL] = name

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {"phase": "Active"}
        spec = new.setdefault("spec", {})
        finalizers = spec.setdefault("finalizers", [])
        if FINALIZER not in finalizers:
            finalizers.append(FINALIZER)

    def prepare_update(self, new: Object, old: Object, write: Write) -> None:
        """Only the finalize subresource changes the finalizers, and nothing but them."""
        if write.subresource == "finalize":
            finalizers = dig(new, "spec", "finalizers")
            for part in [part for part in new if part not in ("metadata", "kind", "apiVersion")]:
                del new[part]
            new.update({part: old[part] for part in ("spec", "status") if part in old})
            spec = dict(old.get("spec") or {})
        else:
            finalizers, spec = dig(old, "spec", "finalizers"), dict(new.get("spec") or {})
        spec.pop("finalizers", None)
        new["spec"] = spec | ({"finalizers": finalizers} if finalizers else {})

    def validate(self, new: Object, err: Errors) -> None:
        for finalizer in dig(new, "spec", "finalizers", default=()):
            _finalizer(finalizer, Path("spec", "finalizers"), err)

    def validate_part(self, subresource: str, new: Object, old: Object, err: Errors) -> None:
        for i, finalizer in enumerate(dig(new, "spec", "finalizers", default=())):
            _finalizer(finalizer, Path("spec", "finalizers").index(i), err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        phase, going = dig(new, "status", "phase"), dig(new, "metadata", "deletionTimestamp")
        if going and phase != "Terminating":
            why = "may only be 'Terminating' if `deletionTimestamp` is not empty"
            err.invalid(Path("status", "Phase"), phase or "", why)
        elif not going and phase != "Active":
            err.invalid(Path("status", "Phase"), phase or "", "may only be 'Active' if `deletionTimestamp` is empty")

    def fields(self, obj: Object) -> dict[str, str]:
        return {"status.phase": dig(obj, "status", "phase", default="")}

    def begin_delete(self, obj: Object, write: Write) -> None:
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}

    def held(self, obj: Object) -> bool:
        return bool(dig(obj, "spec", "finalizers"))


def _finalizer(name: str, path: Path, err: Errors) -> None:
    rules.label_name(name, path, err)
    if "/" not in name and name not in STANDARD_FINALIZERS:
        err.invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified")
