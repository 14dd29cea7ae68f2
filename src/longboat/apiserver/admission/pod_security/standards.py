"""Which checks a level consists of in which version: the table, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from longboat.apiserver.admission.pod_security import baseline, restricted
from longboat.apiserver.admission.pod_security.levels import BASELINE, PRIVILEGED, RESTRICTED, Standard
from longboat.apiserver.admission.pod_security.subject import Check, Subject, Violation


class Rule(NamedTuple):
    """`since`: the minor version from which a check holds as `check` has it. `instead_of`: a check of the baseline that
    this one makes superfluous."""

    since: int
    check: Check
    instead_of: str = ""


# By the names that order them on the wire.
BASELINE_RULES: Mapping[str, tuple[Rule, ...]] = {
    "appArmorProfile": (Rule(0, baseline.app_armor_profile),),
    "capabilities_baseline": (Rule(0, baseline.capabilities),),
    "hostNamespaces": (Rule(0, baseline.host_namespaces),),
    "hostPathVolumes": (Rule(0, baseline.host_path_volumes),),
    "hostPorts": (Rule(0, baseline.host_ports),),
    "hostProbesAndHostLifecycle": (Rule(34, baseline.host_probes_and_host_lifecycle),),
    "privileged": (Rule(0, baseline.privileged),),
    "procMount": (Rule(0, baseline.proc_mount), Rule(35, baseline.proc_mount_35)),
    "seLinuxOptions": (
        Rule(0, baseline.selinux_options(baseline.SELINUX_TYPES)),
        Rule(31, baseline.selinux_options(baseline.SELINUX_TYPES_31)),
    ),
    "seccompProfile_baseline": (Rule(0, baseline.seccomp_annotations), Rule(19, baseline.seccomp_profile)),
    "sysctls": (
        Rule(0, baseline.sysctls(baseline.SYSCTLS)),
        Rule(27, baseline.sysctls(baseline.SYSCTLS_27)),
        Rule(29, baseline.sysctls(baseline.SYSCTLS_29)),
        Rule(32, baseline.sysctls(baseline.SYSCTLS_32)),
    ),
    "windowsHostProcess": (Rule(0, baseline.windows_host_process),),
}
RESTRICTED_RULES: Mapping[str, tuple[Rule, ...]] = {
    "allowPrivilegeEscalation": (
        Rule(8, restricted.allow_privilege_escalation), Rule(25, restricted.allow_privilege_escalation_25),
    ),
    "capabilities_restricted": (
        Rule(22, restricted.capabilities, "capabilities_baseline"),
        Rule(25, restricted.capabilities_25, "capabilities_baseline"),
    ),
    "procMount_restricted": (Rule(35, baseline.proc_mount, "procMount"),),
    "restrictedVolumes": (Rule(0, restricted.volumes, "hostPathVolumes"),),
    "runAsNonRoot": (Rule(0, restricted.run_as_non_root), Rule(35, restricted.run_as_non_root_35)),
    "runAsUser": (Rule(23, restricted.run_as_user), Rule(35, restricted.run_as_user_35)),
    "seccompProfile_restricted": (
        Rule(19, restricted.seccomp_profile, "seccompProfile_baseline"),
        Rule(25, restricted.seccomp_profile_25, "seccompProfile_baseline"),
    ),
}  # fmt: skip
NEWEST = max(rules[-1].since for table in (BASELINE_RULES, RESTRICTED_RULES) for rules in table.values())


def _in_force(table: Mapping[str, tuple[Rule, ...]], minor: int) -> dict[str, Rule]:
    found = {name: [rule for rule in rules if rule.since <= minor] for name, rules in sorted(table.items())}
    return {name: rules[-1] for name, rules in found.items() if rules}


def _checks(level: str, minor: int) -> tuple[Check, ...]:
    low, high = _in_force(BASELINE_RULES, minor), {}
    if level == RESTRICTED:
        high = _in_force(RESTRICTED_RULES, minor)
        for rule in high.values():
            low.pop(rule.instead_of, None)
    return tuple(rule.check for rule in (*low.values(), *high.values()))


_CHECKS = {(level, minor): _checks(level, minor) for level in (BASELINE, RESTRICTED) for minor in range(NEWEST + 1)}


def violations(standard: Standard, pod: Subject) -> list[Violation]:
    """What the standard has against a pod. Versions to come are held to be as the newest that is known."""
    if standard.level == PRIVILEGED:
        return []
    minor = NEWEST if standard.minor is None else min(standard.minor, NEWEST)
    return [found for check in _CHECKS[standard.level, minor] if (found := check(pod)) is not None]


def reasons(found: list[Violation]) -> str:
    return ", ".join(violation.reason for violation in found)


def details(found: list[Violation]) -> str:
    return ", ".join(f"{reason} ({detail})" if detail else reason for reason, detail in found)
