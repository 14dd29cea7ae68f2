"""A node's part in the network of Services and pods: proxy, overlay, policies, load balancers, DNS and Ingresses.

All of it works by one set of informers, as the node's own network user.
"""

from __future__ import annotations

import asyncio
import ipaddress

from longboat.aio.clock import Clock
from longboat.aio.parts import Part
from longboat.api.families import DNS_INDEX, split
from longboat.assembly.node.identity import Identity
from longboat.assembly.node.places import CNI_STATE, INGRESS
from longboat.assembly.node.resolv import name_servers, resolv_conf
from longboat.assembly.node.settings import Settings
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.network.dns import address
from longboat.network.dns.cluster_dns import ClusterDNS
from longboat.network.families import family, ranges_by_family
from longboat.network.ingress.config import Settings as IngressSettings
from longboat.network.ingress.gateway import Gateway
from longboat.network.ingress.haproxy import Haproxy, account
from longboat.network.loadbalancer.announcer import Announcer
from longboat.network.loadbalancer.kernel import holder
from longboat.network.netlink import IPRoute
from longboat.network.nftables import Nftables
from longboat.network.overlay import host
from longboat.network.overlay.overlay import Overlay
from longboat.network.policy.enforcer import Enforcer
from longboat.network.proxy import health_checks, rules
from longboat.network.proxy.proxy import Proxy
from longboat.node.host_ports import HostPort
from longboat.node.views.pod import Pod


class Network:
    """`publish` and `isolate` are for the agent; the parts are in the order in which they start."""

    def __init__(self, settings: Settings, identity: Identity, clock: Clock, on_link: str) -> None:
        """`identity` is the node's for its network, `on_link` the ranges that its neighbours are on."""
        name = settings.name
        client = RestClient(identity.transport, clock)
        informers = Informers(client, clock, "network")
        servers = dns_addresses(settings)
        dns = _cluster_dns(settings, informers, clock, servers) if settings.serve_dns else None
        self._enforcer = Enforcer(informers, clock, name, Nftables().run, ranges_by_family(settings.pod_cidr))
        events = EventRecorder(client, clock, "kube-proxy", name)
        proxy = self._proxy = Proxy(
            informers, clock, name, settings.pod_cidr, Nftables().run, settings.service_cidr,
            [(server, 53) for server in servers] if dns else [], settings.addresses, _reserved(settings),
            tell=lambda service, text: events.event(service, "Warning", "PortInUse", text),
        )  # fmt: skip
        overlay = Overlay(
            informers, clock, node=name, address=settings.addresses[0], on_link=on_link,
            conf_dir=settings.data_dir / "cni" / "net.d", state_dir=CNI_STATE,
        )  # fmt: skip
        health = health_checks.HealthChecks(informers, clock, name, proxy.health, events, health_checks.HEALTHZ)

        async def watch() -> None:
            informers.start()
            await asyncio.Event().wait()

        async def leave() -> None:
            await informers.close()
            await identity.transport.close()

        self.parts = [
            Part("watches", watch, leave),
            Part("proxy", proxy.run, events.close),
            Part("overlay", overlay.run),
            Part("policies", self._enforcer.run),
            Part("load balancers", Announcer(informers, clock, name, holder(settings.addresses)).run),
            Part("health checks", health.run),
            *_ingress(settings, informers, client, clock),
            *([Part("dns", dns.run)] if dns else []),
        ]
        self.informers = informers
        self.metrics = dns.metrics if dns else str

    def publish(self, ports: list[HostPort]) -> None:
        """Lead these ports of the node to its pods."""
        self._proxy.set_host_ports(rules.HostPort(p.protocol, p.port, p.pod_ip, p.pod_port, p.host_ip) for p in ports)

    async def isolate(self, pod: Pod, sandbox: str) -> None:
        """Have the policies in force that are for this pod, before its first process."""
        await self._enforcer.admit(Key(pod.metadata.namespace, pod.metadata.name), pod.metadata.labels, sandbox)


async def prepare(settings: Settings) -> str:
    """Make the machine's kernel ready; the ranges that the node's neighbours are on. Raises OSError."""
    await asyncio.to_thread(host.prepare, settings.addresses, settings.pod_cidr, settings.service_cidr)
    return settings.node_cidr or ",".join([await asyncio.to_thread(_range_of, each) for each in settings.addresses])


def dns_addresses(settings: Settings) -> tuple[str, ...]:
    """Where the cluster's DNS is: as told, else a place in each range of Services' addresses."""
    networks = map(ipaddress.ip_network, split(settings.service_cidr))
    own = tuple(str(each[DNS_INDEX]) for each in networks if each.num_addresses > DNS_INDEX)
    return settings.cluster_dns or own


def _reserved(settings: Settings) -> list[int]:
    """TCP ports that the node's own parts listen at, though they may not yet."""
    ingress = (settings.ingress_http_port, settings.ingress_https_port) if Haproxy.is_installed() else ()
    return [settings.port, health_checks.HEALTHZ, *filter(None, ingress)]


def _cluster_dns(settings: Settings, informers: Informers, clock: Clock, addresses: tuple[str, ...]) -> ClusterDNS:
    return ClusterDNS(
        informers, clock, domain=settings.cluster_domain, addresses=addresses,
        forward_to=lambda: name_servers(resolv_conf(settings.resolv_conf)),
        ranges=(*split(settings.service_cidr), *split(settings.pod_cidr)),
        claim=address.claim, release=address.release,
    )  # fmt: skip


def _ingress(settings: Settings, informers: Informers, client: RestClient, clock: Clock) -> list[Part]:
    """None where Ingresses are served nowhere."""
    if not (settings.ingress_http_port or settings.ingress_https_port):
        return []
    INGRESS.mkdir(mode=0o700, parents=True, exist_ok=True)
    has_ipv6 = any(":" in each for each in settings.addresses)
    events = EventRecorder(client, clock, "longboat-ingress", settings.name)
    told = IngressSettings(INGRESS, settings.ingress_http_port, settings.ingress_https_port, has_ipv6, *account())
    return [Part("ingress", Gateway(informers, clock, settings.name, told, events).run, events.close)]


def _range_of(address: str) -> str:
    """The range of the network this address is on; only the address itself where no interface has it."""
    with IPRoute() as ip:
        for found in ip.get_addr(address=address):
            return str(ipaddress.ip_interface(f"{address}/{found['prefixlen']}").network)
    return f"{address}/{family(address).bits}"
