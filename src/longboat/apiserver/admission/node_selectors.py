"""PodNodeSelector: the nodes a namespace's pods run on, chosen by an annotation of it or for the whole cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longboat.api import kinds
from longboat.apiserver.admission.chain import Lookup, Seek
from longboat.apiserver.admission.of_namespace import OfNamespace
from longboat.machinery import configfile
from longboat.machinery.errors import StatusError, forbidden, internal
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types.shapes import SCALARS, Map
from longboat.registry.admission import Attributes, Target

ANNOTATION = "scheduler.alpha.kubernetes.io/node-selector"
EVERYWHERE = "clusterDefaultNodeSelector"
CONFLICT = "pod node label selector conflicts with its namespace node label selector"
NOT_LISTED = "pod node label selector labels conflict with its namespace whitelist"
SHAPE = configfile.struct("io.k8s.podnodeselector.Configuration", podNodeSelectorPluginConfig=Map(SCALARS["string"]))

Labels = Mapping[str, str]


def labels(text: str) -> dict[str, str]:
    """`a=b,c=d` as labels (labels.ConvertSelectorToLabelsMap). Raises ValueError in upstream's words."""
    found = {}
    for part in text.split(",") if text else ():
        name, equals, value = part.partition("=")
        if not equals or "=" in value:
            raise ValueError(f"invalid selector: {text}")
        found[name.strip()] = value.strip()
    return found


def settings(found: dict[str, Any]) -> tuple[dict[str, dict[str, str]], Errors]:
    """Labels by namespace, and for all others. `found` has the right types already (`SHAPE`)."""
    err, chosen = Errors(), {}
    for name, text in (found.get("podNodeSelectorPluginConfig") or {}).items():
        try:
            chosen[name] = labels(text)
        except ValueError as error:
            err.invalid(Path("podNodeSelectorPluginConfig").key(name), text, str(error))
    return chosen, err


class PodNodeSelector(OfNamespace):
    """`chosen`: what the cluster's configuration says, by namespace: there the pods may choose nothing else."""

    def __init__(self, lookup: Lookup, seek: Seek, chosen: Mapping[str, Labels]) -> None:
        super().__init__(lookup, seek)
        self._chosen = chosen

    def handles(self, target: Target) -> bool:
        return target.kind == kinds.POD and target.operation == "CREATE" and not target.subresource

    def change(self, attributes: Attributes, namespace: Object) -> None:
        self.check(attributes, namespace)
        assert attributes.obj is not None
        spec = attributes.obj.setdefault("spec", {})
        if chosen := {**self._of(namespace), **(spec.get("nodeSelector") or {})}:
            spec["nodeSelector"] = chosen
        self.check(attributes, namespace)

    def check(self, attributes: Attributes, namespace: Object) -> None:
        """Raises StatusError 403."""
        own: Labels = ((attributes.obj or {}).get("spec") or {}).get("nodeSelector") or {}
        if any(own.get(key, value) != value for key, value in self._of(namespace).items()):
            raise forbidden(kinds.POD, attributes.name, CONFLICT)
        listed = self._chosen.get(attributes.namespace) or {}
        if listed and not own.items() <= listed.items():
            raise forbidden(kinds.POD, attributes.name, NOT_LISTED)

    def _of(self, namespace: Object) -> Labels:
        said = (namespace["metadata"].get("annotations") or {}).get(ANNOTATION)
        if said is None:
            return self._chosen.get(EVERYWHERE) or {}
        try:
            return labels(said)
        except ValueError as error:
            raise _unreadable(error) from None


def _unreadable(error: ValueError) -> StatusError:
    return internal(str(error))
