"""The ciphers written from their standards, slowly and independently of any library: what ours are held against.

FIPS 197 (AES), NIST SP 800-38A (CBC) and 800-38D (GCM), RFC 5869 (HKDF), RFC 8439 (Poly1305), and D. J. Bernstein's
"Cryptography in NaCl" (XSalsa20 and secretbox).
"""

from __future__ import annotations

import hashlib
import hmac
import struct


def _double(byte: int) -> int:
    return byte << 1 ^ (0x11B if byte & 0x80 else 0)


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        if b & 1:
            product ^= a
        a, b = _double(a), b >> 1
    return product


def _substitution() -> bytes:
    box = bytearray(256)
    for value in range(256):
        inverse = next((other for other in range(256) if _times(value, other) == 1), 0)
        turned = [(inverse << turn | inverse >> (8 - turn)) & 0xFF for turn in range(5)]
        box[value] = turned[0] ^ turned[1] ^ turned[2] ^ turned[3] ^ turned[4] ^ 0x63
    return bytes(box)


BOX = _substitution()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=False))


def _round_keys(key: bytes) -> list[bytes]:
    words, size, constant = [key[i : i + 4] for i in range(0, len(key), 4)], len(key) // 4, 1
    for i in range(size, 4 * (size + 7)):
        word = words[-1]
        if i % size == 0:
            word = bytes(BOX[b] for b in word[1:] + word[:1])
            word, constant = bytes([word[0] ^ constant]) + word[1:], _double(constant)
        elif size > 6 and i % size == 4:
            word = bytes(BOX[b] for b in word)
        words.append(_xor(words[-size], word))
    return [b"".join(words[i : i + 4]) for i in range(0, len(words), 4)]


def aes(key: bytes, block: bytes) -> bytes:
    keys = _round_keys(key)
    state = _xor(block, keys[0])
    for number, round_key in enumerate(keys[1:], start=1):
        state = bytes(BOX[b] for b in state)
        state = bytes(state[(i + 4 * (i % 4)) % 16] for i in range(16))  # ShiftRows, column by column
        if number < len(keys) - 1:
            columns = [state[i : i + 4] for i in range(0, 16, 4)]
            mixed = [
                _double(c[i]) ^ _double(c[(i + 1) % 4]) ^ c[(i + 1) % 4] ^ c[(i + 2) % 4] ^ c[(i + 3) % 4]
                for c in columns for i in range(4)
            ]  # fmt: skip
            state = bytes(mixed)
        state = _xor(state, round_key)
    return state


def cbc(key: bytes, iv: bytes, plain: bytes) -> bytes:
    padding = 16 - len(plain) % 16
    padded, last, out = plain + bytes([padding]) * padding, iv, b""
    for i in range(0, len(padded), 16):
        last = aes(key, _xor(padded[i : i + 16], last))
        out += last
    return out


def _ghash(subkey: int, data: bytes) -> int:
    total = 0
    for i in range(0, len(data), 16):
        total ^= int.from_bytes(data[i : i + 16].ljust(16, b"\0"), "big")
        product, factor = 0, subkey
        for bit in range(127, -1, -1):
            if total >> bit & 1:
                product ^= factor
            factor = factor >> 1 ^ (0xE1 << 120 if factor & 1 else 0)
        total = product
    return total


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)


def gcm(key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
    """Ciphertext and tag, for a nonce of 12 bytes."""
    blocks = range((len(plain) + 15) // 16)
    stream = b"".join(aes(key, nonce + (i + 2).to_bytes(4, "big")) for i in blocks)
    sealed = _xor(plain, stream)
    lengths = struct.pack(">QQ", 8 * len(associated), 8 * len(sealed))
    subkey = int.from_bytes(aes(key, bytes(16)), "big")
    digest = _ghash(subkey, _padded(associated) + _padded(sealed) + lengths)
    return sealed + _xor(digest.to_bytes(16, "big"), aes(key, nonce + b"\0\0\0\1"))


def hkdf_expand(seed: bytes, info: bytes) -> bytes:
    """The first 32 bytes: one round of SHA-256."""
    return hmac.new(seed, info + b"\1", hashlib.sha256).digest()


def _salsa_rounds(words: list[int]) -> list[int]:
    x = list(words)
    columns = [(0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11)]
    rows = [(0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)]
    for _ in range(10):
        for a, b, c, d in columns + rows:
            for target, one, other, turn in ((b, a, d, 7), (c, b, a, 9), (d, c, b, 13), (a, d, c, 18)):
                total = (x[one] + x[other]) & 0xFFFFFFFF
                x[target] ^= (total << turn | total >> (32 - turn)) & 0xFFFFFFFF
    return x


def _salsa_words(key: bytes, middle: bytes) -> list[int]:
    c = struct.unpack("<4I", b"expand 32-byte k")
    k, n = struct.unpack("<8I", key), struct.unpack("<4I", middle)
    return [c[0], *k[:4], c[1], *n, c[2], *k[4:], c[3]]


def _xsalsa(key: bytes, nonce: bytes, size: int) -> bytes:
    mixed = _salsa_rounds(_salsa_words(key, nonce[:16]))
    subkey = struct.pack("<8I", *(mixed[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))
    out = b""
    for block in range((size + 63) // 64):
        words = _salsa_words(subkey, nonce[16:] + block.to_bytes(8, "little"))
        mixed = _salsa_rounds(words)
        out += struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(words, mixed, strict=True)))
    return out[:size]


def _poly1305(key: bytes, data: bytes) -> bytes:
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for i in range(0, len(data), 16):
        total = (total + int.from_bytes(data[i : i + 16] + b"\1", "little")) * r % ((1 << 130) - 5)
    return ((total + int.from_bytes(key[16:], "little")) % (1 << 128)).to_bytes(16, "little")


def secretbox(key: bytes, nonce: bytes, plain: bytes) -> bytes:
    """Tag and ciphertext."""
    stream = _xsalsa(key, nonce, 32 + len(plain))
    sealed = _xor(plain, stream[32:])
    return _poly1305(stream[:32], sealed) + sealed
