"""Checks of the restricted level: how pods are hardened, at the price of some that would run otherwise."""

from __future__ import annotations

from longboat.apiserver.admission.pod_security import baseline
from longboat.apiserver.admission.pod_security.subject import (
    Subject,
    Violation,
    containers,
    counted,
    name_of,
    quoted,
    setters,
)  # fmt: skip
from longboat.machinery.objects import Object

VOLUMES = (
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
)  # fmt: skip
OTHER_VOLUMES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd",
    "flexVolume", "cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk",
    "photonPersistentDisk", "portworxVolume", "scaleIO", "storageos",
)  # fmt: skip


def allow_privilege_escalation(pod: Subject) -> Violation | None:
    bad = pod.containers_where(lambda context: context.get("allowPrivilegeEscalation") is not False)
    if not bad:
        return None
    must = f"{containers(bad)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", must)


def allow_privilege_escalation_25(pod: Subject) -> Violation | None:
    """Windows has no such thing, and its pods may not say anything of it."""
    return None if pod.windows else allow_privilege_escalation(pod)


def capabilities(pod: Subject) -> Violation | None:
    said: list[str] = []
    asked = [(name, context.get("capabilities") or {}) for name, context in pod.contexts]
    if keeping := [name for name, each in asked if "ALL" not in (each.get("drop") or ())]:
        said.append(f'{containers(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    added = [(name, [c for c in each.get("add") or () if c != "NET_BIND_SERVICE"]) for name, each in asked]
    if adding := [name for name, found in added if found]:
        said.append(baseline.must_not_add(adding, {c for _, found in added for c in found}))
    return Violation("unrestricted capabilities", "; ".join(said)) if said else None


def capabilities_25(pod: Subject) -> Violation | None:
    return None if pod.windows else capabilities(pod)


def volumes(pod: Subject) -> Violation | None:
    bad = [(name_of(volume), _type(volume)) for volume in pod.spec.get("volumes") or ()
           if all(volume.get(kind) is None for kind in VOLUMES)]  # fmt: skip
    if not bad:
        return None
    kinds = sorted({kind for _, kind in bad})
    what = counted("restricted volume type", "restricted volume types", len(kinds))
    who = f"{counted('volume', 'volumes', len(bad))} {quoted(name for name, _ in bad)}"
    return Violation("restricted volume types", f"{who} {counted('uses', 'use', len(bad))} {what} {quoted(kinds)}")


def _type(volume: Object) -> str:
    return next((kind for kind in OTHER_VOLUMES if volume.get(kind) is not None), "unknown")


def run_as_non_root(pod: Subject) -> Violation | None:
    own = pod.security.get("runAsNonRoot")
    if who := setters(own is False, pod.containers_where(lambda context: context.get("runAsNonRoot") is False)):
        return Violation("runAsNonRoot != true", f"{' and '.join(who)} must not set securityContext.runAsNonRoot=false")
    silent = [] if own else pod.containers_where(lambda context: context.get("runAsNonRoot") is None)
    if not silent:
        return None
    return Violation("runAsNonRoot != true", f"pod or {containers(silent)} must set securityContext.runAsNonRoot=true")


def run_as_non_root_35(pod: Subject) -> Violation | None:
    """Root of a user namespace is nobody outside."""
    return None if pod.apart else run_as_non_root(pod)


def run_as_user(pod: Subject) -> Violation | None:
    who = setters(
        pod.security.get("runAsUser") == 0, pod.containers_where(lambda context: context.get("runAsUser") == 0)
    )
    return Violation("runAsUser=0", f"{' and '.join(who)} must not set runAsUser=0") if who else None


def run_as_user_35(pod: Subject) -> Violation | None:
    return None if pod.apart else run_as_user(pod)


def seccomp_profile(pod: Subject) -> Violation | None:
    if wrong := baseline.seccomp_profile(pod):
        return wrong
    if pod.security.get("seccompProfile") is not None:
        return None
    silent = pod.containers_where(lambda context: context.get("seccompProfile") is None)
    if not silent:
        return None
    must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", f"pod or {containers(silent)} {must}")


def seccomp_profile_25(pod: Subject) -> Violation | None:
    return None if pod.windows else seccomp_profile(pod)
