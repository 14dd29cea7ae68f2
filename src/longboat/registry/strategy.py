"""What one kind adds to the generic store: its defaults, validation, status rules, columns and subresources.

A strategy is stateless where it can be. Everything here has the ordinary answer; a kind overrides the differences.
Order of a create: default → (mutating admission) → default → reserve → prepare_create → validate → (validating
admission) → storage; an update has prepare_update and validate_update. `registry/store.py` fixes it once for all kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.subresource import READ_WRITE, STATUS, Subresource
from longboat.machinery.table import AGE, Column
from longboat.machinery.types.custom import CustomType
from longboat.registry.conversion import Converter
from longboat.registry.write import Write

# The steps in which a change is checked (`judging.judge_change`).
METADATA, METADATA_CHANGE, FINALIZERS = "metadata", "metadata change", "finalizers"
OBJECT, CHANGE = "object", "change"
WHOLE_METADATA = (METADATA, FINALIZERS)
WHOLE_METADATA_CHANGE = (METADATA_CHANGE, FINALIZERS)

SCALE = Subresource("scale", READ_WRITE, kinds.SCALE)


@dataclass(frozen=True, slots=True)
class ScaleFields:
    """Where the scale subresource finds its three values: dotted paths into the object."""

    spec_replicas: str = "spec.replicas"
    status_replicas: str = "status.replicas"
    selector: str = "spec.selector"  # a LabelSelector, a plain map (ReplicationController), or its text (custom kinds)
    must_have: str = ""  # how the first is told that has to be there


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a delete asks for. `grace` is None where the client left it open."""

    grace: int | None = None
    propagation: str | None = None
    preconditions: Object = field(default_factory=dict)


class Strategy:
    """The ordinary kind. Subclass per kind; the instance lives in `registry/catalog.py`."""

    kind: ClassVar[Kind]
    type: CustomType | None = None  # what its objects are made of, where the build does not say
    columns: ClassVar[tuple[Column, ...]] = (AGE,)  # after Name, unless they have one of their own
    row_rank: Callable[[list[Any]], Any] | None = None  # by which the rows of a table are sorted, of their cells
    # In which order upstream checks an update, and one through a subresource: some things more than once, and then what
    # is wrong is told as often (in `details.causes`; the message leaves repetitions out).
    update_order: ClassVar[tuple[str, ...]] = (*WHOLE_METADATA_CHANGE, OBJECT, CHANGE)
    part_order: ClassVar[tuple[str, ...]] = (*WHOLE_METADATA_CHANGE, CHANGE)
    standard_finalizers: ClassVar[bool] = True  # finalizers that are no qualified names must be known ones
    heavy: bool = False  # checking an object may take long, however small it is: it is done beside the loop
    has_status: ClassVar[bool] = False  # a /status subresource: spec writes keep status, status writes keep spec
    born_with_status: ClassVar[bool] = False  # a create may bring its status along (Node)
    scale: ClassVar[ScaleFields | None] = None
    subresources: ClassVar[tuple[Subresource, ...]] = ()  # beside status and scale
    verbs: ClassVar[tuple[str, ...]] = (
        "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
    )  # fmt: skip
    top_level: ClassVar[bool] = True  # False: only ever a subresource of another kind
    protobuf: ClassVar[bool] = True  # its objects are given in protobuf; those of custom kinds never are
    stored: ClassVar[bool] = True  # False: answered on the spot, never stored (reviews)
    generation: ClassVar[bool] = True  # metadata.generation counts changes outside metadata and status
    counts_status: ClassVar[bool] = False  # so does a change of the status, which is no subresource
    first_generation: ClassVar[int] = 1  # 0, which is not shown, where upstream counts changes only
    counted_metadata: ClassVar[tuple[str, ...]] = ()  # parts of the metadata whose changes count as well
    create_on_update: ClassVar[bool] = False  # PUT of an absent name creates it
    unconditional_update: ClassVar[bool] = True  # PUT without a resourceVersion replaces whatever is there
    deprecated: ClassVar[str] = ""  # what every client of this kind is warned of
    selectable: ClassVar[frozenset[str]] = frozenset()  # the fields that `fields` gives
    described: ClassVar[frozenset[str]] = frozenset()  # those that it gives for other versions, too
    owns: ClassVar[bool] = True  # may have dependents: its deletion can wait for them, or let them go
    returns_deleted: ClassVar[bool] = False  # DELETE answers with the object rather than a Status
    hub: ClassVar[Kind | None] = None  # the version objects are stored in, where it is not this one
    converter: Converter | None = None  # who makes one version of another, where that takes asking somebody else
    storage_prefix: ClassVar[str] = ""  # of the key, where it is not the plural ("services/specs")
    former_prefix: ClassVar[str] = ""  # where older versions of ours kept it: it is moved when the server starts

    def parts(self) -> dict[str, Subresource]:
        """Every subresource, by name and in order."""
        found = [*self.subresources]
        if self.has_status:
            found.append(STATUS)
        if self.scale:
            found.append(SCALE)
        return {part.name: part for part in sorted(found, key=lambda part: part.name)}

    def name_errors(self, name: str) -> list[str]:
        """What is wrong with this as metadata.name; default DNS-1123 subdomain."""
        return names.dns1123_subdomain(name)

    def from_hub(self, obj: Object) -> Object:
        """The stored version of an object as this version shows it (only where `hub` is set)."""
        return obj

    def to_hub(self, obj: Object) -> Object:
        """The inverse: what is stored."""
        return obj

    def default(self, obj: Object) -> None:
        """Fill in absent fields. Must be idempotent; sees every object that is decoded."""

    def prepare_create(self, new: Object, write: Write) -> None:
        """Clear or set what the client may not decide (beyond metadata, and status where `has_status`)."""

    def prepare_update(self, new: Object, old: Object, write: Write) -> None:
        """Carry over what an update may not change silently. Status is already carried over where `has_status`."""

    def prepare_status(self, new: Object, old: Object, write: Write) -> None:
        """As prepare_update, for the status subresource. Everything but status and metadata is already carried over."""

    def validate(self, new: Object, err: Errors) -> None:
        """What must hold for any object of this kind. Metadata is checked by the store."""

    def validate_create(self, new: Object, err: Errors) -> None:
        """What must hold for a new object beyond `validate`."""

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        """What must hold between two versions. `validate` runs too."""

    def validate_part(self, subresource: str, new: Object, old: Object, err: Errors) -> None:
        """What must hold for a write through a subresource other than status (binding, scale, resize…)."""
        self.validate(new, err)
        self.validate_update(new, old, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        """What must hold for a status write."""

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Texts for the client's Warning headers."""
        return []

    def status_warnings(self, new: Object) -> list[str]:
        """As `warnings`, for a status write."""
        return []

    def warnings_on_deletion(self, wish: Deletion) -> list[str]:
        """As `warnings`, for who deletes objects of this kind so."""
        return []

    def fields(self, obj: Object) -> dict[str, str]:
        """Selectable fields beside metadata.name and metadata.namespace."""
        return {}

    def grace_seconds(self, obj: Object, wish: int | None) -> int:
        """How long deletion waits for the object's agent; 0 deletes at once. `wish` is the client's."""
        return 0

    def begin_delete(self, obj: Object, write: Write) -> None:
        """Mark the object as going (deletionTimestamp is set by the store)."""

    def ttl(self, obj: Object) -> float | None:
        """Seconds after which the object is deleted by itself; None keeps it."""
        return None

    def held(self, obj: Object) -> bool:
        """Whether more than metadata.finalizers keeps a deleted object in storage (Namespace: spec.finalizers)."""
        return False

    def default_propagation(self) -> str:
        """What happens to dependents when the client does not say."""
        return "Background"
