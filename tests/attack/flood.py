"""One user's flood, and another's plain requests. `python flood.py DATA PORT SECONDS` is the flood, by itself."""

from __future__ import annotations

import http.client
import itertools
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

from attack.holding import prepared
from attack.hostile import CONFIGMAPS, CORPUS
from attack.measured import MeasuredPlane

CONNECTIONS = 8
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings"
WORST = (
    "keys", "one key again and again", "YAML keys again and again", "containers that are not", "spread constraints",
    "selector: absent", "an object in YAML", "patch: to the front", "strategic patch: variables",
)  # fmt: skip


def flood(data: Path, port: int, seconds: float) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # to 127.0.0.1, as an attacker would
    context.load_cert_chain(data / "pki" / "admin.crt", data / "pki" / "admin.key")
    requests = [(each, each.make()) for each in CORPUS if each.name in WORST]
    deadline = time.monotonic() + seconds

    def send(first: int) -> None:
        for hostile, body in itertools.islice(itertools.cycle(requests), first, None):
            if time.monotonic() > deadline:
                return
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=seconds)
            headers = {"Content-Type": "application/json"} | hostile.headers | {"Impersonate-User": "mallory"}
            try:
                connection.request(hostile.method, hostile.path, body, headers)
                connection.getresponse().read()
            except OSError:
                pass  # refused, or too slow: the next
            finally:
                connection.close()

    threads = [threading.Thread(target=send, args=(i,)) for i in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ninety_ninth(root: Path, seconds: float) -> tuple[float, int]:
    """Seconds within which 99 of 100 GETs of a user are answered while another floods, and how many there were."""
    with prepared(root) as plane:
        for name in ("mallory", "jane"):
            subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}
            ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}
            made = plane.ask("POST", RBAC, {"metadata": {"name": name}, "roleRef": ref, "subjects": [subject]})
            assert made[0] == 201
        flooding = subprocess.Popen(
            [sys.executable, __file__, str(plane.data), str(plane.port), str(seconds)],
            env={"PYTHONPATH": plane.environment["PYTHONPATH"]},
        )
        try:
            times = _get(plane, seconds)
        finally:
            flooding.kill()
            flooding.wait()
    times.sort()
    return times[int(len(times) * 0.99)], len(times)


def _get(plane: MeasuredPlane, seconds: float) -> list[float]:
    connection = http.client.HTTPSConnection("127.0.0.1", plane.port, context=plane.context(), timeout=20)
    times = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        start = time.perf_counter()
        connection.request("GET", f"{CONFIGMAPS}/c1", headers={"Impersonate-User": "jane"})
        response = connection.getresponse()
        response.read()
        times.append(time.perf_counter() - start)
        assert response.status == 200
        time.sleep(0.005)
    connection.close()
    return times


if __name__ == "__main__":
    flood(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
