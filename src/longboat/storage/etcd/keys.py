"""Where keys lie in etcd: `/registry/…` as upstream has them, beneath whatever prefix the cluster was given."""

from __future__ import annotations

from longboat.storage.keys import end_of

ROOT = "/registry"
# Ours alone, before every resource in the order of keys, so that listings of all resources simply begin after it.
OWN = "/.longboat/"
# Upstream's, and like there outside of the prefix: history belongs to the whole etcd.
COMPACTED = b"compact_rev_key"


class Keys:
    """Keys as the cluster knows them to keys in etcd, and back. `prefix` has no "/" at its end."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.all = self.inner(f"{ROOT}/"), end_of(f"{prefix}/").encode()
        self.own = f"{prefix}{OWN}".encode()
        self.identity = self.own + b"cluster"
        self.mark = self.own + b"progress"
        self._strip = len(prefix.encode())

    def inner(self, key: str) -> bytes:
        return (self.prefix + key.removeprefix(ROOT)).encode()

    def outer(self, key: bytes) -> str:
        return ROOT + key[self._strip :].decode()

    def range(self, prefix: str, after: str) -> tuple[bytes, bytes]:
        """The first key of a listing beneath `prefix` (which ends in "/") greater than `after`, and the one past it."""
        end = self.inner(end_of(prefix))
        if prefix == f"{ROOT}/":
            start, end = end_of(f"{self.prefix}{OWN}").encode(), self.all[1]
        else:
            start = self.inner(prefix)
        return max(start, self.inner(after) + b"\0") if after else start, end
