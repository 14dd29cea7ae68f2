"""The whole of a pod's spec, as pods and pod templates must have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from longboat.machinery import names
from longboat.machinery.fieldpath import NOWHERE, Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types import internal
from longboat.registry.kinds import rules
from longboat.registry.kinds.core import resources
from longboat.registry.kinds.core.pod import (
    containers,
    env,
    pod_annotations,
    pod_resources,
    scheduling,
    security,
    volumes,
    windows,
)

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
LONGEST_HOSTNAME = 64
MAX_NAMESERVERS, MAX_SEARCHES, MAX_SEARCH_CHARACTERS = 3, 32, 2048


def template(found: Object | None, path: Path, err: Errors) -> None:
    """A PodTemplateSpec."""
    found = found or {}
    meta, spec, at = found.get("metadata") or {}, found.get("spec") or {}, path.at("spec")
    rules.labels(meta.get("labels"), path.at("labels"), err)
    rules.annotation_keys(meta.get("annotations"), path.at("annotations"), err)
    pod_annotations.check(meta.get("annotations") or {}, spec, path.at("annotations"), err)
    validate(spec, at, err)
    pod_annotations.agree_with_fields(meta.get("annotations") or {}, spec, at, err)
    if spec.get("ephemeralContainers"):
        err.forbidden(at.at("ephemeralContainers"), "ephemeral containers not allowed in pod template")


def validate(spec: Object, path: Path, err: Errors, *, pod: Object | None = None) -> None:
    """In upstream's order, in which the causes are told. `pod`: the metadata of a pod, None for a template."""
    of_pod = pod is not None
    if spec.get("terminationGracePeriodSeconds") is None:
        err.required(path.at("terminationGracePeriodSeconds"))
    name = (pod.get("name") or "") if pod is not None else None
    known = volumes.volumes(spec.get("volumes") or [], path.at("volumes"), err, pod=name)
    static = pod is not None and pod_annotations.MIRROR in (pod.get("annotations") or {})
    _claims(spec.get("resourceClaims") or [], path.at("resourceClaims"), err, static=static)
    containers.all_of(spec, known, path, err)
    if (whole := spec.get("resources")) is not None:
        pod_resources.validate(spec, whole, path.at("resources"), err)
    containers.host_network(spec, path, err, of_pod=of_pod)
    rules.one_of(spec.get("restartPolicy"), RESTART_POLICIES, path.at("restartPolicy"), err, as_given=True)
    rules.one_of(spec.get("dnsPolicy"), DNS_POLICIES, path.at("dnsPolicy"), err, as_given=True)
    rules.labels(spec.get("nodeSelector"), path.at("nodeSelector"), err)
    security.of_pod(spec, path, err)
    scheduling.affinity(spec.get("affinity"), path.at("affinity"), err)
    _dns(spec, path.at("dnsConfig"), err)
    for i, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType") or ""
        rules.label_name(kind, path.at("readinessGates").index(i).at("conditionType"), err)
    scheduling.gates(spec.get("schedulingGates") or [], path.at("schedulingGates"), err)
    scheduling.topology_spread(spec.get("topologySpreadConstraints") or [], path.at("topologySpreadConstraints"), err)
    windows.host_process(spec, path, err)
    security.host_users(spec, path, err)
    _hostname(spec, path.at("hostnameOverride"), err)
    _names(spec, ("serviceAccountName", "nodeName"), names.dns1123_subdomain, path, err)
    rules.in_range(spec.get("activeDeadlineSeconds"), 1, rules.MAX_INT32, path.at("activeDeadlineSeconds"), err)
    _names(spec, ("hostname", "subdomain"), names.dns1123_label, path, err)
    scheduling.tolerations(spec.get("tolerations") or [], path.at("tolerations"), err)
    _host_aliases(spec.get("hostAliases") or [], path.at("hostAliases"), err)
    _names(spec, ("priorityClassName",), names.dns1123_subdomain, path, err)
    if (runtime := spec.get("runtimeClassName")) is not None:
        err.extend(path.at("runtimeClassName"), names.dns1123_subdomain(runtime), runtime)
    if (policy := spec.get("preemptionPolicy")) is not None:
        rules.one_of(policy, PREEMPTION_POLICIES, path.at("preemptionPolicy"), err, as_given=True)
    if spec.get("overhead") is not None:
        resources.requirements({"limits": spec["overhead"]}, path.at("overhead"), err)
    if (system := spec.get("os")) is not None:
        _system(system.get("name") or "", spec, path, err)
    if (group := spec.get("schedulingGroup")) is not None:
        _group(group.get("podGroupName"), path.at("schedulingGroup", "podGroupName"), err)
    env.files(spec, path, err)
    if of_pod:
        _tokens(spec, path.at("volumes"), err)
        containers.images(spec, path, err)


def _group(name: str | None, path: Path, err: Errors) -> None:
    if name is None:
        err.invalid(path, None, "must specify one of: `podGroupName`")
    else:
        err.extend(path, names.dns1123_subdomain(name), name)


def _hostname(spec: Object, path: Path, err: Errors) -> None:
    """KEP-4762."""
    name = spec.get("hostnameOverride")
    if name is None:
        return
    if spec.get("setHostnameAsFQDN"):
        err.forbidden(path, "may not be specified when setHostnameAsFQDN is true")
    if spec.get("hostNetwork"):
        err.forbidden(path, "may not be specified when hostNetwork is true")
    if len(name.encode()) > LONGEST_HOSTNAME:
        err.too_long(path, LONGEST_HOSTNAME)
    err.extend(path, names.dns1123_subdomain(name), name)


def _system(name: str, spec: Object, path: Path, err: Errors) -> None:
    if not name:
        err.required(path.at("os", "name"))
    elif name == "linux":
        windows.not_of_linux(spec, path, err)
    elif name == "windows":
        windows.only_of_linux(spec, path, err)
    else:
        err.not_supported(path.at("os"), name, ("linux", "windows"))


def _names(spec: Object, fields: Iterable[str], check: Callable[[str], list[str]], path: Path, err: Errors) -> None:
    for field in fields:
        if value := spec.get(field):
            err.extend(path.at(field), check(value), value)


def _tokens(spec: Object, path: Path, err: Errors) -> None:
    """A token is somebody's."""
    if spec.get("serviceAccountName"):
        return
    for i, volume in enumerate(spec.get("volumes") or ()):
        for j, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if source.get("serviceAccountToken") is not None:
                at = path.index(i).at("projected", "sources").index(j).at("serviceAccountToken")
                err.forbidden(at, "must not be specified when serviceAccountName is not set")


def _dns(spec: Object, path: Path, err: Errors) -> None:
    found = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if found is None:
            err.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not found.get("nameservers"):
            why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            err.required(path.at("nameservers"), why)
            return
    found = found or {}
    servers, searches = found.get("nameservers") or [], found.get("searches") or []
    if len(servers) > MAX_NAMESERVERS:
        err.invalid(path.at("nameservers"), servers, f"must not have more than {MAX_NAMESERVERS} nameservers")
    for i, server in enumerate(servers):
        rules.address(server, path.at("nameservers").index(i), err)
    if len(searches) > MAX_SEARCHES:
        err.invalid(path.at("searches"), searches, f"must not have more than {MAX_SEARCHES} search paths")
    if len(" ".join(searches).encode()) > MAX_SEARCH_CHARACTERS:
        why = f"must not have more than {MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        err.invalid(path.at("searches"), searches, why)
    for i, search in enumerate(searches):
        if search != ".":  # a relaxed one: one dot at the end is fine, and so are underscores
            bare = search.removesuffix(".")
            err.extend(path.at("searches").index(i), names.dns1123_subdomain_with_underscore(bare), bare)
    for i, option in enumerate(found.get("options") or ()):
        if not option.get("name"):
            err.required(path.at("options").index(i), "must not be empty")


def _host_aliases(found: list[Object], path: Path, err: Errors) -> None:
    for i, alias in enumerate(found):
        at = path.index(i)
        rules.address(alias.get("ip") or "", at.at("ip"), err)
        for j, name in enumerate(alias.get("hostnames") or ()):
            err.extend(at.at("hostnames").index(j), names.dns1123_subdomain(name), name)


def _claims(found: list[Object], path: Path, err: Errors, *, static: bool) -> None:
    seen: set[str] = set()
    for i, claim in enumerate(found):
        if static:
            err.forbidden(NOWHERE, "static pods do not support resource claims")
            continue
        at, name = path.index(i), claim.get("name") or ""
        if name in seen:
            err.duplicate(at.at("name"), name)
        else:
            rules.named(name, at.at("name"), err, names.dns1123_label)
        seen |= {name} - {""}
        given = [field for field in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(field) is not None]
        if len(given) > 1:
            why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            err.invalid(at, internal.whole(f"{internal.CORE}PodResourceClaim", claim), why)
        elif not given:
            why = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            err.invalid(at, internal.whole(f"{internal.CORE}PodResourceClaim", claim), why)
        for field in given:
            err.extend(at.at(field), names.dns1123_subdomain(claim[field]), claim[field])
