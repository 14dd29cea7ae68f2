"""A model of what the kernel does with our rules: enough of nft's language to see where a packet goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from longboat.network.ruleset import Ruleset


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection, as prerouting sees it. `local` says that the destination is the node itself."""

    source: str
    address: str
    port: int
    protocol: str = "tcp"
    local: bool = False
    from_node: bool = False


@dataclass(frozen=True)
class Fate:
    """Where a packet may go: endpoints (address, port), or else "refused", "dropped" or "on" (nobody's business)."""

    endpoints: frozenset[tuple[str, int]] = frozenset()
    otherwise: str = ""
    masqueraded: bool = False


class Kernel:
    """Interprets a ruleset."""

    def __init__(self, rules: Ruleset) -> None:
        self.rules = rules

    def fate(self, packet: Packet) -> Fate:
        found = self._chain("translate-out" if packet.from_node else "translate-in", packet)
        if found is not None:
            return found
        elements = self.rules.elements
        verdict = elements.get("refused-addresses", {}).get(f"{packet.address} . {packet.protocol} . {packet.port}")
        if verdict is None and packet.local:
            verdict = elements.get("refused-ports", {}).get(f"{packet.protocol} . {packet.port}")
        if verdict is None and (packet.address in elements.get("cluster-addresses", {}) or self._in_range(packet)):
            return Fate(otherwise="refused")
        return Fate(otherwise={"drop": "dropped", "goto refused": "refused", None: "on"}[verdict])

    def _in_range(self, packet: Packet) -> bool:
        """Whether a whole range is refused that the destination is in."""
        rules = "\n".join(self.rules.chains["refuse"].rules)
        ranges = re.findall(r"^ip daddr (\d\S+/\d+) goto refused$", rules, re.MULTILINE)
        return any(IPv4Address(packet.address) in IPv4Network(each) for each in ranges)

    def _chain(self, name: str, packet: Packet) -> Fate | None:
        masqueraded = False
        for rule in self.rules.chains[name].rules:
            rest, applies = self._conditions(rule, packet)
            if not applies:
                continue
            if rest == "return":
                return None
            if found := re.fullmatch(r"meta l4proto . th dport @(taken-ports|taken-inside) return", rest):
                if f"{packet.protocol} . {packet.port}" in self.rules.elements[found[1]]:
                    return None
                continue
            if rest.startswith("meta mark set"):
                masqueraded = True
                rest = rest.removeprefix("meta mark set mark or 0x4000").strip()
                if not rest:
                    continue
            fate = self._verdict(rest, packet)
            if fate is not None:
                return Fate(fate.endpoints, fate.otherwise, fate.masqueraded or masqueraded)
        return None

    def _conditions(self, rule: str, packet: Packet) -> tuple[str, bool]:
        """The rule without its leading matches, and whether they hold."""
        matches = (
            (r"ip saddr != (\S+?)/16 ", lambda m: not packet.source.startswith(prefix(m[1]))),
            (r"ip saddr (\d\S+?)/16 ", lambda m: packet.source.startswith(prefix(m[1]))),
            (r"ip daddr @(other-nodes|node-addresses) ", lambda m: packet.address in self.rules.elements[m[1]]),
            (r"ip saddr @\S+ ", lambda m: False),  # nobody has come before
            (r"fib saddr type local ", lambda m: packet.from_node),
            (r"fib daddr type local ip daddr != 127.0.0.0/8 ", lambda m: packet.local and not inside(packet.address)),
            (r"ip daddr 127.0.0.0/8 ", lambda m: inside(packet.address)),
        )
        for pattern, holds in matches:
            if found := re.match(pattern, rule):
                if not holds(found):
                    return rule, False
                rule = rule[found.end() :]
        return rule, True

    def _verdict(self, rule: str, packet: Packet) -> Fate | None:
        if found := re.fullmatch(r"ip daddr . meta l4proto . th dport vmap @(\S+)", rule):
            return self._go(
                self.rules.elements[found[1]].get(f"{packet.address} . {packet.protocol} . {packet.port}"), packet
            )
        if found := re.fullmatch(r"meta l4proto . th dport vmap @(\S+)", rule):
            return self._go(self.rules.elements[found[1]].get(f"{packet.protocol} . {packet.port}"), packet)
        if found := re.fullmatch(r"numgen random mod (\d+) vmap \{ (.*) \}", rule):
            fates = [self._go(choice.partition(" : ")[2], packet) for choice in found[2].split(", ")]
            assert len(fates) == int(found[1])
            return Fate(frozenset().union(*(fate.endpoints for fate in fates if fate)))
        if found := re.fullmatch(r"meta l4proto (\S+) dnat ip to numgen random mod (\d+) map \{ (.*) \}", rule):
            choices = [choice.partition(" : ")[2].split(" . ") for choice in found[3].split(", ")]
            assert len(choices) == int(found[2]) and found[1] == packet.protocol
            return Fate(frozenset((address, int(port)) for address, port in choices))
        if found := re.fullmatch(r"meta l4proto (\S+) dnat ip to (\S+):(\d+)", rule):
            assert found[1] == packet.protocol
            return Fate(frozenset({(found[2], int(found[3]))}))
        if found := re.fullmatch(r"meta l4proto \{ tcp, udp, sctp \} dnat ip to (.*) map @(\S+)", rule):
            key = f"{packet.protocol} . {packet.port}"
            value = self.rules.elements[found[2]].get(f"{packet.address} . {key}" if "daddr" in found[1] else key)
            return Fate(frozenset({(value.split(" . ")[0], int(value.split(" . ")[1]))})) if value else None
        if rule == "drop":
            return Fate(otherwise="dropped")
        if rule.startswith("goto "):
            return self._go(rule, packet)
        if rule.startswith("jump "):
            return self._chain(rule.removeprefix("jump "), packet)
        if rule.startswith("update "):
            return None
        raise AssertionError(f"the model does not know the rule {rule!r}")

    def _go(self, verdict: str | None, packet: Packet) -> Fate | None:
        return None if verdict is None else self._chain(verdict.removeprefix("goto "), packet)


def prefix(network: str) -> str:
    """The two octets that a /16 fixes, with their dots."""
    return ".".join(network.split(".")[:2]) + "."


def inside(address: str) -> bool:
    """Whether it is a loopback address."""
    return address.startswith("127.")


class Memory:
    """Holds a ruleset as commands build it, refusing what the kernel would refuse."""

    def __init__(self) -> None:
        self.chains: dict[str, tuple[str, list[str]]] = {}
        self.tables: dict[str, str] = {}
        self.elements: dict[str, dict[str, str]] = {}

    def run(self, commands: str) -> None:
        for line in commands.splitlines():
            verb, what, *rest = line.split(" ", 4)
            getattr(self, f"{verb}_{what}")(*rest[2:])
        for name, (_, rules) in self.chains.items():
            for rule in rules:
                for chain in re.findall(r"(?:goto|jump) (\S+)", rule):
                    assert chain.rstrip(",") in self.chains, f"{name} leads to {chain}, which is not there"
                for table in re.findall(r"@(\S+)", rule):
                    assert table in self.tables, f"{name} uses {table}, which is not there"
        for items in self.elements.values():
            for verdict in items.values():
                assert not verdict.startswith("goto ") or verdict.removeprefix("goto ") in self.chains

    def add_table(self, *_: str) -> None: ...

    def delete_table(self, *_: str) -> None:
        self.__init__()

    def add_chain(self, text: str) -> None:
        name, _, hook = text.partition(" ")
        self.chains.setdefault(name, (hook.strip("{} "), []))

    def flush_chain(self, name: str) -> None:
        self.chains[name][1].clear()

    def delete_chain(self, name: str) -> None:
        _, rules = self.chains.pop(name)
        assert not rules, f"{name} is not empty"

    def add_rule(self, text: str) -> None:
        name, _, rule = text.partition(" ")
        self.chains[name][1].append(rule)

    def add_map(self, text: str) -> None:
        name, _, declaration = text.partition(" ")
        assert self.tables.setdefault(name, declaration[2:-2]) == declaration[2:-2]
        self.elements.setdefault(name, {})

    add_set = add_map

    def delete_map(self, name: str) -> None:
        used = [chain for chain, (_, rules) in self.chains.items() if any(f"@{name} " in rule + " " for rule in rules)]
        assert not used, f"{name} is in use by {used}"
        del self.tables[name], self.elements[name]

    delete_set = delete_map

    def add_element(self, text: str) -> None:
        name, _, items = text.partition(" ")
        for item in items.strip("{} ").split(", "):
            key, _, value = item.partition(" : ")
            assert self.elements[name].get(key, value) == value, f"{key} is in {name} already"
            self.elements[name][key] = value

    def delete_element(self, text: str) -> None:
        name, _, items = text.partition(" ")
        for key in items.strip("{} ").split(", "):
            del self.elements[name][key]
