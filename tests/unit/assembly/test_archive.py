"""Images are made the same way every time, and the pause program is what the kernel can run."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from longboat.assembly import archive
from longboat.assembly.node import pause
from longboat.cli.errors import Failure


def test_an_image_is_an_oci_layout_whose_digests_hold() -> None:
    layer = archive.Layer().directory("bin").file("bin/x", b"x", 0o755).symlink("bin/y", "/bin/x")
    data = archive.image("longboat.local/x:1", layer, {"Entrypoint": ["/bin/x"]})
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        content = {m.name: f.read() for m in tar.getmembers() if (f := tar.extractfile(m)) is not None}
    for name, blob in content.items():
        if name.startswith("blobs/"):
            assert name.endswith(hashlib.sha256(blob).hexdigest())
    index = json.loads(content["index.json"])["manifests"][0]
    assert index["annotations"]["io.containerd.image.name"] == "longboat.local/x:1"
    manifest = json.loads(content["blobs/sha256/" + index["digest"].removeprefix("sha256:")])
    config = json.loads(content["blobs/sha256/" + manifest["config"]["digest"].removeprefix("sha256:")])
    packed = content["blobs/sha256/" + manifest["layers"][0]["digest"].removeprefix("sha256:")]
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(gzip.decompress(packed)).hexdigest()]
    assert data == archive.image("longboat.local/x:1", layer, {"Entrypoint": ["/bin/x"]})


@pytest.mark.skipif(platform.machine() not in pause.MACHINES, reason="no pause program for this machine")
def test_the_pause_program_sleeps_and_reaps(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(pause.executable())
    program.chmod(0o755)
    with subprocess.Popen([program]) as process:
        try:
            ignored = 0
            while not ignored:
                assert process.poll() is None
                status = Path(f"/proc/{process.pid}/status").read_text()
                ignored = int(next(line for line in status.splitlines() if "SigIgn" in line).split()[1], 16)
                ignored &= 1 << signal.SIGCHLD - 1
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.1)
            spent = Path(f"/proc/{process.pid}/stat").read_text().split()[13:15]
            assert spent == ["0", "0"]
        finally:
            process.kill()


def test_every_machine_has_a_whole_program() -> None:
    for machine in pause.MACHINES:
        assert len(pause.executable(machine)) > pause.HEADERS
    with pytest.raises(Failure, match="m68k"):
        pause.executable("m68k")
