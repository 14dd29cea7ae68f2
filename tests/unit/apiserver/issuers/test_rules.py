"""What an AuthenticationConfiguration is refused as, in upstream's words (apis/apiserver/validation)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from longboat.apiserver.authn.issuers.configuration import Flags, of_flags, parse
from longboat.machinery.configfile import BadConfiguration

URL = "https://issuer.example.org"
NAME = {"username": {"claim": "sub", "prefix": ""}}
BOTH = "claim and expression can't both be set"


def refusal(*jwt: Any, disallowed: tuple[str, ...] = (), **also: Any) -> str:
    whole = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": jwt, **also}
    with pytest.raises(BadConfiguration) as found:
        parse(json.dumps(whole).encode(), disallowed)
    return str(found.value)


def jwt(issuer: Any = None, **said: Any) -> Any:
    return {"issuer": {"url": URL, "audiences": ["a"], **(issuer or {})}, "claimMappings": NAME, **said}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (jwt({"url": ""}), "issuer.url: Required value"),
        (jwt({"url": "http://a"}), 'issuer.url: Invalid value: "http://a": URL scheme must be https'),
        (jwt({"url": "https://u@a"}),
         'issuer.url: Invalid value: "https://u@a": URL must not contain a username or password'),
        (jwt({"url": "https://a?b"}), 'issuer.url: Invalid value: "https://a?b": URL must not contain a query'),
        (jwt({"url": "https://a#b"}), 'issuer.url: Invalid value: "https://a#b": URL must not contain a fragment'),
        (jwt({"discoveryURL": f"{URL}/"}),
         f'issuer.discoveryURL: Invalid value: "{URL}/": discoveryURL must be different from URL'),
        (jwt({"audiences": []}), "issuer.audiences: Required value: at least one issuer.audiences is required"),
        (jwt({"audiences": ["a", "", "a"], "audienceMatchPolicy": "MatchAny"}),
         'issuer.audiences[1]: Required value, issuer.audiences[2]: Duplicate value: "a"'),
        (jwt({"audiences": ["a", "b"]}), 'issuer.audienceMatchPolicy: Invalid value: "": audienceMatchPolicy must '
         "be MatchAny for multiple audiences"),
        (jwt({"audienceMatchPolicy": "All"}), 'issuer.audienceMatchPolicy: Invalid value: "All": '
         "audienceMatchPolicy must be empty or MatchAny for single audience"),
        (jwt({"certificateAuthority": "x"}), 'issuer.certificateAuthority: Invalid value: "<omitted>": data does '
         "not contain any valid RSA or ECDSA certificates"),
        (jwt({"egressSelectorType": "x"}), 'issuer.egressSelectorType: Invalid value: "x": egress selector must be '
         "either controlplane or cluster"),
        (jwt(claimMappings={}), "claimMappings.username: Required value: claim or expression is required"),
        (jwt(claimMappings={"username": {"claim": "a", "expression": "b"}}),
         f'claimMappings.username: Invalid value: "": {BOTH}'),
        (jwt(claimMappings={"username": {"claim": "a"}}), "claimMappings.username.prefix: Required value: prefix is "
         "required when claim is set. It can be set to an empty string to disable prefixing"),
        (jwt(claimMappings={"username": {"expression": "claims.a", "prefix": ""}}),
         'claimMappings.username.prefix: Invalid value: "": may not be specified when expression is set'),
        (jwt(claimMappings=NAME | {"uid": {"claim": "a", "expression": "b"}}),
         f'claimMappings.uid: Invalid value: "": {BOTH}'),
        (jwt(claimMappings={"username": {"expression": "claims.email"}}),
         'claimMappings.username.expression: Invalid value: "claims.email": claims.email_verified must be used in '
         "claimMappings.username.expression or claimMappings.extra[*].valueExpression or "
         "claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression"),
        (jwt(claimMappings={"username": {"expression": "claims.?email.orValue('')"}}),
         'claimMappings.username.expression: Invalid value: "claims.?email.orValue(\'\')": claims.email_verified'),
        (jwt(claimMappings=NAME | {"extra": [{"key": "x", "valueExpression": "'a'"}]}),
         'claimMappings.extra[0].key: Invalid value: "x": must be a domain-prefixed path (such as "acme.io/foo")'),
        (jwt(claimMappings=NAME | {"extra": [{"key": "a.k8s.io/x", "valueExpression": "'a'"}]}),
         'claimMappings.extra[0].key: Invalid value: "a.k8s.io/x": k8s.io, kubernetes.io and their subdomains are '
         "reserved for Kubernetes use"),
        (jwt(claimMappings=NAME | {"extra": [{"key": "a.org/x", "valueExpression": "'a'"}] * 2}),
         'claimMappings.extra[1].key: Duplicate value: "a.org/x"'),
        (jwt(claimMappings=NAME | {"extra": [{"key": "a.org/x"}]}),
         "claimMappings.extra[0].valueExpression: Required value"),
        (jwt(claimValidationRules=[{}]), "claimValidationRules[0]: Required value: claim or expression is required"),
        (jwt(claimValidationRules=[{"claim": "a", "expression": "b"}]),
         f'claimValidationRules[0]: Invalid value: "a": {BOTH}'),
        (jwt(claimValidationRules=[{"claim": "a", "message": "m"}, {"claim": "a"}]),
         'claimValidationRules[0].message: Invalid value: "m": may not be specified when claim is set, '
         'claimValidationRules[1].claim: Duplicate value: "a"'),
        (jwt(claimValidationRules=[{"expression": "true", "requiredValue": "m"}, {"expression": "true"}]),
         'claimValidationRules[0].requiredValue: Invalid value: "m": may not be specified when expression is set, '
         'claimValidationRules[1].expression: Duplicate value: "true"'),
        (jwt(claimValidationRules=[{"expression": "claims.a"}]),
         'claimValidationRules[0].expression: Invalid value: "claims.a": must evaluate to bool'),
        (jwt(claimValidationRules=[{"expression": "user.username == ''"}]),
         'claimValidationRules[0].expression: Invalid value: "user.username == \'\'": compilation failed: ERROR: '
         "<input>:1:1: undeclared reference to 'user' (in container '')"),
        (jwt(userValidationRules=[{}]), "userValidationRules[0].expression: Required value"),
        (jwt(userValidationRules=[{"expression": "user.other == ''"}]),
         'userValidationRules[0].expression: Invalid value: "user.other == \'\'": compilation failed: ERROR: '
         "<input>:1:5: undefined field 'other'"),
    ],
)  # fmt: skip
def test_rules(said: Any, told: str) -> None:
    assert refusal(said).replace("jwt[0].", "").startswith(told)


def test_issuers_together() -> None:
    assert refusal(jwt(), jwt()) == f'jwt[1].issuer.url: Duplicate value: "{URL}"'
    both = jwt({"discoveryURL": "https://b"}), jwt({"url": "https://c", "discoveryURL": "https://b"})
    assert refusal(*both) == 'jwt[1].issuer.discoveryURL: Duplicate value: "https://b"'
    assert refusal(*[jwt()] * 65) == "jwt: Too many: 65: must have at most 64 items"
    ours = f'jwt[0].issuer.url: Invalid value: "{URL}": URL must not overlap with disallowed issuers: [{URL}]'
    assert refusal(jwt(), disallowed=(URL,)) == ours
    told = 'anonymous.conditions: Invalid value: [{"path":"/a"}]: enabled should be set to true when conditions are '
    told += "defined"
    assert refusal(anonymous={"enabled": False, "conditions": [{"path": "/a"}]}) == told


def test_the_line_or_the_field_is_named() -> None:
    head = b"apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n"
    for body, told in (
        (b"jwt:\n- a: [\n", "line 4"),
        (b"jwt: [{issuer: {uri: a}}]", 'strict decoding error: unknown field "jwt[0].issuer.uri"'),
        (b"jwt: {}", "cannot unmarshal object"),
        (b"anonymous: {enabled: yes please}", "cannot unmarshal string"),
    ):
        with pytest.raises(BadConfiguration, match=".*" + told.replace("[", r"\[")):
            parse(head + body, ())


def test_what_is_used_as_verified_lets_an_address_be_a_name() -> None:
    for said in (
        {"username": {"expression": "claims.email_verified ? claims.email : ''"}},
        {"username": {"expression": "claims.email"},
         "extra": [{"key": "a.org/v", "valueExpression": "string(claims.?email_verified.orValue(true))"}]},
    ):  # fmt: skip
        whole = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration"}
        parse(json.dumps(whole | {"jwt": [jwt(claimMappings=said)]}).encode(), ())


def test_flags() -> None:
    (issuer,) = of_flags(Flags(issuer_url=URL, client_id="a"), ()).issuers
    assert (issuer.mapper.username.claim, issuer.mapper.username.prefix) == ("sub", f"{URL}#")
    assert issuer.algorithms == ("RS256",)
    for said, prefix in (
        ({"username_claim": "email"}, ""),
        ({"username_prefix": "-"}, ""),
        ({"username_prefix": "x"}, "x"),
    ):
        (issuer,) = of_flags(Flags(issuer_url=URL, client_id="a", **said), ()).issuers
        assert issuer.mapper.username.prefix == prefix
    for given, told in (
        (Flags(issuer_url="", client_id="a"), "oidc-issuer-url and oidc-client-id must be specified together"),
        (Flags(issuer_url=URL, client_id="a", signing_algs=["EdDSA"]), "unsupported signing alg"),
        (Flags(issuer_url="http://a", client_id="a"), "URL scheme must be https"),
        (Flags(issuer_url=URL, client_id="a", required_claims=["x"]), "malformed pair"),
    ):
        with pytest.raises(BadConfiguration, match=told):
            of_flags(given, ())
