"""Versions of a kind that somebody else converts: how code that does no I/O gets what takes an exchange.

It says what it lacks (`Unconverted`), is given that, and runs again from its beginning. So it has to leave what it is
given as it was until it has all that it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias

import msgspec

from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, meta
from longboat.storage.entry import Entry

BATCH = 1 << 20  # bytes of the objects that one exchange is about, where they are more than one
OWN = ("labels", "annotations")  # what of the metadata a version may have otherwise
_UNSEEN = ("resourceVersion", "managedFields")  # what does not change what an object is converted to
_encode = msgspec.json.Encoder(order="sorted").encode


class Unconvertible(StatusError):
    """Who converts cannot be asked, or does not say what it has to. The message is upstream's; it has no reason."""

    def __init__(self, message: str) -> None:
        super().__init__(500, "", message)


class Converter(Protocol):
    async def convert(self, objects: Sequence[Object], to: str) -> list[Object]:
        """Objects of one apiVersion in another, in the same order. Their metadata stays, but for `OWN`.

        Raises Unconvertible.
        """
        ...

    def close(self) -> None:
        """Nobody will ask it any more."""
        ...


class Unconverted(Exception):
    """An object is needed in another version. `during`: what is told before the reason, where there is none."""

    def __init__(self, converter: Converter, obj: Object, to: str, key: bytes, during: str) -> None:
        super().__init__(to)
        self.converter, self.obj, self.to, self.key, self.during = converter, obj, to, key, during


Known: TypeAlias = dict[tuple[bytes, str], Object]
Run: TypeAlias = Callable[..., Awaitable[Any]]
"""Calls a function with arguments, here or beside the loop (`Seat.run`)."""

_NOTHING: Known = {}  # and nobody adds to it
_UNTOUCHED: Known = {}  # stands for whatever is asked
_known: ContextVar[Known] = ContextVar("_known", default=_NOTHING)


def converted(converter: Converter, obj: Object, to: str, during: str = "") -> Object:
    """An object in another version, where it is known; as it is for who works on it `untouched`. Raises Unconverted."""
    known = _known.get()
    if known is _UNTOUCHED:
        return obj
    key = _encode(obj | {"metadata": _without(meta(obj), _UNSEEN)})
    found = known.get((key, to))
    if found is None:
        raise Unconverted(converter, obj, to, key, during)
    return found | {"metadata": _without(meta(obj), OWN) | {n: meta(found)[n] for n in OWN if n in meta(found)}}


class Conversions:
    """What one write has had converted. Each object is asked for once, however often the write begins anew."""

    def __init__(self, run: Run) -> None:
        self._run, self._known = run, Known()

    async def run(self, work: Callable[..., Any], *args: Any, **more: Any) -> Any:
        """Raises Unconvertible."""
        while True:
            try:
                return await self._run(self._knowing, work, args, more)
            except Unconverted as lack:
                self._known[lack.key, lack.to] = await _asked(lack)

    def _knowing(self, work: Callable[..., Any], args: tuple[Any, ...], more: dict[str, Any]) -> Any:
        return _with(self._known, work, *args, **more)


def untouched(run: Run) -> Run:
    """Calls what needs nothing but metadata, and that of whatever version: nobody is asked for another."""

    async def running(work: Callable[..., Any], *args: Any, **more: Any) -> Any:
        return await run(_with, _UNTOUCHED, work, *args, **more)

    return running


def _with(known: Known, work: Callable[..., Any], *args: Any, **more: Any) -> Any:
    token = _known.set(known)
    try:
        return work(*args, **more)
    finally:
        _known.reset(token)


class Together:
    """Entries that are being converted: who wants one that somebody has begun with waits for that."""

    def __init__(self) -> None:
        self._begun: dict[tuple[str, int], asyncio.Future[Unconvertible | None]] = {}

    async def have(
        self, lacking: Callable[[], list[Entry]], make: Callable[[list[Entry]], Awaitable[None]]
    ) -> None:  # fmt: skip
        """Return once none is lacking. `make` makes what it is given, or raises. Raises Unconvertible."""
        while entries := lacking():
            mine = [entry for entry in entries if _place(entry) not in self._begun]
            if mine:
                await self._make(mine, make)
                continue
            begun = self._begun[_place(entries[0])]
            await asyncio.wait((begun,))
            if not begun.cancelled() and (failed := begun.result()) is not None:
                raise Unconvertible(failed.message)

    async def _make(self, entries: list[Entry], make: Callable[[list[Entry]], Awaitable[None]]) -> None:
        end: asyncio.Future[Unconvertible | None] = asyncio.get_running_loop().create_future()
        self._begun |= {_place(entry): end for entry in entries}
        try:
            await make(entries)
            end.set_result(None)
        except Unconvertible as error:
            end.set_result(error)
            raise
        finally:
            end.cancel()  # if it has no result: whoever waits has to begin anew
            for entry in entries:
                del self._begun[_place(entry)]


def batches(entries: Iterable[Entry], version_of: Callable[[Entry], str]) -> Iterator[tuple[str, list[Entry]]]:
    """Those of one version together, unless they are more than is asked for at once."""
    by_version: dict[str, tuple[list[Entry], int]] = {}
    for entry in entries:
        version = version_of(entry)
        batch, size = by_version.get(version, ([], 0))
        if batch and size + len(entry.body) > BATCH:
            yield version, batch
            batch, size = [], 0
        batch.append(entry)
        by_version[version] = batch, size + len(entry.body)
    for version, (batch, _) in by_version.items():
        yield version, batch


def _place(entry: Entry) -> tuple[str, int]:
    return entry.key, entry.revision


async def _asked(lack: Unconverted) -> Object:
    bare = lack.obj | {"metadata": _without(meta(lack.obj), ("resourceVersion",))}
    try:
        (found,) = await lack.converter.convert((bare,), lack.to)
    except Unconvertible as error:
        raise Unconvertible(lack.during + error.message) from None
    return found


def _without(found: Object, names: Sequence[str]) -> Object:
    return {name: value for name, value in found.items() if name not in names}
