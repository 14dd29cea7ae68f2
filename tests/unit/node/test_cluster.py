"""What the node asks the API about persistent volumes, and what it makes of the answers."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from longboat.aio.clock import VirtualClock
from longboat.client.informer import Informers
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from longboat.node.sources import ApiSources
from longboat.node.views.storage import VolumeAttachment
from longboat.node.volumes.cluster import ApiStorage
from unit.client.scripted import Scripted


def attachment(status: int) -> VolumeAttachment | None:
    def answer(method: str, path: str) -> bytes:
        if status != 200:
            raise StatusError(status, "Reason", "why")
        return msgspec.json.encode({"metadata": {"name": "a"}, "status": {"attached": True}})

    async def main() -> VolumeAttachment | None:
        clock = VirtualClock()
        client = RestClient(Scripted(answers=answer), clock)
        informers = Informers(client, clock)
        sources = ApiSources(client, informers, clock)
        return await ApiStorage(client, informers, sources, "n").attachment("a")

    return asyncio.run(main())


def test_an_attachment_that_is_still_to_be_made_is_waited_for() -> None:
    """The Node authorizer answers 403 for it: it is nobody's yet."""
    assert attachment(404) is None and attachment(403) is None
    found = attachment(200)
    assert found is not None and found.status.attached
    with pytest.raises(StatusError):
        attachment(500)
