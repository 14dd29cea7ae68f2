"""What is asked of the API, and what never is."""

from __future__ import annotations

import asyncio

import pytest

from longboat.aio.clock import VirtualClock
from longboat.api import kinds
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from unit.client.scripted import Scripted


@pytest.mark.parametrize(
    ("namespace", "name", "why"),
    [
        ("d", "..", "invalid resource name \"..\": [may not be '..']"),
        ("d", ".", "invalid resource name \".\": [may not be '.']"),
        ("d", "../pods/x", "invalid resource name \"../pods/x\": [may not contain '/']"),
        ("d", "%2e%2e/x", "invalid resource name \"%2e%2e/x\": [may not contain '/' may not contain '%']"),
        ("..", "x", "invalid namespace \"..\": [may not be '..']"),
    ],
)
def test_a_name_that_would_lead_to_another_object_is_not_sent(namespace: str, name: str, why: str) -> None:
    """Pods name their claims, Secrets and ConfigMaps as they like."""
    transport = Scripted()
    client = RestClient(transport, VirtualClock())
    with pytest.raises(StatusError) as caught:
        asyncio.run(client.get_raw(kinds.SECRET, Key(namespace, name)))
    assert (str(caught.value), caught.value.code) == (why, 400)
    assert transport.asked == []
