"""downwardAPI volumes: what a pod can know of itself, as files."""

from __future__ import annotations

from longboat.node.make import fields
from longboat.node.make.fields import Surroundings
from longboat.node.views.pod import Pod
from longboat.node.views.volumes import DownwardFile, DownwardSource
from longboat.node.volumes.content import Content, ContentPlugin
from longboat.node.volumes.payload import File, Payload, checked
from longboat.node.volumes.plugin import Spec


def files(pod: Pod, items: list[DownwardFile], mode: int, around: Surroundings) -> dict[str, File]:
    """Raises ValueError."""
    found = {}
    for item in items:
        try:
            if item.fieldRef:
                text = fields.field(pod, item.fieldRef, around)
            elif item.resourceFieldRef:
                text = fields.resource(pod, item.resourceFieldRef, "", around)
            else:
                continue
        except fields.FieldError as error:
            raise ValueError(str(error)) from error
        found[checked(item.path)] = File(text.encode(), mode if item.mode is None else item.mode)
    return found


class DownwardAPIPlugin(ContentPlugin):
    NAME, FIELD = "kubernetes.io/downward-api", "downwardAPI"

    def files(self, spec: Spec, found: Content) -> Payload:
        source: DownwardSource = self.source(spec)
        return files(spec.pod, source.items, source.defaultMode, spec.around)
