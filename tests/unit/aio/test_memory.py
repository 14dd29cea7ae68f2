"""What has been freed goes back to the kernel, in a process of its own: the allocator's settings are for good."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import asyncio
from longboat.aio import memory
from longboat.aio.clock import VirtualClock

async def main():
    memory.spare()
    clock = VirtualClock()
    pieces = [b"x" * 100_000 for _ in range(1000)]  # on the heap: each smaller than what is mapped apart
    task = asyncio.create_task(memory.give_back(clock))
    await asyncio.sleep(0)
    more = [b"x" * 100_000 for _ in range(1000)]
    del pieces[1::2]
    pieces += more[::100]
    del more
    full = memory.in_hand()
    while memory.in_hand() > full - (100 << 20):
        await clock.advance(memory.RARELY)
        await asyncio.sleep(0.01)  # the thread that trims
    task.cancel()

asyncio.run(asyncio.wait_for(main(), 30))
"""


def test_what_is_free_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
