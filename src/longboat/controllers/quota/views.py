"""What the controller of quotas sees."""

from __future__ import annotations

from typing import Any, ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.machinery.kinds import Kind


class Spec(Part):
    hard: dict[str, str] = {}
    scopes: list[str] = []
    scopeSelector: dict[str, Any] | None = None


class Status(Part):
    hard: dict[str, str] = {}
    used: dict[str, str] = {}


class ResourceQuota(View):
    KIND: ClassVar[Kind] = kinds.RESOURCE_QUOTA

    spec: Spec = Spec()
    status: Status = Status()
