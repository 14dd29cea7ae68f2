"""libnftables: commands in nft's own language, run as one transaction, without starting a process."""

from __future__ import annotations

import ctypes
import threading
from ctypes.util import find_library


class NftError(Exception):
    """The kernel or the parser refused a transaction, which then had no effect."""


class Nftables:
    """One libnftables context, in the network namespace of the thread that made it.

    `run` blocks for as long as the kernel takes (a millisecond for small transactions): call it off the event loop.
    """

    def __init__(self) -> None:
        name = find_library("nftables") or "libnftables.so.1"
        self._library = library = ctypes.CDLL(name)
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        for function in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_free"):
            getattr(library, function).argtypes = [ctypes.c_void_p]
        for function in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            getattr(library, function).argtypes = [ctypes.c_void_p]
            getattr(library, function).restype = ctypes.c_char_p
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self._context = library.nft_ctx_new(0)
        if not self._context:
            raise MemoryError("nft_ctx_new")
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)
        self._lock = threading.Lock()

    def run(self, commands: str) -> str:
        """Carry out the commands, all or none, and return what they print. Raises NftError."""
        with self._lock:
            failed = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
            output: bytes = self._library.nft_ctx_get_output_buffer(self._context)
            error: bytes = self._library.nft_ctx_get_error_buffer(self._context)
        if failed:
            raise NftError(error.decode(errors="replace").strip())
        return output.decode()

    def close(self) -> None:
        with self._lock:
            if self._context:
                self._library.nft_ctx_free(self._context)
                self._context = None
