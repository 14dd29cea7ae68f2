"""Where the rules send a packet, for any services and endpoints; and that a diff leads where a rewrite would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from longboat.network.proxy.rules import HostPort, NodeInfo, rules
from longboat.network.ruleset import Ruleset, create, diff
from longboat.network.views import SERVICE_NAME, EndpointSlice, Service
from unit.network.kernel import Fate, Kernel, Memory, Packet

NODE = NodeInfo("node-1", pod_cidr="10.244.1.0/28", cluster_cidr="10.244.0.0/16")
POD, OUTSIDE, OWN = "10.244.1.9", "192.0.2.7", "172.30.0.11"


def service(name: str = "web", address: str = "10.96.0.10", **spec: Any) -> Service:
    spec = {"clusterIP": address, "ports": [{"port": 80}], **spec}
    return msgspec.convert({"metadata": {"name": name, "namespace": "shop"}, "spec": spec}, Service)


def endpoint(address: str, node: str = "node-2", **conditions: bool) -> dict[str, Any]:
    return {"addresses": [address], "nodeName": node, "conditions": conditions}


def piece(*endpoints: dict[str, Any], owner: str = "web", ports: Any = ({"port": 8080},)) -> EndpointSlice:
    labels = {SERVICE_NAME: owner}
    meta = {"name": f"{owner}-x", "namespace": "shop", "labels": labels}
    body = {"metadata": meta, "addressType": "IPv4", "endpoints": list(endpoints), "ports": list(ports)}
    return msgspec.convert(body, EndpointSlice)


def to(*endpoints: str, masqueraded: bool = False) -> Fate:
    return Fate(frozenset((address, 8080) for address in endpoints), masqueraded=masqueraded)


def fate(services: Service, slices: list[EndpointSlice], packet: Packet, node: NodeInfo = NODE) -> Fate:
    return Kernel(rules([services], slices, node)).fate(packet)


INSIDE = Packet(POD, "10.96.0.10", 80)
NODE_PORT = Packet(OUTSIDE, OWN, 30080, local=True)
PUBLISHED = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}
NEAR, FAR = endpoint("10.244.1.5", "node-1"), endpoint("10.244.2.5", "node-2")


def test_a_cluster_address_leads_to_ready_endpoints() -> None:
    unready = endpoint("10.244.2.6", ready=False)
    assert fate(service(), [piece(NEAR, FAR, unready)], INSIDE) == to("10.244.1.5", "10.244.2.5")


def test_a_client_outside_the_pod_range_is_masqueraded() -> None:
    assert fate(service(), [piece(FAR)], replace(INSIDE, source=OUTSIDE)) == to("10.244.2.5", masqueraded=True)


def test_ending_endpoints_serve_only_while_none_is_ready() -> None:
    ending = endpoint("10.244.2.6", ready=False, serving=True, terminating=True)
    dead = endpoint("10.244.2.7", ready=False, serving=False, terminating=True)
    assert fate(service(), [piece(ending, dead)], INSIDE) == to("10.244.2.6")
    assert fate(service(), [piece(ending, FAR)], INSIDE) == to("10.244.2.5")


def test_without_endpoints_a_connection_is_refused() -> None:
    published = service(**PUBLISHED)
    assert fate(published, [], INSIDE) == Fate(otherwise="refused")
    assert fate(published, [], NODE_PORT) == Fate(otherwise="refused")


def test_a_port_the_service_does_not_have_is_refused() -> None:
    assert fate(service(), [piece(FAR)], replace(INSIDE, port=81)) == Fate(otherwise="refused")


def test_what_is_not_a_service_is_left_alone() -> None:
    assert fate(service(), [piece(FAR)], Packet(POD, "10.244.2.5", 80)) == Fate(otherwise="on")
    assert fate(service(clusterIP="None"), [piece(FAR)], INSIDE) == Fate(otherwise="on")
    assert fate(service(type="ExternalName", clusterIP=""), [piece(FAR)], INSIDE) == Fate(otherwise="on")


def test_a_node_port_masquerades_and_goes_anywhere() -> None:
    assert fate(service(**PUBLISHED), [piece(NEAR, FAR)], NODE_PORT) == to("10.244.1.5", "10.244.2.5", masqueraded=True)


def test_local_external_policy_keeps_the_source_and_stays_here() -> None:
    local = service(**PUBLISHED, externalTrafficPolicy="Local")
    assert fate(local, [piece(NEAR, FAR)], NODE_PORT) == to("10.244.1.5")
    assert fate(local, [piece(FAR)], NODE_PORT) == Fate(otherwise="dropped")
    assert fate(local, [], NODE_PORT) == Fate(otherwise="refused")
    assert fate(local, [piece(FAR)], replace(NODE_PORT, source=POD)) == to("10.244.2.5")
    from_node = replace(NODE_PORT, from_node=True)
    assert fate(local, [piece(FAR)], from_node) == to("10.244.2.5", masqueraded=True)


def test_local_internal_policy_stays_here() -> None:
    local = service(internalTrafficPolicy="Local")
    assert fate(local, [piece(NEAR, FAR)], INSIDE) == to("10.244.1.5")
    assert fate(local, [piece(FAR)], INSIDE) == Fate(otherwise="dropped")
    assert fate(local, [], INSIDE) == Fate(otherwise="refused")


def test_several_ports_go_by_name_and_protocol() -> None:
    ports = [{"name": "web", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    slices = [piece(FAR, ports=({"name": "web", "port": 8080}, {"name": "dns", "port": 5353, "protocol": "UDP"}))]
    assert fate(service(ports=ports), slices, INSIDE) == to("10.244.2.5")
    udp = replace(INSIDE, port=53, protocol="udp")
    assert fate(service(ports=ports), slices, udp).endpoints == {("10.244.2.5", 5353)}
    assert fate(service(ports=ports), slices, replace(udp, protocol="tcp")).otherwise == "refused"


def test_affinity_still_reaches_every_endpoint() -> None:
    sticky = service(sessionAffinity="ClientIP")
    found = rules([sticky], [piece(NEAR, FAR)], NODE)
    assert Kernel(found).fate(INSIDE) == to("10.244.1.5", "10.244.2.5")
    assert sum("timeout 10800s" in table.declaration for table in found.tables.values()) == 2


def test_a_load_balancer_address_is_an_entrance() -> None:
    status = {"loadBalancer": {"ingress": [{"ip": "172.30.0.200"}]}}
    plain = service(type="LoadBalancer", ports=[{"port": 80, "nodePort": 30080}])
    balanced = msgspec.structs.replace(plain, status=msgspec.convert(status, type(plain.status)))
    packet = Packet(OUTSIDE, "172.30.0.200", 80)
    assert fate(balanced, [piece(FAR)], packet) == to("10.244.2.5", masqueraded=True)
    assert fate(balanced, [], packet) == Fate(otherwise="refused")


def test_what_the_node_answers_itself_is_not_tracked_and_so_neither_translated_nor_refused() -> None:
    node = replace(NODE, own_services=(("10.96.0.10", 53), ("fd96::a", 53)))
    found = rules([service()], [], node)
    assert found.elements["own-services"] == {"10.96.0.10 . 53": ""}
    asked = "meta l4proto { tcp, udp } ip daddr . th dport @own-services notrack"
    replies = "meta l4proto { tcp, udp } ip saddr . th sport @own-services notrack"
    assert [found.chains[name].rules for name in ("own-in", "own-out")] == [(asked,), (asked, replies)]
    assert rules([], [], NODE).elements["own-services"] == {}


def test_what_no_service_has_of_the_range_is_refused() -> None:
    ranged = replace(NODE, service_cidrs=("10.96.0.0/16",))
    for from_node in (False, True):
        gone = replace(INSIDE, address="10.96.77.77", from_node=from_node)
        assert fate(service(), [piece(FAR)], gone, ranged) == Fate(otherwise="refused")
        assert fate(service(), [piece(FAR)], replace(gone, address="10.97.0.1"), ranged) == Fate(otherwise="on")
        assert fate(service(), [piece(FAR)], gone) == Fate(otherwise="on"), "the range is not known"
    assert fate(service(), [piece(FAR)], INSIDE, ranged) == to("10.244.2.5")
    local = service(internalTrafficPolicy="Local")
    assert fate(local, [piece(FAR)], INSIDE, ranged) == Fate(otherwise="dropped"), "not for the range to refuse"


def test_host_ports() -> None:
    ports = (HostPort("TCP", 8088, "10.244.1.9", 80), HostPort("TCP", 8089, "10.244.1.9", 81, host_ip="172.30.0.11"))
    kernel = Kernel(rules([], [], replace(NODE, host_ports=ports)))
    assert kernel.fate(Packet(OUTSIDE, OWN, 8088, local=True)).endpoints == {("10.244.1.9", 80)}
    assert kernel.fate(Packet(OUTSIDE, OWN, 8089, local=True)).endpoints == {("10.244.1.9", 81)}
    assert kernel.fate(Packet(OUTSIDE, "172.30.0.99", 8089, local=True)).otherwise == "on"


def test_host_ports_at_the_loopback_address_are_for_the_node_itself() -> None:
    ports = (HostPort("TCP", 8088, "10.244.1.9", 80, host_ip="127.0.0.1"), HostPort("TCP", 8088, "10.244.1.8", 80, OWN))
    kernel = Kernel(rules([], [], replace(NODE, host_ports=ports)))
    asked = Packet(OWN, "127.0.0.1", 8088, local=True, from_node=True)
    assert kernel.fate(asked).endpoints == {("10.244.1.9", 80)}
    assert kernel.fate(replace(asked, address=OWN)).endpoints == {("10.244.1.8", 80)}
    assert kernel.fate(replace(asked, source="127.0.0.1")).endpoints == {("10.244.1.9", 80)}
    listens = Kernel(rules([], [], replace(NODE, host_ports=ports, taken_inside=frozenset({("TCP", 8088)}))))
    assert listens.fate(replace(asked, source="127.0.0.1")).otherwise == "on", "what listens there keeps its own"
    assert listens.fate(replace(asked, address=OWN)).endpoints == {("10.244.1.8", 80)}
    assert kernel.fate(Packet(OUTSIDE, "127.0.0.1", 8088, local=True)).otherwise == "on", "not for its neighbours"


def test_a_pod_that_reaches_itself_is_masqueraded() -> None:
    found = rules([], [], NODE)
    assert "10.244.1.5 . 10.244.1.5" in found.elements["own-pods"]
    assert any("@own-pods masquerade" in rule for rule in found.chains["source"].rules)


# --- any services, any endpoints -------------------------------------------------------------------------------------

addresses = st.integers(1, 9).map(lambda n: f"10.244.{n % 3}.{n}")
endpoints = st.builds(
    lambda address, near, ready, serving, ending: endpoint(
        address, "node-1" if near else "node-2", ready=ready, serving=serving, terminating=ending
    ),
    addresses, st.booleans(), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
specs = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]),
        "sessionAffinity": st.sampled_from(["None", "ClientIP"]),
        "internalTrafficPolicy": st.sampled_from(["Cluster", "Local"]),
        "externalTrafficPolicy": st.sampled_from(["Cluster", "Local"]),
        "sessionAffinityConfig": st.sampled_from([{}, {"clientIP": {"timeoutSeconds": 60}}]),
    },
)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[Service], list[EndpointSlice], NodeInfo]:
    services, slices = [], []
    for number in draw(st.sets(st.integers(0, 4))):
        ports = [{"name": "a", "port": 80, "nodePort": 30000 + number}, {"name": "b", "port": 53, "protocol": "UDP"}]
        chosen = draw(st.sampled_from([ports, ports[:1]]))
        services.append(service(f"s{number}", f"10.96.0.{number}", ports=chosen, **draw(specs)))
        served = ({"name": "a", "port": 8080}, {"name": "b", "port": 5353, "protocol": "UDP"})
        for _ in range(draw(st.integers(0, 2))):
            slices.append(piece(*draw(st.lists(endpoints, max_size=4)), owner=f"s{number}", ports=served))
    ports_here = tuple(HostPort("TCP", 8000 + n, f"10.244.1.{n}", 80) for n in draw(st.sets(st.integers(0, 3))))
    return services, slices, replace(NODE, host_ports=tuple(sorted(ports_here)))


def expected(found: Service, slices: list[EndpointSlice], port: str) -> set[tuple[str, int]]:
    """By the API's words: ready endpoints of the policy's place, else serving ones that terminate."""
    mine = [s for s in slices if s.metadata.labels[SERVICE_NAME] == found.metadata.name]
    numbers = {p.name: p.port for s in mine for p in s.ports}
    here = found.spec.internalTrafficPolicy == "Local"
    pool = [e for s in mine for e in s.endpoints if not here or e.nodeName == "node-1"]
    ready = [e for e in pool if e.conditions.ready]
    chosen = ready or [e for e in pool if e.conditions.serving and e.conditions.terminating]
    return {(e.addresses[0], numbers[port]) for e in chosen}


@given(clusters())
def test_every_cluster_address_leads_to_the_expected_endpoints(
    cluster: tuple[list[Service], list[EndpointSlice], NodeInfo],
) -> None:
    services, slices, node = cluster
    kernel = Kernel(rules(services, slices, node))
    for found in services:
        for port in found.spec.ports:
            fate = kernel.fate(Packet(POD, found.spec.clusterIP, port.port, port.protocol.lower()))
            want = expected(found, slices, port.name)
            assert fate.endpoints == want
            assert bool(fate.otherwise) != bool(want)


@given(st.lists(clusters(), min_size=2, max_size=4))
def test_a_diff_leads_where_a_rewrite_would(
    clusters: list[tuple[list[Service], list[EndpointSlice], NodeInfo]],
) -> None:
    stepwise, present = Memory(), Ruleset()
    for number, cluster in enumerate(clusters):
        wanted = rules(*cluster)
        stepwise.run(create(wanted) if number == 0 else diff(present, wanted))
        present = wanted
        anew = Memory()
        anew.run(create(wanted))
        assert stepwise.__dict__ == anew.__dict__
        assert diff(present, rules(*cluster)) == ""
