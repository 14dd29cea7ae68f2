"""The control plane wired together: store, API server, and what runs beside it over the in-process transport."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import logging
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from longboat.aio import memory
from longboat.aio.clock import SystemClock
from longboat.aio.parts import Parts
from longboat.aio.tasks import Tasks
from longboat.api import kinds
from longboat.api.families import in_url, split
from longboat.api.storage import CSI_CALLER
from longboat.apiserver.app import APIServer, Config
from longboat.apiserver.audit.rotation import Limits
from longboat.apiserver.authn.certificates import client_certificates, front_proxy
from longboat.apiserver.authn.tokens import static_tokens
from longboat.apiserver.authz.authorizer import MASTERS
from longboat.apiserver.authz.policy_components import ADMINISTRATORS
from longboat.apiserver.dial import Dialer
from longboat.apiserver.pki import SERVING_NAMES, Pair, Pki, write_private
from longboat.apiserver.resource_metrics import ResourceMetrics
from longboat.apiserver.server import Server, tls
from longboat.apiserver.streams.csi import DriverCalls
from longboat.apiserver.streams.gate import Gate
from longboat.apiserver.streams.nodes import NodeConnections
from longboat.apiserver.streams.pods import PodStreams
from longboat.apiserver.streams.proxy import Proxies
from longboat.assembly import keys, rights
from longboat.assembly.following import Following
from longboat.cli.errors import Usage
from longboat.storage.interface import Storage, StorageError

if TYPE_CHECKING:
    from longboat.cli.server_options import Options
    from longboat.client.interface import Transport

log = logging.getLogger(__name__)

RENEWED_EVERY = 3600.0  # seconds between two looks at how long certificates still hold
STORE_PATIENCE = 10.0  # seconds a store that is started beside us may take


class ControlPlane:
    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = SystemClock()
        self.root = Path(options.data_dir)
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.addresses = [_address(text) for text in options.listen]
        self.advertise = options.advertise or self.addresses[0][0]
        first = str(ipaddress.ip_network(split(options.service_cidr)[0])[1])
        self.pki = Pki(self.root / "pki", self.clock)
        self.hosts = frozenset((*SERVING_NAMES, first, self.advertise, *(host for host, _ in self.addresses)))
        self.serving = self.pki.serving(self.hosts)
        self.kubelet_client = self.pki.client("apiserver-kubelet-client", "kube-apiserver-kubelet-client")
        self._lock = keys.Lock(self.root)
        self._server: Server | None = None
        self._context: ssl.SSLContext | None = None
        self._following = Following(self.clock)
        self.api: APIServer | None = None
        self._tasks, self._parts = Tasks("control-plane"), Parts("control-plane", self.clock)
        self._storage: Storage | None = None
        self._store_process: object = None

    async def start(self) -> None:
        """Raises OSError, StorageError."""
        await self._lock.share(self.clock)
        self._tasks.spawn("memory", memory.give_back(self.clock))
        self._storage = await self._open_storage()
        ca, proxy_ca = self.pki.ca.pair.certificate, self.pki.front_proxy.pair.certificate
        authenticators = [client_certificates(ca, self.clock), front_proxy(proxy_ca, self.clock)]
        if self.options.token_file:
            authenticators.append(static_tokens(Path(self.options.token_file)))
        given = self.options
        low, _, high = given.node_port_range.partition("-")
        config = Config(
            advertise=self.advertise,
            port=self.addresses[0][1],
            service_cidr=self.options.service_cidr,
            node_ports=(int(low), int(high)),
            serving_names=self.hosts,
            service_account_key=self.pki.service_account_key,
            extend_token_expiration=given.service_account_extend_token_expiration,
            client_ca=ca,
            front_proxy_ca=proxy_ca,
            audit_log=Path(given.audit_log_path) if given.audit_log_path else self.root / "logs" / "audit.log",
            audit_limits=Limits(given.audit_log_maxage, given.audit_log_maxbackup, given.audit_log_maxsize),
            encryption=await self._encryption(self._storage),
            warn_unenforced=self.options.warn_unenforced,
            disable_admission_plugins=frozenset(given.disable_admission_plugins),
            authenticators=authenticators,
            rights=rights.declared(),
        )
        (self.root / "logs").mkdir(mode=0o700, exist_ok=True)
        self.api = APIServer(self._storage, self.clock, config)
        self._connect_streams(self.api)
        await self.api.start()
        self._context = tls(self.serving, (ca, proxy_ca))
        self._following.pair(self.serving, self._serve_anew)
        self._server = Server(self.api.handle, self._context)
        for host, port in self.addresses:
            await self._server.listen(host, port)
        self._write_kubeconfigs()
        self._following.pair(self.pki.pair("admin"), self._admit_anew)
        self._parts.start("certificates", self._following.run)
        self._parts.start("renewal", self._renew)
        self._start_components()

    async def _serve_anew(self) -> None:
        """With the serving certificate that is there now, from the next handshake on. Raises OSError."""
        assert self._context is not None
        self._context.load_cert_chain(self.serving.certificate, self.serving.key)

    async def _admit_anew(self) -> None:
        await asyncio.to_thread(self._write_kubeconfigs)

    async def _renew(self) -> None:
        """What is near its end is made anew, while this runs: it is taken up as what somebody else has replaced."""
        while True:
            await self.clock.sleep(RENEWED_EVERY)
            await asyncio.to_thread(self._keep_certificates)

    def _keep_certificates(self) -> None:
        """Raises OSError."""
        self.pki.serving(self.hosts)
        self.pki.client("apiserver-kubelet-client", "kube-apiserver-kubelet-client")
        self.pki.client("apiserver-csi-client", CSI_CALLER)
        self._write_kubeconfigs()

    def _connect_streams(self, api: APIServer) -> None:
        """What the API server passes on to nodes, pods and Services."""
        dialer = Dialer(self.clock, {port for _, port in self.addresses}, split(self.options.service_cidr))
        nodes = self._nodes(self.kubelet_client, dialer)
        pods = PodStreams(api.lookup, nodes, api.authorizer)
        proxies = Proxies(api.lookup, api.stores[kinds.ENDPOINT_SLICE], nodes, dialer, api.authorizer)
        usage = ResourceMetrics(api.stores, nodes.summary, self.clock)
        led_on = {
            (kinds.POD, "log"): pods.log,
            (kinds.POD, "exec"): pods.exec,
            (kinds.POD, "attach"): pods.attach,
            (kinds.POD, "portforward"): pods.portforward,
            (kinds.POD, "proxy"): proxies.pods,
            (kinds.SERVICE, "proxy"): proxies.services,
            (kinds.NODE, "proxy"): proxies.nodes,
        }
        gate = Gate(self.clock)
        api.dispatcher.answers |= {way: gate.guard(handler) for way, handler in led_on.items()}
        api.dispatcher.answers |= {(kinds.NODE_METRICS, ""): usage.nodes, (kinds.POD_METRICS, ""): usage.pods}
        by_csi = self._nodes(self.pki.client("apiserver-csi-client", CSI_CALLER), dialer)
        api.dispatcher.answers[kinds.NODE, "csi"] = DriverCalls(api.lookup, by_csi)

    def _nodes(self, client: Pair, dialer: Dialer) -> NodeConnections:
        """The way to nodes as this client."""
        authority = self.pki.node_serving.pair.certificate
        connections = NodeConnections(authority, client, self.clock, dialer, self.options.simulated_node_port)

        async def renewed() -> None:
            connections.renewed()

        self._following.pair(client, renewed)
        return connections

    def _start_components(self) -> None:
        """Controllers and scheduler, as clients over the in-process transport, each under its own name."""
        assert self.api is not None
        api, wanted = self.api, set(self.options.only) or {"controllers", "scheduler"}

        def connect(user: str) -> Transport:
            groups = ("system:serviceaccounts", "system:serviceaccounts:kube-system")
            return api.transport(user, *(groups if user.startswith("system:serviceaccount:") else ()))

        if "controllers" in wanted:
            from longboat.controllers.certificates.signing import Signer
            from longboat.controllers.manager import Manager

            manager = Manager(
                connect,
                self.clock,
                root_ca=self.pki.ca.pair.certificate.read_text(),
                sign_token=api.issuer.issue_for_secret if api.issuer else None,
                pod_cidr=self.options.pod_cidr,
                service_cidr=self.options.service_cidr,
                node_cidr=self.options.node_cidr,
                load_balancer_pool=self.options.load_balancer_pool,
                signer=Signer(self.pki.ca.certificate, self.pki.ca.key),
                serving_signer=Signer(self.pki.node_serving.certificate, self.pki.node_serving.key),
            )
            self._tasks.spawn("controllers", manager.run())
        if "scheduler" in wanted:
            from longboat.client.informer import Informers
            from longboat.client.rest import RestClient
            from longboat.scheduler.scheduler import Scheduler

            client = RestClient(connect(Scheduler.USER), self.clock)
            informers = Informers(client, self.clock, "scheduler")
            scheduler = Scheduler(client, informers, self.clock)
            informers.start()
            self._parts.start("scheduler", scheduler.run)

    def _write_kubeconfigs(self) -> None:
        """The administrator's comes last: its being there tells `up` that the server listens.

        Roles say what that one may. The other is for when they do no more (who deletes the binding shuts the door), and
        is asked about nothing: it is written down and kept out of everything else (CIS 5.1.7).
        """
        self._write_kubeconfig("super-admin", "kubernetes-super-admin", MASTERS)
        self._write_kubeconfig("admin", "kubernetes-admin", ADMINISTRATORS)

    def _write_kubeconfig(self, file: str, name: str, group: str) -> None:
        pair, (host, port) = self.pki.client(file, name, (group,)), self.addresses[0]
        encoded = {
            "certificate-authority-data": self.pki.ca.pair.certificate,
            "client-certificate-data": pair.certificate, "client-key-data": pair.key,
        }  # fmt: skip
        server = {"server": f"https://{in_url(host)}:{port}"}
        user: dict[str, str] = {}
        for key, path in encoded.items():
            whose = user if key.startswith("client-") else server
            whose[key] = base64.b64encode(path.read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "longboat", "cluster": server}],
            "users": [{"name": file, "user": user}],
            "contexts": [{"name": "longboat", "context": {"cluster": "longboat", "user": file}}],
            "current-context": "longboat",
        }
        path, text = self.root / f"{file}.kubeconfig", json.dumps(config, indent=1).encode()
        if not path.exists() or path.read_bytes() != text:
            write_private(path, text)

    async def close(self) -> None:
        if self.api:
            self.api.retire()
        if self._server:
            await self._server.close()
        await self._parts.close()
        await self._tasks.close()
        if self.api:
            await self.api.close()
        if self._storage:
            await self._storage.close()
        if self._store_process is not None:
            await self._store_process.stop()  # type: ignore[attr-defined]
        self._lock.close()

    async def _encryption(self, storage: Storage) -> Path | None:
        """The file that says how Secrets are sealed: the one named, else the cluster's own. Nothing rests in memory."""
        if self.options.encryption_provider_config:
            return Path(self.options.encryption_provider_config)
        return None if self.options.store == "memory://" else await keys.ensure(self.root, storage, self.clock)

    async def _store_at(self, place: str) -> Storage:
        """A store process that somebody else starts, perhaps only now. Raises StorageError."""
        from longboat.storage.sqlite import client

        patience = self.clock.monotonic() + STORE_PATIENCE
        while True:
            try:
                return await client.connect(place, self.clock)
            except StorageError:
                if self.clock.monotonic() > patience:
                    raise
                await self.clock.sleep(0.01)

    async def _open_storage(self) -> Storage:
        """The store that is named, or one of our own beside us."""
        wanted = self.options.store
        if wanted == "memory://":
            from longboat.storage.memory import MemoryStorage

            return MemoryStorage(self.clock)
        from longboat.storage.sqlite import client, process

        if self.options.store_socket:
            return await self._store_at(self.options.store_socket)
        if wanted and not wanted.startswith("sqlite:///"):
            raise Usage(f"--store {wanted} is not sqlite:///FILE or memory://")
        database = Path(wanted.removeprefix("sqlite://")) if wanted else self.root / "state.db"
        run_dir = self.root / "run"
        run_dir.mkdir(mode=0o700, exist_ok=True)
        store = run_dir / "store.sock"
        self._store_process = await process.spawn(str(database), str(store), self.clock)
        return await client.connect(str(store), self.clock)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise Usage(f"--listen {text} is not ADDRESS:PORT")
    host = host.strip("[]")
    return host, int(port) or _free_port(host)


def _free_port(host: str) -> int:
    """A port nobody listens on: endpoints and kubeconfig name it before the server listens there itself."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
