"""The extension server beside an API server in this process: TLS and HTTP as they are, only the way there is short."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from extension.wardle import GROUP, VERSION, Server
from longboat.aio.clock import SystemClock
from longboat.api import certificates
from longboat.apiserver.dial import Connection, Dialer
from longboat.apiserver.pki import Pki
from unit.apiserver.harness import Api

ADDRESS = "192.0.2.77"  # for documentation: no machine has it
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
NAME = f"{VERSION}.{GROUP}"


class Near(Dialer):
    """Dials ADDRESS on this machine. What may not be dialled is refused all the same."""

    dialled = 0

    async def open(
        self, host: str, port: int, context: ssl.SSLContext | None = None, *, local: bool = False,
        name: str | None = None,
    ) -> Connection:  # fmt: skip
        self.check(host, port, local=local)
        self.dialled += 1
        where = "127.0.0.1" if host == ADDRESS else host
        return await asyncio.open_connection(where, port, ssl=context, server_hostname=name)


class Extension:
    """`server` behind the Service `wardle` of the namespace `default`."""

    def __init__(self, server: Server, port: int, bundle: str, dialer: Near) -> None:
        self.server, self.port, self.bundle, self.dialer = server, port, bundle, dialer
        self.stop: Any = None
        self.break_off: Any = None  # every connection to it, at once

    def api_service(self, name: str = NAME, **spec: Any) -> dict[str, Any]:
        version, _, group = name.partition(".")
        service = {"name": "wardle", "namespace": "default", "port": 443}
        whole = {"group": group, "version": version, "groupPriorityMinimum": 2000, "versionPriority": 200,
                 "service": service, "caBundle": self.bundle, **spec}  # fmt: skip
        return {"metadata": {"name": name}, "spec": {key: value for key, value in whole.items() if value is not None}}

    async def behind_a_service(self, api: Api, port: int = 0) -> None:
        spec = {"ports": [{"port": 443, "targetPort": 8443}]}
        await api.make("/api/v1/namespaces/default/services", {"metadata": {"name": "wardle"}, "spec": spec})
        await api.make("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", {
            "metadata": {"name": "wardle-a", "labels": {"kubernetes.io/service-name": "wardle"}},
            "addressType": "IPv4", "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": True}}],
            "ports": [{"name": "", "port": port or self.port}]})  # fmt: skip

    async def registered(self, api: Api, name: str = NAME, **spec: Any) -> None:
        await api.make(SERVICES, self.api_service(name, **spec))
        await condition(api, name, "Passed")

        async def heard() -> bool:
            """The API server follows what it has written itself."""
            return name in api.server.aggregator._watched and api.server.aggregator._watched[name].backend.available

        await until(heard)


async def condition(api: Api, name: str, reason: str, seconds: float = 8.0) -> dict[str, Any]:
    """Once it is for this reason that an APIService is available or not."""
    found: Any = None
    async with asyncio.timeout(seconds):
        while True:
            code, obj = await api.ask("GET", f"{SERVICES}/{name}")
            found = (obj.get("status") or {}).get("conditions") or [{}] if code == 200 else [{}]
            if found[0].get("reason") == reason:
                return dict(found[0])
            await asyncio.sleep(0.02)


async def until(check: Any, seconds: float = 8.0) -> Any:
    """What an awaited question answers, once that is true."""
    async with asyncio.timeout(seconds):
        while True:
            if answer := await check():
                return answer
            await asyncio.sleep(0.02)


class _Noted(asyncio.Protocol):
    """A protocol, and a note of its transport."""

    def __init__(self, inner: Any, transports: list[asyncio.BaseTransport]) -> None:
        self._inner, self._transports = inner, transports
        self.data_received, self.eof_received = inner.data_received, inner.eof_received
        self.pause_writing, self.resume_writing = inner.pause_writing, inner.resume_writing
        self.connection_lost = inner.connection_lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transports.append(transport)
        self._inner.connection_made(transport)


@asynccontextmanager
async def beside(api: Api, folder: Path) -> AsyncIterator[Extension]:
    """An extension server that trusts the API server's front proxy, and is served with a certificate of its own CA."""
    server = Server(names=["front-proxy-client"])
    runner = web.AppRunner(server.app(), shutdown_timeout=0.1)
    await runner.setup()
    accept = runner.server
    assert accept is not None
    async with _beside(api, folder, accept, server, runner.cleanup) as extension:
        yield extension


@asynccontextmanager
async def another(api: Api, folder: Path, accept: Callable[[], asyncio.Protocol]) -> AsyncIterator[Extension]:
    """As `beside`, but that what answers speaks as it likes."""

    async def nothing() -> None:
        return

    async with _beside(api, folder, accept, Server(), nothing) as extension:
        yield extension


@asynccontextmanager
async def _beside(
    api: Api, folder: Path, accept: Callable[[], asyncio.Protocol], server: Server, cleanup: Callable[[], Any]
) -> AsyncIterator[Extension]:
    clock = SystemClock()
    ours, theirs = Pki(folder / "ours", clock), Pki(folder / "theirs", clock)
    pair = theirs.ca.issue(
        theirs.pair("wardle"), clock, "wardle", usages=certificates.SERVER, hosts=["wardle.default.svc"]
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ours.front_proxy.pair.certificate))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(pair.certificate, pair.key)
    accepted: list[asyncio.BaseTransport] = []
    listening = await asyncio.get_running_loop().create_server(
        lambda: _Noted(accept(), accepted), "127.0.0.1", 0, ssl=context
    )
    port = listening.sockets[0].getsockname()[1]

    async def break_off() -> None:
        for transport in accepted:  # asyncio's TLS does not close what its client has broken off
            transport.abort()  # type: ignore[attr-defined]
        accepted.clear()
        await asyncio.sleep(0)

    async def stop() -> None:
        listening.close()
        await cleanup()
        await break_off()

    dialer = Near(clock, services=lambda: ["10.96.0.0/16"])
    api.server.aggregator.serve_with(dialer, ours.front_proxy_client("front-proxy-client", "front-proxy-client"))
    bundle = base64.b64encode(theirs.ca.pair.certificate.read_bytes()).decode()
    extension = Extension(server, port, bundle, dialer)
    extension.stop, extension.break_off = stop, break_off
    try:
        yield extension
    finally:
        server.hold.set()
        await api.server.aggregator.close()
        await asyncio.sleep(0.01)  # its connections are heard to end
        await stop()
