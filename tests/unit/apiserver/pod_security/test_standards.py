"""One row and more per control of the Pod Security Standards (v1.36): what is let through, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.apiserver.admission.pod_security.levels import BASELINE, RESTRICTED, Standard
from longboat.apiserver.admission.pod_security.standards import BASELINE_RULES, RESTRICTED_RULES, details, violations
from longboat.apiserver.admission.pod_security.subject import Subject

HARDENED = {"runAsNonRoot": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"}}  # fmt: skip


def container(name: str = "c", security: Any = (), **fields: Any) -> Any:
    return {"name": name, "image": "i", "securityContext": {**HARDENED, **dict(security)}, **fields}


def without(field: str) -> Any:
    return {"name": "c", "securityContext": {k: v for k, v in HARDENED.items() if k != field}}


def adding(capability: str) -> Any:
    return container(security={"capabilities": {"add": [capability], "drop": ["ALL"]}})


def found(level: str, minor: int | None, spec: Any, annotations: Any = None) -> str:
    spec = {"containers": [container()], **spec}
    return details(violations(Standard(level, minor), Subject({"annotations": annotations}, spec)))


# What both levels say of a pod that is hardened but for this.
BOTH: list[tuple[Any, str]] = [
    ({}, ""),
    ({"hostNetwork": True}, "host namespaces (hostNetwork=true)"),
    ({"hostIPC": True, "hostPID": True, "hostNetwork": True},
     "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)"),
    ({"hostPID": False}, ""),
    ({"containers": [container(ports=[{"containerPort": 80}])]}, ""),
    ({"containers": [container(ports=[{"hostPort": 90}, {"hostPort": 8080}]),
                     container("d", ports=[{"hostPort": 90}])]},
     'hostPort (containers "c", "d" use hostPorts 8080, 90)'),
    ({"initContainers": [container("a", ports=[{"hostPort": 1}])]}, 'hostPort (container "a" uses hostPort 1)'),
    ({"ephemeralContainers": [container("e", livenessProbe={"tcpSocket": {"host": "h"}})]},
     'probe or lifecycle host (container "e" uses probe or lifecycle host "h")'),
    ({"containers": [container("z", lifecycle={"preStop": {"httpGet": {"host": "b"}}, "postStart": {"exec": {}}}),
                     container("a", startupProbe={"httpGet": {"host": "a"}}, readinessProbe={"grpc": {"port": 1}})]},
     'probe or lifecycle host (containers "a", "z" use probe or lifecycle hosts "a", "b")'),
    ({"containers": [container(livenessProbe={"httpGet": {"host": "", "port": 80}}, lifecycle={"preStop": None})]}, ""),
    ({"containers": [container(security={"procMount": "Default"})]}, ""),
    ({"containers": [container(security={"procMount": "Unmasked"}), container("d", {"procMount": "Odd"})]},
     'procMount (containers "c", "d" must not set securityContext.procMount to "Odd", "Unmasked")'),
    ({"containers": [container(security={"seLinuxOptions": {"type": "container_kvm_t", "level": "s0"}})]}, ""),
    ({"securityContext": {"seLinuxOptions": {"user": "u"}},
      "containers": [container(security={"seLinuxOptions": {"type": "x"}}), container("d", {"seLinuxOptions":
                                                                                        {"role": "r", "type": "a"}})]},
     'seLinuxOptions (pod and containers "c", "d" set forbidden securityContext.seLinuxOptions: '
     'types "a", "x"; user may not be set; role may not be set)'),
    ({"securityContext": {"sysctls": [{"name": "kernel.shm_rmid_forced"}, {"name": "z"}, {"name": "a"}]}},
     "forbidden sysctls (z, a)"),
    ({"securityContext": {"windowsOptions": {"hostProcess": True}},
      "containers": [container(security={"windowsOptions": {"hostProcess": True}})]},
     'hostProcess (pod and container "c" must not set securityContext.windowsOptions.hostProcess=true)'),
    ({"securityContext": {"windowsOptions": {"hostProcess": False}}}, ""),
    ({"securityContext": {"appArmorProfile": {"type": "Localhost"}}}, ""),
    ({"securityContext": {"appArmorProfile": {"type": "Unconfined"}},
      "containers": [container(security={"appArmorProfile": {"type": "Unconfined"}})]},
     'forbidden AppArmor profile (pod and container "c" must not set AppArmor profile type to "Unconfined")'),
    ({"containers": [container(security={"seccompProfile": {"type": "Unconfined"}}), container("d")]},
     'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")'),
    ({"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
     'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'),
    ({"volumes": [{"name": "v", "emptyDir": {}}, {"name": "i", "image": {"reference": "r"}}]}, ""),
    # More than one: in the order of the checks' names.
    ({"hostPID": True, "securityContext": {"sysctls": [{"name": "a"}], "seLinuxOptions": {"user": "u"}},
      "containers": [container(ports=[{"hostPort": 1}])]},
     'host namespaces (hostPID=true), hostPort (container "c" uses hostPort 1), seLinuxOptions (pod set forbidden '
     "securityContext.seLinuxOptions: user may not be set), forbidden sysctls (a)"),
]  # fmt: skip


@pytest.mark.parametrize("level", [BASELINE, RESTRICTED])
@pytest.mark.parametrize(("spec", "said"), BOTH)
def test_both_levels(level: str, spec: Any, said: str) -> None:
    assert found(level, None, spec) == said


# What the baseline says, and what the restricted level says.
EITHER: list[tuple[Any, str, str]] = [
    ({"containers": [container(security={"privileged": True})]},
     *['privileged (container "c" must not set securityContext.privileged=true)'] * 2),
    ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "hostPath": {}}]},
     'hostPath volumes (volumes "v", "w")',
     'restricted volume types (volumes "v", "w" use restricted volume type "hostPath")'),
    ({"volumes": [{"name": "v", "nfs": {}}, {"name": "w", "iscsi": {}}]},
     "", 'restricted volume types (volumes "v", "w" use restricted volume types "iscsi", "nfs")'),
    ({"volumes": [{"name": "v", "tape": {}}]},
     "", 'restricted volume types (volume "v" uses restricted volume type "unknown")'),
    ({"containers": [container(security={"capabilities": {"add": ["SYS_TIME", "CHOWN"]}})]},
     'non-default capabilities (container "c" must not include "SYS_TIME" in securityContext.capabilities.add)',
     'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]; '
     'container "c" must not include "CHOWN", "SYS_TIME" in securityContext.capabilities.add)'),
    ({"containers": [container(security={"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}})]}, "", ""),
    ({"containers": [without("capabilities")]},
     "", 'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"])'),
    ({"containers": [without("allowPrivilegeEscalation")]}, "",
     'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)'),
    ({"containers": [without("runAsNonRoot")]}, "",
     'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)'),
    ({"containers": [without("runAsNonRoot")], "securityContext": {"runAsNonRoot": True}}, "", ""),
    ({"containers": [container(security={"runAsNonRoot": False})], "securityContext": {"runAsNonRoot": False}}, "",
     'runAsNonRoot != true (pod and container "c" must not set securityContext.runAsNonRoot=false)'),
    ({"containers": [container(security={"runAsUser": 0}), container("d", {"runAsUser": 1})],
      "securityContext": {"runAsUser": 0}}, "", 'runAsUser=0 (pod and container "c" must not set runAsUser=0)'),
    ({"containers": [without("seccompProfile")]}, "",
     'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
     '"Localhost")'),
    ({"containers": [without("seccompProfile")], "securityContext": {"seccompProfile": {"type": "Localhost"}}}, "", ""),
    ({"containers": [{"name": "c", "securityContext": {"runAsNonRoot": True}}], "os": {"name": "windows"}}, "", ""),
    ({"containers": [{"name": "c"}], "os": {"name": "windows"}}, "",
     'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)'),
    # Root of a user namespace is let through, its unmasked /proc by the baseline alone.
    ({"hostUsers": False, "containers": [container(security={"runAsNonRoot": False, "runAsUser": 0})]}, "", ""),
    ({"hostUsers": False, "containers": [container(security={"procMount": "Unmasked"})]}, "",
     'procMount (container "c" must not set securityContext.procMount to "Unmasked")'),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "baseline", "restricted"), EITHER)
def test_one_level_and_the_other(spec: Any, baseline: str, restricted: str) -> None:
    assert (found(BASELINE, None, spec), found(RESTRICTED, None, spec)) == (baseline, restricted)


APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"


@pytest.mark.parametrize(
    ("minor", "annotations", "said"),
    [
        (None, {f"{APPARMOR}c": "runtime/default", f"{APPARMOR}d": "localhost/x", f"{APPARMOR}e": ""}, ""),
        (None, {f"{APPARMOR}d": "unconfined", f"{APPARMOR}c": "x"},
         f'forbidden AppArmor profiles (annotations must not set AppArmor profile type to "{APPARMOR}c="x"", '
         f'"{APPARMOR}d="unconfined"")'),
        (18, {SECCOMP: "docker/default", f"container.{SECCOMP.removesuffix('pod')}c": "localhost/x"}, ""),
        (18, {SECCOMP: "unconfined", f"container.{SECCOMP.removesuffix('pod')}c": ""},
         f'seccompProfile (forbidden annotations container.{SECCOMP.removesuffix("pod")}c="", {SECCOMP}="unconfined")'),
        (18, {f"container.{SECCOMP.removesuffix('pod')}nobody": "unconfined"}, ""),
        (19, {SECCOMP: "unconfined"}, ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("level", [BASELINE, RESTRICTED])
def test_annotations(level: str, minor: int | None, annotations: Any, said: str) -> None:
    assert found(level, minor, {}, annotations) == said


def sysctl(name: str) -> Any:
    return {"securityContext": {"sysctls": [{"name": name}]}}


@pytest.mark.parametrize(
    ("level", "spec", "since", "until"),
    [
        # The minor versions in which there is something against it: from `since` to the one before `until`.
        (BASELINE, sysctl("net.ipv4.ip_local_reserved_ports"), 0, 27),
        (BASELINE, sysctl("net.ipv4.tcp_keepalive_time"), 0, 29),
        (BASELINE, sysctl("net.ipv4.tcp_fin_timeout"), 0, 29),
        (BASELINE, sysctl("net.ipv4.tcp_keepalive_intvl"), 0, 29),
        (BASELINE, sysctl("net.ipv4.tcp_keepalive_probes"), 0, 29),
        (BASELINE, sysctl("net.ipv4.tcp_rmem"), 0, 32),
        (BASELINE, sysctl("net.ipv4.tcp_wmem"), 0, 32),
        (BASELINE, {"securityContext": {"seLinuxOptions": {"type": "container_engine_t"}}}, 0, 31),
        (BASELINE, {"containers": [container(livenessProbe={"httpGet": {"host": "h"}})]}, 34, 99),
        (BASELINE, {"hostUsers": False, "containers": [container(security={"procMount": "Unmasked"})]}, 0, 35),
        (RESTRICTED, {"hostUsers": False, "containers": [container(security={"procMount": "Unmasked"})]}, 0, 99),
        (BASELINE, {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, 19, 99),
        (RESTRICTED, {"containers": [without("seccompProfile")]}, 19, 99),
        (RESTRICTED, {"containers": [without("capabilities")]}, 22, 99),
        (RESTRICTED, {"containers": [adding("CHOWN")]}, 22, 99),
        (RESTRICTED, {"containers": [adding("BPF")]}, 0, 99),
        (RESTRICTED, {"containers": [container(security={"runAsUser": 0})]}, 23, 99),
        (RESTRICTED, {"containers": [container(security={"runAsUser": 0})], "hostUsers": False}, 23, 35),
        (RESTRICTED, {"containers": [without("runAsNonRoot")]}, 0, 99),
        (RESTRICTED, {"containers": [without("runAsNonRoot")], "hostUsers": False}, 0, 35),
        (RESTRICTED, {"containers": [without("allowPrivilegeEscalation")]}, 8, 99),
        (RESTRICTED, {"containers": [without("allowPrivilegeEscalation")], "os": {"name": "windows"}}, 8, 25),
        (RESTRICTED, {"containers": [without("capabilities")], "os": {"name": "windows"}}, 22, 25),
        (RESTRICTED, {"containers": [without("seccompProfile")], "os": {"name": "windows"}}, 19, 25),
        (RESTRICTED, {"volumes": [{"name": "v", "nfs": {}}]}, 0, 99),
    ],
)  # fmt: skip
def test_versions(level: str, spec: Any, since: int, until: int) -> None:
    against = [minor for minor in range(40) if found(level, minor, spec)]
    assert against == list(range(since, min(until, 40)))
    assert bool(found(level, None, spec)) == (until == 99)


def test_the_tables_are_in_order() -> None:
    for table in (BASELINE_RULES, RESTRICTED_RULES):
        for rules in table.values():
            assert [r.since for r in rules] == sorted({r.since for r in rules})
        assert all(rule.instead_of in {"", *BASELINE_RULES} for rules in table.values() for rule in rules)
