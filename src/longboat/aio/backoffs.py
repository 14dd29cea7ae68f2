"""Ever longer waits between attempts, per key. Pure: the caller says what time it is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class _Entry:
    delay: float
    updated: float


@dataclass(slots=True)
class BackOff:
    """Doubles from `first` to `most` seconds; forgotten once nothing was counted for twice `most` (flowcontrol)."""

    first: float = 10.0
    most: float = 300.0
    _entries: dict[str, _Entry] = field(default_factory=dict)

    def count(self, key: str, now: float) -> None:
        """Another attempt is being made."""
        entry = self._entries.get(key)
        if entry is None or now - entry.updated > 2 * self.most:
            self._entries[key] = _Entry(self.first, now)
        else:
            self._entries[key] = _Entry(min(entry.delay * 2, self.most), now)

    def delay(self, key: str) -> float:
        entry = self._entries.get(key)
        return entry.delay if entry else 0.0

    def updated(self, key: str) -> float:
        """When the last attempt was counted; 0.0 where none was."""
        entry = self._entries.get(key)
        return entry.updated if entry else 0.0

    def remaining(self, key: str, since: float, now: float) -> float:
        """Seconds still to wait, counted from `since` (when the last attempt failed); 0.0: none."""
        entry = self._entries.get(key)
        if entry is None or since - entry.updated > 2 * self.most:
            return 0.0
        return max(since + entry.delay - now, 0.0)

    def held(self, key: str, now: float) -> float:
        """Seconds until another attempt may be made, counted from the last one; 0.0: now."""
        return self.remaining(key, self.updated(key), now) if now - self.updated(key) <= 2 * self.most else 0.0

    def prune(self, now: float) -> None:
        """Drop what counts for nothing any more."""
        for key in [key for key, entry in self._entries.items() if now - entry.updated > 2 * self.most]:
            del self._entries[key]

    def forget(self, prefix: str) -> None:
        for key in [key for key in self._entries if key.startswith(prefix)]:
            del self._entries[key]
