"""Flags that say who is who, and who may do what: what is made of them, and what is refused at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from longboat.apiserver.authn.issuers.configuration import Anonymous
from longboat.assembly.control_plane import access
from longboat.cli import server_files
from longboat.cli.cluster import Cluster
from longboat.cli.errors import Usage
from longboat.cli.flags import parse
from longboat.cli.server import settings
from longboat.cli.server_options import Options
from longboat.machinery.configfile import BadConfiguration

HEAD = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n"
JWT = """jwt:
- issuer: {url: https://a, audiences: [x]}
  claimMappings: {username: {claim: sub, prefix: ""}}
"""


def told(*flags: str) -> access.live.Settings:
    given = settings(parse(Options, flags, prog="t", environ={}))
    return access.authentication(given.authentication, ["https://ours"], access.authorization(given.authorization))


def test_nothing_said_is_nobody_else_s_tokens() -> None:
    found = told()
    assert (found.configuration.issuers, found.anonymous, found.file) == ((), Anonymous(), None)
    assert told("--no-anonymous-auth").anonymous == Anonymous(False)
    assert told("--authorization-mode", "AlwaysAllow").anonymous == Anonymous(False)


def test_one_issuer_by_flags() -> None:
    flags = ("--oidc-issuer-url", "https://a", "--oidc-client-id", "x", "--oidc-groups-claim", "g",
             "--oidc-signing-algs", "RS256,ES256", "--oidc-required-claim", "a=b,c=d")  # fmt: skip
    (issuer,) = told(*flags).configuration.issuers
    assert (issuer.url, issuer.audiences, issuer.algorithms) == ("https://a", ("x",), ("RS256", "ES256"))
    assert issuer.mapper.required == {"a": "b", "c": "d"}
    assert issuer.mapper.groups.claim == "g"


def test_a_file_and_flags_do_not_go_together(tmp_path: Path) -> None:
    file = tmp_path / "authn.yaml"
    file.write_text(HEAD + JWT + "anonymous: {enabled: false}\n")
    assert told("--authentication-config", str(file)).configuration.anonymous == Anonymous(False)
    for flags, why in (
        (("--oidc-client-id", "x"), "mutually exclusive"),
        (("--anonymous-auth",), "cannot be set when anonymous field is configured"),
    ):
        with pytest.raises(BadConfiguration, match=why):
            told("--authentication-config", str(file), *flags)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (HEAD + "jwt:\n- issuer: [\n", r"--authentication-config: .*authn.yaml: .*line \d"),
        (HEAD + JWT.replace("https://a", "https://kubernetes.default.svc"), "URL must not overlap with disallowed"),
        (HEAD + "jwt: [{}]\n", r"jwt\[0\].issuer.url: Required value"),
        ("", "Object 'Kind' is missing"),
    ],
)
def test_up_refuses_a_file_before_it_starts_anything(tmp_path: Path, content: str, why: str) -> None:
    file = tmp_path / "authn.yaml"
    file.write_text(content)
    flags = parse(server_files.Flags, ["--authentication-config", str(file)], prog="longboat up", environ={})
    cluster = Cluster("t", str(tmp_path), 1, **server_files.said(flags, None))
    with pytest.raises(Usage, match=why):
        server_files.check(cluster)


def asked(*flags: str) -> list[tuple[str, str]]:
    given = settings(parse(Options, flags, prog="t", environ={}))
    return [(each.type, each.name) for each in access.authorization(given.authorization).authorizers]


def test_who_is_asked(tmp_path: Path) -> None:
    assert asked() == [("Node", "node"), ("RBAC", "rbac")]
    kubeconfig = tmp_path / "k"
    kubeconfig.write_text(
        '{"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], '
        '"clusters": [{"name": "c", "cluster": {"server": "https://a"}}], "users": [{"name": "u", "user": {}}]}'
    )
    webhook = ("--authorization-webhook-config-file", str(kubeconfig))
    assert asked("--authorization-mode", "Webhook,RBAC", *webhook) == [("Webhook", "default"), ("RBAC", "rbac")]
    file = tmp_path / "authz.yaml"
    file.write_text(HEAD.replace("Authentication", "Authorization") + "authorizers: [{type: RBAC, name: r}]")
    assert asked("--authorization-config", str(file)) == [("RBAC", "r")]
    for flags, why in (
        (("--authorization-mode", "ABAC"), "is not a valid mode"),
        (("--authorization-mode", "RBAC,RBAC"), "specified more than once"),
        (("--authorization-mode", "Webhook"), "authorization config file not passed"),
        (webhook, "without mode Webhook"),
        (("--authorization-config", str(file), "--authorization-mode", "RBAC"), "can not be specified when"),
        (("--authorization-config", str(file.with_name("no"))), "--authorization-config: .*: No such file"),
    ):
        with pytest.raises(BadConfiguration, match=why):
            asked(*flags)
