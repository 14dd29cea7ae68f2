"""Load of new HTTPS connections, as a client would make them; run on its own: ADDRESS HOST CA-FILE CONNECTIONS.

Prints, as JSON, how many requests were answered with 200, what went wrong with the others, and when the last one was
begun that failed or was slow, in seconds of the machine's monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time

AT_ONCE = 8
PATIENCE = 10.0
SLOW = 0.5


async def fetch(address: str, host: str, context: ssl.SSLContext) -> None:
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(address, 443, ssl=context, server_hostname=host)
        try:
            writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read(-1)
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise ValueError(answer[:60].decode(errors="replace"))
        finally:
            writer.close()


async def main(address: str, host: str, authorities: str, connections: int) -> None:
    context = ssl.create_default_context(cafile=authorities)
    left, good, bad, trouble = connections, 0, list[str](), 0.0

    async def client() -> None:
        nonlocal left, good, trouble
        while left > 0:
            left -= 1
            begun = time.monotonic()
            try:
                await fetch(address, host, context)
                good += 1
                if time.monotonic() - begun > SLOW:
                    trouble = max(trouble, begun)
            except (OSError, ValueError, TimeoutError, ssl.SSLError) as error:
                bad.append(f"{type(error).__name__}: {error}")
                trouble = max(trouble, begun)

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    print(json.dumps({"good": good, "bad": bad, "trouble": trouble}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
