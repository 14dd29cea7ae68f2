"""StorageClass: where volumes come from when they are asked for."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, notes, rules
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy

DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
Term = frozenset[tuple[str, frozenset[str]]]
BINDING = ("Immediate", "WaitForFirstConsumer")
MOST_PARAMETERS, MOST_BYTES = 512, 256 << 10
FIXED: Object = {"parameters": {}, "provisioner": "", "reclaimPolicy": "", "volumeBindingMode": ""}


def is_default(obj: Object) -> bool:
    return any(dig(obj, "metadata", "annotations", note) == "true" for note in DEFAULT)


def _name(obj: Object) -> str:
    name: str = dig(obj, "metadata", "name", default="")
    return f"{name} (default)" if is_default(obj) else name


class StorageClass(Strategy):
    kind = kinds.STORAGE_CLASS
    returns_deleted = True
    columns = (
        Column("Name", str, _name, description="The name, and whether it is the default.", format="name"),
        Column("Provisioner", str, cells.at("provisioner"), description="Who makes its volumes."),
        Column("ReclaimPolicy", str, cells.at("reclaimPolicy", "Delete"),
               description="What becomes of a volume when its claim goes."),
        Column("VolumeBindingMode", str, cells.at("volumeBindingMode", "Immediate"),
               description="When a volume is made."),
        Column("AllowVolumeExpansion", bool, cells.at("allowVolumeExpansion", False),
               description="Whether its volumes can grow."),
        AGE,
    )  # fmt: skip
    generation = False
    update_order = (*WHOLE_METADATA, OBJECT, *WHOLE_METADATA_CHANGE, CHANGE)

    def default(self, obj: Object) -> None:
        fill.absent(obj, "reclaimPolicy", "Delete")
        fill.absent(obj, "volumeBindingMode", "Immediate")

    def validate(self, new: Object, err: Errors) -> None:
        provisioner(new.get("provisioner") or "", Path("provisioner"), err)
        parameters(new.get("parameters") or {}, Path("parameters"), err)
        rules.maybe_one_of(new.get("reclaimPolicy"), ("Delete", "Retain"), Path("reclaimPolicy"), err)
        rules.given_one_of(new.get("volumeBindingMode"), BINDING, Path("volumeBindingMode"), err)
        _topologies(new.get("allowedTopologies") or [], Path("allowedTopologies"), err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        path = Path("allowedTopologies")
        return notes.first(
            f"{path.index(i).at('matchLabelExpressions').index(j).at('key')}: {notes.NODE_LABELS[key]}"
            for i, term in enumerate(new.get("allowedTopologies") or ())
            for j, expression in enumerate(term.get("matchLabelExpressions") or ())
            if (key := expression.get("key")) in notes.NODE_LABELS
        )

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        for field, empty in FIXED.items():
            rules.immutable(new.get(field, empty), old.get(field), Path(field), err)


def provisioner(name: str, path: Path, err: Errors) -> None:
    if not name:
        err.required(path)
    else:
        rules.label_name(name.lower(), path, err)


def parameters(found: Object, path: Path, err: Errors) -> None:
    if len(found) > MOST_PARAMETERS:
        err.too_long(path, MOST_PARAMETERS)
        return
    if any(not key for key in found):
        err.invalid(path, "", "field can not be empty.")
    if sum(len(key) + len(value) for key, value in found.items()) > MOST_BYTES:
        err.too_long(path, MOST_BYTES)


def _topologies(terms: list[Object], path: Path, err: Errors) -> None:
    """A term without expressions equals as many as there are terms, and those before it: so upstream counts."""
    seen: dict[Term, int] = {frozenset(): len(terms)}
    for i, term in enumerate(terms):
        at = path.index(i).at("matchLabelExpressions")
        chosen = _expressions(term.get("matchLabelExpressions") or [], at, err)
        for _ in range(seen.get(chosen, 0)):
            err.duplicate(at, "")
        seen[chosen] = seen.get(chosen, 0) + 1


def _expressions(found: list[Object], path: Path, err: Errors) -> Term:
    chosen: dict[str, frozenset[str]] = {}
    for i, expression in enumerate(found):
        at, key, values = path.index(i), expression.get("key") or "", expression.get("values") or []
        if not values:
            err.required(at.at("values"))
        for j in rules.repeated(values):
            err.duplicate(at.at("values").index(j), values[j])
        rules.label_name(key, at.at("key"), err)
        if key in chosen:
            err.duplicate(at.at("key"), key)
        chosen[key] = frozenset(values)
    return frozenset(chosen.items())
