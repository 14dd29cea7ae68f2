"""A name server outside the cluster, that knows a few names:  outside_dns.py ADDRESS"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import dns.message
import dns.rcode
import dns.rrset

NAMES = {
    "www.example.com.": "192.0.2.80", "intranet.corp.example.": "192.0.2.81", "www.corp.example.": "192.0.2.82",
}  # fmt: skip


def answer(packet: bytes) -> bytes:
    query = dns.message.from_wire(packet)
    asked = query.question[0]
    found = dns.message.make_response(query, recursion_available=True)
    address = NAMES.get(asked.name.to_text().lower())
    if address is None:
        found.set_rcode(dns.rcode.NXDOMAIN)
        found.authority.append(dns.rrset.from_text(".", 60, "IN", "SOA", "ns.example. root.example. 1 2 3 4 60"))
    elif asked.rdtype == dns.rdatatype.A:
        found.answer.append(dns.rrset.from_text(asked.name, 60, "IN", "A", address))
    return found.to_wire()


class Udp(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(answer(data), addr)


async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    found = answer(await reader.readexactly(int.from_bytes(await reader.readexactly(2))))
    writer.write(len(found).to_bytes(2) + found)
    writer.close()


async def main(address: str) -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(Udp, local_addr=(address, 53))
    async with await asyncio.start_server(over_tcp, address, 53) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
