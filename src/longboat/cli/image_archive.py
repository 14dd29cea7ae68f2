"""Archives of images as they are passed on: docker save | gzip, skopeo's and buildkit's .tar.zst, .tar.xz, .tar.bz2.

The layers in an archive may be compressed as well: these are containerd's to unpack, whatever is around them.
"""

from __future__ import annotations

import io
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from longboat.cli.errors import Failure

CHUNK = 1 << 20
TAR = (257, b"ustar")  # where a tar file says that it is one (POSIX.1, ustar interchange format)


@dataclass(frozen=True)
class Compression:
    """How a file begins, which program undoes it, and the package that has that. None takes much memory for it."""

    begins: bytes
    program: tuple[str, ...]
    package: str


KNOWN = (
    Compression(b"\x1f\x8b", ("gzip", "-dc"), "gzip"),  # RFC 1952
    Compression(b"\x28\xb5\x2f\xfd", ("zstd", "-dcq"), "zstd"),  # RFC 8878
    Compression(b"\xfd7zXZ\x00", ("xz", "-dc", "--memlimit-decompress=128MiB"), "xz-utils"),
    Compression(b"BZh", ("bzip2", "-dc"), "bzip2"),
)


def compression(head: bytes) -> Compression | None:
    """Of a file that begins so; None for a tar file, and for what nobody knows. Pure."""
    at, says = TAR
    if head[at : at + len(says)] == says:
        return None  # its first bytes are a file's name
    return next((each for each in KNOWN if head.startswith(each.begins)), None)


@contextmanager
def unpacked(archive: BinaryIO, most: int) -> Iterator[BinaryIO]:
    """The archive without its compression, if it has one: a file for another process to read.

    Raises Failure, also once it has been read: for what is cut short or damaged, and what unpacks to more than `most`
    bytes, whatever the reader made of it.
    """
    found = compression(_head(archive))
    if found is None:
        yield archive
        return
    passing = _Passing(found, archive, most)
    failure: Failure | None = None
    try:
        with open(passing.out, "rb") as reader:
            yield reader
    except Failure as error:  # the reader's words for what it could not read
        failure = error
    finally:
        problem = passing.end()
    if problem is not None:
        raise problem from failure
    if failure is not None:
        raise failure


def _head(archive: BinaryIO) -> bytes:
    try:
        return os.pread(archive.fileno(), 512, 0)
    except (OSError, io.UnsupportedOperation):
        return b""  # a pipe: whoever fills it may unpack it as well


class _Passing:
    """A program that unpacks, and a thread that counts what it passes on to `out`, a descriptor."""

    def __init__(self, how: Compression, archive: BinaryIO, most: int) -> None:
        self._how, self._most = how, most
        self._problem: Failure | None = None
        try:
            self._tool = subprocess.Popen(how.program, stdin=archive, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except FileNotFoundError as error:
            raise Failure(f"{error.filename} is not installed", f"apt install {how.package}") from error
        out, into = os.pipe()
        self.out = out
        self._thread = threading.Thread(target=self._pass_on, args=(into,), name="unpacking", daemon=True)
        self._thread.start()

    def end(self) -> Failure | None:
        """Wait for the end, which is near once `out` is closed. What was wrong with the archive."""
        self._thread.join()
        return self._problem

    def _pass_on(self, into: int) -> None:
        assert self._tool.stdout is not None and self._tool.stderr is not None
        with self._tool:
            try:
                with open(into, "wb") as target:
                    rest = self._most
                    while chunk := self._tool.stdout.read1(CHUNK):  # type: ignore[attr-defined]
                        if (rest := rest - len(chunk)) < 0:
                            self._problem = too_large(self._most)
                            return
                        target.write(chunk)
            except BrokenPipeError:
                return  # the reader has had enough: archives end before their padding does
            finally:
                if self._problem:
                    self._tool.kill()
            said = self._tool.stderr.read().decode(errors="replace").strip().splitlines()
            if self._tool.wait() != 0:
                words = said[0].rpartition(": ")[2] if said else f"{self._how.program[0]} did not say why"
                self._problem = Failure(f"the archive is damaged: {words}", "Make or download it again")


def too_large(most: int) -> Failure:
    return Failure(
        f"the archive unpacks to more than {most >> 20} MiB, half of what is free on the node's disk",
        "Its layers are kept as they are, and unpacked besides: make room, or see whether it is what it claims to be",
    )
