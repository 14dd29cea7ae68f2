"""XSalsa20 and Poly1305 as the provider `secretbox` uses them: nonce (24 bytes), tag (16 bytes), ciphertext.

The storage key is not authenticated, so that a value may be moved to another key unnoticed.
"""

from __future__ import annotations

import os

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from longboat.storage.encryption.sealer import CannotOpen, Opened


class Box:
    def __init__(self, key: bytes, *, prefix: bytes = b"") -> None:
        """`key` has 32 bytes."""
        self.prefix = prefix
        self._box = SecretBox(key)

    async def seal(self, key: str, plain: bytes) -> bytes:
        return bytes(self._box.encrypt(plain, os.urandom(SecretBox.NONCE_SIZE)))

    async def open(self, key: str, sealed: bytes) -> Opened:
        if len(sealed) < SecretBox.NONCE_SIZE + SecretBox.MACBYTES:
            raise CannotOpen("the stored data was shorter than the required size")
        try:
            return Opened(self._box.decrypt(sealed))
        except CryptoError:
            raise CannotOpen("output array was not large enough for encryption") from None  # upstream's words
