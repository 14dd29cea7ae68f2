"""RoleBinding and ClusterRoleBinding: who may do it."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.machinery.types import internal
from longboat.registry.kinds import fill, rules
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy

GROUP = kinds.ROLE.group
_ROLE_REF = "io.k8s.api.rbac.v1.RoleRef"


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
    update_order = (*WHOLE_METADATA, OBJECT, *WHOLE_METADATA_CHANGE, CHANGE)
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Role", str, _role, description="The role that is granted."),
        AGE,
        _subjects("User"),
        _subjects("Group"),
        _subjects("ServiceAccount"),
    )
    generation = False
    create_on_update = True
    grants: ClassVar[tuple[str, ...]] = ("Role", "ClusterRole")

    def name_errors(self, name: str) -> list[str]:
        return names.path_segment(name)

    def default(self, obj: Object) -> None:
        fill.empty(fill.part(obj, "roleRef"), "apiGroup", GROUP)
        for subject in fill.each(obj, "subjects"):
            if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
                subject["apiGroup"] = GROUP

    def validate(self, new: Object, err: Errors) -> None:
        ref, path = new.get("roleRef") or {}, Path("roleRef")
        if ref.get("apiGroup") != GROUP:
            err.not_supported(path.at("apiGroup"), ref.get("apiGroup") or "", (GROUP,))
        if ref.get("kind") not in self.grants:
            err.not_supported(path.at("kind"), ref.get("kind") or "", self.grants, as_given=True)
        rules.named(ref.get("name") or "", path.at("name"), err, names.path_segment)
        for i, subject in enumerate(new.get("subjects") or ()):
            _subject(subject, Path("subjects").index(i), err, namespaced=self.kind.namespaced)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        new_ref, old_ref = (internal.whole(_ROLE_REF, obj.get("roleRef") or {}) for obj in (new, old))
        if new_ref != old_ref:
            err.invalid(Path("roleRef"), new_ref, "cannot change roleRef")


class ClusterRoleBinding(RoleBinding):
    kind = kinds.CLUSTER_ROLE_BINDING
    grants = ("ClusterRole",)


def _subject(subject: Object, path: Path, err: Errors, *, namespaced: bool) -> None:
    kind, name = subject.get("kind") or "", subject.get("name") or ""
    group = subject.get("apiGroup") or ""
    if not name:
        err.required(path.at("name"))
    match kind:
        case "ServiceAccount":
            if name:
                err.extend(path.at("name"), names.dns1123_subdomain(name), name)
            if group:
                err.not_supported(path.at("apiGroup"), group, ("",))
            if not namespaced and not subject.get("namespace"):
                err.required(path.at("namespace"))
        case "User" | "Group":
            if group != GROUP:
                err.not_supported(path.at("apiGroup"), group, (GROUP,))
        case _:
            err.not_supported(path.at("kind"), kind, ("ServiceAccount", "User", "Group"), as_given=True)
