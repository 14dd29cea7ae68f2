"""configMap volumes: entries of a ConfigMap as files."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping

from longboat.node.views.objects import ConfigMap
from longboat.node.views.volumes import ConfigMapSource, KeyToPath, Volume
from longboat.node.volumes.content import Content, ContentPlugin
from longboat.node.volumes.payload import File, Payload, checked
from longboat.node.volumes.plugin import Reference, Spec


def files(
    config_map: ConfigMap | None, items: list[KeyToPath], mode: int, optional: bool, name: str
) -> dict[str, File]:
    """None stands for a ConfigMap that does not exist. Raises ValueError."""
    if config_map is None:
        if optional:
            return {}
        raise ValueError(f'configmap "{name}" not found')
    data = {key: text.encode() for key, text in config_map.data.items()}
    data |= {key: b64decode(text) for key, text in config_map.binaryData.items()}
    return selected(data, items, mode, optional, "configmap references non-existent config key")


def selected(
    data: Mapping[str, bytes], items: list[KeyToPath], mode: int, optional: bool, problem: str
) -> dict[str, File]:
    """Every entry under its key, or the listed ones under their paths. Raises ValueError."""
    if not items:
        return {checked(key): File(value, mode) for key, value in data.items()}
    found = {}
    for item in items:
        if item.key in data:
            found[checked(item.path)] = File(data[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise ValueError(f"{problem}: {item.key}")
    return found


class ConfigMapPlugin(ContentPlugin):
    NAME, FIELD = "kubernetes.io/configmap", "configMap"

    @classmethod
    def references(cls, volume: Volume) -> Iterator[Reference]:
        if volume.configMap:
            yield "configmap", volume.configMap.name

    @classmethod
    def is_local_ephemeral(cls, volume: Volume) -> bool:
        return True

    def files(self, spec: Spec, found: Content) -> Payload:
        source: ConfigMapSource = self.source(spec)
        name = source.name
        return files(found.config_maps[name], source.items, source.defaultMode, source.optional, name)
