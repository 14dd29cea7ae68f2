"""The whole of a pod's spec, as pods and pod templates must have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules
from longboat.registry.kinds.core import resources
from longboat.registry.kinds.core.pod import containers, scheduling, security, volumes

RESTART_POLICIES = ("Always", "Never", "OnFailure")
DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
MAX_NAMESERVERS, MAX_SEARCHES, MAX_SEARCH_CHARACTERS = 3, 32, 2048


def template(found: Object | None, path: Path, err: Errors) -> None:
    """A PodTemplateSpec."""
    found = found or {}
    template_metadata(found, path, err)
    spec = found.get("spec") or {}
    validate(spec, path.at("spec"), err, of_pod=False)
    if spec.get("ephemeralContainers"):
        err.forbidden(path.at("spec", "ephemeralContainers"), "ephemeral containers not allowed in pod template")


def template_metadata(found: Object, path: Path, err: Errors) -> None:
    meta = found.get("metadata") or {}
    rules.labels(meta.get("labels"), path.at("labels"), err)
    rules.annotation_keys(meta.get("annotations"), path.at("annotations"), err)


def validate(spec: Object, path: Path, err: Errors, *, of_pod: bool) -> None:
    """In upstream's order, in which the causes are told."""
    known = volumes.volumes(spec.get("volumes") or [], path.at("volumes"), err, of_pod=of_pod)
    _claims(spec.get("resourceClaims") or [], path.at("resourceClaims"), err)
    containers.all_of(spec, known, path, err)
    if (whole := spec.get("resources")) is not None:
        resources.requirements(whole, path.at("resources"), err, of_pod=True)
    containers.host_network(spec, path, err, of_pod=of_pod)
    rules.one_of(spec.get("restartPolicy"), RESTART_POLICIES, path.at("restartPolicy"), err)
    rules.one_of(spec.get("dnsPolicy"), DNS_POLICIES, path.at("dnsPolicy"), err)
    rules.labels(spec.get("nodeSelector"), path.at("nodeSelector"), err)
    security.of_pod(spec, path, err)
    scheduling.affinity(spec.get("affinity"), path.at("affinity"), err)
    _dns(spec, path.at("dnsConfig"), err)
    for i, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType") or ""
        rules.label_name(kind, path.at("readinessGates").index(i).at("conditionType"), err)
    scheduling.gates(spec.get("schedulingGates") or [], path.at("schedulingGates"), err)
    scheduling.topology_spread(spec.get("topologySpreadConstraints") or [], path.at("topologySpreadConstraints"), err)
    security.host_users(spec, path, err)
    _names(spec, ("serviceAccountName", "nodeName"), names.dns1123_subdomain, path, err)
    rules.in_range(spec.get("activeDeadlineSeconds"), 1, rules.MAX_INT32, path.at("activeDeadlineSeconds"), err)
    _names(spec, ("hostname", "subdomain"), names.dns1123_label, path, err)
    scheduling.tolerations(spec.get("tolerations") or [], path.at("tolerations"), err)
    _host_aliases(spec.get("hostAliases") or [], path.at("hostAliases"), err)
    _names(spec, ("priorityClassName", "runtimeClassName"), names.dns1123_subdomain, path, err)
    if (policy := spec.get("preemptionPolicy")) is not None:
        rules.one_of(policy, ("Never", "PreemptLowerPriority"), path.at("preemptionPolicy"), err)
    for resource, text in (spec.get("overhead") or {}).items():
        resources.name(resource, path.at("overhead").key(resource), err)
        resources.value(resource, text, path.at("overhead").key(resource), err)
    if (system := spec.get("os")) is not None:
        _system(system.get("name") or "", path.at("os"), err)
    if of_pod:
        _tokens(spec, path.at("volumes"), err)
        containers.images(spec, path, err)


def _system(name: str, path: Path, err: Errors) -> None:
    if not name:
        err.required(path.at("name"), "cannot be empty")
    elif name not in ("linux", "windows"):
        err.not_supported(path, name, ("linux", "windows"))


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
    if spec.get("dnsPolicy") == "None" and spec.get("dnsConfig") is None:
        err.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
    found = spec.get("dnsConfig") or {}
    servers, searches = found.get("nameservers") or [], found.get("searches") or []
    if spec.get("dnsPolicy") == "None" and spec.get("dnsConfig") is not None and not servers:
        err.required(path.at("nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None")
    if len(servers) > MAX_NAMESERVERS:
        err.invalid(path.at("nameservers"), servers, f"must not have more than {MAX_NAMESERVERS} nameservers")
    for i, server in enumerate(servers):
        rules.address(server, path.at("nameservers").index(i), err)
    if len(searches) > MAX_SEARCHES:
        err.invalid(path.at("searches"), searches, f"must not have more than {MAX_SEARCHES} search paths")
    if len(" ".join(searches)) > MAX_SEARCH_CHARACTERS:
        why = f"must not have more than {MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        err.invalid(path.at("searches"), searches, why)
    for i, search in enumerate(searches):
        if search != ".":
            # A relaxed subdomain: underscores and one dot at the end are fine.
            bare = search.removesuffix(".").replace("_", "a")
            err.extend(path.at("searches").index(i), names.dns1123_subdomain(bare), search)
    for i, option in enumerate(found.get("options") or ()):
        if not option.get("name"):
            err.required(path.at("options").index(i), "must not be empty")


def _host_aliases(found: list[Object], path: Path, err: Errors) -> None:
    for i, alias in enumerate(found):
        at = path.index(i)
        rules.address(alias.get("ip") or "", at.at("ip"), err)
        for j, name in enumerate(alias.get("hostnames") or ()):
            err.extend(at.at("hostnames").index(j), names.dns1123_subdomain(name), name)


def _claims(found: list[Object], path: Path, err: Errors) -> None:
    seen: set[str] = set()
    for i, claim in enumerate(found):
        at, name = path.index(i), claim.get("name") or ""
        if name in seen:
            err.duplicate(at.at("name"), name)
        else:
            rules.named(name, at.at("name"), err, names.dns1123_label)
        seen |= {name} - {""}
        given = [field for field in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(field) is not None]
        if len(given) > 1:
            why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            err.invalid(at, claim, why)
        elif not given:
            why = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            err.invalid(at, claim, why)
        for field in given:
            err.extend(at.at(field), names.dns1123_subdomain(claim[field]), claim[field])
