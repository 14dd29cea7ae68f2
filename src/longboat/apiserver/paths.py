"""The paths that are no resources: health, version, figures, OpenAPI, OpenID discovery."""

from __future__ import annotations

from collections.abc import Callable

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


def paths(
    resources: Resources, exposition: Exposition, health: Health, issuer: TokenIssuer | None
) -> dict[str, Handler]:  # fmt: skip
    """Handlers by the first part of the path. `issuer`: whose tokens others may verify."""
    openid, index = _openid(issuer), _index(resources, health, issuer)
    return {
        "": index,
        "index.html": index,
        "livez": health.handle,
        "readyz": health.handle,
        "healthz": health.handle,
        "version": version,
        "metrics": exposition.handle,
        "openapi": OpenAPI(resources, openid=issuer is not None).handle,
        ".well-known": openid,
        "openid": openid,
    }


LISTED = ("/apis/", "/metrics", "/openapi/v2", "/openapi/v3", "/openapi/v3/", "/version")
KEPT = {"Cache-Control": "public, max-age=3600"}
OPENID = ("/.well-known/openid-configuration", "/openid/v1/jwks")


def _index(resources: Resources, health: Health, issuer: TokenIssuer | None) -> Handler:
    """What there is to ask for (metav1 RootPaths)."""

    async def index(request: Request) -> Response:
        if request.path not in ("/", "/index.html"):
            return no_page()
        found = {*LISTED, *health.paths(), *(OPENID if issuer else ()), "/api", "/apis"}
        for resource in resources:
            found.add(resource.kind.path)
            if resource.kind.group:
                found.add(f"/apis/{resource.kind.group}")
        listed = msgspec.json.encode({"paths": sorted(found)})
        return Response(200, msgspec.json.format(listed, indent=2))

    return index


def health_of(
    clock: Clock, storage: Storage, encryption: Encryption | None, ready: Callable[[], bool],
    stopping: Callable[[], bool],
) -> Health:  # fmt: skip
    """Alive while the storage and what seals Secrets answer; ready once it has begun, until it is about to go."""

    async def well() -> str | None:
        return None

    async def stored() -> str | None:
        try:
            async with clock.timeout(PATIENCE):
                await storage.current_revision()
        except TimeoutError:
            return f"no answer within {PATIENCE:g}s"
        except StorageError as error:
            return str(error)
        return None

    async def bootstrapped() -> str | None:
        return None if ready() else "not finished"

    async def serving() -> str | None:
        return "the server is going" if stopping() else None

    # "etcd" is what monitors have always asked for, whatever the storage is.
    live = {"ping": well, "log": well, "etcd": stored}
    if encryption:
        live["kms-providers"] = encryption.check
    ready_too = {"poststarthook/rbac/bootstrap-roles": bootstrapped, "autoregister-completion": bootstrapped}
    return Health(live, {**live, **ready_too, "shutdown": serving})


def _openid(issuer: TokenIssuer | None) -> Handler:
    async def discover(request: Request) -> Response:
        only_get(request)
        path = request.path.rstrip("/")
        if issuer and path == "/openid/v1/jwks":
            return Response(200, issuer.jwks(), "application/jwk-set+json", KEPT)
        if issuer and path == "/.well-known/openid-configuration":
            return Response(200, issuer.configuration(), headers=KEPT)
        return no_page()

    return discover
