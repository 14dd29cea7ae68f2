"""Revisions: which ReplicaSet is the new one, what it is called, and which old ones are kept. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from longboat.api.workloads import POD_HASH, ReplicaSet, Template
from longboat.controllers.deployment.views import Deployment
from longboat.controllers.templates import settled

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NOT_COPIED = frozenset((LAST_APPLIED, REVISION, HISTORY, DESIRED, MOST, "deprecated.deployment.rollback.to"))

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: no words

_encode = msgspec.json.Encoder(order="sorted").encode


def plain(template: Template) -> dict[str, Any]:
    """The template without the label that the controller adds."""
    meta = dict(template.metadata)
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != POD_HASH}
    meta.pop("creationTimestamp", None)
    if labels:
        meta["labels"] = labels
    else:
        meta.pop("labels", None)
    return {"metadata": meta, "spec": msgspec.json.decode(template.spec)}


def template_hash(template: Template, collisions: int) -> str:
    """A short name for a template. Stored templates are canonical, so equal ones hash alike."""
    content = _encode(plain(template)) + (str(collisions).encode() if collisions else b"")
    number = int.from_bytes(hashlib.sha256(content).digest()[:8], "big")
    text = ""
    for _ in range(10):
        number, digit = divmod(number, len(ALPHABET))
        text += ALPHABET[digit]
    return text


def find_new(deployment: Deployment, sets: Iterable[ReplicaSet]) -> ReplicaSet | None:
    """The ReplicaSet of the current template; of several the oldest."""
    wanted = plain(deployment.spec.template)
    found = [(each, plain(each.spec.template)) for each in sets]
    alike = [each for each, template in found if template == wanted]
    if not alike and found:
        wanted = settled(wanted)
        alike = [each for each, template in found if settled(template) == wanted]
    return min(alike, key=lambda each: (each.metadata.creationTimestamp or "", each.metadata.name), default=None)


def revision(each: ReplicaSet) -> int:
    text = each.metadata.annotations.get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def sizes(deployment: Deployment, surge: int) -> dict[str, str]:
    """The annotations that say for which size of the Deployment a ReplicaSet was last scaled."""
    wanted = deployment.spec.replicas
    return {DESIRED: str(wanted), MOST: str(wanted + surge)}


def annotated(deployment: Deployment, each: ReplicaSet | None, number: int) -> dict[str, str]:
    """The annotations the new ReplicaSet should have: the Deployment's, and its revision."""
    copied = {key: value for key, value in deployment.metadata.annotations.items() if key not in NOT_COPIED}
    found = {**(each.metadata.annotations if each else {}), **copied}
    before = found.get(REVISION, "")
    if before and before != str(number) and (not before.isdigit() or int(before) < number):
        past = [entry for entry in found.get(HISTORY, "").split(",") if entry]
        found[HISTORY] = ",".join([*past, before])
    if not before.isdigit() or int(before) < number:
        found[REVISION] = str(number)
    return found


def superfluous(deployment: Deployment, old: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """Old ReplicaSets beyond the history limit: the lowest revisions that are empty and done with."""
    finished = [each for each in old if each.metadata.deletionTimestamp is None]
    surplus = len(finished) - deployment.spec.revisionHistoryLimit
    if surplus <= 0:
        return []
    return [
        each
        for each in sorted(finished, key=revision)[:surplus]
        if each.status.replicas == 0
        and each.spec.replicas == 0
        and each.metadata.generation <= each.status.observedGeneration
    ]
