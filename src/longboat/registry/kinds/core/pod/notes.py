"""What upstream warns about in pods: fields and labels that have had their day."""

from __future__ import annotations

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import rules
from longboat.registry.kinds.core.pod import ports

NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
VOLUMES = {
    "gitRepo": "deprecated in v1.11",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageOS": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
}


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
    at = path.at("spec")
    said = [
        f"{at.at('nodeSelector').key(label)}: {NODE_LABELS[label]}"
        for label in spec.get("nodeSelector") or ()
        if label in NODE_LABELS
    ]
    for i, volume in enumerate(spec.get("volumes") or ()):
        where = at.at("volumes").index(i)
        said += [f"{where.at(kind)}: {why}" for kind, why in VOLUMES.items() if volume.get(kind) is not None]
    said += [
        f"{path.at('metadata', 'annotations').key(name)}: {why}"
        for name, why in ANNOTATIONS.items()
        if name in annotations
    ]
    said += ports.notes(spec, at)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        where = at.at("terminationGracePeriodSeconds")
        said.append(f"{where}: must be >= 0; negative values are invalid and will be treated as 1")
    for field in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(field) or ()):
            said += _duplicate_variables(container, at.at(field).index(i))
            said += _fractions(container, at.at(field).index(i))
    return said


def _fractions(container: Object, path: Path) -> list[str]:
    """There is no half of a byte."""
    said, quiet = [], Errors()
    for part in ("limits", "requests"):
        for resource, text in (dig(container, "resources", part) or {}).items():
            found = rules.amount(text, path, quiet)
            if resource in ("memory", "ephemeral-storage") and found.milli % 1000:
                where = path.at("resources", part).key(resource)
                said.append(f'{where}: fractional byte value "{text}" is invalid, must be an integer')
    return said


def _duplicate_variables(container: Object, path: Path) -> list[str]:
    """A later variable hides an earlier one of its name, unless it builds on it."""
    seen: set[str] = set()
    said = []
    for i, variable in enumerate(container.get("env") or ()):
        name = variable.get("name") or ""
        if name in seen and f"$({name})" not in (variable.get("value") or ""):
            where = path.at("env").index(i)
            said.append(f'{where}: hides previous definition of "{name}", which may be dropped when using apply')
        seen.add(name)
    return said
