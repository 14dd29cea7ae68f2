"""What is set for the whole cluster: standards of namespaces that ask for none, and whom no standard binds."""

from __future__ import annotations

from dataclasses import dataclass

from longboat.apiserver.admission.pod_security.levels import OPEN, Policy


@dataclass(frozen=True, slots=True)
class Settings:
    """PodSecurityConfiguration (pod-security.admission.config.k8s.io/v1)."""

    defaults: Policy = OPEN
    namespaces: frozenset[str] = frozenset()
    usernames: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()
