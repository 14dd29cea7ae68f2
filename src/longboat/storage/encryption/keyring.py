"""What seals what, as of now."""

from __future__ import annotations

from collections.abc import Mapping

from longboat.storage.encryption.sealer import Clear, Sealer


class Keyring:
    """Sealers by the prefix of the storage keys they are for; `use` replaces all of them at once."""

    def __init__(self, table: Mapping[str, Sealer] | None = None) -> None:
        self.covered: tuple[str, ...] = ()  # prefixes of what is sealed: str.startswith takes them all at once
        self.clear = Clear()
        self._table: Mapping[str, Sealer] = {}
        self.use(table or {})

    def use(self, table: Mapping[str, Sealer]) -> None:
        self._table = table
        self.covered = tuple(table)

    def sealer(self, key: str) -> Sealer:
        """That of the longest prefix the key has; without any, the value stays in the clear."""
        if key.startswith(self.covered):
            at = len(key)
            while (at := key.rfind("/", 0, at)) >= 0:
                if (found := self._table.get(key[: at + 1])) is not None:
                    return found
        return self.clear
