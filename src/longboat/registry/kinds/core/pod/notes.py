"""What upstream warns about in pods: fields and labels that have had their day."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from longboat.machinery import names
from longboat.machinery.fieldpath import Path, quoted
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import notes
from longboat.registry.kinds.core.pod import overlaps, ports
from longboat.registry.kinds.core.pod.pod_annotations import SECCOMP, SECCOMP_POD
from longboat.registry.kinds.core.pod.scheduling import PREFERRED, REQUIRED
from longboat.registry.kinds.core.pod.visit import of_all

ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
NO_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
NO_SELECTOR = "a null labelSelector results in matching no pod"


HOSTNAME = "which can result in surprising behavior; a DNS label is recommended"


def pod(obj: Object) -> list[str]:
    wrong = names.dns1123_label(dig(obj, "metadata", "name", default=""))
    said = [f"metadata.name: this is used in the Pod's hostname, {HOSTNAME}: [{' '.join(wrong)}]"] if wrong else []
    return said + of_spec(obj.get("spec") or {}, dig(obj, "metadata", "annotations", default={}), Path())


def workload(obj: Object, old: Object | None) -> list[str]:
    """What is to be said of an object with a pod template, and of the name its pods get theirs from."""
    return (pods_names(obj) if old is None else []) + template(dig(obj, "spec", "template"), Path("spec", "template"))


def pods_names(obj: Object) -> list[str]:
    """What is to be said of the name that an object's pods get theirs from."""
    wrong = names.dns1123_label(dig(obj, "metadata", "name", default=""))
    return [f"metadata.name: this is used in Pod names and hostnames, {HOSTNAME}: [{' '.join(wrong)}]"] if wrong else []


def template(found: Object | None, path: Path) -> list[str]:
    found = found or {}
    return of_spec(found.get("spec") or {}, dig(found, "metadata", "annotations", default={}), path)


def of_spec(spec: Object, annotations: Object, path: Path) -> list[str]:
    """`path` is that of the pod or template. In upstream's order."""
    at, metadata = path.at("spec"), path.at("metadata", "annotations")
    said: list[str] = []
    for several in (
        _node_labels(spec, at),
        _spread(spec, at.at("topologySpreadConstraints")),
        (f"{metadata.key(name)}: {why}" for name, why in ANNOTATIONS.items() if name in annotations),
        _volumes(spec, at.at("volumes")),
        overlaps.notes(spec),
        _repeated(spec, at),
        notes.fractions(spec.get("overhead"), at.at("overhead"), *WHOLE_BYTES),
        _containers(spec, annotations, at, metadata),
        ports.notes(spec, at),
        _negative_grace(spec, at),
        _affinity(spec, at.at("affinity")),
        _addresses(spec, at),
    ):
        said += islice(several, notes.MOST)
    return said


def _negative_grace(spec: Object, path: Path) -> Iterator[str]:
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        where = path.at("terminationGracePeriodSeconds")
        yield f"{where}: must be >= 0; negative values are invalid and will be treated as 1"


def _node_labels(spec: Object, path: Path) -> Iterator[str]:
    for label in sorted(spec.get("nodeSelector") or ()):
        if label in notes.NODE_LABELS:
            yield f"{path.at('nodeSelector').key(label)}: {notes.NODE_LABELS[label]}"
    node, at = dig(spec, "affinity", "nodeAffinity") or {}, path.at("affinity", "nodeAffinity")
    for i, term in enumerate(dig(node, REQUIRED, "nodeSelectorTerms") or ()):
        yield from notes.node_term(term, at.at(REQUIRED, "nodeSelectorTerms").index(i))
    for i, preferred in enumerate(node.get(PREFERRED) or ()):
        where = at.at(PREFERRED).index(i).at("preference")
        yield from notes.node_term(preferred.get("preference") or {}, where, any_value=True)


def _spread(spec: Object, path: Path) -> Iterator[str]:
    for i, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        key = constraint.get("topologyKey") or ""
        if key in notes.NODE_LABELS:
            yield f"{path.index(i).at('topologyKey')}: {key} is {notes.NODE_LABELS[key]}"
        if constraint.get("labelSelector") is None:
            yield f"{path.index(i).at('labelSelector')}: {NO_SELECTOR}"


def _volumes(spec: Object, path: Path) -> Iterator[str]:
    for i, volume in enumerate(spec.get("volumes") or ()):
        yield from notes.volume(volume, path.index(i))
        template = dig(volume, "ephemeral", "volumeClaimTemplate", "spec")
        if template is not None:
            yield from notes.claim(template, path.index(i).at("ephemeral", "volumeClaimTemplate", "spec"))


def _repeated(spec: Object, path: Path) -> Iterator[str]:
    for field, key in (("hostAliases", "ip"), ("imagePullSecrets", "name")):
        seen = set()
        for i, item in enumerate(spec.get(field) or ()):
            value = item.get(key) or ""
            if value in seen:
                yield f"{path.at(field).index(i).at(key)}: duplicate {key} {quoted(value)}"
            seen.add(value)
    for i, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            yield f'{path.at("imagePullSecrets").index(i).at("name")}: invalid empty name ""'


def _containers(spec: Object, annotations: Object, path: Path, metadata: Path) -> Iterator[str]:
    if dig(spec, "securityContext", "seccompProfile") is None and SECCOMP_POD in annotations:
        yield f"{metadata.key(SECCOMP_POD)}: {NO_SECCOMP}"
    for at, container in of_all(spec, path):
        key = SECCOMP + (container.get("name") or "")
        if key in annotations and dig(container, "securityContext", "seccompProfile") is None:
            yield f"{metadata.key(key)}: {NO_SECCOMP}"
        for resource in WHOLE_BYTES:
            for part in ("limits", "requests"):
                found = dig(container, "resources", part)
                yield from notes.fractions(found, at.at("resources", part), resource)
        yield from _duplicate_variables(container, at)


WHOLE_BYTES = ("memory", "ephemeral-storage")


def _duplicate_variables(container: Object, path: Path) -> Iterator[str]:
    """A later variable hides an earlier one of its name, unless it builds on it."""
    seen: set[str] = set()
    for i, variable in enumerate(container.get("env") or ()):
        name, value = variable.get("name") or "", variable.get("value") or ""
        reference = f"$({name})"
        if name in seen and (variable.get("valueFrom") is not None or value == reference or reference not in value):
            where = path.at("env").index(i)
            yield f"{where}: hides previous definition of {quoted(name)}, which may be dropped when using apply"
        seen.add(name)


def _affinity(spec: Object, path: Path) -> Iterator[str]:
    for kind in ("podAffinity", "podAntiAffinity"):
        found = dig(spec, "affinity", kind) or {}
        for i, term in enumerate(found.get(REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{path.at(kind, REQUIRED).index(i).at('labelSelector')}: {NO_SELECTOR}"
        for i, preferred in enumerate(found.get(PREFERRED) or ()):
            if dig(preferred, "podAffinityTerm", "labelSelector") is None:
                yield f"{path.at(kind, PREFERRED).index(i).at('podAffinityTerm', 'labelSelector')}: {NO_SELECTOR}"


def _addresses(spec: Object, path: Path) -> list[str]:
    servers, aliases = path.at("dnsConfig", "nameservers"), path.at("hostAliases")
    return notes.addresses(
        [(servers.index(i), server) for i, server in enumerate(dig(spec, "dnsConfig", "nameservers") or ())]
        + [(aliases.index(i).at("ip"), each.get("ip") or "") for i, each in enumerate(spec.get("hostAliases") or ())]
    )


def of_status(status: Object) -> list[str]:
    """The addresses that a node's agent has written."""
    fields = ((Path("status", field), status.get(field) or ()) for field in ("podIPs", "hostIPs"))
    return notes.addresses(
        (path.index(i).at("ip"), each.get("ip") or "") for path, found in fields for i, each in enumerate(found)
    )
