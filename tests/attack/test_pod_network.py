"""A pod attacks the pod network: it hurries before its policies, holds on to connections, and pretends to be others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from attack import network
from attack.network import (
    ADVERTISEMENT,
    ALL_NODES,
    EVERYBODY,
    NODES,
    ROUTER_ADVERTISEMENT,
    SOLICITATION,
    Pods,
    arp_request,
    datagram,
    frame,
    hostile,
    icmp6,
    link_layer,
    link_local,
    packed,
    until,
)
from e2e.host import Cluster

pytestmark = network.needs_containers
HEAR = "exec /hostile hear 9000"
VXLAN = 8472


@pytest.fixture(scope="module")
def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    for made in network.pods(cluster, "hostile", tmp_path_factory.mktemp("hostile")):
        talks = "/hostile serve tcp 9001 & /hostile serve udp 9001 & exec /hostile serve tcp 9002"
        made.create(
            hostile("server-1", talks, NODES[0]),
            hostile("client-1", "exec sleep 1000000", NODES[0]),
            hostile("client-2", "exec sleep 1000000", NODES[1]),
            hostile("mallory", "exec sleep 1000000", NODES[0]),
            hostile("alice", HEAR, NODES[0]),
            hostile("bob", HEAR, NODES[0]),
            hostile("carol", HEAR, NODES[1]),
            hostile("dave", HEAR, NODES[0]),
            hostile("node-1", "exec sleep 1000000", NODES[0], hostNetwork=True),
            hostile("node-2", f"exec /hostile hear {VXLAN}", NODES[1], hostNetwork=True),
        )
        made.wait("condition=Ready")
        yield made


def test_an_isolated_pod_gets_no_packet_out_before_its_policies(world: Pods) -> None:
    """18 pods, each of which connects from its first moment on. Nothing gets out; and once allowed, everything does."""
    world.policy("isolated", podSelector={"matchLabels": {"role": "racer"}}, policyTypes=["Ingress", "Egress"])
    everyone = " ".join(world.addresses("server-1"))
    race = f"/hostile race 9002 {everyone}"
    names = [f"racer-{number}" for number in range(18)]
    world.create(*(hostile(name, race, NODES[i % 2], restartPolicy="Never") for i, name in enumerate(names)))
    world.wait("jsonpath={.status.phase}=Succeeded", *(f"pod/{name}" for name in names))
    got_out = world.kubectl("logs", "-l", "role=racer", "--prefix", "--max-log-requests=20")
    assert len({line.split("/")[1] for line in got_out.splitlines()}) == 0, got_out
    world.create(hostile("free", race, NODES[1], restartPolicy="Never"))
    world.wait("jsonpath={.status.phase}=Succeeded", "pod/free")
    assert world.kubectl("logs", "free").count("reached") > 10
    world.kubectl("delete", "networkpolicy", "isolated")


@pytest.mark.parametrize("isolated", ["client", "server"])
def test_connections_end_that_a_policy_no_longer_allows(world: Pods, isolated: str) -> None:
    """Both ways, over TCP and UDP, in both families, on a node and across; and they go on once they may again."""
    clients, server = ("client-1", "client-2"), world.addresses("server-1")
    pairs = [(protocol, address) for protocol in ("tcp", "udp") for address in server]
    starts = "".join(f"/hostile talk {protocol} 9001 {at} >/dev/null 2>&1 & echo $!; " for protocol, at in pairs)
    pids = {each: world.run(each, "sh", "-c", starts).split() for each in clients}
    files = {each: [f"/tmp/{protocol}-{address}" for protocol, address in pairs] for each in clients}
    files["server-1"] = [
        f"/tmp/{protocol}-{ip}" for protocol in ("tcp", "udp") for c in clients for ip in world.addresses(c)
    ]

    def heard() -> list[int]:
        """Bytes that have come, in each direction of each connection."""
        sizes = "; ".join
        return [
            int(size)
            for pod, paths in files.items()
            for size in world.run(pod, "sh", "-c", sizes(f"wc -c < {path} || echo 0" for path in paths)).split()
        ]

    def all_go_on() -> bool:
        before, after = heard(), heard()
        return len(after) == 16 and all(now > then for then, now in zip(before, after, strict=True))

    def all_have_ended() -> bool:
        return heard() == heard()

    until(all_go_on)
    direction = "Egress" if isolated == "client" else "Ingress"
    world.policy("ends", podSelector={"matchLabels": {"role": isolated}}, policyTypes=[direction])
    until(all_have_ended, within=5)
    world.kubectl("delete", "networkpolicy", "ends")
    until(all_go_on)
    for each in clients:
        world.run(each, "kill", *pids[each])


def test_a_pod_sends_from_no_address_but_its_own(world: Pods) -> None:
    """Not as its neighbour, its node, a Service or the world; nor with its neighbour's hardware address."""
    node = {each["metadata"]["name"]: each for each in world.cluster.get("nodes")["items"]}
    others = [*world.addresses("alice"), *world.addresses("carol")]
    for each in NODES:
        others += [a["address"] for a in node[each]["status"]["addresses"] if a["type"] == "InternalIP"]
    others += ["10.96.0.1", "203.0.113.9", "2001:db8::9"]
    own, ends = world.mac("mallory"), {"bob": world.mac("bob"), "carol": world.mac("node-1", "cni0")}
    frames = []
    for target, to in ends.items():
        for at in world.addresses(target):
            for source in [each for each in others if (":" in each) == (":" in at) and each != at]:
                frames.append(frame(own, to, *datagram(source, at, 9000, f"forged-{source}")))
            (mine,) = (each for each in world.addresses("mallory") if (":" in each) == (":" in at))
            frames.append(frame(world.mac("alice"), to, *datagram(mine, at, 9000, "forged-mac")))
            frames.append(frame(own, to, *datagram(mine, at, 9000, "honest")))
    world.run("mallory", "/hostile", "send", *frames)
    for target in ends:
        until(lambda pod=target: world.kubectl("logs", pod).count("honest") == 2)  # type: ignore[misc]
        assert "forged" not in world.kubectl("logs", target)


def test_a_pod_answers_for_no_address_but_its_own(world: Pods) -> None:
    """By ARP, neighbour discovery and router advertisements: neither its neighbours nor its node believe it."""
    own, bob, node = world.mac("mallory"), world.mac("bob"), world.mac("node-1", "cni0")
    (four, six), (alice, alice6) = world.addresses("bob"), world.addresses("alice")
    gateway, gateway6 = (world.run("bob", "ip", *words, "route").split("via ")[1].split()[0] for words in ([], ["-6"]))
    (mine, mine6), local = world.addresses("mallory"), link_local(own)
    world.run("bob", "ping", "-c1", alice6)
    world.run("bob", "ping", "-c1", gateway6)
    unused, unused6 = four.rpartition(".")[0] + ".250", six.rpartition(":")[0] + ":250"
    frames = []
    for claimed in (unused, alice):
        frames += [frame(own, bob, *arp_request(own, claimed, four))]
        frames += [frame(own, node, *arp_request(own, claimed, gateway))]
    question = bytes(4) + packed(six) + link_layer(1, own)
    frames += [frame(own, bob, *icmp6(unused6, six, SOLICITATION, question))]
    for claimed in (alice6, gateway6):
        answer = struct_override() + packed(claimed) + link_layer(2, own)
        frames += [frame(own, bob, *icmp6(source, six, ADVERTISEMENT, answer)) for source in (mine6, claimed)]
    router = bytes((64, 0)) + (1800).to_bytes(2, "big") + bytes(8) + link_layer(1, own)
    frames += [frame(own, ALL_NODES, *icmp6(local, "ff02::1", ROUTER_ADVERTISEMENT, router))]
    honest = [
        frame(own, bob, *datagram(mine, four, 9000, "sent-arp")),
        frame(own, EVERYBODY, *arp_request(own, mine, four)),
    ]
    world.run("mallory", "/hostile", "send", *frames, *honest)
    until(lambda: "sent-arp" in world.kubectl("logs", "bob"))
    for believer in ("bob", "node-1"):
        known = world.run(believer, "ip", "neigh").splitlines()
        wrong = [line for line in known if own in line and line.split()[0] not in (mine, mine6, local)]
        assert not wrong, f"{believer} believes {wrong}"
    assert f"via {local}" not in world.run("bob", "ip", "-6", "route")


def struct_override() -> bytes:
    """The flags of an unasked neighbour advertisement that wants to be believed."""
    return bytes((0x20, 0, 0, 0))


def test_a_tagged_frame_passes_no_policy(world: Pods) -> None:
    """The bridge's firewall does not look into tags, but who gets a frame of VLAN 0 takes it for an untagged one."""
    world.policy("quiet", podSelector={"matchLabels": {"role": "dave"}}, policyTypes=["Ingress"])
    own, dave, bob = world.mac("mallory"), world.mac("dave"), world.mac("bob")
    for at, mine, witness in zip(*map(world.addresses, ("dave", "mallory", "bob")), strict=True):
        forged = frame(own, dave, *datagram(mine, at, 9000, "tagged"), tagged=True)
        after = frame(own, bob, *datagram(mine, witness, 9000, f"after-{at}"))
        world.run("mallory", "/hostile", "send", forged, after)
        until(lambda text=f"after-{at}": text in world.kubectl("logs", "bob"))  # type: ignore[misc]
    assert "tagged" not in world.kubectl("logs", "dave")
    world.kubectl("delete", "networkpolicy", "quiet")


def test_a_pod_puts_nothing_into_the_tunnel_between_nodes(world: Pods) -> None:
    """What a pod sends to a node's end of it would come out as any pod's."""
    own, gateway = world.mac("mallory"), world.mac("node-1", "cni0")
    mine, at = world.addresses("mallory")[0], world.addresses("node-2")[0]
    carol = world.addresses("carol")[0]
    world.run(
        "mallory", "/hostile", "send",
        frame(own, gateway, *datagram(mine, at, VXLAN, "in-the-tunnel")),
        frame(own, gateway, *datagram(mine, carol, 9000, "after-the-tunnel")),
    )  # fmt: skip
    until(lambda: "after-the-tunnel" in world.kubectl("logs", "carol"))
    assert "in-the-tunnel" not in world.kubectl("logs", "node-2")
