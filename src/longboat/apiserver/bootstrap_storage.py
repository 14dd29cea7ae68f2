"""The storage every cluster has from the start: the class `standard`, served by the driver inside each node's agent."""

from __future__ import annotations

from collections.abc import Iterable

from longboat.api import kinds
from longboat.api.storage import CONTROLLER_SCOPE, DEFAULT_CLASS, LOCAL_DRIVER, OF_NODE, WAIT_FOR_FIRST_CONSUMER
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, dig

STANDARD = "standard"


def storage_objects(classes: Iterable[Object]) -> list[tuple[Kind, Object]]:
    """What to create where it is absent. `standard` is the default class unless one of `classes` is."""
    taken = any(dig(c, "metadata", "annotations", note) == "true" for c in classes for note in DEFAULT_CLASS)
    standard: Object = {
        "metadata": {"name": STANDARD, "annotations": {} if taken else {DEFAULT_CLASS[0]: "true"}},
        "provisioner": LOCAL_DRIVER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": WAIT_FOR_FIRST_CONSUMER,
        "allowVolumeExpansion": True,
    }
    driver: Object = {
        "metadata": {"name": LOCAL_DRIVER, "annotations": {CONTROLLER_SCOPE: OF_NODE}},
        "spec": {"attachRequired": False, "fsGroupPolicy": "File", "volumeLifecycleModes": ["Persistent"]},
    }
    return [(kinds.STORAGE_CLASS, standard), (kinds.CSI_DRIVER, driver)]
