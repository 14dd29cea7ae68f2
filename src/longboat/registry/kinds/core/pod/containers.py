"""Containers: ordinary, init, sidecar and ephemeral."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules
from longboat.registry.kinds.core import resources
from longboat.registry.kinds.core.pod import env, handlers, security

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
PROTOCOLS = ("SCTP", "TCP", "UDP")
PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
HOOKS = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
# What ephemeral containers may not have, as upstream has it: in the order of its fields, each with what is nothing.
NOT_EPHEMERAL = (
    "ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "livenessProbe", "readinessProbe",
    "startupProbe", "lifecycle",
)  # fmt: skip
POINTERS = (*HOOKS, "restartPolicy")  # which are something even if there is nothing in them

Volumes = Mapping[str, Object]
"""A pod's volumes by name."""


def all_of(spec: Object, volumes: Volumes, path: Path, err: Errors) -> None:
    """Every container of a pod's spec."""
    containers = spec.get("containers") or []
    names_of = _claim_names(spec)
    _ordinary(containers, spec, volumes, names_of, path.at("containers"), err)
    seen = {container.get("name") or "" for container in containers}
    for i, container in enumerate(spec.get("initContainers") or ()):
        at = path.at("initContainers").index(i)
        _common(container, spec, volumes, names_of, at, err)
        _restart_rules(container, at, err)
        _unique(container, seen, at, err)
        _host_port_conflicts([container], path.at("initContainers"), err)  # they run one by one
        _init(container, spec, at, err)
    _ephemeral(spec, volumes, names_of, seen, path.at("ephemeralContainers"), err)


def _claim_names(spec: Object) -> frozenset[str]:
    return frozenset(claim["name"] for claim in spec.get("resourceClaims") or () if claim.get("name"))


def _ordinary(
    containers: list[Object], spec: Object, volumes: Volumes, claims: frozenset[str], path: Path, err: Errors
) -> None:
    if not containers:
        err.required(path)
        return
    seen: set[str] = set()
    for i, container in enumerate(containers):
        at = path.index(i)
        _common(container, spec, volumes, claims, at, err)
        _unique(container, seen, at, err)
        handlers.lifecycle(container.get("lifecycle"), spec, at.at("lifecycle"), err)
        handlers.probes(container, spec.get("terminationGracePeriodSeconds"), at, err)
        _restart_rules(container, at, err)
    _host_port_conflicts(containers, path, err)


def _unique(container: Object, seen: set[str], path: Path, err: Errors) -> None:
    name = container.get("name") or ""
    if name in seen:
        err.duplicate(path.at("name"), name)
    seen.add(name)


def _common(container: Object, spec: Object, volumes: Volumes, claims: frozenset[str], path: Path, err: Errors) -> None:
    rules.named(container.get("name") or "", path.at("name"), err, names.dns1123_label)
    if not container.get("image"):
        err.required(path.at("image"))
    policy = container.get("terminationMessagePolicy")
    rules.one_of(policy, MESSAGE_POLICIES, path.at("terminationMessagePolicy"), err, as_given=True)
    _ports(container.get("ports") or [], path.at("ports"), err)
    env.variables(container.get("env") or [], path.at("env"), err)
    env.env_from(container.get("envFrom") or [], path.at("envFrom"), err)
    _mounts(container, volumes, path, err)
    rules.one_of(container.get("imagePullPolicy"), PULL_POLICIES, path.at("imagePullPolicy"), err)
    resources.requirements(container.get("resources"), path.at("resources"), err, claims=claims)
    never = spec.get("restartPolicy") == "Never"
    _resize_policy(container.get("resizePolicy") or [], never, path.at("resizePolicy"), err)
    security.of_container(container.get("securityContext"), spec, path.at("securityContext"), err)


def images(spec: Object, path: Path, err: Errors) -> None:
    """What holds for the images of pods, though not for those of templates."""
    for field in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(field) or ()):
            _image(container, path.at(field).index(i), err)


def _image(container: Object, path: Path, err: Errors) -> None:
    image = container.get("image") or ""
    if image != image.strip():
        err.invalid(path.at("image"), image, "must not have leading or trailing whitespace")


def _init(container: Object, spec: Object, path: Path, err: Errors) -> None:
    if container.get("restartPolicy") == "Always":
        handlers.lifecycle(container.get("lifecycle"), spec, path.at("lifecycle"), err)
        handlers.probes(container, spec.get("terminationGracePeriodSeconds"), path, err)
        return
    for field in HOOKS:
        if container.get(field) is not None:
            err.forbidden(path.at(field), "may not be set for init containers without restartPolicy=Always")
    for i, policy in enumerate(container.get("resizePolicy") or ()):
        if policy.get("restartPolicy") == "RestartContainer":
            at = path.at("resizePolicy").index(i).at("restartPolicy")
            why = "must not be set to 'RestartContainer' for non-sidecar initContainers"
            err.invalid(at, "RestartContainer", why)


def _restart_rules(container: Object, path: Path, err: Errors) -> None:
    """A restart policy of the container's own (KEP-5307)."""
    policy, listed = container.get("restartPolicy"), container.get("restartPolicyRules") or []
    if policy is None:
        if listed:
            err.required(path.at("restartPolicy"), "must specify restartPolicy when restart rules are used")
        if not listed or ".initContainers[" in f".{path}":
            return
    elif policy not in RESTART_POLICIES:
        err.not_supported(path.at("restartPolicy"), policy, RESTART_POLICIES)
    if len(listed) > 20:
        err.too_many(path.at("restartPolicyRules"), len(listed), 20)
    for i, rule in enumerate(listed):
        at = path.at("restartPolicyRules").index(i)
        _word(rule.get("action"), ("Restart", "RestartAllContainers"), at.at("action"), err)
        codes = rule.get("exitCodes")
        if codes is None:
            err.required(at.at("exitCodes"), "must be specified")
        else:
            _word(codes.get("operator"), ("In", "NotIn"), at.at("exitCodes", "operator"), err)
            if len(codes.get("values") or ()) > 255:
                err.too_many(at.at("exitCodes", "values"), len(codes["values"]), 255)


def _word(value: str | None, allowed: tuple[str, ...], path: Path, err: Errors) -> None:
    """A word that is refused for none of these also where it is missing."""
    if value not in allowed:
        err.not_supported(path, value or "", allowed)


def _ephemeral(spec: Object, volumes: Volumes, claims: frozenset[str], seen: set[str], path: Path, err: Errors) -> None:
    targets = {c.get("name") for c in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))}
    for i, container in enumerate(spec.get("ephemeralContainers") or ()):
        at = path.index(i)
        _common(container, spec, volumes, claims, at, err)
        _image(container, at, err)
        _unique(container, seen, at, err)
        target = container.get("targetContainerName")
        if target and target not in targets:
            err.not_found(at.at("targetContainerName"), target)
        for field in NOT_EPHEMERAL:
            found = container.get(field)
            if found or (found is not None and field in POINTERS):
                err.forbidden(at.at(field), "cannot be set for an Ephemeral Container")
        for j, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    why = "cannot be set for an Ephemeral Container"
                    err.forbidden(at.at("volumeMounts").index(j).at(field), why)


def _ports(found: list[Object], path: Path, err: Errors) -> None:
    seen: set[str] = set()
    for i, port in enumerate(found):
        at = path.index(i)
        if name := port.get("name"):
            if wrong := names.port_name(name):
                err.extend(at.at("name"), wrong, name)
            elif name in seen:
                err.duplicate(at.at("name"), name)
            else:
                seen.add(name)
        if not port.get("containerPort"):
            err.required(at.at("containerPort"))
        else:
            rules.port(port["containerPort"], at.at("containerPort"), err)
        if port.get("hostPort"):
            rules.port(port["hostPort"], at.at("hostPort"), err)
        rules.one_of(port.get("protocol"), PROTOCOLS, at.at("protocol"), err)


def _host_port_conflicts(containers: list[Object], path: Path, err: Errors) -> None:
    seen: set[tuple[str, str, int]] = set()
    for i, container in enumerate(containers):
        for j, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            asked = (port.get("protocol") or "", port.get("hostIP") or "", port["hostPort"])
            if asked in seen:
                err.duplicate(path.index(i).at("ports").index(j).at("hostPort"), "/".join(map(str, asked)))
            seen.add(asked)


def host_network(spec: Object, path: Path, err: Errors, *, of_pod: bool) -> None:
    """On the host's network a container's port is the host's. A template may leave it open."""
    if not spec.get("hostNetwork"):
        return
    for i, container in enumerate(spec.get("containers") or ()):
        for j, port in enumerate(container.get("ports") or ()):
            mapped = port.get("hostPort") or 0
            if (of_pod or mapped) and mapped != (port.get("containerPort") or 0):
                at = path.at("containers").index(i).at("ports").index(j).at("hostPort")
                err.invalid(at, mapped, "must match `containerPort` when `hostNetwork` is true")


def _mounts(container: Object, volumes: Volumes, path: Path, err: Errors) -> None:
    points: set[str] = set()
    devices = {device.get("name"): device.get("devicePath") for device in container.get("volumeDevices") or ()}
    whole = path.at("volumeMounts")  # upstream leaves out the index of some
    privileged = bool((container.get("securityContext") or {}).get("privileged"))
    for i, mount in enumerate(container.get("volumeMounts") or ()):
        at, name, point = path.at("volumeMounts").index(i), mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            err.required(at.at("name"))
        if name not in volumes:
            err.not_found(at.at("name"), name)
        if not point:
            err.required(at.at("mountPath"))
        if point in points:
            err.invalid(at.at("mountPath"), point, "must be unique")
        points.add(point)
        if name in devices:
            err.invalid(at.at("name"), name, "must not already exist in volumeDevices")
        if point in devices.values():
            err.invalid(at.at("mountPath"), point, "must not already exist as a path in volumeDevices")
        if mount.get("subPath"):
            security.relative(mount["subPath"], whole.at("subPath"), err)
        if expression := mount.get("subPathExpr"):
            if mount.get("subPath"):
                err.invalid(at.at("subPathExpr"), expression, "subPathExpr and subPath are mutually exclusive")
            security.relative(expression, whole.at("subPathExpr"), err)
        _propagation(mount, privileged, whole, err)
    mounts = {mount.get("name"): mount.get("mountPath") for mount in container.get("volumeMounts") or ()}
    _devices(container.get("volumeDevices") or [], volumes, mounts, path.at("volumeDevices"), err)


def _propagation(mount: Object, privileged: bool, path: Path, err: Errors) -> None:
    wish = mount.get("mountPropagation")
    if wish is not None and wish not in PROPAGATIONS:
        err.not_supported(path.at("mountPropagation"), wish, PROPAGATIONS)
    elif wish == "Bidirectional" and not privileged:
        why = "Bidirectional mount propagation is available only to privileged containers"
        err.forbidden(path.at("mountPropagation"), why)
    recursive, at = mount.get("recursiveReadOnly"), path.at("recursiveReadOnly")
    if recursive is None or recursive == "Disabled":
        return
    if recursive not in ("Enabled", "IfPossible"):
        err.not_supported(at, recursive, ("Disabled", "Enabled", "IfPossible"))
        return
    if not mount.get("readOnly"):
        err.forbidden(at, "may only be specified when readOnly is true")
    if wish not in (None, "None"):
        err.forbidden(at, "may only be specified when mountPropagation is None or not specified")


def _devices(found: list[Object], volumes: Volumes, mounts: Mapping[Any, Any], path: Path, err: Errors) -> None:
    known, paths = set(), set()
    for i, device in enumerate(found):
        at, name, where = path.index(i), device.get("name") or "", device.get("devicePath") or ""
        if not name:
            err.required(at.at("name"))
        if name in known:
            err.invalid(at.at("name"), name, "must be unique")
        if name not in volumes:
            err.not_found(at.at("name"), name)
        elif not {"persistentVolumeClaim", "ephemeral"} & volumes[name].keys():
            why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            err.invalid(at.at("name"), name, why)
        if not where:
            err.required(at.at("devicePath"))
        if where in paths:
            err.invalid(at.at("devicePath"), where, "must be unique")
        if ".." in where.split("/"):
            err.invalid(at.at("devicePath"), where, "can not contain backsteps ('..')")
        else:
            paths.add(where)
        if name in mounts:
            err.invalid(at.at("name"), name, "must not already exist in volumeMounts")
        if where in mounts.values():
            err.invalid(at.at("devicePath"), where, "must not already exist as a path in volumeMounts")
        known |= {name} - {""}


def _resize_policy(found: list[Object], never: bool, path: Path, err: Errors) -> None:
    """Upstream does not say of which it is, but where one is there twice."""
    seen: set[str] = set()
    for i, policy in enumerate(found):
        resource = policy.get("resourceName") or ""
        if resource in seen:
            err.duplicate(path.index(i), resource)
        seen.add(resource)
        rules.one_of(resource, ("cpu", "memory"), path, err)
        rules.one_of(policy.get("restartPolicy"), ("NotRequired", "RestartContainer"), path, err)
        if never and policy.get("restartPolicy") != "NotRequired":
            why = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            err.invalid(path, policy.get("restartPolicy") or "", why)
