"""What must hold for an AuthenticationConfiguration; upstream's rules and their order (apis/apiserver/validation).

Checking compiles its expressions, so what was checked is what runs.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from longboat.apiserver.authn.issuers.expressions import (
    Claimed,
    Expression,
    Mapper,
    Unusable,
    of_claims,
    of_user,
    reads,
)
from longboat.machinery.fieldpath import Errors, Path
from longboat.registry.kinds.networking.ingress_class import domain_prefixed

MOST = 64  # issuers
BOTH = "claim and expression can't both be set"
RESERVED = ("kubernetes.io", "k8s.io")
UNVERIFIED = (
    "claims.email_verified must be used in claimMappings.username.expression or "
    "claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in "
    "claimMappings.username.expression"
)
Found = Mapping[str, Any]


def check(found: Found, disallowed: Collection[str]) -> tuple[Errors, list[Mapper]]:
    """`found` has the right types already. Mappers are of no use where there are errors."""
    err, mappers = Errors(), list[Mapper]()
    issuers, where = found.get("jwt") or (), Path("jwt")
    if len(issuers) > MOST:
        err.too_many(where, len(issuers), MOST)
        return err, []
    urls, discovery = set[str](), set[str]()
    for i, each in enumerate(issuers):
        path, issuer = where.index(i), each.get("issuer") or {}
        mapper = Mapper()
        _issuer(issuer, disallowed, path.at("issuer"), err)
        _claim_rules(each.get("claimValidationRules") or (), mapper, path.at("claimValidationRules"), err)
        _mappings(each.get("claimMappings") or {}, mapper, path.at("claimMappings"), err)
        _user_rules(each.get("userValidationRules") or (), mapper, path.at("userValidationRules"), err)
        mappers.append(mapper)
        for field, seen in (("url", urls), ("discoveryURL", discovery)):
            value = issuer.get(field) or ""
            if value in seen and (value or field == "url"):
                err.duplicate(path.at("issuer", field), value)
            seen.add(value)
    anonymous = found.get("anonymous")
    if anonymous and not anonymous.get("enabled") and anonymous.get("conditions"):
        shown = [{"path": each.get("path") or ""} for each in anonymous["conditions"]]
        err.invalid(Path("anonymous", "conditions"), shown, "enabled should be set to true when conditions are defined")
    return err, mappers


def _issuer(issuer: Found, disallowed: Collection[str], path: Path, err: Errors) -> None:
    url, discovery = issuer.get("url") or "", issuer.get("discoveryURL") or ""
    if not url:
        err.required(path.at("url"))
    else:
        _url(url, disallowed, path.at("url"), err)
    if discovery:
        if url and url.rstrip("/") == discovery.rstrip("/"):
            err.invalid(path.at("discoveryURL"), discovery, "discoveryURL must be different from URL")
        _url(discovery, (), path.at("discoveryURL"), err)
    _audiences(issuer.get("audiences") or (), issuer.get("audienceMatchPolicy") or "", path, err)
    if authority := issuer.get("certificateAuthority"):
        try:
            ssl.create_default_context(cadata=authority)
        except (ssl.SSLError, ValueError):
            why = "data does not contain any valid RSA or ECDSA certificates"
            err.invalid(path.at("certificateAuthority"), "<omitted>", why)
    if (egress := issuer.get("egressSelectorType") or "") not in ("", "controlplane", "cluster"):
        err.invalid(path.at("egressSelectorType"), egress, "egress selector must be either controlplane or cluster")


def _url(text: str, disallowed: Collection[str], path: Path, err: Errors) -> None:
    if text in disallowed:
        listed = " ".join(sorted(disallowed))
        err.invalid(path, text, f"URL must not overlap with disallowed issuers: [{listed}]")
    try:
        split = urlsplit(text)
        split.port  # noqa: B018 - one that is no number is found by looking
    except ValueError as error:
        err.invalid(path, text, f"parse {text!r}: {error}")
        return
    if split.scheme != "https":
        err.invalid(path, text, "URL scheme must be https")
    if "@" in split.netloc:
        err.invalid(path, text, "URL must not contain a username or password")
    if split.query:
        err.invalid(path, text, "URL must not contain a query")
    if split.fragment:
        err.invalid(path, text, "URL must not contain a fragment")


def _audiences(audiences: Collection[str], policy: str, path: Path, err: Errors) -> None:
    where = path.at("audiences")
    if not audiences:
        err.required(where, f"at least one {where} is required")
        return
    seen = set[str]()
    for i, audience in enumerate(audiences):
        if not audience:
            err.required(where.index(i))
        if audience in seen:
            err.duplicate(where.index(i), audience)
        seen.add(audience)
    if policy == "MatchAny":
        return
    if len(audiences) > 1:
        why = "audienceMatchPolicy must be MatchAny for multiple audiences"
        err.invalid(path.at("audienceMatchPolicy"), policy, why)
    elif policy:
        why = "audienceMatchPolicy must be empty or MatchAny for single audience"
        err.invalid(path.at("audienceMatchPolicy"), policy, why)


def _compiled(source: str, make: Callable[[], Expression], path: Path, err: Errors) -> Expression | None:
    try:
        return make()
    except Unusable as error:
        err.invalid(path, source, str(error))
        return None


def _claim_rules(rules: Collection[Found], mapper: Mapper, path: Path, err: Errors) -> None:
    claims, expressions = set[str](), set[str]()
    for i, rule in enumerate(rules):
        at = path.index(i)
        claim, source, message = (rule.get(name) or "" for name in ("claim", "expression", "message"))
        value = rule.get("requiredValue") or ""
        if claim and source:
            err.invalid(at, claim, BOTH)
        elif not claim and not source:
            err.required(at, "claim or expression is required")
        elif claim:
            if message:
                err.invalid(at.at("message"), message, "may not be specified when claim is set")
            if claim in claims:
                err.duplicate(at.at("claim"), claim)
            claims.add(claim)
            mapper.required[claim] = value
        else:
            if value:
                err.invalid(at.at("requiredValue"), value, "may not be specified when expression is set")
            if source in expressions:
                err.duplicate(at.at("expression"), source)
                continue
            expressions.add(source)

            def make(source: str = source, message: str = message) -> Expression:
                return of_claims(source, condition=True, message=message)

            if made := _compiled(source, make, at.at("expression"), err):
                mapper.claim_rules.append(made)


def _mappings(found: Found, mapper: Mapper, path: Path, err: Errors) -> None:
    mapper.username = _prefixed(found.get("username") or {}, path.at("username"), err, required=True)
    mapper.groups = _prefixed(found.get("groups") or {}, path.at("groups"), err, required=False)
    uid = found.get("uid") or {}
    claim, source = uid.get("claim") or "", uid.get("expression") or ""
    if claim and source:
        err.invalid(path.at("uid"), "", BOTH)
    elif source:
        mapper.uid = Claimed(expression=_compiled(source, lambda: of_claims(source), path.at("uid", "expression"), err))
    else:
        mapper.uid = Claimed(claim)
    _extra(found.get("extra") or (), mapper, path.at("extra"), err)
    username = mapper.username.expression
    saying = [each for each in (username, *mapper.extra, *mapper.claim_rules) if each is not None]
    if username and reads(username, "email") and not any(reads(each, "email_verified") for each in saying):
        err.invalid(path.at("username", "expression"), username.source, UNVERIFIED)


def _prefixed(found: Found, path: Path, err: Errors, *, required: bool) -> Claimed:
    claim, source, prefix = found.get("claim") or "", found.get("expression") or "", found.get("prefix")
    if claim and source:
        err.invalid(path, "", BOTH)
    elif source:
        if prefix is not None:
            err.invalid(path.at("prefix"), prefix, "may not be specified when expression is set")
        return Claimed(expression=_compiled(source, lambda: of_claims(source), path.at("expression"), err))
    elif claim:
        if prefix is None:
            why = "prefix is required when claim is set. It can be set to an empty string to disable prefixing"
            err.required(path.at("prefix"), why)
    elif required:
        err.required(path, "claim or expression is required")
    return Claimed(claim, prefix or "")


def _extra(mappings: Collection[Found], mapper: Mapper, path: Path, err: Errors) -> None:
    seen = set[str]()
    for i, mapping in enumerate(mappings):
        at = path.index(i)
        key, source, where = mapping.get("key") or "", mapping.get("valueExpression") or "", at.at("key")
        if not key:
            err.required(where)
        else:
            domain_prefixed(key, where, err)
        if key != key.lower():
            err.invalid(where, key, "must be lowercase")
        domain = key.partition("/")[0] if "/" in key else ""
        if domain in RESERVED or domain.endswith(tuple(f".{each}" for each in RESERVED)):
            why = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use"
            err.invalid(where, key, why)
        if key in seen:
            err.duplicate(where, key)
            continue
        seen.add(key)
        if not source:
            err.required(at.at("valueExpression"))
            continue

        def make(source: str = source, key: str = key) -> Expression:
            return of_claims(source, key=key)

        if made := _compiled(source, make, at.at("valueExpression"), err):
            mapper.extra.append(made)


def _user_rules(rules: Collection[Found], mapper: Mapper, path: Path, err: Errors) -> None:
    seen = set[str]()
    for i, rule in enumerate(rules):
        source, message, at = rule.get("expression") or "", rule.get("message") or "", path.index(i).at("expression")
        if not source:
            err.required(at)
            continue
        if source in seen:
            err.duplicate(at, source)
            continue
        seen.add(source)

        def make(source: str = source, message: str = message) -> Expression:
            return of_user(source, message)

        if made := _compiled(source, make, at, err):
            mapper.user_rules.append(made)
