"""How the tests of kinds change an object and read what is said of it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from longboat.machinery.fieldpath import Errors
from longboat.machinery.user import User
from longboat.registry import catalog
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CTX = Write(now=NOW, user=User("somebody"))
STRATEGIES = catalog.strategies()
BY_RESOURCE = {s.kind.resource: s for s in sorted(STRATEGIES, key=lambda s: s.hub is None)}  # the stored version

Thing = dict[str, Any]


def changed(obj: Thing, **changes: Any) -> Thing:
    """A copy with dotted paths set: `spec__ports__0__port=5`; a value of None removes the field."""
    new = copy.deepcopy(obj)
    for path, value in changes.items():
        *steps, last = [int(step) if step.isdigit() else step for step in path.split("__")]
        at: Any = new
        for step in steps:
            at = at[step] if isinstance(step, int) else at.setdefault(step, {})
        if value is None:
            at.pop(last, None)
        else:
            at[last] = value
    return new


def made(strategy: Strategy, obj: Thing) -> Thing:
    """The object as a create leaves it, before validation."""
    new = copy.deepcopy(obj)
    strategy.default(new)
    strategy.prepare_create(new, CTX)
    return new


def said(strategy: Strategy, obj: Thing) -> list[str]:
    """What is wrong with creating it."""
    err, new = Errors(), made(strategy, obj)
    strategy.validate(new, err)
    strategy.validate_create(new, err)
    return [str(cause) for cause in err]


def said_of_update(strategy: Strategy, old: Thing, new: Thing, subresource: str = "") -> list[str]:
    """What is wrong with changing one into the other."""
    before, after, err = made(strategy, old), copy.deepcopy(new), Errors()
    write = Write(now=NOW, user=User("somebody"), subresource=subresource)
    strategy.default(after)
    strategy.prepare_update(after, before, write)
    if subresource:
        strategy.validate_part(subresource, after, before, err)
    else:
        strategy.validate(after, err)
        strategy.validate_update(after, before, err)
    return [str(cause) for cause in err]


def cells(strategy: Strategy, obj: Thing) -> Thing:
    """The row of an object, by column."""
    return {c.name: c.value(obj, NOW) if c.timed else c.value(obj) for c in strategy.columns}
