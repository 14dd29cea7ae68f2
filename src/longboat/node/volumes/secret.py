"""secret volumes: entries of a Secret as files, in memory only."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator

from longboat.node.views.objects import Secret
from longboat.node.views.volumes import KeyToPath, SecretSource, Volume
from longboat.node.volumes.config_map import selected
from longboat.node.volumes.content import Content, ContentPlugin
from longboat.node.volumes.payload import File, Payload
from longboat.node.volumes.plugin import Reference, Spec


def files(secret: Secret | None, items: list[KeyToPath], mode: int, optional: bool, name: str) -> dict[str, File]:
    """None stands for a Secret that does not exist. Raises ValueError."""
    if secret is None:
        if optional:
            return {}
        raise ValueError(f'secret "{name}" not found')
    data = {key: b64decode(text) for key, text in secret.data.items()}
    return selected(data, items, mode, optional, "references non-existent secret key")


class SecretPlugin(ContentPlugin):
    NAME, FIELD = "kubernetes.io/secret", "secret"
    IN_MEMORY = True

    @classmethod
    def references(cls, volume: Volume) -> Iterator[Reference]:
        if volume.secret:
            yield "secret", volume.secret.secretName

    def files(self, spec: Spec, found: Content) -> Payload:
        source: SecretSource = self.source(spec)
        name = source.secretName
        return files(found.secrets[name], source.items, source.defaultMode, source.optional, name)
