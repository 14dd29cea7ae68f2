"""`longboat store`: a cluster's state from a file to an etcd, or back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from longboat.aio.clock import SystemClock
from longboat.assembly import files, store_record
from longboat.cli import flags, registry, stores
from longboat.cli.cluster import load
from longboat.cli.errors import Failure, Usage
from longboat.cli.flags import flag
from longboat.cli.steps import Steps
from longboat.storage.etcd.address import SCHEME, Address, parse
from longboat.storage.interface import StorageError
from longboat.storage.sqlite.problems import StoreProblem

FILE = "sqlite://"


@dataclass(frozen=True)
class Options:
    """migrate: bring the state of a stopped cluster to another store. What is in the old one stays there."""

    action: str = flag("", "migrate", positional=True)
    from_: str = flag("", "sqlite:///FILE or etcd://H:P,H:P/PREFIX (default: where it is)")
    to: str = flag("", "where to, likewise")
    store_ca: str = flag("", "as `longboat server` has it, for the etcd it goes to")
    store_cert: str = flag("", "likewise")
    store_key: str = flag("", "likewise")
    name: str = flag("default", "name of the cluster")
    data_dir: str = flag("", "its data directory, instead of a name")


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat store")
    if options.action != "migrate" or not options.to:
        raise Usage("say: longboat store migrate --to etcd://HOST:PORT/PREFIX, or --to sqlite:///FILE")
    root = registry.data_dir(options.name, options.data_dir).absolute()
    if not root.is_dir():
        raise Failure(f"there is no cluster in {root}", "Name one: --name NAME, or --data-dir DIR")
    source, target = _source(options, root), _target(options)
    if isinstance(source, Path) and isinstance(target, Path):
        raise Usage("from one file to another: stop the cluster, and move the file")
    if isinstance(target, Path):
        _check_file(target, root)
    from longboat.cli import migration

    steps = Steps()
    try:
        with stores.stopped(root):
            asyncio.run(migration.Migration(root, source, target, SystemClock(), steps).run())
    except (StorageError, StoreProblem) as error:
        raise Failure(f"nothing has changed for the cluster, its state is where it was: {error}") from error
    except OSError as error:
        raise files.unusable(Path(error.filename or root), error) from error
    return 0


def _source(options: Options, root: Path) -> Path | Address:
    """Where the state is. Raises Usage, Failure."""
    recorded = store_record.read(root)
    where: Path | Address = recorded[1] if recorded else stores.database(root)
    if options.from_:
        said = _place(options.from_, "--from")
        if recorded and (not isinstance(said, Address) or str(said) != str(where)):
            raise Failure(f"the state of the cluster in {root} is in {where}, not in {options.from_}")
        if not recorded:
            where = said
    if isinstance(where, Address) and not recorded:
        raise Failure(f"the cluster in {root} has no state in {where}", f"It is not in {store_record.file(root)}")
    if isinstance(where, Path) and not where.exists():
        raise Failure(f"there is no database {where}", "Name it: --from sqlite:///FILE")
    return where


def _target(options: Options) -> Path | Address:
    """Raises Usage."""
    given = {"ca": options.store_ca, "certificate": options.store_cert, "key": options.store_key}
    return _place(options.to, "--to", **{name: Path(path).absolute() for name, path in given.items() if path})


def _check_file(target: Path, root: Path) -> None:
    """Raises Usage, Failure."""
    if load(root) is not None and target != stores.database(root):
        raise Usage(f"a cluster of `longboat up` has its database in sqlite://{stores.database(root)}")
    if target.exists():
        raise Failure(f"{target} exists", "Move it away, or choose another name: no database is overwritten")
    if not target.parent.is_dir():
        raise Failure(f"there is no directory {target.parent}")


def _place(text: str, said_by: str, **given: Path) -> Path | Address:
    """Raises Usage."""
    if text.startswith(f"{FILE}/"):
        return Path(text.removeprefix(FILE)).absolute()
    if not text.startswith(SCHEME):
        raise Usage(f"{said_by} {text} is not sqlite:///FILE or etcd://HOST:PORT/PREFIX")
    try:
        return parse(text, **given)
    except ValueError as error:
        raise Usage(f"{said_by}: {error}") from error
