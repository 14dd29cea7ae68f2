"""The end of the chain: from a request to the handler of its verb on its resource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from longboat.apiserver.discovery import Discovery
from longboat.apiserver.endpoint import Endpoint, asking, attributes_of
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
from longboat.apiserver.resources import Derived, Resource, Resources
from longboat.apiserver.router import check_media, no_page
from longboat.apiserver.streams.options import options_of
from longboat.machinery.errors import method_not_allowed, method_not_supported, not_found, path_not_found
from longboat.machinery.kinds import Kind
from longboat.registry.admission import Admission, admit
from longboat.registry.strategy import SCALE, Strategy

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

WRITES = ("create", "update", "patch")


class Dispatcher:
    """`answers`: handlers of what is not stored, by kind and subresource ("": of the kind itself), given by whoever can
    answer. `reduced`: what users of `reduced.GROUP` meet in place of an endpoint.
    """

    def __init__(self, resources: Resources, admission: Admission) -> None:
        self._resources, self._admission = resources, admission
        self._discovery = Discovery(resources)
        self._groups = Derived(resources, _built_in)
        self.answers: dict[tuple[Kind, str], Handler] = {}
        self.reduced: dict[Kind, Endpoint] = {}

    async def __call__(self, request: Request) -> Response:
        info = request.info
        if not info.is_resource:
            return self._discovery.handle(request) or self._nothing(request.path)
        found = self._resources.of(request.kind) if request.kind is not None else None
        if found is None:
            return self._nothing(request.path)
        endpoint, less = found.endpoint, self.reduced.get(found.kind)
        if less is not None and request.user is not None and GROUP in request.user.groups:
            endpoint = less
        if info.by_prefix:
            _check_prefixed(request)
        if found.strategy.type is not None and not _is_known(found.strategy, request):
            return no_page()
        if found.strategy.heavy and info.verb in WRITES:
            await request.seat.take()
        if info.subresource:
            return await self._subresource(found.strategy, endpoint, request)
        return await self._resource(found.strategy, endpoint, request)

    def _nothing(self, path: str) -> Response:
        """For a path that is not served. Raises StatusError 404 where the router looks after it."""
        head, _, rest = path.lstrip("/").partition("/")
        if head == "api" or (head == "apis" and rest.partition("/")[0] in self._groups()):
            raise path_not_found()
        return no_page()

    async def _resource(self, strategy: Strategy, endpoint: Endpoint | None, request: Request) -> Response:
        info = request.info
        verb = info.verb
        if strategy.kind.namespaced:
            if not info.namespace and verb not in ("list", "watch"):
                if verb in ("create", "deletecollection"):
                    raise method_not_allowed()
                raise path_not_found()
        elif info.namespace and info.resource != "namespaces":
            raise path_not_found()
        if verb not in strategy.verbs or (verb == "create" and info.name) or (verb in OF_ONE and not info.name):
            raise method_not_allowed()
        if request.method == "HEAD":
            raise method_not_allowed()
        check_media(request, strategy, forms=endpoint is not None, streams=verb == "watch")
        if endpoint is None:
            handler = self.answers.get((strategy.kind, ""))
            if handler is None:
                raise path_not_found()
            return await handler(request)
        if strategy.deprecated:  # whatever the answer is
            request.warnings.append(strategy.deprecated)
        return await VERBS[verb](endpoint, request)

    async def _subresource(self, strategy: Strategy, endpoint: Endpoint | None, request: Request) -> Response:
        kind, info, part = strategy.kind, request.info, request.part
        if part is None or (len(info.parts) > 3 and not part.deep):
            raise path_not_found()
        allowed = info.verb in part.verbs and request.method != "HEAD"
        if part.listed and not (request.method in part.connects if part.connects else allowed):
            raise method_not_allowed()
        if not part.connects:
            check_media(request, strategy, forms=part.view or part is SCALE, text=part.text)
        if part.connects and part.body is not None:
            options = options_of(request, part.body)
            await admit(self._admission, attributes_of(request, asking(request), "CONNECT", options))
        if handler := self.answers.get((kind, part.name)):
            return await handler(request)
        if endpoint is not None and part.view:
            return await VERBS[info.verb](endpoint, request)
        if endpoint is not None and part is SCALE:
            return await scale(endpoint, request)
        raise not_found(kind, info.name)


def _built_in(resources: Iterable[Resource]) -> frozenset[str]:
    """The groups that are served without anybody having brought a kind."""
    return frozenset(each.kind.group for each in resources if each.strategy.type is None)


def _is_known(strategy: Strategy, request: Request) -> bool:
    """Whether a custom kind has such a path; what it does not do there is refused in the words of its own handler
    (apiextensions, crdHandler). Raises StatusError 404, 405.
    """
    kind, info, part = strategy.kind, request.info, request.part
    across = info.verb in ("list", "watch") and not info.subresource
    if (info.namespace and not kind.namespaced) or (kind.namespaced and not info.namespace and not across):
        return False
    if info.subresource and part is None:
        raise not_found(kind, info.name)
    if request.method == "HEAD" or info.verb not in (part.verbs if part else strategy.verbs):
        raise method_not_supported(kind, info.verb)
    return True


def _check_prefixed(request: Request) -> None:
    """Lists and objects are watched under /watch, and nothing else: the verb that was authorized is the one done.

    Raises StatusError.
    """
    if request.info.verb != "watch" or len(request.info.parts) > 2:
        raise path_not_found()
    if request.method != "GET":
        raise method_not_allowed()
