"""As whom webhooks are asked: what a kubeconfig says for which server, and what the server is then shown."""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path
from typing import Any

import msgspec
import pytest

from e2e.certificates import self_signed
from longboat.apiserver.admission.configuration import Configured, load
from longboat.apiserver.admission.webhooks.credentials import Credentials
from longboat.client.kubeconfig import Credential
from longboat.machinery.configfile import BadConfiguration
from unit.apiserver.harness import Api, play

NAMES = ("hook.ns.svc:443", "hook.ns.svc", "*.ns.svc", "*.example.com:8443", "exact.example.com:8443", "*")


@pytest.mark.parametrize(
    ("names", "host", "port", "whose"),
    [  # upstream's order (util/webhook, clientConfig)
        (NAMES, "hook.ns.svc", 443, "hook.ns.svc:443"),
        (NAMES[1:], "hook.ns.svc", 443, "hook.ns.svc"),
        (NAMES, "other.ns.svc", 443, "*.ns.svc"),
        (NAMES, "hook.ns.svc", 8443, "*"),
        (NAMES, "exact.example.com", 8443, "exact.example.com:8443"),
        (NAMES, "deep.in.example.com", 8443, "*.example.com:8443"),
        (NAMES, "exact.example.com", 443, "*"),
        (NAMES[:-1], "nobody.example", 443, "current"),
    ],
)
def test_who_is_shown_to_whom(names: tuple[str, ...], host: str, port: int, whose: str) -> None:
    users = {name: Credential(name) for name in names}
    found = Credentials(users, Credential("current")).of(host, port)
    assert found is not None and found.token == whose


def test_nobody_is_shown_where_nobody_is_named() -> None:
    assert Credentials({"a": Credential("t")}).of("b", 443) is None


HEAD = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n"
INNER = "{apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: %s}"


def configured(folder: Path, kubeconfig: str, plugin: str = "ValidatingAdmissionWebhook") -> Configured:
    file, users = folder / "admission.yaml", folder / "users.yaml"
    users.write_text(kubeconfig)
    file.write_text(f"{HEAD}- name: {plugin}\n  configuration: {INNER % users}\n")
    return load(file, [plugin])


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("users.yaml", 'kubeConfigFile: Invalid value: "users.yaml": must be an absolute file path'),
        ("/nowhere/users.yaml", "plugins[0]: /nowhere/users.yaml: No such file or directory"),
    ],
)
def test_bad_settings(tmp_path: Path, said: str, why: str) -> None:
    file = tmp_path / "admission.yaml"
    file.write_text(f"{HEAD}- name: MutatingAdmissionWebhook\n  configuration: {INNER % said}\n")
    with pytest.raises(BadConfiguration) as raised:
        load(file, ["MutatingAdmissionWebhook"])
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("kubeconfig", "why"),
    [
        ("users: [{name: '*', user: {exec: {command: x}}}]", "the user authenticates by exec"),
        ("users: [{user: {token: t}}]", "name is missing"),
        ("current-context: c", "there is no context 'c'"),
        ("users: [{name: '*', user: {client-certificate-data: YQ==, client-key-data: YQ==}}]", "users.yaml: "),
    ],
)
def test_bad_kubeconfigs(tmp_path: Path, kubeconfig: str, why: str) -> None:
    with pytest.raises(BadConfiguration) as raised:
        configured(tmp_path, kubeconfig)
    assert why in str(raised.value) and str(tmp_path / "users.yaml") in str(raised.value)


def test_a_webhook_sees_the_certificate_and_the_token(tmp_path: Path) -> None:
    """It is one that asks for a certificate: without it there would be no connection."""
    own, key = self_signed(tmp_path, "server", "localhost")
    client, client_key = self_signed(tmp_path, "client", "apiserver")
    said = configured(
        tmp_path,
        f"""
users:
- {{name: 'localhost:0', user: {{token: other}}}}
- name: '*'
  user: {{token: secret, client-certificate: {client}, client-key: {client_key}}}
""",
    )
    seen: list[tuple[str, Any]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        uid = msgspec.json.decode(await reader.readexactly(length))["request"]["uid"]
        seen.append((head, writer.get_extra_info("peercert")))
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        body = msgspec.json.encode({**review, "response": {"uid": uid, "allowed": True}})
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(client)

    async def scene(api: Api) -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
            port = server.sockets[0].getsockname()[1]
            bundle = base64.b64encode(Path(own).read_bytes()).decode()
            hook = {
                "name": "h.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": f"https://localhost:{port}/x", "caBundle": bundle},
                "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"],
                           "resources": ["configmaps"]}],
            }  # fmt: skip
            where = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
            await api.make(where, {"metadata": {"name": "c"}, "webhooks": [hook]})
            await api.make("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "m"}})

    play(scene, admission=said)
    ((head, certificate),) = seen
    assert "authorization: bearer secret" in head
    assert certificate["subject"] == ((("commonName", "apiserver"),),)
