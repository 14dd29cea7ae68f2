"""The store process: who may start it on what, how it ends, and what it says when something is wrong."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from longboat.aio.clock import SystemClock
from longboat.storage.interface import Progress, StorageError
from longboat.storage.sqlite import wire
from longboat.storage.sqlite.client import SqliteStorage, connect
from longboat.storage.sqlite.process import StoreProcess, command, spawn

CLOCK = SystemClock()
KEY = "/registry/configmaps/a/b"


class Place:
    """Where one test keeps its database and socket."""

    def __init__(self, directory: Path) -> None:
        self.database = str(directory / "state.db")
        self.socket = str(directory / "run" / "s")

    async def start(self) -> tuple[StoreProcess, SqliteStorage]:
        process = await spawn(self.database, self.socket, CLOCK, log_file=asyncio.subprocess.DEVNULL)
        return process, await connect(self.socket, CLOCK)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def refusal(place: Place) -> str:
    with pytest.raises(StorageError) as refused:
        await place.start()
    return str(refused.value)


def test_a_clean_stop_leaves_only_the_database(place: Place) -> None:
    async def main() -> None:
        process, storage = await place.start()
        revision = await storage.create(KEY, b"1")
        await process.stop()
        assert await process.wait() == 0
        assert listing(place.socket) == []
        assert listing(place.database) == ["run", "state.db"]
        await storage.close()
        process, storage = await place.start()
        item = await storage.get(KEY)
        assert item is not None
        assert item.revision == revision
        await storage.close()
        await process.stop()

    asyncio.run(main())


def test_writes_under_way_are_finished_before_it_stops(place: Place) -> None:
    async def main() -> None:
        process, storage = await place.start()
        writes = [asyncio.create_task(storage.create(f"{KEY}{i}", bytes(1000))) for i in range(500)]
        await asyncio.wait(writes, return_when=asyncio.FIRST_COMPLETED)
        await process.stop()
        results = await asyncio.gather(*writes, return_exceptions=True)
        done = {f"{KEY}{i}" for i, result in enumerate(results) if isinstance(result, int)}
        assert done
        await storage.close()
        process, storage = await place.start()
        assert done <= {item.key for item in (await storage.list("/registry/")).items}
        await storage.close()
        await process.stop()

    asyncio.run(main())


def test_two_stores_never_share_a_database_or_a_socket(place: Place, tmp_path: Path) -> None:
    async def main() -> None:
        process, storage = await place.start()
        other = Place(tmp_path)
        other.socket += "2"
        assert "another process has it open" in await refusal(other)
        other.database, other.socket = place.database + "2", place.socket
        assert "another store answers there" in await refusal(other)
        assert await storage.create(KEY, b"still served")
        await storage.close()
        await process.stop()

    asyncio.run(main())


def test_nobody_else_may_enter(place: Place) -> None:
    async def main() -> None:
        process, storage = await place.start()
        assert os.stat(place.database).st_mode & 0o777 == 0o600
        assert os.stat(os.path.dirname(place.socket)).st_mode & 0o777 == 0o700
        await storage.close()
        await process.stop()
        os.chmod(os.path.dirname(place.socket), 0o755)
        assert "chmod 700" in await refusal(place)

    asyncio.run(main())


def test_a_socket_left_by_a_dead_store_is_replaced(place: Place) -> None:
    async def main() -> None:
        process, storage = await place.start()
        await storage.close()
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        process.release()
        assert listing(place.socket) == ["s"]
        process, storage = await place.start()
        assert await storage.current_revision() == 0
        await storage.close()
        await process.stop()

    asyncio.run(main())


def test_the_store_ends_with_the_process_that_started_it(place: Place) -> None:
    async def main() -> None:
        process, storage = await place.start()
        await storage.create(KEY, b"")
        process.release()
        assert await asyncio.wait_for(process.wait(), 5) == 0
        await storage.close()

    asyncio.run(main())


def test_unusable_files_are_refused_in_words(place: Place, tmp_path: Path) -> None:
    async def main() -> None:
        scribble(place.database)
        assert "not a database" in await refusal(place)
        os.unlink(place.database)
        with sqlite3.connect(place.database) as other:
            other.execute("CREATE TABLE recipes (name TEXT)")
        other.close()
        assert "belongs to another program" in await refusal(place)
        os.unlink(place.database)
        process, storage = await place.start()
        await storage.close()
        await process.stop()
        with sqlite3.connect(place.database) as newer:
            newer.execute("PRAGMA user_version = 99")
        newer.close()
        assert "has format 99" in await refusal(place)
        place.database = str(tmp_path / "missing" / "state.db")
        assert "No such file or directory" in await refusal(place)
        place.socket = str(tmp_path / ("x" * 120))
        place.database = str(tmp_path / "fresh.db")
        assert "longer than" in await refusal(place)

    asyncio.run(main())


def test_a_full_disk_fails_writes_in_words_and_loses_nothing(place: Place) -> None:
    async def main() -> None:
        process, storage = await place.start()
        kept = {f"{KEY}{i}": await storage.create(f"{KEY}{i}", bytes(1000)) for i in range(20)}
        limit_file_size(process.pid, os.stat(place.database + "-wal").st_size + 50_000)
        results = await asyncio.gather(
            *(storage.create(f"{KEY}-big-{i}", os.urandom(20_000)) for i in range(10)), return_exceptions=True
        )
        assert all(isinstance(result, StorageError) for result in results)
        assert place.database in str(results[0])
        assert {item.key: item.revision for item in (await storage.list("/registry/")).items} == kept
        limit_file_size(process.pid, -1)
        assert await storage.create(KEY, bytes(20_000)) == 21
        await storage.close()
        await process.stop()

    asyncio.run(main())


def listing(path: str) -> list[str]:
    """What lies in the directory of `path`."""
    return sorted(os.listdir(os.path.dirname(path)))


def scribble(path: str) -> None:
    Path(path).write_bytes(b"something else entirely " * 200)


def limit_file_size(pid: int, size: int) -> None:
    """Let the process's files grow no further than `size` bytes: writes beyond fail, as on a full disk."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, -1))


def test_a_watch_whose_reader_sleeps_loses_nothing_and_fills_no_memory(place: Place) -> None:
    async def main() -> None:
        process, storage = await place.start()
        slow, count = await connect(place.socket, CLOCK), 600
        stream = slow.watch("/registry/", 0)
        revision = await storage.create(KEY, b"")
        assert await anext(stream)
        for _ in range(count):
            revision = await storage.update(KEY, bytes(100_000), expect=revision)
        held = sum(watch.size for watch in slow._watches.values())
        assert held < 20_000_000
        seen: list[int] = []
        while not seen or seen[-1] < revision:
            batch = await asyncio.wait_for(anext(stream), 10)
            if not isinstance(batch, Progress):
                seen += [event.revision for event in batch]
        assert seen == list(range(2, count + 2))
        await slow.close()
        await storage.close()
        await process.stop()

    asyncio.run(main())


def test_a_client_that_does_not_read_gets_the_rest_from_history(place: Place) -> None:
    async def main() -> None:
        process, storage = await place.start()
        reader, writer = await asyncio.open_unix_connection(place.socket, limit=1)
        writer.write(wire.frame([wire.Watch(1, "/registry/", 0, False)]))
        revision = await storage.create(KEY, b"")
        for _ in range(300):
            revision = await storage.update(KEY, bytes(100_000), expect=revision)
        assert resident(process.pid) < 40_000_000, "30 MB of events are not held for it"
        frames, decoder = wire.Frames(), msgspec.msgpack.Decoder(list[wire.Reply])
        seen: list[int] = []
        while not seen or seen[-1] < revision:
            for body in frames.feed(await asyncio.wait_for(reader.read(1 << 20), 5)):
                for reply in decoder.decode(body):
                    if isinstance(reply, wire.Changed):
                        seen += [event.revision for event in reply.events]
        assert seen == list(range(1, revision + 1))
        writer.close()
        await writer.wait_closed()
        await storage.close()
        await process.stop()

    asyncio.run(main())


def resident(pid: int) -> int:
    """Bytes of memory the process keeps."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def test_nonsense_on_the_socket_costs_only_its_own_connection(place: Place) -> None:
    async def main() -> None:
        process, storage = await place.start()
        for nonsense in (b"\xff\xff\xff\xff", b"\x02\0\0\0\xc1\xc1", b"\x01\0\0\0\x05", b"GET / HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_unix_connection(place.socket)
            writer.write(nonsense)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            await writer.wait_closed()
        assert await storage.create(KEY, b"") == 1
        await storage.close()
        await process.stop()

    asyncio.run(main())


def test_bad_usage_is_told(place: Place) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for arguments in (["--database"], ["--wrong", "x"], [], [*command(place.database, place.socket)[3:], "more"]):
        done = subprocess.run(
            [*command("", "")[:3], *arguments], env=environment, capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 2
        assert "usage:" in done.stderr
