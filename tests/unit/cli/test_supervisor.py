"""The supervisor with processes that only sleep: it starts, restarts, adopts and lets go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import longboat
from longboat.cli import alive, logfiles
from longboat.cli.alive import Running
from longboat.cli.cluster import Cluster

SCRIPT = """
import sys
from longboat.cli import plan, supervisor
from longboat.cli.plan import Process

def processes(cluster):
    sleepers = [Process(f"sleeper-{i}", ("sleep", f"100{i}")) for i in range(cluster.nodes)]
    return (*sleepers, Process("flaky", ("false",)))

supervisor.plan = processes
supervisor.supervisor = lambda cluster: Process("supervisor", (sys.executable, *sys.orig_argv[1:]))
sys.exit(supervisor.run(sys.argv[1:]))
"""


class Supervised:
    def __init__(self, folder: Path) -> None:
        self.cluster = Cluster("default", str(folder), 1, nodes=2)
        self.cluster.save()
        self.run_dir = self.cluster.run_dir
        self.run_dir.mkdir()
        self.cluster.logs_dir.mkdir()
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        with (self.cluster.logs_dir / "supervisor.log").open("ab") as log:
            command = [sys.executable, "-c", SCRIPT, "--data-dir", self.cluster.data_dir]
            environ = os.environ | {"PYTHONPATH": str(Path(longboat.__path__[0]).parent)}
            self.started.append(subprocess.Popen(command, stderr=log, env=environ, start_new_session=True))
        return self.started[-1]

    def sleepers(self) -> list[Running]:
        return [process for process in alive.running(self.run_dir) if process.name.startswith("sleeper")]

    def await_sleepers(self, count: int, but: set[int] | None = None) -> list[Running]:
        found: list[Running] = []

        def there() -> bool:
            found[:] = self.sleepers()
            return len(found) == count and not {process.pid for process in found} & (but or set())

        until(there)
        return found

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
        alive.stop(self.sleepers(), 1.0)


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    supervised = Supervised(tmp_path)
    yield supervised
    supervised.close()


def test_what_ends_is_started_again(supervised: Supervised) -> None:
    supervised.start()
    first = supervised.await_sleepers(2)
    os.kill(first[0].pid, signal.SIGKILL)
    second = supervised.await_sleepers(2, but={first[0].pid})
    assert second[1] == first[1] and second[0].restarts == 1
    flaky = alive.read(supervised.run_dir, "flaky")
    assert flaky is not None and flaky.restarts >= 1


def test_a_new_supervisor_recognises_what_runs(supervised: Supervised) -> None:
    first = supervised.start()
    before = supervised.await_sleepers(2)
    first.kill()
    first.wait()
    os.kill(before[1].pid, signal.SIGKILL)  # nobody sees this one end
    supervised.start()
    after = supervised.await_sleepers(2, but={before[1].pid})
    assert after[0] == before[0]
    os.kill(after[0].pid, signal.SIGKILL)  # adopted processes are watched as well
    supervised.await_sleepers(2, but={after[0].pid})


def test_it_goes_and_leaves_its_processes_alone(supervised: Supervised) -> None:
    supervisor = supervised.start()
    before = supervised.await_sleepers(2)
    supervisor.terminate()
    assert supervisor.wait(10) == 0
    assert supervised.sleepers() == before


def test_there_is_only_one(supervised: Supervised) -> None:
    supervised.start()
    supervised.await_sleepers(2)
    assert supervised.start().wait(10) != 0


def test_it_follows_the_settings_when_told(supervised: Supervised) -> None:
    supervisor = supervised.start()
    before = supervised.await_sleepers(2)
    replace(supervised.cluster, nodes=3).save()
    supervisor.send_signal(signal.SIGHUP)
    assert supervised.await_sleepers(3)[:2] == before
    replace(supervised.cluster, nodes=1).save()
    supervisor.send_signal(signal.SIGHUP)
    assert supervised.await_sleepers(1) == before[:1]
    (supervised.cluster.root / "cluster.json").write_text("{")
    supervisor.send_signal(signal.SIGHUP)
    until(lambda: "left as it was" in (supervised.cluster.logs_dir / "supervisor.log").read_text())
    assert supervised.sleepers() == before[:1]


def test_the_audit_log_is_rotated_by_its_writer_alone(tmp_path: Path) -> None:
    for name in ("audit.log", "audit-unauthenticated.log", "audit-2026-01-01T12-00-00.000.log"):
        (tmp_path / name).write_text("evidence")
    logfiles.rotate(tmp_path, largest=1)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"evidence"} and len(list(tmp_path.iterdir())) == 3


def test_logs_are_rotated(tmp_path: Path) -> None:
    log = logfiles.path(tmp_path, "store")
    with log.open("a") as writer:
        for text in ("first", "second", "third"):
            writer.write(text * 10)
            writer.flush()
            logfiles.rotate(tmp_path, largest=20)
            assert log.stat().st_size == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store.log", "store.log.1", "store.log.2"]
    assert (tmp_path / "store.log.2").read_text() == "second" * 10
    assert logfiles.tail(tmp_path / "store.log.1", 5) == ["third" * 10] and logfiles.tail(tmp_path / "none", 5) == []


def test_it_stays_small() -> None:
    """It lives as long as the cluster, and only starts processes: what others need of a library, it does not load."""
    asked = "import sys, longboat.cli.supervisor; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    assert not {"msgspec", "asyncio", "logging", "argparse", "decimal"} & set(loaded)
