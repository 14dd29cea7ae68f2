"""The provider `kms`: one seed seals everything until the service's key changes; the service seals the seed."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from longboat.aio.clock import Clock
from longboat.storage.encryption.aes import INFO, Derived
from longboat.storage.encryption.kms.objects import BadObject, Source, bad_key_id, check, decode, encode, hashed
from longboat.storage.encryption.kms.service import Service, ServiceFailed, Status
from longboat.storage.encryption.sealer import CannotOpen, CannotSeal, Opened, Sealer, together

VERSIONS = ("v2", "v2beta1")
GOOD_FOR = timedelta(minutes=3)  # what a seed may still seal with after the service was last well
REMEMBERED = timedelta(hours=24)  # how long a seed that was opened is kept


@dataclass(frozen=True)
class Writing:
    """What seals now. `until`: after that the service must be well again."""

    sealer: Sealer
    source: Source
    until: datetime


class Envelope:
    """A sealer. `check` is to be called now and then: it asks the service how it is, and changes the seed with its key.

    What is read is opened for as long as the seed is remembered, whatever becomes of the service.
    """

    def __init__(self, name: str, service: Service, clock: Clock) -> None:
        self.name = name
        self.prefix = f"k8s:enc:kms:v2:{name}:".encode()
        self._service = service
        self._clock = clock
        self._writing: Writing | None = None
        self._version = ""
        self._opened: dict[Source, tuple[Sealer, datetime]] = {}  # and until when it is remembered

    async def seal(self, key: str, plain: bytes) -> bytes:
        writing, now = self._writing, self._clock.now()
        if writing is None:
            raise CannotSeal("got unexpected nil transformer")
        if now > writing.until:
            raise CannotSeal(
                f'encryptedDEKSource with keyID hash "{hashed(writing.source.key_id)}" expired at '
                f"{_shown(writing.until)} (current time is {_shown(now)})"
            )
        return encode(writing.source, await writing.sealer.seal(key, plain))

    async def open(self, key: str, sealed: bytes) -> Opened:
        try:
            source, data = decode(sealed)
            sealer = await self._sealer(source)
        except BadObject as error:
            raise CannotOpen(str(error)) from None
        except ServiceFailed as error:
            raise CannotOpen(f"failed to decrypt DEK, error: {error}") from None
        opened = await sealer.open(key, data)
        writing = self._writing
        current = writing is None or (source.key_id, source.kind) == (writing.source.key_id, writing.source.kind)
        return Opened(opened.plain, opened.stale or not current)

    async def _sealer(self, source: Source) -> Sealer:
        """Raises BadObject, ServiceFailed."""
        found = self._opened.get(source)
        if found is None or found[1] < self._clock.now():
            found = self._remember(source, source.sealer(await self._service.decrypt(source)))
        return found[0]

    def _remember(self, source: Source, sealer: Sealer) -> tuple[Sealer, datetime]:
        now = self._clock.now()
        for old in [old for old, (_, until) in self._opened.items() if until < now]:
            del self._opened[old]
        found = self._opened[source] = sealer, now + REMEMBERED
        return found

    async def check(self) -> None:
        """Raises ServiceFailed, saying how the service is not well."""
        try:
            status = await self._service.status()
        except ServiceFailed as error:
            raise ServiceFailed(
                f"failed to perform status section of the healthz check for KMS Provider {self.name}, error: {error}"
            ) from None
        problems = self._unfit(status)
        if why := bad_key_id(status.key_id):
            problems.append(f'got invalid KMSv2 KeyID hash "{hashed(status.key_id)}": {why}')
        else:
            try:
                await self._keep_up(status.key_id)
            except (ServiceFailed, BadObject) as error:
                problems.append(str(error))
        if problems:
            raise ServiceFailed(f"kmsv2 Provider {self.name} is not healthy, error: {together(problems)}")

    def _unfit(self, status: Status) -> list[str]:
        problems = []
        if status.healthz != "ok":
            problems.append(f"got unexpected healthz status: {status.healthz}")
        if status.version not in VERSIONS:
            problems.append(f"expected KMSv2 API version v2, got {status.version}")
        else:
            self._version = self._version or status.version
            if status.version != self._version:
                problems.append(
                    "KMSv2 API version should not change after the initial status response version "
                    f"{self._version}, got {status.version}"
                )
        return problems

    async def _keep_up(self, key_id: str) -> None:
        """Go on with the seed while the service's key is the same, else make one. Raises ServiceFailed, BadObject."""
        until, writing = self._clock.now() + GOOD_FOR, self._writing
        if writing is not None and writing.source.key_id == key_id:
            self._writing = replace(writing, until=until)
            return
        seed = os.urandom(INFO)
        try:
            source = await self._service.encrypt(seed)
        except ServiceFailed as error:
            raise ServiceFailed(f"failed to rotate DEK, failed to encrypt DEK, error: {error}") from None
        check(source)
        if source.key_id != key_id:
            raise ServiceFailed(
                f'failed to rotate DEK, statusKeyIDHash="{hashed(key_id)}", encryptKeyIDHash="{hashed(source.key_id)}"'
            )
        sealer = Derived(seed)
        self._remember(source, sealer)
        self._writing = Writing(sealer, source, until)

    async def close(self) -> None:
        await self._service.close()


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
