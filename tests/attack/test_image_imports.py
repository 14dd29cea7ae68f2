"""An archive that cannot be loaded changes nothing on a node: no name, no content, and no image that was good."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from e2e.host import Cluster, Done

pytestmark = [pytest.mark.containers, pytest.mark.slow]
GOOD = "longboat.local/import:1"


def tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            head = tarfile.TarInfo(name)
            head.size = len(content)
            archive.addfile(head, io.BytesIO(content))
    return out.getvalue()


def docker(layers: dict[str, bytes]) -> bytes:
    """An archive of images by name, each with one layer."""
    files: dict[str, bytes] = {}
    manifest = []
    for name, layer in layers.items():
        digest = hashlib.sha256(layer).hexdigest()
        config = {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
        files |= {f"{digest}.json": json.dumps(config).encode(), f"{digest}.tar": layer}
        manifest.append({"Config": f"{digest}.json", "RepoTags": [name], "Layers": [f"{digest}.tar"]})
    return tar({**files, "manifest.json": json.dumps(manifest).encode()})


LAYER, NO_LAYER = tar({"file": b"good"}), b"no archive at all" * 1000
BAD = {
    "a layer that is none": docker({"longboat.local/bad:1": NO_LAYER}),
    "a good image before a bad one": docker(
        {"longboat.local/new:1": tar({"file": b"new"}), "longboat.local/bad:1": NO_LAYER}
    ),
    "in place of a good one": docker({GOOD: NO_LAYER}),
    "cut off": docker({"longboat.local/cut:1": tar({"file": bytes(3_000_000)})})[:2_000_000],
}


def test_an_import_that_fails_leaves_nothing(cluster: Cluster, tmp_path: Path) -> None:
    archive, node = tmp_path / "archive.tar", "node-1"

    def load(content: bytes) -> Done:
        archive.write_bytes(content)
        return cluster.longboat("image", "import", str(archive), "--data-dir", str(cluster.host.data), "--node", node)

    def ctr(*args: str) -> list[str]:
        enter = [
            f"--{kind}={cluster.host.data}/run/ns/{node}/{file}" for kind, file in (("net", "net"), ("mount", "mnt"))
        ]
        said = cluster.host.run(
            "nsenter", *enter, "ctr", "--address", "/run/containerd/containerd.sock", "-n", "k8s.io", *args
        )
        return sorted(" ".join(line.split()[:3]) for line in said.ok().out.splitlines())

    def held() -> list[list[str]]:
        return [ctr("images", "ls"), ctr("content", "ls", "-q"), ctr("content", "active"), ctr("snapshots", "ls")]

    load(docker({GOOD: LAYER})).ok()
    before = held()
    for name, content in BAD.items():
        done = load(content)
        assert done.code == 1, name
        # Less may be held: containerd collects what was let go before in its own time.
        more = [{*now} - {*then} for now, then in zip(held(), before, strict=True)]
        assert not any(more), f"{name} left {more}: {done.err}"
    cluster.longboat("image", "rm", GOOD, "--data-dir", str(cluster.host.data), "--node", node).ok()
