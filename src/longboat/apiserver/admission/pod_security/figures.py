"""How pods fared, for Prometheus: names, labels and help are upstream's (pod-security-admission/metrics)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from longboat.apiserver.admission.pod_security.levels import ENFORCE, LATEST, PRIVILEGED, Standard
from longboat.apiserver.health import GIT_VERSION
from longboat.machinery import build
from longboat.machinery.exposition import Family, Sample

MINOR = int(build.info(GIT_VERSION)["minor"])  # of the newest version that we claim to be
EVALUATIONS, EXEMPTIONS, ERRORS = (f"pod_security_{what}_total" for what in ("evaluations", "exemptions", "errors"))
ASKED = ("request_operation", "resource", "subresource")
LABELS = {
    EVALUATIONS: ("decision", "policy_level", "policy_version", "mode", *ASKED),
    EXEMPTIONS: ASKED,
    ERRORS: ("fatal", *ASKED),
}
HELP = {
    EVALUATIONS: "[ALPHA] Number of policy evaluations that occurred, not counting ignored or exempt requests.",
    EXEMPTIONS: "[ALPHA] Number of exempt requests, not counting ignored or out of scope requests.",
    ERRORS: "[ALPHA] Number of errors preventing normal evaluation. Non-fatal errors may result in the latest "
    "restricted profile being used for evaluation.",
}
Asked = tuple[str, str, str]  # operation, resource, subresource: `ASKED`


class Figures:
    """`count` is called on the loop; labels are words of ours alone, so there is an end to them."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in LABELS}
        for operation in ("create", "update"):  # told of before the first, as upstream does
            self._counts[EVALUATIONS]["allow", PRIVILEGED, LATEST, ENFORCE, operation, "pod", ""] = 0
            for resource in ("pod", "controller"):
                self._counts[EXEMPTIONS][operation, resource, ""] = 0

    def evaluated(self, allowed: bool, standard: Standard, mode: str, asked: Asked) -> None:
        decision = "allow" if allowed else "deny"
        self._counts[EVALUATIONS][decision, standard.level, _version(standard), mode, *asked] += 1

    def exempted(self, asked: Asked) -> None:
        self._counts[EXEMPTIONS][asked] += 1

    def failed(self, fatal: bool, asked: Asked) -> None:
        self._counts[ERRORS]["true" if fatal else "false", *asked] += 1

    def families(self) -> Iterator[Family]:
        for name, names in LABELS.items():
            counts = self._counts[name].copy()
            samples = [Sample(n, dict(zip(names, labels, strict=True))) for labels, n in counts.items()]
            yield Family(name, "counter", HELP[name], samples)


def _version(standard: Standard) -> str:
    if standard.minor is None or standard.level == PRIVILEGED:  # which has always been the same
        return LATEST
    return f"v1.{standard.minor}" if standard.minor <= MINOR else "future"
