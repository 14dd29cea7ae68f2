"""What Ingresses ask for, as one table of routes. Pure.

Of two that claim the same place the older has it. More precise rules come first: a host before a wildcard before any
host; within these an exact path before prefixes, a long prefix before a short one (networking.k8s.io/v1, Ingress).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from longboat.client.interface import Key
from longboat.network.families import FAMILIES
from longboat.network.ingress.views import CLASS, CONTROLLER, LEGACY_CLASS, Backend, Ingress, IngressClass
from longboat.network.proxy.endpoints import targets
from longboat.network.views import EndpointSlice, Service

ANY_HOST = "*"
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
    certificate names.
    """

    exact: dict[str, str] = field(default_factory=dict)
    prefix: dict[str, str] = field(default_factory=dict)
    default: str = ""
    backends: dict[str, tuple[Address, ...]] = field(default_factory=dict)
    certificates: dict[Key, tuple[str, ...]] = field(default_factory=dict)
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


def table(ingresses: Iterable[Ingress], cluster: Cluster) -> Table:
    """The routes of these, which are all ours."""
    made = Table()
    by_age = sorted(
        ingresses, key=lambda i: (i.metadata.creationTimestamp or "", i.metadata.namespace, i.metadata.name)
    )
    owners: dict[tuple[bool, str], Key] = {}
    for ingress in by_age:
        key = Key(ingress.metadata.namespace, ingress.metadata.name)
        for is_exact, place, backend in _claims(ingress):
            owner = owners.setdefault((is_exact, place), key)
            if owner != key:
                made.problems.append(Problem(key, "Conflict", f"{place} is served for Ingress {owner} already"))
                continue
            (made.exact if is_exact else made.prefix)[place] = _resolve(key, backend, cluster, made)
        for tls in ingress.spec.tls:
            if tls.secretName:
                secret = Key(key.namespace, tls.secretName)
                hosts = tls.hosts or [rule.host for rule in ingress.spec.rules if rule.host]
                made.certificates[secret] = tuple(sorted({*made.certificates.get(secret, ()), *hosts}))
    with_default = [i for i in by_age if i.spec.defaultBackend is not None]
    for ingress in sorted(with_default, key=lambda i: bool(i.spec.rules))[:1]:
        key = Key(ingress.metadata.namespace, ingress.metadata.name)
        assert ingress.spec.defaultBackend is not None
        made.default = _resolve(key, ingress.spec.defaultBackend, cluster, made)
    return made


def _claims(ingress: Ingress) -> Iterator[tuple[bool, str, Backend]]:
    """(exact?, host + path, backend) of each path."""
    for rule in ingress.spec.rules:
        host = rule.host.lower() or ANY_HOST
        for each in rule.http.paths if rule.http else ():
            path = quote(each.path or "/", safe=AS_SENT)
            if each.pathType == "Exact":
                yield True, host + path, each.backend
            else:
                yield False, f"{host}{path.rstrip('/')}/", each.backend


def _resolve(owner: Key, backend: Backend, cluster: Cluster, made: Table) -> str:
    """The backend's name; it is put into the table, with nothing behind it where it cannot be found."""
    if backend.service is None:
        made.problems.append(Problem(owner, "Unsupported", "resource backends are not served: name a Service"))
        made.backends.setdefault("none", ())
        return "none"
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
