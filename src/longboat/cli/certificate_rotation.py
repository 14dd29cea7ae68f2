"""New keys and certificates for a cluster's old ones, in a cluster that runs or one that does not.

Files are replaced, and whoever uses them takes them up (`following.py`); nodes are asked by an annotation, and renew
what they have in the way in which they renew it in time. Begun again after a failure it does all of it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from longboat.aio.clock import SystemClock
from longboat.apiserver.pki import Pki, Unusable
from longboat.assembly import keys
from longboat.cli import cluster as clusters
from longboat.cli import credentials, kubeconfigs, startup
from longboat.cli.api import UNREACHABLE, Api, api_of
from longboat.cli.certificates import in_kubeconfig, is_ready, port_of, shown
from longboat.cli.errors import Failure
from longboat.cli.steps import Steps
from longboat.machinery.objects import timestamp
from longboat.node.certificates import BACKDATED, NOT_BEFORE

PATIENCE, NODES_PATIENCE = 30.0, 60.0  # seconds: a server looks at its files every second, a node at its Node every ten
Node = dict[str, Any]


def rotate(root: Path, *, as_json: bool) -> int:
    """Raises Failure."""
    alone = keys.Lock(root, "certificates.lock")
    running = keys.Lock(root)
    try:
        if not alone.take(alone=True):
            raise Failure("the certificates are being changed by another command", "Wait until it is done")
        if not (root / "pki" / "ca.key").exists():
            raise Failure(
                f"{root} holds no authority that could issue others",
                "Say it where the control plane is: its nodes renew theirs when it asks them to",
            )
        steps = Steps(quiet=as_json)
        stopped = running.take(alone=True)  # and none starts meanwhile
        report = _Rotation(root, steps).run(stopped=stopped)
    finally:
        running.close()
        alone.close()
    if as_json:
        print(json.dumps(report, indent=2))
    return 0


class _Rotation:
    def __init__(self, root: Path, steps: Steps) -> None:
        self._root, self._steps, self._clock = root, steps, SystemClock()
        self._pki = Pki(root / "pki", self._clock)

    def run(self, *, stopped: bool) -> dict[str, Any]:
        """What was renewed, and which nodes have not done so yet. Raises Failure."""
        began = self._clock.now().replace(microsecond=0)
        pairs = self._pki.issued()
        try:
            for pair in pairs:
                self._pki.renew(pair)
        except (OSError, Unusable) as error:
            raise Failure(f"not all certificates are new: {error}", "Run it again") from error
        renewed = sorted(pair.certificate.stem for pair in pairs)
        self._steps.done(f"{len(renewed)} certificates of the control plane are new: {', '.join(renewed)}")
        report: dict[str, Any] = {"renewed": renewed, "nodes": [], "waiting": []}
        if stopped:
            self._steps.note("The cluster is stopped: they are used when it starts")
            return report
        cluster = clusters.load(self._root)
        if cluster is not None and cluster.simulated_nodes:
            credentials.simulated(cluster)
        api = self._in_use()
        if cluster is not None and cluster.kubeconfig:
            kubeconfigs.install(Path(cluster.kubeconfig), kubeconfigs.read(cluster.admin_kubeconfig), cluster.context)
            self._steps.done(f"kubectl context {cluster.context!r} in {cluster.kubeconfig}")
        report |= self._nodes(api, began)
        return report

    def _in_use(self) -> Api:
        """Wait until the API server shows its new certificate, and has written the administrator's down."""
        own, admin = self._pki.pair("serving").certificate, self._pki.pair("admin").certificate
        kubeconfig = self._root / "admin.kubeconfig"

        def are_taken_up() -> bool:
            api = Api.at(kubeconfig)
            return shown(*api.place) == _read(own) and in_kubeconfig(kubeconfig) == _read(admin)

        if not _until(are_taken_up, PATIENCE) or (api := api_of(self._root)) is None:
            raise Failure(
                "the API server does not go by its new certificates",
                "Look at its log (longboat logs control-plane), then go on: longboat certs rotate",
            )
        self._steps.done("the API server shows its new one; connections that there were go on")
        return api

    def _nodes(self, api: Api, began: datetime) -> dict[str, list[str]]:
        """Ask all nodes, and wait for those that are ready."""
        patch = {"metadata": {"annotations": {NOT_BEFORE: timestamp(began)}}}
        nodes = api.listed("/api/v1/nodes")
        for node in nodes:
            path, style = f"/api/v1/nodes/{node['metadata']['name']}", {"Content-Type": "application/merge-patch+json"}
            code, answer = api.ask("PATCH", path, patch, style)
            if code >= 300 and code != 404:
                raise Failure(f"node {node['metadata']['name']} cannot be asked: {answer}", "Run it again")
        waiting = {node["metadata"]["name"]: node for node in nodes}
        asleep = [name for name, node in waiting.items() if not is_ready(node)]

        def have_renewed() -> bool:
            for name, node in list(waiting.items()):
                if name not in asleep and _has_renewed(node, began):
                    del waiting[name]
            return len(waiting) == len(asleep)

        _until(have_renewed, NODES_PATIENCE)
        done = sorted({node["metadata"]["name"] for node in nodes} - set(waiting))
        if done:
            self._steps.done(f"{len(done)} {'node has' if len(done) == 1 else 'nodes have'} renewed: {', '.join(done)}")
        for name in sorted(waiting):
            when = "when it comes back" if name in asleep else "but has not yet (see its log)"
            self._steps.note(f"node {name} renews {when}")
        return {"nodes": done, "waiting": sorted(waiting)}


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    for _ in startup.ticks(seconds):
        try:
            if holds():
                return True
        except (*UNREACHABLE, ValueError, Failure):
            continue  # it is being taken up just now
    return False


def _has_renewed(node: Node, began: datetime) -> bool:
    place = port_of(node)
    try:
        return place is not None and shown(*place).not_valid_before_utc >= began - BACKDATED - timedelta(seconds=1)
    except OSError:
        return False  # its port is being opened, or cannot be reached from here


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())
