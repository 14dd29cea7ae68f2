"""RoleBinding and ClusterRoleBinding: who may do it."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import fill
from longboat.registry.strategy import Strategy

GROUP = kinds.ROLE.group


def _subjects(kind: str) -> Column:
    def shown(binding: Object) -> str:
        found = [s for s in binding.get("subjects") or () if s.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{s.get('namespace') or ''}/{s.get('name') or ''}" for s in found)
        return ", ".join(s.get("name") or "" for s in found)

    return Column(f"{kind}s", str, shown, 1, f"{kind}s in the binding.")


def _role(binding: Object) -> str:
    return f"{dig(binding, 'roleRef', 'kind', default='')}/{dig(binding, 'roleRef', 'name', default='')}"


class RoleBinding(Strategy):
    kind = kinds.ROLE_BINDING
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Role", str, _role, description="The role that is granted."),
        AGE,
        _subjects("User"),
        _subjects("Group"),
        _subjects("ServiceAccount"),
    )
    generation = False

    def name_errors(self, name: str) -> list[str]:
        return names.path_segment(name)

    def default(self, obj: Object) -> None:
        fill.empty(fill.part(obj, "roleRef"), "apiGroup", GROUP)
        for subject in fill.each(obj, "subjects"):
            if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
                subject["apiGroup"] = GROUP


class ClusterRoleBinding(RoleBinding):
    kind = kinds.CLUSTER_ROLE_BINDING
