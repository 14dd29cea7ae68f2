"""`longboat backup`: a cluster's state in one file, and back."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from longboat.aio.clock import SystemClock
from longboat.assembly import files, keys, store_record
from longboat.cli import flags, keyrings, registry, stores
from longboat.cli.errors import Failure, Usage
from longboat.cli.flags import flag
from longboat.cli.steps import Steps
from longboat.machinery.configfile import BadConfiguration
from longboat.storage.encryption.rewrite import survey
from longboat.storage.interface import StorageError
from longboat.storage.sqlite import process, snapshot_file
from longboat.storage.sqlite.client import connect
from longboat.storage.sqlite.problems import StoreProblem

ACTIONS = ("save", "restore")


@dataclass(frozen=True)
class Options:
    """save FILE: a consistent copy of the state, of a running or stopped cluster. restore FILE: go back to it."""

    action: str = flag("", "save or restore", positional=True)
    file: str = flag("", "the backup", positional=True)
    name: str = flag("default", "name of the cluster")
    data_dir: str = flag("", "its data directory, instead of a name")
    force: bool = flag(False, "restore even if the cluster's keys do not open the backup's Secrets")


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat backup")
    if options.action not in ACTIONS or not options.file:
        raise Usage("say: longboat backup save FILE, or longboat backup restore FILE")
    root, path = registry.data_dir(options.name, options.data_dir), Path(options.file).absolute()
    steps = Steps()
    if (recorded := store_record.read(root)) is not None:
        raise Failure(
            f"the state of this cluster is in {recorded[1]}, not in a file",
            f"Back up that etcd (etcdctl snapshot save FILE), and {keys.file(root)} and {root / 'pki'}",
        )
    try:
        return _save(root, path, steps) if options.action == "save" else _restore(root, path, options.force, steps)
    except (StorageError, StoreProblem) as error:
        raise Failure(f"cannot {options.action} {path}: {error}") from error
    except OSError as error:
        raise files.unusable(Path(error.filename or path), error) from error


def _save(root: Path, path: Path, steps: Steps) -> int:
    if path.exists():
        raise Failure(f"{path} exists", "Choose another name: no backup is overwritten")
    partial = path.with_name(f".{path.name}.{os.getpid()}")

    async def ask() -> int:
        async with stores.in_file(root, SystemClock()) as storage:
            return await storage.save(str(partial))

    try:
        revision = asyncio.run(ask())
        _sync(partial)
        os.rename(partial, path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)
    steps.done(f"revision {revision} saved to {path}, {path.stat().st_size / 2**20:.1f} MiB")
    if keys.file(root).exists():
        steps.note(f"Its Secrets are sealed. Keep a copy of {keys.file(root)} too, somewhere else")
    return 0


def _restore(root: Path, path: Path, force: bool, steps: Steps) -> int:
    files.directory(root)
    target = stores.database(root)
    with stores.stopped(root), _scratch(target) as scratch:
        shutil.copyfile(path, scratch)
        os.chmod(scratch, 0o600)
        snapshot_file.check(str(scratch))
        if not force:
            _check_keys(root, scratch, path)
        seen = _revision(target)
        revision = snapshot_file.move_ahead(str(scratch), seen)
        _sync(scratch)
        kept = _set_aside(target)
        os.replace(scratch, target)
        _sync(root)
    steps.done(f"{path} restored; it goes on from revision {revision}")
    if kept:
        steps.note(f"What was there before is in {kept}")
    return 0


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A name beside the target for what will take its place; nothing is left there."""
    scratch = target.with_name(f".{target.name}.restoring")
    try:
        yield scratch
    finally:
        for suffix in ("", "-wal", "-shm"):
            scratch.with_name(scratch.name + suffix).unlink(missing_ok=True)


def _check_keys(root: Path, scratch: Path, path: Path) -> None:
    """Raises Failure if Secrets of the backup cannot be opened with the cluster's keys."""

    async def look() -> tuple[int, str]:
        clock = SystemClock()
        data = keys.load(keys.file(root))[1]
        store = await process.spawn(str(scratch), str(root / "run" / "restore.sock"), clock)
        try:
            storage = await connect(store.socket, clock)
            try:
                async with keyrings.opened(data, clock) as keyring:
                    tally = await survey(storage, keyring)
            finally:
                await storage.close()
        finally:
            await store.stop()
        return len(tally.unreadable), ", ".join(sorted(tally.by_origin))

    try:
        unreadable, origins = asyncio.run(look())
    except BadConfiguration as error:
        raise Failure(
            f"the keys in {keys.file(root)} cannot be used: {error}", "Or restore without: --force"
        ) from error
    if unreadable:
        raise Failure(
            f"{unreadable} Secrets in {path} cannot be opened with the keys in {keys.file(root)}",
            f"They are sealed by {origins}: put the file with that key there first. Or restore without them: --force",
        )


def _revision(target: Path) -> int:
    """How far the database got that is to be replaced; 0 if there is none, or it cannot be read."""
    if not target.exists():
        return 0
    try:
        return snapshot_file.revision(str(target))
    except StoreProblem:
        return 0  # being unreadable may be why it is replaced


def _set_aside(target: Path) -> Path | None:
    """Keep what is there under another name, its log included: a log must never meet another database."""
    if not target.exists():
        return None
    kept = target.with_name(f"{target.name}.before-restore")
    for suffix in ("-wal", "-shm"):
        log, beside = target.with_name(target.name + suffix), kept.with_name(kept.name + suffix)
        beside.unlink(missing_ok=True)
        if log.exists():
            os.rename(log, beside)
    kept.unlink(missing_ok=True)
    os.link(target, kept)
    return kept


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
