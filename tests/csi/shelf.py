"""The storage behind the driver: image files, and a note beside each of how large it is and where it is attached."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import grpc
import grpc.aio


class Refusal(Exception):
    """Becomes a gRPC error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = grpc.StatusCode[code]


class Shelf:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def image(self, volume: str) -> Path:
        return self.folder / f"{volume}.img"

    def note(self, volume: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.folder / f"{volume}.json").read_text())
            return found
        except FileNotFoundError:
            return None

    def must(self, volume: str) -> dict[str, Any]:
        found = self.note(volume)
        if found is None:
            raise Refusal("NOT_FOUND", f"no volume {volume}")
        return found

    def keep(self, volume: str, note: dict[str, Any]) -> None:
        partial = self.folder / f".{volume}.{os.getpid()}"
        partial.write_text(json.dumps(note))
        partial.replace(self.folder / f"{volume}.json")

    def resize(self, volume: str, size: int) -> None:
        with open(self.image(volume), "ab") as file:
            file.truncate(size)

    def drop(self, volume: str) -> None:
        self.image(volume).unlink(missing_ok=True)
        (self.folder / f"{volume}.json").unlink(missing_ok=True)

    def write_down(self, rpc: str, node: str, request: dict[str, Any], by: str = "") -> None:
        with open(self.folder / "calls.jsonl", "a") as file:
            file.write(json.dumps({"rpc": rpc, "node": node, "request": request, "by": by}) + "\n")

    def check(self, rpc: str) -> None:
        """Raises Refusal where a test wants the call to fail."""
        try:
            wanted = json.loads((self.folder / "fail.json").read_text())
        except FileNotFoundError:
            return
        if rpc in wanted:
            raise Refusal(*wanted[rpc])
