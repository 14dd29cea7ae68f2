"""What Ingresses ask for, as one table of routes. Pure.

Of two that claim the same place the older has it; of two namespaces, the whole host (`holding`). More precise rules
come first: a host before a wildcard before any host; within these an exact path before prefixes, a long prefix before a
short one (networking.k8s.io/v1, Ingress).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from longboat.api.ingress import CLASS, CONTROLLER, LEGACY_CLASS
from longboat.client.interface import Key
from longboat.network.families import FAMILIES
from longboat.network.ingress.holding import ANY_HOST, DEFAULT, Hosts
from longboat.network.ingress.views import SHARED_HOSTS, Backend, Ingress, IngressClass
from longboat.network.proxy.endpoints import targets
from longboat.network.views import EndpointSlice, Service

# Characters of a path, escaped. HAProxy reads maps by lines of 16 KiB, and what is beyond as lines of their own.
LONGEST_PATH = 8192
AS_SENT = "/%:@!$&'()*+,;=~-._[]|"  # characters of a path that arrive as they are; others come escaped
Address = tuple[str, int]


@dataclass(frozen=True)
class Problem:
    """Something of an Ingress that cannot be done, to be told as an Event."""

    ingress: Key
    reason: str
    message: str


@dataclass
class Table:
    """Routes: `exact` and `prefix` lead from host + path (of prefixes: ending in one "/") to a backend's name.

    `backends` are the addresses behind each name; `certificates` the hosts that a Secret is for, () for those that its
    certificate names; `hosts` says whose they are.
    """

    exact: dict[str, str] = field(default_factory=dict)
    prefix: dict[str, str] = field(default_factory=dict)
    default: str = ""
    backends: dict[str, tuple[Address, ...]] = field(default_factory=dict)
    certificates: dict[Key, tuple[str, ...]] = field(default_factory=dict)
    hosts: Hosts = field(default_factory=Hosts)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Cluster:
    """Where backends are looked up."""

    service: Callable[[Key], Service | None]
    slices: Callable[[Key], Iterable[EndpointSlice]]


def is_ours(ingress: Ingress, classes: Mapping[str, IngressClass]) -> bool:
    """Whether this gateway serves it; one without a class is nobody's."""
    name = ingress.spec.ingressClassName
    if name is None:
        return ingress.metadata.annotations.get(LEGACY_CLASS) == CLASS
    found = classes.get(name)
    return found is not None and found.spec.controller == CONTROLLER


def shares_hosts(ingress: Ingress, classes: Mapping[str, IngressClass]) -> bool:
    """Whether its class lets Ingresses of other namespaces serve the hosts that it is the first to name."""
    found = classes.get(ingress.spec.ingressClassName or CLASS)
    return found is not None and found.metadata.annotations.get(SHARED_HOSTS) == "true"


def table(
    ingresses: Iterable[Ingress], cluster: Cluster, shares: Callable[[Ingress], bool] = lambda ingress: False
) -> Table:
    """The routes of these, which are all ours."""
    made = Table()
    by_age = sorted(
        ingresses, key=lambda i: (i.metadata.creationTimestamp or "", i.metadata.namespace, i.metadata.name)
    )
    owners: dict[tuple[bool, str], Key] = {}
    for ingress in by_age:
        key = Key(ingress.metadata.namespace, ingress.metadata.name)
        lost = _claim(ingress, made.hosts, shares=shares(ingress))
        if lost:
            made.problems.append(Problem(key, "Conflict", _said(lost)))
        for host, is_exact, path, backend in _claims(ingress):
            if host in lost:
                continue
            place = host + path
            owner = owners.setdefault((is_exact, place), key)
            if len(path) > LONGEST_PATH:
                made.problems.append(Problem(key, "Unsupported", f"a path of {host} is longer than {LONGEST_PATH}"))
            elif owner == key:
                (made.exact if is_exact else made.prefix)[place] = _resolve(key, backend, cluster, made)
            else:
                whose = f"Ingress {owner}" if owner.namespace == key.namespace else "an Ingress of another namespace"
                made.problems.append(Problem(key, "Conflict", f"{place} is served for {whose} already"))
        for tls in ingress.spec.tls:
            named = tls.hosts or [rule.host for rule in ingress.spec.rules if rule.host]
            hosts = [host for host in named if host not in lost]
            if tls.secretName and (hosts or not named):
                secret = Key(key.namespace, tls.secretName)
                made.certificates[secret] = tuple(sorted({*made.certificates.get(secret, ()), *hosts}))
    defaults = [each for each in by_age if each.spec.defaultBackend is not None]
    mine = [each for each in defaults if each.metadata.namespace == defaults[0].metadata.namespace]
    for ingress in sorted(mine, key=lambda i: bool(i.spec.rules))[:1]:
        assert ingress.spec.defaultBackend is not None
        key = Key(ingress.metadata.namespace, ingress.metadata.name)
        made.default = _resolve(key, ingress.spec.defaultBackend, cluster, made)
    return made


def _claim(ingress: Ingress, hosts: Hosts, *, shares: bool) -> list[str]:
    """Claim what the Ingress names. Returns what another namespace holds."""
    named = [rule.host.lower() or ANY_HOST for rule in ingress.spec.rules]
    named += [host for tls in ingress.spec.tls for host in tls.hosts]
    if ingress.spec.defaultBackend is not None:
        named.append(DEFAULT)
    namespace = ingress.metadata.namespace
    return [host for host in dict.fromkeys(named) if not hosts.claim(host, namespace, shares=shares)]


def _said(lost: list[str]) -> str:
    words = {ANY_HOST: "rules without a host", DEFAULT: "the default backend"}
    shown = ", ".join(words.get(host, host) for host in lost[:5]) + (f" and {len(lost) - 5} more" if lost[5:] else "")
    return f"not served, for an older Ingress of another namespace has it: {shown}"


def _claims(ingress: Ingress) -> Iterator[tuple[str, bool, str, Backend]]:
    """(host, exact?, path, backend) of each path; prefixes end in one "/"."""
    for rule in ingress.spec.rules:
        host = rule.host.lower() or ANY_HOST
        for each in rule.http.paths if rule.http else ():
            path = quote(each.path or "/", safe=AS_SENT)
            if each.pathType == "Exact":
                yield host, True, path, each.backend
            else:
                yield host, False, f"{path.rstrip('/')}/", each.backend


def _resolve(owner: Key, backend: Backend, cluster: Cluster, made: Table) -> str:
    """The backend's name; it is put into the table, with nothing behind it where it cannot be found."""
    if backend.service is None:
        made.problems.append(Problem(owner, "Unsupported", "resource backends are not served: name a Service"))
        name = f"{owner.namespace}_none"
        made.backends.setdefault(name, ())
        return name
    wanted = backend.service
    name = f"{owner.namespace}_{wanted.name}_{wanted.port.name or wanted.port.number}"
    if name in made.backends:
        return name
    made.backends[name] = ()
    key = Key(owner.namespace, wanted.name)
    service = cluster.service(key)
    if service is None:
        made.problems.append(Problem(owner, "ServiceNotFound", f'Service "{key}" not found'))
        return name
    for port in service.spec.ports:
        if port.name == wanted.port.name if wanted.port.name else port.port == wanted.port.number:
            slices = list(cluster.slices(key))
            by_family = [targets(slices, port, "", family).cluster for family in FAMILIES]
            found = next(filter(None, by_family), ())  # a pod with two addresses is one server
            made.backends[name] = tuple((target.address, target.port) for target in found)
            return name
    asked = f'"{wanted.port.name}"' if wanted.port.name else str(wanted.port.number)
    made.problems.append(Problem(owner, "ServicePortNotFound", f'Service "{key}" has no port {asked}'))
    return name
