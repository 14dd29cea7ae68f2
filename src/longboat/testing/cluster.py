"""A whole control plane inside one process, on a clock that a test moves.

async with Cluster() as cluster:
    await cluster.apply({"kind": "Deployment", ...})
    await cluster.settle()
    await cluster.clock.advance("1d")
"""

from __future__ import annotations

import random
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from longboat.aio.clock import VirtualClock
from longboat.aio.quiet import Quiet
from longboat.aio.tasks import Tasks
from longboat.apiserver.app import APIServer, Config
from longboat.apiserver.inprocess import InProcessTransport
from longboat.apiserver.request import Request, Response
from longboat.assembly import components, rights
from longboat.client.interface import Key, Transport
from longboat.client.rest import RestClient
from longboat.controllers.manager import Manager
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.user import User
from longboat.storage.memory import MemoryStorage


class Refused(Exception):
    """A component did what its roles do not let it do."""


class Cluster:
    """`settle` waits until the loop is at rest; timers do not count, for only the clock fires them. It needs a loop of
    asyncio's own.

    Leaving raises Refused where a controller or the scheduler was refused something for want of rights: they try again
    later and say so in a log, and nobody would see what they never do.

    `warn_unenforced`: as `longboat server` has it; without, answers are comparable with upstream's.
    `service_account_key`: a file with the key that signs ServiceAccounts' tokens; without, there are none.
    """

    def __init__(
        self, seed: int = 0, *, warn_unenforced: bool = True, service_account_key: Path | None = None, **options: Any
    ) -> None:
        self.clock = VirtualClock()
        self.clock.settle = self.settle
        self._seed = seed
        self._config = Config(
            warn_unenforced=warn_unenforced, service_account_key=service_account_key, rights=rights.declared(),
            service_cidr=options.get("service_cidr", Config.service_cidr),
        )  # fmt: skip
        self._options = {
            "root_ca": "-----BEGIN CERTIFICATE-----\n", "pod_cidr": "10.244.0.0/16", "signer": None,
            "service_cidr": Config.service_cidr, "node_cidr": "", "load_balancer_pool": "192.0.2.0/29",
            "serving_signer": None, "sign_token": None,
            **options,
        }  # fmt: skip
        self._tasks = Tasks("cluster")
        self.refused: list[str] = []  # what components were refused for want of rights

    async def __aenter__(self) -> Self:
        self._quiet = Quiet()
        self.api = APIServer(MemoryStorage(self.clock), self.clock, self._config)
        await self.api.start()
        self.client = RestClient(self.api.transport("admin", "system:masters"), self.clock)
        if self.api.issuer:
            self._options["sign_token"] = self.api.issuer.issue_for_secret
        self.manager = Manager(self._connect, self.clock, **self._options)
        self.scheduler, self._informers = components.scheduling(self._connect, self.clock, random.Random(self._seed))
        self.api.exposition.add(self.manager.families)
        self.api.exposition.add(components.of_scheduler(self.scheduler, self._informers))
        self._tasks.spawn("controllers", self.manager.run())
        self._tasks.spawn("scheduler", self.scheduler.run())
        await self.settle()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.close()
        await self._informers.close()
        await self.api.close()
        if error is None and self.refused:
            raise Refused("; ".join(dict.fromkeys(self.refused)))

    def _connect(self, user: str) -> Transport:
        who = User(user, (*components.groups(user), "system:authenticated"))
        return InProcessTransport(self._noting_refusals, who, components.agent(user))

    async def _noting_refusals(self, request: Request) -> Response:
        response = await self.api.handle(request)
        if request.decision is not None and not request.decision[0]:
            assert request.user is not None
            self.refused.append(f"{request.user.name}: {request.method} {request.path}")
        return response

    async def settle(self) -> None:
        """Raises quiet.Unsettled."""
        await self._quiet.wait()

    async def apply(self, *objects: Object) -> None:
        """Create each object, or replace what is there under its name."""
        for obj in objects:
            kind = self.kind(obj["kind"])
            meta = obj["metadata"]
            namespace = meta.get("namespace") or ("default" if kind.namespaced else "")
            try:
                await self.client.create(kind, obj, namespace=namespace)
            except StatusError as error:
                if error.reason != "AlreadyExists":
                    raise
                key = Key(namespace, meta["name"])
                there = msgspec.json.decode(await self.client.get_raw(kind, key))
                version = meta.get("resourceVersion") or there["metadata"]["resourceVersion"]
                await self.client.update(kind, key, {**obj, "metadata": {**meta, "resourceVersion": version}})

    async def get(self, what: str, namespace: str = "default") -> Object:
        """An object by `kind/name`. Raises StatusError."""
        kind, key = self._named(what, namespace)
        found: Object = msgspec.json.decode(await self.client.get_raw(kind, key))
        return found

    async def exists(self, what: str, namespace: str = "default") -> bool:
        try:
            await self.get(what, namespace)
        except StatusError as error:
            if error.code == 404:
                return False
            raise
        return True

    async def list(self, kind: str, namespace: str = "default", labels: str = "") -> list[Object]:
        found = self.kind(kind)
        page = await self.client.list_page(
            found, namespace=namespace if found.namespaced else "", labels=labels, limit=0
        )
        return [msgspec.json.decode(item) for item in page.items]

    async def patch(self, what: str, patch: Object, *, namespace: str = "default", subresource: str = "") -> None:
        """A strategic merge patch."""
        kind, key = self._named(what, namespace)
        await self.client.patch(kind, key, patch, style="strategic", subresource=subresource)

    async def delete(self, what: str, *, namespace: str = "default", propagation: str = "") -> None:
        kind, key = self._named(what, namespace)
        await self.client.delete(kind, key, propagation=propagation)

    def kind(self, name: str) -> Kind:
        """A kind by its name in any case, its plural or a short name. Raises KeyError."""
        wanted = name.lower()
        for resource in self.api.resources:
            kind = resource.kind
            if wanted in (kind.name.lower(), kind.plural, *kind.short) and resource.strategy.top_level:
                return kind
        raise KeyError(name)

    def _named(self, what: str, namespace: str) -> tuple[Kind, Key]:
        kind_name, _, name = what.partition("/")
        kind = self.kind(kind_name)
        return kind, Key(namespace if kind.namespaced else "", name)
