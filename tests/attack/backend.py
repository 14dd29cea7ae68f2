"""A backend that answers what its owner likes, and writes down who asked. A program of its own.

    python backend.py ADDRESS PORT FILE

Paths: /redirect?to=URL answers 302; anything that wants an upgrade is refused with 403, and the connection kept open;
the rest is answered 200. Each request becomes a JSON line in FILE: its head, and what came behind a refused upgrade.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nno"


def serve(connection: socket.socket, file: Path) -> None:
    with connection:
        connection.settimeout(3)
        data = b""
        while b"\r\n\r\n" not in data and (piece := connection.recv(65536)):
            data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        target = head.split(b" ")[1].decode() if head.count(b" ") > 1 else ""
        if b"upgrade:" in head.lower():
            connection.sendall(REFUSED)
            try:
                rest += connection.recv(65536)
            except TimeoutError:
                rest += b""
        elif target.startswith("/redirect"):
            to = parse_qs(urlsplit(target).query)["to"][0]
            connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            connection.sendall(OK)
        with file.open("a") as out:
            out.write(json.dumps({"head": head.decode("latin-1"), "behind": rest.decode("latin-1")}) + "\n")


def main() -> None:
    address, port, file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    with socket.create_server((address, port)) as server:
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=serve, args=(connection, file), daemon=True).start()


if __name__ == "__main__":
    main()
