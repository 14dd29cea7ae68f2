"""A node as a list of parts: they are kept at work together, and closed once all have ended, the latest first."""

from __future__ import annotations

import asyncio

import pytest

from longboat.aio.clock import VirtualClock
from longboat.aio.parts import Part, Parts
from longboat.assembly.node.kept import Node, work


def test_parts_are_closed_when_all_have_ended_the_latest_first() -> None:
    async def main() -> None:
        clock, told = VirtualClock(), list[str]()

        def part(name: str) -> Part:
            async def run() -> None:
                told.append(f"{name} runs")
                try:
                    await asyncio.Event().wait()
                finally:
                    await asyncio.sleep(0)  # its end takes a while
                    told.append(f"{name} ends")

            async def close() -> None:
                told.append(f"{name} is closed")

            return Part(name, run, close)

        nodes = [
            Node(Parts("one", clock), [part("containerd"), part("agent")]),
            Node(Parts("in common", clock), [part("watches")]),
        ]
        working = asyncio.create_task(work(nodes))
        await asyncio.sleep(0.01)
        assert told == ["containerd runs", "agent runs", "watches runs"]
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        ended, closed = told[3:6], told[6:]
        assert sorted(ended) == ["agent ends", "containerd ends", "watches ends"]
        assert closed == ["watches is closed", "agent is closed", "containerd is closed"]

    asyncio.run(main())
