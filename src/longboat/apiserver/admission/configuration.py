"""AdmissionConfiguration (apiserver.config.k8s.io/v1): settings of admission plugins, in one file or in several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from longboat.apiserver import remote
from longboat.apiserver.admission import event_rate, image_policy, limited_resources, node_selectors, tolerations
from longboat.apiserver.admission.event_rate import Limit
from longboat.apiserver.admission.limited_resources import Limited
from longboat.apiserver.admission.pod_security import configuration as pod_security
from longboat.apiserver.admission.pod_security.settings import Settings
from longboat.apiserver.admission.webhooks import credentials
from longboat.apiserver.admission.webhooks.credentials import NONE, Credentials
from longboat.apiserver.remote import Remote
from longboat.machinery import configfile
from longboat.machinery.configfile import BadConfiguration
from longboat.machinery.fieldpath import Errors
from longboat.machinery.types.shapes import ANY, SCALARS, List, Struct

KIND, VERSIONS = "AdmissionConfiguration", ("apiserver.config.k8s.io/v1",)

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
    event_limits: tuple[Limit, ...] = ()
    node_selectors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tolerations: tolerations.Settings = field(default_factory=tolerations.Settings)
    limited: tuple[Limited, ...] = ()
    mutating_webhooks: Credentials = NONE
    validating_webhooks: Credentials = NONE
    image_policy: image_policy.Settings | None = None
    image_reviewer: Remote | None = None  # whom `image_policy` names


class _Kind(NamedTuple):
    """Of a plugin's settings: what they are called, how they look, and what is made of them."""

    field: str  # of Configured
    kind: str
    versions: tuple[str, ...]
    shape: Struct
    settings: Callable[[dict[str, Any]], tuple[Any, Errors]]


_KINDS = {
    "PodSecurity": _Kind(
        "pod_security", pod_security.KIND, pod_security.VERSIONS, pod_security.SHAPE, pod_security.settings
    ),
    "EventRateLimit": _Kind(
        "event_limits", event_rate.KIND, event_rate.VERSIONS, event_rate.SHAPE, event_rate.settings
    ),
    "PodNodeSelector": _Kind("node_selectors", "", (), node_selectors.SHAPE, node_selectors.settings),
    "PodTolerationRestriction": _Kind(
        "tolerations", tolerations.KIND, tolerations.VERSIONS, tolerations.SHAPE, tolerations.settings
    ),
    **{
        plugin: _Kind(where, credentials.KIND, credentials.VERSIONS, credentials.SHAPE, credentials.settings)
        for plugin, where in (
            ("MutatingAdmissionWebhook", "mutating_webhooks"),
            ("ValidatingAdmissionWebhook", "validating_webhooks"),
        )
    },
    "ResourceQuota": _Kind(
        "limited",
        limited_resources.KIND,
        limited_resources.VERSIONS,
        limited_resources.SHAPE,
        limited_resources.settings,
    ),
    "ImagePolicyWebhook": _Kind("image_policy", "", (), image_policy.SHAPE, image_policy.settings),
}
NEEDED = ("EventRateLimit", "ImagePolicyWebhook")  # plugins that are nothing without settings


def load(file: Path | None, running: Collection[str] = _KINDS.keys() - set(NEEDED)) -> Configured:
    """`running`: the plugins that are enabled. Without a file, what holds without one. Raises BadConfiguration, which
    names the file."""
    said, seen = Configured(), set[str]()
    if file is not None:
        said, seen = _loaded(file, running)
    for name in NEEDED:
        if name in running and name not in seen:
            raise BadConfiguration(f"{file or '--admission-control-config-file'}: {name} needs a configuration")
    return said


def _loaded(file: Path, running: Collection[str]) -> tuple[Configured, set[str]]:
    found = _read(file, lambda data: configfile.read(data, KIND, VERSIONS, _SHAPE))
    said, seen = Configured(), set[str]()
    for i, plugin in enumerate(found.get("plugins") or []):
        name, where = plugin.get("name") or "", f"{file}: plugins[{i}]"
        if name not in _KINDS:  # what it would guard would not be guarded
            raise BadConfiguration(f'{where}: the plugin "{name}" takes no configuration here')
        if name not in running:
            raise BadConfiguration(f"{where}: {name} is configured and not enabled")
        if name in seen:
            raise BadConfiguration(f"{where}: {name} is configured twice")
        if (settings := _settings(_KINDS[name], plugin, file, where)) is not None:
            seen.add(name)
            said = replace(said, **{_KINDS[name].field: settings})
        elif name not in NEEDED:
            seen.add(name)
    if said.image_policy is not None:
        said = replace(said, image_reviewer=remote.load(file.parent / said.image_policy.file))
    return said, seen


def _settings(kind: _Kind, plugin: dict[str, Any], file: Path, where: str) -> Any:
    """None where nothing is said."""
    if plugin.get("path"):
        where = str(beside := file.parent / plugin["path"])
        found = _read(beside, lambda data: configfile.read(data, kind.kind, kind.versions, kind.shape))
    elif plugin.get("configuration") is not None:
        try:
            found = configfile.within(plugin["configuration"], kind.kind, kind.versions, kind.shape)
        except BadConfiguration as error:
            raise BadConfiguration(f"{where}.configuration: {error}") from None
    else:
        return None
    try:
        settings, errors = kind.settings(found)
    except BadConfiguration as error:
        raise BadConfiguration(f"{where}: {error}") from None
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
