"""Who the API server is to webhooks: users of a kubeconfig, named after the servers that are shown them
(WebhookAdmissionConfiguration)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

from longboat.api.families import in_url
from longboat.client import kubeconfig
from longboat.client.kubeconfig import Credential
from longboat.machinery import configfile
from longboat.machinery.configfile import BadConfiguration
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.types.shapes import SCALARS

KIND, VERSIONS = "WebhookAdmissionConfiguration", ("apiserver.config.k8s.io/v1",)
SHAPE = configfile.struct(
    "io.k8s.apiserver.v1.WebhookAdmission",
    kind=SCALARS["string"],
    apiVersion=SCALARS["string"],
    kubeConfigFile=SCALARS["string"],
)
ANYBODY = "*"
HTTPS = 443


@dataclass(frozen=True)
class Credentials:
    """`users` by the servers they are for; `current` is for all others, if there is one."""

    users: Mapping[str, Credential] = field(default_factory=dict)
    current: Credential | None = None

    def of(self, host: str, port: int) -> Credential | None:
        """By name and port, with a star for the name's first labels, both without port 443; or what is for all."""
        for name in _names(host, port):
            if (found := self.users.get(name)) is not None:
                return found
        return self.current


def _names(host: str, port: int) -> Iterator[str]:
    host = in_url(host)
    for name in (f"{host}:{port}", *((host,) if port == HTTPS else ())):
        yield name
        labels = name.split(".")
        for i in range(1, len(labels)):
            yield f"*.{'.'.join(labels[i:])}"
    yield ANYBODY


NONE = Credentials()


def settings(found: dict[str, Any]) -> tuple[Credentials, Errors]:
    """`found` has the right types already (`SHAPE`). Raises BadConfiguration, which names the kubeconfig."""
    err, named = Errors(), found.get("kubeConfigFile") or ""
    if not named:
        return NONE, err
    if not File(named).is_absolute():
        err.invalid(Path("kubeConfigFile"), named, "must be an absolute file path")
        return NONE, err
    try:
        return Credentials(*kubeconfig.credentials(File(named))), err
    except OSError as error:
        raise BadConfiguration(f"{named}: {error.strerror or error}") from error
    except (kubeconfig.BadKubeconfig, ssl.SSLError) as error:
        raise BadConfiguration(str(error)) from error
