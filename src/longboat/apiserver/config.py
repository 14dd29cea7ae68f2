"""What an API server is told by whoever starts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from longboat.api.rights import Rights
from longboat.apiserver.admission.configuration import Configured
from longboat.apiserver.audit import webhook
from longboat.apiserver.audit.rotation import Limits
from longboat.apiserver.audit.rules import Policy
from longboat.apiserver.authn import token_webhook
from longboat.apiserver.authn.front_proxy import FrontProxy
from longboat.apiserver.authn.identity import Authenticator
from longboat.apiserver.authn.issuers import live
from longboat.apiserver.authz import live as authorization
from longboat.apiserver.pki import SERVING_NAMES


@dataclass(frozen=True)
class Config:
    """What an API server is told. Addresses are those it is to be found at.

    `audit_policy`: what is recorded; without one, what `audit.policy` says.
    `encryption`: a file with an EncryptionConfiguration; without one, everything is stored in the clear.
    `service_account_keys`: files with keys whose tokens are good besides those of `service_account_key`, which signs.
    `extend_token_expiration`: give tokens of pods a year, as upstream does for programs that read them once.
    `rights`: what components declare to need: they are given it by roles.
    `gathers_roles`: keep the rules of gathering ClusterRoles up to date, which upstream leaves to a controller.
    `enable_admission_plugins`, `disable_admission_plugins`: by their names in `admission.catalog`.
    `admission`: what admission plugins are told.
    `token_webhook`: who is asked about tokens that nobody knows.
    `authorization`: who is asked whether something may be done.
    `authentication`: whose tokens are good besides our own, and who may be nobody.
    `warn_unenforced`: whether clients are warned of what is stored and not in force.
    """

    advertise: str = "127.0.0.1"
    port: int = 6443
    service_cidr: str = "10.96.0.0/16"  # or two of different families, with a comma between
    node_ports: tuple[int, int] = (30000, 32767)
    serving_names: frozenset[str] = frozenset(SERVING_NAMES)
    service_account_key: Path | None = None
    service_account_keys: Sequence[Path] = ()
    extend_token_expiration: bool = False
    client_ca: Path | None = None
    node_ca: Path | None = None  # of what nodes serve with
    front_proxy: FrontProxy | None = None
    audit_log: Path | None = None
    audit_limits: Limits = field(default_factory=Limits)
    audit_policy: Policy | None = None
    audit_webhook: webhook.Settings | None = None
    encryption: Path | None = None
    warn_unenforced: bool = True
    enable_admission_plugins: frozenset[str] = frozenset()
    disable_admission_plugins: frozenset[str] = frozenset()
    admission: Configured = field(default_factory=Configured)
    authentication: live.Settings = field(default_factory=live.Settings)
    token_webhook: token_webhook.Settings | None = None
    authorization: authorization.Settings = field(default_factory=authorization.Settings)
    authenticators: Sequence[Authenticator] = field(default=())
    rights: Sequence[Rights] = ()
    gathers_roles: bool = True
