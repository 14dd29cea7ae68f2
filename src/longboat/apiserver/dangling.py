"""FlowSchemas' one condition: whether the priority level that they name is there (flowcontrol/v1, Dangling).

Upstream's API server says so itself, too. It follows from what is stored alone, so several servers at it agree.
"""

from __future__ import annotations

import msgspec

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, dig, timestamp
from longboat.registry.store import Store
from longboat.registry.write import Write

MANAGER = "api-priority-and-fairness-config-consumer-v1"  # as upstream calls who applies these conditions

_decode = msgspec.json.Decoder().decode


def condition(level: str, *, found: bool) -> Object:
    """The condition, without its time."""
    fate = "and it exists" if found else "but there is no such object"
    return {
        "type": "Dangling",
        "status": "False" if found else "True",
        "reason": "Found" if found else "NotFound",
        "message": f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" {fate}',
    }


async def settle(schemas: Store, levels: Store, clock: Clock) -> None:
    """Bring every FlowSchema's condition up to date, once. Raises StatusError."""
    for entry in schemas.entries():
        schema = _decode(entry.body)
        level = dig(schema, "spec", "priorityLevelConfiguration", "name", default="")
        wanted = condition(level, found=levels.find("", level) is not None)
        if any(wanted.items() <= known.items() for known in dig(schema, "status", "conditions", default=())):
            continue
        config = {
            "kind": kinds.FLOW_SCHEMA.name,
            "apiVersion": kinds.FLOW_SCHEMA.api_version,
            "metadata": {"name": schema["metadata"]["name"]},
            "status": {"conditions": [{**wanted, "lastTransitionTime": timestamp(clock.now())}]},
        }
        try:
            await schemas.apply(config, Write(subresource="status", manager=MANAGER))
        except StatusError as error:
            if error.code != 404:  # deleted meanwhile
                raise
