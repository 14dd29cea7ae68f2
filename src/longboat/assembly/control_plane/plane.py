"""The control plane wired together: store, API server, and what runs beside it over the in-process transport."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from contextlib import AsyncExitStack

from longboat.aio import memory
from longboat.aio.clock import SystemClock
from longboat.aio.http.server import Server
from longboat.aio.parts import Parts
from longboat.aio.tasks import Tasks
from longboat.api.families import split
from longboat.apiserver.admission import catalog, configuration
from longboat.apiserver.app import APIServer, Config
from longboat.apiserver.authn.certificates import client_certificates
from longboat.apiserver.authn.front_proxy import front_proxy
from longboat.apiserver.authn.serviceaccounts import OURS
from longboat.apiserver.authn.tokens import static_tokens
from longboat.apiserver.pki import SERVING_NAMES, Pki
from longboat.apiserver.request import Request
from longboat.apiserver.serving import tls
from longboat.assembly import components, keys, rights
from longboat.assembly.control_plane import access, administrators, auditing, connections, proxying, storage
from longboat.assembly.control_plane.settings import CONTROLLERS, MEMORY, SCHEDULER, Settings
from longboat.assembly.following import Following
from longboat.client.interface import Transport
from longboat.storage.interface import Storage

RENEWED_EVERY = 3600.0  # seconds between two looks at how long certificates still hold


class ControlPlane:
    """`start`, then it works until `close`."""

    def __init__(self, settings: Settings) -> None:
        """Raises OSError, Unusable, Failure."""
        self.settings = settings
        self.clock = SystemClock()
        self.root = settings.data_dir
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.addresses = [(host, port or _free_port(host)) for host, port in settings.listen]
        self.advertise = settings.advertise or self.addresses[0][0]
        first = str(ipaddress.ip_network(split(settings.service_cidr)[0])[1])
        self.pki = Pki(self.root / "pki", self.clock)
        self.hosts = frozenset((*SERVING_NAMES, first, self.advertise, *(host for host, _ in self.addresses)))
        self.serving = self.pki.serving(self.hosts)
        self._front_proxy = proxying.front_proxy(settings.requestheader, self.pki.front_proxy.pair.certificate)
        self._proxy_client = proxying.client(settings.proxy_client)
        self._following = Following(self.clock)
        self._held = AsyncExitStack()  # what goes when it goes, the latest first
        lock = keys.Lock(self.root)
        self._held.callback(lock.close)
        self._lock = lock

    async def start(self) -> None:
        """Raises OSError, StorageError, BadConfiguration, Failure."""
        await self._lock.share(self.clock)
        kept = await storage.opened(self.settings, self.clock, self._held)
        api = await self._api(kept)
        tasks, parts = Tasks("control-plane"), Parts("control-plane", self.clock)
        self._held.push_async_callback(tasks.close)
        self._held.push_async_callback(parts.close)
        tasks.spawn("memory", memory.give_back(self.clock))
        await self._serve(api)
        self._admit()
        self._following.pair(self.pki.pair("admin"), self._admit_anew)
        parts.start("certificates", self._following.run)
        parts.start("renewal", self._renew)
        self._start_components(api, tasks, parts)
        self._held.callback(api.retire)

    async def close(self) -> None:
        await self._held.aclose()

    async def _api(self, kept: Storage) -> APIServer:
        given, root = self.settings, self.root
        ca = self.pki.ca.pair.certificate
        authenticators = [client_certificates(ca, self.clock), front_proxy(self._front_proxy, self.clock)]
        if given.token_file:
            authenticators.append(static_tokens(given.token_file))
        authorization = access.authorization(given.authorization)
        (root / "logs").mkdir(mode=0o700, exist_ok=True)
        config = Config(
            advertise=self.advertise,
            port=self.addresses[0][1],
            service_cidr=given.service_cidr,
            node_ports=given.node_ports,
            serving_names=self.hosts,
            service_account_key=self.pki.service_account_key,
            service_account_keys=given.account_keys,
            extend_token_expiration=given.extend_tokens,
            client_ca=ca,
            node_ca=self.pki.node_serving.pair.certificate,
            front_proxy=self._front_proxy,
            token_webhook=access.token_webhook(given.authentication),
            authorization=authorization,
            authentication=access.authentication(given.authentication, OURS, authorization),
            audit_log=given.audit_log or root / "logs" / "audit.log",
            audit_limits=given.audit_limits,
            audit_policy=auditing.policy(given.audit_policy),
            audit_webhook=auditing.receiver(given.audit_webhook),
            # Nothing rests in memory: there is nothing to seal.
            encryption=given.encryption
            or (None if given.store == MEMORY else await keys.ensure(root, kept, self.clock)),
            warn_unenforced=given.warn_unenforced,
            enable_admission_plugins=given.enabled_plugins,
            disable_admission_plugins=given.disabled_plugins,
            admission=configuration.load(
                given.admission_config, catalog.running(given.enabled_plugins, given.disabled_plugins)
            ),
            authenticators=authenticators,
            rights=rights.granted(),
            gathers_roles=CONTROLLERS in given.beside,
        )
        api = APIServer(kept, self.clock, config)
        self._held.push_async_callback(api.close)
        connections.connect(
            api, self.pki, self.clock, self._following,
            own_ports={port for _, port in self.addresses}, service_cidr=given.service_cidr,
            simulated_node_port=given.simulated_node_port, proxy=self._proxy_client,
        )  # fmt: skip
        api.exposition.add(lambda: storage.families(given))
        await api.start()
        return api

    async def _serve(self, api: APIServer) -> None:
        """Listen, with the serving certificate that is there at each handshake. Raises OSError."""
        context = tls(self.serving, (self.pki.ca.pair.certificate, self._front_proxy.authority))

        async def serve_anew() -> None:
            context.load_cert_chain(self.serving.certificate, self.serving.key)

        self._following.pair(self.serving, serve_anew)
        server = Server(Request.received, api.handle, context)
        self._held.push_async_callback(server.close)
        for host, port in self.addresses:
            await server.listen(host, port)

    def _admit(self) -> None:
        """Raises OSError."""
        administrators.write(self.root, self.pki, *self.addresses[0])

    async def _admit_anew(self) -> None:
        await asyncio.to_thread(self._admit)

    async def _renew(self) -> None:
        """What is near its end is made anew, while this runs: it is taken up as what somebody else has replaced."""
        while True:
            await self.clock.sleep(RENEWED_EVERY)
            await asyncio.to_thread(self._keep_certificates)

    def _keep_certificates(self) -> None:
        """Raises OSError."""
        self.pki.serving(self.hosts)
        connections.kubelet_client(self.pki)
        connections.csi_client(self.pki)
        connections.proxy_client(self.pki)
        self._admit()

    def _start_components(self, api: APIServer, tasks: Tasks, parts: Parts) -> None:
        """Controllers and scheduler, as clients over the in-process transport, each under its own name."""
        given = self.settings

        def connect(user: str) -> Transport:
            return api.transport(user, *components.groups(user), agent=components.agent(user))

        if CONTROLLERS in given.beside:
            from longboat.controllers.certificates.signing import Signer
            from longboat.controllers.manager import Manager

            manager = Manager(
                connect,
                self.clock,
                root_ca=self.pki.ca.pair.certificate.read_text(),
                sign_token=api.issuer.issue_for_secret if api.issuer else None,
                pod_cidr=given.pod_cidr,
                service_cidr=given.service_cidr,
                node_cidr=given.node_cidr,
                load_balancer_pool=given.load_balancer_pool,
                signer=Signer(self.pki.ca.certificate, self.pki.ca.key),
                serving_signer=Signer(self.pki.node_serving.certificate, self.pki.node_serving.key),
            )
            api.exposition.add(manager.families)
            tasks.spawn("controllers", manager.run())
        if SCHEDULER in given.beside:
            scheduler, informers = components.scheduling(connect, self.clock)
            self._held.push_async_callback(informers.close)
            api.exposition.add(components.of_scheduler(scheduler, informers))
            parts.start("scheduler", scheduler.run)


def _free_port(host: str) -> int:
    """A port nobody listens on: endpoints and kubeconfig name it before the server listens there itself."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
