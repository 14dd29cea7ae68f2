"""CSIDriver, CSINode and CSIStorageCapacity: what is known of the drivers of storage."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.machinery.types import internal
from longboat.registry.kinds import cells, fill, notes, rules
from longboat.registry.kinds.core.pod import volumes
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy

_SPEC = Path("spec")
FS_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
LIFECYCLES = ("Persistent", "Ephemeral")
TOKENS_SHOWN = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible "
    "logging of tokens in volume attributes"
)
SHORTEST_PERIOD = 10  # seconds
LONGEST_NODE_ID = 256
NODE_DRIVER = "io.k8s.api.storage.v1.CSINodeDriver"


def _modes(driver: Object) -> str:
    return cells.joined(dig(driver, "spec", "volumeLifecycleModes", default=()), cells.UNSET)


def _audiences(driver: Object) -> str:
    return cells.joined(
        (r.get("audience") or "" for r in dig(driver, "spec", "tokenRequests", default=())), cells.UNSET
    )


class CSIDriver(Strategy):
    kind = kinds.CSI_DRIVER
    returns_deleted = True
    unconditional_update = False
    columns = (
        Column("AttachRequired", bool, cells.at("spec.attachRequired", True),
               description="Whether volumes are attached before they are mounted."),
        Column("PodInfoOnMount", bool, cells.at("spec.podInfoOnMount", False),
               description="Whether the driver is told of the pod."),
        Column("StorageCapacity", bool, cells.at("spec.storageCapacity", False),
               description="Whether the scheduler asks how much room is left."),
        Column("TokenRequests", str, _audiences, description="The audiences of the tokens the driver gets."),
        Column("RequiresRepublish", bool, cells.at("spec.requiresRepublish", False),
               description="Whether it is called again and again for a mounted volume."),
        Column("Modes", str, _modes, description="Which kinds of volumes it serves."),
        AGE,
    )  # fmt: skip
    first_generation = 0

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        fill.absent(spec, "attachRequired", True)
        fill.absent(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType")
        for field in ("podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"):
            fill.absent(spec, field, False)
        fill.empty(spec, "volumeLifecycleModes", ["Persistent"])

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        rules.given_one_of(spec.get("fsGroupPolicy"), FS_GROUP_POLICIES, _SPEC.at("fsGroupPolicy"), err)
        _token_requests(spec.get("tokenRequests") or [], _SPEC.at("tokenRequests"), err)
        for mode in spec.get("volumeLifecycleModes") or ():
            if mode not in LIFECYCLES:
                err.not_supported(_SPEC.at("volumeLifecycleModes"), mode, LIFECYCLES, as_given=True)
        period = spec.get("nodeAllocatableUpdatePeriodSeconds")
        if period is not None and period < SHORTEST_PERIOD:
            why = "must be greater than or equal to 10 seconds"
            err.invalid(_SPEC.at("nodeAllocatableUpdatePeriodSeconds"), period, why)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        for field, shown in (("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")):
            now, before = dig(new, "spec", field), dig(old, "spec", field)
            if now != before:
                err.invalid(_SPEC.at(shown), now, rules.IMMUTABLE)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Of drivers that ask for tokens and do not say how they want them (KEP-5538)."""
        asks = dig(new, "spec", "tokenRequests") and dig(new, "spec", "serviceAccountTokenInSecrets") is None
        return [TOKENS_SHOWN] if asks and old is None else []


def _token_requests(found: list[Object], path: Path, err: Errors) -> None:
    seen: set[str] = set()
    for i, request in enumerate(found):
        audience, seconds = request.get("audience") or "", request.get("expirationSeconds")
        if audience in seen:
            err.duplicate(path.index(i).at("audience"), audience)
            continue
        seen.add(audience)
        if seconds is not None and seconds < volumes.SHORTEST_TOKEN:
            why = "may not specify a duration less than 10 minutes"
            err.invalid(path.index(i).at("expirationSeconds"), seconds, why)
        if seconds is not None and seconds > volumes.LONGEST_TOKEN:
            why = "may not specify a duration larger than 2^32 seconds"
            err.invalid(path.index(i).at("expirationSeconds"), seconds, why)


class CSINode(Strategy):
    kind = kinds.CSI_NODE
    returns_deleted = True
    unconditional_update = False
    columns = (
        Column("Drivers", int, lambda node: len(dig(node, "spec", "drivers", default=())),
               description="How many drivers the node has."),
        AGE,
    )  # fmt: skip
    generation = False

    update_order = (*WHOLE_METADATA, OBJECT, CHANGE)

    def validate(self, new: Object, err: Errors) -> None:
        drivers = dig(new, "spec", "drivers", default=[])
        again = frozenset(rules.repeated(driver.get("name") or "" for driver in drivers))
        for i, driver in enumerate(drivers):
            _node_driver(driver, i in again, _SPEC.at("drivers").index(i), err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        """What a driver said of a node stays, but for how much it takes."""
        before = dig(old, "spec", "drivers", default=())
        for driver in dig(new, "spec", "drivers", default=()):
            now = _lasting(driver)
            said = [_lasting(each) for each in before if each.get("name") == driver.get("name")]
            if said and now not in said:
                shown = driver.copy()
                shown.pop("allocatable", None)
                err.invalid(_SPEC.at("drivers"), internal.whole(NODE_DRIVER, shown), rules.IMMUTABLE)


def _lasting(driver: Object) -> Object:
    return {field: value for field, value in driver.items() if field != "allocatable" and value}


def _node_driver(driver: Object, again: bool, path: Path, err: Errors) -> None:
    rules.driver_name(driver.get("name") or "", path.at("name"), err)
    node = driver.get("nodeID") or ""
    if not node:
        err.required(path.at("nodeID"))
    if len(node.encode()) > LONGEST_NODE_ID:
        err.invalid(path.at("nodeID"), node, f"must be {LONGEST_NODE_ID} characters or less")
    rules.not_negative(dig(driver, "allocatable", "count"), path.at("allocatable", "count"), err)
    if again:
        err.duplicate(path.at("name"), driver.get("name") or "")
    keys = driver.get("topologyKeys") or []
    seen_again = frozenset(rules.repeated(keys))
    for i, key in enumerate(keys):
        if not key:
            err.required(path)
        if i in seen_again:
            err.duplicate(path, key)
        rules.label_name(key, path, err)


class CSIStorageCapacity(Strategy):
    kind = kinds.CSI_STORAGE_CAPACITY
    unconditional_update = False
    columns = (
        Column("StorageClassName", str, cells.at("storageClassName"), description="Of which class."),
        Column("Capacity", str, cells.at("capacity"), description="How much room is left."),
        AGE,
    )
    generation = False
    update_order = (*WHOLE_METADATA, OBJECT, *WHOLE_METADATA_CHANGE, CHANGE)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return notes.first(notes.node_selector(new.get("nodeTopology") or {}, Path("nodeTopology")))

    def validate(self, new: Object, err: Errors) -> None:
        rules.label_selector(new.get("nodeTopology"), Path("nodeTopology"), err)
        name = new.get("storageClassName") or ""
        err.extend(Path("storageClassName"), names.dns1123_subdomain(name), name)
        if (room := new.get("capacity")) is not None:
            rules.amount_not_negative(room, Path("capacity"), err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        topology, name = new.get("nodeTopology"), new.get("storageClassName") or ""
        if topology != old.get("nodeTopology"):
            err.invalid(Path("nodeTopology"), topology, rules.IMMUTABLE)
        if name != (old.get("storageClassName") or ""):
            err.invalid(Path("storageClassName"), name, rules.IMMUTABLE)
