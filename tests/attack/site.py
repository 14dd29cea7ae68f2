"""An API server and the gateway of one node with its real HAProxy, in this process, on free ports of 127.0.0.1."""

from __future__ import annotations

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from cryptography import x509

from longboat.aio.clock import SystemClock
from longboat.aio.tasks import Tasks
from longboat.api import kinds
from longboat.apiserver.app import APIServer, Config
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.machinery.objects import Object
from longboat.network.ingress.config import Settings
from longboat.network.ingress.gateway import Gateway
from longboat.storage.memory import MemoryStorage

PATIENCE = 15.0  # seconds


class Site:
    def __init__(self, **settings: Any) -> None:
        self._short = TemporaryDirectory(prefix="site-")  # sockets lie in it: a path of theirs has 108 bytes at most
        self.settings = Settings(Path(self._short.name) / "ingress", _free_port(), _free_port(), **settings)
        self.settings.folder.mkdir(mode=0o700)
        self.clock, self._tasks = SystemClock(), Tasks("site")
        self.held: list[asyncio.StreamWriter] = []  # connections of clients that stay until the end

    async def __aenter__(self) -> Self:
        self.api = APIServer(MemoryStorage(self.clock), self.clock, Config())
        await self.api.start()
        self.client = RestClient(self.api.transport("admin", "system:masters"), self.clock)
        await self.client.create(kinds.NODE, {"metadata": {"name": "n"}})
        self._informers = Informers(self.client, self.clock, "network")
        self._events = EventRecorder(self.client, self.clock, "longboat-ingress", "n")
        self.gateway = Gateway(self._informers, self.clock, "n", self.settings, self._events)
        self.serving = self._tasks.spawn("gateway", self.gateway.run())
        self._informers.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self.held:
            await closed(writer)
        await self._tasks.close()
        await self._informers.close()
        await self._events.close()
        await self.api.close()
        if process := self.gateway._haproxy._process:
            process.kill()  # its workers end with it
            await asyncio.to_thread(process.wait)
        self._short.cleanup()

    @property
    def master(self) -> int:
        """HAProxy's, 0 if it has not been started."""
        return int(self.settings.pid.read_text()) if self.settings.pid.exists() else 0

    def workers(self) -> list[int]:
        return [int(each) for each in Path(f"/proc/{self.master}/task/{self.master}/children").read_text().split()]

    async def namespace(self, *names: str) -> None:
        for name in names:
            await self.client.create(kinds.NAMESPACE, {"metadata": {"name": name}})
            port = {"name": "http", "port": 80}
            await self.client.create(
                kinds.SERVICE, {"metadata": {"name": "web"}, "spec": {"ports": [port]}}, namespace=name
            )

    async def ingress(self, at: str, *places: str, **spec: Any) -> None:
        """`at` is namespace/name; each place host/path, of a prefix."""
        namespace, name = at.split("/")
        rules = [rule(*place.split("/", 1)) for place in places]
        body = {"metadata": {"name": name}, "spec": {**({"rules": rules} if rules else {}), **spec}}
        await self.client.create(kinds.INGRESS, body, namespace=namespace)

    async def secret(self, at: str, certificate: bytes, key: bytes) -> None:
        """Create it, or replace what is in it."""
        namespace, name = at.split("/")
        data = {"tls.crt": b64encode(certificate).decode(), "tls.key": b64encode(key).decode()}
        if await self.has(kinds.SECRET, Key(namespace, name)):
            await self.client.patch(kinds.SECRET, Key(namespace, name), {"data": data})
            return
        body = {"metadata": {"name": name}, "type": "kubernetes.io/tls", "data": data}
        await self.client.create(kinds.SECRET, body, namespace=namespace)

    async def has(self, kind: Any, key: Key) -> bool:
        page = await self.client.list_page(kind, namespace=key.namespace, fields=f"metadata.name={key.name}", limit=0)
        return bool(page.items)

    async def events(self, at: str) -> list[Object]:
        """Of one Ingress, by namespace/name."""
        import msgspec

        namespace, name = at.split("/")
        page = await self.client.list_page(kinds.CORE_EVENT, namespace=namespace, limit=0)
        found = [msgspec.json.decode(item) for item in page.items]
        return [each for each in found if each["involvedObject"]["name"] == name]

    async def status(self, host: str, path: str = "/") -> int:
        """Of an answer: 503 where a route leads to a Service that has nobody behind it, 404 where none does, or 0."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.settings.http)
        except OSError:
            return 0
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            line = await reader.readline()
        except OSError:
            return 0
        finally:
            await closed(writer)
        return int(line.split()[1]) if line else 0

    async def shown(self, host: str, ciphers: str = "") -> x509.Certificate | None:
        """The certificate that a client gets which asks for this name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if ciphers:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
        try:
            _, writer = await asyncio.open_connection(
                "127.0.0.1", self.settings.https, ssl=context, server_hostname=host
            )
        except OSError:
            return None
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        await closed(writer)
        return x509.load_der_x509_certificate(found)


def rule(host: str, path: str) -> Object:
    to = {"service": {"name": "web", "port": {"number": 80}}}
    http = {"paths": [{"path": f"/{path}", "pathType": "Prefix", "backend": to}]}
    return {"host": host, "http": http} if host else {"http": http}


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def until(true: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> None:
    clock = SystemClock()
    async with clock.timeout(patience):
        while not await true():
            await clock.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
