"""Checks of the baseline level: what no pod needs that is not part of the cluster itself.

Fields, values and words are those of the Pod Security Standards (v1.36). A check that came in versions is several.
"""

from __future__ import annotations

from collections.abc import Iterator

from longboat.apiserver.admission.pod_security.subject import (
    Check,
    Subject,
    Violation,
    containers,
    counted,
    name_of,
    quoted,
    setters,
)  # fmt: skip
from longboat.machinery.fieldpath import quoted as literal
from longboat.machinery.objects import Object

CAPABILITIES = frozenset((
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
))  # fmt: skip
SYSCTLS = frozenset((
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
))  # fmt: skip
SYSCTLS_27 = SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
SYSCTLS_29 = SYSCTLS_27 | {
    f"net.ipv4.tcp_{name}" for name in ("keepalive_time", "fin_timeout", "keepalive_intvl", "keepalive_probes")
}
SYSCTLS_32 = SYSCTLS_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
SELINUX_TYPES = frozenset(("", "container_t", "container_init_t", "container_kvm_t"))
SELINUX_TYPES_31 = SELINUX_TYPES | {"container_engine_t"}
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_ANNOTATIONS = "container.seccomp.security.alpha.kubernetes.io/"
CONFINED = ("RuntimeDefault", "Localhost")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("postStart", "preStop")
_HOSTS = ("httpGet", "tcpSocket")


def app_armor_profile(pod: Subject) -> Violation | None:
    bad = [(name, kind) for name, profile in pod.values("appArmorProfile")
           if (kind := profile.get("type") or "") not in CONFINED]  # fmt: skip
    annotations = sorted(
        f"{key}={literal(value)}" for key, value in pod.annotations.items()
        if key.startswith(APPARMOR_ANNOTATION) and not _harmless(value)
    )  # fmt: skip
    if not bad and not annotations:
        return None
    who = _who(name for name, _ in bad)
    if annotations:
        who.append(counted("annotation", "annotations", len(annotations)))
    values = sorted({kind for _, kind in bad}) + annotations
    return Violation(
        counted("forbidden AppArmor profile", "forbidden AppArmor profiles", len(values)),
        f"{' and '.join(who)} must not set AppArmor profile type to {quoted(values)}",
    )


def _harmless(profile: str) -> bool:
    return profile in ("", "runtime/default") or profile.startswith("localhost/")


def _who(names: Iterator[str]) -> list[str]:
    """As `setters`, of names among which the pod's own is empty."""
    found = list(names)
    return setters("" in found[:1], [name for name in found if name])


def capabilities(pod: Subject) -> Violation | None:
    added = [(name, [each for each in (context.get("capabilities") or {}).get("add") or () if each not in CAPABILITIES])
             for name, context in pod.contexts]  # fmt: skip
    bad = [name for name, found in added if found]
    return (
        Violation("non-default capabilities", must_not_add(bad, {c for _, each in added for c in each}))
        if bad
        else None
    )


def must_not_add(bad: list[str], found: set[str]) -> str:
    return f"{containers(bad)} must not include {quoted(sorted(found))} in securityContext.capabilities.add"


def host_namespaces(pod: Subject) -> Violation | None:
    shared = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(field)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def host_path_volumes(pod: Subject) -> Violation | None:
    bad = [name_of(volume) for volume in pod.spec.get("volumes") or () if volume.get("hostPath") is not None]
    return Violation("hostPath volumes", f"{counted('volume', 'volumes', len(bad))} {quoted(bad)}") if bad else None


def host_ports(pod: Subject) -> Violation | None:
    used = [(name_of(c), [p["hostPort"] for p in c.get("ports") or () if p.get("hostPort")]) for c in pod.containers]
    bad, ports = [name for name, found in used if found], sorted({str(port) for _, found in used for port in found})
    if not bad:
        return None
    what = f"{counted('uses', 'use', len(bad))} {counted('hostPort', 'hostPorts', len(ports))} {', '.join(ports)}"
    return Violation("hostPort", f"{containers(bad)} {what}")


def host_probes_and_host_lifecycle(pod: Subject) -> Violation | None:
    """A node that probes another host for a pod lends the pod its place in the network."""
    found = {(name_of(container), host) for container in pod.containers for host in _hosts(container)}
    if not found:
        return None
    bad, hosts = sorted({name for name, _ in found}), sorted({host for _, host in found})
    what = counted("probe or lifecycle host", "probe or lifecycle hosts", len(hosts))
    return Violation(
        "probe or lifecycle host", f"{containers(bad)} {counted('uses', 'use', len(bad))} {what} {quoted(hosts)}"
    )


def _hosts(container: Object) -> Iterator[str]:
    lifecycle = container.get("lifecycle") or {}
    for handler in (*map(container.get, _PROBES), *map(lifecycle.get, _HOOKS)):
        if handler:
            yield from filter(None, ((handler.get(way) or {}).get("host") for way in _HOSTS))


def privileged(pod: Subject) -> Violation | None:
    bad = pod.containers_where(lambda context: context.get("privileged"))
    return Violation("privileged", f"{containers(bad)} must not set securityContext.privileged=true") if bad else None


def proc_mount(pod: Subject) -> Violation | None:
    mounts = [(name, context["procMount"]) for name, context in pod.contexts
              if context.get("procMount") not in (None, "Default")]  # fmt: skip
    if not mounts:
        return None
    bad, kinds = [name for name, _ in mounts], sorted({kind for _, kind in mounts})
    return Violation("procMount", f"{containers(bad)} must not set securityContext.procMount to {quoted(kinds)}")


def proc_mount_35(pod: Subject) -> Violation | None:
    return None if pod.apart else proc_mount(pod)


def selinux_options(types: frozenset[str]) -> Check:
    def check(pod: Subject) -> Violation | None:
        bad = [(name, options) for name, options in pod.values("seLinuxOptions")
               if (options.get("type") or "") not in types or options.get("user") or options.get("role")]  # fmt: skip
        if not bad:
            return None
        strange = sorted({options.get("type") or "" for _, options in bad} - types)
        said = [f"{counted('type', 'types', len(strange))} {quoted(strange)}"] if strange else []
        said += [f"{field} may not be set" for field in ("user", "role") if any(o.get(field) for _, o in bad)]
        who = " and ".join(_who(name for name, _ in bad))
        return Violation("seLinuxOptions", f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(said)}")

    return check


def seccomp_annotations(pod: Subject) -> Violation | None:
    """Before there were fields for it (1.19)."""
    if not pod.annotations:
        return None
    keys = {SECCOMP_ANNOTATION, *(SECCOMP_ANNOTATIONS + name for name, _ in pod.contexts)}
    found = {key: pod.annotations[key] for key in keys if key in pod.annotations}
    bad = sorted(f"{key}={literal(value)}" for key, value in found.items() if not _harmless_seccomp(value))
    if not bad:
        return None
    return Violation("seccompProfile", f"forbidden {counted('annotation', 'annotations', len(bad))} {', '.join(bad)}")


def _harmless_seccomp(profile: str) -> bool:
    return profile in ("runtime/default", "docker/default") or profile.startswith("localhost/")


def seccomp_profile(pod: Subject) -> Violation | None:
    bad = [(name, kind) for name, profile in pod.values("seccompProfile")
           if (kind := profile.get("type") or "") not in CONFINED]  # fmt: skip
    if not bad:
        return None
    who, values = " and ".join(_who(name for name, _ in bad)), quoted(sorted({kind for _, kind in bad}))
    return Violation("seccompProfile", f"{who} must not set securityContext.seccompProfile.type to {values}")


def sysctls(safe: frozenset[str]) -> Check:
    def check(pod: Subject) -> Violation | None:
        bad = [name_of(sysctl) for sysctl in pod.security.get("sysctls") or () if name_of(sysctl) not in safe]
        return Violation("forbidden sysctls", ", ".join(bad)) if bad else None

    return check


def windows_host_process(pod: Subject) -> Violation | None:
    bad = [name for name, options in pod.values("windowsOptions") if options.get("hostProcess")]
    if not bad:
        return None
    who = " and ".join(_who(iter(bad)))
    return Violation("hostProcess", f"{who} must not set securityContext.windowsOptions.hostProcess=true")
