"""The paths that are no resources: health, version, figures, OpenAPI, OpenID discovery."""

from __future__ import annotations

from typing import Protocol

import msgspec

from longboat.aio.clock import Clock
from longboat.apiserver.authn.serviceaccounts import TokenIssuer
from longboat.apiserver.health import Health, version
from longboat.apiserver.metrics import Exposition
from longboat.apiserver.openapi import OpenAPI
from longboat.apiserver.request import Handler, Request, Response
from longboat.apiserver.resources import Resources
from longboat.apiserver.router import no_page, only_get
from longboat.storage.encryption.live import Encryption
from longboat.storage.interface import Storage, StorageError

PATIENCE = 2.0  # seconds the storage may take to say that it is there


class Server(Protocol):
    """What the paths tell of: it changes while the server runs."""

    @property
    def clock(self) -> Clock: ...
    @property
    def storage(self) -> Storage: ...
    @property
    def resources(self) -> Resources: ...
    @property
    def encryption(self) -> Encryption | None: ...
    @property
    def issuer(self) -> TokenIssuer | None: ...
    @property
    def exposition(self) -> Exposition: ...
    @property
    def ready(self) -> bool: ...
    @property
    def stopping(self) -> bool: ...


def paths(server: Server) -> dict[str, Handler]:
    """Handlers by the first part of the path."""
    checks, openid = _health(server), _openid(server)
    health, index = checks.handle, _index(server, checks)
    return {
        "": index,
        "index.html": index,
        "livez": health,
        "readyz": health,
        "healthz": health,
        "version": version,
        "metrics": server.exposition.handle,
        "openapi": OpenAPI(server.resources).handle,
        ".well-known": openid,
        "openid": openid,
    }


LISTED = ("/apis/", "/metrics", "/openapi/v2", "/openapi/v3", "/openapi/v3/", "/version")
OPENID = ("/.well-known/openid-configuration", "/openid/v1/jwks")


def _index(server: Server, health: Health) -> Handler:
    """What there is to ask for (metav1 RootPaths)."""

    async def index(request: Request) -> Response:
        if request.path not in ("/", "/index.html"):
            return no_page()
        found = {*LISTED, *health.paths(), *(OPENID if server.issuer else ()), "/api", "/apis"}
        for resource in server.resources:
            found.add(resource.kind.path)
            if resource.kind.group:
                found.add(f"/apis/{resource.kind.group}")
        listed = msgspec.json.encode({"paths": sorted(found)})
        return Response(200, msgspec.json.format(listed, indent=2))

    return index


def _health(server: Server) -> Health:
    async def well() -> str | None:
        return None

    async def storage() -> str | None:
        try:
            async with server.clock.timeout(PATIENCE):
                await server.storage.current_revision()
        except TimeoutError:
            return f"no answer within {PATIENCE:g}s"
        except StorageError as error:
            return str(error)
        return None

    async def bootstrapped() -> str | None:
        return None if server.ready else "not finished"

    async def serving() -> str | None:
        return "the server is going" if server.stopping else None

    # "etcd" is what monitors have always asked for, whatever the storage is.
    live = {"ping": well, "log": well, "etcd": storage}
    if server.encryption:
        live["kms-providers"] = server.encryption.check
    return Health(live, {**live, "poststarthook/rbac/bootstrap-roles": bootstrapped, "shutdown": serving})


def _openid(server: Server) -> Handler:
    async def discover(request: Request) -> Response:
        only_get(request)
        path, issuer = request.path.rstrip("/"), server.issuer
        if issuer and path == "/openid/v1/jwks":
            return Response(200, issuer.jwks(), "application/jwk-set+json")
        if issuer and path == "/.well-known/openid-configuration":
            return Response(200, issuer.configuration())
        return no_page()

    return discover
