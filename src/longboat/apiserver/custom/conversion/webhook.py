"""Asking a conversion webhook: one exchange for objects of one version, checked as upstream checks it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

from longboat.aio.clock import Clock
from longboat.apiserver.admission.webhooks.caller import Caller
from longboat.apiserver.admission.webhooks.review import Unanswered
from longboat.apiserver.admission.webhooks.target import Target
from longboat.apiserver.custom.conversion import review
from longboat.apiserver.custom.conversion.checking import METADATA, OBJECT, Odd, checked, parsed
from longboat.apiserver.custom.conversion.figures import CALL, INVALID, MALFORMED, PARTIAL, ConversionFigures
from longboat.machinery.objects import Object
from longboat.machinery.types.wording import Mistake
from longboat.registry.conversion import Unconvertible
from longboat.registry.kinds.apiextensions.conversion import REVIEWS

SECONDS = 30  # of an exchange (apiserver, util/webhook: defaultRequestTimeout)
TOLD = 16 << 10  # characters of what the webhook says that clients are told
AT_ONCE = 10  # exchanges with one webhook: of a MiB that is sent, and no more that comes back than `caller.MOST`


_LATE = " (Client.Timeout exceeded while awaiting headers)"  # whose time is up here is the client, not a request


class _Failed(Exception):
    """`kind`: of failure, for the figures. The message is what follows the object's kind in upstream's words."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


class ConversionWebhook:
    """registry.conversion.Converter: that of one definition, of this name."""

    def __init__(self, name: str, config: Object, caller: Caller, figures: ConversionFigures, clock: Clock) -> None:
        """`config`: its WebhookConversion."""
        self._name, self._caller, self._figures, self._clock = name, caller, figures, clock
        self._target = Target(config["clientConfig"], SECONDS, AT_ONCE)
        offered = config.get("conversionReviewVersions") or ()
        self._version = next((version for version in offered if version in REVIEWS), REVIEWS[0])

    def close(self) -> None:
        """Its definition says something else now: what is under way ends as it would have."""
        self._target.close()

    async def convert(self, objects: Sequence[Object], to: str) -> list[Object]:
        """Raises Unconvertible."""
        source, kind = objects[0]["apiVersion"], objects[0]["kind"]
        began, failure = self._clock.monotonic(), ""
        try:
            return await self._convert(objects, to)
        except _Failed as error:
            failure = error.kind
            raise Unconvertible(f"conversion webhook for {source}, Kind={kind} {error}"[:TOLD]) from None
        except BaseException:
            failure = CALL
            raise
        finally:
            seconds = self._clock.monotonic() - began
            self._figures.done(self._name, source.rpartition("/")[2], to.rpartition("/")[2], seconds, failure)

    async def _convert(self, objects: Sequence[Object], to: str) -> list[Object]:
        uid = str(uuid.uuid4())
        try:
            answer = await self._caller.exchange(self._target, review.request(objects, to, uid, self._version))
        except Unanswered as error:
            late = _LATE if str(error).endswith("context deadline exceeded") else ""
            raise _Failed(CALL, f"failed: {error}{late}") from None
        try:
            found = review.read(answer, uid, self._version)
        except Mistake as error:
            raise _Failed(MALFORMED, f"failed: {error}") from None
        if len(found) != len(objects):
            raise _Failed(PARTIAL, f"returned {len(found)} objects, expected {len(objects)}")
        made = []
        for i, (given, data) in enumerate(zip(objects, found, strict=True)):
            try:
                made.append(checked(given, parsed(data), to))
            except Mistake as error:
                raise _Failed(INVALID, _told(error, i, alone=len(objects) == 1)) from None
            await asyncio.sleep(0)  # objects may be large, and many
        return made


def _told(error: Mistake, i: int, *, alone: bool) -> str:
    """Upstream counts those it has looked into from one."""
    what = error.what if isinstance(error, Odd) else None
    if alone:
        before = {OBJECT: "returned invalid object", METADATA: "returned invalid metadata"}.get(what or "")
        return f"{before or 'returned invalid object at index 0'}: {error}"
    if what == METADATA:
        return f"returned invalid metadata in object at index {i + 1}: {error}"
    return f"returned invalid converted object at index {i if what is None else i + 1}: {error}"
