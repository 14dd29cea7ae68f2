"""A container's environment."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping

import msgspec

from longboat.node.make import fields
from longboat.node.make.expansion import expand
from longboat.node.make.fields import Surroundings
from longboat.node.views.container import Container, EnvFrom, EnvSource
from longboat.node.views.objects import ConfigMap, Secret, Service
from longboat.node.views.pod import Pod
from longboat.node.views.volumes import KeyRef

MASTER = ("default", "kubernetes")  # the service every pod is told of


class EnvError(Exception):
    """The environment cannot be made. The text is for statuses and Events."""


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """ConfigMaps and Secrets of the pod's namespace by name, None where there is none."""

    config_maps: Mapping[str, ConfigMap | None] = {}
    secrets: Mapping[str, Secret | None] = {}


def references(container: Container) -> tuple[set[str], set[str]]:
    """Names of the ConfigMaps and of the Secrets that a container's environment is made from."""
    config_maps, secrets = set(), set()
    for item in container.envFrom:
        if item.configMapRef:
            config_maps.add(item.configMapRef.name)
        if item.secretRef:
            secrets.add(item.secretRef.name)
    for variable in container.env:
        if source := variable.valueFrom:
            if source.configMapKeyRef:
                config_maps.add(source.configMapKeyRef.name)
            if source.secretKeyRef:
                secrets.add(source.secretKeyRef.name)
    return config_maps, secrets


def environment(
    pod: Pod, container: Container, sources: Sources, services: Iterable[Service], around: Surroundings
) -> dict[str, str]:
    """Every variable, in order: the container's own, then those that name services. Raises EnvError."""
    linked = service_variables(pod, services)
    made: dict[str, str] = {}
    for item in container.envFrom:
        made.update(_all_of(pod, item, sources))
    for variable in container.env:
        if variable.valueFrom is not None:
            value = _value_from(pod, container, variable.valueFrom, sources, around)
            if value is None:
                continue
            made[variable.name] = value
        else:
            made[variable.name] = expand(variable.value, {**linked, **made})
    return {**made, **{name: value for name, value in linked.items() if name not in made}}


def _all_of(pod: Pod, item: EnvFrom, sources: Sources) -> dict[str, str]:
    if item.configMapRef:
        name, optional = item.configMapRef.name, item.configMapRef.optional
        config_map = sources.config_maps.get(name)
        if config_map is None:
            return _absent("configmap", name, optional)
        return {item.prefix + key: value for key, value in config_map.data.items()}
    if item.secretRef:
        name, optional = item.secretRef.name, item.secretRef.optional
        secret = sources.secrets.get(name)
        if secret is None:
            return _absent("secret", name, optional)
        return {item.prefix + key: _text(value) for key, value in secret.data.items()}
    return {}


def _absent(kind: str, name: str, optional: bool) -> dict[str, str]:
    if not optional:
        raise EnvError(f'{kind} "{name}" not found')
    return {}


def _value_from(
    pod: Pod, container: Container, source: EnvSource, sources: Sources, around: Surroundings
) -> str | None:
    """None for what is optional and absent."""
    try:
        if source.fieldRef:
            return fields.field(pod, source.fieldRef, around)
        if source.resourceFieldRef:
            return fields.resource(pod, source.resourceFieldRef, container.name, around)
    except fields.FieldError as error:
        raise EnvError(str(error)) from error
    if wanted := source.configMapKeyRef:
        config_map = sources.config_maps.get(wanted.name)
        values = None if config_map is None else config_map.data
        return _key(pod, "ConfigMap", wanted, values)
    if wanted := source.secretKeyRef:
        secret = sources.secrets.get(wanted.name)
        found = _key(pod, "Secret", wanted, None if secret is None else secret.data)
        return None if found is None else _text(found)
    return None


def _key(pod: Pod, kind: str, wanted: KeyRef, values: Mapping[str, str] | None) -> str | None:
    if values is None:
        if wanted.optional:
            return None
        raise EnvError(f'{kind.lower()} "{wanted.name}" not found')
    if wanted.key not in values:
        if wanted.optional:
            return None
        raise EnvError(f"couldn't find key {wanted.key} in {kind} {pod.metadata.namespace}/{wanted.name}")
    return values[wanted.key]


def _text(encoded: str) -> str:
    return b64decode(encoded).decode(errors="surrogateescape")


def service_variables(pod: Pod, services: Iterable[Service]) -> dict[str, str]:
    """The address of each service of the namespace (enableServiceLinks), and of the API."""
    chosen: dict[str, Service] = {}
    for service in services:
        meta = service.metadata
        if service.spec.clusterIP in ("", "None"):
            continue
        if meta.namespace == pod.metadata.namespace and pod.spec.enableServiceLinks:
            chosen[meta.name] = service
        elif (meta.namespace, meta.name) == MASTER:
            chosen.setdefault(meta.name, service)
    made: dict[str, str] = {}
    for name in sorted(chosen):
        made.update(_one_service(name, chosen[name]))
    return made


def _one_service(name: str, service: Service) -> dict[str, str]:
    prefix, address = _variable(name), service.spec.clusterIP
    ports = service.spec.ports
    made = {f"{prefix}_SERVICE_HOST": address}
    if ports:
        made[f"{prefix}_SERVICE_PORT"] = str(ports[0].port)
    for port in ports:
        if port.name:
            made[f"{prefix}_SERVICE_PORT_{_variable(port.name)}"] = str(port.port)
    for i, port in enumerate(ports):
        url = f"{port.protocol.lower()}://{_bracketed(address)}:{port.port}"
        if i == 0:
            made[f"{prefix}_PORT"] = url
        link = f"{prefix}_PORT_{port.port}_{port.protocol.upper()}"
        made[link] = url
        made[f"{link}_PROTO"] = port.protocol.lower()
        made[f"{link}_PORT"] = str(port.port)
        made[f"{link}_ADDR"] = address
    return made


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
