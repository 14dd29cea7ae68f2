"""Whether a caller may do what it asks of the node's port: the API server decides, by SubjectAccessReview.

Which resource a path stands for is the kubelet's rule, with its fine-grained subresources (KEP-2862). Exec by way of
a plain proxied GET is a `create` here: reading a node must not become running commands on it (security lesson 5).
Calls of CSI drivers are nobody's right: the API server makes them for its csi-controller, under a name of their own.
"""

from __future__ import annotations

import logging

import msgspec

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.api.storage import CSI_CALLER
from longboat.client.interface import Client
from longboat.machinery.errors import StatusError
from longboat.node.serve.http import Caller, HttpError, Request

log = logging.getLogger(__name__)
ALLOWED_FOR, DENIED_FOR = 300.0, 30.0  # seconds an answer is believed (kubelet's webhook cache)
MASTERS = "system:masters"  # whom every authorizer allows everything
VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
SUBRESOURCES = {"stats": "stats", "metrics": "metrics", "logs": "log", "checkpoint": "checkpoint"}
FINE = {"pods": "pods", "runningpods": "pods", "healthz": "healthz", "configz": "configz"}
CSI = "csi"
COMMANDS = ("exec", "attach", "run", "portForward")


def attributes(request: Request) -> tuple[str, list[str]]:
    """Verb, and the subresources of nodes of which any one suffices."""
    first = request.path.strip("/").split("/")[0]
    verb = "create" if first in COMMANDS else VERBS.get(request.method, "")
    if first == CSI:
        return verb, [CSI]
    if first in SUBRESOURCES:
        return verb, [SUBRESOURCES[first]]
    return verb, [FINE[first], "proxy"] if first in FINE else ["proxy"]


class Authorizer:
    """Answers are remembered for a while."""

    def __init__(self, client: Client, clock: Clock, node: str) -> None:
        self._client, self._clock, self._node = client, clock, node
        self._known: dict[tuple[Caller, str, str], tuple[float, bool]] = {}

    async def check(self, request: Request) -> None:
        """Raises HttpError."""
        verb, subresources = attributes(request)
        if subresources == [CSI]:
            if request.caller.name != CSI_CALLER:
                raise _forbidden(request.caller, verb, subresources)
            return
        if MASTERS in request.caller.groups:
            return
        for subresource in subresources:
            if await self._may(request.caller, verb, subresource):
                return
        raise _forbidden(request.caller, verb, subresources)

    async def _may(self, caller: Caller, verb: str, subresource: str) -> bool:
        key, now = (caller, verb, subresource), self._clock.monotonic()
        known = self._known.get(key)
        if known is not None and now < known[0]:
            return known[1]
        allowed = await self._ask(caller, verb, subresource)
        self._known = {k: v for k, v in self._known.items() if now < v[0]}
        self._known[key] = (now + (ALLOWED_FOR if allowed else DENIED_FOR), allowed)
        return allowed

    async def _ask(self, caller: Caller, verb: str, subresource: str) -> bool:
        wanted = {
            "verb": verb, "group": "", "version": "v1", "resource": "nodes", "subresource": subresource,
            "name": self._node,
        }  # fmt: skip
        review = {
            "apiVersion": kinds.SUBJECT_ACCESS_REVIEW.api_version,
            "kind": kinds.SUBJECT_ACCESS_REVIEW.name,
            "spec": {"user": caller.name, "groups": list(caller.groups), "resourceAttributes": wanted},
        }
        try:
            answer = await self._client.create(kinds.SUBJECT_ACCESS_REVIEW, review)
        except (StatusError, OSError) as error:
            log.warning("cannot ask whether %s may use the node's port: %s", caller.name, error)
            raise HttpError(500, "Authorization error\n") from error
        return bool(msgspec.json.decode(answer)["status"].get("allowed"))


def _forbidden(caller: Caller, verb: str, subresources: list[str]) -> HttpError:
    what = f"user={caller.name}, verb={verb}, resource=nodes, subresource(s)=[{' '.join(subresources)}]"
    return HttpError(403, f"Forbidden ({what})\n")
