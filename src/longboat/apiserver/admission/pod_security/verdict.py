"""What comes of holding one pod, or a template of pods, to its namespace's policy. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from longboat.apiserver.admission.pod_security.levels import AUDIT, ENFORCE, NONE, PREFIX, WARN, Policy, Standard
from longboat.apiserver.admission.pod_security.standards import details, violations
from longboat.apiserver.admission.pod_security.subject import Subject
from longboat.machinery.fieldpath import Errors

ENFORCED, AUDITED, EXEMPT, ERROR = (
    PREFIX + name for name in ("enforce-policy", "audit-violations", "exempt", "error")
)  # names of annotations of the audit event


@dataclass(slots=True)
class Verdict:
    """`refusal`: why it may not be written; empty when it may. `evaluated`: whether it was allowed, by what, in which
    mode. `fatal`: whether an error kept it from being judged at all, None without one."""

    refusal: str = ""
    warning: str = ""
    annotations: dict[str, str] = field(default_factory=dict)
    evaluated: list[tuple[bool, Standard, str]] = field(default_factory=list)
    exempt: bool = False
    fatal: bool | None = None


def exempted(whose: str) -> Verdict:
    """`whose` exemption it is: a user's, a namespace's or a runtimeClass's."""
    return Verdict(annotations={EXEMPT: whose}, exempt=True)


def unbound() -> Verdict:
    """Of a pod in a namespace that asks for nothing."""
    return Verdict(annotations={ENFORCED: str(NONE)}, evaluated=[(True, NONE, ENFORCE)])


def judge(policy: Policy, errors: Errors, pod: Subject, enforce: bool) -> Verdict:
    """`errors`: of the labels that `policy` was made of. `enforce` is false of templates: no one refuses those."""
    verdict = Verdict()
    if errors:
        verdict.annotations[ERROR] = f"Failed to parse policy: {_together(errors)}"
        verdict.fatal = False
    found: dict[Standard, str] = {}  # what each standard has against it, looked for once

    def against(standard: Standard) -> str:
        if standard not in found:
            found[standard] = details(violations(standard, pod))
        return found[standard]

    if enforce:
        standard = policy.enforce
        verdict.annotations[ENFORCED] = str(standard)
        if why := against(standard):
            verdict.refusal = f'violates PodSecurity "{standard}": {why}'
        verdict.evaluated.append((not why, standard, ENFORCE))
    if why := against(policy.audit):
        verdict.annotations[AUDITED] = f'would violate PodSecurity "{policy.audit}": {why}'
        verdict.evaluated.append((False, policy.audit, AUDIT))
    if not verdict.refusal and (why := against(policy.warn)):
        verdict.warning = f'would violate PodSecurity "{policy.warn}": {why}'
        verdict.evaluated.append((False, policy.warn, WARN))
    return verdict


def _together(errors: Errors) -> str:
    lines = [str(cause) for cause in errors]
    return lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
