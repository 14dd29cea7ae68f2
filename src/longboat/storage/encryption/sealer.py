"""What turns a value into sealed bytes and back: one key, or several tried in turn by the prefix of what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

SEALED = b"k8s:enc:"  # reserved: nothing that is stored in the clear begins with it


class CannotOpen(Exception):
    """A stored value that these keys do not open: no key for it, or not the bytes that were sealed. Never holds any."""


class CannotSeal(Exception):
    """A value that cannot be sealed now (a key management service is away)."""


class Opened(NamedTuple):
    """A value in the clear. `stale`: it should be sealed again, with what seals new values now."""

    plain: bytes
    stale: bool = False


class Sealer(Protocol):
    """`key` is where the value is stored; a sealer may bind the value to it. `prefix` is no part of what it handles."""

    prefix: bytes

    async def seal(self, key: str, plain: bytes) -> bytes:
        """Raises CannotSeal."""
        ...

    async def open(self, key: str, sealed: bytes) -> Opened:
        """Raises CannotOpen."""
        ...


class Clear:
    """The provider `identity`: values are stored as they are."""

    prefix = b""

    async def seal(self, key: str, plain: bytes) -> bytes:
        return plain

    async def open(self, key: str, sealed: bytes) -> Opened:
        if sealed.startswith(SEALED):
            raise CannotOpen("identity transformer tried to read encrypted data")
        return Opened(sealed)


class Several:
    """The first seals; each whose prefix fits is tried to open, for two may share a prefix and not a key.

    `unmatched` is what to say where no prefix fits.
    """

    def __init__(self, sealers: Sequence[Sealer], *, prefix: bytes = b"", unmatched: str) -> None:
        self.prefix = prefix
        self._sealers = tuple(sealers)
        self._unmatched = unmatched

    async def seal(self, key: str, plain: bytes) -> bytes:
        first = self._sealers[0]
        return first.prefix + await first.seal(key, plain)

    async def open(self, key: str, sealed: bytes) -> Opened:
        problems: list[str] = []
        for place, sealer in enumerate(self._sealers):
            if not sealed.startswith(sealer.prefix):
                continue
            try:
                opened = await sealer.open(key, sealed[len(sealer.prefix) :])
            except CannotOpen as problem:
                if sealer.prefix:  # `identity` before others leaves sealed values to them
                    problems.append(str(problem))
                continue
            return Opened(opened.plain, opened.stale or place > 0)
        raise CannotOpen(together(problems) or self._unmatched)


def together(problems: Sequence[str]) -> str:
    """Several problems as upstream joins them: each once, in brackets if there is more than one."""
    different = list(dict.fromkeys(problems))
    return different[0] if len(different) == 1 else f"[{', '.join(different)}]" if different else ""
