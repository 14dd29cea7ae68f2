"""AdmissionConfiguration (apiserver.config.k8s.io/v1): settings of admission plugins, in one file or in several."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longboat.apiserver.admission.pod_security import configuration as pod_security
from longboat.apiserver.admission.pod_security.settings import Settings
from longboat.machinery import configfile
from longboat.machinery.configfile import BadConfiguration
from longboat.machinery.types.shapes import ANY, SCALARS, List

KIND, VERSIONS = "AdmissionConfiguration", ("apiserver.config.k8s.io/v1",)
POD_SECURITY = "PodSecurity"

_STRING = SCALARS["string"]
_SHAPE = configfile.struct(
    "io.k8s.apiserver.v1.AdmissionConfiguration",
    kind=_STRING,
    apiVersion=_STRING,
    plugins=List(
        configfile.struct(
            "io.k8s.apiserver.v1.AdmissionPluginConfiguration", name=_STRING, path=_STRING, configuration=ANY
        )
    ),
)


@dataclass(frozen=True, slots=True)
class Configured:
    """What the file says of each plugin that can be told something."""

    pod_security: Settings = field(default_factory=Settings)


def load(file: Path | None) -> Configured:
    """Without a file, what holds without one. Raises BadConfiguration, which names the file."""
    if file is None:
        return Configured()
    found = _read(file, lambda data: configfile.read(data, KIND, VERSIONS, _SHAPE))
    said = Configured()
    seen: set[str] = set()
    for i, plugin in enumerate(found.get("plugins") or []):
        name, where = plugin.get("name") or "", f"{file}: plugins[{i}]"
        if name != POD_SECURITY:  # what it would guard would not be guarded
            raise BadConfiguration(f'{where}: the plugin "{name}" takes no configuration here')
        if name in seen:
            raise BadConfiguration(f"{where}: {name} is configured twice")
        seen.add(name)
        said = Configured(_pod_security(plugin, file, where))
    return said


def _pod_security(plugin: dict[str, Any], file: Path, where: str) -> Settings:
    kind, versions, shape = pod_security.KIND, pod_security.VERSIONS, pod_security.SHAPE
    if plugin.get("path"):
        where = str(beside := file.parent / plugin["path"])
        found = _read(beside, lambda data: configfile.read(data, kind, versions, shape))
    elif plugin.get("configuration") is not None:
        try:
            found = configfile.within(plugin["configuration"], kind, versions, shape)
        except BadConfiguration as error:
            raise BadConfiguration(f"{where}.configuration: {error}") from None
    else:
        return Settings()
    settings, errors = pod_security.settings(found)
    if errors:
        raise BadConfiguration(f"{where}: {', '.join(str(cause) for cause in errors)}")
    return settings


def _read(file: Path, parse: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = parse(file.read_bytes())
    except OSError as error:
        raise BadConfiguration(f"{file}: {error.strerror}") from error
    except BadConfiguration as error:
        raise BadConfiguration(f"{file}: {error}") from None
    return found
