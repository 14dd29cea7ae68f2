"""What the controllers may do, put together by the ServiceAccount they act under."""

from __future__ import annotations

from collections.abc import Iterator

from longboat.api.rights import Rights, together
from longboat.controllers.catalog import controllers
from longboat.controllers.runtime import Controller

NAMESPACE = "kube-system"
EVENTS = "create patch update: events events/events"  # every controller tells of what it does


def declared() -> Iterator[Rights]:
    """What the classes in the catalogue declare. Controllers of one account share its role."""
    accounts: dict[str, list[type[Controller]]] = {}
    for controller in controllers():
        accounts.setdefault(controller.identity(), []).append(controller)
    for account, sharing in accounts.items():
        role, subject = f"system:controller:{account}", f"sa:{NAMESPACE}/{account}"
        if lines := together(controller.rights for controller in sharing):
            yield Rights(role=role, subject=subject, lines=together((lines, EVENTS)))
        for namespace in dict.fromkeys(place for controller in sharing for place in controller.rights_within):
            lines = together(controller.rights_within.get(namespace, "") for controller in sharing)
            yield Rights(role=role, subject=subject, lines=lines, namespace=namespace)
