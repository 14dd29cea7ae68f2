"""resourceVersion in reads: what a client may ask for, and waiting until it can be given."""

from __future__ import annotations

from longboat.apiserver.endpoint import Endpoint
from longboat.machinery.errors import StatusError, bad_request

PATIENCE = 3.0  # seconds a read waits for a revision that has not been written yet (apiserver, blockTimeout)


def parse_version(text: str, field: str = "resourceVersion") -> int:
    """Raises StatusError 400."""
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 64:
        shown = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f'{field}: Invalid value: "{text}": {shown}')
    return int(text)


async def wait_until(endpoint: Endpoint, version: str) -> int:
    """Return once the cache holds this revision or a later one. Raises StatusError 400, 504."""
    wanted = parse_version(version)
    cache = endpoint.store.cache
    if wanted > cache.revision:
        try:
            async with endpoint.clock.timeout(PATIENCE):
                await cache.wait_for(wanted)
        except TimeoutError:
            raise too_large(wanted, cache.revision) from None
    return wanted


def too_large(wanted: int, current: int) -> StatusError:
    message = f"Too large resource version: {wanted}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return StatusError(504, "Timeout", f"Timeout: {message}", {"causes": causes, "retryAfterSeconds": 1}, 1)
