"""Reading an AuthenticationConfiguration (apiserver.config.k8s.io), and what the flags `--oidc-…` say as one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longboat.apiserver.authn.issuers import rules
from longboat.apiserver.authn.issuers.expressions import Mapper
from longboat.machinery import configfile
from longboat.machinery.configfile import BadConfiguration
from longboat.machinery.fieldpath import Path as Field
from longboat.machinery.types.shapes import ANY, SCALARS, List

KIND = "AuthenticationConfiguration"
VERSIONS = tuple(f"apiserver.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
ALGORITHMS = ("ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")  # EdDSA is none of them
_STRING, _FLAG, _NAME = SCALARS["string"], SCALARS["boolean"], "io.k8s.apiserver.v1."
_MAPPING = configfile.struct(f"{_NAME}PrefixedClaimOrExpression", claim=_STRING, prefix=_STRING, expression=_STRING)
_EXTRA = configfile.struct(f"{_NAME}ExtraMapping", key=_STRING, valueExpression=_STRING)
_JWT = configfile.struct(
    f"{_NAME}JWTAuthenticator",
    issuer=configfile.struct(
        f"{_NAME}Issuer",
        url=_STRING,
        discoveryURL=_STRING,
        certificateAuthority=_STRING,
        audiences=List(_STRING),
        audienceMatchPolicy=_STRING,
        egressSelectorType=_STRING,
    ),
    claimValidationRules=List(
        configfile.struct(
            f"{_NAME}ClaimValidationRule", claim=_STRING, requiredValue=_STRING, expression=_STRING, message=_STRING
        )
    ),
    claimMappings=configfile.struct(
        f"{_NAME}ClaimMappings",
        username=_MAPPING,
        groups=_MAPPING,
        uid=configfile.struct(f"{_NAME}ClaimOrExpression", claim=_STRING, expression=_STRING),
        extra=List(_EXTRA),
    ),
    userValidationRules=List(
        configfile.struct(f"{_NAME}UserValidationRule", expression=_STRING, message=_STRING)
    ),
)  # fmt: skip
SHAPE = configfile.struct(
    f"{_NAME}{KIND}",
    kind=_STRING,
    apiVersion=_STRING,
    metadata=ANY,
    jwt=List(_JWT),
    anonymous=configfile.struct(
        f"{_NAME}AnonymousAuthConfig",
        enabled=_FLAG,
        conditions=List(configfile.struct(f"{_NAME}AnonymousAuthCondition", path=_STRING)),
    ),
)


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Whether requests without a credential are somebody's, and of which paths; `paths` None: of all."""

    enabled: bool = True
    paths: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Issuer:
    """Somebody whose tokens are taken. `authority`: in PEM, "" for the machine's own."""

    url: str
    discovery_url: str
    authority: str
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...]
    mapper: Mapper


@dataclass(frozen=True, slots=True)
class Configuration:
    """`anonymous`: None where it says nothing of it."""

    issuers: tuple[Issuer, ...] = ()
    anonymous: Anonymous | None = None


@dataclass(frozen=True, kw_only=True)
class Flags:
    """One issuer, as upstream's flags `--oidc-…` tell of it."""

    issuer_url: str
    client_id: str
    ca_file: Path | None = None
    username_claim: str = "sub"
    username_prefix: str = ""
    groups_claim: str = ""
    groups_prefix: str = ""
    signing_algs: Sequence[str] = ("RS256",)
    required_claims: Sequence[str] = ()  # NAME=VALUE


def load(file: Path, disallowed: Collection[str]) -> tuple[Configuration, bytes]:
    """And what was read. `disallowed`: issuers that it may not name. Raises BadConfiguration, which names the file, and
    the line or the field."""
    try:
        data = file.read_bytes()
        return parse(data, disallowed), data
    except OSError as error:
        raise BadConfiguration(f"{file}: {error.strerror}") from error
    except BadConfiguration as error:
        raise BadConfiguration(f"{file}: {error}") from None


def parse(data: bytes, disallowed: Collection[str]) -> Configuration:
    """Raises BadConfiguration."""
    return _configuration(configfile.read(data, KIND, VERSIONS, SHAPE), disallowed, ALGORITHMS)


def of_flags(given: Flags, disallowed: Collection[str]) -> Configuration:
    """Raises BadConfiguration."""
    if bool(given.issuer_url) != bool(given.client_id):
        raise BadConfiguration(
            "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set"
        )
    if bad := [each for each in given.signing_algs if each not in ALGORITHMS]:
        raise BadConfiguration(f"oidc: unsupported signing alg: {bad[0]!r}")
    authority = ""
    if given.ca_file is not None:
        try:
            authority = given.ca_file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfiguration(f"--oidc-ca-file: {given.ca_file}: {error}") from error
    prefix = given.username_prefix
    if not prefix and given.username_claim != "email":
        prefix = f"{given.issuer_url}#"
    mappings: dict[str, Any] = {"username": {"claim": given.username_claim, "prefix": "" if prefix == "-" else prefix}}
    if given.groups_claim:
        mappings["groups"] = {"claim": given.groups_claim, "prefix": given.groups_prefix}
    wanted = [each.partition("=") for each in given.required_claims]
    if any(not equals or not claim for claim, equals, _ in wanted):
        raise BadConfiguration("--oidc-required-claim: malformed pair, expect string=string")
    found = {
        "issuer": {
            "url": given.issuer_url, "audiences": [given.client_id], "certificateAuthority": authority,
        },
        "claimMappings": mappings,
        "claimValidationRules": [{"claim": claim, "requiredValue": value} for claim, _, value in wanted],
    }  # fmt: skip
    return _configuration({"jwt": [found]}, disallowed, tuple(given.signing_algs))


def _configuration(found: Mapping[str, Any], disallowed: Collection[str], algorithms: tuple[str, ...]) -> Configuration:
    errors, mappers = rules.check(found, disallowed)
    if errors:
        raise BadConfiguration(", ".join(str(cause) for cause in errors))
    issuers = []
    for each, mapper in zip(found.get("jwt") or (), mappers, strict=True):
        said = each["issuer"]
        issuers.append(Issuer(
            said["url"], said.get("discoveryURL") or "", said.get("certificateAuthority") or "",
            tuple(said["audiences"]), algorithms, mapper,
        ))  # fmt: skip
    return Configuration(tuple(issuers), _anonymous(found.get("anonymous")))


def _anonymous(found: Mapping[str, Any] | None) -> Anonymous | None:
    if found is None:
        return None
    conditions = found.get("conditions") or ()
    paths = frozenset(each.get("path") or "" for each in conditions) if conditions else None
    return Anonymous(bool(found.get("enabled")), paths)


ANONYMOUS_CHANGED = f"{Field('anonymous')}: Forbidden: changed from initial configuration file"
