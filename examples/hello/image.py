"""Builds the image of the hello example from this machine's busybox: no registry, no daemon, no compiler.

    python examples/hello/image.py hello.tar

A shell script writes the page (the pod's name, and a greeting from a ConfigMap), busybox serves it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from longboat.assembly import archive

IMAGE = "longboat.local/hello:1"
BUSYBOX = Path("/bin/busybox")  # Debian's package busybox-static
START = b"""#!/bin/sh
# Writes the page, serves it, and ends when asked to.
mkdir -p /tmp/www
echo "${GREETING:-Hello} from $(hostname)" > /tmp/www/index.html
httpd -f -p 8080 -h /tmp/www &
trap 'kill $!' TERM INT
wait
"""


def build() -> bytes:
    """The OCI archive."""
    applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()
    layer = archive.busybox_layer(BUSYBOX, applets).file("start", START, 0o755)
    config = {"Entrypoint": ["/start"], "Env": ["PATH=/bin"], "ExposedPorts": {"8080/tcp": {}}, "User": "65534:65534"}
    return archive.image(IMAGE, layer, config)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(build())
