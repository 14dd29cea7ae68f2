"""FlowSchemas say whether the priority level that they name is there."""

from __future__ import annotations

import asyncio
from typing import Any

from unit.apiserver.harness import Api, play

FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"


async def condition(api: Api, status: str) -> Any:
    """The FlowSchema's condition, once it has this status."""
    while True:
        _, schema = await api.ask("GET", f"{FLOW}/flowschemas/x")
        found = [c for c in schema.get("status", {}).get("conditions", ()) if c["status"] == status]
        if found:
            assert schema["metadata"]["generation"] == 1
            return found
        await asyncio.sleep(0.01)


def test_a_level_that_is_not_there_is_missed_until_it_comes() -> None:
    async def scene(api: Api) -> None:
        spec = {"priorityLevelConfiguration": {"name": "lost"}, "distinguisherMethod": {"type": "ByUser"}}
        await api.make(f"{FLOW}/flowschemas", {"metadata": {"name": "x"}, "spec": spec})
        (missed,) = await condition(api, "True")
        assert (missed["type"], missed["reason"]) == ("Dangling", "NotFound")
        begun = 'This FlowSchema references the PriorityLevelConfiguration object named "lost" '
        assert missed["message"] == f"{begun}but there is no such object"
        level = {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}
        await api.make(f"{FLOW}/prioritylevelconfigurations", {"metadata": {"name": "lost"}, "spec": level})
        (found,) = await condition(api, "False")
        assert (found["reason"], found["message"]) == ("Found", f"{begun}and it exists")
        assert found["lastTransitionTime"]
        await api.ask("DELETE", f"{FLOW}/prioritylevelconfigurations/lost")
        await condition(api, "True")

    play(scene)
