"""Stored objects as a sequence that decodes each where it is taken: for whoever may stop before the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import msgspec

from longboat.machinery.objects import Object
from longboat.storage.entry import Entry

_decode = msgspec.json.Decoder().decode


class Decoded(Sequence[Object]):
    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, i: int) -> Object: ...

    @overload
    def __getitem__(self, i: slice) -> Decoded: ...

    def __getitem__(self, i: int | slice) -> Object | Decoded:
        if isinstance(i, slice):
            return Decoded(self._entries[i])
        found: Object = _decode(self._entries[i].body)
        return found
