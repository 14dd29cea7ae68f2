"""What a quiet client notices of a noisy one: GETs of one user beside a flood of LISTs of another.

python bench/fairness.py [DIRECTORY] [SECONDS]

Prints figures, asserts nothing. wrk, the quiet client and the server share the processors.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from apiserver import RBAC, Api, prepare, say, server

FLOOD, RATE = 200, 50  # connections that list; GETs a second beside them
TOKENS = {"noisy": "noisy-0123456789abcdef", "quiet": "quiet-0123456789abcdef"}


def let_read(api: Api) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}
    group = "rbac.authorization.k8s.io"
    api.ask("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "reader"}, "rules": [rule]})
    subjects = [{"kind": "User", "name": name, "apiGroup": group} for name in TOKENS]
    ref = {"kind": "ClusterRole", "name": "reader", "apiGroup": group}
    body = {"metadata": {"name": "reader"}, "subjects": subjects, "roleRef": ref}
    code, said = api.ask("POST", f"{RBAC}/clusterrolebindings", body)
    assert code == 201, said


def quiet(clients: Sequence[Api], path: str, seconds: float) -> tuple[list[float], Counter[int]]:
    """Milliseconds of each GET, sent at a steady rate whatever the others take; and the codes of their answers."""
    took, codes, began = list[float](), Counter[int](), time.perf_counter()

    def one(client: Api, due: float) -> None:
        codes[client.ask("GET", path)[0]] += 1
        took.append((time.perf_counter() - due) * 1000)

    with ThreadPoolExecutor(len(clients)) as pool:
        for n in range(int(seconds * RATE)):
            due = began + n / RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            pool.submit(one, clients[n % len(clients)], due)
    return sorted(took), codes


def main() -> None:
    place = sys.argv[1] if len(sys.argv) > 1 else "."
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    users = "".join(f'{token},{name},{n + 1},"readers"\n' for n, (name, token) in enumerate(TOKENS.items()))
    with tempfile.TemporaryDirectory(dir=place) as scratch, server(Path(scratch), users) as (api, port, _, _):
        prepare(api)
        let_read(api)
        path = "/api/v1/namespaces/bench/configmaps"
        config = Path(scratch) / "data" / "admin.kubeconfig"
        clients = [Api(config, port, TOKENS["quiet"]) for _ in range(8)]
        for flood in (0, FLOOD):
            command = ["wrk", "-t1", f"-c{flood}", f"-d{seconds + 1}", "-H", f"Authorization: Bearer {TOKENS['noisy']}"]
            url = f"https://127.0.0.1:{port}{path}"
            noisy = subprocess.Popen([*command, url], stdout=subprocess.PIPE, text=True) if flood else None
            time.sleep(0.5)
            took, codes = quiet(clients, f"{path}/c0", seconds)
            said = noisy.communicate()[0] if noisy else ""
            rates = [line.strip() for line in said.splitlines() if "Requests/sec" in line or "Non-2xx" in line]
            what = f"GETs at {RATE}/s beside {flood} connections of LISTs: p50, p99, max"
            figures = " ".join(f"{each:.1f}" for each in (took[len(took) // 2], took[len(took) * 99 // 100], took[-1]))
            say(what, f"{figures} ms  {dict(codes)} {rates}")


if __name__ == "__main__":
    main()
