"""The certificates that Ingresses name: each is watched, judged by itself, and judged once.

Judging goes on beside everything else: routes and endpoints never wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.aio.reconciler import Reconciler
from longboat.client.informer import Informer, Informers
from longboat.client.interface import Key
from longboat.network.ingress import trial
from longboat.network.ingress.certificates import Pair, pair
from longboat.network.ingress.haproxy import Haproxy, HaproxyError
from longboat.network.ingress.views import Certificate

log = logging.getLogger(__name__)
REFUSED = "HAProxy does not take it: is a certificate of its chain signed or made in a way that is too weak?"


@dataclass(frozen=True)
class Verdict:
    """On one version of a Secret: what can be shown, or why nothing can."""

    version: str
    pair: Pair | None
    why: str = ""


class Secrets:
    """`changed` is called when there may be something new to show."""

    def __init__(self, informers: Informers, clock: Clock, haproxy: Haproxy, changed: Callable[[], None]) -> None:
        self._informers, self._haproxy, self._changed = informers, haproxy, changed
        self._followed: dict[Key, Informer[Certificate]] = {}
        self._verdicts: dict[Key, Verdict] = {}
        self._settled = asyncio.Event()
        self._reconciler = Reconciler(clock, retry=Backoff(first=0.5, longest=30.0))
        self._news = False  # of the Secrets, since they were last judged

    def follow(self, wanted: Iterable[Key]) -> None:
        """Watch these Secrets, and no others."""
        wanted = set(wanted)
        for key in self._followed.keys() - wanted:
            self._informers.drop(self._followed.pop(key))
            self._verdicts.pop(key, None)
        for key in wanted - self._followed.keys():
            informer = self._followed[key] = self._informers.single(Certificate, key)
            informer.on_change(lambda old, new: self._note())

    def _note(self) -> None:
        self._news = True
        self._reconciler.wake()

    async def settled(self) -> None:
        """Return once all that are followed have been read and judged."""
        for informer in self._followed.values():
            await informer.synced()
        self._reconciler.wake()
        self._settled.clear()
        await self._settled.wait()

    def found(self) -> tuple[dict[Key, Pair], dict[Key, str], set[Key]]:
        """What can be shown, why others cannot, and which are not known yet."""
        pairs, wrong, unknown = {}, {}, set()
        for key, informer in self._followed.items():
            secret, verdict = informer.get(key), self._verdicts.get(key)
            if secret is None:
                if informer.has_synced:
                    wrong[key] = "not found"
                else:
                    unknown.add(key)
            elif verdict is None or verdict.version != secret.metadata.resourceVersion:
                unknown.add(key)
            elif verdict.pair is None:
                wrong[key] = verdict.why
            else:
                pairs[key] = verdict.pair
        return pairs, wrong, unknown

    def is_gone(self, key: Key) -> bool:
        informer = self._followed.get(key)
        return informer is None or (informer.has_synced and informer.get(key) is None)

    def refuse(self, key: Key) -> None:
        """HAProxy, as it runs, has not taken what was judged good."""
        if verdict := self._verdicts.get(key):
            self._verdicts[key] = Verdict(verdict.version, None, REFUSED)

    async def run(self) -> None:
        """Until cancelled."""
        await self._reconciler.run(self._sync)

    async def _sync(self) -> bool:
        news, self._news = self._news, False
        try:
            await self._judge()
        except (HaproxyError, OSError) as error:
            log.warning("ingress: certificates cannot be tried: %s", error)
            self._news = self._news or news
            return False
        self._settled.set()
        if news:  # and not for those who only ask whether all has been judged: they would ask again
            self._changed()
        return True

    async def _judge(self) -> None:
        """Raises HaproxyError, OSError."""
        good: dict[Key, tuple[str, Pair]] = {}
        for key, secret in self._unjudged().items():
            version = secret.metadata.resourceVersion
            found = _judged(key, secret)
            if isinstance(found, str):
                self._verdicts[key] = Verdict(version, None, found)
            else:
                good[key] = version, found
            await asyncio.sleep(0)  # others have their turn

        async def accepts(some: Iterable[Key]) -> bool:
            return await self._haproxy.accepts([good[key][1].pem for key in some])

        refused = await trial.refused(list(good), accepts)
        if refused and not await self._haproxy.accepts([]):
            raise HaproxyError("HAProxy takes no certificate at all")
        for key, (version, found) in good.items():
            self._verdicts[key] = Verdict(version, None, REFUSED) if key in refused else Verdict(version, found)

    def _unjudged(self) -> Mapping[Key, Certificate]:
        found = {key: informer.get(key) for key, informer in self._followed.items()}
        known = {key: verdict.version for key, verdict in self._verdicts.items()}
        return {
            key: secret for key, secret in found.items()
            if secret is not None and known.get(key) != secret.metadata.resourceVersion
        }  # fmt: skip


def _judged(key: Key, secret: Certificate) -> Pair | str:
    """What the Secret holds, or what is wrong with it. Whatever it holds, others are judged after it."""
    try:
        return pair(secret)
    except ValueError as error:
        return str(error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic of the library is no Exception
        log.exception("ingress: the certificate of Secret %s is odd in a way that nobody thought of", key)
        return "it cannot be read"
