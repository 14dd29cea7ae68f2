"""The player's own webhook server: HTTPS on loopback, it plays the admission and conversion webhooks of scenarios."""

from __future__ import annotations

import base64
import copy
import datetime
import json
import ssl
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Reply = dict[str, Any]


class Webhooks:
    """One server for all scenarios: the first segment of a path is the scenario's name, so they may run side by side.

    A reply, set for (scenario, path), may have: `response`, members of the review's response (uid is the request's and
    allowed is true where they are not given); `patch`, a JSON patch; `review`, members that replace those of the review
    itself; or, instead, `text` and `status` as they are; and `delay`, seconds to wait first. A conversion review is
    answered by the same objects with the desired apiVersion. A reply may also be a function that makes one of a review.
    """

    def __init__(self) -> None:
        self.replies: dict[tuple[str, str], Reply | Callable[[dict[str, Any]], Reply]] = {}
        self.received: defaultdict[str, SimpleQueue[dict[str, Any]]] = defaultdict(SimpleQueue)
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"webhooks": self}))
        context, self.ca = _identity()
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fixed(self, scenario: str) -> dict[str, str]:
        """The placeholders that stand for this server in one scenario."""
        return {"<hook>": f"https://127.0.0.1:{self._server.server_address[1]}/{scenario}", "<ca>": self.ca}

    def forget(self, scenario: str) -> None:
        """Drop what an earlier run of the scenario left behind."""
        self.taken(scenario)
        for key in [key for key in self.replies if key[0] == scenario]:
            del self.replies[key]

    def taken(self, scenario: str) -> list[dict[str, Any]]:
        """The reviews that arrived for a scenario since the last call."""
        result = []
        while True:
            try:
                result.append(self.received[scenario].get_nowait())
            except Empty:
                return result


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that ends the connection, or does not trust the certificate, is part of some scenarios."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    webhooks: Webhooks

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        _, scenario, *rest = self.path.split("?")[0].split("/")
        self.webhooks.received[scenario].put({"hook": self.path.replace("/" + scenario, "", 1), **review})
        reply = self.webhooks.replies.get((scenario, "/" + "/".join(rest)), {})
        reply = reply(review) if callable(reply) else reply
        time.sleep(reply.get("delay", 0))
        data = reply["text"].encode() if "text" in reply else json.dumps(answer(reply, review)).encode()
        try:
            self.send_response(reply.get("status", 200))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass  # the caller did not wait as long as `delay`


def answer(reply: Reply, review: dict[str, Any]) -> dict[str, Any]:
    """The review that a reply sends back for a review that came in."""
    request = review.get("request") or {}
    response: dict[str, Any] = {"uid": request.get("uid")}
    if review.get("kind") == "ConversionReview":
        objects = copy.deepcopy(request.get("objects", []))
        for item in objects:
            item["apiVersion"] = request.get("desiredAPIVersion")
        response |= {"convertedObjects": objects, "result": {"status": "Success"}}
    else:
        response |= {"allowed": True}
    response |= reply.get("response", {})
    if "patch" in reply:
        response["patch"] = base64.b64encode(json.dumps(reply["patch"]).encode()).decode()
        response.setdefault("patchType", "JSONPatch")
    return {
        "apiVersion": review.get("apiVersion"),
        "kind": review.get("kind"),
        "response": response,
        **reply.get("review", {}),
    }


def _identity() -> tuple[ssl.SSLContext, str]:
    """A certificate for 127.0.0.1 that is its own authority: as a context, and as the base64 of its PEM."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "corpus-webhook")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        for file, text in (("cert.pem", pem), ("key.pem", secret)):
            (Path(folder) / file).write_bytes(text)
        context.load_cert_chain(Path(folder) / "cert.pem", Path(folder) / "key.pem")
    return context, base64.b64encode(pem).decode()
