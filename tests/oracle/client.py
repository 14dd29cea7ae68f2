"""Requests as a recording has them: nothing is added, hidden or tried again that a client could see."""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any

import yaml

USER_AGENT = "corpus/1.0"
PATIENCE = 60.0  # seconds for an answer

Who = dict[str, Any]
Connection = http.client.HTTPConnection


class Answer:
    def __init__(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.status, self.headers = status, headers
        self.body = _decoded(data, self.header("content-type") or "")
        self.warnings = [_warning(value) for name, value in headers if name.lower() == "warning"]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def _decoded(data: bytes, content_type: str) -> Any:
    if not data:
        return None
    if "json" in content_type:
        try:
            return json.loads(data)
        except ValueError:
            pass  # what is no JSON is compared as text
    return {"$text": data.decode("utf-8", "replace")}


def _warning(header: str) -> str:
    """The text of a warning (RFC 7234): 299 - "text"."""
    match = re.match(r'(\d{3}) \S+ "(.*)"$', header)
    if not match:
        return header
    text = match[2].replace('\\"', '"').replace("\\\\", "\\")
    return text if match[1] == "299" else f"{match[1]} {text}"


class Client:
    """One API server, reached as a kubeconfig says. Not shared between threads."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        named = {kind: {each["name"]: each for each in config[kind]} for kind in ("contexts", "clusters", "users")}
        context = named["contexts"][config["current-context"]]["context"]
        cluster, user = named["clusters"][context["cluster"]]["cluster"], named["users"][context["user"]]["user"]
        self._url = urllib.parse.urlsplit(cluster["server"])
        self._token = user.get("token")
        self._tls = self._bare_tls = None
        if self._url.scheme == "https":
            self._tls, self._bare_tls = _trusting(cluster), _trusting(cluster)
            _identify(self._tls, user)
        self._kept: Connection | None = None

    def close(self) -> None:
        if self._kept:
            self._kept.close()
            self._kept = None

    def _connection(self, timeout: float, *, bare: bool = False) -> Connection:
        host, port = self._url.hostname or "", self._url.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port or 80, timeout=timeout)
        context = self._bare_tls if bare else self._tls
        return http.client.HTTPSConnection(host, port or 443, context=context, timeout=timeout)

    def _headers(self, who: Who, extra: dict[str, Any], has_body: bool) -> list[tuple[str, str]]:
        """Who asks is the kubeconfig's user, another whom that one impersonates, the holder of a token, or nobody."""
        common = {"Accept": "application/json", "User-Agent": USER_AGENT}
        if has_body:
            common["Content-Type"] = "application/json"
        if self._token:
            common["Authorization"] = "Bearer " + self._token
        if "user" in who:
            common["Impersonate-User"] = who["user"]
        if "bearer" in who:
            common["Authorization"] = "Bearer " + who["bearer"]
        elif "anonymous" in who:
            common.pop("Authorization", None)
        given = {name.lower() for name in extra}
        pairs = [(name, value) for name, value in common.items() if name.lower() not in given]
        pairs += [(name, value) for name, value in extra.items() if value is not None]
        pairs += [("Impersonate-Group", group) for group in who.get("groups", [])]
        pairs += [("Impersonate-Uid", who["uid"])] if who.get("uid") else []
        for name, values in who.get("extra", {}).items():
            pairs += [("Impersonate-Extra-" + name, value) for value in values]
        return pairs

    def send(
        self, method: str, path: str, body: Any = None, who: Who | None = None, headers: dict[str, Any] | None = None
    ) -> Answer:
        """One request and its whole answer; status 0 and `$error` where there was none.

        A kept connection that the server closed meanwhile is no answer: it is asked again on a new one.
        """
        data, who = _encoded(body), who or {}
        bare = "bearer" in who or "anonymous" in who
        for attempt in (1, 2):
            kept = None if bare else self._kept
            connection = kept or self._connection(PATIENCE, bare=bare)
            try:
                _write(connection, method, path, data, self._headers(who, headers or {}, data is not None))
                response = connection.getresponse()
                answer = Answer(response.status, response.getheaders(), response.read())
            except (http.client.HTTPException, OSError) as error:
                connection.close()
                self._kept = None
                if attempt == 2 or isinstance(error, TimeoutError):
                    return _no_answer(error)
            else:
                if bare:
                    connection.close()
                else:
                    self._kept = connection
                return answer
        raise AssertionError("unreachable")

    def stream(
        self,
        method: str,
        path: str,
        seconds: float,
        who: Who | None = None,
        headers: dict[str, Any] | None = None,
        ready: threading.Event | None = None,
    ) -> Answer:
        """Reads a stream of JSON lines for some seconds, or until it ends; `ready` is set once it has begun."""
        connection = self._connection(seconds)
        events, deadline = [], time.monotonic() + seconds
        try:
            _write(connection, method, path, None, self._headers(who or {}, headers or {}, False))
            response = connection.getresponse()
            if ready:
                ready.set()
            if response.status != 200:
                return Answer(response.status, response.getheaders(), response.read())
            while time.monotonic() < deadline:
                if connection.sock:
                    connection.sock.settimeout(max(0.05, deadline - time.monotonic()))
                line = response.readline()
                if not line:
                    break
                events.append(json.loads(line))
        except (OSError, http.client.HTTPException):
            pass  # time is up: what came so far is the answer
        finally:
            if ready:
                ready.set()
            connection.close()
        answer = Answer(200, [], b"")
        answer.body = {"$events": events}
        return answer


def _no_answer(error: Exception) -> Answer:
    return Answer(0, [("Content-Type", "application/json")], json.dumps({"$error": type(error).__name__}).encode())


def _write(connection: Connection, method: str, path: str, data: bytes | None, pairs: list[tuple[str, str]]) -> None:
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in pairs:
        connection.putheader(name, value)
    if data is not None:
        connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data)


def _encoded(body: Any) -> bytes | None:
    if body is None:
        return None
    if isinstance(body, dict) and set(body) == {"$text"}:
        return body["$text"].encode()
    return json.dumps(body).encode()


def _trusting(cluster: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if data := cluster.get("certificate-authority-data"):
        context.load_verify_locations(cadata=base64.b64decode(data).decode())
    elif file := cluster.get("certificate-authority"):
        context.load_verify_locations(file)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _identify(context: ssl.SSLContext, user: dict[str, Any]) -> None:
    if user.get("client-certificate"):
        context.load_cert_chain(user["client-certificate"], user["client-key"])
    elif user.get("client-certificate-data"):
        with tempfile.NamedTemporaryFile() as file:
            file.write(base64.b64decode(user["client-certificate-data"]) + b"\n")
            file.write(base64.b64decode(user["client-key-data"]))
            file.flush()
            context.load_cert_chain(file.name)
