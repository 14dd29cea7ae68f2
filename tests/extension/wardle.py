"""An extension API server: flunders of wardle.example.com/v1alpha1, as upstream's sample API server has them.

Runs alone in a pod (`--secure-port P --tls-cert-file F --tls-private-key-file F`; Python ≥3.11, aiohttp ≥3.8), or in a
test (`app`). It believes whoever shows a certificate of the front proxy's authority who a user is,
has tokens reviewed by the cluster, and asks the cluster what a user may.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import ssl
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, WSMsgType, web

GROUP, VERSION = "wardle.example.com", "v1alpha1"
BASE = f"/apis/{GROUP}/{VERSION}"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
LIST = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
RESOURCES = [
    {"name": "fischers", "singularName": "fischer", "namespaced": False, "kind": "Fischer", "verbs": VERBS},
    {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "verbs": VERBS,
     "shortNames": ["fl"]},
    {"name": "flunders/echo", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["create", "get"]},
]  # fmt: skip
KINDS = {"flunders": "Flunder", "fischers": "Fischer"}

Object = dict[str, Any]


class Refused(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                       "reason": reason, "code": code}  # fmt: skip


class Objects:
    """What there is, in memory, and who watches it."""

    def __init__(self) -> None:
        self.revision = 1
        self.all: dict[tuple[str, str, str], Object] = {}
        self.watchers: set[asyncio.Queue[tuple[str, Object]]] = set()

    def put(self, key: tuple[str, str, str], obj: Object, change: str) -> Object:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        if change == "DELETED":
            del self.all[key]
        else:
            self.all[key] = obj
        for watcher in self.watchers:
            watcher.put_nowait((change, obj))
        return obj

    def listed(self, plural: str, namespace: str) -> list[Object]:
        return [o for (p, n, _), o in sorted(self.all.items()) if p == plural and namespace in ("", n)]


class Cluster:
    """The API server that this one extends, asked with the pod's own token."""

    def __init__(self) -> None:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        self.url = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self.context = ssl.create_default_context(cafile=f"{ACCOUNT}/ca.crt")

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {Path(ACCOUNT, 'token').read_text()}"}
        async with (
            ClientSession() as session,
            session.request(method, self.url + path, json=body, headers=headers, ssl=self.context) as response,
        ):
            if response.status >= 400:
                raise Refused(500, "InternalError", f"{path}: {response.status} {await response.text()}")
            return await response.json(content_type=None)

    async def front_proxy(self) -> Object:
        """Whom to believe (the ConfigMap that the role extension-apiserver-authentication-reader lets read)."""
        path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
        found: Object = (await self.ask("GET", path))["data"]
        return found

    async def review_token(self, token: str) -> Object:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        status = (await self.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body))["status"]
        if not status.get("authenticated"):
            raise Refused(401, "Unauthorized", "Unauthorized")
        user: Object = status["user"]
        return user

    async def check(self, user: Object, attributes: Object) -> None:
        spec = {"user": user["username"], "groups": user["groups"], **attributes}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        status = (await self.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body))["status"]
        if not status.get("allowed"):
            raise Refused(403, "Forbidden", f"{user['username']} may not: {status.get('reason', '')}")


class Server:
    """`cluster`: None where who is who is believed, and everything allowed. `names`: of front proxies."""

    def __init__(self, cluster: Cluster | None = None, names: list[str] | None = None) -> None:
        self.objects, self.cluster, self.names = Objects(), cluster, names or []
        self.seen: list[web.Request] = []
        self.bytes_taken = 0
        self.older = False  # it has no OpenAPI 3.0
        self.hold = asyncio.Event()

    async def who(self, request: web.Request) -> Object:
        tls = request.transport.get_extra_info("ssl_object") if request.transport else None
        certificate = (tls.getpeercert() if tls is not None else None) or {}
        subject = {key: value for part in certificate.get("subject", ()) for key, value in part}
        if subject and (not self.names or subject.get("commonName") in self.names):
            return {"username": request.headers.get("X-Remote-User", ""),
                    "groups": request.headers.getall("X-Remote-Group", [])}  # fmt: skip
        token = request.headers.get("Authorization", "")
        if self.cluster and token.startswith("Bearer "):
            return await self.cluster.review_token(token[len("Bearer ") :])
        return {"username": "system:anonymous", "groups": ["system:unauthenticated"]}

    @web.middleware
    async def guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.seen.append(request)
        del self.seen[:-200]
        try:
            if self.older and request.path.startswith("/openapi/v3"):
                raise Refused(404, "NotFound", "the server could not find the requested resource")
            user = await self.who(request)
            if self.cluster is not None and request.path not in ("/healthz", "/livez", "/readyz"):
                await self.cluster.check(user, attributes(request))
            return await handler(request)
        except Refused as refused:
            return web.json_response(refused.status, status=refused.status["code"])

    async def resources(self, request: web.Request) -> web.StreamResponse:
        plural, namespace, name = (request.match_info.get(part, "") for part in ("plural", "namespace", "name"))
        if plural not in KINDS:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        if request.method == "GET" and request.query.get("watch") in ("1", "true"):
            return await self.watch(request, plural, namespace)
        if request.method == "GET" and not name:
            items = self.objects.listed(plural, namespace)
            metadata = {"resourceVersion": str(self.objects.revision)}
            if limit := int(request.query.get("limit", 0)):  # how many there are left, it does not say
                begin = int(request.query.get("continue") or 0)
                metadata |= {"continue": str(begin + limit)} if len(items) > begin + limit else {}
                items = items[begin : begin + limit]
            kind = {"kind": f"{KINDS[plural]}List", "apiVersion": f"{GROUP}/{VERSION}"}
            return web.json_response({**kind, "metadata": metadata, "items": items})
        if request.method == "DELETE" and not name:
            for each in self.objects.listed(plural, namespace):
                key = plural, each["metadata"].get("namespace", ""), each["metadata"]["name"]
                self.objects.put(key, each, "DELETED")
            return web.json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})
        if request.method == "POST":
            return await self.create(request, plural, namespace)
        found = self.objects.all.get((plural, namespace, name))
        if found is None:
            raise Refused(404, "NotFound", f'{plural}.{GROUP} "{name}" not found')
        if request.method in ("PUT", "PATCH"):
            given = await request.json()
            made = (
                given
                if request.method == "PUT"
                else {**found, **given, "metadata": {**found["metadata"], **given.get("metadata", {})}}
            )
            made["metadata"] = {**found["metadata"], **made["metadata"]}
            return web.json_response(self.objects.put((plural, namespace, name), made, "MODIFIED"))
        if request.method == "DELETE":
            self.objects.put((plural, namespace, name), found, "DELETED")
            return web.json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})
        return web.json_response(found)

    async def create(self, request: web.Request, plural: str, namespace: str) -> web.Response:
        made = await request.json()
        metadata = made.setdefault("metadata", {})
        key = plural, namespace, metadata["name"]
        if key in self.objects.all:
            raise Refused(409, "AlreadyExists", f'{plural}.{GROUP} "{metadata["name"]}" already exists')
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": stamp}
        metadata |= {"namespace": namespace} if namespace else {}
        made |= {"kind": KINDS[plural], "apiVersion": f"{GROUP}/{VERSION}"}
        return web.json_response(self.objects.put(key, made, "ADDED"), status=201)

    async def watch(self, request: web.Request, plural: str, namespace: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        queue: asyncio.Queue[tuple[str, Object]] = asyncio.Queue()
        for each in self.objects.listed(plural, namespace):
            queue.put_nowait(("ADDED", each))
        self.objects.watchers.add(queue)
        try:
            while True:
                change, obj = await queue.get()
                if obj["kind"] == KINDS[plural] and namespace in ("", obj["metadata"].get("namespace")):
                    await response.write(json.dumps({"type": change, "object": obj}).encode() + b"\n")
        except (ConnectionError, asyncio.CancelledError):
            return response
        finally:
            self.objects.watchers.discard(queue)

    async def echo(self, request: web.Request) -> web.StreamResponse:
        """Over WebSocket what is said; without, how many bytes have come."""
        if request.headers.get("Upgrade", "").lower() != "websocket":
            taken = 0
            async for piece in request.content.iter_any():
                taken += len(piece)
                self.bytes_taken += len(piece)
            return web.json_response({"taken": taken})
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await socket.prepare(request)
        async for message in socket:
            if message.type == WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    async def redirect(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "https://169.254.169.254/latest/meta-data"})

    async def slow(self, request: web.Request) -> web.Response:
        await self.hold.wait()
        return web.json_response({})

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.guard], client_max_size=1 << 30)
        for path, document in DOCUMENTS.items():
            app.router.add_get(path, answering(document))
        app.router.add_get("/apis", apis)
        for path in ("/healthz", "/livez", "/readyz"):
            app.router.add_get(path, ok)
        app.router.add_get(BASE + "/redirected", self.redirect)
        app.router.add_get(BASE + "/slow", self.slow)
        app.router.add_route("*", BASE + "/namespaces/{namespace}/{plural}/{name}/echo", self.echo)
        for place in ("/{plural}", "/namespaces/{namespace}/{plural}"):
            app.router.add_route("*", BASE + place, self.resources)
            app.router.add_route("*", BASE + place + "/{name}", self.resources)
        return app


def attributes(request: web.Request) -> Object:
    """Of an access review."""
    found = re.match(r"/apis/([^/]+)/([^/]+)(?:/namespaces/([^/]+))?/([^/]+)(?:/([^/]+))?(?:/([^/]+))?$", request.path)
    if not found:
        return {"nonResourceAttributes": {"path": request.path, "verb": request.method.lower()}}
    group, version, namespace, plural, name, part = (each or "" for each in found.groups())
    verbs = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete" if name else "deletecollection"}
    verb = verbs.get(request.method) or ("get" if name else "watch" if request.query.get("watch") else "list")
    return {"resourceAttributes": {"group": group, "version": version, "namespace": namespace, "resource": plural,
                                   "subresource": part, "name": name, "verb": verb}}  # fmt: skip


def answering(document: Object) -> Any:
    tag = f'"{abs(hash(json.dumps(document))):x}"'

    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return web.json_response(document, headers={"ETag": tag})

    return answer


async def apis(request: web.Request) -> web.Response:
    if "as=APIGroupDiscoveryList" in request.headers.get("Accept", ""):
        resources = [
            {"resource": each["name"], "responseKind": {"group": GROUP, "version": VERSION, "kind": each["kind"]},
             "scope": "Namespaced" if each["namespaced"] else "Cluster", "singularResource": each["singularName"],
             "verbs": each["verbs"], **({"shortNames": each["shortNames"]} if "shortNames" in each else {})}
            for each in RESOURCES if "/" not in str(each["name"])
        ]  # fmt: skip
        versions = [{"version": VERSION, "resources": resources, "freshness": "Current"}]
        body = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
                "items": [{"metadata": {"name": GROUP}, "versions": versions}]}  # fmt: skip
        return web.Response(text=json.dumps(body), headers={"Content-Type": LIST})
    return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": [_GROUP]})


async def ok(request: web.Request) -> web.Response:
    return web.Response(text="ok")


_VERSION = {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
_GROUP = {"name": GROUP, "versions": [_VERSION], "preferredVersion": _VERSION}
_META = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
_NAME = "com.example.wardle.v1alpha1.Flunder"
_KIND = {"x-kubernetes-group-version-kind": [{"group": GROUP, "version": VERSION, "kind": "Flunder"}]}
_SPEC = {"description": "What a flunder refers to.", "type": "object",
         "properties": {"reference": {"description": "The name of another flunder.", "type": "string"}}}  # fmt: skip
_PATH = BASE + "/namespaces/{namespace}/flunders"


def _flunder(meta: Object) -> Object:
    return {"description": "A Flunder is a flat fish.", "type": "object",
            "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": meta,
                           "spec": _SPEC}, **_KIND}  # fmt: skip


def _operation(answer: Object) -> Object:
    return {"get": {"operationId": "listFlunder", "responses": {"200": {"description": "OK", **answer}},
                    "x-kubernetes-action": "list",
                    "x-kubernetes-group-version-kind": _KIND["x-kubernetes-group-version-kind"][0]}}  # fmt: skip


_META_V3 = {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
DOCUMENTS: dict[str, Object] = {
    f"/apis/{GROUP}": {"kind": "APIGroup", "apiVersion": "v1", **_GROUP},
    BASE: {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}", "resources": RESOURCES},
    "/openapi/v2": {
        "swagger": "2.0", "info": {"title": "wardle", "version": "v1"},
        "paths": {_PATH: _operation({"schema": {"$ref": f"#/definitions/{_NAME}"}}), "/version/": {"get": {}}},
        "definitions": {
            _NAME: _flunder(_META),
            # Not what the cluster has by this name: it is to be told apart.
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object", "description": "wardle's own"},
        },
    },
    "/openapi/v3": {"paths": {f"apis/{GROUP}/{VERSION}": {
        "serverRelativeURL": f"/openapi/v3/apis/{GROUP}/{VERSION}?hash=ABC"}}},
    f"/openapi/v3/apis/{GROUP}/{VERSION}": {
        "openapi": "3.0.0", "info": {"title": "wardle", "version": "v1"},
        "paths": {_PATH: _operation({"content": {"application/json": {
            "schema": {"$ref": f"#/components/schemas/{_NAME}"}}}})},
        "components": {"schemas": {
            _NAME: _flunder(_META_V3),
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object", "description": "wardle's own"},
        }},
    },
}  # fmt: skip


async def believing(cluster: Cluster) -> tuple[ssl.SSLContext, list[str]]:
    """What a server needs to know a front proxy by: its authority, and the names that it may have."""
    trust = await cluster.front_proxy()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_OPTIONAL
    with tempfile.NamedTemporaryFile("w", suffix=".crt") as file:
        file.write(trust["requestheader-client-ca-file"])
        file.flush()
        context.load_verify_locations(file.name)
    return context, json.loads(trust["requestheader-allowed-names"])


async def run(options: argparse.Namespace) -> None:
    cluster = Cluster()
    context, names = await believing(cluster)
    context.load_cert_chain(options.tls_cert_file, options.tls_private_key_file)
    server = Server(cluster, names)
    runner = web.AppRunner(server.app())
    await runner.setup()
    await web.TCPSite(runner, None, options.secure_port, ssl_context=context).start()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--secure-port", type=int, default=443)
    parser.add_argument("--tls-cert-file", required=True)
    parser.add_argument("--tls-private-key-file", required=True)
    asyncio.run(run(parser.parse_args()))
