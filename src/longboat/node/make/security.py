"""What a container may do: its own security context over its pod's."""

from __future__ import annotations

from pathlib import Path

from longboat.node import safeguards
from longboat.node.cri.config import CONTAINER, NODE, POD, TARGET, Labels, Namespaces, Seccomp, Security
from longboat.node.cri.interface import Image
from longboat.node.safeguards import Safeguards
from longboat.node.views.container import Container, SeccompProfile, SecurityContext, SELinuxOptions
from longboat.node.views.pod import Pod

# What an ordinary container does not see, and what it may not write (OCI runtimes' defaults, as the kubelet asks).
MASKED = (
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
)  # fmt: skip
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

STRICT = "Strict"
UNCONFINED = Seccomp()


class NotPermitted(Exception):
    """The pod forbids what the container would do. The text is for statuses and Events."""


def namespaces(pod: Pod, target: str = "") -> Namespaces:
    """`target` is the id of the container whose processes an ephemeral container is to see."""
    spec = pod.spec
    pid = CONTAINER
    if spec.hostPID:
        pid = NODE
    elif target:
        pid = TARGET
    elif spec.shareProcessNamespace:
        pid = POD
    return Namespaces(
        network=NODE if spec.hostNetwork else POD, pid=pid, ipc=NODE if spec.hostIPC else POD, target=target
    )


def check_users(pod: Pod, can: Safeguards, handler: str = "") -> None:
    """Raises NotPermitted where the pod is to have users of its own, and would have the machine's."""
    if why := safeguards.users_problem(pod, can, handler):
        raise NotPermitted(why)


def for_sandbox(pod: Pod, can: Safeguards, handler: str = "") -> Security:
    """Its process gets the runtime's seccomp profile, however narrow the pod's own is. Raises NotPermitted."""
    check_users(pod, can, handler)
    given = pod.spec.securityContext
    return Security(
        namespaces=namespaces(pod),
        privileged=any((c.securityContext or SecurityContext()).privileged for c in pod.all_containers),
        user=given.runAsUser,
        group=given.runAsGroup if given.runAsUser is not None else None,
        supplemental_groups=_groups(pod),
        strict_groups=given.supplementalGroupsPolicy == STRICT,
        seccomp=Seccomp(kind="RuntimeDefault"),
        selinux=_labels(given.seLinuxOptions),
    )


def for_container(
    pod: Pod,
    container: Container,
    image: Image,
    profiles: Path,
    target: str = "",
    *,
    can: Safeguards,
    default_seccomp: Seccomp = UNCONFINED,
) -> Security:
    """`default_seccomp` is for those that name no profile. Raises NotPermitted where it must not run as root but would,
    or would see more of the machine than it may."""
    check_users(pod, can)
    own, whole = container.securityContext or SecurityContext(), pod.spec.securityContext
    user = own.runAsUser if own.runAsUser is not None else whole.runAsUser
    group = own.runAsGroup if own.runAsGroup is not None else whole.runAsGroup
    check_not_root(pod, container, image)
    username = ""
    if user is None:
        # The image's own choice, said aloud: runtimes differ in how they treat a group without a user.
        user, username = image_user(image)
    privileged = bool(own.privileged)
    if own.procMount == "Unmasked" and pod.spec.hostUsers is not False:
        raise NotPermitted("`hostUsers` must be false to use `Unmasked`")
    unmasked = own.procMount == "Unmasked" or privileged
    chosen = seccomp(own.seccompProfile or whole.seccompProfile, profiles) or default_seccomp
    capabilities = own.capabilities
    return Security(
        namespaces=namespaces(pod, target),
        privileged=privileged,
        add=tuple(capabilities.add) if capabilities else (),
        drop=tuple(capabilities.drop) if capabilities else (),
        user=user,
        username=username,
        group=group,
        supplemental_groups=_groups(pod),
        read_only_root=bool(own.readOnlyRootFilesystem),
        no_new_privileges=own.allowPrivilegeEscalation is False,
        strict_groups=whole.supplementalGroupsPolicy == STRICT,
        seccomp=UNCONFINED if privileged else chosen,
        apparmor="" if privileged else apparmor(pod, container),
        selinux=_labels(own.seLinuxOptions or whole.seLinuxOptions),
        masked_paths=() if unmasked else MASKED,
        read_only_paths=() if unmasked else READ_ONLY,
    )


def image_user(image: Image) -> tuple[int | None, str]:
    """The user an image runs as: a number, or a name; root where it says nothing."""
    if image.uid is not None:
        return image.uid, ""
    return (None, image.user) if image.user else (0, "")


def check_not_root(pod: Pod, container: Container, image: Image) -> None:
    """Raises NotPermitted."""
    own, whole = container.securityContext or SecurityContext(), pod.spec.securityContext
    non_root = own.runAsNonRoot if own.runAsNonRoot is not None else whole.runAsNonRoot
    if not non_root:
        return
    where = f'(pod: "{pod}", container: {container.name})'
    user = own.runAsUser if own.runAsUser is not None else whole.runAsUser
    if user is not None:
        if user == 0:
            raise NotPermitted(f"container's runAsUser breaks non-root policy {where}")
        return
    uid, name = image_user(image)
    if uid == 0:
        raise NotPermitted(f"container has runAsNonRoot and image will run as root {where}")
    if uid is None:
        why = f"image has non-numeric user ({name}), cannot verify user is non-root"
        raise NotPermitted(f"container has runAsNonRoot and {why} {where}")


def seccomp(profile: SeccompProfile | None, profiles: Path) -> Seccomp | None:
    """`profiles` is where Localhost profiles lie. None where nothing is asked for."""
    if profile is None or not profile.type:
        return None
    if profile.type == "Localhost":
        return Seccomp(kind="Localhost", path=str(profiles / profile.localhostProfile))
    return Seccomp(kind=profile.type)


def apparmor(pod: Pod, container: Container) -> str:
    """The profile as the CRI writes it; "" leaves it to the runtime."""
    profile = safeguards.apparmor_profile(pod, container)
    if profile is None:
        return ""
    match profile.type:
        case "RuntimeDefault":
            return "runtime/default"
        case "Unconfined":
            return "unconfined"
    return f"localhost/{profile.localhostProfile}"


def _labels(given: SELinuxOptions | None) -> Labels | None:
    if given is None:
        return None
    return Labels(user=given.user, role=given.role, type=given.type, level=given.level)


def _groups(pod: Pod) -> tuple[int, ...]:
    given = pod.spec.securityContext
    own = (given.fsGroup,) if given.fsGroup is not None else ()
    return tuple(dict.fromkeys((*given.supplementalGroups, *own)))
