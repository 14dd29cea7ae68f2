"""Role and ClusterRole: what may be done."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.objects import Object
from longboat.machinery.table import Column
from longboat.registry.kinds import cells
from longboat.registry.strategy import Strategy


class Role(Strategy):
    kind = kinds.ROLE
    columns: ClassVar[tuple[Column, ...]] = (cells.CREATED_AT,)
    generation = False

    def name_errors(self, name: str) -> list[str]:
        return names.path_segment(name)

    def default(self, obj: Object) -> None:
        if obj.get("rules") is None:
            obj["rules"] = []


class ClusterRole(Role):
    kind = kinds.CLUSTER_ROLE
