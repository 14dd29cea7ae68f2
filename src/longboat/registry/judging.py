"""What a strategy makes of a new object or version, and says against it, in one order for all kinds. No I/O."""

from __future__ import annotations

from longboat.machinery import errors
from longboat.machinery.fieldpath import Errors
from longboat.machinery.objects import Object, meta
from longboat.machinery.subresource import Subresource
from longboat.registry import metadata, off_by_default
from longboat.registry import strategy as strategies
from longboat.registry.strategy import METADATA, METADATA_CHANGE, Strategy
from longboat.registry.write import Write

COMMON = (METADATA, METADATA_CHANGE)  # what upstream checks of any change before it asks the kind


def judge_new(strategy: Strategy, obj: Object, write: Write) -> list[str]:
    """Take from a new object what is not its maker's to say, and validate. Returns warnings. Raises StatusError."""
    err = Errors()
    if strategy.has_status and not strategy.born_with_status:
        obj.pop("status", None)
    if strategy.generation and strategy.first_generation:
        meta(obj)["generation"] = strategy.first_generation
    off_by_default.drop(strategy.hub or strategy.kind, obj, None)
    strategy.prepare_create(obj, write)
    with err.enough():
        metadata.validate(strategy, meta(obj), err)
        if strategy.standard_finalizers:
            metadata.validate_standard_finalizers(meta(obj), err)
        strategy.validate(obj, err)
        strategy.validate_create(obj, err)
    if err:
        raise errors.invalid(strategy.hub or strategy.kind, meta(obj).get("name") or "", err)
    return strategy.warnings(obj, None)


def judge_change(
    strategy: Strategy, part: Subresource | None, new: Object, old: Object, name: str, write: Write
) -> list[str]:
    """As `judge_new`, for a version that follows another; counts generations too. `part`: what it is written through,
    None for the resource itself."""
    subresource, err = write.subresource, Errors()
    _prepare(strategy, new, old, write)
    found: dict[str, Errors] = {}
    with err.enough():
        for step in COMMON + (strategy.part_order if subresource else strategy.update_order):
            if step not in found:
                found[step] = _taken(step, strategy, subresource, new, old)
            err.merge(found[step])
    if err:
        raise errors.invalid(strategy.hub or strategy.kind, name, err)
    if strategy.generation and (part is None or part.counts):
        _count_generation(strategy, new, old, subresource)
    if subresource == "status":
        return err.warned + strategy.status_warnings(new)
    return err.warned + (strategy.warnings(new, old) if subresource in ("", "scale") else [])


def _taken(step: str, strategy: Strategy, subresource: str, new: Object, old: Object) -> Errors:
    """What one step says against a change. What upstream looks at twice is looked at once, and told twice."""
    err = Errors()
    with err.enough():
        match step:
            case strategies.METADATA:
                metadata.validate(strategy, meta(new), err)
            case strategies.METADATA_CHANGE:
                metadata.validate_update(meta(new), meta(old), err)
            case strategies.FINALIZERS if strategy.standard_finalizers:
                metadata.validate_standard_finalizers(meta(new), err)
            case strategies.OBJECT:
                strategy.validate(new, err)
            case strategies.CHANGE if subresource == "":
                strategy.validate_update(new, old, err)
            case strategies.CHANGE if subresource == "status":
                strategy.validate_status(new, old, err)
            case strategies.CHANGE:
                strategy.validate_part(subresource, new, old, err)
    return err


def _prepare(strategy: Strategy, new: Object, old: Object, write: Write) -> None:
    """Let each write change only its own part: status writes the status, others all but the status."""
    off_by_default.drop(strategy.hub or strategy.kind, new, old)
    if write.subresource == "status":
        for part in [part for part in new if part not in ("kind", "apiVersion", "metadata", "status")]:
            del new[part]
        new.update({k: v for k, v in old.items() if k not in ("kind", "apiVersion", "metadata", "status")})
        strategy.prepare_status(new, old, write)
        return
    if strategy.has_status and write.subresource == "":
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    strategy.prepare_update(new, old, write)


def _count_generation(strategy: Strategy, new: Object, old: Object, subresource: str) -> None:
    apart = ("metadata",) if strategy.counts_status else ("metadata", "status")
    changed = any(new.get(part) != old.get(part) for part in new.keys() | old.keys() if part not in apart)
    counted = strategy.counted_metadata if subresource != "status" else ()
    if changed or any((meta(new).get(part) or {}) != (meta(old).get(part) or {}) for part in counted):
        meta(new)["generation"] = (meta(old).get("generation") or 0) + 1
