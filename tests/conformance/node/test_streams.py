"""Commands and logs over WebSockets (sig-node)."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from urllib.parse import urlencode

import aiohttp
import pytest

from conformance.node.pods import SLEEP, Pods, container, pod

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

WORDS = "container is alive"
START = [pod("logs", container(f"echo {WORDS}; {SLEEP}")), pod("exec")]


def messages(pods: Pods, path: str, protocol: str) -> tuple[list[bytes], str | None]:
    """All messages until the server closes, and the protocol it has chosen."""

    async def collect() -> tuple[list[bytes], str | None]:
        url, offered = f"http://localhost{path}", [protocol] if protocol else []
        session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(pods.api.path)))
        async with asyncio.timeout(20), session, session.ws_connect(url, protocols=offered) as socket:
            found = [message.data async for message in socket]
            return [each.encode() if isinstance(each, str) else each for each in found], socket.protocol

    return asyncio.run(collect())


@pytest.mark.parametrize("protocol", ["channel.k8s.io", "v4.channel.k8s.io", "v5.channel.k8s.io"])
def test_a_command(pods: Pods, protocol: str) -> None:
    """Conformance: Pods, remote command execution over websocket"""
    pods.ready("exec")
    command = ["sh", "-c", "echo remote execution test; echo aside >&2"]
    query = urlencode([("stdout", 1), ("stderr", 1), ("container", "main"), *(("command", word) for word in command)])
    found, chosen = messages(pods, pods.path("exec", f"exec?{query}"), protocol)
    assert chosen == protocol
    channels = {number: b"".join(m[1:] for m in found if m[:1] == bytes((number,))) for number in (1, 2, 3)}
    assert (channels[1], channels[2]) == (b"remote execution test\n", b"aside\n")
    if protocol != "channel.k8s.io":
        assert json.loads(channels[3])["status"] == "Success"


@pytest.mark.parametrize("protocol", ["", "binary.k8s.io", "base64.binary.k8s.io"])
def test_a_log(pods: Pods, protocol: str) -> None:
    """Conformance: Pods, logs from websockets"""
    pods.ready("logs")
    found, chosen = messages(pods, pods.path("logs", "log?container=main"), protocol)
    assert (chosen or "") == protocol
    words = b"".join(b64decode(each) for each in found) if "base64" in protocol else b"".join(found)
    assert words == f"{WORDS}\n".encode()
