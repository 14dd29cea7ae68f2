"""Roles of upstream's controllers that we have none of, each bound to the ServiceAccount of its name in kube-system.

Somebody may run them beside ours. Controllers of our own declare their rights themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

from longboat.api.rights import Rights

EVENTS = "\ncreate patch update: events events/events"

CONTROLLERS: dict[str, str] = {
    "clusterrole-aggregation-controller": "escalate get list patch update watch: rbac/clusterroles",
    "expand-controller": """
        get list patch update watch: persistentvolumes
        patch update: persistentvolumeclaims/status
        get list watch: persistentvolumeclaims
        get: services endpoints
    """,
    "route-controller": "list watch: nodes\npatch: nodes/status",
    "ttl-controller": "list patch update watch: nodes",
    "validatingadmissionpolicy-status-controller": """
        get list watch: admissionregistration/validatingadmissionpolicies
        get patch update: admissionregistration/validatingadmissionpolicies/status
    """,
}


def rights() -> Iterator[Rights]:
    for name, lines in CONTROLLERS.items():
        yield Rights(role=f"system:controller:{name}", subject=f"sa:kube-system/{name}", lines=lines + EVENTS)
