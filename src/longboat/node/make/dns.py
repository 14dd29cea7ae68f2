"""A pod's resolv.conf, hosts file and host name."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from longboat.node.cri.config import DNS
from longboat.node.views.pod import DNSConfig, DNSOption, HostAlias, Pod

MAX_SERVERS, MAX_SEARCHES, MAX_SEARCH_CHARS = 3, 32, 2048
MAX_HOSTNAME = 63


class Resolver(msgspec.Struct, frozen=True, kw_only=True):
    """The node's own resolv.conf and the cluster's DNS service."""

    node: DNS = DNS()
    cluster_servers: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"


def parse_resolv_conf(text: str) -> DNS:
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        match words[:1]:
            case ["nameserver"] if len(words) > 1:
                servers.append(words[1])
            case ["search"]:
                searches = words[1:]
            case ["options"]:
                options += words[1:]
    return DNS(servers=tuple(servers), searches=tuple(s.rstrip(".") or "." for s in searches), options=tuple(options))


def resolve(pod: Pod, resolver: Resolver) -> tuple[DNS, list[str]]:
    """The pod's DNS settings, and what had to be left out of them (for an Event)."""
    policy = pod.spec.dnsPolicy
    if policy == "ClusterFirst" and pod.spec.hostNetwork:
        policy = "Default"
    dns = resolver.node
    if policy == "None":
        dns = DNS()
    elif policy != "Default" and resolver.cluster_servers:
        domain, namespace = resolver.cluster_domain, pod.metadata.namespace
        own = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain)
        dns = DNS(
            servers=resolver.cluster_servers,
            searches=tuple(dict.fromkeys((*own, *resolver.node.searches))),
            options=("ndots:5",),
        )
    return _within_limits(_extended(dns, pod.spec.dnsConfig))


def _extended(dns: DNS, more: DNSConfig | None) -> DNS:
    if more is None:
        return dns
    options = {option.partition(":")[0]: option for option in dns.options}
    options.update({option.name: _option(option) for option in more.options})
    return DNS(
        servers=tuple(dict.fromkeys((*dns.servers, *more.nameservers))),
        searches=tuple(dict.fromkeys((*dns.searches, *more.searches))),
        options=tuple(options.values()),
    )


def _option(option: DNSOption) -> str:
    return option.name if option.value is None else f"{option.name}:{option.value}"


def _within_limits(dns: DNS) -> tuple[DNS, list[str]]:
    problems = []
    servers, searches = dns.servers, dns.searches
    if len(servers) > MAX_SERVERS:
        servers = servers[:MAX_SERVERS]
        problems.append(
            "Nameserver limits were exceeded, some nameservers have been omitted, "
            f"the applied nameserver line is: {' '.join(servers)}"
        )
    if len(searches) > MAX_SEARCHES or len(" ".join(searches)) > MAX_SEARCH_CHARS:
        searches = searches[:MAX_SEARCHES]
        while len(" ".join(searches)) > MAX_SEARCH_CHARS:
            searches = searches[:-1]
        problems.append(
            "Search Line limits were exceeded, some search paths have been omitted, "
            f"the applied search line is: {' '.join(searches)}"
        )
    return DNS(servers=servers, searches=searches, options=dns.options), problems


def hostname(pod: Pod, resolver: Resolver, node_name: str) -> str:
    """What a pod calls itself."""
    if pod.spec.hostNetwork:
        return node_name
    name = pod.spec.hostname or _truncated(pod.metadata.name)
    full = full_name(pod, resolver)
    return full if pod.spec.setHostnameAsFQDN and full else name


def full_name(pod: Pod, resolver: Resolver) -> str:
    """The name under which a headless service makes the pod known; "" without a subdomain."""
    if not pod.spec.subdomain:
        return ""
    name = pod.spec.hostname or _truncated(pod.metadata.name)
    return f"{name}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{resolver.cluster_domain}"


def _truncated(name: str) -> str:
    return name[:MAX_HOSTNAME].rstrip("-.")


def hosts_file(ips: Iterable[str], name: str, full: str, aliases: Iterable[HostAlias]) -> str:
    """/etc/hosts of a pod with a network of its own."""
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
    ]
    own = "\t".join([full, name] if full else [name])
    lines += [f"{ip}\t{own}" for ip in ips]
    return "\n".join(lines) + "\n" + _aliases(aliases)


def node_hosts_file(node: str, aliases: Iterable[HostAlias]) -> str:
    """/etc/hosts of a pod on the node's network: the node's own (`node` is its text), and the aliases."""
    return "# Kubernetes-managed hosts file (host network).\n" + node + _aliases(aliases)


def _aliases(aliases: Iterable[HostAlias]) -> str:
    lines = ["\t".join([alias.ip, *alias.hostnames]) for alias in aliases]
    return "\n".join(["", "# Entries added by HostAliases.", *lines, ""]) if lines else ""
