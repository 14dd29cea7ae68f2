"""What machine and runtime can do of the guards that pods ask for; what they cannot do is refused, or told. Pure.

`docs/security-fields.md` lists every field, and which of these becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from longboat.node.recorder import field_of
from longboat.node.state import Waiting
from longboat.node.views.container import AppArmorProfile, Container, SecurityContext
from longboat.node.views.pod import Pod

APPARMOR = "AppArmor"
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"  # the container's name follows
LOCALHOST = "localhost/"  # in that annotation, before the name of a profile
NO_USERS = "can't set `spec.hostUsers: false`, %s does not support user namespaces"
NO_GROUPS_POLICY = "SupplementalGroupsPolicy=Strict is not supported in this node"
NOT_RECURSIVE = (
    'failed to resolve recursive read-only mode: volume "%s" requested recursive read-only mode, '
    "but it is not supported by the runtime"
)


class Safeguards(msgspec.Struct, frozen=True, kw_only=True):
    """What this node can do. Nothing, unless somebody has found out."""

    apparmor: bool = False
    selinux: bool = False
    user_namespaces: bool = False
    supplemental_groups_policy: bool = False
    recursive_read_only: frozenset[str] = frozenset()  # runtime handlers; "" is the default one


EVERYTHING = Safeguards(apparmor=True, selinux=True, user_namespaces=True, supplemental_groups_policy=True)
"""For nodes on which nothing runs."""


class Remark(NamedTuple):
    """What a pod asks for that has no effect here. `field` is the part of the pod, as Events name it."""

    reason: str
    message: str
    field: str = ""


def refusal(pod: Pod, can: Safeguards) -> Waiting | None:
    """Why the node does not take the pod at all (kubelet, pkg/kubelet/lifecycle)."""
    if pod.spec.os is not None and pod.spec.os.name not in ("", "linux"):
        return Waiting("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    if pod.spec.securityContext.supplementalGroupsPolicy == "Strict" and not can.supplemental_groups_policy:
        return Waiting("SupplementalGroupsPolicyNotSupported", NO_GROUPS_POLICY)
    profiles = [apparmor_profile(pod, container) for container in pod.all_containers]
    if not can.apparmor and any(profile is not None and profile.type != "Unconfined" for profile in profiles):
        return Waiting(APPARMOR, "Cannot enforce AppArmor: AppArmor is not enabled on the host")
    return None


def remarks(pod: Pod, can: Safeguards) -> Iterator[Remark]:
    """What the pod is to know though it runs, as upstream has it run."""
    no_labels = ("SELinuxNotEnabled", "seLinuxOptions has no effect: SELinux is not enabled on the host")
    no_windows = ("WindowsOptionsIgnored", "windowsOptions has no effect on a Linux node")
    contexts = [("", pod.spec.securityContext), *((field_of(pod, c), c.securityContext) for c in pod.all_containers)]
    for field, context in contexts:
        if context is None:
            continue
        if context.seLinuxOptions is not None and not can.selinux:
            yield Remark(*no_labels, field)
        if context.windowsOptions is not None:
            yield Remark(*no_windows, field)


def users_problem(pod: Pod, can: Safeguards, handler: str = "") -> str:
    """Why the pod does not get users of its own (KEP-127); "" where it does not ask for them, or does get them."""
    if pod.spec.hostUsers is not False or can.user_namespaces:
        return ""
    return NO_USERS % (f'RuntimeClass handler "{handler}"' if handler else "runtime")


def apparmor_profile(pod: Pod, container: Container) -> AppArmorProfile | None:
    """The container's own, the one of the annotation that came before the field, or the pod's."""
    own = container.securityContext or SecurityContext()
    if own.appArmorProfile is not None:
        return own.appArmorProfile
    if (noted := pod.metadata.annotations.get(APPARMOR_ANNOTATION + container.name)) is not None:
        return _noted_profile(noted)
    return pod.spec.securityContext.appArmorProfile


def _noted_profile(text: str) -> AppArmorProfile | None:
    if text.startswith(LOCALHOST):
        return AppArmorProfile(type="Localhost", localhostProfile=text.removeprefix(LOCALHOST))
    known = {"runtime/default": "RuntimeDefault", "unconfined": "Unconfined"}
    return AppArmorProfile(type=known[text]) if text in known else None
