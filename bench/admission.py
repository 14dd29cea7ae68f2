"""What admission by others costs a write: nothing configured, policies, and a validating webhook beside its own answer
time.

python bench/admission.py [ROUNDS]      (1,000 of each by default)

Prints medians, asserts nothing. The API server runs in this process with its storage in memory, so that what is
measured is admission; the webhook is a process of its own, asked over TLS as any.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

HERE = Path(__file__).resolve().parent
CERTIFICATE = HERE.parent / "examples" / "hello" / "certificate.py"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
MAPS = "/api/v1/namespaces/default/configmaps"


def say(what: str, seconds: float) -> None:
    print(f"{what:<64} {seconds * 1e3:9.3f} ms", flush=True)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The webhook: it lets everything pass, and does nothing else."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            uid = json.loads(await reader.readexactly(length))["request"]["uid"]
            review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
            body = json.dumps({**review, "response": {"uid": uid, "allowed": True}}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                         b"content-length: %d\r\n\r\n%b" % (len(body), body))  # fmt: skip
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve(certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def median(rounds: int, work: Callable[[int], Awaitable[Any]]) -> float:
    took = []
    for i in range(rounds + 50):
        start = time.perf_counter()
        await work(i)
        took.append(time.perf_counter() - start)
    return statistics.median(took[50:])


async def measure(rounds: int, port: int, ca: str) -> None:
    from longboat.aio.clock import SystemClock
    from longboat.apiserver.app import APIServer
    from longboat.apiserver.config import Config
    from longboat.assembly import rights
    from longboat.storage.memory import MemoryStorage

    clock = SystemClock()
    storage = MemoryStorage(clock)
    api = APIServer(storage, clock, Config(rights=rights.declared()))
    await api.start()
    transport = api.transport("admin", "system:masters")

    async def create(prefix: str, i: int) -> None:
        body = json.dumps({"metadata": {"name": f"{prefix}-{i}"}, "data": {"v": "x" * 800}}).encode()
        await transport.request("POST", MAPS, body=body)

    async def create_secret(i: int) -> None:
        body = json.dumps({"metadata": {"name": f"s-{i}"}, "stringData": {"v": "x" * 800}}).encode()
        await transport.request("POST", MAPS.replace("configmaps", "secrets"), body=body)

    async def configure(hook: Any) -> None:
        config = {"metadata": {"name": hook["name"]}, "webhooks": [hook]}
        await transport.request("POST", CONFIGURATIONS, body=json.dumps(config).encode())

    bare = await median(rounds, lambda i: create("bare", i))
    say("CREATE of a ConfigMap, nothing configured", bare)
    await measure_policies(rounds, transport, create)
    context = ssl.create_default_context(cadata=ca)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    review = json.dumps({"request": {"uid": "u", "object": "x" * 1400}}).encode()
    message = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n%b" % (len(review), review)

    async def own(_: int) -> None:
        writer.write(message)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))

    rule = {**RULE, "resources": ["services"]}
    client = {"url": f"https://localhost:{port}/", "caBundle": base64.b64encode(ca.encode()).decode()}
    hook = {"sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": client}
    await configure({**hook, "name": "others.example.com", "rules": [rule]})
    passed = await median(rounds, lambda i: create("passed", i))
    say("CREATE beside a webhook that is for something else, more", passed - bare)

    async def many(i: int) -> None:
        await configure({**hook, "name": f"others.{i}.example.com", "rules": [rule]})

    for i in range(99):
        await many(i)
    crowd = await median(rounds, lambda i: create("crowd", i))
    say("CREATE beside 100 of these, more", crowd - bare)
    for i in range(99):
        await transport.request("DELETE", f"{CONFIGURATIONS}/others.{i}.example.com")
    condition = {"name": "c", "expression": "object.metadata.name.startsWith('no-')"}
    await configure({**hook, "name": "let.off.example.com", "rules": [RULE], "matchConditions": [condition]})
    off = await median(rounds, lambda i: create("off", i))
    say("CREATE that a match condition lets off, more", off - passed)
    await configure({**hook, "name": "asked.example.com", "rules": [RULE]})
    took: dict[str, list[float]] = {"own": [], "passed": [], "asked": []}  # in turns: the machine is not always as busy
    for i in range(rounds + 50):
        for what, work in (("own", own(i)), ("passed", create_secret(i)), ("asked", create("asked", i))):
            start = time.perf_counter()
            await work
            took[what].append(time.perf_counter() - start)
    writer.close()
    alone, bare, asked = (statistics.median(found[50:]) for found in took.values())
    say("the webhook's own answer time, on a connection that is kept", alone)
    say("CREATE of a Secret, that no webhook is asked about", bare)
    say("CREATE that a validating webhook is asked about", asked)
    say("of which its own answer time and the bare write are not", asked - off - alone)
    await api.close()
    await storage.close()


async def measure_policies(rounds: int, transport: Any, create: Callable[[str, int], Awaitable[None]]) -> None:
    async def policies(name: str, count: int, resource: str, **binding: Any) -> None:
        """So many, with one rule each that looks at the object."""
        for i in range(count):
            named = {"metadata": {"name": f"{name}-{i}"}}
            rules = [{"expression": "object.metadata.name != 'x' && size(object.data.v) < 1000"}]
            spec = {"matchConstraints": {"resourceRules": [{**RULE, "resources": [resource]}]}, "validations": rules}
            bound = {"policyName": f"{name}-{i}", "validationActions": ["Deny"], **binding}
            for kind, body in (("ies", spec), ("ybindings", bound)):
                data = json.dumps({**named, "spec": body}).encode()
                await transport.request("POST", f"{ADMISSION}/validatingadmissionpolic{kind}", body=data)

    async def gone() -> None:
        await transport.request("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings")
        await transport.request("DELETE", f"{ADMISSION}/validatingadmissionpolicies")

    async def measured(name: str, what: str) -> None:
        """Beside what a write costs without any, measured just before: there are more objects by and by."""
        bare = await median(rounds, lambda i: create(f"{name}-bare", i))
        await make[name]()
        found = await median(rounds, lambda i: create(name, i))
        say(f"CREATE {what}, more", found - bare)
        await gone()

    elsewhere = {"matchResources": {"namespaceSelector": {"matchLabels": {"not": "here"}}}}
    make = {
        "one": lambda: policies("one", 1, "configmaps"),
        "hundred": lambda: policies("hundred", 100, "configmaps"),
        "others": lambda: policies("others", 1000, "secrets"),
        "elsewhere": lambda: policies("elsewhere", 1000, "configmaps", **elsewhere),
    }
    await measured("one", "that a policy is about")
    await measured("hundred", "that 100 policies are about")
    await measured("others", "beside 1,000 policies for other resources")
    await measured("elsewhere", "beside 1,000 policies for other namespaces")


ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve(*sys.argv[2:4]))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/webhook.crt", f"{folder}/webhook.key"]
        subprocess.run([sys.executable, CERTIFICATE, "localhost", *files], check=True)
        server = subprocess.Popen([sys.executable, __file__, "serve", *files], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            uvloop.run(measure(rounds, port, Path(files[0]).read_text()))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
