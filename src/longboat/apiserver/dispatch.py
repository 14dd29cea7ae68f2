"""The end of the chain: from a request to the handler of its verb on its resource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from longboat.apiserver.discovery import Discovery, subresources
from longboat.apiserver.endpoint import Endpoint
from longboat.apiserver.handlers.binding import bind
from longboat.apiserver.handlers.create import create
from longboat.apiserver.handlers.delete import delete, delete_collection
from longboat.apiserver.handlers.get import get
from longboat.apiserver.handlers.list import list_
from longboat.apiserver.handlers.patch import patch
from longboat.apiserver.handlers.scale import scale
from longboat.apiserver.handlers.update import update
from longboat.apiserver.handlers.watch import watch
from longboat.apiserver.reduced import GROUP
from longboat.apiserver.request import Handler, Request, Response
from longboat.machinery.errors import method_not_allowed, not_found, path_not_found
from longboat.machinery.kinds import Kind
from longboat.registry.strategy import Strategy

Verb = Callable[[Endpoint, Request], Awaitable[Response]]

VERBS: dict[str, Verb] = {
    "get": get,
    "list": list_,
    "watch": watch,
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
    "deletecollection": delete_collection,
}
OF_ONE = frozenset(("update", "patch"))
# Subresources whose writes are the ordinary ones on another part of the object.
PARTS = frozenset(("status", "finalize", "approval", "ephemeralcontainers", "resize"))
# Methods of those that connect to something: who they are for is what their verbs say (authorization), upgrades begin
# with a GET from browsers, and OPTIONS is the backend's to answer (upstream's ConnectMethods).
UPGRADES = frozenset(("GET", "POST"))
CONNECTING: dict[str, frozenset[str]] = {
    "exec": UPGRADES, "attach": UPGRADES, "portforward": UPGRADES,
    "proxy": frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")),
}  # fmt: skip
NOT_ALLOWED = "the server does not allow this method on the requested resource"


class Dispatcher:
    """`subresources`: handlers by (plural, subresource); `reviews`: by kind name, for what is answered, not stored.

    `private`: as `subresources`, those of our own that discovery does not name, and whose callers the handler checks.
    `reduced`: what users of `reduced.GROUP` meet in place of an endpoint.
    """

    def __init__(self, endpoints: Iterable[Endpoint], strategies: Iterable[Strategy]) -> None:
        self._endpoints = {(e.kind.group, e.kind.version, e.kind.plural): e for e in endpoints}
        self._discovery = Discovery(strategies)
        self.subresources: dict[tuple[str, str], Handler] = {}
        self.private: dict[tuple[str, str], Handler] = {}
        self.reduced: dict[Kind, Endpoint] = {}
        self.reviews: dict[str, Handler] = {}

    def endpoint(self, group: str, version: str, plural: str) -> Endpoint | None:
        return self._endpoints.get((group, version, plural))

    async def __call__(self, request: Request) -> Response:
        info = request.info
        if not info.is_resource:
            found = self._discovery.handle(request)
            if found is None:
                raise path_not_found()
            if request.method not in ("GET", "HEAD"):
                raise method_not_allowed(NOT_ALLOWED)
            return found
        endpoint = self._endpoints.get((info.group, info.version, info.resource))
        if endpoint is None:
            raise path_not_found()
        less = self.reduced.get(endpoint.kind)
        if less is not None and request.user is not None and GROUP in request.user.groups:
            endpoint = less
        if info.by_prefix:
            _check_prefixed(request)
        if info.subresource:
            return await self._subresource(endpoint, request)
        return await self._resource(endpoint, request)

    async def _resource(self, endpoint: Endpoint, request: Request) -> Response:
        info, strategy = request.info, endpoint.strategy
        verb = info.verb
        if strategy.kind.namespaced:
            if not info.namespace and verb not in ("list", "watch"):
                if verb in ("create", "deletecollection"):
                    raise method_not_allowed(NOT_ALLOWED)
                raise path_not_found()
        elif info.namespace and info.resource != "namespaces":
            raise path_not_found()
        if verb not in strategy.verbs or (verb == "create" and info.name) or (verb in OF_ONE and not info.name):
            raise method_not_allowed(NOT_ALLOWED)
        if not strategy.stored:
            return await self._review(endpoint, request)
        response = await VERBS[verb](endpoint, request)
        if strategy.deprecated:
            request.warnings.append(strategy.deprecated)
        return response

    async def _review(self, endpoint: Endpoint, request: Request) -> Response:
        if endpoint.kind.name == "Binding":
            return await bind(self._endpoints["", "v1", "pods"], request)
        handler = self.reviews.get(endpoint.kind.name)
        if handler is None:
            raise path_not_found()
        return await handler(request)

    async def _subresource(self, endpoint: Endpoint, request: Request) -> Response:
        info = request.info
        if not info.group and (handler := self.private.get((info.resource, info.subresource))):
            return await handler(request)
        verbs = next((verbs for name, _, verbs in subresources(endpoint.strategy) if name == info.subresource), None)
        if verbs is None:
            raise path_not_found()
        if len(info.parts) > 3 and info.subresource != "proxy":
            raise path_not_found()
        methods = CONNECTING.get(info.subresource)
        if request.method not in methods if methods else info.verb not in verbs:
            raise method_not_allowed(NOT_ALLOWED)
        if handler := self.subresources.get((info.resource, info.subresource)):
            return await handler(request)
        if info.subresource == "scale":
            return await scale(endpoint, request)
        if info.subresource == "binding":
            return await bind(endpoint, request)
        if info.subresource in PARTS:
            return await VERBS[info.verb](endpoint, request)
        raise not_found(endpoint.kind, info.name)


def _check_prefixed(request: Request) -> None:
    """Lists and objects are watched under /watch, and nothing else: the verb that was authorized is the one done.

    Raises StatusError.
    """
    if request.info.verb != "watch" or len(request.info.parts) > 2:
        raise path_not_found()
    if request.method not in ("GET", "HEAD"):
        raise method_not_allowed(NOT_ALLOWED)
