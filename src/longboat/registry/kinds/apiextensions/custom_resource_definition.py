"""CustomResourceDefinition: a kind that a user adds. What makes one served lies in `apiserver/custom`."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig, meta, timestamp
from longboat.registry.kinds import cells, fill
from longboat.registry.kinds.apiextensions import approval, spec
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
_PRESERVE = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
_ENDING = {
    "type": "Terminating", "status": "True", "lastTransitionTime": "", "reason": "InstanceDeletionPending",
    "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
}  # fmt: skip
_KEPT = ("labels", "annotations", "finalizers", "ownerReferences")


class CustomResourceDefinition(Strategy):
    kind = kinds.CUSTOM_RESOURCE_DEFINITION
    standard_finalizers = False
    unconditional_update = False
    storage_prefix = "apiextensions.k8s.io/customresourcedefinitions"
    former_prefix = "customresourcedefinitions"
    columns = (cells.CREATED_AT,)
    has_status = True
    heavy = True  # a pattern of a few letters may be large when it is compiled

    def default(self, obj: Object) -> None:
        found = fill.part(obj, "spec")
        called = fill.part(found, "names")
        if kind := called.get("kind"):
            fill.empty(called, "singular", kind.lower())
            fill.empty(called, "listKind", f"{kind}List")
        conversion = fill.part(found, "conversion")
        fill.empty(conversion, "strategy", "None")
        if (service := dig(conversion, "webhook", "clientConfig", "service")) is not None:
            fill.absent(service, "port", 443)

    def prepare_create(self, new: Object, write: Write) -> None:
        versions = dig(new, "spec", "versions", default=())
        stored = next((version.get("name") for version in versions if version.get("storage")), None)
        new["status"] = {} if stored is None else {"storedVersions": [stored]}

    def prepare_update(self, new: Object, old: Object, write: Write) -> None:
        """From now on objects may be stored in the version that is."""
        status = dict(new.get("status") or {})
        for version in dig(new, "spec", "versions", default=()):
            if version.get("storage"):
                stored, name = list(status.get("storedVersions") or ()), version.get("name") or ""
                if name not in stored:
                    new["status"] = status | {"storedVersions": [*stored, name]}
                break

    def prepare_status(self, new: Object, old: Object, write: Write) -> None:
        had, status = meta(old), new.get("status") or {}
        kept = {field: had[field] for field in _KEPT if field in had}
        new["metadata"] = {field: value for field, value in meta(new).items() if field not in _KEPT} | kept
        if not status.get("storedVersions"):  # upstream's decoder puts in the one that is
            versions = dig(new, "spec", "versions", default=())
            stored = [version.get("name") for version in versions if version.get("storage")][:1]
            new["status"] = {**status, "storedVersions": stored}

    def held(self, obj: Object) -> bool:
        """It is marked before it goes: its objects go first."""
        return "deletionTimestamp" not in meta(obj)

    def begin_delete(self, obj: Object, write: Write) -> None:
        found = meta(obj)
        if FINALIZER not in (found.get("finalizers") or ()):
            found["finalizers"] = [*(found.get("finalizers") or ()), FINALIZER]
        found.pop("deletionGracePeriodSeconds", None)
        if "generation" in found:
            found["generation"] -= 1  # upstream marks definitions in a way of its own
        status = obj.get("status") or {}
        others = [each for each in status.get("conditions") or () if each.get("type") != "Terminating"]
        obj["status"] = status | {"conditions": [*others, _ENDING | {"lastTransitionTime": timestamp(write.now)}]}

    def validate_create(self, new: Object, err: Errors) -> None:
        found = new.get("spec") or {}
        expected = f"{dig(found, 'names', 'plural', default='')}.{found.get('group') or ''}"
        if (name := meta(new).get("name") or "") != expected:
            err.invalid(Path("metadata", "name"), name, 'must be spec.names.plural+"."+spec.group')
        self._check(new, None, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        self._check(new, old, err)

    def _check(self, new: Object, old: Object | None, err: Errors) -> None:
        found, before, status = new.get("spec") or {}, (old or {}).get("spec"), new.get("status") or {}
        spec.check(found, before, err)
        if before is not None:
            spec.check_change(found, before, err, established=holds(old or {}, "Established"))
        self.validate_status(new, old or {}, err)
        spec.check_stored(status.get("storedVersions"), found, err)
        approval.check(new, old, err)
        if found.get("preserveUnknownFields") and not (before or {}).get("preserveUnknownFields"):
            err.invalid(Path("spec", "preserveUnknownFields"), True, _PRESERVE)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        spec.check_names(dig(new, "status", "acceptedNames", default={}), Path("status", "acceptedNames"), err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        before = set(spec.warnings(old.get("spec") or {})) if old else ()
        return [text for text in dict.fromkeys(spec.warnings(new.get("spec") or {})) if text not in before]


def condition(obj: Object, kind: str) -> Object | None:
    """The condition of a definition that has this type."""
    found = dig(obj, "status", "conditions", default=None) or ()
    return next((each for each in found if each.get("type") == kind), None)


def holds(obj: Object, kind: str) -> bool:
    return (condition(obj, kind) or {}).get("status") == "True"
