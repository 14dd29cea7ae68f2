"""metrics.k8s.io: what nodes and pods use just now. Nothing is gathered until somebody asks; then all nodes are asked.

Answers are shared for a few seconds, so that many who ask together cost no more than one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.apiserver.encoding import respond
from longboat.apiserver.request import Request, Response
from longboat.machinery import selectors
from longboat.machinery.errors import StatusError, bad_request, not_found
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, timestamp
from longboat.registry.store import Store

log = logging.getLogger(__name__)

FRESH = 5.0  # seconds that answers are shared
WINDOW = "15s"  # what the rates are measured over, roughly: from one question to the next

Ask = Callable[[Object], Awaitable[bytes]]
"""Node → its stats/v1alpha1 Summary, JSON. Raises StatusError."""

_decode = msgspec.json.Decoder().decode


class ResourceMetrics:
    """`nodes` and `pods` are handlers of both get and list."""

    def __init__(self, stores: Mapping[Kind, Store], ask: Ask, clock: Clock) -> None:
        self._nodes, self._pods = stores[kinds.NODE], stores[kinds.POD]
        self._ask, self._clock = ask, clock
        self._answers: dict[str, tuple[float, asyncio.Future[Object | None]]] = {}

    async def nodes(self, request: Request) -> Response:
        items = []
        for node, summary in (await self._summaries(request.info.name)).items():
            if summary is not None:
                metadata, at = self._metadata(self._nodes, "", node)
                used = summary["node"]
                items.append({"metadata": metadata, **at, "usage": usage(used["cpu"], used["memory"])})
        return self._answer(request, kinds.NODE_METRICS, items)

    async def pods(self, request: Request) -> Response:
        namespace, name = request.info.namespace, request.info.name
        items = []
        for summary in (await self._summaries(self._node_of(namespace, name) if name else "")).values():
            for pod in summary["pods"] if summary else ():
                ref = pod["podRef"]
                if (namespace and ref["namespace"] != namespace) or (name and ref["name"] != name):
                    continue
                entry = self._pods.find(ref["namespace"], ref["name"])
                if entry is None or entry.fields.get("status.phase") != "Running":
                    continue  # as metrics-server has it
                metadata, at = self._metadata(self._pods, ref["namespace"], ref["name"])
                used = [{"name": c["name"], "usage": usage(c["cpu"], c["memory"])} for c in pod["containers"]]
                items.append({"metadata": metadata, **at, "containers": used})
        return self._answer(request, kinds.POD_METRICS, items)

    def _node_of(self, namespace: str, pod: str) -> str:
        """Raises StatusError 404, also for a pod that is nowhere yet."""
        entry = self._pods.find(namespace, pod)
        node = entry.fields.get("spec.nodeName", "") if entry else ""
        if not node:
            raise not_found(kinds.POD_METRICS, f"{namespace}/{pod}")
        return node

    def _metadata(self, store: Store, namespace: str, name: str) -> tuple[Object, Object]:
        entry = store.find(namespace, name)
        now: datetime = self._clock.now()
        metadata: Object = {"name": name, "creationTimestamp": timestamp(now)}
        if namespace:
            metadata["namespace"] = namespace
        if entry is not None and entry.labels:
            metadata["labels"] = dict(entry.labels)
        return metadata, {"timestamp": timestamp(now), "window": WINDOW}

    def _answer(self, request: Request, kind: Kind, items: list[Object]) -> Response:
        version = f"{kind.group}/{kind.version}"
        typed = [{"kind": kind.name, "apiVersion": version, **item} for item in items]
        if request.info.verb == "get":
            if not typed:
                raise not_found(kind, request.info.name)
            return _response(request, typed[0])
        try:
            wanted = selectors.parse(request.arg("labelSelector"))
        except ValueError as error:
            raise bad_request(f"unable to parse requirement: {error}") from error
        chosen = [item for item in typed if wanted.matches(item["metadata"].get("labels") or {})]
        return _response(request, {"kind": f"{kind.name}List", "apiVersion": version, "metadata": {}, "items": chosen})

    async def _summaries(self, only: str) -> dict[str, Object | None]:
        """By node; None for one that does not answer."""
        found = {entry.fields["metadata.name"]: entry for entry in self._nodes.entries("")}
        wanted = {name: entry for name, entry in found.items() if not only or name == only}
        answers = await asyncio.gather(*(self._summary(name, _decode(e.body)) for name, e in wanted.items()))
        return dict(zip(wanted, answers, strict=True))

    async def _summary(self, name: str, node: Object) -> Object | None:
        now = self._clock.monotonic()
        asked, answer = self._answers.get(name, (0.0, None))
        if answer is None or now - asked > FRESH:
            answer = asyncio.ensure_future(self._fetch(name, node))
            self._answers = {n: kept for n, kept in self._answers.items() if now - kept[0] <= FRESH}
            self._answers[name] = (now, answer)
        return await asyncio.shield(answer)

    async def _fetch(self, name: str, node: Object) -> Object | None:
        try:
            found: Object = _decode(await self._ask(node))
        except (StatusError, msgspec.DecodeError) as error:
            log.info("node %s does not tell what it uses: %s", name, error)
            return None
        return found


def usage(cpu: Object, memory: Object) -> dict[str, str]:
    """Quantities, in the units that metrics-server uses."""
    return {"cpu": f"{cpu.get('usageNanoCores', 0)}n", "memory": f"{memory.get('workingSetBytes', 0) // 1024}Ki"}


def _response(request: Request, body: Any) -> Response:
    return respond(200, msgspec.json.encode(body), request.form)
