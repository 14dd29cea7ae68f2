"""Ciphers: upstream's bytes, byte for byte, and nothing else opens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.storage.encryption import aes
from longboat.storage.encryption.aes import Cbc, Derived, Gcm
from longboat.storage.encryption.sealer import CannotOpen, Opened, Sealer
from longboat.storage.encryption.secretbox import Box
from unit.storage.encryption import reference

KEY = "/registry/secrets/default/password"
SECRET = b'{"kind":"Secret","data":{"password":"aHVudGVyMg=="}}'
KEY_32 = bytes(range(32))

CIPHERS: dict[str, Callable[[], Sealer]] = {
    "gcm": lambda: Gcm(KEY_32),
    "cbc": lambda: Cbc(KEY_32),
    "secretbox": lambda: Box(KEY_32),
    "derived": lambda: Derived(KEY_32),
}
AUTHENTICATED = ("gcm", "secretbox", "derived")
BOUND = ("gcm", "derived")  # to the storage key
every = pytest.mark.parametrize("name", CIPHERS)


def seal(sealer: Sealer, plain: bytes, key: str = KEY) -> bytes:
    return asyncio.run(sealer.seal(key, plain))


def opened(sealer: Sealer, sealed: bytes, key: str = KEY) -> Opened:
    return asyncio.run(sealer.open(key, sealed))


def refusal(sealer: Sealer, sealed: bytes, key: str = KEY) -> str:
    with pytest.raises(CannotOpen) as refused:
        opened(sealer, sealed, key)
    return str(refused.value)


def test_the_reference_agrees_with_the_vectors_of_the_standards() -> None:
    unhex = bytes.fromhex
    block = unhex("00112233445566778899aabbccddeeff")  # FIPS 197, C.1 and C.3
    assert reference.aes(bytes(range(16)), block).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
    assert reference.aes(bytes(range(32)), block).hex() == "8ea2b7ca516745bfeafc49904b496089"
    plain = unhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    associated = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")  # McGrew and Viega, test case 16
    sealed = reference.gcm(
        unhex("feffe9928665731c6d6a8f9467308308") * 2, unhex("cafebabefacedbaddecaf888"), plain, associated
    )
    assert sealed[-16:].hex() == "76fc6ece0f4e1768cddf8853bb2d551b"
    message = unhex(  # "Cryptography in NaCl", section 10
        "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c6129"
        "6cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde"
        "048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705"
    )
    key = unhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
    boxed = reference.secretbox(key, unhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37"), message)
    assert boxed[:32].hex() == "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce"


@pytest.mark.parametrize("size", [16, 24, 32])
def test_gcm_is_nonce_ciphertext_tag_with_the_storage_key_authenticated(size: int) -> None:
    nonce, key = bytes(range(100, 112)), bytes(range(size))
    assert opened(Gcm(key), nonce + reference.gcm(key, nonce, SECRET, KEY.encode())) == (SECRET, False)
    sealed = seal(Gcm(key), SECRET)
    assert sealed[12:] == reference.gcm(key, sealed[:12], SECRET, KEY.encode())


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("length", [0, 15, 16, 52])
def test_cbc_is_iv_and_padded_ciphertext(size: int, length: int) -> None:
    iv, key, plain = bytes(range(50, 66)), bytes(range(size)), SECRET[:length]
    assert opened(Cbc(key), iv + reference.cbc(key, iv, plain)) == (plain, False)
    sealed = seal(Cbc(key), plain)
    assert sealed[16:] == reference.cbc(key, sealed[:16], plain)


def test_secretbox_is_nonce_tag_ciphertext() -> None:
    nonce = bytes(range(24))
    assert opened(Box(KEY_32), nonce + reference.secretbox(KEY_32, nonce, SECRET)) == (SECRET, False)
    sealed = seal(Box(KEY_32), SECRET)
    assert sealed[24:] == reference.secretbox(KEY_32, sealed[:24], SECRET)


def test_a_derived_key_is_made_from_the_seed_and_what_precedes_the_nonce() -> None:
    info, nonce = bytes(range(200, 232)), bytes(12)
    key = reference.hkdf_expand(KEY_32, info)
    assert opened(Derived(KEY_32), info + nonce + reference.gcm(key, nonce, SECRET, KEY.encode())) == (SECRET, False)
    sealed = seal(Derived(KEY_32), SECRET)
    key = reference.hkdf_expand(KEY_32, sealed[:32])
    assert sealed[44:] == reference.gcm(key, sealed[32:44], SECRET, KEY.encode())


def test_a_seed_must_be_long_enough() -> None:
    with pytest.raises(ValueError, match="invalid seed length 31 used for key generation"):
        Derived(bytes(31))


@every
@given(plain=st.binary(max_size=300), key=st.text(max_size=30))
def test_what_was_sealed_opens(name: str, plain: bytes, key: str) -> None:
    sealer = CIPHERS[name]()
    assert opened(sealer, seal(sealer, plain, key), key) == (plain, False)


@every
def test_no_two_are_sealed_alike(name: str) -> None:
    sealer = CIPHERS[name]()
    sealed = {seal(sealer, SECRET) for _ in range(50)}
    assert len(sealed) == 50
    assert not any(b"hunter2" in value or b"aHVudGVyMg" in value for value in sealed)


@pytest.mark.parametrize("name", AUTHENTICATED)
@given(data=st.data())
def test_no_changed_bit_goes_unnoticed(name: str, data: Any) -> None:
    sealer = CIPHERS[name]()
    sealed = bytearray(seal(sealer, SECRET))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= 1 << data.draw(st.integers(0, 7))
    refusal(sealer, bytes(sealed))


@pytest.mark.parametrize("name", BOUND)
def test_a_value_moved_to_another_key_does_not_open(name: str) -> None:
    sealer = CIPHERS[name]()
    sealed = seal(sealer, SECRET, "/registry/secrets/kube-system/admin")
    assert refusal(sealer, sealed, "/registry/secrets/default/mine") == "cipher: message authentication failed"


@pytest.mark.parametrize("name", AUTHENTICATED)
def test_another_key_does_not_open_it(name: str) -> None:
    other = {"gcm": Gcm, "secretbox": Box, "derived": Derived}[name](bytes(32))
    refusal(other, seal(CIPHERS[name](), SECRET))


@every
@given(junk=st.binary(max_size=100))
def test_junk_is_refused_or_opens_as_something_else_but_never_breaks(name: str, junk: bytes) -> None:
    try:
        assert name not in AUTHENTICATED or not opened(CIPHERS[name](), junk)
    except CannotOpen:
        pass


@pytest.mark.parametrize("name", ["gcm", "cbc", "secretbox", "derived"])
def test_what_is_too_short_is_said_to_be(name: str) -> None:
    assert refusal(CIPHERS[name](), b"short") == "the stored data was shorter than the required size"


def test_broken_cbc_is_told_apart() -> None:
    cipher, iv = Cbc(KEY_32), bytes(16)
    assert refusal(cipher, iv + b"odd") == "the stored data is not a multiple of the block size"
    assert refusal(cipher, iv) == "invalid PKCS7 data (empty or not padded)"
    last_byte = {0: "invalid PKCS7 data (empty or not padded)", 17: "invalid PKCS7 data (empty or not padded)",
                 2: "invalid padding on input"}  # fmt: skip
    for byte, why in last_byte.items():
        assert refusal(cipher, iv + reference.cbc(KEY_32, iv, bytes(15) + bytes([byte]))[:16]) == why


def test_sizes_are_those_of_the_standards() -> None:
    assert (aes.NONCE, aes.BLOCK, aes.INFO) == (12, 16, 32)
