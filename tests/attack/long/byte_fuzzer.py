"""Broken HTTP over TLS: right requests with wrong bytes, for a while. A program of its own.

    python byte_fuzzer.py HOST:PORT TOKEN SECONDS SEED [--namespace N]

Half of them as the token's owner, half as nobody. Prints a JSON line for each answer of 500 and above and each that
cannot be read, then one with the counts. Connections that the server ends without an answer are as good as a refusal.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

CORPUS = Path(__file__).with_name("requests.http")
PATIENCE = 0.5  # seconds to wait for (more of) an answer
AT_ONCE = 8  # connections
MOST = 1 << 20  # bytes of answers that are read
STATUS = re.compile(rb"(?:^|\r\n)HTTP/1\.[01] (\d{3})")

INTERESTING = (
    b"\r\n", b"\n", b"\r", b"\x00", b"\xff\xfe", b" ", b"\t", b":", b"%00", b"%2e%2e", b"//", b"/../", b"?", b"#",
    b"*", b"Content-Length: 0\r\n", b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n",
    b"Host: x\r\n", b"Content-Length: 7\r\nContent-Length: 8\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: x\r\n", b"Connection: close, upgrade\r\n",
    b"Upgrade: h2c\r\n", b"Upgrade: websocket\r\n", b"Upgrade: SPDY/3.1\r\n", b"Expect: 100-continue\r\n",
    b"Expect: 42\r\n", b"Trailer: X-Remote-User\r\n", b"TE: trailers\r\n",
    b"X-Remote-User: root\r\nX-Remote-Group: system:masters\r\n", b"Impersonate-User: a\r\n",
    b"Impersonate-Extra-%zz: b\r\n", b"Content-Encoding: gzip\r\n",
    b"Accept: application/vnd.kubernetes.protobuf\r\n", b"Accept: */*;q=x\r\n", b"Accept-Encoding: gzip\r\n",
    b"Accept: application/json;as=Table;g=meta.k8s.io;v=v1\r\n", b"Range: bytes=0-1\r\n",
    b"Audit-ID: " + b"a" * 300 + b"\r\n", b"ffffffffffffffff\r\n", b"0\r\n\r\n", b"-1\r\n", b"1;ext=\"\r\n",
    b"[" * 200, b'{"a":' * 200, b"&a [*a,*a]", b"k8s\x00", b"HTTP/1.1", b"HTTP/2.0", b"HTTP/9.9",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"1e999", b"\xed\xa0\x80", b"\\ud800", b"9" * 400,
)  # fmt: skip
"""Pieces that have meant trouble to a server somewhere."""


def seeds(namespace: str) -> list[tuple[bytes, bytes]]:
    """Head (without the empty line) and body of the requests in `requests.http`."""
    blocks = CORPUS.read_text().replace("NS", namespace).split("###\n")[1:]
    return [_request(*block.rstrip("\n").partition("\n\n")[::2]) for block in blocks]


def _request(head: str, text: str) -> tuple[bytes, bytes]:
    lines = head.strip("\n").split("\n")
    body = base64.b64decode(text.removeprefix("base64:")) if text.startswith("base64:") else text.encode()
    if "Transfer-Encoding: chunked" in lines:
        middle = len(body) // 2
        pieces = (body[:middle], body[middle:], b"")
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    elif body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((f"{lines[0]} HTTP/1.1", "Host: api", *lines[1:])).encode(), body


class Mutations:
    """What can be done to bytes. Each is as likely as the others; several are done in a row."""

    def __init__(self, dice: random.Random, others: list[bytes]) -> None:
        self.dice, self.others = dice, others
        self.all: tuple[Callable[[bytearray], None], ...] = (
            self.flip, self.overwrite, self.insert, self.delete, self.repeat, self.splice, self.swap_lines, self.cut,
            self.digits,
        )  # fmt: skip

    def __call__(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.dice.choice((1, 1, 1, 2, 3, 6))):
            self.dice.choice(self.all)(changed)
        return bytes(changed)

    def _at(self, data: bytearray) -> int:
        return self.dice.randrange(len(data) + 1)

    def flip(self, data: bytearray) -> None:
        if data:
            data[self.dice.randrange(len(data))] ^= 1 << self.dice.randrange(8)

    def overwrite(self, data: bytearray) -> None:
        if data:
            data[self.dice.randrange(len(data))] = self.dice.randrange(256)

    def insert(self, data: bytearray) -> None:
        at = self._at(data)
        data[at:at] = self.dice.choice(INTERESTING)

    def delete(self, data: bytearray) -> None:
        at = self._at(data)
        del data[at : at + self.dice.choice((1, 2, 8, 40))]

    def repeat(self, data: bytearray) -> None:
        at = self._at(data)
        piece = bytes(data[at : at + self.dice.choice((1, 4, 30, 200))])
        data[at:at] = piece * self.dice.choice((1, 2, 50, 500))

    def splice(self, data: bytearray) -> None:
        other, at = self.dice.choice(self.others), self._at(data)
        start = self.dice.randrange(len(other))
        data[at : at + self.dice.choice((0, 20))] = other[start : start + self.dice.choice((10, 60, 300))]

    def swap_lines(self, data: bytearray) -> None:
        lines = data.split(b"\r\n")
        self.dice.shuffle(lines)
        data[:] = b"\r\n".join(lines)

    def cut(self, data: bytearray) -> None:
        del data[self._at(data) :]

    def digits(self, data: bytearray) -> None:
        spots = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
        if spots:
            data[self.dice.choice(spots)] = self.dice.choice(b"0123456789-")


class Fuzzer:
    def __init__(self, address: tuple[str, int], token: str, dice: random.Random, namespace: str) -> None:
        self.address, self.dice = address, dice
        self.context = ssl.create_default_context()
        self.context.check_hostname = False  # who answers is not what is tried here
        self.context.verify_mode = ssl.CERT_NONE
        self.authorization = f"\r\nAuthorization: Bearer {token}".encode()
        self.seeds = seeds(namespace)
        self.mutate = Mutations(dice, [head + b"\r\n\r\n" + body for head, body in self.seeds])
        self.counts: Counter[str] = Counter()

    def message(self) -> bytes:
        """One request, or two in a row, wrong in its head, its body or both. A changed body's length is made right."""
        head, body = self.dice.choice(self.seeds)
        if self.dice.random() < 0.5:
            head += self.authorization
        where = self.dice.random()
        if where < 0.4 and body:
            body = self.mutate(body)
            head = re.sub(rb"(?i)content-length: \d+", b"Content-Length: %d" % len(body), head)
        elif where < 0.8:
            head = self.mutate(head)
        else:
            return self.mutate(head + b"\r\n\r\n" + body)
        whole = head + b"\r\n\r\n" + body
        if self.dice.random() < 0.1:
            other, rest = self.dice.choice(self.seeds)
            whole += other + b"\r\n\r\n" + rest
        return whole

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            self.one()

    def one(self) -> None:
        data = self.message()
        try:
            with socket.create_connection(self.address, 5) as raw, self.context.wrap_socket(raw) as stream:
                stream.settimeout(PATIENCE)
                answer = self.exchange(stream, data)
        except OSError as error:
            self.counts[f"connection: {type(error).__name__}"] += 1
            return
        codes = [int(code) for code in STATUS.findall(answer)]
        self.counts[str(codes[0]) if codes else "no answer"] += 1
        if answer and not codes:
            self.tell(data, 0, answer)
        for code in codes:
            if code >= 500:
                self.tell(data, code, answer)

    def exchange(self, stream: ssl.SSLSocket, data: bytes) -> bytes:
        """What comes back until nothing more does for a moment."""
        answer = b""
        try:
            half = self.dice.randrange(len(data) + 1) if self.dice.random() < 0.2 else len(data)
            stream.sendall(data[:half])
            stream.sendall(data[half:])
            while len(answer) < MOST and (piece := stream.recv(65536)):
                answer += piece
                stream.settimeout(0.05)
        except OSError:
            return answer  # reset, or silent: what has come is what there is
        return answer

    def tell(self, data: bytes, code: int, answer: bytes) -> None:
        found = {"status": code, "sent": data[:3000].decode("latin-1"), "answer": answer[:3000].decode("latin-1")}
        print(json.dumps(found), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("token")
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed", type=int)
    parser.add_argument("--namespace", default="fuzz")
    options = parser.parse_args()
    host, _, port = options.address.rpartition(":")
    address = (host, int(port))
    fuzzers = [
        Fuzzer(address, options.token, random.Random(options.seed + n), options.namespace) for n in range(AT_ONCE)
    ]
    until = time.monotonic() + options.seconds
    threads = [threading.Thread(target=fuzzer.run, args=(until,)) for fuzzer in fuzzers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"counts": sum((fuzzer.counts for fuzzer in fuzzers), Counter())}))


if __name__ == "__main__":
    main()
