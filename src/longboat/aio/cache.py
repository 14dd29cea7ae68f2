"""Memory of what has been worked out before, bounded in entries and in bytes: what a client can fill must be both."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache, update_wrapper
from typing import Concatenate, Generic, ParamSpec, TypeVar

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")
T = TypeVar("T", str, bytes)

ENTRY = 256  # bytes that an entry takes besides its contents, roughly


class BoundedCache(Generic[K, V]):
    """A dict that forgets what has not been asked for longest once it holds more than `count` entries or `size` bytes.

    `measure` says how many bytes a key and its value take. What is larger than an eighth of the whole is not kept: one
    client's giants would push out everybody's entries.
    """

    def __init__(self, count: int, size: int, measure: Callable[[K, V], int]) -> None:
        self.bytes = 0
        self._count, self._size = count, size
        self._measure = measure
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found[0]

    def values(self) -> list[V]:
        return [value for value, _ in list(self._entries.values())]

    def put(self, key: K, value: V) -> None:
        self.pop(key)
        size = self._measure(key, value) + ENTRY
        if size > self._size >> 3:
            return
        self._entries[key] = value, size
        self.bytes += size
        while self.bytes > self._size or len(self._entries) > self._count:
            _, (_, freed) = self._entries.popitem(last=False)
            self.bytes -= freed

    def pop(self, key: K) -> None:
        """Forget it, if it is there."""
        found = self._entries.pop(key, None)
        if found is not None:
            self.bytes -= found[1]

    def clear(self) -> None:
        self._entries.clear()
        self.bytes = 0


def short_lru(maxsize: int, longest: int) -> Callable[[Callable[Concatenate[T, P], V]], Callable[Concatenate[T, P], V]]:
    """`lru_cache` for functions of one text: those of more than `longest` characters are worked out each time."""

    def decorate(function: Callable[Concatenate[T, P], V]) -> Callable[Concatenate[T, P], V]:
        cached = lru_cache(maxsize)(function)

        def call(text: T, /, *args: P.args, **named: P.kwargs) -> V:
            if len(text) > longest:
                return function(text, *args, **named)
            found: V = cached(text, *args, **named)  # type: ignore[arg-type]
            return found

        update_wrapper(call, function)
        return call

    return decorate
