"""What flags and files say of who is who, and who may do what."""

from __future__ import annotations

from collections.abc import Collection

from longboat.apiserver import remote
from longboat.apiserver.authn import token_webhook as asked
from longboat.apiserver.authn.issuers import configuration, live
from longboat.apiserver.authn.issuers.configuration import Anonymous
from longboat.apiserver.authz import configuration as authz
from longboat.apiserver.authz import live as authorizers
from longboat.assembly.control_plane.settings import Authentication, Authorization
from longboat.machinery.configfile import BadConfiguration


def authentication(
    given: Authentication, disallowed: Collection[str], authorization: authorizers.Settings
) -> live.Settings:
    """`disallowed`: issuers that it may not name. Nobody is anonymous where everybody may do everything, as upstream.
    Raises BadConfiguration, which names the flag."""
    everything = any(each.type == "AlwaysAllow" for each in authorization.authorizers)
    anonymous = Anonymous(given.anonymous is not False and not everything)
    if given.config is None:
        found = configuration.of_flags(given.oidc, disallowed) if given.oidc else configuration.Configuration()
        return live.Settings(found, anonymous)
    if given.oidc is not None:
        raise BadConfiguration("authentication-config file and oidc-* flags are mutually exclusive")
    try:
        found, data = configuration.load(given.config, disallowed)
    except BadConfiguration as error:
        raise BadConfiguration(f"--authentication-config: {error}") from None
    if found.anonymous is not None and given.anonymous is not None:
        raise BadConfiguration(
            "--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration "
            "file"
        )
    return live.Settings(found, anonymous, given.config, data)


def authorization(given: Authorization) -> authorizers.Settings:
    """Raises BadConfiguration, which names the flag."""
    if given.config is None:
        return authorizers.Settings(authz.of_flags(given.flags))
    if given.flags != authz.Flags():
        raise BadConfiguration(
            "--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags "
            "are defined"
        )
    try:
        found, data = authz.load(given.config)
    except BadConfiguration as error:
        raise BadConfiguration(f"--authorization-config: {error}") from None
    return authorizers.Settings(found, given.config, data)


def token_webhook(given: Authentication) -> asked.Settings | None:
    """Raises BadConfiguration, which names the flag."""
    if given.webhook is None:
        return None
    try:
        return asked.Settings(remote.load(given.webhook), given.webhook_version, given.webhook_kept)
    except BadConfiguration as error:
        raise BadConfiguration(f"--authentication-token-webhook-config-file: {error}") from None
