"""Keys that ServiceAccounts' tokens are verified by: several, of either sort, named by the token or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from longboat.aio.clock import SystemClock
from longboat.apiserver.authn.identity import Unknown
from longboat.apiserver.authn.serviceaccounts import ISSUER, TokenIssuer
from longboat.apiserver.pki import Pki
from longboat.machinery.configfile import BadConfiguration

OWN = {"namespace": "n", "serviceaccount": {"name": "a", "uid": "u"}}


def signed(key: Any, algorithm: str, *, kid: bool) -> str:
    header = {"alg": algorithm, **({"kid": key.thumbprint()} if kid else {})}
    return jwt.encode(header, {"iss": ISSUER, "exp": 1 << 40, "kubernetes.io": OWN}, key, algorithms=[algorithm])


def test_former_keys_are_good_and_told(tmp_path: Path) -> None:
    former = [(RSAKey.generate_key(2048), "RS256"), (ECKey.generate_key("P-256"), "ES256"),
              (ECKey.generate_key("P-384"), "ES384")]  # fmt: skip
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_bytes(former[0][0].as_pem(private=True))
    public.write_bytes(b"".join(key.as_pem(private=False) for key, _ in former[1:]))  # several in one file
    own = Pki(tmp_path / "pki", SystemClock()).service_account_key
    issuer = TokenIssuer(own, SystemClock(), others=[private, public])
    for key, algorithm in (*former, (ECKey.import_key(own.read_text()), "ES256")):
        for kid in (True, False):
            assert issuer.decoded(signed(key, algorithm, kid=kid))
    keys = json.loads(issuer.jwks())["keys"]
    assert [(each["alg"], each["use"]) for each in keys] == [
        ("ES256", "sig"), ("RS256", "sig"), ("ES256", "sig"), ("ES384", "sig"),
    ]  # fmt: skip
    assert not any({"d", "p", "q"} & each.keys() for each in keys)
    assert json.loads(issuer.configuration())["id_token_signing_alg_values_supported"] == ["ES256", "RS256", "ES384"]
    stranger = ECKey.generate_key("P-256")
    for kid in (True, False):
        with pytest.raises(Unknown):
            issuer.decoded(signed(stranger, "ES256", kid=kid))
    with pytest.raises(Unknown):  # named for one key, signed by another
        header = {"alg": "ES256", "kid": former[1][0].thumbprint()}
        issuer.decoded(jwt.encode(header, {"iss": ISSUER, "exp": 1}, stranger, algorithms=["ES256"]))


def test_files_without_keys_that_will_do(tmp_path: Path) -> None:
    own = Pki(tmp_path / "pki", SystemClock()).service_account_key
    file = tmp_path / "k.pem"
    for content, why in ((b"", "does not contain any valid"), (OKPKey.generate_key("Ed25519").as_pem(), "neither RSA")):
        file.write_bytes(content)
        with pytest.raises(BadConfiguration, match=why):
            TokenIssuer(own, SystemClock(), others=[file])
