"""What pod security, RBAC, audit and encryption cost a write, in processor time of the API server's process: without a
socket, and its storage in memory.

python bench/security.py [WRITES]   (of each kind in each round; 400 by default)

Prints figures, asserts nothing. What is compared takes turns, round by round, and the median of the rounds is told:
other processes make a round longer, and both sides of it alike."""

from __future__ import annotations

import base64
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from longboat.aio.clock import SystemClock
from longboat.apiserver.app import APIServer
from longboat.apiserver.audit import rules
from longboat.apiserver.config import Config
from longboat.apiserver.inprocess import InProcessTransport
from longboat.storage.memory import MemoryStorage

ROUNDS = 9
encode = msgspec.json.encode
Write = Callable[[int], Awaitable[object]]


def say(what: str, figure: str) -> None:
    print(f"{what:<78} {figure:>16}", flush=True)


@asynccontextmanager
async def server(**config: Any) -> AsyncIterator[tuple[APIServer, InProcessTransport]]:
    clock = SystemClock()
    storage = MemoryStorage(clock)
    api = APIServer(storage, clock, Config(**config))
    await api.start()
    try:
        yield api, api.transport("bench", "system:masters")
    finally:
        await api.close()
        await storage.close()


async def cost(number: int, write: Write) -> float:
    """Microseconds of processor time of one."""
    gc.collect()
    started = time.process_time()
    for i in range(number):
        await write(i)
    return (time.process_time() - started) / number * 1e6


async def post(client: InProcessTransport, path: str, obj: Any) -> bytes:
    return await client.request("POST", path, body=encode(obj))


async def compare(number: int, *writes: Write) -> list[float]:
    """Microseconds of each; they take turns."""
    rounds = [[await cost(number, write) for write in writes] for _ in range(ROUNDS + 1)]
    return [statistics.median(column) for column in zip(*rounds[1:], strict=True)]


POD = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": name, "image": "i:1", "ports": [{"containerPort": 80}],
            "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}},
            "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        for name in ("app", "sidecar")
    ],
    "volumes": [{"name": "v", "emptyDir": {}}],
}  # fmt: skip


async def pod_security(number: int) -> None:
    """CREATE of a Pod of two containers where nothing is asked for, and where the strictest standard is enforced."""
    async with server() as (_, client):

        async def namespace(name: str, labels: dict[str, str]) -> Write:
            place = f"/api/v1/namespaces/{name}"
            await post(client, "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
            await post(client, f"{place}/serviceaccounts", {"metadata": {"name": "default"}})

            async def write(i: int) -> object:
                return await post(client, f"{place}/pods", {"metadata": {"generateName": "p-"}, "spec": POD})

            return write

        standard = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
        writes = [await namespace("open", {}), await namespace("strict", standard)]
        without, held = await compare(number, *writes)
    say("CREATE of a Pod in a namespace without labels", f"{without:.0f} us")
    say("... more in one that enforces, audits and warns of restricted", f"{held - without:.0f} us")


ENCRYPTION = """apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aesgcm: {keys: [{name: k, secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}]}
"""
ROLE = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}
SECRETS = "/api/v1/namespaces/default/secrets"
POLICY = {"rules": [{"level": "Metadata", "omitStages": ["RequestReceived"]}]}


async def secrets(number: int) -> None:
    """CREATE of a Secret of 1 KB: by an administrator and in the clear; then RBAC, audit and encryption, one more each
    time."""
    with tempfile.TemporaryDirectory() as folder:
        sealed = Path(folder) / "encryption.yaml"
        sealed.write_text(ENCRYPTION)
        log = {"audit_log": Path(folder) / "audit.log"}
        sides: list[tuple[str, str, dict[str, Any]]] = [
            ("", "system:masters", {}),
            ("... more with RBAC", "writers", {}),
            ("... more with the audit log", "writers", log),
            ("... more with a policy file", "writers", {**log, "audit_policy": rules.policy(POLICY)}),
            ("... more with encryption", "writers", {**log, "encryption": sealed}),
        ]
        async with AsyncExitStack() as held:
            writes = [await _secrets(held, group, config) for _, group, config in sides]
            found = await compare(number, *writes)
    before = 0.0
    for (what, _, _), each in zip(sides, found, strict=True):
        say(what or "CREATE of a Secret of 1 KB by an administrator, in the clear", f"{each - before:.0f} us")
        before = each if what != sides[-2][0] else before
    say("CREATE of a Secret with RBAC, audit and encryption", f"{found[-1]:.0f} us")


async def _secrets(held: AsyncExitStack, group: str, config: dict[str, Any]) -> Write:
    api, admin = await held.enter_async_context(server(**config))
    role = {"metadata": {"name": "writer"}, "rules": [ROLE]}
    await post(admin, "/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "writer"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "writers"}
    binding = {"metadata": {"name": "writers"}, "roleRef": ref, "subjects": [subject]}
    await post(admin, "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding)
    client, data = api.transport("bench", group), {"v": base64.b64encode(b"x" * 600).decode()}

    async def write(i: int) -> object:
        return await post(client, SECRETS, {"metadata": {"generateName": "s-"}, "data": data})

    return write


async def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    for part in (pod_security, secrets):
        await part(number)


if __name__ == "__main__":
    uvloop.run(main())
