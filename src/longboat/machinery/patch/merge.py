"""JSON merge patch (RFC 7386)."""

from __future__ import annotations

from typing import Any


def apply(target: Any, patch: Any) -> Any:
    """The patched value. Neither argument is changed; unpatched parts are shared with `target`."""
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = apply(out.get(name), value)
    return out
