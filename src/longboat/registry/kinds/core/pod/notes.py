"""What upstream warns about in pods: fields and labels that have had their day."""

from __future__ import annotations

from longboat.machinery.fieldpath import Path
from longboat.machinery.objects import Object, dig

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


def pod(obj: Object) -> list[str]:
    return of_spec(obj.get("spec") or {}, dig(obj, "metadata", "annotations", default={}), Path())


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
    for field in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(field) or ()):
            said += _duplicate_variables(container, at.at(field).index(i))
    return said


def _duplicate_variables(container: Object, path: Path) -> list[str]:
    """A later variable hides an earlier one of its name."""
    seen: set[str] = set()
    said = []
    for i, variable in enumerate(container.get("env") or ()):
        name = variable.get("name") or ""
        if name in seen:
            where = path.at("env").index(i)
            said.append(f'{where}: hides previous definition of "{name}", which may be dropped when using apply')
        seen.add(name)
    return said
