"""The kubeconfigs that a control plane leaves for those who administer it."""

from __future__ import annotations

from pathlib import Path

from longboat.api.families import in_url
from longboat.apiserver.authz.action import MASTERS
from longboat.apiserver.authz.policy_components import ADMINISTRATORS
from longboat.apiserver.pki import Pki, write_private
from longboat.client.kubeconfig import with_certificate


def write(root: Path, pki: Pki, host: str, port: int) -> None:
    """The administrator's comes last: its being there tells `up` that the server listens. Raises OSError.

    Roles say what that one may. The other is for when they do no more (who deletes the binding shuts the door), and
    is asked about nothing: it is written down and kept out of everything else (CIS 5.1.7).
    """
    for file, name, group in (
        ("super-admin", "kubernetes-super-admin", MASTERS),
        ("admin", "kubernetes-admin", ADMINISTRATORS),
    ):
        pair = pki.client(file, name, (group,))
        text = with_certificate(
            f"https://{in_url(host)}:{port}", pki.ca.pair.certificate.read_text(), pair.certificate.read_bytes(),
            pair.key.read_bytes(), user=file, context="longboat",
        ).encode()  # fmt: skip
        path = root / f"{file}.kubeconfig"
        if not path.exists() or path.read_bytes() != text:
            write_private(path, text)
