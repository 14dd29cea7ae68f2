"""`longboat secrets-encrypt`: which keys seal the cluster's Secrets, and new keys for old."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longboat.aio.clock import Clock, SystemClock
from longboat.assembly import keys
from longboat.cli import flags, keyrings, registry, rotation, status, stores
from longboat.cli.errors import Failure, Usage
from longboat.cli.flags import flag
from longboat.cli.steps import Steps
from longboat.machinery.configfile import BadConfiguration
from longboat.storage.encryption.configuration import Rule, digest_of, parse
from longboat.storage.encryption.rewrite import Tally, survey
from longboat.storage.encryption.sealer import CannotSeal
from longboat.storage.interface import Purged, StorageError

ACTIONS = ("status", "rotate", "rewrite")


@dataclass(frozen=True)
class Options:
    """status: which keys have sealed what. rotate: a new key takes the place of the old, which then opens nothing.
    rewrite: seal anew what keys other than the first have sealed, after you have changed the keys yourself.
    """

    action: str = flag("", "status, rotate or rewrite", positional=True)
    name: str = flag("default", "name of the cluster")
    data_dir: str = flag("", "its data directory, instead of a name")
    encryption_provider_config: str = flag("", "the server's EncryptionConfiguration, if it is not the cluster's own")
    output: str = flag("text", "text or json", choices=("text", "json"))


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat secrets-encrypt")
    if options.action not in ACTIONS:
        raise Usage("say: longboat secrets-encrypt status, rotate or rewrite")
    if options.action == "rotate" and options.encryption_provider_config:
        raise Usage(
            "rotate changes the cluster's own keys only",
            "Add a key to your file, wait a second, make it first, then: longboat secrets-encrypt rewrite",
        )
    root = registry.data_dir(options.name, options.data_dir)
    if not root.is_dir():
        raise Failure(f"there is no cluster in {root}", "Start one: longboat up, or longboat server")
    path = Path(options.encryption_provider_config or keys.file(root)).absolute()
    try:
        return asyncio.run(_run(options, root, path))
    except (StorageError, CannotSeal, BadConfiguration) as error:
        raise Failure(f"{options.action} did not finish: {error}", "What was done stays; run it again") from error


async def _run(options: Options, root: Path, path: Path) -> int:
    data = keys.load(path)[1]
    clock, lock = SystemClock(), keys.Lock(root)
    try:
        async with stores.opened(root, clock) as storage, _figures(root) as figures:
            if options.action == "status":
                async with keyrings.opened(data, clock) as keyring:
                    tally = await survey(storage, keyring)
                server = rotation.in_use(await figures())
                return _report(options, path, data, tally, server, rotation.unfinished(root))
            return await _change(options, root, data, storage, figures, lock, clock)
    finally:
        lock.close()


async def _change(
    options: Options,
    root: Path,
    data: bytes,
    storage: Purged,
    figures: rotation.Figures,
    lock: keys.Lock,
    clock: Clock,
) -> int:
    """Rotate or rewrite."""
    alone = keys.Lock(root, "rotation.lock")
    try:
        if not alone.take(alone=True):
            raise Failure("the keys are being changed by another command", "Wait until it is done")
        steps = Steps(quiet=options.output == "json")
        work = rotation.Rotation(root, storage, figures, lock, clock, steps)
        if options.action == "rotate":
            tally = await work.run()
        else:
            tally = await work.rewrite(data)
            await work.purge()
    finally:
        alone.close()
    if options.output == "json":
        print(json.dumps(_counts(tally), indent=2))
    for key in tally.unreadable:
        steps.note(f"{key} cannot be opened with any key, and stays as it is")
    return 0


@asynccontextmanager
async def _figures(root: Path) -> AsyncIterator[rotation.Figures]:
    """Asks the API server for its metrics, as the administrator."""
    from longboat.client.https import HttpsTransport
    from longboat.client.kubeconfig import BadKubeconfig, load
    from longboat.machinery.errors import StatusError

    try:
        transport = HttpsTransport(load(root / "admin.kubeconfig"))
    except (FileNotFoundError, BadKubeconfig):

        async def silence() -> None:
            return None

        yield silence
        return

    async def ask() -> bytes | None:
        try:
            return await transport.request("GET", "/metrics", accept="text/plain")
        except (ConnectionError, StatusError):
            return None

    try:
        yield ask
    finally:
        await transport.close()


def _counts(tally: Tally) -> dict[str, Any]:
    return {"values": tally.total, "sealedBy": dict(tally.by_origin), "stale": tally.stale,
            "unreadable": tally.unreadable}  # fmt: skip


def _report(options: Options, path: Path, data: bytes, tally: Tally, server: str | None, unfinished: str) -> int:
    first = [_seals(rule) for rule in parse(data).rules]
    server = {None: "down", digest_of(data): "current"}.get(server, "other")
    if options.output == "json":
        report = {"file": str(path), "sealsWith": first, "server": server, "rotating": unfinished, **_counts(tally)}
        print(json.dumps(report, indent=2))
        return 0
    said = {"down": "does not answer", "current": "goes by them", "other": "goes by others"}[server]
    print(f"The keys are in {path}; the API server {said}.\nWhat is written is sealed with {', '.join(first)}.\n")
    rows = [("SEALED BY", "VALUES"), *((name, str(count)) for name, count in sorted(tally.by_origin.items()))]
    print("\n".join(status.columns(rows)))
    if tally.unreadable:
        print(f"\n{len(tally.unreadable)} cannot be opened with any of these keys, such as {tally.unreadable[0]}")
    if unfinished:
        print(f"\nA rotation to key {unfinished!r} was not finished: longboat secrets-encrypt rotate")
    elif tally.stale:
        print(f"\n{tally.stale} are not sealed with it yet: longboat secrets-encrypt rewrite")
    return 0


def _seals(rule: Rule) -> str:
    """What seals new values, as the prefix of what is stored has it."""
    provider = rule.providers[0]
    if provider.kms:
        return f"kms {provider.kms.name}"
    return f"{provider.kind} {provider.keys[0].name}" if provider.keys else "nothing"
