"""configMap volumes: entries of a ConfigMap as files."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping

from longboat.node.views.objects import ConfigMap
from longboat.node.views.volumes import KeyToPath
from longboat.node.volumes.payload import File, checked


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
