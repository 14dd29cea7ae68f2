"""Resources of a pod as a whole, and how those of its containers fit into them (KEP-2837)."""

from __future__ import annotations

import msgspec

from longboat.api.resources import ResourceContainer, requests
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules
from longboat.registry.kinds.core import resources
from longboat.registry.kinds.core.pod import level


def validate(spec: Object, found: Object, path: Path, err: Errors) -> None:
    if (spec.get("os") or {}).get("name") == "windows":
        err.forbidden(path, "may not be set for a windows pod")
        return
    if found.get("claims") is not None:
        err.forbidden(path.at("claims"), "claims may not be set for Resources at pod-level")
    resources.requirements(found, path, err, of_pod=True)
    _containers_fit(spec, found, path, err)


def _containers_fit(spec: Object, found: Object, path: Path, err: Errors) -> None:
    quiet = Errors()
    asked, limits = found.get("requests") or {}, found.get("limits") or {}
    containers, init = (
        msgspec.convert(spec.get(field) or [], list[ResourceContainer]) for field in ("containers", "initContainers")
    )
    for resource, amount in sorted(requests(containers, init).items()):
        if resource not in asked:
            continue
        whole, needed = (
            rules.amount(asked[resource], path, quiet),
            rules.amount(level.text(resource, amount), path, quiet),
        )
        if needed > whole:
            why = f"must be greater than or equal to aggregate container requests of {needed}"
            err.invalid(path.at("requests").key(resource), str(whole), why)
    for i, container in enumerate(spec.get("containers") or ()):
        for resource, text in ((container.get("resources") or {}).get("limits") or {}).items():
            if resource not in limits:
                continue
            own, whole = rules.amount(text, path, quiet), rules.amount(limits[resource], path, quiet)
            if own > whole:
                at = path.at("containers").index(i).key(resource).at("limits")
                err.invalid(at, str(own), f"must be less than or equal to pod limits of {whole}")
