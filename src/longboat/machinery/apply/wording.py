"""What upstream says of conflicts (managedfields, NewConflictError; fieldpath, Conflicts)."""

from __future__ import annotations

from longboat.machinery.apply import fieldset
from longboat.machinery.apply.managed import UPDATE, Manager, Owned
from longboat.machinery.errors import StatusError
from longboat.machinery.fieldpath import quoted


def refused(conflicts: dict[Manager, Owned]) -> StatusError:
    """409, with a cause for each field that somebody else owns."""
    by: dict[str, list[str]] = {}
    for who, owned in conflicts.items():
        by.setdefault(_named(who, owned), []).extend(map(fieldset.shown, fieldset.paths(owned.fields)))
    count = sum(map(len, by.values()))
    if count == 1:
        (name, (path,)) = next(iter(by.items()))
        message = f"Apply failed with 1 conflict: conflict with {name}: {path}"
    else:
        told = "\n".join(
            "\n".join([f"conflicts with {name}:", *(f"- {path}" for path in by[name])]) for name in sorted(by)
        )
        message = f"Apply failed with {count} conflicts: {told}"
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {name}", "field": path}
        for name, found in by.items()
        for path in found
    ]
    return StatusError(409, "Conflict", message, {"causes": causes})


def _named(who: Manager, owned: Owned) -> str:
    found = quoted(who.name)
    if who.subresource:
        found += f" with subresource {quoted(who.subresource)}"
    if who.operation == UPDATE:
        found += f" using {owned.version}"
    return found
