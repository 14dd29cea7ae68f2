"""The keys that ServiceAccounts' tokens are verified by: that which signs, and others, as after it was replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from longboat.machinery.configfile import BadConfiguration

_PEM = re.compile(r"-----BEGIN ([A-Z ]*KEY)-----.*?-----END \1-----", re.DOTALL)
FLAG = "--service-account-key-file"
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
Key = ECKey | RSAKey


class Keys:
    """By their ids, in order; the first is that which signs."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = {key.thumbprint(): (key, _algorithm(key)) for key in keys}
        self.algorithms = list(dict.fromkeys(algorithm for _, algorithm in self._keys.values()))

    def claims(self, token: str) -> Mapping[str, Any]:
        """What it says, if a key has signed it; one that names no key is tried against each. Raises JoseError,
        ValueError."""
        kid = jws.extract_compact(token.encode()).headers().get("kid")
        named = self._keys.get(kid) if isinstance(kid, str) else None
        *some, last = [named] if named else self._keys.values()
        for each in some:
            # An error that is kept until the last has failed would hold this frame, and it the request.
            with suppress(JoseError, ValueError):
                return _claims(token, *each)
        return _claims(token, *last)

    def told(self) -> list[dict[str, Any]]:
        """As a key set has them (RFC 7517)."""
        return [
            {**key.as_dict(private=False), "use": "sig", "alg": algorithm, "kid": kid}
            for kid, (key, algorithm) in self._keys.items()
        ]


def _claims(token: str, key: Key, algorithm: str) -> Mapping[str, Any]:
    return jwt.decode(token, key, algorithms=[algorithm]).claims


def known(signing: Key, files: Iterable[Path]) -> Keys:
    """Raises OSError, BadConfiguration."""
    return Keys([signing, *(key for file in files for key in read(file))])


def read(file: Path) -> list[Key]:
    """The keys in a file, private or public, in PEM. Raises OSError, BadConfiguration."""
    found: list[Key] = []
    for match in _PEM.finditer(file.read_text()):
        for sort in (ECKey, RSAKey):
            try:
                found.append(sort.import_key(match[0]))
                break
            except (JoseError, ValueError, TypeError):
                continue
        else:
            raise BadConfiguration(f"{FLAG}: {file}: a {match[1].lower()} in it is neither RSA nor ECDSA")
    if not found:
        raise BadConfiguration(f"{FLAG}: {file}: data does not contain any valid RSA or ECDSA public keys")
    return found


def _algorithm(key: Key) -> str:
    """Raises BadConfiguration."""
    if isinstance(key, RSAKey):
        return "RS256"
    curve = str(key.as_dict(private=False)["crv"])
    if curve not in _CURVES:
        raise BadConfiguration(f"{FLAG}: tokens cannot be signed by keys of {curve}")
    return _CURVES[curve]
