"""Which Services a pod stands behind, and which pods behind a Service, without walking all of either."""

from __future__ import annotations

from collections.abc import Callable

from longboat.client.informer import Informer
from longboat.client.interface import Key
from longboat.controllers.endpoints.views import BackingPod, Service


class SelectedPods:
    """Wakes Services whose pods change. Pods are found through one label of the selector, the rest is compared."""

    def __init__(self, services: Informer[Service], pods: Informer[BackingPod], wake: Callable[[Key], None]) -> None:
        self._services = services
        self._pods = pods
        self._wake = wake
        pods.index("label", _labelled)
        services.index("selector", lambda service: [_anchor(service)] if service.spec.selector else [])
        pods.on_change(self._pod_changed)

    def of(self, service: Service) -> list[BackingPod]:
        wanted = service.spec.selector.items()
        found = self._pods.by_index("label", _anchor(service))
        return [pod for pod in found if wanted <= pod.metadata.labels.items()]

    def _pod_changed(self, old: BackingPod | None, new: BackingPod | None) -> None:
        if old is not None and new is not None and _same(old, new):
            return
        for pod in (old, new):
            if pod is None:
                continue
            for anchor in _labelled(pod):
                for service in self._services.by_index("selector", anchor):
                    if service.spec.selector.items() <= pod.metadata.labels.items():
                        self._wake(Key(service.metadata.namespace, service.metadata.name))


def _labelled(pod: BackingPod) -> list[tuple[str, str, str]]:
    return [(pod.metadata.namespace, key, value) for key, value in pod.metadata.labels.items()]


def _anchor(service: Service) -> tuple[str, str, str]:
    """One label of the selector, always the same."""
    key = min(service.spec.selector)
    return (service.metadata.namespace, key, service.spec.selector[key])


def _same(old: BackingPod, new: BackingPod) -> bool:
    """Whether nothing has changed that an endpoint is made of."""
    return (
        old.status == new.status
        and old.spec == new.spec
        and old.metadata.labels == new.metadata.labels
        and old.metadata.deletionTimestamp == new.metadata.deletionTimestamp
    )
