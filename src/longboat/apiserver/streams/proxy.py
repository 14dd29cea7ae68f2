"""The proxy subresources: HTTP to a pod, a Service or a node, through the API server."""

from __future__ import annotations

import asyncio
import contextlib
import random
import zlib
from collections.abc import AsyncIterator
from urllib.parse import quote

from longboat.aio.http.kept import Connection
from longboat.api import kinds
from longboat.api.families import IPV4, in_url
from longboat.apiserver.authz.action import Action
from longboat.apiserver.authz.authorizer import Authorizer
from longboat.apiserver.dial import Dialer, NotAllowed
from longboat.apiserver.endpoint import MAX_BODY
from longboat.apiserver.endpoints import ready
from longboat.apiserver.request import Request, RequestInfo, Response
from longboat.apiserver.streams import relay
from longboat.apiserver.streams.codings import Coding, coding
from longboat.apiserver.streams.links import Page, Way
from longboat.apiserver.streams.nodes import NodeConnections
from longboat.apiserver.streams.pods import Lookup
from longboat.machinery.errors import StatusError, bad_request, forbidden, not_found
from longboat.machinery.objects import Object, dig
from longboat.machinery.user import User
from longboat.registry.store import Store

# What a node's port runs, whatever the method, needs more than the right to read (security lesson 5).
NODE_COMMANDS = frozenset(("exec", "attach", "run", "portforward"))

PROXY_PARTS = 3  # resource, name, "proxy"


def split(name: str) -> tuple[str, str, str]:
    """`scheme:name:port`, `name:port` or `name` as scheme, name, port. Raises StatusError 400."""
    parts = name.split(":")
    if len(parts) == 1:
        return "", name, ""
    if len(parts) == 2:
        return "", parts[0], parts[1]
    if len(parts) == 3 and parts[0] in ("", "http", "https"):
        return parts[0], parts[1], parts[2]
    raise bad_request(f"invalid proxy name {name}")


class Proxies:
    """Handlers for the dispatcher's subresources."""

    def __init__(
        self, lookup: Lookup, slices: Store, nodes: NodeConnections, dialer: Dialer, authorizer: Authorizer
    ) -> None:
        self._authorizer = authorizer
        self._lookup = lookup
        self._slices = slices
        self._nodes = nodes
        self._dialer = dialer
        self._dice = random.Random()

    async def pods(self, request: Request) -> Response:
        scheme, name, port = split(request.info.name)
        pod = self._lookup(kinds.POD, request.info.namespace, name)
        if pod is None:
            raise not_found(kinds.POD, name)
        ip = dig(pod, "status", "podIP", default="")
        if not ip:
            raise bad_request(f"pod {name} does not have an IP address")
        number = int(port) if port.isdigit() else _named(pod, port) or _first_port(pod)
        return await self._to(request, scheme, ip, number)

    async def services(self, request: Request) -> Response:
        scheme, name, port = split(request.info.name)
        service = self._lookup(kinds.SERVICE, request.info.namespace, name)
        if service is None:
            raise not_found(kinds.SERVICE, name)
        wanted = _service_port(service, name, port)
        family = next(iter(dig(service, "spec", "ipFamilies", default=()) or ()), IPV4)  # the primary
        targets = ready(self._slices, request.info.namespace, name, wanted, family)
        if not targets:
            raise StatusError(503, "ServiceUnavailable", f'no endpoints available for service "{name}"')
        ip, number = self._dice.choice(targets)
        return await self._to(request, scheme, ip, number)

    async def nodes(self, request: Request) -> Response:
        _, name, _ = split(request.info.name)
        node = self._lookup(kinds.NODE, "", name)
        if node is None:
            raise not_found(kinds.NODE, name)
        path = _rest(request)
        head = path.strip("/").partition("?")[0].split("/")[0].lower()
        if head in NODE_COMMANDS or relay.wants_upgrade(request):
            await self._require_create(request)
        if (elsewhere := to_root(request)) is not None:
            return elsewhere
        body = await request.read_body(MAX_BODY)
        return await through(request, await self._nodes.open(node), name, body)

    async def _require_create(self, request: Request) -> None:
        """Raises StatusError 403."""
        user, name = request.user or User("system:anonymous"), request.info.name
        action = Action("create", resource="nodes", subresource="proxy", name=name, version="v1")
        if not await self._authorizer.allowed(user, action):
            why = f'User "{user.name}" cannot create resource "nodes/proxy" in API group "" at the cluster scope'
            raise forbidden(kinds.NODE, name, why)

    async def _to(self, request: Request, scheme: str, ip: str, port: int) -> Response:
        """Raises StatusError."""
        try:
            self._dialer.check(ip, port)  # before the body is read
        except NotAllowed:
            raise bad_request("address not allowed") from None
        if (elsewhere := to_root(request)) is not None:
            return elsewhere
        at = f"{in_url(ip)}:{port}"
        body = await request.read_body(MAX_BODY)
        context = None
        if scheme == "https":
            import ssl

            context = ssl.create_default_context()  # as upstream: whoever answers on the pod's port is the pod
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            connection = await self._dialer.open(ip, port, context)
        except NotAllowed:
            raise bad_request("address not allowed") from None
        except (OSError, TimeoutError) as error:
            message = f"error trying to reach service: dial tcp {at}: {error or 'i/o timeout'}"
            raise StatusError(503, "ServiceUnavailable", message) from error
        return await through(request, connection, at, body)


def to_root(request: Request) -> Response | None:
    """A redirect for who looks at a backend without naming a path: links relative to its root need the slash."""
    if request.method not in ("GET", "HEAD") or relay.wants_upgrade(request) or request.path.endswith("/"):
        return None
    if len(request.info.parts) > PROXY_PARTS:
        return None
    query = f"?{request.raw_query}" if request.raw_query else ""
    return Response(301, headers={"Location": f"{_prefix(request.info)}/{query}"}, content_type="text/plain")


async def through(request: Request, connection: Connection, host: str, body: bytes) -> Response:
    """The backend's answer, with its links led through the proxy path. Raises StatusError."""
    if relay.wants_upgrade(request):
        return await relay.upgrade(request, connection, host, _rest(request))
    response = await relay.forward(request, connection, host, _rest(request), body)
    backends = frozenset((host, host.rpartition(":")[0] or host))
    way = Way(_prefix(request.info), backends, request.headers.get("host", ""))
    packed = coding(response.headers.get("Content-Encoding", ""))
    if "Location" in response.headers:
        response.headers["Location"] = way.lead(response.headers["Location"])
    elif response.content_type.partition(";")[0].strip().lower() == "text/html" and packed and response.stream:
        response.stream = _led(response.stream, Page(way), packed)
    return response


async def _led(chunks: AsyncIterator[bytes], page: Page, packed: Coding) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(chunks):  # type: ignore[type-var]
        try:
            async for chunk in chunks:
                for piece in packed.unpack(chunk):
                    if sent := packed.pack(page.feed(piece)):
                        yield sent
                    await asyncio.sleep(0)  # a long page must not hold the loop
        except zlib.error:
            return  # not what its headers say: the answer breaks off
    if left := packed.pack(page.close()) + packed.finish():
        yield left


def _prefix(info: RequestInfo) -> str:
    """The proxy's own path."""
    where = f"/namespaces/{quote(info.namespace)}" if info.namespace else ""
    return f"/api/{info.version}{where}/{'/'.join(quote(part, safe=relay.PATH) for part in info.parts[:PROXY_PARTS])}"


def _rest(request: Request) -> str:
    """What follows `/proxy` in the URL, with the query."""
    path = "/" + "/".join(quote(part, safe=relay.PATH) for part in request.info.parts[PROXY_PARTS:])
    if request.path.endswith("/") and not path.endswith("/"):
        path += "/"
    return f"{path}?{request.raw_query}" if request.raw_query else path


def _first_port(pod: Object) -> int:
    for container in pod["spec"].get("containers", ()):
        for port in container.get("ports") or ():
            return int(port["containerPort"])
    return 80


def _named(pod: Object, name: str) -> int | None:
    for container in pod["spec"].get("containers", ()):
        for port in container.get("ports") or ():
            if name and port.get("name") == name:
                return int(port["containerPort"])
    return None


def _service_port(service: Object, name: str, wanted: str) -> str:
    """The name of the Service's port that is meant. Raises StatusError 503."""
    ports = dig(service, "spec", "ports", default=[])
    for port in ports:
        if not wanted and len(ports) == 1:
            return str(port.get("name") or "")
        if wanted in (port.get("name"), str(port.get("port"))):
            return str(port.get("name") or "")
    raise StatusError(503, "ServiceUnavailable", f'no service port "{wanted}" found for service "{name}"')
