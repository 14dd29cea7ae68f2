"""`longboat server` that knows how long its loop has been held: `python measured.py server …`, and a client for it.

A hold is what the whole process has used of the processor between two looks at the clock by the loop: what other
processes of the machine take meanwhile is not in it. SIGUSR1 has the longest since the last one written to the file
$HOLDS.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from integration.apiserver.process import ControlPlane

TICK = 0.001


class Heartbeat:
    def __init__(self, loop: asyncio.AbstractEventLoop, file: Path) -> None:
        self._loop, self._file = loop, file
        self._last = time.process_time()
        self._longest = 0.0
        self._count = 0
        loop.add_signal_handler(signal.SIGUSR1, self.tell)
        self.beat()

    def beat(self) -> None:
        now = time.process_time()
        self._longest = max(self._longest, now - self._last)
        self._last = now
        self._loop.call_later(TICK, self.beat)

    def tell(self) -> None:
        self._count += 1
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self._count} {self._longest}")
        fresh.rename(self._file)
        self._longest = 0.0


class MeasuredPlane(ControlPlane):
    """A control plane that is asked for its longest hold."""

    def __init__(self, root: Path, *flags: str) -> None:
        super().__init__(root, *flags)
        self._holds = root / "holds"
        self._told = 0
        self.program = (__file__,)
        tests = str(Path(__file__).parents[1])
        source = str(Path(__file__).parents[2] / "src")
        self.environment = {"HOLDS": str(self._holds), "PYTHONPATH": f"{source}:{tests}"}

    def hold(self) -> float:
        """Seconds of the longest hold since this was last asked."""
        self._told += 1
        os.kill(self.pid, signal.SIGUSR1)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._holds.exists():
                count, longest = self._holds.read_text().split()
                if int(count) == self._told:
                    return float(longest)
            time.sleep(0.005)
        raise AssertionError("the loop does not answer")


def main() -> int:
    from longboat.cli import main as program
    from longboat.cli import server

    serve: Any = server._serve

    async def measured(plane: Any) -> Any:
        heart = Heartbeat(asyncio.get_running_loop(), Path(os.environ["HOLDS"]))
        result = await serve(plane)
        del heart
        return result

    server._serve = measured
    return program.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
