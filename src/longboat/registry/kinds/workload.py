"""What the kinds that run pods from a template have in common."""

from __future__ import annotations

from longboat.machinery.objects import Object, dig
from longboat.machinery.table import Column
from longboat.registry.kinds import cells


def template_labels_as_own(obj: Object) -> None:
    """ReplicationController and its like once took selector and labels from their template."""
    found = dig(obj, "spec", "template", "metadata", "labels")
    if found:
        if not dig(obj, "spec", "selector"):
            obj["spec"]["selector"] = dict(found)
        if not dig(obj, "metadata", "labels"):
            obj["metadata"]["labels"] = dict(found)


def replicas(obj: Object) -> str:
    """Ready of wanted."""
    return f"{dig(obj, 'status', 'readyReplicas', default=0)}/{dig(obj, 'spec', 'replicas', default=0)}"


DESIRED = Column("Desired", int, cells.at("spec.replicas", 0), description="How many pods there should be.")
CURRENT = Column("Current", int, cells.at("status.replicas", 0), description="How many pods there are.")
READY = Column("Ready", int, cells.at("status.readyReplicas", 0), description="How many pods are ready.")
READY_OF = Column("Ready", str, replicas, description="How many pods are ready, of how many there should be.")
SELECTOR = Column("Selector", str, lambda obj: cells.selector(dig(obj, "spec", "selector")), 1,
                  "Which pods are counted as its own.")  # fmt: skip
