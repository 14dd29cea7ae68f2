"""The objects that parametrize a policy: which of them a binding chooses (admissionregistration v1, ParamRef).

They are read where all objects are: in the watch cache of their kind, which is there whether a policy names it or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from longboat.aio.cache import BoundedCache
from longboat.apiserver.resources import Resources
from longboat.machinery import selectors
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.store import Store
from longboat.storage.entry import Entry

KEPT, KEPT_BYTES = 1024, 4 << 20  # parameters that stay decoded

_decode = msgspec.json.Decoder().decode


class Misconfigured(Exception):
    """The policy or the binding cannot be used; the message is upstream's."""


class Params:
    def __init__(self, stores: Mapping[Kind, Store], resources: Resources) -> None:
        self._stores, self._resources = stores, resources
        self._decoded: BoundedCache[tuple[str, int, type], Object] = BoundedCache(
            KEPT, KEPT_BYTES, lambda key, obj: 2 * len(key[0]) + 8 * len(msgspec.json.encode(obj))
        )

    def store(self, kind: Object) -> Store:
        """Of a ParamKind. Raises Misconfigured."""
        group, _, version = (kind.get("apiVersion") or "").rpartition("/")
        name = kind.get("kind") or ""
        named = self._resources.named(group, version, name)
        found = None if named is None else self._stores.get(named)
        if found is None:
            raise Misconfigured(f"failed to find resource referenced by paramKind: '{group}/{version}, Kind={name}'")
        return found

    async def chosen(self, store: Store, ref: Object, namespace: str) -> list[Object]:
        """What a ParamRef refers to, for a request in this namespace ("": in none). Raises Misconfigured."""
        where = self._namespace(store, ref, namespace)
        name, selector = ref.get("name") or "", ref.get("selector")
        found: Sequence[Entry] = ()
        if name:
            entry = store.find(where, name)
            found = () if entry is None else (entry,)
        elif selector is not None:
            wanted = selectors.from_api(selector)
            entries = store.cache.carrying(store.prefix(where), wanted)
            entries = store.entries(where) if entries is None else entries
            found = [entry for entry in entries if wanted.matches(entry.labels)]
        else:
            raise Misconfigured("one of name or selector must be provided")
        if not found and ref.get("parameterNotFoundAction") == "Deny":
            raise Misconfigured("no params found for policy binding with `Deny` parameterNotFoundAction")
        await store.ready(found)
        return [self._object(store, entry) for entry in found]

    @staticmethod
    def _namespace(store: Store, ref: Object, namespace: str) -> str:
        if not store.kind.namespaced:
            if ref.get("namespace"):
                raise Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
            return ""
        found: str = ref.get("namespace") or namespace
        if not found:
            raise Misconfigured(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            )
        return found

    def _object(self, store: Store, entry: Entry) -> Object:
        key = (entry.key, entry.revision, type(store.strategy))  # whose schema may become another
        found = self._decoded.get(key)
        if found is None:
            found = _decode(store.codec.shown(entry).body)
            self._decoded.put(key, found)
        return found
