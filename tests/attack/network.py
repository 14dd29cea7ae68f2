"""A cluster whose pods are hostile: two nodes, both IP families, and the frames that a pod may make up."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.host import Cluster
from e2e.manifests import shell_pod
from images import build

NODES = ("node-1", "node-2")
EVERYBODY, ALL_NODES = "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01"
IP, ARP, IP6, VLAN = 0x0800, 0x0806, 0x86DD, 0x8100
UDP, ICMP6 = 17, 58
ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT = 134, 135, 136


@dataclass
class Pods:
    """The pods of one namespace, each with `/hostile`."""

    cluster: Cluster
    space: str
    hostile: Path

    def create(self, *pods: dict[str, Any]) -> None:
        for pod in pods:
            pod["metadata"]["namespace"] = self.space
            pod["spec"]["volumes"] = [{"name": "hostile", "hostPath": {"path": str(self.hostile), "type": "File"}}]
            for container in pod["spec"]["containers"]:
                container["volumeMounts"] = [{"name": "hostile", "mountPath": "/hostile"}]
        self.cluster.apply(*pods)

    def wait(self, condition: str, *which: str) -> None:
        self.kubectl("wait", f"--for={condition}", *(which or ("pods", "--all")), "--timeout=90s")

    def apply(self, kind: str, name: str, version: str = "v1", **spec: Any) -> None:
        metadata = {"name": name, "namespace": self.space}
        self.cluster.apply({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})

    def policy(self, name: str, **spec: Any) -> None:
        self.apply("NetworkPolicy", name, "networking.k8s.io/v1", **spec)

    def kubectl(self, *args: str) -> str:
        return self.cluster.kubectl("-n", self.space, *args).quiet()

    def run(self, pod: str, *command: str) -> str:
        return self.kubectl("exec", pod, "--", *command)

    def addresses(self, pod: str) -> list[str]:
        found = self.cluster.get("-n", self.space, "pod", pod)
        return [each["ip"] for each in found["status"]["podIPs"]]

    def mac(self, pod: str, interface: str = "eth0") -> str:
        return self.run(pod, "cat", f"/sys/class/net/{interface}/address").strip()


def pods(cluster: Cluster, space: str, folder: Path) -> Iterator[Pods]:
    """A namespace of hostile pods, for as long as a fixture wants it."""
    hostile = folder / "hostile"
    hostile.write_bytes(build.compiled(build.HERE / "hostile.c"))
    hostile.chmod(0o755)
    cluster.kubectl("create", "namespace", space).quiet()
    until(lambda: cluster.kubectl("get", "serviceaccount", "default", "-n", space).code == 0)
    yield Pods(cluster, space, hostile)
    cluster.kubectl("delete", "namespace", space, "--wait=false").quiet()


def hostile(name: str, command: str, node: str, **spec: Any) -> dict[str, Any]:
    made = shell_pod(name, command, node=node, terminationGracePeriodSeconds=0, **spec)
    made["metadata"]["labels"] = {"role": name.partition("-")[0]}
    return made


def until(true: Callable[[], bool], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.05)


def packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def frame(source: str, target: str, kind: int, content: bytes, *, tagged: bool = False) -> str:
    """An Ethernet frame in hexadecimal digits; `tagged` puts it into VLAN 0, which a receiver takes for none."""
    addresses = bytes.fromhex((target + source).replace(":", ""))
    tag = struct.pack("!HH", VLAN, 0) if tagged else b""
    return (addresses + tag + struct.pack("!H", kind) + content).hex()


def ip(source: str, target: str, protocol: int, content: bytes) -> tuple[int, bytes]:
    """EtherType and packet of whichever family the addresses are."""
    a, b = packed(source), packed(target)
    if len(a) == 16:
        return IP6, struct.pack("!IHBB", 6 << 28, len(content), protocol, 255) + a + b + content
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(content), 0, 0, 64, protocol, 0) + a + b
    return IP, head[:10] + struct.pack("!H", checksum(head)) + head[12:] + content


def datagram(source: str, target: str, port: int, text: str) -> tuple[int, bytes]:
    content = struct.pack("!HHHH", 4444, port, 8 + len(text), 0) + text.encode()
    return ip(source, target, UDP, summed(source, target, UDP, content, 6))


def icmp6(source: str, target: str, kind: int, rest: bytes) -> tuple[int, bytes]:
    return ip(source, target, ICMP6, summed(source, target, ICMP6, struct.pack("!BBH", kind, 0, 0) + rest, 2))


def arp_request(mac: str, claimed: str, target: str) -> tuple[int, bytes]:
    """A question that says in passing that `claimed` is at `mac`."""
    head = struct.pack("!HHBBH", 1, IP, 6, 4, 1) + bytes.fromhex(mac.replace(":", ""))
    return ARP, head + packed(claimed) + bytes(6) + packed(target)


def link_layer(option: int, mac: str) -> bytes:
    return bytes((option, 1)) + bytes.fromhex(mac.replace(":", ""))


def summed(source: str, target: str, protocol: int, content: bytes, at: int) -> bytes:
    pseudo = packed(source) + packed(target) + struct.pack("!II", len(content), protocol)
    return content[:at] + struct.pack("!H", checksum(pseudo + content) or 0xFFFF) + content[at + 2 :]


def checksum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def link_local(mac: str) -> str:
    """The address that a kernel gives an interface by itself (RFC 4291, appendix A)."""
    octets = bytearray.fromhex(mac.replace(":", ""))
    octets[0] ^= 2
    return socket.inet_ntop(socket.AF_INET6, b"\xfe\x80" + bytes(6) + octets[:3] + b"\xff\xfe" + octets[3:])


needs_containers = [pytest.mark.containers, pytest.mark.timeout(300)]
