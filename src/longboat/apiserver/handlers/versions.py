"""resourceVersion in reads: what a client may ask for, and waiting until it can be given."""

from __future__ import annotations

from longboat.apiserver.endpoint import Endpoint
from longboat.machinery import strconv
from longboat.machinery.errors import StatusError
from longboat.machinery.fieldpath import quoted

PATIENCE = 3.0  # seconds a read waits for a revision that has not been written yet (apiserver, blockTimeout)


def parse_version(text: str) -> int:
    """0 where it says nothing. Raises ValueError in the words of upstream's storage."""
    try:
        return strconv.unsigned(text) if text else 0
    except ValueError as error:
        raise ValueError(f"resourceVersion: Invalid value: {quoted(text)}: {error}") from None


def version_of(text: str) -> int:
    """As `parse_version`, of a GET or a watch. Raises StatusError 500, without a reason, for what is no number."""
    try:
        return parse_version(text)
    except ValueError as error:
        raise StatusError(500, "", str(error)) from None


async def wait_until(endpoint: Endpoint, wanted: int) -> None:
    """Return once the cache holds this revision or a later one. Raises StatusError 504."""
    cache = endpoint.store.cache
    if wanted > cache.revision:
        began = endpoint.clock.monotonic()
        try:
            async with endpoint.clock.timeout(PATIENCE):
                await cache.wait_for(wanted)
        except TimeoutError:
            raise too_large(wanted, cache.revision) from None
        finally:
            cache.figures.read_wait.observe(endpoint.clock.monotonic() - began)


def too_large(wanted: int, current: int) -> StatusError:
    message = f"Too large resource version: {wanted}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return StatusError(504, "Timeout", f"Timeout: {message}", {"causes": causes, "retryAfterSeconds": 1}, 1)
