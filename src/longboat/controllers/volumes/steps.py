"""What the binder may decide to do, as values: the plan says it, the controller carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from longboat.api.storage import Claim, Volume


@dataclass(frozen=True, slots=True)
class Note:
    """An Event to record."""

    type: str  # Normal or Warning
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Bind:
    """Point volume and claim at each other and call both Bound; what is so already is not written again."""

    claim: Claim
    volume: Volume


@dataclass(frozen=True, slots=True)
class ClaimPhase:
    """Call the claim Pending or Lost. `note` is told only where that changes anything."""

    claim: Claim
    phase: str
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class VolumePhase:
    volume: Volume
    phase: str
    message: str = ""
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class Unbind:
    """Take back a binding that another one overtook. What a user reserved stays reserved."""

    volume: Volume


@dataclass(frozen=True, slots=True)
class AskProvisioner:
    """Leave the claim to whoever makes volumes under this name."""

    claim: Claim
    provisioner: str


@dataclass(frozen=True, slots=True)
class AssignClass:
    """Give the claim the default class that has come to exist since it was made."""

    claim: Claim
    storage_class: str


@dataclass(frozen=True, slots=True)
class Tell:
    about: Claim | Volume
    note: Note


@dataclass(frozen=True, slots=True)
class Wake:
    """Look at the claim at once."""

    claim: Claim


Step: TypeAlias = Bind | ClaimPhase | VolumePhase | Unbind | AskProvisioner | AssignClass | Tell | Wake
