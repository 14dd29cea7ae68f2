"""Container images written as OCI archives, without a builder or a registry (image-spec v1.1, image layout)."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # uname's name: Go's name


@dataclass
class Layer:
    """A file tree. The same content always gives the same bytes: times are zero, owners root."""

    members: list[tuple[tarfile.TarInfo, bytes]] = field(default_factory=list)

    def directory(self, path: str, mode: int = 0o755) -> Layer:
        return self._add(path, tarfile.DIRTYPE, mode)

    def file(self, path: str, data: bytes, mode: int = 0o644) -> Layer:
        return self._add(path, tarfile.REGTYPE, mode, data=data)

    def symlink(self, path: str, target: str) -> Layer:
        return self._add(path, tarfile.SYMTYPE, 0o777, target=target)

    def _add(self, path: str, kind: bytes, mode: int, *, data: bytes = b"", target: str = "") -> Layer:
        info = tarfile.TarInfo(path.strip("/"))
        info.type, info.mode, info.size, info.linkname = kind, mode, len(data), target
        self.members.append((info, data))
        return self

    def tar(self) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for info, data in self.members:
                archive.addfile(info, io.BytesIO(data))
        return buffer.getvalue()


def image(name: str, layer: Layer, config: dict[str, Any]) -> bytes:
    """An OCI archive of a one-layer image for this machine. `config` is the spec's: Entrypoint, Cmd, Env, User…"""
    return layered(name, [layer], config)


def layered(name: str, layers: Sequence[Layer], config: dict[str, Any]) -> bytes:
    """The same of several layers, the lowest first, or of none."""
    tars = [layer.tar() for layer in layers]
    blobs: list[bytes] = []

    def blob(media_type: str, data: bytes) -> dict[str, Any]:
        blobs.append(data)
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": digest(data), "size": len(data)}

    described = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in tars]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "longboat"} for _ in tars],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config.v1+json", _json(described)),
        "layers": [blob("layer.v1.tar+gzip", gzip.compress(tar, compresslevel=6, mtime=0)) for tar in tars],
    }
    entry = blob("manifest.v1+json", _json(manifest))
    entry["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    archive = Layer().directory("blobs").directory("blobs/sha256")
    archive.file("oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
    archive.file("index.json", _json({"schemaVersion": 2, "manifests": [entry]}))
    for data in blobs:
        archive.file(f"blobs/sha256/{digest(data).removeprefix('sha256:')}", data)
    return archive.tar()


def busybox_layer(binary: Path, applets: list[str]) -> Layer:
    """A small Unix: the static busybox, a link per applet, accounts, /tmp."""
    layer = Layer()
    for path in ("bin", "etc", "root", "var", "usr", "usr/bin", "home", "dev", "proc", "sys"):
        layer.directory(path)
    layer.directory("tmp", 0o1777)
    layer.file("bin/busybox", binary.read_bytes(), 0o755)
    for applet in sorted(set(applets) - {"busybox"}):
        layer.symlink(f"bin/{applet}", "/bin/busybox")
    layer.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n")
    layer.file("etc/group", b"root:x:0:\nnobody:x:65534:\n")
    return layer


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
