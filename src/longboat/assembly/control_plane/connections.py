"""What an API server passes on to nodes, pods and Services, and the certificates it is known by there."""

from __future__ import annotations

from itertools import chain

import msgspec

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.api.families import split
from longboat.api.storage import CSI_CALLER
from longboat.apiserver.app import APIServer
from longboat.apiserver.dial import Dialer
from longboat.apiserver.pki import Pair, Pki
from longboat.apiserver.resource_metrics import ResourceMetrics
from longboat.apiserver.streams.csi import DriverCalls
from longboat.apiserver.streams.gate import Gate
from longboat.apiserver.streams.nodes import NodeConnections
from longboat.apiserver.streams.pods import PodStreams
from longboat.apiserver.streams.proxy import Proxies
from longboat.assembly.following import Following


def kubelet_client(pki: Pki) -> Pair:
    """Raises OSError, Unusable."""
    return pki.client("apiserver-kubelet-client", "kube-apiserver-kubelet-client")


def csi_client(pki: Pki) -> Pair:
    """Raises OSError, Unusable."""
    return pki.client("apiserver-csi-client", CSI_CALLER)


def proxy_client(pki: Pki) -> Pair:
    """What extension servers know it by. Raises OSError, Unusable."""
    return pki.front_proxy_client("front-proxy-client", "front-proxy-client")


def connect(
    api: APIServer, pki: Pki, clock: Clock, following: Following, *,
    own_ports: set[int], service_cidr: str, simulated_node_port: int, proxy: Pair | None = None,
) -> None:  # fmt: skip
    """Have the server answer what it passes on. `own_ports` are those it listens at itself; `proxy`: what extension
    servers are shown, if not a certificate of our own."""

    def service_ranges() -> list[str]:
        stored = (msgspec.json.decode(entry.body) for entry in api.stores[kinds.SERVICE_CIDR].entries())
        return [*split(service_cidr), *chain.from_iterable(each["spec"]["cidrs"] for each in stored)]

    dialer = Dialer(clock, own_ports, service_ranges)
    api.webhooks.dialer = dialer
    proxy = proxy or proxy_client(pki)
    api.aggregator.serve_with(dialer, proxy)

    async def proxy_renewed() -> None:
        api.aggregator.renewed()

    following.pair(proxy, proxy_renewed)

    def nodes_as(client: Pair) -> NodeConnections:
        connections = NodeConnections(pki.node_serving.pair.certificate, client, clock, dialer, simulated_node_port)

        async def renewed() -> None:
            connections.renewed()

        following.pair(client, renewed)
        return connections

    nodes = nodes_as(kubelet_client(pki))
    pods = PodStreams(api.lookup, nodes, api.authorizer)
    proxies = Proxies(api.lookup, api.stores[kinds.ENDPOINT_SLICE], nodes, dialer, api.authorizer)
    usage = ResourceMetrics(api.stores, nodes.summary, clock)
    led_on = {
        (kinds.POD, "log"): pods.log,
        (kinds.POD, "exec"): pods.exec,
        (kinds.POD, "attach"): pods.attach,
        (kinds.POD, "portforward"): pods.portforward,
        (kinds.POD, "proxy"): proxies.pods,
        (kinds.SERVICE, "proxy"): proxies.services,
        (kinds.NODE, "proxy"): proxies.nodes,
    }
    gate = Gate(clock)
    api.dispatcher.answers |= {way: gate.guard(handler) for way, handler in led_on.items()}
    api.dispatcher.answers |= {(kinds.NODE_METRICS, ""): usage.nodes, (kinds.POD_METRICS, ""): usage.pods}
    api.dispatcher.answers[kinds.NODE, "csi"] = DriverCalls(api.lookup, nodes_as(csi_client(pki)))
