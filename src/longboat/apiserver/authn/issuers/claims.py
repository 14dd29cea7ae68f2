"""Whom claims name: the part of a token after its signature has been checked. The rules, their order and their words
are upstream's (plugin/pkg/authenticator/token/oidc)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from longboat.apiserver.authn.identity import Refused, known
from longboat.apiserver.authn.issuers.expressions import Claimed, Expression, Failed, Mapper, shown
from longboat.machinery.user import User

_NOT_STRINGS = "expression must return a string or a list of strings"
Claims = Mapping[str, Any]


async def user_of(claims: Claims, mapper: Mapper) -> User:
    """Raises Refused."""
    name = await _name(claims, mapper.username)
    if not name:
        raise Refused("oidc: the username is empty")
    groups = await _groups(claims, mapper.groups)
    uid = await _uid(claims, mapper.uid)
    user = User(name, groups, uid, await _extra(claims, mapper.extra))
    for claim, value in mapper.required.items():
        if claim not in claims:
            raise Refused(f"oidc: required claim {claim} not present in ID token")
        got = _text(claims[claim], f"oidc: parse claim {claim}")
        if got != value:
            raise Refused(f"oidc: required claim {claim} value does not match. Got = {got}, want = {value}")
    await _hold(mapper.claim_rules, {"claims": claims}, "oidc: error evaluating claim validation expression")
    await _hold(mapper.user_rules, {"user": shown(user)}, "oidc: error evaluating user info validation rule")
    return known(user.name, user.groups, user.uid, dict(user.extra))


async def _name(claims: Claims, said: Claimed) -> str:
    if said.expression is not None:
        return await _string(said.expression, claims, "username")
    what = f'oidc: parse username claims "{said.claim}"'
    if said.claim not in claims:
        raise Refused(f"{what}: claim not present")
    name = _text(claims[said.claim], what)
    if said.claim == "email" and "email_verified" in claims:
        verified = claims["email_verified"]
        if not isinstance(verified, bool):
            raise Refused(f"oidc: parse 'email_verified' claim: {_mismatch(verified, 'bool')}")
        if not verified:
            raise Refused("oidc: email not verified")
    return said.prefix + name if name else ""


async def _groups(claims: Claims, said: Claimed) -> tuple[str, ...]:
    if said.expression is not None:
        why = "oidc: error evaluating group claim expression"
        return _strings(await _value(said.expression, claims, why), why)
    if not said.claim or said.claim not in claims:
        return ()
    found = claims[said.claim]
    listed = found if isinstance(found, list) else [found]
    what = f'oidc: parse groups claim "{said.claim}"'
    return tuple(said.prefix + _text(each, what) for each in listed)


async def _uid(claims: Claims, said: Claimed) -> str:
    if said.expression is not None:
        return await _string(said.expression, claims, "uid")
    if not said.claim:
        return ""
    what = f'oidc: parse uid claim "{said.claim}"'
    if said.claim not in claims:
        raise Refused(f"{what}: claim not present")
    return _text(claims[said.claim], what)


async def _extra(claims: Claims, expressions: Iterable[Expression]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for each in expressions:
        value = await _value(each, claims, "")
        if strings := _strings(value, f"oidc: error evaluating extra claim expression: {each.source}"):
            found[each.key] = strings
    return found


async def _hold(rules: Iterable[Expression], variables: Mapping[str, Any], why: str) -> None:
    """All are computed before the first that does not hold is told of."""
    try:
        values = [(rule, await rule.value(variables)) for rule in rules]
    except Failed as error:
        raise Refused(f"{why}: {error}") from None
    for rule, value in values:
        if value is not True:
            raise Refused(f"{why}: validation expression '{rule.source}' failed: {rule.message}")


async def _value(expression: Expression, claims: Claims, why: str) -> Any:
    try:
        return await expression.value({"claims": claims})
    except Failed as error:
        raise Refused(f"{why}: {error}" if why else str(error)) from None


async def _string(expression: Expression, claims: Claims, what: str) -> str:
    why = f"oidc: error evaluating {what} claim expression"
    value = await _value(expression, claims, why)
    if not isinstance(value, str):
        raise Refused(f"{why}: {what} claim expression must return a string")
    return value


def _strings(value: Any, why: str) -> tuple[str, ...]:
    """What is empty is not there."""
    if value is None:
        return ()
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not all(isinstance(each, str) for each in listed):
        raise Refused(f"{why}: {_NOT_STRINGS}")
    return tuple(filter(None, listed))


def _text(value: Any, what: str) -> str:
    if value is None:
        return ""  # as Go leaves what it is to fill
    if not isinstance(value, str):
        raise Refused(f"{what}: {_mismatch(value, 'string')}")
    return value


def _mismatch(value: Any, wanted: str) -> str:
    kinds = {bool: "bool", str: "string", int: "number", float: "number", list: "array", dict: "object"}
    return f"json: cannot unmarshal {kinds.get(type(value), 'value')} into Go value of type {wanted}"
