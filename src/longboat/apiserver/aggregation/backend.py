"""The extension server behind one APIService: where it is, whom its certificate has to be of, and questions of ours.

Connections over which requests have been passed on are kept for others (`Kept`); they end with the certificates that
they were made with. Each question of ours has one of its own.
"""

from __future__ import annotations

import base64
import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.http import client as http1
from longboat.aio.http.client import BadMessage
from longboat.aio.http.kept import Address, Kept
from longboat.api import kinds
from longboat.api.families import in_url
from longboat.apiserver import endpoints
from longboat.apiserver.aggregation import availability, identity
from longboat.apiserver.dial import Connection, Dialer, NotAllowed, untrusted
from longboat.apiserver.pki import Pair
from longboat.apiserver.resources import GroupVersion
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, dig
from longboat.machinery.user import User
from longboat.registry.store import Store

PATIENCE = 5.0  # seconds for one
REACHED = frozenset(("", "ClusterIP", "NodePort", "LoadBalancer"))  # Services that have endpoints

Lookup = Callable[[Kind, str, str], Object | None]


class Unreachable(Exception):
    """The extension server cannot be asked. Says why."""


class Unresolved(Unreachable):
    """Not even an address is known."""


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Way(NamedTuple):
    """A connection to it. `used`: another request has been over it. `keep`: where one more may follow."""

    connection: Connection
    used: bool
    keep: Callable[[Connection], None]


@dataclass
class Ground:
    """What all backends stand on. `client`: the certificate that shows an extension server that it is us who say who a
    user is; without one, it will not believe it."""

    dialer: Dialer
    lookup: Lookup
    slices: Store
    clock: Clock
    client: Pair | None = None


class Backend:
    """As one version of an APIService describes it."""

    def __init__(self, api_service: Object, ground: Ground) -> None:
        spec = api_service["spec"]
        service = spec["service"]
        self.name: str = api_service["metadata"]["name"]
        self.group: str = spec.get("group") or ""
        self.version: str = spec["version"]
        self.service: Object = service
        self.namespace: str = service["namespace"]
        self.spec: Object = spec
        self.available = availability.available(api_service)
        self.host = f"{service['name']}.{service['namespace']}.svc"
        self._ground = ground
        self._dice = random.Random()
        self._trusted: ssl.SSLContext | None = None
        self._kept = Kept()

    @property
    def key(self) -> GroupVersion:
        return self.group, self.version

    @property
    def path(self) -> str:
        """Under which it is served."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def slices(self) -> list[Object]:
        found = self._ground.slices.entries(self.namespace)
        wanted = self.service["name"]
        return [
            msgspec.json.decode(entry.body)
            for entry in found
            if entry.labels.get("kubernetes.io/service-name") == wanted
        ]

    def verdict(self) -> availability.Verdict | None:
        """What stands against it before it is asked."""
        service = self._ground.lookup(kinds.SERVICE, self.namespace, self.service["name"])
        return availability.of_service(self.service, service, self.slices())

    def addresses(self) -> list[Address]:
        """In an order drawn anew. Raises Unresolved."""
        name, number = self.service["name"], self.service.get("port") or 443
        service = self._ground.lookup(kinds.SERVICE, self.namespace, name)
        if service is None:
            raise Unresolved(f'service "{name}" not found')
        kind = dig(service, "spec", "type", default="") or ""
        if kind not in REACHED:  # another name is nobody that this cluster vouches for
            raise Unresolved(f'unsupported service type "{kind}"')
        port = availability.port_name(service, number)
        if port is None:
            raise Unresolved(f'no service port {number} found for service "{name}"')
        found = endpoints.ready(self._ground.slices, self.namespace, name, port)
        if not found:
            raise Unresolved(f'no endpoints available for service "{name}"')
        self._dice.shuffle(found)
        return found

    def context(self, *, checks: bool = True) -> ssl.SSLContext:
        """Made once. `checks`: its certificate has to be good. Raises ssl.SSLError, ValueError, OSError."""
        if not checks:
            return self._context(checks=False)
        if self._trusted is None:
            self._trusted = self._context(checks=not self.spec.get("insecureSkipTLSVerify"))
        return self._trusted

    def renewed(self) -> None:
        """Take our certificate from its files again."""
        self._trusted = None
        self.close()
        self._kept = Kept()

    def close(self) -> None:
        """Nobody is to be asked any more by what is known here."""
        self._kept.close()

    def _context(self, *, checks: bool) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if not checks:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif bundle := self.spec.get("caBundle"):
            context.load_verify_locations(cadata=base64.b64decode(bundle).decode("ascii", "ignore"))
        else:
            context.load_default_certs()
        if self._ground.client is not None:
            context.load_cert_chain(self._ground.client.certificate, self._ground.client.key)
        return context

    async def open(self, ip: str, port: int, context: ssl.SSLContext) -> Connection:
        """Raises NotAllowed, OSError, TimeoutError."""
        return await self._ground.dialer.open(ip, port, context, name=self.host)

    async def connect(self, *, new: bool = False) -> Way:
        """To whichever of its addresses answers first. `new`: over none that has been used. Raises Unreachable,
        ssl.SSLError, ValueError."""
        context, kept = self.context(), self._kept
        why = ""
        for at in self.addresses()[:3]:
            keep = partial(kept.keep, address=at, clock=self._ground.clock)
            if not new and (used := kept.take(at)) is not None:
                return Way(used, True, keep)
            ip, port = at
            try:
                made = await self.open(ip, port, context)
                return Way(made, False, keep)
            except ssl.SSLCertVerificationError as error:
                why = untrusted(error)
            except (OSError, TimeoutError, NotAllowed) as error:
                why = _undialled(ip, port, error)
        raise Unreachable(why)

    async def check(self, at: tuple[str, int]) -> None:
        """Ask it for its discovery, whoever its certificate says it is: nothing is told to it, and nothing taken from
        it. Raises Unreachable."""
        ip, port = at
        url = f"https://{in_url(ip)}:{port}{self.path}"
        try:
            async with self._ground.clock.timeout(PATIENCE):
                found = await self._exchange(at, self.context(checks=False), self.path, identity.DISCOVERING, {}, 1)
        except TimeoutError:
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            raise Unreachable(f'failing or missing response from {url}: Get "{url}": {why}') from None
        except (OSError, NotAllowed, BadMessage, ValueError) as error:
            why = _undialled(ip, port, error)
            raise Unreachable(f'failing or missing response from {url}: Get "{url}": {why}') from None
        if not 200 <= found.status < 300:
            raise Unreachable(f"failing or missing response from {url}: bad status from {url}: {found.status}")

    async def get(self, path: str, user: User, headers: Mapping[str, str], most: int) -> Answer:
        """`most`: bytes of the answer. Raises Unreachable."""
        why: Exception | str = "no address"
        try:
            for at in self.addresses()[:2]:
                try:
                    async with self._ground.clock.timeout(PATIENCE):
                        found = await self._exchange(at, self.context(), path, user, headers, most + 1)
                except TimeoutError:
                    why = "request timed out"
                except (OSError, NotAllowed, BadMessage) as error:
                    why = error
                else:
                    if len(found.body) > most:
                        raise Unreachable(f"{path} has more than {most} bytes")
                    return found
        except ValueError as error:  # of a bundle
            why = error
        raise Unreachable(f"{path}: {why}")

    async def _exchange(
        self, at: tuple[str, int], context: ssl.SSLContext, path: str, user: User, headers: Mapping[str, str], most: int
    ) -> Answer:
        reader, writer = await self.open(*at, context)
        try:
            said = [("Host", self.host), ("Connection", "close"), *identity.headers(user), *headers.items()]
            writer.write(http1.encode_request("GET", path, said))
            await writer.drain()
            head = await http1.read_response(reader)
            return Answer(head.status, head.headers, await http1.read_body(reader, head, most))
        finally:
            writer.transport.abort()


def _undialled(ip: str, port: int, error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {in_url(ip)}:{port}: connect: connection refused"
    if isinstance(error, TimeoutError):
        return f"dial tcp {in_url(ip)}:{port}: i/o timeout"
    return str(error)
