"""Role and ClusterRole: what may be done."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.table import Column
from longboat.registry.kinds import cells, rules
from longboat.registry.strategy import OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy


class Role(Strategy):
    kind = kinds.ROLE
    update_order = (*WHOLE_METADATA, OBJECT, *WHOLE_METADATA_CHANGE)
    columns: ClassVar[tuple[Column, ...]] = (cells.CREATED_AT,)
    generation = False
    create_on_update = True

    def name_errors(self, name: str) -> list[str]:
        return names.path_segment(name)

    def validate(self, new: Object, err: Errors) -> None:
        for i, rule in enumerate(new.get("rules") or ()):
            _rule(rule, Path("rules").index(i), err, namespaced=self.kind.namespaced)


class ClusterRole(Role):
    kind = kinds.CLUSTER_ROLE

    def validate(self, new: Object, err: Errors) -> None:
        super().validate(new, err)
        if (aggregation := new.get("aggregationRule")) is None:
            return
        path, chosen = Path("aggregationRule", "clusterRoleSelectors"), aggregation.get("clusterRoleSelectors") or []
        if not chosen:
            err.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
        for i, selector in enumerate(chosen):
            rules.label_selector(selector, path.index(i), err)


def _rule(rule: Object, path: Path, err: Errors, *, namespaced: bool) -> None:
    if not rule.get("verbs"):
        err.required(path.at("verbs"), "verbs must contain at least one value")
    if urls := rule.get("nonResourceURLs"):
        if namespaced:
            err.invalid(path.at("nonResourceURLs"), urls, "namespaced rules cannot apply to non-resource URLs")
        if any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            err.invalid(path.at("nonResourceURLs"), urls, why)
        return
    if not rule.get("apiGroups"):
        err.required(path.at("apiGroups"), "resource rules must supply at least one api group")
    if not rule.get("resources"):
        err.required(path.at("resources"), "resource rules must supply at least one resource")
