"""A WebSocket server that says back what it hears (RFC 6455), for a pod that has nothing but Python."""

from __future__ import annotations

import base64
import hashlib
import socketserver

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        head = {}
        while line := self.rfile.readline().strip():
            name, _, value = line.partition(b":")
            head[name.lower()] = value.strip()
        if b"sec-websocket-key" not in head:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        accept = base64.b64encode(hashlib.sha1(head[b"sec-websocket-key"] + MAGIC).digest())
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        self.wfile.write(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while len(start := self.rfile.read(2)) == 2 and start[0] & 0xF != 8:
            mask, masked = self.rfile.read(4), self.rfile.read(start[1] & 0x7F)  # texts of up to 125 bytes
            text = bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked))
            self.wfile.write(bytes((0x81, len(text))) + text)


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", 8080), Echo).serve_forever()
