"""Archives as other tools write them: docker save (layers are tar files), OCI layouts with zstd layers."""

from __future__ import annotations

import json
import platform
import subprocess
from typing import Any

from images.build import BUSYBOX, applets
from longboat.assembly.archive import ARCHITECTURES, Layer, busybox_layer, digest

CONFIG = {
    "architecture": ARCHITECTURES[platform.machine()],
    "os": "linux",
    "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
}


def layer(filler: int = 0) -> bytes:
    """A shell, the file /hello, and as many bytes of nothing."""
    made = busybox_layer(BUSYBOX, applets()).file("hello", b"hello\n")
    return (made.file("filler", bytes(filler)) if filler else made).tar()


def docker_archive(name: str, filler: int = 0) -> bytes:
    tar = layer(filler)
    config = _json({**CONFIG, "rootfs": {"type": "layers", "diff_ids": [digest(tar)]}})
    id = digest(config).removeprefix("sha256:")
    listed = [{"Config": f"{id}.json", "RepoTags": [name], "Layers": ["layer/layer.tar"]}]
    archive = Layer().file(f"{id}.json", config).directory("layer").file("layer/layer.tar", tar)
    return archive.file("manifest.json", _json(listed)).tar()


def oci_archive(name: str, program: str) -> bytes:
    """Its layer is compressed by gzip or zstd."""
    tar = layer()
    packed = subprocess.run([program, "-c"], input=tar, capture_output=True, check=True).stdout
    config = _json({**CONFIG, "rootfs": {"type": "layers", "diff_ids": [digest(tar)]}})
    manifest = _json({
        "schemaVersion": 2, "mediaType": _type("manifest.v1+json"),
        "config": _described(config, "config.v1+json"), "layers": [_described(packed, f"layer.v1.tar+{program}")],
    })  # fmt: skip
    entry = {**_described(manifest, "manifest.v1+json"), "annotations": {"io.containerd.image.name": name}}
    archive = Layer().file("oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
    archive.file("index.json", _json({"schemaVersion": 2, "manifests": [entry]})).directory("blobs/sha256")
    for blob in (config, packed, manifest):
        archive.file(f"blobs/sha256/{digest(blob).removeprefix('sha256:')}", blob)
    return archive.tar()


def _described(blob: bytes, kind: str) -> dict[str, Any]:
    return {"mediaType": _type(kind), "digest": digest(blob), "size": len(blob)}


def _type(kind: str) -> str:
    return f"application/vnd.oci.image.{kind}"


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
