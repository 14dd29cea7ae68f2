"""For kopf, beside its example of admission: a webhook server on this machine whose certificate is in files.

The example lets kopf make one, which needs libraries that do not know the OpenSSL of today.
"""

from __future__ import annotations

import os
from typing import Any

import kopf


@kopf.on.startup()
def serve_here(settings: kopf.OperatorSettings, **_: Any) -> None:
    certificate = f"{os.environ['HOME']}/webhook.crt"
    settings.admission.server = kopf.WebhookServer(
        addr="127.0.0.1", host="localhost", certfile=certificate, cafile=certificate,
        pkeyfile=f"{os.environ['HOME']}/webhook.key",
    )  # fmt: skip
