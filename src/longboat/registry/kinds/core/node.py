"""Node: a machine that runs pods."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors
from longboat.machinery.objects import Object, dig
from longboat.machinery.subresource import Subresource, proxy
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells
from longboat.registry.kinds.core import node_rules
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy
from longboat.registry.write import Write

ROLE_PREFIX, ROLE = "node-role.kubernetes.io/", "kubernetes.io/role"


def status(node: Object) -> str:
    ready = next((c for c in dig(node, "status", "conditions", default=()) if c.get("type") == "Ready"), None)
    shown = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{shown},SchedulingDisabled" if dig(node, "spec", "unschedulable") else shown


def roles(node: Object) -> str:
    labels = dig(node, "metadata", "labels", default={})
    found = {key.removeprefix(ROLE_PREFIX) for key in labels if key.startswith(ROLE_PREFIX)} | {labels.get(ROLE, "")}
    return cells.joined(sorted(found - {""}))


def address(node: Object, kind: str) -> str:
    found = dig(node, "status", "addresses", default=())
    return next((a.get("address") or "" for a in found if a.get("type") == kind), cells.NONE)


def _info(name: str, field: str, description: str) -> Column:
    path = ("status", "nodeInfo", field)
    return Column(name, str, lambda node: dig(node, *path) or cells.UNKNOWN, 1, description)


class Node(Strategy):
    kind = kinds.NODE
    columns = (
        Column("Status", str, status, description="The status of the node."),
        Column("Roles", str, roles, description="The roles of the node."),
        AGE,
        Column("Version", str, cells.at("status.nodeInfo.kubeletVersion"), description="The version of its agent."),
        Column("Internal-IP", str, lambda node: address(node, "InternalIP"), 1, "Its address within the cluster."),
        Column("External-IP", str, lambda node: address(node, "ExternalIP"), 1, "Its address from outside."),
        _info("OS-Image", "osImage", "The operating system it runs."),
        _info("Kernel-Version", "kernelVersion", "The kernel it runs."),
        _info("Container-Runtime", "containerRuntimeVersion", "The container runtime it uses."),
    )
    has_status = True
    born_with_status = True
    generation = False
    update_order = (*WHOLE_METADATA, OBJECT, *WHOLE_METADATA_CHANGE, CHANGE)
    storage_prefix = "minions"
    subresources = (
        proxy("NodeProxyOptions"),
        Subresource("csi", ("create",), long_running=True, deep=True, listed=False),
    )
    selectable = frozenset(("spec.unschedulable",))

    def default(self, obj: Object) -> None:
        node_rules.default(obj)

    def prepare_create(self, new: Object, write: Write) -> None:
        node_rules.drop_dynamic_configuration(new, {})

    def prepare_update(self, new: Object, old: Object, write: Write) -> None:
        node_rules.drop_dynamic_configuration(new, old)

    def prepare_status(self, new: Object, old: Object, write: Write) -> None:
        node_rules.drop_dynamic_configuration(new, old)

    def validate(self, new: Object, err: Errors) -> None:
        node_rules.validate(new, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        node_rules.validate_update(new, old, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        node_rules.validate_update(new, old, err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return node_rules.notes_of(new.get("spec") or {})

    def fields(self, obj: Object) -> dict[str, str]:
        return {"spec.unschedulable": "true" if dig(obj, "spec", "unschedulable") else "false"}
