"""`longboat token`: what another machine needs to become a node of this cluster."""

from __future__ import annotations

import asyncio
import json
import secrets
import string
import sys
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from longboat.cli import flags, kubeconfigs, registry
from longboat.cli.errors import Failure, Usage
from longboat.cli.flags import flag

NAMESPACE, PREFIX = "kube-system", "bootstrap-token-"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
ACTIONS = ("create", "list", "delete")
GROUP = "system:bootstrappers:longboat:node"
LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class Options:
    """token create: a new one. token list. token delete ID…"""

    action: str = flag("", "create, list or delete", positional=True)
    arguments: list[str] = flag([], "ids of tokens to delete", positional=True)
    name: str = flag("default", "name of the cluster")
    data_dir: str = flag("", "its data directory, instead of a name")
    ttl: float = flag(86400.0, "how long it is good for (0: until deleted)", parse=flags.duration)
    description: str = flag("", "what it is for")
    output: str = flag("text", "text or json", choices=("text", "json"))


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat token")
    if options.action not in ACTIONS or (options.action == "delete") != bool(options.arguments):
        raise Usage("say: longboat token create, longboat token list, or longboat token delete ID…")
    kubeconfig = registry.data_dir(options.name, options.data_dir) / "admin.kubeconfig"
    work = {"create": _create, "list": _list, "delete": _delete}[options.action]
    try:
        return asyncio.run(_ask(kubeconfig, lambda request: work(options, kubeconfig, request)))
    except FileNotFoundError as error:
        remedy = "Start one: longboat up, or longboat server"
        raise Failure(f"there is no cluster in {kubeconfig.parent}", remedy) from error


Request = Callable[..., Awaitable[Any]]


async def _ask(kubeconfig: Path, work: Callable[[Request], Awaitable[int]]) -> int:
    """Do something with the API, as the administrator. Raises Failure, FileNotFoundError."""
    from longboat.client.https import HttpsTransport
    from longboat.client.kubeconfig import BadKubeconfig, load
    from longboat.machinery.errors import StatusError

    try:
        transport = HttpsTransport(load(kubeconfig))
    except BadKubeconfig as error:
        raise Failure(str(error)) from error

    async def request(method: str, path: str, body: Any = None, **query: str) -> Any:
        data = None if body is None else json.dumps(body).encode()
        return json.loads(await transport.request(method, path, body=data, query=query))

    try:
        return await work(request)
    except StatusError as error:
        raise Failure(error.message) from error
    except ConnectionError as error:
        raise Failure(f"the API server does not answer: {error}", "Is it running? longboat status") from error
    finally:
        await transport.close()


async def _create(options: Options, kubeconfig: Path, request: Request) -> int:
    from cryptography.x509 import load_pem_x509_certificate

    from longboat.aio.clock import SystemClock
    from longboat.client.enrolment import JoinToken, pin_of
    from longboat.machinery.objects import timestamp

    identity, secret = _random(6), _random(16)
    data = {
        "token-id": identity, "token-secret": secret, "usage-bootstrap-authentication": "true",
        "auth-extra-groups": GROUP, "description": options.description,
    }  # fmt: skip
    if options.ttl:
        data["expiration"] = timestamp(SystemClock().now() + timedelta(seconds=options.ttl))
    body = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{PREFIX}{identity}"},
        "type": "bootstrap.kubernetes.io/token", "stringData": {key: value for key, value in data.items() if value},
    }  # fmt: skip
    await request("POST", SECRETS, body)
    authority = b64decode(kubeconfigs.read(kubeconfig)["clusters"][0]["cluster"]["certificate-authority-data"])
    token = JoinToken(f"{identity}.{secret}", pin_of(load_pem_x509_certificate(authority)))
    print(json.dumps({"id": identity, "token": str(token)}) if options.output == "json" else token)
    if sys.stdout.isatty():
        server = await _server(request)
        print("\nPut it into a file on the other machine, and there:")
        print(f"  longboat agent --server {server} --token-file FILE")
    return 0


async def _server(request: Request) -> str:
    """The URL at which other machines find the API."""
    info = await request("GET", "/api/v1/namespaces/kube-public/configmaps/cluster-info")
    server: str = json.loads(info["data"]["kubeconfig"])["clusters"][0]["cluster"]["server"]
    return server


async def _list(options: Options, kubeconfig: Path, request: Request) -> int:
    found = await request("GET", SECRETS, fieldSelector="type=bootstrap.kubernetes.io/token")
    rows = []
    for item in found["items"]:
        data = {key: b64decode(value).decode() for key, value in (item.get("data") or {}).items()}
        rows.append({key: data.get(key, "") for key in ("token-id", "expiration", "description")})
    if options.output == "json":
        print(json.dumps(rows))
        return 0
    print(f"{'ID':8}{'EXPIRES':24}DESCRIPTION")
    for row in rows:
        print(f"{row['token-id']:8}{row['expiration'] or 'never':24}{row['description']}".rstrip())
    return 0


async def _delete(options: Options, kubeconfig: Path, request: Request) -> int:
    for identity in options.arguments:
        await request("DELETE", f"{SECRETS}/{PREFIX}{identity.partition('.')[0]}")
        print(f" ✓ deleted {identity.partition('.')[0]}")
    return 0


def _random(length: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(length))
