"""The routes as HAProxy reads them, and how many servers it keeps ready for endpoints to come. Pure.

Nothing that a user writes stands in the configuration itself: names there are made of Services' names and ports, which
the API has checked; hosts and paths are keys of maps, one to a line, and hold no white space.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from longboat.client.interface import Key
from longboat.network.ingress.certificates import Pair
from longboat.network.ingress.holding import ANY_HOST, SHARED
from longboat.network.ingress.routing import Address, Table

SPARE = 4  # servers without an address that a backend has at least when it is written
# Who is ready the API knows. What it cannot know for a while is that a node has gone: a connection that fails takes the
# server out until one succeeds again. Looks at servers that work are rare: a busy machine must not look like that.
CHECKED = "check inter 5s downinter 500ms fall 3 rise 1 observe layer4 error-limit 1 on-error mark-down"
UNUSED = ("127.0.0.1", 1)

GLOBAL = """global
    ssl-load-extra-files none
    ssl-default-bind-options ssl-min-ver TLSv1.2
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"""

Slots = dict[str, list[Address | None]]
"""Each backend's servers by number; None where one is free."""


@dataclass(frozen=True)
class Settings:
    """Where things are, and at which ports it listens (0 for none), of all IPv4 addresses or of all there are.

    Whoever speaks to clients runs as `user` and `group`, and goes on with what it has begun for so many `generations`
    of those that follow: each reload makes one, each takes memory, and any Ingress that changes is a reload.
    A worker has so many `descriptors`, two for each connection of a client (about 64 KiB with TLS). What the system
    allows is no bound: half a million and more.
    """

    folder: Path
    http: int = 80
    https: int = 443
    ipv6: bool = False
    user: str = "haproxy"
    group: str = "haproxy"
    generations: int = 30
    descriptors: int = 32_768

    @property
    def file(self) -> Path:
        return self.folder / "haproxy.cfg"

    @property
    def runtime(self) -> Path:
        return self.folder / "runtime.sock"

    @property
    def pid(self) -> Path:
        """Holds the number of the master process."""
        return self.folder / "haproxy.pid"

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates"

    @property
    def jail(self) -> Path:
        """What workers see of the machine's files: an empty directory."""
        return self.folder / "empty"

    @property
    def trial(self) -> Path:
        """Where certificates lie while they are tried."""
        return self.folder / "trial"

    def certificate(self, secret: Key | None) -> Path:
        """The file of a Secret's certificate; of None: of that which is shown where there is no other."""
        return self.certificates / (f"{secret.namespace}_{secret.name}.pem" if secret else "default.pem")


@dataclass(frozen=True)
class Structure:
    """What of the table takes a reload to change."""

    exact: Mapping[str, str] = field(default_factory=dict)
    prefix: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    backends: frozenset[str] = frozenset()
    certificates: Mapping[Key, tuple[tuple[str, ...], ...]] = field(default_factory=dict)  # the server names, by lines
    holders: Mapping[str, str] = field(default_factory=dict)


def structure(table: Table, usable: Mapping[Key, Pair]) -> Structure:
    """`usable`: what the Secrets hold."""
    named = {key: table.certificates[key] or found.names for key, found in usable.items() if key in table.certificates}
    lines = {key: table.hosts.filters(key.namespace, hosts) for key, hosts in named.items()}
    shown = {key: found for key, found in lines.items() if found}
    return Structure(
        table.exact, table.prefix, table.default, frozenset(table.backends), shown, table.hosts.held()
    )  # fmt: skip


def fresh_slots(backends: Mapping[str, tuple[Address, ...]]) -> Slots:
    """Room for twice as many as there are: a rollout may bring as many again."""
    return {name: [*addresses, *([None] * max(SPARE, len(addresses)))] for name, addresses in sorted(backends.items())}


def moves(slots: Slots, backends: Mapping[str, tuple[Address, ...]]) -> list[tuple[str, int, Address | None]] | None:
    """Which servers (backend, number) get which address, None for none; None as a whole if there are too few.

    `slots` is changed to match. Servers that have been free for long come first: connections to who was there before
    have ended by then.
    """
    found: list[tuple[str, int, Address | None]] = []
    for name, addresses in backends.items():
        own, wanted = slots[name], set(addresses)
        free = [number for number, address in enumerate(own) if address is None]
        missing = [address for address in addresses if address not in own]
        if len(missing) > len(free):
            return None
        gone = [number for number, address in enumerate(own) if address is not None and address not in wanted]
        found += [(name, number, address) for number, address in zip(free, missing, strict=False)]
        found += [(name, number, None) for number in gone]
    for name, number, address in found:
        slots[name][number] = address
    return found


def commands(name: str, number: int, address: Address | None) -> list[str]:
    """For HAProxy's runtime API: give a server an address and requests, or no more requests."""
    server = f"{name}/s{number}"
    if address is None:
        return [f"set server {server} state maint"]
    host, port = address
    return [
        f"set server {server} addr {host} port {port}",
        f"set server {server} state ready",
        f"set server {server} health up",
    ]


def files(settings: Settings, shape: Structure, slots: Slots) -> dict[Path, str]:
    """Everything but the certificates themselves."""
    listed = [str(settings.certificate(None))]
    for key, lines in shape.certificates.items():
        listed += [f"{settings.certificate(key)} {' '.join(names)}" for names in lines]
    return {
        settings.folder / "exact.map": _map(shape.exact),
        settings.folder / "prefix.map": _map(shape.prefix),
        settings.folder / "holders.map": _map(shape.holders),
        settings.folder / "certificates.list": "\n".join(listed) + "\n",
        settings.file: text(settings, shape, slots),
    }


def _map(routes: Mapping[str, str]) -> str:
    return "".join(f"{place} {backend}\n" for place, backend in sorted(routes.items()))


def text(settings: Settings, shape: Structure, slots: Slots) -> str:
    """haproxy.cfg, of version 2.6 or later."""
    parts = [_head(settings), _front(settings, shape)]
    parts += [_backend(name, servers) for name, servers in slots.items()]
    return "\n".join(parts)


def trial(certificates: Path) -> str:
    """A configuration that is good if each certificate of the list is."""
    return f"""{GLOBAL}
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s

frontend trial
    bind 127.0.0.1:1 ssl crt-list {certificates}
"""


def _head(settings: Settings) -> str:
    return f"""{GLOBAL}
    stats socket {settings.runtime} mode 600 level admin expose-fd listeners
    fd-hard-limit {settings.descriptors}
    hard-stop-after 1h
    mworker-max-reloads {settings.generations}
    chroot {settings.jail}
    user {settings.user}
    group {settings.group}

defaults
    mode http
    timeout connect 500ms
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    timeout http-request 10s
    timeout http-keep-alive 60s
    timeout queue 5s
    timeout check 1s
    option redispatch 1
    retries 8
    retry-on conn-failure
"""


def _front(settings: Settings, shape: Structure) -> str:
    binds = []
    for host, options in (("", ""), ("::", " v6only"))[: 2 if settings.ipv6 else 1]:
        if settings.http:
            binds.append(f"bind {host}:{settings.http}{options}")
        if settings.https:
            listed = f"crt-list {settings.folder}/certificates.list"
            binds.append(f"bind {host}:{settings.https}{options} ssl {listed} alpn h2,http/1.1")
    lines = [
        *binds,
        # Host names are ASCII letters, digits, - and . (RFC 1123): what else comes must not look like part of a path.
        "acl has_host req.hdr(host) -m found",
        r"acl good_host req.hdr(host) -m reg -i ^([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?$",
        "http-request deny deny_status 400 if has_host !good_host",
        "http-request set-header X-Forwarded-For %[src]",
        "http-request set-header X-Forwarded-Host %[req.hdr(host)]",
        "http-request set-header X-Forwarded-Port %[dst_port]",
        "http-request set-header X-Forwarded-Proto https if { ssl_fc }",
        "http-request set-header X-Forwarded-Proto http if !{ ssl_fc }",
        "http-request set-var(txn.host) req.hdr(host),field(1,:),lower",
        "http-request set-var(txn.path) path",
    ]
    # A host that a namespace holds is answered from there or not at all.
    holders, beneath = f"map_str({settings.folder}/holders.map)", "var(txn.host),regsub(^[^.]+,*)"
    lines += [
        f"http-request set-var(txn.holder) var(txn.host),{holders}",
        f"http-request set-var(txn.holder) {beneath},{holders} if !{{ var(txn.holder) -m found }}",
        "acl held var(txn.holder) -m found",
        f"acl shared var(txn.holder) -m str {SHARED}",
        "acl own var(txn.to),field(1,_),strcmp(txn.holder) eq 0",
    ]
    unless = "if !{ var(txn.to) -m found }"  # the first that leads somewhere counts; what follows costs little
    for host in ("var(txn.host)", beneath, f"str({ANY_HOST})"):
        exact = f"{host},concat(,txn.path),map_str({settings.folder}/exact.map)"
        prefix = f"{host},concat(,txn.path,/),map_beg({settings.folder}/prefix.map)"
        lines += [f"http-request set-var(txn.to) {found} {unless}" for found in (exact, prefix)]
        lines.append("http-request unset-var(txn.to) if held !shared !own")
    if shape.default:
        lines.append(f"http-request set-var(txn.to) str({shape.default}) {unless}")
        lines.append("http-request unset-var(txn.to) if held !shared !own")
    missing = "http-request return status 404 content-type text/plain string"
    lines.append(missing + f' "404 page not found\\n" {unless}')
    lines.append("use_backend %[var(txn.to)]")
    return "frontend web\n" + "".join(f"    {line}\n" for line in lines)


def _backend(name: str, servers: Iterable[Address | None]) -> str:
    lines = [f"backend {name}", "    balance roundrobin"]
    for number, address in enumerate(servers):
        host, port = address or UNUSED
        host = f"ipv6@{host}" if ":" in host else host
        lines.append(f"    server s{number} {host}:{port} {CHECKED}{'' if address else ' disabled'}")
    return "\n".join(lines) + "\n"
