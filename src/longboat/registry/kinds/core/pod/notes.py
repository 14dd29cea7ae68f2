"""What upstream warns about in pods: fields and labels that have had their day."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path, quoted
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import rules
from longboat.registry.kinds.core.pod import overlaps, ports
from longboat.registry.kinds.core.pod.pod_annotations import SECCOMP, SECCOMP_POD
from longboat.registry.kinds.core.pod.scheduling import PREFERRED, REQUIRED
from longboat.registry.kinds.core.pod.visit import of_all

NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
CALLED = {"storageos": "storageOS"}
ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
NO_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
NO_SELECTOR = "a null labelSelector results in matching no pod"
MOST = 50  # notes of any sort: a Warning header holds fewer


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
        _fractions(spec.get("overhead"), at.at("overhead")),
        _containers(spec, annotations, at, metadata),
        ports.notes(spec, at),
        _negative_grace(spec, at),
        _affinity(spec, at.at("affinity")),
        _addresses(spec, at),
    ):
        said += islice(several, MOST)
    return said


def _negative_grace(spec: Object, path: Path) -> Iterator[str]:
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        where = path.at("terminationGracePeriodSeconds")
        yield f"{where}: must be >= 0; negative values are invalid and will be treated as 1"


def _node_labels(spec: Object, path: Path) -> Iterator[str]:
    for label in sorted(spec.get("nodeSelector") or ()):
        if label in NODE_LABELS:
            yield f"{path.at('nodeSelector').key(label)}: {NODE_LABELS[label]}"
    node, at = dig(spec, "affinity", "nodeAffinity") or {}, path.at("affinity", "nodeAffinity")
    for i, term in enumerate(dig(node, REQUIRED, "nodeSelectorTerms") or ()):
        yield from _term(term, at.at(REQUIRED, "nodeSelectorTerms").index(i), any_value=False)
    for i, preferred in enumerate(node.get(PREFERRED) or ()):
        where = at.at(PREFERRED).index(i).at("preference")
        yield from _term(preferred.get("preference") or {}, where, any_value=True)


def _term(term: Object, path: Path, *, any_value: bool) -> Iterator[str]:
    """`any_value`: values that no label can have are let through there, and only warned about."""
    for i, expression in enumerate(term.get("matchExpressions") or ()):
        at, key = path.at("matchExpressions").index(i), expression.get("key") or ""
        if key in NODE_LABELS:
            yield f"{at.at('key')}: {key} is {NODE_LABELS[key]}"
        for j, value in enumerate(expression.get("values") or () if any_value else ()):
            for why in names.label_value(value):
                yield f"{at.at('values').index(j)}: {value} is invalid, {why}"


def _spread(spec: Object, path: Path) -> Iterator[str]:
    for i, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        key = constraint.get("topologyKey") or ""
        if key in NODE_LABELS:
            yield f"{path.index(i).at('topologyKey')}: {key} is {NODE_LABELS[key]}"
        if constraint.get("labelSelector") is None:
            yield f"{path.index(i).at('labelSelector')}: {NO_SELECTOR}"


def _volumes(spec: Object, path: Path) -> Iterator[str]:
    for i, volume in enumerate(spec.get("volumes") or ()):
        for kind, why in VOLUMES.items():
            if volume.get(kind) is not None:
                yield f"{path.index(i).at(CALLED.get(kind, kind))}: {why}"


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
                found = dig(container, "resources", part) or {}
                yield from _fractions({k: v for k, v in found.items() if k == resource}, at.at("resources", part))
        yield from _duplicate_variables(container, at)


WHOLE_BYTES = ("memory", "ephemeral-storage")


def _fractions(amounts: Object | None, path: Path) -> Iterator[str]:
    """There is no half of a byte."""
    for resource in WHOLE_BYTES:
        if resource in (amounts or {}):
            found = rules.amount((amounts or {})[resource], path, Errors())
            if found.milli % 1000:
                yield f'{path.key(resource)}: fractional byte value "{found}" is invalid, must be an integer'


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


def _addresses(spec: Object, path: Path) -> Iterator[str]:
    for i, server in enumerate(dig(spec, "dnsConfig", "nameservers") or ()):
        yield from rules.address_notes(server, path.at("dnsConfig", "nameservers").index(i))
    for i, alias in enumerate(spec.get("hostAliases") or ()):
        yield from rules.address_notes(alias.get("ip") or "", path.at("hostAliases").index(i).at("ip"))
