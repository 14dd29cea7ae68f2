"""pods/log, exec, attach and portforward: which container on which node, then the node is spoken to."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlencode

from longboat.api import kinds
from longboat.apiserver.authz.authorizer import Authorizer
from longboat.apiserver.authz.gate import ensure_verb
from longboat.apiserver.request import Request, Response
from longboat.apiserver.streams import messages, relay
from longboat.apiserver.streams.nodes import NodeConnections
from longboat.machinery.errors import bad_request, invalid, not_found
from longboat.machinery.fieldpath import NOWHERE, Errors, Path
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, dig

Lookup = Callable[[Kind, str, str], Object | None]

LOG_OPTIONS = ("follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes")
_LOG = Kind("", "v1", "PodLogOptions", "podlogoptions")


class PodStreams:
    """Handlers for the dispatcher's subresources."""

    def __init__(self, lookup: Lookup, nodes: NodeConnections, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self._lookup = lookup
        self._nodes = nodes

    async def log(self, request: Request) -> Response:
        _check_log_options(request)
        pod = self._pod(request)
        container = container_of(pod, request.arg("container"))
        if not dig(pod, "spec", "nodeName"):
            return Response(200, b"", "text/plain")
        options = {name: request.arg(name) for name in LOG_OPTIONS if request.arg(name)}
        target = _target("containerLogs", request, container, list(options.items()))
        node, handshake = self._node(pod), messages.handshake(request)
        answer = await relay.fetch(await self._nodes.open(node), _host(node), target)
        return handshake.answer(answer) if handshake else answer

    async def exec(self, request: Request) -> Response:
        await self._require_create(request)
        commands = [("command", word) for word in request.query.get("command", ())]
        if not commands:
            raise bad_request("you must specify at least 1 command for the container")
        return await self._attached(request, "exec", commands)

    async def attach(self, request: Request) -> Response:
        await self._require_create(request)
        return await self._attached(request, "attach", [])

    async def _attached(self, request: Request, what: str, options: list[tuple[str, str]]) -> Response:
        if not any(request.flag(name) for name in ("stdin", "stdout", "stderr")):
            raise bad_request("you must specify at least one of stdin, stdout, stderr")
        pod = self._pod(request)
        container = container_of(pod, request.arg("container"))
        for ours, theirs in (("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty")):
            if request.flag(ours):
                options.append((theirs, "1"))
        return await self._upgraded(request, pod, _target(what, request, container, options))

    async def portforward(self, request: Request) -> Response:
        await self._require_create(request)
        pod = self._pod(request)
        ports = [("port", port) for port in request.query.get("ports", ())]
        return await self._upgraded(request, pod, _target("portForward", request, "", ports))

    async def _require_create(self, request: Request) -> None:
        """A WebSocket begins with a GET, which readers may send; what it opens is no reading. Raises StatusError 403.

        Upstream's AuthorizePodWebsocketUpgradeCreatePermission (KEP-4006).
        """
        await ensure_verb(self._authorizer, request, "create")

    async def _upgraded(self, request: Request, pod: Object, target: str) -> Response:
        if not relay.wants_upgrade(request):
            raise bad_request("Upgrade request required")
        node = self._node(pod)
        return await relay.upgrade(request, await self._nodes.open(node), _host(node), target)

    def _pod(self, request: Request) -> Object:
        pod = self._lookup(kinds.POD, request.info.namespace, request.info.name)
        if pod is None:
            raise not_found(kinds.POD, request.info.name)
        return pod

    def _node(self, pod: Object) -> Object:
        name = dig(pod, "spec", "nodeName", default="")
        if not name:
            raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
        node = self._lookup(kinds.NODE, "", name)
        if node is None:
            raise not_found(kinds.NODE, name)
        return node


def container_of(pod: Object, wanted: str) -> str:
    """The container meant. Raises StatusError 400 where there is none of that name, or several to choose from."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    ordinary = [c["name"] for c in spec.get("containers", ())]
    init = [c["name"] for c in spec.get("initContainers") or ()]
    ephemeral = [c["name"] for c in spec.get("ephemeralContainers") or ()]
    if wanted:
        if wanted not in (*ordinary, *init, *ephemeral):
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(ordinary) == 1:
        found: str = ordinary[0]
        return found
    message = f"a container name must be specified for pod {name}, choose one of: [{' '.join(ordinary)}]"
    if init:
        message += f" or one of the init containers: [{' '.join(init)}]"
    if ephemeral:
        message += f" or one of the ephemeral containers: [{' '.join(ephemeral)}]"
    raise bad_request(message)


def _check_log_options(request: Request) -> None:
    """Raises StatusError 422."""
    err = Errors()
    numbers = {"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1}
    for name, least in numbers.items():
        text = request.arg(name)
        if text and not (text.isascii() and text.lstrip("-").isdigit()):
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        if text and int(text) < least:
            why = "must be greater than or equal to 0" if least == 0 else "must be greater than 0"
            err.invalid(Path(name), int(text), why)
    if request.arg("sinceSeconds") and request.arg("sinceTime"):
        err.forbidden(NOWHERE, "at most one of `sinceTime` or `sinceSeconds` may be specified")
    if "stream" in request.query:  # of a feature that is off by default (KEP-3288): there is no asking for one stream
        err.forbidden(Path("stream"), "may not be specified")
    if err:
        raise invalid(_LOG, request.info.name, err)


def _target(what: str, request: Request, container: str, options: list[tuple[str, str]]) -> str:
    parts = [what, request.info.namespace, request.info.name, *((container,) if container else ())]
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    return f"{path}?{urlencode(options)}" if options else path


def _host(node: Object) -> str:
    name: str = node["metadata"]["name"]
    return name
