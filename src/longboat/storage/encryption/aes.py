"""AES as the providers `aesgcm` and `aescbc` use it, and with a key derived anew for each value (KMS v2).

- GCM: nonce (12 bytes), ciphertext, tag (16 bytes). The storage key is authenticated too: a value that is moved to
  another key does not open. Nonces are random, so a key is good for 2^32 values (NIST SP 800-38D, 8.3).
- CBC: IV (16 bytes), ciphertext padded by PKCS #7. Nothing is authenticated; it is here for what others have written.
- Derived: info (32 random bytes), then GCM under HKDF-Expand-SHA256(seed, info) (KEP-3299). No limit to the values.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from longboat.storage.encryption.sealer import CannotOpen, Opened

NONCE = 12
BLOCK = 16
INFO = 32  # bytes of what a key is derived with, and of the derived key

_SHORT = "the stored data was shorter than the required size"


class Gcm:
    def __init__(self, key: bytes, *, prefix: bytes = b"") -> None:
        """`key` has 16, 24 or 32 bytes."""
        self.prefix = prefix
        self._cipher = AESGCM(key)

    async def seal(self, key: str, plain: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, key.encode())

    async def open(self, key: str, sealed: bytes) -> Opened:
        if len(sealed) < NONCE:
            raise CannotOpen(_SHORT)
        try:
            return Opened(self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], key.encode()))
        except InvalidTag:
            raise CannotOpen("cipher: message authentication failed") from None


class Cbc:
    def __init__(self, key: bytes, *, prefix: bytes = b"") -> None:
        """`key` has 16, 24 or 32 bytes."""
        self.prefix = prefix
        self._algorithm = algorithms.AES(key)

    async def seal(self, key: str, plain: bytes) -> bytes:
        iv = os.urandom(BLOCK)
        padding = BLOCK - len(plain) % BLOCK
        encryptor = Cipher(self._algorithm, modes.CBC(iv)).encryptor()
        return iv + encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()

    async def open(self, key: str, sealed: bytes) -> Opened:
        iv, body = sealed[:BLOCK], sealed[BLOCK:]
        if len(iv) < BLOCK:
            raise CannotOpen(_SHORT)
        if len(body) % BLOCK:
            raise CannotOpen("the stored data is not a multiple of the block size")
        decryptor = Cipher(self._algorithm, modes.CBC(iv)).decryptor()
        padded = decryptor.update(body) + decryptor.finalize()
        padding = padded[-1] if padded else 0
        if not 0 < padding <= len(padded):
            raise CannotOpen("invalid PKCS7 data (empty or not padded)")
        if padded[-padding:] != bytes([padding]) * padding:
            raise CannotOpen("invalid padding on input")
        return Opened(padded[:-padding])


class Derived:
    """GCM with a key of its own for each value, derived from a seed of 32 bytes or more."""

    def __init__(self, seed: bytes, *, prefix: bytes = b"") -> None:
        """Raises ValueError for a seed that is too short."""
        if len(seed) < INFO:
            raise ValueError(f"invalid seed length {len(seed)} used for key generation")
        self.prefix = prefix
        self._seed = seed

    def _cipher(self, info: bytes) -> Gcm:
        return Gcm(HKDFExpand(SHA256(), INFO, info).derive(self._seed))

    async def seal(self, key: str, plain: bytes) -> bytes:
        info = os.urandom(INFO)
        return info + await self._cipher(info).seal(key, plain)

    async def open(self, key: str, sealed: bytes) -> Opened:
        if len(sealed) < INFO:
            raise CannotOpen(_SHORT)
        return await self._cipher(sealed[:INFO]).open(key, sealed[INFO:])
