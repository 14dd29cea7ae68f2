"""Which objects a list shows, and of when: the newest, an exact revision, or the next page of a listing under way."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from longboat.apiserver.endpoint import Endpoint
from longboat.apiserver.handlers import tokens
from longboat.apiserver.handlers.selection import Selection
from longboat.apiserver.handlers.versions import parse_version, too_large, wait_until
from longboat.apiserver.options import EXACT, ListOptions
from longboat.machinery.errors import StatusError, bad_request, expired
from longboat.machinery.objects import Object
from longboat.storage.interface import Compacted, FutureRevision
from longboat.storage.watchcache import EntryPage


class Extent(NamedTuple):
    """The revision to list at (0: the newest), the key to go on after beneath the prefix, and how many (0: all)."""

    at: int = 0
    after: str = ""
    limit: int = 0


ALL = Extent()


async def extent_of(endpoint: Endpoint, options: ListOptions, chosen: Selection) -> Extent:
    """Return once what is asked for is there. Raises StatusError 400, 504."""
    limit = 0 if options.version == "0" else options.limit  # any version will do: then it is all that the cache has
    if options.token and not chosen.key:
        try:
            place = tokens.place_of(options.token)
        except ValueError as error:
            raise bad_request(f"invalid continue token: {error}") from None
        if options.version not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        await wait_until(endpoint, place.revision)
        return Extent(max(place.revision, 0), place.after, limit)
    try:
        wanted = parse_version(options.version)
    except ValueError as error:
        raise bad_request(f"invalid resource version: {error}") from None
    await wait_until(endpoint, wanted)
    exact = options.match == EXACT or (not options.match and limit > 0 and not chosen.key)
    return Extent(wanted if exact else 0, "", limit)


async def page_of(endpoint: Endpoint, prefix: str, extent: Extent, chosen: Selection) -> EntryPage:
    """Raises StatusError 410, 504, and Unreadable."""
    at, after, limit = extent
    after = after and prefix + after
    try:
        if chosen.everything:
            page = await endpoint.store.cache.page(prefix, at_revision=at, after=after, limit=limit)
            endpoint.store.cache.figures.listed("", len(page.entries), len(page.entries))
            return page
        return await _passing(endpoint, prefix, Extent(at, after, limit), chosen)
    except Compacted:
        raise _too_old(after.removeprefix(prefix)) from None
    except FutureRevision as error:
        raise too_large(at, error.current) from None


async def _passing(endpoint: Endpoint, prefix: str, extent: Extent, chosen: Selection) -> EntryPage:
    """The next entries that pass, after a whole key. There is another page where anything follows, passing or not."""
    (at, after, limit), cache, test = extent, endpoint.store.cache, chosen.test()
    few = None
    if at in (0, cache.revision) and not after:
        cache.check(prefix)
        few = chosen.candidates(cache, prefix)
    page = EntryPage(few, cache.revision) if few is not None else await cache.page(prefix, at_revision=at, after=after)
    if chosen.shown is not None:
        await endpoint.store.ready(page.entries)
    passing = filter(test, page.entries)
    found = list(islice(passing, limit) if limit else passing)
    index = "" if few is None else "name" if chosen.key else "labels"
    cache.figures.listed(index, len(page.entries), len(found))
    if not limit or len(found) < limit or chosen.key:
        return EntryPage(found, page.revision)
    last = found[-1].key
    more = cache.snapshot().count(prefix, last) > 0 if few is not None else page.entries[-1].key != last
    if more:
        cache.retain(page.revision)
    return EntryPage(found, page.revision, -1 if more else 0)


def _too_old(after: str) -> StatusError:
    if not after:
        return expired("The resourceVersion for the provided list is too old.")
    error = expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list."
    )
    error.list_meta = {"continue": tokens.token(tokens.Place(tokens.LATEST, after))}
    return error


def list_meta(page: EntryPage, prefix: str) -> Object:
    """The ListMeta of a page."""
    found: Object = {"resourceVersion": str(page.revision)}
    if page.more:
        found["continue"] = tokens.token(tokens.Place(page.revision, page.entries[-1].key.removeprefix(prefix)))
        if page.remaining > 0:
            found["remainingItemCount"] = page.remaining
    return found
