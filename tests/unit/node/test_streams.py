"""Exec and port-forward over every protocol a client may speak, against the in-memory runtime."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from longboat.aio.clock import SystemClock
from longboat.machinery.streams import channels, websocket
from longboat.machinery.streams.channels import ERROR, STDERR, STDIN, STDOUT, V4, V5, Received
from longboat.machinery.streams.websocket import Decoder
from longboat.node.cri.interface import Session, Streams
from longboat.node.cri.memory_streams import MemorySession, refused, web_server
from longboat.node.serve import command, forward
from longboat.node.serve.command import SpdyClient, WebSocketClient
from longboat.node.simulated import commands
from longboat.node.streams.pipe import Pipe, TunnelPipe, WebSocket
from longboat.node.streams.spdy import Connection

MASK = b"mask"


class End:
    """One end of a connection in memory."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.peer: End

    async def read(self) -> bytes:
        return await self.inbox.get()

    async def write(self, data: bytes) -> None:
        await self.peer.inbox.put(data)

    async def close(self) -> None:
        await self.peer.inbox.put(b"")


def pair() -> tuple[End, End]:
    one, other = End(), End()
    one.peer, other.peer = other, one
    return one, other


def opener(*words: str) -> Callable[[], Awaitable[Session]]:
    async def open_session() -> Session:
        run = commands.run(words)
        return MemorySession(SystemClock(), run.answer, echo=not run.known)

    return open_session


async def received(client: End, protocol: str) -> list[Received]:
    """Everything the server says until it closes."""
    decoder, found = Decoder(from_client=False), list[Received]()
    while True:
        for message in decoder.feed(await client.read()):
            if message.kind == websocket.CLOSE:
                return found
            if (one := channels.decode(protocol, message)) is not None:
                found.append(one)


def output(found: list[Received]) -> bytes:
    return b"".join(one.data or b"" for one in found if one.channel == STDOUT)


def test_standard_input_ends_before_the_output_does() -> None:
    async def main() -> None:
        client, server = pair()
        serving = asyncio.create_task(command.bridge(WebSocketClient(server, V5), opener("cat"), "[cat]"))
        await client.write(websocket.encode(*channels.encode(V5, STDIN, b"hi"), MASK))
        await client.write(websocket.encode(*channels.encode_close(STDIN), MASK))
        found = await received(client, V5)
        assert output(found) == b"hi"
        assert json.loads(found[-1].data or b"")["status"] == "Success" and found[-1].channel == ERROR
        await asyncio.wait_for(serving, 5)

    asyncio.run(main())


@pytest.mark.parametrize("protocol", [V5, V4, channels.V4_BASE64])
def test_an_exit_code_comes_as_a_cause(protocol: str) -> None:
    async def main() -> None:
        client, server = pair()
        await command.bridge(WebSocketClient(server, protocol), opener("sh", "-c", "echo x; exit 7"), "[sh]")
        found = await received(client, protocol)
        assert output(found) == b"x\n"
        status = json.loads(found[-1].data or b"")
        assert status["reason"] == "NonZeroExitCode"
        assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("protocol", "outputs", "told"), [(V4, [STDOUT, STDERR], [STDOUT]), (V4, [], [ERROR]), (V5, [STDOUT, STDERR], [])]
)
def test_old_clients_are_told_that_the_connection_stands(protocol: str, outputs: list[int], told: list[int]) -> None:
    async def main() -> None:
        client, server = pair()
        await WebSocketClient(server, protocol).announce(outputs)
        await WebSocket(server).close()
        assert [(one.channel, one.data) for one in await received(client, protocol)] == [(n, b"") for n in told]

    asyncio.run(main())


def test_a_client_that_goes_away_ends_the_session() -> None:
    async def main() -> None:
        client, server = pair()
        serving = asyncio.create_task(command.bridge(WebSocketClient(server, V5), opener("cat"), "[cat]"))
        await asyncio.sleep(0.01)
        await client.close()
        await asyncio.wait_for(serving, 5)

    asyncio.run(main())


def test_exec_over_spdy() -> None:
    async def main() -> None:
        here, there = pair()
        async with Connection(here, server=False) as client:

            async def serve() -> None:
                async with Connection(there, server=True) as connection:
                    streams = await command.open_streams(connection, {"error", "stdin", "stdout"})
                    assert streams is not None
                    await command.bridge(SpdyClient(connection, streams, V4), opener("cat"), "[cat]")

            serving = asyncio.create_task(serve())
            streams = {name: await client.open({"streamType": name}) for name in ("error", "stdin", "stdout")}
            await streams["stdin"].write(b"x" * 100_000)
            await streams["stdin"].end()
            assert await streams["stdout"].read_all(1 << 20) == b"x" * 100_000
            assert json.loads(await streams["error"].read_all(1000))["status"] == "Success"
            await asyncio.wait_for(serving, 5)

    asyncio.run(main())


async def dial(port: int) -> Streams:
    if port == 81:
        raise refused()
    return web_server(200)


@pytest.mark.parametrize("tunnelled", [False, True])
def test_ports_are_forwarded_over_spdy(tunnelled: bool) -> None:
    async def main() -> None:
        here, there = pair()
        serving = asyncio.create_task(
            forward.over_spdy(TunnelPipe(WebSocket(there)) if tunnelled else there, dial, "p")
        )
        pipe: Pipe = ClientTunnel(here) if tunnelled else here
        async with Connection(pipe, server=False) as client:
            for id, port in enumerate(("80", "81", "no")):
                headers = {"port": port, "requestID": str(id)}
                error = await client.open({"streamType": "error", **headers})
                data = await client.open({"streamType": "data", **headers})
                await error.end()
                if port == "80":
                    await data.write(b"GET / HTTP/1.1\r\n\r\n")
                    assert (await data.read_all(1000)).startswith(b"HTTP/1.1 200 OK")
                said = (await error.read_all(1000)).decode()
                words = {
                    "80": "",
                    "81": "error forwarding port 81 to pod p: Connection refused",
                    "no": "invalid port 'no'",
                }
                assert said == words[port]
        await asyncio.wait_for(serving, 5)

    asyncio.run(main())


class ClientTunnel:
    """The client's side of a connection inside a WebSocket."""

    def __init__(self, end: End) -> None:
        self._end, self._decoder, self._ready = end, Decoder(from_client=False), list[bytes]()

    async def read(self) -> bytes:
        while not self._ready:
            if not (data := await self._end.read()):
                return b""
            self._ready += [m.data for m in self._decoder.feed(data) if m.kind == websocket.BINARY]
        return self._ready.pop(0)

    async def write(self, data: bytes) -> None:
        await self._end.write(websocket.encode(websocket.BINARY, data, MASK))

    async def close(self) -> None:
        await self._end.close()


def test_ports_are_forwarded_over_channels() -> None:
    async def main() -> None:
        client, server = pair()
        serving = asyncio.create_task(forward.over_channels(server, V4, [80, 81], dial, "p"))
        await client.write(websocket.encode(*channels.encode(V4, 0, b"GET / HTTP/1.1\r\n\r\n"), MASK))
        decoder, found = Decoder(from_client=False), dict[int, bytes]()
        while b"OK\n" not in found.get(0, b"") or b"refused" not in found.get(3, b""):
            for message in decoder.feed(await asyncio.wait_for(client.read(), 5)):
                one = channels.decode(V4, message)
                assert one is not None and one.data is not None
                found[one.channel] = found.get(one.channel, b"") + one.data
        assert found[0].startswith(b"\x50\x00HTTP/1.1 200") and found[1] == b"\x50\x00"
        assert found[3] == b"\x51\x00error forwarding port 81 to pod p: Connection refused"
        await client.close()
        await asyncio.wait_for(serving, 5)

    asyncio.run(main())
