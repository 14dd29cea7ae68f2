"""AlwaysPullImages: nobody runs an image they could not pull, just because it is on the node already."""

from __future__ import annotations

from collections.abc import Iterator

from longboat.api import kinds
from longboat.apiserver.admission.chain import Plugin
from longboat.machinery.errors import StatusError, forbidden
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes, Target

ALWAYS = "Always"
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


class AlwaysPullImages(Plugin):
    """Upstream's: an update that brings no new image is let be, and images that are volumes are pulled always too."""

    def handles(self, target: Target) -> bool:
        return target.kind == kinds.POD and not target.subresource and target.operation in ("CREATE", "UPDATE")

    def mutate(self, attributes: Attributes) -> None:
        if _brings_none(attributes):
            return
        assert attributes.obj is not None
        for _, container in containers(attributes.obj):
            container["imagePullPolicy"] = ALWAYS
        for volume in (attributes.obj.get("spec") or {}).get("volumes") or ():
            if isinstance(volume.get("image"), dict):
                volume["image"]["pullPolicy"] = ALWAYS

    def validate(self, attributes: Attributes) -> None:
        """Whoever changed the pod since has to have left it so."""
        if _brings_none(attributes):
            return
        errors = Errors()
        for path, container in containers(attributes.obj):
            if (policy := container.get("imagePullPolicy") or "") != ALWAYS:
                errors.not_supported(path.at("imagePullPolicy"), policy, [ALWAYS])
        if refused := [forbidden(kinds.POD, attributes.name, str(each)).message for each in errors]:
            raise StatusError(500, "", refused[0] if len(refused) == 1 else f"[{', '.join(refused)}]")


def _brings_none(attributes: Attributes) -> bool:
    return attributes.operation == "UPDATE" and images(attributes.obj) <= images(attributes.old)


def containers(pod: Object | None) -> Iterator[tuple[Path, Object]]:
    spec = (pod or {}).get("spec") or {}
    for part in CONTAINERS:
        for i, container in enumerate(spec.get(part) or ()):
            yield Path("spec", part).index(i), container


def images(pod: Object | None) -> frozenset[str]:
    return frozenset(container.get("image") or "" for _, container in containers(pod))
