"""What the files say by which audit is configured."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from longboat.apiserver import remote
from longboat.apiserver.audit import policy_file, webhook
from longboat.apiserver.audit.rules import Policy
from longboat.assembly.control_plane.settings import AuditWebhook


def policy(file: Path | None) -> Policy | None:
    """Raises BadConfiguration."""
    return policy_file.load(file) if file else None


def receiver(given: AuditWebhook | None) -> webhook.Settings | None:
    """Raises BadConfiguration."""
    if given is None:
        return None
    said = asdict(given)
    return webhook.Settings(remote.load(said.pop("config")), **said)
