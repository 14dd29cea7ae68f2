"""The keys that seal a cluster's Secrets: the file they are in, and who may use or change it.

`encryption.json` is an EncryptionConfiguration, made when a cluster first starts; whoever owns it may edit it. While it
runs, a control plane holds `encryption.lock` shared. Who holds it alone may rely on none running, and none starting.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.assembly import files
from longboat.assembly.errors import Failure
from longboat.machinery.configfile import BadConfiguration
from longboat.storage.encryption.configuration import read
from longboat.storage.encryption.rewrite import origin
from longboat.storage.encryption.rotation import KEY_BYTES, Document, first, name_of
from longboat.storage.encryption.sealer import SEALED
from longboat.storage.interface import Storage

PATIENCE = 10.0  # seconds a control plane that starts waits for whoever changes the keys
SECRETS = "/registry/secrets/"


def file(root: Path) -> Path:
    return root / "encryption.json"


def write(path: Path, document: Document) -> bytes:
    """Replace the file in one step, so that it outlasts a power cut; what it says now. Raises Failure."""
    text = json.dumps(document, indent=1) + "\n"
    files.write(path, text)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return text.encode()


def load(path: Path) -> tuple[Document, bytes]:
    """The document, and the bytes it is in. Raises Failure."""
    try:
        data = path.read_bytes()
        return read(data), data
    except FileNotFoundError:
        raise Failure(
            f"there are no keys in {path}",
            "If the cluster uses another file: --encryption-provider-config FILE. If it has never run: longboat up",
        ) from None
    except OSError as error:
        raise files.unusable(path, error) from error
    except BadConfiguration as error:
        raise Failure(f"{path} is not an EncryptionConfiguration: {error}") from error


async def ensure(root: Path, storage: Storage, clock: Clock) -> Path:
    """The cluster's own file, made if there is none. Raises Failure, StorageError.

    Secrets that are there already, in the clear, stay readable; sealed ones mean that the file has been lost.
    """
    path = file(root)
    if path.exists():
        return path
    found = (await storage.list(SECRETS, limit=1)).items
    if found and found[0].value.startswith(SEALED):
        raise Failure(
            f"{path} is missing, and Secrets are sealed with a key it had ({origin(found[0].value)})",
            "Put it back from a copy. Nothing else opens them",
        )
    write(path, first(name_of(clock.now()), secrets.token_bytes(KEY_BYTES), clear=bool(found)))
    return path


class Lock:
    """`encryption.lock` in a data directory."""

    def __init__(self, root: Path, name: str = "encryption.lock") -> None:
        """Raises Failure."""
        path = root / name
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise files.unusable(path, error) from error

    def take(self, *, alone: bool) -> bool:
        """Whether it is ours now."""
        try:
            fcntl.flock(self._descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def share(self, clock: Clock) -> None:
        """Raises Failure if somebody changes the keys for longer than PATIENCE."""
        deadline = clock.monotonic() + PATIENCE
        while not self.take(alone=False):
            if clock.monotonic() > deadline:
                raise Failure("the cluster's keys are being changed", "Wait for: longboat secrets-encrypt rotate")
            await clock.sleep(0.05)

    def close(self) -> None:
        os.close(self._descriptor)
