"""Label and field selectors of a request, put together into one test of an entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from longboat.apiserver.endpoint import Endpoint
from longboat.apiserver.options import ListOptions, list_options
from longboat.apiserver.request import Request
from longboat.machinery import fields, selectors
from longboat.machinery.errors import bad_request
from longboat.machinery.fields import FieldSelector
from longboat.machinery.selectors import LabelSelector
from longboat.storage.entry import Entry
from longboat.storage.watchcache import WatchCache

LONG = 4 << 10  # characters of a query, from which on its selectors are read beside the loop

ALWAYS = frozenset(("metadata.name", "metadata.namespace"))

Test = Callable[[Entry], bool]


@dataclass(frozen=True, slots=True)
class Selection:
    labels: LabelSelector
    fields: FieldSelector
    name: str = ""  # the one that all objects that pass have
    key: str = ""  # of the one object that can pass, where that is known
    shown: Callable[[Entry], Entry] | None = None  # where fields are not those of what is stored: `Store.ready` before

    @property
    def everything(self) -> bool:
        return self.labels.empty and self.fields.empty and not self.name

    def test(self) -> Test | None:
        """None where every entry passes."""
        if self.everything:
            return None
        labels, chosen, suffix = self.labels, self.fields, f"/{self.name}" if self.name else ""
        if chosen.empty:
            return lambda entry: labels.matches(entry.labels) and entry.key.endswith(suffix)
        if shown := self.shown:
            return lambda entry: (
                labels.matches(entry.labels) and chosen.matches(shown(entry).fields) and entry.key.endswith(suffix)
            )
        return lambda entry: (
            labels.matches(entry.labels) and chosen.matches(entry.fields) and entry.key.endswith(suffix)
        )

    def candidates(self, cache: WatchCache, prefix: str) -> list[Entry] | None:
        """Entries beneath `prefix`, as of now and in key order, among which are all that pass; None for simply all."""
        if self.key:
            found = cache.get(self.key)
            return [] if found is None else [found]
        return None if self.labels.empty else cache.carrying(prefix, self.labels)

    def passing(self, cache: WatchCache, prefix: str) -> Iterator[Entry]:
        """The entries beneath `prefix` that pass, as of now, in key order; found as they are taken."""
        few, test = self.candidates(cache, prefix), self.test()
        return filter(test, cache.snapshot().walk(prefix) if few is None else few)


async def asked(endpoint: Endpoint, request: Request) -> tuple[ListOptions, Selection]:
    """What a list, a watch, or the deletion of a collection asks for. Raises StatusError 400, 422."""
    if len(request.raw_query) > LONG:
        await request.seat.take()
    return await request.seat.run(_asked, endpoint, request)


def _asked(endpoint: Endpoint, request: Request) -> tuple[ListOptions, Selection]:
    """In upstream's order: what cannot be read, what contradicts itself, what cannot be selected by."""
    options = list_options(request.query)
    try:
        labels, chosen = selectors.parse(request.arg("labelSelector")), fields.parse(request.arg("fieldSelector"))
    except ValueError as error:
        raise bad_request(str(error)) from error
    options.check()
    selectable = endpoint.strategy.selectable
    for requirement in chosen.requirements:
        if requirement.field not in ALWAYS and requirement.field not in selectable:
            raise bad_request(_unknown(requirement.field, of_its_own=bool(selectable)))
    name, given = request.info.name, chosen.exactly("metadata.name")
    if name and not chosen.empty and given != name:
        raise bad_request("fieldSelector metadata.name doesn't match requested name")
    name, store, namespace = name or given or "", endpoint.store, request.info.namespace
    whole = name and (namespace or not endpoint.kind.namespaced)
    asks = store.codec.asks and any(each.field not in ALWAYS for each in chosen.requirements)
    shown = store.codec.shown if asks else None
    return options, Selection(labels, chosen, name, store.key(namespace, name) if whole else "", shown)


def _unknown(field: str, *, of_its_own: bool) -> str:
    """Kinds with selectable fields of their own have words of their own."""
    if of_its_own:
        return f"field label not supported: {field}"
    return f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
