"""What flags and files say of who is who."""

from __future__ import annotations

from collections.abc import Collection

from longboat.apiserver.authn.issuers import configuration, live
from longboat.apiserver.authn.issuers.configuration import Anonymous
from longboat.assembly.control_plane.settings import Authentication
from longboat.machinery.configfile import BadConfiguration


def authentication(given: Authentication, disallowed: Collection[str]) -> live.Settings:
    """`disallowed`: issuers that it may not name. Raises BadConfiguration, which names the flag."""
    anonymous = Anonymous(given.anonymous is not False)
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
